/* Ridge: the last layer is fitted to the logits of one or more teachers, with the damping that does best on samples
 * held back.
 *
 * Of several teachers, each sample's aim is sum_k w_k z_k, z_k their results of that layer. The weights are given, or
 * each teacher's inverse entropy on the sample: who is sure has more of a say.
 */
#include "passes/recover/layer_fit.h"

#include "passes/recover/teachers.h"
#include "passes/weights/build.h"

#include <string.h>

/* Ops that hand values on: what stands before the output may be behind them. */
static bool is_between(const adze_op *op)
{
    return adze_op_has_trait(op, ADZE_NORMALIZE) || adze_op_has_trait(op, ADZE_ELEMWISE) ||
           adze_op_has_trait(op, ADZE_MOVE) || adze_op_has_trait(op, ADZE_REDUCE);
}

/* The last layer that output 0 hangs on. */
static recover_layer *find_last(recover_pair *p, recover_layer *layers, uint32_t n)
{
    for (uint32_t i = n; i-- > 0;) {
        const adze_op *end = adze_value_op(p->own_outputs[0]), *at = end;
        for (int steps = 0; at && steps < 16; steps++) {
            for (uint32_t k = 0; k < adze_op_num_results(at); k++)
                if (adze_op_result(at, k) == layers[i].out) return &layers[i];
            if (!is_between(at) || !adze_op_operand(at, 0)) break;
            at = adze_value_op(adze_op_operand(at, 0));
        }
    }
    return NULL;
}

typedef struct aim {
    const recover_pair *p;
    const recover_options *o;
    const recover_layer *layer;
    double weights[RECOVER_MAX_TEACHERS];
    bool given;
} aim;

/* What teacher t gives where the layer stands. */
static adze_ir_value *target_of(const aim *a, uint32_t t)
{
    adze_ir_value *found = pair_match(a->p, t, a->layer->out);
    if (found) return found;
    adze_ir_value *logits = teacher_logits(a->p->outputs[t][0]);
    bool is_logits = teacher_logits(a->p->own_outputs[0]) == a->layer->out;
    if (is_logits && adze_type_compatible(adze_value_type(logits), adze_value_type(a->layer->out))) return logits;
    adze_error(adze_op_loc(a->layer->m.op), "recover: teacher %u has no value that the last layer's result stands for",
               t + 1);
    return NULL;
}

static adze_ir_value *lack_of_teachers(void *self, adze_builder *b)
{
    const aim *a = self;
    adze_ir_value *targets[RECOVER_MAX_TEACHERS];
    for (uint32_t t = 0; t < a->p->n_teachers; t++)
        if (!(targets[t] = target_of(a, t))) return NULL;
    adze_ir_value *mix = teacher_mix(b, a->p, targets, a->given ? a->weights : NULL);
    return build_binary(b, "sub", mix, a->layer->out);
}

bool recover_ridge(recover_pair *p, const recover_options *o)
{
    uint32_t n, skipped;
    aim a = {.p = p, .o = o, .given = o->w};
    if (!teacher_weights(p, o->w, a.weights)) return false;
    recover_layer *layers = recover_layers(p, &n, &skipped);
    if (!layers || !n) return layers;
    recover_layer *last = find_last(p, layers, n);
    if (!last)
        return adze_error(adze_func_loc(adze_module_main(p->student)),
                          "recover: method=ridge finds no layer with weights before output 0");
    a.layer = last;
    fit_how how = {.damping = 1e-6, .factor = 10, .tries = 9};
    return layer_fit(p, o, last, &how, lack_of_teachers, &a);
}
