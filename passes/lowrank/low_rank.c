/* low-rank: constant weights of contractions become products of smaller ones, without training.
 *
 * Factors are chosen by the error of the layer's outputs, from the Gram matrix of its inputs: of all matrices of that
 * rank, the weights' product is the best (numerics.h). Convolutions may get Tucker-2 or spatial factors instead. A
 * layer stays as it is where its factors would not be smaller, or with measure=true faster, as asked.
 *
 *     %0 = matmul(%x, @w) : f32[N,64]       →      %1 = matmul(%x, @w.v) : f32[N,16]
 *                                                  %0 = matmul(%1, @w.u) : f32[N,64]
 */
#include "passes/examples_embedded.h"
#include "passes/lowrank/lowrank.h"
#include "passes/weights/plan.h"

#include <adze/arena.h>
#include <adze/table.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct factoriser {
    adze_pass_run *run;
    const lowrank_options *options;
    lowrank_work work;
    adze_stats *stats;
    adze_layer_plan *layers;
    lowrank_site *sites;
    uint32_t n, n_layers, n_done;
    adze_value *values; /* of sites, where time is measured */
} factoriser;

/* ---- Options ---- */

static bool parse_method(adze_context *context, const lowrank_options *o, lowrank_method *out)
{
    static const char *const names[] = {"data", "svd", "diagonal"};
    *out = o->stats || o->sequential ? LOWRANK_DATA : LOWRANK_SVD;
    if (!strcmp(o->method, "auto")) return true;
    for (int i = 0; i < 3; i++)
        if (!strcmp(o->method, names[i])) return *out = (lowrank_method)i, true;
    return adze_error(adze_loc_unknown(context),
                      "low-rank: unknown method '%s'; there are auto, data, svd and diagonal", o->method);
}

static bool check(const lowrank_options *o, adze_pass_run *run, lowrank_method method)
{
    adze_loc loc = adze_loc_unknown(run->context);
    bool known = !strcmp(o->conv, "auto");
    for (int i = 0; i < LOWRANK_FORMS; i++) known = known || !strcmp(o->conv, lowrank_form_name((lowrank_form)i));
    if (!known)
        return adze_error(loc, "low-rank: unknown form of convolutions '%s'; there are auto, matrix, tucker and "
                               "spatial",
                          o->conv);
    if (o->rank < 0 || o->rank > 1 << 20) return adze_error(loc, "low-rank: rank is 0 to 1048576");
    if (!(o->ratio > 0 && o->ratio <= 1)) return adze_error(loc, "low-rank: ratio is above 0, and at most 1");
    if (!(o->energy >= 0 && o->energy <= 1)) return adze_error(loc, "low-rank: energy is 0 to 1");
    if (!(o->min_gain >= 1 && o->min_gain <= 1000)) return adze_error(loc, "low-rank: min-gain is 1 to 1000");
    if (o->multiple < 1 || o->multiple > 1024) return adze_error(loc, "low-rank: multiple is 1 to 1024");
    if (method != LOWRANK_SVD && !o->stats && !o->sequential)
        return adze_error(loc, "low-rank: methods data and diagonal need statistics: stats=FILE, which adze calibrate "
                               "--gram writes, or sequential=true with --calib=DATA");
    if (o->measure && !run->calibration)
        return adze_error(loc, "low-rank: measure=true times layers on what they read: --calib=DATA");
    return true;
}

/* ---- Sites ---- */

static bool is_ours(adze_format format, adze_format_kind kind)
{
    adze_structure s = format.structure;
    (void)kind;
    return s == ADZE_LOW_RANK || s == ADZE_TUCKER || s == ADZE_SPATIAL;
}

/* What the plan says of the op. */
static adze_format planned(const factoriser *f, const adze_op *op)
{
    int64_t index = f->layers ? adze_layer_plan_find(f->layers, op) : -1;
    adze_format format = index < 0 ? (adze_format){0} : adze_layer_plan_format(f->layers, (uint32_t)index);
    return is_ours(format, format.kind) ? format : (adze_format){0};
}

