/* What inference functions share. */
#include "ir/infer.h"

#include <stdio.h>

const adze_type *infer_operand(const adze_op *op, uint32_t index)
{
    const adze_ir_value *value = adze_op_operand(op, index);
    return value ? adze_value_type(value) : NULL;
}

const char *infer_type_text(const adze_op *op, uint32_t operand)
{
    char text[512];
    const adze_type *type = infer_operand(op, operand);
    if (!type) return "absent";
    adze_type_print(type, text, sizeof text);
    return adze_intern_z(adze_op_context(op), text);
}

const char *infer_dim_text(const adze_op *op, const adze_dim *dim)
{
    char text[256];
    adze_dim_print(dim, text, sizeof text);
    return adze_intern_z(adze_op_context(op), text);
}

bool infer_tensor(const adze_op *op, uint32_t index, inferred *out)
{
    const adze_type *type = infer_operand(op, index);
    if (!type) return adze_error(adze_op_loc(op), "%s needs operand %u", adze_op_name(op), index + 1);
    if (!adze_type_is_tensor(type))
        return adze_error(adze_op_loc(op), "operand %u of %s is %s, not a tensor", index + 1, adze_op_name(op),
                          infer_type_text(op, index));
    out->dtype = adze_type_dtype(type);
    out->ranked = adze_type_is_ranked(type);
    out->rank = adze_type_rank(type);
    for (uint32_t i = 0; i < out->rank; i++) out->dims[i] = adze_type_dim(type, i);
    return true;
}

bool infer_ranked(const adze_op *op, uint32_t index, uint32_t min, uint32_t max, inferred *out)
{
    if (!infer_tensor(op, index, out)) return false;
    if (!out->ranked || (out->rank >= min && out->rank <= max)) return true;
    if (min == max)
        return adze_error(adze_op_loc(op), "operand %u of %s is %s, but its rank must be %u", index + 1,
                          adze_op_name(op), infer_type_text(op, index), min);
    return adze_error(adze_op_loc(op), "operand %u of %s is %s, but its rank must be %s %u", index + 1,
                      adze_op_name(op), infer_type_text(op, index), out->rank < min ? "at least" : "at most",
                      out->rank < min ? min : max);
}

inferred infer_unranked(adze_dtype dtype)
{
    return (inferred){.dtype = dtype};
}

inferred infer_unknown_dims(const adze_op *op, adze_dtype dtype, uint32_t rank)
{
    inferred s = {.dtype = dtype, .ranked = rank <= ADZE_MAX_RANK, .rank = rank <= ADZE_MAX_RANK ? rank : 0};
    for (uint32_t i = 0; i < s.rank; i++) s.dims[i] = adze_dim_unknown(adze_op_context(op));
    return s;
}

/* A dim that must be negative, as a constant shows. */
static bool is_negative(const adze_dim *dim)
{
    int64_t value;
    return adze_dim_is_const(dim, &value) && value < 0;
}

bool infer_result(const adze_op *op, const adze_type **out_types, uint32_t index, const inferred *shape)
{
    adze_context *context = adze_op_context(op);
    const adze_type *stated = out_types[index];
    bool known = stated && adze_type_is_tensor(stated) && adze_type_is_ranked(stated);
    if (!shape->ranked) {
        out_types[index] =
            known ? adze_type_with_dtype(stated, shape->dtype) : adze_type_unranked(context, shape->dtype);
        return true;
    }
    known = known && adze_type_rank(stated) == shape->rank;
    const adze_dim *dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < shape->rank; i++) {
        dims[i] = shape->dims[i];
        if (is_negative(dims[i]))
            return adze_error(adze_op_loc(op), "dim %u of the result of %s would be %s", i, adze_op_name(op),
                              infer_dim_text(op, dims[i]));
        if (known && adze_dim_is_unknown(dims[i])) dims[i] = adze_type_dim(stated, i);
    }
    const adze_layout *layout = known && adze_type_has_layout(stated) ? adze_type_layout(stated) : NULL;
    out_types[index] = adze_type_tensor(context, shape->dtype, shape->rank, dims, layout);
    return true;
}

bool infer_integers(const adze_op *op, uint32_t index)
{
    inferred v;
    if (!infer_operand(op, index)) return true;
    if (!infer_ranked(op, index, 0, 1, &v)) return false;
    if (v.dtype == ADZE_DTYPE_i64 || v.dtype == ADZE_DTYPE_i32) return true;
    return adze_error(adze_op_loc(op), "operand %u of %s is %s, not i32 or i64", index + 1, adze_op_name(op),
                      infer_type_text(op, index));
}

