/* resize (ONNX Resize-19): nearest, linear and cubic interpolation of any axes.
 *
 * Interpolation is separable: every axis that changes gets a table that says which source elements,
 * with which weights, make each result index. Nearest needs one element an axis, so it copies elements
 * of any type; the other modes run over one axis after the other, in double.
 */
#include "copy.h"

typedef enum resize_mode { NEAREST, LINEAR, CUBIC } resize_mode;

/* What the attributes and operands say about one axis. */
typedef struct axis_plan {
    int64_t in, out;
    double scale, roi_start, roi_end;
    int64_t taps;
    int64_t *index; /* out * taps, within the operand */
    double *weight; /* likewise */
    bool *outside;  /* out: the result is the extrapolation value */
} axis_plan;

static double floor_of(double x)
{
    double r = ev_round(x);
    return r > x ? r - 1 : r;
}

/* Where result index x lies in the operand. */
static double source_of(adze_string mode, const axis_plan *p, int64_t at)
{
    double x = (double)at, in = (double)p->in, out = (double)p->out;
    if (ev_text_is(mode, "align_corners")) return p->out == 1 ? 0 : x * (in - 1) / (out - 1);
    if (ev_text_is(mode, "asymmetric")) return x / p->scale;
    if (ev_text_is(mode, "pytorch_half_pixel") && p->out == 1) return 0;
    if (ev_text_is(mode, "tf_crop_and_resize"))
        return p->out > 1 ? p->roi_start * (in - 1) + x * (p->roi_end - p->roi_start) * (in - 1) / (out - 1)
                          : 0.5 * (p->roi_start + p->roi_end) * (in - 1);
    if (ev_text_is(mode, "tf_half_pixel_for_nn")) return (x + 0.5) / p->scale; /* of opsets 11 and 12 */
    double shift = 0;
    if (ev_text_is(mode, "half_pixel_symmetric")) shift = in / 2 * (1 - out / (p->scale * in));
    return shift + (x + 0.5) / p->scale - 0.5;
}

static int64_t nearest_of(adze_string mode, double x)
{
    if (ev_text_is(mode, "floor")) return (int64_t)floor_of(x);
    if (ev_text_is(mode, "ceil")) return -(int64_t)floor_of(-x);
    if (ev_text_is(mode, "round_prefer_ceil")) return (int64_t)floor_of(x + 0.5);
    return -(int64_t)floor_of(-(x - 0.5));
}

