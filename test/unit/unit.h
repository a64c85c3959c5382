/* A unit test is a C file with TEST functions and one main that lists them:
 *
 *     TEST(adds) { CHECK_INT(1 + 1, 2); }
 *     int main(void) { RUN(adds); return unit_end(); }
 *
 * A failed check prints its place and values and the test goes on; REQUIRE leaves the test. The
 * last line is "N passed, N failed, N skipped" over the tests, which tools/check adds up.
 */
#ifndef ADZE_UNIT_H
#define ADZE_UNIT_H

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct {
    int passed, failed, skipped; /* tests */
    int errors;                  /* failed checks of the running test */
    int checks;                  /* checks of the running test: a test without any fails */
    bool skip;
} unit_count;

#define TEST(name) static void test_##name(void)

#define RUN(name) unit_run(#name, test_##name)

#define CHECK(condition) ((void)unit_check(!!(condition), __FILE__, __LINE__, #condition))

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!unit_check(!!(condition), __FILE__, __LINE__, #condition)) return;                    \
    } while (0)

#define CHECK_INT(got, want) unit_check_int(got, want, __FILE__, __LINE__, #got)
#define CHECK_STR(got, want) unit_check_str(got, want, __FILE__, __LINE__, #got)
/* |got - want| <= tolerance; NaN equals NaN. */
#define CHECK_NEAR(got, want, tolerance)                                                           \
    unit_check_near(got, want, tolerance, __FILE__, __LINE__, #got)

/* Marks the running test as skipped and leaves it. */
#define SKIP(reason)                                                                               \
    do {                                                                                           \
        printf("skipped: %s\n", reason);                                                           \
        unit_count.skip = true;                                                                    \
        return;                                                                                    \
    } while (0)

static inline bool unit_check(bool ok, const char *file, int line, const char *what)
{
    unit_count.checks++;
    if (!ok) {
        unit_count.errors++;
        printf("%s:%d: check failed: %s\n", file, line, what);
    }
    return ok;
}

static inline void unit_check_int(int64_t got, int64_t want, const char *file, int line,
                                  const char *what)
{
    if (!unit_check(got == want, file, line, what))
        printf("  got %" PRId64 ", want %" PRId64 "\n", got, want);
}

static inline void unit_check_str(const char *got, const char *want, const char *file, int line,
                                  const char *what)
{
    bool equal = got && want ? strcmp(got, want) == 0 : got == want;
    if (!unit_check(equal, file, line, what))
        printf("  got  \"%s\"\n  want \"%s\"\n", got ? got : "(null)", want ? want : "(null)");
}

static inline void unit_check_near(double got, double want, double tolerance, const char *file,
                                   int line, const char *what)
{
    bool ok = (isnan(got) && isnan(want)) || got == want || fabs(got - want) <= tolerance;
    if (!unit_check(ok, file, line, what))
        printf("  got %.17g, want %.17g, tolerance %g\n", got, want, tolerance);
}

static inline void unit_run(const char *name, void (*test)(void))
{
    unit_count.errors = unit_count.checks = 0;
    unit_count.skip = false;
    test();
    if (unit_count.checks == 0 && !unit_count.skip) {
        unit_count.errors++;
        printf("test without a check\n");
    }
    if (unit_count.errors) {
        unit_count.failed++;
        printf("FAILED %s\n", name);
    } else if (unit_count.skip) {
        unit_count.skipped++;
    } else {
        unit_count.passed++;
    }
    fflush(stdout);
}

/* Prints the counts; the value for main to return. */
static inline int unit_end(void)
{
    printf("%d passed, %d failed, %d skipped\n", unit_count.passed, unit_count.failed,
           unit_count.skipped);
    return unit_count.failed > 0 || unit_count.passed + unit_count.skipped == 0;
}

#endif
