/* plan: give every tensor of the main function a place in one arena.
 *
 * Values live from their op to their last use, views included. Where all sizes are known, values are
 * placed from the largest down at the lowest fitting offset; where some are symbolic, values share slots
 * whose sizes are maxima of expressions. A launch whose callee allows it (one alias class) writes over
 * an operand that dies there. What only a run knows the size of gets a slot, which grows. Sources: greedy by size,
 * Pisarchyk and Lee, arXiv 2001.03288.
 *
 *     func @main(…) {…}    →    func @main(…) {arena_bytes = 4096, offsets = [0, 1024, -1]} {…}
 */
#include <adze/ir.h>
#include <adze/pass.h>
#include <adze/plan.h>

#include "passes/examples_embedded.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, SLACK = 64 }; /* kernels may read a vector past the end of a row */

typedef struct block {
    adze_ir_value *value;
    const adze_dim *size, *offset;
    uint32_t from, to; /* first and last op, inclusive */
    bool output;       /* lives in the caller's memory */
    bool late;         /* only a run knows its size: it lives in a slot */
    int64_t slot;
    struct block *shares; /* in place of another */
} block;

typedef struct plan {
    adze_context *context;
    block *blocks;
    uint32_t n;
    uint32_t n_values; /* that adze_plan_each lists */
    uint32_t at; /* number of the op that is looked at */
    adze_map *of;    /* value to block */
    adze_map *given; /* interned symbols that inputs give */
} plan;

/* ---- Lifetimes ---- */

static const adze_dim *rounded(adze_context *context, const adze_dim *bytes)
{
    const adze_dim *align = adze_dim_const(context, ALIGN);
    bytes = adze_dim_binary(context, ADZE_DIM_MAX, bytes, adze_dim_const(context, 0));
    bytes = adze_dim_add_const(context, bytes, SLACK);
    return adze_dim_mul(context, adze_dim_binary(context, ADZE_DIM_CEILDIV, bytes, align), align);
}

/* ---- Blocks ---- */

static void count_value(void *self, adze_op *op, const adze_ir_value *value)
{
    (void)op;
    (void)value;
    ++*(uint32_t *)self;
}

static block *block_of(plan *p, const adze_ir_value *value)
{
    return value ? adze_map_get(p->of, adze_plan_root(value)) : NULL;
}

static void touch(plan *p, const adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        block *b = block_of(p, adze_op_operand(op, i));
        if (b && b->to < p->at) b->to = p->at;
    }
}

static void give_symbols(plan *p, const adze_func *func)
{
    const adze_region *body = adze_func_body(func);
    for (uint32_t i = 0; i < adze_region_num_args(body); i++) {
        const adze_type *type = adze_value_type(adze_region_arg(body, i));
        for (uint32_t k = 0; adze_type_is_tensor(type) && adze_type_is_ranked(type) && k < adze_type_rank(type); k++)
            if (adze_dim_get_kind(adze_type_dim(type, k)) == ADZE_DIM_SYMBOL)
                adze_map_set(p->given, adze_dim_symbol_name(adze_type_dim(type, k)), p);
    }
}

typedef struct search {
    const adze_map *given;
    bool late;
} search;

static const adze_dim *see_symbol(void *self, const char *name)
{
    search *s = self;
    s->late |= !adze_map_get(s->given, name);
    return NULL;
}

static bool is_late(plan *p, const adze_type *type)
{
    search s = {p->given, adze_type_is_open(type)};
    for (uint32_t i = 0; !s.late && i < adze_type_rank(type); i++)
        adze_dim_substitute(p->context, adze_type_dim(type, i), NULL, 0, see_symbol, &s);
    return s.late;
}

static block *add_block(plan *p, adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    block *b = &p->blocks[p->n++];
    *b = (block){.value = value, .from = p->at, .to = p->at, .slot = -1};
    bool known = adze_type_is_tensor(type) && adze_type_is_ranked(type);
    b->size = known ? rounded(p->context, adze_layout_bytes(type)) : adze_dim_unknown(p->context);
    b->late = is_late(p, type);
    adze_map_set(p->of, value, b);
    return b;
}

