/* One block in training: the numbers that change, what is kept of the samples, the program that gives loss and
 * gradients. */
#ifndef ADZE_RECOVER_TRAINER_H
#define ADZE_RECOVER_TRAINER_H

#include "passes/recover/adam.h"
#include "passes/recover/loss.h"

typedef struct trained {
    const adze_const *constant; /* of the copy */
    adam_array array;
    float *best;
} trained;

typedef struct trainer {
    recover_pair *p;
    const recover_options *o;
    const recover_block *block;
    loss_term *terms;
    trained *all;
    uint32_t n_terms, n_all, capacity, n_kept; /* kept: of a sample, inputs of the block and targets */
    uint64_t n_samples;
    adze_value *kept;    /* [n_samples][n_kept] */
    adze_value *inputs;  /* main's, those that are kept, trained numbers */
    int64_t (*dims)[ADZE_MAX_RANK]; /* of trained numbers */
    adze_program *program;
} trainer;

/* False after an error. Without n_all or n_terms there is nothing to do. trainer_close ends it in any case. */
bool trainer_open(trainer *t, recover_pair *p, const recover_options *o, const recover_block *block);
void trainer_close(trainer *t);
/* Runs a sample; *out_results are the loss and a gradient for each of `all`. False after an error. */
bool trainer_run(trainer *t, uint64_t sample, const adze_value **out_results);
/* The student's ops of the copy read what was trained. False after an error. */
bool trainer_write(trainer *t);

#endif
