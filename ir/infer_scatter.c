/* Result types of ops that write by index or put elements in another order. */
#include "ir/infer.h"
#include "ir/rows.h"

#include <string.h>

bool infer_index_operand(const adze_op *op, uint32_t index, inferred *out)
{
    if (!infer_tensor(op, index, out)) return false;
    if (out->dtype == ADZE_DTYPE_i32 || out->dtype == ADZE_DTYPE_i64) return true;
    return adze_error(adze_op_loc(op), "the indices of %s are %s, not i32 or i64", adze_op_name(op),
                      infer_type_text(op, index));
}

static bool check_updates(const adze_op *op, const inferred *x, const inferred *updates)
{
    static const char *const reductions[] = {"none", "add", "mul", "max", "min"};
    const char *reduction = adze_op_attr_str(op, "reduction");
    bool known = false;
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++) known |= !strcmp(reduction, reductions[i]);
    if (!known)
        return adze_error(adze_op_loc(op), "reduction of %s is \"%s\"; expected none, add, mul, max or min",
                          adze_op_name(op), reduction);
    if (x->dtype != updates->dtype)
        return adze_error(adze_op_loc(op), "%s puts elements of %s into %s", adze_op_name(op), infer_type_text(op, 2),
                          infer_type_text(op, 0));
    return true;
}

bool infer_scatter_elements(adze_op *op, const adze_type **out_types)
{
    inferred x, index, updates;
    uint32_t axis;
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &x) || !infer_index_operand(op, 1, &index) ||
        !infer_tensor(op, 2, &updates) || !check_updates(op, &x, &updates))
        return false;
    if (x.ranked && !infer_axis(op, adze_op_attr_int(op, "axis"), x.rank, &axis)) return false;
    bool ranks = !x.ranked || !index.ranked || x.rank == index.rank;
    bool same = !index.ranked || !updates.ranked || index.rank == updates.rank;
    for (uint32_t i = 0; same && index.ranked && updates.ranked && i < index.rank; i++)
        same = adze_dim_compatible(index.dims[i], updates.dims[i]);
    if (!ranks || !same)
        return adze_error(adze_op_loc(op), "scatter_elements of %s to %s in %s: dims do not fit",
                          infer_type_text(op, 2), infer_type_text(op, 1), infer_type_text(op, 0));
    return infer_result(op, out_types, 0, &x);
}

/* updates: the indices' dims but the last one, then the operand's from the tuples' length on. */
bool infer_scatter_nd(adze_op *op, const adze_type **out_types)
{
    inferred x, index, updates;
    int64_t depth;
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &x) || !infer_index_operand(op, 1, &index) ||
        !infer_ranked(op, 1, 1, ADZE_MAX_RANK, &index) || !infer_tensor(op, 2, &updates) ||
        !check_updates(op, &x, &updates))
        return false;
    if (!x.ranked || !index.ranked || !adze_dim_is_const(index.dims[index.rank - 1], &depth))
        return infer_result(op, out_types, 0, &x);
    if (depth < 1 || depth > x.rank)
        return adze_error(adze_op_loc(op), "scatter_nd into %s by %s: the tuples do not fit the rank",
                          infer_type_text(op, 0), infer_type_text(op, 1));
    uint32_t lead = index.rank - 1, tail = (uint32_t)depth, rank = lead + x.rank - tail;
    bool ok = !updates.ranked || updates.rank == rank;
    for (uint32_t i = 0; ok && updates.ranked && i < rank; i++)
        ok = adze_dim_compatible(updates.dims[i], i < lead ? index.dims[i] : x.dims[tail + i - lead]);
    if (!ok)
        return adze_error(adze_op_loc(op), "scatter_nd of %s into %s by %s: dims do not fit", infer_type_text(op, 2),
                          infer_type_text(op, 0), infer_type_text(op, 1));
    return infer_result(op, out_types, 0, &x);
}

bool infer_reverse_sequence(adze_op *op, const adze_type **out_types)
{
    inferred x, lengths;
    uint32_t batch, time;
    if (!infer_ranked(op, 0, 2, ADZE_MAX_RANK, &x) || !infer_index_operand(op, 1, &lengths) ||
        !infer_ranked(op, 1, 1, 1, &lengths))
        return false;
    if (x.ranked) {
        if (!infer_axis(op, adze_op_attr_int(op, "batch_axis"), x.rank, &batch) ||
            !infer_axis(op, adze_op_attr_int(op, "time_axis"), x.rank, &time))
            return false;
        if (batch == time) return adze_error(adze_op_loc(op), "reverse_sequence: both axes are %u", batch);
        if (lengths.ranked && !adze_dim_compatible(lengths.dims[0], x.dims[batch]))
            return adze_error(adze_op_loc(op), "reverse_sequence of %s: the lengths are %s", infer_type_text(op, 0),
                              infer_type_text(op, 1));
    }
    return infer_result(op, out_types, 0, &x);
}
