/* Functions of rules, by name: they make attributes and constant operands of the replacement.
 *
 * To add one: a function here, a row in the table at the end, a line in docs/design/rules.md.
 */
#include "passes/rule_values.h"

#include <stdlib.h>

#define FUNCTION(name)                                                                             \
    static bool name(const adze_rule_scope *scope, const adze_bound *args, uint32_t n, adze_bound *out)

#define UNUSED (void)scope, (void)args, (void)n

static bool give_ints(const adze_rule_scope *scope, adze_bound *out, const int64_t *values, uint32_t n)
{
    *out = (adze_bound){.kind = ADZE_BOUND_ATTR, .attr_kind = ADZE_ATTR_INTS};
    out->slot.ints = (adze_ints){adze_arena_copy(scope->arena, values, n * sizeof *values), n};
    return true;
}

static bool give_int(adze_bound *out, int64_t value)
{
    *out = (adze_bound){.kind = ADZE_BOUND_ATTR, .attr_kind = ADZE_ATTR_INT, .slot = {.i = value}};
    return true;
}

static bool give_float(adze_bound *out, double value)
{
    *out = (adze_bound){.kind = ADZE_BOUND_ATTR, .attr_kind = ADZE_ATTR_FLOAT, .slot = {.f = value}};
    return true;
}

static bool give_value(adze_bound *out, adze_ir_value *value)
{
    *out = (adze_bound){.kind = ADZE_BOUND_VALUE, .value = value};
    return value;
}

/* First transpose by p, then by q. */
FUNCTION(compose)
{
    UNUSED;
    int64_t p[ADZE_MAX_RANK], q[ADZE_MAX_RANK];
    int count = bound_ints(&args[0], p, ADZE_MAX_RANK);
    if (count < 0 || bound_ints(&args[1], q, ADZE_MAX_RANK) != count) return false;
    for (int i = 0; i < count; i++) {
        if (q[i] < 0 || q[i] >= count) return false;
        q[i] = p[q[i]];
    }
    return give_ints(scope, out, q, (uint32_t)count);
}

/* The permutation that reverses the axes of a tensor. */
FUNCTION(reversed)
{
    UNUSED;
    const adze_type *type = ranked_type(&args[0]);
    int64_t perm[ADZE_MAX_RANK];
    for (uint32_t i = 0; type && i < adze_type_rank(type); i++) perm[i] = adze_type_rank(type) - 1 - i;
    return type && give_ints(scope, out, perm, adze_type_rank(type));
}

/* The value of a constant whose elements are all equal. */
FUNCTION(number)
{
    UNUSED;
    double value;
    return bound_number(&args[0], &value) && give_float(out, value);
}

FUNCTION(times)
{
    UNUSED;
    double a, b;
    return bound_number(&args[0], &a) && bound_number(&args[1], &b) && give_float(out, a * b);
}

/* The single axis of a list. */
FUNCTION(only)
{
    UNUSED;
    int64_t axis;
    return bound_ints(&args[0], &axis, 1) == 1 && give_int(out, axis);
}

/* A list of one number. */
FUNCTION(list)
{
    UNUSED;
    int64_t value;
    return bound_int(&args[0], &value) && give_ints(scope, out, &value, 1);
}

/* The end of a slice of one element that starts at the number. */
FUNCTION(after)
{
    UNUSED;
    int64_t value;
    if (!bound_int(&args[0], &value)) return false;
    value = value == -1 ? INT64_MAX : value + 1;
    return give_ints(scope, out, &value, 1);
}

/* The first of the last axes that a list holds. */
FUNCTION(first_axis)
{
    UNUSED;
    const adze_type *type = ranked_type(&args[1]);
    uint32_t first;
    if (!type || !bound_tail(&args[0], adze_type_rank(type), &first)) return false;
    return give_int(out, (int64_t)first - adze_type_rank(type)); /* -1 where it is the last */
}

/* A constant of ones with the dims of a tensor's last axes. */
FUNCTION(ones)
{
    UNUSED;
    const adze_type *type = ranked_type(&args[1]);
    uint32_t first;
    int64_t count;
    if (!type || adze_type_dtype(type) != ADZE_DTYPE_f32 || !bound_tail(&args[0], adze_type_rank(type), &first))
        return false;
    uint32_t rank = adze_type_rank(type) - first;
    const adze_type *made = adze_type_with_dims(adze_type_with_layout(type, NULL), rank,
                                                adze_type_dims(type) + first);
    if (!adze_dim_is_const(adze_type_count(made), &count) || count > 1 << 20) return false;
    float *data = adze_malloc((size_t)count * sizeof *data + 1);
    for (int64_t i = 0; i < count; i++) data[i] = 1;
    adze_ir_value *value = adze_const_make(scope->module, "ones", made, data);
    free(data);
    return give_value(out, value);
}

/* [-1, 1, 1, …]: one entry per dim of the tensor but the first `skip` ones. */
static bool column(const adze_rule_scope *scope, const adze_bound *of, uint32_t skip, adze_bound *out)
{
    const adze_type *type = ranked_type(of);
    int64_t dims[ADZE_MAX_RANK] = {-1};
    if (!type || adze_type_rank(type) <= skip) return false;
    for (uint32_t i = 1; i < adze_type_rank(type) - skip; i++) dims[i] = 1;
    return give_ints(scope, out, dims, adze_type_rank(type) - skip);
}

/* Shape that spreads one number per output channel over a filter [O, I, …]. */
FUNCTION(filter_dims)
{
    UNUSED;
    return column(scope, &args[0], 0, out);
}

/* Shape that spreads one number per channel over [N, C, …]. */
FUNCTION(channel_dims)
{
    UNUSED;
    return column(scope, &args[0], 1, out);
}

/* Spatial entries of pads [begins, ends] over all axes, added to an op's own pads (or none). */
FUNCTION(add_pads)
{
    UNUSED;
    int64_t all[2 * ADZE_MAX_RANK], own[2 * ADZE_MAX_RANK] = {0}, sum[2 * ADZE_MAX_RANK];
    int count = bound_ints(&args[0], all, 2 * ADZE_MAX_RANK), half = count / 2;
    if (count < 6 || count % 2) return false;
    bool absent = args[1].kind == ADZE_BOUND_ATTR && args[1].absent;
    if (!absent && bound_ints(&args[1], own, 2 * ADZE_MAX_RANK) != count - 4) return false;
    for (int i = 0; i < half - 2; i++) {
        sum[i] = all[2 + i] + own[i];
        sum[half - 2 + i] = all[half + 2 + i] + own[half - 2 + i];
    }
    return give_ints(scope, out, sum, (uint32_t)count - 4);
}

static const adze_rule_function table[] = {
    {"add_pads", 2, 2, add_pads},
    {"after", 1, 1, after},
    {"channel_dims", 1, 1, channel_dims},
    {"compose", 2, 2, compose},
    {"filter_dims", 1, 1, filter_dims},
    {"first_axis", 2, 2, first_axis},
    {"list", 1, 1, list},
    {"number", 1, 1, number},
    {"ones", 2, 2, ones},
    {"only", 1, 1, only},
    {"reversed", 1, 1, reversed},
    {"times", 2, 2, times},
};

const adze_rule_function *adze_rule_find_function(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].name, name)) return &table[i];
    return NULL;
}
