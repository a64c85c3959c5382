/* tile: attention, a chunk a (batch, head): keys and values are packed once, then for a few queries at a
 * time the scores stay in the cache through scale, mask and softmax to the product with the values.
 *
 * The rows of exponentials are not divided by their sum; the last product's epilogue does it.
 *
 * With a window, a tile of queries looks at the blocks of keys that one of its rows reaches, and at no others: products
 * and exponentials take the share of the time that the window has of the pairs. Within these blocks scores beyond a
 * row's own reach become -infinity. The window's numbers are loaded, so kernels of other windows are the same.
 */
#include "passes/tile/contract.h"

#include <math.h>

enum { PANEL = 2 * TILE_PANEL, WINDOW = 4, MAX_SIDES = 1024 };

typedef struct attention {
    adze_op *op;
    const adze_type *q, *k, *v, *y;
    adze_ir_value *keys, *values; /* packed: [panels, depth, 16], an even number of panels */
    adze_ir_value *scores, *sums; /* [mr, keys rounded up], [mr] */
    const adze_dim *n_keys, *padded_keys, *key_stride;
    int64_t depth, value_depth, mr, nr;
    tile_point at; /* batch, head of this chunk */
    const adze_dim *first; /* query of the tile's first row */
    const adze_dim *row;   /* of the tile, while a row is worked on */
    adze_ir_value *acc, *shift;
    const adze_dim *key; /* first key of a block */
    /* Of the window: how far this head looks to either side, NULL = to the end; keys that the tile looks at. */
    const adze_dim *side[2], *from, *to;
} attention;

static adze_ir_value *buffer_of(tile *t, const adze_op *op, uint32_t i)
{
    return tile_buffer(t, adze_op_operand(op, i));
}

/* The window's numbers, two a head; 0: they are not known, too many, or below 0. */
static int64_t window_sides(const tile *t, const attention *a, int64_t out[MAX_SIDES])
{
    const adze_ir_value *arg = adze_op_operand(a->op, WINDOW);
    bool is_argument = adze_value_def(arg) == ADZE_DEF_ARGUMENT;
    const adze_const *c = is_argument ? adze_value_const(t->operands[adze_value_index(arg)]) : NULL;
    uint64_t size = c ? adze_data_size(adze_const_data(c)) : 0;
    if (!c || size > MAX_SIDES * sizeof *out || !adze_data_read(adze_const_data(c), 0, out, size)) return 0;
    int64_t n = (int64_t)(size / sizeof *out);
    for (int64_t i = 0; i < n; i++)
        if (out[i] < 0) return 0;
    return n;
}

static adze_ir_value *pack(tile *t, const attention *a, uint32_t operand, const adze_type *type, bool transposed)
{
    const adze_dim *strides[ADZE_MAX_RANK];
    adze_layout_strides(type, strides);
    const adze_dim *k = adze_type_dim(type, transposed ? 3 : 2), *n = adze_type_dim(type, transposed ? 2 : 3);
    const adze_dim *pairs = adze_dim_binary(t->context, ADZE_DIM_CEILDIV, n, tile_dim(t, PANEL));
    const adze_dim *dims[] = {adze_dim_mul_const(t->context, pairs, 2), k, tile_dim(t, TILE_PANEL)};
    adze_ir_value *panels = tile_scratch(t, ADZE_DTYPE_f32, 3, dims);
    tile_point at = a->at;
    at.at[2] = at.at[3] = tile_dim(t, 0);
    adze_ir_value *args[] = {panels,
                             tile_view_at(t, buffer_of(t, a->op, operand), type, &at),
                             tile_index(t, k),
                             tile_index(t, n),
                             tile_index(t, strides[transposed ? 3 : 2]),
                             tile_index(t, strides[transposed ? 2 : 3]),
                             tile_index(t, k)};
    tile_call(t, "pack_f32", args, 7);
    return panels;
}

/* acc[mr][nr] = rows at `a` (stride `row_stride`) times the panel columns from a->key on, of k steps from `step` on. */
static void product(tile *t, attention *a, adze_ir_value *rows, const adze_dim *row_stride, adze_ir_value *panels,
                    const adze_dim *step, const adze_dim *k, int64_t mr)
{
    const adze_dim *panel = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, a->key, tile_dim(t, TILE_PANEL));
    const adze_dim *index[] = {panel, step, tile_dim(t, 0)};
    adze_ir_value *b = tile_view(t, panels, index);
    adze_ir_value *one = adze_build_index(&t->b, 1), *zero = adze_build_index(&t->b, 0);
    adze_ir_value *args[] = {a->acc, rows, adze_build_index(&t->b, mr), tile_index(t, row_stride), zero, b,
                             one,    zero, one, zero, tile_index(t, k), adze_build_index(&t->b, TILE_AHEAD)};
    tile_call(t, adze_internf(t->context, "gemm_f32_%dx%d", (int)mr, (int)a->nr), args, 12);
}

