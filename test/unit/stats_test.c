/* Adding to statistics, beside direct sums over all that was added. */
#include "unit.h"

#include "passes/stats/accumulate.h"

#include <float.h>
#include <stdlib.h>

#define COUNT(got, want) CHECK_INT((int64_t)(got), (int64_t)(want))

/* ---- Values ---- */

static adze_context *context;
static adze_stats *stats;

static value_entry *start(uint32_t axis)
{
    context = adze_context_create();
    stats = adze_stats_create(context);
    return stats_add_value(stats, "x", axis);
}

static void end(void)
{
    adze_stats_destroy(stats);
    adze_context_destroy(context);
}

/* Adds x[dims] as one sample. */
static bool add(value_entry *v, const float *x, uint32_t rank, const int64_t *dims)
{
    uint64_t bad;
    adze_value value = {
        .kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f32, .rank = rank, .dims = dims, .data = (void *)x};
    floats f = {0};
    return floats_take(&f, &value) && stats_add_sample(v, &value, &f, &bad);
}

static bool add_list(value_entry *v, const float *x, int64_t n) { return add(v, x, 1, &n); }

/* Every element is in the bin that the final borders say. */
static void check_bins(const value_entry *v, const float *x, uint64_t n)
{
    static uint64_t want[ADZE_STATS_BINS];
    const adze_value_stats *s = &v->view;
    memset(want, 0, sizeof want);
    int exponent;
    CHECK(frexp(s->bin_width, &exponent) == 0.5);
    for (uint64_t i = 0; i < n; i++) {
        int64_t bin = (int64_t)floor((double)x[i] / s->bin_width) - s->first_bin;
        if (!unit_check(bin >= 0 && bin < ADZE_STATS_BINS, __FILE__, __LINE__, "an element is in no bin")) return;
        want[bin]++;
    }
    CHECK(!memcmp(want, s->bins, sizeof want));
    COUNT(s->count, n);
}

TEST(histogram_grows)
{
    /* Each run reaches further than all before it, on both sides; 8 lanes and a rest. */
    enum { RUNS = 12, N = 1003 };
    static float x[RUNS * N];
    value_entry *v = start(ADZE_STATS_NO_AXIS);
    for (int r = 0; r < RUNS; r++) {
        for (int i = 0; i < N; i++) x[r * N + i] = ldexpf((float)((i * 7919) % N) / (float)N - 0.3f, 3 * r - 20);
        CHECK(add_list(v, x + r * N, N));
        check_bins(v, x, (uint64_t)(r + 1) * N);
        double used = (v->view.max - v->view.min) / v->view.bin_width;
        CHECK(used > (double)ADZE_STATS_BINS / 2 - 2 && used <= (double)ADZE_STATS_BINS);
    }
    end();
}

TEST(histogram_does_not_depend_on_order)
{
    static const float runs[5][4] = {
        {1, 1, 1, 1}, {-1e-3f, 2e-3f, 0, 1e-5f}, {5e6f, 1, 2, 3}, {0, 0, 0, 0}, {-7, 100, 3, 1e-30f}};
    value_entry *v = start(ADZE_STATS_NO_AXIS), *w = stats_add_value(stats, "y", ADZE_STATS_NO_AXIS);
    for (int r = 0; r < 5; r++) CHECK(add_list(v, runs[r], 4) && add_list(w, runs[4 - r], 4));
    CHECK(v->view.bin_width == w->view.bin_width && v->view.first_bin == w->view.first_bin);
    CHECK(!memcmp(v->bins, w->bins, ADZE_STATS_BINS * sizeof *v->bins));
    check_bins(v, runs[0], 20);
    end();
}

