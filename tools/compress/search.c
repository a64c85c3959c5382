/* Looks for the plan that holds the goals, and is best in what they leave open.
 *
 * With a bound on size or time: the least loss within it. Bounds are on what was measured of whole files, the dynamic
 * program adds up layers; so its bound moves by what a trial shows. With a bound on loss alone: the smallest model;
 * losses of layers do not quite add up, so the dynamic program gives the order in which layers are restored, and
 * trials say how many. */
#include "compress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 8, STEPS = 64 };

/* ---- Choices ---- */

static const char *print_time(compress_job *job, double seconds)
{
    return adze_internf(job->work->context, "%.4g us", 1e6 * seconds);
}

/* Formats that may not be chosen, with the reason. f32 always may. */
static void find_reasons(compress_job *job)
{
    for (uint32_t i = 0; i < job->n_layers; i++) {
        const adze_probe *probes = &job->probes[(size_t)i * job->n_formats];
        const double *seconds = &job->seconds[(size_t)i * job->n_formats];
        for (uint32_t f = 1; f < job->n_formats; f++) {
            const char **reason = &job->reasons[(size_t)i * job->n_formats + f];
            if (*reason) continue; /* refused */
            if (isinf(job->losses[(size_t)i * job->n_formats + f])) continue; /* so it was in an earlier run */
            if (!compress_takes(job, i, f))
                *reason = "the layer does not take it";
            else if (!probes[f].measured)
                *reason = "the layer cannot be measured alone: it reads more than one value";
            else if (!isfinite(probes[f].error))
                *reason = "its numbers overflow";
            else if (!job->options->allow_slower && seconds[0] > 0 && seconds[f] > seconds[0])
                *reason = adze_internf(job->work->context, "it would be slower: %s, float %s",
                                       print_time(job, seconds[f]), print_time(job, seconds[0]));
        }
    }
}

static bool show(void *self, double part, const char *detail)
{
    adze_progress_update(self, part, detail);
    return !compress_stopped();
}

/* Errors and times of all layers. */
static bool measure_alone(compress_job *job)
{
    adze_progress *bar = adze_progress_begin(job->work, "layers alone");
    adze_probe_options options = {.struct_size = sizeof options,
                                  .settings = &job->settings,
                                  .progress = show,
                                  .self = bar};
    bool ok = adze_layers_probe(job->work->registry, job->module, job->layers, job->n_layers, job->formats,
                                job->n_formats, &job->samples.calibration.view, &options, job->probes);
    adze_progress_end(bar);
    ok = ok && compress_measure_layers(job);
    for (uint32_t i = 0; ok && i < job->n_layers; i++) {
        job->losses[(size_t)i * job->n_formats] = NAN;
        ok = compress_state_keep_layer(job, i);
    }
    return ok;
}

static bool probe(compress_job *job)
{
    size_t n = (size_t)job->n_layers * job->n_formats;
    job->probes = calloc(n + 1, sizeof *job->probes);
    job->losses = calloc(n + 1, sizeof *job->losses);
    job->reasons = calloc(n + 1, sizeof *job->reasons);
    job->seconds = calloc(n + 1, sizeof *job->seconds);
    if (!job->probes || !job->losses || !job->reasons || !job->seconds)
        return adze_error(adze_loc_unknown(job->work->context), "out of memory");
    bool known = true;
    for (uint32_t i = 0; i < job->n_layers; i++) known = compress_state_find_layer(job, i) && known;
    if (!known && !measure_alone(job)) return false;
    find_reasons(job);
    if (!compress_sensitivities(job)) return false;
    compress_combine(job);
    return compress_find_levels(job) && compress_measure_overheads(job);
}

/* Is the format one of that method alone? */
static bool is_of(const compress_job *job, compress_method_kind method, uint32_t format)
{
    adze_format f = job->formats[format];
    bool sparse = f.structure >= ADZE_SPARSE && f.structure <= ADZE_SPARSE_N_M;
    switch (method) {
    case COMPRESS_ALL: return true;
    case COMPRESS_BITS: return f.structure == ADZE_DENSE;
    case COMPRESS_ZEROS: return f.kind == ADZE_FORMAT_FLOAT && (sparse || f.structure == ADZE_DENSE);
    case COMPRESS_FACTORS: return f.kind == ADZE_FORMAT_FLOAT && !sparse;
    case COMPRESS_CUTS: return format == 0;
    default: return false;
    }
}

