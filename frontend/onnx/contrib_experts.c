/* com.microsoft: mixtures of experts. */
#include "contrib.h"

#include <math.h>
#include <string.h>

typedef struct experts {
    int64_t most; /* how many a token has */
    int64_t normalized, fusion;
    double alpha, beta, limit; /* of swiglu */
    const char *activation;
} experts;

static bool read_experts(adze_onnx_node *node, experts *e)
{
    int64_t sparse = 0, later = 0;
    *e = (experts){.most = 1, .alpha = 1, .limit = INFINITY, .activation = "relu"};
    if (!adze_onnx_attr_int(node, "k", &e->most) ||
        !adze_onnx_attr_flag(node, "normalize_routing_weights", &e->normalized) ||
        !adze_onnx_attr_flag(node, "use_sparse_mixer", &sparse) ||
        !adze_onnx_attr_int(node, "swiglu_fusion", &e->fusion) ||
        !adze_onnx_attr_flag(node, "swiglu_limit_after_activation", &later) ||
        !adze_onnx_attr_float(node, "activation_alpha", &e->alpha) ||
        !adze_onnx_attr_float(node, "activation_beta", &e->beta) ||
        !adze_onnx_attr_float(node, "swiglu_limit", &e->limit) ||
        !adze_onnx_attr_str(node, "activation_type", &e->activation))
        return false;
    if (sparse) return adze_onnx_unsupported(node, "use_sparse_mixer");
    if (later) return adze_onnx_unsupported(node, "swiglu_limit_after_activation");
    return true;
}

/* What each token gives to each expert [tokens, experts]: the most probable ones their probability, others 0. */
static term *shares(adze_onnx_node *node, const experts *e, term *logits)
{
    static const int64_t last = -1;
    adze_attr axis = adze_attr_int("axis", -1);
    term *p = compose_with(node, "softmax", compose_cast(node, logits, ADZE_DTYPE_f32), axis);
    term *in[] = {p, compose_int(node, e->most)};
    if (!p || !in[1]) return NULL;
    node->import->builder.loc = node->loc;
    adze_op *top = adze_build(&node->import->builder, "topk", in, 2, &axis, 1, NULL, 2);
    if (!top) return NULL;
    adze_op_add_node(top, node->name);
    term *none = compose2(node, "mul", p, compose_like(node, p, 0));
    term *parts[] = {none, adze_op_result(top, 1), adze_op_result(top, 0)};
    term *chosen = compose_all(node, "scatter_elements", parts, 3, 3, &axis, 1);
    if (!e->normalized) return chosen;
    return compose2(node, "div", chosen, compose_reduce(node, "reduce_sum", chosen, &last, 1, true));
}

/* Gate times what it lets through: g sigmoid(alpha g) (l + beta), both within the limit. They take turns along the last
 * axis. */
static term *swiglu(adze_onnx_node *node, const experts *e, term *x)
{
    term *gate = compose_slice(node, x, -1, 0, INT64_MAX, 2), *through = compose_slice(node, x, -1, 1, INT64_MAX, 2);
    if (isfinite(e->limit)) {
        term *most = compose_like(node, x, e->limit);
        gate = compose2(node, "min", gate, most);
        through = compose3(node, "clip", through, compose_like(node, x, -e->limit), most);
    }
    gate = compose_with(node, "swish", gate, adze_attr_float("alpha", e->alpha));
    return compose2(node, "mul", gate, compose2(node, "add", through, compose_like(node, x, e->beta)));
}

static term *activate(adze_onnx_node *node, const experts *e, term *x)
{
    if (!strcmp(e->activation, "identity")) return x;
    if (!strcmp(e->activation, "relu")) return compose1(node, "relu", x);
    if (!strcmp(e->activation, "gelu")) return compose1(node, "gelu_tanh", x);
    if (!strcmp(e->activation, "silu")) return compose_with(node, "swish", x, adze_attr_float("alpha", 1));
    if (strcmp(e->activation, "swiglu") != 0)
        return adze_onnx_unsupported(node, "the activation '%s'", e->activation), NULL;
    if (e->fusion != 1) return adze_onnx_unsupported(node, "swiglu_fusion %lld", (long long)e->fusion), NULL;
    return swiglu(node, e, x);
}

/* x times the weights [experts, out, in] of all experts, plus their biases [experts, out]. */
static term *layer(adze_onnx_node *node, term *x, term *w, term *bias)
{
    static const int64_t turn[] = {0, 2, 1};
    term *y = compose2(node, "matmul", x, compose_transpose(node, w, turn, 3));
    return bias ? compose2(node, "add", y, compose_unsqueeze(node, bias, 1, 2)) : y;
}

/* Every expert sees every token; a token adds up what its experts give, by its shares. So products are dense, and as
 * many as there are experts, not as a token has. */
bool adze_onnx_contrib_experts(adze_onnx_node *node)
{
    enum { SHARES = 1, FIRST = 2, FIRST_BIAS, SECOND, SECOND_BIAS, THIRD };
    static const int64_t turn[] = {1, 0}, first = 0;
    experts e;
    term *x, *logits, *w[2];
    uint32_t rank, other;
    int64_t count;
    if (!read_experts(node, &e) || !compose_operand(node, 0, 2, &x, &rank) ||
        !compose_operand(node, SHARES, 2, &logits, &other) || !compose_operand(node, FIRST, 3, &w[0], &other) ||
        !compose_operand(node, SECOND, 3, &w[1], &other))
        return false;
    if (adze_onnx_operand(node, THIRD)) return adze_onnx_unsupported(node, "a third layer of experts");
    if (compose_rank(w[0]) != 3 || compose_rank(w[1]) != 3 || compose_rank(logits) != 2 || rank > 3)
        return adze_onnx_invalid(node, "has operands of other ranks than tokens, shares and weights of experts");
    if (!adze_dim_is_const(compose_dim(w[0], 0), &count) || e.most < 1 || e.most > count)
        return adze_onnx_invalid(node, "attribute 'k' is %lld", (long long)e.most);
    adze_dtype dtype = compose_dtype(x);
    const adze_dim *all[ADZE_MAX_RANK], *size = compose_dim(x, rank - 1);
    const adze_dim *flat[] = {compose_dim(x, 0), size};
    for (uint32_t i = 0; i < rank; i++) all[i] = compose_dim(x, i);
    if (rank == 3) flat[0] = adze_dim_mul(node->import->context, all[0], all[1]);
    term *tokens = compose_unsqueeze(node, rank == 3 ? compose_reshape(node, x, flat, 2) : x, 0, 1);
    term *h = activate(node, &e, layer(node, tokens, w[0], adze_onnx_operand(node, FIRST_BIAS)));
    term *y = layer(node, h, w[1], adze_onnx_operand(node, SECOND_BIAS));
    term *share = compose_transpose(node, compose_cast(node, shares(node, &e, logits), dtype), turn, 2);
    y = compose2(node, "mul", y, compose_unsqueeze(node, share, 2, 3));
    y = compose_reduce(node, "reduce_sum", y, &first, 1, false);
    return compose_end(node, rank == 3 ? compose_reshape(node, y, all, rank) : y);
}
