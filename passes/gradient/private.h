/* What gradients of single ops are given, and helpers that they share. */
#ifndef ADZE_GRADIENT_PRIVATE_H
#define ADZE_GRADIENT_PRIVATE_H

#include "passes/weights/build.h"

#include <adze/ir.h>

/* One op on the way back. */
typedef struct gradient_step {
    adze_builder *b;
    adze_op *op;
    adze_ir_value *x, *z;  /* operands 0 and 1, NULL = absent */
    adze_ir_value *y;      /* result 0 */
    adze_ir_value *dy;     /* of result 0; NULL where only others have one */
    adze_ir_value **dys;   /* of all results; NULL = 0 */
    const bool *wanted;    /* of each operand */
    adze_ir_value **dx;    /* to be filled where wanted; NULL after an error */
} gradient_step;

/* False after an error, which is reported; where it is true a wanted operand whose dx is NULL has failed, too. */
typedef bool gradient_fn(gradient_step *s);

typedef struct gradient_row {
    const char *op;
    gradient_fn *fn;
} gradient_row;

/* Sums x over what broadcasting to it repeated of `type`. */
adze_ir_value *gradient_reduce_to(adze_builder *b, adze_ir_value *x, const adze_type *type);
/* Reports that the op has no gradient in this form; false. */
bool gradient_refuse(const gradient_step *s, const char *why);
/* a where `condition`, else 0. */
adze_ir_value *gradient_select(adze_builder *b, adze_ir_value *condition, adze_ir_value *a);

#define GRAD(op, fn) gradient_fn gradient_##fn;
#include "passes/gradient/gradients.def"
#undef GRAD

#endif
