/* tile: contractions with constant weights (matmul, gemm, conv) around the micro-kernels, with whatever
 * elementwise ops follow as the epilogue of each tile.
 *
 * The weights are packed into panels of 32 columns when the artifact is written. The space is outer
 * positions x groups x rows x columns x output channels; a tile is `mr` columns (or a few short rows) by
 * `nr` channels. Chunks are blocks of tiles that keep their input in the L2 cache, or groups of panels
 * where the weights are the larger part.
 */
#include "passes/tile/tile.h"

#include <string.h>

enum { PANEL = 32, MAX_MR = 14, MAX_CHUNKS = 16, CHUNK_FLOPS = 4000000 };

typedef struct contract {
    adze_op *root;
    const adze_type *x, *y;
    adze_ir_value *input, *weights; /* buffers */
    bool depthwise;
    uint32_t outer[ADZE_MAX_RANK], n_outer; /* logical axes of the result that are looped over one by one */
    int row_axis, col_axis, channel_axis;   /* of the result; row_axis -1 = one row */
    const adze_dim *rows, *cols;
    int64_t groups, group_in, channels;   /* channels: of one group's output */
    int64_t kernel[2], stride[2], dilation[2], pad[2];
    const adze_dim *stride_row, *stride_col; /* input elements between rows and columns of the result */
    const adze_dim *t0, *s0, *t1, *s1, *k;
    int64_t mr, nr;
    adze_ir_value *yielded;
    tile_point at; /* of the result; channel entry is the lane axis */
} contract;

/* ---- What the contraction is ---- */

static bool const_dim(const adze_type *type, uint32_t axis, int64_t *out)
{
    return adze_dim_is_const(adze_type_dim(type, axis), out);
}

bool tile_conv_pads(const adze_op *op, uint32_t spatial, int64_t *pads)
{
    const char *mode = adze_op_attr_str(op, "auto_pad");
    adze_ints given = adze_op_attr_ints(op, "pads");
    if (!strcmp(mode, "VALID")) given.count = 0;
    for (uint32_t i = 0; i < 2 * spatial; i++) pads[i] = i < given.count ? given.data[i] : 0;
    if (!strcmp(mode, "NOTSET") || !strcmp(mode, "VALID")) return true;
    adze_ints strides = adze_op_attr_ints(op, "strides"), dilations = adze_op_attr_ints(op, "dilations");
    const adze_type *x = adze_value_type(adze_op_operand(op, 0)), *w = adze_value_type(adze_op_operand(op, 1));
    for (uint32_t i = 0; i < spatial; i++) {
        int64_t n, k, s = i < strides.count ? strides.data[i] : 1, d = i < dilations.count ? dilations.data[i] : 1;
        if (!const_dim(x, 2 + i, &n) || !const_dim(w, 2 + i, &k)) return false;
        int64_t total = ((n + s - 1) / s - 1) * s + (k - 1) * d + 1 - n;
        if (total < 0) total = 0;
        bool upper = !strcmp(mode, "SAME_UPPER");
        pads[i] = upper ? total / 2 : total - total / 2;
        pads[spatial + i] = total - pads[i];
    }
    return true;
}

