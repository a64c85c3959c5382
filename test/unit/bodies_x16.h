/* Vector bodies as row functions, one table a CPU level. */
#ifndef ADZE_TEST_BODIES_X16_H
#define ADZE_TEST_BODIES_X16_H

#include "ir/eval/bodies_table.h"

typedef struct x16_row {
    const char *symbol;
    adze_row_fn *row;
} x16_row;

typedef struct x16_rows {
    const x16_row *rows;
    size_t count;
} x16_rows;

extern const x16_rows x16_v3, x16_v4;

#endif
