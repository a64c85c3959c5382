/* Elementwise ops on scalars and vectors.
 *
 * What one instruction does is emitted as such. Everything else calls the op's body (ir/eval), the same
 * source that the reference runs; linking inlines it. Parameters such as alpha follow the operands. Where no
 * vector body exists, the scalar one runs per lane.
 */
#include "backends/x86/emit.h"

#include <stdio.h>
#include <string.h>

enum { OEQ = 1, OGT = 2, OGE = 3, OLT = 4, OLE = 5, UNE = 13, EQ = 0, NE = 1 };

typedef struct compare_row {
    const char *name;
    int real, sign, no_sign;
} compare_row;

/* Predicates of arith.cmpf and arith.cmpi. */
static const compare_row compares[] = {
    {"equal", OEQ, EQ, EQ},      {"greater", OGT, 4, 8}, {"greater_equal", OGE, 5, 9},
    {"less", OLT, 2, 6},         {"less_equal", OLE, 3, 7},
};

static const compare_row *find_compare(const char *name)
{
    for (size_t i = 0; i < sizeof compares / sizeof compares[0]; i++)
        if (!strcmp(compares[i].name, name)) return &compares[i];
    return NULL;
}

static bool is_any(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(name, *list)) return true;
    return false;
}

static bool is_vector(const adze_ir_value *value)
{
    return adze_type_get_kind(adze_value_type(value)) == ADZE_TYPE_VECTOR;
}

static adze_dtype dtype_of(const adze_ir_value *value)
{
    return adze_type_dtype(adze_value_type(value));
}

static bool no_sign(adze_dtype dtype)
{
    return adze_dtype_get_kind(dtype) == ADZE_KIND_UINT || adze_dtype_get_kind(dtype) == ADZE_KIND_BOOL;
}

static MlirType with_lanes(MlirType element, bool vector)
{
    return vector ? mb_vector(element, ADZE_LANES) : element;
}

/* ---- Conversions ---- */

static MlirValue compare_zero(x86_emit *e, MlirValue v, adze_dtype from, bool vector)
{
    MlirValue zero = mb_zero(&e->b, mlirValueGetType(v));
    if (adze_dtype_get_kind(from) != ADZE_KIND_FLOAT) return mb_cmpi(&e->b, NE, v, zero);
    MlirNamedAttribute attr = mb_attr_int(&e->b, "predicate", e->b.i64, UNE);
    return mb_op(&e->b, "arith.cmpf", 2, (MlirValue[]){v, zero}, 1, &attr, with_lanes(e->b.i1, vector));
}

/* Between numbers; what does not fit saturates, NaN becomes 0. */
static MlirValue convert(x86_emit *e, MlirValue v, adze_dtype from, adze_dtype to, bool vector)
{
    mb *b = &e->b;
    MlirType type = with_lanes(x86_element_type(e, to), vector);
    bool from_real = adze_dtype_get_kind(from) == ADZE_KIND_FLOAT, to_real = adze_dtype_get_kind(to) == ADZE_KIND_FLOAT;
    uint32_t n = adze_dtype_bits(from), m = adze_dtype_bits(to);
    if (from == to) return v;
    if (from_real && to_real) {
        if (n == m) return convert(e, convert(e, v, from, ADZE_DTYPE_f32, vector), ADZE_DTYPE_f32, to, vector);
        return mb_op1(b, n < m ? "arith.extf" : "arith.truncf", v, type);
    }
    if (to_real) return mb_op1(b, no_sign(from) ? "arith.uitofp" : "arith.sitofp", v, type);
    if (from_real) return mb_op1(b, no_sign(to) ? "llvm.intr.fptoui.sat" : "llvm.intr.fptosi.sat", v, type);
    if (n == m) return v;
    return mb_op1(b, n > m ? "arith.trunci" : no_sign(from) ? "arith.extui" : "arith.extsi", v, type);
}

bool x86_emit_cast(x86_emit *e, const adze_op *op)
{
    const adze_ir_value *operand = adze_op_operand(op, 0);
    adze_dtype from = dtype_of(operand), to = dtype_of(adze_op_result(op, 0));
    bool vector = is_vector(operand);
    if (mlirTypeIsNull(x86_element_type(e, from)) || mlirTypeIsNull(x86_element_type(e, to)))
        return adze_error(adze_op_loc(op), "'cast' between these types is not supported in a kernel on x86");
    x86_value v = *x86_get(e, operand);
    if (from == to)
        x86_set(e, adze_op_result(op, 0), v);
    else if (to == ADZE_DTYPE_bool)
        x86_set(e, adze_op_result(op, 0), (x86_value){.m = compare_zero(e, x86_use_value(e, &v), from, vector)});
    else
        x86_result(e, op, convert(e, x86_use_value(e, &v), from, to, vector));
    return true;
}

