/* Updates: the plan of an earlier run on new data, with the statistics that this one kept weighted in.
 *
 * Formats stay; ranges and weights are fitted anew, to both. The result is measured beside what the old statistics
 * alone make of the same plan.
 */
#include "compress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLD_TRIAL, NEW_TRIAL }; /* their places among the job's */

static bool fail(const compress_job *job, const char *path, const char *what)
{
    return adze_error(adze_loc_unknown(job->work->context), "%s: %s", path, what);
}

/* ---- The old statistics ---- */

static const char *hash_text(adze_context *context, uint64_t hash, uint64_t bytes)
{
    return adze_internf(context, "%016llx %llu", (unsigned long long)hash, (unsigned long long)bytes);
}

/* Is the file the one that the plan was written with? */
static bool check_file(compress_job *job, const char *plan, const char *was)
{
    uint64_t hash, bytes;
    adze_context *context = job->work->context;
    if (!compress_hash_file(job->work, job->update.path, &hash, &bytes)) return false;
    job->update.hash = hash_text(context, hash, bytes);
    return !strcmp(job->update.hash, was) ||
           fail(job, job->update.path, adze_internf(context, "not the statistics that %s was written with", plan));
}

bool compress_update_open(compress_job *job, const adze_layer_plan *plan, const char *path)
{
    adze_context *context = job->work->context;
    const char *name = adze_layer_plan_get(plan, "stats"), *was = adze_layer_plan_get(plan, "stats-hash");
    const char *model = adze_layer_plan_get(plan, "model-hash"), *slash = strrchr(path, '/');
    uint64_t hash, bytes;
    if (!name || !was || !model)
        return fail(job, path, "it names no statistics to weight in: compress the old data once more with "
                               "--keep-stats (--plan=, no search)");
    if (!compress_hash_file(job->work, job->input, &hash, &bytes)) return false;
    if (strcmp(model, adze_internf(context, "%016llx", (unsigned long long)hash)) != 0)
        return fail(job, path, "it was made for another model");
    double share = job->options->share;
    job->update = (compress_update){.plan = path, .share = share < 0 ? 0.5 : share};
    job->update.path = slash ? adze_internf(context, "%.*s%s", (int)(slash - path) + 1, path, name) : name;
    return check_file(job, path, was);
}

bool compress_update_open_again(compress_job *job, const adze_layer_plan *plan, const char *path)
{
    const char *file = adze_layer_plan_get(plan, "update-stats"), *was = adze_layer_plan_get(plan, "update-hash");
    const char *share = adze_layer_plan_get(plan, "update-share");
    char *end;
    if (!file && !was && !share) return true;
    if (!file || !was || !share) return fail(job, path, "it says of an update, but not which");
    job->update = (compress_update){.plan = path, .path = file, .share = adze_text_to_double(share, &end)};
    if (end == share || *end || !(job->update.share >= 0 && job->update.share <= 1))
        return fail(job, path, "its update-share is no number between 0 and 1");
    return check_file(job, path, was);
}

static void take_range(const adze_value_stats *s, double *out)
{
    out[0] = s && s->count ? s->min : NAN;
    out[1] = s && s->count ? s->max : NAN;
}

/* Of what each layer reads, from place `first` on. */
static void take_ranges(compress_job *job, const adze_stats *stats, uint32_t first)
{
    for (uint32_t i = 0; i < job->n_layers; i++) {
        const adze_value_stats *s = adze_stats_of(job->stats, adze_op_operand(job->layers[i].op, 0));
        take_range(s ? adze_stats_find(stats, s->name) : NULL, &job->update.ranges[i][first]);
    }
}

bool compress_update_merge(compress_job *job)
{
    compress_update *u = &job->update;
    if (!u->plan) return true;
    adze_stats *old = adze_stats_load(job->work->context, u->path);
    if (!old) return false;
    bool ok = true;
    if (adze_stats_num_grams(job->stats) && !adze_stats_num_grams(old))
        ok = fail(job, u->path, "there are no Gram matrices in it, which --weights and --clip as given now need");
    u->ranges = adze_malloc((job->n_layers + 1u) * sizeof *u->ranges);
    u->samples = adze_stats_samples(old);
    take_ranges(job, old, 0);
    take_ranges(job, job->stats, 2);
    ok = ok && adze_stats_merge(job->stats, old, u->share) && adze_stats_attach(job->stats, job->module);
    take_ranges(job, job->stats, 4);
    adze_stats_destroy(old);
    job->settings.stats = adze_internf(job->work->context, "%s/both.stats", job->folder);
    return ok && adze_stats_save(job->stats, job->settings.stats);
}

void compress_update_free(compress_update *update)
{
    free(update->ranges);
    *update = (compress_update){0};
}

/* ---- What comes of it ---- */

/* What is removed is chosen and fitted layer by layer, behind what went before, where nobody kept statistics. */
static void warn_of_structures(const compress_job *job, const uint32_t *chosen)
{
    bool any = chosen[job->n_layers];
    for (uint32_t i = 0; i < job->n_layers; i++) any = any || job->formats[chosen[i]].structure != ADZE_DENSE;
    if (any)
        adze_warning(adze_loc_unknown(job->work->context),
                     "%s: what it removes or factors, and ranges behind that, are fitted to the new data alone: old "
                     "statistics are of the model as it was",
                     job->update.plan);
}

