/* Dense linear algebra in double: product, Cholesky factor, triangular solve.
 *
 * Everything of cubic cost is one product kernel: 4 x 8 results in registers over a packed panel of b. Each result is
 * summed in the order of k with a rounding after the product and one after the sum, so wider vectors give the same
 * bits. */
#include "passes/weights/linalg.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 4, COLS = 8, DEPTH = 256, BLOCK = 64 };

typedef double v4 __attribute__((vector_size(32), aligned(8)));

/* c[ROWS][COLS] += sign * a[ROWS][k] panel[k][COLS]. */
static inline __attribute__((always_inline)) void tile(double *c, size_t ldc, const double *a, size_t lda,
                                                       const double *panel, size_t k, double sign)
{
    v4 sum[ROWS][2];
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < 2; j++) sum[i][j] = *(const v4 *)(c + i * ldc + 4 * j);
    for (size_t p = 0; p < k; p++) {
        v4 b0 = *(const v4 *)(panel + p * COLS), b1 = *(const v4 *)(panel + p * COLS + 4);
        for (size_t i = 0; i < ROWS; i++) {
            double x = sign * a[i * lda + p];
            sum[i][0] += x * b0;
            sum[i][1] += x * b1;
        }
    }
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < 2; j++) *(v4 *)(c + i * ldc + 4 * j) = sum[i][j];
}

/* The same for what is left over at the edges. */
static inline __attribute__((always_inline)) void edge(double *c, size_t ldc, const double *a, size_t lda,
                                                       const double *panel, size_t k, double sign, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++)
        for (size_t p = 0; p < k; p++) {
            double x = sign * a[i * lda + p];
            for (size_t j = 0; j < n; j++) c[i * ldc + j] += x * panel[p * COLS + j];
        }
}

static inline __attribute__((always_inline)) void panel_product(double *c, size_t ldc, const double *a, size_t lda,
                                                                const double *panel, size_t m, size_t n, size_t k,
                                                                double sign)
{
    size_t i = 0;
    if (n == COLS)
        for (; i + ROWS <= m; i += ROWS) tile(c + i * ldc, ldc, a + i * lda, lda, panel, k, sign);
    if (i < m) edge(c + i * ldc, ldc, a + i * lda, lda, panel, k, sign, m - i, n);
}

typedef void product_fn(double *c, size_t ldc, const double *a, size_t lda, const double *panel, size_t m, size_t n,
                        size_t k, double sign);

