/* Where the values of a planned function live: what the pass `plan` decided, for backends. These functions only
 * answer questions. */
#ifndef ADZE_PLAN_H
#define ADZE_PLAN_H

#include <adze/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The planned function's attribute `offsets` has one entry a result, op after op in their order: bytes from the
 * arena's start to the result's allocation, halo included (its first interior element is adze_layout_origin
 * elements further), or -1 for what lies elsewhere: outputs of the function, and views. */

/* The op's result is the same bytes as operand 0 at the same place: no step is needed. */
ADZE_API bool adze_plan_is_view(const adze_op *op);
/* The value whose bytes this one shows, through all views; itself where it is none. */
ADZE_API const adze_ir_value *adze_plan_root(const adze_ir_value *value);
/* Bytes of the arena, over the module's symbols, slack for reads past a row's end included; NULL if the function is
 * not planned. */
ADZE_API const adze_dim *adze_plan_arena_bytes(const adze_func *func);

#ifdef __cplusplus
}
#endif
#endif
