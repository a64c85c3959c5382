/* Ops that choose elements by their values: compress, nonzero, topk, unique. Sorting is stable, by bytes of keys or by
 * merging, and choosing the first k goes through a heap, so that hostile orders cost little more. NaN counts as larger
 * than every number. */
#include "copy.h"

/* ---- Order of elements ---- */

typedef struct order {
    const adze_value *values;
    const int64_t *keys; /* of items that are single elements: what they are compared by; NULL = by the elements */
    int64_t n;      /* elements of an item, `step` apart; items are `stride` apart */
    int64_t step, stride, run;
} order;

/* NaN last. */
static int compare_f64(double x, double y)
{
    if (x != x || y != y) return (x != x) - (y != y);
    return x < y ? -1 : x > y;
}

/* By bytes, and a text that another begins with comes before that one. */
static int compare_texts(adze_string a, adze_string b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    const uint8_t *x = (const uint8_t *)a.data, *y = (const uint8_t *)b.data;
    for (size_t i = 0; i < shared; i++)
        if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    return a.size < b.size ? -1 : a.size > b.size;
}

static int compare_at(const adze_value *v, int64_t a, int64_t b)
{
    if (v->dtype == ADZE_DTYPE_str)
        return compare_texts(((const adze_string *)v->data)[a], ((const adze_string *)v->data)[b]);
    if (ev_is_int(v->dtype)) {
        int64_t x = ev_get_i64(v, a), y = ev_get_i64(v, b);
        if (v->dtype == ADZE_DTYPE_u64) return (uint64_t)x < (uint64_t)y ? -1 : (uint64_t)x > (uint64_t)y;
        return x < y ? -1 : x > y;
    }
    adze_value real = *v; /* the first parts of complex numbers come first */
    int64_t parts = ev_parts(v->dtype);
    real.dtype = ev_part(v->dtype);
    int c = 0;
    for (int64_t i = 0; i < parts && !c; i++)
        c = compare_f64(ev_get_f64(&real, a * parts + i), ev_get_f64(&real, b * parts + i));
    return c;
}

/* The same of floats that are not f32. */
static void load_wide_keys(const adze_value *v, int64_t first, int64_t stride, int64_t n, int64_t *out)
{
    enum { CHUNK = 256 };
    for (int64_t i = 0; i < n; i += CHUNK) {
        double x[CHUNK];
        int64_t count = ev_min(CHUNK, n - i);
        ev_load_f64(v->dtype, v->data, first + i * stride, stride, count, x);
        for (int64_t k = 0; k < count; k++) {
            int64_t bits;
            memcpy(&bits, &x[k], sizeof bits);
            int64_t size = bits & INT64_MAX;
            out[i + k] = x[k] != x[k] ? INT64_MAX : bits < 0 ? -size : size;
        }
    }
}

/* Integers in the order of n elements, `stride` apart: equal ones for equal ones, -0 and 0 too. */
static void load_keys(const adze_value *v, int64_t first, int64_t stride, int64_t n, bool descending, int64_t *out)
{
    if (ev_is_int(v->dtype)) {
        ev_load_i64(v->dtype, v->data, first, stride, n, out);
        for (int64_t i = 0; i < n && v->dtype == ADZE_DTYPE_u64; i++) out[i] ^= INT64_MIN;
    } else if (v->dtype == ADZE_DTYPE_f32) {
        const float *floats = (const float *)v->data + first;
        for (int64_t i = 0; i < n; i++) {
            float x = floats[i * stride];
            out[i] = x != x ? INT64_MAX : adze_order_f32(x);
        }
    } else {
        load_wide_keys(v, first, stride, n, out);
    }
    for (int64_t i = 0; i < n && descending; i++) out[i] = ~out[i];
}

/* An item is n runs of `run` elements. */
static int compare(const order *o, int64_t a, int64_t b)
{
    if (o->keys) return o->keys[a] < o->keys[b] ? -1 : o->keys[a] > o->keys[b];
    for (int64_t i = 0; i < o->n; i++)
        for (int64_t k = 0; k < o->run; k++) {
            int64_t at = i * o->step + k;
            int c = compare_at(o->values, at + a * o->stride, at + b * o->stride);
            if (c) return c;
        }
    return 0;
}

