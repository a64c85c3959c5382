/* tile: quantize, dequantize and requantize at a position. */
#include "passes/tile/tile.h"

/* The block that an index of the axis lies in. Lanes are all in one where it has a whole number of vectors. */
static const adze_dim *block_at(tile *t, const adze_dim *index, const adze_dim *blocks, int64_t size)
{
    tile_point one = {.rank = 1, .at = {index}};
    const bool lanes = t->lane >= 0 && tile_depends(t, &one, (uint32_t)t->lane, -1);
    if (lanes && (adze_dim_get_kind(index) != ADZE_DIM_AXIS || size % ADZE_LANES)) return t->failed = true, index;
    return tile_bind(t, adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, index, tile_dim(t, size)), blocks);
}

/* Scale or zero point: one value, one along the axis, or one a block of it. */
static adze_ir_value *parameter(tile *t, const adze_op *op, uint32_t index, const tile_point *at)
{
    adze_ir_value *operand = adze_op_operand(op, index);
    if (!operand) return NULL;
    const adze_type *type = adze_value_type(operand);
    tile_point point = {.rank = adze_type_rank(type)};
    int64_t axis = adze_op_attr_int(op, "axis"), block = adze_op_attr_int(op, "block_size");
    if (axis < 0) axis += at->rank;
    bool single = point.rank && adze_dim_is_value(adze_type_dim(type, 0), 1), inside = axis < at->rank;
    if (block && point.rank == at->rank && !t->flat && inside) {
        point = *at;
        point.at[axis] = block_at(t, at->at[axis], adze_type_dim(type, (uint32_t)axis), block);
        return tile_value(t, operand, &point);
    }
    if (!t->flat && (point.rank > 1 || (point.rank && !single && !inside))) return t->failed = true, NULL;
    if (t->flat)
        point = *at;
    else if (point.rank)
        point.at[0] = single ? tile_dim(t, 0) : at->at[axis];
    return tile_value(t, operand, &point);
}

static adze_ir_value *dequantize(tile *t, const adze_op *op, const tile_point *at)
{
    adze_dtype to = adze_type_dtype(adze_value_type(adze_op_result(op, 0)));
    adze_ir_value *x = tile_value(t, adze_op_operand(op, 0), at);
    adze_ir_value *scale = parameter(t, op, 1, at), *zero = parameter(t, op, 2, at);
    if (!x || !scale) return NULL;
    if (zero && adze_dtype_bits(adze_type_dtype(adze_value_type(x))) > 16) { /* f32 does not hold both */
        x = tile_op2(t, "sub", tile_cast(t, x, ADZE_DTYPE_i64), tile_cast(t, zero, ADZE_DTYPE_i64));
        zero = NULL;
    }
    x = tile_cast(t, x, to);
    if (zero) x = tile_op2(t, "sub", x, tile_cast(t, zero, to));
    return tile_op2(t, "mul", x, scale);
}

/* One op where codes have 8 bits: it has a body of its own. */
static adze_ir_value *to_bytes(tile *t, const adze_op *op, adze_ir_value *x, adze_ir_value *by, const tile_point *at)
{
    adze_dtype to = adze_type_dtype(adze_value_type(adze_op_result(op, 0)));
    adze_ir_value *zero = parameter(t, op, 2, at), *in[] = {x, by, zero ? zero : tile_lit(t, to, 0)};
    bool vector = false;
    for (uint32_t i = 0; i < 3; i++) vector |= in[i] && tile_is_vector(in[i]);
    for (uint32_t i = 0; i < 3 && vector; i++)
        if (in[i]) in[i] = tile_splat(t, in[i]);
    adze_attr axis = adze_attr_int("axis", 0); /* that of lanes */
    return t->failed ? NULL : adze_build1(&t->b, adze_op_name(op), in, 3, &axis, 1);
}

static adze_ir_value *to_codes(tile *t, const adze_op *op, adze_ir_value *x, const tile_point *at)
{
    adze_dtype to = adze_type_dtype(adze_value_type(adze_op_result(op, 0)));
    uint32_t bits = adze_dtype_bits(to);
    bool is_signed = adze_dtype_get_kind(to) == ADZE_KIND_INT;
    adze_ir_value *zero = parameter(t, op, 2, at);
    x = tile_op(t, "round", &x, 1);
    if (zero) x = tile_op2(t, "add", x, tile_cast(t, zero, adze_type_dtype(adze_value_type(x))));
    double high = (double)((1 << (bits - is_signed)) - 1), low = is_signed ? -high - 1 : 0;
    adze_dtype real = adze_type_dtype(adze_value_type(x));
    x = tile_op2(t, "max", x, tile_lit(t, real, low));
    x = tile_op2(t, "min", x, tile_lit(t, real, high));
    return tile_cast(t, x, to);
}

static adze_ir_value *quantize(tile *t, const adze_op *op, const tile_point *at)
{
    adze_dtype to = adze_type_dtype(adze_value_type(adze_op_result(op, 0)));
    bool whole = adze_dtype_get_kind(to) == ADZE_KIND_INT || adze_dtype_get_kind(to) == ADZE_KIND_UINT;
    if (!whole || adze_dtype_bits(to) > 16) return t->failed = true, NULL;
    adze_ir_value *x = tile_value(t, adze_op_operand(op, 0), at), *scale = parameter(t, op, 1, at);
    if (!x || !scale) return NULL;
    if (adze_dtype_bits(to) == 8) return to_bytes(t, op, x, scale, at);
    return to_codes(t, op, tile_op2(t, "div", x, scale), at);
}

static adze_ir_value *requantize(tile *t, const adze_op *op, const tile_point *at)
{
    adze_ir_value *x = tile_value(t, adze_op_operand(op, 0), at), *by = parameter(t, op, 1, at);
    if (!x || !by) return NULL;
    adze_dtype to = adze_type_dtype(adze_value_type(adze_op_result(op, 0)));
    if (adze_dtype_bits(to) == 8) return to_bytes(t, op, x, by, at);
    return to_codes(t, op, tile_op2(t, "mul", tile_cast(t, x, ADZE_DTYPE_f32), by), at);
}

adze_ir_value *tile_quantized(tile *t, const adze_op *op, const tile_point *at)
{
    if (adze_op_is(op, "quantize")) return quantize(t, op, at);
    return adze_op_is(op, "dequantize") ? dequantize(t, op, at) : requantize(t, op, at);
}
