/* Micro-kernels for weights of which many are zero, against plain loops. */
#include "unit.h"

#include "backends/x86/ukernels/native.h"

#include <stdlib.h>

static const float guard = -77.25f;

static float random_float(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(int32_t)*state * 0x1p-31f;
}

static void *memory(size_t bytes)
{
    void *p = malloc(bytes + 1);
    if (!p) abort();
    return p;
}

/* ---- gemm_f32s ---- */

/* What pack_kept makes: some rows of each panel, of a panel none, in memory of exactly that size. */
typedef struct kept {
    int64_t panels, rows, span;
    int32_t *b;
    const int32_t *at;
    const float *values;
} kept;

static kept make_kept(int64_t panels, int64_t span, uint32_t *state)
{
    kept k = {.panels = panels, .span = span};
    for (int64_t p = 0; p < panels; p++) k.rows += p == 1 ? 0 : span / 3 + p % 2;
    int64_t head = (panels + 1 + k.rows + 15) / 16 * 16;
    k.b = memory((size_t)(head + 16 * k.rows) * 4);
    memset(k.b, 0, (size_t)head * 4);
    for (int64_t p = 0, n = 0; p < panels; p++) {
        int64_t rows = p == 1 ? 0 : span / 3 + p % 2;
        for (int64_t i = 0; i < rows; i++)
            k.b[panels + 1 + n++] = (int32_t)(i * (span - 1) / (rows > 1 ? rows - 1 : 1));
        k.b[p + 1] = (int32_t)n;
    }
    float *values = (float *)(void *)(k.b + head);
    for (int64_t i = 0; i < 16 * k.rows; i++) values[i] = random_float(state);
    k.at = k.b + panels + 1;
    k.values = values;
    return k;
}

static void check_kept(int mr, int64_t m_cols, int64_t a_col, int64_t a_row, int64_t span)
{
    char name[32];
    uint32_t state = (uint32_t)(mr + span);
    snprintf(name, sizeof name, "gemm_f32s_%dx16", mr);
    const adze_ukernel *uk = adze_uk_find(name);
    REQUIRE(uk != NULL);
    kept k = make_kept(4, span, &state);
    for (int64_t panel = 0; panel < k.panels; panel++) {
        float acc[14 * 16 + 1];
        for (int i = 0; i < 14 * 16 + 1; i++) acc[i] = guard;
        adze_ukernel_arg args[] = {{.p = acc}, {.i = 0},        {.i = m_cols}, {.i = a_col}, {.i = a_row},
                                   {.p = k.b}, {.i = k.panels}, {.i = k.rows}, {.i = panel}, {.i = span}};
        adze_reach reach[3];
        REQUIRE(uk->reach(args, reach));
        CHECK_INT(reach[0].end, 64 * mr);
        CHECK_INT(reach[2].end, ((k.panels + 1 + k.rows + 15) / 16 * 16 + 16 * k.rows) * 4);
        float *a = memory((size_t)reach[1].end);
        for (int64_t i = 0; i < reach[1].end / 4; i++) a[i] = random_float(&state);
        args[1].p = a;
        uk->invoke(args);
        double worst = 0;
        for (int m = 0; m < mr; m++)
            for (int n = 0; n < 16; n++) {
                double sum = 0;
                const float *row = a + m / m_cols * a_row + m % m_cols * a_col;
                for (int64_t i = k.b[panel]; i < k.b[panel + 1]; i++)
                    sum += (double)row[k.at[i]] * (double)k.values[16 * i + n];
                double error = fabs(sum - (double)acc[m * 16 + n]);
                if (!(error <= worst)) worst = error;
            }
        CHECK(worst <= 2e-5);
        CHECK(acc[16 * mr] == guard);
        free(a);
    }
    free(k.b);
}

TEST(kept_tiles)
{
    for (int mr = 1; mr <= 14; mr++) {
        check_kept(mr, 14, 37, 0, 37); /* plain product */
        check_kept(mr, 7, 8, 72, 160); /* 3 x 3 convolution, two rows of 7 */
        check_kept(mr, 14, 1, 0, 1);   /* one step, or none */
    }
}

