/* Conditions of rules, by name. Each is true or false of what a match has bound so far.
 *
 * To add one: a function here, a row in the table at the end, a line in docs/design/rules.md.
 */
#include "passes/rule_values.h"

#include <math.h>

#define PREDICATE(name)                                                                            \
    static bool name(const adze_rule_scope *scope, const adze_bound *args, uint32_t n)

#define UNUSED (void)scope, (void)args, (void)n

/* ---- Ops ---- */

static const adze_op *op_of(const adze_bound *b)
{
    return b->kind == ADZE_BOUND_VALUE && b->value ? adze_value_op(b->value) : NULL;
}

PREDICATE(idempotent)
{
    UNUSED;
    return op_of(&args[0]) && adze_op_has_trait(op_of(&args[0]), ADZE_IDEMPOTENT);
}

/* Same row and attributes; operands may differ. */
PREDICATE(same_op)
{
    UNUSED;
    const adze_op *a = op_of(&args[0]), *b = op_of(&args[1]);
    if (!a || !b || adze_op_get_row(a) != adze_op_get_row(b)) return false;
    for (uint32_t i = 0; i < adze_op_get_row(a)->n_attrs; i++)
        if (!adze_slot_equal(adze_op_get_row(a)->attrs[i].kind, adze_op_attrs(a)[1 + i],
                             adze_op_attrs(b)[1 + i]))
            return false;
    return true;
}

PREDICATE(one_use)
{
    UNUSED;
    const adze_use *first = args[0].value ? adze_value_first_use(args[0].value) : NULL; /* a constant may have many */
    return first && !adze_use_next(first);
}

PREDICATE(present)
{
    UNUSED;
    return args[0].value;
}

/* ---- Types ---- */

/* The rank is known. */
PREDICATE(ranked)
{
    UNUSED;
    return ranked_type(&args[0]);
}

PREDICATE(rank)
{
    UNUSED;
    const adze_type *type = ranked_type(&args[0]);
    int64_t want;
    return type && bound_int(&args[1], &want) && adze_type_rank(type) == want;
}

/* Every dim is known, perhaps as a symbol. */
PREDICATE(known)
{
    UNUSED;
    const adze_type *type = ranked_type(&args[0]);
    return type && !adze_type_is_open(type);
}

PREDICATE(same_type)
{
    UNUSED;
    const adze_type *a = ranked_type(&args[0]), *b = ranked_type(&args[1]);
    if (!a || !b || adze_type_dtype(a) != adze_type_dtype(b) || adze_type_rank(a) != adze_type_rank(b))
        return false;
    for (uint32_t i = 0; i < adze_type_rank(a); i++)
        if (!adze_dim_equal(adze_type_dim(a, i), adze_type_dim(b, i))) return false;
    return true;
}

static adze_dtype_kind element_kind(const adze_bound *b)
{
    const adze_type *type = bound_type(b);
    return type ? adze_dtype_get_kind(adze_type_dtype(type)) : ADZE_KIND_NONE;
}

PREDICATE(is_float)
{
    UNUSED;
    return element_kind(&args[0]) == ADZE_KIND_FLOAT;
}

PREDICATE(is_half)
{
    UNUSED;
    const adze_type *type = bound_type(&args[0]);
    return element_kind(&args[0]) == ADZE_KIND_FLOAT && adze_dtype_bits(adze_type_dtype(type)) == 16;
}

PREDICATE(is_integer)
{
    UNUSED;
    return element_kind(&args[0]) == ADZE_KIND_INT || element_kind(&args[0]) == ADZE_KIND_UINT;
}

/* Bits of a whole number that a type holds exactly; 0 where not every bit pattern is such a number. */
static uint32_t whole_bits(adze_dtype t)
{
    switch (t) {
    case ADZE_DTYPE_bool: return 1;
    case ADZE_DTYPE_f16: return 11;
    case ADZE_DTYPE_bf16: return 8;
    case ADZE_DTYPE_f32: return 24;
    case ADZE_DTYPE_f64: return 53;
    default: {
        adze_dtype_kind kind = adze_dtype_get_kind(t);
        return kind == ADZE_KIND_INT || kind == ADZE_KIND_UINT ? adze_dtype_bits(t) : 0;
    }
    }
}

