/* Constants in the place of others. A layer is known by the name of its weights, so a pass that gives it other numbers
 * leaves it that name. */
#ifndef ADZE_WEIGHTS_CONSTANT_H
#define ADZE_WEIGHTS_CONSTANT_H

#include <adze/ir.h>

/* Operand `index` of the op, which may have fewer, becomes `value`. */
void constant_put(adze_op *op, uint32_t index, adze_ir_value *value);
/* `made`, a constant, is read in the place of `old` (NULL = there was none). Where nothing reads `old` any more, that
 * takes the type, the numbers and the readers of `made`, which goes; else `made` stays, which is best called NAME.own.
 * Returns what is read now. */
adze_ir_value *constant_settle(adze_const *old, adze_ir_value *made);

#endif
