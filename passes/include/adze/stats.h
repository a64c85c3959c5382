/* Statistics of a model's values on calibration data: ranges, histograms, moments of channels, Gram matrices of what
 * contractions read. What quantization, pruning and low rank decide by.
 *
 * `adze calibrate` writes them to a file (model.stats). A pass with an option `stats=FILE` reads it:
 *
 *     adze_stats *stats = adze_stats_load(context, path);
 *     if (!stats || !adze_stats_attach(stats, module)) …ADZE_FAILED
 *     const adze_value_stats *x = adze_stats_of(stats, adze_op_operand(op, 0));    NULL: none, say so
 *     const adze_gram *g = adze_stats_gram(stats, op, 0);                          NULL: none
 *     adze_stats_destroy(stats);
 *
 * A pass that wants statistics behind what it has changed so far collects its own: adze_stats_collect.
 *
 * Statistics are of the module behind the pipeline `simplify`: passes that read them stand behind it. Values go by
 * what the module's text calls them: their names, `x_1` for a second one named `x`, `%3` for one without a name.
 *
 * Elements count as f32. NaN and infinite ones are counted, and left out of all else. Functions that fail report to the
 * context. Statistics are used by one thread at a time.
 */
#ifndef ADZE_STATS_H
#define ADZE_STATS_H

#include <adze/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ADZE_STATS_BINS = 2048,        /* of a histogram */
    ADZE_STATS_NO_AXIS = 255,
    ADZE_STATS_MAX_CHANNELS = 1 << 20, /* a value with more has none */
    ADZE_STATS_MAX_GRAM = 1 << 15  /* columns; a contraction that sums over more has no Gram matrix */
};

typedef struct adze_stats adze_stats;

/* ---- Values ---- */

/* Arrays of n entries, one a channel, over the channel's finite elements; all 0 in a channel without any. */
typedef struct adze_channel_stats {
    uint64_t n;
    const uint64_t *count; /* finite elements */
    const double *min, *max, *abs_max;
    const double *mean, *abs_mean; /* of x and of |x| */
    const double *variance;        /* mean of (x - mean)^2 */
} adze_channel_stats;

/* One value. Borrowed from the statistics. A channel with elements and abs_max 0 was zero
 * throughout: dead. */
typedef struct adze_value_stats {
    uint32_t struct_size;
    uint32_t axis;       /* of channels; ADZE_STATS_NO_AXIS: there is none, or its extent changed between samples */
    const char *name;    /* as above */
    uint64_t samples;    /* that it was seen in */
    uint64_t count;      /* finite elements, in all samples together */
    uint64_t n_nan, n_infinite;
    double min, max;     /* of finite elements; 0 where count is 0 */
    double mean, variance, abs_mean;
    /* Bin i counts elements in [(first_bin + i) * bin_width, (first_bin + i + 1) * bin_width); bin_width is a power
     * of two, so 0 lies between two bins. It doubles, and neighbours merge, when a value lies outside. Which bins
     * there are at the end does not depend on the order of samples. */
    double bin_width;
    int64_t first_bin;
    const uint64_t *bins; /* ADZE_STATS_BINS; they add up to `count` */
    adze_channel_stats channels; /* n = 0 where axis is ADZE_STATS_NO_AXIS */
} adze_value_stats;

/* Channels of a value: axis 1 where a contraction with a window reads or makes it; the axis summed over where another
 * contraction reads it; the last axis where one makes it; else axis 1 of four or more, the last of fewer. */

/* ---- Gram matrices ---- */

/* Of what a contraction with constant weights reads. Row r of X is what is multiplied with one column of weights to
 * give one element of the result: a patch of the image (0 where it hangs over the edge), or a row of a matrix.
 *
 *     H = 2 / rows * sum_r x_r x_r^T        [size, size], symmetric
 *     mean = 1 / rows * sum_r x_r           [size]
 *
 * Columns are in the order of the weights: input channel within the group, then window, row-major; k of a product.
 * Each group of a convolution (or batch of weights) has a matrix of its own. Contractions that read one value
 * through the same window share one. Products are added up in f32 over at most 256 rows, those sums in double. Rows
 * with an element that is NaN or infinite are left out. */
typedef struct adze_gram {
    uint32_t struct_size;
    uint32_t n_groups;
    const char *name;   /* of the value that is read */
    const char *window; /* text that tells how it is read; contractions with equal name and window share the matrix */
    uint64_t size;      /* columns */
    const uint64_t *rows; /* n_groups; 0: no finite one was seen */
    uint64_t left_out;  /* rows with NaN or infinity, all groups together */
} adze_gram;

/* ---- Statistics (stats.c, file.c) ---- */

/* Empty statistics, to collect into or to read; destroy ends them with all that they gave. */
ADZE_API adze_stats *adze_stats_create(adze_context *context);
ADZE_API void adze_stats_destroy(adze_stats *stats); /* NULL is allowed */
/* Reads a file; matrices stay in it until they are asked for, so it must stay as it is. NULL after an error: no
 * file, not one of these, cut off, contradictory, of another version, or of a run that has not ended. */
