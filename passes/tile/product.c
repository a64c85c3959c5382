/* tile: products of two matrices that are both made at run time, f32 or f64, around the micro-kernels.
 *
 * A chunk is a block of rows and a few panels of 32 columns of one matrix of the batch. It packs its
 * panels of the right operand, whatever the strides, then walks its rows tile by tile; what follows the
 * product is the epilogue of each tile. Packing costs one pass over a panel, which a block of about ROWS rows
 * shares, so blocks of rows pack for themselves and no chunk waits for another.
 */
#include "passes/tile/contract.h"

#include <string.h>

enum {
    PANEL = 2 * TILE_PANEL,
    ROWS = 126, /* a multiple of 6 and of 14 rows a tile */
    FEW_ROWS = 2,
    PANELS_OF_PACKED = 8 /* at least so many share a left operand that is packed */
};

typedef struct product {
    adze_op *root;
    adze_dtype dtype;                 /* of both operands */
    adze_access access;
    const adze_type *a, *b, *y;
    uint32_t m, n, k;                 /* axes of the access */
    uint32_t a_m, a_k, b_n, b_k;      /* dims of the operands at which they stand */
    const adze_dim *a_stride[ADZE_MAX_RANK], *b_stride[ADZE_MAX_RANK]; /* by logical dim */
    const adze_dim *rows, *columns, *depth;
    int64_t mr, nr, panels, block;    /* panels and rows of a chunk */
    adze_ir_value *yielded;
    tile_point at;                    /* of the result; the last entry is the lane axis */
    adze_ir_value *packed, *acc;
    adze_ir_value *left;              /* rows of the left operand in panels of 16 depths; NULL where they are rows */
    const adze_dim *left_rows, *left_first;
    const adze_dim *row, *column;     /* of the tile's first element */
    bool partial;                     /* columns may end inside the tile */
} product;

/* The dim of a map that is exactly the axis; rank if there is none. */
static uint32_t dim_of(const adze_access_map *map, uint32_t axis)
{
    for (uint32_t d = 0; d < map->rank; d++)
        if (adze_dim_get_kind(map->dims[d]) == ADZE_DIM_AXIS && adze_dim_axis_index(map->dims[d]) == axis) return d;
    return map->rank;
}

static bool describe(tile *t, product *p)
{
    p->root = tile_root(t->kernel, NULL);
    if (!p->root || adze_op_num_results(t->kernel) != 1 || !adze_op_access(p->root, &p->access)) return false;
    const adze_access *access = &p->access;
    uint32_t rank = access->result[0].rank, n_sums = 0;
    for (uint32_t k = 0; k < access->n_axes; k++)
        if (access->kind[k] != ADZE_AXIS_PARALLEL) p->k = k, n_sums++;
    if (rank < 2 || n_sums != 1 || access->operand[0].guarded || access->operand[1].guarded) return false;
    for (uint32_t d = 0; d < rank; d++)
        if (adze_dim_get_kind(access->result[0].dims[d]) != ADZE_DIM_AXIS) return false;
    p->m = adze_dim_axis_index(access->result[0].dims[rank - 2]);
    p->n = adze_dim_axis_index(access->result[0].dims[rank - 1]);
    for (uint32_t i = 0; i < 2; i++) {
        adze_ir_value *operand = adze_op_operand(p->root, i);
        const adze_dtype dtype = adze_type_dtype(adze_value_type(operand));
        if (adze_value_def(operand) != ADZE_DEF_ARGUMENT || (i && dtype != p->dtype)) return false;
        if (dtype != ADZE_DTYPE_f32 && dtype != ADZE_DTYPE_f64) return false;
        p->dtype = dtype;
    }
    p->a = adze_value_type(adze_op_operand(p->root, 0));
    p->b = adze_value_type(adze_op_operand(p->root, 1));
    p->y = adze_value_type(adze_op_result(t->kernel, 0));
    p->a_m = dim_of(&access->operand[0], p->m);
    p->a_k = dim_of(&access->operand[0], p->k);
    p->b_n = dim_of(&access->operand[1], p->n);
    p->b_k = dim_of(&access->operand[1], p->k);
    if (p->a_m == adze_type_rank(p->a) || p->b_n == adze_type_rank(p->b)) return false; /* a vector */
    adze_layout_strides(p->a, p->a_stride);
    adze_layout_strides(p->b, p->b_stride);
    p->rows = access->extent[p->m];
    p->columns = access->extent[p->n];
    p->depth = access->extent[p->k];
    p->yielded = adze_op_operand(adze_region_last(t->region), 0);
    return adze_type_rank(p->y) == rank;
}

