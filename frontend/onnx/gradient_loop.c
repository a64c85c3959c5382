/* The derivative of `loop`. It runs once more, and what it carries is kept of every run; then another loop goes through
 * the runs from the last to the first. A run of that does the ops of the region again, goes back through them, and
 * carries how y changes with what was carried there and, summed up, with each value from above.
 */
#include "gradient_terms.h"

#include <stdlib.h>

typedef struct back {
    gradient *g;
    const adze_op *op;
    uint32_t n_carried, n_results;
    derive_read read;                  /* from above */
    bool depends[COMPOSE_LOOP_VALUES]; /* which carried values do */
    adze_op *kept; /* the loop once more; what it carried stands behind its own results */
    term *last;    /* number of runs less one */
} back;

static const adze_region *body_of(const adze_op *op) { return adze_op_region(op, 0); }

static bool is_float(const term *x) { return adze_dtype_get_kind(compose_dtype(x)) == ADZE_KIND_FLOAT; }

/* Which carried values depend on what is asked for, from their start or by way of others. */
static bool find_depending(back *b)
{
    const adze_op *end = adze_region_last(body_of(b->op));
    for (uint32_t i = 0; i < b->n_carried; i++)
        b->depends[i] = derive_wants(b->g, i + 2) && is_float(adze_op_operand(b->op, i + 2));
    for (bool changed = true; changed;) {
        gradient inner = {b->g->node, adze_map_create(), NULL, NULL, NULL};
        if (!inner.depends) return adze_onnx_invalid(b->g->node, "out of memory");
        changed = false;
        for (uint32_t i = 0; i < b->read.n; i++) adze_map_set(inner.depends, b->read.values[i], b);
        for (uint32_t i = 0; i < b->n_carried; i++)
            if (b->depends[i]) adze_map_set(inner.depends, adze_region_arg(body_of(b->op), i + 1), b);
        for (const adze_op *op = adze_region_first(body_of(b->op)); op != end; op = adze_op_next(op))
            for (uint32_t i = 0; derive_reads(&inner, op) && i < adze_op_num_results(op); i++)
                adze_map_set(inner.depends, adze_op_result(op, i), b);
        for (uint32_t i = 0; i < b->n_carried; i++) {
            const term *given = adze_op_operand(end, i + 1);
            if (b->depends[i] || !adze_map_get(inner.depends, given) || !is_float(given)) continue;
            b->depends[i] = changed = true;
        }
        adze_map_destroy(inner.depends);
    }
    return true;
}

/* ---- The runs once more ---- */

/* The loop with what it carries, as each run finds it, as stacks behind its own results. */
static bool keep(back *b)
{
    adze_onnx_node *node = b->g->node;
    const adze_region *region = body_of(b->op);
    const adze_op *end = adze_region_last(region);
    term *values[COMPOSE_LOOP_VALUES] = {NULL}, *carried[COMPOSE_LOOP_VALUES] = {NULL}, *go_on = NULL;
    compose_loop loop;
    adze_map *map = adze_map_create();
    if (!map) return adze_onnx_invalid(node, "out of memory");
    for (uint32_t i = 0; i < b->n_carried; i++) carried[i] = adze_op_operand(b->op, i + 2);
    bool ok = compose_loop_begin(node, adze_op_operand(b->op, 0), adze_op_operand(b->op, 1), carried, b->n_carried,
                                 b->n_results, &loop);
    for (uint32_t i = 0; ok && i <= b->n_carried; i++) {
        term *argument = compose_loop_argument(&loop, i);
        adze_value_set_type(argument, adze_value_type(adze_region_arg(region, i)));
        adze_map_set(map, adze_region_arg(region, i), argument);
        if (i) values[b->n_results + i - 1] = argument;
    }
    const adze_op **ops = NULL;
    size_t n;
    gradient none = {node, adze_map_create(), NULL, NULL, NULL}; /* nothing depends: all are copies and no more */
    ok = ok && none.depends && derive_copy(&none, region, map, &ops, &n);
    adze_map_destroy(none.depends);
    free(ops);
    for (uint32_t i = 0; ok && i <= b->n_results; i++) {
        term *given = adze_op_operand(end, i), *copy = given ? adze_map_get(map, given) : NULL;
        *(i ? &values[i - 1] : &go_on) = copy ? copy : given;
    }
    int64_t bound;
    term *given = adze_op_operand(b->op, 0);
    bool known = given && !adze_op_operand(b->op, 1) && !go_on && adze_value_as_ints(given, &bound, 1) == 1;
    const adze_dim *runs = known ? adze_dim_const(node->import->context, bound > 0 ? bound : 0) : NULL;
    ok = compose_loop_end(node, &loop, runs, go_on, ok ? values : NULL, b->n_results + b->n_carried);
    for (uint32_t i = 0; ok && i < b->n_carried; i++)
        adze_value_set_type(adze_op_result(loop.op, i), adze_value_type(adze_op_result(b->op, i)));
    adze_map_destroy(map);
    b->kept = loop.op;
    return ok;
}

/* How often it ran, less one: by the length of a stack. */
static bool count_runs(back *b, term **out_count)
{
    adze_onnx_node *node = b->g->node;
    uint32_t stack = b->n_carried ? b->n_results : 0; /* without carried values its own first one */
    *out_count = compose_scalar(node, compose_size(node, adze_op_result(b->kept, stack), 0));
    b->last = compose2(node, "sub", *out_count, compose_number(node, ADZE_DTYPE_i64, 1));
    return b->last != NULL;
}

/* ---- Back through them ---- */

static term *entry(back *b, term *stack, term *number)
{
    adze_attr axis = adze_attr_int("axis", 0);
    return compose_all(b->g->node, "gather", (term *[]){stack, number}, 2, 2, &axis, 1);
}

