/* Values that hold others: sequences, optionals, and tensors of strings. */
#include "internal.h"
#include <string.h>

/* ---- Types ---- */

static bool say(const char **out_why, const char *why) { return *out_why = why, false; }

static bool is_tensor(const adze_value *v, const uint32_t *type, const char **out_why)
{
    uint64_t bytes;
    if (v->kind != ADZE_VALUE_TENSOR) return say(out_why, "a tensor is expected");
    if (v->dtype != type[1]) return say(out_why, "another element type");
    if (v->rank > ADZE_MAX_RANK || (type[2] != ADZE_ARTIFACT_RANK_ANY && v->rank != type[2]))
        return say(out_why, "another rank");
    if (v->rank && !v->dims) return say(out_why, "no dims");
    if (!adze_rt_tensor_bytes(v->dtype, v->rank, v->dims, &bytes)) return say(out_why, "absurd dims");
    if (bytes && !v->data) return say(out_why, "no data");
    uint32_t bits = adze_dtype_bits((adze_dtype)v->dtype), align = bits < 8 ? 1 : bits / 8 < 8 ? bits / 8 : 8;
    return (uintptr_t)v->data % align == 0 || say(out_why, "data that is not aligned");
}

/* Recursion follows `type`, whose depth is bounded. */
bool adze_rt_is_of_type(const adze_value *v, const uint32_t *type, const char **out_why)
{
    if (type[0] == ADZE_VALUE_TENSOR) return is_tensor(v, type, out_why);
    if (v->kind != type[0])
        return say(out_why, type[0] == ADZE_VALUE_SEQUENCE ? "a sequence is expected" : "an optional is expected");
    if (v->kind == ADZE_VALUE_OPTIONAL && v->n_items > 1) return say(out_why, "an optional of more than one item");
    if (v->n_items && !v->items) return say(out_why, "no items");
    for (uint64_t i = 0; i < v->n_items; i++)
        if (!adze_rt_is_of_type(&v->items[i], type + 1, out_why)) return false;
    return true;
}

/* ---- Copies ---- */

/* The bytes that a copy takes, added to *total; pieces begin at multiples of 64. False if they are absurd. */
static bool measure(const adze_value *v, int depth, uint64_t *total)
{
    uint64_t bytes, head;
    if (v->kind == ADZE_VALUE_ABSENT) return true;
    if (v->kind != ADZE_VALUE_TENSOR) {
        if (depth == ADZE_ARTIFACT_MAX_NESTED || v->n_items > PTRDIFF_MAX / (2 * sizeof *v)) return false;
        *total += align64(v->n_items * sizeof *v);
        for (uint64_t i = 0; i < v->n_items; i++)
            if (!measure(&v->items[i], depth + 1, total)) return false;
        return *total <= PTRDIFF_MAX / 2;
    }
    if (v->rank > ADZE_MAX_RANK || !adze_rt_tensor_bytes(v->dtype, v->rank, v->dims, &bytes)) return false;
    head = align64(v->rank * sizeof *v->dims);
    if (bytes > PTRDIFF_MAX / 4) return false;
    *total += head + align64(bytes + VALUE_SLACK);
    for (uint64_t i = 0; v->dtype == ADZE_DTYPE_str && i < bytes / sizeof(adze_string); i++) {
        uint64_t size = ((const adze_string *)v->data)[i].size;
        if (size > PTRDIFF_MAX / 4 || *total > PTRDIFF_MAX / 2) return false;
        *total += align64(size);
    }
    return *total <= PTRDIFF_MAX / 2;
}

static void *piece(char **at, const void *from, uint64_t bytes, uint64_t room)
{
    void *to = *at;
    if (bytes) memcpy(to, from, bytes);
    *at += align64(room);
    return to;
}

static adze_value copy(char **at, const adze_value *v)
{
    adze_value c = *v;
    uint64_t bytes = 0;
    if (v->kind == ADZE_VALUE_ABSENT) return c;
    if (v->kind != ADZE_VALUE_TENSOR) {
        c.items = piece(at, v->items, v->n_items * sizeof *v, v->n_items * sizeof *v);
        for (uint64_t i = 0; i < v->n_items; i++) c.items[i] = copy(at, &v->items[i]);
        return c;
    }
    adze_rt_tensor_bytes(v->dtype, v->rank, v->dims, &bytes);
    c.dims = piece(at, v->dims, v->rank * sizeof *v->dims, v->rank * sizeof *v->dims);
    c.data = piece(at, v->data, bytes, bytes + VALUE_SLACK);
    adze_string *strings = c.data;
    for (uint64_t i = 0; v->dtype == ADZE_DTYPE_str && i < bytes / sizeof *strings; i++)
        strings[i].data = piece(at, strings[i].data, strings[i].size, strings[i].size);
    return c;
}

block *adze_rt_copy(adze_session *s, const adze_value *from, adze_value *out)
{
    uint64_t total = 0;
    block *b = measure(from, 0, &total) ? adze_rt_block_create(s, total) : NULL;
    if (!b) return NULL;
    char *at = block_data(b);
    *out = copy(&at, from);
    return b;
}
