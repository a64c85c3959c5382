/* Elementwise ops on scalars and vectors.
 *
 * What one instruction does is emitted as such. Everything else calls the op's body (ir/eval), the
 * same source that the reference runs; linking inlines it. Parameters such as alpha follow the
 * operands. Where no vector body exists, the scalar one runs per lane.
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
    {"equal", OEQ, EQ, EQ}, {"greater", OGT, 4, 8},    {"greater_equal", OGE, 5, 9},
    {"less", OLT, 2, 6},    {"less_equal", OLE, 3, 7},
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
    return adze_dtype_get_kind(dtype) == ADZE_KIND_UINT ||
           adze_dtype_get_kind(dtype) == ADZE_KIND_BOOL;
}

static MlirType with_lanes(MlirType element, bool vector)
{
    return vector ? mb_vector(element, ADZE_LANES) : element;
}

/* ---- Calls of bodies ---- */

static MlirValue lane(x86_emit *e, MlirValue v, int64_t i)
{
    MlirNamedAttribute at =
        mb_attr(&e->b, "static_position", mlirDenseI64ArrayGet(e->b.context, 1, &i));
    return mb_op(&e->b, "vector.extract", 1, &v, 1, &at,
                 mlirShapedTypeGetElementType(mlirValueGetType(v)));
}

static MlirValue call(x86_emit *e, const char *symbol, uint32_t n, const MlirValue *args,
                      MlirType result)
{
    MlirType types[ADZE_BODY_MAX_ARGS];
    for (uint32_t i = 0; i < n; i++) types[i] = mlirValueGetType(args[i]);
    x86_declare(e, symbol, result, n, types);
    return mb_call(&e->b, symbol, n, args, result);
}

/* The body over arguments of its types; per lane where it has no form for vectors. */
static MlirValue call_body(x86_emit *e, const adze_body *body, bool vector, const MlirValue *args,
                           MlirType element)
{
    uint32_t n = body->arguments;
    if (!vector) return call(e, body->symbol, n, args, element);
    if (body->symbol_x16) return call(e, body->symbol_x16, n, args, mb_vector(element, ADZE_LANES));
    MlirValue all = mb_zero(&e->b, mb_vector(element, ADZE_LANES));
    for (int64_t i = 0; i < ADZE_LANES; i++) {
        MlirValue one[ADZE_BODY_MAX_ARGS];
        for (uint32_t k = 0; k < n; k++) one[k] = lane(e, args[k], i);
        MlirValue pair[2] = {call(e, body->symbol, n, one, element), all};
        MlirNamedAttribute at =
            mb_attr(&e->b, "static_position", mlirDenseI64ArrayGet(e->b.context, 1, &i));
        all = mb_op(&e->b, "vector.insert", 2, pair, 1, &at, mlirValueGetType(all));
    }
    return all;
}

/* ---- Conversions ---- */

static MlirValue compare_zero(x86_emit *e, MlirValue v, adze_dtype from, bool vector)
{
    MlirValue zero = mb_zero(&e->b, mlirValueGetType(v));
    if (adze_dtype_get_kind(from) != ADZE_KIND_FLOAT) return mb_cmpi(&e->b, NE, v, zero);
    MlirNamedAttribute attr = mb_attr_int(&e->b, "predicate", e->b.i64, UNE);
    return mb_op(&e->b, "arith.cmpf", 2, (MlirValue[]){v, zero}, 1, &attr,
                 with_lanes(e->b.i1, vector));
}

static MlirValue convert(x86_emit *e, MlirValue v, adze_dtype from, adze_dtype to, bool vector);

static bool is_half(adze_dtype dtype)
{
    return dtype == ADZE_DTYPE_f16 || dtype == ADZE_DTYPE_bf16;
}

/* Half precision, stored as bits, by way of f32. bf16 is the upper half of an f32; rounding to it is
 * the body's. */
static MlirValue convert_half(x86_emit *e, MlirValue v, adze_dtype from, adze_dtype to, bool vector)
{
    mb *b = &e->b;
    MlirType i16 = with_lanes(mlirIntegerTypeGet(b->context, 16), vector),
             f16 = with_lanes(mlirF16TypeGet(b->context), vector),
             i32 = with_lanes(b->i32, vector), f32 = with_lanes(b->f32, vector);
    if (from == ADZE_DTYPE_bf16) {
        MlirValue by = mb_int(b, b->i32, 16);
        v = mb_op1(b, "arith.extui", v, i32);
        v = mb_op2(b, "arith.shli", v, vector ? mb_splat(b, by, ADZE_LANES) : by, i32);
        v = mb_op1(b, "arith.bitcast", v, f32);
    } else if (from == ADZE_DTYPE_f16) {
        v = mb_op1(b, "arith.extf", mb_op1(b, "arith.bitcast", v, f16), f32);
    } else {
        v = convert(e, v, from, ADZE_DTYPE_f32, vector);
    }
    if (!is_half(to)) return convert(e, v, ADZE_DTYPE_f32, to, vector);
    if (to == ADZE_DTYPE_f16)
        return mb_op1(b, "arith.bitcast", mb_op1(b, "arith.truncf", v, f16), i16);
    return call_body(e, adze_cast_find(ADZE_DTYPE_f32, to), vector, &v,
                     mlirIntegerTypeGet(b->context, 16));
}

