/* Figures of adze bench: table, profile, JSON. */
#include "bench.h"
#include "energy.h"
#include "peak.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROFILE_RUNS = 10 };

static const double ENERGY_SECONDS = 0.5;

/* What one model gave besides its times. */
typedef struct extras {
    uint64_t memory; /* of compiled code */
    bool wants_energy;
    double energy_mj; /* of a run; NaN: see `why` */
    char why[192];
} extras;

static double median(const adze_bench *b)
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
static row *read_profile(adze_bench *b, uint32_t *out_n)
{
    adze_context *context = b->device.work->context;
    uint32_t n = adze_model_num_steps(b->device.model), runs = b->runs < PROFILE_RUNS ? b->runs : PROFILE_RUNS;
    row *rows = calloc(n + 1u, sizeof *rows);
    bool ok = rows || adze_error(adze_loc_unknown(context), "out of memory");
    if (ok) adze_session_set_profile(b->device.session, true);
    for (uint32_t i = 0; i < runs && ok; i++) ok = adze_bench_run(b);
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

/* Speed as a share of what all threads could do, where both are known. */
static void print_profile(const row *rows, uint32_t n, double peak)
{
    double total = total_ms(rows, n);
    printf("%10s %6s %9s %7s  %-24s %s\n", "ms", "share", "GFLOP/s", "of peak", "kernel", "ONNX nodes");
    for (uint32_t i = 0; i < n; i++) {
        const row *r = &rows[i];
        char speed[32] = "-", part[32] = "-";
        if (gflops(r) > 0) snprintf(speed, sizeof speed, "%.1f", gflops(r));
        if (gflops(r) > 0 && peak > 0) snprintf(part, sizeof part, "%.0f%%", 100 * gflops(r) / peak);
        printf("%10.4f %5.1f%% %9s %7s  %-24s ", r->ms, 100 * r->ms / total, speed, part, r->step.name);
        for (const char *at = r->step.nodes; *at; at++) putchar(*at == '\n' ? ' ' : *at);
        printf("%s\n", r->step.flags & ADZE_STEP_FLOOR ? " (floor)" : "");
    }
    printf("%10.4f               all %u steps", n ? total : 0, n);
    if (peak > 0) printf("; peak %.1f GFLOP/s, measured", peak);
    printf("\n");
}

/* ---- Energy ---- */

/* Counters move about every millisecond, so it runs for as long as makes that little. False where a run fails. */
static bool read_energy(adze_bench *b, extras *out)
{
    adze_energy meter;
    double mj = 0, start = 0;
    uint32_t runs = 0;
    bool ok = true, metered = adze_energy_open(&meter, NULL) && adze_energy_begin(&meter);
    for (start = adze_now(); ok && metered && adze_now() - start < ENERGY_SECONDS; runs++) ok = adze_bench_run(b);
    metered = ok && metered && adze_energy_end(&meter, &mj);
    out->energy_mj = metered && runs ? mj / runs : NAN;
    snprintf(out->why, sizeof out->why, "%s", meter.why);
    adze_energy_close(&meter);
    return ok;
}

static void print_energy(const extras *e)
{
    if (isnan(e->energy_mj))
        printf("energy was not measured: %s\n", e->why);
    else
        printf("%10.4f mJ of energy a run, of the whole processor\n", e->energy_mj);
}

/* ---- JSON ---- */

/* Of the nodes' names, which a line end ends. */
static void write_nodes(adze_json_writer *json, const char *nodes)
{
    adze_json_begin(json, '[');
    for (const char *at = nodes; *at;) {
        size_t n = strcspn(at, "\n");
        adze_json_string_of(json, at, n);
        at += n + (at[n] == '\n');
    }
    adze_json_end(json);
}

static void write_steps(adze_json_writer *json, const row *rows, uint32_t n)
{
    double total = total_ms(rows, n);
    adze_json_key(json, "profile");
    adze_json_begin(json, '[');
    for (uint32_t i = 0; i < n; i++) {
        const row *r = &rows[i];
        adze_json_begin(json, '{');
        adze_json_key(json, "kernel"), adze_json_string(json, r->step.name);
        adze_json_key(json, "ms"), adze_json_measured(json, r->ms);
        adze_json_key(json, "share"), adze_json_measured(json, r->ms / total);
        adze_json_key(json, "macs");
        if (r->step.macs >= 0)
            adze_json_int(json, r->step.macs);
        else
            adze_json_null(json);
        if (gflops(r) > 0) adze_json_key(json, "gflops"), adze_json_measured(json, gflops(r));
        adze_json_key(json, "floor"), adze_json_bool(json, r->step.flags & ADZE_STEP_FLOOR);
        adze_json_key(json, "nodes"), write_nodes(json, r->step.nodes);
        adze_json_end(json);
    }
    adze_json_end(json);
}

static void write_model(adze_json_writer *json, const adze_bench *b, const row *rows, uint32_t n, const extras *e)
{
    adze_json_begin(json, '{');
    adze_json_key(json, "model"), adze_json_string(json, b->device.path);
    adze_json_key(json, "device");
    adze_json_string(json, b->device.model ? adze_model_level(b->device.model) : "reference");
    adze_json_key(json, "threads"), adze_json_int(json, b->device.pool ? adze_pool_num_threads(b->device.pool) : 1);
    adze_json_key(json, "runs"), adze_json_int(json, b->runs);
    adze_json_key(json, "min_ms"), adze_json_measured(json, b->times[0]);
    adze_json_key(json, "median_ms"), adze_json_measured(json, median(b));
    if (b->device.session) adze_json_key(json, "memory_bytes"), adze_json_int(json, (int64_t)e->memory);
    if (e->wants_energy) {
        adze_json_key(json, "energy_mj"), adze_json_measured(json, e->energy_mj);
        if (isnan(e->energy_mj)) adze_json_key(json, "energy_missing"), adze_json_string(json, e->why);
    }
    if (rows) write_steps(json, rows, n);
    adze_json_end(json);
}

/* ---- Both ---- */

static void print_table(const adze_bench *b, const row *rows, uint32_t n, const extras *e, bool first)
{
    uint32_t threads = b->device.pool ? adze_pool_num_threads(b->device.pool) : 1;
    if (first) printf("%10s %10s %7s %7s  model\n", "min ms", "median ms", "runs", "threads");
    printf("%10.4f %10.4f %7u %7u  %s\n", b->times[0], median(b), b->runs, threads, b->device.path);
    if (e->wants_energy) print_energy(e);
    if (rows) print_profile(rows, n, threads * adze_peak_gflops(adze_model_level(b->device.model)));
}

bool adze_bench_report(adze_bench *b, const adze_bench_wants *wants, bool first, adze_json_writer *json)
{
    uint32_t n = 0;
    row *rows = NULL;
    extras e = {.wants_energy = wants->energy};
    if (b->device.session && !adze_device_memory(&b->device, &e.memory)) return false;
    if (wants->energy && !read_energy(b, &e)) return false;
    if (wants->profile && b->device.session && !(rows = read_profile(b, &n))) return false;
    if (json)
        write_model(json, b, rows, n, &e);
    else
        print_table(b, rows, n, &e, first);
    free(rows);
    return true;
}
