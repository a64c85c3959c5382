/* What formats of layers cost, measured on the layers alone.
 *
 * One run of the whole model gives the inputs of all layers. Then each layer stands in a module of its own, once in f32
 * and once in each format: outputs tell the error, runs in turns the times.
 */
#include "passes/compress/cut.h"
#include "passes/compress/times.h"

#include <adze/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct probing {
    adze_registry *registry;
    const adze_module *module;
    const adze_probe_options *options;
    adze_stats *stats; /* attached to the module; NULL = none */
    times_cache *cache;
    char plan_path[64];
    adze_value *inputs; /* [samples][layers], owned */
    uint64_t n_samples;
    uint32_t n_layers;
} probing;

/* ---- Inputs ---- */

static bool copy_value(const adze_value *from, adze_value *to)
{
    uint64_t bytes = adze_dtype_bytes((adze_dtype)from->dtype, adze_value_count(from));
    int64_t *dims = adze_malloc((from->rank + 1u) * sizeof *dims);
    memcpy(dims, from->dims, from->rank * sizeof *dims);
    *to = *from;
    to->dims = dims;
    to->data = aligned_alloc(64, (bytes + 127) & ~UINT64_C(63));
    if (to->data) memcpy(to->data, from->data, bytes);
    return to->data;
}

static void free_value(adze_value *value)
{
    free((void *)value->dims);
    free(value->data);
}

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

static bool measure_error(const probing *p, uint32_t layer, adze_program *was, adze_program *is, double *out)
{
    difference d = {0};
    bool ok = true;
    for (uint64_t s = 0; ok && s < p->n_samples; s++) {
        const adze_value *x = &p->inputs[s * p->n_layers + layer], *before, *after;
        ok = adze_program_run(was, x, &before) && adze_program_run(is, x, &after);
        if (ok) add_difference(&d, before, after);
    }
    *out = d.signal > 0 ? d.noise / d.signal : d.noise > 0 ? 1 : 0;
    return ok;
}

/* ---- One layer ---- */

/* Of one format: what its error and its time are measured with; the same program but for STATIC. */
typedef struct variant {
    adze_program *plain;
    timed_program timed;
} variant;

static void close_variant(variant *v)
{
    if (v->timed.program != v->plain) adze_program_close(v->timed.program);
    adze_program_close(v->plain);
    free_value(&v->timed.input);
}

/* Seeded codes in the form of x. */
static bool make_codes(const adze_value *x, adze_value *out)
{
    adze_value codes = *x;
    codes.dtype = ADZE_DTYPE_u8;
    uint64_t n = adze_value_count(x);
    uint32_t state = 1;
    uint8_t *bytes = adze_malloc(n + 1);
    for (uint64_t i = 0; i < n; i++) bytes[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    codes.data = bytes;
    bool ok = copy_value(&codes, out);
    free(bytes);
    return ok;
}

static bool prepare_timed(const probing *p, const adze_layer *layer, adze_format format, uint32_t index,
                          adze_module *cut, variant *v)
{
    const adze_value *x = &p->inputs[index];
    bool codes = format.kind == ADZE_FORMAT_STATIC && p->stats;
    if (codes && !layer_cut_codes(cut, adze_stats_of(p->stats, adze_op_result(layer->op, 0)))) return false;
    v->timed.hash = times_hash(cut, x);
    if (times_cache_find(p->cache, v->timed.hash, &v->timed.seconds)) return true;
    if (!codes) {
        v->timed.program = v->plain;
        return copy_value(x, &v->timed.input) || fail(p, "out of memory");
    }
    v->timed.program = adze_program_open(p->registry, cut);
    const adze_region *body = adze_func_body(adze_module_main(cut));
    bool narrow = adze_type_dtype(adze_value_type(adze_region_arg(body, 0))) == ADZE_DTYPE_u8;
    return v->timed.program &&
           ((narrow ? make_codes(x, &v->timed.input) : copy_value(x, &v->timed.input)) || fail(p, "out of memory"));
}

static bool open_variant(const probing *p, const adze_layer *layer, adze_format format, uint32_t index,
                         const adze_module *cut, variant *v)
{
    adze_module *copy = adze_module_clone(cut);
    bool ok = layer_cut_format(p->registry, layer, format, p->options->settings, p->plan_path, copy);
    ok = ok && (v->plain = adze_program_open(p->registry, copy));
    ok = ok && (!p->options->time || prepare_timed(p, layer, format, index, copy, v));
    adze_module_destroy(copy);
    return ok;
}

static bool probe_layer(const probing *p, const adze_layer *layer, uint32_t index, const adze_format *formats,
                        uint32_t n_formats, adze_probe *out)
{
    const char *weights = p->options->settings->weights;
    bool gram = weights && strcmp(weights, "rtn") != 0, ok = true;
    adze_module *cut;
    if (!layer_cut(p->registry, p->stats, p->module, layer, &cut)) return false;
    if (!cut) return true; /* not one of its own: nothing is measured */
    variant *variants = adze_malloc(n_formats * sizeof *variants);
    timed_program **timed = adze_malloc(n_formats * sizeof *timed);
    memset(variants, 0, n_formats * sizeof *variants);
    uint32_t n_timed = 0;
    for (uint32_t f = 0; ok && f < n_formats; f++) {
        if (!adze_layer_takes(layer, formats[f], gram)) continue;
        ok = open_variant(p, layer, formats[f], index, cut, &variants[f]) &&
             measure_error(p, index, variants[0].plain, variants[f].plain, &out[f].error);
        out[f].measured = ok;
        if (ok && variants[f].timed.program) timed[n_timed++] = &variants[f].timed;
    }
    ok = ok && times_measure(timed, n_timed);
    for (uint32_t f = 0; f < n_formats; f++) {
        out[f].seconds = variants[f].timed.seconds;
        if (ok && variants[f].timed.program)
            times_cache_add(p->cache, variants[f].timed.hash, variants[f].timed.seconds);
        close_variant(&variants[f]);
    }
    free(timed);
    free(variants);
    adze_module_destroy(cut);
    return ok;
}

/* ---- All ---- */

static bool begin(probing *p, const adze_layer *layers, const adze_calibration *calibration)
{
    adze_context *context = adze_module_context(p->module);
    const char *path = p->options->settings->stats;
    const char *folder = getenv("TMPDIR");
    int size = snprintf(p->plan_path, sizeof p->plan_path, "%s/adze-XXXXXX.plan", folder && *folder ? folder : "/tmp");
    int handle = size > 0 && (size_t)size < sizeof p->plan_path ? mkstemps(p->plan_path, 5) : -1;
    if (handle < 0) {
        *p->plan_path = '\0';
        return fail(p, "cannot make a temporary file");
    }
    close(handle);
    p->stats = path ? adze_stats_load(context, path) : NULL;
    if (path && (!p->stats || !adze_stats_attach(p->stats, p->module))) return false;
    if (p->options->cache && !(p->cache = times_cache_open(context, p->options->cache))) return false;
    return read_inputs(p, layers, calibration);
}

static void end(probing *p)
{
    for (uint64_t i = 0; i < p->n_samples * p->n_layers; i++) free_value(&p->inputs[i]);
    free(p->inputs);
    times_cache_close(p->cache);
    adze_stats_destroy(p->stats);
    if (*p->plan_path) unlink(p->plan_path);
}

bool adze_layers_probe(adze_registry *registry, const adze_module *module, const adze_layer *layers, uint32_t n_layers,
                       const adze_format *formats, uint32_t n_formats, const adze_calibration *calibration,
                       const adze_probe_options *options, adze_probe *out)
{
    enum { SAMPLES = 2 };
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
