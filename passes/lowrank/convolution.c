/* Low rank of convolutions: an input factor, a core by least squares, an output factor.
 *
 * With T = b at each tap, the core reads T x, whose Gram matrix is T h T^T; the best core is w h T^T (T h T^T)^-1. Kim
 * et al., "Compression of Deep Convolutional Neural Networks", 2016 (Tucker-2); Jaderberg et al., "Speeding up
 * Convolutional Neural Networks with Low Rank Expansions", 2014 (spatial).
 */
#include "passes/lowrank/numerics.h"
#include "passes/weights/eigen.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The least that keeps a factor of a Gram matrix of channels that depend on each other. */
static const double DAMPING = 1e-10;

static double *zeros(size_t n)
{
    double *x = adze_malloc(n * sizeof *x);
    memset(x, 0, n * sizeof *x);
    return x;
}

/* out[n][rank * taps] = m T^T for m[n][cols]: column (r, t) is sum_a m[.][a, t] b[r][a]. */
static void reduce_columns(const lowrank_window *x, const double *m, size_t n, const double *b, size_t rank,
                           double *out)
{
    size_t inputs = x->inputs, taps = x->taps, cols = inputs * taps;
    double *part = adze_malloc(n * inputs * sizeof *part), *turned = adze_malloc(inputs * rank * sizeof *turned);
    double *got = adze_malloc(n * rank * sizeof *got);
    for (size_t r = 0; r < rank; r++)
        for (size_t a = 0; a < inputs; a++) turned[a * rank + r] = b[r * inputs + a];
    for (size_t t = 0; t < taps; t++) {
        for (size_t i = 0; i < n; i++)
            for (size_t a = 0; a < inputs; a++) part[i * inputs + a] = m[i * cols + a * taps + t];
        memset(got, 0, n * rank * sizeof *got);
        linalg_gemm(got, rank, part, inputs, turned, rank, n, rank, inputs, 1);
        for (size_t i = 0; i < n; i++)
            for (size_t r = 0; r < rank; r++) out[i * rank * taps + r * taps + t] = got[i * rank + r];
    }
    free(part);
    free(turned);
    free(got);
}

void lowrank_expand(const lowrank_window *x, const double *b, size_t rank, const double *core, size_t n, double *out)
{
    size_t inputs = x->inputs, taps = x->taps, cols = inputs * taps;
    double *part = adze_malloc(n * rank * sizeof *part), *got = adze_malloc(n * inputs * sizeof *got);
    for (size_t t = 0; t < taps; t++) {
        for (size_t i = 0; i < n; i++)
            for (size_t r = 0; r < rank; r++) part[i * rank + r] = core[i * rank * taps + r * taps + t];
        memset(got, 0, n * inputs * sizeof *got);
        linalg_gemm(got, inputs, part, rank, b, inputs, n, inputs, rank, 1);
        for (size_t i = 0; i < n; i++)
            for (size_t a = 0; a < inputs; a++) out[i * cols + a * taps + t] = got[i * inputs + a];
    }
    free(part);
    free(got);
}

bool lowrank_inputs(const lowrank_window *x, const double *w, size_t n, double *b, double *energy)
{
    size_t inputs = x->inputs, taps = x->taps, cols = inputs * taps, rows = n * taps;
    size_t k = inputs < rows ? inputs : rows;
    double *stacked = adze_malloc(rows * inputs * sizeof *stacked), *a = zeros(rows * inputs);
    double *h = zeros(inputs * inputs), *r = adze_malloc(inputs * inputs * sizeof *r);
    double *u = adze_malloc(rows * k * sizeof *u);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < cols; c++) stacked[(i * taps + c % taps) * inputs + c / taps] = w[i * cols + c];
    for (size_t p = 0; p < inputs; p++)
        for (size_t q = 0; q < inputs; q++)
            for (size_t t = 0; t < taps; t++)
                h[p * inputs + q] += x->h[(p * taps + t) * cols + q * taps + t] / (double)taps;
    bool ok = lowrank_metric(LOWRANK_DATA, DAMPING, h, r, inputs);
    if (ok) {
        linalg_gemm(a, inputs, stacked, inputs, r, inputs, rows, inputs, inputs, 1);
        ok = linalg_svd(a, rows, inputs, u, energy, NULL);
    }
    if (ok) lowrank_project(stacked, u, rows, inputs, k, k, b);
    for (size_t i = 0; ok && i < k * inputs; i++) b[i] = energy[i / inputs] > 0 ? b[i] / energy[i / inputs] : 0;
    for (size_t i = 0; ok && i < k; i++) energy[i] *= energy[i];
    free(stacked);
    free(a);
    free(h);
    free(r);
    free(u);
    return ok;
}

