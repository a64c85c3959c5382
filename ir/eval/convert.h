/* Elements of any type as doubles or 64-bit integers, and back.
 *
 * The small float formats (OCP 8-bit and 4-bit formats, their fnuz variants, IEEE binary16 and
 * bfloat16) are rows of one table: decoding and encoding are stated once. Encoding rounds to
 * nearest, ties to even. Integer code only, since not every target's library has the conversions.
 */
#ifndef ADZE_EVAL_CONVERT_H
#define ADZE_EVAL_CONVERT_H

#include "bits.h"
#include "eval.h"

typedef struct ev_format {
    uint8_t exponent, mantissa; /* bits */
    int16_t bias;
    uint16_t largest; /* code of the largest finite value */
    uint16_t inf;     /* code of infinity; 0 = none */
    uint16_t nan;     /* code of NaN; 0 = none */
    bool minus_zero;
} ev_format;

static inline const ev_format *ev_small_float(uint32_t dtype)
{
    static const ev_format f16 = {5, 10, 15, 0x7bff, 0x7c00, 0x7e00, true};
    static const ev_format bf16 = {8, 7, 127, 0x7f7f, 0x7f80, 0x7fc0, true};
    static const ev_format f8e4m3fn = {4, 3, 7, 0x7e, 0, 0x7f, true};
    static const ev_format f8e4m3fnuz = {4, 3, 8, 0x7f, 0, 0x80, false};
    static const ev_format f8e5m2 = {5, 2, 15, 0x7b, 0x7c, 0x7e, true};
    static const ev_format f8e5m2fnuz = {5, 2, 16, 0x7f, 0, 0x80, false};
    static const ev_format f4e2m1 = {2, 1, 1, 7, 0, 0, true};
    switch (dtype) {
    case ADZE_DTYPE_f16: return &f16;
    case ADZE_DTYPE_bf16: return &bf16;
    case ADZE_DTYPE_f8e4m3fn: return &f8e4m3fn;
    case ADZE_DTYPE_f8e4m3fnuz: return &f8e4m3fnuz;
    case ADZE_DTYPE_f8e5m2: return &f8e5m2;
    case ADZE_DTYPE_f8e5m2fnuz: return &f8e5m2fnuz;
    case ADZE_DTYPE_f4e2m1: return &f4e2m1;
    default: return NULL;
    }
}

/* 2^e for -1022 <= e <= 1023. */
static inline double ev_power2(int e)
{
    return adze_float_f64((uint64_t)(e + 1023) << 52);
}

static inline double ev_inf(void)
{
    return adze_float_f64(UINT64_C(0x7ff0000000000000));
}

static inline double ev_nan(void)
{
    return adze_float_f64(UINT64_C(0x7ff8000000000000));
}

/* To nearest, ties to even; exact for |x| of any size. */
static inline double ev_round(double x)
{
    double big = 0x1p52;
    if (!(x > -big && x < big)) return x;
    double r = x < 0 ? (x - big) + big : (x + big) - big;
    return r == 0 ? adze_float_f64(adze_bits_f64(x) & (UINT64_C(1) << 63)) : r;
}

static inline double ev_decode(const ev_format *f, uint32_t code)
{
    uint32_t sign_bit = 1u << (f->exponent + f->mantissa);
    if (!f->minus_zero && code == f->nan) return ev_nan();
    uint32_t magnitude = code & (sign_bit - 1);
    double sign = code & sign_bit ? -1 : 1;
    if (magnitude > f->largest) return f->inf && magnitude == f->inf ? sign * ev_inf() : ev_nan();
    int e = (int)(magnitude >> f->mantissa);
    double m = (double)(magnitude & ((1u << f->mantissa) - 1));
    if (e == 0) return sign * m * ev_power2(1 - f->bias - f->mantissa);
    return sign * (m + (double)(1u << f->mantissa)) * ev_power2(e - f->bias - f->mantissa);
}

/* What lies beyond the largest value becomes it if `saturate`, else infinity, NaN where there is
 * none, and the largest value where there is neither. A type without NaN has -0 in its place. */
