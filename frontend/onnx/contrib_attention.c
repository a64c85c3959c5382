/* com.microsoft: attentions over projections that are made here, or that come ready; masks are numbers to add. */
#include "attention.h"
#include "contrib.h"

#include <math.h>
#include <string.h>

/* ---- What they share ---- */

static bool read_heads(adze_onnx_node *node, attention *a, double *out_filter)
{
    int64_t turns = 0;
    *a = (attention){.left = -1, .right = -1};
    *out_filter = -10000;
    if (!adze_onnx_attr_int(node, "num_heads", &a->q_heads) ||
        !adze_onnx_attr_flag(node, "unidirectional", &a->causal) || !adze_onnx_attr_float(node, "scale", &a->scale) ||
        !adze_onnx_attr_flag(node, "do_rotary", &turns) ||
        !adze_onnx_attr_float(node, "mask_filter_value", out_filter))
        return false;
    if (a->q_heads < 1) return adze_onnx_invalid(node, "attribute 'num_heads' is %lld", (long long)a->q_heads);
    if (turns) return adze_onnx_unsupported(node, "do_rotary");
    a->kv_heads = a->q_heads;
    return true;
}

/* Keys from a position on, or before one, as [batch, 1, 1, keys]. */
static term *compare_keys(adze_onnx_node *node, const attention *a, const char *op, term *limits)
{
    term *key = compose_positions(node, a->k, 2, 4, 3);
    return compose2(node, op, key, compose_cast(node, compose_unsqueeze(node, limits, 1, 4), ADZE_DTYPE_i64));
}

/* Keys before their end and not before their start, where only a run knows how long the list is: what lies behind the
 * ends are starts where it holds twice as many entries as the batch, and else means nothing. */
static term *between(adze_onnx_node *node, const attention *a, term *mask)
{
    term *list = compose_cast(node, mask, ADZE_DTYPE_i64), *batch = compose_size(node, a->k, 0);
    term *twice = compose2(node, "add", batch, batch), *axis = compose_int(node, 0);
    term *nothing = compose2(node, "expand", compose_int(node, 0), batch);
    term *ends = compose_all(node, "slice", (term *[]){list, compose_int(node, 0), batch, axis}, 4, 4, NULL, 0);
    term *longer = compose_concat(node, (term *[]){list, nothing}, 2, 0);
    term *starts = compose_all(node, "slice", (term *[]){longer, batch, twice, axis}, 4, 4, NULL, 0);
    term *paired = compose2(node, "equal", compose_size(node, list, 0), twice);
    starts = compose3(node, "where", paired, starts, nothing);
    return compose2(node, "and", compare_keys(node, a, "less", ends), compare_keys(node, a, "greater_equal", starts));
}

/* The part of a mask [batch, 1, longest, longest] that these queries and keys are: rows from the past on, columns from
 * the first. ONNX Runtime's schema has it; its kernel for CPUs does not. */
static term *part_of_square(adze_onnx_node *node, const attention *a, term *mask)
{
    term *keys = compose_size(node, a->k, 2), *past = compose2(node, "sub", keys, compose_size(node, a->q, 2));
    term *axis = compose_int(node, 2), *zero = compose_int(node, 0), *last = compose_int(node, 3);
    term *rows = compose_all(node, "slice", (term *[]){mask, past, keys, axis}, 4, 4, NULL, 0);
    return compose_all(node, "slice", (term *[]){rows, zero, keys, last}, 4, 4, NULL, 0);
}

/* Which keys a mask lets all see: ends of the batch, ends and starts, or a number for each key (and query). */
static term *seen(adze_onnx_node *node, const attention *a, term *mask)
{
    int64_t batch = 0, count = 0;
    int rank = compose_rank(mask);
    if (rank == 2) mask = compose_unsqueeze(node, mask, 1, 3);
    if (rank == 3) mask = compose_unsqueeze(node, mask, 1, 2);
    if (rank == 4) mask = part_of_square(node, a, mask);
    if (rank >= 2 && rank <= 4) return compose2(node, "greater", mask, compose_like(node, mask, 0));
    if (rank != 1) return adze_onnx_unsupported(node, "a mask of rank %d", rank), NULL;
    if (adze_dim_equal(compose_dim(mask, 0), compose_dim(a->k, 0))) return compare_keys(node, a, "less", mask);
    if (!adze_dim_is_const(compose_dim(a->k, 0), &batch) || !adze_dim_is_const(compose_dim(mask, 0), &count))
        return between(node, a, mask);
    term *before = compare_keys(node, a, "less", compose_slice(node, mask, 0, 0, batch, 1));
    if (count == 3 * batch + 2) return before; /* behind them come offsets, which say the same */
    if (count != 2 * batch)
        return adze_onnx_invalid(node, "%lld ends for a batch of %lld", (long long)count, (long long)batch), NULL;
    term *from = compare_keys(node, a, "greater_equal", compose_slice(node, mask, 0, batch, 2 * batch, 1));
    return compose2(node, "and", before, from);
}

