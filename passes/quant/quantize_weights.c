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

#include <adze/pass.h>

#include <stdlib.h>

typedef struct options {
    int64_t bits, group, edge_bits, min_elements, polish;
    bool symmetric, act_order;
    const char *method, *clip, *stats;
} options;

static bool read_plan(const options *o, adze_context *context, weight_plan *plan)
{
    *plan = (weight_plan){.bits = (uint32_t)o->bits, .group = (size_t)o->group, .symmetric = o->symmetric,
                          .act_order = o->act_order, .polish = (uint32_t)o->polish};
    adze_loc loc = adze_loc_unknown(context);
    if (!weight_method_parse(context, o->method, &plan->method)) return false;
    if (!weight_clip_parse(context, o->clip, &plan->clip)) return false;
    if (o->bits < 2 || o->bits > 8 || o->edge_bits < 2 || o->edge_bits > 8)
        return adze_error(loc, "quantize-weights: bits and edge-bits are 2 to 8");
    if (o->group < 0 || o->polish < 0 || o->polish > 1000)
        return adze_error(loc, "quantize-weights: group is not negative, polish 0 to 1000");
    if (weight_needs_gram(plan) && !o->stats)
        return adze_error(loc, "quantize-weights: method=%s, clip=%s, polish=%lld need statistics: stats=FILE, which "
                               "adze calibrate --gram writes", o->method, o->clip, (long long)o->polish);
    return true;
}

typedef struct rewriter {
    const options *options;
    adze_pass_run *run;
    weight_plan plan;
    adze_table first, last;
} rewriter;

static adze_outcome quantize(rewriter *r, const weight_matrix *m)
{
    weight_plan plan = r->plan;
    bool edge = adze_table_get(&r->first, m->op) || adze_table_get(&r->last, m->op);
    if (edge && plan.bits < (uint32_t)r->options->edge_bits) plan.bits = (uint32_t)r->options->edge_bits;
    weight_rounded rounded;
    if (!weight_round(m, &plan, &rounded)) return ADZE_FAILED;
    adze_ir_value *made = weight_emit(m, &plan, &rounded);
    bool ok = made && weight_replace(m, made, rounded.factors);
    weight_free(&rounded);
    return ok ? ADZE_CHANGED : ADZE_FAILED;
}

static adze_outcome quantize_func(rewriter *r, adze_func *func)
{
    adze_outcome all = ADZE_UNCHANGED;
    weight_edges(func, &r->first, &r->last);
    for (adze_op *op = adze_region_first(adze_func_body(func)); op && all != ADZE_FAILED; op = adze_op_next(op)) {
        weight_matrix m;
        if (!weight_describe(op, &m) || m.rows * m.cols < (size_t)r->options->min_elements) continue;
        if (!adze_rewrite(r->run, op, "quantize-weight")) continue;
        all = quantize(r, &m);
    }
    adze_table_free(&r->first);
    adze_table_free(&r->last);
    return all;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    rewriter r = {.options = opaque, .run = self};
    adze_context *context = self->context;
    if (!read_plan(r.options, context, &r.plan)) return ADZE_FAILED;
    adze_stats *stats = r.options->stats ? adze_stats_load(context, r.options->stats) : NULL;
    if (r.options->stats && (!stats || !adze_stats_attach(stats, module))) {
        adze_stats_destroy(stats);
        return ADZE_FAILED;
    }
    r.plan.stats = stats;
    adze_outcome all = ADZE_UNCHANGED;
    for (adze_func *f = adze_module_first_func(module); f && all != ADZE_FAILED; f = adze_func_next(f)) {
        adze_outcome one = quantize_func(&r, f);
        if (one != ADZE_UNCHANGED) all = one;
    }
    if (all == ADZE_CHANGED && stats) adze_stats_mark(stats, module);
    adze_stats_destroy(stats);
    return all;
}

#define OPTION(name, help, kind, member, fallback)                                                                     \
    {name, help, ADZE_OPTION_##kind, offsetof(options, member), fallback}
static const adze_option option_table[] = {
    OPTION("bits", "of a code, 2 to 8", INT, bits, "8"),
    OPTION("group", "input channels that share a scale; 0 = all", INT, group, "0"),
    OPTION("method", "rtn, gptq, awq or cd", STR, method, "rtn"),
    OPTION("clip", "range of the codes: absmax, mse or gram", STR, clip, "absmax"),
    OPTION("symmetric", "zero points are 0", BOOL, symmetric, "true"),
    OPTION("act-order", "gptq rounds columns of large inputs first", BOOL, act_order, "true"),
    OPTION("polish", "sweeps of descent behind rtn or gptq", INT, polish, "0"),
    OPTION("stats", "file of adze calibrate --gram, for all but rtn", STR, stats, NULL),
    OPTION("edge-bits", "at least so many in first and last layers", INT, edge_bits, "8"),
    OPTION("min-elements", "smaller weights stay", INT, min_elements, "1"),
};

const adze_pass adze_pass_quantize_weights = {
    .struct_size = sizeof(adze_pass),
    .name = "quantize-weights",
    .help = "round constant weights of contractions to codes of 2 to 8 bits",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Needs f32 weights that are constants, so it runs behind simplify; others stay. Codes are i8, or i4 "
                "up to 4 bits; one scale an output channel, or one a group of input channels (as ONNX's blocked "
                "dequantize; a convolution whose channels the group does not divide keeps one an output channel). "
                "gptq, awq and cd, the gram clip and polish read Gram matrices; an op without one is an error. awq is "
                "for matrix products; it multiplies their input by a constant, and rounds convolutions with windows "
                "or groups to nearest. fold would undo it for small weights: do not run that behind it.",
    .example = adze_example_quantize_weights,
};
