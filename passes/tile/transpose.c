/* tile: copies whose result is contiguous along another axis than their operand, 16 x 16 elements at a time.
 *
 * A vector of the result would gather its elements from 16 rows of the operand. Here a micro-kernel reads 16 vectors
 * and turns them. Blocks of 64 elements along the operand's rows, for all of the result's row, are a position: so each
 * of the operand's rows is read in four cache lines that lie beside each other.
 */
#include "passes/tile/tile.h"

#include <string.h>

enum { EDGE = ADZE_LANES, BLOCK = 4 * EDGE, POSITION_ELEMENTS = 32768 };

typedef struct turn {
    adze_ir_value *value, *operand; /* of the region */
    adze_ir_value *buffer;
    const adze_type *tensor, *from; /* the result, and the operand */
    tile_point at;                  /* in the value */
    const adze_dim *const *shift;   /* by which it lies further ahead in the result; NULL = not at all */
    uint32_t row, column;           /* logical axes of the result: contiguous in it, and in the operand */
    uint32_t from_row;              /* physical axis of the operand that `row` runs along */
    int64_t rows, columns;          /* their extents */
    int64_t offset;                 /* of the lanes along `row` */
} turn;

/* One element further along the axis is one further here, from wherever it begins. */
static bool follows(tile *t, const adze_dim *expr, uint32_t axis)
{
    int64_t coef;
    return adze_dim_axis_coefficient(t->context, expr, axis, &coef, NULL) && coef == 1;
}

static tile_point to_point(tile *t, const turn *w)
{
    tile_point to = w->at;
    for (uint32_t d = 0; w->shift && d < to.rank; d++)
        if (w->shift[d]) to.at[d] = adze_dim_sub(t->context, to.at[d], w->shift[d]);
    return to;
}

static bool operand_point(tile *t, const turn *w, tile_point *out)
{
    return tile_operand_point(t, adze_value_op(w->value), 0, &w->at, out) && out->rank == adze_type_rank(w->from);
}

/* Which axis of the result does the operand's innermost one run along, and where does the result's innermost run? */
static bool find_axes(tile *t, turn *w)
{
    uint32_t rank = adze_type_rank(w->tensor), names[ADZE_MAX_RANK];
    tile_point from;
    w->at.rank = rank;
    for (uint32_t d = 0; d < rank; d++) {
        names[d] = tile_axis(t, NULL, adze_type_dim(w->tensor, d));
        w->at.at[d] = adze_dim_axis(t->context, names[d]);
    }
    if (!operand_point(t, w, &from) || !from.rank) return false;
    w->row = tile_logical_axis(w->tensor, rank - 1);
    const adze_dim *inner = from.at[tile_logical_axis(w->from, from.rank - 1)];
    for (w->column = 0; w->column < rank && !follows(t, inner, names[w->column]);) w->column++;
    tile_point innermost = {.rank = 1, .at = {inner}};
    if (w->column == rank || w->column == w->row || tile_depends(t, &innermost, names[w->row], -1)) return false;
    w->from_row = from.rank;
    for (uint32_t i = 0; i + 1 < from.rank; i++) {
        const adze_dim *expr = from.at[tile_logical_axis(w->from, i)];
        tile_point one = {.rank = 1, .at = {expr}};
        if (tile_depends(t, &one, names[w->column], -1)) return false;
        if (follows(t, expr, names[w->row]) && w->from_row == from.rank)
            w->from_row = i;
        else if (tile_depends(t, &one, names[w->row], -1))
            return false;
    }
    return w->from_row < from.rank;
}

static bool is_contiguous(const adze_ir_value *buffer)
{
    const adze_type *type = adze_value_type(buffer);
    return adze_dim_is_value(adze_type_stride(type, adze_type_rank(type) - 1), 1);
}

static bool has_kernel(adze_dtype dtype)
{
    const uint32_t bits = adze_dtype_bits(dtype);
    return bits == 8 || bits == 16 || bits == 32 || bits == 64;
}

static bool describe(tile *t, turn *w)
{
    const adze_op *op = adze_value_op(w->value);
    if (t->scalar || !op || !adze_op_has_trait(op, ADZE_MOVE)) return false;
    w->operand = adze_op_operand(op, 0);
    w->from = adze_value_type(w->operand);
    adze_access access;
    if (adze_value_op(w->operand) || !adze_type_is_ranked(w->from) || adze_type_rank(w->tensor) < 2) return false;
    if (!adze_op_access(op, &access) || access.operand[0].guarded || !access.operand[0].present) return false;
    for (uint32_t i = 1; i < access.n_operands; i++)
        if (access.operand[i].present) return false;
    adze_dtype dtype = adze_type_dtype(w->tensor);
    if (!has_kernel(dtype) || adze_type_dtype(w->from) != dtype) return false;
    if (access.n_axes && access.kind[access.n_axes - 1] == ADZE_AXIS_INDEX) return false;
    if (!find_axes(t, w)) return false;
    return adze_dim_is_const(adze_type_dim(w->tensor, w->row), &w->rows) && w->rows >= EDGE &&
           adze_dim_is_const(adze_type_dim(w->tensor, w->column), &w->columns) && w->columns >= EDGE &&
           is_contiguous(w->buffer) && is_contiguous(tile_buffer(t, w->operand));
}

/* ---- Emission ---- */

