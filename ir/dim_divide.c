/* Division of dims, so that equal quotients are equal pointers.
 *
 * What divides leaves the quotient; of what stays, common factors are cancelled, divisions of divisions become one,
 * and what rounds up is written as ceildiv: floordiv(N+1, 2) and ceildiv(N, 2) are the same. Divisors are positive.
 * Positions (axes) keep their floordiv: code is made of them.
 */
#include "ir/dim_poly.h"

typedef adze_dim_term term;
typedef adze_dim_poly poly;

int64_t adze_floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}

int64_t adze_gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

/* t / d where every factor of d is among t's; false otherwise. */
static bool divide_term(adze_context *context, term t, term d, term *out)
{
    if (!d.coef || t.coef % d.coef) return false;
    const adze_dim *of[ADZE_DIM_FACTORS], *by[ADZE_DIM_FACTORS];
    uint32_t n = adze_dim_factors(t.mono, of), m = adze_dim_factors(d.mono, by);
    for (uint32_t k = 0; k < m; k++) {
        uint32_t i = 0;
        while (i < n && of[i] != by[k]) i++;
        if (i == n) return false;
        of[i] = of[--n];
    }
    *out = (term){adze_dim_monomial(context, of, n), t.coef / d.coef};
    return true;
}

/* x / b where nothing is left; false otherwise, or where that is not found in a few steps. */
static bool divide_exactly(adze_context *context, const poly *x, const adze_dim *b, poly *quotient)
{
    enum { MAX_STEPS = 32 };
    poly left = *x, by;
    adze_dim_poly_clear(&by), adze_dim_poly_clear(quotient);
    adze_dim_poly_add(&by, b);
    for (int step = 0; step < MAX_STEPS && left.n && !left.bad && !by.bad; step++) {
        term q = {NULL, 0};
        uint32_t i = 0;
        while (i < left.n && !divide_term(context, left.terms[i], by.terms[0], &q)) i++;
        if (i == left.n || q.coef == INT64_MIN) return false;
        adze_dim_poly_add_term(quotient, q);
        for (uint32_t k = 0; k < by.n; k++) {
            term t = {adze_dim_mul_monomials(context, q.mono, by.terms[k].mono, &left.bad), 0};
            if (__builtin_mul_overflow(-q.coef, by.terms[k].coef, &t.coef)) left.bad = true;
            adze_dim_poly_add_term(&left, t);
        }
    }
    return !left.n && !left.bad && !quotient->bad;
}

/* The part of x that a single term divides goes to `quotient`, what is left to `rest`. */
static void split(adze_context *context, const poly *x, term d, poly *quotient, poly *rest)
{
    adze_dim_poly_clear(quotient), adze_dim_poly_clear(rest);
    for (uint32_t i = 0; i < x->n; i++) {
        term q;
        if (divide_term(context, x->terms[i], d, &q))
            adze_dim_poly_add_term(quotient, q);
        else
            adze_dim_poly_add_term(rest, x->terms[i]);
    }
    rest->bad |= x->bad;
}

/* The constant at the end of a polynomial, which is taken off. */
static int64_t take_const(poly *p)
{
    return p->n && !p->terms[p->n - 1].mono ? p->terms[--p->n].coef : 0;
}

/* ---- Quotients that are left ---- */

/* A factor that all terms of `rest` and the divisor have; NULL where there is none. */
static const adze_dim *common_factor(const poly *rest, term d)
{
    const adze_dim *by[ADZE_DIM_FACTORS], *of[ADZE_DIM_FACTORS];
    uint32_t m = adze_dim_factors(d.mono, by);
    for (uint32_t k = 0; k < m; k++) {
        bool all = true;
        for (uint32_t i = 0; all && i < rest->n; i++) {
            uint32_t n = adze_dim_factors(rest->terms[i].mono, of), at = 0;
            while (at < n && of[at] != by[k]) at++;
            all = at < n;
        }
        if (all) return by[k];
    }
    return NULL;
}

/* floor((g p + v) / g q) is floor((p + floor(v / g)) / q); symbols that both have are cancelled as g is. */
static const adze_dim *cancel(adze_context *context, adze_dim_kind kind, const poly *rest, const adze_dim *b)
{
    term d = adze_dim_as_term(b);
    const adze_dim *factor = common_factor(rest, d);
    poly p = *rest;
    int64_t g = d.coef, v = factor ? 0 : take_const(&p);
    for (uint32_t i = 0; i < p.n; i++) g = adze_gcd(g, p.terms[i].coef);
    if (d.coef < 1 || (g == 1 && !factor) || !p.n) return NULL;
    term by = {factor, g};
    for (uint32_t i = 0; i < p.n; i++)
        if (!divide_term(context, p.terms[i], by, &p.terms[i])) return NULL;
    if (!divide_term(context, d, by, &d)) return NULL;
    poly q, divisor;
    adze_dim_poly_clear(&q), adze_dim_poly_clear(&divisor);
    for (uint32_t i = 0; i < p.n; i++) adze_dim_poly_add_term(&q, p.terms[i]);
    v = kind == ADZE_DIM_CEILDIV ? -adze_floor_div(-v, g) : adze_floor_div(v, g);
    adze_dim_poly_add_term(&q, (term){NULL, v});
    adze_dim_poly_add_term(&divisor, d);
    const adze_dim *under = adze_dim_from_poly(context, &divisor), *over = adze_dim_from_poly(context, &q);
    return adze_dim_is_value(under, 1) ? over : adze_dim_divide(context, kind, over, under);
}

