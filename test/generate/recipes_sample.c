/* Recipes of ops that run their evaluation alone: sampling, scattering, transforms, recurrent layers. Their operands
 * are new, so that what is no continuous function gets exact ones. */
#include "generate.h"

#include <string.h>

enum { MAX_OPERANDS = 5 };

/* An operand: f32 of up to four dims, elements in [low, high]. */
typedef struct operand {
    int64_t dims[4];
    uint32_t rank;
    double low, high;
} operand;

/* The op on new constants. */
static adze_op *on(gen *g, const adze_op_row *row, const operand *operands, uint32_t n, const adze_attr *attrs,
                   uint32_t n_attrs)
{
    adze_ir_value *in[MAX_OPERANDS] = {NULL};
    for (uint32_t i = 0; i < n; i++) {
        const operand *o = &operands[i];
        in[i] = gen_constant(g, ADZE_DTYPE_f32, o->rank, o->dims, o->low, o->high);
        if (!in[i]) return NULL;
    }
    /* one of them may be an input, so that not all of it folds */
    if (n && operands[0].rank) in[0] = gen_tensor(g, ADZE_DTYPE_f32, operands[0].rank, operands[0].dims);
    return in[0] ? gen_build(g, row, in, n, attrs, n_attrs) : NULL;
}

static adze_op *bitcast(gen *g, const adze_op_row *row)
{
    const int64_t dims[] = {1 + gen_below(g, 4), 3};
    const adze_attr to = adze_attr_type("to", ADZE_DTYPE_u16);
    adze_ir_value *x = gen_tensor(g, ADZE_DTYPE_i16, 2, dims);
    return x ? gen_build(g, row, &x, 1, &to, 1) : NULL;
}

/* Of magnitudes, as the import of ONNX's makes it. */
static adze_op *lp_pool(gen *g, const adze_op_row *row)
{
    static const int64_t kernel[] = {2, 2}, dims[] = {1, 2, 4, 5};
    const adze_attr attrs[] = {adze_attr_ints("kernel_shape", kernel, 2), adze_attr_int("p", 1)};
    adze_ir_value *x = gen_tensor(g, ADZE_DTYPE_f32, 4, dims);
    x = x ? adze_build_unary(&g->builder, "abs", x) : NULL;
    return x ? gen_build(g, row, &x, 1, attrs, 2) : NULL;
}

static adze_op *max_unpool(gen *g, const adze_op_row *row)
{
    static const int64_t kernel[] = {2, 2}, dims[] = {1, 1, 2, 2}, places[] = {0, 3, 9, 14};
    const adze_attr attrs[] = {adze_attr_ints("kernel_shape", kernel, 2), adze_attr_ints("strides", kernel, 2)};
    const adze_type *type = adze_type_tensor_const(g->context, ADZE_DTYPE_i64, 4, dims);
    adze_ir_value *in[] = {gen_tensor(g, ADZE_DTYPE_f32, 4, dims), adze_const_make(g->module, NULL, type, places)};
    return in[0] && in[1] ? gen_build(g, row, in, 2, attrs, 2) : NULL;
}

static adze_op *col2im(gen *g, const adze_op_row *row)
{
    static const int64_t columns[] = {1, 8, 6}, image[] = {3, 4}, window[] = {2, 2};
    adze_ir_value *in[] = {gen_tensor(g, ADZE_DTYPE_f32, 3, columns), gen_ints(g, image, 2), gen_ints(g, window, 2)};
    return in[0] && in[1] && in[2] ? gen_build(g, row, in, 3, NULL, 0) : NULL;
}

static adze_op *roi(gen *g, const adze_op_row *row)
{
    static const int64_t image[] = {1, 2, 6, 6}, boxes[] = {2, 5}, corners[] = {2, 4}, which[] = {0, 0};
    static const int64_t shape[] = {2, 2};
    const adze_attr pooled = adze_attr_ints("pooled_shape", shape, 2);
    bool align = !strcmp(row->name, "roi_align");
    adze_ir_value *in[] = {gen_tensor(g, ADZE_DTYPE_f32, 4, image),
                           align ? gen_constant(g, ADZE_DTYPE_f32, 2, corners, 0, 5)
                                 : gen_constant(g, ADZE_DTYPE_f32, 2, boxes, 0, 0),
                           align ? gen_ints(g, which, 2) : NULL};
    return in[0] && in[1] ? gen_build(g, row, in, align ? 3 : 2, align ? NULL : &pooled, !align) : NULL;
}

