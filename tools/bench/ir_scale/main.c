/* How long the compiler's own work takes on modules of 1,000 to 100,000 ops, and how that grows.
 *
 *     bench_ir_scale [--most=OPS] [--fixed] [--no-passes] [--check]
 *
 * The batch is symbolic, with --fixed it is 2. Each figure is the least of three runs. Passes run on a fresh copy, one
 * alone, and those that lower run on what the ones before them left. --check fails where a bound is broken.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <adze/registry.h>

enum { SIZES = 3, ROUNDS = 3, MOST_ROWS = 32 };
static const uint32_t sizes[SIZES] = {1000, 10000, 100000};

typedef struct row {
    const char *name;
    double seconds[SIZES];
    uint32_t ops[SIZES];
} row;

static struct {
    row rows[MOST_ROWS];
    uint32_t n_rows, size; /* index of the size being measured */
    bool failed, fixed, no_passes;
} bench;

/* Time of this process, which has one thread: others on the machine do not count. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Keeps the least time of a row. */
static void record(const char *name, double seconds)
{
    uint32_t i = 0;
    while (i < bench.n_rows && strcmp(bench.rows[i].name, name) != 0) i++;
    if (i == MOST_ROWS) return;
    if (i == bench.n_rows) bench.rows[bench.n_rows++].name = name;
    double *best = &bench.rows[i].seconds[bench.size];
    if (*best == 0 || seconds < *best) *best = seconds;
}

static void print_diagnostic(void *self, const adze_diagnostic *diagnostic)
{
    (void)self;
    adze_text text = {0};
    adze_diagnostic_print(diagnostic, &text);
    fprintf(stderr, "%s", text.data);
    adze_text_free(&text);
    bench.failed = true;
}

/* ---- Passes ---- */

/* Looks at every op and operand, as each pass does, and changes nothing. */
static uint64_t look(const adze_region *region)
{
    uint64_t seen = 0;
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++) seen += adze_op_operand(op, i) != NULL;
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) seen += look(adze_op_region(op, i));
    }
    return seen;
}

static adze_outcome run_nothing(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options, (void)self;
    return look(adze_func_body(func)) == 0 ? ADZE_FAILED : ADZE_UNCHANGED;
}

static const adze_pass nothing = {
    .struct_size = sizeof(adze_pass), .name = "nothing", .help = "looks at every op", .run = run_nothing};
static const adze_pass *const passes[] = {&nothing, NULL};
static const adze_plugin plugin = {.magic = ADZE_PLUGIN_MAGIC,
                                   .abi = ADZE_ABI,
                                   .struct_size = sizeof(adze_plugin),
                                   .name = "ir-scale",
                                   .version = "1",
                                   .passes = passes};

static void note_pass(void *self, const char *pass, uint32_t index, uint32_t count, double seconds,
                      adze_outcome outcome)
{
    (void)index, (void)count, (void)outcome;
    double *passed = self;
    (void)pass;
    if (seconds >= 0) *passed = seconds;
}

/* One pass on the module, timed without the verifier's runs before and after it. */
static void run_pass(adze_registry *registry, adze_module *module, const char *name)
{
    double seconds = 0;
    adze_run_options options = {
        .struct_size = sizeof options, .precision = ADZE_PRECISION_F32, .progress = note_pass, .self = &seconds};
    adze_pipeline *pipeline = adze_pipeline_parse(registry, name);
    if (!pipeline || !adze_pipeline_run(pipeline, module, &options)) bench.failed = true;
    adze_pipeline_destroy(pipeline);
    record(name, seconds);
}

static void run_passes(adze_registry *registry, const adze_module *module)
{
    static const char *const alone[] = {"nothing", "shape-fold", "canonicalize", "batchnorm-fold",
                                        "fold",    "cse",        "dce"};
    static const char *const chain[] = {"widen", "fuse", "layout", "tile", "plan"};
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        adze_module *copy = adze_module_clone(module);
        run_pass(registry, copy, alone[i]);
        adze_module_destroy(copy);
    }
    adze_module *copy = adze_module_clone(module);
    for (size_t i = 0; i < sizeof chain / sizeof *chain && !bench.failed; i++) run_pass(registry, copy, chain[i]);
    adze_module_destroy(copy);
}

