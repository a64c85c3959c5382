/* Takes units out of a module: constants are gathered, types shrink, parameters of ops follow. */
#include "passes/prune/channels/groups.h"
#include "passes/weights/constant.h"

#include <stdlib.h>
#include <string.h>

typedef struct cutter {
    adze_channels *c;
    const uint8_t *gone; /* of slots' roots */
} cutter;

static bool is_gone(const cutter *k, const dims_value *v, uint32_t axis, int64_t element)
{
    return k->gone[dims_root(&k->c->graph, v->base[axis] + (uint32_t)element)];
}

static bool is_cut(const cutter *k, const dims_value *v, uint32_t axis)
{
    return v && v->extent[axis] && channels_left(k->c, k->gone, v, axis) < v->extent[axis];
}

static const adze_type *type_of(const cutter *k, const dims_value *v)
{
    const adze_type *type = adze_value_type(v->value);
    const adze_dim *dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < v->rank; i++) {
        dims[i] = adze_type_dim(type, i);
        if (v->extent[i]) dims[i] = adze_dim_const(k->c->graph.context, channels_left(k->c, k->gone, v, i));
    }
    return adze_type_with_dims(type, v->rank, dims);
}

/* ---- Constants ---- */

/* Copies `from` to `to` without what goes of one axis; gives the new size. */
static size_t gather(const cutter *k, const dims_value *v, uint32_t axis, size_t outer, size_t bytes, const char *from,
                     char *to)
{
    char *at = to;
    for (size_t o = 0; o < outer; o++)
        for (uint32_t e = 0; e < v->extent[axis]; e++, from += bytes) {
            if (is_gone(k, v, axis, e)) continue;
            memmove(at, from, bytes);
            at += bytes;
        }
    return (size_t)(at - to);
}

static bool cut_constant(cutter *k, dims_value *v)
{
    adze_const *constant = adze_value_const(v->value);
    const adze_type *type = type_of(k, v), *old = adze_const_type(constant);
    if (type == old) return true;
    adze_data *data = adze_const_data(constant);
    const char *bytes = adze_data_load(data);
    if (!bytes) return false;
    size_t size = adze_data_size(data), item = adze_dtype_bits(adze_type_dtype(old)) / 8;
    char *copy = adze_malloc(size + 1);
    memcpy(copy, bytes, size);
    adze_data_unload(data);
    /* From the last axis on: those before it still have their extents. */
    for (uint32_t i = v->rank; i-- > 0;) {
        size_t outer = 1;
        for (uint32_t o = 0; o < i; o++) outer *= v->extent[o];
        if (is_cut(k, v, i)) gather(k, v, i, outer, item, copy, copy);
        item *= channels_left(k->c, k->gone, v, i);
    }
    const char *name = adze_internf(k->c->graph.context, "%s.own", adze_const_name(constant));
    adze_ir_value *made = adze_const_make(adze_func_module(k->c->graph.func), name, type, copy);
    free(copy);
    if (!made) return false;
    adze_value_replace_uses(v->value, made);
    v->value = constant_settle(constant, made);
    adze_table_put(&k->c->graph.table, v->value, v);
    return true;
}

/* ---- Parameters of ops ---- */

static adze_module *module_of(const cutter *k) { return adze_func_module(k->c->graph.func); }

static void erase_unused(const adze_ir_value *value)
{
    adze_const *constant = value ? adze_value_const(value) : NULL;
    if (constant && !adze_const_has_uses(constant)) adze_const_erase(constant);
}

static bool set_ints(const cutter *k, adze_op *op, uint32_t operand, const int64_t *values, int n)
{
    const adze_ir_value *old = adze_op_operand(op, operand);
    const char *name = old && adze_value_name(old) ? adze_value_name(old) : "channels";
    adze_ir_value *made = adze_const_ints(module_of(k), name, values, n);
    if (!made) return false;
    adze_op_set_operand(op, operand, made);
    erase_unused(old);
    return true;
}

/* Where an operand lists axes (absent = all in order), the place of `axis` in it; -1 = none. */
static int place_of(const adze_op *op, uint32_t operand, uint32_t axis, uint32_t rank)
{
    int64_t axes[ADZE_MAX_RANK];
    const adze_ir_value *value = operand < adze_op_num_operands(op) ? adze_op_operand(op, operand) : NULL;
    if (!value) return (int)axis;
    int n = adze_value_as_ints(value, axes, ADZE_MAX_RANK);
    for (int i = 0; i < n; i++)
        if (axes[i] == axis || axes[i] + rank == axis) return i;
    return -1;
}