static void stays(const factoriser *f, const weight_matrix *m, const char *why)
{
    if (f->options->report)
        adze_note(adze_op_loc(m->op), "low-rank: '%s' stays: %s", adze_const_name(m->constant), why);
}

static bool describe(const factoriser *f, const weight_matrix *m, lowrank_site *out, const char **why)
{
    weight_matrix other;
    *out = (lowrank_site){.members = {*m}, .n = 1, .rows = m->rows, .cols = m->cols, .format = planned(f, m->op)};
    out->window = adze_op_has_trait(m->op, ADZE_WINDOW);
    *why = "it has groups, which are not factorised";
    if (m->groups != 1) return false;
    *why = "something else reads its weights, too";
    for (const adze_use *use = adze_value_first_use(adze_const_value(m->constant)); use; use = adze_use_next(use))
        if (!weight_shares(m, use, &other)) return false;
    if (!out->window) return true;
    const adze_type *type = adze_const_type(m->constant);
    adze_ints strides = adze_op_attr_ints(m->op, "strides");
    out->spatial = adze_type_rank(type) - 2;
    for (uint32_t i = 0; i < out->spatial; i++) {
        int64_t extent = 1;
        (void)adze_dim_is_const(adze_type_dim(type, i + 2), &extent);
        out->kernel[i] = (size_t)extent;
        out->stride[i] = i < strides.count ? (size_t)strides.data[i] : 1;
    }
    return true;
}

/* A product with weights of its own that reads the same value, in the same way. */
static bool joins(const factoriser *f, const lowrank_site *site, const lowrank_site *one)
{
    const weight_matrix *a = &site->members[0], *b = &one->members[0];
    weight_matrix same;
    if (!f->options->share || site->window || one->window || site->n == LOWRANK_MAX_SHARED) return false;
    if (adze_op_operand(a->op, 0) != adze_op_operand(b->op, 0) || a->row_axis != b->row_axis) return false;
    if (adze_op_get_row(a->op) != adze_op_get_row(b->op)) return false;
    if (adze_op_parent(a->op) != adze_op_parent(b->op)) return false;
    if (adze_value_num_uses(adze_const_value(a->constant)) > 1) return false;
    if (adze_value_num_uses(adze_const_value(b->constant)) > 1) return false;
    return weight_takes_rows(a->op, &same) && weight_takes_rows(b->op, &same) &&
           adze_format_equal(site->format, one->format);
}

static void add_site(factoriser *f, const lowrank_site *one)
{
    for (uint32_t i = 0; i < f->n; i++) {
        lowrank_site *site = &f->sites[i];
        if (!joins(f, site, one)) continue;
        site->members[site->n++] = one->members[0];
        site->rows += one->rows;
        return;
    }
    f->sites = adze_realloc(f->sites, (f->n + 1u) * sizeof *f->sites);
    f->sites[f->n++] = *one;
}

static void find_sites(factoriser *f, adze_module *module)
{
    adze_table seen = {0};
    for (adze_func *func = adze_module_first_func(module); func; func = adze_func_next(func))
        for (adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) {
            weight_matrix m;
            lowrank_site one;
            const char *why;
            if (!weight_describe(op, &m) || adze_table_get(&seen, m.constant)) continue;
            adze_table_put(&seen, m.constant, m.constant);
            if (f->layers && planned(f, op).structure == ADZE_DENSE) continue;
            f->n_layers++;
            if (describe(f, &m, &one, &why))
                add_site(f, &one);
            else
                stays(f, &m, why);
        }
    adze_table_free(&seen);
}

/* ---- Factorising ---- */

