/* The report of adze compress as JSON; `adze report` makes a page of it. */
#include "compress.h"

#include "../energy.h"

#include <adze/version.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef adze_json_writer writer;

static void number(writer *w, const char *key, double value)
{
    adze_json_key(w, key);
    adze_json_measured(w, value);
}

static void whole(writer *w, const char *key, uint64_t value)
{
    adze_json_key(w, key);
    adze_json_int(w, (int64_t)value);
}

static void string(writer *w, const char *key, const char *value)
{
    adze_json_key(w, key);
    adze_json_string(w, value);
}

static void boolean(writer *w, const char *key, bool value)
{
    adze_json_key(w, key);
    adze_json_bool(w, value);
}

static void begin(writer *w, const char *key, char bracket)
{
    if (key) adze_json_key(w, key);
    adze_json_begin(w, bracket);
}

/* ---- Parts ---- */

static void write_goals(writer *w, const compress_job *job, const compress_trial *best)
{
    static const char *const names[] = {"size", "weights", "time", "loss"};
    begin(w, "goal", '[');
    for (uint32_t i = 0; i < job->goals.count; i++) {
        const compress_goal *g = &job->goals.items[i];
        begin(w, NULL, '{');
        string(w, "text", g->text);
        string(w, "kind", names[g->kind]);
        number(w, "bound", g->bound);
        number(w, "reached", compress_reached(job, best, g->kind));
        boolean(w, "held", compress_holds_goal(job, best, g));
        adze_json_end(w);
    }
    adze_json_end(w);
}

/* Energy of one run, in mJ; NAN where it cannot be read: `why` says so. */
static double energy_of(adze_energy *meter, compress_job *job, adze_device *device, double seconds)
{
    static const double span = 0.3; /* seconds that are measured */
    adze_calibration *held = &job->samples.held.view;
    adze_value *inputs = calloc(held->n_inputs + 1u, sizeof *inputs);
    uint32_t runs = seconds > 0 && span / seconds < 1e5 ? (uint32_t)(span / seconds) + 1 : 1;
    double mj = NAN;
    bool ok = inputs && held->sample(held->self, 0, inputs) && adze_energy_begin(meter);
    for (uint32_t i = 0; ok && i < runs; i++) {
        const adze_value *results;
        ok = adze_device_run(device, inputs, &results);
    }
    if (ok && adze_energy_end(meter, &mj)) mj /= runs;
    free(inputs);
    return mj;
}

/* What a metric's numbers are divided by: shares count to 1. */
static double percent_of(const compress_job *job) { return strcmp(job->metric.metric->unit, "%") ? 1 : 100; }

static void write_measured(writer *w, uint64_t bytes, uint64_t weight_bytes, double seconds, double median,
                           uint64_t memory)
{
    whole(w, "bytes", bytes);
    whole(w, "weight_bytes", weight_bytes);
    number(w, "min_ms", 1e3 * seconds);
    number(w, "median_ms", 1e3 * median);
    whole(w, "memory_bytes", memory);
}

static void write_original(writer *w, const compress_job *job, const compress_trial *best, double mj)
{
    begin(w, "original", '{');
    write_measured(w, job->original_bytes, job->original_weight_bytes, best->against, best->against_median,
                   job->original_memory);
    number(w, "accuracy", job->metric.metric->labels ? job->original_score.value / percent_of(job) : NAN);
    number(w, "energy_mj", mj);
    adze_json_end(w);
}

static void write_score(writer *w, const compress_job *job, const compress_trial *best)
{
    const adze_metric *m = job->metric.metric;
    bool labelled = m->labels;
    double low, high, part = percent_of(job);
    bool paired = job->metric.kind == COMPRESS_POINTS;
    compress_interval(job, &best->score, paired ? &job->original_score : NULL, &low, &high);
    begin(w, labelled ? "accuracy" : "agreement", '{');
    string(w, "metric", m->name);
    number(w, "value", best->score.value / part);
    if (labelled) {
        number(w, "original", job->original_score.value / part);
        number(w, "difference", (best->score.value - job->original_score.value) / part);
    }
    bool means = paired || job->metric.kind == COMPRESS_SHARE || job->metric.kind == COMPRESS_REST;
    number(w, "low", means ? low / part : NAN);
    number(w, "high", means ? high / part : NAN);
    whole(w, "n", best->score.n);
    adze_json_end(w);
    adze_json_key(w, labelled ? "agreement" : "accuracy");
    adze_json_null(w);
}

