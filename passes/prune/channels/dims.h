/* The dimension graph: which elements of which axes of values can only be removed together.
 *
 * Every axis of constant extent of every value of main has a slot an element. Slots that stand for one channel are in
 * one class (union-find). Offsets of concat, split, slice and pad, factors of reshapes and groups of convolutions need
 * no maps of their own: each of their elements is tied to its counterpart.
 */
#ifndef ADZE_PRUNE_DIMS_H
#define ADZE_PRUNE_DIMS_H

#include <adze/arena.h>
#include <adze/ir.h>
#include <adze/table.h>

#define DIMS_NONE UINT32_MAX
enum { DIMS_MAX_SLOTS = 1 << 25 };

/* A class may be removed; it may not because only the other factor of a product of axes may be (which another choice
 * could change); or it may not at all. */
typedef enum dims_state { DIMS_FREE, DIMS_SOFT, DIMS_HARD } dims_state;

typedef struct dims_value {
    adze_ir_value *value;
    uint32_t rank;
    uint32_t base[ADZE_MAX_RANK];   /* first slot; DIMS_NONE: the extent is not constant */
    uint32_t extent[ADZE_MAX_RANK]; /* 0: not constant */
} dims_value;

/* Where axes are multiplied into one, only elements of one of them can be removed: which. */
typedef struct dims_choice {
    const adze_op *op;
    uint32_t index;   /* which of the op's products of axes */
    uint32_t n;       /* factors */
    uint32_t chosen, tried;
    uint32_t base[ADZE_MAX_RANK], extent[ADZE_MAX_RANK]; /* their slots in the present round */
} dims_choice;

typedef struct dims_graph {
    adze_arena arena;
    adze_context *context;
    adze_func *func;
    adze_table table; /* dims_value by value */
    dims_value **values;
    uint32_t n_values, values_capacity;
    uint32_t *parent;
    uint8_t *state;      /* of roots */
    const char **reason; /* of roots that are not free; interned */
    uint32_t n, slots_capacity;
    dims_choice *choices;
    uint32_t n_choices, choices_capacity;
    bool too_large;
} dims_graph;

/* Of main as it is now. False after an error: there are too many elements. dims_free in any case. */
bool dims_build(dims_graph *g, adze_func *func);
void dims_free(dims_graph *g);
dims_value *dims_find(const dims_graph *g, const adze_ir_value *value); /* NULL: no tensor of known rank */
uint32_t dims_root(const dims_graph *g, uint32_t slot);

/* ---- For the rules of ops (dims_ops.c, dims_access.c, dims_view.c) ---- */

uint32_t dims_new(dims_graph *g, uint32_t count); /* the first of fresh slots */
void dims_tie(dims_graph *g, uint32_t a, uint32_t b);
void dims_tie_range(dims_graph *g, uint32_t a, uint32_t b, uint32_t count);
void dims_freeze(dims_graph *g, uint32_t slot, uint32_t count, dims_state state, const char *reason);
void dims_freeze_axis(dims_graph *g, const adze_ir_value *value, uint32_t axis, const char *reason);
void dims_freeze_value(dims_graph *g, const adze_ir_value *value, const char *reason);
/* Equal axes of equal extents. */
void dims_tie_axes(dims_graph *g, const adze_ir_value *a, uint32_t i, const adze_ir_value *b, uint32_t k);
void dims_tie_values(dims_graph *g, const adze_ir_value *a, const adze_ir_value *b);
/* Slots `merged` of an axis that counts through n others, the last one fastest; `first` is the one of them that is
 * chosen as long as something of it can go. */
void dims_product(dims_graph *g, const adze_op *op, uint32_t index, uint32_t merged, const uint32_t *base,
                  const uint32_t *extent, uint32_t n, uint32_t first);
/* "'conv1' (conv) …", interned. */
const char *dims_reason(const adze_op *op, const char *text);

bool dims_rule_named(dims_graph *g, adze_op *op);  /* ops without an iteration space; false: none of those */
bool dims_rule_view(dims_graph *g, adze_op *op);   /* reshapes of all kinds */
bool dims_rule_access(dims_graph *g, adze_op *op); /* false: the op has none */

#endif
