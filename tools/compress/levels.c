/* Levels: how many channels are taken out of the model, ahead of what becomes of its layers.
 *
 * Channels are shared by layers, so that they are no choice of one of them. A level is a share of the work that goes,
 * with what prune-channels then keeps of each group; level 0 keeps all. What a level loses, and what its layers then
 * take in floats, is measured; in other formats they are expected to take the same share of that as without it.
 */
#include "compress.h"

#include <adze/arena.h>
#include <adze/channels.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What a choice costs ---- */

uint64_t compress_bytes(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format)
{
    adze_format stored = job->formats[format];
    bool sparse = stored.structure >= ADZE_SPARSE && stored.structure <= ADZE_SPARSE_N_M;
    if (sparse && !adze_has_suffix(job->options->output, ".so")) stored.structure = ADZE_DENSE; /* files of models */
    return adze_layer_bytes(compress_layer_at(job, level, layer), stored);
}

double compress_seconds(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format)
{
    size_t first = (size_t)layer * job->n_formats;
    double seconds = job->seconds[first + format], dense = job->seconds[first];
    return level && dense > 0 ? seconds * job->levels[level].seconds[layer] / dense : seconds;
}

double compress_level_loss(const compress_job *job, uint32_t level) { return level ? job->levels[level].loss : 0; }

/* ---- Finding out what a level keeps ---- */

static void put_cuts(const compress_level *level, adze_layer_plan *plan)
{
    for (uint32_t i = 0; i < level->n_cuts; i++)
        adze_layer_plan_put_cut(plan, level->cuts[i].name, level->cuts[i].keep, level->cuts[i].note);
}

void compress_put_level(const compress_job *job, uint32_t level, adze_layer_plan *plan)
{
    if (level) put_cuts(&job->levels[level], plan);
}

static void take_cuts(const adze_layer_plan *plan, compress_level *out)
{
    uint32_t n = adze_layer_plan_num_cuts(plan);
    out->cuts = adze_malloc((n + 1u) * sizeof *out->cuts);
    for (uint32_t i = 0; i < n; i++)
        out->cuts[i] = (compress_cut){adze_layer_plan_cut_name(plan, i), adze_layer_plan_cut_keep(plan, i),
                                      adze_layer_plan_cut_note(plan, i)};
    out->n_cuts = n;
}

static bool is_marked(const adze_op *op, const char *mark)
{
    for (uint32_t i = 0; i < adze_op_num_nodes(op); i++)
        if (!strcmp(adze_op_node(op, i), mark)) return true;
    return false;
}

/* The layers of a marked module as they are behind the cut, in the job's order; those that are gone have no rows. */
static void find_layers(compress_job *job, const adze_module *changed, compress_level *out)
{
    adze_layer *found;
    uint32_t n = adze_layers_find(changed, NULL, &found);
    out->layers = adze_malloc((job->n_layers + 1u) * sizeof *out->layers);
    for (uint32_t i = 0; i < job->n_layers; i++) {
        uint32_t k = 0;
        while (k < n && !is_marked(found[k].op, compress_mark_of(job, i))) k++;
        out->layers[i] = k < n ? found[k] : (adze_layer){.cols = 1, .channels = 1, .groups = 1, .kernel = {1, 1}};
        out->layers[i].name = job->layers[i].name;
        out->layers[i].has_gram = job->layers[i].has_gram;
        out->layers[i].no_range = job->layers[i].no_range;
        out->layers[i].op = job->layers[i].op; /* the changed module goes */
    }
    adze_layers_free(found);
}

void compress_level_free(compress_level *level)
{
    free(level->cuts);
    free(level->layers);
    free(level->seconds);
    *level = (compress_level){0};
}

/* ---- Measuring ---- */

/* The layers as the cuts leave them and, unless they are known, their times and the loss. `barred` says why where
 * passes refuse the cuts. */
static bool measure(compress_job *job, adze_program *original, compress_level *level)
{
    adze_layer_plan *plan = adze_layer_plan_create(job->work->context);
    put_cuts(level, plan);
    adze_module *module = compress_apply(job, plan, true, NULL, &level->barred);
    adze_layer_plan_destroy(plan);
    if (!module) return level->barred;
    find_layers(job, module, level);
    bool known = level->seconds, ok = true;
    adze_program *changed = NULL;
    if (!known) {
        level->seconds = adze_malloc((job->n_layers + 1u) * sizeof *level->seconds);
        ok = compress_time_module(job, module, level->seconds);
        changed = ok ? adze_program_open(job->work->registry, module) : NULL;
        ok = changed && compress_distance(job, original, changed, &level->loss);
    }
    adze_program_close(changed);
    adze_module_destroy(module);
    return ok;
}

/* What prune-channels keeps at a rate; no cuts where nothing can go. `barred` says why where it refuses. */
static bool choose(compress_job *job, double rate, compress_level *out)
{
    const char *file = compress_temporary(job, "level", ".plan");
    adze_text passes = {0}, said;
    adze_layer_cut_pipeline(rate, file, &job->settings, &passes);
    adze_module *module = adze_module_clone(job->module);
    compress_forgive_begin(job, &said);
    bool ok = compress_run_passes(job, passes.data, module);
    out->barred = compress_forgive_end(job, &said, !ok);
    adze_layer_plan *plan = ok ? adze_layer_plan_load(job->work->context, file) : NULL;
    if (plan) take_cuts(plan, out);
    adze_layer_plan_destroy(plan);
    adze_text_free(&passes);
    adze_module_destroy(module);
    return plan || out->barred;
}

