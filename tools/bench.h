/* What the parts of `adze bench` share. */
#ifndef ADZE_BENCH_H
#define ADZE_BENCH_H

#include "feed.h"
#include "json.h"

enum { ADZE_BENCH_MAX_RUNS = 1000000 };

/* One model under test. */
typedef struct adze_bench {
    adze_device device;
    adze_feed feed;
    double *times; /* ms of each run, sorted at the end */
    uint32_t runs, capacity;
    double spent; /* seconds */
    bool bound;   /* the session has its inputs */
} adze_bench;

/* ---- bench.c ---- */

/* One run, not timed. */
bool adze_bench_run(adze_bench *bench);

/* ---- bench_report.c ---- */

typedef struct adze_bench_wants {
    bool profile; /* of kernels, for which the model runs again */
    bool energy;  /* likewise */
} adze_bench_wants;

/* Prints the figures of one model, the `first` one with the head of the table. With `json`, which may be NULL, they are
 * written there instead. */
bool adze_bench_report(adze_bench *bench, const adze_bench_wants *wants, bool first, adze_json_writer *json);

#endif
