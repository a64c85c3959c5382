/* widen: integers below a byte, which loops have no registers for, are computed with as bytes.
 *
 * What is left of them is a cast that packs bytes and one that unpacks them, and neither where a value goes from one
 * such op to another.
 *
 *     %0 = quantize(%x, %s) {output_dtype = 22} : i4[8]    →   %1 = quantize(%x, %s) {output_dtype = 3} : i8[8]
 *     %y = dequantize(%0, %s) : f32[8]                         %2 = clip(%1, -8, 7) : i8[8]
 *                                                              %y = dequantize(%2, %s) : f32[8]
 */
#include "passes/weights/build.h"
#include "passes/widen/widen.h"

typedef struct narrow {
    adze_pass_run *run;
    adze_map *held; /* value below a byte to the bytes that it was packed from, all of them in range */
} narrow;

static bool is_small(const adze_ir_value *value)
{
    const adze_type *type = value ? adze_value_type(value) : NULL;
    if (!type || !adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return false;
    const adze_dtype_kind kind = adze_dtype_get_kind(adze_type_dtype(type));
    return (kind == ADZE_KIND_INT || kind == ADZE_KIND_UINT) && adze_dtype_bits(adze_type_dtype(type)) < 8;
}

static adze_dtype dtype_of(const adze_ir_value *value) { return adze_type_dtype(adze_value_type(value)); }

static bool is_signed(const adze_ir_value *value) { return adze_dtype_get_kind(dtype_of(value)) == ADZE_KIND_INT; }

static adze_dtype byte_of(const adze_ir_value *value) { return is_signed(value) ? ADZE_DTYPE_i8 : ADZE_DTYPE_u8; }

/* The value as bytes, for `user`; others as they are. */
static adze_ir_value *as_bytes(const narrow *n, adze_builder *b, adze_op *user, adze_ir_value *value)
{
    if (!is_small(value)) return value;
    if (adze_value_const(value)) return widen_constant(user, value, byte_of(value));
    adze_ir_value *known = adze_map_get(n->held, value);
    return known ? known : build_cast(b, value, byte_of(value));
}

/* A constant of rank 0. */
static adze_ir_value *scalar(adze_op *user, adze_dtype dtype, const void *element)
{
    const adze_type *type = adze_type_tensor(adze_op_context(user), dtype, 0, NULL, NULL);
    return adze_const_make(adze_op_module(user), "bound", type, element);
}

/* The op over bytes. */
static adze_ir_value *rebuild(const narrow *n, adze_builder *b, adze_op *op, adze_dtype result)
{
    adze_map *map = adze_map_create();
    bool ok = true;
    for (uint32_t i = 0; i < adze_op_num_operands(op) && ok; i++) {
        adze_ir_value *operand = adze_op_operand(op, i), *bytes = operand ? as_bytes(n, b, op, operand) : NULL;
        ok = !operand || bytes;
        if (ok && operand) adze_map_set(map, operand, bytes);
    }
    adze_op *made = ok ? adze_clone(b, op, map) : NULL;
    adze_map_destroy(map);
    if (!made) return NULL;
    const adze_type *type = adze_value_type(adze_op_result(op, 0));
    adze_value_set_type(adze_op_result(made, 0), adze_type_tensor(adze_op_context(op), result, adze_type_rank(type),
                                                                  adze_type_dims(type), NULL));
    return adze_op_result(made, 0);
}

static adze_ir_value *quantized(narrow *n, adze_builder *b, adze_op *op)
{
    enum { ONNX_U8 = 2, ONNX_I8 = 3 }; /* TensorProto.DataType */
    const adze_ir_value *old = adze_op_result(op, 0);
    const uint32_t bits = adze_dtype_bits(dtype_of(old));
    const int8_t high = (int8_t)((1 << (bits - is_signed(old))) - 1), low = is_signed(old) ? (int8_t)(-high - 1) : 0;
    adze_ir_value *made = rebuild(n, b, op, byte_of(old));
    if (!made) return NULL;
    if (adze_op_attr_int(op, "output_dtype"))
        adze_op_set_attr(adze_value_op(made), adze_attr_int("output_dtype", is_signed(old) ? ONNX_I8 : ONNX_U8));
    adze_ir_value *in[] = {made, scalar(op, byte_of(old), &low), scalar(op, byte_of(old), &high)};
    adze_ir_value *held = in[1] && in[2] ? adze_build1(b, "clip", in, 3, NULL, 0) : NULL;
    adze_ir_value *packed = build_cast(b, held, dtype_of(old));
    if (packed) adze_map_set(n->held, packed, held);
    return packed;
}

/* The lowest bits of what is left of a number toward zero. Those of numbers of f32 from 2^31 on are 0. */
static adze_ir_value *low_bits(adze_builder *b, adze_op *op, adze_ir_value *value)
{
    if (adze_dtype_get_kind(dtype_of(value)) != ADZE_KIND_FLOAT) return value;
    const float limit = 0x1p31F, none = 0;
    value = build_cast(b, value, ADZE_DTYPE_f32);
    adze_ir_value *bound = scalar(op, ADZE_DTYPE_f32, &limit);
    adze_ir_value *zero = scalar(op, ADZE_DTYPE_f32, &none);
    adze_ir_value *size = value ? adze_build_unary(b, "abs", value) : NULL;
    adze_ir_value *fits = size && bound ? adze_build_binary(b, "less", size, bound) : NULL;
    adze_ir_value *choice[] = {fits, value, zero};
    return build_cast(b, fits && zero ? adze_build1(b, "where", choice, 3, NULL, 0) : NULL, ADZE_DTYPE_i32);
}

static adze_ir_value *converted(const narrow *n, adze_builder *b, adze_op *op)
{
    adze_ir_value *value = as_bytes(n, b, op, adze_op_operand(op, 0)), *old = adze_op_result(op, 0);
    if (!value || !is_small(old)) return build_cast(b, value, dtype_of(old));
    value = low_bits(b, op, value);
    return build_cast(b, build_cast(b, value, byte_of(old)), dtype_of(old));
}

/* A cast of numbers that is more than packing or unpacking; f32 has to hold them. */
static bool converts(const adze_op *op)
{
    if (!adze_op_is(op, "cast")) return false;
    const adze_ir_value *from = adze_op_operand(op, 0), *to = adze_op_result(op, 0);
    const bool packs = is_small(to), unpacks = is_small(from);
    if (!(packs || unpacks) || adze_value_const(from)) return false;
    if (!unpacks && (!adze_dtype_in_loops(dtype_of(from)) || dtype_of(from) == ADZE_DTYPE_f64)) return false;
    if (!packs && !adze_dtype_in_loops(dtype_of(to))) return false;
    return !(packs && dtype_of(from) == byte_of(to)) && !(unpacks && dtype_of(to) == byte_of(from));
}

static bool widen_op(narrow *n, adze_op *op, bool *out_changed)
{
    const bool quantizes = adze_op_is(op, "quantize") && is_small(adze_op_result(op, 0));
    const bool back = adze_op_is(op, "dequantize") && is_small(adze_op_operand(op, 0)) &&
                      !adze_value_const(adze_op_operand(op, 0));
    if (!quantizes && !back && !converts(op)) return true;
    if (!adze_rewrite(n->run, op, "bytes")) return true;
    adze_builder b = adze_builder_before(op);
    adze_ir_value *old = adze_op_result(op, 0), *made;
    if (quantizes) made = quantized(n, &b, op);
    else made = back ? rebuild(n, &b, op, dtype_of(old)) : converted(n, &b, op);
    if (!made) return false;
    adze_value_set_name(made, adze_value_name(old));
    adze_value_replace_uses(old, made);
    adze_op_erase(op);
    return *out_changed = true;
}

static bool widen_region(narrow *n, adze_region *region, bool *out_changed)
{
    bool ok = true;
    for (adze_op *op = adze_region_first(region), *next; op && ok; op = next) {
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op) && ok; i++)
            if (adze_op_has_trait(op, ADZE_FREE)) ok = widen_region(n, adze_op_region(op, i), out_changed);
        ok = ok && widen_op(n, op, out_changed);
    }
    return ok;
}

bool widen_bytes(adze_func *func, adze_pass_run *run, bool *out_changed)
{
    narrow n = {.run = run, .held = adze_map_create()};
    const bool ok = widen_region(&n, adze_func_body(func), out_changed);
    adze_map_destroy(n.held);
    return ok;
}
