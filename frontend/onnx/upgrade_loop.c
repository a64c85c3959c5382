/* Loop: how often at most, whether at all, carried values; all opsets say the same, later ones allow more types. */
#include "compose.h"
#include "repeat.h"
#include "upgrade.h"

/* Inputs and outputs of the graph that are not carried: the number of the run and the condition; the condition. */
enum { GRAPH_INPUTS = 2, GRAPH_OUTPUTS = 1 };

static bool note_name(void *self, const char *name) { return name != self; }

/* Does a node of the graph, or an output, read its input? */
static bool is_read(adze_onnx_body *body, uint32_t input)
{
    adze_context *context = body->node->import->context;
    const Pb__Graph *graph = body->graph;
    const char *name = adze_intern_z(context, graph->input[input]->name ? graph->input[input]->name : "");
    for (size_t i = 0; i < graph->n_output; i++)
        if (adze_intern_z(context, graph->output[i]->name) == name) return true;
    for (size_t i = 0; i < graph->n_node; i++)
        if (!adze_onnx_reads(context, graph->node[i], note_name, (void *)(uintptr_t)name)) return true;
    return false;
}

/* Rank 1 if the graph declares its input as [1], which ONNX Runtime gives to those who ask for it; else 0. */
static uint32_t declared_rank(const adze_onnx_body *body, uint32_t input)
{
    const Pb__Type *type = body->graph->input[input]->type;
    const Pb__Shape *shape = type && type->tensor_type ? type->tensor_type->shape : NULL;
    return shape && shape->n_dim == 1;
}

/* Inside the graph the condition is true: else it would not run. */
static adze_ir_value *condition(adze_onnx_node *node, uint32_t rank)
{
    static const uint8_t yes = 1;
    adze_context *context = node->import->context;
    const adze_dim *one = adze_dim_const(context, 1);
    const adze_type *type = adze_type_tensor(context, ADZE_DTYPE_bool, rank, &one, NULL);
    return adze_const_make(node->import->module, adze_internf(context, "%s_condition", node->name), type, &yes);
}

static bool enter(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    adze_ir_value *run = adze_region_arg(region, 0), *go_on = adze_onnx_absent();
    if (declared_rank(body, 0) && is_read(body, 0)) run = compose_unsqueeze(self->node, run, 0, 1);
    if (is_read(body, 1)) go_on = condition(self->node, declared_rank(body, 1));
    if (!run || !go_on || !adze_onnx_body_bind(body, 0, run) || !adze_onnx_body_bind(body, 1, go_on)) return false;
    for (uint32_t i = 0; i < self->n_carried; i++)
        if (!adze_onnx_body_bind(body, i + GRAPH_INPUTS, adze_region_arg(region, i + 1))) return false;
    return true;
}

static bool check_operand(adze_onnx_node *node, uint32_t index, adze_dtype dtype, const char *what)
{
    adze_ir_value *value = adze_onnx_operand(node, index);
    const adze_type *type = value ? adze_value_type(value) : NULL;
    return !type || (adze_type_is_tensor(type) && adze_type_dtype(type) == dtype) ||
           adze_onnx_invalid(node, "%s", what);
}

/* The two that may be absent count. */
static size_t count_inputs(const adze_onnx_node *node)
{
    return node->proto->n_input < GRAPH_INPUTS ? GRAPH_INPUTS : node->proto->n_input;
}

static bool check(adze_onnx_node *node, const Pb__Graph *graph)
{
    size_t inputs = count_inputs(node);
    if (graph->n_input != inputs)
        return adze_onnx_invalid(node, "has %zu inputs, its graph %zu", inputs, graph->n_input);
    if (graph->n_output < inputs - GRAPH_INPUTS + GRAPH_OUTPUTS)
        return adze_onnx_invalid(node, "carries %zu values, but its graph has only %zu outputs", inputs - GRAPH_INPUTS,
                                 graph->n_output);
    if (node->n_out > graph->n_output - GRAPH_OUTPUTS)
        return adze_onnx_invalid(node, "has %u outputs; its graph makes %zu", node->n_out,
                                 graph->n_output - GRAPH_OUTPUTS);
    for (size_t i = GRAPH_INPUTS; i < inputs; i++)
        if (!node->in[i]) return adze_onnx_invalid(node, "carried value %zu is absent", i - GRAPH_INPUTS);
    return check_operand(node, 0, ADZE_DTYPE_i64, "the bound is no i64") &&
           check_operand(node, 1, ADZE_DTYPE_bool, "the condition is no bool");
}

bool adze_onnx_upgrade_loop(adze_onnx_node *node)
{
    const Pb__Graph *graph = adze_onnx_attr_graph(node, "body");
    bool condition;
    if (!graph || !check(node, graph)) return false;
    uint32_t n_carried = (uint32_t)count_inputs(node) - GRAPH_INPUTS;
    adze_onnx_repeat loop = {.node = node,
                             .scope = node->scope,
                             .graph = graph,
                             .bound = adze_onnx_operand(node, 0),
                             .condition = adze_onnx_operand(node, 1),
                             .carried = node->in + GRAPH_INPUTS,
                             .n_carried = n_carried,
                             .n_stacks = (uint32_t)graph->n_output - GRAPH_OUTPUTS - n_carried,
                             .decides = true,
                             .enter = enter};
    if (adze_onnx_known_bool(loop.condition, &condition) && condition) loop.condition = NULL;
    adze_op *op = adze_onnx_repeat_import(&loop);
    for (uint32_t i = 0; op && i < node->n_out; i++) node->out[i] = adze_onnx_repeat_result(&loop, op, i);
    return op != NULL;
}
