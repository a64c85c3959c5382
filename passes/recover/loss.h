/* What a block's results should be, and how far they are from it: ops over the pair. */
#ifndef ADZE_RECOVER_LOSS_H
#define ADZE_RECOVER_LOSS_H

#include "passes/recover/blocks.h"

typedef enum loss_kind {
    LOSS_FEATURES, /* squared error of a value, of the square of the target */
    LOSS_MAPS,     /* KL of probabilities: rows of a softmax, of attention */
    LOSS_LOGITS    /* KL of softmax(x / T), times T^2 */
} loss_kind;

/* One term. `value` is the student's in the copy; `target` what the teachers say: features or probabilities. */
typedef struct loss_term {
    loss_kind kind;
    double weight;
    adze_ir_value *value, *target;
    uint32_t axis; /* of probabilities */
    const adze_type *type; /* of the target */
} loss_term;

/* Terms of a block, and at its end the targets' ops, which are added by b. NULL after an error; in p's arena. */
loss_term *loss_terms(recover_pair *p, const recover_options *o, const recover_block *block, adze_builder *b,
                      uint32_t *out_n);
/* One term of `value` against `target`, of rank 0. NULL after an error. */
adze_ir_value *loss_build(adze_builder *b, const recover_options *o, const loss_term *term, adze_ir_value *value,
                          adze_ir_value *target);

#endif
