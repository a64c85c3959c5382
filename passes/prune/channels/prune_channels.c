/* prune-channels: removes channels, neurons and attention heads, so that tensors really shrink.
 *
 * Which go together says the dimension graph (adze/channels.h). A score gives each group an order in which its units
 * go, and what that loses; with calibration data each group's loss is scaled by what half of it does to the outputs.
 * Steps of least loss for the work that they save are taken until enough is saved. What reads the units is fitted anew
 * by least squares, layer by layer, to what it gave before. Hassibi and Stork, "Optimal Brain Surgeon", 1993; Luo et
 * al., "ThiNet", 2017; He et al., "Channel Pruning", 2017.
 *
 *     %0 = conv(%x, @w, @b) : f32[1,32,8,8]       →      %0 = conv(%x, @w, @b) : f32[1,16,8,8]
 *     %1 = conv(%0, @v) : f32[1,4,8,8]                   %1 = conv(%0, @v) : f32[1,4,8,8]
 */
#include "passes/examples_embedded.h"
#include "passes/prune/channels/prune.h"

#include <adze/compress.h>

#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *score, *stats, *plan, *save;
    double rate, group_rate, max_rate, put_back;
    int64_t multiple, samples;
    bool refit, cascade, measure, at_most;
} options;

static bool fail(const pruner *p, const char *text)
{
    return adze_error(adze_loc_unknown(p->run->context), "prune-channels: %s", text);
}

/* ---- Options ---- */

static bool read_score(pruner *p, const char *name)
{
    static const char *const names[] = {"obs", "l1", "l2", "geomean", "geomedian", "activation", "thinet"};
    for (int i = 0; i < 7; i++)
        if (!strcmp(name, names[i])) {
            p->score = (score_kind)i;
            return true;
        }
    return adze_error(adze_loc_unknown(p->run->context), "prune-channels: score is obs, l1, l2, geomean, geomedian, "
                                                         "activation or thinet, not '%s'",
                      name);
}

static bool read_options(pruner *p, const options *o)
{
    if (!read_score(p, o->score)) return false;
    if (!(o->rate >= 0 && o->rate < 1) || !(o->group_rate >= 0 && o->group_rate < 1))
        return fail(p, "rate and group-rate are 0 or more and less than 1");
    if (!(o->max_rate > 0 && o->max_rate < 1)) return fail(p, "max-rate is more than 0 and less than 1");
    if (o->multiple < 0 || o->multiple > 4096 || o->samples < 0)
        return fail(p, "multiple is 0 to 4096, samples 0 or more");
    if (!(o->put_back == 0 || o->put_back >= 1)) return fail(p, "put-back is 0 or at least 1");
    if ((o->plan != NULL) + (o->rate > 0) + (o->group_rate > 0) > 1)
        return fail(p, "one of plan, rate and group-rate says how much goes");
    p->cap = o->max_rate;
    p->at_most = o->at_most;
    p->refit = o->refit;
    p->cascade = o->cascade;
    p->samples = (uint64_t)o->samples;
    int64_t multiple = o->multiple ? o->multiple : adze_target_number(p->run->target, "channel-multiple", 16);
    p->multiple = multiple > 0 ? (uint32_t)multiple : 1;
    return true;
}

static bool reads_inputs(const pruner *p)
{
    return p->score == SCORE_OBS || p->score == SCORE_ACTIVATION || p->score == SCORE_THINET;
}

/* From the file, or of the calibration data. */
static bool get_stats(pruner *p, const options *o)
{
    if (o->stats) {
        p->stats = adze_stats_load(p->run->context, o->stats);
        return p->stats && adze_stats_attach(p->stats, p->module);
    }
    if (!reads_inputs(p) && !p->refit) return true;
    if (!p->run->calibration)
        return fail(p, "scores obs, activation and thinet, and refit, need data: --calib=DATA, or stats=FILE, which "
                       "adze calibrate --gram writes");
    const adze_ir_value **values = adze_malloc((p->n_layers + 1) * sizeof *values);
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_layers; i++) {
        const adze_ir_value *constant = adze_const_value(p->layers[i].m.constant);
        for (const adze_use *use = adze_value_first_use(constant); use; use = adze_use_next(use)) {
            weight_matrix other;
            if (!weight_shares(&p->layers[i].m, use, &other)) continue;
            const adze_ir_value *value = adze_op_operand(other.op, 0);
            uint32_t k = 0;
            while (k < n && values[k] != value) k++;
            if (k < n) continue;
            values = adze_realloc(values, (n + 2) * sizeof *values);
            values[n++] = value;
        }
    }
    adze_collect_options how = {.struct_size = sizeof how, .gram = true};
    if (n) p->stats = adze_stats_collect(p->run->registry, p->module, values, n, p->run->calibration, &how);
    free(values);
    return p->stats || !n;
}

/* ---- How much goes ---- */

static bool by_plan(pruner *p, const char *path)
{
    adze_layer_plan *plan = adze_layer_plan_load(p->run->context, path);
    bool ok = plan && adze_channels_read_plan(p->channels, plan, path, p->keep);
    adze_layer_plan_destroy(plan);
    return ok;
}

