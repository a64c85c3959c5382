/* Ties of ops that have no iteration space, or whose parameters restrict what can go: a row each. */
#include "passes/prune/channels/dims.h"

#include <string.h>

static uint32_t axis_of(const adze_op *op, uint32_t rank)
{
    int64_t axis = adze_op_attr_int(op, "axis");
    return (uint32_t)(axis < 0 ? axis + rank : axis);
}

static void freeze_operands(dims_graph *g, const adze_op *op, uint32_t from)
{
    const char *why = dims_reason(op, "reads it as a parameter");
    for (uint32_t i = from; i < adze_op_num_operands(op); i++) dims_freeze_value(g, adze_op_operand(op, i), why);
}

/* ---- Parts in a row ---- */

/* The parts' elements of `axis` lie one behind the other in `whole`. */
static void tie_parts(dims_graph *g, const adze_op *op, const adze_ir_value *whole, adze_ir_value *const *parts,
                      uint32_t n, uint32_t axis)
{
    const dims_value *w = dims_find(g, whole), *p;
    uint32_t at = 0;
    bool known = w && w->extent[axis];
    for (uint32_t i = 0; i < n; i++) {
        p = dims_find(g, parts[i]);
        known = known && p && p->rank == w->rank && p->extent[axis];
        if (known) at += p->extent[axis];
    }
    known = known && at == w->extent[axis];
    if (!known) dims_freeze_axis(g, whole, axis, dims_reason(op, "has parts of unknown size"));
    at = 0;
    for (uint32_t i = 0; i < n; i++) {
        p = dims_find(g, parts[i]);
        for (uint32_t k = 0; w && p && k < p->rank; k++)
            if (k != axis) dims_tie_axes(g, whole, k, parts[i], k);
        if (!known) dims_freeze_axis(g, parts[i], axis, dims_reason(op, "has parts of unknown size"));
        if (!known) continue;
        dims_tie_range(g, w->base[axis] + at, p->base[axis], p->extent[axis]);
        at += p->extent[axis];
    }
}

enum { MAX_PARTS = 1024 };

static bool tie_concat(dims_graph *g, adze_op *op)
{
    adze_ir_value *parts[MAX_PARTS];
    uint32_t n = adze_op_num_operands(op);
    const dims_value *y = dims_find(g, adze_op_result(op, 0));
    if (!y || n > MAX_PARTS || axis_of(op, y->rank) >= y->rank) return false;
    for (uint32_t i = 0; i < n; i++) parts[i] = adze_op_operand(op, i);
    tie_parts(g, op, adze_op_result(op, 0), parts, n, axis_of(op, y->rank));
    return true;
}

static bool tie_split(dims_graph *g, adze_op *op)
{
    adze_ir_value *parts[MAX_PARTS];
    uint32_t n = adze_op_num_results(op);
    const dims_value *x = dims_find(g, adze_op_operand(op, 0));
    if (!x || n > MAX_PARTS || axis_of(op, x->rank) >= x->rank) return false;
    for (uint32_t i = 0; i < n; i++) parts[i] = adze_op_result(op, i);
    tie_parts(g, op, adze_op_operand(op, 0), parts, n, axis_of(op, x->rank));
    freeze_operands(g, op, 1);
    return true;
}

/* ---- Rows that are normalised ---- */

static bool tie_norm(dims_graph *g, adze_op *op)
{
    const adze_ir_value *x = adze_op_operand(op, 0);
    const dims_value *v = dims_find(g, x);
    if (!v || axis_of(op, v->rank) >= v->rank) return false;
    uint32_t axis = axis_of(op, v->rank);
    bool one = adze_op_is(op, "softmax") || adze_op_is(op, "log_softmax");
    dims_tie_values(g, x, adze_op_result(op, 0));
    for (uint32_t i = axis; i < (one ? axis + 1 : v->rank); i++)
        dims_freeze_axis(g, x, i, dims_reason(op, "normalises over it"));
    freeze_operands(g, op, 1);
    for (uint32_t i = 1; i < adze_op_num_results(op); i++) {
        dims_tie_values(g, x, adze_op_result(op, i));
        dims_freeze_value(g, adze_op_result(op, i), dims_reason(op, "normalises over it"));
    }
    return true;
}

static bool tie_batch_norm(dims_graph *g, adze_op *op)
{
    if (adze_op_attr_int(op, "training_mode")) return false;
    dims_tie_values(g, adze_op_operand(op, 0), adze_op_result(op, 0));
    for (uint32_t i = 1; i < adze_op_num_operands(op); i++)
        dims_tie_axes(g, adze_op_operand(op, 0), 1, adze_op_operand(op, i), 0);
    return true;
}

