/* What shape arithmetic is worth: the contents of small integer tensors, as dims.
 *
 * Exporters compute shapes with ordinary ops (Shape, Gather, Mul, Concat, …). Walking up from a value
 * through those ops gives its entries as expressions over the model's symbols; entries that cannot be
 * known are `?`. Only tensors of at most MAX_ENTRIES elements are followed, to a bounded depth, with a
 * bounded number of steps, so that no graph can make this slow.
 */
#include "ir/eval/convert.h"
#include "ir/infer.h"

#include <adze/ir.h>
#include <adze/ops_attrs.h>

#include <math.h>
#include <string.h>

enum { MAX_ENTRIES = 64, MAX_DEPTH = 48, MAX_STEPS = 2000 };

typedef struct walker {
    adze_context *context;
    int steps, depth;
} walker;

typedef const adze_dim *entries[MAX_ENTRIES];

static int walk(walker *w, const adze_ir_value *value, const adze_dim **out);

/* ---- Constants ---- */

/* Number of elements of a type whose dims are constant and at most `max`; -1 otherwise. */
static int64_t small_count(const adze_type *type, int64_t max)
{
    int64_t n;
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return -1;
    return adze_dim_is_const(adze_type_count(type), &n) && n <= max ? n : -1;
}

/* Elements from .. from+n-1 of a constant as doubles or integers, whichever is not NULL. */
static bool read_const(const adze_const *constant, int64_t from, int64_t n, int64_t *ints, double *floats)
{
    uint8_t bytes[MAX_ENTRIES * 8];
    adze_dtype dtype = adze_type_dtype(adze_const_type(constant));
    uint32_t bits = adze_dtype_bits(dtype);
    if (bits < 8 || bits > 64 || n > MAX_ENTRIES || (ints ? !ev_is_int(dtype) : !ev_is_number(dtype))) return false;
    uint64_t size = bits / 8;
    if (!adze_data_is_quick(adze_const_data(constant))) return false;
    if (!adze_data_read(adze_const_data(constant), (uint64_t)from * size, bytes, (uint64_t)n * size)) return false;
    if (ints)
        ev_load_i64(dtype, bytes, 0, 1, n, ints);
    else
        ev_load_f64(dtype, bytes, 0, 1, n, floats);
    return true;
}

const adze_ir_value *infer_outside_kernel(const adze_ir_value *value)
{
    const adze_region *region = adze_value_region(value);
    const adze_op *op = region ? adze_region_op(region) : NULL;
    return op && adze_op_is(op, "kernel") ? adze_op_operand(op, adze_value_index(value)) : value;
}

int adze_value_as_ints(const adze_ir_value *value, int64_t *out, int max)
{
    value = infer_outside_kernel(value);
    const adze_op *op = adze_value_op(value);
    if (op && adze_op_is(op, "dims")) {
        const adze_attr_dims *dims = adze_op_attr_dims(op, "dims");
        if (!dims || dims->count > (uint32_t)max) return -1;
        for (uint32_t i = 0; i < dims->count; i++)
            if (!adze_dim_is_const(dims->dims[i], &out[i])) return -1;
        return (int)dims->count;
    }
    const adze_const *constant = adze_value_const(value);
    if (!constant || adze_type_rank(adze_const_type(constant)) > 1) return -1;
    int64_t n = small_count(adze_const_type(constant), max);
    for (int64_t i = 0; i < n; i += MAX_ENTRIES) {
        int64_t now = n - i < MAX_ENTRIES ? n - i : MAX_ENTRIES;
        if (!read_const(constant, i, now, out + i, NULL)) return -1;
    }
    return (int)n;
}

