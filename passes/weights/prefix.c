/* Two copies of main over the same inputs: as it was, and with what has changed so far.
 *
 * Where a layer reads its inputs in one way, the Gram matrix of both copies' inputs side by side holds all products
 * between them: an op of the layer's form over their concatenation is put into the module for the time of the run.
 */
#include "passes/weights/prefix.h"

#include "passes/weights/bias.h"
#include "passes/weights/constant.h"

#include <adze/arena.h>
#include <adze/table.h>

#include <stdlib.h>
#include <string.h>

/* An op of the module as the copies have it. */
typedef struct twin {
    adze_op *exact, *rounded;
} twin;

struct weight_prefix {
    adze_pass_run *run;
    adze_module *module; /* with both copies */
    adze_arena arena;
    adze_table twins; /* by op */
    /* What was measured last, for products that read the same value. */
    const adze_ir_value *last;
    prefix_moments kept;
};

weight_prefix *prefix_create(adze_pass_run *run, const adze_module *module)
{
    if (!run->calibration) {
        adze_error(adze_loc_unknown(run->context),
                   "statistics behind changed layers need calibration data: --calib=DATA");
        return NULL;
    }
    weight_prefix *p = adze_malloc(sizeof *p);
    *p = (weight_prefix){.run = run, .module = adze_module_clone(module)};
    const adze_func *func = adze_module_main(module);
    const adze_op *op = adze_region_first(adze_func_body(func)), *end = adze_func_return(func);
    adze_op *mine = adze_region_first(adze_func_body(adze_module_main(p->module)));
    adze_op *last = adze_func_return(adze_module_main(p->module));
    adze_builder b = adze_builder_before(last);
    adze_map *map = adze_map_create();
    for (; op != end; op = adze_op_next(op), mine = adze_op_next(mine)) {
        twin *t = ADZE_NEW(&p->arena, twin);
        *t = (twin){adze_clone(&b, mine, map), mine};
        adze_table_put(&p->twins, op, t);
    }
    adze_map_destroy(map);
    return p;
}

void prefix_moments_free(prefix_moments *m)
{
    free(m->h);
    free(m->cross);
    free(m->mean);
    free(m->rounded);
    *m = (prefix_moments){0};
}

void prefix_destroy(weight_prefix *p)
{
    if (!p) return;
    prefix_moments_free(&p->kept);
    adze_module_destroy(p->module);
    adze_table_free(&p->twins);
    adze_arena_free(&p->arena);
    free(p);
}

/* ---- Measuring ---- */

static adze_stats *collect(const weight_prefix *p, const adze_ir_value *const *values, uint32_t n)
{
    adze_collect_options how = {.struct_size = sizeof how, .gram = true};
    return adze_stats_collect(p->run->registry, p->module, values, n, p->run->calibration, &how);
}

static bool no_gram(const weight_matrix *m)
{
    return adze_error(adze_op_loc(m->op), "no Gram matrix of what '%s' is multiplied with on the calibration data",
                      adze_const_name(m->constant));
}

/* Adds the n x n part of a matrix that begins at a row and a column. */
static void add_part(double *to, const double *from, size_t ld, size_t row, size_t col, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) to[i * n + j] += from[(row + i) * ld + col + j];
}

static void add(double *to, const double *from, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] += from[i];
}

