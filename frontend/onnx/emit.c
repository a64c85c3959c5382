/* Making ops and constants for a node. */
#include "import.h"

#include <stdlib.h>

adze_ir_value *adze_onnx_operand(const adze_onnx_node *node, uint32_t index)
{
    return index < node->n_in ? node->in[index] : NULL;
}

static adze_op *build(adze_onnx_node *node, const char *op, adze_ir_value *const *operands,
                      uint32_t n_operands, const adze_attr *attrs, uint32_t n_attrs,
                      uint32_t n_results)
{
    adze_onnx_import *import = node->import;
    if (adze_onnx_told(node)) return NULL;
    import->builder.loc = node->loc;
    import->composed |= node->version < ADZE_ONNX_OPSET_WRITTEN || *node->domain || node->scope->function;
    adze_op *result =
        adze_build(&import->builder, op, operands, n_operands, attrs, n_attrs, NULL, n_results);
    if (!result) {
        return NULL;
    }
    adze_op_add_node(result, node->name);
    for (uint32_t i = 0; i < n_results; i++) {
        const adze_type *type = adze_value_type(adze_op_result(result, i));
        import->composed |= adze_type_is_tensor(type) && adze_onnx_dtype_version(adze_type_dtype(type)) != 0;
    }
    return result;
}

adze_ir_value *adze_onnx_emit(adze_onnx_node *node, const char *op, adze_ir_value *const *operands,
                              uint32_t n_operands, const adze_attr *attrs, uint32_t n_attrs)
{
    adze_op *made = build(node, op, operands, n_operands, attrs, n_attrs, 1);
    node->import->composed = true;
    return made ? adze_op_result(made, 0) : NULL;
}

adze_ir_value *adze_onnx_emit_typed(adze_onnx_node *node, const char *op, adze_ir_value *const *operands,
                                    uint32_t n_operands, const adze_type *type)
{
    adze_onnx_import *import = node->import;
    if (adze_onnx_told(node)) return NULL;
    import->builder.loc = node->loc;
    adze_op *made = adze_build(&import->builder, op, operands, n_operands, NULL, 0, &type, 1);
    if (!made) return NULL;
    import->composed = true;
    adze_op_add_node(made, node->name);
    return adze_op_infer(made) ? adze_op_result(made, 0) : NULL;
}

bool adze_onnx_finish(adze_onnx_node *node, const char *op, const adze_attr *attrs,
                      uint32_t n_attrs)
{
    const adze_op_row *row = adze_row_find(node->import->context, op);
    if (!row) return adze_onnx_unsupported(node, "the op table has no '%s'", op);
    if (node->n_in < row->in_min || (row->in_max != ADZE_VARIADIC && node->n_in > row->in_max))
        return adze_onnx_invalid(node, "has %u inputs; %u to %u are expected", node->n_in,
                                 row->in_min, row->in_max);
    for (uint32_t i = 0; i < row->in_min; i++)
        if (!node->in[i]) return adze_onnx_invalid(node, "has no input %u", i);
    if (row->out_max != ADZE_VARIADIC && node->n_out > row->out_max)
        return adze_onnx_unsupported(node, "output %u ('%s') is not known", row->out_max,
                                     node->proto->output[row->out_max]);
    adze_attr *all = calloc((size_t)row->n_attrs + n_attrs + 1, sizeof *all);
    if (!all) return adze_onnx_invalid(node, "out of memory");
    uint32_t n = 0;
    for (; n < n_attrs; n++) all[n] = attrs[n];
    bool ok = adze_onnx_attr_convert(node, row, all, &n);
    if (ok) {
        uint32_t results = node->n_out > row->out_min ? node->n_out : row->out_min;
        adze_op *made = build(node, op, node->in, node->n_in, all, n, results);
        ok = made != NULL;
        for (uint32_t i = 0; ok && i < node->n_out; i++) node->out[i] = adze_op_result(made, i);
    }
    free(all);
    return ok;
}

bool adze_onnx_set_operand(adze_onnx_node *node, uint32_t index, adze_ir_value *value)
{
    if (!value) {
        return false;
    }
    if (index < node->n_in && node->in[index])
        return adze_onnx_invalid(node, "has both an attribute and input %u for the same thing",
                                 index);
    if (index >= node->in_capacity) return adze_onnx_invalid(node, "has too few inputs");
    while (node->n_in <= index) node->in[node->n_in++] = NULL;
    node->in[index] = value;
    return true;
}

static const char *constant_name(adze_onnx_node *node, const char *what)
{
    return adze_internf(node->import->context, "%s_%s", node->name, what);
}

adze_ir_value *adze_onnx_ints(adze_onnx_node *node, const char *what, const int64_t *values,
                              size_t count)
{
    static const int64_t none[1];
    return adze_const_ints(node->import->module, constant_name(node, what), count ? values : none,
                           (int)count);
}

adze_ir_value *adze_onnx_scalar(adze_onnx_node *node, const char *what, adze_dtype dtype,
                                double value)
{
    if (dtype == ADZE_DTYPE_str || dtype == ADZE_DTYPE_NONE)
        return adze_onnx_invalid(node, "a number stands where there can be none"), NULL;
    return adze_const_scalar(node->import->module, constant_name(node, what), dtype, value);
}