/* What is added to the scores; *out NULL: nothing. Masked keys get the number `filter`, later ones -inf. */
static bool find_bias(adze_onnx_node *node, const attention *a, term *mask, term *more, double filter, term **out)
{
    term *bias = more, *allowed;
    adze_dtype dtype = compose_dtype(a->q);
    if (mask) {
        term *kept = seen(node, a, mask);
        bias = compose3(node, "where", kept, compose_number(node, dtype, 0), compose_number(node, dtype, filter));
        if (more) bias = compose2(node, "add", bias, more);
    }
    if ((mask && !bias) || !adze_onnx_allowed_places(node, a, &allowed)) return false;
    if (allowed)
        bias = compose3(node, "where", allowed, bias ? bias : compose_number(node, dtype, 0),
                        compose_number(node, dtype, -(double)INFINITY));
    *out = bias;
    return bias || (!mask && !more && !allowed);
}

static bool finish(adze_onnx_node *node, const attention *a, term *bias, term **scores)
{
    return compose_end(node, adze_onnx_join_heads(node, adze_onnx_attend(node, a, bias, false, scores)));
}

/* ---- Attention and QAttention: the projection, then heads ---- */

/* Where the operands of the two ops lie; 0: it has none. */
typedef struct places {
    uint32_t mask, past, more, length;
} places;

static term *projection(adze_onnx_node *node, bool quantized)
{
    term *x, *w, *bias = adze_onnx_operand(node, 2);
    uint32_t x_rank, w_rank;
    if (!compose_operand(node, 0, 3, &x, &x_rank) || !compose_operand(node, 1, 2, &w, &w_rank)) return NULL;
    if (x_rank != 3 || w_rank != 2) return adze_onnx_invalid(node, "operands of rank %u and %u", x_rank, w_rank), NULL;
    if (quantized) {
        term *scale = adze_onnx_operand(node, 3), *w_scale = adze_onnx_operand(node, 4);
        if (!scale || !w_scale) return adze_onnx_invalid(node, "has no scale"), NULL;
        const quantized_side a = {x, scale, adze_onnx_operand(node, 6)}, b = {w, w_scale, adze_onnx_operand(node, 7)};
        return compose_scaled_product(node, &a, &b, bias);
    }
    term *y = compose2(node, "matmul", x, w);
    return bias ? compose2(node, "add", y, bias) : y;
}

/* Entry `index` of `axis`, 2 or 3, which is one of queries, keys and values, of [batch, time, …] with axes of heads and
 * of their size, as [batch, heads, time, size]. */
static term *unpacked(adze_onnx_node *node, term *x, int64_t axis, int64_t index)
{
    static const int64_t perm[] = {0, 2, 1, 3};
    term *one = compose_squeeze(node, compose_slice(node, x, axis, index, index + 1, 1), axis);
    return compose_transpose(node, one, perm, 4);
}

