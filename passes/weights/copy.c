#include "passes/weights/copy.h"

#include <adze/arena.h>
#include <adze/build.h>

#include <stdlib.h>

adze_op *copy_twin(const adze_module *copy, const adze_op *op)
{
    const adze_op *mine = adze_region_first(adze_op_parent(op));
    adze_op *other = adze_region_first(adze_func_body(adze_module_main(copy)));
    for (; mine != op; mine = adze_op_next(mine)) other = adze_op_next(other);
    return other;
}

void copy_set_results(adze_func *func, adze_ir_value *const *values, uint32_t n)
{
    adze_op *end = adze_func_return(func);
    const adze_type **types = adze_malloc((n + 1u) * sizeof *types);
    const char **names = adze_malloc((n + 1u) * sizeof *names);
    while (adze_op_num_operands(end)) adze_op_remove_operand(end, 0);
    for (uint32_t i = 0; i < n; i++) {
        types[i] = adze_value_type(values[i]);
        names[i] = adze_internf(adze_op_context(end), "result_%u", i);
        adze_op_insert_operand(end, i, values[i]);
    }
    adze_func_set_results(func, types, names, n);
    free(types);
    free(names);
}
