/* Builders and cloning: the one way to make ops. */
#include "ir/ir_private.h"

#include <stdlib.h>
#include <string.h>

adze_builder adze_builder_before(adze_op *op)
{
    adze_builder builder = {
        .module = adze_op_module(op), .region = op->parent, .before = op, .loc = {.context = op->loc.context}};
    adze_builder_inherit(&builder, op);
    return builder;
}

adze_builder adze_builder_after(adze_op *op)
{
    adze_builder builder = adze_builder_before(op);
    builder.before = op->next;
    return builder;
}

adze_builder adze_builder_at_end(adze_module *module, adze_region *region)
{
    return (adze_builder){.module = module, .region = region, .loc = {.context = module->context}};
}

void adze_builder_inherit(adze_builder *builder, const adze_op *op)
{
    if (!builder->loc.file) builder->loc = op->loc;
    for (uint32_t i = 0; i < builder->n_origin; i++)
        if (builder->origin[i] == op) return;
    if (builder->n_origin < sizeof builder->origin / sizeof *builder->origin)
        builder->origin[builder->n_origin++] = op;
}

static bool set_attrs(adze_op *op, const adze_attr *attrs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!adze_op_set_attr(op, attrs[i]))
            return adze_error(adze_op_loc(op), "%s has no attribute '%s' of that kind", op->row->name, attrs[i].name);
    const char *missing = adze_op_missing_attr(op);
    return !missing || adze_error(adze_op_loc(op), "%s needs attribute '%s'", op->row->name, missing);
}

static bool check_counts(adze_loc loc, const adze_op_row *row, uint32_t n_operands, uint32_t n_results)
{
    if (n_operands < row->in_min || (row->in_max != ADZE_VARIADIC && n_operands > row->in_max))
        return adze_error(loc, "%s takes %u operand%s, got %u", row->name,
                          n_operands < row->in_min ? row->in_min : row->in_max,
                          (n_operands < row->in_min ? row->in_min : row->in_max) == 1 ? "" : "s", n_operands);
    if (n_results < row->out_min || (row->out_max != ADZE_VARIADIC && n_results > row->out_max))
        return adze_error(loc, "%s cannot have %u results", row->name, n_results);
    return true;
}

adze_op *adze_build(adze_builder *builder, const char *name, adze_ir_value *const *operands, uint32_t n_operands,
                    const adze_attr *attrs, uint32_t n_attrs, const adze_type *const *types, uint32_t n_results)
{
    adze_context *context = builder->module->context;
    adze_loc loc = builder->loc;
    loc.context = context;
    const adze_op_row *row = adze_row_find(context, name);
    if (!row) {
        char ask[96];
        adze_nearest nearest = {.wanted = name};
        adze_nearest_offer_ops(&nearest, context);
        adze_error(loc, "there is no op '%s'%s", name, adze_nearest_ask(&nearest, ask, sizeof ask));
        return NULL;
    }
    if (!types && !n_results) n_results = row->out_min;
    if (!check_counts(loc, row, n_operands, n_results)) return NULL;
    adze_op *op = adze_op_new(builder->module, row, n_operands, n_results, row->regions);
    op->loc = loc;
    adze_op_insert(builder->region, builder->before, op);
    for (uint32_t i = 0; i < op->n_regions; i++) adze_region_init(&op->regions[i], builder->region->func, op);
    for (uint32_t i = 0; i < builder->n_origin; i++) adze_op_add_nodes_of(op, builder->origin[i]);
    for (uint32_t i = 0; i < n_operands; i++) adze_op_set_operand(op, i, operands[i]);
    for (uint32_t i = 0; types && i < n_results; i++) op->results[i].type = types[i];
    if (set_attrs(op, attrs, n_attrs) && (types || adze_op_infer(op))) return op;
    adze_op_erase(op);
    return NULL;
}

