/* Values of the reference: made, copied and freed within the memory bound. */
#include "ir/interp.h"

#include <stdlib.h>
#include <string.h>

static uint64_t bytes_of(const adze_value *value)
{
    return adze_dtype_bytes((adze_dtype)value->dtype, adze_value_count(value));
}

/* Elements with what is read past them. */
static uint64_t room_of(uint64_t bytes) { return (bytes + 127) & ~(uint64_t)63; }

bool adze_interp_is_over(const adze_interp *interp, uint64_t bytes)
{
    uint64_t bound = interp->context->max_memory;
    return bound && (interp->held > bound || bytes > bound - interp->held);
}

/* What the allocator keeps beside a block. */
enum { ALLOCATION = 16 };

/* Of a sequence, an optional or a map without its items. */
static uint64_t list_of(uint64_t n_items) { return adze_interp_room(n_items) * sizeof(adze_value) + ALLOCATION; }

void adze_interp_release(adze_interp *interp, uint64_t bytes)
{
    interp->held -= bytes < interp->held ? bytes : interp->held; /* what failed half-way was not counted whole */
}

uint64_t adze_interp_base(const adze_value *value)
{
    if (value->kind == ADZE_VALUE_ABSENT) return 0;
    if (value->kind == ADZE_VALUE_TENSOR)
        return value->data ? room_of(bytes_of(value)) + (value->rank + 1u) * sizeof *value->dims + 2 * ALLOCATION : 0;
    uint64_t bytes = list_of(value->n_items);
    for (uint64_t i = 0; i < value->n_items; i++) bytes += adze_interp_base(&value->items[i]);
    return bytes;
}

static uint64_t bytes_of_strings(const adze_value *value)
{
    uint64_t bytes = 0;
    if (value->kind != ADZE_VALUE_TENSOR && value->kind != ADZE_VALUE_ABSENT)
        for (uint64_t i = 0; i < value->n_items; i++) bytes += bytes_of_strings(&value->items[i]);
    if (value->kind != ADZE_VALUE_TENSOR || value->dtype != ADZE_DTYPE_str || !value->data) return bytes;
    for (uint64_t i = 0, n = adze_value_count(value); i < n; i++) bytes += ((const adze_string *)value->data)[i].size;
    return bytes;
}

bool adze_interp_new(adze_interp *interp, adze_loc loc, adze_dtype dtype, uint32_t rank,
                     const int64_t *dims, adze_value *out)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        if (dims[i] < 0) return adze_error(loc, "dim %u of the result would be %lld", i, (long long)dims[i]);
    for (uint32_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(count, (uint64_t)dims[i], &count) || count > SIZE_MAX / 64)
            return adze_error(loc, "a tensor of impossible size");
    uint64_t bytes = adze_dtype_bytes(dtype, count);
    uint64_t room = room_of(bytes);
    if (adze_interp_is_over(interp, room))
        return adze_error(loc, "a tensor of %llu bytes goes over the memory bound",
                          (unsigned long long)bytes);
    int64_t *copy = calloc(rank + 1u, sizeof *copy);
    void *data = aligned_alloc(64, room);
    if (!copy || !data) {
        free(copy);
        free(data);
        return adze_error(loc, "out of memory for a tensor of %llu bytes",
                          (unsigned long long)bytes);
    }
    memset(data, 0, room);
    if (rank) memcpy(copy, dims, rank * sizeof *copy);
    *out = (adze_value){
        .kind = ADZE_VALUE_TENSOR, .dtype = dtype, .rank = rank, .dims = copy, .data = data};
    interp->held += adze_interp_base(out);
    return true;
}

static void free_value(adze_value *value)
{
    if (value->kind == ADZE_VALUE_TENSOR) {
        free(value->data);
        free((void *)(uintptr_t)value->dims);
    } else if (value->kind != ADZE_VALUE_ABSENT) {
        for (uint64_t i = 0; i < value->n_items; i++) free_value(&value->items[i]);
        free(value->items);
    }
    *value = (adze_value){0};
}

void adze_interp_free(adze_interp *interp, adze_value *value)
{
    adze_interp_release(interp, adze_interp_base(value) + bytes_of_strings(value));
    free_value(value);
}

void adze_outputs_free(adze_value *outputs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) free_value(&outputs[i]);
}

bool adze_interp_own(adze_interp *interp, adze_loc loc, adze_value *value)
{
    if (value->kind != ADZE_VALUE_TENSOR || value->dtype != ADZE_DTYPE_str) return true;
    adze_string *strings = value->data;
    uint64_t count = adze_value_count(value), bytes = count * sizeof *strings, size = bytes;
    for (uint64_t i = 0; i < count; i++)
        if (__builtin_add_overflow(size, strings[i].size, &size) || adze_interp_is_over(interp, size - bytes))
            return adze_error(loc, "strings go over the memory bound");
    interp->held += size - bytes;
    adze_string *own = aligned_alloc(64, (size + 127) & ~(uint64_t)63);
    if (!own) return adze_error(loc, "out of memory for strings");
    char *to = (char *)own + bytes;
    for (uint64_t i = 0; i < count; i++) {
        if (strings[i].size) memcpy(to, strings[i].data, strings[i].size);
        own[i] = (adze_string){to, strings[i].size};
        to += strings[i].size;
    }
    free(strings);
    value->data = own;
    return true;
}

uint64_t adze_interp_room(uint64_t count)
{
    uint64_t room = 1;
    while (room < count + 1) room *= 2;
    return room;
}

/* Sequences, optionals and maps with all their items. */
static bool copy_items(adze_interp *interp, adze_loc loc, const adze_value *from, adze_value *to)
{
    *to = (adze_value){.kind = from->kind};
    if (adze_interp_is_over(interp, list_of(from->n_items)))
        return adze_error(loc, "%llu items go over the memory bound", (unsigned long long)from->n_items);
    *to = (adze_value){.kind = from->kind, .items = calloc(adze_interp_room(from->n_items), sizeof *to->items)};
    if (!to->items) return adze_error(loc, "out of memory");
    for (; to->n_items < from->n_items; to->n_items++)
        if (!adze_interp_copy(interp, loc, &from->items[to->n_items], &to->items[to->n_items])) {
            adze_interp_free(interp, to);
            return false;
        }
    interp->held += list_of(to->n_items);
    return true;
}

bool adze_interp_copy(adze_interp *interp, adze_loc loc, const adze_value *from, adze_value *to)
{
    if (from->kind != ADZE_VALUE_TENSOR) return copy_items(interp, loc, from, to);
    if (!adze_interp_new(interp, loc, (adze_dtype)from->dtype, from->rank, from->dims, to))
        return false;
    uint64_t bytes = bytes_of(from);
    if (bytes) memcpy(to->data, from->data, bytes);
    if (adze_interp_own(interp, loc, to)) return true;
    adze_interp_free(interp, to);
    return false;
}
