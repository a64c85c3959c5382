/* Measures the original and what compression makes of it: bytes, time, loss. */
#include "compress.h"
#include "score.h"

#include "../onnx_out.h"

#include <adze/table.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(const compress_job *job, const char *path, const char *what)
{
    return adze_error(adze_loc_unknown(job->work->context), "%s: %s", path, what);
}

/* ---- Files ---- */

/* Of a file, and of the weights beside it. */
static bool add_bytes(const compress_job *job, const char *path, bool must, uint64_t *out)
{
    struct stat info;
    if (!stat(path, &info)) return *out += (uint64_t)info.st_size, true;
    return !must || fail(job, path, strerror(errno));
}

static bool file_bytes(const compress_job *job, const char *path, uint64_t *out)
{
    *out = 0;
    return add_bytes(job, path, true, out) &&
           add_bytes(job, adze_internf(job->work->context, "%s.bin", path), false, out) &&
           add_bytes(job, adze_internf(job->work->context, "%s.data", path), false, out);
}

static bool add_hash(adze_work *work, const char *path, bool must, uint64_t *hash, uint64_t *bytes)
{
    enum { PART = 1 << 16 };
    FILE *file = fopen(path, "rb");
    if (!file && !must && errno == ENOENT) return true;
    char *part = adze_malloc(PART);
    size_t n;
    while (file && (n = fread(part, 1, PART, file)) > 0) {
        *hash = adze_hash_mix(*hash, adze_hash_bytes(part, n));
        *bytes += n;
    }
    bool ok = file && !ferror(file);
    free(part);
    if (file) fclose(file);
    return ok || adze_error(adze_loc_unknown(work->context), "%s: %s", path, strerror(errno));
}

bool compress_hash_file(adze_work *work, const char *path, uint64_t *out_hash, uint64_t *out_bytes)
{
    *out_hash = *out_bytes = 0;
    return add_hash(work, path, true, out_hash, out_bytes) &&
           add_hash(work, adze_internf(work->context, "%s.bin", path), false, out_hash, out_bytes) &&
           add_hash(work, adze_internf(work->context, "%s.data", path), false, out_hash, out_bytes);
}

/* What compiling takes of the flags: dims are in the module, samples are not for its passes, -v is for trials. */
static adze_common quiet(const compress_job *job)
{
    adze_common common = job->options->common;
    common.dims = (adze_flag_list){0};
    common.calib = NULL;
    common.verbose = false;
    if (job->small) common.passes = "O2-small"; /* zeros are not stored */
    if (!common.target) common.target = "x86:host";
    return common;
}

/* Writes what -o asks for; an artifact is compiled from a copy. */
static bool write_output(compress_job *job, const adze_module *module, const char *file)
{
    if (adze_has_suffix(file, ".onnx")) return adze_write_onnx(NULL, module, file);
    if (adze_has_suffix(file, ".adz")) return adze_write_module(job->work, module, file);
    adze_common common = quiet(job);
    adze_module *copy = adze_module_clone(module);
    bool ok = adze_work_emit(job->work, &common, copy, file);
    adze_module_destroy(copy);
    return ok;
}

const char *compress_temporary(const compress_job *job, const char *name, const char *suffix)
{
    return adze_internf(job->work->context, "%s/%s%s", job->folder, name, suffix);
}

static const char *suffix_of(const compress_job *job)
{
    const char *dot = strrchr(job->options->output, '.');
    return dot ? dot : "";
}

/* ---- Plans ---- */

uint64_t compress_weight_bytes(const compress_job *job, const uint32_t *chosen)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < job->n_layers; i++)
        bytes += chosen ? compress_bytes(job, chosen[job->n_layers], i, chosen[i]) : compress_bytes(job, 0, i, 0);
    return bytes;
}