static void collect_region(plan *p, const adze_region *region);

/* What is made in a region for a result of an `if` is made there. */
static void share_home(plan *p, adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
        adze_ir_value *value = adze_op_result(op, i);
        const adze_ir_value *home = adze_plan_home(value);
        block *b = home == value ? NULL : adze_map_get(p->of, value), *to = b ? adze_map_get(p->of, home) : NULL;
        if (!to || b->shares) continue;
        b->shares = to;
        if (to->from > b->from) to->from = b->from;
    }
}

static void collect_if(plan *p, adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
        block *b = add_block(p, adze_op_result(op, i));
        b->from = UINT32_MAX; /* set where a region makes or yields it */
    }
    for (uint32_t r = 0; r < adze_op_num_regions(op); r++) {
        collect_region(p, adze_op_region(op, r));
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
            block *b = adze_map_get(p->of, adze_op_result(op, i));
            if (b->from > p->at) b->from = p->at;
            b->to = p->at;
        }
    }
}

/* Is an entry of the stack, whole bytes, just what the region gives? */
static bool holds(const adze_type *stack, const adze_type *entry)
{
    if (adze_type_is_open(stack) || adze_type_is_open(entry)) return false;
    if (adze_type_rank(stack) != adze_type_rank(entry) + 1) return false;
    for (uint32_t i = 0; i < adze_type_rank(entry); i++)
        if (!adze_dim_equal(adze_type_dim(stack, i + 1), adze_type_dim(entry, i))) return false;
    return adze_dtype_bits(adze_type_dtype(stack)) >= 8;
}

/* Does the loop run just as often as the type of that result, a stack, says? */
static bool fills(const adze_op *op, uint32_t index)
{
    int64_t bound, entries;
    const adze_op *yield = adze_region_last(adze_op_region(op, 0));
    const adze_type *stack = adze_value_type(adze_op_result(op, index));
    return adze_op_operand(op, 0) && !adze_op_operand(op, 1) && !adze_op_operand(yield, 0) &&
           adze_value_as_ints(adze_op_operand(op, 0), &bound, 1) == 1 &&
           holds(stack, adze_value_type(adze_op_operand(yield, index + 1))) &&
           adze_dim_is_const(adze_type_dim(stack, 0), &entries) && entries == bound;
}

/* A carried value has one place, from what it starts with to what the loop gives: a late value where their types say
 * different sizes, of which a run knows the right one. What was made above and is used in
 * the region must outlive all its runs. */
static void collect_loop(plan *p, adze_op *op)
{
    adze_region *region = adze_op_region(op, 0);
    uint32_t above = p->n, begin = p->at, carried = adze_op_num_operands(op) - 2;
    for (uint32_t i = 0; i < adze_region_num_args(region); i++) {
        block *b = add_block(p, adze_region_arg(region, i));
        if (!i) continue;
        adze_map_set(p->of, adze_op_result(op, i - 1), b);
        b->late |= adze_value_type(b->value) != adze_value_type(adze_op_result(op, i - 1));
    }
    for (uint32_t i = carried; i < adze_op_num_results(op); i++) {
        block *b = add_block(p, adze_op_result(op, i));
        b->late |= !fills(op, i);
    }
    uint32_t inside = p->n;
    collect_region(p, region);
    p->at++;
    block *bound = block_of(p, adze_op_operand(op, 0));
    if (bound) bound->to = p->at;
    for (uint32_t i = 0; i < inside; i++)
        if (i >= above || p->blocks[i].to > begin) p->blocks[i].to = p->at;
}

static void collect_op(plan *p, adze_op *op)
{
    p->at++;
    touch(p, op);
    if (adze_op_is(op, "if")) {
        collect_if(p, op);
    } else if (adze_op_is(op, "loop")) {
        collect_loop(p, op);
    } else if (!adze_plan_is_view(op)) {
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) add_block(p, adze_op_result(op, i));
    }
    share_home(p, op);
}

