/* Typing of structure and loop IR: one function an op, found by the op's name. */
#include <string.h>

#include "ir/text.h"
#include "ir/verify.h"

typedef void check_fn(adze_verifier *v, const adze_op *op);

static const adze_type *operand_type(const adze_op *op, uint32_t index)
{
    const adze_ir_value *value = adze_op_operand(op, index);
    return value ? value->type : NULL;
}

static bool is_scalar(const adze_type *type, adze_dtype dtype)
{
    return type && type->kind == ADZE_TYPE_SCALAR && type->dtype == dtype;
}

/* Operand `index` is an i64 scalar. */
static void want_index(adze_verifier *v, const adze_op *op, uint32_t index)
{
    if (!is_scalar(operand_type(op, index), ADZE_DTYPE_i64))
        adze_verify_fail(v, op, "%s: operand %u must be an i64", op->row->name, index);
}

/* Operand `index` is a buffer; NULL after a report. */
static const adze_type *want_buffer(adze_verifier *v, const adze_op *op, uint32_t index)
{
    const adze_type *type = operand_type(op, index);
    if (type && type->kind == ADZE_TYPE_BUFFER) return type;
    adze_verify_fail(v, op, "%s: operand %u must be a buffer", op->row->name, index);
    return NULL;
}

/* Operands from `first` on are one i64 for each axis of the buffer. */
static void want_indices(adze_verifier *v, const adze_op *op, uint32_t first,
                         const adze_type *buffer)
{
    uint32_t n = op->n_operands > first ? op->n_operands - first : 0;
    if (n != buffer->rank)
        adze_verify_fail(v, op, "%s: %u indices for a buffer of rank %u", op->row->name, n,
                         buffer->rank);
    for (uint32_t i = first; i < op->n_operands; i++) want_index(v, op, i);
}

/* The yield of region `index`; NULL if there is none (reported elsewhere). */
static const adze_op *yield_of(const adze_op *op, uint32_t index)
{
    const adze_op *last = op->regions[index].last;
    return last && strcmp(last->row->name, "yield") == 0 ? last : NULL;
}

/* The region yields the op's results. `exact`: the very types, else compatible ones. */
static void want_yield(adze_verifier *v, const adze_op *op, uint32_t index, bool exact)
{
    const adze_op *yield = yield_of(op, index);
    if (!yield) return;
    if (yield->n_operands != op->n_results) {
        adze_verify_fail(v, yield, "yield has %u operands, but %s has %u results",
                         yield->n_operands, op->row->name, op->n_results);
        return;
    }
    for (uint32_t i = 0; i < op->n_results; i++) {
        const adze_type *got = operand_type(yield, i), *want = op->results[i].type;
        if (got && (exact ? got == want : adze_type_compatible(got, want))) continue;
        char wanted[256], gotten[256] = "absent";
        adze_type_print(want, wanted, sizeof wanted);
        if (got) adze_type_print(got, gotten, sizeof gotten);
        adze_verify_fail(v, yield, "yield: operand %u is %s, but result %u of %s is %s", i, gotten,
                         i, op->row->name, wanted);
    }
}

static void want_args(adze_verifier *v, const adze_op *op, uint32_t index, uint32_t n)
{
    if (op->regions[index].n_args != n)
        adze_verify_fail(v, op, "%s: region %u has %u arguments, expected %u", op->row->name, index,
                         op->regions[index].n_args, n);
}

static void check_kernel(adze_verifier *v, const adze_op *op)
{
    const adze_region *region = &op->regions[0];
    want_args(v, op, 0, op->n_operands);
    for (uint32_t i = 0; i < op->n_operands && i < region->n_args; i++) {
        const adze_type *outer = operand_type(op, i);
        if (outer && !adze_type_compatible(outer, region->args[i]->type))
            adze_verify_fail(v, op, "kernel: operand %u and its region argument differ in type", i);
    }
    want_yield(v, op, 0, false);
}

static void check_if(adze_verifier *v, const adze_op *op)
{
    const adze_type *condition = operand_type(op, 0);
    bool fits = condition && condition->dtype == ADZE_DTYPE_bool &&
                (condition->kind == ADZE_TYPE_SCALAR || condition->kind == ADZE_TYPE_TENSOR);
    if (!fits) adze_verify_fail(v, op, "if: the condition must be one bool");
    if (op->n_results && op->n_regions < 2)
        adze_verify_fail(v, op, "if: with results, both regions are needed");
    for (uint32_t i = 0; i < op->n_regions; i++) {
        want_args(v, op, i, 0);
        want_yield(v, op, i, false);
    }
}