/* Converting a's elements to b's element type loses nothing. */
PREDICATE(lossless)
{
    UNUSED;
    const adze_type *a = bound_type(&args[0]), *b = bound_type(&args[1]);
    if (!a || !b) return false;
    adze_dtype from = adze_type_dtype(a), to = adze_type_dtype(b);
    adze_dtype_kind from_kind = adze_dtype_get_kind(from), to_kind = adze_dtype_get_kind(to);
    if (from == to) return true;
    uint32_t have = whole_bits(from), room = whole_bits(to);
    if (!have || !room || to_kind == ADZE_KIND_BOOL) return false;
    if (from_kind == ADZE_KIND_BOOL) return true;
    if (from_kind == ADZE_KIND_FLOAT) /* f16's exponent does not fit the others' way round */
        return to_kind == ADZE_KIND_FLOAT && (to == ADZE_DTYPE_f64 || to == ADZE_DTYPE_f32) &&
               (from == ADZE_DTYPE_f16 || from == ADZE_DTYPE_bf16 || from == ADZE_DTYPE_f32) &&
               room > have;
    if (to_kind == ADZE_KIND_FLOAT) return to != ADZE_DTYPE_f16 && have - (from_kind == ADZE_KIND_INT) <= room;
    if (from_kind == to_kind) return room >= have;
    return from_kind == ADZE_KIND_UINT && room > have;
}

/* ---- Constants and numbers ---- */

/* One element, whatever the rank. */
PREDICATE(is_scalar)
{
    UNUSED;
    const adze_type *type = bound_type(&args[0]);
    return type && adze_value_const(args[0].value) && adze_dim_is_value(adze_type_count(type), 1);
}

PREDICATE(is_constant)
{
    UNUSED;
    return args[0].value && adze_value_const(args[0].value);
}

/* No operand, or a constant of ones. */
PREDICATE(ones_or_absent)
{
    UNUSED;
    double value;
    return !args[0].value || (bound_number(&args[0], &value) && value == 1);
}

/* Elements of a floating constant as doubles; false if there are none, or more than `max`. */
static bool read_floats(const adze_bound *b, double *out, int64_t max, int64_t *out_n)
{
    const adze_type *type = bound_type(b);
    adze_const *c = b->value ? adze_value_const(b->value) : NULL;
    if (!type || !c || !adze_dim_is_const(adze_type_count(type), out_n) || *out_n < 1 || *out_n > max)
        return false;
    adze_dtype dtype = adze_type_dtype(type);
    if (dtype != ADZE_DTYPE_f32 && dtype != ADZE_DTYPE_f64) return false;
    const void *bytes = adze_data_load(adze_const_data(c));
    for (int64_t i = 0; bytes && i < *out_n; i++) {
        float f;
        if (dtype == ADZE_DTYPE_f64) {
            memcpy(&out[i], (const char *)bytes + i * 8, 8);
        } else {
            memcpy(&f, (const char *)bytes + i * 4, 4);
            out[i] = (double)f;
        }
    }
    return bytes;
}

/* All elements are powers of two whose reciprocals are normal numbers, too. */
PREDICATE(power_of_two)
{
    UNUSED;
    double values[256];
    int64_t count;
    if (!read_floats(&args[0], values, 256, &count)) return false;
    for (int64_t i = 0; i < count; i++) {
        int exponent;
        if (fabs(frexp(values[i], &exponent)) != 0.5 || exponent < -120 || exponent > 120) return false;
    }
    return true;
}

/* +0.0 in every element, no -0.0. */
PREDICATE(plus_zero)
{
    UNUSED;
    double values[256];
    int64_t count;
    if (!read_floats(&args[0], values, 256, &count)) return false;
    for (int64_t i = 0; i < count; i++)
        if (values[i] != 0 || signbit(values[i])) return false;
    return true;
}

/* Numbers a >= b. */
PREDICATE(at_least)
{
    UNUSED;
    double a, b;
    return bound_number(&args[0], &a) && bound_number(&args[1], &b) && a >= b;
}

/* Combining the two constants makes nothing larger: equal dims, or one of them is a scalar. */
PREDICATE(combine)
{
    UNUSED;
    const adze_type *a = ranked_type(&args[0]), *b = ranked_type(&args[1]);
    if (!a || !b) return false;
    if (adze_dim_is_value(adze_type_count(a), 1) || adze_dim_is_value(adze_type_count(b), 1)) return true;
    return same_type(scope, args, n);
}

/* ---- Permutations and axes ---- */

PREDICATE(identity_perm)
{
    UNUSED;
    int64_t perm[ADZE_MAX_RANK];
    int count = bound_ints(&args[0], perm, ADZE_MAX_RANK);
    for (int i = 0; i < count; i++)
        if (perm[i] != i) return false;
    return count >= 0;
}

