/* What the benchmark of the micro-kernels shares between its levels. */
#ifndef ADZE_BENCH_UKERNELS_H
#define ADZE_BENCH_UKERNELS_H

#include <stddef.h>

typedef struct bench_case {
    const char *name;
    double flops; /* of one call; 0: `bytes` counts */
    double bytes;
    void (*run)(void);
} bench_case;

typedef struct bench_cases {
    const bench_case *cases;
    size_t count;
} bench_cases;

typedef struct bench_level {
    const char *name;
    bench_cases f32;
    /* Independent multiply-adds on registers; returns the floating-point operations done. */
    double (*peak)(void);
} bench_level;

extern const bench_level bench_this; /* the level that this program is built for */
extern const bench_cases bench_int;

/* Inputs and outputs of all cases, larger than any of them needs; 64-byte aligned. */
extern float *bench_in, *bench_weights, *bench_out;

#endif
