/* adze info: what a model or an artifact is made of, and what a target cannot do with it. */
#include "feed.h"

#include <adze/channels.h>
#include <adze/plan.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    adze_common common;
    bool targets, channels;
    const char *sensitivity;
} options;

static const adze_flag flags[] = {
    {"--targets", NULL, "list what --target can name, instead of a model", ADZE_FLAG_BOOL, offsetof(options, targets)},
    {"--sensitivity", "NAME", "also how much each weight matters: magnitude, or a plug-in's", ADZE_FLAG_TEXT,
     offsetof(options, sensitivity)},
    {"--channels", NULL, "also which channels, heads and neurons can be removed together, and what is frozen",
     ADZE_FLAG_BOOL, offsetof(options, channels)},
    ADZE_COMMON_FLAGS,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze info IN.onnx|IN.adz|IN.so [flags]\n"
    "Prints inputs, outputs, parameters, multiply-accumulates and ops; of an artifact its levels and steps.\n"
    "With --target also what the target cannot do, all at once (exit status 1 then), how many kernels the\n"
    "model becomes, and which ops run their evaluation because they have no better lowering.\n"
    "Example: adze info model.onnx --target=x86\n";

/* ---- Counting ops ---- */

typedef struct tally {
    const char **names;
    uint64_t *counts;
    uint32_t n;
} tally;

static bool tally_add(tally *t, const char *name)
{
    uint32_t i = 0;
    while (i < t->n && strcmp(t->names[i], name) != 0) i++;
    if (i == t->n) {
        const char **names = realloc(t->names, (t->n + 1u) * sizeof *names);
        if (names) t->names = names;
        uint64_t *counts = realloc(t->counts, (t->n + 1u) * sizeof *counts);
        if (counts) t->counts = counts;
        if (!names || !counts) return false;
        names[i] = name;
        counts[i] = 0;
        t->n++;
    }
    t->counts[i]++;
    return true;
}

/* Most frequent first; equal counts by name. */
static void tally_print(tally *t, const char *indent)
{
    for (uint32_t done = 0; done < t->n; done++) {
        uint32_t best = done;
        for (uint32_t i = done + 1; i < t->n; i++)
            if (t->counts[i] > t->counts[best] ||
                (t->counts[i] == t->counts[best] && strcmp(t->names[i], t->names[best]) < 0))
                best = i;
        const char *name = t->names[best];
        uint64_t count = t->counts[best];
        t->names[best] = t->names[done], t->counts[best] = t->counts[done];
        t->names[done] = name, t->counts[done] = count;
        printf("%s%-22s %llu\n", indent, name, (unsigned long long)count);
    }
}

static void tally_free(tally *t)
{
    free(t->names);
    free(t->counts);
    *t = (tally){0};
}

/* ---- Models ---- */

typedef struct census {
    adze_context *context;
    tally ops;
    uint64_t n_ops;
    const adze_dim *macs; /* of what is known */
    uint64_t unknown_macs;
    bool failed;
} census;

/* Points of a contraction's iteration space; NULL if the op has no such form. */
static const adze_dim *macs_of(census *c, const adze_op *op)
{
    adze_access access;
    if (!adze_op_access(op, &access)) return NULL;
    const adze_dim *macs = adze_dim_const(c->context, 1);
    for (uint32_t i = 0; i < access.n_axes; i++) macs = adze_dim_mul(c->context, macs, access.extent[i]);
    return macs;
}

static void count_region(census *c, const adze_region *region)
{
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) count_region(c, adze_op_region(op, i));
        if (adze_op_has_trait(op, ADZE_TERMINATOR)) continue;
        c->n_ops++;
        c->failed |= !tally_add(&c->ops, adze_op_name(op));
        bool launch = adze_op_is(op, "launch");
        if (!launch && !adze_op_has_trait(op, ADZE_CONTRACTION)) continue;
        const adze_dim *macs = launch ? adze_op_attr_dim(op, "macs") : macs_of(c, op);
        if (macs && !adze_dim_is_unknown(macs))
            c->macs = adze_dim_add(c->context, c->macs, macs);
        else if (!launch)
            c->unknown_macs++;
    }
}

static void print_port(const char *kind, const adze_port *port)
{
    char type[512];
    adze_type_print(port->type, type, sizeof type);
    printf("%-8s %s: %s\n", kind, port->name, type);
}

