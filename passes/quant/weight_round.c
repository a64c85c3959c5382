/* Rounds the weights of one contraction by a plan. */
#include "passes/quant/weights.h"

#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

static const double damping = 0.01; /* of the mean diagonal of a Gram matrix, onto its diagonal */

bool weight_method_parse(adze_context *context, const char *text, weight_method *out)
{
    static const char *const names[] = {"rtn", "gptq", "awq", "cd"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) return *out = (weight_method)i, true;
    return adze_error(adze_loc_unknown(context), "unknown way to round weights '%s'; there are rtn, gptq, awq and cd",
                      text);
}

bool weight_clip_parse(adze_context *context, const char *text, quant_clip *out)
{
    static const char *const names[] = {"absmax", "mse", "gram"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) return *out = (quant_clip)i, true;
    return adze_error(adze_loc_unknown(context), "unknown clip of weights '%s'; there are absmax, mse and gram", text);
}

bool weight_needs_gram(const weight_plan *plan)
{
    return plan->method != WEIGHT_RTN || plan->clip == QUANT_CLIP_GRAM || plan->polish;
}

void weight_free(weight_rounded *r)
{
    free(r->steps);
    free(r->w);
    free(r->values);
    free(r->factors);
    *r = (weight_rounded){0};
}

/* ---- Order of columns ---- */

/* Where blocks of channels are asked for, columns stand tap by tap, so that a block's columns are neighbours. */
static bool by_taps(const weight_matrix *m, const weight_rounded *r)
{
    return r->blocks > 1 && m->taps > 1;
}

static size_t tensor_column(const weight_matrix *m, size_t column)
{
    return column % m->channels * m->taps + column / m->channels;
}

/* to[i][j] = from[i][column j], or back. */
static void reorder(const weight_matrix *m, const double *from, double *to, size_t rows, bool back)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < m->cols; j++) {
            size_t k = tensor_column(m, j);
            to[i * m->cols + (back ? k : j)] = from[i * m->cols + (back ? j : k)];
        }
}

static void reorder_gram(const weight_matrix *m, double **h)
{
    size_t n = m->cols;
    double *out = adze_malloc(n * n * sizeof *out);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            out[i * n + j] = (*h)[tensor_column(m, i) * n + tensor_column(m, j)];
    free(*h);
    *h = out;
}

static void choose_blocks(const weight_matrix *m, const weight_plan *plan, weight_rounded *r)
{
    bool whole = plan->group == 0 || plan->group >= m->channels || (m->taps > 1 && m->channels % plan->group);
    r->group = whole ? 0 : plan->group;
    r->blocks = whole ? 1 : (m->channels + plan->group - 1) / plan->group * m->taps;
}

/* ---- Statistics ---- */

static const adze_gram *find_gram(const weight_matrix *m, const weight_plan *plan)
{
    const adze_gram *gram = plan->stats ? adze_stats_gram(plan->stats, m->op, 0) : NULL;
    if (gram && gram->rows && gram->size == m->cols && gram->n_groups == m->groups) return gram;
    adze_error(adze_op_loc(m->op), gram ? "the Gram matrix of what '%s' is multiplied with is empty or of another size"
                                        : "no Gram matrix of what '%s' is multiplied with: calibrate with --gram",
               adze_const_name(m->constant));
    return NULL;
}

/* Contractions that read the same constant are one layer: the sum of their matrices. */
static bool read_gram(const weight_matrix *m, const weight_plan *plan, uint32_t group, double *h)
{
    size_t count = m->cols * m->cols;
    double *one = adze_malloc(count * sizeof *one);
    memset(h, 0, count * sizeof *h);
    bool ok = true;
    const adze_ir_value *value = adze_const_value(m->constant);
    for (const adze_use *use = adze_value_first_use(value); use && ok; use = adze_use_next(use)) {
        weight_matrix other;
        if (!weight_shares(m, use, &other)) continue;
        const adze_gram *gram = find_gram(&other, plan);
        ok = gram && adze_gram_read(plan->stats, gram, group, one, NULL);
        for (size_t i = 0; i < count && ok; i++) h[i] += one[i];
    }
    free(one);
    return ok;
}

static void damp(double *h, size_t n)
{
    double mean = 0;
    for (size_t j = 0; j < n; j++) mean += h[j * (n + 1)] / (double)n;
    for (size_t j = 0; j < n; j++) h[j * (n + 1)] += damping * mean;
}

