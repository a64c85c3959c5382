/* Rounds the weights of one contraction by a plan. */
#include "passes/quant/weights.h"
#include "passes/weights/fit.h"
#include "passes/weights/prefix.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double damping = 0.01; /* of the mean diagonal of a Gram matrix, onto its diagonal */

bool weight_method_parse(adze_context *context, const char *text, weight_method *out)
{
    static const char *const names[] = {"rtn", "gptq", "awq", "cd", "awq-gptq"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(text, names[i])) return *out = (weight_method)i, true;
    return adze_error(adze_loc_unknown(context), "unknown way to round weights '%s'; there are rtn, gptq, awq, cd "
                                                 "and awq-gptq", text);
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
    return plan->method != WEIGHT_RTN || plan->clip == QUANT_CLIP_GRAM || plan->polish || plan->refit;
}

void weight_free(weight_rounded *r)
{
    free(r->steps);
    free(r->w);
    free(r->values);
    free(r->factors);
    free(r->kept);
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

/* A mask in the order of taps. */
static bool *reorder_mask(const weight_matrix *m, const bool *kept, size_t rows)
{
    bool *out = adze_malloc(rows * m->cols * sizeof *out);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < m->cols; j++) out[i * m->cols + j] = kept[i * m->cols + tensor_column(m, j)];
    return out;
}

static void choose_blocks(const weight_matrix *m, const weight_plan *plan, weight_rounded *r)
{
    bool whole = plan->group == 0 || plan->group >= m->channels || (m->taps > 1 && m->channels % plan->group);
    r->group = whole ? 0 : plan->group;
    r->blocks = whole ? 1 : (m->channels + plan->group - 1) / plan->group * m->taps;
}

/* ---- Statistics ---- */

/* What is left of inputs that do not change may be below 0 by rounding. */
static void mend_diagonal(double *h, size_t n)
{
    for (size_t j = 0; j < n; j++)
        if (h[j * (n + 1)] < 0) h[j * (n + 1)] = 0;
}

static void damp(double *h, size_t n)
{
    double mean = 0;
    for (size_t j = 0; j < n; j++) mean += h[j * (n + 1)] / (double)n;
    for (size_t j = 0; j < n; j++) h[j * (n + 1)] += damping * mean;
}

/* ---- Methods ---- */

static bool is_product(const weight_matrix *m)
{
    return m->taps == 1 && m->groups == 1;
}

static bool not_gram(const weight_matrix *m)
{
    return adze_error(adze_op_loc(m->op), "the Gram matrix of what '%s' is multiplied with is no such matrix",
                      adze_const_name(m->constant));
}

/* Factors of AWQ, and the layer with them: weights times s, inputs divided by it. */
static bool apply_factors(const weight_matrix *m, const weight_plan *plan, quant_layer *layer, double *h,
                          weight_rounded *r, quant_step *steps, double *out)
{
    size_t n = m->cols;
    const adze_value_stats *x = plan->stats ? adze_stats_of(plan->stats, adze_op_operand(m->op, 0)) : NULL;
    if (!x || x->channels.n != m->channels)
        return adze_error(adze_op_loc(m->op), "no statistics of the channels that '%s' is multiplied with",
                          adze_const_name(m->constant));
    double *s = adze_malloc(n * sizeof *s);
    if (quant_awq(layer, x->channels.abs_mean, n, s, steps, out) > 0) {
        r->factors = s;
        for (size_t i = 0; i < m->rows * n; i++) r->w[i] *= s[i % n];
        for (size_t i = 0; i < n * n; i++) h[i] /= s[i / n] * s[i % n];
    } else {
        free(s);
    }
    return true;
}

/* Rounds `from` to the layer's grid, then comes nearer to its weights. `h` is damped from the first descent on. */
static bool round_level(const weight_plan *plan, quant_layer layer, const double *from, double *h, bool *damped,
                        quant_step *steps, double *out)
{
    quant_layer start = layer;
    start.w = from;
    if (plan->method == WEIGHT_GPTQ || plan->method == WEIGHT_AWQ_GPTQ) {
        if (!quant_gptq(&start, plan->act_order, *damped ? 0 : damping, steps, out)) return false;
    } else {
        quant_steps(&start, steps);
        quant_rtn(&start, steps, out);
    }
    uint32_t sweeps = plan->polish ? plan->polish : plan->method == WEIGHT_DESCEND || plan->refit ? 20 : 0;
    if (!sweeps) return true;
    if (!*damped) damp(h, layer.cols);
    *damped = true;
    quant_descend(&layer, steps, sweeps, out);
    for (uint32_t i = 0; i < plan->refit && quant_refit(&layer, steps, out); i++)
        quant_descend(&layer, steps, sweeps, out);
    return true;
}

/* To the bits asked for, by way of 8 and 6 where the plan says so. */
static bool round_layer(const weight_plan *plan, const quant_layer *layer, double *h, quant_step *steps, double *out)
{
    static const uint32_t on_the_way[] = {8, 6};
    size_t count = layer->rows * layer->cols;
    double *from = adze_malloc(count * sizeof *from);
    bool damped = false, ok = true;
    memcpy(from, layer->w, count * sizeof *from);
    for (size_t i = 0; ok && plan->progressive && i < 2; i++) {
        quant_layer level = *layer;
        if (on_the_way[i] <= plan->bits) break;
        level.grid = quant_grid_make(on_the_way[i], true, plan->symmetric);
        ok = round_level(plan, level, from, h, &damped, steps, out);
        memcpy(from, out, count * sizeof *from);
    }
    ok = ok && round_level(plan, *layer, from, h, &damped, steps, out);
    free(from);
    return ok;
}

