/* What the benchmark of products with sparse weights shares between its parts. */
#ifndef ADZE_BENCH_SPARSE_H
#define ADZE_BENCH_SPARSE_H

#include <stdint.h>

enum { ROW_SIZE = 16 };

typedef struct bench_shape {
    const char *name;
    int64_t m, n, k;
    void (*dense)(void); /* panels of bench_panels */
    void (*rows)(void);  /* the rows of 16 that are kept, bench_kept */
    void (*each)(void);  /* the weights that are kept, bench_each */
} bench_shape;

extern const bench_shape bench_shapes[]; /* ends with a name of NULL */
extern const char *const bench_level;
double bench_peak(void); /* floating-point operations of a run on registers */

/* All are larger than any shape needs, and 64-byte aligned. */
extern float *bench_in, *bench_out, *bench_panels, *bench_packed;
extern int32_t *bench_kept, *bench_each;
extern int64_t bench_n_kept, bench_n_each; /* rows, and weights */

#endif
