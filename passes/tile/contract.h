/* tile: contractions with constant weights around the micro-kernels; what their forms share.
 *
 * The space of a contraction is outer positions x groups x rows x columns x output channels. A tile is
 * `mr` columns (or a few short rows) by `nr` channels; a micro-kernel sums it, and the elementwise ops
 * that follow run on it while it is in registers.
 */
#ifndef ADZE_TILE_CONTRACT_H
#define ADZE_TILE_CONTRACT_H

#include "passes/tile/tile.h"

/* Columns of a packed panel; consecutive k of a column that a panel of integers holds beside each other, and one of
 * 4-bit codes for floats; most rows of a register tile, pixels of a depthwise one; how far ahead, in elements, a panel
 * is fetched that is read once. */
enum { TILE_PANEL = 16, TILE_INTERLEAVE = 4, TILE_CODE_ROW = 8, TILE_MAX_MR = 14, TILE_MAX_PIXELS = 8 };
/* Most rows of a call for tiles, and steps of k from which they are worth it. */
enum { TILE_PIXELS = 32, TILE_MAX_TILE_ROWS = 256, TILE_TILES_K = 32 };
enum { TILE_AHEAD = 64 * TILE_PANEL };
/* Rows up to which micro-kernels read codes, in one tile; how far ahead they fetch, in bytes. */
enum { TILE_FEW_ROWS = 6, TILE_CODES_AHEAD = 2560 };
/* Work that makes a chunk worth handing out, and how many chunks a kernel has at most. */
enum { TILE_CHUNK_FLOPS = 4000000, TILE_MAX_CHUNKS = 16 };

typedef struct contraction {
    adze_op *root;
    adze_ir_value *input, *weights, *output; /* buffers */
    const adze_type *x, *y;                  /* as they lie in `input` and `output` */
    bool depthwise;
    bool integer; /* u8 with i8 or i16 in i32, else f32 */
    bool narrow;  /* pairs of products fit 16 bits */
    bool tiles;   /* more rows than TILE_MAX_MR at once are for the micro-kernel that sums on tiles */
    /* Weights that are stored in fewer bits than the micro-kernels of `integer` or floats read. */
    int64_t code_bits;            /* 4 or 8; 0 = they are as they are read */
    adze_ir_value *scales;        /* panels of scales, for floats */
    adze_ir_value *zeros;         /* of zero points likewise; NULL = they are 0 */
    int64_t scale_group;          /* steps of k of a tap that share one */
    bool tap_scales;              /* each tap has its own */
    bool direct;                  /* a micro-kernel reads the codes; else blocks of columns are made wide first */
    int64_t few_columns;          /* where the number of columns is not known: up to so many are direct; 0 = none */
    adze_ir_value *wide;          /* the block that is wide now */
    uint32_t weights_at;          /* the operand of the kernel that holds the weights */
    bool kept;                    /* they are the rows of panels that are not zero (pack_kept) */
    bool each;                    /* they are the weights that are not zero (pack_kept, width 1) */
    adze_ir_value *pixels;        /* what tiles of rows multiply them with, laid out step by step */
    bool packing;                 /* pieces lay that out, and do nothing else */
    int64_t tiles_at_once;        /* how many tiles of rows `pixels` holds */
    const adze_const *masked;     /* the panels that pack_masked packed without their zeros; NULL = they are no such */
    uint32_t outer[ADZE_MAX_RANK], n_outer; /* logical axes of the result that are looped over one by one */
    bool slides; /* windows reach along the last of these too */
    int64_t outer_stride, outer_pad;
    int row_axis, col_axis, channel_axis;   /* of the result; row_axis -1 = one row */
    const adze_dim *rows, *cols;
    int64_t groups, group_in, channels; /* channels: of one group's output */
    int64_t kernel[2], stride[2], dilation[2], pad[2]; /* of rows and columns; taps of a third axis count as rows */
    const adze_dim *stride_row, *stride_col; /* input elements between rows and columns of the result */
    const adze_dim *t0, *s0, *t1, *s1, *k;
    int64_t mr, nr;
    adze_ir_value *yielded; /* what is stored: the root's result or what elementwise ops make of it */
    tile_point at;          /* of the result; channel entry is the lane axis */
    /* Input and output may be slabs: some rows of one image. The row that the slab begins with; NULL = the
     * buffer is the whole tensor. */
    const adze_dim *x_first, *y_first;
    bool some_rows; /* the rows to make are not known to be all of them */
    /* Pixels of an image as one line of columns, where the input lies so; 0 = no. */
    int64_t line;
    bool even; /* and all that is read and written beside it does: the row of a position may stay 0 */
} contraction;

