/* Elementwise ops and normalizations whose older or special forms differ. */
#include "compose.h"

#include <string.h>

/* A float attribute becomes a scalar operand of the first operand's type, if it is given. */
static bool bound_to_operand(adze_onnx_node *node, const char *name, uint32_t index)
{
    const Pb__Attribute *attr = adze_onnx_attr(node, name);
    double value = 0;
    if (!attr) return true;
    if (!adze_onnx_attr_float(node, name, &value)) return false;
    if (!adze_onnx_operand(node, 0)) return adze_onnx_invalid(node, "has no input");
    adze_dtype dtype = adze_type_dtype(adze_value_type(node->in[0]));
    adze_ir_value *bound = adze_onnx_scalar(node, name, dtype, value);
    return adze_onnx_set_operand(node, index, adze_onnx_was_attribute(node->import, bound, node->op_type, name));
}

/* Before opset 11: min and max as attributes. */
bool adze_onnx_upgrade_clip(adze_onnx_node *node)
{
    return bound_to_operand(node, "min", 1) && bound_to_operand(node, "max", 2) &&
           adze_onnx_finish_row(node);
}

/* A constant `false`. */
static bool is_false(const adze_ir_value *value)
{
    adze_const *constant = adze_value_const(value);
    adze_data *data = constant ? adze_const_data(constant) : NULL;
    uint8_t byte = 1;
    return data && adze_data_size(data) == 1 && adze_data_read(data, 0, &byte, 1) && byte == 0;
}

/* Inference form: the operand itself. Before opset 12 the ratio is an attribute, which inference
 * does not need; from then on an operand can ask for training, and before opset 7 that is what happens
 * without is_test. */
bool adze_onnx_upgrade_dropout(adze_onnx_node *node)
{
    adze_ir_value *training = adze_onnx_operand(node, 2);
    double ratio = 0.5;
    int64_t is_test = 0;
    if (!adze_onnx_attr_float(node, "ratio", &ratio) || !adze_onnx_attr_flag(node, "is_test", &is_test)) return false;
    if ((training && !is_false(training)) || (node->version < 7 && !is_test))
        return adze_onnx_dropout_training(node, ratio);
    if (node->n_out > 1 && node->version < 10)
        return adze_onnx_unsupported(node, "the mask as a float");
    if (node->n_in > 1) node->n_in = 1;
    if (node->n_out > 1) return adze_onnx_finish(node, "dropout", NULL, 0);
    adze_onnx_attr(node, "seed");
    return adze_onnx_finish(node, "identity", NULL, 0);
}

/* Before opset 13 softmax runs over all axes from `axis` on, as if they were one. */
static bool softmax_flat(adze_onnx_node *node, int64_t axis)
{
    adze_attr attr = adze_attr_int("axis", axis);
    if (strcmp(node->op_type, "Softmax") == 0)
        return adze_onnx_finish(node, "softmax_flat", &attr, 1);
    adze_ir_value *x = adze_onnx_operand(node, 0);
    if (!x) return adze_onnx_invalid(node, "has no input");
    adze_ir_value *rows = adze_onnx_emit(node, "flatten", &x, 1, &attr, 1);
    adze_attr last = adze_attr_int("axis", -1);
    adze_ir_value *logs = rows ? adze_onnx_emit(node, "log_softmax", &rows, 1, &last, 1) : NULL;
    adze_ir_value *dims = logs ? adze_onnx_emit(node, "shape", &x, 1, NULL, 0) : NULL;
    adze_ir_value *operands[] = {logs, dims};
    adze_attr zero = adze_attr_int("allowzero", 1);
    if (dims) node->out[0] = adze_onnx_emit(node, "reshape", operands, 2, &zero, 1);
    return node->out[0] != NULL;
}

bool adze_onnx_upgrade_softmax(adze_onnx_node *node)
{
    if (node->version >= 13) return adze_onnx_finish_row(node);
    int64_t axis = 1;
    if (!adze_onnx_attr_int(node, "axis", &axis)) return false;
    adze_ir_value *x = adze_onnx_operand(node, 0);
    const adze_type *type = x ? adze_value_type(x) : NULL;
    if (type && adze_type_is_ranked(type)) {
        int64_t rank = adze_type_rank(type);
        if (axis == -1 || axis == rank - 1) {
            adze_attr last = adze_attr_int("axis", -1);
            const char *op = strcmp(node->op_type, "Softmax") == 0 ? "softmax" : "log_softmax";
            return adze_onnx_finish(node, op, &last, 1);
        }
    }
    return softmax_flat(node, axis);
}

/* Training where the attribute says so, before opset 14 where it has the further results; `spatial` = 0 (before opset
 * 9) has statistics per element. */
bool adze_onnx_upgrade_batch_norm(adze_onnx_node *node)
{
    int64_t spatial = 1, training = 0, is_test = 0;
    if (!adze_onnx_attr_flag(node, "is_test", &is_test) || !adze_onnx_attr_int(node, "spatial", &spatial) ||
        !adze_onnx_attr_flag(node, "training_mode", &training))
        return false;
    if (spatial != 1) return adze_onnx_unsupported(node, "spatial = %lld", (long long)spatial);
    bool trains = node->version < 7 ? !is_test : node->version < 14 ? node->n_out > 1 : training != 0;
    if (trains) return adze_onnx_batch_norm_training(node);
    if (node->n_out > 1) return adze_onnx_unsupported(node, "running statistics without training");
    return adze_onnx_finish_row(node);
}

/* Max, Min, Sum: two operands make the binary op, one makes none. */
bool adze_onnx_upgrade_variadic(adze_onnx_node *node)
{
    const char *binary = node->op_type[0] == 'S' ? "add" : node->op_type[1] == 'a' ? "max" : "min";
    if (node->n_in == 1) return adze_onnx_finish(node, "identity", NULL, 0);
    if (node->n_in == 2) return adze_onnx_finish(node, binary, NULL, 0);
    return adze_onnx_finish_row(node);
}

bool adze_onnx_upgrade_gelu(adze_onnx_node *node)
{
    const char *approximate = "none";
    if (!adze_onnx_attr_str(node, "approximate", &approximate)) return false;
    if (strcmp(approximate, "none") == 0) return adze_onnx_finish(node, "gelu", NULL, 0);
    if (strcmp(approximate, "tanh") == 0) return adze_onnx_finish(node, "gelu_tanh", NULL, 0);
    return adze_onnx_invalid(node, "attribute 'approximate' is '%s'", approximate);
}
