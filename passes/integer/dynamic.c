/* quantize-fuse: rows that find their scale when the model runs.
 *
 * A row is rounded to i8 by a scale of its own: quantize in blocks as long as the row. In integers the scale leaves the
 * sum, as it is the same for all its terms, and codes move by 128, as everywhere.
 *
 *     %q = quantize(%x, %s) {block_size = 8, output_dtype = 3}        %0 = div(%x, %s)
 *     %r = dequantize(%q, %s) {block_size = 8}                  →     %q = quantize(%0, 1, 128) : u8[…]
 *     %y = matmul(%r, %w)                                             %1 = matmul_integer(%q, @w.codes), its constants
 *                                                                     %y = mul(%1, %s)
 */
#include "passes/integer/integer.h"

/* Blocks as long as the last axis, without a zero point. */
static bool by_rows(const adze_op *op, const adze_type *type)
{
    uint32_t rank = adze_type_is_ranked(type) ? adze_type_rank(type) : 0;
    int64_t axis = adze_op_attr_int(op, "axis"), length;
    const adze_ir_value *scale = adze_op_operand(op, 1);
    if (!rank || adze_op_operand(op, 2) || adze_type_dtype(adze_value_type(scale)) != ADZE_DTYPE_f32) return false;
    if (axis < 0) axis += rank;
    if (axis != rank - 1 || !adze_dim_is_const(adze_type_dim(type, rank - 1), &length)) return false;
    const adze_type *s = adze_value_type(scale);
    return adze_op_attr_int(op, "block_size") >= length && adze_type_is_ranked(s) && adze_type_rank(s) == rank &&
           adze_dim_is_value(adze_type_dim(s, rank - 1), 1);
}

bool integer_row_scaled(adze_map *moved, adze_ir_value *value, adze_ir_value **out_codes, adze_ir_value **out_scale)
{
    adze_op *op = adze_value_op(value), *from;
    if (!op || !adze_op_is(op, "dequantize") || !by_rows(op, adze_value_type(value))) return false;
    adze_ir_value *codes = adze_op_operand(op, 0);
    from = adze_value_op(codes);
    if (!from || !adze_op_is(from, "quantize") || !by_rows(from, adze_value_type(codes))) return false;
    if (adze_op_operand(from, 1) != adze_op_operand(op, 1) || adze_type_dtype(adze_value_type(codes)) != ADZE_DTYPE_i8)
        return false;
    if (adze_type_dtype(adze_value_type(adze_op_operand(from, 0))) != ADZE_DTYPE_f32) return false;
    if (adze_type_dtype(adze_value_type(value)) != ADZE_DTYPE_f32) return false;
    *out_scale = adze_op_operand(op, 1);
    *out_codes = adze_map_get(moved, codes);
    return true;
}

adze_ir_value *integer_move_rows(adze_map *moved, const adze_ir_value *value)
{
    adze_ir_value *old = adze_op_operand(adze_value_op(value), 0);
    adze_op *from = adze_value_op(old);
    adze_builder b = adze_builder_after(from);
    adze_ir_value *one = adze_const_scalar(b.module, "one", ADZE_DTYPE_f32, 1);
    adze_ir_value *zero = adze_const_scalar(b.module, "zero.u8", ADZE_DTYPE_u8, INTEGER_SHIFT);
    adze_ir_value *in[] = {adze_build_binary(&b, "div", adze_op_operand(from, 0), adze_op_operand(from, 1)), one, zero};
    adze_ir_value *codes = in[0] && one && zero ? adze_build1(&b, "quantize", in, 3, NULL, 0) : NULL;
    if (codes) adze_map_set(moved, old, codes);
    return codes;
}
