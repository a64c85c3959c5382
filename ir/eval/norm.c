/* Normalizations: statistics over a row or a channel, then elementwise. All in double. */
#include "convert.h"
#include "math.h"

/* Rows that a normalization runs over: n elements, `step` apart. */
typedef struct rows {
    int64_t count, n, step;
} rows;

static int64_t row_start(const rows *r, int64_t i)
{
    return i / r->step * r->n * r->step + i % r->step;
}

/* The number as a half-precision type holds it; other types leave it as it is. */
static double rounded(uint32_t dtype, double x)
{
    bool half = dtype == ADZE_DTYPE_f16 || dtype == ADZE_DTYPE_bf16;
    const ev_format *format = ev_small_float(dtype);
    return half ? ev_decode(format, ev_encode(format, x, false)) : x;
}

/* In half precision each step rounds: ONNX says Softmax with other operators, all over its own element type. The sum
 * stays wide where that type holds no number so large (f16: of more than 65,504 equal elements). */
static adze_status softmax_rows(const adze_env *env, const adze_value *in, adze_value *out,
                                const rows *r, bool log)
{
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    adze_status status = ev_result_like(env, out, in);
    if (status != ADZE_OK || adze_value_count(in) == 0) return status;
    double *x = ev_scratch(env, (uint64_t)r->n, sizeof(double));
    if (!x) return ev_no_memory(env);
    for (int64_t k = 0; k < r->count; k++) {
        int64_t first = row_start(r, k);
        double max = -ev_inf(), sum = 0;
        ev_load_f64(in->dtype, in->data, first, r->step, r->n, x);
        for (int64_t i = 0; i < r->n; i++) max = x[i] > max || x[i] != x[i] ? x[i] : max;
        for (int64_t i = 0; i < r->n; i++) {
            double shifted = rounded(in->dtype, x[i] - max), e = rounded(in->dtype, adze_body_exp_f64(shifted));
            x[i] = log ? shifted : e;
            sum += e;
        }
        double narrow = rounded(in->dtype, sum);
        if (narrow < ev_inf()) sum = narrow;
        double log_sum = log ? rounded(in->dtype, adze_body_log_f64(sum)) : 0;
        for (int64_t i = 0; i < r->n; i++) x[i] = log ? x[i] - log_sum : x[i] / sum;
        ev_store_f64(out->dtype, out->data, first, r->step, r->n, x);
    }
    return ADZE_OK;
}

static adze_status softmax_axis(const adze_env *env, const adze_value *in, adze_value *out,
                                int64_t wanted, bool log)
{
    uint32_t axis;
    if (!ev_axis(wanted, in->rank, &axis)) return ev_fail(env, ADZE_ERR_VALUE, "softmax: axis out of range");
    rows r = {.n = in->dims[axis], .step = ev_product(in->dims, axis + 1, in->rank)};
    r.count = ev_product(in->dims, 0, axis) * r.step;
    return softmax_rows(env, in, out, &r, log);
}

adze_status eval_softmax(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                         uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    return softmax_axis(env, in, out, ((const struct adze_softmax_attrs *)attrs)->axis, false);
}

adze_status eval_log_softmax(const adze_env *env, const adze_value *in, uint32_t n_in,
                             adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    return softmax_axis(env, in, out, ((const struct adze_log_softmax_attrs *)attrs)->axis, true);
}

adze_status eval_softmax_flat(const adze_env *env, const adze_value *in, uint32_t n_in,
                              adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_softmax_flat_attrs *a = attrs;
    int64_t axis = a->axis < 0 ? a->axis + in->rank : a->axis;
    if (axis < 0 || axis > in->rank) return ev_fail(env, ADZE_ERR_VALUE, "softmax_flat: axis out of range");
    rows r = {.count = ev_product(in->dims, 0, (uint32_t)axis),
              .n = ev_product(in->dims, (uint32_t)axis, in->rank),
              .step = 1};
    return softmax_rows(env, in, out, &r, false);
}

/* The part of a scale or bias that belongs to row k, spread out over the row's dims; it broadcasts
 * to the whole operand. */
static bool load_parameter(const adze_value *in, const adze_value *p, uint32_t axis, int64_t k,
                           double *out)
{
    int64_t strides[ADZE_MAX_RANK], index[ADZE_MAX_RANK] = {0}, first = 0, to = 0;
    if (!ev_broadcast_strides(p, in->rank, in->dims, strides)) return false;
    for (uint32_t i = axis; i-- > 0; k /= in->dims[i]) first += k % in->dims[i] * strides[i];
    uint32_t last = in->rank - 1;
    do {
        int64_t at = first;
        for (uint32_t i = axis; i < last; i++) at += index[i - axis] * strides[i];
        ev_load_f64(p->dtype, p->data, at, strides[last], in->dims[last], out + to);
        to += in->dims[last];
    } while (ev_next(last - axis, in->dims + axis, index));
    return true;
}

