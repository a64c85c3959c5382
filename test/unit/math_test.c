/* Errors of our mathematics: f32 functions against libm's double ones over a sample of all arguments, f64
 * functions against its long double ones. The bounds are those that ir/eval/math.h states.
 */
#include "unit.h"

#include "ir/eval/bodies.h"

#include <float.h>
#include <stdlib.h>

/* Error of y in units of the last place of an f32 near `want`. */
static double ulps(float y, double want)
{
    float rounded = (float)want;
    if (isnan(want) || isnan(y)) return isnan(want) && isnan(y) ? 0 : HUGE_VAL;
    if (isinf(rounded) || isinf(y)) return y == rounded ? 0 : HUGE_VAL;
    int e = -125;
    if (fabs(want) >= (double)FLT_MIN) (void)frexp(want, &e);
    return fabs((double)y - want) / ldexp(1, e - 24);
}

static double reference_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double reference_softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double reference_rsqrt(double x)
{
    return 1 / sqrt(x);
}

typedef struct f32_case {
    const char *name;
    float (*function)(float);
    double (*reference)(double);
    double bound; /* ulp */
} f32_case;

#define F(name, bound) {#name, adze_body_##name##_f32, name, bound}
#define OWN(name, bound) {#name, adze_body_##name##_f32, reference_##name, bound}
static const f32_case f32_cases[] = {
    F(exp, 1.0),       F(expm1, 1.6),     F(log, 0.85),      F(log1p, 1.5),  F(tanh, 6.2),
    F(erf, 7.5),       OWN(sigmoid, 2.4), OWN(softplus, 2.2), OWN(rsqrt, 1.5), F(sqrt, 0.5),
    F(sin, 0.501),     F(cos, 0.501),     F(tan, 0.501),     F(asin, 0.501), F(acos, 0.501),
    F(atan, 0.501),    F(sinh, 0.501),    F(cosh, 0.501),    F(asinh, 0.501), F(acosh, 0.501),
    F(atanh, 0.501),   F(floor, 0),       F(ceil, 0),        F(trunc, 0),
    {"round", adze_body_round_f32, nearbyint, 0},
};

TEST(f32_errors)
{
    for (size_t i = 0; i < sizeof f32_cases / sizeof *f32_cases; i++) {
        const f32_case *c = &f32_cases[i];
        double worst = 0;
        float at = 0;
        for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 8191) {
            float x = adze_float_f32((uint32_t)bits);
            double error = ulps(c->function(x), c->reference((double)x));
            if (error > worst) {
                worst = error;
                at = x;
            }
        }
        if (!unit_check(worst <= c->bound, __FILE__, __LINE__, c->name))
            printf("  %g ulp at %a, bound %g\n", worst, (double)at, c->bound);
    }
}

typedef struct f64_case {
    const char *name;
    double (*function)(double);
    long double (*reference)(long double);
    double low, high; /* magnitudes; both signs are tried */
    double bound;     /* relative */
} f64_case;

#define D(name, low, high, bound) {#name, adze_body_##name##_f64, name##l, low, high, bound}
static const f64_case f64_cases[] = {
    D(exp, 1e-10, 700, 2e-16),    D(expm1, 1e-10, 700, 4e-16),  D(log, 1e-300, 1e300, 2e-16),
    D(log, 0.5, 2, 2e-16),        D(log1p, 1e-20, 1e20, 4e-16), D(log1p, 0.1, 10, 4e-16),
    D(tanh, 1e-10, 30, 5e-16),    D(erf, 1e-10, 8, 5e-16),      D(erf, 0.5, 3, 5e-16),
    D(sin, 1e-10, 1e5, 4e-16),    D(sin, 1e5, 1e18, 4e-16),     D(sin, 1e18, 1e300, 4e-16),
    D(cos, 1e-10, 1e5, 4e-16),    D(cos, 1e5, 1e300, 4e-16),    D(tan, 1e-10, 1e9, 6e-16),
    D(asin, 1e-10, 1, 3e-16),     D(acos, 1e-10, 1, 3e-16),     D(acos, 0.3, 1, 3e-16),
    D(atan, 1e-10, 1e10, 4e-16),  D(atan, 0.1, 10, 4e-16),      D(sinh, 1e-10, 700, 5e-16),
    D(cosh, 1e-10, 700, 5e-16),   D(asinh, 1e-10, 1e300, 5e-16), D(acosh, 1, 1e10, 5e-16),
    D(acosh, 1, 3, 5e-16),        D(atanh, 1e-10, 1, 5e-16),
};

