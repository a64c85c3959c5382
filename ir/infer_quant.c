/* Result types of quantize, dequantize and requantize. */
#include "ir/infer.h"
#include "ir/rows.h"

#include <string.h>

/* The scale is one element, one per index of `axis`, or one per block along it; so is the zero point, if zero_too. */
static bool check_scale(const adze_op *op, const inferred *x, int64_t wanted, int64_t block, bool zero_too)
{
    inferred scale, zero;
    uint32_t axis;
    if (!infer_tensor(op, 1, &scale)) return false;
    if (zero_too && infer_operand(op, 2)) {
        if (!infer_tensor(op, 2, &zero)) return false;
        inferred whole = scale;
        bool single = scale.rank + zero.rank < 2; /* one element may have one dim or none */
        if (!infer_broadcast_into(adze_op_context(op), &whole, &zero) ||
            (scale.ranked && zero.ranked && scale.rank != zero.rank && !single))
            return adze_error(adze_op_loc(op), "scale is %s but the zero point is %s", infer_type_text(op, 1),
                              infer_type_text(op, 2));
    }
    if (!x->ranked || !scale.ranked || scale.rank == 0) return true;
    if (scale.rank == 1 && !block) {
        if (adze_dim_is_value(scale.dims[0], 1)) return true;
        if (!infer_axis(op, wanted, x->rank, &axis)) return false;
        if (infer_same_dim(scale.dims[0], x->dims[axis])) return true;
        return adze_error(adze_op_loc(op), "scale is %s but dim %u of the operand %s is %s", infer_type_text(op, 1),
                          axis, infer_type_text(op, 0), infer_dim_text(op, x->dims[axis]));
    }
    if (scale.rank != x->rank || !block)
        return adze_error(adze_op_loc(op), "scale is %s and the operand %s, with block_size %lld",
                          infer_type_text(op, 1), infer_type_text(op, 0), (long long)block);
    return infer_axis(op, wanted, x->rank, &axis);
}

/* In loops: one number or 16, each with a scale and a zero point of its own. */
static bool in_loop(const adze_op *op, adze_dtype dtype, const adze_type **out_types)
{
    const adze_type *type = infer_operand(op, 0);
    adze_type_kind kind = adze_type_get_kind(type);
    for (uint32_t i = 1; i < adze_op_num_operands(op); i++)
        if (infer_operand(op, i) && adze_type_get_kind(infer_operand(op, i)) != kind)
            return adze_error(adze_op_loc(op), "operand %u of %s is %s beside %s", i + 1, adze_op_name(op),
                              infer_type_text(op, i), infer_type_text(op, 0));
    bool sums = adze_op_is(op, "requantize");
    if (adze_type_dtype(type) != (sums ? ADZE_DTYPE_i32 : ADZE_DTYPE_f32) ||
        adze_type_dtype(infer_operand(op, 1)) != ADZE_DTYPE_f32)
        return adze_error(adze_op_loc(op), "%s in a loop takes %s and f32, not %s and %s", adze_op_name(op),
                          sums ? "i32" : "f32", infer_type_text(op, 0), infer_type_text(op, 1));
    if (sums && strcmp(adze_op_attr_str(op, "mode"), "f32-rne") != 0)
        return adze_error(adze_op_loc(op), "mode of requantize in a loop is '%s'; expected f32-rne",
                          adze_op_attr_str(op, "mode"));
    bool vector = kind == ADZE_TYPE_VECTOR;
    *out_types = vector ? adze_type_vector(adze_op_context(op), dtype) : adze_type_scalar(adze_op_context(op), dtype);
    return true;
}

static bool is_in_loop(const adze_op *op)
{
    const adze_type *type = infer_operand(op, 0);
    if (!type || !infer_operand(op, 1) || !infer_operand(op, 2)) return false;
    return adze_type_get_kind(type) == ADZE_TYPE_SCALAR || adze_type_get_kind(type) == ADZE_TYPE_VECTOR;
}

bool infer_quantize(adze_op *op, const adze_type **out_types)
{
    const struct adze_quantize_attrs *a = (const void *)adze_op_attrs(op);
    inferred x;
    if (is_in_loop(op)) return in_loop(op, adze_type_dtype(infer_operand(op, 2)), out_types);
    if (!infer_tensor(op, 0, &x) || !check_scale(op, &x, a->axis, a->block_size, true)) return false;
    const adze_type *zero = infer_operand(op, 2);
    adze_dtype stated = infer_onnx_dtype(a->output_dtype);
    if (zero && stated && adze_type_dtype(zero) != stated)
        return adze_error(adze_op_loc(op), "output_dtype of quantize is not the element type of the zero point %s",
                          infer_type_text(op, 2));
    x.dtype = zero ? adze_type_dtype(zero) : stated ? stated : ADZE_DTYPE_u8;
    return infer_result(op, out_types, 0, &x);
}

bool infer_dequantize(adze_op *op, const adze_type **out_types)
{
    const struct adze_dequantize_attrs *a = (const void *)adze_op_attrs(op);
    inferred x;
    if (!infer_tensor(op, 0, &x) || !check_scale(op, &x, a->axis, a->block_size, true)) return false;
    const adze_type *zero = infer_operand(op, 2);
    if (zero && adze_type_dtype(zero) != x.dtype)
        return adze_error(adze_op_loc(op), "the zero point is %s but the operand is %s", infer_type_text(op, 2),
                          infer_type_text(op, 0));
    adze_dtype stated = infer_onnx_dtype(a->output_dtype);
    x.dtype = stated ? stated : adze_type_dtype(infer_operand(op, 1));
    return infer_result(op, out_types, 0, &x);
}

bool infer_requantize(adze_op *op, const adze_type **out_types)
{
    const struct adze_requantize_attrs *a = (const void *)adze_op_attrs(op);
    inferred x, by, zero;
    if (is_in_loop(op)) return in_loop(op, adze_type_dtype(infer_operand(op, 2)), out_types);
    if (!infer_tensor(op, 0, &x) || !infer_tensor(op, 1, &by) || !infer_tensor(op, 2, &zero) ||
        !check_scale(op, &x, a->axis, 0, false))
        return false;
    adze_dtype to = zero.dtype;
    adze_dtype_kind kind = adze_dtype_get_kind(to);
    if (x.dtype != ADZE_DTYPE_i32 || by.dtype != ADZE_DTYPE_f32)
        return adze_error(adze_op_loc(op), "requantize takes i32 and f32, not %s and %s", infer_type_text(op, 0),
                          infer_type_text(op, 1));
    if ((kind != ADZE_KIND_INT && kind != ADZE_KIND_UINT) || adze_dtype_bits(to) > 16)
        return adze_error(adze_op_loc(op), "the zero point of requantize is %s; expected integers of 16 bits or less",
                          infer_type_text(op, 2));
    for (uint32_t i = 0; zero.ranked && i < zero.rank; i++)
        if (!infer_same_dim(zero.dims[i], adze_dim_const(adze_op_context(op), 1)))
            return adze_error(adze_op_loc(op), "the zero point of requantize is %s; expected one value",
                              infer_type_text(op, 2));
    if (strcmp(a->mode.data, "f32-rne") != 0 && strcmp(a->mode.data, "fixed") != 0)
        return adze_error(adze_op_loc(op), "mode of requantize is '%s'; expected f32-rne or fixed", a->mode.data);
    x.dtype = to;
    return infer_result(op, out_types, 0, &x);
}
