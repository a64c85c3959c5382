/* Sequences and optionals: what states its type by an attribute, and SequenceMap, which is a loop. */
#include "repeat.h"
#include "upgrade.h"

#include <stdlib.h>

/* An op without operands whose result is of that type. */
static adze_ir_value *build_stated(adze_onnx_node *node, const char *op, const adze_type *type)
{
    adze_builder *builder = &node->import->builder;
    builder->loc = node->loc;
    adze_op *made = type ? adze_build(builder, op, NULL, 0, NULL, 0, &type, 1) : NULL;
    if (!made) return NULL;
    adze_op_add_node(made, node->name);
    return adze_op_result(made, 0);
}

static adze_ir_value *build_empty(adze_onnx_node *node, int64_t number)
{
    adze_context *context = node->import->context;
    adze_dtype dtype = adze_onnx_dtype(number);
    if (dtype == ADZE_DTYPE_NONE) {
        adze_onnx_unsupported(node, "element type %lld is not known", (long long)number);
        return NULL;
    }
    const adze_type *element = adze_type_unranked(context, dtype);
    return build_stated(node, "sequence_empty", adze_type_sequence(context, element));
}

bool adze_onnx_upgrade_sequence_empty(adze_onnx_node *node)
{
    int64_t number = 1; /* f32 */
    if (node->n_in) return adze_onnx_invalid(node, "has inputs");
    if (!adze_onnx_attr_int(node, "dtype", &number)) return false;
    return (node->out[0] = build_empty(node, number)) != NULL;
}

bool adze_onnx_upgrade_optional(adze_onnx_node *node)
{
    const Pb__Attribute *attr = adze_onnx_attr(node, "type");
    if (node->n_in) return adze_onnx_finish(node, "optional", NULL, 0);
    if (!attr || !attr->tp) return adze_onnx_invalid(node, "has neither an input nor a type");
    const adze_type *type = adze_onnx_type(node->import, attr->tp, node->name, ADZE_ONNX_KNOWN_SYMBOLS);
    if (type) type = adze_type_optional(node->import->context, type);
    return (node->out[0] = build_stated(node, "optional", type)) != NULL;
}

/* ---- SequenceMap ---- */

static adze_ir_value *item(adze_onnx_node *node, adze_ir_value *sequence, adze_ir_value *index)
{
    adze_ir_value *operands[] = {sequence, index};
    return adze_onnx_emit(node, "sequence_at", operands, 2, NULL, 0);
}

static bool is_sequence(const adze_ir_value *value)
{
    return adze_type_get_kind(adze_value_type(value)) == ADZE_TYPE_SEQUENCE;
}

/* Sequences give an item a run, tensors themselves. */
static bool enter(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    adze_onnx_node *node = self->node;
    for (uint32_t i = 0; i < node->n_in; i++) {
        adze_ir_value *value = node->in[i];
        if (is_sequence(value)) value = item(node, value, adze_region_arg(region, 0));
        if (!value || !adze_onnx_body_bind(body, i, value)) return false;
    }
    return true;
}

/* In the place of each output the sequence that it is appended to. */
static bool leave(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    for (uint32_t i = 0; i < self->n_carried; i++) {
        adze_ir_value *operands[] = {adze_region_arg(region, i + 1), body->out[i]};
        body->out[i] = adze_onnx_emit(self->node, "sequence_insert", operands, 2, NULL, 0);
        if (!body->out[i]) return false;
    }
    return true;
}

/* The empty sequences that the outputs begin as; the graph must say what their items are. */
static bool begin_outputs(adze_onnx_node *node, const Pb__Graph *graph, adze_ir_value **out)
{
    for (size_t i = 0; i < graph->n_output; i++) {
        const Pb__Type *type = graph->output[i]->type;
        if (!type || !type->tensor_type)
            return adze_onnx_unsupported(node, "output %zu of its graph is not declared as a tensor", i);
        if (!(out[i] = build_empty(node, type->tensor_type->elem_type))) return false;
    }
    return true;
}

static bool map(adze_onnx_node *node, const Pb__Graph *graph, adze_ir_value **outputs)
{
    adze_onnx_repeat loop = {.node = node,
                             .scope = node->scope,
                             .graph = graph,
                             .carried = outputs,
                             .n_carried = (uint32_t)graph->n_output,
                             .enter = enter,
                             .leave = leave};
    loop.bound = adze_onnx_emit(node, "sequence_length", node->in, 1, NULL, 0);
    if (!loop.bound || !begin_outputs(node, graph, outputs)) return false;
    adze_op *op = adze_onnx_repeat_import(&loop);
    for (uint32_t i = 0; op && i < node->n_out; i++) node->out[i] = adze_op_result(op, i);
    return op != NULL;
}

bool adze_onnx_upgrade_sequence_map(adze_onnx_node *node)
{
    const Pb__Graph *graph = adze_onnx_attr_graph(node, "body");
    if (!graph) return false;
    if (!node->n_in || !node->in[0] || !is_sequence(node->in[0]))
        return adze_onnx_invalid(node, "its first input is no sequence");
    for (uint32_t i = 0; i < node->n_in; i++)
        if (!node->in[i]) return adze_onnx_invalid(node, "input %u is absent", i);
    if (graph->n_input != node->n_in)
        return adze_onnx_invalid(node, "has %u inputs, its graph %zu", node->n_in, graph->n_input);
    if (node->n_out > graph->n_output)
        return adze_onnx_invalid(node, "has %u outputs, its graph %zu", node->n_out, graph->n_output);
    adze_ir_value **outputs = calloc(graph->n_output + 1, sizeof(adze_ir_value *));
    if (!outputs) return adze_onnx_invalid(node, "out of memory");
    bool ok = map(node, graph, outputs);
    free(outputs);
    return ok;
}
