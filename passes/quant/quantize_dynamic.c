/* quantize-dynamic: matrix products with constant weights compute with codes of 8 bits, whose scale each row of the
 * input (a token) finds for itself when the model runs.
 *
 * Needs no statistics. The scale is plain ops, so that fusion joins it to what makes the input; the codes are ONNX's
 * blocked quantize with a block as long as the row.
 *
 *     %0 = matmul(%x, @w) : f32[N,8]        →      %1 = abs(%x)
 *                                                  %2 = reduce_max(%1, [1]) : f32[N,1]
 *                                                  %3 = max(mul(%2, 1 / 127), 1e-30)
 *                                                  %4 = quantize(%x, %3) {block_size = 16, output_dtype = 3} : i8[N,16]
 *                                                  %5 = dequantize(%4, %3) {block_size = 16} : f32[N,16]
 *                                                  %0 = matmul(%5, dequantize(@w.codes, @w.scale)) : f32[N,8]
 */
#include "passes/examples_embedded.h"
#include "passes/quant/weights.h"

#include <adze/pass.h>

typedef struct options {
    int64_t bits, group, edge_bits, min_elements, polish;
    const char *weights, *clip, *stats;
} options;

typedef struct rewriter {
    const options *options;
    adze_pass_run *run;
    weight_plan plan;
    adze_table first, last, narrowed; /* narrowed: input value to its rounded twin */
} rewriter;

static bool read_plan(const options *o, adze_context *context, weight_plan *plan)
{
    *plan = (weight_plan){.bits = (uint32_t)o->bits, .group = (size_t)o->group, .symmetric = true, .act_order = true,
                          .polish = (uint32_t)o->polish};
    adze_loc loc = adze_loc_unknown(context);
    if (!weight_method_parse(context, o->weights, &plan->method)) return false;
    if (!weight_clip_parse(context, o->clip, &plan->clip)) return false;
    if (o->bits < 2 || o->bits > 8 || o->edge_bits < 2 || o->edge_bits > 8)
        return adze_error(loc, "quantize-dynamic: bits and edge-bits are 2 to 8");
    if (o->group < 0 || o->polish < 0 || o->polish > 1000)
        return adze_error(loc, "quantize-dynamic: group is not negative, polish 0 to 1000");
    if (weight_needs_gram(plan) && !o->stats)
        return adze_error(loc, "quantize-dynamic: weights=%s, clip=%s, polish=%lld need statistics: stats=FILE, which "
                               "adze calibrate --gram writes", o->weights, o->clip, (long long)o->polish);
    return true;
}

/* max |x| / 127 of each row, never 0. */
static adze_ir_value *row_scale(adze_builder *b, adze_ir_value *x, int64_t axis)
{
    adze_ir_value *size = adze_build_unary(b, "abs", x);
    adze_ir_value *in[] = {size, adze_const_ints(b->module, "axes", &axis, 1)};
    adze_ir_value *top = size && in[1] ? adze_build1(b, "reduce_max", in, 2, NULL, 0) : NULL;
    adze_ir_value *step = adze_const_scalar(b->module, "step", ADZE_DTYPE_f32, 1.0 / 127);
    adze_ir_value *least = adze_const_scalar(b->module, "least", ADZE_DTYPE_f32, 1e-30);
    adze_ir_value *scale = top && step ? adze_build_binary(b, "mul", top, step) : NULL;
    return scale && least ? adze_build_binary(b, "max", scale, least) : NULL;
}

/* x rounded row by row, made once. */
static adze_ir_value *narrow(rewriter *r, const weight_matrix *m, adze_ir_value *x)
{
    enum { ONNX_INT8 = 3 };
    adze_ir_value *known = adze_table_get(&r->narrowed, x);
    if (known) return known;
    adze_op *op = adze_value_op(x);
    adze_builder b = op ? adze_builder_after(op) : adze_builder_before(adze_region_first(adze_value_region(x)));
    if (!op) b.n_origin = 0;
    int64_t axis = (int64_t)adze_type_rank(adze_value_type(x)) - 1;
    adze_attr attrs[] = {adze_attr_int("axis", axis), adze_attr_int("block_size", (int64_t)m->cols),
                         adze_attr_int("output_dtype", ONNX_INT8)};
    adze_ir_value *in[] = {x, row_scale(&b, x, axis)};
    if (!in[1]) return NULL;
    in[0] = adze_build1(&b, "quantize", in, 2, attrs, 3);
    known = in[0] ? adze_build1(&b, "dequantize", in, 2, attrs, 2) : NULL;
    if (known) adze_table_put(&r->narrowed, x, known);
    return known;
}

