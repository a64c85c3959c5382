/* Ops: operands, attributes, ONNX node names, places in regions. */
#include "ir/ir_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

adze_op *adze_op_new(adze_module *module, const adze_op_row *row, uint32_t n_operands, uint32_t n_results,
                     uint32_t n_regions)
{
    adze_arena *arena = &module->arena;
    adze_op *op = ADZE_NEW(arena, adze_op);
    op->row = row;
    op->operands = ADZE_NEW_ARRAY(arena, adze_use, n_operands);
    op->n_operands = op->operands_capacity = n_operands;
    for (uint32_t i = 0; i < n_operands; i++) op->operands[i] = (adze_use){.op = op, .index = i};
    op->results = ADZE_NEW_ARRAY(arena, adze_ir_value, n_results);
    op->n_results = n_results;
    for (uint32_t i = 0; i < n_results; i++)
        op->results[i] = (adze_ir_value){.type = adze_type_none(module->context), .index = i, .owner.op = op};
    op->regions = ADZE_NEW_ARRAY(arena, adze_region, n_regions);
    op->n_regions = n_regions;
    op->attrs = ADZE_NEW_ARRAY(arena, adze_slot, 1u + row->n_attrs);
    for (uint32_t i = 0; i < row->n_attrs; i++)
        adze_slot_default(module->context, &row->attrs[i], &op->attrs[i + 1]);
    op->loc.context = module->context;
    return op;
}

const adze_op_row *adze_op_get_row(const adze_op *op) { return op->row; }
const char *adze_op_name(const adze_op *op) { return op->row->name; }
bool adze_op_is(const adze_op *op, const char *name) { return !strcmp(op->row->name, name); }
bool adze_op_has_trait(const adze_op *op, uint64_t trait) { return (op->row->traits & trait) == trait; }
uint32_t adze_op_num_operands(const adze_op *op) { return op->n_operands; }
uint32_t adze_op_num_results(const adze_op *op) { return op->n_results; }
uint32_t adze_op_num_regions(const adze_op *op) { return op->n_regions; }
adze_region *adze_op_parent(const adze_op *op) { return op->parent; }
adze_op *adze_op_prev(const adze_op *op) { return op->prev; }
adze_op *adze_op_next(const adze_op *op) { return op->next; }
adze_func *adze_op_func(const adze_op *op) { return op->parent ? op->parent->func : NULL; }
adze_context *adze_op_context(const adze_op *op) { return op->loc.context; }
const adze_slot *adze_op_attrs(const adze_op *op) { return op->attrs; }

adze_module *adze_op_module(const adze_op *op) { return op->parent ? op->parent->func->module : NULL; }

adze_ir_value *adze_op_operand(const adze_op *op, uint32_t index)
{
    return index < op->n_operands ? op->operands[index].value : NULL;
}

adze_ir_value *adze_op_result(const adze_op *op, uint32_t index)
{
    assert(index < op->n_results);
    return &op->results[index];
}

adze_region *adze_op_region(const adze_op *op, uint32_t index)
{
    assert(index < op->n_regions);
    return &op->regions[index];
}

/* ---- Operands ---- */

static void link_use(adze_use *use, adze_ir_value *value)
{
    use->value = value;
    use->prev = NULL;
    use->next = value ? value->uses : NULL;
    if (use->next) use->next->prev = use;
    if (value) value->uses = use;
}

static void unlink_use(adze_use *use)
{
    if (!use->value) return;
    if (use->prev)
        use->prev->next = use->next;
    else
        use->value->uses = use->next;
    if (use->next) use->next->prev = use->prev;
    use->value = NULL;
}

void adze_op_set_operand(adze_op *op, uint32_t index, adze_ir_value *value)
{
    assert(index < op->n_operands);
    unlink_use(&op->operands[index]);
    link_use(&op->operands[index], value);
}

/* Gives the op a new operand array; uses are relinked because they move. */
static void replace_operands(adze_op *op, adze_ir_value *const *values, uint32_t n)
{
    for (uint32_t i = 0; i < op->n_operands; i++) unlink_use(&op->operands[i]);
    if (n > op->operands_capacity) {
        op->operands_capacity = 2 * n;
        op->operands = ADZE_NEW_ARRAY(&adze_op_module(op)->arena, adze_use, op->operands_capacity);
    }
    op->n_operands = n;
    for (uint32_t i = 0; i < n; i++) {
        op->operands[i] = (adze_use){.op = op, .index = i};
        link_use(&op->operands[i], values[i]);
    }
}

