/* tile: reductions in place, and the row statistics of normalizations ahead of the row's loop. */
#include "passes/tile/tile.h"

#include <string.h>

static bool mentions(tile *t, const adze_dim *expr, uint32_t axis)
{
    int64_t coef;
    return !adze_dim_axis_coefficient(t->context, expr, axis, &coef, NULL) || coef;
}

bool tile_depends(tile *t, const tile_point *at, uint32_t axis, int except)
{
    for (uint32_t d = 0; d < at->rank; d++)
        if ((int)d != except && mentions(t, at->at[d], axis)) return true;
    return false;
}

/* ---- Reductions ---- */

enum { WAYS = 4 };

typedef struct reduction {
    adze_op *op;
    adze_access access;
    const adze_dim *with[ADZE_MAX_AXES];
    uint32_t axes[ADZE_MAX_AXES]; /* those to loop over */
    uint32_t n;
    const adze_dim *first;  /* where lanes along the last of them begin */
    adze_ir_value *inside; /* i64: points that a mean divides by */
    adze_dtype sum;        /* element type of the accumulator */
    bool four;             /* by `four_sums` of adze_access */
} reduction;

static bool reduction_begin(adze_op *op, const tile_point *at, reduction *r)
{
    *r = (reduction){.op = op};
    if (!adze_op_access(op, &r->access) || r->access.combine == ADZE_COMBINE_NONE || r->access.body) return false;
    for (uint32_t d = 0; d < r->access.result[0].rank; d++) {
        const adze_dim *expr = r->access.result[0].dims[d];
        if (adze_dim_get_kind(expr) == ADZE_DIM_AXIS) r->with[adze_dim_axis_index(expr)] = at->at[d];
    }
    for (uint32_t k = 0; k < r->access.n_axes; k++)
        if (r->access.kind[k] != ADZE_AXIS_PARALLEL) r->axes[r->n++] = k;
    return true;
}

bool tile_window_bounds(tile *t, const adze_op *op, const adze_access *access, const adze_dim *const *with, uint32_t k,
                        const adze_dim **lo, const adze_dim **hi)
{
    const adze_access_map *map = &access->operand[0];
    const adze_type *type = adze_value_type(adze_op_operand(op, 0));
    *lo = tile_dim(t, 0);
    *hi = access->extent[k];
    for (uint32_t d = 0; map->guarded && d < map->rank; d++) {
        int64_t coef;
        const adze_dim *rest;
        if (!adze_dim_axis_coefficient(t->context, map->dims[d], k, &coef, &rest)) return false;
        if (!coef) continue;
        rest = adze_dim_substitute(t->context, rest, with, ADZE_MAX_AXES, NULL, NULL);
        if (coef < 0 || (t->lane >= 0 && mentions(t, rest, (uint32_t)t->lane))) return false;
        const adze_dim *step = tile_dim(t, coef);
        const adze_dim *below = adze_dim_mul_const(t->context, rest, -1);
        const adze_dim *above = adze_dim_sub(t->context, adze_type_dim(type, d), rest);
        *lo = tile_max(t, *lo, adze_dim_binary(t->context, ADZE_DIM_CEILDIV, below, step));
        *hi = tile_min(t, *hi, adze_dim_binary(t->context, ADZE_DIM_CEILDIV, above, step));
    }
    return true;
}

static adze_ir_value *element(tile *t, reduction *r)
{
    const adze_access_map *map = &r->access.operand[0];
    tile_point point = {.rank = map->rank};
    for (uint32_t d = 0; d < map->rank; d++)
        point.at[d] = adze_dim_substitute(t->context, map->dims[d], r->with, ADZE_MAX_AXES, NULL, NULL);
    adze_ir_value *value = tile_value(t, adze_op_operand(r->op, 0), &point);
    return value ? tile_cast(t, value, r->sum) : NULL;
}

/* Point `index` of the combined axes, counted in row-major order. */
static adze_ir_value *numbered_element(tile *t, reduction *r, const adze_dim *index)
{
    for (uint32_t i = r->n; i-- > 0;) {
        const adze_dim *extent = r->access.extent[r->axes[i]];
        r->with[r->axes[i]] = i ? adze_dim_binary(t->context, ADZE_DIM_MOD, index, extent) : index;
        index = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, index, extent);
    }
    return element(t, r);
}

