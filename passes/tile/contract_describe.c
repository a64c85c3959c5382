/* tile: what a contraction is, as the micro-kernels want it: rows, columns, taps and their strides. */
#include "passes/tile/contract.h"

#include <adze/ops_attrs.h>
#include <adze/window.h>

#include <string.h>

static bool const_dim(const adze_type *type, uint32_t axis, int64_t *out)
{
    return adze_dim_is_const(adze_type_dim(type, axis), out);
}

/* Windows of a convolution along its spatial axes; false where a number of them is not known. */
static bool conv_windows(const adze_op *op, adze_window *out)
{
    const adze_type *x = adze_value_type(adze_op_operand(op, 0)), *w = adze_value_type(adze_op_operand(op, 1));
    return adze_windows(op, adze_type_rank(x) - 2, adze_type_dims(x) + 2, adze_type_dims(w) + 2, out);
}

bool tile_conv_pads(const adze_op *op, uint32_t spatial, int64_t *pads)
{
    adze_window window[ADZE_MAX_RANK];
    const adze_type *x = adze_value_type(adze_op_operand(op, 0));
    if (!adze_type_is_ranked(x) || adze_type_rank(x) != spatial + 2 || !conv_windows(op, window)) return false;
    for (uint32_t i = 0; i < spatial; i++)
        if (!adze_dim_is_const(window[i].before, &pads[i]) || !adze_dim_is_const(window[i].after, &pads[spatial + i]))
            return false;
    return true;
}

bool tile_taps_run_on(const adze_op *root, const adze_type *data)
{
    const adze_dim *stride[ADZE_MAX_RANK];
    uint32_t rank = adze_type_rank(data);
    int64_t channels;
    adze_ints dilations = adze_op_attr_ints(root, "dilations");
    if (adze_op_attr_int(root, "group") != 1 || rank < 3 || !const_dim(data, 1, &channels)) return false;
    if (dilations.count && dilations.data[dilations.count - 1] != 1) return false;
    adze_layout_strides(data, stride);
    return adze_dim_is_value(stride[rank - 1], channels);
}

/* Axes of a window that micro-kernels step over, outermost first, without those of one tap. They have two loops of
 * taps; taps that run on are part of the sum inside. */
static uint32_t tap_loops(const adze_op *root, uint32_t spatial, bool run_on, uint32_t *out)
{
    const adze_type *w = adze_value_type(adze_op_operand(root, 1));
    uint32_t n = 0;
    for (uint32_t s = 0; s + (run_on ? 1 : 0) < spatial; s++)
        if (!adze_dim_is_value(adze_type_dim(w, 2 + s), 1)) out[n++] = s;
    return n;
}

bool tile_slides_over_three(const adze_op *root)
{
    const adze_type *x = adze_value_type(adze_op_operand(root, 0)), *w = adze_value_type(adze_op_operand(root, 1));
    const uint32_t spatial = 3;
    int64_t pads[2 * ADZE_MAX_RANK], group = adze_op_attr_int(root, "group"), dim;
    uint32_t loops[ADZE_MAX_RANK];
    if (!adze_type_is_ranked(w) || adze_type_rank(w) != spatial + 2 || !tile_conv_pads(root, spatial, pads))
        return false;
    for (uint32_t i = 0; i < adze_type_rank(w); i++)
        if (!const_dim(w, i, &dim)) return false;
    if (group > 1 && adze_dim_is_value(adze_type_dim(w, 1), 1)) return false; /* that kernel has two axes */
    adze_ints dilations = adze_op_attr_ints(root, "dilations");
    bool run_on = group == 1 && (!dilations.count || dilations.data[spatial - 1] == 1); /* channels last */
    return adze_type_dtype(x) == ADZE_DTYPE_f32 && tap_loops(root, spatial, run_on, loops) <= 2;
}

