/* Integer matrix product and direct convolution: unsigned bytes times i8 or i16 weights, exact sums in i32. */
#include "ukernels.h"
#include "vector.h"

#include <string.h>

typedef struct gemm_args {
    int32_t *acc;
    const uint8_t *a;
    int64_t m_cols, a_col, a_row;
    const void *b;
    int64_t t0, s0, t1, s1, k, ahead;
} gemm_args;

INLINE int32_t weight_at(const void *b, const int weight_bytes, int64_t at)
{
    int16_t wide;
    if (weight_bytes == 1) return ((const int8_t *)b)[at];
    memcpy(&wide, (const int16_t *)b + at, sizeof wide);
    return wide;
}

/* The definition in plain C. Unsigned sums, because those of C may not go over. */
INLINE void gemm_plain(const int rows, const int columns, const int weight_bytes, const gemm_args g)
{
    const int64_t groups = g.k / 4 + (g.k % 4 != 0), behind = g.t0 * g.t1 * groups * GROUP_PANEL;
    for (int m = 0; m < rows; m++)
        for (int n = 0; n < columns; n++) {
            const uint8_t *row = g.a + m / g.m_cols * g.a_row + m % g.m_cols * g.a_col;
            int64_t at = n / PANEL * behind + n % PANEL * 4;
            uint32_t sum = 0;
            for (int64_t i0 = 0; i0 < g.t0; i0++)
                for (int64_t i1 = 0; i1 < g.t1; i1++, at += groups * GROUP_PANEL)
                    for (int64_t kk = 0; kk < g.k; kk++)
                        sum += (uint32_t)(row[i0 * g.s0 + i1 * g.s1 + kk] *
                                          weight_at(g.b, weight_bytes, at + kk / 4 * GROUP_PANEL + kk % 4));
            g.acc[m * columns + n] = (int32_t)sum;
        }
}

#define UK_GEMM_TILE(name, weight, bytes, mr, nr)                                                                   \
    void adze_uk_gemm_##name##_##mr##x##nr(int32_t *acc, const uint8_t *a, int64_t m_cols, int64_t a_col,           \
                                           int64_t a_row, const weight *b, int64_t t0, int64_t s0, int64_t t1,      \
                                           int64_t s1, int64_t k, int64_t ahead)                                    \
    {                                                                                                               \
        gemm_plain(mr, nr, bytes, (gemm_args){acc, a, m_cols, a_col, a_row, b, t0, s0, t1, s1, k, ahead});          \
    }
#define UK_GEMM_INT(mr, nr)                  \
    UK_GEMM_TILE(u8s8, int8_t, 1, mr, nr)        \
    UK_GEMM_TILE(u8s8_narrow, int8_t, 1, mr, nr) \
    UK_GEMM_TILE(u8s16, int16_t, 2, mr, nr)
#define UK_GEMM(mr, nr)
#define UK_DEPTHWISE(mw)
#define UK_DEPTHWISE_INT(mw)
#define UK_TRANSPOSE(name)
#define UK_PACK(name)
#include "ukernels.def"
