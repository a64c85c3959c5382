/* Recipes of ops that sum, normalize and choose: contractions, windows, reductions, normalizations. */
#include "generate.h"

#include <string.h>

static int64_t small(gen *g) { return 1 + gen_below(g, 4); }

/* f32 mostly: the one that loops and micro-kernels are made for. */
static uint64_t sum_types(gen *g) { return gen_chance(g, 70) ? GEN_BIT(ADZE_DTYPE_f32) : gen_dtypes(GEN_FLOATS); }

/* ---- Contractions ---- */

/* Weights of these dims: at times codes that are made wide. */
static adze_ir_value *weights(gen *g, adze_dtype dtype, uint32_t rank, const adze_dim *const *dims, uint32_t column)
{
    int64_t known[ADZE_MAX_RANK];
    bool codes = dtype == ADZE_DTYPE_f32 && gen_chance(g, 30);
    for (uint32_t i = 0; i < rank; i++) codes = codes && adze_dim_is_const(dims[i], &known[i]) && known[i] > 0;
    return codes ? gen_codes(g, rank, known, column)
                 : gen_take_type(g, adze_type_tensor(g->context, dtype, rank, dims, NULL));
}

static adze_op *matmul(gen *g, const adze_op_row *row)
{
    static const int64_t columns[] = {1, 2, 3, 5, 8, 16, 17, 20};
    uint64_t types = gen_chance(g, 90) ? sum_types(g) : gen_dtypes(GEN_NUMBERS);
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = types, .min_rank = 1});
    if (!x) return NULL;
    uint32_t rank = gen_rank(x), other = 2;
    const adze_type *type = adze_value_type(x);
    const adze_dim *dims[ADZE_MAX_RANK];
    if (rank > 2 && gen_chance(g, 40)) other = rank;
    for (uint32_t k = 0; k + 2 < other; k++)
        dims[k] = gen_chance(g, 70) ? adze_type_dim(type, k) : adze_dim_const(g->context, 1);
    dims[other - 2] = adze_type_dim(type, rank - 1);
    dims[other - 1] = adze_dim_const(g->context, columns[gen_below(g, 8)]);
    if (other == 2 && gen_chance(g, 8)) { /* a vector */
        other = 1;
        dims[0] = adze_type_dim(type, rank - 1);
    }
    adze_dtype dtype = gen_dtype(x);
    adze_ir_value *in[] = {x, other == 2 ? weights(g, dtype, 2, dims, 1)
                                         : gen_take_type(g, adze_type_tensor(g->context, dtype, other, dims, NULL))};
    return in[1] ? gen_build(g, row, in, 2, NULL, 0) : NULL;
}

static adze_op *gemm(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = sum_types(g), .min_rank = 2, .max_rank = 2});
    if (!x) return NULL;
    bool flip_a = gen_chance(g, 30), flip_b = gen_chance(g, 40);
    const adze_dim *rows = adze_type_dim(adze_value_type(x), flip_a), *k = adze_type_dim(adze_value_type(x), !flip_a);
    const adze_dim *n = adze_dim_const(g->context, small(g) * small(g)), *one = adze_dim_const(g->context, 1);
    const adze_dim *weight[] = {flip_b ? n : k, flip_b ? k : n};
    const adze_dim *bias[] = {gen_chance(g, 50) ? rows : one, n};
    uint32_t skip = gen_below(g, 3);
    adze_ir_value *in[] = {x, weights(g, gen_dtype(x), 2, weight, flip_b ? 0 : 1), NULL};
    if (gen_chance(g, 70))
        in[2] = gen_take_type(g, adze_type_tensor(g->context, gen_dtype(x), 2 - skip, bias + skip, NULL));
    adze_attr attrs[] = {adze_attr_int("transA", flip_a), adze_attr_int("transB", flip_b),
                         adze_attr_float("alpha", 0.5 + gen_below(g, 3)),
                         adze_attr_float("beta", 0.5 + gen_below(g, 3))};
    return in[1] ? gen_build(g, row, in, in[2] ? 3 : 2, attrs, gen_chance(g, 50) ? 2 : 4) : NULL;
}