/* The outermost of three axes: each of its entries is an image, and windows reach over several. */
static bool describe_outer(tile *t, contraction *c, const adze_window *window, const adze_dim *const *stride,
                           bool run_on)
{
    const adze_type *w = adze_value_type(adze_op_operand(c->root, 1));
    uint32_t loops[ADZE_MAX_RANK], n = tap_loops(c->root, 3, run_on, loops);
    int64_t taps, before;
    if (n > 2 || c->integer || !const_dim(w, 2, &taps) || !adze_dim_is_const(window[0].before, &before)) return false;
    c->outer[c->n_outer++] = 2;
    c->slides = true;
    c->outer_stride = window[0].stride;
    c->outer_pad = before;
    c->kernel[0] *= taps;
    c->t0 = c->t1 = tile_dim(t, 1);
    c->s0 = c->s1 = tile_dim(t, 0);
    for (uint32_t i = 0; i < n; i++) {
        *(i ? &c->t1 : &c->t0) = adze_type_dim(w, 2 + loops[i]);
        *(i ? &c->s1 : &c->s0) = adze_dim_mul_const(t->context, stride[2 + loops[i]], window[loops[i]].dilation);
    }
    return true;
}

static bool describe_conv(tile *t, contraction *c)
{
    const adze_op *op = c->root;
    uint32_t rank = adze_type_rank(c->x), spatial = rank - 2;
    const adze_type *w = adze_value_type(adze_op_operand(op, 1));
    adze_window window[ADZE_MAX_RANK];
    int64_t pads[2 * ADZE_MAX_RANK], out, in, channels;
    if (rank < 3 || rank > 5 || !const_dim(w, 0, &out) || !const_dim(w, 1, &in) || !const_dim(c->x, 1, &channels) ||
        !conv_windows(op, window) || !tile_conv_pads(op, spatial, pads))
        return false;
    c->groups = adze_op_attr_int(op, "group");
    c->group_in = in;
    c->channels = out / c->groups;
    c->depthwise = c->groups > 1 && in == 1 && c->channels == 1;
    /* Vectors of channels are read whole. Without a layout this may be a caller's memory, which ends with the last. */
    if (c->depthwise && (spatial > 2 || (c->groups % ADZE_LANES && !adze_type_has_layout(c->x)))) return false;
    c->outer[c->n_outer++] = 0;
    c->channel_axis = 1;
    c->row_axis = spatial > 1 ? (int)rank - 2 : -1;
    c->col_axis = (int)rank - 1;
    for (uint32_t i = 0; i < 2; i++) {
        bool one_row = spatial == 1 && !i;
        uint32_t s = spatial > 1 ? spatial - 2 + i : 0; /* one spatial axis is the column */
        c->kernel[i] = 1;
        if (!one_row && !const_dim(w, 2 + s, &c->kernel[i])) return false;
        c->stride[i] = one_row ? 1 : window[s].stride;
        c->dilation[i] = one_row ? 1 : window[s].dilation;
        c->pad[i] = one_row ? 0 : pads[s];
    }
    const adze_layout *layout = adze_type_layout(c->x);
    const adze_dim *stride[ADZE_MAX_RANK], *zero = tile_dim(t, 0);
    adze_layout_strides(c->x, stride);
    for (uint32_t s = c->x_first ? 1 : 0; s < spatial; s++) /* padding is read from the halo */
        if ((int64_t)layout->halo[2 + s] < pads[s] || (int64_t)layout->halo[2 + s] < pads[spatial + s]) return false;
    if (!adze_dim_is_value(stride[1], 1)) return false; /* channels must be innermost */
    const adze_dim *row = spatial > 1 ? stride[rank - 2] : zero, *col = stride[rank - 1];
    c->stride_row = adze_dim_mul_const(t->context, row, c->stride[0]);
    c->stride_col = adze_dim_mul_const(t->context, col, c->stride[1]);
    c->t0 = tile_dim(t, c->kernel[0]);
    c->s0 = adze_dim_mul_const(t->context, row, c->dilation[0]);
    bool contiguous = tile_taps_run_on(op, c->x);
    c->t1 = tile_dim(t, contiguous || c->depthwise ? 1 : c->kernel[1]);
    c->s1 = contiguous ? zero : adze_dim_mul_const(t->context, col, c->dilation[1]);
    if (spatial == 3 && !describe_outer(t, c, window, stride, contiguous)) return false;
    c->k = tile_dim(t, contiguous ? c->kernel[1] * in : in);
    return true;
}

