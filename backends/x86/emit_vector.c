/* Masks, splats, lane numbers, reductions over lanes, calls of micro-kernels. */
#include "backends/x86/emit.h"

#include <stdio.h>
#include <string.h>

/* Predicates as arith numbers them. */
enum { CMP_SLT = 2, CMP_SGT = 4, CMP_ULT = 6, CMP_UGT = 8, OGE = 3, OLE = 5, UNO = 14 };

/* Compares 32-bit lane numbers, the cheapest on every level, with n held to 0 … 16. */
bool x86_emit_mask(x86_emit *e, const adze_op *op)
{
    mb *b = &e->b;
    MlirValue n = x86_use(e, adze_op_operand(op, 0));
    n = mb_op2(b, "arith.minsi", n, mb_i64(b, ADZE_LANES), b->i64);
    n = mb_op2(b, "arith.maxsi", n, mb_i64(b, 0), b->i64);
    n = mb_splat(b, mb_op1(b, "arith.trunci", n, b->i32), ADZE_LANES);
    MlirValue on = mb_cmpi(b, CMP_SLT, mb_lanes(b, b->i32), n);
    x86_set(e, adze_op_result(op, 0), (x86_value){.m = on});
    return true;
}

/* Reports through the environment, from any thread; what follows computes with an index in range. */
bool x86_emit_check(x86_emit *e, const adze_op *op)
{
    mb *b = &e->b;
    MlirValue env = mb_load(b, mb_field(b, e->scope->frame, offsetof(adze_frame, env)), b->ptr, 8);
    MlirValue args[] = {env, x86_use(e, adze_op_operand(op, 0))};
    MlirType types[] = {b->ptr, b->i8};
    x86_declare(e, "eval_check_index", (MlirType){NULL}, 2, types);
    mb_call(b, "eval_check_index", 2, args, (MlirType){NULL});
    return true;
}

bool x86_emit_splat(x86_emit *e, const adze_op *op)
{
    x86_result(e, op, mb_splat(&e->b, x86_use(e, adze_op_operand(op, 0)), ADZE_LANES));
    return true;
}

bool x86_emit_lanes(x86_emit *e, const adze_op *op)
{
    x86_result(e, op, mb_lanes(&e->b, e->b.i64));
    return true;
}

static MlirValue compare_float(x86_emit *e, int predicate, MlirValue a, MlirValue b)
{
    MlirNamedAttribute attr = mb_attr_int(&e->b, "predicate", e->b.i64, predicate);
    MlirType type = mlirValueGetType(a);
    MlirType result =
        mlirTypeIsAVector(type) ? mb_vector(e->b.i1, mlirShapedTypeGetDimSize(type, 0)) : e->b.i1;
    return mb_op(&e->b, "arith.cmpf", 2, (MlirValue[]){a, b}, 1, &attr, result);
}

/* The larger or smaller; NaN if either is, as the bodies have it. */
static MlirValue extremum(x86_emit *e, bool max, MlirValue a, MlirValue b, bool is_float,
                          bool unsigned_)
{
    MlirValue first;
    if (is_float) { /* a is what was carried so far as a rule: one comparison waits for it, not two */
        MlirValue nan = compare_float(e, UNO, b, b);
        MlirValue second = compare_float(e, max ? OGE : OLE, b, a);
        return mb_select(&e->b, mb_op2(&e->b, "arith.ori", second, nan, mlirValueGetType(nan)), b, a);
    } else if (unsigned_) {
        first = mb_cmpi(&e->b, max ? CMP_UGT : CMP_ULT, a, b);
    } else {
        first = mb_cmpi(&e->b, max ? CMP_SGT : CMP_SLT, a, b);
    }
    return mb_select(&e->b, first, a, b);
}

MlirValue x86_arith(x86_emit *e, const char *op, MlirValue a, MlirValue b, bool unsigned_)
{
    MlirType type = mlirValueGetType(a);
    bool is_float =
        !mlirTypeIsAInteger(mlirTypeIsAVector(type) ? mlirShapedTypeGetElementType(type) : type);
    if (!strcmp(op, "max") || !strcmp(op, "min"))
        return extremum(e, op[1] == 'a', a, b, is_float, unsigned_);
    char name[24];
    snprintf(name, sizeof name, "arith.%s%s", op, is_float ? "f" : "i");
    if (!is_float || !e->contract) return mb_op2(&e->b, name, a, b, type);
    MlirNamedAttribute flags = mb_attr_text(&e->b, "fastmath", "#arith.fastmath<contract>");
    return mb_op(&e->b, name, 2, (MlirValue[]){a, b}, 1, &flags, type);
}

/* Half of the lanes, from `first` on. */
static MlirValue half(x86_emit *e, MlirValue v, int64_t first, int64_t lanes)
{
    int64_t pick[ADZE_LANES];
    for (int64_t i = 0; i < lanes; i++) pick[i] = first + i;
    MlirNamedAttribute mask =
        mb_attr(&e->b, "mask", mlirDenseI64ArrayGet(e->b.context, lanes, pick));
    MlirType type = mb_vector(mlirShapedTypeGetElementType(mlirValueGetType(v)), lanes);
    return mb_op(&e->b, "vector.shuffle", 2, (MlirValue[]){v, v}, 1, &mask, type);
}

/* The fixed tree: l with l + 8, then + 4, + 2, + 1. */
bool x86_emit_reduce_lanes(x86_emit *e, const adze_op *op)
{
    const char *how = adze_op_attr_str(op, "op");
    if (strcmp(how, "add") && strcmp(how, "mul") && strcmp(how, "max") && strcmp(how, "min"))
        return adze_error(adze_op_loc(op), "'reduce_lanes' does not know \"%s\"", how);
    const adze_ir_value *operand = adze_op_operand(op, 0);
    adze_dtype_kind kind = adze_dtype_get_kind(adze_type_dtype(adze_value_type(operand)));
    bool no_sign = kind == ADZE_KIND_UINT || kind == ADZE_KIND_BOOL;
    MlirValue v = x86_use(e, operand);
    for (int64_t lanes = ADZE_LANES / 2; lanes; lanes /= 2)
        v = x86_arith(e, how, half(e, v, 0, lanes), half(e, v, lanes, lanes), no_sign);
    MlirNamedAttribute at =
        mb_attr(&e->b, "static_position", mlirDenseI64ArrayGet(e->b.context, 1, (int64_t[]){0}));
    x86_result(e, op,
               mb_op(&e->b, "vector.extract", 1, &v, 1, &at,
                     mlirShapedTypeGetElementType(mlirValueGetType(v))));
    return true;
}

bool x86_emit_ukernel(x86_emit *e, const adze_op *op)
{
    uint32_t n = adze_op_num_operands(op);
    MlirValue *args = ADZE_NEW_ARRAY(&e->arena, MlirValue, n);
    MlirType *types = ADZE_NEW_ARRAY(&e->arena, MlirType, n);
    for (uint32_t i = 0; i < n; i++) {
        args[i] = x86_use(e, adze_op_operand(op, i));
        types[i] = mlirValueGetType(args[i]);
    }
    char name[96];
    int size = snprintf(name, sizeof name, "adze_uk_%s", adze_op_attr_str(op, "name"));
    if (size < 0 || (size_t)size >= sizeof name)
        return adze_error(adze_op_loc(op), "the micro-kernel's name is too long");
    x86_declare(e, name, (MlirType){NULL}, n, types);
    mb_call(&e->b, name, n, args, (MlirType){NULL});
    return true;
}
