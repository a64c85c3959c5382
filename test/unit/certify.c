/* Numeric certificates: what they measure, what each kind of pass is allowed, and which functions run. */
#include "unit.h"

#include <adze/certify.h>

#include <math.h>

/* Replaces each f32 constant by one whose first element differs by a part of 2^-shift; 0 = makes it NaN. */
static adze_outcome bend(adze_func *func, int shift)
{
    adze_module *module = adze_func_module(func);
    for (adze_const *c = adze_module_first_const(module), *next; c; c = next) {
        float values[4];
        next = adze_const_next(c);
        if (adze_type_dtype(adze_const_type(c)) != ADZE_DTYPE_f32 || !adze_const_has_uses(c)) continue;
        memcpy(values, adze_data_load(adze_const_data(c)), sizeof values);
        values[0] = shift ? values[0] + ldexpf(values[0], -shift) : NAN;
        adze_value_replace_uses(adze_const_value(c),
                                adze_const_make(module, "bent", adze_const_type(c), values));
        return ADZE_CHANGED;
    }
    return ADZE_UNCHANGED;
}

#define BEND(name, shift)                                                                     \
    static adze_outcome name(adze_func *func, const void *options, adze_pass_run *self)       \
    {                                                                                         \
        (void)options, (void)self;                                                            \
        return bend(func, shift);                                                             \
    }
BEND(one_bit, 23)
BEND(a_lot, 10)
BEND(to_nan, 0)

static adze_outcome nothing(adze_func *func, const void *o, adze_pass_run *self)
{
    return (void)func, (void)o, self->numerics = ADZE_EXACT, ADZE_UNCHANGED;
}
static adze_outcome says_exact(adze_func *func, const void *o, adze_pass_run *self)
{
    return (void)o, self->numerics = ADZE_EXACT, bend(func, 23);
}

static adze_outcome lies(adze_func *func, const void *options, adze_pass_run *self)
{
    return one_bit(func, options, self), ADZE_UNCHANGED;
}

/* A pass over modules that applies rules to one function after the other. */
static adze_outcome all_rules(adze_module *module, const void *options, adze_pass_run *self)
{
    adze_outcome all = ADZE_UNCHANGED;
    (void)options;
    for (adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f))
        if (adze_rules_run(f, self, "canonicalize", true) == ADZE_CHANGED) all = ADZE_CHANGED;
    return all;
}

#define PASS(id, text, fn, kind)                                                                            \
    static const adze_pass id = {                                                                           \
        .struct_size = sizeof(adze_pass), .name = text, .help = "for tests", .numerics = kind, .run = fn}
PASS(exact_bit, "exact-bit", one_bit, ADZE_EXACT);
PASS(fast_bit, "fast-bit", one_bit, ADZE_FAST);
PASS(fast_lot, "fast-lot", a_lot, ADZE_FAST);
PASS(fast_nan, "fast-nan", to_nan, ADZE_FAST);
PASS(lossy_lot, "lossy-lot", a_lot, ADZE_LOSSY);
PASS(stricter, "stricter", says_exact, ADZE_FAST);
PASS(nothing_fast, "nothing", nothing, ADZE_FAST);
PASS(liar, "liar", lies, ADZE_FAST);
static const adze_pass rules_module = {.struct_size = sizeof(adze_pass),
                                       .name = "rules-module",
                                       .help = "for tests",
                                       .numerics = ADZE_FAST,
                                       .run_module = all_rules};
static const adze_pass *const passes[] = {&exact_bit, &fast_bit,     &fast_lot, &fast_nan,     &lossy_lot,
                                          &stricter,  &nothing_fast, &liar,     &rules_module, NULL};
static const adze_plugin plugin = {.magic = ADZE_PLUGIN_MAGIC,
                                   .abi = ADZE_ABI,
                                   .struct_size = sizeof(adze_plugin),
                                   .name = "certify",
                                   .version = "1",
                                   .passes = passes};

