/* The built-in op rows, expanded from ops.def in table.c. */
#ifndef ADZE_ROWS_H
#define ADZE_ROWS_H

#include <adze/ir.h>

extern const adze_op_row adze_builtin_rows[];
extern const uint32_t adze_n_builtin_rows;

#endif
