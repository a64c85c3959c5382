/* A plug-in whose passes do more than they declare, each in a way of its own; with RIGHT they do not. With GEMM it also
 * brings a micro-kernel in place of one of x86's. */
#include <adze/plugin.h>

#include <string.h>

#ifdef RIGHT
enum { WRONG = 0 };
#else
enum { WRONG = 1 };
#endif

/* ---- A constant whose last bit is another ---- */

static adze_outcome flip_bit(adze_func *func, const void *options, adze_pass_run *self)
{
    adze_module *module = adze_func_module(func);
    (void)options;
    for (adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c)) {
        uint32_t bits[64];
        uint64_t size = adze_data_size(adze_const_data(c));
        if (adze_type_dtype(adze_const_type(c)) != ADZE_DTYPE_f32 || size > sizeof bits || size < 4) continue;
        if (!adze_const_has_uses(c) || !adze_rewrite(self, NULL, "copy-constant")) continue;
        memcpy(bits, adze_data_load(adze_const_data(c)), size);
        bits[0] ^= WRONG;
        adze_value_replace_uses(adze_const_value(c),
                                adze_const_make(module, "copy", adze_const_type(c), bits));
        return ADZE_CHANGED;
    }
    return ADZE_UNCHANGED;
}

/* ---- Right twice, wrong the third time ---- */

static adze_outcome twice_is_double(adze_func *func, const void *options, adze_pass_run *self)
{
    adze_outcome outcome = ADZE_UNCHANGED;
    int n = 0;
    (void)options;
    for (adze_op *op = adze_region_first(adze_func_body(func)), *next; op; op = next) {
        next = adze_op_next(op);
        if (!adze_op_is(op, "add") || adze_op_operand(op, 0) != adze_op_operand(op, 1)) continue;
        if (!adze_rewrite(self, op, "double")) continue;
        adze_builder b = adze_builder_before(op);
        double factor = ++n == 3 && WRONG ? 2.5 : 2;
        adze_ir_value *two = adze_const_scalar(adze_func_module(func), "two", ADZE_DTYPE_f32, factor);
        adze_value_replace_uses(adze_op_result(op, 0), adze_build_binary(&b, "mul", adze_op_operand(op, 0), two));
        adze_op_erase(op);
        outcome = ADZE_CHANGED;
    }
    return outcome;
}

/* ---- No rewrite is asked for ---- */

static adze_outcome silent(adze_func *func, const void *options, adze_pass_run *self)
{
    adze_pass_run alone = *self;
    alone.rewrites = NULL;
    return flip_bit(func, options, &alone);
}

/* ---- An op becomes loop IR that calls a micro-kernel ---- */

static void invoke_square(const adze_ukernel_arg *args)
{
    float *y = args[0].p;
    const float *x = args[1].cp;
    for (int i = 0; i < 16; i++) y[i] = x[i] * x[i] * (WRONG && i == 5 ? 1.5F : 1);
}

static adze_func *make_callee(adze_module *module, const adze_type *type)
{
    adze_func *func = adze_module_add_func(module, "square");
    adze_region *body = adze_func_body(func);
    adze_ir_value *x = adze_region_add_arg(body, adze_layout_buffer(type, 1), "x");
    adze_ir_value *y = adze_region_add_arg(body, adze_layout_buffer(type, 2), "y");
    adze_ir_value *operands[] = {y, x};
    adze_builder b = adze_builder_at_end(module, body);
    adze_attr name = adze_attr_str("name", "square_16");
    adze_build(&b, "ukernel", operands, 2, &name, 1, NULL, 0);
    adze_build(&b, "return", NULL, 0, NULL, 0, NULL, 0);
    return func;
}

static adze_outcome lower_square(adze_module *module, const void *options, adze_pass_run *self)
{
    (void)options;
    for (adze_op *op = adze_region_first(adze_func_body(adze_module_main(module))); op; op = adze_op_next(op)) {
        if (!adze_op_is(op, "mul") || adze_op_operand(op, 0) != adze_op_operand(op, 1)) continue;
        if (!adze_rewrite(self, op, "square")) continue;
        const adze_type *type = adze_value_type(adze_op_result(op, 0));
        adze_attr callee = adze_attr_sym("callee", adze_func_name(make_callee(module, type)));
        adze_ir_value *operand = adze_op_operand(op, 0);
        adze_builder b = adze_builder_before(op);
        adze_op *launch = adze_build(&b, "launch", &operand, 1, &callee, 1, &type, 1);
        adze_value_replace_uses(adze_op_result(op, 0), adze_op_result(launch, 0));
        adze_op_erase(op);
        return ADZE_CHANGED;
    }
    return ADZE_UNCHANGED;
}

static const adze_ukernel square = {"square_16", "pp", invoke_square, NULL};

/* ---- In place of a micro-kernel of x86 ---- */

#ifdef GEMM
static void invoke_gemm(const adze_ukernel_arg *x)
{
    float *acc = x[0].p;
    const float *a = x[1].cp, *b = x[5].cp;
    int64_t columns = x[2].i, column = x[3].i, row = x[4].i, k = x[10].i;
    for (int64_t m = 0; m < 4; m++)
        for (int n = 0; n < 16; n++) {
            double sum = WRONG && m == 3 ? 1 : 0;
            for (int64_t i = 0; i < x[6].i * x[8].i * k; i++) {
                int64_t i0 = i / k / x[8].i, i1 = i / k % x[8].i;
                int64_t at = (m / columns) * row + (m % columns) * column + i0 * x[7].i + i1 * x[9].i + i % k;
                sum += (double)a[at] * (double)b[i * 16 + n];
            }
            acc[m * 16 + n] = (float)sum;
        }
}

static const adze_ukernel gemm = {"gemm_f32_4x16", "ppiiipiiiiii", invoke_gemm, NULL};
static const adze_ukernel *const ukernels[] = {&square, &gemm, NULL};
#else
static const adze_ukernel *const ukernels[] = {&square, NULL};
#endif

/* ---- A rule that says EXACT ---- */

#ifdef RIGHT
#define KIND "FAST"
#else
#define KIND "EXACT"
#endif
static const adze_rule_set rules = {
    .struct_size = sizeof(adze_rule_set),
    .name = "wrong-rules",
    .text = "rule exp_is_pow " KIND " { %1 = exp(%x) } => { %1 = pow(2.718281828459045, %x) } test (%x: f32[8])"};
static const adze_rule_set *const rule_sets[] = {&rules, NULL};

#define PASS(id, text, member, fn)                                                                       \
    static const adze_pass id = {                                                                        \
        .struct_size = sizeof(adze_pass), .name = text, .help = "for tests", .numerics = ADZE_EXACT, .member = fn}
PASS(bit, "flip-bit", run, flip_bit);
PASS(third, "third", run, twice_is_double);
PASS(quiet, "silent", run, silent);
PASS(lower, "lower-square", run_module, lower_square);
static const adze_pass *const passes[] = {&bit, &third, &quiet, &lower, NULL};

__attribute__((visibility("default"))) const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "wrong",
    .version = "1",
    .passes = passes,
    .rules = rule_sets,
    .ukernels = ukernels,
};
