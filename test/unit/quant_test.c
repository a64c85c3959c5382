/* Numerics of quantization: linear algebra against plain loops, grids, ranges, rounding. Time of the factor:
 * `quant 4608` runs it at that size and prints seconds.
 */
#include "unit.h"

#include "passes/quant/numerics.h"

#include <stdlib.h>
#include <time.h>

static uint64_t state = 1;

static double uniform(void)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (double)(state >> 11) / 9007199254740992.0 - 0.5;
}

static double *made(size_t n)
{
    double *x = malloc((n + 1) * sizeof *x);
    for (size_t i = 0; x && i < n; i++) x[i] = uniform();
    return x;
}

/* x^T x over 2 n rows of n numbers. */
static double *gram(size_t n)
{
    double *x = made(2 * n * n), *turned = malloc(2 * n * n * sizeof *turned), *h = calloc(n * n, sizeof *h);
    for (size_t r = 0; r < 2 * n; r++)
        for (size_t j = 0; j < n; j++) turned[j * 2 * n + r] = x[r * n + j];
    linalg_gemm(h, n, turned, 2 * n, x, n, n, n, 2 * n, 1);
    free(x);
    free(turned);
    return h;
}

/* ---- Linear algebra ---- */

TEST(product)
{
    static const size_t sizes[][3] = {{1, 1, 1}, {4, 8, 3}, {5, 9, 300}, {7, 16, 257}, {12, 3, 2}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
        double *a = made(m * k), *b = made(k * n), *c = made(m * n), worst = 0;
        double *want = malloc(m * n * sizeof *want);
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                want[i * n + j] = c[i * n + j];
                for (size_t p = 0; p < k; p++) want[i * n + j] -= a[i * k + p] * b[p * n + j];
            }
        linalg_gemm(c, n, a, k, b, n, m, n, k, -1);
        for (size_t i = 0; i < m * n; i++) worst = fmax(worst, fabs(c[i] - want[i]));
        CHECK_NEAR(worst, 0, 1e-12);
        free(a);
        free(b);
        free(c);
        free(want);
    }
}

TEST(factor)
{
    static const size_t sizes[] = {1, 2, 63, 64, 65, 128, 200};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        double *h = gram(n), *r = malloc(n * n * sizeof *r), worst = 0, below = 0;
        memcpy(r, h, n * n * sizeof *r);
        REQUIRE(linalg_cholesky(r, n));
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = 0;
                for (size_t k = 0; k < n; k++) sum += r[i * n + k] * r[j * n + k];
                worst = fmax(worst, fabs(sum - h[i * n + j]));
                if (j < i) below = fmax(below, fabs(r[i * n + j]));
            }
        CHECK_NEAR(worst, 0, 1e-11 * (double)n);
        CHECK_NEAR(below, 0, 0);
        /* x r^-1 r = x */
        double *x = made(3 * n), *y = malloc(3 * n * sizeof *y), off = 0;
        memcpy(y, x, 3 * n * sizeof *y);
        linalg_solve_upper(y, n, r, n, 3, n);
        for (size_t i = 0; i < 3; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = 0;
                for (size_t k = 0; k < n; k++) sum += y[i * n + k] * r[k * n + j];
                off = fmax(off, fabs(sum - x[i * n + j]));
            }
        CHECK_NEAR(off, 0, 1e-9);
        free(x);
        free(y);
        free(h);
        free(r);
    }
}

TEST(factor_refuses)
{
    double negative[4] = {1, 2, 2, 1}, nan[4] = {1, NAN, NAN, 1}, zero[1] = {0};
    CHECK(!linalg_cholesky(negative, 2));
    CHECK(!linalg_cholesky(nan, 2));
    CHECK(!linalg_cholesky(zero, 1));
}

/* ---- Grids ---- */

