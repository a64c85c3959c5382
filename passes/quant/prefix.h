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
/* Of what m's op, an op of the module, reads, and all that share its weights. `centred`: of x and z less their means,
 * for layers whose bias makes up for these. False after an error. */
bool prefix_measure(quant_prefix *p, const weight_matrix *m, bool centred, prefix_moments *out);
void prefix_moments_free(prefix_moments *moments);
/* From now on the op and all that share its weights compute with `values`, [rows][cols]. False after an error. */
bool prefix_round(quant_prefix *p, const weight_matrix *m, const double *values);
/* From now on what `op` reads as operand `index` is rounded to this grid. False after an error. */
bool prefix_round_input(quant_prefix *p, const adze_op *op, uint32_t index, quant_grid grid, quant_step step);
/* From now on operand `index` of `op`, a bias of one number a row that it may not have had, is this. False after an
 * error. */
bool prefix_set_bias(quant_prefix *p, const adze_op *op, uint32_t index, const double *bias, size_t rows);

#endif