/* Of every group the share, or the nearest smaller one that its size allows. */
static void by_group_rate(pruner *p, double rate)
{
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t units = adze_channels_group(p->channels, i)->units, keep = units, next;
        while ((next = prune_lower(p, i, keep)) && next >= (1 - rate) * units - 1e-9) keep = next;
        p->keep[i] = keep;
    }
}

/* What one group alone does to the outputs with `keep` of its units. */
static bool measure_group(pruner *p, prune_reference *r, uint32_t group, uint32_t keep, double *out)
{
    const adze_channel_group *g = adze_channels_group(p->channels, group);
    const bool **cut = adze_malloc((p->n + 1) * sizeof *cut);
    bool *units = adze_malloc(g->units);
    memset(cut, 0, (p->n + 1) * sizeof *cut);
    memset(units, 0, g->units);
    for (uint32_t k = 0; k < g->units - keep; k++) units[p->curves[group].order[k]] = true;
    cut[group] = units;
    bool ok = prune_effect_of(p, r, cut, out);
    free(units);
    free(cut);
    return ok;
}

/* Scales each group's curve so that it is true where half of it, or as much as may, goes. */
static bool measure_curves(pruner *p, prune_reference *r)
{
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t units = adze_channels_group(p->channels, i)->units, keep = units, next;
        while ((next = prune_lower(p, i, keep)) && (keep == units || 2 * next >= units)) keep = next;
        double effect, loss = prune_loss(p, i, keep);
        if (keep == units) continue;
        if (!measure_group(p, r, i, keep, &effect)) return false;
        if (loss > 0) p->curves[i].scale *= effect / loss;
    }
    return true;
}

/* Groups that do more than `factor` times what was predicted become whole again, and others give more. */
static bool put_back(pruner *p, prune_reference *r, double rate, double factor)
{
    bool *fixed = adze_malloc(p->n + 1), any = false, ok = true;
    memset(fixed, 0, p->n + 1);
    for (uint32_t i = 0; i < p->n && ok; i++) {
        uint32_t units = adze_channels_group(p->channels, i)->units;
        double effect = 0, loss = prune_loss(p, i, p->keep[i]);
        if (p->keep[i] == units) continue;
        ok = measure_group(p, r, i, p->keep[i], &effect);
        if (!ok || effect <= factor * loss + 1e-12) continue;
        fixed[i] = any = true;
        p->keep[i] = units;
    }
    if (ok && any) ok = prune_allocate(p, rate, fixed);
    free(fixed);
    return ok;
}

static bool by_rate(pruner *p, const options *o)
{
    bool measure = o->measure && p->run->calibration;
    if (o->put_back > 0 && !measure && o->rate > 0)
        return fail(p, "put-back measures on calibration data: --calib=DATA and measure=true, or put-back=0");
    prune_reference *r =
        measure ? prune_reference_create(p->run->registry, p->run->calibration, p->module, p->samples) : NULL;
    bool ok = !measure || (r && measure_curves(p, r));
    ok = ok && prune_allocate(p, o->rate, NULL);
    if (ok && measure && o->put_back > 0) ok = put_back(p, r, o->rate, o->put_back);
    prune_reference_destroy(r);
    return ok;
}

static bool choose(pruner *p, const options *o)
{
    if (o->plan) return true;
    if (o->group_rate > 0) by_group_rate(p, o->group_rate);
    return o->rate == 0 || by_rate(p, o);
}

/* ---- The pass ---- */

static bool anything_goes(const pruner *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->keep[i] < adze_channels_group(p->channels, i)->units) return true;
    return false;
}

/* What stays, as lines of a plan. */
static bool save(const pruner *p, const char *path)
{
    adze_layer_plan *plan = adze_layer_plan_create(p->run->context);
    for (uint32_t i = 0; i < p->n; i++) {
        const adze_channel_group *g = adze_channels_group(p->channels, i);
        const char *note = adze_internf(p->run->context, "of %u", g->units * g->unit_size);
        if (p->keep[i] < g->units)
            adze_layer_plan_put_cut(plan, g->name, (uint64_t)p->keep[i] * g->unit_size, note);
    }
    bool ok = adze_layer_plan_save(plan, path);
    adze_layer_plan_destroy(plan);
    return ok;
}

static bool cut(pruner *p)
{
    bool ok = true, sequential = p->refit && p->run->calibration;
    prune_apply_keep(p);
    adze_channel_cut gone = (adze_channel_cut)p->cut;
    if (sequential && p->cascade) ok = prune_find_others(p);
    prune_fitted *fitted = adze_malloc((p->n_layers + 1) * sizeof *fitted);
    memset(fitted, 0, (p->n_layers + 1) * sizeof *fitted);
    if (ok && p->refit) ok = sequential ? prune_fit_sequential(p, gone, fitted) : prune_fit_alone(p, gone, fitted);
    ok = ok && prune_write_fitted(p, p->module, fitted);
    /* The groups point at constants that are others now. */
    adze_channels_free(p->channels);
    p->channels = ok ? adze_channels_find(p->module) : NULL;
    ok = p->channels && adze_channels_remove(p->channels, gone);
    prune_free_fitted(p, fitted);
    free(fitted);
    return ok;
}

