/* The verifier: reports every violation of what each part of the compiler may rely on.
 *
 * Modules: names, constants. Functions: results as returned. Regions: order, terminators, who may
 * use what. Ops: counts, attributes, use lists, the op's own inference and checks. Loop IR's typing
 * stands in verify_loop.c.
 */
#include "ir/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/text.h"

enum { MAX_DEPTH = 1000 };

/* Where a value stands; `live` while the walk is inside its region. */
typedef struct place {
    uint32_t depth; /* nesting of its region */
    bool live;
} place;

bool adze_verify_fail(adze_verifier *v, const adze_op *op, const char *format, ...)
{
    va_list args;
    v->violations++;
    va_start(args, format);
    adze_verror(ADZE_ERROR, adze_op_loc(op), format, args);
    va_end(args);
    return false;
}

static void fail_func(adze_verifier *v, const adze_func *func, const char *format, ...)
    ADZE_PRINTF(3, 4);
static void fail_func(adze_verifier *v, const adze_func *func, const char *format, ...)
{
    va_list args;
    v->violations++;
    va_start(args, format);
    adze_verror(ADZE_ERROR, func->loc, format, args);
    va_end(args);
}

/* ---- Values and their uses ---- */

static void define(adze_verifier *v, const adze_ir_value *value, uint32_t depth)
{
    place *p = adze_table_get(&v->seen, value);
    if (!p) {
        p = ADZE_NEW(&v->arena, place);
        adze_table_put(&v->seen, value, p);
    }
    *p = (place){depth, true};
}

static void leave(adze_verifier *v, const adze_ir_value *value)
{
    place *p = adze_table_get(&v->seen, value);
    if (p) p->live = false;
}

/* Every use in the list must be an operand that names the value, of an op that stands in the
 * module. */
static bool uses_agree(const adze_ir_value *value)
{
    const adze_use *before = NULL;
    for (const adze_use *use = value->uses; use; before = use, use = use->next) {
        const adze_op *op = use->op;
        if (use->value != value || use->prev != before || !op || !op->parent) return false;
        if (use->index >= op->n_operands || &op->operands[use->index] != use) return false;
    }
    return true;
}

static bool use_is_listed(const adze_use *use)
{
    return use->prev ? use->prev->next == use : use->value->uses == use;
}

static void check_operand(adze_verifier *v, const adze_op *op, uint32_t index, uint32_t barrier)
{
    const adze_use *use = &op->operands[index];
    const adze_ir_value *value = use->value;
    bool optional = index >= op->row->in_min || (op->row->traits & ADZE_LOOP);
    if (use->op != op || use->index != index)
        adze_verify_fail(v, op, "%s: broken use of operand %u", op->row->name, index);
    if (!value) {
        if (!optional)
            adze_verify_fail(v, op, "%s: operand %u is absent but required", op->row->name, index);
        return;
    }
    if (!use_is_listed(use))
        adze_verify_fail(v, op, "%s: operand %u is missing in its value's use list", op->row->name,
                         index);
    const char *name = adze_value_name(value);
    char shown[24];
    if (!name) {
        snprintf(shown, sizeof shown, "operand %u", index);
        name = shown;
    }
    if (value->def == ADZE_DEF_CONST) {
        const adze_const *constant = value->owner.constant;
        if (constant->module != v->module || !constant->data)
            adze_verify_fail(v, op, "%s: constant '%s' is not in the module", op->row->name, name);
        return;
    }
    const place *p = adze_table_get(&v->seen, value);
    if (!p)
        adze_verify_fail(v, op,
                         "%s: '%s' is used above its definition or stands in another function",
                         op->row->name, name);
    else if (!p->live)
        adze_verify_fail(v, op, "%s: '%s' is defined in a region that has ended", op->row->name,
                         name);
    else if (p->depth < barrier)
        adze_verify_fail(v, op,
                         "%s: '%s' stands outside the region, which may use only its arguments",
                         op->row->name, name);
}

/* ---- One op ---- */

static bool check_count(adze_verifier *v, const adze_op *op, const char *what, uint32_t got,
                        uint32_t min, uint32_t max)
{
    if (got >= min && (got <= max || max == ADZE_VARIADIC)) return true;
    if (max == ADZE_VARIADIC)
        return adze_verify_fail(v, op, "%s has %u %s, expected at least %u", op->row->name, got,
                                what, min);
    if (min == max)
        return adze_verify_fail(v, op, "%s has %u %s, expected %u", op->row->name, got, what, min);
    return adze_verify_fail(v, op, "%s has %u %s, expected %u to %u", op->row->name, got, what, min,
                            max);
}