static adze_op *grid_sample(gen *g, const adze_op_row *row)
{
    static const operand operands[] = {{{1, 2, 4, 4}, 4, -2, 2}, {{1, 3, 3, 2}, 4, -1, 1}};
    const adze_attr align = adze_attr_int("align_corners", gen_below(g, 2));
    return on(g, row, operands, 2, &align, 1);
}

static adze_op *deform_conv(gen *g, const adze_op_row *row)
{
    static const operand operands[] = {{{1, 2, 4, 4}, 4, -2, 2}, {{3, 2, 2, 2}, 4, -1, 1}, {{1, 8, 3, 3}, 4, -1, 1}};
    return on(g, row, operands, 3, NULL, 0);
}

static adze_op *scatter(gen *g, const adze_op_row *row)
{
    static const int64_t dims[] = {4, 3}, few[] = {2, 3}, places[] = {0, 1, 3, 2, 3, 1};
    static const int64_t tuples[] = {2, 1}, rows[] = {3, 0};
    bool nd = !strcmp(row->name, "scatter_nd");
    const adze_type *type = adze_type_tensor_const(g->context, ADZE_DTYPE_i64, 2, nd ? tuples : few);
    adze_ir_value *in[] = {gen_tensor(g, ADZE_DTYPE_f32, 2, dims),
                           adze_const_make(g->module, NULL, type, nd ? rows : places),
                           gen_tensor(g, ADZE_DTYPE_f32, 2, few)};
    const adze_attr max = adze_attr_str("reduction", "max");
    return in[0] && in[1] && in[2] ? gen_build(g, row, in, 3, &max, gen_below(g, 2)) : NULL;
}

static adze_op *reverse_sequence(gen *g, const adze_op_row *row)
{
    static const int64_t dims[] = {4, 2, 3}, lengths[] = {3, 1};
    adze_ir_value *in[] = {gen_tensor(g, ADZE_DTYPE_f32, 3, dims), gen_ints(g, lengths, 2)};
    return in[0] && in[1] ? gen_build(g, row, in, 2, NULL, 0) : NULL;
}

static adze_op *topk(gen *g, const adze_op_row *row)
{
    static const int64_t dims[] = {3, 7};
    const int64_t k = 1 + gen_below(g, 5);
    adze_ir_value *in[] = {gen_tensor(g, ADZE_DTYPE_f32, 2, dims), gen_ints(g, &k, 1)};
    const adze_attr largest = adze_attr_int("largest", gen_below(g, 2));
    return in[0] && in[1] ? adze_build(&g->builder, row->name, in, 2, &largest, 1, NULL, 2) : NULL;
}

static adze_op *cum_prod(gen *g, const adze_op_row *row)
{
    static const int64_t dims[] = {3, 4};
    adze_ir_value *in[] = {gen_constant(g, ADZE_DTYPE_f32, 2, dims, 0.5, 2), gen_number(g, ADZE_DTYPE_i64, 1)};
    return in[0] && in[1] ? gen_build(g, row, in, 2, NULL, 0) : NULL;
}

static adze_op *det(gen *g, const adze_op_row *row)
{
    static const int64_t dims[] = {2, 2, 2};
    adze_ir_value *x = gen_constant(g, ADZE_DTYPE_f32, 3, dims, 1, 2);
    return x ? gen_build(g, row, &x, 1, NULL, 0) : NULL;
}

static adze_op *tfidf(gen *g, const adze_op_row *row)
{
    static const int64_t dims[] = {6}, counts[] = {0, 2}, indexes[] = {0, 1, 2}, pool[] = {1, 2, 1, 2};
    const adze_attr attrs[] = {
        adze_attr_int("max_gram_length", 2),          adze_attr_int("max_skip_count", 1),
        adze_attr_int("min_gram_length", 1),          adze_attr_str("mode", "TF"),
        adze_attr_ints("ngram_counts", counts, 2),    adze_attr_ints("ngram_indexes", indexes, 3),
        adze_attr_ints("pool_int64s", pool, 4)};
    adze_ir_value *x = gen_tensor(g, ADZE_DTYPE_i64, 1, dims);
    return x ? gen_build(g, row, &x, 1, attrs, 7) : NULL;
}

static adze_op *dft(gen *g, const adze_op_row *row)
{
    static const int64_t dims[] = {1, 8, 1};
    adze_ir_value *in[] = {gen_tensor(g, ADZE_DTYPE_f32, 3, dims), NULL, gen_number(g, ADZE_DTYPE_i64, 1)};
    const adze_attr half = adze_attr_int("onesided", 1);
    return in[0] && in[2] ? gen_build(g, row, in, 3, &half, gen_below(g, 2)) : NULL;
}