/* Words that a text may hold: the native twin does not follow them out of memory. */
TEST(kept_hostile)
{
    uint32_t state = 5;
    kept k = make_kept(3, 9, &state);
    float acc[16], a[9] = {0};
    const adze_ukernel *uk = adze_uk_find("gemm_f32s_1x16");
    adze_ukernel_arg args[] = {{.p = acc}, {.p = a}, {.i = 1},      {.i = 0}, {.i = 0},
                               {.p = k.b}, {.i = 3}, {.i = k.rows}, {.i = 2}, {.i = 9}};
    adze_reach reach[3];
    REQUIRE(uk->reach(args, reach));
    uk->invoke(args);
    CHECK(acc[0] == 0 && acc[15] == 0);
    const struct {
        int64_t word;
        int32_t value;
    } bad[] = {{2, -1}, {3, 1 << 20}, {2, 7}, {3 + 1 + 4, 9}, {3 + 1 + 5, -1}, {3 + 1 + 5, INT32_MIN}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int32_t good = k.b[bad[i].word];
        k.b[bad[i].word] = bad[i].value;
        acc[3] = 0;
        uk->invoke(args);
        CHECK(isnan(acc[3]) && isnan(acc[0]) && isnan(acc[15]));
        k.b[bad[i].word] = good;
    }
    const struct {
        int arg;
        int64_t value;
    } numbers[] = {{2, 0}, {6, 0}, {6, INT64_MAX}, {7, -1}, {7, INT64_MAX}, {8, 3}, {8, -1}, {9, -1}, {9, INT64_MAX}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t good = args[numbers[i].arg].i;
        args[numbers[i].arg].i = numbers[i].value;
        CHECK(!uk->reach(args, reach));
        args[numbers[i].arg].i = good;
    }
    args[9].i = 0; /* nothing to read, and so no place is right */
    CHECK(uk->reach(args, reach) && reach[1].first == reach[1].end);
    uk->invoke(args);
    CHECK(isnan(acc[0]));
    free(k.b);
}

/* ---- gemm_f32e, pack_pixels ---- */

static void check_each(int64_t count, int64_t columns, int64_t m_cols, int64_t a_col, int64_t a_row,
                       const int64_t taps[4], int64_t k)
{
    enum { ROWS = 32 };
    uint32_t state = (uint32_t)(count + 7 * columns + k);
    int64_t t0 = taps[0], s0 = taps[1], t1 = taps[2], s1 = taps[3], steps = t0 * t1 * k, n = 0;
    const adze_ukernel *pack = adze_uk_find("pack_pixels_f32"), *uk = adze_uk_find("gemm_f32e_x16");
    adze_reach reach[3];
    adze_ukernel_arg in[] = {{.i = 0},  {.i = 0},  {.i = count}, {.i = m_cols}, {.i = a_col}, {.i = a_row},
                             {.i = t0}, {.i = s0}, {.i = t1},    {.i = s1},     {.i = k}};
    REQUIRE(pack->reach(in, reach));
    CHECK_INT(reach[0].end, 4 * steps * ROWS);
    float *a = memory((size_t)reach[1].end), *at = memory((size_t)reach[0].end);
    for (int64_t i = 0; i < reach[1].end / 4; i++) a[i] = random_float(&state);
    in[0].p = at;
    in[1].p = a;
    pack->invoke(in);
    int32_t *b = memory((size_t)(columns + 32 + 2 * columns * steps) * 4), *starts = b;
    for (int64_t j = 0; j < columns; j++) /* every third weight, of every fourth column none */
        for (int64_t i = j % 3; i < steps && j % 4 != 1; i += 3) n++;
    int32_t *step = b + columns + 1;
    float *values = (float *)(void *)(b + (columns + 1 + n + 15) / 16 * 16);
    starts[0] = 0;
    for (int64_t j = 0, at_n = 0; j < columns; j++) {
        for (int64_t i = j % 3; i < steps && j % 4 != 1; i += 3) {
            step[at_n] = (int32_t)i;
            values[at_n++] = random_float(&state);
        }
        starts[j + 1] = (int32_t)at_n;
    }
    for (int64_t column = 0; column < columns; column += 16) {
        float acc[ROWS * 16 + 1];
        acc[(size_t)ROWS * 16] = guard;
        int64_t left = columns - column < 16 ? columns - column : 16;
        adze_ukernel_arg args[] = {{.p = acc}, {.p = at},     {.p = b},    {.i = columns},
                                   {.i = n},   {.i = column}, {.i = left}, {.i = steps}};
        REQUIRE(uk->reach(args, reach));
        CHECK_INT(reach[1].end, 4 * steps * ROWS);
        uk->invoke(args);
        double worst = 0;
        for (int64_t m = 0; m < count; m++)
            for (int64_t j = 0; j < 16; j++) {
                double sum = 0;
                for (int64_t i = j < left ? starts[column + j] : 0; j < left && i < starts[column + j + 1]; i++) {
                    int64_t tap = step[i] / k;
                    sum += (double)values[i] *
                           (double)
                               a[m / m_cols * a_row + m % m_cols * a_col + tap / t1 * s0 + tap % t1 * s1 + step[i] % k];
                }
                double error = fabs(sum - (double)acc[m * 16 + j]);
                if (!(error <= worst)) worst = error;
            }
        CHECK(worst <= 2e-5);
        CHECK(acc[(size_t)ROWS * 16] == guard);
    }
    free(a);
    free(at);
    free(b);
}

TEST(each_weight)
{
    static const int64_t one[] = {1, 0, 1, 0}, window[] = {3, 90, 2, 11};
    check_each(32, 40, 32, 37, 0, one, 37);
    check_each(1, 16, 1, 5, 0, one, 5);
    check_each(27, 5, 32, 16, 0, one, 16);
    check_each(30, 33, 10, 8, 90, window, 8); /* three rows of ten */
    check_each(17, 16, 32, 40, 0, one, 1);
}

