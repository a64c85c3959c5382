/* Graphs: names of values, their types, the nodes of a region, inputs and outputs. */
#include "export.h"

#include <stdlib.h>
#include <string.h>

/* ---- Names ---- */

adze_dtype adze_onnx_value_dtype(const adze_ir_value *value)
{
    const adze_type *type = value ? adze_value_type(value) : NULL;
    return type && adze_type_is_tensor(type) ? adze_type_dtype(type) : ADZE_DTYPE_NONE;
}

int64_t adze_onnx_dtype_version(adze_dtype dtype)
{
    switch (dtype) {
    case ADZE_DTYPE_f8e4m3fn:
    case ADZE_DTYPE_f8e4m3fnuz:
    case ADZE_DTYPE_f8e5m2:
    case ADZE_DTYPE_f8e5m2fnuz: return 9;
    case ADZE_DTYPE_u4:
    case ADZE_DTYPE_i4: return 10;
    case ADZE_DTYPE_f4e2m1: return 11;
    case ADZE_DTYPE_f8e8m0: return 12;
    case ADZE_DTYPE_u2:
    case ADZE_DTYPE_i2: return 13;
    default: return 0;
    }
}

static const char *bind(adze_onnx_export *x, const adze_ir_value *value, const char *name)
{
    adze_dtype dtype = adze_onnx_value_dtype(value);
    const adze_type *type = adze_value_type(value);
    int64_t version = adze_onnx_dtype_version(dtype);
    if (version > x->ir_version) x->ir_version = version;
    if (adze_type_is_tensor(type) && adze_type_has_layout(type)) adze_onnx_refuse(x, "tensors in a layout");
    adze_map_set(x->names, value, (void *)(uintptr_t)name);
    adze_type_kind kind = adze_type_get_kind(type);
    uintptr_t stands = kind == ADZE_TYPE_SEQUENCE   ? ADZE_ONNX_SEQUENCES
                       : kind == ADZE_TYPE_OPTIONAL ? ADZE_ONNX_OPTIONALS
                       : kind == ADZE_TYPE_MAP      ? ADZE_ONNX_MAPS
                                                    : (uintptr_t)dtype;
    adze_map_set(x->dtypes, name, (void *)(stands + 1));
    return name;
}

const char *adze_onnx_name(adze_onnx_export *x, const adze_ir_value *value)
{
    if (!value) return NULL;
    adze_const *constant = adze_value_const(value);
    if (constant) adze_map_set(x->used, constant, x);
    const char *name = adze_map_get(x->names, value);
    if (name) return name;
    const char *wanted = adze_value_name(value);
    const adze_op *op = adze_value_op(value);
    if (wanted) return bind(x, value, adze_onnx_take_name(x, wanted));
    const char *like = !op ? "v" : adze_op_num_nodes(op) ? adze_op_node(op, 0) : adze_op_name(op);
    return bind(x, value, adze_onnx_made_name(x, like, false));
}

const char *adze_onnx_result(adze_onnx_export *x, uint32_t index)
{
    return adze_onnx_name(x, adze_op_result(x->op, index));
}

const char *adze_onnx_argument(adze_onnx_export *x, uint32_t index)
{
    return adze_onnx_name(x, adze_op_operand(x->op, index));
}

/* Name of an output of the graph, where its value has none of its own that will do; NULL of a result without one. */
static const char *output_name(const adze_onnx_export *x, uint32_t index)
{
    const char *name = adze_func_result_name(x->func, index);
    const adze_ir_value *value = adze_op_operand(adze_func_return(x->func), index);
    return name && *name ? name : value ? adze_value_name(value) : NULL;
}

/* Inputs first, then outputs: these names are the model's interface. Then constants in their order, which is that of
 * the initializers. */
static void name_ends(adze_onnx_export *x)
{
    const adze_region *body = adze_func_body(x->func);
    for (uint32_t i = 0; i < adze_region_num_args(body); i++) {
        const adze_ir_value *arg = adze_region_arg(body, i);
        const char *name = adze_value_name(arg);
        bind(x, arg, adze_onnx_take_name(x, name ? name : adze_internf(x->context, "input_%u", i)));
    }
    for (uint32_t i = 0; i < adze_func_num_results(x->func); i++) {
        const adze_ir_value *value = adze_op_operand(adze_func_return(x->func), i);
        const char *name = output_name(x, i);
        if (!name || !value || adze_map_get(x->names, value)) continue;
        name = adze_intern_z(x->context, name);
        if (!adze_map_get(x->taken, name)) bind(x, value, adze_onnx_take_name(x, name));
    }
    for (const adze_const *c = adze_module_first_const(x->module); c; c = adze_const_next(c))
        if (!adze_map_get(x->names, adze_const_value(c)))
            bind(x, adze_const_value(c), adze_onnx_take_name(x, adze_const_name(c)));
}

