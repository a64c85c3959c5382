/* adze compress: makes a model smaller and faster until a goal holds, and says what it costs. */
#include "compress/compress.h"
#include "compress/score.h"

#include <adze/channels.h>
#include <adze/temporary.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const adze_flag flags[] = {
    {"-o", "FILE", "where the result goes: .so, .onnx or .adz", ADZE_FLAG_TEXT, offsetof(compress_options, output)},
    {"--goal", "KIND<=BOUND", "size<=0.25x, weights<=0.3x, time<=0.5x, loss<=0.5%; repeatable (default loss<=1%)",
     ADZE_FLAG_LIST, offsetof(compress_options, goals)},
    {"--preset", "mobile|cloud|realtime", "loss<=1%: smallest; loss<=2%: smallest; loss<=0.5%: fastest",
     ADZE_FLAG_CHOICE, offsetof(compress_options, preset)},
    {"--data", "FILE.npz", "samples to measure on (default: those of --calib that are not calibrated on)",
     ADZE_FLAG_TEXT, offsetof(compress_options, data)},
    {"--metric", "NAME",
     "loss by: agreement (default without labels) top1 top5 ap50 cosine snr perplexity entropy", ADZE_FLAG_TEXT,
     offsetof(compress_options, metric)},
    {"--samples", "N", "to calibrate on (default 100, or half of fewer than 200), to measure on at most (all)",
     ADZE_FLAG_INT, offsetof(compress_options, samples)},
    {"--limit", "N", NULL, ADZE_FLAG_INT, offsetof(compress_options, limit)},
    {"--seed", "N", "of the choice of samples (default 1)", ADZE_FLAG_INT, offsetof(compress_options, seed)},
    {"--formats", "F,…", "that layers may have (default " COMPRESS_FORMATS ")", ADZE_FLAG_TEXT,
     offsetof(compress_options, formats)},
    {"--channels", "10%,…", "shares of work that pruning of channels may save, or none (default " COMPRESS_CHANNELS ")",
     ADZE_FLAG_TEXT, offsetof(compress_options, channels)},
    {"--weights", "auto|rtn|gptq|cd", "how weights are rounded (default auto: cd, gptq for w4 alone)", ADZE_FLAG_CHOICE,
     offsetof(compress_options, weights)},
    {"--clip", "absmax|mse|gram", "of weights (default gram; rtn: mse), of activations (mse)",
     ADZE_FLAG_CHOICE, offsetof(compress_options, clip)},
    {"--range", "minmax|percentile|mse|kl", NULL, ADZE_FLAG_CHOICE, offsetof(compress_options, range)},
    {"--minimize", "size|time", "what a bound on loss alone leaves open (default size)", ADZE_FLAG_CHOICE,
     offsetof(compress_options, minimize)},
    {"--swaps", "N", "neighbours of the best plan that are tried at most (default 6)", ADZE_FLAG_INT,
     offsetof(compress_options, swaps)},
    {"--allow-slower", NULL, "also formats that make a layer slower than it is in floats", ADZE_FLAG_BOOL,
     offsetof(compress_options, allow_slower)},
    {"--keep-tables", NULL, "tables of embeddings stay f32 (default: 8 bits, a scale a row)", ADZE_FLAG_BOOL,
     offsetof(compress_options, keep_tables)},
    {"--resume", NULL, "go on from OUT.search: with a search that was stopped, or with what --keep-search left",
     ADZE_FLAG_BOOL, offsetof(compress_options, resume)},
    {"--keep-search", NULL, "leave OUT.search, for other goals with --resume: nothing is measured twice",
     ADZE_FLAG_BOOL, offsetof(compress_options, keep_search)},
    {"--plan", "FILE", "no search: what this plan says; the file it was written for, byte for byte", ADZE_FLAG_TEXT,
     offsetof(compress_options, plan)},
    {"--replay", "FILE", NULL, ADZE_FLAG_TEXT, offsetof(compress_options, replay)},
    {"--from", "PLAN", "that plan on new data; what the statistics it kept count beside theirs (default 0.5)",
     ADZE_FLAG_TEXT, offsetof(compress_options, from)},
    {"--share", "0..1", NULL, ADZE_FLAG_NUMBER, offsetof(compress_options, share)},
    {"--keep-stats", NULL, "write OUT.stats, for updates --from=OUT.plan", ADZE_FLAG_BOOL,
     offsetof(compress_options, keep_stats)},
    {"--cache", "FILE", "where measured times are kept (default in ~/.cache/adze; none: nowhere); for how long (1)",
     ADZE_FLAG_TEXT, offsetof(compress_options, cache)},
    {"--seconds", "X", NULL, ADZE_FLAG_NUMBER, offsetof(compress_options, seconds)},
    ADZE_COMMON_FLAGS_WITHOUT_PASSES,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze compress IN.onnx|IN.adz -o OUT --calib=DATA [FLAGS]\n\n"
    "Gives each layer what keeps the goals. Leaves OUT.plan and OUT.report.json. Status 1: OUT misses a goal.\n\n"
    "Example: adze compress model.onnx -o model.so --calib=images.npz --goal='size<=0.3x,loss<=0.5%'\n";

