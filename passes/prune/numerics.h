/* Numerics of pruning over plain arrays: which weights become 0, and what the others become. No IR.
 *
 * A layer's weights are w[rows][cols]: a row makes one output, a column belongs to one input. Rows are divided evenly
 * among groups, which read different inputs; h[groups][cols][cols] are the Gram matrices of these, up to a factor, so
 * that tr(E h E^T) is the squared error of the outputs for an error E of the weights. kept[rows][cols] is the mask:
 * what is false there stays so, and is exactly 0 in the results. Inputs that were always 0 lose their weights first.
 * Sums are in double and their order is fixed. Memory that is out ends the process, as in arenas.
 */
#ifndef ADZE_PRUNE_NUMERICS_H
#define ADZE_PRUNE_NUMERICS_H

#include "passes/weights/fit.h"

#include <stdint.h>

/* ---- Patterns (pattern.c) ---- */

/* What is removed together, or how much of it. */
typedef struct prune_pattern {
    size_t n, m;       /* m > 0: of each m consecutive columns of a row n are kept */
    size_t rows, cols; /* m = 0: of a block, which is kept or not; 1 x 1: single weights */
} prune_pattern;

enum { PRUNE_MAX_SIDE = 64 /* of a block, and m */ };

/* "" is single weights, "2:4" two of four, "16x1" blocks of 16 rows and a column. False where the text is none. */
bool prune_pattern_parse(const char *text, prune_pattern *out);

typedef struct prune_layer {
    size_t rows, cols, groups;
    const double *w, *h; /* h may be NULL where only magnitudes count */
    prune_pattern pattern;
} prune_layer;

/* Does the pattern divide the columns, and the rows of a group? */
bool prune_divides(const prune_layer *layer);
/* Blocks of the layer; of n:m and single weights the weights. In order of their first row, then of their columns. */
size_t prune_units(const prune_layer *layer);
/* How much of the layer n:m removes when it is asked for a share of the way: 0 none, 1 all that it removes. */
prune_pattern prune_pattern_part(prune_pattern pattern, double part);

/* ---- Scores (score.c) ---- */

typedef enum prune_method {
    PRUNE_MAGNITUDE, /* |w| */
    PRUNE_WANDA,     /* |w_ij| sqrt(h_jj); Sun et al., "A Simple and Effective Pruning Approach", 2023 */
    PRUNE_SPARSEGPT, /* Frantar and Alistarh, "SparseGPT", 2023 */
    PRUNE_OBS        /* exact removal; Frantar et al., "Optimal Brain Compression", 2022 */
} prune_method;

/* scores[rows][cols]: squared, the lower the sooner a weight goes. MAGNITUDE and WANDA as they are defined; SPARSEGPT
 * gives w_ij^2 / [h^-1]_jj, what the outputs lose if the others make up for it. False where h is no Gram matrix. */
bool prune_scores(const prune_layer *layer, prune_method method, double *scores);
/* out = h^-1 of h as weight_damp leaves it. False where h is no Gram matrix (obs.c). */
bool prune_inverse(const double *h, size_t n, double *out);
/* losses[units]: a score a unit that is comparable among layers, the lower the sooner a unit goes: of MAGNITUDE over
 * the mean square of the weights, of others over the squared outputs; of OBS each removal costs what the exact method
 * pays for it at its turn, and losses are not in the order of units. False where h is no Gram matrix. */
bool prune_losses(const prune_layer *layer, prune_method method, double *losses);

/* ---- Choosing (select.c) ---- */

/* Removes units of least score until `share` of all are gone: of the layer, or (`by_rows`) of each row, or of each row
 * of blocks. A unit's score is the sum of its weights'. What was gone before counts. Of n:m, `share` is not read. */
void prune_select(const prune_layer *layer, const double *scores, double share, bool by_rows, bool *kept);

/* ---- Removing with the others making up for it ---- */

/* Column by column; 128 columns at a time lose units of least w^2 / [h^-1]_jj as they are then, over all rows of a
 * group. w is 0 where kept is false, best weight_fit's. False where h is no Gram matrix (sparsegpt.c). */
bool prune_sparsegpt(const prune_layer *layer, double share, bool *kept, double *out);

/* The order in which units of rows that share a mask go, each time the one that costs least, and what it costs. */
typedef struct prune_trace {
    size_t bands, units; /* rows of blocks; units in one */
    uint32_t *order;     /* [bands][units]: column of a unit, counted in units */
    double *loss;        /* [bands][units]: tr(E h E^T) that this removal adds, the others moved */
    size_t *length;      /* [bands]: units that go: all but those that n:m keeps */
} prune_trace;

/* The exact method: after each removal the row's other weights are moved to where the outputs lose least. What kept
 * has lost already goes first. It takes rows / pattern.rows * cols^3 / 6 steps or so. False where h is no Gram matrix.
 * Free it with prune_trace_free (obs.c). */
bool prune_trace_make(const prune_layer *layer, const bool *kept, prune_trace *out);
void prune_trace_free(prune_trace *trace);
/* Along the traces, the cheapest next removal of all bands at a time, until `share` of the units is gone. */
void prune_trace_select(const prune_layer *layer, const prune_trace *trace, double share, bool *kept);

/* Weights for a mask, in closed form: weight_fit group by group with damped matrices. False where h is no Gram matrix
 * (refit.c). */
bool prune_refit(const prune_layer *layer, const bool *kept, double *out);
/* tr(E h E^T) of out - w over all groups, and of w itself. */
double prune_error(const prune_layer *layer, const double *out);
double prune_power(const prune_layer *layer);

#endif
