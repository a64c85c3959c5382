/* Short names for terms of a derivative, for files of rules (private). */
#ifndef ADZE_ONNX_GRADIENT_TERMS_H
#define ADZE_ONNX_GRADIENT_TERMS_H

#include "gradient.h"

static inline term *in(const adze_op *op, uint32_t index) { return adze_op_operand(op, index); }
static inline term *mul(gradient *g, term *a, term *b) { return compose2(g->node, "mul", a, b); }
static inline term *divide(gradient *g, term *a, term *b) { return compose2(g->node, "div", a, b); }
static inline term *sub(gradient *g, term *a, term *b) { return compose2(g->node, "sub", a, b); }
static inline term *add(gradient *g, term *a, term *b) { return compose2(g->node, "add", a, b); }
static inline term *one(gradient *g, const char *op, term *a) { return compose1(g->node, op, a); }
static inline term *num(gradient *g, const term *like, double value) { return compose_like(g->node, like, value); }
static inline term *times(gradient *g, term *x, double value) { return mul(g, x, num(g, x, value)); }
static inline term *square(gradient *g, term *x) { return mul(g, x, x); }

static inline term *choose(gradient *g, term *condition, term *yes, term *no)
{
    return compose3(g->node, "where", condition, yes, no);
}

/* ---- Rules of other files: convolutions and pools, moves, norms, if, loops ---- */

typedef bool rule(gradient *g, const adze_op *op, term *d);

rule derive_conv, derive_max_pool, derive_average_pool, derive_global_max, derive_lp_pool;
rule derive_moved, derive_pad, derive_scatter, derive_cum_sum;
rule derive_batch_norm, derive_layer_norm, derive_softmax_flat;
rule derive_if, derive_loop, derive_recurrent, derive_resize;

/* gradient_move.c: what x gets where each element of d is what x holds at a place, counted over all of x. */
term *derive_put_back(gradient *g, term *x, term *places, term *d);

#endif
