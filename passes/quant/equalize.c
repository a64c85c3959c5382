/* equalize: two layers in a row get equal ranges of weights, channel by channel, without changing what they compute.
 *
 * Rows of the first are divided by a factor, columns of the second multiplied; what stands between must commute with
 * factors above 0. Helps where weights have one scale a tensor, or few bits. Nagel et al., "Data-Free Quantization
 * Through Weight Equalization and Bias Correction", 2019.
 *
 * `absorb` takes what a channel before a relu hardly ever falls below, its mean less three deviations, out of the first
 * layer's bias and puts what it is worth into the second one's, so that the values between have less range.
 *
 *     %0 = conv(%x, @w, @b)                 →      %0 = conv(%x, @w / s, @b / s)
 *     %1 = relu(%0)                                %1 = relu(%0)
 *     %2 = conv(%1, @v)                            %2 = conv(%1, @v * s)
 */
#include "passes/examples_embedded.h"
#include "passes/quant/weights.h"
#include "passes/weights/bias.h"
#include "passes/weights/constant.h"

#include <adze/arena.h>
#include <adze/pass.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BIAS = 2, MAX_SWEEPS = 200 };
static const double deviations = 3; /* below its mean a channel hardly falls further */

typedef struct options {
    bool absorb;
    const char *stats;
} options;

typedef struct layer {
    weight_matrix m;
    double *w, *bias; /* bias: [rows], NULL = none */
    bool changed;
} layer;

typedef struct pair {
    layer *first, *second;
    double *scratch; /* three numbers a channel */
    double *absorb;  /* what moves from the first one's bias, a channel; NULL = nothing */
} pair;

typedef struct equalizer {
    adze_arena arena;
    adze_table layers; /* by op */
    adze_op **order;   /* ops of layers */
    pair *pairs;
    uint32_t n_layers, layers_capacity, n_pairs, pairs_capacity;
    adze_pass_run *run;
    const adze_stats *stats; /* NULL = nothing is absorbed */
} equalizer;

/* f(s x) = s f(x) for s > 0 that differ between channels. */
static bool commutes(const adze_op *op)
{
    adze_access a;
    memset(&a, 0, sizeof a);
    if (adze_op_num_results(op) != 1) return false;
    if (adze_op_is(op, "relu") || adze_op_is(op, "leaky_relu") || adze_op_is(op, "identity")) return true;
    bool pools = adze_op_has_trait(op, ADZE_WINDOW) && adze_op_has_trait(op, ADZE_REDUCE);
    if (!pools || !adze_op_access(op, &a)) return false;
    return a.mean || a.combine == ADZE_COMBINE_MAX;
}

/* Weights that nobody else reads, and a bias of one number a row or none. */
static bool is_layer(adze_op *op, weight_matrix *m)
{
    if (!weight_describe(op, m) || adze_value_num_uses(adze_const_value(m->constant)) != 1) return false;
    const adze_ir_value *bias = weight_bias_operand(op);
    return !bias || (weight_is_bias(bias, m->rows) && adze_value_num_uses(bias) == 1);
}

/* Where its bias stands, or could. */
static weight_bias bias_at(const layer *l)
{
    const adze_ir_value *bias = weight_bias_operand(l->m.op);
    return (weight_bias){l->m.op, BIAS, bias ? adze_value_const(bias) : NULL};
}

static layer *add_layer(equalizer *e, const weight_matrix *m)
{
    layer *l = adze_table_get(&e->layers, m->op);
    if (l) return l;
    l = ADZE_NEW(&e->arena, layer);
    l->m = *m;
    l->w = weight_read(m);
    if (!l->w) return NULL;
    weight_bias at = bias_at(l);
    if (at.constant) l->bias = ADZE_NEW_ARRAY(&e->arena, double, m->rows);
    if (at.constant && !weight_bias_read(&at, m->rows, l->bias)) return NULL;
    adze_table_put(&e->layers, m->op, l);
    e->order = adze_arena_grow(&e->arena, e->order, e->n_layers, &e->layers_capacity, sizeof(adze_op *));
    e->order[e->n_layers++] = m->op;
    return l;
}

/* The layer that alone reads the first one's channels. */
static bool find_second(const weight_matrix *first, weight_matrix *out)
{
    adze_ir_value *value = adze_op_result(first->op, 0);
    for (;;) {
        if (adze_value_num_uses(value) != 1) return false;
        adze_use *use = adze_value_first_use(value);
        adze_op *op = adze_use_op(use);
        if (adze_use_index(use) == 0 && is_layer(op, out)) break;
        if (!commutes(op)) return false;
        value = adze_op_result(op, 0);
    }
    bool window = adze_op_has_trait(first->op, ADZE_WINDOW);
    weight_matrix unused;
    if (window != adze_op_has_trait(out->op, ADZE_WINDOW)) return false;
    if (!window && !weight_takes_rows(out->op, &unused)) return false;
    return out->channels * out->groups == first->rows;
}