/* Byte by byte, the last one first; bytes that all keys have alike are passed over. */
static void sort_by_keys(const int64_t *keys, int64_t *items, int64_t *spare, int64_t count)
{
    for (int shift = 0; shift < 64; shift += 8) {
        uint64_t flip = shift == 56 ? 0x80 : 0; /* the sign */
        int64_t starts[257] = {0}, most = 0;
        for (int64_t i = 0; i < count; i++) starts[(((uint64_t)keys[i] >> shift & 0xff) ^ flip) + 1]++;
        for (int i = 1; i <= 256; i++) most = starts[i] > most ? starts[i] : most;
        if (most == count) continue;
        for (int i = 1; i <= 256; i++) starts[i] += starts[i - 1];
        for (int64_t i = 0; i < count; i++)
            spare[starts[((uint64_t)keys[items[i]] >> shift & 0xff) ^ flip]++] = items[i];
        memcpy(items, spare, (size_t)count * sizeof *items);
    }
}

/* Sorts `count` items; equal ones stay in their order. `spare` has room for as many. */
static void sort(const order *o, int64_t *items, int64_t *spare, int64_t count)
{
    if (o->keys) {
        sort_by_keys(o->keys, items, spare, count);
        return;
    }
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t low = 0; low < count; low += 2 * width) {
            int64_t mid = ev_min(low + width, count), high = ev_min(low + 2 * width, count), a = low, b = mid;
            for (int64_t k = low; k < high; k++)
                spare[k] = a < mid && (b >= high || compare(o, items[a], items[b]) <= 0) ? items[a++] : items[b++];
        }
        memcpy(items, spare, (size_t)count * sizeof *items);
    }
}

/* ---- Where something holds ---- */

/* Copies to `dst`, up to `end`, those of n runs that `holds` names; without jumps, which nobody could foretell. */
static inline uint8_t *take_held(uint8_t *dst, const uint8_t *end, const uint8_t *src, const uint8_t *holds, int64_t n,
                                 size_t run)
{
    for (int64_t i = 0; i < n && dst < end; i++) {
        memcpy(dst, src + (size_t)i * run, run);
        dst += holds[i] ? run : 0;
    }
    return dst;
}

static uint8_t *take_rows(uint8_t *dst, const uint8_t *end, const uint8_t *src, const uint8_t *holds, int64_t n,
                          size_t run)
{
    switch (run) { /* sizes that are one instruction */
    case 1: return take_held(dst, end, src, holds, n, 1);
    case 2: return take_held(dst, end, src, holds, n, 2);
    case 4: return take_held(dst, end, src, holds, n, 4);
    case 8: return take_held(dst, end, src, holds, n, 8);
    }
    for (int64_t i = 0; i < n; i++) {
        if (!holds[i]) continue;
        memcpy(dst, src + (size_t)i * run, run);
        dst += run;
    }
    return dst;
}

adze_status eval_compress(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                          const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_compress_attrs *a = attrs;
    bool flat = !(a->set & 1);
    uint32_t axis = 0;
    if (in[1].rank != 1 || in[1].dtype != ADZE_DTYPE_bool)
        return ev_fail(env, ADZE_ERR_DTYPE, "compress: the condition is no list of bools");
    if (!flat && !ev_axis(a->axis, in->rank, &axis)) return ev_fail(env, ADZE_ERR_VALUE, "compress: axis out of range");
    int64_t extent = flat ? (int64_t)adze_value_count(in) : in->dims[axis], n = in[1].dims[0], kept = 0;
    const uint8_t *holds = in[1].data;
    for (int64_t i = 0; i < n; i++) {
        if (holds[i] && i >= extent)
            return ev_fail(env, ADZE_ERR_VALUE, "compress: the condition is longer than the axis");
        kept += holds[i] != 0;
    }
    int64_t dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = in->dims[i];
    dims[axis] = kept;
    adze_value from, to;
    adze_status status = ev_result(env, out, in->dtype, flat ? 1 : in->rank, dims);
    if (status == ADZE_OK) status = ev_unpack(env, in, &from);
    if (status == ADZE_OK) status = ev_unpacked(env, out, &to);
    if (status != ADZE_OK) return status;
    int64_t outer = flat ? 1 : ev_product(in->dims, 0, axis);
    size_t run = (size_t)(flat ? 1 : ev_product(in->dims, axis + 1, in->rank)) * ev_size(in->dtype);
    uint8_t *dst = to.data, *end = dst + (size_t)(outer * kept) * run;
    for (int64_t o = 0; o < outer; o++)
        dst = take_rows(dst, end, (const uint8_t *)from.data + (size_t)(o * extent) * run, holds, ev_min(n, extent),
                        run);
    return ev_pack(&to, out);
}

/* Of texts the empty one. */
static bool is_zero(const adze_value *v, int64_t i)
{
    if (v->dtype == ADZE_DTYPE_str) return ((const adze_string *)v->data)[i].size == 0;
    if (ev_is_int(v->dtype)) return ev_get_i64(v, i) == 0;
    double parts[2] = {0};
    int64_t n = ev_parts(v->dtype);
    ev_load_f64(ev_part(v->dtype), v->data, i * n, 1, n, parts);
    return parts[0] == 0 && parts[1] == 0;
}

