/* quantize and dequantize (ONNX QuantizeLinear-25, DequantizeLinear-25): one scale, one an index of an
 * axis, or one a block along it.
 *
 * Arithmetic is that of f32, as everywhere where quantized models run: x / scale is rounded to the
 * precision asked for, then to a whole number with halves to even, then the zero point is added and
 * the sum saturated.
 */
#include "convert.h"

/* Where the scale of an element stands: index = outer part, axis part, inner part. */
typedef struct scales {
    int64_t outer, extent, inner, block;
    bool single, blocked;
    int64_t blocks; /* blocks along the axis */
} scales;

static adze_status find_scales(const adze_env *env, const adze_value *in, uint32_t n_in, int64_t wanted,
                               int64_t block, scales *s)
{
    const adze_value *x = &in[0], *scale = &in[1];
    *s = (scales){.outer = 1, .extent = 1, .inner = (int64_t)adze_value_count(x), .block = 1};
    if (ev_has(in, n_in, 2) && adze_value_count(&in[2]) != adze_value_count(scale))
        return ev_fail(env, ADZE_ERR_DIM, "quantization: scale and zero point differ in their dims");
    s->single = adze_value_count(scale) == 1 && !(scale->rank == x->rank && block > 0);
    if (s->single) return ADZE_OK;
    uint32_t axis;
    if (x->rank == 1 && scale->rank == 1) wanted = 0; /* there is no other; lanes of a vector have one each */
    if (!ev_axis(wanted, x->rank, &axis)) return ev_fail(env, ADZE_ERR_VALUE, "quantization: axis out of range");
    s->outer = ev_product(x->dims, 0, axis);
    s->extent = x->dims[axis];
    s->inner = ev_product(x->dims, axis + 1, x->rank);
    s->blocked = scale->rank == x->rank && block > 0;
    if (!s->blocked) {
        s->blocks = s->extent;
        if (scale->rank == 1 && scale->dims[0] == s->extent) return ADZE_OK;
        return ev_fail(env, ADZE_ERR_DIM, "quantization: not as many scales as indices of the axis");
    }
    s->block = block;
    s->blocks = scale->dims[axis];
    for (uint32_t i = 0; i < x->rank; i++)
        if (i == axis ? s->blocks != (s->extent ? (s->extent - 1) / block + 1 : 0) : scale->dims[i] != x->dims[i])
            return ev_fail(env, ADZE_ERR_DIM, "quantization: dims of the scale do not fit the blocks");
    return ADZE_OK;
}

static int64_t scale_index(const scales *s, int64_t outer, int64_t at, int64_t inner)
{
    if (s->single) return 0;
    if (!s->blocked) return at;
    return (outer * s->blocks + at / s->block) * s->inner + inner;
}

/* x as an element of float type `dtype` would hold it. */
static float rounded(uint32_t dtype, float x)
{
    if (dtype == ADZE_DTYPE_f16) return ev_f16_to_f32(ev_f32_to_f16(x));
    return dtype == ADZE_DTYPE_bf16 ? ev_bf16_to_f32(ev_f32_to_bf16(x)) : x;
}

/* Least and greatest value of an integer type. */
static void limits(uint32_t dtype, int64_t *least, int64_t *greatest)
{
    uint32_t bits = adze_dtype_bits((adze_dtype)dtype);
    bool is_unsigned = ev_is_unsigned(dtype);
    *greatest = (INT64_C(1) << (is_unsigned ? bits : bits - 1)) - 1;
    *least = is_unsigned ? 0 : -*greatest - 1;
}

static void put(adze_value *out, int64_t i, double x, bool saturate)
{
    const ev_format *format = ev_small_float(out->dtype);
    if (format)
        ev_put_code(out->data, i, adze_dtype_bits((adze_dtype)out->dtype), ev_encode(format, x, saturate));
    else
        ev_store_f64(out->dtype, out->data, i, 1, 1, &x);
}

static double quantized(const adze_value *out, float ratio, double zero)
{
    if (ev_is_float(out->dtype)) return (double)ratio + zero;
    int64_t least, greatest;
    limits(out->dtype, &least, &greatest);
    double q = ev_round((double)ratio) + zero;
    if (!(q > (double)least)) return (double)least; /* NaN too */
    return q < (double)greatest ? q : (double)greatest;
}

