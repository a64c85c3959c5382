/* Attention and RotaryEmbedding, said with matrix products, softmax and comparisons of positions. */
#include "attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static term *dim_number(adze_onnx_node *node, term *x, uint32_t axis)
{
    return compose_scalar(node, compose_size(node, x, axis));
}

/* Other dims for the same elements; where some are not known before it runs, by a list, 0 for those that stay. */
static term *reshaped(adze_onnx_node *node, term *x, const adze_dim *const *dims, const int64_t *list, uint32_t rank)
{
    bool known = x != NULL;
    for (uint32_t i = 0; i < rank && known; i++) known = !adze_dim_is_unknown(dims[i]);
    return known ? compose_reshape(node, x, dims, rank) : compose2(node, "reshape", x, compose_ints(node, list, rank));
}

term *adze_onnx_split_heads(adze_onnx_node *node, term *x, int64_t heads)
{
    static const int64_t perm[] = {0, 2, 1, 3};
    adze_context *context = node->import->context;
    if (!x) return NULL;
    const adze_dim *count = adze_dim_const(context, heads);
    const adze_dim *dims[] = {compose_dim(x, 0), compose_dim(x, 1), count,
                              adze_dim_binary(context, ADZE_DIM_FLOORDIV, compose_dim(x, 2), count)};
    return compose_transpose(node, reshaped(node, x, dims, (int64_t[]){0, 0, heads, -1}, 4), perm, 4);
}

static bool read_attention(adze_onnx_node *node, attention *a)
{
    uint32_t rank, k_rank, v_rank;
    *a = (attention){.left = -1, .right = -1};
    if (!adze_onnx_attr_flag(node, "is_causal", &a->causal) || !adze_onnx_attr_int(node, "q_num_heads", &a->q_heads) ||
        !adze_onnx_attr_int(node, "kv_num_heads", &a->kv_heads) || !adze_onnx_attr_float(node, "scale", &a->scale) ||
        !adze_onnx_attr_float(node, "softcap", &a->softcap) ||
        !adze_onnx_attr_int(node, "softmax_precision", &a->precision) ||
        !adze_onnx_attr_int(node, "qk_matmul_output_mode", &a->mode) ||
        !adze_onnx_attr_int(node, "left_window_size", &a->left) ||
        !adze_onnx_attr_int(node, "right_window_size", &a->right) || !compose_operand(node, 0, 3, &a->q, &rank) ||
        !compose_operand(node, 1, 3, &a->k, &k_rank) || !compose_operand(node, 2, 3, &a->v, &v_rank))
        return false;
    a->mask = adze_onnx_operand(node, 3);
    a->past_k = adze_onnx_operand(node, 4);
    a->past_v = adze_onnx_operand(node, 5);
    a->lengths = adze_onnx_operand(node, 6);
    a->flat = rank == 3;
    if (rank > 4 || rank != k_rank || rank != v_rank)
        return adze_onnx_invalid(node, "inputs of rank %u, %u and %u; all 3 or all 4 are expected", rank, k_rank,
                                 v_rank);
    if (!a->past_k != !a->past_v) return adze_onnx_invalid(node, "has one of past_key and past_value");
    if (a->flat && (a->q_heads < 1 || a->kv_heads < 1))
        return adze_onnx_invalid(node, "inputs of rank 3 need q_num_heads and kv_num_heads");
    if (!a->flat && (!adze_dim_is_const(compose_dim(a->q, 1), &a->q_heads) ||
                     !adze_dim_is_const(compose_dim(a->k, 1), &a->kv_heads)))
        return adze_onnx_undetermined(node, "heads of unknown number");
    if (a->kv_heads < 1 || a->q_heads % a->kv_heads)
        return adze_onnx_invalid(node, "%lld heads of queries to %lld of keys", (long long)a->q_heads,
                                 (long long)a->kv_heads);
    if (a->mode < 0 || a->mode > 3)
        return adze_onnx_invalid(node, "attribute 'qk_matmul_output_mode' is %lld", (long long)a->mode);
    return true;
}

