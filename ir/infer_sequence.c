/* Result types of ops over sequences and optionals. */
#include "ir/infer.h"
#include "ir/rows.h"

/* The element type of operand `index`, which must be of that kind; NULL after an error. */
static const adze_type *element_of(const adze_op *op, uint32_t index, adze_type_kind kind)
{
    const adze_type *type = infer_operand(op, index);
    if (type && adze_type_get_kind(type) == kind) return adze_type_element(type);
    adze_error(adze_op_loc(op), "operand %u of %s is %s, not %s", index + 1, adze_op_name(op),
               infer_type_text(op, index), kind == ADZE_TYPE_SEQUENCE ? "a sequence" : "an optional");
    return NULL;
}

/* What the two have in common; NULL after an error. */
static const adze_type *join(const adze_op *op, const adze_type *element, uint32_t index)
{
    const adze_type *type = infer_operand(op, index);
    if (!type) {
        adze_error(adze_op_loc(op), "%s needs operand %u", adze_op_name(op), index + 1);
        return NULL;
    }
    const adze_type *both = element ? adze_type_common(element, type) : type;
    if (both) return both;
    char text[256];
    adze_type_print(element, text, sizeof text);
    adze_error(adze_op_loc(op), "operand %u of %s is %s, the items are %s", index + 1, adze_op_name(op),
               infer_type_text(op, index), text);
    return NULL;
}

bool infer_sequence_construct(adze_op *op, const adze_type **out_types)
{
    const adze_type *element = NULL;
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        element = join(op, element, i);
        if (!element) return false;
    }
    out_types[0] = adze_type_sequence(adze_op_context(op), element);
    return true;
}

bool infer_sequence_at(adze_op *op, const adze_type **out_types)
{
    const adze_type *element = element_of(op, 0, ADZE_TYPE_SEQUENCE);
    if (!element || !infer_integers(op, 1)) return false;
    out_types[0] = element;
    return true;
}

bool infer_sequence_insert(adze_op *op, const adze_type **out_types)
{
    const adze_type *element = element_of(op, 0, ADZE_TYPE_SEQUENCE);
    if (!element || !infer_integers(op, 2)) return false;
    element = join(op, element, 1);
    if (!element) return false;
    out_types[0] = adze_type_sequence(adze_op_context(op), element);
    return true;
}

bool infer_sequence_erase(adze_op *op, const adze_type **out_types)
{
    if (!element_of(op, 0, ADZE_TYPE_SEQUENCE) || !infer_integers(op, 1)) return false;
    out_types[0] = infer_operand(op, 0);
    return true;
}

bool infer_sequence_length(adze_op *op, const adze_type **out_types)
{
    if (!element_of(op, 0, ADZE_TYPE_SEQUENCE)) return false;
    out_types[0] = adze_type_tensor(adze_op_context(op), ADZE_DTYPE_i64, 0, NULL, NULL);
    return true;
}

bool infer_split_to_sequence(adze_op *op, const adze_type **out_types)
{
    inferred x;
    uint32_t axis;
    adze_context *context = adze_op_context(op);
    if (!infer_tensor(op, 0, &x) || !infer_integers(op, 1)) return false;
    if (x.ranked) {
        if (!infer_axis(op, adze_op_attr_int(op, "axis"), x.rank, &axis)) return false;
        const adze_type *split = infer_operand(op, 1);
        int64_t part, extent;
        x.dims[axis] = split ? adze_dim_unknown(context) : adze_dim_const(context, 1);
        bool even = split && adze_type_is_ranked(split) && adze_type_rank(split) == 0 &&
                    infer_as_ints(op, 1, &part, 1) == 1 && part > 0 &&
                    adze_dim_is_const(adze_type_dim(infer_operand(op, 0), axis), &extent) && extent % part == 0;
        if (even) x.dims[axis] = adze_dim_const(context, part);
        if (!split && !adze_op_attr_int(op, "keepdims")) {
            for (uint32_t i = axis; i + 1 < x.rank; i++) x.dims[i] = x.dims[i + 1];
            x.rank--;
        }
    }
    const adze_type *element =
        x.ranked ? adze_type_tensor(context, x.dtype, x.rank, x.dims, NULL) : adze_type_unranked(context, x.dtype);
    out_types[0] = adze_type_sequence(context, element);
    return true;
}

bool infer_concat_from_sequence(adze_op *op, const adze_type **out_types)
{
    const adze_type *element = element_of(op, 0, ADZE_TYPE_SEQUENCE);
    uint32_t axis;
    if (!element) return false;
    if (!adze_type_is_tensor(element))
        return adze_error(adze_op_loc(op), "the items of %s are no tensors", adze_op_name(op));
    inferred x = infer_unranked(adze_type_dtype(element));
    if (adze_type_is_ranked(element)) {
        uint32_t added = adze_op_attr_int(op, "new_axis") ? 1 : 0, rank = adze_type_rank(element) + added;
        if (rank > ADZE_MAX_RANK) return adze_error(adze_op_loc(op), "%s gives too many dims", adze_op_name(op));
        if (!infer_axis(op, adze_op_attr_int(op, "axis"), rank, &axis)) return false;
        x = infer_unknown_dims(op, x.dtype, rank);
        for (uint32_t i = 0; i < rank; i++)
            if (i != axis) x.dims[i] = adze_type_dim(element, i - (i > axis ? added : 0));
    }
    return infer_result(op, out_types, 0, &x);
}

bool infer_optional(adze_op *op, const adze_type **out_types)
{
    const adze_type *type = infer_operand(op, 0);
    if (!type) return infer_stated(op, out_types);
    out_types[0] = adze_type_optional(adze_op_context(op), type);
    return true;
}

bool infer_optional_get_element(adze_op *op, const adze_type **out_types)
{
    const adze_type *type = infer_operand(op, 0);
    if (!type) return adze_error(adze_op_loc(op), "%s needs its operand", adze_op_name(op));
    out_types[0] = adze_type_get_kind(type) == ADZE_TYPE_OPTIONAL ? adze_type_element(type) : type;
    return true;
}

bool infer_optional_has_element(adze_op *op, const adze_type **out_types)
{
    out_types[0] = adze_type_tensor(adze_op_context(op), ADZE_DTYPE_bool, 0, NULL, NULL);
    return true;
}
