/* drop-blocks: residual blocks that the outputs hardly need are left out.
 *
 * A block is a value s with a sum r = s + f(s) of its type; it ends at r, or behind what r alone goes through (a
 * normalisation, an activation) where that is of this type, too. What reads the end reads s. Blocks go one by one, that
 * which changes the outputs on calibration data the least first, and all are measured anew behind each. Song et al.,
 * "SLEB", 2024; Men et al., "ShortGPT", 2024.
 *
 *     %0 = matmul(%x, @w) : f32[N,8]              →      return(%x)
 *     %1 = add(%0, %x) : f32[N,8]
 *     return(%1)
 */
#include "passes/examples_embedded.h"
#include "passes/prune/channels/prune.h"
#include "passes/weights/copy.h"

#include <adze/compress.h>
#include <adze/table.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *metric, *plan;
    int64_t count, samples;
    double max_effect;
} options;

/* By place in main, so that copies have them, too. */
typedef struct block {
    const char *name;
    uint32_t sum, end; /* ops */
    uint32_t side;     /* operand of the sum that is s */
    bool empty;        /* f gives zeros */
} block;

typedef struct dropper {
    adze_pass_run *run;
    adze_module *module;
    adze_arena arena;
    block *blocks;
    uint32_t n, capacity;
    bool *gone;
} dropper;

static bool fail(const dropper *d, const char *text)
{
    return adze_error(adze_loc_unknown(d->run->context), "drop-blocks: %s", text);
}

/* ---- Finding ---- */

/* Is `value` computed from `from`? `seen` holds ops that were looked at. */
static bool depends(const adze_ir_value *value, const adze_ir_value *from, adze_table *seen)
{
    if (value == from) return true;
    adze_op *op = value ? adze_value_op(value) : NULL;
    if (!op || adze_table_get(seen, op)) return false;
    adze_table_put(seen, op, op);
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++)
        if (depends(adze_op_operand(op, i), from, seen)) return true;
    return false;
}

static bool is_zero(const adze_ir_value *value)
{
    double all;
    return value && adze_value_const(value) && adze_value_as_splat(value, &all) && all == 0;
}

/* A contraction with weights and a bias of zeros. */
static bool gives_zeros(const adze_ir_value *value)
{
    adze_op *op = adze_value_op(value);
    weight_matrix m;
    if (!op || !weight_describe(op, &m) || !is_zero(adze_op_operand(op, m.operand))) return false;
    return adze_op_num_operands(op) < 3 || !adze_op_operand(op, 2) || is_zero(adze_op_operand(op, 2));
}

/* The op behind `op` that alone reads its result, reads nothing else that is no constant, and keeps the type. */
static adze_op *next_alone(const adze_op *op)
{
    const adze_ir_value *value = adze_op_result(op, 0);
    if (adze_value_num_uses(value) != 1) return NULL;
    adze_op *next = adze_use_op(adze_value_first_use(value));
    if (adze_op_num_results(next) != 1 || adze_op_num_regions(next)) return NULL;
    if (!adze_op_has_trait(next, ADZE_NORMALIZE) && !adze_op_has_trait(next, ADZE_ELEMWISE)) return NULL;
    for (uint32_t i = 0; i < adze_op_num_operands(next); i++) {
        const adze_ir_value *x = adze_op_operand(next, i);
        if (x && x != value && !adze_value_const(x)) return NULL;
    }
    return adze_value_type(adze_op_result(next, 0)) == adze_value_type(value) ? next : NULL;
}

static void add_block(dropper *d, block b)
{
    const adze_op *op = copy_op_at(d->module, b.sum);
    const char *plain = adze_op_num_nodes(op) ? adze_op_node(op, 0) : adze_value_name(adze_op_result(op, 0));
    if (!plain) plain = adze_internf(d->run->context, "block%u", d->n + 1);
    b.name = plain;
    uint32_t k = 1;
    for (uint32_t i = 0; i < d->n; i++)
        if (!strcmp(d->blocks[i].name, b.name)) {
            b.name = adze_internf(d->run->context, "%s#%u", plain, ++k);
            i = UINT32_MAX; /* from the first one on again */
        }
    d->blocks = adze_arena_grow(&d->arena, d->blocks, d->n, &d->capacity, sizeof b);
    d->blocks[d->n++] = b;
}

