/* Entries of layer plans that no layer answers to. */
#include "passes/weights/plan.h"

#include "passes/weights/matrix.h"

#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

static void find(const adze_layer_plan *plan, adze_func *func, bool *found)
{
    for (adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) {
        weight_matrix m;
        int64_t index = weight_describe(op, &m) ? adze_layer_plan_find(plan, op) : -1;
        if (index >= 0) found[index] = true;
    }
}

bool weight_check_plan(const adze_layer_plan *plan, const char *path, const adze_module *module, adze_func *func,
                       weight_format_fn *ours, adze_format_kind kind)
{
    uint32_t n = adze_layer_plan_count(plan);
    bool *found = adze_malloc(n + 1u), ok = true;
    memset(found, 0, n + 1u);
    if (func) find(plan, func, found);
    for (adze_func *f = func ? NULL : adze_module_first_func(module); f; f = adze_func_next(f)) find(plan, f, found);
    for (uint32_t i = 0; ok && i < n; i++)
        if (!found[i] && ours(adze_layer_plan_format(plan, i), kind))
            ok = adze_error(adze_loc_unknown(adze_module_context(module)),
                            "%s: the model has no layer '%s' with constant f32 weights", path,
                            adze_layer_plan_name(plan, i));
    free(found);
    return ok;
}
