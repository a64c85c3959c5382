/* The loops over all elements (kernels.h): one source, for x86-64-v3 and for the baseline.
 *
 * Vectors of 8 lanes are the compiler's own; where the machine has shorter ones, it splits them.
 */
#include "passes/stats/kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef float f8 __attribute__((vector_size(32)));
typedef int32_t i8 __attribute__((vector_size(32)));

#define BODY               static inline __attribute__((always_inline))
#define LOAD(v, from)      memcpy(&(v), (from), sizeof(v))
#define SPLAT(x)           ((f8){(x), (x), (x), (x), (x), (x), (x), (x)})
#define ABS(v)             ((f8)((i8)(v)&0x7fffffff))
#define SELECT(mask, a, b) ((f8)(((mask) & (i8)(a)) | (~(mask) & (i8)(b))))

enum { LANES = 8, RUN = LANES * STATS_BLOCK };

/* ---- Runs of one channel ---- */

BODY void range_one(float x, range_sums *out)
{
    out->bad += !(fabsf(x) <= FLT_MAX);
    if (x < out->min) out->min = x;
    if (x > out->max) out->max = x;
    out->sum += (double)x;
    out->abs_sum += (double)fabsf(x);
}

BODY void range_body(const float *x, uint64_t n, range_sums *out)
{
    *out = (range_sums){.min = x[0], .max = x[0]};
    uint64_t i = 0, whole = n - n % LANES;
    f8 low = SPLAT(x[0]), high = low;
    i8 good = ~(i8){0};
    while (i < whole) {
        uint64_t end = whole - i < RUN ? whole : i + RUN;
        f8 sum = SPLAT(0), abs_sum = sum;
        for (; i < end; i += LANES) {
            f8 v;
            LOAD(v, x + i);
            f8 a = ABS(v);
            good &= a <= FLT_MAX;
            low = SELECT(v < low, v, low);
            high = SELECT(v > high, v, high);
            sum += v;
            abs_sum += a;
        }
        for (int k = 0; k < LANES; k++) {
            out->sum += (double)sum[k];
            out->abs_sum += (double)abs_sum[k];
        }
    }
    for (int k = 0; k < LANES; k++) {
        if (low[k] < out->min) out->min = low[k];
        if (high[k] > out->max) out->max = high[k];
        out->bad += !good[k];
    }
    for (; i < n; i++) range_one(x[i], out);
}

BODY double squares_body(const float *x, uint64_t n, double mean)
{
    double total = 0;
    uint64_t i = 0, whole = n - n % LANES;
    f8 m = SPLAT((float)mean);
    while (i < whole) {
        uint64_t end = whole - i < RUN ? whole : i + RUN;
        f8 sum = SPLAT(0);
        for (; i < end; i += LANES) {
            f8 v;
            LOAD(v, x + i);
            v -= m;
            sum += v * v;
        }
        for (int k = 0; k < LANES; k++) total += (double)sum[k];
    }
    for (; i < n; i++) {
        float d = x[i] - (float)mean;
        total += (double)(d * d);
    }
    /* The mean was rounded. */
    double off = (double)(float)mean - mean;
    return fmax(total - (double)n * off * off, 0);
}

/* Towards minus infinity, also where x * inverse is too small for a float. */
BODY int32_t bin_of(float x, float width, float inverse)
{
    int32_t at = (int32_t)(x * inverse);
    return at - (x < (float)at * width);
}

BODY void bins_body(const float *x, uint64_t n, float width, int32_t first, uint32_t (*tables)[ADZE_STATS_BINS])
{
    uint64_t i = 0;
    float inverse = 1 / width;
    f8 scale = SPLAT(inverse), wide = SPLAT(width);
    for (; i + LANES <= n; i += LANES) {
        f8 v;
        LOAD(v, x + i);
        i8 at = __builtin_convertvector(v * scale, i8);
        at += v < __builtin_convertvector(at, f8) * wide; /* true is -1 */
        at -= first;
        for (int k = 0; k < LANES; k++) tables[k % STATS_TABLES][at[k]]++;
    }
    for (; i < n; i++) tables[0][bin_of(x[i], width, inverse) - first]++;
}

/* ---- Channels side by side ---- */

BODY void columns_body(const float *x, uint64_t rows, uint64_t n, const column_sums *out)
{
    for (uint64_t r = 0; r < rows; r++, x += n) {
        for (uint64_t i = 0; i < n; i++) {
            out->min[i] = x[i] < out->min[i] ? x[i] : out->min[i];
            out->max[i] = x[i] > out->max[i] ? x[i] : out->max[i];
            out->sum[i] += (double)x[i];
            out->abs_sum[i] += (double)fabsf(x[i]);
        }
    }
}

BODY void column_squares_body(const float *x, uint64_t rows, uint64_t n, const double *mean, double *out)
{
    for (uint64_t r = 0; r < rows; r++, x += n) {
        for (uint64_t i = 0; i < n; i++) {
            double d = (double)x[i] - mean[i];
            out[i] += d * d;
        }
    }
}

