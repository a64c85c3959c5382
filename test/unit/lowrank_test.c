/* Numerics of low rank: exact factors are found, methods keep their order on the synthetic layer, least squares is one.
 *
 * Anchors: rank 42, half of the parameters; signal to noise of the outputs in dB on test rows.
 */
#include "anchor_layer.h"
#include "unit.h"

#include "passes/lowrank/numerics.h"

#include <stdlib.h>

static layer_data sets[2]; /* even gains, with outliers */

static double *made(size_t n)
{
    double *x = malloc((n + 1) * sizeof *x);
    for (size_t i = 0; x && i < n; i++) x[i] = normal();
    return x;
}

/* 2 / n x^T x over 4 n rows of n numbers that have much in common. */
static double *gram_of(size_t n)
{
    size_t rows = 4 * n;
    double *x = made(rows * n), *turned = malloc(rows * n * sizeof *turned), *h = calloc(n * n, sizeof *h);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 1; j < n; j++) x[i * n + j] += 0.8 * x[i * n + j - 1];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) turned[j * rows + i] = x[i * n + j];
    linalg_gemm(h, n, turned, rows, x, n, n, n, rows, 2.0 / (double)rows);
    free(x);
    free(turned);
    return h;
}

static double *product(const double *a, const double *b, size_t m, size_t k, size_t n)
{
    double *c = calloc(m * n + 1, sizeof *c);
    linalg_gemm(c, n, a, k, b, n, m, n, k, 1);
    return c;
}

static double farthest(const double *a, const double *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs(a[i] - b[i]));
    return worst;
}

/* |E r|^2 of the difference. */
static double error_of(const double *w, const double *is, const double *h, size_t rows, size_t cols)
{
    double *e = malloc(rows * cols * sizeof *e);
    for (size_t i = 0; i < rows * cols; i++) e[i] = is[i] - w[i];
    double error = linalg_error(e, h, rows, cols);
    free(e);
    return error;
}

/* ---- Matrices ---- */

/* w of rank `rank` comes back. */
static double *low_rank(const double *w, double *h, size_t rows, size_t cols, lowrank_method method, size_t rank)
{
    size_t k = rows < cols ? rows : cols;
    double *r = malloc(cols * cols * sizeof *r), *u = malloc(rows * k * sizeof *u);
    double *energy = malloc(k * sizeof *energy), *v = malloc(rank * cols * sizeof *v);
    double *first = malloc(rows * rank * sizeof *first);
    CHECK(lowrank_metric(method, 1e-3, h, r, cols));
    CHECK(lowrank_outputs(w, r, rows, cols, u, energy));
    lowrank_project(w, u, rows, cols, k, rank, v);
    for (size_t i = 0; i < rows * rank; i++) first[i] = u[i / rank * k + i % rank];
    double *out = product(first, v, rows, rank, cols), total = linalg_error(w, h, rows, cols), left = 0;
    for (size_t i = rank; i < k; i++) left += energy[i];
    CHECK_NEAR(error_of(w, out, h, rows, cols) / total, left / total, 1e-12);
    free(r);
    free(u);
    free(energy);
    free(v);
    free(first);
    return out;
}

TEST(exact)
{
    static const size_t sizes[][3] = {{12, 20, 5}, {20, 12, 5}, {16, 16, 1}, {1, 9, 1}, {9, 1, 1}, {7, 7, 7}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int method = LOWRANK_DATA; method <= LOWRANK_DIAGONAL; method++) {
            size_t m = sizes[s][0], n = sizes[s][1], rank = sizes[s][2];
            double *a = made(m * rank), *b = made(rank * n), *w = product(a, b, m, rank, n), *h = gram_of(n);
            double *got = low_rank(w, h, m, n, (lowrank_method)method, rank);
            CHECK_NEAR(farthest(got, w, m * n), 0, 1e-7);
            free(a);
            free(b);
            free(w);
            free(h);
            free(got);
        }
}

