/* Graphs inside nodes: what they take from around, and their nodes into a region.
 *
 * A name in such a graph is its own, or else that of the graph around it; so a node reads, beside its inputs, what the
 * graphs in it take from outside. Graphs inside graphs recurse here, as deep as the scanner allows for names and
 * ADZE_ONNX_MAX_NEST for nodes.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>

/* ---- Names ---- */

/* The names that a graph defines itself, and those of the graphs around it that lie inside the same node. */
typedef struct defined {
    const struct defined *outer;
    adze_map *names;
} defined;

static bool is_defined(const defined *in, const char *name)
{
    for (; in; in = in->outer)
        if (adze_map_get(in->names, name)) return true;
    return false;
}

static bool read_name(adze_context *context, const char *text, const defined *in, adze_onnx_visit *visit, void *self)
{
    const char *name = adze_intern_z(context, text ? text : "");
    return !*name || is_defined(in, name) || visit(self, name);
}

static void define(adze_context *context, const defined *in, const char *text)
{
    if (text && *text) adze_map_set(in->names, adze_intern_z(context, text), in->names);
}

static bool read_graph(adze_context *context, const Pb__Graph *graph, const defined *outer, adze_onnx_visit *visit,
                       void *self);

/* Gradient names values by attributes too: strings that name what its inputs stand for, and y. */
static bool read_gradient(adze_context *context, const Pb__Node *node, const defined *in, adze_onnx_visit *visit,
                          void *self)
{
    bool ok = true;
    if (!node->op_type || strcmp(node->op_type, "Gradient") || !node->domain ||
        strcmp(node->domain, "ai.onnx.preview.training") != 0)
        return true;
    for (size_t i = 0; ok && i < node->n_attribute; i++) {
        const Pb__Attribute *attr = node->attribute[i];
        for (size_t k = 0; ok && k < attr->n_strings + 1; k++) {
            ProtobufCBinaryData text = k < attr->n_strings ? attr->strings[k] : attr->s;
            ok = !text.len ||
                 read_name(context, adze_intern(context, (const char *)text.data, text.len), in, visit, self);
        }
    }
    return ok;
}

static bool read_node(adze_context *context, const Pb__Node *node, const defined *in, adze_onnx_visit *visit,
                      void *self)
{
    bool ok = true;
    for (size_t i = 0; ok && i < node->n_input; i++) ok = read_name(context, node->input[i], in, visit, self);
    for (size_t i = 0; ok && i < node->n_attribute; i++)
        ok = !node->attribute[i]->g || read_graph(context, node->attribute[i]->g, in, visit, self);
    return ok && read_gradient(context, node, in, visit, self);
}

static bool read_graph(adze_context *context, const Pb__Graph *graph, const defined *outer, adze_onnx_visit *visit,
                       void *self)
{
    defined own = {outer, adze_map_create()};
    bool ok = true;
    for (size_t i = 0; i < graph->n_input; i++) define(context, &own, graph->input[i]->name);
    for (size_t i = 0; i < graph->n_initializer; i++) define(context, &own, graph->initializer[i]->name);
    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t k = 0; k < graph->node[i]->n_output; k++) define(context, &own, graph->node[i]->output[k]);
    for (size_t i = 0; ok && i < graph->n_node; i++) ok = read_node(context, graph->node[i], &own, visit, self);
    for (size_t i = 0; ok && i < graph->n_output; i++)
        ok = read_name(context, graph->output[i]->name, &own, visit, self);
    adze_map_destroy(own.names);
    return ok;
}

bool adze_onnx_reads(adze_context *context, const Pb__Node *node, adze_onnx_visit *visit, void *self)
{
    return read_node(context, node, NULL, visit, self);
}

/* ---- Types ---- */

/* Does what the graph declares of a value contradict its type? The element type alone is looked at: the dims that are
 * declared may be those of the first run only. */
static bool fits(adze_onnx_body *body, const Pb__ValueInfo *info, const adze_type *type, const char *what)
{
    const Pb__Type *declared = info->type;
    if (!declared) return true;
    const Pb__TensorType *tensor = declared->tensor_type ? declared->tensor_type : declared->sparse_tensor_type;
    int32_t number = tensor ? tensor->elem_type : 0;
    bool other = (tensor && !adze_type_is_tensor(type)) ||
                 (declared->sequence_type && adze_type_get_kind(type) != ADZE_TYPE_SEQUENCE) ||
                 (declared->optional_type && adze_type_get_kind(type) != ADZE_TYPE_OPTIONAL) ||
                 (number && adze_type_is_tensor(type) && adze_onnx_dtype(number) != adze_type_dtype(type));
    if (!other) return true;
    char text[256];
    adze_type_print(type, text, sizeof text);
    return adze_onnx_invalid(body->node, "%s '%s' of its graph is %s but declared otherwise", what,
                             info->name ? info->name : "", text);
}

/* ---- One graph ---- */

