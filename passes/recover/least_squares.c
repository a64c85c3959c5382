/* Least squares, layer by layer: the weights and biases of each layer come as near to the teacher's result as they can,
 * from what the layers before it now give.
 *
 * What is solved for is the change, so that a layer whose result is right stays, and damping draws to the weights that
 * there are. Where a shortcut is added to the result, the aim is the teacher's value behind that add. Weights that are
 * exactly 0 stay 0. A change that does no good on samples held back is not made.
 *
 * Sources: He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", 2017 (refit behind the pruned
 * prefix); Hubara et al., "Accelerated Sparse Neural Training", 2021 (AdaPrune).
 */
#include "passes/recover/layer_fit.h"

#include "passes/recover/fit.h"
#include "passes/weights/bias.h"
#include "passes/weights/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLS = 8192 };

/* ---- Sums ---- */

/* Of all groups; [0] of samples that are fitted to, [1] of those held back. */
typedef struct measured {
    fit_sums *sums[2];
    size_t groups;
} measured;

static void measured_free(measured *m)
{
    for (int part = 0; part < 2; part++) {
        for (size_t g = 0; m->sums[part] && g < m->groups; g++) fit_sums_free(&m->sums[part][g]);
        free(m->sums[part]);
    }
}

static measured measured_create(const weight_matrix *m)
{
    measured out = {.groups = m->groups};
    for (int part = 0; part < 2; part++) {
        out.sums[part] = adze_malloc(m->groups * sizeof *out.sums[part]);
        for (size_t g = 0; g < m->groups; g++) out.sums[part][g] = fit_sums_create(m->rows / m->groups, m->cols);
    }
    return out;
}

enum { XX, RX, X, R, RR, COUNT, N_SUMS };

/* Values that hold a sample's sums. */
static void build_sums(adze_builder *b, const weight_matrix *m, adze_ir_value *x, adze_ir_value *lack,
                       adze_ir_value **out)
{
    static const int64_t rows_axis[] = {1};
    adze_ir_value *u = build_unfold(b, m, x), *r = build_unfold_result(b, m, lack);
    out[XX] = build_binary(b, "matmul", build_swap_last(b, u), u);
    out[RX] = build_binary(b, "matmul", build_swap_last(b, r), u);
    out[X] = build_reduce(b, "reduce_sum", u, rows_axis, 1, false);
    out[R] = build_reduce(b, "reduce_sum", r, rows_axis, 1, false);
    out[RR] = build_reduce(b, "reduce_sum", build_binary(b, "mul", r, r), NULL, 0, false);
    out[COUNT] = r ? build_unary(b, "size", r) : NULL;
}

static void add(double *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] += (double)from[i];
}

static void add_sums(const measured *all, int part, const adze_value *values)
{
    for (size_t g = 0; g < all->groups; g++) {
        fit_sums *s = &all->sums[part][g];
        size_t rows = s->rows, cols = s->cols;
        add(s->xx, (const float *)values[XX].data + g * cols * cols, cols * cols);
        add(s->rx, (const float *)values[RX].data + g * rows * cols, rows * cols);
        add(s->x, (const float *)values[X].data + g * cols, cols);
        add(s->r, (const float *)values[R].data + g * rows, rows);
        s->n += (double)*(const int64_t *)values[COUNT].data / (double)(rows * all->groups);
    }
    all->sums[part][0].rr += (double)*(const float *)values[RR].data;
}

static bool run_samples(recover_pair *p, const recover_options *o, const weight_matrix *m, adze_program *program,
                        const measured *out)
{
    adze_value *inputs = adze_malloc((p->run->calibration->n_inputs + 1u) * sizeof *inputs);
    const adze_value *values;
    uint64_t n = pair_samples(p, o->samples);
    bool ok = true;
    for (uint64_t i = 0; ok && i < n; i++) {
        ok = pair_sample(p, i, inputs) && adze_program_run(program, inputs, &values);
        if (!ok) break;
        if (!isfinite(*(const float *)values[RR].data))
            ok = adze_error(adze_op_loc(m->op), "recover: the result of '%s' holds NaN or infinity in sample %llu",
                            adze_op_name(m->op), (unsigned long long)i);
        else
            add_sums(out, pair_is_held(i, o->hold), values);
    }
    free(inputs);
    return ok;
}

