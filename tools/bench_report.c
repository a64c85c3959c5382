/* Figures of adze bench: table, profile, JSON. */
#include "bench.h"
#include "peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROFILE_RUNS = 10 };

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

static void print_json(const adze_bench *b, const row *rows, uint32_t n, bool first)
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

/* ---- Both ---- */

bool adze_bench_report(adze_bench *b, bool profile, bool json, bool first)
{
    uint32_t n = 0, threads = b->device.pool ? adze_pool_num_threads(b->device.pool) : 1;
    row *rows = NULL;
    if (profile && b->device.session && !(rows = read_profile(b, &n))) return false;
    if (json) {
        print_json(b, rows, n, first);
    } else {
        if (first) printf("%10s %10s %7s %7s  model\n", "min ms", "median ms", "runs", "threads");
        printf("%10.4f %10.4f %7u %7u  %s\n", b->times[0], median(b), b->runs,
               threads, b->device.path);
        if (rows) print_profile(rows, n, threads * adze_peak_gflops(adze_model_level(b->device.model)));
    }
    free(rows);
    return true;
}
