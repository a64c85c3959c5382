/* Every op that has a gradient against central differences, in double. A row of passes/gradient/gradients.def without
 * cases fails. */
#include "unit.h"

#include <adze/gradient.h>

#include <stdlib.h>

typedef struct gradient_case {
    const char *op;
    const char *args;   /* of main; those of floats are differentiated */
    const char *body;   /* gives %y */
    const char *result; /* its type */
    const char *consts;
    double shift; /* of all inputs, which are in [-1, 1]: for what is defined above 0 alone */
} gradient_case;

#define UNARY(op, shift)                                                                                               \
    {#op, "%a: f64[2,3]", "%y = " #op "(%a) : f64[2,3]", "f64[2,3]", "", shift},                                       \
    {#op, "%a: f64[4]", "%y = " #op "(%a) : f64[4]", "f64[4]", "", shift}
#define BINARY(op, shift)                                                                                              \
    {#op, "%a: f64[2,3], %b: f64[2,3]", "%y = " #op "(%a, %b) : f64[2,3]", "f64[2,3]", "", shift},                     \
    {#op, "%a: f64[2,3], %b: f64[3]", "%y = " #op "(%a, %b) : f64[2,3]", "f64[2,3]", "", shift},                       \
    {#op, "%a: f64[3,1], %b: f64[2,1,4]", "%y = " #op "(%a, %b) : f64[2,3,4]", "f64[2,3,4]", "", shift}
#define ONE(op, args, body, result) {#op, args, "%y = " body " : " result, result, "", 0}
#define WITH(op, consts, args, body, result) {#op, args, "%y = " body " : " result, result, consts, 0}
#define REDUCE(op)                                                                                                     \
    WITH(op, "const @x : i64[1] = dense[1]", "%a: f64[2,3,4]", #op "(%a, @x)", "f64[2,1,4]"),                          \
    WITH(op, "const @x : i64[2] = dense[0, -1]", "%a: f64[2,3,4]", #op "(%a, @x) {keepdims = 0}", "f64[3]"),           \
    ONE(op, "%a: f64[2,3]", #op "(%a) {keepdims = 0}", "f64[]")

static const gradient_case cases[] = {
    UNARY(abs, 0), UNARY(neg, 0), UNARY(exp, 0), UNARY(log, 2), UNARY(sqrt, 2), UNARY(rsqrt, 2), UNARY(reciprocal, 2),
    UNARY(sin, 0), UNARY(cos, 0), UNARY(tanh, 0), UNARY(erf, 0), UNARY(sigmoid, 0), UNARY(relu, 0), UNARY(softplus, 0),
    UNARY(leaky_relu, 0), ONE(leaky_relu, "%a: f64[6]", "leaky_relu(%a) {alpha = 0.3}", "f64[6]"),
    UNARY(elu, 0), ONE(elu, "%a: f64[6]", "elu(%a) {alpha = 0.3}", "f64[6]"),
    UNARY(hard_sigmoid, 0), ONE(hard_sigmoid, "%a: f64[9]", "hard_sigmoid(%a) {alpha = 2.0}", "f64[9]"),
    UNARY(hard_swish, 0), UNARY(hard_swish, 3.1), UNARY(hard_swish, -3.1), UNARY(mish, 0),
    UNARY(swish, 0), ONE(swish, "%a: f64[6]", "swish(%a) {alpha = 0.3}", "f64[6]"),
    UNARY(gelu, 0), UNARY(gelu_tanh, 0), UNARY(identity, 0),
    ONE(cast, "%a: f64[3]", "cast(%a) {to = f64}", "f64[3]"),
    {"cast", "%a: f64[3]", "%y = cast(%a) {to = f64} : f64[3]", "f64[3]", "", 2},
    WITH(clip, "const @l : f64[] = dense[-0.3]\nconst @h : f64[] = dense[0.4]", "%a: f64[12]", "clip(%a, @l, @h)",
         "f64[12]"),
    WITH(clip, "const @l : f64[] = dense[-0.3]", "%a: f64[3,4]", "clip(%a, @l)", "f64[3,4]"),
    BINARY(add, 0), BINARY(sub, 0), BINARY(mul, 0), BINARY(div, 2), BINARY(pow, 2), BINARY(max, 0), BINARY(min, 0),
    WITH(pow, "const @e : f64[] = dense[2.0]", "%a: f64[5]", "pow(%a, @e)", "f64[5]"),
    WITH(pow, "const @e : i64[] = dense[3]", "%a: f64[5]", "pow(%a, @e)", "f64[5]"),
    ONE(mul, "%a: f64[2,3]", "mul(%a, %a)", "f64[2,3]"),
    ONE(max_n, "%a: f64[2,3], %b: f64[3], %c: f64[2,3]", "max_n(%a, %b, %c)", "f64[2,3]"),
    ONE(max_n, "%a: f64[4], %b: f64[4]", "max_n(%a, %b)", "f64[4]"),
    ONE(min_n, "%a: f64[2,3], %b: f64[3], %c: f64[2,3]", "min_n(%a, %b, %c)", "f64[2,3]"),
    ONE(min_n, "%a: f64[4]", "min_n(%a)", "f64[4]"),
    ONE(sum_n, "%a: f64[2,3], %b: f64[3], %c: f64[1,3]", "sum_n(%a, %b, %c)", "f64[2,3]"),
    ONE(sum_n, "%a: f64[4]", "sum_n(%a)", "f64[4]"),
    ONE(prelu, "%a: f64[2,3], %b: f64[3]", "prelu(%a, %b)", "f64[2,3]"),
    ONE(prelu, "%a: f64[1,3,2], %b: f64[3,1]", "prelu(%a, %b)", "f64[1,3,2]"),
    WITH(where, "const @c : bool[2,3] = dense[true, false, true, true, false, false]", "%a: f64[2,3], %b: f64[3]",
         "where(@c, %a, %b)", "f64[2,3]"),
    WITH(where, "const @c : bool[3] = dense[true, false, true]", "%a: f64[], %b: f64[2,1]", "where(@c, %a, %b)",
         "f64[2,3]"),
    WITH(dequantize, "const @q : i8[2,3] = dense[1, -2, 3, 4, 5, -6]", "%s: f64[3]", "dequantize(@q, %s)", "f64[2,3]"),
    WITH(dequantize, "const @q : i8[2,3] = dense[1, -2, 3, 4, 5, -6]\nconst @z : i8[2] = dense[1, 2]", "%s: f64[2]",
         "dequantize(@q, %s, @z) {axis = 0}", "f64[2,3]"),
    WITH(dequantize, "const @q : i8[2,4] = dense[1, -2, 3, 4, 5, -6, 7, 8]", "%s: f64[2,2]",
         "dequantize(@q, %s) {axis = 1, block_size = 2}", "f64[2,4]"),
    WITH(dequantize, "const @q : i8[2,2] = dense[1, -2, 3, 4]", "%s: f64[]", "dequantize(@q, %s)", "f64[2,2]"),

    ONE(matmul, "%a: f64[2,3], %b: f64[3,4]", "matmul(%a, %b)", "f64[2,4]"),
    ONE(matmul, "%a: f64[2,2,3], %b: f64[3,4]", "matmul(%a, %b)", "f64[2,2,4]"),
    ONE(matmul, "%a: f64[2,1,2,3], %b: f64[3,3,2]", "matmul(%a, %b)", "f64[2,3,2,2]"),
    ONE(gemm, "%a: f64[2,3], %b: f64[3,4]", "gemm(%a, %b)", "f64[2,4]"),
    ONE(gemm, "%a: f64[2,3], %b: f64[4,3], %c: f64[4]", "gemm(%a, %b, %c) {alpha = 0.5, beta = 2.0, transB = 1}",
        "f64[2,4]"),
    ONE(gemm, "%a: f64[3,2], %b: f64[3,4], %c: f64[2,1]", "gemm(%a, %b, %c) {transA = 1}", "f64[2,4]"),
    ONE(gemm, "%a: f64[3,2], %b: f64[4,3], %c: f64[]", "gemm(%a, %b, %c) {transA = 1, transB = 1}", "f64[2,4]"),
    ONE(conv, "%a: f64[2,3,4,5], %w: f64[4,3,1,1], %b: f64[4]", "conv(%a, %w, %b)", "f64[2,4,4,5]"),
    ONE(conv, "%a: f64[2,2,5,4], %w: f64[3,2,3,3], %b: f64[3]", "conv(%a, %w, %b) {pads = [1, 1, 1, 1]}",
        "f64[2,3,5,4]"),
    ONE(conv, "%a: f64[1,4,6,5], %w: f64[4,2,3,2]", "conv(%a, %w) {group = 2, pads = [0, 1, 1, 0], strides = [2, 1]}",
        "f64[1,4,3,5]"),
    ONE(conv, "%a: f64[1,3,6,6], %w: f64[6,1,3,3], %b: f64[6]",
        "conv(%a, %w, %b) {group = 3, dilations = [2, 2], strides = [2, 2]}", "f64[1,6,1,1]"),
    ONE(conv, "%a: f64[2,2,8], %w: f64[3,2,3]", "conv(%a, %w) {strides = [3]}", "f64[2,3,2]"),
    ONE(conv, "%a: f64[1,2,7,7], %w: f64[2,2,3,3]", "conv(%a, %w) {auto_pad = \"SAME_UPPER\", strides = [2, 2]}",
        "f64[1,2,4,4]"),
    ONE(attention, "%q: f64[1,2,3,4], %k: f64[1,2,5,4], %v: f64[1,2,5,2]", "attention(%q, %k, %v) {scale = 0.5}",
        "f64[1,2,3,2]"),
    WITH(attention, "const @m : f64[3,3] = dense[0, -1, 0, 1, 0, -5, 0, 0, 0]",
         "%q: f64[1,1,3,2], %k: f64[1,1,3,2], %v: f64[1,1,3,2]", "attention(%q, %k, %v, @m)", "f64[1,1,3,2]"),

    ONE(max_pool, "%a: f64[1,2,4,4]", "max_pool(%a) {kernel_shape = [2, 2], strides = [2, 2]}", "f64[1,2,2,2]"),
    ONE(max_pool, "%a: f64[2,1,5,5]", "max_pool(%a) {kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [2, 2]}",
        "f64[2,1,3,3]"),
    ONE(max_pool, "%a: f64[1,1,5,6]", "max_pool(%a) {ceil_mode = 1, kernel_shape = [2, 3], strides = [2, 2]}",
        "f64[1,1,3,3]"),
    ONE(average_pool, "%a: f64[1,2,4,4]", "average_pool(%a) {kernel_shape = [2, 2], strides = [2, 2]}", "f64[1,2,2,2]"),
    ONE(average_pool, "%a: f64[1,2,5,5]", "average_pool(%a) {kernel_shape = [3, 3], pads = [1, 1, 1, 1]}",
        "f64[1,2,5,5]"),
    ONE(average_pool, "%a: f64[1,1,5,5]",
        "average_pool(%a) {count_include_pad = 1, kernel_shape = [3, 2], pads = [1, 0, 1, 1]}", "f64[1,1,5,5]"),
    ONE(global_average_pool, "%a: f64[2,3,2,2]", "global_average_pool(%a)", "f64[2,3,1,1]"),
    ONE(global_average_pool, "%a: f64[1,3,5]", "global_average_pool(%a)", "f64[1,3,1]"),
    ONE(global_max_pool, "%a: f64[2,3,2,2]", "global_max_pool(%a)", "f64[2,3,1,1]"),
    ONE(global_max_pool, "%a: f64[1,3,5]", "global_max_pool(%a)", "f64[1,3,1]"),
    REDUCE(reduce_sum), REDUCE(reduce_mean), REDUCE(reduce_max), REDUCE(reduce_min), REDUCE(reduce_l2),
    REDUCE(reduce_sum_square),
    ONE(reduce_l2, "%a: f64[3]", "reduce_l2(%a) {noop_with_empty_axes = 1}", "f64[3]"),
    {"pow", "%a: f64[2]", "%y = pow(%a, @e) : f64[2]", "f64[2]", "const @e : f64[2] = dense[0.5, -1.5]", 2},
    ONE(softmax, "%a: f64[2,3,4]", "softmax(%a)", "f64[2,3,4]"),
    ONE(softmax, "%a: f64[2,3,4]", "softmax(%a) {axis = 1}", "f64[2,3,4]"),
    ONE(log_softmax, "%a: f64[2,3]", "log_softmax(%a)", "f64[2,3]"),
    ONE(log_softmax, "%a: f64[3,2]", "log_softmax(%a) {axis = 0}", "f64[3,2]"),
    ONE(layer_norm, "%a: f64[2,5], %s: f64[5], %b: f64[5]", "layer_norm(%a, %s, %b)", "f64[2,5]"),
    ONE(layer_norm, "%a: f64[2,3,2], %s: f64[3,2]", "layer_norm(%a, %s) {axis = 1, epsilon = 0.1}", "f64[2,3,2]"),
    ONE(rms_norm, "%a: f64[2,5], %s: f64[5]", "rms_norm(%a, %s)", "f64[2,5]"),
    ONE(rms_norm, "%a: f64[2,3,2], %s: f64[2]", "rms_norm(%a, %s) {epsilon = 0.1}", "f64[2,3,2]"),
    WITH(batch_norm, "const @m : f64[3] = dense[0.1, 0.2, 0.3]\nconst @v : f64[3] = dense[1, 2, 3]",
         "%a: f64[2,3,2,2], %s: f64[3], %b: f64[3]", "batch_norm(%a, %s, %b, @m, @v)", "f64[2,3,2,2]"),
    WITH(batch_norm, "const @m : f64[3] = dense[0.1, 0.2, 0.3]\nconst @v : f64[3] = dense[1, 2, 3]",
         "%a: f64[4,3], %s: f64[3], %b: f64[3]", "batch_norm(%a, %s, %b, @m, @v) {epsilon = 0.5}", "f64[4,3]"),

    WITH(reshape, "const @d : i64[2] = dense[3, -1]", "%a: f64[2,3]", "reshape(%a, @d)", "f64[3,2]"),
    ONE(reshape, "%a: f64[2,3]", "reshape(%a)", "f64[6]"),
    ONE(flatten, "%a: f64[2,3,2]", "flatten(%a)", "f64[2,6]"),
    ONE(flatten, "%a: f64[2,3,2]", "flatten(%a) {axis = 2}", "f64[6,2]"),
    WITH(squeeze, "const @x : i64[1] = dense[1]", "%a: f64[2,1,3]", "squeeze(%a, @x)", "f64[2,3]"),
    ONE(squeeze, "%a: f64[1,2,1]", "squeeze(%a)", "f64[2]"),
    WITH(unsqueeze, "const @x : i64[2] = dense[0, 2]", "%a: f64[2,3]", "unsqueeze(%a, @x)", "f64[1,2,1,3]"),
    WITH(unsqueeze, "const @x : i64[1] = dense[-1]", "%a: f64[3]", "unsqueeze(%a, @x)", "f64[3,1]"),
    ONE(transpose, "%a: f64[2,3,4]", "transpose(%a)", "f64[4,3,2]"),
    ONE(transpose, "%a: f64[2,3,4]", "transpose(%a) {perm = [1, 2, 0]}", "f64[3,4,2]"),
    WITH(expand, "const @d : i64[2] = dense[2, 3]", "%a: f64[3]", "expand(%a, @d)", "f64[2,3]"),
    ONE(expand, "%a: f64[2,1,3]", "expand(%a)", "f64[4,2,5,3]"),
    ONE(concat, "%a: f64[2,3], %b: f64[2,1]", "concat(%a, %b) {axis = 1}", "f64[2,4]"),
    ONE(concat, "%a: f64[2,3], %b: f64[1,3], %c: f64[2,3]", "concat(%a, %b, %c) {axis = -2}", "f64[5,3]"),
    {"split", "%a: f64[4,2]", "%0, %1 = split(%a) {num_outputs = 2} : f64[2,2], f64[2,2]\n%y = sub(%0, %1) : f64[2,2]",
     "f64[2,2]", "", 0},
    {"split", "%a: f64[2,5]", "%y, %1 = split(%a, @s) {axis = 1} : f64[2,2], f64[2,3]", "f64[2,2]",
     "const @s : i64[2] = dense[2, 3]", 0},
    WITH(slice, "const @s : i64[1] = dense[1]\nconst @e : i64[1] = dense[3]", "%a: f64[4,2]", "slice(%a, @s, @e)",
         "f64[2,2]"),
    WITH(slice, "const @s : i64[2] = dense[1, -1]\nconst @e : i64[2] = dense[7, -9]\nconst @x : i64[2] = dense[0, 1]\n"
                "const @t : i64[2] = dense[3, -2]", "%a: f64[7,4]", "slice(%a, @s, @e, @x, @t)", "f64[2,2]"),
    WITH(pad, "const @p : i64[4] = dense[1, 0, 0, 2]", "%a: f64[2,3]", "pad(%a, @p)", "f64[3,5]"),
    WITH(pad, "const @p : i64[2] = dense[1, 1]\nconst @v : f64[] = dense[3]\nconst @x : i64[1] = dense[1]",
         "%a: f64[2,3]", "pad(%a, @p, @v, @x)", "f64[2,5]"),
    WITH(gather, "const @i : i64[3] = dense[2, 0, 2]", "%a: f64[4,2]", "gather(%a, @i)", "f64[3,2]"),
    WITH(gather, "const @i : i64[2,2] = dense[1, -1, 0, 1]", "%a: f64[2,3,2]", "gather(%a, @i) {axis = 1}",
         "f64[2,2,2,2]"),
    WITH(gather, "const @i : i64[] = dense[1]", "%a: f64[2,3]", "gather(%a, @i) {axis = -1}", "f64[2]"),
};

static const struct {
    const char *op;
} rows[] = {
#define GRAD(op, fn) {#op},
#include "passes/gradient/gradients.def"
#undef GRAD
};

TEST(every_row_has_cases_of_several_shapes)
{
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        int n = 0;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) n += !strcmp(cases[i].op, rows[r].op);
        if (n < 2) printf("%s has %d cases\n", rows[r].op, n);
        CHECK(n >= 2);
    }
}

/* ---- Checking one ---- */

static uint64_t state = 1;

static double uniform(void)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (double)(state >> 11) / 4503599627370496.0 - 1;
}

static void report(void *self, const adze_diagnostic *d)
{
    (void)self;
    printf("  %s\n", d->message);
}

enum { MAX_ARGS = 4 };

typedef struct prepared {
    adze_func *func;
    uint32_t n;
    adze_value inputs[MAX_ARGS];
    uint64_t counts[MAX_ARGS];
} prepared;

/* Main gives sum(y * random) and its gradients. */
static bool prepare(adze_module *module, prepared *p, double shift)
{
    p->func = adze_module_main(module);
    adze_op *end = adze_func_return(p->func);
    adze_region *body = adze_func_body(p->func);
    adze_ir_value *args[MAX_ARGS], *gradients[MAX_ARGS], *y = adze_op_operand(end, 0);
    const adze_type *types[MAX_ARGS + 1];
    const char *names[MAX_ARGS + 1] = {NULL};
    p->n = adze_region_num_args(body);
    int64_t count;
    (void)adze_dim_is_const(adze_type_count(adze_value_type(y)), &count);
    double *random = malloc((size_t)count * sizeof *random);
    for (int64_t i = 0; i < count; i++) random[i] = uniform();
    adze_ir_value *weights = adze_const_make(module, "random", adze_value_type(y), random);
    free(random);
    adze_builder b = adze_builder_before(end);
    adze_ir_value *loss = adze_build_binary(&b, "mul", y, weights);
    adze_attr keep = adze_attr_int("keepdims", 0);
    loss = adze_build1(&b, "reduce_sum", &loss, 1, &keep, 1);
    for (uint32_t i = 0; i < p->n; i++) args[i] = adze_region_arg(body, i);
    if (!loss || !adze_gradient_build(p->func, loss, args, p->n, gradients)) return false;
    adze_op_set_operand(end, 0, loss);
    types[0] = adze_value_type(loss);
    for (uint32_t i = 0; i < p->n; i++) {
        adze_op_insert_operand(end, i + 1, gradients[i]);
        types[i + 1] = adze_value_type(args[i]);
        if (adze_value_type(gradients[i]) != types[i + 1]) return false;
        (void)adze_dim_is_const(adze_type_count(types[i + 1]), &count);
        p->counts[i] = (uint64_t)count;
        double *x = malloc((size_t)count * sizeof *x);
        int64_t *dims = malloc((ADZE_MAX_RANK + 1) * sizeof *dims);
        for (int64_t k = 0; k < count; k++) x[k] = uniform() + shift;
        for (uint32_t k = 0; k < adze_type_rank(types[i + 1]); k++)
            (void)adze_dim_is_const(adze_type_dim(types[i + 1], k), &dims[k]);
        p->inputs[i] = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f64,
                                    .rank = adze_type_rank(types[i + 1]), .dims = dims, .data = x};
    }
    adze_func_set_results(p->func, types, names, p->n + 1);
    return adze_module_verify(module);
}

/* The loss; gradients too where out is not NULL. */
static bool evaluate(prepared *p, double *loss, double **out)
{
    adze_value results[MAX_ARGS + 1] = {0};
    bool ok = adze_interpret(p->func, p->inputs, p->n, results, p->n + 1, NULL, NULL);
    if (ok) *loss = *(double *)results[0].data;
    for (uint32_t i = 0; ok && out && i < p->n; i++) {
        out[i] = malloc((p->counts[i] + 1) * sizeof(double));
        memcpy(out[i], results[i + 1].data, p->counts[i] * sizeof(double));
    }
    adze_outputs_free(results, p->n + 1);
    return ok;
}

static double worst_difference(prepared *p, double h)
{
    double loss, *gradients[MAX_ARGS], worst = 0;
    if (!evaluate(p, &loss, gradients)) return INFINITY;
    for (uint32_t i = 0; i < p->n; i++) {
        double *x = p->inputs[i].data, above, below;
        for (uint64_t k = 0; k < p->counts[i]; k++) {
            double was = x[k];
            x[k] = was + h;
            bool ok = evaluate(p, &above, NULL);
            x[k] = was - h;
            ok = ok && evaluate(p, &below, NULL);
            x[k] = was;
            double slope = (above - below) / (2 * h);
            worst = ok ? fmax(worst, fabs(slope - gradients[i][k]) / (1 + fabs(slope))) : INFINITY;
        }
        free(gradients[i]);
    }
    return worst;
}

static adze_module *parse_case(adze_context *context, const gradient_case *c, adze_text *text)
{
    adze_text_append(text, "%s\nfunc @main(%s) -> (%s) {\n%s\nreturn(%%y)\n}\n", c->consts, c->args, c->result,
                     c->body);
    return adze_module_parse(context, c->op, text->data, text->size);
}

static void check_case(const gradient_case *c)
{
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, report, NULL);
    adze_text text = {0};
    adze_module *module = parse_case(context, c, &text);
    prepared p = {0};
    bool ok = module && prepare(module, &p, c->shift);
    /* Codes times scales are rounded to f32, and linear: a long step tells as much. */
    double worst = ok ? worst_difference(&p, strcmp(c->op, "dequantize") ? 1e-6 : 0.5) : INFINITY;
    if (!(worst < 1e-6)) printf("  %s: off by %g\n%s", c->op, worst, text.data);
    CHECK(worst < 1e-6);
    for (uint32_t i = 0; i < p.n; i++) {
        free(p.inputs[i].data);
        free((void *)(uintptr_t)p.inputs[i].dims);
    }
    adze_text_free(&text);
    adze_module_destroy(module);
    adze_context_destroy(context);
}

TEST(gradients_are_central_differences)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i]);
}

