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
/* A step that copies the value's bytes; none where they lie there already. */
bool x86_add_copy(x86_reader *r, adze_op *op, const adze_ir_value *value, const x86_place *from, const x86_place *to);
/* Bytes of a dense value; false after an error. */
bool x86_value_bytes(x86_reader *r, adze_op *op, const adze_ir_value *value, const adze_dim **out);
/* Steps of all ops but the terminator. */
bool x86_read_ops(x86_reader *r, const adze_region *region);

/* ---- control.c ---- */

bool x86_read_control(x86_reader *r, adze_op *op);

#endif