/* softmax(q k^T) v on [batch, heads, sequence, dim]; masks and windows are broadcast. */
static bool tie_attention(dims_graph *g, adze_op *op)
{
    const adze_ir_value *q = adze_op_operand(op, 0), *k = adze_op_operand(op, 1), *v = adze_op_operand(op, 2);
    const adze_ir_value *y = adze_op_result(op, 0), *mask = adze_op_operand(op, 3), *window = adze_op_operand(op, 4);
    const dims_value *m = dims_find(g, mask), *o = dims_find(g, y), *w = dims_find(g, window);
    if (!o || o->rank != 4) return false;
    for (uint32_t i = 0; i < 2; i++) {
        dims_tie_axes(g, q, i, y, i);
        dims_tie_axes(g, k, i, y, i);
        dims_tie_axes(g, v, i, y, i);
    }
    dims_tie_axes(g, q, 2, y, 2);
    dims_tie_axes(g, k, 2, v, 2);
    dims_freeze_axis(g, k, 2, dims_reason(op, "normalises over it"));
    dims_tie_axes(g, q, 3, k, 3);
    dims_tie_axes(g, v, 3, y, 3);
    for (uint32_t i = 0; m && i < m->rank; i++) {
        uint32_t axis = i + 4 - m->rank;
        if (axis == 3) dims_freeze_axis(g, mask, i, dims_reason(op, "normalises over it"));
        else if (m->extent[i] != 1) dims_tie_axes(g, mask, i, y, axis);
    }
    if (w && w->extent[0] != 1) dims_tie_axes(g, window, 0, y, 1);
    if (w) dims_freeze_axis(g, window, 1, dims_reason(op, "takes both sides of a window"));
    return true;
}

/* ---- What parameters must say ---- */

static bool is_ints(const adze_op *op, uint32_t index)
{
    int64_t values[2 * ADZE_MAX_RANK];
    const adze_ir_value *value = adze_op_operand(op, index);
    return !value || adze_value_as_ints(value, values, 2 * ADZE_MAX_RANK) >= 0;
}

/* Axes that are cut by numbers that are not constants cannot follow what is removed. */
static bool restrict_cut(dims_graph *g, adze_op *op)
{
    const adze_ir_value *x = adze_op_operand(op, 0), *y = adze_op_result(op, 0);
    const dims_value *v = dims_find(g, x), *w = dims_find(g, y);
    bool known = true;
    for (uint32_t i = 1; i < adze_op_num_operands(op); i++)
        known = known && (adze_op_is(op, "pad") && i == 2 ? true : is_ints(op, i));
    if (!dims_rule_access(g, op)) return false;
    for (uint32_t i = 0; !known && v && w && i < v->rank; i++) {
        if (v->extent[i] == w->extent[i]) continue;
        dims_freeze_axis(g, x, i, dims_reason(op, "cuts it by numbers that are not constant"));
        dims_freeze_axis(g, y, i, dims_reason(op, "cuts it by numbers that are not constant"));
    }
    return true;
}

/* Axes that keep their extent are those that are not interpolated over. */
static bool tie_resize(dims_graph *g, adze_op *op)
{
    const adze_ir_value *x = adze_op_operand(op, 0), *y = adze_op_result(op, 0);
    const dims_value *v = dims_find(g, x), *w = dims_find(g, y);
    const char *why = dims_reason(op, "interpolates over it");
    if (!v || !w || v->rank != w->rank) return false;
    bool by_size = adze_op_num_operands(op) > 3 && adze_op_operand(op, 3);
    for (uint32_t i = 0; i < v->rank; i++) {
        bool same = v->extent[i] && v->extent[i] == w->extent[i] && i < 2 && (!by_size || is_ints(op, 3));
        if (same) dims_tie_axes(g, x, i, y, i);
        else dims_freeze_axis(g, x, i, why), dims_freeze_axis(g, y, i, why);
    }
    freeze_operands(g, op, 1);
    return true;
}

static bool freeze_result(dims_graph *g, adze_op *op)
{
    dims_freeze_value(g, adze_op_result(op, 0), dims_reason(op, "counts through it"));
    return true;
}

bool dims_rule_named(dims_graph *g, adze_op *op)
{
    static const struct {
        const char *op;
        bool (*tie)(dims_graph *g, adze_op *op);
    } rules[] = {{"attention", tie_attention}, {"batch_norm", tie_batch_norm}, {"concat", tie_concat},
                 {"iota", freeze_result},      {"pad", restrict_cut},          {"resize", tie_resize},
                 {"slice", restrict_cut},      {"split", tie_split}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (adze_op_is(op, rules[i].op)) return rules[i].tie(g, op);
    return adze_op_has_trait(op, ADZE_NORMALIZE) && tie_norm(g, op);
}