/* A tensor of that element type, or absent. */
static void want_tensor(adze_verifier *v, const adze_op *op, const adze_type *type, adze_dtype dtype, const char *what)
{
    if (type && (type->kind != ADZE_TYPE_TENSOR || type->dtype != dtype))
        adze_verify_fail(v, op, "loop: %s must be one %s", what, dtype == ADZE_DTYPE_bool ? "bool" : "i64");
}

/* Is `all` a stack of `one`? */
static bool is_stack(const adze_type *all, const adze_type *one)
{
    if (all->kind != ADZE_TYPE_TENSOR || one->kind != ADZE_TYPE_TENSOR || all->dtype != one->dtype) return false;
    if (!all->ranked || !one->ranked) return true;
    if (all->rank != one->rank + 1) return false;
    for (uint32_t i = 0; i < one->rank; i++)
        if (!adze_dim_compatible(all->dims[i + 1], one->dims[i])) return false;
    return true;
}

static void check_loop_yield(adze_verifier *v, const adze_op *op, uint32_t carried)
{
    const adze_op *yield = yield_of(op, 0);
    if (!yield) return;
    if (yield->n_operands != op->n_results + 1) {
        adze_verify_fail(v, yield, "yield has %u operands, but a loop with %u results wants %u", yield->n_operands,
                         op->n_results, op->n_results + 1);
        return;
    }
    want_tensor(v, yield, operand_type(yield, 0), ADZE_DTYPE_bool, "whether to go on");
    for (uint32_t i = 0; i < op->n_results; i++) {
        const adze_type *got = operand_type(yield, i + 1), *result = op->results[i].type;
        if (!got)
            adze_verify_fail(v, yield, "yield: operand %u is absent", i + 1);
        else if (i >= carried && !is_stack(result, got))
            adze_verify_fail(v, yield, "yield: result %u of loop is no stack of operand %u", i, i + 1);
        else if (i < carried && (!adze_type_compatible(got, result) ||
                                 !adze_type_compatible(got, op->regions[0].args[i + 1]->type)))
            adze_verify_fail(v, yield, "yield: operand %u is not what loop carries", i + 1);
    }
}

static void check_loop(adze_verifier *v, const adze_op *op)
{
    const adze_region *region = &op->regions[0];
    if (op->n_operands < 2) {
        adze_verify_fail(v, op, "loop wants a bound and a condition, or _ for each");
        return;
    }
    uint32_t carried = op->n_operands - 2;
    want_tensor(v, op, operand_type(op, 0), ADZE_DTYPE_i64, "the bound");
    want_tensor(v, op, operand_type(op, 1), ADZE_DTYPE_bool, "the condition");
    if (carried > op->n_results) {
        adze_verify_fail(v, op, "loop carries %u values but has %u results", carried, op->n_results);
        return;
    }
    want_args(v, op, 0, carried + 1);
    if (region->n_args != carried + 1) return;
    want_tensor(v, op, region->args[0]->type, ADZE_DTYPE_i64, "the first argument");
    for (uint32_t i = 0; i < carried; i++) {
        const adze_type *type = operand_type(op, i + 2);
        if (!type || !adze_type_compatible(type, region->args[i + 1]->type))
            adze_verify_fail(v, op, "loop: carried value %u and its region argument differ in type", i);
    }
    check_loop_yield(v, op, carried);
}

static void check_for(adze_verifier *v, const adze_op *op)
{
    const adze_region *region = &op->regions[0];
    uint32_t carried = op->n_operands - 3;
    for (uint32_t i = 0; i < 3; i++) want_index(v, op, i);
    if (op->n_results != carried)
        adze_verify_fail(v, op, "for: %u carried values but %u results", carried, op->n_results);
    want_args(v, op, 0, carried + 1);
    if (region->n_args && !is_scalar(region->args[0]->type, ADZE_DTYPE_i64))
        adze_verify_fail(v, op, "for: the first region argument must be an i64");
    for (uint32_t i = 0; i < carried; i++) {
        const adze_type *type = operand_type(op, i + 3);
        bool fits = type && (type->kind == ADZE_TYPE_SCALAR || type->kind == ADZE_TYPE_VECTOR);
        fits = fits && (i >= op->n_results || op->results[i].type == type);
        fits = fits && (i + 1 >= region->n_args || region->args[i + 1]->type == type);
        if (!fits)
            adze_verify_fail(
                v, op, "for: carried value %u must be one scalar or vector type throughout", i);
    }
    want_yield(v, op, 0, true);
}

static void check_parallel(adze_verifier *v, const adze_op *op)
{
    const adze_region *region = &op->regions[0];
    want_index(v, op, 0);
    want_args(v, op, 0, 1);
    if (region->n_args && !is_scalar(region->args[0]->type, ADZE_DTYPE_i64))
        adze_verify_fail(v, op, "parallel: the region argument must be an i64");
    want_yield(v, op, 0, true);
}

