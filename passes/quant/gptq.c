/* GPTQ: rounds column by column, later columns taking over the error of earlier ones.
 *
 * With h = r r^T, r upper triangular, the error is the sum over columns i of (sum_{j <= i} e_j r_ji)^2, e = rounded -
 * w. So column i, given the errors of those before it, is best rounded from w_i - sum_{j < i} e_j r_ji / r_ii. GPTQ
 * states the same over the factor of the inverse of h, which is r^-1.
 */
#include "passes/quant/numerics.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128, TRIES = 8 };

typedef struct gptq {
    const quant_layer *layer;
    const size_t *order; /* column that is rounded k-th */
    double *w, *r;       /* in that order */
    double *error;       /* rounded - w */
    double *sum;         /* sum over earlier columns of error r */
    quant_step *steps;
    double *out;
    size_t groups;
} gptq;

typedef struct keyed {
    double key;
    size_t column;
} keyed;

static int larger_first(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

static size_t *find_order(const quant_layer *layer, bool act_order)
{
    size_t n = layer->cols, *order = adze_malloc(n * sizeof *order);
    keyed *keys = adze_malloc(n * sizeof *keys);
    for (size_t j = 0; j < n; j++) keys[j] = (keyed){layer->h[j * n + j], j};
    if (act_order) qsort(keys, n, sizeof *keys, larger_first);
    for (size_t j = 0; j < n; j++) order[j] = keys[j].column;
    free(keys);
    return order;
}

/* r from h in the order, damped. Inputs that were always 0 are independent of all others and weigh as the mean. */
static bool factor(gptq *g, double damping)
{
    size_t n = g->layer->cols;
    const double *h = g->layer->h;
    double mean = 0;
    for (size_t j = 0; j < n; j++) mean += h[j * n + j];
    if (!isfinite(mean)) return false;
    mean = mean > 0 ? mean / (double)n : 1;
    double *ordered = adze_malloc(n * n * sizeof *ordered);
    for (size_t a = 0; a < n; a++) {
        for (size_t b = 0; b < n; b++) ordered[a * n + b] = h[g->order[a] * n + g->order[b]];
        if (!(ordered[a * n + a] > 0)) ordered[a * n + a] = mean;
    }
    bool ok = linalg_cholesky_damped(ordered, n, mean, &damping, 10, TRIES, g->r);
    free(ordered);
    return ok;
}

/* The steps of the group that begins at column `at`, for the weights as they would be best now. */
static void find_steps(gptq *g, size_t at)
{
    const quant_layer *layer = g->layer;
    size_t n = layer->cols, group = layer->group, width = n - at < group ? n - at : group;
    double *now = adze_malloc(width * sizeof *now);
    for (size_t i = 0; i < layer->rows; i++) {
        memcpy(now, g->sum + i * n + at, width * sizeof *now);
        linalg_solve_upper(now, width, g->r + at * n + at, n, 1, width);
        for (size_t j = 0; j < width; j++) now[j] = g->w[i * n + at + j] - now[j];
        g->steps[i * g->groups + at / group] =
            quant_clip_choose(layer->clip, layer->grid, now, width, layer->h + at * (n + 1), n + 1);
    }
    free(now);
}

/* Rounds columns [at, end) of all rows; sums are complete for columns before `end`. */
static void round_block(gptq *g, size_t at, size_t end)
{
    const quant_layer *layer = g->layer;
    size_t n = layer->cols;
    for (size_t i = 0; i < layer->rows; i++) {
        const quant_step *steps = g->steps + i * g->groups;
        double *sum = g->sum + i * n, *error = g->error + i * n;
        for (size_t k = at; k < end; k++) {
            const double *r = g->r + k * n;
            size_t column = g->order[k];
            double w = g->w[i * n + k];
            bool kept = !layer->kept || layer->kept[i * n + column];
            double best = kept ? w - sum[k] / r[k] : 0;
            double v = quant_round(layer->grid, steps[layer->group ? column / layer->group : 0], best);
            g->out[i * n + column] = v;
            error[k] = v - w;
            for (size_t j = k; j < end; j++) sum[j] += error[k] * r[j];
        }
    }
}

static void round_all(gptq *g, bool static_steps)
{
    size_t n = g->layer->cols, group = g->layer->group;
    for (size_t at = 0, end; at < n; at = end) {
        end = n - at < BLOCK ? n : at + BLOCK;
        if (!static_steps && group) {
            size_t next = (at / group + 1) * group;
            if (next < end) end = next;
            if (at % group == 0) find_steps(g, at);
        }
        round_block(g, at, end);
        linalg_gemm(g->sum + end, n, g->error + at, n, g->r + at * n + end, n, g->layer->rows, n - end, end - at, 1);
    }
}

bool quant_gptq(const quant_layer *layer, bool act_order, double damping, quant_step *steps, double *out)
{
    size_t n = layer->cols, count = layer->rows * n;
    gptq g = {.layer = layer, .steps = steps, .out = out, .groups = quant_groups(layer)};
    size_t *order = find_order(layer, act_order);
    g.order = order;
    g.r = adze_malloc(n * n * sizeof *g.r);
    bool ok = factor(&g, damping);
    if (ok) {
        g.w = adze_malloc(count * sizeof *g.w);
        g.error = adze_malloc(count * sizeof *g.error);
        g.sum = adze_malloc(count * sizeof *g.sum);
        memset(g.sum, 0, count * sizeof *g.sum);
        for (size_t i = 0; i < layer->rows; i++)
            for (size_t k = 0; k < n; k++) g.w[i * n + k] = layer->w[i * n + order[k]];
        bool static_steps = act_order || layer->group == 0;
        if (static_steps) quant_steps(layer, steps);
        round_all(&g, static_steps);
        free(g.w);
        free(g.error);
        free(g.sum);
    }
    free(g.r);
    free(order);
    return ok;
}
