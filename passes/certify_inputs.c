/* Values for the inputs of functions, made from a seed. */
#include "passes/certifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* One float of [-1, 1) with a 7-bit fraction, which every floating type of 16 bits and more holds. */
static float coarse(uint64_t bits)
{
    return (float)((int64_t)(bits & 255) - 128) / 128.0F;
}

/* binary16 of a value that coarse gives: exact. */
static uint16_t half(float value)
{
    uint32_t u;
    memcpy(&u, &value, sizeof u);
    if (value == 0) return 0;
    uint32_t exponent = ((u >> 23) & 255) - 127 + 15;
    return (uint16_t)((u >> 16 & 0x8000) | exponent << 10 | (u >> 13 & 0x3ff));
}

static void fill_floats(adze_value *v, uint64_t count, uint64_t *state)
{
    uint32_t wide = adze_dtype_bits((adze_dtype)v->dtype);
    if (v->dtype == ADZE_DTYPE_c64 || v->dtype == ADZE_DTYPE_c128) count *= 2, wide /= 2;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t bits = next(state);
        float value = coarse(bits), fine = (float)((int64_t)(bits >> 40) - (1 << 23)) / (float)(1 << 23);
        uint32_t u;
        memcpy(&u, &value, sizeof u);
        if (wide == 64)
            ((double *)v->data)[i] = (double)fine;
        else if (wide == 32)
            ((float *)v->data)[i] = fine;
        else if (v->dtype == ADZE_DTYPE_f16)
            ((uint16_t *)v->data)[i] = half(value);
        else if (v->dtype == ADZE_DTYPE_bf16)
            ((uint16_t *)v->data)[i] = (uint16_t)(u >> 16);
        else /* no special value of an 8-bit format lies here */
            ((uint8_t *)v->data)[i] = bits & 0x3f;
    }
}

void adze_value_fill(adze_value *value, uint64_t *state)
{
    uint64_t count = adze_value_count(value), bytes = adze_dtype_bytes((adze_dtype)value->dtype, count);
    adze_dtype_kind kind = adze_dtype_get_kind((adze_dtype)value->dtype);
    uint32_t bits = adze_dtype_bits((adze_dtype)value->dtype);
    unsigned char *data = value->data;
    if ((kind == ADZE_KIND_FLOAT && bits >= 8) || kind == ADZE_KIND_COMPLEX) {
        fill_floats(value, count, state);
    } else if (kind == ADZE_KIND_BOOL || bits >= 32) {
        size_t step = bits / 8;
        memset(data, 0, bytes);
        for (uint64_t i = 0; i < count; i++) data[i * step] = (unsigned char)(next(state) >> 63);
    } else {
        for (uint64_t i = 0; i < bytes; i++) data[i] = (unsigned char)(next(state) >> 56);
    }
}

/* ---- Sizes ---- */

typedef struct sizes {
    const adze_certify_options *options;
    int round;
    adze_map *seen; /* symbol to its size */
    uintptr_t n_seen;
} sizes;

/* Given, or small: in round 0 all different, then all 2, then all 1. */
static bool size_of(void *self, const char *name, int64_t *out)
{
    sizes *s = self;
    for (uint32_t i = 0; i < s->options->n_dims; i++)
        if (!strcmp(s->options->dims[i].name, name)) return *out = s->options->dims[i].value, true;
    *out = s->round == 1 ? 2 : 1;
    if (s->round) return true;
    uintptr_t size = (uintptr_t)adze_map_get(s->seen, name);
    if (!size) {
        size = 2 + s->n_seen++ % 7;
        adze_map_set(s->seen, name, (void *)size);
    }
    *out = (int64_t)size;
    return true;
}

static bool make(sizes *s, const adze_type *type, uint64_t *state, adze_value *out)
{
    uint64_t bound = adze_context_max_memory(adze_type_context(type));
    uint32_t rank = adze_type_rank(type);
    int64_t *dims = calloc(rank + 1u, sizeof *dims);
    uint64_t count = 1;
    bool ok = dims && adze_type_is_tensor(type) && adze_type_is_ranked(type) && adze_type_dtype(type) != ADZE_DTYPE_str;
    for (uint32_t k = 0; ok && k < rank; k++) {
        const adze_dim *dim = adze_type_dim(type, k);
        if (adze_dim_is_unknown(dim))
            size_of(s, "?", &dims[k]);
        else
            ok = adze_dim_evaluate(dim, NULL, 0, size_of, s, &dims[k]) && dims[k] >= 0;
        ok = ok && !__builtin_mul_overflow(count, (uint64_t)dims[k], &count) && count < UINT64_C(1) << 40;
    }
    uint64_t bytes = ok ? adze_dtype_bytes(adze_type_dtype(type), count) : 0, room = (bytes + 127) & ~UINT64_C(63);
    void *data = ok && (!bound || bytes <= bound) ? aligned_alloc(64, room) : NULL;
    if (!data) return free(dims), false;
    memset(data, 0, room);
    *out = (adze_value){
        .kind = ADZE_VALUE_TENSOR, .dtype = adze_type_dtype(type), .rank = rank, .dims = dims, .data = data};
    adze_value_fill(out, state);
    return true;
}

bool adze_inputs_make(const adze_func *func, const adze_certify_options *options, int round, adze_value *out,
                      char *why, size_t why_size)
{
    sizes s = {.options = options, .round = round, .seen = adze_map_create()};
    const adze_region *body = adze_func_body(func);
    uint64_t state = options->seed;
    uint32_t n = adze_region_num_args(body), i = 0;
    while (i < n && make(&s, adze_value_type(adze_region_arg(body, i)), &state, &out[i])) i++;
    adze_map_destroy(s.seen);
    if (i == n) return true;
    char type[256];
    const char *name = adze_value_name(adze_region_arg(body, i));
    adze_type_print(adze_value_type(adze_region_arg(body, i)), type, sizeof type);
    snprintf(why, why_size, "input '%s', %s, cannot be made up", name ? name : "?", type);
    adze_outputs_free(out, i);
    return false;
}
