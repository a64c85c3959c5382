/* Numerics of low rank over plain arrays. No IR.
 *
 * Matrices are row-major. A layer's weights are w[rows][cols], h[cols][cols] is the Gram matrix of what they are
 * multiplied with, r its factor: h = r r^T, upper triangular (linalg_cholesky). The error of the outputs is
 * tr(E h E^T) = |E r|^2. Sums are in double and their order is fixed: the same results on every machine. Functions that
 * give a bool are false where something is NaN or infinite. Memory that is out ends the process, as in arenas.
 */
#ifndef ADZE_LOWRANK_NUMERICS_H
#define ADZE_LOWRANK_NUMERICS_H

#include "passes/weights/linalg.h"

/* ---- Matrices (numerics.c) ---- */

/* What the error is measured by. Plain: h = 1, which is the usual SVD; diagonal: each input by its own size. */
typedef enum lowrank_method { LOWRANK_DATA, LOWRANK_SVD, LOWRANK_DIAGONAL } lowrank_method;

/* Turns a Gram matrix into that of the method, in place, h += damping * mean diagonal on the diagonal, and gives its
 * factor r[n][n]. False where h is not finite. */
bool lowrank_metric(lowrank_method method, double damping, double *h, double *r, size_t n);

/* Directions of the outputs, those of most energy first: with k = min(rows, cols), u[rows][k] has orthonormal columns,
 * energy[k] is how much of tr(w h w^T) lies along each. w' = u_n u_n^T w, with the first n columns, is the best of rank
 * n: its error is the sum of the other energies. Those below 1e-14 of the largest are 0, their columns too. */
bool lowrank_outputs(const double *w, const double *r, size_t rows, size_t cols, double *u, double *energy);
/* v[rank][cols] = u_rank^T w, for u[rows][k]. */
void lowrank_project(const double *w, const double *u, size_t rows, size_t cols, size_t k, size_t rank, double *v);
/* The least rank that holds a share of the energy. */
size_t lowrank_rank_of(const double *energy, size_t n, double share);
/* w c h^-1, h damped as above: what comes closest to the outputs w x when the layer reads z instead. h is of z z^T, c
 * of x z^T. Spoils c. */
bool lowrank_aim(const double *w, const double *h, double *c, double damping, size_t rows, size_t cols, double *out);

/* ---- Convolutions (convolution.c) ---- */

/* Weights whose columns are pairs (input a, tap t), t counting faster: an input factor b[rank][inputs] makes `rank`
 * channels of the inputs at each tap, a core [rows][rank * taps] reads those. Of a convolution with kernels [h][w]:
 *   Tucker-2    inputs = channels, taps = h * w: b is 1x1, the core has the window
 *   spatial     inputs = channels * h, taps = w: b is h x 1, the core 1 x w
 *   matrix      taps = 1
 */
typedef struct lowrank_window {
    size_t rows, inputs, taps; /* cols = inputs * taps */
    const double *w, *h;
} lowrank_window;

/* Directions of the inputs, those of most energy first: b[k][inputs] and energy[k], k = min(inputs, rows * taps), taps
 * taken as independent of each other. The channels that come of b have a Gram matrix near 1. `w` is [n][cols] (the
 * layer's, or a projection of it). */
bool lowrank_inputs(const lowrank_window *x, const double *w, size_t n, double *b, double *energy);
/* The core that is best for b, [rows][rank * taps], by least squares; and the Gram matrix of what it reads unless that
 * is NULL. */
bool lowrank_refit(const lowrank_window *x, const double *b, size_t rank, double *core, double *h_core);
/* out[n][cols] = core (b at each tap): the weights that the two stand for, n rows. */
void lowrank_expand(const lowrank_window *x, const double *b, size_t rank, const double *core, size_t n, double *out);
/* Tucker-2: u[rows][out], core[out][in * taps], b[in][inputs]. `rounds` of higher-order orthogonal iteration after the
 * first, the best of which is kept. *error = tr(E h E^T). */
bool lowrank_tucker(const lowrank_window *x, size_t out, size_t in, unsigned rounds, double *u, double *core,
                    double *b, double *error);

#endif
