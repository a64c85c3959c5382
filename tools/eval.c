/* adze eval: what a model's answers on a data set are worth, alone or against another model's. */
#include "dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_METRICS = 16 };

typedef struct options {
    adze_common common;
    const char *data, *metrics, *against, *against_target;
    int64_t limit, batch;
} options;

static const adze_flag flags[] = {
    {"--data", "FILE.npz", "arrays named as the inputs, first axis = samples; labels", ADZE_FLAG_TEXT,
     offsetof(options, data)},
    {"--metric", "NAME,…", "what to compute (default: what the labels allow)", ADZE_FLAG_TEXT,
     offsetof(options, metrics)},
    {"--against", "OTHER", "another model, an artifact, or an .npz of outputs", ADZE_FLAG_TEXT,
     offsetof(options, against)},
    {"--against-target", "NAME", "what OTHER runs on (default: the reference)", ADZE_FLAG_TEXT,
     offsetof(options, against_target)},
    {"--limit", "N", "take the first N samples", ADZE_FLAG_INT, offsetof(options, limit)},
    {"--batch", "N", "samples a run, where the model lets one choose", ADZE_FLAG_INT, offsetof(options, batch)},
    ADZE_COMMON_FLAGS,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze eval IN --data=d.npz [FLAGS]\n\n"
    "Runs IN (.onnx, .adz or an artifact) on every sample of a data set and prints metrics:\n"
    "  against labels      top1 top5 perplexity entropy ap50 psnr\n"
    "  against OTHER       agreement snr cosine difference psnr\n\n"
    "Example: adze eval model.so --data=test.npz --metric=top1,agreement --against=model.onnx\n";

/* The other side of a comparison: a device, or stored outputs. */
typedef struct other {
    adze_device device;
    adze_array *arrays; /* one an output */
    uint32_t n_arrays;
    bool stored;
} other;

typedef struct job {
    const options *options;
    adze_work *work;
    adze_device device;
    other other;
    adze_dataset set;
    const adze_metric *metrics[MAX_METRICS];
    void *states[MAX_METRICS];
    uint32_t n_metrics;
    double seconds; /* in the model alone */
} job;

static bool fail(const job *j, const char *path, const char *what)
{
    return adze_error(adze_loc_unknown(j->work->context), "%s: %s", path, what);
}

/* ---- Metrics ---- */

static bool is_usable(const job *j, const adze_metric *m)
{
    bool labelled = j->set.label_kind && (m->labels & 1U << j->set.label_kind);
    if (m->needs_other) return j->options->against;
    if (!m->labels) return true;
    return labelled || (m->labels == 1U << ADZE_LABEL_IMAGE && j->options->against);
}

static bool add_metric(job *j, const adze_metric *m)
{
    if (j->n_metrics == MAX_METRICS) return true;
    void *state = calloc(1, (size_t)m->state_size + 1);
    if (!state) return fail(j, j->options->data, "out of memory");
    j->states[j->n_metrics] = state;
    j->metrics[j->n_metrics++] = m;
    return true;
}

static void free_metrics(job *j)
{
    for (uint32_t i = 0; i < j->n_metrics; i++) {
        if (j->metrics[i]->clear) j->metrics[i]->clear(j->states[i]);
        free(j->states[i]);
    }
}

/* The metrics that --metric names, or all that data and --against allow. 0, or the exit status. */
static int choose_metrics(job *j)
{
    const char *at = j->options->metrics;
    for (uint32_t i = 0; !at && i < adze_registry_num_metrics(j->work->registry); i++) {
        const adze_metric *m = adze_registry_metric(j->work->registry, i);
        bool wanted = is_usable(j, m) && (m->needs_other || !m->labels || (m->labels & 1U << j->set.label_kind));
        bool tokens = j->set.labels.rank > 1;
        if (!strcmp(m->name, "perplexity") || !strcmp(m->name, "entropy")) wanted = wanted && tokens;
        bool answers = j->set.label_kind == ADZE_LABEL_NONE || j->set.label_kind == ADZE_LABEL_CLASSES;
        if (!strcmp(m->name, "agreement")) wanted = wanted && answers;
        if (wanted && !add_metric(j, m)) return 1;
    }
    while (at && *at) {
        size_t n = strcspn(at, ",");
        const adze_metric *m = adze_registry_find_metric(j->work->registry, at, n);
        if (!m) return adze_usage_error("there is no metric '%.*s'; try adze eval --help", (int)n, at);
        if (j->n_metrics == MAX_METRICS) return adze_usage_error("--metric names too many metrics");
        if (m->needs_other && !j->options->against) return adze_usage_error("--metric=%s needs --against", m->name);
        if (!is_usable(j, m)) {
            adze_error(adze_loc_unknown(j->work->context), "%s: the data set has no labels of the kind that %s takes",
                       j->options->data, m->name);
            return 1;
        }
        if (!add_metric(j, m)) return 1;
        at += n + (at[n] == ',');
    }
    if (j->n_metrics) return 0;
    fail(j, j->options->data, "there are no labels; give --against to compare two models");
    return 1;
}

/* ---- The other side ---- */

static bool open_stored(job *j, const char *path)
{
    adze_io_error error = {""};
    adze_npz *npz = NULL;
    other *o = &j->other;
    o->stored = true;
    o->n_arrays = j->device.n_outputs;
    o->arrays = calloc(o->n_arrays + 1u, sizeof *o->arrays);
    if (!o->arrays) return fail(j, path, "out of memory");
    adze_status status = adze_npz_open(path, &npz, &error);
    bool ok = !status;
    for (uint32_t i = 0; ok && i < o->n_arrays; i++) {
        int64_t index = adze_npz_find(npz, j->device.outputs[i].name);
        status = index < 0 ? ADZE_OK : adze_npz_read(npz, (uint32_t)index, &o->arrays[i], &error);
        if (index < 0)
            ok = adze_error(adze_loc_unknown(j->work->context), "%s: there is no array '%s', the model's output", path,
                            j->device.outputs[i].name);
        else if (!status && (!o->arrays[i].rank || o->arrays[i].dims[0] < j->set.count))
            ok = fail(j, path, "there are fewer outputs than samples");
        ok = ok && !status;
    }
    if (status) adze_error(adze_loc_unknown(j->work->context), "%s", error.text);
    if (npz) adze_npz_close(npz);
    return ok;
}

static bool open_other(job *j)
{
    const char *path = j->options->against;
    if (!path) return true;
    if (adze_has_suffix(path, ".npz")) return open_stored(j, path);
    adze_common common = j->options->common;
    common.target = j->options->against_target;
    common.passes = NULL;
    common.level = -1;
    if (!adze_device_open(&j->other.device, j->work, &common, path, adze_device_choose(&common, path))) return false;
    if (j->other.device.n_inputs != j->device.n_inputs || j->other.device.n_outputs != j->device.n_outputs)
        return fail(j, path, "has other inputs or outputs");
    for (uint32_t i = 0; i < j->device.n_inputs; i++)
        if (strcmp(j->device.inputs[i].name, j->other.device.inputs[i].name) != 0)
            return fail(j, path, "its inputs have other names or another order");
    return true;
}

static void close_other(other *o)
{
    for (uint32_t i = 0; i < o->n_arrays && o->arrays; i++) adze_array_free(&o->arrays[i]);
    free(o->arrays);
    if (o->device.work) adze_device_close(&o->device);
}

/* ---- Running ---- */

/* Cuts sample `index` of a batch out of outputs. */
static bool cut(const job *j, const adze_device *device, const adze_value *all, int64_t index, int64_t batch,
                adze_value *out)
{
    for (uint32_t k = 0; k < j->device.n_outputs; k++) {
        bool leading = all[k].kind == ADZE_VALUE_TENSOR && all[k].rank && all[k].dims[0] == batch;
        if (all[k].kind != ADZE_VALUE_TENSOR || !adze_dtype_is_number((adze_dtype)all[k].dtype) ||
            (batch > 1 && !leading))
            return fail(j, device->path, "an output is no tensor of numbers with an axis of samples");
        out[k] = leading ? adze_slice(&all[k], index) : all[k];
    }
    return true;
}

static bool add_sample(job *j, const adze_value *results, const adze_value *others, int64_t first, int64_t index,
                       int64_t batch, adze_value *room)
{
    const char *why = "";
    adze_sample sample = {.n_outputs = j->device.n_outputs, .outputs = room};
    adze_value *other_room = room + sample.n_outputs, label;
    if (!cut(j, &j->device, results, index, batch, room)) return false;
    if (j->other.stored) {
        for (uint32_t k = 0; k < sample.n_outputs; k++) {
            adze_value all = adze_array_value(&j->other.arrays[k]);
            all.dims = j->other.arrays[k].dims;
            other_room[k] = adze_slice(&all, first + index);
        }
        sample.others = other_room;
    } else if (others) {
        if (!cut(j, &j->other.device, others, index, batch, other_room)) return false;
        sample.others = other_room;
    }
    if (j->set.label_kind) {
        adze_value all = adze_array_value(&j->set.labels);
        label = adze_slice(&all, first + index);
        sample.label = &label;
        sample.label_kind = j->set.label_kind;
    }
    for (uint32_t m = 0; m < j->n_metrics; m++)
        if (!j->metrics[m]->add(j->states[m], &sample, &why))
            return adze_error(adze_loc_unknown(j->work->context), "%s: %s: sample %lld: %s", j->options->data,
                              j->metrics[m]->name, (long long)(first + index), why);
    return true;
}

static bool run_batches(job *j, int64_t batch, adze_progress *progress)
{
    uint32_t n = j->device.n_inputs;
    adze_value *values = calloc(n + 1u, sizeof *values), *room = calloc(2 * j->device.n_outputs + 1u, sizeof *room);
    int64_t(*dims)[ADZE_MAX_RANK] = calloc(n + 1u, sizeof *dims);
    void **buffers = calloc(n + 1u, sizeof *buffers);
    bool ok = (values && dims && buffers && room) || fail(j, j->options->data, "out of memory");
    for (int64_t first = 0; ok && first < j->set.count; first += batch) {
        const adze_value *results = NULL, *others = NULL;
        char detail[64];
        snprintf(detail, sizeof detail, "%lld of %lld", (long long)first, (long long)j->set.count);
        adze_progress_update(progress, (double)first / (double)j->set.count, detail);
        ok = adze_dataset_batch_values(&j->set, first, batch, values, dims, buffers) ||
             fail(j, j->options->data, "out of memory");
        double start = adze_now();
        ok = ok && adze_device_run(&j->device, values, &results);
        j->seconds += adze_now() - start;
        if (ok && j->other.device.work) ok = adze_device_run(&j->other.device, values, &others);
        for (int64_t i = 0; ok && i < batch && first + i < j->set.count; i++)
            ok = add_sample(j, results, others, first, i, batch, room);
    }
    for (uint32_t i = 0; i < n && buffers; i++) free(buffers[i]);
    free(buffers);
    free(dims);
    free(room);
    free(values);
    return ok;
}

/* ---- Results ---- */

static void print_text(const job *j)
{
    for (uint32_t m = 0; m < j->n_metrics; m++) {
        const adze_metric *metric = j->metrics[m];
        printf("%-11s %*.*f%s%s", metric->name, 9 + metric->digits, metric->digits, metric->value(j->states[m]),
               *metric->unit ? " " : "", metric->unit);
        char detail[128] = "";
        if (metric->detail) metric->detail(j->states[m], detail, sizeof detail);
        if (*detail) printf("  (%s)", detail);
        printf("\n");
    }
    printf("%-11s %8lld\n", "samples", (long long)j->set.count);
    fprintf(stderr, "%.3f ms a sample in the model\n", 1e3 * j->seconds / (double)j->set.count);
}

static int run_job(job *j, const char *path)
{
    const options *o = j->options;
    if (!adze_device_open(&j->device, j->work, &o->common, path, adze_device_choose(&o->common, path)) ||
        !adze_dataset_open(&j->set, &j->device, o->data, o->limit))
        return 1;
    int status = choose_metrics(j);
    if (status || !open_other(j)) return status ? status : 1;
    int64_t batch = adze_dataset_batch(&j->set, j->work, o->batch);
    if (!batch) return 1;
    adze_progress *progress = adze_progress_begin(j->work, "eval");
    bool ok = run_batches(j, batch, progress);
    adze_progress_end(progress);
    if (ok) print_text(j);
    return ok ? 0 : 1;
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    const options *o = given;
    (void)n_files;
    if (!o->data) return adze_usage_error("eval needs --data=FILE.npz");
    if (o->limit < 0 || o->batch < 0) return adze_usage_error("--limit and --batch take positive numbers");
    job j = {.options = o, .work = work};
    int status = run_job(&j, files[0]);
    free_metrics(&j);
    close_other(&j.other);
    adze_dataset_free(&j.set);
    if (j.device.work) adze_device_close(&j.device);
    return status;
}

const adze_command adze_command_eval = {
    .name = "eval",
    .summary = "accuracy of a model on a data set",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .files_min = 1,
    .files_max = 1,
    .run = run,
};