/* A quotient by m, v beside it, divided by c: floor((floor(x / m) + v) / c) is floor((x + m v) / (m c)), and what is
 * rounded up has m - 1 or c - 1 added. NULL where `rest` is something else. */
static const adze_dim *nested(adze_context *context, adze_dim_kind kind, const poly *rest, int64_t c)
{
    poly p = *rest;
    int64_t v = take_const(&p), m, both, add;
    if (p.n != 1 || p.terms[0].coef != 1 || !p.terms[0].mono) return NULL;
    const adze_dim *inner = p.terms[0].mono;
    bool up = inner->kind == ADZE_DIM_CEILDIV;
    if ((!up && inner->kind != ADZE_DIM_FLOORDIV) || !adze_dim_is_const(inner->b, &m) || m < 1) return NULL;
    if (__builtin_mul_overflow(m, c, &both) || __builtin_add_overflow(v, kind == ADZE_DIM_CEILDIV ? c - 1 : 0, &v))
        return NULL;
    if (__builtin_mul_overflow(v, m, &add) || __builtin_add_overflow(add, up ? m - 1 : 0, &add)) return NULL;
    return adze_dim_divide(context, ADZE_DIM_FLOORDIV, adze_dim_add_const(context, inner->a, add),
                           adze_dim_const(context, both));
}

/* By a constant c > 1, of symbols alone: floor((p + k c + c - 1) / c) is ceil(p / c) + k, and what begins with a minus
 * has it in front. NULL where it is written that way. */
static const adze_dim *rounded_up(adze_context *context, adze_dim_kind kind, const poly *rest, int64_t c)
{
    poly p = *rest;
    int64_t v = take_const(&p), k = adze_floor_div(v, c);
    if (!p.n || v == INT64_MIN) return NULL;
    for (uint32_t i = 0; i < p.n; i++)
        if (p.terms[i].mono->axis || p.terms[i].coef == INT64_MIN) return NULL;
    const adze_dim *by = adze_dim_const(context, c);
    if (p.terms[0].coef < 0) {
        adze_dim_kind other = kind == ADZE_DIM_FLOORDIV ? ADZE_DIM_CEILDIV : ADZE_DIM_FLOORDIV;
        const adze_dim *minus = adze_dim_mul_const(context, adze_dim_from_poly(context, rest), -1);
        return adze_dim_mul_const(context, adze_dim_divide(context, other, minus, by), -1);
    }
    if (kind != ADZE_DIM_FLOORDIV || v - k * c != c - 1) return NULL;
    return adze_dim_add_const(context, adze_dim_divide(context, ADZE_DIM_CEILDIV, adze_dim_from_poly(context, &p), by),
                              k);
}

/* floordiv or ceildiv of what the divisor does not divide. */
static const adze_dim *quotient_of(adze_context *context, adze_dim_kind kind, const poly *rest, const adze_dim *b)
{
    const adze_dim *r = adze_dim_from_poly(context, rest), *found = NULL;
    int64_t c = 0, v = 0, lo, hi;
    if (r->unknown || adze_dim_is_value(r, 0)) return r;
    if (b->kind != ADZE_DIM_ADD) found = cancel(context, kind, rest, b);
    if (found || !adze_dim_is_const(b, &c) || c < 1)
        return found ? found : adze_dim_intern(context, kind, 0, NULL, r, b);
    if (adze_dim_is_const(r, &v))
        return adze_dim_const(context, kind == ADZE_DIM_CEILDIV ? -adze_floor_div(-v, c) : adze_floor_div(v, c));
    if (kind == ADZE_DIM_FLOORDIV && adze_dim_range(r, NULL, 0, &lo, &hi) && lo >= 0 && hi < c)
        return adze_dim_const(context, 0);
    found = nested(context, kind, rest, c);
    if (!found) found = rounded_up(context, kind, rest, c);
    return found ? found : adze_dim_intern(context, kind, 0, NULL, r, b);
}

/* ---- Remainders ---- */