static void write_compressed(writer *w, const compress_job *job, const compress_trial *best, double mj)
{
    begin(w, "compressed", '{');
    write_measured(w, best->bytes, best->weight_bytes, best->seconds, best->median, best->memory);
    write_score(w, job, best);
    number(w, "snr_db", best->snr.value);
    number(w, "energy_mj", mj);
    adze_json_end(w);
}

static void write_part(writer *w, const char *part, uint64_t before, uint64_t after)
{
    begin(w, NULL, '{');
    string(w, "part", part);
    whole(w, "before", before);
    whole(w, "after", after);
    adze_json_end(w);
}

/* Bytes of biases and of weights' codes; what remains of a layer are scales. */
static void layer_parts(const adze_layer *layer, adze_format format, uint64_t bytes, uint64_t *weights,
                        uint64_t *scales, uint64_t *biases)
{
    uint64_t bits = format.kind == ADZE_FORMAT_FLOAT  ? 32
                    : format.kind == ADZE_FORMAT_CAST ? 16
                    : format.bits <= 4                ? 4
                                                      : 8;
    uint64_t all = bytes - 4 * layer->biases, codes = (layer->rows * layer->cols * bits + 7) / 8;
    if (format.structure != ADZE_DENSE || codes > all) codes = all; /* with what tells where zeros are */
    *weights += codes;
    *biases += 4 * layer->biases;
    *scales += all - codes;
}

static void write_size(writer *w, const compress_job *job, const compress_trial *best)
{
    uint64_t was[3] = {0}, is[3] = {0};
    for (uint32_t i = 0; i < job->n_layers; i++) {
        uint32_t level = best->chosen[job->n_layers];
        const adze_layer *as = compress_layer_at(job, level, i);
        layer_parts(&job->layers[i], job->formats[0], compress_bytes(job, 0, i, 0), &was[0], &was[1], &was[2]);
        layer_parts(as, job->formats[best->chosen[i]], compress_bytes(job, level, i, best->chosen[i]), &is[0], &is[1],
                    &is[2]);
    }
    uint64_t all_was = was[0] + was[1] + was[2], all_is = is[0] + is[1] + is[2];
    begin(w, "size", '[');
    write_part(w, "weights", was[0], is[0]);
    write_part(w, "scales and zero points", was[1], is[1]);
    write_part(w, "biases", was[2], is[2]);
    write_part(w, "code, tables, the rest", job->original_bytes > all_was ? job->original_bytes - all_was : 0,
               best->bytes > all_is ? best->bytes - all_is : 0);
    adze_json_end(w);
}

static void write_format(writer *w, const char *key, adze_format format)
{
    adze_text text = {0};
    adze_format_print(format, &text);
    string(w, key, text.data);
    adze_text_free(&text);
}

static void write_formats(writer *w, const compress_job *job, uint32_t layer)
{
    begin(w, "formats", '[');
    for (uint32_t f = 0; f < job->n_formats; f++) {
        size_t at = (size_t)layer * job->n_formats + f;
        if (!job->probes[at].measured) continue;
        begin(w, NULL, '{');
        write_format(w, "format", job->formats[f]);
        number(w, "loss", job->reasons[at] ? NAN : job->losses[at]); /* of a barred one nothing was measured */
        number(w, "error_db", job->probes[at].error > 0 ? -10 * log10(job->probes[at].error) : NAN);
        whole(w, "bytes", adze_layer_bytes(&job->layers[layer], job->formats[f]));
        number(w, "us", 1e6 * job->seconds[at]);
        adze_json_end(w);
    }
    adze_json_end(w);
}

static const char *reason_of(const compress_job *job, uint32_t layer, uint32_t chosen)
{
    if (!job->reasons) return "named in the plan file";
    if (!compress_layer_at(job, job->trials[job->best].chosen[job->n_layers], layer)->rows) return "left out";
    if (chosen) return "chosen by the search";
    for (uint32_t f = 1; f < job->n_formats; f++) {
        const char *reason = job->reasons[(size_t)layer * job->n_formats + f];
        if (!reason) return "float: its loss is spent better elsewhere";
    }
    const char *last = job->n_formats > 1 ? job->reasons[(size_t)layer * job->n_formats + 1] : NULL;
    return last ? adze_internf(job->work->context, "float: %s", last) : "float";
}

