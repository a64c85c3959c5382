/* Where the values of a planned function live: what the pass `plan` decided, for backends. These functions only
 * answer questions. */
#ifndef ADZE_PLAN_H
#define ADZE_PLAN_H

#include <adze/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The planned function's attribute `offsets` has one entry a value, in the order of adze_plan_each: bytes from the
 * arena's start to the value's allocation, halo included (its first interior element is adze_layout_origin
 * elements further), or -1 for what lies elsewhere: outputs of the function, and views. Where the attribute
 * `slots` is there, it has an entry a value, too: the number of the slot of a value whose size only a run knows, or -1;
 * values share a slot one after the other. What a loop carries has one
 * place: that of the region's argument, of the result, and between runs of what the region yields. */

/* Values that ops of the function make: results of an op, then, where it is a control op, arguments and ops of each of
 * its regions; depth first, in the order of the text. Arguments of the function are not among them. */
typedef void adze_plan_visit(void *self, adze_op *op, const adze_ir_value *value);
ADZE_API void adze_plan_each(const adze_func *func, adze_plan_visit *visit, void *self);
/* The result in whose memory the value is made: of the `if` whose region yields it (and so on), else itself. */
ADZE_API const adze_ir_value *adze_plan_home(const adze_ir_value *value);

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
