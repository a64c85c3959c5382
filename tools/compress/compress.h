/* adze compress in parts: goals, samples, measurements, the search, and what is written.
 *
 * Functions that give false have reported an error to the work's context.
 */
#ifndef ADZE_COMPRESS_COMMAND_H
#define ADZE_COMPRESS_COMMAND_H

#include "../calibration.h"
#include "../json.h"

#include <adze/compress.h>

enum { COMPRESS_MAX_GOALS = 4, COMPRESS_MAX_FORMATS = 24, COMPRESS_MAX_TRIALS = 64, COMPRESS_MAX_LEVELS = 9 };

/* What the search chooses from unless told. */
#define COMPRESS_FORMATS  "w8a8,w8a8-rows,w4a8,w4g32,s50,s80b16x1,r50%,t50%,v50%"
#define COMPRESS_CHANNELS "10%,25%,40%"

typedef struct compress_options {
    adze_common common;
    adze_flag_list goals;
    const char *output, *data, *metric, *plan, *replay, *formats, *weights, *clip, *range, *cache, *minimize,
        *preset, *channels, *from;
    int64_t samples, limit, seed, swaps;
    double share;   /* -1 = not given */
    double seconds; /* that times of layers are measured for, each format's; of a trial half as much more */
    bool allow_slower, keep_tables, resume, keep_search, keep_stats;
} compress_options;

/* ---- The command (compress.c) ---- */

/* Has Ctrl-C or a request to end come? Steps that take long ask between their parts and end with false, without a
 * message; temporary files then go as always. */
bool compress_stopped(void);

/* Statistics go by names: values without one would be other values once passes have added ops. They get the prefix with
 * a number. */
void compress_name_values(adze_module *module, const char *prefix);

/* ---- The machine (machine.c) ---- */

/* As Linux tells it; NULL where it does not. */
const char *compress_cpu_name(adze_context *context);
/* Of processor, level and build: measured times of one hash belong together. */
uint64_t compress_machine_hash(adze_context *context);

/* ---- Goals (goal.c) ---- */

typedef enum compress_goal_kind {
    COMPRESS_SIZE,    /* bytes of what is written, over those of the same without compression */
    COMPRESS_WEIGHTS, /* bytes of weights, scales and biases, likewise */
    COMPRESS_TIME,    /* shortest time of a run, likewise */
    COMPRESS_LOSS     /* what the metric loses; see compress_metric */
} compress_goal_kind;

typedef struct compress_goal {
    compress_goal_kind kind;
    const char *text;
    double bound;
} compress_goal;

typedef struct compress_goals {
    compress_goal items[COMPRESS_MAX_GOALS];
    uint32_t count;
} compress_goals;

/* 0, or the exit status: each text is one or more of "size<=0.25x", with commas. What the preset says of goals, formats
 * and what to minimize holds where no flag says it; without one the goal is "loss<=1%". */
int compress_goals_parse(adze_context *context, compress_options *o, compress_goals *out);
/* The goal of that kind, NULL if there is none. */
const compress_goal *compress_goals_find(const compress_goals *goals, compress_goal_kind kind);

/* ---- Samples (samples.c) ---- */

/* Some of the runs of a data set, as calibration data. */
typedef struct compress_part {
    adze_calibration view;
    const adze_calibration *all;
    uint64_t *runs; /* their numbers, rising */
} compress_part;

/* Data in two parts: one to calibrate on, the other held back to measure on. */
typedef struct compress_samples {
    adze_calibration_files files, other; /* other: of --data */
    compress_part calibration, held;
    const adze_calibration_files *held_files;
    adze_array labels; /* of held_files; data NULL: none */
    adze_label_kind label_kind;
} compress_samples;

/* Free it either way. */
bool compress_samples_open(compress_samples *samples, adze_work *work, const compress_options *options,
                           const adze_module *module, const char *model);
void compress_samples_free(compress_samples *samples);

/* ---- Formats (formats.c) ---- */

typedef struct compress_job compress_job;

/* Reads --formats into the job's. 0, or the exit status. */
int compress_parse_formats(compress_job *job);
/* The place of a format among the job's, where it is added if need be. False after a usage error: it cannot be written
 * into what -o names. */
bool compress_add_format(compress_job *job, adze_format format, uint32_t *out_index);
/* What a format is for one layer at a level: with ranks in the place of shares. */
adze_format compress_format(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format);
bool compress_takes(const compress_job *job, uint32_t layer, uint32_t format);
bool compress_takes_at(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format);
/* A layer as it is at a level; one that was dropped has no rows. */
const adze_layer *compress_layer_at(const compress_job *job, uint32_t level, uint32_t layer);
/* Adds each structure with each way to store it, behind the formats that were measured, with what is expected of it. */
void compress_combine(compress_job *job);