/* Queries, keys and values out of the projection: equal parts, or parts of these sizes. */
static bool split_projection(adze_onnx_node *node, attention *a, term *all)
{
    const int64_t *sizes = NULL;
    size_t n = 0;
    int64_t width, part[3];
    if (!all || !adze_onnx_attr_ints(node, "qkv_hidden_sizes", &sizes, &n)) return false;
    if (!adze_dim_is_const(compose_dim(all, 2), &width)) {
        if (n) return adze_onnx_undetermined(node, "weights of unknown dims");
        term *parts = compose2(node, "reshape", all, compose_ints(node, (int64_t[]){0, 0, 3, a->q_heads, -1}, 5));
        a->q = unpacked(node, parts, 2, 0);
        a->k = unpacked(node, parts, 2, 1);
        a->v = unpacked(node, parts, 2, 2);
        return a->q && a->k && a->v;
    }
    for (int i = 0; i < 3; i++) part[i] = n == 3 ? sizes[i] : width / 3;
    if ((n && n != 3) || part[0] < 1 || part[0] > width / 2 || part[1] != part[0] || part[2] < 1 ||
        part[2] != width - 2 * part[0] ||
        part[0] % a->q_heads || part[2] % a->q_heads)
        return adze_onnx_invalid(node, "weights of %lld columns for %lld heads", (long long)width,
                                 (long long)a->q_heads);
    a->q = adze_onnx_split_heads(node, compose_slice(node, all, 2, 0, part[0], 1), a->q_heads);
    a->k = adze_onnx_split_heads(node, compose_slice(node, all, 2, part[0], 2 * part[0], 1), a->q_heads);
    a->v = adze_onnx_split_heads(node, compose_slice(node, all, 2, 2 * part[0], width, 1), a->q_heads);
    return a->q && a->k && a->v;
}

bool adze_onnx_contrib_attention(adze_onnx_node *node)
{
    bool quantized = node->op_type[0] == 'Q';
    const places at =
        quantized ? (places){.mask = 5, .past = 8} : (places){.mask = 3, .past = 4, .more = 5, .length = 6};
    attention a;
    double filter;
    int64_t shared = 0;
    term *bias, *scores[N_SCORES], *past = adze_onnx_operand(node, at.past);
    if (!adze_onnx_attr_flag(node, "past_present_share_buffer", &shared) || !read_heads(node, &a, &filter))
        return false;
    if (shared || (at.length && adze_onnx_operand(node, at.length)))
        return adze_onnx_unsupported(node, "past_present_share_buffer");
    if (!split_projection(node, &a, projection(node, quantized))) return false;
    if (past) {
        a.past_k = compose_squeeze(node, compose_slice(node, past, 0, 0, 1, 1), 0);
        a.past_v = compose_squeeze(node, compose_slice(node, past, 0, 1, 2, 1), 0);
        a.k = compose_concat(node, (term *[]){a.past_k, a.k}, 2, 2);
        a.v = compose_concat(node, (term *[]){a.past_v, a.v}, 2, 2);
        if (!a.k || !a.v) return false;
    }
    if (node->n_out > 1) {
        term *both[] = {compose_unsqueeze(node, a.k, 0, 1), compose_unsqueeze(node, a.v, 0, 1)};
        node->out[1] = compose_concat(node, both, 2, 0);
    }
    return find_bias(node, &a, adze_onnx_operand(node, at.mask), at.more ? adze_onnx_operand(node, at.more) : NULL,
                     filter, &bias) &&
           finish(node, &a, bias, scores);
}

/* ---- MultiHeadAttention and its form for one token ---- */

/* Elements from `start` on of the bias, as [1, heads, 1, size]; *out_end: where they end. */
static term *bias_part(adze_onnx_node *node, term *bias, const term *like, int64_t start, int64_t *out_end)
{
    int64_t heads, size;
    if (!bias || !like) return NULL;
    if (!adze_dim_is_const(compose_dim(like, 1), &heads) || !adze_dim_is_const(compose_dim(like, 3), &size))
        return adze_onnx_undetermined(node, "a bias for heads of unknown size"), NULL;
    *out_end = start + heads * size;
    adze_context *context = node->import->context;
    const adze_dim *one = adze_dim_const(context, 1), *dims[] = {one, compose_dim(like, 1), one, compose_dim(like, 3)};
    return compose_reshape(node, compose_slice(node, bias, 0, start, *out_end, 1), dims, 4);
}

/* Each of the three gets its part of the bias; keys and values that come as a cache have it already. */
static bool add_bias(adze_onnx_node *node, attention *a, term *bias, bool cached)
{
    int64_t at = 0;
    if (!bias) return true;
    a->q = compose2(node, "add", a->q, bias_part(node, bias, a->q, at, &at));
    if (cached) return a->q != NULL;
    a->k = compose2(node, "add", a->k, bias_part(node, bias, a->k, at, &at));
    a->v = compose2(node, "add", a->v, bias_part(node, bias, a->v, at, &at));
    return a->q && a->k && a->v;
}

