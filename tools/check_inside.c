/* Which op inside the regions of an `if` or `loop` differs first (check.h).
 *
 * A branch that the reference always takes is put where its `if` stands; what a loop's body computes is stacked, one
 * entry an iteration, in results that the loop gets for it. The values inside are then outputs like others:
 *
 *     loop(…) {                          loop(…) {
 *       %a = neg(%x)             =>        %a = neg(%x)
 *       yield(%on, %a)                     yield(%on, %a, %a)
 *     } : f32[4]                         } : f32[4], f32[?,4]
 *
 * All are asked for at once, and where nothing differs then one by one, for kernels form again. The first is that of
 * the first iteration, in the order of the body. Values that have other dims from one iteration to the next are not
 * asked for, nor strings and what is no tensor.
 */
#include "check.h"

#include <adze/table.h>

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = ADZE_CHECK_DEPTH, MAX_ONE_BY_ONE = 64 };
static const uint64_t max_bytes = UINT64_C(1) << 30; /* of all values that are asked for */

/* An op inside the regions; ops are numbered in the order in which `number` meets them, the same in each clone. */
typedef struct inner {
    adze_op *op;
    uint64_t runs;  /* of the reference */
    bool same;      /* the first result had the same dims in each */
    int64_t *dims;
    uint32_t rank;
    uint64_t bytes; /* of one run; 0: not to be asked for */
} inner;

typedef struct inside {
    const adze_check *check;
    const adze_value *inputs;
    adze_module *module; /* with branches in the place of their `if` */
    uint32_t first, n_outer; /* in the body of the main function: where it begins, how many ops */
    inner *ops;
    adze_table of; /* op -> inner */
    uint32_t count;
    bool failed;
    adze_check_place best;
} inside;

/* ---- Ops in their order ---- */

static adze_op *body_op(const adze_module *module, uint32_t position)
{
    adze_op *op = adze_region_first(adze_func_body(adze_module_main(module)));
    while (op && position--) op = adze_op_next(op);
    return op;
}

/* Sets the ops (NULL: only counts them): those inside regions above the op that has them. */
static void number(adze_op *op, inner *ops, uint32_t *count)
{
    for (uint32_t i = 0; adze_op_is_control(op) && i < adze_op_num_regions(op); i++)
        for (adze_op *o = adze_region_first(adze_op_region(op, i)); o; o = adze_op_next(o)) number(o, ops, count);
    if (ops) ops[*count].op = op;
    ++*count;
}

static bool number_all(inside *s, const adze_module *module)
{
    uint32_t n = 0;
    adze_op *first = body_op(module, s->first), *op = first;
    for (uint32_t i = 0; i < s->n_outer; i++, op = adze_op_next(op)) number(op, NULL, &n);
    if (!s->ops) s->ops = calloc(n + 1u, sizeof *s->ops);
    s->count = 0;
    op = first;
    for (uint32_t i = 0; s->ops && i < s->n_outer; i++, op = adze_op_next(op)) number(op, s->ops, &s->count);
    adze_table_free(&s->of);
    for (uint32_t i = 0; i < s->count; i++) adze_table_put(&s->of, s->ops[i].op, &s->ops[i]);
    return s->ops != NULL;
}

static void forget(inside *s)
{
    for (uint32_t i = 0; i < s->count; i++) free(s->ops[i].dims);
    free(s->ops);
    s->ops = NULL;
    s->count = 0;
    adze_table_free(&s->of);
}

static void observe(void *self, const adze_op *op, const adze_value *values, uint32_t n)
{
    inside *s = self;
    inner *o = adze_table_get(&s->of, op);
    if (!o) return;
    uint32_t bits = n && values->kind == ADZE_VALUE_TENSOR && values->dtype != ADZE_DTYPE_str
                        ? adze_dtype_bits((adze_dtype)values->dtype) : 0;
    if (o->runs++ == 0) {
        o->same = bits && bits % 8 == 0;
        o->rank = o->same ? values->rank : 0;
        o->dims = calloc(o->rank + 1u, sizeof *o->dims);
        o->bytes = o->same ? adze_value_count(values) * bits / 8 : 0;
        if (o->dims && o->rank) memcpy(o->dims, values->dims, o->rank * sizeof *o->dims);
        s->failed = s->failed || !o->dims;
    } else {
        o->same = o->same && bits && o->rank == values->rank &&
                  (!o->rank || !memcmp(o->dims, values->dims, o->rank * sizeof *o->dims));
    }
}

