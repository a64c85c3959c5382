/* If: two graphs without inputs become the two regions of an `if`. Where constants and shapes say which way the
 * condition goes, only that graph is read; the other need not fit these shapes. */
#include "upgrade.h"

#include <stdlib.h>

enum { BRANCHES = 2 };

/* A bool that constants and shapes say. */
bool adze_onnx_known_bool(const adze_ir_value *value, bool *out)
{
    const adze_dim *dim;
    int64_t number;
    if (!value || adze_value_as_dims(value, &dim, 1) != 1 || !adze_dim_is_const(dim, &number)) return false;
    *out = number != 0;
    return true;
}

/* ---- The node ---- */

/* One bool, known or not. */
static bool check_condition(adze_onnx_node *node, adze_ir_value *condition)
{
    if (!condition) return adze_onnx_invalid(node, "has no condition");
    const adze_type *type = adze_value_type(condition);
    return (adze_type_is_tensor(type) && adze_type_dtype(type) == ADZE_DTYPE_bool) ||
           adze_onnx_invalid(node, "the condition is no bool");
}

/* The branch in the node's place. */
static bool take_branch(adze_onnx_node *node, const Pb__Graph *graph)
{
    adze_onnx_body body;
    bool ok = adze_onnx_body_begin(&body, node, node->scope, graph) && adze_onnx_body_run(&body);
    for (uint32_t i = 0; ok && i < node->n_out; i++) node->out[i] = body.out[i];
    adze_onnx_body_end(&body);
    return ok;
}

static bool import_branch(adze_onnx_node *node, adze_op *op, uint32_t index, const Pb__Graph *graph)
{
    adze_onnx_import *import = node->import;
    adze_builder before = import->builder;
    adze_onnx_body body;
    import->builder = adze_builder_at_end(import->module, adze_op_region(op, index));
    bool ok = adze_onnx_body_begin(&body, node, node->scope, graph) && adze_onnx_body_run(&body) &&
              adze_onnx_body_yield(&body, body.out, (uint32_t)graph->n_output);
    adze_onnx_body_end(&body);
    import->builder = before;
    return ok;
}

/* Gives the results the types that both branches have in common. */
static bool set_types(adze_onnx_node *node, adze_op *op)
{
    const adze_op *yields[BRANCHES];
    for (uint32_t i = 0; i < BRANCHES; i++) yields[i] = adze_region_last(adze_op_region(op, i));
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
        const adze_type *types[BRANCHES];
        for (uint32_t k = 0; k < BRANCHES; k++) types[k] = adze_value_type(adze_op_operand(yields[k], i));
        const adze_type *type = adze_type_common(types[0], types[1]);
        char text[BRANCHES][128];
        for (uint32_t k = 0; k < BRANCHES && !type; k++) adze_type_print(types[k], text[k], sizeof text[k]);
        if (!type)
            return adze_onnx_invalid(node, "output %u is %s in one branch and %s in the other", i, text[0], text[1]);
        adze_value_set_type(adze_op_result(op, i), type);
    }
    return true;
}

static bool import_both(adze_onnx_node *node, const Pb__Graph *const *graphs)
{
    adze_onnx_import *import = node->import;
    uint32_t n = (uint32_t)graphs[0]->n_output;
    const adze_type **types = calloc(n + 1u, sizeof *types);
    if (!types) return adze_onnx_invalid(node, "out of memory");
    for (uint32_t i = 0; i < n; i++) types[i] = adze_type_none(import->context);
    adze_const *last = adze_onnx_last_const(import);
    import->builder.loc = node->loc;
    adze_op *op = adze_build_if(&import->builder, node->in[0], types, n);
    adze_op_add_node(op, node->name);
    free(types);
    bool ok = true; /* both are read, so that all that is not supported is said */
    for (uint32_t i = 0; i < BRANCHES; i++) ok = import_branch(node, op, i, graphs[i]) && ok;
    if (ok && set_types(node, op)) {
        for (uint32_t i = 0; i < node->n_out; i++) node->out[i] = adze_op_result(op, i);
        return true;
    }
    for (uint32_t i = 0; i < BRANCHES; i++) adze_onnx_discard(import, adze_op_region(op, i), last);
    adze_op_erase(op);
    return false;
}

bool adze_onnx_upgrade_if(adze_onnx_node *node)
{
    static const char *const names[BRANCHES] = {"then_branch", "else_branch"};
    const Pb__Graph *graphs[BRANCHES];
    bool taken;
    if (node->n_in != 1) return adze_onnx_invalid(node, "has %u inputs, not one", node->n_in);
    if (!check_condition(node, node->in[0])) return false;
    for (uint32_t i = 0; i < BRANCHES; i++) {
        graphs[i] = adze_onnx_attr_graph(node, names[i]);
        if (!graphs[i]) return false;
        if (graphs[i]->n_input) return adze_onnx_invalid(node, "'%s' has inputs", names[i]);
    }
    if (graphs[0]->n_output != graphs[1]->n_output)
        return adze_onnx_invalid(node, "one branch has %zu outputs, the other %zu", graphs[0]->n_output,
                                 graphs[1]->n_output);
    if (node->n_out > graphs[0]->n_output)
        return adze_onnx_invalid(node, "has %u outputs, its branches %zu", node->n_out, graphs[0]->n_output);
    if (adze_onnx_known_bool(node->in[0], &taken)) return take_branch(node, graphs[taken ? 0 : 1]);
    return import_both(node, graphs);
}
