/* The registry refuses descriptors that contradict themselves or what is there; targets and pipelines
 * through the public interface. */
#include "unit.h"

#include <adze/registry.h>

typedef struct fixture {
    adze_context *context;
    adze_registry *registry;
    char message[512]; /* the last error */
    int errors;
} fixture;

static void keep(void *self, const adze_diagnostic *diagnostic)
{
    fixture *f = self;
    snprintf(f->message, sizeof f->message, "%s", diagnostic->message);
    f->errors++;
}

static void open_fixture(fixture *f)
{
    *f = (fixture){.context = adze_context_create()};
    adze_context_set_sink(f->context, keep, f);
    f->registry = adze_registry_create(f->context);
}

static void close_fixture(fixture *f)
{
    adze_registry_destroy(f->registry);
    adze_context_destroy(f->context);
}

static adze_outcome nothing(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)func, (void)options, (void)self;
    return ADZE_UNCHANGED;
}

static adze_outcome nothing_module(adze_module *module, const void *options, adze_pass_run *self)
{
    (void)module, (void)options, (void)self;
    return ADZE_UNCHANGED;
}

static const adze_pass good_pass = {
    .struct_size = sizeof(adze_pass), .name = "unit-pass", .help = "does nothing", .run = nothing};

static adze_plugin plugin_of(const adze_pass *const *passes)
{
    return (adze_plugin){.magic = ADZE_PLUGIN_MAGIC,
                         .abi = ADZE_ABI,
                         .struct_size = sizeof(adze_plugin),
                         .name = "unit",
                         .version = "1",
                         .passes = passes};
}

TEST(good_descriptor)
{
    fixture f;
    open_fixture(&f);
    const adze_pass *const passes[] = {&good_pass, NULL};
    adze_plugin plugin = plugin_of(passes);
    uint32_t before = adze_registry_num_passes(f.registry);
    CHECK(adze_registry_add(f.registry, &plugin));
    CHECK_INT(adze_registry_num_passes(f.registry), before + 1);
    CHECK(adze_registry_find_pass(f.registry, "unit-pass") == &good_pass);
    for (uint32_t i = 1; i <= before; i++)
        CHECK(strcmp(adze_registry_pass(f.registry, i - 1)->name, adze_registry_pass(f.registry, i)->name) < 0);
    CHECK(!adze_registry_add(f.registry, &plugin));
    CHECK_STR(f.message, "the plug-in name 'unit' is taken");
    close_fixture(&f);
}

/* Refused with that text, and nothing of it is registered. */
static void check_refused(const adze_plugin *plugin, const char *wanted)
{
    fixture f;
    open_fixture(&f);
    uint32_t before = adze_registry_num_passes(f.registry);
    CHECK(!adze_registry_add(f.registry, plugin));
    CHECK_INT(f.errors, 1);
    CHECK(strstr(f.message, wanted) != NULL);
    if (!strstr(f.message, wanted)) printf("  got \"%s\", want \"%s\"\n", f.message, wanted);
    CHECK_INT(adze_registry_num_passes(f.registry), before);
    close_fixture(&f);
}

TEST(bad_head)
{
    adze_plugin plugin = plugin_of(NULL);
    plugin.magic = 1;
    check_refused(&plugin, "bad magic");
    plugin = plugin_of(NULL);
    plugin.abi = ADZE_ABI + 1;
    check_refused(&plugin, "speaks ABI");
    plugin = plugin_of(NULL);
    plugin.struct_size = 8;
    check_refused(&plugin, "has 8 bytes");
    plugin = plugin_of(NULL);
    plugin.name = "no name";
    check_refused(&plugin, "no valid name");
    plugin.name = NULL;
    check_refused(&plugin, "no valid name");
}

static void check_pass_refused(adze_pass pass, const char *wanted)
{
    const adze_pass *const passes[] = {&good_pass, &pass, NULL};
    adze_plugin plugin = plugin_of(passes);
    check_refused(&plugin, wanted);
}

TEST(bad_pass)
{
    adze_pass pass = good_pass;
    pass.name = "other";
    pass.struct_size = 4;
    check_pass_refused(pass, "struct_size 4");
    pass = good_pass;
    check_pass_refused(pass, "brings the pass name 'unit-pass' twice");
    pass.name = "dce";
    check_pass_refused(pass, "the pass name 'dce' is taken");
    pass.name = "repeat";
    check_pass_refused(pass, "the pass name 'repeat' is taken");
    pass.name = "O2";
    check_pass_refused(pass, "the pass name 'O2' is taken");
    pass.name = "a,b";
    check_pass_refused(pass, "no valid name");
    pass.name = "other";
    pass.help = NULL;
    check_pass_refused(pass, "no help line");
    pass.help = "helps";
    pass.run = NULL;
    check_pass_refused(pass, "exactly one of run and run_module");
    pass.run = nothing;
    pass.run_module = nothing_module;
    check_pass_refused(pass, "exactly one of run and run_module");
}

