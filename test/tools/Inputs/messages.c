/* A plug-in whose pass says something of some ops: messages of every kind and place for --verify-diagnostics. */
#include <adze/plugin.h>

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    for (adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) {
        if (adze_op_is(op, "abs")) adze_warning(adze_op_loc(op), "abs takes %d cycles", 17);
        if (adze_op_is(op, "neg")) adze_note(adze_op_loc(op), "neg is (almost) free");
        if (adze_op_is(op, "exp")) adze_warning(adze_loc_unknown(self->context), "exp has no place");
        if (!adze_op_is(op, "tanh")) continue;
        adze_error(adze_op_loc(op), "tanh is refused");
        adze_error(adze_op_loc(op), "tanh is refused");
        return ADZE_FAILED;
    }
    return ADZE_UNCHANGED;
}

static const adze_pass pass = {
    .struct_size = sizeof(adze_pass), .name = "say", .help = "say something of some ops", .run = run};
static const adze_pass *const passes[] = {&pass, NULL};

__attribute__((visibility("default"))) const adze_plugin adze_plugin_descriptor = {.magic = ADZE_PLUGIN_MAGIC,
                                                                                  .abi = ADZE_ABI,
                                                                                  .struct_size = sizeof(adze_plugin),
                                                                                  .name = "messages",
                                                                                  .version = "1",
                                                                                  .passes = passes};
