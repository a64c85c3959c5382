/* Dims: interned integer expressions in one normal form.
 *
 * A dim is a sum of terms, ordered by structure with the constant last; a term is an optional constant
 * factor times a product of atoms (symbols, axes, divisions, min, max), ordered likewise. Building any
 * expression multiplies out and collects terms, so equal polynomials are equal pointers.
 * Symbols stand for integers >= 0; a divisor is taken to be non-zero.
 */
#include "ir/dim_poly.h"

#include <string.h>

typedef adze_dim_term term;
typedef adze_dim_poly poly;

enum { MAX_TERMS = ADZE_DIM_TERMS, MAX_FACTORS = ADZE_DIM_FACTORS };

/* Parts are shared, but whoever prints, evaluates or bounds an expression goes through each of its nodes: a dim that
 * doubles in each layer of a model would take forever. */
enum { LARGEST = 4096 };

static bool same_dim(const void *self, const void *item)
{
    const adze_dim *x = self, *y = item;
    return x->kind == y->kind && x->value == y->value && x->name == y->name && x->a == y->a && x->b == y->b;
}

const adze_dim *adze_dim_intern(adze_context *context, adze_dim_kind kind, int64_t value, const char *name,
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
    dim->axis = kind == ADZE_DIM_AXIS || (a && a->axis) || (b && b->axis);
    uint64_t size = 1 + (a ? (uint64_t)a->size : 0) + (b ? (uint64_t)b->size : 0);
    dim->size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    adze_table_add(&context->dims, hash, dim);
    return dim;
}

const adze_dim *adze_dim_const(adze_context *context, int64_t value)
{
    return adze_dim_intern(context, ADZE_DIM_CONST, value, NULL, NULL, NULL);
}

const adze_dim *adze_dim_symbol(adze_context *context, const char *name)
{
    return adze_dim_intern(context, ADZE_DIM_SYMBOL, 0, adze_intern_z(context, name), NULL, NULL);
}

const adze_dim *adze_dim_axis(adze_context *context, uint32_t axis)
{
    return adze_dim_intern(context, ADZE_DIM_AXIS, axis, NULL, NULL, NULL);
}

const adze_dim *adze_dim_unknown(adze_context *context)
{
    return adze_dim_intern(context, ADZE_DIM_UNKNOWN, 0, NULL, NULL, NULL);
}

const adze_dim *adze_dim_any(adze_context *context)
{
    return adze_dim_intern(context, ADZE_DIM_ANY, 0, NULL, NULL, NULL);
}

/* ---- Polynomials ---- */

term adze_dim_as_term(const adze_dim *dim)
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
void adze_dim_poly_clear(poly *p)
{
    p->n = 0;
    p->bad = false;
}

void adze_dim_poly_add_term(poly *p, term t)
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

void adze_dim_poly_add(poly *p, const adze_dim *dim)
{
    for (; dim->kind == ADZE_DIM_ADD; dim = dim->a) adze_dim_poly_add_term(p, adze_dim_as_term(dim->b));
    adze_dim_poly_add_term(p, adze_dim_as_term(dim));
}

uint32_t adze_dim_factors(const adze_dim *mono, const adze_dim **out)
{
    uint32_t n = 0;
    if (!mono) return 0;
    for (; mono->kind == ADZE_DIM_MUL && n < MAX_FACTORS - 1; mono = mono->a) out[n++] = mono->b;
    out[n++] = mono;
    return n;
}

const adze_dim *adze_dim_monomial(adze_context *context, const adze_dim **factors, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) { /* insertion sort */
        const adze_dim *f = factors[i];
        uint32_t k = i;
        for (; k && order(factors[k - 1], f) > 0; k--) factors[k] = factors[k - 1];
        factors[k] = f;
    }
    const adze_dim *mono = n ? factors[0] : NULL;
    for (uint32_t i = 1; i < n; i++) mono = adze_dim_intern(context, ADZE_DIM_MUL, 0, NULL, mono, factors[i]);
    return mono;
}

const adze_dim *adze_dim_mul_monomials(adze_context *context, const adze_dim *a, const adze_dim *b, bool *bad)
{
    const adze_dim *factors[2 * MAX_FACTORS];
    uint32_t n = adze_dim_factors(a, factors);
    n += adze_dim_factors(b, factors + n);
    if (n >= MAX_FACTORS) *bad = true;
    return n >= MAX_FACTORS ? NULL : adze_dim_monomial(context, factors, n);
}

const adze_dim *adze_dim_from_poly(adze_context *context, const poly *p)
{
    if (p->bad) return adze_dim_unknown(context);
    if (!p->n) return adze_dim_const(context, 0);
    const adze_dim *sum = NULL;
    for (uint32_t i = 0; i < p->n; i++) {
        const term *t = &p->terms[i];
        const adze_dim *dim = !t->mono       ? adze_dim_const(context, t->coef)
                              : t->coef == 1 ? t->mono
                                             : adze_dim_intern(context, ADZE_DIM_MUL, 0, NULL,
                                                      adze_dim_const(context, t->coef), t->mono);
        sum = sum ? adze_dim_intern(context, ADZE_DIM_ADD, 0, NULL, sum, dim) : dim;
    }
    return sum;
}

