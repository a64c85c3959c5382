/* Symmetric eigenproblem: Householder reflections to tridiagonal form, then implicit QL.
 *
 * Both parts are blocked, so that most of the work finds its data in the caches. A panel of reflections is found with
 * the matrix as it was ahead of the panel and two products for what the panel has changed since; the matrix itself is
 * updated once a panel. QL keeps the rotations of many sweeps and applies them to a strip of columns at a time. Golub
 * and Van Loan, "Matrix Computations", chapters 5 and 8; the blocking is LAPACK's.
 */
#include "passes/weights/eigen.h"
#include "passes/weights/linalg.h"

#include <adze/arena.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 32, STRIP = 16, LANES = 4, SWEEPS = 64 };

typedef double v4 __attribute__((vector_size(32), aligned(8)));

/* ---- Kernels: the same bits with wider vectors ---- */

/* Row i of the upper triangle of a symmetric matrix in y = a v: row[0] is the diagonal, n elements. */
static inline __attribute__((always_inline)) void row_product(const double *row, const double *v, double *y, size_t n)
{
    v4 sums[2] = {{0}};
    double first = v[0], sum = row[0] * first;
    size_t j = 1;
    for (; j + 2 * LANES <= n; j += 2 * LANES)
        for (size_t p = 0; p < 2; p++) {
            v4 a = *(const v4 *)(row + j + p * LANES);
            sums[p] += a * *(const v4 *)(v + j + p * LANES);
            *(v4 *)(y + j + p * LANES) += a * first;
        }
    v4 both = sums[0] + sums[1];
    sum += (both[0] + both[2]) + (both[1] + both[3]);
    for (; j < n; j++) {
        sum += row[j] * v[j];
        y[j] += row[j] * first;
    }
    y[0] += sum;
}

/* Rotations of rows `last` - 1 and `last`, and so on up to `first`, of STRIP columns; turns holds cosine and sine of
 * each. The row in hand stays in registers. */
static inline __attribute__((always_inline)) void rotate_strip(double *z, const double *turns, size_t first,
                                                               size_t last)
{
    v4 hand[STRIP / LANES];
    for (size_t p = 0; p < STRIP / LANES; p++) hand[p] = *(const v4 *)(z + last * STRIP + p * LANES);
    for (size_t i = last; i-- > first; turns += 2)
        for (size_t p = 0; p < STRIP / LANES; p++) {
            v4 a = *(const v4 *)(z + i * STRIP + p * LANES);
            *(v4 *)(z + (i + 1) * STRIP + p * LANES) = turns[1] * a + turns[0] * hand[p];
            hand[p] = turns[0] * a - turns[1] * hand[p];
        }
    for (size_t p = 0; p < STRIP / LANES; p++) *(v4 *)(z + first * STRIP + p * LANES) = hand[p];
}

typedef struct kernels {
    void (*row_product)(const double *row, const double *v, double *y, size_t n);
    void (*rotate)(double *z, const double *turns, size_t first, size_t last);
} kernels;

static void row_product_base(const double *row, const double *v, double *y, size_t n) { row_product(row, v, y, n); }

static void rotate_base(double *z, const double *turns, size_t first, size_t last)
{
    rotate_strip(z, turns, first, last);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void row_product_avx2(const double *row, const double *v, double *y, size_t n)
{
    row_product(row, v, y, n);
}

__attribute__((target("avx2"))) static void rotate_avx2(double *z, const double *turns, size_t first, size_t last)
{
    rotate_strip(z, turns, first, last);
}
#endif

static kernels pick(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return (kernels){row_product_avx2, rotate_avx2};
#endif
    return (kernels){row_product_base, rotate_base};
}

/* ---- Tridiagonal form ---- */

/* The reflections: column j of v is that of step j, 0 up to row j, 1 in row j + 1; h = 1 - scale v v^T. */
typedef struct reflections {
    size_t n;
    double *v;     /* [n][n], one a row: row j is v of step j */
    double *scale; /* [n] */
    double *d, *e; /* diagonal and what stands beside it */
    double *w;     /* [PANEL][n] a v of each step of the panel, made orthogonal in part */
    kernels use;
} reflections;

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void add_scaled(double *to, const double *from, double factor, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] += factor * from[i];
}

/* Row j of the matrix right of the diagonal, as the panel's steps from `at` on have changed it, in `out`. */
static void current_row(const reflections *r, const double *a, size_t at, size_t j, double *out)
{
    size_t n = r->n;
    memcpy(out + j, a + j * n + j, (n - j) * sizeof *out);
    for (size_t k = at; k < j; k++) {
        const double *v = r->v + k * n, *w = r->w + (k - at) * n;
        add_scaled(out + j, v + j, -w[j], n - j);
        add_scaled(out + j, w + j, -v[j], n - j);
    }
}