/* Runs `body` for every row and vector of the accumulator tile, unrolled. */
typedef void acc_body(tile *t, attention *a, const adze_dim *m, const adze_dim *column);

static void for_acc(tile *t, attention *a, int64_t mr, acc_body *body)
{
    tile_loop rows = tile_unrolled(t, mr, 1), lanes = tile_unrolled(t, a->nr, ADZE_LANES);
    body(t, a, adze_dim_axis(t->context, rows.axis), adze_dim_axis(t->context, lanes.axis));
    tile_end(t, &lanes, NULL, 0);
    tile_end(t, &rows, NULL, 0);
}

/* The scores, those of keys that row m of the tile does not look at replaced by -infinity. */
static adze_ir_value *within_reach(tile *t, const attention *a, adze_ir_value *value, const adze_dim *m, uint32_t lane)
{
    adze_ir_value *outside = tile_lit(t, ADZE_DTYPE_f32, -(double)INFINITY);
    const adze_dim *row = adze_dim_add(t->context, a->first, m), *key = adze_dim_axis(t->context, lane);
    adze_ir_value *outer = t->mask;
    if (a->side[0]) {
        tile_mask(t, adze_dim_sub(t->context, adze_dim_sub(t->context, row, a->side[0]), key));
        adze_ir_value *choice[] = {t->mask, outside, value};
        value = tile_op(t, "where", choice, 3);
    }
    if (a->side[1]) {
        const adze_dim *last = adze_dim_add_const(t->context, adze_dim_add(t->context, row, a->side[1]), 1);
        tile_mask(t, adze_dim_sub(t->context, last, key));
        adze_ir_value *choice[] = {t->mask, value, outside};
        value = tile_op(t, "where", choice, 3);
    }
    t->mask = outer;
    return value;
}

/* A bool hides where it is false; a number is added. */
static adze_ir_value *add_mask(tile *t, adze_ir_value *value, adze_ir_value *mask)
{
    adze_dtype dtype = adze_type_dtype(adze_value_type(mask));
    if (dtype != ADZE_DTYPE_bool) return tile_op2(t, "add", value, tile_cast(t, mask, ADZE_DTYPE_f32));
    adze_ir_value *choice[] = {mask, value, tile_lit(t, ADZE_DTYPE_f32, -(double)INFINITY)};
    return tile_op(t, "where", choice, 3);
}

/* Scores of one vector: scaled, mask added, stored; lanes past the last key are stored too but never read. */
static void put_scores(tile *t, attention *a, const adze_dim *m, const adze_dim *column)
{
    adze_ir_value *value = tile_load_lanes(t, a->acc, m, column);
    double scale = adze_op_attr_float(a->op, "scale");
    if (scale != 1) value = tile_op2(t, "mul", value, tile_lit(t, ADZE_DTYPE_f32, scale));
    uint32_t lane = tile_axis(t, tile_index(t, adze_dim_add(t->context, a->key, column)), a->padded_keys);
    adze_ir_value *mask = adze_op_operand(a->op, 3);
    t->lane = (int)lane;
    value = within_reach(t, a, value, m, lane);
    if (mask) {
        const adze_type *type = adze_value_type(mask);
        tile_point at = a->at, point = {.rank = adze_type_rank(type)};
        at.at[2] = adze_dim_add(t->context, a->first, m);
        at.at[3] = adze_dim_axis(t->context, lane);
        for (uint32_t d = 0; d < point.rank; d++)
            point.at[d] = adze_dim_is_value(adze_type_dim(type, d), 1) ? tile_dim(t, 0) : at.at[4 - point.rank + d];
        tile_mask(t, adze_dim_sub(t->context, a->n_keys, adze_dim_axis(t->context, lane)));
        adze_ir_value *bias = tile_value(t, mask, &point);
        t->mask = NULL;
        if (bias) value = add_mask(t, value, bias);
    }
    adze_ir_value *operands[] = {value, a->scores, NULL, tile_index(t, m), t->axes[lane]};
    adze_build(&t->b, "store", operands, 5, NULL, 0, NULL, 0);
    t->lane = -1;
}

