/* Dims: interned integer expressions in one normal form.
 *
 * A dim is a sum of terms, ordered by structure with the constant last; a term is an optional constant
 * factor times a product of atoms (symbols, axes, divisions, min, max), ordered likewise. Building any
 * expression multiplies out and collects terms, so equal polynomials are equal pointers.
 * Symbols stand for integers >= 0; a divisor is taken to be non-zero.
 */
#include "ir/ir_private.h"

#include <string.h>

enum { MAX_TERMS = 48, MAX_FACTORS = 24 };

typedef struct term {
    const adze_dim *mono; /* product of atoms; NULL = 1 */
    int64_t coef;
} term;

typedef struct poly {
    uint32_t n;
    bool bad; /* overflow or too large */
    term terms[MAX_TERMS];
} poly;

static bool same_dim(const void *self, const void *item)
{
    const adze_dim *x = self, *y = item;
    return x->kind == y->kind && x->value == y->value && x->name == y->name && x->a == y->a && x->b == y->b;
}

static const adze_dim *intern(adze_context *context, adze_dim_kind kind, int64_t value, const char *name,
                              const adze_dim *a, const adze_dim *b)
{
    adze_dim key = {.kind = kind, .value = value, .name = name, .a = a, .b = b};
    uint64_t hash = adze_hash_mix((uint64_t)kind, (uint64_t)value);
    hash = adze_hash_mix(hash, (uint64_t)(uintptr_t)name);
    hash = adze_hash_mix(hash, (uint64_t)(uintptr_t)a);
    hash = adze_hash_mix(hash, (uint64_t)(uintptr_t)b);
    adze_dim *found = adze_table_find(&context->dims, hash, same_dim, &key);
    if (found) return found;
    adze_dim *dim = ADZE_NEW(&context->arena, adze_dim);
    *dim = key;
    dim->unknown = kind == ADZE_DIM_UNKNOWN || (a && a->unknown) || (b && b->unknown);
    adze_table_add(&context->dims, hash, dim);
    return dim;
}

const adze_dim *adze_dim_const(adze_context *context, int64_t value)
{
    return intern(context, ADZE_DIM_CONST, value, NULL, NULL, NULL);
}

const adze_dim *adze_dim_symbol(adze_context *context, const char *name)
{
    return intern(context, ADZE_DIM_SYMBOL, 0, adze_intern_z(context, name), NULL, NULL);
}

const adze_dim *adze_dim_axis(adze_context *context, uint32_t axis)
{
    return intern(context, ADZE_DIM_AXIS, axis, NULL, NULL, NULL);
}

const adze_dim *adze_dim_unknown(adze_context *context)
{
    return intern(context, ADZE_DIM_UNKNOWN, 0, NULL, NULL, NULL);
}

const adze_dim *adze_dim_any(adze_context *context) { return intern(context, ADZE_DIM_ANY, 0, NULL, NULL, NULL); }

/* ---- Polynomials ---- */

static term as_term(const adze_dim *dim)
{
    if (dim->kind == ADZE_DIM_CONST) return (term){NULL, dim->value};
    if (dim->kind == ADZE_DIM_MUL && dim->a->kind == ADZE_DIM_CONST) return (term){dim->b, dim->a->value};
    return (term){dim, 1};
}

/* A total order by structure, so that it does not depend on what was made first. */
static int order(const adze_dim *x, const adze_dim *y)
{
    if (x == y) return 0;
    if (!x || !y) return x ? -1 : 1; /* the constant term stands last */
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    if (x->name != y->name) return strcmp(x->name, y->name);
    int first = order(x->a, y->a);
    return first ? first : order(x->b, y->b);
}

/* The terms, 768 bytes of them, stay as they are. */
static void empty(poly *p)
{
    p->n = 0;
    p->bad = false;
}

static void add_term(poly *p, term t)
{
    uint32_t at = 0;
    while (at < p->n && order(p->terms[at].mono, t.mono) < 0) at++;
    if (at < p->n && p->terms[at].mono == t.mono) {
        if (__builtin_add_overflow(p->terms[at].coef, t.coef, &p->terms[at].coef)) p->bad = true;
        if (!p->terms[at].coef) {
            memmove(&p->terms[at], &p->terms[at + 1], (p->n - at - 1) * sizeof *p->terms);
            p->n--;
        }
        return;
    }
    if (!t.coef) return;
    if (p->n == MAX_TERMS) {
        p->bad = true;
        return;
    }
    memmove(&p->terms[at + 1], &p->terms[at], (p->n - at) * sizeof *p->terms);
    p->terms[at] = t;
    p->n++;
}

