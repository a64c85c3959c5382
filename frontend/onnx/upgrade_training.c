/* Adagrad, Adam and Momentum of ai.onnx.preview.training: arithmetic on tensors and what was accumulated of their
 * gradients. Inputs: learning rate, number of the update, then for n tensors all tensors, all gradients, and so on. */
#include "ml.h"

#include <string.h>

typedef struct optimizer {
    adze_onnx_node *node;
    term *rate, *update; /* R and T, T as f32 */
    uint32_t n;          /* tensors */
} optimizer;

/* The node's inputs come in `parts` for each tensor, its outputs in one less. */
static bool begin(adze_onnx_node *node, uint32_t parts, optimizer *out)
{
    uint32_t given = node->n_in > 2 ? node->n_in - 2 : 0;
    *out = (optimizer){.node = node, .n = given / parts};
    if (!given || given % parts || node->n_out > out->n * (parts - 1))
        return adze_onnx_invalid(node, "has %u inputs and %u outputs", node->n_in, node->n_out);
    for (uint32_t i = 0; i < node->n_in; i++)
        if (!node->in[i]) return adze_onnx_invalid(node, "input %u is absent", i);
    out->rate = node->in[0];
    out->update = compose_cast(node, node->in[1], compose_dtype(out->rate));
    return out->update != NULL;
}

static term *part(const optimizer *o, uint32_t which, uint32_t i) { return o->node->in[2 + which * o->n + i]; }

static void set(const optimizer *o, uint32_t which, uint32_t i, term *value)
{
    if (which * o->n + i < o->node->n_out) o->node->out[which * o->n + i] = value;
}

static term *add(const optimizer *o, term *a, term *b) { return compose2(o->node, "add", a, b); }
static term *sub(const optimizer *o, term *a, term *b) { return compose2(o->node, "sub", a, b); }
static term *mul(const optimizer *o, term *a, term *b) { return compose2(o->node, "mul", a, b); }
static term *scaled(const optimizer *o, term *x, double by) { return mul(o, x, compose_like(o->node, x, by)); }
static term *moved(const optimizer *o, term *x, double by) { return add(o, x, compose_like(o->node, x, by)); }

/* The learning rate in the type of a tensor. */
static term *rate_for(const optimizer *o, term *rate, const term *x)
{
    return compose_cast(o->node, rate, compose_dtype(x));
}

static term *regularized(const optimizer *o, uint32_t i, double norm)
{
    return norm == 0 ? part(o, 1, i) : add(o, scaled(o, part(o, 0, i), norm), part(o, 1, i));
}

static bool end(const optimizer *o)
{
    for (uint32_t i = 0; i < o->node->n_out; i++)
        if (!o->node->out[i]) return false;
    return true;
}

bool adze_onnx_training_adagrad(adze_onnx_node *node)
{
    double decay = 0, epsilon = 1e-6, norm = 0;
    optimizer o;
    if (!adze_onnx_attr_float(node, "decay_factor", &decay) || !adze_onnx_attr_float(node, "epsilon", &epsilon) ||
        !adze_onnx_attr_float(node, "norm_coefficient", &norm) || !begin(node, 3, &o))
        return false;
    term *rate = compose2(node, "div", o.rate, moved(&o, scaled(&o, o.update, decay), 1));
    for (uint32_t i = 0; i < o.n; i++) {
        term *x = part(&o, 0, i), *g = regularized(&o, i, norm), *h = add(&o, part(&o, 2, i), mul(&o, g, g));
        term *root = moved(&o, compose1(node, "sqrt", h), epsilon);
        set(&o, 0, i, sub(&o, x, compose2(node, "div", mul(&o, rate_for(&o, rate, x), g), root)));
        set(&o, 1, i, h);
    }
    return end(&o);
}

/* R sqrt(1 - beta^T) / (1 - alpha^T), and R at the first update. */
static term *adam_rate(const optimizer *o, double alpha, double beta)
{
    adze_onnx_node *node = o->node;
    term *one = compose_like(node, o->rate, 1);
    term *a = sub(o, one, compose2(node, "pow", compose_like(node, o->rate, alpha), o->update));
    term *b = sub(o, one, compose2(node, "pow", compose_like(node, o->rate, beta), o->update));
    term *rate = compose2(node, "div", mul(o, o->rate, compose1(node, "sqrt", b)), a);
    return compose3(node, "where", compose2(node, "greater", o->update, compose_like(node, o->update, 0)), rate,
                    o->rate);
}

bool adze_onnx_training_adam(adze_onnx_node *node)
{
    double alpha = 0.9, beta = 0.999, epsilon = 1e-6, norm = 0, after = 0;
    optimizer o;
    if (!adze_onnx_attr_float(node, "alpha", &alpha) || !adze_onnx_attr_float(node, "beta", &beta) ||
        !adze_onnx_attr_float(node, "epsilon", &epsilon) || !adze_onnx_attr_float(node, "norm_coefficient", &norm) ||
        !adze_onnx_attr_float(node, "norm_coefficient_post", &after) || !begin(node, 4, &o))
        return false;
    term *rate = adam_rate(&o, alpha, beta);
    for (uint32_t i = 0; i < o.n; i++) {
        term *x = part(&o, 0, i), *g = regularized(&o, i, norm);
        term *v = add(&o, scaled(&o, part(&o, 2, i), alpha), scaled(&o, g, 1 - alpha));
        term *h = add(&o, scaled(&o, part(&o, 3, i), beta), scaled(&o, mul(&o, g, g), 1 - beta));
        term *root = moved(&o, compose1(node, "sqrt", h), epsilon);
        term *next = sub(&o, x, compose2(node, "div", mul(&o, rate_for(&o, rate, x), v), root));
        set(&o, 0, i, after == 0 ? next : scaled(&o, next, 1 - after));
        set(&o, 1, i, v);
        set(&o, 2, i, h);
    }
    return end(&o);
}

bool adze_onnx_training_momentum(adze_onnx_node *node)
{
    double alpha = 0, beta = 0, norm = 0;
    const char *mode = "standard";
    optimizer o;
    if (!adze_onnx_attr(node, "alpha") || !adze_onnx_attr(node, "beta"))
        return adze_onnx_invalid(node, "has no alpha or no beta");
    if (!adze_onnx_attr_float(node, "alpha", &alpha) || !adze_onnx_attr_float(node, "beta", &beta) ||
        !adze_onnx_attr_float(node, "norm_coefficient", &norm) || !adze_onnx_attr_str(node, "mode", &mode) ||
        !begin(node, 3, &o))
        return false;
    bool nesterov = !strcmp(mode, "nesterov");
    if (!nesterov && strcmp(mode, "standard") != 0) return adze_onnx_invalid(node, "attribute 'mode' is '%s'", mode);
    term *later = compose2(node, "greater", o.update, compose_like(node, o.update, 0));
    term *share = compose3(node, "where", later, compose_like(node, o.rate, beta), compose_like(node, o.rate, 1));
    for (uint32_t i = 0; i < o.n; i++) {
        term *x = part(&o, 0, i), *g = regularized(&o, i, norm);
        term *v = add(&o, scaled(&o, part(&o, 2, i), alpha), mul(&o, rate_for(&o, share, x), g));
        term *step = nesterov ? add(&o, g, scaled(&o, v, alpha)) : v;
        set(&o, 0, i, sub(&o, x, mul(&o, rate_for(&o, o.rate, x), step)));
        set(&o, 1, i, v);
    }
    return end(&o);
}