static const adze_type *scores_type(tile *t, const attention *a)
{
    const adze_dim *dims[] = {tile_dim(t, a->mr), a->padded_keys};
    return adze_type_tensor(t->context, ADZE_DTYPE_f32, 2, dims, NULL);
}

/* Of a row of scores, the place of the lanes along `axis`. */
static tile_point score_at(tile *t, const attention *a, uint32_t axis)
{
    return (tile_point){2, {a->row, adze_dim_add(t->context, a->from, adze_dim_axis(t->context, axis))}};
}

static void pass_max(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    attention *a = self;
    tile_point at = score_at(t, a, axis);
    adze_ir_value *x = tile_load(t, a->scores, scores_type(t, a), &at);
    carried[0] = tile_combine_masked(t, ADZE_COMBINE_MAX, carried[0], x);
}

static void pass_exp(tile *t, void *self, uint32_t axis, adze_ir_value **carried)
{
    attention *a = self;
    tile_point at = score_at(t, a, axis);
    adze_ir_value *x = tile_load(t, a->scores, scores_type(t, a), &at);
    x = tile_op2(t, "sub", x, a->shift);
    x = tile_op(t, "exp", &x, 1);
    tile_store(t, x, a->scores, scores_type(t, a), &at);
    carried[0] = tile_combine_masked(t, ADZE_COMBINE_ADD, carried[0], x);
}

static adze_ir_value *row_pass(tile *t, attention *a, tile_body *body, adze_combine combine)
{
    adze_ir_value *acc = tile_splat(t, tile_identity(t, combine, ADZE_DTYPE_f32));
    tile_lanes(t, adze_dim_sub(t->context, a->to, a->from), body, a, &acc, 1);
    return tile_reduce_lanes(t, combine, acc);
}

static void put_values(tile *t, attention *a, const adze_dim *m, const adze_dim *column)
{
    adze_ir_value *value = tile_load_lanes(t, a->acc, m, column);
    adze_ir_value *operands[] = {a->sums, NULL, tile_index(t, m)};
    const adze_type *scalar = adze_type_scalar(t->context, ADZE_DTYPE_f32);
    adze_ir_value *inverse = adze_op_result(adze_build(&t->b, "load", operands, 3, NULL, 0, &scalar, 1), 0);
    value = tile_op2(t, "mul", value, inverse);
    const adze_dim *at_column = adze_dim_add(t->context, a->key, column);
    uint32_t lane = tile_axis(t, tile_index(t, at_column), tile_dim(t, a->value_depth));
    t->lane = (int)lane;
    if (a->value_depth % a->nr)
        tile_mask(t, adze_dim_sub(t->context, tile_dim(t, a->value_depth), adze_dim_axis(t->context, lane)));
    tile_point at = a->at;
    at.at[2] = adze_dim_add(t->context, a->first, m);
    at.at[3] = adze_dim_axis(t->context, lane);
    tile_store(t, value, tile_result(t, 0), a->y, &at);
    t->lane = -1;
    t->mask = NULL;
}

/* Blocks of nr columns of [first, end). */
static tile_loop for_blocks(tile *t, attention *a, const adze_dim *first, const adze_dim *end)
{
    tile_loop loop = tile_for(t, tile_index(t, first), tile_index(t, end), a->nr, false, NULL, 0);
    a->key = adze_dim_axis(t->context, loop.axis);
    return loop;
}

/* What a row's last product is divided by: 1 over the sum of its exponentials; 0 of no keys, whose mix is 0. */
static adze_ir_value *inverse_of(tile *t, const attention *a, adze_ir_value *sum)
{
    int64_t keys;
    adze_ir_value *inverse = tile_op(t, "reciprocal", &sum, 1);
    if (adze_dim_is_const(a->n_keys, &keys) && keys > 0) return inverse;
    adze_ir_value *none = tile_lit(t, ADZE_DTYPE_f32, 0);
    adze_ir_value *choice[] = {tile_op2(t, "equal", sum, none), none, inverse};
    return tile_op(t, "where", choice, 3);
}

static void softmax_rows(tile *t, attention *a, int64_t mr)
{
    tile_loop rows = tile_for(t, adze_build_index(&t->b, 0), adze_build_index(&t->b, mr), 1, false, NULL, 0);
    t->extents[rows.axis] = tile_dim(t, mr);
    a->row = adze_dim_axis(t->context, rows.axis);
    a->shift = row_pass(t, a, pass_max, ADZE_COMBINE_MAX);
    adze_ir_value *sum = row_pass(t, a, pass_exp, ADZE_COMBINE_ADD);
    adze_ir_value *operands[] = {inverse_of(t, a, sum), a->sums, NULL, t->axes[rows.axis]};
    adze_build(&t->b, "store", operands, 4, NULL, 0, NULL, 0);
    tile_end(t, &rows, NULL, 0);
}

