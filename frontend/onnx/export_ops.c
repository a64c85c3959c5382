/* Ops that are their row one to one, and the choice of how an op is said. */
#include "export.h"

#include <stdlib.h>
#include <string.h>

static void put_attr(adze_onnx_export *x, const adze_attr_row *row, adze_slot value)
{
    switch (row->kind) {
    case ADZE_ATTR_INT:
    case ADZE_ATTR_BOOL:
        adze_onnx_int(x, row->name, strcmp(row->name, "axis") ? value.i : adze_onnx_older_axis(x, value.i));
        break;
    case ADZE_ATTR_TYPE: adze_onnx_int(x, row->name, adze_onnx_dtype_number((adze_dtype)value.i)); break;
    case ADZE_ATTR_FLOAT: adze_onnx_float(x, row->name, value.f); break;
    case ADZE_ATTR_STR: adze_onnx_string_bytes(x, row->name, value.s.data, value.s.size); break;
    case ADZE_ATTR_INTS: adze_onnx_int_list(x, row->name, value.ints.data, value.ints.count); break;
    case ADZE_ATTR_FLOATS: adze_onnx_float_list(x, row->name, value.floats.data, value.floats.count); break;
    case ADZE_ATTR_STRS: adze_onnx_strings(x, row->name, value.object); break;
    default: adze_onnx_refuse(x, "attribute '%s' has no form in ONNX", row->name); break;
    }
}

/* Attributes that were given and say something else than the default. */
static void put_attrs(adze_onnx_export *x)
{
    bool has_axes = x->draft.n_attrs && !strcmp(x->draft.attrs[0], "axes"); /* that was an operand */
    const adze_op_row *row = adze_op_get_row(x->op);
    const adze_slot *slots = adze_op_attrs(x->op);
    for (uint32_t i = 0; i < row->n_attrs; i++) {
        adze_slot usual;
        if (!adze_op_attr_is_set(x->op, row->attrs[i].name)) continue;
        if (adze_slot_default(x->context, &row->attrs[i], &usual) &&
            adze_slot_equal(row->attrs[i].kind, usual, slots[1 + i]))
            continue;
        if (has_axes && !strcmp(row->attrs[i].name, "noop_with_empty_axes")) continue; /* there are axes */
        put_attr(x, &row->attrs[i], slots[1 + i]);
    }
}

bool adze_onnx_say_as(adze_onnx_export *x, const char *op_type)
{
    const adze_op *op = x->op;
    const char *domain = adze_op_get_row(op)->domain;
    if (domain && (!*domain || !strcmp(domain, "ai.onnx"))) domain = NULL;
    if (!domain) op_type = adze_onnx_older_name(x, op_type);
    const adze_onnx_form *form = domain ? NULL : adze_onnx_form_find(op_type, x->opset, NULL);
    adze_onnx_begin(x, op_type);
    x->draft.domain = domain;
    if (!adze_onnx_put_operands(x, op_type, form)) return false;
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) adze_onnx_out(x, adze_onnx_result(x, i));
    put_attrs(x);
    return adze_onnx_end(x);
}

enum { GRAPH = 6, IS_GRAPH = 5 };

/* Both branches are graphs without inputs; they see what stands before. */
static bool say_if(adze_onnx_export *x)
{
    if (adze_op_num_regions(x->op) != 2 || !adze_op_num_results(x->op))
        return adze_onnx_refuse(x, "ONNX has no If without results or without an else");
    adze_onnx_bytes graphs[2] = {{0}, {0}};
    for (uint32_t i = 0; i < 2; i++) adze_onnx_put_subgraph(x, adze_op_region(x->op, i), false, &graphs[i]);
    adze_onnx_begin(x, "If");
    adze_onnx_in(x, adze_onnx_argument(x, 0));
    for (uint32_t i = 0; i < adze_op_num_results(x->op); i++) adze_onnx_out(x, adze_onnx_result(x, i));
    adze_onnx_message(x, "then_branch", GRAPH, IS_GRAPH, &graphs[0]);
    adze_onnx_message(x, "else_branch", GRAPH, IS_GRAPH, &graphs[1]);
    for (uint32_t i = 0; i < 2; i++) adze_onnx_bytes_free(&graphs[i]);
    return adze_onnx_end(x);
}

/* The graph gets a condition, which it hands back where the loop goes on for good. */
static bool say_loop(adze_onnx_export *x)
{
    adze_onnx_bytes graph = {0};
    if (!adze_op_num_results(x->op)) return adze_onnx_refuse(x, "ONNX has no Loop without results");
    adze_onnx_put_subgraph(x, adze_op_region(x->op, 0), true, &graph);
    adze_onnx_begin(x, "Loop");
    for (uint32_t i = 0; i < adze_op_num_operands(x->op); i++) adze_onnx_in(x, adze_onnx_argument(x, i));
    for (uint32_t i = 0; i < adze_op_num_results(x->op); i++) adze_onnx_out(x, adze_onnx_result(x, i));
    adze_onnx_message(x, "body", GRAPH, IS_GRAPH, &graph);
    adze_onnx_bytes_free(&graph);
    return adze_onnx_end(x);
}

bool adze_onnx_say_op(adze_onnx_export *x)
{
    const adze_op_row *row = adze_op_get_row(x->op);
    adze_onnx_speaker *speaker = adze_onnx_group_find(row->name);
    if (!speaker) speaker = adze_onnx_shape_find(row->name);
    if (!speaker) speaker = adze_onnx_spelling_find(row->name);
    if (!speaker) speaker = adze_onnx_sequence_find(row->name);
    if (!speaker) speaker = adze_onnx_table_find(row->name);
    if (!speaker) speaker = adze_onnx_older_find(row->name);
    if (speaker) return speaker(x);
    if (adze_op_is(x->op, "if")) return say_if(x);
    if (adze_op_is(x->op, "loop")) return say_loop(x);
    if (adze_op_is(x->op, "named")) return adze_onnx_refuse(x, "ONNX has no names for dims that only a run knows");
    if (row->onnx) return adze_onnx_say_as(x, row->onnx);
    return adze_onnx_refuse(x, "it has no form in ONNX");
}
