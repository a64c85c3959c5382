/* Micro-kernels against plain loops, through the table that the interpreter uses. */
#include "unit.h"

#include "backends/x86/ukernels/native.h"

#include <stdlib.h>
#include <string.h>

enum { GUARD = 32 };
static const float guard = -77.25f;

static float random_float(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(int32_t)*state * 0x1p-31f;
}

static float *filled(size_t count, uint32_t seed)
{
    float *p = malloc(count * sizeof *p);
    if (!p) abort();
    for (size_t i = 0; i < count; i++) p[i] = random_float(&seed);
    return p;
}

/* An output of `count` floats between guards. */
static float *guarded(size_t count)
{
    float *p = malloc((count + 2 * GUARD) * sizeof *p);
    if (!p) abort();
    for (size_t i = 0; i < count + 2 * GUARD; i++) p[i] = guard;
    return p + GUARD;
}

static bool guards_hold(const float *p, size_t count)
{
    for (int i = 1; i <= GUARD; i++)
        if (p[-i] != guard || p[count + (size_t)i - 1] != guard) return false;
    return true;
}

static void release(float *p)
{
    free(p - GUARD);
}

typedef struct gemm_shape {
    int64_t m_cols, a_col, a_row, t0, s0, t1, s1, k;
} gemm_shape;

static double gemm_element(const gemm_shape *g, const float *a, const float *b, int64_t m, int64_t n)
{
    double sum = 0;
    const float *row = a + m / g->m_cols * g->a_row + m % g->m_cols * g->a_col;
    for (int64_t i0 = 0; i0 < g->t0; i0++)
        for (int64_t i1 = 0; i1 < g->t1; i1++)
            for (int64_t kk = 0; kk < g->k; kk++)
                sum += (double)row[i0 * g->s0 + i1 * g->s1 + kk] *
                       (double)b[((n / 16 * g->t0 + i0) * g->t1 + i1) * g->k * 16 + kk * 16 + n % 16];
    return sum;
}

static void check_gemm(const adze_ukernel *uk, int mr, int nr, const gemm_shape *g)
{
    float *a = filled(4096, 1), *b = filled(65536, 2), *acc = guarded((size_t)(mr * nr));
    uk->invoke((adze_ukernel_arg[]){{.p = acc}, {.cp = a}, {.i = g->m_cols}, {.i = g->a_col}, {.i = g->a_row},
                               {.cp = b}, {.i = g->t0}, {.i = g->s0}, {.i = g->t1},
                               {.i = g->s1}, {.i = g->k}, {.i = 16}});
    double worst = 0;
    for (int m = 0; m < mr; m++)
        for (int n = 0; n < nr; n++) {
            double error = fabs((double)acc[m * nr + n] - gemm_element(g, a, b, m, n));
            if (!(error <= worst)) worst = error;
        }
    if (!unit_check(worst <= 2e-5, __FILE__, __LINE__, uk->name)) printf("  error %g\n", worst);
    CHECK(guards_hold(acc, (size_t)(mr * nr)));
    release(acc);
    free(a);
    free(b);
}

TEST(gemm_tiles)
{
    static const gemm_shape shapes[] = {
        {14, 37, 0, 1, 0, 1, 0, 37},  /* plain product */
        {7, 8, 72, 3, 72, 3, 8, 8},   /* 3 x 3 convolution, two rows of 7 */
        {14, 16, 0, 3, 256, 1, 0, 24}, /* taps joined to one run a row, stride 2 */
        {14, 1, 0, 1, 0, 1, 0, 1},    /* one step */
        {14, 1, 0, 1, 0, 1, 0, 0},    /* nothing to add up */
    };
    int tiles = 0;
    for (size_t i = 0; i < adze_uk_count; i++) {
        int mr, nr;
        if (sscanf(adze_uk_table[i].name, "gemm_f32_%dx%d", &mr, &nr) != 2) continue;
        tiles++;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            check_gemm(&adze_uk_table[i], mr, nr, &shapes[s]);
    }
    CHECK_INT(tiles, 28);
}

