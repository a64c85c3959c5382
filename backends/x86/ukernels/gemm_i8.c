/* Integer matrix product and direct convolution: unsigned bytes times i8 or i16 weights, exact sums in i32.
 *
 * A row of a panel holds four steps of k for 16 columns, so a 32-bit lane is a column, and four bytes of a row of a
 * are spread to all lanes. With VNNI one instruction adds the four products. Elsewhere products of two bytes do not
 * fit the 16 bits that the byte instruction adds in, so steps are widened to 16 bits and added in pairs: of i8
 * weights steps 0 and 2, then 1 and 3, which are made from the lane by shifts; of i16 weights 0 and 1, then 2 and 3.
 * The bytes of a are widened once for all columns, a block of k at a time. Narrow weights need none of that.
 */
#include "ukernels.h"
#include "vector.h"

#include <string.h>

typedef struct gemm_args {
    int32_t *acc;
    const uint8_t *a;
    int64_t m_cols, a_col, a_row;
    const void *b;
    int64_t t0, s0, t1, s1, k, ahead;
} gemm_args;

#if defined(__AVX2__) && defined(__clang__)
#include <immintrin.h>

enum { MAX_ROWS = 14 };

#if defined(__AVX512BW__)
enum { WIDE = 64, MAX_VECTORS = 2 };
typedef __m512i vec;
#define load_vec(p)     _mm512_loadu_si512(p)
#define store_vec(p, v) _mm512_storeu_si512(p, v)
#define splat32(x)      _mm512_set1_epi32((int)(x))
#define zero_vec()      _mm512_setzero_si512()
#define add32(a, b)     _mm512_add_epi32(a, b)
#define madd16(a, b)    _mm512_madd_epi16(a, b)
#define madd8(a, b)     _mm512_maddubs_epi16(a, b)
#define ones16()        _mm512_set1_epi16(1)
#define low_byte(b)     _mm512_srai_epi16(_mm512_slli_epi16(b, 8), 8)
#define high_byte(b)    _mm512_srai_epi16(b, 8)
#define dwords(a, b, p) _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), p))
#define in_order(v)     _mm512_permutex2var_epi32(v, order512, v)
#define order512        _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15)
#else
enum { WIDE = 32, MAX_VECTORS = 4 };
typedef __m256i vec;
#define load_vec(p)     _mm256_loadu_si256((const __m256i_u *)(p))
#define store_vec(p, v) _mm256_storeu_si256((__m256i_u *)(p), v)
#define splat32(x)      _mm256_set1_epi32((int)(x))
#define zero_vec()      _mm256_setzero_si256()
#define add32(a, b)     _mm256_add_epi32(a, b)
#define madd16(a, b)    _mm256_madd_epi16(a, b)
#define madd8(a, b)     _mm256_maddubs_epi16(a, b)
#define ones16()        _mm256_set1_epi16(1)
#define low_byte(b)     _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8)
#define high_byte(b)    _mm256_srai_epi16(b, 8)
#define dwords(a, b, p) _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), p))
#define in_order(v)     _mm256_permute4x64_epi64(v, 0xd8)
#endif

#ifdef __AVX512VNNI__
enum { VNNI = 1 };
#define dot8(c, a, b)  _mm512_dpbusd_epi32(c, a, b)
#define dot16(c, a, b) _mm512_dpwssd_epi32(c, a, b)
#else
enum { VNNI = 0 };
#define dot8(c, a, b)  add32(c, madd16(madd8(a, b), ones16()))
#define dot16(c, a, b) add32(c, madd16(a, b))
#endif

/* Takes a sum as it is: else LLVM adds the products of both pairs first, and has no registers for them. */
#define IN_REGISTER(sum) __asm__("" : "+v"(sum))
/* Likewise it keeps no register for what a cheap load brings. */
#define LOAD_AGAIN(pointer) __asm__("" : "+r"(pointer))

enum { PER_PANEL = 4 * PANEL / WIDE, BLOCK = 64 }; /* vectors of 16 columns; groups that are widened at once */

/* From a row of a tile to the next, in loops that are not unrolled: what they do is much code. */
#define NEXT_ROW(g, row, col)                                                                                      \
    do {                                                                                                           \
        if (++col == (g)->m_cols) {                                                                                \
            col = 0;                                                                                               \
            row += (g)->a_row;                                                                                     \
        }                                                                                                          \
    } while (0)