void adze_op_insert_operand(adze_op *op, uint32_t index, adze_ir_value *value)
{
    assert(index <= op->n_operands);
    uint32_t n = op->n_operands;
    adze_ir_value **values = adze_malloc((n + 1) * sizeof *values);
    for (uint32_t i = 0; i < n; i++) values[i + (i >= index)] = op->operands[i].value;
    values[index] = value;
    replace_operands(op, values, n + 1);
    free(values);
}

void adze_op_remove_operand(adze_op *op, uint32_t index)
{
    assert(index < op->n_operands);
    uint32_t n = op->n_operands;
    adze_ir_value **values = adze_malloc(n * sizeof *values);
    for (uint32_t i = 0, k = 0; i < n; i++)
        if (i != index) values[k++] = op->operands[i].value;
    replace_operands(op, values, n - 1);
    free(values);
}

/* ---- Attributes ---- */

static const adze_slot *slot_named(const adze_op *op, const char *name)
{
    int i = adze_row_attr_index(op->row, name);
    return i < 0 ? NULL : &op->attrs[i + 1];
}

bool adze_op_attr_is_set(const adze_op *op, const char *name)
{
    int i = adze_row_attr_index(op->row, name);
    return i >= 0 && (op->attrs[0].set >> i & 1);
}

int64_t adze_op_attr_int(const adze_op *op, const char *name)
{
    const adze_slot *slot = slot_named(op, name);
    return slot ? slot->i : 0;
}

double adze_op_attr_float(const adze_op *op, const char *name)
{
    const adze_slot *slot = slot_named(op, name);
    return slot ? slot->f : 0;
}

const char *adze_op_attr_str(const adze_op *op, const char *name)
{
    const adze_slot *slot = slot_named(op, name);
    return slot ? slot->s.data : NULL;
}

adze_ints adze_op_attr_ints(const adze_op *op, const char *name)
{
    const adze_slot *slot = slot_named(op, name);
    return slot ? slot->ints : (adze_ints){0};
}

const adze_dim *adze_op_attr_dim(const adze_op *op, const char *name)
{
    const adze_slot *slot = slot_named(op, name);
    return slot ? slot->object : NULL;
}

const adze_attr_dims *adze_op_attr_dims(const adze_op *op, const char *name)
{
    const adze_slot *slot = slot_named(op, name);
    return slot ? slot->object : NULL;
}

/* INT and BOOL share a form, and an INT may stand for a FLOAT. */
static bool convert(adze_attr *attr, adze_attr_kind kind)
{
    if (attr->kind == kind) return true;
    if (attr->kind == ADZE_ATTR_INT && kind == ADZE_ATTR_FLOAT) {
        attr->value.f = (double)attr->value.i;
        return true;
    }
    bool integers = (attr->kind == ADZE_ATTR_INT || attr->kind == ADZE_ATTR_BOOL) &&
                    (kind == ADZE_ATTR_INT || kind == ADZE_ATTR_BOOL);
    return integers;
}

bool adze_op_set_attr(adze_op *op, adze_attr attr)
{
    int i = adze_row_attr_index(op->row, attr.name);
    if (i < 0 || !convert(&attr, op->row->attrs[i].kind)) return false;
    adze_module *module = adze_op_module(op);
    adze_arena *arena = module ? &module->arena : &op->loc.context->arena;
    op->attrs[i + 1] = adze_slot_copy(arena, op->row->attrs[i].kind, attr.value);
    op->attrs[0].set |= UINT64_C(1) << i;
    return true;
}

/* ---- Places ---- */

void adze_op_insert(adze_region *region, adze_op *before, adze_op *op)
{
    op->parent = region;
    op->next = before;
    op->prev = before ? before->prev : region->last;
    if (op->prev)
        op->prev->next = op;
    else
        region->first = op;
    if (before)
        before->prev = op;
    else
        region->last = op;
}

static void detach(adze_op *op)
{
    if (op->prev)
        op->prev->next = op->next;
    else
        op->parent->first = op->next;
    if (op->next)
        op->next->prev = op->prev;
    else
        op->parent->last = op->prev;
}

void adze_op_forget(adze_op *op)
{
    for (uint32_t i = 0; i < op->n_regions; i++)
        for (adze_op *inner = op->regions[i].first; inner; inner = inner->next) adze_op_forget(inner);
    for (uint32_t i = 0; i < op->n_operands; i++) unlink_use(&op->operands[i]);
}

