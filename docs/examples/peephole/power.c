/* power: pow(x, n) with a small whole number n becomes multiplications.
 *
 * Binary powers: x^5 is x2 = x*x, x4 = x2*x2, x4*x. Rounds after each product, where pow rounds once.
 * Options: `max`, the largest n; `negative`, n < 0 too, as the reciprocal of the positive power.
 *
 *     %0 = pow(%x, @five)      →      %0 = mul(%x, %x)
 *                                     %1 = mul(%0, %0)
 *                                     %2 = mul(%1, %x)
 */
#include <adze/plugin.h>

#include <math.h>

typedef struct options {
    int64_t max;
    bool negative;
} options;

/* The whole number that the op raises to; 0 if it is none. */
static int64_t exponent_of(const adze_op *op, const options *o)
{
    double n;
    if (!adze_op_is(op, "pow") || !adze_value_as_splat(adze_op_operand(op, 1), &n)) return 0;
    if (!(fabs(n) <= (double)o->max) || n != floor(n) || (n < 0 && !o->negative)) return 0;
    const adze_ir_value *x = adze_op_operand(op, 0), *y = adze_op_result(op, 0);
    return adze_value_type(x) == adze_value_type(y) ? (int64_t)n : 0; /* not where n broadcasts x */
}

/* x to the power n >= 1; NULL after an error. */
static adze_ir_value *power(adze_builder *builder, adze_ir_value *x, int64_t n)
{
    adze_ir_value *result = NULL;
    for (adze_ir_value *square = x; square; square = adze_build_binary(builder, "mul", square, square)) {
        if (n & 1) result = result ? adze_build_binary(builder, "mul", square, result) : square;
        n >>= 1;
        if (!n || !square) return result;
    }
    return NULL;
}

static adze_outcome run(adze_func *func, const void *given, adze_pass_run *self)
{
    const options *o = given;
    adze_outcome outcome = ADZE_UNCHANGED;
    for (adze_op *op = adze_region_first(adze_func_body(func)), *next; op; op = next) {
        next = adze_op_next(op);
        int64_t n = exponent_of(op, o);
        if (!n || !adze_rewrite(self, op, "multiply")) continue; /* --rewrite-limit may say no */
        adze_builder builder = adze_builder_before(op); /* what it builds keeps the op's ONNX node names */
        adze_ir_value *made = power(&builder, adze_op_operand(op, 0), n < 0 ? -n : n);
        if (made && n < 0) made = adze_build_unary(&builder, "reciprocal", made);
        if (!made) return ADZE_FAILED; /* the builder has said why */
        adze_value_replace_uses(adze_op_result(op, 0), made);
        adze_op_erase(op);
        outcome = ADZE_CHANGED;
    }
    return outcome;
}

static const adze_option option_rows[] = {
    {"max", "largest exponent", ADZE_OPTION_INT, offsetof(options, max), "8"},
    {"negative", "negative exponents, too", ADZE_OPTION_BOOL, offsetof(options, negative), "false"},
};

static const adze_pass pass = {
    .struct_size = sizeof(adze_pass),
    .name = "power",
    .help = "whole powers become multiplications",
    .numerics = ADZE_FAST, /* the last bits may differ */
    .options = option_rows,
    .n_options = sizeof option_rows / sizeof *option_rows,
    .options_size = sizeof(options),
    .run = run,
    .purpose = "simplify",
    .contract = "Needs nothing. Changes float and integer powers alike.",
};

static const adze_pass *const passes[] = {&pass, NULL};

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "power",
    .version = "1",
    .passes = passes,
};
