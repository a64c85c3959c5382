/* What the export spells out because ONNX has no other way to say it, as it was: the dims that reshape and expand state
 * in their type, iota, the numbers of range. It is known by the names of what was made for it (names.c).
 */
#include "import.h"

#include <string.h>

static bool reads_helper(const adze_onnx_node *node, uint32_t index)
{
    return index < node->proto->n_input && adze_onnx_is_helper(node->proto->input[index]);
}

/* All dims of the type can be computed before a run. */
static bool is_stated(const adze_type *type)
{
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return false;
    for (uint32_t i = 0; i < adze_type_rank(type); i++)
        if (adze_dim_is_unknown(adze_type_dim(type, i))) return false;
    return true;
}

/* value_info may be of another day than the operands: numbers of both that differ. */
static bool contradicts(const adze_type *declared, const adze_type *own)
{
    if (!adze_type_is_tensor(own) || !adze_type_is_ranked(own)) return false;
    if (adze_type_rank(declared) != adze_type_rank(own)) return true;
    for (uint32_t i = 0; i < adze_type_rank(own); i++)
        if (!adze_dim_compatible(adze_type_dim(declared, i), adze_type_dim(own, i))) return true;
    return false;
}

/* What value_info says of the result, of the main graph; else its own type. */
static const adze_type *type_of(const adze_onnx_node *node, const adze_ir_value *value)
{
    const adze_onnx_import *import = node->import;
    const char *name = adze_intern_z(import->context, node->proto->output[0]);
    const adze_type *declared = node->scope->outer || node->scope->parent ? NULL : adze_map_get(import->declared, name);
    const adze_type *own = adze_value_type(value);
    return declared && is_stated(declared) && !contradicts(declared, own) ? declared : own;
}

/* Reshape of a helper that is an iota: these are the dims that it has. */
static bool retype_iota(adze_onnx_node *node, adze_op *reshape, const adze_type *type)
{
    adze_ir_value *line = adze_op_operand(reshape, 0);
    const adze_op *made = line ? adze_value_op(line) : NULL;
    if (!reads_helper(node, 0) || !made || !adze_op_is(made, "iota")) return false;
    adze_op_erase(reshape);
    adze_value_set_type(line, type);
    node->out[0] = line;
    return true;
}

static void restore_dims(adze_onnx_node *node, adze_op *op)
{
    const adze_type *type = type_of(node, node->out[0]);
    if (!is_stated(type)) return;
    if (retype_iota(node, op, type)) return;
    adze_value_set_type(node->out[0], type);
    adze_op_remove_operand(op, 1);
    if (adze_op_is(op, "reshape") && adze_op_attr_int(op, "allowzero"))
        adze_op_set_attr(op, adze_attr_int("allowzero", 0));
}

/* Operands of Range that were given as numbers without dims as they were. */
static void restore_numbers(adze_onnx_node *node, adze_op *range)
{
    for (uint32_t i = 0; i < 3; i++) {
        adze_ir_value *value = adze_op_operand(range, i);
        const adze_op *made = value ? adze_value_op(value) : NULL;
        if (reads_helper(node, i) && made && adze_op_is(made, "squeeze"))
            adze_op_set_operand(range, i, adze_op_operand(made, 0));
    }
}

/* Range of three helpers, the first and last of which are constants. */
static void restore_iota(adze_onnx_node *node, adze_op *range)
{
    int64_t start, step;
    if (!reads_helper(node, 1) || !reads_helper(node, 2)) return;
    if (adze_value_as_ints(adze_op_operand(range, 0), &start, 1) != 1 ||
        adze_value_as_ints(adze_op_operand(range, 2), &step, 1) != 1)
        return;
    const adze_type *type = type_of(node, node->out[0]);
    adze_attr attrs[] = {adze_attr_int("start", start), adze_attr_int("step", step)};
    node->import->builder.loc = node->loc;
    adze_op *iota = adze_build(&node->import->builder, "iota", NULL, 0, attrs, 2, &type, 1);
    if (!iota) return;
    adze_op_add_node(iota, node->name);
    adze_op_erase(range);
    node->out[0] = adze_op_result(iota, 0);
}

void adze_onnx_restore(adze_onnx_node *node)
{
    adze_ir_value *value = node->out[0];
    adze_op *op = value && value != adze_onnx_poison() ? adze_value_op(value) : NULL;
    if (!op || *node->domain || adze_op_num_operands(op) < 2 || adze_value_has_uses(value)) return;
    if (adze_op_is(op, "range")) restore_numbers(node, op);
    if (adze_op_is(op, "range") && reads_helper(node, 0)) restore_iota(node, op);
    else if (reads_helper(node, 1) && (adze_op_is(op, "reshape") || adze_op_is(op, "expand"))) restore_dims(node, op);
}

/* ---- What is left over ---- */

void adze_onnx_note_helper(adze_onnx_import *import, const adze_ir_value *value)
{
    if (!import->helpers && !(import->helpers = adze_map_create())) return;
    adze_map_set(import->helpers, value, import);
}

static void drop_ops(const adze_onnx_import *import, const adze_region *region)
{
    for (adze_op *op = adze_region_last(region), *before; op; op = before) {
        before = adze_op_prev(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) drop_ops(import, adze_op_region(op, i));
        bool dead = adze_op_num_results(op) > 0;
        for (uint32_t i = 0; i < adze_op_num_results(op) && dead; i++)
            dead = !adze_value_has_uses(adze_op_result(op, i)) && adze_map_get(import->helpers, adze_op_result(op, i));
        if (dead) adze_op_erase(op);
    }
}

void adze_onnx_drop_helpers(adze_onnx_import *import)
{
    if (!import->helpers) return;
    drop_ops(import, adze_func_body(adze_module_main(import->module)));
    adze_const *next;
    for (adze_const *c = adze_module_first_const(import->module); c; c = next) {
        next = adze_const_next(c);
        if (!adze_const_has_uses(c) && adze_map_get(import->helpers, adze_const_value(c))) adze_const_erase(c);
    }
}