bool adze_value_as_splat(const adze_ir_value *value, double *out)
{
    enum { LIMIT = 1000000 };
    value = infer_outside_kernel(value);
    const adze_op *op = adze_value_op(value);
    if (op && (adze_op_is(op, "full") || adze_op_is(op, "constant_of_shape"))) {
        *out = adze_op_attr_float(op, "value");
        return true;
    }
    const adze_const *constant = adze_value_const(value);
    int64_t n = constant ? small_count(adze_const_type(constant), LIMIT) : -1;
    if (n < 1) return false;
    double block[MAX_ENTRIES];
    for (int64_t i = 0; i < n; i += MAX_ENTRIES) {
        int64_t now = n - i < MAX_ENTRIES ? n - i : MAX_ENTRIES;
        if (!read_const(constant, i, now, NULL, block)) return false;
        if (i == 0) *out = block[0];
        for (int64_t k = 0; k < now; k++)
            if (memcmp(&block[k], out, sizeof *out)) return false;
    }
    return true;
}

/* Floats count as entries while they are whole numbers, as exporters scale shapes in f32. */
static int from_const(walker *w, const adze_const *constant, const adze_dim **out)
{
    int64_t n = small_count(adze_const_type(constant), MAX_ENTRIES), ints[MAX_ENTRIES];
    double floats[MAX_ENTRIES];
    bool is_float = ev_is_float(adze_type_dtype(adze_const_type(constant)));
    if (n < 0 || !read_const(constant, 0, n, is_float ? NULL : ints, floats)) return -1;
    for (int64_t i = 0; i < n; i++) {
        if (is_float && (!(fabs(floats[i]) <= 0x1p24) || floats[i] != (double)(int64_t)floats[i])) return -1;
        out[i] = adze_dim_const(w->context, is_float ? (int64_t)floats[i] : ints[i]);
    }
    return (int)n;
}

/* ---- Arithmetic ---- */

static bool is_natural(const adze_dim *dim)
{
    int64_t low, high;
    adze_dim_range(dim, NULL, 0, &low, &high);
    return !adze_dim_is_unknown(dim) && low >= 0;
}

/* 1, 0, or unknown where the symbols decide. */
static const adze_dim *is_equal(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    int64_t low, high;
    const adze_dim *difference = adze_dim_sub(context, a, b);
    adze_dim_range(difference, NULL, 0, &low, &high);
    if (adze_dim_is_unknown(difference)) return difference;
    if (low == 0 && high == 0) return adze_dim_const(context, 1);
    return low > 0 || high < 0 ? adze_dim_const(context, 0) : adze_dim_unknown(context);
}

typedef const adze_dim *combine(adze_context *context, const adze_dim *a, const adze_dim *b);

static const adze_dim *divide(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    int64_t x, y;
    if (adze_dim_is_value(b, 0)) return adze_dim_unknown(context);
    if (adze_dim_is_const(a, &x) && adze_dim_is_const(b, &y) && y != -1) return adze_dim_const(context, x / y);
    if (!is_natural(a) || !is_natural(b)) return adze_dim_unknown(context);
    return adze_dim_binary(context, ADZE_DIM_FLOORDIV, a, b);
}

static const adze_dim *remainder_of(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    if (!is_natural(a) || !is_natural(b) || adze_dim_is_value(b, 0)) return adze_dim_unknown(context);
    return adze_dim_binary(context, ADZE_DIM_MOD, a, b);
}

static const adze_dim *smaller(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(context, ADZE_DIM_MIN, a, b);
}

static const adze_dim *larger(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(context, ADZE_DIM_MAX, a, b);
}

static const struct {
    const char *name;
    combine *apply;
    bool ints_only;
} combines[] = {
    {"add", adze_dim_add, false},   {"sub", adze_dim_sub, false},  {"mul", adze_dim_mul, false},
    {"div", divide, true},          {"mod", remainder_of, true},   {"min", smaller, false},
    {"max", larger, false},         {"min_n", smaller, false},     {"max_n", larger, false},
    {"sum_n", adze_dim_add, false}, {"equal", is_equal, false},
};