adze_layer_plan *compress_plan_of(const compress_job *job, const uint32_t *chosen)
{
    adze_layer_plan *plan = adze_layer_plan_create(job->work->context);
    uint32_t level = chosen[job->n_layers];
    for (uint32_t i = 0; i < job->n_layers; i++)
        if (compress_layer_at(job, level, i)->rows) /* not dropped */
            adze_layer_plan_put(plan, job->layers[i].name, compress_format(job, level, i, chosen[i]), NULL);
    compress_put_level(job, level, plan);
    return plan;
}

/* Statistics of a module whose structure has changed, for what stores it. */
static bool calibrate_again(compress_job *job, adze_module *module, const char *path)
{
    adze_collect_options how = {.struct_size = sizeof how,
                                .gram = adze_layer_settings_need_gram(&job->settings),
                                .max_memory = job->options->common.max_memory};
    compress_name_values(module, "changed.v");
    adze_stats *stats =
        adze_stats_collect(job->work->registry, module, NULL, 0, &job->samples.calibration.view, &how);
    bool ok = stats && adze_stats_save(stats, path);
    adze_stats_destroy(stats);
    return ok;
}

bool compress_run_passes(compress_job *job, const char *passes, adze_module *module)
{
    return adze_work_run_passes(job->work, &job->options->common, passes, &job->samples.calibration.view, module);
}

/* Runs passes that read statistics; where the module is no longer the one that these are of, new ones first. */
static bool run_with_stats(compress_job *job, const adze_text *passes, adze_module *module,
                           adze_layer_settings *settings, bool *stale)
{
    if (!passes->size) return true;
    if (*stale && !calibrate_again(job, module, settings->stats)) return false;
    return compress_run_passes(job, passes->data, module);
}

/* What the plan removes, and what it factors; statistics are then of what is left. */
static bool change_structure(compress_job *job, const adze_layer_plan *plan, const char *path, adze_module *module,
                             adze_layer_settings *settings)
{
    bool ok = true, stale = false;
    for (uint32_t step = 0; ok && step < ADZE_STRUCTURE_STEPS; step++) {
        adze_text passes = {0};
        adze_layer_structure_pipeline(plan, step, path, settings, &passes);
        ok = run_with_stats(job, &passes, module, settings, &stale);
        if (passes.size) settings->stats = compress_temporary(job, "try", ".stats");
        stale = stale || passes.size;
        adze_text_free(&passes);
    }
    adze_text storing = {0};
    adze_layer_pipeline(plan, path, settings, &storing);
    if (ok && stale && storing.size) ok = calibrate_again(job, module, settings->stats);
    adze_text_free(&storing);
    return ok;
}

/* Are zeros among what the plan saves? */
static bool is_sparse(const adze_layer_plan *plan)
{
    for (uint32_t i = 0; i < adze_layer_plan_count(plan); i++)
        if (adze_format_leaves_zeros_out(adze_layer_plan_format(plan, i))) return true;
    return false;
}

/* The text of the first error, without the place. */
static const char *first_error(const compress_job *job, const adze_text *said)
{
    static const char mark[] = "error: ";
    const char *end = said->data + said->size, *at = memmem(said->data, said->size, mark, sizeof mark - 1);
    const char *from = at ? at + sizeof mark - 1 : said->data, *stop = memchr(from, '\n', (size_t)(end - from));
    return adze_intern(job->work->context, from, (size_t)((stop ? stop : end) - from));
}

void compress_forgive_begin(compress_job *job, adze_text *said) { adze_work_hold(job->work, said); }

const char *compress_forgive_end(compress_job *job, adze_text *said, bool failed)
{
    bool refused = failed && said->size && !compress_stopped();
    const char *why = refused ? first_error(job, said) : NULL;
    adze_work_release(job->work, refused);
    adze_text_free(said);
    return why;
}

/* The passes of a plan, which lies at `path`. */
static bool run_plan(compress_job *job, const adze_layer_plan *plan, const char *path, bool tables,
                     adze_module *module)
{
    adze_layer_settings settings = job->settings;
    adze_text passes = {0};
    settings.tables = tables;
    bool ok = change_structure(job, plan, path, module, &settings);
    if (ok) adze_layer_pipeline(plan, path, &settings, &passes);
    ok = ok && compress_run_passes(job, passes.size ? passes.data : "dce", module);
    adze_text_free(&passes);
    return ok;
}

