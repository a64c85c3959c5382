/* Sliding windows of conv and pooling ops at run time; ir/window.c says the same symbolically. */
#ifndef ADZE_EVAL_WINDOW_H
#define ADZE_EVAL_WINDOW_H

#include "convert.h"

typedef struct ev_window {
    int64_t in, out, kernel, stride, dilation;
    int64_t before, after; /* padding */
} ev_window;

/* What the op's attributes say, one entry an axis where given. */
typedef struct ev_window_attrs {
    adze_ints strides, dilations, pads;
    adze_string auto_pad;
    bool ceil_mode;
} ev_window_attrs;

static inline int64_t ev_ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b > 0);
}

static inline adze_status ev_windows(const adze_env *env, const ev_window_attrs *a, uint32_t n, const int64_t *in,
                                     const int64_t *kernel, ev_window *out)
{
    bool lower = ev_text_is(a->auto_pad, "SAME_LOWER"), same = lower || ev_text_is(a->auto_pad, "SAME_UPPER");
    bool valid = ev_text_is(a->auto_pad, "VALID");
    if ((a->strides.count && a->strides.count != n) || (a->dilations.count && a->dilations.count != n) ||
        (a->pads.count && a->pads.count != 2 * (uint64_t)n))
        return ev_fail(env, ADZE_ERR_VALUE, "strides, dilations or pads are not as long as the axes");
    for (uint32_t i = 0; i < n; i++) {
        ev_window *w = &out[i];
        bool padded = a->pads.count && !same && !valid;
        *w = (ev_window){.in = in[i], .kernel = kernel[i], .stride = a->strides.count ? a->strides.data[i] : 1,
                         .dilation = a->dilations.count ? a->dilations.data[i] : 1,
                         .before = padded ? a->pads.data[i] : 0, .after = padded ? a->pads.data[n + i] : 0};
        if (w->stride < 1 || w->dilation < 1 || w->kernel < 1 || w->before < 0 || w->after < 0 ||
            w->kernel > INT32_MAX || w->stride > INT32_MAX || w->dilation > INT32_MAX || w->before > INT32_MAX ||
            w->after > INT32_MAX)
            return ev_fail(env, ADZE_ERR_VALUE, "absurd stride, dilation, window or padding");
        int64_t reach = (w->kernel - 1) * w->dilation + 1;
        if (same) {
            w->out = ev_ceil_div(w->in, w->stride);
            int64_t total = ev_max(0, (w->out - 1) * w->stride + reach - w->in);
            w->before = lower ? total - total / 2 : total / 2;
            w->after = total - w->before;
            continue;
        }
        int64_t room = w->in + w->before + w->after - reach;
        w->out = room < 0 ? 0 : (a->ceil_mode ? ev_ceil_div(room, w->stride) : room / w->stride) + 1;
        if (a->ceil_mode) w->out = ev_min(w->out, ev_ceil_div(w->in + w->before, w->stride));
    }
    return ADZE_OK;
}

/* Offset in the input of element `tap` of window `at` along one axis; false if it is padding. */
static inline bool ev_window_at(const ev_window *w, int64_t at, int64_t tap, int64_t *out)
{
    *out = at * w->stride - w->before + tap * w->dilation;
    return *out >= 0 && *out < w->in;
}

/* Windows [*low, *high) of those from `first` to `first + n` whose element `tap` is not padding. */
static inline void ev_window_inside(const ev_window *w, int64_t tap, int64_t first, int64_t n, int64_t *low,
                                    int64_t *high)
{
    int64_t shift = w->before - tap * w->dilation; /* window i reads i * stride - shift */
    int64_t from = shift > 0 ? ev_ceil_div(shift, w->stride) : 0;
    int64_t last = w->in - 1 + shift;
    int64_t to = last < 0 ? 0 : last / w->stride + 1;
    *low = ev_min(ev_max(from, first), first + n);
    *high = ev_max(*low, ev_min(to, first + n));
}

#endif
