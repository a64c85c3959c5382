/* Result types of structure and loop IR, and of ops whose types only the text can state. */
#include "ir/infer.h"
#include "ir/rows.h"

#include <string.h>

/* Whoever made the op said what its results are; they stay. */
bool infer_stated(adze_op *op, const adze_type **out_types)
{
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        if (adze_type_get_kind(out_types[i]) == ADZE_TYPE_NONE)
            return adze_error(adze_op_loc(op), "the result types of %s must be stated", adze_op_name(op));
    return true;
}

/* What the region yields; while it is unfinished, what was stated. */
bool infer_kernel(adze_op *op, const adze_type **out_types)
{
    const adze_region *region = adze_op_region(op, 0);
    uint32_t n = adze_op_num_operands(op), args = adze_region_num_args(region);
    const adze_op *yield = adze_region_last(region);
    if (!yield || !adze_op_has_trait(yield, ADZE_TERMINATOR)) return true;
    for (uint32_t i = 0; i < n && i < args; i++) { /* the verifier counts them */
        const adze_type *type = infer_operand(op, i);
        if (type && !adze_type_compatible(type, adze_value_type(adze_region_arg(region, i))))
            return adze_error(adze_op_loc(op), "operand %u of kernel is %s, which its region's argument is not", i + 1,
                              infer_type_text(op, i));
    }
    if (adze_op_num_operands(yield) != adze_op_num_results(op))
        return adze_error(adze_op_loc(op), "kernel has %u results but its region yields %u",
                          adze_op_num_results(op), adze_op_num_operands(yield));
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        if (infer_operand(yield, i)) out_types[i] = infer_operand(yield, i);
    return true;
}

/* The type is the op's own: the operand's with names for what it leaves open. */
bool infer_named(adze_op *op, const adze_type **out_types)
{
    const adze_type *type = infer_operand(op, 0);
    if (type && adze_type_is_tensor(type) && adze_type_is_tensor(out_types[0]) && adze_type_is_ranked(out_types[0]) &&
        !adze_type_has_layout(out_types[0]) && adze_type_compatible(type, out_types[0]))
        return true;
    return adze_error(adze_op_loc(op), "named: the operand is %s, which the result is not", infer_type_text(op, 0));
}

bool infer_apply(adze_op *op, const adze_type **out_types)
{
    bool vector = false;
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        const adze_type *type = infer_operand(op, i);
        adze_type_kind kind = type ? adze_type_get_kind(type) : ADZE_TYPE_NONE;
        if ((kind != ADZE_TYPE_SCALAR && kind != ADZE_TYPE_VECTOR) || adze_type_dtype(type) != ADZE_DTYPE_i64)
            return adze_error(adze_op_loc(op), "operand %u of apply is %s, not i64", i + 1, infer_type_text(op, i));
        vector = vector || kind == ADZE_TYPE_VECTOR;
    }
    adze_context *context = adze_op_context(op);
    out_types[0] = vector ? adze_type_vector(context, ADZE_DTYPE_i64) : adze_type_scalar(context, ADZE_DTYPE_i64);
    return true;
}

bool infer_for(adze_op *op, const adze_type **out_types)
{
    uint32_t carried = adze_op_num_operands(op) - 3;
    if (carried != adze_op_num_results(op))
        return adze_error(adze_op_loc(op), "for carries %u values but has %u results", carried,
                          adze_op_num_results(op));
    for (uint32_t i = 0; i < carried; i++) {
        if (!infer_operand(op, 3 + i)) return adze_error(adze_op_loc(op), "carried value %u of for is absent", i + 1);
        out_types[i] = infer_operand(op, 3 + i);
    }
    return true;
}

static bool want_kind(const adze_op *op, adze_type_kind kind, const char *what)
{
    const adze_type *type = infer_operand(op, 0);
    if (type && adze_type_get_kind(type) == kind) return true;
    return adze_error(adze_op_loc(op), "%s wants a %s, got %s", adze_op_name(op), what, infer_type_text(op, 0));
}

bool infer_mask(adze_op *op, const adze_type **out_types)
{
    if (!want_kind(op, ADZE_TYPE_SCALAR, "scalar")) return false;
    out_types[0] = adze_type_vector(adze_op_context(op), ADZE_DTYPE_bool);
    return true;
}

bool infer_splat(adze_op *op, const adze_type **out_types)
{
    if (!want_kind(op, ADZE_TYPE_SCALAR, "scalar")) return false;
    out_types[0] = adze_type_vector(adze_op_context(op), adze_type_dtype(infer_operand(op, 0)));
    return true;
}

bool infer_lanes(adze_op *op, const adze_type **out_types)
{
    out_types[0] = adze_type_vector(adze_op_context(op), ADZE_DTYPE_i64);
    return true;
}

bool infer_reduce_lanes(adze_op *op, const adze_type **out_types)
{
    static const char *const names[] = {"add", "mul", "max", "min"};
    const char *name = adze_op_attr_str(op, "op");
    bool found = false;
    for (int i = 0; i < 4; i++) found = found || !strcmp(name, names[i]);
    if (!found) return adze_error(adze_op_loc(op), "reduce_lanes knows add, mul, max and min, not \"%s\"", name);
    if (!want_kind(op, ADZE_TYPE_VECTOR, "vector")) return false;
    out_types[0] = adze_type_scalar(adze_op_context(op), adze_type_dtype(infer_operand(op, 0)));
    return true;
}
