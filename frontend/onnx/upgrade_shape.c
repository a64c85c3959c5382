/* Attributes that became operands, and ops that make shapes. */
#include "upgrade.h"

#include <math.h>
#include <string.h>

/* Squeeze and Unsqueeze before opset 13, ReduceSum before 13, the other reductions before 18. */
bool adze_onnx_upgrade_axes(adze_onnx_node *node)
{
    return adze_onnx_ints_to_operand(node, "axes", 1) && adze_onnx_finish_row(node);
}

/* Before opset 10: starts, ends, axes. */
bool adze_onnx_upgrade_slice(adze_onnx_node *node)
{
    return adze_onnx_ints_to_operand(node, "starts", 1) &&
           adze_onnx_ints_to_operand(node, "ends", 2) &&
           adze_onnx_ints_to_operand(node, "axes", 3) && adze_onnx_finish_row(node);
}

/* Before opset 11: pads and value, a float for every element type. */
bool adze_onnx_upgrade_pad(adze_onnx_node *node)
{
    double value = 0;
    if (!adze_onnx_ints_to_operand(node, "pads", 1) || !adze_onnx_attr_float(node, "value", &value))
        return false;
    if (value != 0 && node->n_in > 0 && node->in[0]) {
        adze_dtype dtype = adze_type_dtype(adze_value_type(node->in[0]));
        adze_ir_value *fill = adze_onnx_scalar(node, "value", dtype, value);
        adze_onnx_was_attribute(node->import, fill, "Pad", "value");
        if (!adze_onnx_set_operand(node, 2, fill)) return false;
    }
    return adze_onnx_finish_row(node);
}

/* Before opset 13: split as an attribute. Before 18 nothing says how many parts there are but the
 * outputs, and these are equal. */
bool adze_onnx_upgrade_split(adze_onnx_node *node)
{
    node->n_out = (uint32_t)node->proto->n_output;
    if (!adze_onnx_ints_to_operand(node, "split", 1)) return false;
    if (adze_onnx_operand(node, 1)) return adze_onnx_finish_row(node);
    int64_t parts = (int64_t)node->proto->n_output, stated = parts;
    if (!adze_onnx_attr_int(node, "num_outputs", &stated)) return false;
    if (stated != parts)
        return adze_onnx_invalid(node, "num_outputs is %lld but there are %lld outputs",
                                 (long long)stated, (long long)parts);
    adze_attr attr = adze_attr_int("num_outputs", parts);
    return adze_onnx_finish(node, "split", &attr, 1);
}

/* The one element of a tensor as a double; false if it is not exactly one. */
static bool fill_value(const uint8_t *bytes, adze_dtype dtype, double *out)
{
    int64_t i64;
    uint64_t u64;
    switch (dtype) {
    case ADZE_DTYPE_bool:
    case ADZE_DTYPE_u8:
        *out = bytes[0];
        return true;
    case ADZE_DTYPE_i8:
        *out = (int8_t)bytes[0];
        return true;
    case ADZE_DTYPE_i16: {
        int16_t i16;
        memcpy(&i16, bytes, 2);
        *out = i16;
        return true;
    }
    case ADZE_DTYPE_u16: {
        uint16_t u16;
        memcpy(&u16, bytes, 2);
        *out = u16;
        return true;
    }
    case ADZE_DTYPE_i32: {
        int32_t i32;
        memcpy(&i32, bytes, 4);
        *out = i32;
        return true;
    }
    case ADZE_DTYPE_u32: {
        uint32_t u32;
        memcpy(&u32, bytes, 4);
        *out = u32;
        return true;
    }
    case ADZE_DTYPE_i64:
        memcpy(&i64, bytes, 8);
        *out = (double)i64;
        return i64 > -(INT64_C(1) << 53) && i64 < (INT64_C(1) << 53);
    case ADZE_DTYPE_u64:
        memcpy(&u64, bytes, 8);
        *out = (double)u64;
        return u64 < (UINT64_C(1) << 53);
    case ADZE_DTYPE_f32: {
        float f32;
        memcpy(&f32, bytes, 4);
        *out = (double)f32;
        return !isnan(f32);
    }
    case ADZE_DTYPE_f64:
        memcpy(out, bytes, 8);
        return !isnan(*out);
    default:
        return false;
    }
}

/* The value is a one-element tensor; what no double holds is spread by expand instead. */
bool adze_onnx_upgrade_constant_of_shape(adze_onnx_node *node)
{
    const Pb__Attribute *attr = adze_onnx_attr(node, "value");
    if (!attr) return adze_onnx_finish_row(node);
    adze_onnx_shape shape;
    if (!attr->t) return adze_onnx_invalid(node, "attribute 'value' is no tensor");
    if (!adze_onnx_tensor_shape(attr->t, node->loc, &shape)) return false;
    if (shape.count != 1) return adze_onnx_invalid(node, "attribute 'value' has not one element");
    adze_data *data = adze_onnx_tensor_data(node->import, attr->t, &shape, node->loc);
    const uint8_t *bytes = data ? adze_data_load(data) : NULL;
    double value;
    bool exact = bytes && fill_value(bytes, shape.dtype, &value);
    if (data) adze_data_release(data);
    if (!bytes) return false;
    if (exact) {
        adze_attr attrs[] = {adze_attr_float("value", value), adze_attr_type("dtype", shape.dtype)};
        return adze_onnx_finish(node, "constant_of_shape", attrs, 2);
    }
    adze_ir_value *fill = adze_onnx_tensor_const(
        node->import, attr->t, adze_internf(node->import->context, "%s_value", node->name),
        node->loc);
    if (!fill || node->n_in != 1) return fill && adze_onnx_invalid(node, "has no shape");
    adze_ir_value *operands[] = {fill, node->in[0]};
    node->out[0] = adze_onnx_emit(node, "expand", operands, 2, NULL, 0);
    return node->out[0] != NULL;
}
