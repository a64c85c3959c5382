/* Ops by name through MLIR's C API (see mlir_build.h). */
#include "backends/x86/mlir_build.h"

#include <adze/arena.h>

#include <assert.h>
#include <stdlib.h>

enum { GEP_DYNAMIC = INT32_MIN, GEP_INBOUNDS = 3, MAX_ATTRS = 8 };

void mb_init(mb *b, MlirContext context, MlirModule module)
{
    b->context = context;
    b->loc = mlirLocationUnknownGet(context);
    b->top = mlirModuleGetBody(module);
    b->block = b->top;
    b->i1 = mlirIntegerTypeGet(context, 1);
    b->i8 = mlirIntegerTypeGet(context, 8);
    b->i32 = mlirIntegerTypeGet(context, 32);
    b->i64 = mlirIntegerTypeGet(context, 64);
    b->f32 = mlirF32TypeGet(context);
    b->ptr = mlirLLVMPointerTypeGet(context, 0);
    b->before = (MlirOperation){NULL};
}

MlirNamedAttribute mb_attr(mb *b, const char *name, MlirAttribute value)
{
    return mlirNamedAttributeGet(mlirIdentifierGet(b->context, mb_str(name)), value);
}

MlirNamedAttribute mb_attr_int(mb *b, const char *name, MlirType type, int64_t value)
{
    return mb_attr(b, name, mlirIntegerAttrGet(type, value));
}

MlirNamedAttribute mb_attr_type(mb *b, const char *name, MlirType type)
{
    return mb_attr(b, name, mlirTypeAttrGet(type));
}

MlirNamedAttribute mb_attr_text(mb *b, const char *name, const char *text)
{
    MlirAttribute value = mlirAttributeParseGet(b->context, mb_str(text));
    assert(!mlirAttributeIsNull(value));
    return mb_attr(b, name, value);
}

bool mb_is_null(MlirValue v) { return mlirValueIsNull(v); }

static MlirOperation create(mb *b, const char *name, intptr_t n, const MlirValue *operands,
                            intptr_t n_attrs, const MlirNamedAttribute *attrs, intptr_t n_results,
                            const MlirType *results, MlirRegion *region)
{
    MlirOperationState state = mlirOperationStateGet(mb_str(name), b->loc);
    mlirOperationStateAddOperands(&state, n, operands);
    mlirOperationStateAddAttributes(&state, n_attrs, attrs);
    mlirOperationStateAddResults(&state, n_results, results);
    if (region) mlirOperationStateAddOwnedRegions(&state, 1, region);
    return mlirOperationCreate(&state);
}

static void insert(mb *b, MlirOperation op)
{
    if (mlirOperationIsNull(b->before))
        mlirBlockAppendOwnedOperation(b->block, op);
    else
        mlirBlockInsertOwnedOperationBefore(b->block, b->before, op);
}

MlirValue mb_op(mb *b, const char *name, intptr_t n, const MlirValue *operands, intptr_t n_attrs,
                const MlirNamedAttribute *attrs, MlirType result)
{
    bool has = !mlirTypeIsNull(result);
    MlirOperation op = create(b, name, n, operands, n_attrs, attrs, has, &result, NULL);
    insert(b, op);
    return has ? mlirOperationGetResult(op, 0) : (MlirValue){NULL};
}

MlirValue mb_op1(mb *b, const char *name, MlirValue a, MlirType result)
{
    return mb_op(b, name, 1, &a, 0, NULL, result);
}

MlirValue mb_op2(mb *b, const char *name, MlirValue x, MlirValue y, MlirType result)
{
    return mb_op(b, name, 2, (MlirValue[]){x, y}, 0, NULL, result);
}

MlirType mb_vector(MlirType element, int64_t lanes)
{
    return mlirVectorTypeGet(1, &lanes, element);
}

static MlirValue constant(mb *b, MlirType type, MlirAttribute value)
{
    MlirNamedAttribute attr = mb_attr(b, "value", value);
    return mb_op(b, "arith.constant", 0, NULL, 1, &attr, type);
}

MlirValue mb_int(mb *b, MlirType type, int64_t value)
{
    return constant(b, type, mlirIntegerAttrGet(type, value));
}

MlirValue mb_i64(mb *b, int64_t value) { return mb_int(b, b->i64, value); }

MlirValue mb_float(mb *b, MlirType type, double value)
{
    return constant(b, type, mlirFloatAttrDoubleGet(b->context, type, value));
}

