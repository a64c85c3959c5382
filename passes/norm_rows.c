/* norm-rows: normalizations over several axes become rows of one axis, which have kernels; mean and deviation that are
 * wanted beside the result become reductions of their own.
 *
 *     %y = layer_norm(%x, %s, %b) {axis = 1} : f32[8,4,6]
 *
 *     →  %0 = reshape(%x) : f32[8,24]; %1 = reshape(%s) : f32[24]; %2 = reshape(%b) : f32[24]
 *        %3 = layer_norm(%0, %1, %2) : f32[8,24]; %y = reshape(%3) : f32[8,4,6]
 */
#include <adze/ir.h>
#include <adze/pass.h>

#include "passes/examples_embedded.h"
#include "passes/weights/build.h"

enum { X, SCALE, BIAS, MEAN = 1, INVERSE };

typedef struct norm {
    adze_op *op;
    const adze_type *type; /* of the operand */
    uint32_t rank, axis;   /* axis: the first of those that it runs over */
    bool several;          /* it runs over more than one */
    bool statistics;       /* more than the first result is read */
} norm;

/* Has it the dims of the axes that are normalized, or one element? Others would have to be copied out. */
static bool is_whole(const norm *n, const adze_ir_value *factor)
{
    const adze_type *type = factor ? adze_value_type(factor) : NULL;
    if (!factor || adze_dim_is_value(adze_type_count(type), 1)) return true;
    if (!adze_type_is_ranked(type) || adze_type_rank(type) != n->rank - n->axis) return false;
    for (uint32_t i = n->axis; i < n->rank; i++)
        if (!adze_dim_equal(adze_type_dim(type, i - n->axis), adze_type_dim(n->type, i))) return false;
    return true;
}

static bool is_read(const adze_op *op, uint32_t result)
{
    return result < adze_op_num_results(op) && adze_value_has_uses(adze_op_result(op, result));
}

static bool describe(adze_op *op, norm *n)
{
    if (!adze_op_is(op, "layer_norm") && !adze_op_is(op, "rms_norm")) return false;
    const adze_type *type = adze_value_type(adze_op_operand(op, X));
    if (!adze_type_is_ranked(type) || adze_dtype_get_kind(adze_type_dtype(type)) != ADZE_KIND_FLOAT) return false;
    *n = (norm){.op = op, .type = type, .rank = adze_type_rank(type)};
    int64_t axis = adze_op_attr_int(op, "axis");
    if (axis < 0) axis += n->rank;
    if (axis < 0 || axis >= n->rank) return false;
    n->axis = (uint32_t)axis;
    for (uint32_t i = 0; i < n->rank; i++)
        if (adze_dim_get_kind(adze_type_dim(type, i)) == ADZE_DIM_UNKNOWN) return false;
    n->several = n->axis + 1 < n->rank;
    for (uint32_t i = SCALE; i < adze_op_num_operands(op) && n->several; i++)
        n->several = is_whole(n, adze_op_operand(op, i));
    n->statistics = is_read(op, MEAN) || is_read(op, INVERSE);
    return n->several || n->statistics;
}

/* A factor as [elements of a row], or as it is. */
static adze_ir_value *flat_factor(adze_builder *b, const norm *n, uint32_t index, const adze_dim *count)
{
    adze_ir_value *factor = index < adze_op_num_operands(n->op) ? adze_op_operand(n->op, index) : NULL;
    if (!factor || !n->several) return factor;
    const adze_dim *of_factor = adze_type_count(adze_value_type(factor));
    return build_reshape(b, factor, 1, adze_dim_is_value(of_factor, 1) ? &of_factor : &count);
}

