/* smooth: inputs of matrix products that have channels of uneven size give a part of it to the weights, so that one
 * scale for all channels loses less. Xiao et al., "SmoothQuant", 2022.
 *
 * The factor goes into the scale and bias of the normalization before the products where these are all that reads it,
 * else, where asked for, into a `mul` by a constant.
 *
 *     %0 = layer_norm(%x, @g, @b)           →      %0 = layer_norm(%x, @g / s, @b / s)
 *     %1 = matmul(%0, @w)                          %1 = matmul(%0, @w * s)
 */
#include "passes/examples_embedded.h"
#include "passes/quant/weights.h"
#include "passes/weights/constant.h"

#include <adze/arena.h>
#include <adze/pass.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCALE = 1, BIAS = 2, MAX_READERS = 64 };

typedef struct options {
    double alpha;
    bool insert;
    const char *stats;
} options;

/* Products that read one value. */
typedef struct site {
    adze_ir_value *value;
    adze_op *norm; /* whose scale takes the factor; NULL = a mul does */
    weight_matrix readers[MAX_READERS];
    uint32_t n;
    size_t channels;
} site;

typedef struct smoother {
    const options *options;
    adze_pass_run *run;
    adze_stats *stats;
    adze_arena arena; /* of the site at hand */
    adze_table made;  /* values that were inserted */
} smoother;

/* A constant of one number a channel. */
static bool one_a_channel(const adze_ir_value *value, size_t channels)
{
    int64_t count;
    if (!value || !adze_value_const(value)) return false;
    const adze_type *type = adze_value_type(value);
    return adze_type_dtype(type) == ADZE_DTYPE_f32 && adze_dim_is_const(adze_type_count(type), &count) &&
           count == (int64_t)channels;
}

static bool can_fold(const adze_op *op, size_t channels)
{
    if (!op || !adze_op_has_trait(op, ADZE_NORMALIZE) || adze_row_attr_index(adze_op_get_row(op), "epsilon") < 0)
        return false;
    int64_t axis = adze_op_attr_int(op, "axis"), rank = adze_type_rank(adze_value_type(adze_op_result(op, 0)));
    if (axis != -1 && axis != rank - 1) return false;
    adze_ir_value *bias = adze_op_operand(op, BIAS);
    return one_a_channel(adze_op_operand(op, SCALE), channels) && (!bias || one_a_channel(bias, channels));
}

/* The products among the readers of a value; false where there are none, or the factor has no place. */
static bool find_site(const smoother *s, adze_ir_value *value, site *out)
{
    uint32_t others = 0;
    *out = (site){.value = value};
    for (const adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use)) {
        weight_matrix m;
        bool product = adze_use_index(use) == 0 && weight_takes_rows(adze_use_op(use), &m);
        if (!product || out->n == MAX_READERS)
            others++;
        else
            out->readers[out->n++] = m;
    }
    if (!out->n) return false;
    out->channels = out->readers[0].cols;
    adze_op *op = adze_value_op(value);
    bool foldable = !others && can_fold(op, out->channels) && adze_value_index(value) == 0;
    out->norm = foldable ? op : NULL;
    return foldable || s->options->insert;
}

static const float *contents(adze_ir_value *value)
{
    return adze_data_load(adze_const_data(adze_value_const(value)));
}

static void done_with(adze_ir_value *value) { adze_data_unload(adze_const_data(adze_value_const(value))); }

