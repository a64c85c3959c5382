/* A plug-in whose pass goes wrong on one kind of op: `op` with a last dim of `last` and an operand made by `from`. */
#include <adze/plugin.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *op, *from, *how;
    int64_t last;
} options;

static volatile int zero, one = 1;

static int deeper(volatile char *above)
{
    volatile char here[4096];
    here[0] = above[0];
    return zero ? 0 : deeper(here) + here[1];
}

static adze_outcome go_wrong(const adze_op *op, const char *how)
{
    char start = 0;
    if (!strcmp(how, "segv")) *(volatile int *)(uintptr_t)(8 + zero) = 1;
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "fpe")) zero = one / zero;
    if (!strcmp(how, "bus")) raise(SIGBUS);
    if (!strcmp(how, "ill")) __builtin_trap();
    if (!strcmp(how, "stack")) zero = deeper(&start);
    if (!strcmp(how, "break")) adze_op_erase(adze_func_return(adze_op_func(op)));
    if (!strcmp(how, "fail")) adze_error(adze_op_loc(op), "boom: this op is too much");
    return !strcmp(how, "fail") ? ADZE_FAILED : ADZE_CHANGED;
}

static adze_outcome run(adze_func *func, const void *given, adze_pass_run *self)
{
    const options *o = given;
    (void)self;
    for (adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) {
        if (!adze_op_is(op, o->op)) continue;
        const adze_type *type = adze_value_type(adze_op_result(op, 0));
        adze_ir_value *first = adze_op_num_operands(op) ? adze_op_operand(op, 0) : NULL;
        adze_op *from = first ? adze_value_op(first) : NULL;
        if (o->from && (!from || !adze_op_is(from, o->from))) continue;
        uint32_t rank = adze_type_rank(type);
        if (o->last && (!rank || !adze_dim_is_value(adze_type_dim(type, rank - 1), o->last))) continue;
        return go_wrong(op, o->how);
    }
    return ADZE_UNCHANGED;
}

static const adze_option option_rows[] = {
    {"op", "name of the op", ADZE_OPTION_STR, offsetof(options, op), "relu"},
    {"from", "name of the op that makes its first operand", ADZE_OPTION_STR, offsetof(options, from), NULL},
    {"how", "segv, abort, fpe, bus, ill, stack, break or fail", ADZE_OPTION_STR, offsetof(options, how), "segv"},
    {"last", "its last dim; 0 = any", ADZE_OPTION_INT, offsetof(options, last), "0"},
};

static const adze_pass boom = {
    .struct_size = sizeof(adze_pass),
    .name = "boom",
    .help = "for tests",
    .options = option_rows,
    .n_options = 4,
    .options_size = sizeof(options),
    .run = run,
};
static const adze_pass *const passes[] = {&boom, NULL};

__attribute__((visibility("default"))) const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "crash",
    .version = "1",
    .passes = passes,
};