static bool describe_conv(tile *t, contract *c)
{
    const adze_op *op = c->root;
    uint32_t rank = adze_type_rank(c->x), spatial = rank - 2;
    const adze_type *w = adze_value_type(adze_op_operand(op, 1));
    int64_t pads[2 * ADZE_MAX_RANK], out, in, channels;
    if (rank < 3 || rank > 4 || !const_dim(w, 0, &out) || !const_dim(w, 1, &in) || !const_dim(c->x, 1, &channels) ||
        !tile_conv_pads(op, spatial, pads))
        return false;
    adze_ints strides = adze_op_attr_ints(op, "strides"), dilations = adze_op_attr_ints(op, "dilations");
    c->groups = adze_op_attr_int(op, "group");
    c->group_in = in;
    c->channels = out / c->groups;
    c->depthwise = c->groups > 1 && in == 1 && c->channels == 1;
    c->outer[0] = 0;
    c->n_outer = 1;
    c->channel_axis = 1;
    c->row_axis = spatial == 2 ? 2 : -1;
    c->col_axis = (int)rank - 1;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t s = spatial == 2 ? i : 0; /* one spatial axis is the column */
        bool one_row = spatial == 1 && !i;
        c->kernel[i] = 1;
        if (!one_row && !const_dim(w, 2 + s, &c->kernel[i])) return false;
        c->stride[i] = !one_row && s < strides.count ? strides.data[s] : 1;
        c->dilation[i] = !one_row && s < dilations.count ? dilations.data[s] : 1;
        c->pad[i] = one_row ? 0 : pads[s];
    }
    const adze_layout *layout = adze_type_layout(c->x);
    const adze_dim *stride[ADZE_MAX_RANK], *zero = tile_dim(t, 0);
    adze_layout_strides(c->x, stride);
    for (uint32_t s = 0; s < spatial; s++) /* padding is read from the halo */
        if ((int64_t)layout->halo[2 + s] < pads[s] || (int64_t)layout->halo[2 + s] < pads[spatial + s]) return false;
    if (!adze_dim_is_value(stride[1], 1)) return false; /* channels must be innermost */
    const adze_dim *row = spatial == 2 ? stride[2] : zero, *col = stride[rank - 1];
    c->stride_row = adze_dim_mul_const(t->context, row, c->stride[0]);
    c->stride_col = adze_dim_mul_const(t->context, col, c->stride[1]);
    c->t0 = tile_dim(t, c->kernel[0]);
    c->s0 = adze_dim_mul_const(t->context, row, c->dilation[0]);
    bool contiguous = c->groups == 1 && c->dilation[1] == 1 && adze_dim_is_value(col, channels);
    c->t1 = tile_dim(t, contiguous || c->depthwise ? 1 : c->kernel[1]);
    c->s1 = contiguous ? zero : adze_dim_mul_const(t->context, col, c->dilation[1]);
    c->k = tile_dim(t, contiguous ? c->kernel[1] * in : in);
    return true;
}

static bool describe_matmul(tile *t, contract *c)
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

static adze_op *find_root(const adze_region *region)
{
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op))
        if (adze_op_has_trait(op, ADZE_CONTRACTION)) return op;
    return NULL;
}

/* The weights are a constant operand of the kernel, the data an argument; both f32. */
adze_op *tile_root(const adze_op *kernel)
{
    adze_op *root = find_root(adze_op_region(kernel, 0));
    if (!root) return NULL;
    adze_ir_value *x = adze_op_operand(root, 0), *w = adze_op_operand(root, 1);
    if (adze_value_def(x) != ADZE_DEF_ARGUMENT || adze_value_def(w) != ADZE_DEF_ARGUMENT) return NULL;
    if (adze_type_dtype(adze_value_type(x)) != ADZE_DTYPE_f32 || adze_type_dtype(adze_value_type(w)) != ADZE_DTYPE_f32)
        return NULL;
    if (!adze_type_is_ranked(adze_value_type(x)) || adze_value_num_uses(w) != 1) return NULL;
    return adze_value_const(adze_op_operand(kernel, adze_value_index(w))) ? root : NULL;
}

adze_ir_value *tile_pack(tile *t, adze_op *root, adze_ir_value *weights)
{
    const char *form = adze_op_is(root, "conv")                                                 ? "conv"
                       : adze_op_is(root, "gemm") && adze_op_attr_int(root, "transB") ? "nk"
                                                                                                : "kn";
    int64_t group = 1, in = 0;
    if (*form == 'c') {
        group = adze_op_attr_int(root, "group");
        const_dim(adze_value_type(weights), 1, &in);
        int64_t out;
        if (in == 1 && const_dim(adze_value_type(weights), 0, &out) && out == group) group = 1; /* depthwise */
    }
    adze_attr attrs[] = {adze_attr_str("form", form), adze_attr_int("width", PANEL), adze_attr_int("group", group)};
    adze_builder at = adze_builder_before(t->kernel);
    adze_op *pack = adze_build(&at, "pack_panels", &weights, 1, attrs, 3, NULL, 1);
    if (!pack) return NULL;
    adze_const *source = adze_value_const(weights);
    const adze_type *type = adze_value_type(adze_op_result(pack, 0));
    const char *name = adze_internf(t->context, "%s.panels", adze_const_name(source));
    adze_const *packed = adze_module_find_const(t->module, name);
    if (!packed)
        packed = adze_module_add_const(
            t->module, name, type,
            adze_data_derived(t->context, adze_op_get_row(pack), adze_op_attrs(pack), &source, 1, type));
    adze_op_erase(pack);
    return packed ? adze_const_value(packed) : NULL;
}