/* Mixes of the formats that may be chosen at a level; `chosen` of each are formats. Their bytes are those of weights
 * or, of `whole_file`, with what formats add beside them. */
static void mix_level(compress_job *job, compress_method_kind method, bool whole_file, uint32_t level, adze_cost cost,
                      double max_other, adze_mixes *out)
{
    size_t n = (size_t)job->n_layers * job->n_formats;
    adze_choice *items = adze_malloc((n + 1) * sizeof *items);
    adze_choices *choices = adze_malloc((job->n_layers + 1u) * sizeof *choices);
    uint32_t *formats = adze_malloc((n + 1) * sizeof *formats);
    for (uint32_t i = 0; i < job->n_layers; i++) {
        size_t first = (size_t)i * job->n_formats;
        choices[i] = (adze_choices){.items = items + first};
        for (uint32_t f = 0; f < job->n_formats; f++) {
            if (f && (job->reasons[first + f] || !is_of(job, method, f))) continue;
            if (f && level && !compress_takes_at(job, level, i, f)) continue;
            formats[first + choices[i].count] = f;
            double bytes = whole_file ? compress_file_bytes(job, level, i, f)
                                      : (double)compress_bytes(job, level, i, f);
            items[first + choices[i].count++] =
                (adze_choice){(uint64_t)bytes, compress_seconds(job, level, i, f), job->losses[first + f]};
        }
    }
    adze_mixes_find(choices, job->n_layers, cost, max_other, out);
    for (uint32_t k = 0; k < out->count; k++)
        for (uint32_t i = 0; i < job->n_layers; i++)
            out->items[k].chosen[i] = formats[(size_t)i * job->n_formats + out->items[k].chosen[i]];
    free(formats);
    free(choices);
    free(items);
}

/* Those of all levels; the level stands behind the formats. */
static void mix_method(compress_job *job, compress_method_kind method, bool whole_file, adze_cost cost,
                       double max_other, adze_mixes *out)
{
    adze_mixes levels[COMPRESS_MAX_LEVELS] = {{0}};
    for (uint32_t k = 0; k < job->n_levels; k++)
        if (!k || (!job->levels[k].barred && (method == COMPRESS_ALL || method == COMPRESS_CUTS)))
            mix_level(job, method, whole_file, k, cost, max_other, &levels[k]);
    compress_join_mixes(job, levels, cost, out);
    for (uint32_t k = 0; k < job->n_levels; k++) adze_mixes_free(&levels[k]);
}

/* ---- Trials ---- */

/* One line on stderr, where somebody watches. */
static void tell(const compress_job *job, const compress_trial *trial)
{
    if (!job->options->common.verbose) return;
    fprintf(stderr, "trial %u: size %.4fx, weights %.4fx, time %.3fx, loss %s%s\n", job->n_trials,
            compress_reached(job, trial, COMPRESS_SIZE), compress_reached(job, trial, COMPRESS_WEIGHTS),
            compress_reached(job, trial, COMPRESS_TIME), compress_loss_text(job, trial->loss),
            compress_holds(job, trial) ? "; holds" : "");
}

/* By how much the goals are missed, each as a share of its bound. */
static double missed(const compress_job *job, const compress_trial *trial)
{
    double sum = 0;
    for (uint32_t i = 0; i < job->goals.count; i++) {
        const compress_goal *g = &job->goals.items[i];
        double reached = compress_reached(job, trial, g->kind);
        if (!isfinite(reached)) return INFINITY;
        if (!compress_holds_goal(job, trial, g)) sum += (reached - g->bound) / fmax(g->bound, 1e-3);
    }
    return sum;
}

