/* Ties from the iteration space of an op: elements that one value of one of its axes reads or writes. */
#include "passes/prune/channels/dims.h"

#include <string.h>

/* The axes of an op as slots. */
typedef struct space {
    adze_access a;
    uint32_t base[ADZE_MAX_AXES], extent[ADZE_MAX_AXES]; /* extent 0: not constant */
    uint32_t products;
} space;

static void make_space(dims_graph *g, space *s)
{
    for (uint32_t k = 0; k < s->a.n_axes; k++) {
        int64_t extent;
        s->base[k] = DIMS_NONE;
        s->extent[k] = 0;
        if (!adze_dim_is_const(s->a.extent[k], &extent) || extent < 1 || extent > DIMS_MAX_SLOTS) continue;
        s->base[k] = dims_new(g, (uint32_t)extent);
        if (s->base[k] != DIMS_NONE) s->extent[k] = (uint32_t)extent;
    }
}

/* Axes in an index, as a set. */
static uint32_t axes_in(const adze_dim *dim)
{
    if (!dim) return 0;
    if (adze_dim_get_kind(dim) == ADZE_DIM_AXIS) return 1u << adze_dim_axis_index(dim);
    return axes_in(adze_dim_operand(dim, 0)) | axes_in(adze_dim_operand(dim, 1));
}

static void freeze_axes(dims_graph *g, const space *s, uint32_t set, const char *why)
{
    for (uint32_t k = 0; k < s->a.n_axes; k++)
        if (set >> k & 1) dims_freeze(g, s->base[k], s->extent[k], DIMS_HARD, why);
}

/* dim = sum of coef[k] * axis k + rest, over the axes of `set`; false where it is none. */
static bool affine(dims_graph *g, const adze_dim *dim, uint32_t set, int64_t *coef, int64_t *rest)
{
    for (uint32_t k = 0; k < ADZE_MAX_AXES; k++) {
        coef[k] = 0;
        if (set >> k & 1 && !adze_dim_axis_coefficient(g->context, dim, k, &coef[k], &dim)) return false;
    }
    return adze_dim_is_const(dim, rest);
}

/* One dim of one operand or result. */
static void tie_dim(dims_graph *g, const adze_op *op, space *s, const dims_value *v, uint32_t axis,
                    const adze_dim *dim)
{
    uint32_t set = axes_in(dim), factors[ADZE_MAX_AXES], n = 0, base = v->base[axis], extent = v->extent[axis];
    int64_t coef[ADZE_MAX_AXES], rest;
    bool ok = affine(g, dim, set, coef, &rest);
    const char *why = dims_reason(op, "needs all of it");
    for (uint32_t k = 0; k < s->a.n_axes; k++)
        if (set >> k & 1 && s->extent[k] != 1) factors[n++] = k;
    if (ok && !n) { /* one element is read by all: nothing follows where there is but one */
        if (extent != 1) dims_freeze(g, base, extent, DIMS_HARD, why);
        uint32_t k = set ? (uint32_t)__builtin_ctz(set) : 0;
        if (set && extent == 1) dims_tie(g, base, s->base[k]);
        return;
    }
    if (ok && n == 1 && coef[factors[0]] == 1) {
        uint32_t k = factors[0];
        if (!extent && !s->extent[k]) return;
        if (!extent || !s->extent[k]) { /* constant on one side only */
            dims_freeze(g, base, extent, DIMS_HARD, why);
            freeze_axes(g, s, set, why);
            return;
        }
        for (uint32_t i = 0; i < s->extent[k]; i++)
            if (rest + i >= 0 && rest + i < extent) dims_tie(g, base + (uint32_t)(rest + i), s->base[k] + i);
        return;
    }
    uint32_t order[ADZE_MAX_RANK], size[ADZE_MAX_RANK];
    int64_t inner = 1;
    /* By falling coefficient, each the product of the extents behind it. */
    for (uint32_t i = 0; ok && i < n; i++)
        for (uint32_t j = i + 1; j < n; j++)
            if (coef[factors[j]] > coef[factors[i]]) {
                uint32_t t = factors[i];
                factors[i] = factors[j], factors[j] = t;
            }
    ok = ok && n <= ADZE_MAX_RANK && !rest && extent;
    for (uint32_t i = n; ok && i-- > 0; inner *= s->extent[factors[i]]) {
        ok = s->extent[factors[i]] && coef[factors[i]] == inner;
        order[i] = s->base[factors[i]], size[i] = s->extent[factors[i]];
    }
    if (ok && inner == extent) {
        uint32_t most = 0; /* of groups and channels within, that of which there are more */
        for (uint32_t i = 1; i < n; i++)
            if (size[i] > size[most]) most = i;
        dims_product(g, op, s->products, base, order, size, n, most);
        return;
    }
    dims_freeze(g, base, extent, DIMS_HARD, why);
    freeze_axes(g, s, set, why);
}

static void tie_map(dims_graph *g, const adze_op *op, space *s, const adze_ir_value *value, const adze_access_map *map)
{
    const dims_value *v = dims_find(g, value);
    if (!v || v->rank != map->rank) return;
    for (uint32_t i = 0; i < map->rank; i++) tie_dim(g, op, s, v, i, map->dims[i]);
}

/* Axes whose every element counts: windows, what is looked up, and all that is combined but not by a contraction. */
static void freeze_kinds(dims_graph *g, const adze_op *op, const space *s)
{
    bool contraction = adze_op_has_trait(op, ADZE_CONTRACTION);
    for (uint32_t k = 0; k < s->a.n_axes; k++) {
        const char *why = NULL;
        if (s->a.kind[k] == ADZE_AXIS_WINDOW) why = "has a window over it";
        if (s->a.kind[k] == ADZE_AXIS_INDEX) why = "looks elements of it up";
        if (s->a.kind[k] == ADZE_AXIS_REDUCTION && !contraction) why = "combines all of it";
        if (why) freeze_axes(g, s, 1u << k, dims_reason(op, why));
    }
}

bool dims_rule_access(dims_graph *g, adze_op *op)
{
    space s;
    memset(&s, 0, sizeof s);
    if (!adze_op_access(op, &s.a)) return false;
    make_space(g, &s);
    freeze_kinds(g, op, &s);
    const char *why = dims_reason(op, "reads it as a parameter");
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        bool mapped = i < s.a.n_operands && s.a.operand[i].present;
        s.products = i;
        if (mapped)
            tie_map(g, op, &s, adze_op_operand(op, i), &s.a.operand[i]);
        else
            dims_freeze_value(g, adze_op_operand(op, i), why);
    }
    for (uint32_t k = 0; k < s.a.n_axes; k++)
        if (s.a.kind[k] == ADZE_AXIS_INDEX)
            tie_map(g, op, &s, adze_op_operand(op, s.a.index_operand), &s.a.index[k]);
    for (uint32_t i = 0; i < adze_op_num_results(op) && i < s.a.n_results; i++) {
        s.products = 1000 + i;
        tie_map(g, op, &s, adze_op_result(op, i), &s.a.result[i]);
    }
    return true;
}
