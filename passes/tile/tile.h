/* tile: shared by the parts of the pass that turns kernels into loop IR.
 *
 * Positions are dim expressions over loop axes: axis $k stands for the SSA value axes[k]. One axis, the
 * lane axis, is special: its value is that of lane 0, and lane l stands at value + l.
 */
#ifndef ADZE_TILE_H
#define ADZE_TILE_H

#include <adze/pass.h>

enum { TILE_MAX_AXES = 192, TILE_MAX_MEMO = 512 };

/* A position in a tensor: one expression a logical axis. */
typedef struct tile_point {
    uint32_t rank;
    const adze_dim *at[ADZE_MAX_RANK];
} tile_point;

/* A value that was computed ahead for a row: a scalar, or a buffer that holds the row along `axis`. */
typedef struct tile_memo {
    const adze_ir_value *value;
    tile_point point;      /* the row: entries of `axis` are ignored */
    int axis;              /* -1: scalar or vector `result` */
    adze_ir_value *result; /* the value, or the row's buffer */
    adze_ir_value *scale;  /* the row's factor, or NULL */
    adze_ir_value *shift;  /* subtracted before scaling, or NULL */
    bool columns;          /* the buffer holds 16 rows, one a lane: [extent, 16] */
} tile_memo;

typedef struct tile_options {
    const char *sparse; /* auto, true, false */
    bool small;
} tile_options;

/* A level of the artifact that functions are written for. */
typedef struct tile_level {
    adze_pass_run run;
    const tile_options *options;
} tile_level;

typedef struct tile {
    adze_pass_run *run;
    const tile_options *options;
    adze_context *context;
    adze_module *module;
    adze_op *kernel;
    adze_region *region; /* the kernel's */
    adze_func *func;     /* being written */
    adze_ir_value *const *operands; /* of the launch: the kernel's, or panels for weights */
    adze_builder b;
    adze_ir_value *axes[TILE_MAX_AXES];
    const adze_dim *extents[TILE_MAX_AXES];
    uint32_t n_axes;
    int lane;            /* lane axis, or -1 */
    int any_axis;        /* axis that stands for any reduction axis while a row is prepared, or -1 */
    bool scalar;         /* vectors did not work out: one element at a time */
    bool failed;         /* this form cannot be emitted */
    adze_ir_value *mask; /* lanes in use, or NULL = all */
    bool flat;           /* all dims are taken as one: positions have rank 1 */
    adze_ir_value **flat_buffers; /* of the region's arguments; NULL = one element */
    tile_memo memo[TILE_MAX_MEMO];
    uint32_t n_memo;
} tile;

/* ---- emit.c: positions and values ---- */

uint32_t tile_axis(tile *t, adze_ir_value *value, const adze_dim *extent);
const adze_dim *tile_dim(tile *t, int64_t value);
adze_ir_value *tile_index(tile *t, const adze_dim *expr); /* i64, lane 0 */
adze_ir_value *tile_lit(tile *t, adze_dtype dtype, double value);
adze_ir_value *tile_op(tile *t, const char *name, adze_ir_value *const *operands, uint32_t n);
adze_ir_value *tile_op2(tile *t, const char *name, adze_ir_value *a, adze_ir_value *b);
adze_ir_value *tile_cast(tile *t, adze_ir_value *value, adze_dtype dtype);
adze_ir_value *tile_splat(tile *t, adze_ir_value *value); /* scalar to vector; vectors stay */
bool tile_is_vector(const adze_ir_value *value);
/* The element (or lanes) of a value of the kernel's region at a position. NULL after t->failed. */
adze_ir_value *tile_value(tile *t, adze_ir_value *value, const tile_point *at);
/* The same of a value that is read through a guarded map: elements outside give its constant, and are not read. */
adze_ir_value *tile_guarded(tile *t, adze_ir_value *operand, const adze_access_map *map, const tile_point *at);
/* Reads and writes through a tensor's buffer. */
adze_ir_value *tile_load(tile *t, adze_ir_value *buffer, const adze_type *tensor, const tile_point *at);
void tile_store(tile *t, adze_ir_value *value, adze_ir_value *buffer, const adze_type *tensor,
                const tile_point *at);
adze_ir_value *tile_buffer(tile *t, const adze_ir_value *arg); /* of a region argument */
adze_ir_value *tile_result(tile *t, uint32_t index);           /* buffer of a kernel result */
const tile_memo *tile_remember(tile *t, tile_memo memo);
const tile_memo *tile_recall(const tile *t, const adze_ir_value *value, const tile_point *at);

/* What a memo holds, at a position of its row. */
adze_ir_value *tile_row_value(tile *t, const tile_memo *memo, const tile_point *at);

/* ---- loops.c: loops and their bodies ---- */

/* Opens `for (i = lo; i < hi; i += step)`; later ops go inside until tile_end. Returns the new axis.
 * `carried` in: initial values; during the loop: the current ones. */
