/* Pooling: the largest or the mean of each window, or of everything. Floats in double, but for the
 * global mean of f32; NaN is the largest element.
 *
 * A line of windows along the last axis is worked on at once: for each element of the windows, the
 * inputs that they read there are one strided row. Elements that are padding are never visited, so
 * absurd windows cost nothing.
 */
#include "bodies.h"
#include "window.h"

typedef struct pool {
    uint32_t axes; /* spatial ones; the last one is walked by lines */
    ev_window window[ADZE_MAX_RANK];
    int64_t strides[ADZE_MAX_RANK], planes, plane;
    int64_t outer[ADZE_MAX_RANK]; /* windows along all axes but the last */
    double *x;                    /* one plane of the operand */
    double *line;                 /* one line of results */
    int64_t *where;               /* where the largest stand; NULL = nobody asks */
} pool;

static adze_status prepare(const adze_env *env, const adze_value *in, adze_value *out, uint32_t n_out,
                           const ev_window_attrs *a, adze_ints kernel, pool *p)
{
    int64_t dims[ADZE_MAX_RANK];
    if (!ev_is_number(in->dtype)) return ev_bad_dtype(env);
    if (in->rank < 3) return ev_fail(env, ADZE_ERR_RANK, "pooling: operand has no spatial axes");
    if (kernel.count != in->rank - 2)
        return ev_fail(env, ADZE_ERR_VALUE, "pooling: kernel_shape is not as long as the axes");
    *p = (pool){.axes = in->rank - 2, .planes = in->dims[0] * in->dims[1]};
    p->plane = ev_product(in->dims, 2, in->rank);
    adze_status status = ev_windows(env, a, p->axes, in->dims + 2, kernel.data, p->window);
    if (status != ADZE_OK) return status;
    dims[0] = in->dims[0];
    dims[1] = in->dims[1];
    for (uint32_t i = 0; i < p->axes; i++) dims[2 + i] = p->outer[i] = p->window[i].out;
    ev_strides(p->axes, in->dims + 2, p->strides);
    for (uint32_t k = 0; k < n_out && status == ADZE_OK; k++)
        status = ev_result(env, &out[k], k ? ADZE_DTYPE_i64 : in->dtype, in->rank, dims);
    if (status != ADZE_OK) return status;
    uint64_t line = (uint64_t)dims[in->rank - 1];
    p->x = ev_scratch(env, (uint64_t)p->plane, sizeof *p->x);
    p->line = ev_scratch(env, line, sizeof *p->line);
    p->where = n_out > 1 ? ev_scratch(env, line, sizeof *p->where) : NULL;
    return p->x && p->line && (n_out < 2 || p->where) ? ADZE_OK : ev_no_memory(env);
}

/* Elements [*low, *high) of window `at` that are not padding, along one axis. */
static void real_taps(const ev_window *w, int64_t at, int64_t *low, int64_t *high)
{
    int64_t start = at * w->stride - w->before, room = w->in - 1 - start;
    *low = start < 0 ? ev_ceil_div(-start, w->dilation) : 0;
    *high = room < 0 ? 0 : ev_min(w->kernel, room / w->dilation + 1);
    *low = ev_min(*low, w->kernel);
    *high = ev_max(*low, *high);
}

/* Adds what the windows of a line read at element `tap` of the last axis, in the row at `row`. */
static void visit(pool *p, int64_t row, int64_t tap, bool mean)
{
    const ev_window *w = &p->window[p->axes - 1];
    int64_t low, high;
    ev_window_inside(w, tap, 0, w->out, &low, &high);
    int64_t shift = row + tap * w->dilation - w->before;
    const double *x = p->x;
    double *line = p->line;
    if (mean) {
        for (int64_t j = low; j < high; j++) line[j] += x[shift + j * w->stride];
    } else if (!p->where) {
        for (int64_t j = low; j < high; j++) {
            double v = x[shift + j * w->stride];
            line[j] = v > line[j] || v != v ? v : line[j];
        }
    } else {
        for (int64_t j = low; j < high; j++) {
            double v = x[shift + j * w->stride];
            if (p->where[j] >= 0 && !(v > line[j] || (v != v && line[j] == line[j]))) continue;
            line[j] = v;
            p->where[j] = shift + j * w->stride;
        }
    }
}

