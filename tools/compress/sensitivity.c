/* What the whole model loses by one layer in one format.
 *
 * Measured on a few calibration samples, with the layer alone changed: once in its roughest format of more than four
 * bits, once in the roughest of four and fewer, of sparse ones and of factors. What the others of these groups lose is
 * scaled by the squared errors of the layer's own outputs: small losses grow with the square of the error (Dong et al.,
 * "HAWQ", 2019, use the same second order form with a Hessian in place of a measurement).
 */
#include "compress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 16 };

/* ---- Distance of outputs ---- */

/* Scores as probabilities: as they are where they add up to 1, else by softmax. */
static void probabilities(const adze_value *y, uint64_t first, uint64_t n, double *out)
{
    double sum = 0, most = -INFINITY, least = INFINITY;
    for (uint64_t i = 0; i < n; i++) {
        out[i] = adze_value_real(y, first + i);
        sum += out[i];
        most = fmax(most, out[i]);
        least = fmin(least, out[i]);
    }
    if (least >= 0 && fabs(sum - 1) < 1e-3) return;
    sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += out[i] = exp(out[i] - most);
    for (uint64_t i = 0; i < n; i++) out[i] /= sum;
}

/* Sum over positions of KL(was, is), in nats. */
static double divergence(const adze_value *was, const adze_value *is, uint64_t classes, uint64_t *out_positions)
{
    double *p = adze_malloc((2 * classes + 1) * sizeof *p), *q = p + classes, sum = 0;
    uint64_t n = adze_value_count(was) / classes;
    for (uint64_t k = 0; k < n; k++) {
        probabilities(was, k * classes, classes, p);
        probabilities(is, k * classes, classes, q);
        for (uint64_t i = 0; i < classes; i++)
            if (p[i] > 0) sum += p[i] * log(p[i] / fmax(q[i], 1e-30));
    }
    free(p);
    *out_positions += n;
    return fmax(sum, 0);
}

/* The axis of classes is the last one, unless one alone is longer than 1. */
static uint64_t classes_of(const adze_value *y)
{
    uint64_t wide = 0;
    for (uint32_t i = 0; i < y->rank; i++) wide += y->dims[i] > 1;
    return wide > 1 ? (uint64_t)y->dims[y->rank - 1] : adze_value_count(y);
}

typedef struct distance {
    double sum, weight;
} distance;

static void add_distance(const compress_job *job, distance *d, const adze_value *was, const adze_value *is)
{
    compress_loss_kind kind = job->metric.kind;
    for (uint32_t k = 0; k < job->original.n_outputs; k++)
        if (adze_value_count(&was[k]) != adze_value_count(&is[k])) { /* its dims are computed: another answer */
            d->sum = d->weight = 1;
            return;
        }
    bool answers = kind != COMPRESS_REST && kind != COMPRESS_NOISE && job->samples.label_kind != ADZE_LABEL_BOXES;
    if (answers && classes_of(&was[0]) > 1) {
        uint64_t positions = 0;
        d->sum += divergence(&was[0], &is[0], classes_of(&was[0]), &positions);
        d->weight += (double)positions;
        return;
    }
    for (uint32_t k = 0; k < job->original.n_outputs; k++)
        for (uint64_t i = 0, n = adze_value_count(&was[k]); i < n; i++) {
            double x = adze_value_real(&was[k], i), off = adze_value_real(&is[k], i) - x;
            d->sum += off * off;
            d->weight += x * x;
        }
}

bool compress_distance(compress_job *job, adze_program *was, adze_program *is, double *out)
{
    const adze_calibration *data = &job->samples.calibration.view;
    adze_value *inputs = calloc(data->n_inputs + 1u, sizeof *inputs);
    distance d = {0};
    bool ok = inputs;
    for (uint64_t s = 0; ok && s < data->count && s < SAMPLES; s++) {
        const adze_value *before, *after;
        ok = data->sample(data->self, s, inputs) && adze_program_run(was, inputs, &before) &&
             adze_program_run(is, inputs, &after);
        if (ok) add_distance(job, &d, before, after);
    }
    free(inputs);
    *out = d.weight > 0 ? d.sum / d.weight : 0;
    return ok;
}

/* ---- One layer at a time ---- */

