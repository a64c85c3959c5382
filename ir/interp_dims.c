/* Dims of results that the types alone do not give: inference is run again with what is known now,
 * the operands' dims and the contents of small integer operands. */
#include "ir/interp.h"

#include <string.h>

enum { MAX_SHAPE_ELEMENTS = 64 };

static bool dims_of_type(adze_interp *interp, const adze_type *type, uint32_t *rank, int64_t *dims)
{
    if (!adze_type_is_tensor(type) || !type->ranked) return false;
    *rank = type->rank;
    for (uint32_t i = 0; i < type->rank; i++)
        if (!adze_interp_dim(interp, type->dims[i], &dims[i])) return false;
    return true;
}

/* An operand of the scratch op: a constant with contents where shapes may depend on them, else an
 * argument. */
static adze_ir_value *stand_in(adze_module *module, adze_func *func, const adze_value *value)
{
    adze_context *context = module->context;
    const adze_type *type =
        adze_type_tensor_const(context, (adze_dtype)value->dtype, value->rank, value->dims);
    adze_dtype_kind kind = adze_dtype_get_kind((adze_dtype)value->dtype);
    bool number = kind == ADZE_KIND_INT || kind == ADZE_KIND_FLOAT; /* resize's scales, range's ends */
    if (number && value->rank <= 1 && adze_value_count(value) <= MAX_SHAPE_ELEMENTS)
        return adze_const_make(module, NULL, type, value->data);
    return adze_region_add_arg(&func->body, type, NULL);
}

/* Types of a copy of `op` over stand-ins; false after an error. */
static bool infer_again(const adze_op *op, const adze_value *in, adze_module *module,
                        const adze_type **types)
{
    adze_context *context = module->context;
    adze_func *func = adze_module_add_func(module, "scratch");
    adze_op *copy = adze_op_new(module, op->row, op->n_operands, op->n_results, 0);
    copy->loc = op->loc;
    adze_op_insert(&func->body, NULL, copy);
    copy->attrs = op->attrs;
    for (uint32_t i = 0; i < op->n_operands; i++)
        if (in[i].kind == ADZE_VALUE_TENSOR)
            adze_op_set_operand(copy, i, stand_in(module, func, &in[i]));
    for (uint32_t i = 0; i < op->n_results; i++) {
        copy->results[i].type = adze_type_unranked(context, adze_type_dtype(op->results[i].type));
        types[i] = op->results[i].type;
    }
    return op->row->infer && adze_op_infer_types(copy, types);
}

bool adze_interp_dims(adze_interp *interp, const adze_op *op, const adze_value *in, uint32_t index,
                      uint32_t *rank, int64_t *dims)
{
    if (dims_of_type(interp, op->results[index].type, rank, dims)) return true;
    adze_module *module = adze_module_create(interp->context, "scratch");
    const adze_type **types = ADZE_NEW_ARRAY(&module->arena, const adze_type *, op->n_results);
    uint64_t errors = interp->context->errors;
    bool ok = infer_again(op, in, module, types) && dims_of_type(interp, types[index], rank, dims);
    if (!ok && errors == interp->context->errors)
        adze_error(adze_op_loc(op), "%s: the dims of result %u are not known", op->row->name,
                   index);
    adze_module_destroy(module);
    return ok;
}