/* Weight of an element at distance d, in units of the (stretched) source grid. */
static double weight_of(resize_mode mode, double a, double d)
{
    if (d < 0) d = -d;
    if (mode == LINEAR) return d < 1 ? 1 - d : 0;
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* The taps of one result index around source position x. */
static void fill_taps(const struct adze_resize_attrs *a, resize_mode mode, axis_plan *p, int64_t at, double x)
{
    int64_t *index = p->index + at * p->taps;
    double *weight = p->weight + at * p->taps, sum = 0;
    double stretch = a->antialias && p->scale < 1 ? p->scale : 1;
    int64_t first = (int64_t)floor_of(x) - p->taps / 2 + 1;
    for (int64_t t = 0; t < p->taps; t++) {
        int64_t i = first + t;
        weight[t] = weight_of(mode, a->cubic_coeff_a, ((double)i - x) * stretch);
        if (a->exclude_outside && (i < 0 || i >= p->in)) weight[t] = 0;
        index[t] = ev_max(0, ev_min(i, p->in - 1));
        sum += weight[t];
    }
    if (a->exclude_outside || stretch != 1)
        for (int64_t t = 0; t < p->taps; t++) weight[t] /= sum;
}

static adze_status make_table(const adze_env *env, const struct adze_resize_attrs *a, resize_mode mode, axis_plan *p)
{
    bool crop = ev_text_is(a->coordinate_transformation_mode, "tf_crop_and_resize");
    double reach = mode == CUBIC ? 2 : 1;
    p->taps = 1;
    if (mode != NEAREST) {
        double stretch = a->antialias && p->scale < 1 ? p->scale : 1;
        if (reach / stretch > 0x1p30) return ev_fail(env, ADZE_ERR_VALUE, "resize: absurd scale");
        p->taps = -2 * (int64_t)floor_of(-reach / stretch);
    }
    uint64_t n = (uint64_t)p->out;
    p->index = ev_scratch(env, n * (uint64_t)p->taps, sizeof *p->index);
    p->weight = ev_scratch(env, n * (uint64_t)p->taps, sizeof *p->weight);
    p->outside = ev_scratch(env, n, sizeof *p->outside);
    if (!p->index || !p->weight || !p->outside) return ev_no_memory(env);
    for (int64_t i = 0; i < p->out; i++) {
        double x = source_of(a->coordinate_transformation_mode, p, i);
        if (!(x > -0x1p52 && x < 0x1p52)) return ev_fail(env, ADZE_ERR_VALUE, "resize: absurd scale");
        p->outside[i] = crop && (x < 0 || x > (double)(p->in - 1));
        if (mode == NEAREST) {
            p->index[i] = ev_max(0, ev_min(nearest_of(a->nearest_mode, x), p->in - 1));
            p->weight[i] = 1;
        } else {
            fill_taps(a, mode, p, i, x);
        }
    }
    return ADZE_OK;
}

/* ---- Scales and sizes ---- */

/* One scale for all axes, the smallest or largest of those asked for. */
static void keep_aspect(adze_string policy, uint32_t n, const uint32_t *axes, axis_plan *plan)
{
    bool larger = ev_text_is(policy, "not_smaller");
    if (!larger && !ev_text_is(policy, "not_larger")) return;
    double scale = plan[axes[0]].scale;
    for (uint32_t i = 1; i < n; i++) {
        double s = plan[axes[i]].scale;
        if (larger ? s > scale : s < scale) scale = s;
    }
    for (uint32_t i = 0; i < n; i++) {
        plan[axes[i]].scale = scale;
        plan[axes[i]].out = (int64_t)floor_of(scale * (double)plan[axes[i]].in + 0.5);
    }
}

static adze_status read_plan(const adze_env *env, const struct adze_resize_attrs *a, const adze_value *in,
                             uint32_t n_in, axis_plan *plan)
{
    uint32_t axes[ADZE_MAX_RANK], n = a->axes.count ? (uint32_t)a->axes.count : in->rank;
    if (a->axes.count > in->rank) return ev_fail(env, ADZE_ERR_VALUE, "resize: more axes than dims");
    for (uint32_t i = 0; i < n; i++) {
        axes[i] = i;
        if (a->axes.count && !ev_axis(a->axes.data[i], in->rank, &axes[i]))
            return ev_fail(env, ADZE_ERR_VALUE, "resize: axis out of range");
    }
    for (uint32_t i = 0; i < in->rank; i++)
        plan[i] = (axis_plan){.in = in->dims[i], .out = in->dims[i], .scale = 1, .roi_end = 1};
    bool by_size = ev_has(in, n_in, 3) && adze_value_count(&in[3]) > 0;
    const adze_value *asked = by_size ? &in[3] : ev_has(in, n_in, 2) ? &in[2] : NULL;
    if (!asked || adze_value_count(asked) != n)
        return ev_fail(env, ADZE_ERR_VALUE, "resize: not as many scales or sizes as axes");
    for (uint32_t i = 0; i < n; i++) {
        axis_plan *p = &plan[axes[i]];
        if (by_size) {
            p->out = ev_get_i64(asked, i);
            p->scale = p->in > 0 ? (double)p->out / (double)p->in : 1;
            if (p->out < 0 || p->out > INT64_C(1) << 52 || (p->in == 0 && p->out > 0))
                return ev_fail(env, ADZE_ERR_DIM, "resize: absurd size");
        } else {
            p->scale = ev_get_f64(asked, i);
            if (!(p->scale > 0 && p->scale < 0x1p31))
                return ev_fail(env, ADZE_ERR_VALUE, "resize: scale is not positive");
            double length = floor_of((double)p->in * p->scale);
            if (length >= 0x1p53) return ev_fail(env, ADZE_ERR_VALUE, "resize: absurd scale");
            p->out = (int64_t)length;
        }
    }
    if (by_size && n) keep_aspect(a->keep_aspect_ratio_policy, n, axes, plan);
    if (!ev_text_is(a->coordinate_transformation_mode, "tf_crop_and_resize")) return ADZE_OK;
    if (!ev_has(in, n_in, 1) || adze_value_count(&in[1]) != 2 * (uint64_t)n)
        return ev_fail(env, ADZE_ERR_VALUE, "resize: tf_crop_and_resize needs a roi");
    for (uint32_t i = 0; i < n; i++) {
        plan[axes[i]].roi_start = ev_get_f64(&in[1], i);
        plan[axes[i]].roi_end = ev_get_f64(&in[1], i + n);
    }
    return ADZE_OK;
}

/* ---- The two ways to run it ---- */

static adze_status copy_nearest(const adze_env *env, const adze_value *in, adze_value *out, const axis_plan *plan,
                                double extrapolation)
{
    int64_t strides[ADZE_MAX_RANK], index[ADZE_MAX_RANK] = {0};
    adze_value from, to;
    adze_status status = ev_unpack(env, in, &from);
    if (status == ADZE_OK) status = ev_unpacked(env, out, &to);
    if (status != ADZE_OK) return status;
    uint32_t size = ev_size(in->dtype);
    uint8_t *dst = to.data;
    ev_block16 fill = {{0, 0}};
    if (ev_is_number(ev_part(in->dtype))) ev_store_f64(ev_part(in->dtype), &fill, 0, 1, 1, &extrapolation);
    ev_strides(in->rank, in->dims, strides);
    do {
        int64_t at = 0;
        bool outside = false;
        for (uint32_t i = 0; i < in->rank; i++) {
            at += plan[i].index[index[i]] * strides[i];
            outside = outside || plan[i].outside[index[i]];
        }
        memcpy(dst, outside ? (const uint8_t *)&fill : (const uint8_t *)from.data + at * size, size);
        dst += size;
    } while (ev_next(in->rank, out->dims, index));
    return ev_pack(&to, out);
}

/* One axis: rows of `inner` elements are weighted sums of source rows. */
static void blend(const axis_plan *p, const double *in, double *out, int64_t outer, int64_t inner)
{
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < p->out; i++) {
            double *row = out + (o * p->out + i) * inner;
            memset(row, 0, (size_t)inner * sizeof(double));
            for (int64_t t = 0; t < p->taps; t++) {
                const double *source = in + (o * p->in + p->index[i * p->taps + t]) * inner;
                double w = p->weight[i * p->taps + t];
                if (w == 0) continue;
                for (int64_t k = 0; k < inner; k++) row[k] += w * source[k];
            }
        }
}

