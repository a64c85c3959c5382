/* com.microsoft: attention as a recurrence over a state, and the gates and convolutions that stand around it. */
#include "attention.h"
#include "contrib.h"

#include <string.h>

/* ---- Attributes that kernels of CPUs do not take ---- */

typedef struct ordinary {
    const char *name;
    int64_t value;
} ordinary;

/* Each must have its default. */
static bool check_ordinary(adze_onnx_node *node, const ordinary *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t value = list[i].value;
        if (!adze_onnx_attr_int(node, list[i].name, &value)) return false;
        if (value != list[i].value) return adze_onnx_unsupported(node, "%s = %lld", list[i].name, (long long)value);
    }
    return true;
}

/* ---- CausalConvWithState ---- */

/* Behind `time` axes all others in one; *out_turned has it as [batch, all, time] then. */
static term *channels_second(adze_onnx_node *node, term *x)
{
    static const int64_t perm[] = {0, 2, 1};
    int rank = compose_rank(x);
    if (!x) return NULL;
    if (rank < 3) return adze_onnx_invalid(node, "operands of rank %d", rank), NULL;
    const adze_dim *dims[] = {compose_dim(x, 0), compose_dim(x, 1), compose_dim(x, 2)};
    for (int i = 3; i < rank; i++)
        dims[2] = adze_dim_mul(node->import->context, dims[2], compose_dim(x, (uint32_t)i));
    return compose_transpose(node, rank == 3 ? x : compose_reshape(node, x, dims, 3), perm, 3);
}

/* [batch, channels, time] as [batch, time, …], with the last axes of `like`. */
static term *channels_last(adze_onnx_node *node, term *x, const term *like)
{
    static const int64_t perm[] = {0, 2, 1};
    const adze_dim *dims[ADZE_MAX_RANK];
    int rank = compose_rank(like);
    x = compose_transpose(node, x, perm, 3);
    if (!x || rank == 3) return x;
    for (int i = 0; i < rank; i++) dims[i] = compose_dim(i < 2 ? x : like, (uint32_t)i);
    return compose_reshape(node, x, dims, (uint32_t)rank);
}

bool adze_onnx_contrib_causal_conv(adze_onnx_node *node)
{
    static const ordinary defaults[] = {{"ndim", 1},          {"state_window", 0},         {"state_update_capacity", 0},
                                        {"state_length", 0},  {"state_channels_last", -1}, {"input_channel_offset", 0},
                                        {"input_channels", 0}};
    causal_conv c = {.w = adze_onnx_operand(node, 1), .bias = adze_onnx_operand(node, 2), .dilation = 1,
                     .activation = "none"};
    term *x, *past = adze_onnx_operand(node, 3), *state = NULL;
    uint32_t rank;
    int64_t last = 0;
    if (!check_ordinary(node, defaults, sizeof defaults / sizeof *defaults) ||
        !adze_onnx_attr_int(node, "dilation", &c.dilation) || !adze_onnx_attr_flag(node, "channels_last", &last) ||
        !adze_onnx_attr_str(node, "activation", &c.activation) || !compose_operand(node, 0, 3, &x, &rank))
        return false;
    if (rank != 3 && !last) return adze_onnx_invalid(node, "an operand of rank %u", rank);
    c.x = last ? channels_second(node, x) : x;
    c.past = past && last ? channels_second(node, past) : past;
    if (!c.x || (past && !c.past)) return false;
    term *y = compose_causal_conv(node, &c, node->n_out > 1 ? &state : NULL);
    if (node->n_out > 1) node->out[1] = last ? channels_last(node, state, x) : state;
    return compose_end(node, last ? channels_last(node, y, x) : y);
}

/* ---- The recurrence ---- */

typedef struct recurrence {
    term *q, *k, *v, *state, *decay, *beta; /* [batch, time, heads * size]; the state [batch, v_heads, keys, values] */
    int64_t q_heads, k_heads, v_heads;
    double scale;
    const char *rule;
} recurrence;