static void check_attrs(adze_verifier *v, const adze_op *op)
{
    for (uint32_t i = 0; i < op->row->n_attrs; i++) {
        const adze_attr_row *attr = &op->row->attrs[i];
        const adze_slot *slot = &op->attrs[i + 1];
        bool set = op->attrs[0].set >> i & 1;
        if (!set && attr->fallback && strcmp(attr->fallback, "!") == 0) {
            adze_verify_fail(v, op, "%s needs attribute '%s'", op->row->name, attr->name);
            continue;
        }
        if (!set) continue;
        bool bad = false;
        switch (attr->kind) {
        case ADZE_ATTR_TYPE:
            bad = slot->i <= ADZE_DTYPE_NONE || slot->i >= ADZE_DTYPE_COUNT;
            break;
        case ADZE_ATTR_BOOL:
            bad = slot->i != 0 && slot->i != 1;
            break;
        case ADZE_ATTR_STR:
        case ADZE_ATTR_SYM:
            bad = !slot->s.data;
            break;
        case ADZE_ATTR_INTS:
            bad = slot->ints.count && !slot->ints.data;
            break;
        case ADZE_ATTR_FLOATS:
            bad = slot->floats.count && !slot->floats.data;
            break;
        case ADZE_ATTR_DIM:
        case ADZE_ATTR_DIMS:
        case ADZE_ATTR_STRS:
        case ADZE_ATTR_TYPEREF:
            bad = !slot->object;
            break;
        case ADZE_ATTR_INT:
        case ADZE_ATTR_FLOAT:
            break;
        }
        if (bad)
            adze_verify_fail(v, op, "%s: attribute '%s' has no value of its kind", op->row->name,
                             attr->name);
    }
    if (op->row->n_attrs < 64 && op->attrs[0].set >> op->row->n_attrs)
        adze_verify_fail(v, op, "%s: marks attributes that the row does not have", op->row->name);
}

/* Operands are there and typed, so that inference may look at them. */
static bool can_infer(const adze_op *op)
{
    for (uint32_t i = 0; i < op->n_operands; i++) {
        const adze_ir_value *value = op->operands[i].value;
        if (!value && i < op->row->in_min && !(op->row->traits & ADZE_LOOP)) return false;
        if (value && (!value->type || value->type->kind == ADZE_TYPE_NONE)) return false;
    }
    for (uint32_t i = 0; i < op->n_results; i++)
        if (!op->results[i].type || op->results[i].type->kind == ADZE_TYPE_NONE) return false;
    return true;
}

static void check_inference(adze_verifier *v, const adze_op *op)
{
    adze_context *context = op->loc.context;
    uint64_t errors = context->errors;
    const adze_type **types = ADZE_NEW_ARRAY(&v->arena, const adze_type *, op->n_results + 1u);
    for (uint32_t i = 0; i < op->n_results; i++) types[i] = op->results[i].type;
    if (!adze_op_infer_types((adze_op *)(uintptr_t)op, types)) {
        if (context->errors > errors)
            v->violations++;
        else
            adze_verify_fail(v, op, "the operands do not fit %s", op->row->name);
        return;
    }
    for (uint32_t i = 0; i < op->n_results; i++) {
        if (adze_type_compatible(op->results[i].type, types[i])) continue;
        char want[256], got[256];
        adze_type_print(types[i], want, sizeof want);
        adze_type_print(op->results[i].type, got, sizeof got);
        adze_verify_fail(v, op, "result %u of %s is stated as %s, but is %s", i, op->row->name, got,
                         want);
    }
}

/* Buffers live in loop IR alone; an elementwise op there has one kind of value throughout. */
static void check_kinds(adze_verifier *v, const adze_op *op)
{
    if (op->row->traits & (ADZE_LOOP | ADZE_TERMINATOR)) return;
    bool tensors = false, scalars = false, vectors = false;
    for (uint32_t i = 0; i < op->n_operands + op->n_results; i++) {
        const adze_ir_value *value =
            i < op->n_operands ? op->operands[i].value : &op->results[i - op->n_operands];
        if (!value || !value->type) continue;
        adze_type_kind kind = value->type->kind;
        if (kind == ADZE_TYPE_BUFFER)
            adze_verify_fail(v, op, "%s does not take buffers", op->row->name);
        scalars |= kind == ADZE_TYPE_SCALAR;
        vectors |= kind == ADZE_TYPE_VECTOR;
        tensors |= kind == ADZE_TYPE_TENSOR;
    }
    if ((scalars || vectors) && !(op->row->traits & ADZE_ELEMWISE))
        adze_verify_fail(v, op, "%s does not work on scalars or vectors", op->row->name);
    else if (scalars + vectors + tensors > 1)
        adze_verify_fail(v, op, "%s mixes tensors, scalars and vectors", op->row->name);
}