static inline uint32_t ev_encode(const ev_format *f, double x, bool saturate)
{
    uint32_t sign = adze_bits_f64(x) >> 63 ? 1u << (f->exponent + f->mantissa) : 0;
    double a = adze_float_f64(adze_bits_f64(x) & ~(UINT64_C(1) << 63)); /* of -0.0 too */
    uint32_t beyond = saturate || (!f->inf && !f->nan) ? f->largest : f->inf ? f->inf : f->nan;
    if (a != a) return f->nan ? (f->minus_zero ? sign | f->nan : f->nan) : 1u << (f->exponent + f->mantissa);
    uint32_t code;
    if (a > 0x1p200) {
        code = beyond;
    } else {
        int e = (int)(adze_bits_f64(a) >> 52) - 1023;
        if (e < 1 - f->bias) e = 1 - f->bias;
        uint32_t q = (uint32_t)ev_round(a * ev_power2(f->mantissa - e));
        /* A full mantissa carries into the exponent by itself. */
        code = q + ((uint32_t)(e + f->bias - 1) << f->mantissa);
        if (code > f->largest) code = beyond;
    }
    if (!f->minus_zero && (code == 0 || code == f->nan)) return code;
    return sign | code;
}

/* f8e8m0 holds 2^(code - 127) and nothing else. `round` is the first letter of up, down, nearest. */
static inline uint32_t ev_encode_e8m0(double x, bool saturate, char round)
{
    if (x != x) return 255;
    uint64_t bits = adze_bits_f64(x) & ~(UINT64_C(1) << 63);
    int e = (int)(bits >> 52) - 1023 + 127;
    uint64_t rest = bits & ((UINT64_C(1) << 52) - 1), half = UINT64_C(1) << 51;
    if (round == 'u' ? rest > 0 : round == 'n' && rest >= half) e++;
    if (bits == 0 || e < 0) return 0;
    if (e > 254) return saturate ? 254 : 255;
    return (uint32_t)e;
}

static inline float ev_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude < 0x400) /* zero and subnormals */
        return adze_float_f32(adze_bits_f32((float)magnitude * 0x1p-24f) | sign);
    if (magnitude >= 0x7c00) return adze_float_f32(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    return adze_float_f32(sign | ((magnitude << 13) + (112u << 23)));
}

static inline uint16_t ev_f32_to_f16(float x)
{
    uint32_t bits = adze_bits_f32(x), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;
    if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (a >= 0x47800000) return (uint16_t)(sign | 0x7c00); /* 65536 and above */
    if (a < 0x38800000) {                                  /* below 2^-14 */
        uint32_t shift = 126 - (a >> 23);
        if (shift > 25) return (uint16_t)sign;
        uint32_t m = (a & 0x7fffff) | 0x800000, q = m >> shift, rest = m & ((1u << shift) - 1);
        uint32_t half = 1u << (shift - 1);
        return (uint16_t)(sign | (q + (rest > half || (rest == half && q & 1))));
    }
    uint32_t q = a - (112u << 23);
    return (uint16_t)(sign | (q + 0xfff + (q >> 13 & 1)) >> 13);
}

static inline float ev_bf16_to_f32(uint16_t h)
{
    return adze_float_f32((uint32_t)h << 16);
}

static inline uint16_t ev_f32_to_bf16(float x)
{
    uint32_t bits = adze_bits_f32(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)((bits >> 16 & 0x8000) | 0x7fc0);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Element `i` of a packed array of `bits`-bit codes. */
static inline uint32_t ev_get_code(const void *data, int64_t i, uint32_t bits)
{
    const uint8_t *bytes = data;
    if (bits == 8) return bytes[i];
    uint64_t bit = (uint64_t)i * bits;
    return (uint32_t)(bytes[bit >> 3] >> (bit & 7)) & ((1u << bits) - 1);
}

static inline void ev_put_code(void *data, int64_t i, uint32_t bits, uint32_t code)
{
    uint8_t *bytes = data;
    if (bits == 8) {
        bytes[i] = (uint8_t)code;
        return;
    }
    uint64_t bit = (uint64_t)i * bits;
    uint32_t mask = (1u << bits) - 1, shift = (uint32_t)(bit & 7);
    bytes[bit >> 3] = (uint8_t)((bytes[bit >> 3] & ~(mask << shift)) | (code & mask) << shift);
}

static inline bool ev_is_float(uint32_t dtype)
{
    return adze_dtype_get_kind((adze_dtype)dtype) == ADZE_KIND_FLOAT;
}

static inline bool ev_is_unsigned(uint32_t dtype)
{
    adze_dtype_kind kind = adze_dtype_get_kind((adze_dtype)dtype);
    return kind == ADZE_KIND_UINT || kind == ADZE_KIND_BOOL;
}

static inline bool ev_is_int(uint32_t dtype)
{
    return ev_is_unsigned(dtype) || adze_dtype_get_kind((adze_dtype)dtype) == ADZE_KIND_INT;
}

/* Can its elements be read as numbers? */
static inline bool ev_is_number(uint32_t dtype)
{
    return ev_is_float(dtype) || ev_is_int(dtype);
}

/* The real type that an element is made of: of complex numbers that of their two parts, of others its own. */
static inline uint32_t ev_part(uint32_t dtype)
{
    return dtype == ADZE_DTYPE_c64 ? ADZE_DTYPE_f32 : dtype == ADZE_DTYPE_c128 ? ADZE_DTYPE_f64 : dtype;
}

/* How many parts an element has. */
static inline int64_t ev_parts(uint32_t dtype) { return ev_part(dtype) == dtype ? 1 : 2; }

#define EV_LOAD(dtype, C)                                                                        \
    case ADZE_DTYPE_##dtype: {                                                                     \
        const C *p = (const C *)data + first;                                                      \
        for (int64_t i = 0; i < n; i++) out[i] = (EV_TO)p[i * stride];                           \
        return;                                                                                    \
    }
