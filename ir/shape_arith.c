/* What shape arithmetic is worth (shape_value.c): sums, products, quotients, comparisons. */
#include "ir/shape_value.h"
#include "ir/eval/convert.h"
#include "ir/infer.h"

#include <math.h>

/* ---- Of two dims ---- */

static bool is_natural(const adze_dim *dim)
{
    int64_t low, high;
    adze_dim_range(dim, NULL, 0, &low, &high);
    return !adze_dim_is_unknown(dim) && low >= 0;
}

typedef const adze_dim *combine(adze_context *context, const adze_dim *a, const adze_dim *b);

static const adze_dim *truth(adze_context *context, bool yes, bool no)
{
    return yes || no ? adze_dim_const(context, yes) : adze_dim_unknown(context);
}

/* Comparisons give 1, 0, or unknown where the symbols decide. */
static const adze_dim *is_equal(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    int64_t low, high;
    const adze_dim *difference = adze_dim_sub(context, a, b);
    adze_dim_range(difference, NULL, 0, &low, &high);
    if (adze_dim_is_unknown(difference)) return difference;
    return truth(context, low == 0 && high == 0, low > 0 || high < 0);
}

static const adze_dim *is_less(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    int64_t low, high;
    const adze_dim *difference = adze_dim_sub(context, a, b);
    adze_dim_range(difference, NULL, 0, &low, &high);
    if (adze_dim_is_unknown(difference)) return difference;
    return truth(context, high < 0, low >= 0);
}

static const adze_dim *is_false(adze_context *context, const adze_dim *a)
{
    return is_equal(context, a, adze_dim_const(context, 0));
}

static const adze_dim *is_greater(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return is_less(context, b, a);
}

static const adze_dim *is_at_most(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return is_false(context, is_less(context, b, a));
}

static const adze_dim *is_at_least(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return is_false(context, is_less(context, a, b));
}

static const adze_dim *both(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return truth(context, adze_dim_is_value(a, 1) && adze_dim_is_value(b, 1),
                 adze_dim_is_value(a, 0) || adze_dim_is_value(b, 0));
}

static const adze_dim *either(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return truth(context, adze_dim_is_value(a, 1) || adze_dim_is_value(b, 1),
                 adze_dim_is_value(a, 0) && adze_dim_is_value(b, 0));
}

static const adze_dim *differ(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return is_false(context, is_equal(context, a, b));
}

static const adze_dim *smaller(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(context, ADZE_DIM_MIN, a, b);
}

static const adze_dim *larger(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return adze_dim_binary(context, ADZE_DIM_MAX, a, b);
}

static const adze_dim *divide_consts(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    int64_t x, y;
    if (!adze_dim_is_const(a, &x) || !adze_dim_is_const(b, &y) || !y || y == -1) return adze_dim_unknown(context);
    return adze_dim_const(context, x / y);
}

/* Integers are divided toward zero: max(floor, 0) + min(ceil, 0), of which one is 0 where the sign is known. */
static const adze_dim *divide(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    const adze_dim *zero = adze_dim_const(context, 0);
    if (!is_natural(b) || adze_dim_is_value(b, 0)) return divide_consts(context, a, b);
    const adze_dim *down = adze_dim_binary(context, ADZE_DIM_FLOORDIV, a, b);
    const adze_dim *up = adze_dim_binary(context, ADZE_DIM_CEILDIV, a, b);
    return down == up ? down : adze_dim_add(context, larger(context, down, zero), smaller(context, up, zero));
}

/* mod has the sign of the divisor, fmod that of the dividend. */
static const adze_dim *remainder_of(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    if (!is_natural(b) || adze_dim_is_value(b, 0)) return adze_dim_unknown(context);
    return adze_dim_binary(context, ADZE_DIM_MOD, a, b);
}

static const adze_dim *signed_remainder_of(adze_context *context, const adze_dim *a, const adze_dim *b)
{
    return is_natural(a) ? remainder_of(context, a, b) : adze_dim_unknown(context);
}