/* Which keys a tile of mr queries looks at; `from` is the first of a block. */
static void find_reach(tile *t, attention *a, int64_t mr)
{
    const adze_dim *zero = tile_dim(t, 0), *nr = tile_dim(t, a->nr);
    a->from = zero;
    a->to = a->n_keys;
    if (a->side[0]) {
        const adze_dim *first = tile_max(t, zero, adze_dim_sub(t->context, a->first, a->side[0]));
        const adze_dim *block = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, first, nr);
        a->from = tile_bind(t, adze_dim_mul(t->context, block, nr), a->n_keys);
    }
    if (a->side[1]) {
        const adze_dim *last = adze_dim_add(t->context, a->first, a->side[1]);
        a->to = tile_bind(t, tile_min(t, a->n_keys, adze_dim_add_const(t->context, last, mr)),
                          adze_dim_add_const(t->context, a->n_keys, 1));
    }
}

/* The product with the values of the keys that the tile looks at. Of some keys it goes a panel at a time: for two the
 * micro-kernel finds the second behind as many steps as it is to take of the first. */
static void mix_values(tile *t, attention *a, int64_t mr)
{
    int64_t nr = a->nr;
    adze_ir_value *acc = a->acc;
    if (a->side[0] || a->side[1]) {
        const adze_dim *dims[] = {tile_dim(t, mr), tile_dim(t, TILE_PANEL)};
        a->nr = TILE_PANEL;
        if (nr != a->nr) a->acc = tile_scratch(t, ADZE_DTYPE_f32, 2, dims);
    }
    tile_loop loop = for_blocks(t, a, tile_dim(t, 0), tile_dim(t, a->value_depth));
    const adze_dim *from[] = {tile_dim(t, 0), a->from};
    adze_ir_value *rows = tile_view(t, a->scores, from);
    product(t, a, rows, a->key_stride, a->values, a->from, adze_dim_sub(t->context, a->to, a->from), mr);
    for_acc(t, a, mr, put_values);
    tile_end(t, &loop, NULL, 0);
    a->nr = nr;
    a->acc = acc;
}

static void queries(tile *t, attention *a, const adze_dim *first, int64_t mr)
{
    const adze_dim *strides[ADZE_MAX_RANK];
    adze_layout_strides(a->q, strides);
    a->first = first;
    find_reach(t, a, mr);
    tile_point at = a->at;
    at.at[2] = first;
    at.at[3] = tile_dim(t, 0);
    adze_ir_value *rows = tile_view_at(t, buffer_of(t, a->op, 0), a->q, &at);
    const adze_dim *acc_dims[] = {tile_dim(t, mr), tile_dim(t, a->nr)};
    a->acc = tile_scratch(t, ADZE_DTYPE_f32, 2, acc_dims);
    tile_loop loop = for_blocks(t, a, a->from, a->to);
    product(t, a, rows, strides[2], a->keys, tile_dim(t, 0), tile_dim(t, a->depth), mr);
    for_acc(t, a, mr, put_scores);
    tile_end(t, &loop, NULL, 0);
    softmax_rows(t, a, mr);
    mix_values(t, a, mr);
}

/* Queries in tiles of mr, then fours, then ones; nothing is emitted for sizes that cannot occur. */
static void all_queries(tile *t, attention *a)
{
    const adze_dim *count = adze_type_dim(a->q, 2), *at = tile_dim(t, 0);
    const int64_t sizes[] = {a->mr, 4, 1};
    for (uint32_t i = 0; i < 3; i++) {
        const adze_dim *size = tile_dim(t, sizes[i]);
        const adze_dim *left = adze_dim_sub(t->context, count, at);
        const adze_dim *whole =
            adze_dim_mul(t->context, adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, left, size), size);
        const adze_dim *stop = adze_dim_add(t->context, at, whole);
        if (adze_dim_equal(stop, at)) continue;
        tile_loop loop = tile_for(t, tile_index(t, at), tile_index(t, stop), sizes[i], false, NULL, 0);
        t->extents[loop.axis] = count;
        queries(t, a, adze_dim_axis(t->context, loop.axis), sizes[i]);
        tile_end(t, &loop, NULL, 0);
        at = stop;
    }
}