static void product_base(double *c, size_t ldc, const double *a, size_t lda, const double *panel, size_t m, size_t n,
                         size_t k, double sign)
{
    panel_product(c, ldc, a, lda, panel, m, n, k, sign);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void product_avx2(double *c, size_t ldc, const double *a, size_t lda,
                                                         const double *panel, size_t m, size_t n, size_t k,
                                                         double sign)
{
    panel_product(c, ldc, a, lda, panel, m, n, k, sign);
}
#endif

static product_fn *pick(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return product_avx2;
#endif
    return product_base;
}

void linalg_gemm(double *c, size_t ldc, const double *a, size_t lda, const double *b, size_t ldb, size_t m, size_t n,
                size_t k, double sign)
{
    product_fn *product = pick();
    double panel[DEPTH * COLS];
    for (size_t p = 0; p < k; p += DEPTH) {
        size_t depth = k - p < DEPTH ? k - p : DEPTH;
        for (size_t j = 0; j < n; j += COLS) {
            size_t width = n - j < COLS ? n - j : COLS;
            for (size_t q = 0; q < depth; q++)
                memcpy(panel + q * COLS, b + (p + q) * ldb + j, width * sizeof *panel);
            product(c + j, ldc, a + p, lda, panel, m, width, depth, sign);
        }
    }
}

/* The factor of one block on the diagonal; a column of r needs those to its right. */
static bool factor_block(double *h, size_t ld, size_t n)
{
    for (size_t j = n; j-- > 0;) {
        double d = h[j * ld + j];
        for (size_t k = j + 1; k < n; k++) d -= h[j * ld + k] * h[j * ld + k];
        if (!(d > 0) || !isfinite(d)) return false;
        d = sqrt(d);
        h[j * ld + j] = d;
        for (size_t i = 0; i < j; i++) {
            double s = h[i * ld + j];
            for (size_t k = j + 1; k < n; k++) s -= h[i * ld + k] * h[j * ld + k];
            h[i * ld + j] = s / d;
        }
    }
    return true;
}

/* ---- Triangular solves ---- */

/* Many rows are solved side by side, each with the operations that it would have alone, in their order: turned, so that
 * a vector holds one number of each. */
enum { LANES = 16 };

/* x[j] = (x[j] - the sum over k of x[k] r_k) / d, k from `from` to before `end`; r_k stand `step` apart. */
static inline __attribute__((always_inline)) void solve_one(double *x, size_t j, size_t from, size_t end,
                                                            const double *r, size_t step, double d)
{
    v4 sum[LANES / 4];
    for (size_t i = 0; i < LANES / 4; i++) sum[i] = *(const v4 *)(x + j * LANES + 4 * i);
    for (size_t k = from; k < end; k++) {
        double f = r[k * step];
        for (size_t i = 0; i < LANES / 4; i++) sum[i] -= *(const v4 *)(x + k * LANES + 4 * i) * f;
    }
    for (size_t i = 0; i < LANES / 4; i++) *(v4 *)(x + j * LANES + 4 * i) = sum[i] / d;
}

static inline __attribute__((always_inline)) void solve_lanes(double *x, const double *r, size_t ldr, size_t n,
                                                              bool upper)
{
    for (size_t j = n; !upper && j-- > 0;) solve_one(x, j, j + 1, n, r + j * ldr, 1, r[j * ldr + j]);
    for (size_t j = 0; upper && j < n; j++) solve_one(x, j, 0, j, r + j, ldr, r[j * ldr + j]);
}

typedef void solve_fn(double *x, const double *r, size_t ldr, size_t n, bool upper);

static void solve_base(double *x, const double *r, size_t ldr, size_t n, bool upper)
{
    solve_lanes(x, r, ldr, n, upper);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void solve_avx2(double *x, const double *r, size_t ldr, size_t n, bool upper)
{
    solve_lanes(x, r, ldr, n, upper);
}
#endif

static solve_fn *pick_solve(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return solve_avx2;
#endif
    return solve_base;
}

/* As many rows as lanes hold; what is left is for the caller. Returns how many. */
static size_t solve_many(double *x, size_t ldx, const double *r, size_t ldr, size_t rows, size_t n, bool upper)
{
    if (rows < LANES || !n) return 0;
    solve_fn *solve = pick_solve();
    double *turned = adze_malloc(n * LANES * sizeof *turned);
    size_t i = 0;
    for (; i + LANES <= rows; i += LANES) {
        for (size_t l = 0; l < LANES; l++)
            for (size_t j = 0; j < n; j++) turned[j * LANES + l] = x[(i + l) * ldx + j];
        solve(turned, r, ldr, n, upper);
        for (size_t l = 0; l < LANES; l++)
            for (size_t j = 0; j < n; j++) x[(i + l) * ldx + j] = turned[j * LANES + l];
    }
    free(turned);
    return i;
}

/* x = x r^-T. */
static void solve_transposed(double *x, size_t ldx, const double *r, size_t ldr, size_t rows, size_t n)
{
    for (size_t i = solve_many(x, ldx, r, ldr, rows, n, false); i < rows; i++)
        for (size_t j = n; j-- > 0;) {
            double s = x[i * ldx + j];
            for (size_t k = j + 1; k < n; k++) s -= x[i * ldx + k] * r[j * ldr + k];
            x[i * ldx + j] = s / r[j * ldr + j];
        }
}

bool linalg_cholesky(double *h, size_t n)
{
    double turned[BLOCK * BLOCK];
    for (size_t end = n; end > 0;) {
        size_t size = end % BLOCK ? end % BLOCK : BLOCK, at = end - size;
        if (!factor_block(h + at * n + at, n, size)) return false;
        solve_transposed(h + at, n, h + at * n + at, n, at, size);
        /* h[0:at][0:at] -= x x^T with x = h[0:at][at:end], a strip of columns at a time and no lower triangle. */
        for (size_t j = 0; j < at; j += BLOCK) {
            for (size_t k = 0; k < size; k++)
                for (size_t i = 0; i < BLOCK; i++) turned[k * BLOCK + i] = h[(j + i) * n + at + k];
            linalg_gemm(h + j, n, h + at, n, turned, BLOCK, j + BLOCK, BLOCK, size, -1);
        }
        end = at;
    }
    for (size_t i = 0; i < n; i++) memset(h + i * n, 0, i * sizeof *h);
    return true;
}

bool linalg_cholesky_damped(const double *h, size_t n, double unit, double *share, double factor, int tries, double *r)
{
    for (int i = 0; i < tries; i++, *share *= factor) {
        memcpy(r, h, n * n * sizeof *r);
        for (size_t j = 0; j < n; j++) r[j * (n + 1)] += *share * unit;
        if (linalg_cholesky(r, n)) return true;
    }
    return false;
}

void linalg_solve_upper(double *x, size_t ldx, const double *r, size_t ldr, size_t rows, size_t n)
{
    for (size_t i = solve_many(x, ldx, r, ldr, rows, n, true); i < rows; i++)
        for (size_t k = 0; k < n; k++) {
            double *row = x + i * ldx, v = row[k] / r[k * ldr + k];
            row[k] = v;
            for (size_t j = k + 1; j < n; j++) row[j] -= v * r[k * ldr + j];
        }
}

void linalg_solve(double *x, const double *r, size_t rows, size_t n)
{
    solve_transposed(x, n, r, n, rows, n);
    linalg_solve_upper(x, n, r, n, rows, n);
}

double linalg_error(const double *e, const double *h, size_t rows, size_t cols)
{
    enum { STRIP = 64 };
    double total = 0, sums[ROWS * STRIP];
    for (size_t i = 0; i < rows; i += ROWS)
        for (size_t j = 0; j < cols; j += STRIP) {
            size_t m = rows - i < ROWS ? rows - i : ROWS, n = cols - j < STRIP ? cols - j : STRIP;
            memset(sums, 0, sizeof sums);
            linalg_gemm(sums, STRIP, e + i * cols, cols, h + j, cols, m, n, cols, 1);
            for (size_t p = 0; p < m; p++)
                for (size_t q = 0; q < n; q++) total += sums[p * STRIP + q] * e[(i + p) * cols + j + q];
        }
    return total;
}
