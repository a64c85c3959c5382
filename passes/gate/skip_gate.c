/* skip-gate: a residual block that some inputs do not need is left out for these.
 *
 * A block is `x + f(x)`. On calibration data the pass sees for which samples the model's outputs stay the same, up to
 * `tau`, when the block is left out, and fits a logistic regression that tells these samples from the means of x's
 * channels. The block then stands in a branch of an `if`, which does not run where the regression is sure of it.
 *
 *     %y = add(%x, %f)            →         %c = (means of %x's channels * weights > threshold, of all samples)
 *                                           %y = if(%c) do { yield(%x) } do { … %z = add(%x, %f); yield(%z) }
 */
#include "passes/examples_embedded.h"
#include "passes/gate/logistic.h"
#include "passes/weights/copy.h"

#include <adze/arena.h>
#include <adze/pass.h>
#include <adze/registry.h>
#include <adze/table.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPS = 256 };

typedef struct options {
    const char *block;
    double tau, sure, ridge, least;
} options;

/* x + f(x) */
typedef struct block {
    adze_op *add;
    adze_ir_value *x;
    adze_op *ops[MAX_OPS]; /* of f, in order */
    uint32_t n;
    bool contracts;
} block;

typedef struct gater {
    const options *options;
    adze_pass_run *run;
    adze_module *module;
    block *blocks;
    uint32_t n_blocks;
    uint64_t n_samples;
    float **outputs;  /* [samples], of the module as it is, one after the other */
    uint64_t *sizes;
    bool *keeps, *best; /* [samples], of the block at hand; of the best one */
} gater;

/* ---- Blocks ---- */

static bool reads(const adze_op *op, const adze_ir_value *x, const adze_table *inside)
{
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        adze_ir_value *v = adze_op_operand(op, i);
        if (v && (v == x || (adze_value_op(v) && adze_table_get(inside, adze_value_op(v))))) return true;
    }
    return false;
}

/* Is nothing of the block read by others than it and its sum? */
static bool is_closed(const block *b, const adze_table *inside)
{
    for (uint32_t i = 0; i < b->n; i++)
        for (uint32_t r = 0; r < adze_op_num_results(b->ops[i]); r++) {
            const adze_use *use = adze_value_first_use(adze_op_result(b->ops[i], r));
            for (; use; use = adze_use_next(use))
                if (adze_use_op(use) != b->add && !adze_table_get(inside, adze_use_op(use))) return false;
        }
    return true;
}

/* The ops between x and operand `side` of the sum: those after x that read it, directly or not, and that lead there. */
static bool find_branch(adze_op *add, uint32_t side, block *out)
{
    adze_ir_value *x = adze_op_operand(add, 1 - side), *f = adze_op_operand(add, side);
    *out = (block){.add = add, .x = x};
    if (!x || !f || adze_value_const(x) || !adze_value_op(f)) return false;
    const adze_op *from = adze_value_op(x) ? adze_op_next(adze_value_op(x)) : adze_region_first(adze_op_parent(add));
    adze_table after = {0}, leads = {0};
    for (adze_op *op = (adze_op *)from; op && op != add; op = adze_op_next(op))
        if (reads(op, x, &after)) adze_table_put(&after, op, op);
    adze_table_put(&leads, adze_value_op(f), add);
    bool ok = adze_table_get(&after, adze_value_op(f));
    for (adze_op *op = adze_op_prev(add); ok && op && op != adze_value_op(x); op = adze_op_prev(op)) {
        if (!adze_table_get(&leads, op) || !adze_table_get(&after, op)) continue;
        ok = out->n < MAX_OPS && adze_op_has_trait(op, ADZE_PURE);
        if (!ok) break;
        out->ops[out->n++] = op;
        out->contracts |= adze_op_has_trait(op, ADZE_CONTRACTION);
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
            adze_ir_value *v = adze_op_operand(op, i);
            if (v && adze_value_op(v)) adze_table_put(&leads, adze_value_op(v), op);
        }
    }
    adze_table inside = {0};
    for (uint32_t i = 0; i < out->n; i++) adze_table_put(&inside, out->ops[i], add);
    for (uint32_t i = 0; i < out->n / 2; i++) { /* into their order */
        adze_op *last = out->ops[out->n - 1 - i];
        out->ops[out->n - 1 - i] = out->ops[i];
        out->ops[i] = last;
    }
    ok = ok && out->contracts && is_closed(out, &inside);
    adze_table_free(&after);
    adze_table_free(&leads);
    adze_table_free(&inside);
    return ok;
}