static const struct {
    const char *name;
    combine *apply;
} reductions[] = {
    {"reduce_prod", adze_dim_mul},
    {"reduce_sum", adze_dim_add},
    {"reduce_min", smaller},
    {"reduce_max", larger},
};

/* Rank at most 1, so that entries broadcast by count alone. */
static bool is_flat(const adze_ir_value *value)
{
    const adze_type *type = value ? adze_value_type(value) : NULL;
    return type && adze_type_is_tensor(type) && adze_type_is_ranked(type) && adze_type_rank(type) <= 1;
}

static int walk_operand(walker *w, const adze_op *op, uint32_t index, const adze_dim **out)
{
    const adze_ir_value *value = adze_op_operand(op, index);
    return value ? walk(w, value, out) : -1;
}

static int walk_combine(walker *w, const adze_op *op, combine *apply, const adze_dim **out)
{
    entries more;
    if (!is_flat(adze_op_operand(op, 0))) return -1;
    int n = walk_operand(w, op, 0, out);
    for (uint32_t k = 1; n >= 0 && k < adze_op_num_operands(op); k++) {
        int m = is_flat(adze_op_operand(op, k)) ? walk_operand(w, op, k, more) : -1;
        if (m < 0 || (m != n && m != 1 && n != 1)) return -1;
        int both = n == 1 ? m : n;
        for (int i = both - 1; i >= 0; i--) out[i] = apply(w->context, out[n == 1 ? 0 : i], more[m == 1 ? 0 : i]);
        n = both;
    }
    return n;
}

static int walk_where(walker *w, const adze_op *op, const adze_dim **out)
{
    entries condition, yes, no;
    for (uint32_t k = 0; k < 3; k++)
        if (!is_flat(adze_op_operand(op, k))) return -1;
    int c = walk_operand(w, op, 0, condition), a = walk_operand(w, op, 1, yes), b = walk_operand(w, op, 2, no);
    int n = c == 1 ? (a == 1 ? b : a) : c;
    if (c < 0 || a < 0 || b < 0 || (c != n && c != 1) || (a != n && a != 1) || (b != n && b != 1)) return -1;
    for (int i = 0; i < n; i++) {
        const adze_dim *choice = condition[c == 1 ? 0 : i], *x = yes[a == 1 ? 0 : i], *y = no[b == 1 ? 0 : i];
        if (adze_dim_equal(x, y) || adze_dim_is_value(choice, 1))
            out[i] = x;
        else
            out[i] = adze_dim_is_value(choice, 0) ? y : adze_dim_unknown(w->context);
    }
    return n;
}

/* All entries into one. Only if the reduction is of a whole flat tensor. */
static int walk_reduce(walker *w, const adze_op *op, combine *apply, const adze_dim **out)
{
    int64_t axes[2];
    const adze_ir_value *named = adze_op_operand(op, 1);
    if (!is_flat(adze_op_operand(op, 0)) || adze_op_attr_int(op, "noop_with_empty_axes")) return -1;
    if (named && adze_value_as_ints(named, axes, 2) < 0) return -1;
    int n = walk_operand(w, op, 0, out);
    if (n < 1) return -1;
    for (int i = 1; i < n; i++) out[0] = apply(w->context, out[0], out[i]);
    return 1;
}

/* ---- Picking ---- */

static int walk_gather(walker *w, const adze_op *op, const adze_dim **out)
{
    entries from, index;
    const adze_ir_value *data = adze_op_operand(op, 0);
    if (!is_flat(data) || adze_type_rank(adze_value_type(data)) != 1) return -1;
    int n = walk_operand(w, op, 0, from), m = n < 0 ? -1 : walk_operand(w, op, 1, index);
    for (int i = 0; i < m; i++) {
        int64_t at;
        if (!adze_dim_is_const(index[i], &at)) return -1;
        if (at < 0) at += n;
        if (at < 0 || at >= n) return -1;
        out[i] = from[at];
    }
    return m;
}

