/* quantize-static: codes of 8 bits with scales that calibration found, in ONNX's QDQ form.
 *
 * Values that contractions read, and those that stay codes behind them, get `quantize` and `dequantize`; weights become
 * i8 constants, biases i32 ones with the scale of the sums.
 *
 *     %0 = conv(%x, @w, @b) : f32[1,8,4,4]  →      %1 = quantize(%x, @x.scale, @x.zero) : u8[1,3,6,6]
 *     %1 = relu(%0)                                %2 = dequantize(%1, @x.scale, @x.zero)
 *                                                  %0 = conv(%2, dequantize(@w.codes, …), dequantize(@b.codes, …))
 *                                                  %3 = relu(%0)
 */
#include "passes/examples_embedded.h"
#include "passes/quant/static.h"

#include <string.h>

static bool parse_range(adze_context *context, const char *text, quant_range *out)
{
    static const char *const names[] = {"minmax", "percentile", "mse", "kl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) return *out = (quant_range)i, true;
    return adze_error(adze_loc_unknown(context), "unknown range '%s'; there are minmax, percentile, mse and kl", text);
}

static bool read_options(static_plan *plan, adze_context *context)
{
    const static_options *o = plan->options;
    adze_loc loc = adze_loc_unknown(context);
    plan->grid = quant_grid_make(8, false, false);
    plan->weights = (weight_plan){.bits = (uint32_t)o->bits, .symmetric = true, .act_order = true,
                                  .polish = (uint32_t)o->polish, .refit = (uint32_t)o->refit};
    if (o->bits < 2 || o->bits > 8) return adze_error(loc, "quantize-static: bits is 2 to 8");
    if (o->polish < 0 || o->polish > 1000 || o->refit < 0 || o->refit > 1000)
        return adze_error(loc, "quantize-static: polish and refit are 0 to 1000");
    if (o->search < 0 || o->search > 100 || o->search_samples < 1)
        return adze_error(loc, "quantize-static: search is 0 to 100, search-samples at least 1");
    if (!(o->share >= 0 && o->share < 1)) return adze_error(loc, "quantize-static: share is at least 0 and below 1");
    if (!parse_range(context, o->range, &plan->range)) return false;
    if (!weight_method_parse(context, o->weights, &plan->weights.method)) return false;
    if (!weight_clip_parse(context, o->clip, &plan->weights.clip)) return false;
    if (!o->stats && (weight_needs_gram(&plan->weights) || o->correct_bias))
        return adze_error(loc, "quantize-static: weights=%s, clip=%s, polish=%lld, refit=%lld and correct-bias need "
                               "statistics: stats=FILE", o->weights, o->clip, (long long)o->polish,
                          (long long)o->refit);
    if (o->sequential && !weight_needs_gram(&plan->weights) && !o->correct_bias)
        return adze_error(loc, "quantize-static: sequential is for weights=gptq or cd, clip=gram, polish, refit and "
                               "correct-bias");
    if (plan->weights.method == WEIGHT_AWQ || plan->weights.method == WEIGHT_AWQ_GPTQ)
        return adze_error(loc, "quantize-static: weights are rtn, gptq or cd");
    return true;
}

static adze_outcome quantize(static_plan *plan, adze_func *func)
{
    adze_outcome all = ADZE_UNCHANGED;
    if (!static_select(plan, func) || !static_ranges(plan)) return ADZE_FAILED;
    weight_edges(func, &plan->first, &plan->last);
    if (plan->options->search && !static_search(plan, func)) return ADZE_FAILED;
    if (plan->options->sequential) {
        plan->prefix = prefix_create(plan->run, adze_func_module(func));
        if (!plan->prefix || !static_round_prefix(plan, func)) return ADZE_FAILED;
    }
    for (adze_op *op = adze_region_first(adze_func_body(func)); op && all != ADZE_FAILED; op = adze_op_next(op)) {
        weight_matrix m;
        if (static_kind_of(plan, op) != STATIC_CONTRACT || !weight_describe(op, &m)) continue;
        adze_outcome one = static_emit_weights(plan, &m);
        if (one != ADZE_UNCHANGED) all = one;
    }
    for (uint32_t i = 0; i < plan->n && all != ADZE_FAILED; i++) {
        if (!plan->order[i]->wanted) continue;
        adze_outcome one = static_emit_value(plan, plan->order[i]);
        if (one != ADZE_UNCHANGED) all = one;
    }
    return all;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    static_plan plan = {.options = opaque, .run = self};
    if (!read_options(&plan, self->context)) return ADZE_FAILED;
    const char *path = plan.options->stats;
    plan.weights.stats = plan.stats = path ? adze_stats_load(self->context, path) : NULL;
    adze_func *func = adze_module_main(module);
    adze_outcome all = ADZE_FAILED;
    bool ok = !path || (plan.stats && adze_stats_attach(plan.stats, module));
    if (ok && plan.options->plan) ok = (plan.layers = weight_layers(plan.options->plan, ADZE_FORMAT_STATIC, module));
    if (ok) all = func ? quantize(&plan, func) : ADZE_UNCHANGED;
    if (all == ADZE_CHANGED && plan.stats) adze_stats_mark(plan.stats, module);
    adze_layer_plan_destroy(plan.layers);
    adze_stats_destroy(plan.stats);
    prefix_destroy(plan.prefix);
    adze_table_free(&plan.shrinks);
    adze_table_free(&plan.activations);
    adze_table_free(&plan.kinds);
    adze_table_free(&plan.readers);
    adze_table_free(&plan.apart);
    adze_table_free(&plan.first);
    adze_table_free(&plan.last);
    adze_arena_free(&plan.arena);
    return all;
}

#define OPTION(name, help, kind, member, fallback)                                                                     \
    {name, help, ADZE_OPTION_##kind, offsetof(static_options, member), fallback}
static const adze_option option_table[] = {
    OPTION("stats", "file of adze calibrate; with --gram for weights=gptq and cd, clip=gram, polish", STR, stats, NULL),
    OPTION("range", "of activations: minmax, percentile, mse or kl", STR, range, "mse"),
    OPTION("share", "of values that percentile may cut off", FLOAT, share, "0.00001"),
    OPTION("search", "rounds of local search for ranges, on the error of contractions on --calib", INT, search, "0"),
    OPTION("search-samples", "that search takes, the first ones", INT, search_samples, "32"),
    OPTION("weights", "rtn, gptq or cd", STR, weights, "rtn"),
    OPTION("clip", "range of weights: absmax, mse or gram", STR, clip, "absmax"),
    OPTION("bits", "of a weight's code, 2 to 8; first and last layers have 8", INT, bits, "8"),
    OPTION("polish", "sweeps of descent behind rtn or gptq", INT, polish, "0"),
    OPTION("refit", "times that scales are fitted to codes, and codes to scales", INT, refit, "0"),
    OPTION("correct-bias", "biases keep mean outputs where weights were rounded", BOOL, correct_bias, "false"),
    OPTION("sequential", "measure each layer behind the rounded ones before it, on --calib", BOOL, sequential, "false"),
    OPTION("float-bias", "biases stay f32, without codes and their scales", BOOL, float_bias, "false"),
    OPTION("sums", "round what is added, too, as other tools do", BOOL, sums, "false"),
    OPTION("plan", "file that says which layers, and with how many bits of a weight", STR, plan, NULL),
    OPTION("skip", "nodes or values that stay float: \"a b\"", STR, skip, NULL),
};

const adze_pass adze_pass_quantize_static = {
    .struct_size = sizeof(adze_pass),
    .name = "quantize-static",
    .help = "codes of 8 bits for activations and weights, with calibrated scales",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(static_options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Needs statistics of the module as it is, so it follows simplify at once, as adze calibrate does. "
                "Activations are u8 with a zero point, weights i8 without one and with a scale an output channel, "
                "biases i32 or, smaller in a file, f32 as they are (compiled code is the same). What moves or chooses "
                "elements shares the scale of its operands, but for what a concat passes on to another one whose range "
                "is different; softmax, normalizations and what returns stay float, and so does a sum with a float "
                "operand. An activation whose statistics are missing is an error; without a file only those are known "
                "that follow an op with bounds (sigmoid, tanh, clip). With correct-bias, Gram matrices are of inputs "
                "less their means, which the bias makes up for. search tries ranges of values, and of weights that are "
                "rounded to nearest without polish or refit. sequential measures the matrices, and the means, behind "
                "the layers and values that are rounded already. Works on main alone.",
    .example = adze_example_quantize_static,
};