static bool is_named(const adze_op *op, const char *name)
{
    const char *result = adze_value_name(adze_op_result(op, 0));
    if (!name || (result && !strcmp(result, name))) return true;
    for (uint32_t i = 0; i < adze_op_num_nodes(op); i++)
        if (!strcmp(adze_op_node(op, i), name)) return true;
    return false;
}

/* Channels of x stand on its last axis, or on axis 1 of four and more; axis 0 counts samples. */
static bool channels_of(const adze_type *type, uint32_t *axis, int64_t *count)
{
    if (!adze_type_is_tensor(type) || adze_type_dtype(type) != ADZE_DTYPE_f32 || adze_type_rank(type) < 2) return false;
    *axis = adze_type_rank(type) > 3 ? 1 : adze_type_rank(type) - 1;
    return adze_dim_is_const(adze_type_dim(type, *axis), count) && *count > 0 && *count <= 4096;
}

static void find_blocks(gater *g)
{
    const adze_func *main = adze_module_main(g->module);
    for (adze_op *op = main ? adze_region_first(adze_func_body(main)) : NULL; op; op = adze_op_next(op)) {
        block one;
        uint32_t axis;
        int64_t count;
        if (!adze_op_is(op, "add") || !is_named(op, g->options->block)) continue;
        if (!find_branch(op, 0, &one) && !find_branch(op, 1, &one)) continue;
        const adze_type *type = adze_value_type(one.x);
        if (type != adze_value_type(adze_op_result(op, 0)) || !channels_of(type, &axis, &count)) continue;
        g->blocks = adze_realloc(g->blocks, (g->n_blocks + 1u) * sizeof *g->blocks);
        g->blocks[g->n_blocks++] = one;
    }
}

/* ---- Running ---- */

/* All samples through a module; `use` sees the results. False after an error. */
static bool run_all(gater *g, const adze_module *module,
                    bool (*use)(gater *g, uint64_t sample, const adze_value *results, void *self), void *self)
{
    const adze_calibration *data = g->run->calibration;
    adze_program *program = adze_program_open(g->run->registry, module);
    adze_value *inputs = adze_malloc((data->n_inputs + 1u) * sizeof *inputs);
    bool ok = program;
    for (uint64_t s = 0; ok && s < g->n_samples; s++) {
        const adze_value *results;
        ok = data->sample(data->self, s, inputs) && adze_program_run(program, inputs, &results) &&
             use(g, s, results, self);
    }
    free(inputs);
    adze_program_close(program);
    return ok;
}

static uint64_t floats_of(const gater *g, const adze_value *results, uint32_t i)
{
    const adze_type *type = adze_func_result_type(adze_module_main(g->module), i);
    bool is_float = adze_type_is_tensor(type) && adze_type_dtype(type) == ADZE_DTYPE_f32;
    return is_float ? adze_value_count(&results[i]) : 0;
}

static bool keep_outputs(gater *g, uint64_t sample, const adze_value *results, void *self)
{
    (void)self;
    uint64_t size = 0;
    uint32_t n = adze_func_num_results(adze_module_main(g->module));
    for (uint32_t i = 0; i < n; i++) size += floats_of(g, results, i);
    if (!size) return adze_error(adze_loc_unknown(g->run->context), "skip-gate: the model has no f32 outputs");
    float *to = adze_malloc(size * sizeof *to);
    g->outputs[sample] = to;
    g->sizes[sample] = size;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(to, results[i].data, floats_of(g, results, i) * sizeof *to);
        to += floats_of(g, results, i);
    }
    return true;
}