/* ---- At zeros ---- */

/* Of norms and the like, whose slope has no value at 0: the subgradient 0, not NaN. */
TEST(norms_of_zeros_have_the_gradient_zero)
{
    static const gradient_case zeros[] = {
        ONE(reduce_l2, "%a: f64[2,3]", "reduce_l2(%a) {keepdims = 0}", "f64[]"),
        WITH(reduce_l2, "const @x : i64[1] = dense[1]", "%a: f64[2,3]", "reduce_l2(%a, @x)", "f64[2,1]"),
        {"sqrt", "%a: f64[3]", "%0 = mul(%a, %a) : f64[3]\n%1 = reduce_sum(%0) {keepdims = 0} : f64[]\n"
                               "%y = sqrt(%1) : f64[]", "f64[]", "", 0},
        {"pow", "%a: f64[3]", "%0 = mul(%a, %a) : f64[3]\n%y = pow(%0, @e) : f64[3]", "f64[3]",
         "const @e : f64[] = dense[0.5]", 0},
        WITH(pow, "const @e : f64[3] = dense[0.0, 2.0, 3.0]", "%a: f64[3]", "pow(%a, @e)", "f64[3]"),
        ONE(pow, "%a: f64[2], %e: f64[2]", "pow(%a, %e)", "f64[2]"),
        ONE(abs, "%a: f64[3]", "abs(%a)", "f64[3]"),
    };
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        const gradient_case *c = &zeros[i];
        adze_context *context = adze_context_create();
        adze_context_set_sink(context, report, NULL);
        adze_text text = {0};
        adze_module *module = parse_case(context, c, &text);
        prepared p = {0};
        double loss, *gradients[MAX_ARGS] = {NULL};
        bool ok = module && prepare(module, &p, 0);
        for (uint32_t k = 0; k < p.n; k++) memset(p.inputs[k].data, 0, p.counts[k] * sizeof(double));
        ok = ok && evaluate(&p, &loss, gradients);
        CHECK(ok);
        for (uint32_t k = 0; k < p.n; k++) {
            for (uint64_t e = 0; ok && e < p.counts[k]; e++) CHECK(gradients[k][e] == 0);
            free(gradients[k]);
            free(p.inputs[k].data);
            free((void *)(uintptr_t)p.inputs[k].dims);
        }
        adze_text_free(&text);
        adze_module_destroy(module);
        adze_context_destroy(context);
    }
}

