/* Lane macros for templates (*.inc): one element at a time.
 *
 * A template states a computation once. It is included after one of lanes_scalar.h and lanes_x16.h,
 * with LANE defined as an element type (f32, i64, ...) or the same with x16 appended, and reads:
 *   T      the value type          S     its element type
 *   I, U   signed and unsigned integers of the same width and lane count
 *   N(f)   the name of f for this lane; W(f) the same for the f64 lane of the same count
 *   K(c), KI(c)     a constant as T, as I
 *   SEL(m, a, b)    a where the comparison result m holds, else b; SELI for I
 *   NOT(m)          complement of a comparison result; & and | join them
 *   BOOL(m)         a comparison result as stored bools (0 or 1)
 *   MASK(b)         the opposite
 *   BITS(x), FLOAT(u)   the bits of a float as U, and back
 *   TO_I(x), TO_F(i)    value conversions (x in range)
 *   UP(x)               x as unsigned, at least as wide as int, so that arithmetic wraps
 *   WIDE(x), NARROW(x)  f32 to f64 and back
 * Vectors also have LANES and ANY(m): whether m holds in any lane.
 * Both forms of every template give the same bits, so no fused multiply-add is used.
 */
#ifndef ADZE_LANES_SCALAR_H
#define ADZE_LANES_SCALAR_H

#include "bits.h"

/* C type that computes with, and integers as wide as, each lane. */
#define ADZE_C_f32  float
#define ADZE_C_f64  double
#define ADZE_C_i8   int8_t
#define ADZE_C_i16  int16_t
#define ADZE_C_i32  int32_t
#define ADZE_C_i64  int64_t
#define ADZE_C_u8   uint8_t
#define ADZE_C_u16  uint16_t
#define ADZE_C_u32  uint32_t
#define ADZE_C_u64  uint64_t
#define ADZE_C_bool uint8_t
#define ADZE_I_f32  int32_t
#define ADZE_I_f64  int64_t
#define ADZE_I_i8   int8_t
#define ADZE_I_i16  int16_t
#define ADZE_I_i32  int32_t
#define ADZE_I_i64  int64_t
#define ADZE_I_u8   int8_t
#define ADZE_I_u16  int16_t
#define ADZE_I_u32  int32_t
#define ADZE_I_u64  int64_t
#define ADZE_U_f32  uint32_t
#define ADZE_U_f64  uint64_t
#define ADZE_U_i8   uint8_t
#define ADZE_U_i16  uint16_t
#define ADZE_U_i32  uint32_t
#define ADZE_U_i64  uint64_t
#define ADZE_U_u8   uint8_t
#define ADZE_U_u16  uint16_t
#define ADZE_U_u32  uint32_t
#define ADZE_U_u64  uint64_t

#define ADZE_PASTE_(a, b) a##b
#define ADZE_PASTE(a, b)  ADZE_PASTE_(a, b)

/* How bodies are linked: a file that must export them as symbols defines this before including. */
#ifndef ADZE_BODY
#define ADZE_BODY static inline
#endif

#endif

/* LANE may be bool, which is a macro to whoever includes <stdbool.h>. */
#pragma push_macro("bool")
#undef bool

#define T             ADZE_PASTE(ADZE_C_, LANE)
#define S             ADZE_PASTE(ADZE_C_, LANE)
#define I             ADZE_PASTE(ADZE_I_, LANE)
#define U             ADZE_PASTE(ADZE_U_, LANE)
#define B             uint8_t
#define N(f)          ADZE_PASTE(adze_body_##f##_, LANE)
#define W(f)          adze_body_##f##_f64
#define K(c)          ((T)(c))
#define KI(c)         ((I)(c))
#define SEL(m, a, b)  ((T)((m) ? (a) : (b)))
#define SELI(m, a, b) ((I)((m) ? (a) : (b)))
#define UP(x)         ((U)(x) + 0u)
#define NOT(m)        (!(m))
#define BOOL(m)       ((uint8_t)(m))
#define MASK(b)       ((b) != 0)
#define BITS(x)       ADZE_PASTE(adze_bits_, LANE)(x)
#define FLOAT(u)      ADZE_PASTE(adze_float_, LANE)(u)
#define TO_I(x)       ((I)(x))
#define TO_F(i)       ((T)(i))
#define WIDE(x)       ((double)(x))
#define NARROW(x)     ((float)(x))
