/* What shape arithmetic is worth: the contents of small integer tensors, as dims.
 *
 * Exporters compute shapes with ordinary ops (Shape, Gather, Mul, Concat, …). Walking up from a value
 * through those ops gives its entries as expressions over the model's symbols; entries that cannot be
 * known are `?`. Only tensors of at most SHAPE_ENTRIES elements are followed, to a bounded depth, with a
 * bounded number of steps, so that no graph can make this slow.
 */
#include "ir/shape_value.h"
#include "ir/eval/convert.h"
#include "ir/infer.h"

#include <adze/ops_attrs.h>

#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 48, MAX_STEPS = 2000 };

/* ---- Constants ---- */

int64_t shape_small_count(const adze_type *type, int64_t max)
{
    int64_t n;
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return -1;
    return adze_dim_is_const(adze_type_count(type), &n) && n <= max ? n : -1;
}

bool shape_read_const(const adze_const *constant, int64_t from, int64_t n, int64_t *ints, double *floats)
{
    uint8_t bytes[SHAPE_ENTRIES * 8];
    adze_dtype dtype = adze_type_dtype(adze_const_type(constant));
    uint32_t bits = adze_dtype_bits(dtype);
    if (bits < 8 || bits > 64 || n > SHAPE_ENTRIES || (ints ? !ev_is_int(dtype) : !ev_is_number(dtype))) return false;
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
    int64_t n = shape_small_count(adze_const_type(constant), max);
    for (int64_t i = 0; i < n; i += SHAPE_ENTRIES) {
        int64_t now = n - i < SHAPE_ENTRIES ? n - i : SHAPE_ENTRIES;
        if (!shape_read_const(constant, i, now, out + i, NULL)) return -1;
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
    int64_t n = constant ? shape_small_count(adze_const_type(constant), LIMIT) : -1;
    if (n < 1) return false;
    double block[SHAPE_ENTRIES];
    for (int64_t i = 0; i < n; i += SHAPE_ENTRIES) {
        int64_t now = n - i < SHAPE_ENTRIES ? n - i : SHAPE_ENTRIES;
        if (!shape_read_const(constant, i, now, NULL, block)) return false;
        if (i == 0) *out = block[0];
        for (int64_t k = 0; k < now; k++)
            if (memcmp(&block[k], out, sizeof *out)) return false;
    }
    return true;
}

/* 1 for true, 0 for false. */
static int from_bools(shape_walker *w, const adze_const *constant, int64_t n, const adze_dim **out)
{
    uint8_t bytes[SHAPE_ENTRIES];
    if (n < 0 || !adze_data_is_quick(adze_const_data(constant))) return -1;
    if (!adze_data_read(adze_const_data(constant), 0, bytes, (uint64_t)n)) return -1;
    for (int64_t i = 0; i < n; i++) out[i] = adze_dim_const(w->context, bytes[i] != 0);
    return (int)n;
}

/* Floats count as entries while they are whole numbers, as exporters scale shapes in f32. */
static int from_const(shape_walker *w, const adze_const *constant, const adze_dim **out)
{
    int64_t n = shape_small_count(adze_const_type(constant), SHAPE_ENTRIES), ints[SHAPE_ENTRIES];
    double floats[SHAPE_ENTRIES];
    adze_dtype dtype = adze_type_dtype(adze_const_type(constant));
    bool is_float = ev_is_float(dtype);
    if (dtype == ADZE_DTYPE_bool) return from_bools(w, constant, n, out);
    if (n < 0 || !shape_read_const(constant, 0, n, is_float ? NULL : ints, floats)) return -1;
    for (int64_t i = 0; i < n; i++) {
        if (is_float && (!(fabs(floats[i]) <= 0x1p24) || floats[i] != (double)(int64_t)floats[i])) return -1;
        out[i] = adze_dim_const(w->context, is_float ? (int64_t)floats[i] : ints[i]);
    }
    return (int)n;
}

/* ---- Making ---- */

static int walk_shape(shape_walker *w, const adze_op *op, const adze_dim **out)
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

static int fill(shape_walker *w, int64_t count, double value, const adze_dim **out)
{
    if (count < 0 || !(fabs(value) <= 0x1p53) || value != (double)(int64_t)value) return -1;
    for (int64_t i = 0; i < count; i++) out[i] = adze_dim_const(w->context, (int64_t)value);
    return (int)count;
}

static int walk_progression(shape_walker *w, const adze_dim *start, const adze_dim *step, int64_t count,
                            const adze_dim **out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = adze_dim_add(w->context, start, adze_dim_mul_const(w->context, step, i));
    return (int)count;
}

static int walk_made(shape_walker *w, const adze_op *op, const adze_ir_value *value, const adze_dim **out)
{
    int64_t count = shape_small_count(adze_value_type(value), SHAPE_ENTRIES);
    if (adze_op_is(op, "dims")) {
        const adze_attr_dims *dims = adze_op_attr_dims(op, "dims");
        if (!dims || dims->count > SHAPE_ENTRIES) return -1;
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
    shape_entries start, step;
    if (adze_op_is(op, "range") && shape_walk_operand(w, op, 0, start) == 1 && shape_walk_operand(w, op, 2, step) == 1)
        return walk_progression(w, start[0], step[0], count, out);
    if (adze_op_is(op, "expand") && shape_is_flat(adze_op_operand(op, 0)) && shape_is_flat(value)) {
        int n = shape_walk_operand(w, op, 0, out);
        for (int64_t i = 1; n == 1 && i < count; i++) out[i] = out[0];
        return n == 1 || n == count ? (int)count : -1;
    }
    return -1;
}

/* ---- The walk ---- */

/* Ops that hand the entries on in order. */
static bool hands_on(const adze_op *op)
{
    static const char *const names[] = {"identity", "reshape", "squeeze", "unsqueeze", "flatten"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (adze_op_is(op, names[i])) return true;
    return false;
}

static int walk_op(shape_walker *w, const adze_op *op, const adze_ir_value *value, const adze_dim **out)
{
    bool known = true;
    if (hands_on(op)) return shape_walk_operand(w, op, 0, out);
    int n = shape_compute(w, op, value, out, &known);
    if (known) return n;
    n = shape_pick(w, op, value, out, &known);
    if (known) return n;
    if (adze_op_is(op, "shape")) return walk_shape(w, op, out);
    return walk_made(w, op, value, out);
}

/* Can an element of that type be any number between these? Sizes in 32 bits and above, and in their floats, are taken
 * to fit unless they are known not to; an unsigned one that may be below 0 wraps. */
static bool holds(adze_dtype dtype, int64_t lo, int64_t hi)
{
    if (dtype == ADZE_DTYPE_bool) return lo >= 0 && hi <= 1;
    uint32_t bits = adze_dtype_bits(dtype);
    if (ev_is_float(dtype)) {
        int64_t most = dtype == ADZE_DTYPE_f64    ? INT64_C(1) << 53
                       : dtype == ADZE_DTYPE_f32  ? INT64_C(1) << 24
                       : dtype == ADZE_DTYPE_f16  ? INT64_C(1) << 11
                       : dtype == ADZE_DTYPE_bf16 ? INT64_C(1) << 8
                                                  : 0;
        return (lo >= -most && hi <= most) || (bits >= 32 && lo != hi);
    }
    bool is_signed = adze_dtype_get_kind(dtype) == ADZE_KIND_INT;
    if (bits == 64) return is_signed || lo >= 0;
    int64_t most = (INT64_C(1) << (bits - is_signed)) - 1, least = is_signed ? -most - 1 : 0;
    return (lo >= least && hi <= most) || (bits == 32 && lo != hi && (is_signed || lo >= 0));
}

/* Entries that the element type cannot hold are other ones: they wrap, or are rounded. */
static void hold(shape_walker *w, adze_dtype dtype, int n, const adze_dim **entries)
{
    for (int i = 0; i < n; i++) {
        int64_t lo, hi;
        adze_dim_range(entries[i], NULL, 0, &lo, &hi);
        if (!holds(dtype, lo, hi)) entries[i] = adze_dim_unknown(w->context);
    }
}

int shape_walk(shape_walker *w, const adze_ir_value *value, const adze_dim **out)
{
    const adze_const *constant = adze_value_const(value);
    const adze_op *op = adze_value_op(value);
    if (constant) return from_const(w, constant, out);
    adze_dtype dtype = adze_type_dtype(adze_value_type(value));
    if (!op || (!ev_is_number(dtype) && dtype != ADZE_DTYPE_bool)) return -1;
    if (w->depth >= MAX_DEPTH || ++w->steps > MAX_STEPS) return -1;
    w->depth++;
    int n = walk_op(w, op, value, out);
    int64_t count = shape_small_count(adze_value_type(value), INT64_MAX);
    w->depth--;
    if (count >= 0 && n != count) return -1; /* the type claims another number of them */
    hold(w, dtype, n, out);
    return n;
}

int shape_walk_operand(shape_walker *w, const adze_op *op, uint32_t index, const adze_dim **out)
{
    const adze_ir_value *value = adze_op_operand(op, index);
    return value ? shape_walk(w, value, out) : -1;
}

bool shape_is_flat(const adze_ir_value *value)
{
    const adze_type *type = value ? adze_value_type(value) : NULL;
    return type && adze_type_is_tensor(type) && adze_type_is_ranked(type) && adze_type_rank(type) <= 1;
}

int adze_value_as_dims(const adze_ir_value *value, const adze_dim **out, int max)
{
    shape_entries found;
    shape_walker w = {.context = adze_type_context(adze_value_type(value))};
    int n = shape_walk(&w, infer_outside_kernel(value), found);
    if (n < 0 || n > max) return -1;
    memcpy(out, found, (size_t)n * sizeof *out);
    return n;
}