/* What the region's results get: of carried ones what the run behind this one gave, of stacked ones their entry. */
static bool seed(back *b, gradient *inner, const adze_map *map, const compose_loop *loop, term *number)
{
    const adze_op *end = adze_region_last(body_of(b->op));
    uint32_t at = 1;
    for (uint32_t i = 0; i < b->n_results; i++) {
        term *given = adze_op_operand(end, i + 1), *copy = adze_map_get(map, given), *value = copy ? copy : given, *d;
        bool carried = i < b->n_carried;
        if (carried && !b->depends[i]) continue;
        if (carried) d = compose_loop_argument(loop, at++);
        else d = derive_of_result(b->g, i);
        if (!d || !adze_map_get(inner->depends, value) || !is_float(value)) continue;
        if (!carried) d = entry(b, d, number);
        if (!derive_add_to(inner, value, derive_shaped(b->g->node, d, value))) return false;
    }
    return true;
}

/* One run; `values` are what the loop carries on. */
static bool run_back(back *b, const compose_loop *loop, gradient *inner, adze_map *map, term **values)
{
    adze_onnx_node *node = b->g->node;
    const adze_region *region = body_of(b->op);
    term *number = compose2(node, "sub", b->last, compose_loop_argument(loop, 0)), *starts[COMPOSE_LOOP_VALUES];
    uint32_t n = 0;
    if (!number) return false;
    adze_map_set(map, adze_region_arg(region, 0), number);
    for (uint32_t i = 0; i < b->n_carried; i++) {
        starts[i] = entry(b, adze_op_result(b->kept, b->n_results + i), number);
        if (!starts[i]) return false;
        adze_map_set(map, adze_region_arg(region, i + 1), starts[i]);
        if (b->depends[i]) adze_map_set(inner->depends, starts[i], b), adze_map_set(inner->leaves, starts[i], b);
    }
    for (uint32_t i = 0; i < b->read.n; i++) {
        adze_map_set(inner->depends, b->read.values[i], b);
        adze_map_set(inner->leaves, b->read.values[i], b);
    }
    const adze_op **ops = NULL;
    size_t count;
    bool ok = derive_copy(inner, region, map, &ops, &count) && seed(b, inner, map, loop, number) &&
              derive_back(inner, ops, count);
    free(ops);
    for (uint32_t i = 0; ok && i < b->n_carried; i++) {
        if (!b->depends[i]) continue;
        term *d = adze_map_get(inner->grads, starts[i]);
        ok = (values[n++] = d ? d : derive_full(node, starts[i], 0)) != NULL;
    }
    for (uint32_t i = 0; ok && i < b->read.n; i++) {
        term *d = adze_map_get(inner->grads, b->read.values[i]), *sum = compose_loop_argument(loop, n + 1);
        ok = (values[n++] = d ? compose2(node, "add", sum, d) : sum) != NULL;
    }
    return ok;
}

/* The loop back; what its results are goes to the operands and to the values from above. */
static bool go_back(back *b, term *count)
{
    adze_onnx_node *node = b->g->node;
    gradient inner;
    adze_map *map;
    term *first[COMPOSE_LOOP_VALUES] = {NULL}, *values[COMPOSE_LOOP_VALUES] = {NULL};
    uint32_t n = 0;
    compose_loop loop = {0};
    bool ok = derive_begin(&inner, node, &map);
    for (uint32_t i = 0; ok && i < b->n_carried; i++) {
        if (!b->depends[i]) continue;
        term *d = derive_of_result(b->g, i);
        ok = (first[n++] = d ? d : derive_full(node, adze_op_result(b->op, i), 0)) != NULL;
    }
    for (uint32_t i = 0; ok && i < b->read.n; i++) ok = (first[n++] = derive_full(node, b->read.values[i], 0)) != NULL;
    if (ok && n) {
        ok = compose_loop_begin(node, count, NULL, first, n, 0, &loop) && run_back(b, &loop, &inner, map, values);
        ok = compose_loop_end(node, &loop, NULL, NULL, ok ? values : NULL, n);
    }
    n = 0;
    for (uint32_t i = 0; ok && i < b->n_carried; i++)
        if (b->depends[i]) ok = derive_add(b->g, i + 2, adze_op_result(loop.op, n++));
    for (uint32_t i = 0; ok && i < b->read.n; i++)
        ok = derive_add_to(b->g, b->read.values[i], adze_op_result(loop.op, n++));
    derive_end(&inner, map);
    return ok;
}

bool derive_loop(gradient *g, const adze_op *op, term *unused)
{
    back b = {.g = g, .op = op, .n_carried = adze_op_num_operands(op) - 2, .n_results = adze_op_num_results(op)};
    term *count;
    (void)unused;
    if (b.n_results + b.n_carried > COMPOSE_LOOP_VALUES)
        return adze_onnx_unsupported(g->node, "the derivative of a loop over more than %d values",
                                     COMPOSE_LOOP_VALUES / 2);
    for (uint32_t i = 0; i < b.n_carried; i++)
        if (!adze_type_is_tensor(adze_value_type(adze_op_operand(op, i + 2))))
            return adze_onnx_unsupported(g->node, "the derivative of a loop that carries what is no tensor");
    if (!derive_capture(g, op, body_of(op), &b.read) || !find_depending(&b)) return false;
    if (b.read.n + b.n_carried > COMPOSE_LOOP_VALUES)
        return adze_onnx_unsupported(g->node, "the derivative of a loop that reads %u values", b.read.n);
    return keep(&b) && count_runs(&b, &count) && go_back(&b, count);
}