/* ---- Single instructions ---- */

static MlirValue operand_as(x86_emit *e, const adze_ir_value *operand, bool vector)
{
    MlirValue v = x86_use(e, operand);
    return vector && !is_vector(operand) ? mb_splat(&e->b, v, ADZE_LANES) : v;
}

static MlirValue mask_as(x86_emit *e, const adze_ir_value *operand, bool vector)
{
    MlirValue v = x86_use_mask(e, operand);
    return vector && !is_vector(operand) ? mb_splat(&e->b, v, ADZE_LANES) : v;
}

static bool emit_compare(x86_emit *e, const adze_op *op, const compare_row *row, bool vector)
{
    adze_dtype dtype = dtype_of(adze_op_operand(op, 0));
    MlirValue a = operand_as(e, adze_op_operand(op, 0), vector), b = operand_as(e, adze_op_operand(op, 1), vector);
    bool real = adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT;
    int predicate = real ? row->real : no_sign(dtype) ? row->no_sign : row->sign;
    MlirNamedAttribute attr = mb_attr_int(&e->b, "predicate", e->b.i64, predicate);
    MlirValue m = mb_op(&e->b, real ? "arith.cmpf" : "arith.cmpi", 2, (MlirValue[]){a, b}, 1, &attr,
                        with_lanes(e->b.i1, vector));
    x86_set(e, adze_op_result(op, 0), (x86_value){.m = m});
    return true;
}

static bool emit_logic(x86_emit *e, const adze_op *op, bool vector)
{
    const char *name = adze_op_name(op);
    MlirValue a = mask_as(e, adze_op_operand(op, 0), vector), b;
    if (!strcmp(name, "not")) {
        MlirType type = mlirValueGetType(a);
        MlirAttribute one = mlirIntegerAttrGet(e->b.i1, 1);
        MlirNamedAttribute value = mb_attr(&e->b, "value", vector ? mlirDenseElementsAttrSplatGet(type, one) : one);
        b = mb_op(&e->b, "arith.constant", 0, NULL, 1, &value, type);
    } else {
        b = mask_as(e, adze_op_operand(op, 1), vector);
    }
    const char *code = !strcmp(name, "and") ? "arith.andi" : !strcmp(name, "or") ? "arith.ori" : "arith.xori";
    x86_set(e, adze_op_result(op, 0), (x86_value){.m = mb_op2(&e->b, code, a, b, mlirValueGetType(a))});
    return true;
}

/* i64 scalars with known values are indices: they stay known. */
static bool fold_index(x86_emit *e, const adze_op *op)
{
    const adze_ir_value *result = adze_op_result(op, 0);
    if (dtype_of(result) != ADZE_DTYPE_i64 || is_vector(result)) return false;
    const x86_value *a = x86_get(e, adze_op_operand(op, 0)), *b = x86_get(e, adze_op_operand(op, 1));
    if (!a->is_const || !b->is_const) return false;
    char what = adze_op_name(op)[0];
    uint64_t x = (uint64_t)a->c, y = (uint64_t)b->c;
    uint64_t r = what == 'a' ? x + y : what == 's' ? x - y : x * y;
    x86_set(e, result, x86_const((int64_t)r));
    return true;
}

/* ---- Bodies ---- */

static bool has_vector_body(adze_dtype dtype)
{
    return dtype == ADZE_DTYPE_f32 || dtype == ADZE_DTYPE_f64 || dtype == ADZE_DTYPE_i32 || dtype == ADZE_DTYPE_i64 ||
           dtype == ADZE_DTYPE_bool;
}

static const char *dtype_name(adze_dtype dtype)
{
    static const char *const names[ADZE_DTYPE_COUNT] = {
        "none",
#define DTYPE(name, bits, kind, onnx) #name,
#include <adze/dtype.def>
#undef DTYPE
    };
    return names[dtype];
}

/* The body's name: the op's, but for `mod` with fmod = 1. */
static const char *body_name(const adze_op *op)
{
    const char *name = adze_op_name(op);
    return !strcmp(name, "mod") && adze_op_attr_int(op, "fmod") ? "fmod" : name;
}

static MlirValue call_body(x86_emit *e, const char *body, adze_dtype dtype, bool vector, uint32_t n,
                           const MlirValue *args, MlirType result)
{
    char name[96];
    MlirType types[8];
    snprintf(name, sizeof name, "adze_body_%s_%s%s", body, dtype_name(dtype), vector ? "x16" : "");
    for (uint32_t i = 0; i < n; i++) types[i] = mlirValueGetType(args[i]);
    x86_declare(e, name, result, n, types);
    return mb_call(&e->b, name, n, args, result);
}