adze_module *compress_apply(compress_job *job, const adze_layer_plan *plan, bool marked, const char *file,
                            const char **out_why)
{
    const char *path = compress_temporary(job, "try", ".plan");
    bool tables = file && !job->options->keep_tables; /* layers alone are measured without */
    job->small = is_sparse(plan);
    if (out_why) *out_why = NULL;
    if (!adze_layer_plan_save(plan, path)) return NULL;
    adze_module *module = adze_module_clone(job->module);
    adze_text said;
    if (marked) compress_mark_layers(job, module);
    if (out_why) compress_forgive_begin(job, &said);
    bool ok = run_plan(job, plan, path, tables, module);
    if (out_why) *out_why = compress_forgive_end(job, &said, !ok);
    if (ok && (!file || write_output(job, module, file))) return module;
    adze_module_destroy(module);
    return NULL;
}

static void remove_file(const compress_job *job, const char *file)
{
    unlink(file);
    unlink(adze_internf(job->work->context, "%s.bin", file));
    unlink(adze_internf(job->work->context, "%s.data", file));
}

bool compress_written_bytes(compress_job *job, const adze_layer_plan *plan, uint64_t *out, const char **out_why)
{
    const char *file = compress_temporary(job, "sized", suffix_of(job));
    adze_module *module = compress_apply(job, plan, false, file, out_why);
    bool ok = module && file_bytes(job, file, out);
    adze_module_destroy(module);
    remove_file(job, file);
    return ok;
}

/* ---- Running ---- */

static bool keep_answers(compress_job *job, uint64_t run, const adze_value *results)
{
    uint32_t n = job->original.n_outputs;
    for (uint32_t i = 0; i < n; i++) {
        const adze_value *from = &results[i];
        adze_value *to = &job->answers[run * n + i];
        if (from->kind != ADZE_VALUE_TENSOR || !adze_dtype_is_number((adze_dtype)from->dtype))
            return fail(job, job->input,
                        adze_internf(job->work->context,
                                     "output '%s' is no tensor of numbers; losses cannot "
                                     "be measured",
                                     job->original.outputs[i].name));
        uint64_t bytes = adze_dtype_bytes((adze_dtype)from->dtype, adze_value_count(from));
        job->answer_bytes += bytes;
        if (job->work->max_memory && job->answer_bytes > job->work->max_memory)
            return fail(job, job->input,
                        "the outputs of all samples take more than --max-memory; --limit=N takes fewer");
        int64_t *dims = adze_malloc((from->rank + 1u) * sizeof *dims);
        memcpy(dims, from->dims, from->rank * sizeof *dims);
        *to = *from;
        to->dims = dims;
        to->data = malloc(bytes + 1);
        if (!to->data) return fail(job, job->input, "out of memory for its outputs");
        memcpy(to->data, from->data, bytes);
    }
    return true;
}

bool compress_open(compress_job *job, adze_device *device, const adze_module *module, const char *artifact)
{
    adze_common common = quiet(job);
    if (artifact) return adze_device_open(device, job->work, &common, artifact, ADZE_DEVICE_COMPILED);
    adze_module *copy = adze_module_clone(module);
    return adze_device_open_module(device, job->work, &common, copy, job->input, ADZE_DEVICE_COMPILED);
}

/* Inputs with NaN would count as answers that changed. */
static bool check_inputs(const compress_job *job, uint64_t run, const adze_value *inputs)
{
    const adze_calibration_files *files = job->samples.held_files;
    for (uint32_t i = 0; i < job->samples.held.view.n_inputs; i++) {
        bool floats = adze_dtype_get_kind((adze_dtype)inputs[i].dtype) == ADZE_KIND_FLOAT;
        for (uint64_t k = 0, n = floats ? adze_value_count(&inputs[i]) : 0; k < n; k++)
            if (!isfinite(adze_value_real(&inputs[i], k)))
                return adze_error(adze_loc_unknown(job->work->context),
                                  "%s: run %llu of input '%s' holds NaN or infinite numbers",
                                  job->options->data ? job->options->data : job->options->common.calib,
                                  (unsigned long long)job->samples.held.runs[run], files->device.inputs[i].name);
    }
    return true;
}

