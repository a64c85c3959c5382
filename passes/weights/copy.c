#include "passes/weights/copy.h"

#include <adze/arena.h>
#include <adze/build.h>

#include <stdlib.h>
#include <string.h>

uint32_t copy_ordinal(const adze_op *op)
{
    uint32_t n = 0;
    while ((op = adze_op_prev(op))) n++;
    return n;
}

adze_op *copy_op_at(const adze_module *module, uint32_t ordinal)
{
    adze_op *op = adze_region_first(adze_func_body(adze_module_main(module)));
    while (op && ordinal--) op = adze_op_next(op);
    return op;
}

adze_op *copy_twin(const adze_module *copy, const adze_op *op) { return copy_op_at(copy, copy_ordinal(op)); }

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

bool copy_run_passes(adze_registry *registry, const char *passes, adze_module *module)
{
    adze_pipeline *pipeline = adze_pipeline_parse(registry, passes);
    adze_run_options options = {.struct_size = sizeof options};
    bool ok = pipeline && adze_pipeline_run(pipeline, module, &options);
    adze_pipeline_destroy(pipeline);
    return ok;
}

/* What stands behind an input has its dims. */
static bool infer(adze_func *func)
{
    adze_op *end = adze_func_return(func);
    uint32_t n = adze_op_num_operands(end);
    for (adze_op *op = adze_region_first(adze_func_body(func)); op && op != end; op = adze_op_next(op))
        if (!adze_op_infer(op)) return false;
    adze_ir_value **results = adze_malloc((n + 1u) * sizeof *results);
    for (uint32_t i = 0; i < n; i++) results[i] = adze_op_operand(end, i);
    copy_set_results(func, results, n);
    free(results);
    return true;
}

bool copy_settle(adze_registry *registry, adze_module *copy)
{
    adze_func *func = adze_module_main(copy);
    adze_region *body = adze_func_body(func);
    if (!copy_run_passes(registry, "dce", copy)) return false;
    for (uint32_t i = adze_region_num_args(body); i-- > 0;)
        if (!adze_value_has_uses(adze_region_arg(body, i))) adze_region_remove_arg(body, i);
    return infer(func);
}

bool copy_value(const adze_value *from, adze_value *to)
{
    uint64_t bytes = adze_dtype_bytes((adze_dtype)from->dtype, adze_value_count(from));
    int64_t *dims = adze_malloc((from->rank + 1u) * sizeof *dims);
    memcpy(dims, from->dims, from->rank * sizeof *dims);
    *to = *from;
    to->dims = dims;
    to->data = aligned_alloc(64, (bytes + 127) & ~UINT64_C(63));
    if (to->data) memcpy(to->data, from->data, bytes);
    return to->data;
}

void copy_value_free(adze_value *value)
{
    free((void *)value->dims);
    free(value->data);
}