/* Runs the reference on what the module is now: how often each op runs, and on what. */
static bool count_runs(inside *s)
{
    adze_device device = {0};
    const adze_value *outputs;
    forget(s);
    bool ok = adze_device_open_module(&device, s->check->work, s->check->common, adze_module_clone(s->module),
                                      s->check->path, ADZE_DEVICE_REFERENCE) &&
              number_all(s, device.module);
    device.observe = observe;
    device.observe_self = s;
    ok = ok && adze_device_run(&device, s->inputs, &outputs);
    adze_device_close(&device);
    return ok && !s->failed && number_all(s, s->module);
}

/* ---- Branches in the place of their if ---- */

static uint64_t runs_of(const inside *s, const adze_op *op)
{
    const inner *o = adze_table_get(&s->of, op);
    return o ? o->runs : 0;
}

/* The region of the branch that is always taken, as its first op tells; NULL: there is none. */
static adze_region *taken(const inside *s, const adze_op *op)
{
    uint64_t runs = runs_of(s, op);
    for (uint32_t i = 0; runs && adze_op_is(op, "if") && i < adze_op_num_regions(op); i++) {
        adze_region *region = adze_op_region(op, i);
        const adze_op *first = adze_region_first(region);
        if (first && first != adze_region_last(region) && runs_of(s, first) == runs) return region;
    }
    return NULL;
}

static void put_branch(inside *s, adze_op *op, adze_region *region)
{
    adze_op *yield = adze_region_last(region);
    bool outermost = !adze_region_op(adze_op_parent(op));
    for (adze_op *o; (o = adze_region_first(region)) != yield; s->n_outer += outermost) adze_op_move_before(o, op);
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        adze_value_replace_uses(adze_op_result(op, i), adze_op_operand(yield, i));
    adze_op_erase(op);
    s->n_outer -= outermost;
}

/* Puts one branch in its place, an outer one first; false where none is left. */
static bool put_one(inside *s)
{
    for (uint32_t i = s->count; i-- > 0;) {
        adze_region *region = taken(s, s->ops[i].op);
        if (!region) continue;
        put_branch(s, s->ops[i].op, region);
        return true;
    }
    return false;
}

/* ---- Loops that stack what is inside ---- */

static uint32_t depth_of(const adze_op *op)
{
    uint32_t depth = 0;
    for (const adze_op *outer; (outer = adze_region_op(adze_op_parent(op))) != NULL; op = outer)
        if (!adze_op_is(outer, "loop")) return MAX_DEPTH + 1; /* a branch that is not always taken */
        else depth++;
    return depth;
}

/* A stack of values of the type: of as many as a run makes. */
static const adze_type *stack_of(const adze_type *type, const inner *o, uint32_t depth)
{
    adze_context *context = adze_type_context(type);
    const adze_dim *dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < depth + o->rank; i++) dims[i] = adze_dim_unknown(context);
    for (uint32_t i = 0; i < o->rank && adze_type_is_ranked(type); i++) {
        const adze_dim *dim = adze_type_dim(type, adze_type_rank(type) - o->rank + i);
        if (adze_dim_is_const(dim, NULL)) dims[depth + i] = dim;
    }
    return adze_type_tensor(context, adze_type_dtype(type), depth + o->rank, dims, NULL);
}

