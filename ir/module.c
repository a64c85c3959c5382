/* Regions, functions, modules and their constants. */
#include "ir/eval/convert.h"
#include "ir/ir_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Regions ---- */

void adze_region_init(adze_region *region, adze_func *func, adze_op *op)
{
    region->func = func;
    region->op = op;
}

adze_op *adze_region_first(const adze_region *region) { return region->first; }
adze_op *adze_region_last(const adze_region *region) { return region->last; }
uint32_t adze_region_num_args(const adze_region *region) { return region->n_args; }
adze_op *adze_region_op(const adze_region *region) { return region->op; }
adze_func *adze_region_func(const adze_region *region) { return region->func; }

adze_ir_value *adze_region_arg(const adze_region *region, uint32_t index)
{
    assert(index < region->n_args);
    return region->args[index];
}

adze_ir_value *adze_region_add_arg(adze_region *region, const adze_type *type, const char *name)
{
    adze_module *module = region->func->module;
    region->args = adze_arena_grow(&module->arena, region->args, region->n_args, &region->args_capacity,
                                   sizeof *region->args);
    adze_ir_value *value = ADZE_NEW(&module->arena, adze_ir_value);
    *value = (adze_ir_value){.type = type,
                             .name = name ? adze_intern_z(module->context, name) : NULL,
                             .def = ADZE_DEF_ARGUMENT,
                             .index = region->n_args,
                             .owner.region = region};
    return region->args[region->n_args++] = value;
}

void adze_region_remove_arg(adze_region *region, uint32_t index)
{
    assert(index < region->n_args && !region->args[index]->uses);
    for (uint32_t i = index + 1; i < region->n_args; i++) {
        region->args[i - 1] = region->args[i];
        region->args[i - 1]->index = i - 1;
    }
    region->n_args--;
}

/* ---- Attributes of modules and functions ---- */

static void set_attr(adze_module *module, adze_attr_list *list, adze_attr attr)
{
    attr.name = adze_intern_z(module->context, attr.name);
    attr.value = adze_slot_copy(&module->arena, attr.kind, attr.value);
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i].name == attr.name) {
            list->items[i] = attr;
            return;
        }
    list->items = adze_arena_grow(&module->arena, list->items, list->count, &list->capacity, sizeof attr);
    list->items[list->count++] = attr;
}

static const adze_attr *find_attr(const adze_attr_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (!strcmp(list->items[i].name, name)) return &list->items[i];
    return NULL;
}

void adze_module_set_attr(adze_module *module, adze_attr attr) { set_attr(module, &module->attrs, attr); }
uint32_t adze_module_num_attrs(const adze_module *module) { return module->attrs.count; }
const adze_attr *adze_module_attr(const adze_module *module, uint32_t index) { return &module->attrs.items[index]; }
void adze_func_set_attr(adze_func *func, adze_attr attr) { set_attr(func->module, &func->attrs, attr); }
uint32_t adze_func_num_attrs(const adze_func *func) { return func->attrs.count; }
const adze_attr *adze_func_attr(const adze_func *func, uint32_t index) { return &func->attrs.items[index]; }

const adze_attr *adze_module_find_attr(const adze_module *module, const char *name)
{
    return find_attr(&module->attrs, name);
}

const adze_attr *adze_func_find_attr(const adze_func *func, const char *name)
{
    return find_attr(&func->attrs, name);
}

/* ---- Functions ---- */

adze_func *adze_module_add_func(adze_module *module, const char *name)
{
    adze_func *func = ADZE_NEW(&module->arena, adze_func);
    func->module = module;
    func->name = adze_intern_z(module->context, name);
    func->loc.context = module->context;
    adze_region_init(&func->body, func, NULL);
    func->prev = module->last_func;
    if (func->prev)
        func->prev->next = func;
    else
        module->first_func = func;
    module->last_func = func;
    adze_table_put_name(&module->func_names, func->name, func);
    return func;
}

