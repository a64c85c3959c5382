/* The cases of one CPU level: micro-kernels inlined with constant shapes, as generated code has them.
 *
 * Compiled once a level by clang, with LEVEL (v3, v4, …), ROWS and COLUMNS (the register tile).
 */
#include "bench.h"

#include "backends/x86/ukernels/gemm_f32.c"
#include "backends/x86/ukernels/dw_f32.c"
#include "backends/x86/ukernels/move_f32.c"
#include "backends/x86/ukernels/transpose.c"

#define PASTE_(a, b, c, d) a##b##c##d
#define PASTE(a, b, c, d)  PASTE_(a, b, c, d)
#define TILE               PASTE(adze_uk_gemm_f32_, ROWS, x, COLUMNS)

enum { ROW_TILE = ROWS, COLUMN_TILE = COLUMNS };

/* The epilogue that every layer has: bias and ReLU on the accumulators. */
INLINE void finish(float *out, int64_t out_row, const float *acc, const float *bias)
{
    for (int m = 0; m < ROW_TILE; m++)
        for (int v = 0; v < COLUMN_TILE; v += 16) {
            v16 x = load16(acc + m * COLUMN_TILE + v) + load16(bias + v);
            store16(out + m * out_row + v, __builtin_elementwise_max(x, splat16(0)));
        }
}

/* out[m][n] = relu(in[m][k] w[k][n] + bias): panels outside, so that each is read once. */
INLINE void product(int64_t m, int64_t n, int64_t k)
{
    for (int64_t j = 0; j < n; j += COLUMN_TILE)
        for (int64_t i = 0; i + ROW_TILE <= m; i += ROW_TILE) {
            _Alignas(64) float acc[ROW_TILE * COLUMN_TILE];
            const float *panel = bench_weights + j * k;
            TILE(acc, bench_in + i * k, ROW_TILE, k, 0, panel, 1, 0, 1, 0, k, COLUMN_TILE * k);
            finish(bench_out + i * n + j, n, acc, bench_weights + j);
        }
}

/* 3x3 convolution of side x side pixels, stride 1, channels last with a halo of 1. A row's taps and
 * channels are one run of 3 * channels floats. Tiles that would leave a row span rows. */
INLINE void conv3x3(int64_t side, int64_t channels, int64_t filters)
{
    const int64_t row = (side + 2) * channels, k = 3 * channels;
    const int64_t columns = side < ROW_TILE ? side : ROW_TILE;
    const int64_t rows = ROW_TILE / columns;
    for (int64_t j = 0; j < filters; j += COLUMN_TILE)
        for (int64_t y = 0; y + rows <= side; y += rows)
            for (int64_t x = 0; x + columns <= side; x += columns) {
                _Alignas(64) float acc[ROW_TILE * COLUMN_TILE];
                const float *panel = bench_weights + j * 3 * k;
                TILE(acc, bench_in + y * row + x * channels, columns, channels, row, panel, 3, row, 1,
                     0, k, COLUMN_TILE * 3 * k);
                finish(bench_out + (y * side + x) * filters + j, filters, acc, bench_weights + j);
            }
}

/* 3x3 depthwise convolution, stride 1, of side x side pixels, channels last with a halo of 1. */
INLINE void depthwise(int64_t side, int64_t channels)
{
    const int64_t row = (side + 2) * channels;
    for (int64_t y = 0; y < side; y++)
        for (int64_t c = 0; c < channels; c += 16)
            for (int64_t x = 0; x + 7 <= side; x += 7) {
                _Alignas(64) float acc[7 * 16];
                adze_uk_dw_f32_7(acc, bench_in + y * row + x * channels + c, channels,
                                 bench_weights + c, channels, 3, row, 3, channels);
                for (int p = 0; p < 7; p++)
                    store16(bench_out + (y * side + x + p) * channels + c, load16(acc + 16 * p));
            }
}

