/* Least squares over weights: for given zeros, and for inputs that have changed. */
#include "passes/weights/fit.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double damping = 0.01;

bool weight_damp(const double *h, size_t n, double *out, double *r)
{
    enum { TRIES = 8 };
    double mean = 0, share = damping;
    for (size_t j = 0; j < n; j++) mean += h[j * (n + 1)];
    if (!isfinite(mean)) return false;
    mean = mean > 0 ? mean / (double)n : 1;
    double *own = r ? NULL : adze_malloc(n * n * sizeof *own), *factor = r ? r : own;
    bool ok = linalg_cholesky_damped(h, n, mean, &share, 10, TRIES, factor);
    memcpy(out, h, n * n * sizeof *out);
    for (size_t j = 0; j < n; j++) out[j * (n + 1)] += share * mean;
    free(own);
    return ok;
}

/* What a row's zeros leave: the factor of h over the columns that are kept. */
typedef struct kept_factor {
    size_t n, cols;
    size_t *column; /* [n] */
    double *r;      /* [n][n] */
} kept_factor;

static bool factor_kept(kept_factor *f, const double *h, const bool *kept)
{
    f->n = 0;
    for (size_t j = 0; j < f->cols; j++)
        if (kept[j]) f->column[f->n++] = j;
    for (size_t a = 0; a < f->n; a++)
        for (size_t b = 0; b < f->n; b++) f->r[a * f->n + b] = h[f->column[a] * f->cols + f->column[b]];
    return linalg_cholesky(f->r, f->n);
}

/* Kept weights take over what removed ones gave: w_K + (w_R h_RK) h_KK^-1. So weights that nothing is moved to keep
 * their bits. */
static void fit_row(const kept_factor *f, const double *w, const double *h, const bool *kept, double *shift,
                    double *out)
{
    memset(shift, 0, f->n * sizeof *shift);
    for (size_t j = 0; j < f->cols; j++) {
        if (kept[j] || w[j] == 0) continue;
        for (size_t k = 0; k < f->n; k++) shift[k] += w[j] * h[j * f->cols + f->column[k]];
    }
    linalg_solve(shift, f->r, 1, f->n);
    for (size_t j = 0, k = 0; j < f->cols; j++) out[j] = kept[j] ? w[j] + shift[k++] : 0;
}

bool weight_fit(const double *w, const double *h, const bool *kept, size_t rows, size_t cols, double *out)
{
    kept_factor f = {.cols = cols};
    f.column = adze_malloc((cols + 1) * sizeof *f.column);
    f.r = adze_malloc(cols * cols * sizeof *f.r);
    double *shift = adze_malloc((cols + 1) * sizeof *shift);
    bool ok = true;
    for (size_t i = 0; ok && i < rows; i++) {
        const bool *mine = kept + i * cols;
        if (i == 0 || memcmp(mine, mine - cols, cols * sizeof *mine) != 0) ok = factor_kept(&f, h, mine);
        if (ok) fit_row(&f, w + i * cols, h, mine, shift, out + i * cols);
    }
    free(f.column);
    free(f.r);
    free(shift);
    return ok;
}

bool weight_retarget(const double *cross, const double *h, size_t rows, size_t cols, double *w)
{
    size_t n = cols, count = rows * n;
    double *r = adze_malloc(n * n * sizeof *r), *gap = adze_malloc(n * n * sizeof *gap);
    double *shift = adze_malloc(count * sizeof *shift);
    bool ok = weight_damp(h, n, gap, r);
    for (size_t i = 0; i < n * n; i++) gap[i] = cross[i] - h[i];
    memset(shift, 0, count * sizeof *shift);
    linalg_gemm(shift, n, w, n, gap, n, rows, n, n, 1);
    if (ok) linalg_solve(shift, r, rows, n);
    for (size_t i = 0; ok && i < count; i++) w[i] += shift[i];
    free(r);
    free(gap);
    free(shift);
    return ok;
}
