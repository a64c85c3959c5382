/* Result types of elementwise ops, on tensors as well as on the scalars and vectors of loop IR. */
#include "ir/infer.h"
#include "ir/rows.h"
#include "ir/text.h"

#include <string.h>

static bool is_loop_type(const adze_type *type)
{
    adze_type_kind kind = adze_type_get_kind(type);
    return kind == ADZE_TYPE_SCALAR || kind == ADZE_TYPE_VECTOR;
}

/* A tensor type without its layout goes through infer_result; other types are taken as they are. */
static bool like_operand(const adze_op *op, uint32_t operand, adze_dtype dtype, const adze_type **out_types)
{
    const adze_type *type = infer_operand(op, operand);
    adze_context *context = adze_op_context(op);
    switch (adze_type_get_kind(type)) {
    case ADZE_TYPE_SCALAR: out_types[0] = adze_type_scalar(context, dtype); return true;
    case ADZE_TYPE_VECTOR: out_types[0] = adze_type_vector(context, dtype); return true;
    case ADZE_TYPE_TENSOR: break;
    default: out_types[0] = type; return true;
    }
    inferred shape;
    if (!infer_tensor(op, operand, &shape)) return false;
    shape.dtype = dtype;
    return infer_result(op, out_types, 0, &shape);
}

/* An op with an `axis` attribute (softmax and its kin) must name one that exists. */
static bool check_axis(const adze_op *op)
{
    const adze_op_row *row = adze_op_get_row(op);
    const adze_type *type = infer_operand(op, 0);
    if (!adze_op_has_trait(op, ADZE_NORMALIZE) || !adze_type_is_ranked(type)) return true;
    for (uint32_t i = 0; i < row->n_attrs; i++) {
        const char *name = row->attrs[i].name;
        if (name[0] != 'a' || name[1] != 'x') continue;
        uint32_t axis, rank = adze_type_rank(type);
        if (adze_op_attr_int(op, name) == rank) return true; /* no axis is left: one row of one element */
        return infer_axis(op, adze_op_attr_int(op, name), rank, &axis);
    }
    return true;
}

/* An op with a scalar body has one for the element type. Copies and comparisons for equality work on
 * types without arithmetic as well. */
static bool check_body(const adze_op *op, adze_dtype dtype)
{
    const char *name = adze_op_name(op);
    bool known;
    const adze_op_row *row = adze_op_get_row(op);
    if (row->n_bodies && !row->eval && !adze_row_body(row, dtype))
        return adze_error(adze_op_loc(op), "%s is not defined for the elements of %s", name, infer_type_text(op, 0));
    if (adze_op_has_trait(op, ADZE_MOVE) || (dtype == ADZE_DTYPE_str && !strcmp(name, "equal"))) return true;
    return adze_bodies_find(adze_op_context(op), name, dtype, &known) || !known ||
           adze_error(adze_op_loc(op), "%s is not defined for the elements of %s", name, infer_type_text(op, 0));
}

bool infer_same(adze_op *op, const adze_type **out_types)
{
    const adze_type *type = infer_operand(op, 0);
    if (!type) return adze_error(adze_op_loc(op), "%s needs its first operand", adze_op_name(op));
    if (!adze_type_is_tensor(type) && adze_op_is(op, "identity")) {
        out_types[0] = type;
        return true;
    }
    return check_axis(op) && check_body(op, adze_type_dtype(type)) &&
           like_operand(op, 0, adze_type_dtype(type), out_types);
}

/* Bounds are one element each. */
bool infer_clip(adze_op *op, const adze_type **out_types)
{
    const adze_type *x = infer_operand(op, 0);
    for (uint32_t i = 1; x && i < adze_op_num_operands(op); i++) {
        const adze_type *bound = infer_operand(op, i);
        int64_t n;
        if (!bound) continue;
        if (adze_type_dtype(bound) != adze_type_dtype(x) || (adze_type_is_tensor(bound) && adze_type_is_ranked(bound) &&
                                                             adze_dim_is_const(adze_type_count(bound), &n) && n != 1))
            return adze_error(adze_op_loc(op), "bound %u of clip is %s, not one element of %s", i,
                              infer_type_text(op, i), infer_type_text(op, 0));
    }
    return infer_same(op, out_types);
}

/* All operands from `first` on, broadcast together, with one element type that `dtype` receives. */
static bool broadcast_all(const adze_op *op, uint32_t first, inferred *out)
{
    adze_context *context = adze_op_context(op);
    if (!infer_tensor(op, first, out)) return false;
    for (uint32_t i = first + 1; i < adze_op_num_operands(op); i++) {
        inferred next;
        if (!infer_tensor(op, i, &next)) return false;
        if (next.dtype != out->dtype)
            return adze_error(adze_op_loc(op), "%s has operands of two element types: %s and %s", adze_op_name(op),
                              infer_type_text(op, first), infer_type_text(op, i));
        if (!infer_broadcast_into(context, out, &next))
            return adze_error(adze_op_loc(op), "operands of %s do not broadcast together: %s and %s", adze_op_name(op),
                              infer_type_text(op, i - 1), infer_type_text(op, i));
    }
    return true;
}