TEST(histogram_of_extremes)
{
    static const float all[] = {0, -0.0f, FLT_MAX, -FLT_MAX, FLT_MIN, 1e-45f, -1e-45f, 1, 16777216};
    for (int n = 1; n <= 9; n++) {
        value_entry *v = start(ADZE_STATS_NO_AXIS);
        CHECK(add_list(v, all, n));
        check_bins(v, all, (uint64_t)n);
        CHECK(v->view.max == (double)(n < 3 ? 0 : FLT_MAX));
        end();
    }
    /* Constants, far from zero too, and what lies next to them. */
    for (int i = -40; i < 40; i++) {
        float near[] = {ldexpf(1, i), ldexpf(1, i), nextafterf(ldexpf(1, i), 0), nextafterf(ldexpf(1, i), FLT_MAX)};
        value_entry *v = start(ADZE_STATS_NO_AXIS);
        CHECK(add_list(v, near, 2) && add_list(v, near + 2, 2));
        check_bins(v, near, 4);
        end();
    }
}

TEST(moments_of_masks)
{
    /* The largest floats, whose sums and squares no float holds, in one run with small numbers. */
    enum { N = 64 };
    value_entry *v = start(ADZE_STATS_NO_AXIS);
    float x[N];
    for (int i = 0; i < N; i++) x[i] = i % 2 ? -FLT_MAX : 1;
    CHECK(add_list(v, x, N));
    const adze_value_stats *s = &v->view;
    double half = (double)FLT_MAX / 2;
    CHECK_NEAR(s->mean / half, -1, 1e-6);
    CHECK_NEAR(s->abs_mean / half, 1, 1e-6);
    CHECK_NEAR(s->variance / half / half, 1, 1e-6);
    COUNT(s->n_infinite, 0);
    end();
}

TEST(moments_of_a_sequence)
{
    /* 0 … n - 1, in parts of any length: mean (n - 1) / 2, variance (n^2 - 1) / 12. */
    enum { N = 50000 };
    static float x[N];
    for (int i = 0; i < N; i++) x[i] = (float)i;
    value_entry *v = start(ADZE_STATS_NO_AXIS);
    for (int i = 0, n = 1; i < N; i += n, n = n * 3 % 4099 + 1) CHECK(add_list(v, x + i, i + n < N ? n : N - i));
    CHECK_NEAR(v->view.mean, (N - 1) / 2.0, 1e-7 * (double)N);
    CHECK_NEAR(v->view.abs_mean, (N - 1) / 2.0, 1e-7 * (double)N);
    CHECK_NEAR(v->view.variance / (((double)N * (double)N - 1) / 12), 1, 1e-6);
    CHECK(v->view.min == 0 && v->view.max == N - 1);
    end();
}

/* Channel c of x[2, 3, inner] is c * 100 + an alternation of -1 and 1: variance 1 far from zero. */
static void check_channels(uint32_t axis, int64_t outer, int64_t n, int64_t inner)
{
    int64_t dims[3] = {outer, n, inner}, last[2] = {outer, n};
    float *x = calloc((size_t)(outer * n * inner), sizeof *x);
    value_entry *v = start(axis);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t c = 0; c < n; c++)
            for (int64_t i = 0; i < inner; i++) x[(o * n + c) * inner + i] = (float)(c * 100 + ((o + i) % 2 ? 1 : -1));
    for (int s = 0; s < 3; s++) CHECK(inner > 1 ? add(v, x, 3, dims) : add(v, x, 2, last));
    const adze_channel_stats *c = &v->view.channels;
    COUNT(c->n, n);
    for (uint64_t i = 0; i < c->n; i++) {
        double mean = (double)i * 100;
        COUNT(c->count[i], 3 * outer * inner);
        CHECK(c->min[i] == mean - 1 && c->max[i] == mean + 1 && c->abs_max[i] == mean + 1);
        CHECK_NEAR(c->mean[i], mean, 1e-9 * (mean + 1));
        CHECK_NEAR(c->abs_mean[i], i ? mean : 1, 1e-9 * (mean + 1));
        CHECK_NEAR(c->variance[i], 1, 1e-9);
    }
    end();
    free(x);
}

TEST(channels_of_images) { check_channels(1, 2, 3, 4000); }
TEST(channels_of_small_images) { check_channels(1, 4, 5, 2); }
TEST(channels_side_by_side) { check_channels(1, 4000, 7, 1); }

