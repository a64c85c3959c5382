/* Saying a node with several ops: the vocabulary. */
#include "compose.h"

term *compose_all(adze_onnx_node *node, const char *name, term *const *in, uint32_t n, uint32_t needed,
                  const adze_attr *attrs, uint32_t n_attrs)
{
    for (uint32_t i = 0; i < needed; i++)
        if (!in[i]) return NULL;
    return adze_onnx_emit(node, name, in, n, attrs, n_attrs);
}

term *compose1(adze_onnx_node *node, const char *name, term *a)
{
    return compose_all(node, name, &a, 1, 1, NULL, 0);
}

term *compose2(adze_onnx_node *node, const char *name, term *a, term *b)
{
    return compose_all(node, name, (term *[]){a, b}, 2, 2, NULL, 0);
}

term *compose3(adze_onnx_node *node, const char *name, term *a, term *b, term *c)
{
    return compose_all(node, name, (term *[]){a, b, c}, 3, 3, NULL, 0);
}

term *compose_with(adze_onnx_node *node, const char *name, term *a, adze_attr attr)
{
    return compose_all(node, name, &a, 1, 1, &attr, 1);
}

term *compose_top(adze_onnx_node *node, term *x, int64_t k, bool largest, term **at)
{
    adze_attr attrs[] = {adze_attr_int("axis", -1), adze_attr_int("largest", largest)};
    term *in[] = {x, compose_int(node, k)};
    adze_builder *builder = &node->import->builder;
    builder->loc = node->loc;
    *at = NULL;
    if (!x || !in[1]) return NULL;
    adze_op *top = adze_build(builder, "topk", in, 2, attrs, 2, NULL, 2);
    if (!top) return NULL;
    adze_op_add_node(top, node->name);
    *at = adze_op_result(top, 1);
    return adze_op_result(top, 0);
}

/* ---- What is known of a term ---- */

adze_dtype compose_dtype(const term *x) { return x ? adze_type_dtype(adze_value_type(x)) : ADZE_DTYPE_NONE; }

int compose_rank(const term *x)
{
    const adze_type *type = x ? adze_value_type(x) : NULL;
    return type && adze_type_is_tensor(type) && adze_type_is_ranked(type) ? (int)adze_type_rank(type) : -1;
}

const adze_dim *compose_dim(const term *x, uint32_t axis)
{
    const adze_type *type = adze_value_type(x);
    if (compose_rank(x) <= (int64_t)axis) return adze_dim_unknown(adze_type_context(type));
    return adze_type_dim(type, axis);
}

bool compose_operand(adze_onnx_node *node, uint32_t index, int least, term **out, uint32_t *out_rank)
{
    *out = adze_onnx_operand(node, index);
    if (!*out) return adze_onnx_invalid(node, "has no input %u", index);
    if (!adze_type_is_tensor(adze_value_type(*out))) return adze_onnx_invalid(node, "input %u is no tensor", index);
    int rank = compose_rank(*out);
    if (rank < 0) return adze_onnx_undetermined(node, "input %u is of unknown rank", index);
    if (rank < least)
        return adze_onnx_invalid(node, "input %u has rank %d; at least %d is expected", index, rank, least);
    *out_rank = (uint32_t)rank;
    return true;
}

bool compose_need(adze_onnx_node *node, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!adze_onnx_operand(node, i)) return adze_onnx_invalid(node, "has no input %u", i);
    return true;
}

bool compose_axis(adze_onnx_node *node, int64_t axis, uint32_t rank, uint32_t *out)
{
    int64_t a = axis < 0 ? axis + rank : axis;
    if (a < 0 || a >= rank) return adze_onnx_invalid(node, "axis %lld is out of range", (long long)axis);
    *out = (uint32_t)a;
    return true;
}

/* ---- Constants and indices ---- */

const char *compose_cast_op(adze_dtype from, adze_dtype to)
{
    if (from == ADZE_DTYPE_str) return to == ADZE_DTYPE_str ? "identity" : "parse_number";
    return to == ADZE_DTYPE_str ? "format_number" : "cast";
}

term *compose_cast(adze_onnx_node *node, term *x, adze_dtype dtype)
{
    if (!x || compose_dtype(x) == dtype) return x;
    const char *op = compose_cast_op(compose_dtype(x), dtype);
    return dtype == ADZE_DTYPE_str ? compose1(node, op, x) : compose_with(node, op, x, adze_attr_type("to", dtype));
}

term *compose_number(adze_onnx_node *node, adze_dtype dtype, double value)
{
    return adze_onnx_scalar(node, "number", dtype, value);
}

term *compose_like(adze_onnx_node *node, const term *x, double value)
{
    return x ? compose_number(node, compose_dtype(x), value) : NULL;
}

term *compose_ints(adze_onnx_node *node, const int64_t *values, size_t count)
{
    return adze_onnx_ints(node, "ints", values, count);
}

term *compose_int(adze_onnx_node *node, int64_t value) { return compose_ints(node, &value, 1); }

/* An operand that older opsets have as that attribute of the op. */
static term *operand_ints(adze_onnx_node *node, const char *op_type, const char *attribute, const int64_t *values,
                          size_t count)
{
    return adze_onnx_was_attribute(node->import, adze_onnx_ints(node, attribute, values, count), op_type, attribute);
}

static term *operand_int(adze_onnx_node *node, const char *op_type, const char *attribute, int64_t value)
{
    return operand_ints(node, op_type, attribute, &value, 1);
}