TEST(depthwise)
{
    enum { CHANNELS = 24, COLUMNS = 20 };
    float *x = filled(CHANNELS * COLUMNS * 8, 3), *w = filled(25 * CHANNELS, 4);
    for (int mw = 1; mw <= 8; mw++)
        for (int64_t taps = 1; taps <= 5; taps += 2)
            for (int64_t stride = 1; stride <= 2; stride++) {
                char name[16];
                snprintf(name, sizeof name, "dw_f32_%d", mw);
                const adze_ukernel *uk = adze_uk_find(name);
                REQUIRE(uk != NULL);
                float *acc = guarded((size_t)mw * 16);
                int64_t row = CHANNELS * COLUMNS;
                uk->invoke((adze_ukernel_arg[]){{.p = acc}, {.cp = x}, {.i = stride * CHANNELS}, {.cp = w},
                                           {.i = CHANNELS}, {.i = taps}, {.i = row}, {.i = taps},
                                           {.i = CHANNELS}});
                double worst = 0;
                for (int64_t p = 0; p < mw; p++)
                    for (int64_t c = 0; c < 16; c++) {
                        double sum = 0;
                        for (int64_t i = 0; i < taps; i++)
                            for (int64_t j = 0; j < taps; j++)
                                sum += (double)x[(p * stride + j) * CHANNELS + i * row + c] *
                                       (double)w[(i * taps + j) * CHANNELS + c];
                        double error = fabs(sum - (double)acc[p * 16 + c]);
                        if (!(error <= worst)) worst = error;
                    }
                CHECK(worst <= 2e-6);
                CHECK(guards_hold(acc, (size_t)mw * 16));
                release(acc);
            }
    free(x);
    free(w);
}

/* Elements of `bytes` bytes; what lies between the rows stays as it was. */
static bool turns(const char *name, int bytes)
{
    enum { X_ROW = 21, Y_ROW = 19 };
    uint8_t x[16 * X_ROW * 8], y[16 * Y_ROW * 8];
    for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)(i * 37 % 251);
    memset(y, 255, sizeof y);
    adze_uk_find(name)->invoke((adze_ukernel_arg[]){{.p = y}, {.i = Y_ROW}, {.cp = x}, {.i = X_ROW}});
    bool right = true;
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < Y_ROW; j++)
            for (int b = 0; b < bytes; b++)
                right &= y[(i * Y_ROW + j) * bytes + b] == (j < 16 ? x[(j * X_ROW + i) * bytes + b] : 255);
    return right;
}

TEST(transpose_bytes)
{
    CHECK(turns("transpose_b8_16x16", 1));
    CHECK(turns("transpose_b16_16x16", 2));
    CHECK(turns("transpose_b32_16x16", 4));
    CHECK(turns("transpose_b64_16x16", 8));
}

/* x[k][n] packed, then a[mr][k] times it; whole numbers, so that sums are exact. */
static bool multiplies_doubles(int64_t mr, int64_t k, int64_t n, bool turned)
{
    double a[14 * 9], x[9 * 40], y[2 * 2 * 9 * 16], acc[14 * 16];
    for (int i = 0; i < 14 * 9; i++) a[i] = i % 11 - 5;
    for (int i = 0; i < 9 * 40; i++) x[i] = i % 7 - 3;
    const int64_t x_k = turned ? 1 : 40, x_n = turned ? 9 : 1;
    adze_uk_find("pack_f64")->invoke(
        (adze_ukernel_arg[]){{.p = y}, {.cp = x}, {.i = k}, {.i = n}, {.i = x_k}, {.i = x_n}, {.i = k}});
    char name[32];
    snprintf(name, sizeof name, "gemm_f64_%dx16", (int)mr);
    bool right = true;
    for (int64_t panel = 0; panel < (n + 31) / 32 * 2; panel++) {
        adze_uk_find(name)->invoke((adze_ukernel_arg[]){{.p = acc}, {.cp = a}, {.i = mr}, {.i = 9}, {.i = 0},
                                                        {.cp = y + panel * k * 16}, {.i = 1}, {.i = 0}, {.i = 1},
                                                        {.i = 0}, {.i = k}, {.i = 0}});
        for (int64_t m = 0; m < mr; m++)
            for (int64_t j = 0; j < 16; j++) {
                double sum = 0;
                const int64_t column = panel * 16 + j;
                for (int64_t i = 0; i < k && column < n; i++) sum += a[m * 9 + i] * x[i * x_k + column * x_n];
                right &= acc[m * 16 + j] == sum;
            }
    }
    return right;
}

TEST(gemm_f64)
{
    static const int64_t rows[] = {1, 3, 4, 14};
    for (int i = 0; i < 4; i++)
        for (int64_t k = 0; k <= 9; k += 3) {
            CHECK(multiplies_doubles(rows[i], k, 40, false));
            CHECK(multiplies_doubles(rows[i], k, 17, false));
            CHECK(multiplies_doubles(rows[i], k, 33, true));
        }
}

