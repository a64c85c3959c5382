/* What one output of a module became: element by element, by what the pass between declares. */
#include "passes/certifier.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A step of the last place of floats that are small: two roundings may fall on different sides. */
static double last_place(adze_dtype dtype)
{
    switch (dtype) {
    case ADZE_DTYPE_f16: return 0x1p-10;
    case ADZE_DTYPE_bf16: return 0x1p-7;
    case ADZE_DTYPE_f8e4m3fn:
    case ADZE_DTYPE_f8e4m3fnuz: return 0x1p-3;
    case ADZE_DTYPE_f8e5m2:
    case ADZE_DTYPE_f8e5m2fnuz: return 0x1p-2;
    case ADZE_DTYPE_f4e2m1: return 0x1p-1;
    default: return 0;
    }
}

typedef struct tensor {
    adze_value a, b; /* before and after; of complex numbers, their parts */
    uint64_t count, parts; /* elements; parts of one */
    bool real;
    double scale; /* largest finite magnitude before */
} tensor;

static double largest(const tensor *t)
{
    double scale = 0;
    for (uint64_t i = 0; i < t->count; i++) {
        double x = fabs(adze_value_real(&t->a, i));
        if (isfinite(x) && x > scale) scale = x;
    }
    return scale;
}

static bool same(const tensor *t, uint64_t i, double x, double y)
{
    if (!t->real) return adze_value_int(&t->a, i) == adze_value_int(&t->b, i);
    return (isnan(x) && isnan(y)) || (x == y && signbit(x) == signbit(y));
}

/* May a pass of that kind make y of x? Adds to *out_unordered where it may because x is no number. */
static bool allowed(const adze_comparison *how, const tensor *t, double x, double y, uint64_t *out_unordered)
{
    if (how->numerics == ADZE_LOSSY) return true;
    if (how->numerics == ADZE_EXACT || !t->real) return false;
    if (!isfinite(x)) return (*out_unordered)++, true;
    double bound = fmax(how->bound, last_place((adze_dtype)t->a.dtype));
    return fabs(x - y) <= how->absolute + bound * t->scale; /* false for NaN */
}

/* Counts an element that is not the same; true if it is the worst so far. */
static bool note(adze_comparison *how, const tensor *t, uint64_t i, double x, double y, bool over,
                 adze_certificate *out)
{
    double d = isnan(x - y) ? INFINITY : fabs(x - y);
    if (!t->real && d == 0) d = 1; /* doubles do not hold all of 64 bits */
    double rel = d == 0 ? 0 : t->scale > 0 ? d / t->scale : INFINITY;
    out->n_differ++;
    out->n_over += over;
    out->max_abs = fmax(out->max_abs, d);
    out->max_rel = fmax(out->max_rel, rel);
    if (how->found && (how->over > over || (how->over == over && how->rel >= rel))) return false;
    how->found = true;
    how->over = over;
    how->rel = rel;
    out->before = x;
    out->after = y;
    out->scale = t->scale;
    out->rank = t->a.rank;
    uint64_t index = i / t->parts;
    for (uint32_t k = t->a.rank; k-- > 0; index /= (uint64_t)t->a.dims[k])
        out->at[k] = (int64_t)(index % (uint64_t)t->a.dims[k]);
    return true;
}

static bool compare_numbers(adze_comparison *how, const tensor *t, adze_certificate *out)
{
    bool worst = false;
    for (uint64_t i = 0; i < t->count; i++) {
        double x = adze_value_real(&t->a, i), y = adze_value_real(&t->b, i);
        if (same(t, i, x, y)) continue;
        worst |= note(how, t, i, x, y, !allowed(how, t, x, y, &out->n_unordered), out);
    }
    return worst;
}

static bool compare_strings(adze_comparison *how, const tensor *t, adze_certificate *out)
{
    const adze_string *x = t->a.data, *y = t->b.data;
    bool worst = false;
    for (uint64_t i = 0; i < t->count; i++)
        if (x[i].size != y[i].size || (x[i].size && memcmp(x[i].data, y[i].data, x[i].size) != 0))
            worst |= note(how, t, i, NAN, NAN, how->numerics != ADZE_LOSSY, out);
    return worst;
}

static bool same_type(const adze_value *a, const adze_value *b)
{
    bool ok = a->dtype == b->dtype && a->rank == b->rank;
    for (uint32_t k = 0; ok && k < a->rank; k++) ok = a->dims[k] == b->dims[k];
    return ok;
}

static void print_type(adze_context *context, const adze_value *v, char *out, size_t size)
{
    adze_type_print(adze_type_tensor_const(context, (adze_dtype)v->dtype, v->rank, v->dims), out, size);
}

static bool compare_tensors(adze_comparison *how, const adze_value *before, const adze_value *after,
                            adze_certificate *out, char *why, size_t why_size)
{
    if (!same_type(before, after)) {
        char was[128], is[128];
        print_type(how->context, before, was, sizeof was);
        print_type(how->context, after, is, sizeof is);
        return snprintf(why, why_size, "is %s, was %s", is, was), false;
    }
    bool complex = adze_dtype_get_kind((adze_dtype)before->dtype) == ADZE_KIND_COMPLEX;
    tensor t = {*before, *after, adze_value_count(before), complex ? 2 : 1, false, 0};
    out->n_elements += t.count;
    if (before->dtype == ADZE_DTYPE_str) return compare_strings(how, &t, out);
    if (complex) t.a.dtype = t.b.dtype = before->dtype == ADZE_DTYPE_c64 ? ADZE_DTYPE_f32 : ADZE_DTYPE_f64;
    t.count *= t.parts;
    t.real = adze_dtype_get_kind((adze_dtype)t.a.dtype) == ADZE_KIND_FLOAT;
    t.scale = largest(&t);
    return compare_numbers(how, &t, out);
}

bool adze_compare_output(adze_comparison *how, const adze_value *before, const adze_value *after,
                         adze_certificate *out, char *why, size_t why_size)
{
    bool worst = false;
    if (before->kind != after->kind) return snprintf(why, why_size, "is a value of another kind"), false;
    if (before->kind == ADZE_VALUE_TENSOR) return compare_tensors(how, before, after, out, why, why_size);
    if (before->n_items != after->n_items) {
        snprintf(why, why_size, "has %llu items, had %llu", (unsigned long long)after->n_items,
                 (unsigned long long)before->n_items);
        return false;
    }
    for (uint64_t i = 0; i < before->n_items; i++)
        worst |= adze_compare_output(how, &before->items[i], &after->items[i], out, why, why_size);
    return worst;
}
