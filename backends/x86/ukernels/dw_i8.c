/* Integer depthwise convolution: unsigned bytes times i8 or i16 weights, 16 channels wide, exact sums in i32.
 *
 * Sums are made in floats, which hold them exactly up to 2^24: windows of at most MAX_EXACT taps. A multiply-add of
 * floats is one instruction, and an input is converted once for all the windows that hold it; in integers a product
 * would have to be widened and added on its own. The order of work is that of dw_f32.c.
 */
#include "ukernels.h"
#include "vector.h"

#include <string.h>

INLINE int32_t weight_at(const void *w, const int weight_bytes, int64_t at)
{
    int16_t wide;
    if (weight_bytes == 1) return ((const int8_t *)w)[at];
    __builtin_memcpy(&wide, (const char *)w + 2 * at, sizeof wide);
    return wide;
}

/* The definition in plain C. Unsigned sums, because those of C may not go over. */
INLINE void depthwise_plain(const int pixels, const int weight_bytes, int32_t *acc, const uint8_t *x, int64_t x_col,
                            const void *w, int64_t w_tap, int64_t kh, int64_t s0, int64_t kw, int64_t s1)
{
    ROLLED for (int p = 0; p < pixels; p++)
        ROLLED for (int c = 0; c < 16; c++)
        {
            uint32_t sum = 0;
            ROLLED for (int64_t i = 0; i < kh; i++)
                ROLLED for (int64_t j = 0; j < kw; j++) sum +=
                (uint32_t)(x[p * x_col + i * s0 + j * s1 + c] * weight_at(w, weight_bytes, (i * kw + j) * w_tap + c));
            acc[16 * p + c] = (int32_t)sum;
        }
}

#ifdef __clang__

enum { MAX_PIXELS = 8, MAX_TAPS = 5, MAX_EXACT = 256 }; /* 256 * 255 * 255 < 2^24 */

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef ints ints_memory __attribute__((aligned(4), may_alias));
typedef uint8_t codes __attribute__((vector_size(LANES)));
typedef codes codes_memory __attribute__((aligned(1), may_alias));
typedef int8_t bytes __attribute__((vector_size(LANES)));
typedef bytes bytes_memory __attribute__((aligned(1), may_alias));
typedef int16_t shorts __attribute__((vector_size(2 * LANES)));
typedef shorts shorts_memory __attribute__((aligned(1), may_alias));

/* Through i32: there is no instruction from bytes to floats, and LLVM finds the best way only from there. */
#define AS_FLOATS(type, p) __builtin_convertvector(__builtin_convertvector(*(const type *)(p), ints), floats)

INLINE floats input_at(const uint8_t *x) { return AS_FLOATS(codes_memory, x); }

INLINE floats weights_at(const char *w, const int weight_bytes)
{
    return weight_bytes == 1 ? AS_FLOATS(bytes_memory, w) : AS_FLOATS(shorts_memory, w);
}

/* One row of `taps` taps into the sums of all pixels. */
#define TAPS(taps)                                                                                              \
    do {                                                                                                        \
        floats w_row[MAX_TAPS];                                                                                    \
        UNROLL for (int j = 0; j < taps; j++) w_row[j] = weights_at(w + j * w_tap * weight_bytes, weight_bytes); \
        UNROLL for (int p = 0; p < pixels; p++)                                                                 \
        {                                                                                                       \
            UNROLL for (int j = 0; j < taps; j++)                                                               \
                sum[p] = sum[p] + input_at(x + p * x_col + j * s1) * w_row[j];                                  \
        }                                                                                                       \
    } while (0)

INLINE void depthwise_floats(const int pixels, const int weight_bytes, int32_t *acc, const uint8_t *x_first,
                             int64_t x_col, const void *w_first, int64_t w_tap, int64_t kh, int64_t s0, int64_t kw,
                             int64_t s1)
{
    UNROLL for (int c = 0; c < 16; c += LANES)
    {
        floats sum[MAX_PIXELS];
        UNROLL for (int p = 0; p < pixels; p++) sum[p] = (floats){0};
        ROLLED for (int64_t i = 0; i < kh; i++)
        {
            const uint8_t *x = x_first + c + i * s0;
            const char *w = (const char *)w_first + (c + i * kw * w_tap) * weight_bytes;
            if (kw == 3)
                TAPS(3);
            else if (kw == 5)
                TAPS(5);
            else
                for (int64_t tap = 0; tap < kw; tap++, x += s1, w += w_tap * weight_bytes) TAPS(1);
        }
        UNROLL for (int p = 0; p < pixels; p++)
            *(ints_memory *)(acc + 16 * p + c) = __builtin_convertvector(sum[p], ints);
    }
}

INLINE void depthwise_tile(const int pixels, const int weight_bytes, int32_t *acc, const uint8_t *x, int64_t x_col,
                           const void *w, int64_t w_tap, int64_t kh, int64_t s0, int64_t kw, int64_t s1)
{
    if (kh <= MAX_EXACT && kw <= MAX_EXACT && kh * kw <= MAX_EXACT)
        depthwise_floats(pixels, weight_bytes, acc, x, x_col, w, w_tap, kh, s0, kw, s1);
    else
        depthwise_plain(pixels, weight_bytes, acc, x, x_col, w, w_tap, kh, s0, kw, s1);
}

#else
#define depthwise_tile depthwise_plain
#endif

#define UK_DEPTHWISE_TILE(name, weight, mw)                                                                    \
    void adze_uk_dw_##name##_##mw(int32_t *acc, const uint8_t *x, int64_t x_col, const weight *w,              \
                                  int64_t w_tap, int64_t kh, int64_t s0, int64_t kw, int64_t s1)               \
    {                                                                                                          \
        depthwise_tile(mw, sizeof(weight), acc, x, x_col, w, w_tap, kh, s0, kw, s1);                           \
    }
#define UK_DEPTHWISE_INT(mw)            \
    UK_DEPTHWISE_TILE(u8s8, int8_t, mw) \
    UK_DEPTHWISE_TILE(u8s16, int16_t, mw)
#include "ukernels.def"