/* Holds before does not hold; then less missed, then smaller or, where size or time is bound, less loss. */
static bool is_better(const compress_job *job, const compress_trial *a, const compress_trial *b)
{
    double by_a = missed(job, a), by_b = missed(job, b);
    if (by_a != by_b) return by_a < by_b;
    bool bound = compress_goals_find(&job->goals, COMPRESS_SIZE) ||
                 compress_goals_find(&job->goals, COMPRESS_WEIGHTS) || compress_goals_find(&job->goals, COMPRESS_TIME);
    if (bound) return a->loss < b->loss;
    return job->options->minimize && !strcmp(job->options->minimize, "time")
               ? a->seconds / a->against < b->seconds / b->against
               : a->weight_bytes < b->weight_bytes;
}

/* The best one so far, beside the bar. */
static void show_best(const compress_job *job, adze_progress *bar)
{
    const compress_trial *best = &job->trials[job->best];
    adze_progress_update(bar, -1, adze_internf(job->work->context, "best %.3fx, loss %s",
                                               compress_reached(job, best, COMPRESS_SIZE),
                                               compress_loss_text(job, best->loss)));
}

static bool refuse(compress_job *job, const uint32_t *chosen, const char *why)
{
    if (job->n_refused == COMPRESS_MAX_TRIALS)
        return adze_error(adze_loc_unknown(job->work->context), "%s: passes refuse too many choices, the last one: %s",
                          job->input, why);
    uint32_t *copy = adze_malloc((job->n_layers + 1u) * sizeof *copy);
    memcpy(copy, chosen, (job->n_layers + 1u) * sizeof *copy);
    job->refused[job->n_refused++] = (compress_refused){copy, why};
    if (job->options->common.verbose) fprintf(stderr, "no trial, passes refuse it: %s\n", why);
    return true;
}

static bool is_refused(const compress_job *job, const uint32_t *chosen)
{
    for (uint32_t i = 0; i < job->n_refused; i++)
        if (!memcmp(job->refused[i].chosen, chosen, (job->n_layers + 1u) * sizeof *chosen)) return true;
    return false;
}

bool compress_attempt(compress_job *job, const uint32_t *chosen, const compress_trial **out_trial)
{
    uint32_t before = job->n_trials;
    const char *why;
    *out_trial = NULL;
    if (compress_stopped()) return false;
    if (is_refused(job, chosen)) return true;
    adze_progress *bar = adze_progress_begin(job->work, adze_internf(job->work->context, "trial %u", before + 1));
    if (before) show_best(job, bar);
    compress_trial *trial = compress_try(job, chosen, &why);
    adze_progress_end(bar);
    if (!trial) return why && refuse(job, chosen, why);
    uint32_t index = (uint32_t)(trial - job->trials);
    if (index == before) tell(job, trial);
    if (index == before && (!before || is_better(job, trial, &job->trials[job->best]))) job->best = index;
    *out_trial = trial;
    return true;
}

/* Bars what may be why passes refused a choice: its level, else its structures, else all that it is of. */
static void bar(compress_job *job, const uint32_t *chosen)
{
    const char *why = job->refused[job->n_refused - 1].why;
    compress_level *level = &job->levels[chosen[job->n_layers]];
    if (level > job->levels) {
        level->barred = why;
        return;
    }
    bool any = false;
    for (int dense = 0; dense < 2 && !any; dense++)
        for (uint32_t i = 0; i < job->n_layers; i++) {
            if (!chosen[i] || (!dense && job->formats[chosen[i]].structure == ADZE_DENSE)) continue;
            compress_bar(job, i, chosen[i], why);
            any = true;
        }
}

/* ---- Loss is bound ---- */

/* At most STEPS mixes, of losses evenly apart by their logarithms, cheapest first. */
static uint32_t pick_steps(const adze_mixes *mixes, uint32_t *out)
{
    uint32_t n = 0;
    double last = INFINITY, most = mixes->count ? mixes->items[0].loss : 0, least = most;
    for (uint32_t i = 0; i < mixes->count; i++)
        if (mixes->items[i].loss > 0) least = mixes->items[i].loss;
    double step = most > 0 && least < most ? pow(least / most, 1.0 / (STEPS - 2)) : 0.5;
    for (uint32_t i = 0; i < mixes->count; i++) {
        bool end = i + 1 == mixes->count, far = mixes->items[i].loss <= last * step;
        if ((!far && !end && n) || n == STEPS) continue;
        out[n++] = i;
        last = mixes->items[i].loss;
    }
    if (n && mixes->count) out[n - 1] = mixes->count - 1;
    return n;
}