static const char scale[] = "const @c : f32[4] = dense[1, 2, 3, 4]\n"
                            "func @main(%x: f32[4]) -> (%y: f32[4]) {\n"
                            "  %0 = add(%x, @c) : f32[4] loc(\"node_a\")\n  return(%0)\n}\n";

typedef struct fixture {
    adze_context *context;
    adze_registry *registry;
    char message[1024]; /* the last error */
    int errors;
    adze_certificate last;
    char nodes[64], output[64], why[256];
    int reports;
} fixture;

static void keep(void *self, const adze_diagnostic *diagnostic)
{
    fixture *f = self;
    snprintf(f->message, sizeof f->message, "%s", diagnostic->message);
    f->errors++;
}

static void report(void *self, const adze_certificate *c)
{
    fixture *f = self;
    f->last = *c;
    f->reports++;
    snprintf(f->nodes, sizeof f->nodes, "%s", c->nodes);
    snprintf(f->output, sizeof f->output, "%s", c->func ? c->output : "");
    snprintf(f->why, sizeof f->why, "%s", c->why);
}

static bool certify(fixture *f, const char *text, const char *pipeline_text, const adze_value *inputs)
{
    *f = (fixture){.context = adze_context_create()};
    adze_context_set_sink(f->context, keep, f);
    f->registry = adze_registry_create(f->context);
    adze_registry_add(f->registry, &plugin);
    adze_module *module = adze_module_parse(f->context, "unit", text, strlen(text));
    adze_pipeline *pipeline = adze_pipeline_parse(f->registry, pipeline_text);
    adze_certify_options options = {
        .struct_size = sizeof options, .inputs = inputs, .n_inputs = inputs ? 1 : 0, .report = report, .self = f};
    adze_run_options run = {.struct_size = sizeof run, .precision = ADZE_PRECISION_F32, .certify = &options};
    bool ok = module && pipeline && adze_pipeline_run(pipeline, module, &run);
    adze_pipeline_destroy(pipeline);
    adze_module_destroy(module);
    adze_registry_destroy(f->registry);
    adze_context_destroy(f->context);
    return ok;
}

TEST(exact_is_held_to_every_bit)
{
    static float zeros[4];
    int64_t dims[] = {4};
    adze_value x = {.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f32, .rank = 1, .dims = dims, .data = zeros};
    fixture f;
    CHECK(!certify(&f, scale, "dce,exact-bit,dce", &x));
    CHECK_INT(f.reports, 2);
    CHECK_INT(f.last.number, 2);
    CHECK(!f.last.ok && !f.last.exact);
    CHECK_NEAR(f.last.max_abs, 0x1p-23, 0);
    CHECK_NEAR(f.last.max_rel, 0x1p-25, 0);
    CHECK(f.last.n_elements == 4);
    CHECK(f.last.n_differ == 1);
    CHECK_INT(f.last.rank, 1);
    CHECK_INT(f.last.at[0], 0);
    CHECK_NEAR(f.last.before, 1, 0);
    CHECK_NEAR(f.last.scale, 4, 0);
    CHECK_STR(f.output, "y");
    CHECK_STR(f.nodes, "node_a");
    CHECK_INT(f.errors, 1);
    CHECK(strstr(f.message, "pass 'exact-bit' (run 2) is EXACT, but output 'y' of @main is 1.00000012 at [0], was 1;"));
}

TEST(fast_is_held_to_a_bound)
{
    fixture f;
    CHECK(certify(&f, scale, "fast-bit", NULL));
    CHECK(f.last.ok && !f.last.exact && f.last.n_over == 0 && f.last.n_differ == 1);
    CHECK(!certify(&f, scale, "fast-lot", NULL));
    CHECK(!f.last.ok && f.last.n_over == 1 && f.last.max_rel > 1e-5);
    CHECK(!certify(&f, scale, "fast-nan", NULL));
    CHECK(isinf(f.last.max_abs));
}

TEST(lossy_is_only_measured)
{
    fixture f;
    CHECK(certify(&f, scale, "lossy-lot", NULL));
    CHECK(f.last.ok && !f.last.exact && f.last.max_abs > 1e-4);
}