MlirValue mb_zero(mb *b, MlirType type)
{
    MlirType element = mlirTypeIsAVector(type) ? mlirShapedTypeGetElementType(type) : type;
    MlirAttribute zero = mlirTypeIsAInteger(element)
                             ? mlirIntegerAttrGet(element, 0)
                             : mlirFloatAttrDoubleGet(b->context, element, 0);
    if (mlirTypeIsAVector(type)) zero = mlirDenseElementsAttrSplatGet(type, zero);
    return constant(b, type, zero);
}

MlirValue mb_lanes(mb *b, MlirType element)
{
    MlirAttribute lanes[16];
    for (int64_t i = 0; i < 16; i++) lanes[i] = mlirIntegerAttrGet(element, i);
    MlirType type = mb_vector(element, 16);
    return constant(b, type, mlirDenseElementsAttrGet(type, 16, lanes));
}

static MlirValue index_op(mb *b, const char *name, MlirValue x, MlirValue y)
{
    MlirNamedAttribute nsw = mb_attr_text(b, "overflowFlags", "#arith.overflow<nsw>");
    return mb_op(b, name, 2, (MlirValue[]){x, y}, 1, &nsw, mlirValueGetType(x));
}

MlirValue mb_add(mb *b, MlirValue x, MlirValue y) { return index_op(b, "arith.addi", x, y); }

MlirValue mb_sub(mb *b, MlirValue x, MlirValue y) { return index_op(b, "arith.subi", x, y); }

MlirValue mb_mul(mb *b, MlirValue x, MlirValue y) { return index_op(b, "arith.muli", x, y); }

MlirValue mb_cmpi(mb *b, int predicate, MlirValue x, MlirValue y)
{
    MlirNamedAttribute attr = mb_attr_int(b, "predicate", b->i64, predicate);
    MlirType type = mlirValueGetType(x);
    MlirType result =
        mlirTypeIsAVector(type) ? mb_vector(b->i1, mlirShapedTypeGetDimSize(type, 0)) : b->i1;
    return mb_op(b, "arith.cmpi", 2, (MlirValue[]){x, y}, 1, &attr, result);
}

MlirValue mb_select(mb *b, MlirValue condition, MlirValue x, MlirValue y)
{
    return mb_op(b, "arith.select", 3, (MlirValue[]){condition, x, y}, 0, NULL,
                 mlirValueGetType(x));
}

MlirValue mb_splat(mb *b, MlirValue scalar, int64_t lanes)
{
    return mb_op1(b, "vector.broadcast", scalar, mb_vector(mlirValueGetType(scalar), lanes));
}

MlirValue mb_gep(mb *b, MlirValue base, MlirValue index, MlirType element)
{
    int32_t dynamic = GEP_DYNAMIC;
    MlirNamedAttribute attrs[] = {
        mb_attr_type(b, "elem_type", element),
        mb_attr_int(b, "noWrapFlags", b->i32, GEP_INBOUNDS),
        mb_attr(b, "rawConstantIndices", mlirDenseI32ArrayGet(b->context, 1, &dynamic)),
    };
    MlirType result = mlirTypeIsAVector(mlirValueGetType(index)) ? mb_vector(b->ptr, 16) : b->ptr;
    return mb_op(b, "llvm.getelementptr", 2, (MlirValue[]){base, index}, 3, attrs, result);
}

MlirValue mb_field(mb *b, MlirValue base, int64_t bytes)
{
    assert(bytes >= 0 && bytes < INT32_MAX);
    int32_t at = (int32_t)bytes;
    MlirNamedAttribute attrs[] = {
        mb_attr_type(b, "elem_type", b->i8),
        mb_attr_int(b, "noWrapFlags", b->i32, GEP_INBOUNDS),
        mb_attr(b, "rawConstantIndices", mlirDenseI32ArrayGet(b->context, 1, &at)),
    };
    return mb_op(b, "llvm.getelementptr", 1, &base, 3, attrs, b->ptr);
}

MlirValue mb_load(mb *b, MlirValue pointer, MlirType type, int64_t align)
{
    MlirNamedAttribute attr = mb_attr_int(b, "alignment", b->i64, align);
    return mb_op(b, "llvm.load", 1, &pointer, 1, &attr, type);
}

void mb_store(mb *b, MlirValue value, MlirValue pointer, int64_t align)
{
    MlirNamedAttribute attr = mb_attr_int(b, "alignment", b->i64, align);
    mb_op(b, "llvm.store", 2, (MlirValue[]){value, pointer}, 1, &attr, (MlirType){NULL});
}