static void collect_region(plan *p, const adze_region *region)
{
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) collect_op(p, op);
}

static void collect(plan *p, const adze_func *func)
{
    adze_plan_each(func, count_value, &p->n_values);
    p->blocks = calloc(p->n_values + 1u, sizeof *p->blocks);
    if (!p->blocks) abort();
    collect_region(p, adze_func_body(func));
}

/* Would memory for what the function states hold the value? */
static bool same_size(const adze_type *value, const adze_type *stated)
{
    return adze_type_is_open(stated) || adze_layout_bytes(value) == adze_layout_bytes(stated);
}

static void mark_outputs(plan *p, const adze_func *func)
{
    adze_op *ret = adze_func_return(func);
    for (uint32_t i = 0; ret && i < adze_op_num_operands(ret); i++) {
        const adze_ir_value *value = adze_op_operand(ret, i);
        block *b = block_of(p, value);
        if (b) b->output = !b->late && same_size(adze_value_type(value), adze_func_result_type(func, i));
    }
}

/* ---- In place ---- */

static bool may_overwrite(const adze_op *launch, uint32_t operand)
{
    adze_func *callee = adze_module_find_func(adze_op_module(launch), adze_op_attr_str(launch, "callee"));
    if (!callee || adze_op_num_results(launch) != 1) return false;
    adze_region *body = adze_func_body(callee);
    uint32_t x = adze_type_alias(adze_value_type(adze_region_arg(body, operand)));
    uint32_t y = adze_type_alias(adze_value_type(adze_region_arg(body, adze_op_num_operands(launch))));
    return x && x == y;
}

static void share_in_place(plan *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        block *y = &p->blocks[i];
        adze_op *op = adze_value_op(y->value);
        if (y->output || y->shares || !op || !adze_op_is(op, "launch")) continue;
        for (uint32_t k = 0; k < adze_op_num_operands(op) && !y->shares; k++) {
            block *x = block_of(p, adze_op_operand(op, k));
            if (!x || x->output || x->to != y->from || x->size != y->size || !may_overwrite(op, k)) continue;
            while (x->shares) x = x->shares;
            y->shares = x;
            x->to = y->to;
        }
    }
}

/* ---- Placing ---- */

static int larger_first(const void *a, const void *b)
{
    const block *x = *(block *const *)a, *y = *(block *const *)b;
    int64_t n = 0, m = 0;
    adze_dim_is_const(x->size, &n);
    adze_dim_is_const(y->size, &m);
    if (n != m) return n < m ? 1 : -1;
    return x->from < y->from ? -1 : x->from > y->from;
}

typedef struct entry {
    const block *block;
    uint32_t next; /* 0 = none */
} entry;

/* Placed blocks by the ops during which they live. A block stands at the few nodes of a tree over the ops that
 * together are its life, so those that live at an op stand on the path from its leaf to the root. */
typedef struct timeline {
    uint32_t leaves;
    uint32_t *living, *born; /* first entries: of each node; of each op, for the blocks that it makes */
    entry *entries;
    uint32_t n, capacity;
    const block **found; /* by the last look-up */
    uint32_t n_found;
} timeline;

static void push(timeline *t, uint32_t *first, const block *b)
{
    if (t->n == t->capacity) {
        t->capacity *= 2;
        t->entries = realloc(t->entries, t->capacity * sizeof *t->entries);
        if (!t->entries) abort();
    }
    t->entries[t->n] = (entry){b, *first};
    *first = t->n++;
}

static void enter(timeline *t, const block *b)
{
    push(t, &t->born[b->from], b);
    uint32_t low = b->from + t->leaves, high = b->to + 1 + t->leaves;
    for (; low < high; low /= 2, high /= 2) {
        if (low & 1) push(t, &t->living[low++], b);
        if (high & 1) push(t, &t->living[--high], b);
    }
}

