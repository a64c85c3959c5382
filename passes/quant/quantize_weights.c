/* quantize-weights: constant weights of contractions become codes of few bits with scales.
 *
 * The codes are constants; a `dequantize` gives the weights back, so the module means what it meant, up to rounding.
 * Shared weights are rounded once.
 *
 *     %0 = matmul(%x, @w) : f32[N,8]        →      %1 = dequantize(@w.codes, @w.scale) {axis = 1} : f32[16,8]
 *                                                  %0 = matmul(%x, %1) : f32[N,8]
 */
#include "passes/examples_embedded.h"
#include "passes/quant/weights.h"
#include "passes/weights/prefix.h"

#include <adze/arena.h>
#include <adze/pass.h>

#include <stdlib.h>

typedef struct rewriter {
    adze_pass_run *run;
    weight_choice choice;
    weight_prefix *prefix; /* NULL = layers are rounded each for itself */
} rewriter;

/* The copy that later layers are measured behind computes with them, too. */
static bool round_prefix(rewriter *r, const weight_matrix *m, const weight_rounded *rounded)
{
    size_t count = m->rows * m->cols;
    double *values = adze_malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = rounded->values[i] / (rounded->factors ? rounded->factors[i % m->cols] : 1);
    bool ok = prefix_change(r->prefix, m, values);
    free(values);
    return ok;
}

static adze_outcome quantize(rewriter *r, const weight_matrix *m, weight_plan *plan)
{
    weight_rounded rounded;
    prefix_moments moments = {0};
    plan->moments = r->prefix ? &moments : NULL;
    bool ok = !r->prefix || prefix_measure(r->prefix, m, false, &moments);
    ok = ok && weight_round(m, plan, &rounded);
    prefix_moments_free(&moments);
    if (!ok) return ADZE_FAILED;
    ok = !r->prefix || round_prefix(r, m, &rounded);
    adze_ir_value *made = ok ? weight_emit(m, plan, &rounded) : NULL;
    ok = made && weight_replace(m, made, rounded.factors);
    weight_free(&rounded);
    return ok ? ADZE_CHANGED : ADZE_FAILED;
}

static adze_outcome quantize_func(rewriter *r, adze_func *func)
{
    adze_outcome all = ADZE_UNCHANGED;
    bool sequential = r->choice.options->sequential && func == adze_module_main(adze_func_module(func));
    r->prefix = sequential ? prefix_create(r->run, adze_func_module(func)) : NULL;
    if (sequential && !r->prefix) return ADZE_FAILED;
    uint64_t done = 0, total = 0;
    for (adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) total++;
    weight_choice_enter(&r->choice, func);
    for (adze_op *op = adze_region_first(adze_func_body(func)); op && all != ADZE_FAILED; op = adze_op_next(op)) {
        weight_matrix m;
        done++;
        weight_plan plan;
        if (!weight_describe(op, &m) || !weight_choice_of(&r->choice, &m, &plan)) continue;
        adze_pass_progress(r->run, done - 1, total, adze_const_name(m.constant));
        if (adze_rewrite(r->run, op, "quantize-weight")) all = quantize(r, &m, &plan);
    }
    weight_choice_leave(&r->choice);
    prefix_destroy(r->prefix);
    return all;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    rewriter r = {.run = self};
    bool ok = weight_choice_begin(&r.choice, opaque, "quantize-weights", "method", ADZE_FORMAT_WEIGHTS, module);
    adze_outcome all = ok ? ADZE_UNCHANGED : ADZE_FAILED;
    for (adze_func *f = adze_module_first_func(module); f && all != ADZE_FAILED; f = adze_func_next(f)) {
        adze_outcome one = quantize_func(&r, f);
        if (one != ADZE_UNCHANGED) all = one;
    }
    if (all == ADZE_CHANGED && r.choice.stats) adze_stats_mark(r.choice.stats, module);
    weight_choice_end(&r.choice);
    return all;
}

#define OPTION(name, help, kind, member, fallback)                                                                     \
    {name, help, ADZE_OPTION_##kind, offsetof(weight_options, member), fallback}
static const adze_option option_table[] = {
    OPTION("bits", "of a code, 2 to 8", INT, bits, "8"),
    OPTION("group", "input channels that share a scale; 0 = all", INT, group, "0"),
    OPTION("scales", "of groups: f32, or f16 unless weights are tiny or huge", STR, scales, "f32"),
    OPTION("method", "rtn, gptq, awq, cd or awq-gptq", STR, method, "rtn"),
    OPTION("clip", "range of the codes: absmax, mse or gram", STR, clip, "absmax"),
    OPTION("symmetric", "zero points are 0", BOOL, symmetric, "true"),
    OPTION("act-order", "gptq rounds columns of large inputs first", BOOL, act_order, "true"),
    OPTION("polish", "sweeps of descent behind the method", INT, polish, "0"),
    OPTION("refit", "times that scales are fitted to codes, and codes to scales", INT, refit, "0"),
    OPTION("progressive", "by way of 8 and 6 bits, each rounded from the one before", BOOL, progressive, "false"),
    OPTION("sequential", "measure each layer behind the rounded ones before it, on --calib", BOOL, sequential, "false"),
    OPTION("stats", "file of adze calibrate --gram, for all but rtn", STR, stats, NULL),
    OPTION("edge-bits", "at least so many in first and last layers", INT, edge_bits, "8"),
    OPTION("min-elements", "smaller weights stay", INT, min_elements, "1"),
    OPTION("plan", "file that says which layers, with how many bits and which group", STR, plan, NULL),
};

const adze_pass adze_pass_quantize_weights = {
    .struct_size = sizeof(adze_pass),
    .name = "quantize-weights",
    .help = "round constant weights of contractions to codes of 2 to 8 bits",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(weight_options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Needs f32 weights that are constants, so it runs behind simplify; others stay. Codes are i8, or i4 "
                "up to 4 bits; one scale an output channel, or one a group of input channels (as ONNX's blocked "
                "dequantize; a convolution whose channels the group does not divide keeps one an output channel). "
                "gptq, awq and cd, the gram clip, polish and refit read Gram matrices; an op without one is an error. "
                "awq's factors are for matrix products, whose input is multiplied by a constant; awq-gptq rounds with "
                "gptq behind them. sequential measures the matrices itself in main, behind the layers that are rounded "
                "already, and aims at the outputs of the model as it was (not at those of grouped convolutions). Where "
                "30 % or more of a layer's weights are exactly 0, it was pruned, and these stay 0. fold "
                "would undo it for small weights: do not run that behind it.",
    .example = adze_example_quantize_weights,
};
