/* How long each layer takes in each format.
 *
 * For each format the whole model is compiled with all layers in it that take it, and the profile of its steps tells
 * the time of each layer: so a layer of codes stands between layers of codes, in the layout that it has in a whole
 * model, with what is fused to it. The models run in turns, so that what disturbs the machine disturbs them alike.
 */
#include "times.h"

#include <adze/table.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool fail(const compress_job *job, const char *what)
{
    return adze_error(adze_loc_unknown(job->work->context), "%s: %s", job->input, what);
}

static double *seconds_of(const compress_job *job, uint32_t layer, uint32_t format)
{
    return &job->seconds[(size_t)layer * job->n_formats + format];
}

/* ---- What was measured before ---- */

/* Of the model, the inputs' dims, the machine's threads, the layer and the format. */
static uint64_t hash_of(const compress_job *job, uint64_t model, uint32_t layer, uint32_t format)
{
    adze_text text = {0};
    adze_format_print(job->formats[format], &text);
    uint64_t hash = adze_hash_mix(model, adze_hash_bytes(text.data, text.size));
    adze_text_free(&text);
    const char *name = job->layers[layer].name;
    return adze_hash_mix(hash, adze_hash_bytes(name, strlen(name)));
}

static uint64_t hash_model(const compress_job *job, const adze_value *inputs, uint32_t n)
{
    const adze_common *common = &job->options->common;
    uint64_t hash = adze_hash_mix(adze_stats_fingerprint(job->module), (uint64_t)common->threads);
    hash = adze_hash_mix(hash, compress_machine_hash(job->work->context));
    const char *target = common->target ? common->target : "x86:host";
    hash = adze_hash_mix(hash, adze_hash_bytes(target, strlen(target)));
    hash = adze_hash_mix(hash, (uint64_t)adze_common_precision(common));
    for (uint32_t i = 0; i < n; i++)
        hash = adze_hash_mix(hash, adze_hash_bytes(inputs[i].dims, inputs[i].rank * sizeof *inputs[i].dims));
    return hash;
}

/* Are all times known? They are filled in. What is compared was measured together, so one that is missing is missing
 * for all. */
static bool recall(const compress_job *job, const times_cache *cache, uint64_t model)
{
    bool all = true;
    for (uint32_t i = 0; all && i < job->n_layers; i++)
        for (uint32_t f = 0; all && f < job->n_formats; f++)
            all = !compress_takes(job, i, f) ||
                  times_cache_find(cache, hash_of(job, model, i, f), seconds_of(job, i, f));
    return all;
}

/* ---- Measuring ---- */

const char *compress_mark_of(const compress_job *job, uint32_t layer)
{
    return adze_internf(job->work->context, "\001layer %u", layer); /* no name of a model */
}

static bool any_takes(const compress_job *job, uint32_t format)
{
    bool any = !format;
    for (uint32_t i = 0; i < job->n_layers; i++) any = any || compress_takes(job, i, format);
    return any;
}

/* The model with all layers in one format that take it, each op of a layer marked. *out_why: passes refuse that, so
 * that no layer can have the format. */
static adze_module *make_uniform(compress_job *job, uint32_t format, const char **out_why)
{
    uint32_t *chosen = calloc(job->n_layers + 1u, sizeof *chosen);
    *out_why = NULL;
    if (!chosen) return fail(job, "out of memory"), NULL;
    for (uint32_t i = 0; i < job->n_layers; i++)
        if (compress_takes(job, i, format)) chosen[i] = format;
    adze_layer_plan *plan = compress_plan_of(job, chosen);
    adze_module *module = compress_apply(job, plan, true, NULL, out_why);
    adze_layer_plan_destroy(plan);
    for (uint32_t i = 0; *out_why && i < job->n_layers; i++)
        if (chosen[i]) compress_bar(job, i, format, *out_why);
    free(chosen);
    return module;
}

void compress_mark_layers(compress_job *job, adze_module *copy)
{
    const adze_op *mine = adze_region_first(adze_func_body(adze_module_main(job->module)));
    adze_op *other = adze_region_first(adze_func_body(adze_module_main(copy)));
    for (; mine; mine = adze_op_next(mine), other = adze_op_next(other))
        for (uint32_t i = 0; i < job->n_layers; i++)
            if (adze_op_num_operands(mine) > 1 && adze_op_operand(mine, 1) == adze_op_operand(job->layers[i].op, 1) &&
                adze_op_has_trait(mine, ADZE_CONTRACTION))
                adze_op_add_node(other, compress_mark_of(job, i));
}

/* Does the list, with a line end between names, hold this one? */
static bool has_name(const char *names, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = names; *at;) {
        size_t n = strcspn(at, "\n");
        if (n == size && !memcmp(at, name, n)) return true;
        at += n + (at[n] == '\n');
    }
    return false;
}

