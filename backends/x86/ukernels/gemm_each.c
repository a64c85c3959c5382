/* f32 matrix product and direct convolution with single weights left out: few are left of a panel's rows.
 *
 * Here the lanes are rows of the product, PIXELS of them, and a weight is broadcast: what it multiplies is laid out
 * step by step ahead, once for all columns. A weight costs two loads and a multiply-add of PIXELS lanes. The sums come
 * out column by column and are turned, for the epilogues of all other tiles.
 */
#include "transpose.h"
#include "ukernels.h"
#include "vector.h"

enum { PIXEL_VECTORS = PIXELS / 16 };

/* Steps `from` to `to` of 16 rows, which begin at `row`. */
INLINE void pack_steps(float *y, const float *const row[16], int64_t from, int64_t to)
{
    int64_t kk = from;
    for (; kk + 16 <= to; kk += 16) {
        v16 r[16];
        UNROLL for (int i = 0; i < 16; i++) r[i] = load16(row[i] + kk);
        transpose_tile(r);
        UNROLL for (int i = 0; i < 16; i++) store16(y + (kk + i) * PIXELS, r[i]);
    }
    for (; kk < to; kk++)
        for (int i = 0; i < 16; i++) y[kk * PIXELS + i] = row[i][kk];
}

void adze_uk_pack_pixels_f32(float *y, const float *a, int64_t count, int64_t m_cols, int64_t a_col, int64_t a_row,
                             int64_t t0, int64_t s0, int64_t t1, int64_t s1, int64_t k)
{
    for (int v = 0; v < PIXEL_VECTORS; v++) {
        const float *row[16], *tap[16];
        for (int i = 0; i < 16; i++) {
            int64_t m = 16 * v + i < count ? 16 * v + i : count - 1; /* lanes that are not there: any numbers */
            row[i] = a + m / m_cols * a_row + m % m_cols * a_col;
        }
        for (int64_t i0 = 0; i0 < t0; i0++)
            for (int64_t i1 = 0; i1 < t1; i1++) {
                for (int i = 0; i < 16; i++) tap[i] = row[i] + i0 * s0 + i1 * s1;
                pack_steps(y + (i0 * t1 + i1) * k * PIXELS + 16 * v, tap, 0, k);
            }
    }
}

void adze_uk_gemm_f32e_x16(float *acc, const float *at, const int32_t *b, int64_t columns, int64_t weights,
                           int64_t column, int64_t count, int64_t steps)
{
    (void)steps;
    const int32_t *step = b + columns + 1;
    const float *values = (const void *)(b + kept_values(columns, weights));
    v16 sums[PIXEL_VECTORS][16];
    for (int64_t n = 0; n < 16; n++) {
        v16 c[PIXEL_VECTORS];
        UNROLL for (int v = 0; v < PIXEL_VECTORS; v++) c[v] = splat16(0);
        const int64_t end = n < count ? b[column + n + 1] : 0;
        ROLLED for (int64_t i = n < count ? b[column + n] : 0; i < end; i++)
        {
            const float *x = at + step[i] * (int64_t)PIXELS;
            const v16 w = splat16(values[i]);
            UNROLL for (int v = 0; v < PIXEL_VECTORS; v++) c[v] = c[v] + w * load16(x + 16 * v);
        }
        UNROLL for (int v = 0; v < PIXEL_VECTORS; v++) sums[v][n] = c[v];
    }
    for (int v = 0; v < PIXEL_VECTORS; v++) {
        v16 r[16];
        UNROLL for (int i = 0; i < 16; i++) r[i] = sums[v][i];
        transpose_tile(r);
        UNROLL for (int i = 0; i < 16; i++) store16(acc + (16 * v + i) * 16, r[i]);
    }
}
