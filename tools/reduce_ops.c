/* Ways of shrinking that take away functions, ops, inputs and outputs (reduce.h). */
#include "reduce.h"

#include <stdlib.h>
#include <string.h>

/* ---- Ops by number ---- */

static void append(adze_op_list *list, adze_op *op)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->items = realloc(list->items, list->capacity * sizeof(adze_op *));
        if (!list->items) abort();
    }
    list->items[list->count++] = op;
}

static void collect(const adze_region *region, adze_op_depth depth, bool inside, adze_op_list *out)
{
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        bool wanted = depth == ADZE_OPS_ALL || (depth == ADZE_OPS_OF_REGIONS) == inside;
        if (wanted && !adze_op_has_trait(op, ADZE_TERMINATOR)) append(out, op);
        for (uint32_t i = 0; i < adze_op_num_regions(op) && depth != ADZE_OPS_OF_FUNCTIONS; i++)
            collect(adze_op_region(op, i), depth, true, out);
    }
}

adze_op_list adze_ops_collect(const adze_module *module, adze_op_depth depth)
{
    adze_op_list list = {0};
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f))
        collect(adze_func_body(f), depth, false, &list);
    return list;
}

void adze_ops_free(adze_op_list *list)
{
    free(list->items);
    *list = (adze_op_list){0};
}

static uint32_t count_ops(const adze_module *module, adze_op_depth depth)
{
    adze_op_list list = adze_ops_collect(module, depth);
    uint32_t n = list.count;
    adze_ops_free(&list);
    return n;
}

static bool is_unused(const adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        if (adze_value_has_uses(adze_op_result(op, i))) return false;
    return true;
}

/* Calls `change` for the ops of the range from the last to the first, so that users go before what they use. */
static bool for_ops(adze_module *module, adze_op_depth depth, uint32_t first, uint32_t n, bool (*change)(adze_op *op))
{
    adze_op_list list = adze_ops_collect(module, depth);
    bool changed = false;
    for (uint32_t i = first + n < list.count ? first + n : list.count; i-- > first;) changed |= change(list.items[i]);
    adze_ops_free(&list);
    return changed;
}

/* ---- Functions ---- */

/* A launch runs it, with buffers in its order: its arguments stay as they are. */
static bool is_launched(const adze_func *func)
{
    const adze_region *body = adze_func_body(func);
    for (uint32_t i = 0; i < adze_region_num_args(body); i++)
        if (adze_type_get_kind(adze_value_type(adze_region_arg(body, i))) == ADZE_TYPE_BUFFER) return true;
    return false;
}

static uint32_t count_functions(const adze_module *module)
{
    uint32_t n = 0;
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f)) n++;
    return n > 1 ? n : 0;
}

static bool erase_functions(adze_module *module, uint32_t first, uint32_t n)
{
    uint32_t at = 0;
    if (n >= count_functions(module)) return false;
    for (adze_func *f = adze_module_first_func(module), *next; f; f = next, at++) {
        next = adze_func_next(f);
        if (at >= first && at < first + n) adze_func_erase(f);
    }
    return true;
}

/* ---- Outputs ---- */

static uint32_t count_outputs(const adze_module *module)
{
    uint32_t n = 0;
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f))
        if (adze_func_return(f)) n += adze_op_num_operands(adze_func_return(f));
    return n;
}

/* Keeps the results whose bit in `drop` is clear. */
static void drop_outputs(adze_func *func, const bool *drop)
{
    adze_op *end = adze_func_return(func);
    uint32_t n = adze_op_num_operands(end), kept = 0;
    const adze_type **types = calloc(n + 1u, sizeof *types);
    const char **names = calloc(n + 1u, sizeof *names);
    if (!types || !names) abort();
    for (uint32_t i = 0; i < n; i++) {
        if (drop[i]) continue;
        types[kept] = adze_func_result_type(func, i);
        names[kept++] = adze_func_result_name(func, i);
    }
    for (uint32_t i = n; i-- > 0;)
        if (drop[i]) adze_op_remove_operand(end, i);
    adze_func_set_results(func, types, names, kept);
    free(types);
    free(names);
}