/* The rows that four sums are of, where each lies in one piece: elements of the argument `buffer`, behind `at`. */
typedef struct rows_of {
    adze_ir_value *buffer;
    const adze_type *type;
    tile_point at;
    int lane; /* physical axis from which the lanes take their rows, one beside the other; -1: all take the same row */
} rows_of;

/* Does the operand's physical axis `p` run along axis `k` of the access, and in steps of `stride` elements? */
static bool runs_along(const reduction *r, const rows_of *rows, uint32_t p, uint32_t k, const adze_dim *stride)
{
    const adze_dim *expr = r->access.operand[0].dims[tile_logical_axis(rows->type, p)];
    return adze_dim_get_kind(expr) == ADZE_DIM_AXIS && adze_dim_axis_index(expr) == k &&
           adze_dim_equal(adze_type_stride(adze_value_type(rows->buffer), p), stride);
}

static bool find_rows(tile *t, const reduction *r, rows_of *out)
{
    adze_ir_value *operand = adze_op_operand(r->op, 0);
    out->type = adze_value_type(operand);
    uint32_t rank = adze_type_rank(out->type);
    if (adze_value_op(operand) || adze_type_dtype(out->type) != ADZE_DTYPE_f32 || r->n > rank) return false;
    out->buffer = tile_buffer(t, operand);
    const adze_dim *stride = tile_dim(t, 1), *with[ADZE_MAX_AXES];
    memcpy(with, r->with, sizeof with);
    for (uint32_t i = r->n; i-- > 0;) {
        uint32_t k = r->axes[i];
        if (!runs_along(r, out, rank - r->n + i, k, stride)) return false;
        stride = adze_dim_mul(t->context, stride, r->access.extent[k]);
        with[k] = tile_dim(t, 0);
    }
    out->at.rank = rank;
    out->lane = -1;
    for (uint32_t p = 0; p < rank; p++) {
        uint32_t d = tile_logical_axis(out->type, p);
        out->at.at[d] = adze_dim_substitute(t->context, r->access.operand[0].dims[d], with, ADZE_MAX_AXES, NULL, NULL);
        if (t->lane < 0 || !mentions(t, out->at.at[d], (uint32_t)t->lane)) continue;
        int64_t coef;
        const adze_dim *rest;
        if (out->lane >= 0 || !adze_dim_axis_coefficient(t->context, out->at.at[d], (uint32_t)t->lane, &coef, &rest) ||
            coef != 1)
            return false;
        out->lane = (int)p;
    }
    return true;
}

/* The sums of as many rows as there are lanes in use, or of the one row. */
static adze_ir_value *sum_rows(tile *t, const reduction *r, const rows_of *rows)
{
    const adze_dim *lanes = tile_dim(t, ADZE_LANES), *one = tile_dim(t, 1), *zero = tile_dim(t, 0), *count = one;
    const adze_dim *dims[] = {one, lanes}, *stride = zero;
    for (uint32_t i = 0; i < r->n; i++) count = adze_dim_mul(t->context, count, r->access.extent[r->axes[i]]);
    if (rows->lane >= 0) {
        const adze_dim *axis = adze_dim_axis(t->context, (uint32_t)t->lane);
        one = tile_min(t, lanes, adze_dim_sub(t->context, t->extents[t->lane], axis));
        stride = adze_type_stride(adze_value_type(rows->buffer), (uint32_t)rows->lane);
    }
    adze_ir_value *sums = tile_scratch(t, ADZE_DTYPE_f32, 2, dims);
    adze_ir_value *args[] = {sums, tile_view_at(t, rows->buffer, rows->type, &rows->at), tile_index(t, one),
                             tile_index(t, stride), tile_index(t, count)};
    tile_call(t, "sum_f32_rows", args, 5);
    if (rows->lane >= 0) return tile_load_lanes(t, sums, zero, zero);
    return tile_load(t, sums, adze_type_tensor(t->context, ADZE_DTYPE_f32, 2, dims, NULL),
                     &(tile_point){.rank = 2, .at = {zero, zero}});
}