/* A FAST pass that says that it did nothing but exact things is held to that. */
TEST(a_run_may_be_stricter_than_its_pass)
{
    fixture f;
    CHECK(certify(&f, scale, "nothing", NULL));
    CHECK_INT(f.last.numerics, ADZE_EXACT);
    CHECK(f.last.exact);
    CHECK(f.last.n_elements == 4);
    CHECK(!certify(&f, scale, "stricter", NULL));
    CHECK_INT(f.last.numerics, ADZE_EXACT);
    CHECK(!certify(&f, scale, "liar", NULL)); /* to do nothing is exact */
}

TEST(integers_must_be_equal)
{
    static const char text[] = "const @c : f32[4] = dense[4194304, 2, 3, 4]\n"
                               "func @main(%x: f32[4]) -> (i32[4]) {\n"
                               "  %1 = cast(@c) {to = i32} : i32[4]\n  return(%1)\n}\n";
    fixture f;
    CHECK(!certify(&f, text, "fast-lot", NULL));
    CHECK(f.last.n_over == 1);
    CHECK_STR(f.output, "output0");
    CHECK(certify(&f, text, "dce", NULL));
}

/* Every function over tensors runs on made inputs, symbols get sizes. */
TEST(all_functions_and_symbols)
{
    static const char text[] = "const @c : f32[4] = dense[1, 2, 3, 4]\n"
                               "func @main(%x: f32[N,4]) -> (f32[N,4]) {\n"
                               "  %0 = relu(%x) : f32[N,4]\n  return(%0)\n}\n"
                               "func @other(%x: f32[N,4]) -> (f32[N,4]) {\n"
                               "  %0 = add(%x, @c) : f32[N,4]\n  return(%0)\n}\n";
    fixture f;
    CHECK(!certify(&f, text, "exact-bit", NULL));
    CHECK(strstr(f.message, "output 'output0' of @other is"));
    CHECK(certify(&f, text, "cse", NULL));
    CHECK(f.last.n_elements == 16); /* N = 2 in both */
}

TEST(main_must_run)
{
    static const char text[] = "func @main(%x: f32[*]) -> (f32[*]) {\n  %0 = relu(%x) : f32[*]\n  return(%0)\n}\n";
    fixture f;
    CHECK(!certify(&f, text, "dce", NULL));
    CHECK_INT(f.errors, 1);
    CHECK_STR(f.message, "@main cannot be certified: its input 'x', f32[*], cannot be made up");
}

TEST(built_in_pipeline)
{
    static const char text[] = "const @w : f32[4,4] = dense[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]\n"
                               "func @main(%x: f32[N,4]) -> (f32[N,4]) {\n"
                               "  %0 = matmul(%x, @w) : f32[N,4]\n  %1 = tanh(%0) : f32[N,4]\n  return(%1)\n}\n";
    fixture f;
    CHECK(certify(&f, text, "simplify,fuse,layout,tile", NULL));
    CHECK_STR(f.last.pass->name, "tile");
    CHECK(f.last.ok && f.last.n_elements == 8);
}

/* ---- Rewrites and runs of passes, which the same options watch ---- */

typedef struct watch {
    uint64_t limit, asked;
    uint32_t entered;
    char last[64]; /* the last rewrite, and the last pass as text */
    char text[64];
} watch;

static bool ask(void *self, const adze_rewrite_info *info)
{
    watch *w = self;
    w->asked = info->number;
    snprintf(w->last, sizeof w->last, "%u %s %s %s", info->run, info->pass->name, info->what,
             info->op ? adze_op_name(info->op) : "none");
    return info->number <= w->limit;
}

static bool enter(void *self, const adze_step_info *step, const adze_module *module)
{
    watch *w = self;
    w->entered = step->run;
    snprintf(w->text, sizeof w->text, "%s", step->text);
    return module;
}

