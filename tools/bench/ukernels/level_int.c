/* The integer cases of one CPU level, with the shapes of the f32 ones in level.c.
 *
 * Compiled once a level by clang, with LEVEL, INT_ROWS and INT_COLUMNS (the register tile). What is counted as an
 * operation is a multiplication or an addition, as in the f32 cases, so that figures compare.
 */
#include "bench.h"

#include "backends/x86/ukernels/dw_i8.c"
#include "backends/x86/ukernels/gemm_codes.c"
#include "backends/x86/ukernels/gemm_i8.c"

#ifdef __AMX_INT8__
#include "backends/x86/ukernels/gemm_tiles.c"
#define TILE(weight, narrow, rows, acc, a, ...) \
    gemm_tiles(INT_COLUMNS / PANEL, (tiles_args){acc, a, rows, __VA_ARGS__})
#define KINDS GEMMS(u8s8)
#else
#define TILE(weight, narrow, rows, ...) \
    gemm_tile(INT_ROWS, INT_COLUMNS, sizeof *weight(), narrow, (gemm_args){__VA_ARGS__})
#define KINDS GEMMS(u8s8) GEMMS(u8s8_narrow) GEMMS(u8s16)
#endif

enum { ROW_TILE = INT_ROWS, COLUMN_TILE = INT_COLUMNS };

typedef int32_t i16x __attribute__((vector_size(64)));
typedef uint8_t u8x16 __attribute__((vector_size(16), aligned(1), may_alias));

static const uint8_t *input(void) { return (const uint8_t *)bench_in; }
static const int8_t *weights_i8(void) { return (const int8_t *)bench_weights; }
static uint8_t *output(void) { return (uint8_t *)bench_out; }

/* The epilogue of a quantized layer: bias, scale of the channel, rounding to a code between two bounds. */
INLINE void finish(uint8_t *out, int64_t out_row, const int32_t *acc, const float *scale, int64_t rows)
{
    for (int64_t m = 0; m < rows; m++)
        for (int v = 0; v < COLUMN_TILE; v += 16) {
            i16x sum;
            memcpy(&sum, acc + m * COLUMN_TILE + v, sizeof sum);
            v16 x = __builtin_convertvector(sum, v16) * load16(scale + v) + splat16(3);
            x = __builtin_elementwise_min(__builtin_elementwise_max(x, splat16(0)), splat16(255));
            x = __builtin_elementwise_roundeven(x);
            *(u8x16 *)(out + m * out_row + v) = __builtin_convertvector(__builtin_convertvector(x, i16x), u8x16);
        }
}

/* As in level.c. The tile is called as its micro-kernel does, because that may be too large to be inlined unasked. */
#define PRODUCT_OF(kind, weight, narrow) \
    INLINE void product_##kind(int64_t m, int64_t n, int64_t k)                                                     \
    {                                                                                                               \
        const int64_t deep = (k + 3) / 4 * 4;                                                                       \
        for (int64_t j = 0; j < n; j += COLUMN_TILE)                                                                \
            for (int64_t i = 0; i + ROW_TILE <= m; i += ROW_TILE) {                                                 \
                _Alignas(64) int32_t acc[ROW_TILE * COLUMN_TILE];                                                   \
                TILE(weight, narrow, ROW_TILE, acc, input() + i * k, ROW_TILE, k, 0, weight() + j * deep, 1, 0, 1,  \
                     0, k, COLUMN_TILE * deep);                                                                     \
                finish(output() + i * n + j, n, acc, bench_weights + j, ROW_TILE);                                  \
            }                                                                                                       \
    }                                                                                                               \
    INLINE void conv_##kind(int64_t side, int64_t channels, int64_t filters)                                        \
    {                                                                                                               \
        const int64_t row = (side + 2) * channels, k = 3 * channels, deep = (k + 3) / 4 * 4;                        \
        const int64_t columns = side < ROW_TILE ? side : ROW_TILE, fit = ROW_TILE / columns;                        \
        const int64_t rows = fit < side ? fit : side;                                                               \
        for (int64_t j = 0; j < filters; j += COLUMN_TILE)                                                          \
            for (int64_t y = 0; y + rows <= side; y += rows)                                                        \
                for (int64_t x = 0; x + columns <= side; x += columns) {                                            \
                    _Alignas(64) int32_t acc[ROW_TILE * COLUMN_TILE];                                               \
                    TILE(weight, narrow, rows * columns, acc, input() + y * row + x * channels, columns, channels,  \
                         row, weight() + j * 3 * deep, 3, row, 1, 0, k, COLUMN_TILE * 3 * deep);                      \
                    finish(output() + (y * side + x) * filters + j, filters, acc, bench_weights + j, rows * columns); \
                }                                                                                                   \
    }
