/* The derivative of `if`: another `if`, whose branches run those of the first again and go back through them. What they
 * give is how y changes with each value from above that one of them reads; zeros where the other alone reads it.
 */
#include "gradient_terms.h"

#include <stdlib.h>

static bool is_inside(const adze_op *op, const term *value)
{
    const adze_op *def = adze_value_op(value);
    for (const adze_region *region = def ? adze_op_parent(def) : NULL; region;) {
        const adze_op *owner = adze_region_op(region);
        if (owner == op) return true;
        region = owner ? adze_op_parent(owner) : NULL;
    }
    return false;
}

bool derive_capture(gradient *g, const adze_op *op, const adze_region *region, derive_read *out)
{
    for (const adze_op *inner = adze_region_first(region); inner; inner = adze_op_next(inner)) {
        for (uint32_t i = 0; i < adze_op_num_operands(inner); i++) {
            term *value = adze_op_operand(inner, i);
            bool is = value && adze_map_get(g->depends, value) && !is_inside(op, value);
            is = is && adze_dtype_get_kind(compose_dtype(value)) == ADZE_KIND_FLOAT;
            for (uint32_t k = 0; is && k < out->n; k++) is = out->values[k] != value;
            if (is && out->n == DERIVE_MAX_READ)
                return adze_onnx_unsupported(g->node, "the derivative of %s of more than %d values", adze_op_name(op),
                                             DERIVE_MAX_READ);
            if (is) out->values[out->n++] = value;
        }
        for (uint32_t i = 0; i < adze_op_num_regions(inner); i++)
            if (!derive_capture(g, op, adze_op_region(inner, i), out)) return false;
    }
    return true;
}

bool derive_copy(gradient *g, const adze_region *region, adze_map *map, const adze_op ***out_ops, size_t *out_n)
{
    size_t count = 0;
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) count++;
    const adze_op **ops = calloc(count + 1, sizeof *ops);
    *out_ops = ops;
    *out_n = 0;
    if (!ops || !adze_onnx_count(g->node->import, count)) return false;
    for (const adze_op *op = adze_region_first(region); op != adze_region_last(region); op = adze_op_next(op)) {
        adze_op *copy = adze_clone(&g->node->import->builder, op, map);
        if (!adze_op_num_regions(copy) && !adze_op_infer(copy)) return false;
        if (!derive_reads(g, copy)) continue;
        for (uint32_t i = 0; i < adze_op_num_results(copy); i++) adze_map_set(g->depends, adze_op_result(copy, i), g);
        ops[(*out_n)++] = copy;
    }
    return true;
}

/* What the branch gives back; `g` knows nothing of it but the derivatives of the op's results. */
static bool walk_branch(gradient *g, const adze_op *op, const adze_region *region, gradient *inner, adze_map *map)
{
    const adze_op **ops, *yield = adze_region_last(region);
    size_t n;
    bool ok = derive_copy(inner, region, map, &ops, &n);
    for (uint32_t i = 0; ok && i < adze_op_num_results(op); i++) {
        term *given = adze_op_operand(yield, i), *copy = adze_map_get(map, given);
        term *value = copy ? copy : given, *d = adze_map_get(g->grads, adze_op_result(op, i));
        if (!d || !adze_map_get(inner->depends, value)) continue;
        term *before = adze_map_get(inner->grads, value), *shaped = derive_shaped(g->node, d, value);
        term *sum = before ? compose2(g->node, "add", before, shaped) : shaped;
        ok = sum != NULL;
        if (ok) adze_map_set(inner->grads, value, sum);
    }
    ok = ok && derive_back(inner, ops, n);
    free(ops);
    return ok;
}

static bool branch(gradient *g, const adze_op *op, adze_op *made, uint32_t index, const derive_read *read)
{
    adze_onnx_import *import = g->node->import;
    adze_builder outer = import->builder;
    gradient inner;
    adze_map *map;
    term *out[DERIVE_MAX_READ];
    bool ok = derive_begin(&inner, g->node, &map);
    import->builder = adze_builder_at_end(import->module, adze_op_region(made, index));
    import->builder.loc = g->node->loc;
    for (uint32_t i = 0; ok && i < read->n; i++) {
        adze_map_set(inner.depends, read->values[i], g);
        adze_map_set(inner.leaves, read->values[i], g);
    }
    ok = ok && walk_branch(g, op, adze_op_region(op, index), &inner, map);
    for (uint32_t i = 0; ok && i < read->n; i++) {
        out[i] = adze_map_get(inner.grads, read->values[i]);
        if (!out[i]) out[i] = derive_full(g->node, read->values[i], 0);
        ok = out[i] != NULL;
    }
    ok = ok && adze_build(&import->builder, "yield", out, read->n, NULL, 0, NULL, 0);
    import->builder = outer;
    derive_end(&inner, map);
    return ok;
}

bool derive_if(gradient *g, const adze_op *op, term *unused)
{
    derive_read read = {.n = 0};
    const adze_type *types[DERIVE_MAX_READ];
    (void)unused;
    for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
        if (!derive_capture(g, op, adze_op_region(op, i), &read)) return false;
    if (!read.n) return true; /* the condition alone depends: steps */
    for (uint32_t i = 0; i < read.n; i++) types[i] = adze_value_type(read.values[i]);
    adze_builder *builder = &g->node->import->builder;
    adze_const *last = adze_onnx_last_const(g->node->import);
    builder->loc = g->node->loc;
    adze_op *made = adze_build_if(builder, in(op, 0), types, read.n);
    adze_op_add_node(made, g->node->name);
    bool ok = true;
    for (uint32_t i = 0; ok && i < adze_op_num_regions(op); i++) ok = branch(g, op, made, i, &read);
    if (!ok) {
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            adze_onnx_discard(g->node->import, adze_op_region(made, i), last);
        adze_op_erase(made);
    }
    for (uint32_t i = 0; ok && i < read.n; i++) {
        term *before = adze_map_get(g->grads, read.values[i]), *part = adze_op_result(made, i);
        if (before) part = compose2(g->node, "add", before, part);
        ok = part != NULL;
        if (ok) adze_map_set(g->grads, read.values[i], part);
    }
    return ok;
}
