/* com.microsoft: what lines one row of tokens up with another: DynamicTimeWarping, BifurcationDetector. */
#include "contrib.h"

#include <math.h>

static term *i64_of(adze_onnx_node *node, int64_t n) { return compose_number(node, ADZE_DTYPE_i64, (double)n); }

/* ---- DynamicTimeWarping ---- */

/* A matrix of costs [rows, columns], whose lowest sum of a way from the first to the last is looked for. */
typedef struct warp {
    adze_onnx_node *node;
    int64_t rows, columns;
} warp;

/* Steps that a way came by: a row and a column on, a row, a column. */
enum { BOTH, ROW, COLUMN };

/* The costs by diagonals [rows + columns - 1, rows], inf where a diagonal has no such row. */
static term *by_diagonals(const warp *w, term *costs)
{
    adze_onnx_node *node = w->node;
    adze_context *context = node->import->context;
    const adze_dim *all = adze_dim_const(context, w->rows * w->columns), *rows = adze_dim_const(context, w->rows);
    const adze_dim *diagonals = adze_dim_const(context, w->rows + w->columns - 1);
    term *row = compose_iota(node, rows, 2, 1);
    term *column = compose2(node, "sub", compose_iota(node, diagonals, 2, 0), row);
    term *there = compose2(node, "and", compose2(node, "greater_equal", column, i64_of(node, 0)),
                           compose2(node, "less", column, i64_of(node, w->columns)));
    term *at = compose2(node, "add", compose2(node, "mul", row, i64_of(node, w->columns)), column);
    adze_attr axis = adze_attr_int("axis", 0);
    term *in[] = {compose_reshape(node, costs, &all, 1), compose3(node, "where", there, at, i64_of(node, 0))};
    term *found = compose_all(node, "gather", in, 2, 2, &axis, 1);
    return compose3(node, "where", there, found, compose_number(node, ADZE_DTYPE_f32, (double)INFINITY));
}

/* [rows], each a row on; `first` is [1]. */
static term *a_row_on(const warp *w, term *x, term *first)
{
    return compose_concat(w->node, (term *[]){first, compose_slice(w->node, x, 0, 0, w->rows - 1, 1)}, 2, 0);
}

/* What one run of the loop over diagonals carries on, the sums of the last two, and the steps that it stacks. */
static bool next_diagonal(const warp *w, const compose_loop *loop, term *costs, term **values)
{
    adze_onnx_node *node = w->node;
    adze_attr axis = adze_attr_int("axis", 0);
    term *number = compose_loop_argument(loop, 0), *last = compose_loop_argument(loop, 1);
    term *before = compose_loop_argument(loop, 2), *none = compose_number(node, ADZE_DTYPE_f32, (double)INFINITY);
    term *begin = compose3(node, "where", compose2(node, "equal", number, i64_of(node, 0)),
                           compose_number(node, ADZE_DTYPE_f32, 0), none);
    term *both = a_row_on(w, before, compose_unsqueeze(node, begin, 0, 1));
    term *row = a_row_on(w, last, compose_unsqueeze(node, none, 0, 1));
    term *is_both = compose2(node, "and", compose2(node, "less", both, row), compose2(node, "less", both, last));
    term *is_row = compose2(node, "and", compose2(node, "less", row, both), compose2(node, "less", row, last));
    term *best = compose3(node, "where", is_both, both, compose3(node, "where", is_row, row, last));
    term *step = compose3(node, "where", is_row, i64_of(node, ROW), i64_of(node, COLUMN));
    values[0] = compose2(node, "add", best, compose_all(node, "gather", (term *[]){costs, number}, 2, 2, &axis, 1));
    values[1] = last;
    values[2] = compose3(node, "where", is_both, i64_of(node, BOTH), step);
    return values[0] && values[2];
}

/* The step that each cell is reached by, [diagonals, rows]. Of equal sums a column's goes first, as in ONNX Runtime. */
static term *find_steps(const warp *w, term *costs)
{
    adze_onnx_node *node = w->node;
    adze_context *context = node->import->context;
    const adze_dim *rows = adze_dim_const(context, w->rows);
    const adze_dim *diagonals = adze_dim_const(context, w->rows + w->columns - 1);
    term *none = compose_expand(node, compose_number(node, ADZE_DTYPE_f32, (double)INFINITY), &rows, 1), *values[3];
    term *count = i64_of(node, w->rows + w->columns - 1), *first[] = {none, none};
    compose_loop loop;
    costs = by_diagonals(w, costs);
    bool ok = compose_loop_begin(node, costs ? count : NULL, NULL, first, 2, 1, &loop) &&
              next_diagonal(w, &loop, costs, values);
    return compose_loop_end(node, &loop, diagonals, NULL, ok ? values : NULL, 3) ? adze_op_result(loop.op, 2) : NULL;
}

