/* quantize-fuse: ops that only move elements, and max pools, work on codes.
 *
 * A move takes numbers as they are, and a larger code is a larger number, so both give the same codes that
 * quantizing their result would give.
 *
 *     %x = dequantize(%q, @s, @z) : f32[1,8,4,4]      →      %p = max_pool(%q) : u8[1,8,2,2]
 *     %y = max_pool(%x) : f32[1,8,2,2]                       %y = dequantize(%p, @s, @z) : f32[1,8,2,2]
 */
#include "passes/integer/integer.h"

#include <string.h>

/* A resize that puts in nothing of its own: what lies outside of a crop is a number. */
static bool is_nearest(const adze_op *op)
{
    if (!adze_op_is(op, "resize")) return true;
    const char *mode = adze_op_attr_str(op, "mode"), *where = adze_op_attr_str(op, "coordinate_transformation_mode");
    return mode && !strcmp(mode, "nearest") && (!where || strcmp(where, "tf_crop_and_resize") != 0);
}

/* Results are elements of operand 0 (of all operands, for concat), and nothing else. */
static bool moves(const adze_op *op)
{
    if (!adze_op_has_trait(op, ADZE_PURE) || adze_op_num_regions(op)) return false;
    if (adze_op_is(op, "max_pool")) return adze_op_num_results(op) == 1;
    return (adze_op_has_trait(op, ADZE_MOVE) || adze_op_has_trait(op, ADZE_VIEW)) && is_nearest(op);
}

static bool pads_with_constant(const adze_op *op)
{
    const char *mode = adze_op_is(op, "pad") ? adze_op_attr_str(op, "mode") : "";
    return !mode || !strcmp(mode, "constant");
}

/* What pad puts at the edges is 0, whose code is the zero point. */
static bool pads_with_zero(const adze_op *op)
{
    double value = 0;
    adze_ir_value *fill = adze_op_operand(op, 2);
    return !fill || (adze_value_as_splat(fill, &value) && value == 0);
}

/* The zero point at the edges; nothing where they repeat elements. */
static bool set_pad(adze_op *op, const quantized *q)
{
    adze_ir_value *fill = NULL;
    if (pads_with_constant(op) && !(fill = adze_const_scalar(adze_op_module(op), "pad.code", q->dtype, (double)q->z)))
        return false;
    if (adze_op_num_operands(op) > 2)
        adze_op_set_operand(op, 2, fill);
    else if (fill)
        adze_op_insert_operand(op, 2, fill);
    return true;
}

/* The axis behind a transpose of codes whose grid goes along one; -1 = it cannot follow. */
static int64_t axis_behind(const adze_op *op, const quantized *q)
{
    if (!adze_op_is(op, "transpose")) return -1;
    adze_ints perm = adze_op_attr_ints(op, "perm");
    uint32_t rank = adze_type_rank(adze_value_type(q->codes));
    for (uint32_t i = 0; i < rank; i++)
        if ((perm.count ? perm.data[i] : (int64_t)(rank - 1 - i)) == q->axis) return i;
    return -1;
}

static adze_ir_value *dequantize(adze_builder *b, const quantized *q, adze_ir_value *codes, int64_t axis)
{
    adze_ir_value *in[] = {codes, adze_const_value(q->scale), q->zero ? adze_const_value(q->zero) : NULL};
    adze_attr attr = adze_attr_int("axis", axis);
    return adze_build1(b, "dequantize", in, q->zero ? 3 : 2, &attr, !q->single);
}

/* The operands that hold numbers, all on the grid of the first. */
static bool on_one_grid(const adze_op *op, quantized *first, uint32_t *out_n)
{
    *out_n = adze_op_is(op, "concat") ? adze_op_num_operands(op) : 1;
    for (uint32_t i = 0; i < *out_n; i++) {
        quantized q;
        if (!integer_dequantized(adze_op_operand(op, i), &q)) return false;
        if (!i) *first = q;
        if (i && !integer_same_grid(first, &q)) return false;
    }
    return first->single || axis_behind(op, first) >= 0;
}

static void work_on_codes(integer_run *r, adze_op *op)
{
    quantized q;
    uint32_t n;
    if (!moves(op) || !adze_op_num_operands(op) || !on_one_grid(op, &q, &n)) return;
    if (adze_op_is(op, "pad") && pads_with_constant(op) && !pads_with_zero(op)) return;
    int64_t axis = q.single ? 1 : axis_behind(op, &q);
    if (!adze_rewrite(r->run, op, "codes")) return;
    adze_builder b = adze_builder_after(op);
    for (uint32_t i = 0; i < n; i++) {
        quantized each;
        if (integer_dequantized(adze_op_operand(op, i), &each)) adze_op_set_operand(op, i, each.codes);
    }
    if (adze_op_is(op, "pad") && !set_pad(op, &q)) {
        r->failed = true;
        return;
    }
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
        adze_ir_value *result = adze_op_result(op, i);
        const char *name = adze_value_name(result);
        adze_value_set_type(result, adze_type_with_dtype(adze_value_type(result), q.dtype));
        adze_ir_value *real = dequantize(&b, &q, result, axis);
        if (!real) {
            r->failed = true;
            return;
        }
        for (adze_use *use = adze_value_first_use(result), *next; use; use = next) {
            next = adze_use_next(use);
            if (adze_use_op(use) == adze_value_op(real)) continue;
            adze_op_set_operand(adze_use_op(use), adze_use_index(use), real);
        }
        adze_value_set_name(real, name);
        if (name) adze_value_set_name(result, adze_internf(adze_op_context(op), "%s.codes", name));
    }
    r->changed = true;
}

/* Codes that become numbers and, on the same grid, codes again. */
static void meet(integer_run *r, adze_op *op)
{
    quantized to, from;
    if (!integer_quantized(op, &to) || !integer_dequantized(to.real, &from) || !integer_same_grid(&to, &from)) return;
    if (adze_value_type(from.codes) != adze_value_type(to.codes) || !adze_rewrite(r->run, op, "meet")) return;
    adze_value_replace_uses(to.codes, from.codes);
    adze_op_erase(op);
    r->changed = true;
}

void integer_moves(integer_run *r, adze_func *func)
{
    for (adze_op *op = adze_region_first(adze_func_body(func)), *next; op && !r->failed; op = next) {
        next = adze_op_next(op);
        work_on_codes(r, op);
        if (!r->failed) meet(r, op);
    }
}
