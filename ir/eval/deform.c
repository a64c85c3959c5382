/* Deformable convolution: each tap of a window reads where an offset says, between pixels. In f64. */
#include "product.h"
#include "sample.h"
#include "window.h"

/* A product of weights [channels, depth] with what is read [depth, pixels]: depth is all channels of the first tap,
 * then of the next one. */
typedef struct deform {
    const adze_value *x, *w, *offset, *mask, *bias; /* NULL: mask of ones, bias of zeros */
    adze_value *out;
    ev_window window[2];
    int64_t group, offset_group, taps, channels, pixels; /* channels: of one group */
    ev_turned image;
    ev_reads *read;          /* of one tap of the window, for a block of result pixels */
    double *scale;           /* what the mask says of each of these */
    int64_t n, group_at;     /* the image and group at hand */
} deform;

static void deform_weights(const void *self, int64_t m, int64_t k, int64_t count, void *out)
{
    const deform *d = self;
    double *to = out;
    for (int64_t i = 0, n; i < count; i += n) {
        int64_t tap = (k + i) / d->channels, channel = (k + i) % d->channels;
        int64_t row = (d->group_at * (d->w->dims[0] / d->group) + m) * d->channels + channel;
        n = ev_min(count - i, d->channels - channel);
        ev_load_f64(d->w->dtype, d->w->data, row * d->taps + tap, d->taps, n, to + i);
    }
}

/* Where a tap reads for `now` pixels from `first` on in the channels of one group of offsets: its entry of `offset`. */
static void find_corners(const deform *d, int64_t entry, int64_t tap, int64_t first, int64_t now)
{
    const ev_window *w = d->window;
    for (int64_t i = 0; i < now; i++) {
        int64_t p = first + i;
        double y = ev_get_f64(d->offset, 2 * entry * d->pixels + p);
        double x = ev_get_f64(d->offset, (2 * entry + 1) * d->pixels + p);
        double scale = d->mask ? ev_get_f64(d->mask, entry * d->pixels + p) : 1;
        y += (double)(p / w[1].out * w[0].stride - w[0].before + tap / w[1].kernel * w[0].dilation);
        x += (double)(p % w[1].out * w[1].stride - w[1].before + tap % w[1].kernel * w[1].dilation);
        ev_corners c = ev_corners_at(w[0].in, w[1].in, ev_limit(y, -EV_FAR, EV_FAR), ev_limit(x, -EV_FAR, EV_FAR));
        for (uint32_t k = 0; k < 4; k++) {
            d->read->at[k * d->read->n + i] = c.weight[k] != 0 ? c.at[k] : -1;
            d->read->weight[k * d->read->n + i] = c.weight[k];
        }
        d->scale[i] = scale;
    }
}

static void deform_panel(const void *self, int64_t k, int64_t k_count, int64_t n, int64_t n_count, void *out)
{
    const deform *d = self;
    int64_t each = d->x->dims[1] / d->offset_group; /* channels that share offsets */
    double *to = out;
    for (int64_t i = 0, now; i < k_count; i += now) {
        int64_t tap = (k + i) / d->channels, channel = d->group_at * d->channels + (k + i) % d->channels;
        int64_t left = d->channels - (k + i) % d->channels, entry = d->n * d->offset_group + channel / each;
        now = ev_min(k_count - i, ev_min(left, each - channel % each));
        find_corners(d, entry * d->taps + tap, tap, n, n_count);
        for (int64_t j = 0; j < n_count; j++) {
            double sums[PRODUCT_K];
            ev_sum_channels(d->read, j, &d->image, channel, now, sums);
            for (int64_t c = 0; c < now; c++) to[(i + c) * PRODUCT_N + j] = sums[c] * d->scale[j];
        }
    }
}

static void deform_take(const void *self, int64_t m, int64_t n, int64_t count, void *sums)
{
    const deform *d = self;
    int64_t channel = d->group_at * (d->w->dims[0] / d->group) + m;
    double *s = sums, bias = d->bias ? ev_get_f64(d->bias, channel) : 0;
    for (int64_t i = 0; i < count; i++) s[i] += bias;
    ev_store_f64(d->out->dtype, d->out->data, (d->n * d->w->dims[0] + channel) * d->pixels + n, 1, count, s);
}

