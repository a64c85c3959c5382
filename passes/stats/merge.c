/* Weights statistics of two data sets on one module together.
 *
 * Each old element counts `was` elements and each new one `is`, so that the old ones have their share of all and all
 * are as many as were seen. With the share that they have of the elements both are 1, and what comes out is what
 * statistics of all the data would be.
 */
#include "passes/stats/accumulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct weights {
    double was, is;
} weights;

/* Where only one has any, they count as they are. */
static weights weigh(uint64_t old, uint64_t new, double share)
{
    double all = (double)old + (double)new;
    if (!old || !new) return (weights){1, 1};
    return (weights){share * all / (double)old, (1 - share) * all / (double)new};
}

static const char *path_of(const adze_stats *stats) { return stats->path ? stats->path : "the statistics"; }

static bool fail(const adze_stats *stats, const adze_stats *of, const char *what)
{
    return adze_error(adze_loc_unknown(stats->context), "%s: %s", path_of(of), what);
}

/* ---- Values ---- */

static bool take_value(value_entry *to, const value_entry *from)
{
    uint64_t n = from->view.channels.n;
    if (!stats_set_channels(to, n)) return false;
    adze_value_stats view = from->view;
    view.name = to->view.name;
    view.bins = to->bins;
    view.channels = to->view.channels;
    to->view = view;
    to->exponent = from->exponent;
    memcpy(to->bins, from->bins, ADZE_STATS_BINS * sizeof *to->bins);
    if (!n) return true;
    channels *c = &to->channels;
    const channels *f = &from->channels;
    memcpy(c->count, f->count, n * sizeof *c->count);
    double *const into[] = {c->min, c->max, c->abs_max, c->mean, c->abs_mean, c->variance};
    const double *const of[] = {f->min, f->max, f->abs_max, f->mean, f->abs_mean, f->variance};
    for (size_t i = 0; i < sizeof into / sizeof *into; i++) memcpy(into[i], of[i], n * sizeof *into[i]);
    return true;
}

/* Counts stay whole numbers that add up: each bin gets what the rounded sum up to it grows by, so that no bin that both
 * have empty gets any. */
static void mix_bins(value_entry *to, const value_entry *from, weights w)
{
    uint64_t old[ADZE_STATS_BINS] = {0}, all = to->view.count + from->view.count;
    uint64_t seen_old = 0, seen_new = 0, before = 0;
    int shift = to->exponent - from->exponent < 62 ? to->exponent - from->exponent : 62;
    for (int64_t i = 0; i < ADZE_STATS_BINS; i++)
        if (from->bins[i]) old[((from->view.first_bin + i) >> shift) - to->view.first_bin] += from->bins[i];
    for (uint32_t i = 0; i < ADZE_STATS_BINS; i++) {
        seen_old += old[i];
        seen_new += to->bins[i];
        double sum = fmin(round(w.was * (double)seen_old + w.is * (double)seen_new), 0x1p63);
        uint64_t upto = sum < (double)all ? (uint64_t)sum : all;
        if (seen_old == from->view.count && seen_new == to->view.count) upto = all;
        if (upto < before) upto = before;
        to->bins[i] = upto - before;
        before = upto;
    }
}

/* `part`: of the old one. */
static void mix_moments(double part, double *mean, double *abs_mean, double *variance, double old_mean,
                        double old_abs_mean, double old_variance)
{
    double apart = old_mean - *mean;
    *variance = (1 - part) * *variance + part * old_variance + part * (1 - part) * apart * apart;
    *mean += part * apart;
    *abs_mean += part * (old_abs_mean - *abs_mean);
}

/* Channels of one value; what one of the two saw nothing of is as the other has it. */
static void mix_channels(const channels *to, const channels *from, uint64_t n, weights w)
{
    for (uint64_t i = 0; i < n; i++) {
        double old = w.was * (double)from->count[i], new = w.is * (double)to->count[i];
        if (!from->count[i]) continue;
        double part = to->count[i] ? old / (old + new) : 1;
        to->min[i] = to->count[i] ? fmin(to->min[i], from->min[i]) : from->min[i];
        to->max[i] = to->count[i] ? fmax(to->max[i], from->max[i]) : from->max[i];
        to->abs_max[i] = fmax(fabs(to->min[i]), fabs(to->max[i]));
        mix_moments(part, &to->mean[i], &to->abs_mean[i], &to->variance[i], from->mean[i], from->abs_mean[i],
                    from->variance[i]);
        to->count[i] += from->count[i];
    }
}

