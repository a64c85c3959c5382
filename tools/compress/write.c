/* What adze compress tells and leaves: tables, the result, its plan. */
#include "compress.h"

#include <adze/table.h>
#include <adze/version.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const compress_trial *best_of(const compress_job *job) { return &job->trials[job->best]; }

static const char *format_text(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format, char *room,
                               size_t size)
{
    adze_text text = {0};
    adze_format_print(compress_format(job, level, layer, format), &text);
    snprintf(room, size, "%s", text.data);
    adze_text_free(&text);
    return room;
}

/* ---- Tables ---- */

static void print_layers(const compress_job *job)
{
    const compress_trial *best = best_of(job);
    uint32_t level = best->chosen[job->n_layers];
    if (!job->probes) return;
    printf("%-14s %11s %9s %10s %10s %10s  %s\n", "format", "bytes", "error dB", "loss", "us", "float us", "layer");
    for (uint32_t i = 0; i < job->n_layers; i++) {
        char format[32], error[32] = "-";
        uint32_t f = best->chosen[i];
        size_t first = (size_t)i * job->n_formats;
        const adze_probe *p = &job->probes[first + f];
        if (f && p->error > 0) snprintf(error, sizeof error, "%.1f", -10 * log10(p->error));
        printf("%-14s %11llu %9s %10.3g %10.4g %10.4g  %s\n", format_text(job, level, i, f, format, sizeof format),
               (unsigned long long)compress_bytes(job, level, i, f), error, job->losses[first + f],
               1e6 * compress_seconds(job, level, i, f), 1e6 * job->seconds[first], job->layers[i].name);
    }
    printf("\n");
}

/* What is left of groups of channels. */
static void print_cuts(const compress_job *job)
{
    const compress_level *level = &job->levels[best_of(job)->chosen[job->n_layers]];
    for (uint32_t i = 0; i < level->n_cuts; i++)
        printf("channels %s: %llu%s%s\n", level->cuts[i].name, (unsigned long long)level->cuts[i].keep,
               level->cuts[i].note ? " " : "", level->cuts[i].note ? level->cuts[i].note : "");
    if (level->n_cuts) printf("\n");
}

/* Why layers stayed float though they take a format. */
static void print_reasons(const compress_job *job)
{
    const compress_trial *best = best_of(job);
    uint32_t level = best->chosen[job->n_layers];
    for (uint32_t i = 0; i < job->n_layers && job->reasons; i++) {
        bool any = false;
        for (uint32_t f = 1; f < job->n_formats && !best->chosen[i]; f++) {
            const char *reason = job->reasons[(size_t)i * job->n_formats + f];
            char format[32];
            bool plain = job->formats[f].structure == ADZE_DENSE; /* -v: all of them */
            if (!reason || !compress_takes(job, i, f) || (!plain && !job->options->common.verbose)) continue;
            if (any)
                printf("; ");
            else
                printf("layer %s: ", job->layers[i].name);
            printf("not %s, %s", format_text(job, level, i, f, format, sizeof format), reason);
            any = true;
        }
        if (any) printf("\n");
    }
}

const char *compress_method(const compress_job *job, adze_format format)
{
    const char *weights = job->settings.weights;
    if (format.kind == ADZE_FORMAT_FLOAT || format.kind == ADZE_FORMAT_CAST) return NULL;
    if (strcmp(weights, "auto") != 0) return weights;
    return format.kind == ADZE_FORMAT_WEIGHTS ? "gptq" : "cd";
}

static void print_score(const compress_job *job, const compress_trial *best)
{
    const adze_metric *m = job->metric.metric;
    double low, high;
    bool paired = job->metric.kind == COMPRESS_POINTS;
    compress_interval(job, &best->score, paired ? &job->original_score : NULL, &low, &high);
    printf("%-10s %.*f %s", m->name, (int)m->digits, best->score.value, m->unit);
    if (m->labels)
        printf(" (original %.*f%s%s)", (int)m->digits, job->original_score.value, *m->unit ? " " : "", m->unit);
    if ((job->metric.kind == COMPRESS_SHARE || paired) && !isnan(low))
        printf(", 95 %% interval%s %.2f to %.2f", paired ? " of the difference" : "", low, high);
    printf(", %u samples\n", best->score.n);
    if (!isnan(best->snr.value)) printf("%-10s %.2f dB\n", "snr", best->snr.value);
}

