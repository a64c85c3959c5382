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
#include <stdlib.h>
#include <string.h>

static bool fail(const compress_job *job, const char *what)
{
    return adze_error(adze_loc_unknown(job->work->context), "%s: %s", job->input, what);
}

/* ---- What a choice costs ---- */

uint64_t compress_bytes(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format)
{
    const adze_layer *as = level ? &job->levels[level].layers[layer] : &job->layers[layer];
    adze_format stored = job->formats[format];
    bool sparse = stored.structure >= ADZE_SPARSE && stored.structure <= ADZE_SPARSE_N_M;
    if (sparse && !adze_has_suffix(job->options->output, ".so")) stored.structure = ADZE_DENSE; /* files of models */
    return adze_layer_bytes(as, stored);
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

/* Which groups have fewer units than before. */
static bool list_cuts(compress_job *job, const adze_module *changed, compress_level *out)
{
    adze_channels *was = adze_channels_find(job->module), *is = was ? adze_channels_find(changed) : NULL;
    uint32_t n = is ? adze_channels_count(was) : 0;
    out->cuts = adze_malloc((n + 1u) * sizeof *out->cuts);
    for (uint32_t i = 0; i < n; i++) {
        const adze_channel_group *group = adze_channels_group(was, i);
        int64_t other = adze_channels_index(is, group->name);
        uint32_t keep = other < 0 ? group->units : adze_channels_group(is, (uint32_t)other)->units;
        if (keep >= group->units) continue;
        adze_context *context = job->work->context;
        uint32_t size = group->unit_size; /* plans count channels */
        out->cuts[out->n_cuts++] = (compress_cut){adze_intern_z(context, group->name), (uint64_t)keep * size,
                                                  adze_internf(context, "of %u", group->units * size)};
    }
    adze_channels_free(was);
    adze_channels_free(is);
    return is;
}

/* The layers as they are behind the cut, in the job's order. */
static bool find_layers(compress_job *job, const adze_module *changed, compress_level *out)
{
    adze_layer *found;
    uint32_t n = adze_layers_find(changed, NULL, &found);
    out->layers = adze_malloc((job->n_layers + 1u) * sizeof *out->layers);
    bool ok = true;
    for (uint32_t i = 0; ok && i < job->n_layers; i++) {
        uint32_t k = 0;
        while (k < n && strcmp(found[k].name, job->layers[i].name) != 0 &&
               strcmp(found[k].weights, job->layers[i].weights) != 0)
            k++;
        ok = k < n;
        if (ok) out->layers[i] = found[k];
        out->layers[i].name = job->layers[i].name;
        out->layers[i].has_gram = job->layers[i].has_gram;
        out->layers[i].op = job->layers[i].op; /* the changed module goes */
    }
    adze_layers_free(found);
    return ok || fail(job, "prune-channels left a layer under another name");
}

static void free_level(compress_level *level)
{
    free(level->cuts);
    free(level->layers);
    free(level->seconds);
    *level = (compress_level){0};
}

/* ---- Measuring ---- */

static bool measure(compress_job *job, adze_program *original, uint32_t index)
{
    compress_level *level = &job->levels[index];
    adze_layer_plan *plan = adze_layer_plan_create(job->work->context);
    put_cuts(level, plan);
    adze_module *module = compress_apply(job, plan, true, NULL);
    adze_layer_plan_destroy(plan);
    level->seconds = adze_malloc((job->n_layers + 1u) * sizeof *level->seconds);
    bool ok = module && find_layers(job, module, level) && compress_time_module(job, module, level->seconds);
    adze_program *changed = ok ? adze_program_open(job->work->registry, module) : NULL;
    ok = changed && compress_distance(job, original, changed, &level->loss);
    adze_program_close(changed);
    adze_module_destroy(module);
    return ok;
}

/* What prune-channels keeps at a rate; no cuts where nothing can go. */
static bool choose(compress_job *job, double rate, compress_level *out)
{
    const char *passes = adze_internf(job->work->context, "prune-channels{rate=%.9g,at-most=true,stats=\"%s\"},dce", rate,
                                      job->settings.stats);
    adze_module *module = adze_module_clone(job->module);
    bool ok = adze_work_run_passes(job->work, &job->options->common, passes, &job->samples.calibration.view, module) &&
              list_cuts(job, module, out);
    adze_module_destroy(module);
    return ok;
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

bool compress_find_levels(compress_job *job)
{
    bool found = true;
    if (job->n_rates && !has_channels(job, &found)) job->n_rates = 0;
    if (!found) return false;
    adze_program *original = job->n_rates ? adze_program_open(job->work->registry, job->module) : NULL;
    adze_progress *bar = adze_progress_begin(job->work, "channels");
    bool ok = original || !job->n_rates;
    job->n_levels = 1;
    for (uint32_t i = 0; ok && i < job->n_rates; i++) {
        compress_level *level = &job->levels[job->n_levels];
        adze_progress_update(bar, (double)i / job->n_rates, NULL);
        ok = !compress_stopped() && choose(job, job->rates[i], level);
        if (!ok || !level->n_cuts || same_cuts(level, level - 1))
            free_level(level);
        else
            ok = measure(job, original, job->n_levels++);
    }
    adze_progress_end(bar);
    adze_program_close(original);
    return ok;
}

bool compress_level_of_plan(compress_job *job, const adze_layer_plan *plan, uint32_t *out_level)
{
    uint32_t n = adze_layer_plan_num_cuts(plan);
    *out_level = 0;
    job->n_levels = 1;
    if (!n) return true;
    compress_level *level = &job->levels[1];
    level->cuts = adze_malloc(n * sizeof *level->cuts);
    for (uint32_t i = 0; i < n; i++)
        level->cuts[level->n_cuts++] =
            (compress_cut){adze_layer_plan_cut_name(plan, i), adze_layer_plan_cut_keep(plan, i), NULL};
    adze_layer_plan *cuts = adze_layer_plan_create(job->work->context);
    put_cuts(level, cuts);
    adze_module *module = compress_apply(job, cuts, false, NULL);
    adze_layer_plan_destroy(cuts);
    bool ok = module && find_layers(job, module, level);
    adze_module_destroy(module);
    *out_level = 1;
    job->n_levels = 2;
    return ok;
}

void compress_free_levels(compress_job *job)
{
    for (uint32_t i = 1; i < COMPRESS_MAX_LEVELS; i++) free_level(&job->levels[i]);
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