/* Small changes of loss are up to chance: cheaper steps just below the one that was found may hold, too. */
static bool look_below(compress_job *job, const adze_mixes *mixes, const uint32_t *steps, uint32_t found)
{
    enum { MORE = 4 };
    const compress_trial *trial;
    for (uint32_t k = 1; k <= MORE && k <= found; k++)
        if (!compress_attempt(job, mixes->items[steps[found - k]].chosen, &trial)) return false;
    return true;
}

/* The cheapest step that holds, by bisection; the last one, all in floats, holds as a rule. *out_refused: passes refuse
 * a step, and what may be why is barred. */
static bool bisect(compress_job *job, const adze_mixes *mixes, bool *out_refused)
{
    uint32_t steps[STEPS], n = pick_steps(mixes, steps), low = 0, high = n; /* [low, high]: n = none holds */
    *out_refused = false;
    for (uint32_t at = 0; low < high; at = low + (high - low) / 2) {
        const compress_trial *trial;
        const uint32_t *chosen = mixes->items[steps[at]].chosen;
        if (!compress_attempt(job, chosen, &trial)) return false;
        if (!trial) return bar(job, chosen), *out_refused = true;
        if (compress_holds(job, trial))
            high = at;
        else
            low = at + 1;
    }
    return high == n || look_below(job, mixes, steps, high);
}

static bool restore(compress_job *job, compress_method_kind method)
{
    bool by_time = job->options->minimize && !strcmp(job->options->minimize, "time"), ok = true, refused = true;
    for (uint32_t round = 0; ok && refused && round < ROUNDS; round++) {
        adze_mixes mixes;
        mix_method(job, method, true, by_time ? ADZE_COST_SECONDS : ADZE_COST_BYTES, INFINITY, &mixes);
        ok = bisect(job, &mixes, &refused);
        adze_mixes_free(&mixes);
    }
    return ok;
}

/* ---- Size or time is bound ---- */

typedef struct bounds {
    double bytes, seconds; /* of the layers' sums; INFINITY = none */
} bounds;

static double sum_of_floats(const compress_job *job)
{
    double sum = 0;
    for (uint32_t i = 0; i < job->n_layers; i++) sum += job->seconds[(size_t)i * job->n_formats];
    return sum;
}

/* What the layers may take, if all else stays as it is in the original. */
static bounds first_bounds(const compress_job *job)
{
    bounds b = {INFINITY, INFINITY};
    const compress_goal *size = compress_goals_find(&job->goals, COMPRESS_SIZE);
    const compress_goal *weights = compress_goals_find(&job->goals, COMPRESS_WEIGHTS);
    const compress_goal *time = compress_goals_find(&job->goals, COMPRESS_TIME);
    double all = (double)job->original_bytes, mine = (double)job->original_weight_bytes;
    if (size) b.bytes = size->bound * all - fmax((double)job->float_bytes - mine, 0);
    if (weights) b.bytes = fmin(b.bytes, weights->bound * mine);
    if (time) b.seconds = time->bound * sum_of_floats(job);
    return b;
}

/* The least loss within the bounds by one method, where there is a way; else, of all together, the cheapest way that
 * there is. */
static bool choose(compress_job *job, compress_method_kind method, bounds b, uint32_t *out)
{
    adze_mixes mixes;
    bool by_time = !isfinite(b.bytes), all = method == COMPRESS_ALL;
    mix_method(job, method, true, by_time ? ADZE_COST_SECONDS : ADZE_COST_BYTES, by_time ? INFINITY : b.seconds,
               &mixes);
    if (!mixes.count && all) { /* nothing is as fast: the fastest */
        adze_mixes_free(&mixes);
        mix_method(job, method, true, ADZE_COST_SECONDS, INFINITY, &mixes);
        by_time = true;
    }
    uint32_t at = all ? 0 : mixes.count;
    for (uint32_t i = 0; i < mixes.count; i++)
        if ((by_time ? mixes.items[i].seconds : (double)mixes.items[i].bytes) <= (by_time ? b.seconds : b.bytes))
            at = i;
    bool any = at < mixes.count;
    if (any) memcpy(out, mixes.items[at].chosen, (job->n_layers + 1u) * sizeof *out);
    adze_mixes_free(&mixes);
    return any;
}