/* Head i of those that are wanted is head i / times of what there is; no dim need be known. */
static term *gather_heads(adze_onnx_node *node, term *x, int64_t times, int64_t want)
{
    enum { MOST = 1 << 20 };
    int64_t *from = want <= MOST ? calloc((size_t)want, sizeof *from) : NULL;
    if (!from) return adze_onnx_invalid(node, "%lld heads are too many", (long long)want), NULL;
    for (int64_t i = 0; i < want; i++) from[i] = i / times;
    term *index = compose_ints(node, from, (size_t)want);
    adze_attr axis = adze_attr_int("axis", 1);
    free(from);
    return compose_all(node, "gather", (term *[]){x, index}, 2, 2, &axis, 1);
}

term *compose_repeat_heads(adze_onnx_node *node, term *x, int64_t have, int64_t want)
{
    adze_context *context = node->import->context;
    int64_t times = want / have;
    if (times == 1 || compose_rank(x) != 4) return x;
    for (uint32_t i = 0; i < 4; i++)
        if (adze_dim_is_unknown(compose_dim(x, i))) return gather_heads(node, x, times, want);
    const adze_dim *wide[] = {compose_dim(x, 0), compose_dim(x, 1), adze_dim_const(context, times), compose_dim(x, 2),
                              compose_dim(x, 3)};
    const adze_dim *dims[] = {wide[0], adze_dim_const(context, want), wide[3], wide[4]};
    return compose_reshape(node, compose_expand(node, compose_unsqueeze(node, x, 2, 3), wide, 5), dims, 4);
}

static term *repeat_heads(adze_onnx_node *node, term *x, const attention *a)
{
    return compose_repeat_heads(node, x, a->kv_heads, a->q_heads);
}

static term *both(adze_onnx_node *node, term *a, term *b) { return a ? compose2(node, "and", a, b) : b; }

bool adze_onnx_allowed_places(adze_onnx_node *node, const attention *a, term **out)
{
    term *query = compose_positions(node, a->q, 2, 2, 0), *key = compose_positions(node, a->k, 2, 2, 1);
    term *allowed = NULL;
    *out = NULL;
    if (!a->causal && a->left < 0 && a->right < 0) return true;
    if (a->past_k)
        query = compose2(node, "add", query, dim_number(node, a->past_k, 2));
    else if (a->lengths)
        query = compose2(node, "add", query,
                         compose_unsqueeze(node, compose2(node, "sub", a->lengths, dim_number(node, a->q, 2)), 1, 4));
    if (a->causal) allowed = compose2(node, "less_equal", key, query);
    if (a->left >= 0) {
        term *first = compose2(node, "sub", query, compose_number(node, ADZE_DTYPE_i64, (double)a->left));
        allowed = both(node, allowed, compose2(node, "greater_equal", key, first));
    }
    if (a->right >= 0) {
        term *last = compose2(node, "add", query, compose_number(node, ADZE_DTYPE_i64, (double)a->right));
        allowed = both(node, allowed, compose2(node, "less_equal", key, last));
    }
    *out = allowed;
    return allowed != NULL;
}

/* A mask for fewer keys than there are lets nobody see the rest. */
static term *widen_mask(adze_onnx_node *node, const attention *a, bool is_bool)
{
    int rank = compose_rank(a->mask);
    int64_t have, want, pads[2 * ADZE_MAX_RANK] = {0};
    if (rank < 1) return adze_onnx_undetermined(node, "a mask of unknown rank"), NULL;
    const adze_dim *keys = compose_dim(a->mask, (uint32_t)rank - 1);
    if (adze_dim_equal(keys, compose_dim(a->k, 2))) return a->mask;
    if (!adze_dim_is_const(keys, &have) || !adze_dim_is_const(compose_dim(a->k, 2), &want) || have >= want || have == 1)
        return a->mask;
    pads[2 * rank - 1] = want - have;
    term *fill = compose_like(node, a->mask, is_bool ? 0 : -(double)INFINITY);
    return compose3(node, "pad", a->mask, compose_ints(node, pads, 2 * (size_t)rank), fill);
}