/* The reflection that leaves of x[0, n) only its first element, which it gives; x becomes v. */
static double reflect(double *x, size_t n, double *scale)
{
    double first = x[0], rest = dot(x + 1, x + 1, n - 1);
    *scale = 0;
    if (rest > 0) {
        double length = sqrt(first * first + rest), head = first > 0 ? first + length : first - length;
        *scale = 2 * head * head / (head * head + rest);
        for (size_t i = 1; i < n; i++) x[i] /= head;
        first = first > 0 ? -length : length;
    }
    x[0] = 1;
    return first;
}

/* w of step j: scale (a v - v_k (w_k v) - w_k (v_k v)), less its part along v. */
static void find_w(const reflections *r, const double *a, size_t at, size_t j)
{
    size_t n = r->n, begin = j + 1, count = n - begin;
    const double *v = r->v + j * n + begin;
    double *w = r->w + (j - at) * n;
    memset(w, 0, n * sizeof *w);
    for (size_t i = begin; i < n; i++) r->use.row_product(a + i * n + i, r->v + j * n + i, w + i, n - i);
    for (size_t k = at; k < j; k++) {
        const double *vk = r->v + k * n + begin, *wk = r->w + (k - at) * n + begin;
        double along_w = dot(wk, v, count), along_v = dot(vk, v, count);
        add_scaled(w + begin, vk, -along_w, count);
        add_scaled(w + begin, wk, -along_v, count);
    }
    for (size_t i = begin; i < n; i++) w[i] *= r->scale[j];
    add_scaled(w + begin, v, -0.5 * r->scale[j] * dot(w + begin, v, count), count);
}

/* a -= v w^T + w v^T for the panel's steps, the upper triangle behind them by strips. */
static void update(const reflections *r, double *a, size_t at, size_t end)
{
    enum { BLOCK = 64 };
    size_t n = r->n, steps = end - at;
    double turned[2][BLOCK * PANEL]; /* columns of v and w: a row of a each */
    for (size_t i = end; i < n; i += BLOCK) {
        size_t rows = n - i < BLOCK ? n - i : BLOCK;
        for (size_t p = 0; p < rows; p++)
            for (size_t k = 0; k < steps; k++) {
                turned[0][p * PANEL + k] = r->v[(at + k) * n + i + p];
                turned[1][p * PANEL + k] = r->w[k * n + i + p];
            }
        linalg_gemm(a + i * n + i, n, turned[0], PANEL, r->w + i, n, rows, n - i, steps, -1);
        linalg_gemm(a + i * n + i, n, turned[1], PANEL, r->v + at * n + i, n, rows, n - i, steps, -1);
    }
}

static void tridiagonalise(reflections *r, double *a)
{
    size_t n = r->n;
    memset(r->v, 0, n * n * sizeof *r->v);
    for (size_t at = 0, end; at + 1 < n; at = end) {
        end = n - 1 - at < PANEL ? n - 1 : at + PANEL;
        for (size_t j = at; j < end; j++) {
            double *row = r->v + j * n;
            current_row(r, a, at, j, row);
            r->d[j] = row[j];
            row[j] = 0;
            r->e[j] = reflect(row + j + 1, n - j - 1, &r->scale[j]);
            find_w(r, a, at, j);
        }
        update(r, a, at, end);
    }
    r->d[n - 1] = a[n * n - 1];
    r->e[n - 1] = 0;
}

/* z = (h_0 h_1 …)^T: the rows are what the tridiagonal matrix stands in. Blocks of reflections, the last first:
 * h_at … h_end-1 = 1 - v t v^T with v as columns. */
