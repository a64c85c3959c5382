/* Dense linear algebra in double, over row-major arrays. Sums are in a fixed order: results are the same on every
 * machine. */
#ifndef ADZE_LINALG_H
#define ADZE_LINALG_H

#include <stdbool.h>
#include <stddef.h>

/* c[m][n] += sign * a[m][k] b[k][n]; strides in elements. */
void linalg_gemm(double *c, size_t ldc, const double *a, size_t lda, const double *b, size_t ldb, size_t m, size_t n,
                size_t k, double sign);
/* h = r r^T with r upper triangular, in place: what stood below the diagonal becomes 0. Reads the upper triangle.
 * False where h is not positive definite; then h is spoilt. */
bool linalg_cholesky(double *h, size_t n);
/* The same of h + share * unit on the diagonal, h as it is and r[n][n] beside it; `share` is `factor` times more as
 * often as that is not positive definite, `tries` times at most. *share is then the one that was. */
bool linalg_cholesky_damped(const double *h, size_t n, double unit, double *share, double factor, int tries, double *r);
/* x = x r^-1 for `rows` rows of x and the upper triangular r[n][n]. */
void linalg_solve_upper(double *x, size_t ldx, const double *r, size_t ldr, size_t rows, size_t n);
/* x = x (r r^T)^-1 for `rows` rows of x, r as linalg_cholesky leaves it. */
void linalg_solve(double *x, const double *r, size_t rows, size_t n);
/* tr(e h e^T). */
double linalg_error(const double *e, const double *h, size_t rows, size_t cols);

#endif