/* Packed heads, each as often as it takes to be `want`. */
static term *widened(adze_onnx_node *node, term *x, int64_t have, int64_t want)
{
    if (have == want) return x;
    return adze_onnx_join_heads(node, compose_repeat_heads(node, adze_onnx_split_heads(node, x, have), have, want));
}

static bool takes_decay(const recurrence *r) { return !strcmp(r->rule, "gated") || !strcmp(r->rule, "gated_delta"); }

static bool takes_beta(const recurrence *r) { return strstr(r->rule, "delta") != NULL; }

/* One of queries, keys and values has fewer heads than there are states, or queries have more. What a rule has no use
 * for is left out, as ONNX Runtime's LinearAttention does. */
static bool recur(adze_onnx_node *node, recurrence *r, term *out[2])
{
    bool gated = takes_decay(r), delta = takes_beta(r);
    if (!gated && strcmp(r->rule, "delta") != 0 && strcmp(r->rule, "linear") != 0)
        return adze_onnx_invalid(node, "attribute 'update_rule' is '%s'", r->rule);
    if ((gated && !r->decay) || (delta && !r->beta))
        return adze_onnx_invalid(node, "the rule %s takes a %s", r->rule, gated && !r->decay ? "decay" : "beta");
    bool whole = r->q_heads >= r->v_heads ? r->q_heads % r->v_heads == 0 : r->v_heads % r->q_heads == 0;
    if (!whole || r->v_heads % r->k_heads)
        return adze_onnx_invalid(node, "%lld heads of queries and %lld of keys to %lld", (long long)r->q_heads,
                                 (long long)r->k_heads, (long long)r->v_heads);
    int64_t heads = r->q_heads > r->v_heads ? r->q_heads : r->v_heads;
    term *in[] = {widened(node, r->q, r->q_heads, heads), widened(node, r->k, r->k_heads, r->v_heads), r->v, r->state,
                  gated ? r->decay : NULL, delta ? r->beta : NULL};
    adze_attr attrs[] = {adze_attr_int("kv_num_heads", r->v_heads), adze_attr_int("q_num_heads", heads),
                         adze_attr_float("scale", r->scale), adze_attr_str("update_rule", r->rule)};
    uint32_t n = 6;
    if (!in[0] || !in[1] || !in[2]) return false;
    while (!in[n - 1]) n--;
    node->import->builder.loc = node->loc;
    adze_op *op = adze_build(&node->import->builder, "linear_attention", in, n, attrs, 4, NULL, 2);
    if (!op) return false;
    adze_op_add_node(op, node->name);
    out[0] = adze_op_result(op, 0);
    out[1] = adze_op_result(op, 1);
    return true;
}

/* How many heads of `size` elements the last axis holds. */
static bool count_heads(adze_onnx_node *node, const term *x, int64_t size, const char *what, int64_t *out)
{
    int64_t width;
    if (!adze_dim_is_const(compose_dim(x, (uint32_t)compose_rank(x) - 1), &width))
        return adze_onnx_undetermined(node, "%s of unknown size", what);
    if (size < 1 || width < size || width % size)
        return adze_onnx_invalid(node, "%s of %lld columns for heads of %lld", what, (long long)width, (long long)size);
    *out = width / size;
    return true;
}

