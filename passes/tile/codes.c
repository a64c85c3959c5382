/* tile: weights that are stored as codes of 4 or 8 bits with scales and zero points, and computed with as such.
 *
 *     %w = dequantize(@w.codes, @w.scale)       a micro-kernel reads codes and scales; or each block of columns is
 *     %y = matmul(%x, %w)                  →    made wide in scratch memory once, ahead of all tiles that read it
 *
 * fold leaves such a dequantize alone, fuse takes it into the kernel of its contraction, and tile packs codes and
 * scales. What tile has no form for becomes wide again: a constant of floats, as if fold had done it.
 */
#include "passes/tile/contract.h"

#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

/* ---- What can be kept ---- */

static bool is_contraction_of_floats(const adze_op *op)
{
    bool known = adze_op_is(op, "matmul") || adze_op_is(op, "gemm") || adze_op_is(op, "conv");
    if (!known || (adze_op_is(op, "gemm") && adze_op_attr_int(op, "transA"))) return false;
    return adze_type_dtype(adze_value_type(adze_op_operand(op, 0))) == ADZE_DTYPE_f32;
}

static bool is_transposed(const adze_op *op) { return adze_op_is(op, "gemm") && adze_op_attr_int(op, "transB"); }

/* Output channels and input channels of the weights of `op`. */
static uint32_t column_axis(const adze_op *op) { return adze_op_is(op, "conv") || is_transposed(op) ? 0 : 1; }

static bool is_depthwise(const adze_op *op, const adze_type *w)
{
    return adze_op_is(op, "conv") && adze_op_attr_int(op, "group") > 1 && adze_dim_is_value(adze_type_dim(w, 1), 1);
}

static int64_t axis_of(const adze_op *dequantize, uint32_t rank)
{
    int64_t axis = adze_op_attr_int(dequantize, "axis");
    return axis < 0 ? axis + rank : axis;
}

/* The zero points are as many as the scales, and lie like them. */
static bool zeros_fit(const adze_op *dequantize)
{
    const adze_ir_value *zero = adze_op_operand(dequantize, 2);
    if (!zero) return true;
    const adze_type *of = adze_value_type(zero), *scale = adze_value_type(adze_op_operand(dequantize, 1));
    uint32_t rank = adze_type_rank(scale);
    bool same = adze_type_rank(of) == rank, one = !adze_op_attr_int(dequantize, "block_size");
    for (uint32_t i = 0; same && i < rank; i++) same = adze_dim_equal(adze_type_dim(of, i), adze_type_dim(scale, i));
    return same || (one && adze_dim_is_value(adze_type_count(of), 1) && adze_dim_is_value(adze_type_count(scale), 1));
}

/* One scale, one an output channel, or one a group of input channels that rows of codes do not straddle. */
static bool scales_fit(const adze_op *dequantize, const adze_op *op)
{
    const adze_type *w = adze_value_type(adze_op_operand(dequantize, 0));
    const adze_type *scale = adze_value_type(adze_op_operand(dequantize, 1));
    int64_t block = adze_op_attr_int(dequantize, "block_size"), k;
    uint32_t rank = adze_type_rank(w), column = column_axis(op);
    if (adze_dim_is_value(adze_type_count(scale), 1) && !block) return true;
    if (!block) return adze_type_rank(scale) == 1 && axis_of(dequantize, rank) == column;
    if (!adze_dim_is_const(adze_type_dim(w, 1 - column), &k) || is_depthwise(op, w)) return false;
    bool whole = adze_type_dtype(w) == ADZE_DTYPE_i8 || block % TILE_CODE_ROW == 0 || block >= k;
    return adze_type_rank(scale) == rank && axis_of(dequantize, rank) == 1 - (int64_t)column && whole;
}

/* A constant, in a kernel or not. */
static const adze_const *constant_of(const adze_ir_value *value)
{
    const adze_op *outer = adze_value_def(value) == ADZE_DEF_ARGUMENT ? adze_region_op(adze_value_region(value)) : NULL;
    if (outer && adze_op_is(outer, "kernel")) value = adze_op_operand(outer, adze_value_index(value));
    return adze_value_const(value);
}