/* What is added to the scores; NULL: nothing. *out_rows: a query may see no key at all. */
static bool find_bias(adze_onnx_node *node, const attention *a, term **out, bool *out_rows)
{
    adze_dtype dtype = compose_dtype(a->q);
    term *allowed, *bias = NULL;
    *out = NULL;
    *out_rows = a->mask || a->lengths || a->left >= 0 || a->right >= 0;
    if (!adze_onnx_allowed_places(node, a, &allowed)) return false;
    if (a->lengths) {
        term *key = compose_positions(node, a->k, 2, 4, 3);
        term *there = compose2(node, "less", key, compose_unsqueeze(node, a->lengths, 1, 4));
        if (!(allowed = both(node, allowed, there))) return false;
    }
    if (a->mask) {
        bool is_bool = compose_dtype(a->mask) == ADZE_DTYPE_bool;
        term *mask = widen_mask(node, a, is_bool);
        if (!mask) return false;
        if (is_bool) allowed = both(node, allowed, mask);
        else bias = compose_cast(node, mask, dtype);
    }
    if (allowed)
        bias = compose3(node, "where", allowed, bias ? bias : compose_number(node, dtype, 0),
                        compose_number(node, dtype, -(double)INFINITY));
    *out = bias;
    return bias || (!a->mask && !allowed);
}

/* What the scores are scaled by, or its root: by default the root of 1 / size, which a run computes where only it knows
 * the size. */
static term *scale_of(adze_onnx_node *node, const attention *a, bool root)
{
    int64_t size = 1;
    double scale = a->scale;
    adze_dtype dtype = compose_dtype(a->q);
    if (scale == 0 && !adze_dim_is_const(compose_dim(a->q, 3), &size)) {
        term *length = compose_scalar(node, compose_cast(node, compose_size(node, a->q, 3), ADZE_DTYPE_f32));
        term *by = compose1(node, "sqrt", length);
        if (root) by = compose1(node, "sqrt", by);
        return compose_cast(node, compose1(node, "reciprocal", by), dtype);
    }
    if (scale == 0) scale = 1 / sqrt((double)size);
    return compose_number(node, dtype, root ? sqrt(scale) : scale);
}

/* Q K^T scale. In half precision both sides are scaled by its root, as sums could overflow. */
static term *scores_of(adze_onnx_node *node, const attention *a, term *keys)
{
    static const int64_t perm[] = {0, 1, 3, 2};
    adze_dtype dtype = compose_dtype(a->q);
    bool half = dtype == ADZE_DTYPE_f16 || dtype == ADZE_DTYPE_bf16;
    term *q = a->q, *k = compose_transpose(node, keys, perm, 4), *scale = scale_of(node, a, half);
    if (half) {
        q = compose2(node, "mul", q, scale);
        k = compose2(node, "mul", k, scale);
    }
    term *scores = compose2(node, "matmul", q, k);
    return half ? scores : compose2(node, "mul", scores, scale);
}

/* One column more. */
static term *with_sink(adze_onnx_node *node, term *scores, term *sink)
{
    if (!scores || !sink) return NULL;
    const adze_dim *dims[] = {compose_dim(scores, 0), compose_dim(scores, 1), compose_dim(scores, 2),
                              adze_dim_const(node->import->context, 1)};
    return compose_concat(node, (term *[]){scores, compose_expand(node, sink, dims, 4)}, 2, 3);
}

/* Rows of the bias that hide all keys. */
static term *hidden_rows(adze_onnx_node *node, term *bias)
{
    int64_t axis = -1;
    term *best = compose_reduce(node, "reduce_max", bias, &axis, 1, true);
    return compose2(node, "equal", best, compose_like(node, bias, -(double)INFINITY));
}

/* `hidden` rows, where there are any, get zeros. */
static term *softmax_of(adze_onnx_node *node, const attention *a, term *scores, term *hidden)
{
    adze_dtype dtype = compose_dtype(a->q), wide = a->precision ? adze_onnx_dtype(a->precision) : dtype;
    if (wide == ADZE_DTYPE_NONE) return adze_onnx_unsupported(node, "softmax_precision"), NULL;
    adze_attr last = adze_attr_int("axis", -1);
    term *all = compose_cast(node, scores, wide);
    if (a->sink) all = with_sink(node, all, compose_cast(node, a->sink, wide));
    term *share = compose_with(node, "softmax", all, last);
    if (a->sink) share = compose_slice(node, share, -1, 0, -1, 1);
    if (hidden) share = compose3(node, "where", hidden, compose_like(node, share, 0), share);
    return compose_cast(node, share, dtype);
}

