/* Scores of a model by a metric, sample by sample. */
#ifndef ADZE_COMPRESS_SCORE_H
#define ADZE_COMPRESS_SCORE_H

#include "compress.h"

typedef struct compress_scorer {
    compress_job *job;
    const adze_metric *metric;
    compress_score *out;
    void *all, *one; /* states of the metric */
} compress_scorer;

/* Begin, add all runs that are held back, end; end it in any case. */
bool compress_scorer_begin(compress_scorer *scorer, compress_job *job, const adze_metric *metric, compress_score *out);
/* Outputs of one run; `others` are the original's, NULL where the metric compares none. */
bool compress_scorer_add(compress_scorer *scorer, uint64_t run, const adze_value *results, const adze_value *others);
void compress_scorer_end(compress_scorer *scorer);
/* The loss that a value of the metric stands for. */
double compress_loss_of(compress_loss_kind kind, double value, double original);

#endif