/* Moves a bound by what a trial missed it by; true where it moved. */
static bool tighten(const compress_job *job, const compress_trial *trial, bounds *b)
{
    const compress_goal *size = compress_goals_find(&job->goals, COMPRESS_SIZE);
    const compress_goal *time = compress_goals_find(&job->goals, COMPRESS_TIME);
    bool moved = false;
    if (size && compress_reached(job, trial, COMPRESS_SIZE) > size->bound) {
        double over = (double)trial->bytes - size->bound * (double)job->original_bytes, predicted = 0;
        for (uint32_t i = 0; i < job->n_layers; i++)
            predicted += compress_file_bytes(job, trial->chosen[job->n_layers], i, trial->chosen[i]);
        b->bytes = fmin(b->bytes, predicted) - over;
        moved = true;
    }
    if (time && compress_reached(job, trial, COMPRESS_TIME) > time->bound) {
        double predicted = 0;
        for (uint32_t i = 0; i < job->n_layers; i++)
            predicted += compress_seconds(job, trial->chosen[job->n_layers], i, trial->chosen[i]);
        b->seconds = fmin(b->seconds, predicted) * 0.98 * time->bound / compress_reached(job, trial, COMPRESS_TIME);
        moved = true;
    }
    return moved;
}

static bool fit(compress_job *job, compress_method_kind method)
{
    bounds b = first_bounds(job);
    uint32_t *chosen = adze_malloc((job->n_layers + 1u) * sizeof *chosen);
    bool ok = true;
    for (uint32_t round = 0; ok && round < ROUNDS && (ok = !compress_stopped()); round++) {
        uint32_t before = job->n_trials;
        const compress_trial *trial;
        if (!choose(job, method, b, chosen)) break;
        ok = compress_attempt(job, chosen, &trial);
        bool new = job->n_trials > before;
        if (ok && !trial)
            bar(job, chosen);
        else if (!ok || !new || !tighten(job, trial, &b))
            break;
    }
    free(chosen);
    return ok;
}

/* All methods together come first. Then each alone, where it reaches the bounds: losses of several structures in one
 * layer are sums, which whole models may exceed, so that what looks worse may measure better. */
static bool fit_each(compress_job *job)
{
    bool ok = true;
    for (compress_method_kind method = 0; ok && method < COMPRESS_METHODS; method++) ok = fit(job, method);
    return ok;
}

/* As above; but a bisection takes many trials, and within a small loss it is bits alone that come near all together. */
static bool restore_each(compress_job *job) { return restore(job, COMPRESS_ALL) && restore(job, COMPRESS_BITS); }

bool compress_search(compress_job *job)
{
    if (!compress_state_open(job) || !probe(job)) return false;
    bool by_time = job->options->minimize && !strcmp(job->options->minimize, "time");
    for (compress_method_kind method = 0; method < COMPRESS_METHODS; method++)
        mix_method(job, method, false, by_time ? ADZE_COST_SECONDS : ADZE_COST_BYTES, INFINITY, &job->fronts[method]);
    bool costs = compress_goals_find(&job->goals, COMPRESS_SIZE) ||
                 compress_goals_find(&job->goals, COMPRESS_WEIGHTS) || compress_goals_find(&job->goals, COMPRESS_TIME);
    bool ok = costs ? fit_each(job) : restore_each(job);
    if (ok && !job->n_trials && job->n_refused)
        return adze_error(adze_loc_unknown(job->work->context),
                          "%s: passes refuse every choice that was tried, the last one: %s", job->input,
                          job->refused[job->n_refused - 1].why);
    return ok && job->n_trials && compress_swap(job);
}
