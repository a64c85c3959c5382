/* A parsed pipeline: what pipeline.c reads and manager.c runs. */
#ifndef ADZE_PIPELINE_H
#define ADZE_PIPELINE_H

#include "passes/registry_private.h"

/* One pass, or a `repeat` of its children where `pass` is NULL. */
typedef struct adze_step {
    const adze_pass *pass;
    void *options;
    int64_t rounds; /* of a repeat; 0 = until nothing changes */
    struct adze_step *first, *next;
} adze_step;

/* What adze_rewrite counts and adze_pass_progress tells, over one run of a pipeline. */
struct adze_rewrites {
    uint64_t count;
    uint32_t run;
    const adze_pass *pass; /* that runs now */
    adze_numerics rules;   /* of those that this call of it applied */
    bool (*ask)(void *self, const adze_rewrite_info *info);
    void (*within)(void *self, const char *pass, double part, const char *what);
    void *self;
    uint32_t index, n_passes; /* of the leaf in the pipeline, for `within` */
};

struct adze_pipeline {
    adze_registry *registry;
    adze_arena arena;
    adze_step *first;
    uint32_t n_passes; /* leaves */
};

/* One step with its options, as a pipeline of its own. */
void adze_step_print(const adze_pipeline *pipeline, const adze_step *step, adze_text *out);

#endif