bool compress_measure_original(compress_job *job)
{
    const char *file = compress_temporary(job, "original", suffix_of(job));
    bool artifact = adze_has_suffix(file, ".so");
    adze_calibration *held = &job->samples.held.view;
    if (!write_output(job, job->module, file) || !file_bytes(job, file, &job->original_bytes) ||
        !compress_open(job, &job->original, job->module, artifact ? file : NULL))
        return false;
    job->original_weight_bytes = compress_weight_bytes(job, NULL);
    uint32_t n = job->original.n_outputs;
    job->answers = calloc(held->count * n + 1, sizeof *job->answers);
    adze_value *inputs = calloc(held->n_inputs + 1u, sizeof *inputs);
    bool labelled = job->metric.metric->labels, ok = job->answers && inputs;
    compress_scorer scorer = {0};
    if (labelled) ok = ok && compress_scorer_begin(&scorer, job, job->metric.metric, &job->original_score);
    adze_progress *bar = adze_progress_begin(job->work, "original");
    for (uint64_t run = 0; ok && run < held->count && (ok = !compress_stopped()); run++) {
        const adze_value *results;
        adze_progress_update(bar, (double)run / (double)held->count, NULL);
        ok = held->sample(held->self, run, inputs) && check_inputs(job, run, inputs) &&
             adze_device_run(&job->original, inputs, &results) &&
             keep_answers(job, run, results) && (!labelled || compress_scorer_add(&scorer, run, results, NULL));
    }
    if (labelled) compress_scorer_end(&scorer);
    adze_progress_end(bar);
    free(inputs);
    return ok && adze_device_memory(&job->original, &job->original_memory);
}