static int lower_first(const void *a, const void *b)
{
    int64_t x = 0, y = 0;
    adze_dim_is_const((*(const block *const *)a)->offset, &x);
    adze_dim_is_const((*(const block *const *)b)->offset, &y);
    return x < y ? -1 : x > y;
}

/* The placed blocks that live while `b` does, lowest first. */
static void find_living(timeline *t, const block *b)
{
    t->n_found = 0;
    for (uint32_t node = b->from + t->leaves; node; node /= 2)
        for (uint32_t e = t->living[node]; e; e = t->entries[e].next) t->found[t->n_found++] = t->entries[e].block;
    for (uint32_t at = b->from + 1; at <= b->to; at++)
        for (uint32_t e = t->born[at]; e; e = t->entries[e].next) t->found[t->n_found++] = t->entries[e].block;
    qsort(t->found, t->n_found, sizeof *t->found, lower_first);
}

/* Lowest offset at which `b` fits between the placed blocks that live at the same time. */
static int64_t lowest_fit(timeline *t, const block *b)
{
    int64_t at = 0, size = 0;
    adze_dim_is_const(b->size, &size);
    find_living(t, b);
    for (uint32_t i = 0; i < t->n_found; i++) {
        int64_t other = 0, length = 0;
        adze_dim_is_const(t->found[i]->offset, &other);
        adze_dim_is_const(t->found[i]->size, &length);
        if (at + size <= other) break;
        if (at < other + length) at = other + length;
    }
    return at;
}

static timeline timeline_of(block *const *list, uint32_t n)
{
    timeline t = {.leaves = 1, .n = 1, .capacity = 64 + 4 * n};
    for (uint32_t i = 0; i < n; i++)
        while (t.leaves <= list[i]->to) t.leaves *= 2;
    t.living = calloc(2u * t.leaves, sizeof *t.living);
    t.born = calloc(t.leaves, sizeof *t.born);
    t.entries = calloc(t.capacity, sizeof *t.entries);
    t.found = calloc(n + 1u, sizeof *t.found);
    if (!t.living || !t.born || !t.entries || !t.found) abort();
    return t;
}

static const adze_dim *place_known(plan *p, block **list, uint32_t n)
{
    int64_t total = 0;
    timeline t = timeline_of(list, n);
    qsort(list, n, sizeof *list, larger_first);
    for (uint32_t i = 0; i < n; i++) {
        int64_t size = 0, at = lowest_fit(&t, list[i]);
        adze_dim_is_const(list[i]->size, &size);
        list[i]->offset = adze_dim_const(p->context, at);
        if (at + size > total) total = at + size;
        enter(&t, list[i]);
    }
    free(t.living);
    free(t.born);
    free(t.entries);
    free(t.found);
    return adze_dim_const(p->context, total);
}

typedef struct slot {
    const adze_dim *size, *offset;
    uint32_t until;
} slot;

/* In order of birth: a slot that is free again, best of the same size, grows to the maximum. */
static const adze_dim *place_symbolic(plan *p, block **list, uint32_t n)
{
    slot *slots = calloc(n + 1u, sizeof *slots);
    uint32_t *of = calloc(n + 1u, sizeof *of), n_slots = 0;
    if (!slots || !of) abort();
    for (uint32_t i = 0; i < n; i++) {
        uint32_t best = n_slots;
        for (uint32_t k = 0; k < n_slots; k++)
            if (slots[k].until < list[i]->from && (best == n_slots || slots[k].size == list[i]->size)) best = k;
        if (best == n_slots) slots[n_slots++].size = list[i]->size;
        slots[best].size = adze_dim_binary(p->context, ADZE_DIM_MAX, slots[best].size, list[i]->size);
        slots[best].until = list[i]->to;
        of[i] = best;
    }
    const adze_dim *total = adze_dim_const(p->context, 0);
    for (uint32_t k = 0; k < n_slots; k++) {
        slots[k].offset = total;
        total = adze_dim_add(p->context, total, slots[k].size);
    }
    for (uint32_t i = 0; i < n; i++) list[i]->offset = slots[of[i]].offset;
    free(slots);
    free(of);
    return total;
}