bool compress_update_try(compress_job *job, const uint32_t *chosen)
{
    const char *both = job->settings.stats;
    warn_of_structures(job, chosen);
    job->settings.stats = job->update.path;
    bool ok = compress_try_anew(job, chosen, NULL);
    job->settings.stats = both;
    job->best = NEW_TRIAL;
    return ok && compress_try_anew(job, chosen, NULL);
}

bool compress_update_is_worse(const compress_job *job)
{
    return job->update.plan && job->trials[NEW_TRIAL].loss > job->trials[OLD_TRIAL].loss;
}

/* By how much a range became wider; NAN where there was none. */
static double growth(const double *ranges) { return (ranges[5] - ranges[4]) / (ranges[1] - ranges[0]); }

static const char *range_text(const double *range, char *room, size_t size)
{
    if (isnan(range[0]))
        snprintf(room, size, "-");
    else
        snprintf(room, size, "%.4g to %.4g", range[0], range[1]);
    return room;
}

void compress_update_print(const compress_job *job)
{
    const compress_update *u = &job->update;
    const adze_metric *m = job->metric.metric;
    if (!u->plan) return;
    printf("\n%-22s  %-22s  %-22s  %7s  %s\n", "input in old data", "in new data", "together", "width", "layer");
    for (uint32_t i = 0; i < job->n_layers; i++) {
        char was[48], new[48], is[48], wider[24] = "-";
        const double *r = u->ranges[i];
        if (isfinite(growth(r))) snprintf(wider, sizeof wider, "%.3gx", growth(r));
        printf("%-22s  %-22s  %-22s  %7s  %s\n", range_text(r, was, sizeof was), range_text(r + 2, new, sizeof new),
               range_text(r + 4, is, sizeof is), wider, job->layers[i].name);
    }
    printf("\n");
    for (int k = OLD_TRIAL; k <= NEW_TRIAL; k++) {
        const compress_trial *t = &job->trials[k];
        printf("%-10s %s %.*f%s%s, loss %s, snr %.2f dB: ", k == OLD_TRIAL ? "before" : "updated", m->name,
               (int)m->digits, t->score.value, *m->unit ? " " : "", m->unit, compress_loss_text(job, t->loss),
               t->snr.value);
        if (k == OLD_TRIAL)
            printf("by the old statistics alone, %llu samples\n", (unsigned long long)u->samples);
        else
            printf("they count %.4g, those of %llu new samples the rest\n", u->share,
                   (unsigned long long)job->samples.calibration.view.count);
    }
    if (compress_update_is_worse(job))
        printf("updated is worse than before on these samples; %s is the updated one\n", job->options->output);
}

/* ---- What is kept ---- */

static void number(adze_json_writer *w, const char *key, double value)
{
    adze_json_key(w, key);
    adze_json_measured(w, value);
}

static void write_range(adze_json_writer *w, const char *key, const double *range)
{
    adze_json_key(w, key);
    adze_json_begin(w, '[');
    adze_json_measured(w, range[0]);
    adze_json_measured(w, range[1]);
    adze_json_end(w);
}

void compress_update_write(adze_json_writer *w, const compress_job *job)
{
    const compress_update *u = &job->update;
    const compress_trial *was = &job->trials[OLD_TRIAL], *is = &job->trials[NEW_TRIAL];
    if (!u->plan) return;
    adze_json_key(w, "update");
    adze_json_begin(w, '{');
    adze_json_key(w, "from");
    adze_json_string(w, u->plan);
    number(w, "share", u->share);
    adze_json_key(w, "old_samples");
    adze_json_int(w, (int64_t)u->samples);
    adze_json_key(w, "worse");
    adze_json_bool(w, compress_update_is_worse(job));
    number(w, "loss_before", was->loss);
    number(w, "loss", is->loss);
    number(w, "value_before", was->score.value);
    number(w, "value", is->score.value);
    number(w, "snr_db_before", was->snr.value);
    number(w, "snr_db", is->snr.value);
    adze_json_key(w, "inputs");
    adze_json_begin(w, '[');
    for (uint32_t i = 0; i < job->n_layers; i++) {
        adze_json_begin(w, '{');
        adze_json_key(w, "layer");
        adze_json_string(w, job->layers[i].name);
        write_range(w, "old", u->ranges[i]);
        write_range(w, "new", u->ranges[i] + 2);
        write_range(w, "together", u->ranges[i] + 4);
        number(w, "width", growth(u->ranges[i]));
        adze_json_end(w);
    }
    adze_json_end(w);
    adze_json_end(w);
}

bool compress_update_sign(compress_job *job, adze_layer_plan *plan)
{
    adze_context *context = job->work->context;
    if (job->update.plan) {
        adze_text share = {0};
        adze_text_double(&share, job->update.share);
        adze_layer_plan_set(plan, "update-stats", job->update.path);
        adze_layer_plan_set(plan, "update-hash", job->update.hash);
        adze_layer_plan_set(plan, "update-share", share.data);
        adze_text_free(&share);
    }
    if (!job->options->keep_stats) return true;
    const char *path = adze_internf(context, "%s.stats", job->options->output), *slash = strrchr(path, '/');
    uint64_t hash, bytes;
    if (!adze_stats_save(job->stats, path) || !compress_hash_file(job->work, path, &hash, &bytes)) return false;
    adze_layer_plan_set(plan, "stats", slash ? slash + 1 : path);
    adze_layer_plan_set(plan, "stats-hash", hash_text(context, hash, bytes));
    return true;
}
