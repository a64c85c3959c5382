/* com.microsoft: activations, with a bias before them or behind an op that makes what they take. */
#include "activations.h"
#include "contrib.h"
#include "ml.h"

#include <string.h>

static adze_dtype wide_of(const term *x)
{
    adze_dtype dtype = compose_dtype(x);
    return dtype == ADZE_DTYPE_f16 || dtype == ADZE_DTYPE_bf16 ? ADZE_DTYPE_f32 : dtype;
}

/* Gelu and its kin: x (+ bias), then the activation; with `split` the first half times the activated second one. */
static const struct gelu {
    const char *op_type, *op; /* NULL: no activation */
    uint32_t needs;           /* so many operands; the third is a residual */
    bool split;
} gelus[] = {
    {"BiasAdd", NULL, 3, false},          {"BiasGelu", "gelu", 2, false}, {"BiasSplitGelu", "gelu", 2, true},
    {"FastGelu", "gelu_tanh", 1, false}, {"Gelu", "gelu", 1, false},
};

bool adze_onnx_contrib_gelu(adze_onnx_node *node)
{
    const struct gelu *row = gelus;
    while (strcmp(row->op_type, node->op_type) != 0) row++;
    term *x, *bias = adze_onnx_operand(node, 1);
    uint32_t rank;
    int64_t size;
    if (!compose_operand(node, 0, 0, &x, &rank) || !compose_need(node, row->needs)) return false;
    adze_dtype dtype = compose_dtype(x), wide = wide_of(x);
    term *y = compose_cast(node, x, wide);
    if (bias) y = compose2(node, "add", y, compose_cast(node, bias, wide));
    if (row->needs > 2) y = compose2(node, "add", y, compose_cast(node, adze_onnx_operand(node, 2), wide));
    if (row->split) {
        if (rank == 0 || !adze_dim_is_const(compose_dim(x, rank - 1), &size) || size % 2)
            return adze_onnx_undetermined(node, "halves of a size that is unknown or odd");
        term *left = compose_slice(node, y, -1, 0, size / 2, 1), *right = compose_slice(node, y, -1, size / 2, size, 1);
        y = compose2(node, "mul", left, compose1(node, row->op, right));
    } else if (row->op) {
        y = compose1(node, row->op, y);
    }
    return compose_end(node, compose_cast(node, y, dtype));
}

/* QuickGelu: x sigmoid(alpha x). ScaledSiLU: s x sigmoid(s x) with s an operand, or alpha. */
bool adze_onnx_contrib_quick_gelu(adze_onnx_node *node)
{
    bool scaled = !strcmp(node->op_type, "ScaledSiLU");
    double alpha = scaled ? 1 : 1.702;
    term *x, *scale = scaled ? adze_onnx_operand(node, 1) : NULL;
    uint32_t rank;
    if (!adze_onnx_attr_float(node, "alpha", &alpha) || !compose_operand(node, 0, 0, &x, &rank)) return false;
    adze_dtype dtype = compose_dtype(x), wide = wide_of(x);
    term *y = compose_cast(node, x, wide);
    if (scaled) {
        scale = scale ? compose_cast(node, compose_scalar(node, scale), wide) : compose_number(node, wide, alpha);
        y = compose2(node, "mul", y, scale);
        alpha = 1;
    }
    y = compose_with(node, "swish", y, adze_attr_float("alpha", alpha));
    return compose_end(node, compose_cast(node, y, dtype));
}

/* x + bias, whose axes of 1 are spread over x, then softmax over all axes from one on. The bias repeats over the axes
 * just before that one (inner), or over the first ones: there it has fewer rows, so that numpy's rule does both. */
bool adze_onnx_contrib_bias_softmax(adze_onnx_node *node)
{
    int64_t axis = 1, inner = 1;
    term *x, *bias;
    uint32_t rank, bias_rank, at;
    if (!adze_onnx_attr_int(node, "axis", &axis) || !adze_onnx_attr_flag(node, "is_inner_broadcast", &inner) ||
        !compose_operand(node, 0, 1, &x, &rank) || !compose_operand(node, 1, 0, &bias, &bias_rank) ||
        !compose_axis(node, axis, rank, &at))
        return false;
    if (bias_rank > rank) return adze_onnx_invalid(node, "has a bias of rank %u to rank %u", bias_rank, rank);
    adze_attr first = adze_attr_int("axis", at);
    return compose_end(node, compose_with(node, "softmax_flat", compose2(node, "add", x, bias), first));
}

/* x + bias (+ residual): nothing is dropped where a model is used. */
bool adze_onnx_contrib_bias_dropout(adze_onnx_node *node)
{
    term *x, *bias, *residual = adze_onnx_operand(node, 2), *training = adze_onnx_operand(node, 4);
    uint32_t rank, bias_rank;
    double trains = 0;
    int64_t seed = 0;
    if (!adze_onnx_attr_int(node, "seed", &seed) || !compose_operand(node, 0, 0, &x, &rank) ||
        !compose_operand(node, 1, 0, &bias, &bias_rank))
        return false;
    if (training && (!adze_value_as_splat(training, &trains) || trains != 0))
        return adze_onnx_unsupported(node, "training_mode");
    term *y = compose2(node, "add", x, bias);
    if (residual) y = compose2(node, "add", y, residual);
    if (node->n_out > 1) {
        term *yes = compose_number(node, ADZE_DTYPE_bool, 1);
        node->out[1] = compose_expand(node, yes, adze_type_dims(adze_value_type(x)), rank);
        if (!node->out[1]) return false;
    }
    return compose_end(node, y);
}

/* ---- Activations by name ---- */

/* conv (+ a residual), then the activation, whose parameters are a list; Clip has both bounds there. */
bool adze_onnx_contrib_fused_conv(adze_onnx_node *node)
{
    activation_use use;
    const float *given;
    size_t n;
    const char *name = "";
    term *residual = adze_onnx_operand(node, 3);
    if (!adze_onnx_attr_floats(node, "activation_params", &given, &n) ||
        !adze_onnx_attr_str(node, "activation", &name))
        return false;
    bool clips = !strcmp(name, "Clip");
    if (n > ACTIVATION_PARAMS)
        return adze_onnx_invalid(node, "attribute 'activation_params' has %zu entries; at most 2 are expected", n);
    if (clips && n != 2) return adze_onnx_invalid(node, "Clip has %zu parameters, expected 2", n);
    if (!clips && !compose_read_activation(node, &use)) return false;
    if (node->n_in > 3) node->n_in = node->in[2] ? 3 : 2;
    if (!adze_onnx_finish(node, "conv", NULL, 0)) return false;
    term *y = node->out[0];
    if (residual) y = compose2(node, "add", y, residual);
    if (clips) {
        term *low = compose_like(node, y, (double)given[0]), *high = compose_like(node, y, (double)given[1]);
        return compose_end(node, compose3(node, "clip", y, low, high));
    }
    for (size_t i = 0; i < n; i++) use.params[i] = (double)given[i];
    return compose_end(node, compose_activate(node, &use, y));
}

bool adze_onnx_contrib_fused_gemm(adze_onnx_node *node)
{
    activation_use use;
    return compose_read_activation(node, &use) && adze_onnx_finish(node, "gemm", NULL, 0) &&
           compose_end(node, compose_activate(node, &use, node->out[0]));
}