static int walk_slice(walker *w, const adze_op *op, const adze_dim **out)
{
    entries from, entry;
    int64_t bound[3] = {0, 0, 1}; /* start, end, step */
    if (!is_flat(adze_op_operand(op, 0))) return -1;
    int n = walk_operand(w, op, 0, from), m = 0;
    if (n < 0) return -1;
    for (uint32_t k = 0; k < 3; k++) {
        uint32_t operand = k == 2 ? 4 : k + 1;
        if (k == 2 && !adze_op_operand(op, operand)) continue;
        if (walk_operand(w, op, operand, entry) != 1 || !adze_dim_is_const(entry[0], &bound[k])) return -1;
    }
    int64_t start = bound[0], end = bound[1], step = bound[2];
    if (step == 0) return -1;
    step = step < -n - 1 ? -n - 1 : step > n + 1 ? n + 1 : step;
    if (start < 0) start += n;
    if (end < 0) end += n;
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    start = start < (n ? 0 : low) ? (n ? 0 : low) : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    for (int64_t i = start; step > 0 ? i < end : i > end; i += step) out[m++] = from[i];
    return m;
}

static int walk_concat(walker *w, const adze_op *op, const adze_dim **out)
{
    entries part;
    int n = 0;
    for (uint32_t k = 0; k < adze_op_num_operands(op); k++) {
        int m = is_flat(adze_op_operand(op, k)) ? walk_operand(w, op, k, part) : -1;
        if (m < 0 || n + m > MAX_ENTRIES) return -1;
        for (int i = 0; i < m; i++) out[n++] = part[i];
    }
    return n;
}

static int walk_split(walker *w, const adze_op *op, uint32_t result, const adze_dim **out)
{
    entries from;
    int64_t first = 0, count = 0;
    if (!is_flat(adze_op_operand(op, 0))) return -1;
    for (uint32_t k = 0; k <= result; k++) {
        first += count;
        count = small_count(adze_value_type(adze_op_result(op, k)), MAX_ENTRIES);
        if (count < 0) return -1;
    }
    int n = walk_operand(w, op, 0, from);
    if (first + count > n) return -1;
    for (int64_t i = 0; i < count; i++) out[i] = from[first + i];
    return (int)count;
}

/* ---- Making ---- */

static int walk_shape(walker *w, const adze_op *op, const adze_dim **out)
{
    (void)w;
    const adze_type *type = adze_value_type(adze_op_operand(op, 0));
    const struct adze_shape_attrs *a = (const void *)adze_op_attrs(op);
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return -1;
    int64_t rank = adze_type_rank(type), start = a->start, end = adze_op_attr_is_set(op, "end") ? a->end : rank;
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    int n = 0;
    for (int64_t i = start < 0 ? 0 : start; i < end && i < rank; i++) out[n++] = adze_type_dim(type, (uint32_t)i);
    return n;
}

static int fill(walker *w, int64_t count, double value, const adze_dim **out)
{
    if (count < 0 || !(fabs(value) <= 0x1p53) || value != (double)(int64_t)value) return -1;
    for (int64_t i = 0; i < count; i++) out[i] = adze_dim_const(w->context, (int64_t)value);
    return (int)count;
}

static int walk_progression(walker *w, const adze_dim *start, const adze_dim *step, int64_t count, const adze_dim **out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = adze_dim_add(w->context, start, adze_dim_mul_const(w->context, step, i));
    return (int)count;
}