/* ---- A tile: micro-kernel and epilogue ---- */

static adze_ir_value *scratch(tile *t, int64_t rows, int64_t cols)
{
    const adze_dim *dims[] = {tile_dim(t, rows), tile_dim(t, cols)};
    const adze_type *type = adze_type_buffer(t->context, ADZE_DTYPE_f32, 2, dims, NULL, 64, 0);
    return adze_op_result(adze_build(&t->b, "scratch", NULL, 0, NULL, 0, &type, 1), 0);
}

static adze_ir_value *view(tile *t, adze_ir_value *buffer, const adze_dim *const *at)
{
    const adze_type *type = adze_value_type(buffer);
    uint32_t rank = adze_type_rank(type);
    adze_ir_value *operands[ADZE_MAX_RANK + 1] = {buffer};
    for (uint32_t i = 0; i < rank; i++) operands[i + 1] = tile_index(t, at[i]);
    return adze_op_result(adze_build(&t->b, "subview", operands, rank + 1, NULL, 0, &type, 1), 0);
}

/* Input element that the tile's first column and the first tap read. */
static adze_ir_value *input_view(tile *t, contract *c, const adze_dim *group, const adze_dim *row, const adze_dim *col)
{
    const adze_dim *logical[ADZE_MAX_RANK], *physical[ADZE_MAX_RANK];
    uint32_t rank = adze_type_rank(c->x);
    const adze_layout *layout = adze_type_layout(c->x);
    for (uint32_t i = 0; i < c->n_outer; i++) logical[c->outer[i]] = c->at.at[c->outer[i]];
    if (c->row_axis >= 0)
        logical[c->row_axis] =
            adze_dim_add_const(t->context, adze_dim_mul_const(t->context, row, c->stride[0]), -c->pad[0]);
    logical[c->col_axis] =
        adze_dim_add_const(t->context, adze_dim_mul_const(t->context, col, c->stride[1]), -c->pad[1]);
    logical[c->channel_axis] = adze_dim_mul_const(t->context, group, c->depthwise ? 1 : c->group_in);
    for (uint32_t i = 0; i < rank; i++) physical[i] = logical[layout->has_perm ? layout->perm[i] : i];
    return view(t, c->input, physical);
}

typedef struct piece {
    const adze_dim *group, *row, *col; /* of the first element */
    const adze_dim *channel;           /* first output channel inside the group */
    int64_t mr, cols;                  /* elements of the tile; columns a row of it */
    bool partial;                      /* the channels may end inside the tile */
} piece;