/* Between numbers, as the cast bodies have it: floats saturate, integers wrap. */
static MlirValue convert(x86_emit *e, MlirValue v, adze_dtype from, adze_dtype to, bool vector)
{
    mb *b = &e->b;
    MlirType element = x86_element_type(e, to), type = with_lanes(element, vector);
    bool from_real = adze_dtype_get_kind(from) == ADZE_KIND_FLOAT,
         to_real = adze_dtype_get_kind(to) == ADZE_KIND_FLOAT;
    uint32_t n = adze_dtype_bits(from), m = adze_dtype_bits(to);
    if (from == to) return v;
    if (is_half(from) || is_half(to)) return convert_half(e, v, from, to, vector);
    if (from_real && to_real) return mb_op1(b, n < m ? "arith.extf" : "arith.truncf", v, type);
    if (to_real) return mb_op1(b, no_sign(from) ? "arith.uitofp" : "arith.sitofp", v, type);
    if (from_real) return call_body(e, adze_cast_find(from, to), vector, &v, element);
    if (n == m) return v;
    return mb_op1(b,
                  n > m           ? "arith.trunci"
                  : no_sign(from) ? "arith.extui"
                                  : "arith.extsi",
                  v, type);
}

static adze_dtype through_f32(adze_dtype dtype)
{
    return is_half(dtype) ? ADZE_DTYPE_f32 : dtype;
}

bool x86_emit_cast(x86_emit *e, const adze_op *op)
{
    const adze_ir_value *operand = adze_op_operand(op, 0);
    adze_dtype from = dtype_of(operand), to = dtype_of(adze_op_result(op, 0));
    bool vector = is_vector(operand);
    if (mlirTypeIsNull(x86_element_type(e, from)) || mlirTypeIsNull(x86_element_type(e, to)) ||
        !adze_cast_find(through_f32(from), through_f32(to)))
        return adze_error(adze_op_loc(op),
                          "'cast' between these types is not supported in a kernel on x86");
    x86_value v = *x86_get(e, operand);
    if (from == to)
        x86_set(e, adze_op_result(op, 0), v);
    else if (to == ADZE_DTYPE_bool)
    {
        MlirValue wide = convert(e, x86_use_value(e, &v), from, through_f32(from), vector);
        wide = compare_zero(e, wide, through_f32(from), vector);
        x86_set(e, adze_op_result(op, 0), (x86_value){.m = wide});
    }
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
    MlirValue a = operand_as(e, adze_op_operand(op, 0), vector),
              b = operand_as(e, adze_op_operand(op, 1), vector);
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
        MlirNamedAttribute value =
            mb_attr(&e->b, "value", vector ? mlirDenseElementsAttrSplatGet(type, one) : one);
        b = mb_op(&e->b, "arith.constant", 0, NULL, 1, &value, type);
    } else {
        b = mask_as(e, adze_op_operand(op, 1), vector);
    }
    const char *code = !strcmp(name, "and")  ? "arith.andi"
                       : !strcmp(name, "or") ? "arith.ori"
                                             : "arith.xori";
    x86_set(e, adze_op_result(op, 0),
            (x86_value){.m = mb_op2(&e->b, code, a, b, mlirValueGetType(a))});
    return true;
}

/* i64 scalars with known values are indices: they stay known. */
static bool fold_index(x86_emit *e, const adze_op *op)
{
    const adze_ir_value *result = adze_op_result(op, 0);
    if (dtype_of(result) != ADZE_DTYPE_i64 || is_vector(result)) return false;
    const x86_value *a = x86_get(e, adze_op_operand(op, 0)),
                    *b = x86_get(e, adze_op_operand(op, 1));
    if (!a->is_const || !b->is_const) return false;
    char what = adze_op_name(op)[0];
    uint64_t x = (uint64_t)a->c, y = (uint64_t)b->c;
    uint64_t r = what == 'a' ? x + y : what == 's' ? x - y : x * y;
    x86_set(e, result, x86_const((int64_t)r));
    return true;
}

/* ---- Ops with bodies ---- */

static adze_dtype compute_type(const adze_body *body, uint16_t type)
{
    return (adze_dtype)(type == body->dtype ? body->compute : type);
}

/* Parameters of the op (alpha and the like) follow the operands. */
static void add_parameters(x86_emit *e, const adze_op *op, const adze_body *body, bool vector,
                           MlirValue *args)
{
    const char *at = body->params ? body->params : "";
    for (uint32_t i = body->operands; i < body->arguments; i++) {
        char name[128];
        size_t n = strcspn(at, " ");
        snprintf(name, sizeof name, "%.*s", (int)n, at);
        at += n + (at[n] == ' ');
        const adze_op_row *row = adze_op_get_row(op);
        bool is_float = false;
        for (uint32_t k = 0; k < row->n_attrs; k++)
            if (!strcmp(row->attrs[k].name, name)) is_float = row->attrs[k].kind == ADZE_ATTR_FLOAT;
        double value = is_float ? adze_op_attr_float(op, name) : (double)adze_op_attr_int(op, name);
        adze_dtype type = compute_type(body, body->args[i]);
        MlirType element = x86_element_type(e, type);
        MlirValue v = adze_dtype_get_kind(type) == ADZE_KIND_FLOAT
                          ? mb_float(&e->b, element, value)
                          : mb_int(&e->b, element, (int64_t)value);
        args[i] = vector ? mb_splat(&e->b, v, ADZE_LANES) : v;
    }
}