gen_window gen_random_window(gen *g, uint32_t n)
{
    static const char *const pads[] = {"SAME_UPPER", "SAME_LOWER", "VALID"};
    gen_window w = {.n = n, .auto_pad = gen_chance(g, 15) ? pads[gen_below(g, 3)] : NULL};
    for (uint32_t i = 0; i < n; i++) {
        w.kernel[i] = 1 + gen_below(g, 3);
        w.strides[i] = gen_chance(g, 70) ? 1 : 2;
        w.dilations[i] = gen_chance(g, 85) ? 1 : 2;
        w.pads[i] = gen_below(g, (uint32_t)w.kernel[i]);
        w.pads[n + i] = gen_below(g, (uint32_t)w.kernel[i]);
    }
    return w;
}

uint32_t gen_window_attrs(gen *g, const gen_window *w, bool kernel, adze_attr *out)
{
    uint32_t n = 0;
    if (kernel) out[n++] = adze_attr_ints("kernel_shape", w->kernel, w->n);
    if (gen_chance(g, 60)) out[n++] = adze_attr_ints("strides", w->strides, w->n);
    if (gen_chance(g, 30)) out[n++] = adze_attr_ints("dilations", w->dilations, w->n);
    if (w->auto_pad)
        out[n++] = adze_attr_str("auto_pad", w->auto_pad);
    else if (gen_chance(g, 60))
        out[n++] = adze_attr_ints("pads", w->pads, 2 * w->n);
    return n;
}

static adze_ir_value *image(gen *g, uint64_t dtypes)
{
    return gen_take(g, (gen_want){.dtypes = dtypes, .min_rank = 3 + gen_chance(g, 75), .max_rank = 4});
}

static adze_op *conv(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = image(g, sum_types(g));
    int64_t channels;
    if (!x || !adze_dim_is_const(adze_type_dim(adze_value_type(x), 1), &channels)) return NULL;
    gen_window w = gen_random_window(g, gen_rank(x) - 2);
    int64_t group = gen_chance(g, 30) ? channels : channels % 2 == 0 && gen_chance(g, 30) ? 2 : 1;
    int64_t out = group * (gen_chance(g, 50) ? 1 : small(g)), dims[4] = {out, channels / group};
    memcpy(dims + 2, w.kernel, w.n * sizeof *dims);
    adze_ir_value *in[] = {x, NULL, NULL};
    if (gen_dtype(x) == ADZE_DTYPE_f32 && dims[1] > 0 && gen_chance(g, 25))
        in[1] = gen_codes(g, gen_rank(x), dims, 0);
    else
        in[1] = gen_chance(g, 75) ? gen_constant(g, gen_dtype(x), gen_rank(x), dims, -1, 1)
                                  : gen_tensor(g, gen_dtype(x), gen_rank(x), dims);
    if (gen_chance(g, 60)) in[2] = gen_tensor(g, gen_dtype(x), 1, &out);
    adze_attr attrs[8];
    uint32_t n = gen_window_attrs(g, &w, gen_chance(g, 50), attrs);
    if (group > 1) attrs[n++] = adze_attr_int("group", group);
    return in[1] ? gen_build(g, row, in, in[2] ? 3 : 2, attrs, n) : NULL;
}

static adze_op *attention(gen *g, const adze_op_row *row)
{
    adze_ir_value *q = gen_take(g, (gen_want){.dtypes = GEN_BIT(ADZE_DTYPE_f32), .min_rank = 4, .max_rank = 4});
    if (!q) return NULL;
    adze_context *c = g->context;
    const adze_dim *const *d = adze_type_dims(adze_value_type(q));
    const adze_dim *t = gen_chance(g, 50) ? d[2] : adze_dim_const(c, small(g) * 3), *e = adze_dim_const(c, small(g));
    const adze_dim *k[] = {d[0], d[1], t, d[3]}, *v[] = {d[0], d[1], t, e};
    const adze_dim *one = adze_dim_const(c, 1), *mask[] = {d[0], one, d[2], t};
    adze_ir_value *in[] = {q, gen_take_type(g, adze_type_tensor(c, ADZE_DTYPE_f32, 4, k, NULL)),
                           gen_take_type(g, adze_type_tensor(c, ADZE_DTYPE_f32, 4, v, NULL)), NULL, NULL};
    if (gen_chance(g, 50)) in[3] = gen_take_type(g, adze_type_tensor(c, ADZE_DTYPE_f32, 4, mask, NULL));
    int64_t heads, window[] = {gen_chance(g, 50) ? 1 : 0, 2};
    if (!window[0] && adze_dim_is_const(d[1], &heads)) window[0] = heads;
    if (t == d[2] && window[0] > 0 && gen_chance(g, 60))
        in[4] = gen_constant(g, ADZE_DTYPE_i64, 2, window, 0, 4);
    adze_attr scale = adze_attr_float("scale", 0.5);
    return in[1] && in[2] ? gen_build(g, row, in, in[4] ? 5 : in[3] ? 4 : 3, &scale, gen_below(g, 2)) : NULL;
}