static const int64_t NOT_GIVEN = INT64_MIN;
static const double SHARE_NOT_GIVEN = -1;

/* ---- Stopping ---- */

static volatile sig_atomic_t stopped;

static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
enum { N_STOPS = sizeof stops / sizeof *stops };
static struct sigaction old_stops[N_STOPS];

static void restore_stops(void)
{
    for (int i = 0; i < N_STOPS; i++) sigaction(stops[i], &old_stops[i], NULL);
}

/* A second one ends it, as if this had not been there. */
static void stop(int number)
{
    stopped = number;
    restore_stops();
}

static void watch_stops(void)
{
    struct sigaction action = {.sa_handler = stop};
    for (int i = 0; i < N_STOPS; i++) {
        sigaction(stops[i], NULL, &old_stops[i]);
        if (old_stops[i].sa_handler != SIG_IGN) sigaction(stops[i], &action, NULL);
    }
}

bool compress_stopped(void) { return stopped; }

/* ---- The command line ---- */

static int check_options(const compress_options *o)
{
    if (!o->output) return adze_usage_error("compress needs -o OUT");
    if (!o->common.calib) return adze_usage_error("compress needs --calib=DATA");
    if (!adze_has_suffix(o->output, ".so") && !adze_has_suffix(o->output, ".onnx") &&
        !adze_has_suffix(o->output, ".adz"))
        return adze_usage_error("%s: compress writes .so, .onnx and .adz", o->output);
    if (o->common.target && adze_common_is_reference(&o->common))
        return adze_usage_error("compress measures compiled code; the reference is none");
    if (o->plan && o->replay) return adze_usage_error("give --plan or --replay, not both");
    if ((o->resume || o->keep_search) && (o->plan || o->replay))
        return adze_usage_error("--%s is for a search; --plan and --replay are none",
                                o->resume ? "resume" : "keep-search");
    if (o->from && (o->plan || o->replay || o->resume || o->keep_search))
        return adze_usage_error("--from is an update; it takes no --plan, --replay, --resume or --keep-search");
    if (o->share != SHARE_NOT_GIVEN && !o->from)
        return adze_usage_error("--share says what old statistics count; give --from, too");
    if (o->share > 1) return adze_usage_error("--share takes a number from 0 to 1");
    if (o->replay && o->keep_stats) return adze_usage_error("--replay keeps no statistics");
    if (o->replay && o->goals.count) return adze_usage_error("--replay does not measure: it takes no --goal");
    if (o->samples < 0 || o->limit < 0 || o->swaps < 0 || (o->seed < 0 && o->seed != NOT_GIVEN))
        return adze_usage_error("--samples, --limit, --swaps and --seed take numbers of 0 or above");
    if (!(o->seconds > 0) || o->seconds > 3600)
        return adze_usage_error("--seconds takes a number above 0, and at most 3600");
    return 0;
}

/* ---- Files on the way ---- */

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return a && b && !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Can the files be written, and is none of them one that is read? Asked before the work, not behind it. */
static int check_places(adze_work *work, const compress_options *o, const char *input)
{
    static const char *const suffixes[] = {"", ".plan", ".report.json", ".search", ".stats"};
    const char *plan = adze_internf(work->context, "%s.plan", o->output);
    const char *slash = strrchr(o->output, '/');
    const char *folder = slash ? adze_internf(work->context, "%.*s", (int)(slash - o->output) + 1, o->output) : ".";
    if (is_same_file(o->output, input) || is_same_file(o->output, o->common.calib) ||
        is_same_file(o->output, o->data) || is_same_file(plan, o->from))
        return adze_usage_error("%s: the output would replace what is read", o->output);
    if (access(folder, W_OK | X_OK)) {
        adze_error(adze_loc_unknown(work->context), "%s: %s", folder, strerror(errno));
        return 1;
    }
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        const char *path = adze_internf(work->context, "%s%s", o->output, suffixes[i]);
        struct stat info;
        if (stat(path, &info) || S_ISREG(info.st_mode)) continue;
        adze_error(adze_loc_unknown(work->context), "%s: is there, and is no file that could be replaced", path);
        return 1;
    }
    return 0;
}

