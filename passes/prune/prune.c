/* prune: constant weights of contractions become 0, singly or in patterns.
 *
 * The mask comes of magnitudes, or of Gram matrices of what the weights are multiplied with; with these, weights that
 * stay move to where the outputs lose least. Nothing is trained.
 *
 *     const @w : f32[4,1] = dense[4, -1, 2, 0.5]      →      const @w : f32[4,1] = dense[4, 0, 2, 0]
 */
#include "passes/examples_embedded.h"
#include "passes/prune/choose.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OBS = 2304, MAX_STEPS = 100 };

typedef struct pruner {
    const prune_options *options;
    adze_pass_run *run;
    adze_module *module;
    prune_plan plan;
    prune_pattern pattern;
    bool global;
    adze_stats *file, *now; /* statistics of the file; those of the last step, if any: NULL = none */
    weight_prefix *prefix;
    prune_jobs jobs;
} pruner;

/* ---- Options ---- */

static bool find_word(const char *text, const char *const *words, size_t n, size_t *out)
{
    for (*out = 0; *out < n; ++*out)
        if (!strcmp(text, words[*out])) return true;
    return false;
}

static bool read_options(pruner *p)
{
    static const char *const methods[] = {"magnitude", "wanda", "sparsegpt", "obs"};
    static const char *const scopes[] = {"layer", "global"};
    const prune_options *o = p->options;
    adze_loc loc = adze_loc_unknown(p->run->context);
    size_t method, scope;
    if (!find_word(o->method, methods, 4, &method))
        return adze_error(loc, "prune: unknown method '%s'; there are magnitude, wanda, sparsegpt and obs", o->method);
    if (!find_word(o->scope, scopes, 2, &scope))
        return adze_error(loc, "prune: unknown scope '%s'; there are layer and global", o->scope);
    if (!prune_pattern_parse(o->pattern ? o->pattern : "", &p->pattern))
        return adze_error(loc, "prune: no pattern '%s'; there are n:m, as 2:4, and blocks of rows by columns, as 16x1, "
                               "with numbers up to %d", o->pattern, PRUNE_MAX_SIDE);
    if (!(o->sparsity >= 0 && o->sparsity < 1))
        return adze_error(loc, "prune: sparsity is a share of the weights, at least 0 and below 1");
    if (o->min_elements < 0) return adze_error(loc, "prune: min-elements is not negative");
    if (o->steps < 1 || o->steps > MAX_STEPS) return adze_error(loc, "prune: steps is 1 to %d", MAX_STEPS);
    p->plan.method = (prune_method)method;
    p->plan.refit = o->refit;
    p->plan.needs_gram = p->plan.method != PRUNE_MAGNITUDE;
    p->plan.has_gram = p->plan.needs_gram || o->refit || (o->stats && o->report);
    p->global = scope == 1;
    if (p->global && (p->pattern.m || o->plan))
        return adze_error(loc, "prune: scope=global finds densities of layers, which %s states",
                          o->plan ? "the plan" : "a pattern n:m");
    bool measures = o->sequential || o->steps > 1;
    if (measures && !p->plan.needs_gram && !o->refit)
        return adze_error(loc, "prune: steps and sequential are for what reads Gram matrices: method=wanda, sparsegpt "
                               "or obs, or refit");
    if (measures && !p->run->calibration)
        return adze_error(loc, "prune: steps and sequential measure as they go, on calibration data: --calib=DATA");
    bool from_file = (p->plan.needs_gram && p->global) || (p->plan.has_gram && !o->sequential);
    if (from_file && !o->stats && !p->run->calibration)
        return adze_error(loc, "prune: method=wanda, sparsegpt and obs, and refit, need Gram matrices: stats=FILE, "
                               "which adze calibrate --gram writes, or --calib=DATA");
    return true;
}

/* ---- Statistics ---- */

