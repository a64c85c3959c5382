/* What inference functions share (private). They may rely on operand and attribute counts and kinds
 * having been checked against the row, and must tolerate unknown dims and ranks.
 *
 * Inference never forgets: where it cannot know a dim but the op's current result type states it, the
 * stated dim stays, and so does a layout that the result has.
 */
#ifndef ADZE_INFER_H
#define ADZE_INFER_H

#include <adze/ir.h>
#include <adze/ops_attrs.h>

/* A tensor type being worked on. */
typedef struct inferred {
    adze_dtype dtype;
    bool ranked;
    uint32_t rank;
    const adze_dim *dims[ADZE_MAX_RANK];
} inferred;

/* data.c: reading it takes no computation, or one over little: inference looks at no other, or a text could make it
 * compute for hours. */
bool adze_data_is_quick(const adze_data *data);

/* infer_util.c */

/* Type of operand `index`; NULL if it is absent. */
const adze_type *infer_operand(const adze_op *op, uint32_t index);
/* Reads operand `index` as a tensor; reports if it is something else. */
bool infer_tensor(const adze_op *op, uint32_t index, inferred *out);
/* The same, and reports if its rank is known and not within [min, max]. */
bool infer_ranked(const adze_op *op, uint32_t index, uint32_t min, uint32_t max, inferred *out);
/* Stores a result type; reports a negative dim. */
bool infer_result(const adze_op *op, const adze_type **out_types, uint32_t index, const inferred *shape);
/* A tensor of unknown dims. */
inferred infer_unranked(adze_dtype dtype);
inferred infer_unknown_dims(const adze_op *op, adze_dtype dtype, uint32_t rank);
/* Operand `index` is absent or an integer tensor of rank 0 or 1 (as shapes, axes and indices are);
 * reports if not. */
bool infer_integers(const adze_op *op, uint32_t index);
/* Operand `index` is a tensor of i32 or i64 of any rank (infer_scatter.c); reports if not. */
bool infer_index_operand(const adze_op *op, uint32_t index, inferred *out);
/* Axis counted from either end of `rank` axes; reports if out of range. */
bool infer_axis(const adze_op *op, int64_t axis, uint32_t rank, uint32_t *out_axis);
/* Axes in a constant operand as a bit set over `rank` axes. *out_known is false if the operand is no
 * constant. Reports an axis out of range. */
bool infer_axes(const adze_op *op, uint32_t index, uint32_t rank, uint32_t *out_set, bool *out_known);
/* The dim of two that are broadcast together; NULL if they cannot be. */
const adze_dim *infer_broadcast_dim(adze_context *context, const adze_dim *a, const adze_dim *b);
/* Broadcasts `b` into `a` by numpy's rule; false if the dims do not agree (nothing is reported). */
bool infer_broadcast_into(adze_context *context, inferred *a, const inferred *b);
/* Both dims as one: the constant where one is; NULL if they cannot be equal. */
const adze_dim *infer_same_dim(const adze_dim *a, const adze_dim *b);
/* Texts for errors, kept by the context. */
const char *infer_type_text(const adze_op *op, uint32_t operand);
const char *infer_dim_text(const adze_op *op, const adze_dim *dim);
/* Operand `index` as dims: the count, -1 if absent or unknown. */
int infer_as_dims(const adze_op *op, uint32_t index, const adze_dim **out, int max);
int infer_as_ints(const adze_op *op, uint32_t index, int64_t *out, int max);
/* An argument of a kernel stands for the operand: what is constant outside is constant inside. */
const adze_ir_value *infer_outside_kernel(const adze_ir_value *value);
/* Elements of the constant f32 operand `index`, at most ADZE_MAX_RANK; -1 if it is none. */
int infer_scales(const adze_op *op, uint32_t index, double *out);
/* ONNX's number of an element type; NONE if there is none. */
adze_dtype infer_onnx_dtype(int64_t number);

#endif