static bool make_folder(compress_job *job)
{
    const char *root = getenv("TMPDIR");
    adze_text path = {0};
    adze_text_append(&path, "%s/adze-compress-XXXXXX", root && *root ? root : "/tmp");
    adze_text_write(&path, "", 1);
    bool made = adze_temporary_folder(job->work->context, path.data);
    if (made) job->folder = adze_intern_z(job->work->context, path.data);
    adze_text_free(&path);
    return made ||
           adze_error(adze_loc_unknown(job->work->context), "cannot make a temporary folder: %s", strerror(errno));
}

static void remove_folder(const compress_job *job)
{
    if (!job->folder) return;
    DIR *folder = opendir(job->folder);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        if (e->d_name[0] == '.') continue;
        unlinkat(dirfd(folder), e->d_name, 0);
    }
    if (folder) closedir(folder);
    rmdir(job->folder);
    adze_temporary_forget(job->work->context, job->folder);
}

/* Where measured times are kept: by machine and version. NULL: nowhere. */
static const char *cache_path(adze_work *work, const char *flag)
{
    if (flag) return strcmp(flag, "none") ? flag : NULL;
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *root = cache && *cache ? cache : home && *home ? adze_internf(work->context, "%s/.cache", home) : NULL;
    if (!root) return NULL;
    const char *folder = adze_internf(work->context, "%s/adze", root);
    mkdir(root, 0777);
    mkdir(folder, 0777);
    return access(folder, W_OK) ? NULL : adze_internf(work->context, "%s/times-%016llx", folder,
                                                      (unsigned long long)compress_machine_hash(work->context));
}

/* ---- Steps ---- */

/* Statistics go by names: values without one would be other values once passes have added ops. */
void compress_name_values(adze_module *module, const char *prefix)
{
    uint32_t n = 0;
    adze_context *context = adze_module_context(module);
    for (adze_op *op = adze_region_first(adze_func_body(adze_module_main(module))); op; op = adze_op_next(op))
        for (uint32_t i = 0; i < adze_op_num_results(op); i++, n++)
            if (!adze_value_name(adze_op_result(op, i)))
                adze_value_set_name(adze_op_result(op, i), adze_internf(context, "%s%u", prefix, n));
}

/* Plans go by names that passes keep: contractions without a node get one, of their weights. */
static void name_layers(adze_module *module)
{
    enum { WEIGHTS = 1 };
    for (adze_op *op = adze_region_first(adze_func_body(adze_module_main(module))); op; op = adze_op_next(op)) {
        bool any = adze_op_has_trait(op, ADZE_CONTRACTION) && adze_op_num_operands(op) > WEIGHTS;
        const adze_ir_value *weights = any ? adze_op_operand(op, WEIGHTS) : NULL;
        const adze_const *constant = weights ? adze_value_const(weights) : NULL;
        if (constant && !adze_op_num_nodes(op)) adze_op_add_node(op, adze_const_name(constant));
    }
}

static bool simplify(compress_job *job)
{
    if (!adze_work_run_passes(job->work, &job->options->common, "simplify", NULL, job->module)) return false;
    compress_name_values(job->module, "v");
    name_layers(job->module);
    return true;
}

static bool show(void *self, double part, const char *detail)
{
    adze_progress_update(self, part, detail);
    return !stopped;
}

static bool collect(compress_job *job)
{
    const char *path = adze_internf(job->work->context, "%s/model.stats", job->folder);
    adze_progress *bar = adze_progress_begin(job->work, "calibrate");
    adze_collect_options how = {.struct_size = sizeof how,
                                .gram = adze_layer_settings_need_gram(&job->settings),
                                .max_memory = job->options->common.max_memory,
                                .partial = adze_internf(job->work->context, "%s.part", path),
                                .progress = show,
                                .self = bar};
    job->stats = adze_stats_collect(job->work->registry, job->module, NULL, 0, &job->samples.calibration.view, &how);
    adze_progress_end(bar);
    job->settings.stats = path;
    return job->stats && adze_stats_save(job->stats, path);
}