/* The line of windows whose other axes stand at `at`. */
static void pool_line(pool *p, const int64_t *at, bool mean)
{
    uint32_t last = p->axes - 1;
    int64_t low[ADZE_MAX_RANK], count[ADZE_MAX_RANK], tap[ADZE_MAX_RANK] = {0}, first, end, unused;
    for (int64_t j = 0; j < p->window[last].out; j++) {
        p->line[j] = mean ? 0 : -ev_inf();
        if (p->where) p->where[j] = -1;
    }
    for (uint32_t i = 0; i < last; i++) {
        real_taps(&p->window[i], at[i], &low[i], &count[i]);
        count[i] -= low[i];
        if (count[i] == 0) return;
    }
    real_taps(&p->window[last], p->window[last].out - 1, &first, &unused);
    real_taps(&p->window[last], 0, &unused, &end);
    do {
        int64_t row = 0;
        for (uint32_t i = 0; i < last; i++) {
            const ev_window *w = &p->window[i];
            row += (at[i] * w->stride - w->before + (low[i] + tap[i]) * w->dilation) * p->strides[i];
        }
        for (int64_t t = first; t < end; t++) visit(p, row, t, mean);
    } while (ev_next(last, count, tap));
}

/* Index in the whole operand, whose spatial axes are counted with the first one running fastest. */
static int64_t column_major(const pool *p, int64_t offset)
{
    int64_t index = 0, step = 1;
    for (uint32_t i = 0; i < p->axes; i++) {
        index += offset / p->strides[i] % p->window[i].in * step;
        step *= p->window[i].in;
    }
    return index;
}

adze_status eval_max_pool(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                          uint32_t n_out, const void *attrs)
{
    (void)n_in;
    const struct adze_max_pool_attrs *a = attrs;
    ev_window_attrs attributes = {a->strides, a->dilations, a->pads, a->auto_pad, a->ceil_mode != 0};
    pool p;
    adze_status status = prepare(env, in, out, n_out, &attributes, a->kernel_shape, &p);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    int64_t at[ADZE_MAX_RANK] = {0}, n = p.window[p.axes - 1].out, to = 0;
    for (int64_t c = 0; c < p.planes; c++) {
        ev_load_f64(in->dtype, in->data, c * p.plane, 1, p.plane, p.x);
        do {
            pool_line(&p, at, false);
            ev_store_f64(in->dtype, out->data, to, 1, n, p.line);
            for (int64_t j = 0; j < n && p.where; j++) {
                int64_t where = ev_max(p.where[j], 0);
                ((int64_t *)out[1].data)[to + j] = c * p.plane + (a->storage_order ? column_major(&p, where) : where);
            }
            to += n;
        } while (ev_next(p.axes - 1, p.outer, at));
    }
    return ADZE_OK;
}

/* Elements that window `at` counts along one axis: those that are not padding, or all that ceil_mode
 * does not push beyond the padding. */
static int64_t counted(const ev_window *w, int64_t at, bool padding)
{
    int64_t low, high;
    if (!padding) {
        real_taps(w, at, &low, &high);
        return high - low;
    }
    int64_t room = w->in + w->after - 1 - (at * w->stride - w->before);
    return room < 0 ? 0 : ev_min(w->kernel, room / w->dilation + 1);
}

adze_status eval_average_pool(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                              uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_average_pool_attrs *a = attrs;
    ev_window_attrs attributes = {a->strides, a->dilations, a->pads, a->auto_pad, a->ceil_mode != 0};
    bool padding = a->count_include_pad != 0;
    pool p;
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    adze_status status = prepare(env, in, out, 1, &attributes, a->kernel_shape, &p);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    int64_t at[ADZE_MAX_RANK] = {0}, n = p.window[p.axes - 1].out, to = 0;
    for (int64_t c = 0; c < p.planes; c++) {
        ev_load_f64(in->dtype, in->data, c * p.plane, 1, p.plane, p.x);
        do {
            double count = 1;
            for (uint32_t i = 0; i + 1 < p.axes; i++) count *= (double)counted(&p.window[i], at[i], padding);
            pool_line(&p, at, true);
            for (int64_t j = 0; j < n; j++) p.line[j] /= count * (double)counted(&p.window[p.axes - 1], j, padding);
            ev_store_f64(in->dtype, out->data, to, 1, n, p.line);
            to += n;
        } while (ev_next(p.axes - 1, p.outer, at));
    }
    return ADZE_OK;
}

