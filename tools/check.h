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

/* Finds the first op whose result on the device differs from the reference's for these inputs, among those that an
 * output marked in `outputs` (one flag each) depends on. Reports it as an error with its ONNX node, what it reads and
 * makes, and where it is part of a kernel of several nodes, those; notes about the outputs where no op differs. */
void adze_check_first(const adze_check *check, const adze_value *inputs, const bool *outputs);

#endif