bool adze_onnx_contrib_linear_attention(adze_onnx_node *node)
{
    static const ordinary defaults[] = {{"state_window", 0}};
    recurrence r = {.rule = "gated_delta"};
    int64_t chunk = 64, size;
    uint32_t rank;
    term *out[2];
    term **const to[] = {&r.q, &r.k, &r.v, &r.state, &r.decay, &r.beta};
    if (!check_ordinary(node, defaults, 1) || !adze_onnx_attr_int(node, "q_num_heads", &r.q_heads) ||
        !adze_onnx_attr_int(node, "kv_num_heads", &r.v_heads) || !adze_onnx_attr_int(node, "chunk_size", &chunk) ||
        !adze_onnx_attr_float(node, "scale", &r.scale) || !adze_onnx_attr_str(node, "update_rule", &r.rule))
        return false;
    for (uint32_t i = 0; i < 6; i++) {
        if (i >= 3 && !adze_onnx_operand(node, i)) continue;
        if (!compose_operand(node, i, 3, to[i], &rank)) return false;
        if (rank != (i == 3 ? 4 : 3)) return adze_onnx_invalid(node, "input %u has rank %u", i, rank);
    }
    if (r.q_heads < 1 || r.v_heads < 1 || r.q_heads > INT32_MAX || r.v_heads > INT32_MAX)
        return adze_onnx_invalid(node, "%lld heads of queries to %lld", (long long)r.q_heads, (long long)r.v_heads);
    if (!adze_dim_is_const(compose_dim(r.q, 2), &size)) return adze_onnx_undetermined(node, "queries of unknown size");
    if (size % r.q_heads)
        return adze_onnx_invalid(node, "%lld columns for %lld heads", (long long)size, (long long)r.q_heads);
    if (!count_heads(node, r.k, size / r.q_heads, "keys", &r.k_heads) || !recur(node, &r, out)) return false;
    if (node->n_out > 1) node->out[1] = out[1];
    return compose_end(node, out[0]);
}

/* ---- GatedDeltaNet ---- */

enum { REQUESTS = 3 };

/* What its operands say: tokens [tokens, …] or [batch, time, …] by heads and sizes, or packed in one list. */
typedef struct tokens {
    recurrence r;
    const adze_dim *batch, *time, *requests; /* a batch of 1 where all requests' tokens are one list */
    int64_t keys, values;
    uint32_t axes; /* of tokens: 1 or 2 */
} tokens;

static term *of_tokens(adze_onnx_node *node, const tokens *t, term *x, int64_t width)
{
    const adze_dim *dims[] = {t->batch, t->time, adze_dim_const(node->import->context, width)};
    return compose_reshape(node, x, dims, 3);
}

/* Operand `index` as [batch, time, heads * size]; the heads and their size as found. */
static term *with_heads(adze_onnx_node *node, const tokens *t, uint32_t index, int64_t *out_heads, int64_t *out_size)
{
    term *x;
    uint32_t rank;
    if (!compose_operand(node, index, (int)t->axes + 2, &x, &rank)) return NULL;
    if (rank != t->axes + 2) return adze_onnx_invalid(node, "input %u has rank %u", index, rank), NULL;
    if (!adze_dim_is_const(compose_dim(x, t->axes), out_heads) ||
        !adze_dim_is_const(compose_dim(x, t->axes + 1), out_size))
        return adze_onnx_undetermined(node, "heads of unknown size"), NULL;
    if (*out_heads < 1 || *out_size < 1) return adze_onnx_invalid(node, "no heads in input %u", index), NULL;
    return of_tokens(node, t, x, *out_heads * *out_size);
}

/* Queries, keys and values behind each other in the first operand. */
static bool unpack(adze_onnx_node *node, tokens *t, term *x)
{
    recurrence *r = &t->r;
    int64_t width, behind = r->v_heads * t->values, size;
    if (!adze_dim_is_const(compose_dim(x, t->axes), &width))
        return adze_onnx_undetermined(node, "queries of unknown size");
    size = (width - behind) / 2;
    if (width <= behind || (width - behind) % (2 * t->keys))
        return adze_onnx_invalid(node, "%lld columns for queries, keys and values", (long long)width);
    x = of_tokens(node, t, x, width);
    r->q = compose_slice(node, x, 2, 0, size, 1);
    r->k = compose_slice(node, x, 2, size, 2 * size, 1);
    r->v = compose_slice(node, x, 2, 2 * size, width, 1);
    r->q_heads = r->k_heads = size / t->keys;
    return r->q && r->k && r->v;
}