/* The sum of all points as `four_sums` of adze_access has it. */
static adze_ir_value *four_sums(tile *t, reduction *r, adze_ir_value *zero)
{
    rows_of rows;
    if (find_rows(t, r, &rows)) return sum_rows(t, r, &rows);
    const adze_dim *count = tile_dim(t, 1), *four = tile_dim(t, 4);
    for (uint32_t i = 0; i < r->n; i++) count = adze_dim_mul(t->context, count, r->access.extent[r->axes[i]]);
    const adze_dim *whole = adze_dim_mul(t->context, adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, count, four), four);
    adze_ir_value *sums[4] = {zero, zero, zero, zero};
    tile_loop loop = tile_for(t, tile_index(t, tile_dim(t, 0)), tile_index(t, whole), 4, false, sums, 4);
    t->extents[loop.axis] = count;
    for (int64_t k = 0; k < 4 && !t->failed; k++) {
        const adze_dim *index = adze_dim_add_const(t->context, adze_dim_axis(t->context, loop.axis), k);
        sums[k] = tile_combine_masked(t, ADZE_COMBINE_ADD, sums[k], numbered_element(t, r, index));
    }
    tile_end(t, &loop, sums, 4);
    adze_ir_value *sum = tile_op2(t, "add", tile_op2(t, "add", sums[0], sums[2]), tile_op2(t, "add", sums[1], sums[3]));
    if (adze_dim_equal(whole, count)) return sum;
    loop = tile_for(t, tile_index(t, whole), tile_index(t, count), 1, false, &sum, 1);
    t->extents[loop.axis] = count;
    const adze_dim *index = adze_dim_axis(t->context, loop.axis);
    sum = tile_combine_masked(t, ADZE_COMBINE_ADD, sum, numbered_element(t, r, index));
    tile_end(t, &loop, &sum, 1);
    return sum;
}

static void reduce_lane(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    reduction *r = self;
    r->with[r->axes[r->n - 1]] = adze_dim_add(t->context, r->first, adze_dim_axis(t->context, axis));
    carried[0] = tile_combine_masked(t, r->access.combine, carried[0], element(t, r));
}

/* Lanes along a row for its largest or smallest: what one vector is compared with waits for the one before, so four
 * take turns. `first` is added to the axis by the body. */
static adze_ir_value *row_extreme(tile *t, adze_combine combine, const adze_dim *extent, tile_body *body, void *self,
                                  const adze_dim **first, adze_ir_value *acc)
{
    const int64_t step = WAYS * ADZE_LANES;
    int64_t known;
    *first = tile_dim(t, 0);
    if (t->scalar || !adze_dim_is_const(extent, &known) || known < step) {
        tile_lanes(t, extent, body, self, &acc, 1);
        return acc;
    }
    const adze_dim *whole = tile_dim(t, known / step * step);
    adze_ir_value *best[WAYS] = {acc, acc, acc, acc}, *zero = adze_build_index(&t->b, 0);
    tile_loop loop = tile_for(t, zero, tile_index(t, whole), step, false, best, WAYS);
    t->extents[loop.axis] = extent;
    t->lane = (int)loop.axis;
    for (int64_t i = 0; i < WAYS && !t->failed; i++) {
        *first = tile_dim(t, i * ADZE_LANES);
        body(t, self, loop.axis, &best[i]);
    }
    t->lane = -1;
    tile_end(t, &loop, best, WAYS);
    for (int64_t i = 1; i < WAYS && best[0]; i++) best[0] = tile_combine(t, combine, best[0], best[i]);
    if (!best[0]) {
        t->failed = true;
        return acc;
    }
    *first = whole;
    if (known % step) tile_lanes(t, tile_dim(t, known % step), body, self, &best[0], 1);
    *first = tile_dim(t, 0);
    return best[0];
}

/* Loops over axes i.. and gives the accumulator. `lanes`: the last axis runs 16 at a time. */
static adze_ir_value *reduce_axes(tile *t, reduction *r, uint32_t i, bool lanes, adze_ir_value *acc)
{
    if (i == r->n) return tile_combine_masked(t, r->access.combine, acc, element(t, r));
    uint32_t k = r->axes[i];
    const adze_dim *lo, *hi;
    if (!tile_window_bounds(t, r->op, &r->access, r->with, k, &lo, &hi)) {
        t->failed = true;
        return acc;
    }
    if (lanes && i + 1 == r->n) {
        if (r->access.combine == ADZE_COMBINE_MAX || r->access.combine == ADZE_COMBINE_MIN)
            return row_extreme(t, r->access.combine, hi, reduce_lane, r, &r->first, acc);
        r->first = tile_dim(t, 0);
        tile_lanes(t, hi, reduce_lane, r, &acc, 1);
        return acc;
    }
    tile_loop loop = tile_for(t, tile_index(t, lo), tile_index(t, hi), 1, false, &acc, 1);
    t->extents[loop.axis] = r->access.extent[k];
    r->with[k] = adze_dim_axis(t->context, loop.axis);
    acc = reduce_axes(t, r, i + 1, lanes, acc);
    tile_end(t, &loop, &acc, 1);
    return acc;
}