/* One or two rows do not pay for packing a matrix that can be read as it lies. */
static bool worth_packing(const product *p)
{
    int64_t rows;
    return !adze_dim_is_const(p->rows, &rows) || rows > FEW_ROWS || !adze_dim_is_value(p->b_stride[p->b_n], 1);
}

/* Are the rows of a tile of the left operand so far apart that their elements share one set of the L1 cache? Of f32
 * twice as many lie in a line: packing them costs more than it saves. */
static bool rows_collide(const product *p)
{
    enum { WAY = 4096 }; /* bytes between addresses of one set, of every CPU of these levels */
    int64_t stride;
    return p->dtype == ADZE_DTYPE_f64 && p->mr > 8 && adze_dim_is_const(p->a_stride[p->a_m], &stride) &&
           stride % (WAY / (int64_t)sizeof(double)) == 0;
}

static int64_t panels_of_chunk(const product *p)
{
    int64_t rows = p->block, columns = 4 * PANEL, depth = 64;
    adze_dim_is_const(p->rows, &rows);
    adze_dim_is_const(p->columns, &columns);
    adze_dim_is_const(p->depth, &depth);
    if (rows > p->block) rows = p->block;
    if (depth > TILE_CHUNK_FLOPS) depth = TILE_CHUNK_FLOPS;
    int64_t panels = columns / PANEL + (columns % PANEL != 0), flops = 2 * PANEL * rows * depth;
    int64_t wanted = flops > 0 ? (TILE_CHUNK_FLOPS + flops - 1) / flops : 1;
    if (rows_collide(p) && wanted < PANELS_OF_PACKED) wanted = PANELS_OF_PACKED;
    return wanted < panels ? wanted : panels > 0 ? panels : 1;
}

/* ---- Operands at a place of the batch ---- */

/* The operand's buffer at its position for the result position `at` with row, column and depth as given. */
static adze_ir_value *operand_view(tile *t, const product *p, uint32_t index, const adze_dim *row,
                                   const adze_dim *column)
{
    const adze_access_map *map = &p->access.operand[index];
    const adze_type *tensor = index ? p->b : p->a;
    tile_point to = {.rank = map->rank};
    const adze_dim *with[ADZE_MAX_AXES] = {NULL};
    for (uint32_t d = 0; d < p->at.rank; d++) with[adze_dim_axis_index(p->access.result[0].dims[d])] = p->at.at[d];
    with[p->m] = row;
    with[p->n] = column;
    with[p->k] = tile_dim(t, 0);
    for (uint32_t i = 0; i < map->rank; i++)
        to.at[i] = adze_dim_substitute(t->context, map->dims[i], with, ADZE_MAX_AXES, NULL, NULL);
    return tile_view_at(t, tile_buffer(t, adze_op_operand(p->root, index)), tensor, &to);
}

static adze_ir_value *matrix(tile *t, const product *p, const adze_dim *rows, const adze_dim *columns)
{
    const adze_dim *dims[] = {rows, columns};
    return tile_scratch(t, p->dtype, 2, dims);
}

static const char *element_of(const product *p) { return p->dtype == ADZE_DTYPE_f64 ? "f64" : "f32"; }

/* Rows of a packed panel of the right operand: where the left one is packed too, whole panels of depths, so that
 * zeros meet zeros. */
static const adze_dim *panel_rows(tile *t, const product *p)
{
    const adze_dim *panels = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, p->depth, tile_dim(t, TILE_PANEL));
    return p->left ? adze_dim_mul_const(t->context, panels, TILE_PANEL) : p->depth;
}