static const struct {
    const char *name;
    combine *apply;
    bool ints_only;
} combines[] = {
    {"add", adze_dim_add, false},   {"sub", adze_dim_sub, false},         {"mul", adze_dim_mul, false},
    {"div", divide, true},          {"mod", remainder_of, true},          {"min", smaller, false},
    {"max", larger, false},         {"min_n", smaller, false},            {"max_n", larger, false},
    {"sum_n", adze_dim_add, false}, {"equal", is_equal, false},           {"less", is_less, false},
    {"greater", is_greater, false}, {"less_equal", is_at_most, false},    {"greater_equal", is_at_least, false},
    {"and", both, false},           {"or", either, false},                {"xor", differ, false},
};

static const struct {
    const char *name;
    combine *apply;
} reductions[] = {
    {"reduce_prod", adze_dim_mul},
    {"reduce_sum", adze_dim_add},
    {"reduce_min", smaller},
    {"reduce_max", larger},
};

/* Entries of what n and m are combined to, where one of them may stand for all; -1 where they do not fit. */
static int broadcast(int n, int m)
{
    if (n < 0 || m < 0 || (m != n && m != 1 && n != 1)) return -1;
    return n == 1 ? m : n;
}

static int walk_combine(shape_walker *w, const adze_op *op, combine *apply, const adze_dim **out)
{
    shape_entries more;
    if (!shape_is_flat(adze_op_operand(op, 0))) return -1;
    int n = shape_walk_operand(w, op, 0, out);
    for (uint32_t k = 1; n >= 0 && k < adze_op_num_operands(op); k++) {
        int m = shape_is_flat(adze_op_operand(op, k)) ? shape_walk_operand(w, op, k, more) : -1;
        int both = broadcast(n, m);
        for (int i = both - 1; i >= 0; i--) out[i] = apply(w->context, out[n == 1 ? 0 : i], more[m == 1 ? 0 : i]);
        n = both;
    }
    return n;
}

static int walk_where(shape_walker *w, const adze_op *op, const adze_dim **out)
{
    shape_entries condition, yes, no;
    for (uint32_t k = 0; k < 3; k++)
        if (!shape_is_flat(adze_op_operand(op, k))) return -1;
    int c = shape_walk_operand(w, op, 0, condition), a = shape_walk_operand(w, op, 1, yes);
    int b = shape_walk_operand(w, op, 2, no);
    int n = broadcast(c, broadcast(a, b));
    for (int i = 0; i < n; i++) {
        const adze_dim *choice = condition[c == 1 ? 0 : i], *x = yes[a == 1 ? 0 : i], *y = no[b == 1 ? 0 : i];
        if (adze_dim_equal(x, y) || adze_dim_is_value(choice, 1))
            out[i] = x;
        else
            out[i] = adze_dim_is_value(choice, 0) ? y : adze_dim_unknown(w->context);
    }
    return n;
}

/* All entries into one. Only if the reduction is of a whole flat tensor. */
static int walk_reduce(shape_walker *w, const adze_op *op, combine *apply, const adze_dim **out)
{
    int64_t axes[2];
    const adze_ir_value *named = adze_op_operand(op, 1);
    if (!shape_is_flat(adze_op_operand(op, 0)) || adze_op_attr_int(op, "noop_with_empty_axes")) return -1;
    if (named && adze_value_as_ints(named, axes, 2) < 0) return -1;
    int n = shape_walk_operand(w, op, 0, out);
    if (n < 1) return -1;
    for (int i = 1; i < n; i++) out[0] = apply(w->context, out[0], out[i]);
    return 1;
}

/* ---- Of one ---- */

static const adze_dim *negate(adze_context *context, const adze_dim *a) { return adze_dim_mul_const(context, a, -1); }
static const adze_dim *keep(adze_context *context, const adze_dim *a) { return (void)context, a; }

