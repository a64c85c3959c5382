/* From loop IR to MLIR: what the emitting files share.
 *
 * Values of the loop IR become MLIR values as follows. Scalars and vectors of bools are kept as i1
 * (where they come from comparisons and masks) or as i8 of 0 and 1 (where they come from memory and
 * bodies), and converted when the other form is asked for. Buffers are pointers to their base
 * element; their strides are in their type. Indices that are known are not materialised, so
 * unrolled code has constant addresses.
 */
#ifndef ADZE_X86_EMIT_H
#define ADZE_X86_EMIT_H

#include "backends/x86/mlir_build.h"
#include "backends/x86/program.h"

typedef struct x86_value {
    MlirValue v;   /* scalar, vector, pointer; bools as i8. Null until materialised */
    MlirValue m;   /* bools as i1; null until asked for */
    bool is_const; /* an i64 whose value is c */
    bool nonneg;   /* an i64 known to be >= 0 */
    bool noalias;  /* a buffer whose memory no other root reaches */
    uint32_t root; /* which allocation a buffer lies in */
    int64_t c;
} x86_value;

/* The MLIR function being filled. */
typedef struct x86_scope {
    MlirBlock entry;
    MlirOperation marker; /* what must dominate everything goes before it */
    MlirValue frame;
    MlirValue worker; /* null: the thread that runs the steps, worker 0 */
    bool is_chunk;
    MlirValue dims_base; /* frame->dims, null until needed */
    MlirValue *dims;     /* loaded entries by number; null until needed */
    uint32_t dims_capacity;
    adze_table scratch;     /* scratch op -> x86_value, for stack memory */
    int64_t stack_bytes;    /* taken so far */
    const adze_dim *offset; /* frame scratch in use, in bytes */
} x86_scope;

typedef struct x86_emit {
    mb b;
    x86_program *program;
    adze_arena arena;
    adze_table values;   /* adze_ir_value -> x86_value */
    adze_table handlers; /* adze_op_row -> handler index + 1 */
    adze_table declared; /* function names */
    x86_scope *scope;
    const char *kernel;
    uint32_t n_chunks, n_roots;
    bool may_contract; /* f32 products and sums may become one FMA … */
    bool contract;     /* … in this kernel, too */
} x86_emit;

/* ---- emit.c ---- */

/* Emits one kernel for a level as function `symbol`. False after an error. */
bool x86_emit_kernel(x86_emit *e, const x86_kernel *kernel, const char *level, const char *symbol);
void x86_emit_init(x86_emit *e, x86_program *program, MlirContext context, MlirModule module,
                   bool contract);
void x86_emit_free(x86_emit *e);

x86_value *x86_get(x86_emit *e, const adze_ir_value *value);
void x86_set(x86_emit *e, const adze_ir_value *value, x86_value result);
/* Sets the op's only result. */
void x86_result(x86_emit *e, const adze_op *op, MlirValue v);
x86_value x86_const(int64_t value);
/* The materialised value; bools as i8. */
MlirValue x86_use(x86_emit *e, const adze_ir_value *value);
MlirValue x86_use_value(x86_emit *e, x86_value *value);
/* A bool scalar or vector as i1. */
MlirValue x86_use_mask(x86_emit *e, const adze_ir_value *value);
/* MLIR type of a scalar, vector (16 lanes) or buffer (pointer); null if x86 has no such element. */
MlirType x86_element_type(x86_emit *e, adze_dtype dtype);
MlirType x86_type(x86_emit *e, const adze_type *type);
/* Value of the artifact's dims entry, loaded once a function. */
MlirValue x86_dim_value(x86_emit *e, uint32_t dim);
/* Declares a function once. */
void x86_declare(x86_emit *e, const char *name, MlirType result, intptr_t n,
                 const MlirType *params);
bool x86_emit_ops(x86_emit *e, const adze_region *region, const adze_op **out_end);
/* From here on ops go to the start of the function; x86_prologue_end returns to `saved`. */
mb x86_prologue_begin(x86_emit *e);
void x86_prologue_end(x86_emit *e, mb saved);

/* ---- handlers, one op each: false after an error ---- */

typedef bool x86_handler(x86_emit *e, const adze_op *op);
/* emit_index.c */
x86_handler x86_emit_apply, x86_emit_lit;
x86_value x86_emit_dim(x86_emit *e, const adze_dim *dim, const x86_value *axes, uint32_t n_axes);
/* emit_loop.c */
x86_handler x86_emit_for, x86_emit_parallel;
/* emit_memory.c */
x86_handler x86_emit_load, x86_emit_store, x86_emit_subview, x86_emit_scratch, x86_emit_prefetch;
/* emit_vector.c */
x86_handler x86_emit_check;
x86_handler x86_emit_mask, x86_emit_splat, x86_emit_lanes, x86_emit_reduce_lanes, x86_emit_ukernel;
/* emit_elementwise.c */
x86_handler x86_emit_elementwise, x86_emit_cast;
/* a op b, in floats and integers, scalars and vectors; `unsigned_` for max and min of integers. */
MlirValue x86_arith(x86_emit *e, const char *op, MlirValue a, MlirValue b, bool unsigned_);

#endif