static MlirValue lane(x86_emit *e, MlirValue v, int64_t i)
{
    MlirNamedAttribute at = mb_attr(&e->b, "static_position", mlirDenseI64ArrayGet(e->b.context, 1, &i));
    return mb_op(&e->b, "vector.extract", 1, &v, 1, &at, mlirShapedTypeGetElementType(mlirValueGetType(v)));
}

static MlirValue call_lanes(x86_emit *e, const char *body, adze_dtype dtype, uint32_t n, const MlirValue *args,
                            MlirType element)
{
    MlirValue all = mb_zero(&e->b, mb_vector(element, ADZE_LANES));
    for (int64_t i = 0; i < ADZE_LANES; i++) {
        MlirValue one[8];
        for (uint32_t k = 0; k < n; k++)
            one[k] = mlirTypeIsAVector(mlirValueGetType(args[k])) ? lane(e, args[k], i) : args[k];
        MlirValue pair[2] = {call_body(e, body, dtype, false, n, one, element), all};
        MlirNamedAttribute at = mb_attr(&e->b, "static_position", mlirDenseI64ArrayGet(e->b.context, 1, &i));
        all = mb_op(&e->b, "vector.insert", 2, pair, 1, &at, mlirValueGetType(all));
    }
    return all;
}

/* Parameters of the op (alpha and the like) as values of the computing type. */
static uint32_t add_parameters(x86_emit *e, const adze_op *op, adze_dtype dtype, bool vector, MlirValue *args, uint32_t n)
{
    const adze_op_row *row = adze_op_get_row(op);
    const adze_slot *slots = adze_op_attrs(op);
    if (!strcmp(row->name, "mod")) return n;
    for (uint32_t i = 0; i < row->n_attrs && n < 8; i++) {
        bool is_float = row->attrs[i].kind == ADZE_ATTR_FLOAT;
        if (!is_float && row->attrs[i].kind != ADZE_ATTR_INT) continue;
        double value = is_float ? slots[i + 1].f : (double)slots[i + 1].i;
        MlirType type = x86_element_type(e, dtype);
        MlirValue v = adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT ? mb_float(&e->b, type, value)
                                                                    : mb_int(&e->b, type, (int64_t)value);
        args[n++] = vector ? mb_splat(&e->b, v, ADZE_LANES) : v;
    }
    return n;
}

/* f16 and bf16 are computed through f32. */
static adze_dtype compute_type(adze_dtype dtype)
{
    return dtype == ADZE_DTYPE_f16 || dtype == ADZE_DTYPE_bf16 ? ADZE_DTYPE_f32 : dtype;
}

static bool emit_body_call(x86_emit *e, const adze_op *op, bool vector)
{
    const char *body = body_name(op);
    uint32_t n = adze_op_num_operands(op);
    bool where = !strcmp(body, "where");
    adze_dtype dtype = dtype_of(adze_op_operand(op, where ? 1 : 0)), out = dtype_of(adze_op_result(op, 0));
    adze_dtype wide = compute_type(dtype);
    MlirValue args[8];
    if (n > 4 || mlirTypeIsNull(x86_element_type(e, dtype)))
        return adze_error(adze_op_loc(op), "'%s' of this type is not supported in a kernel on x86", adze_op_name(op));
    for (uint32_t i = 0; i < n; i++) {
        adze_dtype from = dtype_of(adze_op_operand(op, i));
        args[i] = operand_as(e, adze_op_operand(op, i), vector);
        if (!(where && i == 0)) args[i] = convert(e, args[i], from, wide, vector);
    }
    n = add_parameters(e, op, wide, vector, args, n);
    bool to_bool = out == ADZE_DTYPE_bool;
    MlirType element = to_bool ? e->b.i8 : x86_element_type(e, wide);
    MlirValue v = vector && !has_vector_body(wide)
                      ? call_lanes(e, body, wide, n, args, element)
                      : call_body(e, body, wide, vector, n, args, with_lanes(element, vector));
    x86_result(e, op, to_bool ? v : convert(e, v, wide, out, vector));
    return true;
}