typedef struct tile {
    vec c[MAX_ROWS][MAX_VECTORS];
    int64_t offset[MAX_ROWS];
    const char *b;
    int64_t behind, ahead; /* bytes */
} tile;

INLINE uint32_t bytes_of(const uint8_t *a, int64_t count)
{
    uint32_t x = 0;
    if (count >= 4) {
        __builtin_memcpy(&x, a, 4);
        return x;
    }
    for (int64_t i = 0; i < count; i++) x |= (uint32_t)a[i] << 8 * i;
    return x;
}

INLINE const char *vector_of(const tile *t, int v) { return t->b + v / PER_PANEL * t->behind + v % PER_PANEL * WIDE; }

INLINE void fetch_ahead(const tile *t, const int vectors, const int weight_bytes)
{
    UNROLL for (int v = 0; v < vectors; v += PER_PANEL)
    {
        UNROLL for (int i = 0; i < weight_bytes; i++)
            __builtin_prefetch(t->b + v / PER_PANEL * t->behind + 64 * i + t->ahead, 0, 2);
    }
}

/* ---- Four steps at once ---- */

/* The groups that a row ends in, for the rows of a tile. */
typedef struct ends {
    uint32_t x[MAX_ROWS];
} ends;

/* A group of a at byte `at` of its rows; the last ones from `last`, if given. */
INLINE void add_group(tile *t, const int rows, const int vectors, const uint8_t *a, const ends *last)
{
    vec b[MAX_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) b[v] = load_vec(vector_of(t, v));
    fetch_ahead(t, vectors, 1);
    UNROLL for (int m = 0; m < rows; m++)
    {
        vec x = splat32(last ? last->x[m] : bytes_of(a + t->offset[m], 4));
        UNROLL for (int v = 0; v < vectors; v++) t->c[m][v] = dot8(t->c[m][v], x, b[v]);
    }
    t->b += GROUP_PANEL;
}

INLINE void tap_at_once(tile *t, const int rows, const int vectors, const gemm_args *g, const uint8_t *a)
{
    const int64_t whole = g->k / 4 * 4;
    for (int64_t kk = 0; kk < whole; kk += 4) add_group(t, rows, vectors, a + kk, NULL);
    if (whole == g->k) return;
    ends last;
    const uint8_t *row = a + whole;
    int64_t col = 0;
    ROLLED for (int m = 0; m < rows; m++)
    {
        last.x[m] = bytes_of(row + col * g->a_col, g->k - whole);
        NEXT_ROW(g, row, col);
    }
    add_group(t, rows, vectors, a, &last);
}

/* ---- In pairs ---- */

/* Pairs of 16-bit steps: [0] the first pair of a group, [1] the second. */
typedef struct pairs {
    _Alignas(64) uint32_t x[2][MAX_ROWS][BLOCK];
} pairs;

typedef uint8_t b32 __attribute__((vector_size(32)));
typedef uint8_t b16 __attribute__((vector_size(16)));

#define EACH4(F, i)   F(i), F(i + 4), F(i + 8), F(i + 12)
#define EACH8(F, i)   EACH4(F, i), EACH4(F, i + 16)
#define FIRST_I8(i)   i, Z, i + 2, Z
#define SECOND_I8(i)  i + 1, Z, i + 3, Z
#define FIRST_I16(i)  i, Z, i + 1, Z
#define SECOND_I16(i) i + 2, Z, i + 3, Z

INLINE void widen32(uint32_t *first, uint32_t *second, const uint8_t *a, const int weight_bytes)
{
    enum { Z = 32 };
    b32 x, zero = {0}, y, z;
    __builtin_memcpy(&x, a, sizeof x);
    if (weight_bytes == 1) {
        y = __builtin_shufflevector(x, zero, EACH8(FIRST_I8, 0));
        z = __builtin_shufflevector(x, zero, EACH8(SECOND_I8, 0));
    } else {
        y = __builtin_shufflevector(x, zero, EACH8(FIRST_I16, 0));
        z = __builtin_shufflevector(x, zero, EACH8(SECOND_I16, 0));
    }
    __builtin_memcpy(first, &y, sizeof y);
    __builtin_memcpy(second, &z, sizeof z);
}

