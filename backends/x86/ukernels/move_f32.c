/* Packing of f32 matrices that are made at run time (attention, MatMul of activations), and sums of rows. */
#include "transpose.h"
#include "ukernels.h"
#include "vector.h"

INLINE void turn(float *y, const float *x, int64_t x_row)
{
    v16 r[16];
    UNROLL for (int i = 0; i < 16; i++) r[i] = load16(x + i * x_row);
    transpose_tile(r);
    UNROLL for (int i = 0; i < 16; i++) store16(y + i * PANEL, r[i]);
}

/* Rows `from` .. `to` of a panel of `width` columns, element by element; clears the rest. */
static void pack_some(float *y, const float *x, int64_t from, int64_t to, int64_t width, int64_t x_k,
                      int64_t x_n)
{
    for (int64_t kk = from; kk < to; kk++)
        for (int64_t j = 0; j < PANEL; j++)
            y[kk * PANEL + j] = j < width ? x[kk * x_k + j * x_n] : 0;
}

void adze_uk_pack_f32(float *y, const float *x, int64_t k, int64_t n, int64_t x_k, int64_t x_n,
                      int64_t rows)
{
    for (int64_t first = 0; first < (n + 31) / 32 * 32; first += PANEL, y += rows * PANEL) {
        const float *from = x + first * x_n;
        int64_t width = n - first, done = 0;
        if (width >= PANEL && x_n == 1) {
            for (; done < k; done++) store16(y + done * PANEL, load16(from + done * x_k));
        } else if (width >= PANEL && x_k == 1) {
            for (; done + 16 <= k; done += 16)
                turn(y + done * PANEL, from + done, x_n);
        }
        pack_some(y, from, done, k, width, x_k, x_n);
        pack_some(y, from, k, rows, 0, x_k, x_n);
    }
}

typedef float v4 __attribute__((vector_size(16)));
typedef float v4_memory __attribute__((vector_size(16), aligned(4), may_alias));

/* Sums of `rows` rows, a number that the compiler knows, at once: each addition waits for the one before it in its row
 * alone. */
INLINE void sum_rows(int rows, float *y, const float *x, int64_t x_row, int64_t count)
{
    v4 sums[8] = {{0}};
    int64_t i = 0;
    for (; i + 4 <= count; i += 4)
        UNROLL for (int r = 0; r < rows; r++) sums[r] += *(const v4_memory *)(x + r * x_row + i);
    UNROLL for (int r = 0; r < rows; r++) y[r] = (sums[r][0] + sums[r][2]) + (sums[r][1] + sums[r][3]);
    for (; i < count; i++)
        for (int r = 0; r < rows; r++) y[r] += x[r * x_row + i];
}

void adze_uk_sum_f32_rows(float *y, const float *x, int64_t rows, int64_t x_row, int64_t count)
{
    int64_t done = 0;
    for (; done + 8 <= rows; done += 8) sum_rows(8, y + done, x + done * x_row, x_row, count);
    for (; done < rows; done++) sum_rows(1, y + done, x + done * x_row, x_row, count);
    for (; done < PANEL; done++) y[done] = 0;
}