static void call(tile *t, contract *c, const piece *p, adze_ir_value *acc)
{
    const adze_dim *panel = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, p->channel, tile_dim(t, PANEL));
    const adze_dim *inside = adze_dim_binary(t->context, ADZE_DIM_MOD, p->channel, tile_dim(t, PANEL));
    const adze_dim *at[] = {c->depthwise ? tile_dim(t, 0) : p->group, panel, tile_dim(t, 0), inside};
    adze_ir_value *b = view(t, c->weights, at);
    adze_ir_value *a = input_view(t, c, c->depthwise ? p->channel : p->group, p->row, p->col);
    adze_ir_value *args[11] = {acc, a};
    uint32_t n = 2;
    const char *name;
    if (c->depthwise) {
        name = adze_internf(t->context, "dw_f32_%d", (int)p->mr);
        args[n++] = tile_index(t, c->stride_col);
        args[n++] = b;
        const adze_dim *rest[] = {tile_dim(t, PANEL), tile_dim(t, c->kernel[0]), c->s0, tile_dim(t, c->kernel[1]), c->s1};
        for (uint32_t i = 0; i < 5; i++) args[n++] = tile_index(t, rest[i]);
    } else {
        name = adze_internf(t->context, "gemm_f32_%dx%d", (int)p->mr, (int)c->nr);
        args[n++] = tile_index(t, tile_dim(t, p->cols));
        args[n++] = tile_index(t, c->stride_col);
        args[n++] = tile_index(t, c->stride_row);
        args[n++] = b;
        const adze_dim *rest[] = {c->t0, c->s0, c->t1, c->s1, c->k};
        for (uint32_t i = 0; i < 5; i++) args[n++] = tile_index(t, rest[i]);
    }
    adze_attr attr = adze_attr_str("name", name);
    adze_build(&t->b, "ukernel", args, n, &attr, 1, NULL, 0);
}

/* Lanes `v` of element `m` of the tile: accumulator, following ops, store. */
static void finish(tile *t, contract *c, const piece *p, adze_ir_value *acc, const adze_dim *m, const adze_dim *v)
{
    const adze_dim *first = adze_dim_add(t->context, p->channel, adze_dim_mul_const(t->context, v, ADZE_LANES));
    const adze_dim *base = c->depthwise ? first
                                        : adze_dim_add(t->context, first,
                                                       adze_dim_mul_const(t->context, p->group, c->channels));
    uint32_t lane = tile_axis(t, tile_index(t, base), adze_dim_unknown(t->context));
    uint32_t n_memo = t->n_memo;
    t->lane = (int)lane;
    t->mask = NULL;
    int64_t channels = c->depthwise ? c->groups : c->channels;
    if (p->partial) {
        adze_ir_value *left = tile_index(t, adze_dim_sub(t->context, tile_dim(t, channels), first));
        t->mask = adze_build1(&t->b, "mask", &left, 1, NULL, 0);
    }
    adze_ir_value *load[] = {acc, NULL, tile_index(t, m), tile_index(t, adze_dim_mul_const(t->context, v, ADZE_LANES))};
    const adze_type *type = adze_type_vector(t->context, ADZE_DTYPE_f32);
    adze_ir_value *sum = adze_op_result(adze_build(&t->b, "load", load, 4, NULL, 0, &type, 1), 0);
    bool one_row = p->mr == p->cols;
    if (c->row_axis >= 0)
        c->at.at[c->row_axis] = one_row ? p->row
                                        : adze_dim_add(t->context, p->row,
                                                       adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, m, tile_dim(t, p->cols)));
    c->at.at[c->col_axis] = adze_dim_add(
        t->context, p->col, one_row ? m : adze_dim_binary(t->context, ADZE_DIM_MOD, m, tile_dim(t, p->cols)));
    c->at.at[c->channel_axis] = adze_dim_axis(t->context, lane);
    if (adze_op_is(c->root, "gemm") && adze_op_attr_float(c->root, "alpha") != 1)
        sum = tile_op2(t, "mul", sum, tile_lit(t, ADZE_DTYPE_f32, adze_op_attr_float(c->root, "alpha")));
    adze_ir_value *bias = adze_op_operand(c->root, 2);
    if (bias) {
        const adze_type *of = adze_value_type(bias);
        tile_point at = {.rank = adze_type_rank(of)};
        for (uint32_t d = 0; d < at.rank; d++)
            at.at[d] = adze_op_is(c->root, "conv") ? c->at.at[c->channel_axis]
                       : adze_dim_is_value(adze_type_dim(of, d), 1)
                           ? tile_dim(t, 0)
                           : c->at.at[c->at.rank - at.rank + d];
        adze_ir_value *value = tile_value(t, bias, &at);
        if (adze_op_is(c->root, "gemm") && adze_op_attr_float(c->root, "beta") != 1)
            value = tile_op2(t, "mul", value, tile_lit(t, ADZE_DTYPE_f32, adze_op_attr_float(c->root, "beta")));
        sum = tile_op2(t, "add", sum, value);
    }
    tile_remember(t, (tile_memo){.value = adze_op_result(c->root, 0), .point = c->at, .axis = -1, .result = sum});
    tile_store(t, tile_value(t, c->yielded, &c->at), tile_result(t, 0), c->y, &c->at);
    t->n_memo = n_memo;
    t->lane = -1;
    t->mask = NULL;
}

