/* Several teachers: their logits and what each has to say. */
#include "passes/recover/teachers.h"

#include "passes/weights/build.h"

#include <string.h>

static const double least_entropy = 0.01; /* of a teacher that is sure beyond doubt */

bool teacher_weights(const recover_pair *p, const char *text, double *out)
{
    double sum = 0;
    uint32_t n = 0;
    bool ok = true;
    for (uint32_t i = 0; i < p->n_teachers; i++) out[i] = 1.0 / p->n_teachers;
    if (!text) return true;
    for (const char *at = text; ok && n < p->n_teachers; n++) {
        char *end;
        out[n] = adze_text_to_double(at, &end);
        ok = end != at && out[n] >= 0 && out[n] < 1e9 && (*end == ':' || !*end);
        sum += ok ? out[n] : 0;
        at = *end == ':' ? end + 1 : end;
        if (!*at) {
            n++;
            ok = ok && n == p->n_teachers && *end != ':';
            break;
        }
        if (n + 1 == p->n_teachers) ok = false;
    }
    if (!ok || !(sum > 0))
        return adze_error(adze_loc_unknown(p->run->context),
                          "recover: w=%s: expected %u weights, one a teacher, as 1:2", text, p->n_teachers);
    for (uint32_t i = 0; i < p->n_teachers; i++) out[i] /= sum;
    return true;
}

adze_ir_value *teacher_logits(adze_ir_value *output)
{
    for (adze_ir_value *at = output; adze_value_op(at);) {
        const adze_op *op = adze_value_op(at);
        if (adze_op_is(op, "softmax") || adze_op_is(op, "log_softmax")) return adze_op_operand(op, 0);
        if (!adze_op_has_trait(op, ADZE_VIEW)) break;
        at = adze_op_operand(op, 0);
    }
    return output;
}

/* Channels of images; else the last axis. */
uint32_t teacher_class_axis(const adze_ir_value *logits)
{
    uint32_t rank = adze_type_rank(adze_value_type(logits));
    return rank >= 4 ? 1 : rank ? rank - 1 : 0;
}

/* One over the entropy of each row of logits, in dims that broadcast to `like`. NULL after an error. */
static adze_ir_value *build_sureness(adze_builder *b, adze_ir_value *logits, const adze_ir_value *like)
{
    const adze_type *type = adze_value_type(logits);
    uint32_t rank = adze_type_rank(type), axis = teacher_class_axis(logits);
    adze_attr attr = adze_attr_int("axis", axis);
    adze_ir_value *log = adze_build1(b, "log_softmax", &logits, 1, &attr, 1);
    adze_ir_value *sum = build_binary(b, "mul", build_unary(b, "exp", log), log);
    int64_t axes[ADZE_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = 0; i < rank; i++)
        if (i >= axis) axes[n++] = i;
    sum = build_reduce(b, "reduce_sum", sum, axes, n, true);
    sum = build_with(b, "max", sum ? build_unary(b, "neg", sum) : NULL, least_entropy);
    sum = sum ? build_unary(b, "reciprocal", sum) : NULL;
    uint32_t wanted = adze_type_rank(adze_value_type(like));
    if (!sum || wanted == rank) return sum;
    /* One number a sample; more axes of 1 behind it. */
    const adze_dim *dims[ADZE_MAX_RANK];
    const adze_dim *one = adze_dim_const(adze_module_context(b->module), 1);
    for (uint32_t i = 0; i < wanted; i++) dims[i] = i ? one : adze_type_dim(type, 0);
    return build_reshape(b, sum, wanted, dims);
}

adze_ir_value *teacher_mix(adze_builder *b, const recover_pair *p, adze_ir_value *const *values, const double *weights)
{
    if (p->n_teachers == 1) return values[0];
    adze_ir_value *sum = NULL, *all = NULL;
    for (uint32_t t = 0; t < p->n_teachers; t++) {
        adze_ir_value *part, *sure = NULL;
        if (weights) {
            part = build_with(b, "mul", values[t], weights[t]);
        } else {
            sure = build_sureness(b, teacher_logits(p->outputs[t][0]), values[t]);
            part = build_binary(b, "mul", values[t], sure);
        }
        sum = t ? build_binary(b, "add", sum, part) : part;
        if (!weights) all = t ? build_binary(b, "add", all, sure) : sure;
    }
    return weights ? sum : build_binary(b, "div", sum, all);
}
