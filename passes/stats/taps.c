/* Which values are looked at, in which turn, and the module that gives them. */
#include "passes/stats/collect.h"

#include <stdlib.h>
#include <string.h>

static bool is_floats(const adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    return adze_type_is_tensor(type) && adze_dtype_get_kind(adze_type_dtype(type)) == ADZE_KIND_FLOAT;
}

/* ---- Axes of channels ---- */

/* The axis of a contraction's operand that is summed over; ADZE_STATS_NO_AXIS: it cannot be told. */
static uint32_t summed_axis(const adze_op *op, uint32_t operand)
{
    adze_access access = {0};
    if (operand > 1 || !adze_op_access(op, &access)) return ADZE_STATS_NO_AXIS;
    const adze_access_map *map = &access.operand[operand];
    for (uint32_t i = 0; i < access.n_axes; i++) {
        if (access.kind[i] != ADZE_AXIS_REDUCTION) continue;
        for (uint32_t d = 0; d < map->rank; d++) {
            int64_t coef = 0;
            if (adze_dim_axis_coefficient(adze_op_context(op), map->dims[d], i, &coef, NULL) && coef) return d;
        }
    }
    return ADZE_STATS_NO_AXIS;
}

/* The rule that stats.h states. Uses come in no order, so the lowest axis of those that are read counts. */
static uint32_t channel_axis(const adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    uint32_t rank = adze_type_rank(type), read = ADZE_STATS_NO_AXIS;
    const adze_op *maker = adze_value_op(value);
    bool made = maker && adze_op_has_trait(maker, ADZE_CONTRACTION);
    if (!adze_type_is_ranked(type) || !rank) return ADZE_STATS_NO_AXIS;
    if (made && adze_op_has_trait(maker, ADZE_WINDOW)) return 1;
    for (const adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use)) {
        const adze_op *op = adze_use_op(use);
        if (!adze_op_has_trait(op, ADZE_CONTRACTION)) continue;
        if (adze_op_has_trait(op, ADZE_WINDOW) && adze_use_index(use) == 0) return 1;
        uint32_t axis = summed_axis(op, adze_use_index(use));
        if (axis < read) read = axis;
    }
    if (read != ADZE_STATS_NO_AXIS) return read;
    return !made && rank >= 4 ? 1 : rank - 1;
}

/* ---- Choosing ---- */

static bool is_wanted(const adze_ir_value *const *values, uint32_t n, const adze_ir_value *value)
{
    for (uint32_t i = 0; i < n; i++)
        if (values[i] == value) return true;
    return !values;
}

static bool is_of_body(const adze_func *func, const adze_ir_value *value)
{
    const adze_op *op = adze_value_op(value);
    return (op ? adze_op_parent(op) : adze_value_region(value)) == adze_func_body(func);
}

static void add_tap(collection *c, const adze_ir_value *value, const char *name)
{
    c->taps = adze_arena_grow(&c->arena, c->taps, c->n_taps, &c->taps_capacity, sizeof *c->taps);
    c->taps[c->n_taps++] = (tap){.value = value, .entry = stats_add_value(c->stats, name, channel_axis(value))};
}

static void add_gram(collection *c, const gram_map *map)
{
    for (uint32_t i = 0; i < c->n_taps; i++) {
        const adze_value_stats *view = &c->taps[i].entry->view;
        if (c->taps[i].value != map->value || stats_find_gram(c->stats, view->name, map->window)) continue;
        c->grams = adze_arena_grow(&c->arena, c->grams, c->n_grams, &c->grams_capacity, sizeof *c->grams);
        c->grams[c->n_grams++] =
            (gram_tap){stats_add_gram(c->stats, view->name, map->window, map->size, (uint32_t)map->groups), *map, i};
    }
}

