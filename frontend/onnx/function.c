/* Model-local functions: a node that calls one is replaced by the function's body.
 *
 * A body has its own names and its own opset versions; its attributes may refer to the call's.
 * Calls inside calls recurse here, bounded by ADZE_ONNX_MAX_NEST; a function that calls itself is an error.
 */
#include "import.h"

#include <stdlib.h>

static const char *key_of(adze_context *context, const char *domain, const char *name,
                          const char *overload)
{
    return adze_internf(context, "%s:%s:%s", domain ? domain : "", name ? name : "",
                        overload ? overload : "");
}

/* Fills the table on first use. */
static bool list_functions(adze_onnx_import *import)
{
    import->functions = adze_map_create();
    if (!import->functions) return false;
    adze_onnx_piece piece = {0};
    for (uint32_t i = 0; i < import->index.n_functions; i++) {
        Pb__FunctionHead *head =
            adze_onnx_piece_unpack(&piece, &import->source, import->index.functions[i].body,
                                   &pb__function_head__descriptor);
        if (!head) {
            continue;
        }
        const char *key = key_of(import->context, head->domain, head->name, head->overload);
        if (adze_map_get(import->functions, key))
            adze_error(adze_onnx_source_loc(&import->source), "function '%s' is given twice", key);
        adze_map_set(import->functions, key, (void *)(uintptr_t)(i + 1));
    }
    adze_onnx_piece_free(&piece);
    return true;
}

const adze_onnx_function_index *adze_onnx_function_find(adze_onnx_import *import,
                                                        const adze_onnx_node *node)
{
    if (import->index.n_functions == 0) return NULL;
    if (!import->functions && !list_functions(import)) return NULL;
    const char *key = key_of(import->context, node->domain, node->op_type, node->proto->overload);
    uintptr_t found = (uintptr_t)adze_map_get(import->functions, key);
    return found ? &import->index.functions[found - 1] : NULL;
}

/* The names that the body sees from outside, and those seen from there. */
static bool bind_names(adze_onnx_node *node, const adze_onnx_scope *scope,
                       const Pb__FunctionHead *head)
{
    if (node->n_in > head->n_input)
        return adze_onnx_invalid(node, "has %u inputs; the function takes %zu", node->n_in,
                                 head->n_input);
    for (size_t i = head->n_output; i < node->proto->n_output; i++)
        if (node->proto->output[i][0])
            return adze_onnx_invalid(node, "has %zu outputs; the function gives %zu", i + 1, head->n_output);
    for (uint32_t i = 0; i < head->n_input; i++) {
        adze_ir_value *value = adze_onnx_operand(node, i);
        const char *name = adze_intern_z(node->import->context, head->input[i]);
        if (adze_map_get(scope->values, name))
            return adze_onnx_invalid(node, "the function has the input '%s' twice", name);
        adze_map_set(scope->values, name, value ? value : adze_onnx_absent());
    }
    for (uint32_t i = 0; i < head->n_output; i++)
        adze_map_set(scope->used, adze_intern_z(node->import->context, head->output[i]), node);
    return true;
}

static bool take_outputs(adze_onnx_node *node, const adze_onnx_scope *scope,
                         const Pb__FunctionHead *head)
{
    for (uint32_t i = 0; i < node->n_out && i < head->n_output; i++) {
        const char *name = adze_intern_z(node->import->context, head->output[i]);
        adze_ir_value *value = adze_map_get(scope->values, name);
        if (!value || value == adze_onnx_absent())
            return adze_onnx_invalid(node, "the function does not make its output '%s'", name);
        node->out[i] = value == adze_onnx_poison() ? NULL : value;
    }
    return true;
}

static bool check_head(adze_onnx_node *node, const Pb__FunctionHead *head)
{
    if (head->n_opset_import > ADZE_ONNX_MAX_LIST || head->n_attribute_proto > ADZE_ONNX_MAX_LIST)
        return adze_onnx_invalid(node, "the function has %zu opsets and %zu attributes; at most %d are supported",
                                 head->n_opset_import, head->n_attribute_proto, ADZE_ONNX_MAX_LIST);
    for (size_t i = 0; i < head->n_attribute_proto; i++) {
        const Pb__Attribute *attr = head->attribute_proto[i];
        if (attr->ref_attr_name && attr->ref_attr_name[0])
            return adze_onnx_invalid(node, "the function's default for '%s' is an attribute of a call, '%s'",
                                     attr->name ? attr->name : "", attr->ref_attr_name);
    }
    return true;
}

/* Is the function being inlined already? */
static bool is_open(const adze_onnx_scope *scope, const adze_onnx_function_index *function)
{
    for (; scope; scope = scope->call ? scope->call->scope : NULL)
        if (scope->function == function) return true;
    return false;
}

/* A value that a function hands through keeps the name it has. */
bool adze_onnx_function_inline(adze_onnx_node *node, const adze_onnx_function_index *function)
{
    adze_onnx_import *import = node->import;
    if (!adze_onnx_attr_refs(node)) return false;
    if (is_open(node->scope, function)) return adze_onnx_invalid(node, "the function calls itself");
    if (node->scope->depth == ADZE_ONNX_MAX_NEST)
        return adze_onnx_invalid(node, "functions call each other more than %d deep", ADZE_ONNX_MAX_NEST);
    adze_onnx_nodes nodes = {.ranges = function->nodes.items, .count = function->nodes.count};
    adze_onnx_piece piece = {0};
    Pb__FunctionHead *head = adze_onnx_piece_unpack(&piece, &import->source, function->body,
                                                    &pb__function_head__descriptor);
    adze_onnx_scope scope = {.outer = node->scope,
                             .prefix = adze_internf(import->context, "%s/", node->name),
                             .depth = node->scope->depth + 1,
                             .values = adze_map_create(),
                             .used = adze_map_create(),
                             .call = node,
                             .function = function};
    bool ok = head && scope.values && scope.used && check_head(node, head);
    if (ok) {
        scope.opsets = head->opset_import;
        scope.n_opsets = head->n_opset_import;
        scope.defaults = head->attribute_proto;
        scope.n_defaults = head->n_attribute_proto;
        ok = bind_names(node, &scope, head) &&
             adze_onnx_import_nodes(import, &scope, &nodes) &&
             take_outputs(node, &scope, head);
    }
    if (scope.values) adze_map_destroy(scope.values);
    if (scope.used) adze_map_destroy(scope.used);
    adze_onnx_piece_free(&piece);
    return ok;
}
