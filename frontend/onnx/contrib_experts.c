/* com.microsoft: mixtures of experts. */
#include "contrib.h"

#include <math.h>
#include <string.h>

typedef struct experts {
    int64_t most; /* how many a token has */
    int64_t normalized, fusion;
    double least; /* a share is above it, or none */
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

/* Entries of p [tokens, experts] where `chosen` has its largest ones in a row, the last of equal ones first; others,
 * and what is not above the least share, get 0, as do all where the chosen ones' sum is 0. */
static term *largest(adze_onnx_node *node, const experts *e, term *chosen, term *p)
{
    static const int64_t last = -1;
    adze_attr axis = adze_attr_int("axis", -1);
    term *backwards = compose_slice(node, chosen, -1, -1, INT64_MIN, -1), *places;
    term *values = compose_top(node, backwards, e->most, true, &places);
    if (!p || !values) return NULL;
    term *zero = compose_like(node, p, 0);
    places = compose2(node, "sub", compose_number(node, ADZE_DTYPE_i64, -1), places); /* counted from the end */
    if (p != chosen) values = compose_all(node, "gather_elements", (term *[]){p, places}, 2, 2, &axis, 1);
    if (e->normalized) {
        term *sum = compose_reduce(node, "reduce_sum", values, &last, 1, true);
        values = compose3(node, "where", compose2(node, "equal", sum, zero), zero, compose2(node, "div", values, sum));
    }
    term *others = compose2(node, "mul", p, zero);
    term *kept = compose_all(node, "scatter_elements", (term *[]){others, places, values}, 3, 3, &axis, 1);
    return compose3(node, "where", compose2(node, "greater", kept, compose_like(node, p, e->least)), kept, zero);
}

static term *probabilities(adze_onnx_node *node, term *logits)
{
    return compose_with(node, "softmax", logits, adze_attr_int("axis", -1));
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

/* x times the weights [experts, in, out] of all experts, plus their biases [experts, out]. */
static term *layer(adze_onnx_node *node, term *x, term *w, term *bias)
{
    term *y = compose2(node, "matmul", x, w);
    return bias ? compose2(node, "add", y, compose_unsqueeze(node, bias, 1, 2)) : y;
}

/* Every expert sees every token; a token adds up what its experts give, by its shares [tokens, experts]. So products
 * are dense, and as many as there are experts, not as a token has. x is [tokens, size] or has one axis more. */
static term *mixed(adze_onnx_node *node, const experts *e, term *x, term *const w[2], term *const bias[2], term *share)
{
    static const int64_t turn[] = {1, 0}, first = 0;
    uint32_t rank = (uint32_t)compose_rank(x);
    const adze_dim *all[ADZE_MAX_RANK], *flat[] = {compose_dim(x, 0), compose_dim(x, rank - 1)};
    for (uint32_t i = 0; i < rank; i++) all[i] = compose_dim(x, i);
    if (rank == 3) flat[0] = adze_dim_mul(node->import->context, all[0], all[1]);
    term *tokens = compose_unsqueeze(node, rank == 3 ? compose_reshape(node, x, flat, 2) : x, 0, 1);
    term *y = layer(node, activate(node, e, layer(node, tokens, w[0], bias[0])), w[1], bias[1]);
    share = compose_transpose(node, compose_cast(node, share, compose_dtype(x)), turn, 2);
    y = compose2(node, "mul", y, compose_unsqueeze(node, share, 2, 3));
    y = compose_reduce(node, "reduce_sum", y, &first, 1, false);
    return rank == 3 ? compose_reshape(node, y, all, rank) : y;
}

/* Tokens and logits, and the number of experts, which the first weight tells. */
static bool read_operands(adze_onnx_node *node, const experts *e, term **x, term **logits, term *w, int64_t *count)
{
    uint32_t rank, other;
    if (!compose_operand(node, 0, 2, x, &rank) || !compose_operand(node, 1, 2, logits, &other)) return false;
    if (compose_rank(w) != 3 || other != 2 || rank > 3)
        return adze_onnx_invalid(node, "has operands of other ranks than tokens, shares and weights of experts");
    if (!adze_dim_is_const(compose_dim(w, 0), count) || e->most < 1 || e->most > *count)
        return adze_onnx_invalid(node, "attribute 'k' is %lld", (long long)e->most);
    return true;
}

bool adze_onnx_contrib_experts(adze_onnx_node *node)
{
    enum { FIRST = 2, FIRST_BIAS, SECOND, SECOND_BIAS, THIRD };
    static const int64_t turn[] = {0, 2, 1};
    experts e;
    term *x, *logits, *w[2], *bias[] = {adze_onnx_operand(node, FIRST_BIAS), adze_onnx_operand(node, SECOND_BIAS)};
    uint32_t ranks[2];
    int64_t count;
    if (!read_experts(node, &e) || !compose_operand(node, FIRST, 3, &w[0], &ranks[0]) ||
        !compose_operand(node, SECOND, 3, &w[1], &ranks[1]) || !read_operands(node, &e, &x, &logits, w[0], &count))
        return false;
    if (adze_onnx_operand(node, THIRD)) return adze_onnx_unsupported(node, "a third layer of experts");
    if (ranks[1] != 3) return adze_onnx_invalid(node, "weights of rank %u", ranks[1]);
    for (int i = 0; i < 2; i++) w[i] = compose_transpose(node, w[i], turn, 3);
    term *p = probabilities(node, compose_cast(node, logits, ADZE_DTYPE_f32));
    return compose_end(node, mixed(node, &e, x, w, bias, largest(node, &e, p, p)));
}

/* ---- QMoE ---- */

/* Of a weight [experts, out, in]: codes as bytes along `in`, scales and zero points (NULL: half of the range) one for
 * each block of it; block 0: one for all of it. */
typedef struct codes {
    term *bytes, *scales, *zeros;
    int64_t experts, out, in, bits, block;
} codes;

static bool read_codes(adze_onnx_node *node, uint32_t weight, uint32_t zeros, codes *c)
{
    int64_t width;
    c->bytes = adze_onnx_operand(node, weight);
    c->scales = adze_onnx_operand(node, weight + 1);
    c->zeros = adze_onnx_operand(node, zeros);
    if (!c->bytes || !c->scales) return adze_onnx_invalid(node, "has no input %u", weight + (c->bytes ? 1 : 0));
    if (compose_rank(c->bytes) != 3 || !adze_dim_is_const(compose_dim(c->bytes, 0), &c->experts) ||
        !adze_dim_is_const(compose_dim(c->bytes, 1), &c->out) || !adze_dim_is_const(compose_dim(c->bytes, 2), &width))
        return adze_onnx_invalid(node, "input %u is not [experts, out, bytes]", weight);
    if (c->experts < 1 || c->out < 1 || width < 1 || c->experts > INT32_MAX || c->out > INT32_MAX || width > INT32_MAX)
        return adze_onnx_invalid(node, "input %u holds %lld x %lld x %lld bytes", weight, (long long)c->experts,
                                 (long long)c->out, (long long)width);
    c->in = width * (8 / c->bits);
    if (c->block && c->in % c->block)
        return adze_onnx_invalid(node, "%lld codes in blocks of %lld", (long long)c->in, (long long)c->block);
    return true;
}

/* Codes [experts, rows, columns]; bytes of a row may hold more than its columns. */
static term *codes_in(adze_onnx_node *node, const codes *c, term *bytes, int64_t rows, int64_t columns)
{
    int64_t in_byte = 8 / c->bits, dims[] = {c->experts, rows, (columns + in_byte - 1) / in_byte * in_byte};
    term *all = compose_codes(node, bytes, c->bits, 3, dims);
    return dims[2] > columns ? compose_slice(node, all, 2, 0, columns, 1) : all;
}

/* The weight as floats [experts, in, out]. */
static term *expert_weight(adze_onnx_node *node, const codes *c)
{
    static const int64_t turn[] = {0, 2, 1};
    int64_t block = c->block ? c->block : c->in, blocks = c->in / block;
    adze_context *context = node->import->context;
    const adze_dim *of[] = {adze_dim_const(context, c->experts), adze_dim_const(context, c->out),
                            adze_dim_const(context, blocks)};
    term *all = compose_transpose(node, codes_in(node, c, c->bytes, c->out, c->in), turn, 3);
    term *scales = compose_reshape(node, compose_cast(node, c->scales, ADZE_DTYPE_f32), of, 3), *zeros;
    scales = compose_transpose(node, scales, turn, 3);
    if (!all || !scales) return NULL;
    if (!c->zeros)
        zeros = compose_expand(node, compose_number(node, compose_code_type(c->bits), (double)(1 << (c->bits - 1))),
                               adze_type_dims(adze_value_type(scales)), 3);
    else if (c->block)
        zeros = compose_transpose(node, codes_in(node, c, c->zeros, c->out, blocks), turn, 3);
    else
        zeros = codes_in(node, c, c->zeros, 1, c->out);
    adze_attr attrs[] = {adze_attr_int("axis", 1), adze_attr_int("block_size", block)};
    return compose_all(node, "dequantize", (term *[]){all, scales, zeros}, 3, 3, attrs, 2);
}

static bool read_quantized(adze_onnx_node *node, codes *c)
{
    static const char *const layers[] = {"fc1_expert_weight_bits", "fc2_expert_weight_bits"};
    const char *kind = "int";
    int64_t level = 0, packed = -1, bits = 4, block = 0;
    if (!adze_onnx_attr_str(node, "quant_type", &kind) || !adze_onnx_attr_int(node, "accuracy_level", &level) ||
        !adze_onnx_attr_int(node, "weights_prepacked", &packed) || !adze_onnx_attr_int(node, "block_size", &block) ||
        !adze_onnx_attr_int(node, "expert_weight_bits", &bits))
        return false;
    if (strcmp(kind, "int") != 0) return adze_onnx_unsupported(node, "quant_type '%s'", kind);
    if (packed == 1) return adze_onnx_unsupported(node, "weights in the order of another device");
    if (packed < -1 || packed > 1)
        return adze_onnx_invalid(node, "attribute 'weights_prepacked' is %lld", (long long)packed);
    if (block < 0 || block > INT32_MAX || (block && block < 16) || (block & (block - 1)))
        return adze_onnx_invalid(node, "attribute 'block_size' is %lld", (long long)block);
    for (int i = 0; i < 2; i++) {
        c[i].bits = bits;
        c[i].block = block;
        if (!adze_onnx_attr_int(node, layers[i], &c[i].bits)) return false;
        if (compose_code_type(c[i].bits) == ADZE_DTYPE_NONE)
            return adze_onnx_unsupported(node, "weights of %lld bits", (long long)c[i].bits);
    }
    return true;
}

/* As ONNX Runtime's CPU kernel has it: logits choose; shares are those of the chosen experts among themselves, whatever
 * `normalize_routing_weights` says, which is read where operand 14 has the shares. */
bool adze_onnx_contrib_quantized_experts(adze_onnx_node *node)
{
    enum { FIRST = 2, FIRST_BIAS = 4, SECOND, SECOND_BIAS = 7, THIRD, FIRST_ZEROS = 11, SECOND_ZEROS, GIVEN = 14 };
    experts e;
    codes c[2];
    term *x, *logits, *w[2], *bias[] = {adze_onnx_operand(node, FIRST_BIAS), adze_onnx_operand(node, SECOND_BIAS)};
    term *given = adze_onnx_operand(node, GIVEN);
    int64_t count;
    if (!read_experts(node, &e) || !read_quantized(node, c) || !read_codes(node, FIRST, FIRST_ZEROS, &c[0]) ||
        !read_codes(node, SECOND, SECOND_ZEROS, &c[1]) || !read_operands(node, &e, &x, &logits, c[0].bytes, &count))
        return false;
    if (adze_onnx_operand(node, THIRD)) return adze_onnx_unsupported(node, "a third layer of experts");
    for (uint32_t i = GIVEN + 1; i < node->n_in; i++)
        if (node->in[i]) return adze_onnx_unsupported(node, "input %u", i);
    adze_dtype dtype = compose_dtype(x);
    for (int i = 0; i < 2; i++) {
        w[i] = expert_weight(node, &c[i]);
        bias[i] = compose_cast(node, bias[i], ADZE_DTYPE_f32);
    }
    e.least = 1e-8;
    if (!given) e.normalized = true;
    logits = compose_cast(node, logits, ADZE_DTYPE_f32);
    given = given ? compose_cast(node, given, ADZE_DTYPE_f32) : probabilities(node, logits);
    term *share = largest(node, &e, logits, given);
    x = compose_cast(node, x, ADZE_DTYPE_f32);
    return x && compose_end(node, compose_cast(node, mixed(node, &e, x, w, bias, share), dtype));
}