static bool cut_slice(cutter *k, adze_op *op)
{
    enum { STARTS = 1, ENDS = 2, AXES = 3 };
    const dims_value *x = dims_find(&k->c->graph, adze_op_operand(op, 0));
    int64_t starts[ADZE_MAX_RANK], ends[ADZE_MAX_RANK];
    int n = adze_value_as_ints(adze_op_operand(op, STARTS), starts, ADZE_MAX_RANK);
    int m = adze_value_as_ints(adze_op_operand(op, ENDS), ends, ADZE_MAX_RANK);
    bool changed = false;
    for (uint32_t i = 0; x && i < x->rank; i++) {
        int at = is_cut(k, x, i) ? place_of(op, AXES, i, x->rank) : -1;
        if (at < 0 || at >= n || at >= m) continue; /* not sliced, or whole by what is not constant */
        int64_t extent = x->extent[i], start = starts[at], end = ends[at], before = 0, within = 0;
        start = start < 0 ? start + extent : start, end = end < 0 ? end + extent : end;
        for (int64_t e = 0; e < extent; e++) {
            if (is_gone(k, x, i, e)) continue;
            before += e < start;
            within += e >= start && e < end;
        }
        starts[at] = before, ends[at] = before + within;
        changed = true;
    }
    return !changed || (set_ints(k, op, STARTS, starts, n) && set_ints(k, op, ENDS, ends, m));
}

static bool cut_pad(cutter *k, adze_op *op)
{
    enum { PADS = 1, AXES = 3 };
    const dims_value *x = dims_find(&k->c->graph, adze_op_operand(op, 0));
    const dims_value *y = dims_find(&k->c->graph, adze_op_result(op, 0));
    int64_t pads[2 * ADZE_MAX_RANK];
    int n = adze_value_as_ints(adze_op_operand(op, PADS), pads, 2 * ADZE_MAX_RANK);
    bool changed = false;
    for (uint32_t i = 0; x && y && i < y->rank; i++) {
        int at = is_cut(k, y, i) ? place_of(op, AXES, i, x->rank) : -1;
        if (at < 0 || at >= n / 2) continue;
        int64_t first = pads[at], end = first + x->extent[i], before = 0, behind = 0;
        for (int64_t e = 0; e < y->extent[i]; e++) {
            if (is_gone(k, y, i, e)) continue;
            before += e < first;
            behind += e >= end;
        }
        if (first > 0) pads[at] = before;
        if (pads[at + n / 2] > 0) pads[at + n / 2] = behind;
        changed = true;
    }
    return !changed || set_ints(k, op, PADS, pads, n);
}

static bool cut_resize(cutter *k, adze_op *op)
{
    enum { SIZES = 3 };
    int64_t sizes[ADZE_MAX_RANK];
    const dims_value *y = dims_find(&k->c->graph, adze_op_result(op, 0));
    const adze_ir_value *given = adze_op_num_operands(op) > SIZES ? adze_op_operand(op, SIZES) : NULL;
    int n = given ? adze_value_as_ints(given, sizes, ADZE_MAX_RANK) : 0;
    adze_ints axes = adze_op_attr_ints(op, "axes");
    bool changed = false;
    for (int i = 0; y && i < n; i++) {
        int64_t axis = axes.count ? axes.data[i] : i;
        axis = axis < 0 ? axis + y->rank : axis;
        if (!is_cut(k, y, (uint32_t)axis)) continue;
        sizes[i] = channels_left(k->c, k->gone, y, (uint32_t)axis);
        changed = true;
    }
    return !changed || set_ints(k, op, SIZES, sizes, n);
}

