/* Copies of modules that give other results: layers alone, values that are to be looked at. */
#ifndef ADZE_WEIGHTS_COPY_H
#define ADZE_WEIGHTS_COPY_H

#include <adze/ir.h>

/* The op of a copy's main that stands where `op` does in the original's. */
adze_op *copy_twin(const adze_module *copy, const adze_op *op);
/* Values of the function become its results, named result_0 and on, in the place of those that it had. */
void copy_set_results(adze_func *func, adze_ir_value *const *values, uint32_t n);

#endif