static adze_outcome quantize(rewriter *r, const weight_matrix *m)
{
    weight_plan plan = r->plan;
    bool edge = adze_table_get(&r->first, m->op) || adze_table_get(&r->last, m->op);
    if (edge && plan.bits < (uint32_t)r->options->edge_bits) plan.bits = (uint32_t)r->options->edge_bits;
    weight_rounded rounded;
    if (!weight_round(m, &plan, &rounded)) return ADZE_FAILED;
    adze_ir_value *made = weight_emit(m, &plan, &rounded), *value = adze_const_value(m->constant);
    weight_free(&rounded);
    for (const adze_use *use = made ? adze_value_first_use(value) : NULL; use; use = adze_use_next(use)) {
        weight_matrix other;
        adze_op *user = adze_use_op(use);
        adze_ir_value *x = adze_op_operand(user, 0);
        if (!weight_shares(m, use, &other) || !weight_takes_rows(user, &other)) continue;
        adze_ir_value *rows = narrow(r, &other, x);
        if (!rows) return ADZE_FAILED;
        adze_op_set_operand(user, 0, rows);
    }
    return made && weight_replace(m, made, NULL) ? ADZE_CHANGED : ADZE_FAILED;
}

static adze_outcome quantize_func(rewriter *r, adze_func *func)
{
    adze_outcome all = ADZE_UNCHANGED;
    weight_edges(func, &r->first, &r->last);
    for (adze_op *op = adze_region_first(adze_func_body(func)); op && all != ADZE_FAILED; op = adze_op_next(op)) {
        weight_matrix m;
        if (!weight_takes_rows(op, &m) || m.rows * m.cols < (size_t)r->options->min_elements) continue;
        if (adze_rewrite(r->run, op, "quantize-product")) all = quantize(r, &m);
    }
    adze_table_free(&r->first);
    adze_table_free(&r->last);
    adze_table_free(&r->narrowed);
    return all;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    rewriter r = {.options = opaque, .run = self};
    if (!read_plan(r.options, self->context, &r.plan)) return ADZE_FAILED;
    if (r.plan.method == WEIGHT_AWQ) {
        adze_error(adze_loc_unknown(self->context), "quantize-dynamic: weights are rtn, gptq or cd");
        return ADZE_FAILED;
    }
    adze_stats *stats = r.options->stats ? adze_stats_load(self->context, r.options->stats) : NULL;
    bool ok = !r.options->stats || (stats && adze_stats_attach(stats, module));
    r.plan.stats = stats;
    adze_outcome all = ok ? ADZE_UNCHANGED : ADZE_FAILED;
    for (adze_func *f = adze_module_first_func(module); f && all != ADZE_FAILED; f = adze_func_next(f)) {
        adze_outcome one = quantize_func(&r, f);
        if (one != ADZE_UNCHANGED) all = one;
    }
    adze_stats_destroy(stats);
    return all;
}

#define OPTION(name, help, kind, member, fallback)                                                                     \
    {name, help, ADZE_OPTION_##kind, offsetof(options, member), fallback}
static const adze_option option_table[] = {
    OPTION("bits", "of a weight's code, 2 to 8", INT, bits, "8"),
    OPTION("group", "input channels that share a scale of weights; 0 = all", INT, group, "0"),
    OPTION("weights", "rtn, gptq or cd", STR, weights, "rtn"),
    OPTION("clip", "range of weights: absmax, mse or gram", STR, clip, "absmax"),
    OPTION("polish", "sweeps of descent behind rtn or gptq", INT, polish, "0"),
    OPTION("stats", "file of adze calibrate --gram, for all but weights=rtn", STR, stats, NULL),
    OPTION("edge-bits", "at least so many in first and last layers", INT, edge_bits, "8"),
    OPTION("min-elements", "products with smaller weights stay", INT, min_elements, "1"),
};

const adze_pass adze_pass_quantize_dynamic = {
    .struct_size = sizeof(adze_pass),
    .name = "quantize-dynamic",
    .help = "codes of 8 bits for rows of matrix products, scaled when the model runs",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run_module = run,
    .purpose = "compress",
    .contract = "For products (matmul, gemm) of f32 rows with constant weights; convolutions and products of two "
                "activations stay. Rows are i8 without a zero point, weights as quantize-weights makes them. Runs "
                "behind simplify.",
    .example = adze_example_quantize_dynamic,
};
