/* Convolutions that are said with conv: causal ones, those of quantized tensors. */
#include "compose.h"

#include <string.h>

/* ---- Causal convolution ---- */

term *compose_causal_conv(adze_onnx_node *node, const causal_conv *c, term **out_state)
{
    int64_t k, channels, before;
    bool gated = !strcmp(c->activation, "silu") || !strcmp(c->activation, "swish");
    if (!gated && strcmp(c->activation, "none"))
        return adze_onnx_invalid(node, "attribute 'activation' is '%s'", c->activation), NULL;
    if (compose_rank(c->x) != 3 || compose_rank(c->w) != 3)
        return adze_onnx_invalid(node, "operands of rank %d and %d", compose_rank(c->x), compose_rank(c->w)), NULL;
    if (!adze_dim_is_const(compose_dim(c->w, 0), &channels) || !adze_dim_is_const(compose_dim(c->w, 2), &k) || k < 1)
        return adze_onnx_undetermined(node, "a weight of unknown dims"), NULL;
    if (c->dilation < 1 || c->dilation > INT32_MAX || k > INT32_MAX)
        return adze_onnx_invalid(node, "attribute 'dilation' is %lld", (long long)c->dilation), NULL;
    int64_t reach = (k - 1) * c->dilation, pads[6] = {0, 0, reach, 0, 0, 0};
    if (c->past && (compose_rank(c->past) != 3 ||
                    (adze_dim_is_const(compose_dim(c->past, 2), &before) && before != reach)))
        return adze_onnx_invalid(node, "a state that is not of %lld elements a channel", (long long)reach), NULL;
    term *all = c->past ? compose_concat(node, (term *[]){c->past, c->x}, 2, 2)
                        : compose2(node, "pad", c->x, compose_ints(node, pads, 6));
    adze_attr attrs[] = {adze_attr_int("group", channels), adze_attr_ints("dilations", &c->dilation, 1)};
    term *y = compose_all(node, "conv", (term *[]){all, c->w, c->bias}, c->bias ? 3 : 2, 2, attrs,
                          c->dilation > 1 ? 2 : 1);
    adze_dtype dtype = compose_dtype(c->x), wide = dtype == ADZE_DTYPE_f64 ? dtype : ADZE_DTYPE_f32;
    if (gated) y = compose_cast(node, compose1(node, "swish", compose_cast(node, y, wide)), dtype);
    if (out_state) *out_state = compose_slice(node, all, 2, reach ? -reach : INT64_MAX, INT64_MAX, 1);
    return y;
}

bool adze_onnx_upgrade_causal_conv(adze_onnx_node *node)
{
    causal_conv c = {.bias = adze_onnx_operand(node, 2), .past = adze_onnx_operand(node, 3), .dilation = 1,
                     .activation = "none"};
    uint32_t rank;
    if (!adze_onnx_attr_str(node, "activation", &c.activation) || !compose_operand(node, 0, 3, &c.x, &rank) ||
        !compose_operand(node, 1, 3, &c.w, &rank))
        return false;
    return compose_end(node, compose_causal_conv(node, &c, node->n_out > 1 ? &node->out[1] : NULL));
}

/* ---- Quantized operands: dequantize, float, quantize; passes run that in integers ---- */

term *compose_dequantize(adze_onnx_node *node, term *x, term *scale, term *zero, int64_t axis)
{
    term *in[] = {x, compose_cast(node, compose_one(node, scale), ADZE_DTYPE_f32), compose_one(node, zero)};
    adze_attr attr = adze_attr_int("axis", axis);
    return compose_all(node, "dequantize", in, zero ? 3 : 2, 2, &attr, 1);
}

term *compose_quantize(adze_onnx_node *node, term *x, term *scale, term *zero)
{
    term *in[] = {x, compose_cast(node, compose_one(node, scale), ADZE_DTYPE_f32), compose_one(node, zero)};
    return compose_all(node, "quantize", in, zero ? 3 : 2, 2, NULL, 0);
}

static term *dequantized(adze_onnx_node *node, uint32_t index, int64_t axis)
{
    return compose_dequantize(node, node->in[index], node->in[index + 1], node->in[index + 2], axis);
}

static bool finish_quantized(adze_onnx_node *node, term *y)
{
    return compose_end(node, compose_quantize(node, y, node->in[6], node->in[7]));
}

static bool check_inputs(adze_onnx_node *node)
{
    for (uint32_t i = 0; i < 8; i++)
        if (!adze_onnx_operand(node, i)) return adze_onnx_invalid(node, "has no input %u", i);
    return true;
}

bool adze_onnx_upgrade_qlinear_matmul(adze_onnx_node *node)
{
    if (!check_inputs(node)) return false;
    return finish_quantized(node, compose2(node, "matmul", dequantized(node, 0, -2), dequantized(node, 3, -1)));
}

/* The bias is in units of both scales. */
bool adze_onnx_upgrade_qlinear_conv(adze_onnx_node *node)
{
    if (!check_inputs(node)) return false;
    term *operands[8];
    for (uint32_t i = 0; i < 8; i++) operands[i] = node->in[i];
    term *bias = adze_onnx_operand(node, 8), *in[] = {dequantized(node, 0, 1), dequantized(node, 3, 0), NULL};
    if (bias) {
        term *scale = compose2(node, "mul", compose_scalar(node, operands[1]), operands[4]);
        adze_attr axis = adze_attr_int("axis", 0);
        in[2] = compose_all(node, "dequantize", (term *[]){bias, scale}, 2, 2, &axis, 1);
    }
    if (!in[0] || !in[1] || (bias && !in[2])) return false;
    for (uint32_t i = 0; i < 3; i++) node->in[i] = in[i];
    node->n_in = bias ? 3 : 2;
    if (!adze_onnx_finish(node, "conv", NULL, 0)) return false;
    return compose_end(node, compose_quantize(node, node->out[0], operands[6], operands[7]));
}

term *compose_dynamic_quantize(adze_onnx_node *node, term *x, term **out_scale, term **out_zero)
{
    term *zero = compose_like(node, x, 0), *full = compose_like(node, x, 255);
    term *high = compose2(node, "max", compose_reduce(node, "reduce_max", x, NULL, 0, false), zero);
    term *low = compose2(node, "min", compose_reduce(node, "reduce_min", x, NULL, 0, false), zero);
    term *range = compose2(node, "sub", high, low);
    term *scale = compose2(node, "div", range, full);
    *out_scale = scale = compose3(node, "where", compose2(node, "equal", range, zero), compose_like(node, x, 1), scale);
    term *point = compose1(node, "neg", compose2(node, "div", low, scale));
    point = compose1(node, "round", compose3(node, "clip", point, zero, full));
    *out_zero = compose_cast(node, point, ADZE_DTYPE_u8);
    return compose3(node, "quantize", x, scale, *out_zero);
}

bool adze_onnx_upgrade_dynamic_quantize(adze_onnx_node *node)
{
    term *scale, *zero, *x = adze_onnx_operand(node, 0);
    if (!x) return adze_onnx_invalid(node, "has no input");
    term *y = compose_dynamic_quantize(node, x, &scale, &zero);
    if (node->n_out > 1) node->out[1] = scale;
    if (node->n_out > 2) node->out[2] = zero;
    return compose_end(node, y);
}