static void emit_piece(tile *t, contract *c, const piece *p)
{
    adze_ir_value *acc = scratch(t, p->mr, c->nr);
    call(t, c, p, acc);
    int64_t vectors = c->nr / ADZE_LANES;
    int64_t channels = c->depthwise ? c->groups : c->channels;
    if (p->partial && channels % c->nr && channels % c->nr <= ADZE_LANES) vectors = 1;
    adze_ir_value *zero = adze_build_index(&t->b, 0);
    tile_loop rows = tile_for(t, zero, adze_build_index(&t->b, p->mr), 1, true, NULL, 0);
    t->extents[rows.axis] = tile_dim(t, p->mr);
    const adze_dim *m = adze_dim_axis(t->context, rows.axis);
    if (vectors == 1) {
        finish(t, c, p, acc, m, tile_dim(t, 0));
    } else {
        tile_loop lanes = tile_for(t, adze_build_index(&t->b, 0), adze_build_index(&t->b, vectors), 1, true, NULL, 0);
        t->extents[lanes.axis] = tile_dim(t, vectors);
        finish(t, c, p, acc, m, adze_dim_axis(t->context, lanes.axis));
        tile_end(t, &lanes, NULL, 0);
    }
    tile_end(t, &rows, NULL, 0);
}

/* ---- Columns, rows, channels, chunks ---- */

static const adze_dim *dmin(tile *t, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(t->context, ADZE_DIM_MIN, a, b);
}

static const adze_dim *dmax(tile *t, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(t->context, ADZE_DIM_MAX, a, b);
}

/* for (u = lo; u < hi; u++), left out where it is known to be empty. */
static bool open_units(tile *t, const adze_dim *lo, const adze_dim *hi, tile_loop *loop)
{
    int64_t low, high;
    const adze_dim *count = adze_dim_sub(t->context, hi, lo);
    adze_dim_range(count, t->extents, t->n_axes, &low, &high);
    if (high <= 0) return false;
    *loop = tile_for(t, tile_index(t, lo), tile_index(t, hi), 1, false, NULL, 0);
    return true;
}

/* Tiles `lo` .. `hi` of a line of columns whose length is known: sizes differ by at most one. */
static void known_columns(tile *t, contract *c, piece p, int64_t cols, const adze_dim *lo, const adze_dim *hi)
{
    if (!cols) return;
    int64_t tiles = (cols + c->mr - 1) / c->mr, base = cols / tiles, longer = cols % tiles;
    for (int pass = 0; pass < 2; pass++) {
        tile_loop loop;
        const adze_dim *split = tile_dim(t, longer);
        bool some = pass ? open_units(t, dmax(t, lo, split), hi, &loop) : longer && open_units(t, lo, dmin(t, hi, split), &loop);
        if (!some) continue;
        t->extents[loop.axis] = tile_dim(t, tiles);
        p.mr = p.cols = pass ? base : base + 1;
        p.col = adze_dim_add_const(t->context, adze_dim_mul_const(t->context, adze_dim_axis(t->context, loop.axis), p.mr),
                                   pass ? longer : 0);
        emit_piece(t, c, &p);
        tile_end(t, &loop, NULL, 0);
    }
}