static void check_op(adze_verifier *v, const adze_op *op, uint32_t barrier)
{
    const adze_op_row *row = op->row;
    uint32_t before = v->violations;
    bool counts = check_count(v, op, "operands", op->n_operands, row->in_min, row->in_max);
    counts = check_count(v, op, "results", op->n_results, row->out_min, row->out_max) && counts;
    counts = check_count(v, op, "regions", op->n_regions, row->regions, row->regions_max) && counts;
    for (uint32_t i = 0; i < op->n_operands; i++) check_operand(v, op, i, barrier);
    check_attrs(v, op);
    for (uint32_t i = 0; i < op->n_results; i++) {
        const adze_ir_value *result = &op->results[i];
        if (result->def != ADZE_DEF_RESULT || result->owner.op != op || result->index != i)
            adze_verify_fail(v, op, "%s: result %u does not know its op", row->name, i);
        if (!result->type || result->type->kind == ADZE_TYPE_NONE)
            adze_verify_fail(v, op, "%s: result %u has no type", row->name, i);
        if (!uses_agree(result))
            adze_verify_fail(v, op, "%s: the use list of result %u is broken", row->name, i);
    }
    if (!counts || !can_infer(op) || v->violations > before) return;
    check_kinds(v, op);
    adze_verify_structure(v, op);
    if (v->violations > before) return;
    if (row->infer) check_inference(v, op);
    uint64_t errors = op->loc.context->errors;
    if (row->verify && !row->verify(op)) {
        if (op->loc.context->errors > errors)
            v->violations++;
        else
            adze_verify_fail(v, op, "%s: refused by its own check", row->name);
    }
}

/* ---- Regions ---- */

static void check_region(adze_verifier *v, const adze_region *region, const adze_op *owner,
                         uint32_t depth, uint32_t barrier);

static void check_links(adze_verifier *v, const adze_region *region, const adze_op *op)
{
    bool agree = op->parent == region && (op->prev ? op->prev->next == op : region->first == op) &&
                 (op->next ? op->next->prev == op : region->last == op);
    if (!agree) adze_verify_fail(v, op, "%s: broken links to its neighbours", op->row->name);
}

static void check_end(adze_verifier *v, const adze_region *region, const adze_op *owner)
{
    const char *want = owner ? "yield" : "return";
    const adze_op *last = region->last;
    if (last && strcmp(last->row->name, want) == 0) return;
    if (last)
        adze_verify_fail(v, last, "the last op of the %s must be %s, not %s",
                         owner ? "region" : "function", want, last->row->name);
    else if (owner)
        adze_verify_fail(v, owner, "%s: an empty region, expected %s at its end", owner->row->name,
                         want);
    else
        fail_func(v, v->func, "function @%s has no ops, expected return at its end", v->func->name);
}

static void check_ops(adze_verifier *v, const adze_region *region, uint32_t depth, uint32_t barrier)
{
    for (const adze_op *op = region->first; op; op = op->next) {
        check_links(v, region, op);
        if ((op->row->traits & ADZE_TERMINATOR) && op->next)
            adze_verify_fail(v, op, "%s stands before the end of its region", op->row->name);
        for (uint32_t i = 0; i < op->n_regions; i++)
            check_region(v, &op->regions[i], op, depth + 1,
                         op->row->traits & ADZE_FREE ? barrier : depth + 1);
        check_op(v, op, barrier);
        for (uint32_t i = 0; i < op->n_results; i++) define(v, &op->results[i], depth);
    }
}