/* How far the head at hand looks to one side: a number of the window's, at most as many as there are keys. */
static const adze_dim *load_side(tile *t, const attention *a, uint32_t side)
{
    const adze_ir_value *window = adze_op_operand(a->op, WINDOW);
    const adze_type *type = adze_value_type(window);
    bool shared = adze_dim_is_value(adze_type_dim(type, 0), 1);
    tile_point at = {2, {shared ? tile_dim(t, 0) : a->at.at[1], tile_dim(t, side)}};
    adze_ir_value *number = tile_load(t, tile_buffer(t, window), type, &at);
    adze_ir_value *reach = tile_op2(t, "min", number, tile_index(t, a->n_keys));
    return adze_dim_axis(t->context, tile_axis(t, reach, adze_dim_add_const(t->context, a->n_keys, 1)));
}

static void load_window(tile *t, attention *a)
{
    int64_t sides[MAX_SIDES], keys;
    int64_t n = window_sides(t, a, sides);
    bool known = adze_dim_is_const(a->n_keys, &keys);
    for (uint32_t side = 0; side < 2 && n > 0; side++) {
        bool all = true; /* keys, for all heads */
        for (int64_t i = side; i < n; i += 2) all &= known ? sides[i] >= keys - 1 : sides[i] == INT64_MAX;
        if (!all) a->side[side] = load_side(t, a, side);
    }
}

static bool describe(tile *t, attention *a)
{
    a->op = adze_region_first(t->region);
    if (!a->op || !adze_op_is(a->op, "attention") ||
        adze_op_operand(adze_region_last(t->region), 0) != adze_op_result(a->op, 0))
        return false;
    a->q = adze_value_type(adze_op_operand(a->op, 0));
    a->k = adze_value_type(adze_op_operand(a->op, 1));
    a->v = adze_value_type(adze_op_operand(a->op, 2));
    a->y = adze_value_type(adze_op_result(t->kernel, 0));
    for (uint32_t i = 0; i < 3; i++)
        if (adze_value_def(adze_op_operand(a->op, i)) != ADZE_DEF_ARGUMENT) return false;
    int64_t sides[MAX_SIDES];
    bool as_many = adze_dim_equal(adze_type_dim(a->q, 2), adze_type_dim(a->k, 2));
    if (adze_op_operand(a->op, WINDOW) && (!as_many || window_sides(t, a, sides) < 2)) return false;
    if (adze_type_rank(a->q) != 4 || adze_type_dtype(a->q) != ADZE_DTYPE_f32) return false;
    const adze_dim *strides[ADZE_MAX_RANK];
    adze_layout_strides(a->q, strides);
    return adze_dim_is_value(strides[3], 1) && adze_dim_is_const(adze_type_dim(a->q, 3), &a->depth) &&
           adze_dim_is_const(adze_type_dim(a->v, 3), &a->value_depth) &&
           !adze_dim_is_value(adze_type_count(a->y), 0);
}

bool tile_attention(tile *t)
{
    attention a = {0};
    if (!describe(t, &a)) return false;
    a.nr = adze_target_number(t->run->target, "gemm-nr", 16);
    a.mr = adze_target_number(t->run->target, "gemm-mr", 6);
    a.n_keys = adze_type_dim(a.k, 2);
    a.padded_keys = adze_dim_mul_const(
        t->context, adze_dim_binary(t->context, ADZE_DIM_CEILDIV, a.n_keys, tile_dim(t, PANEL)), PANEL);
    a.key_stride = a.padded_keys;
    const adze_dim *batch = adze_type_dim(a.q, 0), *heads = adze_type_dim(a.q, 1);
    tile_zero_halo(t, 0);
    tile_loop loop = tile_parallel(t, adze_dim_mul(t->context, batch, heads));
    const adze_dim *number = adze_dim_axis(t->context, loop.axis);
    const adze_dim *b = adze_dim_binary(t->context, ADZE_DIM_FLOORDIV, number, heads);
    const adze_dim *h = adze_dim_binary(t->context, ADZE_DIM_MOD, number, heads);
    a.at.rank = 4;
    a.at.at[0] = tile_bind(t, b, batch);
    a.at.at[1] = tile_bind(t, h, heads);
    if (adze_op_operand(a.op, WINDOW)) load_window(t, &a);
    a.keys = pack(t, &a, 1, a.k, true);
    a.values = pack(t, &a, 2, a.v, false);
    const adze_dim *score_dims[] = {tile_dim(t, a.mr), a.padded_keys};
    a.scores = tile_scratch(t, ADZE_DTYPE_f32, 2, score_dims);
    a.sums = tile_scratch(t, ADZE_DTYPE_f32, 1, score_dims);
    all_queries(t, &a);
    tile_end_parallel(t, &loop);
    return !t->failed;
}