TEST(each_hostile)
{
    int32_t b[32 + 8] = {0, 1, 2, 0, 3}; /* two columns of a weight, steps 0 and 3 */
    float acc[32 * 16], at[4 * 32] = {0};
    const adze_ukernel *uk = adze_uk_find("gemm_f32e_x16");
    adze_ukernel_arg args[] = {{.p = acc}, {.p = at}, {.p = b}, {.i = 2}, {.i = 2}, {.i = 0}, {.i = 2}, {.i = 4}};
    adze_reach reach[3];
    REQUIRE(uk->reach(args, reach));
    uk->invoke(args);
    CHECK(acc[0] == 0 && acc[32 * 16 - 1] == 0);
    b[4] = 4;
    uk->invoke(args);
    CHECK(isnan(acc[0]) && isnan(acc[32 * 16 - 1]));
    const struct {
        int arg;
        int64_t value;
    } numbers[] = {{3, 1}, {3, INT64_MAX}, {4, -1}, {5, 1}, {5, -1}, {5, INT64_MAX}, {6, 17}, {6, -1}, {7, INT64_MAX}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t good = args[numbers[i].arg].i;
        args[numbers[i].arg].i = numbers[i].value;
        CHECK(!uk->reach(args, reach));
        args[numbers[i].arg].i = good;
    }
    const adze_ukernel *pack = adze_uk_find("pack_pixels_f32");
    adze_ukernel_arg in[] = {{.i = 0}, {.i = 0}, {.i = 33}, {.i = 1}, {.i = 0}, {.i = 0},
                             {.i = 1}, {.i = 0}, {.i = 1},  {.i = 0}, {.i = 1}};
    CHECK(!pack->reach(in, reach));
    in[2].i = 0;
    CHECK(!pack->reach(in, reach));
    in[2].i = 32;
    CHECK(pack->reach(in, reach) && reach[0].end == 4 * 32);
    in[10].i = INT64_MAX / 8;
    CHECK(!pack->reach(in, reach));
}

/* ---- widen_f32m, widen_s8m ---- */

static void check_masked(int64_t size, int64_t panels, int64_t each, unsigned kept_of_256)
{
    uint32_t state = (uint32_t)(each + panels) + kept_of_256;
    int64_t head = (4 * (panels + 1) + (panels * each + 7) / 8 + 63) / 64 * 64, n = 0;
    uint8_t *b = memory((size_t)(head + panels * each * size + 64)), *dense = memory((size_t)(panels * each * size));
    memset(b, 0, (size_t)head);
    memset(dense, 0, (size_t)(panels * each * size));
    for (int64_t i = 0; i < panels * each; i++) {
        (void)random_float(&state);
        bool stays = (state >> 20 & 255) < kept_of_256;
        int32_t end = (int32_t)(n + stays);
        memcpy(b + 4 * (i / each + 1), &end, sizeof end);
        if (!stays) continue;
        b[4 * (panels + 1) + i / 8] |= (uint8_t)(1u << i % 8);
        for (int64_t k = 0; k < size; k++) dense[i * size + k] = (uint8_t)(i * 7 + k + 1) | 1;
        memcpy(b + head + n++ * size, dense + i * size, (size_t)size);
    }
    const adze_ukernel *uk = adze_uk_find(size == 4 ? "widen_f32m" : "widen_s8m");
    uint8_t *y = memory((size_t)(each * size));
    for (int64_t p = 0; p < panels; p++) {
        adze_ukernel_arg args[] = {{.p = y}, {.p = b}, {.i = panels}, {.i = each}, {.i = p}, {.i = n}};
        adze_reach reach[2];
        REQUIRE(uk->reach(args, reach));
        CHECK_INT(reach[0].end, each * size);
        CHECK_INT(reach[1].end, head + n * size);
        uk->invoke(args);
        CHECK(!memcmp(y, dense + p * each * size, (size_t)(each * size)));
        if (!n || p + 1 < panels || !(b[4 * (panels + 1) + (panels * each - 1) / 8])) continue;
        args[5].i = n - 1; /* more bits than values */
        uk->invoke(args);
        CHECK(y[0] == 0xff && y[each * size - 1] == 0xff);
        args[4].i = panels;
        CHECK(!uk->reach(args, reach));
        args[4].i = 0;
        args[3].i = each + 1;
        CHECK(!uk->reach(args, reach));
        args[3].i = INT64_MAX / 8 * 8;
        CHECK(!uk->reach(args, reach));
    }
    free(b);
    free(dense);
    free(y);
}

TEST(masked)
{
    static const unsigned shares[] = {0, 20, 128, 200, 256};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        for (int64_t size = 1; size <= 4; size += 3) {
            check_masked(size, 1, 16, shares[i]);
            check_masked(size, 3, 64, shares[i]);
            check_masked(size, 2, 16 * 37, shares[i]);
        }
}

int main(void)
{
    RUN(kept_tiles);
    RUN(kept_hostile);
    RUN(each_weight);
    RUN(each_hostile);
    RUN(masked);
    return unit_end();
}
