/* Conversions and quantization of 16 lanes, for the element types that have vectors. Include after the
 * f32x16 lane of math_round.inc. */
#ifndef ADZE_CASTS_X16_H
#define ADZE_CASTS_X16_H

#include "casts.h"
#include "lanes_x16.h"
#include "lanes_end.h"

#pragma push_macro("bool")
#undef bool

#define C_(t)         ADZE_C_##t##x16
#define CAST(a, b)    adze_body_cast_##a##_##b##x16
#define QNAME(f, t)   adze_body_##f##_##t##x16
#define TO(b, x)      __builtin_convertvector((x), ADZE_C_##b##x16)
#define TO_BOOL(a, m) __builtin_convertvector(-(m), adze_u8x16)
#define SPLAT(b, c)   ((ADZE_C_##b##x16){0} + (ADZE_C_##b)(c))
#define PICK(b, m, y, z)                                                                           \
    ((ADZE_C_##b##x16)((__builtin_convertvector((m), ADZE_I_##b##x16) & (ADZE_I_##b##x16)(y)) |    \
                       (~__builtin_convertvector((m), ADZE_I_##b##x16) & (ADZE_I_##b##x16)(z))))
#define BITS_F32(x)   ((adze_u32x16)(x))
#define FLOAT_F32(u)  ((adze_f32x16)(u))
#define CAST_EACH_INT(X) X(i8) X(i16) X(i32) X(i64) X(u8) X(u16) X(u32) X(u64)
#define CAST_INTS(X, a)                                                                            \
    X(a, i8, -0x1p7f, 0x1p7f, INT8_MAX)                                                            \
    X(a, i16, -0x1p15f, 0x1p15f, INT16_MAX)                                                        \
    X(a, i32, -0x1p31f, 0x1p31f, INT32_MAX)                                                        \
    X(a, i64, -0x1p63f, 0x1p63f, INT64_MAX)                                                        \
    X(a, u8, 0.0f, 0x1p8f, UINT8_MAX)                                                              \
    X(a, u16, 0.0f, 0x1p16f, UINT16_MAX)                                                           \
    X(a, u32, 0.0f, 0x1p32f, UINT32_MAX)                                                           \
    X(a, u64, 0.0f, 0x1p64f, UINT64_MAX)

#include "casts.inc"
#include "quantize.inc"

#include "casts_end.h"

#endif