static adze_ir_value *rows(adze_builder *b, const norm *n)
{
    adze_context *context = adze_op_context(n->op);
    const adze_dim *dims[ADZE_MAX_RANK], *count = adze_dim_const(context, 1);
    for (uint32_t i = 0; i < n->axis; i++) dims[i] = adze_type_dim(n->type, i);
    for (uint32_t i = n->axis; i < n->rank; i++) count = adze_dim_mul(context, count, adze_type_dim(n->type, i));
    dims[n->axis] = count;
    adze_ir_value *x = adze_op_operand(n->op, X);
    adze_ir_value *in[] = {n->several ? build_reshape(b, x, n->axis + 1, dims) : x, flat_factor(b, n, SCALE, count),
                           flat_factor(b, n, BIAS, count)};
    if (!in[X] || !in[SCALE]) return NULL;
    adze_attr attrs[] = {adze_attr_int("axis", -1), adze_attr_float("epsilon", adze_op_attr_float(n->op, "epsilon")),
                         adze_attr_int("stash_type", adze_op_attr_int(n->op, "stash_type"))};
    if (!n->several) attrs[0] = adze_attr_int("axis", n->axis);
    adze_ir_value *y = adze_build1(b, adze_op_name(n->op), in, in[BIAS] ? 3 : 2, attrs, 3);
    return n->several ? build_reshape_as(b, y, n->type) : y;
}

static bool replace(const norm *n, uint32_t result, adze_ir_value *value)
{
    if (value) adze_value_replace_uses(adze_op_result(n->op, result), value);
    return value != NULL;
}

/* Mean and 1 / sqrt(variance + epsilon), in the dims and the element type of the results; computed in that of the
 * operand, and in f32 at least: what is rounded before the mean is taken off is lost. */
static bool put_statistics(adze_builder *b, const norm *n)
{
    int64_t axes[ADZE_MAX_RANK];
    uint32_t n_axes = n->rank - n->axis;
    for (uint32_t i = 0; i < n_axes; i++) axes[i] = n->axis + i;
    adze_dtype to = adze_type_dtype(adze_value_type(adze_op_result(n->op, MEAN)));
    bool wide = adze_type_dtype(n->type) == ADZE_DTYPE_f64;
    adze_ir_value *x = build_cast(b, adze_op_operand(n->op, X), wide ? ADZE_DTYPE_f64 : ADZE_DTYPE_f32);
    adze_ir_value *mean = build_reduce(b, "reduce_mean", x, axes, n_axes, true);
    if (is_read(n->op, MEAN) && !replace(n, MEAN, build_cast(b, mean, to))) return false;
    if (!is_read(n->op, INVERSE)) return mean != NULL;
    adze_ir_value *apart = build_binary(b, "sub", x, mean);
    adze_ir_value *variance = build_reduce(b, "reduce_mean", build_binary(b, "mul", apart, apart), axes, n_axes, true);
    variance = build_with(b, "add", variance, adze_op_attr_float(n->op, "epsilon"));
    adze_ir_value *inverse = build_unary(b, "reciprocal", build_unary(b, "sqrt", variance));
    return replace(n, INVERSE, build_cast(b, inverse, to));
}

static bool lower(const norm *n)
{
    adze_builder b = adze_builder_before(n->op);
    adze_ir_value *result = adze_op_result(n->op, 0), *y = rows(&b, n);
    if (!y || (n->statistics && !put_statistics(&b, n))) return false;
    if (!adze_value_name(y)) adze_value_set_name(y, adze_value_name(result));
    adze_value_replace_uses(result, y);
    adze_op_erase(n->op);
    return true;
}

static adze_outcome run_region(adze_region *region, adze_pass_run *self)
{
    adze_outcome all = ADZE_UNCHANGED;
    for (adze_op *op = adze_region_first(region), *next; op && all != ADZE_FAILED; op = next) {
        norm n;
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op) && adze_op_is_control(op) && all != ADZE_FAILED; i++) {
            adze_outcome one = run_region(adze_op_region(op, i), self);
            if (one != ADZE_UNCHANGED) all = one;
        }
        if (all != ADZE_FAILED && describe(op, &n) && adze_rewrite(self, op, "rows"))
            all = lower(&n) ? ADZE_CHANGED : ADZE_FAILED;
    }
    return all;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    return self->precision == ADZE_PRECISION_STRICT ? ADZE_UNCHANGED : run_region(adze_func_body(func), self);
}

const adze_pass adze_pass_norm_rows = {
    .struct_size = sizeof(adze_pass),
    .name = "norm-rows",
    .help = "normalizations over several axes become rows of one",
    .numerics = ADZE_FAST,
    .run = run,
    .purpose = "lower",
    .contract = "layer_norm and rms_norm of floats with known dims, whose scale and bias have the dims of the "
                "normalized axes or one element. Mean and deviation, where they are read, are computed from the "
                "operand once more, in its element type or f32: nothing changes with --precision=strict.",
    .example = adze_example_norm_rows,
};
