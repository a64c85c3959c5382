/* Least squares over weights from Gram matrices: no IR, arrays as in linalg.h.
 *
 * w[rows][cols] are weights, h[cols][cols] a Gram matrix of what they are multiplied with: tr(E h E^T) is the squared
 * error of the outputs for an error E of the weights.
 */
#ifndef ADZE_WEIGHTS_FIT_H
#define ADZE_WEIGHTS_FIT_H

#include "passes/weights/linalg.h"

/* out = h with a hundredth of its mean diagonal on its diagonal, ten times more as often as it is not positive
 * definite; r, unless NULL, is its factor as linalg_cholesky leaves it. False where h holds NaN or infinities. */
bool weight_damp(const double *h, size_t n, double *out, double *r);
/* out: of all weights that are 0 where `kept` is false, those whose outputs are nearest to w's. h is positive definite.
 * Rows behind each other that keep the same columns share the work. False where h is not. out may be w. */
bool weight_fit(const double *w, const double *h, const bool *kept, size_t rows, size_t cols, double *out);
/* Moves weights, which gave their outputs from inputs x, to what gives the same outputs from inputs z, as near as can
 * be: w + w (x - z) z^T (z z^T)^-1. cross is x z^T, h is z z^T, which is damped for the inverse. False where h is no
 * Gram matrix. */
bool weight_retarget(const double *cross, const double *h, size_t rows, size_t cols, double *w);

#endif
