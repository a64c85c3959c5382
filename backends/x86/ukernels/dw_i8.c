/* Integer depthwise convolution: unsigned bytes times i8 or i16 weights, 16 channels wide, exact sums in i32. */
#include "ukernels.h"
#include "vector.h"

#include <string.h>

INLINE int32_t weight_at(const void *w, const int weight_bytes, int64_t at)
{
    int16_t wide;
    if (weight_bytes == 1) return ((const int8_t *)w)[at];
    memcpy(&wide, (const int16_t *)w + at, sizeof wide);
    return wide;
}

/* The definition in plain C. Unsigned sums, because those of C may not go over. */
INLINE void depthwise_plain(const int pixels, const int weight_bytes, int32_t *acc, const uint8_t *x, int64_t x_col,
                            const void *w, int64_t w_tap, int64_t kh, int64_t s0, int64_t kw, int64_t s1)
{
    for (int p = 0; p < pixels; p++)
        for (int c = 0; c < 16; c++) {
            uint32_t sum = 0;
            for (int64_t i = 0; i < kh; i++)
                for (int64_t j = 0; j < kw; j++)
                    sum += (uint32_t)(x[p * x_col + i * s0 + j * s1 + c] *
                                      weight_at(w, weight_bytes, (i * kw + j) * w_tap + c));
            acc[16 * p + c] = (int32_t)sum;
        }
}

#define UK_DEPTHWISE_TILE(name, weight, bytes, mw)                                                             \
    void adze_uk_dw_##name##_##mw(int32_t *acc, const uint8_t *x, int64_t x_col, const weight *w,              \
                                  int64_t w_tap, int64_t kh, int64_t s0, int64_t kw, int64_t s1)               \
    {                                                                                                          \
        depthwise_plain(mw, bytes, acc, x, x_col, w, w_tap, kh, s0, kw, s1);                                   \
    }
#define UK_DEPTHWISE_INT(mw)               \
    UK_DEPTHWISE_TILE(u8s8, int8_t, 1, mw) \
    UK_DEPTHWISE_TILE(u8s16, int16_t, 2, mw)
#define UK_GEMM(mr, nr)
#define UK_GEMM_INT(mr, nr)
#define UK_DEPTHWISE(mw)
#define UK_TRANSPOSE(name)
#define UK_PACK(name)
#include "ukernels.def"