/* An op like `t`'s over two values side by side, of as many channels each as they have; NULL after an error. */
static adze_op *build_joint(weight_prefix *p, const weight_matrix *m, const twin *t, adze_ir_value *first,
                            adze_ir_value *second, bool window)
{
    adze_ir_value *both[] = {first, second};
    const adze_type *type = adze_const_type(m->constant);
    uint32_t along = window ? 1 : adze_type_rank(adze_value_type(first)) - 1;
    int64_t dims[ADZE_MAX_RANK], count = 1;
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        (void)adze_dim_is_const(adze_type_dim(type, i), &dims[i]);
        if (i == m->k_axis) {
            int64_t more = 0;
            (void)adze_dim_is_const(adze_type_dim(adze_value_type(second), along), &more);
            dims[i] += more;
        }
        count *= dims[i];
    }
    float *zeros = adze_malloc((size_t)count * sizeof *zeros);
    memset(zeros, 0, (size_t)count * sizeof *zeros);
    type = adze_type_tensor_const(p->run->context, ADZE_DTYPE_f32, adze_type_rank(type), dims);
    adze_ir_value *weights = adze_const_make(p->module, "joint", type, zeros);
    free(zeros);
    adze_builder b = adze_builder_before(adze_func_return(adze_module_main(p->module)));
    adze_attr axis = adze_attr_int("axis", along);
    adze_ir_value *joined = weights ? adze_build1(&b, "concat", both, 2, &axis, 1) : NULL;
    if (!joined) return NULL;
    adze_map *map = adze_map_create();
    adze_map_set(map, adze_op_operand(t->rounded, 0), joined);
    adze_map_set(map, adze_op_operand(t->rounded, m->operand), weights);
    adze_op *op = adze_clone(&b, t->rounded, map);
    adze_map_destroy(map);
    return op;
}

static bool measure_joint(weight_prefix *p, const weight_matrix *m, const twin *t, bool window, prefix_moments *out)
{
    size_t n = m->cols;
    adze_op *op =
        build_joint(p, m, t, adze_op_operand(t->exact, 0), adze_op_operand(t->rounded, 0), window);
    if (!op) return false;
    adze_ir_value *joined = adze_op_operand(op, 0), *weights = adze_op_operand(op, m->operand);
    const adze_ir_value *tapped[] = {joined};
    adze_stats *stats = collect(p, tapped, 1);
    const adze_gram *gram = stats ? adze_stats_gram(stats, op, 0) : NULL;
    bool ok = gram && gram->size == 2 * n && gram->rows[0];
    if (stats && !ok) no_gram(m);
    if (ok) {
        double *h = adze_malloc(4 * n * n * sizeof *h), *mean = adze_malloc(2 * n * sizeof *mean);
        ok = adze_gram_read(stats, gram, 0, h, mean);
        if (ok) {
            add_part(out->h, h, 2 * n, n, n, n);
            add_part(out->cross, h, 2 * n, 0, n, n);
            add(out->mean, mean, n);
            add(out->rounded, mean + n, n);
        }
        free(h);
        free(mean);
    }
    adze_stats_destroy(stats);
    adze_op *concat = adze_value_op(joined);
    adze_op_erase(op);
    adze_op_erase(concat);
    adze_const_erase(adze_value_const(weights));
    return ok;
}

/* Without products between the copies. */
static bool measure_apart(weight_prefix *p, const weight_matrix *m, const twin *t, prefix_moments *out)
{
    size_t n = m->cols;
    const adze_ir_value *tapped[] = {adze_op_operand(t->exact, 0), adze_op_operand(t->rounded, 0)};
    adze_stats *stats = collect(p, tapped, tapped[0] == tapped[1] ? 1 : 2);
    const adze_gram *exact = stats ? adze_stats_gram(stats, t->exact, 0) : NULL;
    const adze_gram *rounded = stats ? adze_stats_gram(stats, t->rounded, 0) : NULL;
    bool ok = exact && rounded && exact->size == n && rounded->size == n && rounded->n_groups == m->groups;
    if (stats && !ok) no_gram(m);
    double *h = adze_malloc(n * n * sizeof *h), *mean = adze_malloc(n * sizeof *mean);
    for (uint32_t g = 0; ok && g < m->groups; g++) {
        ok = adze_gram_read(stats, exact, g, NULL, mean);
        if (ok) add(out->mean + g * n, mean, n);
        ok = ok && adze_gram_read(stats, rounded, g, h, mean);
        if (!ok) break;
        add(out->h + g * n * n, h, n * n);
        add(out->rounded + g * n, mean, n);
    }
    free(h);
    free(mean);
    adze_stats_destroy(stats);
    return ok;
}

static double *zeros(size_t n)
{
    double *x = adze_malloc(n * sizeof *x);
    memset(x, 0, n * sizeof *x);
    return x;
}

