/* What a model and what is written of it must have alike, so that both read as the same text: constants that are
 * attributes in the file are made by the import, behind what the file has as tensors; and what composing made for
 * nothing is not written.
 */
#include "export.h"

#include <stdlib.h>

typedef struct adze_onnx_was {
    adze_ir_value *constant;
    const char *op_type, *attribute;
} adze_onnx_was;

adze_ir_value *adze_onnx_was_attribute(adze_onnx_import *import, adze_ir_value *constant, const char *op_type,
                                       const char *attribute)
{
    if (!constant) return NULL;
    if (import->n_was == import->was_capacity) {
        import->was_capacity = import->was_capacity ? 2 * import->was_capacity : 64;
        import->was = realloc(import->was, import->was_capacity * sizeof *import->was);
        if (!import->was) abort();
    }
    import->was[import->n_was++] = (adze_onnx_was){constant, op_type, attribute};
    return constant;
}

/* The last op first, so that what only dead ops read is dead too. */
static void drop_dead(const adze_region *region)
{
    for (adze_op *op = adze_region_last(region), *before; op; op = before) {
        before = adze_op_prev(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) drop_dead(adze_op_region(op, i));
        bool dead = adze_op_num_results(op) > 0 && adze_op_has_trait(op, ADZE_PURE);
        for (uint32_t i = 0; i < adze_op_num_results(op) && dead; i++) {
            const adze_ir_value *value = adze_op_result(op, i);
            dead = !adze_value_has_uses(value) && !adze_value_name(value);
        }
        if (dead) adze_op_erase(op);
    }
}

void adze_onnx_order(adze_onnx_import *import)
{
    const adze_attr *opset = adze_module_find_attr(import->module, "opset");
    if (import->composed) drop_dead(adze_func_body(adze_module_main(import->module)));
    for (uint32_t i = 0; i < import->n_was; i++) {
        const adze_onnx_was *was = &import->was[i];
        const adze_onnx_form *form = adze_onnx_form_find(was->op_type, opset->value.i, NULL);
        adze_const *constant = adze_value_const(was->constant);
        bool kept = adze_module_find_const(import->module, adze_const_name(constant)) == constant;
        if (kept && form && adze_onnx_form_has(form, was->attribute)) adze_const_move_last(constant);
    }
}