/* NULL after an error, and where passes refuse it, which *out_why then says. */
static adze_program *open_changed(compress_job *job, uint32_t layer, uint32_t format, const char **out_why)
{
    adze_layer_plan *plan = adze_layer_plan_create(job->work->context);
    adze_layer_plan_put(plan, job->layers[layer].name, compress_format(job, 0, layer, format), NULL);
    adze_module *module = compress_apply(job, plan, false, NULL, out_why);
    adze_program *program = module ? adze_program_open(job->work->registry, module) : NULL;
    adze_module_destroy(module);
    adze_layer_plan_destroy(plan);
    return program;
}

/* Formats whose losses are scaled from one that was measured. */
typedef enum kin { MANY_BITS, FEW_BITS, SPARSE, FACTORS, KINDS } kin;

static kin kin_of(adze_format format)
{
    enum { FEW = 4 };
    if (format.structure == ADZE_DENSE) return format.bits > FEW ? MANY_BITS : FEW_BITS;
    return format.structure <= ADZE_SPARSE_N_M ? SPARSE : FACTORS;
}

static bool in_group(const compress_job *job, uint32_t format, kin group)
{
    return format && kin_of(job->formats[format]) == group;
}

/* The format of the group with the largest error of those that may be chosen; 0, f32, where there is none. */
static uint32_t roughest(const compress_job *job, uint32_t layer, kin group)
{
    uint32_t found = 0;
    double most = 0;
    for (uint32_t f = 1; f < job->n_formats; f++) {
        const adze_probe *p = &job->probes[(size_t)layer * job->n_formats + f];
        bool barred = job->reasons[(size_t)layer * job->n_formats + f];
        if (!in_group(job, f, group) || !p->measured || barred || p->error <= most) continue;
        most = p->error;
        found = f;
    }
    return found;
}

void compress_bar(compress_job *job, uint32_t layer, uint32_t format, const char *why)
{
    job->reasons[(size_t)layer * job->n_formats + format] = why;
    job->losses[(size_t)layer * job->n_formats + format] = INFINITY;
}

static void bar_group(compress_job *job, uint32_t layer, kin group, const char *why)
{
    for (uint32_t f = 1; f < job->n_formats; f++)
        if (in_group(job, f, group)) compress_bar(job, layer, f, why);
}

static bool measure_group(compress_job *job, adze_program *original, uint32_t layer, kin group)
{
    uint32_t base = roughest(job, layer, group);
    double loss = 0;
    if (!base) return true;
    const char *why;
    adze_program *changed = open_changed(job, layer, base, &why);
    if (why) return bar_group(job, layer, group, why), true;
    bool ok = changed && compress_distance(job, original, changed, &loss);
    adze_program_close(changed);
    const adze_probe *probes = &job->probes[(size_t)layer * job->n_formats];
    for (uint32_t f = 1; f < job->n_formats; f++) {
        double *is = &job->losses[(size_t)layer * job->n_formats + f];
        if (probes[f].measured && in_group(job, f, group) && isfinite(*is))
            *is = loss * probes[f].error / probes[base].error;
    }
    if (ok && !isfinite(loss)) bar_group(job, layer, group, "the model's outputs overflow");
    return ok;
}

/* What an earlier run found; why, it did not keep. */
static const char barred[] = "passes refuse it, or the model's outputs overflow";

bool compress_sensitivities(compress_job *job)
{
    adze_program *original = adze_program_open(job->work->registry, job->module);
    adze_progress *bar = adze_progress_begin(job->work, "sensitivity");
    bool ok = original;
    for (uint32_t i = 0; ok && i < job->n_layers; i++) {
        adze_progress_update(bar, (double)i / job->n_layers, job->layers[i].name);
        double *loss = &job->losses[(size_t)i * job->n_formats]; /* of f32: NAN until the others are known */
        if (!isnan(*loss)) {
            for (uint32_t f = 1; f < job->n_formats; f++)
                if (!isfinite(loss[f])) job->reasons[(size_t)i * job->n_formats + f] = barred;
            continue;
        }
        *loss = 0;
        for (kin group = 0; ok && group < KINDS; group++)
            ok = !compress_stopped() && measure_group(job, original, i, group);
        ok = ok && compress_state_keep_layer(job, i);
    }
    adze_progress_end(bar);
    adze_program_close(original);
    return ok;
}
