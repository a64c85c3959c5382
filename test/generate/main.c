/* Random valid modules through random pipelines, every pass run certified.
 *
 *     module_fuzz [--modules=N] [--first=K] [--seed=S] [--only=K] [--least=N] [--backend=FILE]
 *         [--export=FOLDER] [-v]
 *
 * Module number K of a seed is the same in every run. Each runs with the check mode and certificates (certify.h): a
 * pass that fails, that is EXACT and changes a bit, that is FAST and goes over the bound, that leaves a module broken,
 * lies about UNCHANGED or prints what does not read back, ends the program with status 1, the module in a file, and
 * the command that shows it again. At the end: how many modules had each op, how often each rule was applied; status 1
 * if one came less than --least times (1 for every 500 modules by default).
 * With --export no passes run: each module is written as ONNX and read again, and must compute the same (exports.c).
 */
#include "counts.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct arguments {
    uint64_t modules, first, seed, least;
    const char *backend; /* adze_x86.so */
    const char *folder;  /* of --export */
    bool only, verbose, has_least;
} arguments;

static volatile uint64_t running; /* for the signal handler */

typedef struct state {
    counts *counts;
    bool verbose;
} state;

/* ---- What a run reports ---- */

static void print_diagnostic(void *self, const adze_diagnostic *diagnostic)
{
    adze_text text = {0};
    (void)self;
    adze_diagnostic_print(diagnostic, &text);
    printf("%.*s\n", (int)text.size, text.data);
    adze_text_free(&text);
}

static bool enter(void *self, const adze_step_info *step, const adze_module *module)
{
    state *s = self;
    counts_module(s->counts, module);
    s->counts->passes++;
    if (s->verbose) printf("  %u %s\n", step->run, step->text);
    return true;
}

static bool rewrite(void *self, const adze_rewrite_info *info)
{
    state *s = self;
    counts_rule(s->counts, info->what);
    return true;
}

static void report(void *self, const adze_certificate *certificate)
{
    state *s = self;
    s->counts->changed += certificate->outcome == ADZE_CHANGED;
    s->counts->inexact += !certificate->exact;
}

/* ---- One module ---- */

typedef struct variant {
    const char *target;
    int precision;
} variant;
static const char *const precisions[] = {"strict", "f32"};

static bool save(const adze_module *module, const char *path)
{
    const adze_print_options options = {.struct_size = sizeof options, .max_elements = 1 << 20};
    adze_text text = {0};
    FILE *file = fopen(path, "w");
    bool ok = file && adze_module_print(module, &options, &text) && fwrite(text.data, 1, text.size, file) == text.size;
    if (file) fclose(file);
    adze_text_free(&text);
    return ok;
}

static void show_failure(const arguments *a, uint64_t number, const gen *g, const adze_module *module,
                         const char *pipeline, const variant *v)
{
    char path[64];
    snprintf(path, sizeof path, "failed-%" PRIu64 "-%" PRIu64 ".adz", a->seed, number);
    bool saved = save(module, path);
    printf("module %" PRIu64 " of seed %" PRIu64 " failed (--seed=%" PRIu64 " --only=%" PRIu64 ")%s\n", number, a->seed,
           a->seed, number, saved ? "; again:" : "; it cannot be written");
    printf("    adze opt %s --passes='%s' --target=%s --precision=%s --check --certify --seed=%" PRIu64 "\n", path,
           pipeline, v->target, precisions[v->precision], g->certify.seed);
    for (uint32_t i = 0; i < g->certify.n_dims; i++)
        printf("    %s = %" PRId64 ": the command does not know; where that matters, --only runs it\n",
               g->certify.dims[i].name, g->certify.dims[i].value);
}

static bool run_module(gen *g, const arguments *a, uint64_t number, counts *c)
{
    static const char *const targets[] = {"x86:x86-64-v3", "x86:x86-64-v4"};
    state s = {c, a->verbose};
    adze_text text = {0};
    gen_pipeline(g, &text);
    adze_text_write(&text, "", 1);
    variant v = {targets[gen_below(g, 2)], gen_chance(g, 30) ? ADZE_PRECISION_STRICT : ADZE_PRECISION_F32};
    g->certify.report = report;
    g->certify.self = &s;
    adze_run_options options = {.struct_size = sizeof options,
                                .target = adze_registry_target(g->registry, v.target),
                                .precision = v.precision,
                                .check = true,
                                .self = &s,
                                .enter = enter,
                                .rewrite = rewrite,
                                .certify = &g->certify};
    adze_pipeline *pipeline = adze_pipeline_parse(g->registry, text.data);
    adze_module *before = adze_module_clone(g->module);
    if (a->verbose) printf("module %" PRIu64 ": %s\n", number, text.data);
    if (a->only) save(before, "module.adz");
    bool ok = pipeline && options.target && adze_pipeline_run(pipeline, g->module, &options);
    if (ok) counts_module(c, g->module);
    if (!ok) show_failure(a, number, g, before, text.data, &v);
    adze_module_destroy(before);
    adze_pipeline_destroy(pipeline);
    adze_text_free(&text);
    return ok;
}

