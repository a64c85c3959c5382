/* The loops over all elements, in the best form that this CPU has. Sums are in f32 over a few hundred numbers, and in
 * double beyond; they differ in the last places between CPUs. */
#ifndef ADZE_STATS_KERNELS_H
#define ADZE_STATS_KERNELS_H

#include <adze/stats.h>

enum {
    STATS_BLOCK = 256, /* rows, or numbers of a lane, that are added up in f32 */
    STATS_STRIP = 16,  /* columns of a strip */
    STATS_TABLES = 4   /* histograms that are filled by turns */
};

/* Of numbers that are all finite; `bad` counts those that are not, and then the rest means nothing. */
typedef struct range_sums {
    float min, max;
    double sum, abs_sum;
    uint64_t bad;
} range_sums;

/* Sums of `n` columns over rows, [n] each. */
typedef struct column_sums {
    float *min, *max;
    double *sum, *abs_sum;
} column_sums;

typedef struct stats_kernels {
    /* n > 0 */
    void (*range)(const float *x, uint64_t n, range_sums *out);
    /* Sum of (x - mean)^2. */
    double (*squares)(const float *x, uint64_t n, double mean);
    /* Adds one to the bin floor(x / width) - first of each; width is a power of two, bins lie within the tables. */
    void (*bins)(const float *x, uint64_t n, float width, int32_t first, uint32_t (*tables)[ADZE_STATS_BINS]);
    /* The same for each column of x[rows, n]; adds to what is in `out`. */
    void (*columns)(const float *x, uint64_t rows, uint64_t n, const column_sums *out);
    void (*column_squares)(const float *x, uint64_t rows, uint64_t n, const double *mean, double *out);
    /* `strips` holds strips of STATS_STRIP columns, each [STATS_BLOCK, STATS_STRIP], of which `rows` rows count;
     * columns past `size` are zero. Adds X^T X to its lower triangle by rows, and the sum of each column. */
    void (*gram)(const float *strips, uint64_t rows, uint64_t size, double *lower, double *sum);
} stats_kernels;

const stats_kernels *stats_kernels_get(void);
/* The form that every CPU can run. */
const stats_kernels *stats_kernels_get_base(void);

#endif
