/* Losses against teachers.
 *
 * Sources: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015 (logits); Li et al., "BRECQ", 2021
 * (blocks); Jiao et al., "TinyBERT", 2020 (attention maps).
 */
#include "passes/recover/loss.h"

#include "passes/recover/teachers.h"
#include "passes/weights/build.h"

#include <math.h>

static const double least_probability = 1e-8;

static adze_ir_value *softmax(adze_builder *b, const char *op, adze_ir_value *x, uint32_t axis, double temperature)
{
    adze_attr attr = adze_attr_int("axis", axis);
    x = temperature == 1 ? x : build_with(b, "mul", x, 1 / temperature);
    return x ? adze_build1(b, op, &x, 1, &attr, 1) : NULL;
}

/* What the teachers that have such a value say, weighted; NULL, without a message, where the first has none. */
static adze_ir_value *find_target(recover_pair *p, const recover_options *o, const adze_ir_value *value, bool output,
                                  uint32_t index, double temperature, adze_builder *b)
{
    adze_ir_value *found[RECOVER_MAX_TEACHERS];
    double weights[RECOVER_MAX_TEACHERS];
    uint32_t n = 0;
    for (; n < p->n_teachers; n++) {
        found[n] = output ? p->outputs[n][index] : pair_match(p, n, value);
        if (temperature > 0 && found[n]) found[n] = teacher_logits(found[n]);
        if (!found[n] || !adze_type_compatible(adze_value_type(found[n]), adze_value_type(value))) break;
    }
    if (!n) return NULL;
    for (uint32_t i = 0; temperature > 0 && i < n; i++)
        found[i] = softmax(b, "softmax", found[i], teacher_class_axis(value), temperature);
    if (n < p->n_teachers) return found[0];
    (void)teacher_weights(p, o->w, weights);
    return teacher_mix(b, p, found, o->w ? weights : NULL);
}

static void add_term(recover_pair *p, loss_term **terms, uint32_t *n, uint32_t *capacity, loss_term term)
{
    term.type = adze_value_type(term.target);
    *terms = adze_arena_grow(&p->arena, *terms, *n, capacity, sizeof **terms);
    (*terms)[(*n)++] = term;
}

/* Do the values of the output stand for classes? */
static bool has_classes(adze_ir_value *output)
{
    const adze_ir_value *logits = teacher_logits(output);
    return logits != output || adze_type_rank(adze_value_type(output)) == 2;
}

loss_term *loss_terms(recover_pair *p, const recover_options *o, const recover_block *block, adze_builder *b,
                      uint32_t *out_n)
{
    loss_term *terms = NULL;
    uint32_t capacity = 0;
    *out_n = 0;
    for (uint32_t i = 0; i < block->n_ends; i++) {
        adze_ir_value *value = block->ends[i], *logits = teacher_logits(value);
        if (adze_type_dtype(adze_value_type(value)) != ADZE_DTYPE_f32) continue;
        loss_term t = {.kind = LOSS_FEATURES, .weight = o->features, .value = value};
        t.target = find_target(p, o, value, block->last, i, 0, b);
        if (t.target && t.weight > 0) add_term(p, &terms, out_n, &capacity, t);
        if (!block->last || i || !has_classes(value) || !(o->logits > 0)) continue;
        t = (loss_term){LOSS_LOGITS, o->logits, logits, NULL, teacher_class_axis(logits), NULL};
        t.target = find_target(p, o, logits, true, i, o->temperature, b);
        if (t.target) add_term(p, &terms, out_n, &capacity, t);
    }
    for (uint32_t i = 0; o->attention > 0 && i < block->n_ops; i++) {
        if (!adze_op_is(block->ops[i], "softmax")) continue;
        loss_term t = {LOSS_MAPS, o->attention, adze_op_result(block->ops[i], 0), NULL, 0, NULL};
        uint32_t rank = adze_type_rank(adze_value_type(t.value));
        int64_t axis = adze_op_attr_int(block->ops[i], "axis");
        t.axis = (uint32_t)(axis < 0 ? axis + rank : axis);
        if (rank < 3 || t.axis != rank - 1 || !(t.target = pair_match(p, 0, t.value))) continue;
        add_term(p, &terms, out_n, &capacity, t);
    }
    return terms ? terms : ADZE_NEW(&p->arena, loss_term);
}

static adze_ir_value *sum_all(adze_builder *b, adze_ir_value *x)
{
    return build_reduce(b, "reduce_sum", x, NULL, 0, false);
}

/* sum p (log p - log q), divided by the number of rows. */
static adze_ir_value *divergence(adze_builder *b, adze_ir_value *p, adze_ir_value *log_q)
{
    adze_ir_value *log_p = build_with(b, "max", p, least_probability);
    log_p = log_p ? build_unary(b, "log", log_p) : NULL;
    adze_ir_value *sum = sum_all(b, build_binary(b, "mul", p, build_binary(b, "sub", log_p, log_q)));
    return build_binary(b, "div", sum, build_with(b, "max", sum_all(b, p), least_probability));
}

adze_ir_value *loss_build(adze_builder *b, const recover_options *o, const loss_term *term, adze_ir_value *value,
                          adze_ir_value *target)
{
    adze_ir_value *loss, *log_q;
    if (term->kind == LOSS_FEATURES) {
        adze_ir_value *d = build_binary(b, "sub", value, target);
        adze_ir_value *size = build_with(b, "add", sum_all(b, build_binary(b, "mul", target, target)), 1e-12);
        loss = build_binary(b, "div", sum_all(b, build_binary(b, "mul", d, d)), size);
    } else if (term->kind == LOSS_LOGITS) {
        log_q = softmax(b, "log_softmax", value, term->axis, o->temperature);
        loss = build_with(b, "mul", divergence(b, target, log_q), o->temperature * o->temperature);
    } else {
        log_q = build_with(b, "max", value, least_probability);
        loss = divergence(b, target, log_q ? build_unary(b, "log", log_q) : NULL);
    }
    return build_with(b, "mul", loss, term->weight);
}