static adze_op *pack_panels(gen *g, const adze_op_row *row)
{
    static const char *const forms[] = {"kn", "nk", "conv"};
    const char *form = forms[gen_below(g, 3)];
    uint32_t rank = form[0] == 'c' ? 4 : 2;
    adze_ir_value *x =
        gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_WIDE), .min_rank = rank, .max_rank = rank, .fixed = true});
    bool codes = gen_chance(g, 30);
    int64_t dims[] = {small(g) * small(g), small(g) * small(g), small(g), 2};
    if (codes) x = gen_constant(g, gen_chance(g, 50) ? ADZE_DTYPE_i4 : ADZE_DTYPE_i8, rank, dims, -8, 7);
    adze_attr attrs[] = {adze_attr_str("form", form), adze_attr_int("width", gen_chance(g, 50) ? 16 : 4),
                         adze_attr_int("interleave", gen_chance(g, 50) ? 4 : 1),
                         adze_attr_int("bits", gen_chance(g, 70) ? 4 : 0)};
    return x ? gen_build(g, row, &x, 1, attrs, codes ? 4 : 3) : NULL;
}

/* ---- Windows ---- */

static adze_op *pool(gen *g, const adze_op_row *row)
{
    bool average = !strcmp(row->name, "average_pool");
    /* The place of the largest element is no continuous matter. */
    bool places = !average && gen_chance(g, 25);
    adze_ir_value *x = image(g, sum_types(g));
    if (!x || (places && (!gen_find(g, x) || !gen_find(g, x)->exact))) return NULL;
    gen_window w = gen_random_window(g, gen_rank(x) - 2);
    adze_attr attrs[8];
    uint32_t n = gen_window_attrs(g, &w, true, attrs);
    if (gen_chance(g, 30)) attrs[n++] = adze_attr_int("ceil_mode", 1);
    if (average && gen_chance(g, 40)) attrs[n++] = adze_attr_int("count_include_pad", 1);
    if (places) attrs[n++] = adze_attr_int("storage_order", gen_below(g, 2));
    return adze_build(&g->builder, row->name, &x, 1, attrs, n, NULL, places ? 2 : 1);
}

static adze_op *global_pool(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = image(g, sum_types(g));
    return x ? gen_build(g, row, &x, 1, NULL, 0) : NULL;
}

/* ---- Reductions ---- */

/* Axes as an operand: some of the rank, in order, counted from either end. */
static adze_ir_value *axes(gen *g, uint32_t rank)
{
    int64_t list[ADZE_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t k = 0; k < rank; k++)
        if (gen_chance(g, 50)) list[n++] = gen_chance(g, 30) ? (int64_t)k - rank : k;
    if (!n && rank) list[n++] = gen_below(g, rank);
    return gen_ints(g, list, n);
}

static adze_op *reduce(gen *g, const adze_op_row *row)
{
    bool logs = strstr(row->name, "log") != NULL, product = !strcmp(row->name, "reduce_prod");
    uint64_t types = gen_chance(g, 75) ? sum_types(g) : gen_dtypes(logs ? GEN_FLOATS : GEN_NUMBERS);
    adze_ir_value *in[] = {gen_take(g, (gen_want){.dtypes = types, .min_rank = 1}), NULL};
    if (in[0] && logs) in[0] = gen_into(g, in[0], 0.25, 16);
    if (in[0] && product) in[0] = gen_into(g, in[0], 0.5, 1.5);
    if (!in[0]) return NULL;
    if (gen_chance(g, 75)) in[1] = axes(g, gen_rank(in[0]));
    adze_attr attrs[] = {adze_attr_int("keepdims", gen_below(g, 2)), adze_attr_int("noop_with_empty_axes", 1)};
    return gen_build(g, row, in, in[1] ? 2 : 1, attrs, gen_below(g, 2) + gen_chance(g, 10));
}