/* Slots in order of birth, the first that is free again. */
static uint32_t place_late(plan *p)
{
    uint32_t *until = calloc(p->n + 1u, sizeof *until), n = 0;
    if (!until) abort();
    for (uint32_t i = 0; i < p->n; i++) {
        block *b = &p->blocks[i];
        if (!b->late || b->shares) continue;
        uint32_t k = 0;
        while (k < n && until[k] >= b->from) k++;
        if (k == n) n++;
        until[k] = b->to;
        b->slot = k;
    }
    free(until);
    return n;
}

static const adze_dim *place_all(plan *p)
{
    block **list = calloc(p->n + 1u, sizeof *list);
    uint32_t n = 0;
    bool known = true;
    if (!list) abort();
    for (uint32_t i = 0; i < p->n; i++) {
        block *b = &p->blocks[i];
        if (b->output || b->shares || b->late) continue;
        known &= adze_dim_is_const(b->size, NULL);
        list[n++] = b;
    }
    const adze_dim *total = known ? place_known(p, list, n) : place_symbolic(p, list, n);
    free(list);
    return total;
}

/* ---- The pass ---- */

typedef struct list {
    plan *p;
    const adze_dim **offsets;
    int64_t *slots;
    uint32_t n;
} list;

static void list_offset(void *self, adze_op *op, const adze_ir_value *value)
{
    list *l = self;
    block *b = adze_map_get(l->p->of, value);
    (void)op;
    while (b && b->shares) b = b->shares;
    l->slots[l->n] = b ? b->slot : -1;
    l->offsets[l->n++] = b && b->offset ? b->offset : adze_dim_const(l->p->context, -1);
}

static void write_down(plan *p, adze_func *func, const adze_dim *total, uint32_t n_slots)
{
    list l = {.p = p};
    l.offsets = calloc(p->n_values + 1u, sizeof *l.offsets);
    l.slots = calloc(p->n_values + 1u, sizeof *l.slots);
    if (!l.offsets || !l.slots) abort();
    adze_plan_each(func, list_offset, &l);
    adze_func_set_attr(func, adze_attr_dim("arena_bytes", total));
    adze_func_set_attr(func, adze_attr_dims_make(p->context, "offsets", l.offsets, l.n));
    if (n_slots) adze_func_set_attr(func, adze_attr_ints("slots", l.slots, l.n));
    free(l.offsets);
    free(l.slots);
}

/* Functions over buffers are what launches run; they have no tensors of their own. */
static bool is_loop_ir(const adze_func *func)
{
    const adze_region *body = adze_func_body(func);
    for (uint32_t i = 0; i < adze_region_num_args(body); i++)
        if (adze_type_get_kind(adze_value_type(adze_region_arg(body, i))) == ADZE_TYPE_BUFFER) return true;
    return false;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    if (is_loop_ir(func) || adze_func_find_attr(func, "arena_bytes")) return ADZE_UNCHANGED;
    if (!adze_rewrite(self, NULL, "places")) return ADZE_UNCHANGED;
    plan p = {.context = self->context, .of = adze_map_create(), .given = adze_map_create()};
    give_symbols(&p, func);
    collect(&p, func);
    mark_outputs(&p, func);
    share_in_place(&p);
    write_down(&p, func, place_all(&p), place_late(&p));
    adze_map_destroy(p.of);
    adze_map_destroy(p.given);
    free(p.blocks);
    return ADZE_CHANGED;
}

const adze_pass adze_pass_plan = {
    .struct_size = sizeof(adze_pass),
    .name = "plan",
    .help = "give every tensor a place in one arena",
    .numerics = ADZE_EXACT,
    .run = run,
    .purpose = "lower",
    .contract = "Needs tile. Gives the function the attributes arena_bytes and offsets: one offset an op result, -1 "
                "for results of the function, which lie where the caller wants them, and for views. Keeps all ops.",
    .example = adze_example_plan,
};