/* clip and the n-ary ops reduce to two-operand bodies, which is also what their evaluation does. */
static bool emit_chain(x86_emit *e, const adze_op *op, bool vector)
{
    const char *name = adze_op_name(op);
    adze_dtype dtype = dtype_of(adze_op_operand(op, 0)), wide = compute_type(dtype);
    MlirType type = with_lanes(x86_element_type(e, wide), vector);
    MlirValue v = convert(e, operand_as(e, adze_op_operand(op, 0), vector), dtype, wide, vector);
    const char *body = !strcmp(name, "sum_n") ? "add" : !strcmp(name, "max_n") ? "max" : "min";
    for (uint32_t i = 1; i < adze_op_num_operands(op); i++) {
        const adze_ir_value *operand = adze_op_operand(op, i);
        if (!operand) continue;
        MlirValue args[2] = {v, convert(e, operand_as(e, operand, vector), dtype, wide, vector)};
        v = vector && !has_vector_body(wide) ? call_lanes(e, body, wide, 2, args, x86_element_type(e, wide))
                                             : call_body(e, body, wide, vector, 2, args, type);
    }
    x86_result(e, op, convert(e, v, wide, dtype, vector));
    return true;
}

/* A bound that is absent does not bind: the value itself stands in for it. */
static bool emit_clip(x86_emit *e, const adze_op *op, bool vector)
{
    adze_dtype dtype = dtype_of(adze_op_operand(op, 0)), wide = compute_type(dtype);
    MlirType type = with_lanes(x86_element_type(e, wide), vector);
    MlirValue args[3];
    for (uint32_t i = 0; i < 3; i++) {
        const adze_ir_value *operand = adze_op_operand(op, i);
        args[i] = operand ? convert(e, operand_as(e, operand, vector), dtype, wide, vector) : args[0];
    }
    if (!adze_op_operand(op, 2)) { /* low alone: clip to [low, max(x, low)] */
        MlirValue pair[2] = {args[0], args[1]};
        args[2] = vector && !has_vector_body(wide) ? call_lanes(e, "max", wide, 2, pair, x86_element_type(e, wide))
                                                   : call_body(e, "max", wide, vector, 2, pair, type);
    }
    MlirValue v = vector && !has_vector_body(wide) ? call_lanes(e, "clip", wide, 3, args, x86_element_type(e, wide))
                                                   : call_body(e, "clip", wide, vector, 3, args, type);
    x86_result(e, op, convert(e, v, wide, dtype, vector));
    return true;
}

static bool any_vector(const adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        const adze_ir_value *operand = adze_op_operand(op, i);
        if (operand && is_vector(operand)) return true;
    }
    return false;
}

bool x86_emit_elementwise(x86_emit *e, const adze_op *op)
{
    static const char *const arithmetic[] = {"add", "mul", "sub", NULL};
    static const char *const logic[] = {"and", "not", "or", "xor", NULL};
    static const char *const chains[] = {"max_n", "min_n", "sum_n", NULL};
    const char *name = adze_op_name(op);
    bool vector = any_vector(op);
    const adze_ir_value *first = adze_op_operand(op, 0);
    adze_dtype dtype = dtype_of(first);
    bool small = dtype == ADZE_DTYPE_f16 || dtype == ADZE_DTYPE_bf16;
    if (is_any(name, logic) && dtype == ADZE_DTYPE_bool) return emit_logic(e, op, vector);
    const compare_row *compare = find_compare(name);
    if (compare && !small) return emit_compare(e, op, compare, vector);
    if (is_any(name, arithmetic) && !small && !mlirTypeIsNull(x86_element_type(e, dtype))) {
        if (fold_index(e, op)) return true;
        MlirValue a = operand_as(e, first, vector), b = operand_as(e, adze_op_operand(op, 1), vector);
        x86_result(e, op, x86_arith(e, name, a, b, false));
        return true;
    }
    if (!strcmp(name, "where")) {
        MlirValue c = mask_as(e, first, vector), a = operand_as(e, adze_op_operand(op, 1), vector);
        x86_result(e, op, mb_select(&e->b, c, a, operand_as(e, adze_op_operand(op, 2), vector)));
        return true;
    }
    if (!strcmp(name, "fma") && adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT && !small) {
        MlirValue v[3];
        for (uint32_t i = 0; i < 3; i++) v[i] = operand_as(e, adze_op_operand(op, i), vector);
        x86_result(e, op, mb_op(&e->b, "llvm.intr.fma", 3, v, 0, NULL, mlirValueGetType(v[0])));
        return true;
    }
    if (!strcmp(name, "identity")) {
        x86_set(e, adze_op_result(op, 0), *x86_get(e, first));
        return true;
    }
    if (!strcmp(name, "clip")) return emit_clip(e, op, vector);
    if (is_any(name, chains)) return emit_chain(e, op, vector);
    return emit_body_call(e, op, vector);
}
