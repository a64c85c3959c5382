/* shape-fold: shapes that are known, perhaps in symbols, are written down instead of computed.
 *
 * 1. An integer result whose entries are known becomes a constant, or `dims` where symbols are in it; a comparison that
 *    comes out one way whatever the symbols are becomes a constant too.
 * 2. An op whose shape operand only restates the result type loses the operand, and its type says it:
 *    reshape and expand keep their name, constant_of_shape becomes `full`, range becomes `iota`, with what it starts
 *    from added where that is computed.
 * Types that were unknown are inferred again on the way.
 *
 *     %0 = shape(%x) : i64[2]                       →      %2 = reshape(%x, _) : f32[N,2,32]
 *     %1 = concat(@n, @c) {axis = 0} : i64[3]
 *     %2 = reshape(%x, %1) : f32[N,2,32]
 */
#include <adze/ir.h>
#include <adze/pass.h>

#include "passes/examples_embedded.h"

#include <string.h>

/* Entries of the shapes that are looked at: a rank, or pads of one. */
enum { MAX_ENTRIES = 64 };

/* An i64 or i32 tensor of rank 0 or 1 with few entries, or a bool that a comparison of dims may be. */
static bool is_shape_like(const adze_type *type)
{
    int64_t count;
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type) || adze_type_rank(type) > 1) return false;
    adze_dtype dtype = adze_type_dtype(type);
    if (dtype != ADZE_DTYPE_i64 && dtype != ADZE_DTYPE_i32 && dtype != ADZE_DTYPE_bool) return false;
    return adze_dim_is_const(adze_type_count(type), &count) && count <= MAX_ENTRIES;
}

static adze_ir_value *make_constant(adze_op *op, const adze_type *type, const adze_dim *const *dims, int n)
{
    int64_t values[MAX_ENTRIES];
    int32_t narrow[MAX_ENTRIES];
    uint8_t bools[MAX_ENTRIES];
    const char *name = adze_value_name(adze_op_result(op, 0));
    adze_dtype dtype = adze_type_dtype(type);
    for (int i = 0; i < n; i++) {
        if (!adze_dim_is_const(dims[i], &values[i])) return NULL;
        narrow[i] = (int32_t)values[i];
        bools[i] = values[i] != 0;
        if (dtype == ADZE_DTYPE_i32 && narrow[i] != values[i]) return NULL;
    }
    const void *data = values;
    if (dtype == ADZE_DTYPE_i32) data = narrow;
    if (dtype == ADZE_DTYPE_bool) data = bools;
    return adze_const_make(adze_op_module(op), name ? name : "shape", type, data);
}

/* `dims`, brought to the rank and element type that the users expect. NULL after an error. */
static adze_ir_value *make_dims(adze_op *op, const adze_type *type, const adze_dim *const *dims, int n)
{
    adze_builder builder = adze_builder_before(op);
    adze_attr attr = adze_attr_dims_make(adze_op_context(op), "dims", dims, (uint32_t)n);
    adze_ir_value *value = adze_build1(&builder, "dims", NULL, 0, &attr, 1);
    if (value && adze_type_rank(type) == 0) {
        adze_ir_value *operands[] = {value, NULL};
        const adze_type *scalar = adze_type_with_dims(adze_value_type(value), 0, NULL);
        adze_op *view = adze_build(&builder, "reshape", operands, 2, NULL, 0, &scalar, 1);
        value = view ? adze_op_result(view, 0) : NULL;
    }
    if (value && adze_type_dtype(type) != ADZE_DTYPE_i64) {
        adze_attr to = adze_attr_type("to", adze_type_dtype(type));
        value = adze_build1(&builder, "cast", &value, 1, &to, 1);
    }
    return value;
}

/* `dims` itself, or what make_dims puts after it. */
static bool is_written_down(const adze_op *op)
{
    while (op && (adze_op_has_trait(op, ADZE_VIEW) || adze_op_is(op, "cast"))) {
        adze_ir_value *from = adze_op_operand(op, 0);
        op = from ? adze_value_op(from) : NULL;
    }
    return op && adze_op_is(op, "dims");
}

