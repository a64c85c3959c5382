/* Row functions over scalar bodies, adze_row_<name>_<dtype>, made from bodies.def (private). */
#ifndef ADZE_BODIES_ROWS_H
#define ADZE_BODIES_ROWS_H

#include "bodies.h"
#include "bodies_table.h"

/* Element types are spelled as in dtype.def, and one is a macro. */
#undef bool

/* BODY_TYPES_<list>(X): X(type) for each element type of the list. */
#define BODY_TYPES_HALF(X, ...)   X(f16, __VA_ARGS__) X(bf16, __VA_ARGS__)
#define BODY_TYPES_FLOAT(X, ...)  X(f32, __VA_ARGS__) X(f64, __VA_ARGS__) BODY_TYPES_HALF(X, __VA_ARGS__)
#define BODY_TYPES_SINT(X, ...)                                                                    \
    X(i8, __VA_ARGS__) X(i16, __VA_ARGS__) X(i32, __VA_ARGS__) X(i64, __VA_ARGS__)
#define BODY_TYPES_UINT(X, ...)                                                                    \
    X(u8, __VA_ARGS__) X(u16, __VA_ARGS__) X(u32, __VA_ARGS__) X(u64, __VA_ARGS__)
#define BODY_TYPES_INT(X, ...)    BODY_TYPES_SINT(X, __VA_ARGS__) BODY_TYPES_UINT(X, __VA_ARGS__)
#define BODY_TYPES_SIGNED(X, ...) BODY_TYPES_FLOAT(X, __VA_ARGS__) BODY_TYPES_SINT(X, __VA_ARGS__)
#define BODY_TYPES_NUMBER(X, ...) BODY_TYPES_FLOAT(X, __VA_ARGS__) BODY_TYPES_INT(X, __VA_ARGS__)
#define BODY_TYPES_BOOL(X, ...)   X(bool, __VA_ARGS__)
#define BODY_TYPES_ANY(X, ...)    BODY_TYPES_NUMBER(X, __VA_ARGS__) X(bool, __VA_ARGS__)
#define BODY_TYPES_QUANTIZED(X, ...)                                                               \
    X(i8, __VA_ARGS__) X(i16, __VA_ARGS__) X(u8, __VA_ARGS__) X(u16, __VA_ARGS__)
#define BODY_TYPES_STORED(X, ...) BODY_TYPES_QUANTIZED(X, __VA_ARGS__) X(i32, __VA_ARGS__)

/* Memory type M_, compute type V_ (a type's name), and the way between them. */
#define M_f32 float
#define M_f64 double
#define M_i8 int8_t
#define M_i16 int16_t
#define M_i32 int32_t
#define M_i64 int64_t
#define M_u8 uint8_t
#define M_u16 uint16_t
#define M_u32 uint32_t
#define M_u64 uint64_t
#define M_bool uint8_t
#define M_f16 uint16_t
#define M_bf16 uint16_t
#define V_f32 f32
#define V_f64 f64
#define V_i8 i8
#define V_i16 i16
#define V_i32 i32
#define V_i64 i64
#define V_u8 u8
#define V_u16 u16
#define V_u32 u32
#define V_u64 u64
#define V_bool bool
#define V_f16 f32
#define V_bf16 f32
#define LOAD_f32(x) (x)
#define LOAD_f64(x) (x)
#define LOAD_i8(x) (x)
#define LOAD_i16(x) (x)
#define LOAD_i32(x) (x)
#define LOAD_i64(x) (x)
#define LOAD_u8(x) (x)
#define LOAD_u16(x) (x)
#define LOAD_u32(x) (x)
#define LOAD_u64(x) (x)
#define LOAD_bool(x) (x)
#define LOAD_f16(x) adze_body_cast_f16_f32(x)
#define LOAD_bf16(x) adze_body_cast_bf16_f32(x)
#define STORE_f32(x) (x)
#define STORE_f64(x) (x)
#define STORE_i8(x) (x)
#define STORE_i16(x) (x)
#define STORE_i32(x) (x)
#define STORE_i64(x) (x)
#define STORE_u8(x) (x)
#define STORE_u16(x) (x)
#define STORE_u32(x) (x)
#define STORE_u64(x) (x)
#define STORE_bool(x) (x)
#define STORE_f16(x) adze_body_cast_f32_f16(x)
#define STORE_bf16(x) adze_body_cast_f32_bf16(x)

/* The element type that an argument column of bodies.def means in a row for type t. */
#define ROLE_SAME(t) t
#define ROLE_BOOL(t) bool
#define ROLE_F32(t)  f32
#define ROLE_I32(t)  i32
#define ROLE_PARAM(t) V_##t

/* X(a, b, lanes) for each pair of types with a cast body. */
#define CAST_TO(X, a, lanes)                                                                       \
    X(a, f32, lanes)                                                                               \
    X(a, f64, lanes) X(a, bool, lanes) X(a, i8, lanes) X(a, i16, lanes) X(a, i32, lanes)           \
        X(a, i64, lanes) X(a, u8, lanes) X(a, u16, lanes) X(a, u32, lanes) X(a, u64, lanes)
#define CAST_PAIRS(X)                                                                              \
    CAST_TO(X, f32, 1)                                                                             \
    CAST_TO(X, f64, 1) CAST_TO(X, bool, 1) CAST_TO(X, i8, 1) CAST_TO(X, i16, 1) CAST_TO(X, i32, 1) \
        CAST_TO(X, i64, 1) CAST_TO(X, u8, 1) CAST_TO(X, u16, 1) CAST_TO(X, u32, 1)                 \
            CAST_TO(X, u64, 1) X(f32, f16, 1) X(f16, f32, 1) X(f32, bf16, 1) X(bf16, f32, 1)

/* ---- The row functions ---- */

#define BODY_DECLARE(t, name)                              adze_row_fn adze_row_##name##_##t;
#define BODY1(name, operands, params, types, lanes, r, a)    BODY_TYPES_##types(BODY_DECLARE, name)
#define BODY2(name, operands, params, types, lanes, r, a, b) BODY_TYPES_##types(BODY_DECLARE, name)
#define BODY3(name, operands, params, types, lanes, r, a, b, c)                                    \
    BODY_TYPES_##types(BODY_DECLARE, name)
#include "bodies.def"
#define CAST_DECLARE(a, b, lanes) adze_row_fn adze_row_cast_##a##_##b;
CAST_PAIRS(CAST_DECLARE)
#undef BODY_DECLARE
#undef CAST_DECLARE

#endif