bool adze_onnx_body_begin(adze_onnx_body *body, adze_onnx_node *node, const adze_onnx_scope *parent,
                          const Pb__Graph *graph)
{
    adze_onnx_import *import = node->import;
    *body = (adze_onnx_body){.node = node, .graph = graph, .scope = *parent};
    body->scope.parent = parent;
    body->scope.outer = NULL;
    body->scope.depth = parent->depth + 1;
    body->scope.values = adze_map_create();
    body->scope.used = adze_map_create();
    body->out = calloc(graph->n_output + 1, sizeof *body->out);
    if (!body->out) return adze_onnx_invalid(node, "out of memory");
    if (parent->depth == ADZE_ONNX_MAX_NEST)
        return adze_onnx_invalid(node, "graphs and functions are nested more than %d deep", ADZE_ONNX_MAX_NEST);
    size_t constants = graph->n_initializer + graph->n_sparse_initializer;
    if (!adze_onnx_count(import, constants + graph->n_input + graph->n_output)) return false;
    for (size_t i = 0; i < graph->n_output; i++) {
        const char *name = graph->output[i]->name;
        if (!name || !*name) return adze_onnx_invalid(node, "output %zu of its graph has no name", i);
        adze_map_set(body->scope.used, adze_intern_z(import->context, name), node);
    }
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (!adze_onnx_read_initializer(import, &body->scope, graph->initializer[i])) return false;
    for (size_t i = 0; i < graph->n_sparse_initializer; i++)
        if (!adze_onnx_read_sparse(import, &body->scope, graph->sparse_initializer[i])) return false;
    return true;
}

bool adze_onnx_body_bind(adze_onnx_body *body, uint32_t input, adze_ir_value *value)
{
    const Pb__ValueInfo *info = body->graph->input[input];
    const char *name = adze_intern_z(body->node->import->context, info->name ? info->name : "");
    if (!*name) return adze_onnx_invalid(body->node, "input %u of its graph has no name", input);
    if (adze_map_get(body->scope.values, name))
        return adze_onnx_invalid(body->node, "input '%s' of its graph is given twice", name);
    adze_map_set(body->scope.values, name, value);
    if (value == adze_onnx_absent()) return true;
    if (adze_value_def(value) != ADZE_DEF_CONST && !adze_value_name(value) && !adze_onnx_is_made(name))
        adze_value_set_name(value, adze_internf(body->node->import->context, "%s%s", body->scope.prefix, name));
    return fits(body, info, adze_value_type(value), "input");
}

/* A copy whose only use is to be an output stands for what it copies. */
static adze_ir_value *peel(const adze_onnx_body *body, adze_ir_value *value)
{
    adze_op *op = adze_value_op(value);
    if (!op || !adze_op_is(op, "identity") || adze_value_has_uses(value)) return value;
    if (adze_op_parent(op) != body->node->import->builder.region) return value;
    uint32_t times = 0;
    for (size_t i = 0; i < body->graph->n_output; i++) times += body->out[i] == value;
    adze_ir_value *from = adze_op_operand(op, 0);
    if (times > 1 || adze_value_type(from) != adze_value_type(value)) return value;
    adze_op_erase(op);
    return from;
}

bool adze_onnx_body_run(adze_onnx_body *body)
{
    const Pb__Graph *graph = body->graph;
    adze_onnx_import *import = body->node->import;
    adze_onnx_nodes nodes = {.protos = graph->node, .count = (uint32_t)graph->n_node};
    if (!adze_onnx_import_nodes(import, &body->scope, &nodes)) return false;
    bool ok = true;
    for (size_t i = 0; i < graph->n_output; i++) {
        const char *name = adze_intern_z(import->context, graph->output[i]->name);
        adze_ir_value *value = body->out[i] = adze_onnx_find(&body->scope, name);
        if (!value && import->nameless) value = body->out[i] = adze_onnx_poison();
        if (!value || value == adze_onnx_absent())
            return adze_onnx_invalid(body->node, "output '%s' of its graph is defined nowhere", name);
        ok = ok && value != adze_onnx_poison();
    }
    for (size_t i = 0; ok && i < graph->n_output; i++)
        ok = fits(body, graph->output[i], adze_value_type(body->out[i]), "output");
    for (size_t i = 0; ok && i < graph->n_output; i++) body->out[i] = peel(body, body->out[i]);
    return ok;
}

bool adze_onnx_body_yield(adze_onnx_body *body, adze_ir_value **values, uint32_t count)
{
    adze_builder *builder = &body->node->import->builder;
    builder->loc = body->node->loc;
    return adze_build(builder, "yield", values, count, NULL, 0, NULL, 0) != NULL;
}

void adze_onnx_body_end(adze_onnx_body *body)
{
    adze_map_destroy(body->scope.values);
    adze_map_destroy(body->scope.used);
    free(body->out);
    *body = (adze_onnx_body){0};
}

/* ---- Bodies that were imported in vain ---- */

adze_const *adze_onnx_last_const(adze_onnx_import *import)
{
    adze_const *last = import->last_const ? import->last_const : adze_module_first_const(import->module);
    while (last && adze_const_next(last)) last = adze_const_next(last);
    import->last_const = last;
    return last;
}

void adze_onnx_drop_consts(adze_onnx_import *import, adze_const *since)
{
    import->last_const = since;
    adze_const *next = since ? adze_const_next(since) : adze_module_first_const(import->module);
    for (adze_const *constant = next; constant; constant = next) {
        next = adze_const_next(constant);
        if (!adze_const_has_uses(constant)) adze_const_forget(constant);
    }
}

void adze_onnx_discard(adze_onnx_import *import, adze_region *region, adze_const *since)
{
    for (adze_op *op = adze_region_last(region), *before; op; op = before) {
        before = adze_op_prev(op);
        adze_op_erase(op);
    }
    adze_onnx_drop_consts(import, since);
}