/* The loop anew with one more result, the stack of `value`; NULL after an error. */
static adze_ir_value *stack(adze_op *loop, adze_ir_value *value, const adze_type *type)
{
    adze_region *region = adze_op_region(loop, 0);
    uint32_t n_in = adze_op_num_operands(loop), n_out = adze_op_num_results(loop);
    adze_ir_value **operands = calloc(n_in + 1u, sizeof(adze_ir_value *));
    const adze_type **types = calloc(n_out + 1u, sizeof(adze_type *));
    if (!operands || !types) abort();
    for (uint32_t i = 0; i < n_in; i++) operands[i] = adze_op_operand(loop, i);
    for (uint32_t i = 0; i < n_out; i++) types[i] = adze_value_type(adze_op_result(loop, i));
    types[n_out] = type;
    adze_builder builder = adze_builder_before(loop);
    adze_op *made = adze_build(&builder, "loop", operands, n_in, NULL, 0, types, n_out + 1);
    free(operands);
    free((void *)types);
    if (!made) return NULL;
    adze_region *into = adze_op_region(made, 0);
    for (uint32_t i = 0; i < adze_region_num_args(region); i++) {
        adze_ir_value *arg = adze_region_arg(region, i);
        adze_value_replace_uses(arg, adze_region_add_arg(into, adze_value_type(arg), adze_value_name(arg)));
    }
    adze_builder end = adze_builder_at_end(adze_op_module(made), into);
    adze_op *mark = adze_build(&end, "yield", NULL, 0, NULL, 0, NULL, 0);
    if (!mark) return NULL;
    adze_op *yield = adze_region_last(region);
    for (adze_op *o; (o = adze_region_first(region)) != NULL;) adze_op_move_before(o, mark);
    adze_op_erase(mark);
    adze_op_insert_operand(yield, adze_op_num_operands(yield), value);
    for (uint32_t i = 0; i < n_out; i++)
        adze_value_replace_uses(adze_op_result(loop, i), adze_op_result(made, i));
    adze_op_erase(loop);
    return adze_op_result(made, n_out);
}

/* What stands for all runs of the op's first result in the body of the function; NULL after an error. */
static adze_ir_value *lift(const inner *o, adze_op *op)
{
    adze_ir_value *value = adze_op_result(op, 0);
    adze_op *loop = adze_region_op(adze_op_parent(op));
    for (uint32_t depth = 1; loop && value; depth++) {
        value = stack(loop, value, stack_of(adze_value_type(value), o, depth));
        loop = value ? adze_region_op(adze_op_parent(adze_value_op(value))) : NULL;
    }
    return value;
}

/* ---- Asking ---- */

static bool can_ask(const inner *o)
{
    uint32_t depth = depth_of(o->op);
    return o->runs && o->same && o->bytes && depth <= MAX_DEPTH && depth + o->rank <= ADZE_MAX_RANK &&
           o->bytes <= max_bytes / o->runs && !adze_op_has_trait(o->op, ADZE_TERMINATOR);
}

/* The first run whose value differs, if that is before the best so far. */
static void compare(inside *s, const adze_value *got, const adze_value *want, uint32_t which)
{
    const inner *o = &s->ops[which];
    uint32_t depth = depth_of(o->op);
    if (got->rank != want->rank || got->dtype != want->dtype || want->rank != depth + o->rank ||
        (want->rank && memcmp(got->dims, want->dims, want->rank * sizeof *want->dims) != 0))
        return;
    uint64_t runs = 1;
    for (uint32_t i = 0; i < depth; i++) runs *= (uint64_t)want->dims[i];
    for (uint64_t i = 0; i < runs; i++) {
        adze_value a = {.kind = ADZE_VALUE_TENSOR, .dtype = want->dtype, .rank = o->rank, .dims = o->dims}, b = a;
        adze_difference d;
        a.data = (char *)got->data + i * o->bytes;
        b.data = (char *)want->data + i * o->bytes;
        if (adze_values_compare(&a, &b, s->check->tolerance, &d)) continue;
        adze_check_place found = {.op = o->op, .difference = d, .depth = depth};
        uint64_t rest = i;
        for (uint32_t k = depth; k-- > 0; rest /= (uint64_t)want->dims[k])
            found.iteration[k] = (int64_t)(rest % (uint64_t)want->dims[k]);
        adze_difference_place(&d, found.where, sizeof found.where);
        found.difference.tensor = NULL;
        int order = 0;
        for (uint32_t k = 0; s->best.op && !order && k < depth && k < s->best.depth; k++)
            order = (found.iteration[k] > s->best.iteration[k]) - (found.iteration[k] < s->best.iteration[k]);
        if (!s->best.op || order < 0) s->best = found;
        return;
    }
}

