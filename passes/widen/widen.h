/* What the parts of the pass widen share. */
#ifndef ADZE_PASSES_WIDEN_H
#define ADZE_PASSES_WIDEN_H

#include <adze/pass.h>

/* A constant as elements of another type, computed when it is read; `user` is the op that asks. Its name ends in
 * "f32" or "bytes". NULL after an error. */
adze_ir_value *widen_constant(adze_op *user, adze_ir_value *value, adze_dtype to);

/* Quantizations and casts of integers below a byte, each as one of bytes beside a cast between the two. Sets
 * *out_changed; false after an error. */
bool widen_bytes(adze_func *func, adze_pass_run *run, bool *out_changed);

#endif
