/* adze bench: how long one run takes, for several models side by side.
 *
 * Models take turns, one run each, so that what disturbs the machine disturbs them alike. Timing each kernel costs
 * clock readings, and energy is counted in steps, so --profile and --energy have runs of their own, after the ones
 * that count.
 */
#include "bench.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_RUNS = 20, DEFAULT_WARM_UP = 2, MAX_RUNS = ADZE_BENCH_MAX_RUNS };

static const int64_t NOT_GIVEN = INT64_MIN;

typedef struct options {
    adze_common common;
    adze_feed_flags feed;
    int64_t runs, warm_up;
    double seconds;
    adze_bench_wants wants;
    bool json;
} options;

static const adze_flag flags[] = {
    {"--runs", "N", "runs that count (default: 20, more until 1 s, fewer after 10 s)", ADZE_FLAG_INT,
     offsetof(options, runs)},
    {"--seconds", "X", "run for so long instead", ADZE_FLAG_NUMBER, offsetof(options, seconds)},
    {"--warm-up", "N", "runs before those (default 2)", ADZE_FLAG_INT, offsetof(options, warm_up)},
    {"--profile", NULL, "a table of kernels: time, share, speed, ONNX nodes", ADZE_FLAG_BOOL,
     offsetof(options, wants.profile)},
    {"--energy", NULL, "energy of a run, of the whole processor", ADZE_FLAG_BOOL, offsetof(options, wants.energy)},
    {"--json", NULL, "print JSON", ADZE_FLAG_BOOL, offsetof(options, json)},
    ADZE_FEED_FLAGS(options, feed),
    ADZE_COMMON_FLAGS,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze bench IN.onnx|IN.adz|IN.so... [flags]\n"
    "Times runs of one or more models, which take turns. Models are compiled first, for --target (default:\n"
    "x86:host). Without inputs, seeded random ones are made, where symbolic dims are 1 or what --dim says.\n"
    "Example: adze bench old.so new.so --threads=4 --profile\n";

/* ---- Timing ---- */

/* Inputs stay bound between runs of compiled code, as in a program that calls it in a loop. */
bool adze_bench_run(adze_bench *b)
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

static bool time_once(adze_bench *b)
{
    if (b->runs == b->capacity) {
        uint32_t capacity = b->capacity ? 2 * b->capacity : 64;
        double *times = realloc(b->times, capacity * sizeof *times);
        if (!times) return adze_error(adze_loc_unknown(b->device.work->context), "out of memory");
        b->times = times;
        b->capacity = capacity;
    }
    double start = adze_now();
    if (!adze_bench_run(b)) return false;
    double seconds = adze_now() - start;
    b->times[b->runs++] = 1e3 * seconds;
    b->spent += seconds;
    return true;
}

/* Part of the way to is_done. */
static double part_done(const options *o, const adze_bench *b)
{
    if (o->runs > 0) return (double)b->runs / (double)o->runs;
    if (o->seconds > 0) return b->spent / o->seconds;
    double runs = (double)b->runs / (double)DEFAULT_RUNS, least = runs < b->spent ? runs : b->spent;
    return least > b->spent / 10 ? least : b->spent / 10;
}

static bool is_done(const options *o, const adze_bench *b)
{
    if (o->runs > 0) return b->runs >= o->runs;
    if (o->seconds > 0) return b->runs >= MAX_RUNS || (b->runs && b->spent >= o->seconds);
    return b->runs >= MAX_RUNS || (b->runs && b->spent >= 10) || (b->runs >= DEFAULT_RUNS && b->spent >= 1);
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool time_all(const options *o, adze_bench *benches, uint32_t n)
{
    bool ok = true;
    adze_progress *progress = adze_progress_begin(benches->device.work, "bench");
    for (uint32_t i = 0; i < n && ok; i++)
        for (int64_t k = 0; k < o->warm_up && ok; k++) ok = adze_bench_run(&benches[i]);
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

/* ---- The command ---- */

/* Without --target, compiled code is timed. */
static bool is_reference(const options *o)
{
    return o->common.target && adze_common_is_reference(&o->common);
}

static bool report_all(const options *o, adze_bench *benches, uint32_t n)
{
    bool ok = true;
    adze_text text = {0};
    adze_json_writer json = {.text = &text};
    if (o->json) adze_json_begin(&json, '[');
    for (uint32_t i = 0; i < n && ok; i++)
        ok = adze_bench_report(&benches[i], &o->wants, i == 0, o->json ? &json : NULL);
    if (o->json) adze_json_end(&json);
    if (o->json && ok) fwrite(text.data, 1, text.size, stdout);
    adze_text_free(&text);
    return ok;
}

/* Models side by side mostly have the same dims, which are told once. */
static bool same_ones(const adze_feed *a, const adze_feed *b)
{
    return a->ones.size == b->ones.size && (!a->ones.size || !memcmp(a->ones.data, b->ones.data, a->ones.size));
}

static bool run_all(const options *o, adze_work *work, char **paths, uint32_t n)
{
    adze_bench *benches = calloc(n, sizeof *benches);
    bool ok = benches || adze_error(adze_loc_unknown(work->context), "out of memory");
    for (uint32_t i = 0; i < n && ok; i++)
        ok = adze_device_open(&benches[i].device, work, &o->common, paths[i],
                              is_reference(o) ? ADZE_DEVICE_REFERENCE : ADZE_DEVICE_COMPILED) &&
             adze_feed_load(&benches[i].feed, &benches[i].device, &o->common, &o->feed);
    ok = ok && time_all(o, benches, n) && report_all(o, benches, n);
    for (uint32_t i = 0; benches && i < n; i++)
        if (!i || !same_ones(&benches[i].feed, &benches[i - 1].feed))
            adze_feed_tell(&benches[i].feed, &benches[i].device, ok);
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
    if (o->runs != NOT_GIVEN && (o->runs < 1 || o->runs > MAX_RUNS))
        return adze_usage_error("--runs takes a number from 1 to %d, got %lld", MAX_RUNS, (long long)o->runs);
    if (o->warm_up < 0 || o->warm_up > MAX_RUNS)
        return adze_usage_error("--warm-up takes a number from 0 to %d, got %lld", MAX_RUNS, (long long)o->warm_up);
    if (o->runs > 0 && o->seconds > 0) return adze_usage_error("--runs and --seconds exclude each other");
    if (is_reference(o) && o->wants.profile)
        return adze_usage_error("--profile needs compiled code, not the reference");
    return !run_all(o, work, files, (uint32_t)n_files);
}

static const options defaults = {.common = ADZE_COMMON_START, .runs = INT64_MIN, .warm_up = DEFAULT_WARM_UP};

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