static void check_region(adze_verifier *v, const adze_region *region, const adze_op *owner,
                         uint32_t depth, uint32_t barrier)
{
    if (depth > MAX_DEPTH) {
        adze_verify_fail(v, owner, "regions nested more than %d deep", MAX_DEPTH);
        return;
    }
    for (uint32_t i = 0; i < region->n_args; i++) {
        const adze_ir_value *arg = region->args[i];
        bool typed = arg->type && arg->type->kind != ADZE_TYPE_NONE;
        bool sound = arg->def == ADZE_DEF_ARGUMENT && arg->owner.region == region &&
                     arg->index == i && uses_agree(arg);
        define(v, arg, depth);
        if (typed && sound) continue;
        if (owner)
            adze_verify_fail(v, owner, "%s: region argument %u %s", owner->row->name, i,
                             typed ? "has broken links" : "has no type");
        else
            fail_func(v, v->func, "function @%s: argument %u %s", v->func->name, i,
                      typed ? "has broken links" : "has no type");
    }
    check_ops(v, region, depth, barrier);
    check_end(v, region, owner);
    for (uint32_t i = 0; i < region->n_args; i++) leave(v, region->args[i]);
    for (const adze_op *op = region->first; op; op = op->next)
        for (uint32_t i = 0; i < op->n_results; i++) leave(v, &op->results[i]);
}

/* ---- Functions, constants, modules ---- */

/* Is the interned name among those seen, which it joins? NULL never is. */
static bool taken(adze_table *names, const char *name)
{
    if (!name) return false;
    if (adze_table_get(names, name)) return true;
    adze_table_put(names, name, (void *)(uintptr_t)name);
    return false;
}

static void check_results(adze_verifier *v, const adze_func *func)
{
    const adze_op *end = func->body.last;
    if (!end || strcmp(end->row->name, "return") != 0) return;
    if (end->n_operands != func->n_results) {
        adze_verify_fail(v, end, "return has %u operands, but @%s has %u results", end->n_operands,
                         func->name, func->n_results);
        return;
    }
    for (uint32_t i = 0; i < func->n_results; i++) {
        const adze_type *want = func->result_types[i];
        const adze_ir_value *value = end->operands[i].value;
        if (!value || !value->type) {
            adze_verify_fail(v, end, "return: operand %u is absent", i);
            continue;
        }
        bool same_layout = memcmp(value->type->layout, want->layout, sizeof *want->layout) == 0;
        if (adze_type_compatible(value->type, want) && same_layout) continue;
        char wanted[256], got[256];
        adze_type_print(want, wanted, sizeof wanted);
        adze_type_print(value->type, got, sizeof got);
        adze_verify_fail(v, end, "return: operand %u is %s, but result %u of @%s is %s", i, got, i,
                         func->name, wanted);
    }
    adze_table names = {0};
    for (uint32_t i = 0; i < func->n_results; i++)
        if (taken(&names, func->result_names[i]))
            fail_func(v, func, "function @%s has two results named '%s'", func->name,
                      func->result_names[i]);
    adze_table_free(&names);
}

static void check_func(adze_verifier *v, const adze_func *func)
{
    v->func = func;
    check_region(v, &func->body, NULL, 0, 0);
    check_results(v, func);
    adze_table names = {0};
    for (uint32_t i = 0; i < func->body.n_args; i++)
        if (taken(&names, func->body.args[i]->name))
            fail_func(v, func, "function @%s has two arguments named '%s'", func->name,
                      func->body.args[i]->name);
    adze_table_free(&names);
    adze_table_free(&v->seen);
    adze_arena_free(&v->arena);
    v->seen = (adze_table){0};
    v->arena = (adze_arena){0};
}

static void check_const(adze_verifier *v, const adze_const *constant)
{
    adze_loc loc = adze_loc_unknown(v->module->context);
    int64_t bytes;
    bool known = adze_type_is_tensor(constant->type) && adze_type_is_static(constant->type) &&
                 adze_dim_is_const(adze_layout_bytes(constant->type), &bytes);
    if (!known) {
        v->violations++;
        adze_error(loc, "constant @%s has a type whose size is not known", constant->name);
    } else if ((uint64_t)bytes != adze_data_size(constant->data)) {
        v->violations++;
        adze_error(loc, "constant @%s has %llu bytes of data, but its type has %lld",
                   constant->name, (unsigned long long)adze_data_size(constant->data),
                   (long long)bytes);
    }
    if (!uses_agree(&constant->value)) {
        v->violations++;
        adze_error(loc, "constant @%s: broken use list", constant->name);
    }
}

bool adze_module_verify(const adze_module *module)
{
    adze_verifier v = {.module = module};
    adze_table names = {0};
    for (const adze_const *c = module->first_const; c; c = c->next) check_const(&v, c);
    for (const adze_func *func = module->first_func; func; func = func->next) {
        if (adze_table_get_name(&names, func->name))
            fail_func(&v, func, "two functions are named @%s", func->name);
        adze_table_put_name(&names, func->name, (void *)(uintptr_t)func);
        check_func(&v, func);
    }
    adze_table_free(&names);
    return v.violations == 0;
}
