/* Elementwise ops that are said with others. */
#include "compose.h"

#include <string.h>

/* Texts have conversions of their own, of which one is told nothing of small floats. */
static bool cast_to(adze_onnx_node *node, adze_dtype to)
{
    adze_attr attr = adze_attr_type("to", to);
    const char *op = compose_cast_op(compose_dtype(adze_onnx_operand(node, 0)), to);
    if (to != ADZE_DTYPE_str) return adze_onnx_finish(node, op, &attr, 1);
    adze_onnx_attr(node, "saturate");
    adze_onnx_attr(node, "round_mode");
    return adze_onnx_finish(node, op, NULL, 0);
}

bool adze_onnx_upgrade_cast(adze_onnx_node *node)
{
    int64_t number = 0;
    if (!adze_onnx_attr_int(node, "to", &number)) return false;
    adze_dtype to = adze_onnx_dtype(number);
    if (to != ADZE_DTYPE_NONE) return cast_to(node, to);
    return adze_onnx_unsupported(node, "element type %lld of attribute 'to' is not known", (long long)number);
}

/* Cast to the second operand's element type. */
bool adze_onnx_upgrade_cast_like(adze_onnx_node *node)
{
    term *like = adze_onnx_operand(node, 1);
    if (!like) return adze_onnx_invalid(node, "has no input 1");
    node->n_in = 1;
    return cast_to(node, compose_dtype(like));
}

bool adze_onnx_upgrade_bit_shift(adze_onnx_node *node)
{
    const char *direction = "";
    if (!adze_onnx_attr_str(node, "direction", &direction)) return false;
    bool left = !strcmp(direction, "LEFT");
    if (!left && strcmp(direction, "RIGHT"))
        return adze_onnx_invalid(node, "attribute 'direction' is '%s'", direction);
    return adze_onnx_finish(node, left ? "shift_left" : "shift_right", NULL, 0);
}

/* Ops that the row has for wide floats alone: of integers and of small floats they are those of the same numbers in
 * f32. A number comes back in the operand's type. */
bool adze_onnx_upgrade_wide(adze_onnx_node *node)
{
    term *x = adze_onnx_operand(node, 0);
    adze_dtype dtype = compose_dtype(x);
    bool wide = adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT && adze_dtype_bits(dtype) >= 16;
    if (!x || wide || dtype == ADZE_DTYPE_str) return adze_onnx_finish_row(node);
    node->in[0] = compose_cast(node, x, ADZE_DTYPE_f32);
    if (!node->in[0] || !adze_onnx_finish_row(node)) return false;
    if (compose_dtype(node->out[0]) == ADZE_DTYPE_bool) return true;
    return compose_end(node, compose_cast(node, node->out[0], dtype));
}

/* The sum over the count. */
bool adze_onnx_upgrade_mean(adze_onnx_node *node)
{
    if (node->n_in < 2) return adze_onnx_finish(node, "identity", NULL, 0);
    term *sum = compose_all(node, node->n_in == 2 ? "add" : "sum_n", node->in, node->n_in, node->n_in, NULL, 0);
    return compose_end(node, compose2(node, "div", sum, compose_like(node, sum, node->n_in)));
}

/* x + bias below -lambda, x - bias above lambda, 0 between. */
bool adze_onnx_upgrade_shrink(adze_onnx_node *node)
{
    double bias = 0, lambda = 0.5;
    term *x = adze_onnx_operand(node, 0);
    if (!adze_onnx_attr_float(node, "bias", &bias) || !adze_onnx_attr_float(node, "lambd", &lambda)) return false;
    if (!x) return adze_onnx_invalid(node, "has no input");
    adze_dtype dtype = compose_dtype(x);
    bool real = adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT;
    term *wide = compose_cast(node, x, real ? dtype : ADZE_DTYPE_f32);
    term *below = compose2(node, "less", wide, compose_like(node, wide, -lambda));
    term *above = compose2(node, "greater", wide, compose_like(node, wide, lambda));
    term *up = compose2(node, "add", wide, compose_like(node, wide, bias));
    term *down = compose2(node, "sub", wide, compose_like(node, wide, bias));
    term *rest = compose3(node, "where", above, down, compose_like(node, wide, 0));
    return compose_end(node, compose_cast(node, compose3(node, "where", below, up, rest), dtype));
}