term *compose_iota(adze_onnx_node *node, const adze_dim *n, uint32_t rank, uint32_t at)
{
    adze_context *context = node->import->context;
    const adze_dim *dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = i == at ? n : adze_dim_const(context, 1);
    return adze_onnx_emit_typed(node, "iota", NULL, 0, adze_type_tensor(context, ADZE_DTYPE_i64, rank, dims, NULL));
}

term *compose_size(adze_onnx_node *node, term *x, uint32_t axis)
{
    return compose_slice(node, compose1(node, "shape", x), 0, axis, (int64_t)axis + 1, 1);
}

term *compose_positions(adze_onnx_node *node, term *x, uint32_t of, uint32_t rank, uint32_t at)
{
    if (!x) return NULL;
    if (!adze_dim_is_unknown(compose_dim(x, of))) return compose_iota(node, compose_dim(x, of), rank, at);
    term *zero = compose_number(node, ADZE_DTYPE_i64, 0), *one = compose_number(node, ADZE_DTYPE_i64, 1);
    term *line = compose3(node, "range", zero, compose_scalar(node, compose_size(node, x, of)), one);
    if (rank - at > 1) line = compose_unsqueeze(node, line, 1, rank - at);
    return at ? compose_unsqueeze(node, line, 0, at) : line;
}

/* ---- Moving elements ---- */

static term *to_dims(adze_onnx_node *node, const char *name, term *x, const adze_dim *const *dims, uint32_t rank)
{
    if (!x) return NULL;
    for (uint32_t i = 0; i < rank; i++)
        if (!dims || adze_dim_is_unknown(dims[i])) /* dims: of what has no known rank */
            return adze_onnx_undetermined(node, "with dims that are not known before it runs"), NULL;
    adze_context *context = node->import->context;
    const adze_type *type = adze_type_tensor(context, compose_dtype(x), rank, dims, NULL);
    return adze_onnx_emit_typed(node, name, (term *[]){x, NULL}, 1, type);
}

term *compose_reshape(adze_onnx_node *node, term *x, const adze_dim *const *dims, uint32_t rank)
{
    return to_dims(node, "reshape", x, dims, rank);
}

term *compose_expand(adze_onnx_node *node, term *x, const adze_dim *const *dims, uint32_t rank)
{
    return to_dims(node, "expand", x, dims, rank);
}

term *compose_scalar(adze_onnx_node *node, term *x)
{
    if (!x || compose_rank(x) == 0) return x;
    return compose_reshape(node, x, NULL, 0);
}

term *compose_one(adze_onnx_node *node, term *x)
{
    bool single = compose_rank(x) > 0;
    for (int i = 0; single && i < compose_rank(x); i++) single = adze_dim_is_value(compose_dim(x, (uint32_t)i), 1);
    return single ? compose_scalar(node, x) : x;
}

term *compose_zeros_or_error(adze_onnx_node *node, term *wrong)
{
    adze_attr axis = adze_attr_int("axis", 0);
    return compose_all(node, "gather", (term *[]){compose_int(node, 0), wrong}, 2, 2, &axis, 1);
}

term *compose_unsqueeze(adze_onnx_node *node, term *x, uint32_t from, uint32_t to)
{
    int64_t axes[ADZE_MAX_RANK];
    uint32_t n = 0;
    if (from >= to) return x;
    for (uint32_t i = from; i < to && n < ADZE_MAX_RANK; i++) axes[n++] = i;
    return compose2(node, "unsqueeze", x, operand_ints(node, "Unsqueeze", "axes", axes, n));
}

term *compose_squeeze(adze_onnx_node *node, term *x, int64_t axis)
{
    return compose2(node, "squeeze", x, operand_int(node, "Squeeze", "axes", axis));
}

term *compose_transpose(adze_onnx_node *node, term *x, const int64_t *perm, uint32_t rank)
{
    return compose_with(node, "transpose", x, adze_attr_ints("perm", perm, rank));
}

term *compose_slice(adze_onnx_node *node, term *x, int64_t axis, int64_t start, int64_t end, int64_t step)
{
    if (!x) return NULL;
    term *in[] = {x, operand_int(node, "Slice", "starts", start), operand_int(node, "Slice", "ends", end),
                  operand_int(node, "Slice", "axes", axis),
                  step == 1 ? NULL : operand_int(node, "Slice", "steps", step)};
    return compose_all(node, "slice", in, step == 1 ? 4 : 5, 4, NULL, 0);
}

term *compose_concat(adze_onnx_node *node, term *const *parts, uint32_t n, int64_t axis)
{
    adze_attr attr = adze_attr_int("axis", axis);
    return compose_all(node, "concat", parts, n, n, &attr, 1);
}

term *compose_reduce(adze_onnx_node *node, const char *name, term *x, const int64_t *axes, size_t count, bool keep)
{
    adze_attr attr = adze_attr_int("keepdims", keep);
    const adze_op_row *row = adze_row_find(node->import->context, name);
    term *in[] = {x, axes ? operand_ints(node, row->onnx, "axes", axes, count) : NULL};
    return compose_all(node, name, in, axes ? 2 : 1, axes ? 2 : 1, &attr, 1);
}

term *compose_channels(adze_onnx_node *node, term *x, uint32_t rank)
{
    return rank > 2 ? compose_unsqueeze(node, x, 1, rank - 1) : x;
}

bool compose_end(adze_onnx_node *node, term *result)
{
    node->out[0] = result;
    return result != NULL;
}
