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

struct adze_pipeline {
    adze_registry *registry;
    adze_arena arena;
    adze_step *first;
    uint32_t n_passes; /* leaves */
};

#endif
