/* Batch normalizations that have not been folded get the means and variances that the changed model has, in order. No
 * teacher is needed. */
#include "passes/recover/recover.h"
#include "passes/weights/constant.h"

#include <stdlib.h>

enum { MEAN = 3, VARIANCE = 4 };

static bool is_normalization(const adze_op *op)
{
    if (!adze_op_is(op, "batch_norm")) return false;
    for (uint32_t i = MEAN; i <= VARIANCE; i++) {
        const adze_ir_value *x = adze_op_operand(op, i);
        if (!x || !adze_value_const(x) || adze_type_dtype(adze_value_type(x)) != ADZE_DTYPE_f32) return false;
    }
    return true;
}

static bool estimate(adze_module *module, adze_op *op, adze_pass_run *run, const recover_options *o)
{
    const adze_ir_value *value = adze_op_operand(op, 0);
    adze_collect_options how = {.struct_size = sizeof how};
    how.samples = o->samples > 0 ? (uint64_t)o->samples : 0;
    adze_stats *stats = adze_stats_collect(run->registry, module, &value, 1, run->calibration, &how);
    const adze_value_stats *x = stats ? adze_stats_of(stats, value) : NULL;
    const adze_type *type = adze_value_type(adze_op_operand(op, MEAN));
    int64_t n = 0;
    bool ok = x && adze_dim_is_const(adze_type_count(type), &n) && x->axis == 1 && x->channels.n == (uint64_t)n;
    if (stats && !ok) adze_error(adze_op_loc(op), "recover: the channels of what is normalized here cannot be told");
    for (uint32_t i = MEAN; ok && i <= VARIANCE; i++) {
        const double *from = i == MEAN ? x->channels.mean : x->channels.variance;
        float *numbers = adze_malloc((size_t)n * sizeof *numbers);
        for (int64_t k = 0; k < n; k++) numbers[k] = (float)from[k];
        adze_const *old = adze_value_const(adze_op_operand(op, i));
        adze_ir_value *made = adze_const_make(module, adze_const_name(old), type, numbers);
        free(numbers);
        ok = made;
        if (!made) break;
        adze_op_set_operand(op, i, made);
        (void)constant_settle(old, made);
    }
    adze_stats_destroy(stats);
    return ok;
}

adze_outcome recover_batchnorm(adze_module *module, adze_pass_run *run, const recover_options *o)
{
    adze_func *func = adze_module_main(module);
    if (!run->calibration) {
        adze_error(adze_func_loc(func), "recover needs calibration data: --calib=DATA");
        return ADZE_FAILED;
    }
    uint32_t n = 0;
    for (adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) {
        if (!is_normalization(op) || !adze_rewrite(run, op, "estimate")) continue;
        if (!estimate(module, op, run, o)) return ADZE_FAILED;
        n++;
    }
    if (!n)
        adze_note(adze_func_loc(func), "recover: there is no batch normalization left to estimate; where it has been "
                                       "folded, method=moments does the same");
    return n ? ADZE_CHANGED : ADZE_UNCHANGED;
}
