/* What a descriptor brings beside passes: frontends, metrics, sensitivities, code, rows with bodies; and descriptors
 * of older plug-ins, which are shorter. */
#include "unit.h"

#include <adze/registry.h>

typedef struct fixture {
    adze_context *context;
    adze_registry *registry;
    char message[512]; /* the last error */
} fixture;

static void keep(void *self, const adze_diagnostic *diagnostic)
{
    fixture *f = self;
    snprintf(f->message, sizeof f->message, "%s", diagnostic->message);
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

#define HEAD                                                                                               \
    .magic = ADZE_PLUGIN_MAGIC, .abi = ADZE_ABI, .struct_size = sizeof(adze_plugin), .name = "unit", .version = "1"

/* Refused with that text. */
static void check_refused(const adze_plugin *plugin, const char *wanted)
{
    fixture f;
    open_fixture(&f);
    CHECK(!adze_registry_add(f.registry, plugin));
    CHECK(strstr(f.message, wanted) != NULL);
    if (!strstr(f.message, wanted)) printf("  got \"%s\", want \"%s\"\n", f.message, wanted);
    close_fixture(&f);
}

/* ---- Frontends ---- */

static adze_module *read_nothing(adze_context *context, const char *path, const adze_read_options *options)
{
    (void)options;
    return adze_module_create(context, path);
}

static const char *const mlp[] = {".mlp", NULL}, *const onnx[] = {".onnx", NULL};

TEST(frontend_by_suffix)
{
    static const adze_frontend mine = {
        .struct_size = sizeof mine, .name = "mlp", .help = "toy", .suffixes = mlp, .read = read_nothing};
    static const adze_frontend *const frontends[] = {&mine, NULL};
    const adze_plugin plugin = {HEAD, .frontends = frontends};
    fixture f;
    open_fixture(&f);
    CHECK(!adze_registry_frontend_for(f.registry, "a.mlp"));
    CHECK(adze_registry_add(f.registry, &plugin));
    CHECK(adze_registry_frontend_for(f.registry, "a.mlp") == &mine);
    CHECK(!adze_registry_frontend_for(f.registry, ".mlp"));
    CHECK(!adze_registry_frontend_for(f.registry, "mlp"));
    CHECK_STR(adze_registry_frontend_for(f.registry, "b.onnx")->name, "onnx");
    CHECK_INT(adze_registry_num_frontends(f.registry), 2);
    CHECK(adze_registry_frontend(f.registry, 1) == &mine);
    close_fixture(&f);
}

TEST(frontend_refused)
{
    static const adze_frontend same = {
        .struct_size = sizeof same, .name = "onnx", .help = "-", .suffixes = mlp, .read = read_nothing};
    static const adze_frontend suffix = {
        .struct_size = sizeof suffix, .name = "other", .help = "-", .suffixes = onnx, .read = read_nothing};
    static const adze_frontend deaf = {.struct_size = sizeof deaf, .name = "deaf", .help = "-", .suffixes = mlp};
    static const char *const texts[] = {".adz", NULL}, *const all[] = {"", NULL};
    static const adze_frontend text = {
        .struct_size = sizeof text, .name = "text", .help = "-", .suffixes = texts, .read = read_nothing};
    static const adze_frontend greedy = {
        .struct_size = sizeof greedy, .name = "greedy", .help = "-", .suffixes = all, .read = read_nothing};
    const struct {
        const adze_frontend *frontend;
        const char *wanted;
    } cases[] = {{&same, "the frontend name 'onnx' is taken"},
                 {&suffix, "files named .onnx have a frontend already"},
                 {&deaf, "the frontend 'deaf' is incomplete"},
                 {&text, "'.adz' is no suffix"},
                 {&greedy, "'' is no suffix"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const adze_frontend *const frontends[] = {cases[i].frontend, NULL};
        const adze_plugin plugin = {HEAD, .frontends = frontends};
        check_refused(&plugin, cases[i].wanted);
    }
}

/* ---- Metrics and sensitivities ---- */

static bool count(void *state, const adze_sample *sample, const char **out_why)
{
    (void)sample, (void)out_why;
    ++*(double *)state;
    return true;
}

static double counted(const void *state) { return *(const double *)state; }

TEST(metric_by_name)
{
    static const adze_metric mine = {.struct_size = sizeof mine, .name = "count", .unit = "", .help = "samples",
                                     .state_size = sizeof(double), .add = count, .value = counted};
    static const adze_metric *const metrics[] = {&mine, NULL};
    const adze_plugin plugin = {HEAD, .metrics = metrics};
    fixture f;
    open_fixture(&f);
    uint32_t before = adze_registry_num_metrics(f.registry);
    CHECK(adze_registry_find_metric(f.registry, "top1,top5", 4) == adze_registry_metric(f.registry, 0));
    CHECK(!adze_registry_find_metric(f.registry, "top1", 3));
    CHECK(adze_registry_add(f.registry, &plugin));
    CHECK(adze_registry_metric(f.registry, before) == &mine);
    CHECK(adze_registry_find_metric(f.registry, "count", 5) == &mine);
    close_fixture(&f);
}

TEST(metric_refused)
{
    static const adze_metric taken = {.struct_size = sizeof taken, .name = "top1", .unit = "", .help = "-",
                                      .add = count, .value = counted};
    static const adze_metric deaf = {.struct_size = sizeof deaf, .name = "deaf", .unit = "", .help = "-"};
    const adze_metric *const first[] = {&taken, NULL}, *const second[] = {&deaf, NULL};
    const adze_plugin one = {HEAD, .metrics = first}, two = {HEAD, .metrics = second};
    check_refused(&one, "the metric name 'top1' is taken");
    check_refused(&two, "the metric 'deaf' is incomplete");
}

TEST(magnitude)
{
    fixture f;
    open_fixture(&f);
    const adze_sensitivity *s = adze_registry_find_sensitivity(f.registry, "magnitude");
    REQUIRE(s);
    CHECK(!adze_registry_find_sensitivity(f.registry, "nothing"));
    float data[] = {1, -2, 0.5F};
    int64_t dims[] = {3};
    adze_value weight = {.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f32, .rank = 1, .dims = dims, .data = data};
    adze_sensitivity_query query = {.struct_size = sizeof query, .weight = &weight};
    double scores[3];
    const char *why;
    CHECK(s->score(&query, scores, &why));
    CHECK(scores[0] == 1 && scores[1] == 2 && scores[2] == 0.5);
    close_fixture(&f);
}

/* ---- Code ---- */

static const char *const symbols[] = {"eval_unit", NULL};
static const char bitcode[] = "BC\xC0\xDE....";

static adze_code code_of(const char *level)
{
    return (adze_code){.struct_size = sizeof(adze_code), .name = "unit", .target = "x86", .level = level,
                       .bytes = bitcode, .end = bitcode + sizeof bitcode, .symbols = symbols};
}

TEST(code_by_level)
{
    static const char *const v4[] = {"v4", "v3", NULL}, *const v3[] = {"v3", NULL};
    fixture f;
    open_fixture(&f);
    const adze_code all = code_of(NULL), high = code_of("v4"), again = code_of("v4");
    CHECK(!adze_context_find_code(f.context, "x86", v4, "eval_unit"));
    CHECK(adze_context_add_code(f.context, &high));
    CHECK(!adze_context_find_code(f.context, "x86", v3, "eval_unit"));
    CHECK(adze_context_add_code(f.context, &all));
    CHECK(adze_context_find_code(f.context, "x86", v4, "eval_unit") == &high);
    CHECK(adze_context_find_code(f.context, "x86", v3, "eval_unit") == &all);
    CHECK(!adze_context_find_code(f.context, "cuda", v4, "eval_unit"));
    CHECK(!adze_context_find_code(f.context, "x86", v4, "eval_other"));
    CHECK(!adze_context_add_code(f.context, &again));
    CHECK_STR(f.message, "code 'unit' is for a function that has code already");
    close_fixture(&f);
}

TEST(code_refused)
{
    static const char text[] = "int x;";
    adze_code bad[4] = {code_of(NULL), code_of(NULL), code_of(NULL), code_of(NULL)};
    bad[0].bytes = text, bad[0].end = text + sizeof text;
    bad[1].end = bad[1].bytes;
    bad[2].target = NULL;
    bad[3].symbols = symbols + 1;
    static const char *const wanted[] = {"neither LLVM bitcode nor an ELF object",
                                         "neither LLVM bitcode nor an ELF object", "has no target",
                                         "is for no function"};
    for (int i = 0; i < 4; i++) {
        const adze_code *const codes[] = {&bad[i], NULL};
        const adze_plugin plugin = {HEAD, .codes = codes};
        check_refused(&plugin, wanted[i]);
    }
}

/* ---- Rows with bodies ---- */

static void negate_row(void *out, const void *const *args, const int64_t *steps, int64_t n)
{
    const float *x = args[0];
    for (int64_t i = 0; i < n; i++) ((float *)out)[i] = -x[i * steps[0]];
}

static const adze_body negate = {.name = "unit_neg", .symbol = "adze_body_unit_neg_f32", .params = "", .operands = 1,
                                 .arguments = 1, .dtype = ADZE_DTYPE_f32, .compute = ADZE_DTYPE_f32,
                                 .result = ADZE_DTYPE_f32, .args = {ADZE_DTYPE_f32}, .row = negate_row};

static adze_op_row row_of(const adze_body *bodies)
{
    return (adze_op_row){.struct_size = sizeof(adze_op_row), .abi = ADZE_ABI, .name = "unit_neg", .help = "-x",
                         .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .traits = ADZE_PURE | ADZE_ELEMWISE,
                         .infer = adze_infer_same, .access = adze_access_elementwise, .bodies = bodies, .n_bodies = 1};
}

/* The body is the op's meaning: no evaluation is needed, and other element types are refused. */
TEST(body_is_meaning)
{
    static const char text[] = "func @main(%x: f32[2,3]) -> (f32[2,3]) {\n"
                               "  %0 = unit_neg(%x) : f32[2,3]\n  return(%0)\n}\n";
    static const char other[] = "func @main(%x: f64[2]) -> (f64[2]) {\n"
                                "  %0 = unit_neg(%x) : f64[2]\n  return(%0)\n}\n";
    const adze_op_row row = row_of(&negate);
    const adze_op_row *const ops[] = {&row, NULL};
    const adze_plugin plugin = {HEAD, .ops = ops};
    fixture f;
    open_fixture(&f);
    REQUIRE(adze_registry_add(f.registry, &plugin));
    adze_module *module = adze_module_parse(f.context, "unit", text, sizeof text - 1);
    REQUIRE(module);
    float data[6] = {1, -2, 3, 4, 5, 6};
    int64_t dims[] = {2, 3};
    adze_value in = {.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f32, .rank = 2, .dims = dims, .data = data}, out;
    CHECK(adze_op_has_loop_form(adze_region_first(adze_func_body(adze_module_main(module)))));
    REQUIRE(adze_interpret(adze_module_main(module), &in, 1, &out, 1, NULL, NULL));
    for (int i = 0; i < 6; i++) CHECK(((float *)out.data)[i] == -data[i]);
    adze_outputs_free(&out, 1);
    adze_module_destroy(module);
    CHECK(!adze_module_parse(f.context, "unit", other, sizeof other - 1));
    CHECK(strstr(f.message, "unit_neg is not defined for the elements of f64[2]") != NULL);
    close_fixture(&f);
}

TEST(body_refused)
{
    adze_body silent = negate, many = negate, binary = negate;
    silent.row = NULL;
    many.arguments = ADZE_BODY_MAX_ARGS + 1;
    binary.operands = binary.arguments = 2;
    adze_body untyped = negate, nameless = negate;
    untyped.result = 9999;
    nameless.params = "alpha";
    nameless.arguments = 2;
    nameless.args[1] = ADZE_DTYPE_f32;
    adze_op_row rows[] = {row_of(&silent), row_of(&many),   row_of(&binary),  row_of(NULL),
                          row_of(&negate), row_of(&untyped), row_of(&nameless)};
    rows[4].traits = ADZE_PURE;
    static const char *const wanted[] = {"a body without functions", "too many arguments", "a body of other operands",
                                         "counts bodies but lists none", "is no elementwise op",
                                         "a body of unknown element types", "no numeric attributes"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const adze_op_row *const ops[] = {&rows[i], NULL};
        const adze_plugin plugin = {HEAD, .ops = ops};
        check_refused(&plugin, wanted[i]);
    }
}

/* ---- Rows that contradict themselves ---- */

TEST(op_name_refused)
{
    char long_name[102];
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = {"a.b", "a-b", long_name};
    for (int i = 0; i < 3; i++) {
        adze_op_row row = row_of(&negate);
        row.name = names[i];
        const adze_op_row *const ops[] = {&row, NULL};
        const adze_plugin plugin = {HEAD, .ops = ops};
        check_refused(&plugin, "has a name that is more than");
    }
}

TEST(attribute_refused)
{
    static const struct {
        adze_attr_row attr;
        const char *wanted;
    } cases[] = {{{"", ADZE_ATTR_INT, "1"}, "an attribute without a name"},
                 {{"a", (adze_attr_kind)99, NULL}, "an attribute of no kind"},
                 {{"a", ADZE_ATTR_STR, "x"}, "whose default is not of its kind"},
                 {{"a", ADZE_ATTR_INT, "x"}, "whose default is not of its kind"},
                 {{"a", ADZE_ATTR_INTS, "[x]"}, "whose default is not of its kind"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        adze_op_row row = row_of(&negate);
        row.attrs = &cases[i].attr;
        row.n_attrs = 1;
        const adze_op_row *const ops[] = {&row, NULL};
        const adze_plugin plugin = {HEAD, .ops = ops};
        check_refused(&plugin, cases[i].wanted);
    }
}

static bool infer_nothing(adze_op *op, const adze_type **out_types)
{
    (void)op;
    out_types[0] = NULL;
    return true;
}

static adze_context *elsewhere;

static bool infer_elsewhere(adze_op *op, const adze_type **out_types)
{
    (void)op;
    out_types[0] = adze_type_unranked(elsewhere, ADZE_DTYPE_f32);
    return true;
}

/* Inference that gives no type of this context is told, whether the type is stated or not. */
TEST(inference_gives_no_type)
{
    static const char *const texts[] = {"func @f(%x: f32[2]) -> (f32[2]) {\n  %0 = unit_neg(%x) : f32[2]\n"
                                        "  return(%0)\n}\n",
                                        "func @f(%x: f32[2]) -> (f32[2]) {\n  %0 = unit_neg(%x)\n  return(%0)\n}\n"};
    adze_infer_fn *const infer[] = {infer_nothing, infer_elsewhere};
    static const char *const wanted[] = {"the inference of unit_neg gives result 0 no type",
                                         "the inference of unit_neg gives result 0 a type of another context"};
    elsewhere = adze_context_create();
    for (int i = 0; i < 4; i++) {
        adze_op_row row = row_of(&negate);
        row.infer = infer[i / 2];
        const adze_op_row *const ops[] = {&row, NULL};
        const adze_plugin plugin = {HEAD, .ops = ops};
        fixture f;
        open_fixture(&f);
        CHECK(adze_registry_add(f.registry, &plugin));
        CHECK(!adze_module_parse(f.context, "unit", texts[i % 2], strlen(texts[i % 2])));
        CHECK_STR(f.message, wanted[i / 2]);
        close_fixture(&f);
    }
    adze_context_destroy(elsewhere);
}

/* ---- Older descriptors ---- */

static adze_outcome nothing(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)func, (void)options, (void)self;
    return ADZE_UNCHANGED;
}

static bool never(adze_context *context, char *why, size_t why_size)
{
    (void)context, (void)why, (void)why_size;
    return false;
}

/* What lies behind the end that a struct states is not looked at: here it would be an error. */
TEST(shorter_structs)
{
    adze_pass pass = {.struct_size = offsetof(adze_pass, purpose), .name = "unit-pass", .help = "does nothing",
                      .run = nothing, .purpose = (const char *)16, .start = never};
    adze_op_row row = row_of((const adze_body *)16);
    row.struct_size = offsetof(adze_op_row, bodies);
    const adze_pass *const passes[] = {&pass, NULL};
    const adze_op_row *const ops[] = {&row, NULL};
    adze_plugin plugin = {HEAD, .passes = passes, .ops = ops, .codes = (const adze_code *const *)16};
    plugin.struct_size = offsetof(adze_plugin, frontends);
    fixture f;
    open_fixture(&f);
    REQUIRE(adze_registry_add(f.registry, &plugin));
    CHECK(!adze_registry_find_pass(f.registry, "unit-pass")->purpose);
    CHECK_INT(adze_row_find(f.context, "unit_neg")->n_bodies, 0);
    close_fixture(&f);
    plugin.struct_size--;
    check_refused(&plugin, "plug-in descriptor has");
}

TEST(start_refuses)
{
    const adze_pass pass = {.struct_size = sizeof pass, .name = "unit-pass", .help = "does nothing", .run = nothing,
                            .start = never};
    const adze_pass *const passes[] = {&pass, NULL};
    const adze_plugin plugin = {HEAD, .passes = passes};
    check_refused(&plugin, "plug-in 'unit': pass 'unit-pass' cannot start: it gives no reason");
}

int main(void)
{
    RUN(frontend_by_suffix);
    RUN(frontend_refused);
    RUN(metric_by_name);
    RUN(metric_refused);
    RUN(magnitude);
    RUN(code_by_level);
    RUN(code_refused);
    RUN(body_is_meaning);
    RUN(body_refused);
    RUN(op_name_refused);
    RUN(attribute_refused);
    RUN(inference_gives_no_type);
    RUN(shorter_structs);
    RUN(start_refuses);
    return unit_end();
}