static bool check_requests(adze_onnx_node *node, const tokens *t, term *requests)
{
    int64_t count, bounds;
    if (t->axes != 1 || compose_rank(requests) != 1)
        return adze_onnx_invalid(node, "requests of rank %d, and tokens of %u axes", compose_rank(requests), t->axes);
    if (adze_dim_is_const(t->batch, &count) && adze_dim_is_const(compose_dim(requests, 0), &bounds) &&
        bounds != count + 1)
        return adze_onnx_invalid(node, "%lld bounds of %lld requests", (long long)bounds, (long long)count);
    return true;
}

static bool read_tokens(adze_onnx_node *node, tokens *t)
{
    enum { STATE = 6 };
    static const int64_t turn[] = {0, 1, 3, 2};
    recurrence *r = &t->r;
    term *x, *state, *requests = adze_onnx_operand(node, REQUESTS);
    term *k = adze_onnx_operand(node, 1), *v = adze_onnx_operand(node, 2);
    uint32_t rank, state_rank;
    int64_t sizes[3] = {0}, heads = 0;
    if (!compose_operand(node, 0, 2, &x, &rank)) return false;
    if (!adze_onnx_operand(node, STATE)) return adze_onnx_unsupported(node, "a batch of no initial state");
    if (!compose_operand(node, STATE, 4, &state, &state_rank)) return false;
    if (state_rank != 4 || !k != !v || rank > (k ? 4 : 3) || (k && rank < 3))
        return adze_onnx_invalid(node, "queries of rank %u and a state of rank %u", rank, state_rank);
    if (!adze_dim_is_const(compose_dim(state, 1), &r->v_heads) ||
        !adze_dim_is_const(compose_dim(state, 2), &t->values) ||
        !adze_dim_is_const(compose_dim(state, 3), &t->keys))
        return adze_onnx_undetermined(node, "a state of unknown size");
    if (r->v_heads < 1 || t->keys < 1 || t->values < 1) return adze_onnx_invalid(node, "a state without elements");
    t->axes = rank - (k ? 2 : 1);
    t->batch = t->requests = compose_dim(state, 0);
    if (requests && !check_requests(node, t, requests)) return false;
    if (requests) t->batch = adze_dim_const(node->import->context, 1);
    t->time = t->axes == 2 ? compose_dim(x, 1)
                           : adze_dim_binary(node->import->context, ADZE_DIM_FLOORDIV, compose_dim(x, 0), t->batch);
    r->state = compose_transpose(node, state, turn, 4);
    if (!k) return unpack(node, t, x);
    r->q = with_heads(node, t, 0, &r->q_heads, &sizes[0]);
    r->k = with_heads(node, t, 1, &r->k_heads, &sizes[1]);
    r->v = with_heads(node, t, 2, &heads, &sizes[2]);
    if (!r->q || !r->k || !r->v) return false;
    if (heads != r->v_heads || sizes[0] != t->keys || sizes[1] != t->keys || sizes[2] != t->values ||
        r->q_heads != r->k_heads)
        return adze_onnx_invalid(node, "its heads are not those of its state");
    return true;
}

/* Each head divided by its length. */
static term *of_length_one(adze_onnx_node *node, term *x, int64_t heads)
{
    static const int64_t last = -1;
    x = adze_onnx_split_heads(node, x, heads);
    term *sum = compose_reduce(node, "reduce_sum", compose2(node, "mul", x, x), &last, 1, true);
    term *length = compose1(node, "sqrt", compose2(node, "add", sum, compose_like(node, sum, 1e-12)));
    return adze_onnx_join_heads(node, compose2(node, "div", x, length));
}

