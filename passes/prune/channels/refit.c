/* What becomes of layers whose inputs lose units: least squares for what they gave, over what is left.
 *
 * Until all layers are done, columns of what goes are zeros and the units still flow: nobody reads them, so that is the
 * same model in tensors of the old sizes.
 */
#include "passes/prune/channels/prune.h"
#include "passes/weights/constant.h"
#include "passes/weights/copy.h"
#include "passes/weights/linalg.h"

#include <stdlib.h>
#include <string.h>

/* In mean diagonals. Alone, what is aimed at is a sum of the inputs, without noise; behind changed layers it holds what
 * no weights can make up for, and few samples are fitted too well. */
static const double damping_alone = 1e-3, damping_behind = 0.1;

static double *product(const double *w, const double *h, size_t rows, size_t cols)
{
    double *b = adze_malloc(rows * cols * sizeof *b);
    memset(b, 0, rows * cols * sizeof *b);
    linalg_gemm(b, cols, w, cols, h, cols, rows, cols, cols, 1);
    return b;
}

static bool no_fit(const channel_layer *l)
{
    return adze_error(adze_op_loc(l->m.op), "prune-channels: no least squares for '%s': its inputs on the calibration "
                                            "data are no finite numbers",
                      adze_const_name(l->m.constant));
}

/* bias += w x - fitted z, row by row. */
static void move_bias(const channel_layer *l, size_t from, size_t rows, const double *x, const double *z,
                      prune_fitted *f)
{
    for (size_t r = from; r < from + rows; r++)
        for (size_t j = 0; j < l->m.cols; j++)
            f->bias[r] += l->w[r * l->m.cols + j] * x[j] - f->w[r * l->m.cols + j] * z[j];
}

static void begin(const channel_layer *l, prune_fitted *f)
{
    size_t rows = l->m.rows, cols = l->m.cols;
    f->w = adze_malloc(rows * cols * sizeof *f->w);
    memcpy(f->w, l->w, rows * cols * sizeof *f->w);
    f->bias = NULL;
    if (!l->at.op) return;
    f->bias = adze_malloc(rows * sizeof *f->bias);
    memcpy(f->bias, l->bias, rows * sizeof *f->bias);
}

static bool fit_one(pruner *p, const channel_layer *l, const bool *gone, prune_fitted *f)
{
    size_t rows = l->m.rows / l->m.groups, cols = l->m.cols;
    bool ok = true;
    begin(l, f);
    if (!p->refit || !p->stats) {
        for (size_t i = 0; i < l->m.rows * cols; i++)
            if (gone[i % cols]) f->w[i] = 0;
        return true;
    }
    double *h = adze_malloc(cols * cols * sizeof *h), *mean = adze_malloc(cols * sizeof *mean);
    for (uint32_t k = 0; k < l->m.groups && ok; k++) {
        const double *w = l->w + k * rows * cols;
        ok = weight_gram(&l->m, p->stats, k, l->at.op, h, mean);
        double *b = ok ? product(w, h, rows, cols) : NULL;
        if (ok && !score_refit(b, h, w, gone, rows, cols, damping_alone, f->w + k * rows * cols)) ok = no_fit(l);
        if (ok && f->bias) move_bias(l, k * rows, rows, mean, mean, f);
        free(b);
    }
    free(h);
    free(mean);
    return ok;
}

bool prune_fit_alone(pruner *p, adze_channel_cut cut, prune_fitted *fitted)
{
    bool ok = true;
    for (uint32_t i = 0; i < p->n_layers; i++) fitted[i] = (prune_fitted){0};
    for (uint32_t i = 0; i < p->n_layers && ok; i++) {
        bool *gone = adze_malloc(p->layers[i].m.cols);
        if (prune_columns(p, &p->layers[i], cut, gone)) ok = fit_one(p, &p->layers[i], gone, &fitted[i]);
        free(gone);
    }
    return ok;
}

/* ---- Behind what has changed: f is what fits alone, and becomes what fits there ---- */

static bool fit_targets(weight_prefix *prefix, const channel_layer *l, const bool *gone, prune_fitted *f)
{
    prefix_targets t;
    bool centred = l->at.op;
    if (!prefix_measure_targets(prefix, &l->m, centred, &t)) return false;
    double *alone = f->w;
    f->w = adze_malloc(l->m.rows * l->m.cols * sizeof *f->w);
    bool ok = score_refit(t.b, t.h, alone, gone, l->m.rows, l->m.cols, damping_behind, f->w) || no_fit(l);
    free(alone);
    if (f->bias) memcpy(f->bias, l->bias, l->m.rows * sizeof *f->bias);
    /* The outputs that are aimed at have the contraction's own bias in them. */
    for (size_t r = 0; ok && f->bias && r < l->m.rows; r++) {
        double given = 0;
        for (size_t j = 0; j < l->m.cols; j++) given += f->w[r * l->m.cols + j] * t.mean[j];
        f->bias[r] = (l->at.op == l->m.op ? 0 : f->bias[r]) + t.target[r] - given;
    }
    prefix_targets_free(&t);
    return ok;
}