/* Points that a mean divides by. */
static void count_inside(tile *t, reduction *r)
{
    const adze_dim *count = tile_dim(t, 1);
    for (uint32_t i = 0; i < r->n; i++) {
        const adze_dim *lo, *hi;
        if (!tile_window_bounds(t, r->op, &r->access, r->with, r->axes[i], &lo, &hi)) {
            t->failed = true;
            return;
        }
        const adze_dim *points = r->access.mean_all ? r->access.extent[r->axes[i]] : adze_dim_sub(t->context, hi, lo);
        count = adze_dim_mul(t->context, count, points);
    }
    r->inside = tile_index(t, count);
}

/* What is added up, and what a mean divides by; false where loops have no form for it. */
static bool reduction_prepare(tile *t, adze_op *op, const tile_point *at, reduction *r)
{
    adze_dtype dtype = adze_type_dtype(adze_value_type(adze_op_result(op, 0)));
    if (t->flat || dtype == ADZE_DTYPE_bool || !reduction_begin(op, at, r)) { /* bools have no largest one in loops */
        t->failed = true;
        return false;
    }
    r->four = r->access.four_sums && dtype == ADZE_DTYPE_f32;
    /* f32 is added up in f64, as on the reference. The mean of integers divides their sum in 64 bits; all else
     * that wraps may wrap early. */
    r->sum = dtype;
    if (!r->four && r->access.combine == ADZE_COMBINE_ADD && dtype == ADZE_DTYPE_f32) r->sum = ADZE_DTYPE_f64;
    if (r->access.mean && adze_dtype_get_kind(dtype) == ADZE_KIND_INT) r->sum = ADZE_DTYPE_i64;
    if (r->access.mean && adze_dtype_get_kind(dtype) == ADZE_KIND_UINT) r->sum = ADZE_DTYPE_u64;
    if (r->access.mean) count_inside(t, r);
    return !t->failed;
}

static adze_ir_value *reduction_result(tile *t, const reduction *r, adze_ir_value *acc)
{
    if (r->access.mean) acc = tile_op2(t, "div", acc, tile_cast(t, r->inside, r->sum));
    return tile_cast(t, acc, adze_type_dtype(adze_value_type(adze_op_result(r->op, 0))));
}

adze_ir_value *tile_reduction(tile *t, adze_op *op, const tile_point *at)
{
    reduction r;
    if (!reduction_prepare(t, op, at, &r)) return NULL;
    adze_ir_value *acc = tile_identity(t, r.access.combine, r.sum);
    bool over_lane = t->lane >= 0 && tile_depends(t, at, (uint32_t)t->lane, -1);
    bool lanes = t->lane < 0 && !t->scalar && r.n && !r.four && !r.access.operand[0].guarded;
    if (over_lane || lanes) acc = tile_splat(t, acc);
    acc = r.four ? four_sums(t, &r, acc) : reduce_axes(t, &r, 0, lanes, acc);
    if (t->failed) return NULL;
    if (lanes) acc = tile_reduce_lanes(t, r.access.combine, acc);
    return reduction_result(t, &r, acc);
}

/* ---- Columns together ---- */

bool tile_has_columns(const adze_op *op)
{
    adze_access access;
    if (!adze_op_has_trait(op, ADZE_REDUCE) || !adze_op_access(op, &access)) return false;
    for (uint32_t k = 0; k < access.n_axes; k++)
        if (access.kind[k] != ADZE_AXIS_PARALLEL && access.kind[k] != ADZE_AXIS_REDUCTION) return false;
    return access.combine != ADZE_COMBINE_NONE && !access.body && !access.four_sums && !access.operand[0].guarded;
}