static const adze_dim *is_true(adze_context *context, const adze_dim *a)
{
    return is_false(context, is_false(context, a));
}

static const adze_dim *magnitude(adze_context *context, const adze_dim *a)
{
    return larger(context, a, negate(context, a));
}

static const adze_dim *sign_of(adze_context *context, const adze_dim *a)
{
    const adze_dim *zero = adze_dim_const(context, 0);
    return adze_dim_sub(context, is_less(context, zero, a), is_less(context, a, zero));
}

typedef const adze_dim *change(adze_context *context, const adze_dim *a);

static int walk_change(shape_walker *w, const adze_op *op, change *apply, const adze_dim **out)
{
    int n = shape_walk_operand(w, op, 0, out);
    for (int i = 0; i < n; i++) out[i] = apply(w->context, out[i]);
    return n;
}

/* A constant as whole numbers over a power of two. */
static int as_fractions(shape_walker *w, const adze_ir_value *value, const adze_dim **out, const adze_dim **under)
{
    enum { MAX_SHIFT = 8 };
    double values[SHAPE_ENTRIES];
    const adze_const *constant = adze_value_const(value);
    int64_t n = constant ? shape_small_count(adze_const_type(constant), SHAPE_ENTRIES) : -1;
    if (n < 0 || !shape_read_const(constant, 0, n, NULL, values)) return -1;
    for (int64_t i = 0; i < n; i++) {
        int64_t by = 1;
        if (!(fabs(values[i]) <= 0x1p24)) return -1;
        while (by < 1 << MAX_SHIFT && values[i] * (double)by != (double)(int64_t)(values[i] * (double)by)) by *= 2;
        if (values[i] * (double)by != (double)(int64_t)(values[i] * (double)by)) return -1;
        out[i] = adze_dim_const(w->context, (int64_t)(values[i] * (double)by));
        under[i] = adze_dim_const(w->context, by);
    }
    return (int)n;
}

/* A product with a constant of fractions. */
static int walk_ratio_of(shape_walker *w, const adze_ir_value *a, const adze_ir_value *constant, const adze_dim **out,
                         const adze_dim **under)
{
    shape_entries top, by;
    int n = shape_walk(w, a, top), m = n < 0 ? -1 : as_fractions(w, constant, by, under), all = broadcast(n, m);
    for (int i = all - 1; i >= 0; i--) {
        out[i] = adze_dim_mul(w->context, top[n == 1 ? 0 : i], by[m == 1 ? 0 : i]);
        under[i] = under[m == 1 ? 0 : i];
    }
    return all;
}

/* Dividends and divisors of a quotient of floats, or of a product with a constant. -1 where the op is neither. */
static int walk_ratio(shape_walker *w, const adze_op *op, const adze_dim **out, const adze_dim **under)
{
    shape_entries top;
    const adze_ir_value *a = adze_op_operand(op, 0), *b = adze_op_operand(op, 1);
    bool product = adze_op_is(op, "mul");
    if ((!product && !adze_op_is(op, "div")) || !shape_is_flat(a) || !shape_is_flat(b)) return -1;
    if (product && adze_value_const(a)) return walk_ratio_of(w, b, a, out, under);
    if (product) return walk_ratio_of(w, a, b, out, under);
    int n = shape_walk(w, a, top), m = n < 0 ? -1 : shape_walk(w, b, under), all = broadcast(n, m);
    for (int i = 0; i < all; i++) out[i] = top[n == 1 ? 0 : i];
    for (int i = all - 1; i >= 0; i--) under[i] = under[m == 1 ? 0 : i];
    return all;
}

/* The op, past casts between floats, that makes operand 0, if that is a float. Quotients of dims below 2^24 round to no
 * other whole number in f32; half precision is not looked at. */
