/* Matrix products, the core of all contractions: c[m][n] = sum over k of a(m, k) * b(k, n).
 *
 * Operands come through functions that fill blocks, so that matmul, gemm and conv differ only in how
 * they find their elements. Floats of every type are multiplied and summed as doubles, in the order of
 * k, unless f32 is to be summed in f32: then each step rounds, as a fused multiply-add does; integers in 64 bits, where
 * sums wrap. Blocks are sized so that a block of b stays in the first level cache while many rows pass over it, and the
 * loop inside is one that compilers vectorise.
 */
#ifndef ADZE_EVAL_PRODUCT_H
#define ADZE_EVAL_PRODUCT_H

#include "convert.h"

enum { PRODUCT_M = 256, PRODUCT_N = 128, PRODUCT_K = 32 };

typedef struct ev_factors {
    const adze_env *env;
    const void *self; /* the caller's own */
    int64_t m, n, k;
    bool ints;   /* int64_t elements in the blocks instead of double */
    bool single; /* sums are rounded to f32 after every step: see ev_strict */
    /* out[i] = a(m, k + i) for i < count. */
    void (*row)(const void *self, int64_t m, int64_t k, int64_t count, void *out);
    /* out[i * PRODUCT_N + j] = b(k + i, n + j) for i < k_count, j < n_count. */
    void (*panel)(const void *self, int64_t k, int64_t k_count, int64_t n, int64_t n_count, void *out);
    /* Takes the finished sums c[m][n .. n + count - 1]; may change them. */
    void (*take)(const void *self, int64_t m, int64_t n, int64_t count, void *sums);
} ev_factors;

/* Two rows of c += two rows of a times a panel of b, four k at a time: each element's sum still runs in
 * the order of k. */
#define EV_TILE(name, T, R)                                                                          \
    static inline void name(int64_t n, int64_t k, const T *a0, const T *a1, const T *b,            \
                            T *restrict c0, T *restrict c1)                                        \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        for (; i + 4 <= k; i += 4) {                                                               \
            const T *restrict p = b + i * PRODUCT_N, *restrict q = p + PRODUCT_N;                  \
            const T *restrict r = q + PRODUCT_N, *restrict s = r + PRODUCT_N;                      \
            T a00 = a0[i], a01 = a0[i + 1], a02 = a0[i + 2], a03 = a0[i + 3];                      \
            T a10 = a1[i], a11 = a1[i + 1], a12 = a1[i + 2], a13 = a1[i + 3];                      \
            for (int64_t j = 0; j < n; j++) {                                                      \
                T p_j = p[j], q_j = q[j], r_j = r[j], s_j = s[j];                                  \
                c0[j] = R(R(R(R(c0[j] + a00 * p_j) + a01 * q_j) + a02 * r_j) + a03 * s_j);           \
                c1[j] = R(R(R(R(c1[j] + a10 * p_j) + a11 * q_j) + a12 * r_j) + a13 * s_j);           \
            }                                                                                      \
        }                                                                                          \
        for (; i < k; i++) {                                                                       \
            const T *restrict p = b + i * PRODUCT_N;                                               \
            for (int64_t j = 0; j < n; j++) {                                                      \
                c0[j] = R(c0[j] + a0[i] * p[j]);                                                     \
                c1[j] = R(c1[j] + a1[i] * p[j]);                                                     \
            }                                                                                      \
        }                                                                                          \
    }
#define EV_AS_IS(x)     (x)
#define EV_TO_SINGLE(x) ((double)(float)(x))
EV_TILE(ev_tile_f64, double, EV_AS_IS)
EV_TILE(ev_tile_single, double, EV_TO_SINGLE)
EV_TILE(ev_tile_i64, uint64_t, EV_AS_IS)
#undef EV_AS_IS
#undef EV_TO_SINGLE
#undef EV_TILE

/* Does the caller ask for f32 sums in f32? A product of two floats is exact in double, so a step differs
 * from a fused multiply-add only where double rounds onto a tie of f32: about once in 2^29. */
static inline bool ev_strict(const adze_env *env, uint32_t dtype)
{
    return (env->flags & ADZE_ENV_STRICT) && dtype == ADZE_DTYPE_f32;
}

