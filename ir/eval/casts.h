/* Scalar conversions between element types, and quantization. */
#ifndef ADZE_CASTS_H
#define ADZE_CASTS_H

#include "math.h"

#pragma push_macro("bool")
#undef bool

#define C_(t)         ADZE_C_##t
#define CAST(a, b)    adze_body_cast_##a##_##b
#define QNAME(f, t)   adze_body_##f##_##t
#define QUANTIZE_16
#define TO(b, x)      ((ADZE_C_##b)(x))
#define TO_BOOL(a, m) ((uint8_t)(m))
#define SPLAT(b, c)   ((ADZE_C_##b)(c))
#define PICK(b, m, y, z) ((ADZE_C_##b)((m) ? (y) : (z)))
#define BITS_F32(x)   adze_bits_f32(x)
#define FLOAT_F32(u)  adze_float_f32(u)
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