/* ---- Gram matrices ---- */

enum { TILE = 4 }; /* rows of the result that are summed at once */

/* lower[i][j0 …] of TILE rows i from i0 on: sums of a[r][i - …] * b[r][j - j0] over r. */
BODY void gram_tile(const float *a, const float *b, uint64_t rows, uint64_t i0, uint64_t j0, uint64_t size,
                    double *lower)
{
    f8 s00 = SPLAT(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
    for (uint64_t r = 0; r < rows; r++, a += STATS_STRIP, b += STATS_STRIP) {
        f8 b0, b1;
        LOAD(b0, b);
        LOAD(b1, b + LANES);
        f8 a0 = SPLAT(a[0]), a1 = SPLAT(a[1]), a2 = SPLAT(a[2]), a3 = SPLAT(a[3]);
        s00 += a0 * b0, s01 += a0 * b1;
        s10 += a1 * b0, s11 += a1 * b1;
        s20 += a2 * b0, s21 += a2 * b1;
        s30 += a3 * b0, s31 += a3 * b1;
    }
    f8 sums[TILE][2] = {{s00, s01}, {s10, s11}, {s20, s21}, {s30, s31}};
    for (uint64_t k = 0; k < TILE && i0 + k < size; k++) {
        uint64_t i = i0 + k, n = i + 1 - j0 < STATS_STRIP ? i + 1 - j0 : STATS_STRIP;
        double *row = lower + i * (i + 1) / 2 + j0;
        float part[STATS_STRIP];
        memcpy(part, sums[k], sizeof part);
        if (n == STATS_STRIP)
            for (uint64_t j = 0; j < STATS_STRIP; j++) row[j] += (double)part[j];
        else
            for (uint64_t j = 0; j < n; j++) row[j] += (double)part[j];
    }
}

BODY void gram_sums(const float *strip, uint64_t rows, uint64_t n, double *sum)
{
    f8 s0 = SPLAT(0), s1 = s0;
    float part[STATS_STRIP];
    for (uint64_t r = 0; r < rows; r++, strip += STATS_STRIP) {
        f8 b0, b1;
        LOAD(b0, strip);
        LOAD(b1, strip + LANES);
        s0 += b0, s1 += b1;
    }
    memcpy(part, &s0, sizeof s0);
    memcpy(part + LANES, &s1, sizeof s1);
    for (uint64_t j = 0; j < n; j++) sum[j] += (double)part[j];
}

BODY void gram_body(const float *strips, uint64_t rows, uint64_t size, double *lower, double *sum)
{
    const uint64_t each = STATS_BLOCK * STATS_STRIP;
    for (uint64_t i = 0; i < size; i += STATS_STRIP) {
        const float *a = strips + i / STATS_STRIP * each;
        gram_sums(a, rows, size - i < STATS_STRIP ? size - i : STATS_STRIP, sum + i);
        for (uint64_t j = 0; j <= i; j += STATS_STRIP)
            for (uint64_t k = 0; k < STATS_STRIP && i + k < size; k += TILE)
                gram_tile(a + k, strips + j / STATS_STRIP * each, rows, i + k, j, size, lower);
    }
}

/* ---- Variants ---- */

#define VARIANT(level, attribute)                                                                                      \
    attribute static void range_##level(const float *x, uint64_t n, range_sums *out) { range_body(x, n, out); }        \
    attribute static double squares_##level(const float *x, uint64_t n, double mean)                                   \
    {                                                                                                                  \
        return squares_body(x, n, mean);                                                                               \
    }                                                                                                                  \
    attribute static void bins_##level(const float *x, uint64_t n, float width, int32_t first,                         \
                                       uint32_t(*tables)[ADZE_STATS_BINS])                                             \
    {                                                                                                                  \
        bins_body(x, n, width, first, tables);                                                                         \
    }                                                                                                                  \
    attribute static void columns_##level(const float *x, uint64_t rows, uint64_t n, const column_sums *out)           \
    {                                                                                                                  \
        columns_body(x, rows, n, out);                                                                                 \
    }                                                                                                                  \
    attribute static void column_squares_##level(const float *x, uint64_t rows, uint64_t n, const double *mean,        \
                                                 double *out)                                                          \
    {                                                                                                                  \
        column_squares_body(x, rows, n, mean, out);                                                                    \
    }                                                                                                                  \
    attribute static void gram_##level(const float *strips, uint64_t rows, uint64_t size, double *lower, double *sum)  \
    {                                                                                                                  \
        gram_body(strips, rows, size, lower, sum);                                                                     \
    }                                                                                                                  \
    static const stats_kernels kernels_##level = {range_##level,   squares_##level,        bins_##level,               \
                                                  columns_##level, column_squares_##level, gram_##level};

VARIANT(base, )
#ifdef __x86_64__
VARIANT(v3, __attribute__((target("avx2,fma"))))
#endif

const stats_kernels *stats_kernels_get_base(void) { return &kernels_base; }

const stats_kernels *stats_kernels_get(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &kernels_v3;
#endif
    return &kernels_base;
}
