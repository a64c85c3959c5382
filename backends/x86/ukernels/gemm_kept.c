/* f32 matrix product and direct convolution with weights of which whole rows of a panel are zero.
 *
 * A row of a panel is one step of k of 16 columns; a panel here holds the others, and for each the place of the input
 * that it is multiplied with: taps and strides are a part of that, so that one loop goes over all taps. A step costs
 * what a step of gemm_f32 costs; what is left out costs nothing.
 */
#include "ukernels.h"
#include "vector.h"

enum { KEPT_ROWS = 14, KEPT_AHEAD = 64 * PANEL };

typedef struct kept_args {
    float *acc;
    const float *a;
    int64_t m_cols, a_col, a_row;
    const int32_t *b;
    int64_t panels, rows, panel;
} kept_args;

INLINE void kept_tile(const int rows, const kept_args g)
{
    v16 c[KEPT_ROWS];
    int64_t offset[KEPT_ROWS];
    const int32_t *at = g.b + g.panels + 1;
    const float *values = (const void *)(g.b + kept_values(g.panels, g.rows));
    const int64_t end = g.b[g.panel + 1];
    UNROLL for (int m = 0; m < rows; m++)
    {
        offset[m] = m / g.m_cols * g.a_row + m % g.m_cols * g.a_col;
        c[m] = splat16(0);
    }
    for (int64_t i = g.b[g.panel]; i < end; i++) {
        const float *a = g.a + at[i];
        const v16 row = load16(values + i * PANEL);
        __builtin_prefetch(values + i * PANEL + KEPT_AHEAD, 0, 2);
        UNROLL for (int m = 0; m < rows; m++) c[m] = c[m] + splat16(a[offset[m]]) * row;
    }
    UNROLL for (int m = 0; m < rows; m++) store16(g.acc + m * 16, c[m]);
}

#define UK_GEMM_KEPT(mr)                                                                                               \
    void adze_uk_gemm_f32s_##mr##x16(float *acc, const float *a, int64_t m_cols, int64_t a_col, int64_t a_row,         \
                                     const int32_t *b, int64_t panels, int64_t rows, int64_t panel, int64_t span)      \
    {                                                                                                                  \
        (void)span;                                                                                                    \
        kept_tile(mr, (kept_args){acc, a, m_cols, a_col, a_row, b, panels, rows, panel});                              \
    }
#include "ukernels.def"
