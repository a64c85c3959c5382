/* The table of scalar bodies with a row function each; everything is made from bodies.def.
 *
 * A row function is a plain loop over the body, which is what the reference runs and what the floor
 * of a host backend inlines and vectorises.
 */
#include "bodies_rows.h"

#define M(t)          ADZE_PASTE(M_, t)
#define LOAD(t)       ADZE_PASTE(LOAD_, t)
#define STORE(t)      ADZE_PASTE(STORE_, t)
#define CALL(name, t) ADZE_PASTE(adze_body_##name##_, t)

#define ROW_HEAD(row)                                                                              \
    void row(void *out, const void *const *args, const int64_t *steps, int64_t n)

#define ROW1(t, name, r, a)                                                                        \
    ROW_HEAD(adze_row_##name##_##t)                                                                \
    {                                                                                              \
        M(ROLE_##r(t)) *y = out;                                                                   \
        const M(ROLE_##a(t)) *x0 = args[0];                                                        \
        for (int64_t i = 0; i < n; i++)                                                            \
            y[i] = STORE(ROLE_##r(t))(CALL(name, V_##t)(LOAD(ROLE_##a(t))(x0[i * steps[0]])));     \
    }
#define ROW2(t, name, r, a, b)                                                                     \
    ROW_HEAD(adze_row_##name##_##t)                                                                \
    {                                                                                              \
        M(ROLE_##r(t)) *y = out;                                                                   \
        const M(ROLE_##a(t)) *x0 = args[0];                                                        \
        const M(ROLE_##b(t)) *x1 = args[1];                                                        \
        for (int64_t i = 0; i < n; i++)                                                            \
            y[i] = STORE(ROLE_##r(t))(CALL(name, V_##t)(LOAD(ROLE_##a(t))(x0[i * steps[0]]),       \
                                                        LOAD(ROLE_##b(t))(x1[i * steps[1]])));     \
    }
#define ROW3(t, name, r, a, b, c)                                                                  \
    ROW_HEAD(adze_row_##name##_##t)                                                                \
    {                                                                                              \
        M(ROLE_##r(t)) *y = out;                                                                   \
        const M(ROLE_##a(t)) *x0 = args[0];                                                        \
        const M(ROLE_##b(t)) *x1 = args[1];                                                        \
        const M(ROLE_##c(t)) *x2 = args[2];                                                        \
        for (int64_t i = 0; i < n; i++)                                                            \
            y[i] = STORE(ROLE_##r(t))(CALL(name, V_##t)(LOAD(ROLE_##a(t))(x0[i * steps[0]]),       \
                                                        LOAD(ROLE_##b(t))(x1[i * steps[1]]),       \
                                                        LOAD(ROLE_##c(t))(x2[i * steps[2]])));     \
    }
#define BODY1(name, operands, params, types, lanes, r, a)    BODY_TYPES_##types(ROW1, name, r, a)
#define BODY2(name, operands, params, types, lanes, r, a, b) BODY_TYPES_##types(ROW2, name, r, a, b)
#define BODY3(name, operands, params, types, lanes, r, a, b, c)                                    \
    BODY_TYPES_##types(ROW3, name, r, a, b, c)
#include "bodies.def"

#define CAST_ROW(a, b, lanes)                                                                      \
    ROW_HEAD(adze_row_cast_##a##_##b)                                                              \
    {                                                                                              \
        M(b) *y = out;                                                                             \
        const M(a) *x0 = args[0];                                                                  \
        for (int64_t i = 0; i < n; i++) y[i] = adze_body_cast_##a##_##b(x0[i * steps[0]]);         \
    }
CAST_PAIRS(CAST_ROW)

/* Sets of element types with vectors of 16 lanes: the bits of column lanes.
 */
enum {
    LANES_f32 = 3,
    LANES_f64 = 3,
    LANES_i8 = 13,
    LANES_i16 = 5,
    LANES_i32 = 13,
    LANES_i64 = 5,
    LANES_u8 = 13,
    LANES_u16 = 5,
    LANES_u32 = 5,
    LANES_u64 = 5,
    LANES_bool = 1,
    LANES_f16 = 3,
    LANES_bf16 = 3,
};

#define QUOTE_(t)   #t
#define QUOTE(t)    QUOTE_(t)
#define DTYPE_OF(t) ADZE_PASTE(ADZE_DTYPE_, t)
#define HEAD(name, t, lanes)                                                                       \
#name, "adze_body_" #name "_" QUOTE(V_##t),                                                    \
        (lanes) ? "adze_body_" #name "_" QUOTE(V_##t) "x16" : 0
static const adze_body bodies[] = {
#define TABLE1(t, name, operands, params, lanes, r, a)                                             \
    {HEAD(name, t, (lanes & LANES_##t) != 0),                                                      \
     params,                                                                                       \
     operands,                                                                                     \
     1,                                                                                            \
     ADZE_DTYPE_##t,                                                                               \
     DTYPE_OF(V_##t),                                                                              \
     DTYPE_OF(ROLE_##r(t)),                                                                        \
     {DTYPE_OF(ROLE_##a(t)), 0, 0},                                                                \
     adze_row_##name##_##t},
#define TABLE2(t, name, operands, params, lanes, r, a, b)                                          \
    {HEAD(name, t, (lanes & LANES_##t) != 0),                                                      \
     params,                                                                                       \
     operands,                                                                                     \
     2,                                                                                            \
     ADZE_DTYPE_##t,                                                                               \
     DTYPE_OF(V_##t),                                                                              \
     DTYPE_OF(ROLE_##r(t)),                                                                        \
     {DTYPE_OF(ROLE_##a(t)), DTYPE_OF(ROLE_##b(t)), 0},                                            \
     adze_row_##name##_##t},
#define TABLE3(t, name, operands, params, lanes, r, a, b, c)                                       \
    {HEAD(name, t, (lanes & LANES_##t) != 0),                                                      \
     params,                                                                                       \
     operands,                                                                                     \
     3,                                                                                            \
     ADZE_DTYPE_##t,                                                                               \
     DTYPE_OF(V_##t),                                                                              \
     DTYPE_OF(ROLE_##r(t)),                                                                        \
     {DTYPE_OF(ROLE_##a(t)), DTYPE_OF(ROLE_##b(t)), DTYPE_OF(ROLE_##c(t))},                        \
     adze_row_##name##_##t},
#define BODY1(name, operands, params, types, lanes, r, a)                                          \
    BODY_TYPES_##types(TABLE1, name, operands, params, lanes, r, a)
#define BODY2(name, operands, params, types, lanes, r, a, b)                                       \
    BODY_TYPES_##types(TABLE2, name, operands, params, lanes, r, a, b)
#define BODY3(name, operands, params, types, lanes, r, a, b, c)                                    \
    BODY_TYPES_##types(TABLE3, name, operands, params, lanes, r, a, b, c)
#include "bodies.def"
#define CAST_TABLE(a, b, lanes)                                                                    \
    {"cast",                                                                                       \
     "adze_body_cast_" #a "_" #b,                                                                  \
     (lanes) ? "adze_body_cast_" #a "_" #b "x16" : 0,                                              \
     "",                                                                                           \
     1,                                                                                            \
     1,                                                                                            \
     ADZE_DTYPE_##a,                                                                               \
     ADZE_DTYPE_##a,                                                                               \
     ADZE_DTYPE_##b,                                                                               \
     {ADZE_DTYPE_##a, 0, 0},                                                                       \
     adze_row_cast_##a##_##b},
    CAST_PAIRS(CAST_TABLE)};

static int same_text(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

const adze_body *adze_body_all(size_t *out_count)
{
    *out_count = sizeof bodies / sizeof *bodies;
    return bodies;
}

const adze_body *adze_body_find(const char *name, adze_dtype dtype)
{
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        if (bodies[i].dtype == dtype && same_text(bodies[i].name, name)) return &bodies[i];
    return 0;
}

const adze_body *adze_cast_find(adze_dtype from, adze_dtype to)
{
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        if (bodies[i].dtype == from && bodies[i].result == to && same_text(bodies[i].name, "cast"))
            return &bodies[i];
    return 0;
}