/* ---- Measuring (measure.c) ---- */

/* What one metric gave, in all and for each sample. */
typedef struct compress_score {
    double value;
    double *each; /* [n], owned */
    uint32_t n, capacity;
} compress_score;

/* The value of one sample more. */
void compress_score_add(compress_score *score, double value);
void compress_score_free(compress_score *score);

/* How the loss of a metric counts. */
typedef enum compress_loss_kind {
    COMPRESS_SHARE,      /* of 100 that are lost: agreement */
    COMPRESS_POINTS,     /* of 100 between original and result: top1, top5, ap50 */
    COMPRESS_REST,       /* to 1: cosine */
    COMPRESS_NOISE,      /* power over signal's: snr */
    COMPRESS_RELATIVE,   /* growth: perplexity */
    COMPRESS_DIFFERENCE  /* entropy */
} compress_loss_kind;

typedef struct compress_metric {
    const adze_metric *metric;
    compress_loss_kind kind;
} compress_metric;

/* What a plan may make use of: all there is, or one method alone. */
typedef enum compress_method_kind {
    COMPRESS_ALL,
    COMPRESS_BITS,    /* fewer bits */
    COMPRESS_ZEROS,   /* weights that are 0 */
    COMPRESS_FACTORS, /* low rank */
    COMPRESS_CUTS,    /* fewer channels */
    COMPRESS_METHODS
} compress_method_kind;

/* A way to choose, made real. */
typedef struct compress_trial {
    uint32_t *chosen;              /* [layers + 1]: the format of each layer, and the level */
    uint64_t bytes, weight_bytes, memory;
    double seconds, median;        /* of a run; `against` is the original's in the same turns */
    double against, against_median;
    double loss;                   /* as the goal counts it */
    compress_score score, snr;
} compress_trial;

/* A choice that passes refuse. */
typedef struct compress_refused {
    uint32_t *chosen; /* [layers + 1] */
    const char *why;
} compress_refused;

/* Channels that a group keeps. */
typedef struct compress_cut {
    const char *name;
    uint64_t keep;
    const char *note;
} compress_cut;

/* What a share of the work that goes leaves (levels.c). */
typedef struct compress_level {
    compress_cut *cuts;
    uint32_t n_cuts;
    adze_layer *layers; /* as they are then */
    double *seconds;    /* [layers], in floats */
    double loss;        /* of the whole model, as those of layers */
    uint32_t rate;      /* which of the job's it is of */
    const char *barred; /* why no plan has it; NULL: plans may */
} compress_level;

/* What an earlier run of the same search measured, and where this one keeps it (state.c). */
typedef struct compress_state {
    const char *path; /* NULL: nowhere */
    bool open;        /* the file is this search's */
    double *layers;   /* [layers][formats][3]: seconds, error and loss; NAN = not measured */
    bool *known;      /* [layers] */
    compress_level levels[COMPRESS_MAX_LEVELS]; /* of rates; those with seconds are known */
    compress_trial trials[COMPRESS_MAX_TRIALS];
    uint32_t n_trials;
} compress_state;

/* Statistics that an earlier run kept, and what they meet (update.c). */
typedef struct compress_update {
    const char *plan;  /* NULL: there are none */
    const char *path;  /* theirs */
    const char *hash;  /* of the file's bytes, and their number */
    double share;      /* what they count */
    uint64_t samples;  /* that they are of */
    double (*ranges)[6]; /* [layers]: least and most of what it reads, in the old data, in the new, and in both */
} compress_update;

struct compress_job {
    compress_state state;
    compress_update update;
    const compress_options *options;
    adze_work *work;
    const char *input, *folder; /* folder: temporary files */
    adze_module *module;        /* simplified */
    compress_goals goals;
    compress_samples samples;
    compress_metric metric;
    adze_layer_settings settings;
    adze_stats *stats;
    adze_layer *layers;
    uint32_t n_layers;
    double rates[COMPRESS_MAX_LEVELS]; /* of --channels */
    compress_level levels[COMPRESS_MAX_LEVELS]; /* the first is the model as it is */
    uint32_t n_rates, n_levels;
    adze_format *formats; /* the first is f32 */
    uint32_t n_formats, formats_capacity;
    bool small;           /* what was applied last has zeros that files leave out */
    /* The original, compiled, and what it gave: [held runs][outputs], owned. */
    adze_device original;
    adze_value *answers;
    uint64_t original_bytes, original_weight_bytes, original_memory, answer_bytes;
    compress_score original_score; /* where the metric needs labels */
    double original_seconds, original_median;
    /* [layers][formats]: errors of layers alone, what the whole model loses, and seconds in the whole model. */
    adze_probe *probes;
    double *losses, *seconds;
    double *overheads;      /* [formats]: bytes of a file beside weights, a layer; NULL: no bound on size */
    uint64_t float_bytes;   /* of the file with all layers in floats, where size has a bound */
    const char **reasons;   /* [layers][formats]; NULL = may be chosen */
    adze_mixes fronts[COMPRESS_METHODS]; /* that no other of the method beats in bytes (or time) and loss */
    compress_trial trials[COMPRESS_MAX_TRIALS];
    uint32_t n_trials, best;
    compress_refused refused[COMPRESS_MAX_TRIALS];
    uint32_t n_refused;
    bool written; /* the result stands; what was measured on the way need not be kept */
};