/* Blocks that end at a sum; where a normalisation follows, also that which ends behind it. */
static void find_at(dropper *d, adze_op *op)
{
    if (!adze_op_is(op, "add")) return;
    for (uint32_t side = 0; side < 2; side++) {
        const adze_ir_value *s = adze_op_operand(op, side), *f = adze_op_operand(op, 1 - side);
        adze_table seen = {0};
        if (adze_value_const(s) || adze_value_const(f) || s == f) continue;
        if (adze_value_type(s) != adze_value_type(adze_op_result(op, 0))) continue;
        bool found = depends(f, s, &seen);
        adze_table_free(&seen);
        if (!found) continue;
        block b = {.sum = copy_ordinal(op), .side = side, .empty = gives_zeros(f)};
        b.end = b.sum;
        add_block(d, b);
        bool normal = false;
        adze_op *end = op;
        for (adze_op *next = next_alone(op); next; next = next_alone(end)) {
            end = next;
            normal = normal || adze_op_has_trait(next, ADZE_NORMALIZE);
        }
        if (!normal) return;
        b.end = copy_ordinal(end);
        b.empty = false;
        add_block(d, b);
        return;
    }
}

/* ---- Leaving out ---- */

/* In d->module or a copy of it: what reads the block's end reads its beginning. Blocks go from the last one on, so that
 * the beginning of one that follows another is that one's end. */
static void drop(const adze_module *module, const block *b)
{
    adze_op *sum = copy_op_at(module, b->sum), *end = copy_op_at(module, b->end);
    adze_value_replace_uses(adze_op_result(end, 0), adze_op_operand(sum, b->side));
}

static void drop_all(const dropper *d, const adze_module *module, const bool *gone)
{
    for (uint32_t i = d->n; i-- > 0;)
        if (gone[i]) drop(module, &d->blocks[i]);
}

static bool measure(const dropper *d, prune_reference *r, prune_metric metric, uint32_t more, double *out)
{
    bool *gone = adze_malloc(d->n + 1);
    memcpy(gone, d->gone, d->n + 1);
    gone[more] = true;
    adze_module *module = adze_module_clone(d->module);
    drop_all(d, module, gone);
    bool ok = prune_effect(r, module, metric, out);
    adze_module_destroy(module);
    free(gone);
    return ok;
}

/* One sum is left out once, at whichever end. */
static bool is_taken(const dropper *d, uint32_t index)
{
    for (uint32_t i = 0; i < d->n; i++)
        if (d->gone[i] && d->blocks[i].sum == d->blocks[index].sum) return true;
    return false;
}

static bool by_measure(dropper *d, const options *o, prune_metric metric)
{
    if (!d->run->calibration) return fail(d, "count measures blocks on calibration data: --calib=DATA");
    prune_reference *r =
        prune_reference_create(d->run->registry, d->run->calibration, d->module, (uint64_t)o->samples);
    bool ok = r;
    for (int64_t k = 0; k < o->count && ok; k++) {
        double least = INFINITY;
        uint32_t best = d->n;
        for (uint32_t i = 0; i < d->n && ok; i++) {
            double effect;
            if (is_taken(d, i)) continue;
            adze_pass_progress(d->run, (uint64_t)k * d->n + i, (uint64_t)o->count * d->n, NULL);
            ok = measure(d, r, metric, i, &effect);
            if (!ok || !(effect < least)) continue;
            least = effect, best = i;
        }
        if (best == d->n || (o->max_effect > 0 && least > o->max_effect)) break;
        d->gone[best] = true;
    }
    prune_reference_destroy(r);
    return ok;
}

static bool by_plan(dropper *d, const char *path)
{
    adze_layer_plan *plan = adze_layer_plan_load(d->run->context, path);
    bool ok = plan;
    for (uint32_t i = 0; ok && i < adze_layer_plan_num_cuts(plan); i++) {
        uint32_t k = 0;
        const char *name = adze_layer_plan_cut_name(plan, i);
        if (adze_layer_plan_cut_keep(plan, i)) continue; /* `channels` */
        while (k < d->n && strcmp(d->blocks[k].name, name)) k++;
        if (k == d->n)
            ok = adze_error(adze_loc_unknown(d->run->context), "%s: the model has no residual block '%s'; %s%s%s", path,
                            name, d->n ? adze_internf(d->run->context, "the first of %u is '", d->n) : "it has none",
                            d->n ? d->blocks[0].name : "", d->n ? "'" : "");
        else if (is_taken(d, k))
            ok = adze_error(adze_loc_unknown(d->run->context), "%s: block '%s' goes twice", path, name);
        else
            d->gone[k] = true;
    }
    adze_layer_plan_destroy(plan);
    return ok;
}

