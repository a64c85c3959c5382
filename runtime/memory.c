/* Memory of models and sessions: the default allocator, and a session's count against its bound. */
#include "internal.h"
#include <stdlib.h>

static void *default_alloc(void *self, size_t bytes, size_t alignment)
{
    (void)self;
    void *memory = NULL;
    if (alignment < sizeof(void *)) alignment = sizeof(void *);
    if (posix_memalign(&memory, alignment, bytes ? bytes : 1)) return NULL;
    return memory;
}

static void default_free(void *self, void *memory, size_t bytes)
{
    (void)self, (void)bytes;
    free(memory);
}

const adze_allocator adze_rt_malloc = {NULL, default_alloc, default_free};

void *adze_rt_model_alloc(const adze_allocator *a, size_t bytes, size_t alignment)
{
    return a->alloc(a->self, bytes, alignment);
}

static void note_use(adze_session *s)
{
    uint64_t used = s->memory - s->spare_bytes;
    if (used > s->most_used) s->most_used = used;
}

void *adze_rt_session_alloc(adze_session *s, uint64_t bytes)
{
    enum { ADDRESS_BITS = 47 };
    if (bytes >> ADDRESS_BITS) return NULL;
    bool fits = !s->max_memory || (bytes <= s->max_memory && s->memory <= s->max_memory - bytes);
    void *memory = fits ? adze_rt_model_alloc(&s->allocator, bytes, 64) : NULL;
    if (memory) s->memory += bytes;
    note_use(s);
    if (memory || !s->spare) return memory;
    adze_rt_block_list_free(s, &s->spare);
    s->spare_bytes = 0;
    return adze_rt_session_alloc(s, bytes);
}

void adze_rt_session_free(adze_session *s, void *memory, uint64_t bytes)
{
    if (!memory) return;
    s->allocator.free(s->allocator.self, memory, bytes);
    s->memory -= bytes;
}

enum { MOST_WASTE = 4096 };
/* The sanitizer shall see who reads what is done with. */
#if defined(__SANITIZE_ADDRESS__)
enum { KEEPS_SPARE = false };
#elif defined(__has_feature)
enum { KEEPS_SPARE = !__has_feature(address_sanitizer) };
#else
enum { KEEPS_SPARE = true };
#endif

block *adze_rt_block_create(adze_session *s, uint64_t bytes)
{
    if (bytes > PTRDIFF_MAX / 4) return NULL;
    for (block **at = &s->spare; *at; at = &(*at)->next) {
        block *b = *at;
        if (b->capacity < bytes || b->capacity > 2 * bytes + MOST_WASTE) continue;
        *at = b->next;
        *b = (block){.capacity = b->capacity};
        s->spare_bytes -= b->capacity;
        note_use(s);
        return b;
    }
    block *b = adze_rt_session_alloc(s, bytes + 64);
    if (b) *b = (block){.capacity = bytes};
    return b;
}

void adze_rt_block_list_free(adze_session *s, block **list)
{
    for (block *b = *list, *next; b; b = next) {
        next = b->next;
        adze_rt_session_free(s, b, b->capacity + 64);
    }
    *list = NULL;
}

void adze_rt_block_list_spare(adze_session *s, block **list)
{
    if (!KEEPS_SPARE) adze_rt_block_list_free(s, list);
    for (block *b = *list, *next; b; b = next) {
        next = b->next;
        if (s->spare_bytes + b->capacity > s->most_used) {
            adze_rt_session_free(s, b, b->capacity + 64);
            continue;
        }
        *b = (block){.next = s->spare, .capacity = b->capacity, .used = s->n_runs};
        s->spare = b;
        s->spare_bytes += b->capacity;
    }
    *list = NULL;
}

void adze_rt_spare_begin(adze_session *s)
{
    block *old = NULL;
    for (block **at = &s->spare; *at;) {
        block *b = *at;
        if (b->used == s->n_runs) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        b->next = old;
        s->spare_bytes -= b->capacity;
        old = b;
    }
    adze_rt_block_list_free(s, &old);
    s->n_runs++;
}

void adze_rt_block_release(adze_session *s, block *b)
{
    if (!b) return;
    if (b->holders) {
        b->holders--;
        return;
    }
    for (uint64_t i = 0; i < b->n_parts; i++) adze_rt_block_release(s, block_parts(b)[i]);
    b->next = NULL;
    adze_rt_block_list_spare(s, &b);
}

size_t adze_rt_alignment(uint32_t dtype)
{
    uint32_t bits = adze_dtype_bits((adze_dtype)dtype);
    switch (adze_dtype_get_kind((adze_dtype)dtype)) {
    case ADZE_KIND_STRING:
        return alignof(adze_string);
    case ADZE_KIND_COMPLEX:
        return bits / 16;
    default:
        return bits < 8 ? 1 : bits / 8;
    }
}

bool adze_rt_tensor_bytes(uint32_t dtype, uint32_t rank, const int64_t *dims, uint64_t *out)
{
    uint64_t count = 1;
    bool empty = false;
    for (uint32_t i = 0; i < rank; i++) {
        if (dims[i] < 0) return false;
        if (dims[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(count, (uint64_t)dims[i], &count))
            return false;
    }
    /* 2^56 elements of 128 bits still fit 63 bits of bytes. */
    if (count > UINT64_C(1) << 56) return false;
    *out = empty ? 0 : adze_dtype_bytes((adze_dtype)dtype, count);
    return true;
}
