/* Values that hold others: sequences, optionals, maps, and tensors of strings. */
#include "internal.h"
#include <string.h>

/* ---- Types ---- */

static adze_status say(const char **out_why, adze_status status, const char *why) { return *out_why = why, status; }

static bool is_aligned(const void *p, size_t alignment) { return (uintptr_t)p % alignment == 0; }

/* Are the bytes of all strings there? */
static bool has_bytes(const adze_string *strings, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (strings[i].size > PTRDIFF_MAX || (strings[i].size && !strings[i].data)) return false;
    return true;
}

static adze_status check_tensor(const adze_value *v, uint32_t dtype, uint32_t rank, const char **out_why)
{
    uint64_t bytes;
    if (v->kind != ADZE_VALUE_TENSOR) return say(out_why, ADZE_ERR_DTYPE, "a tensor is expected");
    if (v->dtype != dtype) return say(out_why, ADZE_ERR_DTYPE, "another element type");
    if (v->rank > ADZE_MAX_RANK || (rank != ADZE_ARTIFACT_RANK_ANY && v->rank != rank))
        return say(out_why, ADZE_ERR_RANK, "another rank");
    if (v->rank && !v->dims) return say(out_why, ADZE_ERR_ARGUMENT, "without dims, data or items");
    if (v->rank && !is_aligned(v->dims, alignof(int64_t)))
        return say(out_why, ADZE_ERR_ALIGNMENT, "not aligned");
    if (!adze_rt_tensor_bytes(v->dtype, v->rank, v->dims, &bytes) || bytes > UINTPTR_MAX - (uintptr_t)v->data)
        return say(out_why, ADZE_ERR_DIM, "absurd sizes");
    if (bytes && !v->data) return say(out_why, ADZE_ERR_ARGUMENT, "without dims, data or items");
    if (!is_aligned(v->data, adze_rt_alignment(v->dtype)))
        return say(out_why, ADZE_ERR_ALIGNMENT, "not aligned");
    if (v->dtype == ADZE_DTYPE_str && !has_bytes(v->data, bytes / sizeof(adze_string)))
        return say(out_why, ADZE_ERR_ARGUMENT, "a string without its bytes");
    return ADZE_OK;
}

/* The items themselves can be read; that there are as many as it says is the caller's word. */
static adze_status check_items(const adze_value *v, const char **out_why)
{
    if (v->n_items > PTRDIFF_MAX / sizeof *v) return say(out_why, ADZE_ERR_DIM, "absurd sizes");
    if (v->n_items && !v->items) return say(out_why, ADZE_ERR_ARGUMENT, "without dims, data or items");
    return is_aligned(v->items, alignof(adze_value)) ? ADZE_OK
                                                     : say(out_why, ADZE_ERR_ALIGNMENT, "not aligned");
}

/* `type` follows ADZE_VALUE_MAP: key, ADZE_VALUE_TENSOR, element type, 0. */
static adze_status check_map(const adze_value *v, const uint32_t *type, const char **out_why)
{
    if (v->n_items != 2) return say(out_why, ADZE_ERR_DIM, "a map that has not as many keys as values");
    adze_status status = check_tensor(&v->items[0], type[0], 1, out_why);
    if (!status) status = check_tensor(&v->items[1], type[2], 1, out_why);
    if (!status && v->items[0].dims[0] != v->items[1].dims[0])
        status = say(out_why, ADZE_ERR_DIM, "a map that has not as many keys as values");
    return status;
}

/* Recursion follows `type`, whose depth is bounded. */
adze_status adze_rt_check_type(const adze_value *v, const uint32_t *type, const char **out_why)
{
    static const char *const expected[] = {[ADZE_VALUE_SEQUENCE] = "a sequence is expected",
                                           [ADZE_VALUE_OPTIONAL] = "an optional is expected",
                                           [ADZE_VALUE_MAP] = "a map is expected"};
    if (type[0] == ADZE_VALUE_TENSOR) return check_tensor(v, type[1], type[2], out_why);
    if (v->kind != type[0]) return say(out_why, ADZE_ERR_DTYPE, expected[type[0]]);
    adze_status status = check_items(v, out_why);
    if (status) return status;
    if (v->kind == ADZE_VALUE_MAP) return check_map(v, type + 1, out_why);
    if (v->kind == ADZE_VALUE_OPTIONAL && v->n_items > 1)
        return say(out_why, ADZE_ERR_DIM, "an optional of more than one item");
    for (uint64_t i = 0; i < v->n_items && !status; i++) status = adze_rt_check_type(&v->items[i], type + 1, out_why);
    return status;
}

/* ---- Copies ---- */

/* Another piece, which begins at a multiple of 64. False where the whole is absurd: far from an overflow, so that sums
 * of two need no check. */
static bool add(uint64_t *total, uint64_t bytes)
{
    const uint64_t most = PTRDIFF_MAX / 4;
    if (bytes > most) return false;
    *total += align64(bytes);
    return *total <= most;
}

static bool measure_tensor(const adze_value *v, uint64_t *total)
{
    uint64_t bytes;
    if (v->rank > ADZE_MAX_RANK || !adze_rt_tensor_bytes(v->dtype, v->rank, v->dims, &bytes)) return false;
    if (!add(total, v->rank * sizeof *v->dims) || !add(total, bytes + VALUE_SLACK)) return false;
    const adze_string *strings = v->data;
    for (uint64_t i = 0; v->dtype == ADZE_DTYPE_str && i < bytes / sizeof *strings; i++)
        if (!add(total, strings[i].size)) return false;
    return true;
}

/* Adds the bytes that a copy takes. False if they are absurd, or items lie in each other too deep. */
static bool measure(const adze_value *v, int depth, uint64_t *total)
{
    if (v->kind == ADZE_VALUE_ABSENT) return true;
    if (v->kind == ADZE_VALUE_TENSOR) return measure_tensor(v, total);
    if (v->kind > ADZE_VALUE_MAP || depth == ADZE_ARTIFACT_MAX_NESTED || v->n_items > PTRDIFF_MAX / sizeof *v ||
        !add(total, v->n_items * sizeof *v))
        return false;
    for (uint64_t i = 0; i < v->n_items; i++)
        if (!measure(&v->items[i], depth + 1, total)) return false;
    return true;
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