/* The element type that the attribute, ONNX's number of one, asks for; 0 = none. */
static uint32_t onnx_dtype(int64_t number)
{
    switch (number) {
#define DTYPE(name, bits, kind, onnx)                                                              \
    case onnx: return ADZE_DTYPE_##name;
#include <adze/dtype.def>
#undef DTYPE
    default: return 0;
    }
}

/* Element types are spelled as in dtype.def from here on, and bodies_rows.h undefines `bool`. */
#include "bodies_rows.h"

/* Row functions for f32 and the integers of quantized models. */
static adze_row_fn *pick_row(uint32_t dtype, _Bool back)
{
    switch (dtype) {
    case ADZE_DTYPE_i8: return back ? adze_row_dequantize_i8 : adze_row_quantize_i8;
    case ADZE_DTYPE_u8: return back ? adze_row_dequantize_u8 : adze_row_quantize_u8;
    case ADZE_DTYPE_i16: return back ? adze_row_dequantize_i16 : adze_row_quantize_i16;
    case ADZE_DTYPE_u16: return back ? adze_row_dequantize_u16 : adze_row_quantize_u16;
    case ADZE_DTYPE_i32: return back ? adze_row_dequantize_i32 : NULL;
    default: return NULL;
    }
}

/* The common case by row functions: in -> out, both dense, with scales that are not blocked. */
static void run_rows(const adze_value *in, uint32_t n_in, adze_value *out, const scales *s, adze_row_fn *row,
                     uint32_t dtype)
{
    int64_t none = 0, steps[3] = {1, 0, 0}, in_size = adze_dtype_bits((adze_dtype)in->dtype) / 8;
    int64_t out_size = adze_dtype_bits((adze_dtype)out->dtype) / 8, size = adze_dtype_bits((adze_dtype)dtype) / 8;
    const uint8_t *x = in->data, *scale = in[1].data, *zero = ev_has(in, n_in, 2) ? in[2].data : (const void *)&none;
    int64_t zero_step = ev_has(in, n_in, 2) ? 1 : 0;
    uint8_t *y = out->data;
    if (s->inner == 1) { /* a row runs along the axis */
        steps[1] = 1;
        steps[2] = zero_step;
        for (int64_t o = 0; o < s->outer; o++, x += s->extent * in_size, y += s->extent * out_size)
            row(y, (const void *const[]){x, scale, zero}, steps, s->extent);
        return;
    }
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t at = 0; at < s->extent; at++, x += s->inner * in_size, y += s->inner * out_size) {
            const void *args[] = {x, scale + at * (int64_t)sizeof(float), zero + at * zero_step * size};
            row(y, args, steps, s->inner);
        }
}

adze_status eval_quantize(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                          uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_quantize_attrs *a = attrs;
    uint32_t dtype = ev_has(in, n_in, 2) ? in[2].dtype : onnx_dtype(a->output_dtype);
    uint32_t precision = onnx_dtype(a->precision);
    if (!precision) precision = in[1].dtype;
    if (!dtype) dtype = ADZE_DTYPE_u8;
    if (!ev_is_number(in->dtype) || !ev_is_number(in[1].dtype) || !ev_is_number(dtype) ||
        (ev_is_int(dtype) && adze_dtype_bits((adze_dtype)dtype) > 32))
        return ev_bad_dtype(env);
    scales s;
    adze_status status = find_scales(env, in, n_in, a->axis, a->block_size, &s);
    if (status == ADZE_OK) status = ev_result(env, out, dtype, in->rank, in->dims);
    if (status != ADZE_OK) return status;
    adze_row_fn *row = in->dtype == ADZE_DTYPE_f32 && precision == ADZE_DTYPE_f32 && in[1].dtype == ADZE_DTYPE_f32
                           ? pick_row(dtype, 0)
                           : NULL;
    if (row && !s.blocked) return run_rows(in, n_in, out, &s, row, dtype), ADZE_OK;
    if (adze_dtype_bits((adze_dtype)dtype) < 8) memset(out->data, 0, ev_bytes(out));
    int64_t i = 0;
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t at = 0; at < s.extent; at++)
            for (int64_t k = 0; k < s.inner; k++, i++) {
                int64_t where = scale_index(&s, o, at, k);
                float x = (float)ev_get_f64(in, i), scale = (float)ev_get_f64(&in[1], where);
                double zero = ev_has(in, n_in, 2) ? ev_get_f64(&in[2], where) : 0;
                put(out, i, quantized(out, rounded(precision, x / scale), zero), a->saturate != 0);
            }
    return ADZE_OK;
}

