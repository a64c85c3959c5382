/* tile: contractions from their iteration space, where the micro-kernels do not fit: any rank, any element
 * type, any layout. Lanes lie along the result's contiguous axis; the reduction axes are loops around one
 * accumulator, in their order, so that levels and threads agree on every bit. Floats are multiplied and
 * added in one rounding, integers wrap.
 */
#include "passes/tile/tile.h"

#include <string.h>

typedef struct sum {
    adze_op *op;
    adze_access access;
    const adze_dim *with[ADZE_MAX_AXES];
    uint32_t axes[ADZE_MAX_AXES]; /* those to loop over */
    uint32_t n;
    bool real, guard; /* guard: what is outside operand 0 is found element by element, lanes differ */
} sum;

/* Axes of a result dim that counts blocks: outer * size + inner, inner < size. */
static bool bind_blocks(tile *t, sum *s, const adze_dim *expr, const adze_dim *at)
{
    int64_t coef, size[2];
    uint32_t axis[2], n = 0;
    for (uint32_t k = 0; k < s->access.n_axes; k++) {
        if (!adze_dim_axis_coefficient(t->context, expr, k, &coef, NULL) || (coef && n == 2)) return false;
        if (coef) size[n] = coef, axis[n++] = k;
    }
    for (uint32_t outer = 0; n == 2 && outer < 2; outer++) {
        uint32_t inner = 1 - outer;
        if (size[inner] != 1 || !adze_dim_is_value(s->access.extent[axis[inner]], size[outer])) continue;
        const adze_dim *by = tile_dim(t, size[outer]);
        s->with[axis[outer]] = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, at, by);
        s->with[axis[inner]] = adze_dim_binary(t->context, ADZE_DIM_MOD, at, by);
        return true;
    }
    return false;
}

static bool begin(tile *t, adze_op *op, const tile_point *at, sum *s)
{
    *s = (sum){.op = op};
    adze_dtype dtype = adze_type_dtype(adze_value_type(adze_op_result(op, 0)));
    s->real = adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT;
    if (!adze_op_access(op, &s->access) || s->access.combine != ADZE_COMBINE_ADD || !s->access.body) return false;
    if (s->access.operand[1].guarded) return false;
    for (uint32_t d = 0; d < s->access.result[0].rank; d++) {
        const adze_dim *expr = s->access.result[0].dims[d];
        if (adze_dim_get_kind(expr) == ADZE_DIM_AXIS)
            s->with[adze_dim_axis_index(expr)] = at->at[d];
        else if (!bind_blocks(t, s, expr, at->at[d]))
            return false;
    }
    for (uint32_t k = 0; k < s->access.n_axes; k++)
        if (s->access.kind[k] != ADZE_AXIS_PARALLEL) s->axes[s->n++] = k;
    return true;
}

static adze_ir_value *factor(tile *t, const sum *s, uint32_t index)
{
    const adze_access_map *map = &s->access.operand[index];
    tile_point point = {.rank = map->rank};
    for (uint32_t d = 0; d < map->rank; d++)
        point.at[d] = adze_dim_substitute(t->context, map->dims[d], s->with, ADZE_MAX_AXES, NULL, NULL);
    adze_ir_value *operand = adze_op_operand(s->op, index);
    return index == 0 && s->guard ? tile_guarded(t, operand, map, &point) : tile_value(t, operand, &point);
}

static adze_ir_value *add_product(tile *t, const sum *s, adze_ir_value *acc)
{
    adze_ir_value *in[] = {factor(t, s, 0), factor(t, s, 1), acc};
    if (!in[0] || !in[1]) return acc;
    for (uint32_t i = 0; i < 2; i++) in[i] = tile_cast(t, in[i], adze_type_dtype(adze_value_type(acc))); /* i8 to i32 */
    return s->real ? tile_op(t, "fma", in, 3) : tile_op2(t, "add", acc, tile_op(t, s->access.body, in, 2));
}

/* Loops over axes i.. and gives the accumulator. */
static adze_ir_value *sum_axes(tile *t, sum *s, uint32_t i, adze_ir_value *acc)
{
    if (i == s->n) return add_product(t, s, acc);
    uint32_t k = s->axes[i];
    const adze_dim *lo, *hi;
    if (!tile_window_bounds(t, s->op, &s->access, s->with, k, &lo, &hi)) {
        s->guard = true;
        lo = tile_dim(t, 0);
        hi = s->access.extent[k];
    }
    tile_loop loop = tile_for(t, tile_index(t, lo), tile_index(t, hi), 1, false, &acc, 1);
    t->extents[loop.axis] = s->access.extent[k];
    s->with[k] = adze_dim_axis(t->context, loop.axis);
    acc = sum_axes(t, s, i + 1, acc);
    tile_end(t, &loop, &acc, 1);
    return acc;
}

/* The op's attribute `name`; 1 where it has none of that name. */
static double scale_of(const adze_op *op, const char *name)
{
    const adze_op_row *row = adze_op_get_row(op);
    for (uint32_t i = 0; i < row->n_attrs; i++)
        if (!strcmp(row->attrs[i].name, name)) return adze_op_attr_float(op, name);
    return 1;
}

/* By something else than 1 only for floats. */
static adze_ir_value *times(tile *t, double by, adze_ir_value *value)
{
    if (by == 1 || !value) return value;
    adze_dtype dtype = adze_type_dtype(adze_value_type(value));
    if (adze_dtype_get_kind(dtype) != ADZE_KIND_FLOAT) t->failed = true;
    return tile_op2(t, "mul", value, tile_lit(t, dtype, by));
}

adze_ir_value *tile_after_sum(tile *t, const adze_op *op, const tile_point *at, adze_ir_value *value)
{
    sum s;
    double beta = scale_of(op, "beta");
    value = times(t, scale_of(op, "alpha"), value);
    if (!adze_op_operand(op, 2) || beta == 0) return value;
    if (!begin(t, (adze_op *)op, at, &s)) {
        t->failed = true;
        return NULL;
    }
    adze_ir_value *bias = times(t, beta, factor(t, &s, 2));
    return bias ? tile_op2(t, "add", value, bias) : NULL;
}

adze_ir_value *tile_sum(tile *t, adze_op *op, const tile_point *at)
{
    sum s;
    bool read =
        !adze_value_op(adze_op_operand(op, 0)) && !adze_value_op(adze_op_operand(op, 1)); /* not computed anew */
    if (t->flat || !read || !begin(t, op, at, &s)) {
        t->failed = true;
        return NULL;
    }
    adze_ir_value *acc = tile_lit(t, adze_type_dtype(adze_value_type(adze_op_result(op, 0))), 0);
    if (t->lane >= 0 && tile_depends(t, at, (uint32_t)t->lane, -1)) acc = tile_splat(t, acc);
    acc = sum_axes(t, &s, 0, acc);
    return t->failed ? NULL : tile_after_sum(t, op, at, acc);
}
