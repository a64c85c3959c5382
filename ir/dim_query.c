/* Dims: what they are, what they are worth, how they print. */
#include "ir/ir_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ir/text.h"

adze_dim_kind adze_dim_get_kind(const adze_dim *dim) { return dim->kind; }
const adze_dim *adze_dim_operand(const adze_dim *dim, uint32_t index) { return index ? dim->b : dim->a; }
bool adze_dim_is_unknown(const adze_dim *dim) { return dim->unknown; }
const char *adze_dim_symbol_name(const adze_dim *dim) { return dim->name; }
uint32_t adze_dim_axis_index(const adze_dim *dim) { return (uint32_t)dim->value; }
bool adze_dim_equal(const adze_dim *a, const adze_dim *b) { return a == b && !a->unknown; }

bool adze_dim_is_const(const adze_dim *dim, int64_t *out_value)
{
    if (dim->kind != ADZE_DIM_CONST) return false;
    if (out_value) *out_value = dim->value;
    return true;
}

bool adze_dim_is_value(const adze_dim *dim, int64_t value)
{
    return dim->kind == ADZE_DIM_CONST && dim->value == value;
}

bool adze_dim_compatible(const adze_dim *a, const adze_dim *b)
{
    return a->kind != ADZE_DIM_CONST || b->kind != ADZE_DIM_CONST || a->value == b->value;
}

const adze_dim *adze_dim_substitute(adze_context *context, const adze_dim *dim, const adze_dim *const *with,
                                    uint32_t n, adze_dim_lookup *symbol, void *self)
{
    const adze_dim *replacement = NULL;
    switch (dim->kind) {
    case ADZE_DIM_CONST:
    case ADZE_DIM_UNKNOWN:
    case ADZE_DIM_ANY: return dim;
    case ADZE_DIM_AXIS:
        if (with && dim->value < n) replacement = with[dim->value];
        return replacement ? replacement : dim;
    case ADZE_DIM_SYMBOL:
        if (symbol) replacement = symbol(self, dim->name);
        return replacement ? replacement : dim;
    default: {
        const adze_dim *a = adze_dim_substitute(context, dim->a, with, n, symbol, self);
        const adze_dim *b = adze_dim_substitute(context, dim->b, with, n, symbol, self);
        return a == dim->a && b == dim->b ? dim : adze_dim_binary(context, dim->kind, a, b);
    }
    }
}

static bool mentions(const adze_dim *dim, uint32_t axis)
{
    if (dim->kind == ADZE_DIM_AXIS) return dim->value == axis;
    return (dim->a && mentions(dim->a, axis)) || (dim->b && mentions(dim->b, axis));
}

bool adze_dim_axis_coefficient(adze_context *context, const adze_dim *dim, uint32_t axis, int64_t *out_coef,
                               const adze_dim **out_rest)
{
    int64_t coef = 0;
    const adze_dim *rest = adze_dim_const(context, 0);
    for (const adze_dim *sum = dim, *t; sum; sum = sum->kind == ADZE_DIM_ADD ? sum->a : NULL) {
        t = sum->kind == ADZE_DIM_ADD ? sum->b : sum;
        if (t->kind == ADZE_DIM_AXIS && t->value == axis)
            coef += 1;
        else if (t->kind == ADZE_DIM_MUL && t->a->kind == ADZE_DIM_CONST && t->b->kind == ADZE_DIM_AXIS &&
                 t->b->value == axis)
            coef += t->a->value;
        else if (mentions(t, axis))
            return false;
        else
            rest = adze_dim_add(context, rest, t);
    }
    *out_coef = coef;
    if (out_rest) *out_rest = rest;
    return true;
}

