/* tile: form: integers below a byte made bytes, and bytes packed. The rest of the loops knows bytes alone. */
#include "passes/tile/tile.h"

enum { CHUNK_ELEMENTS = 32768 }; /* whole bytes of any element */

static const adze_type *type_of(const adze_ir_value *value) { return adze_value_type(value); }

bool tile_packs(const adze_op *op)
{
    if (!adze_op_is(op, "cast")) return false;
    const adze_type *from = type_of(adze_op_operand(op, 0)), *to = type_of(adze_op_result(op, 0));
    if (!adze_type_is_tensor(from) || !adze_type_is_ranked(from) || adze_type_is_open(from)) return false;
    const adze_dtype_kind kind = adze_dtype_get_kind(adze_type_dtype(from));
    if (kind != adze_dtype_get_kind(adze_type_dtype(to)) || (kind != ADZE_KIND_INT && kind != ADZE_KIND_UINT))
        return false;
    const uint32_t n = adze_dtype_bits(adze_type_dtype(from)), m = adze_dtype_bits(adze_type_dtype(to));
    return (n == 8 && m < 8) || (n < 8 && m == 8);
}

/* The cast that the kernel consists of; NULL where it is none. */
static const adze_op *only_cast(const tile *t)
{
    const adze_op *op = adze_region_first(t->region);
    if (!op || adze_op_next(op) != adze_region_last(t->region) || !tile_packs(op)) return NULL;
    const adze_type *from = type_of(adze_op_operand(op, 0)), *to = type_of(adze_op_result(t->kernel, 0));
    const bool plain = !adze_type_has_layout(from) && !adze_type_has_layout(to);
    return plain && adze_op_num_results(t->kernel) == 1 && adze_op_num_operands(t->kernel) == 1 ? op : NULL;
}

bool tile_pack_bytes(tile *t)
{
    const adze_op *op = only_cast(t);
    if (!op) return false;
    const adze_type *from = type_of(adze_op_operand(op, 0)), *to = type_of(adze_op_result(op, 0));
    const bool packs = adze_dtype_bits(adze_type_dtype(to)) < 8;
    const adze_dtype small = adze_type_dtype(packs ? to : from);
    const adze_dim *count = adze_type_count(to), *size = tile_dim(t, CHUNK_ELEMENTS);
    adze_ir_value *y = tile_result(t, 0), *x = tile_buffer(t, adze_op_operand(op, 0));
    if (packs) x = tile_flat(t, x, count);
    else y = tile_flat(t, y, count);
    tile_loop loop = tile_parallel(t, adze_dim_binary(t->context, ADZE_DIM_CEILDIV, count, size));
    const adze_dim *first = adze_dim_mul(t->context, adze_dim_axis(t->context, loop.axis), size);
    const adze_dim *left = tile_min(t, size, adze_dim_sub(t->context, count, first));
    adze_ir_value *args[] = {packs ? y : tile_view(t, y, &first), packs ? tile_view(t, x, &first) : x,
                             tile_index(t, first), tile_index(t, left)};
    const char *name = packs                                                    ? "pack_b%u"
                       : adze_dtype_get_kind(small) == ADZE_KIND_INT ? "unpack_i%u"
                                                                     : "unpack_u%u";
    tile_call(t, adze_internf(t->context, name, adze_dtype_bits(small)), args, 4);
    tile_end_parallel(t, &loop);
    return true;
}
