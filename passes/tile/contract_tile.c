/* tile: one tile of a contraction, and the loops over columns, rows and channels that place tiles. */
#include "passes/tile/contract.h"

/* Input element that the tile's first column and the first tap read. */
static adze_ir_value *input_view(tile *t, contraction *c, const adze_dim *group, const adze_dim *row,
                                 const adze_dim *col)
{
    tile_point to = {.rank = adze_type_rank(c->x)};
    for (uint32_t i = 0; i < c->n_outer; i++) to.at[c->outer[i]] = c->x_first ? tile_dim(t, 0) : c->at.at[c->outer[i]];
    if (c->slides) {
        const adze_dim **at = &to.at[c->outer[c->n_outer - 1]];
        *at = adze_dim_add_const(t->context, adze_dim_mul_const(t->context, *at, c->outer_stride), -c->outer_pad);
    }
    if (c->row_axis >= 0) {
        const adze_dim *first =
            adze_dim_add_const(t->context, adze_dim_mul_const(t->context, row, c->stride[0]), -c->pad[0]);
        to.at[c->row_axis] = c->x_first ? adze_dim_sub(t->context, first, c->x_first) : first;
    }
    if (c->line) to.at[c->col_axis - 1] = tile_dim(t, 0);
    to.at[c->col_axis] =
        adze_dim_add_const(t->context, adze_dim_mul_const(t->context, col, c->stride[1]), -c->pad[1]);
    to.at[c->channel_axis] = adze_dim_mul_const(t->context, group, c->depthwise ? 1 : c->group_in);
    return tile_view_at(t, c->input, c->x, &to);
}

typedef struct piece {
    const adze_dim *group, *row, *col; /* of the first element */
    const adze_dim *channel;           /* first output channel inside the group */
    int64_t mr, cols;                  /* elements of the tile; columns a row of it */
    int64_t nr;                        /* channels of the tile */
    const adze_dim *number;            /* of the tile among those of the chunk, where c->each */
    bool partial;                      /* the channels may end inside the tile */
} piece;

/* How far behind the columns of a tile those lie that are read next. What is read once, or would push its own
 * panel out of the L2 cache, is fetched just ahead. */
static const adze_dim *next_panel(tile *t, const contraction *c)
{
    int64_t elements, size = c->integer ? 1 : 4, l2 = adze_target_number(t->run->target, "l2", 1 << 20);
    const adze_dim *four = tile_dim(t, TILE_INTERLEAVE), *k = c->k;
    if (c->integer) k = adze_dim_mul(t->context, adze_dim_binary(t->context, ADZE_DIM_CEILDIV, k, four), four);
    const adze_dim *depth = adze_dim_mul(t->context, c->t0, adze_dim_mul(t->context, c->t1, k));
    const adze_dim *tile_columns = adze_dim_mul_const(t->context, depth, c->nr);
    bool fits = adze_dim_is_const(tile_columns, &elements) && 2 * size * elements < l2 / 4 * 3;
    return fits && !adze_dim_is_value(tile_units(t, c), 1) ? tile_columns : tile_dim(t, TILE_AHEAD);
}

static bool on_tiles(const contraction *c, const piece *p) { return c->tiles && p->mr > TILE_MAX_MR; }