void compress_print(const compress_job *job)
{
    const compress_trial *best = best_of(job);
    print_layers(job);
    print_cuts(job);
    print_reasons(job);
    printf("%-10s %.3fx  %llu bytes, original %llu\n", "size", compress_reached(job, best, COMPRESS_SIZE),
           (unsigned long long)best->bytes, (unsigned long long)job->original_bytes);
    printf("%-10s %.3fx  %llu bytes, original %llu\n", "weights", compress_reached(job, best, COMPRESS_WEIGHTS),
           (unsigned long long)best->weight_bytes, (unsigned long long)job->original_weight_bytes);
    printf("%-10s %.3fx  %.4g ms, original %.4g ms\n", "time", compress_reached(job, best, COMPRESS_TIME),
           1e3 * best->seconds, 1e3 * best->against);
    print_score(job, best);
    for (uint32_t i = 0; i < job->goals.count; i++) {
        const compress_goal *g = &job->goals.items[i];
        double reached = compress_reached(job, best, g->kind);
        bool held = compress_holds_goal(job, best, g);
        const char *text = g->kind == COMPRESS_LOSS ? compress_loss_text(job, reached)
                                                    : adze_internf(job->work->context, "%.4gx", reached);
        printf("goal %s: %s, %s\n", g->text, text, held ? "held" : "not held");
        double rest = (double)best->bytes - (double)best->weight_bytes;
        if (g->kind == COMPRESS_SIZE && !held && rest > g->bound * (double)job->original_bytes)
            printf("  %.3fx is code, tables and the rest, without any weights; weights<=… bounds weights alone\n",
                   rest / (double)job->original_bytes);
    }
    compress_update_print(job);
}

/* ---- Plans ---- */

static void set(adze_layer_plan *plan, adze_context *context, const char *key, const char *format, ...)
    ADZE_PRINTF(4, 5);

static void set(adze_layer_plan *plan, adze_context *context, const char *key, const char *format, ...)
{
    char *text = NULL;
    va_list rest;
    va_start(rest, format);
    int size = vasprintf(&text, format, rest);
    va_end(rest);
    if (size > 0) adze_layer_plan_set(plan, key, adze_intern(context, text, (size_t)size));
    if (size >= 0) free(text);
}

bool compress_sign(compress_job *job, adze_layer_plan *plan, const char *result)
{
    adze_context *context = job->work->context;
    const compress_options *o = job->options;
    uint64_t hash, bytes, source, source_bytes;
    if (!compress_hash_file(job->work, result, &hash, &bytes) ||
        !compress_hash_file(job->work, job->input, &source, &source_bytes))
        return false;
    const adze_target *target = adze_work_target(job->work, &o->common);
    if (!target) return false;
    set(plan, context, "adze", "%s", ADZE_VERSION);
    set(plan, context, "model", "%s", job->input);
    set(plan, context, "model-hash", "%016" PRIx64, source);
    set(plan, context, "calibration-hash", "%016" PRIx64, job->samples.calibration.view.fingerprint);
    set(plan, context, "samples", "%llu", (unsigned long long)job->samples.calibration.view.count);
    set(plan, context, "separate", "%s", o->data ? "yes" : "no");
    set(plan, context, "seed", "%lld", (long long)o->seed);
    set(plan, context, "weights", "%s", o->weights);
    set(plan, context, "tables", "%s", o->keep_tables ? "f32" : "w8");
    set(plan, context, "clip", "%s", o->clip);
    set(plan, context, "range", "%s", o->range);
    set(plan, context, "target", "%s:%s", adze_target_name(target), adze_target_level(target));
    set(plan, context, "precision", "%s", o->common.precision ? o->common.precision : "f32");
    set(plan, context, "result", "%s", strrchr(o->output, '/') ? strrchr(o->output, '/') + 1 : o->output);
    set(plan, context, "result-hash", "%016" PRIx64 " %" PRIu64, hash, bytes);
    return compress_update_sign(job, plan);
}

/* Each layer's note: what was measured. */
static void note_layers(const compress_job *job, adze_layer_plan *plan)
{
    const compress_trial *best = best_of(job);
    uint32_t level = best->chosen[job->n_layers];
    for (uint32_t i = 0; i < job->n_layers; i++) {
        const char *note = NULL;
        if (!compress_layer_at(job, level, i)->rows) continue; /* dropped */
        size_t first = (size_t)i * job->n_formats, at = first + best->chosen[i];
        if (job->probes)
            note =
                adze_internf(job->work->context, "%llu bytes, error %.3g, loss %.3g, %.4g us (f32 %.4g us)",
                             (unsigned long long)compress_bytes(job, level, i, best->chosen[i]),
                             job->probes[at].error, job->losses[at],
                             1e6 * compress_seconds(job, level, i, best->chosen[i]),
                             1e6 * job->seconds[first]);
        adze_layer_plan_put(plan, job->layers[i].name, compress_format(job, level, i, best->chosen[i]), note);
    }
}

bool compress_write(compress_job *job, bool held)
{
    const char *output = job->options->output, *path = adze_internf(job->work->context, "%s.plan", output);
    adze_layer_plan *plan = compress_plan_of(job, best_of(job)->chosen);
    adze_module *module = compress_apply(job, plan, false, output, NULL);
    adze_module_destroy(module);
    note_layers(job, plan);
    adze_text text = {0};
    adze_print_options print = {.struct_size = sizeof print};
    bool ok = module && compress_sign(job, plan, output);
    if (ok) adze_layer_plan_print(plan, &text);
    ok = ok && adze_write_printed(job->work, path, &print, &text) &&
         compress_write_report(job, adze_internf(job->work->context, "%s.report.json", output), held);
    adze_text_free(&text);
    adze_layer_plan_destroy(plan);
    return ok;
}