/* An operand of the gate, a number a head, or for each of its keys, as [heads, 1] or [heads, keys]. */
static term *of_heads(adze_onnx_node *node, const tokens *t, uint32_t index)
{
    term *x = adze_onnx_operand(node, index);
    if (!x) return adze_onnx_invalid(node, "has no input %u", index), NULL;
    adze_context *context = node->import->context;
    int rank = compose_rank(x);
    bool each = rank == 2 || (rank == 1 && !adze_dim_is_value(compose_dim(x, 0), t->r.v_heads));
    const adze_dim *dims[] = {adze_dim_const(context, t->r.v_heads), adze_dim_const(context, each ? t->keys : 1)};
    return compose_reshape(node, compose_cast(node, x, ADZE_DTYPE_f32), dims, 2);
}

/* The logarithm of the decay, in f32: the operand, or what the gate makes of it. */
static term *decay_of(adze_onnx_node *node, const tokens *t, term *x)
{
    enum { LENGTH = 7, SHIFT = 8 };
    const char *gate = "none";
    double least = -5;
    adze_context *context = node->import->context;
    if (!adze_onnx_attr_str(node, "gate_activation", &gate) || !adze_onnx_attr_float(node, "gate_lower_bound", &least))
        return NULL;
    bool plus = !strcmp(gate, "softplus") || !strcmp(gate, "qwen");
    bool bound = !strcmp(gate, "sigmoid") || !strcmp(gate, "kda");
    int rank = compose_rank(x);
    if (rank != (int)t->axes + 1 && rank != (int)t->axes + 2)
        return adze_onnx_invalid(node, "a decay of rank %d", rank), NULL;
    int64_t width = rank == (int)t->axes + 1 ? t->r.v_heads : t->r.v_heads * t->keys;
    x = compose_cast(node, x, ADZE_DTYPE_f32);
    if (!strcmp(gate, "none")) return of_tokens(node, t, x, width);
    if (!plus && !bound) return adze_onnx_invalid(node, "attribute 'gate_activation' is '%s'", gate), NULL;
    const adze_dim *split[] = {t->batch, t->time, adze_dim_const(context, t->r.v_heads),
                               adze_dim_const(context, width / t->r.v_heads)};
    x = compose2(node, "add", compose_reshape(node, x, split, 4), of_heads(node, t, SHIFT));
    term *factor = compose1(node, "exp", of_heads(node, t, LENGTH));
    if (plus) x = compose1(node, "neg", compose2(node, "mul", factor, compose1(node, "softplus", x)));
    else x = compose1(node, "sigmoid", compose2(node, "mul", factor, x));
    if (bound) x = compose2(node, "mul", x, compose_like(node, x, least));
    return of_tokens(node, t, x, width);
}

/* The decay and the rate, where they are there: only where the rule takes them. */
static bool read_gates(adze_onnx_node *node, tokens *t)
{
    enum { DECAY = 4, RATE = 5 };
    const char *rate = "none";
    term *decay = adze_onnx_operand(node, DECAY), *beta = adze_onnx_operand(node, RATE);
    if (!adze_onnx_attr_str(node, "beta_activation", &rate)) return false;
    bool squashed = !strcmp(rate, "sigmoid");
    if (!squashed && strcmp(rate, "none")) return adze_onnx_invalid(node, "attribute 'beta_activation' is '%s'", rate);
    if ((decay && !takes_decay(&t->r)) || (beta && !takes_beta(&t->r)))
        return adze_onnx_invalid(node, "the rule %s takes no %s", t->r.rule,
                                 decay && !takes_decay(&t->r) ? "decay" : "beta");
    if (decay && !(t->r.decay = decay_of(node, t, decay))) return false;
    if (!beta) return true;
    beta = of_tokens(node, t, compose_cast(node, beta, ADZE_DTYPE_f32), t->r.v_heads);
    t->r.beta = squashed ? compose1(node, "sigmoid", beta) : beta;
    return t->r.beta != NULL;
}

/* ---- Requests of several lengths: where each begins among the tokens, and where the last one ends ---- */