/* Is it as fast as asked? *keep says so; false after an error. */
static bool measure(const factoriser *f, uint32_t index, const lowrank_factors *factors, bool *keep)
{
    const lowrank_site *site = &f->sites[index];
    const weight_matrix *m = &site->members[0];
    double dense, factored;
    *keep = lowrank_stands_alone(site) && f->values[index].data;
    if (!*keep) return stays(f, m, "it cannot be measured alone"), true;
    if (!lowrank_measure(f->run, site, factors, &f->values[index], &dense, &factored)) return false;
    *keep = factored * f->options->min_gain <= dense;
    if (!*keep && f->options->report)
        adze_note(adze_op_loc(m->op), "low-rank: '%s' stays: it takes %.3g us, its factors %.3g us",
                  adze_const_name(m->constant), 1e6 * dense, 1e6 * factored);
    return true;
}

static void say(const lowrank_site *site, const lowrank_factors *f)
{
    const weight_matrix *m = &site->members[0];
    lowrank_shape dense = lowrank_dense(site);
    char ranks[48];
    if (f->shape.form == LOWRANK_TUCKER)
        snprintf(ranks, sizeof ranks, "%zux%zu", f->shape.out, f->shape.in);
    else
        snprintf(ranks, sizeof ranks, "%zu", f->shape.rank);
    adze_note(adze_op_loc(m->op), "low-rank: '%s'%s: %s of rank %s, %.2f of the weights, error %.1f dB",
              adze_const_name(m->constant), site->n > 1 ? " and others of its input" : "",
              lowrank_form_name(f->shape.form), ranks, f->shape.numbers / dense.numbers,
              f->error > 0 ? -10 * log10(f->error) : 300.0);
}

/* What later layers are measured behind. */
static bool change_prefix(const factoriser *f, const lowrank_site *site, const lowrank_factors *factors)
{
    size_t at = 0;
    for (uint32_t i = 0; f->work.prefix && i < site->n; i++) {
        const weight_matrix *m = &site->members[i];
        if (!prefix_change(f->work.prefix, m, factors->is + at)) return false;
        at += m->rows * m->cols;
    }
    return true;
}

static adze_outcome factorise(factoriser *f, uint32_t index)
{
    const lowrank_site *site = &f->sites[index];
    lowrank_factors factors;
    const char *why = NULL;
    bool keep = true;
    bool ok = lowrank_factorise(&f->work, site, &factors, &why);
    if (!ok) return ADZE_FAILED;
    if (!factors.u) return stays(f, &site->members[0], why), ADZE_UNCHANGED;
    adze_outcome outcome = ADZE_UNCHANGED;
    if (f->options->measure && !measure(f, index, &factors, &keep)) outcome = ADZE_FAILED, keep = false;
    if (keep && adze_rewrite(f->run, site->members[0].op, "factorise")) {
        if (f->options->report) say(site, &factors);
        outcome = change_prefix(f, site, &factors) && lowrank_replace(site, &factors) ? ADZE_CHANGED : ADZE_FAILED;
        f->n_done += site->n;
    }
    lowrank_factors_free(&factors);
    return outcome;
}