/* A split into equal parts becomes one with stated sizes. */
static bool cut_split(cutter *k, adze_op *op)
{
    enum { MAX_PARTS = 1024 };
    const dims_graph *g = &k->c->graph;
    const dims_value *x = dims_find(g, adze_op_operand(op, 0));
    int64_t axis = adze_op_attr_int(op, "axis"), sizes[MAX_PARTS];
    uint32_t n = adze_op_num_results(op);
    const adze_type *types[MAX_PARTS];
    if (!x || n > MAX_PARTS) return true;
    if (axis < 0) axis += x->rank;
    if (!is_cut(k, x, (uint32_t)axis)) return true;
    for (uint32_t i = 0; i < n; i++) {
        dims_value *part = dims_find(g, adze_op_result(op, i));
        sizes[i] = channels_left(k->c, k->gone, part, (uint32_t)axis);
        types[i] = type_of(k, part);
    }
    adze_ir_value *made = adze_const_ints(module_of(k), "sizes", sizes, (int)n);
    if (!made) return false;
    adze_builder b = adze_builder_before(op);
    adze_ir_value *in[] = {adze_op_operand(op, 0), made};
    adze_attr attr = adze_attr_int("axis", axis);
    adze_op *next = adze_build(&b, "split", in, 2, &attr, 1, types, n);
    if (!next) return false;
    for (uint32_t i = 0; i < n; i++) {
        const char *name = adze_value_name(adze_op_result(op, i));
        adze_value_replace_uses(adze_op_result(op, i), adze_op_result(next, i));
        if (name) adze_value_set_name(adze_op_result(next, i), name);
    }
    const adze_ir_value *old = adze_op_num_operands(op) > 1 ? adze_op_operand(op, 1) : NULL;
    adze_op_erase(op);
    erase_unused(old);
    return true;
}

/* Ops whose result type says what they make. */
static void drop_target(adze_op *op)
{
    const adze_ir_value *target = adze_op_num_operands(op) > 1 ? adze_op_operand(op, 1) : NULL;
    if (!target) return;
    adze_op_set_operand(op, 1, NULL);
    erase_unused(target);
}

static bool set_groups(cutter *k, adze_op *op)
{
    const dims_value *x = dims_find(&k->c->graph, adze_op_operand(op, 0));
    const dims_value *w = dims_find(&k->c->graph, adze_op_operand(op, 1));
    if (!x || !w || !x->extent[1] || !w->extent[1]) return true;
    uint32_t groups = channels_left(k->c, k->gone, x, 1) / channels_left(k->c, k->gone, w, 1);
    return adze_op_set_attr(op, adze_attr_int("group", groups));
}

static bool cut_op(cutter *k, adze_op *op)
{
    if (adze_op_is(op, "slice")) return cut_slice(k, op);
    if (adze_op_is(op, "pad")) return cut_pad(k, op);
    if (adze_op_is(op, "resize")) return cut_resize(k, op);
    bool grouped = adze_row_attr_index(adze_op_get_row(op), "group") >= 0 && adze_op_attr_int(op, "group") > 1;
    if (grouped) return set_groups(k, op);
    if (adze_op_is(op, "reshape") || adze_op_is(op, "expand")) {
        const dims_value *y = dims_find(&k->c->graph, adze_op_result(op, 0));
        for (uint32_t i = 0; y && i < y->rank; i++)
            if (is_cut(k, y, i)) drop_target(op);
    }
    return true;
}

bool adze_channels_remove(adze_channels *c, adze_channel_cut cut)
{
    uint8_t *gone = channels_gone(c, cut);
    cutter k = {.c = c, .gone = gone};
    dims_graph *g = &c->graph;
    bool ok = true;
    for (uint32_t i = 0; i < c->n_groups && ok; i++) {
        uint32_t left = 0;
        for (uint32_t u = 0; u < c->groups[i].units; u++) left += !gone[c->roots[i][u]];
        if (!left) ok = adze_error(adze_func_loc(g->func), "all channels of '%s' would go", c->groups[i].name);
    }
    adze_op *op = adze_region_first(adze_func_body(g->func)), *next;
    for (uint32_t i = 0; i < g->n_values && ok; i++)
        if (adze_value_const(g->values[i]->value)) ok = cut_constant(&k, g->values[i]);
    for (adze_op *o = op; o && ok; o = adze_op_next(o)) ok = cut_op(&k, o);
    for (; op && ok; op = next) {
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
            dims_value *v = dims_find(g, adze_op_result(op, i));
            if (v) adze_value_set_type(v->value, type_of(&k, v));
        }
        if (adze_op_is(op, "split")) ok = cut_split(&k, op);
    }
    free(gone);
    return ok;
}
