/* Mixed precision: what each layer of a model becomes, and which choice is best.
 *
 * A *layer* is a contraction with constant f32 weights, with all that share its weights. Its *format* says how it is
 * stored and computed. A *layer plan* gives formats to layers; passes read it (plan=FILE), `adze compress` writes it.
 * Functions that fail report to the context.
 */
#ifndef ADZE_COMPRESS_H
#define ADZE_COMPRESS_H

#include <adze/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Formats (format.c) ---- */

typedef enum adze_format_kind {
    ADZE_FORMAT_FLOAT,   /* f32: stays as it is */
    ADZE_FORMAT_CAST,    /* f16, bf16: weights stored so, computed in f32; pass cast */
    ADZE_FORMAT_WEIGHTS, /* w8, w4, w4g32: weights in codes with zero points, computed in f32; pass quantize-weights */
    ADZE_FORMAT_STATIC,  /* w8a8, w4a8: activations too, with calibrated scales; pass quantize-static */
    ADZE_FORMAT_ROWS     /* w8a8-rows, w4a8-rows: activations scaled row by row; pass quantize-dynamic */
} adze_format_kind;

/* What pruning and factorisation make of a layer's weights, ahead of how these are stored. */
typedef enum adze_structure {
    ADZE_DENSE,
    ADZE_SPARSE,     /* s50: 50 per cent of the weights are 0 */
    ADZE_SPARSE_BLOCKS, /* s80b16x1: 80 per cent of the blocks of 16 rows (outputs) by 1 column are 0 */
    ADZE_SPARSE_N_M, /* s2:4: at most 2 of each 4 weights of a row, in the order of the matrix, are not 0 */
    ADZE_LOW_RANK,   /* r64: a product of two matrices over 64 values; r50%: over as many as half of the weights take */
    ADZE_TUCKER,     /* t32x16: of a convolution; 1x1 to 16 channels, the window from these to 32, 1x1 to all */
    ADZE_SPATIAL     /* v24: of a convolution; a column of the window to 24 channels, then a row of it */
} adze_structure;

/* In text: f32, f16, bf16, or w BITS, then a8 or a8-rows or nothing, then g GROUP or nothing. Ahead of that a
 * structure and +, as in s50+w8a8; a structure alone is one of f32. */
typedef struct adze_format {
    adze_format_kind kind;
    uint32_t bits;  /* of a weight: 2 to 8, 16, 32 */
    uint32_t group; /* input channels that share a scale; 0 = all. Of WEIGHTS and ROWS */
    uint32_t brain; /* CAST: 1 = bf16, 0 = f16 */
    adze_structure structure;
    uint32_t percent;       /* SPARSE, SPARSE_BLOCKS: of what is 0, 1 to 99; LOW_RANK, TUCKER, SPATIAL without ranks: of
                               the weights that are left; see adze_layer_concrete */
    uint32_t first, second; /* SPARSE_BLOCKS: rows and columns of a block; N_M: n and m; LOW_RANK, SPATIAL: the rank;
                               TUCKER: channels out and in of the core */
} adze_format;

/* False, without a message, where the text names none. */
ADZE_API bool adze_format_find(const char *text, size_t size, adze_format *out);
ADZE_API void adze_format_print(adze_format format, adze_text *out);
ADZE_API bool adze_format_equal(adze_format a, adze_format b);
/* Do artifacts of the pipeline O2-small store such weights without their zeros? Floats and whole bytes, but not codes
 * that a kernel reads itself. */
ADZE_API bool adze_format_leaves_zeros_out(adze_format format);

/* ---- Layer plans (layer_plan.c) ---- */

/* Text, a line each:
 *
 *     adze-plan 1
 *     seed 1                                   settings: a word, the rest of the line is its value
 *     layer conv1 w8a8                         # what stands behind # says why
 *     layer "my conv" f32
 *     channels conv3 48                        keeps 48 of the channels that conv3's results have
 *     drop block4                              leaves a block out
 */
typedef struct adze_layer_plan adze_layer_plan;

