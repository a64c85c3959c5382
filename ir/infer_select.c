/* Result types of ops that choose elements by their values: how many is known when they run. */
#include "ir/infer.h"
#include "ir/rows.h"

bool infer_compress(adze_op *op, const adze_type **out_types)
{
    inferred x, condition;
    uint32_t axis;
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &x) || !infer_ranked(op, 1, 1, 1, &condition)) return false;
    if (condition.dtype != ADZE_DTYPE_bool)
        return adze_error(adze_op_loc(op), "the condition of compress is %s, not bool", infer_type_text(op, 1));
    if (!adze_op_attr_is_set(op, "axis")) {
        x = infer_unknown_dims(op, x.dtype, 1);
    } else if (x.ranked) {
        if (!infer_axis(op, adze_op_attr_int(op, "axis"), x.rank, &axis)) return false;
        x.dims[axis] = adze_dim_unknown(adze_op_context(op));
    }
    return infer_result(op, out_types, 0, &x);
}

bool infer_nonzero(adze_op *op, const adze_type **out_types)
{
    inferred x;
    if (!infer_tensor(op, 0, &x)) return false;
    inferred out = infer_unknown_dims(op, ADZE_DTYPE_i64, 2);
    if (x.ranked) out.dims[0] = adze_dim_const(adze_op_context(op), x.rank);
    return infer_result(op, out_types, 0, &out);
}

bool infer_unique(adze_op *op, const adze_type **out_types)
{
    inferred x, out, positions = infer_unknown_dims(op, ADZE_DTYPE_i64, 1);
    uint32_t axis;
    if (!infer_tensor(op, 0, &x)) return false;
    out = infer_unknown_dims(op, x.dtype, 1);
    if (adze_op_attr_is_set(op, "axis")) {
        out = x;
        if (x.ranked && !infer_axis(op, adze_op_attr_int(op, "axis"), x.rank, &axis)) return false;
        if (x.ranked) out.dims[axis] = positions.dims[0];
    }
    if (!infer_result(op, out_types, 0, &out)) return false;
    for (uint32_t k = 1; k < adze_op_num_results(op); k++)
        if (!infer_result(op, out_types, k, &positions)) return false;
    return true;
}

bool infer_topk(adze_op *op, const adze_type **out_types)
{
    inferred x;
    uint32_t axis;
    const adze_dim *k = NULL;
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &x) || !infer_integers(op, 1)) return false;
    if (x.ranked) {
        if (!infer_axis(op, adze_op_attr_int(op, "axis"), x.rank, &axis)) return false;
        if (infer_as_dims(op, 1, &k, 1) != 1) k = adze_dim_unknown(adze_op_context(op));
        int64_t wanted, there;
        if (adze_dim_is_const(k, &wanted) && adze_dim_is_const(x.dims[axis], &there) && wanted > there)
            return adze_error(adze_op_loc(op), "topk: %lld of %lld elements along axis %u of %s", (long long)wanted,
                              (long long)there, axis, infer_type_text(op, 0));
        x.dims[axis] = k;
    }
    if (!infer_result(op, out_types, 0, &x)) return false;
    x.dtype = ADZE_DTYPE_i64;
    return infer_result(op, out_types, 1, &x);
}

bool infer_non_max_suppression(adze_op *op, const adze_type **out_types)
{
    inferred boxes, scores, out = infer_unknown_dims(op, ADZE_DTYPE_i64, 2);
    if (!infer_ranked(op, 0, 3, 3, &boxes) || !infer_ranked(op, 1, 3, 3, &scores)) return false;
    if (boxes.ranked && scores.ranked &&
        (!adze_dim_compatible(boxes.dims[0], scores.dims[0]) || !adze_dim_compatible(boxes.dims[1], scores.dims[2]) ||
         !adze_dim_compatible(boxes.dims[2], adze_dim_const(adze_op_context(op), 4))))
        return adze_error(adze_op_loc(op), "non_max_suppression of boxes %s by scores %s: dims do not fit",
                          infer_type_text(op, 0), infer_type_text(op, 1));
    out.dims[1] = adze_dim_const(adze_op_context(op), 3);
    return infer_result(op, out_types, 0, &out);
}
