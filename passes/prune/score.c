/* Scores of weights and units. */
#include "passes/prune/numerics.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* diagonal[cols]: 1 / [h^-1]_jj of the damped h; 0 for inputs that were always 0. */
static bool removal_weights(const double *h, size_t n, double *diagonal)
{
    double *inverse = adze_malloc(n * n * sizeof *inverse);
    bool ok = prune_inverse(h, n, inverse);
    for (size_t j = 0; ok && j < n; j++) diagonal[j] = h[j * (n + 1)] > 0 ? 1 / inverse[j * (n + 1)] : 0;
    free(inverse);
    return ok;
}

bool prune_scores(const prune_layer *layer, prune_method method, double *scores)
{
    size_t n = layer->cols, rows = layer->rows / layer->groups;
    double *weight = adze_malloc((n + 1) * sizeof *weight);
    bool ok = true;
    for (size_t g = 0; ok && g < layer->groups; g++) {
        const double *h = layer->h ? layer->h + g * n * n : NULL;
        for (size_t j = 0; j < n; j++) weight[j] = method == PRUNE_MAGNITUDE ? 1 : fmax(h[j * (n + 1)], 0);
        if (method == PRUNE_SPARSEGPT || method == PRUNE_OBS) ok = removal_weights(h, n, weight);
        for (size_t i = g * rows * n; ok && i < (g + 1) * rows * n; i++)
            scores[i] = layer->w[i] * layer->w[i] * weight[i % n];
    }
    free(weight);
    return ok;
}

static void sum_units(const prune_layer *layer, const double *scores, double *losses)
{
    const prune_pattern *p = &layer->pattern;
    size_t across = layer->cols / p->cols;
    memset(losses, 0, prune_units(layer) * sizeof *losses);
    for (size_t i = 0; i < layer->rows; i++)
        for (size_t j = 0; j < layer->cols; j++)
            losses[i / p->rows * across + j / p->cols] += scores[i * layer->cols + j];
}

static bool trace_losses(const prune_layer *layer, double *losses)
{
    size_t count = layer->rows * layer->cols;
    bool *kept = adze_malloc((count + 1) * sizeof *kept);
    memset(kept, true, count);
    prune_trace trace;
    bool ok = prune_trace_make(layer, kept, &trace);
    for (size_t b = 0; ok && b < trace.bands; b++) {
        double most = 0; /* as prune_trace_select has it */
        for (size_t k = 0; k < trace.units; k++) {
            most = fmax(most, trace.loss[b * trace.units + k]);
            losses[b * trace.units + k] = most;
        }
    }
    if (ok) prune_trace_free(&trace);
    free(kept);
    return ok;
}

bool prune_losses(const prune_layer *layer, prune_method method, double *losses)
{
    size_t count = layer->rows * layer->cols;
    double power = 0;
    bool ok;
    if (method == PRUNE_OBS) {
        ok = trace_losses(layer, losses);
    } else {
        double *scores = adze_malloc((count + 1) * sizeof *scores);
        ok = prune_scores(layer, method, scores);
        if (ok) sum_units(layer, scores, losses);
        free(scores);
    }
    if (method != PRUNE_MAGNITUDE)
        power = prune_power(layer);
    else
        for (size_t i = 0; i < count; i++) power += layer->w[i] * layer->w[i] / (double)count;
    for (size_t u = 0; ok && power > 0 && u < prune_units(layer); u++) losses[u] /= power;
    return ok;
}
