/* Which range of values a grid shall represent: from a histogram of activations, or from weights. */
#include "passes/quant/numerics.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHRINKS = 80 }; /* tried ranges: 1, 0.99, …, 0.21 of the whole one */

static double shrunk(int i)
{
    return 1 - 0.01 * i;
}

static double bin_width(quant_histogram h)
{
    return (h.hi - h.lo) / h.n;
}

static double total(quant_histogram h)
{
    double sum = 0;
    for (uint32_t i = 0; i < h.n; i++) sum += h.bins[i];
    return sum;
}

/* Cuts `share` of the values off, half at each end; all at the upper end where nothing is negative. */
static void percentile(quant_histogram h, double share, double *lo, double *hi)
{
    double cut = share * total(h) / (*lo < 0 && *hi > 0 ? 2 : 1), width = bin_width(h), seen = 0;
    if (*hi > 0) {
        uint32_t i = h.n;
        while (i > 1 && seen + h.bins[i - 1] <= cut) seen += h.bins[--i];
        double edge = h.lo + width * i;
        if (edge < *hi && edge > 0) *hi = edge;
    }
    seen = 0;
    if (*lo < 0) {
        uint32_t i = 0;
        while (i + 1 < h.n && seen + h.bins[i] <= cut) seen += h.bins[i++];
        double edge = h.lo + width * i;
        if (edge > *lo && edge < 0) *lo = edge;
    }
}

static double histogram_error(quant_histogram h, quant_grid grid, quant_step step)
{
    double width = bin_width(h), error = 0;
    for (uint32_t i = 0; i < h.n; i++) {
        if (h.bins[i] == 0) continue;
        double x = h.lo + width * (i + 0.5), d = x - quant_round(grid, step, x);
        /* A value stands anywhere in its bin, which adds the same to all ranges. */
        error += h.bins[i] * d * d;
    }
    return error;
}

/* Both ends together, then the upper and the lower one alone: a long tail at one end need not make all coarse. */
static void least_error(quant_histogram h, quant_grid grid, double *lo, double *hi)
{
    enum { BOTH, UPPER, LOWER, N_WAYS };
    double best = INFINITY, low = *lo, high = *hi;
    for (int way = BOTH; way < N_WAYS; way++) {
        double from_low = low, from_high = high;
        for (int i = 0; i < SHRINKS; i++) {
            double l = way == UPPER ? from_low : from_low * shrunk(i);
            double u = way == LOWER ? from_high : from_high * shrunk(i);
            double error = histogram_error(h, grid, quant_step_of(grid, l, u));
            if (error >= best) continue;
            best = error;
            low = l;
            high = u;
        }
    }
    *lo = low;
    *hi = high;
}

/* Kullback-Leibler divergence of p[0:n] from its merger into `levels` levels, each spread evenly over the bins that
 * are not empty. What lies beyond n counts in the last bin of p alone. Szymon Migacz, "8-bit inference with TensorRT",
 * 2017. */
static double divergence(const double *bins, uint32_t n, double tail, uint32_t levels, double sum)
{
    double result = 0, kept = sum - tail, tiny = 1e-4 / n;
    for (uint32_t level = 0; level < levels; level++) {
        uint32_t from = (uint32_t)((uint64_t)level * n / levels), to = (uint32_t)((uint64_t)(level + 1) * n / levels);
        double mass = 0;
        uint32_t filled = 0;
        for (uint32_t i = from; i < to; i++) {
            mass += bins[i];
            filled += bins[i] > 0;
        }
        for (uint32_t i = from; i < to; i++) {
            double p = (bins[i] + (i == n - 1 ? tail : 0)) / sum;
            double q = bins[i] > 0 ? mass / filled / kept : 0;
            if (p > 0) result += p * log(p / (q > tiny ? q : tiny));
        }
    }
    return result;
}

/* Histogram of |x| in *n bins over [0, top], as wide as those of h. */
static double *magnitudes(quant_histogram h, double top, uint32_t *n)
{
    double width = bin_width(h), bins = ceil(top / width);
    *n = bins < 1 ? 1 : bins > h.n ? h.n : (uint32_t)bins;
    double *out = adze_malloc(*n * sizeof *out);
    memset(out, 0, *n * sizeof *out);
    for (uint32_t i = 0; i < h.n; i++) {
        double at = fabs(h.lo + width * (i + 0.5)) / width;
        out[at < *n ? (uint32_t)at : *n - 1] += h.bins[i];
    }
    /* Zeros, of which a ReLU makes many, have a code of their own whatever the range is. */
    if (*n > 1 && out[0] > out[1]) out[0] = out[1];
    return out;
}

static void least_divergence(quant_histogram h, quant_grid grid, double *lo, double *hi)
{
    double top = *hi > -*lo ? *hi : -*lo, best = INFINITY, sum = 0, tail = 0;
    uint32_t codes = (uint32_t)(grid.greatest - grid.least + 1), n;
    uint32_t levels = *lo < 0 && *hi > 0 ? codes / 2 : codes;
    double *bins = magnitudes(h, top, &n);
    uint32_t chosen = n;
    for (uint32_t i = 0; i < n; i++) sum += bins[i];
    for (uint32_t i = n; i >= levels; i--) {
        if (sum - tail <= 0) break;
        double d = divergence(bins, i, tail, levels, sum);
        if (d < best) {
            best = d;
            chosen = i;
        }
        tail += bins[i - 1];
    }
    free(bins);
    double bound = chosen == n ? top : (chosen + 0.5) * bin_width(h);
    if (*hi > bound) *hi = bound;
    if (*lo < -bound) *lo = -bound;
}

void quant_range_choose(quant_range kind, quant_histogram histogram, quant_grid grid, double share, double *lo,
                        double *hi)
{
    if (*lo > 0) *lo = 0;
    if (*hi < 0) *hi = 0;
    if (histogram.n == 0 || !(histogram.hi > histogram.lo) || !(total(histogram) > 0)) return;
    switch (kind) {
    case QUANT_RANGE_MINMAX: return;
    case QUANT_RANGE_PERCENTILE: percentile(histogram, share, lo, hi); return;
    case QUANT_RANGE_MSE: least_error(histogram, grid, lo, hi); return;
    case QUANT_RANGE_KL: least_divergence(histogram, grid, lo, hi); return;
    }
}

quant_step quant_clip_choose(quant_clip kind, quant_grid grid, const double *w, size_t n, const double *diagonal,
                             size_t h_stride)
{
    double lo = 0, hi = 0, best = INFINITY;
    for (size_t j = 0; j < n; j++) {
        if (w[j] < lo) lo = w[j];
        if (w[j] > hi) hi = w[j];
    }
    quant_step whole = quant_step_of(grid, lo, hi), chosen = whole;
    if (kind == QUANT_CLIP_NONE) return whole;
    for (int i = 0; i < SHRINKS; i++) {
        quant_step step = quant_step_of(grid, lo * shrunk(i), hi * shrunk(i));
        double error = 0;
        for (size_t j = 0; j < n && error < best; j++) {
            double d = w[j] - quant_round(grid, step, w[j]);
            error += d * d * (kind == QUANT_CLIP_GRAM ? diagonal[j * h_stride] : 1);
        }
        if (error < best) {
            best = error;
            chosen = step;
        }
    }
    return chosen;
}
