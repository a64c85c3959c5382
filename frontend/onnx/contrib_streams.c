/* com.microsoft: several residual streams side by side (hyper-connections: Zhu et al., 2024), the gate of memories of
 * n-grams (Engram), and a router that chooses experts by groups (DeepSeek-V3, 2024, section 2.1.2).
 */
#include "contrib.h"

#include <math.h>

static const int64_t last_axis = -1, before_last = -2;

/* ---- Streams ---- */

/* An operand of streams as [..., streams, size], f32: as it is, or `branches` of the last axis. */
static term *as_streams(adze_onnx_node *node, term **out_x, bool *out_flat)
{
    int64_t branches = 0;
    term *x;
    uint32_t rank;
    int64_t width = 0;
    const adze_dim *dims[ADZE_MAX_RANK];
    if (!adze_onnx_attr_int(node, "num_branches", &branches) || !compose_operand(node, 0, 1, &x, &rank)) return NULL;
    *out_x = x;
    *out_flat = branches != 0;
    if (branches < 0) return adze_onnx_invalid(node, "attribute 'num_branches' is %lld", (long long)branches), NULL;
    if (!branches)
        return rank > 1 ? compose_cast(node, x, ADZE_DTYPE_f32)
                        : (adze_onnx_invalid(node, "streams of rank %u", rank), NULL);
    if (rank == ADZE_MAX_RANK) return adze_onnx_unsupported(node, "streams of rank %u", rank), NULL;
    if (!adze_dim_is_const(compose_dim(x, rank - 1), &width))
        return adze_onnx_undetermined(node, "rows of unknown size"), NULL;
    if (width % branches)
        return adze_onnx_invalid(node, "%lld branches of %lld elements", (long long)branches, (long long)width), NULL;
    for (uint32_t i = 0; i < rank; i++) dims[i] = compose_dim(x, i);
    dims[rank - 1] = adze_dim_const(node->import->context, branches);
    dims[rank] = adze_dim_const(node->import->context, width / branches);
    return compose_reshape(node, compose_cast(node, x, ADZE_DTYPE_f32), dims, rank + 1);
}

/* The first dims of gates, `count` of them, are those of streams. Reports known ones that are not; where that shows in
 * a run alone, it is an error there. NULL after an error. */
static term *same_dims(adze_onnx_node *node, term *gates, term *streams, int count, const char *what)
{
    static const int64_t only[] = {0};
    bool equal = true;
    for (int i = 0; i < count; i++) {
        int64_t a, b;
        const adze_dim *dim = compose_dim(gates, (uint32_t)i), *own = compose_dim(streams, (uint32_t)i);
        equal = equal && adze_dim_equal(dim, own);
        if (adze_dim_is_const(dim, &a) && adze_dim_is_const(own, &b) && a != b)
            return adze_onnx_invalid(node, "%s of other dims than the streams", what), NULL;
    }
    if (equal) return gates;
    term *given = compose_slice(node, compose1(node, "shape", gates), 0, 0, count, 1);
    term *wanted = compose_slice(node, compose1(node, "shape", streams), 0, 0, count, 1);
    term *wrong = compose_cast(node, compose1(node, "not", compose2(node, "equal", given, wanted)), ADZE_DTYPE_i64);
    wrong = compose_scalar(node, compose_reduce(node, "reduce_sum", wrong, only, 1, true));
    return compose2(node, "add", gates, compose_cast(node, compose_zeros_or_error(node, wrong), ADZE_DTYPE_f32));
}

/* Gates of streams as f32 that broadcast to them: one of each stream, with an axis of 1 or without, or of each element,
 * apart or, where streams are branches of one axis, in a row. */
