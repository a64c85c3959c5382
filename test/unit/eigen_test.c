/* Eigenvalues and singular values: reconstruction, orthogonality, degenerate and hostile matrices. `eigen 4608` prints
 * the seconds of that size.
 */
#include "unit.h"

#include "passes/weights/eigen.h"
#include "passes/weights/linalg.h"

#include <float.h>
#include <stdlib.h>
#include <time.h>

static uint64_t state = 1;

static double uniform(void)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (double)(state >> 11) / 9007199254740992.0 - 0.5;
}

static double *made(size_t n)
{
    double *x = malloc((n + 1) * sizeof *x);
    for (size_t i = 0; x && i < n; i++) x[i] = uniform();
    return x;
}

static double *symmetric(size_t n)
{
    double *a = made(n * n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) a[i * n + j] = a[j * n + i];
    return a;
}

/* The largest |v v^T - 1| over rows of v[k][n], and |a - v^T diag(values) v|. */
static double orthogonality(const double *v, size_t k, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) {
            double sum = i == j ? -1 : 0;
            for (size_t p = 0; p < n; p++) sum += v[i * n + p] * v[j * n + p];
            worst = fmax(worst, fabs(sum));
        }
    return worst;
}

static double rest(const double *a, const double *v, const double *values, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = -a[i * n + j];
            for (size_t k = 0; k < n; k++) sum += values[k] * v[k * n + i] * v[k * n + j];
            worst = fmax(worst, fabs(sum));
        }
    return worst;
}

static void check_eigen(const double *a, size_t n, double size)
{
    double *v = malloc((n * n + n) * sizeof *v), *values = v + n * n;
    memcpy(v, a, n * n * sizeof *v);
    CHECK(linalg_eigen(v, n, values));
    CHECK_NEAR(rest(a, v, values, n), 0, 1e-13 * size * (double)(n + 1));
    CHECK_NEAR(orthogonality(v, n, n), 0, 1e-14 * (double)(n + 10));
    for (size_t i = 1; i < n; i++) CHECK(values[i - 1] >= values[i]);
    free(v);
}

TEST(random)
{
    static const size_t sizes[] = {1, 2, 3, 5, 16, 31, 32, 33, 34, 64, 65, 100, 193};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        double *a = symmetric(sizes[s]);
        check_eigen(a, sizes[s], 1);
        free(a);
    }
}

/* Known values: 2 - 2 cos(pi k / (n + 1)) of the second difference. */
TEST(known)
{
    enum { N = 70 };
    static double a[N * N], values[N];
    for (size_t i = 0; i < N; i++) {
        a[i * N + i] = 2;
        if (i) a[i * N + i - 1] = a[(i - 1) * N + i] = -1;
    }
    CHECK(linalg_eigen(a, N, values));
    for (int k = 0; k < N; k++)
        CHECK_NEAR(values[N - 1 - k], 2 - 2 * cos(3.14159265358979323846 * (k + 1) / (N + 1)), 1e-13);
}

/* Only the upper triangle counts, and a vector's largest element is above 0. */
TEST(form)
{
    double a[] = {2, 1, 99, 2}, values[2];
    CHECK(linalg_eigen(a, 2, values));
    CHECK_NEAR(values[0], 3, 1e-15);
    CHECK_NEAR(values[1], 1, 1e-15);
    CHECK_NEAR(a[0], sqrt(0.5), 1e-15);
    CHECK_NEAR(a[1], sqrt(0.5), 1e-15);
    CHECK(fmax(a[2], a[3]) > 0.7 && fmin(a[2], a[3]) < -0.7);
}

TEST(degenerate)
{
    enum { N = 48 };
    static double a[N * N], values[N];
    check_eigen(a, N, 1); /* zeros */
    memset(a, 0, sizeof a);
    for (size_t i = 0; i < N; i++) a[i * N + i] = 1;
    check_eigen(a, N, 1); /* one value */
    for (size_t i = 0; i < (size_t)N * N; i++) a[i] = 1;
    check_eigen(a, N, 1); /* rank 1 */
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) a[i * N + j] = i / 2 == j / 2 ? i == j ? 1 : 0.5 : 0;
    check_eigen(a, N, 1); /* pairs: two values, each 24 times; it falls apart */
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) a[i * N + j] = i == j ? pow(10, -(double)i) : 0;
    check_eigen(a, N, 1); /* down to 1e-47 */
    memset(a, 0, sizeof a);
    a[0] = -1;
    CHECK(linalg_eigen(a, N, values));
    CHECK_NEAR(values[N - 1], -1, 0);
    CHECK_NEAR(values[0], 0, 0);
}

