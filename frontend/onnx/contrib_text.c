/* com.microsoft: what loops around a model of text take from it, and how far positions are from each other. */
#include "contrib.h"

#include <math.h>

/* ---- Tokens ---- */

/* Scores of tokens that would repeat n tokens in a row become -inf: of those that followed the last n - 1 tokens where
 * these stood before. */
bool adze_onnx_contrib_ngram_block(adze_onnx_node *node)
{
    enum { MAX_SIZE = 64 };
    int64_t n = 0;
    term *ids, *scores;
    uint32_t rank, score_rank;
    if (!adze_onnx_attr_int(node, "ngram_size", &n) || !compose_operand(node, 0, 2, &ids, &rank) ||
        !compose_operand(node, 1, 2, &scores, &score_rank))
        return false;
    if (n < 1 || n > MAX_SIZE) return adze_onnx_invalid(node, "attribute 'ngram_size' is %lld", (long long)n);
    if (rank != 2 || score_rank != 2) return adze_onnx_invalid(node, "operands of rank %u and %u", rank, score_rank);
    term *next = compose_slice(node, ids, 1, n - 1, INT64_MAX, 1);
    term *same = compose2(node, "equal", next, next);
    for (int64_t i = 0; i + 1 < n; i++) {
        int64_t back = i - (n - 1); /* the token that stands there, from the end */
        term *last = compose_slice(node, ids, 1, back, back == -1 ? INT64_MAX : back + 1, 1);
        same = compose2(node, "and", same, compose2(node, "equal", compose_slice(node, ids, 1, i, back, 1), last));
    }
    adze_attr attrs[] = {adze_attr_int("axis", 1), adze_attr_str("reduction", "max")};
    term *none = compose2(node, "mul", compose_cast(node, compose2(node, "equal", scores, scores), ADZE_DTYPE_i32),
                          compose_number(node, ADZE_DTYPE_i32, 0));
    term *in[] = {none, compose_cast(node, next, ADZE_DTYPE_i64), compose_cast(node, same, ADZE_DTYPE_i32)};
    term *hit = compose_cast(node, compose_all(node, "scatter_elements", in, 3, 3, attrs, 2), ADZE_DTYPE_bool);
    return compose_end(node, compose3(node, "where", hit, compose_like(node, scores, -INFINITY), scores));
}

/* All parts of `size` entries along an axis, each `step` behind the one before, along a new last axis. */
bool adze_onnx_contrib_unfold(adze_onnx_node *node)
{
    int64_t axis = -1, size = 0, step = 1, extent, perm[ADZE_MAX_RANK];
    term *x;
    uint32_t rank, at;
    adze_context *context = node->import->context;
    if (!adze_onnx_attr_int(node, "dim", &axis) || !adze_onnx_attr_int(node, "size", &size) ||
        !adze_onnx_attr_int(node, "step", &step) || !compose_operand(node, 0, 1, &x, &rank) ||
        !compose_axis(node, axis, rank, &at))
        return false;
    if (rank == ADZE_MAX_RANK) return adze_onnx_unsupported(node, "a tensor of rank %u", rank);
    if (!adze_dim_is_const(compose_dim(x, at), &extent))
        return adze_onnx_undetermined(node, "parts of an axis of unknown extent");
    if (size < 1 || step < 1 || size > extent)
        return adze_onnx_invalid(node, "parts of %lld, %lld apart, of an axis of %lld", (long long)size,
                                 (long long)step, (long long)extent);
    term *first = compose_iota(node, adze_dim_const(context, (extent - size) / step + 1), 2, 0);
    first = compose2(node, "mul", first, compose_number(node, ADZE_DTYPE_i64, (double)step));
    term *places = compose2(node, "add", first, compose_iota(node, adze_dim_const(context, size), 2, 1));
    adze_attr along = adze_attr_int("axis", at);
    term *parts = compose_all(node, "gather", (term *[]){x, places}, 2, 2, &along, 1);
    for (uint32_t i = 0; i <= rank; i++) perm[i] = i <= at ? i : i < rank ? i + 1 : at + 1;
    return compose_end(node, compose_transpose(node, parts, perm, rank + 1));
}

/* ---- Distances ---- */

/* The bucket of a distance of at least 0: itself up to half of the buckets, then by its logarithm up to `most`. */
static term *bucket_of(adze_onnx_node *node, term *distance, int64_t buckets, int64_t most)
{
    int64_t exact = buckets / 2;
    term *ratio = compose2(node, "div", compose_cast(node, distance, ADZE_DTYPE_f32),
                           compose_number(node, ADZE_DTYPE_f32, (double)exact));
    double scale = (double)(buckets - exact) / log((double)most / (double)exact);
    term *far = compose2(node, "mul", compose1(node, "log", ratio), compose_number(node, ADZE_DTYPE_f32, scale));
    term *limit = compose_number(node, ADZE_DTYPE_i64, (double)(buckets - 1));
    term *first = compose_number(node, ADZE_DTYPE_i64, (double)exact), *small = compose2(node, "less", distance, first);
    far = compose3(node, "where", small, compose_like(node, far, 0), far); /* no logarithm of 0 becomes an integer */
    far = compose2(node, "min", compose2(node, "add", compose_cast(node, far, ADZE_DTYPE_i64), first), limit);
    return compose3(node, "where", small, distance, far);
}

