/* Result types of reductions and of normalizations with statistics. */
#include "ir/infer.h"
#include "ir/rows.h"

/* Drops the axes in `set`, or makes them 1. */
static void drop_axes(const adze_op *op, inferred *shape, uint32_t set, bool keep)
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < shape->rank; i++) {
        if (!(set & 1u << i))
            shape->dims[rank++] = shape->dims[i];
        else if (keep)
            shape->dims[rank++] = adze_dim_const(adze_op_context(op), 1);
    }
    shape->rank = rank;
}

bool infer_reduce(adze_op *op, const adze_type **out_types)
{
    inferred x;
    if (!infer_tensor(op, 0, &x) || !infer_integers(op, 1)) return false;
    bool keep = adze_op_attr_int(op, "keepdims") != 0, noop = adze_op_attr_int(op, "noop_with_empty_axes") != 0;
    if (!x.ranked) return infer_result(op, out_types, 0, &x);
    uint32_t set = 0, all = (1u << x.rank) - 1;
    bool known = true;
    if (infer_operand(op, 1) && !infer_axes(op, 1, x.rank, &set, &known)) return false;
    if (!known) {
        inferred out = keep ? infer_unknown_dims(op, x.dtype, x.rank) : infer_unranked(x.dtype);
        return infer_result(op, out_types, 0, &out);
    }
    if (!set && !noop) set = all;
    drop_axes(op, &x, set, keep);
    return infer_result(op, out_types, 0, &x);
}

bool infer_argreduce(adze_op *op, const adze_type **out_types)
{
    inferred x;
    uint32_t axis;
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &x)) return false;
    x.dtype = ADZE_DTYPE_i64;
    if (x.ranked) {
        if (!infer_axis(op, adze_op_attr_int(op, "axis"), x.rank, &axis)) return false;
        drop_axes(op, &x, 1u << axis, adze_op_attr_int(op, "keepdims") != 0);
    }
    return infer_result(op, out_types, 0, &x);
}

bool infer_layer_norm(adze_op *op, const adze_type **out_types)
{
    const struct adze_layer_norm_attrs *a = (const void *)adze_op_attrs(op);
    inferred x, statistics;
    uint32_t axis = 0;
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &x)) return false;
    if (x.ranked && !infer_axis(op, a->axis, x.rank, &axis)) return false;
    for (uint32_t i = 1; i < 3 && infer_operand(op, i); i++) {
        inferred p, whole = x;
        if (!infer_tensor(op, i, &p)) return false;
        if (!infer_broadcast_into(adze_op_context(op), &whole, &p) || (whole.ranked && whole.rank != x.rank))
            return adze_error(adze_op_loc(op), "the %s %s of layer_norm does not broadcast to %s",
                              i == 1 ? "scale" : "bias", infer_type_text(op, i), infer_type_text(op, 0));
    }
    if (!infer_result(op, out_types, 0, &x)) return false;
    statistics = x;
    if (a->stash_type == 1) statistics.dtype = ADZE_DTYPE_f32;
    if (a->stash_type == 16) statistics.dtype = ADZE_DTYPE_bf16; /* ONNX's numbers */
    for (uint32_t i = axis; i < x.rank; i++) statistics.dims[i] = adze_dim_const(adze_op_context(op), 1);
    for (uint32_t k = 1; k < adze_op_num_results(op); k++)
        if (!infer_result(op, out_types, k, &statistics)) return false;
    return true;
}