static void multiply(tile *t, contraction *c, const piece *p, adze_ir_value *acc)
{
    const adze_dim *panel = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, p->channel, tile_dim(t, TILE_PANEL));
    const adze_dim *at[] = {c->depthwise ? tile_dim(t, 0) : p->group, panel, tile_dim(t, 0), tile_dim(t, 0)};
    if (c->wide) at[0] = at[1] = tile_dim(t, 0);
    adze_ir_value *b = c->kept || c->each ? NULL : tile_view(t, c->wide ? c->wide : c->weights, at);
    adze_ir_value *a = c->each ? NULL : input_view(t, c, c->depthwise ? p->channel : p->group, p->row, p->col);
    adze_ir_value *args[13] = {acc, a};
    uint32_t n = a ? 2 : 1;
    bool wide = adze_type_dtype(adze_value_type(c->weights)) == ADZE_DTYPE_i16;
    const char *name, *types = !c->integer ? "f32" : wide ? "u8s16" : "u8s8";
    if (c->depthwise) {
        name = adze_internf(t->context, "dw_%s_%d", types, (int)p->mr);
        args[n++] = tile_index(t, c->stride_col);
        args[n++] = b;
        const adze_dim *rest[] = {tile_dim(t, TILE_PANEL), tile_dim(t, c->kernel[0]), c->s0, tile_dim(t, c->kernel[1]),
                                  c->s1};
        for (uint32_t i = 0; i < 5; i++) args[n++] = tile_index(t, rest[i]);
    } else if (c->each) {
        name = "gemm_f32e_x16";
        tile_each_args(t, c, p->group, p->channel, p->number, args, &n);
    } else if (c->kept) {
        name = adze_internf(t->context, "gemm_f32s_%dx%d", (int)p->mr, (int)p->nr);
        args[n++] = tile_index(t, tile_dim(t, p->cols));
        args[n++] = tile_index(t, c->stride_col);
        args[n++] = tile_index(t, c->stride_row);
        tile_kept_args(t, c, p->group, panel, args, &n);
    } else if (c->direct) {
        name = adze_internf(t->context, "gemm_%s_%dx%d", tile_codes_name(t, c), (int)p->mr, (int)p->nr);
        args[n++] = tile_index(t, c->stride_col);
        args[n++] = b;
        args[n++] = tile_view(t, c->scales, at);
        args[n++] = tile_index(t, c->k);
        args[n++] = adze_build_index(&t->b, c->scale_group);
        args[n++] = adze_build_index(&t->b, TILE_CODES_AHEAD);
        if (c->zeros) args[n++] = tile_view(t, c->zeros, at);
    } else {
        const char *narrow = c->narrow ? "_narrow" : "";
        name = adze_internf(t->context, "gemm_%s%s_%dx%d", types, narrow, (int)p->mr, (int)p->nr);
        if (on_tiles(c, p)) {
            name = adze_internf(t->context, "gemm_%s_tiles_x%d", types, (int)p->nr);
            args[n++] = adze_build_index(&t->b, p->mr);
        }
        args[n++] = tile_index(t, tile_dim(t, p->cols));
        args[n++] = tile_index(t, c->stride_col);
        args[n++] = tile_index(t, c->stride_row);
        args[n++] = b;
        const adze_dim *rest[] = {c->t0, c->s0, c->t1, c->s1, c->k};
        for (uint32_t i = 0; i < 5; i++) args[n++] = tile_index(t, rest[i]);
        args[n++] = tile_index(t, next_panel(t, c));
    }
    tile_call(t, name, args, n);
}

/* What the rows of the tile multiply with, for the weights that are left of all columns. */
static void lay_out(tile *t, contraction *c, const piece *p)
{
    const adze_dim *zero = tile_dim(t, 0), *to[] = {p->number, zero, zero};
    const adze_dim *rest[] = {tile_dim(t, p->mr), tile_dim(t, p->cols), c->stride_col, c->stride_row, c->t0,
                              c->s0, c->t1, c->s1, c->k};
    adze_ir_value *args[11] = {tile_view(t, c->pixels, to), input_view(t, c, p->group, p->row, p->col)};
    for (uint32_t i = 0; i < 9; i++) args[2 + i] = tile_index(t, rest[i]);
    tile_call(t, "pack_pixels_f32", args, 11);
}

