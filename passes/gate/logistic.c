/* Logistic regression by Newton's method on standardised features. */
#include "passes/gate/logistic.h"
#include "passes/weights/linalg.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fit {
    size_t rows, n;    /* n with the bias */
    double *x;         /* [rows][n] standardised, last column 1 */
    double *w, *step;  /* [n] */
    double *h;         /* [n][n] */
    double *mean, *size;
} fit;

static bool standardise(fit *f, const double *x)
{
    size_t n = f->n - 1;
    for (size_t j = 0; j < n; j++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < f->rows; i++) mean += x[i * n + j] / (double)f->rows;
        for (size_t i = 0; i < f->rows; i++) square += (x[i * n + j] - mean) * (x[i * n + j] - mean) / (double)f->rows;
        if (!isfinite(square)) return false;
        f->mean[j] = mean;
        f->size[j] = square > 0 ? sqrt(square) : 1;
    }
    for (size_t i = 0; i < f->rows; i++) {
        for (size_t j = 0; j < n; j++) f->x[i * f->n + j] = (x[i * n + j] - f->mean[j]) / f->size[j];
        f->x[i * f->n + n] = 1;
    }
    return true;
}

static double penalty(const fit *f, double ridge, size_t j) { return j + 1 < f->n ? ridge : ridge / 10; }

/* Cross-entropy and the ridge. */
static double cost(const fit *f, const bool *label, double ridge, const double *w)
{
    double sum = 0;
    for (size_t i = 0; i < f->rows; i++) {
        double z = 0;
        for (size_t j = 0; j < f->n; j++) z += w[j] * f->x[i * f->n + j];
        if (!label[i]) z = -z;
        sum += z > 0 ? log1p(exp(-z)) : log1p(exp(z)) - z;
    }
    for (size_t j = 0; j < f->n; j++) sum += penalty(f, ridge, j) / 2 * w[j] * w[j];
    return sum;
}

/* The step of Newton's method; false where there is none. */
static bool find_step(const fit *f, const bool *label, double ridge)
{
    size_t n = f->n;
    memset(f->h, 0, n * n * sizeof *f->h);
    for (size_t j = 0; j < n; j++) f->step[j] = -penalty(f, ridge, j) * f->w[j];
    for (size_t j = 0; j < n; j++) f->h[j * n + j] = penalty(f, ridge, j);
    for (size_t i = 0; i < f->rows; i++) {
        const double *x = f->x + i * n;
        double z = 0;
        for (size_t j = 0; j < n; j++) z += f->w[j] * x[j];
        double p = 1 / (1 + exp(-z)), weight = p * (1 - p);
        for (size_t j = 0; j < n; j++) {
            f->step[j] += ((label[i] ? 1 : 0) - p) * x[j];
            for (size_t k = j; k < n; k++) f->h[j * n + k] += weight * x[j] * x[k];
        }
    }
    if (!linalg_cholesky(f->h, n)) return false;
    linalg_solve(f->step, f->h, 1, n);
    return true;
}

static void iterate(fit *f, const bool *label, double ridge)
{
    enum { ROUNDS = 50 };
    double now = cost(f, label, ridge, f->w), *tried = adze_malloc(f->n * sizeof *tried);
    for (int round = 0; round < ROUNDS && find_step(f, label, ridge); round++) {
        double length = 1, next = now;
        for (; length > 1e-6; length /= 2) {
            for (size_t j = 0; j < f->n; j++) tried[j] = f->w[j] + length * f->step[j];
            next = cost(f, label, ridge, tried);
            if (next < now) break;
        }
        if (!(next < now)) break;
        memcpy(f->w, tried, f->n * sizeof *tried);
        if (now - next < 1e-10 * now) break;
        now = next;
    }
    free(tried);
}

bool logistic_fit(const double *x, const bool *label, size_t rows, size_t n, double ridge, double *w, double *bias)
{
    fit f = {.rows = rows, .n = n + 1};
    double *room = adze_malloc((rows * f.n + f.n * f.n + 4 * f.n) * sizeof *room);
    f.x = room;
    f.h = f.x + rows * f.n;
    f.w = f.h + f.n * f.n;
    f.step = f.w + f.n;
    f.mean = f.step + f.n;
    f.size = f.mean + f.n;
    memset(f.w, 0, f.n * sizeof *f.w);
    bool ok = standardise(&f, x);
    if (ok) {
        iterate(&f, label, ridge);
        *bias = f.w[n];
        for (size_t j = 0; j < n; j++) {
            w[j] = f.w[j] / f.size[j];
            *bias -= w[j] * f.mean[j];
        }
    }
    free(room);
    return ok;
}
