/* Pooling: the largest or the mean of each window, or of everything. Floats in double; NaN is the
 * largest element. */
#include "window.h"

typedef struct pool {
    const adze_value *x;
    uint32_t axes;
    ev_window window[ADZE_MAX_RANK];
    int64_t kernel[ADZE_MAX_RANK], strides[ADZE_MAX_RANK];
} pool;

static adze_status prepare(const adze_env *env, const adze_value *x, const ev_window_attrs *a, adze_ints kernel,
                           pool *p, int64_t *dims)
{
    if (x->rank < 3) return ev_fail(env, ADZE_ERR_RANK, "pooling: operand has no spatial axes");
    if (kernel.count != x->rank - 2) return ev_fail(env, ADZE_ERR_VALUE, "pooling: kernel_shape is not as long as the axes");
    *p = (pool){.x = x, .axes = x->rank - 2};
    adze_status status = ev_windows(env, a, p->axes, x->dims + 2, kernel.data, p->window);
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    for (uint32_t i = 0; i < p->axes; i++) {
        dims[2 + i] = p->window[i].out;
        p->kernel[i] = kernel.data[i];
    }
    ev_strides(p->axes, x->dims + 2, p->strides);
    return status;
}

/* Input offset of an element of a window; false if it is padding. `inside` is whether it lies in the
 * padded input at all, which ceil_mode can leave. */
static bool locate(const pool *p, const int64_t *at, const int64_t *tap, int64_t *out, bool *inside)
{
    bool real = true;
    *out = 0;
    *inside = true;
    for (uint32_t i = 0; i < p->axes; i++) {
        int64_t offset;
        real = ev_window_at(&p->window[i], at[i], tap[i], &offset) && real;
        *inside = *inside && offset < p->window[i].in + p->window[i].after;
        *out += offset * p->strides[i];
    }
    return real;
}

static double largest(const pool *p, int64_t plane, const int64_t *at, int64_t *where)
{
    int64_t tap[ADZE_MAX_RANK] = {0}, offset;
    double best = -ev_inf();
    bool inside, found = false;
    *where = 0;
    do {
        if (!locate(p, at, tap, &offset, &inside)) continue;
        double v = ev_get_f64(p->x, plane + offset);
        if (found && !(v > best || (v != v && best == best))) continue;
        best = v;
        *where = offset;
        found = true;
    } while (ev_next(p->axes, p->kernel, tap));
    return best;
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
    int64_t dims[ADZE_MAX_RANK], at[ADZE_MAX_RANK] = {0}, where;
    if (!ev_is_number(in->dtype)) return ev_bad_dtype(env);
    adze_status status = prepare(env, in, &attributes, a->kernel_shape, &p, dims);
    if (status == ADZE_OK) status = ev_result(env, &out[0], in->dtype, in->rank, dims);
    if (status == ADZE_OK && n_out > 1) status = ev_result(env, &out[1], ADZE_DTYPE_i64, in->rank, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    int64_t plane = ev_product(in->dims, 2, in->rank), to = 0;
    for (int64_t c = 0; c < dims[0] * dims[1]; c++)
        do {
            double v = largest(&p, c * plane, at, &where);
            ev_store_f64(in->dtype, out->data, to, 1, 1, &v);
            if (n_out > 1) ((int64_t *)out[1].data)[to] = c * plane + (a->storage_order ? column_major(&p, where) : where);
            to++;
        } while (ev_next(p.axes, dims + 2, at));
    return ADZE_OK;
}

adze_status eval_average_pool(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                              uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_average_pool_attrs *a = attrs;
    ev_window_attrs attributes = {a->strides, a->dilations, a->pads, a->auto_pad, a->ceil_mode != 0};
    pool p;
    int64_t dims[ADZE_MAX_RANK], at[ADZE_MAX_RANK] = {0}, offset;
    if (!ev_is_float(in->dtype)) return ev_bad_dtype(env);
    adze_status status = prepare(env, in, &attributes, a->kernel_shape, &p, dims);
    if (status == ADZE_OK) status = ev_result(env, out, in->dtype, in->rank, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    int64_t plane = ev_product(in->dims, 2, in->rank), to = 0;
    for (int64_t c = 0; c < dims[0] * dims[1]; c++)
        do {
            int64_t tap[ADZE_MAX_RANK] = {0}, count = 0;
            double sum = 0;
            bool inside;
            do {
                bool real = locate(&p, at, tap, &offset, &inside);
                if (real) sum += ev_get_f64(in, c * plane + offset);
                count += a->count_include_pad ? inside : real;
            } while (ev_next(p.axes, p.kernel, tap));
            sum /= (double)count;
            ev_store_f64(in->dtype, out->data, to++, 1, 1, &sum);
        } while (ev_next(p.axes, dims + 2, at));
    return ADZE_OK;
}

/* ---- Whole planes ---- */

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