/* Row and column of element `m` of the tile. */
static void place_columns(tile *t, contraction *c, const piece *p, const adze_dim *m)
{
    adze_context *context = t->context;
    bool one_row = p->mr == p->cols;
    const adze_dim *cols = tile_dim(t, c->line ? c->line : p->cols);
    const adze_dim *col = one_row ? m : adze_dim_binary(context, ADZE_DIM_MOD, m, cols);
    col = adze_dim_add(context, p->col, col);
    if (c->row_axis >= 0)
        c->at.at[c->row_axis] =
            one_row ? p->row : adze_dim_add(context, p->row, adze_dim_binary(context, ADZE_DIM_FLOORDIV, m, cols));
    if (c->line && !c->even) {
        const adze_dim *row = adze_dim_binary(context, ADZE_DIM_FLOORDIV, col, cols);
        c->at.at[c->col_axis - 1] = tile_bind(t, row, adze_dim_unknown(context));
        col = tile_bind(t, adze_dim_binary(context, ADZE_DIM_MOD, col, cols), cols);
    }
    c->at.at[c->col_axis] = col;
}

/* Lanes `v` of element `m` of the tile: accumulator, following ops, store. */
static void finish(tile *t, contraction *c, const piece *p, adze_ir_value *acc, const adze_dim *m, const adze_dim *v)
{
    const adze_dim *first = adze_dim_add(t->context, p->channel, adze_dim_mul_const(t->context, v, ADZE_LANES));
    const adze_dim *base = c->depthwise ? first
                                        : adze_dim_add(t->context, first,
                                                       adze_dim_mul_const(t->context, p->group, c->channels));
    uint32_t lane = tile_axis(t, tile_index(t, base), adze_dim_unknown(t->context));
    uint32_t n_memo = t->n_memo;
    t->lane = (int)lane;
    t->mask = NULL;
    if (p->partial) tile_mask(t, adze_dim_sub(t->context, tile_dim(t, tile_channels(c)), first));
    adze_ir_value *sum = tile_load_lanes(t, acc, m, adze_dim_mul_const(t->context, v, ADZE_LANES));
    place_columns(t, c, p, m);
    c->at.at[c->channel_axis] = adze_dim_axis(t->context, lane);
    if (adze_op_is(c->root, "gemm") && adze_op_attr_float(c->root, "alpha") != 1)
        sum = tile_op2(t, "mul", sum, tile_lit(t, ADZE_DTYPE_f32, adze_op_attr_float(c->root, "alpha")));
    adze_ir_value *bias = adze_op_operand(c->root, 2);
    if (bias && !(adze_op_is(c->root, "gemm") && adze_op_attr_float(c->root, "beta") == 0)) { /* 0 * NaN is none */
        const adze_type *of = adze_value_type(bias);
        tile_point at = {.rank = adze_type_rank(of)};
        for (uint32_t d = 0; d < at.rank; d++)
            at.at[d] = adze_op_has_trait(c->root, ADZE_WINDOW) ? c->at.at[c->channel_axis]
                       : adze_dim_is_value(adze_type_dim(of, d), 1)
                           ? tile_dim(t, 0)
                           : c->at.at[c->at.rank - at.rank + d];
        adze_ir_value *value = tile_value(t, bias, &at);
        if (adze_op_is(c->root, "gemm") && adze_op_attr_float(c->root, "beta") != 1)
            value = tile_op2(t, "mul", value, tile_lit(t, ADZE_DTYPE_f32, adze_op_attr_float(c->root, "beta")));
        sum = tile_op2(t, "add", sum, value);
    }
    tile_remember(t, (tile_memo){.value = adze_op_result(c->root, 0), .point = c->at, .axis = -1, .result = sum});
    tile_point to = c->at;
    if (c->y_first) {
        for (uint32_t i = 0; i < c->n_outer; i++) to.at[c->outer[i]] = tile_dim(t, 0);
        to.at[c->row_axis] = adze_dim_sub(t->context, to.at[c->row_axis], c->y_first);
    }
    tile_store(t, tile_value(t, c->yielded, &c->at), c->output, c->y, &to);
    t->n_memo = n_memo;
    t->lane = -1;
    t->mask = NULL;
}

