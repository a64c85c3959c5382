/* Gives a symbol of a module one value, everywhere: types, attributes, nested regions.
 *
 *     func @main(%x: f32[N,4]) -> (f32[2*N,4])   with N = 3   →   func @main(%x: f32[3,4]) -> (f32[6,4])
 */
#include "ir/ir_private.h"

enum { MAX_NAMED = 16 };

typedef struct fixing {
    adze_context *context;
    const char *name; /* interned */
    const adze_dim *value;
    uint32_t found, n_others;
    const char *others[MAX_NAMED]; /* the other symbols there are */
} fixing;

static const adze_dim *lookup(void *self, const char *name)
{
    fixing *f = self;
    uint32_t i = 0;
    while (i < f->n_others && f->others[i] != name) i++;
    if (name != f->name && i == f->n_others && i < MAX_NAMED) f->others[f->n_others++] = name;
    if (name != f->name) return NULL;
    f->found++;
    return f->value;
}

static const adze_dim *fix_dim(fixing *f, const adze_dim *dim)
{
    return adze_dim_substitute(f->context, dim, NULL, 0, lookup, f);
}

static const adze_type *fix_type(fixing *f, const adze_type *type)
{
    const adze_dim *dims[ADZE_MAX_RANK], *strides[ADZE_MAX_RANK];
    switch (type->kind) {
    case ADZE_TYPE_SEQUENCE: return adze_type_sequence(f->context, fix_type(f, type->element));
    case ADZE_TYPE_OPTIONAL: return adze_type_optional(f->context, fix_type(f, type->element));
    case ADZE_TYPE_MAP: return adze_type_map(f->context, type->dtype, fix_type(f, type->element));
    case ADZE_TYPE_TENSOR:
    case ADZE_TYPE_BUFFER: break;
    default: return type;
    }
    for (uint32_t i = 0; i < type->rank; i++) {
        dims[i] = fix_dim(f, type->dims[i]);
        if (type->kind == ADZE_TYPE_BUFFER) strides[i] = fix_dim(f, type->strides[i]);
    }
    if (type->kind == ADZE_TYPE_BUFFER)
        return adze_type_buffer(f->context, type->dtype, type->rank, dims, strides, type->align, type->alias);
    return type->ranked ? adze_type_tensor(f->context, type->dtype, type->rank, dims, type->layout) : type;
}

static void fix_slot(fixing *f, adze_module *module, adze_attr_kind kind, adze_slot *slot)
{
    if (!slot->object) return;
    if (kind == ADZE_ATTR_DIM) slot->object = fix_dim(f, slot->object);
    if (kind == ADZE_ATTR_TYPEREF) slot->object = fix_type(f, slot->object);
    if (kind != ADZE_ATTR_DIMS) return;
    const adze_attr_dims *old = slot->object;
    const adze_dim **dims = ADZE_NEW_ARRAY(&module->arena, const adze_dim *, old->count + 1);
    for (uint32_t i = 0; i < old->count; i++) dims[i] = fix_dim(f, old->dims[i]);
    adze_attr_dims *made = ADZE_NEW(&module->arena, adze_attr_dims);
    *made = (adze_attr_dims){old->count, dims};
    slot->object = made;
}

static void fix_attrs(fixing *f, adze_module *module, adze_attr_list *attrs)
{
    for (uint32_t i = 0; i < attrs->count; i++)
        fix_slot(f, module, attrs->items[i].kind, &attrs->items[i].value);
}

static void fix_region(fixing *f, adze_module *module, adze_region *region)
{
    for (uint32_t i = 0; i < region->n_args; i++) region->args[i]->type = fix_type(f, region->args[i]->type);
    for (adze_op *op = region->first; op; op = op->next) {
        for (uint32_t i = 0; i < op->n_results; i++) op->results[i].type = fix_type(f, op->results[i].type);
        for (uint32_t i = 0; i < op->row->n_attrs; i++)
            fix_slot(f, module, op->row->attrs[i].kind, &op->attrs[1 + i]);
        for (uint32_t i = 0; i < op->n_regions; i++) fix_region(f, module, &op->regions[i]);
    }
}

bool adze_module_fix_dim(adze_module *module, const char *name, int64_t value)
{
    adze_context *context = module->context;
    fixing f = {.context = context, .name = adze_intern_z(context, name), .value = adze_dim_const(context, value)};
    for (adze_func *func = module->first_func; func; func = func->next) {
        fix_region(&f, module, &func->body);
        for (uint32_t i = 0; i < func->n_results; i++)
            func->result_types[i] = fix_type(&f, func->result_types[i]);
        fix_attrs(&f, module, &func->attrs);
    }
    if (f.found) return true;
    const char *list = f.n_others ? "; it has" : "; it has none";
    for (uint32_t i = 0; i < f.n_others; i++) list = adze_internf(context, "%s%s %s", list, i ? "," : "", f.others[i]);
    return adze_error(adze_loc_unknown(context), "module @%s has no symbolic dim '%s'%s", module->name, name, list);
}