/* The same where it is not: whole tiles, then fours, then ones. */
static void unknown_columns(tile *t, contract *c, piece p, const adze_dim *lo, const adze_dim *hi)
{
    const adze_dim *from = adze_dim_mul_const(t->context, lo, c->mr);
    const adze_dim *to = dmin(t, adze_dim_mul_const(t->context, hi, c->mr), c->cols);
    uint32_t end_axis = tile_axis(t, tile_index(t, to), c->cols), at_axis = tile_axis(t, tile_index(t, from), c->cols);
    const int64_t sizes[] = {c->mr, 4, 1};
    const adze_dim *end = adze_dim_axis(t->context, end_axis), *at = adze_dim_axis(t->context, at_axis);
    for (uint32_t i = 0; i < 3; i++) {
        const adze_dim *size = tile_dim(t, sizes[i]);
        const adze_dim *whole = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, adze_dim_sub(t->context, end, at), size);
        const adze_dim *stop = adze_dim_add(t->context, at, adze_dim_mul(t->context, whole, size));
        uint32_t stop_axis = tile_axis(t, tile_index(t, stop), c->cols);
        tile_loop loop = tile_for(t, tile_index(t, at), t->axes[stop_axis], sizes[i], false, NULL, 0);
        p.mr = p.cols = sizes[i];
        p.col = adze_dim_axis(t->context, loop.axis);
        emit_piece(t, c, &p);
        tile_end(t, &loop, NULL, 0);
        at = adze_dim_axis(t->context, stop_axis);
    }
}

static void columns(tile *t, contract *c, piece p, const adze_dim *lo, const adze_dim *hi)
{
    int64_t cols;
    if (adze_dim_is_const(c->cols, &cols))
        known_columns(t, c, p, cols, lo, hi);
    else
        unknown_columns(t, c, p, lo, hi);
}

/* Rows of a tile: several where they are short and their number is known. */
static int64_t rows_per_tile(const contract *c)
{
    int64_t rows, cols;
    if (c->row_axis < 0 || c->depthwise || !adze_dim_is_const(c->rows, &rows) || !adze_dim_is_const(c->cols, &cols))
        return 1;
    int64_t fit = cols > 0 ? c->mr / cols : 1;
    return fit < 1 ? 1 : fit > rows ? (rows > 0 ? rows : 1) : fit;
}

static const adze_dim *column_tiles(tile *t, const contract *c)
{
    return adze_dim_binary(t->context, ADZE_DIM_CEILDIV, c->cols, tile_dim(t, c->mr));
}

/* Units are what chunks deal out: tiles of columns, or rows of tiles. */
static const adze_dim *units_of(tile *t, const contract *c)
{
    if (c->row_axis < 0) return column_tiles(t, c);
    return adze_dim_binary(t->context, ADZE_DIM_CEILDIV, c->rows, tile_dim(t, rows_per_tile(c)));
}

static void units(tile *t, contract *c, piece p, const adze_dim *lo, const adze_dim *hi)
{
    int64_t per_tile = rows_per_tile(c), rows = 0, cols = 0;
    p.row = p.col = tile_dim(t, 0);
    if (c->row_axis < 0) {
        columns(t, c, p, lo, hi);
        return;
    }
    adze_dim_is_const(c->rows, &rows);
    adze_dim_is_const(c->cols, &cols);
    const adze_dim *whole = per_tile > 1 ? tile_dim(t, rows / per_tile) : hi;
    for (int pass = 0; pass < (per_tile > 1 ? 2 : 1); pass++) {
        tile_loop loop;
        if (!open_units(t, pass ? dmax(t, lo, whole) : lo, pass ? hi : dmin(t, hi, whole), &loop)) continue;
        t->extents[loop.axis] = units_of(t, c);
        p.row = adze_dim_mul_const(t->context, adze_dim_axis(t->context, loop.axis), per_tile);
        if (per_tile > 1) {
            p.cols = cols;
            p.mr = cols * (pass ? rows % per_tile : per_tile);
            if (p.mr) emit_piece(t, c, &p);
        } else {
            columns(t, c, p, tile_dim(t, 0), column_tiles(t, c));
        }
        tile_end(t, &loop, NULL, 0);
    }
}

