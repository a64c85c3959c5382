/* The dimension graph: slots, classes, and the order in which ops tie them. */
#include "passes/prune/channels/dims.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 64 };

uint32_t dims_root(const dims_graph *g, uint32_t slot)
{
    while (g->parent[slot] != slot) {
        g->parent[slot] = g->parent[g->parent[slot]];
        slot = g->parent[slot];
    }
    return slot;
}

uint32_t dims_new(dims_graph *g, uint32_t count)
{
    uint32_t first = g->n;
    if (count > DIMS_MAX_SLOTS - g->n) {
        g->too_large = true;
        return DIMS_NONE;
    }
    if (g->n + count > g->slots_capacity) {
        g->slots_capacity = 2 * g->slots_capacity + count + 1024;
        g->parent = adze_realloc(g->parent, g->slots_capacity * sizeof *g->parent);
        g->state = adze_realloc(g->state, g->slots_capacity * sizeof *g->state);
        g->reason = adze_realloc(g->reason, g->slots_capacity * sizeof *g->reason);
    }
    for (uint32_t i = 0; i < count; i++) {
        g->parent[first + i] = first + i;
        g->state[first + i] = DIMS_FREE;
        g->reason[first + i] = NULL;
    }
    g->n += count;
    return first;
}

void dims_tie(dims_graph *g, uint32_t a, uint32_t b)
{
    if (a == DIMS_NONE || b == DIMS_NONE) return;
    a = dims_root(g, a), b = dims_root(g, b);
    if (a == b) return;
    if (b < a) { /* the first slot stays the root */
        uint32_t t = a;
        a = b, b = t;
    }
    g->parent[b] = a;
    if (g->state[b] <= g->state[a]) return;
    g->state[a] = g->state[b];
    g->reason[a] = g->reason[b];
}

void dims_tie_range(dims_graph *g, uint32_t a, uint32_t b, uint32_t count)
{
    if (a == DIMS_NONE || b == DIMS_NONE) return;
    for (uint32_t i = 0; i < count; i++) dims_tie(g, a + i, b + i);
}

void dims_freeze(dims_graph *g, uint32_t slot, uint32_t count, dims_state state, const char *reason)
{
    if (slot == DIMS_NONE) return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t root = dims_root(g, slot + i);
        if (g->state[root] >= state) continue;
        g->state[root] = (uint8_t)state;
        g->reason[root] = reason;
    }
}

/* ---- Values ---- */

dims_value *dims_find(const dims_graph *g, const adze_ir_value *value)
{
    return value ? adze_table_get(&g->table, value) : NULL;
}

void dims_freeze_axis(dims_graph *g, const adze_ir_value *value, uint32_t axis, const char *reason)
{
    const dims_value *v = dims_find(g, value);
    if (v && axis < v->rank) dims_freeze(g, v->base[axis], v->extent[axis], DIMS_HARD, reason);
}

void dims_freeze_value(dims_graph *g, const adze_ir_value *value, const char *reason)
{
    const dims_value *v = dims_find(g, value);
    for (uint32_t i = 0; v && i < v->rank; i++) dims_freeze_axis(g, value, i, reason);
}

void dims_tie_axes(dims_graph *g, const adze_ir_value *a, uint32_t i, const adze_ir_value *b, uint32_t k)
{
    const dims_value *x = dims_find(g, a), *y = dims_find(g, b);
    if (!x || !y || i >= x->rank || k >= y->rank) return;
    if (x->extent[i] == y->extent[k]) dims_tie_range(g, x->base[i], y->base[k], x->extent[i]);
}

void dims_tie_values(dims_graph *g, const adze_ir_value *a, const adze_ir_value *b)
{
    const dims_value *x = dims_find(g, a);
    for (uint32_t i = 0; x && i < x->rank; i++) dims_tie_axes(g, a, i, b, i);
}

const char *dims_reason(const adze_op *op, const char *text)
{
    const char *name = adze_op_num_nodes(op) ? adze_op_node(op, 0) : NULL;
    if (!name && adze_op_num_results(op)) name = adze_value_name(adze_op_result(op, 0));
    return name ? adze_internf(adze_op_context(op), "%s of '%s' %s", adze_op_name(op), name, text)
                : adze_internf(adze_op_context(op), "%s %s", adze_op_name(op), text);
}