static void emit_piece(tile *t, contraction *c, const piece *p)
{
    if (c->packing) {
        lay_out(t, c, p);
        return;
    }
    const adze_dim *dims[] = {tile_dim(t, c->each ? TILE_PIXELS : p->mr), tile_dim(t, p->nr)};
    adze_ir_value *acc = tile_scratch(t, c->integer ? ADZE_DTYPE_i32 : ADZE_DTYPE_f32, 2, dims);
    multiply(t, c, p, acc);
    int64_t vectors = p->nr / ADZE_LANES;
    adze_ir_value *zero = adze_build_index(&t->b, 0);
    /* sums that were on tiles lie in memory, not in registers with numbers */
    tile_loop rows = tile_for(t, zero, adze_build_index(&t->b, p->mr), 1, !on_tiles(c, p) && !c->each, NULL, 0);
    t->extents[rows.axis] = tile_dim(t, p->mr);
    const adze_dim *m = adze_dim_axis(t->context, rows.axis);
    if (vectors == 1) {
        finish(t, c, p, acc, m, tile_dim(t, 0));
    } else {
        tile_loop lanes = tile_unrolled(t, vectors, 1);
        finish(t, c, p, acc, m, adze_dim_axis(t->context, lanes.axis));
        tile_end(t, &lanes, NULL, 0);
    }
    tile_end(t, &rows, NULL, 0);
}

/* ---- Columns, rows, channels, chunks ---- */

bool tile_open(tile *t, const adze_dim *lo, const adze_dim *hi, tile_loop *loop)
{
    int64_t low, high;
    const adze_dim *count = adze_dim_sub(t->context, hi, lo);
    adze_dim_range(count, t->extents, t->n_axes, &low, &high);
    if (high <= 0) return false;
    *loop = tile_for(t, tile_index(t, lo), tile_index(t, hi), 1, false, NULL, 0);
    return true;
}

/* Tiles `lo` .. `hi` of a line of columns whose length is known: sizes differ by at most one. */
static void known_columns(tile *t, contraction *c, piece p, int64_t cols, const adze_dim *lo, const adze_dim *hi)
{
    if (!cols) return;
    int64_t tiles = (cols + c->mr - 1) / c->mr, base = cols / tiles, longer = cols % tiles;
    for (int pass = 0; pass < 2; pass++) {
        tile_loop loop;
        const adze_dim *split = tile_dim(t, longer);
        bool some = pass ? tile_open(t, tile_max(t, lo, split), hi, &loop)
                         : longer && tile_open(t, lo, tile_min(t, hi, split), &loop);
        if (!some) continue;
        t->extents[loop.axis] = tile_dim(t, tiles);
        p.mr = p.cols = pass ? base : base + 1;
        p.col = adze_dim_add_const(
            t->context, adze_dim_mul_const(t->context, adze_dim_axis(t->context, loop.axis), p.mr), pass ? longer : 0);
        piece placed = p;
        placed.number = adze_dim_add(t->context, p.number, adze_dim_axis(t->context, loop.axis));
        emit_piece(t, c, &placed);
        tile_end(t, &loop, NULL, 0);
    }
}

/* The same where it is not: whole tiles, then sixteens if they go on tiles, then fours, then ones. */
static void unknown_columns(tile *t, contraction *c, piece p, const adze_dim *lo, const adze_dim *hi)
{
    const adze_dim *from = adze_dim_mul_const(t->context, lo, c->mr);
    const adze_dim *to = tile_min(t, adze_dim_mul_const(t->context, hi, c->mr), c->cols);
    const int64_t sizes[] = {c->mr, TILE_PANEL, 4, 1};
    const adze_dim *end = tile_bind(t, to, c->cols), *at = tile_bind(t, from, c->cols);
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (i == 1 && (!c->tiles || c->mr == sizes[i])) continue;
        const adze_dim *size = tile_dim(t, sizes[i]);
        const adze_dim *whole = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, adze_dim_sub(t->context, end, at), size);
        const adze_dim *stop = adze_dim_add(t->context, at, adze_dim_mul(t->context, whole, size));
        stop = tile_bind(t, stop, c->cols);
        tile_loop loop = tile_for(t, tile_index(t, at), tile_index(t, stop), sizes[i], false, NULL, 0);
        p.mr = p.cols = sizes[i];
        p.col = adze_dim_axis(t->context, loop.axis);
        emit_piece(t, c, &p);
        tile_end(t, &loop, NULL, 0);
        at = stop;
    }
}