/* A cell back along the steps, and the cell itself. */
static bool step_back(const warp *w, const compose_loop *loop, term *steps, term **values, term **out_on)
{
    adze_onnx_node *node = w->node;
    adze_attr axis = adze_attr_int("axis", 0);
    term *row = compose_loop_argument(loop, 1), *column = compose_loop_argument(loop, 2), *zero = i64_of(node, 0);
    term *line = compose_all(node, "gather", (term *[]){steps, compose2(node, "add", row, column)}, 2, 2, &axis, 1);
    term *step = compose_all(node, "gather", (term *[]){line, row}, 2, 2, &axis, 1);
    term *by_row = compose1(node, "not", compose2(node, "equal", step, i64_of(node, COLUMN)));
    term *by_column = compose1(node, "not", compose2(node, "equal", step, i64_of(node, ROW)));
    values[0] = compose2(node, "sub", row, compose_cast(node, by_row, ADZE_DTYPE_i64));
    values[1] = compose2(node, "sub", column, compose_cast(node, by_column, ADZE_DTYPE_i64));
    term *cell[] = {compose_unsqueeze(node, row, 0, 1), compose_unsqueeze(node, column, 0, 1)};
    values[2] = compose_concat(node, cell, 2, 0);
    *out_on = compose2(node, "and", compose2(node, "greater_equal", values[0], zero),
                       compose2(node, "greater_equal", values[1], zero));
    return values[2] && *out_on;
}

/* The way whose costs have the lowest sum (Sakoe and Chiba, 1978), rows above columns, i32[2, length]. */
bool adze_onnx_contrib_warp(adze_onnx_node *node)
{
    static const int64_t turned[] = {1, 0};
    warp w = {.node = node};
    term *x, *values[3], *on = NULL;
    uint32_t rank;
    int64_t one = 1;
    if (!compose_operand(node, 0, 1, &x, &rank)) return false;
    if (rank == 3 && adze_dim_is_const(compose_dim(x, 0), &one) && one == 1) x = compose_squeeze(node, x, 0);
    if (compose_rank(x) != 2) return adze_onnx_invalid(node, "costs of rank %u, and no one matrix", rank);
    if (!adze_dim_is_const(compose_dim(x, 0), &w.rows) || !adze_dim_is_const(compose_dim(x, 1), &w.columns))
        return adze_onnx_undetermined(node, "costs of unknown dims");
    if (w.rows < 1 || w.columns < 1 || w.rows > INT32_MAX || w.columns > INT32_MAX)
        return adze_onnx_invalid(node, "costs of %lld x %lld", (long long)w.rows, (long long)w.columns);
    term *steps = find_steps(&w, x), *first[] = {i64_of(node, w.rows - 1), i64_of(node, w.columns - 1)};
    term *most = i64_of(node, w.rows + w.columns - 1);
    compose_loop loop;
    term *yes = compose_number(node, ADZE_DTYPE_bool, 1);
    bool ok = compose_loop_begin(node, steps ? most : NULL, yes, first, 2, 1, &loop) &&
              step_back(&w, &loop, steps, values, &on);
    if (!compose_loop_end(node, &loop, NULL, on, ok ? values : NULL, 3)) return false;
    term *way = compose_slice(node, adze_op_result(loop.op, 2), 0, -1, INT64_MIN, -1);
    return compose_end(node, compose_cast(node, compose_transpose(node, way, turned, 2), ADZE_DTYPE_i32));
}

/* ---- BifurcationDetector ---- */

/* `from` is within the source, and there is a predicted token for each of the source from there on, and one more.
 * Reports what is known to be otherwise; *from becomes a term whose run is an error where it is. */
static bool check_predicted(adze_onnx_node *node, term *source, term **from, term *predicted)
{
    int64_t length, count, place;
    bool sized = adze_dim_is_const(compose_dim(source, 0), &length) &&
                 adze_dim_is_const(compose_dim(predicted, 0), &count);
    if (sized && (count < 1 || count > length + 1))
        return adze_onnx_invalid(node, "%lld predicted tokens of %lld", (long long)count, (long long)length);
    if (sized && adze_value_as_ints(*from, &place, 1) == 1 && count != length - place + 1)
        return adze_onnx_invalid(node, "%lld predicted tokens of %lld from %lld on", (long long)count,
                                 (long long)length, (long long)place);
    term *end = compose2(node, "add", compose_size(node, source, 0), compose_int(node, 1));
    term *begin = compose2(node, "sub", end, compose_size(node, predicted, 0)), *at = compose_scalar(node, *from);
    term *wrong = compose2(node, "or", compose1(node, "not", compose2(node, "equal", begin, at)),
                           compose2(node, "less", begin, compose_int(node, 0)));
    wrong = compose2(node, "or", wrong, compose2(node, "greater_equal", begin, end));
    wrong = compose_scalar(node, compose_cast(node, wrong, ADZE_DTYPE_i64));
    *from = compose2(node, "add", at, compose_zeros_or_error(node, wrong));
    return *from != NULL;
}

