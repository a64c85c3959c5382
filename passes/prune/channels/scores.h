/* Which units matter, and what is left of a layer without them: plain arrays, no IR.
 *
 * Weights are matrices w[rows][cols], rows outputs, columns what is summed over; h[cols][cols] is the Gram matrix of
 * what they are multiplied with, 2 / n * sum x x^T. Units of a consumer own `per_unit` columns each. All is a function
 * of its arguments alone.
 */
#ifndef ADZE_PRUNE_SCORES_H
#define ADZE_PRUNE_SCORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- From filters alone: `values` holds those of one unit behind the other, n a unit ---- */

void score_l1(const double *values, size_t units, size_t n, double *out);
void score_l2(const double *values, size_t units, size_t n, double *out);
/* exp(mean(log(|w| + 1e-12))). */
void score_geomean(const double *values, size_t units, size_t n, double *out);
/* Sum of distances to all other filters: the one nearest to all others has the least. He et al., "Filter Pruning via
 * Geometric Median for Deep Convolutional Neural Networks Acceleration", 2019. */
void score_geomedian(const double *values, size_t units, size_t n, double *out);

/* ---- From a consumer and what it reads ---- */

typedef struct score_consumer {
    size_t rows, cols, units, per_unit;
    const uint32_t *columns; /* [units][per_unit] */
    double *w;               /* [rows][cols] */
    double *h;               /* [cols][cols] */
} score_consumer;

/* Adds sum_m w_mj^2 h_jj over the unit's columns, times `scale`. */
void score_activation(const score_consumer *c, double scale, double *out);
/* Adds to c[units][units] the products of what units add to the outputs, times `scale`: (w^T w) * h, summed over the
 * columns of both. A set T of units is worth the sum of c over T x T where it goes and nothing else changes. Luo et
 * al., "ThiNet", 2017. */
void score_products(const score_consumer *consumer, double scale, double *c);
/* Order of removal from such a matrix, greedily by what all that has gone is worth together; loss[k] of the first
 * k + 1. Spoils c. */
void score_thinet(double *c, size_t units, uint32_t *order, double *loss);

/* Removal of units with an update of what stays (optimal brain surgeon over blocks of columns): w_g (h^-1_gg)^-1 w_g^T
 * is what the outputs lose in squares, halved sums aside. */
/* Makes h its own inverse, with `damp` times its mean diagonal added, more where that is not enough; false: no h is
 * positive definite (NaN). */
bool score_invert(double *h, size_t n, double damp);
/* Loss of the outputs of one consumer without the unit; h is the inverse. `room` holds per_unit * (per_unit + 1)
 * numbers. */
double score_obs_cost(const score_consumer *c, size_t unit, double *room);
/* Takes `n` units out: the other columns make up for them, and the inverse loses them. */
void score_obs_remove(score_consumer *c, const uint32_t *units, size_t n);
/* Greedy order over all consumers of the units: those of least cost, summed with scale[i], go first; order[units],
 * loss[k] = sum of costs of the first k + 1. Of more than 128 units several go at a time. Behind `steps` units the rest
 * follows in any order, with infinite loss. h are the inverses; spoils w and h. */
void score_obs(score_consumer *consumers, size_t n, const double *scale, size_t steps, uint32_t *order, double *loss);

/* Least squares over the columns that stay: out = (b_K + eps w_K) (h_KK + eps I)^-1, 0 elsewhere, eps in mean diagonals
 * of h. b[rows][cols] holds products of the wanted outputs with the inputs, w h where inputs have not changed. Where
 * data says little, the old weights w stay. False: no solution (NaN). */
bool score_refit(const double *b, const double *h, const double *w, const bool *gone, size_t rows, size_t cols,
                 double eps, double *out);

#endif