bool collection_choose(collection *c, const adze_ir_value *const *values, uint32_t n_values)
{
    for (uint32_t i = 0; values && i < n_values; i++)
        if (!is_of_body(c->func, values[i]) || !is_floats(values[i]))
            return adze_error(adze_func_loc(c->func), "value %u of those to look at is no tensor of floats in main", i);
    value_keys keys;
    stats_keys(c->func, &keys);
    for (uint32_t i = 0; i < keys.count; i++) {
        const adze_ir_value *value = keys.items[i].value;
        if (is_of_body(c->func, value) && is_floats(value) && is_wanted(values, n_values, value))
            add_tap(c, value, keys.items[i].name);
    }
    adze_arena_free(&keys.arena);
    if (!c->n_taps) return adze_error(adze_func_loc(c->func), "there is no tensor of floats to look at");
    if (!c->options.gram) return true;
    for (const adze_op *op = adze_region_first(adze_func_body(c->func)); op; op = adze_op_next(op)) {
        gram_map map;
        for (uint32_t i = 0; i < 2 && i < adze_op_num_operands(op); i++)
            if (gram_describe(op, i, &map)) add_gram(c, &map);
    }
    return true;
}

/* ---- Turns ---- */

bool collection_symbol(void *self, const char *name, int64_t *out)
{
    const collection *c = self;
    for (uint32_t i = 0; i < c->n_symbols; i++) {
        if (strcmp(c->symbols[i].name, name) != 0) continue;
        *out = c->symbols[i].value;
        return true;
    }
    return false;
}

/* What a value of unknown size is taken to need. */
enum { UNKNOWN_BYTES = 1 << 20 };

/* The value, the copy with a border or in f32, and its statistics. */
static uint64_t bytes_of(collection *c, uint32_t index)
{
    const tap *t = &c->taps[index];
    int64_t count;
    bool known = adze_dim_evaluate(adze_type_count(adze_value_type(t->value)), NULL, 0, collection_symbol, c, &count);
    uint64_t bytes = known && count >= 0 ? 3 * sizeof(float) * (uint64_t)count : UNKNOWN_BYTES;
    bytes += ADZE_STATS_BINS * sizeof(uint64_t);
    for (uint32_t i = 0; i < c->n_grams; i++) {
        if (c->grams[i].tap != index) continue;
        bytes += gram_numbers(c->grams[i].gram) * sizeof(double);
        bytes += c->grams[i].map.size * STATS_BLOCK * sizeof(float);
    }
    return bytes;
}

void collection_split(collection *c)
{
    uint64_t held = 0;
    uint32_t n_results = 0;
    c->n_turns = 1;
    for (uint32_t i = 0; i < c->n_taps; i++) {
        uint64_t bytes = bytes_of(c, i);
        if (held && bytes > c->bound - (held < c->bound ? held : c->bound)) {
            c->n_turns++;
            held = n_results = 0;
        }
        held += bytes;
        tap *t = &c->taps[i];
        t->turn = c->n_turns - 1;
        t->index = adze_value_def(t->value) == ADZE_DEF_ARGUMENT ? adze_value_index(t->value) : n_results++;
    }
}

/* ---- The module ---- */

/* The value of `func`, a copy of the original's function, that stands where `value` does. */
static adze_ir_value *twin_of(const collection *c, const adze_func *func, const adze_ir_value *value)
{
    const adze_op *mine = adze_region_first(adze_func_body(c->func)), *op = adze_value_op(value);
    const adze_op *other = adze_region_first(adze_func_body(func));
    for (; mine != op; mine = adze_op_next(mine)) other = adze_op_next(other);
    return adze_op_result(other, adze_value_index(value));
}

adze_module *collection_tapped(const collection *c, uint32_t turn)
{
    const adze_type **types = adze_malloc((c->n_taps + 1u) * sizeof(adze_type *));
    const char **names = adze_malloc((c->n_taps + 1u) * sizeof(char *));
    adze_module *module = adze_module_clone(c->module);
    adze_func *func = adze_module_main(module);
    adze_op *end = adze_func_return(func);
    while (adze_op_num_operands(end)) adze_op_remove_operand(end, 0);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_taps; i++) {
        const tap *t = &c->taps[i];
        if (t->turn != turn || adze_value_def(t->value) == ADZE_DEF_ARGUMENT) continue;
        adze_ir_value *twin = twin_of(c, func, t->value);
        types[n] = adze_value_type(twin);
        names[n] = t->entry->view.name;
        adze_op_insert_operand(end, n++, twin);
    }
    adze_func_set_results(func, types, names, n);
    free(types);
    free(names);
    if (n) return module;
    adze_module_destroy(module);
    return NULL;
}