TEST(bad_option)
{
    static const adze_option outside = {"n", "a number", ADZE_OPTION_INT, 4, "1"};
    static const adze_option unknown = {"n", "a number", (adze_option_kind)9, 0, "1"};
    static const adze_option fallback = {"n", "a number", ADZE_OPTION_INT, 0, "one"};
    adze_pass pass = good_pass;
    pass.name = "other";
    pass.n_options = 1;
    pass.options_size = 8;
    pass.options = &outside;
    check_pass_refused(pass, "pass 'other': option 0 contradicts itself");
    pass.options = &unknown;
    check_pass_refused(pass, "pass 'other': option 0 contradicts itself");
    pass.options = &fallback;
    check_pass_refused(pass, "option 'n' takes a whole number, got 'one'");
    static const adze_option far = {"n", "a number", ADZE_OPTION_INT, SIZE_MAX - 3, "1"};
    pass.options = &far;
    check_pass_refused(pass, "pass 'other': option 0 contradicts itself");
    static const adze_option twice[] = {{"n", "a number", ADZE_OPTION_BOOL, 0, "1"},
                                        {"n", "a number", ADZE_OPTION_BOOL, 1, "1"}};
    pass.options = twice;
    pass.n_options = 2;
    check_pass_refused(pass, "pass 'other': option 1 contradicts itself");
    pass.options_size = UINT32_MAX;
    check_pass_refused(pass, "2 options in 4294967295 bytes");
    pass.options_size = 8;
    pass.n_options = 1000000000;
    check_pass_refused(pass, "1000000000 options in 8 bytes");
    pass.n_options = 1;
    pass.options = NULL;
    check_pass_refused(pass, "never NULL");
}

/* ---- What a pass gives ---- */

static adze_outcome give_7(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)func, (void)options, (void)self;
    return (adze_outcome)7;
}

static adze_outcome give_7_module(adze_module *module, const void *options, adze_pass_run *self)
{
    (void)module, (void)options, (void)self;
    return (adze_outcome)7;
}

static adze_outcome leave_numerics(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)func, (void)options;
    self->numerics = (adze_numerics)-5;
    return ADZE_UNCHANGED;
}

TEST(bad_outcome)
{
    adze_pass passes[] = {good_pass, good_pass, good_pass};
    static const char text[] = "func @f() -> () {\n  return()\n}\n";
    const char *const wanted[] = {"gave 7, which is none of", "gave 7, which is none of", "left numerics at -5"};
    passes[0].run = give_7;
    passes[1].run = NULL;
    passes[1].run_module = give_7_module;
    passes[2].run = leave_numerics;
    for (int i = 0; i < 3; i++) {
        fixture f;
        open_fixture(&f);
        const adze_pass *const list[] = {&passes[i], NULL};
        adze_plugin plugin = plugin_of(list);
        CHECK(adze_registry_add(f.registry, &plugin));
        adze_module *module = adze_module_parse(f.context, "unit", text, strlen(text));
        adze_pipeline *pipeline = adze_pipeline_parse(f.registry, "unit-pass");
        CHECK(!adze_pipeline_run(pipeline, module, NULL));
        CHECK(strstr(f.message, wanted[i]) != NULL);
        CHECK_INT(f.errors, 1);
        adze_pipeline_destroy(pipeline);
        adze_module_destroy(module);
        close_fixture(&f);
    }
}

/* ---- Names and lists ---- */

TEST(bad_name_and_list)
{
    char name[300];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    adze_pass pass = good_pass;
    pass.name = name;
    check_pass_refused(pass, "a pass has no valid name");
    pass.name = "other";
    pass.numerics = (adze_numerics)99;
    check_pass_refused(pass, "numerics is none of");
    static const adze_rule_set set = {sizeof set, 0, "unit-rules", ""};
    static const adze_rule_set *sets[5000];
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) sets[i] = &set;
    adze_plugin plugin = plugin_of(NULL);
    plugin.rules = sets;
    check_refused(&plugin, "without NULL at its end: rule set");
    plugin = plugin_of(NULL);
    plugin.name = name;
    check_refused(&plugin, "no valid name");
}