static prefix_moments make_moments(size_t cols, size_t groups, bool joint)
{
    prefix_moments m = {.cols = cols, .groups = groups, .h = zeros(groups * cols * cols)};
    m.cross = joint ? zeros(cols * cols) : NULL;
    m.mean = zeros(groups * cols);
    m.rounded = zeros(groups * cols);
    return m;
}

static void add_moments(prefix_moments *to, const prefix_moments *from, bool centred)
{
    size_t n = from->cols, count = from->groups * n;
    add(to->h, from->h, count * n);
    if (from->cross) add(to->cross, from->cross, n * n);
    for (size_t g = 0; centred && g < from->groups; g++)
        weight_centre(to->h + g * n * n, from->rounded + g * n, from->rounded + g * n, n);
    if (centred && from->cross) weight_centre(to->cross, from->mean, from->rounded, n);
    add(to->mean, from->mean, count);
    add(to->rounded, from->rounded, count);
}

/* Of one op; kept for the products that read the same value after it. */
static bool measure_op(weight_prefix *p, const weight_matrix *m, bool joint, bool window)
{
    const twin *t = adze_table_get(&p->twins, m->op);
    const adze_ir_value *value = adze_op_operand(t->rounded, 0);
    if (joint && !window && p->last == value && p->kept.cols == m->cols) return true;
    prefix_moments_free(&p->kept);
    p->kept = make_moments(m->cols, m->groups, joint);
    p->last = joint && !window ? value : NULL;
    return joint ? measure_joint(p, m, t, window, &p->kept) : measure_apart(p, m, t, &p->kept);
}

static bool has_rows(const weight_matrix *m)
{
    weight_matrix same;
    return weight_takes_rows(m->op, &same);
}

bool prefix_measure(weight_prefix *p, const weight_matrix *m, bool centred, prefix_moments *out)
{
    bool window = adze_op_has_trait(m->op, ADZE_WINDOW), joint = m->groups == 1 && (window || has_rows(m));
    if (2 * m->cols > ADZE_STATS_MAX_GRAM) joint = false;
    *out = make_moments(m->cols, m->groups, joint);
    bool ok = true;
    double n = 0;
    weight_matrix other;
    const adze_ir_value *value = adze_const_value(m->constant);
    for (const adze_use *use = adze_value_first_use(value); use && ok; use = adze_use_next(use)) {
        if (!weight_shares(m, use, &other)) continue;
        ok = measure_op(p, &other, joint && (window || has_rows(&other)), window);
        if (ok && joint && !p->kept.cross) ok = no_gram(m);
        if (ok) add_moments(out, &p->kept, centred);
        n++;
    }
    for (size_t i = 0; ok && n > 1 && i < m->groups * m->cols; i++) {
        out->mean[i] /= n;
        out->rounded[i] /= n;
    }
    if (!ok) prefix_moments_free(out);
    return ok;
}

/* ---- Targets ---- */

/* The tap of a window at which outputs lie over inputs; false where there is none, or it is not so for all of them. */
static bool find_centre(const weight_matrix *m, size_t *out_tap)
{
    adze_context *context = adze_op_context(m->op);
    adze_access a;
    memset(&a, 0, sizeof a);
    *out_tap = 0;
    if (!adze_op_access(m->op, &a)) return false;
    const adze_access_map *x = &a.operand[0], *w = &a.operand[m->operand], *y = &a.result[0];
    const adze_type *weights = adze_const_type(m->constant), *in = adze_value_type(adze_op_operand(m->op, 0));
    const adze_type *to = adze_value_type(adze_op_result(m->op, 0));
    for (uint32_t i = 2; i < x->rank; i++) {
        int64_t stride, dilation, pad, extent, tap;
        const adze_dim *rest;
        if (i >= y->rank || adze_dim_get_kind(y->dims[i]) != ADZE_DIM_AXIS) return false;
        if (i >= w->rank || adze_dim_get_kind(w->dims[i]) != ADZE_DIM_AXIS) return false;
        uint32_t o = adze_dim_axis_index(y->dims[i]), k = adze_dim_axis_index(w->dims[i]);
        if (!adze_dim_axis_coefficient(context, x->dims[i], o, &stride, &rest) || stride != 1) return false;
        if (!adze_dim_axis_coefficient(context, rest, k, &dilation, &rest)) return false;
        if (!adze_dim_is_const(rest, &pad) || !adze_dim_is_const(adze_type_dim(weights, i), &extent)) return false;
        if (!adze_dim_equal(adze_type_dim(in, i), adze_type_dim(to, i))) return false;
        tap = dilation > 0 ? -pad / dilation : 0;
        if (pad > 0 || tap >= extent || tap * dilation != -pad) return false;
        *out_tap = *out_tap * (size_t)extent + (size_t)tap;
    }
    return true;
}

