/* Gradient: the derivative of y by each of xs, said with ordinary ops.
 *
 * The ops between xs and y are there already. They are walked from y to xs, and each adds to what its operands get (the
 * chain rule; reverse mode). Where an input of the node is not the value that xs or zs names, the ops are copied first,
 * so that they see it. An x that y does not depend on gets zeros.
 */
#include "gradient.h"
#include "ml.h"

#include <stdlib.h>
#include <string.h>

/* ---- Shapes ---- */

static bool is_open(const term *x)
{
    const adze_type *type = adze_value_type(x);
    bool open = !adze_type_is_ranked(type);
    for (uint32_t i = 0; !open && i < adze_type_rank(type); i++) open = adze_dim_is_unknown(adze_type_dim(type, i));
    return open;
}

term *derive_shaped(adze_onnx_node *node, term *x, term *like)
{
    if (!x || !like || is_open(like)) return compose2(node, "reshape", x, compose1(node, "shape", like));
    const adze_type *type = adze_value_type(like);
    return compose_reshape(node, x, adze_type_dims(type), adze_type_rank(type));
}

term *derive_full(adze_onnx_node *node, term *like, double value)
{
    term *one = compose_like(node, like, value);
    if (!one || is_open(like)) return compose2(node, "expand", one, compose1(node, "shape", like));
    const adze_type *type = adze_value_type(like);
    return adze_type_rank(type) ? compose_expand(node, one, adze_type_dims(type), adze_type_rank(type)) : one;
}

/* Sums over axes that broadcasting added or made longer. */
static term *unbroadcast(gradient *g, term *part, term *operand)
{
    int rank = compose_rank(operand), have = compose_rank(part);
    int64_t axes[ADZE_MAX_RANK];
    size_t n = 0;
    if (!part || rank < 0 || have < rank)
        return part ? (adze_onnx_undetermined(g->node, "the derivative of %s with values of unknown rank",
                                             adze_op_name(g->op)), NULL)
                    : NULL;
    for (int i = 0; i < have; i++) {
        bool added = i < have - rank;
        const adze_dim *own = added ? NULL : compose_dim(operand, (uint32_t)(i - (have - rank)));
        if (added || (adze_dim_is_value(own, 1) && !adze_dim_is_value(compose_dim(part, (uint32_t)i), 1)))
            axes[n++] = i;
    }
    if (n) part = compose_reduce(g->node, "reduce_sum", part, axes, n, true);
    return have > rank ? derive_shaped(g->node, part, operand) : part;
}

/* ---- What ops ask and add ---- */

term *derive_of_result(const gradient *g, uint32_t index)
{
    return adze_map_get(g->grads, adze_op_result(g->op, index));
}

bool derive_wants(const gradient *g, uint32_t index)
{
    const term *operand = adze_op_operand(g->op, index);
    return operand && adze_map_get(g->depends, operand);
}

bool derive_add(gradient *g, uint32_t index, term *part)
{
    term *operand = adze_op_operand(g->op, index);
    if (!derive_wants(g, index)) return true;
    return derive_add_to(g, operand, unbroadcast(g, part, operand));
}

bool derive_add_to(gradient *g, term *value, term *part)
{
    term *before = adze_map_get(g->grads, value);
    if (before && part) part = compose2(g->node, "add", before, part);
    if (part) adze_map_set(g->grads, value, part);
    return part != NULL;
}

/* ---- The walk ---- */

bool derive_reads(const gradient *g, const adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++)
        if (derive_wants(&(gradient){.depends = g->depends, .op = op}, i)) return true;
    for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
        for (const adze_op *inner = adze_region_first(adze_op_region(op, i)); inner; inner = adze_op_next(inner))
            if (derive_reads(g, inner)) return true;
    return false;
}

/* The ops of y's region up to y's that depend on leaves, in order; *out freed by the caller. */
static bool list_ops(gradient *g, const adze_op *last, const adze_op ***out, size_t *out_count)
{
    size_t count = 0, walked = 0, capacity = 0;
    const adze_op **ops = NULL, *end = last ? adze_op_next(last) : NULL;
    const adze_op *op = last ? adze_region_first(adze_op_parent(last)) : NULL;
    for (; op && op != end; op = adze_op_next(op), walked++) {
        if (!derive_reads(g, op)) continue;
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) adze_map_set(g->depends, adze_op_result(op, i), g);
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            const adze_op **more = realloc(ops, capacity * sizeof *ops);
            if (!more) {
                free(ops);
                return adze_onnx_invalid(g->node, "out of memory");
            }
            ops = more;
        }
        ops[count++] = op;
    }
    *out = ops;
    *out_count = count;
    return adze_onnx_count(g->node->import, count + walked / 16);
}

/* Copies the ops with the node's inputs in the place of what xs and zs name; `map` knows those. */
static bool copy_ops(gradient *g, const adze_op **ops, size_t n, adze_map *map)
{
    adze_builder *builder = &g->node->import->builder;
    for (size_t i = 0; i < n; i++) {
        bool leaf = false;
        for (uint32_t k = 0; k < adze_op_num_results(ops[i]); k++)
            leaf = leaf || adze_map_get(g->leaves, adze_op_result(ops[i], k));
        if (leaf) continue;
        adze_op *copy = adze_clone(builder, ops[i], map);
        if (!adze_op_num_regions(copy) && !adze_op_infer(copy)) return false;
        for (uint32_t k = 0; k < adze_op_num_results(copy); k++) adze_map_set(g->depends, adze_op_result(copy, k), g);
        ops[i] = copy;
    }
    return true;
}