/* Ops of the main function after a run. */
static int run_watched(watch *w, const char *pipeline_text, uint32_t stop_before)
{
    static const char text[] = "func @main(%x: f32[4]) -> (f32[4]) {\n"
                               "  %0 = relu(%x) : f32[4]\n  %1 = relu(%x) : f32[4]\n  %2 = relu(%x) : f32[4]\n"
                               "  %3 = add(%0, %1) : f32[4]\n  %4 = add(%3, %2) : f32[4]\n  return(%4)\n}\n";
    adze_context *context = adze_context_create();
    adze_registry *registry = adze_registry_create(context);
    adze_module *module = adze_module_parse(context, "unit", text, sizeof text - 1);
    adze_pipeline *pipeline = adze_pipeline_parse(registry, pipeline_text);
    adze_run_options run = {
        .struct_size = sizeof run, .rewrite = ask, .enter = enter, .stop_before = stop_before, .self = w};
    int count = pipeline && module && adze_pipeline_run(pipeline, module, &run) ? 0 : -1;
    for (adze_op *op = count ? NULL : adze_region_first(adze_func_body(adze_module_main(module))); op;
         op = adze_op_next(op))
        count++;
    adze_pipeline_destroy(pipeline);
    adze_module_destroy(module);
    adze_registry_destroy(registry);
    adze_context_destroy(context);
    return count;
}

TEST(rewrites_are_counted_and_cut_off)
{
    watch w = {.limit = 100};
    CHECK_INT(run_watched(&w, "cse,dce", 0), 4);
    CHECK(w.asked == 2);
    CHECK_STR(w.last, "1 cse merge relu");
    w = (watch){.limit = 1};
    CHECK_INT(run_watched(&w, "cse,dce", 0), 5);
    CHECK(w.asked == 2);
    w = (watch){.limit = 0};
    CHECK_INT(run_watched(&w, "cse,dce", 0), 6);
}

TEST(rules_of_several_functions_make_one_kind)
{
    static const char text[] = "const @three : f32[] = dense[3]\n"
                               "func @main(%x: f32[16]) -> (f32[16]) {\n"
                               "  %0 = pow(%x, @three) : f32[16]\n  return(%0)\n}\n"
                               "func @other(%x: f32[16]) -> (f32[16]) {\n"
                               "  %0 = relu(%x) : f32[16]\n  %1 = relu(%0) : f32[16]\n  return(%1)\n}\n";
    fixture f;
    CHECK(certify(&f, text, "rules-module", NULL));
    CHECK_INT(f.last.numerics, ADZE_FAST); /* though what the last function got is EXACT */
    CHECK(certify(&f, text, "rules-module,rules-module", NULL));
    CHECK_INT(f.last.numerics, ADZE_EXACT);
}

TEST(a_run_stops_before_a_pass)
{
    watch w = {.limit = 100};
    CHECK_INT(run_watched(&w, "dce,repeat{n=3}(dce,cse),fuse{max-ops=2}", 0), 3); /* two kernels */
    CHECK_INT(w.entered, 6); /* the second round changed nothing */
    CHECK_STR(w.text, "fuse{max-ops=2}");
    w = (watch){.limit = 100};
    CHECK_INT(run_watched(&w, "dce,repeat{n=3}(dce,cse),fuse{max-ops=2}", 3), 6);
    CHECK_INT(w.entered, 2);
    CHECK_STR(w.text, "dce");
    w = (watch){.limit = 100};
    CHECK_INT(run_watched(&w, "dce,cse", 9), 4);
    CHECK_INT(w.entered, 2);
}

int main(void)
{
    RUN(exact_is_held_to_every_bit);
    RUN(fast_is_held_to_a_bound);
    RUN(lossy_is_only_measured);
    RUN(a_run_may_be_stricter_than_its_pass);
    RUN(rules_of_several_functions_make_one_kind);
    RUN(integers_must_be_equal);
    RUN(all_functions_and_symbols);
    RUN(main_must_run);
    RUN(built_in_pipeline);
    RUN(rewrites_are_counted_and_cut_off);
    RUN(a_run_stops_before_a_pass);
    return unit_end();
}