INLINE void widen16(uint32_t *first, uint32_t *second, const uint8_t *a, const int weight_bytes)
{
    enum { Z = 16 };
    b16 x, zero = {0}, y, z;
    __builtin_memcpy(&x, a, sizeof x);
    if (weight_bytes == 1) {
        y = __builtin_shufflevector(x, zero, EACH4(FIRST_I8, 0));
        z = __builtin_shufflevector(x, zero, EACH4(SECOND_I8, 0));
    } else {
        y = __builtin_shufflevector(x, zero, EACH4(FIRST_I16, 0));
        z = __builtin_shufflevector(x, zero, EACH4(SECOND_I16, 0));
    }
    __builtin_memcpy(first, &y, sizeof y);
    __builtin_memcpy(second, &z, sizeof z);
}

INLINE void widen4(uint32_t *first, uint32_t *second, uint32_t x, const int weight_bytes)
{
    const uint32_t low = 0x00ff00ff;
    *first = weight_bytes == 1 ? x & low : (x & 0xff) | (x & 0xff00) << 8;
    *second = weight_bytes == 1 ? x >> 8 & low : (x >> 16 & 0xff) | (x >> 8 & 0xff0000);
}

INLINE void widen(uint32_t *first, uint32_t *second, const uint8_t *a, int64_t bytes, const int weight_bytes)
{
    int64_t at = 0;
    for (; at + 32 <= bytes; at += 32) widen32(first + at / 4, second + at / 4, a + at, weight_bytes);
    if (at + 16 <= bytes) {
        widen16(first + at / 4, second + at / 4, a + at, weight_bytes);
        at += 16;
    }
    for (; at + 4 <= bytes; at += 4) widen4(first + at / 4, second + at / 4, bytes_of(a + at, 4), weight_bytes);
    if (at < bytes) widen4(first + at / 4, second + at / 4, bytes_of(a + at, bytes - at), weight_bytes);
}

/* Pair `which` of the weights of vector `v`. Columns of i16 weights come out of order, see in_order. */
INLINE vec weights(const tile *t, int v, const int which, const int weight_bytes)
{
    const char *p = t->b + v / PER_PANEL * t->behind + v % PER_PANEL * WIDE * weight_bytes;
    if (weight_bytes == 1) return which ? high_byte(load_vec(p)) : low_byte(load_vec(p));
    return which ? dwords(load_vec(p), load_vec(p + WIDE), 0xdd) : dwords(load_vec(p), load_vec(p + WIDE), 0x88);
}

INLINE void add_pairs(tile *t, const int rows, const int vectors, const pairs *a, int64_t group,
                      const int weight_bytes)
{
    fetch_ahead(t, vectors, weight_bytes);
    UNROLL for (int which = 0; which < 2; which++)
    {
        vec b[MAX_VECTORS];
        if (which) LOAD_AGAIN(t->b);
        UNROLL for (int v = 0; v < vectors; v++) b[v] = weights(t, v, which, weight_bytes);
        UNROLL for (int m = 0; m < rows; m++)
        {
            vec x = splat32(a->x[which][m][group]);
            UNROLL for (int v = 0; v < vectors; v++)
            {
                t->c[m][v] = dot16(t->c[m][v], x, b[v]);
                if (!which) IN_REGISTER(t->c[m][v]);
            }
        }
    }
    t->b += GROUP_PANEL * weight_bytes;
}

INLINE void widen_rows(pairs *wide, const int rows, const gemm_args *g, const uint8_t *a, int64_t bytes,
                       const int weight_bytes)
{
    const uint8_t *row = a;
    int64_t col = 0;
    ROLLED for (int m = 0; m < rows; m++)
    {
        widen(wide->x[0][m], wide->x[1][m], row + col * g->a_col, bytes, weight_bytes);
        NEXT_ROW(g, row, col);
    }
}

INLINE void tap_in_pairs(tile *t, const int rows, const int vectors, const gemm_args *g, const uint8_t *a,
                         const int weight_bytes)
{
    pairs wide;
    for (int64_t from = 0; from < g->k; from += 4 * BLOCK) {
        const int64_t bytes = g->k - from < 4 * BLOCK ? g->k - from : 4 * BLOCK;
        widen_rows(&wide, rows, g, a + from, bytes, weight_bytes);
        for (int64_t group = 0; group < (bytes + 3) / 4; group++)
            add_pairs(t, rows, vectors, &wide, group, weight_bytes);
    }
}

