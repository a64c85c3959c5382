/* com.microsoft: ops that ai.onnx has as well, and small ones of mathematics. */
#include "contrib.h"

#include <string.h>

/* As ai.onnx says it today; without attributes of the row's that this form does not have. */
bool adze_onnx_contrib_standard(adze_onnx_node *node)
{
    node->domain = "";
    node->version = ADZE_ONNX_OPSET_MAX;
    const adze_onnx_upgrade *upgrade = adze_onnx_upgrade_find("", node->op_type);
    if (!strcmp(node->op_type, "Range") && node->n_in == 2) /* by 1 */
        node->in[node->n_in++] = compose_like(node, node->in[0], 1);
    return upgrade ? upgrade->run(node) : adze_onnx_finish_row(node);
}

/* The axis is a constant; from the end it counts in the result. */
bool adze_onnx_contrib_expand_dims(adze_onnx_node *node)
{
    term *x, *axis = adze_onnx_operand(node, 1);
    uint32_t rank, at;
    double wanted;
    if (!compose_operand(node, 0, 0, &x, &rank)) return false;
    if (!axis || !adze_value_as_splat(axis, &wanted)) return adze_onnx_unsupported(node, "an axis that is computed");
    return compose_axis(node, (int64_t)wanted, rank + 1, &at) &&
           compose_end(node, compose_unsqueeze(node, x, at, at + 1));
}

/* In the order in which they stand; where each element's is, and how often it stands. */
bool adze_onnx_contrib_unique(adze_onnx_node *node)
{
    adze_onnx_import *import = node->import;
    term *x = adze_onnx_operand(node, 0);
    adze_attr sorted = adze_attr_int("sorted", 0);
    if (!x) return adze_onnx_invalid(node, "has no input");
    import->builder.loc = node->loc;
    adze_op *op = adze_build(&import->builder, "unique", &x, 1, &sorted, 1, NULL, 4);
    if (!op) return false;
    adze_op_add_node(op, node->name);
    for (uint32_t i = 1; i < node->n_out && i < 3; i++) node->out[i] = adze_op_result(op, i + 1);
    return compose_end(node, adze_op_result(op, 0));
}

/* ---- Inverse ---- */

/* Bound on the size of a matrix: each column is a dozen ops. */
enum { MAX_INVERSE = 64 };

/* One step of Gauss and Jordan on [matrix | identity]: the row with the largest element of column i at or below row i
 * changes places with row i, is scaled to 1, and taken from all others. */
static term *eliminate(adze_onnx_node *node, term *m, const adze_dim *size, int64_t i)
{
    term *row = compose_iota(node, size, 2, 0), *at = compose_number(node, ADZE_DTYPE_i64, (double)i);
    term *column = compose_slice(node, m, -1, i, i + 1, 1), *own = compose_slice(node, m, -2, i, i + 1, 1);
    term *below = compose2(node, "greater_equal", row, at);
    term *size_of = compose3(node, "where", below, compose1(node, "abs", column), compose_like(node, column, -1));
    adze_attr attrs[] = {adze_attr_int("axis", -2), adze_attr_int("keepdims", 1)};
    term *pivot = compose_all(node, "argmax", &size_of, 1, 1, attrs, 2);
    term *is_pivot = compose2(node, "equal", row, pivot), *zero = compose_like(node, m, 0);
    int64_t axis = -2;
    term *best = compose_reduce(node, "reduce_sum", compose3(node, "where", is_pivot, m, zero), &axis, 1, true);
    m = compose3(node, "where", is_pivot, own, m);
    best = compose2(node, "div", best, compose_slice(node, best, -1, i, i + 1, 1));
    term *factor = compose_slice(node, m, -1, i, i + 1, 1);
    term *rest = compose2(node, "sub", m, compose2(node, "mul", factor, best));
    return compose3(node, "where", compose2(node, "equal", row, at), best, rest);
}

bool adze_onnx_contrib_inverse(adze_onnx_node *node)
{
    term *x;
    uint32_t rank;
    int64_t n, other;
    if (!compose_operand(node, 0, 2, &x, &rank)) return false;
    if (!adze_dim_is_const(compose_dim(x, rank - 1), &n) || !adze_dim_is_const(compose_dim(x, rank - 2), &other) ||
        n != other || n > MAX_INVERSE)
        return adze_onnx_unsupported(node, "matrices that are not square, of known size, up to %d", MAX_INVERSE);
    adze_dtype dtype = compose_dtype(x), wide = dtype == ADZE_DTYPE_f64 ? dtype : ADZE_DTYPE_f32;
    const adze_dim *size = compose_dim(x, rank - 1);
    term *equal = compose2(node, "equal", compose_iota(node, size, 2, 0), compose_iota(node, size, 2, 1));
    term *identity = compose_expand(node, compose_cast(node, equal, wide), adze_type_dims(adze_value_type(x)), rank);
    term *m = compose_concat(node, (term *[]){compose_cast(node, x, wide), identity}, 2, -1);
    for (int64_t i = 0; i < n && m; i++) m = eliminate(node, m, size, i);
    return compose_end(node, compose_cast(node, compose_slice(node, m, -1, n, 2 * n, 1), dtype));
}

/* Elements (re, im) along the last axis: a b, or a times b's conjugate. */
bool adze_onnx_contrib_complex_product(adze_onnx_node *node)
{
    bool conjugate = !strcmp(node->op_type, "ComplexMulConj");
    term *part[4], *x;
    uint32_t rank;
    for (uint32_t i = 0; i < 2; i++) {
        if (!compose_operand(node, i, 1, &x, &rank)) return false;
        if (!adze_dim_is_value(compose_dim(x, rank - 1), 2))
            return adze_onnx_invalid(node, "input %u has not a last axis of 2, real and imaginary part", i);
        for (int64_t k = 0; k < 2; k++) part[2 * i + (uint32_t)k] = compose_slice(node, x, -1, k, k + 1, 1);
    }
    if (conjugate) part[3] = compose1(node, "neg", part[3]);
    term *product[2][2]; /* of a's part by b's */
    for (uint32_t i = 0; i < 4; i++) product[i / 2][i % 2] = compose2(node, "mul", part[i / 2], part[2 + i % 2]);
    term *real = compose2(node, "sub", product[0][0], product[1][1]);
    term *imag = compose2(node, "add", product[0][1], product[1][0]);
    return compose_end(node, compose_concat(node, (term *[]){real, imag}, 2, -1));
}

/* Of each row of A to each row of B: the sum of squares, or its root. */
bool adze_onnx_contrib_distance(adze_onnx_node *node)
{
    const char *metric = "sqeuclidean";
    term *a, *b;
    uint32_t a_rank, b_rank;
    int64_t axis = -1;
    if (!adze_onnx_attr_str(node, "metric", &metric) || !compose_operand(node, 0, 2, &a, &a_rank) ||
        !compose_operand(node, 1, 2, &b, &b_rank))
        return false;
    bool root = !strcmp(metric, "euclidean");
    if (!root && strcmp(metric, "sqeuclidean")) return adze_onnx_unsupported(node, "metric '%s'", metric);
    if (a_rank != 2 || b_rank != 2) return adze_onnx_invalid(node, "operands of rank %u and %u", a_rank, b_rank);
    term *apart = compose2(node, "sub", compose_unsqueeze(node, a, 1, 2), compose_unsqueeze(node, b, 0, 1));
    term *sum = compose_reduce(node, "reduce_sum", compose2(node, "mul", apart, apart), &axis, 1, false);
    return compose_end(node, root ? compose1(node, "sqrt", sum) : sum);
}
