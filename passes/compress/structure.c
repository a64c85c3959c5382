/* Structures of layers: ranks that a share of the weights stands for, and what is left to store. */
#include "passes/compress/structure.h"

#include <math.h>

/* Ranks are multiples of what vectors hold, or of half of it where there are few. */
static uint32_t round_rank(double rank)
{
    enum { VECTOR = 16, HALF = 8 };
    uint32_t whole = (uint32_t)rank, step = whole >= 2 * VECTOR ? VECTOR : HALF;
    return whole / step * step;
}

/* Window of a convolution of two dims; 1 x 1 of a product. */
static bool has_window(const adze_layer *layer) { return layer->kernel[0] * layer->kernel[1] > 1; }

/* The factors of a layer as matrices [rows][cols], in the order in which they are applied. Their number; 0: the layer
 * has no such factors, or they would be no smaller than it. */
static uint32_t factors_of(const adze_layer *layer, adze_format format, layer_factor out[LAYER_MAX_FACTORS])
{
    uint64_t taps = layer->cols / layer->channels, m = layer->rows, n = layer->cols, c = layer->channels;
    uint64_t a = format.first, b = format.second;
    uint32_t count = 0;
    if (layer->groups != 1 || !a) return 0;
    switch (format.structure) {
    case ADZE_LOW_RANK:
        if (taps > 1) return 0;
        out[count++] = (layer_factor){a, n};
        out[count++] = (layer_factor){m, a};
        break;
    case ADZE_TUCKER:
        if (!has_window(layer) || a > m || !b || b > c) return 0;
        out[count++] = (layer_factor){b, c};
        out[count++] = (layer_factor){a, b * taps};
        out[count++] = (layer_factor){m, a};
        break;
    case ADZE_SPATIAL:
        if (layer->kernel[0] < 2 || layer->kernel[1] < 2) return 0;
        out[count++] = (layer_factor){a, c * layer->kernel[0]};
        out[count++] = (layer_factor){m, a * layer->kernel[1]};
        break;
    default: return 0;
    }
    uint64_t all = 0;
    for (uint32_t i = 0; i < count; i++) all += out[i].rows * out[i].cols;
    return all < m * n ? count : 0;
}

/* Ranks of factors with that share of the layer's weights. */
static void choose_ranks(const adze_layer *layer, adze_format *format)
{
    double taps = (double)layer->cols / (double)layer->channels, m = (double)layer->rows, n = (double)layer->cols;
    double c = (double)layer->channels, budget = m * n * format->percent / 100;
    double high = (double)layer->kernel[0], wide = (double)layer->kernel[1];
    if (format->structure == ADZE_LOW_RANK) format->first = round_rank(budget / (m + n));
    if (format->structure == ADZE_SPATIAL) format->first = round_rank(budget / (c * high + m * wide));
    if (format->structure == ADZE_TUCKER) { /* both ranks the same share s: s (c^2 + m^2) + s^2 m c taps = budget */
        double square = m * c * taps, line = c * c + m * m;
        double s = (sqrt(line * line + 4 * square * budget) - line) / (2 * square);
        format->first = round_rank(s * m);
        format->second = round_rank(s * c);
    }
    format->percent = 0;
}

bool adze_layer_concrete(const adze_layer *layer, adze_format format, adze_format *out)
{
    layer_factor factors[LAYER_MAX_FACTORS];
    *out = format;
    if (!layer->rows) return format.structure == ADZE_DENSE; /* a layer that was dropped */
    switch (format.structure) {
    case ADZE_DENSE:
    case ADZE_SPARSE: return true;
    case ADZE_SPARSE_BLOCKS:
        return layer->rows / layer->groups % format.first == 0 && layer->cols % format.second == 0;
    case ADZE_SPARSE_N_M: return layer->cols % format.second == 0;
    default: break;
    }
    if (format.percent) choose_ranks(layer, out);
    return factors_of(layer, *out, factors) > 0;
}

uint32_t layer_factors(const adze_layer *layer, adze_format format, layer_factor out[LAYER_MAX_FACTORS])
{
    uint32_t n = factors_of(layer, format, out);
    if (n) return n;
    out[0] = (layer_factor){layer->rows, layer->cols};
    return 1;
}

double layer_density(adze_format format)
{
    switch (format.structure) {
    case ADZE_SPARSE:
    case ADZE_SPARSE_BLOCKS: return 1 - format.percent / 100.0;
    case ADZE_SPARSE_N_M: return (double)format.first / format.second;
    default: return 1;
    }
}
