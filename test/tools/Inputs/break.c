/* A plug-in whose pass `break` makes one op wrong: that of the ONNX node which its option names, wherever it stands. */
#include <adze/plugin.h>

#include <stddef.h>
#include <string.h>

typedef struct options {
    const char *node;
} options;

/* The first result, if it is of floats, is half as large again; of strings, twice the same behind each other. */
static bool spoil(adze_op *op)
{
    adze_ir_value *value = adze_op_result(op, 0);
    const adze_type *type = adze_value_type(value);
    if (!adze_type_is_tensor(type)) return false;
    adze_builder b = adze_builder_after(op);
    bool text = adze_type_dtype(type) == ADZE_DTYPE_str;
    adze_ir_value *other = text ? value
                                : adze_const_scalar(adze_func_module(adze_op_func(op)), "wrong", ADZE_DTYPE_f32, 1.5);
    adze_ir_value *wrong = adze_build_binary(&b, text ? "string_concat" : "mul", value, other);
    if (!wrong) return false;
    adze_op *maker = adze_value_op(wrong);
    adze_value_replace_uses(value, wrong);
    for (uint32_t i = 0; i < adze_op_num_operands(maker); i++)
        if (adze_op_operand(maker, i) == wrong) adze_op_set_operand(maker, i, value);
    return true;
}

static adze_outcome search(const adze_region *region, const char *node)
{
    for (adze_op *op = adze_region_first(region), *next; op; op = next) {
        next = adze_op_next(op);
        const char *name = adze_op_loc(op).node;
        if (name && !strcmp(name, node) && adze_op_num_results(op) && !adze_op_num_regions(op))
            return spoil(op) ? ADZE_CHANGED : ADZE_FAILED;
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            if (search(adze_op_region(op, i), node) == ADZE_CHANGED) return ADZE_CHANGED;
    }
    return ADZE_UNCHANGED;
}

static adze_outcome run(adze_func *func, const void *given, adze_pass_run *self)
{
    const options *o = given;
    (void)self;
    return search(adze_func_body(func), o->node);
}

static const adze_option list[] = {
    {"node", "of the op that becomes wrong", ADZE_OPTION_STR, offsetof(options, node), "\"\""},
};
static const adze_pass pass = {.struct_size = sizeof(adze_pass),
                               .name = "break",
                               .help = "for tests",
                               .numerics = ADZE_EXACT,
                               .run = run,
                               .options = list,
                               .n_options = 1,
                               .options_size = sizeof(options)};
static const adze_pass *const passes[] = {&pass, NULL};

__attribute__((visibility("default"))) const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "break",
    .version = "1",
    .passes = passes,
};
