/* Micro-kernels: the innermost loops of contractions, and data movement that vectors pay for.
 *
 * Generated code calls adze_uk_<name> and inlines it with its constants; the interpreter calls the
 * native twin. ukernels.def lists all. Pointers to floats and i32 need their alignment only, those to other
 * elements none. No micro-kernel allocates, fails, or touches memory beyond what is stated.
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
 * those of the panel behind it, t0 * t1 * k rows on. Strides count floats. A plain product has t0 = t1 = 1, m_cols >=
 * mr and a_col the row stride of A; a convolution of channels-last rows has k = channels (or kernel width times
 * channels), t0 and t1 the taps, m_cols output columns a row. Each row of a panel that is read is also
 * fetched into the L2 cache `ahead` floats further on: where the tile that comes next finds its columns. */
#define UK_GEMM(mr, nr)                                                                            \
    void adze_uk_gemm_f32_##mr##x##nr(float *acc, const float *a, int64_t m_cols, int64_t a_col,   \
                                      int64_t a_row, const float *b, int64_t t0, int64_t s0,       \
                                      int64_t t1, int64_t s1, int64_t k, int64_t ahead);

/* gemm_f64_<mr>x16: the same over doubles. */
#define UK_GEMM_F64(mr)                                                                            \
    void adze_uk_gemm_f64_##mr##x16(double *acc, const double *a, int64_t m_cols, int64_t a_col,   \
                                    int64_t a_row, const double *b, int64_t t0, int64_t s0,        \
                                    int64_t t1, int64_t s1, int64_t k, int64_t ahead);

/* dw_f32_<mw>: depthwise convolution of 16 channels at mw neighbouring pixels.
 *
 *   acc[p][c] = sum over i < kh, j < kw of x[p * x_col + i * s0 + j * s1 + c] * w[(i * kw + j) * w_tap + c] */
#define UK_DEPTHWISE(mw)                                                                           \
    void adze_uk_dw_f32_##mw(float *acc, const float *x, int64_t x_col, const float *w,            \
                             int64_t w_tap, int64_t kh, int64_t s0, int64_t kw, int64_t s1);

/* Integer products: bytes times weights, exact sums in i32 (modulo 2^32), for the same tiles, numbers and strides as
 * gemm_f32. Strides count bytes of a. b is a packed panel of
 *
 *   [t0 * t1][ceil(k / 4)][16 columns][4 steps of k]
 *
 * weights, k padded with zeros inside each tap; for nr = 32 the next 16 columns are those of the panel behind it,
 * t0 * t1 * ceil(k / 4) * 64 weights on. `ahead` counts weights. Of a tap k bytes are read and no more.
 *
 * gemm_u8s8_<mr>x<nr>: weights of any value from -128 to 127.
 * gemm_u8s8_narrow_<mr>x<nr>: the caller proves that the sum of a pair of products fits 16 bits: for weights v, w of a
 *   column at steps 2 i and 2 i + 1 of a tap, max(v, 0) + max(w, 0) <= 128 and min(v, 0) + min(w, 0) >= -128. All
 *   weights from -64 to 64 do. Faster where there is no VNNI, the same where there is.
 * gemm_u8s16_<mr>x<nr>: weights of any value from -32767 to 32767, for u8 weights less a zero point. */
#define UK_GEMM_INT_TILE(name, weight, mr, nr)                                                            \
    void adze_uk_gemm_##name##_##mr##x##nr(int32_t *acc, const uint8_t *a, int64_t m_cols, int64_t a_col, \
                                           int64_t a_row, const weight *b, int64_t t0, int64_t s0,        \
                                           int64_t t1, int64_t s1, int64_t k, int64_t ahead);
#define UK_GEMM_INT(mr, nr)                           \
    UK_GEMM_INT_TILE(u8s8, int8_t, mr, nr)            \
    UK_GEMM_INT_TILE(u8s8_narrow, int8_t, mr, nr)     \
    UK_GEMM_INT_TILE(u8s16, int16_t, mr, nr)

/* gemm_u8s8_tiles_x<nr>: gemm_u8s8_<rows>x<nr> for any number of rows, with the instructions for tiles where the level
 * has them, and none of its tiles in use before and after. Made for 16 rows and more. */
#define UK_GEMM_TILES(nr)                                                                                      \
    void adze_uk_gemm_u8s8_tiles_x##nr(int32_t *acc, const uint8_t *a, int64_t rows, int64_t m_cols,           \
                                       int64_t a_col, int64_t a_row, const int8_t *b, int64_t t0, int64_t s0,  \
                                       int64_t t1, int64_t s1, int64_t k, int64_t ahead);