/* Weights with the zeros of a mask that give what w gives, as near as can be; h is as it was measured. */
static bool fit_kept(const weight_matrix *m, const bool *kept, const double *h, double *w)
{
    double *damped = adze_malloc(m->cols * m->cols * sizeof *damped);
    bool ok = weight_damp(h, m->cols, damped, NULL) && weight_fit(w, damped, kept, m->rows, m->cols, w);
    free(damped);
    return ok;
}

static bool take_moments(const weight_matrix *m, const prefix_moments *moments, uint32_t group, const bool *kept,
                         double *h, double *w)
{
    memcpy(h, moments->h + group * m->cols * m->cols, m->cols * m->cols * sizeof *h);
    if (!moments->cross) return true;
    bool ok = weight_retarget(moments->cross, h, m->rows, m->cols, w) && (!kept || fit_kept(m, kept, h, w));
    return ok || not_gram(m);
}

static bool round_group(const weight_matrix *m, const weight_plan *plan, weight_rounded *r, uint32_t group, double **h)
{
    size_t rows = m->rows / m->groups, at = group * rows * m->cols, count = rows * m->cols;
    double *w = r->w + at, *values = r->values + at, *turned_w = NULL, *turned_values = NULL;
    quant_step *steps = r->steps + group * rows * r->blocks;
    bool *kept = r->kept ? r->kept + at : NULL, *turned_kept = NULL;
    bool ok = plan->moments ? take_moments(m, plan->moments, group, kept, *h, w)
                            : !*h || weight_gram(m, plan->stats, group, plan->centred, *h, NULL);
    quant_layer layer = {.rows = rows, .cols = m->cols, .group = r->group, .w = w, .h = *h, .grid = r->grid,
                         .clip = plan->clip, .shrink = plan->shrink, .kept = kept};
    bool awq = (plan->method == WEIGHT_AWQ || plan->method == WEIGHT_AWQ_GPTQ) && is_product(m);
    if (*h && plan->centred) mend_diagonal(*h, m->cols);
    if (!ok || (awq && !apply_factors(m, plan, &layer, *h, r, steps, values))) return false;
    bool turned = by_taps(m, r);
    if (turned) {
        if (*h) reorder_gram(m, h);
        turned_w = adze_malloc(count * sizeof *w);
        turned_values = adze_malloc(count * sizeof *w);
        reorder(m, w, turned_w, rows, false);
        if (kept) turned_kept = reorder_mask(m, kept, rows);
        layer.w = turned_w;
        layer.h = *h;
        layer.kept = turned_kept;
    }
    ok = round_layer(plan, &layer, *h, steps, turned ? turned_values : values) || not_gram(m);
    if (turned && ok) reorder(m, turned_values, values, rows, true);
    free(turned_w);
    free(turned_values);
    free(turned_kept);
    return ok;
}

/* Steps of few bits over the range of the weights are normal numbers of f16, but for groups that hardly count. */
static bool scales_fit_halves(const weight_matrix *m, const double *w)
{
    double most = 0;
    for (size_t i = 0; i < m->rows * m->cols; i++) most = fabs(w[i]) > most ? fabs(w[i]) : most;
    return most > 0x1p-6 && most < 0x1p15;
}

/* The mask of a layer that was pruned: so many of its weights are 0 that it was meant so. Trained weights hardly ever
 * are, and what has fewer zeros gains nothing by keeping them. NULL where it was not. */
static bool *find_mask(const weight_matrix *m, const double *w)
{
    static const double least_share = 0.3;
    size_t count = m->rows * m->cols, zeros = 0;
    for (size_t i = 0; i < count; i++) zeros += w[i] == 0;
    if ((double)zeros < least_share * (double)count) return NULL;
    bool *kept = adze_malloc(count * sizeof *kept);
    for (size_t i = 0; i < count; i++) kept[i] = w[i] != 0;
    return kept;
}

bool weight_round(const weight_matrix *m, const weight_plan *plan, weight_rounded *out)
{
    *out = (weight_rounded){.grid = quant_grid_make(plan->bits, true, plan->symmetric)};
    choose_blocks(m, plan, out);
    out->w = weight_read(m);
    if (!out->w) return false;
    out->grid.half = plan->half_scales && out->blocks > 1 && scales_fit_halves(m, out->w);
    out->kept = find_mask(m, out->w);
    out->values = adze_malloc(m->rows * m->cols * sizeof *out->values);
    out->steps = adze_malloc(m->rows * out->blocks * sizeof *out->steps);
    bool gram = weight_needs_gram(plan) || plan->moments;
    double *h = gram ? adze_malloc(m->cols * m->cols * sizeof *h) : NULL;
    bool ok = true;
    for (uint32_t g = 0; g < m->groups && ok; g++) ok = round_group(m, plan, out, g, &h);
    free(h);
    if (!ok) weight_free(out);
    return ok;
}

void weight_raise_scale(const weight_matrix *m, weight_rounded *r, size_t row, double scale)
{
    quant_step *step = &r->steps[row];
    if (r->blocks != 1 || !(scale > step->scale)) return;
    step->scale = scale;
    for (size_t j = row * m->cols; j < (row + 1) * m->cols; j++) r->values[j] = quant_round(r->grid, *step, r->w[j]);
}
