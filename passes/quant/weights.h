/* Constant weights of contractions: rounded, and written back as `dequantize` of narrow constants. */
#ifndef ADZE_QUANT_WEIGHTS_H
#define ADZE_QUANT_WEIGHTS_H

#include "passes/quant/numerics.h"
#include "passes/weights/matrix.h"

#include <adze/compress.h>
#include <adze/ir.h>
#include <adze/stats.h>
#include <adze/table.h>

/* ---- Rounding (weight_round.c) ---- */

typedef enum weight_method { WEIGHT_RTN, WEIGHT_GPTQ, WEIGHT_AWQ, WEIGHT_DESCEND, WEIGHT_AWQ_GPTQ } weight_method;

struct prefix_moments; /* passes/weights/prefix.h */

/* What weights become. */
typedef struct weight_plan {
    weight_method method;
    quant_clip clip;
    uint32_t bits;  /* 2 to 8 */
    size_t group;   /* channels that share a scale; 0 = all */
    bool symmetric, act_order;
    bool half_scales; /* scales of groups are stored as f16, where weights are neither tiny nor huge */
    bool progressive; /* by way of 8 and 6 bits */
    bool centred;     /* a bias makes up for what means lose: Gram matrices are of inputs less their means */
    double shrink;    /* of the range that the clip gives; 0 = 1 */
    uint32_t polish;  /* sweeps of descent after rounding */
    uint32_t refit;   /* times that scales are fitted to the codes after that, and codes to the scales */
    const adze_stats *stats; /* attached; NULL where the plan needs none */
    /* What the layer at hand reads behind what is rounded already: then in the place of Gram matrices from `stats`. */
    const struct prefix_moments *moments;
} weight_plan;

/* Rounded weights; weight_free ends it. Steps are [rows][blocks of a row]. */
typedef struct weight_rounded {
    quant_grid grid;
    size_t group, blocks; /* channels of a block; blocks of a row: those of tap 0, of tap 1, … */
    quant_step *steps;
    double *w, *values; /* [rows][cols] what is rounded (times factors), and rounded; in the order of the tensor */
    double *factors;    /* [channels]: inputs are to be divided by it; NULL = none */
    bool *kept;         /* [rows][cols]: what is false is 0 and stays so, for the layer was pruned; NULL = it was not */
} weight_rounded;

/* Reads options of passes; false after an error. */
bool weight_method_parse(adze_context *context, const char *text, weight_method *out);
bool weight_clip_parse(adze_context *context, const char *text, quant_clip *out);
/* Does the plan read Gram matrices? */
bool weight_needs_gram(const weight_plan *plan);
/* AWQ's factors are for products: what has windows or groups gets none. False after an error that names what lacks
 * statistics. */
bool weight_round(const weight_matrix *m, const weight_plan *plan, weight_rounded *out);
void weight_free(weight_rounded *r);
/* Raises the scale of a row of one block and rounds its weights anew. */
void weight_raise_scale(const weight_matrix *m, weight_rounded *r, size_t row, double scale);

/* ---- Writing back (weight_emit.c) ---- */

/* `dequantize` of new constants, above the op: codes in i8, or i4 where bits <= 4. NULL after an error. */
adze_ir_value *weight_emit(const weight_matrix *m, const weight_plan *plan, const weight_rounded *r);
/* All that share the constant read `with`, and their input divided by `factors` unless that is NULL; erases the
 * constant where nobody is left. False after an error. */
bool weight_replace(const weight_matrix *m, adze_ir_value *with, const double *factors);

/* ---- Options that passes share (weight_options.c) ---- */

/* What weight passes are told: how weights are rounded, and which ones. */
typedef struct weight_options {
    int64_t bits, group, edge_bits, min_elements, polish, refit;
    bool symmetric, act_order, sequential, progressive;
    const char *method, *clip, *scales, *stats, *plan;
} weight_options;

/* How weights of a function are rounded, as options, statistics and a layer plan say. */
typedef struct weight_choice {
    const weight_options *options;
    weight_plan plan;
    adze_stats *stats;
    adze_layer_plan *layers;
    adze_format_kind kind; /* the formats of the plan that the pass makes */
    adze_table first, last;
} weight_choice;

/* Reads the files and checks all options; `pass` and the name of its option `method` are for messages. False after an
 * error; end it either way. */
bool weight_choice_begin(weight_choice *choice, const weight_options *options, const char *pass, const char *method,
                         adze_format_kind kind, adze_module *module);
/* Those of the function: which layers come first and last. */
void weight_choice_enter(weight_choice *choice, adze_func *func);
/* How the op's weights are to be rounded; false where they stay as they are. */
bool weight_choice_of(const weight_choice *choice, const weight_matrix *m, weight_plan *out);
void weight_choice_leave(weight_choice *choice);
void weight_choice_end(weight_choice *choice);
/* Loads a layer plan and checks that the module has the layers that `kind` is for. NULL after an error. */
adze_layer_plan *weight_layers(const char *path, adze_format_kind kind, adze_module *module);
/* What the plan says of the op, where that is of `kind`. */
bool weight_format(const adze_layer_plan *layers, adze_format_kind kind, const adze_op *op, adze_format *out);

#endif
