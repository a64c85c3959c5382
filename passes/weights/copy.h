/* Copies of modules that give other results: layers alone, values that are to be looked at. */
#ifndef ADZE_WEIGHTS_COPY_H
#define ADZE_WEIGHTS_COPY_H

#include <adze/interp.h>
#include <adze/ir.h>
#include <adze/registry.h>

/* How many ops of its region stand before the op; the op of main with so many before it, NULL where there are fewer. */
uint32_t copy_ordinal(const adze_op *op);
adze_op *copy_op_at(const adze_module *module, uint32_t ordinal);
/* The op of a copy's main that stands where `op` does in the original's. */
adze_op *copy_twin(const adze_module *copy, const adze_op *op);
/* Values of the function become its results, named result_0 and on, in the place of those that it had. */
void copy_set_results(adze_func *func, adze_ir_value *const *values, uint32_t n);
/* Drops what nobody reads any more, arguments too, and infers the types of the rest, those of the results last: for a
 * copy whose inputs or results were changed. False after an error. */
bool copy_settle(adze_registry *registry, adze_module *copy);
/* Runs passes as --passes has them, without data and target. False after an error. */
bool copy_run_passes(adze_registry *registry, const char *passes, adze_module *module);
/* What a program gave, in memory of its own, which copy_value_free ends. False where memory is out. */
bool copy_value(const adze_value *from, adze_value *to);
void copy_value_free(adze_value *value);

#endif
