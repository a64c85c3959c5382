/* The forms of ops that are not one row's, grouped by file. Private. */
#ifndef ADZE_ONNX_UPGRADE_H
#define ADZE_ONNX_UPGRADE_H

#include "import.h"

/* upgrade_shape.c: attributes that became operands, and shape ops. */
bool adze_onnx_upgrade_axes(adze_onnx_node *node);
bool adze_onnx_upgrade_slice(adze_onnx_node *node);
bool adze_onnx_upgrade_pad(adze_onnx_node *node);
bool adze_onnx_upgrade_split(adze_onnx_node *node);
bool adze_onnx_upgrade_constant_of_shape(adze_onnx_node *node);
/* upgrade_math.c: elementwise ops, normalizations. */
bool adze_onnx_upgrade_clip(adze_onnx_node *node);
bool adze_onnx_upgrade_dropout(adze_onnx_node *node);
bool adze_onnx_upgrade_softmax(adze_onnx_node *node);
bool adze_onnx_upgrade_batch_norm(adze_onnx_node *node);
bool adze_onnx_upgrade_variadic(adze_onnx_node *node);
bool adze_onnx_upgrade_gelu(adze_onnx_node *node);
/* upgrade_resize.c */
bool adze_onnx_upgrade_upsample(adze_onnx_node *node);
bool adze_onnx_upgrade_resize(adze_onnx_node *node);
/* upgrade_constant.c */
bool adze_onnx_upgrade_constant(adze_onnx_node *node);

/* Helpers (upgrade.c). The attribute `name`, a list of ints, becomes operand `index`, if it is
 * given. */
bool adze_onnx_ints_to_operand(adze_onnx_node *node, const char *name, uint32_t index);
/* The node's row by its ONNX name: same name in the IR. */
bool adze_onnx_finish_row(adze_onnx_node *node);

#endif