/* Elements 8 .. 8 + count of `bits` bits as bytes, then back; what lies behind them stays as it was. */
static bool packs(int bits, bool is_signed, int64_t count)
{
    uint8_t x[64], y[80], z[64];
    char name[32];
    const int each = 8 / bits, mask = (1 << bits) - 1;
    for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)(i * 37 % 251);
    memset(y, 99, sizeof y);
    memset(z, 99, sizeof z);
    snprintf(name, sizeof name, "unpack_%c%d", is_signed ? 'i' : 'u', bits);
    adze_uk_find(name)->invoke((adze_ukernel_arg[]){{.p = y}, {.cp = x}, {.i = 8}, {.i = count}});
    snprintf(name, sizeof name, "pack_b%d", bits);
    adze_uk_find(name)->invoke((adze_ukernel_arg[]){{.p = z}, {.cp = y}, {.i = 8}, {.i = count}});
    bool right = true;
    for (int64_t i = 0; i < 80; i++) {
        int code = x[(8 + i) / each] >> ((8 + i) % each) * bits & mask;
        if (is_signed && code >> (bits - 1)) code -= mask + 1;
        right &= y[i] == (i < count ? (uint8_t)code : 99);
    }
    const int64_t first = 8 / each, whole = (8 + count) / each, left = (8 + count) % each;
    for (int64_t i = 0; i < 64; i++) {
        const bool last = left && i == whole;
        right &= z[i] == (i >= first && i < whole ? x[i] : last ? (x[i] & ((1 << left * bits) - 1)) : 99);
    }
    return right;
}

TEST(pack_bits)
{
    for (int64_t count = 0; count <= 70; count++)
        for (int kind = 0; kind < 4; kind++) CHECK(packs(kind & 2 ? 4 : 2, kind & 1, count));
}

TEST(transpose)
{
    enum { X_ROW = 21, Y_ROW = 19 };
    float *x = filled(16 * X_ROW, 5), *y = guarded(15 * Y_ROW + 16);
    adze_uk_find("transpose_b32_16x16")->invoke(
        (adze_ukernel_arg[]){{.p = y}, {.i = Y_ROW}, {.cp = x}, {.i = X_ROW}});
    bool right = true;
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < Y_ROW && (i < 15 || j < 16); j++)
            right &= y[i * Y_ROW + j] == (j < 16 ? x[j * X_ROW + i] : guard);
    CHECK(right);
    CHECK(guards_hold(y, 15 * Y_ROW + 16));
    free(x);
    release(y);
}

/* In one order whatever the level: four sums that take turns, then what is left. */
TEST(sums_of_rows)
{
    enum { ROW = 40 };
    float *x = filled(16 * ROW, 6);
    for (int64_t rows = 0; rows <= 16; rows++)
        for (int64_t count = 0; count < 11; count++) {
            float *y = guarded(16);
            adze_uk_find("sum_f32_rows")->invoke(
                (adze_ukernel_arg[]){{.p = y}, {.cp = x}, {.i = rows}, {.i = ROW}, {.i = count}});
            bool right = true;
            for (int64_t r = 0; r < 16; r++) {
                float four[4] = {0};
                int64_t i = 0;
                for (; r < rows && i < count / 4 * 4; i++) four[i % 4] += x[r * ROW + i];
                float sum = (four[0] + four[2]) + (four[1] + four[3]);
                for (; r < rows && i < count; i++) sum += x[r * ROW + i];
                right &= y[r] == sum;
            }
            CHECK(right);
            CHECK(guards_hold(y, 16));
            release(y);
        }
    free(x);
}

