/* Reverse-mode differentiation at import (private). */
#ifndef ADZE_ONNX_GRADIENT_H
#define ADZE_ONNX_GRADIENT_H

#include "compose.h"

typedef struct gradient {
    adze_onnx_node *node;
    adze_map *depends; /* values that change with those that are asked for */
    adze_map *leaves;  /* values that are not looked behind */
    adze_map *grads;   /* value -> how y changes with it, a value of its dims */
    const adze_op *op; /* being differentiated */
} gradient;

/* Adds what the op's operands get, from how y changes with its results. The rows of gradient_rules.c; false after an
 * error: an op without a row has no derivative. */
bool derive_of_op(gradient *g, const adze_op *op);

/* How y changes with a result of the op; NULL: not at all. */
term *derive_of_result(const gradient *g, uint32_t index);
/* Adds to what operand `index` gets; `part` is first summed over axes along which the operand was broadcast. Nothing is
 * done where the operand is absent or does not depend on what is asked for. False of NULL. */
bool derive_add(gradient *g, uint32_t index, term *part);
bool derive_wants(const gradient *g, uint32_t index);

/* Does the op, or one in its regions, read a value that depends? */
bool derive_reads(const gradient *g, const adze_op *op);
/* Goes back through ops that depend, the last first, from what `grads` holds. */
bool derive_back(gradient *g, const adze_op **ops, size_t n);

/* gradient_if.c: values from above that a region of the op reads and that depend on what is asked for; and a copy of
 * the region's ops, all but the last, where the builder stands: those that depend in *out_ops, freed by the caller. */
enum { DERIVE_MAX_READ = 256 };
typedef struct derive_read {
    term *values[DERIVE_MAX_READ];
    uint32_t n;
} derive_read;
bool derive_capture(gradient *g, const adze_op *op, const adze_region *region, derive_read *out);
bool derive_copy(gradient *g, const adze_region *region, adze_map *map, const adze_op ***out_ops, size_t *out_n);
/* Adds to how y changes with a value, which has its dims. False of NULL. */
bool derive_add_to(gradient *g, term *value, term *part);

/* x with the dims of another value. */
term *derive_shaped(adze_onnx_node *node, term *x, term *like);
/* A value full of one number with the dims and the type of another. */
term *derive_full(adze_onnx_node *node, term *like, double value);
/* A gradient without values yet, and a map for copies of ops. False if memory is out; derive_end takes both either
 * way. */
bool derive_begin(gradient *out, adze_onnx_node *node, adze_map **out_copies);
void derive_end(gradient *g, adze_map *copies);

#endif
