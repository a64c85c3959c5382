/* Loop IR in the form that the reference runs: registers and instructions with fixed operands. */
#ifndef ADZE_INTERP_LOOP_H
#define ADZE_INTERP_LOOP_H

#include <stdalign.h>

#include "ir/eval/bodies_table.h"
#include "ir/interp.h"

static const uint32_t ADZE_NO_REGISTER = UINT32_MAX;

/* A buffer value. */
typedef struct adze_loop_buffer {
    adze_memory memory;
    const int64_t *strides; /* in elements */
    uint32_t rank, size;    /* bytes of an element */
} adze_loop_buffer;

/* A scalar, 16 lanes of up to 8 bytes, or a buffer. */
typedef union adze_register {
    alignas(64) uint8_t bytes[ADZE_LANES * 8];
    int64_t i;
    float f;
    adze_loop_buffer buffer;
} adze_register;

typedef struct adze_loop_machine adze_loop_machine;
typedef struct adze_loop_op adze_loop_op;
typedef bool adze_loop_fn(adze_loop_machine *m, const adze_loop_op *op);

typedef struct adze_loop_block {
    uint32_t *args;
    adze_loop_op *ops;
    uint32_t n_ops;
    const uint32_t *yields; /* registers */
    uint32_t n_yields;
} adze_loop_block;

struct adze_loop_op {
    const adze_op *op;
    adze_loop_fn *run;
    uint32_t *in; /* registers; ADZE_NO_REGISTER = absent */
    uint32_t *out;
    adze_loop_block *blocks;
    uint32_t n_in, n_out;
    bool vector, by_lane; /* by_lane: eval sees one lane after the other */
    int64_t *strides;    /* of a buffer result */
    uint64_t bytes;      /* scratch */
    uint32_t axis, size; /* load and store: axis of lanes, bytes of an element */
    uint32_t body_args;  /* elementwise by a row function */
    adze_row_fn *body;
    adze_value *values; /* elementwise by eval: operands, then the result */
    const adze_ukernel *kernel;
};

struct adze_loop_machine {
    adze_interp *interp;
    const adze_func *func;
    adze_arena arena;
    adze_table numbers; /* value -> register + 1; while compiling */
    adze_register *registers;
    uint32_t n_registers;
    adze_loop_block body;
    void **scratch; /* live blocks, innermost last */
    uint32_t n_scratch, scratch_capacity;
    adze_host host;
    adze_loc loc; /* of the op that runs the function, which others may share */
};

/* interp_loop_ops.c: what runs an op; NULL if nothing does. */
adze_loop_fn *adze_loop_find(const char *name);
adze_loop_fn adze_loop_elementwise;
/* interp_loop.c: runs a block's ops and frees the scratch that they took. */
bool adze_loop_run(adze_loop_machine *m, const adze_loop_block *block);

#endif