static void form_vectors(const reflections *r, double *z)
{
    size_t n = r->n;
    double t[PANEL * PANEL], inner[PANEL * PANEL];
    double *product = adze_malloc(PANEL * n * sizeof *product), *turned = adze_malloc(PANEL * n * sizeof *turned);
    memset(z, 0, n * n * sizeof *z);
    for (size_t i = 0; i < n; i++) z[i * n + i] = 1;
    for (size_t block = n > 1 ? (n - 2) / PANEL + 1 : 0; block-- > 0;) {
        size_t at = block * PANEL, end = n - 1 - at < PANEL ? n - 1 : at + PANEL, steps = end - at;
        const double *v = r->v + at * n;
        memset(t, 0, sizeof t);
        for (size_t j = 0; j < steps; j++) { /* t's column j: -scale_j t (v^T v_j), and scale_j */
            for (size_t k = 0; k < j; k++) inner[k] = dot(v + k * n, v + j * n, n);
            for (size_t i = 0; i < j; i++) {
                double sum = 0;
                for (size_t k = i; k < j; k++) sum += t[i * PANEL + k] * inner[k];
                t[i * PANEL + j] = -r->scale[at + j] * sum;
            }
            t[j * PANEL + j] = r->scale[at + j];
        }
        /* z^T = h z^T as rows: z -= (z v) t^T v^T. */
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < steps; k++) turned[i * PANEL + k] = v[k * n + i];
        for (size_t i = 0; i < steps; i++)
            for (size_t k = 0; k < steps; k++) inner[i * PANEL + k] = t[k * PANEL + i];
        memset(product, 0, PANEL * n * sizeof *product);
        /* z v, then times t^T, a block of rows at a time; rows above are 0 here. */
        for (size_t i = at; i < n; i += PANEL) {
            size_t rows = n - i < PANEL ? n - i : PANEL;
            double zv[PANEL * PANEL] = {0};
            linalg_gemm(zv, PANEL, z + i * n + at, n, turned + at * PANEL, PANEL, rows, steps, n - at, 1);
            linalg_gemm(product + i * PANEL, PANEL, zv, PANEL, inner, PANEL, rows, steps, steps, 1);
        }
        linalg_gemm(z + at * n + at, n, product + at * PANEL, PANEL, v + at, n, n - at, n - at, steps, -1);
    }
    free(product);
    free(turned);
}

/* ---- QL ---- */

/* Rotations that wait to be applied to the vectors. */
typedef struct sweep {
    size_t first, last, at;
} sweep;

typedef struct waiting {
    double *z;
    size_t n, used, room, n_sweeps;
    double *turns, *strip;
    sweep sweeps[SWEEPS];
    kernels use;
} waiting;

static void apply(waiting *q)
{
    for (size_t j = 0; j < q->n; j += STRIP) {
        size_t width = q->n - j < STRIP ? q->n - j : STRIP;
        for (size_t i = 0; i < q->n; i++) memcpy(q->strip + i * STRIP, q->z + i * q->n + j, width * sizeof *q->z);
        for (size_t s = 0; s < q->n_sweeps; s++)
            q->use.rotate(q->strip, q->turns + q->sweeps[s].at, q->sweeps[s].first, q->sweeps[s].last);
        for (size_t i = 0; i < q->n; i++) memcpy(q->z + i * q->n + j, q->strip + i * STRIP, width * sizeof *q->z);
    }
    q->used = q->n_sweeps = 0;
}

static double *begin_sweep(waiting *q, size_t first, size_t last)
{
    size_t need = 2 * (last - first);
    if (q->n_sweeps == SWEEPS || q->used + need > q->room) apply(q);
    q->sweeps[q->n_sweeps++] = (sweep){first, last, q->used};
    q->used += need;
    return q->turns + q->sweeps[q->n_sweeps - 1].at;
}

