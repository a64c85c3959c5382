/* Rounds weights to nearest, and improves what is rounded one weight at a time. */
#include "passes/quant/numerics.h"

#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

size_t quant_groups(const quant_layer *layer)
{
    return layer->group && layer->cols ? (layer->cols + layer->group - 1) / layer->group : 1;
}

static size_t group_of(const quant_layer *layer, size_t column)
{
    return layer->group ? column / layer->group : 0;
}

void quant_steps(const quant_layer *layer, quant_step *steps)
{
    size_t groups = quant_groups(layer), width = layer->group ? layer->group : layer->cols;
    for (size_t i = 0; i < layer->rows; i++)
        for (size_t g = 0; g < groups; g++) {
            size_t from = g * width, n = layer->cols - from < width ? layer->cols - from : width;
            const double *diagonal = layer->h ? layer->h + from * (layer->cols + 1) : NULL;
            quant_step *step = &steps[i * groups + g];
            *step = quant_clip_choose(layer->clip, layer->grid, layer->w + i * layer->cols + from, n, diagonal,
                                      layer->cols + 1);
            if (layer->shrink > 0) step->scale = quant_storable(layer->grid, step->scale * layer->shrink);
        }
}

void quant_rtn(const quant_layer *layer, const quant_step *steps, double *out)
{
    size_t groups = quant_groups(layer), n = layer->cols;
    for (size_t i = 0; i < layer->rows; i++)
        for (size_t j = 0; j < n; j++)
            out[i * n + j] = quant_round(layer->grid, steps[i * groups + group_of(layer, j)], layer->w[i * n + j]);
}

/* One sweep over a row; `slope` is (row of out - w) h. Gives the number of weights that moved. */
static size_t sweep_row(const quant_layer *layer, const quant_step *steps, const bool *kept, double *row, double *slope)
{
    size_t moved = 0, n = layer->cols;
    for (size_t j = 0; j < n; j++) {
        const double *h = layer->h + j * n;
        if (!(h[j] > 0) || (kept && !kept[j])) continue;
        double best = quant_round(layer->grid, steps[group_of(layer, j)], row[j] - slope[j] / h[j]);
        double step = best - row[j];
        if (step == 0) continue;
        for (size_t k = 0; k < n; k++) slope[k] += step * h[k];
        row[j] = best;
        moved++;
    }
    return moved;
}

uint32_t quant_descend(const quant_layer *layer, const quant_step *steps, uint32_t sweeps, double *out)
{
    size_t groups = quant_groups(layer), n = layer->cols, count = layer->rows * n;
    double *slope = adze_malloc(count * sizeof *slope), *error = adze_malloc(count * sizeof *error);
    memset(slope, 0, count * sizeof *slope);
    for (size_t i = 0; i < count; i++) error[i] = out[i] - layer->w[i];
    linalg_gemm(slope, n, error, n, layer->h, n, layer->rows, n, n, 1);
    free(error);
    uint32_t most = 0;
    for (size_t i = 0; i < layer->rows; i++) {
        uint32_t made = 0;
        const bool *kept = layer->kept ? layer->kept + i * n : NULL;
        while (made < sweeps && sweep_row(layer, steps + i * groups, kept, out + i * n, slope + i * n)) made++;
        if (made > most) most = made;
    }
    free(slope);
    return most;
}