TEST(codes)
{
    static const struct {
        uint32_t bits;
        bool is_signed, symmetric;
        int32_t least, greatest, zero;
    } cases[] = {{8, true, true, -127, 127, 0},  {8, true, false, -128, 127, -43}, {8, false, false, 0, 255, 85},
                 {4, true, true, -8, 7, 0},      {4, false, false, 0, 15, 5},      {4, false, true, 0, 15, 8},
                 {6, true, true, -32, 31, 0},    {16, true, true, -32767, 32767, 0}, {2, true, true, -2, 1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        quant_grid grid = quant_grid_make(cases[i].bits, cases[i].is_signed, cases[i].symmetric);
        quant_step step = quant_step_of(grid, -1, 2);
        CHECK_INT(grid.least, cases[i].least);
        CHECK_INT(grid.greatest, cases[i].greatest);
        CHECK_INT(step.zero, cases[i].zero);
        CHECK_NEAR(quant_round(grid, step, 0), 0, 0); /* real zero has a code of its own */
        CHECK_NEAR(quant_round(grid, step, 2), 2, step.scale);
        CHECK_INT(quant_code(grid, step, 1e30), grid.greatest);
        CHECK_INT(quant_code(grid, step, -1e30), grid.least);
        CHECK_INT(quant_code(grid, step, NAN), step.zero);
    }
}

TEST(steps)
{
    quant_grid u8 = quant_grid_make(8, false, false), i8 = quant_grid_make(8, true, true);
    CHECK_NEAR(quant_step_of(i8, 0, 0).scale, 1, 0); /* a channel of zeros */
    CHECK_INT(quant_step_of(i8, 0, 0).zero, 0);
    CHECK_INT(quant_step_of(u8, 0, 3).zero, 0);
    CHECK_INT(quant_step_of(u8, 1, 3).zero, 0); /* the range is made to hold 0 */
    CHECK_INT(quant_step_of(u8, -3, -1).zero, 255);
    CHECK_NEAR(quant_step_of(u8, 1, 2.55).scale, 0.01, 1e-9);
    CHECK_NEAR(quant_step_of(i8, -1.27, 0.5).scale, 0.01, 1e-9);
    CHECK_NEAR(quant_step_of(u8, 0, INFINITY).scale, 1, 0);
    CHECK(quant_step_of(u8, 0, 1e-44).scale > 0);
    quant_step one = {1, 0};
    CHECK_INT(quant_code(i8, one, 0.5), 0); /* halves to even */
    CHECK_INT(quant_code(i8, one, 1.5), 2);
    CHECK_INT(quant_code(i8, one, -2.5), -2);
    /* A bias of 10 needs products of scales of 10 / 2^30. */
    CHECK_NEAR(quant_scale_for_bias(1e-12, 0.1, 10), 100.0 / 1073741824.0, 1e-12);
    CHECK_NEAR(quant_scale_for_bias(0.5, 0.1, 10), 0.5, 0);
    CHECK(10 / (quant_scale_for_bias(1e-12, 0.1, 10) * 0.1) <= 1073741824.0);
}

/* ---- Ranges ---- */

enum { BINS = 2048 };

/* Normal numbers (or their positive part), and `far` of 1,000,000 at `at`. */
static quant_histogram bell(double *bins, double lo, double hi, double at, double far)
{
    quant_histogram h = {lo, hi, bins, BINS};
    for (int i = 0; i < BINS; i++) {
        double x = lo + (hi - lo) * (i + 0.5) / (int)BINS;
        bins[i] = floor(1e6 * 0.3989 * exp(-0.5 * x * x) * (hi - lo) / (int)BINS + 0.5);
    }
    bins[(int)((at - lo) / (hi - lo) * (int)BINS)] += far;
    return h;
}

static double chosen(quant_range kind, quant_histogram h, bool is_signed, bool symmetric, double lo, double hi,
                     double *out_lo)
{
    quant_range_choose(kind, h, quant_grid_make(8, is_signed, symmetric), 1e-4, &lo, &hi);
    if (out_lo) *out_lo = lo;
    return hi;
}

TEST(ranges)
{
    double bins[BINS], lo;
    quant_histogram h = bell(bins, -60, 60, 50, 3);
    CHECK_NEAR(chosen(QUANT_RANGE_MINMAX, h, false, false, -5, 50, &lo), 50, 0);
    CHECK_NEAR(lo, -5, 0);
    double hi = chosen(QUANT_RANGE_PERCENTILE, h, false, false, -5, 50, &lo);
    CHECK(hi > 3 && hi < 6); /* 0.005 % of a normal distribution lie beyond 3.9 */
    CHECK(lo < -3 && lo > -5);
    hi = chosen(QUANT_RANGE_MSE, h, false, false, -5, 50, &lo);
    CHECK(hi > 29 && hi < 35); /* where cutting three values costs what the finer step gains */
    CHECK(lo <= -3);
    hi = chosen(QUANT_RANGE_KL, h, true, true, -5, 50, &lo);
    CHECK(hi > 2 && hi < 20);
    /* Without anything far out they all keep nearly the whole range. */
    h = bell(bins, -4, 4, 0, 0);
    CHECK(chosen(QUANT_RANGE_MSE, h, false, false, -4, 4, NULL) > 3);
    CHECK(chosen(QUANT_RANGE_KL, h, true, true, -4, 4, NULL) > 2);
    CHECK(chosen(QUANT_RANGE_PERCENTILE, h, false, false, -4, 4, NULL) > 3);
}

TEST(ranges_of_one_sign)
{
    double bins[BINS], lo;
    quant_histogram h = bell(bins, 0, 60, 50, 3);
    for (int kind = QUANT_RANGE_MINMAX; kind <= QUANT_RANGE_KL; kind++) {
        double hi = chosen((quant_range)kind, h, false, false, 0, 50, &lo);
        CHECK_NEAR(lo, 0, 0);
        CHECK(hi > 2 && hi <= 50);
    }
    /* Nothing was seen: the range stays. */
    memset(bins, 0, sizeof bins);
    CHECK_NEAR(chosen(QUANT_RANGE_KL, h, false, false, -1, 2, &lo), 2, 0);
    CHECK_NEAR(lo, -1, 0);
}

TEST(clips)
{
    double w[64], diagonal[64];
    for (int i = 0; i < 64; i++) {
        w[i] = uniform();
        diagonal[i] = 1;
    }
    w[5] = 3; /* far out */
    quant_grid grid = quant_grid_make(4, true, true);
    quant_step none = quant_clip_choose(QUANT_CLIP_NONE, grid, w, 64, NULL, 0);
    quant_step mse = quant_clip_choose(QUANT_CLIP_MSE, grid, w, 64, NULL, 0);
    CHECK_NEAR(none.scale, 3.0 / 7, 1e-6);
    CHECK(mse.scale < none.scale);
    CHECK_NEAR(quant_clip_choose(QUANT_CLIP_GRAM, grid, w, 64, diagonal, 1).scale, mse.scale, 0);
    diagonal[5] = 1e4; /* and it matters */
    CHECK(quant_clip_choose(QUANT_CLIP_GRAM, grid, w, 64, diagonal, 1).scale > 0.9 * none.scale);
}

TEST(shrunk_ranges)
{
    double w[8] = {1, -2, 3, -4, 5, -6, 7, -8};
    quant_layer layer = {.rows = 2, .cols = 4, .w = w, .grid = quant_grid_make(8, true, true)};
    quant_step whole[2], half[2];
    quant_steps(&layer, whole);
    layer.shrink = 0.5;
    quant_steps(&layer, half);
    for (int i = 0; i < 2; i++) CHECK_NEAR(half[i].scale, whole[i].scale / 2, 0);
}

/* ---- Rounding ---- */

enum { R = 6, C = 40 };

/* Error of the outputs by a method over a layer of two input channels that are equal but for noise. */
static double error_of(const quant_layer *layer, const double *out)
{
    double e[R * C];
    for (size_t i = 0; i < R * C; i++) e[i] = out[i] - layer->w[i];
    return linalg_error(e, layer->h, R, C);
}

static quant_layer small_layer(size_t group)
{
    static double *w, *h;
    if (!w) {
        w = made(R * C);
        h = gram(C);
        for (size_t i = 0; i < C; i++) /* inputs have much in common */
            for (size_t j = 0; j < C; j++) h[i * C + j] += 8;
    }
    return (quant_layer){.rows = R, .cols = C, .group = group, .w = w, .h = h,
                         .grid = quant_grid_make(3, false, false), .clip = QUANT_CLIP_NONE};
}

/* Every number is the value of a code under its step. */
static bool on_grid(const quant_layer *layer, const quant_step *steps, const double *out)
{
    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j < C; j++) {
            quant_step step = steps[i * quant_groups(layer) + (layer->group ? j / layer->group : 0)];
            if (quant_round(layer->grid, step, out[i * C + j]) != out[i * C + j]) return false;
        }
    return true;
}