/* Both have seen some. */
static void mix_value(value_entry *to, const value_entry *from, double share)
{
    adze_value_stats *s = &to->view;
    const adze_value_stats *f = &from->view;
    weights w = weigh(f->count, s->count, share);
    stats_widen(to, f->min, f->max, from->exponent);
    mix_bins(to, from, w);
    mix_moments(share, &s->mean, &s->abs_mean, &s->variance, f->mean, f->abs_mean, f->variance);
    s->min = fmin(s->min, f->min);
    s->max = fmax(s->max, f->max);
    if (s->axis == f->axis && s->channels.n == f->channels.n) {
        mix_channels(&to->channels, &from->channels, s->channels.n, w);
    } else {
        stats_drop_channels(to);
        s->axis = ADZE_STATS_NO_AXIS;
    }
    s->count += f->count;
    s->samples += f->samples;
    s->n_nan += f->n_nan;
    s->n_infinite += f->n_infinite;
}

static bool merge_value(adze_stats *into, const adze_stats *old, const value_entry *from, double share)
{
    value_entry *to = adze_table_get_name(&into->by_name, from->view.name);
    bool is_new = !to;
    if (is_new) to = stats_add_value(into, from->view.name, from->view.axis);
    if (!is_new && (share == 0 || !from->view.count)) return true;
    if (is_new || share == 1 || !to->view.count)
        return take_value(to, from) || fail(into, old, "there is no memory for its channels");
    if (from->view.count > UINT64_MAX - to->view.count) return fail(into, old, "it counts more than can be added");
    mix_value(to, from, share);
    return true;
}

/* ---- Matrices ---- */

/* old: that of the other; both [groups][size + lower triangle]. */
static void mix_sums(gram_entry *to, const gram_entry *from, double share, double *sums, const double *old)
{
    uint64_t each = to->view.size + to->view.size * (to->view.size + 1) / 2;
    for (uint32_t g = 0; g < to->view.n_groups; g++, sums += each, old += each) {
        weights w = weigh(from->rows[g], to->rows[g], share);
        bool only = share == 1 && from->rows[g];
        if (only) w = (weights){1, 0};
        for (uint64_t i = 0; i < each; i++) sums[i] = w.was * old[i] + w.is * sums[i];
        to->rows[g] = only ? from->rows[g] : to->rows[g] + from->rows[g];
    }
}

static bool merge_gram(adze_stats *into, const adze_stats *old, gram_entry *from, double share)
{
    gram_entry *to = stats_find_gram(into, from->view.name, from->view.window);
    if (to && share == 0) return true;
    if (!to) to = stats_add_gram(into, from->view.name, from->view.window, from->view.size, from->view.n_groups);
    if (to->view.size != from->view.size || to->view.n_groups != from->view.n_groups)
        return fail(into, old, adze_internf(into->context, "the matrix of '%s' has another size", from->view.name));
    uint64_t n = gram_num_sums(to);
    double *sums = malloc((n + 1) * sizeof *sums), *other = malloc((n + 1) * sizeof *other);
    bool ok = (sums && other) || fail(into, old, "there is no memory for its matrices");
    ok = ok && stats_read_sums(into, to, 0, n, sums) && stats_read_sums(old, from, 0, n, other);
    if (ok) {
        mix_sums(to, from, share, sums, other);
        to->view.left_out = share == 1 ? from->view.left_out : to->view.left_out + from->view.left_out;
        free(to->sums);
        to->sums = sums;
        sums = NULL;
    }
    free(sums);
    free(other);
    return ok;
}

/* ---- All ---- */

bool adze_stats_merge(adze_stats *into, const adze_stats *old, double share)
{
    if (!(share >= 0 && share <= 1)) return fail(into, old, "the share of old statistics lies between 0 and 1");
    if (into->fingerprint != old->fingerprint)
        return fail(into, old, "they are of another model, or of another state of it, than the new ones");
    for (uint32_t i = 0; i < old->n_values; i++)
        if (!merge_value(into, old, old->values[i], share)) return false;
    for (uint32_t i = 0; i < old->n_grams; i++)
        if (!merge_gram(into, old, old->grams[i], share)) return false;
    if (share == 1) {
        into->data = old->data;
        into->samples = old->samples;
    } else if (share > 0) {
        into->data = adze_hash_mix(adze_hash_mix(into->data, old->data), adze_hash_bytes(&share, sizeof share));
        into->samples += old->samples;
    }
    return true;
}
