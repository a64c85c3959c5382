/* Metrics of answers, signals and images. All sums are in double. */
#include "passes/builtin.h"

#include <math.h>
#include <stdio.h>

/* Sums over the samples so far. */
typedef struct sums {
    double sum, weight;
    uint64_t count, hits;
} sums;

static double at(const adze_value *v, uint64_t index) { return adze_value_real(v, index); }

/* ---- Answers: the class with the largest score, at each position ---- */

/* The first output as [positions, classes]. With labels, these count the positions; else the last axis
 * holds the classes, unless all others are 1. */
static bool split_positions(const adze_sample *s, uint64_t *out_positions, uint64_t *out_classes, const char **out_why)
{
    const adze_value *y = &s->outputs[0];
    uint64_t total = adze_value_count(y), positions = 1;
    if (s->label && s->label_kind == ADZE_LABEL_CLASSES) {
        positions = adze_value_count(s->label);
    } else {
        uint64_t wide = 0;
        for (uint32_t i = 0; i < y->rank; i++) wide += y->dims[i] > 1;
        if (wide > 1 && y->dims[y->rank - 1] > 0) positions = total / (uint64_t)y->dims[y->rank - 1];
    }
    if (!positions || !total || total % positions) {
        *out_why = "the first output's size is no multiple of the labels'";
        return false;
    }
    *out_positions = positions;
    *out_classes = total / positions;
    return true;
}

/* Is `label` among the k classes with the largest scores? Of equal scores the lower class is better. */
static bool is_among(const adze_value *y, uint64_t first, uint64_t classes, uint64_t label, uint64_t k)
{
    double score = at(y, first + label);
    uint64_t better = 0;
    for (uint64_t c = 0; c < classes && better < k; c++) {
        double other = at(y, first + c);
        better += other > score || (other == score && c < label);
    }
    return better < k && !isnan(score);
}

/* Label of position `p`; a negative one means that the position does not count. */
static bool read_label(const adze_sample *s, uint64_t p, uint64_t classes, int64_t *out, const char **out_why)
{
    *out = adze_value_int(s->label, p);
    if (*out < 0 || (uint64_t)*out < classes) return true;
    *out_why = "a label is past the last class";
    return false;
}

static bool add_top(void *state, const adze_sample *s, uint64_t k, const char **out_why)
{
    sums *all = state;
    uint64_t positions, classes;
    if (!split_positions(s, &positions, &classes, out_why)) return false;
    for (uint64_t p = 0; p < positions; p++) {
        int64_t label;
        if (!read_label(s, p, classes, &label, out_why)) return false;
        if (label < 0) continue;
        all->count++;
        all->hits += is_among(&s->outputs[0], p * classes, classes, (uint64_t)label, k);
    }
    return true;
}

static bool add_top1(void *state, const adze_sample *s, const char **why) { return add_top(state, s, 1, why); }
static bool add_top5(void *state, const adze_sample *s, const char **why) { return add_top(state, s, 5, why); }

static double percent(const void *state)
{
    const sums *all = state;
    return all->count ? 100.0 * (double)all->hits / (double)all->count : NAN;
}

static uint64_t best_of(const adze_value *y, uint64_t first, uint64_t classes)
{
    uint64_t best = 0;
    for (uint64_t c = 1; c < classes; c++)
        if (at(y, first + c) > at(y, first + best)) best = c;
    return best;
}

static bool same_count(const adze_value *a, const adze_value *b, const char **out_why)
{
    if (adze_value_count(a) == adze_value_count(b)) return true;
    *out_why = "the outputs differ in size from what they are compared with";
    return false;
}

static bool add_agreement(void *state, const adze_sample *s, const char **out_why)
{
    sums *all = state;
    uint64_t positions, classes;
    if (!same_count(&s->outputs[0], &s->others[0], out_why)) return false;
    if (!split_positions(s, &positions, &classes, out_why)) return false;
    for (uint64_t p = 0; p < positions; p++) {
        if (s->label && s->label_kind == ADZE_LABEL_CLASSES && adze_value_int(s->label, p) < 0) continue;
        all->count++;
        all->hits +=
            best_of(&s->outputs[0], p * classes, classes) == best_of(&s->others[0], p * classes, classes);
    }
    return true;
}

/* Cross entropy of the label under the softmax of the scores, in nat. */
static bool add_entropy(void *state, const adze_sample *s, const char **out_why)
{
    sums *all = state;
    uint64_t positions, classes;
    const adze_value *y = &s->outputs[0];
    if (!split_positions(s, &positions, &classes, out_why)) return false;
    for (uint64_t p = 0; p < positions; p++) {
        int64_t label;
        if (!read_label(s, p, classes, &label, out_why)) return false;
        if (label < 0) continue;
        double most = at(y, p * classes + best_of(y, p * classes, classes)), sum = 0;
        for (uint64_t c = 0; c < classes; c++) sum += exp(at(y, p * classes + c) - most);
        all->sum += log(sum) + most - at(y, p * classes + (uint64_t)label);
        all->count++;
    }
    return true;
}

static double mean(const void *state)
{
    const sums *all = state;
    return all->count ? all->sum / (double)all->count : NAN;
}

static double exp_mean(const void *state) { return exp(mean(state)); }

/* ---- Signals: all outputs against the other's ---- */