static void transpose(void)
{
    for (int64_t i = 0; i < 384; i += 16)
        for (int64_t j = 0; j < 128; j += 16)
            adze_uk_transpose_b32_16x16((uint32_t *)bench_out + j * 384 + i, 384,
                                        (const uint32_t *)bench_in + i * 128 + j, 128);
}

static void pack_rows(void) { adze_uk_pack_f32(bench_out, bench_in, 64, 384, 384, 1, 64); }
static void pack_columns(void) { adze_uk_pack_f32(bench_out, bench_in, 64, 384, 1, 64, 64); }

/* One row times a matrix of 4096 x 4096. */
static void row_f32(void)
{
    for (int64_t j = 0; j < 4096; j += 32)
        adze_uk_gemm_f32_1x32(bench_out + j, bench_in, 1, 0, 0, bench_weights + j * 4096, 1, 0, 1, 0, 4096, 512);
}

/* Rows of a product that the tile covers. */
#define FULL(m) ((double)((m) / ROW_TILE * ROW_TILE))
#define PRODUCT(m, n, k) \
    static void product_##m##_##n##_##k(void) { product(m, n, k); }
#define CONV(side, channels, filters) \
    static void conv_##side##_##channels(void) { conv3x3(side, channels, filters); }
#define DEPTHWISE(side, channels) \
    static void depthwise_##side##_##channels(void) { depthwise(side, channels); }
#define CASES                                                                                      \
    PRODUCT(126, 768, 16) PRODUCT(126, 768, 64) PRODUCT(126, 768, 256) PRODUCT(126, 768, 768)      \
    PRODUCT(126, 3072, 768) PRODUCT(126, 768, 3072) PRODUCT(3136, 64, 64) PRODUCT(3136, 256, 64)   \
    PRODUCT(784, 128, 512) PRODUCT(196, 1024, 256) CONV(56, 64, 64) CONV(28, 128, 128)             \
    CONV(14, 256, 256) CONV(7, 512, 512) DEPTHWISE(112, 32) DEPTHWISE(56, 144) DEPTHWISE(14, 384)
CASES

#undef PRODUCT
#undef CONV
#undef DEPTHWISE
#define PRODUCT(m, n, k) \
    {"gemm " #m " x " #n " x " #k, 2.0 * FULL(m) * n * k, 0, product_##m##_##n##_##k},
/* Columns and rows that whole tiles cover. */
#define SPAN(side)  ((double)((side) < ROW_TILE ? (side) : (side) / ROW_TILE * ROW_TILE))
#define CONV(side, channels, filters)                                                              \
    {"conv3x3 " #side " x " #side " x " #channels, 2.0 * 9 * (channels) * (filters) * SPAN(side) *  \
     (double)((side) < ROW_TILE ? (side) / (ROW_TILE / (side)) * (ROW_TILE / (side)) : (side)), 0, \
     conv_##side##_##channels},
#define DEPTHWISE(side, channels)                                                                  \
    {"dw3x3 " #side " x " #side " x " #channels, 2.0 * 9 * (side) * (side) * (channels), 0,        \
     depthwise_##side##_##channels},
static const bench_case cases[] = {
    CASES {"row f32 4096 x 4096", 2.0 * 4096 * 4096, 0, row_f32},
    {"transpose 384 x 128", 0, 2.0 * 384 * 128 * 4, transpose},
    {"pack 64 x 384, rows", 0, 2.0 * 64 * 384 * 4, pack_rows},
    {"pack 64 x 384, columns", 0, 2.0 * 64 * 384 * 4, pack_columns},
};

/* As many accumulators as the tile has, on registers alone. */
static double peak(void)
{
    enum { N = ROW_TILE * COLUMN_TILE / 16, STEPS = 20000 };
    v16 acc[N], x = load16(bench_in), y = load16(bench_weights);
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
const bench_level bench_this = {"x86-64-" QUOTE(LEVEL), {cases, sizeof cases / sizeof *cases}, peak};
