/* The 16-float vector that all micro-kernels are written in.
 *
 * One source serves every level: where registers hold 8 floats the compiler takes two. Loads and stores
 * name elements of any alignment. Sums are written so that compilers for machines with a fused
 * multiply-add use it; the native twins, built for plain x86-64, round twice.
 */
#ifndef ADZE_UKERNELS_VECTOR_H
#define ADZE_UKERNELS_VECTOR_H

#include <stdint.h>

typedef float v16 __attribute__((vector_size(64)));
/* The same in memory: aligned to an element, and it may be any float array. */
typedef float v16_memory __attribute__((vector_size(64), aligned(4), may_alias));

#ifndef __clang__
/* Vectors only pass between functions that are always inlined. */
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

/* Columns of a packed panel; weights of a row of an integer one, which has four steps of k for each column. */
enum { PANEL = 16, GROUP_PANEL = 4 * PANEL };
/* Bytes of a row of codes: eight steps of k of 16 columns of 4 bits, or one of 8 bits. */
enum { CODES_4 = 64, CODES_8 = 16 };

/* Rows of a product that the kernels of single weights take at once. */
enum { PIXELS = 32 };
/* Words ahead of the values of `rows` rows of kept weights in so many panels. */
#define kept_values(panels, rows) (((panels) + 1 + (rows) + 15) / 16 * 16)

/* Bytes ahead of the values of masked panels of `each` elements. */
#define masked_values(panels, each) ((4 * ((panels) + 1) + ((panels) * (each) + 7) / 8 + 63) / 64 * 64)

#define INLINE static inline __attribute__((always_inline))

/* Macros, because gcc 12 warns of functions that take vectors wider than the target's, even inlined. */
#define load16(p)     ((v16)(*(const v16_memory *)(p)))
#define store16(p, v) (*(v16_memory *)(p) = (v))

/* A true splat: adding a scalar to a zero vector keeps an addition and hides the memory broadcast. */
INLINE v16 splat16(float x)
{
    return (v16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}

typedef uint16_t halves16 __attribute__((vector_size(32)));
typedef halves16 halves16_memory __attribute__((aligned(2), may_alias));

/* 16 numbers of f16 as f32, which is exact. */
#if defined(__clang__) && defined(__F16C__)
typedef _Float16 half16_vector __attribute__((vector_size(32)));
#define half16(p) __builtin_convertvector((half16_vector)(*(const halves16_memory *)(p)), v16)
#else
typedef uint32_t words16_of_halves __attribute__((vector_size(64)));
/* Numbers below the least normal f16 have an exponent of 0: a 1 ahead of their bits is added, and subtracted. */
#define half16(p) half16_of(__builtin_convertvector(*(const halves16_memory *)(p), words16_of_halves))
INLINE v16 half16_of(const words16_of_halves x)
{
    const words16_of_halves bits = (x & 0x7fff) << 13, exponent = bits & 0x0f800000;
    const words16_of_halves top = (words16_of_halves)(exponent == 0x0f800000), low = (words16_of_halves)(exponent == 0);
    const words16_of_halves normal = bits + (112U << 23) + (top & 112U << 23);
    const words16_of_halves small = (words16_of_halves)((v16)(bits + (113U << 23)) - (v16)(words16_of_halves){
        113U << 23, 113U << 23, 113U << 23, 113U << 23, 113U << 23, 113U << 23, 113U << 23, 113U << 23,
        113U << 23, 113U << 23, 113U << 23, 113U << 23, 113U << 23, 113U << 23, 113U << 23, 113U << 23});
    return (v16)((normal & ~low) | (small & low) | (x & 0x8000) << 16);
}
#endif

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define ROLLED
#endif

#endif
