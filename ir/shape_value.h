/* Walking up from a small integer tensor to the dims that its entries are (shape_value.c). */
#ifndef ADZE_IR_SHAPE_VALUE_H
#define ADZE_IR_SHAPE_VALUE_H

#include <adze/ir.h>

enum { SHAPE_ENTRIES = 64 };

/* Bounds of one walk, so that no graph makes it slow. */
typedef struct shape_walker {
    adze_context *context;
    int steps, depth;
} shape_walker;

/* Entries in row-major order; `?` where one cannot be known. */
typedef const adze_dim *shape_entries[SHAPE_ENTRIES];

/* Each of these gives the number of entries it wrote to `out` (room for SHAPE_ENTRIES), or -1: nothing is known. */
int shape_walk(shape_walker *w, const adze_ir_value *value, const adze_dim **out);
int shape_walk_operand(shape_walker *w, const adze_op *op, uint32_t index, const adze_dim **out);

/* shape_arith.c: ops that compute; shape_pick.c: ops that put entries elsewhere. `known`: is the op one of these? */
int shape_compute(shape_walker *w, const adze_op *op, const adze_ir_value *value, const adze_dim **out, bool *known);
int shape_pick(shape_walker *w, const adze_op *op, const adze_ir_value *value, const adze_dim **out, bool *known);

/* Rank at most 1, so that entries broadcast by count alone. */
bool shape_is_flat(const adze_ir_value *value);

/* Number of elements of a type whose dims are constant and at most `max`; -1 otherwise. */
int64_t shape_small_count(const adze_type *type, int64_t max);

/* Elements from .. from+n-1 of a constant as doubles or integers, whichever is not NULL. False where it has none. */
bool shape_read_const(const adze_const *constant, int64_t from, int64_t n, int64_t *ints, double *floats);

#endif