static dims_value *add_value(dims_graph *g, adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    if (dims_find(g, value) || !adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return dims_find(g, value);
    dims_value *v = ADZE_NEW(&g->arena, dims_value);
    v->value = value;
    v->rank = adze_type_rank(type);
    for (uint32_t i = 0; i < v->rank; i++) {
        int64_t extent;
        v->base[i] = DIMS_NONE;
        if (!adze_dim_is_const(adze_type_dim(type, i), &extent) || extent < 1) continue;
        if (extent > DIMS_MAX_SLOTS) {
            g->too_large = true;
            continue;
        }
        v->base[i] = dims_new(g, (uint32_t)extent);
        if (v->base[i] != DIMS_NONE) v->extent[i] = (uint32_t)extent;
    }
    adze_table_put(&g->table, value, v);
    g->values = adze_arena_grow(&g->arena, g->values, g->n_values, &g->values_capacity, sizeof *g->values);
    g->values[g->n_values++] = v;
    unsigned bits = adze_dtype_bits(adze_type_dtype(type));
    if (bits < 8 || adze_type_has_layout(type) || adze_type_dtype(type) == ADZE_DTYPE_str)
        dims_freeze_value(g, value, "elements are packed, or in a layout of their own");
    return v;
}

/* ---- Products of axes ---- */

static dims_choice *find_choice(dims_graph *g, const adze_op *op, uint32_t index, uint32_t n, uint32_t first)
{
    for (uint32_t i = 0; i < g->n_choices; i++)
        if (g->choices[i].op == op && g->choices[i].index == index) return &g->choices[i];
    g->choices = adze_arena_grow(&g->arena, g->choices, g->n_choices, &g->choices_capacity, sizeof *g->choices);
    dims_choice *c = &g->choices[g->n_choices++];
    *c = (dims_choice){.op = op, .index = index, .n = n, .chosen = first};
    return c;
}

void dims_product(dims_graph *g, const adze_op *op, uint32_t index, uint32_t merged, const uint32_t *base,
                  const uint32_t *extent, uint32_t n, uint32_t first)
{
    dims_choice *c = find_choice(g, op, index, n, first);
    const char *other = dims_reason(op, "keeps this factor of a product of axes");
    uint32_t inner = 1, total = 1;
    for (uint32_t i = 0; i < n; i++) total *= extent[i];
    for (uint32_t i = n; i-- > 0;) {
        c->base[i] = base[i], c->extent[i] = extent[i];
        if (i != c->chosen) {
            if (extent[i] > 1) dims_freeze(g, base[i], extent[i], DIMS_SOFT, other);
        } else {
            for (uint32_t e = 0; e < total; e++) dims_tie(g, merged + e, base[i] + e / inner % extent[i]);
        }
        inner *= extent[i];
    }
}

static dims_state range_state(const dims_graph *g, uint32_t base, uint32_t extent)
{
    dims_state least = DIMS_HARD;
    for (uint32_t i = 0; i < extent; i++) {
        dims_state one = (dims_state)g->state[dims_root(g, base + i)];
        if (one < least) least = one;
    }
    return least;
}

/* Where nothing of the chosen factor can go, another one that nothing but this choice holds is taken. */
static bool choose_again(dims_graph *g)
{
    for (uint32_t i = 0; i < g->n_choices; i++) {
        dims_choice *c = &g->choices[i];
        if (range_state(g, c->base[c->chosen], c->extent[c->chosen]) == DIMS_FREE) continue;
        for (uint32_t k = 1; k < c->n && c->tried + 1 < c->n; k++) {
            uint32_t next = (c->chosen + k) % c->n;
            if (c->extent[next] < 2 || range_state(g, c->base[next], c->extent[next]) == DIMS_HARD) continue;
            c->chosen = next;
            c->tried++;
            return true;
        }
    }
    return false;
}

/* ---- The graph ---- */

static void tie_op(dims_graph *g, adze_op *op)
{
    if (adze_op_has_trait(op, ADZE_TERMINATOR)) return;
    bool known = !adze_op_num_regions(op) && !adze_op_has_trait(op, ADZE_LOOP);
    if (known && (dims_rule_named(g, op) || dims_rule_view(g, op) || dims_rule_access(g, op))) return;
    const char *why = dims_reason(op, "needs all of it");
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) dims_freeze_value(g, adze_op_operand(op, i), why);
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) dims_freeze_value(g, adze_op_result(op, i), why);
}

static const char *port_reason(const dims_graph *g, const char *kind, const char *name, uint32_t index)
{
    return name ? adze_internf(g->context, "%s '%s'", kind, name) : adze_internf(g->context, "%s %u", kind, index);
}

static void build_once(dims_graph *g)
{
    adze_region *body = adze_func_body(g->func);
    g->n = 0;
    g->n_values = 0;
    adze_table_free(&g->table);
    for (uint32_t i = 0; i < adze_region_num_args(body); i++) add_value(g, adze_region_arg(body, i));
    for (adze_op *op = adze_region_first(body); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
            adze_ir_value *x = adze_op_operand(op, i);
            if (x && adze_value_const(x)) add_value(g, x);
        }
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) add_value(g, adze_op_result(op, i));
    }
    if (g->too_large) return;
    for (uint32_t i = 0; i < adze_region_num_args(body); i++) {
        const char *name = adze_value_name(adze_region_arg(body, i));
        dims_freeze_value(g, adze_region_arg(body, i), port_reason(g, "input", name, i));
    }
    for (adze_op *op = adze_region_first(body); op; op = adze_op_next(op)) tie_op(g, op);
    adze_op *end = adze_func_return(g->func);
    for (uint32_t i = 0; end && i < adze_op_num_operands(end); i++) {
        const char *name = adze_func_result_name(g->func, i);
        dims_freeze_value(g, adze_op_operand(end, i), port_reason(g, "output", name, i));
    }
}

/* Values that regions read, and constants that other functions, or derived constants, read, too. */
static void freeze_foreign(dims_graph *g)
{
    for (uint32_t i = 0; i < g->n_values; i++) {
        const adze_ir_value *value = g->values[i]->value;
        for (const adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use))
            if (adze_op_parent(adze_use_op(use)) != adze_func_body(g->func))
                dims_freeze_value(g, value, "another function or region reads it");
    }
}

bool dims_build(dims_graph *g, adze_func *func)
{
    memset(g, 0, sizeof *g);
    g->func = func;
    g->context = adze_module_context(adze_func_module(func));
    for (int round = 0; round < MAX_ROUNDS; round++) {
        build_once(g);
        if (g->too_large)
            return adze_error(adze_func_loc(func), "the axes of all values together have more than %d elements: no "
                                                   "channels are found",
                              DIMS_MAX_SLOTS);
        freeze_foreign(g);
        if (!choose_again(g)) break;
    }
    return true;
}

void dims_free(dims_graph *g)
{
    free(g->parent);
    free(g->state);
    free(g->reason);
    adze_table_free(&g->table);
    adze_arena_free(&g->arena);
    memset(g, 0, sizeof *g);
}