static adze_outcome write_down(adze_op *op, adze_pass_run *self)
{
    const adze_dim *dims[MAX_ENTRIES];
    if (adze_op_num_results(op) != 1 || !adze_op_has_trait(op, ADZE_PURE) || adze_op_num_regions(op))
        return ADZE_UNCHANGED;
    if (adze_op_has_trait(op, ADZE_LOOP)) return ADZE_UNCHANGED;
    adze_ir_value *result = adze_op_result(op, 0);
    const adze_type *type = adze_value_type(result);
    if (!is_shape_like(type) || !adze_value_has_uses(result)) return ADZE_UNCHANGED;
    int n = adze_value_as_dims(result, dims, MAX_ENTRIES);
    if (n < 0) return ADZE_UNCHANGED;
    bool constant = true;
    for (int i = 0; i < n; i++) {
        if (adze_dim_is_unknown(dims[i])) return ADZE_UNCHANGED;
        constant &= adze_dim_is_const(dims[i], NULL);
    }
    if (!constant && (is_written_down(op) || adze_type_dtype(type) == ADZE_DTYPE_bool)) return ADZE_UNCHANGED;
    if (!adze_rewrite(self, op, "write-down")) return ADZE_UNCHANGED;
    adze_ir_value *with = constant ? make_constant(op, type, dims, n) : make_dims(op, type, dims, n);
    if (!with) return constant ? ADZE_UNCHANGED : ADZE_FAILED;
    adze_value_replace_uses(result, with);
    adze_op_erase(op);
    return ADZE_CHANGED;
}

/* ---- Ops whose result type says what a shape operand said ---- */

static adze_outcome replace(adze_op *op, const char *name, const adze_attr *attrs, uint32_t n)
{
    adze_builder builder = adze_builder_before(op);
    const adze_type *type = adze_value_type(adze_op_result(op, 0));
    adze_op *made = adze_build(&builder, name, NULL, 0, attrs, n, &type, 1);
    if (!made) return ADZE_FAILED;
    adze_value_set_name(adze_op_result(made, 0), adze_value_name(adze_op_result(op, 0)));
    adze_value_replace_uses(adze_op_result(op, 0), adze_op_result(made, 0));
    adze_op_erase(op);
    return ADZE_CHANGED;
}

static adze_outcome drop_target(adze_op *op, adze_pass_run *self)
{
    if (!adze_op_operand(op, 1) || !adze_rewrite(self, op, "drop-shape")) return ADZE_UNCHANGED;
    adze_op_set_operand(op, 1, NULL);
    return ADZE_CHANGED;
}

static adze_outcome to_full(adze_op *op, adze_pass_run *self)
{
    if (!adze_rewrite(self, op, "full")) return ADZE_UNCHANGED;
    adze_attr value = adze_attr_float("value", adze_op_attr_float(op, "value"));
    return replace(op, "full", &value, 1);
}

/* From a computed number on: a line from 0, and that number added. */
static adze_outcome to_shifted_iota(adze_op *op, int64_t step, adze_pass_run *self)
{
    adze_builder builder = adze_builder_before(op);
    const adze_type *type = adze_value_type(adze_op_result(op, 0));
    adze_dtype dtype = adze_type_dtype(type);
    if (dtype != ADZE_DTYPE_i64 && dtype != ADZE_DTYPE_i32) return ADZE_UNCHANGED; /* floats would round */
    if (!adze_rewrite(self, op, "shifted-iota")) return ADZE_UNCHANGED;
    adze_attr attr = adze_attr_int("step", step);
    adze_op *line = adze_build(&builder, "iota", NULL, 0, &attr, 1, &type, 1);
    adze_ir_value *operands[] = {line ? adze_op_result(line, 0) : NULL, adze_op_operand(op, 0)};
    adze_op *sum = line ? adze_build(&builder, "add", operands, 2, NULL, 0, &type, 1) : NULL;
    if (!sum) return ADZE_FAILED;
    adze_value_set_name(adze_op_result(sum, 0), adze_value_name(adze_op_result(op, 0)));
    adze_value_replace_uses(adze_op_result(op, 0), adze_op_result(sum, 0));
    adze_op_erase(op);
    return ADZE_CHANGED;
}

