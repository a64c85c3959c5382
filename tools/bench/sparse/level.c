/* The shapes at one CPU level: micro-kernels inlined with constant sizes, as generated code has them.
 *
 * Compiled once a level by clang, with LEVEL (v3, v4), ROWS and COLUMNS (the register tile of dense products).
 */
#include "bench.h"

#include "backends/x86/ukernels/gemm_each.c"
#include "backends/x86/ukernels/gemm_f32.c"
#include "backends/x86/ukernels/gemm_kept.c"

#define PASTE_(a, b, c, d) a##b##c##d
#define PASTE(a, b, c, d)  PASTE_(a, b, c, d)
#define DENSE              PASTE(adze_uk_gemm_f32_, ROWS, x, COLUMNS)
#define KEPT               PASTE(adze_uk_gemm_f32s_, ROWS, x, 16)

enum { ROW_TILE = ROWS, COLUMN_TILE = COLUMNS };

/* The epilogue that every layer has: bias and ReLU on the accumulators. */
INLINE void finish(float *out, int64_t out_row, const float *acc, const int columns, const float *bias)
{
    for (int m = 0; m < ROW_TILE; m++)
        for (int v = 0; v < columns; v += 16) {
            v16 x = load16(acc + m * columns + v) + load16(bias + v);
            store16(out + m * out_row + v, __builtin_elementwise_max(x, splat16(0)));
        }
}

/* Panels outside, so that each is read once. */
INLINE void dense(int64_t m, int64_t n, int64_t k)
{
    for (int64_t j = 0; j < n; j += COLUMN_TILE)
        for (int64_t i = 0; i + ROW_TILE <= m; i += ROW_TILE) {
            _Alignas(64) float acc[ROW_TILE * COLUMN_TILE];
            DENSE(acc, bench_in + i * k, ROW_TILE, k, 0, bench_panels + j * k, 1, 0, 1, 0, k, COLUMN_TILE * k);
            finish(bench_out + i * n + j, n, acc, COLUMN_TILE, bench_panels + j);
        }
}

INLINE void rows(int64_t m, int64_t n, int64_t k)
{
    for (int64_t j = 0; j < n; j += 16)
        for (int64_t i = 0; i + ROW_TILE <= m; i += ROW_TILE) {
            _Alignas(64) float acc[ROW_TILE * 16];
            KEPT(acc, bench_in + i * k, ROW_TILE, k, 0, bench_kept, n / 16, bench_n_kept, j / 16, k);
            finish(bench_out + i * n + j, n, acc, 16, bench_panels + j);
        }
}

/* Pixels outside, a block of them that fits half the L2 cache: packed once for all columns. */
INLINE void each(int64_t m, int64_t n, int64_t k)
{
    int64_t block = (128 << 10) / (4 * k);
    block = block < PIXELS ? PIXELS : block / PIXELS * PIXELS;
    for (int64_t from = 0; from < m; from += block) {
        int64_t to = from + block < m ? from + block : m;
        for (int64_t i = from; i < to; i += PIXELS)
            adze_uk_pack_pixels_f32(bench_packed + (i - from) * k, bench_in + i * k, to - i < PIXELS ? to - i : PIXELS,
                                    PIXELS, k, 0, 1, 0, 1, 0, k);
        for (int64_t j = 0; j < n; j += 16)
            for (int64_t i = from; i < to; i += PIXELS) {
                _Alignas(64) float acc[PIXELS * 16];
                adze_uk_gemm_f32e_x16(acc, bench_packed + (i - from) * k, bench_each, n, bench_n_each, j, 16, k);
                for (int64_t x = i; x < i + PIXELS && x < to; x++) {
                    v16 y = load16(acc + (x - i) * 16) + load16(bench_panels + j);
                    store16(bench_out + x * n + j, __builtin_elementwise_max(y, splat16(0)));
                }
            }
    }
}

/* Rows of a product: a multiple of both tiles. */
#define SHAPES                                                                                                         \
    SHAPE(126, 768, 768)                                                                                               \
    SHAPE(126, 384, 1536) SHAPE(3150, 64, 64) SHAPE(798, 128, 512) SHAPE(210, 1024, 256) SHAPE(42, 512, 512)           \
        SHAPE(42, 2048, 512)
#define SHAPE(m, n, k)                                                                                                 \
    static void dense_##m##_##n##_##k(void) { dense(m, n, k); }                                                        \
    static void rows_##m##_##n##_##k(void) { rows(m, n, k); }                                                          \
    static void each_##m##_##n##_##k(void) { each(m, n, k); }
SHAPES
#undef SHAPE

#define SHAPE(m, n, k)                                                                                                 \
    {#m " x " #n " x " #k, m, n, k, dense_##m##_##n##_##k, rows_##m##_##n##_##k, each_##m##_##n##_##k},
const bench_shape bench_shapes[] = {SHAPES{0}};

/* As many accumulators as the dense tile has, on registers alone. */
double bench_peak(void)
{
    enum { N = ROW_TILE * COLUMN_TILE / 16, STEPS = 20000 };
    v16 acc[N], x = load16(bench_in), y = load16(bench_panels);
    UNROLL for (int i = 0; i < N; i++) acc[i] = splat16((float)i);
    for (int step = 0; step < STEPS; step++) {
        UNROLL for (int i = 0; i < N; i++) acc[i] = acc[i] * x + y;
    }
    v16 sum = acc[0];
    UNROLL for (int i = 1; i < N; i++) sum += acc[i];
    store16(bench_out, sum);
    return 2.0 * 16 * N * STEPS;
}

#define QUOTE_(text) #text
#define QUOTE(text)  QUOTE_(text)
const char *const bench_level = "x86-64-" QUOTE(LEVEL);