ADZE_API adze_layer_plan *adze_layer_plan_create(adze_context *context);
ADZE_API void adze_layer_plan_destroy(adze_layer_plan *plan); /* NULL is allowed */
/* NULL after an error, which names line and column. */
ADZE_API adze_layer_plan *adze_layer_plan_load(adze_context *context, const char *path);
ADZE_API void adze_layer_plan_print(const adze_layer_plan *plan, adze_text *out);
/* Writes the file anew, or leaves the old one and gives false after an error. */
ADZE_API bool adze_layer_plan_save(const adze_layer_plan *plan, const char *path);
ADZE_API uint32_t adze_layer_plan_count(const adze_layer_plan *plan);
ADZE_API const char *adze_layer_plan_name(const adze_layer_plan *plan, uint32_t index);
ADZE_API adze_format adze_layer_plan_format(const adze_layer_plan *plan, uint32_t index);
/* Adds a layer, or changes it; `note` (NULL = none) is printed behind it. */
ADZE_API void adze_layer_plan_put(adze_layer_plan *plan, const char *layer, adze_format format, const char *note);
/* The entry of a contraction: under its weights' name, its result's, or one of its ONNX nodes', the first of these that
 * there is; -1 where there is none. */
ADZE_API int64_t adze_layer_plan_find(const adze_layer_plan *plan, const adze_op *op);
/* Lines `channels NAME KEEP` and, with a KEEP of 0, `drop NAME`: of groups of channels, and blocks, as the passes that
 * remove them name these. */
ADZE_API uint32_t adze_layer_plan_num_cuts(const adze_layer_plan *plan);
ADZE_API const char *adze_layer_plan_cut_name(const adze_layer_plan *plan, uint32_t index);
ADZE_API uint64_t adze_layer_plan_cut_keep(const adze_layer_plan *plan, uint32_t index);
ADZE_API const char *adze_layer_plan_cut_note(const adze_layer_plan *plan, uint32_t index); /* NULL: none */
ADZE_API void adze_layer_plan_put_cut(adze_layer_plan *plan, const char *name, uint64_t keep, const char *note);
/* A setting's value, NULL where there is none. */
ADZE_API const char *adze_layer_plan_get(const adze_layer_plan *plan, const char *key);
ADZE_API void adze_layer_plan_set(adze_layer_plan *plan, const char *key, const char *value);

/* ---- Settings (layers.c) ---- */

/* How passes find codes. NULL members: the passes' own defaults. */
typedef struct adze_layer_settings {
    uint32_t struct_size;
    uint32_t tables;     /* 1 = tables of embeddings become codes of 8 bits; they are no layers */
    const char *stats;   /* file; with Gram matrices for all but weights=rtn, clip=absmax */
    const char *weights; /* rtn, gptq or cd for all; auto: cd, and for WEIGHTS gptq with polish and refit */
    const char *clip;    /* of weights: absmax, mse or gram */
    const char *range;   /* of activations: minmax, percentile, mse or kl */
} adze_layer_settings;

/* Do the passes read Gram matrices? */
ADZE_API bool adze_layer_settings_need_gram(const adze_layer_settings *settings);

/* ---- Layers of a module (layers.c) ---- */

typedef struct adze_layer {
    const char *name;   /* unique in the module, known to adze_layer_plan_find: a node's, else the weights' */
    const char *weights; /* the constant's name */
    adze_op *op;        /* the first one that reads it */
    uint32_t n_ops;
    bool takes_rows;    /* a matrix product whose input's last axis is summed over: may be scaled row by row */
    bool has_gram;      /* the statistics hold what each of its ops is multiplied with */
    uint64_t rows, cols, channels; /* of the weights as a matrix: outputs, what is summed over, input channels in it */
    uint64_t biases;    /* numbers */
    uint64_t groups;    /* of a convolution; rows are those of all of them */
    uint64_t kernel[2]; /* window of a convolution of two dims; else 1, 1 */
    bool no_range;      /* the statistics saw no finite value of what one of its ops reads */
} adze_layer;

/* Layers of main, in the order of the first op; *out_layers ends with adze_layers_free. `stats`, attached to the
 * module, may be NULL. */
ADZE_API uint32_t adze_layers_find(const adze_module *module, const adze_stats *stats, adze_layer **out_layers);
ADZE_API void adze_layers_free(adze_layer *layers); /* NULL is allowed */
/* The format with ranks in the place of a share of the weights, where it has one: multiples of 8 or 16. False where the
 * layer has no such structure, or it is no smaller so. */