static adze_op *stft(gen *g, const adze_op_row *row)
{
    static const int64_t dims[] = {1, 16, 1};
    adze_ir_value *in[] = {gen_tensor(g, ADZE_DTYPE_f32, 3, dims), gen_number(g, ADZE_DTYPE_i64, 4), NULL,
                           gen_number(g, ADZE_DTYPE_i64, 8)};
    return in[0] && in[1] && in[3] ? gen_build(g, row, in, 4, NULL, 0) : NULL;
}

static adze_op *mel(gen *g, const adze_op_row *row)
{
    adze_ir_value *in[] = {gen_number(g, ADZE_DTYPE_i64, 4), gen_number(g, ADZE_DTYPE_i64, 16),
                           gen_number(g, ADZE_DTYPE_i64, 8000), gen_number(g, ADZE_DTYPE_f32, 0),
                           gen_number(g, ADZE_DTYPE_f32, 4000)};
    for (int i = 0; i < 5; i++)
        if (!in[i]) return NULL;
    return gen_build(g, row, in, 5, NULL, 0);
}

/* Three steps of two samples of three numbers, two hidden ones. */
static adze_op *recurrent(gen *g, const adze_op_row *row)
{
    const int64_t gates = !strcmp(row->name, "lstm") ? 4 : !strcmp(row->name, "gru") ? 3 : 1;
    const operand operands[] = {{{3, 2, 3}, 3, -1, 1}, {{1, 2 * gates, 3}, 3, -1, 1}, {{1, 2 * gates, 2}, 3, -1, 1}};
    return on(g, row, operands, 3, NULL, 0);
}

static adze_op *linear_attention(gen *g, const adze_op_row *row)
{
    static const operand operands[] = {{{1, 3, 4}, 3, -1, 1}, {{1, 3, 4}, 3, -1, 1}, {{1, 3, 4}, 3, -1, 1}};
    const adze_attr attrs[] = {adze_attr_int("kv_num_heads", 2), adze_attr_int("q_num_heads", 2),
                               adze_attr_str("update_rule", "linear")};
    adze_ir_value *in[3];
    for (int i = 0; i < 3; i++)
        if (!(in[i] = gen_constant(g, ADZE_DTYPE_f32, 3, operands[i].dims, -1, 1))) return NULL;
    return adze_build(&g->builder, row->name, in, 3, attrs, 3, NULL, 2);
}

static adze_op *random_uniform(gen *g, const adze_op_row *row)
{
    const int64_t extents[] = {1 + gen_below(g, 4), 1 + gen_below(g, 6)};
    adze_attr attrs[] = {adze_attr_ints("shape", extents, gen_below(g, 3)), adze_attr_float("seed", gen_below(g, 9))};
    return gen_build(g, row, NULL, 0, attrs, 1 + gen_below(g, 2));
}

static adze_op *random_like(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = GEN_BIT(ADZE_DTYPE_f32)});
    const adze_attr seed = adze_attr_float("seed", gen_below(g, 9));
    return x ? gen_build(g, row, &x, 1, &seed, 1) : NULL;
}

static adze_op *multinomial(gen *g, const adze_op_row *row)
{
    const adze_attr attrs[] = {adze_attr_int("sample_size", 1 + gen_below(g, 3)), adze_attr_float("seed", 3)};
    return on(g, row, &(operand){{2, 4}, 2, -1, 1}, 1, attrs, 2);
}

const gen_recipe gen_recipes_sample[] = {
    {"bitcast", bitcast},
    {"col2im", col2im},
    {"cum_prod", cum_prod},
    {"deform_conv", deform_conv},
    {"det", det},
    {"dft", dft},
    {"grid_sample", grid_sample},
    {"gru", recurrent},
    {"linear_attention", linear_attention},
    {"lp_pool", lp_pool},
    {"lstm", recurrent},
    {"max_roi_pool", roi},
    {"max_unpool", max_unpool},
    {"mel_weight_matrix", mel},
    {"multinomial", multinomial},
    {"random_normal_like", random_like},
    {"random_uniform", random_uniform},
    {"random_uniform_like", random_like},
    {"reverse_sequence", reverse_sequence},
    {"rnn", recurrent},
    {"roi_align", roi},
    {"scatter_elements", scatter},
    {"scatter_nd", scatter},
    {"stft", stft},
    {"tfidf_vectorizer", tfidf},
    {"topk", topk},
    {NULL, NULL},
};
