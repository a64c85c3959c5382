/* f32 matrix product and direct convolution: a register tile of accumulators over a packed panel.
 *
 * Per k step: nr / 16 vectors of b, and for each of mr rows one broadcast and nr / 16 multiply-adds. The
 * loops over rows and vectors are unrolled, so the accumulators live in registers; strides become
 * constants when generated code inlines the kernel.
 */
#include "ukernels.h"
#include "vector.h"

enum { MAX_ROWS = 14, MAX_VECTORS = 2 };

typedef struct gemm_args {
    float *acc;
    const float *a;
    int64_t m_cols, a_col, a_row;
    const float *b;
    int64_t t0, s0, t1, s1, k, ahead;
} gemm_args;

INLINE void gemm_tile(const int rows, const int vectors, const gemm_args g)
{
    v16 c[MAX_ROWS][MAX_VECTORS];
    int64_t offset[MAX_ROWS];
    const float *b = g.b;
    const int64_t behind = g.t0 * g.t1 * g.k * PANEL; /* the panel of the second 16 columns */
    UNROLL for (int m = 0; m < rows; m++)
    {
        offset[m] = m / g.m_cols * g.a_row + m % g.m_cols * g.a_col;
        UNROLL for (int v = 0; v < vectors; v++) c[m][v] = splat16(0);
    }
    for (int64_t i0 = 0; i0 < g.t0; i0++)
        for (int64_t i1 = 0; i1 < g.t1; i1++) {
            const float *a = g.a + i0 * g.s0 + i1 * g.s1;
            for (int64_t kk = 0; kk < g.k; kk++) {
                v16 row[MAX_VECTORS];
                UNROLL for (int v = 0; v < vectors; v++)
                {
                    row[v] = load16(b + v * behind);
                    __builtin_prefetch(b + v * behind + g.ahead, 0, 2);
                }
                UNROLL for (int m = 0; m < rows; m++)
                {
                    v16 x = splat16(a[offset[m] + kk]);
                    UNROLL for (int v = 0; v < vectors; v++) c[m][v] = c[m][v] + x * row[v];
                }
                b += PANEL;
            }
        }
    UNROLL for (int m = 0; m < rows; m++)
    {
        UNROLL for (int v = 0; v < vectors; v++) store16(g.acc + (m * vectors + v) * 16, c[m][v]);
    }
}

#define UK_GEMM(mr, nr)                                                                            \
    void adze_uk_gemm_f32_##mr##x##nr(float *acc, const float *a, int64_t m_cols, int64_t a_col,   \
                                      int64_t a_row, const float *b, int64_t t0, int64_t s0,       \
                                      int64_t t1, int64_t s1, int64_t k, int64_t ahead)                           \
    {                                                                                              \
        gemm_tile(mr, nr / 16, (gemm_args){acc, a, m_cols, a_col, a_row, b, t0, s0, t1, s1, k, ahead});   \
    }
#include "ukernels.def"