TEST(rounding)
{
    static const size_t groups[] = {0, 8, 16, 7, 64};
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        quant_layer layer = small_layer(groups[g]);
        quant_step steps[R * C];
        double nearest[R * C], out[R * C];
        CHECK_INT((int64_t)quant_groups(&layer), groups[g] ? (int64_t)((C - 1) / groups[g] + 1) : 1);
        quant_steps(&layer, steps);
        quant_rtn(&layer, steps, nearest);
        CHECK(on_grid(&layer, steps, nearest));
        memcpy(out, nearest, sizeof out);
        CHECK(quant_descend(&layer, steps, 20, out) > 0);
        CHECK(on_grid(&layer, steps, out));
        CHECK(error_of(&layer, out) < 0.8 * error_of(&layer, nearest));
        for (int order = 0; order < 2; order++) {
            CHECK(quant_gptq(&layer, order, 0.01, steps, out));
            CHECK(on_grid(&layer, steps, out));
            CHECK(error_of(&layer, out) < 0.8 * error_of(&layer, nearest));
        }
    }
}

TEST(refit)
{
    static const size_t groups[] = {0, 8, 16, 7};
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        quant_layer layer = small_layer(groups[g]);
        size_t n = quant_groups(&layer);
        quant_step steps[R * C], before[R * C];
        double out[R * C], moved[R * C];
        quant_steps(&layer, steps);
        quant_rtn(&layer, steps, out);
        memcpy(before, steps, sizeof before);
        double error = error_of(&layer, out);
        CHECK_INT((int64_t)quant_refit(&layer, steps, out), R);
        CHECK(on_grid(&layer, steps, out));
        CHECK(error_of(&layer, out) < error);
        for (size_t i = 0; i < R * n; i++) {
            CHECK(steps[i].scale > 0 && steps[i].scale == (double)(float)steps[i].scale);
            CHECK_INT(steps[i].zero, before[i].zero);
        }
        /* No other scale is better: the error is least where it is. */
        error = error_of(&layer, out);
        for (size_t k = 0; k < n; k++)
            for (int way = -1; way <= 1; way += 2) {
                memcpy(moved, out, sizeof moved);
                for (size_t j = 0; j < C; j++)
                    if ((layer.group ? j / layer.group : 0) == k) moved[j] *= 1 + 1e-3 * way;
                CHECK(error_of(&layer, moved) >= error);
            }
        CHECK_INT((int64_t)quant_refit(&layer, steps, out), 0); /* it is the best */
    }
}