void adze_op_erase(adze_op *op)
{
    for (uint32_t i = 0; i < op->n_results; i++) assert(!op->results[i].uses);
    adze_op_forget(op);
    detach(op);
    op->parent = NULL;
}

void adze_op_move_before(adze_op *op, adze_op *before)
{
    if (op == before) return;
    detach(op);
    adze_op_insert(before->parent, before, op);
}

/* ---- Origin ---- */

adze_loc adze_op_loc(const adze_op *op)
{
    adze_loc loc = op->loc;
    if (!loc.node && op->n_nodes) loc.node = op->nodes[0];
    if (!loc.op_type) loc.op_type = op->row->onnx ? op->row->onnx : op->row->name;
    return loc;
}

void adze_op_set_loc(adze_op *op, adze_loc loc)
{
    loc.context = op->loc.context;
    op->loc = loc;
}

uint32_t adze_op_num_nodes(const adze_op *op) { return op->n_nodes; }
const char *adze_op_node(const adze_op *op, uint32_t index) { return op->nodes[index]; }

void adze_op_add_node(adze_op *op, const char *node)
{
    node = adze_intern_z(op->loc.context, node);
    for (uint32_t i = 0; i < op->n_nodes; i++)
        if (op->nodes[i] == node) return;
    adze_module *module = adze_op_module(op);
    adze_arena *arena = module ? &module->arena : &op->loc.context->arena;
    if (op->n_nodes == 0 && op->nodes_capacity == 0) { /* most ops stand for one */
        op->nodes = ADZE_NEW_ARRAY(arena, const char *, 1);
        op->nodes_capacity = 1;
    }
    op->nodes = adze_arena_grow(arena, op->nodes, op->n_nodes, &op->nodes_capacity, sizeof *op->nodes);
    op->nodes[op->n_nodes++] = node;
}

void adze_op_add_nodes_of(adze_op *op, const adze_op *from)
{
    for (uint32_t i = 0; i < from->n_nodes; i++) adze_op_add_node(op, from->nodes[i]);
}

/* ---- Meaning ---- */

bool adze_op_infer_types(adze_op *op, const adze_type **out_types)
{
    if (!op->row->infer(op, out_types)) return false;
    for (uint32_t i = 0; i < op->n_results; i++)
        if (!out_types[i] || out_types[i]->context != op->loc.context)
            return adze_error(op->loc, "the inference of %s gives result %u %s", op->row->name, i,
                              out_types[i] ? "a type of another context" : "no type");
    return true;
}

bool adze_op_infer(adze_op *op)
{
    if (!op->row->infer || !op->n_results) return true;
    const adze_type **types = adze_malloc(op->n_results * sizeof *types);
    for (uint32_t i = 0; i < op->n_results; i++) types[i] = op->results[i].type;
    bool ok = adze_op_infer_types(op, types);
    for (uint32_t i = 0; ok && i < op->n_results; i++) op->results[i].type = types[i];
    free(types);
    return ok;
}

bool adze_op_same(const adze_op *a, const adze_op *b)
{
    if (a->row != b->row || a->n_operands != b->n_operands || a->n_results != b->n_results || a->n_regions ||
        b->n_regions)
        return false;
    for (uint32_t i = 0; i < a->n_operands; i++)
        if (a->operands[i].value != b->operands[i].value) return false;
    for (uint32_t i = 0; i < a->n_results; i++)
        if (a->results[i].type != b->results[i].type) return false;
    for (uint32_t i = 0; i < a->row->n_attrs; i++)
        if (!a->row->attrs[i].fallback && ((a->attrs[0].set ^ b->attrs[0].set) >> i & 1)) return false;
    for (uint32_t i = 0; i < a->row->n_attrs; i++)
        if (!adze_slot_equal(a->row->attrs[i].kind, a->attrs[i + 1], b->attrs[i + 1])) return false;
    return true;
}

uint64_t adze_op_hash(const adze_op *op)
{
    uint64_t hash = adze_hash_mix((uint64_t)(uintptr_t)op->row, op->n_operands);
    for (uint32_t i = 0; i < op->n_operands; i++)
        hash = adze_hash_mix(hash, (uint64_t)(uintptr_t)op->operands[i].value);
    for (uint32_t i = 0; i < op->row->n_attrs; i++)
        hash = adze_hash_mix(hash, adze_slot_hash(op->row->attrs[i].kind, op->attrs[i + 1]));
    return hash;
}