/* Blocks `lo` .. `hi` of nr channels of a group, the last one possibly cut. */
static void channel_blocks(tile *t, contract *c, piece p, const adze_dim *lo, const adze_dim *hi,
                           const adze_dim *unit_lo, const adze_dim *unit_hi)
{
    int64_t channels = c->depthwise ? c->groups : c->channels;
    const adze_dim *whole = tile_dim(t, channels / c->nr);
    for (int pass = 0; pass < 2; pass++) {
        tile_loop loop;
        if (pass && channels % c->nr == 0) continue;
        if (!open_units(t, pass ? dmax(t, lo, whole) : lo, pass ? hi : dmin(t, hi, whole), &loop)) continue;
        t->extents[loop.axis] = tile_dim(t, (channels + c->nr - 1) / c->nr);
        p.channel = adze_dim_mul_const(t->context, adze_dim_axis(t->context, loop.axis), c->nr);
        p.partial = pass;
        units(t, c, p, unit_lo, unit_hi);
        tile_end(t, &loop, NULL, 0);
    }
}

typedef struct grid {
    int64_t unit_block, channel_block; /* units and channel blocks of one chunk */
    const adze_dim *n_unit_blocks;
    int64_t n_channel_blocks;
} grid;

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Sizes of chunks: input of a block within half the L2, and enough chunks to share, not more. */
static grid plan_grid(tile *t, contract *c, const adze_dim *n_units, const adze_dim *n_outer)
{
    int64_t channels = c->depthwise ? c->groups : c->channels, blocks = ceil_div(channels, c->nr);
    int64_t n, rows = 1, cols, k, outer = 1;
    grid g = {.unit_block = 4, .channel_block = blocks, .n_channel_blocks = 1};
    adze_dim_is_const(n_outer, &outer);
    bool known = adze_dim_is_const(n_units, &n) && adze_dim_is_const(c->cols, &cols) && n > 0 && cols > 0;
    if (known && (c->row_axis < 0 || adze_dim_is_const(c->rows, &rows))) {
        adze_dim_is_const(c->k, &k);
        double taps = (double)c->kernel[0] * (c->depthwise || !adze_dim_is_value(c->t1, 1) ? (double)c->kernel[1] : 1);
        double flops = 2.0 * (double)rows * (double)cols * (double)channels * taps * (double)k;
        int64_t wanted = (int64_t)(flops * (double)(c->groups * outer) / (double)CHUNK_FLOPS);
        wanted = wanted < 1 ? 1 : wanted > MAX_CHUNKS ? MAX_CHUNKS : wanted;
        int64_t share = ceil_div(wanted, outer * (c->depthwise ? 1 : c->groups));
        double in_bytes = 4.0 * (double)(rows * cols) * (double)(c->stride[0] * c->stride[1]) * (double)c->group_in;
        double w_bytes = 4.0 * (double)channels * taps * (double)k;
        int64_t fit = (int64_t)ceil_div((int64_t)(2 * in_bytes), adze_target_number(t->run->target, "l2", 1 << 20));
        int64_t unit_blocks = fit < 1 ? 1 : fit;
        if (c->depthwise || in_bytes >= w_bytes)
            unit_blocks = unit_blocks > share ? unit_blocks : share;
        else if (share > unit_blocks)
            g.n_channel_blocks = ceil_div(share, unit_blocks);
        if (unit_blocks > n) unit_blocks = n;
        if (g.n_channel_blocks > blocks) g.n_channel_blocks = blocks;
        g.unit_block = ceil_div(n, unit_blocks);
        g.channel_block = ceil_div(blocks, g.n_channel_blocks);
        g.n_channel_blocks = ceil_div(blocks, g.channel_block);
    }
    g.n_unit_blocks = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, n_units, tile_dim(t, g.unit_block));
    return g;
}

/* Takes the innermost factor off a chunk's number; binds it to an axis. */
static const adze_dim *digit(tile *t, const adze_dim **rest, const adze_dim *extent)
{
    if (adze_dim_is_value(extent, 1)) return tile_dim(t, 0);
    const adze_dim *d = adze_dim_binary(t->context, ADZE_DIM_MOD, *rest, extent);
    *rest = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, *rest, extent);
    return adze_dim_axis(t->context, tile_axis(t, tile_index(t, d), extent));
}