static bool fit_moments(weight_prefix *prefix, const channel_layer *l, const bool *gone, prune_fitted *f)
{
    prefix_moments m;
    size_t rows = l->m.rows / l->m.groups, cols = l->m.cols;
    if (!prefix_measure(prefix, &l->m, l->at.op, &m)) return false;
    bool ok = true;
    if (f->bias) memcpy(f->bias, l->bias, l->m.rows * sizeof *f->bias);
    for (size_t k = 0; k < l->m.groups && ok; k++) {
        double *h = m.h + k * cols * cols, *b = product(l->w + k * rows * cols, m.cross ? m.cross : h, rows, cols);
        double *alone = f->w + k * rows * cols, *w = adze_malloc(rows * cols * sizeof *w);
        ok = score_refit(b, h, alone, gone, rows, cols, damping_behind, w) || no_fit(l);
        memcpy(alone, w, rows * cols * sizeof *w);
        free(w);
        if (ok && f->bias) move_bias(l, k * rows, rows, m.mean + k * cols, m.rounded + k * cols, f);
        free(b);
    }
    prefix_moments_free(&m);
    return ok;
}

bool prune_fit_sequential(pruner *p, adze_channel_cut cut, prune_fitted *fitted)
{
    weight_prefix *prefix = prefix_create(p->run, p->module);
    bool ok = prefix, changed = false;
    for (uint32_t i = 0; i < p->n_layers; i++) fitted[i] = (prune_fitted){0};
    for (uint32_t i = 0; i < p->n_layers && ok; i++) {
        const channel_layer *l = &p->layers[i];
        bool *gone = adze_malloc(l->m.cols), reads = prune_columns(p, l, cut, gone);
        adze_pass_progress(p->run, i, p->n_layers, adze_const_name(l->m.constant));
        if (reads || (p->cascade && changed && prefix_has_targets(&l->m))) {
            changed = true;
            if (reads) ok = fit_one(p, l, gone, &fitted[i]);
            else begin(l, &fitted[i]);
            if (ok) ok = prefix_has_targets(&l->m) ? fit_targets(prefix, l, gone, &fitted[i])
                                           : fit_moments(prefix, l, gone, &fitted[i]);
            ok = ok && prefix_change(prefix, &l->m, fitted[i].w);
            if (ok && fitted[i].bias)
                ok = prefix_set_bias(prefix, l->at.op, l->at.operand, fitted[i].bias, l->m.rows);
        }
        free(gone);
    }
    prefix_destroy(prefix);
    return ok;
}

void prune_free_fitted(pruner *p, prune_fitted *fitted)
{
    for (uint32_t i = 0; i < p->n_layers; i++) {
        free(fitted[i].w);
        free(fitted[i].bias);
        fitted[i] = (prune_fitted){0};
    }
}

/* ---- Writing ---- */

static bool write_bias(const channel_layer *l, adze_module *module, const double *bias)
{
    weight_bias at = {.op = copy_op_at(module, l->bias_ordinal), .operand = l->at.operand};
    bool has = at.operand < adze_op_num_operands(at.op) && adze_op_operand(at.op, at.operand);
    if (has) at.constant = adze_value_const(adze_op_operand(at.op, at.operand));
    adze_ir_value *made = weight_bias_make(&at, adze_const_name(l->m.constant), bias, l->m.rows);
    if (!made) return false;
    constant_put(at.op, at.operand, made);
    (void)constant_settle(at.constant, made);
    return true;
}

bool prune_write_fitted(const pruner *p, adze_module *module, const prune_fitted *fitted)
{
    for (uint32_t i = 0; i < p->n_layers; i++) {
        const channel_layer *l = &p->layers[i];
        if (!fitted[i].w) continue;
        weight_matrix m = l->m;
        m.op = copy_op_at(module, l->ordinal);
        adze_ir_value *old = adze_op_operand(m.op, m.operand);
        m.constant = adze_value_const(old);
        adze_ir_value *made = weight_write(&m, fitted[i].w);
        if (!made || (fitted[i].bias && !write_bias(l, module, fitted[i].bias))) return false;
        adze_value_replace_uses(old, made);
        (void)constant_settle(m.constant, made);
    }
    return true;
}
