/* What access functions share (private). An access starts zeroed; axes are added in order, then maps. */
#ifndef ADZE_ACCESS_H
#define ADZE_ACCESS_H

#include <adze/ir.h>
#include <adze/ops_attrs.h>

/* access_util.c */

/* Type of operand `index` if it is a ranked tensor, else NULL. */
const adze_type *access_operand_type(const adze_op *op, uint32_t index);
const adze_type *access_result_type(const adze_op *op, uint32_t index);
/* Adds an axis and gives its number in *out; false if there are too many. */
bool access_add_axis(adze_access *a, adze_axis_kind kind, const adze_dim *extent, uint32_t *out);
/* One parallel axis per dim of the first result, which it maps as it stands. */
bool access_result_axes(const adze_op *op, adze_access *a);
/* Starts the map of an operand of `rank` dims; its dims are filled by the caller. NULL if there are too
 * many operands. */
adze_access_map *access_map_operand(adze_access *a, uint32_t operand, uint32_t rank);
/* The map that broadcasts an operand to the result's dims, whose axes are 0, 1, … False where the dims
 * leave open along which axes it is broadcast. */
bool access_broadcast(const adze_op *op, adze_access *a, uint32_t operand);
const adze_dim *access_axis(const adze_op *op, uint32_t axis);

#endif