/* Far from 1, where squares would not be floats. */
TEST(scale)
{
    for (int s = 0; s < 2; s++) {
        double factor = s ? 1e-200 : 1e200, *a = symmetric(20);
        for (size_t i = 0; i < 400; i++) a[i] *= factor;
        check_eigen(a, 20, factor);
        free(a);
    }
}

TEST(hostile)
{
    double values[3], v[9];
    double nan[9] = {1, 2, 3, 0, (double)NAN, 0, 0, 0, 1}, inf[9] = {1, 2, 3, 0, 1, (double)INFINITY, 0, 0, 1};
    CHECK(!linalg_eigen(nan, 3, values));
    CHECK(!linalg_eigen(inf, 3, values));
    double wide[6] = {1, 2, (double)NAN, 4, 5, 6};
    CHECK(!linalg_svd(wide, 2, 3, v, values, NULL));
    CHECK(linalg_eigen(values, 0, values));
}

/* Rows that are solved side by side have the bits that they have alone. */
TEST(solves_together)
{
    static const size_t sizes[][2] = {{1, 5}, {16, 1}, {16, 70}, {37, 33}, {100, 64}};
    for (size_t c = 0; c < sizeof sizes / sizeof *sizes; c++) {
        size_t rows = sizes[c][0], n = sizes[c][1];
        double *r = symmetric(n), *x = made(rows * n), *alone = malloc(rows * n * sizeof *alone);
        for (size_t i = 0; i < n; i++) r[i * (n + 1)] += (double)n;
        CHECK(linalg_cholesky(r, n));
        memcpy(alone, x, rows * n * sizeof *alone);
        linalg_solve(x, r, rows, n);
        for (size_t i = 0; i < rows; i++) linalg_solve(alone + i * n, r, 1, n);
        CHECK(!memcmp(x, alone, rows * n * sizeof *x));
        free(r);
        free(x);
        free(alone);
    }
}

TEST(singular)
{
    static const size_t sizes[][2] = {{1, 1}, {1, 7}, {7, 1}, {5, 9}, {9, 5}, {40, 33}, {33, 40}, {24, 24}};
    for (size_t c = 0; c < sizeof sizes / sizeof *sizes; c++) {
        size_t m = sizes[c][0], n = sizes[c][1], k = m < n ? m : n;
        double *a = made(m * n), *u = malloc(m * k * sizeof *u), *s = malloc(k * sizeof *s);
        double *v = malloc(k * n * sizeof *v), *turned = malloc(m * k * sizeof *turned), worst = 0;
        CHECK(linalg_svd(a, m, n, u, s, v));
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = -a[i * n + j];
                for (size_t p = 0; p < k; p++) sum += u[i * k + p] * s[p] * v[p * n + j];
                worst = fmax(worst, fabs(sum));
            }
        CHECK_NEAR(worst, 0, 1e-11);
        for (size_t i = 0; i < m; i++)
            for (size_t p = 0; p < k; p++) turned[p * m + i] = u[i * k + p];
        CHECK_NEAR(orthogonality(turned, k, m), 0, 1e-9);
        CHECK_NEAR(orthogonality(v, k, n), 0, 1e-9);
        for (size_t p = 1; p < k; p++) CHECK(s[p - 1] >= s[p] && s[p] >= 0);
        free(a);
        free(u);
        free(s);
        free(v);
        free(turned);
    }
}

/* Rank 2 of 6: the others are 0, and so is what would be divided by them. */
TEST(rank)
{
    double left[6 * 2], right[2 * 9], a[6 * 9] = {0}, u[6 * 6], s[6], v[6 * 9];
    for (size_t i = 0; i < 12; i++) left[i] = uniform();
    for (size_t i = 0; i < 18; i++) right[i] = uniform();
    linalg_gemm(a, 9, left, 2, right, 9, 6, 9, 2, 1);
    CHECK(linalg_svd(a, 6, 9, u, s, v));
    CHECK(s[1] > 1e-3);
    for (size_t k = 2; k < 6; k++) {
        CHECK_NEAR(s[k], 0, 0);
        for (size_t j = 0; j < 9; j++) CHECK_NEAR(v[k * 9 + j], 0, 0);
    }
}

static void time_size(size_t n)
{
    double *a = symmetric(n), *values = malloc(n * sizeof *values);
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    bool ok = linalg_eigen(a, n, values);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    printf("%zu: %.2f s, %s, %.17g\n", n,
           (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec), ok ? "ok" : "failed",
           values[0]);
    free(a);
    free(values);
}

int main(int argc, char **argv)
{
    if (argc > 1) return time_size((size_t)atoi(argv[1])), 0;
    RUN(random);
    RUN(known);
    RUN(form);
    RUN(degenerate);
    RUN(scale);
    RUN(hostile);
    RUN(solves_together);
    RUN(singular);
    RUN(rank);
    return unit_end();
}