static void add_poly(poly *p, const adze_dim *dim)
{
    for (; dim->kind == ADZE_DIM_ADD; dim = dim->a) add_term(p, as_term(dim->b));
    add_term(p, as_term(dim));
}

static uint32_t factors_of(const adze_dim *mono, const adze_dim **out)
{
    uint32_t n = 0;
    if (!mono) return 0;
    for (; mono->kind == ADZE_DIM_MUL && n < MAX_FACTORS - 1; mono = mono->a) out[n++] = mono->b;
    out[n++] = mono;
    return n;
}

static const adze_dim *mono_of(adze_context *context, const adze_dim **factors, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) { /* insertion sort */
        const adze_dim *f = factors[i];
        uint32_t k = i;
        for (; k && order(factors[k - 1], f) > 0; k--) factors[k] = factors[k - 1];
        factors[k] = f;
    }
    const adze_dim *mono = n ? factors[0] : NULL;
    for (uint32_t i = 1; i < n; i++) mono = intern(context, ADZE_DIM_MUL, 0, NULL, mono, factors[i]);
    return mono;
}

static const adze_dim *mul_mono(adze_context *context, const adze_dim *a, const adze_dim *b, bool *bad)
{
    const adze_dim *factors[2 * MAX_FACTORS];
    uint32_t n = factors_of(a, factors);
    n += factors_of(b, factors + n);
    if (n >= MAX_FACTORS) *bad = true;
    return n >= MAX_FACTORS ? NULL : mono_of(context, factors, n);
}

static const adze_dim *from_poly(adze_context *context, const poly *p)
{
    if (p->bad) return adze_dim_unknown(context);
    if (!p->n) return adze_dim_const(context, 0);
    const adze_dim *sum = NULL;
    for (uint32_t i = 0; i < p->n; i++) {
        const term *t = &p->terms[i];
        const adze_dim *dim = !t->mono       ? adze_dim_const(context, t->coef)
                              : t->coef == 1 ? t->mono
                                             : intern(context, ADZE_DIM_MUL, 0, NULL,
                                                      adze_dim_const(context, t->coef), t->mono);
        sum = sum ? intern(context, ADZE_DIM_ADD, 0, NULL, sum, dim) : dim;
    }
    return sum;
}

static const adze_dim *add(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    int64_t sum;
    if (a->kind == ADZE_DIM_CONST && b->kind == ADZE_DIM_CONST && !__builtin_add_overflow(a->value, b->value, &sum))
        return adze_dim_const(context, sum);
    poly p;
    empty(&p);
    add_poly(&p, a);
    add_poly(&p, b);
    return from_poly(context, &p);
}

static const adze_dim *mul(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    int64_t product;
    if (a->kind == ADZE_DIM_CONST && b->kind == ADZE_DIM_CONST && !__builtin_mul_overflow(a->value, b->value, &product))
        return adze_dim_const(context, product);
    poly x, y, p;
    empty(&x), empty(&y), empty(&p);
    add_poly(&x, a);
    add_poly(&y, b);
    for (uint32_t i = 0; i < x.n; i++)
        for (uint32_t k = 0; k < y.n && !p.bad; k++) {
            term t;
            if (__builtin_mul_overflow(x.terms[i].coef, y.terms[k].coef, &t.coef)) p.bad = true;
            t.mono = mul_mono(context, x.terms[i].mono, y.terms[k].mono, &p.bad);
            add_term(&p, t);
        }
    p.bad |= x.bad | y.bad;
    return from_poly(context, &p);
}

/* ---- Division, min, max ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}

/* t / d where every factor of d is among t's; false otherwise. */
static bool divide_term(adze_context *context, term t, term d, term *out)
{
    if (!d.coef || t.coef % d.coef) return false;
    const adze_dim *of[MAX_FACTORS], *by[MAX_FACTORS];
    uint32_t n = factors_of(t.mono, of), m = factors_of(d.mono, by);
    for (uint32_t k = 0; k < m; k++) {
        uint32_t i = 0;
        while (i < n && of[i] != by[k]) i++;
        if (i == n) return false;
        of[i] = of[--n];
    }
    *out = (term){mono_of(context, of, n), t.coef / d.coef};
    return true;
}

