/* Ops that read an image between its pixels: grid_sample, roi_align, max_roi_pool, deform_conv. In f64.
 *
 * Coordinates may be anything, NaN too: what is not within 2^40 of the image is outside, or at its edge. */
#include "convert.h"
#include "math.h"
#include "window.h"

enum { MAX_AXES = 6 };
static const double FAR = 0x1p40;

static double limit(double x, double low, double high)
{
    return x >= low ? (x <= high ? x : high) : low; /* NaN: low */
}

static double floor_of(double x)
{
    return adze_body_floor_f64(x);
}

/* ---- What is read for a block of points ---- */

enum { POINTS = 256, MAX_ENTRIES = 1 << 14 };

/* Tap k of point p reads element at[k n + p] of a plane, none below 0. The same for every channel. */
typedef struct reads {
    int64_t count, n; /* of a point; points */
    int64_t *at;
    double *weight;
} reads;

static bool new_reads(const adze_env *env, int64_t count, reads *t)
{
    *t = (reads){.count = count, .n = ev_max(ev_min(POINTS, MAX_ENTRIES / count), 1)};
    t->at = ev_scratch(env, (uint64_t)(t->count * t->n), sizeof *t->at);
    t->weight = ev_scratch(env, (uint64_t)(t->count * t->n), sizeof *t->weight);
    return t->at && t->weight;
}

/* Weighted sums of the plane that begins at element `first`, for `points` of the block. */
static void sum_reads(const reads *t, const adze_value *x, int64_t first, int64_t points, double *sum)
{
    for (int64_t p = 0; p < points; p++) sum[p] = 0;
    for (int64_t k = 0; k < t->count; k++) {
        const int64_t *at = t->at + k * t->n;
        const double *weight = t->weight + k * t->n;
        if (x->dtype == ADZE_DTYPE_f32) {
            const float *plane = (const float *)x->data + first;
            for (int64_t p = 0; p < points; p++)
                if (at[p] >= 0) sum[p] += weight[p] * (double)plane[at[p]];
        } else {
            for (int64_t p = 0; p < points; p++)
                if (at[p] >= 0) sum[p] += weight[p] * ev_get_f64(x, first + at[p]);
        }
    }
}

/* ---- Grids ---- */

typedef enum padding { ZEROS, BORDER, REFLECTION } padding;

typedef struct grid {
    uint32_t axes;
    const int64_t *dims;        /* of the image's axes */
    int64_t strides[MAX_AXES];
    padding padding;
    bool aligned;
    uint32_t taps;              /* an axis: 1 nearest, 2 linear, 4 cubic */
} grid;

/* Mirrored at `low` and `high` until it lies between. */
static double reflect(double x, double low, double high)
{
    double range = high - low;
    if (x >= low && x <= high) return x;
    if (!(range > 0)) return low;
    double d = x < low ? low - x : x - high, n = floor_of(d / range), rest = d - n * range;
    bool even = n - 2 * floor_of(n / 2) == 0;
    return (x < low) == even ? low + rest : high - rest;
}

/* Where the image is read along axis `i` for the grid's coordinate. */
static double place(const grid *g, uint32_t i, double coordinate)
{
    double size = (double)g->dims[i];
    double x = g->aligned ? (coordinate + 1) / 2 * (size - 1) : ((coordinate + 1) * size - 1) / 2;
    x = (double)(float)limit(x, -FAR, FAR);
    if (g->taps == 1) x = ev_round(x);
    double low = g->aligned ? 0 : -0.5, high = g->aligned ? size - 1 : size - 0.5;
    if (x >= low && x <= high) return x;
    /* cubic weighs border pixels one by one, as PyTorch does and ONNX Runtime */
    if (g->padding == BORDER) return g->taps == 4 ? x : limit(x, 0, size - 1);
    return g->padding == REFLECTION ? reflect(x, low, high) : x;
}

/* Pixel at whole number `at` of axis `i`; false outside, where it is 0. */
static bool pixel(const grid *g, uint32_t i, double at, int64_t *out)
{
    double last = (double)g->dims[i] - 1;
    if (g->padding == REFLECTION) at = reflect(at, g->aligned ? 0 : -0.5, g->aligned ? last : last + 0.5);
    if (g->padding != ZEROS) at = limit(floor_of(at), 0, last);
    if (!(at >= 0 && at <= last)) return false;
    *out = (int64_t)at;
    return true;
}

