/* Quotients and remainders of dims: what is equal is one pointer, and nothing changes what it is worth. */
#include "unit.h"

#include <adze/ir.h>

static adze_context *c;
static const adze_dim *n, *m;

static const adze_dim *number(int64_t x) { return adze_dim_const(c, x); }
static const adze_dim *add(const adze_dim *a, const adze_dim *b) { return adze_dim_add(c, a, b); }
static const adze_dim *plus(const adze_dim *a, int64_t x) { return adze_dim_add_const(c, a, x); }
static const adze_dim *times(const adze_dim *a, int64_t x) { return adze_dim_mul_const(c, a, x); }
static const adze_dim *mul(const adze_dim *a, const adze_dim *b) { return adze_dim_mul(c, a, b); }

static const adze_dim *down(const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(c, ADZE_DIM_FLOORDIV, a, b);
}

static const adze_dim *up(const adze_dim *a, const adze_dim *b) { return adze_dim_binary(c, ADZE_DIM_CEILDIV, a, b); }
static const adze_dim *mod(const adze_dim *a, const adze_dim *b) { return adze_dim_binary(c, ADZE_DIM_MOD, a, b); }

TEST(common_factors_are_cancelled)
{
    CHECK(down(times(n, 4), number(4)) == n);
    CHECK(down(times(n, 6), number(4)) == down(times(n, 3), number(2)));
    CHECK(down(plus(times(n, 6), 3), number(4)) == down(plus(times(n, 3), 1), number(2)));
    CHECK(up(plus(times(n, 6), 3), number(4)) == up(plus(times(n, 3), 2), number(2)));
    CHECK(down(mul(n, m), times(m, 4)) == down(n, number(4)));
    CHECK(down(times(mul(n, m), 2), times(m, 4)) == down(n, number(2)));
    CHECK(down(plus(times(n, 3), 1), number(2)) != down(times(n, 3), number(2)));
}

TEST(sums_divide_sums)
{
    const adze_dim *whole = add(n, m), *other = plus(n, 1);
    CHECK(down(times(mul(n, whole), 64), whole) == times(n, 64));
    CHECK(down(mul(whole, other), other) == whole);
    CHECK(adze_dim_is_value(mod(mul(whole, other), other), 0));
    CHECK(adze_dim_get_kind(down(plus(mul(whole, other), 1), other)) == ADZE_DIM_FLOORDIV);
}

TEST(what_rounds_up_is_ceildiv)
{
    CHECK(down(plus(n, 1), number(2)) == up(n, number(2)));
    CHECK(plus(down(plus(n, -1), number(2)), 1) == up(n, number(2))); /* a convolution of stride 2 */
    CHECK(down(plus(n, 3), number(3)) == plus(down(n, number(3)), 1));
    CHECK(down(times(n, -1), number(3)) == times(up(n, number(3)), -1));
    const adze_dim *position = plus(adze_dim_axis(c, 0), -1);
    CHECK(adze_dim_get_kind(down(position, number(2))) == ADZE_DIM_FLOORDIV);
}

TEST(quotients_of_quotients_are_one)
{
    CHECK(down(down(n, number(2)), number(3)) == down(n, number(6)));
    CHECK(up(up(n, number(2)), number(3)) == up(n, number(6)));
    CHECK(up(down(n, number(2)), number(2)) == down(plus(n, 2), number(4)));
    CHECK(down(plus(down(n, number(2)), 1), number(2)) == down(plus(n, 2), number(4)));
    CHECK(down(plus(up(n, number(2)), 1), number(2)) == up(n, number(4)));
}

/* Padded to whole windows: n + (7 - n % 7) % 7. */
TEST(quotient_and_remainder_join)
{
    const adze_dim *seven = number(7), *pad = mod(plus(times(mod(n, seven), -1), 7), seven);
    CHECK(add(times(down(n, seven), 7), mod(n, seven)) == n);
    CHECK(add(n, pad) == times(up(n, seven), 7));
    CHECK(down(add(n, pad), seven) == up(n, seven));
    CHECK(add(times(down(n, seven), 6), mod(n, seven)) != n);
}

