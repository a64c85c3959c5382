/* adze reduce: the smallest module found that still makes a test succeed (reduce.h). */
#include "reduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECONDS = 60, MAX_TESTS = 10000 };

typedef struct options {
    adze_common common;
    const char *test, *test_crash, *output;
    int64_t max_tests, seconds;
} options;

static const options defaults = {.common = ADZE_COMMON_START, .max_tests = MAX_TESTS, .seconds = SECONDS};

static const adze_flag flags[] = {
    {"--test", "CMD", "interesting is what makes this shell command succeed; %s is the module's file", ADZE_FLAG_TEXT,
     offsetof(options, test)},
    {"--test-crash", "CMD", "interesting is what makes it die by a signal", ADZE_FLAG_TEXT,
     offsetof(options, test_crash)},
    {"-o", "FILE.adz", "write there instead of to stdout", ADZE_FLAG_TEXT, offsetof(options, output)},
    {"--max-tests", "N", "runs of the test after which the best so far is good enough (default 10000)", ADZE_FLAG_INT,
     offsetof(options, max_tests)},
    {"--timeout", "SECONDS", "a test that takes longer failed (default 60)", ADZE_FLAG_INT, offsetof(options, seconds)},
    ADZE_COMMON_FLAGS,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze reduce IN.onnx|IN.adz --test=CMD [-o OUT.adz] [FLAGS]\n\n"
    "Takes functions, ops, outputs, inputs, attributes and elements away and makes dims smaller, as long as the\n"
    "test still calls the module interesting. CMD runs in sh, in this folder, with this program as `adze`;\n"
    "without %s the file's path is put behind it.\n\n"
    "Example: adze reduce model.onnx -o small.adz --test='! adze opt %s --passes=simplify,fuse --certify'\n";

typedef struct job {
    const options *options;
    adze_work *work;
    adze_reduce_test test;
    adze_module *best;
    adze_progress *progress;
} job;

static uint32_t count_ops(const adze_module *module)
{
    adze_op_list ops = adze_ops_collect(module, ADZE_OPS_ALL);
    uint32_t n = ops.count;
    adze_ops_free(&ops);
    return n;
}

static void show(job *j)
{
    char text[64];
    snprintf(text, sizeof text, "%u ops, %u tests", count_ops(j->best), j->test.n_runs);
    adze_progress_update(j->progress, -1, text);
}

/* True if the shrunk copy is interesting: it is the best then. */
static bool try(job *j, const adze_reducer *way, uint32_t first, uint32_t n)
{
    adze_module *copy = adze_module_clone(j->best);
    adze_context_set_sink(j->work->context, NULL, NULL);
    bool changed = copy && way->apply(copy, first, n);
    adze_context_set_sink(j->work->context, adze_print_to_stderr, j->work);
    bool better = changed && adze_reduce_test_run(&j->test, copy);
    if (better) {
        adze_module_destroy(j->best);
        j->best = copy;
        if (j->options->common.verbose)
            fprintf(stderr, "test %u: %s: %u ops are left\n", j->test.n_runs, way->what, count_ops(copy));
    } else {
        adze_module_destroy(copy);
    }
    show(j);
    return better;
}

static bool is_over(const job *j) { return j->test.n_runs >= j->options->max_tests; }

/* All targets at once, then halves of them, down to one by one. */
static bool shrink(job *j, const adze_reducer *way)
{
    bool any = false;
    uint32_t count = way->count(j->best);
    for (uint32_t size = count; size; size = size > 1 ? (size + 1) / 2 : 0)
        for (uint32_t first = 0; first < count && !is_over(j);) {
            bool better = try(j, way, first, size);
            uint32_t now = better ? way->count(j->best) : count;
            any |= better;
            if (now >= count) first += size; /* else others stand there now */
            count = now;
        }
    return any;
}

static bool shrink_by(job *j, const adze_reducer *ways)
{
    bool any = false;
    for (const adze_reducer *way = ways; way->what && !is_over(j); way++) any |= shrink(j, way);
    return any;
}

/* Weights first: every test after it is cheaper. */
static void shrink_all(job *j)
{
    bool any = true;
    shrink(j, &adze_reduce_values[0]);
    while (any && !is_over(j)) {
        any = shrink_by(j, adze_reduce_structure);
        any |= shrink_by(j, adze_reduce_values);
        any |= shrink_by(j, adze_reduce_shapes);
    }
}

static bool not_interesting(const job *j, const char *path)
{
    adze_loc loc = adze_loc_unknown(j->work->context);
    const char *wanted = j->test.crash ? "a signal" : "status 0";
    if (j->test.n_runs == 0)
        return adze_error(loc, "%s: as IR text it does not read back, so it cannot be reduced", path);
    if (j->test.status < 0)
        return adze_error(loc, "%s is not interesting: the test takes more than %lld s", path,
                          (long long)j->options->seconds);
    return adze_error(loc, "%s is not interesting: the test gives status %d on it as IR text, not %s", path,
                      j->test.status, wanted);
}

static bool reduce(job *j, const char *path)
{
    j->best = adze_work_read(j->work, &j->options->common, path);
    if (!j->best || !adze_reduce_test_begin(&j->test)) return false;
    if (!adze_reduce_test_run(&j->test, j->best)) return not_interesting(j, path);
    uint32_t before = count_ops(j->best);
    j->progress = adze_progress_begin(j->work, "reduce");
    shrink_all(j);
    adze_progress_end(j->progress);
    fprintf(stderr, "%u ops became %u in %u tests%s\n", before, count_ops(j->best), j->test.n_runs,
            is_over(j) ? "; --max-tests ended it" : "");
    return adze_write_module(j->work, j->best, j->options->output ? j->options->output : "-");
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    const options *o = given;
    (void)n_files;
    if (!o->test == !o->test_crash) return adze_usage_error("reduce takes one of --test=CMD and --test-crash=CMD");
    if (o->max_tests < 1 || o->seconds < 1)
        return adze_usage_error("--max-tests and --timeout take numbers of at least 1");
    job j = {.options = o,
             .work = work,
             .test = {.work = work,
                      .common = &o->common,
                      .command = o->test ? o->test : o->test_crash,
                      .crash = o->test_crash,
                      .seconds = o->seconds}};
    bool ok = reduce(&j, files[0]);
    adze_reduce_test_end(&j.test);
    adze_module_destroy(j.best);
    return !ok;
}

const adze_command adze_command_reduce = {
    .name = "reduce",
    .summary = "shrink a module that makes a test succeed",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .files_min = 1,
    .files_max = 1,
    .run = run,
};
