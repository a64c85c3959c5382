/* conv: convolution of any rank, grouped, as a matrix product over unfolded windows.
 *
 * For one image and group, a(m, k) is the weight of output channel m, b(k, n) the input element that
 * window n reads at k = (position in the window, input channel). b is never stored whole: the product
 * asks for blocks of it.
 */
#include "product.h"
#include "window.h"

typedef struct unfolded {
    const adze_value *x, *w, *bias;
    const adze_value *w_zero; /* conv_integer: subtracted from weights; one, or one an output channel */
    int64_t x_zero;           /* and from the input */
    adze_value *out;
    uint32_t axes;
    ev_window window[ADZE_MAX_RANK];
    int64_t strides[ADZE_MAX_RANK]; /* of the input's spatial axes */
    int64_t plane, taps, depth;     /* elements of an input channel, of a window, of a weight row */
    int64_t channels;               /* of the input, in one group */
    int64_t x0, out0, out_plane, channel0;
    bool ints;
} unfolded;

static void weight_row(const void *self, int64_t m, int64_t k, int64_t count, void *out)
{
    const unfolded *u = self;
    uint8_t *to = out;
    while (count > 0) { /* one tap at a time */
        int64_t tap = k / u->channels, channel = k % u->channels, n = ev_min(count, u->channels - channel);
        int64_t first = (u->channel0 + m) * u->depth + channel * u->taps + tap;
        ev_load_block(u->ints, u->w->dtype, u->w->data, first, u->taps, n, to);
        if (u->w_zero) ev_subtract(to, n, ev_get_i64(u->w_zero, ev_count_one(u->w_zero) ? 0 : u->channel0 + m));
        to += n * 8;
        k += n;
        count -= n;
    }
}

/* Row k of b for the windows n .. n + count - 1, which lie on one line along the last axis; `line` is
 * the offset of that line's element for the window's other axes, -1 if it is padding. */
static void unfold_line(const unfolded *u, int64_t line, int64_t tap, int64_t first, int64_t count, void *out)
{
    const ev_window *w = &u->window[u->axes - 1];
    int64_t low, high;
    uint8_t *to = out;
    ev_window_inside(w, tap, first, count, &low, &high);
    if (line < 0 || low >= high) {
        memset(to, 0, (size_t)count * 8);
        return;
    }
    memset(to, 0, (size_t)(low - first) * 8);
    memset(to + (high - first) * 8, 0, (size_t)(first + count - high) * 8);
    ev_load_block(u->ints, u->x->dtype, u->x->data, line + low * w->stride - w->before + tap * w->dilation, w->stride,
                  high - low, to + (low - first) * 8);
    if (u->x_zero) ev_subtract(to + (low - first) * 8, high - low, u->x_zero);
}

static void window_panel(const void *self, int64_t k, int64_t k_count, int64_t n, int64_t n_count, void *out)
{
    const unfolded *u = self;
    uint32_t last = u->axes - 1;
    for (int64_t i = 0; i < k_count; i++) {
        int64_t taps[ADZE_MAX_RANK], rest = (k + i) / u->channels, channel = (k + i) % u->channels;
        for (uint32_t d = u->axes; d-- > 0; rest /= u->window[d].kernel) taps[d] = rest % u->window[d].kernel;
        for (int64_t j = 0, count; j < n_count; j += count) {
            int64_t first = (n + j) % u->window[last].out, above = (n + j) / u->window[last].out;
            int64_t line = u->x0 + channel * u->plane;
            count = ev_min(u->window[last].out - first, n_count - j);
            for (uint32_t d = last; d-- > 0; above /= u->window[d].out) {
                int64_t at;
                if (!ev_window_at(&u->window[d], above % u->window[d].out, taps[d], &at)) {
                    line = -1;
                    break;
                }
                line += at * u->strides[d];
            }
            unfold_line(u, line, taps[last], first, count, (uint8_t *)out + (i * PRODUCT_N + j) * 8);
        }
    }
}

static void store_channel(const void *self, int64_t m, int64_t n, int64_t count, void *sums)
{
    const unfolded *u = self;
    if (u->bias && u->ints) {
        uint64_t b = (uint64_t)ev_get_i64(u->bias, u->channel0 + m), *s = sums;
        for (int64_t i = 0; i < count; i++) s[i] += b;
    } else if (u->bias) {
        double b = ev_get_f64(u->bias, u->channel0 + m), *s = sums;
        for (int64_t i = 0; i < count; i++) s[i] += b;
    }
    ev_store_block(u->ints, u->out->dtype, u->out->data, u->out0 + m * u->out_plane + n, 1, count, sums);
}

/* Windows of one element that cover the input make it one long line. */
static void flatten_pointwise(unfolded *u)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < u->axes; i++) {
        const ev_window *w = &u->window[i];
        if (w->kernel != 1 || w->stride != 1 || w->before || w->out != w->in) return;
        count *= w->in;
    }
    u->axes = 1;
    u->window[0] = (ev_window){.in = count, .out = count, .kernel = 1, .stride = 1, .dilation = 1};
    u->strides[0] = 1;
}

