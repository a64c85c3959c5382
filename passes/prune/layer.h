/* One layer of a module on its way to fewer weights. */
#ifndef ADZE_PRUNE_LAYER_H
#define ADZE_PRUNE_LAYER_H

#include "passes/prune/numerics.h"
#include "passes/weights/prefix.h"

/* How layers are pruned. */
typedef struct prune_plan {
    prune_method method;
    bool refit;     /* kept weights are fitted to the mask in closed form */
    bool needs_gram, has_gram; /* the method reads Gram matrices; they are there */
} prune_plan;

/* What a layer becomes; prune_job_free ends it. */
typedef struct prune_job {
    weight_matrix m;       /* of the module as it is now */
    prune_pattern pattern;
    double share;          /* of the weights that shall be 0 at the end; n:m does not read it */
    double *w;             /* [rows][cols]: as they were */
    double *values;        /* [rows][cols]: as they are now */
    bool *kept;            /* [rows][cols] */
    double error;          /* squared error of the outputs over the squared outputs, as the Gram matrices tell; NaN */
    double *losses;        /* [units] of prune_losses; NULL where nobody asked */
} prune_job;

/* Reads the weights. False after an error. */
bool prune_job_begin(prune_job *job);
void prune_job_free(prune_job *job);
/* The layer without weights and matrices. */
prune_layer prune_job_layer(const prune_job *job);
/* Weights that are exactly 0 now, as a share of all. */
double prune_job_sparsity(const prune_job *job);
/* Fills job->losses from statistics, which may be NULL where the method reads none. False after an error. */
bool prune_job_score(prune_job *job, const prune_plan *plan, const adze_stats *stats);
/* Removes `share` of the units, or `part` of what n:m removes: values and kept. Matrices are of `stats`, or
 * of `moments` unless that is NULL: then outputs shall be those of the layer as it was, on inputs as they were. False
 * after an error. */
bool prune_job_run(prune_job *job, const prune_plan *plan, double share, double part, const adze_stats *stats,
                   const prefix_moments *moments);
/* Writes values into the module: into the constant, or where something else reads that, too, into one of their own.
 * False after an error. */
bool prune_job_write(prune_job *job);

#endif
