/* tile: what is built again and again: bounds, axes for numbers, scratch memory, views of buffers, calls of
 * micro-kernels, kernels that copy. */
#include "passes/tile/tile.h"

const adze_dim *tile_min(tile *t, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(t->context, ADZE_DIM_MIN, a, b);
}

const adze_dim *tile_max(tile *t, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(t->context, ADZE_DIM_MAX, a, b);
}

const adze_dim *tile_bind(tile *t, const adze_dim *expr, const adze_dim *extent)
{
    return adze_dim_axis(t->context, tile_axis(t, tile_index(t, expr), extent));
}

const adze_dim *tile_digit(tile *t, const adze_dim **rest, const adze_dim *extent)
{
    if (adze_dim_is_value(extent, 1)) return tile_dim(t, 0);
    const adze_dim *digit = adze_dim_binary(t->context, ADZE_DIM_MOD, *rest, extent);
    *rest = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, *rest, extent);
    return tile_bind(t, digit, extent);
}

void tile_mask(tile *t, const adze_dim *left)
{
    adze_ir_value *count = tile_index(t, left);
    t->mask = adze_build1(&t->b, "mask", &count, 1, NULL, 0);
}

adze_ir_value *tile_scratch(tile *t, adze_dtype dtype, uint32_t rank, const adze_dim *const *dims)
{
    const adze_type *type = adze_type_buffer(t->context, dtype, rank, dims, NULL, 64, 0);
    return adze_op_result(adze_build(&t->b, "scratch", NULL, 0, NULL, 0, &type, 1), 0);
}

adze_ir_value *tile_view(tile *t, adze_ir_value *buffer, const adze_dim *const *index)
{
    const adze_type *type = adze_value_type(buffer);
    uint32_t rank = adze_type_rank(type);
    adze_ir_value *operands[ADZE_MAX_RANK + 1] = {buffer};
    for (uint32_t i = 0; i < rank; i++) operands[i + 1] = tile_index(t, index[i]);
    return adze_op_result(adze_build(&t->b, "subview", operands, rank + 1, NULL, 0, &type, 1), 0);
}

uint32_t tile_logical_axis(const adze_type *tensor, uint32_t physical)
{
    const adze_layout *layout = adze_type_layout(tensor);
    return layout->has_perm ? layout->perm[physical] : physical;
}

adze_ir_value *tile_view_at(tile *t, adze_ir_value *buffer, const adze_type *tensor, const tile_point *at)
{
    const adze_dim *index[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < at->rank; i++) index[i] = at->at[tile_logical_axis(tensor, i)];
    return tile_view(t, buffer, index);
}

adze_ir_value *tile_load_lanes(tile *t, adze_ir_value *buffer, const adze_dim *row, const adze_dim *column)
{
    adze_ir_value *operands[] = {buffer, NULL, tile_index(t, row), tile_index(t, column)};
    const adze_type *type = adze_type_vector(t->context, adze_type_dtype(adze_value_type(buffer)));
    return adze_op_result(adze_build(&t->b, "load", operands, 4, NULL, 0, &type, 1), 0);
}

void tile_store_lanes(tile *t, adze_ir_value *value, adze_ir_value *buffer, const adze_dim *row,
                      const adze_dim *column)
{
    adze_ir_value *operands[] = {value, buffer, NULL, tile_index(t, row), tile_index(t, column)};
    if (value) adze_build(&t->b, "store", operands, 5, NULL, 0, NULL, 0);
}

void tile_call(tile *t, const char *name, adze_ir_value *const *args, uint32_t n)
{
    adze_attr attr = adze_attr_str("name", name);
    adze_build(&t->b, "ukernel", args, n, &attr, 1, NULL, 0);
}

tile_loop tile_unrolled(tile *t, int64_t extent, int64_t step)
{
    adze_ir_value *hi = adze_build_index(&t->b, extent), *lo = adze_build_index(&t->b, 0);
    tile_loop loop = tile_for(t, lo, hi, step, true, NULL, 0);
    t->extents[loop.axis] = tile_dim(t, extent);
    return loop;
}

adze_op *tile_relayout(adze_op *before, adze_ir_value *value, const adze_type *type)
{
    adze_builder b = adze_builder_before(before);
    adze_op *kernel = adze_build(&b, "kernel", &value, 1, NULL, 0, &type, 1);
    adze_region *region = adze_op_region(kernel, 0);
    adze_ir_value *arg = adze_region_add_arg(region, adze_value_type(value), NULL);
    adze_builder in = adze_builder_at_end(b.module, region);
    adze_ir_value *copy = adze_op_result(adze_build(&in, "relayout", &arg, 1, NULL, 0, &type, 1), 0);
    adze_build(&in, "yield", &copy, 1, NULL, 0, NULL, 0);
    return kernel;
}
