/* Maps. A map is two items, tensors of rank 1: keys and values. What is given has its keys in order, each once: of
 * equal keys the last one counts, as in `lookup`. */
#include "convert.h"

#define EVAL(name)                                                                                                   \
    adze_status eval_##name(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out, \
                            const void *attrs)

/* Less than 0, 0 or more, as key `a` is before, equal to or behind key `b`. Strings are in the order of their bytes. */
static int order_of(const adze_value *keys, int64_t a, int64_t b)
{
    if (keys->dtype == ADZE_DTYPE_str) {
        adze_string x = ((const adze_string *)keys->data)[a], y = ((const adze_string *)keys->data)[b];
        uint64_t n = x.size < y.size ? x.size : y.size;
        int order = n ? memcmp(x.data, y.data, n) : 0;
        return order ? order : (x.size > y.size) - (x.size < y.size);
    }
    int64_t x = ev_get_i64(keys, a), y = ev_get_i64(keys, b);
    if (ev_is_unsigned(keys->dtype)) return ((uint64_t)x > (uint64_t)y) - ((uint64_t)x < (uint64_t)y);
    return (x > y) - (x < y);
}

/* from[low..middle-1] and from[middle..high-1], both in order, become to[low..high-1]. Stable. */
static void merge(const adze_value *keys, const int64_t *from, int64_t *to, int64_t low, int64_t middle, int64_t high)
{
    int64_t a = low, b = middle;
    for (int64_t i = low; i < high; i++) {
        bool left = b == high || (a < middle && order_of(keys, from[a], from[b]) <= 0);
        to[i] = from[left ? a++ : b++];
    }
}

/* The places of the keys in their order, of equal ones the last, in scratch; NULL: no memory. */
static const int64_t *in_order(const adze_env *env, const adze_value *keys, int64_t *out_count)
{
    int64_t n = keys->dims[0], kept = 0;
    int64_t *from = ev_scratch(env, (uint64_t)n, sizeof *from), *to = ev_scratch(env, (uint64_t)n, sizeof *to);
    if (!from || !to) return NULL;
    for (int64_t i = 0; i < n; i++) from[i] = i;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t low = 0; low < n; low += 2 * width)
            merge(keys, from, to, low, ev_min(low + width, n), ev_min(low + 2 * width, n));
        int64_t *sorted = to;
        to = from;
        from = sorted;
    }
    for (int64_t i = 0; i < n; i++)
        if (i + 1 == n || order_of(keys, from[i], from[i + 1]) != 0) from[kept++] = from[i];
    *out_count = kept;
    return from;
}

/* to[i] = from[first + order[i]] */
static void pick(const adze_value *from, int64_t first, const int64_t *order, int64_t n, void *to)
{
    size_t size = adze_dtype_bits((adze_dtype)from->dtype) / 8;
    for (int64_t i = 0; i < n; i++)
        memcpy((char *)to + (size_t)i * size, (const char *)from->data + (size_t)(first + order[i]) * size, size);
}

/* n = dims[0] elements as a tensor in scratch. */
static adze_status pick_new(const adze_env *env, const adze_value *from, int64_t first, const int64_t *order,
                            const int64_t *dims, adze_value *out)
{
    void *data = ev_scratch(env, (uint64_t)*dims, adze_dtype_bits((adze_dtype)from->dtype) / 8);
    if (!data) return ev_no_memory(env);
    pick(from, first, order, *dims, data);
    *out = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = from->dtype, .rank = 1, .dims = dims, .data = data};
    return ADZE_OK;
}

static bool are_whole_bytes(const adze_value *v) { return adze_dtype_bits((adze_dtype)v->dtype) % 8 == 0; }

/* Rows as maps in a sequence; all have the same keys. */
EVAL(zip_map)
{
    (void)n_in, (void)n_out, (void)attrs;
    const adze_value *x = &in[0], *keys = &in[1];
    if (x->rank < 1 || x->rank > 2 || keys->rank != 1 || keys->dims[0] != x->dims[x->rank - 1])
        return ev_fail(env, ADZE_ERR_DIM, "zip_map: there are not as many keys as columns");
    if (!are_whole_bytes(x) || !are_whole_bytes(keys)) return ev_bad_dtype(env);
    int64_t rows = x->rank == 2 ? x->dims[0] : 1;
    int64_t *dims = ev_scratch(env, 1, sizeof *dims);
    const int64_t *order = dims ? in_order(env, keys, dims) : NULL;
    adze_value *maps = ev_scratch(env, (uint64_t)rows, sizeof *maps), key_item;
    adze_value *items = ev_scratch(env, (uint64_t)rows, 2 * sizeof *items);
    if (!order || !maps || !items) return ev_no_memory(env);
    adze_status status = pick_new(env, keys, 0, order, dims, &key_item);
    for (int64_t i = 0; !status && i < rows; i++, items += 2) {
        items[0] = key_item;
        status = pick_new(env, x, i * keys->dims[0], order, dims, &items[1]);
        maps[i] = (adze_value){.kind = ADZE_VALUE_MAP, .items = items, .n_items = 2};
    }
    *out = (adze_value){.kind = ADZE_VALUE_SEQUENCE, .items = maps, .n_items = (uint64_t)rows};
    return status;
}

EVAL(map_entries)
{
    (void)n_in, (void)attrs;
    const adze_value *keys = in->items, *values = in->items + 1;
    if (in->kind != ADZE_VALUE_MAP || in->n_items != 2 || keys->rank != 1 || values->rank != 1 ||
        keys->dims[0] != values->dims[0])
        return ev_fail(env, ADZE_ERR_DIM, "map_entries: there are not as many keys as values");
    if (!are_whole_bytes(keys) || !are_whole_bytes(values)) return ev_bad_dtype(env);
    int64_t n;
    const int64_t *order = in_order(env, keys, &n);
    if (!order) return ev_no_memory(env);
    adze_status status = ADZE_OK;
    for (uint32_t i = 0; !status && i < n_out; i++) {
        status = ev_result(env, &out[i], in->items[i].dtype, 1, &n);
        if (!status) pick(&in->items[i], 0, order, n, out[i].data);
    }
    return status;
}
