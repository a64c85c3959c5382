/* com.microsoft: quantized tensors. Dequantize, the op in floats, quantize; passes run that in integers. */
#include "contrib.h"

#include <string.h>

/* Of 8 and 16 bits; without an axis one scale for all. */
bool adze_onnx_contrib_quantize(adze_onnx_node *node)
{
    int64_t axis = 1;
    term *x, *scale = adze_onnx_operand(node, 1), *zero = adze_onnx_operand(node, 2);
    uint32_t rank;
    if (!adze_onnx_attr_int(node, "axis", &axis) || !compose_operand(node, 0, 0, &x, &rank)) return false;
    if (!scale) return adze_onnx_invalid(node, "has no input 1");
    adze_attr attr = adze_attr_int("axis", axis);
    term *in[] = {x, compose_one(node, scale), compose_one(node, zero)};
    const char *op = node->op_type[0] == 'Q' ? "quantize" : "dequantize";
    return compose_end(node, compose_all(node, op, in, zero ? 3 : 2, 2, rank ? &attr : NULL, rank ? 1 : 0));
}

/* Operand `index` with the scale and zero point behind it, in floats. */
static term *floats_at(adze_onnx_node *node, uint32_t index)
{
    term *x = adze_onnx_operand(node, index), *scale = adze_onnx_operand(node, index + 1);
    if (!x || !scale) return adze_onnx_invalid(node, "has no input %u", x ? index + 1 : index), NULL;
    return compose_dequantize(node, x, scale, adze_onnx_operand(node, index + 2), 1);
}

/* Quantized by the scale and zero point at `index`, which without the latter is 0 of the type `dtype`. */
static bool end_quantized(adze_onnx_node *node, term *y, term *scale, term *zero, adze_dtype dtype)
{
    if (!scale) return adze_onnx_invalid(node, "has no scale of the result");
    return compose_end(node, compose_quantize(node, y, scale, zero ? zero : compose_number(node, dtype, 0)));
}

/* ---- Channels last ---- */

/* From [batch, …, channels] to [batch, channels, …], or back. */
static term *move_channels(adze_onnx_node *node, term *x, bool back)
{
    int64_t perm[ADZE_MAX_RANK];
    int rank = compose_rank(x);
    if (rank < 3) return x ? adze_onnx_unsupported(node, "channels of a tensor of rank %d", rank), NULL : NULL;
    int n = 0, first = back ? 2 : 1, end = back ? rank : rank - 1;
    perm[n++] = 0;
    if (!back) perm[n++] = rank - 1;
    for (int i = first; i < end; i++) perm[n++] = i;
    if (back) perm[n] = 1;
    return compose_transpose(node, x, perm, (uint32_t)rank);
}

/* The op on the operand with its channels at axis 1. */
static bool with_channels_last(adze_onnx_node *node, bool (*run)(adze_onnx_node *))
{
    term *x;
    uint32_t rank;
    if (!compose_operand(node, 0, 3, &x, &rank)) return false;
    node->in[0] = move_channels(node, x, false);
    return node->in[0] && run(node) && compose_end(node, move_channels(node, node->out[0], true));
}

static bool pool(adze_onnx_node *node) { return adze_onnx_finish(node, "max_pool", NULL, 0); }

bool adze_onnx_contrib_nhwc_pool(adze_onnx_node *node) { return with_channels_last(node, pool); }

static bool conv(adze_onnx_node *node) { return adze_onnx_finish(node, "conv", NULL, 0); }

/* The weights, too, have their channels last. */
bool adze_onnx_contrib_nhwc_conv(adze_onnx_node *node)
{
    term *w;
    uint32_t rank;
    if (!compose_operand(node, 1, 3, &w, &rank)) return false;
    node->in[1] = move_channels(node, w, false);
    return node->in[1] && with_channels_last(node, conv);
}

/* The operand and what is added have their channels last, the weights as conv has them: so ONNX Runtime's layout pass
 * makes it, which turns activations alone. */
bool adze_onnx_contrib_nhwc_fused_conv(adze_onnx_node *node)
{
    term *sum = adze_onnx_operand(node, 3);
    if (sum && !(node->in[3] = move_channels(node, sum, false))) return false;
    return with_channels_last(node, adze_onnx_contrib_fused_conv);
}

bool adze_onnx_contrib_qlinear_conv(adze_onnx_node *node)
{
    int64_t last = 0;
    if (!adze_onnx_attr_flag(node, "channels_last", &last)) return false;
    return last ? with_channels_last(node, adze_onnx_upgrade_qlinear_conv) : adze_onnx_upgrade_qlinear_conv(node);
}