typedef struct tile_loop {
    adze_op *op;
    adze_builder outer;
    uint32_t axis;
    uint32_t n_memo;
} tile_loop;
tile_loop tile_for(tile *t, adze_ir_value *lo, adze_ir_value *hi, int64_t step, bool unroll,
                   adze_ir_value **carried, uint32_t n_carried);
/* Closes it; `carried` in: values to carry on; out: the loop's results. */
void tile_end(tile *t, tile_loop *loop, adze_ir_value **carried, uint32_t n_carried);
tile_loop tile_parallel(tile *t, const adze_dim *chunks);
void tile_end_parallel(tile *t, tile_loop *loop);
/* Runs `body` over [0, extent) of a new axis, 16 lanes at a time with a masked rest; one element at a time
 * where t->scalar. */
typedef void tile_body(tile *t, void *self, uint32_t axis, adze_ir_value **carried);
void tile_lanes(tile *t, const adze_dim *extent, tile_body *body, void *self, adze_ir_value **carried,
                uint32_t n_carried);
adze_ir_value *tile_identity(tile *t, adze_combine combine, adze_dtype dtype);
adze_ir_value *tile_combine(tile *t, adze_combine combine, adze_ir_value *a, adze_ir_value *b);
adze_ir_value *tile_combine_masked(tile *t, adze_combine combine, adze_ir_value *acc, adze_ir_value *value);
adze_ir_value *tile_reduce_lanes(tile *t, adze_combine combine, adze_ir_value *vector);

/* ---- build.c: bounds, axes, scratch memory, views, calls, copies ---- */

const adze_dim *tile_min(tile *t, const adze_dim *a, const adze_dim *b);
const adze_dim *tile_max(tile *t, const adze_dim *a, const adze_dim *b);
/* An axis of its own for a number in [0, extent), so that its bounds are known and expressions stay short. */
const adze_dim *tile_bind(tile *t, const adze_dim *expr, const adze_dim *extent);
/* Takes the innermost factor off a chunk's number and binds it. */
const adze_dim *tile_digit(tile *t, const adze_dim **rest, const adze_dim *extent);
/* Only the first `left` lanes are in use from here on. */
void tile_mask(tile *t, const adze_dim *left);
/* Dense memory of the chunk's own, aligned to 64 bytes. */
adze_ir_value *tile_scratch(tile *t, adze_dtype dtype, uint32_t rank, const adze_dim *const *dims);
/* The buffer moved to an index of its own axes. */
adze_ir_value *tile_view(tile *t, adze_ir_value *buffer, const adze_dim *const *index);
/* The axis of the tensor that lies at this place in memory. */
uint32_t tile_logical_axis(const adze_type *tensor, uint32_t physical);
/* A tensor's buffer moved to a position of the tensor. */
adze_ir_value *tile_view_at(tile *t, adze_ir_value *buffer, const adze_type *tensor, const tile_point *at);
/* 16 lanes from a matrix, and into one. */
adze_ir_value *tile_load_lanes(tile *t, adze_ir_value *buffer, const adze_dim *row, const adze_dim *column);
void tile_store_lanes(tile *t, adze_ir_value *value, adze_ir_value *buffer, const adze_dim *row,
                      const adze_dim *column);
/* Calls a micro-kernel. */
void tile_call(tile *t, const char *name, adze_ir_value *const *args, uint32_t n);
/* for (i = 0; i < extent; i += step), unrolled. */
tile_loop tile_unrolled(tile *t, int64_t extent, int64_t step);
/* Above `before`, a kernel that copies a tensor into the layout of `type`. */
adze_op *tile_relayout(adze_op *before, adze_ir_value *value, const adze_type *type);

/* ---- reduce.c: reductions and row statistics ---- */

/* A reduction's result at a position, in place. */
adze_ir_value *tile_reduction(tile *t, adze_op *op, const tile_point *at);
/* A reduction of whole axes whose results lie side by side: TILE_COLUMNS vectors of them may be made in one pass. */
enum { TILE_COLUMNS = 4 };
bool tile_has_columns(const adze_op *op);
/* Makes them, from `at` on along dim `dim`, the one that lanes run along, and remembers them. */
void tile_reduce_columns(tile *t, adze_op *op, const tile_point *at, uint32_t dim);
bool tile_depends(tile *t, const tile_point *at, uint32_t axis, int except);
/* Bounds of window axis k that keep every guarded index of operand 0 inside it; `with` gives the axes bound so
 * far. False where they vary over the lanes. */
bool tile_window_bounds(tile *t, const adze_op *op, const adze_access *access, const adze_dim *const *with, uint32_t k,
                        const adze_dim **lo, const adze_dim **hi);
/* A normalization's result; its row statistics were prepared. */
adze_ir_value *tile_normalized(tile *t, adze_op *op, const tile_point *at);
/* The axis along which a normalization runs; -1 if it is not one axis. */
int tile_row_axis(const adze_op *op);
/* Computes ahead what the values below `value` need once a row (everything that does not vary over `lane`); inside
 * lanes for a row each. */
void tile_prepare(tile *t, adze_ir_value *value, const tile_point *at, uint32_t lane);

/* ---- transpose.c ---- */