/* Cosine with what the model gave. */
static bool compare(gater *g, uint64_t sample, const adze_value *results, void *self)
{
    (void)self;
    const float *was = g->outputs[sample];
    double both = 0, a = 0, b = 0;
    for (uint32_t i = 0; i < adze_func_num_results(adze_module_main(g->module)); i++) {
        const float *is = results[i].data;
        uint64_t n = floats_of(g, results, i);
        for (uint64_t k = 0; k < n; k++) {
            both += (double)was[k] * (double)is[k];
            a += (double)was[k] * (double)was[k];
            b += (double)is[k] * (double)is[k];
        }
        was += n;
    }
    g->keeps[sample] = a > 0 && b > 0 ? both >= g->options->tau * sqrt(a * b) : a == b;
    return true;
}

/* The block with the most samples that keep their outputs without it; false after an error. */
static bool choose(gater *g, const block **out, uint64_t *n_keep)
{
    *out = NULL;
    *n_keep = 0;
    for (uint32_t i = 0; i < g->n_blocks; i++) {
        adze_pass_progress(g->run, i, g->n_blocks, NULL);
        adze_module *copy = adze_module_clone(g->module);
        adze_op *add = copy_twin(copy, g->blocks[i].add);
        uint32_t side = adze_op_operand(g->blocks[i].add, 0) == g->blocks[i].x ? 0 : 1;
        adze_value_replace_uses(adze_op_result(add, 0), adze_op_operand(add, side));
        bool ok = run_all(g, copy, compare, NULL);
        adze_module_destroy(copy);
        if (!ok) return false;
        uint64_t count = 0;
        for (uint64_t s = 0; s < g->n_samples; s++) count += g->keeps[s];
        if (*out && count <= *n_keep) continue;
        *out = &g->blocks[i];
        *n_keep = count;
        memcpy(g->best, g->keeps, g->n_samples * sizeof *g->best);
    }
    return true;
}

/* ---- The gate ---- */

/* Means of x's channels, [samples, channels]; NULL after an error. */
static adze_ir_value *build_means(adze_builder *b, adze_ir_value *x)
{
    const adze_type *type = adze_value_type(x);
    uint32_t axis, n = 0;
    int64_t count, axes[ADZE_MAX_RANK];
    (void)channels_of(type, &axis, &count);
    for (uint32_t i = 1; i < adze_type_rank(type); i++)
        if (i != axis) axes[n++] = i;
    if (!n) return x;
    adze_ir_value *in[] = {x, adze_const_ints(b->module, "gate.axes", axes, (int)n)};
    adze_attr attr = adze_attr_int("keepdims", 0);
    return in[1] ? adze_build1(b, "reduce_mean", in, 2, &attr, 1) : NULL;
}

typedef struct features {
    double *x;
    bool *label;
    size_t rows, n;
} features;

/* A sample of several rows gives as many, with its label each. */
static bool keep_features(gater *g, uint64_t sample, const adze_value *results, void *self)
{
    features *f = self;
    const float *from = results[0].data;
    size_t rows = (size_t)(adze_value_count(&results[0]) / f->n);
    f->x = adze_realloc(f->x, (f->rows + rows) * f->n * sizeof *f->x);
    f->label = adze_realloc(f->label, (f->rows + rows) * sizeof *f->label);
    for (size_t i = 0; i < rows * f->n; i++) f->x[f->rows * f->n + i] = (double)from[i];
    for (size_t i = 0; i < rows; i++) f->label[f->rows + i] = g->best[sample];
    f->rows += rows;
    return true;
}

static bool read_features(gater *g, const block *b, features *f)
{
    uint32_t axis;
    int64_t count;
    (void)channels_of(adze_value_type(b->x), &axis, &count);
    *f = (features){.n = (size_t)count};
    adze_module *copy = adze_module_clone(g->module);
    adze_func *func = adze_module_main(copy);
    adze_op *end = adze_func_return(func), *add = copy_twin(copy, b->add);
    adze_builder at = adze_builder_before(end);
    adze_ir_value *means = build_means(&at, adze_op_operand(add, adze_op_operand(b->add, 0) == b->x ? 0 : 1));
    if (means) {
        const adze_type *type = adze_value_type(means);
        const char *name = "means";
        while (adze_op_num_operands(end)) adze_op_remove_operand(end, 0);
        adze_op_insert_operand(end, 0, means);
        adze_func_set_results(func, &type, &name, 1);
    }
    bool ok = means && run_all(g, copy, keep_features, f);
    adze_module_destroy(copy);
    return ok;
}