/* How many of the predicted tokens are those of the source from `from` on, and one more, behind the tokens. */
static term *with_predicted(adze_onnx_node *node, term *tokens, term *source, term *from, term *predicted)
{
    adze_attr axis = adze_attr_int("axis", 0);
    static const int64_t only[] = {0};
    term *head = compose_slice(node, predicted, 0, 0, -1, 1), *place = compose_positions(node, head, 0, 1, 0);
    term *there = compose_all(node, "gather", (term *[]){source, compose2(node, "add", place, from)}, 2, 2, &axis, 1);
    term *other = compose_cast(node, compose1(node, "not", compose2(node, "equal", head, there)), ADZE_DTYPE_i64);
    term *same = compose2(node, "equal", compose2(node, "cum_sum", other, i64_of(node, 0)), i64_of(node, 0));
    term *count = compose_reduce(node, "reduce_sum", compose_cast(node, same, ADZE_DTYPE_i64), only, 1, true);
    term *in[] = {predicted, compose_int(node, 0), compose2(node, "add", count, compose_int(node, 1)),
                  compose_int(node, 0)};
    term *kept = compose_all(node, "slice", in, 4, 4, NULL, 0);
    return compose_concat(node, (term *[]){tokens, kept}, 2, 0);
}

/* Where the last n tokens stand in the source: how often, and the sum of the places behind them. */
static term *count_matches(adze_onnx_node *node, term *source, term *tokens, int64_t n, term **out_place)
{
    static const int64_t only[] = {0};
    adze_attr axis = adze_attr_int("axis", 0);
    term *length = compose_size(node, tokens, 0), *same = NULL;
    tokens = compose_concat(node, (term *[]){tokens, compose_int(node, 0)}, 2, 0); /* there may be none */
    for (int64_t i = 0; i < n; i++) {
        term *at = compose2(node, "max", compose2(node, "sub", length, compose_int(node, n - i)), compose_int(node, 0));
        term *last = compose_all(node, "gather", (term *[]){tokens, at}, 2, 2, &axis, 1);
        term *part = compose_slice(node, source, 0, i, i + 1 < n ? i + 1 - n : INT64_MAX, 1);
        term *one = compose2(node, "equal", part, last);
        same = same ? compose2(node, "and", same, one) : one;
    }
    same = compose2(node, "and", same, compose2(node, "greater_equal", length, compose_int(node, n)));
    same = compose_cast(node, same, ADZE_DTYPE_i64);
    term *place = compose2(node, "add", compose_positions(node, same, 0, 1, 0), i64_of(node, n));
    *out_place = compose_reduce(node, "reduce_sum", compose2(node, "mul", same, place), only, 1, true);
    return compose_reduce(node, "reduce_sum", same, only, 1, true);
}

/* What aggressive decoding goes on from (Sun et al., 2021): the tokens with those predicted ones that the source has,
 * and the place behind the shortest end of them that stands there once alone; -1: none does. */
bool adze_onnx_contrib_bifurcation(adze_onnx_node *node)
{
    enum { SOURCE, TOKENS, FROM, PREDICTED, MOST = 64 };
    int64_t least = 1, most = 3;
    term *in[3], *predicted = adze_onnx_operand(node, PREDICTED);
    uint32_t rank;
    if (!adze_onnx_attr_int(node, "min_ngram_size", &least) || !adze_onnx_attr_int(node, "max_ngram_size", &most))
        return false;
    if (least < 1 || most < least || most > MOST)
        return adze_onnx_invalid(node, "ends of %lld to %lld tokens", (long long)least, (long long)most);
    for (uint32_t i = 0; i < 3; i++) {
        if (!compose_operand(node, i, 0, &in[i], &rank)) return false;
        if (i != FROM && rank != 1) return adze_onnx_invalid(node, "input %u has rank %u, not 1", i, rank);
    }
    if (predicted && compose_rank(predicted) != 1)
        return adze_onnx_invalid(node, "input %d has rank %d, not 1", PREDICTED, compose_rank(predicted));
    term *tokens = in[TOKENS], *from = in[FROM];
    if (predicted && !check_predicted(node, in[SOURCE], &from, predicted)) return false;
    if (predicted) tokens = with_predicted(node, tokens, in[SOURCE], from, predicted);
    term *found = compose_int(node, -1), *open = compose_expand(node, compose_number(node, ADZE_DTYPE_bool, 1),
                                                                (const adze_dim *[]){adze_dim_const(
                                                                    node->import->context, 1)}, 1);
    for (int64_t n = least; n <= most; n++) {
        term *place, *count = count_matches(node, in[SOURCE], tokens, n, &place);
        term *once = compose2(node, "and", open, compose2(node, "equal", count, compose_int(node, 1)));
        found = compose3(node, "where", once, place, found);
        open = compose2(node, "and", open, compose2(node, "greater", count, compose_int(node, 1)));
    }
    node->out[0] = tokens;
    if (node->n_out > 1) node->out[1] = found;
    return tokens && found;
}