void adze_func_erase(adze_func *func)
{
    for (adze_op *op = func->body.first; op; op = op->next) adze_op_forget(op);
    adze_module *module = func->module;
    if (func->prev)
        func->prev->next = func->next;
    else
        module->first_func = func->next;
    if (func->next)
        func->next->prev = func->prev;
    else
        module->last_func = func->prev;
    func->module = NULL;
}

adze_func *adze_module_first_func(const adze_module *module) { return module->first_func; }
adze_func *adze_func_next(const adze_func *func) { return func->next; }
const char *adze_func_name(const adze_func *func) { return func->name; }
adze_loc adze_func_loc(const adze_func *func) { return func->loc; }
adze_module *adze_func_module(const adze_func *func) { return func->module; }
adze_region *adze_func_body(const adze_func *func) { return (adze_region *)(uintptr_t)&func->body; }
uint32_t adze_func_num_results(const adze_func *func) { return func->n_results; }

const adze_type *adze_func_result_type(const adze_func *func, uint32_t index)
{
    assert(index < func->n_results);
    return func->result_types[index];
}

const char *adze_func_result_name(const adze_func *func, uint32_t index)
{
    assert(index < func->n_results);
    return func->result_names[index];
}

void adze_func_set_results(adze_func *func, const adze_type *const *types, const char *const *names, uint32_t count)
{
    adze_module *module = func->module;
    const char **copies = ADZE_NEW_ARRAY(&module->arena, const char *, count + 1u);
    for (uint32_t i = 0; i < count; i++)
        copies[i] = names && names[i] ? adze_intern_z(module->context, names[i]) : NULL;
    func->result_types = adze_arena_copy(&module->arena, types, count * sizeof *types);
    func->result_names = copies;
    func->n_results = count;
}

adze_op *adze_func_return(const adze_func *func)
{
    adze_op *last = func->body.last;
    return last && adze_op_is(last, "return") ? last : NULL;
}

adze_func *adze_module_find_func(const adze_module *module, const char *name)
{
    adze_func *func = adze_table_get_name(&module->func_names, name);
    return func && func->module ? func : NULL;
}

adze_func *adze_module_main(const adze_module *module)
{
    adze_func *func = adze_module_find_func(module, "main");
    return func ? func : module->first_func;
}

/* ---- Modules ---- */

adze_module *adze_module_create(adze_context *context, const char *name)
{
    adze_module *module = calloc(1, sizeof *module);
    if (!module) abort();
    module->context = context;
    module->name = adze_intern_z(context, name ? name : "model");
    return module;
}

void adze_module_destroy(adze_module *module)
{
    if (!module) return;
    for (adze_const *c = module->last_const; c; c = c->prev) adze_data_release(c->data);
    adze_table_free(&module->func_names);
    adze_table_free(&module->const_names);
    adze_table_free(&module->const_suffixes);
    adze_arena_free(&module->arena);
    free(module);
}

adze_context *adze_module_context(const adze_module *module) { return module->context; }
const char *adze_module_name(const adze_module *module) { return module->name; }

/* Same data, or for derived data the same op over the clone's constants. */
static adze_data *clone_data(adze_context *context, const adze_const *from, const adze_map *map)
{
    const adze_op_row *row;
    const adze_slot *attrs;
    adze_const *const *inputs;
    uint32_t n;
    if (!adze_data_is_derived(from->data, &row, &attrs, &inputs, &n)) return adze_data_retain(from->data);
    adze_const **mapped = adze_malloc((n + 1) * sizeof *mapped);
    for (uint32_t i = 0; i < n; i++) {
        adze_ir_value *value = inputs[i] ? adze_map_get(map, &inputs[i]->value) : NULL;
        mapped[i] = value ? value->owner.constant : NULL;
    }
    adze_data *data = adze_data_derived(context, row, attrs, mapped, n, from->type);
    free(mapped);
    return data;
}

