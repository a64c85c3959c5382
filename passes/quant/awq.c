/* AWQ: scales the columns of inputs that are large before rounding, so that their weights lose less. */
#include "passes/quant/numerics.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POWERS = 20 }; /* 0, 0.05, …, 0.95 */

typedef struct search {
    const quant_layer *layer;
    size_t span;      /* columns a factor */
    double *w, *diag; /* w s; the diagonal of h for it: h_jj / s_j^2 */
    double *error;    /* of the weights as they act: round(w s) / s - w */
} search;

static void powers(const double *mean_abs, size_t channels, double power, double *s)
{
    double least = INFINITY, most = 0;
    for (size_t c = 0; c < channels; c++) {
        s[c] = pow(mean_abs[c], power);
        if (!(s[c] > 1e-4)) s[c] = 1e-4;
        if (s[c] < least) least = s[c];
        if (s[c] > most) most = s[c];
    }
    double middle = sqrt(least * most);
    for (size_t c = 0; c < channels; c++) s[c] = (double)(float)(s[c] / middle);
}

/* Rounds w s; gives the error of the outputs. */
static double try_factors(search *t, const double *s, quant_step *steps, double *out)
{
    const quant_layer *layer = t->layer;
    size_t n = layer->cols, groups = quant_groups(layer), width = layer->group ? layer->group : n;
    for (size_t j = 0; j < n; j++) {
        double f = s[j / t->span];
        t->diag[j] = layer->h[j * (n + 1)] / (f * f);
        for (size_t i = 0; i < layer->rows; i++) t->w[i * n + j] = layer->w[i * n + j] * f;
    }
    for (size_t i = 0; i < layer->rows; i++)
        for (size_t g = 0; g < groups; g++) {
            size_t from = g * width, many = n - from < width ? n - from : width;
            steps[i * groups + g] =
                quant_clip_choose(layer->clip, layer->grid, t->w + i * n + from, many, t->diag + from, 1);
        }
    quant_layer scaled = *layer;
    scaled.w = t->w;
    quant_rtn(&scaled, steps, out);
    for (size_t i = 0; i < layer->rows; i++)
        for (size_t j = 0; j < n; j++) t->error[i * n + j] = out[i * n + j] / s[j / t->span] - layer->w[i * n + j];
    return linalg_error(t->error, layer->h, layer->rows, n);
}

double quant_awq(const quant_layer *layer, const double *mean_abs, size_t channels, double *s, quant_step *steps,
                 double *out)
{
    size_t count = layer->rows * layer->cols;
    search t = {.layer = layer, .span = layer->cols / channels};
    t.w = adze_malloc(count * sizeof *t.w);
    t.error = adze_malloc(count * sizeof *t.error);
    t.diag = adze_malloc(layer->cols * sizeof *t.diag);
    double best = INFINITY, chosen = 0;
    for (int i = 0; i < POWERS; i++) {
        powers(mean_abs, channels, 0.05 * i, s);
        double error = try_factors(&t, s, steps, out);
        if (error >= best) continue;
        best = error;
        chosen = 0.05 * i;
    }
    powers(mean_abs, channels, chosen, s);
    (void)try_factors(&t, s, steps, out);
    free(t.w);
    free(t.error);
    free(t.diag);
    return chosen;
}