static bool measure(recover_pair *p, const recover_options *o, const weight_matrix *m, fit_lack *lack, void *self,
                    measured *out)
{
    adze_ir_value *values[N_SUMS] = {NULL};
    adze_builder b = pair_begin(p);
    adze_ir_value *missing = lack(self, &b);
    if (missing) build_sums(&b, m, adze_op_operand(m->op, 0), missing, values);
    adze_program *program = pair_program(p, values, N_SUMS);
    *out = measured_create(m);
    bool ok = program && run_samples(p, o, m, program, out);
    adze_program_close(program);
    pair_end(p);
    if (!ok) measured_free(out);
    return ok;
}

/* ---- Fitting ---- */

/* Weights that are 0 stay; NULL where there are none, or where all are. */
static bool *find_mask(const double *w, size_t n)
{
    bool *mask = adze_malloc(n * sizeof *mask);
    size_t zeros = 0;
    for (size_t i = 0; i < n; i++) {
        mask[i] = w[i] != 0;
        zeros += !mask[i];
    }
    if (zeros) return mask;
    free(mask);
    return NULL;
}

/* Fits one group; true where that does good. `w` and `bias` are that group's; the op multiplies what w gives with
 * `factor`. */
static bool fit_group(const fit_how *how, double factor, const fit_sums *s, const fit_sums *held, double *w,
                      double *bias)
{
    size_t n = s->rows * s->cols;
    fit_change change = {adze_malloc((n + 1) * sizeof(double)), bias ? adze_malloc(s->rows * sizeof(double)) : NULL};
    bool *mask = w ? find_mask(w, n) : NULL, good;
    if (w) {
        good = fit_choose(s, held, how->damping, how->factor, how->tries, mask, &change, NULL);
    } else {
        fit_shift(s, &change);
        good = fit_error(held->n > 0 ? held : s, &change) < 0;
    }
    for (size_t i = 0; good && w && i < n; i++) w[i] += change.w[i] / factor;
    for (size_t i = 0; good && bias && i < s->rows; i++) bias[i] += change.shift[i];
    free(mask);
    free(change.w);
    free(change.shift);
    return good;
}

bool layer_fit(recover_pair *p, const recover_options *o, recover_layer *l, const fit_how *how, fit_lack *lack,
               void *self)
{
    const weight_matrix *m = &l->m;
    double factor = weight_factor(m->op);
    bool writes = layer_can_write(p, l) && factor != 0, changed = false;
    if ((!writes && !l->bias) || m->cols > MAX_COLS) return true;
    if (!adze_rewrite(p->run, m->op, "refit")) return true;
    measured all;
    if (!measure(p, o, m, lack, self, &all)) return false;
    double *w = writes ? weight_read(m) : NULL, *bias = l->bias ? layer_bias_read(l) : NULL;
    bool ok = (!writes || w) && (!l->bias || bias);
    size_t rows = m->rows / m->groups;
    for (size_t g = 0; ok && g < m->groups; g++)
        changed |= fit_group(how, factor, &all.sums[0][g], &all.sums[1][g], w ? w + g * rows * m->cols : NULL,
                             bias ? bias + g * rows : NULL);
    measured_free(&all);
    if (ok && changed) ok = (!w || layer_write(p, l, w)) && (!bias || layer_bias_write(p, l, bias));
    free(w);
    free(bias);
    return ok;
}

/* ---- The cascade ---- */

static adze_ir_value *lack_behind(void *self, adze_builder *b)
{
    const recover_layer *l = self;
    return build_binary(b, "sub", l->behind_target, l->behind);
}

bool recover_least_squares(recover_pair *p, const recover_options *o)
{
    uint32_t n, skipped;
    recover_layer *layers = recover_layers(p, &n, &skipped);
    fit_how how = {.damping = o->damping, .factor = 10, .tries = 4};
    bool ok = layers;
    for (uint32_t i = 0; ok && i < n; i++) {
        adze_pass_progress(p->run, i, n, adze_value_name(layers[i].target));
        ok = layer_fit(p, o, &layers[i], &how, lack_behind, &layers[i]);
    }
    return ok;
}