/* Of what the layers read, in the module as it is now. False after an error. */
static bool collect(pruner *p)
{
    const adze_ir_value **values = adze_malloc((p->jobs.n + 1) * sizeof *values);
    adze_collect_options how = {.struct_size = sizeof how, .gram = true};
    uint32_t n = 0;
    adze_table seen = {0};
    weight_matrix other;
    size_t room = p->jobs.n + 1;
    for (size_t i = 0; i < p->jobs.n; i++) {
        const weight_matrix *m = &p->jobs.items[i].m;
        const adze_use *use = adze_value_first_use(adze_const_value(m->constant));
        for (; use; use = adze_use_next(use)) {
            const adze_ir_value *x = adze_op_operand(adze_use_op(use), 0);
            if (!weight_shares(m, use, &other) || adze_table_get(&seen, x)) continue;
            adze_table_put(&seen, x, p);
            if (n == room) values = adze_realloc(values, (room *= 2) * sizeof *values);
            values[n++] = x;
        }
    }
    adze_table_free(&seen);
    adze_stats_destroy(p->now);
    p->now = adze_stats_collect(p->run->registry, p->module, values, n, p->run->calibration, &how);
    free(values);
    return p->now;
}

static bool load(pruner *p)
{
    if (p->options->stats) {
        p->file = adze_stats_load(p->run->context, p->options->stats);
        return p->file && adze_stats_attach(p->file, p->module);
    }
    bool score = p->global && p->plan.needs_gram, prune = p->plan.has_gram && !p->options->sequential;
    return !(score || prune) || collect(p);
}

static const adze_stats *stats_of(const pruner *p) { return p->now ? p->now : p->file; }

/* ---- Steps ---- */

/* How far the way is gone behind step `step` of `steps`: fast first, slowly at the end. Zhu and Gupta, "To prune, or
 * not to prune", 2017. */
static double part_of(int64_t step, int64_t steps)
{
    double left = 1 - (double)step / (double)steps;
    return 1 - left * left * left;
}

static bool prune_job_now(pruner *p, prune_job *job, double share, double part)
{
    prefix_moments moments = {0};
    bool ok = !p->prefix || prefix_measure(p->prefix, &job->m, false, &moments);
    ok = ok && prune_job_run(job, &p->plan, share, part, stats_of(p), p->prefix ? &moments : NULL);
    prefix_moments_free(&moments);
    return ok && (!p->prefix || prefix_change(p->prefix, &job->m, job->values));
}

static bool run_step(pruner *p, int64_t step)
{
    int64_t steps = p->options->steps;
    double part = part_of(step, steps);
    bool ok = true;
    if (p->global) prune_spread(&p->jobs, p->options->sparsity * part);
    if (step > 1 && !p->prefix) ok = collect(p);
    for (size_t i = 0; ok && i < p->jobs.n; i++) {
        prune_job *job = &p->jobs.items[i];
        adze_pass_progress(p->run, (uint64_t)(step - 1) * p->jobs.n + i, (uint64_t)steps * p->jobs.n,
                           adze_const_name(job->m.constant));
        ok = prune_job_now(p, job, p->global ? job->share : job->share * part, part);
        if (ok && !p->prefix) ok = prune_job_write(job);
    }
    return ok;
}

/* ---- The pass ---- */

/* Exact removal is cubic for each row. */
static bool check_sizes(const pruner *p)
{
    for (size_t i = 0; p->plan.method == PRUNE_OBS && i < p->jobs.n; i++) {
        const weight_matrix *m = &p->jobs.items[i].m;
        if (m->cols > MAX_OBS)
            return adze_error(adze_op_loc(m->op), "prune: method=obs takes up to %d columns, '%s' has %zu: "
                                                  "method=sparsegpt takes any number",
                              MAX_OBS, adze_const_name(m->constant), m->cols);
    }
    return true;
}

/* Jobs that the run may do; the others stay. */
static void ask(pruner *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->jobs.n; i++) {
        prune_job *job = &p->jobs.items[i];
        if (adze_rewrite(p->run, job->m.op, "prune"))
            p->jobs.items[n++] = *job;
        else
            prune_job_free(job);
    }
    p->jobs.n = n;
}

static void report(const pruner *p)
{
    for (size_t i = 0; i < p->jobs.n; i++) {
        const prune_job *job = &p->jobs.items[i];
        adze_loc loc = adze_op_loc(job->m.op);
        double zeros = 100 * prune_job_sparsity(job), noise = job->error;
        const char *name = adze_const_name(job->m.constant);
        if (isnan(noise))
            adze_note(loc, "prune: %.2f %% of '%s' are 0", zeros, name);
        else
            adze_note(loc, "prune: %.2f %% of '%s' are 0, its outputs keep %.1f dB", zeros, name,
                      noise > 0 ? -10 * log10(noise) : INFINITY);
    }
}

