/* Biases of contractions: one number a row, which an op adds to its product of inputs and weights. */
#ifndef ADZE_WEIGHTS_BIAS_H
#define ADZE_WEIGHTS_BIAS_H

#include "passes/weights/matrix.h"

/* Where a bias stands, or could: an operand of the contraction, or of the add behind it. */
typedef struct weight_bias {
    adze_op *op;
    uint32_t operand;
    adze_const *constant; /* NULL = none yet */
} weight_bias;

/* What the op multiplies its product of inputs and weights with: alpha of a gemm; else 1. */
double weight_factor(const adze_op *op);
/* The bias operand of the op, whatever it holds; NULL = none. */
adze_ir_value *weight_bias_operand(const adze_op *op);
/* Does the op add its bias operand as it is, to the product as it is? */
bool weight_takes_bias(const adze_op *op);
/* An f32 constant of one number a row, along the last axis where it has several. */
bool weight_is_bias(const adze_ir_value *value, size_t rows);
/* The bias of m's op. False where there is no place for one that is added to the product alone. */
bool weight_find_bias(const weight_matrix *m, weight_bias *out);
/* out[rows]; zeros where there is none yet. False after an error. */
bool weight_bias_read(const weight_bias *b, size_t rows, double *out);
/* A constant like the bias, NAME.own, or where there is none, f32[rows] named after the weights. NULL: an error. */
adze_ir_value *weight_bias_make(const weight_bias *b, const char *weights, const double *values, size_t rows);

#endif