term *adze_onnx_join_heads(adze_onnx_node *node, term *x)
{
    static const int64_t perm[] = {0, 2, 1, 3};
    adze_context *context = node->import->context;
    if (compose_rank(x) != 4) return x;
    const adze_dim *dims[] = {compose_dim(x, 0), compose_dim(x, 2),
                              adze_dim_mul(context, compose_dim(x, 1), compose_dim(x, 3))};
    return reshaped(node, compose_transpose(node, x, perm, 4), dims, (int64_t[]){0, 0, -1}, 3);
}

term *adze_onnx_attend(adze_onnx_node *node, const attention *a, term *bias, bool rows, term *out_scores[N_SCORES])
{
    term *raw = scores_of(node, a, repeat_heads(node, a->k, a)), *capped = raw;
    if (a->softcap > 0) {
        term *cap = compose_like(node, raw, a->softcap);
        capped = compose2(node, "mul", compose1(node, "tanh", compose2(node, "div", raw, cap)), cap);
    }
    out_scores[SCORES_RAW] = raw;
    out_scores[SCORES_CAPPED] = capped;
    out_scores[SCORES_BIASED] = bias ? compose2(node, "add", capped, bias) : capped;
    term *scores = out_scores[SCORES_BIASED], *hidden = NULL;
    if (bias && rows) { /* a softmax of nothing but -inf is NaN, and so is its derivative, whoever reads it */
        if (!(hidden = hidden_rows(node, bias))) return NULL;
        scores = compose2(node, "add", capped, compose3(node, "where", hidden, compose_like(node, bias, 0), bias));
    }
    out_scores[SCORES_SHARES] = softmax_of(node, a, scores, hidden);
    return compose2(node, "matmul", out_scores[SCORES_SHARES], repeat_heads(node, a->v, a));
}

bool adze_onnx_upgrade_attention(adze_onnx_node *node)
{
    attention a;
    term *bias, *scores[N_SCORES];
    bool rows;
    if (!read_attention(node, &a)) return false;
    if (a.flat) {
        a.q = adze_onnx_split_heads(node, a.q, a.q_heads);
        a.k = adze_onnx_split_heads(node, a.k, a.kv_heads);
        a.v = adze_onnx_split_heads(node, a.v, a.kv_heads);
    }
    if (a.past_k) {
        a.k = compose_concat(node, (term *[]){a.past_k, a.k}, 2, 2);
        a.v = compose_concat(node, (term *[]){a.past_v, a.v}, 2, 2);
    }
    if (!a.q || !a.k || !a.v) return false;
    bool own = a.flat || a.past_k;
    if (node->n_out > 1) node->out[1] = own ? a.k : compose1(node, "identity", a.k);
    if (node->n_out > 2) node->out[2] = own ? a.v : compose1(node, "identity", a.v);
    a.v = compose_cast(node, a.v, compose_dtype(a.q)); /* the result is of the queries' type */
    if (!find_bias(node, &a, &bias, &rows)) return false;
    term *y = adze_onnx_attend(node, &a, bias, rows, scores);
    if (node->n_out > 3) node->out[3] = scores[a.mode];
    return compose_end(node, a.flat ? adze_onnx_join_heads(node, y) : y);
}

/* ---- RotaryEmbedding ---- */

/* The caches by position, with an axis for the heads: axis 1 of [batch, heads, time, size], else 2. */
static term *cache(adze_onnx_node *node, uint32_t index, uint32_t heads_axis)
{
    term *values = adze_onnx_operand(node, index), *positions = adze_onnx_operand(node, 3);
    if (positions) values = compose2(node, "gather", values, positions);
    return compose_unsqueeze(node, values, heads_axis, heads_axis + 1);
}

/* Halves as an axis of two: x * cos + (x with its halves swapped) * (-sin, sin), one loop over all. */
static term *turn_halves(adze_onnx_node *node, const rotary *r, term *x)
{
    static const int64_t signs[] = {-1, 1};
    adze_context *context = node->import->context;
    const adze_dim *two = adze_dim_const(context, 2), *one = adze_dim_const(context, 1);
    const adze_dim *dims[] = {compose_dim(x, 0), compose_dim(x, 1), compose_dim(x, 2), two,
                              adze_dim_const(context, r->turned / 2)};
    term *pairs = compose_reshape(node, x, dims, 5), *swapped = compose_slice(node, pairs, 3, 1, INT64_MIN, -1);
    term *sign = compose_cast(node, compose_ints(node, signs, 2), compose_dtype(x));
    sign = compose_reshape(node, sign, (const adze_dim *[]){two, one}, 2);
    term *sin = compose2(node, "mul", compose_unsqueeze(node, r->sin, 3, 4), sign);
    term *cos = compose_unsqueeze(node, r->cos, 3, 4);
    term *y = compose2(node, "add", compose2(node, "mul", cos, pairs), compose2(node, "mul", sin, swapped));
    return y ? compose_reshape(node, y, adze_type_dims(adze_value_type(x)), 4) : NULL;
}