bool adze_onnx_upgrade_swiglu(adze_onnx_node *node)
{
    double alpha = 1;
    if (!adze_onnx_attr_float(node, "alpha", &alpha)) return false;
    term *gate = compose_with(node, "swish", adze_onnx_operand(node, 0), adze_attr_float("alpha", alpha));
    if (!gate) return !adze_onnx_operand(node, 0) && adze_onnx_invalid(node, "has no input 0");
    return compose_end(node, compose2(node, "mul", gate, adze_onnx_operand(node, 1)));
}

/* 1 with the probability that the operand says. */
bool adze_onnx_upgrade_bernoulli(adze_onnx_node *node)
{
    term *x = adze_onnx_operand(node, 0);
    int64_t number = 0;
    if (!adze_onnx_attr_int(node, "dtype", &number)) return false;
    if (!x) return adze_onnx_invalid(node, "has no input");
    adze_dtype dtype = number ? adze_onnx_dtype(number) : compose_dtype(x);
    if (dtype == ADZE_DTYPE_NONE) return adze_onnx_unsupported(node, "element type %lld", (long long)number);
    term *drawn = compose_random(node, x, compose_dtype(x) == ADZE_DTYPE_f64 ? ADZE_DTYPE_f64 : ADZE_DTYPE_f32);
    term *wide = compose_cast(node, x, compose_dtype(drawn));
    return compose_end(node, compose_cast(node, compose2(node, "less", drawn, wide), dtype));
}

/* FNV-1a of the node's name, in 24 bits: two nodes without a seed draw different numbers, every run the same. */
static double seed_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 16777619u;
    return (double)(hash & 0xffffff);
}

term *compose_random(adze_onnx_node *node, term *x, adze_dtype dtype)
{
    double seed = seed_of(node->name);
    const Pb__Attribute *attr = adze_onnx_attr(node, "seed");
    int64_t whole = 0;
    if (attr && attr->type == 2) { /* an int, of Dropout; a float otherwise */
        if (!adze_onnx_attr_int(node, "seed", &whole)) return NULL;
        seed = (double)whole;
    } else if (!adze_onnx_attr_float(node, "seed", &seed)) {
        return NULL;
    }
    adze_attr attrs[] = {adze_attr_type("dtype", dtype), adze_attr_float("seed", seed)};
    return compose_all(node, "random_uniform_like", &x, 1, 1, attrs, 2);
}

/* Training drops elements by a random mask and scales the rest; the third operand says whether it is on. */
bool adze_onnx_dropout_training(adze_onnx_node *node, double usual)
{
    term *x = adze_onnx_operand(node, 0), *ratio = adze_onnx_operand(node, 1), *training = adze_onnx_operand(node, 2);
    if (!x) return adze_onnx_invalid(node, "has no input");
    adze_dtype wide = compose_dtype(x) == ADZE_DTYPE_f64 ? ADZE_DTYPE_f64 : ADZE_DTYPE_f32;
    ratio = ratio ? compose_cast(node, compose_scalar(node, ratio), wide) : compose_number(node, wide, usual);
    term *drawn = compose_random(node, x, wide), *one = compose_number(node, wide, 1);
    term *keeps = compose2(node, "greater_equal", drawn, ratio);
    term *scale = compose2(node, "div", one, compose2(node, "sub", one, ratio));
    if (training) {
        training = compose_scalar(node, training);
        keeps = compose2(node, "or", keeps, compose1(node, "not", training));
        scale = compose3(node, "where", training, scale, one);
    }
    term *scaled = compose2(node, "mul", compose_cast(node, x, wide), scale);
    term *y = compose3(node, "where", keeps, scaled, compose_number(node, wide, 0));
    if (node->n_out > 1) node->out[1] = node->version < 10 ? compose_cast(node, keeps, compose_dtype(x)) : keeps;
    return compose_end(node, compose_cast(node, y, compose_dtype(x)));
}