adze_op *adze_build_if(adze_builder *builder, adze_ir_value *condition, const adze_type *const *types,
                       uint32_t n_results)
{
    enum { BRANCHES = 2 };
    const adze_op_row *row = adze_row_find(builder->module->context, "if");
    adze_op *op = adze_op_new(builder->module, row, 1, n_results, BRANCHES);
    op->loc = builder->loc;
    op->loc.context = builder->module->context;
    adze_op_insert(builder->region, builder->before, op);
    for (uint32_t i = 0; i < BRANCHES; i++) adze_region_init(&op->regions[i], builder->region->func, op);
    for (uint32_t i = 0; i < builder->n_origin; i++) adze_op_add_nodes_of(op, builder->origin[i]);
    adze_op_set_operand(op, 0, condition);
    for (uint32_t i = 0; i < n_results; i++) op->results[i].type = types[i];
    return op;
}

adze_ir_value *adze_build1(adze_builder *builder, const char *name, adze_ir_value *const *operands,
                           uint32_t n_operands, const adze_attr *attrs, uint32_t n_attrs)
{
    adze_op *op = adze_build(builder, name, operands, n_operands, attrs, n_attrs, NULL, 1);
    return op ? &op->results[0] : NULL;
}

adze_ir_value *adze_build_unary(adze_builder *builder, const char *name, adze_ir_value *a)
{
    return adze_build1(builder, name, &a, 1, NULL, 0);
}

adze_ir_value *adze_build_binary(adze_builder *builder, const char *name, adze_ir_value *a, adze_ir_value *b)
{
    adze_ir_value *operands[] = {a, b};
    return adze_build1(builder, name, operands, 2, NULL, 0);
}

adze_ir_value *adze_build_apply(adze_builder *builder, const adze_dim *expr, adze_ir_value *const *operands,
                                uint32_t n_operands)
{
    adze_attr attr = adze_attr_dim("expr", expr);
    return adze_build1(builder, "apply", operands, n_operands, &attr, 1);
}

adze_ir_value *adze_build_index(adze_builder *builder, int64_t value)
{
    return adze_build_apply(builder, adze_dim_const(builder->module->context, value), NULL, 0);
}

/* ---- Maps and cloning ---- */

struct adze_map {
    adze_table table;
};

adze_map *adze_map_create(void)
{
    adze_map *map = calloc(1, sizeof *map);
    if (!map) abort();
    return map;
}

void adze_map_destroy(adze_map *map)
{
    if (!map) return;
    adze_table_free(&map->table);
    free(map);
}

void adze_map_set(adze_map *map, const void *from, void *to) { adze_table_put(&map->table, from, to); }

void *adze_map_get(const adze_map *map, const void *from) { return adze_table_get(&map->table, from); }

static void clone_region(adze_builder *builder, const adze_region *from, adze_region *to, adze_map *map)
{
    for (uint32_t i = 0; i < from->n_args; i++) {
        adze_ir_value *arg = from->args[i];
        adze_map_set(map, arg, adze_region_add_arg(to, arg->type, arg->name));
    }
    adze_builder inner = adze_builder_at_end(builder->module, to);
    for (adze_op *op = from->first; op; op = op->next) adze_clone(&inner, op, map);
}

adze_op *adze_clone(adze_builder *builder, const adze_op *op, adze_map *map)
{
    adze_module *module = builder->module;
    adze_op *copy = adze_op_new(module, op->row, op->n_operands, op->n_results, op->n_regions);
    copy->loc = op->loc;
    adze_op_insert(builder->region, builder->before, copy);
    for (uint32_t i = 0; i < op->n_operands; i++) {
        adze_ir_value *value = op->operands[i].value;
        adze_ir_value *mapped = value ? adze_map_get(map, value) : NULL;
        adze_op_set_operand(copy, i, mapped ? mapped : value);
    }
    copy->attrs[0] = op->attrs[0];
    for (uint32_t i = 0; i < op->row->n_attrs; i++)
        copy->attrs[i + 1] = adze_slot_copy(&module->arena, op->row->attrs[i].kind, op->attrs[i + 1]);
    adze_op_add_nodes_of(copy, op);
    for (uint32_t i = 0; i < op->n_results; i++) {
        copy->results[i].type = op->results[i].type;
        copy->results[i].name = op->results[i].name;
        adze_map_set(map, &op->results[i], &copy->results[i]);
    }
    for (uint32_t i = 0; i < op->n_regions; i++) {
        adze_region_init(&copy->regions[i], builder->region->func, copy);
        clone_region(builder, &op->regions[i], &copy->regions[i], map);
    }
    return copy;
}
