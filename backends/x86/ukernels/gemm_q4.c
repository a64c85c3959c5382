/* Matrix product of floats with 4-bit weights that are made floats in registers.
 *
 * A lane holds eight steps of k of its column, so a step is two shifts, a conversion and a product with the scale for
 * 16 columns, whatever the number of rows. One row is bound by memory, of which there is a seventh; its columns are 32
 * so that four sums are under way.
 */
#include "ukernels.h"
#include "vector.h"

#include <string.h>

enum { Q4_ROWS = 12, Q4_VECTORS = 2, CODES = 4 * 64 }; /* bytes of the codes of a block */

typedef int32_t ints16 __attribute__((vector_size(64)));
typedef ints16 ints16_memory __attribute__((aligned(1), may_alias));
typedef v16 v16_bytes __attribute__((aligned(1), may_alias));

typedef struct q4_args {
    float *acc;
    const float *a;
    int64_t a_row;
    const uint8_t *b;
    int64_t k, ahead;
} q4_args;

/* The eight steps at `a`, `count` of which there are, of vector `v` of the columns, in each row. */
INLINE void add_eight(v16 *c, const int rows, const int vectors, const q4_args *g, const float *a,
                      const ints16 *codes, const v16 *scale, const int count)
{
    UNROLL for (int i = 0; i < count; i++)
    {
        v16 w = __builtin_convertvector((ints16)(*codes << (28 - 4 * i)) >> 28, v16) * *scale;
        UNROLL for (int m = 0; m < rows; m++) c[m * vectors] = c[m * vectors] + splat16(a[m * g->a_row + i]) * w;
    }
}

INLINE void q4_tile(const int rows, const int vectors, const q4_args g)
{
    v16 c[Q4_ROWS * Q4_VECTORS];
    const int64_t behind = (g.k / 32 + (g.k % 32 != 0)) * Q4_BLOCK;
    UNROLL for (int i = 0; i < rows * vectors; i++) c[i] = splat16(0);
    const uint8_t *b = g.b;
    for (int64_t from = 0; from < g.k; from += 32, b += Q4_BLOCK) {
        v16 scale[Q4_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++) scale[v] = *(const v16_bytes *)(b + v * behind + CODES);
        ROLLED for (int64_t at = 0; at < 32 && from + at < g.k; at += 8)
        {
            const float *a = g.a + from + at;
            const int64_t count = g.k - from - at;
            UNROLL for (int v = 0; v < vectors; v++)
            {
                const uint8_t *p = b + v * behind + at * 8;
                ints16 codes = *(const ints16_memory *)p;
                __builtin_prefetch(p + g.ahead, 0, 2);
                if (count >= 8)
                    add_eight(c + v, rows, vectors, &g, a, &codes, &scale[v], 8);
                else
                    ROLLED for (int64_t i = 0; i < count; i++)
                    {
                        add_eight(c + v, rows, vectors, &g, a + i, &codes, &scale[v], 1);
                        codes >>= 4;
                    }
            }
        }
    }
    UNROLL for (int i = 0; i < rows * vectors; i++) store16(g.acc + i * 16, c[i]);
}

#define UK_GEMM_Q4(mr, nr)                                                                                       \
    void adze_uk_gemm_f32q4_##mr##x##nr(float *acc, const float *a, int64_t a_row, const uint8_t *b, int64_t k,  \
                                        int64_t ahead)                                                           \
    {                                                                                                            \
        q4_tile(mr, nr / 16, (q4_args){acc, a, a_row, b, k, ahead});                                             \
    }
#define UK_GEMM(mr, nr)
#define UK_GEMM_INT(mr, nr)
#define UK_DEPTHWISE(mw)
#define UK_DEPTHWISE_INT(mw)
#define UK_TRANSPOSE(name)
#define UK_PACK(name)
#include "ukernels.def"