/* The function's results are what it returns now. */
static void name_results(adze_module *module, const adze_op *end)
{
    uint32_t n = adze_op_num_operands(end);
    const adze_type **types = calloc(n + 1u, sizeof(adze_type *));
    const char **names = calloc(n + 1u, sizeof(char *));
    if (!types || !names) abort();
    for (uint32_t i = 0; i < n; i++) {
        types[i] = adze_value_type(adze_op_operand(end, i));
        names[i] = adze_internf(adze_module_context(module), "value%u", i);
    }
    adze_func_set_results(adze_module_main(module), types, names, n);
    free((void *)types);
    free((void *)names);
}

/* Asks for the first results of the `n` ops whose numbers are listed, of all their runs. */
static void ask(inside *s, const uint32_t *list, uint32_t n)
{
    const adze_check *check = s->check;
    adze_module *module = adze_module_clone(s->module);
    inside there = {.first = s->first, .n_outer = s->n_outer};
    adze_op *end = adze_func_return(adze_module_main(module));
    if (!number_all(&there, module)) abort();
    while (adze_op_num_operands(end)) adze_op_remove_operand(end, adze_op_num_operands(end) - 1);
    for (uint32_t i = n; i-- > 0 && !s->failed;) { /* loops before what is inside them, which builds them anew */
        adze_ir_value *value = lift(&s->ops[list[i]], there.ops[list[i]].op);
        s->failed = !value;
        if (value) adze_op_insert_operand(end, 0, value);
    }
    forget(&there);
    if (!s->failed) name_results(module, end);
    adze_device right = {0}, device = {0};
    const adze_value *want, *got;
    bool ok = !s->failed &&
              adze_device_open_module(&right, check->work, check->common, adze_module_clone(module), check->path,
                                      ADZE_DEVICE_REFERENCE) &&
              adze_device_run(&right, s->inputs, &want) &&
              adze_device_open_module(&device, check->work, check->common, adze_module_clone(module), check->path,
                                      check->kind) &&
              adze_device_run(&device, s->inputs, &got);
    s->failed = !ok;
    for (uint32_t i = 0; ok && i < n; i++) compare(s, &got[i], &want[i], list[i]);
    adze_device_close(&device);
    adze_device_close(&right);
    adze_module_destroy(module);
}

static void ask_all(inside *s)
{
    uint32_t *list = calloc(s->count + 1u, sizeof *list), n = 0;
    uint64_t bytes = 0;
    if (!list) abort();
    for (uint32_t i = 0; i < s->count; i++) {
        const inner *o = &s->ops[i];
        if (!can_ask(o) || (bytes += o->bytes * o->runs) > max_bytes) continue;
        list[n++] = i;
    }
    if (n) ask(s, list, n);
    for (uint32_t i = 0; i < n && n <= MAX_ONE_BY_ONE && !s->best.op && !s->failed; i++) ask(s, &list[i], 1);
    free(list);
}

bool adze_check_inside(const adze_check *check, const adze_value *inputs, const adze_module *module, uint32_t position,
                       adze_check_place *out, adze_module **out_module)
{
    inside s = {.check = check, .inputs = inputs, .module = adze_module_clone(module), .first = position, .n_outer = 1};
    bool ok = adze_op_is_control(body_op(s.module, position)) && count_runs(&s);
    while (ok && put_one(&s)) ok = count_runs(&s);
    if (ok) ask_all(&s);
    *out = s.best;
    *out_module = NULL;
    if (s.best.op) *out_module = s.module;
    else adze_module_destroy(s.module);
    forget(&s);
    return out->op != NULL;
}