TEST(not_finite_elements_do_not_count)
{
    float x[2][3][9];
    const int64_t dims[] = {2, 3, 9}, flat[] = {18, 3};
    for (int i = 0; i < 54; i++) (&x[0][0][0])[i] = (float)(i % 9);
    x[0][1][3] = NAN;
    x[1][1][0] = INFINITY;
    for (int i = 0; i < 9; i++) x[0][2][i] = x[1][2][i] = -INFINITY;
    value_entry *v = start(1), *w = stats_add_value(stats, "y", 1);
    CHECK(add(v, &x[0][0][0], 3, dims) && add(w, &x[0][0][0], 2, flat));
    for (int i = 0; i < 2; i++) {
        const adze_value_stats *s = &(i ? w : v)->view;
        COUNT(s->count, 34);
        COUNT(s->n_nan, 1);
        COUNT(s->n_infinite, 19);
        CHECK(s->min == 0 && s->max == 8);
        CHECK_NEAR(s->mean, (2 * 72 - 3) / 34.0, 1e-12);
    }
    const adze_channel_stats *c = &v->view.channels;
    COUNT(c->count[1], 16);
    CHECK_NEAR(c->mean[1], (72 - 3) / 16.0, 1e-12);
    CHECK(c->count[2] == 0 && c->abs_max[2] == 0 && c->mean[2] == 0 && c->variance[2] == 0);
    end();
}

TEST(channels_that_change_are_none)
{
    static const float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    value_entry *v = start(1);
    CHECK(add(v, x, 2, (const int64_t[]){3, 4}));
    COUNT(v->view.channels.n, 4);
    CHECK(add(v, x, 2, (const int64_t[]){4, 3}) && add(v, x, 2, (const int64_t[]){3, 4}));
    COUNT(v->view.channels.n, 0);
    COUNT(v->view.axis, ADZE_STATS_NO_AXIS);
    COUNT(v->view.count, 36);
    CHECK(add(v, x, 2, (const int64_t[]){0, 4}));
    COUNT(v->view.samples, 4);
    CHECK_NEAR(v->view.mean, 6.5, 1e-12);
    end();
}

/* ---- Gram matrices ---- */

static bool size_of(void *self, const char *name, int64_t *out)
{
    *out = strcmp(name, "N") ? 0 : *(const int64_t *)self;
    return *out > 0;
}

/* The sum that stats.h states, of a convolution written out. x[n, c, h, w], window 3 x 2. */
enum { C = 6, H = 9, W = 8, GROUPS = 2, SIZE = C / GROUPS * 3 * 2, OUT_H = 5, OUT_W = 8 };

static double patch(const float *x, int n, int g, int y, int z, int k)
{
    int c = g * (C / GROUPS) + k / 6, a = 2 * y - 1 + k % 6 / 2, b = z - 1 + 2 * (k % 2);
    return a < 0 || a >= H || b < 0 || b >= W ? 0 : (double)x[((n * C + c) * H + a) * W + b];
}

static void check_conv(const gram_entry *gram, const float *x, int samples)
{
    for (int g = 0; g < GROUPS; g++) {
        const double *sums = gram->sums + g * (SIZE + SIZE * (SIZE + 1) / 2), *lower = sums + SIZE;
        for (int i = 0; i < SIZE; i++) {
            for (int k = -1; k <= i; k++) {
                double want = 0, got = k < 0 ? sums[i] : *lower++;
                for (int n = 0; n < samples; n++)
                    for (int y = 0; y < OUT_H; y++)
                        for (int z = 0; z < OUT_W; z++)
                            want += patch(x, n, g, y, z, i) * (k < 0 ? 1 : patch(x, n, g, y, z, k));
                CHECK_NEAR(got, want, 1e-4 * fabs(want) + 1e-3);
            }
        }
        COUNT(gram->rows[g], samples * OUT_H * OUT_W);
    }
}