/* Which metric says what is lost: --metric, else what the labels allow, else agreement. 0, or the exit status. */
int compress_metric_choose(compress_job *job);
/* Compiles the original, and keeps its outputs for all samples that are held back. */
bool compress_measure_original(compress_job *job);
/* A file among those that go in the end. */
const char *compress_temporary(const compress_job *job, const char *name, const char *suffix);
/* Runs passes, which see the samples that are for calibration alone. */
bool compress_run_passes(compress_job *job, const char *passes, adze_module *module);
/* Makes the module that a plan stands for and writes it to `file`, whose suffix says how (NULL = nowhere). If `marked`,
 * the ops of layers are marked in their nodes' names. The module is the caller's; NULL after an error. With `out_why`,
 * for a search, which goes on, what passes refuse is none: *out_why then says why. What cannot be written is one. */
adze_module *compress_apply(compress_job *job, const adze_layer_plan *plan, bool marked, const char *file,
                            const char **out_why);
/* Between these, what passes refuse is no error: the second says why they did if `failed`, and else, or where it is no
 * refusal, NULL. */
void compress_forgive_begin(compress_job *job, adze_text *said);
const char *compress_forgive_end(compress_job *job, adze_text *said, bool failed);
/* A model compiled for the target: `artifact`, or where that is NULL, a copy of the module. Close it either way. */
bool compress_open(compress_job *job, adze_device *device, const adze_module *module, const char *artifact);
/* A trial of the chosen formats: measures size, time and loss. It is added to `trials`. NULL after an error, and where
 * passes refuse the choice: with `out_why`, that is none, and *out_why says why. */
compress_trial *compress_try(compress_job *job, const uint32_t *chosen, const char **out_why);
/* The same where the choice is not all that the trial depends on. */
compress_trial *compress_try_anew(compress_job *job, const uint32_t *chosen, const char **out_why);
void compress_trial_free(compress_trial *trial);
/* How far a goal is reached by a trial. */
double compress_reached(const compress_job *job, const compress_trial *trial, compress_goal_kind kind);
bool compress_holds_goal(const compress_job *job, const compress_trial *trial, const compress_goal *goal);
bool compress_holds(const compress_job *job, const compress_trial *trial);
/* 95 % interval of the mean of per-sample values, in the metric's unit; of `is` minus `was`, paired, where that is not
 * NULL. Shares: Wilson's, for pairs Wald's with half a pair of each kind added (Agresti and Min, 2005); else normal.
 * NAN where the metric is no mean. */
void compress_interval(const compress_job *job, const compress_score *is, const compress_score *was, double *out_low,
                       double *out_high);
/* How weights of a format are rounded: rtn, gptq, cd; NULL where they are not. */
const char *compress_method(const compress_job *job, adze_format format);
adze_layer_plan *compress_plan_of(const compress_job *job, const uint32_t *chosen);
uint64_t compress_weight_bytes(const compress_job *job, const uint32_t *chosen);

/* Bytes of the file that a plan gives; *out_why: passes refuse it. */
bool compress_written_bytes(compress_job *job, const adze_layer_plan *plan, uint64_t *out, const char **out_why);

/* ---- Sizes (overhead.c) ---- */

/* Where size has a bound: what each format adds to the file beside weights. */
bool compress_measure_overheads(compress_job *job);
/* What a layer is expected to take in the file at a level in a format. */
double compress_file_bytes(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format);

/* ---- Times (times.c) ---- */

/* Seconds of each layer in each format, of the whole model. */
bool compress_measure_layers(compress_job *job);
/* Marks the ops of layers in a copy of the module, for the above: among the names of nodes stands compress_mark_of. */
void compress_mark_layers(compress_job *job, adze_module *copy);
const char *compress_mark_of(const compress_job *job, uint32_t layer);

/* What runs of a marked module take of each layer. */
bool compress_time_module(compress_job *job, const adze_module *module, double *out_seconds);

/* ---- Levels (levels.c) ---- */