static bool begin(factoriser *f, adze_module *module)
{
    const lowrank_options *o = f->options;
    adze_context *context = f->run->context;
    if (!parse_method(context, o, &f->work.method) || !check(o, f->run, f->work.method)) return false;
    if (o->plan && !(f->layers = adze_layer_plan_load(context, o->plan))) return false;
    bool known = !f->layers || weight_check_plan(f->layers, o->plan, module, NULL, is_ours, ADZE_FORMAT_FLOAT);
    if (!known) return false;
    if (o->stats && !((f->stats = adze_stats_load(context, o->stats)) && adze_stats_attach(f->stats, module)))
        return false;
    f->work.stats = f->stats;
    if (o->sequential && !(f->work.prefix = prefix_create(f->run, module))) return false;
    find_sites(f, module);
    if (o->measure && !(f->values = lowrank_values(f->run, module, f->sites, f->n))) return false;
    return true;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    factoriser f = {.run = self, .options = opaque, .work.options = opaque};
    adze_outcome all = begin(&f, module) ? ADZE_UNCHANGED : ADZE_FAILED;
    for (uint32_t i = 0; i < f.n && all != ADZE_FAILED; i++) {
        adze_pass_progress(self, i, f.n, adze_const_name(f.sites[i].members[0].constant));
        adze_outcome one = factorise(&f, i);
        if (one != ADZE_UNCHANGED) all = one;
    }
    if (all == ADZE_CHANGED && f.stats) adze_stats_mark(f.stats, module);
    if (all == ADZE_UNCHANGED && !f.n_layers)
        adze_note(adze_loc_unknown(self->context), f.layers ? "low-rank: nothing to do: the plan names no layer for it"
                                                            : "low-rank: nothing to do: no contraction has constant "
                                                              "f32 weights");
    if (f.options->report && f.n_layers && all != ADZE_FAILED)
        adze_note(adze_loc_unknown(self->context), "low-rank: %u of %u layers factorised", f.n_done, f.n_layers);
    lowrank_values_free(f.values, f.n);
    free(f.sites);
    prefix_destroy(f.work.prefix);
    adze_stats_destroy(f.stats);
    adze_layer_plan_destroy(f.layers);
    return all;
}

#define OPTION(name, help, kind, member, fallback)                                                                     \
    {name, help, ADZE_OPTION_##kind, offsetof(lowrank_options, member), fallback}
static const adze_option option_table[] = {
    OPTION("method", "data: least error of the outputs; diagonal: each input by its size; svd: the weights alone; "
                     "auto: data where there are statistics, else svd", STR, method, "auto"),
    OPTION("conv", "form of convolutions: matrix, tucker, spatial, or auto: the best of them", STR, conv, "auto"),
    OPTION("rank", "the same for all layers; 0 = by energy or ratio", INT, rank, "0"),
    OPTION("energy", "share of the outputs' energy that is kept; 0 = by ratio", FLOAT, energy, "0"),
    OPTION("ratio", "weights that a layer may have, of those that it has", FLOAT, ratio, "0.5"),
    OPTION("multiple", "ranks by energy or ratio are a multiple of it, or of half of it", INT, multiple, "16"),
    OPTION("min-gain", "at least so many times fewer weights and products, and with measure less time", FLOAT,
           min_gain, "1.2"),
    OPTION("share", "products that read one value share the factor of their input", BOOL, share, "false"),
    OPTION("refit", "fit the last factor to the statistics, for the other methods than data", BOOL, refit, "true"),
    OPTION("correct-bias", "biases make up for what means lose", BOOL, correct_bias, "true"),
    OPTION("sequential", "measure each layer behind those that have changed, on --calib; biases stay", BOOL, sequential,
           "false"),
    OPTION("measure", "time each layer alone, on --calib, and leave it where its factors are not faster", BOOL, measure,
           "false"),
    OPTION("stats", "file of adze calibrate --gram, for data and diagonal", STR, stats, NULL),
    OPTION("plan", "file that says which layers, and what they become: r64, t32x16, v24", STR, plan, NULL),
    OPTION("report", "a note for each layer: what became of it, or why it stays", BOOL, report, "false"),
};

const adze_pass adze_pass_low_rank = {
    .struct_size = sizeof(adze_pass),
    .name = "low-rank",
    .help = "make constant weights of contractions products of smaller ones",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(lowrank_options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Needs f32 weights that are constants, so it runs behind simplify. Of matrix products: V, then U. Of "
                "convolutions: matrix (the window to few channels, then 1x1), tucker (1x1, the window between few "
                "channels, 1x1) or spatial (a column, then a row). "
                "Those with groups stay, and weights that something else reads. rank goes before energy, energy before "
                "ratio. Of a plan only formats of low rank count. Statistics stay good for what keeps its name.",
    .example = adze_example_low_rank,
};
