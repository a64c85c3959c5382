/* Where the values of a planned function live: what the pass `plan` decided, for backends. */
#ifndef ADZE_PLAN_H
#define ADZE_PLAN_H

#include <adze/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum adze_place_kind {
    ADZE_PLACE_NONE,    /* the function is not planned, or the value is unused */
    ADZE_PLACE_ARENA,   /* `offset` bytes from the arena's start */
    ADZE_PLACE_INPUT,   /* data of input `index` */
    ADZE_PLACE_OUTPUT,  /* data of output `index` */
    ADZE_PLACE_CONST    /* bytes of `constant` */
} adze_place_kind;

typedef struct adze_place {
    adze_place_kind kind;
    uint32_t index;
    const adze_dim *offset;
    const adze_const *constant;
} adze_place;

/* Start of the value's allocation (halo included; the first interior element is adze_layout_origin
 * elements further). Views give the place of what they view. */
ADZE_API adze_place adze_plan_place(const adze_ir_value *value);
/* The op's result is the same bytes as operand 0 at the same place: no step is needed. */
ADZE_API bool adze_plan_is_view(const adze_op *op);
/* Bytes of the arena, slack for reads past a row's end included; NULL if the function is not planned. */
ADZE_API const adze_dim *adze_plan_arena_bytes(const adze_func *func);

#ifdef __cplusplus
}
#endif
#endif