static bool describe_matmul(tile *t, contraction *c)
{
    const adze_type *w = adze_value_type(adze_op_operand(c->root, 1));
    uint32_t rank = adze_type_rank(c->x);
    bool gemm = adze_op_is(c->root, "gemm");
    int64_t k, n;
    if (rank < 2 || adze_type_rank(w) != 2) return false;
    bool transposed = gemm && adze_op_attr_int(c->root, "transB");
    if (!const_dim(w, transposed ? 1 : 0, &k) || !const_dim(w, transposed ? 0 : 1, &n)) return false;
    if (gemm && adze_op_attr_int(c->root, "transA")) return false;
    const adze_dim *stride[ADZE_MAX_RANK];
    adze_layout_strides(c->x, stride);
    if (!adze_dim_is_value(stride[rank - 1], 1)) return false;
    c->groups = 1;
    c->group_in = k;
    c->channels = n;
    for (uint32_t i = 0; i + 2 < rank; i++) c->outer[c->n_outer++] = i;
    c->row_axis = -1;
    c->col_axis = (int)rank - 2;
    c->channel_axis = (int)rank - 1;
    for (uint32_t i = 0; i < 2; i++) c->kernel[i] = c->stride[i] = c->dilation[i] = 1;
    c->stride_row = tile_dim(t, 0);
    c->stride_col = stride[rank - 2];
    c->t0 = c->t1 = tile_dim(t, 1);
    c->s0 = c->s1 = tile_dim(t, 0);
    c->k = tile_dim(t, k);
    return true;
}

/* Does row i + 1 of an image begin where row i ends? */
static bool rows_follow(tile *t, const adze_type *type)
{
    const adze_dim *stride[ADZE_MAX_RANK];
    uint32_t rank = adze_type_rank(type);
    adze_layout_strides(type, stride);
    return adze_dim_equal(stride[rank - 2], adze_dim_mul(t->context, stride[rank - 1], adze_type_dim(type, rank - 1)));
}

/* Is the operand the same for all pixels, or an image of these dims whose rows follow each other? */
static bool reads_evenly(tile *t, const adze_type *type, const adze_type *image)
{
    uint32_t rank = adze_type_rank(type), last = adze_type_rank(image) - 1;
    if (rank < 2) return !rank || adze_dim_is_value(adze_type_dim(type, 0), 1);
    const adze_dim *rows = adze_type_dim(type, rank - 2), *cols = adze_type_dim(type, rank - 1);
    if (adze_dim_is_value(rows, 1) && adze_dim_is_value(cols, 1)) return true;
    return adze_dim_equal(rows, adze_type_dim(image, last - 1)) && adze_dim_equal(cols, adze_type_dim(image, last)) &&
           rows_follow(t, type);
}

/* A pointwise convolution is a product over pixels, wherever rows end. */
static void choose_line(tile *t, contraction *c)
{
    int64_t rows, cols, line, pixels = 1;
    if (c->row_axis < 0 || c->depthwise || c->x_first || c->y_first || !rows_follow(t, c->x)) return;
    for (uint32_t i = 0; i < 2; i++) pixels *= c->kernel[i] == 1 && c->stride[i] == 1 && c->pad[i] == 0;
    if (pixels != 1 || !adze_dim_is_const(c->rows, &rows) || !adze_dim_is_const(c->cols, &cols) || cols < 1) return;
    if (__builtin_mul_overflow(rows, cols, &line)) return;
    c->line = cols;
    c->even = cols > 1 && rows_follow(t, c->y); /* one column: a dim of 1 may be the image's, or one for all */
    for (uint32_t i = 0; c->even && i < adze_region_num_args(t->region); i++) {
        const adze_ir_value *arg = adze_region_arg(t->region, i);
        bool own = false; /* data, weights, bias: read on their own terms */
        for (uint32_t k = 0; k < adze_op_num_operands(c->root) && adze_value_num_uses(arg) == 1; k++)
            own |= adze_op_operand(c->root, k) == arg;
        if (!own) c->even = reads_evenly(t, adze_value_type(arg), c->y);
    }
    c->cols = tile_dim(t, line);
    c->rows = tile_dim(t, 1);
    c->row_axis = -1;
    c->at.at[c->col_axis - 1] = tile_dim(t, 0);
}