static bool erase_outputs(adze_module *module, uint32_t first, uint32_t n)
{
    uint32_t at = 0;
    bool changed = false;
    for (adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f)) {
        uint32_t own = adze_func_return(f) ? adze_op_num_operands(adze_func_return(f)) : 0, dropped = 0;
        bool *drop = calloc(own + 1u, sizeof *drop);
        if (!drop) abort();
        for (uint32_t i = 0; i < own; i++, at++) dropped += drop[i] = at >= first && at < first + n;
        if (dropped && own == adze_func_num_results(f)) drop_outputs(f, drop);
        changed |= dropped > 0;
        free(drop);
    }
    return changed;
}

/* ---- Ranges of ops: what others read of them becomes inputs ---- */

static uint32_t count_top(const adze_module *module) { return count_ops(module, ADZE_OPS_OF_FUNCTIONS); }
static uint32_t count_nested(const adze_module *module) { return count_ops(module, ADZE_OPS_OF_REGIONS); }
static uint32_t count_all(const adze_module *module) { return count_ops(module, ADZE_OPS_ALL); }

static bool cut_top(adze_op *op)
{
    adze_func *func = adze_op_func(op);
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
        adze_ir_value *value = adze_op_result(op, i);
        if (!adze_value_has_uses(value)) continue;
        if (is_launched(func)) return false;
        adze_value_replace_uses(value, adze_region_add_arg(adze_func_body(func), adze_value_type(value),
                                                           adze_value_name(value)));
    }
    adze_op_erase(op);
    return true;
}

static bool cut_ops(adze_module *module, uint32_t first, uint32_t n)
{
    return for_ops(module, ADZE_OPS_OF_FUNCTIONS, first, n, cut_top);
}

/* The same inside a kernel: the value comes in through a new operand. */
static bool cut_nested(adze_op *op)
{
    adze_region *region = adze_op_parent(op);
    adze_op *kernel = adze_region_op(region);
    adze_func *func = adze_op_func(op);
    if (!adze_op_is(kernel, "kernel") || adze_region_op(adze_op_parent(kernel)) || is_launched(func)) return false;
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
        adze_ir_value *value = adze_op_result(op, i);
        const adze_type *type = adze_value_type(value);
        if (!adze_value_has_uses(value)) continue;
        adze_op_insert_operand(kernel, adze_op_num_operands(kernel),
                               adze_region_add_arg(adze_func_body(func), type, NULL));
        adze_value_replace_uses(value, adze_region_add_arg(region, type, NULL));
    }
    adze_op_erase(op);
    return true;
}

static bool cut_inside(adze_module *module, uint32_t first, uint32_t n)
{
    return for_ops(module, ADZE_OPS_OF_REGIONS, first, n, cut_nested);
}

static bool erase_if_unused(adze_op *op)
{
    if (!is_unused(op)) return false;
    adze_op_erase(op);
    return true;
}

static bool erase_unused(adze_module *module, uint32_t first, uint32_t n)
{
    return for_ops(module, ADZE_OPS_ALL, first, n, erase_if_unused);
}

/* ---- Ops that an operand can stand for ---- */

static bool bypass(adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
        adze_ir_value *value = adze_op_result(op, i), *with = NULL;
        if (!adze_value_has_uses(value)) continue;
        for (uint32_t k = 0; k < adze_op_num_operands(op) && !with; k++) {
            adze_ir_value *operand = adze_op_operand(op, k);
            if (operand && adze_value_type(operand) == adze_value_type(value)) with = operand;
        }
        if (!with) return false;
        adze_value_replace_uses(value, with);
    }
    adze_op_erase(op);
    return true;
}

static bool bypass_ops(adze_module *module, uint32_t first, uint32_t n)
{
    return for_ops(module, ADZE_OPS_ALL, first, n, bypass);
}

/* ---- Operands that may be absent ---- */