/* dw_u8s8_<mw>, dw_u8s16_<mw>: depthwise likewise, with the numbers of dw_f32; strides count elements. The i16 weights
 * are from -255 to 255. */
#define UK_DEPTHWISE_INT_TILE(name, weight, mw)                                                           \
    void adze_uk_dw_##name##_##mw(int32_t *acc, const uint8_t *x, int64_t x_col, const weight *w,         \
                                  int64_t w_tap, int64_t kh, int64_t s0, int64_t kw, int64_t s1);
#define UK_DEPTHWISE_INT(mw)                \
    UK_DEPTHWISE_INT_TILE(u8s8, int8_t, mw) \
    UK_DEPTHWISE_INT_TILE(u8s16, int16_t, mw)

/* gemm_f32q<bits>_<mr>x<nr>: a tile of a matrix product with codes of 4 or 8 bits and a scale a group of `group` steps,
 *
 *   acc[m][n] = sum over groups g of scale[g][n] * sum over kk of the group of a[m * a_row + kk] * code[kk][n]
 *
 * in that order; gemm_f32q<bits>z_<mr>x<nr>: of code[kk][n] - zero[g][n], which is exact. Of a row k floats are read.
 * With h behind the bits scales are f16. b is a packed panel of 16 columns, rows of
 *
 *   4 bits: u32[16], the code of step 8 i + j in bits 4 j to 4 j + 3 of row i, two's complement; ceil(k / 8) rows
 *   8 bits: i8[16], k rows
 *
 * and scales one of f32[ceil(k / group)][16], and zeros of i8 likewise; for nr = 32 the next 16 columns are those of
 * the panels behind them. group is positive, and of 4-bit codes a multiple of 8 or at least k. Codes of steps that are
 * not there do not matter. `ahead` counts bytes. One row is fastest in 32 columns. */
#define UK_GEMM_CODES_TILE(bits, suffix, scale, mr, nr)                                                             \
    void adze_uk_gemm_f32q##bits##suffix##_##mr##x##nr(float *acc, const float *a, int64_t a_row,                   \
                                                       const uint8_t *b, const scale *scales, int64_t k,            \
                                                       int64_t group, int64_t ahead);                               \
    void adze_uk_gemm_f32q##bits##suffix##z_##mr##x##nr(float *acc, const float *a, int64_t a_row,                  \
                                                        const uint8_t *b, const scale *scales, int64_t k,           \
                                                        int64_t group, int64_t ahead, const int8_t *zeros);
#define UK_GEMM_CODES_TILES(bits, mr, nr) \
    UK_GEMM_CODES_TILE(bits, , float, mr, nr) UK_GEMM_CODES_TILE(bits, h, uint16_t, mr, nr)
#define UK_GEMM_CODES(mr, nr) UK_GEMM_CODES_TILES(4, mr, nr) UK_GEMM_CODES_TILES(8, mr, nr)

/* widen_f32q<bits>: such a panel for each of `taps` taps, as the panel that gemm_f32 and dw_f32 read:
 *
 *   y[t * k + kk][n] = code[t][kk][n] * scales[t * scales_tap + kk / group * 16 + n]
 *
 * widen_f32q<bits>z: of code[t][kk][n] - zeros[t * scales_tap + kk / group * 16 + n], with one rounding. With h
 * behind the bits scales are f16. */
#define UK_WIDEN_TILES(bits, suffix, scale)                                                                         \
    void adze_uk_widen_f32q##bits##suffix(float *y, const uint8_t *codes, const scale *scales, int64_t taps,        \
                                          int64_t scales_tap, int64_t k, int64_t group, int64_t ahead);             \
    void adze_uk_widen_f32q##bits##suffix##z(float *y, const uint8_t *codes, const scale *scales, int64_t taps,     \
                                             int64_t scales_tap, int64_t k, int64_t group, int64_t ahead,           \
                                             const int8_t *zeros);
#define UK_WIDEN(bits) UK_WIDEN_TILES(bits, , float) UK_WIDEN_TILES(bits, h, uint16_t)

/* widen_s8q4: y[i] = code i for i < 64 * rows, of two codes a byte, the first in bits 0 to 3. */
#define UK_WIDEN_INT(name) void adze_uk_##name(int8_t *y, const uint8_t *codes, int64_t rows, int64_t ahead);

