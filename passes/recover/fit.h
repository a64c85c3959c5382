/* Fits in closed form: plain numbers, no IR. */
#ifndef ADZE_RECOVER_FIT_H
#define ADZE_RECOVER_FIT_H

#include <stdbool.h>
#include <stddef.h>

/* Sums over places: of what a layer reads, x [cols], and of what its result lacks, r [rows]. */
typedef struct fit_sums {
    size_t rows, cols;
    double n;         /* places */
    double *xx, *rx;  /* x x^T [cols][cols], r x^T [rows][cols] */
    double *x, *r;    /* [cols], [rows] */
    double rr;        /* |r|^2 */
} fit_sums;

fit_sums fit_sums_create(size_t rows, size_t cols);
void fit_sums_free(fit_sums *s);

/* What is added to a layer's weights and bias. */
typedef struct fit_change {
    double *w;     /* [rows][cols] */
    double *shift; /* [rows]; NULL = there is no bias */
} fit_change;

/* The change that makes |r - w x - shift|^2 least, with `damping` times the mean square of an input on the diagonal:
 * without information nothing changes. Weights where `mask` [rows][cols] is false stay as they are; NULL = all may
 * change. False where there is no solution; then w and shift are 0. */
bool fit_solve(const fit_sums *s, double damping, const bool *mask, const fit_change *out);
/* Only the shift; w becomes 0. */
void fit_shift(const fit_sums *s, const fit_change *out);
/* |r - w x - shift|^2 - |r|^2: below 0 where the change does good. */
double fit_error(const fit_sums *s, const fit_change *change);
/* The best of a few dampings, from `damping` on, `n` of them, each `factor` times the one before, by what it does on
 * sums of samples that nothing was fitted to; held->n 0: on the others. False: none does good, and the change is 0.
 * *out_damping may be NULL. */
bool fit_choose(const fit_sums *s, const fit_sums *held, double damping, double factor, int n, const bool *mask,
                const fit_change *out, double *out_damping);

#endif