static void name_results(adze_onnx_export *x, const adze_region *region)
{
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        x->op = op;
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) adze_onnx_name(x, adze_op_result(op, i));
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) {
            const adze_region *inner = adze_op_region(op, i);
            for (uint32_t k = 0; k < adze_region_num_args(inner); k++) adze_onnx_name(x, adze_region_arg(inner, k));
            name_results(x, inner);
        }
    }
}

/* ---- Types ---- */

static void put_dim(adze_onnx_bytes *out, const adze_dim *dim)
{
    char text[512];
    int64_t value;
    size_t begin = adze_onnx_put_begin(out, 1);
    if (adze_dim_is_const(dim, &value))
        adze_onnx_put_int(out, 1, value);
    else if (!adze_dim_is_unknown(dim) && adze_dim_print(dim, text, sizeof text) < sizeof text)
        adze_onnx_put_text(out, 2, text);
    adze_onnx_put_end(out, begin);
}

void adze_onnx_put_type(adze_onnx_bytes *out, const adze_type *type)
{
    adze_type_kind kind = adze_type_get_kind(type);
    uint32_t field = kind == ADZE_TYPE_SEQUENCE ? 4 : kind == ADZE_TYPE_MAP ? 5 : kind == ADZE_TYPE_OPTIONAL ? 9 : 1;
    size_t inner = adze_onnx_put_begin(out, field);
    if (kind == ADZE_TYPE_TENSOR) {
        adze_onnx_put_int(out, 1, adze_onnx_dtype_number(adze_type_dtype(type)));
        if (adze_type_is_ranked(type)) {
            size_t shape = adze_onnx_put_begin(out, 2);
            for (uint32_t i = 0; i < adze_type_rank(type); i++) put_dim(out, adze_type_dim(type, i));
            adze_onnx_put_end(out, shape);
        }
    } else if (adze_type_element(type)) {
        bool map = kind == ADZE_TYPE_MAP;
        if (map) adze_onnx_put_int(out, 1, adze_onnx_dtype_number(adze_type_key(type)));
        size_t element = adze_onnx_put_begin(out, map ? 2 : 1);
        adze_onnx_put_type(out, adze_type_element(type));
        adze_onnx_put_end(out, element);
    }
    adze_onnx_put_end(out, inner);
}

void adze_onnx_put_info(adze_onnx_export *x, adze_onnx_bytes *out, uint32_t field, const char *name,
                        const adze_type *type)
{
    adze_type_kind kind = adze_type_get_kind(type);
    if (kind != ADZE_TYPE_TENSOR && !adze_type_element(type))
        adze_onnx_refuse(x, "values that are no tensors");
    size_t begin = adze_onnx_put_begin(out, field);
    adze_onnx_put_text(out, 1, name);
    size_t inner = adze_onnx_put_begin(out, 2);
    adze_onnx_put_type(out, type);
    adze_onnx_put_end(out, inner);
    adze_onnx_put_notes(x, out, ADZE_ONNX_VALUE_DOCS, name, 3, 4);
    adze_onnx_put_end(out, begin);
}

/* The types of results, for those who read the model; not of outputs, which have theirs. */
static void put_infos(adze_onnx_export *x, const adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
        const adze_ir_value *value = adze_op_result(op, i);
        const adze_type *type = adze_value_type(value);
        const char *name = adze_onnx_name(x, value);
        bool plain = adze_type_is_tensor(type) && adze_type_is_ranked(type);
        if (!plain && !adze_onnx_has_note(x, ADZE_ONNX_VALUE_DOCS, name)) continue;
        bool output = false;
        for (uint32_t k = 0; k < adze_func_num_results(x->func) && !output; k++)
            output = adze_op_operand(adze_func_return(x->func), k) == value;
        if (!output) adze_onnx_put_info(x, &x->infos, 13, name, type);
    }
}

/* ---- Nodes ---- */

/* "conv1", or all the nodes that an op stands for: "conv1+relu1". */
static const char *node_name(adze_onnx_export *x, const adze_op *op)
{
    enum { LONGEST = 200 };
    uint32_t count = adze_op_num_nodes(op);
    if (count < 2) return count ? adze_op_node(op, 0) : NULL;
    adze_text text = {0};
    for (uint32_t i = 0; i < count && text.size < LONGEST; i++)
        adze_text_append(&text, "%s%s", i ? "+" : "", adze_op_node(op, i));
    const char *name = adze_intern(x->context, text.data, text.size);
    adze_text_free(&text);
    return name;
}

void adze_onnx_put_region(adze_onnx_export *x, const adze_region *region)
{
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        if (adze_op_has_trait(op, ADZE_TERMINATOR)) continue;
        x->op = op;
        x->node = node_name(x, op);
        adze_onnx_say_op(x);
        x->op = op;
        if (!adze_region_op(region)) put_infos(x, op);
    }
}

