/* Which layers are pruned, to which density. */
#ifndef ADZE_PRUNE_CHOOSE_H
#define ADZE_PRUNE_CHOOSE_H

#include "passes/prune/layer.h"

#include <adze/pass.h>

typedef struct prune_options {
    const char *method, *pattern, *scope, *stats, *plan;
    double sparsity;
    int64_t steps, min_elements;
    bool refit, keep_edges, sequential, report;
} prune_options;

typedef struct prune_jobs {
    prune_job *items;
    size_t n;
} prune_jobs;

/* What options and, where there is one, the layer plan say of the function's contractions with constant f32 weights;
 * those that share weights are one job. False after an error: there is nothing to prune, a layer of the plan is
 * unknown, or its pattern does not divide it. */
bool prune_choose(const prune_options *options, prune_pattern pattern, adze_func *func, adze_pass_run *run,
                  prune_jobs *out);
void prune_jobs_free(prune_jobs *jobs);
/* Gives jobs the shares at which all their losses lie below one bound, so that `share` of all units goes. */
void prune_spread(prune_jobs *jobs, double share);

#endif