static int rising(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Runs both in turns on one sample. */
static bool measure_times(compress_job *job, adze_device *device, compress_trial *trial)
{
    enum { LEAST = 8, MOST = 20000 };
    double total = 1.5 * job->options->seconds;
    adze_calibration *held = &job->samples.held.view;
    adze_device *devices[] = {&job->original, device};
    double *times[] = {adze_malloc(MOST * sizeof(double)), adze_malloc(MOST * sizeof(double))}, start = adze_now();
    uint32_t n = 0;
    adze_value *inputs = calloc(held->n_inputs + 1u, sizeof *inputs);
    bool ok = inputs && held->sample(held->self, 0, inputs);
    for (; ok && n < MOST && (n < LEAST || adze_now() - start < total) && (ok = !compress_stopped()); n++)
        for (uint32_t k = 0; ok && k < 2; k++) {
            const adze_value *results;
            double from = adze_now();
            ok = adze_device_run(devices[k], inputs, &results);
            times[k][n] = adze_now() - from;
        }
    for (uint32_t k = 0; ok && k < 2; k++) qsort(times[k], n, sizeof(double), rising);
    if (ok) {
        trial->against = times[0][0], trial->against_median = times[0][n / 2];
        trial->seconds = times[1][0], trial->median = times[1][n / 2];
    }
    free(inputs);
    free(times[0]);
    free(times[1]);
    return ok;
}

static bool measure_loss(compress_job *job, adze_device *device, compress_trial *trial)
{
    const adze_metric *snr = adze_registry_find_metric(job->work->registry, "snr", 3);
    adze_calibration *held = &job->samples.held.view;
    adze_value *inputs = calloc(held->n_inputs + 1u, sizeof *inputs);
    compress_scorer scorer, noise;
    bool ok = inputs;
    ok = compress_scorer_begin(&scorer, job, job->metric.metric, &trial->score) && ok;
    ok = compress_scorer_begin(&noise, job, snr, &trial->snr) && ok;
    for (uint64_t run = 0; ok && run < held->count && (ok = !compress_stopped()); run++) {
        const adze_value *results, *others = &job->answers[run * job->original.n_outputs];
        ok = held->sample(held->self, run, inputs) && adze_device_run(device, inputs, &results) &&
             compress_scorer_add(&scorer, run, results, others) && compress_scorer_add(&noise, run, results, others);
    }
    compress_scorer_end(&scorer);
    compress_scorer_end(&noise);
    trial->loss = compress_loss_of(job->metric.kind, trial->score.value, job->original_score.value);
    free(inputs);
    if (ok && isnan(trial->loss))
        return fail(job, job->input,
                    adze_internf(job->work->context,
                                 "%s says nothing of these samples: no label or no "
                                 "answer counts",
                                 job->metric.metric->name));
    return ok;
}

void compress_trial_free(compress_trial *trial)
{
    free(trial->chosen);
    compress_score_free(&trial->score);
    compress_score_free(&trial->snr);
    *trial = (compress_trial){0};
}

compress_trial *compress_try(compress_job *job, const uint32_t *chosen, const char **out_why)
{
    if (out_why) *out_why = NULL;
    for (uint32_t i = 0; i < job->n_trials; i++) /* the same choice measures the same */
        if (!memcmp(job->trials[i].chosen, chosen, (job->n_layers + 1u) * sizeof *chosen)) return &job->trials[i];
    return compress_try_anew(job, chosen, out_why);
}

compress_trial *compress_try_anew(compress_job *job, const uint32_t *chosen, const char **out_why)
{
    if (job->n_trials == COMPRESS_MAX_TRIALS) return fail(job, job->input, "too many trials"), NULL;
    compress_trial *trial = &job->trials[job->n_trials];
    if (compress_state_find_trial(job, chosen, trial)) return job->n_trials++, trial;
    *trial = (compress_trial){0};
    trial->chosen = adze_malloc((job->n_layers + 1u) * sizeof *chosen);
    memcpy(trial->chosen, chosen, (job->n_layers + 1u) * sizeof *chosen);
    const char *name = adze_internf(job->work->context, "trial%u", job->n_trials);
    const char *file = compress_temporary(job, name, suffix_of(job));
    adze_layer_plan *plan = compress_plan_of(job, chosen);
    adze_module *module = compress_apply(job, plan, false, file, out_why);
    adze_device device = {0};
    bool ok = module && file_bytes(job, file, &trial->bytes) &&
              compress_open(job, &device, module, adze_has_suffix(file, ".so") ? file : NULL) &&
              measure_loss(job, &device, trial) && measure_times(job, &device, trial) &&
              adze_device_memory(&device, &trial->memory);
    trial->weight_bytes = compress_weight_bytes(job, chosen);
    if (device.work) adze_device_close(&device);
    adze_module_destroy(module);
    adze_layer_plan_destroy(plan);
    remove_file(job, file);
    if (ok && (!job->state.path || compress_state_keep_trial(job, trial))) return job->n_trials++, trial;
    compress_trial_free(trial);
    return NULL;
}

/* ---- Goals ---- */

double compress_reached(const compress_job *job, const compress_trial *trial, compress_goal_kind kind)
{
    switch (kind) {
    case COMPRESS_SIZE: return (double)trial->bytes / (double)job->original_bytes;
    case COMPRESS_WEIGHTS: return (double)trial->weight_bytes / (double)job->original_weight_bytes;
    case COMPRESS_TIME: return trial->seconds / trial->against;
    case COMPRESS_LOSS: return trial->loss;
    }
    return NAN;
}

/* One answer of a hundred is 1 %, though 1 - 0.99 is more than 0.01. */
bool compress_holds_goal(const compress_job *job, const compress_trial *trial, const compress_goal *goal)
{
    return compress_reached(job, trial, goal->kind) <= goal->bound + 1e-9 * fmax(1, fabs(goal->bound));
}

bool compress_holds(const compress_job *job, const compress_trial *trial)
{
    bool all = true;
    for (uint32_t i = 0; i < job->goals.count; i++)
        all = all && compress_holds_goal(job, trial, &job->goals.items[i]);
    return all;
}
