/* gemm_f32 and gemm_f64: a register tile of accumulators over a packed panel. Who includes this defines `element`,
 * `vector` (16 elements) and `vector_memory`.
 *
 * Per k step: nr / 16 vectors of b, and for each of mr rows one broadcast and nr / 16 multiply-adds. The
 * loops over rows and vectors are unrolled, so the accumulators live in registers; strides become
 * constants when generated code inlines the kernel.
 */
#include "ukernels.h"
#include "vector.h"

enum { MAX_ROWS = 14, MAX_VECTORS = 2 };

typedef struct gemm_args {
    element *acc;
    const element *a;
    int64_t m_cols, a_col, a_row;
    const element *b;
    int64_t t0, s0, t1, s1, k, ahead;
} gemm_args;

INLINE void gemm_tile(const int rows, const int vectors, const gemm_args g)
{
    vector c[MAX_ROWS][MAX_VECTORS];
    int64_t offset[MAX_ROWS];
    const element *b = g.b;
    const int64_t behind = g.t0 * g.t1 * g.k * PANEL; /* the panel of the second 16 columns */
    UNROLL for (int m = 0; m < rows; m++)
    {
        offset[m] = m / g.m_cols * g.a_row + m % g.m_cols * g.a_col;
        UNROLL for (int v = 0; v < vectors; v++) c[m][v] = (vector){0};
    }
    for (int64_t i0 = 0; i0 < g.t0; i0++)
        for (int64_t i1 = 0; i1 < g.t1; i1++) {
            const element *a = g.a + i0 * g.s0 + i1 * g.s1;
            for (int64_t kk = 0; kk < g.k; kk++) {
                vector row[MAX_VECTORS];
                UNROLL for (int v = 0; v < vectors; v++)
                {
                    row[v] = *(const vector_memory *)(b + v * behind);
                    __builtin_prefetch(b + v * behind + g.ahead, 0, 2);
                }
                UNROLL for (int m = 0; m < rows; m++)
                {
                    const element s = a[offset[m] + kk]; /* a true splat: see splat16 */
                    const vector x = {s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s};
                    UNROLL for (int v = 0; v < vectors; v++) c[m][v] = c[m][v] + x * row[v];
                }
                b += PANEL;
            }
        }
    UNROLL for (int m = 0; m < rows; m++)
    {
        UNROLL for (int v = 0; v < vectors; v++) *(vector_memory *)(g.acc + (m * vectors + v) * 16) = c[m][v];
    }
}