static void tile_16(tile *t, turn *w)
{
    tile_point from;
    if (!operand_point(t, w, &from)) {
        t->failed = true;
        return;
    }
    adze_ir_value *buffer = tile_buffer(t, w->operand);
    uint32_t column = 0;
    while (tile_logical_axis(w->tensor, column) != w->column) column++;
    tile_point to = to_point(t, w);
    adze_ir_value *args[] = {tile_view_at(t, w->buffer, w->tensor, &to),
                             tile_index(t, adze_type_stride(adze_value_type(w->buffer), column)),
                             tile_view_at(t, buffer, w->from, &from),
                             tile_index(t, adze_type_stride(adze_value_type(buffer), w->from_row))};
    const uint32_t bits = adze_dtype_bits(adze_type_dtype(w->tensor));
    tile_call(t, adze_internf(t->context, "transpose_b%u_16x16", bits), args, 4);
}

static void lane(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    turn *w = self;
    (void)carried;
    w->at.at[w->row] = adze_dim_add_const(t->context, adze_dim_axis(t->context, axis), w->offset);
    tile_point to = to_point(t, w);
    tile_store(t, tile_value(t, w->value, &w->at), w->buffer, w->tensor, &to);
}

/* Columns from `first` to `last` one by one, along rows `offset` to `end`. */
static void left_over(tile *t, turn *w, const adze_dim *first, const adze_dim *last, int64_t offset, int64_t end)
{
    tile_loop loop = tile_for(t, tile_index(t, first), tile_index(t, last), 1, false, NULL, 0);
    t->extents[loop.axis] = tile_dim(t, w->columns);
    w->at.at[w->column] = adze_dim_axis(t->context, loop.axis);
    w->offset = offset;
    tile_lanes(t, tile_dim(t, end - offset), lane, w, NULL, 0);
    tile_end(t, &loop, NULL, 0);
}

/* BLOCK columns from `first` on. */
static void block(tile *t, turn *w, const adze_dim *first)
{
    int64_t rows = w->rows / EDGE * EDGE, columns = w->columns / EDGE * EDGE;
    const adze_dim *end = adze_dim_add_const(t->context, first, BLOCK);
    const adze_dim *last = tile_min(t, end, tile_dim(t, columns)), *all = tile_min(t, end, tile_dim(t, w->columns));
    tile_loop down = tile_for(t, adze_build_index(&t->b, 0), adze_build_index(&t->b, rows), EDGE, false, NULL, 0);
    t->extents[down.axis] = tile_dim(t, w->rows);
    w->at.at[w->row] = adze_dim_axis(t->context, down.axis);
    tile_loop along = tile_for(t, tile_index(t, first), tile_index(t, last), EDGE, false, NULL, 0);
    t->extents[along.axis] = tile_dim(t, w->columns);
    w->at.at[w->column] = adze_dim_axis(t->context, along.axis);
    tile_16(t, w);
    tile_end(t, &along, NULL, 0);
    tile_end(t, &down, NULL, 0);
    if (rows < w->rows) left_over(t, w, first, all, rows, w->rows);
    if (columns < w->columns) left_over(t, w, tile_max(t, first, tile_dim(t, columns)), all, 0, rows);
}

bool tile_transpose_at(tile *t, adze_ir_value *value, adze_ir_value *buffer, const adze_type *tensor,
                       const tile_point *at, const adze_dim *const *shift)
{
    turn w = {.value = value, .buffer = buffer, .tensor = tensor, .shift = shift};
    if (!describe(t, &w)) return false;
    w.at = *at;
    tile_loop loop = tile_for(t, adze_build_index(&t->b, 0), adze_build_index(&t->b, w.columns), BLOCK, false, NULL, 0);
    t->extents[loop.axis] = tile_dim(t, w.columns);
    block(t, &w, adze_dim_axis(t->context, loop.axis));
    tile_end(t, &loop, NULL, 0);
    return true;
}

bool tile_transpose(tile *t, adze_ir_value *value, adze_ir_value *buffer, const adze_type *tensor)
{
    turn w = {.value = value, .buffer = buffer, .tensor = tensor};
    if (!describe(t, &w)) return false;
    const adze_dim *blocks = tile_dim(t, (w.columns + BLOCK - 1) / BLOCK), *positions = blocks;
    for (uint32_t d = 0; d < w.at.rank; d++)
        if (d != w.row && d != w.column)
            positions = adze_dim_mul(t->context, positions, adze_type_dim(tensor, d));
    const int64_t chunk = w.rows * BLOCK < POSITION_ELEMENTS ? POSITION_ELEMENTS / (w.rows * BLOCK) : 1;
    const adze_dim *chunks = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, positions, tile_dim(t, chunk));
    tile_loop outer = tile_parallel(t, chunks);
    const adze_dim *first = adze_dim_mul_const(t->context, adze_dim_axis(t->context, outer.axis), chunk);
    const adze_dim *last = tile_min(t, adze_dim_add_const(t->context, first, chunk), positions);
    tile_loop inner = tile_for(t, tile_index(t, first), tile_index(t, last), 1, false, NULL, 0);
    t->extents[inner.axis] = positions;
    const adze_dim *rest = adze_dim_axis(t->context, inner.axis);
    first = adze_dim_mul_const(t->context, tile_digit(t, &rest, blocks), BLOCK);
    for (uint32_t i = w.at.rank; i--;) {
        uint32_t d = tile_logical_axis(tensor, i);
        if (d != w.row && d != w.column) w.at.at[d] = tile_digit(t, &rest, adze_type_dim(tensor, d));
    }
    block(t, &w, first);
    tile_end(t, &inner, NULL, 0);
    tile_end_parallel(t, &outer);
    return true;
}