static void write_layers(writer *w, const compress_job *job, const compress_trial *best)
{
    uint32_t level = best->chosen[job->n_layers];
    begin(w, "layers", '[');
    for (uint32_t i = 0; i < job->n_layers; i++) {
        const adze_layer *layer = &job->layers[i];
        adze_format format = compress_format(job, level, i, best->chosen[i]);
        size_t first = (size_t)i * job->n_formats, at = first + best->chosen[i];
        char type[256];
        adze_type_print(adze_value_type(adze_op_operand(layer->op, 1)), type, sizeof type);
        begin(w, NULL, '{');
        string(w, "name", layer->name);
        begin(w, "nodes", '[');
        for (uint32_t k = 0; k < adze_op_num_nodes(layer->op); k++) adze_json_string(w, adze_op_node(layer->op, k));
        adze_json_end(w);
        string(w, "op", adze_op_name(layer->op));
        string(w, "type", type);
        write_format(w, "format", format);
        whole(w, "weight_bits", format.bits);
        whole(w, "activation_bits", format.kind == ADZE_FORMAT_STATIC || format.kind == ADZE_FORMAT_ROWS ? 8 : 32);
        whole(w, "group", format.group);
        string(w, "method", compress_method(job, format));
        number(w, "loss", job->losses ? job->losses[at] : NAN);
        number(w, "error_db", job->probes && job->probes[at].error > 0 ? -10 * log10(job->probes[at].error) : NAN);
        whole(w, "bytes_before", adze_layer_bytes(layer, job->formats[0]));
        whole(w, "bytes_after", compress_bytes(job, level, i, best->chosen[i]));
        number(w, "us_before", job->seconds ? 1e6 * job->seconds[first] : NAN);
        number(w, "us_after", job->seconds ? 1e6 * compress_seconds(job, level, i, best->chosen[i]) : NAN);
        string(w, "reason", reason_of(job, i, best->chosen[i]));
        if (job->probes) write_formats(w, job, i);
        adze_json_end(w);
    }
    adze_json_end(w);
}

static void write_point(writer *w, const char *method, double bytes, double seconds, double loss, bool chosen)
{
    begin(w, NULL, '{');
    if (method) string(w, "method", method);
    whole(w, "bytes", (uint64_t)bytes);
    number(w, "us", 1e6 * seconds);
    number(w, "loss", loss);
    boolean(w, "chosen", chosen);
    adze_json_end(w);
}

/* Where the best trial's own choice is expected. */
static void write_best(writer *w, const compress_job *job, const compress_trial *best)
{
    uint32_t level = best->chosen[job->n_layers];
    double seconds = 0, loss = compress_level_loss(job, level);
    for (uint32_t i = 0; i < job->n_layers; i++) {
        seconds += compress_seconds(job, level, i, best->chosen[i]);
        loss += job->losses[(size_t)i * job->n_formats + best->chosen[i]];
    }
    write_point(w, NULL, (double)best->weight_bytes, seconds, loss, true);
}

/* The fronts of what the dynamic program found, thinned: of all methods together, and of each alone. */
static void write_pareto(writer *w, const compress_job *job, const compress_trial *best)
{
    enum { MOST = 200, MOST_ALONE = 40 };
    static const char *const names[COMPRESS_METHODS] = {NULL, "bits", "zeros", "factors", "channels"};
    begin(w, "pareto", '[');
    for (uint32_t m = 0; m < COMPRESS_METHODS; m++) {
        const adze_mixes *front = &job->fronts[m];
        uint32_t step = front->count / (m ? MOST_ALONE : MOST) + 1;
        for (uint32_t k = 0; k < front->count && (!m || front->count > 1); k += step) {
            const adze_mix *mix = &front->items[k];
            write_point(w, names[m], (double)mix->bytes, mix->seconds, mix->loss, false);
        }
    }
    if (job->probes) write_best(w, job, best);
    adze_json_end(w);
}

static void write_trials(writer *w, const compress_job *job)
{
    begin(w, "trials", '[');
    for (uint32_t k = 0; k < job->n_trials; k++) {
        const compress_trial *t = &job->trials[k];
        uint32_t floats = 0;
        for (uint32_t i = 0; i < job->n_layers; i++) floats += !t->chosen[i];
        begin(w, NULL, '{');
        whole(w, "step", k);
        whole(w, "restored", floats);
        number(w, "loss", t->loss);
        number(w, "agreement", job->metric.kind == COMPRESS_SHARE ? t->score.value / 100 : NAN);
        whole(w, "bytes", t->bytes);
        number(w, "min_ms", 1e3 * t->seconds);
        adze_json_end(w);
    }
    adze_json_end(w);
}

