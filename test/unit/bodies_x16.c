/* Vector bodies for bodies_x16_test.c, compiled by clang for one CPU level: a row function for each, which
 * applies it to n elements, n a multiple of 16.
 */
#define ADZE_BODY static inline
#include "ir/eval/bodies_symbols.c"

#include "bodies_x16.h"
#include "ir/eval/bodies_rows.h"

#define VECTOR_(t) ADZE_C_##t##x16
#define VECTOR(t)  VECTOR_(t)
#define TYPE(t)    ADZE_PASTE(M_, t)
#define CALL(name, t) ADZE_PASTE(ADZE_PASTE(adze_body_##name##_, t), x16)
#define ROW_HEAD(row) \
    static void row(void *out, const void *const *args, const int64_t *steps, int64_t n)
/* A vector at element i, or its only element in every lane. */
#define READ(t, k)                                                                                 \
    VECTOR(t) v##k;                                                                                \
    if (steps[k])                                                                                  \
        __builtin_memcpy(&v##k, (const TYPE(t) *)args[k] + i, sizeof v##k);                        \
    else                                                                                           \
        v##k = (VECTOR(t)){0} + *(const TYPE(t) *)args[k];
#define WRITE(t, value)                                                                            \
    VECTOR(t) result = value;                                                                      \
    __builtin_memcpy((TYPE(t) *)out + i, &result, sizeof result);

#define ROW1(t, name, r, a)                                                                        \
    ROW_HEAD(x16_##name##_##t)                                                                     \
    {                                                                                              \
        for (int64_t i = 0; i < n; i += 16) {                                                      \
            READ(ROLE_##a(t), 0)                                                                   \
            WRITE(ROLE_##r(t), CALL(name, t)(v0))                                                  \
        }                                                                                          \
    }
#define ROW2(t, name, r, a, b)                                                                     \
    ROW_HEAD(x16_##name##_##t)                                                                     \
    {                                                                                              \
        for (int64_t i = 0; i < n; i += 16) {                                                      \
            READ(ROLE_##a(t), 0)                                                                   \
            READ(ROLE_##b(t), 1)                                                                   \
            WRITE(ROLE_##r(t), CALL(name, t)(v0, v1))                                              \
        }                                                                                          \
    }
#define ROW3(t, name, r, a, b, c)                                                                  \
    ROW_HEAD(x16_##name##_##t)                                                                     \
    {                                                                                              \
        for (int64_t i = 0; i < n; i += 16) {                                                      \
            READ(ROLE_##a(t), 0)                                                                   \
            READ(ROLE_##b(t), 1)                                                                   \
            READ(ROLE_##c(t), 2)                                                                   \
            WRITE(ROLE_##r(t), CALL(name, t)(v0, v1, v2))                                          \
        }                                                                                          \
    }
#define TABLE(t, name, ...) {"adze_body_" #name "_" #t "x16", x16_##name##_##t},

/* The lists of bodies_rows.h without half precision, which computes in f32. */
#define X16_FLOAT(X, ...)  X(f32, __VA_ARGS__) X(f64, __VA_ARGS__)
#define X16_INT(X, ...)    BODY_TYPES_INT(X, __VA_ARGS__)
#define X16_SIGNED(X, ...) X16_FLOAT(X, __VA_ARGS__) BODY_TYPES_SINT(X, __VA_ARGS__)
#define X16_NUMBER(X, ...) X16_FLOAT(X, __VA_ARGS__) X16_INT(X, __VA_ARGS__)
#define X16_BOOL(X, ...)   X(bool, __VA_ARGS__)
#define X16_ANY(X, ...)    X16_NUMBER(X, __VA_ARGS__) X(bool, __VA_ARGS__)
#define X16_QUANTIZED(X, ...) X(i8, __VA_ARGS__) X(u8, __VA_ARGS__)
#define X16_STORED(X, ...) X16_QUANTIZED(X, __VA_ARGS__) X(i32, __VA_ARGS__)
#undef ROLE_PARAM
#define ROLE_PARAM(t) t
/* Rows of bodies.def with lanes 0 have none. */
#define IF0(...)
#define IF1(types, ...) X16_##types(__VA_ARGS__)
#define IF2(types, ...) X16_FLOAT(__VA_ARGS__)
#define IF4(types, ...) X16_INT(__VA_ARGS__)
#define IF8(types, ...) X16_##types(__VA_ARGS__)

#define BODY1(name, operands, params, types, lanes, r, a) IF##lanes(types, ROW1, name, r, a)
#define BODY2(name, operands, params, types, lanes, r, a, b) \
    IF##lanes(types, ROW2, name, r, a, b)
#define BODY3(name, operands, params, types, lanes, r, a, b, c) \
    IF##lanes(types, ROW3, name, r, a, b, c)
#include "ir/eval/bodies.def"

#define CAST_ROW(a, b, lanes)                                                                      \
    ROW_HEAD(x16_cast_##a##_##b)                                                                   \
    {                                                                                              \
        for (int64_t i = 0; i < n; i += 16) {                                                      \
            READ(a, 0)                                                                             \
            WRITE(b, adze_body_cast_##a##_##b##x16(v0))                                            \
        }                                                                                          \
    }
#define CAST_TABLE(a, b, lanes) {"adze_body_cast_" #a "_" #b "x16", x16_cast_##a##_##b},
typedef adze_u16x16 ADZE_C_f16x16, ADZE_C_bf16x16;
CAST_PAIRS(CAST_ROW)

static const x16_row rows[] = {
#define BODY1(name, operands, params, types, lanes, r, a) IF##lanes(types, TABLE, name, r, a)
#define BODY2(name, operands, params, types, lanes, r, a, b) \
    IF##lanes(types, TABLE, name, r, a, b)
#define BODY3(name, operands, params, types, lanes, r, a, b, c) \
    IF##lanes(types, TABLE, name, r, a, b, c)
#include "ir/eval/bodies.def"
    CAST_PAIRS(CAST_TABLE)
};

const x16_rows X16_NAME = {rows, sizeof rows / sizeof *rows};
