/* Numerics of pruning: patterns, masks, exact removal against all masks there are, least squares on a mask. */
#include "unit.h"

#include "passes/prune/numerics.h"

#include <stdint.h>
#include <stdlib.h>

enum { MAX = 160 };

static uint64_t state = 1;

static double uniform(void)
{
    state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) / 4503599627370496.0 - 1;
}

static double w[MAX * MAX], h[4 * MAX * MAX], out[MAX * MAX];
static bool kept[MAX * MAX];

/* Weights, and Gram matrices of inputs with something in common. */
static prune_layer make(size_t rows, size_t cols, size_t groups, const char *pattern)
{
    static double x[MAX];
    prune_layer layer = {.rows = rows, .cols = cols, .groups = groups, .w = w, .h = h};
    CHECK(prune_pattern_parse(pattern, &layer.pattern));
    CHECK(prune_divides(&layer));
    for (size_t i = 0; i < rows * cols; i++) w[i] = uniform();
    memset(h, 0, sizeof h);
    for (size_t g = 0; g < groups; g++)
        for (size_t r = 0; r < 4 * cols; r++) {
            double common = uniform();
            for (size_t j = 0; j < cols; j++) x[j] = uniform() + common * (double)(j % 3);
            for (size_t i = 0; i < cols * cols; i++) h[g * cols * cols + i] += x[i / cols] * x[i % cols];
        }
    memset(kept, true, sizeof kept);
    return layer;
}

static size_t count_kept(const prune_layer *layer)
{
    size_t n = 0;
    for (size_t i = 0; i < layer->rows * layer->cols; i++) n += kept[i];
    return n;
}

/* The matrix that the methods compute with. */
static prune_layer damped(const prune_layer *layer)
{
    static double own[MAX * MAX];
    prune_layer other = *layer;
    CHECK(weight_damp(layer->h, layer->cols, own, NULL));
    other.h = own;
    return other;
}

/* ---- Patterns ---- */

TEST(patterns)
{
    prune_pattern p;
    CHECK(prune_pattern_parse("", &p) && p.m == 0 && p.rows == 1 && p.cols == 1);
    CHECK(prune_pattern_parse("2:4", &p) && p.n == 2 && p.m == 4);
    CHECK(prune_pattern_parse("16x1", &p) && p.m == 0 && p.rows == 16 && p.cols == 1);
    CHECK(prune_pattern_parse("64x64", &p) && p.rows == 64 && p.cols == 64);
    static const char *const wrong[] = {"4:4", "5:4", "0:4", "2:", ":4", "2", "x", "0x1", "1x0", "65x1", "1:65",
                                        "2:4 ", " 2:4", "2x4x8", "-1:4", "99999999999999999999x1", "2;4", "a"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) CHECK(!prune_pattern_parse(wrong[i], &p));
    prune_layer layer = {.rows = 32, .cols = 27, .groups = 1};
    CHECK(prune_pattern_parse("16x1", &layer.pattern) && prune_divides(&layer));
    layer.groups = 4; /* of 8 rows */
    CHECK(!prune_divides(&layer));
    CHECK(prune_pattern_parse("2:4", &layer.pattern) && !prune_divides(&layer));
    CHECK(prune_pattern_parse("1:3", &layer.pattern) && prune_divides(&layer));
    CHECK_INT((int64_t)prune_pattern_part((prune_pattern){.n = 2, .m = 8}, 0.5).n, 5);
    CHECK_INT((int64_t)prune_pattern_part((prune_pattern){.n = 2, .m = 8}, 1).n, 2);
    CHECK_INT((int64_t)prune_pattern_part((prune_pattern){.n = 2, .m = 8}, 0).n, 8);
}

/* No block is kept in part, and of m no more than n. */
static void check_pattern(const prune_layer *layer)
{
    const prune_pattern *p = &layer->pattern;
    size_t n = layer->cols, wrong = 0;
    for (size_t i = 0; i < layer->rows; i++)
        for (size_t j = 0; j < n; j++) {
            if (p->m && j % p->m == 0) {
                size_t here = 0;
                for (size_t k = 0; k < p->m; k++) here += kept[i * n + j + k];
                wrong += here != p->n;
            }
            wrong += kept[i * n + j] != kept[i / p->rows * p->rows * n + j / p->cols * p->cols];
            wrong += !kept[i * n + j] && out[i * n + j] != 0;
        }
    CHECK_INT((int64_t)wrong, 0);
}

