/* com.microsoft: matrix products with more around them. */
#include "activations.h"
#include "contrib.h"

#include <string.h>

/* ---- Of floats ---- */

/* The first axis and those of the batch change places: [m, batch…, k] as [batch…, m, k]; then the last two. */
static term *turned(adze_onnx_node *node, term *x, uint32_t rank, bool batch, bool last)
{
    int64_t perm[ADZE_MAX_RANK];
    if (rank < 2 || (!batch && !last)) return x;
    for (uint32_t i = 0; i < rank; i++) perm[i] = i;
    if (batch) {
        for (uint32_t i = 0; i + 2 < rank; i++) perm[i] = i + 1;
        perm[rank - 2] = 0;
    }
    if (last) {
        int64_t row = perm[rank - 2];
        perm[rank - 2] = perm[rank - 1];
        perm[rank - 1] = row;
    }
    return compose_transpose(node, x, perm, rank);
}

/* alpha op(A) op(B), then an activation, or after a bias the tanh form of gelu. */
bool adze_onnx_contrib_fused_matmul(adze_onnx_node *node)
{
    bool gelu = !strcmp(node->op_type, "GemmFastGelu");
    activation_use use;
    term *a, *b, *bias = gelu ? adze_onnx_operand(node, 2) : NULL;
    uint32_t a_rank, b_rank;
    int64_t turns[4] = {0}, axis = -1;
    double alpha = 1;
    if (!adze_onnx_attr_float(node, "alpha", &alpha) || !adze_onnx_attr_flag(node, "transA", &turns[0]) ||
        !adze_onnx_attr_flag(node, "transB", &turns[1]) || !adze_onnx_attr_flag(node, "transBatchA", &turns[2]) ||
        !adze_onnx_attr_flag(node, "transBatchB", &turns[3]) || !adze_onnx_attr_int(node, "activation_axis", &axis) ||
        !compose_operand(node, 0, 1, &a, &a_rank) || !compose_operand(node, 1, 1, &b, &b_rank) ||
        !compose_read_activation(node, &use))
        return false;
    if (!strcmp(node->op_type, "SparseToDenseMatMul") && (a_rank != 2 || b_rank != 2))
        return adze_onnx_invalid(node, "operands of rank %u and %u", a_rank, b_rank);
    if (adze_dtype_get_kind(compose_dtype(a)) != ADZE_KIND_FLOAT && alpha != 1)
        return adze_onnx_unsupported(node, "alpha = %g for integers", alpha);
    a = turned(node, a, a_rank, turns[2], turns[0]);
    b = turned(node, b, b_rank, turns[3], turns[1]);
    term *y = compose2(node, "matmul", a, b);
    if (alpha != 1) y = compose2(node, "mul", y, compose_like(node, y, alpha));
    if (bias) y = compose2(node, "add", y, bias);
    if (gelu) y = compose1(node, "gelu_tanh", y);
    return compose_end(node, compose_activate(node, &use, y));
}

/* ---- Of integers ---- */

/* (A - za)(B - zb) in i32; zero points may be absent. */
static term *product(adze_onnx_node *node, term *a, term *b, term *a_zero, term *b_zero)
{
    term *in[] = {a, b, a_zero, b_zero};
    return compose_all(node, "matmul_integer", in, b_zero ? 4 : a_zero ? 3 : 2, 2, NULL, 0);
}

static bool is_byte(const term *x)
{
    return compose_dtype(x) == ADZE_DTYPE_i8 || compose_dtype(x) == ADZE_DTYPE_u8;
}

/* Elements of 16 bits: both sides in i32, whose product wraps as that of ONNX Runtime does. */
bool adze_onnx_contrib_integer_matmul(adze_onnx_node *node)
{
    term *a, *b;
    uint32_t a_rank, b_rank;
    if (!compose_operand(node, 0, 1, &a, &a_rank) || !compose_operand(node, 1, 1, &b, &b_rank)) return false;
    a = compose_cast(node, a, ADZE_DTYPE_i32);
    b = compose_cast(node, b, ADZE_DTYPE_i32);
    return compose_end(node, compose2(node, "matmul", a, b));
}