/* Are the plan's lines `channels` about this model? */
static bool check_channels(const compress_job *job, const adze_layer_plan *plan, const char *path)
{
    adze_channels *channels = adze_channels_find(job->module);
    bool ok = channels && adze_channels_read_plan(channels, plan, path, NULL);
    adze_channels_free(channels);
    return ok;
}

/* Model, samples, statistics, layers. `plan`, which lies at `path`, may be NULL. 0, or the exit status. */
static int prepare(compress_job *job, const adze_layer_plan *plan, const char *path)
{
    const compress_options *o = job->options;
    job->module = adze_work_read(job->work, &o->common, job->input);
    if (!job->module || !adze_module_main(job->module) || !simplify(job)) return 1;
    if (plan && adze_layer_plan_num_cuts(plan) && !check_channels(job, plan, path)) return 1;
    if (!compress_samples_open(&job->samples, job->work, o, job->module, job->input)) return 1;
    int status = compress_metric_choose(job);
    if (status) return status;
    if (!make_folder(job) || !collect(job)) return 1;
    job->n_layers = adze_layers_find(job->module, job->stats, &job->layers);
    if (job->n_layers) return compress_update_merge(job) ? 0 : 1;
    adze_error(adze_loc_unknown(job->work->context),
               "%s: no layer has constant f32 weights, so there is nothing to compress", job->input);
    return 1;
}

/* Names the first entry of a plan that no layer answers to. */
static bool check_entries(const compress_job *job, const adze_layer_plan *plan, const char *path)
{
    uint32_t n = adze_layer_plan_count(plan);
    bool *found = calloc(n + 1u, 1), ok = found || adze_error(adze_loc_unknown(job->work->context), "out of memory");
    for (uint32_t i = 0; ok && i < job->n_layers; i++) {
        int64_t index = adze_layer_plan_find(plan, job->layers[i].op);
        if (index >= 0) found[index] = true;
    }
    for (uint32_t k = 0; ok && k < n; k++) {
        adze_nearest nearest = {.wanted = adze_layer_plan_name(plan, k)};
        char hint[256];
        for (uint32_t i = 0; !found[k] && i < job->n_layers; i++) adze_nearest_offer(&nearest, job->layers[i].name);
        if (!found[k])
            ok = adze_error(adze_loc_unknown(job->work->context), "%s: the model has no layer '%s'%s", path,
                            nearest.wanted, adze_nearest_ask(&nearest, hint, sizeof hint));
    }
    free(found);
    return ok;
}

/* The format that a plan gives to a layer, as a place among the job's; formats are added as they come. */
static bool find_format(compress_job *job, const adze_layer_plan *plan, const char *path, uint32_t layer,
                        uint32_t *out_format)
{
    int64_t index = adze_layer_plan_find(plan, job->layers[layer].op);
    adze_format format = index < 0 ? job->formats[0] : adze_layer_plan_format(plan, (uint32_t)index);
    if (!compress_add_format(job, format, out_format)) return false;
    if (compress_takes(job, layer, *out_format)) return true;
    adze_text text = {0};
    adze_format_print(format, &text);
    adze_error(adze_loc_unknown(job->work->context), "%s: layer '%s' does not take the format %s", path,
               job->layers[layer].name, text.data);
    adze_text_free(&text);
    return false;
}

/* The choice that a plan states; the formats that it names are all that there are. */
static uint32_t *read_plan(compress_job *job, const char *path, const adze_layer_plan *plan)
{
    uint32_t *chosen = adze_malloc((job->n_layers + 1u) * sizeof *chosen);
    bool ok = check_entries(job, plan, path);
    job->n_formats = 1;
    for (uint32_t i = 0; ok && i < job->n_layers; i++) ok = find_format(job, plan, path, i, &chosen[i]);
    ok = ok && compress_level_of_plan(job, plan, &chosen[job->n_layers]);
    if (ok) return chosen;
    free(chosen);
    return NULL;
}

/* Settings that no flag gives are those that the plan was made with. */
static void complete(compress_options *o, const adze_layer_plan *plan)
{
    const char *samples = plan ? adze_layer_plan_get(plan, "samples") : NULL;
    const char *seed = plan ? adze_layer_plan_get(plan, "seed") : NULL;
    if (plan && !o->weights) o->weights = adze_layer_plan_get(plan, "weights");
    if (plan && !o->clip) o->clip = adze_layer_plan_get(plan, "clip");
    if (plan && !o->range) o->range = adze_layer_plan_get(plan, "range");
    const char *tables = plan ? adze_layer_plan_get(plan, "tables") : NULL;
    if (tables && !strcmp(tables, "f32")) o->keep_tables = true;
    if (samples && !o->samples && !o->from) o->samples = strtoll(samples, NULL, 10);
    if (seed && o->seed == NOT_GIVEN) o->seed = strtoll(seed, NULL, 10);
    if (o->samples < 0) o->samples = 0;
    if (o->seed < 0) o->seed = 1;
    if (!o->weights) o->weights = "auto";
    if (!o->clip) o->clip = strcmp(o->weights, "rtn") ? "gram" : "mse";
    if (!o->range) o->range = "mse";
}