static void print_ports(const adze_device *d)
{
    for (uint32_t i = 0; i < d->n_inputs; i++) print_port("input", &d->inputs[i]);
    for (uint32_t i = 0; i < d->n_outputs; i++) print_port("output", &d->outputs[i]);
}

static void print_attrs(const adze_module *module)
{
    for (uint32_t i = 0; i < adze_module_num_attrs(module); i++) {
        const adze_attr *a = adze_module_attr(module, i);
        if (a->kind == ADZE_ATTR_INT)
            printf("%-8s %lld\n", a->name, (long long)a->value.i);
        else if (a->kind == ADZE_ATTR_STR && a->value.s.size)
            printf("%-8s %.*s\n", a->name, (int)a->value.s.size, a->value.s.data);
    }
}

static void print_parameters(const adze_module *module)
{
    uint64_t elements = 0, bytes = 0;
    uint32_t n = 0;
    for (const adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c)) {
        int64_t count;
        if (!adze_const_has_uses(c) || !adze_dim_is_const(adze_type_count(adze_const_type(c)), &count)) continue;
        if (adze_dtype_get_kind(adze_type_dtype(adze_const_type(c))) != ADZE_KIND_FLOAT && count < 2) continue;
        n++;
        elements += (uint64_t)count;
        bytes += adze_dtype_bytes(adze_type_dtype(adze_const_type(c)), (uint64_t)count);
    }
    printf("%-8s %llu in %u constants, %llu bytes\n", "params", (unsigned long long)elements, n,
           (unsigned long long)bytes);
}

static bool print_module(const adze_device *d)
{
    char text[1024];
    census c = {.context = d->work->context, .macs = adze_dim_const(d->work->context, 0)};
    printf("%-8s %s\n", "model", d->path);
    print_attrs(d->module);
    print_ports(d);
    print_parameters(d->module);
    count_region(&c, adze_func_body(adze_module_main(d->module)));
    adze_dim_print(c.macs, text, sizeof text);
    printf("%-8s %s", "macs", text);
    if (c.unknown_macs) printf(" and those of %llu ops whose dims are unknown", (unsigned long long)c.unknown_macs);
    printf("\n%-8s %llu\n", "ops", (unsigned long long)c.n_ops);
    tally_print(&c.ops, "  ");
    tally_free(&c.ops);
    return !c.failed || adze_error(adze_loc_unknown(d->work->context), "out of memory");
}

/* ---- Targets ---- */

static bool one(void *self, const char *name, int64_t *out)
{
    (void)self, (void)name;
    *out = 1;
    return true;
}

/* The sum over overlapping lives can be longer than anyone reads. */
static void print_arena(const adze_dim *arena)
{
    char text[160];
    int64_t bytes;
    if (adze_dim_print(arena, text, sizeof text) < sizeof text)
        printf("%-8s %s bytes\n", "arena", text);
    else if (adze_dim_evaluate(arena, NULL, 0, one, NULL, &bytes))
        printf("%-8s %lld bytes where symbolic dims are 1\n", "arena", (long long)bytes);
}

/* What the steps of compiled code are. */
typedef struct lowered {
    tally floor, kernels;
    uint64_t steps, launches, views;
} lowered;

static bool count_steps(lowered *l, const adze_region *block)
{
    bool ok = true;
    for (adze_op *op = adze_region_first(block); op && ok; op = adze_op_next(op)) {
        if (adze_op_has_trait(op, ADZE_TERMINATOR)) continue;
        if (adze_op_is(op, "launch"))
            l->launches++, ok = tally_add(&l->kernels, adze_op_attr_str(op, "callee"));
        else if (adze_plan_is_view(op))
            l->views++;
        else if (adze_op_get_row(op)->eval && !adze_op_is(op, "dims")) /* which are written, not computed */
            l->steps++, ok = tally_add(&l->floor, adze_op_name(op));
    }
    return ok;
}

static bool print_kernels(const adze_module *module, const adze_target *target)
{
    const adze_func *main = adze_module_main(module);
    lowered l = {0};
    bool ok = true;
    for (adze_region *block = adze_func_body(main); block && ok; block = adze_block_next(block))
        ok = count_steps(&l, block);
    printf("%-8s %s:%s\n", "target", adze_target_name(target), adze_target_level(target));
    printf("%-8s %u, launched %llu times; %llu views\n", "kernels", l.kernels.n, (unsigned long long)l.launches,
           (unsigned long long)l.views);
    if (adze_plan_arena_bytes(main)) print_arena(adze_plan_arena_bytes(main));
    printf("%-8s %llu\n", "floor", (unsigned long long)l.steps);
    tally_print(&l.floor, "  ");
    tally_free(&l.floor);
    tally_free(&l.kernels);
    return ok || adze_error(adze_loc_unknown(adze_module_context(module)), "out of memory");
}

