/* What a layer reads once the layers before it are rounded, beside what it read before: two copies of main over the
 * same inputs, in a module of their own, run on calibration data.
 */
#ifndef ADZE_QUANT_PREFIX_H
#define ADZE_QUANT_PREFIX_H

#include "passes/quant/weights.h"

#include <adze/pass.h>

typedef struct quant_prefix quant_prefix;

/* Moments of the inputs of one group of a layer's weights; x as it was, z with what has been rounded so far. Matrices
 * are [cols][cols], 2 / rows times the sum over rows; prefix_moments_free ends them. */
typedef struct prefix_moments {
    size_t cols, groups;
    double *h;              /* z z^T, one matrix a group */
    double *cross;          /* x z^T; NULL where groups read different inputs */
    double *mean, *rounded; /* [groups][cols], of x and of z */
} prefix_moments;

/* Needs calibration data; NULL after an error. `module` is as it was before the first rounding. */
quant_prefix *prefix_create(adze_pass_run *run, const adze_module *module);
void prefix_destroy(quant_prefix *p); /* NULL is allowed */
/* Of what m's op, an op of the module, reads, and all that share its weights. False after an error. */
bool prefix_measure(quant_prefix *p, const weight_matrix *m, prefix_moments *out);
void prefix_moments_free(prefix_moments *moments);
/* From now on the op and all that share its weights compute with `values`, [rows][cols]. False after an error. */
bool prefix_round(quant_prefix *p, const weight_matrix *m, const double *values);

#endif
