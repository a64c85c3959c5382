/* What the files of the reference interpreter share. */
#ifndef ADZE_INTERP_H
#define ADZE_INTERP_H

#include "ir/ir_private.h"

/* A tensor-level value while it is needed. */
typedef struct adze_cell {
    adze_value value;
    uint32_t remaining; /* uses still to come */
    uint32_t level;     /* run of a region that it belongs to */
    bool owned;
} adze_cell;

typedef struct adze_symbol {
    const char *name; /* interned */
    int64_t value;
} adze_symbol;

typedef struct adze_interp {
    adze_context *context;
    const adze_module *module;
    adze_arena arena;
    adze_table cells; /* value -> adze_cell */
    adze_symbol *symbols;
    uint32_t n_symbols, symbols_capacity;
    uint32_t n_given; /* the first ones, which inputs gave */
    adze_table loops;      /* function -> compiled loop IR */
    adze_table const_uses; /* constant -> adze_cell; only `remaining` counts */
    adze_observer *observe;
    void *self;
    uint32_t level, depth;
    uint64_t held; /* bytes of live values, as adze_interp_base and their strings take them */
} adze_interp;

/* interp.c: a zero-filled tensor; false after an error at `loc`. */
bool adze_interp_new(adze_interp *interp, adze_loc loc, adze_dtype dtype, uint32_t rank,
                     const int64_t *dims, adze_value *out);
void adze_interp_free(adze_interp *interp, adze_value *value);
void adze_interp_release(adze_interp *interp, uint64_t bytes); /* so many are no longer held */
/* What a value takes, but for the bytes of strings: its elements as they are allocated, its dims, its items. */
uint64_t adze_interp_base(const adze_value *value);
/* Are so many bytes more beyond the bound? */
bool adze_interp_is_over(const adze_interp *interp, uint64_t bytes);
bool adze_interp_symbol(void *self, const char *name, int64_t *out); /* adze_dim_value_of */
bool adze_interp_dim(adze_interp *interp, const adze_dim *dim, int64_t *out);

/* interp_dims.c: dims of result `index`: from its type and the symbols, else from inference over
 * the actual operands. False after an error. */
bool adze_interp_dims(adze_interp *interp, const adze_op *op, const adze_value *in, uint32_t index,
                      uint32_t *rank, int64_t *dims);

/* interp_launch.c: runs the callee on physical copies of `in` and fills `out`, both dense. */
bool adze_interp_launch(adze_interp *interp, const adze_op *op, const adze_value *in,
                        adze_value *out);

/* interp.c: runs a region; the first `n_lent` of `args` are borrowed, the others taken in any case; `out` takes the
 * operands of its terminator. */
bool adze_interp_region(adze_interp *interp, const adze_region *region, const adze_value *args, uint32_t n_lent,
                        uint32_t n_args, adze_value *out, uint32_t n_out);
/* Is this the last use of an operand that nobody else holds? Its cell then, from which the value may be taken. */
adze_cell *adze_interp_last_use(adze_interp *interp, const adze_op *op, uint32_t index);
/* Items of which a sequence of `count` has room for. */
uint64_t adze_interp_room(uint64_t count);
bool adze_interp_copy(adze_interp *interp, adze_loc loc, const adze_value *from, adze_value *to);

/* interp.c: gives a tensor of strings that lie elsewhere bytes of its own, behind its elements; others stay. */
bool adze_interp_own(adze_interp *interp, adze_loc loc, adze_value *value);

/* interp_repeat.c: runs a `loop`. */
bool adze_interp_repeat(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out);

/* interp_sequence.c: a `sequence_insert` on a sequence that is used no more, whose items stay where they are. Nothing
 * is done, and *out_done is false, where it is used, or the evaluation has something to say. */
bool adze_interp_insert(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out,
                        bool *out_done);

/* interp_loop.c: runs a function of loop IR; what goes wrong in it is reported at `loc`. */
typedef struct adze_memory {
    uint8_t *begin; /* of the allocation */
    uint64_t size;
    uint8_t *base; /* first interior element */
} adze_memory;
bool adze_interp_loop(adze_interp *interp, const adze_func *func, adze_loc loc, const adze_memory *buffers);
void adze_interp_loops_free(adze_interp *interp);

#endif
