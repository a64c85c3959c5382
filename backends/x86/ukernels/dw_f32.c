/* f32 depthwise convolution: 16 channels wide, up to 8 pixels at a time, so that each vector of weights
 * is loaded once for all of them.
 *
 * Windows of neighbouring pixels overlap. With the taps of a row unrolled the compiler loads a column once
 * for all windows that hold it, where strides are constants; a register's worth of channels at a time, and a
 * row at a time, keep sums, weights and columns in the 16 registers of AVX2.
 */
#include "ukernels.h"
#include "vector.h"

enum { MAX_PIXELS = 8, MAX_TAPS = 5 };

#ifdef __AVX512F__
enum { WIDE = 16 };
typedef v16 vec;
typedef v16_memory vec_memory;
#else
enum { WIDE = 8 };
typedef float vec __attribute__((vector_size(32)));
typedef float vec_memory __attribute__((vector_size(32), aligned(4), may_alias));
#endif
#define load_vec(p)     ((vec)(*(const vec_memory *)(p)))
#define store_vec(p, v) (*(vec_memory *)(p) = (v))

/* One row of `taps` taps into the sums of all pixels, in the order of the taps. */
#define TAPS(taps)                                                                                 \
    do {                                                                                           \
        vec w_row[MAX_TAPS];                                                                       \
        UNROLL for (int j = 0; j < taps; j++) w_row[j] = load_vec(w + j * w_tap);                  \
        UNROLL for (int p = 0; p < pixels; p++)                                                    \
        {                                                                                          \
            UNROLL for (int j = 0; j < taps; j++)                                                  \
                sum[p] = sum[p] + load_vec(x + p * x_col + j * s1) * w_row[j];                     \
        }                                                                                          \
    } while (0)

INLINE void depthwise_tile(const int pixels, float *acc, const float *x_first, int64_t x_col,
                           const float *w_first, int64_t w_tap, int64_t kh, int64_t s0, int64_t kw,
                           int64_t s1)
{
    UNROLL for (int c = 0; c < 16; c += WIDE)
    {
        vec sum[MAX_PIXELS];
        UNROLL for (int p = 0; p < pixels; p++) sum[p] = (vec){0};
        ROLLED for (int64_t i = 0; i < kh; i++)
        {
            const float *x = x_first + c + i * s0, *w = w_first + c + i * kw * w_tap;
            if (kw == 3)
                TAPS(3);
            else if (kw == 5)
                TAPS(5);
            else
                for (int64_t tap = 0; tap < kw; tap++, x += s1, w += w_tap) TAPS(1);
        }
        UNROLL for (int p = 0; p < pixels; p++) store_vec(acc + 16 * p + c, sum[p]);
    }
}

#define UK_DEPTHWISE(mw)                                                                           \
    void adze_uk_dw_f32_##mw(float *acc, const float *x, int64_t x_col, const float *w,            \
                             int64_t w_tap, int64_t kh, int64_t s0, int64_t kw, int64_t s1)        \
    {                                                                                              \
        depthwise_tile(mw, acc, x, x_col, w, w_tap, kh, s0, kw, s1);                               \
    }
#include "ukernels.def"
