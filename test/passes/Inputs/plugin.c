/* A plug-in of one pass, one rule set and one op; macros make the wrong ones. With MARK its constructor
 * creates that file, so a test can see whether any code of it ran. */
#include <adze/plugin.h>

#include <stdio.h>
#include <stdlib.h>

#ifndef NAME
#define NAME "demo"
#endif
#ifndef PASS
#define PASS "demo-exp"
#endif
#ifndef MODE
#define MODE "tanh"
#endif
#ifndef OP
#define OP "demo_twice"
#endif
#ifndef ABI
#define ABI ADZE_ABI
#endif
#ifndef MAGIC
#define MAGIC ADZE_PLUGIN_MAGIC
#endif
#ifndef SIZE
#define SIZE sizeof(adze_plugin)
#endif
#ifndef IN_MAX
#define IN_MAX 1
#endif
#ifndef SYMBOL
#define SYMBOL adze_plugin_descriptor
#endif

__attribute__((constructor)) static void leave_mark(void)
{
    const char *path = getenv("MARK");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) fclose(file);
}

typedef struct options {
    int64_t count;
    const char *mode;
} options;

/* Replaces exp by `mode`, at most `count` times. With LIE it says that nothing changed. */
static adze_outcome run(adze_func *func, const void *given, adze_pass_run *self)
{
    const options *o = given;
    int64_t left = o->count;
    adze_outcome outcome = ADZE_UNCHANGED;
    (void)self;
    for (adze_op *op = adze_region_first(adze_func_body(func)), *next; op && left > 0; op = next) {
        next = adze_op_next(op);
        if (!adze_op_is(op, "exp")) continue;
        adze_builder builder = adze_builder_before(op);
        adze_ir_value *made = adze_build_unary(&builder, o->mode, adze_op_operand(op, 0));
        if (!made) return ADZE_FAILED;
        adze_value_replace_uses(adze_op_result(op, 0), made);
        adze_op_erase(op);
        left--;
        outcome = ADZE_CHANGED;
    }
#ifdef BREAK
    adze_op_erase(adze_func_return(func));
#endif
#ifdef LIE
    outcome = ADZE_UNCHANGED;
#endif
    return outcome;
}

static const adze_option option_rows[] = {
    {"count", "how many at most", ADZE_OPTION_INT, offsetof(options, count), "100"},
    {"mode", "what to put there", ADZE_OPTION_STR, offsetof(options, mode), MODE},
};

#ifdef START
static bool start(adze_context *context, char *why, size_t why_size)
{
    (void)context;
    snprintf(why, why_size, "%s", START);
    return !*START;
}
#endif

static const adze_pass pass = {
    .struct_size = sizeof(adze_pass),
    .name = PASS,
    .help = "replace exp by something else",
    .options = option_rows,
    .n_options = 2,
    .options_size = sizeof(options),
    .run = run,
#ifdef START
    .start = start,
#endif
    .purpose = "demonstrate",
    .contract = "Needs nothing. Keeps types.",
    .example = "func @one(%x: f32[4]) -> (f32[4]) {\n  %0 = exp(%x) : f32[4]\n  return(%0)\n}\n",
};

static adze_status eval_twice(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                              uint32_t n_out, const void *attrs)
{
    (void)env, (void)n_in, (void)n_out, (void)attrs;
    const float *x = in[0].data;
    float *y = out[0].data;
    for (uint64_t i = 0; i < adze_value_count(&in[0]); i++) y[i] = x[i] + x[i];
    return ADZE_OK;
}

static bool infer_twice(adze_op *op, const adze_type **out)
{
    out[0] = adze_value_type(adze_op_operand(op, 0));
    return true;
}

static const adze_op_row row = {
    .struct_size = sizeof(adze_op_row),
    .abi = ADZE_ABI,
    .name = OP,
    .help = "twice the operand",
    .in_min = 1,
    .in_max = IN_MAX,
    .out_min = 1,
    .out_max = 1,
    .traits = ADZE_PURE | ADZE_ELEMWISE,
    .infer = infer_twice,
    .eval = eval_twice,
};

#ifndef RULES
#define RULES                                                                                      \
    "rule twice EXACT { %1 = add(%x, %x) where rank(%x, 1) } => { %1 = demo_twice(%x) } "          \
    "test (%x: f32[8])"
#endif
static const adze_rule_set rules = {.struct_size = sizeof(adze_rule_set), .name = NAME "-rules", .text = RULES};

static const adze_pass *const passes[] = {&pass, NULL};
static const adze_op_row *const ops[] = {&row, NULL};
static const adze_rule_set *const rule_sets[] = {&rules, NULL};

__attribute__((visibility("default"))) const adze_plugin SYMBOL = {
    .magic = MAGIC,
    .abi = ABI,
    .struct_size = SIZE,
    .name = NAME,
    .version = "1",
    .passes = passes,
    .ops = ops,
    .rules = rule_sets,
};