/* A left operand whose rows do not lie in one piece, or collide: rows lo .. hi as panels [depth / 16][rows][16]. */
static void pack_left(tile *t, product *p, const adze_dim *lo, const adze_dim *hi)
{
    const adze_dim *most = tile_min(t, p->rows, tile_dim(t, p->block));
    const adze_dim *pairs = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, p->depth, tile_dim(t, PANEL));
    p->left =
        matrix(t, p, adze_dim_mul_const(t->context, adze_dim_mul(t->context, pairs, most), 2), tile_dim(t, TILE_PANEL));
    p->left_first = lo;
    p->left_rows = adze_dim_sub(t->context, hi, lo);
    adze_ir_value *args[] = {p->left,
                             operand_view(t, p, 0, lo, tile_dim(t, 0)),
                             tile_index(t, p->left_rows),
                             tile_index(t, p->depth),
                             tile_index(t, p->a_stride[p->a_m]),
                             tile_index(t, p->a_stride[p->a_k]),
                             tile_index(t, p->left_rows)};
    tile_call(t, adze_internf(t->context, "pack_%s", element_of(p)), args, 7);
}

/* Columns from `first` on, as many as there are up to 32. */
static void pack(tile *t, product *p, const adze_dim *first)
{
    p->packed = matrix(t, p, adze_dim_mul_const(t->context, panel_rows(t, p), 2), tile_dim(t, TILE_PANEL));
    const adze_dim *left = adze_dim_sub(t->context, p->columns, first);
    const adze_dim *width = p->partial ? tile_min(t, left, tile_dim(t, PANEL)) : tile_dim(t, PANEL);
    adze_ir_value *args[] = {p->packed,
                             operand_view(t, p, 1, tile_dim(t, 0), first),
                             tile_index(t, p->depth),
                             tile_index(t, width),
                             tile_index(t, p->b_stride[p->b_k]),
                             tile_index(t, p->b_stride[p->b_n]),
                             tile_index(t, panel_rows(t, p))};
    tile_call(t, adze_internf(t->context, "pack_%s", element_of(p)), args, 7);
}

/* ---- A tile ---- */

/* 16 columns of row m of the tile: accumulator, following ops, store. */
static void finish(tile *t, product *p, const adze_dim *m, const adze_dim *v)
{
    uint32_t n_memo = t->n_memo, rank = p->at.rank;
    uint32_t lane = tile_axis(t, tile_index(t, adze_dim_add(t->context, p->column, v)), p->columns);
    t->lane = (int)lane;
    if (p->partial) tile_mask(t, adze_dim_sub(t->context, p->columns, adze_dim_axis(t->context, lane)));
    adze_ir_value *sum = tile_load_lanes(t, p->acc, m, v);
    p->at.at[rank - 2] = adze_dim_add(t->context, p->row, m);
    p->at.at[rank - 1] = adze_dim_axis(t->context, lane);
    sum = tile_after_sum(t, p->root, &p->at, sum);
    if (sum) {
        tile_remember(t, (tile_memo){.value = adze_op_result(p->root, 0), .point = p->at, .axis = -1, .result = sum});
        tile_store(t, tile_value(t, p->yielded, &p->at), tile_result(t, 0), p->y, &p->at);
    }
    t->n_memo = n_memo;
    t->lane = -1;
    t->mask = NULL;
}

/* acc = mr rows of the left operand times the packed columns at `b`. */
static void multiply(tile *t, const product *p, int64_t mr, adze_ir_value *b)
{
    adze_ir_value *one = adze_build_index(&t->b, 1), *zero = adze_build_index(&t->b, 0);
    adze_ir_value *args[] = {p->acc, NULL, adze_build_index(&t->b, mr), NULL, zero, b, one, zero, one, zero, NULL,
                             adze_build_index(&t->b, TILE_AHEAD)};
    if (p->left) {
        const adze_type *type = adze_value_type(p->left);
        adze_ir_value *at[] = {p->left, tile_index(t, adze_dim_sub(t->context, p->row, p->left_first)), zero};
        args[1] = adze_op_result(adze_build(&t->b, "subview", at, 3, NULL, 0, &type, 1), 0);
        args[3] = args[10] = adze_build_index(&t->b, TILE_PANEL);
        args[6] = tile_index(t, adze_dim_binary(t->context, ADZE_DIM_CEILDIV, p->depth, tile_dim(t, TILE_PANEL)));
        args[7] = tile_index(t, adze_dim_mul_const(t->context, p->left_rows, TILE_PANEL));
    } else {
        args[1] = operand_view(t, p, 0, p->row, tile_dim(t, 0));
        args[3] = tile_index(t, p->a_stride[p->a_m]);
        args[10] = tile_index(t, p->depth);
    }
    tile_call(t, adze_internf(t->context, "gemm_%s_%dx%d", element_of(p), (int)mr, (int)p->nr), args, 12);
}

