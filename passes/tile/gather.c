/* tile: reads at positions that are themselves loaded. The index is one scalar a position: where it would differ
 * between lanes, the kernel runs one element at a time.
 *
 * An index out of range fails the run, as the evaluation does; what is read then is an element in range.
 */
#include "passes/tile/tile.h"

/* Element `at` of the indices as an i64 within [0, extent), bound to an axis. */
static const adze_dim *look_up(tile *t, adze_ir_value *indices, const tile_point *at, const adze_dim *extent)
{
    adze_ir_value *index = tile_value(t, indices, at);
    if (!index || tile_is_vector(index)) {
        t->failed = true;
        return NULL;
    }
    index = tile_cast(t, index, ADZE_DTYPE_i64);
    adze_ir_value *zero = adze_build_index(&t->b, 0), *end = tile_index(t, extent);
    adze_ir_value *wrap[] = {tile_op2(t, "less", index, zero), tile_op2(t, "add", index, end), index};
    index = tile_op(t, "where", wrap, 3);
    adze_ir_value *in_range =
        tile_op2(t, "and", tile_op2(t, "greater_equal", index, zero), tile_op2(t, "less", index, end));
    adze_build(&t->b, "check", &in_range, 1, NULL, 0, NULL, 0);
    index = tile_op2(t, "min", index, tile_index(t, adze_dim_add_const(t->context, extent, -1)));
    return adze_dim_axis(t->context, tile_axis(t, tile_op2(t, "max", index, zero), extent));
}

/* The element, or 0 where the data may have none: nothing is read then. */
static adze_ir_value *read(tile *t, adze_ir_value *data, const tile_point *at, const adze_dim *some)
{
    int64_t low, high;
    if (adze_dim_range(some, NULL, 0, &low, &high) && low > 0) return tile_value(t, data, at);
    adze_ir_value *value = tile_lit(t, adze_type_dtype(adze_value_type(data)), 0);
    if (t->lane >= 0) value = tile_splat(t, value);
    const adze_dim *once = tile_min(t, some, tile_dim(t, 1));
    tile_loop loop = tile_for(t, adze_build_index(&t->b, 0), tile_index(t, once), 1, false, &value, 1);
    value = tile_value(t, data, at);
    if (value && t->lane >= 0) value = tile_splat(t, value);
    if (t->failed) return NULL;
    tile_end(t, &loop, &value, 1);
    return value;
}

adze_ir_value *tile_gather(tile *t, const adze_op *op, const adze_access *access, const tile_point *at)
{
    const adze_dim *with[ADZE_MAX_AXES] = {NULL}, *some = tile_dim(t, 1);
    const adze_access_map *map = &access->operand[0];
    for (uint32_t d = 0; d < access->result[0].rank; d++)
        with[adze_dim_axis_index(access->result[0].dims[d])] = at->at[d];
    for (uint32_t k = 0; k < access->n_axes && !t->failed; k++) {
        if (access->kind[k] != ADZE_AXIS_INDEX) continue;
        tile_point where = {.rank = access->index[k].rank};
        for (uint32_t d = 0; d < where.rank; d++)
            where.at[d] = adze_dim_substitute(t->context, access->index[k].dims[d], with, access->n_axes, NULL, NULL);
        const adze_dim *extent = access->extent[k];
        with[k] = look_up(t, adze_op_operand(op, access->index_operand), &where, extent);
        some = tile_min(t, some, extent);
    }
    if (t->failed) return NULL;
    tile_point point = {.rank = map->rank};
    for (uint32_t d = 0; d < map->rank; d++)
        point.at[d] = adze_dim_substitute(t->context, map->dims[d], with, access->n_axes, NULL, NULL);
    return read(t, adze_op_operand(op, 0), &point, some);
}