TEST(bad_rules)
{
    static const adze_rule_set broken = {sizeof broken, 0, "unit-rules", "rule r"};
    static const adze_rule_set taken = {sizeof taken, 0, "views", ""};
    static const adze_rule_set empty = {sizeof empty, 0, "unit-rules", NULL};
    static const adze_rule_set shorter = {4, 0, "unit-rules", ""};
    const struct {
        const adze_rule_set *set;
        const char *wanted;
    } cases[] = {{&broken, "expected EXACT or FAST"},
                 {&taken, "the rule set name 'views' is taken"},
                 {&empty, "is incomplete"},
                 {&shorter, "struct_size 4"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const adze_rule_set *const rules[] = {cases[i].set, NULL};
        adze_plugin plugin = plugin_of(NULL);
        plugin.rules = rules;
        check_refused(&plugin, cases[i].wanted);
    }
}

TEST(bad_backend)
{
    static const adze_backend incomplete = {.struct_size = sizeof incomplete, .name = "unit", .help = "none"};
    const adze_backend *const backends[] = {&incomplete, NULL};
    adze_plugin plugin = plugin_of(NULL);
    plugin.backends = backends;
    check_refused(&plugin, "the backend 'unit' is incomplete");
    fixture f;
    open_fixture(&f);
    CHECK(!adze_registry_backend(f.registry, "no_such"));
    CHECK(strstr(f.message, "cannot read the plug-in") != NULL);
    CHECK(!adze_registry_backend(f.registry, "../x"));
    CHECK_STR(f.message, "'../x' cannot name a backend");
    close_fixture(&f);
}

TEST(targets)
{
    fixture f;
    open_fixture(&f);
    const adze_target *v3 = adze_registry_target(f.registry, "x86");
    REQUIRE(v3);
    CHECK_STR(adze_target_name(v3), "x86");
    CHECK_STR(adze_target_level(v3), "x86-64-v3");
    CHECK_INT(adze_target_number(v3, "vector-bits", 0), 256);
    CHECK_INT(adze_target_number(v3, "l1", 0), 32768);
    CHECK_INT(adze_target_number(v3, "no-such-key", 42), 42);
    const adze_target *v4 = adze_registry_target(f.registry, "x86:x86-64-v4");
    REQUIRE(v4);
    CHECK_INT(adze_target_number(v4, "vector-bits", 0), 512);
    CHECK_INT(adze_target_number(v4, "l2", 0), 1 << 20);
    CHECK(adze_registry_target(f.registry, "x86:x86-64-v4") == v4);
    CHECK_INT(f.errors, 0);
    close_fixture(&f);
}

/* The host is one of the levels, with at least one core; or its CPU has none of them. */
TEST(host_target)
{
    fixture f;
    open_fixture(&f);
    const adze_target *host = adze_registry_target(f.registry, "x86:host");
    if (!host) {
        CHECK(strstr(f.message, "none of its levels") != NULL);
    } else {
        const char *level = adze_target_level(host);
        CHECK(!strcmp(level, "x86-64-v3") || !strcmp(level, "x86-64-v4") || !strcmp(level, "x86-64-v4-vnni"));
        CHECK(adze_target_number(host, "cores", 0) >= 1);
        CHECK(adze_target_number(host, "l1", 0) >= 4096);
    }
    close_fixture(&f);
}

TEST(pipeline_runs_without_options)
{
    static const char text[] = "func @main(%x: f32[4]) -> (f32[4]) {\n"
                               "  %0 = relu(%x) : f32[4]\n  return(%x)\n}\n";
    fixture f;
    open_fixture(&f);
    adze_module *module = adze_module_parse(f.context, "unit", text, sizeof text - 1);
    REQUIRE(module);
    adze_pipeline *pipeline = adze_pipeline_parse(f.registry, "dce");
    REQUIRE(pipeline);
    CHECK(adze_pipeline_run(pipeline, module, NULL));
    adze_op *first = adze_region_first(adze_func_body(adze_module_main(module)));
    CHECK_STR(adze_op_name(first), "return");
    adze_pipeline_destroy(pipeline);
    adze_pipeline_destroy(NULL);
    adze_module_destroy(module);
    close_fixture(&f);
}

typedef struct told {
    double parts[8];
    char whats[8][16];
    int n;
} told;

static void tell(void *self, const char *pass, double part, const char *what)
{
    told *t = self;
    CHECK_STR(pass, "prune");
    if (t->n == 8) return;
    t->parts[t->n] = part;
    snprintf(t->whats[t->n++], sizeof t->whats[0], "%s", what);
}

TEST(pass_tells_its_progress)
{
    static const char text[] = "const @a : f32[2,2] = dense[1, 2, 3, 4]\nconst @b : f32[2,2] = dense[5, 6, 7, 8]\n"
                               "func @main(%x: f32[4,2]) -> (f32[4,2]) {\n"
                               "  %0 = matmul(%x, @a) : f32[4,2]\n  %1 = matmul(%0, @b) : f32[4,2]\n"
                               "  return(%1)\n}\n";
    fixture f;
    told t = {.n = 0};
    open_fixture(&f);
    adze_module *module = adze_module_parse(f.context, "unit", text, sizeof text - 1);
    REQUIRE(module);
    adze_pipeline *pipeline = adze_pipeline_parse(f.registry, "dce,prune{sparsity=0.5,method=magnitude}");
    REQUIRE(pipeline);
    adze_run_options options = {.struct_size = sizeof options, .within = tell, .self = &t};
    CHECK(adze_pipeline_run(pipeline, module, &options));
    REQUIRE(t.n == 2);
    CHECK(t.parts[0] == 0.5 && t.parts[1] == 0.75);
    CHECK_STR(t.whats[0], "a");
    CHECK_STR(t.whats[1], "b");
    adze_pipeline_destroy(pipeline);
    adze_module_destroy(module);
    close_fixture(&f);
}

int main(void)
{
    RUN(good_descriptor);
    RUN(bad_head);
    RUN(bad_pass);
    RUN(bad_option);
    RUN(bad_outcome);
    RUN(bad_name_and_list);
    RUN(bad_rules);
    RUN(bad_backend);
    RUN(targets);
    RUN(host_target);
    RUN(pipeline_runs_without_options);
    RUN(pass_tells_its_progress);
    return unit_end();
}