TEST(pack)
{
    static const struct {
        int64_t k, n, x_k, x_n, rows;
    } cases[] = {{5, 64, 64, 1, 5},   {5, 70, 71, 1, 8},   {37, 32, 1, 37, 48}, {37, 33, 1, 40, 37},
                 {16, 31, 1, 16, 16}, {3, 65, 130, 2, 16}, {0, 40, 1, 1, 3},    {4, 0, 1, 1, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t k = cases[i].k, n = cases[i].n, panels = (n + 31) / 32 * 2, rows = cases[i].rows;
        size_t count = (size_t)(panels * rows * 16);
        float *x = filled(8192, 6), *y = guarded(count);
        adze_uk_find("pack_f32")->invoke((adze_ukernel_arg[]){
            {.p = y}, {.cp = x}, {.i = k}, {.i = n}, {.i = cases[i].x_k}, {.i = cases[i].x_n}, {.i = rows}});
        bool right = true;
        for (int64_t p = 0; p < panels; p++)
            for (int64_t kk = 0; kk < rows; kk++)
                for (int64_t j = 0; j < 16; j++) {
                    int64_t column = 16 * p + j;
                    float want = column < n && kk < k ? x[kk * cases[i].x_k + column * cases[i].x_n] : 0;
                    right &= y[(p * rows + kk) * 16 + j] == want;
                }
        CHECK(right);
        CHECK(guards_hold(y, count));
        free(x);
        release(y);
    }
}

TEST(table)
{
    for (size_t i = 0; i < adze_uk_count; i++) {
        const adze_ukernel *uk = &adze_uk_table[i];
        CHECK(adze_uk_find(uk->name) == uk);
        CHECK(strspn(uk->signature, "pbi") == strlen(uk->signature));
    }
    CHECK(adze_uk_find("gemm_f32_15x32") == NULL);
}

static void note(adze_reach *r, int64_t at)
{
    if (4 * at < r->first) r->first = 4 * at;
    if (4 * (at + 1) > r->end) r->end = 4 * (at + 1);
}

/* What `reach` says of a tile is what the definition reads and writes. */
TEST(reach_of_gemm)
{
    static const gemm_shape shapes[] = {
        {9, 7, 0, 1, 0, 1, 0, 7}, {3, 4, 50, 3, 50, 2, 8, 4}, {2, -5, 30, 2, -40, 3, 6, 5}, {1, 0, -9, 1, 3, 1, 1, 1}};
    const adze_ukernel *uk = adze_uk_find("gemm_f32_5x16");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const gemm_shape *g = &shapes[i];
        adze_reach got[3], a = {INT64_MAX, INT64_MIN};
        adze_ukernel_arg args[12] = {[2] = {.i = g->m_cols}, [3] = {.i = g->a_col}, [4] = {.i = g->a_row},
                                     [6] = {.i = g->t0},     [7] = {.i = g->s0},    [8] = {.i = g->t1},
                                     [9] = {.i = g->s1},     [10] = {.i = g->k}};
        for (int64_t m = 0; m < 5; m++)
            for (int64_t i0 = 0; i0 < g->t0; i0++)
                for (int64_t i1 = 0; i1 < g->t1; i1++)
                    for (int64_t kk = 0; kk < g->k; kk++)
                        note(&a, m / g->m_cols * g->a_row + m % g->m_cols * g->a_col + i0 * g->s0 + i1 * g->s1 + kk);
        CHECK(uk->reach(args, got));
        CHECK(got[0].first == 0 && got[0].end == 5 * 16 * 4);
        CHECK(got[1].first == a.first && got[1].end == a.end);
        CHECK(got[2].first == 0 && got[2].end == 4 * g->t0 * g->t1 * g->k * 16);
        args[2].i = 0;
        CHECK(!uk->reach(args, got));
        args[2].i = g->m_cols;
        CHECK(adze_uk_find("gemm_f32_5x32")->reach(args, got)); /* the panel behind it too */
        CHECK(got[2].first == 0 && got[2].end == 4 * g->t0 * g->t1 * g->k * 32);
        args[10].i = INT64_MAX / 2;
        CHECK(!uk->reach(args, got));
    }
}

TEST(reach_of_others)
{
    adze_reach got[3];
    const adze_ukernel *dw = adze_uk_find("dw_f32_3"), *pack = adze_uk_find("pack_f32");
    CHECK(dw->reach((adze_ukernel_arg[]){{.i = 0}, {.i = 0}, {.i = 20}, {.i = 0}, {.i = 32}, {.i = 2}, {.i = -100},
                                         {.i = 3}, {.i = 16}}, got));
    CHECK(got[0].end == 4 * 48 && got[1].first == -400 && got[1].end == 4 * (2 * 20 + 2 * 16 + 16));
    CHECK(got[2].first == 0 && got[2].end == 4 * (5 * 32 + 16));
    CHECK(pack->reach((adze_ukernel_arg[]){{.i = 0}, {.i = 0}, {.i = 7}, {.i = 33}, {.i = 40}, {.i = 1},
                                           {.i = 9}}, got));
    CHECK(got[0].end == 4 * 2 * 9 * 32 && got[1].end == 4 * (6 * 40 + 33));
    CHECK(!pack->reach((adze_ukernel_arg[]){{.i = 0}, {.i = 0}, {.i = INT64_MAX}, {.i = 33}, {.i = 40}, {.i = 1},
                                            {.i = INT64_MAX}}, got));
    CHECK(!pack->reach((adze_ukernel_arg[]){{.i = 0}, {.i = 0}, {.i = 7}, {.i = 33}, {.i = 40}, {.i = 1}, {.i = 6}},
                       got));
    for (size_t i = 0; i < adze_uk_count; i++) CHECK(adze_uk_table[i].reach != NULL);
}

int main(void)
{
    RUN(reach_of_gemm);
    RUN(reach_of_others);
    RUN(gemm_tiles);
    RUN(depthwise);
    RUN(gemm_f64);
    RUN(pack_bits);
    RUN(transpose);
    RUN(transpose_bytes);
    RUN(sums_of_rows);
    RUN(pack);
    RUN(table);
    return unit_end();
}
