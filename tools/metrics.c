/* Metrics of answers, signals and images (metrics.h). All sums are in double. */
#include "metrics.h"

#include "ir/eval/convert.h"

#include <math.h>
#include <string.h>

static double at(const adze_value *v, uint64_t index) { return ev_get_f64(v, (int64_t)index); }

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
    *out = ev_get_i64(s->label, (int64_t)p);
    if (*out < 0 || (uint64_t)*out < classes) return true;
    *out_why = "a label is past the last class";
    return false;
}

static bool add_top(adze_score *score, const adze_sample *s, uint64_t k, const char **out_why)
{
    uint64_t positions, classes;
    if (!split_positions(s, &positions, &classes, out_why)) return false;
    for (uint64_t p = 0; p < positions; p++) {
        int64_t label;
        if (!read_label(s, p, classes, &label, out_why)) return false;
        if (label < 0) continue;
        score->count++;
        score->hits += is_among(&s->outputs[0], p * classes, classes, (uint64_t)label, k);
    }
    return true;
}

static bool add_top1(adze_score *score, const adze_sample *s, const char **why) { return add_top(score, s, 1, why); }
static bool add_top5(adze_score *score, const adze_sample *s, const char **why) { return add_top(score, s, 5, why); }

static double percent(const adze_score *score)
{
    return score->count ? 100.0 * (double)score->hits / (double)score->count : NAN;
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

static bool add_agreement(adze_score *score, const adze_sample *s, const char **out_why)
{
    uint64_t positions, classes;
    if (!same_count(&s->outputs[0], &s->others[0], out_why)) return false;
    if (!split_positions(s, &positions, &classes, out_why)) return false;
    for (uint64_t p = 0; p < positions; p++) {
        if (s->label && s->label_kind == ADZE_LABEL_CLASSES && ev_get_i64(s->label, (int64_t)p) < 0) continue;
        score->count++;
        score->hits +=
            best_of(&s->outputs[0], p * classes, classes) == best_of(&s->others[0], p * classes, classes);
    }
    return true;
}

/* Cross entropy of the label under the softmax of the scores, in nat. */
static bool add_entropy(adze_score *score, const adze_sample *s, const char **out_why)
{
    uint64_t positions, classes;
    const adze_value *y = &s->outputs[0];
    if (!split_positions(s, &positions, &classes, out_why)) return false;
    for (uint64_t p = 0; p < positions; p++) {
        int64_t label;
        if (!read_label(s, p, classes, &label, out_why)) return false;
        if (label < 0) continue;
        double most = at(y, p * classes + best_of(y, p * classes, classes)), sum = 0;
        for (uint64_t c = 0; c < classes; c++) sum += exp(at(y, p * classes + c) - most);
        score->sum += log(sum) + most - at(y, p * classes + (uint64_t)label);
        score->count++;
    }
    return true;
}

static double mean(const adze_score *score) { return score->count ? score->sum / (double)score->count : NAN; }
static double perplexity(const adze_score *score) { return exp(mean(score)); }

/* ---- Signals: all outputs against the other's ---- */

/* sum: squares of the other; weight: squares of the difference. */
static bool add_snr(adze_score *score, const adze_sample *s, const char **out_why)
{
    for (uint32_t k = 0; k < s->n_outputs; k++) {
        if (!same_count(&s->outputs[k], &s->others[k], out_why)) return false;
        for (uint64_t i = 0, n = adze_value_count(&s->outputs[k]); i < n; i++) {
            double x = at(&s->outputs[k], i), r = at(&s->others[k], i);
            if (x == r || (isnan(x) && isnan(r))) {
                score->sum += isfinite(r) ? r * r : 0;
                continue;
            }
            score->sum += r * r;
            score->weight += (x - r) * (x - r);
        }
    }
    return true;
}

static double snr(const adze_score *score) { return 10 * log10(score->sum / score->weight); }

static bool add_cosine(adze_score *score, const adze_sample *s, const char **out_why)
{
    double xx = 0, rr = 0, xr = 0;
    for (uint32_t k = 0; k < s->n_outputs; k++) {
        if (!same_count(&s->outputs[k], &s->others[k], out_why)) return false;
        for (uint64_t i = 0, n = adze_value_count(&s->outputs[k]); i < n; i++) {
            double x = at(&s->outputs[k], i), r = at(&s->others[k], i);
            xx += x * x, rr += r * r, xr += x * r;
        }
    }
    score->sum += xx > 0 && rr > 0 ? xr / sqrt(xx * rr) : xx == rr;
    score->count++;
    return true;
}

/* Largest difference as a share of the output's largest magnitude, over all samples and outputs. */
static bool add_difference(adze_score *score, const adze_sample *s, const char **out_why)
{
    for (uint32_t k = 0; k < s->n_outputs; k++) {
        double most = 0, largest = 0;
        if (!same_count(&s->outputs[k], &s->others[k], out_why)) return false;
        for (uint64_t i = 0, n = adze_value_count(&s->outputs[k]); i < n; i++) {
            double x = at(&s->outputs[k], i), r = at(&s->others[k], i);
            if (isfinite(r)) largest = fmax(largest, fabs(r));
            if (x == r || (isnan(x) && isnan(r))) continue;
            most = isnan(x - r) ? INFINITY : fmax(most, fabs(x - r));
        }
        score->sum = fmax(score->sum, most > 0 ? most / largest : 0);
    }
    return true;
}

static double largest(const adze_score *score) { return score->sum; }

/* Peak 1, outputs clipped to [0, 1]; against the label, or without one against the other's output. */
static bool add_psnr(adze_score *score, const adze_sample *s, const char **out_why)
{
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
    score->sum -= 10 * log10(error / (double)seen);
    score->count++;
    return true;
}

/* ---- The table ---- */

enum { CLASSES = 1 << ADZE_LABEL_CLASSES, IMAGE = 1 << ADZE_LABEL_IMAGE, BOXES = 1 << ADZE_LABEL_BOXES };

const adze_metric adze_metrics[] = {
    {"top1", "%", "share of labels that the largest score names", CLASSES, false, 2, add_top1, percent},
    {"top5", "%", "share of labels among the five largest scores", CLASSES, false, 2, add_top5, percent},
    {"perplexity", "", "exponential of the mean cross entropy of the labels", CLASSES, false, 4, add_entropy,
     perplexity},
    {"entropy", "nat", "mean cross entropy of the labels", CLASSES, false, 4, add_entropy, mean},
    {"ap50", "%", "average precision of FastestDet's boxes at an overlap of 0.5", BOXES, false, 2, adze_boxes_add,
     adze_boxes_value},
    {"psnr", "dB", "peak signal to noise ratio, peak 1, mean over images", IMAGE, false, 2, add_psnr, mean},
    {"agreement", "%", "share of answers that are the other's", 0, true, 2, add_agreement, percent},
    {"snr", "dB", "power of the other's outputs over power of the difference", 0, true, 2, add_snr, snr},
    {"cosine", "", "cosine between the two models' outputs, mean over samples", 0, true, 6, add_cosine, mean},
    {"difference", "", "largest difference over the output's largest magnitude", 0, true, 9, add_difference, largest},
};
const uint32_t adze_n_metrics = sizeof adze_metrics / sizeof *adze_metrics;

const adze_metric *adze_metric_find(const char *name, size_t size)
{
    for (uint32_t i = 0; i < adze_n_metrics; i++)
        if (strlen(adze_metrics[i].name) == size && !memcmp(adze_metrics[i].name, name, size)) return &adze_metrics[i];
    return NULL;
}

void adze_score_free(adze_score *score)
{
    adze_boxes_free(score->own);
    *score = (adze_score){0};
}
