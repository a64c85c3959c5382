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
        for (int64_t i = 0; i < rows; i++) k.b[panels + 1 + n++] = (int32_t)(i * (span - 1) / (rows > 1 ? rows - 1 : 1));
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
        adze_ukernel_arg args[] = {{.p = acc}, {.i = 0}, {.i = m_cols}, {.i = a_col}, {.i = a_row}, {.p = k.b},
                                   {.i = k.panels}, {.i = k.rows}, {.i = panel}, {.i = span}};
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
    adze_ukernel_arg args[] = {{.p = acc}, {.p = a},      {.i = 1},      {.i = 0}, {.i = 0},
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
    } numbers[] = {{2, 0},  {6, 0}, {6, INT64_MAX}, {7, -1}, {7, INT64_MAX}, {8, 3},
                   {8, -1}, {9, -1}, {9, INT64_MAX}};
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

int main(void)
{
    RUN(kept_tiles);
    RUN(kept_hostile);
    return unit_end();
}