/* ---- contract_describe.c ---- */

/* Fills in what does not depend on where the input and the result lie, from c->root, c->x and c->y. False
 * where the contraction has no micro-kernel form. Padding along rows needs a halo unless c->x_first is set. */
bool tile_describe(tile *t, contraction *c);
/* The contraction's data and weights are f32, or u8 and i8 or i16, and the weights an operand of this kernel that
 * nothing else in it reads:
 * a constant, or anything that slides over the data. */
bool tile_has_panels(const adze_op *kernel, const adze_op *root);

/* The taps of a row of the window lie beside each other in the data, and panels of integers hold them so. */
bool tile_taps_run_on(const adze_op *root, const adze_type *data);

/* Finds the panels of the contraction's weights, and of their scales and zero points. */
void tile_find_weights(tile *t, contraction *c);

/* ---- codes.c ---- */

/* Codes, scales and zero points are constants that nothing else in the kernel reads, as tile_take_codes leaves them. */
bool tile_codes_fit(const adze_op *root);
/* No number of an i8 constant is outside -8 .. 7. */
bool tile_fits_4_bits(const adze_const *weights);
/* Makes the codes of `vectors` panels of 16 columns from `panel` on wide, into scratch memory. */
/* f32q4, f32q8h, f32q4z, …: what micro-kernels for the contraction's codes, scales and zero points are named by. */
const char *tile_codes_name(tile *t, const contraction *c);
void tile_widen_block(tile *t, contraction *c, const adze_dim *group, const adze_dim *panel, int64_t vectors);

/* ---- sparse.c ---- */

typedef struct tile_kept {
    int64_t width; /* of panels: TILE_PANEL, or 1 */
    int64_t rows;  /* of all panels, that are not zero */
    int64_t steps[ADZE_MAX_RANK];
    uint32_t n_steps;
} tile_kept;

/* Are the weights of `root` better read without the rows that are zero? */
bool tile_choose_kept(tile *t, const adze_op *root, const adze_ir_value *weights, tile_kept *out);
/* Says in c how the weights are packed. */
void tile_find_sparse(tile *t, contraction *c);
/* Elements of panels that are not zero, where the caller wants that to be stored and it is smaller; -1: no. */
int64_t tile_choose_masked(const tile *t, const adze_op *root, const adze_const *panels);
/* Makes masked panels dense, as tile_widen_block does. */
void tile_widen_masked(tile *t, contraction *c, const adze_dim *group, const adze_dim *panel, int64_t vectors);
/* Steps of k of all taps. */
int64_t tile_all_steps(const contraction *c);
/* What gemm_f32e takes from `at` on, for tile `number` of `pixels`. */
void tile_each_args(tile *t, const contraction *c, const adze_dim *group, const adze_dim *channel,
                    const adze_dim *number, adze_ir_value **args, uint32_t *n);
/* What gemm_f32s takes from b on. */
void tile_kept_args(tile *t, const contraction *c, const adze_dim *group, const adze_dim *panel, adze_ir_value **args,
                    uint32_t *n);

/* ---- contract_tile.c ---- */

/* Blocks `lo` .. `hi` of nr channels of a group, for units `unit_lo` .. `unit_hi`: rows, or tiles of columns
 * where there are no rows. */
void tile_blocks(tile *t, contraction *c, const adze_dim *group, const adze_dim *lo, const adze_dim *hi,
                 const adze_dim *unit_lo, const adze_dim *unit_hi);
/* How many units there are. */
const adze_dim *tile_units(tile *t, const contraction *c);
/* Output channels over which the blocks of a group run. */
int64_t tile_channels(const contraction *c);
/* for (u = lo; u < hi; u++), left out where it is known to be empty. */
bool tile_open(tile *t, const adze_dim *lo, const adze_dim *hi, tile_loop *loop);

#endif