adze_status eval_dequantize(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                            uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_dequantize_attrs *a = attrs;
    uint32_t dtype = onnx_dtype(a->output_dtype);
    if (!dtype) dtype = in[1].dtype;
    if (!ev_is_number(in->dtype) || !ev_is_float(in[1].dtype) || !ev_is_float(dtype)) return ev_bad_dtype(env);
    scales s;
    adze_status status = find_scales(env, in, n_in, a->axis, a->block_size, &s);
    if (status == ADZE_OK) status = ev_result(env, out, dtype, in->rank, in->dims);
    if (status != ADZE_OK) return status;
    adze_row_fn *row = dtype == ADZE_DTYPE_f32 && in[1].dtype == ADZE_DTYPE_f32 ? pick_row(in->dtype, 1) : NULL;
    if (row && !s.blocked) return run_rows(in, n_in, out, &s, row, in->dtype), ADZE_OK;
    if (adze_dtype_bits((adze_dtype)dtype) < 8) memset(out->data, 0, ev_bytes(out));
    int64_t i = 0;
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t at = 0; at < s.extent; at++)
            for (int64_t k = 0; k < s.inner; k++, i++) {
                int64_t where = scale_index(&s, o, at, k);
                double zero = ev_has(in, n_in, 2) ? ev_get_f64(&in[2], where) : 0;
                float difference = (float)(ev_get_f64(in, i) - zero);
                double y = (double)(difference * (float)ev_get_f64(&in[1], where));
                ev_store_f64(dtype, out->data, i, 1, 1, &y);
            }
    return ADZE_OK;
}

/* x * by in fixed point: `by` = mantissa * 2^-shift with a mantissa in [2^30, 2^31), halves away from zero. */
static double fixed_product(int64_t x, float by)
{
    uint32_t bits;
    memcpy(&bits, &by, sizeof bits);
    int64_t exponent = (int64_t)(bits >> 23 & 0xff), fraction = (int64_t)(bits & 0x7fffff);
    if (!exponent) return 0; /* below 2^-126: no sum is large enough */
    int64_t mantissa = (fraction | 0x800000) << 7, shift = 127 + 30 - exponent;
    _Bool minus = (x < 0) != (bits >> 31 != 0);
    uint64_t size = (uint64_t)(x < 0 ? -x : x) * (uint64_t)mantissa; /* below 2^62 */
    if (shift > 63) return 0;
    double y = shift > 0    ? (double)((size + (UINT64_C(1) << (shift - 1))) >> shift)
               : shift > -31 ? (double)size * (double)(UINT64_C(1) << -shift)
                             : (double)size * 0x1p31; /* saturates anyway */
    return minus ? -y : y;
}

adze_status eval_requantize(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                            uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_requantize_attrs *a = attrs;
    _Bool fixed = ev_text_is(a->mode, "fixed");
    scales s;
    if (in->dtype != ADZE_DTYPE_i32 || in[1].dtype != ADZE_DTYPE_f32 || !ev_is_int(in[2].dtype))
        return ev_bad_dtype(env);
    _Bool one = adze_value_count(&in[2]) == 1; /* or one a lane, in loops */
    if (!one && adze_value_count(&in[2]) != adze_value_count(&in[1]))
        return ev_fail(env, ADZE_ERR_DIM, "requantize: more than one zero point");
    adze_status status = find_scales(env, in, 2, a->axis, 0, &s);
    if (status == ADZE_OK) status = ev_result(env, out, in[2].dtype, in->rank, in->dims);
    if (status != ADZE_OK) return status;
    const int32_t *x = in->data;
    const float *by = in[1].data;
    int64_t i = 0, least, greatest;
    limits(out->dtype, &least, &greatest);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t at = 0; at < s.extent; at++) {
            int64_t where = scale_index(&s, o, at, 0), zero = ev_get_i64(&in[2], one ? 0 : where);
            for (int64_t k = 0; k < s.inner; k++, i++) {
                double y = fixed ? fixed_product(x[i], by[where]) : ev_round((double)((float)x[i] * by[where]));
                y += (double)zero;
                int64_t q = !(y > (double)least) ? least : y < (double)greatest ? (int64_t)y : greatest;
                ev_store_i64(out->dtype, out->data, i, 1, 1, &q);
            }
        }
    return ADZE_OK;
}