static term *gates_of(adze_onnx_node *node, term *gates, term *streams, bool flat, const char *what)
{
    int rank = compose_rank(streams), have = compose_rank(gates);
    int64_t row = 0, count = 0, size = 0;
    const adze_dim *dims[ADZE_MAX_RANK];
    for (int i = 0; i < rank; i++) dims[i] = compose_dim(streams, (uint32_t)i);
    bool known = have > 0 && adze_dim_is_const(compose_dim(gates, (uint32_t)have - 1), &row) &&
                 adze_dim_is_const(dims[rank - 2], &count) && adze_dim_is_const(dims[rank - 1], &size);
    if (!known) return adze_onnx_undetermined(node, "streams or gates of unknown size"), NULL;
    gates = compose_cast(node, gates, ADZE_DTYPE_f32);
    if (have == rank || have == rank - 1) gates = same_dims(node, gates, streams, have - 1, what);
    if (!gates) return NULL;
    if (have == rank && (row == 1 || row == size)) return gates;
    if (have == rank - 1 && row == count) return compose_unsqueeze(node, gates, (uint32_t)rank - 1, (uint32_t)rank);
    if (have == rank - 1 && flat && row == count * size) return compose_reshape(node, gates, dims, (uint32_t)rank);
    return adze_onnx_invalid(node, "%s of rank %d and rows of %lld", what, have, (long long)row), NULL;
}

/* The sum of streams, each times its gate. */
bool adze_onnx_contrib_stream_sum(adze_onnx_node *node)
{
    double scale = 1;
    bool flat;
    term *x, *gates, *streams = as_streams(node, &x, &flat);
    uint32_t rank;
    if (!streams || !adze_onnx_attr_float(node, "reduction_scale", &scale) ||
        !compose_operand(node, 1, 1, &gates, &rank))
        return false;
    gates = gates_of(node, gates, streams, flat, "pre_mix");
    term *y = compose_reduce(node, "reduce_sum", compose2(node, "mul", streams, gates), &before_last, 1, false);
    y = compose2(node, "mul", y, compose_number(node, ADZE_DTYPE_f32, scale));
    return compose_end(node, compose_cast(node, y, compose_dtype(x)));
}

/* Each stream as a mix of all, plus its gate times what a block made. */
bool adze_onnx_contrib_stream_mix(adze_onnx_node *node)
{
    bool flat;
    term *x, *block, *gates, *mix = adze_onnx_operand(node, 3), *streams = as_streams(node, &x, &flat);
    uint32_t rank, unused;
    int64_t perm[ADZE_MAX_RANK];
    if (!streams || !compose_operand(node, 1, 1, &block, &rank) || !compose_operand(node, 2, 1, &gates, &unused))
        return false;
    uint32_t axes = (uint32_t)compose_rank(streams);
    if (rank + 1 != axes) return adze_onnx_invalid(node, "streams of %u axes and a block's output of %u", axes, rank);
    gates = gates_of(node, gates, streams, flat, "post_mix");
    block = compose_unsqueeze(node, compose_cast(node, block, ADZE_DTYPE_f32), axes - 2, axes - 1);
    if (mix) {
        if (compose_rank(mix) != (int)axes)
            return adze_onnx_invalid(node, "a stream_mix of rank %d", compose_rank(mix));
        for (uint32_t i = 0; i < axes; i++) perm[i] = i;
        perm[axes - 2] = axes - 1, perm[axes - 1] = axes - 2;
        mix = compose_transpose(node, compose_cast(node, mix, ADZE_DTYPE_f32), perm, axes);
        streams = compose2(node, "matmul", mix, streams);
    }
    term *y = compose2(node, "add", streams, compose2(node, "mul", gates, block));
    if (flat && y) y = compose_reshape(node, y, adze_type_dims(adze_value_type(x)), (uint32_t)compose_rank(x));
    return compose_end(node, compose_cast(node, y, compose_dtype(x)));
}

/* ---- Memories ---- */

/* x in f32, by the root of the mean of its squares, times a scale [streams, size]. */
static term *root_norm(adze_onnx_node *node, term *x, term *scale, double epsilon)
{
    x = compose_cast(node, x, ADZE_DTYPE_f32);
    term *mean = compose_reduce(node, "reduce_mean", compose2(node, "mul", x, x), &last_axis, 1, true);
    mean = compose2(node, "add", mean, compose_number(node, ADZE_DTYPE_f32, epsilon));
    x = compose2(node, "mul", x, compose1(node, "rsqrt", mean));
    return compose2(node, "mul", x, compose_cast(node, scale, ADZE_DTYPE_f32));
}