/* Layer norm; without `centered` RMS norm. mean_out and scale_out may be NULL. */
static adze_status norm_rows(const adze_env *env, const adze_value *in, uint32_t n_in,
                             adze_value *out, uint32_t axis, double epsilon, bool centered,
                             adze_value *mean_out, adze_value *scale_out)
{
    int64_t count = ev_product(in->dims, 0, axis), n = ev_product(in->dims, axis, in->rank);
    if (count == 0 || (n == 0 && !mean_out && !scale_out)) return ADZE_OK; /* the mean of nothing is NaN */
    double *x = ev_scratch(env, (uint64_t)n, sizeof(double));
    double *scale = ev_scratch(env, (uint64_t)n, sizeof(double));
    double *bias = ev_scratch(env, (uint64_t)n, sizeof(double));
    if (!x || !scale || !bias) return ev_no_memory(env);
    bool has_bias = ev_has(in, n_in, 2);
    for (int64_t k = 0; k < count; k++) {
        double mean = 0, square = 0;
        ev_load_f64(in->dtype, in->data, k * n, 1, n, x);
        if (centered) {
            for (int64_t i = 0; i < n; i++) mean += x[i];
            mean /= (double)n;
        }
        for (int64_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean);
        double inverse = 1 / adze_body_sqrt_f64(square / (double)n + epsilon);
        if (n && (!load_parameter(in, &in[1], axis, k, scale) ||
                  (has_bias && !load_parameter(in, &in[2], axis, k, bias))))
            return ev_fail(env, ADZE_ERR_DIM, "norm: scale or bias does not broadcast to the operand");
        for (int64_t i = 0; i < n; i++)
            x[i] = (x[i] - mean) * inverse * scale[i] + (has_bias ? bias[i] : 0);
        ev_store_f64(out->dtype, out->data, k * n, 1, n, x);
        if (mean_out) ev_store_f64(mean_out->dtype, mean_out->data, k, 1, 1, &mean);
        if (scale_out) ev_store_f64(scale_out->dtype, scale_out->data, k, 1, 1, &inverse);
    }
    return ADZE_OK;
}

adze_status eval_layer_norm(const adze_env *env, const adze_value *in, uint32_t n_in,
                            adze_value *out, uint32_t n_out, const void *attrs)
{
    const struct adze_layer_norm_attrs *a = attrs;
    uint32_t axis;
    int64_t dims[ADZE_MAX_RANK];
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    if (!ev_axis(a->axis, in->rank, &axis)) return ev_fail(env, ADZE_ERR_VALUE, "layer_norm: axis out of range");
    adze_status status = ev_result_like(env, out, in);
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = i < axis ? in->dims[i] : 1;
    for (uint32_t k = 1; k < n_out && status == ADZE_OK; k++)
        status = ev_result(env, &out[k],
                           a->stash_type == 1    ? ADZE_DTYPE_f32
                           : a->stash_type == 16 ? ADZE_DTYPE_bf16
                                                 : in->dtype,
                           in->rank, dims);
    if (status != ADZE_OK) return status;
    return norm_rows(env, in, n_in, out, axis, a->epsilon, true, n_out > 1 ? &out[1] : NULL,
                     n_out > 2 ? &out[2] : NULL);
}

adze_status eval_rms_norm(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                          uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_rms_norm_attrs *a = attrs;
    uint32_t axis;
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    if (!ev_axis(a->axis, in->rank, &axis)) return ev_fail(env, ADZE_ERR_VALUE, "rms_norm: axis out of range");
    adze_status status = ev_result_like(env, out, in);
    return status == ADZE_OK ? norm_rows(env, in, n_in, out, axis, a->epsilon, false, NULL, NULL) : status;
}

adze_status eval_batch_norm(const adze_env *env, const adze_value *in, uint32_t n_in,
                            adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    enum { BLOCK = 256 };
    const struct adze_batch_norm_attrs *a = attrs;
    if (a->training_mode) return ev_fail(env, ADZE_ERR_UNSUPPORTED, "batch_norm: training mode");
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    int64_t channels = in->rank > 1 ? in->dims[1] : 1;
    for (uint32_t k = 1; k < 5; k++)
        if ((int64_t)adze_value_count(&in[k]) != channels)
            return ev_fail(env, ADZE_ERR_DIM, "batch_norm: not as many parameters as channels");
    adze_status status = ev_result_like(env, out, in);
    if (status != ADZE_OK || adze_value_count(in) == 0) return status;
    int64_t batch = in->rank ? in->dims[0] : 1;
    int64_t plane = in->rank > 2 ? ev_product(in->dims, 2, in->rank) : 1;
    for (int64_t k = 0; k < batch * channels; k++) {
        int64_t c = k % channels;
        double mean = ev_get_f64(&in[3], c), block[BLOCK];
        double factor = ev_get_f64(&in[1], c) /
                        adze_body_sqrt_f64(ev_get_f64(&in[4], c) + a->epsilon);
        double bias = ev_get_f64(&in[2], c);
        for (int64_t i = 0; i < plane; i += BLOCK) {
            int64_t n = ev_min(BLOCK, plane - i);
            ev_load_f64(in->dtype, in->data, k * plane + i, 1, n, block);
            for (int64_t j = 0; j < n; j++) block[j] = (block[j] - mean) * factor + bias;
            ev_store_f64(out->dtype, out->data, k * plane + i, 1, n, block);
        }
    }
    return ADZE_OK;
}
