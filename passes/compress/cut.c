/* Cuts layers out of modules (cut.h). */
#include "passes/compress/cut.h"
#include "passes/weights/copy.h"

#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

/* Does the op read nothing but constants beside operand 0? */
static bool is_alone(const adze_op *op)
{
    for (uint32_t i = 1; i < adze_op_num_operands(op); i++)
        if (adze_op_operand(op, i) && !adze_value_const(adze_op_operand(op, i))) return false;
    return adze_op_operand(op, 0) && !adze_value_const(adze_op_operand(op, 0)) && adze_op_num_results(op) == 1;
}

static bool apply(adze_registry *registry, const adze_layer *layer, adze_format format,
                  const adze_layer_settings *settings, const char *plan_path, adze_module *copy)
{
    adze_context *context = adze_module_context(copy);
    adze_layer_plan *plan = adze_layer_plan_create(context);
    (void)adze_layer_concrete(layer, format, &format);
    adze_layer_plan_put(plan, layer->weights, format, NULL);
    adze_text passes = {0};
    for (uint32_t step = 0; !passes.size && step < ADZE_STRUCTURE_STEPS; step++)
        adze_layer_structure_pipeline(plan, step, plan_path, settings, &passes);
    if (!passes.size) adze_layer_pipeline(plan, plan_path, settings, &passes); /* no probe is of both */
    bool ok = adze_layer_plan_save(plan, plan_path) && (!passes.size || copy_run_passes(registry, passes.data, copy));
    adze_text_free(&passes);
    adze_layer_plan_destroy(plan);
    return ok;
}

/* A use that is there behind passes, too: of an op that does not read the layer's weights. NULL where there is none. */
static const adze_use *first_reader(const adze_ir_value *result, const adze_op *op)
{
    const adze_use *use = adze_value_first_use(result);
    while (use && adze_op_num_operands(adze_use_op(use)) > 1 &&
           adze_op_operand(adze_use_op(use), 1) == adze_op_operand(op, 1))
        use = adze_use_next(use);
    return use;
}

bool layer_cut(adze_registry *registry, const adze_module *module, const adze_layer *layer, adze_format format,
               const adze_layer_settings *settings, const char *plan_path, const adze_value *sample,
               adze_module **out_cut)
{
    *out_cut = NULL;
    if (!is_alone(layer->op)) return true;
    adze_module *copy = adze_module_clone(module);
    adze_func *func = adze_module_main(copy);
    adze_op *op = copy_twin(copy, layer->op);
    adze_ir_value *x = adze_op_operand(op, 0), *result = adze_op_result(op, 0); /* x outlives the passes */
    const adze_use *use = first_reader(result, op);
    adze_op *reader = use ? adze_use_op(use) : NULL;
    uint32_t index = use ? adze_use_index(use) : 0;
    bool ok = reader && apply(registry, layer, format, settings, plan_path, copy);
    if (!reader) return adze_module_destroy(copy), true;
    if (ok) result = adze_op_operand(reader, index); /* of what stands in the op's place */
    if (ok) { /* constant dims: those that a model computes from others cannot be those of an input */
        const adze_type *type = adze_type_tensor_const(adze_module_context(copy), (adze_dtype)sample->dtype,
                                                       sample->rank, sample->dims);
        adze_value_replace_uses(x, adze_region_add_arg(adze_func_body(func), type, "input of a layer"));
        copy_set_results(func, &result, 1);
        if (copy_settle(registry, copy)) return *out_cut = copy, true;
    }
    adze_module_destroy(copy);
    return false;
}

/* ---- Inputs ---- */

adze_module *layer_inputs(const adze_module *module, const adze_layer *layers, uint32_t n_layers)
{
    adze_module *copy = adze_module_clone(module);
    adze_ir_value **values = adze_malloc((n_layers + 1u) * sizeof(adze_ir_value *));
    for (uint32_t i = 0; i < n_layers; i++) values[i] = adze_op_operand(copy_twin(copy, layers[i].op), 0);
    copy_set_results(adze_module_main(copy), values, n_layers);
    free(values);
    return copy;
}
