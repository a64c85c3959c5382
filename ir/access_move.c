/* Iteration spaces of ops that put elements elsewhere by rule: one parallel axis per result dim, in
 * order, and the operand's index as an expression of them. */
#include "ir/access.h"
#include "ir/infer.h"
#include "ir/rows.h"
#include "ir/slice.h"

bool access_transpose(const adze_op *op, adze_access *a)
{
    adze_ints perm = adze_op_attr_ints(op, "perm");
    const adze_type *x = access_operand_type(op, 0);
    if (!x || !access_result_axes(op, a)) return false;
    uint32_t rank = adze_type_rank(x);
    adze_access_map *map = access_map_operand(a, 0, rank);
    for (uint32_t i = 0; i < rank; i++) {
        int64_t axis = perm.count ? perm.data[i] : (int64_t)(rank - 1 - i);
        map->dims[axis < 0 ? axis + rank : axis] = access_axis(op, i);
    }
    return true;
}

bool access_slice(const adze_op *op, adze_access *a)
{
    adze_context *context = adze_op_context(op);
    const adze_type *x = access_operand_type(op, 0);
    adze_slice slice[ADZE_MAX_RANK];
    if (!x || !access_result_axes(op, a)) return false;
    uint32_t rank = adze_type_rank(x);
    if (!adze_slices(op, rank, adze_type_dims(x), slice)) return false;
    adze_access_map *map = access_map_operand(a, 0, rank);
    for (uint32_t i = 0; i < rank; i++) {
        if (!slice[i].step || adze_dim_is_unknown(slice[i].start)) return false;
        const adze_dim *way = adze_dim_mul_const(context, access_axis(op, i), slice[i].step);
        map->dims[i] = adze_dim_add(context, slice[i].start, way);
    }
    return true;
}

/* Elements ahead of the operand's first, of each axis; false where they are not known. */
static bool pads_before(const adze_op *op, uint32_t rank, const adze_dim **before)
{
    const adze_dim *pads[2 * ADZE_MAX_RANK];
    int64_t axes[ADZE_MAX_RANK];
    int n = infer_as_dims(op, 1, pads, 2 * ADZE_MAX_RANK);
    bool chosen = adze_op_operand(op, 3) != NULL;
    int n_axes = chosen ? infer_as_ints(op, 3, axes, ADZE_MAX_RANK) : (int)rank;
    if (n < 0 || n != 2 * n_axes) return false;
    for (uint32_t i = 0; i < rank; i++) before[i] = adze_dim_const(adze_op_context(op), 0);
    for (int k = 0; k < n_axes; k++) {
        uint32_t axis = (uint32_t)k;
        if (chosen && !infer_axis(op, axes[k], rank, &axis)) return false;
        before[axis] = pads[k];
    }
    for (uint32_t i = 0; i < rank; i++)
        if (adze_dim_is_unknown(before[i])) return false;
    return true;
}

/* Which of n elements stands at position `at` of their continuation on both sides: the nearest one (edge), by turns
 * back and forth (reflect), or from the start again (wrap). */
static const adze_dim *continued(adze_context *context, char mode, const adze_dim *at, int64_t n)
{
    const adze_dim *zero = adze_dim_const(context, 0), *last = adze_dim_const(context, n - 1);
    if (n == 1) return zero;
    if (mode == 'e')
        return adze_dim_binary(context, ADZE_DIM_MIN, adze_dim_binary(context, ADZE_DIM_MAX, at, zero), last);
    const adze_dim *period = adze_dim_const(context, mode == 'w' ? n : 2 * (n - 1));
    at = adze_dim_binary(context, ADZE_DIM_MOD, at, period);
    return mode == 'w' ? at : adze_dim_binary(context, ADZE_DIM_MIN, at, adze_dim_sub(context, period, at));
}

