/* What becomes narrow: the values whose codes an op can use.
 *
 * Contractions want codes. What only moves or chooses elements passes codes on, and averages sum them, where they come
 * from a contraction. Elementwise ops compute in float, in one kernel with what is before or behind them, so they want
 * none; but they read the codes of values that exist as codes. So nothing is rounded between a contraction and the
 * activation behind it, and residuals beside a layer normalization stay float.
 */
#include "passes/quant/static.h"

#include <math.h>
#include <string.h>

activation *static_activation(static_plan *plan, adze_ir_value *value)
{
    activation *a = adze_table_get(&plan->activations, value);
    if (a) return a;
    a = ADZE_NEW(&plan->arena, activation);
    a->value = value;
    a->parent = a;
    adze_table_put(&plan->activations, value, a);
    plan->order = adze_arena_grow(&plan->arena, plan->order, plan->n, &plan->capacity, sizeof(activation *));
    plan->order[plan->n++] = a;
    return a;
}

activation *static_root(activation *a)
{
    while (a->parent != a) a = a->parent = a->parent->parent;
    return a;
}

static_kind static_kind_of(const static_plan *plan, const adze_op *op)
{
    uintptr_t kind = (uintptr_t)adze_table_get(&plan->kinds, op);
    return kind ? (static_kind)(kind - 1) : STATIC_FLOAT;
}

static bool is_f32(const adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    return adze_type_is_tensor(type) && adze_type_is_ranked(type) && adze_type_dtype(type) == ADZE_DTYPE_f32;
}

/* Made from codes already, as what quantize-weights leaves. */
static bool has_codes(const adze_ir_value *value)
{
    const adze_op *op = value ? adze_value_op(value) : NULL;
    return op && adze_op_has_trait(op, ADZE_QUANT);
}

bool static_reads(const adze_op *op, uint32_t index)
{
    const adze_ir_value *value = adze_op_operand(op, index);
    return value && is_f32(value) && !adze_value_const(value) && !has_codes(value);
}

static uint32_t num_read(const adze_op *op)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) n += static_reads(op, i);
    return n;
}

/* All operands that carry data are `produced`. */
static bool reads_produced(static_plan *plan, const adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++)
        if (static_reads(op, i) && !static_activation(plan, adze_op_operand(op, i))->produced) return false;
    return num_read(op) > 0;
}

/* ---- Kinds ---- */

static bool skipped(const static_plan *plan, const adze_op *op)
{
    const char *list = plan->options->skip, *name = adze_value_name(adze_op_result(op, 0));
    for (; list && *list; list += strspn(list, " ;")) {
        size_t size = strcspn(list, " ;");
        if (name && strlen(name) == size && !memcmp(name, list, size)) return true;
        for (uint32_t i = 0; i < adze_op_num_nodes(op); i++)
            if (strlen(adze_op_node(op, i)) == size && !memcmp(adze_op_node(op, i), list, size)) return true;
        list += size;
    }
    return false;
}

/* Does a move give nothing but elements of its operands, or 0? */
static bool keeps_elements(const adze_op *op)
{
    double fill;
    if (adze_op_is(op, "resize"))
        return !strcmp(adze_op_attr_str(op, "mode"), "nearest") &&
               strcmp(adze_op_attr_str(op, "coordinate_transformation_mode"), "tf_crop_and_resize") != 0;
    if (adze_op_is(op, "pad") && adze_op_operand(op, 2))
        return adze_value_as_splat(adze_op_operand(op, 2), &fill) && fill == 0;
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) { /* a constant part has no codes */
        const adze_ir_value *x = adze_op_operand(op, i);
        if (i && adze_op_is(op, "concat") && x && adze_value_const(x)) return false;
    }
    return static_reads(op, 0);
}

static static_kind find_kind(const static_plan *plan, adze_op *op)
{
    adze_access access;
    memset(&access, 0, sizeof access);
    if (adze_op_num_results(op) == 0 || adze_op_num_regions(op)) return STATIC_FLOAT;
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        if (!is_f32(adze_op_result(op, i))) return STATIC_FLOAT;
    if (!adze_op_has_trait(op, ADZE_PURE) || adze_op_has_trait(op, ADZE_QUANT)) return STATIC_FLOAT;
    if (skipped(plan, op)) return STATIC_FLOAT;
    if (adze_op_has_trait(op, ADZE_MOVE)) return keeps_elements(op) ? STATIC_SHARE : STATIC_FLOAT;
    if (adze_op_num_results(op) > 1) return STATIC_FLOAT;
    weight_matrix m;
    adze_format format;
    if (adze_op_has_trait(op, ADZE_CONTRACTION)) {
        if (plan->layers && !weight_format(plan->layers, ADZE_FORMAT_STATIC, op, &format)) return STATIC_FLOAT;
        bool second = weight_describe(op, &m) || has_codes(adze_op_operand(op, 1)) || static_reads(op, 1);
        return static_reads(op, 0) && second ? STATIC_CONTRACT : STATIC_FLOAT;
    }
    if (adze_op_has_trait(op, ADZE_ELEMWISE)) return STATIC_ELEMENT;
    if (!adze_op_has_trait(op, ADZE_REDUCE) || !adze_op_access(op, &access)) return STATIC_FLOAT;
    if (access.mean) return STATIC_MEAN;
    return access.combine == ADZE_COMBINE_MAX || access.combine == ADZE_COMBINE_MIN ? STATIC_SHARE : STATIC_FLOAT;
}

