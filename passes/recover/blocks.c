/* Finds blocks: values that alone go on from what is before them to what is behind. Values that no layer stands before,
 * as masks, do not count: they are computed anew. */
#include "passes/recover/blocks.h"

#include <stdlib.h>
#include <string.h>

typedef struct finder {
    recover_pair *p;
    const recover_options *o;
    adze_op **ops; /* the student's that outputs hang on */
    uint32_t n, capacity;
    adze_table live;    /* by op */
    adze_table layered; /* values that a layer stands before */
    adze_table until;   /* by value: uint32_t *, one past the last op that reads it */
    recover_block *blocks;
    uint32_t n_blocks, blocks_capacity;
} finder;

static bool is_layer(adze_op *op)
{
    weight_matrix m;
    return adze_op_has_trait(op, ADZE_CONTRACTION) && weight_describe_any(op, &m) &&
           (m.constant || (adze_value_op(adze_op_operand(op, 1)) &&
                           adze_op_is(adze_value_op(adze_op_operand(op, 1)), "dequantize")));
}

static void mark_layered(finder *f)
{
    adze_op *op = adze_region_first(adze_func_body(adze_module_main(f->p->module)));
    for (; op; op = adze_op_next(op)) {
        const adze_ir_value *x = adze_op_operand(op, 0);
        bool is = is_layer(op) || (adze_op_is(op, "gather") && x && adze_value_const(x));
        for (uint32_t i = 0; !is && i < adze_op_num_operands(op); i++) {
            const adze_ir_value *y = adze_op_operand(op, i);
            is = y && adze_table_get(&f->layered, y);
        }
        for (uint32_t i = 0; is && i < adze_op_num_results(op); i++)
            adze_table_put(&f->layered, adze_op_result(op, i), op);
    }
}

static bool is_own(const finder *f, const adze_op *op)
{
    return op && adze_table_get(&f->p->twins, op) && !adze_table_get(&f->p->merged, op);
}

/* Ops that outputs hang on, from the last one back. */
static void mark_live(finder *f)
{
    for (uint32_t i = 0; i < f->p->n_outputs; i++) {
        adze_op *op = adze_value_op(f->p->own_outputs[i]);
        if (is_own(f, op)) adze_table_put(&f->live, op, op);
    }
    for (adze_op *op = adze_func_return(adze_module_main(f->p->module)); op; op = adze_op_prev(op)) {
        if (!adze_table_get(&f->live, op)) continue;
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
            const adze_ir_value *x = adze_op_operand(op, i);
            adze_op *maker = x ? adze_value_op(x) : NULL;
            if (is_own(f, maker)) adze_table_put(&f->live, maker, maker);
        }
    }
    for (adze_op *op = f->p->first; op; op = adze_op_next(op)) {
        if (!adze_table_get(&f->live, op)) continue;
        f->ops = adze_arena_grow(&f->p->arena, f->ops, f->n, &f->capacity, sizeof *f->ops);
        f->ops[f->n++] = op;
    }
}

static void read_until(finder *f, const adze_ir_value *x, uint32_t at)
{
    if (!x || !adze_table_get(&f->layered, x)) return;
    uint32_t *until = adze_table_get(&f->until, x);
    if (!until) adze_table_put(&f->until, x, until = ADZE_NEW(&f->p->arena, uint32_t));
    if (at > *until) *until = at;
}

/* How many values that count go on behind each op; [n], the caller frees it. */
static uint32_t *count_crossing(finder *f)
{
    int64_t *delta = calloc(f->n + 2u, sizeof *delta), sum = 0;
    uint32_t *out = adze_malloc((f->n + 1u) * sizeof *out);
    if (!delta) abort();
    for (uint32_t i = 0; i < f->n; i++)
        for (uint32_t k = 0; k < adze_op_num_operands(f->ops[i]); k++) read_until(f, adze_op_operand(f->ops[i], k), i);
    for (uint32_t i = 0; i < f->p->n_outputs; i++) read_until(f, f->p->own_outputs[i], f->n + 1u);
    adze_table seen = {0};
    for (uint32_t i = 0; i < f->n; i++) {
        for (uint32_t k = 0; k < adze_op_num_operands(f->ops[i]); k++) {
            const adze_ir_value *x = adze_op_operand(f->ops[i], k);
            const uint32_t *until = x ? adze_table_get(&f->until, x) : NULL;
            if (!until || is_own(f, adze_value_op(x)) || adze_table_get(&seen, x)) continue;
            adze_table_put(&seen, x, f);
            delta[0]++; /* a teacher's: there from the beginning */
            delta[*until > f->n ? f->n + 1u : *until]--;
        }
        for (uint32_t k = 0; k < adze_op_num_results(f->ops[i]); k++) {
            const uint32_t *until = adze_table_get(&f->until, adze_op_result(f->ops[i], k));
            if (!until) continue;
            delta[i]++;
            delta[*until > f->n ? f->n + 1u : *until]--;
        }
    }
    for (uint32_t i = 0; i < f->n; i++) out[i] = (uint32_t)(sum += delta[i]);
    adze_table_free(&seen);
    free(delta);
    return out;
}