/* Loops over axes i.. with one accumulator for each vector, whose positions along axis `column` follow each other. */
static void columns_of_axes(tile *t, reduction *r, uint32_t i, uint32_t column, adze_ir_value **acc)
{
    if (i == r->n) {
        const adze_dim *first = r->with[column];
        for (int64_t k = 0; k < TILE_COLUMNS && !t->failed; k++) {
            r->with[column] = adze_dim_add_const(t->context, first, k * ADZE_LANES);
            acc[k] = tile_combine_masked(t, r->access.combine, acc[k], element(t, r));
        }
        r->with[column] = first;
        return;
    }
    uint32_t k = r->axes[i];
    tile_loop loop = tile_for(t, adze_build_index(&t->b, 0), tile_index(t, r->access.extent[k]), 1, false, acc,
                              TILE_COLUMNS);
    t->extents[loop.axis] = r->access.extent[k];
    r->with[k] = adze_dim_axis(t->context, loop.axis);
    columns_of_axes(t, r, i + 1, column, acc);
    tile_end(t, &loop, acc, TILE_COLUMNS);
}

void tile_reduce_columns(tile *t, adze_op *op, const tile_point *at, uint32_t dim)
{
    reduction r;
    if (!reduction_prepare(t, op, at, &r)) return;
    adze_ir_value *none = tile_splat(t, tile_identity(t, r.access.combine, r.sum)), *acc[TILE_COLUMNS];
    for (uint32_t k = 0; k < TILE_COLUMNS; k++) acc[k] = none;
    columns_of_axes(t, &r, 0, adze_dim_axis_index(r.access.result[0].dims[dim]), acc);
    for (int64_t k = 0; k < TILE_COLUMNS && !t->failed; k++) {
        tile_point point = *at;
        point.at[dim] = adze_dim_add_const(t->context, at->at[dim], k * ADZE_LANES);
        adze_ir_value *result = reduction_result(t, &r, acc[k]);
        tile_remember(t, (tile_memo){.value = adze_op_result(op, 0), .point = point, .axis = -1, .result = result});
    }
}

/* ---- Normalizations ---- */

int tile_row_axis(const adze_op *op)
{
    const adze_type *type = adze_value_type(adze_op_operand(op, 0));
    int64_t rank = adze_type_rank(type), axis = adze_op_attr_int(op, "axis");
    if (!adze_type_is_ranked(type)) return -1;
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return -1;
    if (adze_op_is(op, "softmax") || adze_op_is(op, "log_softmax")) return (int)axis;
    int row = -1;
    for (int64_t d = axis; d < rank; d++) {
        if (adze_dim_is_value(adze_type_dim(type, (uint32_t)d), 1)) continue;
        if (row >= 0) return -1;
        row = (int)d;
    }
    return row < 0 ? (int)rank - 1 : row;
}

typedef struct row {
    adze_op *op;
    tile_point at;
    uint32_t axis;
    adze_ir_value *buffer;
    const adze_type *type; /* of the row as a tensor */
    const adze_dim *first; /* where lanes begin */
    adze_ir_value *shift;
    bool square;
    bool columns; /* 16 rows at once, one a lane: the buffer is [extent, 16] */
} row;

static const adze_dim *place_in_row(tile *t, const row *r, uint32_t axis)
{
    return adze_dim_add(t->context, r->first, adze_dim_axis(t->context, axis));
}

static adze_ir_value *row_load(tile *t, const row *r, uint32_t axis)
{
    tile_point point = {.rank = 1, .at = {place_in_row(t, r, axis)}};
    return r->columns ? tile_load_lanes(t, r->buffer, point.at[0], tile_dim(t, 0))
                      : tile_load(t, r->buffer, r->type, &point);
}

static void row_store(tile *t, const row *r, uint32_t axis, adze_ir_value *value)
{
    tile_point point = {.rank = 1, .at = {place_in_row(t, r, axis)}};
    if (r->columns)
        tile_store_lanes(t, value, r->buffer, point.at[0], tile_dim(t, 0));
    else
        tile_store(t, value, r->buffer, r->type, &point);
}

