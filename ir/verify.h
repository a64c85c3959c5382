/* What the files of the verifier share. */
#ifndef ADZE_VERIFY_H
#define ADZE_VERIFY_H

#include "ir/ir_private.h"

typedef struct adze_verifier {
    const adze_module *module;
    const adze_func *func;
    adze_arena arena;
    adze_table seen; /* value -> where it may be used */
    uint32_t violations;
} adze_verifier;

/* Counts and reports one violation at an op; always false. */
bool adze_verify_fail(adze_verifier *v, const adze_op *op, const char *format, ...)
    ADZE_PRINTF(3, 4);

/* verify_loop.c: typing of structure and loop IR: regions' arguments and yields, indices, buffers,
 * masks, launches. The op's counts are right already. */
void adze_verify_structure(adze_verifier *v, const adze_op *op);

#endif