static bool expression_fits(const adze_dim *dim, uint32_t n)
{
    if (dim->kind == ADZE_DIM_AXIS) return dim->value < n;
    if (dim->kind == ADZE_DIM_UNKNOWN || dim->kind == ADZE_DIM_ANY) return false;
    return (!dim->a || expression_fits(dim->a, n)) && (!dim->b || expression_fits(dim->b, n));
}

static void check_apply(adze_verifier *v, const adze_op *op)
{
    const adze_dim *expr = adze_op_attr_dim(op, "expr");
    for (uint32_t i = 0; i < op->n_operands; i++) want_index(v, op, i);
    if (!is_scalar(op->results[0].type, ADZE_DTYPE_i64))
        adze_verify_fail(v, op, "apply: the result is an i64");
    if (expr && !expression_fits(expr, op->n_operands))
        adze_verify_fail(v, op,
                         "apply: the expression is unknown or names an operand that is not there");
}

static void check_lit(adze_verifier *v, const adze_op *op)
{
    if (op->results[0].type->kind != ADZE_TYPE_SCALAR)
        adze_verify_fail(v, op, "lit: the result is a scalar");
}

/* What load gives and store takes: a scalar or vector of the buffer's element type, with a fitting
 * mask. */
static void check_access(adze_verifier *v, const adze_op *op, const adze_type *value,
                         uint32_t buffer_at)
{
    const adze_type *buffer = want_buffer(v, op, buffer_at),
                    *mask = operand_type(op, buffer_at + 1);
    int64_t axis = adze_op_attr_int(op, "axis");
    if (!buffer) return;
    bool vector = value && value->kind == ADZE_TYPE_VECTOR;
    if (!value || (!vector && value->kind != ADZE_TYPE_SCALAR) || value->dtype != buffer->dtype)
        adze_verify_fail(v, op,
                         "%s: the value must be a scalar or vector of the buffer's element type",
                         op->row->name);
    if (mask && (mask->dtype != ADZE_DTYPE_bool ||
                 mask->kind != (vector ? ADZE_TYPE_VECTOR : ADZE_TYPE_SCALAR)))
        adze_verify_fail(v, op, "%s: the mask must be a %s", op->row->name,
                         vector ? "boolx16" : "bool");
    want_indices(v, op, buffer_at + 2, buffer);
    if (vector && (axis < -(int64_t)buffer->rank || axis >= (int64_t)buffer->rank))
        adze_verify_fail(v, op, "%s: axis %lld of a buffer of rank %u", op->row->name,
                         (long long)axis, buffer->rank);
    if (vector && adze_dtype_bits(buffer->dtype) < 8)
        adze_verify_fail(v, op, "%s: no vectors of elements below a byte", op->row->name);
}

static void check_load(adze_verifier *v, const adze_op *op)
{
    check_access(v, op, op->results[0].type, 0);
}

static void check_store(adze_verifier *v, const adze_op *op)
{
    check_access(v, op, operand_type(op, 0), 1);
}

static void check_mask(adze_verifier *v, const adze_op *op)
{
    const adze_type *type = op->results[0].type;
    want_index(v, op, 0);
    if (type->kind != ADZE_TYPE_VECTOR || type->dtype != ADZE_DTYPE_bool)
        adze_verify_fail(v, op, "mask: the result is a boolx16");
}

static void check_check(adze_verifier *v, const adze_op *op)
{
    if (!is_scalar(operand_type(op, 0), ADZE_DTYPE_bool)) adze_verify_fail(v, op, "check: takes a bool");
}

static void check_splat(adze_verifier *v, const adze_op *op)
{
    const adze_type *from = operand_type(op, 0), *to = op->results[0].type;
    if (!from || from->kind != ADZE_TYPE_SCALAR || to->kind != ADZE_TYPE_VECTOR ||
        from->dtype != to->dtype)
        adze_verify_fail(v, op, "splat: takes a scalar, gives a vector of its type");
}

static void check_lanes(adze_verifier *v, const adze_op *op)
{
    const adze_type *type = op->results[0].type;
    if (type->kind != ADZE_TYPE_VECTOR || type->dtype != ADZE_DTYPE_i64)
        adze_verify_fail(v, op, "lanes: the result is an i64x16");
}

static void check_reduce_lanes(adze_verifier *v, const adze_op *op)
{
    const adze_type *from = operand_type(op, 0), *to = op->results[0].type;
    const char *how = adze_op_attr_str(op, "op");
    if (!from || from->kind != ADZE_TYPE_VECTOR || to->kind != ADZE_TYPE_SCALAR ||
        from->dtype != to->dtype)
        adze_verify_fail(v, op, "reduce_lanes: takes a vector, gives a scalar of its type");
    if (how && strcmp(how, "add") && strcmp(how, "mul") && strcmp(how, "max") && strcmp(how, "min"))
        adze_verify_fail(v, op, "reduce_lanes: op is \"add\", \"mul\", \"max\" or \"min\"");
}