static const adze_dim *add(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    int64_t sum;
    if (a->kind == ADZE_DIM_CONST && b->kind == ADZE_DIM_CONST && !__builtin_add_overflow(a->value, b->value, &sum))
        return adze_dim_const(context, sum);
    poly p;
    adze_dim_poly_clear(&p);
    adze_dim_poly_add(&p, a);
    adze_dim_poly_add(&p, b);
    adze_dim_poly_join(context, &p);
    return adze_dim_from_poly(context, &p);
}

static const adze_dim *mul(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    int64_t product;
    if (a->kind == ADZE_DIM_CONST && b->kind == ADZE_DIM_CONST && !__builtin_mul_overflow(a->value, b->value, &product))
        return adze_dim_const(context, product);
    poly x, y, p;
    adze_dim_poly_clear(&x), adze_dim_poly_clear(&y), adze_dim_poly_clear(&p);
    adze_dim_poly_add(&x, a);
    adze_dim_poly_add(&y, b);
    for (uint32_t i = 0; i < x.n; i++)
        for (uint32_t k = 0; k < y.n && !p.bad; k++) {
            term t;
            if (__builtin_mul_overflow(x.terms[i].coef, y.terms[k].coef, &t.coef)) p.bad = true;
            t.mono = adze_dim_mul_monomials(context, x.terms[i].mono, y.terms[k].mono, &p.bad);
            adze_dim_poly_add_term(&p, t);
        }
    p.bad |= x.bad | y.bad;
    return adze_dim_from_poly(context, &p);
}

/* ---- min, max, all together ---- */

enum { MAX_CHOICES = 16 };

/* What one of the kind chooses from, as far as there is room. */
typedef struct choices {
    const adze_dim *of[MAX_CHOICES];
    uint32_t n;
    bool full;
} choices;

/* Is `a` chosen wherever `b` is there too? */
static bool beats(adze_context *context, adze_dim_kind kind, const adze_dim *a, const adze_dim *b)
{
    int64_t lo, hi;
    const adze_dim *difference = adze_dim_sub(context, a, b);
    adze_dim_range(difference, NULL, 0, &lo, &hi);
    return a == b || (!difference->unknown && (kind == ADZE_DIM_MIN ? hi <= 0 : lo >= 0));
}

static void choose_from(adze_context *context, adze_dim_kind kind, const adze_dim *dim, choices *c)
{
    for (; dim->kind == kind && !c->full; dim = dim->b) choose_from(context, kind, dim->a, c);
    uint32_t kept = 0;
    if (c->full) return;
    for (uint32_t i = 0; i < c->n; i++)
        if (beats(context, kind, c->of[i], dim)) return;
    for (uint32_t i = 0; i < c->n; i++)
        if (!beats(context, kind, dim, c->of[i])) c->of[kept++] = c->of[i];
    c->n = kept;
    if (c->n == MAX_CHOICES) c->full = true;
    else c->of[c->n++] = dim;
}

/* max(a, max(b, a)) is max(a, b): nested ones are one chain in order, in which none is there for nothing. */
static const adze_dim *min_max(adze_context *context, adze_dim_kind kind, const adze_dim *a, const adze_dim *b)
{
    if (a == b) return a;
    choices c = {.n = 0};
    choose_from(context, kind, a, &c);
    choose_from(context, kind, b, &c);
    if (c.full) return adze_dim_intern(context, kind, 0, NULL, order(a, b) < 0 ? a : b, order(a, b) < 0 ? b : a);
    for (uint32_t i = 1; i < c.n; i++) { /* insertion sort */
        const adze_dim *dim = c.of[i];
        uint32_t k = i;
        for (; k && order(c.of[k - 1], dim) > 0; k--) c.of[k] = c.of[k - 1];
        c.of[k] = dim;
    }
    const adze_dim *chain = c.of[c.n - 1];
    for (uint32_t i = c.n - 1; i-- > 0;) chain = adze_dim_intern(context, kind, 0, NULL, c.of[i], chain);
    return chain;
}

static const adze_dim *combine(adze_context *context, adze_dim_kind kind, const adze_dim *a, const adze_dim *b)
{
    switch (kind) {
    case ADZE_DIM_ADD: return add(context, a, b);
    case ADZE_DIM_MUL: return mul(context, a, b);
    case ADZE_DIM_FLOORDIV:
    case ADZE_DIM_CEILDIV:
    case ADZE_DIM_MOD:
        return adze_dim_is_value(b, 0) ? adze_dim_unknown(context) : adze_dim_divide(context, kind, a, b);
    case ADZE_DIM_MIN:
    case ADZE_DIM_MAX: return min_max(context, kind, a, b);
    default: return adze_dim_unknown(context);
    }
}

const adze_dim *adze_dim_binary(adze_context *context, adze_dim_kind kind, const adze_dim *a, const adze_dim *b)
{
    if (a->unknown || b->unknown) return adze_dim_unknown(context);
    const adze_dim *dim = combine(context, kind, a, b);
    return dim->size > LARGEST && !dim->axis ? adze_dim_unknown(context) : dim;
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
