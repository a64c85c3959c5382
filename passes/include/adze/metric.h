/* Metrics, which say what a model's outputs are worth, and sensitivities, which say what its weights are worth.
 *
 * `adze eval` computes metrics, `adze info --sensitivity` scores; searches over compressed models will steer by both.
 * Both are descriptors. Their functions get borrowed values, valid during the call, and report nothing: what does not
 * fit they say in *out_why.
 */
#ifndef ADZE_METRIC_H
#define ADZE_METRIC_H

#include <adze/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a data set's `labels` are. */
typedef enum adze_label_kind {
    ADZE_LABEL_NONE,
    ADZE_LABEL_CLASSES, /* integers, one a sample, or one a position (tokens); below 0 = nothing to predict */
    ADZE_LABEL_IMAGE,   /* floats in the output's shape; NaN = nothing to compare with */
    ADZE_LABEL_BOXES    /* f32[boxes, 5], rows of class, x0, y0, x1, y1 as fractions of the image; class -1 pads */
} adze_label_kind;

/* One sample of a data set. Values are tensors of numbers; a leading axis of 1 may stand for the sample. */
typedef struct adze_sample {
    uint32_t n_outputs;
    const adze_value *outputs; /* of the model */
    const adze_value *others;  /* of the model that it is compared with: n_outputs values, or NULL */
    const adze_value *label;   /* or NULL */
    adze_label_kind label_kind;
} adze_sample;

/* Sees the samples one by one, and then gives one number. What it sums up lies in `state`, state_size bytes that
 * are zero before the first sample. One thread. */
typedef struct adze_metric {
    uint32_t struct_size;
    uint32_t labels; /* bit 1 << adze_label_kind for each kind that it can use; 0 = it needs none */
    const char *name; /* "top1" */
    const char *unit; /* "%", "dB", or "" */
    const char *help; /* one line, lower case, no full stop */
    bool needs_other;     /* another model's outputs */
    bool lower_is_better; /* an error, not a score */
    uint16_t digits;      /* behind the point, in print */
    uint32_t state_size;
    /* False if the sample's shapes do not fit: *out_why, a string that stays, says how. */
    bool (*add)(void *state, const adze_sample *sample, const char **out_why);
    double (*value)(const void *state); /* NaN where there was nothing to measure */
    void (*clear)(void *state);         /* frees what `add` took; NULL = nothing */
    /* More that can be said about the value, in a few words; NULL = nothing. */
    void (*detail)(const void *state, char *out, size_t size);
} adze_metric;

/* What a sensitivity is asked: a constant operand of an op. */
typedef struct adze_sensitivity_query {
    uint32_t struct_size;
    uint32_t operand; /* of `op` */
    const adze_op *op;
    const adze_value *weight; /* that operand's elements: a dense tensor of a real type */
} adze_sensitivity_query;

/* How much each element of a weight matters: the larger its score, the more the outputs suffer when it is removed
 * or narrowed. */
typedef struct adze_sensitivity {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name; /* "magnitude" */
    const char *help;
    /* A score for each element, in their order; false, with *out_why, where it can say nothing. */
    bool (*score)(const adze_sensitivity_query *query, double *out_scores, const char **out_why);
} adze_sensitivity;

#ifdef __cplusplus
}
#endif
#endif