ADZE_API adze_stats *adze_stats_load(adze_context *context, const char *path);
/* Writes a file, whole or not at all. The same statistics give the same bytes. */
ADZE_API bool adze_stats_save(const adze_stats *stats, const char *path);

/* Binds the statistics to the values of a module's main function, as they are now: what a pass adds later has none.
 * False after an error: the module is not the one that they are of, or another state of it, and has not been marked
 * with these statistics either. The module must outlive the statistics, or be attached no more: attaching another
 * one is fine. */
ADZE_API bool adze_stats_attach(adze_stats *stats, const adze_module *module);
/* Says in the module (attribute `statistics`) that it came of the one that these statistics are of, so that a later
 * pass may attach them: values then go by name alone. A pass calls it when it has changed the module and what is
 * left under the old names has the old statistics. */
ADZE_API void adze_stats_mark(const adze_stats *stats, adze_module *module);
/* Of a value of the attached module, by name in any; NULL where there are none. */
ADZE_API const adze_value_stats *adze_stats_of(const adze_stats *stats, const adze_ir_value *value);
ADZE_API const adze_value_stats *adze_stats_find(const adze_stats *stats, const char *name);
ADZE_API uint32_t adze_stats_num_values(const adze_stats *stats);
ADZE_API const adze_value_stats *adze_stats_value(const adze_stats *stats, uint32_t index);
/* Of what operand `operand` of a contraction of the attached module is multiplied with; NULL where there is none:
 * weights are not constant, dims are too many, or nobody asked for it (--gram). */
ADZE_API const adze_gram *adze_stats_gram(const adze_stats *stats, const adze_op *op, uint32_t operand);
ADZE_API uint32_t adze_stats_num_grams(const adze_stats *stats);
ADZE_API const adze_gram *adze_stats_gram_at(const adze_stats *stats, uint32_t index);
/* Writes H of one group, size * size, and mean, size; either pointer may be NULL. All 0 where rows is 0. False after an
 * error: the file is gone or has changed. */
ADZE_API bool adze_gram_read(const adze_stats *stats, const adze_gram *gram, uint32_t group, double *out_h,
                             double *out_mean);
ADZE_API uint64_t adze_stats_samples(const adze_stats *stats); /* that all values were collected from */
/* Weights statistics of other data into these, of the same module: `share`, from 0 to 1, is how much the old ones count
 * beside the new ones, whatever the number of elements that each saw. Ranges become the union, bins those that hold it,
 * shares of elements, moments and H that mix; counts and rows add up. With the share of the old ones' elements that is
 * what statistics of all the data would be, but for rounding. A share of 0 keeps the new ones, one of 1 takes the old
 * ones in their place; what only one of the two has stays as it has that. Matrices come into memory. Entries that are
 * new to `into` are of no attached module until one is attached again. False after an error: another module, or a
 * file that cannot be read; destroy `into` then. */
ADZE_API bool adze_stats_merge(adze_stats *into, const adze_stats *old, double share);
/* Hash of a module as statistics see it: ops, attributes, names, types, and constants' first and last 4 KiB. 0 after an
 * error: a constant cannot be read. */
ADZE_API uint64_t adze_stats_fingerprint(const adze_module *module);

/* ---- Collecting (collect.c) ---- */

typedef struct adze_collect_options {
    uint32_t struct_size;
    bool gram;            /* Gram matrices of what contractions with constant weights read */
    bool resume;          /* go on from `partial`, where that file exists; refuses one of another model, other data or
                             other options */
    uint64_t samples;     /* takes the first ones; 0 = all */
    /* Bound on tapped values and statistics that are held at once; what is more runs in turns, each over all samples.
     * 0 = half of the context's bound, or 1 GiB. One value with its statistics may exceed it alone. */
    uint64_t max_memory;
    const char *partial;  /* where the state is kept every `every` seconds and between turns, whole or not at all; gone
                             at the end. NULL = nowhere: then matrices stay in memory */
    double every;         /* 0 = 30 */
    /* Called after each sample; NULL = nobody asks. `part` of 1 is done. False ends the collection there, with the
     * state in `partial`, as an error that reports nothing. */
    bool (*progress)(void *self, double part, const char *detail);
    void *self;
    double *out_model_seconds; /* NULL = not wanted; spent in the model alone */
} adze_collect_options;

/* Statistics of `values` (results and arguments of main that are tensors of floats; NULL = all of them) on the
 * module as it is now, through the registry's engine. They come attached to the module. The module stays as it is.
 * NULL after an error: no sample, an input that does not fit or is NaN or infinite, a program that fails. */
ADZE_API adze_stats *adze_stats_collect(adze_registry *registry, const adze_module *module,
                                        const adze_ir_value *const *values, uint32_t n_values,
                                        const adze_calibration *calibration, const adze_collect_options *options);

#ifdef __cplusplus
}
#endif
#endif