/* ---- What cannot be ---- */

static char last[256];

static void record(void *self, const adze_diagnostic *d)
{
    (void)self;
    snprintf(last, sizeof last, "%s", d->message);
}

static void check_refused(const char *consts, const char *body, const char *message)
{
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, record, NULL);
    adze_text text = {0};
    adze_text_append(&text, "%s\nfunc @main(%%a: f32[4]) -> (f32[]) {\n%s\nreturn(%%y)\n}\n", consts, body);
    adze_module *module = adze_module_parse(context, "refused", text.data, text.size);
    last[0] = 0;
    CHECK(module);
    if (module) {
        adze_func *func = adze_module_main(module);
        adze_ir_value *x = adze_region_arg(adze_func_body(func), 0), *out;
        CHECK(!adze_gradient_build(func, adze_op_operand(adze_func_return(func), 0), &x, 1, &out));
        CHECK_STR(last, message);
    }
    adze_text_free(&text);
    adze_module_destroy(module);
    adze_context_destroy(context);
}

TEST(what_has_no_gradient_is_named)
{
    check_refused("", "%0 = round(%a) : f32[4]\n%y = reduce_sum(%0) {keepdims = 0} : f32[]",
                  "no gradient of round: it is not among the ops that have one");
    check_refused("", "%y = matmul(%a, %a) : f32[]", "no gradient of matmul: an operand is a vector");
    check_refused("", "%0 = shape(%a) : i64[1]\n%1 = concat(%0, %0) {axis = 0} : i64[2]\n%2 = pad(%a, %1) : f32[?]\n"
                  "%y = reduce_sum(%2) {keepdims = 0} : f32[]",
                  "no gradient of pad: its extents are no constants");
    check_refused("const @d : i64[12] = dense[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4]\nconst @s : i64[1] = dense[0]\n"
                  "const @e : i64[1] = dense[4]\nconst @x : i64[1] = dense[11]\nconst @t : i64[1] = dense[2]",
                  "%0 = reshape(%a, @d) : f32[1,1,1,1,1,1,1,1,1,1,1,4]\n"
                  "%1 = slice(%0, @s, @e, @x, @t) : f32[1,1,1,1,1,1,1,1,1,1,1,2]\n"
                  "%y = reduce_sum(%1) {keepdims = 0} : f32[]",
                  "no gradient of slice: it has too many axes");
}

int main(void)
{
    RUN(every_row_has_cases_of_several_shapes);
    RUN(gradients_are_central_differences);
    RUN(norms_of_zeros_have_the_gradient_zero);
    RUN(what_has_no_gradient_is_named);
    return unit_end();
}