/* A constant must be one; axes that elements of the operand continue have a known number of them. */
bool access_pad(const adze_op *op, adze_access *a)
{
    adze_context *context = adze_op_context(op);
    const adze_type *x = access_operand_type(op, 0);
    const adze_dim *before[ADZE_MAX_RANK];
    double outside = 0;
    char mode = adze_op_attr_str(op, "mode")[0];
    if (!x || !access_result_axes(op, a) || !pads_before(op, adze_type_rank(x), before)) return false;
    if (mode == 'c' && adze_op_operand(op, 2) && !adze_value_as_splat(adze_op_operand(op, 2), &outside)) return false;
    adze_access_map *map = access_map_operand(a, 0, adze_type_rank(x));
    map->guarded = mode == 'c';
    map->outside = outside;
    for (uint32_t i = 0; i < map->rank; i++) {
        const adze_dim *dim = adze_type_dim(x, i);
        int64_t n;
        map->dims[i] = adze_dim_sub(context, access_axis(op, i), before[i]);
        if (map->guarded || (adze_dim_is_value(before[i], 0) && adze_dim_equal(dim, a->extent[i]))) continue;
        if (!adze_dim_is_const(dim, &n) || n < 1 || n > INT32_MAX) return false;
        map->dims[i] = continued(context, mode, map->dims[i], n);
    }
    return true;
}

/* Repeats that are known to be one read straight on. */
bool access_tile(const adze_op *op, adze_access *a)
{
    const adze_type *x = access_operand_type(op, 0);
    if (!x || !access_result_axes(op, a) || a->result[0].rank != adze_type_rank(x)) return false;
    adze_access_map *map = access_map_operand(a, 0, adze_type_rank(x));
    for (uint32_t i = 0; i < map->rank; i++) {
        const adze_dim *dim = adze_type_dim(x, i);
        bool once = adze_dim_equal(dim, a->extent[i]);
        map->dims[i] =
            once ? access_axis(op, i) : adze_dim_binary(adze_op_context(op), ADZE_DIM_MOD, access_axis(op, i), dim);
    }
    return true;
}

static const adze_dim *quotient(const adze_op *op, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(adze_op_context(op), ADZE_DIM_FLOORDIV, a, b);
}

static const adze_dim *rest(const adze_op *op, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(adze_op_context(op), ADZE_DIM_MOD, a, b);
}

bool access_depth_to_space(const adze_op *op, adze_access *a)
{
    adze_context *context = adze_op_context(op);
    bool crd = adze_op_attr_str(op, "mode")[0] == 'C';
    int64_t b = adze_op_attr_int(op, "blocksize");
    if (!access_operand_type(op, 0) || !access_result_axes(op, a)) return false;
    const adze_dim *block = adze_dim_const(context, b), *channels = a->extent[1];
    const adze_dim *n = access_axis(op, 0), *c = access_axis(op, 1), *y = access_axis(op, 2), *x = access_axis(op, 3);
    /* The pixel's place in its block, row by row. */
    const adze_dim *place =
        adze_dim_add(context, adze_dim_mul_const(context, rest(op, y, block), b), rest(op, x, block));
    adze_access_map *map = access_map_operand(a, 0, 4);
    map->dims[0] = n;
    map->dims[1] = crd ? adze_dim_add(context, adze_dim_mul_const(context, c, b * b), place)
                       : adze_dim_add(context, adze_dim_mul(context, place, channels), c);
    map->dims[2] = quotient(op, y, block);
    map->dims[3] = quotient(op, x, block);
    return true;
}

bool access_space_to_depth(const adze_op *op, adze_access *a)
{
    adze_context *context = adze_op_context(op);
    const adze_type *x = access_operand_type(op, 0);
    bool crd = adze_op_attr_str(op, "mode")[0] == 'C';
    int64_t b = adze_op_attr_int(op, "blocksize");
    if (!x || !access_result_axes(op, a)) return false;
    const adze_dim *block = adze_dim_const(context, b), *channels = adze_type_dim(x, 1);
    const adze_dim *places = adze_dim_const(context, b * b), *c = access_axis(op, 1);
    const adze_dim *place = crd ? rest(op, c, places) : quotient(op, c, channels);
    adze_access_map *map = access_map_operand(a, 0, 4);
    map->dims[0] = access_axis(op, 0);
    map->dims[1] = crd ? quotient(op, c, places) : rest(op, c, channels);
    map->dims[2] =
        adze_dim_add(context, adze_dim_mul_const(context, access_axis(op, 2), b), quotient(op, place, block));
    map->dims[3] = adze_dim_add(context, adze_dim_mul_const(context, access_axis(op, 3), b), rest(op, place, block));
    return true;
}