static void columns(tile *t, contraction *c, piece p, const adze_dim *lo, const adze_dim *hi)
{
    int64_t cols;
    if (adze_dim_is_const(c->cols, &cols))
        known_columns(t, c, p, cols, lo, hi);
    else
        unknown_columns(t, c, p, lo, hi);
}

/* Rows of a tile: several where they are short and their number is known. */
static int64_t rows_per_tile(const contraction *c)
{
    int64_t rows, cols;
    if (c->row_axis < 0 || c->depthwise || !adze_dim_is_const(c->rows, &rows) || !adze_dim_is_const(c->cols, &cols))
        return 1;
    int64_t fit = cols > 0 ? c->mr / cols : 1;
    return fit < 1 ? 1 : fit > rows ? (rows > 0 ? rows : 1) : fit;
}

static const adze_dim *column_tiles(tile *t, const contraction *c)
{
    return adze_dim_binary(t->context, ADZE_DIM_CEILDIV, c->cols, tile_dim(t, c->mr));
}

/* Units are what chunks deal out: tiles of columns, or rows of tiles. */
const adze_dim *tile_units(tile *t, const contraction *c)
{
    if (c->row_axis < 0) return column_tiles(t, c);
    return adze_dim_binary(t->context, ADZE_DIM_CEILDIV, c->rows, tile_dim(t, rows_per_tile(c)));
}

/* Rows lo .. hi, whose number is not known: whole tiles of several short rows, then row by row. */
static void short_rows(tile *t, contraction *c, piece p, int64_t per_tile, int64_t cols, const adze_dim *lo,
                       const adze_dim *hi)
{
    adze_context *context = t->context;
    const adze_dim *count =
        tile_max(t, tile_dim(t, 0), adze_dim_sub(context, hi, lo)); /* lo may lie behind hi: no rows */
    const adze_dim *tiles = adze_dim_binary(context, ADZE_DIM_FLOORDIV, count, tile_dim(t, per_tile));
    tile_loop loop;
    if (tile_open(t, tile_dim(t, 0), tiles, &loop)) {
        p.row = adze_dim_add(context, lo, adze_dim_mul_const(context, adze_dim_axis(context, loop.axis), per_tile));
        p.cols = cols;
        p.mr = cols * per_tile;
        emit_piece(t, c, &p);
        tile_end(t, &loop, NULL, 0);
    }
    if (!tile_open(t, adze_dim_add(context, lo, adze_dim_mul_const(context, tiles, per_tile)), hi, &loop)) return;
    p.row = adze_dim_axis(context, loop.axis);
    columns(t, c, p, tile_dim(t, 0), column_tiles(t, c));
    tile_end(t, &loop, NULL, 0);
}