static const struct {
    const char *type;
    int count;
} weights[] = {{"f32[4,3,3,2]", 72}, {"f32[2,3,3,2]", 36}, {"f32[8,16]", 128}, {"f32[8,5]", 40}, {"f32[5,8]", 40}};

static const char text[] =
    "  func @main(%x: f32[N,6,9,8], %y: f32[N,8], %z: f32[N,8]) -> () {\n"
    "    %0 = conv(%x, @w0) {dilations = [1, 2], group = 2, pads = [1, 1, 1, 1], strides = [2, 1]}\n"
    "    %1 = conv(%x, @w1) {dilations = [1, 2], group = 2, pads = [1, 1, 1, 1], strides = [2, 1]}\n"
    "    %2 = conv(%x, @w1) {group = 2, pads = [1, 1, 1, 1], strides = [2, 1]}\n"
    "    %3 = matmul(%y, @w2)\n"
    "    %4 = gemm(%y, @w3)\n"
    "    %5 = gemm(%y, %z) {transB = 1}\n"
    "    %6 = matmul(@w3, @w4)\n"
    "    return()\n  }\n}\n";

static const adze_op *op_at(const adze_module *module, int index)
{
    const adze_op *op = adze_region_first(adze_func_body(adze_module_main(module)));
    while (index--) op = adze_op_next(op);
    return op;
}

static adze_module *parse(void)
{
    adze_text source = {0};
    adze_text_append(&source, "module @m {\n");
    for (int i = 0; i < 5; i++) {
        adze_text_append(&source, "  const @w%d: %s = dense[", i, weights[i].type);
        for (int k = 0; k < weights[i].count; k++) adze_text_append(&source, k ? ", 0.0" : "0.0");
        adze_text_append(&source, "]\n");
    }
    adze_text_write(&source, text, sizeof text - 1);
    adze_context_add_text(context, "unit", source.data, source.size);
    adze_module *module = adze_module_parse(context, "unit", source.data, source.size);
    adze_text_free(&source);
    return module;
}

TEST(equal_readings_share)
{
    gram_map maps[7];
    context = adze_context_create();
    adze_module *module = parse();
    REQUIRE(module);
    for (int i = 0; i < 5; i++) CHECK(gram_describe(op_at(module, i), 0, &maps[i]));
    CHECK(maps[0].window == maps[1].window && maps[0].window != maps[2].window);
    CHECK(maps[3].window == maps[4].window && maps[3].size == 8);
    COUNT(maps[0].size, SIZE);
    COUNT(maps[0].groups, GROUPS);
    CHECK_STR(maps[3].window, "[r0, c0] columns [8] rows [N]");
    /* Weights that are no constants, data that are, and operands that are not multiplied. */
    CHECK(!gram_describe(op_at(module, 5), 0, &maps[5]) && !gram_describe(op_at(module, 5), 1, &maps[5]));
    CHECK(!gram_describe(op_at(module, 0), 1, &maps[5]) && !gram_describe(op_at(module, 0), 2, &maps[5]));
    CHECK(!gram_describe(op_at(module, 6), 0, &maps[6]));
    adze_module_destroy(module);
    adze_context_destroy(context);
}

TEST(gram_is_the_direct_sum)
{
    enum { SAMPLES = 3, EACH = 2 };
    static float x[SAMPLES * EACH * C * H * W];
    gram_map map;
    gram_room room = {0};
    const char *why = "";
    int64_t n = EACH, dims[] = {EACH, C, H, W};
    start(1);
    adze_module *module = parse();
    REQUIRE(module && gram_describe(op_at(module, 0), 0, &map));
    gram_entry *gram = stats_add_gram(stats, "x", map.window, map.size, (uint32_t)map.groups);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = (float)((i * 2654435761u >> 8) % 1000) / 500 - 0.9f;
    for (int s = 0; s < SAMPLES; s++) {
        adze_value value = {.kind = ADZE_VALUE_TENSOR,
                            .dtype = ADZE_DTYPE_f32,
                            .rank = 4,
                            .dims = dims,
                            .data = x + s * EACH * C * H * W};
        floats f = {0};
        CHECK(floats_take(&f, &value));
        CHECK(gram_add_sample(gram, &map, &value, &f, true, size_of, &n, &room, &why));
        gram_finish(gram);
        check_conv(gram, x, (s + 1) * EACH);
    }
    n = 0; /* the number of images is not known */
    adze_value value = {.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f32, .rank = 4, .dims = dims, .data = x};
    floats f = {.data = x, .count = EACH * C * H * W};
    CHECK(!gram_add_sample(gram, &map, &value, &f, true, size_of, &n, &room, &why));
    CHECK_STR(why, "the number of its patches cannot be told from the sizes of the inputs");
    gram_room_free(&room);
    adze_module_destroy(module);
    end();
}