#define EV_STORE(dtype, C)                                                                       \
    case ADZE_DTYPE_##dtype: {                                                                     \
        C *p = (C *)data + first;                                                                  \
        for (int64_t i = 0; i < n; i++) p[i * stride] = (C)in[i];                                  \
        return;                                                                                    \
    }

/* `n` integer elements from `first` on, `stride` elements apart, as 64-bit integers (u64: its bits); elements
 * of other types give 0. */
static inline void ev_load_i64(uint32_t dtype, const void *data, int64_t first, int64_t stride,
                                 int64_t n, int64_t *out)
{
#define EV_TO int64_t
    switch (dtype) {
        EV_LOAD(bool, uint8_t)
        EV_LOAD(u8, uint8_t)
        EV_LOAD(i8, int8_t)
        EV_LOAD(u16, uint16_t)
        EV_LOAD(i16, int16_t)
        EV_LOAD(u32, uint32_t)
        EV_LOAD(i32, int32_t)
        EV_LOAD(u64, uint64_t)
        EV_LOAD(i64, int64_t)
    default: break;
    }
#undef EV_TO
    uint32_t bits = adze_dtype_bits((adze_dtype)dtype);
    bool is_unsigned = ev_is_unsigned(dtype);
    if (!ev_is_int(dtype)) {
        memset(out, 0, (size_t)n * sizeof *out);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t code = ev_get_code(data, first + i * stride, bits);
        out[i] = !is_unsigned && code >> (bits - 1) ? code - (INT64_C(1) << bits) : code;
    }
}

/* Writes 64-bit integers as integer elements; what does not fit wraps. */
static inline void ev_store_i64(uint32_t dtype, void *data, int64_t first, int64_t stride,
                                  int64_t n, const int64_t *in)
{
    switch (dtype) {
        EV_STORE(u8, uint8_t)
        EV_STORE(i8, int8_t)
        EV_STORE(u16, uint16_t)
        EV_STORE(i16, int16_t)
        EV_STORE(u32, uint32_t)
        EV_STORE(i32, int32_t)
        EV_STORE(u64, uint64_t)
        EV_STORE(i64, int64_t)
    case ADZE_DTYPE_bool:
        for (int64_t i = 0; i < n; i++) ((uint8_t *)data)[first + i * stride] = in[i] != 0;
        return;
    default: break;
    }
    uint32_t bits = adze_dtype_bits((adze_dtype)dtype);
    for (int64_t i = 0; i < n; i++)
        ev_put_code(data, first + i * stride, bits, (uint32_t)in[i]);
}