MlirValue mb_alloca(mb *b, int64_t bytes, int64_t align)
{
    MlirValue count = mb_i64(b, bytes);
    MlirNamedAttribute attrs[] = {
        mb_attr_int(b, "alignment", b->i64, align),
        mb_attr_type(b, "elem_type", b->i8),
    };
    return mb_op(b, "llvm.alloca", 1, &count, 2, attrs, b->ptr);
}

static MlirValue call(mb *b, intptr_t n, const MlirValue *args, const char *callee, MlirType result)
{
    int32_t segments[2] = {(int32_t)n, 0};
    MlirNamedAttribute attrs[MAX_ATTRS] = {
        mb_attr(b, "op_bundle_sizes", mlirDenseI32ArrayGet(b->context, 0, NULL)),
        mb_attr(b, "operandSegmentSizes", mlirDenseI32ArrayGet(b->context, 2, segments)),
    };
    intptr_t n_attrs = 2;
    if (callee)
        attrs[n_attrs++] =
            mb_attr(b, "callee", mlirFlatSymbolRefAttrGet(b->context, mb_str(callee)));
    return mb_op(b, "llvm.call", n, args, n_attrs, attrs, result);
}

MlirValue mb_call(mb *b, const char *callee, intptr_t n, const MlirValue *args, MlirType result)
{
    return call(b, n, args, callee, result);
}

void mb_call_pointer(mb *b, intptr_t n, const MlirValue *pointer_and_args)
{
    call(b, n, pointer_and_args, NULL, (MlirType){NULL});
}

MlirValue mb_address_of(mb *b, const char *symbol)
{
    MlirNamedAttribute attr =
        mb_attr(b, "global_name", mlirFlatSymbolRefAttrGet(b->context, mb_str(symbol)));
    return mb_op(b, "llvm.mlir.addressof", 0, NULL, 1, &attr, b->ptr);
}

static MlirBlock block_with(mb *b, intptr_t n, const MlirType *types)
{
    MlirLocation *locs = adze_malloc((size_t)n * sizeof *locs);
    for (intptr_t i = 0; i < n; i++) locs[i] = b->loc;
    MlirBlock block = mlirBlockCreate(n, types, locs);
    free(locs);
    return block;
}

MlirBlock mb_func(mb *b, const char *name, MlirType result, intptr_t n, const MlirType *params,
                  const bool *noalias, bool define)
{
    MlirType r = mlirTypeIsNull(result) ? mlirLLVMVoidTypeGet(b->context) : result;
    MlirAttribute *flags = adze_malloc((size_t)n * sizeof *flags);
    MlirNamedAttribute mark = mb_attr(b, "llvm.noalias", mlirUnitAttrGet(b->context));
    for (intptr_t i = 0; i < n; i++)
        flags[i] = mlirDictionaryAttrGet(b->context, noalias && noalias[i] ? 1 : 0, &mark);
    MlirNamedAttribute attrs[] = {
        mb_attr(b, "sym_name", mlirStringAttrGet(b->context, mb_str(name))),
        mb_attr_type(b, "function_type", mlirLLVMFunctionTypeGet(r, n, params, false)),
        mb_attr_text(b, "linkage", "#llvm.linkage<external>"),
        mb_attr(b, "arg_attrs", mlirArrayAttrGet(b->context, n, flags)),
    };
    MlirRegion region = mlirRegionCreate();
    MlirBlock block = {NULL};
    if (define) {
        block = block_with(b, n, params);
        mlirRegionAppendOwnedBlock(region, block);
    }
    MlirOperation op = create(b, "llvm.func", 0, NULL, 4, attrs, 0, NULL, &region);
    mlirBlockAppendOwnedOperation(b->top, op);
    free(flags);
    return block;
}

MlirBlock mb_for(mb *b, MlirValue lo, MlirValue hi, MlirValue step, intptr_t n,
                 const MlirValue *inits, MlirOperation *out_for)
{
    MlirType *types = adze_malloc((size_t)(n + 1) * sizeof *types);
    MlirValue *operands = adze_malloc((size_t)(n + 3) * sizeof *operands);
    types[0] = b->i64;
    operands[0] = lo, operands[1] = hi, operands[2] = step;
    for (intptr_t i = 0; i < n; i++) {
        types[i + 1] = mlirValueGetType(inits[i]);
        operands[i + 3] = inits[i];
    }
    MlirBlock body = block_with(b, n + 1, types);
    MlirRegion region = mlirRegionCreate();
    mlirRegionAppendOwnedBlock(region, body);
    *out_for = create(b, "scf.for", n + 3, operands, 0, NULL, n, types + 1, &region);
    insert(b, *out_for);
    free(operands);
    free(types);
    return body;
}