bool infer_axis(const adze_op *op, int64_t axis, uint32_t rank, uint32_t *out_axis)
{
    int64_t a = axis < 0 ? axis + rank : axis;
    if (a < 0 || a >= rank)
        return adze_error(adze_op_loc(op), "axis %lld of %s is out of range: the rank is %u", (long long)axis,
                          adze_op_name(op), rank);
    *out_axis = (uint32_t)a;
    return true;
}

bool infer_axes(const adze_op *op, uint32_t index, uint32_t rank, uint32_t *out_set, bool *out_known)
{
    int64_t axes[ADZE_MAX_RANK];
    int n = infer_as_ints(op, index, axes, ADZE_MAX_RANK);
    *out_set = 0;
    *out_known = n >= 0;
    for (int i = 0; i < n; i++) {
        uint32_t axis = 0;
        if (!infer_axis(op, axes[i], rank, &axis)) return false;
        *out_set |= 1u << axis;
    }
    return true;
}

/* Is `a` the smaller of `b` and a constant of at least 2? Then broadcasting can only mean equality. */
static bool is_bounded_by(const adze_dim *a, const adze_dim *b)
{
    if (adze_dim_get_kind(a) != ADZE_DIM_MIN) return false;
    for (uint32_t i = 0; i < 2; i++) {
        int64_t bound;
        if (adze_dim_equal(adze_dim_operand(a, i), b) && adze_dim_is_const(adze_dim_operand(a, 1 - i), &bound) &&
            bound >= 2)
            return true;
    }
    return false;
}

const adze_dim *infer_broadcast_dim(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    if (adze_dim_is_value(a, 1) || adze_dim_equal(a, b)) return b;
    if (adze_dim_is_value(b, 1)) return a;
    bool a_const = adze_dim_is_const(a, NULL), b_const = adze_dim_is_const(b, NULL);
    if (a_const && b_const) return adze_dim_compatible(a, b) ? a : NULL;
    /* A dim that is not 1 is the result's, whatever the other turns out to be. */
    if (a_const) return a;
    if (b_const || is_bounded_by(a, b)) return b;
    return is_bounded_by(b, a) ? a : adze_dim_unknown(context);
}

bool infer_broadcast_into(adze_context *context, inferred *a, const inferred *b)
{
    if (!a->ranked || !b->ranked) {
        a->ranked = false;
        a->rank = 0;
        return true;
    }
    uint32_t rank = a->rank > b->rank ? a->rank : b->rank;
    const adze_dim *dims[ADZE_MAX_RANK], *one = adze_dim_const(context, 1);
    for (uint32_t i = 0; i < rank; i++) {
        const adze_dim *x = i < a->rank ? a->dims[a->rank - 1 - i] : one;
        const adze_dim *y = i < b->rank ? b->dims[b->rank - 1 - i] : one;
        const adze_dim *d = infer_broadcast_dim(context, x, y);
        if (!d) return false;
        dims[rank - 1 - i] = d;
    }
    a->rank = rank;
    for (uint32_t i = 0; i < rank; i++) a->dims[i] = dims[i];
    return true;
}

const adze_dim *infer_same_dim(const adze_dim *a, const adze_dim *b)
{
    if (!adze_dim_compatible(a, b)) return NULL;
    if (adze_dim_is_const(b, NULL)) return b;
    return adze_dim_is_unknown(a) ? b : a;
}

int infer_as_dims(const adze_op *op, uint32_t index, const adze_dim **out, int max)
{
    const adze_ir_value *value = adze_op_operand(op, index);
    return value ? adze_value_as_dims(value, out, max) : -1;
}

int infer_as_ints(const adze_op *op, uint32_t index, int64_t *out, int max)
{
    const adze_ir_value *value = adze_op_operand(op, index);
    return value ? adze_value_as_ints(value, out, max) : -1;
}

adze_dtype infer_onnx_dtype(int64_t number)
{
    switch (number) {
#define DTYPE(name, bits, kind, onnx) \
    case onnx: return ADZE_DTYPE_##name;
#include <adze/dtype.def>
#undef DTYPE
    default: return ADZE_DTYPE_NONE;
    }
}
