/* Matrix product of floats with codes of 4 or 8 bits, and codes made floats, or bytes, in memory.
 *
 * A lane of 4-bit codes holds eight steps of k of its column, so a step is two shifts and a conversion for 16 columns;
 * of 8-bit codes a row is a step. Products with codes are summed within a group, then the sum times the group's scale
 * joins the rest: nothing is multiplied by the scale that need not be. One row is bound by memory, of which there is a
 * seventh; its columns are 32 so that four sums are under way. Zero points are subtracted from codes that are floats,
 * which is exact; of 4-bit codes, a number is subtracted anyway, and the zero point is a part of that. Scales are f32,
 * or f16 (`h`), which become f32 exactly.
 */
#include "ukernels.h"
#include "vector.h"

#include <string.h>

enum { CODE_ROWS = 12, CODE_VECTORS = 2 };

typedef int32_t ints16 __attribute__((vector_size(64)));
typedef ints16 ints16_memory __attribute__((aligned(1), may_alias));
typedef int8_t bytes16 __attribute__((vector_size(16)));
typedef bytes16 bytes16_memory __attribute__((aligned(1), may_alias));

typedef struct codes_args {
    float *acc;
    const float *a;
    int64_t a_row;
    const uint8_t *b;
    const void *scales; /* f32, or f16 */
    int64_t k, group, ahead;
    const int8_t *zeros; /* NULL = all are 0; known when it is compiled */
} codes_args;

#define step_of_4(codes, i) __builtin_convertvector((ints16)((codes) << (28 - 4 * (i))) >> 28, v16)
/* The same of codes plus 8 less a zero point, for i < 4: as the last bits of a number so large that they count as
 * ones. */
#define step_in_place(codes, i, zero)                                                                              \
    ((v16)(((codes) & 15 << 4 * (i)) | (150 - 4 * (i)) << 23) - (splat16((float)(1 << (23 - 4 * (i))) + 8) + (zero)))
#define step_of_8(p)        __builtin_convertvector(*(const bytes16_memory *)(p), v16)

#define zeros_of(zeros, at) ((zeros) ? step_of_8((zeros) + (at)) : splat16(0))

/* 16 scales from the one at `at`. */
#define scales_of(half, scales, at) \
    ((half) ? half16((const uint16_t *)(scales) + (at)) : load16((const float *)(scales) + (at)))

/* Bytes from a panel to the next, and floats of its scales. */
INLINE int64_t panel_bytes(const int bits, int64_t k) { return bits == 4 ? (k + 7) / 8 * CODES_4 : k * CODES_8; }
INLINE int64_t panel_scales(int64_t k, int64_t group) { return (k / group + (k % group != 0)) * PANEL; }

INLINE void add_step(v16 *c, const int rows, const int vectors, const codes_args *g, const float *a, const v16 w)
{
    UNROLL for (int m = 0; m < rows; m++) c[m * vectors] = c[m * vectors] + splat16(a[m * g->a_row]) * w;
}

/* The eight steps at `from`, or as many as there are, of vector `v` of the columns, with its zero points. */
INLINE void add_eight(v16 *c, const int bits, const int rows, const int vectors, const codes_args *g, int64_t from,
                      int64_t end, int v, const v16 zero)
{
    const float *a = g->a + from;
    const uint8_t *p = g->b + v * panel_bytes(bits, g->k) + (bits == 4 ? from / 8 * CODES_4 : from * CODES_8);
    __builtin_prefetch(p + g->ahead, 0, 2);
    if (bits == 8) __builtin_prefetch(p + g->ahead + 64, 0, 2);
    if (bits == 4) {
        ints16 codes = *(const ints16_memory *)p;
        if (end - from >= 8) {
            const ints16 above = codes ^ (int32_t)0x88888888U, half[2] = {above, above >> 16};
            UNROLL for (int i = 0; i < 8; i++)
                add_step(c + v, rows, vectors, g, a + i, step_in_place(half[i / 4], i % 4, zero));
        } else {
            ROLLED for (int64_t i = 0; i < end - from; i++, codes >>= 4)
                add_step(c + v, rows, vectors, g, a + i, step_of_4(codes, 0) - zero);
        }
    } else if (end - from >= 8) {
        UNROLL for (int i = 0; i < 8; i++)
            add_step(c + v, rows, vectors, g, a + i, step_of_8(p + i * CODES_8) - zero);
    } else {
        ROLLED for (int64_t i = 0; i < end - from; i++)
            add_step(c + v, rows, vectors, g, a + i, step_of_8(p + i * CODES_8) - zero);
    }
}

INLINE void codes_tile(const int bits, const int half, const int rows, const int vectors, const codes_args g)
{
    v16 c[CODE_ROWS * CODE_VECTORS];
    UNROLL for (int i = 0; i < rows * vectors; i++) c[i] = splat16(0);
    for (int64_t from = 0, at = 0; from < g.k; from += g.group, at += PANEL) {
        const int64_t end = g.k - from < g.group ? g.k : from + g.group;
        v16 sum[CODE_ROWS * CODE_VECTORS];
        UNROLL for (int i = 0; i < rows * vectors; i++) sum[i] = splat16(0);
        v16 zero[CODE_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++) zero[v] = zeros_of(g.zeros, v * panel_scales(g.k, g.group) + at);
        ROLLED for (int64_t eight = from; eight < end; eight += 8)
        {
            UNROLL for (int v = 0; v < vectors; v++) add_eight(sum, bits, rows, vectors, &g, eight, end, v, zero[v]);
        }
        UNROLL for (int v = 0; v < vectors; v++)
        {
            v16 scale = scales_of(half, g.scales, v * panel_scales(g.k, g.group) + at);
            UNROLL for (int m = v; m < rows * vectors; m += vectors) c[m] = c[m] + sum[m] * scale;
        }
    }
    UNROLL for (int i = 0; i < rows * vectors; i++) store16(g.acc + i * 16, c[i]);
}