static void clone_func(adze_module *to, const adze_func *from, adze_map *map)
{
    adze_func *func = adze_module_add_func(to, from->name);
    func->loc = from->loc;
    for (uint32_t i = 0; i < from->attrs.count; i++) adze_func_set_attr(func, from->attrs.items[i]);
    adze_func_set_results(func, from->result_types, from->result_names, from->n_results);
    for (uint32_t i = 0; i < from->body.n_args; i++) {
        adze_ir_value *arg = from->body.args[i];
        adze_map_set(map, arg, adze_region_add_arg(&func->body, arg->type, arg->name));
    }
    adze_builder builder = adze_builder_at_end(to, &func->body);
    for (adze_op *op = from->body.first; op; op = op->next) adze_clone(&builder, op, map);
}

adze_module *adze_module_clone(const adze_module *module)
{
    adze_module *to = adze_module_create(module->context, module->name);
    adze_map *map = adze_map_create();
    for (uint32_t i = 0; i < module->attrs.count; i++) adze_module_set_attr(to, module->attrs.items[i]);
    for (adze_const *c = module->first_const; c; c = c->next) {
        adze_const *copy = adze_module_add_const(to, c->name, c->type, clone_data(module->context, c, map));
        adze_map_set(map, &c->value, &copy->value);
    }
    for (adze_func *func = module->first_func; func; func = func->next) clone_func(to, func, map);
    adze_map_destroy(map);
    return to;
}

/* ---- Constants ---- */

static bool is_free(const adze_module *module, const char *name)
{
    const adze_const *c = adze_table_get_name(&module->const_names, name);
    return !c || c->forgotten;
}

static const char *unique_name(adze_module *module, const char *name)
{
    if (!name) name = "c";
    name = adze_intern_z(module->context, name);
    if (is_free(module, name)) return name;
    for (uintptr_t i = (uintptr_t)adze_table_get(&module->const_suffixes, name) + 1;; i++) {
        const char *candidate = adze_internf(module->context, "%s_%zu", name, (size_t)i);
        if (!is_free(module, candidate)) continue;
        adze_table_put(&module->const_suffixes, name, (void *)i);
        return candidate;
    }
}

static void unlink_const(adze_const *constant)
{
    adze_module *module = constant->module;
    if (constant->prev)
        constant->prev->next = constant->next;
    else
        module->first_const = constant->next;
    if (constant->next)
        constant->next->prev = constant->prev;
    else
        module->last_const = constant->prev;
}

static void link_const(adze_const *constant)
{
    adze_module *module = constant->module;
    constant->prev = module->last_const;
    constant->next = NULL;
    if (constant->prev)
        constant->prev->next = constant;
    else
        module->first_const = constant;
    module->last_const = constant;
}

adze_const *adze_module_add_const(adze_module *module, const char *name, const adze_type *type, adze_data *data)
{
    if (!data) return NULL;
    adze_const *c = ADZE_NEW(&module->arena, adze_const);
    c->module = module;
    c->name = unique_name(module, name);
    c->type = type;
    c->data = data;
    c->value = (adze_ir_value){.type = type, .def = ADZE_DEF_CONST, .owner.constant = c};
    link_const(c);
    adze_table_put_name(&module->const_names, c->name, c);
    return c;
}

adze_const *adze_module_find_const(const adze_module *module, const char *name)
{
    adze_const *c = adze_table_get_name(&module->const_names, name);
    return c && c->data ? c : NULL;
}

adze_const *adze_module_first_const(const adze_module *module) { return module->first_const; }
adze_const *adze_const_next(const adze_const *constant) { return constant->next; }
const char *adze_const_name(const adze_const *constant) { return constant->name; }
const adze_type *adze_const_type(const adze_const *constant) { return constant->type; }
adze_data *adze_const_data(const adze_const *constant) { return constant->data; }

void adze_const_set_data(adze_const *constant, adze_data *data)
{
    assert(!constant->n_derived);
    adze_data_release(constant->data);
    constant->data = data;
}

adze_ir_value *adze_const_value(const adze_const *constant)
{
    return (adze_ir_value *)(uintptr_t)&constant->value;
}

bool adze_const_has_uses(const adze_const *constant) { return constant->value.uses || constant->n_derived; }

