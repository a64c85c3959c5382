/* Reading images between their pixels, for evaluations that do: what is read at a point, the same for all channels. In
 * f64. Coordinates may be anything, NaN too: what is not within 2^40 of the image is outside, or at its edge. */
#ifndef ADZE_EVAL_SAMPLE_H
#define ADZE_EVAL_SAMPLE_H

#include "convert.h"
#include "math.h"

#define EV_FAR 0x1p40

static inline double ev_limit(double x, double low, double high)
{
    return x >= low ? (x <= high ? x : high) : low; /* NaN: low */
}

static inline double ev_floor(double x)
{
    return adze_body_floor_f64(x);
}

/* ---- What is read for a block of points ---- */

enum { EV_POINTS = 256, EV_MAX_ENTRIES = 1 << 14 };

/* Tap k of point p reads element at[k n + p] of a plane, none below 0. The same for every channel. */
typedef struct ev_reads {
    int64_t count, n; /* of a point; points */
    int64_t *at;
    double *weight;
} ev_reads;

static inline bool ev_reads_make(const adze_env *env, int64_t count, ev_reads *t)
{
    *t = (ev_reads){.count = count, .n = ev_max(ev_min(EV_POINTS, EV_MAX_ENTRIES / count), 1)};
    t->at = ev_scratch(env, (uint64_t)(t->count * t->n), sizeof *t->at);
    t->weight = ev_scratch(env, (uint64_t)(t->count * t->n), sizeof *t->weight);
    return t->at && t->weight;
}

/* ---- Channels last ----
 *
 * One image as [pixels, channels], so that what is read of all channels lies together: as floats, or as doubles where
 * floats do not hold every value. Channels are made a multiple of EV_LANES with zeros. */

enum { EV_LANES = 8, EV_TURNED = 32 * EV_LANES, EV_TURNED_POINTS = 4 * EV_LANES };
typedef double ev_lanes __attribute__((vector_size(EV_LANES * sizeof(double))));
typedef float ev_float_lanes __attribute__((vector_size(EV_LANES * sizeof(float))));
typedef ev_lanes ev_any_lanes __attribute__((aligned(4), may_alias)); /* anywhere in memory */
typedef ev_float_lanes ev_any_float_lanes __attribute__((aligned(4), may_alias));

typedef struct ev_turned {
    int64_t channels, pixels, stride; /* stride: channels with zeros */
    bool wide;
    void *data;
    double *block; /* room for EV_TURNED elements of EV_LANES channels, or EV_TURNED_POINTS points of all */
} ev_turned;

static inline bool ev_turned_make(const adze_env *env, const adze_value *x, ev_turned *t)
{
    int64_t channels = x->dims[1];
    *t = (ev_turned){.channels = channels, .pixels = ev_product(x->dims, 2, x->rank)};
    t->stride = (channels + EV_LANES - 1) / EV_LANES * EV_LANES;
    t->wide = x->dtype == ADZE_DTYPE_f64 || !ev_is_float(x->dtype);
    /* who begins amid the last pixel's channels reads EV_LANES more */
    t->data = ev_scratch(env, (uint64_t)(t->stride * t->pixels + EV_LANES), t->wide ? sizeof(double) : sizeof(float));
    int64_t room = ev_max(EV_LANES * EV_TURNED, t->stride * EV_TURNED_POINTS);
    t->block = ev_scratch(env, (uint64_t)room, sizeof *t->block);
    return t->data && t->block;
}

/* Rows to columns: element k of row i and element i of row k change places, one bit of both at a time. */
static inline void ev_turn_lanes(ev_lanes *r)
{
    for (int i = 0; i < EV_LANES; i++) {
        if (i & 1) continue;
        ev_lanes a = r[i], b = r[i + 1];
        r[i] = __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
        r[i + 1] = __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int i = 0; i < EV_LANES; i++) {
        if (i & 2) continue;
        ev_lanes a = r[i], b = r[i + 2];
        r[i] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
        r[i + 2] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
    }
    for (int i = 0; i < EV_LANES; i++) {
        if (i & 4) continue;
        ev_lanes a = r[i], b = r[i + 4];
        r[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/* Image n of x. */
static inline void ev_turn(const ev_turned *t, const adze_value *x, int64_t n)
{
    for (int64_t first = 0; first < t->pixels; first += EV_TURNED)
        for (int64_t c = 0; c < t->stride; c += EV_LANES) {
            int64_t now = ev_min(EV_TURNED, t->pixels - first), here = ev_min(EV_LANES, t->channels - c);
            for (int64_t i = 0; i < EV_LANES; i++) {
                double *line = t->block + i * EV_TURNED;
                if (i >= here) memset(line, 0, EV_TURNED * sizeof *line);
                else ev_load_f64(x->dtype, x->data, (n * t->channels + c + i) * t->pixels + first, 1, now, line);
            }
            for (int64_t p = 0; p < now; p += EV_LANES) {
                ev_lanes rows[EV_LANES];
                int64_t to = (first + p) * t->stride + c, count = ev_min(EV_LANES, now - p);
                for (int64_t i = 0; i < EV_LANES; i++) rows[i] = *(const ev_any_lanes *)(t->block + i * EV_TURNED + p);
                ev_turn_lanes(rows);
                for (int64_t i = 0; i < count && t->wide; i++)
                    *(ev_any_lanes *)((double *)t->data + to + i * t->stride) = rows[i];
                for (int64_t i = 0; i < count && !t->wide; i++)
                    *(ev_any_float_lanes *)((float *)t->data + to + i * t->stride) =
                        __builtin_convertvector(rows[i], ev_float_lanes);
            }
        }
}

/* out[i] = the weighted sum of point p in channel c + i, for i < n; `out` has room for a multiple of EV_LANES. */
static inline void ev_sum_channels(const ev_reads *t, int64_t p, const ev_turned *x, int64_t c, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i += EV_LANES) {
        ev_lanes sum = {0};
        for (int64_t k = p; k < t->count * t->n; k += t->n) {
            int64_t from = t->at[k] * x->stride + c + i;
            if (t->at[k] < 0) continue;
            if (x->wide) {
                sum += t->weight[k] * *(const ev_any_lanes *)((const double *)x->data + from);
            } else {
                ev_float_lanes row = *(const ev_any_float_lanes *)((const float *)x->data + from);
                sum += t->weight[k] * __builtin_convertvector(row, ev_lanes);
            }
        }
        *(ev_any_lanes *)(out + i) = sum;
    }
}

/* ---- Four neighbours ---- */

/* Bilinear reading of a plane at (y, x): four offsets with their weights. */
typedef struct ev_corners {
    int64_t at[4];
    double weight[4];
} ev_corners;

/* Weights of pixels outside are 0. */
static inline ev_corners ev_corners_at(int64_t height, int64_t width, double y, double x)
{
    ev_corners c = {{0}, {0}};
    double top = ev_floor(y), left = ev_floor(x);
    for (uint32_t k = 0; k < 4; k++) {
        double row = top + (k >> 1), column = left + (k & 1);
        if (!(row >= 0 && row < (double)height && column >= 0 && column < (double)width)) continue;
        c.at[k] = (int64_t)row * width + (int64_t)column;
        c.weight[k] = (k >> 1 ? y - top : top + 1 - y) * (k & 1 ? x - left : left + 1 - x);
    }
    return c;
}

#endif
