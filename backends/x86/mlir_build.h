/* A thin layer over MLIR's C API: ops by name at one insertion point.
 *
 * Every helper inserts at the builder's insertion point. Types and attributes are uniqued by the
 * MLIR context, so nothing here owns memory. Ops are created by name because the C API has no
 * builders for them.
 */
#ifndef ADZE_X86_MLIR_BUILD_H
#define ADZE_X86_MLIR_BUILD_H

#include <mlir-c/BuiltinAttributes.h>
#include <mlir-c/BuiltinTypes.h>
#include <mlir-c/Dialect/LLVM.h>
#include <mlir-c/IR.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct mb {
    MlirContext context;
    MlirLocation loc;
    MlirBlock top;        /* of the module: functions go here */
    MlirBlock block;      /* insertion point: its end, */
    MlirOperation before; /* or before this op of it, if not null */
    MlirType i1, i8, i32, i64, f32, ptr;
} mb;

/* Text that lives longer than the call. */
static inline MlirStringRef mb_str(const char *text)
{
    return mlirStringRefCreateFromCString(text);
}

void mb_init(mb *b, MlirContext context, MlirModule module);

MlirNamedAttribute mb_attr(mb *b, const char *name, MlirAttribute value);
MlirNamedAttribute mb_attr_int(mb *b, const char *name, MlirType type, int64_t value);
MlirNamedAttribute mb_attr_type(mb *b, const char *name, MlirType type);
/* An attribute in its textual form, e.g. "#arith.overflow<nsw>". */
MlirNamedAttribute mb_attr_text(mb *b, const char *name, const char *text);

/* One op with at most one result (`result` null: none); returns the result or a null value. */
MlirValue mb_op(mb *b, const char *name, intptr_t n, const MlirValue *operands, intptr_t n_attrs,
                const MlirNamedAttribute *attrs, MlirType result);
MlirValue mb_op1(mb *b, const char *name, MlirValue a, MlirType result);
MlirValue mb_op2(mb *b, const char *name, MlirValue x, MlirValue y, MlirType result);

MlirType mb_vector(MlirType element, int64_t lanes);
bool mb_is_null(MlirValue v);

MlirValue mb_int(mb *b, MlirType type, int64_t value);
MlirValue mb_i64(mb *b, int64_t value);
MlirValue mb_float(mb *b, MlirType type, double value);
/* Zero of a scalar or vector type. */
MlirValue mb_zero(mb *b, MlirType type);
MlirValue mb_lanes(mb *b, MlirType element); /* 0 … 15 */

/* i64 arithmetic that never overflows (indices). */
MlirValue mb_add(mb *b, MlirValue x, MlirValue y);
MlirValue mb_sub(mb *b, MlirValue x, MlirValue y);
MlirValue mb_mul(mb *b, MlirValue x, MlirValue y);
/* `predicate` as arith.cmpi numbers them: 0 eq, 1 ne, 2 slt, 3 sle, 4 sgt, 5 sge. */
MlirValue mb_cmpi(mb *b, int predicate, MlirValue x, MlirValue y);
MlirValue mb_select(mb *b, MlirValue condition, MlirValue x, MlirValue y);
MlirValue mb_splat(mb *b, MlirValue scalar, int64_t lanes);

/* base + index elements; index may be a vector (the result is then a vector of pointers). */
MlirValue mb_gep(mb *b, MlirValue base, MlirValue index, MlirType element);
/* base + bytes. */
MlirValue mb_field(mb *b, MlirValue base, int64_t bytes);
MlirValue mb_load(mb *b, MlirValue pointer, MlirType type, int64_t align);
void mb_store(mb *b, MlirValue value, MlirValue pointer, int64_t align);
/* Constant-sized; belongs into a function's first block. */
MlirValue mb_alloca(mb *b, int64_t bytes, int64_t align);

/* Calls @callee; `result` null: none. */
MlirValue mb_call(mb *b, const char *callee, intptr_t n, const MlirValue *args, MlirType result);
/* Calls through operand 0. */
void mb_call_pointer(mb *b, intptr_t n, const MlirValue *pointer_and_args);
MlirValue mb_address_of(mb *b, const char *symbol);

/* Declares or begins an llvm.func; `noalias` has a flag per parameter or is NULL. With `define`,
 * the returned block has the parameters as arguments; otherwise a null block is returned. */
MlirBlock mb_func(mb *b, const char *name, MlirType result, intptr_t n, const MlirType *params,
                  const bool *noalias, bool define);

/* Inserts a scf.for over i64 with `n` carried values; returns the body block, whose arguments are
 * the index and the carried values. The caller fills it and ends with mb_op("scf.yield"). */
MlirBlock mb_for(mb *b, MlirValue lo, MlirValue hi, MlirValue step, intptr_t n,
                 const MlirValue *inits, MlirOperation *out_for);

#endif