/* ---- Codes made wide ---- */

INLINE void widen_group(float *y, const int bits, const uint8_t *p, int64_t count, const v16 zero, const v16 scale,
                        int64_t ahead)
{
    int64_t i = 0;
    for (; i + 8 <= count; i += 8, y += 8 * PANEL) {
        __builtin_prefetch(p + ahead, 0, 2);
        if (bits == 4) {
            const ints16 codes = *(const ints16_memory *)p;
            UNROLL for (int s = 0; s < 8; s++) store16(y + s * PANEL, (step_of_4(codes, s) - zero) * scale);
            p += CODES_4;
        } else {
            __builtin_prefetch(p + ahead + 64, 0, 2);
            UNROLL for (int s = 0; s < 8; s++) store16(y + s * PANEL, (step_of_8(p + s * CODES_8) - zero) * scale);
            p += 8 * CODES_8;
        }
    }
    if (bits == 4 && i < count) {
        ints16 codes = *(const ints16_memory *)p;
        for (; i < count; i++, y += PANEL, codes >>= 4) store16(y, (step_of_4(codes, 0) - zero) * scale);
    }
    for (; i < count; i++, y += PANEL, p += CODES_8) store16(y, (step_of_8(p) - zero) * scale);
}

INLINE void widen_panel(const int bits, const int half, float *y, const uint8_t *codes, const void *scales,
                        int64_t taps, int64_t scales_tap, int64_t k, int64_t group, int64_t ahead,
                        const int8_t *zeros)
{
    for (int64_t t = 0; t < taps; t++) {
        int64_t at = t * scales_tap;
        for (int64_t from = 0; from < k; from += group, at += PANEL) {
            const int64_t count = k - from < group ? k - from : group;
            const uint8_t *p = codes + t * panel_bytes(bits, k);
            p += bits == 4 ? from / 8 * CODES_4 : from * CODES_8;
            widen_group(y, bits, p, count, zeros_of(zeros, at), scales_of(half, scales, at), ahead);
            y += count * PANEL;
        }
    }
}

#define WIDEN(bits, half, suffix, scale)                                                                          \
    void adze_uk_widen_f32q##bits##suffix(float *y, const uint8_t *codes, const scale *scales, int64_t taps,      \
                                          int64_t scales_tap, int64_t k, int64_t group, int64_t ahead)            \
    {                                                                                                             \
        widen_panel(bits, half, y, codes, scales, taps, scales_tap, k, group, ahead, NULL);                       \
    }                                                                                                             \
    void adze_uk_widen_f32q##bits##suffix##z(float *y, const uint8_t *codes, const scale *scales, int64_t taps,   \
                                             int64_t scales_tap, int64_t k, int64_t group, int64_t ahead,         \
                                             const int8_t *zeros)                                                 \
    {                                                                                                             \
        widen_panel(bits, half, y, codes, scales, taps, scales_tap, k, group, ahead, zeros);                      \
    }
#define UK_WIDEN(bits) WIDEN(bits, 0, , float) WIDEN(bits, 1, h, uint16_t)

typedef uint16_t words16 __attribute__((vector_size(32)));
typedef uint8_t pairs16 __attribute__((vector_size(16)));
typedef pairs16 pairs16_memory __attribute__((aligned(1), may_alias));
typedef int8_t bytes32 __attribute__((vector_size(32)));
typedef bytes32 bytes32_memory __attribute__((aligned(1), may_alias));

void adze_uk_widen_s8q4(int8_t *y, const uint8_t *codes, int64_t rows, int64_t ahead)
{
    for (int64_t i = 0; i < 2 * rows; i++, codes += 16, y += 32) {
        const words16 pairs = __builtin_convertvector(*(const pairs16_memory *)codes, words16);
        const bytes32 nibbles = (bytes32)((pairs | pairs << 4) & 0x0f0f);
        __builtin_prefetch(codes + ahead, 0, 2);
        *(bytes32_memory *)y = (nibbles ^ 8) - 8;
    }
}

#define CODES_TILE(bits, half, suffix, scale, mr, nr)                                                             \
    void adze_uk_gemm_f32q##bits##suffix##_##mr##x##nr(float *acc, const float *a, int64_t a_row,                 \
                                                       const uint8_t *b, const scale *scales, int64_t k,          \
                                                       int64_t group, int64_t ahead)                              \
    {                                                                                                             \
        codes_tile(bits, half, mr, nr / 16, (codes_args){acc, a, a_row, b, scales, k, group, ahead, NULL});       \
    }                                                                                                             \
    void adze_uk_gemm_f32q##bits##suffix##z_##mr##x##nr(float *acc, const float *a, int64_t a_row,                \
                                                        const uint8_t *b, const scale *scales, int64_t k,         \
                                                        int64_t group, int64_t ahead, const int8_t *zeros)        \
    {                                                                                                             \
        codes_tile(bits, half, mr, nr / 16, (codes_args){acc, a, a_row, b, scales, k, group, ahead, zeros});      \
    }
#define CODES_TILES(bits, mr, nr) CODES_TILE(bits, 0, , float, mr, nr) CODES_TILE(bits, 1, h, uint16_t, mr, nr)
#define UK_GEMM_CODES(mr, nr) CODES_TILES(4, mr, nr) CODES_TILES(8, mr, nr)
#include "ukernels.def"