TEST(refit_of_nothing)
{
    quant_layer layer = small_layer(8);
    double w[R * C] = {0}, out[R * C] = {0}, h[C * C] = {0};
    quant_step steps[R * C];
    layer.w = w;
    quant_steps(&layer, steps);
    CHECK_INT((int64_t)quant_refit(&layer, steps, out), 0); /* no weights: scales stay */
    CHECK_NEAR(steps[3].scale, 1, 0);
    layer = small_layer(8);
    layer.h = h;
    quant_steps(&layer, steps);
    quant_rtn(&layer, steps, out);
    CHECK_INT((int64_t)quant_refit(&layer, steps, out), 0); /* no inputs: nothing to fit */
}

TEST(solve)
{
    enum { N = 70, ROWS = 3 };
    double *h = gram(N), *x = made(ROWS * N), *r = malloc(N * N * sizeof *r), *y = calloc(ROWS * N, sizeof *y);
    memcpy(r, h, N * N * sizeof *r);
    CHECK(linalg_cholesky(r, N));
    linalg_gemm(y, N, x, N, h, N, ROWS, N, N, 1);
    linalg_solve(y, r, ROWS, N);
    for (size_t i = 0; i < (size_t)ROWS * N; i++) CHECK_NEAR(y[i], x[i], 1e-9);
    free(h);
    free(x);
    free(r);
    free(y);
}