static bool follow_plan(compress_job *job, const adze_layer_plan *plan)
{
    bool update = job->options->from;
    uint32_t *chosen = read_plan(job, update ? job->options->from : job->options->plan, plan);
    bool ok = chosen && (update ? compress_update_try(job, chosen) : compress_try(job, chosen, NULL) != NULL);
    free(chosen);
    return ok;
}

/* ---- Replay ---- */

static bool differs(const compress_job *job, const char *what)
{
    return adze_error(adze_loc_unknown(job->work->context), "%s: %s", job->options->replay, what);
}

/* The result stands under its name only if it has the bytes that the plan promises. It is compared under the name that
 * it had, since text names the file of its constants. */
static bool make_again(compress_job *job, const adze_layer_plan *plan, const adze_layer_plan *from)
{
    adze_context *context = job->work->context;
    const char *was = adze_layer_plan_get(from, "result"), *slash = strrchr(was, '/'), *name = slash ? slash + 1 : was;
    const char *dot = strrchr(name, '.'), *mine = strrchr(job->options->output, '.');
    if (!dot || strcmp(dot, mine) != 0)
        return differs(job, adze_internf(context, "it was written for a file %s, not for %s", dot ? dot : name, mine));
    const char *file = adze_internf(context, "%s/%s", job->folder, name);
    uint64_t is = 0, bytes = 0;
    adze_module *module = compress_apply(job, plan, false, file, NULL);
    bool ok = module && compress_hash_file(job->work, file, &is, &bytes);
    adze_module_destroy(module);
    if (!ok) return false;
    const char *hash = adze_internf(context, "%016llx %llu", (unsigned long long)is, (unsigned long long)bytes);
    if (strcmp(hash, adze_layer_plan_get(from, "result-hash")) != 0)
        return differs(job,
                       "the result has other bytes than the one it was written for: the plan was edited, or it was "
                       "made by another version, or on a processor of another level");
    module = compress_apply(job, plan, false, job->options->output, NULL);
    adze_module_destroy(module);
    if (module) printf("%s: %llu bytes, as promised\n", job->options->output, (unsigned long long)bytes);
    return module;
}

/* What the plan says it was made with, in place of flags. */
static bool take_settings(compress_options *o, const adze_layer_plan *plan)
{
    const char *separate = adze_layer_plan_get(plan, "separate");
    if (!adze_layer_plan_get(plan, "samples") || !adze_layer_plan_get(plan, "seed") || !separate ||
        !adze_layer_plan_get(plan, "result-hash") || !adze_layer_plan_get(plan, "result") ||
        !adze_layer_plan_get(plan, "target") || !adze_layer_plan_get(plan, "precision"))
        return false;
    o->weights = o->clip = o->range = NULL;
    o->keep_tables = false;
    o->samples = 0;
    o->seed = NOT_GIVEN;
    complete(o, plan);
    o->common.precision = adze_layer_plan_get(plan, "precision");
    o->common.target = adze_layer_plan_get(plan, "target");
    o->data = strcmp(separate, "yes") ? NULL : o->common.calib; /* nothing is measured: any data will do */
    return true;
}

static bool is_same(const compress_job *job, const adze_layer_plan *plan, const char *key, uint64_t hash,
                    const char *what)
{
    const char *was = adze_layer_plan_get(plan, key);
    const char *is = adze_internf(job->work->context, "%016llx", (unsigned long long)hash);
    return (was && !strcmp(is, was)) || differs(job, what);
}

