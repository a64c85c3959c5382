/* Which layers are pruned, to which density: by options, by a layer plan, or by one bound for all. */
#include "passes/prune/choose.h"
#include "passes/weights/plan.h"

#include <adze/arena.h>
#include <adze/compress.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

void prune_jobs_free(prune_jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++) prune_job_free(&jobs->items[i]);
    free(jobs->items);
    *jobs = (prune_jobs){0};
}

/* ---- Layer plans ---- */

static bool is_sparse(adze_format format)
{
    return format.structure == ADZE_SPARSE || format.structure == ADZE_SPARSE_BLOCKS ||
           format.structure == ADZE_SPARSE_N_M;
}

/* False, without a message, where the plan leaves the weights whole. */
static bool of_plan(const adze_layer_plan *layers, prune_job *job)
{
    int64_t index = adze_layer_plan_find(layers, job->m.op);
    adze_format format = index < 0 ? (adze_format){0} : adze_layer_plan_format(layers, (uint32_t)index);
    if (!is_sparse(format)) return false;
    job->share = format.percent / 100.0;
    job->pattern = (prune_pattern){.rows = 1, .cols = 1};
    if (format.structure == ADZE_SPARSE_N_M) {
        job->pattern.n = format.first;
        job->pattern.m = format.second;
    } else if (format.structure == ADZE_SPARSE_BLOCKS) {
        job->pattern.rows = format.first;
        job->pattern.cols = format.second;
    }
    return true;
}

static bool is_ours(adze_format format, adze_format_kind kind)
{
    (void)kind;
    return is_sparse(format);
}

/* ---- Choosing ---- */

typedef struct chooser {
    const prune_options *options;
    prune_pattern pattern;
    adze_layer_plan *layers; /* NULL = options */
    adze_pass_run *run;
    adze_table first, last, seen;
    prune_jobs *jobs;
} chooser;

static void print_pattern(prune_pattern p, adze_text *out)
{
    if (p.m)
        adze_text_append(out, "%zu:%zu", p.n, p.m);
    else
        adze_text_append(out, "%zux%zu", p.rows, p.cols);
}

/* Says that a pattern does not divide the weights: as an error where the plan asks for it. */
static bool does_not_divide(const chooser *c, const prune_job *job)
{
    adze_text text = {0};
    print_pattern(job->pattern, &text);
    adze_loc loc = adze_op_loc(job->m.op);
    const char *name = adze_const_name(job->m.constant);
    size_t rows = job->m.rows / job->m.groups;
    if (c->layers)
        adze_error(loc, "prune: %s does not divide the %zu rows and %zu columns of '%s'", text.data, rows, job->m.cols,
                   name);
    else
        adze_warning(loc, "prune: '%s' stays as it is: %s does not divide its %zu rows and %zu columns", name,
                     text.data, rows, job->m.cols);
    adze_text_free(&text);
    return !c->layers;
}

/* False after an error. */
static bool choose(chooser *c, adze_op *op)
{
    prune_job job = {.pattern = c->pattern, .share = c->options->sparsity};
    if (!weight_describe(op, &job.m) || adze_table_get(&c->seen, job.m.constant)) return true;
    adze_table_put(&c->seen, job.m.constant, job.m.constant);
    if (c->layers && !of_plan(c->layers, &job)) return true;
    if (!c->layers) {
        if (job.m.rows * job.m.cols < (size_t)c->options->min_elements) return true;
        if (c->options->keep_edges && (adze_table_get(&c->first, op) || adze_table_get(&c->last, op))) return true;
    }
    if (job.pattern.rows > PRUNE_MAX_SIDE || job.pattern.cols > PRUNE_MAX_SIDE)
        return adze_error(adze_op_loc(op), "prune: blocks of '%s' have at most %d rows and columns",
                          adze_const_name(job.m.constant), PRUNE_MAX_SIDE);
    prune_layer layer = prune_job_layer(&job);
    if (!prune_divides(&layer)) return does_not_divide(c, &job);
    c->jobs->items = adze_realloc(c->jobs->items, (c->jobs->n + 1) * sizeof *c->jobs->items);
    c->jobs->items[c->jobs->n++] = job;
    return prune_job_begin(&c->jobs->items[c->jobs->n - 1]);
}

static bool choose_all(chooser *c, adze_func *func)
{
    bool ok = true;
    for (adze_op *op = adze_region_first(adze_func_body(func)); ok && op; op = adze_op_next(op)) ok = choose(c, op);
    if (!ok || c->jobs->n || c->layers) return ok;
    adze_text text = {0};
    print_pattern(c->pattern, &text);
    adze_error(adze_loc_unknown(c->run->context),
               "prune: no layer that has constant f32 weights, %lld of them or more%s, and a form that %s divides",
               (long long)c->options->min_elements,
               c->options->keep_edges ? ", other layers before it and behind it" : "", text.data);
    adze_text_free(&text);
    return false;
}

bool prune_choose(const prune_options *options, prune_pattern pattern, adze_func *func, adze_pass_run *run,
                  prune_jobs *out)
{
    chooser c = {.options = options, .pattern = pattern, .run = run, .jobs = out};
    *out = (prune_jobs){0};
    if (options->plan && !(c.layers = adze_layer_plan_load(run->context, options->plan))) return false;
    weight_edges(func, &c.first, &c.last);
    const adze_module *module = adze_func_module(func);
    bool ok = !c.layers || weight_check_plan(c.layers, options->plan, module, func, is_ours, ADZE_FORMAT_FLOAT);
    ok = ok && choose_all(&c, func);
    adze_layer_plan_destroy(c.layers);
    adze_table_free(&c.first);
    adze_table_free(&c.last);
    adze_table_free(&c.seen);
    if (!ok) prune_jobs_free(out);
    return ok;
}

/* ---- One bound for all layers ---- */

typedef struct priced {
    double loss;
    size_t job;
} priced;

static int least_first(const void *a, const void *b)
{
    const priced *x = a, *y = b;
    if (x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    return x->job < y->job ? -1 : x->job > y->job;
}

static size_t units_of(const prune_job *job)
{
    prune_layer layer = prune_job_layer(job);
    return prune_units(&layer);
}

void prune_spread(prune_jobs *jobs, double share)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < jobs->n; i++) n += units_of(&jobs->items[i]);
    priced *all = adze_malloc((n + 1) * sizeof *all);
    size_t *gone = adze_malloc((jobs->n + 1) * sizeof *gone);
    memset(gone, 0, (jobs->n + 1) * sizeof *gone);
    for (size_t i = 0; i < jobs->n; i++)
        for (size_t u = 0; u < units_of(&jobs->items[i]); u++) all[at++] = (priced){jobs->items[i].losses[u], i};
    qsort(all, n, sizeof *all, least_first);
    for (size_t k = 0; k < (size_t)rint(share * (double)n); k++) gone[all[k].job]++;
    for (size_t i = 0; i < jobs->n; i++) jobs->items[i].share = (double)gone[i] / (double)units_of(&jobs->items[i]);
    free(all);
    free(gone);
}
