/* Result types of ops over weights of which some are zero. */
#include "ir/infer.h"
#include "ir/rows.h"

/* Elements in the blocks of a bitmap that are kept; -1 where a bit behind the last block is set. Blocks that end
 * early are measured one by one. */
static int64_t kept_elements(const uint8_t *bitmap, uint64_t size, adze_ints shape, const int64_t *block)
{
    int64_t grid[ADZE_MAX_RANK], index[ADZE_MAX_RANK] = {0}, blocks = 1, whole = 1, total = 0;
    bool even = true;
    for (uint32_t d = 0; d < shape.count; d++) {
        grid[d] = shape.data[d] / block[d] + (shape.data[d] % block[d] != 0);
        even &= shape.data[d] % block[d] == 0;
        blocks *= grid[d];
        whole *= even && shape.data[d] ? block[d] : 1; /* of nothing, blocks may be as large as they like */
    }
    for (uint64_t i = (uint64_t)blocks; i < 8 * size; i++)
        if (bitmap[i / 8] >> i % 8 & 1) return -1;
    for (uint64_t i = 0; even && i < size; i++) total += whole * __builtin_popcount(bitmap[i]);
    for (int64_t i = 0; !even && i < blocks; i++) {
        int64_t elements = bitmap[i / 8] >> i % 8 & 1;
        for (uint32_t d = 0; elements && d < shape.count; d++) {
            int64_t left = shape.data[d] - index[d] * block[d];
            elements *= left < block[d] ? left : block[d];
        }
        total += elements;
        for (uint32_t d = (uint32_t)shape.count; d-- && ++index[d] == grid[d];) index[d] = 0;
    }
    return total;
}

/* A constant bitmap keeps as many elements as there are values. */
static bool check_bitmap(const adze_op *op, const inferred *values, adze_ints shape, const int64_t *block)
{
    const adze_const *constant = adze_value_const(infer_outside_kernel(adze_op_operand(op, 1)));
    int64_t have;
    if (!constant || !values->ranked || !adze_dim_is_const(values->dims[0], &have)) return true;
    adze_data *data = adze_const_data(constant);
    if (!adze_data_is_quick(data)) return true;
    const uint8_t *bitmap = adze_data_load(data);
    if (!bitmap) return false;
    int64_t kept = kept_elements(bitmap, adze_data_size(data), shape, block);
    adze_data_unload(data);
    if (kept < 0) return adze_error(adze_op_loc(op), "the bitmap of densify keeps a block behind the last one");
    return kept == have ||
           adze_error(adze_op_loc(op), "the bitmap of densify keeps %lld elements but the values are %s",
                      (long long)kept, infer_type_text(op, 0));
}

bool infer_densify(adze_op *op, const adze_type **out_types)
{
    adze_ints shape = adze_op_attr_ints(op, "shape"), blocks = adze_op_attr_ints(op, "block");
    adze_context *context = adze_op_context(op);
    inferred values, bitmap;
    int64_t block[ADZE_MAX_RANK], count = 1, elements = 1, have;
    if (!infer_ranked(op, 0, 1, 1, &values) || !infer_ranked(op, 1, 1, 1, &bitmap)) return false;
    uint32_t bits = adze_dtype_bits(values.dtype);
    if (bitmap.dtype != ADZE_DTYPE_u8 || values.dtype == ADZE_DTYPE_str || (bits != 4 && (!bits || bits % 8)))
        return adze_error(adze_op_loc(op), "densify takes values of 4 bits or bytes and a bitmap of u8, not %s and %s",
                          infer_type_text(op, 0), infer_type_text(op, 1));
    if (shape.count > ADZE_MAX_RANK || (blocks.count && blocks.count != shape.count))
        return adze_error(adze_op_loc(op), "densify has %llu dims and a block of %llu", (unsigned long long)shape.count,
                          (unsigned long long)blocks.count);
    inferred out = infer_unknown_dims(op, values.dtype, (uint32_t)shape.count);
    for (uint32_t d = 0; d < shape.count; d++) {
        block[d] = blocks.count ? blocks.data[d] : 1;
        if (shape.data[d] < 0 || block[d] < 1)
            return adze_error(adze_op_loc(op), "densify has a dim of %lld in blocks of %lld", (long long)shape.data[d],
                              (long long)block[d]);
        int64_t along = shape.data[d] / block[d] + (shape.data[d] % block[d] != 0);
        if (__builtin_mul_overflow(elements, shape.data[d] ? shape.data[d] : 1, &elements) ||
            __builtin_mul_overflow(count, along, &count))
            return adze_error(adze_op_loc(op), "the shape of densify is too large");
        out.dims[d] = adze_dim_const(context, shape.data[d]);
    }
    if (bitmap.ranked && adze_dim_is_const(bitmap.dims[0], &have) && have != count / 8 + (count % 8 != 0))
        return adze_error(adze_op_loc(op), "the bitmap of densify is %s for %lld blocks", infer_type_text(op, 1),
                          (long long)count);
    return check_bitmap(op, &values, shape, block) && infer_result(op, out_types, 0, &out);
}