/* A value, which all streams share, times how well each stream's query fits its key. */
bool adze_onnx_contrib_memory_gate(adze_onnx_node *node)
{
    enum { KEY, QUERY, VALUE, KEY_SCALE, QUERY_SCALE, VALUE_SCALE, RANK = 4 };
    static const int ranks[] = {RANK, RANK, RANK - 1, 2, 2};
    double epsilon = 1e-5;
    term *in[VALUE_SCALE];
    int64_t size;
    uint32_t rank;
    if (!adze_onnx_attr_float(node, "epsilon", &epsilon)) return false;
    for (uint32_t i = 0; i < VALUE_SCALE; i++) {
        if (!compose_operand(node, i, 1, &in[i], &rank)) return false;
        if ((int)rank != ranks[i]) return adze_onnx_invalid(node, "input %u has rank %u, not %d", i, rank, ranks[i]);
    }
    if (!adze_dim_is_const(compose_dim(in[KEY], RANK - 1), &size) || size < 1)
        return adze_onnx_undetermined(node, "rows of unknown size");
    term *key = root_norm(node, in[KEY], in[KEY_SCALE], epsilon);
    term *query = root_norm(node, in[QUERY], in[QUERY_SCALE], epsilon);
    term *fit = compose_reduce(node, "reduce_sum", compose2(node, "mul", key, query), &last_axis, 1, true);
    fit = compose2(node, "mul", fit, compose_number(node, ADZE_DTYPE_f32, 1 / sqrt((double)size)));
    term *least = compose_number(node, ADZE_DTYPE_f32, 1e-6);
    term *root = compose1(node, "sqrt", compose2(node, "max", compose1(node, "abs", fit), least));
    term *gate = compose1(node, "sigmoid", compose2(node, "mul", compose1(node, "sign", fit), root));
    term *value = compose_unsqueeze(node, compose_cast(node, in[VALUE], ADZE_DTYPE_f32), 2, 3);
    term *y = compose2(node, "mul", gate, value), *scale = adze_onnx_operand(node, VALUE_SCALE);
    node->out[0] = compose_cast(node, y, compose_dtype(in[KEY]));
    if (node->n_out < 2) return node->out[0] != NULL;
    if (!scale) return adze_onnx_invalid(node, "has no input %d", VALUE_SCALE);
    if (compose_rank(scale) != 2)
        return adze_onnx_invalid(node, "input %d has rank %d, not 2", VALUE_SCALE, compose_rank(scale));
    node->out[1] = compose_cast(node, root_norm(node, y, scale, epsilon), compose_dtype(in[KEY]));
    return node->out[0] && node->out[1];
}

/* ---- Experts by groups ---- */

typedef struct router {
    adze_onnx_node *node;
    int64_t experts, groups, in_group, chosen_groups, chosen;
} router;

/* Which of the columns of x [tokens, n] are the k best. */
static term *best(const router *r, term *x, int64_t k)
{
    adze_onnx_node *node = r->node;
    term *at;
    adze_attr axis = adze_attr_int("axis", 1);
    compose_top(node, x, k, true, &at);
    term *zero = compose_number(node, ADZE_DTYPE_i32, 0), *one = compose_number(node, ADZE_DTYPE_i32, 1);
    term *none = compose2(node, "mul", compose_cast(node, compose2(node, "equal", x, x), ADZE_DTYPE_i32), zero);
    term *ones = compose2(node, "add", compose2(node, "mul", compose_cast(node, at, ADZE_DTYPE_i32), zero), one);
    term *marked = compose_all(node, "scatter_elements", (term *[]){none, at, ones}, 3, 3, &axis, 1);
    return compose_cast(node, marked, ADZE_DTYPE_bool);
}

/* Which experts a token may have: those of the groups whose best ones are best together. */
static term *open_experts(const router *r, term *scores, const adze_dim *tokens)
{
    adze_onnx_node *node = r->node;
    adze_context *context = node->import->context;
    int64_t size = r->experts / r->groups;
    const adze_dim *dims[] = {tokens, adze_dim_const(context, r->groups), adze_dim_const(context, size)};
    const adze_dim *all[] = {tokens, adze_dim_const(context, r->experts)};
    term *at, *top = compose_top(node, compose_reshape(node, scores, dims, 3), r->in_group < size ? r->in_group : size,
                                 true, &at);
    top = compose_reduce(node, "reduce_sum", top, &last_axis, 1, false);
    term *open = compose_unsqueeze(node, best(r, top, r->chosen_groups), 2, 3);
    return compose_reshape(node, compose_expand(node, open, dims, 3), all, 2);
}