/* sum: squares of the other; weight: squares of the difference. */
static bool add_snr(void *state, const adze_sample *s, const char **out_why)
{
    sums *all = state;
    for (uint32_t k = 0; k < s->n_outputs; k++) {
        if (!same_count(&s->outputs[k], &s->others[k], out_why)) return false;
        for (uint64_t i = 0, n = adze_value_count(&s->outputs[k]); i < n; i++) {
            double x = at(&s->outputs[k], i), r = at(&s->others[k], i);
            if (x == r || (isnan(x) && isnan(r))) {
                all->sum += isfinite(r) ? r * r : 0;
                continue;
            }
            all->sum += r * r;
            all->weight += (x - r) * (x - r);
        }
    }
    return true;
}

static double ratio(const void *state)
{
    const sums *all = state;
    return 10 * log10(all->sum / all->weight);
}

static bool add_cosine(void *state, const adze_sample *s, const char **out_why)
{
    sums *all = state;
    double xx = 0, rr = 0, xr = 0;
    for (uint32_t k = 0; k < s->n_outputs; k++) {
        if (!same_count(&s->outputs[k], &s->others[k], out_why)) return false;
        for (uint64_t i = 0, n = adze_value_count(&s->outputs[k]); i < n; i++) {
            double x = at(&s->outputs[k], i), r = at(&s->others[k], i);
            xx += x * x, rr += r * r, xr += x * r;
        }
    }
    all->sum += xx > 0 && rr > 0 ? xr / sqrt(xx * rr) : xx == rr;
    all->count++;
    return true;
}

/* Largest difference as a share of the output's largest magnitude, over all samples and outputs. */
static bool add_difference(void *state, const adze_sample *s, const char **out_why)
{
    sums *all = state;
    for (uint32_t k = 0; k < s->n_outputs; k++) {
        double most = 0, largest = 0;
        if (!same_count(&s->outputs[k], &s->others[k], out_why)) return false;
        for (uint64_t i = 0, n = adze_value_count(&s->outputs[k]); i < n; i++) {
            double x = at(&s->outputs[k], i), r = at(&s->others[k], i);
            if (isfinite(r)) largest = fmax(largest, fabs(r));
            if (x == r || (isnan(x) && isnan(r))) continue;
            most = isnan(x - r) ? INFINITY : fmax(most, fabs(x - r));
        }
        all->sum = fmax(all->sum, most > 0 ? most / largest : 0);
    }
    return true;
}

static double largest(const void *state) { return ((const sums *)state)->sum; }

/* Peak 1, outputs clipped to [0, 1]; against the label, or without one against the other's output. */
static bool add_psnr(void *state, const adze_sample *s, const char **out_why)
{
    sums *all = state;
    bool labelled = s->label && s->label_kind == ADZE_LABEL_IMAGE;
    const adze_value *want = labelled ? s->label : &s->others[0];
    double error = 0;
    uint64_t n = adze_value_count(&s->outputs[0]), seen = 0;
    if (!same_count(&s->outputs[0], want, out_why)) return false;
    for (uint64_t i = 0; i < n; i++) {
        double x = fmin(fmax(at(&s->outputs[0], i), 0), 1), r = at(want, i);
        if (isnan(r)) continue;
        error += (x - r) * (x - r);
        seen++;
    }
    if (!seen) return true;
    all->sum -= 10 * log10(error / (double)seen);
    all->count++;
    return true;
}

/* ---- The table ---- */

static void count_changes(const void *state, char *out, size_t size)
{
    const sums *all = state;
    if (!all->count) return;
    snprintf(out, size, "%llu of %llu answers changed", (unsigned long long)(all->count - all->hits),
             (unsigned long long)all->count);
}

#define METRIC(id, ...)                                                                                          \
    static const adze_metric id = {                                                                              \
        .struct_size = sizeof(adze_metric), .state_size = sizeof(sums), .name = #id, __VA_ARGS__};
#define CLASSES .labels = 1U << ADZE_LABEL_CLASSES
#define IMAGE   .labels = 1U << ADZE_LABEL_IMAGE
#define OTHER   .needs_other = true

METRIC(top1, CLASSES, .unit = "%", .help = "share of labels that the largest score names", .digits = 2,
       .add = add_top1, .value = percent)
METRIC(top5, CLASSES, .unit = "%", .help = "share of labels among the five largest scores", .digits = 2,
       .add = add_top5, .value = percent)
METRIC(perplexity, CLASSES, .unit = "", .help = "exponential of the mean cross entropy of the labels", .digits = 4,
       .lower_is_better = true, .add = add_entropy, .value = exp_mean)
METRIC(entropy, CLASSES, .unit = "nat", .help = "mean cross entropy of the labels", .digits = 4,
       .lower_is_better = true, .add = add_entropy, .value = mean)
METRIC(psnr, IMAGE, .unit = "dB", .help = "peak signal to noise ratio, peak 1, mean over images", .digits = 2,
       .add = add_psnr, .value = mean)
METRIC(agreement, OTHER, .unit = "%", .help = "share of answers that are the other's", .digits = 2,
       .add = add_agreement, .value = percent, .detail = count_changes)
METRIC(snr, OTHER, .unit = "dB", .help = "power of the other's outputs over power of the difference", .digits = 2,
       .add = add_snr, .value = ratio)
METRIC(cosine, OTHER, .unit = "", .help = "cosine between the two models' outputs, mean over samples", .digits = 6,
       .add = add_cosine, .value = mean)
METRIC(difference, OTHER, .unit = "", .help = "largest difference over the output's largest magnitude", .digits = 9,
       .lower_is_better = true, .add = add_difference, .value = largest)

const adze_metric *const adze_builtin_metrics[] = {
    &top1, &top5, &perplexity, &entropy, &adze_metric_ap50, &psnr, &agreement, &snr, &cosine, &difference, NULL,
};