PRODUCT_OF(u8s8, weights_i8, 0)
#ifndef __AMX_INT8__
static const int16_t *weights_i16(void) { return (const int16_t *)bench_weights; }
PRODUCT_OF(u8s8_narrow, weights_i8, 1)
PRODUCT_OF(u8s16, weights_i16, 0)
#endif

/* 3x3 depthwise, as in level.c. */
INLINE void depthwise(int64_t side, int64_t channels, int64_t stride)
{
    const int64_t row = (side * stride + 2) * channels;
    for (int64_t y = 0; y < side; y++)
        for (int64_t c = 0; c < channels; c += 16)
            for (int64_t x = 0; x + 7 <= side; x += 7) {
                _Alignas(64) int32_t acc[7 * 16];
                adze_uk_dw_u8s8_7(acc, input() + y * stride * row + x * stride * channels + c, stride * channels,
                                  weights_i8() + c * 9, 16, 3, row, 3, channels);
                for (int p = 0; p < 7; p++) {
                    i16x sum;
                    memcpy(&sum, acc + 16 * p, sizeof sum);
                    v16 v = __builtin_convertvector(sum, v16) * load16(bench_weights + c) + splat16(3);
                    v = __builtin_elementwise_min(__builtin_elementwise_max(v, splat16(0)), splat16(255));
                    v = __builtin_elementwise_roundeven(v);
                    *(u8x16 *)(output() + (y * side + x + p) * channels + c) =
                        __builtin_convertvector(__builtin_convertvector(v, i16x), u8x16);
                }
            }
}

/* Rows times a matrix of 4096 x 4096 codes. Those are whatever lies there; scales, behind them, are floats of a sane
 * size. */
INLINE void rows_codes(const int bits, const int rows, const int columns, const int8_t *zeros)
{
    const uint8_t *panels = (const uint8_t *)bench_weights;
    const float *scales = bench_weights + 4096 * 4096 / 4;
    for (int j = 0; j < 4096; j += columns)
        codes_tile(bits, 0, rows, columns / 16,
                   (codes_args){bench_out + j, bench_in, 4096, panels + (int64_t)j * 512 * bits, scales + j * 128, 4096,
                                32, 2560, zeros ? zeros + j * 128 : NULL});
}

static void row_q4(void) { rows_codes(4, 1, 32, NULL); }
static void rows4_q4(void) { rows_codes(4, 4, 16, NULL); }
static void row_q8(void) { rows_codes(8, 1, 32, NULL); }
static void row_q4z(void) { rows_codes(4, 1, 32, (const int8_t *)(bench_weights + 4096 * 4096 / 2)); }
static void rows4_q4z(void) { rows_codes(4, 4, 16, (const int8_t *)(bench_weights + 4096 * 4096 / 2)); }
/* Rows times 512 x 512 codes, which lie in the cache; as they are, and of floats. */
INLINE void cached_rows(const int rows)
{
    for (int j = 0; j < 512; j += 16)
        codes_tile(4, 0, rows, 1, (codes_args){bench_out + j, bench_in, 512, (const uint8_t *)bench_weights + j * 256,
                                               bench_weights + 65536 + j * 16, 512, 32, 2560, NULL});
}

static void rows3_cached(void) { cached_rows(3); }
static void rows4_cached(void) { cached_rows(4); }
static void rows6_cached(void) { cached_rows(6); }
static void rows6_floats(void)
{
    for (int j = 0; j < 512; j += 16)
        adze_uk_gemm_f32_6x16(bench_out + j, bench_in, 6, 512, 0, bench_weights + j * 512, 1, 0, 1, 0, 512, 0);
}