static bool apply(adze_dim_kind kind, int64_t a, int64_t b, int64_t *out)
{
    switch (kind) {
    case ADZE_DIM_ADD: return !__builtin_add_overflow(a, b, out);
    case ADZE_DIM_MUL: return !__builtin_mul_overflow(a, b, out);
    case ADZE_DIM_MIN: return *out = a < b ? a : b, true;
    case ADZE_DIM_MAX: return *out = a > b ? a : b, true;
    default: break;
    }
    if (!b || (a == INT64_MIN && b == -1)) return false;
    int64_t q = adze_floor_div(a, b);
    *out = kind == ADZE_DIM_FLOORDIV ? q : kind == ADZE_DIM_CEILDIV ? q + (a % b != 0) : a - q * b;
    return true;
}

bool adze_dim_evaluate(const adze_dim *dim, const int64_t *axes, uint32_t n_axes, adze_dim_value_of *symbol,
                       void *self, int64_t *out)
{
    int64_t a, b;
    switch (dim->kind) {
    case ADZE_DIM_CONST: return *out = dim->value, true;
    case ADZE_DIM_AXIS: return dim->value < n_axes && (*out = axes[dim->value], true);
    case ADZE_DIM_SYMBOL: return symbol && symbol(self, dim->name, out);
    case ADZE_DIM_UNKNOWN:
    case ADZE_DIM_ANY: return false;
    default:
        return adze_dim_evaluate(dim->a, axes, n_axes, symbol, self, &a) &&
               adze_dim_evaluate(dim->b, axes, n_axes, symbol, self, &b) && apply(dim->kind, a, b, out);
    }
}

/* Intervals; INT64_MIN and INT64_MAX stand for unbounded ends. */
typedef struct interval {
    int64_t lo, hi;
} interval;