/* ---- Text ---- */

static void run_size(adze_registry *registry, const adze_text *text)
{
    adze_context *context = adze_registry_context(registry);
    adze_text printed = {0};
    double start = now();
    adze_module *module = adze_module_parse(context, "ir-scale.adz", text->data, text->size);
    record("parse", now() - start);
    if (!module) return;
    start = now();
    adze_module_verify(module);
    record("verify", now() - start);
    adze_print_options options = {.struct_size = sizeof options, .max_elements = 16, .locations = true};
    start = now();
    adze_module_print(module, &options, &printed);
    record("print", now() - start);
    start = now();
    adze_module *copy = adze_module_clone(module);
    record("clone", now() - start);
    adze_module_destroy(copy);
    if (bench.fixed && !adze_module_fix_dim(module, "N", 2)) bench.failed = true;
    if (!bench.no_passes) run_passes(registry, module);
    adze_text_free(&printed);
    adze_module_destroy(module);
}

static void measure(uint32_t most)
{
    for (bench.size = 0; bench.size < SIZES && sizes[bench.size] <= most; bench.size++) {
        adze_text text = {0};
        uint32_t ops = model_text(&text, sizes[bench.size]);
        for (int round = 0; round < ROUNDS && !bench.failed; round++) {
            adze_context *context = adze_context_create();
            adze_context_set_sink(context, print_diagnostic, NULL);
            adze_registry *registry = adze_registry_create(context);
            if (!registry || !adze_registry_add(registry, &plugin)) bench.failed = true;
            if (!bench.failed) run_size(registry, &text);
            adze_registry_destroy(registry);
            adze_context_destroy(context);
        }
        fprintf(stderr, "%u ops, %zu bytes of text\n", ops, text.size);
        adze_text_free(&text);
    }
}

static double ms(const char *name, uint32_t size)
{
    for (uint32_t i = 0; i < bench.n_rows; i++)
        if (strcmp(bench.rows[i].name, name) == 0) return bench.rows[i].seconds[size] * 1e3;
    return 0;
}

/* Growth: time per op against that of the size before; 1 is linear. */
static void print_table(uint32_t most)
{
    printf("%-16s", "ms");
    for (uint32_t k = 0; k < SIZES && sizes[k] <= most; k++) printf("%10u%s", sizes[k], k ? "  growth" : "");
    printf("\n");
    for (uint32_t i = 0; i < bench.n_rows; i++) {
        const row *r = &bench.rows[i];
        printf("%-16s", r->name);
        for (uint32_t k = 0; k < SIZES && sizes[k] <= most; k++) {
            printf("%10.2f", r->seconds[k] * 1e3);
            if (k) printf("%8.2f", r->seconds[k] / r->seconds[k - 1] * sizes[k - 1] / sizes[k]);
        }
        printf("\n");
    }
}

static bool within(const char *what, double got, double bound)
{
    if (got <= bound) return true;
    printf("%s: %.1f ms, more than %.0f\n", what, got, bound);
    return false;
}

int main(int argc, char **argv)
{
    uint32_t most = sizes[SIZES - 1];
    bool check = false;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--most=", 7) == 0)
            most = (uint32_t)strtoul(argv[i] + 7, NULL, 10);
        else if (strcmp(argv[i], "--fixed") == 0)
            bench.fixed = true;
        else if (strcmp(argv[i], "--no-passes") == 0)
            bench.no_passes = true;
        else if (strcmp(argv[i], "--check") == 0)
            check = true;
        else
            return fprintf(stderr, "bench_ir_scale: no option '%s'\n", argv[i]), 2;
    }
    measure(most);
    print_table(most);
    bool ok = !bench.failed;
    if (check) {
        ok &= within("a pass that does nothing on 10,000 ops", ms("nothing", 1), 5);
        ok &= within("parse and print of 100,000 ops", ms("parse", 2) + ms("print", 2), 1000);
        ok &= within("verify of 100,000 ops", ms("verify", 2), 500);
    }
    return !ok;
}
