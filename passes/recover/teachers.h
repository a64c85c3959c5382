/* Several teachers: their logits and what each has to say. */
#ifndef ADZE_RECOVER_TEACHERS_H
#define ADZE_RECOVER_TEACHERS_H

#include "passes/recover/recover.h"

/* Weights from text, "1:2:0.5", one a teacher, divided by their sum; equal ones where text is NULL. False after an
 * error. */
bool teacher_weights(const recover_pair *p, const char *text, double *out);
/* What a softmax at the end is taken of, or the value itself. */
adze_ir_value *teacher_logits(adze_ir_value *output);
/* The axis of classes of such a value. */
uint32_t teacher_class_axis(const adze_ir_value *logits);
/* sum_k w_k values_k. Weights are given, or, NULL, one over the entropy of each teacher's output, sample by sample. */
adze_ir_value *teacher_mix(adze_builder *b, const recover_pair *p, adze_ir_value *const *values,
                           const double *weights);

#endif