void adze_const_move_last(adze_const *constant)
{
    unlink_const(constant);
    link_const(constant);
}

/* The name stays taken: names in text and in error messages never change their meaning. */
void adze_const_erase(adze_const *constant)
{
    assert(!adze_const_has_uses(constant));
    unlink_const(constant);
    adze_data_release(constant->data);
    constant->data = NULL;
}

void adze_const_forget(adze_const *constant)
{
    adze_module *module = constant->module;
    adze_const_erase(constant);
    constant->forgotten = true;
    const char *name = constant->name;
    size_t at = strlen(name);
    while (at && name[at - 1] >= '0' && name[at - 1] <= '9') at--;
    if (at < 2 || name[at - 1] != '_') return; /* else "name_7": numbers are given from there on again */
    const char *base = adze_intern(module->context, name, at - 1);
    uintptr_t number = strtoull(name + at, NULL, 10), last = (uintptr_t)adze_table_get(&module->const_suffixes, base);
    if (number > 1 && last >= number) adze_table_put(&module->const_suffixes, base, (void *)(number - 1));
}

adze_ir_value *adze_const_make(adze_module *module, const char *name, const adze_type *type, const void *bytes)
{
    int64_t size = 0;
    bool known = adze_dim_is_const(adze_layout_bytes(type), &size);
    assert(known);
    (void)known;
    adze_const *c = adze_module_add_const(module, name, type, adze_data_copy(module->context, bytes, (uint64_t)size));
    return c ? &c->value : NULL;
}

adze_ir_value *adze_const_ints(adze_module *module, const char *name, const int64_t *values, int count)
{
    int64_t n = count;
    const adze_type *type = adze_type_tensor_const(module->context, ADZE_DTYPE_i64, count < 0 ? 0 : 1, &n);
    return adze_const_make(module, name, type, values);
}

/* As cast does by default: what is beyond the range of eight bits or fewer becomes the largest there is. */
static void store_small(adze_dtype dtype, double value, unsigned char *out)
{
    const ev_format *format = ev_small_float(dtype);
    uint32_t bits = adze_dtype_bits(dtype);
    if (dtype == ADZE_DTYPE_f8e8m0) out[0] = (unsigned char)ev_encode_e8m0(value, true, 'u');
    else if (format && bits <= 8) ev_put_code(out, 0, bits, ev_encode(format, value, true));
    else ev_store_f64(dtype, out, 0, 1, 1, &value);
}

adze_ir_value *adze_const_scalar(adze_module *module, const char *name, adze_dtype dtype, double value)
{
    union {
        float f32;
        double f64;
        int64_t i64;
        unsigned char bytes[16];
    } data = {.bytes = {0}};
    const adze_type *type = adze_type_tensor_const(module->context, dtype, 0, NULL);
    switch (dtype) {
    case ADZE_DTYPE_f32: data.f32 = (float)value; break;
    case ADZE_DTYPE_f64: data.f64 = value; break;
    case ADZE_DTYPE_c64: data.f32 = (float)value; break; /* the imaginary part stays 0 */
    case ADZE_DTYPE_c128: data.f64 = value; break;
    case ADZE_DTYPE_str:
    case ADZE_DTYPE_NONE:
        adze_error(adze_loc_unknown(module->context), "a number stands where %s is expected",
                   dtype == ADZE_DTYPE_str ? "a string" : "no tensor");
        return NULL;
    case ADZE_DTYPE_i64:
    case ADZE_DTYPE_i32:
    case ADZE_DTYPE_i16:
    case ADZE_DTYPE_i8:
    case ADZE_DTYPE_u64:
    case ADZE_DTYPE_u32:
    case ADZE_DTYPE_u16:
    case ADZE_DTYPE_u8:
    case ADZE_DTYPE_bool: data.i64 = ev_f64_to_int(dtype, value); break; /* little endian: the low bytes come first */
    default: store_small(dtype, value, data.bytes); break;
    }
    return adze_const_make(module, name, type, data.bytes);
}