/* The module written as ONNX, in a file of its number; with -v or --only it stays. */
static bool export_module(gen *g, const arguments *a, uint64_t number, counts *c)
{
    char path[512];
    bool refused;
    snprintf(path, sizeof path, "%s/%" PRIu64 ".onnx", a->folder, number);
    if (a->only) save(g->module, "module.adz");
    bool ok = gen_export(g, path, &refused);
    c->refused += refused;
    if (ok && !a->verbose && !a->only) remove(path);
    if (ok) counts_module(c, g->module);
    if (!ok) printf("module %" PRIu64 " of seed %" PRIu64 " failed\n", number, a->seed);
    return ok;
}

static bool run_number(const arguments *a, uint64_t number, counts *c)
{
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, print_diagnostic, NULL);
    adze_registry *registry = adze_registry_create(context);
    gen *g = calloc(1, sizeof *g);
    running = number;
    /* The native twins of its micro-kernels: this program does not lie where the backend would be looked for. */
    bool ok = g && registry && adze_registry_load(registry, a->backend);
    if (ok && !c->n_rows) counts_start(c, registry);
    ok = ok && gen_create(g, context, registry, a->seed, number);
    if (!ok) printf("module %" PRIu64 " of seed %" PRIu64 " was not made\n", number, a->seed);
    ok = ok && (a->folder ? export_module(g, a, number, c) : run_module(g, a, number, c));
    counts_next(c);
    if (g) gen_destroy(g);
    free(g);
    adze_registry_destroy(registry);
    adze_context_destroy(context);
    return ok;
}

/* ---- The program ---- */

static void on_crash(int number)
{
    char line[96];
    int n = snprintf(line, sizeof line, "signal %d at module %" PRIu64 " (--only)\n", number, running);
    if (n > 0 && write(STDOUT_FILENO, line, (size_t)n) < 0) _exit(1);
    signal(number, SIG_DFL);
    raise(number);
}

static bool read_argument(arguments *a, const char *text)
{
    static const char *const names[] = {"--modules=", "--first=", "--seed=", "--least=", "--only="};
    uint64_t *const fields[] = {&a->modules, &a->first, &a->seed, &a->least, &a->first};
    if (!strcmp(text, "-v")) return a->verbose = true;
    if (!strncmp(text, "--backend=", 10)) return (a->backend = text + 10)[0];
    if (!strncmp(text, "--export=", 9)) return (a->folder = text + 9)[0];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strncmp(text, names[i], strlen(names[i])) != 0) continue;
        char *end;
        *fields[i] = strtoull(text + strlen(names[i]), &end, 10);
        if (i == 3) a->has_least = true;
        if (i == 4) a->only = true;
        return !*end;
    }
    return false;
}

int main(int argc, char **argv)
{
    static counts c;
    arguments a = {.modules = 200, .seed = 1, .backend = ADZE_X86_BACKEND};
    for (int i = 1; i < argc; i++)
        if (!read_argument(&a, argv[i])) return printf("what is %s?\n", argv[i]), 2;
    if (a.only) a.modules = 1;
    if (!a.has_least) a.least = a.modules / 500;
    const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) signal(crashes[i], on_crash);
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* This program does not lie where target descriptions would be looked for either. */
    setenv("ADZE_DATA_DIR", ADZE_DATA, 0);
    uint64_t failed = 0;
    for (uint64_t i = 0; i < a.modules; i++) failed += !run_number(&a, a.first + i, &c);
    if (a.folder) printf("%" PRIu64 " modules written as ONNX, %" PRIu64 " refused\n", a.modules - failed, c.refused);
    bool enough = a.folder || counts_print(&c, a.only ? 0 : a.least);
    if (failed) printf("%" PRIu64 " modules failed\n", failed);
    for (uint32_t i = 0; i < c.n_rules; i++) free((void *)(uintptr_t)c.rules[i]);
    return failed || !enough;
}