/* One sweep over rows [l, m]. */
static void sweep_once(double *d, double *e, size_t l, size_t m, double *turns)
{
    double g = (d[l + 1] - d[l]) / (2 * e[l]), r = sqrt(g * g + 1);
    double s = 1, c = 1, p = 0;
    if (!isfinite(r)) r = fabs(g);
    g = d[m] - d[l] + e[l] / (g + (g >= 0 ? r : -r));
    for (size_t i = m; i-- > l;) {
        double f = s * e[i], b = c * e[i];
        r = sqrt(f * f + g * g);
        e[i + 1] = r;
        if (!(r > 0)) { /* falls apart here: the rest stays */
            d[i + 1] -= p;
            e[m] = 0;
            for (size_t k = i + 1; k-- > l; turns += 2) turns[0] = 1, turns[1] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        *turns++ = c;
        *turns++ = s;
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

/* Of a matrix whose elements are at most about n. */
static bool iterate(waiting *q, double *d, double *e)
{
    enum { TRIES = 200 };
    size_t n = q->n;
    for (size_t l = 0; l < n; l++) {
        for (int tries = 0;; tries++) {
            size_t m = l;
            for (; m + 1 < n; m++) {
                double size = fabs(d[m]) + fabs(d[m + 1]);
                if (fabs(e[m]) <= DBL_EPSILON * size || fabs(e[m]) < 1e-150) break;
            }
            if (m == l) break;
            if (tries == TRIES) return false;
            sweep_once(d, e, l, m, begin_sweep(q, l, m));
        }
    }
    apply(q);
    return true;
}

/* ---- All ---- */

typedef struct keyed {
    double value;
    size_t row;
} keyed;

static int larger_first(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Rows of z in the order of their values, to a, with signs. */
static void sort(const double *z, size_t n, const double *d, double *a, double *values)
{
    keyed *keys = adze_malloc(n * sizeof *keys);
    for (size_t i = 0; i < n; i++) keys[i] = (keyed){d[i], i};
    qsort(keys, n, sizeof *keys, larger_first);
    for (size_t i = 0; i < n; i++) {
        const double *from = z + keys[i].row * n;
        double most = 0;
        values[i] = keys[i].value;
        for (size_t j = 0; j < n; j++)
            if (fabs(from[j]) > fabs(most)) most = from[j];
        for (size_t j = 0; j < n; j++) a[i * n + j] = most < 0 ? -from[j] : from[j];
    }
    free(keys);
}

bool linalg_eigen(double *a, size_t n, double *values)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) {
            if (!isfinite(a[i * n + j])) return false;
            most = fmax(most, fabs(a[i * n + j]));
        }
    if (!n) return true;
    int exponent = 0; /* to about 1, by a power of two */
    (void)frexp(most, &exponent);
    for (size_t i = 0; i < n * n; i++) a[i] = i % n >= i / n ? ldexp(a[i], -exponent) : 0;
    double *room = adze_malloc((n * n + (PANEL + 3) * n) * sizeof *room);
    reflections r = {.n = n, .v = room, .use = pick()};
    r.w = room + n * n;
    r.d = r.w + PANEL * n;
    r.e = r.d + n;
    r.scale = r.e + n;
    tridiagonalise(&r, a);
    form_vectors(&r, a);
    waiting q = {.z = a, .n = n, .room = SWEEPS * n, .use = r.use};
    q.turns = adze_malloc((q.room + STRIP * n) * sizeof *q.turns);
    q.strip = q.turns + q.room;
    memset(q.strip, 0, STRIP * n * sizeof *q.strip); /* columns that the last strip lacks */
    bool ok = iterate(&q, r.d, r.e);
    free(q.turns);
    for (size_t i = 0; i < n; i++) r.d[i] = ldexp(r.d[i], exponent);
    if (ok) {
        memcpy(r.v, a, n * n * sizeof *a);
        sort(r.v, n, r.d, a, values);
    }
    free(room);
    return ok;
}

/* ---- Singular values ---- */

/* The squares' side is the shorter one: g = a a^T. */
static double *squares(const double *a, size_t m, size_t n)
{
    double *g = adze_malloc(m * m * sizeof *g), *turned = adze_malloc(m * n * sizeof *turned);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) turned[j * m + i] = a[i * n + j];
    memset(g, 0, m * m * sizeof *g);
    linalg_gemm(g, m, a, n, turned, m, m, m, n, 1);
    free(turned);
    return g;
}

/* Of m <= n: rows of `left` [m][m] are vectors of the rows, `right` [m][n] those of the columns. */
static bool svd_wide(const double *a, size_t m, size_t n, double *left, double *s, double *right)
{
    double *g = squares(a, m, n);
    bool ok = linalg_eigen(g, m, s);
    for (size_t i = 0; ok && i < m; i++) s[i] = sqrt(fmax(s[i], 0));
    for (size_t i = 0; ok && i < m; i++)
        if (s[i] <= 1e-7 * s[0]) s[i] = 0;
    if (ok && left) memcpy(left, g, m * m * sizeof *g);
    if (ok && right) {
        memset(right, 0, m * n * sizeof *right);
        linalg_gemm(right, n, g, m, a, n, m, n, m, 1);
        for (size_t i = 0; i < m * n; i++) right[i] = s[i / n] > 0 ? right[i] / s[i / n] : 0;
    }
    free(g);
    return ok;
}

static void turn(const double *a, size_t m, size_t n, double *out)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) out[j * m + i] = a[i * n + j];
}

bool linalg_svd(const double *a, size_t m, size_t n, double *u, double *s, double *v)
{
    size_t least = m < n ? m : n, most = m < n ? n : m;
    double *turned = adze_malloc((m * n + least * most) * sizeof *turned), *side = turned + m * n;
    bool ok;
    if (m <= n) {
        ok = svd_wide(a, m, n, u ? side : NULL, s, v);
        if (ok && u) turn(side, m, m, u);
    } else {
        turn(a, m, n, turned);
        ok = svd_wide(turned, n, m, v, s, u ? side : NULL);
        if (ok && u) turn(side, n, m, u);
    }
    free(turned);
    return ok;
}
