/* Local swaps: the best plan with one or two layers changed, measured on the whole model.
 *
 * The dynamic program is exact for sums of what layers lose; whole models are not quite such sums. So its answer's
 * nearest neighbours are tried, those first that are expected to lose least (or, where size is what the goal leaves
 * open, to lose least for what they save), and a better one is what is gone on from.
 */
#include "compress.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IN_VAIN = 3 }; /* so many that are no better end it */

/* A change of at most two layers. */
typedef struct swap {
    uint32_t layer[2], format[2];
    double bytes, seconds, loss; /* by which the sums change */
    double rank;                 /* lower ones first */
} swap;

typedef struct swapping {
    compress_job *job;
    const compress_trial *from;
    uint32_t level; /* of `from`, which stays */
    bool bound; /* size or time has a bound; else the loss alone */
    bool by_time;
    double bytes, seconds; /* that may be added; negative: that must go */
    swap best;
    bool any;
} swapping;

static void add_change(const compress_job *job, uint32_t level, uint32_t layer, uint32_t was, uint32_t is, swap *s)
{
    size_t first = (size_t)layer * job->n_formats;
    s->bytes += compress_file_bytes(job, level, layer, is) - compress_file_bytes(job, level, layer, was);
    s->seconds += compress_seconds(job, level, layer, is) - compress_seconds(job, level, layer, was);
    s->loss += job->losses[first + is] - job->losses[first + was];
}

/* Is it what this change of the best trial gives? */
static bool is_change(const swapping *w, const swap *s, const uint32_t *chosen)
{
    const compress_job *job = w->job;
    bool same = chosen[job->n_layers] == w->level;
    for (uint32_t i = 0; same && i < job->n_layers; i++) {
        uint32_t format = i == s->layer[0]   ? s->format[0]
                          : i == s->layer[1] ? s->format[1]
                                             : w->from->chosen[i];
        same = chosen[i] == format;
    }
    return same;
}

/* Has it been measured, or refused? */
static bool is_known(const swapping *w, const swap *s)
{
    const compress_job *job = w->job;
    bool known = false;
    for (uint32_t k = 0; !known && k < job->n_trials; k++) known = is_change(w, s, job->trials[k].chosen);
    for (uint32_t k = 0; !known && k < job->n_refused; k++) known = is_change(w, s, job->refused[k].chosen);
    return known;
}

static void offer(swapping *w, swap s)
{
    double saved = w->by_time ? -s.seconds : -s.bytes;
    if (s.bytes > w->bytes || s.seconds > w->seconds || (!w->bound && saved <= 0)) return;
    s.rank = w->bound ? s.loss : s.loss <= 0 ? s.loss : s.loss / saved;
    if ((w->any && s.rank >= w->best.rank) || is_known(w, &s)) return;
    w->best = s;
    w->any = true;
}

static bool may_have(const swapping *w, uint32_t layer, uint32_t format)
{
    const compress_job *job = w->job;
    return !format || (!job->reasons[(size_t)layer * job->n_formats + format] &&
                       compress_takes_at(job, w->level, layer, format));
}

static void offer_pairs(swapping *w, uint32_t i, const swap *one)
{
    const compress_job *job = w->job;
    for (uint32_t j = i + 1; j < job->n_layers; j++)
        for (uint32_t g = 0; g < job->n_formats; g++) {
            if (g == w->from->chosen[j] || !may_have(w, j, g)) continue;
            swap two = *one;
            two.layer[1] = j;
            two.format[1] = g;
            add_change(job, w->level, j, w->from->chosen[j], g, &two);
            offer(w, two);
        }
}

/* The change that is to be tried next. */
static bool find_swap(swapping *w)
{
    const compress_job *job = w->job;
    w->any = false;
    for (uint32_t i = 0; i < job->n_layers; i++)
        for (uint32_t f = 0; f < job->n_formats; f++) {
            if (f == w->from->chosen[i] || !may_have(w, i, f)) continue;
            swap one = {.layer = {i, i}, .format = {f, f}};
            add_change(job, w->level, i, w->from->chosen[i], f, &one);
            offer(w, one);
            offer_pairs(w, i, &one);
        }
    return w->any;
}

/* What the goals leave to the best trial. */
static void find_room(swapping *w)
{
    const compress_job *job = w->job;
    const compress_goal *size = compress_goals_find(&job->goals, COMPRESS_SIZE);
    const compress_goal *weights = compress_goals_find(&job->goals, COMPRESS_WEIGHTS);
    const compress_goal *time = compress_goals_find(&job->goals, COMPRESS_TIME);
    w->from = &job->trials[job->best];
    w->level = w->from->chosen[job->n_layers];
    w->bound = size || weights || time;
    w->by_time = job->options->minimize && !strcmp(job->options->minimize, "time");
    w->bytes = w->seconds = INFINITY;
    if (size) w->bytes = size->bound * (double)job->original_bytes - (double)w->from->bytes;
    if (weights)
        w->bytes = fmin(w->bytes,
                        weights->bound * (double)job->original_weight_bytes - (double)w->from->weight_bytes);
    if (time) w->seconds = time->bound * w->from->against - w->from->seconds;
}

bool compress_swap(compress_job *job)
{
    swapping w = {.job = job};
    uint32_t vain = 0;
    for (int64_t k = 0; k < job->options->swaps && vain < IN_VAIN && job->n_trials < COMPRESS_MAX_TRIALS; k++) {
        uint32_t best = job->best;
        find_room(&w);
        if (!find_swap(&w)) break;
        uint32_t *chosen = adze_malloc((job->n_layers + 1u) * sizeof *chosen);
        memcpy(chosen, w.from->chosen, (job->n_layers + 1u) * sizeof *chosen);
        for (int n = 0; n < 2; n++) chosen[w.best.layer[n]] = w.best.format[n];
        const compress_trial *trial;
        bool ok = compress_attempt(job, chosen, &trial);
        free(chosen);
        if (!ok) return false;
        vain = job->best == best ? vain + 1 : 0;
    }
    return true;
}
