/* Derivatives of ops that move elements: the op itself tells where each element came from, when it moves numbers of
 * places in their stead.
 */
#include "gradient_terms.h"

#include <string.h>

/* 0, 1, … in the dims of x. */
static term *places_of(gradient *g, term *x)
{
    term *zero = compose_number(g->node, ADZE_DTYPE_i64, 0), *unit = compose_number(g->node, ADZE_DTYPE_i64, 1);
    return derive_shaped(g->node, compose3(g->node, "range", zero, one(g, "size", x), unit), x);
}

static term *flat(gradient *g, term *x) { return compose2(g->node, "reshape", x, compose_int(g->node, -1)); }

term *derive_put_back(gradient *g, term *x, term *places, term *d)
{
    adze_attr attrs[] = {adze_attr_int("axis", 0), adze_attr_str("reduction", "add")};
    term *parts[] = {flat(g, derive_full(g->node, x, 0)), flat(g, places), flat(g, d)};
    return derive_shaped(g->node, compose_all(g->node, "scatter_elements", parts, 3, 3, attrs, 2), x);
}

/* The op over places, not x. */
static term *moved_places(gradient *g, const adze_op *op, term *places)
{
    adze_map *map = places ? adze_map_create() : NULL;
    if (!map) return NULL;
    adze_map_set(map, in(op, 0), places);
    adze_op *copy = adze_clone(&g->node->import->builder, op, map);
    adze_map_destroy(map);
    return adze_op_infer(copy) ? adze_op_result(copy, 0) : NULL;
}

bool derive_moved(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, 0);
    return !derive_wants(g, 0) || derive_add(g, 0, derive_put_back(g, x, moved_places(g, op, places_of(g, x)), d));
}

/* What was put beside x shows the place behind the last one. */
bool derive_pad(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, 0), *end = one(g, "size", x);
    adze_attr mode = adze_attr_str("mode", adze_op_attr_str(op, "mode"));
    term *parts[] = {places_of(g, x), in(op, 1), end, in(op, 3)};
    term *places = compose_all(g->node, "pad", parts, 4, 3, &mode, 1);
    if (!places) return false;
    if (derive_wants(g, 2)) {
        term *added = choose(g, compose2(g->node, "equal", places, end), d, num(g, d, 0));
        if (!derive_add(g, 2, derive_shaped(g->node, compose_reduce(g->node, "reduce_sum", added, NULL, 0, false),
                                            in(op, 2))))
            return false;
    }
    if (!derive_wants(g, 0)) return true;
    term *inside = compose2(g->node, "less", places, end);
    term *zero = compose_number(g->node, ADZE_DTYPE_i64, 0);
    return derive_add(g, 0, derive_put_back(g, x, choose(g, inside, places, zero), choose(g, inside, d, num(g, d, 0))));
}

/* What was written over gets nothing; what was written, what stands there now. */
bool derive_scatter(gradient *g, const adze_op *op, term *d)
{
    const char *reduction = adze_op_attr_str(op, "reduction");
    bool elements = adze_op_is(op, "scatter_elements"), adds = !strcmp(reduction, "add");
    adze_attr axis = elements ? adze_attr_int("axis", adze_op_attr_int(op, "axis")) : adze_attr_int("batch_dims", 0);
    if (!adds && strcmp(reduction, "none"))
        return adze_onnx_unsupported(g->node, "the derivative of %s with the reduction '%s'", adze_op_name(op),
                                     reduction);
    if (derive_wants(g, 0)) {
        term *parts[] = {d, in(op, 1), derive_full(g->node, in(op, 2), 0)};
        term *left = adds ? d : compose_all(g->node, adze_op_name(op), parts, 3, 3, &axis, elements ? 1 : 0);
        if (!derive_add(g, 0, left)) return false;
    }
    if (!derive_wants(g, 2)) return true;
    term *parts[] = {d, in(op, 1)};
    const char *read = elements ? "gather_elements" : "gather_nd";
    return derive_add(g, 2, compose_all(g->node, read, parts, 2, 2, &axis, elements ? 1 : 0));
}

bool derive_cum_sum(gradient *g, const adze_op *op, term *d)
{
    adze_attr attrs[] = {adze_attr_int("exclusive", adze_op_attr_int(op, "exclusive")),
                         adze_attr_int("reverse", !adze_op_attr_int(op, "reverse"))};
    term *parts[] = {d, in(op, 1)};
    return derive_add(g, 0, compose_all(g->node, "cum_sum", parts, 2, 2, attrs, 2));
}
