/* adze bench: how long one run takes, for several models side by side.
 *
 * Models take turns, one run each, so that what disturbs the machine disturbs them alike. Timing each
 * kernel costs clock readings, so --profile does it in runs of its own, after the ones that count.
 */
#include "feed.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_RUNS = 20, DEFAULT_WARM_UP = 2, PROFILE_RUNS = 10, MAX_RUNS = 1000000 };

typedef struct options {
    adze_common common;
    adze_feed_flags feed;
    int64_t runs, warm_up;
    bool profile, json;
} options;

static const adze_flag flags[] = {
    {"--runs", "N", "runs that count (default: 20, more until 1 s, fewer after 10 s)", ADZE_FLAG_INT,
     offsetof(options, runs)},
    {"--warm-up", "N", "runs before those (default 2)", ADZE_FLAG_INT, offsetof(options, warm_up)},
    {"--profile", NULL, "a table of kernels: time, share, speed, ONNX nodes", ADZE_FLAG_BOOL,
     offsetof(options, profile)},
    {"--json", NULL, "print JSON", ADZE_FLAG_BOOL, offsetof(options, json)},
    ADZE_FEED_FLAGS(options, feed),
    ADZE_COMMON_FLAGS,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze bench IN.onnx|IN.adz|IN.so... [flags]\n"
    "Times runs of one or more models, which take turns. Models are compiled first, for --target (default:\n"
    "x86:host). Without inputs, seeded random ones are made.\n"
    "Example: adze bench old.so new.so --threads=4 --profile\n";

/* One model under test. */
typedef struct bench {
    adze_device device;
    adze_feed feed;
    double *times; /* ms of each run, sorted at the end */
    uint32_t runs, capacity;
    double spent;
    bool bound; /* the session has its inputs */
} bench;

/* ---- Timing ---- */

/* Inputs stay bound between runs of compiled code, as in a program that calls it in a loop. */
static bool run_once(bench *b)
{
    const adze_value *results;
    if (!b->bound) {
        b->bound = b->device.session != NULL;
        return adze_device_run(&b->device, b->feed.values, &results);
    }
    if (adze_session_run(b->device.session) == ADZE_OK) return true;
    return adze_error(adze_loc_unknown(b->device.work->context), "%s: %s", b->device.path,
                      adze_session_error(b->device.session));
}

static bool time_once(bench *b)
{
    if (b->runs == b->capacity) {
        uint32_t capacity = b->capacity ? 2 * b->capacity : 64;
        double *times = realloc(b->times, capacity * sizeof *times);
        if (!times) return adze_error(adze_loc_unknown(b->device.work->context), "out of memory");
        b->times = times;
        b->capacity = capacity;
    }
    double start = adze_now();
    if (!run_once(b)) return false;
    double seconds = adze_now() - start;
    b->times[b->runs++] = 1e3 * seconds;
    b->spent += seconds;
    return true;
}

/* Part of the way to is_done. */
static double part_done(const options *o, const bench *b)
{
    if (o->runs) return (double)b->runs / (double)o->runs;
    double runs = (double)b->runs / (double)DEFAULT_RUNS, least = runs < b->spent ? runs : b->spent;
    return least > b->spent / 10 ? least : b->spent / 10;
}

static bool is_done(const options *o, const bench *b)
{
    if (o->runs) return b->runs >= o->runs;
    return b->runs >= MAX_RUNS || (b->runs && b->spent >= 10) || (b->runs >= DEFAULT_RUNS && b->spent >= 1);
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool time_all(const options *o, bench *benches, uint32_t n)
{
    bool ok = true;
    adze_progress *progress = adze_progress_begin(benches->device.work, "bench");
    for (uint32_t i = 0; i < n && ok; i++)
        for (int64_t k = 0; k < o->warm_up && ok; k++) ok = run_once(&benches[i]);
    for (bool more = true; ok && more;) {
        more = false;
        for (uint32_t i = 0; i < n && ok; i++) {
            if (is_done(o, &benches[i])) continue;
            ok = time_once(&benches[i]);
            adze_progress_update(progress, part_done(o, &benches[i]), benches[i].device.path);
            more = true;
        }
    }
    adze_progress_end(progress);
    for (uint32_t i = 0; i < n && ok; i++) qsort(benches[i].times, benches[i].runs, sizeof(double), by_time);
    return ok;
}

static double median(const bench *b)
{
    uint32_t half = b->runs / 2;
    return b->runs % 2 ? b->times[half] : (b->times[half - 1] + b->times[half]) / 2;
}

/* ---- Profile ---- */

typedef struct row {
    adze_step_profile step;
    double ms; /* mean of a run */
} row;

static int by_cost(const void *a, const void *b)
{
    double x = ((const row *)a)->ms, y = ((const row *)b)->ms;
    return (x < y) - (x > y);
}

/* Steps, costliest first; NULL after an error. */
static row *read_profile(bench *b, uint32_t *out_n)
{
    adze_context *context = b->device.work->context;
    uint32_t n = adze_model_num_steps(b->device.model), runs = b->runs < PROFILE_RUNS ? b->runs : PROFILE_RUNS;
    row *rows = calloc(n + 1u, sizeof *rows);
    bool ok = rows || adze_error(adze_loc_unknown(context), "out of memory");
    if (ok) adze_session_set_profile(b->device.session, true);
    for (uint32_t i = 0; i < runs && ok; i++) ok = run_once(b);
    for (uint32_t i = 0; i < n && ok; i++) {
        ok = !adze_session_profile(b->device.session, i, &rows[i].step) ||
             adze_error(adze_loc_unknown(context), "%s: %s", b->device.path, adze_session_error(b->device.session));
        rows[i].ms = rows[i].step.runs ? 1e-6 * (double)rows[i].step.total_ns / (double)rows[i].step.runs : 0;
    }
    if (ok) {
        adze_session_set_profile(b->device.session, false);
        qsort(rows, n, sizeof *rows, by_cost);
        *out_n = n;
        return rows;
    }
    free(rows);
    return NULL;
}

static double total_ms(const row *rows, uint32_t n)
{
    double total = 0;
    for (uint32_t i = 0; i < n; i++) total += rows[i].ms;
    return total > 0 ? total : 1;
}

/* Two floating-point operations a multiply-accumulate; 0 = unknown. */
static double gflops(const row *r)
{
    return r->step.macs > 0 && r->ms > 0 ? 2e-6 * (double)r->step.macs / r->ms : 0;
}

static void print_profile(const row *rows, uint32_t n)
{
    double total = total_ms(rows, n);
    printf("%10s %6s %9s  %-24s %s\n", "ms", "share", "GFLOP/s", "kernel", "ONNX nodes");
    for (uint32_t i = 0; i < n; i++) {
        const row *r = &rows[i];
        char speed[32] = "-";
        if (gflops(r) > 0) snprintf(speed, sizeof speed, "%.1f", gflops(r));
        printf("%10.4f %5.1f%% %9s  %-24s ", r->ms, 100 * r->ms / total, speed, r->step.name);
        for (const char *at = r->step.nodes; *at; at++) putchar(*at == '\n' ? ' ' : *at);
        printf("%s\n", r->step.flags & ADZE_STEP_FLOOR ? " (floor)" : "");
    }
    printf("%10.4f               all %u steps\n", n ? total : 0, n);
}

/* ---- JSON ---- */

static void print_string(const char *text, char end)
{
    putchar('"');
    for (; *text && *text != end; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 32)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void print_json_steps(const row *rows, uint32_t n)
{
    double total = total_ms(rows, n);
    printf(", \"profile\": [");
    for (uint32_t i = 0; i < n; i++) {
        const row *r = &rows[i];
        printf("%s\n    {\"kernel\": ", i ? "," : "");
        print_string(r->step.name, 0);
        printf(", \"ms\": %.6f, \"share\": %.6f, \"macs\": ", r->ms, r->ms / total);
        if (r->step.macs >= 0) printf("%lld", (long long)r->step.macs);
        else printf("null");
        if (gflops(r) > 0) printf(", \"gflops\": %.3f", gflops(r));
        printf(", \"floor\": %s, \"nodes\": [", r->step.flags & ADZE_STEP_FLOOR ? "true" : "false");
        for (const char *at = r->step.nodes; *at;) {
            print_string(at, '\n');
            at += strcspn(at, "\n");
            if (*at && *++at) printf(", ");
        }
        printf("]}");
    }
    printf("]");
}

static void print_json(const bench *b, const row *rows, uint32_t n, bool first)
{
    printf("%s\n  {\"model\": ", first ? "[" : ",");
    print_string(b->device.path, 0);
    printf(", \"device\": ");
    print_string(b->device.model ? adze_model_level(b->device.model) : "reference", 0);
    printf(", \"threads\": %u, \"runs\": %u, \"min_ms\": %.6f, \"median_ms\": %.6f",
           b->device.pool ? adze_pool_num_threads(b->device.pool) : 1, b->runs, b->times[0], median(b));
    if (rows) print_json_steps(rows, n);
    printf("}");
}

/* ---- The command ---- */

static bool report(const options *o, bench *b, bool first)
{
    uint32_t n = 0;
    row *rows = NULL;
    if (o->profile && b->device.session && !(rows = read_profile(b, &n))) return false;
    if (o->json) {
        print_json(b, rows, n, first);
    } else {
        if (first) printf("%10s %10s %7s %7s  model\n", "min ms", "median ms", "runs", "threads");
        printf("%10.4f %10.4f %7u %7u  %s\n", b->times[0], median(b), b->runs,
               b->device.pool ? adze_pool_num_threads(b->device.pool) : 1, b->device.path);
        if (rows) print_profile(rows, n);
    }
    free(rows);
    return true;
}

/* Without --target, compiled code is timed. */
static bool is_reference(const options *o)
{
    return o->common.target && adze_common_is_reference(&o->common);
}

static bool run_all(const options *o, adze_work *work, char **paths, uint32_t n)
{
    bench *benches = calloc(n, sizeof *benches);
    bool ok = benches || adze_error(adze_loc_unknown(work->context), "out of memory");
    for (uint32_t i = 0; i < n && ok; i++)
        ok = adze_device_open(&benches[i].device, work, &o->common, paths[i],
                              is_reference(o) ? ADZE_DEVICE_REFERENCE : ADZE_DEVICE_COMPILED) &&
             adze_feed_load(&benches[i].feed, &benches[i].device, &o->common, &o->feed);
    ok = ok && time_all(o, benches, n);
    for (uint32_t i = 0; i < n && ok; i++) ok = report(o, &benches[i], i == 0);
    if (ok && o->json) printf("]\n");
    for (uint32_t i = 0; benches && i < n; i++) {
        adze_feed_free(&benches[i].feed);
        adze_device_close(&benches[i].device);
        free(benches[i].times);
    }
    free(benches);
    return ok;
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    const options *o = given;
    if (o->runs < 0 || o->runs > MAX_RUNS || o->warm_up < 0 || o->warm_up > MAX_RUNS)
        return adze_usage_error("--runs and --warm-up take a number up to %d", MAX_RUNS);
    if (is_reference(o) && o->profile) return adze_usage_error("--profile needs compiled code, not the reference");
    return !run_all(o, work, files, (uint32_t)n_files);
}

static const options defaults = {.common = ADZE_COMMON_START, .warm_up = DEFAULT_WARM_UP};

const adze_command adze_command_bench = {
    .name = "bench",
    .summary = "time models and their kernels",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .files_min = 1,
    .files_max = INT_MAX,
    .run = run,
};
