/* Lane macros for templates (*.inc): 16 elements at a time, by the vector extension that gcc and
 * clang share. See lanes_scalar.h for what the macros mean. A comparison result is I with 0 or -1
 * in each lane. Selection is written with bit operations; LLVM turns it back into a select.
 */
#ifndef ADZE_LANES_X16_H
#define ADZE_LANES_X16_H

#include "lanes_scalar.h"
#include "lanes_end.h"

typedef float adze_f32x16 __attribute__((vector_size(64)));
typedef double adze_f64x16 __attribute__((vector_size(128)));
typedef int8_t adze_i8x16 __attribute__((vector_size(16)));
typedef int16_t adze_i16x16 __attribute__((vector_size(32)));
typedef int32_t adze_i32x16 __attribute__((vector_size(64)));
typedef int64_t adze_i64x16 __attribute__((vector_size(128)));
typedef uint8_t adze_u8x16 __attribute__((vector_size(16)));
typedef uint16_t adze_u16x16 __attribute__((vector_size(32)));
typedef uint32_t adze_u32x16 __attribute__((vector_size(64)));
typedef uint64_t adze_u64x16 __attribute__((vector_size(128)));

#define ADZE_C_f32x16  adze_f32x16
#define ADZE_C_f64x16  adze_f64x16
#define ADZE_C_i8x16   adze_i8x16
#define ADZE_C_i16x16  adze_i16x16
#define ADZE_C_u8x16   adze_u8x16
#define ADZE_C_u16x16  adze_u16x16
#define ADZE_C_u32x16  adze_u32x16
#define ADZE_C_i32x16  adze_i32x16
#define ADZE_C_i64x16  adze_i64x16
#define ADZE_C_u64x16  adze_u64x16
#define ADZE_C_boolx16 adze_u8x16
#define ADZE_S_f32x16  float
#define ADZE_S_f64x16  double
#define ADZE_S_i8x16   int8_t
#define ADZE_S_i16x16  int16_t
#define ADZE_S_u8x16   uint8_t
#define ADZE_S_u16x16  uint16_t
#define ADZE_S_u32x16  uint32_t
#define ADZE_S_u64x16  uint64_t
#define ADZE_S_i32x16  int32_t
#define ADZE_S_i64x16  int64_t
#define ADZE_S_boolx16 uint8_t
#define ADZE_I_f32x16  adze_i32x16
#define ADZE_I_f64x16  adze_i64x16
#define ADZE_I_i8x16   adze_i8x16
#define ADZE_I_i16x16  adze_i16x16
#define ADZE_I_u8x16   adze_i8x16
#define ADZE_I_u16x16  adze_i16x16
#define ADZE_I_u32x16  adze_i32x16
#define ADZE_I_u64x16  adze_i64x16
#define ADZE_I_i32x16  adze_i32x16
#define ADZE_I_i64x16  adze_i64x16
#define ADZE_I_boolx16 adze_i8x16
#define ADZE_U_f32x16  adze_u32x16
#define ADZE_U_f64x16  adze_u64x16
#define ADZE_U_i8x16   adze_u8x16
#define ADZE_U_i16x16  adze_u16x16
#define ADZE_U_u8x16   adze_u8x16
#define ADZE_U_u16x16  adze_u16x16
#define ADZE_U_u32x16  adze_u32x16
#define ADZE_U_u64x16  adze_u64x16
#define ADZE_U_i32x16  adze_u32x16
#define ADZE_U_i64x16  adze_u64x16
#define ADZE_U_boolx16 adze_u8x16

static inline int adze_any_f64x16(adze_i64x16 m)
{
#ifdef __clang__
    return __builtin_reduce_or(m) != 0;
#else
    int64_t any = 0;
    for (int l = 0; l < 16; l++) any |= m[l];
    return any != 0;
#endif
}

#endif

#pragma push_macro("bool")
#undef bool

#define LANES       16
#define T           ADZE_PASTE(ADZE_C_, LANE)
#define S           ADZE_PASTE(ADZE_S_, LANE)
#define I           ADZE_PASTE(ADZE_I_, LANE)
#define U           ADZE_PASTE(ADZE_U_, LANE)
#define B           adze_u8x16
#define N(f)        ADZE_PASTE(adze_body_##f##_, LANE)
#define W(f)        adze_body_##f##_f64x16
#define K(c)        ((T){0} + (S)(c))
#define KI(c)       ((I){0} + (c))
#define SEL(m, a, b)  ((T)(((I)(m) & (I)(a)) | (~(I)(m) & (I)(b))))
#define SELI(m, a, b) (((m) & (a)) | (~(m) & (b)))
#define UP(x)       ((U)(x))
#define NOT(m)      (~(m))
#define ANY(m)      ADZE_PASTE(adze_any_, LANE)(m)
#define BOOL(m)     __builtin_convertvector(-(m), B)
#define MASK(b)     (__builtin_convertvector((b), I) != 0)
#define BITS(x)     ((U)(x))
#define FLOAT(u)    ((T)(u))
#define TO_I(x)     __builtin_convertvector((x), I)
#define TO_F(i)     __builtin_convertvector((i), T)
#define WIDE(x)     __builtin_convertvector((x), adze_f64x16)
#define NARROW(x)   __builtin_convertvector((x), adze_f32x16)