/* Operand `index` as the body takes it; an absent one is zero. */
static MlirValue body_operand(x86_emit *e, const adze_op *op, const adze_body *body, uint32_t index,
                              bool vector)
{
    const adze_ir_value *operand = adze_op_operand(op, index);
    adze_dtype type = compute_type(body, body->args[index]);
    if (!operand) return mb_zero(&e->b, with_lanes(x86_element_type(e, type), vector));
    return convert(e, operand_as(e, operand, vector), dtype_of(operand), type, vector);
}

/* The element type that an op's body goes by. */
static adze_dtype body_dtype(const adze_op *op)
{
    const char *name = adze_op_name(op);
    if (!strcmp(name, "quantize") || !strcmp(name, "requantize")) return dtype_of(adze_op_result(op, 0));
    return dtype_of(adze_op_operand(op, strcmp(name, "where") ? 0 : 1));
}

static bool no_body(const adze_op *op)
{
    return adze_error(adze_op_loc(op), "'%s' of this type is not supported in a kernel on x86",
                      adze_op_name(op));
}

static bool emit_body_call(x86_emit *e, const adze_op *op, bool vector)
{
    const adze_body *body = adze_row_body(adze_op_get_row(op), body_dtype(op));
    if (!body || adze_op_num_operands(op) > body->operands) return no_body(op);
    MlirValue args[ADZE_BODY_MAX_ARGS];
    for (uint32_t i = 0; i < body->operands; i++) args[i] = body_operand(e, op, body, i, vector);
    add_parameters(e, op, body, vector, args);
    adze_dtype computed = compute_type(body, body->result);
    MlirValue v = call_body(e, body, vector, args, x86_element_type(e, computed));
    x86_result(e, op, convert(e, v, computed, dtype_of(adze_op_result(op, 0)), vector));
    return true;
}

/* The n-ary ops as chains of the two-operand body, which is what their evaluation does too. */
static bool emit_chain(x86_emit *e, const adze_op *op, bool vector)
{
    const char *name = adze_op_name(op);
    adze_dtype dtype = dtype_of(adze_op_operand(op, 0));
    const adze_body *body = adze_body_find(!strcmp(name, "sum_n")   ? "add"
                                           : !strcmp(name, "max_n") ? "max"
                                                                    : "min",
                                           dtype);
    if (!body) return no_body(op);
    adze_dtype wide = compute_type(body, body->result);
    MlirValue v = convert(e, operand_as(e, adze_op_operand(op, 0), vector), dtype, wide, vector);
    for (uint32_t i = 1; i < adze_op_num_operands(op); i++) {
        MlirValue next =
            convert(e, operand_as(e, adze_op_operand(op, i), vector), dtype, wide, vector);
        v = call_body(e, body, vector, (MlirValue[]){v, next}, x86_element_type(e, wide));
    }
    x86_result(e, op, convert(e, v, wide, dtype, vector));
    return true;
}

/* A bound that is absent does not bind: the value stands in for a low one, max(x, low) for a high
 * one. */
static bool emit_clip(x86_emit *e, const adze_op *op, bool vector)
{
    adze_dtype dtype = dtype_of(adze_op_operand(op, 0));
    const adze_body *body = adze_body_find("clip", dtype), *max = adze_body_find("max", dtype);
    if (!body || !max) return no_body(op);
    adze_dtype wide = compute_type(body, body->result);
    MlirValue args[3];
    for (uint32_t i = 0; i < 3; i++) {
        const adze_ir_value *operand = adze_op_operand(op, i);
        args[i] =
            operand ? convert(e, operand_as(e, operand, vector), dtype, wide, vector) : args[0];
    }
    if (!adze_op_operand(op, 2))
        args[2] = call_body(e, max, vector, args, x86_element_type(e, wide));
    x86_result(e, op,
               convert(e, call_body(e, body, vector, args, x86_element_type(e, wide)), wide, dtype,
                       vector));
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
    bool small = is_half(dtype);
    if (is_any(name, logic) && dtype == ADZE_DTYPE_bool) return emit_logic(e, op, vector);
    const compare_row *compare = find_compare(name);
    if (compare && !small) return emit_compare(e, op, compare, vector);
    if (is_any(name, arithmetic) && !small && !mlirTypeIsNull(x86_element_type(e, dtype))) {
        if (fold_index(e, op)) return true;
        MlirValue a = operand_as(e, first, vector),
                  b = operand_as(e, adze_op_operand(op, 1), vector);
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
