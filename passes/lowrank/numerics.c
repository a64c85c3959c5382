/* Low rank of matrices, measured by Gram matrices of the inputs.
 *
 * |E r|^2 with h = r r^T is the squared error of the outputs, so the best approximation of w is that of w r in the
 * usual sense, times r^-1. With u the left vectors of w r that is u u^T w: r need not be inverted. Chen et al.,
 * "DRONE", 2021; Wang et al., "SVD-LLM", 2024.
 */
#include "passes/lowrank/numerics.h"
#include "passes/weights/eigen.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool lowrank_metric(lowrank_method method, double damping, double *h, double *r, size_t n)
{
    enum { TRIES = 8 };
    double mean = 0;
    for (size_t i = 0; i < n; i++) mean += h[i * n + i] / (double)n;
    if (!isfinite(mean)) return false;
    for (size_t i = 0; method != LOWRANK_DATA && i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (i != j) h[i * n + j] = 0;
    for (size_t i = 0; method == LOWRANK_SVD && i < n; i++) h[i * n + i] = 1;
    if (method == LOWRANK_SVD || !(mean > 0)) mean = 1;
    for (int tries = 0; tries < TRIES; tries++, damping *= 10) {
        for (size_t i = 0; i < n; i++) h[i * n + i] += damping * mean;
        memcpy(r, h, n * n * sizeof *r);
        if (linalg_cholesky(r, n)) return true;
    }
    return false;
}

bool lowrank_outputs(const double *w, const double *r, size_t rows, size_t cols, double *u, double *energy)
{
    double *a = adze_malloc(rows * cols * sizeof *a);
    memset(a, 0, rows * cols * sizeof *a);
    linalg_gemm(a, cols, w, cols, r, cols, rows, cols, cols, 1);
    bool ok = linalg_svd(a, rows, cols, u, energy, NULL);
    for (size_t i = 0; ok && i < (rows < cols ? rows : cols); i++) energy[i] *= energy[i];
    free(a);
    return ok;
}

void lowrank_project(const double *w, const double *u, size_t rows, size_t cols, size_t k, size_t rank, double *v)
{
    double *turned = adze_malloc(rank * rows * sizeof *turned);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < rank; j++) turned[j * rows + i] = u[i * k + j];
    memset(v, 0, rank * cols * sizeof *v);
    linalg_gemm(v, cols, turned, rows, w, cols, rank, cols, rows, 1);
    free(turned);
}

size_t lowrank_rank_of(const double *energy, size_t n, double share)
{
    double total = 0, held = 0;
    for (size_t i = 0; i < n; i++) total += energy[i];
    for (size_t i = 0; i < n; i++) {
        held += energy[i];
        if (held >= share * total) return i + 1;
    }
    return n;
}

bool lowrank_aim(const double *w, const double *h, double *c, double damping, size_t rows, size_t cols, double *out)
{
    double *damped = adze_malloc(2 * cols * cols * sizeof *damped), *r = damped + cols * cols;
    memcpy(damped, h, cols * cols * sizeof *damped);
    bool ok = lowrank_metric(LOWRANK_DATA, damping, damped, r, cols);
    /* The same is added to c: where nothing is known, weights stay. */
    for (size_t i = 0; i < cols; i++) c[i * cols + i] += damped[i * cols + i] - h[i * cols + i];
    memset(out, 0, rows * cols * sizeof *out);
    if (ok) {
        linalg_gemm(out, cols, w, cols, c, cols, rows, cols, cols, 1);
        linalg_solve(out, r, rows, cols);
    }
    free(damped);
    for (size_t i = 0; ok && i < rows * cols; i++) ok = isfinite(out[i]);
    return ok;
}