/* A graph's output must be the result of a node of that graph, under its name; `wanted` NULL: whatever it is called. */
static const char *copy_as(adze_onnx_export *x, const char *from, adze_dtype dtype, const char *wanted)
{
    const char *name = wanted ? adze_onnx_take_name(x, wanted) : adze_onnx_made_name(x, from, true);
    adze_map_set(x->dtypes, name, (void *)((uintptr_t)dtype + 1));
    x->op = NULL;
    x->node = NULL;
    return adze_onnx_say(x, "Identity", &from, 1, dtype, name);
}

static void put_output(adze_onnx_export *x, adze_onnx_bytes *out, uint32_t index, adze_map *done)
{
    const adze_ir_value *value = adze_op_operand(adze_func_return(x->func), index);
    const char *wanted = output_name(x, index), *name = adze_onnx_name(x, value);
    if (!wanted) wanted = name;
    if (strcmp(wanted, name) != 0 || adze_map_get(done, name))
        name = copy_as(x, name, adze_onnx_value_dtype(value), wanted);
    adze_map_set(done, name, x);
    x->op = adze_value_op(value); /* to name, where it cannot be said */
    adze_onnx_put_info(x, out, 12, name, adze_func_result_type(x->func, index));
}

/* Inputs and outputs. */
static void put_ends(adze_onnx_export *x, adze_onnx_bytes *out)
{
    const adze_region *body = adze_func_body(x->func);
    adze_map *done = adze_map_create();
    if (!done) abort();
    x->op = NULL;
    for (uint32_t i = 0; i < adze_region_num_args(body); i++) {
        const adze_ir_value *arg = adze_region_arg(body, i);
        adze_onnx_put_info(x, out, 11, adze_onnx_name(x, arg), adze_value_type(arg));
    }
    for (uint32_t i = 0; i < adze_func_num_results(x->func); i++) put_output(x, out, i, done);
    adze_map_destroy(done);
}

void adze_onnx_put_graph(adze_onnx_export *x)
{
    x->nodes = &x->graph_nodes;
    name_ends(x);
    name_results(x, adze_func_body(x->func));
    x->op = NULL;
    adze_onnx_put_region(x, adze_func_body(x->func));
    put_ends(x, &x->ends);
}

/* Type of the condition of the loop that is written: of one element, in the dims that it starts with. */
static const adze_type *condition_type(const adze_onnx_export *x)
{
    const adze_ir_value *first = adze_op_num_operands(x->op) > 1 ? adze_op_operand(x->op, 1) : NULL;
    return first ? adze_value_type(first) : adze_type_tensor(x->context, ADZE_DTYPE_bool, 0, NULL, NULL);
}

/* The inputs of a graph: arguments, and behind the first of Loop the condition, whose name is given. */
static const char *put_arguments(adze_onnx_export *x, const adze_region *region, bool loop, adze_onnx_bytes *out)
{
    const char *condition = NULL;
    for (uint32_t i = 0; i < adze_region_num_args(region); i++) {
        const adze_ir_value *argument = adze_region_arg(region, i);
        adze_onnx_put_info(x, out, 11, adze_onnx_name(x, argument), adze_value_type(argument));
        if (i || !loop) continue;
        condition = adze_onnx_fresh(x, ADZE_DTYPE_bool);
        adze_onnx_put_info(x, out, 11, condition, condition_type(x));
    }
    return condition;
}

void adze_onnx_put_subgraph(adze_onnx_export *x, const adze_region *region, bool loop, adze_onnx_bytes *out)
{
    adze_onnx_bytes *outer = x->nodes, nodes = {0}, ends = {0};
    const adze_op *op = x->op, *last = adze_region_last(region);
    const adze_type *goes_on = loop ? condition_type(x) : NULL;
    const char *node = x->node, *condition = put_arguments(x, region, loop, &ends);
    x->nodes = &nodes;
    adze_onnx_put_initializers(x, region, &ends);
    adze_onnx_put_region(x, region);
    for (uint32_t i = 0; last && i < adze_op_num_operands(last); i++) {
        const adze_ir_value *value = adze_op_operand(last, i);
        if (!value) { /* a loop that goes on */
            const char *go_on = copy_as(x, condition, ADZE_DTYPE_bool, NULL);
            adze_onnx_put_info(x, &ends, 12, go_on, goes_on);
            continue;
        }
        const char *name = adze_onnx_name(x, value);
        const adze_op *maker = adze_value_op(value);
        bool inside = maker && adze_op_parent(maker) == region;
        for (uint32_t k = 0; k < i && inside; k++) inside = adze_op_operand(last, k) != value;
        if (!inside) name = copy_as(x, name, adze_onnx_value_dtype(value), NULL);
        adze_onnx_put_info(x, &ends, 12, name, adze_value_type(value));
    }
    adze_onnx_put_raw(out, nodes.data, nodes.size);
    adze_onnx_put_text(out, 2, node ? node : "branch");
    adze_onnx_put_raw(out, ends.data, ends.size);
    adze_onnx_bytes_free(&nodes);
    adze_onnx_bytes_free(&ends);
    x->nodes = outer;
    x->op = op;
    x->node = node;
}
