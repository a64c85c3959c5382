/* Prunes the weights of one contraction, with all that share them. */
#include "passes/prune/layer.h"
#include "passes/weights/constant.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

prune_layer prune_job_layer(const prune_job *job)
{
    return (prune_layer){.rows = job->m.rows, .cols = job->m.cols, .groups = job->m.groups, .pattern = job->pattern};
}

bool prune_job_begin(prune_job *job)
{
    size_t count = job->m.rows * job->m.cols;
    job->w = weight_read(&job->m);
    if (!job->w) return false;
    job->values = adze_malloc(count * sizeof *job->values);
    job->kept = adze_malloc(count * sizeof *job->kept);
    memcpy(job->values, job->w, count * sizeof *job->values);
    memset(job->kept, true, count);
    job->error = NAN;
    return true;
}

void prune_job_free(prune_job *job)
{
    free(job->w);
    free(job->values);
    free(job->kept);
    free(job->losses);
}

double prune_job_sparsity(const prune_job *job)
{
    size_t count = job->m.rows * job->m.cols, zeros = 0;
    for (size_t i = 0; i < count; i++) zeros += job->values[i] == 0;
    return (double)zeros / (double)count;
}

static bool not_gram(const prune_job *job)
{
    return adze_error(adze_op_loc(job->m.op), "the Gram matrix of what '%s' is multiplied with is no such matrix",
                      adze_const_name(job->m.constant));
}

/* The matrices of all groups; NULL after an error. */
static double *read_grams(const prune_job *job, const adze_stats *stats, const prefix_moments *moments)
{
    size_t n = job->m.cols, groups = job->m.groups;
    double *h = adze_malloc(groups * n * n * sizeof *h);
    if (moments) {
        memcpy(h, moments->h, groups * n * n * sizeof *h);
        return h;
    }
    bool ok = true;
    for (size_t g = 0; ok && g < groups; g++)
        ok = weight_gram(&job->m, stats, (uint32_t)g, false, h + g * n * n, NULL);
    if (ok) return h;
    free(h);
    return NULL;
}

bool prune_job_score(prune_job *job, const prune_plan *plan, const adze_stats *stats)
{
    prune_layer layer = prune_job_layer(job);
    double *h = plan->needs_gram ? read_grams(job, stats, NULL) : NULL;
    if (plan->needs_gram && !h) return false;
    layer.w = job->w;
    layer.h = h;
    job->losses = adze_malloc((prune_units(&layer) + 1) * sizeof *job->losses);
    bool ok = prune_losses(&layer, plan->method, job->losses) || not_gram(job);
    free(h);
    return ok;
}

/* Exact removal. */
static bool run_obs(const prune_job *job, const prune_layer *layer, double share)
{
    prune_trace trace;
    if (!prune_trace_make(layer, job->kept, &trace)) return false;
    prune_trace_select(layer, &trace, share, job->kept);
    prune_trace_free(&trace);
    return prune_refit(layer, job->kept, job->values);
}

/* From what is kept so far, fitted, to what is kept then. */
static bool run_sparsegpt(const prune_job *job, prune_layer layer, double share)
{
    size_t count = layer.rows * layer.cols;
    double *from = adze_malloc(count * sizeof *from);
    bool ok = prune_refit(&layer, job->kept, from);
    layer.w = from;
    ok = ok && prune_sparsegpt(&layer, share, job->kept, job->values);
    free(from);
    return ok;
}

static bool run_scored(const prune_job *job, prune_layer layer, prune_method method, double share)
{
    size_t count = layer.rows * layer.cols;
    double *scores = adze_malloc(count * sizeof *scores);
    prune_layer now = layer;
    now.w = job->values;
    bool ok = prune_scores(&now, method, scores);
    if (ok) prune_select(&layer, scores, share, method == PRUNE_WANDA, job->kept);
    free(scores);
    for (size_t i = 0; ok && i < count; i++) job->values[i] = job->kept[i] ? job->w[i] : 0;
    return ok;
}

/* Do all values fit in an f32? What a matrix that is none makes of them may not. */
static bool is_storable(const prune_job *job)
{
    bool ok = true;
    for (size_t i = 0; ok && i < job->m.rows * job->m.cols; i++) ok = isfinite((float)job->values[i]);
    return ok;
}

bool prune_job_run(prune_job *job, const prune_plan *plan, double share, double part, const adze_stats *stats,
                   const prefix_moments *moments)
{
    prune_layer layer = prune_job_layer(job);
    size_t count = layer.rows * layer.cols;
    double *h = plan->has_gram ? read_grams(job, stats, moments) : NULL;
    if (plan->has_gram && !h) return false;
    double *target = adze_malloc(count * sizeof *target);
    memcpy(target, job->w, count * sizeof *target);
    layer.w = target;
    layer.h = h;
    layer.pattern = prune_pattern_part(job->pattern, part);
    bool moves = plan->refit || plan->method == PRUNE_SPARSEGPT || plan->method == PRUNE_OBS;
    bool ok = !moves || !moments || !moments->cross ||
              weight_retarget(moments->cross, h, layer.rows, layer.cols, target);
    if (ok && plan->method == PRUNE_OBS)
        ok = run_obs(job, &layer, share);
    else if (ok && plan->method == PRUNE_SPARSEGPT)
        ok = run_sparsegpt(job, layer, share);
    else if (ok)
        ok = run_scored(job, layer, plan->method, share);
    if (ok && plan->refit && plan->method != PRUNE_OBS) ok = prune_refit(&layer, job->kept, job->values);
    ok = ok && is_storable(job);
    double power = ok && h ? prune_power(&layer) : 0;
    if (ok && h) job->error = power > 0 ? prune_error(&layer, job->values) / power : 0;
    free(h);
    free(target);
    return ok || not_gram(job);
}

bool prune_job_write(prune_job *job)
{
    adze_const *old = job->m.constant;
    adze_ir_value *value = adze_const_value(old), *made = weight_write(&job->m, job->values);
    if (!made) return false;
    weight_matrix other;
    size_t n = 0;
    adze_op **users = adze_malloc((adze_value_num_uses(value) + 1u) * sizeof *users);
    for (const adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use))
        if (weight_shares(&job->m, use, &other)) users[n++] = other.op;
    for (size_t i = 0; i < n; i++) adze_op_set_operand(users[i], job->m.operand, made);
    job->m.constant = adze_value_const(constant_settle(old, made));
    free(users);
    return true;
}
