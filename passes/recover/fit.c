/* Least squares with damping, from sums. */
#include "passes/recover/fit.h"

#include "passes/weights/linalg.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *zeros(size_t n)
{
    double *x = adze_malloc((n + 1) * sizeof *x);
    memset(x, 0, (n + 1) * sizeof *x);
    return x;
}

fit_sums fit_sums_create(size_t rows, size_t cols)
{
    return (fit_sums){.rows = rows, .cols = cols, .xx = zeros(cols * cols), .rx = zeros(rows * cols),
                      .x = zeros(cols), .r = zeros(rows)};
}

void fit_sums_free(fit_sums *s)
{
    free(s->xx);
    free(s->rx);
    free(s->x);
    free(s->r);
    *s = (fit_sums){0};
}

static void clear(const fit_sums *s, const fit_change *out)
{
    memset(out->w, 0, s->rows * s->cols * sizeof *out->w);
    if (out->shift) memset(out->shift, 0, s->rows * sizeof *out->shift);
}

/* a = sum x x^T less what the means explain, damped; b = sum r x^T likewise. */
static void equations(const fit_sums *s, double damping, bool centred, double *a, double *b)
{
    size_t n = s->cols;
    double trace = 0;
    memcpy(a, s->xx, n * n * sizeof *a);
    memcpy(b, s->rx, s->rows * n * sizeof *b);
    if (centred) linalg_gemm(a, n, s->x, 1, s->x, n, n, n, 1, -1 / s->n);
    if (centred) linalg_gemm(b, n, s->r, 1, s->x, n, s->rows, n, 1, -1 / s->n);
    for (size_t i = 0; i < n; i++) trace += s->xx[i * (n + 1)];
    double add = damping * trace / (double)n;
    /* An input that is always 0 has no say. */
    for (size_t i = 0; i < n; i++) a[i * (n + 1)] += add > 0 ? add : 1;
}

/* One row on the columns that its mask names. */
static bool solve_row(const double *a, const bool *mask, size_t n, double *x, double *room)
{
    size_t count = 0, i = 0;
    double *part = room, *right = room + n * n;
    for (size_t j = 0; j < n; j++) {
        if (!mask[j]) continue;
        right[count] = x[j];
        size_t k = 0;
        for (size_t c = 0; c < n; c++)
            if (mask[c]) part[count * n + k++] = a[j * n + c];
        count++;
    }
    for (size_t j = 1; j < count; j++) memmove(part + j * count, part + j * n, count * sizeof *part);
    if (count && !linalg_cholesky(part, count)) return false;
    if (count) linalg_solve(right, part, 1, count);
    for (size_t j = 0; j < n; j++) x[j] = mask[j] ? right[i++] : 0;
    return true;
}

static bool solve_masked(const double *a, const bool *mask, size_t rows, size_t n, double *w)
{
    double *room = adze_malloc((n * n + n + 1) * sizeof *room);
    bool ok = true;
    for (size_t i = 0; ok && i < rows; i++) ok = solve_row(a, mask + i * n, n, w + i * n, room);
    free(room);
    return ok;
}

bool fit_solve(const fit_sums *s, double damping, const bool *mask, const fit_change *out)
{
    size_t n = s->cols;
    double *a = adze_malloc((n * n + 1) * sizeof *a);
    bool ok = s->n > 0;
    if (ok) {
        equations(s, damping, out->shift, a, out->w);
        if (mask) {
            ok = solve_masked(a, mask, s->rows, n, out->w);
        } else if ((ok = linalg_cholesky(a, n))) {
            linalg_solve(out->w, a, s->rows, n);
        }
    }
    free(a);
    for (size_t i = 0; ok && i < s->rows * n; i++) ok = isfinite(out->w[i]);
    if (!ok) clear(s, out);
    for (size_t i = 0; ok && out->shift && i < s->rows; i++) {
        double sum = s->r[i];
        for (size_t j = 0; j < n; j++) sum -= out->w[i * n + j] * s->x[j];
        out->shift[i] = sum / s->n;
    }
    return ok;
}

void fit_shift(const fit_sums *s, const fit_change *out)
{
    clear(s, out);
    for (size_t i = 0; out->shift && s->n > 0 && i < s->rows; i++) out->shift[i] = s->r[i] / s->n;
}

double fit_error(const fit_sums *s, const fit_change *change)
{
    size_t n = s->cols;
    double *wx = zeros(s->rows * n), error = 0;
    linalg_gemm(wx, n, change->w, n, s->xx, n, s->rows, n, n, 1);
    for (size_t i = 0; i < s->rows; i++) {
        const double *w = change->w + i * n;
        double shift = change->shift ? change->shift[i] : 0, sum = 0;
        for (size_t j = 0; j < n; j++) {
            error += w[j] * (wx[i * n + j] - 2 * s->rx[i * n + j]);
            sum += w[j] * s->x[j];
        }
        error += shift * (s->n * shift + 2 * sum - 2 * s->r[i]);
    }
    free(wx);
    return error;
}

bool fit_choose(const fit_sums *s, const fit_sums *held, double damping, double factor, int n, const bool *mask,
                const fit_change *out, double *out_damping)
{
    const fit_sums *judge = held->n > 0 ? held : s;
    fit_change try = {zeros(s->rows * s->cols), out->shift ? zeros(s->rows) : NULL};
    double best = 0;
    bool found = false;
    clear(s, out);
    for (int i = 0; i < n; i++, damping *= factor) {
        if (!fit_solve(s, damping, mask, &try)) continue;
        double error = fit_error(judge, &try);
        if (!(error < best)) continue;
        best = error;
        found = true;
        memcpy(out->w, try.w, s->rows * s->cols * sizeof *try.w);
        if (try.shift) memcpy(out->shift, try.shift, s->rows * sizeof *try.shift);
        if (out_damping) *out_damping = damping;
    }
    free(try.w);
    free(try.shift);
    return found;
}