TEST(hard_inputs)
{
    quant_layer layer = small_layer(0);
    double h[C * C], out[R * C], nearest[R * C];
    quant_step steps[R];
    layer.h = h;
    /* All inputs are equal: h has rank 1, which damping mends. Input 3 is always 0. */
    for (size_t i = 0; i < C; i++)
        for (size_t j = 0; j < C; j++) h[i * C + j] = i == 3 || j == 3 ? 0 : 1;
    CHECK(quant_gptq(&layer, true, 0.01, steps, out));
    CHECK(on_grid(&layer, steps, out));
    quant_rtn(&layer, steps, nearest);
    for (size_t i = 0; i < R; i++) CHECK_NEAR(out[i * C + 3], nearest[i * C + 3], 0);
    memset(h, 0, sizeof h);
    CHECK(quant_gptq(&layer, false, 0.01, steps, out)); /* nothing is known: nearest */
    for (size_t i = 0; i < R * C; i++) CHECK_NEAR(out[i], nearest[i], 0);
    CHECK_INT(quant_descend(&layer, steps, 20, out), 0);
    h[0] = NAN;
    CHECK(!quant_gptq(&layer, false, 0.01, steps, out));
    h[0] = INFINITY;
    CHECK(!quant_gptq(&layer, false, 0.01, steps, out));
}

TEST(scales)
{
    double x[4] = {4, 0, 1, 1}, w[4] = {1, 1, 0, 16}, s[4];
    quant_smooth(x, w, 4, 0.5, s);
    CHECK_NEAR(s[0], 2, 1e-6);
    CHECK_NEAR(s[1], 1, 0); /* dead ones stay */
    CHECK_NEAR(s[2], 1, 0);
    CHECK_NEAR(s[3], 0.25, 1e-6);
    quant_equalize(x, w, 4, s);
    CHECK_NEAR(x[0] / s[0], w[0] * s[0], 1e-6); /* both layers have the same range */
    CHECK_NEAR(x[3] / s[3], w[3] * s[3], 1e-6);
    CHECK_NEAR(s[1], 1, 0);
    double real[4] = {1, 2, 3, 4}, rounded[4] = {1.5, 2, 3, 3}, mean[2] = {2, 10}, shift[2];
    quant_bias_shift(real, rounded, mean, 2, 2, shift);
    CHECK_NEAR(shift[0], -1, 0);
    CHECK_NEAR(shift[1], 10, 0);
}

/* ---- Time ---- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int time_factor(size_t n)
{
    double *h = calloc(n * n, sizeof *h);
    if (!h) return 1;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) h[i * n + j] = pow(0.9, fabs((double)i - (double)j));
    enum { OUT = 512 };
    double *w = made(OUT * n), *out = malloc(OUT * n * sizeof *out), start = seconds();
    quant_step *steps = malloc(OUT * sizeof *steps);
    quant_layer layer = {.rows = OUT, .cols = n, .w = w, .h = h, .grid = quant_grid_make(4, true, true)};
    bool ok = quant_gptq(&layer, true, 0.01, steps, out);
    double all = seconds() - start;
    start = seconds();
    ok &= linalg_cholesky(h, n);
    double factor = seconds() - start, d = (double)n;
    printf("%zu: factor %.2f s (%.1f GFLOP/s), gptq of %d rows %.2f s\n", n, factor, d * d * d / 3e9 / factor, OUT,
           all);
    return !ok;
}

int main(int argc, char **argv)
{
    if (argc > 1) return time_factor((size_t)atol(argv[1]));
    RUN(product);
    RUN(factor);
    RUN(factor_refuses);
    RUN(codes);
    RUN(steps);
    RUN(ranges);
    RUN(ranges_of_one_sign);
    RUN(clips);
    RUN(shrunk_ranges);
    RUN(rounding);
    RUN(refit);
    RUN(refit_of_nothing);
    RUN(solve);
    RUN(hard_inputs);
    RUN(scales);
    return unit_end();
}