ADZE_API bool adze_layer_concrete(const adze_layer *layer, adze_format format, adze_format *out);
/* Can the layer have the format? With `gram` codes are rounded by Gram matrices, which the layer must have. Whether
 * STATIC finds its ranges is for the pass to say. */
ADZE_API bool adze_layer_takes(const adze_layer *layer, adze_format format, bool gram);
/* Bytes of weights, scales, zero points and biases in that format, as they are stored: of those whose zeros are left
 * out, the rest, and a bit for each weight or block that tells (adze_format_leaves_zeros_out). */
ADZE_API uint64_t adze_layer_bytes(const adze_layer *layer, adze_format format);

/* ---- The best choice (knapsack.c) ---- */

/* What a format of a layer costs. */
typedef struct adze_choice {
    uint64_t bytes;
    double seconds, loss;
} adze_choice;

typedef struct adze_choices {
    const adze_choice *items;
    uint32_t count;
} adze_choices;

/* One way to choose for all layers. */
typedef struct adze_mix {
    uint64_t bytes;
    double seconds, loss;
    uint32_t *chosen; /* one a layer */
} adze_mix;

typedef struct adze_mixes {
    adze_mix *items;
    uint32_t count;
    uint32_t *memory; /* that `chosen` points into */
} adze_mixes;

typedef enum adze_cost { ADZE_COST_BYTES, ADZE_COST_SECONDS } adze_cost;

/* All ways that no other way beats in both cost and sum of losses, cheapest first: a dynamic program over the layers.
 * `max_other` bounds the other cost; INFINITY = not at all. Exact while no more than 2^15 partial ways stand; beyond
 * that, of ways whose costs differ by less than a 2^-15th of their range (with a bound: a 180th in both costs) only the
 * best stands. Sums are exact in any case. No way within the bound: no items. Free with adze_mixes_free. */
ADZE_API void adze_mixes_find(const adze_choices *layers, uint32_t n_layers, adze_cost cost, double max_other,
                              adze_mixes *out);
ADZE_API void adze_mixes_free(adze_mixes *mixes);

/* ---- Applying plans (layer_pipeline.c) ---- */

/* The passes that give a module, simplified, the structures of a plan, which lies at `path`, in ADZE_STRUCTURE_STEPS
 * steps, and those that store it in the plan's formats behind these: texts of pipelines. A text is empty where the plan
 * has nothing for it. Each is for statistics of what the ones before it left: channels are fewer, values between
 * factors are new, ranges are others. */
enum { ADZE_STRUCTURE_STEPS = 4 };
ADZE_API void adze_layer_structure_pipeline(const adze_layer_plan *plan, uint32_t step, const char *path,
                                            const adze_layer_settings *settings, adze_text *out);
/* The passes that take channels out until `rate` of the multiply-accumulates, or what can go, is gone, and write to
 * `save` what stays, as lines of a plan. */
ADZE_API void adze_layer_cut_pipeline(double rate, const char *save, const adze_layer_settings *settings,
                                      adze_text *out);
ADZE_API void adze_layer_pipeline(const adze_layer_plan *plan, const char *path, const adze_layer_settings *settings,
                                  adze_text *out);

/* ---- Layers alone (layer_probe.c) ---- */

/* What one format of a layer does, measured in a module of its own, on the layer's real inputs. */
typedef struct adze_probe {
    bool measured; /* false: the layer does not take the format, or no module can be made of it alone */
    double error;  /* squared error of the outputs, over the squared outputs */
} adze_probe;

typedef struct adze_probe_options {
    uint32_t struct_size;
    uint32_t reserved;
    const adze_layer_settings *settings; /* never NULL */
    uint64_t samples; /* that inputs are taken from; 0 = 2 */
    /* Called for each layer, NULL = nobody asks; false ends it, as an error that reports nothing. */
    bool (*progress)(void *self, double part, const char *detail);
    void *self;
} adze_probe_options;

/* Probes each of `formats`, of which the first is f32, on each layer of the module through the registry's engine:
 * out[layer * n_formats + format]. False after an error. */
ADZE_API bool adze_layers_probe(adze_registry *registry, const adze_module *module, const adze_layer *layers,
                                uint32_t n_layers, const adze_format *formats, uint32_t n_formats,
                                const adze_calibration *calibration, const adze_probe_options *options,
                                adze_probe *out);

#ifdef __cplusplus
}
#endif
#endif
