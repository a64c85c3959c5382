/* Builders for ops that passes need over and over. A NULL operand gives NULL: an error that was reported goes through a
 * chain of them, and is asked for once at its end. */
#ifndef ADZE_WEIGHTS_BUILD_H
#define ADZE_WEIGHTS_BUILD_H

#include "passes/weights/matrix.h"

/* Does a derived constant of the module read it? It needs its bytes, and is no use of its value. */
bool build_feeds_constants(const adze_module *module, const adze_const *constant);
adze_ir_value *build_unary(adze_builder *b, const char *name, adze_ir_value *x);
adze_ir_value *build_binary(adze_builder *b, const char *name, adze_ir_value *x, adze_ir_value *y);
/* A constant of x's element type, of rank 0. */
adze_ir_value *build_scalar(adze_builder *b, const adze_ir_value *x, double value);
/* op(x, value), value a constant. */
adze_ir_value *build_with(adze_builder *b, const char *name, adze_ir_value *x, double value);
/* As another element type; x itself where it is of that. */
adze_ir_value *build_cast(adze_builder *b, adze_ir_value *x, adze_dtype to);
/* The same elements in other dims. */
adze_ir_value *build_reshape(adze_builder *b, adze_ir_value *x, uint32_t rank, const adze_dim *const *dims);
adze_ir_value *build_reshape_as(adze_builder *b, adze_ir_value *x, const adze_type *type);
adze_ir_value *build_expand_as(adze_builder *b, adze_ir_value *x, const adze_type *type);
adze_ir_value *build_transpose(adze_builder *b, adze_ir_value *x, const int64_t *perm);
adze_ir_value *build_swap_last(adze_builder *b, adze_ir_value *x); /* the last two axes */
/* Elements from `start` to before `end` of one axis; of all of them backwards: start -1, end INT64_MIN, step -1. */
adze_ir_value *build_slice(adze_builder *b, adze_ir_value *x, uint32_t axis, int64_t start, int64_t end, int64_t step);
/* Zeros, or `fill`, at the edges: before[rank], after[rank]. */
adze_ir_value *build_pad(adze_builder *b, adze_ir_value *x, const int64_t *before, const int64_t *after);
adze_ir_value *build_pad_with(adze_builder *b, adze_ir_value *x, const int64_t *before, const int64_t *after,
                              double fill);
/* Zeros between the elements of an axis, `stride` steps from one to the next. */
adze_ir_value *build_spread(adze_builder *b, adze_ir_value *x, uint32_t axis, int64_t stride);
adze_ir_value *build_concat(adze_builder *b, adze_ir_value *const *parts, uint32_t n, uint32_t axis);
/* "reduce_sum" and the like over some axes; n = 0: over all. */
adze_ir_value *build_reduce(adze_builder *b, const char *name, adze_ir_value *x, const int64_t *axes, uint32_t n,
                            bool keep);

/* ---- Windows, tap by tap (unfold.c) ---- */

enum { BUILD_MAX_SPATIAL = ADZE_MAX_RANK - 2 };

/* A sliding window whose extents are numbers. */
typedef struct build_window {
    adze_context *context;
    uint32_t spatial;
    size_t taps;
    const adze_dim *batch, *rows; /* of the batch; of all rows: batch times places */
    int64_t channels, places, groups;
    int64_t in[BUILD_MAX_SPATIAL], out[BUILD_MAX_SPATIAL], kernel[BUILD_MAX_SPATIAL];
    int64_t stride[BUILD_MAX_SPATIAL], dilation[BUILD_MAX_SPATIAL];
    int64_t before[BUILD_MAX_SPATIAL], after[BUILD_MAX_SPATIAL]; /* elements around the input; after may be below 0 */
} build_window;

/* `weights`: the type of those of a convolution; NULL: the op says how long its window is. False after an error. */
bool build_window_of(const adze_op *op, const adze_type *weights, int64_t groups, build_window *out);
/* The input with a border, as far as windows reach; what tap number `tap` reads of that. */
adze_ir_value *build_window_border(adze_builder *b, const build_window *g, adze_ir_value *x, double fill);
adze_ir_value *build_window_tap(adze_builder *b, const build_window *g, adze_ir_value *x, size_t tap);
/* Backwards: what came of one tap, at its place in the input with its border; the input without it. */
adze_ir_value *build_window_place(adze_builder *b, const build_window *g, adze_ir_value *x, size_t tap);
adze_ir_value *build_window_crop(adze_builder *b, const build_window *g, adze_ir_value *x);

/* ---- Contractions as products of matrices (unfold.c) ---- */

/* What a contraction multiplies with its weights: x, which has the dims of operand 0 of m->op, as [groups, rows, cols],
 * columns in the order of the weights. Windows and channels must have constant extents. NULL after an error. */
adze_ir_value *build_unfold(adze_builder *b, const weight_matrix *m, adze_ir_value *x);
/* y, which has the dims of the result, as [groups, rows, rows of a group]. */
adze_ir_value *build_unfold_result(adze_builder *b, const weight_matrix *m, adze_ir_value *y);
/* The sum of products of both, [groups, rows of a group, cols], in the dims of the weights. */
adze_ir_value *build_fold_weights(adze_builder *b, const weight_matrix *m, adze_ir_value *products);
/* What build_unfold does, backwards: columns [groups, rows, cols] are added up where they came from. */
adze_ir_value *build_fold_input(adze_builder *b, const weight_matrix *m, adze_ir_value *columns);
/* Weights as [groups, rows of a group, cols]. */
adze_ir_value *build_weight_rows(adze_builder *b, const weight_matrix *m, adze_ir_value *weights);

#endif
