/* Numerics of quantization over plain arrays: grids, ranges, rounding of weights. No IR.
 *
 * Matrices are row-major. A layer's weights are w[rows][cols]: a row makes one output, a column belongs to one input.
 * h[cols][cols] is the Gram matrix of the inputs, up to a factor, so that tr(E h E^T) is the squared error of the
 * outputs for an error E of the weights. Sums are in double and their order is fixed: results are the same on every
 * machine. Memory that is out ends the process, as in arenas.
 */
#ifndef ADZE_QUANT_NUMERICS_H
#define ADZE_QUANT_NUMERICS_H

#include "passes/weights/linalg.h"

#include <stdint.h>

/* ---- Grids (grid.c) ---- */

/* The codes of a type: [least, greatest]. Of a symmetric grid the zero point is 0, or the middle of an unsigned one. */
typedef struct quant_grid {
    int32_t least, greatest;
    bool symmetric, is_signed;
    bool half; /* scales are what an f16 can hold, from its least normal number up */
} quant_grid;

/* One scale and zero point: value = (code - zero) * scale. The scale is what an f32 can hold, or an f16. */
typedef struct quant_step {
    double scale;
    int32_t zero;
} quant_step;

/* 2 to 16 bits. A symmetric signed grid of 8 and more bits leaves out its least code, so that it is symmetric about 0;
 * narrower ones need every code they have. */
quant_grid quant_grid_make(uint32_t bits, bool is_signed, bool symmetric);
/* The step for values in [lo, hi]. The range is made to hold 0, which gets a code of its own; 1 where it holds nothing
 * else. */
quant_step quant_step_of(quant_grid grid, double lo, double hi);
/* The nearest scale that the grid's file can hold. */
double quant_storable(quant_grid grid, double scale);
int32_t quant_code(quant_grid grid, quant_step step, double x); /* halves to even; NaN gives the zero point */
double quant_round(quant_grid grid, quant_step step, double x); /* the value of x's code */
/* Scale of a weight, raised where the bias would not fit in i32: |bias| <= 2^30 * x_scale * scale. */
double quant_scale_for_bias(double scale, double x_scale, double bias);

/* ---- Ranges (range.c) ---- */

/* Equal bins over [lo, hi]. */
typedef struct quant_histogram {
    double lo, hi;
    const double *bins;
    uint32_t n;
} quant_histogram;

typedef enum quant_range {
    QUANT_RANGE_MINMAX,
    QUANT_RANGE_PERCENTILE,
    QUANT_RANGE_MSE,
    QUANT_RANGE_KL
} quant_range;

/* Narrows [*lo, *hi], the least and the greatest value seen, to what shall be represented. `share` is that of the
 * values that may be cut off in all (PERCENTILE). An empty histogram leaves the range as it is. */
void quant_range_choose(quant_range kind, quant_histogram histogram, quant_grid grid, double share, double *lo,
                        double *hi);

typedef enum quant_clip {
    QUANT_CLIP_NONE, /* least and greatest weight */
    QUANT_CLIP_MSE,  /* least squared error of the weights */
    QUANT_CLIP_GRAM  /* the same, each weight counted with its diagonal element of h */
} quant_clip;

/* The step for n weights. `diagonal` (n elements, as far apart as `h_stride`) is for CLIP_GRAM. */
quant_step quant_clip_choose(quant_clip kind, quant_grid grid, const double *w, size_t n, const double *diagonal,
                             size_t h_stride);

/* ---- Rounding weights (round.c, gptq.c, awq.c) ---- */

/* What is rounded to what. Columns come in groups of `group` (the last may be shorter; 0 = one group): each row has a
 * step for each of them. h may be NULL where only RTN is asked for. Borrowed. */
typedef struct quant_layer {
    size_t rows, cols, group;
    const double *w, *h;
    quant_grid grid;
    quant_clip clip;
    double shrink; /* quant_steps multiplies the ranges by it; 0 = 1 */
    const bool *kept; /* [rows][cols]: where false, w is 0 and so is what it is rounded to; NULL = true throughout */
} quant_layer;

size_t quant_groups(const quant_layer *layer); /* at least 1 */
/* steps[rows][groups] of the weights as they are. */
void quant_steps(const quant_layer *layer, quant_step *steps);
/* Each of the next gives out[rows][cols], the rounded weights as real numbers. */
void quant_rtn(const quant_layer *layer, const quant_step *steps, double *out);
/* Column by column, later columns taking over the error of earlier ones. `act_order`: columns of large h first, the
 * steps those of the weights as they are ("static groups"); without it each group's steps are found when its turn
 * comes. h gets `damping` times its mean diagonal on its diagonal, ten times more as often as it is not positive
 * definite. Frantar et al., "GPTQ", 2022; here over a factor of h instead of its inverse, which gives the same numbers.
 * False where h holds NaN or infinities. */
bool quant_gptq(const quant_layer *layer, bool act_order, double damping, quant_step *steps, double *out);
/* Improves `out` by moving one weight at a time to the code that is best while the others stay: the error never grows.
 * Behdin et al., "QuantEase", 2023. Gives the number of sweeps made. */
uint32_t quant_descend(const quant_layer *layer, const quant_step *steps, uint32_t sweeps, double *out);
/* Gives each row the scales that are best for the codes that `out` has, in closed form, where they are above 0 and an
 * f32 holds them with less error than before. Gives the number of rows that changed (refit.c). */
size_t quant_refit(const quant_layer *layer, quant_step *steps, double *out);
/* Factors s[channels], each for cols / channels consecutive columns, from the mean magnitude of each input channel to
 * a power that is searched, so that round(w s) / s has the least error; gives the power, 0 = no factor helps. `out` and
 * `steps` are what w s is rounded to. Lin et al., "AWQ", 2023. */
double quant_awq(const quant_layer *layer, const double *mean_abs, size_t channels, double *s, quant_step *steps,
                 double *out);

/* ---- Scales between layers, means (scaling.c) ---- */

/* s[n]: activations are divided by it, weights multiplied: max|x_j|^alpha / max|w_j|^(1 - alpha). 1 where an input or
 * its weights are 0. Xiao et al., "SmoothQuant", 2022. */
void quant_smooth(const double *x_absmax, const double *w_absmax, size_t n, double alpha, double *s);
/* s[n]: rows of a layer whose largest magnitudes are `first` are divided by it, the columns of the next one, `second`,
 * multiplied, so that both have the same range. Nagel et al., "Data-Free Quantization", 2019. */
void quant_equalize(const double *first, const double *second, size_t n, double *s);
/* What is to be added to the bias of row i so that its mean output is as it was: sum_j (w - rounded)_ij mean_j. */
void quant_bias_shift(const double *w, const double *rounded, const double *mean, size_t rows, size_t cols,
                      double *shift);

#endif