/* The permutation keeps the order of all axes of `args[1]` that are not 1. */
PREDICATE(moves_ones)
{
    UNUSED;
    int64_t perm[ADZE_MAX_RANK], last = -1;
    const adze_type *type = ranked_type(&args[1]);
    int count = bound_ints(&args[0], perm, ADZE_MAX_RANK);
    if (!type || count != (int)adze_type_rank(type)) return false;
    for (int i = 0; i < count; i++) {
        if (perm[i] < 0 || perm[i] >= count) return false;
        if (adze_dim_is_value(adze_type_dim(type, (uint32_t)perm[i]), 1)) continue;
        if (perm[i] < last) return false;
        last = perm[i];
    }
    return true;
}

/* The axes are the last ones of the tensor. */
PREDICATE(tail_axes)
{
    UNUSED;
    const adze_type *type = ranked_type(&args[1]);
    uint32_t first;
    return type && bound_tail(&args[0], adze_type_rank(type), &first);
}

/* The index is one that axis args[2] of args[1] has. */
PREDICATE(in_bounds)
{
    UNUSED;
    const adze_type *type = ranked_type(&args[1]);
    uint32_t axis;
    int64_t index, dim;
    return type && bound_axis(&args[2], adze_type_rank(type), &axis) && bound_int(&args[0], &index) &&
           adze_dim_is_const(adze_type_dim(type, axis), &dim) && index >= -dim && index < dim;
}

PREDICATE(single)
{
    UNUSED;
    int64_t axis;
    return bound_ints(&args[0], &axis, 1) == 1;
}

/* The axis is the tensor's last one. */
PREDICATE(last_axis)
{
    UNUSED;
    const adze_type *type = ranked_type(&args[1]);
    uint32_t axis;
    return type && bound_axis(&args[0], adze_type_rank(type), &axis) && axis + 1 == adze_type_rank(type);
}

/* All dims after the axis are 1. */
PREDICATE(ones_after)
{
    UNUSED;
    const adze_type *type = ranked_type(&args[1]);
    uint32_t axis;
    if (!type || !bound_axis(&args[0], adze_type_rank(type), &axis)) return false;
    for (uint32_t i = axis + 1; i < adze_type_rank(type); i++)
        if (!adze_dim_is_value(adze_type_dim(type, i), 1)) return false;
    return true;
}

/* The axes are the last ones of args[1], and their dims are constants. */
PREDICATE(static_tail)
{
    UNUSED;
    const adze_type *type = ranked_type(&args[1]);
    uint32_t first;
    if (!type || !bound_tail(&args[0], adze_type_rank(type), &first)) return false;
    for (uint32_t i = first; i < adze_type_rank(type); i++)
        if (adze_dim_get_kind(adze_type_dim(type, i)) != ADZE_DIM_CONST) return false;
    return true;
}

/* The constant's dims are the dims of args[1] from axis args[2] on. */
PREDICATE(tail_shape)
{
    UNUSED;
    const adze_type *c = ranked_type(&args[0]), *x = ranked_type(&args[1]);
    uint32_t axis;
    if (!c || !x || !bound_axis(&args[2], adze_type_rank(x), &axis)) return false;
    if (adze_type_rank(c) != adze_type_rank(x) - axis) return false;
    for (uint32_t i = 0; i < adze_type_rank(c); i++)
        if (!adze_dim_equal(adze_type_dim(c, i), adze_type_dim(x, axis + i))) return false;
    return true;
}

/* ---- Convolutions ---- */

/* Pads [begins, ends] of rank-r tensor: none negative, none on batch and channel. */
PREDICATE(spatial_pads)
{
    UNUSED;
    int64_t pads[2 * ADZE_MAX_RANK];
    int count = bound_ints(&args[0], pads, 2 * ADZE_MAX_RANK), rank_of = count / 2;
    if (count < 6 || count % 2) return false;
    for (int i = 0; i < count; i++)
        if (pads[i] < 0 || (i % rank_of < 2 && pads[i])) return false;
    return true;
}

/* Absent, or all zero. */
PREDICATE(zero_pads)
{
    UNUSED;
    int64_t pads[2 * ADZE_MAX_RANK];
    if (args[0].kind == ADZE_BOUND_ATTR && args[0].absent) return true;
    int count = bound_ints(&args[0], pads, 2 * ADZE_MAX_RANK);
    for (int i = 0; i < count; i++)
        if (pads[i]) return false;
    return count >= 0;
}