/* ---- The tile ---- */

INLINE void gemm_tile(const int rows, const int columns, const int weight_bytes, const int narrow, const gemm_args g)
{
    tile t;
    const int vectors = columns / PANEL * PER_PANEL;
    t.b = g.b;
    t.behind = g.t0 * g.t1 * (g.k / 4 + (g.k % 4 != 0)) * GROUP_PANEL * weight_bytes;
    t.ahead = g.ahead * weight_bytes;
    UNROLL for (int m = 0; m < rows; m++)
    {
        t.offset[m] = m / g.m_cols * g.a_row + m % g.m_cols * g.a_col;
        UNROLL for (int v = 0; v < vectors; v++) t.c[m][v] = zero_vec();
    }
    for (int64_t i0 = 0; i0 < g.t0; i0++)
        for (int64_t i1 = 0; i1 < g.t1; i1++) {
            const uint8_t *a = g.a + i0 * g.s0 + i1 * g.s1;
            if (weight_bytes == 1 && (narrow || VNNI))
                tap_at_once(&t, rows, vectors, &g, a);
            else
                tap_in_pairs(&t, rows, vectors, &g, a, weight_bytes);
        }
    UNROLL for (int m = 0; m < rows; m++)
    {
        UNROLL for (int v = 0; v < vectors; v++)
            store_vec(g.acc + (m * vectors + v) * (WIDE / 4), weight_bytes == 1 ? t.c[m][v] : in_order(t.c[m][v]));
    }
}

#else

INLINE int32_t weight_at(const void *b, const int weight_bytes, int64_t at)
{
    int16_t wide;
    if (weight_bytes == 1) return ((const int8_t *)b)[at];
    __builtin_memcpy(&wide, (const char *)b + 2 * at, sizeof wide);
    return wide;
}

/* The definition in plain C. Unsigned sums, because those of C may not go over. */
INLINE void gemm_tile(const int rows, const int columns, const int weight_bytes, const int narrow, const gemm_args g)
{
    const int64_t groups = g.k / 4 + (g.k % 4 != 0), behind = g.t0 * g.t1 * groups * GROUP_PANEL;
    (void)narrow;
    for (int m = 0; m < rows; m++)
        for (int n = 0; n < columns; n++) {
            const uint8_t *row = g.a + m / g.m_cols * g.a_row + m % g.m_cols * g.a_col;
            int64_t at = n / PANEL * behind + n % PANEL * 4;
            uint32_t sum = 0;
            for (int64_t i0 = 0; i0 < g.t0; i0++)
                for (int64_t i1 = 0; i1 < g.t1; i1++, at += groups * GROUP_PANEL)
                    for (int64_t kk = 0; kk < g.k; kk++)
                        sum += (uint32_t)(row[i0 * g.s0 + i1 * g.s1 + kk] *
                                          weight_at(g.b, weight_bytes, at + kk / 4 * GROUP_PANEL + kk % 4));
            g.acc[m * columns + n] = (int32_t)sum;
        }
}

#endif

#define UK_GEMM_TILE(name, weight, narrow, mr, nr)                                                                  \
    void adze_uk_gemm_##name##_##mr##x##nr(int32_t *acc, const uint8_t *a, int64_t m_cols, int64_t a_col,           \
                                           int64_t a_row, const weight *b, int64_t t0, int64_t s0, int64_t t1,      \
                                           int64_t s1, int64_t k, int64_t ahead)                                    \
    {                                                                                                               \
        gemm_tile(mr, nr, sizeof(weight), narrow,                                                                   \
                  (gemm_args){acc, a, m_cols, a_col, a_row, b, t0, s0, t1, s1, k, ahead});                          \
    }
#define UK_GEMM_INT(mr, nr)                      \
    UK_GEMM_TILE(u8s8, int8_t, 0, mr, nr)        \
    UK_GEMM_TILE(u8s8_narrow, int8_t, 1, mr, nr) \
    UK_GEMM_TILE(u8s16, int16_t, 0, mr, nr)
#include "ukernels.def"