/* Is the name among those that the option lists? */
static bool is_listed(const char *list, const char *name)
{
    size_t n = name ? strlen(name) : 0;
    for (const char *at = list; n && *at; at += *at == ',') {
        size_t size = strcspn(at, ",");
        if (size == n && !strncmp(at, name, n)) return true;
        at += size;
    }
    return false;
}

static void add_block(finder *f, uint32_t first, uint32_t end, adze_ir_value *value)
{
    recover_block b = {.ops = f->ops + first, .n_ops = end - first, .n_ends = 1};
    b.ends = ADZE_NEW(&f->p->arena, adze_ir_value *);
    b.ends[0] = value;
    f->blocks = adze_arena_grow(&f->p->arena, f->blocks, f->n_blocks, &f->blocks_capacity, sizeof *f->blocks);
    f->blocks[f->n_blocks++] = b;
}

static void find_inputs(finder *f, recover_block *b)
{
    adze_table own = {0}, seen = {0};
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < b->n_ops; i++) adze_table_put(&own, b->ops[i], b);
    for (uint32_t i = 0; i < b->n_ops; i++)
        for (uint32_t k = 0; k < adze_op_num_operands(b->ops[i]); k++) {
            adze_ir_value *x = adze_op_operand(b->ops[i], k);
            if (!x || !adze_table_get(&f->layered, x) || adze_table_get(&seen, x)) continue;
            if (adze_table_get(&own, adze_value_op(x))) continue;
            adze_table_put(&seen, x, b);
            b->inputs = adze_arena_grow(&f->p->arena, b->inputs, b->n_inputs, &capacity, sizeof *b->inputs);
            b->inputs[b->n_inputs++] = x;
        }
    adze_table_free(&own);
    adze_table_free(&seen);
}

static void split(finder *f)
{
    uint32_t *crossing = count_crossing(f), first = 0, layers = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        adze_ir_value *y = adze_op_result(f->ops[i], 0);
        const uint32_t *until = adze_table_get(&f->until, y);
        layers += is_layer(f->ops[i]);
        bool cut = f->o->blocks ? is_listed(f->o->blocks, adze_value_name(y))
                                : crossing[i] == 1 && until && *until > i && layers >= f->o->min_layers;
        if (!cut || adze_op_num_results(f->ops[i]) != 1 || !pair_match(f->p, 0, y)) continue;
        if (adze_type_dtype(adze_value_type(y)) != ADZE_DTYPE_f32) continue;
        add_block(f, first, i + 1, y);
        first = i + 1;
        layers = 0;
    }
    free(crossing);
    /* What is left ends in the outputs; without layers it belongs to the block before. */
    if (layers || !f->n_blocks) {
        add_block(f, first, f->n, NULL);
    } else {
        f->blocks[f->n_blocks - 1].n_ops += f->n - first;
    }
    recover_block *last = &f->blocks[f->n_blocks - 1];
    last->last = true;
    last->ends = f->p->own_outputs;
    last->n_ends = f->p->n_outputs;
}

recover_block *recover_blocks(recover_pair *p, const recover_options *o, uint32_t *out_n)
{
    finder f = {.p = p, .o = o};
    mark_layered(&f);
    mark_live(&f);
    if (f.n) split(&f);
    for (uint32_t i = 0; i < f.n_blocks; i++) find_inputs(&f, &f.blocks[i]);
    adze_table_free(&f.live);
    adze_table_free(&f.layered);
    adze_table_free(&f.until);
    *out_n = f.n_blocks;
    return f.blocks ? f.blocks : ADZE_NEW(&p->arena, recover_block);
}
