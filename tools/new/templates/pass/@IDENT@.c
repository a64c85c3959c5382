/* @NAME@: neg(neg(x)) is x.
 *
 *     %0 = neg(%x) : f32[4]       →      return(%x)
 *     %1 = neg(%0) : f32[4]
 *     return(%1)
 */
#include <adze/plugin.h>

/* The op that defines the value, if it is a neg; else NULL. */
static adze_op *neg_of(const adze_ir_value *value)
{
    adze_op *op = value ? adze_value_op(value) : NULL;
    return op && adze_op_is(op, "neg") ? op : NULL;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    adze_outcome outcome = ADZE_UNCHANGED;
    for (adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) {
        adze_op *inner = adze_op_is(op, "neg") ? neg_of(adze_op_operand(op, 0)) : NULL;
        if (!inner || !adze_value_has_uses(adze_op_result(op, 0)) || !adze_rewrite(self, op, "double neg")) continue;
        adze_value_replace_uses(adze_op_result(op, 0), adze_op_operand(inner, 0)); /* dce removes what is left */
        outcome = ADZE_CHANGED;
    }
    return outcome;
}

static const adze_pass pass = {
    .struct_size = sizeof(adze_pass),
    .name = "@NAME@",
    .help = "drop two negations in a row",
    .numerics = ADZE_EXACT, /* every output keeps its bits */
    .run = run,
    /* for `adze help pass @NAME@` */
    .purpose = "simplify",
    .contract = "Needs nothing. Leaves the negations to dce.",
    .example = "func @twice(%x: f32[4]) -> (f32[4]) {\n"
               "  %0 = neg(%x) : f32[4]\n"
               "  %1 = neg(%0) : f32[4]\n"
               "  return(%1)\n"
               "}\n",
};

static const adze_pass *const passes[] = {&pass, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "@NAME@",
    .version = "1",
    .passes = passes,
};