static void emit_tile(tile *t, product *p, int64_t mr)
{
    p->acc = matrix(t, p, tile_dim(t, mr), tile_dim(t, p->nr));
    const adze_dim *half = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV,
                                           adze_dim_binary(t->context, ADZE_DIM_MOD, p->column, tile_dim(t, PANEL)),
                                           tile_dim(t, TILE_PANEL));
    const adze_dim *inside[] = {adze_dim_mul(t->context, half, panel_rows(t, p)), tile_dim(t, 0)};
    multiply(t, p, mr, tile_view(t, p->packed, inside));
    tile_loop rows = tile_unrolled(t, mr, 1), lanes = tile_unrolled(t, p->nr, ADZE_LANES);
    finish(t, p, adze_dim_axis(t->context, rows.axis), adze_dim_axis(t->context, lanes.axis));
    tile_end(t, &lanes, NULL, 0);
    tile_end(t, &rows, NULL, 0);
}

/* Rows lo .. hi in tiles of mr, then fours, then ones; nothing for sizes that cannot occur. */
static void rows(tile *t, product *p, const adze_dim *lo, const adze_dim *hi)
{
    const int64_t sizes[] = {p->mr, 4, 1};
    const adze_dim *at = lo;
    for (uint32_t i = 0; i < 3; i++) {
        const adze_dim *size = tile_dim(t, sizes[i]), *left = adze_dim_sub(t->context, hi, at);
        const adze_dim *whole =
            adze_dim_mul(t->context, adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, left, size), size);
        const adze_dim *stop = adze_dim_add(t->context, at, whole);
        if (adze_dim_equal(stop, at)) continue;
        const adze_dim *end = tile_bind(t, stop, p->rows);
        tile_loop loop = tile_for(t, tile_index(t, at), tile_index(t, end), sizes[i], false, NULL, 0);
        t->extents[loop.axis] = p->rows;
        p->row = adze_dim_axis(t->context, loop.axis);
        emit_tile(t, p, sizes[i]);
        tile_end(t, &loop, NULL, 0);
        at = adze_dim_is_const(stop, NULL) ? stop : end;
    }
}

/* ---- Panels and chunks ---- */

/* Panels lo .. hi, those that are whole or the one that is not. */
static void panels(tile *t, product *p, const adze_dim *lo, const adze_dim *hi, const adze_dim *row_lo,
                   const adze_dim *row_hi)
{
    tile_loop loop = tile_for(t, tile_index(t, lo), tile_index(t, hi), 1, false, NULL, 0);
    t->extents[loop.axis] = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, p->columns, tile_dim(t, PANEL));
    const adze_dim *first = adze_dim_mul_const(t->context, adze_dim_axis(t->context, loop.axis), PANEL);
    first = tile_bind(t, first, p->columns);
    pack(t, p, first);
    const adze_dim *stop = adze_dim_add_const(t->context, first, PANEL);
    if (p->partial) stop = tile_min(t, stop, p->columns);
    tile_loop blocks = tile_for(t, tile_index(t, first), tile_index(t, stop), p->nr, false, NULL, 0);
    t->extents[blocks.axis] = p->columns;
    p->column = adze_dim_axis(t->context, blocks.axis);
    rows(t, p, row_lo, row_hi);
    tile_end(t, &blocks, NULL, 0);
    tile_end(t, &loop, NULL, 0);
}