/* The same by slices: elements that lie beside each other, or dims that are not known. */
static term *turn_slices(adze_onnx_node *node, const rotary *r)
{
    int64_t n = r->turned, half = n / 2;
    term *a = r->interleaved ? compose_slice(node, r->x, 3, 0, n, 2) : compose_slice(node, r->x, 3, 0, half, 1);
    term *b = r->interleaved ? compose_slice(node, r->x, 3, 1, n, 2) : compose_slice(node, r->x, 3, half, n, 1);
    term *real = compose2(node, "sub", compose2(node, "mul", r->cos, a), compose2(node, "mul", r->sin, b));
    term *imaginary = compose2(node, "add", compose2(node, "mul", r->sin, a), compose2(node, "mul", r->cos, b));
    if (!r->interleaved) return compose_concat(node, (term *[]){real, imaginary}, 2, 3);
    term *pair[] = {compose_unsqueeze(node, real, 4, 5), compose_unsqueeze(node, imaginary, 4, 5)};
    const adze_dim *dims[] = {compose_dim(r->x, 0), compose_dim(r->x, 1), compose_dim(r->x, 2),
                              adze_dim_const(node->import->context, n)};
    return compose_reshape(node, compose_concat(node, pair, 2, 4), dims, 4);
}

term *adze_onnx_turn(adze_onnx_node *node, const rotary *r)
{
    int64_t n = r->turned;
    bool halves = !r->interleaved;
    for (uint32_t i = 0; i < 3; i++) halves = halves && !adze_dim_is_unknown(compose_dim(r->x, i));
    term *x = n == r->size || !halves ? r->x : compose_slice(node, r->x, 3, 0, n, 1);
    term *y = !x ? NULL : halves ? turn_halves(node, r, x) : turn_slices(node, r);
    if (n == r->size) return y;
    return compose_concat(node, (term *[]){y, compose_slice(node, r->x, 3, n, r->size, 1)}, 2, 3);
}

bool adze_onnx_upgrade_rotary_embedding(adze_onnx_node *node)
{
    adze_context *context = node->import->context;
    rotary r = {0};
    term *x, *unused;
    uint32_t rank, other;
    int64_t heads = 0;
    if (!adze_onnx_attr_flag(node, "interleaved", &r.interleaved) ||
        !adze_onnx_attr_int(node, "rotary_embedding_dim", &r.turned) ||
        !adze_onnx_attr_int(node, "num_heads", &heads) || !compose_operand(node, 0, 3, &x, &rank) ||
        !compose_operand(node, 1, 2, &unused, &other) || !compose_operand(node, 2, 2, &unused, &other))
        return false;
    if (rank > 4 || (rank == 3 && heads < 1)) return adze_onnx_invalid(node, "an input of rank %u without heads", rank);
    if (!adze_dim_is_const(compose_dim(x, rank - 1), &r.size))
        return adze_onnx_undetermined(node, "heads of unknown size");
    r.x = x;
    if (rank == 3) {
        r.size /= heads;
        const adze_dim *dims[] = {compose_dim(x, 0), compose_dim(x, 1), adze_dim_const(context, heads),
                                  adze_dim_const(context, r.size)};
        r.x = compose_reshape(node, x, dims, 4);
    }
    if (!r.turned) r.turned = r.size;
    if (r.turned < 2 || r.turned > r.size || r.turned % 2)
        return adze_onnx_invalid(node, "%lld of %lld elements are turned", (long long)r.turned, (long long)r.size);
    r.cos = cache(node, 1, rank == 3 ? 2 : 1);
    r.sin = cache(node, 2, rank == 3 ? 2 : 1);
    if (!r.x || !r.cos || !r.sin) return false;
    term *y = adze_onnx_turn(node, &r);
    return compose_end(node, rank == 3 ? compose_reshape(node, y, adze_type_dims(adze_value_type(x)), 3) : y);
}