/* A dequantize to f32 of constants. */
static bool is_form(const adze_op *op)
{
    if (!op || !adze_op_is(op, "dequantize")) return false;
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        const adze_ir_value *value = adze_op_operand(op, i);
        const adze_const *constant = value ? constant_of(value) : NULL;
        const adze_type *type = constant ? adze_const_type(constant) : NULL;
        if (value && (!type || adze_type_has_layout(type) || !adze_type_is_static(type))) return false;
        if (value && adze_dim_is_value(adze_type_count(type), 0)) return false;
    }
    adze_dtype codes = adze_type_dtype(adze_value_type(adze_op_operand(op, 0)));
    adze_dtype scale = adze_type_dtype(adze_value_type(adze_op_operand(op, 1)));
    return (codes == ADZE_DTYPE_i4 || codes == ADZE_DTYPE_i8) &&
           (scale == ADZE_DTYPE_f32 || scale == ADZE_DTYPE_f16) &&
           adze_type_dtype(adze_value_type(adze_op_result(op, 0))) == ADZE_DTYPE_f32;
}

static bool user_fits(const adze_op *dequantize, const adze_op *user, uint32_t operand)
{
    uint32_t rank = adze_type_rank(adze_value_type(adze_op_operand(dequantize, 0)));
    if (operand != 1 || !is_contraction_of_floats(user)) return false;
    return (adze_op_is(user, "conv") ? rank > 2 && rank <= 4 : rank == 2) && scales_fit(dequantize, user) &&
           zeros_fit(dequantize);
}

/* Of integers; NULL is allowed. */
static bool is_all_zero(const adze_const *constant)
{
    adze_data *data = constant ? adze_const_data(constant) : NULL;
    const uint8_t *bytes = data ? adze_data_load(data) : NULL;
    bool zero = bytes != NULL;
    for (uint64_t i = 0; zero && i < adze_data_size(data); i++) zero = bytes[i] == 0;
    if (data) adze_data_unload(data);
    return zero;
}

bool tile_keeps_codes(const adze_op *op)
{
    if (!is_form(op) || !adze_value_has_uses(adze_op_result(op, 0))) return false;
    for (const adze_use *use = adze_value_first_use(adze_op_result(op, 0)); use; use = adze_use_next(use))
        if (!user_fits(op, adze_use_op(use), adze_use_index(use))) return false;
    return true;
}

adze_op *tile_codes(const adze_op *root)
{
    if (!adze_op_has_trait(root, ADZE_CONTRACTION)) return NULL;
    adze_op *op = adze_value_op(adze_op_operand(root, 1));
    return is_form(op) ? op : NULL;
}

adze_ir_value *tile_weights_arg(const adze_op *root)
{
    const adze_op *codes = tile_codes(root);
    return adze_op_operand(codes ? codes : root, codes ? 0 : 1);
}

/* ---- Into a kernel ---- */

/* The scale, or the zero point, of all columns, once for each. */
static adze_ir_value *one_of_each(adze_op *dequantize, adze_ir_value *value, int64_t n)
{
    adze_context *context = adze_op_context(dequantize);
    const adze_const *constant = adze_value_const(value);
    adze_dtype dtype = adze_type_dtype(adze_const_type(constant));
    bool pairs = dtype == ADZE_DTYPE_i4;
    size_t size = pairs ? 1 : adze_dtype_bits(dtype) / 8, count = pairs ? ((size_t)n + 1) / 2 : (size_t)n;
    uint8_t one[sizeof(float)];
    if (!adze_data_read(adze_const_data(constant), 0, one, size)) return NULL;
    if (pairs) one[0] = (uint8_t)((one[0] & 15) * 17); /* two a byte */
    uint8_t *all = adze_malloc(count * size);
    for (size_t i = 0; i < count; i++) memcpy(all + i * size, one, size);
    if (pairs && n % 2) all[count - 1] &= 15;
    const adze_type *type = adze_type_tensor_const(context, dtype, 1, &n);
    const char *name = adze_internf(context, "%s.each", adze_const_name(constant));
    adze_ir_value *made = adze_const_make(adze_op_module(dequantize), name, type, all);
    free(all);
    return made;
}

bool tile_gives_codes(const adze_op *op)
{
    return adze_op_has_trait(op, ADZE_CONTRACTION) && tile_codes(op) && tile_keeps_codes(tile_codes(op));
}