static void write_head(writer *w, compress_job *job, bool held)
{
    const compress_options *o = job->options;
    const adze_target *target = adze_work_target(job->work, &o->common);
    string(w, "adze", ADZE_VERSION);
    whole(w, "schema", 1);
    string(w, "model", job->input);
    string(w, "result", o->output);
    string(w, "target", target ? adze_internf(job->work->context, "%s:%s", adze_target_name(target),
                                              adze_target_level(target)) : NULL);
    string(w, "cpu", compress_cpu_name(job->work->context));
    whole(w, "threads", (uint64_t)o->common.threads);
    whole(w, "seed", (uint64_t)o->seed);
    boolean(w, "held", held);
    begin(w, "samples", '{');
    whole(w, "calibration", job->samples.calibration.view.count);
    whole(w, "held_back", job->samples.held.view.count);
    boolean(w, "labels", job->samples.label_kind);
    adze_json_end(w);
}

static void write_pipeline(writer *w, const compress_job *job, const compress_trial *best)
{
    adze_layer_plan *plan = compress_plan_of(job, best->chosen);
    const char *path = adze_internf(job->work->context, "%s.plan", job->options->output);
    adze_layer_settings settings = job->settings;
    adze_text passes = {0};
    settings.tables = !job->options->keep_tables;
    settings.stats = "model.stats"; /* what adze calibrate --gram writes */
    adze_text_append(&passes, "simplify");
    for (uint32_t step = 0; step <= ADZE_STRUCTURE_STEPS; step++) {
        adze_text more = {0};
        if (step < ADZE_STRUCTURE_STEPS)
            adze_layer_structure_pipeline(plan, step, path, &settings, &more);
        else
            adze_layer_pipeline(plan, path, &settings, &more);
        if (more.size) adze_text_append(&passes, ",%.*s", (int)more.size, more.data);
        if (more.size) settings.stats = "changed.stats"; /* the same of what that step leaves */
        adze_text_free(&more);
    }
    string(w, "pipeline", passes.data);
    string(w, "command",
           adze_internf(job->work->context, "adze compress %s -o %s --calib=%s%s%s --replay=%s.plan", job->input,
                        job->options->output, job->options->common.calib, job->options->data ? " --data=" : "",
                        job->options->data ? job->options->data : "", job->options->output));
    adze_text_free(&passes);
    adze_layer_plan_destroy(plan);
}

bool compress_write_report(compress_job *job, const char *path, bool held)
{
    const compress_trial *best = &job->trials[job->best];
    adze_text text = {0};
    writer json = {.text = &text}, *w = &json;
    adze_energy meter;
    adze_device device = {0};
    double before = NAN, after = NAN;
    bool metered = adze_energy_open(&meter, NULL);
    if (metered && adze_has_suffix(job->options->output, ".so")) {
        before = energy_of(&meter, job, &job->original, best->against);
        if (compress_open(job, &device, job->module, job->options->output))
            after = energy_of(&meter, job, &device, best->seconds);
        if (device.work) adze_device_close(&device);
    }
    adze_json_begin(w, '{');
    write_head(w, job, held);
    write_goals(w, job, best);
    write_original(w, job, best, before);
    write_compressed(w, job, best, after);
    begin(w, "missing", '{');
    if (!job->metric.metric->labels) string(w, "accuracy", "the data have no labels, or another metric was asked for");
    if (job->metric.metric->labels) string(w, "agreement", "accuracy was measured instead");
    if (isnan(after)) string(w, "energy", *meter.why ? meter.why : "measured for .so files alone");
    adze_json_end(w);
    write_size(w, job, best);
    write_layers(w, job, best);
    write_pareto(w, job, best);
    write_trials(w, job);
    compress_update_write(w, job);
    write_pipeline(w, job, best);
    adze_json_end(w);
    adze_energy_close(&meter);
    adze_print_options print = {.struct_size = sizeof print};
    bool ok = adze_write_printed(job->work, path, &print, &text);
    adze_text_free(&text);
    return ok;
}
