/* What the parts of `adze check` share. */
#ifndef ADZE_CHECK_H
#define ADZE_CHECK_H

#include "compare.h"
#include "feed.h"

typedef struct adze_check {
    adze_work *work;
    const adze_common *common;
    const char *path;
    adze_tolerance tolerance;
    bool made_inputs; /* random ones */
    bool expected;    /* outputs are compared with stored ones */
    adze_device_kind kind; /* what is checked: COMPILED, LOWERED or the REFERENCE itself */
} adze_check;

enum { ADZE_CHECK_DEPTH = 4 }; /* of loops in each other */

/* An op inside regions whose first result differs. */
typedef struct adze_check_place {
    adze_op *op; /* NULL: none was found */
    adze_difference difference; /* of the run that differs first */
    char where[160];            /* of its elements */
    uint32_t depth;             /* loops around it, and which iteration of each, outer ones first */
    int64_t iteration[ADZE_CHECK_DEPTH];
} adze_check_place;

/* Looks for it in the regions of the control op at that place in the body of the main function of `module`, which stays
 * as it is (check_inside.c). True if there is one: its op is of *out_module, which the caller destroys. */
bool adze_check_inside(const adze_check *check, const adze_value *inputs, const adze_module *module, uint32_t position,
                       adze_check_place *out, adze_module **out_module);

/* Finds the first op whose result on the device differs from the reference's for these inputs, among those that an
 * output marked in `outputs` (one flag each) depends on. Reports it as an error with its ONNX node, what it reads and
 * makes, and where it is part of a kernel of several nodes, those; notes about the outputs where no op differs. */
void adze_check_first(const adze_check *check, const adze_value *inputs, const bool *outputs);

#endif