/* False where a dim of the bias is neither 1 nor that of the result: a symbol beside a number may turn out
 * to be 1 or a third number, and only the evaluation looks. */
static bool bias_fits(const contraction *c)
{
    const adze_ir_value *bias = adze_op_operand(c->root, 2);
    const adze_type *of = bias ? adze_value_type(bias) : NULL;
    uint32_t rank = of ? adze_type_rank(of) : 0, whole = adze_type_rank(c->y);
    for (uint32_t d = 0; d < rank; d++) {
        bool conv = adze_op_has_trait(c->root, ADZE_WINDOW);
        uint32_t axis = conv ? (uint32_t)c->channel_axis : whole - rank + d;
        if (!conv && adze_dim_is_value(adze_type_dim(of, d), 1)) continue;
        if (axis >= whole || !adze_dim_equal(adze_type_dim(of, d), adze_type_dim(c->y, axis))) return false;
    }
    return true;
}

/* Pairs of products of constant weights with bytes fit 16 bits: what the `narrow` micro-kernels ask for. */
static bool is_narrow(const adze_ir_value *panels)
{
    const adze_const *constant = adze_value_const(panels);
    adze_dtype dtype = constant ? adze_type_dtype(adze_const_type(constant)) : ADZE_DTYPE_NONE;
    if (dtype != ADZE_DTYPE_i8) return dtype == ADZE_DTYPE_u8; /* codes of 4 bits */
    adze_data *data = adze_const_data(constant);
    const int8_t *w = adze_data_load(data);
    bool narrow = w != NULL;
    for (uint64_t i = 0; narrow && i + 1 < adze_data_size(data); i += 2) {
        int above = (w[i] > 0 ? w[i] : 0) + (w[i + 1] > 0 ? w[i + 1] : 0);
        int below = (w[i] < 0 ? w[i] : 0) + (w[i + 1] < 0 ? w[i + 1] : 0);
        narrow = above <= 128 && below >= -128;
    }
    adze_data_unload(data);
    return narrow;
}

/* The depthwise micro-kernels sum in floats, which is exact for weights of nine bits. */
static bool fits_floats(const adze_ir_value *panels)
{
    const adze_const *constant = adze_value_const(panels);
    if (!constant) return false;
    if (adze_type_dtype(adze_const_type(constant)) == ADZE_DTYPE_i8) return true;
    adze_data *data = adze_const_data(constant);
    const int16_t *w = adze_data_load(data);
    bool fits = w != NULL;
    for (uint64_t i = 0; fits && i < adze_data_size(data) / sizeof *w; i++) fits = w[i] >= -255 && w[i] <= 255;
    adze_data_unload(data);
    return fits;
}

void tile_find_weights(tile *t, contraction *c)
{
    const adze_ir_value *arg = tile_weights_arg(c->root);
    const adze_op *codes = tile_codes(c->root);
    const adze_type *packed = adze_value_type(t->operands[adze_value_index(arg)]);
    bool pairs = adze_type_dtype(packed) == ADZE_DTYPE_u8 && adze_type_rank(packed) == 4;
    c->weights = tile_buffer(t, arg);
    c->weights_at = adze_value_index(arg);
    tile_find_sparse(t, c);
    c->code_bits = pairs ? 4 : codes ? 8 : 0;
    c->scales = codes ? tile_buffer(t, adze_op_operand(codes, 1)) : NULL;
    c->zeros = codes && adze_op_operand(codes, 2) ? tile_buffer(t, adze_op_operand(codes, 2)) : NULL;
}

/* Codes are read by a micro-kernel of their own where there are few rows to share wide ones. */
static void choose_direct(contraction *c)
{
    int64_t cols, block = c->scales ? adze_op_attr_int(tile_codes(c->root), "block_size") : 0;
    c->tap_scales = block != 0;
    c->scale_group = block && block < c->group_in ? block : c->group_in;
    if (!c->scales || adze_op_has_trait(c->root, ADZE_WINDOW)) return;
    int64_t few = c->mr < TILE_FEW_ROWS ? c->mr : TILE_FEW_ROWS; /* one tile */
    if (!adze_dim_is_const(c->cols, &cols))
        c->few_columns = few;
    else
        c->direct = cols <= few;
}