/* bool[]: the least of all samples' w means + bias is above the threshold. NULL after an error. */
static adze_ir_value *build_condition(const gater *g, const block *b, const double *w, size_t n, double threshold)
{
    adze_builder at = adze_builder_before(b->ops[0]);
    at.n_origin = 0;
    float *values = adze_malloc(n * sizeof *values);
    for (size_t i = 0; i < n; i++) values[i] = (float)w[i];
    int64_t dims[] = {(int64_t)n, 1};
    adze_ir_value *weights = adze_const_make(
        g->module, "gate.weights", adze_type_tensor_const(g->run->context, ADZE_DTYPE_f32, 2, dims), values);
    free(values);
    adze_ir_value *bound = adze_const_scalar(g->module, "gate.threshold", ADZE_DTYPE_f32, threshold);
    adze_ir_value *means = weights && bound ? build_means(&at, b->x) : NULL;
    adze_ir_value *sums = means ? adze_build_binary(&at, "matmul", means, weights) : NULL;
    adze_attr attr = adze_attr_int("keepdims", 0);
    adze_ir_value *least = sums ? adze_build1(&at, "reduce_min", &sums, 1, &attr, 1) : NULL;
    return least ? adze_build_binary(&at, "greater", least, bound) : NULL;
}

/* x, or the block with its sum. */
static bool build_branches(const block *b, adze_ir_value *condition)
{
    adze_ir_value *sum = adze_op_result(b->add, 0);
    const adze_type *type = adze_value_type(sum);
    adze_builder at = adze_builder_before(b->add);
    adze_op *gate = adze_build_if(&at, condition, &type, 1);
    const char *name = adze_value_name(sum);
    adze_value_replace_uses(sum, adze_op_result(gate, 0));
    adze_ir_value *results[] = {b->x, sum};
    adze_op *ends[2];
    for (uint32_t i = 0; i < 2; i++) {
        adze_builder in = adze_builder_at_end(adze_op_module(gate), adze_op_region(gate, i));
        ends[i] = adze_build(&in, "yield", &results[i], 1, NULL, 0, NULL, 0);
        if (!ends[i]) return false;
    }
    for (uint32_t i = 0; i < b->n; i++) adze_op_move_before(b->ops[i], ends[1]);
    adze_op_move_before(b->add, ends[1]);
    adze_value_set_name(sum, NULL);
    adze_value_set_name(adze_op_result(gate, 0), name);
    return true;
}

static const char *name_of(const block *b)
{
    const char *name = adze_value_name(adze_op_result(b->add, 0));
    return name ? name : adze_op_num_nodes(b->add) ? adze_op_node(b->add, 0) : "without a name";
}

static adze_outcome gate(gater *g, const block *b, uint64_t n_keep)
{
    features f;
    double bias = 0, *w = NULL;
    bool ok = read_features(g, b, &f);
    if (ok) {
        w = adze_malloc(f.n * sizeof *w);
        ok = logistic_fit(f.x, f.label, f.rows, f.n, g->options->ridge, w, &bias) ||
             adze_error(adze_op_loc(b->add), "skip-gate: what the block reads is NaN or infinite");
    }
    size_t skips = 0, right = 0;
    double threshold = log(g->options->sure / (1 - g->options->sure)) - bias;
    for (size_t i = 0; ok && i < f.rows; i++) {
        double z = 0;
        for (size_t j = 0; j < f.n; j++) z += w[j] * f.x[i * f.n + j];
        skips += z > threshold;
        right += z > threshold && f.label[i];
    }
    adze_outcome outcome = ok ? ADZE_UNCHANGED : ADZE_FAILED;
    if (ok && adze_rewrite(g->run, b->add, "gate")) {
        adze_ir_value *condition = build_condition(g, b, w, f.n, threshold);
        outcome = condition && build_branches(b, condition) ? ADZE_CHANGED : ADZE_FAILED;
        adze_note(adze_op_loc(b->add),
                  "skip-gate: block '%s' may be left out for %llu of %llu samples; the gate leaves it out for %zu of "
                  "%zu rows, %zu of them rightly", name_of(b), (unsigned long long)n_keep,
                  (unsigned long long)g->n_samples, skips, f.rows, right);
    }
    free(w);
    free(f.x);
    free(f.label);
    return outcome;
}

