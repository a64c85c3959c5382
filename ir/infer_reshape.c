/* Result types of ops that keep the elements and change the dims: reshape, flatten, squeeze,
 * unsqueeze, and of expand. */
#include "ir/infer.h"
#include "ir/rows.h"

static const adze_dim *product(adze_context *context, const adze_dim *const *dims, uint32_t from, uint32_t to)
{
    const adze_dim *n = adze_dim_const(context, 1);
    for (uint32_t i = from; i < to; i++) n = adze_dim_mul(context, n, dims[i]);
    return n;
}

/* Where both numbers of elements are known, they are equal. */
static bool check_count(const adze_op *op, const inferred *x, const adze_type *result)
{
    adze_context *context = adze_op_context(op);
    if (!x->ranked || !adze_type_is_ranked(result)) return true;
    const adze_dim *from = product(context, x->dims, 0, x->rank), *to = adze_type_count(result);
    if (adze_dim_compatible(from, to)) return true;
    char text[512];
    adze_type_print(result, text, sizeof text);
    return adze_error(adze_op_loc(op), "%s (%s elements) cannot become %s (%s elements)", infer_type_text(op, 0),
                      infer_dim_text(op, from), text, infer_dim_text(op, to));
}

/* What the result type says, if it says anything. */
static bool take_stated(const adze_op *op, const inferred *x, const adze_type **out_types)
{
    const adze_type *stated = out_types[0];
    if (!adze_type_is_tensor(stated))
        return adze_error(adze_op_loc(op), "%s without a shape operand needs a stated result type", adze_op_name(op));
    if (adze_type_dtype(stated) != x->dtype)
        return adze_error(adze_op_loc(op), "%s cannot change the element type of %s", adze_op_name(op),
                          infer_type_text(op, 0));
    return true;
}

/* Extent of the -1 entry: what is left of the operand's elements. Dims that stand on both sides
 * cancel, so that unknown ones do no harm. */
static const adze_dim *left_over(adze_context *context, const inferred *x, const inferred *out, uint32_t skip,
                                 uint32_t copied)
{
    const adze_dim *from = adze_dim_const(context, 1), *to = from;
    uint32_t used = copied;
    for (uint32_t k = 0; k < out->rank; k++) {
        if (k == skip || copied & 1u << k) continue;
        uint32_t i = 0;
        while (i < x->rank && (used & 1u << i || !adze_dim_equal(x->dims[i], out->dims[k]))) i++;
        if (i < x->rank)
            used |= 1u << i;
        else
            to = adze_dim_mul(context, to, out->dims[k]);
    }
    for (uint32_t i = 0; i < x->rank; i++)
        if (!(used & 1u << i)) from = adze_dim_mul(context, from, x->dims[i]);
    if (adze_dim_is_value(to, 0)) return adze_dim_const(context, 0);
    return adze_dim_binary(context, ADZE_DIM_FLOORDIV, from, to);
}

/* Result dims from the entries of the shape operand. */
static bool read_target(const adze_op *op, const inferred *x, bool allowzero, inferred *out)
{
    adze_context *context = adze_op_context(op);
    uint32_t copied = 0;
    int rest = -1;
    for (uint32_t i = 0; i < out->rank; i++) {
        int64_t value;
        if (!adze_dim_is_const(out->dims[i], &value)) continue;
        if (value == 0 && !allowzero) {
            if (x->ranked && i >= x->rank)
                return adze_error(adze_op_loc(op), "entry %u of the shape is 0 but the operand is %s", i,
                                  infer_type_text(op, 0));
            out->dims[i] = x->ranked ? x->dims[i] : adze_dim_unknown(context);
            copied |= 1u << i;
        } else if (value == -1) {
            if (rest >= 0) return adze_error(adze_op_loc(op), "entries %d and %u of the shape are both -1", rest, i);
            rest = (int)i;
        } else if (value < 0) {
            return adze_error(adze_op_loc(op), "entry %u of the shape is %lld", i, (long long)value);
        }
    }
    if (rest < 0) return true;
    uint32_t skip = (uint32_t)rest;
    out->dims[skip] = x->ranked ? left_over(context, x, out, skip, copied) : adze_dim_unknown(context);
    return true;
}

bool infer_reshape(adze_op *op, const adze_type **out_types)
{
    inferred x, out = {.ranked = true};
    if (!infer_tensor(op, 0, &x) || !infer_integers(op, 1)) return false;
    out.dtype = x.dtype;
    if (!infer_operand(op, 1)) return take_stated(op, &x, out_types) && check_count(op, &x, out_types[0]);
    int n = infer_as_dims(op, 1, out.dims, ADZE_MAX_RANK);
    if (n < 0) {
        inferred shape;
        int64_t rank;
        if (!infer_ranked(op, 1, 1, 1, &shape)) return false;
        bool known = shape.ranked && adze_dim_is_const(shape.dims[0], &rank);
        if (known && rank > ADZE_MAX_RANK)
            return adze_error(adze_op_loc(op), "reshape to %lld dims; at most %d are possible", (long long)rank,
                              ADZE_MAX_RANK);
        out = known ? infer_unknown_dims(op, x.dtype, (uint32_t)rank) : infer_unranked(x.dtype);
        return infer_result(op, out_types, 0, &out);
    }
    out.rank = (uint32_t)n;
    if (!read_target(op, &x, adze_op_attr_int(op, "allowzero") != 0, &out)) return false;
    return infer_result(op, out_types, 0, &out) && check_count(op, &x, out_types[0]);
}