/* Weights of the taps around a place at `t` behind the second one (of four) or the first one (of two). Cubic: Keys,
 * "Cubic convolution interpolation", 1981, with a = -0.75. */
static void weigh(uint32_t taps, double t, double *out)
{
    const double a = -0.75;
    if (taps == 1) {
        out[0] = 1;
    } else if (taps == 2) {
        out[0] = 1 - t;
        out[1] = t;
    } else {
        for (uint32_t i = 0; i < 4; i++) {
            double d = i == 0 ? t + 1 : i == 1 ? t : i == 2 ? 1 - t : 2 - t;
            out[i] = i == 0 || i == 3 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
                                      : ((a + 2) * d - (a + 3)) * d * d + 1;
        }
    }
}

/* Entry p of the taps: what is read at a place. */
static void find_reads(const grid *g, const double *place, reads *t, int64_t p)
{
    double weights[MAX_AXES][4];
    int64_t offset[MAX_AXES][4], taps[MAX_AXES], tap[MAX_AXES] = {0}, k = p;
    for (uint32_t i = 0; i < g->axes; i++) {
        double base = floor_of(place[i]);
        weigh(g->taps, place[i] - base, weights[i]);
        taps[i] = g->taps;
        for (uint32_t n = 0; n < g->taps; n++) {
            int64_t where;
            bool inside = pixel(g, i, base + n - (g->taps == 4), &where);
            offset[i][n] = inside ? where * g->strides[i] : -1;
        }
    }
    do {
        int64_t from = 0;
        double weight = 1;
        for (uint32_t i = 0; i < g->axes && from >= 0; i++) {
            from = offset[i][tap[i]] < 0 ? -1 : from + offset[i][tap[i]];
            weight *= weights[i][tap[i]];
        }
        t->at[k] = from;
        t->weight[k] = weight;
        k += t->n;
    } while (ev_next(g->axes, taps, tap));
}

static adze_status new_grid(const adze_env *env, const struct adze_grid_sample_attrs *a, const adze_value *in, grid *g)
{
    uint32_t axes = in->rank - 2;
    if (in[0].rank < 3 || axes > MAX_AXES || in[1].rank != in[0].rank || in[1].dims[0] != in[0].dims[0] ||
        in[1].dims[in->rank - 1] != (int64_t)axes)
        return ev_fail(env, ADZE_ERR_DIM, "grid_sample: image and grid do not fit");
    if (!ev_is_number(in[0].dtype) || !ev_is_float(in[1].dtype)) return ev_bad_dtype(env);
    *g = (grid){.axes = axes, .dims = in->dims + 2, .aligned = a->align_corners != 0};
    g->padding = ev_text_is(a->padding_mode, "border")       ? BORDER
                 : ev_text_is(a->padding_mode, "reflection") ? REFLECTION
                                                             : ZEROS;
    g->taps = ev_text_is(a->mode, "nearest") ? 1 : ev_text_is(a->mode, "cubic") ? 4 : 2;
    ev_strides(axes, in->dims + 2, g->strides);
    return ADZE_OK;
}

