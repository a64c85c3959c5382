/* Blocks of a student: what is reconstructed at a time. */
#ifndef ADZE_RECOVER_BLOCKS_H
#define ADZE_RECOVER_BLOCKS_H

#include "passes/recover/recover.h"

typedef struct recover_block {
    adze_ir_value **inputs; /* what it reads of what layers before it gave */
    adze_ir_value **ends;
    adze_op **ops;       /* of the copy, the student's own, in order */
    uint32_t n_inputs, n_ends, n_ops;
    bool last;           /* its ends are the outputs of the model */
} recover_block;

/* A block ends where one value alone goes on, and at least min_layers layers are in it: residual blocks, layers of a
 * transformer, a few layers of a chain. `blocks` names the ends instead, comma between. NULL after an error. */
recover_block *recover_blocks(recover_pair *p, const recover_options *o, uint32_t *out_n);

#endif