static bool nothing(const pruner *p)
{
    if (!adze_channels_num_frozen(p->channels)) return fail(p, "nothing can be removed: no layer has constant weights");
    const adze_channel_frozen *f = adze_channels_frozen(p->channels, 0);
    return adze_error(adze_loc_unknown(p->run->context),
                      "prune-channels: nothing can be removed: the channels of '%s' must stay (%s); adze info "
                      "--channels tells of all",
                      f->name, f->reason);
}

static void make_room(pruner *p)
{
    p->keep = ADZE_NEW_ARRAY(&p->arena, uint32_t, p->n);
    p->cut = ADZE_NEW_ARRAY(&p->arena, bool *, p->n + 1);
    for (uint32_t i = 0; i < p->n; i++) {
        p->keep[i] = adze_channels_group(p->channels, i)->units;
        p->cut[i] = ADZE_NEW_ARRAY(&p->arena, bool, p->keep[i]);
    }
}

static adze_outcome prune(pruner *p, const options *o)
{
    if (!read_options(p, o)) return ADZE_FAILED;
    bool asked = o->plan || o->rate > 0 || o->group_rate > 0;
    if (!adze_rewrite(p->run, NULL, "prune-channels")) return ADZE_UNCHANGED;
    p->channels = adze_channels_find(p->module);
    if (!p->channels) return ADZE_FAILED;
    p->n = adze_channels_count(p->channels);
    make_room(p);
    if (!p->n && o->rate > 0) return nothing(p) ? ADZE_UNCHANGED : ADZE_FAILED;
    bool ok = (!o->plan || by_plan(p, o->plan)) && prune_find_layers(p); /* plans that are wrong before any work */
    if (!asked) {
        p->refit = false;
        p->run->numerics = ADZE_FAST;
    }
    ok = ok && (asked ? get_stats(p, o) && prune_make_curves(p) && choose(p, o) : prune_unread(p));
    if (!ok || (o->save && !save(p, o->save))) return ADZE_FAILED;
    if (!anything_goes(p)) return ADZE_UNCHANGED;
    return cut(p) ? ADZE_CHANGED : ADZE_FAILED;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    pruner p = {.run = self, .module = module};
    adze_outcome outcome = prune(&p, opaque);
    prune_free_layers(&p);
    adze_stats_destroy(p.stats);
    adze_channels_free(p.channels);
    adze_arena_free(&p.arena);
    return outcome;
}

#define OPTION(name, help, kind, member, fallback)                                                                     \
    {name, help, ADZE_OPTION_##kind, offsetof(options, member), fallback}
static const adze_option option_table[] = {
    OPTION("score", "what goes first: obs, l1, l2, geomean, geomedian, activation or thinet", STR, score, "obs"),
    OPTION("rate", "share of the multiply-accumulates that goes, at least; 0 = what is read with weights of 0", FLOAT,
           rate, "0"),
    OPTION("group-rate", "instead: share of each group's units that goes, at most", FLOAT, group_rate, "0"),
    OPTION("max-rate", "share of a group's units that goes, at most", FLOAT, max_rate, "0.75"),
    OPTION("at-most", "a rate that is out of reach is no error: what can go goes", BOOL, at_most, "false"),
    OPTION("multiple", "channels that stay are a multiple of it, or of 8; 0 = the target's, else 16", INT, multiple,
           "0"),
    OPTION("refit", "fit what reads them to what it gave, by least squares", BOOL, refit, "true"),
    OPTION("cascade", "fit layers behind those, too, to what they gave; needs --calib", BOOL, cascade, "true"),
    OPTION("measure", "weigh groups by what they do to the outputs on --calib", BOOL, measure, "true"),
    OPTION("put-back", "groups that do more than so many times the prediction stay whole; 0 = none", FLOAT, put_back,
           "0"),
    OPTION("samples", "that is measured on; 0 = all", INT, samples, "64"),
    OPTION("stats", "file of adze calibrate --gram, instead of its own statistics of --calib", STR, stats, NULL),
    OPTION("plan", "file with lines `channels NAME KEEP`, which says what stays", STR, plan, NULL),
    OPTION("save", "file to write such lines to: what stays of the groups that give channels", STR, save, NULL),
};

const adze_pass adze_pass_prune_channels = {
    .struct_size = sizeof(adze_pass),
    .name = "prune-channels",
    .help = "remove channels, neurons and attention heads; tensors shrink",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Without rate, group-rate and plan only units go that all layers multiply by 0. "
                "Needs f32 weights that are constants and batch norms folded, so it runs behind simplify, and before "
                "quantization; statistics from before no longer fit. Of main. What `adze info --channels` lists can "
                "go; inputs, outputs, and axes that are normalised stay. The scores obs, activation and thinet, and "
                "refit, read Gram matrices: of --calib, or of stats=FILE. With --calib, refit goes layer by layer "
                "behind what has changed and aims at the model as it was, sums with shortcuts included.",
    .example = adze_example_prune_channels,
};
