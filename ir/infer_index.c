/* Result types of slice and of ops that read by index. */
#include "ir/infer.h"
#include "ir/rows.h"
#include "ir/slice.h"

bool infer_slice(adze_op *op, const adze_type **out_types)
{
    inferred x;
    adze_slice slice[ADZE_MAX_RANK];
    if (!infer_tensor(op, 0, &x)) return false;
    for (uint32_t i = 1; i < 5; i++)
        if (!infer_integers(op, i)) return false;
    if (!x.ranked) return infer_result(op, out_types, 0, &x);
    if (!adze_slices(op, x.rank, x.dims, slice)) return false;
    for (uint32_t i = 0; i < x.rank; i++) x.dims[i] = slice[i].count;
    return infer_result(op, out_types, 0, &x);
}

static bool too_many(const adze_op *op, uint32_t rank)
{
    return adze_error(adze_op_loc(op), "the result of %s would have %u dims; at most %d are possible",
                      adze_op_name(op), rank, ADZE_MAX_RANK);
}

bool infer_gather(adze_op *op, const adze_type **out_types)
{
    inferred x, index, out = {.ranked = true};
    uint32_t axis;
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &x) || !infer_index_operand(op, 1, &index)) return false;
    out.dtype = x.dtype;
    if (!x.ranked || !index.ranked) {
        out = infer_unranked(x.dtype);
        return infer_result(op, out_types, 0, &out);
    }
    if (!infer_axis(op, adze_op_attr_int(op, "axis"), x.rank, &axis)) return false;
    if (x.rank + index.rank - 1 > ADZE_MAX_RANK) return too_many(op, x.rank + index.rank - 1);
    for (uint32_t i = 0; i < axis; i++) out.dims[out.rank++] = x.dims[i];
    for (uint32_t i = 0; i < index.rank; i++) out.dims[out.rank++] = index.dims[i];
    for (uint32_t i = axis + 1; i < x.rank; i++) out.dims[out.rank++] = x.dims[i];
    return infer_result(op, out_types, 0, &out);
}

bool infer_gather_elements(adze_op *op, const adze_type **out_types)
{
    inferred x, index;
    uint32_t axis;
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &x) || !infer_index_operand(op, 1, &index)) return false;
    if (x.ranked && index.ranked && x.rank != index.rank)
        return adze_error(adze_op_loc(op), "gather_elements of %s by %s: ranks differ", infer_type_text(op, 0),
                          infer_type_text(op, 1));
    if (x.ranked && !infer_axis(op, adze_op_attr_int(op, "axis"), x.rank, &axis)) return false;
    index.dtype = x.dtype;
    return infer_result(op, out_types, 0, &index);
}

bool infer_gather_nd(adze_op *op, const adze_type **out_types)
{
    inferred x, index, out = {.ranked = true};
    int64_t depth, batch = adze_op_attr_int(op, "batch_dims");
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &x) || !infer_ranked(op, 1, 1, ADZE_MAX_RANK, &index)) return false;
    if (!infer_index_operand(op, 1, &index)) return false;
    out.dtype = x.dtype;
    if (!x.ranked || !index.ranked || !adze_dim_is_const(index.dims[index.rank - 1], &depth)) {
        out = infer_unranked(x.dtype);
        return infer_result(op, out_types, 0, &out);
    }
    if (batch < 0 || batch >= x.rank || batch >= index.rank || depth < 1 || depth > x.rank - batch)
        return adze_error(adze_op_loc(op), "gather_nd of %s by %s with batch_dims %lld", infer_type_text(op, 0),
                          infer_type_text(op, 1), (long long)batch);
    uint32_t tail = (uint32_t)(batch + depth);
    if (index.rank - 1 + x.rank - tail > ADZE_MAX_RANK) return too_many(op, index.rank - 1 + x.rank - tail);
    for (uint32_t i = 0; i + 1 < index.rank; i++) out.dims[out.rank++] = index.dims[i];
    for (uint32_t i = tail; i < x.rank; i++) out.dims[out.rank++] = x.dims[i];
    return infer_result(op, out_types, 0, &out);
}