/* Complex numbers are pairs of their parts, as if along one more axis. */
static adze_status interpolate(const adze_env *env, const adze_value *in, adze_value *out, const axis_plan *plan,
                               double extrapolation)
{
    int64_t parts = ev_parts(in->dtype), n = (int64_t)adze_value_count(in) * parts;
    int64_t dims[ADZE_MAX_RANK], index[ADZE_MAX_RANK] = {0};
    uint32_t dtype = ev_part(in->dtype);
    if (!ev_is_number(dtype)) return ev_bad_dtype(env);
    double *now = ev_scratch(env, (uint64_t)n, sizeof(double));
    if (!now) return ev_no_memory(env);
    ev_load_f64(dtype, in->data, 0, 1, n, now);
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = in->dims[i];
    for (uint32_t i = 0; i < in->rank; i++) {
        if (plan[i].out == plan[i].in && plan[i].scale == 1 && plan[i].roi_start == 0 && plan[i].roi_end == 1) continue;
        int64_t outer = ev_product(dims, 0, i), inner = ev_product(dims, i + 1, in->rank) * parts;
        dims[i] = plan[i].out;
        double *next = ev_scratch(env, (uint64_t)(ev_product(dims, 0, in->rank) * parts), sizeof(double));
        if (!next) return ev_no_memory(env);
        blend(&plan[i], now, next, outer, inner);
        now = next;
    }
    int64_t at = 0;
    bool whole = ev_is_int(dtype);
    do {
        bool outside = false;
        for (uint32_t i = 0; i < in->rank; i++) outside = outside || plan[i].outside[index[i]];
        for (int64_t part = 0; part < parts; part++, at++) {
            if (outside) now[at] = part ? 0 : extrapolation;
            if (whole) now[at] = ev_round(now[at]);
        }
    } while (ev_next(in->rank, out->dims, index));
    ev_store_f64(dtype, out->data, 0, 1, at, now);
    return ADZE_OK;
}

adze_status eval_resize(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                        uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_resize_attrs *a = attrs;
    axis_plan plan[ADZE_MAX_RANK];
    int64_t dims[ADZE_MAX_RANK];
    resize_mode mode = ev_text_is(a->mode, "linear") ? LINEAR : ev_text_is(a->mode, "cubic") ? CUBIC : NEAREST;
    if (mode == NEAREST && !ev_text_is(a->mode, "nearest")) return ev_fail(env, ADZE_ERR_VALUE, "resize: unknown mode");
    adze_status status = read_plan(env, a, in, n_in, plan);
    for (uint32_t i = 0; i < in->rank && status == ADZE_OK; i++) dims[i] = plan[i].out;
    if (status == ADZE_OK) status = ev_result(env, out, in->dtype, in->rank, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    if (adze_value_count(in) == 0) return ev_fail(env, ADZE_ERR_DIM, "resize: nothing to interpolate");
    for (uint32_t i = 0; i < in->rank && status == ADZE_OK; i++) status = make_table(env, a, mode, &plan[i]);
    if (status != ADZE_OK) return status;
    return mode == NEAREST ? copy_nearest(env, in, out, plan, a->extrapolation_value)
                           : interpolate(env, in, out, plan, a->extrapolation_value);
}
