/* Ops that read an image between its pixels: grid_sample, roi_align, max_roi_pool. In f64. */
#include "sample.h"

enum { MAX_AXES = 6 };

/* Weighted sums of part `part` of the plane that begins at element `first`, for `points` of the block. */
static void sum_reads(const ev_reads *t, const adze_value *x, int64_t first, int64_t part, int64_t points, double *sum)
{
    int64_t parts = ev_parts(x->dtype);
    adze_value real = *x;
    real.dtype = ev_part(x->dtype);
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
                if (at[p] >= 0) sum[p] += weight[p] * ev_get_f64(&real, (first + at[p]) * parts + part);
        }
    }
}

/* The points of the block in all channels, to `out` from element `first` on, whose planes are `plane` elements. */
static void sum_turned(const ev_reads *t, const ev_turned *x, int64_t points, adze_value *out, int64_t first,
                       int64_t plane)
{
    for (int64_t p = 0; p < points; p += EV_TURNED_POINTS) {
        int64_t now = ev_min(EV_TURNED_POINTS, points - p);
        for (int64_t i = 0; i < now; i++) ev_sum_channels(t, p + i, x, 0, x->channels, x->block + i * x->stride);
        for (int64_t c = 0; c < x->channels; c += EV_LANES) {
            double lines[EV_LANES][EV_TURNED_POINTS];
            for (int64_t k = 0; k < now; k += EV_LANES) {
                ev_lanes rows[EV_LANES];
                const double *from = x->block + k * x->stride + c;
                for (int64_t i = 0; i < EV_LANES; i++) rows[i] = *(const ev_any_lanes *)(from + i * x->stride);
                ev_turn_lanes(rows);
                for (int64_t i = 0; i < EV_LANES; i++) *(ev_any_lanes *)(lines[i] + k) = rows[i];
            }
            for (int64_t i = 0; i < ev_min(EV_LANES, x->channels - c); i++)
                ev_store_f64(out->dtype, out->data, first + p + (c + i) * plane, 1, now, lines[i]);
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
    double d = x < low ? low - x : x - high, n = ev_floor(d / range), rest = d - n * range;
    bool even = n - 2 * ev_floor(n / 2) == 0;
    return (x < low) == even ? low + rest : high - rest;
}

/* Where the image is read along axis `i` for the grid's coordinate. */
static double place(const grid *g, uint32_t i, double coordinate)
{
    double size = (double)g->dims[i];
    double x = g->aligned ? (coordinate + 1) / 2 * (size - 1) : ((coordinate + 1) * size - 1) / 2;
    x = (double)(float)ev_limit(x, -EV_FAR, EV_FAR);
    if (g->taps == 1) x = ev_round(x);
    double low = g->aligned ? 0 : -0.5, high = g->aligned ? size - 1 : size - 0.5;
    if (x >= low && x <= high) return x;
    /* cubic weighs border pixels one by one, as PyTorch does and ONNX Runtime */
    if (g->padding == BORDER) return g->taps == 4 ? x : ev_limit(x, 0, size - 1);
    return g->padding == REFLECTION ? reflect(x, low, high) : x;
}

/* Pixel at whole number `at` of axis `i`; false outside, where it is 0. */
static bool pixel(const grid *g, uint32_t i, double at, int64_t *out)
{
    double last = (double)g->dims[i] - 1;
    if (g->padding == REFLECTION) at = reflect(at, g->aligned ? 0 : -0.5, g->aligned ? last : last + 0.5);
    if (g->padding != ZEROS) at = ev_limit(ev_floor(at), 0, last);
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
static void find_reads(const grid *g, const double *place, ev_reads *t, int64_t p)
{
    double weights[MAX_AXES][4];
    int64_t offset[MAX_AXES][4], taps[MAX_AXES], tap[MAX_AXES] = {0}, k = p;
    for (uint32_t i = 0; i < g->axes; i++) {
        double base = ev_floor(place[i]);
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
    if (!ev_is_number(ev_part(in[0].dtype)) || !ev_is_float(in[1].dtype)) return ev_bad_dtype(env);
    *g = (grid){.axes = axes, .dims = in->dims + 2, .aligned = a->align_corners != 0};
    g->padding = ev_text_is(a->padding_mode, "border")       ? BORDER
                 : ev_text_is(a->padding_mode, "reflection") ? REFLECTION
                                                             : ZEROS;
    g->taps = ev_text_is(a->mode, "nearest") ? 1 : ev_text_is(a->mode, "cubic") ? 4 : 2;
    ev_strides(axes, in->dims + 2, g->strides);
    return ADZE_OK;
}

/* What is read for n points of the grid from `first` on. */
static void read_grid(const grid *g, const adze_value *points, int64_t first, int64_t n, ev_reads *t)
{
    for (int64_t p = 0; p < n; p++) {
        double at[MAX_AXES];
        for (uint32_t i = 0; i < g->axes; i++) /* coordinates stand last axis first */
            at[i] = place(g, i, ev_get_f64(points, (first + p) * g->axes + g->axes - 1 - i));
        find_reads(g, at, t, p);
    }
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
    if (size == 0 && g.padding != ZEROS) return ev_fail(env, ADZE_ERR_DIM, "grid_sample: the image has no pixels");
    ev_reads t;
    ev_turned last = {0};
    int64_t parts = ev_parts(in->dtype);
    /* else turning costs more than it saves */
    bool turns = dims[1] >= EV_LANES && points * each >= size && parts == 1;
    if (!ev_reads_make(env, each, &t) || (turns && !ev_turned_make(env, in, &last)))
        return ev_no_memory(env);
    for (int64_t n = 0; n < dims[0]; n++) {
        if (turns) ev_turn(&last, in, n);
        for (int64_t first = 0, now; first < points; first += now) {
            now = ev_min(t.n, points - first);
            read_grid(&g, &in[1], n * points + first, now, &t);
            if (turns) {
                sum_turned(&t, &last, now, out, n * dims[1] * points + first, points);
                continue;
            }
            for (int64_t c = n * dims[1] * parts; c < (n + 1) * dims[1] * parts; c++) {
                double sum[EV_POINTS];
                int64_t part = c % parts, to = (c / parts * points + first) * parts + part;
                sum_reads(&t, in, c / parts * size, part, now, sum);
                ev_store_f64(ev_part(out->dtype), out->data, to, parts, now, sum);
            }
        }
    }
    return ADZE_OK;
}

/* ---- Regions of interest ---- */

/* roi_align reads up to a pixel outside as at the edge, and 0 beyond. */
static ev_corners corners_clamped(int64_t height, int64_t width, double y, double x)
{
    if (!(y >= -1 && y <= (double)height && x >= -1 && x <= (double)width)) return (ev_corners){{0}, {0}};
    return ev_corners_at(height, width, ev_limit(y, 0, (double)height - 1), ev_limit(x, 0, (double)width - 1));
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
        r.start[i] = ev_limit(v[1 - i] * a->spatial_scale - shift, -EV_FAR, EV_FAR);
        double size = ev_limit(v[3 - i] * a->spatial_scale - shift, -EV_FAR, EV_FAR) - r.start[i];
        if (shift == 0 && !(size >= 1)) size = 1;
        r.bin[i] = size / (double)bins[i];
        double wanted = ev_limit(adze_body_ceil_f64(r.bin[i]), 0, 4096);
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
            ev_corners c = corners_clamped(size[0], size[1], y, x);
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
    *low = (int64_t)ev_limit(ev_floor((double)i * bin) + start, 0, (double)size);
    *high = (int64_t)ev_limit(adze_body_ceil_f64((double)(i + 1) * bin) + start, 0, (double)size);
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
        for (uint32_t i = 1; i < 5; i++) v[i] = ev_floor(ev_limit(v[i] * a->spatial_scale, -EV_FAR, EV_FAR) + 0.5);
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

