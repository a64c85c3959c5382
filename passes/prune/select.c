/* Which units go, by their scores. */
#include "passes/prune/numerics.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct scored {
    double score;
    size_t unit;
} scored;

static int least_first(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

/* Unit by number: its first weight. */
static size_t first_weight(const prune_layer *layer, size_t unit)
{
    size_t across = layer->cols / layer->pattern.cols;
    return unit / across * layer->pattern.rows * layer->cols + unit % across * layer->pattern.cols;
}

static double score_unit(const prune_layer *layer, const double *scores, const bool *kept, size_t unit)
{
    size_t at = first_weight(layer, unit);
    double sum = 0;
    if (!kept[at]) return -1; /* gone already */
    for (size_t i = 0; i < layer->pattern.rows; i++)
        for (size_t j = 0; j < layer->pattern.cols; j++) sum += scores[at + i * layer->cols + j];
    return sum;
}

static void remove_unit(const prune_layer *layer, size_t unit, bool *kept)
{
    size_t at = first_weight(layer, unit);
    for (size_t i = 0; i < layer->pattern.rows; i++)
        memset(kept + at + i * layer->cols, 0, layer->pattern.cols * sizeof *kept);
}

/* Of units [from, end). */
static void select_units(const prune_layer *layer, const double *scores, double share, size_t from, size_t end,
                         bool *kept)
{
    size_t n = end - from, count = (size_t)rint(share * (double)n);
    scored *all = adze_malloc((n + 1) * sizeof *all);
    for (size_t u = 0; u < n; u++) all[u] = (scored){score_unit(layer, scores, kept, from + u), from + u};
    qsort(all, n, sizeof *all, least_first);
    for (size_t u = 0; u < count; u++) remove_unit(layer, all[u].unit, kept);
    free(all);
}

/* Leaves n of the m weights that begin at `at`. */
static void select_of(const prune_pattern *p, const double *scores, bool *kept)
{
    scored all[PRUNE_MAX_SIDE];
    for (size_t j = 0; j < p->m; j++) all[j] = (scored){kept[j] ? scores[j] : -1, j};
    qsort(all, p->m, sizeof *all, least_first);
    for (size_t j = 0; j < p->m - p->n; j++) kept[all[j].unit] = false;
}

void prune_select(const prune_layer *layer, const double *scores, double share, bool by_rows, bool *kept)
{
    size_t units = prune_units(layer), across = layer->cols / layer->pattern.cols;
    if (layer->pattern.m) {
        for (size_t at = 0; at < units; at += layer->pattern.m)
            select_of(&layer->pattern, scores + at, kept + at);
        return;
    }
    for (size_t from = 0; from < units; from += by_rows ? across : units)
        select_units(layer, scores, share, from, by_rows ? from + across : units, kept);
}

/* ---- Along traces ---- */

void prune_trace_select(const prune_layer *layer, const prune_trace *trace, double share, bool *kept)
{
    size_t n = 0, count = (size_t)rint(share * (double)prune_units(layer));
    scored *all = adze_malloc((trace->bands * trace->units + 1) * sizeof *all);
    for (size_t b = 0; b < trace->bands; b++) {
        double most = 0; /* what is behind a dear removal waits for it */
        for (size_t k = 0; k < trace->length[b]; k++) {
            most = fmax(most, trace->loss[b * trace->units + k]);
            all[n++] = (scored){most, b * trace->units + k};
        }
    }
    if (layer->pattern.m) count = n;
    qsort(all, n, sizeof *all, least_first);
    for (size_t i = 0; i < count && i < n; i++) {
        size_t b = all[i].unit / trace->units;
        remove_unit(layer, b * trace->units + trace->order[all[i].unit], kept);
    }
    free(all);
}