/* x^p, for small whole p by products. */
static double power(double x, int64_t p)
{
    if (p == 1) return x;
    return p == 2 ? x * x : adze_body_pow_f64(x, (double)p);
}

adze_status eval_lp_pool(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                         const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_lp_pool_attrs *a = attrs;
    ev_window_attrs attributes = {a->strides, a->dilations, a->pads, a->auto_pad, a->ceil_mode != 0};
    pool p;
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    if (a->p < 1) return ev_fail(env, ADZE_ERR_VALUE, "lp_pool: p is less than 1");
    adze_status status = prepare(env, in, out, 1, &attributes, a->kernel_shape, &p);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    int64_t at[ADZE_MAX_RANK] = {0}, n = p.window[p.axes - 1].out, to = 0;
    for (int64_t c = 0; c < p.planes; c++) {
        ev_load_f64(in->dtype, in->data, c * p.plane, 1, p.plane, p.x);
        for (int64_t i = 0; i < p.plane; i++) p.x[i] = power(p.x[i] < 0 ? -p.x[i] : p.x[i], a->p);
        do {
            pool_line(&p, at, true);
            for (int64_t j = 0; j < n && a->p > 1; j++)
                p.line[j] = a->p == 2 ? adze_body_sqrt_f64(p.line[j]) : adze_body_pow_f64(p.line[j], 1 / (double)a->p);
            ev_store_f64(in->dtype, out->data, to, 1, n, p.line);
            to += n;
        } while (ev_next(p.axes - 1, p.outer, at));
    }
    return ADZE_OK;
}

/* ---- Whole planes ---- */

/* The mean of f32 in f32: four interleaved sums, then the rest one by one. Of all the ways to round a sum
 * this is the one that ONNX Runtime takes. It matters for quantized models: values on a grid often have a
 * mean halfway between two of its points, and which one it goes to is decided by the sum's rounding. */
static float mean_f32(const float *x, int64_t n)
{
    float s[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int64_t k = 0; k < 4; k++) s[k] += x[i + k];
    float sum = (s[0] + s[2]) + (s[1] + s[3]);
    for (; i < n; i++) sum += x[i];
    return sum / (float)n;
}

static adze_status global(const adze_env *env, const adze_value *in, adze_value *out, bool mean)
{
    enum { BLOCK = 256 };
    int64_t dims[ADZE_MAX_RANK];
    double block[BLOCK];
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    if (in->rank < 2) return ev_fail(env, ADZE_ERR_RANK, "global pooling: operand has no channels");
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = i < 2 ? in->dims[i] : 1;
    adze_status status = ev_result(env, out, in->dtype, in->rank, dims);
    if (status != ADZE_OK) return status;
    int64_t plane = ev_product(in->dims, 2, in->rank);
    if (mean && in->dtype == ADZE_DTYPE_f32) {
        for (int64_t c = 0; c < dims[0] * dims[1]; c++)
            ((float *)out->data)[c] = mean_f32((const float *)in->data + c * plane, plane);
        return ADZE_OK;
    }
    for (int64_t c = 0; c < dims[0] * dims[1]; c++) {
        double acc = mean ? 0 : -ev_inf();
        for (int64_t i = 0; i < plane; i += BLOCK) {
            int64_t n = ev_min(BLOCK, plane - i);
            ev_load_f64(in->dtype, in->data, c * plane + i, 1, n, block);
            for (int64_t k = 0; k < n; k++) {
                if (mean)
                    acc += block[k];
                else
                    acc = block[k] > acc || block[k] != block[k] ? block[k] : acc;
            }
        }
        if (mean) acc /= (double)plane;
        ev_store_f64(out->dtype, out->data, c, 1, 1, &acc);
    }
    return ADZE_OK;
}

adze_status eval_global_average_pool(const adze_env *env, const adze_value *in, uint32_t n_in,
                                     adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    return global(env, in, out, true);
}

adze_status eval_global_max_pool(const adze_env *env, const adze_value *in, uint32_t n_in,
                                 adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    return global(env, in, out, false);
}