/* What nobody reads any more. */
static void sweep(adze_func *func)
{
    for (adze_op *op = adze_region_last(adze_func_body(func)), *before; op; op = before) {
        bool used = !adze_op_has_trait(op, ADZE_PURE);
        before = adze_op_prev(op);
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) used |= adze_value_has_uses(adze_op_result(op, i));
        if (!used) adze_op_erase(op);
    }
}

/* ---- The pass ---- */

static bool read_metric(const dropper *d, const char *name, prune_metric *out)
{
    static const char *const names[] = {"noise", "cosine", "kl"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, names[i])) {
            *out = (prune_metric)i;
            return true;
        }
    return adze_error(adze_loc_unknown(d->run->context), "drop-blocks: metric is noise, cosine or kl, not '%s'", name);
}

static adze_outcome choose(dropper *d, const options *o)
{
    prune_metric metric = PRUNE_NOISE;
    if (!read_metric(d, o->metric, &metric)) return ADZE_FAILED;
    bool ok = true;
    if (o->count < 0 || o->samples < 0 || !(o->max_effect >= 0))
        ok = fail(d, "count, samples and max-effect are not negative");
    if (ok && o->plan && o->count) ok = fail(d, "plan or count says what goes, not both");
    if (ok && o->count && !d->n)
        ok = fail(d, "the model has no residual blocks: no value is added to what is made of it");
    if (ok && o->plan) ok = by_plan(d, o->plan);
    if (ok && o->count) ok = by_measure(d, o, metric);
    for (uint32_t i = 0; ok && !o->plan && !o->count && i < d->n; i++) d->gone[i] = d->blocks[i].empty;
    if (!ok) return ADZE_FAILED;
    if (!o->plan && !o->count) d->run->numerics = ADZE_FAST;
    bool any = false;
    for (uint32_t i = 0; i < d->n; i++) any |= d->gone[i];
    if (!any) return ADZE_UNCHANGED;
    drop_all(d, d->module, d->gone);
    sweep(adze_module_main(d->module));
    return ADZE_CHANGED;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    dropper d = {.run = self, .module = module};
    adze_func *main = adze_module_main(module);
    if (!main || !adze_rewrite(self, NULL, "drop-blocks")) return ADZE_UNCHANGED;
    for (adze_op *op = adze_region_first(adze_func_body(main)); op; op = adze_op_next(op)) find_at(&d, op);
    d.gone = ADZE_NEW_ARRAY(&d.arena, bool, d.n + 1);
    adze_outcome outcome = choose(&d, opaque);
    adze_arena_free(&d.arena);
    return outcome;
}

#define OPTION(name, help, kind, member, fallback)                                                                     \
    {name, help, ADZE_OPTION_##kind, offsetof(options, member), fallback}
static const adze_option option_table[] = {
    OPTION("count", "blocks that go; 0 = those that add zeros", INT, count, "0"),
    OPTION("metric", "of outputs beside those of the whole model: noise, cosine or kl", STR, metric, "noise"),
    OPTION("max-effect", "stop before that is more; 0 = no bound", FLOAT, max_effect, "0"),
    OPTION("samples", "that is measured on; 0 = all", INT, samples, "64"),
    OPTION("plan", "file with lines `drop NAME`, which says what goes", STR, plan, NULL),
};

const adze_pass adze_pass_drop_blocks = {
    .struct_size = sizeof(adze_pass),
    .name = "drop-blocks",
    .help = "leave out residual blocks that the outputs hardly need",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Of main. A block is a value and a sum of it with what is made of it, of the same type; its name is "
                "that of the sum's node. Where the sum alone goes through a normalisation, NAME#2 is the block that "
                "ends behind it. count measures on --calib: each block alone, and anew behind each that went. Without "
                "count and plan only blocks go that add zeros. Runs behind simplify, before calibration and "
                "quantization.",
    .example = adze_example_drop_blocks,
};
