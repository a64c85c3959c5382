/* Constant nodes become module constants under the name of their output. */
#include "upgrade.h"

#include <string.h>

static bool bind(adze_onnx_node *node, adze_ir_value *value)
{
    node->out[0] = value;
    return value != NULL;
}

static const char *name_of(const adze_onnx_node *node)
{
    return adze_internf(node->import->context, "%s%s", node->scope->prefix, node->proto->output[0]);
}

/* A tensor of `count` elements (rank 0 if negative). */
static bool make(adze_onnx_node *node, adze_dtype dtype, int64_t count, const void *bytes)
{
    static const int64_t none[1];
    const adze_type *type =
        adze_type_tensor_const(node->import->context, dtype, count < 0 ? 0 : 1, &count);
    return bind(node,
                adze_const_make(node->import->module, name_of(node), type, bytes ? bytes : none));
}

bool adze_onnx_upgrade_constant(adze_onnx_node *node)
{
    if (node->n_in != 0) return adze_onnx_invalid(node, "has inputs");
    if (node->n_out != 1) return adze_onnx_invalid(node, "has %u outputs", node->n_out);
    if (node->proto->n_attribute != 1)
        return adze_onnx_invalid(node, "has %zu values, not one", node->proto->n_attribute);
    const char *form = node->proto->attribute[0]->name;
    const Pb__Attribute *attr = adze_onnx_attr(node, form);
    if (!attr) return adze_onnx_invalid(node, "has no value");
    if (strcmp(form, "value") == 0) {
        if (!attr->t) return adze_onnx_invalid(node, "attribute 'value' is no tensor");
        return bind(node, adze_onnx_tensor_const(node->import, attr->t, name_of(node), node->loc));
    }
    if (strcmp(form, "sparse_value") == 0) {
        if (!attr->sparse_tensor) return adze_onnx_invalid(node, "attribute 'sparse_value' is no sparse tensor");
        return bind(node, adze_onnx_sparse_const(node->import, attr->sparse_tensor, name_of(node), node->loc));
    }
    if (strcmp(form, "value_float") == 0) return make(node, ADZE_DTYPE_f32, -1, &attr->f);
    if (strcmp(form, "value_int") == 0) return make(node, ADZE_DTYPE_i64, -1, &attr->i);
    if (strcmp(form, "value_floats") == 0)
        return make(node, ADZE_DTYPE_f32, (int64_t)attr->n_floats, attr->floats);
    if (strcmp(form, "value_ints") == 0)
        return make(node, ADZE_DTYPE_i64, (int64_t)attr->n_ints, attr->ints);
    return adze_onnx_unsupported(node, "a constant given by '%s'", form);
}
