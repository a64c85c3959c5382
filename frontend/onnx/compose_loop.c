/* A `loop` that the importer says itself, not from a graph of the model. */
#include "compose.h"
#include "repeat.h"

bool compose_loop_begin(adze_onnx_node *node, term *count, term *go_on, term *const *carried, uint32_t n_carried,
                        uint32_t n_stacks, compose_loop *out)
{
    adze_onnx_import *import = node->import;
    const adze_type *types[COMPOSE_LOOP_VALUES];
    term *operands[COMPOSE_LOOP_VALUES + 2] = {count, go_on};
    *out = (compose_loop){.n_carried = n_carried, .before = import->builder, .last = adze_onnx_last_const(import)};
    if (n_carried + n_stacks > COMPOSE_LOOP_VALUES)
        return adze_onnx_unsupported(node, "a loop over more than %d values", COMPOSE_LOOP_VALUES);
    if (!count && !go_on) return false;
    for (uint32_t i = 0; i < n_carried; i++) {
        if (!carried[i]) return false;
        operands[i + 2] = carried[i];
        types[i] = adze_value_type(carried[i]);
    }
    for (uint32_t i = 0; i < n_stacks; i++) types[n_carried + i] = adze_type_none(import->context);
    import->builder.loc = node->loc;
    out->op = adze_build(&import->builder, "loop", operands, n_carried + 2, NULL, 0, types, n_carried + n_stacks);
    if (!out->op) return false;
    adze_op_add_node(out->op, node->name);
    adze_region *region = adze_op_region(out->op, 0);
    adze_region_add_arg(region, adze_type_tensor(import->context, ADZE_DTYPE_i64, 0, NULL, NULL), NULL);
    for (uint32_t i = 0; i < n_carried; i++) adze_region_add_arg(region, types[i], NULL);
    import->builder = adze_builder_at_end(import->module, region);
    import->builder.loc = node->loc;
    return true;
}

term *compose_loop_argument(const compose_loop *loop, uint32_t index)
{
    return adze_region_arg(adze_op_region(loop->op, 0), index);
}

/* The region ends; the stacks' types follow from what is stacked. */
static bool end(adze_onnx_node *node, compose_loop *loop, const adze_dim *runs, term *go_on, term *const *values,
                uint32_t n)
{
    term *operands[COMPOSE_LOOP_VALUES + 1] = {go_on};
    for (uint32_t i = 0; i < n; i++)
        if (!(operands[i + 1] = values[i])) return false;
    if (!adze_build(&node->import->builder, "yield", operands, n + 1, NULL, 0, NULL, 0)) return false;
    for (uint32_t i = loop->n_carried; i < n; i++) {
        const adze_type *type = adze_onnx_stack_type(node, go_on ? NULL : runs, adze_value_type(values[i]));
        if (!type) return false;
        adze_value_set_type(adze_op_result(loop->op, i), type);
    }
    return true;
}

bool compose_loop_end(adze_onnx_node *node, compose_loop *loop, const adze_dim *runs, term *go_on, term *const *values,
                      uint32_t n)
{
    bool ok = loop->op && values && end(node, loop, runs, go_on, values, n);
    node->import->builder = loop->before;
    if (ok) return true;
    if (loop->op) {
        adze_onnx_discard(node->import, adze_op_region(loop->op, 0), loop->last);
        adze_op_erase(loop->op);
        loop->op = NULL;
    }
    return false;
}