static int replay(compress_job *job, const adze_layer_plan *plan)
{
    uint64_t hash, bytes;
    if (!compress_hash_file(job->work, job->input, &hash, &bytes) ||
        !is_same(job, plan, "model-hash", hash, "it was made for another model"))
        return 1;
    if (!compress_update_open_again(job, plan, job->options->replay)) return 1;
    int status = prepare(job, plan, job->options->replay);
    if (status) return status;
    if (!is_same(job, plan, "calibration-hash", job->samples.calibration.view.fingerprint,
                 "it was made with other calibration data"))
        return 1;
    uint32_t *chosen = read_plan(job, job->options->replay, plan);
    adze_layer_plan *exact = chosen ? compress_plan_of(job, chosen) : NULL;
    bool ok = exact && make_again(job, exact, plan);
    adze_layer_plan_destroy(exact);
    free(chosen);
    return ok ? 0 : 1;
}

/* ---- All ---- */

static int compress(compress_job *job, const adze_layer_plan *plan)
{
    if (job->options->from && !compress_update_open(job, plan, job->options->from)) return 1;
    int status = prepare(job, plan, job->options->from ? job->options->from : job->options->plan);
    if (status) return status;
    if (!compress_measure_original(job)) return 1;
    if (!(plan ? follow_plan(job, plan) : compress_search(job))) return 1;
    bool held = compress_holds(job, &job->trials[job->best]);
    if (!compress_write(job, held)) return 1;
    job->written = true;
    compress_print(job);
    return held && !compress_update_is_worse(job) ? 0 : 1;
}

static void free_job(compress_job *job, bool done)
{
    uint64_t n = job->answers ? job->samples.held.view.count * job->original.n_outputs : 0;
    for (uint64_t i = 0; i < n; i++) {
        free((void *)job->answers[i].dims);
        free(job->answers[i].data);
    }
    free(job->answers);
    for (uint32_t i = 0; i < job->n_trials; i++) compress_trial_free(&job->trials[i]);
    for (uint32_t i = 0; i < job->n_refused; i++) free(job->refused[i].chosen);
    compress_score_free(&job->original_score);
    for (uint32_t i = 0; i < COMPRESS_METHODS; i++) adze_mixes_free(&job->fronts[i]);
    compress_state_close(job, done);
    compress_free_levels(job);
    compress_update_free(&job->update);
    free(job->formats);
    free(job->probes);
    free(job->losses);
    free(job->overheads);
    free(job->seconds);
    free(job->reasons);
    adze_layers_free(job->layers);
    adze_stats_destroy(job->stats);
    if (job->original.work) adze_device_close(&job->original);
    compress_samples_free(&job->samples);
    adze_module_destroy(job->module);
    remove_folder(job);
}

/* The plan of --plan, --replay or --from, if any, says how the rest is to be understood. */
static int run_with(adze_work *work, compress_options *o, const char *input)
{
    const char *path = o->plan ? o->plan : o->replay ? o->replay : o->from;
    adze_layer_plan *plan = path ? adze_layer_plan_load(work->context, path) : NULL;
    if (path && !plan) return 1;
    compress_job job = {.options = o, .work = work, .input = input};
    int status = compress_goals_parse(work->context, o, &job.goals);
    if (!status) status = compress_parse_formats(&job);
    if (!status) status = compress_parse_channels(&job);
    if (!status) status = check_places(work, o, input);
    if (!status && o->replay && !take_settings(o, plan))
        status = !differs(&job, "it lacks the settings that adze compress writes; see --plan");
    complete(o, plan);
    job.settings = (adze_layer_settings){
        .struct_size = sizeof job.settings, .weights = o->weights, .clip = o->clip, .range = o->range};
    if (!status) status = o->replay ? replay(&job, plan) : compress(&job, plan);
    if (!job.written && job.state.open)
        fprintf(stderr, "%s keeps what was measured; --resume goes on\n", job.state.path);
    free_job(&job, job.written && !o->keep_search);
    adze_layer_plan_destroy(plan);
    return status;
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    compress_options o = *(const compress_options *)given;
    (void)n_files;
    int status = check_options(&o);
    if (status) return status;
    o.cache = cache_path(work, o.cache);
    work->no_remarks = true;
    watch_stops();
    status = run_with(work, &o, files[0]);
    restore_stops();
    if (stopped) fprintf(stderr, "stopped\n");
    return status;
}

static const compress_options defaults = {.common = ADZE_COMMON_START, .seed = INT64_MIN, .swaps = 6, .share = -1,
                                          .seconds = 1};

const adze_command adze_command_compress = {
    .name = "compress",
    .summary = "make a model smaller and faster until a goal holds",
    .usage = usage,
    .flags = flags,
    .defaults = &defaults,
    .options_size = sizeof(compress_options),
    .files_min = 1,
    .files_max = 1,
    .takes = "one model",
    .run = run,
};