/* Queries, keys and values in one of the forms: three of rank 3, packed ones of rank 5, keys and values as a cache. */
static bool read_operands(adze_onnx_node *node, attention *a, bool *out_cached)
{
    term *q, *k = adze_onnx_operand(node, 1), *v = adze_onnx_operand(node, 2);
    uint32_t rank;
    if (!compose_operand(node, 0, 3, &q, &rank)) return false;
    int k_rank = compose_rank(k);
    *out_cached = k_rank == 4;
    if (rank == 5) {
        a->q = unpacked(node, q, 3, 0);
        a->k = unpacked(node, q, 3, 1);
        a->v = unpacked(node, q, 3, 2);
    } else if (rank == 3 && k_rank == 5) {
        a->k = unpacked(node, k, 3, 0);
        a->v = unpacked(node, k, 3, 1);
    } else if (rank == 3 && k_rank == 4 && compose_rank(v) == 4) {
        a->k = k;
        a->v = v;
    } else if (rank == 3 && k_rank == 3 && compose_rank(v) == 3) {
        a->k = adze_onnx_split_heads(node, k, a->q_heads);
        a->v = adze_onnx_split_heads(node, v, a->q_heads);
    } else {
        return adze_onnx_unsupported(node, "operands of rank %u, %d and %d", rank, k_rank, compose_rank(v));
    }
    if (rank == 3) a->q = adze_onnx_split_heads(node, q, a->q_heads);
    return a->q && a->k && a->v;
}

/* A cache with room for more: what comes at `start`, the one element of a list, in the place of what is there. */
static term *put(adze_onnx_node *node, term *cache, term *x, term *start)
{
    if (!cache || !x || !start) return NULL;
    term *key = compose_positions(node, cache, 2, 4, 2), *from = compose_cast(node, start, ADZE_DTYPE_i64);
    term *behind = compose2(node, "sub", key, from), *zero = compose_number(node, ADZE_DTYPE_i64, 0);
    term *count = compose_scalar(node, compose_size(node, x, 2));
    term *last = compose2(node, "sub", count, compose_number(node, ADZE_DTYPE_i64, 1));
    term *fits = compose2(node, "and", compose2(node, "greater_equal", behind, zero),
                          compose2(node, "less_equal", behind, last));
    term *index = compose3(node, "clip", behind, zero, last);
    const adze_dim *line = compose_dim(cache, 2);
    adze_attr axis = adze_attr_int("axis", 2);
    term *list = compose_reshape(node, index, &line, 1);
    return compose3(node, "where", fits, compose_all(node, "gather", (term *[]){x, list}, 2, 2, &axis, 1), cache);
}

/* The keys that each beam has seen: entry [batch, beam, place] says which beam of its group a place comes from. */
static term *by_beams(adze_onnx_node *node, term *x, term *beams)
{
    int64_t width = 0;
    adze_context *context = node->import->context;
    if (!x || !beams) return x;
    if (compose_rank(beams) != 3) return adze_onnx_invalid(node, "beams of rank %d", compose_rank(beams)), NULL;
    adze_dim_is_const(compose_dim(beams, 1), &width);
    if (width == 1) return x;
    const adze_dim *one = adze_dim_const(context, 1);
    const adze_dim *dims[] = {compose_dim(x, 0), one, compose_dim(x, 2), one};
    term *count = compose_scalar(node, compose_size(node, beams, 1)), *row = compose_positions(node, x, 0, 4, 0);
    term *first = compose2(node, "mul", compose2(node, "div", row, count), count);
    term *index = compose_reshape(node, compose_cast(node, beams, ADZE_DTYPE_i64), dims, 4);
    index = compose_expand(node, compose2(node, "add", first, index), adze_type_dims(adze_value_type(x)), 4);
    adze_attr axis = adze_attr_int("axis", 0);
    return compose_all(node, "gather_elements", (term *[]){x, index}, 2, 2, &axis, 1);
}

