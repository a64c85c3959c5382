/* Fits one layer of the copy in closed form. */
#ifndef ADZE_RECOVER_LAYER_FIT_H
#define ADZE_RECOVER_LAYER_FIT_H

#include "passes/recover/recover.h"

/* Dampings that are tried: `tries` of them from `damping` on, each `factor` times the one before. */
typedef struct fit_how {
    double damping, factor;
    int tries;
} fit_how;

/* Builds what the layer's result lacks, in its dims. NULL after an error. */
typedef adze_ir_value *fit_lack(void *self, adze_builder *b);

/* Changes weights, where they are floats, and bias, where there is one. False after an error. */
bool layer_fit(recover_pair *p, const recover_options *o, recover_layer *l, const fit_how *how, fit_lack *lack,
               void *self);

#endif
