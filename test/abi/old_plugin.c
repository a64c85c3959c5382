/* A plug-in as it was written for the first version of the interface: built against the headers in 1/, it must still
 * load and do its work. */
#include <adze/pass.h>

#include <string.h>

typedef struct swap_options {
    int64_t count;
    const char *by;
} swap_options;

static const adze_option options[] = {
    {"count", "how many at most", ADZE_OPTION_INT, offsetof(swap_options, count), "100"},
    {"by", "the op to put there", ADZE_OPTION_STR, offsetof(swap_options, by), "tanh"},
};

static adze_outcome swap(adze_func *func, const void *given, adze_pass_run *self)
{
    const swap_options *o = given;
    int64_t left = o->count;
    (void)self;
    for (adze_op *op = adze_region_first(adze_func_body(func)), *next; op && left; op = next) {
        next = adze_op_next(op);
        if (!adze_op_is(op, "exp")) continue;
        adze_builder b = adze_builder_before(op);
        adze_ir_value *made = adze_build_unary(&b, o->by, adze_op_operand(op, 0));
        if (!made) return ADZE_FAILED;
        adze_value_replace_uses(adze_op_result(op, 0), made);
        adze_op_erase(op);
        left--;
    }
    return left < o->count ? ADZE_CHANGED : ADZE_UNCHANGED;
}

static const adze_pass pass = {
    .struct_size = sizeof(adze_pass), .numerics = ADZE_LOSSY, .name = "old-swap", .help = "replace exp",
    .options = options, .n_options = 2, .options_size = sizeof(swap_options), .run = swap};
static const adze_pass *const passes[] = {&pass, NULL};

static bool infer(adze_op *op, const adze_type **out)
{
    out[0] = adze_value_type(adze_op_operand(op, 0));
    return true;
}

static adze_status twice(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                         const void *attrs)
{
    (void)env, (void)n_in, (void)n_out, (void)attrs;
    const float *x = in[0].data;
    for (uint64_t i = 0; i < adze_value_count(&in[0]); i++) ((float *)out[0].data)[i] = 2 * x[i];
    return ADZE_OK;
}

static const adze_op_row row = {
    .struct_size = sizeof(adze_op_row), .abi = ADZE_ABI, .name = "old_twice", .help = "twice the operand",
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .traits = ADZE_PURE | ADZE_ELEMWISE,
    .infer = infer, .eval = twice};
static const adze_op_row *const ops[] = {&row, NULL};

static const adze_rule_set set = {
    .struct_size = sizeof(adze_rule_set), .name = "old-rules",
    .text = "rule old_twice_neg EXACT { %1 = neg(%x) %2 = old_twice(%1) } => { %1 = old_twice(%x) %2 = neg(%1) }\n"
            "test (%x: f32[8])"};
static const adze_rule_set *const rules[] = {&set, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC, .abi = ADZE_ABI, .struct_size = sizeof(adze_plugin), .name = "old", .version = "1",
    .passes = passes, .ops = ops, .rules = rules};