/* mod(a + k mod(x, c), c) is mod(a + k x, c). */
static const adze_dim *without_mods(adze_context *context, const adze_dim *a, const adze_dim *c)
{
    poly p, out;
    adze_dim_poly_clear(&p), adze_dim_poly_clear(&out);
    adze_dim_poly_add(&p, a);
    bool changed = false;
    const adze_dim *more = adze_dim_const(context, 0);
    for (uint32_t i = 0; i < p.n; i++) {
        const adze_dim *mono = p.terms[i].mono;
        if (mono && mono->kind == ADZE_DIM_MOD && mono->b == c && !mono->axis) {
            more = adze_dim_add(context, more, adze_dim_mul_const(context, mono->a, p.terms[i].coef));
            changed = true;
        } else {
            adze_dim_poly_add_term(&out, p.terms[i]);
        }
    }
    return changed && !p.bad ? adze_dim_add(context, adze_dim_from_poly(context, &out), more) : a;
}

static const adze_dim *remainder_of(adze_context *context, const poly *rest, const adze_dim *b)
{
    const adze_dim *r = adze_dim_from_poly(context, rest);
    int64_t c, v, lo, hi;
    if (r->unknown || adze_dim_is_value(r, 0)) return r;
    if (!adze_dim_is_const(b, &c) || c < 1) return adze_dim_intern(context, ADZE_DIM_MOD, 0, NULL, r, b);
    if (adze_dim_is_const(r, &v)) return adze_dim_const(context, v - adze_floor_div(v, c) * c);
    if (adze_dim_range(r, NULL, 0, &lo, &hi) && lo >= 0 && hi < c) return r;
    return adze_dim_intern(context, ADZE_DIM_MOD, 0, NULL, r, b);
}

const adze_dim *adze_dim_divide(adze_context *context, adze_dim_kind kind, const adze_dim *a, const adze_dim *b)
{
    if (a == b && a->kind != ADZE_DIM_CONST) return adze_dim_const(context, kind == ADZE_DIM_MOD ? 0 : 1);
    poly x, quotient, rest;
    if (kind == ADZE_DIM_MOD) a = without_mods(context, a, b);
    adze_dim_poly_clear(&x);
    adze_dim_poly_add(&x, a);
    if (b->kind != ADZE_DIM_ADD) {
        split(context, &x, adze_dim_as_term(b), &quotient, &rest);
    } else if (divide_exactly(context, &x, b, &quotient)) {
        adze_dim_poly_clear(&rest);
    } else {
        adze_dim_poly_clear(&quotient);
        rest = x;
    }
    if (kind == ADZE_DIM_MOD) return remainder_of(context, &rest, b);
    return adze_dim_add(context, adze_dim_from_poly(context, &quotient), quotient_of(context, kind, &rest, b));
}

/* ---- Sums of quotients and remainders ---- */

/* The product of two does not overflow, nor does that with -1. */
static bool is_small(int64_t x) { return x >= -INT32_MAX && x <= INT32_MAX; }

/* k mod(a, c) at `i` with another term: true where both were replaced. */
static bool join_at(adze_context *context, poly *p, uint32_t i)
{
    const adze_dim *mod = p->terms[i].mono, *sum;
    int64_t k = p->terms[i].coef, c, want;
    if (!adze_dim_is_const(mod->b, &c) || mod->axis || !is_small(k) || !is_small(c)) return false;
    want = k * c;
    const adze_dim *quotient = adze_dim_divide(context, ADZE_DIM_FLOORDIV, mod->a, mod->b);
    term q = adze_dim_as_term(quotient), a = adze_dim_as_term(mod->a);
    if (quotient->kind == ADZE_DIM_ADD || mod->a->kind == ADZE_DIM_ADD) return false;
    if ((q.coef != 1 && q.coef != -1) || !is_small(a.coef)) return false;
    for (uint32_t at = 0; at < p->n; at++) {
        const adze_dim *mono = p->terms[at].mono;
        int64_t coef = p->terms[at].coef;
        if (mono && mono == q.mono && coef == want * q.coef)
            sum = adze_dim_mul_const(context, mod->a, k);
        else if (mono && mono == a.mono && coef == -k * a.coef)
            sum = adze_dim_mul_const(context, quotient, -want);
        else
            continue;
        adze_dim_poly_add_term(p, (term){mod, -k});
        adze_dim_poly_add_term(p, (term){mono, -coef});
        adze_dim_poly_add(p, sum);
        return true;
    }
    return false;
}

void adze_dim_poly_join(adze_context *context, adze_dim_poly *p)
{
    uint32_t i = 0;
    while (i < p->n && !p->bad) {
        bool mod = p->terms[i].mono && p->terms[i].mono->kind == ADZE_DIM_MOD;
        i = mod && join_at(context, p, i) ? 0 : i + 1;
    }
}