static const adze_op *float_source(const adze_op *op)
{
    const adze_ir_value *value = adze_op_operand(op, 0);
    for (int i = 0; i < 4 && value; i++) {
        const adze_op *from = adze_value_op(value);
        adze_dtype dtype = adze_type_dtype(adze_value_type(value));
        if (!from || (dtype != ADZE_DTYPE_f32 && dtype != ADZE_DTYPE_f64)) return NULL;
        if (!adze_op_is(from, "cast") && !adze_op_is(from, "identity")) return from;
        value = adze_op_operand(from, 0);
    }
    return NULL;
}

/* floor, ceil and the cast to integers, of floats that need not be whole: floor(h / 2). `down` 0 rounds up, 1 down, 2
 * toward zero. Where nothing is divided they change nothing, as entries are whole. */
static int walk_rounding(shape_walker *w, const adze_op *op, int down, const adze_dim **out)
{
    shape_entries under;
    const adze_op *from = float_source(op);
    int n = from ? walk_ratio(w, from, out, under) : -1;
    if (n < 0) return shape_walk_operand(w, op, 0, out);
    for (int i = 0; i < n; i++) {
        bool known = is_natural(under[i]) && !adze_dim_is_value(under[i], 0);
        if (!known)
            out[i] = adze_dim_unknown(w->context);
        else if (down == 2)
            out[i] = divide(w->context, out[i], under[i]);
        else
            out[i] = adze_dim_binary(w->context, down ? ADZE_DIM_FLOORDIV : ADZE_DIM_CEILDIV, out[i], under[i]);
    }
    return n;
}

static int walk_cast(shape_walker *w, const adze_op *op, const adze_ir_value *value, const adze_dim **out)
{
    adze_dtype to = adze_type_dtype(adze_value_type(value));
    if (to == ADZE_DTYPE_bool) return walk_change(w, op, is_true, out);
    return ev_is_float(to) ? shape_walk_operand(w, op, 0, out) : walk_rounding(w, op, 2, out);
}

/* An absent or unknown bound of clip leaves things as they are, or unknown. */
static int walk_clip(shape_walker *w, const adze_op *op, const adze_dim **out)
{
    shape_entries bound;
    int n = shape_walk_operand(w, op, 0, out);
    for (uint32_t k = 1; n >= 0 && k < 3; k++) {
        if (!adze_op_operand(op, k)) continue;
        if (shape_walk_operand(w, op, k, bound) != 1) return -1;
        for (int i = 0; i < n; i++) out[i] = (k == 1 ? larger : smaller)(w->context, out[i], bound[0]);
    }
    return n;
}

static const struct {
    const char *name;
    change *apply;
} changes[] = {
    {"neg", negate}, {"not", is_false}, {"abs", magnitude}, {"sign", sign_of}, {"round", keep},
};

int shape_compute(shape_walker *w, const adze_op *op, const adze_ir_value *value, const adze_dim **out, bool *known)
{
    bool is_float = ev_is_float(adze_type_dtype(adze_value_type(value)));
    *known = true;
    if (adze_op_is(op, "cast")) return walk_cast(w, op, value, out);
    if (adze_op_is(op, "mod") && adze_op_attr_int(op, "fmod"))
        return is_float ? -1 : walk_combine(w, op, signed_remainder_of, out);
    for (size_t i = 0; i < sizeof combines / sizeof *combines; i++)
        if (adze_op_is(op, combines[i].name))
            return combines[i].ints_only && is_float ? -1 : walk_combine(w, op, combines[i].apply, out);
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++)
        if (adze_op_is(op, reductions[i].name)) return walk_reduce(w, op, reductions[i].apply, out);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (adze_op_is(op, changes[i].name)) return walk_change(w, op, changes[i].apply, out);
    if (adze_op_is(op, "floor")) return walk_rounding(w, op, 1, out);
    if (adze_op_is(op, "ceil")) return walk_rounding(w, op, 0, out);
    if (adze_op_is(op, "clip")) return walk_clip(w, op, out);
    if (adze_op_is(op, "where")) return walk_where(w, op, out);
    *known = false;
    return -1;
}