static adze_op *argreduce(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_NUMBERS), .min_rank = 1, .exact = true});
    if (!x) return NULL;
    int64_t axis = gen_below(g, gen_rank(x));
    adze_attr attrs[] = {adze_attr_int("axis", gen_chance(g, 30) ? axis - gen_rank(x) : axis),
                         adze_attr_int("keepdims", gen_below(g, 2)),
                         adze_attr_int("select_last_index", gen_below(g, 2))};
    return gen_build(g, row, &x, 1, attrs, 1 + gen_below(g, 3));
}

static adze_op *cum_sum(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_WIDE), .min_rank = 1});
    adze_ir_value *in[] = {x, x ? gen_number(g, ADZE_DTYPE_i64, gen_below(g, gen_rank(x))) : NULL};
    adze_attr attrs[] = {adze_attr_int("exclusive", gen_below(g, 2)), adze_attr_int("reverse", gen_below(g, 2))};
    return in[1] ? gen_build(g, row, in, 2, attrs, gen_below(g, 3)) : NULL;
}

/* ---- Normalizations ---- */

static adze_op *softmax(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = sum_types(g), .min_rank = 1});
    if (!x) return NULL;
    adze_attr axis = adze_attr_int("axis", gen_below(g, gen_rank(x)));
    return gen_build(g, row, &x, 1, &axis, gen_chance(g, 60) || gen_rank(x) < 2);
}

static adze_op *layer_norm(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = sum_types(g), .min_rank = 1});
    if (!x) return NULL;
    uint32_t rank = gen_rank(x), axis = gen_chance(g, 60) ? rank - 1 : gen_below(g, rank);
    const adze_dim *const *dims = adze_type_dims(adze_value_type(x)) + axis;
    const adze_type *type = adze_type_tensor(g->context, gen_dtype(x), rank - axis, dims, NULL);
    adze_ir_value *in[] = {x, gen_take_type(g, type), NULL};
    if (row->in_max > 2 && gen_chance(g, 60)) in[2] = gen_take_type(g, type);
    adze_attr attrs[] = {adze_attr_int("axis", gen_chance(g, 30) ? (int64_t)axis - rank : axis),
                         adze_attr_float("epsilon", 0.125)};
    uint32_t results = row->out_max > 1 && gen_chance(g, 15) ? 3 : 1;
    return in[1] ? adze_build(&g->builder, row->name, in, in[2] ? 3 : 2, attrs, 2, NULL, results) : NULL;
}

/* Not in half precision: as a product and a sum it rounds once more. */
static adze_op *batch_norm(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_WIDE), .min_rank = 2});
    int64_t channels;
    if (!x || !adze_dim_is_const(adze_type_dim(adze_value_type(x), 1), &channels)) return NULL;
    adze_ir_value *in[5] = {x};
    for (uint32_t i = 1; i < 5; i++) in[i] = gen_constant(g, gen_dtype(x), 1, &channels, i == 4 ? 0.5 : -1, 2);
    adze_attr epsilon = adze_attr_float("epsilon", 0.001);
    return in[4] ? gen_build(g, row, in, 5, &epsilon, gen_below(g, 2)) : NULL;
}

const gen_recipe gen_recipes_compute[] = {
    {"argmax", argreduce},
    {"argmin", argreduce},
    {"attention", attention},
    {"average_pool", pool},
    {"batch_norm", batch_norm},
    {"conv", conv},
    {"cum_sum", cum_sum},
    {"gemm", gemm},
    {"global_average_pool", global_pool},
    {"global_max_pool", global_pool},
    {"layer_norm", layer_norm},
    {"log_softmax", softmax},
    {"matmul", matmul},
    {"max_pool", pool},
    {"pack_panels", pack_panels},
    {"reduce_l1", reduce},
    {"reduce_l2", reduce},
    {"reduce_log_sum", reduce},
    {"reduce_log_sum_exp", reduce},
    {"reduce_max", reduce},
    {"reduce_mean", reduce},
    {"reduce_min", reduce},
    {"reduce_prod", reduce},
    {"reduce_sum", reduce},
    {"reduce_sum_square", reduce},
    {"rms_norm", layer_norm},
    {"softmax", softmax},
    {"softmax_flat", softmax},
    {NULL, NULL},
};