adze_status eval_grid_sample(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                             const void *attrs)
{
    (void)n_in, (void)n_out;
    grid g;
    int64_t dims[ADZE_MAX_RANK];
    adze_status status = new_grid(env, attrs, in, &g);
    if (status != ADZE_OK) return status;
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = i < 2 ? in->dims[i] : in[1].dims[i - 1];
    status = ev_result(env, out, in->dtype, in->rank, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    int64_t size = ev_product(in->dims, 2, in->rank), points = ev_product(dims, 2, in->rank), each = 1;
    for (uint32_t i = 0; i < g.axes; i++) each *= g.taps;
    reads t;
    if (!new_reads(env, each, &t)) return ev_no_memory(env);
    if (size == 0 && g.padding != ZEROS) return ev_fail(env, ADZE_ERR_DIM, "grid_sample: the image has no pixels");
    for (int64_t n = 0; n < dims[0]; n++)
        for (int64_t first = 0, now; first < points; first += now) {
            double at[MAX_AXES], sum[POINTS];
            now = ev_min(t.n, points - first);
            for (int64_t p = 0; p < now; p++) {
                int64_t point = (n * points + first + p) * g.axes;
                for (uint32_t i = 0; i < g.axes; i++) /* coordinates stand last axis first */
                    at[i] = place(&g, i, ev_get_f64(&in[1], point + g.axes - 1 - i));
                find_reads(&g, at, &t, p);
            }
            for (int64_t c = n * dims[1]; c < (n + 1) * dims[1]; c++) {
                sum_reads(&t, in, c * size, now, sum);
                ev_store_f64(out->dtype, out->data, c * points + first, 1, now, sum);
            }
        }
    return ADZE_OK;
}

/* ---- Four neighbours ---- */

/* Bilinear reading of a plane at (y, x): four offsets with their weights. */
typedef struct corners {
    int64_t at[4];
    double weight[4];
} corners;

/* Weights of pixels outside are 0. */
static corners corners_at(int64_t height, int64_t width, double y, double x)
{
    corners c = {{0}, {0}};
    double top = floor_of(y), left = floor_of(x);
    for (uint32_t k = 0; k < 4; k++) {
        double row = top + (k >> 1), column = left + (k & 1);
        if (!(row >= 0 && row < (double)height && column >= 0 && column < (double)width)) continue;
        c.at[k] = (int64_t)row * width + (int64_t)column;
        c.weight[k] = (k >> 1 ? y - top : top + 1 - y) * (k & 1 ? x - left : left + 1 - x);
    }
    return c;
}

/* ---- Regions of interest ---- */

/* roi_align reads up to a pixel outside as at the edge, and 0 beyond. */
static corners corners_clamped(int64_t height, int64_t width, double y, double x)
{
    if (!(y >= -1 && y <= (double)height && x >= -1 && x <= (double)width)) return (corners){{0}, {0}};
    return corners_at(height, width, limit(y, 0, (double)height - 1), limit(x, 0, (double)width - 1));
}

typedef struct region {
    double start[2], bin[2];  /* y, x */
    int64_t samples[2];       /* a bin */
} region;

static region read_region(const adze_value *rois, int64_t n, const struct adze_roi_align_attrs *a, const int64_t *bins)
{
    double v[4], shift = ev_text_is(a->coordinate_transformation_mode, "half_pixel") ? 0.5 : 0;
    region r;
    ev_load_f64(rois->dtype, rois->data, n * 4, 1, 4, v);
    for (uint32_t i = 0; i < 2; i++) {
        r.start[i] = limit(v[1 - i] * a->spatial_scale - shift, -FAR, FAR);
        double size = limit(v[3 - i] * a->spatial_scale - shift, -FAR, FAR) - r.start[i];
        if (shift == 0 && !(size >= 1)) size = 1;
        r.bin[i] = size / (double)bins[i];
        double wanted = limit(adze_body_ceil_f64(r.bin[i]), 0, 4096);
        r.samples[i] = a->sampling_ratio > 0 ? ev_min(a->sampling_ratio, 4096) : (int64_t)wanted;
    }
    return r;
}

/* The mean of the samples of one bin, or the largest weighed pixel in it. */
static double pool_bin(const double *plane, const int64_t *size, const region *r, int64_t row, int64_t column, bool max)
{
    double sum = 0, best = 0;
    bool any = false;
    for (int64_t i = 0; i < r->samples[0]; i++) {
        double y = r->start[0] + r->bin[0] * ((double)row + ((double)i + 0.5) / (double)r->samples[0]);
        for (int64_t k = 0; k < r->samples[1]; k++) {
            double x = r->start[1] + r->bin[1] * ((double)column + ((double)k + 0.5) / (double)r->samples[1]);
            corners c = corners_clamped(size[0], size[1], y, x);
            for (uint32_t n = 0; n < 4; n++) {
                double v = c.weight[n] != 0 || max ? c.weight[n] * plane[c.at[n]] : 0;
                sum += v;
                best = !any || v > best ? v : best;
                any = true;
            }
        }
    }
    int64_t count = ev_max(r->samples[0] * r->samples[1], 1);
    return max ? best : sum / (double)count;
}

adze_status eval_roi_align(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                           const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_roi_align_attrs *a = attrs;
    if (in[0].rank != 4 || in[1].rank != 2 || in[1].dims[1] != 4 || in[2].rank != 1 || in[2].dims[0] != in[1].dims[0])
        return ev_fail(env, ADZE_ERR_DIM, "roi_align: image, regions and batch indices do not fit");
    if (!ev_is_float(in[0].dtype) || !ev_is_float(in[1].dtype) || !ev_is_int(in[2].dtype)) return ev_bad_dtype(env);
    int64_t dims[4] = {in[1].dims[0], in->dims[1], a->output_height, a->output_width};
    adze_status status = ev_result(env, out, in->dtype, 4, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    const int64_t *size = in->dims + 2;
    int64_t pixels = size[0] * size[1], to = 0;
    bool max = ev_text_is(a->mode, "max");
    double *plane = ev_scratch(env, (uint64_t)pixels, sizeof *plane);
    if (!plane) return ev_no_memory(env);
    if (pixels == 0) return ev_fail(env, ADZE_ERR_DIM, "roi_align: the image has no pixels");
    for (int64_t n = 0; n < dims[0]; n++) {
        int64_t batch = ev_get_i64(&in[2], n);
        if (batch < 0 || batch >= in->dims[0])
            return ev_fail(env, ADZE_ERR_VALUE, "roi_align: a batch index is out of range");
        region r = read_region(&in[1], n, a, dims + 2);
        for (int64_t c = 0; c < dims[1]; c++) {
            ev_load_f64(in->dtype, in->data, (batch * dims[1] + c) * pixels, 1, pixels, plane);
            for (int64_t i = 0; i < dims[2] * dims[3]; i++, to++) {
                double v = pool_bin(plane, size, &r, i / dims[3], i % dims[3], max);
                ev_store_f64(out->dtype, out->data, to, 1, 1, &v);
            }
        }
    }
    return ADZE_OK;
}

/* Whole pixels of bin `i` of `bins`, of a region from `start` to `end`. */
static void bin_pixels(double start, double end, int64_t bins, int64_t i, int64_t size, int64_t *low, int64_t *high)
{
    double extent = end - start + 1 > 1 ? end - start + 1 : 1, bin = extent / (double)bins;
    *low = (int64_t)limit(floor_of((double)i * bin) + start, 0, (double)size);
    *high = (int64_t)limit(adze_body_ceil_f64((double)(i + 1) * bin) + start, 0, (double)size);
}

adze_status eval_max_roi_pool(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                              const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_max_roi_pool_attrs *a = attrs;
    if (in[0].rank != 4 || in[1].rank != 2 || in[1].dims[1] != 5 || a->pooled_shape.count != 2)
        return ev_fail(env, ADZE_ERR_DIM, "max_roi_pool: image and regions do not fit");
    if (!ev_is_float(in[0].dtype) || !ev_is_float(in[1].dtype)) return ev_bad_dtype(env);
    int64_t dims[4] = {in[1].dims[0], in->dims[1], a->pooled_shape.data[0], a->pooled_shape.data[1]};
    adze_status status = ev_result(env, out, in->dtype, 4, dims);
    if (status != ADZE_OK) return status;
    int64_t height = in->dims[2], width = in->dims[3], to = 0;
    for (int64_t n = 0; n < dims[0]; n++) {
        double v[5];
        ev_load_f64(in[1].dtype, in[1].data, n * 5, 1, 5, v);
        if (!(v[0] >= 0 && v[0] < (double)in->dims[0]))
            return ev_fail(env, ADZE_ERR_VALUE, "max_roi_pool: a batch index is out of range");
        for (uint32_t i = 1; i < 5; i++) v[i] = floor_of(limit(v[i] * a->spatial_scale, -FAR, FAR) + 0.5);
        for (int64_t c = 0; c < dims[1]; c++)
            for (int64_t i = 0; i < dims[2] * dims[3]; i++, to++) {
                int64_t top, bottom, left, right, from = ((int64_t)v[0] * dims[1] + c) * height * width;
                bin_pixels(v[2], v[4], dims[2], i / dims[3], height, &top, &bottom);
                bin_pixels(v[1], v[3], dims[3], i % dims[3], width, &left, &right);
                double best = top < bottom && left < right ? -ev_inf() : 0;
                for (int64_t y = top; y < bottom; y++)
                    for (int64_t x = left; x < right; x++) {
                        double p = ev_get_f64(in, from + y * width + x);
                        best = p > best || p != p ? p : best;
                    }
                ev_store_f64(out->dtype, out->data, to, 1, 1, &best);
            }
    }
    return ADZE_OK;
}

/* ---- Deformable convolution ---- */

typedef struct deform {
    const adze_value *x, *w, *offset, *mask; /* mask NULL = ones */
    ev_window window[2];
    int64_t group, offset_group, taps;
    reads read;      /* of one tap of the window, for a block of result pixels */
    double *columns; /* what each tap reads for each result pixel: [channel, tap, pixel] */
} deform;

/* Where a tap reads for `now` pixels from `first` on in the channels of one group of offsets: its entry of `offset`. */
static void find_corners(const deform *d, int64_t entry, int64_t tap, int64_t first, int64_t now)
{
    const ev_window *w = d->window;
    int64_t pixels = w[0].out * w[1].out;
    for (int64_t i = 0; i < now; i++) {
        int64_t p = first + i;
        double y = ev_get_f64(d->offset, 2 * entry * pixels + p);
        double x = ev_get_f64(d->offset, (2 * entry + 1) * pixels + p);
        y += (double)(p / w[1].out * w[0].stride - w[0].before + tap / w[1].kernel * w[0].dilation);
        x += (double)(p % w[1].out * w[1].stride - w[1].before + tap % w[1].kernel * w[1].dilation);
        corners c = corners_at(w[0].in, w[1].in, limit(y, -FAR, FAR), limit(x, -FAR, FAR));
        for (uint32_t k = 0; k < 4; k++) {
            d->read.at[k * d->read.n + i] = c.weight[k] != 0 ? c.at[k] : -1;
            d->read.weight[k * d->read.n + i] = c.weight[k];
        }
    }
}

/* What the taps read in the channels of one group of offsets of one image. */
static void read_group(const deform *d, int64_t n, int64_t group)
{
    const ev_window *w = d->window;
    int64_t pixels = w[0].out * w[1].out, size = w[0].in * w[1].in, channels = d->x->dims[1] / d->offset_group;
    for (int64_t tap = 0; tap < d->taps; tap++)
        for (int64_t first = 0, now; first < pixels; first += now) {
            int64_t entry = (n * d->offset_group + group) * d->taps + tap;
            now = ev_min(d->read.n, pixels - first);
            find_corners(d, entry, tap, first, now);
            for (int64_t c = group * channels; c < (group + 1) * channels; c++) {
                double *out = d->columns + (c * d->taps + tap) * pixels + first;
                sum_reads(&d->read, d->x, (n * d->x->dims[1] + c) * size, now, out);
                for (int64_t i = 0; i < now && d->mask; i++)
                    out[i] *= ev_get_f64(d->mask, entry * pixels + first + i);
            }
        }
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
                .group = a->group, .offset_group = a->offset_group};
    ev_window_attrs attributes = {.strides = a->strides, .dilations = a->dilations, .pads = a->pads};
    if (in[0].rank != 4 || in[1].rank != 4)
        return ev_fail(env, ADZE_ERR_RANK, "deform_conv: an operand has not four axes");
    adze_status status = ev_windows(env, &attributes, 2, in->dims + 2, in[1].dims + 2, d.window);
    d.taps = in[1].dims[2] * in[1].dims[3];
    if (status == ADZE_OK) status = check_deform(env, in, n_in, &d);
    if (status != ADZE_OK) return status;
    int64_t dims[4] = {in->dims[0], in[1].dims[0], d.window[0].out, d.window[1].out}, pixels = dims[2] * dims[3];
    status = ev_result(env, out, in->dtype, 4, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    int64_t column = d.taps * pixels, each = in[1].dims[1] * d.taps;
    d.columns = ev_scratch(env, (uint64_t)in->dims[1], (uint64_t)column * sizeof *d.columns);
    double *line = ev_scratch(env, (uint64_t)pixels, sizeof *line);
    if (!new_reads(env, 4, &d.read) || !d.columns || !line) return ev_no_memory(env);
    for (int64_t n = 0; n < dims[0]; n++) {
        for (int64_t group = 0; group < a->offset_group; group++) read_group(&d, n, group);
        for (int64_t oc = 0; oc < dims[1]; oc++) {
            const double *from = d.columns + oc / (dims[1] / a->group) * each * pixels;
            double bias = ev_has(in, n_in, 3) ? ev_get_f64(&in[3], oc) : 0;
            for (int64_t p = 0; p < pixels; p++) line[p] = bias;
            for (int64_t k = 0; k < each; k++) {
                double weight = ev_get_f64(&in[1], oc * each + k);
                for (int64_t p = 0; p < pixels; p++) line[p] += weight * from[k * pixels + p];
            }
            ev_store_f64(out->dtype, out->data, (n * dims[1] + oc) * pixels, 1, pixels, line);
        }
    }
    return ADZE_OK;
}
