/* Micro-kernels: the innermost loops of contractions, and data movement that vectors pay for.
 *
 * Generated code calls adze_uk_<name> and inlines it with its constants; the interpreter calls the
 * native twin. ukernels.def lists all. Pointers need the alignment of a float only. No micro-kernel
 * allocates, fails, or touches memory beyond what is stated.
 */
#ifndef ADZE_UKERNELS_H
#define ADZE_UKERNELS_H

#include <stdint.h>

/* gemm_f32_<mr>x<nr>: a tile of mr rows and nr columns of a matrix product or direct convolution.
 *
 *   acc[m][n] = sum over i0 < t0, i1 < t1, kk < k of
 *       a[m / m_cols * a_row + m % m_cols * a_col + i0 * s0 + i1 * s1 + kk] * b[(i0 * t1 + i1) * k + kk][n]
 *
 * in that order. acc is dense. b is a packed panel with 16 columns a row; for nr = 32 the next 16 columns are
 * those of the panel behind it, t0 * t1 * k rows on. Strides count floats. A plain product has t0 = t1 = 1, m_cols >= mr and
 * a_col the row stride of A; a convolution of channels-last rows has k = channels (or kernel width times
 * channels), t0 and t1 the taps, m_cols output columns a row. Each row of a panel that is read is also
 * fetched into the L2 cache `ahead` floats further on: where the tile that comes next finds its columns. */
#define UK_GEMM(mr, nr)                                                                            \
    void adze_uk_gemm_f32_##mr##x##nr(float *acc, const float *a, int64_t m_cols, int64_t a_col,   \
                                      int64_t a_row, const float *b, int64_t t0, int64_t s0,       \
                                      int64_t t1, int64_t s1, int64_t k, int64_t ahead);

/* dw_f32_<mw>: depthwise convolution of 16 channels at mw neighbouring pixels.
 *
 *   acc[p][c] = sum over i < kh, j < kw of x[p * x_col + i * s0 + j * s1 + c] * w[(i * kw + j) * w_tap + c] */
#define UK_DEPTHWISE(mw)                                                                           \
    void adze_uk_dw_f32_##mw(float *acc, const float *x, int64_t x_col, const float *w,            \
                             int64_t w_tap, int64_t kh, int64_t s0, int64_t kw, int64_t s1);

/* transpose_f32_16x16: y[j * y_row + i] = x[i * x_row + j] for i, j < 16. */
#define UK_TRANSPOSE(name) void adze_uk_##name(float *y, int64_t y_row, const float *x, int64_t x_row);

/* pack_f32: a matrix of k rows and n columns with any strides into panels that gemm_f32 reads:
 *
 *   y[2 * ceil(n / 32)][rows][16], y[p][kk][j] = x[kk * x_k + (16 p + j) * x_n], zeros beyond k and n;
 *   rows >= k */
#define UK_PACK(name)                                                                              \
    void adze_uk_##name(float *y, const float *x, int64_t k, int64_t n, int64_t x_k, int64_t x_n,  \
                        int64_t rows);

#include "ukernels.def"

#endif