/* Sums of bytes and i8 on tiles, where the target has them and a step of k fills enough of one. */
static bool choose_tiles(tile *t, contraction *c, const adze_ir_value *panels)
{
    int64_t k, rows = adze_target_number(t->run->target, "gemm-i8-tile-rows", 0);
    bool bytes = c->integer && !c->depthwise && adze_type_dtype(adze_value_type(panels)) != ADZE_DTYPE_i16;
    if (!rows || !bytes || !adze_dim_is_const(c->k, &k) || k < TILE_TILES_K) return true;
    if (rows <= TILE_MAX_MR || rows > TILE_MAX_TILE_ROWS) return false;
    c->tiles = true;
    c->mr = rows;
    return true;
}

bool tile_describe(tile *t, contraction *c)
{
    const adze_type *of = adze_value_type(adze_op_result(c->root, 0));
    if (adze_type_rank(of) != adze_type_rank(c->y)) return false;
    c->integer = adze_type_dtype(of) == ADZE_DTYPE_i32;
    tile_find_weights(t, c);
    const adze_ir_value *packed = t->operands[c->weights_at];
    const adze_ir_value *panels = c->masked ? adze_const_value((adze_const *)c->masked) : packed;
    c->narrow = c->integer && is_narrow(panels);
    bool slides = adze_op_has_trait(c->root, ADZE_WINDOW);
    if (!(slides ? describe_conv(t, c) : describe_matmul(t, c)) || !bias_fits(c)) return false;
    if (c->integer && c->depthwise && !fits_floats(panels)) return false;
    const adze_target *target = t->run->target;
    bool sparse = c->kept || c->each;
    c->nr = c->depthwise || sparse ? ADZE_LANES
                                   : adze_target_number(target, c->integer ? "gemm-i8-nr" : "gemm-nr", 16);
    c->mr = c->depthwise ? adze_target_number(target, "dw-mw", 4)
                         : adze_target_number(target, c->integer ? "gemm-i8-mr" : "gemm-mr", c->integer ? 4 : 6);
    if (c->mr < 1 || c->mr > (c->depthwise ? TILE_MAX_PIXELS : TILE_MAX_MR)) return false;
    if ((c->nr != 16 && c->nr != 32) || !choose_tiles(t, c, panels)) return false;
    if (c->each) c->mr = TILE_PIXELS;
    c->at.rank = adze_type_rank(c->y);
    c->cols = adze_type_dim(of, (uint32_t)c->col_axis);
    c->rows = c->row_axis < 0 ? tile_dim(t, 1) : adze_type_dim(of, (uint32_t)c->row_axis);
    choose_line(t, c);
    choose_direct(c);
    int64_t cols;
    bool few = adze_dim_is_const(c->cols, &cols) && cols <= 2 && adze_dim_is_value(c->rows, 1);
    if (few && !c->depthwise && !c->integer && !sparse)
        c->nr = 2 * TILE_PANEL; /* one pass over the weights; registers allow it */
    return true;
}

adze_op *tile_root(const adze_op *kernel, const adze_op *after)
{
    adze_op *op = after ? adze_op_next(after) : adze_region_first(adze_op_region(kernel, 0));
    while (op && !adze_op_has_trait(op, ADZE_CONTRACTION)) op = adze_op_next(op);
    return op;
}

