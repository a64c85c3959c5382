/* Other numbers under an old name. */
#include "passes/weights/constant.h"

void constant_put(adze_op *op, uint32_t index, adze_ir_value *value)
{
    if (index < adze_op_num_operands(op))
        adze_op_set_operand(op, index, value);
    else
        adze_op_insert_operand(op, index, value);
}

adze_ir_value *constant_settle(adze_const *old, adze_ir_value *made)
{
    if (!old || adze_const_has_uses(old)) return made;
    adze_const *from = adze_value_const(made);
    adze_ir_value *value = adze_const_value(old);
    adze_value_set_type(value, adze_const_type(from));
    adze_const_set_data(old, adze_data_retain(adze_const_data(from)));
    adze_value_replace_uses(made, value);
    adze_const_erase(from);
    return value;
}