static void chunk(tile *t, contract *c, const grid *g, const adze_dim *number, const adze_dim *n_units)
{
    const adze_dim *rest = number;
    int64_t channels = c->depthwise ? c->groups : c->channels;
    const adze_dim *block = digit(t, &rest, tile_dim(t, g->n_channel_blocks));
    const adze_dim *unit = digit(t, &rest, g->n_unit_blocks);
    const adze_dim *group = digit(t, &rest, tile_dim(t, c->depthwise ? 1 : c->groups));
    for (uint32_t i = c->n_outer; i--;)
        c->at.at[c->outer[i]] = digit(t, &rest, adze_type_dim(c->y, c->outer[i]));
    piece p = {.group = group};
    const adze_dim *lo = adze_dim_mul_const(t->context, block, g->channel_block);
    const adze_dim *hi = dmin(t, adze_dim_add_const(t->context, lo, g->channel_block), tile_dim(t, ceil_div(channels, c->nr)));
    const adze_dim *unit_lo = adze_dim_mul_const(t->context, unit, g->unit_block);
    const adze_dim *unit_hi = dmin(t, adze_dim_add_const(t->context, unit_lo, g->unit_block), n_units);
    channel_blocks(t, c, p, lo, hi, unit_lo, unit_hi);
}

bool tile_contract(tile *t)
{
    contract c = {.root = tile_root(t->kernel)};
    if (!c.root || adze_op_num_results(t->kernel) != 1) return false;
    c.x = adze_value_type(adze_op_operand(c.root, 0));
    c.y = adze_value_type(adze_op_result(t->kernel, 0));
    c.input = tile_buffer(t, adze_op_operand(c.root, 0));
    c.weights = tile_buffer(t, adze_op_operand(c.root, 1));
    c.yielded = adze_op_operand(adze_region_last(t->region), 0);
    const adze_type *of = adze_value_type(adze_op_result(c.root, 0));
    if (adze_type_rank(of) != adze_type_rank(c.y)) return false;
    if (!(adze_op_is(c.root, "conv") ? describe_conv(t, &c) : describe_matmul(t, &c))) return false;
    c.nr = c.depthwise ? ADZE_LANES : adze_target_number(t->run->target, "gemm-nr", 16);
    c.mr = c.depthwise ? adze_target_number(t->run->target, "dw-mw", 4) : adze_target_number(t->run->target, "gemm-mr", 6);
    if (c.mr < 1 || c.mr > MAX_MR || (c.nr != 16 && c.nr != 32)) return false;
    c.at.rank = adze_type_rank(c.y);
    c.cols = adze_type_dim(c.y, (uint32_t)c.col_axis);
    c.rows = c.row_axis < 0 ? tile_dim(t, 1) : adze_type_dim(c.y, (uint32_t)c.row_axis);
    tile_zero_halo(t, 0);
    const adze_dim *n_units = units_of(t, &c), *n_outer = tile_dim(t, 1);
    for (uint32_t i = 0; i < c.n_outer; i++)
        n_outer = adze_dim_mul(t->context, n_outer, adze_type_dim(c.y, c.outer[i]));
    grid g = plan_grid(t, &c, n_units, n_outer);
    const adze_dim *chunks = adze_dim_mul(t->context, n_outer, g.n_unit_blocks);
    chunks = adze_dim_mul_const(t->context, chunks, g.n_channel_blocks * (c.depthwise ? 1 : c.groups));
    if (adze_dim_is_value(chunks, 1)) {
        chunk(t, &c, &g, tile_dim(t, 0), n_units);
        return !t->failed;
    }
    tile_loop loop = tile_parallel(t, chunks);
    chunk(t, &c, &g, adze_dim_axis(t->context, loop.axis), n_units);
    tile_end_parallel(t, &loop);
    return !t->failed;
}