static void check_subview(adze_verifier *v, const adze_op *op)
{
    const adze_type *from = want_buffer(v, op, 0), *to = op->results[0].type;
    if (!from) return;
    want_indices(v, op, 1, from);
    if (to->kind != ADZE_TYPE_BUFFER || to->dtype != from->dtype)
        adze_verify_fail(v, op, "subview: the result is a buffer of the same element type");
}

static void check_scratch(adze_verifier *v, const adze_op *op)
{
    const adze_type *type = op->results[0].type;
    if (type->kind != ADZE_TYPE_BUFFER || adze_dim_is_unknown(adze_type_count(type)))
        adze_verify_fail(v, op, "scratch: the result is a buffer of known size");
}

static void check_ukernel(adze_verifier *v, const adze_op *op)
{
    for (uint32_t i = 0; i < op->n_operands; i++) {
        const adze_type *type = operand_type(op, i);
        if (!is_scalar(type, ADZE_DTYPE_i64) && !is_scalar(type, ADZE_DTYPE_f32) &&
            !(type && type->kind == ADZE_TYPE_BUFFER))
            adze_verify_fail(v, op, "ukernel: operand %u must be a buffer, an i64 or an f32", i);
    }
}

static void check_prefetch(adze_verifier *v, const adze_op *op)
{
    const adze_type *buffer = want_buffer(v, op, 0);
    if (buffer) want_indices(v, op, 1, buffer);
}

/* The callee sees operand or result `type` as a buffer of these physical dims and strides. */
static bool buffer_fits(const adze_type *type, const adze_type *buffer)
{
    if (!type || !adze_type_is_tensor(type) || !type->ranked || buffer->kind != ADZE_TYPE_BUFFER)
        return false;
    const adze_type *seen = adze_layout_buffer(type, 0);
    if (!adze_type_compatible(seen, buffer)) return false;
    for (uint32_t i = 0; i < seen->rank; i++)
        if (!adze_dim_is_value(seen->dims[i], 1) &&
            !adze_dim_compatible(seen->strides[i], buffer->strides[i]))
            return false;
    return true;
}

static void check_launch(adze_verifier *v, const adze_op *op)
{
    const char *name = adze_op_attr_str(op, "callee");
    const adze_func *callee = name ? adze_module_find_func(v->module, name) : NULL;
    uint32_t n = op->n_operands + op->n_results;
    for (uint32_t i = 0; i < v->func->body.n_args; i++)
        if (v->func->body.args[i]->type->kind == ADZE_TYPE_BUFFER) {
            adze_verify_fail(v, op,
                             "launch: stands in a function of buffers, which is launched itself");
            return;
        }
    if (!callee) {
        if (name) adze_verify_fail(v, op, "launch: there is no function @%s", name);
        return;
    }
    if (callee->body.n_args != n || callee->n_results)
        adze_verify_fail(v, op, "launch: @%s must take %u buffers and return nothing", name, n);
    for (uint32_t i = 0; i < n && i < callee->body.n_args; i++) {
        const adze_type *type =
            i < op->n_operands ? operand_type(op, i) : op->results[i - op->n_operands].type;
        if (buffer_fits(type, callee->body.args[i]->type)) continue;
        char want[256] = "absent", got[256];
        if (type) adze_type_print(type, want, sizeof want);
        adze_type_print(callee->body.args[i]->type, got, sizeof got);
        adze_verify_fail(v, op, "launch: argument %u of @%s is %s, which does not hold %s", i, name,
                         got, want);
    }
}

void adze_verify_structure(adze_verifier *v, const adze_op *op)
{
    static const struct {
        const char *name;
        check_fn *check;
    } checks[] = {
        {"apply", check_apply},
        {"check", check_check},
        {"for", check_for},
        {"if", check_if},
        {"kernel", check_kernel},
        {"lanes", check_lanes},
        {"launch", check_launch},
        {"lit", check_lit},
        {"load", check_load},
        {"loop", check_loop},
        {"mask", check_mask},
        {"parallel", check_parallel},
        {"prefetch", check_prefetch},
        {"reduce_lanes", check_reduce_lanes},
        {"scratch", check_scratch},
        {"splat", check_splat},
        {"store", check_store},
        {"subview", check_subview},
        {"ukernel", check_ukernel},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (strcmp(op->row->name, checks[i].name) == 0) {
            checks[i].check(v, op);
            return;
        }
}
