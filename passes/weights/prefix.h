/* What a layer reads once layers before it have changed, beside what it read before: two copies of main over the
 * same inputs, in a module of their own, run on calibration data.
 */
#ifndef ADZE_WEIGHTS_PREFIX_H
#define ADZE_WEIGHTS_PREFIX_H

#include "passes/weights/matrix.h"

#include <adze/pass.h>

typedef struct weight_prefix weight_prefix;

/* Moments of the inputs of one group of a layer's weights; x as it was, z with what has changed so far. Matrices
 * are [cols][cols], 2 / rows times the sum over rows; prefix_moments_free ends them. */
typedef struct prefix_moments {
    size_t cols, groups;
    double *h;              /* z z^T, one matrix a group */
    double *cross;          /* x z^T; NULL where groups read different inputs */
    double *mean, *rounded; /* [groups][cols], of x and of z */
} prefix_moments;

/* Needs calibration data; NULL after an error. `module` is as it was before the first change. */
weight_prefix *prefix_create(adze_pass_run *run, const adze_module *module);
void prefix_destroy(weight_prefix *p); /* NULL is allowed */
/* Of what m's op, an op of the module, reads, and all that share its weights. `centred`: of x and z less their means,
 * for layers whose bias makes up for these. False after an error. */
bool prefix_measure(weight_prefix *p, const weight_matrix *m, bool centred, prefix_moments *out);
void prefix_moments_free(prefix_moments *moments);

/* Products of what a layer's outputs should be, t, with its inputs behind what has changed, z. t is what the layer gave
 * before; where another value is added to its outputs, t makes up for what has changed in that one, too. */
typedef struct prefix_targets {
    double *h, *b;         /* z z^T [cols][cols], t z^T [rows][cols], 2 / n times the sums */
    double *mean, *target; /* of z [cols] and t [rows] */
} prefix_targets;

/* Has the layer such targets: one op reads its weights, without groups, and gives their product and at most one number
 * a row, and a window puts each output over an input? */
bool prefix_has_targets(const weight_matrix *m);
/* Of such a layer. `centred` as above. False after an error. */
bool prefix_measure_targets(weight_prefix *p, const weight_matrix *m, bool centred, prefix_targets *out);
void prefix_targets_free(prefix_targets *targets);
/* From now on the op and all that share its weights compute with `values`, [rows][cols]. False after an error. */
bool prefix_change(weight_prefix *p, const weight_matrix *m, const double *values);
/* From now on what `op` reads as operand `index` is quantized, to codes of i8 or u8. False after an error. */
bool prefix_quantize_input(weight_prefix *p, const adze_op *op, uint32_t index, adze_dtype codes,
                           double scale, int32_t zero);
/* From now on operand `index` of `op`, a bias of one number a row that it may not have had, is this. False after an
 * error. */
bool prefix_set_bias(weight_prefix *p, const adze_op *op, uint32_t index, const double *bias, size_t rows);

#endif