/* ---- Random expressions, worth what they were built of ---- */

static uint32_t seed = 1;
static int64_t values[2]; /* of N and M */

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static bool value_of(void *self, const char *name, int64_t *out)
{
    (void)self;
    *out = values[name[0] == 'M'];
    return true;
}

static int64_t floor_of(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static const adze_dim *grow(int depth, int64_t *out);

static const adze_dim *grow_divided(adze_dim_kind kind, int depth, int64_t *out)
{
    int64_t a, by = 1 + draw(9);
    const adze_dim *x = grow(depth, &a), *divisor = number(by);
    if (draw(4) == 0) {
        divisor = plus(times(m, 1 + draw(3)), draw(3));
        adze_dim_evaluate(divisor, NULL, 0, value_of, NULL, &by);
    }
    int64_t q = floor_of(a, by);
    *out = kind == ADZE_DIM_MOD ? a - q * by : kind == ADZE_DIM_CEILDIV ? -floor_of(-a, by) : q;
    return adze_dim_binary(c, kind, x, divisor);
}

static const adze_dim *grow(int depth, int64_t *out)
{
    int64_t a, b;
    if (!depth || draw(6) == 0) {
        bool is_m = draw(2);
        int64_t k = 1 + draw(6), v = (int64_t)draw(13) - 6;
        *out = values[is_m] * k + v;
        return plus(times(is_m ? m : n, k), v);
    }
    switch (draw(7)) {
    case 0: return grow_divided(ADZE_DIM_FLOORDIV, depth - 1, out);
    case 1: return grow_divided(ADZE_DIM_CEILDIV, depth - 1, out);
    case 2: return grow_divided(ADZE_DIM_MOD, depth - 1, out);
    default: break;
    }
    const adze_dim *x = grow(depth - 1, &a), *y = grow(depth - 1, &b);
    switch (draw(4)) {
    case 0: return *out = a + b, add(x, y);
    case 1: return *out = a - b, adze_dim_sub(c, x, y);
    case 2: return *out = a < b ? a : b, adze_dim_binary(c, ADZE_DIM_MIN, x, y);
    default: return *out = a * b, mul(x, y);
    }
}

TEST(normal_form_keeps_values)
{
    enum { TRIES = 20000 };
    int wrong = 0, known = 0;
    for (int i = 0; i < TRIES; i++) {
        int64_t want = 0, got = 0, low, high;
        values[0] = 1 + draw(20), values[1] = 1 + draw(20);
        const adze_dim *dim = grow(1 + (int)draw(4), &want);
        if (adze_dim_is_unknown(dim)) continue; /* too many terms */
        known++;
        bool ok = adze_dim_evaluate(dim, NULL, 0, value_of, NULL, &got) && got == want;
        adze_dim_range(dim, NULL, 0, &low, &high);
        wrong += !ok || got < low || got > high;
    }
    CHECK_INT(wrong, 0);
    CHECK(known > TRIES / 2);
}

/* Each step has the one before three times: written out it would double and more. */
TEST(what_would_never_end_is_unknown)
{
    const adze_dim *dim = n;
    char text[64];
    for (int i = 0; i < 60; i++) {
        dim = add(down(plus(dim, i), number(3)), up(mul(dim, m), number(7)));
        CHECK(adze_dim_is_unknown(dim) || adze_dim_print(dim, text, sizeof text) < 100000);
    }
    CHECK(adze_dim_is_unknown(dim));
}

int main(void)
{
    c = adze_context_create();
    n = adze_dim_symbol(c, "N"), m = adze_dim_symbol(c, "M");
    RUN(common_factors_are_cancelled);
    RUN(sums_divide_sums);
    RUN(what_rounds_up_is_ceildiv);
    RUN(quotients_of_quotients_are_one);
    RUN(quotient_and_remainder_join);
    RUN(normal_form_keeps_values);
    RUN(what_would_never_end_is_unknown);
    adze_context_destroy(c);
    return unit_end();
}
