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
    bool reference; /* the device is the reference itself */
} adze_check;

/* Finds the first op of a model whose result on the device differs from the reference's for these inputs, and
 * reports it with its ONNX node as an error; a note where none does. */
void adze_check_first(const adze_check *check, const adze_value *inputs);

#endif
