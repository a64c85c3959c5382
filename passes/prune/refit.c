/* Weights for a given mask, and what a mask costs. */
#include "passes/prune/numerics.h"

#include <adze/arena.h>

#include <stdlib.h>

bool prune_refit(const prune_layer *layer, const bool *kept, double *out)
{
    size_t n = layer->cols, rows = layer->rows / layer->groups;
    double *h = adze_malloc(n * n * sizeof *h);
    bool ok = true;
    for (size_t g = 0; ok && g < layer->groups; g++) {
        size_t at = g * rows * n;
        ok = weight_damp(layer->h + g * n * n, n, h, NULL) &&
             weight_fit(layer->w + at, h, kept + at, rows, n, out + at);
    }
    free(h);
    return ok;
}

static double over_groups(const prune_layer *layer, const double *e)
{
    size_t n = layer->cols, rows = layer->rows / layer->groups;
    double sum = 0;
    for (size_t g = 0; g < layer->groups; g++)
        sum += linalg_error(e + g * rows * n, layer->h + g * n * n, rows, n);
    return sum;
}

double prune_error(const prune_layer *layer, const double *out)
{
    size_t count = layer->rows * layer->cols;
    double *e = adze_malloc((count + 1) * sizeof *e);
    for (size_t i = 0; i < count; i++) e[i] = out[i] - layer->w[i];
    double error = over_groups(layer, e);
    free(e);
    return error;
}

double prune_power(const prune_layer *layer) { return over_groups(layer, layer->w); }
