/* Values and their use lists. */
#include "ir/ir_private.h"

const adze_type *adze_value_type(const adze_ir_value *value) { return value->type; }
void adze_value_set_type(adze_ir_value *value, const adze_type *type)
{
    value->type = type;
    if (value->def == ADZE_DEF_CONST) value->owner.constant->type = type; /* and other contents: adze_const_set_data */
}
adze_def_kind adze_value_def(const adze_ir_value *value) { return value->def; }
uint32_t adze_value_index(const adze_ir_value *value) { return value->index; }
bool adze_value_has_uses(const adze_ir_value *value) { return value->uses != NULL; }
adze_use *adze_value_first_use(const adze_ir_value *value) { return value->uses; }
adze_use *adze_use_next(const adze_use *use) { return use->next; }
adze_op *adze_use_op(const adze_use *use) { return use->op; }
uint32_t adze_use_index(const adze_use *use) { return use->index; }

static adze_context *context_of(const adze_ir_value *value)
{
    return value->type->context;
}

const char *adze_value_name(const adze_ir_value *value)
{
    return value->def == ADZE_DEF_CONST ? value->owner.constant->name : value->name;
}

void adze_value_set_name(adze_ir_value *value, const char *name)
{
    value->name = name ? adze_intern_z(context_of(value), name) : NULL;
}

adze_op *adze_value_op(const adze_ir_value *value)
{
    return value->def == ADZE_DEF_RESULT ? value->owner.op : NULL;
}

adze_region *adze_value_region(const adze_ir_value *value)
{
    return value->def == ADZE_DEF_ARGUMENT ? value->owner.region : NULL;
}

adze_const *adze_value_const(const adze_ir_value *value)
{
    return value->def == ADZE_DEF_CONST ? value->owner.constant : NULL;
}

uint32_t adze_value_num_uses(const adze_ir_value *value)
{
    uint32_t n = 0;
    for (const adze_use *use = value->uses; use; use = use->next) n++;
    return n;
}

void adze_value_replace_uses(adze_ir_value *value, adze_ir_value *with)
{
    if (value == with) return;
    while (value->uses) adze_op_set_operand(value->uses->op, value->uses->index, with);
}