adze_status eval_nonzero(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                         const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    int64_t n = (int64_t)adze_value_count(in), found = 0;
    for (int64_t i = 0; i < n; i++) found += !is_zero(in, i);
    /* a scalar has no axes: no rows, and a column if it is not 0 */
    int64_t dims[2] = {in->rank, found}, at[ADZE_MAX_RANK] = {0}, column = 0;
    adze_status status = ev_result(env, out, ADZE_DTYPE_i64, 2, dims);
    if (status != ADZE_OK) return status;
    for (int64_t i = 0; i < n; i++) {
        if (!is_zero(in, i)) {
            for (uint32_t k = 0; k < in->rank; k++) ((int64_t *)out->data)[k * found + column] = at[k];
            column++;
        }
        ev_next(in->rank, in->dims, at);
    }
    return ADZE_OK;
}

/* ---- The largest ---- */

static bool is_behind(const int64_t *keys, int64_t a, int64_t b)
{
    return keys[a] != keys[b] ? keys[a] > keys[b] : a > b;
}

/* heap[at] goes down to where none below it is behind it. */
static void sink(const int64_t *keys, int64_t *heap, int64_t n, int64_t at)
{
    int64_t item = heap[at];
    for (int64_t below; (below = 2 * at + 1) < n; at = below) {
        if (below + 1 < n && is_behind(keys, heap[below + 1], heap[below])) below++;
        if (!is_behind(keys, heap[below], item)) break;
        heap[at] = heap[below];
    }
    heap[at] = item;
}

/* The first k of n items by their keys, equal ones by their places, in order; the last of k is the heap's root. */
static void choose(const int64_t *keys, int64_t n, int64_t k, int64_t *items)
{
    for (int64_t i = 0; i < k; i++) items[i] = i;
    for (int64_t i = k / 2; i-- > 0;) sink(keys, items, k, i);
    for (int64_t i = k; i < n; i++) {
        if (keys[i] >= keys[items[0]]) continue;
        items[0] = i;
        sink(keys, items, k, 0);
    }
    for (int64_t left = k; left-- > 1;) {
        int64_t last = items[0];
        items[0] = items[left];
        items[left] = last;
        sink(keys, items, left, 0);
    }
}

adze_status eval_topk(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                      const void *attrs)
{
    (void)n_in;
    const struct adze_topk_attrs *a = attrs;
    uint32_t axis;
    if (!ev_is_number(in->dtype)) return ev_bad_dtype(env);
    if (n_out < 2 || !ev_axis(a->axis, in->rank, &axis) || !ev_is_int(in[1].dtype) || adze_value_count(&in[1]) != 1)
        return ev_fail(env, ADZE_ERR_VALUE, "topk: axis out of range, or k is not one integer");
    int64_t k = ev_get_i64(&in[1], 0), n = in->dims[axis], dims[ADZE_MAX_RANK];
    if (k < 0 || k > n) return ev_fail(env, ADZE_ERR_VALUE, "topk: k is larger than the axis");
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = i == axis ? k : in->dims[i];
    adze_value from, to;
    adze_status status = ev_result(env, &out[0], in->dtype, in->rank, dims);
    if (status == ADZE_OK) status = ev_result(env, &out[1], ADZE_DTYPE_i64, in->rank, dims);
    if (status == ADZE_OK) status = ev_unpack(env, in, &from);
    if (status == ADZE_OK) status = ev_unpacked(env, out, &to);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    int64_t inner = ev_product(in->dims, axis + 1, in->rank), lines = ev_product(in->dims, 0, axis) * inner;
    int64_t *items = ev_scratch(env, (uint64_t)k, sizeof *items), *keys = ev_scratch(env, (uint64_t)n, sizeof *keys);
    if (!items || !keys) return ev_no_memory(env);
    uint32_t size = ev_size(in->dtype);
    for (int64_t line = 0; line < lines; line++) {
        int64_t target = line / inner * k * inner + line % inner, first = line / inner * n * inner + line % inner;
        load_keys(in, first, inner, n, a->largest != 0, keys);
        choose(keys, n, k, items);
        for (int64_t i = 0; i < k; i++) {
            memcpy((uint8_t *)to.data + (target + i * inner) * size,
                   (const uint8_t *)from.data + (first + items[i] * inner) * size, size);
            ((int64_t *)out[1].data)[target + i * inner] = items[i];
        }
    }
    return ev_pack(&to, out);
}