static void widen_q4(void)
{
    for (int j = 0; j < 4096; j += 16)
        adze_uk_widen_f32q4(bench_out, (const uint8_t *)bench_weights + (int64_t)j * 2048, bench_in, 1, 0, 4096, 32,
                            2560);
}

#define FULL(m) ((double)((m) / ROW_TILE * ROW_TILE))
#define SPAN(side)  ((double)((side) < ROW_TILE ? (side) : (side) / ROW_TILE * ROW_TILE))
#define FIT(side)     (ROW_TILE / (side) < (side) ? ROW_TILE / (side) : (side)) /* rows of a tile */
#define ROWS_OF(side) ((double)((side) < ROW_TILE ? (side) / FIT(side) * FIT(side) : (side)))
#define PRODUCT(kind, m, n, k) \
    static void product_##kind##_##m##_##n##_##k(void) { product_##kind(m, n, k); }
#define CONV(kind, side, channels, filters) \
    static void conv_##kind##_##side##_##channels(void) { conv_##kind(side, channels, filters); }
#define DEPTHWISE(side, channels, stride) \
    static void depthwise_##side##_##channels##_##stride(void) { depthwise(side, channels, stride); }
#define GEMMS(kind)                                                                                              \
    PRODUCT(kind, 126, 768, 64) PRODUCT(kind, 126, 768, 768) PRODUCT(kind, 126, 768, 3072)                       \
    PRODUCT(kind, 3136, 64, 64) PRODUCT(kind, 3136, 64, 256) PRODUCT(kind, 3136, 256, 64)                        \
    PRODUCT(kind, 784, 128, 512) PRODUCT(kind, 196, 1024, 256) PRODUCT(kind, 12544, 96, 16)                      \
    PRODUCT(kind, 3136, 24, 144) PRODUCT(kind, 126, 64, 147)                                                     \
    CONV(kind, 56, 64, 64) CONV(kind, 28, 128, 128) CONV(kind, 14, 256, 256) CONV(kind, 7, 512, 512)
#define CASES                                                                                                    \
    KINDS                                                                                                        \
    DEPTHWISE(112, 32, 1) DEPTHWISE(56, 144, 1) DEPTHWISE(14, 384, 1) DEPTHWISE(56, 96, 2)
CASES

#undef PRODUCT
#undef CONV
#undef DEPTHWISE
#define PRODUCT(kind, m, n, k) \
    {#kind " " #m " x " #n " x " #k, 2.0 * FULL(m) * n * k, 0, product_##kind##_##m##_##n##_##k},
#define CONV(kind, side, channels, filters)                                                                      \
    {#kind " conv3x3 " #side " x " #side " x " #channels,                                                        \
     2.0 * 9 * (channels) * (filters) * SPAN(side) * ROWS_OF(side), 0, conv_##kind##_##side##_##channels},
#define DEPTHWISE(side, channels, stride)                                                                        \
    {"u8s8 dw3x3 " #side " x " #side " x " #channels " /" #stride, 2.0 * 9 * (side) * (side) * (channels), 0,    \
     depthwise_##side##_##channels##_##stride},
static const bench_case cases[] = {
    CASES {"row q4 4096 x 4096", 2.0 * 4096 * 4096, 0, row_q4},
    {"4 rows q4 4096 x 4096", 2.0 * 4 * 4096 * 4096, 0, rows4_q4},
    {"row q4 with zero points 4096 x 4096", 2.0 * 4096 * 4096, 0, row_q4z},
    {"4 rows q4 with zero points 4096 x 4096", 2.0 * 4 * 4096 * 4096, 0, rows4_q4z},
    {"row q8 4096 x 4096", 2.0 * 4096 * 4096, 0, row_q8},
    {"3 rows q4 512 x 512", 2.0 * 3 * 512 * 512, 0, rows3_cached},
    {"4 rows q4 512 x 512", 2.0 * 4 * 512 * 512, 0, rows4_cached},
    {"6 rows q4 512 x 512", 2.0 * 6 * 512 * 512, 0, rows6_cached},
    {"6 rows f32 512 x 512", 2.0 * 6 * 512 * 512, 0, rows6_floats},
    {"widen q4 4096 x 4096", 2.0 * 4096 * 4096, 0, widen_q4},
};

const bench_cases bench_int = {cases, sizeof cases / sizeof *cases};