/* Uniform in [0, 1). */
static double uniform(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

TEST(f64_errors)
{
    uint64_t state = 1;
    for (size_t i = 0; i < sizeof f64_cases / sizeof *f64_cases; i++) {
        const f64_case *c = &f64_cases[i];
        double worst = 0, at = 0;
        for (int n = 0; n < 100000; n++) {
            double x = c->low * pow(c->high / c->low, uniform(&state));
            if (n % 2) x = -x;
            long double want = c->reference((long double)x);
            double y = c->function(x);
            if (isnan(y) && isnan((double)want)) continue;
            double error = y == (double)want ? 0 : (double)(fabsl((long double)y - want) / fabsl(want));
            if (!(error <= worst)) {
                worst = error;
                at = x;
            }
        }
        if (!unit_check(worst <= c->bound, __FILE__, __LINE__, c->name))
            printf("  relative error %g at %a, bound %g\n", worst, at, c->bound);
    }
}

TEST(pow_errors)
{
    uint64_t state = 2;
    double worst64 = 0, worst32 = 0;
    for (int n = 0; n < 300000; n++) {
        double x = exp((uniform(&state) - 0.5) * (n % 2 ? 4 : 100));
        double y = (uniform(&state) - 0.5) * (n % 4 < 2 ? 40 : 1200 / fabs(log(x)));
        long double want = powl((long double)x, (long double)y);
        if (fabsl(want) > 1e-300L && fabsl(want) < 1e300L) {
            double error = (double)(fabsl((long double)adze_body_pow_f64(x, y) - want) / want);
            if (!(error <= worst64)) worst64 = error;
        }
        float xf = (float)x, yf = (float)y;
        double error = ulps(adze_body_pow_f32(xf, yf), pow((double)xf, (double)yf));
        if (!(error <= worst32)) worst32 = error;
    }
    CHECK(worst64 <= 5e-15);
    CHECK(worst32 <= 0.501);
}

TEST(pow_of_special_values)
{
    static const double values[] = {0.0,  -0.0,     1,   -1,    2,      -2,     3,
                                    0.5,  -0.5,     -3,  1e30,  -1e30,  1e-40,  16777215,
                                    NAN,  INFINITY, -INFINITY, 9007199254740993.0};
    enum { N = sizeof values / sizeof *values };
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double want = pow(values[i], values[j]), got = adze_body_pow_f64(values[i], values[j]);
            CHECK_NEAR(got, want, fabs(want) * 1e-14);
            if (!isnan(want)) CHECK(!signbit(got) == !signbit(want));
            float wf = powf((float)values[i], (float)values[j]);
            float gf = adze_body_pow_f32((float)values[i], (float)values[j]);
            CHECK_NEAR((double)gf, (double)wf, fabs((double)wf) * 1e-6);
            if (!isnan(wf)) CHECK(!signbit(gf) == !signbit(wf));
        }
}

TEST(remainders)
{
    uint64_t state = 3;
    for (int n = 0; n < 20000; n++) {
        double a = (uniform(&state) - 0.5) * pow(10, 60 * uniform(&state) - 30);
        double b = (uniform(&state) - 0.5) * pow(10, 60 * uniform(&state) - 30);
        CHECK(adze_body_mod_f64(a, b, 1) == fmod(a, b));
        CHECK(adze_body_mod_f32((float)a, (float)b, 1) == fmodf((float)a, (float)b));
        /* next to a multiple, up to quotients that a division of doubles no longer settles */
        float d = (float)(0.5 + uniform(&state)), m = (float)floor(exp2(30 * uniform(&state))) * d;
        float near[] = {m, nextafterf(m, 0), nextafterf(m, INFINITY)};
        for (int i = 0; i < 3; i++) CHECK(adze_body_mod_f32(near[i], d, 1) == fmodf(near[i], d));
    }
    CHECK(adze_body_mod_f64(-5.5, 2, 0) == 0.5);
    CHECK(adze_body_mod_f64(5.5, -2, 0) == -0.5);
    CHECK(signbit(adze_body_mod_f32(4, -2, 0)));
    CHECK(adze_body_mod_f32(1, INFINITY, 0) == 1);
    CHECK(adze_body_mod_f32(1, -INFINITY, 0) == -INFINITY);
    CHECK(isnan(adze_body_mod_f32(INFINITY, 2, 0)) && isnan(adze_body_mod_f32(1, 0, 1)));
    CHECK(adze_body_mod_f32(0x1p-140f, 0x1p-149f, 1) == 0 && adze_body_mod_f32(0x3p-149f, 0x1p-148f, 1) == 0x1p-149f);
}

TEST(odd_functions_keep_the_sign_of_zero)
{
    static float (*const functions[])(float) = {
        adze_body_sin_f32,  adze_body_tan_f32,   adze_body_asin_f32, adze_body_atan_f32,
        adze_body_sinh_f32, adze_body_asinh_f32, adze_body_atanh_f32, adze_body_tanh_f32,
        adze_body_erf_f32,  adze_body_expm1_f32, adze_body_log1p_f32, adze_body_round_f32,
        adze_body_ceil_f32, adze_body_floor_f32, adze_body_sqrt_f32};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        float plus = functions[i](0.0f), minus = functions[i](-0.0f);
        CHECK(plus == 0 && !signbit(plus));
        CHECK(minus == 0 && signbit(minus));
    }
    CHECK(signbit(adze_body_ceil_f32(-0.3f)) && adze_body_ceil_f32(-0.3f) == 0);
}

TEST(limits)
{
    CHECK(adze_body_exp_f32(-INFINITY) == 0 && adze_body_exp_f32(INFINITY) == INFINITY);
    CHECK(adze_body_tanh_f32(INFINITY) == 1 && adze_body_erf_f32(-INFINITY) == -1);
    CHECK(adze_body_sigmoid_f32(-INFINITY) == 0 && adze_body_sigmoid_f32(INFINITY) == 1);
    CHECK(adze_body_log_f32(0) == -INFINITY && isnan(adze_body_log_f32(-1)));
    CHECK(adze_body_exp_f64(-745.1) == 0x1p-1074 && adze_body_exp_f64(-746) == 0);
    CHECK(isnan(adze_body_sin_f64(INFINITY)) && isnan(adze_body_acosh_f64(0.5)));
    CHECK(adze_body_sin_f64(22) == sin(22) && adze_body_tan_f64(0x1p1000) != 0);
}

int main(void)
{
    RUN(f32_errors);
    RUN(f64_errors);
    RUN(pow_errors);
    RUN(pow_of_special_values);
    RUN(remainders);
    RUN(odd_functions_keep_the_sign_of_zero);
    RUN(limits);
    return unit_end();
}
