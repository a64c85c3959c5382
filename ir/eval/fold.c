/* Windows back into an image: col2im adds them up, max_unpool puts single elements. And determinants. */
#include "copy.h"
#include "window.h"

adze_status eval_max_unpool(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                            const void *attrs)
{
    (void)n_out;
    const struct adze_max_unpool_attrs *a = attrs;
    ev_window_attrs attributes = {.strides = a->strides, .pads = a->pads};
    ev_window window[ADZE_MAX_RANK];
    uint32_t rank = in->rank;
    int64_t dims[ADZE_MAX_RANK], large[ADZE_MAX_RANK], inner[ADZE_MAX_RANK];
    if (rank < 3 || a->kernel_shape.count != rank - 2)
        return ev_fail(env, ADZE_ERR_RANK, "max_unpool: kernel_shape is not as long as the axes");
    if (in[1].dtype != ADZE_DTYPE_i64 || adze_value_count(&in[1]) != adze_value_count(in))
        return ev_fail(env, ADZE_ERR_DIM, "max_unpool: not one index for each element");
    for (uint32_t i = 0; i < rank - 2; i++) large[i] = INT64_C(1) << 40;
    adze_status status = ev_windows(env, &attributes, rank - 2, large, a->kernel_shape.data, window);
    if (status != ADZE_OK) return status;
    for (uint32_t i = 0; i < rank; i++) {
        const ev_window *w = &window[i < 2 ? 0 : i - 2];
        if (in->dims[i] > INT32_MAX) return ev_fail(env, ADZE_ERR_DIM, "max_unpool: absurd dims");
        inner[i] = i < 2 ? in->dims[i] : (in->dims[i] - 1) * w->stride - w->before - w->after + w->kernel;
    }
    if (ev_has(in, n_in, 2)) {
        if (ev_ints(&in[2], dims, ADZE_MAX_RANK) != (int64_t)rank)
            return ev_fail(env, ADZE_ERR_RANK, "max_unpool: not one dim of the result for each axis");
    } else {
        for (uint32_t i = 0; i < rank; i++) dims[i] = inner[i];
    }
    status = ev_result(env, out, in->dtype, rank, dims);
    if (status != ADZE_OK) return status;
    uint32_t size = ev_size(in->dtype);
    if (adze_dtype_bits((adze_dtype)in->dtype) < 8) return ev_bad_dtype(env);
    int64_t n = (int64_t)adze_value_count(in), count = 1, strides[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++)
        if (inner[i] < 0 || __builtin_mul_overflow(count, inner[i], &count))
            return ev_fail(env, ADZE_ERR_DIM, "max_unpool: absurd dims");
    if (adze_value_count(out) == 0)
        return n == 0 ? ADZE_OK : ev_fail(env, ADZE_ERR_VALUE, "max_unpool: index out of range");
    memset(out->data, 0, (size_t)ev_bytes(out));
    ev_strides(rank, dims, strides);
    bool same = !memcmp(dims, inner, rank * sizeof *dims);
    for (int64_t k = 0; k < n; k++) {
        int64_t index = ((const int64_t *)in[1].data)[k], to = same ? index : 0;
        if (index < 0 || index >= count) return ev_fail(env, ADZE_ERR_VALUE, "max_unpool: index out of range");
        for (uint32_t i = same ? 0 : rank; i-- > 0; index /= inner[i]) { /* counted without the third operand */
            int64_t at = index % inner[i];
            if (at >= dims[i]) return ev_fail(env, ADZE_ERR_VALUE, "max_unpool: index out of range");
            to += at * strides[i];
        }
        memcpy((uint8_t *)out->data + to * size, (const uint8_t *)in->data + k * size, size);
    }
    return ADZE_OK;
}

/* [taps, places] of one plane: what windows hold that lie at `places` of it. */
typedef struct columns {
    const adze_value *x;
    uint32_t outer;           /* axes but the last one, along which rows lie */
    const ev_window *window;  /* of every axis */
    const int64_t *kernel;
    int64_t blocks;           /* places */
    int64_t parts, part;      /* of an element, and which one is added up */
    double *line, *run;       /* a row of the plane; what one tap adds to it, unless that is f32 as it stands */
} columns;

static inline void add_run(double *restrict line, int64_t step, const float *restrict run, int64_t n)
{
    if (step == 1)
        for (int64_t i = 0; i < n; i++) line[i] += (double)run[i];
    else
        for (int64_t i = 0; i < n; i++) line[i * step] += (double)run[i];
}

/* Adds to the line what the taps of one row of the windows, which begins at element `from`, hold for it. */
static void add_taps(const columns *t, int64_t from)
{
    const ev_window *w = &t->window[t->outer];
    for (int64_t tap = 0; tap < w->kernel; tap++, from += t->blocks) {
        int64_t low, high;
        ev_window_inside(w, tap, 0, w->out, &low, &high);
        if (low >= high) continue;
        double *line = t->line + low * w->stride - w->before + tap * w->dilation;
        if (t->x->dtype == ADZE_DTYPE_f32) {
            add_run(line, w->stride, (const float *)t->x->data + from + low, high - low);
            continue;
        }
        ev_load_f64(ev_part(t->x->dtype), t->x->data, (from + low) * t->parts + t->part, t->parts, high - low,
                    t->run);
        for (int64_t i = 0; i < high - low; i++) line[i * w->stride] += t->run[i];
    }
}

/* Where the window lies, in places of its axis, whose element `tap` is pixel `at`; -1: there is none. */
static int64_t window_of(const ev_window *w, int64_t at, int64_t tap)
{
    int64_t shift = at + w->before - tap * w->dilation;
    return shift < 0 || shift % w->stride || shift / w->stride >= w->out ? -1 : shift / w->stride;
}

