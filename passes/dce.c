/* dce: remove ops whose results nobody uses, and constants that are left over.
 *
 * One walk backwards over each region is enough: every user of an op stands below it, so by the
 * time the walk reaches an op, the dead users are gone.
 *
 *     %0 = relu(%x) : f32[4]      →      return(%x)
 *     return(%x)
 */
#include <adze/ir.h>
#include <adze/pass.h>

#include "passes/examples_embedded.h"

static bool is_dead(const adze_op *op)
{
    if (!adze_op_has_trait(op, ADZE_PURE)) return false;
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        if (adze_value_has_uses(adze_op_result(op, i))) return false;
    return true;
}

static bool sweep(adze_region *region, adze_pass_run *self)
{
    bool changed = false;
    for (adze_op *op = adze_region_last(region), *above; op; op = above) {
        above = adze_op_prev(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            changed |= sweep(adze_op_region(op, i), self);
        if (is_dead(op) && adze_rewrite(self, op, "erase")) {
            adze_op_erase(op);
            changed = true;
        }
    }
    return changed;
}

/* Again until nothing changes: a derived constant that goes may leave its inputs without uses. */
static bool sweep_constants(adze_module *module, adze_pass_run *self)
{
    bool changed = false, again = true;
    while (again) {
        again = false;
        for (adze_const *c = adze_module_first_const(module), *next; c; c = next) {
            next = adze_const_next(c);
            if (adze_const_has_uses(c) || !adze_rewrite(self, NULL, "erase-constant")) continue;
            adze_const_erase(c);
            changed = again = true;
        }
    }
    return changed;
}

static adze_outcome run(adze_module *module, const void *options, adze_pass_run *self)
{
    (void)options;
    bool changed = false;
    for (adze_func *func = adze_module_first_func(module); func; func = adze_func_next(func))
        changed |= sweep(adze_func_body(func), self);
    changed |= sweep_constants(module, self);
    return changed ? ADZE_CHANGED : ADZE_UNCHANGED;
}

const adze_pass adze_pass_dce = {
    .struct_size = sizeof(adze_pass),
    .name = "dce",
    .help = "remove ops whose results nobody uses, and unused constants",
    .numerics = ADZE_EXACT,
    .run_module = run,
    .purpose = "simplify",
    .contract = "Needs nothing. An op stays if it is not PURE, whatever its results. Constants go when no op and no "
                "derived constant reads them.",
    .example = adze_example_dce,
};
