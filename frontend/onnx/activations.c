/* The table of activations by name. */
#include "activations.h"

#include <string.h>
#include <strings.h>

enum { LAYERS = ACTIVATION_OF_LAYERS, FUSED = ACTIVATION_OF_FUSED, BOTH = ACTIVATION_OF_LAYERS | ACTIVATION_OF_FUSED };

/* At its threshold ThresholdedRelu is 0 as an op, and x in a layer. */
static const activation rows[] = {
    {"Affine", NULL, {"alpha", "beta"}, {1, 0}, LAYERS},
    {"Celu", "celu", {"alpha"}, {1}, FUSED},
    {"Elu", "elu", {"alpha"}, {1}, BOTH},
    {"Gelu", "gelu", {NULL}, {0}, FUSED},
    {"HardSigmoid", "hard_sigmoid", {"alpha", "beta"}, {0.2, 0.5}, BOTH},
    {"HardSwish", "hard_swish", {NULL}, {0}, FUSED},
    {"LeakyRelu", "leaky_relu", {"alpha"}, {0.01}, BOTH},
    {"Relu", "relu", {NULL}, {0}, BOTH},
    {"ScaledTanh", NULL, {"alpha", "beta"}, {1, 1}, BOTH},
    {"Selu", "selu", {"alpha", "gamma"}, {1.67326319217681884765625, 1.05070102214813232421875}, FUSED},
    {"Sigmoid", "sigmoid", {NULL}, {0}, BOTH},
    {"Softplus", "softplus", {NULL}, {0}, BOTH},
    {"Softsign", "softsign", {NULL}, {0}, BOTH},
    {"Tanh", "tanh", {NULL}, {0}, BOTH},
    {"ThresholdedRelu", NULL, {"alpha"}, {1}, LAYERS},
    {"ThresholdedRelu", "thresholded_relu", {"alpha"}, {1}, FUSED},
};

const activation *compose_find_activation(const char *name, size_t size, activation_user user)
{
    for (const activation *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        bool any_case = user == ACTIVATION_OF_LAYERS;
        int differs = any_case ? strncasecmp(row->name, name, size) : strncmp(row->name, name, size);
        if (!differs && !row->name[size] && row->users & user) return row;
    }
    return NULL;
}

bool compose_read_activation(adze_onnx_node *node, activation_use *out)
{
    static const char *const names[] = {"activation_alpha", "activation_beta", "activation_gamma"};
    const char *name = "";
    *out = (activation_use){0};
    if (!adze_onnx_attr_str(node, "activation", &name)) return false;
    if (*name) out->kind = compose_find_activation(name, strlen(name), ACTIVATION_OF_FUSED);
    if (*name && !out->kind) return adze_onnx_unsupported(node, "the activation '%s'", name);
    for (uint32_t k = 0; out->kind && k < ACTIVATION_PARAMS; k++) out->params[k] = out->kind->usual[k];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        double value = 0;
        if (!adze_onnx_attr(node, names[i])) continue;
        if (!adze_onnx_attr_float(node, names[i], &value)) return false;
        for (uint32_t k = 0; out->kind && k < ACTIVATION_PARAMS && out->kind->params[k]; k++)
            if (!strcmp(names[i] + strlen("activation_"), out->kind->params[k])) out->params[k] = value;
    }
    return true;
}

static term *times(adze_onnx_node *node, term *x, double factor)
{
    return factor == 1 ? x : compose2(node, "mul", x, compose_like(node, x, factor));
}

term *compose_activate(adze_onnx_node *node, const activation_use *use, term *x)
{
    const activation *a = use->kind;
    double alpha = use->params[0], beta = use->params[1];
    adze_attr attrs[ACTIVATION_PARAMS];
    uint32_t n = 0;
    if (!x || !a) return x;
    for (; a->op && n < ACTIVATION_PARAMS && a->params[n]; n++)
        attrs[n] = adze_attr_float(a->params[n], use->params[n]);
    if (a->op) return compose_all(node, a->op, &x, 1, 1, attrs, n);
    if (!strcmp(a->name, "Affine")) return compose2(node, "add", times(node, x, alpha), compose_like(node, x, beta));
    if (!strcmp(a->name, "ScaledTanh")) return times(node, compose1(node, "tanh", times(node, x, beta)), alpha);
    term *below = compose2(node, "less", x, compose_like(node, x, alpha));
    return compose3(node, "where", below, compose_like(node, x, 0), x);
}