/* ---- Methods ---- */

static bool find_factors(const weight_matrix *m, const weight_plan *plan, const quant_layer *layer, weight_rounded *r,
                         quant_step *steps, double *out)
{
    const adze_value_stats *x = adze_stats_of(plan->stats, adze_op_operand(m->op, 0));
    if (!x || x->channels.n != m->channels)
        return adze_error(adze_op_loc(m->op), "no statistics of the channels that '%s' is multiplied with",
                          adze_const_name(m->constant));
    r->factors = adze_malloc(m->channels * sizeof *r->factors);
    if (quant_awq(layer, x->channels.abs_mean, m->channels, r->factors, steps, out) > 0) return true;
    free(r->factors);
    r->factors = NULL;
    return true;
}

static bool round_layer(const weight_matrix *m, const weight_plan *plan, quant_layer *layer, double *h,
                        weight_rounded *r, quant_step *steps, double *out)
{
    bool product = m->taps == 1 && m->groups == 1;
    if (plan->method == WEIGHT_GPTQ) {
        if (!quant_gptq(layer, plan->act_order, damping, steps, out))
            return adze_error(adze_op_loc(m->op), "the Gram matrix of what '%s' is multiplied with is no such matrix",
                              adze_const_name(m->constant));
    } else if (plan->method == WEIGHT_AWQ && product) {
        return find_factors(m, plan, layer, r, steps, out);
    } else {
        quant_steps(layer, steps);
        quant_rtn(layer, steps, out);
    }
    uint32_t sweeps = plan->polish ? plan->polish : plan->method == WEIGHT_DESCEND ? 20 : 0;
    if (!sweeps) return true;
    damp(h, m->cols);
    quant_descend(layer, steps, sweeps, out);
    return true;
}

static bool round_group(const weight_matrix *m, const weight_plan *plan, weight_rounded *r, uint32_t group, double **h)
{
    size_t rows = m->rows / m->groups, at = group * rows * m->cols, count = rows * m->cols;
    if (*h && !read_gram(m, plan, group, *h)) return false;
    bool turned = by_taps(m, r);
    double *w = r->w + at, *values = r->values + at, *turned_w = NULL, *turned_values = NULL;
    if (turned) {
        if (*h) reorder_gram(m, h);
        turned_w = adze_malloc(count * sizeof *w);
        turned_values = adze_malloc(count * sizeof *w);
        reorder(m, w, turned_w, rows, false);
    }
    quant_layer layer = {.rows = rows, .cols = m->cols, .group = r->group, .w = turned ? turned_w : w, .h = *h,
                         .grid = r->grid, .clip = plan->clip};
    bool ok = round_layer(m, plan, &layer, *h, r, r->steps + group * rows * r->blocks, turned ? turned_values : values);
    if (turned && ok) reorder(m, turned_values, values, rows, true);
    free(turned_w);
    free(turned_values);
    return ok;
}

bool weight_round(const weight_matrix *m, const weight_plan *plan, weight_rounded *out)
{
    *out = (weight_rounded){.grid = quant_grid_make(plan->bits, true, plan->symmetric)};
    choose_blocks(m, plan, out);
    out->w = weight_read(m);
    if (!out->w) return false;
    out->values = adze_malloc(m->rows * m->cols * sizeof *out->values);
    out->steps = adze_malloc(m->rows * out->blocks * sizeof *out->steps);
    double *h = weight_needs_gram(plan) ? adze_malloc(m->cols * m->cols * sizeof *h) : NULL;
    bool ok = true;
    for (uint32_t g = 0; g < m->groups && ok; g++) ok = round_group(m, plan, out, g, &h);
    free(h);
    if (!ok) weight_free(out);
    for (size_t i = 0; ok && out->factors && i < m->rows * m->cols; i++)
        out->w[i] *= out->factors[i % m->cols];
    return ok;
}

void weight_raise_scale(const weight_matrix *m, weight_rounded *r, size_t row, double scale)
{
    quant_step *step = &r->steps[row];
    if (r->blocks != 1 || !(scale > step->scale)) return;
    step->scale = scale;
    for (size_t j = row * m->cols; j < (row + 1) * m->cols; j++) r->values[j] = quant_round(r->grid, *step, r->w[j]);
}