bool tile_has_panels(const adze_op *kernel, const adze_op *root)
{
    adze_ir_value *x = adze_op_operand(root, 0), *w = tile_weights_arg(root);
    if (adze_value_def(w) != ADZE_DEF_ARGUMENT || adze_value_num_uses(w) != 1) return false;
    if (tile_codes(root)) return tile_codes_fit(root);
    adze_dtype data = adze_type_dtype(adze_value_type(x)), weights = adze_type_dtype(adze_value_type(w));
    bool integer = data == ADZE_DTYPE_u8 && (weights == ADZE_DTYPE_i8 || weights == ADZE_DTYPE_i16);
    if (!integer && (data != ADZE_DTYPE_f32 || weights != ADZE_DTYPE_f32)) return false;
    bool slides = adze_op_has_trait(root, ADZE_WINDOW);
    if (!slides && adze_type_rank(adze_value_type(w)) != 2)
        return false; /* a vector, or a matrix a place of the batch */
    bool constant = adze_value_const(adze_op_operand(kernel, adze_value_index(w)));
    return adze_type_is_ranked(adze_value_type(x)) && (constant || slides);
}

static bool same_ints(adze_ints a, adze_ints b)
{
    return a.count == b.count && (!a.count || !memcmp(a.data, b.data, a.count * sizeof *a.data));
}

static bool same_form(const adze_op *pack, const adze_slot *a, const adze_slot *b)
{
    if (adze_op_is(pack, "pack_masked")) return true;
    if (adze_op_is(pack, "pack_kept")) {
        const struct adze_pack_kept_attrs *x = (const void *)a, *y = (const void *)b;
        return x->group == y->group && x->width == y->width && same_ints(x->steps, y->steps) &&
               !strcmp(x->form.data, y->form.data);
    }
    const struct adze_pack_panels_attrs *x = (const void *)a, *y = (const void *)b;
    return x->group == y->group && x->width == y->width && x->interleave == y->interleave && x->run == y->run &&
           x->bits == y->bits && !strcmp(x->form.data, y->form.data);
}

static bool is_packed(const adze_const *packed, const adze_op *pack, const adze_const *source)
{
    const adze_op_row *row;
    const adze_slot *slots;
    adze_const *const *inputs;
    uint32_t n;
    if (!adze_data_is_derived(adze_const_data(packed), &row, &slots, &inputs, &n)) return false;
    return row == adze_op_get_row(pack) && n == 1 && inputs[0] == source && same_form(pack, slots, adze_op_attrs(pack));
}

/* The constant that holds the result of `pack`: weights that several forms read have several. */
static adze_const *packed_constant(tile *t, const adze_op *pack, adze_const *source)
{
    const adze_type *type = adze_value_type(adze_op_result(pack, 0));
    const char *suffix = adze_op_is(pack, "pack_panels") ? "panels" : "kept";
    const char *first = adze_internf(t->context, "%s.%s", adze_const_name(source), suffix), *name = first;
    adze_const *packed;
    for (uint32_t i = 1; (packed = adze_module_find_const(t->module, name)) && !is_packed(packed, pack, source); i++)
        name = adze_internf(t->context, "%s_%u", first, i);
    if (packed) return packed;
    adze_data *data = adze_data_derived(t->context, adze_op_get_row(pack), adze_op_attrs(pack), &source, 1, type);
    return adze_module_add_const(t->module, name, type, data);
}

/* `pack`, or the same op that another level of the kernel put there. */
static adze_ir_value *packed_at_run_time(adze_op *pack)
{
    adze_op *op = adze_op_prev(pack);
    for (; op && adze_op_get_row(op) == adze_op_get_row(pack); op = adze_op_prev(op)) {
        if (adze_op_operand(op, 0) != adze_op_operand(pack, 0) ||
            !same_form(pack, adze_op_attrs(op), adze_op_attrs(pack)))
            continue;
        adze_op_erase(pack);
        return adze_op_result(op, 0);
    }
    return adze_op_result(pack, 0);
}

static adze_ir_value *pack(tile *t, const char *name, adze_ir_value *weights, const adze_attr *attrs, uint32_t n)
{
    adze_builder at = adze_builder_before(t->kernel);
    adze_op *op = adze_build(&at, name, &weights, 1, attrs, n, NULL, 1);
    if (!op) return NULL;
    adze_const *source = adze_value_const(weights);
    if (!source) return packed_at_run_time(op);
    adze_const *packed = packed_constant(t, op, source);
    adze_op_erase(op);
    return packed ? adze_const_value(packed) : NULL;
}