/* A constant that broadcasts over args[1] along axis 1 only, with all its channels. */
PREDICATE(per_channel)
{
    UNUSED;
    const adze_type *c = ranked_type(&args[0]), *x = ranked_type(&args[1]);
    if (!c || !x || adze_type_rank(c) > adze_type_rank(x) || adze_type_rank(x) < 2) return false;
    uint32_t skip = adze_type_rank(x) - adze_type_rank(c);
    if (skip > 1) return false;
    for (uint32_t i = 0; i < adze_type_rank(c); i++) {
        const adze_dim *want = i + skip == 1 ? adze_type_dim(x, 1) : adze_dim_const(scope->context, 1);
        if (!adze_dim_equal(adze_type_dim(c, i), want)) return false;
    }
    return adze_value_const(args[0].value);
}

/* A constant that broadcasts over args[1] along its last axis only, with all its entries. */
PREDICATE(per_column)
{
    UNUSED;
    const adze_type *c = ranked_type(&args[0]), *x = ranked_type(&args[1]);
    if (!c || !x || !adze_type_rank(c) || adze_type_rank(c) > adze_type_rank(x)) return false;
    for (uint32_t i = 0; i + 1 < adze_type_rank(c); i++)
        if (!adze_dim_is_value(adze_type_dim(c, i), 1)) return false;
    return adze_dim_equal(adze_type_dim(c, adze_type_rank(c) - 1), adze_type_dim(x, adze_type_rank(x) - 1)) &&
           adze_value_const(args[0].value);
}

/* ---- Attention ---- */

/* q [b,h,s,d], k transposed [b,h,d,t], v [b,h,t,e] with the same b and h. */
PREDICATE(attention_shapes)
{
    UNUSED;
    const adze_type *q = ranked_type(&args[0]), *k = ranked_type(&args[1]), *v = ranked_type(&args[2]);
    if (!q || !k || !v || adze_type_rank(q) != 4 || adze_type_rank(k) != 4 || adze_type_rank(v) != 4)
        return false;
    for (uint32_t i = 0; i < 2; i++)
        if (!adze_dim_equal(adze_type_dim(q, i), adze_type_dim(k, i)) ||
            !adze_dim_equal(adze_type_dim(q, i), adze_type_dim(v, i)))
            return false;
    return adze_dim_equal(adze_type_dim(q, 3), adze_type_dim(k, 2)) &&
           adze_dim_equal(adze_type_dim(k, 3), adze_type_dim(v, 2));
}

/* a broadcasts to b's dims without changing them. */
PREDICATE(broadcasts_to)
{
    UNUSED;
    const adze_type *a = ranked_type(&args[0]), *b = ranked_type(&args[1]);
    if (!a || !b || adze_type_rank(a) > adze_type_rank(b)) return false;
    uint32_t skip = adze_type_rank(b) - adze_type_rank(a);
    for (uint32_t i = 0; i < adze_type_rank(a); i++)
        if (!adze_dim_is_value(adze_type_dim(a, i), 1) &&
            !adze_dim_equal(adze_type_dim(a, i), adze_type_dim(b, i + skip)))
            return false;
    return true;
}

static const adze_rule_predicate table[] = {
    {"at_least", 2, 2, at_least},
    {"attention_shapes", 3, 3, attention_shapes},
    {"broadcasts_to", 2, 2, broadcasts_to},
    {"combine", 2, 2, combine},
    {"idempotent", 1, 1, idempotent},
    {"identity_perm", 1, 1, identity_perm},
    {"in_bounds", 3, 3, in_bounds},
    {"is_constant", 1, 1, is_constant},
    {"is_float", 1, 1, is_float},
    {"is_half", 1, 1, is_half},
    {"is_integer", 1, 1, is_integer},
    {"is_scalar", 1, 1, is_scalar},
    {"known", 1, 1, known},
    {"last_axis", 2, 2, last_axis},
    {"lossless", 2, 2, lossless},
    {"moves_ones", 2, 2, moves_ones},
    {"one_use", 1, 1, one_use},
    {"ones_after", 2, 2, ones_after},
    {"ones_or_absent", 1, 1, ones_or_absent},
    {"per_channel", 2, 2, per_channel},
    {"per_column", 2, 2, per_column},
    {"plus_zero", 1, 1, plus_zero},
    {"power_of_two", 1, 1, power_of_two},
    {"present", 1, 1, present},
    {"rank", 2, 2, rank},
    {"ranked", 1, 1, ranked},
    {"same_op", 2, 2, same_op},
    {"same_type", 2, 2, same_type},
    {"single", 1, 1, single},
    {"spatial_pads", 1, 1, spatial_pads},
    {"static_tail", 2, 2, static_tail},
    {"tail_axes", 2, 2, tail_axes},
    {"tail_shape", 3, 3, tail_shape},
    {"zero_pads", 1, 1, zero_pads},
};

const adze_rule_predicate *adze_rule_find_predicate(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].name, name)) return &table[i];
    return NULL;
}