bool lowrank_refit(const lowrank_window *x, const double *b, size_t rank, double *core, double *h_core)
{
    size_t cols = x->inputs * x->taps, n = rank * x->taps;
    double *ht = adze_malloc(cols * n * sizeof *ht), *turned = adze_malloc(cols * n * sizeof *turned);
    double *h = adze_malloc(n * n * sizeof *h), *r = adze_malloc(n * n * sizeof *r);
    reduce_columns(x, x->h, cols, b, rank, ht);
    for (size_t i = 0; i < cols; i++)
        for (size_t j = 0; j < n; j++) turned[j * cols + i] = ht[i * n + j];
    reduce_columns(x, turned, n, b, rank, h);
    bool ok = lowrank_metric(LOWRANK_DATA, DAMPING, h, r, n);
    if (ok) {
        memset(core, 0, x->rows * n * sizeof *core);
        linalg_gemm(core, n, x->w, cols, ht, n, x->rows, n, cols, 1);
        linalg_solve(core, r, x->rows, n);
        for (size_t i = 0; ok && i < x->rows * n; i++) ok = isfinite(core[i]);
    }
    if (ok && h_core) memcpy(h_core, h, n * n * sizeof *h);
    free(ht);
    free(turned);
    free(h);
    free(r);
    return ok;
}

/* ---- Tucker-2 ---- */

typedef struct tucker {
    const lowrank_window *x;
    size_t out, in, n, k; /* n = in * taps; k = directions of the core's outputs */
    double *b, *energy;   /* all directions of the inputs */
    double *full, *h, *r; /* core for all rows, Gram matrix of what it reads, factor */
    double *u;            /* [rows][k] */
} tucker;

/* From the first `in` rows of b: core, outputs, what is left of the error. */
static bool try_inputs(tucker *t, double total, double *error)
{
    const lowrank_window *x = t->x;
    bool ok = lowrank_refit(x, t->b, t->in, t->full, t->h) && lowrank_metric(LOWRANK_DATA, DAMPING, t->h, t->r, t->n) &&
              lowrank_outputs(t->full, t->r, x->rows, t->n, t->u, t->energy);
    *error = total;
    for (size_t i = 0; ok && i < t->out; i++) *error -= t->energy[i];
    return ok;
}

static bool iterate(tucker *t, unsigned rounds, double *u, double *core, double *b, double *error)
{
    const lowrank_window *x = t->x;
    size_t cols = x->inputs * x->taps;
    double *seen = adze_malloc(t->out * cols * sizeof *seen), total = linalg_error(x->w, x->h, x->rows, cols), now;
    bool ok = lowrank_inputs(x, x->w, x->rows, t->b, t->energy);
    for (unsigned round = 0; ok && round <= rounds; round++) {
        ok = try_inputs(t, total, &now);
        if (!ok || (round && !(now < *error))) break;
        *error = now > 0 ? now : 0;
        memcpy(b, t->b, t->in * x->inputs * sizeof *b);
        for (size_t i = 0; i < x->rows; i++) memcpy(u + i * t->out, t->u + i * t->k, t->out * sizeof *u);
        lowrank_project(t->full, t->u, x->rows, t->n, t->k, t->out, core);
        if (t->in > t->out * x->taps || round == rounds) break; /* fewer directions than asked for; done */
        lowrank_project(x->w, t->u, x->rows, cols, t->k, t->out, seen);
        ok = lowrank_inputs(x, seen, t->out, t->b, t->energy);
    }
    free(seen);
    return ok;
}

bool lowrank_tucker(const lowrank_window *x, size_t out, size_t in, unsigned rounds, double *u, double *core,
                    double *b, double *error)
{
    tucker t = {.x = x, .out = out, .in = in, .n = in * x->taps};
    t.k = x->rows < t.n ? x->rows : t.n;
    size_t most = x->inputs > x->rows ? x->inputs : x->rows;
    t.b = adze_malloc(x->inputs * x->inputs * sizeof *t.b);
    t.energy = adze_malloc(most * sizeof *t.energy);
    t.full = adze_malloc(x->rows * t.n * sizeof *t.full);
    t.h = adze_malloc(2 * t.n * t.n * sizeof *t.h);
    t.r = t.h + t.n * t.n;
    t.u = adze_malloc(x->rows * t.k * sizeof *t.u);
    bool ok = out <= t.k && in <= x->inputs && in <= x->rows * x->taps && iterate(&t, rounds, u, core, b, error);
    free(t.b);
    free(t.energy);
    free(t.full);
    free(t.h);
    free(t.u);
    return ok;
}