/* ---- Ops in floats between quantized tensors ---- */

/* `first` operands as they are, then `count` of three: elements, scale, zero point; then those of the result. */
static const struct qlinear {
    const char *op_type, *op;
    uint32_t first, count;
} rows[] = {
    {"QLinearAdd", "add", 0, 2},
    {"QLinearAveragePool", "average_pool", 0, 1},
    {"QLinearGlobalAveragePool", "global_average_pool", 0, 1},
    {"QLinearLeakyRelu", "leaky_relu", 0, 1},
    {"QLinearMul", "mul", 0, 2},
    {"QLinearSigmoid", "sigmoid", 0, 1},
    {"QLinearSoftmax", "softmax", 0, 1},
    {"QLinearWhere", "where", 1, 2},
};

static bool qlinear(adze_onnx_node *node)
{
    const struct qlinear *row = rows;
    while (strcmp(row->op_type, node->op_type) != 0) row++;
    uint32_t at = row->first + 3 * row->count, n = row->first;
    int64_t opset = 13;
    term *in[3], *scale = adze_onnx_operand(node, at), *zero = adze_onnx_operand(node, at + 1);
    adze_dtype dtype = compose_dtype(adze_onnx_operand(node, row->first));
    if (!adze_onnx_attr_int(node, "opset", &opset)) return false;
    for (uint32_t i = 0; i < row->count; i++)
        if (!(in[n++] = floats_at(node, row->first + 3 * i))) return false;
    for (uint32_t i = row->first; i < n; i++) node->in[i] = in[i];
    node->n_in = n;
    const char *op = opset < 13 ? "softmax_flat" : row->op;
    return adze_onnx_finish(node, op, NULL, 0) && end_quantized(node, node->out[0], scale, zero, dtype);
}

bool adze_onnx_contrib_qlinear(adze_onnx_node *node)
{
    int64_t last = 0;
    if (!adze_onnx_attr_flag(node, "channels_last", &last)) return false;
    return last ? with_channels_last(node, qlinear) : qlinear(node);
}

/* The mean over the axes that the attribute lists, in floats. */
bool adze_onnx_contrib_qlinear_mean(adze_onnx_node *node)
{
    const int64_t *axes = NULL;
    size_t n = 0;
    int64_t keep = 1;
    term *x = adze_onnx_operand(node, 0), *scale = adze_onnx_operand(node, 3), *zero = adze_onnx_operand(node, 4);
    if (!adze_onnx_attr_ints(node, "axes", &axes, &n) || !adze_onnx_attr_flag(node, "keepdims", &keep)) return false;
    term *mean = compose_reduce(node, "reduce_mean", floats_at(node, 0), n ? axes : NULL, n, keep != 0);
    return mean && end_quantized(node, mean, scale, zero, compose_dtype(x));
}

/* Scale and zero point of the result, then three operands a part. */
bool adze_onnx_contrib_qlinear_concat(adze_onnx_node *node)
{
    term *scale = adze_onnx_operand(node, 0), *zero = adze_onnx_operand(node, 1);
    uint32_t n = 0;
    if (!scale || !zero || node->n_in < 5 || (node->n_in - 2) % 3)
        return adze_onnx_invalid(node, "has %u inputs; two and three for each part are expected", node->n_in);
    for (uint32_t i = 2; i < node->n_in; i += 3, n++)
        if (!(node->in[n] = floats_at(node, i))) return false;
    node->n_in = n;
    return adze_onnx_finish(node, "concat", NULL, 0) &&
           end_quantized(node, node->out[0], scale, zero, compose_dtype(zero));
}

/* (A - za)(B - zb) in i32. */
bool adze_onnx_contrib_mul_integer(adze_onnx_node *node)
{
    term *side[2];
    for (uint32_t i = 0; i < 2; i++) {
        term *x = adze_onnx_operand(node, 2 * i), *zero = compose_one(node, adze_onnx_operand(node, 2 * i + 1));
        if (!x) return adze_onnx_invalid(node, "has no input %u", 2 * i);
        side[i] = compose_cast(node, x, ADZE_DTYPE_i32);
        if (zero) side[i] = compose2(node, "sub", side[i], compose_cast(node, zero, ADZE_DTYPE_i32));
    }
    return compose_end(node, compose2(node, "mul", side[0], side[1]));
}
