/* Upsample and Resize before opset 13, as Resize of today.
 *
 * Upsample and Resize-10 place output x at x / scale. Nearest takes the floor of that when
 * enlarging and, as ONNX Runtime does it, the ceiling when shrinking. Resize-11 marks absent inputs
 * by empty tensors, which opset 13 made optional.
 */
#include "upgrade.h"

#include <string.h>

/* Which way nearest rounds, from constant scales: "floor" or "ceil"; NULL if they differ by axis.
 */
static const char *nearest_of(const float *scales, uint64_t count)
{
    bool up = false, down = false;
    for (uint64_t i = 0; i < count; i++) {
        up |= scales[i] > 1;
        down |= scales[i] < 1;
    }
    return up && down ? NULL : down ? "ceil" : "floor";
}

/* Constant scales of operand `index`. False after an error. */
static bool rounding(adze_onnx_node *node, uint32_t index, const char **out)
{
    adze_ir_value *scales = adze_onnx_operand(node, index);
    adze_const *constant = scales ? adze_value_const(scales) : NULL;
    int64_t count;
    const adze_type *type = scales ? adze_value_type(scales) : NULL;
    if (!constant || adze_type_dtype(type) != ADZE_DTYPE_f32 || adze_type_rank(type) != 1 ||
        !adze_dim_is_const(adze_type_dim(type, 0), &count))
        return adze_onnx_unsupported(node, "scales that are no constant");
    adze_data *data = adze_const_data(constant);
    const float *values = adze_data_load(data);
    if (!values) return false;
    *out = nearest_of(values, (uint64_t)count);
    return *out || adze_onnx_unsupported(node, "enlarging one axis and shrinking another");
}

/* Resize-10 and Upsample-9 with operands (x, scales), Upsample-7 with scales made one. Upsample
 * only enlarges. */
static bool simple_resize(adze_onnx_node *node, bool shrinks)
{
    const char *mode = "nearest", *nearest = "floor";
    if (!adze_onnx_attr_str(node, "mode", &mode)) return false;
    if (strcmp(mode, "bilinear") == 0) mode = "linear";
    if (node->n_in != 2) return adze_onnx_invalid(node, "has %u inputs, not 2", node->n_in);
    if (shrinks && strcmp(mode, "nearest") == 0 && !rounding(node, 1, &nearest)) return false;
    adze_ir_value *operands[] = {node->in[0], NULL, node->in[1]};
    adze_attr attrs[] = {adze_attr_str("coordinate_transformation_mode", "asymmetric"),
                         adze_attr_str("mode", mode), adze_attr_str("nearest_mode", nearest)};
    node->out[0] = adze_onnx_emit(node, "resize", operands, 3, attrs, 3);
    return node->out[0] != NULL;
}

bool adze_onnx_upgrade_upsample(adze_onnx_node *node)
{
    const Pb__Attribute *scales = adze_onnx_attr(node, "scales");
    if (scales && scales->n_floats) {
        int64_t count = (int64_t)scales->n_floats;
        const adze_type *type =
            adze_type_tensor_const(node->import->context, ADZE_DTYPE_f32, 1, &count);
        const char *name = adze_internf(node->import->context, "%s_scales", node->name);
        adze_ir_value *value = adze_const_make(node->import->module, name, type, scales->floats);
        adze_onnx_was_attribute(node->import, value, "Upsample", "scales");
        if (!adze_onnx_set_operand(node, 1, value)) return false;
    }
    return simple_resize(node, false);
}

bool adze_onnx_upgrade_resize(adze_onnx_node *node)
{
    if (node->version < 11) return simple_resize(node, true);
    for (uint32_t i = 1; i < node->n_in; i++) {
        const adze_type *type = node->in[i] ? adze_value_type(node->in[i]) : NULL;
        if (type && adze_type_rank(type) == 1 && adze_dim_is_value(adze_type_dim(type, 0), 0))
            node->in[i] = NULL;
    }
    while (node->n_in > 1 && !node->in[node->n_in - 1]) node->n_in--;
    return adze_onnx_finish(node, "resize", NULL, 0);
}