/* Every form of the loops, on lengths with and without a rest. */
TEST(forms_agree)
{
    enum { N = 2 * STATS_BLOCK * STATS_STRIP, SIZE_OF = 21, SUMS = SIZE_OF * (SIZE_OF + 1) / 2 };
    static float x[N];
    static uint32_t bins[2][STATS_TABLES][ADZE_STATS_BINS];
    const stats_kernels *forms[] = {stats_kernels_get_base(), stats_kernels_get()};
    for (uint32_t i = 0; i < N; i++) x[i] = (float)((i * 2654435761u >> 7) % 4001) / 1000 - 2;
    for (uint64_t n = 1; n < N; n = n * 3 + 1) {
        range_sums r[2];
        double squares[2];
        uint64_t counts[2][ADZE_STATS_BINS] = {{0}};
        memset(bins, 0, sizeof bins);
        for (int f = 0; f < 2; f++) {
            forms[f]->range(x, n, &r[f]);
            squares[f] = forms[f]->squares(x, n, r[f].sum / (double)n);
            forms[f]->bins(x, n, 1.0f / 256, -513, bins[f]);
            for (int b = 0; b < ADZE_STATS_BINS * STATS_TABLES; b++)
                counts[f][b % ADZE_STATS_BINS] += bins[f][b / ADZE_STATS_BINS][b % ADZE_STATS_BINS];
        }
        CHECK(r[0].min == r[1].min && r[0].max == r[1].max && !r[0].bad && !r[1].bad);
        CHECK_NEAR(r[0].sum, r[1].sum, 1e-5 * r[1].abs_sum);
        CHECK_NEAR(squares[0], squares[1], 1e-5 * squares[1]);
        CHECK(!memcmp(counts[0], counts[1], sizeof counts[0]));
    }
    double sums[2][SUMS + SIZE_OF] = {{0}};
    for (uint64_t row = 0; row < STATS_BLOCK; row++) /* columns past the size are zero */
        for (uint64_t k = SIZE_OF; k < 2 * STATS_STRIP; k++) x[gram_place((uint32_t)row, k)] = 0;
    for (int f = 0; f < 2; f++) forms[f]->gram(x, 201, SIZE_OF, sums[f], sums[f] + SUMS);
    for (int i = 0; i < SUMS + SIZE_OF; i++) CHECK_NEAR(sums[0][i], sums[1][i], 1e-3);
    double want = 0;
    for (uint32_t row = 0; row < 201; row++) want += (double)(x[gram_place(row, 20)] * x[gram_place(row, 3)]);
    CHECK_NEAR(sums[0][20 * 21 / 2 + 3], want, 1e-3);
}

int main(void)
{
    RUN(histogram_grows);
    RUN(histogram_does_not_depend_on_order);
    RUN(histogram_of_extremes);
    RUN(moments_of_masks);
    RUN(moments_of_a_sequence);
    RUN(channels_of_images);
    RUN(channels_of_small_images);
    RUN(channels_side_by_side);
    RUN(not_finite_elements_do_not_count);
    RUN(channels_that_change_are_none);
    RUN(equal_readings_share);
    RUN(gram_is_the_direct_sum);
    RUN(forms_agree);
    return unit_end();
}
