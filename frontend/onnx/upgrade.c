/* Ops that are not their row one to one: older forms, forms by attribute, ops that only old opsets
 * have. Everything here brings a node to the form that the op table has, that of the newest opset.
 *
 * Attributes that became operands are looked for at every opset: where the attribute is there, it
 * is meant. What an op means by default at an older opset is decided by node->version.
 */
#include "upgrade.h"

#include <stdlib.h>
#include <string.h>

static const adze_onnx_upgrade rows[] = {
    {"BatchNormalization", " spatial is_test ", adze_onnx_upgrade_batch_norm},
    {"Clip", " min max ", adze_onnx_upgrade_clip},
    {"Constant",
     " value sparse_value value_float value_floats value_int value_ints value_string "
     "value_strings ",
     adze_onnx_upgrade_constant},
    {"ConstantOfShape", " value ", adze_onnx_upgrade_constant_of_shape},
    {"Dropout", " ratio is_test ", adze_onnx_upgrade_dropout},
    {"Gelu", " approximate ", adze_onnx_upgrade_gelu},
    {"LogSoftmax", NULL, adze_onnx_upgrade_softmax},
    {"Max", NULL, adze_onnx_upgrade_variadic},
    {"Min", NULL, adze_onnx_upgrade_variadic},
    {"Pad", " pads value ", adze_onnx_upgrade_pad},
    {"ReduceL1", " axes ", adze_onnx_upgrade_axes},
    {"ReduceL2", " axes ", adze_onnx_upgrade_axes},
    {"ReduceLogSum", " axes ", adze_onnx_upgrade_axes},
    {"ReduceLogSumExp", " axes ", adze_onnx_upgrade_axes},
    {"ReduceMax", " axes ", adze_onnx_upgrade_axes},
    {"ReduceMean", " axes ", adze_onnx_upgrade_axes},
    {"ReduceMin", " axes ", adze_onnx_upgrade_axes},
    {"ReduceProd", " axes ", adze_onnx_upgrade_axes},
    {"ReduceSum", " axes ", adze_onnx_upgrade_axes},
    {"ReduceSumSquare", " axes ", adze_onnx_upgrade_axes},
    {"Resize", NULL, adze_onnx_upgrade_resize},
    {"Slice", " starts ends axes ", adze_onnx_upgrade_slice},
    {"Softmax", NULL, adze_onnx_upgrade_softmax},
    {"Split", " split ", adze_onnx_upgrade_split},
    {"Squeeze", " axes ", adze_onnx_upgrade_axes},
    {"Sum", NULL, adze_onnx_upgrade_variadic},
    {"Unsqueeze", " axes ", adze_onnx_upgrade_axes},
    {"Upsample", " mode scales ", adze_onnx_upgrade_upsample},
};

static int compare(const void *key, const void *row)
{
    return strcmp(key, ((const adze_onnx_upgrade *)row)->op_type);
}

const adze_onnx_upgrade *adze_onnx_upgrade_find(const char *op_type)
{
    return bsearch(op_type, rows, sizeof rows / sizeof *rows, sizeof *rows, compare);
}

bool adze_onnx_ints_to_operand(adze_onnx_node *node, const char *name, uint32_t index)
{
    const int64_t *values = NULL;
    size_t count = 0;
    if (!adze_onnx_attr_ints(node, name, &values, &count)) return false;
    return !values || adze_onnx_set_operand(node, index, adze_onnx_ints(node, name, values, count));
}

bool adze_onnx_finish_row(adze_onnx_node *node)
{
    const adze_op_row *row = adze_row_find_onnx(node->import->context, NULL, node->op_type);
    if (!row) return adze_onnx_unsupported(node, "the op is not known");
    return adze_onnx_finish(node, row->name, NULL, 0);
}