static const adze_dim *divide(adze_context *context, adze_dim_kind kind, const adze_dim *a, const adze_dim *b)
{
    if (a == b && a->kind != ADZE_DIM_CONST) return adze_dim_const(context, kind == ADZE_DIM_MOD ? 0 : 1);
    poly x, quotient, rest;
    empty(&x), empty(&quotient), empty(&rest);
    add_poly(&x, a);
    if (b->kind != ADZE_DIM_ADD) {
        term d = as_term(b);
        for (uint32_t i = 0; i < x.n; i++) {
            term q;
            if (divide_term(context, x.terms[i], d, &q))
                add_term(&quotient, q);
            else
                add_term(&rest, x.terms[i]);
        }
    } else {
        rest = x;
    }
    const adze_dim *r = from_poly(context, &rest);
    int64_t c = 0, v = 0, lo, hi;
    bool by_const = adze_dim_is_const(b, &c) && c > 0;
    const adze_dim *part;
    if (adze_dim_is_value(r, 0))
        part = r;
    else if (by_const && adze_dim_is_const(r, &v))
        part = adze_dim_const(context, kind == ADZE_DIM_MOD       ? v - floor_div(v, c) * c
                                       : kind == ADZE_DIM_CEILDIV ? -floor_div(-v, c)
                                                                  : floor_div(v, c));
    else if (by_const && kind != ADZE_DIM_CEILDIV && adze_dim_range(r, NULL, 0, &lo, &hi) && lo >= 0 && hi < c)
        part = kind == ADZE_DIM_MOD ? r : adze_dim_const(context, 0);
    else if (by_const && kind == ADZE_DIM_FLOORDIV && r->kind == ADZE_DIM_FLOORDIV &&
             r->b->kind == ADZE_DIM_CONST && !__builtin_mul_overflow(c, r->b->value, &v))
        part = intern(context, kind, 0, NULL, r->a, adze_dim_const(context, v));
    else
        part = intern(context, kind, 0, NULL, r, b);
    if (kind == ADZE_DIM_MOD) return part;
    return add(context, from_poly(context, &quotient), part);
}

static const adze_dim *min_max(adze_context *context, adze_dim_kind kind, const adze_dim *a, const adze_dim *b)
{
    if (a == b) return a;
    const adze_dim *difference = adze_dim_sub(context, a, b);
    int64_t lo, hi;
    adze_dim_range(difference, NULL, 0, &lo, &hi);
    if (!difference->unknown && lo >= 0) return kind == ADZE_DIM_MIN ? b : a;
    if (!difference->unknown && hi <= 0) return kind == ADZE_DIM_MIN ? a : b;
    return order(a, b) < 0 ? intern(context, kind, 0, NULL, a, b) : intern(context, kind, 0, NULL, b, a);
}

const adze_dim *adze_dim_binary(adze_context *context, adze_dim_kind kind, const adze_dim *a, const adze_dim *b)
{
    if (a->unknown || b->unknown) return adze_dim_unknown(context);
    switch (kind) {
    case ADZE_DIM_ADD: return add(context, a, b);
    case ADZE_DIM_MUL: return mul(context, a, b);
    case ADZE_DIM_FLOORDIV:
    case ADZE_DIM_CEILDIV:
    case ADZE_DIM_MOD: return adze_dim_is_value(b, 0) ? adze_dim_unknown(context) : divide(context, kind, a, b);
    case ADZE_DIM_MIN:
    case ADZE_DIM_MAX: return min_max(context, kind, a, b);
    default: return adze_dim_unknown(context);
    }
}

const adze_dim *adze_dim_add(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(context, ADZE_DIM_ADD, a, b);
}

const adze_dim *adze_dim_mul(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(context, ADZE_DIM_MUL, a, b);
}

const adze_dim *adze_dim_mul_const(adze_context *context, const adze_dim *a, int64_t factor)
{
    return adze_dim_mul(context, a, adze_dim_const(context, factor));
}

const adze_dim *adze_dim_sub(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_add(context, a, adze_dim_mul_const(context, b, -1));
}

const adze_dim *adze_dim_add_const(adze_context *context, const adze_dim *a, int64_t summand)
{
    return adze_dim_add(context, a, adze_dim_const(context, summand));
}