/* ---- Different ones ---- */

/* What unique finds: groups of equal items. Every array has room for `count` items. */
typedef struct groups {
    int64_t count, n;
    int64_t *sorted, *spare;
    int64_t *first;  /* of group g, its first item */
    int64_t *group;  /* of item i, its group */
    int64_t *size;   /* of group g */
} groups;

/* Groups in the order of their values, or of their first items. */
static void find_groups(const order *o, bool by_value, groups *g)
{
    for (int64_t i = 0; i < g->count; i++) g->sorted[i] = i;
    sort(o, g->sorted, g->spare, g->count);
    for (int64_t i = 0; i < g->count; i++) {
        if (i == 0 || compare(o, g->sorted[i - 1], g->sorted[i]) != 0) {
            g->first[g->n] = g->sorted[i]; /* sorting is stable: the first of them */
            g->size[g->n++] = 0;
        }
        g->group[g->sorted[i]] = g->n - 1;
        g->size[g->n - 1]++;
    }
    if (by_value) return;
    /* by first item: walk the items, and give each group a number when it is met */
    int64_t next = 0;
    for (int64_t i = 0; i < g->count; i++)
        if (g->first[g->group[i]] == i) g->spare[g->group[i]] = next++;
    for (int64_t k = 0; k < g->n; k++) g->sorted[g->spare[k]] = g->first[k];
    for (int64_t i = 0; i < g->count; i++) g->group[i] = g->spare[g->group[i]];
    for (int64_t k = 0; k < g->n; k++) {
        g->first[k] = g->sorted[k];
        g->size[k] = 0;
    }
    for (int64_t i = 0; i < g->count; i++) g->size[g->group[i]]++;
}

static adze_status new_groups(const adze_env *env, int64_t count, groups *g)
{
    *g = (groups){.count = count};
    int64_t **const arrays[] = {&g->sorted, &g->spare, &g->first, &g->group, &g->size};
    for (uint32_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (!(*arrays[i] = ev_scratch(env, (uint64_t)count, sizeof(int64_t)))) return ev_no_memory(env);
    return ADZE_OK;
}

adze_status eval_unique(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                        const void *attrs)
{
    (void)n_in;
    const struct adze_unique_attrs *a = attrs;
    bool flat = !(a->set & 1);
    uint32_t axis = 0;
    groups g;
    if (!flat && !ev_axis(a->axis, in->rank, &axis)) return ev_fail(env, ADZE_ERR_VALUE, "unique: axis out of range");
    int64_t count = flat ? (int64_t)adze_value_count(in) : in->dims[axis];
    int64_t outer = flat ? 1 : ev_product(in->dims, 0, axis);
    int64_t run = flat ? 1 : ev_product(in->dims, axis + 1, in->rank), dims[ADZE_MAX_RANK] = {0};
    order o = {.values = in, .n = outer, .run = run, .step = count * run, .stride = run};
    adze_status status = new_groups(env, count, &g);
    bool keyed = status == ADZE_OK && outer == 1 && run == 1 && ev_is_number(in->dtype);
    int64_t *keys = keyed ? ev_scratch(env, (uint64_t)count, sizeof *keys) : NULL;
    if (keys) load_keys(in, 0, 1, count, false, keys);
    o.keys = keys;
    if (status != ADZE_OK) return status;
    find_groups(&o, a->sorted != 0, &g);
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = in->dims[i];
    dims[axis] = g.n;
    adze_value from, to;
    status = ev_result(env, out, in->dtype, flat ? 1 : in->rank, dims);
    if (status == ADZE_OK) status = ev_unpack(env, in, &from);
    if (status == ADZE_OK) status = ev_unpacked(env, out, &to);
    if (status != ADZE_OK) return status;
    size_t bytes = (size_t)run * ev_size(in->dtype);
    for (int64_t i = 0; i < outer; i++)
        for (int64_t k = 0; k < g.n; k++)
            memcpy((uint8_t *)to.data + (size_t)(i * g.n + k) * bytes,
                   (const uint8_t *)from.data + (size_t)(i * count + g.first[k]) * bytes, bytes);
    const int64_t *const more[] = {g.first, g.group, g.size};
    for (uint32_t k = 1; k < n_out && k < 4; k++) {
        int64_t n = k == 2 ? count : g.n;
        status = ev_result(env, &out[k], ADZE_DTYPE_i64, 1, &n);
        if (status != ADZE_OK) return status;
        if (n) memcpy(out[k].data, more[k - 1], (size_t)n * sizeof(int64_t));
    }
    return ev_pack(&to, out);
}