static const char *form_of(const adze_op *root)
{
    if (adze_op_has_trait(root, ADZE_WINDOW)) return "conv";
    return adze_op_is(root, "gemm") && adze_op_attr_int(root, "transB") ? "nk" : "kn";
}

static bool depthwise(const adze_op *root, const adze_type *w)
{
    int64_t group = *form_of(root) == 'c' ? adze_op_attr_int(root, "group") : 1;
    return group > 1 && adze_dim_is_value(adze_type_dim(w, 1), 1) && adze_dim_is_value(adze_type_dim(w, 0), group);
}

/* Rows of 4-bit codes must not straddle groups of scales. */
static bool packs_in_4_bits(const adze_op *root, const adze_ir_value *weights)
{
    const adze_op *codes = tile_codes(root);
    const adze_type *type = adze_value_type(weights);
    int64_t block = codes ? adze_op_attr_int(codes, "block_size") : 0;
    if (depthwise(root, type)) return false;
    if (adze_type_dtype(type) == ADZE_DTYPE_i4) return true;
    return adze_value_const(weights) && block % TILE_CODE_ROW == 0 && tile_fits_4_bits(adze_value_const(weights));
}

static adze_ir_value *pack_kept(tile *t, const adze_op *root, adze_ir_value *weights, const tile_kept *kept)
{
    int64_t group = *form_of(root) == 'c' ? adze_op_attr_int(root, "group") : 1;
    adze_attr attrs[] = {adze_attr_str("form", form_of(root)), adze_attr_int("width", kept->width),
                         adze_attr_int("group", group), adze_attr_int("rows", kept->rows),
                         adze_attr_ints("steps", kept->steps, kept->n_steps)};
    return pack(t, "pack_kept", weights, attrs, kept->n_steps ? 5 : 4);
}

static adze_ir_value *pack_dense(tile *t, adze_op *root, adze_ir_value *weights)
{
    const adze_type *w = adze_value_type(weights);
    const char *form = form_of(root);
    bool four = packs_in_4_bits(root, weights), real = tile_codes(root) || adze_type_dtype(w) == ADZE_DTYPE_f32;
    int64_t group = 1, run = 1, interleave = !real ? TILE_INTERLEAVE : four ? TILE_CODE_ROW : 1;
    if (depthwise(root, w))
        interleave = 1;
    else if (*form == 'c')
        group = adze_op_attr_int(root, "group");
    if (*form == 'c' && !real && interleave > 1 && tile_taps_run_on(root, adze_value_type(adze_op_operand(root, 0))))
        const_dim(w, adze_type_rank(w) - 1, &run);
    adze_attr attrs[] = {adze_attr_str("form", form),     adze_attr_int("width", TILE_PANEL),
                         adze_attr_int("group", group),   adze_attr_int("interleave", interleave),
                         adze_attr_int("run", run),       adze_attr_int("bits", 4)};
    return pack(t, "pack_panels", weights, attrs, four ? 6 : 5);
}

adze_ir_value *tile_pack(tile *t, adze_op *root, adze_ir_value *weights)
{
    tile_kept kept;
    if (tile_choose_kept(t, root, weights, &kept)) return pack_kept(t, root, weights, &kept);
    adze_ir_value *panels = pack_dense(t, root, weights);
    adze_const *constant = panels && !depthwise(root, adze_value_type(weights)) ? adze_value_const(panels) : NULL;
    int64_t n = constant ? tile_choose_masked(t, root, constant) : -1;
    adze_attr attr = adze_attr_int("kept", n);
    return n < 0 ? panels : pack(t, "pack_masked", panels, &attr, 1);
}

adze_ir_value *tile_pack_scales(tile *t, adze_op *root, adze_ir_value *scales)
{
    bool one = !adze_op_attr_int(tile_codes(root), "block_size");
    bool grouped = *form_of(root) == 'c' && !depthwise(root, adze_value_type(tile_weights_arg(root)));
    adze_attr attrs[] = {adze_attr_str("form", one ? "n" : form_of(root)), adze_attr_int("width", TILE_PANEL),
                         adze_attr_int("group", grouped ? adze_op_attr_int(root, "group") : 1)};
    return pack(t, "pack_panels", scales, attrs, 3);
}
