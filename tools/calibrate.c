/* adze calibrate: statistics of a model's values on calibration data, and what a file of them holds. */
#include "calibration.h"

#include <adze/stats.h>

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    adze_common common;
    const char *output;
    int64_t samples, batch;
    double every;
    bool gram, resume;
} options;

static const adze_flag flags[] = {
    {"-o", "FILE", "where the statistics go", ADZE_FLAG_TEXT, offsetof(options, output)},
    {"--samples", "N", "take the first N samples", ADZE_FLAG_INT, offsetof(options, samples)},
    {"--batch", "N", "samples a run, where the model lets one choose", ADZE_FLAG_INT, offsetof(options, batch)},
    {"--gram", NULL, "Gram matrices of what convolutions and products read, too", ADZE_FLAG_BOOL,
     offsetof(options, gram)},
    {"--resume", NULL, "go on with a run that was stopped", ADZE_FLAG_BOOL, offsetof(options, resume)},
    {"--every", "SECONDS", "how often the state is saved (default 30)", ADZE_FLAG_NUMBER, offsetof(options, every)},
    ADZE_COMMON_FLAGS,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze calibrate IN.onnx|IN.adz --calib=DATA -o OUT.stats [FLAGS]\n"
    "       adze calibrate IN.stats\n\n"
    "Runs IN, simplified, on calibration data and writes statistics of its values: ranges, histograms, moments of\n"
    "channels, with --gram also Gram matrices. Passes read them (stats=FILE). DATA needs no labels: an .npz with an\n"
    "array for each input, samples first; a folder with NAME.npy for each input; or, for a model with one input, a\n"
    "folder with a file for each sample, which are read one by one. A run that is stopped (Ctrl-C) leaves OUT.part,\n"
    "and --resume goes on with it. With a file of statistics it prints what that holds.\n\n"
    "Example: adze calibrate model.onnx --calib=images.npz -o model.stats --samples=200\n";

/* ---- A file of statistics ---- */

static uint64_t dead_channels(const adze_value_stats *s)
{
    uint64_t dead = 0;
    for (uint64_t i = 0; i < s->channels.n; i++) dead += s->channels.count[i] && s->channels.abs_max[i] == 0;
    return dead;
}

static void print_value(const adze_value_stats *s)
{
    printf("%12.6g %12.6g %12.6g %12.6g %8llu %6llu %10llu  %s\n", s->min, s->max, s->mean, sqrt(s->variance),
           (unsigned long long)s->channels.n, (unsigned long long)dead_channels(s),
           (unsigned long long)(s->n_nan + s->n_infinite), s->name);
}

static void print_totals(const adze_stats *stats)
{
    uint64_t n_channels = 0, dead = 0;
    for (uint32_t i = 0; i < adze_stats_num_values(stats); i++) {
        const adze_value_stats *s = adze_stats_value(stats, i);
        n_channels += s->channels.n;
        dead += dead_channels(s);
    }
    printf("values      %8u\n", adze_stats_num_values(stats));
    printf("channels    %8llu  (%llu dead: zero in all samples)\n", (unsigned long long)n_channels,
           (unsigned long long)dead);
    if (adze_stats_num_grams(stats)) printf("gram        %8u\n", adze_stats_num_grams(stats));
    printf("samples     %8llu\n", (unsigned long long)adze_stats_samples(stats));
}

static int show(const adze_work *work, const char *path)
{
    adze_stats *stats = adze_stats_load(work->context, path);
    if (!stats) return 1;
    printf("%12s %12s %12s %12s %8s %6s %10s  %s\n", "min", "max", "mean", "deviation", "channels", "dead",
           "not finite", "value");
    for (uint32_t i = 0; i < adze_stats_num_values(stats); i++) print_value(adze_stats_value(stats, i));
    if (adze_stats_num_grams(stats)) printf("\n%8s %8s %12s  %s\n", "size", "groups", "rows", "Gram matrix");
    for (uint32_t i = 0; i < adze_stats_num_grams(stats); i++) {
        const adze_gram *g = adze_stats_gram_at(stats, i);
        printf("%8llu %8u %12llu  %s %s\n", (unsigned long long)g->size, g->n_groups, (unsigned long long)g->rows[0],
               g->name, g->window);
    }
    printf("\n");
    print_totals(stats);
    adze_stats_destroy(stats);
    return 0;
}

/* ---- A run ---- */

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static bool progress(void *self, double part, const char *detail)
{
    adze_progress_update(self, part, detail);
    return !stopped;
}

/* What makes statistics of little use, though it is no error. */
static void warn(const adze_work *work, const options *o, const adze_stats *stats, const adze_calibration_files *files)
{
    adze_loc loc = adze_loc_unknown(work->context);
    if (adze_stats_samples(stats) == 1 && files->set.count <= 1) /* a run of many is one here, too */
        adze_warning(loc, "%s: there is one sample; ranges of other inputs will be wider", o->common.calib);
    for (uint32_t i = 0; i < adze_stats_num_values(stats); i++) {
        const adze_value_stats *s = adze_stats_value(stats, i);
        uint64_t bad = s->n_nan + s->n_infinite;
        if (bad)
            adze_warning(loc, "value '%s': %llu of its elements were NaN or infinite and do not count", s->name,
                         (unsigned long long)bad);
        if (s->count && s->min == 0 && s->max == 0) adze_warning(loc, "value '%s' was zero in all samples", s->name);
    }
}

static adze_stats *collect(adze_work *work, const options *o, const adze_module *module,
                           const adze_calibration_files *files, const char *part)
{
    double model = 0, start = adze_now();
    adze_progress *bar = adze_progress_begin(work, "calibrate");
    adze_collect_options how = {.struct_size = sizeof how,
                                .gram = o->gram,
                                .resume = o->resume,
                                .max_memory = o->common.max_memory,
                                .partial = part,
                                .every = o->every,
                                .progress = progress,
                                .self = bar,
                                .out_model_seconds = &model};
    struct sigaction action = {.sa_handler = stop}, old;
    sigaction(SIGINT, &action, &old);
    adze_stats *stats = adze_stats_collect(work->registry, module, NULL, 0, &files->view, &how);
    sigaction(SIGINT, &old, NULL);
    adze_progress_end(bar);
    if (stats)
        fprintf(stderr, "%.2f s, %.2f s of them in the model on %s\n", adze_now() - start, model,
                adze_registry_engine(work->registry)->name);
    if (stopped) fprintf(stderr, "stopped; --resume goes on with %s\n", part);
    return stats;
}

/* The module is simplified, the files are opened. */
static bool calibrate(adze_work *work, const options *o, const char *path, adze_module *module,
                      adze_calibration_files *files)
{
    /* Simplified, as passes see it when they read statistics. */
    if (!adze_work_run_passes(work, &o->common, "simplify", NULL, module) ||
        !adze_calibration_open(files, work, module, path, o->common.calib, o->samples, o->batch))
        return false;
    if (!work->engine.name && !(o->common.target && adze_common_is_reference(&o->common)))
        fprintf(stderr, "there is no backend for this machine: calibrating on the reference, which is slow\n");
    const char *part = adze_internf(work->context, "%s.part", o->output);
    adze_stats *stats = collect(work, o, module, files, part);
    bool ok = stats && adze_stats_save(stats, o->output);
    if (ok) {
        warn(work, o, stats, files);
        print_totals(stats);
    }
    adze_stats_destroy(stats);
    return ok;
}

static int run(adze_work *work, const void *given, char **paths, int n_paths)
{
    const options *o = given;
    (void)n_paths;
    if (!o->common.calib && adze_has_suffix(paths[0], ".stats")) return show(work, paths[0]);
    if (!o->common.calib) return adze_usage_error("calibrate needs --calib=DATA");
    if (!o->output) return adze_usage_error("calibrate needs -o OUT.stats");
    if (o->samples < 0 || o->batch < 0) return adze_usage_error("--samples and --batch take positive numbers");
    adze_calibration_files files = {0};
    adze_module *module = adze_work_read(work, &o->common, paths[0]);
    bool ok = module && calibrate(work, o, paths[0], module, &files);
    adze_calibration_close(&files);
    adze_module_destroy(module);
    return ok ? 0 : 1;
}

const adze_command adze_command_calibrate = {
    .name = "calibrate",
    .summary = "statistics of a model's values, for passes that compress",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .files_min = 1,
    .files_max = 1,
    .takes = "one model or one file of statistics",
    .run = run,
};