/* Are the op's outputs the product, and one number a row? */
static bool gives_product(const weight_matrix *m)
{
    const adze_ir_value *bias = weight_bias_operand(m->op);
    return weight_factor(m->op) == 1 && (!bias || (weight_takes_bias(m->op) && weight_is_bias(bias, m->rows)));
}

bool prefix_has_targets(const weight_matrix *m)
{
    size_t tap;
    bool window = adze_op_has_trait(m->op, ADZE_WINDOW);
    if (m->groups != 1 || adze_value_num_uses(adze_const_value(m->constant)) != 1 || !gives_product(m)) return false;
    if ((m->channels + m->rows) * m->taps > ADZE_STATS_MAX_GRAM) return false;
    return window ? find_centre(m, &tap) : has_rows(m);
}

/* What is added to the outputs of `op`, biases aside: a value of their type; NULL = nothing. */
static adze_ir_value *find_shortcut(const adze_op *op)
{
    adze_ir_value *value = adze_op_result(op, 0);
    while (adze_value_num_uses(value) == 1) {
        const adze_use *use = adze_value_first_use(value);
        const adze_op *next = adze_use_op(use);
        if (!adze_op_is(next, "add")) return NULL;
        adze_ir_value *other = adze_op_operand(next, 1 - adze_use_index(use));
        if (!adze_value_const(other)) return adze_value_type(other) == adze_value_type(value) ? other : NULL;
        if (adze_value_type(adze_op_result(next, 0)) != adze_value_type(value)) return NULL;
        value = adze_op_result(next, 0);
    }
    return NULL;
}

/* Puts t into the module: the exact outputs, and what the shortcut has lost. NULL after an error. */
static adze_ir_value *build_target(weight_prefix *p, const twin *t)
{
    adze_ir_value *target = adze_op_result(t->exact, 0);
    adze_ir_value *exact = find_shortcut(t->exact), *rounded = find_shortcut(t->rounded);
    if (!exact || !rounded || exact == rounded) return target;
    adze_builder b = adze_builder_before(adze_func_return(adze_module_main(p->module)));
    adze_ir_value *lost = adze_build_binary(&b, "sub", exact, rounded);
    return lost ? adze_build_binary(&b, "add", target, lost) : NULL;
}

void prefix_targets_free(prefix_targets *t)
{
    free(t->h);
    free(t->b);
    free(t->mean);
    free(t->target);
    *t = (prefix_targets){0};
}

/* Parts of the moments of z's columns and t's, which stand behind them, `taps` a channel. */
static void take_targets(const weight_matrix *m, size_t tap, bool centred, const double *h, const double *mean,
                         prefix_targets *out)
{
    size_t n = m->cols, all = n + m->rows * m->taps;
    for (size_t j = 0; j < n; j++) out->mean[j] = mean[j];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            out->h[i * n + j] = h[i * all + j] - (centred ? 2 * mean[i] * mean[j] : 0);
    for (size_t r = 0; r < m->rows; r++) {
        size_t at = n + r * m->taps + tap;
        out->target[r] = mean[at];
        for (size_t j = 0; j < n; j++)
            out->b[r * n + j] = h[at * all + j] - (centred ? 2 * mean[at] * mean[j] : 0);
    }
}

