/* Small questions about values that predicates and functions share. */
#ifndef ADZE_RULE_VALUES_H
#define ADZE_RULE_VALUES_H

#include "passes/rules.h"

#include <string.h>

static inline const adze_type *bound_type(const adze_bound *b)
{
    return b->kind == ADZE_BOUND_VALUE && b->value ? adze_value_type(b->value) : NULL;
}

/* A tensor whose rank is known. */
static inline const adze_type *ranked_type(const adze_bound *b)
{
    const adze_type *type = bound_type(b);
    return type && adze_type_is_tensor(type) && adze_type_is_ranked(type) ? type : NULL;
}

/* A list of integers: an INTS attribute, or an integer constant. Its length, or -1. */
static inline int bound_ints(const adze_bound *b, int64_t *out, int max)
{
    if (b->kind == ADZE_BOUND_VALUE) return b->value ? adze_value_as_ints(b->value, out, max) : -1;
    if (b->kind != ADZE_BOUND_ATTR || b->absent || b->attr_kind != ADZE_ATTR_INTS) return -1;
    if (b->slot.ints.count > (uint64_t)max) return -1;
    for (uint64_t i = 0; i < b->slot.ints.count; i++) out[i] = b->slot.ints.data[i];
    return (int)b->slot.ints.count;
}

/* One integer: an INT attribute, or a list of one. */
static inline bool bound_int(const adze_bound *b, int64_t *out)
{
    if (b->kind == ADZE_BOUND_ATTR && !b->absent &&
        (b->attr_kind == ADZE_ATTR_INT || b->attr_kind == ADZE_ATTR_BOOL)) {
        *out = b->slot.i;
        return true;
    }
    return bound_ints(b, out, 1) == 1;
}

/* One number: a numeric attribute, or a constant whose elements are all equal. */
static inline bool bound_number(const adze_bound *b, double *out)
{
    if (b->kind == ADZE_BOUND_VALUE) return b->value && adze_value_as_splat(b->value, out);
    if (b->kind != ADZE_BOUND_ATTR || b->absent) return false;
    *out = b->attr_kind == ADZE_ATTR_FLOAT ? b->slot.f : (double)b->slot.i;
    return b->attr_kind == ADZE_ATTR_FLOAT || b->attr_kind == ADZE_ATTR_INT;
}

/* An axis of a tensor of rank `rank`, counted from the front. */
static inline bool bound_axis(const adze_bound *b, uint32_t rank, uint32_t *out)
{
    int64_t axis;
    if (!bound_int(b, &axis)) return false;
    if (axis < 0) axis += rank;
    *out = (uint32_t)axis;
    return axis >= 0 && axis < (int64_t)rank;
}

/* Axes that are the last ones of a tensor, in any order: the first of them. */
static inline bool bound_tail(const adze_bound *b, uint32_t rank, uint32_t *out)
{
    int64_t axes[ADZE_MAX_RANK];
    int n = bound_ints(b, axes, ADZE_MAX_RANK);
    if (n < 1 || (uint32_t)n > rank) return false;
    uint32_t seen = 0;
    for (int i = 0; i < n; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis < 0 || axis >= (int64_t)rank) return false;
        seen |= UINT32_C(1) << axis;
    }
    *out = rank - (uint32_t)n;
    return seen == (UINT32_C(1) << rank) - (UINT32_C(1) << *out);
}

#endif
