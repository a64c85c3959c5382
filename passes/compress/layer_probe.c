/* Errors of layers in formats, measured on the layers alone.
 *
 * One run of the whole model gives the inputs of all layers. Then each layer stands in a module of its own, once in f32
 * and once in each format.
 */
#include "passes/compress/cut.h"
#include "passes/weights/copy.h"

#include <adze/arena.h>
#include <adze/temporary.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct probing {
    adze_registry *registry;
    const adze_module *module;
    const adze_probe_options *options;
    char *plan_path; /* NULL = not made */
    adze_value *inputs; /* [samples][layers], owned */
    uint64_t n_samples;
    uint32_t n_layers;
} probing;

/* ---- Inputs ---- */

static bool fail(const probing *p, const char *what)
{
    return adze_error(adze_loc_unknown(adze_module_context(p->module)), "%s", what);
}

static bool read_inputs(probing *p, const adze_layer *layers, const adze_calibration *calibration)
{
    adze_module *tapped = layer_inputs(p->module, layers, p->n_layers);
    adze_program *program = adze_program_open(p->registry, tapped);
    adze_value *arguments = adze_malloc((calibration->n_inputs + 1u) * sizeof *arguments);
    bool ok = program;
    for (uint64_t s = 0; ok && s < p->n_samples; s++) {
        const adze_value *results;
        ok = calibration->sample(calibration->self, s, arguments) && adze_program_run(program, arguments, &results);
        for (uint32_t i = 0; ok && i < p->n_layers; i++)
            ok = copy_value(&results[i], &p->inputs[s * p->n_layers + i]) || fail(p, "out of memory");
    }
    free(arguments);
    adze_program_close(program);
    adze_module_destroy(tapped);
    return ok;
}

/* ---- Errors ---- */

typedef struct difference {
    double noise, signal;
} difference;

static void add_difference(difference *d, const adze_value *was, const adze_value *is)
{
    const float *a = was->data, *b = is->data;
    uint64_t n = adze_value_count(was);
    for (uint64_t i = 0; i < n; i++) {
        double off = (double)a[i] - (double)b[i];
        d->noise += off * off;
        d->signal += (double)a[i] * (double)a[i];
    }
}

static bool same_dims(const adze_value *a, const adze_value *b)
{
    return a->rank == b->rank && !memcmp(a->dims, b->dims, a->rank * sizeof *a->dims);
}

static bool measure_error(const probing *p, uint32_t layer, adze_program *was, adze_program *is, double *out)
{
    difference d = {0};
    bool ok = true;
    for (uint64_t s = 0; ok && s < p->n_samples; s++) {
        const adze_value *x = &p->inputs[s * p->n_layers + layer], *before, *after;
        if (!same_dims(x, &p->inputs[layer])) continue; /* the modules are made for those of the first sample */
        ok = adze_program_run(was, x, &before) && adze_program_run(is, x, &after);
        if (ok) add_difference(&d, before, after);
    }
    *out = d.signal > 0 ? d.noise / d.signal : d.noise > 0 ? 1 : 0;
    return ok;
}

/* ---- One layer ---- */

/* *out_program is NULL where the layer cannot stand alone. */
static bool open_format(const probing *p, const adze_layer *layer, uint32_t index, adze_format format,
                        adze_program **out_program)
{
    adze_module *cut;
    *out_program = NULL;
    if (!layer_cut(p->registry, p->module, layer, format, p->options->settings, p->plan_path, &p->inputs[index], &cut))
        return false;
    if (cut) *out_program = adze_program_open(p->registry, cut);
    bool ok = !cut || *out_program;
    adze_module_destroy(cut);
    return ok;
}

static bool probe_layer(const probing *p, const adze_layer *layer, uint32_t index, const adze_format *formats,
                        uint32_t n_formats, adze_probe *out)
{
    bool gram = adze_layer_settings_need_gram(p->options->settings);
    adze_program *was;
    bool ok = open_format(p, layer, index, formats[0], &was);
    out[0].measured = ok && was;
    for (uint32_t f = 1; ok && was && f < n_formats; f++) {
        adze_program *is;
        if (!adze_layer_takes(layer, formats[f], gram)) continue;
        ok = open_format(p, layer, index, formats[f], &is) && measure_error(p, index, was, is, &out[f].error);
        out[f].measured = ok;
        adze_program_close(is);
    }
    adze_program_close(was);
    return ok;
}

/* ---- All ---- */

static bool begin(probing *p, const adze_layer *layers, const adze_calibration *calibration)
{
    const char *folder = getenv("TMPDIR");
    adze_text path = {0};
    adze_text_append(&path, "%s/adze-XXXXXX.plan", folder && *folder ? folder : "/tmp");
    int handle = adze_temporary_file(adze_module_context(p->module), path.data, (int)strlen(".plan"));
    if (handle < 0) {
        adze_error(adze_loc_unknown(adze_module_context(p->module)), "%s: cannot make a temporary file: %s", path.data,
                   strerror(errno));
        adze_text_free(&path);
        return false;
    }
    close(handle);
    p->plan_path = path.data;
    return read_inputs(p, layers, calibration);
}

static void end(probing *p)
{
    for (uint64_t i = 0; i < p->n_samples * p->n_layers; i++) copy_value_free(&p->inputs[i]);
    free(p->inputs);
    if (p->plan_path) {
        unlink(p->plan_path);
        adze_temporary_forget(adze_module_context(p->module), p->plan_path);
    }
    free(p->plan_path);
}

bool adze_layers_probe(adze_registry *registry, const adze_module *module, const adze_layer *layers, uint32_t n_layers,
                       const adze_format *formats, uint32_t n_formats, const adze_calibration *calibration,
                       const adze_probe_options *options, adze_probe *out)
{
    enum { SAMPLES = 2 };
    adze_probe_options known = {0}; /* what an older caller's struct lacks is zero */
    memcpy(&known, options, options->struct_size < sizeof known ? options->struct_size : sizeof known);
    adze_layer_settings settings = {0};
    memcpy(&settings, known.settings,
           known.settings->struct_size < sizeof settings ? known.settings->struct_size : sizeof settings);
    known.settings = &settings;
    options = &known;
    probing p = {.registry = registry, .module = module, .options = options, .n_layers = n_layers};
    p.n_samples = options->samples ? options->samples : SAMPLES;
    if (p.n_samples > calibration->count) p.n_samples = calibration->count;
    p.inputs = adze_malloc((p.n_samples * n_layers + 1) * sizeof *p.inputs);
    memset(p.inputs, 0, (p.n_samples * n_layers + 1) * sizeof *p.inputs);
    memset(out, 0, (size_t)n_layers * n_formats * sizeof *out);
    bool ok = begin(&p, layers, calibration);
    for (uint32_t i = 0; ok && i < n_layers; i++) {
        ok = !options->progress || options->progress(options->self, (double)i / n_layers, layers[i].name);
        ok = ok && probe_layer(&p, &layers[i], i, formats, n_formats, &out[(size_t)i * n_formats]);
    }
    end(&p);
    return ok;
}