static int64_t clamp_add(int64_t a, int64_t b, int64_t unbounded)
{
    int64_t sum;
    if (a == unbounded || b == unbounded) return unbounded;
    if (__builtin_add_overflow(a, b, &sum)) return a < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

static int64_t clamp_mul(int64_t a, int64_t b)
{
    int64_t product;
    if (!a || !b) return 0;
    if (__builtin_mul_overflow(a, b, &product)) return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
    return product;
}

static int64_t end_div(int64_t a, int64_t b, bool up)
{
    if (a == INT64_MIN || a == INT64_MAX) return a;
    return adze_floor_div(a, b) + (up && a % b != 0);
}

static interval range_of(const adze_dim *dim, const adze_dim *const *extents, uint32_t n)
{
    interval all = {INT64_MIN, INT64_MAX}, a, b;
    switch (dim->kind) {
    case ADZE_DIM_CONST: return (interval){dim->value, dim->value};
    case ADZE_DIM_SYMBOL: return (interval){0, INT64_MAX};
    case ADZE_DIM_AXIS: {
        int64_t extent;
        if (extents && dim->value < n && adze_dim_is_const(extents[dim->value], &extent))
            return (interval){0, extent > 0 ? extent - 1 : 0};
        return (interval){0, INT64_MAX};
    }
    case ADZE_DIM_UNKNOWN:
    case ADZE_DIM_ANY: return all;
    default: break;
    }
    a = range_of(dim->a, extents, n);
    b = range_of(dim->b, extents, n);
    switch (dim->kind) {
    case ADZE_DIM_ADD: return (interval){clamp_add(a.lo, b.lo, INT64_MIN), clamp_add(a.hi, b.hi, INT64_MAX)};
    case ADZE_DIM_MUL: {
        int64_t p[4] = {clamp_mul(a.lo, b.lo), clamp_mul(a.lo, b.hi), clamp_mul(a.hi, b.lo), clamp_mul(a.hi, b.hi)};
        interval r = {p[0], p[0]};
        for (int i = 1; i < 4; i++) {
            if (p[i] < r.lo) r.lo = p[i];
            if (p[i] > r.hi) r.hi = p[i];
        }
        return r;
    }
    case ADZE_DIM_MIN: return (interval){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
    case ADZE_DIM_MAX: return (interval){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
    default: break;
    }
    if (b.lo != b.hi || b.lo <= 0)
        return dim->kind != ADZE_DIM_MOD && a.lo >= 0 && b.lo > 0 ? (interval){0, a.hi} : all;
    if (dim->kind == ADZE_DIM_MOD) return (interval){0, b.lo - 1};
    bool up = dim->kind == ADZE_DIM_CEILDIV;
    return (interval){end_div(a.lo, b.lo, up), end_div(a.hi, b.lo, up)};
}

bool adze_dim_range(const adze_dim *dim, const adze_dim *const *extents, uint32_t n_axes, int64_t *out_min,
                    int64_t *out_max)
{
    interval r = range_of(dim, extents, n_axes);
    *out_min = r.lo;
    *out_max = r.hi;
    return r.lo != INT64_MIN && r.hi != INT64_MAX;
}

/* ---- Printing ---- */

typedef struct writer {
    char *at;
    size_t size, length;
} writer;

static void put(writer *w, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (w->length + i + 1 < w->size) w->at[w->length + i] = text[i];
    w->length += n;
}

static void put_int(writer *w, int64_t value)
{
    char buffer[24];
    snprintf(buffer, sizeof buffer, "%" PRId64, value);
    put(w, buffer);
}

/* Quoted where the name is no identifier. */
static void put_symbol(writer *w, const char *name)
{
    adze_text text = {0};
    adze_text_id(&text, name);
    put(w, text.data);
    adze_text_free(&text);
}

static void print(writer *w, const adze_dim *dim, int level);

static void print_call(writer *w, const char *name, const adze_dim *dim)
{
    put(w, name);
    put(w, "(");
    print(w, dim->a, 0);
    put(w, ", ");
    print(w, dim->b, 0);
    put(w, ")");
}

/* Terms print left to right; a negative one takes its minus as the operator. */
static void print_sum(writer *w, const adze_dim *dim)
{
    print(w, dim->a, 0);
    const adze_dim *t = dim->b;
    if (t->kind == ADZE_DIM_CONST && t->value < 0 && t->value != INT64_MIN) {
        put(w, "-");
        put_int(w, -t->value);
    } else if (t->kind == ADZE_DIM_MUL && t->a->kind == ADZE_DIM_CONST && t->a->value < 0 && t->a->value != INT64_MIN) {
        put(w, "-");
        if (t->a->value != -1) {
            put_int(w, -t->a->value);
            put(w, "*");
        }
        print(w, t->b, 1);
    } else {
        put(w, "+");
        print(w, t, 1);
    }
}

static void print(writer *w, const adze_dim *dim, int level)
{
    switch (dim->kind) {
    case ADZE_DIM_CONST: put_int(w, dim->value); return;
    case ADZE_DIM_SYMBOL: put_symbol(w, dim->name); return;
    case ADZE_DIM_AXIS:
        put(w, "$");
        put_int(w, dim->value);
        return;
    case ADZE_DIM_UNKNOWN: put(w, "?"); return;
    case ADZE_DIM_ANY: put(w, "*"); return;
    case ADZE_DIM_ADD:
        if (level) put(w, "(");
        print_sum(w, dim);
        if (level) put(w, ")");
        return;
    case ADZE_DIM_MUL:
        print(w, dim->a, 1);
        put(w, "*");
        print(w, dim->b, 1);
        return;
    case ADZE_DIM_FLOORDIV: print_call(w, "floordiv", dim); return;
    case ADZE_DIM_CEILDIV: print_call(w, "ceildiv", dim); return;
    case ADZE_DIM_MOD: print_call(w, "mod", dim); return;
    case ADZE_DIM_MIN: print_call(w, "min", dim); return;
    case ADZE_DIM_MAX: print_call(w, "max", dim); return;
    }
}

size_t adze_dim_print(const adze_dim *dim, char *buffer, size_t size)
{
    writer w = {buffer, size, 0};
    print(&w, dim, 0);
    if (size) buffer[w.length < size ? w.length : size - 1] = 0;
    return w.length;
}