/* ---- Who wants what ---- */

static void set_produced(static_plan *plan, adze_op *op)
{
    static_kind kind = static_kind_of(plan, op);
    bool produced = kind == STATIC_CONTRACT || (kind != STATIC_FLOAT && reads_produced(plan, op));
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        static_activation(plan, adze_op_result(op, i))->produced = produced;
}

static bool result_wanted(static_plan *plan, const adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        if (static_activation(plan, adze_op_result(op, i))->wanted) return true;
    return false;
}

/* ---- Scales that are shared ---- */

/* What `value` holds elements of: follows moves of one tensor up. *out_alone: nobody else reads any of it. */
static const adze_ir_value *origin(const static_plan *plan, const adze_ir_value *value, bool *out_alone)
{
    *out_alone = true;
    for (;;) {
        const adze_op *op = adze_value_op(value);
        if (adze_value_num_uses(value) != 1) *out_alone = false;
        if (!op || static_kind_of(plan, op) != STATIC_SHARE || num_read(op) != 1) return value;
        value = adze_op_operand(op, 0);
    }
}

/* Networks that pass half of their channels on from concat to concat would have one scale for all of them. Where the
 * range of what passes on differs from the result's, the operand keeps its own and is rounded once more. */
static bool stays_apart(static_plan *plan, const adze_op *op, uint32_t index)
{
    const double most = 1.1; /* wider than either needs to be; one code in ten is worth less than a rounding */
    double lo[2], hi[2];
    bool alone;
    if (!adze_op_is(op, "concat") || index >= 32) return false;
    const adze_ir_value *from = origin(plan, adze_op_operand(op, index), &alone);
    if (alone || !static_range_of(plan, from, &lo[0], &hi[0]) ||
        !static_range_of(plan, adze_op_result(op, 0), &lo[1], &hi[1]))
        return false;
    double both = fmax(fmax(hi[0], hi[1]), 0) - fmin(fmin(lo[0], lo[1]), 0);
    double less = fmin(fmax(hi[0], 0) - fmin(lo[0], 0), fmax(hi[1], 0) - fmin(lo[1], 0));
    return both > most * less;
}

bool static_apart(const static_plan *plan, const adze_op *op, uint32_t index)
{
    return index < 32 && (uintptr_t)adze_table_get(&plan->apart, op) >> index & 1;
}

/* A share of codes: one scale for all. */
static void unite(static_plan *plan, adze_op *op)
{
    activation *result = static_activation(plan, adze_op_result(op, 0)), *first = static_root(result);
    uintptr_t apart = 0;
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        if (!static_reads(op, i)) continue;
        if (stays_apart(plan, op, i))
            apart |= (uintptr_t)1 << i;
        else
            static_root(static_activation(plan, adze_op_operand(op, i)))->parent = first;
    }
    if (apart) adze_table_put(&plan->apart, op, (void *)apart);
    result->covers = apart != 0;
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
        activation *a = static_activation(plan, adze_op_result(op, i));
        static_root(a)->parent = first;
        a->copied = a->wanted = true;
    }
}

static void set_wanted(static_plan *plan, adze_op *op)
{
    bool wants = false;
    switch (static_kind_of(plan, op)) {
    case STATIC_FLOAT: return;
    case STATIC_CONTRACT: wants = true; break;
    case STATIC_MEAN: wants = reads_produced(plan, op); break;
    case STATIC_ELEMENT: wants = plan->options->sums && num_read(op) > 1 && reads_produced(plan, op); break;
    case STATIC_SHARE:
        wants = reads_produced(plan, op) && result_wanted(plan, op);
        if (wants) unite(plan, op);
        break;
    }
    for (uint32_t i = 0; wants && i < adze_op_num_operands(op); i++)
        if (static_reads(op, i)) static_activation(plan, adze_op_operand(op, i))->wanted = true;
}

bool static_reads_codes(const static_plan *plan, const adze_op *op)
{
    return adze_table_get(&plan->readers, op) != NULL;
}

/* Does the op read codes where its operands have them? */
static bool will_read_codes(static_plan *plan, const adze_op *op)
{
    static_kind kind = static_kind_of(plan, op);
    return kind == STATIC_CONTRACT || (kind != STATIC_FLOAT && reads_produced(plan, op));
}

bool static_select(static_plan *plan, adze_func *func)
{
    adze_region *body = adze_func_body(func);
    for (adze_op *op = adze_region_first(body); op; op = adze_op_next(op)) {
        if (adze_op_is(op, "batch_norm"))
            return adze_error(adze_op_loc(op), "a batch normalization is left: run simplify before quantize-static, "
                                               "and calibrate behind it");
        static_kind kind = find_kind(plan, op);
        adze_table_put(&plan->kinds, op, (void *)((uintptr_t)kind + 1));
        set_produced(plan, op);
        if (will_read_codes(plan, op)) adze_table_put(&plan->readers, op, op);
    }
    for (adze_op *op = adze_region_last(body); op; op = adze_op_prev(op)) set_wanted(plan, op);
    return true;
}
