/* tile: loops, lanes and how values combine over them. */
#include "passes/tile/tile.h"

#include <math.h>

static tile_loop open_region(tile *t, adze_op *op, adze_region *region, const adze_dim *extent)
{
    tile_loop loop = {.op = op, .outer = t->b, .n_memo = t->n_memo};
    adze_ir_value *index = adze_region_add_arg(region, adze_type_scalar(t->context, ADZE_DTYPE_i64), NULL);
    loop.axis = tile_axis(t, index, extent);
    t->b = adze_builder_at_end(t->module, region);
    return loop;
}

static void close_region(tile *t, tile_loop *loop, adze_ir_value **carried, uint32_t n)
{
    adze_build(&t->b, "yield", carried, n, NULL, 0, NULL, 0);
    t->b = loop->outer;
    t->n_memo = loop->n_memo; /* what the loop computed is not visible outside */
}

tile_loop tile_for(tile *t, adze_ir_value *lo, adze_ir_value *hi, int64_t step, bool unroll,
                   adze_ir_value **carried, uint32_t n)
{
    adze_ir_value *operands[8] = {lo, hi, adze_build_index(&t->b, step)};
    const adze_type *types[5];
    for (uint32_t i = 0; i < n; i++) {
        operands[3 + i] = carried[i];
        types[i] = adze_value_type(carried[i]);
    }
    adze_attr attr = adze_attr_int("unroll", 1);
    adze_op *op = adze_build(&t->b, "for", operands, 3 + n, &attr, unroll, types, n);
    tile_loop loop = open_region(t, op, adze_op_region(op, 0), adze_dim_unknown(t->context));
    for (uint32_t i = 0; i < n; i++) carried[i] = adze_region_add_arg(adze_op_region(op, 0), types[i], NULL);
    return loop;
}

void tile_end(tile *t, tile_loop *loop, adze_ir_value **carried, uint32_t n)
{
    close_region(t, loop, carried, n);
    for (uint32_t i = 0; i < n; i++) carried[i] = adze_op_result(loop->op, i);
}

tile_loop tile_parallel(tile *t, const adze_dim *chunks)
{
    adze_ir_value *n = tile_index(t, chunks);
    adze_op *op = adze_build(&t->b, "parallel", &n, 1, NULL, 0, NULL, 0);
    return open_region(t, op, adze_op_region(op, 0), chunks);
}

void tile_end_parallel(tile *t, tile_loop *loop) { close_region(t, loop, NULL, 0); }

/* One loop over [lo, hi) in steps of `step`, with or without a mask for what lies past `extent`. */
static void lane_loop(tile *t, const adze_dim *lo, const adze_dim *hi, const adze_dim *extent, int64_t step,
                      bool masked, tile_body *body, void *self, adze_ir_value **carried, uint32_t n)
{
    int outer_lane = t->lane;
    adze_ir_value *outer_mask = t->mask;
    tile_loop loop = tile_for(t, tile_index(t, lo), tile_index(t, hi), step, false, carried, n);
    t->extents[loop.axis] = extent;
    t->lane = step == ADZE_LANES ? (int)loop.axis : -1;
    if (masked) tile_mask(t, adze_dim_sub(t->context, extent, adze_dim_axis(t->context, loop.axis)));
    body(t, self, loop.axis, carried);
    tile_end(t, &loop, carried, n);
    t->lane = outer_lane;
    t->mask = outer_mask;
}

void tile_lanes(tile *t, const adze_dim *extent, tile_body *body, void *self, adze_ir_value **carried, uint32_t n)
{
    const adze_dim *zero = tile_dim(t, 0), *lanes = tile_dim(t, ADZE_LANES);
    if (t->scalar) {
        lane_loop(t, zero, extent, extent, 1, false, body, self, carried, n);
        return;
    }
    const adze_dim *full =
        adze_dim_mul(t->context, adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, extent, lanes), lanes);
    if (!adze_dim_is_value(full, 0)) lane_loop(t, zero, full, extent, ADZE_LANES, false, body, self, carried, n);
    if (!adze_dim_equal(full, extent))
        lane_loop(t, full, extent, extent, ADZE_LANES, true, body, self, carried, n);
}

/* ---- Combining ---- */

static const char *combine_name(adze_combine combine)
{
    static const char *const names[] = {NULL, "add", "mul", "max", "min"};
    return names[combine];
}

adze_ir_value *tile_identity(tile *t, adze_combine combine, adze_dtype dtype)
{
    bool real = adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT;
    uint32_t bits = adze_dtype_bits(dtype);
    bool is_signed = adze_dtype_get_kind(dtype) == ADZE_KIND_INT;
    double high = real ? (double)INFINITY : ldexp(1, (int)bits - is_signed) - 1;
    double low = real ? -(double)INFINITY : is_signed ? -ldexp(1, (int)bits - 1) : 0;
    if (bits > 53 && !real && combine == ADZE_COMBINE_MIN) {
        adze_ir_value *least = tile_lit(t, dtype, low); /* the greatest is no double, but its complement is */
        return tile_op(t, "bitwise_not", &least, 1);
    }
    double value = combine == ADZE_COMBINE_MUL   ? 1
                   : combine == ADZE_COMBINE_MAX ? low
                   : combine == ADZE_COMBINE_MIN ? high
                                                 : 0;
    return tile_lit(t, dtype, value);
}

adze_ir_value *tile_combine(tile *t, adze_combine combine, adze_ir_value *a, adze_ir_value *b)
{
    return tile_op2(t, combine_name(combine), a, b);
}

adze_ir_value *tile_combine_masked(tile *t, adze_combine combine, adze_ir_value *acc, adze_ir_value *value)
{
    if (!value) return acc;
    if (t->mask && tile_is_vector(acc)) {
        adze_dtype dtype = adze_type_dtype(adze_value_type(value));
        adze_ir_value *choice[] = {t->mask, value, tile_identity(t, combine, dtype)};
        value = tile_op(t, "where", choice, 3);
    }
    return tile_combine(t, combine, acc, value);
}

adze_ir_value *tile_reduce_lanes(tile *t, adze_combine combine, adze_ir_value *vector)
{
    if (!tile_is_vector(vector)) return vector;
    adze_attr attr = adze_attr_str("op", combine_name(combine));
    return adze_build1(&t->b, "reduce_lanes", &vector, 1, &attr, 1);
}