/* The shortest times of all steps that a layer has a part in. A step that multiplies is its first layer's: what a later
 * one rounds of its result goes with it. Other steps of several layers are shared evenly. */
static bool read_profile(compress_job *job, const adze_device *device, double *out, size_t stride)
{
    uint32_t n = adze_model_num_steps(device->model);
    for (uint32_t i = 0; i < job->n_layers; i++) out[i * stride] = 0;
    for (uint32_t k = 0; k < n; k++) {
        adze_step_profile step;
        uint32_t layers = 0;
        if (adze_session_profile(device->session, k, &step)) return fail(job, adze_session_error(device->session));
        for (uint32_t i = 0; i < job->n_layers; i++) layers += has_name(step.nodes, compress_mark_of(job, i));
        bool first_alone = step.macs > 0;
        for (uint32_t i = 0; layers && i < job->n_layers; i++) {
            if (!has_name(step.nodes, compress_mark_of(job, i))) continue;
            out[i * stride] += 1e-9 * (double)step.min_ns / (first_alone ? 1 : layers);
            if (first_alone) break;
        }
    }
    return true;
}

/* Runs the models that are open in turns; their sessions then have profiles. */
static bool run_in_turns(const compress_job *job, adze_device *devices, uint32_t n_devices, const adze_value *inputs)
{
    enum { LEAST = 8, MOST = 5000 };
    double total = job->options->seconds, start = adze_now();
    uint32_t n = 0;
    for (uint32_t f = 0; f < n_devices; f++) n += devices[f].session != NULL;
    for (uint32_t round = 0; round < MOST && (round < LEAST || adze_now() - start < total * n); round++)
        for (uint32_t f = 0; f < n_devices; f++) {
            const adze_value *results;
            if (!devices[f].session) continue;
            if (compress_stopped()) return false;
            if (!adze_device_run(&devices[f], inputs, &results)) return false;
            if (!round) adze_session_set_profile(devices[f].session, true); /* the first run fills caches */
        }
    return true;
}

static bool measure(compress_job *job, times_cache *cache, uint64_t model, const adze_value *inputs)
{
    adze_device *devices = calloc(job->n_formats, sizeof *devices);
    bool ok = devices || fail(job, "out of memory");
    adze_progress *bar = adze_progress_begin(job->work, "times of layers");
    for (uint32_t f = 0; ok && f < job->n_formats; f++) {
        adze_progress_update(bar, (double)f / job->n_formats, NULL);
        ok = !compress_stopped();
        if (!ok || !any_takes(job, f)) continue;
        const char *why;
        adze_module *module = make_uniform(job, f, &why);
        ok = why || (module && compress_open(job, &devices[f], module, NULL));
        adze_module_destroy(module);
    }
    ok = ok && run_in_turns(job, devices, job->n_formats, inputs);
    for (uint32_t f = 0; devices && f < job->n_formats; f++) {
        if (ok && devices[f].session) ok = read_profile(job, &devices[f], seconds_of(job, 0, f), job->n_formats);
        for (uint32_t i = 0; ok && devices[f].session && i < job->n_layers; i++)
            if (compress_takes(job, i, f)) times_cache_add(cache, hash_of(job, model, i, f), *seconds_of(job, i, f));
        if (devices[f].work) adze_device_close(&devices[f]);
    }
    adze_progress_end(bar);
    free(devices);
    return ok;
}

bool compress_measure_layers(compress_job *job)
{
    const adze_calibration *held = &job->samples.held.view;
    const char *path = job->options->cache;
    times_cache *cache = path ? times_cache_open(job->work->context, path) : NULL;
    adze_value *inputs = calloc(held->n_inputs + 1u, sizeof *inputs);
    bool ok = (!path || cache) && (inputs || fail(job, "out of memory"));
    ok = ok && held->sample(held->self, 0, inputs);
    uint64_t model = ok ? hash_model(job, inputs, held->n_inputs) : 0;
    ok = ok && (recall(job, cache, model) || measure(job, cache, model, inputs));
    free(inputs);
    times_cache_close(cache);
    return ok;
}

bool compress_time_module(compress_job *job, const adze_module *module, double *out_seconds)
{
    const adze_calibration *held = &job->samples.held.view;
    adze_value *inputs = calloc(held->n_inputs + 1u, sizeof *inputs);
    adze_device device = {0};
    bool ok = (inputs || fail(job, "out of memory")) && held->sample(held->self, 0, inputs) &&
              compress_open(job, &device, module, NULL) && run_in_turns(job, &device, 1, inputs) &&
              read_profile(job, &device, out_seconds, 1);
    if (device.work) adze_device_close(&device);
    free(inputs);
    return ok;
}
