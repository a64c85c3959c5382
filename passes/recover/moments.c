/* Bias and moment correction: each layer's channels get the teacher's means, and standard deviations, behind the layers
 * that have been corrected already.
 *
 *     y <- (y - m') s / s' + m     m', s' of the student, m, s of the teacher
 *
 * Sources: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019 (means);
 * Frantar and Alistarh, "Optimal Brain Compression", 2022 (both, after pruning).
 *
 * Where batch normalization has not been folded, its mean and variance can be estimated again without a teacher.
 */
#include "passes/recover/recover.h"

#include <math.h>
#include <stdlib.h>

/* A channel that hardly changes has no deviation to go by; and none is changed more than so many times. */
static const double least_deviation = 1e-6, most_factor = 10;

static adze_stats *collect(const recover_pair *p, const recover_options *o, const adze_ir_value *const *values,
                           uint32_t n)
{
    adze_collect_options how = {.struct_size = sizeof how, .samples = pair_samples(p, o->samples)};
    return adze_stats_collect(p->run->registry, p->module, values, n, p->run->calibration, &how);
}

/* Of a layer's channels; NULL where the statistics are of another axis. */
static const adze_channel_stats *channels_of(const adze_stats *stats, const recover_layer *l,
                                             const adze_ir_value *value)
{
    const adze_value_stats *x = adze_stats_of(stats, value);
    uint32_t axis = adze_op_has_trait(l->m.op, ADZE_WINDOW) ? 1 : adze_type_rank(adze_value_type(value)) - 1;
    return x && x->axis == axis && x->channels.n == l->m.rows ? &x->channels : NULL;
}

/* The factor and the new bias of each row; false where nothing changes. */
static bool correct(const adze_channel_stats *was, const adze_channel_stats *is, bool scale, size_t rows,
                    double *factors, double *bias)
{
    bool changed = false;
    for (size_t i = 0; i < rows; i++) {
        double f = 1, s = sqrt(was->variance[i]), z = sqrt(is->variance[i]);
        if (scale && z > least_deviation * is->abs_max[i] && s > least_deviation * was->abs_max[i]) f = s / z;
        factors[i] = fmin(fmax(f, 1 / most_factor), most_factor);
        double to = (bias[i] - is->mean[i]) * factors[i] + was->mean[i];
        changed |= factors[i] != 1 || (float)to != (float)bias[i];
        bias[i] = to;
    }
    return changed;
}

static bool correct_layer(recover_pair *p, const recover_options *o, const recover_layer *l, const adze_stats *teacher,
                          bool scale)
{
    if (!l->bias) return true;
    const adze_ir_value *value = l->out;
    adze_stats *student = collect(p, o, &value, 1);
    const adze_channel_stats *was = channels_of(teacher, l, l->target);
    const adze_channel_stats *is = student ? channels_of(student, l, value) : NULL;
    double *bias = student ? layer_bias_read(l) : NULL;
    bool ok = bias;
    if (ok && was && is && adze_rewrite(p->run, l->m.op, "correct-moments")) {
        double *factors = adze_malloc(l->m.rows * sizeof *factors);
        scale = scale && layer_can_scale(p, l);
        if (correct(was, is, scale, l->m.rows, factors, bias))
            ok = (!scale || layer_scale(p, l, factors)) && layer_bias_write(p, l, bias);
        free(factors);
    }
    free(bias);
    adze_stats_destroy(student);
    return ok;
}

bool recover_moments(recover_pair *p, const recover_options *o, bool scale)
{
    uint32_t n, skipped, n_values = 0;
    recover_layer *layers = recover_layers(p, &n, &skipped);
    if (!layers) return false;
    if (!n) return true;
    const adze_ir_value **values = adze_malloc(n * sizeof *values);
    for (uint32_t i = 0; i < n; i++) {
        bool twice = false;
        for (uint32_t k = 0; k < n_values; k++) twice |= values[k] == layers[i].target;
        if (!twice) values[n_values++] = layers[i].target;
    }
    adze_stats *teacher = collect(p, o, values, n_values);
    bool ok = teacher;
    for (uint32_t i = 0; ok && i < n; i++) {
        adze_pass_progress(p->run, i, n, adze_value_name(layers[i].target));
        ok = correct_layer(p, o, &layers[i], teacher, scale);
    }
    adze_stats_destroy(teacher);
    free(values);
    return ok;
}