bool infer_flatten(adze_op *op, const adze_type **out_types)
{
    inferred x;
    if (!infer_tensor(op, 0, &x)) return false;
    inferred out = infer_unknown_dims(op, x.dtype, 2);
    if (x.ranked) {
        int64_t axis = adze_op_attr_int(op, "axis"), from = axis < 0 ? axis + x.rank : axis;
        if (from < 0 || from > x.rank)
            return adze_error(adze_op_loc(op), "axis %lld of flatten is out of range: the rank is %u",
                              (long long)axis, x.rank);
        out.dims[0] = product(adze_op_context(op), x.dims, 0, (uint32_t)from);
        out.dims[1] = product(adze_op_context(op), x.dims, (uint32_t)from, x.rank);
    }
    return infer_result(op, out_types, 0, &out);
}

bool infer_squeeze(adze_op *op, const adze_type **out_types)
{
    inferred x;
    uint32_t set = 0, rank = 0;
    bool known = true, all = !infer_operand(op, 1);
    if (!infer_tensor(op, 0, &x) || !infer_integers(op, 1)) return false;
    if (x.ranked && !all && !infer_axes(op, 1, x.rank, &set, &known)) return false;
    for (uint32_t i = 0; all && i < x.rank; i++) known = known && adze_dim_is_const(x.dims[i], NULL);
    if (!x.ranked || !known) {
        inferred out = infer_unranked(x.dtype);
        return infer_result(op, out_types, 0, &out);
    }
    for (uint32_t i = 0; i < x.rank; i++) {
        bool one = adze_dim_is_value(x.dims[i], 1);
        if (!all && set & 1u << i && !one && adze_dim_is_const(x.dims[i], NULL))
            return adze_error(adze_op_loc(op), "squeeze of axis %u of %s, which is not 1", i, infer_type_text(op, 0));
        if (all ? !one : !(set & 1u << i)) x.dims[rank++] = x.dims[i];
    }
    x.rank = rank;
    return infer_result(op, out_types, 0, &x);
}

bool infer_unsqueeze(adze_op *op, const adze_type **out_types)
{
    inferred x;
    uint32_t set, from = 0;
    bool known;
    int64_t axes[ADZE_MAX_RANK];
    if (!infer_tensor(op, 0, &x) || !infer_integers(op, 1)) return false;
    int n = infer_as_ints(op, 1, axes, ADZE_MAX_RANK);
    if (!x.ranked || n < 0) {
        inferred out = infer_unranked(x.dtype);
        return infer_result(op, out_types, 0, &out);
    }
    uint32_t rank = x.rank + (uint32_t)n;
    if (rank > ADZE_MAX_RANK)
        return adze_error(adze_op_loc(op), "unsqueeze to %u dims; at most %d are possible", rank, ADZE_MAX_RANK);
    if (!infer_axes(op, 1, rank, &set, &known)) return false;
    if (__builtin_popcount(set) != n) return adze_error(adze_op_loc(op), "unsqueeze names an axis twice");
    inferred out = {.dtype = x.dtype, .ranked = true, .rank = rank};
    for (uint32_t i = 0; i < rank; i++)
        out.dims[i] = set & 1u << i ? adze_dim_const(adze_op_context(op), 1) : x.dims[from++];
    return infer_result(op, out_types, 0, &out);
}

bool infer_expand(adze_op *op, const adze_type **out_types)
{
    inferred x, shape = {.ranked = true};
    if (!infer_tensor(op, 0, &x) || !infer_integers(op, 1)) return false;
    if (!infer_operand(op, 1)) {
        if (!take_stated(op, &x, out_types)) return false;
        if (!x.ranked || !adze_type_is_ranked(out_types[0])) return true;
        inferred to = {.ranked = true, .rank = adze_type_rank(out_types[0])};
        for (uint32_t i = 0; i < to.rank; i++) to.dims[i] = adze_type_dim(out_types[0], i);
        bool ok = infer_broadcast_into(adze_op_context(op), &x, &to) && x.rank == to.rank;
        for (uint32_t i = 0; ok && i < to.rank; i++) ok = infer_same_dim(x.dims[i], to.dims[i]) != NULL;
        if (ok) return true;
        char text[512];
        adze_type_print(out_types[0], text, sizeof text);
        return adze_error(adze_op_loc(op), "%s cannot be broadcast to %s", infer_type_text(op, 0), text);
    }
    int n = infer_as_dims(op, 1, shape.dims, ADZE_MAX_RANK);
    if (n < 0) {
        inferred length;
        int64_t rank;
        if (!infer_ranked(op, 1, 1, 1, &length)) return false;
        bool known = x.ranked && length.ranked && adze_dim_is_const(length.dims[0], &rank) && rank <= ADZE_MAX_RANK;
        inferred out = known ? infer_unknown_dims(op, x.dtype, (uint32_t)rank > x.rank ? (uint32_t)rank : x.rank)
                             : infer_unranked(x.dtype);
        return infer_result(op, out_types, 0, &out);
    }
    shape.rank = (uint32_t)n;
    for (uint32_t i = 0; i < shape.rank; i++) {
        int64_t extent;
        if (adze_dim_is_const(shape.dims[i], &extent) && extent < 0)
            return adze_error(adze_op_loc(op), "dim %u of the result of expand would be %lld", i, (long long)extent);
    }
    if (!infer_broadcast_into(adze_op_context(op), &x, &shape))
        return adze_error(adze_op_loc(op), "%s does not broadcast to the given shape", infer_type_text(op, 0));
    return infer_result(op, out_types, 0, &x);
}