bool prefix_measure_targets(weight_prefix *p, const weight_matrix *m, bool centred, prefix_targets *out)
{
    const twin *t = adze_table_get(&p->twins, m->op);
    adze_op *last = adze_op_prev(adze_func_return(adze_module_main(p->module)));
    size_t n = m->cols, all = n + m->rows * m->taps, tap = 0;
    *out = (prefix_targets){zeros(n * n), zeros(m->rows * n), zeros(n), zeros(m->rows)};
    bool window = adze_op_has_trait(m->op, ADZE_WINDOW);
    if (window) (void)find_centre(m, &tap);
    adze_ir_value *target = build_target(p, t);
    adze_op *op = target ? build_joint(p, m, t, adze_op_operand(t->rounded, 0), target, window) : NULL;
    adze_ir_value *weights = op ? adze_op_operand(op, m->operand) : NULL;
    const adze_ir_value *tapped[] = {op ? adze_op_operand(op, 0) : NULL};
    adze_stats *stats = op ? collect(p, tapped, 1) : NULL;
    const adze_gram *gram = stats ? adze_stats_gram(stats, op, 0) : NULL;
    bool ok = gram && gram->size == all && gram->rows[0];
    if (stats && !ok) no_gram(m);
    if (ok) {
        double *h = adze_malloc(all * all * sizeof *h), *mean = adze_malloc(all * sizeof *mean);
        ok = adze_gram_read(stats, gram, 0, h, mean);
        if (ok) take_targets(m, tap, centred, h, mean, out);
        free(h);
        free(mean);
    }
    adze_stats_destroy(stats);
    for (adze_op *end = adze_func_return(adze_module_main(p->module)); adze_op_prev(end) != last;)
        adze_op_erase(adze_op_prev(end));
    if (weights) adze_const_erase(adze_value_const(weights));
    if (!ok) prefix_targets_free(out);
    return ok;
}

/* ---- Changing ---- */

bool prefix_change(weight_prefix *p, const weight_matrix *m, const double *values)
{
    const twin *t = adze_table_get(&p->twins, m->op);
    weight_matrix mine = *m, other;
    mine.op = t->rounded;
    mine.constant = adze_value_const(adze_op_operand(t->rounded, m->operand));
    adze_ir_value *made = weight_write(&mine, values);
    const adze_ir_value *value = adze_const_value(m->constant);
    for (const adze_use *use = adze_value_first_use(value); use && made; use = adze_use_next(use)) {
        if (!weight_shares(m, use, &other)) continue;
        t = adze_table_get(&p->twins, other.op);
        adze_op_set_operand(t->rounded, m->operand, made);
    }
    return made;
}

bool prefix_quantize_input(weight_prefix *p, const adze_op *op, uint32_t index, adze_dtype codes,
                           double scale, int32_t zero)
{
    const twin *t = adze_table_get(&p->twins, op);
    adze_ir_value *in[3] = {adze_op_operand(t->rounded, index)};
    in[1] = adze_const_scalar(p->module, "scale", ADZE_DTYPE_f32, scale);
    in[2] = in[1] ? adze_const_scalar(p->module, "zero", codes, zero) : NULL;
    adze_builder b = adze_builder_before(t->rounded);
    in[0] = in[2] ? adze_build1(&b, "quantize", in, 3, NULL, 0) : NULL;
    adze_ir_value *back = in[0] ? adze_build1(&b, "dequantize", in, 3, NULL, 0) : NULL;
    if (back) adze_op_set_operand(t->rounded, index, back);
    return back;
}

bool prefix_set_bias(weight_prefix *p, const adze_op *op, uint32_t index, const double *bias, size_t rows)
{
    const twin *t = adze_table_get(&p->twins, op);
    adze_ir_value *old = index < adze_op_num_operands(t->rounded) ? adze_op_operand(t->rounded, index) : NULL;
    weight_bias at = {t->rounded, index, old ? adze_value_const(old) : NULL};
    adze_ir_value *made = weight_bias_make(&at, "rounded", bias, rows);
    if (!made) return false;
    constant_put(t->rounded, index, made);
    return true;
}
