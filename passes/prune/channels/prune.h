/* Parts of the pass prune-channels: what each group costs to shorten, how many of its units stay, and what becomes of
 * the layers that read it. */
#ifndef ADZE_PRUNE_CHANNELS_H
#define ADZE_PRUNE_CHANNELS_H

#include "passes/prune/channels/scores.h"
#include "passes/weights/bias.h"
#include "passes/weights/prefix.h"

#include <adze/arena.h>
#include <adze/channels.h>
#include <adze/pass.h>

typedef enum score_kind {
    SCORE_OBS,
    SCORE_L1,
    SCORE_L2,
    SCORE_GEOMEAN,
    SCORE_GEOMEDIAN,
    SCORE_ACTIVATION,
    SCORE_THINET
} score_kind;

/* Units in the order in which they go, and what is lost. */
typedef struct prune_curve {
    uint32_t *order; /* [units] */
    double *loss;    /* of the first k + 1 */
    double scale;    /* of loss, where it has been measured; else 1 */
    uint32_t fewest; /* units that stay at least */
} prune_curve;

/* A layer that reads units, as it was. */
typedef struct channel_layer {
    weight_matrix m;
    uint32_t ordinal; /* of its op in main */
    double *w;        /* [rows][cols] */
    weight_bias at;   /* its bias, or where one can be; op NULL = nowhere */
    uint32_t bias_ordinal;
    double *bias;     /* [rows], zeros where there is none yet */
} channel_layer;

typedef struct pruner {
    adze_pass_run *run;
    adze_module *module;
    adze_channels *channels;
    adze_stats *stats;   /* with Gram matrices of what the layers read; NULL = none */
    adze_arena arena;
    score_kind score;
    bool at_most; /* a rate out of reach is no error */
    uint32_t multiple;
    double cap;          /* at most this share of a group's units goes */
    bool refit, cascade; /* fit what reads units; what else stands behind it, too */
    uint64_t samples;    /* that effects are measured on; 0 = all */
    uint32_t n;          /* groups */
    prune_curve *curves;
    uint32_t *keep;      /* units of each group that stay */
    bool **cut;          /* the same, unit by unit */
    channel_layer *layers;
    uint32_t n_layers, layers_capacity;
} pruner;

/* ---- curves.c ---- */

bool prune_find_layers(pruner *p);
/* Adds the layers that read no units, where they have targets. */
bool prune_find_others(pruner *p);
void prune_free_layers(pruner *p);
/* Columns of a layer that units of the cut own; gone[cols]. False: none goes. */
bool prune_columns(const pruner *p, const channel_layer *layer, adze_channel_cut cut, bool *gone);
bool prune_make_curves(pruner *p);
/* Curves and `keep` such that only units go that all their readers multiply by 0. */
bool prune_unread(pruner *p);

/* ---- allocate.c ---- */

/* May so many units stay? */
bool prune_may_keep(const pruner *p, uint32_t group, uint32_t keep);
/* The next lower number that may stay; 0 = none. */
uint32_t prune_lower(const pruner *p, uint32_t group, uint32_t keep);
double prune_loss(const pruner *p, uint32_t group, uint32_t keep);
/* Sets `keep` so that a share of the multiply-accumulates goes; groups with fixed[i] stay as they are. */
bool prune_allocate(pruner *p, double rate, const bool *fixed);
/* `cut` from `keep`. */
void prune_apply_keep(pruner *p);

/* ---- refit.c ---- */

/* New weights, [rows][cols] with zeros where columns have gone, and biases (NULL = as it was). */
typedef struct prune_fitted {
    double *w, *bias;
} prune_fitted;

/* Each layer alone, from the statistics; without refit or statistics columns become zeros. fitted[n_layers]: w NULL =
 * nothing of it goes. Free with prune_free_fitted. */
bool prune_fit_alone(pruner *p, adze_channel_cut cut, prune_fitted *fitted);
/* In order, each behind those before it. */
bool prune_fit_sequential(pruner *p, adze_channel_cut cut, prune_fitted *fitted);
void prune_free_fitted(pruner *p, prune_fitted *fitted);
/* Puts them into main of a module that is p's, or a copy of it. */
bool prune_write_fitted(const pruner *p, adze_module *module, const prune_fitted *fitted);

/* ---- effect.c ---- */

typedef enum prune_metric {
    PRUNE_NOISE,  /* squared differences of all outputs over their squares */
    PRUNE_COSINE, /* 1 - the mean cosine of rows of the last axis */
    PRUNE_KL      /* mean divergence of rows of the last axis: logits, or probabilities where they are such */
} prune_metric;

typedef struct prune_reference prune_reference;
/* Outputs of the model as it is, on samples. NULL after an error. */
prune_reference *prune_reference_create(adze_registry *registry, const adze_calibration *calibration,
                                        const adze_module *module, uint64_t samples);
void prune_reference_destroy(prune_reference *r); /* NULL is allowed */
/* Of a module's outputs. False after an error. */
bool prune_effect(prune_reference *r, const adze_module *module, prune_metric metric, double *out);
/* Noise of the model with the cut, its layers fitted alone. */
bool prune_effect_of(pruner *p, prune_reference *r, adze_channel_cut cut, double *out);

#endif