/* ---- Biases that are high ---- */

/* May a window reach over the edge of its input? */
static bool has_border(const adze_op *op)
{
    adze_access a;
    memset(&a, 0, sizeof a);
    return !adze_op_access(op, &a) || a.operand[0].guarded;
}

/* Nothing but a relu that leaves numbers above 0 alone stands between the two. */
static bool relu_between(const weight_matrix *first, const weight_matrix *second)
{
    uint32_t n = 0;
    for (adze_ir_value *value = adze_op_operand(second->op, 0); adze_value_op(value) != first->op; n++) {
        const adze_op *op = adze_value_op(value);
        if (!adze_op_is(op, "relu") && !adze_op_is(op, "leaky_relu")) return false;
        value = adze_op_operand(op, 0);
    }
    return n > 0;
}

/* False after an error. */
static bool find_absorbed(equalizer *e, pair *p)
{
    const weight_matrix *first = &p->first->m, *second = &p->second->m;
    if (!e->stats || !weight_takes_bias(first->op) || !weight_takes_bias(second->op)) return true;
    if (!relu_between(first, second) || has_border(second->op)) return true;
    const adze_value_stats *x = adze_stats_of(e->stats, adze_op_result(first->op, 0));
    if (!x || x->channels.n != first->rows)
        return adze_error(adze_op_loc(first->op), "equalize: no statistics of the channels of what '%s' gives",
                          adze_const_name(first->constant));
    p->absorb = ADZE_NEW_ARRAY(&e->arena, double, first->rows);
    for (size_t i = 0; i < first->rows; i++)
        p->absorb[i] = fmax(0, x->channels.mean[i] - deviations * sqrt(x->channels.variance[i]));
    return true;
}

static double *bias_of(equalizer *e, layer *l)
{
    if (!l->bias) l->bias = ADZE_NEW_ARRAY(&e->arena, double, l->m.rows);
    return l->bias;
}

static bool collect(equalizer *e, adze_func *func)
{
    for (adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) {
        weight_matrix first, second;
        if (!is_layer(op, &first) || !find_second(&first, &second)) continue;
        if (!adze_rewrite(e->run, op, "equalize")) continue;
        pair p = {.first = add_layer(e, &first)};
        p.second = p.first ? add_layer(e, &second) : NULL;
        if (!p.second) return false;
        if (!find_absorbed(e, &p)) return false;
        p.scratch = ADZE_NEW_ARRAY(&e->arena, double, 3 * first.rows);
        e->pairs = adze_arena_grow(&e->arena, e->pairs, e->n_pairs, &e->pairs_capacity, sizeof(pair));
        e->pairs[e->n_pairs++] = p;
    }
    return true;
}

/* Weights of the second layer that channel `c` is multiplied with: rows [*row, *end), columns [*col, *col + taps). */
static void columns_of(const layer *l, size_t c, size_t *row, size_t *end, size_t *col)
{
    size_t group = c / l->m.channels, rows = l->m.rows / l->m.groups;
    *row = group * rows;
    *end = *row + rows;
    *col = c % l->m.channels * l->m.taps;
}

/* Equalizes one pair; gives the largest |s - 1|. */
static double equalize(pair p)
{
    size_t n = p.first->m.rows, row, end, col, cols = p.first->m.cols, second_cols = p.second->m.cols;
    double *top = p.scratch, *next = top + n, *s = next + n, most = 0;
    memset(top, 0, 2 * n * sizeof *top);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < cols; j++) top[i] = fmax(top[i], fabs(p.first->w[i * cols + j]));
        columns_of(p.second, i, &row, &end, &col);
        for (size_t r = row; r < end; r++)
            for (size_t t = 0; t < p.second->m.taps; t++)
                next[i] = fmax(next[i], fabs(p.second->w[r * second_cols + col + t]));
    }
    quant_equalize(top, next, n, s);
    for (size_t i = 0; i < n; i++) {
        if (s[i] == 1) continue;
        most = fmax(most, fabs(s[i] - 1));
        for (size_t j = 0; j < cols; j++) p.first->w[i * cols + j] /= s[i];
        if (p.first->bias) p.first->bias[i] /= s[i];
        if (p.absorb) p.absorb[i] /= s[i];
        columns_of(p.second, i, &row, &end, &col);
        for (size_t r = row; r < end; r++)
            for (size_t t = 0; t < p.second->m.taps; t++) p.second->w[r * second_cols + col + t] *= s[i];
        p.first->changed = p.second->changed = true;
    }
    return most;
}

