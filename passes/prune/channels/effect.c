/* What a change does to the outputs of a model on calibration data. */
#include "passes/prune/channels/prune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct prune_reference {
    adze_registry *registry;
    const adze_calibration *calibration;
    uint64_t samples;
    uint32_t n_outputs;
    double **outputs; /* [sample * n_outputs + output] */
    uint64_t *counts;
    double signal;
};

static bool is_real(const adze_value *v)
{
    return adze_dtype_get_kind(v->dtype) == ADZE_KIND_FLOAT;
}

/* Runs sample `index`; NULL after an error. */
static const adze_value *run_sample(prune_reference *r, adze_program *program, uint64_t index)
{
    adze_value *inputs = adze_malloc((r->calibration->n_inputs + 1) * sizeof *inputs);
    const adze_value *results = NULL;
    bool ok = r->calibration->sample(r->calibration->self, index, inputs) &&
              adze_program_run(program, inputs, &results);
    free(inputs);
    return ok ? results : NULL;
}

static bool keep_outputs(prune_reference *r, const adze_value *results, uint64_t index)
{
    for (uint32_t k = 0; k < r->n_outputs; k++) {
        size_t at = index * r->n_outputs + k;
        if (!is_real(&results[k])) continue;
        r->counts[at] = adze_value_count(&results[k]);
        r->outputs[at] = adze_malloc((r->counts[at] + 1) * sizeof(double));
        for (uint64_t e = 0; e < r->counts[at]; e++) {
            r->outputs[at][e] = adze_value_real(&results[k], e);
            r->signal += r->outputs[at][e] * r->outputs[at][e];
        }
    }
    return true;
}

prune_reference *prune_reference_create(adze_registry *registry, const adze_calibration *calibration,
                                        const adze_module *module, uint64_t samples)
{
    prune_reference *r = adze_malloc(sizeof *r);
    *r = (prune_reference){.registry = registry, .calibration = calibration};
    r->samples = samples && samples < calibration->count ? samples : calibration->count;
    r->n_outputs = adze_func_num_results(adze_module_main(module));
    size_t count = r->samples * r->n_outputs + 1;
    r->outputs = adze_malloc(count * sizeof *r->outputs);
    r->counts = adze_malloc(count * sizeof *r->counts);
    memset(r->outputs, 0, count * sizeof *r->outputs);
    memset(r->counts, 0, count * sizeof *r->counts);
    adze_program *program = adze_program_open(registry, module);
    bool ok = program;
    for (uint64_t i = 0; i < r->samples && ok; i++) {
        const adze_value *results = run_sample(r, program, i);
        ok = results && keep_outputs(r, results, i);
    }
    adze_program_close(program);
    if (ok && !(r->signal > 0 && isfinite(r->signal)))
        ok = adze_error(adze_loc_unknown(adze_module_context(module)), "the outputs on the calibration data are all 0, "
                                                                       "no floats or not finite: nothing can be "
                                                                       "measured by them");
    if (ok) return r;
    prune_reference_destroy(r);
    return NULL;
}

void prune_reference_destroy(prune_reference *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->samples * r->n_outputs; i++) free(r->outputs[i]);
    free(r->outputs);
    free(r->counts);
    free(r);
}

/* ---- Measures ---- */

static double cosine(const double *a, const adze_value *v, uint64_t from, uint64_t n)
{
    double aa = 0, bb = 0, ab = 0;
    for (uint64_t i = 0; i < n; i++) {
        double b = adze_value_real(v, from + i);
        aa += a[i] * a[i], bb += b * b, ab += a[i] * b;
    }
    if (aa == 0 && bb == 0) return 1;
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* Are these numbers that add up to 1? */
static bool is_distribution(const double *a, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (a[i] < 0) return false;
        sum += a[i];
    }
    return fabs(sum - 1) < 1e-3;
}

/* sum p (log p - log q) of two rows of logits or probabilities. */
static double divergence(const double *a, const adze_value *v, uint64_t from, uint64_t n)
{
    bool known = is_distribution(a, n);
    double top_a = -INFINITY, top_b = -INFINITY, sum_a = 0, sum_b = 0, kl = 0;
    for (uint64_t i = 0; i < n && !known; i++) {
        top_a = fmax(top_a, a[i]);
        top_b = fmax(top_b, adze_value_real(v, from + i));
    }
    for (uint64_t i = 0; i < n && !known; i++) {
        sum_a += exp(a[i] - top_a);
        sum_b += exp(adze_value_real(v, from + i) - top_b);
    }
    for (uint64_t i = 0; i < n; i++) {
        double b = adze_value_real(v, from + i);
        double p = known ? log(fmax(a[i], 1e-12)) : a[i] - top_a - log(sum_a);
        double q = known ? log(fmax(b, 1e-12)) : b - top_b - log(sum_b);
        kl += exp(p) * (p - q);
    }
    return kl;
}

/* Adds what one output says: a sum, and what it is to be divided by. */
static void add_output(const prune_reference *r, size_t at, const adze_value *v, prune_metric metric, double *sum,
                       double *over)
{
    uint64_t n = r->counts[at], row = v->rank ? (uint64_t)v->dims[v->rank - 1] : 1;
    const double *a = r->outputs[at];
    if (metric == PRUNE_NOISE) {
        for (uint64_t e = 0; e < n; e++) *sum += pow(adze_value_real(v, e) - a[e], 2);
        return;
    }
    for (uint64_t e = 0; row && e + row <= n; e += row, (*over)++)
        *sum += metric == PRUNE_COSINE ? 1 - cosine(a + e, v, e, row) : divergence(a + e, v, e, row);
}

bool prune_effect(prune_reference *r, const adze_module *module, prune_metric metric, double *out)
{
    adze_program *program = adze_program_open(r->registry, module);
    bool ok = program;
    double sum = 0, over = metric == PRUNE_NOISE ? r->signal : 0;
    for (uint64_t i = 0; i < r->samples && ok; i++) {
        const adze_value *results = run_sample(r, program, i);
        ok = results;
        for (uint32_t k = 0; k < r->n_outputs && ok; k++)
            if (r->counts[i * r->n_outputs + k])
                add_output(r, i * r->n_outputs + k, &results[k], metric, &sum, &over);
    }
    adze_program_close(program);
    *out = isfinite(sum) && over > 0 ? sum / over : INFINITY;
    return ok;
}

bool prune_effect_of(pruner *p, prune_reference *r, adze_channel_cut cut, double *out)
{
    prune_fitted *fitted = adze_malloc((p->n_layers + 1) * sizeof *fitted);
    adze_module *module = adze_module_clone(p->module);
    bool ok = prune_fit_alone(p, cut, fitted) && prune_write_fitted(p, module, fitted);
    ok = ok && prune_effect(r, module, PRUNE_NOISE, out);
    prune_free_fitted(p, fitted);
    adze_module_destroy(module);
    free(fitted);
    return ok;
}
