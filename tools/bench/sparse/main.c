/* Products with weights that are mostly zero, beside the dense product of the same shape: one thread, runs interleaved.
 *
 *     bench_sparse_v3 [TEXT]     only shapes whose name holds TEXT (rows x columns x k); likewise _v4
 *
 * At each sparsity, rows of 16 columns that are zero at random. Times are the least of the runs; `of peak` is what of
 * the multiply-adds that are left, of the registers' peak, the sparse kernel does.
 */
#include "bench.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLOATS = 4 << 20, ROUNDS = 25 };

float *bench_in, *bench_out, *bench_panels, *bench_packed;
int32_t *bench_kept, *bench_each;
int64_t bench_n_kept, bench_n_each;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *aligned(void)
{
    float *p = aligned_alloc(64, FLOATS * sizeof *p);
    if (!p) {
        fprintf(stderr, "bench_sparse: out of memory\n");
        exit(1);
    }
    for (size_t i = 0; i < FLOATS; i++) p[i] = (float)(i * 2654435761u % 1000) * 1e-3f - 0.5f;
    return p;
}

/* From 0 to 1, of the number alone. */
static double chance(uint64_t i)
{
    i = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    i = (i ^ i >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return (double)((i ^ i >> 27) >> 11) * 0x1p-53;
}

/* Rows of bench_panels that are kept, as pack_kept lays them out. */
static void keep_rows(const bench_shape *s, double sparsity)
{
    int64_t panels = s->n / ROW_SIZE, rows = 0;
    for (int64_t i = 0; i < panels * s->k; i++) rows += chance((uint64_t)i) >= sparsity;
    float *values = (float *)(void *)(bench_kept + (panels + 1 + rows + 15) / 16 * 16);
    bench_n_kept = rows;
    rows = 0;
    for (int64_t p = 0; p < panels; p++) {
        bench_kept[p] = (int32_t)rows;
        for (int64_t k = 0; k < s->k; k++) {
            if (chance((uint64_t)(p * s->k + k)) < sparsity) continue;
            memcpy(values + rows * ROW_SIZE, bench_panels + (p * s->k + k) * ROW_SIZE, ROW_SIZE * sizeof *values);
            bench_kept[panels + 1 + rows++] = (int32_t)k;
        }
    }
    bench_kept[panels] = (int32_t)rows;
}

/* Single weights of bench_panels likewise, panels of one column. */
static void keep_each(const bench_shape *s, double sparsity)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n * s->k; i++) n += chance((uint64_t)i) >= sparsity;
    float *values = (float *)(void *)(bench_each + (s->n + 1 + n + 15) / 16 * 16);
    bench_n_each = n;
    n = 0;
    for (int64_t j = 0; j < s->n; j++) {
        bench_each[j] = (int32_t)n;
        for (int64_t k = 0; k < s->k; k++) {
            if (chance((uint64_t)(j * s->k + k)) < sparsity) continue;
            values[n] = bench_panels[(j / ROW_SIZE * s->k + k) * ROW_SIZE + j % ROW_SIZE];
            bench_each[s->n + 1 + n++] = (int32_t)k;
        }
    }
    bench_each[s->n] = (int32_t)n;
}

static double time_of(void (*run)(void), int runs)
{
    double start = now();
    for (int i = 0; i < runs; i++) run();
    return (now() - start) / runs;
}

static void bench(const bench_shape *s, double sparsity)
{
    double dense = INFINITY, rows = INFINITY, each = INFINITY, peak = 0;
    keep_rows(s, sparsity);
    keep_each(s, sparsity);
    s->dense();
    s->rows();
    s->each();
    int runs = (int)(1e-3 / time_of(s->dense, 1)) + 1;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now(), flops = bench_peak();
        peak = fmax(peak, flops / (now() - start));
        dense = fmin(dense, time_of(s->dense, runs));
        rows = fmin(rows, time_of(s->rows, runs));
        each = fmin(each, time_of(s->each, runs));
    }
    double row_flops = 2.0 * ROW_SIZE * (double)bench_n_kept * (double)s->m;
    double each_flops = 2.0 * (double)bench_n_each * (double)s->m;
    printf("  %-18s %3.0f %%  %9.1f  %9.1f %6.2fx %4.0f %%  %9.1f %6.2fx %4.0f %%\n", s->name, 100 * sparsity,
           1e6 * dense, 1e6 * rows, dense / rows, 100 * row_flops / rows / peak, 1e6 * each, dense / each,
           100 * each_flops / each / peak);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const double sparsities[] = {0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95};
    if (!__builtin_cpu_supports(NEEDS)) {
        fprintf(stderr, "bench_sparse: this CPU is below %s\n", bench_level);
        return 1;
    }
    bench_in = aligned();
    bench_out = aligned();
    bench_panels = aligned();
    bench_packed = aligned();
    bench_kept = aligned();
    bench_each = aligned();
    printf("%s\n  %-18s %5s  %9s  %9s %7s %6s  %9s %7s %6s\n", bench_level, "shape", "zero", "dense us", "rows us",
           "faster", "peak", "each us", "faster", "peak");
    for (const bench_shape *s = bench_shapes; s->name; s++)
        for (size_t i = 0; i < sizeof sparsities / sizeof *sparsities; i++)
            if (argc < 2 || strstr(s->name, argv[1])) bench(s, sparsities[i]);
    return 0;
}