/* A product of integers times both scales, plus a bias, in the scale's type. */
static term *scaled(adze_onnx_node *node, term *sum, term *a_scale, term *b_scale, term *bias)
{
    adze_dtype dtype = compose_dtype(a_scale);
    if (!sum || !a_scale || !b_scale) return NULL;
    term *scale = compose2(node, "mul", compose_one(node, a_scale), compose_one(node, b_scale));
    term *y = compose2(node, "mul", compose_cast(node, sum, ADZE_DTYPE_f32), compose_cast(node, scale, ADZE_DTYPE_f32));
    if (bias) y = compose2(node, "add", y, compose_cast(node, bias, ADZE_DTYPE_f32));
    return compose_cast(node, y, dtype);
}

term *compose_scaled_product(adze_onnx_node *node, const quantized_side *a, const quantized_side *b, term *bias)
{
    term *sum = product(node, a->x, b->x, compose_one(node, a->zero), compose_one(node, b->zero));
    return scaled(node, sum, a->scale, b->scale, bias);
}

bool adze_onnx_contrib_integer_to_float(adze_onnx_node *node)
{
    if (!compose_need(node, 4)) return false;
    const quantized_side a = {node->in[0], node->in[2], adze_onnx_operand(node, 4)};
    const quantized_side b = {node->in[1], node->in[3], adze_onnx_operand(node, 5)};
    return compose_end(node, compose_scaled_product(node, &a, &b, adze_onnx_operand(node, 6)));
}

/* A quantized to u8 by its own range. */
bool adze_onnx_contrib_dynamic_matmul(adze_onnx_node *node)
{
    if (!compose_need(node, 3)) return false;
    term *scale, *zero, *a = compose_dynamic_quantize(node, node->in[0], &scale, &zero);
    term *sum = product(node, a, node->in[1], zero, compose_one(node, adze_onnx_operand(node, 3)));
    return compose_end(node, scaled(node, sum, scale, node->in[2], adze_onnx_operand(node, 4)));
}

/* alpha sa sb ((A - za)(B - zb) + C), quantized where a scale of the result is given. C is in units of that factor. */
bool adze_onnx_contrib_qgemm(adze_onnx_node *node)
{
    int64_t turn_a = 0, turn_b = 0;
    double alpha = 1;
    term *a, *b, *scale = adze_onnx_operand(node, 7), *c = adze_onnx_operand(node, 6);
    uint32_t a_rank, b_rank;
    if (!adze_onnx_attr_flag(node, "transA", &turn_a) || !adze_onnx_attr_flag(node, "transB", &turn_b) ||
        !adze_onnx_attr_float(node, "alpha", &alpha) || !compose_need(node, 6) ||
        !compose_operand(node, 0, 2, &a, &a_rank) || !compose_operand(node, 3, 2, &b, &b_rank))
        return false;
    if (a_rank != 2 || b_rank != 2) return adze_onnx_invalid(node, "operands of rank %u and %u", a_rank, b_rank);
    if (!is_byte(a) || !is_byte(b)) return adze_onnx_invalid(node, "operands of another type than i8 and u8");
    a = turned(node, a, 2, false, turn_a);
    b = turned(node, b, 2, false, turn_b);
    term *sum = product(node, a, b, compose_one(node, node->in[2]), compose_one(node, node->in[5]));
    if (c) sum = compose2(node, "add", sum, c);
    term *y = scaled(node, sum, node->in[1], node->in[4], NULL);
    if (alpha != 1) y = compose2(node, "mul", y, compose_like(node, y, alpha));
    return compose_end(node, scale ? compose_quantize(node, y, scale, adze_onnx_operand(node, 8)) : y);
}
