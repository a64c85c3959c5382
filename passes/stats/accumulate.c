/* Adds samples to the statistics of one value: the range first, for which the histogram is widened, then the rest.
 *
 * Means and variances of parts are merged as in Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for
 * computing sample variances (1979).
 */
#include "passes/stats/accumulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool floats_take(floats *f, const adze_value *value)
{
    f->count = adze_value_count(value);
    f->data = value->data;
    if (value->dtype == ADZE_DTYPE_f32) return true;
    if (f->count > f->capacity) {
        free(f->own);
        f->capacity = 0;
        if (f->count > SIZE_MAX / sizeof *f->own || !(f->own = malloc(f->count * sizeof *f->own))) return false;
        f->capacity = f->count;
    }
    for (uint64_t i = 0; i < f->count; i++) f->own[i] = (float)adze_value_real(value, i);
    f->data = f->own;
    return true;
}

/* ---- Parts ---- */

/* Of some finite numbers; `squares` is the sum of (x - mean)^2. */
typedef struct part {
    uint64_t count;
    double min, max, mean, abs_mean, squares;
} part;

static void merge(part *to, const part *from)
{
    if (!from->count) return;
    if (!to->count) {
        *to = *from;
        return;
    }
    double n = (double)to->count + (double)from->count, share = (double)from->count / n;
    double delta = from->mean - to->mean;
    to->min = fmin(to->min, from->min);
    to->max = fmax(to->max, from->max);
    to->squares += from->squares + delta * delta * (double)to->count * share;
    to->mean += delta * share;
    to->abs_mean += (from->abs_mean - to->abs_mean) * share;
    to->count += from->count;
}

/* Kernels add up STATS_BLOCK squares of differences in f32, which these bounds leave room for. Masks of attention are
 * beyond them. */
static bool is_large(double min, double max) { return min < -0x1p56 || max > 0x1p56; }

/* Without what is NaN or infinite, in double; slow. */
static part part_of_rest(const float *x, uint64_t n, uint64_t step)
{
    part p = {0};
    for (uint64_t i = 0; i < n; i++) {
        double v = (double)x[i * step];
        part one = {1, v, v, v, fabs(v), 0};
        if (isfinite(v)) merge(&p, &one);
    }
    return p;
}

static part part_of_run(const stats_kernels *k, const float *x, uint64_t n)
{
    range_sums r;
    if (!n) return (part){0};
    k->range(x, n, &r);
    if (r.bad || is_large((double)r.min, (double)r.max)) return part_of_rest(x, n, 1);
    part p = {.count = n, .min = (double)r.min, .max = (double)r.max};
    p.mean = fmin(fmax(r.sum / (double)n, p.min), p.max);
    p.abs_mean = r.abs_sum / (double)n;
    p.squares = p.min < p.max ? k->squares(x, n, p.mean) : 0;
    return p;
}

/* Channels lie behind one another: x[outer, n, inner]. */
static void parts_of_runs(const float *x, uint64_t outer, uint64_t n, uint64_t inner, part *out)
{
    const stats_kernels *k = stats_kernels_get();
    for (uint64_t o = 0; o < outer; o++) {
        for (uint64_t c = 0; c < n; c++, x += inner) {
            part p = part_of_run(k, x, inner);
            merge(&out[c], &p);
        }
    }
}

/* Channels lie side by side: x[rows, n]. */
static bool parts_of_columns(const float *x, uint64_t rows, uint64_t n, part *out)
{
    const stats_kernels *k = stats_kernels_get();
    range_sums all = {0};
    if (!rows || !n) return true;
    k->range(x, rows * n, &all);
    for (uint64_t i = 0; all.bad && i < n; i++) out[i] = part_of_rest(x + i, rows, n);
    if (all.bad) return true;
    double *sums = calloc(n, 4 * sizeof *sums);
    if (!sums) return false;
    float *low = (float *)(sums + 3 * n);
    column_sums s = {.min = low, .max = low + n, .sum = sums, .abs_sum = sums + n};
    memcpy(s.min, x, n * sizeof *s.min);
    memcpy(s.max, x, n * sizeof *s.max);
    k->columns(x, rows, n, &s);
    double *squares = sums + 2 * n;
    for (uint64_t i = 0; i < n; i++) s.sum[i] /= (double)rows;
    k->column_squares(x, rows, n, s.sum, squares);
    for (uint64_t i = 0; i < n; i++) {
        part p = {rows, (double)s.min[i], (double)s.max[i], s.sum[i], s.abs_sum[i] / (double)rows, squares[i]};
        merge(&out[i], &p);
    }
    free(sums);
    return true;
}

/* ---- Histogram ---- */

int64_t stats_bin_of(double x, int exponent) { return (int64_t)floor(ldexp(x, -exponent)); }