TEST(anchors)
{
    static double got[2][3], h[D * D];
    for (int set = 0; set < 2; set++)
        for (int method = 0; method < 3; method++) {
            const layer_data *s = &sets[set];
            memcpy(h, s->h, sizeof h);
            double *is = low_rank(s->w, h, M, D, (lowrank_method)method, 42);
            double error = error_of(s->w, is, s->h_test, M, D);
            got[set][method] = 10 * log10(s->signal / error);
            free(is);
        }
    printf("rank 42, dB: svd %.1f %.1f, diagonal %.1f %.1f, data %.1f %.1f (even gains, with outliers)\n",
           got[0][LOWRANK_SVD], got[1][LOWRANK_SVD], got[0][LOWRANK_DIAGONAL], got[1][LOWRANK_DIAGONAL],
           got[0][LOWRANK_DATA], got[1][LOWRANK_DATA]);
    for (int set = 0; set < 2; set++) {
        CHECK(got[set][LOWRANK_DIAGONAL] > got[set][LOWRANK_SVD] + (set ? 5 : 0.5));
        CHECK(got[set][LOWRANK_DATA] > got[set][LOWRANK_DIAGONAL] + 3);
    }
}

TEST(ranks)
{
    double energy[] = {90, 9, 0.9, 0.1};
    CHECK_INT((int64_t)lowrank_rank_of(energy, 4, 0.5), 1);
    CHECK_INT((int64_t)lowrank_rank_of(energy, 4, 0.95), 2);
    CHECK_INT((int64_t)lowrank_rank_of(energy, 4, 1), 4);
    double none[2] = {0};
    CHECK_INT((int64_t)lowrank_rank_of(none, 2, 0.9), 1);
}

/* What comes closest to w x from z = 2 x is w / 2; where z is always 0, w stays. */
TEST(aim)
{
    enum { OUTPUTS = 3, INPUTS = 6 };
    double *w = made(OUTPUTS * INPUTS), *h = gram_of(INPUTS), c[INPUTS * INPUTS], out[OUTPUTS * INPUTS];
    for (size_t i = 0; i < INPUTS; i++)
        for (size_t j = 0; j < INPUTS; j++) {
            bool dead = i == INPUTS - 1 || j == INPUTS - 1;
            c[i * INPUTS + j] = dead ? 0 : 2 * h[i * INPUTS + j];
            h[i * INPUTS + j] = dead ? 0 : 4 * h[i * INPUTS + j];
        }
    CHECK(lowrank_aim(w, h, c, 1e-9, OUTPUTS, INPUTS, out));
    for (size_t i = 0; i < OUTPUTS * INPUTS; i++) CHECK_NEAR(out[i], i % INPUTS == INPUTS - 1 ? w[i] : w[i] / 2, 1e-6);
    free(w);
    free(h);
}

TEST(hostile)
{
    double h[4] = {1, 0, 0, (double)NAN}, r[4], w[2] = {1, 2}, zero[4] = {0}, u[2], energy[1];
    CHECK(!lowrank_metric(LOWRANK_DATA, 0.01, h, r, 2));
    h[3] = (double)INFINITY;
    CHECK(!lowrank_metric(LOWRANK_DIAGONAL, 0.01, h, r, 2));
    CHECK(lowrank_metric(LOWRANK_DATA, 0.01, zero, r, 2)); /* nothing was seen: all inputs alike */
    CHECK(lowrank_outputs(w, r, 1, 2, u, energy));
    CHECK_NEAR(energy[0], 5 * 0.01, 1e-15);
    w[0] = (double)NAN;
    CHECK(!lowrank_outputs(w, r, 1, 2, u, energy));
}

/* ---- Convolutions ---- */