/* What stands before the loops counts: the passes remove much of what a target could not do as imported. */
static bool print_target(const adze_device *d, const adze_common *common)
{
    const adze_target *target = adze_work_target(d->work, common);
    adze_module *module = target ? adze_work_read(d->work, common, d->path) : NULL;
    bool ok = module && adze_work_lower(d->work, common, module, true);
    if (ok && adze_registry_backend(d->work->registry, adze_target_name(target))->takes_tensors)
        printf("%-8s %s\n", "target", adze_target_name(target)); /* it has no kernels and no floor */
    else
        ok = ok && print_kernels(module, target);
    adze_module_destroy(module);
    return ok;
}

/* Of the simplified model, which is what prune-channels sees. */
static bool print_channels(const adze_device *d, const adze_common *common)
{
    adze_text text = {0};
    adze_module *module = adze_module_clone(d->module);
    adze_channels *channels =
        adze_work_run_passes(d->work, common, "simplify", NULL, module) ? adze_channels_find(module) : NULL;
    if (channels) adze_channels_print(channels, &text);
    if (channels) fputs(text.data, stdout);
    bool ok = channels;
    adze_text_free(&text);
    adze_channels_free(channels);
    adze_module_destroy(module);
    return ok;
}

/* ---- Artifacts ---- */

static bool print_artifact(const adze_device *d)
{
    const adze_artifact *a = adze_model_artifact(d->model);
    const char *level = adze_model_level(d->model);
    tally floor = {0};
    uint64_t n_floor = 0;
    bool ok = true;
    printf("%-8s %s\n%-8s %s\n%-8s %s\n", "artifact", d->path, "name", a->name, "compiler", a->version);
    print_ports(d);
    for (uint32_t i = 0; i < a->n_levels; i++)
        printf("%-8s %s%s\n", "level", a->levels[i].name,
               !*level ? " (not on this CPU)" : strcmp(a->levels[i].name, level) ? "" : " (runs here)");
    for (uint32_t i = 0; i < a->n_steps && ok; i++)
        if (a->steps[i].flags & ADZE_STEP_FLOOR) n_floor++, ok = tally_add(&floor, a->steps[i].name);
    printf("%-8s %llu bytes%s%s\n", "weights", (unsigned long long)a->weights_size, a->weights_file ? " in " : "",
           a->weights_file ? a->weights_file : "");
    printf("%-8s %u\n%-8s %llu\n", "steps", a->n_steps, "floor", (unsigned long long)n_floor);
    tally_print(&floor, "  ");
    tally_free(&floor);
    return ok || adze_error(adze_loc_unknown(d->work->context), "out of memory");
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    const options *o = given;
    if (o->targets)
        return n_files ? adze_usage_error("info --targets takes no model") : !adze_print_targets(work);
    if (!n_files) return adze_usage_error("info takes one model, got 0; adze info --help says more");
    const char *path = files[0];
    adze_device device;
    bool artifact = adze_is_artifact(path), ok;
    adze_common plain = o->common; /* the passes are for the target's part */
    if (artifact && (plain.target || plain.passes || plain.level >= 0 || plain.dims.count || o->sensitivity ||
                     o->channels))
        return adze_usage_error("%s is compiled already: info of it takes no --target, --passes, -O, --dim, "
                                "--sensitivity or --channels",
                                path);
    const adze_sensitivity *measure = o->sensitivity ? adze_find_sensitivity(work, o->sensitivity) : NULL;
    if (o->sensitivity && !measure) return 2;
    plain.target = plain.passes = NULL;
    ok = adze_device_open(&device, work, &plain, path, artifact ? ADZE_DEVICE_DESCRIBED : ADZE_DEVICE_REFERENCE);
    if (ok) ok = artifact ? print_artifact(&device) : print_module(&device);
    if (ok && o->channels) ok = print_channels(&device, &plain);
    if (ok && measure) ok = adze_print_sensitivity(measure, device.module);
    if (ok && !artifact && !adze_common_is_reference(&o->common)) ok = print_target(&device, &o->common);
    adze_device_close(&device);
    return !ok;
}

const adze_command adze_command_info = {
    .name = "info",
    .summary = "tell what a model or an artifact is made of",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .files_max = 1,
    .run = run,
};