static void prune(const prune_layer *layer, prune_method method, double share)
{
    static double scores[MAX * MAX];
    if (method == PRUNE_OBS) {
        prune_trace trace;
        REQUIRE(prune_trace_make(layer, kept, &trace));
        prune_trace_select(layer, &trace, share, kept);
        prune_trace_free(&trace);
        CHECK(prune_refit(layer, kept, out));
    } else if (method == PRUNE_SPARSEGPT) {
        CHECK(prune_sparsegpt(layer, share, kept, out));
    } else {
        CHECK(prune_scores(layer, method, scores));
        prune_select(layer, scores, share, method == PRUNE_WANDA, kept);
        for (size_t i = 0; i < layer->rows * layer->cols; i++) out[i] = kept[i] ? layer->w[i] : 0;
    }
}

TEST(masks)
{
    static const char *const texts[] = {"", "2:4", "1:3", "16x1", "4x1", "1x4", "2x6"};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
        for (int method = 0; method < 4; method++)
            for (size_t groups = 1; groups < 3; groups++) {
                static bool before[MAX * MAX];
                prune_layer layer = make(32, 144, groups, texts[t]);
                prune_pattern all = layer.pattern;
                layer.pattern = prune_pattern_part(all, 0.5);
                prune(&layer, (prune_method)method, 0.25);
                check_pattern(&layer);
                memcpy(before, kept, sizeof before);
                layer.pattern = all;
                if (method == PRUNE_SPARSEGPT) { /* begins with what is left */
                    CHECK(prune_refit(&layer, kept, out));
                    memcpy(w, out, 32 * 144 * sizeof *w);
                }
                prune(&layer, (prune_method)method, 0.5);
                check_pattern(&layer);
                size_t grown = 0;
                for (size_t i = 0; i < 32 * 144; i++) grown += kept[i] && !before[i];
                CHECK_INT((int64_t)grown, 0);
                size_t want = all.m ? 32 * 144 * all.n / all.m : 32 * 144 / 2;
                CHECK_INT((int64_t)count_kept(&layer), (int64_t)want);
            }
}

/* ---- Exact removal ---- */

/* What the rows of the band lose at the best weights for the mask. */
static double loss_of(const prune_layer *layer)
{
    prune_layer real = damped(layer);
    CHECK(weight_fit(real.w, real.h, kept, real.rows, real.cols, out));
    return prune_error(&real, out);
}

static void set_unit(const prune_layer *layer, size_t unit, bool to)
{
    for (size_t i = 0; i < layer->rows; i++)
        for (size_t j = 0; j < layer->pattern.cols; j++) kept[i * layer->cols + unit * layer->pattern.cols + j] = to;
}

/* One band: each removal of the trace is the best there is, of all, and costs what it says. */
static void check_greedy(size_t rows, size_t cols, const char *pattern, size_t removals)
{
    prune_layer layer = make(rows, cols, 1, pattern);
    prune_trace trace;
    REQUIRE(prune_trace_make(&layer, kept, &trace));
    CHECK_INT((int64_t)trace.bands, 1);
    double before = 0, sum = 0;
    for (size_t k = 0; k < removals; k++) {
        double best = INFINITY;
        size_t at = 0;
        for (size_t u = 0; u < trace.units; u++) {
            if (!kept[u * layer.pattern.cols]) continue;
            set_unit(&layer, u, false);
            double loss = loss_of(&layer);
            set_unit(&layer, u, true);
            if (loss < best) best = loss, at = u;
        }
        CHECK_INT((int64_t)trace.order[k], (int64_t)at);
        CHECK_NEAR(trace.loss[k], best - before, 1e-9 * best);
        sum += trace.loss[k];
        CHECK_NEAR(sum, best, 1e-9 * best);
        before = best;
        set_unit(&layer, at, false);
    }
    prune_trace_free(&trace);
}

TEST(greedy)
{
    check_greedy(1, 6, "", 5);
    check_greedy(1, 9, "", 8);
    check_greedy(4, 8, "4x1", 7);
    check_greedy(1, 12, "1x3", 3);
    check_greedy(2, 12, "2x4", 2);
    check_greedy(1, 90, "", 70);    /* g is brought up to date twice */
    check_greedy(2, 120, "2x3", 38); /* in the middle of a unit */
}

/* The first removal is the best of all masks with one zero; of two, the greedy pair is near the best of all. */
TEST(all_masks)
{
    prune_layer layer = make(1, 8, 1, "");
    double one = INFINITY, two = INFINITY;
    for (size_t a = 0; a < 8; a++)
        for (size_t b = a; b < 8; b++) {
            memset(kept, true, 8);
            kept[a] = kept[b] = false;
            double loss = loss_of(&layer);
            if (a == b) one = fmin(one, loss);
            if (a != b) two = fmin(two, loss);
        }
    prune_trace trace;
    memset(kept, true, 8);
    REQUIRE(prune_trace_make(&layer, kept, &trace));
    CHECK_NEAR(trace.loss[0], one, 1e-12);
    CHECK(trace.loss[0] + trace.loss[1] >= two - 1e-12);
    CHECK(trace.loss[0] + trace.loss[1] <= 1.5 * two);
    prune_trace_free(&trace);
}