static adze_ir_value *row_input(tile *t, row *r, uint32_t axis)
{
    tile_point point = r->at;
    point.at[r->axis] = place_in_row(t, r, axis);
    adze_ir_value *value = tile_value(t, adze_op_operand(r->op, 0), &point);
    if (value && t->lane >= 0) value = tile_splat(t, value);
    return value;
}

static void pass_max(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    adze_ir_value *x = row_input(t, self, axis);
    if (!x) return;
    row_store(t, self, axis, x);
    carried[0] = tile_combine_masked(t, ADZE_COMBINE_MAX, carried[0], x);
}

static void pass_exp(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    row *r = self;
    adze_ir_value *x = tile_op2(t, "sub", row_load(t, r, axis), r->shift);
    x = tile_op(t, "exp", &x, 1);
    if (!adze_op_is(r->op, "log_softmax")) row_store(t, r, axis, x);
    carried[0] = tile_combine_masked(t, ADZE_COMBINE_ADD, carried[0], x);
}

static void pass_sum(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    row *r = self;
    adze_ir_value *x = row_input(t, r, axis);
    if (!x) return;
    row_store(t, r, axis, x);
    if (r->square) x = tile_op2(t, "mul", x, x);
    carried[0] = tile_combine_masked(t, ADZE_COMBINE_ADD, carried[0], x);
}

static void pass_variance(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    row *r = self;
    adze_ir_value *x = tile_op2(t, "sub", row_load(t, r, axis), r->shift);
    carried[0] = tile_combine_masked(t, ADZE_COMBINE_ADD, carried[0], tile_op2(t, "mul", x, x));
}

static adze_ir_value *row_pass(tile *t, row *r, tile_body *body, adze_combine combine)
{
    adze_dtype dtype = adze_type_dtype(r->type);
    adze_ir_value *acc = tile_identity(t, combine, dtype);
    if (!t->scalar) acc = tile_splat(t, acc);
    r->first = tile_dim(t, 0);
    if (r->columns) {
        const adze_dim *extent = adze_type_dim(r->type, 0);
        tile_loop loop = tile_for(t, tile_index(t, r->first), tile_index(t, extent), 1, false, &acc, 1);
        t->extents[loop.axis] = extent;
        body(t, r, loop.axis, &acc);
        tile_end(t, &loop, &acc, 1);
        return acc;
    }
    if (combine == ADZE_COMBINE_MAX)
        acc = row_extreme(t, combine, adze_type_dim(r->type, 0), body, r, &r->first, acc);
    else
        tile_lanes(t, adze_type_dim(r->type, 0), body, r, &acc, 1);
    return tile_reduce_lanes(t, combine, acc);
}

static adze_ir_value *row_count(tile *t, const row *r)
{
    adze_ir_value *n = tile_index(t, adze_type_dim(r->type, 0));
    adze_attr attr = adze_attr_type("to", adze_type_dtype(r->type));
    return adze_build1(&t->b, "cast", &n, 1, &attr, 1);
}

static adze_ir_value *inverse_root(tile *t, row *r, adze_ir_value *sum)
{
    adze_ir_value *mean = tile_op2(t, "div", sum, row_count(t, r));
    adze_ir_value *epsilon = tile_lit(t, adze_type_dtype(r->type), adze_op_attr_float(r->op, "epsilon"));
    adze_ir_value *root = tile_op2(t, "add", mean, epsilon);
    root = tile_op(t, "sqrt", &root, 1);
    return tile_op(t, "reciprocal", &root, 1);
}

static void normalize_row(tile *t, adze_op *op, const tile_point *at, int axis)
{
    const adze_type *type = adze_value_type(adze_op_result(op, 0));
    const adze_dim *extents[] = {adze_type_dim(type, (uint32_t)axis), tile_dim(t, ADZE_LANES)};
    row r = {.op = op, .at = *at, .axis = (uint32_t)axis, .columns = t->lane >= 0};
    r.type = adze_type_tensor(t->context, adze_type_dtype(type), 1, extents, NULL);
    r.buffer = tile_scratch(t, adze_type_dtype(type), r.columns ? 2 : 1, extents);
    tile_memo memo = {.value = adze_op_result(op, 0), .point = *at, .axis = axis, .result = r.buffer,
                      .columns = r.columns};
    if (adze_op_is(op, "layer_norm")) {
        memo.shift = r.shift = tile_op2(t, "div", row_pass(t, &r, pass_sum, ADZE_COMBINE_ADD), row_count(t, &r));
        if (!t->failed) memo.scale = inverse_root(t, &r, row_pass(t, &r, pass_variance, ADZE_COMBINE_ADD));
    } else if (adze_op_is(op, "rms_norm")) {
        r.square = true;
        memo.scale = inverse_root(t, &r, row_pass(t, &r, pass_sum, ADZE_COMBINE_ADD));
    } else {
        r.shift = row_pass(t, &r, pass_max, ADZE_COMBINE_MAX);
        if (t->failed) return;
        adze_ir_value *sum = row_pass(t, &r, pass_exp, ADZE_COMBINE_ADD);
        if (adze_op_is(op, "log_softmax"))
            memo.shift = tile_op2(t, "add", r.shift, tile_op(t, "log", &sum, 1));
        else
            memo.scale = tile_op(t, "reciprocal", &sum, 1);
    }
    if (!t->failed) tile_remember(t, memo);
}

