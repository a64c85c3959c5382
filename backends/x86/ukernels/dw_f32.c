/* f32 depthwise convolution: 16 channels wide, up to 8 pixels at a time, so that each vector of weights
 * is loaded once for all of them.
 */
#include "ukernels.h"
#include "vector.h"

enum { MAX_PIXELS = 8 };

INLINE void depthwise_tile(const int pixels, float *acc, const float *x, int64_t x_col,
                           const float *w, int64_t w_tap, int64_t kh, int64_t s0, int64_t kw,
                           int64_t s1)
{
    v16 c[MAX_PIXELS];
    UNROLL for (int p = 0; p < pixels; p++) c[p] = splat16(0);
    for (int64_t i = 0; i < kh; i++)
        for (int64_t j = 0; j < kw; j++) {
            v16 tap = load16(w + (i * kw + j) * w_tap);
            const float *at = x + i * s0 + j * s1;
            UNROLL for (int p = 0; p < pixels; p++) c[p] = c[p] + load16(at + p * x_col) * tap;
        }
    UNROLL for (int p = 0; p < pixels; p++) store16(acc + 16 * p, c[p]);
}

#define UK_DEPTHWISE(mw)                                                                           \
    void adze_uk_dw_f32_##mw(float *acc, const float *x, int64_t x_col, const float *w,            \
                             int64_t w_tap, int64_t kh, int64_t s0, int64_t kw, int64_t s1)        \
    {                                                                                              \
        depthwise_tile(mw, acc, x, x_col, w, w_tap, kh, s0, kw, s1);                               \
    }
#define UK_GEMM(mr, nr)
#define UK_TRANSPOSE(name)
#define UK_PACK(name)
#include "ukernels.def"