static adze_outcome to_iota(adze_op *op, adze_pass_run *self)
{
    int64_t start, step;
    adze_ir_value *first = adze_op_operand(op, 0), *delta = adze_op_operand(op, 2);
    if (!first || !delta || adze_value_as_ints(delta, &step, 1) != 1) return ADZE_UNCHANGED;
    if (adze_value_as_ints(first, &start, 1) != 1) return to_shifted_iota(op, step, self);
    if (!adze_rewrite(self, op, "iota")) return ADZE_UNCHANGED;
    adze_attr attrs[] = {adze_attr_int("start", start), adze_attr_int("step", step)};
    return replace(op, "iota", attrs, 2);
}

static adze_outcome state_type(adze_op *op, adze_pass_run *self)
{
    static const struct {
        const char *op;
        adze_outcome (*rewrite)(adze_op *op, adze_pass_run *self);
    } table[] = {
        {"reshape", drop_target},
        {"expand", drop_target},
        {"constant_of_shape", to_full},
        {"range", to_iota},
    };
    if (adze_op_num_results(op) != 1) return ADZE_UNCHANGED;
    if (adze_type_is_open(adze_value_type(adze_op_result(op, 0)))) return ADZE_UNCHANGED;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (adze_op_is(op, table[i].op)) return table[i].rewrite(op, self);
    return ADZE_UNCHANGED;
}

/* Infers again where a result's type is not known whole. */
static adze_outcome refine(adze_op *op, adze_pass_run *self)
{
    adze_outcome outcome = ADZE_UNCHANGED;
    const adze_type *before[16];
    uint32_t n = adze_op_num_results(op);
    bool unknown = false;
    if (n > 16 || adze_op_has_trait(op, ADZE_LOOP)) return outcome;
    for (uint32_t i = 0; i < n; i++) {
        before[i] = adze_value_type(adze_op_result(op, i));
        unknown |= adze_type_is_tensor(before[i]) && adze_type_is_open(before[i]);
    }
    if (!unknown) return outcome;
    if (!adze_op_infer(op)) return ADZE_FAILED;
    for (uint32_t i = 0; i < n; i++)
        if (adze_value_type(adze_op_result(op, i)) != before[i]) outcome = ADZE_CHANGED;
    if (outcome == ADZE_UNCHANGED || adze_rewrite(self, op, "infer")) return outcome;
    for (uint32_t i = 0; i < n; i++) adze_value_set_type(adze_op_result(op, i), before[i]);
    return ADZE_UNCHANGED;
}

static adze_outcome visit(adze_region *region, adze_pass_run *self)
{
    static adze_outcome (*const steps[])(adze_op *, adze_pass_run *) = {refine, write_down, state_type};
    adze_outcome all = ADZE_UNCHANGED;
    for (adze_op *op = adze_region_first(region), *next; op; op = next) {
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) {
            adze_outcome inner = visit(adze_op_region(op, i), self);
            if (inner == ADZE_FAILED) return inner;
            if (inner == ADZE_CHANGED) all = inner;
        }
        /* A step may erase the op, which then has no parent. */
        for (size_t i = 0; i < sizeof steps / sizeof *steps && adze_op_parent(op); i++) {
            adze_outcome one = steps[i](op, self);
            if (one == ADZE_FAILED) return one;
            if (one == ADZE_CHANGED) all = one;
        }
    }
    return all;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    return visit(adze_func_body(func), self);
}

const adze_pass adze_pass_shape_fold = {
    .struct_size = sizeof(adze_pass),
    .name = "shape-fold",
    .help = "write down shapes that are known instead of computing them",
    .numerics = ADZE_EXACT,
    .run = run,
    .purpose = "simplify",
    .contract = "Needs nothing. Keeps all values; types become more precise where they were unknown. Leaves dead "
                "shape ops to dce.",
    .example = adze_example_shape_fold,
};
