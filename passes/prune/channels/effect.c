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

bool prune_effect(prune_reference *r, const adze_module *module, double *out)
{
    adze_program *program = adze_program_open(r->registry, module);
    bool ok = program;
    double noise = 0;
    for (uint64_t i = 0; i < r->samples && ok; i++) {
        const adze_value *results = run_sample(r, program, i);
        ok = results;
        for (uint32_t k = 0; k < r->n_outputs && ok; k++) {
            size_t at = i * r->n_outputs + k;
            for (uint64_t e = 0; e < r->counts[at]; e++) {
                double d = adze_value_real(&results[k], e) - r->outputs[at][e];
                noise += d * d;
            }
        }
    }
    adze_program_close(program);
    *out = isfinite(noise) ? noise / r->signal : INFINITY;
    return ok;
}

bool prune_effect_of(pruner *p, prune_reference *r, adze_channel_cut cut, double *out)
{
    prune_fitted *fitted = adze_malloc((p->n_layers + 1) * sizeof *fitted);
    adze_module *module = adze_module_clone(p->module);
    bool ok = prune_fit_alone(p, cut, fitted) && prune_write_fitted(p, module, fitted) && prune_effect(r, module, out);
    prune_free_fitted(p, fitted);
    adze_module_destroy(module);
    free(fitted);
    return ok;
}