/* T5's bias of attention [1, heads, queries, keys] by how far keys are from queries (Raffel et al., 2020, section
 * 2.1): a row of the table for each bucket of distances. Where both directions count, keys behind a query have the
 * second half of the buckets; else they have the first bucket. */
bool adze_onnx_contrib_relative_bias(adze_onnx_node *node)
{
    int64_t most = 0, both = 0, buckets;
    term *table, *queries = adze_onnx_operand(node, 1), *keys = adze_onnx_operand(node, 2);
    uint32_t rank;
    if (!adze_onnx_attr_int(node, "max_distance", &most) || !adze_onnx_attr_flag(node, "is_bidirectional", &both) ||
        !compose_operand(node, 0, 2, &table, &rank))
        return false;
    if (!queries || !keys) return adze_onnx_invalid(node, "has no input %d", queries ? 2 : 1);
    if (rank != 2 || !adze_dim_is_const(compose_dim(table, 0), &buckets) || buckets < 4 || most <= buckets / 2)
        return adze_onnx_unsupported(node, "a table that is not [buckets, heads], or distances up to %lld",
                                     (long long)most);
    term *zero = compose_number(node, ADZE_DTYPE_i64, 0), *one = compose_number(node, ADZE_DTYPE_i64, 1);
    term *row = compose3(node, "range", zero, compose_scalar(node, compose_cast(node, queries, ADZE_DTYPE_i64)), one);
    term *column = compose3(node, "range", zero, compose_scalar(node, compose_cast(node, keys, ADZE_DTYPE_i64)), one);
    term *ahead = compose2(node, "sub", compose_unsqueeze(node, column, 0, 1), compose_unsqueeze(node, row, 1, 2));
    term *bucket;
    if (both) {
        term *half = compose_number(node, ADZE_DTYPE_i64, (double)(buckets / 2));
        bucket = bucket_of(node, compose1(node, "abs", ahead), buckets / 2, most);
        term *more = compose3(node, "where", compose2(node, "greater", ahead, zero), half, zero);
        bucket = compose2(node, "add", bucket, more);
    } else {
        bucket = bucket_of(node, compose2(node, "max", compose1(node, "neg", ahead), zero), buckets, most);
    }
    adze_attr axis = adze_attr_int("axis", 0);
    term *bias = compose_all(node, "gather", (term *[]){table, bucket}, 2, 2, &axis, 1);
    bias = compose_transpose(node, bias, (const int64_t[]){2, 0, 1}, 3);
    return compose_end(node, compose_unsqueeze(node, bias, 0, 1));
}

/* The bias of positions times a gate of each query (Chi et al., XLM-E, 2022): with u and r, sigmoids of the sums of the
 * halves of what a layer makes of a head's query, u (r a - 1) + 2. */
bool adze_onnx_contrib_gated_bias(adze_onnx_node *node)
{
    int64_t heads = 0, hidden, columns;
    static const int64_t turn[] = {0, 2, 1, 3}, last = -1;
    term *q, *in[6];
    uint32_t rank;
    if (!adze_onnx_attr_int(node, "num_heads", &heads) || !compose_operand(node, 0, 3, &q, &rank)) return false;
    if (adze_onnx_operand(node, 6)) return adze_onnx_unsupported(node, "tokens without their padding");
    for (uint32_t i = 0; i < 6; i++)
        if (!(in[i] = adze_onnx_operand(node, i))) return adze_onnx_invalid(node, "has no input %u", i);
    if (rank != 3 || heads < 1 || !adze_dim_is_const(compose_dim(q, 2), &hidden) || hidden % heads ||
        compose_rank(in[3]) != 2 || !adze_dim_is_const(compose_dim(in[3], 1), &columns) || columns % 2)
        return adze_onnx_invalid(node, "queries that do not make %lld heads, or odd weights", (long long)heads);
    adze_context *context = node->import->context;
    const adze_dim *split[] = {compose_dim(q, 0), compose_dim(q, 1), adze_dim_const(context, heads),
                               adze_dim_const(context, hidden / heads)};
    q = compose_transpose(node, compose_reshape(node, compose2(node, "add", q, in[1]), split, 4), turn, 4);
    term *gates = compose2(node, "add", compose2(node, "matmul", q, in[3]), in[4]), *half[2];
    for (int64_t i = 0; i < 2; i++) {
        half[i] = compose_slice(node, gates, -1, i * columns / 2, (i + 1) * columns / 2, 1);
        half[i] = compose1(node, "sigmoid", compose_reduce(node, "reduce_sum", half[i], &last, 1, true));
    }
    term *inner = compose2(node, "sub", compose2(node, "mul", half[1], in[5]), compose_like(node, half[1], 1));
    term *gate = compose2(node, "add", compose2(node, "mul", half[0], inner), compose_like(node, half[0], 2));
    return compose_end(node, compose2(node, "mul", gate, in[2]));
}