static adze_status check_deform(const adze_env *env, const adze_value *in, uint32_t n_in, deform *d)
{
    const int64_t *x = in->dims, *w = in[1].dims, *o = in[2].dims;
    for (uint32_t i = 0; i < 3; i++)
        if (in[i].rank != 4) return ev_fail(env, ADZE_ERR_RANK, "deform_conv: an operand has not four axes");
    for (uint32_t i = 0; i < n_in; i++)
        if (in[i].kind != ADZE_VALUE_ABSENT && !ev_is_float(in[i].dtype)) return ev_bad_dtype(env);
    if (d->group < 1 || d->offset_group < 1 || w[1] < 0 || x[1] % d->group || x[1] / d->group != w[1] ||
        w[0] % d->group || x[1] % d->offset_group)
        return ev_fail(env, ADZE_ERR_DIM, "deform_conv: channels do not fit the groups");
    if (o[0] != x[0] || d->taps > INT32_MAX || o[1] % (2 * d->taps) || o[1] / (2 * d->taps) != d->offset_group ||
        o[2] != d->window[0].out || o[3] != d->window[1].out)
        return ev_fail(env, ADZE_ERR_DIM, "deform_conv: offsets do not fit");
    if (d->mask && (d->mask->rank != 4 || d->mask->dims[0] != o[0] || d->mask->dims[1] != o[1] / 2 ||
                    d->mask->dims[2] != o[2] || d->mask->dims[3] != o[3]))
        return ev_fail(env, ADZE_ERR_DIM, "deform_conv: the mask does not fit");
    if (ev_has(in, n_in, 3) && (in[3].rank != 1 || in[3].dims[0] != w[0]))
        return ev_fail(env, ADZE_ERR_DIM, "deform_conv: the bias does not fit");
    return ADZE_OK;
}

adze_status eval_deform_conv(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                             const void *attrs)
{
    (void)n_out;
    const struct adze_deform_conv_attrs *a = attrs;
    deform d = {.x = &in[0], .w = &in[1], .offset = &in[2], .mask = ev_has(in, n_in, 4) ? &in[4] : NULL,
                .bias = ev_has(in, n_in, 3) ? &in[3] : NULL, .out = out, .group = a->group,
                .offset_group = a->offset_group};
    ev_window_attrs attributes = {.strides = a->strides, .dilations = a->dilations, .pads = a->pads};
    if (in[0].rank != 4 || in[1].rank != 4)
        return ev_fail(env, ADZE_ERR_RANK, "deform_conv: an operand has not four axes");
    adze_status status = ev_windows(env, &attributes, 2, in->dims + 2, in[1].dims + 2, d.window);
    d.taps = in[1].dims[2] * in[1].dims[3];
    if (status == ADZE_OK) status = check_deform(env, in, n_in, &d);
    if (status != ADZE_OK) return status;
    int64_t dims[4] = {in->dims[0], in[1].dims[0], d.window[0].out, d.window[1].out};
    d.channels = in[1].dims[1];
    d.pixels = dims[2] * dims[3];
    status = ev_result(env, out, in->dtype, 4, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    ev_blocks blocks = ev_blocks_make(env);
    ev_reads read;
    bool made = ev_reads_make(env, 4, &read);
    d.scale = ev_scratch(env, (uint64_t)read.n, sizeof *d.scale);
    if (!made || !d.scale || !blocks.sums || !ev_turned_make(env, in, &d.image)) return ev_no_memory(env);
    d.read = &read;
    for (d.n = 0; d.n < dims[0]; d.n++) {
        ev_turn(&d.image, in, d.n);
        for (d.group_at = 0; d.group_at < d.group; d.group_at++) {
            ev_factors f = {.env = env, .self = &d, .m = dims[1] / d.group, .n = d.pixels, .k = d.taps * d.channels,
                            .row = deform_weights, .panel = deform_panel, .take = deform_take};
            ev_multiply(&f, &blocks);
        }
    }
    return ADZE_OK;
}