/* The first tokens [batch, 1] of the requests, or with `index` 1 what is behind their last ones. */
static term *bounds(adze_onnx_node *node, const tokens *t, term *requests, int64_t index)
{
    const adze_dim *dims[] = {t->requests, adze_dim_const(node->import->context, 1)};
    term *list = compose_slice(node, requests, 0, index, index ? INT64_MAX : -1, 1);
    return compose_reshape(node, compose_cast(node, list, ADZE_DTYPE_i64), dims, 2);
}

/* Tokens [1, tokens, size] as [batch, tokens, size]: those of a request from its first place on, zeros behind them,
 * which leave its state as it is: keys and logarithms of decays are 0 there. So each request takes as many steps as
 * there are tokens in all. */
static bool spread(adze_onnx_node *node, tokens *t, term *requests)
{
    term *place = compose_positions(node, t->r.q, 1, 2, 1), *zero = compose_number(node, ADZE_DTYPE_i64, 0);
    term *first = bounds(node, t, requests, 0), *behind = bounds(node, t, requests, 1);
    term *from = compose2(node, "add", place, first), *inside = compose2(node, "less", from, behind);
    term *index = compose3(node, "where", inside, from, zero);
    adze_attr axis = adze_attr_int("axis", 0);
    inside = compose_unsqueeze(node, inside, 2, 3);
    term **const all[] = {&t->r.q, &t->r.k, &t->r.v, &t->r.decay, &t->r.beta};
    for (int i = 0; i < 5; i++) {
        if (!*all[i]) continue;
        term *in[] = {compose_squeeze(node, *all[i], 0), index};
        term *x = compose_all(node, "gather", in, 2, 2, &axis, 1);
        *all[i] = x ? compose3(node, "where", inside, x, compose_like(node, x, 0)) : NULL;
        if (!*all[i]) return false;
    }
    return true;
}

/* And back: each token from its request's row, [1, tokens, size]. */
static term *gathered(adze_onnx_node *node, const tokens *t, term *requests, term *x)
{
    static const int64_t first = 0;
    adze_context *context = node->import->context;
    const adze_dim *line[] = {adze_dim_mul(context, t->requests, t->time), compose_dim(x, 2)};
    term *place = compose_positions(node, x, 1, 2, 1), *width = compose_scalar(node, compose_size(node, x, 1));
    term *over = compose2(node, "greater_equal", place, bounds(node, t, requests, 1));
    over = compose_cast(node, over, ADZE_DTYPE_i64);
    term *request = compose_reduce(node, "reduce_sum", over, &first, 1, false); /* how many end before it */
    adze_attr axis = adze_attr_int("axis", 0);
    term *begins = compose_squeeze(node, bounds(node, t, requests, 0), 1);
    term *begin = compose_all(node, "gather", (term *[]){begins, request}, 2, 2, &axis, 1);
    term *at = compose2(node, "sub", compose_squeeze(node, place, 0), begin);
    at = compose2(node, "add", compose2(node, "mul", request, width), at);
    term *in[] = {compose_reshape(node, x, line, 2), at};
    return compose_unsqueeze(node, compose_all(node, "gather", in, 2, 2, &axis, 1), 0, 1);
}