adze_ir_value *tile_normalized(tile *t, adze_op *op, const tile_point *at)
{
    const tile_memo *memo = tile_recall(t, adze_op_result(op, 0), at);
    if (!memo) {
        t->failed = true;
        return NULL;
    }
    adze_ir_value *value = tile_row_value(t, memo, at);
    for (uint32_t i = 1; value && i < adze_op_num_operands(op); i++) { /* scale, bias */
        adze_ir_value *operand = adze_op_operand(op, i);
        if (!operand) continue;
        const adze_type *type = adze_value_type(operand);
        tile_point point = {.rank = adze_type_rank(type)};
        for (uint32_t d = 0; d < point.rank; d++)
            point.at[d] = adze_dim_is_value(adze_type_dim(type, d), 1) ? tile_dim(t, 0)
                                                                       : at->at[at->rank - point.rank + d];
        adze_ir_value *factor = tile_value(t, operand, &point);
        if (!factor) return NULL;
        value = tile_op2(t, i == 1 ? "mul" : "add", value, factor);
    }
    return value;
}

/* ---- Ahead of a row ---- */

typedef struct seen {
    const adze_ir_value *value;
    tile_point at;
} seen;

typedef struct visitor {
    seen list[TILE_MAX_MEMO];
    uint32_t n, lane;
} visitor;

static bool was_seen(visitor *v, const adze_ir_value *value, const tile_point *at)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (v->list[i].value == value && !memcmp(v->list[i].at.at, at->at, at->rank * sizeof *at->at)) return true;
    if (v->n < TILE_MAX_MEMO) v->list[v->n++] = (seen){value, *at};
    return false;
}

static void visit(tile *t, visitor *v, adze_ir_value *value, const tile_point *at)
{
    adze_op *op = adze_value_op(value);
    if (!op || t->failed || was_seen(v, value, at)) return;
    bool normalize = adze_op_has_trait(op, ADZE_NORMALIZE), reduce = adze_op_has_trait(op, ADZE_REDUCE);
    int axis = normalize ? tile_row_axis(op) : -1;
    if (normalize && axis < 0) {
        t->failed = true;
        return;
    }
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        tile_point point;
        if (!adze_op_operand(op, i)) continue;
        if (normalize && i == 0) {
            point = *at;
            point.at[axis] = adze_dim_axis(t->context, (uint32_t)t->any_axis);
        } else if (!tile_operand_point(t, op, i, at, &point)) {
            continue;
        }
        visit(t, v, adze_op_operand(op, i), &point);
    }
    if (!normalize && !reduce) return;
    if (tile_depends(t, at, v->lane, axis) || tile_depends(t, at, (uint32_t)t->any_axis, axis)) {
        t->failed |= normalize;
        return;
    }
    if (normalize) {
        normalize_row(t, op, at, axis);
        return;
    }
    adze_ir_value *result = tile_reduction(t, op, at);
    if (result) tile_remember(t, (tile_memo){.value = value, .point = *at, .axis = -1, .result = result});
}

void tile_prepare(tile *t, adze_ir_value *value, const tile_point *at, uint32_t lane)
{
    if (t->flat) return;
    visitor *v = &(visitor){.lane = lane};
    t->any_axis = (int)tile_axis(t, NULL, adze_dim_unknown(t->context));
    visit(t, v, value, at);
    t->any_axis = -1;
}