/* Largest magnitude of each channel: seen, or four deviations of what the normalization gives. */
static bool input_sizes(const smoother *s, const site *t, double *out)
{
    const adze_value_stats *x = s->stats ? adze_stats_of(s->stats, t->value) : NULL;
    adze_loc loc = adze_op_loc(t->readers[0].op);
    const char *name = adze_const_name(t->readers[0].constant);
    if (s->stats && (!x || x->channels.n != t->channels))
        return adze_error(loc, "no statistics of the channels that '%s' is multiplied with", name);
    if (!s->stats && !t->norm)
        return adze_error(loc, "the size of what '%s' is multiplied with is not known without statistics: stats=FILE",
                          name);
    if (x) {
        memcpy(out, x->channels.abs_max, t->channels * sizeof *out);
        return true;
    }
    adze_ir_value *bias = adze_op_operand(t->norm, BIAS);
    const float *scale = contents(adze_op_operand(t->norm, SCALE)), *shift = bias ? contents(bias) : NULL;
    if (!scale || (bias && !shift)) return false;
    for (size_t j = 0; j < t->channels; j++)
        out[j] = 4 * fabs((double)scale[j]) + (shift ? fabs((double)shift[j]) : 0);
    done_with(adze_op_operand(t->norm, SCALE));
    if (bias) done_with(bias);
    return true;
}

/* The constant with each channel divided by its factor. */
static adze_ir_value *divided(smoother *s, adze_op *user, adze_ir_value *value, const double *factors, size_t n)
{
    const float *x = contents(value);
    if (!x) return NULL;
    float *out = ADZE_NEW_ARRAY(&s->arena, float, n);
    for (size_t j = 0; j < n; j++) out[j] = (float)((double)x[j] / factors[j]);
    done_with(value);
    const char *name = adze_internf(adze_op_context(user), "%s.own", adze_const_name(adze_value_const(value)));
    return adze_const_make(adze_op_module(user), name, adze_value_type(value), out);
}

static bool set_divided(smoother *s, adze_op *norm, uint32_t operand, const double *factors, size_t n)
{
    adze_ir_value *old = adze_op_operand(norm, operand);
    adze_ir_value *made = old ? divided(s, norm, old, factors, n) : NULL;
    if (!made) return !old;
    adze_op_set_operand(norm, operand, made);
    (void)constant_settle(adze_value_const(old), made);
    return true;
}

/* What the products read: the value divided by the factors. NULL after an error. */
static adze_ir_value *divide_value(smoother *s, const site *t, const double *factors)
{
    if (t->norm) {
        bool ok = set_divided(s, t->norm, SCALE, factors, t->channels) &&
                  set_divided(s, t->norm, BIAS, factors, t->channels);
        return ok ? t->value : NULL;
    }
    adze_op *op = adze_value_op(t->value), *reader = t->readers[0].op;
    adze_builder b = op ? adze_builder_after(op) : adze_builder_before(adze_region_first(adze_value_region(t->value)));
    float *inverse = ADZE_NEW_ARRAY(&s->arena, float, t->channels);
    for (size_t j = 0; j < t->channels; j++) inverse[j] = (float)(1 / factors[j]);
    int64_t dims[] = {(int64_t)t->channels};
    const adze_type *type = adze_type_tensor_const(adze_op_context(reader), ADZE_DTYPE_f32, 1, dims);
    adze_ir_value *constant = adze_const_make(b.module, "smooth", type, inverse);
    adze_ir_value *made = constant ? adze_build_binary(&b, "mul", t->value, constant) : NULL;
    if (made) adze_table_put(&s->made, made, made);
    return made;
}

static bool multiply_weights(const weight_matrix *m, const double *factors)
{
    double *w = weight_read(m);
    if (!w) return false;
    for (size_t i = 0; i < m->rows * m->cols; i++) w[i] *= factors[i % m->cols];
    adze_ir_value *made = weight_write(m, w);
    free(w);
    if (!made) return false;
    adze_op_set_operand(m->op, m->operand, made);
    (void)constant_settle(m->constant, made);
    return true;
}