/* Loop types: all operands from `first` on are one type. */
static bool check_equal(const adze_op *op, uint32_t first)
{
    for (uint32_t i = first + 1; i < adze_op_num_operands(op); i++)
        if (infer_operand(op, i) != infer_operand(op, first))
            return adze_error(adze_op_loc(op), "%s has operands of two types: %s and %s", adze_op_name(op),
                              infer_type_text(op, first), infer_type_text(op, i));
    return true;
}

static bool broadcast(const adze_op *op, bool to_bool, const adze_type **out_types)
{
    const adze_type *type = infer_operand(op, 0);
    if (type && !check_body(op, adze_type_dtype(type))) return false;
    if (type && is_loop_type(type))
        return check_equal(op, 0) &&
               like_operand(op, 0, to_bool ? ADZE_DTYPE_bool : adze_type_dtype(type), out_types);
    inferred shape;
    if (!broadcast_all(op, 0, &shape)) return false;
    if (to_bool) shape.dtype = ADZE_DTYPE_bool;
    return infer_result(op, out_types, 0, &shape);
}

bool infer_broadcast(adze_op *op, const adze_type **out_types) { return broadcast(op, false, out_types); }

bool adze_infer_same(adze_op *op, const adze_type **out_types) { return infer_same(op, out_types); }
bool adze_infer_broadcast(adze_op *op, const adze_type **out_types) { return infer_broadcast(op, out_types); }

bool infer_compare(adze_op *op, const adze_type **out_types) { return broadcast(op, true, out_types); }

bool infer_cast(adze_op *op, const adze_type **out_types)
{
    const struct adze_cast_attrs *a = (const void *)adze_op_attrs(op);
    const adze_type *type = infer_operand(op, 0);
    if (!type || (!is_loop_type(type) && !adze_type_is_tensor(type)))
        return adze_error(adze_op_loc(op), "cast wants a tensor, scalar or vector, got %s", infer_type_text(op, 0));
    bool text = adze_type_dtype(type) == ADZE_DTYPE_str;
    if (text != (a->to == ADZE_DTYPE_str))
        return adze_error(adze_op_loc(op), "cast of %s to %s: %s does that", infer_type_text(op, 0),
                          adze_dtype_text((adze_dtype)a->to), text ? "parse_number" : "format_number");
    return like_operand(op, 0, (adze_dtype)a->to, out_types);
}

bool infer_bitcast(adze_op *op, const adze_type **out_types)
{
    const struct adze_bitcast_attrs *a = (const void *)adze_op_attrs(op);
    inferred x;
    if (!infer_tensor(op, 0, &x)) return false;
    if (a->to == ADZE_DTYPE_str || x.dtype == ADZE_DTYPE_str ||
        adze_dtype_bits((adze_dtype)a->to) != adze_dtype_bits(x.dtype))
        return adze_error(adze_op_loc(op), "bitcast of %s to elements of %u bits", infer_type_text(op, 0),
                          adze_dtype_bits((adze_dtype)a->to));
    x.dtype = (adze_dtype)a->to;
    return infer_result(op, out_types, 0, &x);
}

/* The exponent may have an element type of its own. */
bool infer_pow(adze_op *op, const adze_type **out_types)
{
    const adze_type *type = infer_operand(op, 0);
    if (type && is_loop_type(type)) return check_equal(op, 0) && like_operand(op, 0, adze_type_dtype(type), out_types);
    inferred base, exponent;
    if (!infer_tensor(op, 0, &base) || !infer_tensor(op, 1, &exponent)) return false;
    if (!infer_broadcast_into(adze_op_context(op), &base, &exponent))
        return adze_error(adze_op_loc(op), "operands of pow do not broadcast together: %s and %s",
                          infer_type_text(op, 0), infer_type_text(op, 1));
    return infer_result(op, out_types, 0, &base);
}

bool infer_where(adze_op *op, const adze_type **out_types)
{
    const adze_type *condition = infer_operand(op, 0), *type = infer_operand(op, 1);
    if (!condition || adze_type_dtype(condition) != ADZE_DTYPE_bool)
        return adze_error(adze_op_loc(op), "the condition of where is %s, not bool", infer_type_text(op, 0));
    if (type && is_loop_type(type)) {
        if (adze_type_get_kind(condition) != adze_type_get_kind(type))
            return adze_error(adze_op_loc(op), "where chooses among %s by %s", infer_type_text(op, 1),
                              infer_type_text(op, 0));
        return check_equal(op, 1) && like_operand(op, 1, adze_type_dtype(type), out_types);
    }
    inferred shape, mask;
    if (!broadcast_all(op, 1, &shape) || !infer_tensor(op, 0, &mask)) return false;
    if (!infer_broadcast_into(adze_op_context(op), &shape, &mask))
        return adze_error(adze_op_loc(op), "operands of where do not broadcast together: %s, %s and %s",
                          infer_type_text(op, 0), infer_type_text(op, 1), infer_type_text(op, 2));
    return infer_result(op, out_types, 0, &shape);
}

bool infer_dropout(adze_op *op, const adze_type **out_types)
{
    inferred shape;
    if (!infer_tensor(op, 0, &shape) || !infer_result(op, out_types, 0, &shape)) return false;
    shape.dtype = ADZE_DTYPE_bool;
    return adze_op_num_results(op) < 2 || infer_result(op, out_types, 1, &shape);
}