static bool read_router(router *r, term *logits, term *weight, uint32_t rank)
{
    adze_onnx_node *node = r->node;
    r->groups = r->chosen_groups = 1;
    r->in_group = 2;
    if (!adze_onnx_attr_int(node, "n_group", &r->groups) || !adze_onnx_attr_int(node, "top_k", &r->chosen) ||
        !adze_onnx_attr_int(node, "topk_group", &r->chosen_groups) ||
        !adze_onnx_attr_int(node, "group_topk", &r->in_group))
        return false;
    const adze_dim *experts = weight ? compose_dim(weight, 0) : compose_dim(logits, rank - 1);
    if (!adze_dim_is_const(experts, &r->experts)) return adze_onnx_undetermined(node, "experts of unknown number");
    if (r->groups < 1 || r->experts % r->groups || r->chosen_groups < 1 || r->chosen_groups > r->groups ||
        r->in_group < 1 || r->chosen < 1 || r->chosen > r->chosen_groups * (r->experts / r->groups))
        return adze_onnx_invalid(node, "%lld of %lld experts, in %lld of %lld groups by %lld of each",
                                 (long long)r->chosen, (long long)r->experts, (long long)r->chosen_groups,
                                 (long long)r->groups, (long long)r->in_group);
    return true;
}

/* Does the node name that result, be it used or not? */
static bool has_result(const adze_onnx_node *node, size_t index)
{
    return index < node->proto->n_output && node->proto->output[index][0];
}

/* Logs of the shares of the chosen experts, and of others a number that softmax makes nothing of; or all shares, with
 * the bias that experts are chosen by and without. */
bool adze_onnx_contrib_group_router(adze_onnx_node *node)
{
    router r = {.node = node};
    double sentinel = -10000;
    term *logits, *bias, *weight = adze_onnx_operand(node, 2);
    uint32_t rank, unused;
    static const int64_t turned[] = {1, 0};
    if (!adze_onnx_attr_float(node, "router_sentinel", &sentinel) || !compose_operand(node, 0, 1, &logits, &rank) ||
        !compose_operand(node, 1, 1, &bias, &unused) || !read_router(&r, logits, weight, rank))
        return false;
    if (has_result(node, 1) != has_result(node, 2) || (has_result(node, 0) && has_result(node, 1)))
        return adze_onnx_invalid(node, "the scores are two results that come together and alone");
    if (weight && (rank != 2 || compose_rank(weight) != 2 || node->n_out < 2))
        return adze_onnx_invalid(node, "a projection of rank %d, or without all scores", compose_rank(weight));
    adze_dtype dtype = compose_dtype(logits);
    const adze_dim *tokens = adze_dim_const(node->import->context, 1);
    for (uint32_t i = 0; i + 1 < rank; i++)
        tokens = adze_dim_mul(node->import->context, tokens, compose_dim(logits, i));
    const adze_dim *dims[] = {tokens, adze_dim_const(node->import->context, r.experts)};
    term *x = compose_cast(node, logits, ADZE_DTYPE_f32);
    if (weight)
        x = compose2(node, "matmul", x, compose_transpose(node, compose_cast(node, weight, ADZE_DTYPE_f32), turned, 2));
    if (x && !weight) x = compose_reshape(node, x, dims, 2);
    term *share = compose1(node, "sigmoid", x), *score = compose2(node, "add", share, bias);
    if (node->n_out > 1) {
        node->out[1] = score;
        if (node->n_out > 2) node->out[2] = share;
        return score != NULL;
    }
    if (!score) return false;
    term *open = open_experts(&r, score, tokens), *none = compose_number(node, ADZE_DTYPE_f32, -(double)INFINITY);
    term *chosen = best(&r, compose3(node, "where", open, score, none), r.chosen);
    term *least = compose_number(node, ADZE_DTYPE_f32, 1e-20);
    term *y = compose3(node, "where", chosen, compose1(node, "log", compose2(node, "max", share, least)),
                       compose_number(node, ADZE_DTYPE_f32, sentinel));
    return compose_end(node, compose_cast(node, y, dtype));
}