/* The same for numbers of any kind as doubles; strings and complex numbers give 0. */
static inline void ev_load_f64(uint32_t dtype, const void *data, int64_t first, int64_t stride,
                                 int64_t n, double *out)
{
#define EV_TO double
    switch (dtype) {
        EV_LOAD(f32, float)
        EV_LOAD(f64, double)
        EV_LOAD(bool, uint8_t)
        EV_LOAD(u8, uint8_t)
        EV_LOAD(i8, int8_t)
        EV_LOAD(u16, uint16_t)
        EV_LOAD(i16, int16_t)
        EV_LOAD(u32, uint32_t)
        EV_LOAD(i32, int32_t)
        EV_LOAD(u64, uint64_t)
        EV_LOAD(i64, int64_t)
    case ADZE_DTYPE_f16: {
        const uint16_t *p = (const uint16_t *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = (double)ev_f16_to_f32(p[i * stride]);
        return;
    }
    case ADZE_DTYPE_bf16: {
        const uint16_t *p = (const uint16_t *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = (double)ev_bf16_to_f32(p[i * stride]);
        return;
    }
    case ADZE_DTYPE_f8e8m0: {
        const uint8_t *p = (const uint8_t *)data + first;
        for (int64_t i = 0; i < n; i++)
            out[i] = p[i * stride] == 255 ? ev_nan() : ev_power2(p[i * stride] - 127);
        return;
    }
    default: break;
    }
#undef EV_TO
    const ev_format *format = ev_small_float(dtype);
    uint32_t bits = adze_dtype_bits((adze_dtype)dtype);
    if (format) {
        for (int64_t i = 0; i < n; i++)
            out[i] = ev_decode(format, ev_get_code(data, first + i * stride, bits));
        return;
    }
    bool is_unsigned = ev_is_unsigned(dtype);
    if (!ev_is_int(dtype)) {
        memset(out, 0, (size_t)n * sizeof *out);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        int32_t code = (int32_t)ev_get_code(data, first + i * stride, bits);
        out[i] = !is_unsigned && code >> (bits - 1) ? code - (1 << bits) : code;
    }
}

/* Toward zero; values outside become the nearest one of the type, NaN 0. Types below a byte wrap, as
 * integers do. */
static inline int64_t ev_f64_to_int(uint32_t dtype, double x)
{
    uint32_t bits = adze_dtype_bits((adze_dtype)dtype);
    if (dtype == ADZE_DTYPE_bool) return x != 0;
    if (x != x) return 0;
    if (bits < 8) return x > -0x1p62 && x < 0x1p62 ? (int64_t)x : 0;
    if (ev_is_unsigned(dtype)) {
        double limit = ev_power2((int)bits);
        if (x <= 0) return 0;
        return (int64_t)(x >= limit ? UINT64_MAX >> (64 - bits) : (uint64_t)x);
    }
    double limit = ev_power2((int)bits - 1);
    int64_t largest = (int64_t)(UINT64_MAX >> (65 - bits));
    if (x >= limit) return largest;
    return x < -limit ? -largest - 1 : (int64_t)x;
}

/* Writes doubles as elements of any number type; floats round to nearest and overflow to infinity
 * where there is one, integers as ev_f64_to_int. */
static inline void ev_store_f64(uint32_t dtype, void *data, int64_t first, int64_t stride,
                                  int64_t n, const double *in)
{
    switch (dtype) {
        EV_STORE(f32, float)
        EV_STORE(f64, double)
    case ADZE_DTYPE_f8e8m0:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)data)[first + i * stride] = (uint8_t)ev_encode_e8m0(in[i], false, 'n');
        return;
    default: break;
    }
    const ev_format *format = ev_small_float(dtype);
    uint32_t bits = adze_dtype_bits((adze_dtype)dtype);
    for (int64_t i = 0; i < n; i++) {
        if (!format) {
            int64_t v = ev_f64_to_int(dtype, in[i]);
            ev_store_i64(dtype, data, first + i * stride, 1, 1, &v);
        } else if (bits == 16) {
            ((uint16_t *)data)[first + i * stride] = (uint16_t)ev_encode(format, in[i], false);
        } else {
            ev_put_code(data, first + i * stride, bits, ev_encode(format, in[i], false));
        }
    }
}

/* As ev_store_f64, one element beside the other, with what Cast says of small floats: what is beyond the largest value,
 * and how f8e8m0 rounds (ev_encode_e8m0). */
static inline void ev_store_cast(uint32_t dtype, void *data, int64_t first, int64_t n, const double *in, bool saturate,
                                 char round)
{
    const ev_format *format = ev_small_float(dtype);
    uint32_t bits = adze_dtype_bits((adze_dtype)dtype);
    if (dtype != ADZE_DTYPE_f8e8m0 && (!format || bits > 8)) {
        ev_store_f64(dtype, data, first, 1, n, in);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        ev_put_code(data, first + i, bits,
                    format ? ev_encode(format, in[i], saturate) : ev_encode_e8m0(in[i], saturate, round));
}

#undef EV_LOAD
#undef EV_STORE

static inline double ev_get_f64(const adze_value *v, int64_t index)
{
    double x;
    ev_load_f64(v->dtype, v->data, index, 1, 1, &x);
    return x;
}

static inline int64_t ev_get_i64(const adze_value *v, int64_t index)
{
    int64_t x;
    ev_load_i64(v->dtype, v->data, index, 1, 1, &x);
    return x;
}

/* A tensor of i32 or i64 with at most `max` elements as integers; the count, or -1. */
static inline int64_t ev_ints(const adze_value *v, int64_t *out, int64_t max)
{
    uint64_t n = adze_value_count(v);
    if (!ev_is_int(v->dtype) || n > (uint64_t)max) return -1;
    ev_load_i64(v->dtype, v->data, 0, 1, (int64_t)n, out);
    return (int64_t)n;
}

#endif
