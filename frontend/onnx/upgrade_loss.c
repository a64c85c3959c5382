/* Losses: a gather of what each target says, weighed and reduced. */
#include "compose.h"

#include <string.h>

typedef struct loss {
    term *target, *weight; /* weight NULL: all the same */
    const char *reduction;
    bool ignores;
    int64_t ignored;
    uint32_t rank; /* of the log-probabilities [batch, classes, …] */
} loss;

static bool read_loss(adze_onnx_node *node, loss *l)
{
    term *x;
    uint32_t unused;
    *l = (loss){.reduction = "mean", .weight = adze_onnx_operand(node, 2), .ignored = -1};
    l->ignores = adze_onnx_attr(node, "ignore_index") != NULL;
    if (!adze_onnx_attr_int(node, "ignore_index", &l->ignored) ||
        !adze_onnx_attr_str(node, "reduction", &l->reduction) || !compose_operand(node, 0, 2, &x, &l->rank) ||
        !compose_operand(node, 1, 1, &l->target, &unused))
        return false;
    if (strcmp(l->reduction, "none") && strcmp(l->reduction, "sum") && strcmp(l->reduction, "mean"))
        return adze_onnx_invalid(node, "attribute 'reduction' is '%s'", l->reduction);
    return true;
}

/* -weight log-probability of the target, 0 where it is ignored. */
static term *loss_of(adze_onnx_node *node, const loss *l, term *logs)
{
    if (!logs) return NULL;
    term *target = l->target, *weight = NULL, *zero = compose_like(node, logs, 0), *ignored = NULL;
    if (l->ignores) {
        ignored = compose2(node, "equal", target, compose_like(node, target, (double)l->ignored));
        target = compose3(node, "where", ignored, compose_like(node, target, 0), target);
    }
    adze_attr axis = adze_attr_int("axis", 1);
    term *index = compose_unsqueeze(node, target, 1, 2);
    term *own = compose_all(node, "gather_elements", (term *[]){logs, index}, 2, 2, &axis, 1);
    term *each = compose1(node, "neg", compose_squeeze(node, own, 1));
    if (l->weight) weight = compose2(node, "gather", l->weight, target);
    if (l->weight) each = compose2(node, "mul", each, weight);
    if (ignored) {
        each = compose3(node, "where", ignored, zero, each);
        weight = compose3(node, "where", ignored, zero, l->weight ? weight : compose_like(node, logs, 1));
    }
    if (!strcmp(l->reduction, "none")) return each;
    if (!strcmp(l->reduction, "mean") && !weight) return compose_reduce(node, "reduce_mean", each, NULL, 0, false);
    term *sum = compose_reduce(node, "reduce_sum", each, NULL, 0, false);
    if (!strcmp(l->reduction, "sum")) return sum;
    return compose2(node, "div", sum, compose_reduce(node, "reduce_sum", weight, NULL, 0, false));
}

bool adze_onnx_upgrade_nll_loss(adze_onnx_node *node)
{
    loss l;
    return read_loss(node, &l) && compose_end(node, loss_of(node, &l, node->in[0]));
}

/* The same of the logarithm of softmax over the classes, which may be a result too. */
bool adze_onnx_upgrade_softmax_loss(adze_onnx_node *node)
{
    loss l;
    if (!read_loss(node, &l)) return false;
    term *logs = compose_with(node, "log_softmax", node->in[0], adze_attr_int("axis", 1));
    if (node->n_out > 1) node->out[1] = logs;
    return compose_end(node, loss_of(node, &l, logs));
}
