/* batchnorm-fold: batch normalization, and per-channel scales and shifts, go into the weights before them.
 *
 * Applies rules/batchnorm.rules.
 *
 *     %1 = conv(%x, @w) : f32[1,8,4,4]                      →  %s = div(@scale, sqrt(add(@variance, 1e-5)))
 *     %2 = batch_norm(%1, @scale, @bias, @mean, @variance)     %2 = conv(%x, mul(@w, %s), sub(@bias, mul(@mean, %s)))
 */
#include "passes/examples_embedded.h"

#include <adze/pass.h>

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    if (self->precision == ADZE_PRECISION_STRICT) return ADZE_UNCHANGED;
    return adze_rules_run(func, self, "batchnorm-fold", true);
}

const adze_pass adze_pass_batchnorm_fold = {
    .struct_size = sizeof(adze_pass),
    .name = "batchnorm-fold",
    .help = "move batch normalization and per-channel scales into the weights before them",
    .numerics = ADZE_FAST,
    .run = run,
    .purpose = "simplify",
    .contract = "The weights must be constants, and what lies between them and the normalization must have no other "
                "reader. What has no weights before it becomes one mul and one add. The new weights are ops over "
                "constants: run fold after it. Does nothing where the precision is strict.",
    .example = adze_example_batchnorm_fold,
};