/* An exact input factor and core give the weights back, for all shapes; the core is the least square one. */
TEST(windows)
{
    static const size_t sizes[][4] = {{6, 8, 9, 3}, {4, 12, 3, 5}, {5, 7, 1, 2}, {3, 2, 4, 2}, {9, 6, 3, 1}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t rows = sizes[s][0], inputs = sizes[s][1], taps = sizes[s][2], rank = sizes[s][3], cols = inputs * taps;
        lowrank_window x = {rows, inputs, taps, NULL, NULL};
        double *b = made(rank * inputs), *core = made(rows * rank * taps), *w = malloc(rows * cols * sizeof *w);
        double *h = gram_of(cols), *found = malloc(inputs * inputs * sizeof *found);
        double *energy = malloc((inputs + rows * taps) * sizeof *energy), *is = malloc(rows * cols * sizeof *is);
        lowrank_expand(&x, b, rank, core, rows, w);
        x.w = w;
        x.h = h;
        CHECK(lowrank_inputs(&x, w, rows, found, energy));
        for (size_t i = rank; i < inputs && i < rows * taps; i++) CHECK(energy[i] < 1e-10 * energy[0]);
        CHECK(lowrank_refit(&x, found, rank, core, NULL));
        lowrank_expand(&x, found, rank, core, rows, is);
        CHECK_NEAR(farthest(is, w, rows * cols), 0, 1e-6);
        if (rank > 1) { /* of fewer: no small change of the core is better */
            CHECK(lowrank_refit(&x, found, rank - 1, core, NULL));
            lowrank_expand(&x, found, rank - 1, core, rows, is);
            double least = error_of(w, is, h, rows, cols);
            for (size_t i = 0; i < rows * (rank - 1) * taps; i++) {
                core[i] += 1e-2;
                lowrank_expand(&x, found, rank - 1, core, rows, is);
                CHECK(error_of(w, is, h, rows, cols) > least);
                core[i] -= 1e-2;
            }
        }
        free(b);
        free(core);
        free(w);
        free(h);
        free(found);
        free(energy);
        free(is);
    }
}

static double tucker_error(const lowrank_window *x, size_t out, size_t in, unsigned rounds)
{
    size_t cols = x->inputs * x->taps;
    double *u = malloc(x->rows * out * sizeof *u), *core = malloc(out * in * x->taps * sizeof *core);
    double *b = malloc(in * x->inputs * sizeof *b), *mid = malloc(out * cols * sizeof *mid), error;
    CHECK(lowrank_tucker(x, out, in, rounds, u, core, b, &error));
    lowrank_expand(x, b, in, core, out, mid);
    double *is = product(u, mid, x->rows, out, cols), total = linalg_error(x->w, x->h, x->rows, cols);
    CHECK_NEAR(error_of(x->w, is, x->h, x->rows, cols) / total, error / total, 1e-8);
    free(u);
    free(core);
    free(b);
    free(mid);
    free(is);
    return error / total;
}

TEST(tucker)
{
    enum { OUTPUTS = 10, INPUTS = 8, TAPS = 9, OUT = 4, IN = 3, COLS = INPUTS * TAPS };
    lowrank_window x = {OUTPUTS, INPUTS, TAPS, NULL, NULL};
    double *u = made(OUTPUTS * OUT), *core = made(OUT * IN * TAPS), *b = made(IN * INPUTS), *h = gram_of(COLS);
    double *mid = malloc(OUT * COLS * sizeof *mid);
    lowrank_expand(&x, b, IN, core, OUT, mid);
    double *w = product(u, mid, OUTPUTS, OUT, COLS);
    x.w = w;
    x.h = h;
    CHECK(tucker_error(&x, OUT, IN, 0) < 1e-9);
    CHECK(tucker_error(&x, OUT, IN, 3) < 1e-9);
    CHECK(tucker_error(&x, OUT - 1, IN, 3) > 1e-3);
    double *any = made(OUTPUTS * COLS); /* rounds do not make it worse, more channels make it better */
    x.w = any;
    double once = tucker_error(&x, OUT, IN, 0), again = tucker_error(&x, OUT, IN, 4);
    CHECK(again <= once);
    CHECK(tucker_error(&x, OUT + 2, IN + 2, 2) < again);
    CHECK(tucker_error(&x, 1, INPUTS, 2) > again); /* fewer outputs than directions of inputs */
    CHECK(!lowrank_tucker(&x, OUTPUTS + 1, IN, 0, u, core, b, &once));
    free(u);
    free(core);
    free(b);
    free(h);
    free(mid);
    free(w);
    free(any);
}

int main(void)
{
    for (int i = 0; i < 2; i++) make(&sets[i], i);
    RUN(exact);
    RUN(anchors);
    RUN(ranks);
    RUN(aim);
    RUN(hostile);
    RUN(windows);
    RUN(tucker);
    return unit_end();
}