bool derive_back(gradient *g, const adze_op **ops, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        bool reached = false;
        for (uint32_t k = 0; k < adze_op_num_results(ops[i]); k++) {
            const term *result = adze_op_result(ops[i], k);
            reached = reached || (adze_map_get(g->grads, result) && !adze_map_get(g->leaves, result));
        }
        g->op = ops[i];
        if (reached && !derive_of_op(g, ops[i])) return false;
    }
    return true;
}

/* ---- The node ---- */

typedef struct names {
    const Pb__Attribute *xs, *zs;
    term *y;
    bool moved; /* an input is not what its name says */
} names;

static term *named(adze_onnx_node *node, const char *what, ProtobufCBinaryData text)
{
    adze_context *context = node->import->context;
    const char *name = adze_intern(context, text.len ? (const char *)text.data : "", text.len);
    term *value = adze_onnx_find(node->scope, name);
    if (value && value != adze_onnx_poison() && value != adze_onnx_absent()) return value;
    if (value != adze_onnx_poison()) adze_onnx_invalid(node, "'%s', of its %s, is defined nowhere", name, what);
    return NULL;
}

static bool read_names(adze_onnx_node *node, names *n)
{
    const Pb__Attribute *y = adze_onnx_attr(node, "y");
    *n = (names){.xs = adze_onnx_attr(node, "xs"), .zs = adze_onnx_attr(node, "zs")};
    size_t wanted = (n->xs ? n->xs->n_strings : 0) + (n->zs ? n->zs->n_strings : 0);
    if (!y || !y->s.len || !n->xs || !n->xs->n_strings) return adze_onnx_invalid(node, "has no xs or no y");
    if (node->n_in != wanted || node->n_out > n->xs->n_strings)
        return adze_onnx_invalid(node, "has %u inputs and %u outputs; xs and zs name %zu, xs %zu", node->n_in,
                                 node->n_out, wanted, n->xs->n_strings);
    n->y = named(node, "y", y->s);
    if (n->y && adze_dtype_get_kind(compose_dtype(n->y)) != ADZE_KIND_FLOAT)
        return adze_onnx_invalid(node, "y is no tensor of floats");
    return n->y != NULL;
}

/* Leaves, what depends on them, and the map from names to the node's inputs. */
static bool bind(gradient *g, names *n, adze_map *map)
{
    adze_onnx_node *node = g->node;
    size_t n_xs = n->xs->n_strings, all = n_xs + (n->zs ? n->zs->n_strings : 0);
    for (size_t i = 0; i < all; i++) {
        term *value = named(node, i < n_xs ? "xs" : "zs", i < n_xs ? n->xs->strings[i] : n->zs->strings[i - n_xs]);
        if (!value) return false;
        if (!node->in[i] || !adze_type_compatible(adze_value_type(value), adze_value_type(node->in[i])))
            return adze_onnx_invalid(node, "input %zu is not of the type of what it stands for", i);
        if (i < n_xs && adze_dtype_get_kind(compose_dtype(value)) != ADZE_KIND_FLOAT)
            return adze_onnx_invalid(node, "xs names what holds no floats");
        if (adze_map_get(map, value)) {
            ProtobufCBinaryData name = i < n_xs ? n->xs->strings[i] : n->zs->strings[i - n_xs];
            return adze_onnx_invalid(node, "xs and zs name '%.*s' twice", (int)name.len, (const char *)name.data);
        }
        adze_map_set(g->leaves, value, g);
        adze_map_set(g->leaves, node->in[i], g);
        adze_map_set(map, value, node->in[i]);
        n->moved = n->moved || value != node->in[i];
    }
    for (size_t i = 0; i < all; i++) {
        term *value = named(node, "xs", i < n_xs ? n->xs->strings[i] : n->zs->strings[i - n_xs]);
        if (i >= n_xs && !n->moved) continue; /* what only zs change has no part in it */
        adze_map_set(g->depends, value, g);
        adze_map_set(g->depends, node->in[i], g);
    }
    return true;
}

static bool differentiate(gradient *g, names *n, adze_map *map)
{
    adze_onnx_node *node = g->node;
    const adze_op **ops = NULL;
    size_t count = 0;
    bool ok = bind(g, n, map) && list_ops(g, adze_value_op(n->y), &ops, &count);
    if (ok && n->moved) {
        ok = copy_ops(g, ops, count, map);
        term *copy = adze_map_get(map, n->y);
        if (copy) n->y = copy;
    }
    term *ones = ok ? derive_full(node, n->y, 1) : NULL;
    if (ones) adze_map_set(g->grads, n->y, ones);
    ok = ones && derive_back(g, ops, count);
    free(ops);
    for (uint32_t i = 0; ok && i < node->n_out; i++) {
        node->out[i] = adze_map_get(g->grads, node->in[i]);
        if (!node->out[i]) node->out[i] = derive_full(node, node->in[i], 0);
        ok = node->out[i] != NULL;
    }
    return ok;
}

bool derive_begin(gradient *out, adze_onnx_node *node, adze_map **out_copies)
{
    *out = (gradient){node, adze_map_create(), adze_map_create(), adze_map_create(), NULL};
    *out_copies = adze_map_create();
    bool all = out->depends && out->leaves && out->grads && *out_copies;
    return all || adze_onnx_invalid(node, "out of memory");
}

void derive_end(gradient *g, adze_map *copies)
{
    adze_map_destroy(g->depends);
    adze_map_destroy(g->leaves);
    adze_map_destroy(g->grads);
    adze_map_destroy(copies);
}

bool adze_onnx_training_gradient(adze_onnx_node *node)
{
    names n;
    if (!read_names(node, &n)) return false;
    gradient g;
    adze_map *map;
    bool ok = derive_begin(&g, node, &map);
    ok = ok && differentiate(&g, &n, map);
    derive_end(&g, map);
    return ok;
}