static bool prune_all(pruner *p)
{
    bool ok = true;
    for (size_t i = 0; ok && p->global && i < p->jobs.n; i++)
        ok = prune_job_score(&p->jobs.items[i], &p->plan, stats_of(p));
    if (ok && p->options->sequential) ok = (p->prefix = prefix_create(p->run, p->module));
    for (int64_t step = 1; ok && step <= p->options->steps; step++) ok = run_step(p, step);
    for (size_t i = 0; ok && p->prefix && i < p->jobs.n; i++) ok = prune_job_write(&p->jobs.items[i]);
    if (ok && p->options->report) report(p);
    return ok;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    pruner p = {.options = opaque, .run = self, .module = module};
    adze_func *func = adze_module_main(module);
    if (!read_options(&p)) return ADZE_FAILED;
    bool nothing = !p.options->plan && !p.pattern.m && p.options->sparsity == 0;
    if (nothing || !func) return ADZE_UNCHANGED;
    adze_outcome outcome = ADZE_FAILED;
    if (prune_choose(p.options, p.pattern, func, self, &p.jobs) && check_sizes(&p)) {
        ask(&p);
        if (!p.jobs.n)
            outcome = ADZE_UNCHANGED;
        else if (load(&p) && prune_all(&p))
            outcome = ADZE_CHANGED;
    }
    if (outcome == ADZE_CHANGED && p.file) adze_stats_mark(p.file, module);
    prune_jobs_free(&p.jobs);
    adze_stats_destroy(p.file);
    adze_stats_destroy(p.now);
    prefix_destroy(p.prefix);
    return outcome;
}

#define OPTION(name, help, kind, member, fallback)                                                                     \
    {name, help, ADZE_OPTION_##kind, offsetof(prune_options, member), fallback}
static const adze_option option_table[] = {
    OPTION("sparsity", "share of the weights that become 0", FLOAT, sparsity, "0.5"),
    OPTION("method", "magnitude, wanda, sparsegpt or obs", STR, method, "magnitude"),
    OPTION("pattern", "n:m, as 2:4, or blocks of rows by columns, as 16x1; empty = single weights", STR, pattern, NULL),
    OPTION("scope", "layer: all have this sparsity; global: one bound for all, each its own", STR, scope, "layer"),
    OPTION("steps", "on the way there, with statistics of what the last one left, on --calib", INT, steps, "1"),
    OPTION("refit", "kept weights make up for the others, in closed form", BOOL, refit, "false"),
    OPTION("sequential", "measure each layer behind the pruned ones before it, on --calib", BOOL, sequential, "false"),
    OPTION("stats", "file of adze calibrate --gram; without it, matrices are of --calib", STR, stats, NULL),
    OPTION("min-elements", "smaller weights stay", INT, min_elements, "1"),
    OPTION("keep-edges", "first and last layers stay", BOOL, keep_edges, "false"),
    OPTION("plan", "file that says which layers, with which pattern and sparsity", STR, plan, NULL),
    OPTION("report", "a note for each layer: how much of it is 0, and what its outputs keep", BOOL, report, "false"),
};

const adze_pass adze_pass_prune = {
    .struct_size = sizeof(adze_pass),
    .name = "prune",
    .help = "make weights of contractions 0, singly or in patterns",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(prune_options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Needs f32 weights that are constants, so it runs behind simplify; others stay, and so does what a "
                "pattern does not divide, with a warning. magnitude takes the least weights of a layer; wanda those of "
                "each row, weighed with their inputs; sparsegpt goes column by column, and obs weight by weight, and "
                "both move the others to where the outputs lose least. All but magnitude read Gram matrices, and so "
                "does refit. Rows are outputs, columns what is summed over, in the order of the tensor; blocks stay "
                "within a group of a convolution. n:m says all, so sparsity is not read. Shared weights are pruned "
                "once, for all that read them. sequential aims at the outputs of the model as it was. Behind it, "
                "weights that are rounded with gptq, awq, cd or refit keep zeros where 30 % or more of a layer's are "
                "0. Statistics of values are those from before: calibrate anew for ranges. Works on main alone.",
    .example = adze_example_prune,
};
