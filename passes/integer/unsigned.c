/* quantize-fuse: i8 activations become u8, which is what integer kernels multiply with i8 weights.
 *
 * Codes and zero point move by 128, so the numbers that they stand for stay what they are, to the bit.
 *
 *     %q = quantize(%x, @s, @z) : i8[…]          →     %q = quantize(%x, @s, @z + 128) : u8[…]
 *     %y = dequantize(%q, @s, @z)                       %y = dequantize(%q, @s, @z + 128)
 */
#include "passes/integer/integer.h"

/* Every reader turns the codes back into numbers, all by one known grid. */
static bool only_dequantized(const adze_ir_value *codes)
{
    for (adze_use *use = adze_value_first_use(codes); use; use = adze_use_next(use)) {
        quantized q;
        adze_op *user = adze_use_op(use);
        if (adze_use_index(use) != 0 || !adze_op_is(user, "dequantize") ||
            !integer_dequantized(adze_op_result(user, 0), &q) || !q.single)
            return false;
    }
    return adze_value_has_uses(codes);
}

static adze_ir_value *shifted_zero(const quantized *q)
{
    adze_module *module = adze_op_module(q->op);
    const char *name = q->zero ? adze_internf(adze_op_context(q->op), "%s.u8", adze_const_name(q->zero)) : "zero.u8";
    return adze_const_scalar(module, name, ADZE_DTYPE_u8, (double)(q->z + INTEGER_SHIFT));
}

static bool set_zero(adze_op *op, adze_ir_value *zero)
{
    if (!zero) return false;
    if (adze_op_num_operands(op) < 3)
        adze_op_insert_operand(op, 2, zero);
    else
        adze_op_set_operand(op, 2, zero);
    return true;
}

/* The readers' zero points move. */
static bool shift_readers(adze_ir_value *codes)
{
    for (adze_use *use = adze_value_first_use(codes), *next; use; use = next) {
        quantized q;
        next = adze_use_next(use);
        if (integer_dequantized(adze_op_result(adze_use_op(use), 0), &q) && !set_zero(q.op, shifted_zero(&q)))
            return false;
    }
    return true;
}

adze_ir_value *integer_shifted(adze_builder *b, adze_ir_value *codes)
{
    adze_attr wide = adze_attr_type("to", ADZE_DTYPE_i32), narrow = adze_attr_type("to", ADZE_DTYPE_u8);
    adze_ir_value *by = adze_const_scalar(b->module, "shift.u8", ADZE_DTYPE_i32, INTEGER_SHIFT);
    adze_ir_value *x = adze_build1(b, "cast", &codes, 1, &wide, 1);
    x = x && by ? adze_build_binary(b, "add", x, by) : NULL;
    return x ? adze_build1(b, "cast", &x, 1, &narrow, 1) : NULL;
}

static void shift_argument(integer_run *r, adze_func *func, adze_ir_value *arg)
{
    adze_op *first = adze_region_first(adze_func_body(func));
    const adze_type *type = adze_value_type(arg);
    if (!adze_type_is_tensor(type) || adze_type_dtype(type) != ADZE_DTYPE_i8 || !only_dequantized(arg)) return;
    if (!adze_rewrite(r->run, first, "unsigned")) return;
    adze_builder b = adze_builder_before(first);
    if (!shift_readers(arg)) {
        r->failed = true;
        return;
    }
    adze_ir_value *codes = integer_shifted(&b, arg);
    if (!codes) {
        r->failed = true;
        return;
    }
    adze_op *begin = adze_value_op(codes), *above = adze_op_prev(adze_op_prev(begin));
    for (adze_use *use = adze_value_first_use(arg), *next; use; use = next) {
        next = adze_use_next(use);
        if (adze_use_op(use) != above) adze_op_set_operand(adze_use_op(use), adze_use_index(use), codes);
    }
    r->changed = true;
}

void integer_unsigned(integer_run *r, adze_func *func)
{
    adze_region *body = adze_func_body(func);
    for (uint32_t i = 0; i < adze_region_num_args(body) && !r->failed; i++)
        shift_argument(r, func, adze_region_arg(body, i));
    for (adze_op *op = adze_region_first(body), *next; op && !r->failed; op = next) {
        quantized q;
        next = adze_op_next(op);
        if (!integer_quantized(op, &q) || q.dtype != ADZE_DTYPE_i8 || !q.single || !only_dequantized(q.codes)) continue;
        if (!adze_rewrite(r->run, op, "unsigned")) continue;
        if (!shift_readers(q.codes) || !set_zero(op, shifted_zero(&q)) ||
            !adze_op_set_attr(op, adze_attr_int("output_dtype", 0))) { /* the zero point says it */
            r->failed = true;
            return;
        }
        adze_value_set_type(q.codes, adze_type_with_dtype(adze_value_type(q.codes), ADZE_DTYPE_u8));
        r->changed = true;
    }
}