static bool same_cuts(const compress_level *a, const compress_level *b)
{
    bool same = a->n_cuts == b->n_cuts;
    for (uint32_t i = 0; same && i < a->n_cuts; i++)
        same = a->cuts[i].name == b->cuts[i].name && a->cuts[i].keep == b->cuts[i].keep;
    return same;
}

int compress_parse_channels(compress_job *job)
{
    const char *at = job->options->channels ? job->options->channels : COMPRESS_CHANNELS;
    job->n_rates = 0;
    if (!strcmp(at, "none")) return 0;
    for (;; at++) {
        char *end;
        double rate = adze_text_to_double(at, &end);
        bool percent = end > at && *end == '%';
        end += percent;
        rate /= percent ? 100 : 1;
        if (end == at || (*end && *end != ',') || !(rate > 0) || !(rate < 1))
            return adze_usage_error("--channels takes none, or shares of the work as 10%%,25%%, not '%s'", at);
        if (job->n_rates == COMPRESS_MAX_LEVELS - 1)
            return adze_usage_error("--channels names more than %d shares", COMPRESS_MAX_LEVELS - 1);
        job->rates[job->n_rates++] = rate;
        at = end;
        if (!*at) return 0;
    }
}

/* Has the model any group of channels that may go? False after an error, too. */
static bool has_channels(compress_job *job, bool *out_ok)
{
    adze_channels *channels = adze_channels_find(job->module);
    bool any = channels && adze_channels_count(channels);
    *out_ok = channels;
    adze_channels_free(channels);
    return any;
}

/* The level of a rate; it is counted if it is another than the one before. */
static bool find_level(compress_job *job, adze_program *original, uint32_t rate)
{
    compress_level *level = &job->levels[job->n_levels];
    bool known = compress_state_find_level(job, rate, level), ok = known || choose(job, job->rates[rate], level);
    level->rate = rate;
    bool new = ok && !level->barred && level->n_cuts && !same_cuts(level, level - 1);
    if (new) ok = measure(job, original, level);
    if (ok && !known && !level->barred) ok = compress_state_keep_level(job, rate, level);
    if (new && ok && !level->barred) return job->n_levels++, true;
    if (level->barred && job->options->common.verbose)
        fprintf(stderr, "no level of channels at %g %%, passes refuse it: %s\n", 100 * job->rates[rate], level->barred);
    compress_level_free(level);
    return ok;
}

bool compress_find_levels(compress_job *job)
{
    bool ok = true;
    if (job->n_rates && !has_channels(job, &ok)) job->n_rates = 0;
    adze_program *original = ok && job->n_rates ? adze_program_open(job->work->registry, job->module) : NULL;
    adze_progress *bar = adze_progress_begin(job->work, "channels");
    ok = ok && (original || !job->n_rates);
    job->n_levels = 1;
    for (uint32_t i = 0; ok && i < job->n_rates; i++) {
        adze_progress_update(bar, (double)i / job->n_rates, NULL);
        ok = !compress_stopped() && find_level(job, original, i);
    }
    adze_progress_end(bar);
    adze_program_close(original);
    return ok;
}

bool compress_level_of_plan(compress_job *job, const adze_layer_plan *plan, uint32_t *out_level)
{
    *out_level = 0;
    job->n_levels = 1;
    if (!adze_layer_plan_num_cuts(plan)) return true;
    compress_level *level = &job->levels[1];
    take_cuts(plan, level);
    adze_layer_plan *cuts = adze_layer_plan_create(job->work->context);
    put_cuts(level, cuts);
    adze_module *module = compress_apply(job, cuts, true, NULL, NULL);
    adze_layer_plan_destroy(cuts);
    if (!module) return false;
    find_layers(job, module, level);
    adze_module_destroy(module);
    *out_level = 1;
    job->n_levels = 2;
    return true;
}

void compress_free_levels(compress_job *job)
{
    for (uint32_t i = 1; i < COMPRESS_MAX_LEVELS; i++) compress_level_free(&job->levels[i]);
}

/* ---- Mixes of all levels ---- */

static int by_cost(const void *left, const void *right)
{
    const adze_mix *a = left, *b = right;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return a->loss < b->loss ? -1 : a->loss > b->loss;
}

static int by_seconds(const void *left, const void *right)
{
    const adze_mix *a = left, *b = right;
    if (a->seconds != b->seconds) return a->seconds < b->seconds ? -1 : 1;
    return a->loss < b->loss ? -1 : a->loss > b->loss;
}

void compress_join_mixes(const compress_job *job, const adze_mixes *levels, adze_cost cost, adze_mixes *out)
{
    uint32_t n = 0, width = job->n_layers + 1, kept = 0;
    for (uint32_t k = 0; k < job->n_levels; k++) n += levels[k].count;
    *out = (adze_mixes){.items = adze_malloc((n + 1u) * sizeof *out->items),
                        .memory = adze_malloc(((size_t)n * width + 1) * sizeof *out->memory)};
    uint32_t *room = out->memory;
    for (uint32_t k = 0; k < job->n_levels; k++)
        for (uint32_t i = 0; i < levels[k].count; i++, room += width) {
            adze_mix mix = levels[k].items[i];
            memcpy(room, mix.chosen, job->n_layers * sizeof *room);
            room[job->n_layers] = k;
            mix.chosen = room;
            mix.loss += compress_level_loss(job, k);
            out->items[out->count++] = mix;
        }
    qsort(out->items, out->count, sizeof *out->items, cost == ADZE_COST_SECONDS ? by_seconds : by_cost);
    double least = INFINITY;
    for (uint32_t i = 0; i < out->count; i++) /* what a cheaper one loses no less than goes */
        if (out->items[i].loss < least) {
            least = out->items[i].loss;
            out->items[kept++] = out->items[i];
        }
    out->count = kept;
}