bool adze_onnx_contrib_gated_delta(adze_onnx_node *node)
{
    enum { CAPTURED = 9 };
    static const ordinary defaults[] = {{"state_update_capacity", 0}};
    static const int64_t turn[] = {0, 1, 3, 2};
    tokens t = {.r.rule = "gated_delta"};
    int64_t chunk = 64, normal = 0;
    adze_context *context = node->import->context;
    term *out[2];
    if (!check_ordinary(node, defaults, 1) || !adze_onnx_attr_int(node, "chunk_size", &chunk) ||
        !adze_onnx_attr_flag(node, "qk_l2_norm", &normal) || !adze_onnx_attr_float(node, "scale", &t.r.scale) ||
        !adze_onnx_attr_str(node, "update_rule", &t.r.rule))
        return false;
    if (adze_onnx_operand(node, CAPTURED)) return adze_onnx_unsupported(node, "capture_count");
    if (!read_tokens(node, &t) || !read_gates(node, &t)) return false;
    adze_dtype dtype = compose_dtype(t.r.q);
    term **const sides[] = {&t.r.q, &t.r.k, &t.r.v}, *requests = adze_onnx_operand(node, REQUESTS);
    for (int i = 0; i < 3; i++) {
        *sides[i] = compose_cast(node, *sides[i], ADZE_DTYPE_f32);
        if (normal && i < 2) *sides[i] = of_length_one(node, *sides[i], t.r.q_heads);
        if (!*sides[i]) return false;
    }
    if (requests && !spread(node, &t, requests)) return false;
    if (!recur(node, &t.r, out) || (requests && !(out[0] = gathered(node, &t, requests, out[0])))) return false;
    if (node->n_out > 1) node->out[1] = compose_transpose(node, out[1], turn, 4);
    int64_t heads = t.r.q_heads > t.r.v_heads ? t.r.q_heads : t.r.v_heads;
    const adze_dim *size[] = {adze_dim_const(context, heads), adze_dim_const(context, t.values)};
    const adze_dim *pairs[] = {t.batch, t.time, size[0], size[1]};
    const adze_dim *line[] = {compose_dim(adze_onnx_operand(node, 0), 0), size[0], size[1]};
    term *y = compose_reshape(node, out[0], t.axes == 2 ? pairs : line, t.axes + 2);
    return compose_end(node, compose_cast(node, y, dtype));
}

/* ---- Gates ---- */

/* The logarithm of a decay, scale softplus(a + shift), and the rate, sigmoid(b), in f32. */
bool adze_onnx_contrib_linear_gate(adze_onnx_node *node)
{
    term *in[4];
    uint32_t rank;
    for (uint32_t i = 0; i < 3; i++) {
        if (!compose_operand(node, i, 1, &in[i], &rank)) return false;
        if (i && (rank != 1 || !adze_dim_equal(compose_dim(in[i], 0),
                                               compose_dim(in[0], (uint32_t)compose_rank(in[0]) - 1))))
            return adze_onnx_invalid(node, "input %u is not one number a head", i);
    }
    adze_dtype dtype = compose_dtype(in[0]);
    term *b = adze_onnx_operand(node, 3);
    if (node->n_out > 1 && !b) return adze_onnx_invalid(node, "has no input 3");
    for (int i = 0; i < 3; i++) in[i] = compose_cast(node, in[i], ADZE_DTYPE_f32);
    term *decay = compose2(node, "mul", in[2], compose1(node, "softplus", compose2(node, "add", in[0], in[1])));
    if (node->n_out > 1)
        node->out[1] =
            compose_cast(node, compose1(node, "sigmoid", compose_cast(node, b, ADZE_DTYPE_f32)), compose_dtype(b));
    return compose_end(node, compose_cast(node, decay, dtype));
}

/* x plus y times a gate a row. */
bool adze_onnx_contrib_gated_add(adze_onnx_node *node)
{
    term *x, *y, *gate;
    uint32_t rank[3];
    if (!compose_operand(node, 0, 1, &x, &rank[0]) || !compose_operand(node, 1, 1, &y, &rank[1]) ||
        !compose_operand(node, 2, 1, &gate, &rank[2]))
        return false;
    if (adze_onnx_operand(node, 3)) return adze_onnx_unsupported(node, "gate_weight");
    if (rank[1] != rank[0] || rank[2] != rank[0] || !adze_dim_is_value(compose_dim(gate, rank[2] - 1), 1))
        return adze_onnx_invalid(node, "a gate that is not one number a row");
    for (uint32_t i = 0; i < rank[0]; i++)
        if (!adze_dim_equal(compose_dim(y, i), compose_dim(x, i)) ||
            (i + 1 < rank[0] && !adze_dim_equal(compose_dim(gate, i), compose_dim(x, i))))
            return adze_onnx_invalid(node, "operands of other dims than the first");
    return compose_end(node, compose2(node, "add", x, compose2(node, "mul", y, gate)));
}