/* Bands share what goes by what it costs: the dearest removals are those that stay. */
TEST(bands)
{
    prune_layer layer = make(8, 24, 2, "");
    for (size_t i = 0; i < 24; i++) w[i] *= 1e-3; /* a row that is worth next to nothing */
    prune_trace trace;
    REQUIRE(prune_trace_make(&layer, kept, &trace));
    prune_trace_select(&layer, &trace, 0.25, kept);
    size_t first = 0;
    for (size_t j = 0; j < 24; j++) first += kept[j];
    CHECK_INT((int64_t)first, 0);
    CHECK_INT((int64_t)count_kept(&layer), 8 * 24 * 3 / 4);
    prune_trace_free(&trace);
}

/* ---- Least squares ---- */

TEST(refit)
{
    prune_layer layer = make(5, 40, 1, "");
    for (size_t i = 0; i < 5 * 40; i++) kept[i] = uniform() > 0;
    for (size_t j = 0; j < 40; j++) kept[3 * 40 + j] = kept[2 * 40 + j], kept[4 * 40 + j] = false;
    CHECK(prune_refit(&layer, kept, out));
    prune_layer real = damped(&layer);
    double slope[5 * 40] = {0}, largest = 0;
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 40; j++)
            for (size_t k = 0; k < 40; k++) slope[i * 40 + j] += (out[i * 40 + k] - w[i * 40 + k]) * real.h[k * 40 + j];
    for (size_t i = 0; i < 5 * 40; i++) {
        if (kept[i]) largest = fmax(largest, fabs(slope[i]));
        if (!kept[i]) CHECK(out[i] == 0);
    }
    CHECK_NEAR(largest, 0, 1e-10);
    double masked[5 * 40];
    for (size_t i = 0; i < 5 * 40; i++) masked[i] = kept[i] ? w[i] : 0;
    CHECK(prune_error(&real, out) < prune_error(&real, masked));
    memset(kept, true, sizeof kept);
    CHECK(prune_refit(&layer, kept, out));
    CHECK(!memcmp(out, w, 5 * 40 * sizeof *w));
}

/* Half of the inputs are always 0: those go, and nothing else changes by a bit. */
TEST(dead)
{
    for (int method = PRUNE_WANDA; method <= PRUNE_OBS; method++) {
        prune_layer layer = make(16, 48, 1, "");
        for (size_t i = 0; i < 48 * 48; i++)
            if (i / 48 % 2 || i % 48 % 2) h[i] = 0;
        prune(&layer, (prune_method)method, 0.5);
        size_t wrong = 0;
        for (size_t i = 0; i < 16 * 48; i++) wrong += out[i] != (i % 2 ? 0 : w[i]);
        CHECK_INT((int64_t)wrong, 0);
    }
}

TEST(broken_matrices)
{
    prune_layer layer = make(2, 8, 1, "");
    prune_trace trace;
    double scores[16];
    h[9] = NAN;
    CHECK(!prune_trace_make(&layer, kept, &trace));
    CHECK(!prune_sparsegpt(&layer, 0.5, kept, out));
    CHECK(!prune_refit(&layer, kept, out));
    CHECK(!prune_scores(&layer, PRUNE_SPARSEGPT, scores));
    memset(h, 0, sizeof h); /* nothing was ever there: no weight is worth anything */
    CHECK(prune_trace_make(&layer, kept, &trace));
    CHECK(trace.loss[0] == 0);
    prune_trace_free(&trace);
    CHECK(prune_sparsegpt(&layer, 0.5, kept, out));
    CHECK_INT((int64_t)count_kept(&layer), 8);
}

/* Inputs that are no matter to weights of the others move to where the same comes out: w (x - z) z^T (z z^T)^-1. */
TEST(retarget)
{
    prune_layer layer = make(3, 12, 1, "");
    double cross[144], moved[36];
    for (size_t i = 0; i < 144; i++) cross[i] = 2 * h[i]; /* z = x / 2, so h is that of z */
    memcpy(moved, w, sizeof moved);
    CHECK(weight_retarget(cross, layer.h, 3, 12, moved));
    double away = 0, size = 0;
    for (size_t i = 0; i < 36; i++) away += fabs(moved[i] - 2 * w[i]), size += fabs(w[i]);
    CHECK(away < 0.1 * size); /* but for the damping */
    memcpy(moved, w, sizeof moved);
    CHECK(weight_retarget(layer.h, layer.h, 3, 12, moved)); /* z = x */
    CHECK(!memcmp(moved, w, sizeof moved));
}

int main(void)
{
    RUN(patterns);
    RUN(masks);
    RUN(greedy);
    RUN(all_masks);
    RUN(bands);
    RUN(refit);
    RUN(dead);
    RUN(broken_matrices);
    RUN(retarget);
    return unit_end();
}