/* Reads --channels. 0, or the exit status. */
int compress_parse_channels(compress_job *job);
/* Finds and measures them. */
bool compress_find_levels(compress_job *job);
/* The level that a plan states, as the only one beside that of the model as it is. */
bool compress_level_of_plan(compress_job *job, const adze_layer_plan *plan, uint32_t *out_level);
void compress_free_levels(compress_job *job);
void compress_level_free(compress_level *level);
/* Adds the level's lines to a plan. */
void compress_put_level(const compress_job *job, uint32_t level, adze_layer_plan *plan);
/* What a layer takes at a level in a format, as measured or expected. */
uint64_t compress_bytes(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format);
double compress_seconds(const compress_job *job, uint32_t level, uint32_t layer, uint32_t format);
double compress_level_loss(const compress_job *job, uint32_t level);
/* The mixes of all levels, [levels], that no other beats; `chosen` has the level behind the formats. */
void compress_join_mixes(const compress_job *job, const adze_mixes *levels, adze_cost cost, adze_mixes *out);

/* ---- The search (search.c, sensitivity.c, swap.c) ---- */

/* How far the outputs of two programs are apart, on a few calibration samples. */
bool compress_distance(compress_job *job, adze_program *was, adze_program *is, double *out);

/* No plan has the format for that layer, in this run and those that go on with it. */
void compress_bar(compress_job *job, uint32_t layer, uint32_t format, const char *why);
/* How much the whole model loses by each format of each layer, from one run of it a layer. */
bool compress_sensitivities(compress_job *job);
/* Tries a choice that may be the best. *out_trial is NULL where passes refuse it, which is kept in `refused`. False
 * after an error. */
bool compress_attempt(compress_job *job, const uint32_t *chosen, const compress_trial **out_trial);
/* A loss in the unit of the metric: "0.25%", or "0.0371 nat". */
const char *compress_loss_text(const compress_job *job, double loss);
/* Tries neighbours of the best choice. */
bool compress_swap(compress_job *job);
/* Looks for the best plan; `best` says which trial it is. */
bool compress_search(compress_job *job);

/* ---- Updates (update.c) ---- */

/* Finds the statistics that a plan names, and checks that they are those. `path` is the plan's. */
bool compress_update_open(compress_job *job, const adze_layer_plan *plan, const char *path);
/* The same for a plan that an update wrote, if this is one. */
bool compress_update_open_again(compress_job *job, const adze_layer_plan *plan, const char *path);
/* Weights the old statistics into the job's; its layers are known. */
bool compress_update_merge(compress_job *job);
/* Two trials of one choice: as the old statistics alone make it, and the one that is written. */
bool compress_update_try(compress_job *job, const uint32_t *chosen);
/* Does the new one lose more? */
bool compress_update_is_worse(const compress_job *job);
void compress_update_print(const compress_job *job);
void compress_update_write(adze_json_writer *w, const compress_job *job);
/* Keeps the job's statistics beside the result (--keep-stats), and what of an update a plan needs to be replayed. */
bool compress_update_sign(compress_job *job, adze_layer_plan *plan);
void compress_update_free(compress_update *update);

/* ---- Going on with a search (state.c) ---- */

/* Begins OUT.search, or with --resume reads it. Close it either way; `done` removes the file. */
bool compress_state_open(compress_job *job);
void compress_state_close(compress_job *job, bool done);
/* Keeps what was measured of a layer; a loss of f32 that is NAN says that losses are still to come. */
bool compress_state_keep_layer(compress_job *job, uint32_t layer);
/* Fills in what is known of it; false where nothing is. */
bool compress_state_find_layer(const compress_job *job, uint32_t layer);
/* Keeps what was found and measured for a rate of --channels, which may be no cuts at all. */
bool compress_state_keep_level(compress_job *job, uint32_t rate, const compress_level *level);
/* Cuts, loss and seconds that are known of it, once; false where nothing is. */
bool compress_state_find_level(compress_job *job, uint32_t rate, compress_level *out);
bool compress_state_keep_trial(compress_job *job, const compress_trial *trial);
/* The trial of that choice, once. */
bool compress_state_find_trial(compress_job *job, const uint32_t *chosen, compress_trial *out);

/* ---- What is written (write.c, report.c) ---- */

/* Table of layers, trials and goals, to stdout. */
void compress_print(const compress_job *job);
/* The result, its plan and its report. */
bool compress_write(compress_job *job, bool held);
bool compress_write_report(compress_job *job, const char *path, bool held);
/* Settings of a plan that replay needs. */
bool compress_sign(compress_job *job, adze_layer_plan *plan, const char *result);
/* Hash of a file's bytes and their number; false after an error. */
bool compress_hash_file(adze_work *work, const char *path, uint64_t *out_hash, uint64_t *out_bytes);

#endif