static int walk_made(walker *w, const adze_op *op, const adze_ir_value *value, const adze_dim **out)
{
    int64_t count = small_count(adze_value_type(value), MAX_ENTRIES);
    if (adze_op_is(op, "dims")) {
        const adze_attr_dims *dims = adze_op_attr_dims(op, "dims");
        if (!dims || dims->count > MAX_ENTRIES) return -1;
        for (uint32_t i = 0; i < dims->count; i++) out[i] = dims->dims[i];
        return (int)dims->count;
    }
    if (adze_op_is(op, "size")) return out[0] = adze_type_count(adze_value_type(adze_op_operand(op, 0))), 1;
    if (adze_op_is(op, "full") || adze_op_is(op, "constant_of_shape"))
        return fill(w, count, adze_op_attr_float(op, "value"), out);
    if (count < 0) return -1;
    if (adze_op_is(op, "iota"))
        return walk_progression(w, adze_dim_const(w->context, adze_op_attr_int(op, "start")),
                                adze_dim_const(w->context, adze_op_attr_int(op, "step")), count, out);
    entries start, step;
    if (adze_op_is(op, "range") && walk_operand(w, op, 0, start) == 1 && walk_operand(w, op, 2, step) == 1)
        return walk_progression(w, start[0], step[0], count, out);
    if (adze_op_is(op, "expand") && is_flat(adze_op_operand(op, 0)) && is_flat(value)) {
        int n = walk_operand(w, op, 0, out);
        for (int64_t i = 1; n == 1 && i < count; i++) out[i] = out[0];
        return n == 1 || n == count ? (int)count : -1;
    }
    return -1;
}

/* ---- The walk ---- */

/* Ops that hand the entries on in order. Rounding leaves whole numbers as they are. */
static bool hands_on(const adze_op *op)
{
    static const char *const names[] = {"identity", "reshape", "squeeze", "unsqueeze", "flatten",
                                        "cast",     "floor",   "ceil",    "round"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (adze_op_is(op, names[i])) return true;
    return false;
}

static int walk_op(walker *w, const adze_op *op, const adze_ir_value *value, const adze_dim **out)
{
    adze_dtype dtype = adze_type_dtype(adze_value_type(value));
    if (hands_on(op)) return walk_operand(w, op, 0, out);
    for (size_t i = 0; i < sizeof combines / sizeof *combines; i++)
        if (adze_op_is(op, combines[i].name))
            return combines[i].ints_only && ev_is_float(dtype) ? -1 : walk_combine(w, op, combines[i].apply, out);
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++)
        if (adze_op_is(op, reductions[i].name)) return walk_reduce(w, op, reductions[i].apply, out);
    if (adze_op_is(op, "neg")) {
        int n = walk_operand(w, op, 0, out);
        for (int i = 0; i < n; i++) out[i] = adze_dim_mul_const(w->context, out[i], -1);
        return n;
    }
    if (adze_op_is(op, "shape")) return walk_shape(w, op, out);
    if (adze_op_is(op, "gather")) return walk_gather(w, op, out);
    if (adze_op_is(op, "concat")) return walk_concat(w, op, out);
    if (adze_op_is(op, "slice")) return walk_slice(w, op, out);
    if (adze_op_is(op, "where")) return walk_where(w, op, out);
    if (adze_op_is(op, "split")) return walk_split(w, op, adze_value_index(value), out);
    return walk_made(w, op, value, out);
}

static int walk(walker *w, const adze_ir_value *value, const adze_dim **out)
{
    const adze_const *constant = adze_value_const(value);
    const adze_op *op = adze_value_op(value);
    if (constant) return from_const(w, constant, out);
    adze_dtype dtype = adze_type_dtype(adze_value_type(value));
    if (!op || !ev_is_number(dtype) || w->depth >= MAX_DEPTH || ++w->steps > MAX_STEPS) return -1;
    w->depth++;
    int n = walk_op(w, op, value, out);
    w->depth--;
    return n;
}

int adze_value_as_dims(const adze_ir_value *value, const adze_dim **out, int max)
{
    entries found;
    walker w = {.context = adze_type_context(adze_value_type(value))};
    int n = walk(&w, infer_outside_kernel(value), found);
    if (n < 0 || n > max) return -1;
    memcpy(out, found, (size_t)n * sizeof *out);
    return n;
}