static void absorb(equalizer *e, pair p)
{
    for (size_t i = 0; p.absorb && i < p.first->m.rows; i++) {
        size_t row, end, col, cols = p.second->m.cols;
        double c = p.absorb[i];
        if (!(c > 0)) continue;
        bias_of(e, p.first)[i] -= c;
        columns_of(p.second, i, &row, &end, &col);
        for (size_t r = row; r < end; r++)
            for (size_t t = 0; t < p.second->m.taps; t++)
                bias_of(e, p.second)[r] += c * p.second->w[r * cols + col + t];
        p.first->changed = p.second->changed = true;
        e->run->numerics = ADZE_LOSSY;
    }
}

static bool write_bias(const layer *l)
{
    if (!l->bias) return true;
    weight_bias at = bias_at(l);
    adze_ir_value *made = weight_bias_make(&at, adze_const_name(l->m.constant), l->bias, l->m.rows);
    if (!made) return false;
    constant_put(at.op, at.operand, made);
    (void)constant_settle(at.constant, made);
    return true;
}

static adze_outcome write_back(equalizer *e)
{
    adze_outcome all = ADZE_UNCHANGED;
    for (uint32_t i = 0; i < e->n_layers; i++) {
        layer *l = adze_table_get(&e->layers, e->order[i]);
        if (!l->changed) continue;
        adze_ir_value *made = weight_write(&l->m, l->w);
        if (!made || !write_bias(l)) return ADZE_FAILED;
        adze_op_set_operand(l->m.op, l->m.operand, made);
        (void)constant_settle(l->m.constant, made);
        all = ADZE_CHANGED;
    }
    return all;
}

static adze_outcome equalize_func(adze_func *func, const adze_stats *stats, adze_pass_run *self)
{
    equalizer e = {.run = self, .stats = stats};
    bool ok = collect(&e, func);
    for (int sweep = 0; ok && sweep < MAX_SWEEPS; sweep++) {
        double most = 0;
        for (uint32_t i = 0; i < e.n_pairs; i++) most = fmax(most, equalize(e.pairs[i]));
        if (most < 1e-4) break;
    }
    for (uint32_t i = 0; ok && i < e.n_pairs; i++) absorb(&e, e.pairs[i]);
    adze_outcome outcome = ok ? write_back(&e) : ADZE_FAILED;
    for (uint32_t i = 0; i < e.n_layers; i++) free(((layer *)adze_table_get(&e.layers, e.order[i]))->w);
    adze_table_free(&e.layers);
    adze_arena_free(&e.arena);
    return outcome;
}

static adze_outcome run(adze_func *func, const void *opaque, adze_pass_run *self)
{
    const options *o = opaque;
    self->numerics = ADZE_FAST; /* as long as nothing is absorbed */
    if (self->precision == ADZE_PRECISION_STRICT) return ADZE_UNCHANGED;
    if (!o->absorb) return equalize_func(func, NULL, self);
    adze_module *module = adze_func_module(func);
    if (func != adze_module_main(module)) return equalize_func(func, NULL, self);
    if (!o->stats) {
        adze_error(adze_loc_unknown(self->context), "equalize: absorb needs statistics: stats=FILE, which adze "
                                                    "calibrate writes");
        return ADZE_FAILED;
    }
    adze_stats *stats = adze_stats_load(self->context, o->stats);
    bool ok = stats && adze_stats_attach(stats, module);
    adze_outcome outcome = ok ? equalize_func(func, stats, self) : ADZE_FAILED;
    adze_stats_destroy(stats);
    return outcome;
}

static const adze_option option_table[] = {
    {"absorb", "move what channels hardly fall below from biases into those behind", ADZE_OPTION_BOOL,
     offsetof(options, absorb), "false"},
    {"stats", "file of adze calibrate, for absorb", ADZE_OPTION_STR, offsetof(options, stats), NULL},
};

const adze_pass adze_pass_equalize = {
    .struct_size = sizeof(adze_pass),
    .name = "equalize",
    .help = "give layers in a row equal ranges of weights, channel by channel",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run = run,
    .purpose = "compress",
    .contract = "For contractions whose weights and biases are constants that nobody else reads, with nothing between "
                "them but relu, leaky_relu and pools, each read once. Runs behind simplify and before calibration: "
                "statistics of the values between them no longer hold. absorb, of main, is for a relu or leaky_relu "
                "between layers without borders, and changes results where a value falls below its channel's mean by "
                "more than three deviations. Does nothing where the precision is strict.",
    .example = adze_example_equalize,
};
