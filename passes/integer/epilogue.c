/* quantize-fuse: what follows a sum of integers becomes one requantize, and bounds on codes.
 *
 * quantize(dequantize(a, s), t, z) = saturate(round(a s / t) + z). Rounding keeps order, so a bound on numbers is the
 * bound's code on codes, and nothing where the type's own bound is as tight.
 *
 *     %0 = dequantize(%a, @s) : f32[…]                   %q = requantize(%a, @s / @t, @z) : u8[…]
 *     %1 = relu(%0) : f32[…]                      →
 *     %q = quantize(%1, @t, @z) : u8[…]
 */
#include "passes/integer/integer.h"

#include <math.h>
#include <stdlib.h>

typedef struct bounds {
    double low, high;
} bounds;

static adze_op *only_user(const adze_ir_value *value)
{
    return adze_value_num_uses(value) == 1 ? adze_use_op(adze_value_first_use(value)) : NULL;
}

/* A bound of clip: false where it is no known number. */
static bool read_bound(const adze_op *op, uint32_t index, double none, double *out)
{
    adze_ir_value *value = index < adze_op_num_operands(op) ? adze_op_operand(op, index) : NULL;
    *out = none;
    return !value || (adze_value_as_splat(value, out) && !isnan(*out));
}

/* relu, or clip between numbers, tightens the bounds. */
static bool bound(const adze_op *op, bounds *b)
{
    double low = 0, high = INFINITY;
    if (adze_op_is(op, "clip")) {
        if (!read_bound(op, 1, -INFINITY, &low) || !read_bound(op, 2, INFINITY, &high) || low > high) return false;
    } else if (!adze_op_is(op, "relu")) {
        return false;
    }
    b->low = fmax(fmin(b->low, high), low);
    b->high = fmax(fmin(b->high, high), low);
    return true;
}

/* Scales of sums over those of the result: as many as there are of either. */
static adze_ir_value *multiplier(const quantized *from, const quantized *to)
{
    uint64_t n_from, n_to, n;
    adze_context *context = adze_op_context(to->op);
    float *s = integer_read_reals(from->scale, &n_from), *t = integer_read_reals(to->scale, &n_to);
    const adze_type *type = adze_const_type(from->single ? to->scale : from->scale);
    n = from->single ? n_to : n_from;
    float *by = s && t ? malloc(n * sizeof *by) : NULL;
    for (uint64_t i = 0; by && i < n; i++)
        by[i] = (float)((double)s[from->single ? 0 : i] / (double)t[to->single ? 0 : i]);
    free(s);
    free(t);
    adze_data *data = by ? adze_data_take(context, by, n * sizeof *by) : NULL;
    const char *name = adze_internf(context, "%s.by", adze_const_name(from->scale));
    adze_const *made = data ? adze_module_add_const(adze_op_module(to->op), name, type, data) : NULL;
    return made ? adze_const_value(made) : NULL;
}

/* Scales a channel go together where both have them along one axis; zero points and bounds are the same for all. */
static bool fits(const quantized *from, quantized *to, const bounds *by)
{
    if (to->single) return true;
    if (!from->single && from->axis != to->axis) return false;
    bool bounded = (by->low != -INFINITY && by->low != 0) || (by->high != INFINITY && by->high != 0);
    to->s = 1; /* the code of 0 is the zero point for any scale */
    return !bounded && integer_one_zero(to, &to->z);
}

static adze_ir_value *bounded(adze_builder *b, const quantized *to, const bounds *by, adze_ir_value *codes)
{
    int64_t least, greatest;
    integer_limits(to->dtype, &least, &greatest);
    int64_t low = by->low == -INFINITY ? least : integer_code(by->low, to->s, to->z, to->dtype);
    int64_t high = by->high == INFINITY ? greatest : integer_code(by->high, to->s, to->z, to->dtype);
    if (low == least && high == greatest) return codes;
    adze_ir_value *in[] = {codes, adze_const_scalar(b->module, "low", to->dtype, (double)low),
                           adze_const_scalar(b->module, "high", to->dtype, (double)high)};
    return in[1] && in[2] ? adze_build1(b, "clip", in, 3, NULL, 0) : NULL;
}

static adze_ir_value *requantize(const quantized *from, const quantized *to, const bounds *by)
{
    adze_builder b = adze_builder_before(to->op);
    adze_builder_inherit(&b, from->op);
    adze_ir_value *in[] = {from->codes, multiplier(from, to),
                           adze_const_scalar(b.module, "zero", to->dtype, (double)to->z)};
    adze_attr axis = adze_attr_int("axis", from->single ? to->axis : from->axis);
    bool single = from->single && to->single;
    adze_ir_value *codes = in[1] && in[2] ? adze_build1(&b, "requantize", in, 3, &axis, !single) : NULL;
    return codes ? bounded(&b, to, by, codes) : NULL;
}

static void close(integer_run *r, adze_op *op)
{
    quantized from, to;
    bounds by = {-INFINITY, INFINITY};
    if (!integer_dequantized(adze_op_result(op, 0), &from) || from.dtype != ADZE_DTYPE_i32 || (from.single && from.z))
        return;
    adze_op *user = only_user(from.real);
    if (from.zero && !from.single) return;
    while (user && bound(user, &by)) user = only_user(adze_op_result(user, 0));
    if (!user || !integer_quantized(user, &to) || !fits(&from, &to, &by) || adze_dtype_bits(to.dtype) != 8) return;
    if (!adze_op_attr_int(user, "saturate") || !adze_rewrite(r->run, user, "requantize")) return;
    adze_ir_value *codes = requantize(&from, &to, &by);
    if (!codes) {
        r->failed = true;
        return;
    }
    adze_value_set_name(codes, adze_value_name(to.codes));
    adze_value_replace_uses(to.codes, codes);
    adze_op_erase(user); /* what lies between has no readers any more */
    r->changed = true;
}

/* One dequantize a reader: it costs less than a tensor of f32 in memory. */
static void spread(integer_run *r, adze_op *op)
{
    quantized q;
    if (!integer_dequantized(adze_op_result(op, 0), &q) || adze_value_const(q.codes)) return;
    adze_use *use = adze_value_first_use(q.real);
    if (!use || !adze_use_next(use) || !adze_rewrite(r->run, op, "spread")) return;
    for (adze_use *next; use; use = next) {
        next = adze_use_next(use);
        if (!next) break; /* the last one keeps the op */
        adze_builder b = adze_builder_after(op);
        adze_map *map = adze_map_create();
        adze_op *copy = adze_clone(&b, op, map);
        adze_map_destroy(map);
        adze_op_set_operand(adze_use_op(use), adze_use_index(use), adze_op_result(copy, 0));
    }
    r->changed = true;
}

void integer_epilogue(integer_run *r, adze_func *func)
{
    for (adze_op *op = adze_region_first(adze_func_body(func)), *next; op && !r->failed; op = next) {
        next = adze_op_next(op);
        if (adze_op_is(op, "dequantize")) spread(r, op);
    }
    for (adze_op *op = adze_region_first(adze_func_body(func)), *next; op && !r->failed; op = next) {
        next = adze_op_next(op);
        if (adze_op_is(op, "dequantize")) close(r, op);
    }
}
