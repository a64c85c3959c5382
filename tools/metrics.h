/* What the outputs of a model on a data set are worth (adze eval).
 *
 * A metric sees one sample at a time: the model's outputs, and what it is compared with, which is the
 * sample's label, the outputs of another model, or both. Labels are
 *   classes   integers, one a sample, or one a position (tokens); below 0 = nothing to predict
 *   images    floats in the output's shape; NaN = nothing to compare with
 *   boxes     f32[boxes, 5], rows of class, x0, y0, x1, y1 as fractions of the image; class -1 pads
 */
#ifndef ADZE_METRICS_H
#define ADZE_METRICS_H

#include <adze/abi.h>

typedef enum adze_label_kind {
    ADZE_LABEL_NONE,
    ADZE_LABEL_CLASSES,
    ADZE_LABEL_IMAGE,
    ADZE_LABEL_BOXES
} adze_label_kind;

/* Values are tensors of numbers; a leading axis of 1 may stand for the sample. */
typedef struct adze_sample {
    uint32_t n_outputs;
    const adze_value *outputs;
    const adze_value *others; /* n_outputs values, or NULL */
    const adze_value *label;  /* or NULL */
    adze_label_kind label_kind;
} adze_sample;

/* Sums over the samples so far; `own` is freed by adze_score_free. */
typedef struct adze_score {
    double sum, weight, extra;
    uint64_t count, hits;
    struct adze_boxes *own;
} adze_score;

typedef struct adze_metric {
    const char *name, *unit, *help;
    uint32_t labels; /* bit 1 << adze_label_kind for each kind that it can use; 0 = it needs none */
    bool needs_other;
    int digits;
    /* False if the sample's shapes do not fit: *out_why says how. */
    bool (*add)(adze_score *score, const adze_sample *sample, const char **out_why);
    double (*value)(const adze_score *score);
} adze_metric;

extern const adze_metric adze_metrics[];
extern const uint32_t adze_n_metrics;

/* NULL if there is none. */
const adze_metric *adze_metric_find(const char *name, size_t size);
void adze_score_free(adze_score *score);

/* metric_boxes.c: FastestDet's head, and the average precision of its boxes at an overlap of 0.5. */
bool adze_boxes_add(adze_score *score, const adze_sample *sample, const char **out_why);
double adze_boxes_value(const adze_score *score);
void adze_boxes_free(struct adze_boxes *boxes);

#endif
