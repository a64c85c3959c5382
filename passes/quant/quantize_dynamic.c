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

#include <string.h>

typedef struct rewriter {
    adze_pass_run *run;
    weight_choice choice;
    adze_table narrowed; /* input value to its rounded twin */
} rewriter;

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
    adze_builder_inherit(&b, m->op); /* rounding belongs to who asked for it */
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

static adze_outcome quantize(rewriter *r, const weight_matrix *m, const weight_plan *plan)
{
    weight_rounded rounded;
    if (!weight_round(m, plan, &rounded)) return ADZE_FAILED;
    adze_ir_value *made = weight_emit(m, plan, &rounded), *value = adze_const_value(m->constant);
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
    weight_choice_enter(&r->choice, func);
    for (adze_op *op = adze_region_first(adze_func_body(func)); op && all != ADZE_FAILED; op = adze_op_next(op)) {
        weight_matrix m;
        weight_plan plan;
        if (!weight_takes_rows(op, &m) || !weight_choice_of(&r->choice, &m, &plan)) continue;
        if (adze_rewrite(r->run, op, "quantize-product")) all = quantize(r, &m, &plan);
    }
    weight_choice_leave(&r->choice);
    adze_table_free(&r->narrowed);
    return all;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    rewriter r = {.run = self, .choice = {.layers = NULL}};
    weight_options options = *(const weight_options *)opaque;
    options.symmetric = options.act_order = true;
    bool ok = strncmp(options.method, "awq", 3) ||
              adze_error(adze_loc_unknown(self->context), "quantize-dynamic: weights are rtn, gptq or cd");
    ok = ok && weight_choice_begin(&r.choice, &options, "quantize-dynamic", "weights", ADZE_FORMAT_ROWS, module);
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
    OPTION("bits", "of a weight's code, 2 to 8", INT, bits, "8"),
    OPTION("group", "input channels that share a scale of weights; 0 = all", INT, group, "0"),
    OPTION("weights", "rtn, gptq or cd", STR, method, "rtn"),
    OPTION("clip", "range of weights: absmax, mse or gram", STR, clip, "absmax"),
    OPTION("polish", "sweeps of descent behind rtn or gptq", INT, polish, "0"),
    OPTION("stats", "file of adze calibrate --gram, for all but weights=rtn", STR, stats, NULL),
    OPTION("edge-bits", "at least so many in first and last layers", INT, edge_bits, "8"),
    OPTION("min-elements", "products with smaller weights stay", INT, min_elements, "1"),
    OPTION("plan", "file that says which layers, with how many bits and which group", STR, plan, NULL),
};

const adze_pass adze_pass_quantize_dynamic = {
    .struct_size = sizeof(adze_pass),
    .name = "quantize-dynamic",
    .help = "codes of 8 bits for rows of matrix products, scaled when the model runs",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(weight_options),
    .run_module = run,
    .purpose = "compress",
    .contract = "For products (matmul, gemm) of f32 rows with constant weights; convolutions and products of two "
                "activations stay. Rows are i8 without a zero point, weights as quantize-weights makes them. Runs "
                "behind simplify.",
    .example = adze_example_quantize_dynamic,
};