static adze_status check_dims(const adze_env *env, const adze_value *in, int64_t group)
{
    const adze_value *x = &in[0], *w = &in[1];
    if (x->rank < 3 || w->rank != x->rank) return ev_fail(env, ADZE_ERR_RANK, "conv: ranks do not fit");
    if (group < 1 || w->dims[1] > INT64_MAX / group || x->dims[1] != w->dims[1] * group || w->dims[0] % group)
        return ev_fail(env, ADZE_ERR_DIM, "conv: channels of input, weight and group do not agree");
    return ADZE_OK;
}

static adze_status check(const adze_env *env, const adze_value *in, uint32_t n_in, int64_t group)
{
    const adze_value *x = &in[0], *w = &in[1];
    if (x->dtype != w->dtype || !ev_is_number(x->dtype)) return ev_bad_dtype(env);
    adze_status status = check_dims(env, in, group);
    if (status != ADZE_OK) return status;
    if (ev_has(in, n_in, 2) && (in[2].dtype != x->dtype || (int64_t)adze_value_count(&in[2]) != w->dims[0]))
        return ev_fail(env, ADZE_ERR_DIM, "conv: not as many biases as output channels");
    return ADZE_OK;
}

static adze_status convolve(const adze_env *env, unfolded u, const ev_window_attrs *attributes, int64_t group,
                            uint32_t dtype)
{
    const adze_value *x = u.x, *w = u.w;
    adze_value *out = u.out;
    u.axes = x->rank - 2;
    u.ints = ev_is_int(x->dtype);
    adze_status status = ev_windows(env, attributes, u.axes, x->dims + 2, w->dims + 2, u.window);
    int64_t dims[ADZE_MAX_RANK] = {x->dims[0], w->dims[0]};
    for (uint32_t i = 0; i < u.axes; i++) dims[2 + i] = u.window[i].out;
    if (status == ADZE_OK) status = ev_result(env, out, dtype, x->rank, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    ev_blocks blocks = ev_blocks_make(env);
    if (!blocks.sums) return ev_no_memory(env);
    u.plane = ev_product(x->dims, 2, x->rank);
    u.taps = ev_product(w->dims, 2, w->rank);
    u.channels = w->dims[1];
    u.depth = u.taps * u.channels;
    u.out_plane = ev_product(dims, 2, x->rank);
    ev_strides(u.axes, x->dims + 2, u.strides);
    flatten_pointwise(&u);
    int64_t channels = w->dims[0] / group;
    for (int64_t i = 0; i < dims[0] * group; i++) {
        u.channel0 = i % group * channels;
        u.x0 = i * w->dims[1] * u.plane;
        u.out0 = i * channels * u.out_plane;
        ev_factors f = {.env = env,
                        .self = &u,
                        .m = channels,
                        .n = u.out_plane,
                        .k = u.depth,
                        .ints = u.ints,
                        .single = ev_strict(env, x->dtype),
                        .row = weight_row,
                        .panel = window_panel,
                        .take = store_channel};
        ev_multiply(&f, &blocks);
    }
    return ADZE_OK;
}

adze_status eval_conv(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                      uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_conv_attrs *a = attrs;
    adze_status status = check(env, in, n_in, a->group);
    if (status != ADZE_OK) return status;
    unfolded u = {.x = &in[0], .w = &in[1], .bias = ev_has(in, n_in, 2) ? &in[2] : NULL, .out = out};
    ev_window_attrs attributes = {a->strides, a->dilations, a->pads, a->auto_pad, false};
    return convolve(env, u, &attributes, a->group, in->dtype);
}

adze_status eval_conv_integer(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                              uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_conv_integer_attrs *a = attrs;
    bool has_x = ev_has(in, n_in, 2), has_w = ev_has(in, n_in, 3);
    if (!ev_is_int(in[0].dtype) || !ev_is_int(in[1].dtype)) return ev_bad_dtype(env);
    adze_status status = check_dims(env, in, a->group);
    if (status != ADZE_OK) return status;
    if ((has_x && !ev_count_one(&in[2])) ||
        (has_w && !ev_count_one(&in[3]) && (int64_t)adze_value_count(&in[3]) != in[1].dims[0]))
        return ev_fail(env, ADZE_ERR_DIM, "conv_integer: zero points do not fit");
    unfolded u = {.x = &in[0], .w = &in[1], .w_zero = has_w ? &in[3] : NULL,
                  .x_zero = has_x ? ev_get_i64(&in[2], 0) : 0, .out = out};
    ev_window_attrs attributes = {a->strides, a->dilations, a->pads, a->auto_pad, false};
    return convolve(env, u, &attributes, a->group, ADZE_DTYPE_i32);
}