bool tile_take_codes(adze_op *root)
{
    adze_op *op = tile_codes(root);
    int64_t n;
    const adze_type *w = adze_value_type(adze_op_operand(op, 0));
    uint32_t column = column_axis(root);
    adze_ir_value *in[] = {adze_op_operand(op, 0), adze_op_operand(op, 1), adze_op_operand(op, 2)};
    uint32_t n_in = !in[2] || is_all_zero(adze_value_const(in[2])) ? 2 : 3;
    int64_t block = adze_op_attr_int(op, "block_size");
    adze_attr attrs[] = {adze_attr_int("axis", block ? 1 - (int64_t)column : (int64_t)column),
                         adze_attr_int("block_size", block),
                         adze_attr_int("output_dtype", adze_op_attr_int(op, "output_dtype"))};
    if (!block && adze_dim_is_value(adze_type_count(adze_value_type(in[1])), 1)) {
        if (!adze_dim_is_const(adze_type_dim(w, column), &n)) return false;
        for (uint32_t i = 1; i < n_in; i++)
            if (!(in[i] = one_of_each(op, in[i], n))) return false;
    }
    adze_builder b = adze_builder_before(root);
    adze_op *own = adze_build(&b, "dequantize", in, n_in, attrs, 3, NULL, 1);
    if (!own) return false;
    adze_op_set_operand(root, 1, adze_op_result(own, 0));
    if (!adze_value_has_uses(adze_op_result(op, 0))) adze_op_erase(op);
    return true;
}

/* ---- Wide again ---- */

/* The constant that a dequantize of constants makes; computed when it is read. */
static adze_ir_value *wide_constant(adze_op *dequantize)
{
    adze_const *inputs[3] = {NULL};
    uint32_t n = adze_op_num_operands(dequantize);
    for (uint32_t i = 0; i < n; i++)
        if (adze_op_operand(dequantize, i)) inputs[i] = adze_value_const(adze_op_operand(dequantize, i));
    const adze_type *type = adze_value_type(adze_op_result(dequantize, 0));
    const char *name = adze_internf(adze_op_context(dequantize), "%s.wide", adze_const_name(inputs[0]));
    adze_data *data = adze_data_derived(adze_op_context(dequantize), adze_op_get_row(dequantize),
                                        adze_op_attrs(dequantize), inputs, n, type);
    adze_const *made = data ? adze_module_add_const(adze_op_module(dequantize), name, type, data) : NULL;
    return made ? adze_const_value(made) : NULL;
}

bool tile_make_wide(adze_op *dequantize)
{
    adze_ir_value *wide = wide_constant(dequantize);
    if (!wide) return false;
    adze_value_replace_uses(adze_op_result(dequantize, 0), wide);
    adze_op_erase(dequantize);
    return true;
}

static void drop_unused_arguments(adze_op *kernel)
{
    adze_region *region = adze_op_region(kernel, 0);
    for (uint32_t i = adze_region_num_args(region); i--;) {
        if (adze_value_has_uses(adze_region_arg(region, i))) continue;
        adze_region_remove_arg(region, i);
        adze_op_remove_operand(kernel, i);
    }
}

bool tile_widen_kernel(adze_op *kernel)
{
    adze_region *region = adze_op_region(kernel, 0);
    bool any = false;
    for (adze_op *root = tile_root(kernel, NULL); root; root = tile_root(kernel, root)) {
        adze_op *op = tile_codes(root);
        if (!op) continue;
        adze_map *map = adze_map_create();
        for (uint32_t i = 0; i < adze_region_num_args(region); i++)
            adze_map_set(map, adze_region_arg(region, i), adze_op_operand(kernel, i));
        adze_builder above = adze_builder_before(kernel);
        adze_op *copy = adze_clone(&above, op, map);
        adze_map_destroy(map);
        adze_ir_value *wide = wide_constant(copy);
        adze_op_erase(copy);
        if (!wide) return false;
        adze_op_insert_operand(kernel, adze_op_num_operands(kernel), wide);
        adze_value_replace_uses(adze_op_result(op, 0), adze_region_add_arg(region, adze_value_type(wide), NULL));
        adze_op_erase(op);
        any = true;
    }
    if (any) drop_unused_arguments(kernel);
    return any;
}

/* ---- In a kernel ---- */

