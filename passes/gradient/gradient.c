/* The way back from a loss: ops in reverse order, each asked once for what its operands get of its results. */
#include "passes/gradient/private.h"

#include <adze/arena.h>
#include <adze/gradient.h>
#include <adze/table.h>

#include <stdlib.h>
#include <string.h>

static const gradient_row rows[] = {
#define GRAD(op, fn) {#op, gradient_##fn},
#include "passes/gradient/gradients.def"
#undef GRAD
};

static gradient_fn *find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].op, name)) return rows[i].fn;
    return NULL;
}

bool adze_gradient_has(const adze_op_row *row) { return find(row->name) != NULL; }

bool gradient_refuse(const gradient_step *s, const char *why)
{
    return adze_error(adze_op_loc(s->op), "no gradient of %s: %s", adze_op_name(s->op), why);
}

adze_ir_value *gradient_select(adze_builder *b, adze_ir_value *condition, adze_ir_value *a)
{
    adze_ir_value *in[] = {condition, a, build_scalar(b, a, 0)};
    return condition && a && in[2] ? adze_build1(b, "where", in, 3, NULL, 0) : NULL;
}

adze_ir_value *gradient_reduce_to(adze_builder *b, adze_ir_value *x, const adze_type *type)
{
    if (!x) return NULL;
    const adze_type *from = adze_value_type(x);
    int64_t axes[ADZE_MAX_RANK];
    uint32_t n = 0, more = adze_type_rank(from) - adze_type_rank(type);
    for (uint32_t i = 0; i < adze_type_rank(from); i++) {
        bool repeated = i < more || (adze_dim_is_value(adze_type_dim(type, i - more), 1) &&
                                     !adze_dim_is_value(adze_type_dim(from, i), 1));
        if (repeated) axes[n++] = i;
    }
    if (n) x = build_reduce(b, "reduce_sum", x, axes, n, true);
    return build_reshape_as(b, x, type);
}

typedef struct walk {
    adze_builder b;
    adze_table active;    /* values that depend on what is asked for: themselves */
    adze_table gradients; /* by value */
    adze_arena arena;
} walk;

static bool is_float(const adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    return adze_type_is_tensor(type) && adze_dtype_get_kind(adze_type_dtype(type)) == ADZE_KIND_FLOAT;
}

static bool is_active(const walk *w, const adze_ir_value *value) { return value && adze_table_get(&w->active, value); }

static void mark(walk *w, adze_func *func, adze_ir_value *const *wrt, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) adze_table_put(&w->active, wrt[i], wrt[i]);
    for (adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) {
        bool depends = false;
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++) depends |= is_active(w, adze_op_operand(op, i));
        for (uint32_t i = 0; depends && i < adze_op_num_results(op); i++)
            if (is_float(adze_op_result(op, i))) adze_table_put(&w->active, adze_op_result(op, i), op);
    }
}

static bool add_to(walk *w, adze_ir_value *value, adze_ir_value *part)
{
    adze_ir_value *sum = adze_table_get(&w->gradients, value);
    sum = sum ? build_binary(&w->b, "add", sum, part) : part;
    if (sum) adze_table_put(&w->gradients, value, sum);
    return sum;
}

static bool step(walk *w, adze_op *op)
{
    uint32_t n = adze_op_num_operands(op), m = adze_op_num_results(op);
    adze_ir_value **dys = ADZE_NEW_ARRAY(&w->arena, adze_ir_value *, m + 1u);
    adze_ir_value **dx = ADZE_NEW_ARRAY(&w->arena, adze_ir_value *, n + 1u);
    bool *wanted = ADZE_NEW_ARRAY(&w->arena, bool, n + 1u), any = false, reached = false;
    for (uint32_t i = 0; i < m; i++) reached |= (dys[i] = adze_table_get(&w->gradients, adze_op_result(op, i))) != NULL;
    for (uint32_t i = 0; i < n; i++) any |= wanted[i] = is_active(w, adze_op_operand(op, i));
    if (!reached || !any) return true;
    gradient_step s = {.b = &w->b, .op = op, .y = adze_op_result(op, 0), .dy = dys[0], .dys = dys, .wanted = wanted,
                       .dx = dx};
    s.x = adze_op_operand(op, 0);
    s.z = adze_op_operand(op, 1);
    gradient_fn *fn = find(adze_op_name(op));
    if (!fn) return gradient_refuse(&s, "it is not among the ops that have one");
    if (!fn(&s)) return false;
    for (uint32_t i = 0; i < n; i++)
        if (wanted[i] && (!dx[i] || !add_to(w, adze_op_operand(op, i), dx[i]))) return false;
    return true;
}

bool adze_gradient_build(adze_func *func, adze_ir_value *loss, adze_ir_value *const *wrt, uint32_t n,
                         adze_ir_value **out_gradients)
{
    const adze_op *from = adze_value_op(loss);
    if (!from || !is_float(loss) || !adze_dim_is_value(adze_type_count(adze_value_type(loss)), 1))
        return adze_error(adze_func_loc(func), "a loss is the result of an op, with one float element");
    walk w = {.b = adze_builder_before(adze_func_return(func))};
    w.b.n_origin = 0;
    mark(&w, func, wrt, n);
    adze_ir_value *one = build_expand_as(&w.b, build_scalar(&w.b, loss, 1), adze_value_type(loss));
    bool ok = one;
    if (ok) adze_table_put(&w.gradients, loss, one);
    for (adze_op *op = adze_value_op(loss); ok && op; op = adze_op_prev(op)) ok = step(&w, op);
    for (uint32_t i = 0; ok && i < n; i++) {
        out_gradients[i] = adze_table_get(&w.gradients, wrt[i]);
        if (!out_gradients[i])
            out_gradients[i] = build_expand_as(&w.b, build_scalar(&w.b, wrt[i], 0), adze_value_type(wrt[i]));
        ok = out_gradients[i];
    }
    adze_table_free(&w.active);
    adze_table_free(&w.gradients);
    adze_arena_free(&w.arena);
    return ok;
}
