/* Constant weights of contractions, seen as a matrix. */
#ifndef ADZE_WEIGHTS_MATRIX_H
#define ADZE_WEIGHTS_MATRIX_H

#include <adze/ir.h>
#include <adze/stats.h>
#include <adze/table.h>

/* Rows are outputs, columns what is summed over, in the order of the tensor (and of adze_gram). The tensor is
 * [rows, cols…] or [cols…, rows]. Rows are divided evenly among `groups`, which read different inputs. */
typedef struct weight_matrix {
    adze_op *op;
    uint32_t operand;
    adze_const *constant;
    uint32_t row_axis, k_axis; /* k_axis: the first summed one, `channels` long; `taps` columns each */
    size_t rows, cols, channels, taps, groups;
} weight_matrix;

/* The f32 weights of a contraction: a constant as operand 1. False, without a message, where there are none. */
bool weight_describe(adze_op *op, weight_matrix *out);
/* The same whatever makes the weights, whose dims are constant; `constant` is NULL where they are none. */
bool weight_describe_any(adze_op *op, weight_matrix *out);
bool weight_describe_form(adze_op *op, weight_matrix *out); /* of any element type */
/* Does a use of m's constant read it in the same way, in the same region? */
bool weight_shares(const weight_matrix *m, const adze_use *use, weight_matrix *other);
/* As weight_describe, of a product (no window, no groups) that sums over the last axis of an f32 input, no constant. */
bool weight_takes_rows(adze_op *op, weight_matrix *out);
bool weight_takes_rows_any(adze_op *op, weight_matrix *out); /* whatever makes the weights */
/* A constant of the same form, NAME.own: see constant_settle. NULL after an error. */
adze_ir_value *weight_write(const weight_matrix *m, const double *w);
/* The numbers, [rows][cols]; free them. NULL after an error. */
double *weight_read(const weight_matrix *m);

/* ---- Gram matrices ---- */

/* h[cols][cols], and the mean [cols] unless that is NULL, of what group `group` of the weights is multiplied with: of
 * all contractions that share them, added up (the mean is theirs). `centred`: of inputs less their means. False after
 * an error: there are none. */
bool weight_gram(const weight_matrix *m, const adze_stats *stats, uint32_t group, bool centred, double *h,
                 double *mean);
/* h -= 2 x z^T, which takes two means out of a Gram matrix. */
void weight_centre(double *h, const double *x, const double *z, size_t n);

/* ---- First and last layers ---- */

/* Contractions with weights that no other one of the function stands before, and those that none stands behind: they
 * are worth more bits. Ops of both tables by pointer; the caller frees them. */
void weight_edges(adze_func *func, adze_table *first, adze_table *last);

#endif