/* Keys and values behind those of the past: a longer tensor, or with `length` the same one. */
static bool append(adze_onnx_node *node, attention *a, term *length, term *beams, term **out_bias)
{
    *out_bias = NULL;
    if (!a->past_k != !a->past_v) return adze_onnx_invalid(node, "has one of past_key and past_value");
    if (!a->past_k) return true;
    if (compose_rank(a->past_k) != 4 || compose_rank(a->past_v) != 4)
        return adze_onnx_unsupported(node, "a cache of another rank than 4");
    if (!length) {
        a->k = compose_concat(node, (term *[]){a->past_k, a->k}, 2, 2);
        a->v = compose_concat(node, (term *[]){a->past_v, a->v}, 2, 2);
        return a->k && a->v;
    }
    length = compose_scalar(node, length);
    term *query =
        compose2(node, "add", compose_positions(node, a->q, 2, 2, 0), compose_cast(node, length, ADZE_DTYPE_i64));
    a->k = put(node, by_beams(node, a->past_k, beams), a->k, length);
    a->v = put(node, by_beams(node, a->past_v, beams), a->v, length);
    term *key = a->k ? compose_positions(node, a->k, 2, 2, 1) : NULL;
    adze_dtype dtype = compose_dtype(a->q);
    *out_bias = compose3(node, "where", compose2(node, "less_equal", key, query), compose_number(node, dtype, 0),
                         compose_number(node, dtype, -(double)INFINITY));
    a->causal = 0;
    return *out_bias != NULL;
}

typedef struct more {
    term *mask, *bias, *added, *length, *beams;
} more;

static bool multi_head(adze_onnx_node *node, attention *a, const more *m, double filter)
{
    bool cached;
    term *bias, *hidden, *scores[N_SCORES];
    if (!read_operands(node, a, &cached) || !add_bias(node, a, m->bias, cached)) return false;
    term *now_k = a->k, *now_v = a->v;
    if (!append(node, a, m->length, m->beams, &hidden)) return false;
    if (node->n_out > 1) node->out[1] = a->k;
    if (node->n_out > 2) node->out[2] = a->v;
    if (m->length && m->beams && a->past_k) { /* what is kept is in the order of the beams before */
        if (node->n_out > 1) node->out[1] = put(node, a->past_k, now_k, compose_scalar(node, m->length));
        if (node->n_out > 2) node->out[2] = put(node, a->past_v, now_v, compose_scalar(node, m->length));
    }
    if (cached && node->n_out > 1) node->out[1] = compose1(node, "identity", a->k);
    if (cached && node->n_out > 2) node->out[2] = compose1(node, "identity", a->v);
    term *added = m->added && hidden ? compose2(node, "add", m->added, hidden) : hidden ? hidden : m->added;
    if (!find_bias(node, a, m->mask, added, filter, &bias) || !finish(node, a, bias, scores)) return false;
    if (node->n_out > 3) node->out[3] = scores[SCORES_BIASED];
    return true;
}

bool adze_onnx_contrib_multi_head(adze_onnx_node *node)
{
    attention a;
    double filter;
    if (!read_heads(node, &a, &filter)) return false;
    a.past_k = adze_onnx_operand(node, 6);
    a.past_v = adze_onnx_operand(node, 7);
    const more m = {adze_onnx_operand(node, 4), adze_onnx_operand(node, 3), adze_onnx_operand(node, 5),
                    adze_onnx_operand(node, 8), adze_onnx_operand(node, 9)};
    return multi_head(node, &a, &m, filter);
}

/* One query. Over the keys of another sequence, which come as a cache, it has no past. */
bool adze_onnx_contrib_decoder(adze_onnx_node *node)
{
    attention a;
    double filter;
    int64_t shows = 0, shared = 0;
    if (!adze_onnx_attr_flag(node, "output_qk", &shows) ||
        !adze_onnx_attr_flag(node, "past_present_share_buffer", &shared) || !read_heads(node, &a, &filter))
        return false;
    bool cross = compose_rank(adze_onnx_operand(node, 1)) == 4;
    a.past_k = cross ? NULL : adze_onnx_operand(node, 5);
    a.past_v = cross ? NULL : adze_onnx_operand(node, 6);
    const more m = {adze_onnx_operand(node, 3), adze_onnx_operand(node, 10), adze_onnx_operand(node, 4),
                    cross ? NULL : adze_onnx_operand(node, 7), cross ? NULL : adze_onnx_operand(node, 9)};
    return multi_head(node, &a, &m, filter);
}
