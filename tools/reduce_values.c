/* Ways of shrinking that make constants and attributes plain (reduce.h). */
#include "reduce.h"

#include <stdlib.h>
#include <string.h>

/* ---- Constants ---- */

/* Is it the derived constant that adze_make_splat makes? */
static bool is_full(const adze_const *c)
{
    const adze_op_row *row;
    return adze_data_is_derived(adze_const_data(c), &row, NULL, NULL, NULL) && !strcmp(row->name, "full");
}

adze_ir_value *adze_make_splat(adze_module *module, const char *name, const adze_type *type, double value)
{
    adze_func *func = adze_module_add_func(module, "splat"); /* an op has to stand somewhere */
    adze_builder b = adze_builder_at_end(module, adze_func_body(func));
    adze_attr attr = adze_attr_float("value", value);
    adze_op *op = adze_build(&b, "full", NULL, 0, &attr, 1, &type, 1);
    adze_data *data = op ? adze_data_derived(adze_module_context(module), adze_op_get_row(op), adze_op_attrs(op), NULL,
                                             0, type)
                         : NULL;
    adze_func_erase(func);
    adze_const *made = data ? adze_module_add_const(module, name, type, data) : NULL;
    return made ? adze_const_value(made) : NULL;
}

const char *adze_successor_name(const adze_const *c)
{
    const char *name = adze_const_name(c);
    size_t n = strlen(name), digits = n;
    while (digits && name[digits - 1] >= '0' && name[digits - 1] <= '9') digits--;
    if (digits > 1 && digits < n && name[digits - 1] == '_') n = digits - 1;
    return adze_intern(adze_type_context(adze_const_type(c)), name, n);
}

void adze_const_replace(adze_const *c, adze_ir_value *with)
{
    adze_value_replace_uses(adze_const_value(c), with);
    if (!adze_const_has_uses(c)) adze_const_erase(c);
}

static uint32_t count_constants(const adze_module *module)
{
    uint32_t n = 0;
    for (const adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c)) n++;
    return n;
}

/* Those that are no splat yet become one; shapes and the like may not, which the verifier says. */
static bool make_plain(adze_module *module, uint32_t first, uint32_t n, double value)
{
    uint32_t last = count_constants(module);
    bool changed = false;
    adze_const *c = adze_module_first_const(module), *next;
    for (uint32_t at = 0; at < last; at++, c = next) { /* new ones stand behind these */
        const adze_type *type = adze_const_type(c);
        int64_t count = 0;
        bool wanted = at >= first && at < first + n && !is_full(c) && adze_const_has_uses(c) &&
                      adze_type_dtype(type) != ADZE_DTYPE_str;
        next = adze_const_next(c);
        if (!wanted || !adze_dim_is_const(adze_type_count(type), &count) || count < 2) continue;
        adze_ir_value *plain = adze_make_splat(module, adze_successor_name(c), type, value);
        if (!plain) return false;
        if (!next) next = adze_const_next(c);
        adze_const_replace(c, plain);
        changed = true;
    }
    return changed;
}

static bool make_zero(adze_module *module, uint32_t first, uint32_t n) { return make_plain(module, first, n, 0); }
static bool make_one(adze_module *module, uint32_t first, uint32_t n) { return make_plain(module, first, n, 1); }

/* ---- Attributes ---- */

static bool may_drop(const adze_op *op, uint32_t attr)
{
    const adze_op_row *row = adze_op_get_row(op);
    const char *fallback = row->attrs[attr].fallback;
    return adze_op_num_regions(op) == 0 && adze_op_attrs(op)[0].set >> attr & 1 && (!fallback || *fallback != '!');
}

static uint32_t count_attributes(const adze_module *module)
{
    adze_op_list ops = adze_ops_collect(module, ADZE_OPS_ALL);
    uint32_t n = 0;
    for (uint32_t i = 0; i < ops.count; i++)
        for (uint32_t k = 0; k < adze_op_get_row(ops.items[i])->n_attrs; k++) n += may_drop(ops.items[i], k);
    adze_ops_free(&ops);
    return n;
}

/* Builds the op again without the attributes in `drop`; its result types stay. */
static bool rebuild(adze_op *op, uint64_t drop)
{
    enum { MAX = 64 };
    const adze_op_row *row = adze_op_get_row(op);
    uint32_t n_operands = adze_op_num_operands(op), n_results = adze_op_num_results(op), n = 0;
    adze_attr attrs[MAX];
    adze_ir_value **operands = calloc(n_operands + 1u, sizeof *operands);
    const adze_type **types = calloc(n_results + 1u, sizeof *types);
    if (!operands || !types) abort();
    for (uint32_t k = 0; k < row->n_attrs && k < MAX; k++)
        if (adze_op_attrs(op)[0].set >> k & 1 && !(drop >> k & 1))
            attrs[n++] = (adze_attr){row->attrs[k].name, row->attrs[k].kind, adze_op_attrs(op)[1 + k]};
    for (uint32_t i = 0; i < n_operands; i++) operands[i] = adze_op_operand(op, i);
    for (uint32_t i = 0; i < n_results; i++) types[i] = adze_value_type(adze_op_result(op, i));
    adze_builder b = adze_builder_before(op);
    adze_op *made = adze_build(&b, row->name, operands, n_operands, attrs, n, types, n_results);
    for (uint32_t i = 0; made && i < n_results; i++) {
        adze_value_set_name(adze_op_result(made, i), adze_value_name(adze_op_result(op, i)));
        adze_value_replace_uses(adze_op_result(op, i), adze_op_result(made, i));
    }
    if (made) adze_op_erase(op);
    free(operands);
    free(types);
    return made;
}

static bool drop_attributes(adze_module *module, uint32_t first, uint32_t n)
{
    adze_op_list ops = adze_ops_collect(module, ADZE_OPS_ALL);
    uint32_t at = 0;
    bool changed = false, ok = true;
    for (uint32_t i = 0; i < ops.count && ok; i++) {
        uint64_t drop = 0;
        for (uint32_t k = 0; k < adze_op_get_row(ops.items[i])->n_attrs && k < 64; k++) {
            if (!may_drop(ops.items[i], k)) continue;
            if (at >= first && at < first + n) drop |= UINT64_C(1) << k;
            at++;
        }
        if (!drop) continue;
        changed = true;
        ok = rebuild(ops.items[i], drop);
    }
    adze_ops_free(&ops);
    return changed && ok;
}

const adze_reducer adze_reduce_values[] = {
    {"constants to zeros", count_constants, make_zero},
    {"constants to ones", count_constants, make_one},
    {"attributes", count_attributes, drop_attributes},
    {NULL, NULL, NULL},
};
