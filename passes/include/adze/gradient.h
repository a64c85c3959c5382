/* Gradients: reverse mode over the IR. What it builds are ops as others, so that they are simplified, compiled and run
 * through an engine.
 *
 *     adze_ir_value *gradient;
 *     if (!adze_gradient_build(func, loss, &weights, 1, &gradient)) …failed
 *     …make main give it…
 */
#ifndef ADZE_GRADIENT_H
#define ADZE_GRADIENT_H

#include <adze/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Can a gradient be taken through ops of this row? */
ADZE_API bool adze_gradient_has(const adze_op_row *row);
/* Adds ops before the return of `func` that compute d loss / d wrt[i], of the type of wrt[i], for each of n values.
 * `loss` is a result of the function's body with one float element; wrt are its arguments, results or constants. Of
 * equal elements of a maximum the first of a window gets all; those of a whole axis share. False after an error: an op
 * between has no gradient, or not with respect to that operand; what was added then stays, without a reader. */
ADZE_API bool adze_gradient_build(adze_func *func, adze_ir_value *loss, adze_ir_value *const *wrt, uint32_t n,
                                  adze_ir_value **out_gradients);

#ifdef __cplusplus
}
#endif
#endif