static bool drop_optional(adze_op *op)
{
    uint32_t least = adze_op_get_row(op)->in_min;
    bool structure = adze_op_num_regions(op) || adze_op_has_trait(op, ADZE_LOOP) || adze_op_is(op, "launch");
    if (structure || adze_op_num_operands(op) <= least) return false;
    while (adze_op_num_operands(op) > least) adze_op_remove_operand(op, adze_op_num_operands(op) - 1);
    return true;
}

static bool drop_optionals(adze_module *module, uint32_t first, uint32_t n)
{
    return for_ops(module, ADZE_OPS_ALL, first, n, drop_optional);
}

/* ---- Inputs of functions and kernels ---- */

static uint32_t count_inputs(const adze_module *module)
{
    uint32_t n = 0;
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f))
        if (!is_launched(f)) n += adze_region_num_args(adze_func_body(f));
    return n;
}

/* Calls `change` for the inputs of the range, in each function from the last to the first. */
static bool for_inputs(adze_module *module, uint32_t first, uint32_t n, bool (*change)(adze_region *body, uint32_t i))
{
    uint32_t at = 0;
    bool changed = false;
    for (adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f)) {
        adze_region *body = adze_func_body(f);
        uint32_t own = is_launched(f) ? 0 : adze_region_num_args(body);
        for (uint32_t i = own; i-- > 0;)
            if (at + i >= first && at + i < first + n) changed |= change(body, i);
        at += own;
    }
    return changed;
}

static bool remove_if_unused(adze_region *region, uint32_t i)
{
    if (adze_value_has_uses(adze_region_arg(region, i))) return false;
    adze_region_remove_arg(region, i);
    return true;
}

static bool erase_inputs(adze_module *module, uint32_t first, uint32_t n)
{
    return for_inputs(module, first, n, remove_if_unused);
}

/* Another input of the same type serves, too. */
static bool merge_input(adze_region *body, uint32_t i)
{
    adze_ir_value *value = adze_region_arg(body, i);
    for (uint32_t k = 0; k < i; k++) {
        if (adze_value_type(adze_region_arg(body, k)) != adze_value_type(value)) continue;
        adze_value_replace_uses(value, adze_region_arg(body, k));
        adze_region_remove_arg(body, i);
        return true;
    }
    return false;
}

static bool merge_inputs(adze_module *module, uint32_t first, uint32_t n)
{
    return for_inputs(module, first, n, merge_input);
}

static bool drop_kernel_operands(adze_op *op)
{
    bool changed = false;
    if (!adze_op_is(op, "kernel")) return false;
    for (uint32_t i = adze_op_num_operands(op); i-- > 0;) {
        if (!remove_if_unused(adze_op_region(op, 0), i)) continue;
        adze_op_remove_operand(op, i);
        changed = true;
    }
    return changed;
}

static bool erase_kernel_operands(adze_module *module, uint32_t first, uint32_t n)
{
    return for_ops(module, ADZE_OPS_OF_FUNCTIONS, first, n, drop_kernel_operands);
}

/* ---- Constants that nobody reads ---- */

static uint32_t count_unread(const adze_module *module)
{
    uint32_t n = 0;
    for (const adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c)) n += !adze_const_has_uses(c);
    return n;
}

static bool erase_unread(adze_module *module, uint32_t first, uint32_t n)
{
    uint32_t at = 0;
    for (adze_const *c = adze_module_first_const(module), *next; c; c = next) {
        next = adze_const_next(c);
        if (adze_const_has_uses(c)) continue;
        if (at >= first && at < first + n) adze_const_erase(c);
        at++;
    }
    return at > first;
}

const adze_reducer adze_reduce_structure[] = {
    {"functions", count_functions, erase_functions},
    {"outputs", count_outputs, erase_outputs},
    {"ops", count_top, cut_ops},
    {"unused ops", count_all, erase_unused},
    {"ops that an operand can stand for", count_all, bypass_ops},
    {"ops in kernels", count_nested, cut_inside},
    {"optional operands", count_all, drop_optionals},
    {"inputs of one type", count_inputs, merge_inputs},
    {"operands of kernels", count_top, erase_kernel_operands},
    {"unused inputs", count_inputs, erase_inputs},
    {"unused constants", count_unread, erase_unread},
    {NULL, NULL, NULL},
};