void stats_widen(value_entry *v, double min, double max, int least)
{
    adze_value_stats *s = &v->view;
    double most = fmax(fabs(min), fabs(max));
    int exponent = most > 0 ? ilogb(most) - STATS_BIN_BITS : STATS_MIN_EXPONENT;
    if (exponent < STATS_MIN_EXPONENT) exponent = STATS_MIN_EXPONENT;
    if (exponent < least) exponent = least;
    if (s->count && v->exponent > exponent) exponent = v->exponent;
    if (s->count) min = fmin(min, s->min), max = fmax(max, s->max);
    while (stats_bin_of(max, exponent) - stats_bin_of(min, exponent) >= ADZE_STATS_BINS) exponent++;
    int64_t first = stats_bin_of(min, exponent);
    if (s->count && (exponent != v->exponent || first != s->first_bin)) {
        uint64_t old[ADZE_STATS_BINS];
        memcpy(old, v->bins, sizeof old);
        memset(v->bins, 0, sizeof old);
        for (int64_t i = 0; i < ADZE_STATS_BINS; i++) {
            int shift = exponent - v->exponent < 62 ? exponent - v->exponent : 62;
            if (old[i]) v->bins[((s->first_bin + i) >> shift) - first] += old[i];
        }
    }
    v->exponent = exponent;
    s->first_bin = first;
    s->bin_width = ldexp(1, exponent);
}

static void count_bins(value_entry *v, const float *x, uint64_t n, bool finite)
{
    enum { MOST = 1 << 30 }; /* counts are 32 bits */
    uint32_t tables[STATS_TABLES][ADZE_STATS_BINS];
    float width = (float)v->view.bin_width;
    int32_t first = (int32_t)v->view.first_bin;
    for (uint64_t i = 0; i < n; i += MOST) {
        uint64_t some = n - i < MOST ? n - i : MOST;
        memset(tables, 0, sizeof tables);
        if (finite) {
            stats_kernels_get()->bins(x + i, some, width, first, tables);
        } else {
            for (uint64_t k = 0; k < some; k++)
                if (isfinite(x[i + k])) tables[0][stats_bin_of((double)x[i + k], v->exponent) - first]++;
        }
        for (uint32_t b = 0; b < ADZE_STATS_BINS; b++)
            for (uint32_t t = 0; t < STATS_TABLES; t++) v->bins[b] += tables[t][b];
    }
}

/* ---- One sample ---- */

static void count_bad(value_entry *v, const float *x, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        v->view.n_nan += isnan(x[i]) != 0;
        v->view.n_infinite += isinf(x[i]) != 0;
    }
}

static void add_to_channel(const channels *c, uint64_t i, const part *p)
{
    part all = {c->count[i], c->min[i], c->max[i], c->mean[i], c->abs_mean[i], c->variance[i] * (double)c->count[i]};
    merge(&all, p);
    c->count[i] = all.count;
    c->min[i] = all.min;
    c->max[i] = all.max;
    c->abs_max[i] = fmax(fabs(all.min), fabs(all.max));
    c->mean[i] = all.mean;
    c->abs_mean[i] = all.abs_mean;
    c->variance[i] = all.count ? all.squares / (double)all.count : 0;
}

static void add_to_value(value_entry *v, const part *p)
{
    adze_value_stats *s = &v->view;
    part all = {s->count, s->min, s->max, s->mean, s->abs_mean, s->variance * (double)s->count};
    merge(&all, p);
    s->count = all.count;
    s->min = all.min;
    s->max = all.max;
    s->mean = all.mean;
    s->abs_mean = all.abs_mean;
    s->variance = all.count ? all.squares / (double)all.count : 0;
}

/* Splits the value at its channels' axis; a value that has none, or another number of them, is one. */
static bool split(value_entry *v, const adze_value *value, uint64_t *outer, uint64_t *n, uint64_t *inner)
{
    uint32_t axis = v->view.axis;
    uint64_t now = axis < value->rank ? (uint64_t)value->dims[axis] : 0;
    if (axis < value->rank && !v->view.samples && now && now <= ADZE_STATS_MAX_CHANNELS && !stats_set_channels(v, now))
        return false;
    if (!now || now != v->view.channels.n) {
        stats_drop_channels(v);
        v->view.axis = ADZE_STATS_NO_AXIS;
        *outer = *n = 1;
        *inner = adze_value_count(value);
        return true;
    }
    *outer = *inner = 1;
    *n = now;
    for (uint32_t i = 0; i < axis; i++) *outer *= (uint64_t)value->dims[i];
    for (uint32_t i = axis + 1; i < value->rank; i++) *inner *= (uint64_t)value->dims[i];
    return true;
}

static bool are_finite(const part *parts, uint64_t n, uint64_t count)
{
    uint64_t seen = 0;
    for (uint64_t i = 0; i < n; i++) seen += parts[i].count;
    return seen == count;
}

bool stats_add_sample(value_entry *v, const adze_value *value, const floats *data, uint64_t *out_bad)
{
    uint64_t outer, n, inner, count = data->count;
    const float *x = data->data;
    if (!split(v, value, &outer, &n, &inner)) return false;
    part *parts = calloc(n, sizeof *parts);
    if (!parts) return false;
    bool ok = true;
    if (inner == 1)
        ok = parts_of_columns(x, outer, n, parts);
    else
        parts_of_runs(x, outer, n, inner, parts);
    part sum = {0};
    for (uint64_t c = 0; c < n; c++) merge(&sum, &parts[c]);
    bool finite = are_finite(parts, n, count);
    if (ok && sum.count) {
        stats_widen(v, sum.min, sum.max, STATS_MIN_EXPONENT);
        count_bins(v, x, count, finite);
        add_to_value(v, &sum);
        for (uint64_t c = 0; c < v->view.channels.n; c++) add_to_channel(&v->channels, c, &parts[c]);
    }
    if (ok && !finite) count_bad(v, x, count);
    v->view.samples++;
    *out_bad = count - sum.count;
    free(parts);
    return ok;
}