/* Writes a value that only moves an argument's elements, contiguous there along another axis than in `tensor`, 16 x 16
 * at a time. False, with nothing written, where it is none. */
bool tile_transpose(tile *t, adze_ir_value *value, adze_ir_value *buffer, const adze_type *tensor);
/* The same for both of these axes alone: `at` is where along the others. Element `at` of the value goes to `at` less
 * `shift` of the buffer; entries that are NULL are 0. */
bool tile_transpose_at(tile *t, adze_ir_value *value, adze_ir_value *buffer, const adze_type *tensor,
                       const tile_point *at, const adze_dim *const *shift);

/* ---- quant.c ---- */

/* The result of an op that quantizes, or back, at a position. */
adze_ir_value *tile_quantized(tile *t, const adze_op *op, const tile_point *at);

/* ---- pack.c ---- */

/* A cast between integers below a byte and bytes of the same sign. */
bool tile_packs(const adze_op *op);

/* ---- bends.c: positions that go straight piece by piece ---- */

enum { TILE_MAX_PIECES = 6 };

/* The expression without a min, a max or a mod of which the bounds of axes tell the result. */
const adze_dim *tile_settle(tile *t, const adze_dim *expr);
/* Where the pieces end along which the elements of a value that is moved are read straight; its position is `at`, whose
 * entry `dim` is `axis`, of known extent. 0 = there is one piece, or too many. */
uint32_t tile_pieces(tile *t, const adze_ir_value *value, const tile_point *at, uint32_t dim, uint32_t axis,
                     int64_t *out_ends);

/* ---- gather.c: positions that are loaded ---- */

/* The result of an op whose access has axes of kind INDEX, at a position. */
adze_ir_value *tile_gather(tile *t, const adze_op *op, const adze_access *access, const tile_point *at);

/* ---- sum.c: contractions one element, or 16 lanes, at a time ---- */

/* A contraction's result at a position, in place. */
adze_ir_value *tile_sum(tile *t, adze_op *op, const tile_point *at);
/* What follows the sum of products: alpha, and the bias with its factor. */
adze_ir_value *tile_after_sum(tile *t, const adze_op *op, const tile_point *at, adze_ir_value *sum);

/* ---- codes.c: weights that are stored as codes with scales ---- */

/* A dequantize of constants that contractions alone read as their weights, in a form that kernels compute with. */
bool tile_keeps_codes(const adze_op *op);
/* Are the weights of `op` made by such a one? */
bool tile_gives_codes(const adze_op *op);
/* Puts a dequantize of its own right above such a contraction, with a scale a column or a group, and a
 * zero point likewise unless all are 0. */
bool tile_take_codes(adze_op *root);
/* The dequantize that makes the weights of a contraction, in the same region; NULL: there is none. */
adze_op *tile_codes(const adze_op *root);
/* The argument of the kernel that holds weights or their codes. */
adze_ir_value *tile_weights_arg(const adze_op *root);
/* A constant of floats instead. Of a kernel: instead of all of its codes; false where it has none. */
bool tile_make_wide(adze_op *dequantize);
bool tile_widen_kernel(adze_op *kernel);

/* ---- nest.c, contract.c, rows.c, product.c, attention.c: one kernel form each; false: not of this form ---- */

bool tile_pack_bytes(tile *t);
bool tile_nest(tile *t);
/* All of a buffer as one axis of `count` elements. */
adze_ir_value *tile_flat(tile *t, adze_ir_value *buffer, const adze_dim *count);
bool tile_contract(tile *t);
bool tile_product(tile *t);
bool tile_rows(tile *t);
bool tile_attention(tile *t);
/* Convolutions of which one reads what another makes, or one and the copy that it reads: a kernel for tile_rows. */
bool tile_is_chain(const adze_op *kernel);
/* All of the kernel's ops are elementwise over operands of the result's shape or of one element. */
bool tile_is_flat(const adze_op *kernel);
/* The first contraction of a kernel, or the first behind `after`; NULL if there is none. */
adze_op *tile_root(const adze_op *kernel, const adze_op *after);
/* The panels of its weights: a constant for a constant, however many kernels share it, else an op above the kernel. */
adze_ir_value *tile_pack(tile *t, adze_op *root, adze_ir_value *weights);
/* The panels of the scales of its weights, or of the zero points, where those are codes. */
adze_ir_value *tile_pack_scales(tile *t, adze_op *root, adze_ir_value *scales);
/* Begin and end pads of a convolution's spatial axes, auto_pad resolved; false where dims are not known or
 * there is another number of axes. */
bool tile_conv_pads(const adze_op *op, uint32_t spatial, int64_t *out_pads);
/* Have the micro-kernels a form for this convolution over three axes of f32? */
bool tile_slides_over_three(const adze_op *root);
/* Where operand `index` of `op` is read when its result is wanted at `at`; false: no such form. */
bool tile_operand_point(tile *t, const adze_op *op, uint32_t index, const tile_point *at, tile_point *out);
/* Fills the halo of result `index` with zeros. */
void tile_zero_halo(tile *t, uint32_t index);

#endif
