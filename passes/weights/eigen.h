/* Eigenvalues and singular values of dense matrices in double, row-major. Sums are in a fixed order: results are the
 * same on every machine. */
#ifndef ADZE_EIGEN_H
#define ADZE_EIGEN_H

#include <stdbool.h>
#include <stddef.h>

/* Eigenvalues of the symmetric a[n][n], largest first; row i of a becomes the vector of values[i], of length 1, its
 * largest element (the first of those) above 0. Reads the upper triangle. False where a holds NaN or infinite numbers;
 * then a is spoilt. n^3 work: 4,608 columns take about a minute. */
bool linalg_eigen(double *a, size_t n, double *values);

/* a[m][n] = u diag(s) v with k = min(m, n) rows of s, largest first: u[m][k], v[k][n]. Columns of u and rows of v are
 * orthonormal where s > 0, and 0 where it is 0 (on the longer side). Singular values below 1e-7 of the largest count as
 * 0. u or v may be NULL. False where a holds NaN or infinite numbers. */
bool linalg_svd(const double *a, size_t m, size_t n, double *u, double *s, double *v);

#endif