/* Row `at` of the plane whose columns begin at element `first`. Each pixel's sum runs in the order of the taps. */
static void sum_row(const columns *t, int64_t first, const int64_t *at)
{
    const ev_window *last = &t->window[t->outer];
    int64_t tap[ADZE_MAX_RANK] = {0}, from = first;
    for (int64_t i = 0; i < last->in; i++) t->line[i] = 0;
    do {
        int64_t place = 0;
        for (uint32_t i = 0; i < t->outer && place >= 0; i++) {
            int64_t where = window_of(&t->window[i], at[i], tap[i]);
            place = where < 0 ? -1 : place * t->window[i].out + where;
        }
        if (place >= 0) add_taps(t, from + place * last->out);
        from += last->kernel * t->blocks;
    } while (ev_next(t->outer, t->kernel, tap));
}

adze_status eval_col2im(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                        const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_col2im_attrs *a = attrs;
    ev_window_attrs attributes = {.strides = a->strides, .dilations = a->dilations, .pads = a->pads};
    int64_t image[ADZE_MAX_RANK], kernel[ADZE_MAX_RANK], dims[ADZE_MAX_RANK], places[ADZE_MAX_RANK];
    ev_window window[ADZE_MAX_RANK];
    if (in->rank != 3 || !ev_is_number(ev_part(in->dtype)))
        return ev_fail(env, ADZE_ERR_RANK, "col2im: not three axes of numbers");
    int64_t n = ev_ints(&in[1], image, ADZE_MAX_RANK - 2), taps = 1, blocks = 1;
    if (n < 1 || ev_ints(&in[2], kernel, ADZE_MAX_RANK) != n)
        return ev_fail(env, ADZE_ERR_RANK, "col2im: image and windows have not the same axes");
    uint32_t axes = (uint32_t)n;
    for (uint32_t i = 0; i < axes; i++)
        if (image[i] < 0 || image[i] > INT32_MAX) return ev_fail(env, ADZE_ERR_VALUE, "col2im: absurd dims");
    adze_status status = ev_windows(env, &attributes, axes, image, kernel, window);
    if (status != ADZE_OK) return status;
    for (uint32_t i = 0; i < axes; i++) {
        places[i] = window[i].out;
        if (__builtin_mul_overflow(taps, kernel[i], &taps) ||
            __builtin_mul_overflow(blocks, places[i], &blocks))
            return ev_fail(env, ADZE_ERR_VALUE, "col2im: absurd dims");
    }
    if (in->dims[1] % taps || blocks != in->dims[2])
        return ev_fail(env, ADZE_ERR_DIM, "col2im: the columns do not fit the windows");
    dims[0] = in->dims[0];
    dims[1] = in->dims[1] / taps;
    for (uint32_t i = 0; i < axes; i++) dims[2 + i] = image[i];
    status = ev_result(env, out, in->dtype, axes + 2, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    columns t = {.x = in, .outer = axes - 1, .window = window, .kernel = kernel, .blocks = blocks};
    t.parts = ev_parts(in->dtype);
    int64_t width = image[axes - 1], rows = ev_product(image, 0, axes - 1), at[ADZE_MAX_RANK] = {0};
    t.line = ev_scratch(env, (uint64_t)width, sizeof *t.line);
    t.run = ev_scratch(env, (uint64_t)places[axes - 1], sizeof *t.run);
    if (!t.line || !t.run) return ev_no_memory(env);
    for (int64_t row = 0; row < dims[0] * dims[1] * rows; row++) {
        for (t.part = 0; t.part < t.parts; t.part++) {
            sum_row(&t, row / rows * taps * blocks, at);
            ev_store_f64(ev_part(out->dtype), out->data, row * width * t.parts + t.part, t.parts, width, t.line);
        }
        ev_next(t.outer, image, at);
    }
    return ADZE_OK;
}

/* By elimination with the largest pivot of each column. `m` is overwritten. */
static double determinant(double *m, int64_t n)
{
    double result = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t best = k;
        for (int64_t i = k + 1; i < n; i++) {
            double x = m[i * n + k], y = m[best * n + k];
            if ((x < 0 ? -x : x) > (y < 0 ? -y : y)) best = i;
        }
        double pivot = m[best * n + k];
        if (pivot == 0) return 0;
        if (best != k) result = -result;
        for (int64_t j = k; j < n && best != k; j++) {
            double swap = m[k * n + j];
            m[k * n + j] = m[best * n + j];
            m[best * n + j] = swap;
        }
        result *= pivot;
        for (int64_t i = k + 1; i < n; i++) {
            double factor = m[i * n + k] / pivot;
            for (int64_t j = k + 1; j < n; j++) m[i * n + j] -= factor * m[k * n + j];
        }
    }
    return result;
}

adze_status eval_det(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                     const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    if (in->rank < 2 || in->dims[in->rank - 1] != in->dims[in->rank - 2])
        return ev_fail(env, ADZE_ERR_DIM, "det: the matrices are not square");
    int64_t n = in->dims[in->rank - 1];
    adze_status status = ev_result(env, out, in->dtype, in->rank - 2, in->dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    double *m = ev_scratch(env, (uint64_t)(n * n), sizeof *m);
    if (!m) return ev_no_memory(env);
    for (int64_t i = 0; i < (int64_t)adze_value_count(out); i++) {
        ev_load_f64(in->dtype, in->data, i * n * n, 1, n * n, m);
        double d = determinant(m, n);
        ev_store_f64(out->dtype, out->data, i, 1, 1, &d);
    }
    return ADZE_OK;
}