static const adze_dim *bound(tile *t, const adze_dim *row, const product *p)
{
    return adze_dim_is_const(row, NULL) ? row : tile_bind(t, row, p->rows);
}

static void chunk(tile *t, product *p, const adze_dim *number, const adze_dim *row_blocks, const adze_dim *panel_blocks)
{
    const adze_dim *rest = number;
    const adze_dim *n_panels = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, p->columns, tile_dim(t, PANEL));
    const adze_dim *whole = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, p->columns, tile_dim(t, PANEL));
    const adze_dim *block = tile_digit(t, &rest, panel_blocks), *rows_at = tile_digit(t, &rest, row_blocks);
    for (uint32_t i = p->at.rank - 2; i--;) p->at.at[i] = tile_digit(t, &rest, adze_type_dim(p->y, i));
    const adze_dim *lo = adze_dim_mul_const(t->context, block, p->panels),
                   *row_lo = adze_dim_mul_const(t->context, rows_at, p->block);
    const adze_dim *hi = tile_min(t, adze_dim_add_const(t->context, lo, p->panels), n_panels);
    const adze_dim *row_hi = tile_min(t, adze_dim_add_const(t->context, row_lo, p->block), p->rows);
    row_lo = bound(t, row_lo, p);
    row_hi = bound(t, row_hi, p);
    if (!adze_dim_is_value(p->a_stride[p->a_k], 1) || rows_collide(p)) pack_left(t, p, row_lo, row_hi);
    p->partial = false;
    if (!adze_dim_is_value(whole, 0))
        panels(t, p, lo, tile_min(t, hi, whole), row_lo, row_hi);
    p->partial = true;
    if (!adze_dim_equal(whole, n_panels))
        panels(t, p, tile_max(t, lo, whole), hi, row_lo, row_hi);
}

/* Blocks of a like number of rows, whole tiles of them: each packs the panels once more. */
static int64_t rows_of_block(const product *p)
{
    int64_t rows;
    if (!adze_dim_is_const(p->rows, &rows)) return ROWS;
    int64_t blocks = rows < ROWS ? 1 : (rows + ROWS / 2) / ROWS, each = (rows + blocks - 1) / blocks;
    return each < 1 ? p->mr : (each + p->mr - 1) / p->mr * p->mr;
}

bool tile_product(tile *t)
{
    product p = {0};
    if (!describe(t, &p) || !worth_packing(&p)) return false;
    p.nr = adze_target_number(t->run->target, "gemm-nr", 16);
    p.mr = adze_target_number(t->run->target, "gemm-mr", 6);
    if (p.dtype == ADZE_DTYPE_f64) { /* 16 columns take the registers of 32 of f32 */
        p.mr = p.nr == 2 * TILE_PANEL ? p.mr : p.mr / 2;
        p.nr = TILE_PANEL;
        if (p.mr != 14 && p.mr != 3) return false;
    }
    if (p.mr < 1 || ROWS % p.mr || (p.nr != 16 && p.nr != 32)) return false;
    p.at.rank = adze_type_rank(p.y);
    p.block = rows_of_block(&p);
    p.panels = panels_of_chunk(&p);
    tile_zero_halo(t, 0);
    if (adze_dim_is_value(adze_type_count(p.y), 0)) return !t->failed;
    const adze_dim *row_blocks = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, p.rows, tile_dim(t, p.block));
    const adze_dim *panel_blocks =
        adze_dim_binary(t->context, ADZE_DIM_CEILDIV, p.columns, tile_dim(t, PANEL * p.panels));
    const adze_dim *chunks = adze_dim_mul(t->context, row_blocks, panel_blocks);
    for (uint32_t i = 0; i + 2 < p.at.rank; i++) chunks = adze_dim_mul(t->context, chunks, adze_type_dim(p.y, i));
    if (adze_dim_is_value(chunks, 1)) {
        chunk(t, &p, tile_dim(t, 0), row_blocks, panel_blocks);
        return !t->failed;
    }
    tile_loop loop = tile_parallel(t, chunks);
    chunk(t, &p, adze_dim_axis(t->context, loop.axis), row_blocks, panel_blocks);
    tile_end_parallel(t, &loop);
    return !t->failed;
}