static void units(tile *t, contraction *c, piece p, const adze_dim *lo, const adze_dim *hi)
{
    int64_t per_tile = rows_per_tile(c), rows = 0, cols = 0;
    p.row = p.col = tile_dim(t, 0);
    p.number = adze_dim_sub(t->context, tile_dim(t, 0), lo);
    if (c->row_axis < 0) {
        columns(t, c, p, lo, hi);
        return;
    }
    const adze_dim *first = p.number;
    adze_dim_is_const(c->rows, &rows);
    adze_dim_is_const(c->cols, &cols);
    if (c->some_rows && per_tile > 1) {
        short_rows(t, c, p, per_tile, cols, lo, hi);
        return;
    }
    const adze_dim *whole = per_tile > 1 ? tile_dim(t, rows / per_tile) : hi;
    for (int pass = 0; pass < (per_tile > 1 ? 2 : 1); pass++) {
        tile_loop loop;
        if (!tile_open(t, pass ? tile_max(t, lo, whole) : lo, pass ? hi : tile_min(t, hi, whole), &loop)) continue;
        t->extents[loop.axis] = tile_units(t, c);
        p.row = adze_dim_mul_const(t->context, adze_dim_axis(t->context, loop.axis), per_tile);
        p.number = adze_dim_add(t->context, first, adze_dim_axis(t->context, loop.axis));
        if (per_tile == 1) p.number = adze_dim_mul(t->context, p.number, column_tiles(t, c));
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

int64_t tile_channels(const contraction *c) { return c->depthwise ? c->groups : c->channels; }

static void channel_blocks(tile *t, contraction *c, const adze_dim *group, const adze_dim *lo, const adze_dim *hi,
                           const adze_dim *unit_lo, const adze_dim *unit_hi)
{
    int64_t channels = tile_channels(c);
    const adze_dim *whole = tile_dim(t, channels / c->nr);
    piece p = {.group = group, .channel = tile_dim(t, 0)};
    if (c->each) {
        const adze_dim *dims[] = {tile_dim(t, c->tiles_at_once), tile_dim(t, tile_all_steps(c)),
                                  tile_dim(t, TILE_PIXELS)};
        c->pixels = tile_scratch(t, ADZE_DTYPE_f32, 3, dims);
        c->packing = true;
        units(t, c, p, unit_lo, unit_hi);
        c->packing = false;
    }
    for (int pass = 0; pass < 2; pass++) { /* the last block may be cut */
        tile_loop loop;
        if (pass && channels % c->nr == 0) continue;
        if (!tile_open(t, pass ? tile_max(t, lo, whole) : lo, pass ? hi : tile_min(t, hi, whole), &loop)) continue;
        t->extents[loop.axis] = tile_dim(t, (channels + c->nr - 1) / c->nr);
        const adze_dim *block = adze_dim_axis(t->context, loop.axis);
        p.channel = adze_dim_mul_const(t->context, block, c->nr);
        p.partial = pass;
        p.nr = pass && channels % c->nr <= TILE_PANEL ? TILE_PANEL : c->nr;
        const adze_dim *panel = adze_dim_mul_const(t->context, block, c->nr / TILE_PANEL);
        if (c->code_bits && !c->direct)
            tile_widen_block(t, c, c->depthwise ? tile_dim(t, 0) : group, panel, p.nr / TILE_PANEL);
        if (c->masked) tile_widen_masked(t, c, group, panel, p.nr / TILE_PANEL);
        units(t, c, p, unit_lo, unit_hi);
        tile_end(t, &loop, NULL, 0);
    }
    c->wide = NULL;
}

void tile_blocks(tile *t, contraction *c, const adze_dim *group, const adze_dim *lo, const adze_dim *hi,
                 const adze_dim *unit_lo, const adze_dim *unit_hi)
{
    if (!c->few_columns) {
        channel_blocks(t, c, group, lo, hi, unit_lo, unit_hi);
        return;
    }
    /* Loops of one round or none: few columns, or many. */
    const adze_dim *one = tile_dim(t, 1), *above = adze_dim_sub(t->context, tile_dim(t, c->few_columns + 1), c->cols);
    const adze_dim *is_few = tile_bind(t, tile_max(t, tile_dim(t, 0), tile_min(t, one, above)), tile_dim(t, 2));
    contraction few = *c;
    few.direct = true;
    tile_loop loop;
    few.mr = c->few_columns; /* all of them are one unit of either tile */
    if (tile_open(t, tile_dim(t, 0), is_few, &loop)) {
        channel_blocks(t, &few, group, lo, hi, unit_lo, unit_hi);
        tile_end(t, &loop, NULL, 0);
    }
    if (tile_open(t, is_few, one, &loop)) {
        channel_blocks(t, c, group, lo, hi, unit_lo, unit_hi);
        tile_end(t, &loop, NULL, 0);
    }
}