static adze_outcome smooth(smoother *s, const site *t)
{
    size_t n = t->channels;
    double *x = ADZE_NEW_ARRAY(&s->arena, double, 3 * n), *top = x + n, *factors = top + n;
    if (!input_sizes(s, t, x)) return ADZE_FAILED;
    for (uint32_t i = 0; i < t->n; i++) {
        double *w = weight_read(&t->readers[i]);
        if (!w) return ADZE_FAILED;
        for (size_t k = 0; k < t->readers[i].rows * n; k++) top[k % n] = fmax(top[k % n], fabs(w[k]));
        free(w);
    }
    quant_smooth(x, top, n, s->options->alpha, factors);
    adze_ir_value *divided_value = divide_value(s, t, factors);
    if (!divided_value) return ADZE_FAILED;
    for (uint32_t i = 0; i < t->n; i++) {
        if (!multiply_weights(&t->readers[i], factors)) return ADZE_FAILED;
        adze_op_set_operand(t->readers[i].op, 0, divided_value);
    }
    return ADZE_CHANGED;
}

static adze_outcome smooth_value(smoother *s, adze_ir_value *value)
{
    if (adze_table_get(&s->made, value)) return ADZE_UNCHANGED;
    site *t = ADZE_NEW(&s->arena, site);
    adze_outcome outcome = ADZE_UNCHANGED;
    if (find_site(s, value, t) && adze_rewrite(s->run, t->readers[0].op, "smooth")) outcome = smooth(s, t);
    adze_arena_free(&s->arena);
    return outcome;
}

static adze_outcome smooth_func(smoother *s, adze_func *func)
{
    adze_outcome all = ADZE_UNCHANGED, one;
    adze_region *body = adze_func_body(func);
    for (uint32_t i = 0; i < adze_region_num_args(body) && all != ADZE_FAILED; i++)
        if ((one = smooth_value(s, adze_region_arg(body, i))) != ADZE_UNCHANGED) all = one;
    for (adze_op *op = adze_region_first(body), *next; op && all != ADZE_FAILED; op = next) {
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_results(op) && all != ADZE_FAILED; i++)
            if ((one = smooth_value(s, adze_op_result(op, i))) != ADZE_UNCHANGED) all = one;
    }
    return all;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    smoother s = {.options = opaque, .run = self};
    if (!(s.options->alpha >= 0 && s.options->alpha <= 1)) {
        adze_error(adze_loc_unknown(self->context), "smooth: alpha is 0 to 1");
        return ADZE_FAILED;
    }
    if (self->precision == ADZE_PRECISION_STRICT) return ADZE_UNCHANGED;
    s.stats = s.options->stats ? adze_stats_load(self->context, s.options->stats) : NULL;
    bool ok = !s.options->stats || (s.stats && adze_stats_attach(s.stats, module));
    adze_outcome all = ok ? ADZE_UNCHANGED : ADZE_FAILED;
    for (adze_func *f = adze_module_first_func(module); f && all != ADZE_FAILED; f = adze_func_next(f)) {
        adze_outcome one = smooth_func(&s, f);
        if (one != ADZE_UNCHANGED) all = one;
    }
    adze_stats_destroy(s.stats);
    adze_table_free(&s.made);
    return all;
}

static const adze_option option_table[] = {
    {"alpha", "part of the unevenness that goes to the weights, 0 to 1", ADZE_OPTION_FLOAT, offsetof(options, alpha),
     "0.5"},
    {"insert", "a mul where no normalization takes the factor", ADZE_OPTION_BOOL, offsetof(options, insert), "false"},
    {"stats", "file of adze calibrate; without it, what normalizations say", ADZE_OPTION_STR, offsetof(options, stats),
     NULL},
};

const adze_pass adze_pass_smooth = {
    .struct_size = sizeof(adze_pass),
    .name = "smooth",
    .help = "move uneven channels of what matrix products read into their weights",
    .numerics = ADZE_FAST,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run_module = run,
    .purpose = "compress",
    .contract = "For products of f32 rows with constant weights behind a layer or rms normalization over the last "
                "axis that nothing else reads; insert=true also for others. Statistics hold no longer afterwards: "
                "calibrate again before quantize-static. Does nothing where the precision is strict.",
    .example = adze_example_smooth,
};
