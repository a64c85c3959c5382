/* quantize-static in parts: what becomes narrow, with which scales, and the ops for it. */
#ifndef ADZE_QUANT_STATIC_H
#define ADZE_QUANT_STATIC_H

#include "passes/quant/weights.h"
#include "passes/weights/prefix.h"

#include <adze/arena.h>
#include <adze/pass.h>

typedef struct static_options {
    const char *stats, *range, *weights, *clip, *skip, *plan;
    int64_t bits, polish, refit, search, search_samples;
    double share;
    bool correct_bias, float_bias, sums, sequential;
} static_options;

/* How an op takes part. */
typedef enum static_kind {
    STATIC_FLOAT,    /* not at all: its operands stay float */
    STATIC_CONTRACT, /* sums products of codes */
    STATIC_SHARE,    /* gives elements of its operands: their codes */
    STATIC_MEAN,     /* sums codes */
    STATIC_ELEMENT   /* computes in float what it reads as codes, element by element */
} static_kind;

/* A value that may be narrow. */
typedef struct activation {
    adze_ir_value *value;
    struct activation *parent; /* union-find: they share a scale */
    bool produced; /* by ops that compute with codes, and those that follow them element by element */
    bool wanted;   /* an op reads its codes */
    bool copied;   /* its codes are those of another value */
    bool covers;   /* copied, but not from all operands: its own range counts, too */
    bool ranged;   /* of a root: lo and hi are known */
    double lo, hi;
    quant_step step;                   /* of a root */
    adze_ir_value *scale, *zero;       /* of a root: the constants */
} activation;

typedef struct static_plan {
    const static_options *options;
    adze_pass_run *run;
    adze_arena arena;
    adze_table activations; /* by value */
    adze_table kinds;       /* by op: static_kind + 1 */
    adze_table readers;     /* ops that read codes */
    adze_table apart;       /* concat to a bit for each operand that keeps a scale of its own */
    activation **order;     /* as they were met */
    uint32_t n, capacity;
    adze_stats *stats;
    adze_layer_plan *layers; /* NULL = all that can be */
    quant_range range;
    quant_grid grid; /* of activations */
    weight_plan weights;
    adze_table first, last;
    adze_table shrinks;   /* by op: the factor of its weights' range that search found, a double */
    weight_prefix *prefix; /* NULL = layers are rounded each for itself */
} static_plan;

/* ---- static_select.c ---- */

/* The activation of a value, made when first asked for. */
activation *static_activation(static_plan *plan, adze_ir_value *value);
activation *static_root(activation *a);
static_kind static_kind_of(const static_plan *plan, const adze_op *op);
/* Does operand `index` carry data that may become narrow: an f32 tensor that is no constant and has no codes yet? */
bool static_reads(const adze_op *op, uint32_t index);
/* Does the op read codes where its operands have them? As it was when static_select ran. */
bool static_reads_codes(const static_plan *plan, const adze_op *op);
/* Says of all ops and values of the function how they take part. False after an error. */
bool static_select(static_plan *plan, adze_func *func);

/* Does operand `index` of a concat have codes of another scale than the result? Then it is rounded once more. */
bool static_apart(const static_plan *plan, const adze_op *op, uint32_t index);

/* ---- static_range.c ---- */

/* The bounds that a value's codes would have alone. False where nothing is known of it. */
bool static_range_of(static_plan *plan, const adze_ir_value *value, double *lo, double *hi);
/* Gives all wanted values their steps, from statistics. False after an error that names a value without any. */
bool static_ranges(static_plan *plan);

/* ---- static_search.c ---- */

/* Moves ranges to where what contractions give, on calibration data, has less error. False after an error. */
bool static_search(static_plan *plan, adze_func *func);

/* ---- static_emit.c ---- */

/* From now on the copy behind rounded layers reads all wanted values through their grids. False after an error. */
bool static_round_prefix(static_plan *plan, adze_func *func);
/* Weights and bias of a contraction, and of those that share its weights. */
adze_outcome static_emit_weights(static_plan *plan, const weight_matrix *m);
/* `quantize` and `dequantize` behind a value, for the ops that read codes. */
adze_outcome static_emit_value(static_plan *plan, activation *a);

#endif