bool infer_pack_kept(adze_op *op, const adze_type **out_types)
{
    const char *form = adze_op_attr_str(op, "form");
    int64_t width = adze_op_attr_int(op, "width"), group = adze_op_attr_int(op, "group");
    int64_t rows = adze_op_attr_int(op, "rows");
    bool conv = form[0] == 'c', kn = !conv && form[0] == 'k';
    adze_context *context = adze_op_context(op);
    inferred w;
    if (!infer_ranked(op, 0, conv ? 3 : 2, conv ? 4 : 2, &w)) return false;
    if (w.dtype != ADZE_DTYPE_f32)
        return adze_error(adze_op_loc(op), "pack_kept takes f32, not %s", infer_type_text(op, 0));
    if (width < 1 || width > 64 || group < 1 || rows < 0 || rows > INT32_MAX / 65)
        return adze_error(adze_op_loc(op), "width %lld, group %lld, rows %lld of pack_kept", (long long)width,
                          (long long)group, (long long)rows);
    if (w.ranked && adze_op_attr_ints(op, "steps").count != (conv ? w.rank - 2 : 0))
        return adze_error(adze_op_loc(op), "pack_kept has %llu steps for %s",
                          (unsigned long long)adze_op_attr_ints(op, "steps").count, infer_type_text(op, 0));
    inferred out = infer_unknown_dims(op, ADZE_DTYPE_i32, 1);
    if (w.ranked) {
        const adze_dim *sixteen = adze_dim_const(context, 16), *n = w.dims[kn ? 1 : 0];
        n = adze_dim_binary(context, ADZE_DIM_FLOORDIV, n, adze_dim_const(context, group));
        n = adze_dim_binary(context, ADZE_DIM_CEILDIV, n, adze_dim_const(context, width));
        const adze_dim *head = adze_dim_add_const(context, adze_dim_mul_const(context, n, group), rows + 1);
        head = adze_dim_mul(context, adze_dim_binary(context, ADZE_DIM_CEILDIV, head, sixteen), sixteen);
        out.dims[0] = adze_dim_add_const(context, head, rows * width);
    }
    return infer_result(op, out_types, 0, &out);
}

bool infer_pack_masked(adze_op *op, const adze_type **out_types)
{
    int64_t kept = adze_op_attr_int(op, "kept");
    adze_context *context = adze_op_context(op);
    inferred panels;
    if (!infer_ranked(op, 0, 4, 4, &panels)) return false;
    uint32_t bits = adze_dtype_bits(panels.dtype);
    if ((bits != 8 && bits != 32) || kept < 0 || kept > INT32_MAX / 2)
        return adze_error(adze_op_loc(op), "pack_masked takes panels of 1 or 4 bytes an element, not %lld of %s",
                          (long long)kept, infer_type_text(op, 0));
    inferred out = infer_unknown_dims(op, ADZE_DTYPE_u8, 1);
    if (panels.ranked) {
        const adze_dim *n = adze_dim_mul(context, panels.dims[0], panels.dims[1]), *line = adze_dim_const(context, 64);
        const adze_dim *mask = adze_dim_mul(context, n, adze_dim_mul(context, panels.dims[2], panels.dims[3]));
        mask = adze_dim_binary(context, ADZE_DIM_CEILDIV, mask, adze_dim_const(context, 8));
        const adze_dim *head =
            adze_dim_add(context, adze_dim_mul_const(context, adze_dim_add_const(context, n, 1), 4), mask);
        head = adze_dim_mul(context, adze_dim_binary(context, ADZE_DIM_CEILDIV, head, line), line);
        out.dims[0] = adze_dim_add_const(context, head, kept * (bits / 8) + 64);
    }
    return infer_result(op, out_types, 0, &out);
}