/* gemm_f32s_<mr>x16: gemm_f32_<mr>x16 with weights of which only some rows are there. b is what pack_kept makes:
 *
 *   start[panels + 1], at[rows], zeros up to a multiple of 16 words, values[rows][16] as f32
 *
 *   acc[m][n] = sum over i from start[panel] to start[panel + 1] of
 *       a[m / m_cols * a_row + m % m_cols * a_col + at[i]] * values[i][n]
 *
 * in that order. start does not fall and ends with `rows`; every `at` is from 0 to span - 1. The native twin, which the
 * interpreter calls with what a text says, looks at that: its acc is NaN where it is not so. */
#define UK_GEMM_KEPT(mr)                                                                                          \
    void adze_uk_gemm_f32s_##mr##x16(float *acc, const float *a, int64_t m_cols, int64_t a_col, int64_t a_row,    \
                                     const int32_t *b, int64_t panels, int64_t rows, int64_t panel, int64_t span);

/* gemm_f32e_x16: 32 rows and `count`, at most 16, columns of a product with weights of which only some are there. `at`
 * holds, for each step, what the rows have there: f32[steps][32]. b is what pack_kept makes of panels of one column:
 *
 *   acc[m][n] = sum over i from start[column + n] to start[column + n + 1] of at[step[i]][m] * values[i], m < 32
 *
 * in that order, and 0 for other n < 16. What gemm_f32s says of b holds here, too; every step is below `steps`.
 *
 * pack_pixels_f32: the `at` of `count` rows, 1 to 32, of a product or convolution with the numbers of gemm_f32; in the
 * lanes of others there is a number of theirs. */
#define UK_GEMM_EACH(name)                                                                                        \
    void adze_uk_##name(float *acc, const float *at, const int32_t *b, int64_t columns, int64_t weights,          \
                        int64_t column, int64_t count, int64_t steps);
#define UK_PIXELS(name)                                                                                           \
    void adze_uk_##name(float *y, const float *a, int64_t count, int64_t m_cols, int64_t a_col, int64_t a_row,    \
                        int64_t t0, int64_t s0, int64_t t1, int64_t s1, int64_t k);

/* widen_f32m, widen_s8m: one of the panels that pack_masked packed, of `each` elements, a multiple of 8, of which all
 * panels together keep `kept`. Up to 32 bytes behind the last value are read. */
#define UK_WIDEN_MASKED(name, element)                                                                            \
    void adze_uk_widen_##name(element *y, const uint8_t *b, int64_t panels, int64_t each, int64_t panel, int64_t kept);

/* transpose_b<bits>_16x16: y[j * y_row + i] = x[i * x_row + j] for i, j < 16; elements of so many bits. */
#define UK_TRANSPOSE(bits, element) \
    void adze_uk_transpose_b##bits##_16x16(element *y, int64_t y_row, const element *x, int64_t x_row);

/* unpack_<i or u><bits>: y[i] = element `first` + i of x, whose elements have `bits` bits, signed or not, as bytes.
 * pack_b<bits>: the lowest bits of x[i] become element `first` + i of y; bits beyond them in the last byte become 0.
 * i < count; `first` is that of a whole byte. */
#define UK_PACK_BITS(bits)                                                                             \
    void adze_uk_unpack_i##bits(uint8_t *y, const uint8_t *x, int64_t first, int64_t count);           \
    void adze_uk_unpack_u##bits(uint8_t *y, const uint8_t *x, int64_t first, int64_t count);           \
    void adze_uk_pack_b##bits(uint8_t *y, const uint8_t *x, int64_t first, int64_t count);

/* pack_<f32 or f64>: a matrix of k rows and n columns with any strides into panels that gemm_<element> reads:
 *
 *   y[2 * ceil(n / 32)][rows][16], y[p][kk][j] = x[kk * x_k + (16 p + j) * x_n], zeros beyond k and n;
 *   rows >= k */
#define UK_PACK(type, element)                                                                     \
    void adze_uk_pack_##type(element *y, const element *x, int64_t k, int64_t n, int64_t x_k, int64_t x_n,  \
                        int64_t rows);

/* sum_f32_rows: y[16], the sums of `rows` rows of `count` numbers, 0 to 16 of them `x_row` apart, and 0 for the others;
 * each sum in the order of `four_sums` in <adze/row.h>. */
#define UK_SUM(name) void adze_uk_##name(float *y, const float *x, int64_t rows, int64_t x_row, int64_t count);

#include "ukernels.def"

#undef UK_GEMM_CODES_TILE
#undef UK_GEMM_INT_TILE
#undef UK_DEPTHWISE_INT_TILE

#endif