/* ---- The pass ---- */

static bool check(const options *o, const adze_pass_run *run)
{
    adze_loc loc = adze_loc_unknown(run->context);
    if (!run->calibration)
        return adze_error(loc, "skip-gate: which samples need a block is seen on data: --calib=DATA");
    if (!(o->tau > 0 && o->tau <= 1)) return adze_error(loc, "skip-gate: tau is above 0, and at most 1");
    if (!(o->sure > 0 && o->sure < 1)) return adze_error(loc, "skip-gate: sure is between 0 and 1");
    if (!(o->least >= 0 && o->least <= 1)) return adze_error(loc, "skip-gate: least is 0 to 1");
    return (o->ridge > 0 && isfinite(o->ridge)) || adze_error(loc, "skip-gate: ridge is above 0");
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    gater g = {.options = opaque, .run = self, .module = module};
    if (!check(g.options, self)) return ADZE_FAILED;
    find_blocks(&g);
    if (!g.n_blocks) {
        adze_loc loc = adze_loc_unknown(self->context);
        if (g.options->block) return adze_error(loc, "skip-gate: '%s' is no sum of x and f(x) of one type, f with a "
                                                     "contraction, that nothing else reads from", g.options->block),
                                     ADZE_FAILED;
        return adze_note(loc, "skip-gate: nothing to do: the model has no residual block"), ADZE_UNCHANGED;
    }
    g.n_samples = self->calibration->count;
    g.outputs = adze_malloc(g.n_samples * sizeof *g.outputs);
    g.sizes = adze_malloc(g.n_samples * sizeof *g.sizes);
    g.keeps = adze_malloc(2 * g.n_samples * sizeof *g.keeps);
    g.best = g.keeps + g.n_samples;
    memset(g.outputs, 0, g.n_samples * sizeof *g.outputs);
    const block *best;
    uint64_t n_keep;
    adze_outcome outcome = ADZE_FAILED;
    if (run_all(&g, module, keep_outputs, NULL) && choose(&g, &best, &n_keep)) {
        if (n_keep && (double)n_keep >= g.options->least * (double)g.n_samples) {
            outcome = gate(&g, best, n_keep);
        } else {
            outcome = ADZE_UNCHANGED;
            adze_note(adze_op_loc(best->add), "skip-gate: no block may be left out often enough; the best is '%s', for "
                                              "%llu of %llu samples", name_of(best), (unsigned long long)n_keep,
                      (unsigned long long)g.n_samples);
        }
    }
    for (uint64_t s = 0; s < g.n_samples; s++) free(g.outputs[s]);
    free(g.outputs);
    free(g.sizes);
    free(g.keeps);
    free(g.blocks);
    return outcome;
}

#define OPTION(name, help, kind, member, fallback)                                                                     \
    {name, help, ADZE_OPTION_##kind, offsetof(options, member), fallback}
static const adze_option option_table[] = {
    OPTION("block", "name of the sum, or of its node; default: the block that is needed least often", STR, block, NULL),
    OPTION("tau", "cosine of the outputs that is enough", FLOAT, tau, "0.98"),
    OPTION("sure", "how likely that must be for a sample to go without the block", FLOAT, sure, "0.9"),
    OPTION("least", "share of the samples that must do without it, or nothing changes", FLOAT, least, "0.1"),
    OPTION("ridge", "keeps weights of the gate small", FLOAT, ridge, "1"),
};

const adze_pass adze_pass_skip_gate = {
    .struct_size = sizeof(adze_pass),
    .name = "skip-gate",
    .help = "leave out a residual block for the inputs that do not need it",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Needs --calib. A block is a sum of x and f(x) of one type, with contractions in f that nothing "
                "else reads. Of several samples at once it is left out where it may be for all. The `if` runs on the "
                "reference and, as .onnx, in other runtimes; x86 has no code for it, so artifacts cannot have it.",
    .example = adze_example_skip_gate,
};