bool tile_codes_fit(const adze_op *root)
{
    const adze_op *codes = tile_codes(root);
    const adze_ir_value *w = adze_op_operand(codes, 0), *scale = adze_op_operand(codes, 1);
    if (adze_value_num_uses(adze_op_result(codes, 0)) != 1) return false;
    for (uint32_t i = 1; i < adze_op_num_operands(codes); i++) {
        const adze_ir_value *value = adze_op_operand(codes, i);
        if (!value) continue;
        if (adze_value_def(value) != ADZE_DEF_ARGUMENT || adze_value_num_uses(value) != 1) return false;
        if (adze_type_rank(adze_value_type(value)) != adze_type_rank(adze_value_type(scale))) return false;
    }
    const adze_dim *columns = adze_type_dim(adze_value_type(w), column_axis(root));
    bool each = adze_op_attr_int(codes, "block_size") ||
                (adze_type_rank(adze_value_type(scale)) == 1 &&
                 adze_dim_equal(adze_type_dim(adze_value_type(scale), 0), columns));
    return each && user_fits(codes, root, 1);
}

bool tile_fits_4_bits(const adze_const *weights)
{
    if (adze_type_dtype(adze_const_type(weights)) != ADZE_DTYPE_i8) return false;
    adze_data *data = adze_const_data(weights);
    const int8_t *w = adze_data_load(data);
    bool fits = w != NULL;
    for (uint64_t i = 0; fits && i < adze_data_size(data); i++) fits = w[i] >= -8 && w[i] <= 7;
    adze_data_unload(data);
    return fits;
}

const char *tile_codes_name(tile *t, const contraction *c)
{
    bool half = adze_type_dtype(adze_value_type(c->scales)) == ADZE_DTYPE_f16;
    return adze_internf(t->context, "f32q%d%s%s", (int)c->code_bits, half ? "h" : "", c->zeros ? "z" : "");
}

/* A panel, from `at`. */
static void widen_floats(tile *t, contraction *c, const adze_dim *const *at, adze_ir_value *to)
{
    int64_t taps = c->kernel[0] * c->kernel[1], k = c->group_in, group = c->scale_group, of_tap = 0;
    if (c->depthwise) {
        group = k = taps;
        taps = 1;
    } else if (c->tap_scales) {
        of_tap = (k + group - 1) / group * TILE_PANEL;
    }
    int64_t numbers[] = {taps, of_tap, k, group, TILE_CODES_AHEAD};
    adze_ir_value *args[9] = {to, tile_view(t, c->weights, at), tile_view(t, c->scales, at)};
    for (uint32_t i = 0; i < 5; i++) args[3 + i] = adze_build_index(&t->b, numbers[i]);
    if (c->zeros) args[8] = tile_view(t, c->zeros, at);
    tile_call(t, adze_internf(t->context, "widen_%s", tile_codes_name(t, c)), args, c->zeros ? 9 : 8);
}

void tile_widen_block(tile *t, contraction *c, const adze_dim *group, const adze_dim *panel, int64_t vectors)
{
    const adze_dim *zero = tile_dim(t, 0);
    const adze_dim *rows = adze_dim_mul(t->context, c->t0, adze_dim_mul(t->context, c->t1, c->k));
    if (c->depthwise) rows = tile_dim(t, c->kernel[0] * c->kernel[1]);
    if (c->integer) rows = adze_type_dim(adze_value_type(c->weights), 2);
    const adze_dim *dims[] = {tile_dim(t, 1), tile_dim(t, vectors), rows,
                              tile_dim(t, c->integer ? TILE_PANEL * TILE_INTERLEAVE : TILE_PANEL)};
    c->wide = tile_scratch(t, c->integer ? ADZE_DTYPE_i8 : ADZE_DTYPE_f32, 4, dims);
    for (int64_t v = 0; v < (c->integer ? 1 : vectors); v++) {
        const adze_dim *from[] = {group, adze_dim_add_const(t->context, panel, v), zero, zero};
        const adze_dim *to[] = {zero, tile_dim(t, v), zero, zero};
        adze_ir_value *wide = tile_view(t, c->wide, to);
        if (!c->integer) {
            widen_floats(t, c, from, wide);
            continue;
        }
        adze_ir_value *args[] = {wide, tile_view(t, c->weights, from),
                                 tile_index(t, adze_dim_mul_const(t->context, rows, vectors)),
                                 adze_build_index(&t->b, TILE_CODES_AHEAD)};
        tile_call(t, "widen_s8q4", args, 4);
    }
}
