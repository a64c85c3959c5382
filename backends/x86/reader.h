/* What the files that read a planned module into a program share. */
#ifndef ADZE_X86_READER_H
#define ADZE_X86_READER_H

#include "backends/x86/program.h"

#include <adze/plan.h>

typedef struct x86_reader {
    x86_program *p;
    adze_table places;  /* adze_ir_value -> x86_place */
    adze_table offsets; /* adze_ir_value -> adze_dim */
    adze_table outputs; /* root of a returned value -> output + 1 */
    adze_table kernels; /* adze_func -> index + 1 */
    adze_table slots;   /* adze_ir_value -> number of its late value + 1 */
    adze_table given;   /* interned symbols that inputs give */
    adze_table defined; /* interned symbols that `named` gives -> index + 1 */
    adze_table live;    /* those of them that have a value where steps are read -> anything */
    const char **scope; /* these, in order */
    uint32_t n_scope, scope_capacity;
} x86_reader;

/* ---- program.c ---- */

/* A step of the op with room for so many operands, all of them absent. Valid until the next one. */
x86_step *x86_new_step(x86_reader *r, adze_op *op, x86_step_kind kind, uint32_t n_operands);
void x86_put_place(x86_reader *r, const adze_ir_value *value, x86_place place);
/* The place of an operand; of NULL, nowhere. False, without a message, where an error above left it without one. */
bool x86_find_place(x86_reader *r, const adze_ir_value *value, x86_place *out);
/* The place that the plan gives to a value that the op makes: a result, or an argument of its region. */
bool x86_place_value(x86_reader *r, adze_op *op, const adze_ir_value *value, x86_place *out);
bool x86_same_place(const x86_place *a, const x86_place *b);
/* The value as an operand at a place; false after an error. */
bool x86_fill_operand(x86_reader *r, adze_op *op, const adze_ir_value *value, const x86_place *place, x86_operand *out);
/* The same of a value of that type. */
bool x86_fill_typed(x86_reader *r, adze_op *op, const adze_type *type, const x86_place *place, x86_operand *out);
/* Steps of all ops but the terminator. */
bool x86_read_ops(x86_reader *r, const adze_region *region);

/* ---- late.c ---- */

/* A step that copies a value to the place of one of the wanted type, which is compatible; none where it lies there
 * already. Dims that may differ are held against each other first. */
bool x86_add_copy(x86_reader *r, adze_op *op, const adze_ir_value *from, const adze_type *wanted, const x86_place *to);
/* A step that holds a condition or a bound, which may be absent, to one element where its type does not say so. */
bool x86_add_single(x86_reader *r, adze_op *op, const adze_ir_value *value);
/* A step that holds what a loop leaves, dims as of `as` (NULL: as they are), against the type of the result there. */
bool x86_add_promise(x86_reader *r, adze_op *op, const adze_ir_value *as, const adze_ir_value *result);
/* An entry of a stack as far as its type knows it; dims that it does not know are 0. */
void x86_stack_entry(x86_reader *r, const adze_ir_value *stack, x86_operand *out);
/* A step that hands out a value as an output whose dims only a run knows. */
bool x86_add_output(x86_reader *r, adze_op *op, const adze_ir_value *value, uint32_t index);
/* A step that holds a view to as many elements as its operand has, where the types leave that open. */
bool x86_add_count(x86_reader *r, adze_op *op);
/* Steps, before all others, that hold dims of what the body makes to be no less than 0 where inputs decide that: the
 * arena is laid out by them. */
void x86_add_extents(x86_reader *r, const adze_region *body);
/* Dims that the launch says must not be negative: its step holds them to that before it writes. */
void x86_add_natural(x86_reader *r, const adze_op *launch, x86_step *step);
bool x86_read_named(x86_reader *r, adze_op *op);
/* Do all inputs together say what the dim is? */
bool x86_is_given(x86_reader *r, const adze_dim *dim);
/* Do inputs, and `named` above and around, say what it is? */
bool x86_is_known(x86_reader *r, const adze_dim *dim);
/* Symbols that were named since `n_scope` was `mark` have no value any more: the end of a region. */
void x86_close_scope(x86_reader *r, uint32_t mark);

/* ---- control.c ---- */

bool x86_read_control(x86_reader *r, adze_op *op);

#endif
