/* Gradients of contractions. */
#include "passes/gradient/private.h"

#include <string.h>

static adze_ir_value *product(const gradient_step *s, adze_ir_value *x, adze_ir_value *y)
{
    return build_binary(s->b, "matmul", x, y);
}

bool gradient_matmul(gradient_step *s)
{
    const adze_type *x = adze_value_type(s->x), *z = adze_value_type(s->z);
    if (adze_type_rank(x) < 2 || adze_type_rank(z) < 2) return gradient_refuse(s, "an operand is a vector");
    if (s->wanted[0]) s->dx[0] = gradient_reduce_to(s->b, product(s, s->dy, build_swap_last(s->b, s->z)), x);
    if (!s->wanted[1]) return true;
    if (adze_type_rank(z) == 2 && adze_type_rank(x) > 2) { /* one product over all rows */
        const adze_dim *rows = adze_type_dim(x, 0);
        uint32_t rank = adze_type_rank(x);
        for (uint32_t i = 1; i + 1 < rank; i++) rows = adze_dim_mul(adze_type_context(x), rows, adze_type_dim(x, i));
        const adze_dim *left[] = {rows, adze_type_dim(x, rank - 1)}, *right[] = {rows, adze_type_dim(z, 1)};
        adze_ir_value *turned = build_swap_last(s->b, build_reshape(s->b, s->x, 2, left));
        s->dx[1] = product(s, turned, build_reshape(s->b, s->dy, 2, right));
        return true;
    }
    s->dx[1] = gradient_reduce_to(s->b, product(s, build_swap_last(s->b, s->x), s->dy), z);
    return true;
}

bool gradient_gemm(gradient_step *s)
{
    double alpha = adze_op_attr_float(s->op, "alpha"), beta = adze_op_attr_float(s->op, "beta");
    bool ta = adze_op_attr_int(s->op, "transA"), tb = adze_op_attr_int(s->op, "transB");
    adze_ir_value *dy = alpha == 1 ? s->dy : build_with(s->b, "mul", s->dy, alpha);
    if (s->wanted[0]) {
        adze_ir_value *z = tb ? s->z : build_swap_last(s->b, s->z); /* [n, k] */
        s->dx[0] = ta ? product(s, build_swap_last(s->b, z), build_swap_last(s->b, dy)) : product(s, dy, z);
    }
    if (s->wanted[1]) {
        adze_ir_value *x = ta ? s->x : build_swap_last(s->b, s->x); /* [k, m] */
        s->dx[1] = tb ? product(s, build_swap_last(s->b, dy), build_swap_last(s->b, x)) : product(s, x, dy);
    }
    if (adze_op_num_operands(s->op) > 2 && s->wanted[2]) {
        adze_ir_value *bias = beta == 1 ? s->dy : build_with(s->b, "mul", s->dy, beta);
        s->dx[2] = gradient_reduce_to(s->b, bias, adze_value_type(adze_op_operand(s->op, 2)));
    }
    return true;
}

bool gradient_conv(gradient_step *s)
{
    weight_matrix m;
    if (!weight_describe_form(s->op, &m)) return gradient_refuse(s, "its weights have unknown dims");
    adze_ir_value *dy = build_unfold_result(s->b, &m, s->dy); /* [groups, rows, outputs] */
    if (s->wanted[0]) {
        adze_ir_value *columns = product(s, dy, build_weight_rows(s->b, &m, s->z));
        s->dx[0] = build_fold_input(s->b, &m, columns);
    }
    if (s->wanted[1]) {
        adze_ir_value *x = build_unfold(s->b, &m, s->x);
        s->dx[1] = build_fold_weights(s->b, &m, product(s, build_swap_last(s->b, dy), x));
    }
    if (adze_op_num_operands(s->op) > 2 && s->wanted[2]) {
        int64_t axes[ADZE_MAX_RANK] = {0};
        uint32_t rank = adze_type_rank(adze_value_type(s->dy));
        for (uint32_t i = 2; i < rank; i++) axes[i - 1] = i;
        s->dx[2] = build_reduce(s->b, "reduce_sum", s->dy, axes, rank - 1, false);
    }
    return true;
}

/* p = softmax(q k^T scale + mask), y = p v. */
bool gradient_attention(gradient_step *s)
{
    double scale = adze_op_attr_float(s->op, "scale");
    adze_ir_value *v = adze_op_operand(s->op, 2), *mask = adze_op_operand(s->op, 3);
    if (mask && s->wanted[3]) return gradient_refuse(s, "its mask is no constant");
    if (adze_op_operand(s->op, 4)) return gradient_refuse(s, "it has a window");
    adze_ir_value *p = build_with(s->b, "mul", product(s, s->x, build_swap_last(s->b, s->z)), scale);
    if (mask) p = build_binary(s->b, "add", p, mask);
    p = p ? build_unary(s->b, "softmax", p) : NULL;
    const int64_t last[] = {-1};
    adze_ir_value *dp = product(s, s->dy, build_swap_last(s->b, v));
    adze_ir_value *sum = build_reduce(s->b, "reduce_sum", build_binary(s->b, "mul", dp, p), last, 1, true);
    adze_ir_value *ds = build_binary(s->b, "mul", p, build_binary(s->b, "sub", dp, sum));
    ds = build_with(s->b, "mul", ds, scale);
    adze_ir_value *turned = build_swap_last(s->b, ds);
    if (s->wanted[0]) s->dx[0] = gradient_reduce_to(s->b, product(s, ds, s->z), adze_value_type(s->x));
    if (s->wanted[1]) s->dx[1] = gradient_reduce_to(s->b, product(s, turned, s->x), adze_value_type(s->z));
    if (s->wanted[2])
        s->dx[2] = gradient_reduce_to(s->b, product(s, build_swap_last(s->b, p), s->dy), adze_value_type(v));
    return true;
}