/* Working memory; both element types take 8 bytes. */
typedef struct ev_blocks {
    void *sums;   /* PRODUCT_M + 1 rows of PRODUCT_N; the last one is for an odd row's missing partner */
    void *panel;  /* PRODUCT_K rows of PRODUCT_N */
} ev_blocks;

/* Whether one allocation serves many products: NULL sums = no memory. */
static inline ev_blocks ev_blocks_make(const adze_env *env)
{
    uint8_t *memory = ev_scratch(env, (PRODUCT_M + 1 + PRODUCT_K) * PRODUCT_N, 8);
    ev_blocks b = {memory, memory ? memory + (size_t)(PRODUCT_M + 1) * PRODUCT_N * 8 : NULL};
    return b;
}

static inline void ev_multiply_rows(const ev_factors *p, const ev_blocks *b, int64_t m, int64_t rows,
                                   int64_t n, int64_t k, int64_t k_count)
{
    union {
        double f[2][PRODUCT_K];
        uint64_t i[2][PRODUCT_K];
    } a;
    memset(&a, 0, sizeof a);
    for (int64_t i = 0; i < rows; i += 2) {
        int64_t other = i + 1 < rows ? i + 1 : PRODUCT_M;
        p->row(p->self, m + i, k, k_count, a.f[0]);
        if (i + 1 < rows)
            p->row(p->self, m + i + 1, k, k_count, a.f[1]);
        else
            memset(a.f[1], 0, sizeof a.f[1]);
        if (p->ints)
            ev_tile_i64(n, k_count, a.i[0], a.i[1], b->panel, (uint64_t *)b->sums + i * PRODUCT_N,
                        (uint64_t *)b->sums + other * PRODUCT_N);
        else if (p->single)
            ev_tile_single(n, k_count, a.f[0], a.f[1], b->panel, (double *)b->sums + i * PRODUCT_N,
                           (double *)b->sums + other * PRODUCT_N);
        else
            ev_tile_f64(n, k_count, a.f[0], a.f[1], b->panel, (double *)b->sums + i * PRODUCT_N,
                        (double *)b->sums + other * PRODUCT_N);
    }
}

static inline void ev_multiply(const ev_factors *p, const ev_blocks *b)
{
    for (int64_t m = 0; m < p->m; m += PRODUCT_M) {
        int64_t rows = ev_min(PRODUCT_M, p->m - m);
        for (int64_t n = 0; n < p->n; n += PRODUCT_N) {
            int64_t columns = ev_min(PRODUCT_N, p->n - n);
            memset(b->sums, 0, (size_t)rows * PRODUCT_N * 8);
            memset((uint8_t *)b->sums + (size_t)PRODUCT_M * PRODUCT_N * 8, 0, PRODUCT_N * 8);
            for (int64_t k = 0; k < p->k; k += PRODUCT_K) {
                int64_t depth = ev_min(PRODUCT_K, p->k - k);
                p->panel(p->self, k, depth, n, columns, b->panel);
                ev_multiply_rows(p, b, m, rows, columns, k, depth);
            }
            for (int64_t i = 0; i < rows; i++)
                p->take(p->self, m + i, n, columns, (uint8_t *)b->sums + (size_t)i * PRODUCT_N * 8);
        }
    }
}

/* n elements from `first` on, as the blocks hold them. */
static inline void ev_load_block(bool ints, uint32_t dtype, const void *data, int64_t first, int64_t stride,
                                 int64_t n, void *out)
{
    if (ints)
        ev_load_i64(dtype, data, first, stride, n, out);
    else
        ev_load_f64(dtype, data, first, stride, n, out);
}

/* Takes a zero point off n integers of a block. */
static inline void ev_subtract(void *block, int64_t n, int64_t zero)
{
    int64_t *x = block;
    for (int64_t i = 0; i < n; i++) x[i] -= zero;
}

static inline bool ev_count_one(const adze_value *v) { return adze_value_count(v) == 1; }

static inline void ev_store_block(bool ints, uint32_t dtype, void *data, int64_t first, int64_t stride,
                                  int64_t n, const void *in)
{
    if (ints)
        ev_store_i64(dtype, data, first, stride, n, in);
    else
        ev_store_f64(dtype, data, first, stride, n, in);
}

#endif
