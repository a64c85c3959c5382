/* Gradients of elementwise ops. */
#include "passes/gradient/private.h"

#include <math.h>
#include <string.h>

static adze_ir_value *un(const gradient_step *s, const char *op, adze_ir_value *x) { return build_unary(s->b, op, x); }

static adze_ir_value *bin(const gradient_step *s, const char *op, adze_ir_value *x, adze_ir_value *y)
{
    return build_binary(s->b, op, x, y);
}

static adze_ir_value *with(const gradient_step *s, const char *op, adze_ir_value *x, double value)
{
    return build_with(s->b, op, x, value);
}

/* 1 - x */
static adze_ir_value *rest(const gradient_step *s, adze_ir_value *x)
{
    return bin(s, "sub", build_scalar(s->b, x, 1), x);
}

/* The op has the derivative `by`. */
static bool times(gradient_step *s, adze_ir_value *by)
{
    s->dx[0] = bin(s, "mul", s->dy, by);
    return true;
}

static adze_ir_value *square(const gradient_step *s, adze_ir_value *x) { return bin(s, "mul", x, x); }

/* ---- One operand ---- */

bool gradient_abs(gradient_step *s) { return times(s, un(s, "sign", s->x)); }

bool gradient_neg(gradient_step *s)
{
    s->dx[0] = un(s, "neg", s->dy);
    return true;
}

bool gradient_exp(gradient_step *s) { return times(s, s->y); }

bool gradient_log(gradient_step *s)
{
    s->dx[0] = bin(s, "div", s->dy, s->x);
    return true;
}

/* At 0, where it is infinite, 0: so that of the norm of zeros is a subgradient, not inf * 0. */
bool gradient_sqrt(gradient_step *s)
{
    adze_ir_value *slope = bin(s, "div", with(s, "mul", s->dy, 0.5), s->y);
    s->dx[0] = gradient_select(s->b, un(s, "not", with(s, "equal", s->y, 0)), slope);
    return true;
}

bool gradient_rsqrt(gradient_step *s)
{
    return times(s, with(s, "mul", bin(s, "mul", square(s, s->y), s->y), -0.5));
}

bool gradient_reciprocal(gradient_step *s) { return times(s, un(s, "neg", square(s, s->y))); }
bool gradient_sin(gradient_step *s) { return times(s, un(s, "cos", s->x)); }
bool gradient_cos(gradient_step *s) { return times(s, un(s, "neg", un(s, "sin", s->x))); }
bool gradient_tanh(gradient_step *s) { return times(s, rest(s, square(s, s->y))); }

bool gradient_erf(gradient_step *s)
{
    return times(s, with(s, "mul", un(s, "exp", un(s, "neg", square(s, s->x))), 2 / sqrt(acos(-1))));
}

bool gradient_sigmoid(gradient_step *s) { return times(s, bin(s, "mul", s->y, rest(s, s->y))); }

bool gradient_relu(gradient_step *s)
{
    s->dx[0] = gradient_select(s->b, with(s, "greater", s->x, 0), s->dy);
    return true;
}

static adze_ir_value *choose(const gradient_step *s, adze_ir_value *condition, adze_ir_value *a, adze_ir_value *c)
{
    adze_ir_value *in[] = {condition, a, c};
    return condition && a && c ? adze_build1(s->b, "where", in, 3, NULL, 0) : NULL;
}

bool gradient_leaky_relu(gradient_step *s)
{
    adze_ir_value *below = with(s, "mul", s->dy, adze_op_attr_float(s->op, "alpha"));
    s->dx[0] = choose(s, with(s, "less", s->x, 0), below, s->dy);
    return true;
}

bool gradient_elu(gradient_step *s)
{
    adze_ir_value *below = bin(s, "mul", s->dy, with(s, "add", s->y, adze_op_attr_float(s->op, "alpha")));
    s->dx[0] = choose(s, with(s, "less", s->x, 0), below, s->dy);
    return true;
}

bool gradient_hard_sigmoid(gradient_step *s)
{
    adze_ir_value *inside = bin(s, "and", with(s, "greater", s->y, 0), with(s, "less", s->y, 1));
    s->dx[0] = gradient_select(s->b, inside, with(s, "mul", s->dy, adze_op_attr_float(s->op, "alpha")));
    return true;
}

bool gradient_hard_swish(gradient_step *s)
{
    adze_ir_value *inside = with(s, "less", un(s, "abs", s->x), 3);
    adze_ir_value *slope = with(s, "add", with(s, "mul", s->x, 1.0 / 3), 0.5);
    adze_ir_value *outside = gradient_select(s->b, with(s, "greater", s->x, 0), s->dy);
    s->dx[0] = choose(s, inside, bin(s, "mul", s->dy, slope), outside);
    return true;
}

bool gradient_softplus(gradient_step *s) { return times(s, un(s, "sigmoid", s->x)); }

bool gradient_mish(gradient_step *s)
{
    adze_ir_value *t = un(s, "tanh", un(s, "softplus", s->x));
    adze_ir_value *slope = bin(s, "mul", rest(s, square(s, t)), un(s, "sigmoid", s->x));
    return times(s, bin(s, "add", t, bin(s, "mul", s->x, slope)));
}

bool gradient_swish(gradient_step *s)
{
    adze_ir_value *u = with(s, "mul", s->x, adze_op_attr_float(s->op, "alpha")), *g = un(s, "sigmoid", u);
    return times(s, bin(s, "add", g, bin(s, "mul", u, bin(s, "mul", g, rest(s, g)))));
}

bool gradient_gelu(gradient_step *s)
{
    adze_ir_value *cdf = with(s, "mul", with(s, "add", un(s, "erf", with(s, "mul", s->x, sqrt(0.5))), 1), 0.5);
    adze_ir_value *pdf = un(s, "exp", with(s, "mul", square(s, s->x), -0.5));
    pdf = with(s, "mul", pdf, 1 / sqrt(2 * acos(-1)));
    return times(s, bin(s, "add", cdf, bin(s, "mul", s->x, pdf)));
}

bool gradient_gelu_tanh(gradient_step *s)
{
    const double k = sqrt(2 / acos(-1)), c = 0.044715;
    adze_ir_value *xx = square(s, s->x);
    adze_ir_value *u = bin(s, "mul", s->x, with(s, "add", with(s, "mul", xx, k * c), k)), *t = un(s, "tanh", u);
    adze_ir_value *du = with(s, "add", with(s, "mul", xx, 3 * k * c), k);
    adze_ir_value *slope = bin(s, "mul", bin(s, "mul", s->x, rest(s, square(s, t))), du);
    return times(s, with(s, "mul", bin(s, "add", with(s, "add", t, 1), slope), 0.5));
}

bool gradient_cast(gradient_step *s)
{
    adze_attr to = adze_attr_type("to", adze_type_dtype(adze_value_type(s->x)));
    s->dx[0] = adze_build1(s->b, "cast", &s->dy, 1, &to, 1);
    return true;
}

bool gradient_identity(gradient_step *s)
{
    s->dx[0] = s->dy;
    return true;
}

bool gradient_clip(gradient_step *s)
{
    if ((s->z && s->wanted[1]) || (adze_op_operand(s->op, 2) && s->wanted[2]))
        return gradient_refuse(s, "its bounds are no constants");
    s->dx[0] = gradient_select(s->b, bin(s, "equal", s->x, s->y), s->dy);
    return true;
}

/* ---- Several, which are broadcast ---- */

static void give(gradient_step *s, uint32_t operand, adze_ir_value *dx)
{
    s->dx[operand] = gradient_reduce_to(s->b, dx, adze_value_type(adze_op_operand(s->op, operand)));
}

bool gradient_add(gradient_step *s)
{
    for (uint32_t i = 0; i < adze_op_num_operands(s->op); i++)
        if (s->wanted[i]) give(s, i, s->dy);
    return true;
}

bool gradient_sub(gradient_step *s)
{
    if (s->wanted[0]) give(s, 0, s->dy);
    if (s->wanted[1]) give(s, 1, un(s, "neg", s->dy));
    return true;
}

bool gradient_mul(gradient_step *s)
{
    if (s->wanted[0]) give(s, 0, bin(s, "mul", s->dy, s->z));
    if (s->wanted[1]) give(s, 1, bin(s, "mul", s->dy, s->x));
    return true;
}

bool gradient_div(gradient_step *s)
{
    adze_ir_value *by = bin(s, "div", s->dy, s->z);
    if (s->wanted[0]) give(s, 0, by);
    if (s->wanted[1]) give(s, 1, un(s, "neg", bin(s, "mul", by, s->y)));
    return true;
}

/* Is every number of a constant 1 or more? */
static bool is_constant_from_one(const adze_ir_value *z)
{
    adze_const *c = z ? adze_value_const(z) : NULL;
    int64_t count = 0;
    if (!c || !adze_dim_is_const(adze_type_count(adze_const_type(c)), &count)) return false;
    adze_data *data = adze_const_data(c);
    adze_value view = {.kind = ADZE_VALUE_TENSOR, .dtype = (uint32_t)adze_type_dtype(adze_const_type(c))};
    const void *bytes = adze_data_load(data);
    bool all = bytes;
    view.data = (void *)(uintptr_t)bytes;
    for (int64_t i = 0; all && i < count; i++) all = adze_value_real(&view, (uint64_t)i) >= 1;
    if (bytes) adze_data_unload(data);
    return all;
}

/* Where it is infinite or 0 * infinity, at x = 0 with exponents below 1, it is 0, as of sqrt; so is that of the
 * exponent at x = 0. */
bool gradient_pow(gradient_step *s)
{
    adze_dtype dtype = adze_type_dtype(adze_value_type(s->x));
    adze_ir_value *z = s->z;
    if (s->wanted[1] && adze_type_dtype(adze_value_type(z)) != dtype)
        return gradient_refuse(s, "the exponent has another element type");
    if (adze_type_dtype(adze_value_type(z)) != dtype) {
        adze_attr to = adze_attr_type("to", dtype);
        z = adze_build1(s->b, "cast", &z, 1, &to, 1);
    }
    adze_ir_value *slope = bin(s, "mul", z, bin(s, "pow", s->x, z ? with(s, "sub", z, 1) : NULL));
    adze_ir_value *is = s->wanted[1] || !is_constant_from_one(s->z) ? un(s, "not", with(s, "equal", s->x, 0)) : NULL;
    if (s->wanted[0] && is) {
        adze_ir_value *flat = z ? un(s, "not", with(s, "less", z, 1)) : NULL;
        slope = gradient_select(s->b, bin(s, "or", is, flat), slope);
    }
    if (s->wanted[0]) give(s, 0, bin(s, "mul", s->dy, slope));
    if (!s->wanted[1]) return true;
    adze_ir_value *log = gradient_select(s->b, is, un(s, "log", s->x));
    give(s, 1, bin(s, "mul", s->dy, bin(s, "mul", s->y, log)));
    return true;
}

/* The first operand that is the result gets all. */
bool gradient_extreme(gradient_step *s)
{
    adze_ir_value *left = s->dy;
    for (uint32_t i = 0; i < adze_op_num_operands(s->op); i++) {
        adze_ir_value *is = bin(s, "equal", adze_op_operand(s->op, i), s->y);
        if (s->wanted[i]) give(s, i, gradient_select(s->b, is, left));
        if (i + 1 < adze_op_num_operands(s->op)) left = gradient_select(s->b, is ? un(s, "not", is) : NULL, left);
    }
    return true;
}

bool gradient_prelu(gradient_step *s)
{
    adze_ir_value *below = with(s, "less", s->x, 0);
    if (s->wanted[0]) give(s, 0, choose(s, below, bin(s, "mul", s->dy, s->z), s->dy));
    if (s->wanted[1]) give(s, 1, gradient_select(s->b, below, bin(s, "mul", s->dy, s->x)));
    return true;
}

bool gradient_where(gradient_step *s)
{
    if (s->wanted[1]) give(s, 1, gradient_select(s->b, s->x, s->dy));
    if (s->wanted[2]) give(s, 2, gradient_select(s->b, un(s, "not", s->x), s->dy));
    return true;
}

/* ---- Codes: of the scales alone ---- */

/* A constant like `scale` that is full of ones. */
static adze_ir_value *ones_like(gradient_step *s, const adze_ir_value *scale)
{
    return build_expand_as(s->b, build_scalar(s->b, scale, 1), adze_value_type(scale));
}

/* Sums x over the elements that one scale stands for. */
static adze_ir_value *sum_blocks(gradient_step *s, adze_ir_value *x, const adze_type *scale)
{
    const adze_type *type = adze_value_type(s->y);
    uint32_t rank = adze_type_rank(type), n = 0;
    int64_t axes[ADZE_MAX_RANK], axis = adze_op_attr_int(s->op, "axis"), block = adze_op_attr_int(s->op, "block_size");
    if (axis < 0) axis += rank;
    if (adze_dim_is_value(adze_type_count(scale), 1) || !block) {
        bool one = adze_dim_is_value(adze_type_count(scale), 1);
        for (uint32_t i = 0; i < rank; i++)
            if (one || i != axis) axes[n++] = i;
        if (n) x = build_reduce(s->b, "reduce_sum", x, axes, n, false);
        return build_reshape_as(s->b, x, scale);
    }
    const adze_dim *dims[ADZE_MAX_RANK + 1];
    int64_t extent;
    bool even = adze_dim_is_const(adze_type_dim(type, (uint32_t)axis), &extent) && extent % block == 0;
    if (!even || rank == ADZE_MAX_RANK) return gradient_refuse(s, "its blocks do not divide the axis"), NULL;
    for (uint32_t i = 0; i < rank; i++) dims[i < axis ? i : i + 1] = adze_type_dim(type, i);
    dims[axis] = adze_dim_const(adze_type_context(type), extent / block);
    dims[axis + 1] = adze_dim_const(adze_type_context(type), block);
    x = build_reshape(s->b, x, rank + 1, dims);
    axes[0] = axis + 1;
    return build_reduce(s->b, "reduce_sum", x, axes, 1, false);
}

bool gradient_dequantize(gradient_step *s)
{
    if (s->wanted[0] || (adze_op_num_operands(s->op) > 2 && s->wanted[2]))
        return gradient_refuse(s, "codes and zero points are whole numbers");
    adze_ir_value *in[] = {s->x, ones_like(s, s->z), adze_op_operand(s->op, 2)};
    if (!in[1]) return false;
    adze_op *like = adze_build(s->b, "dequantize", in, adze_op_num_operands(s->op), (adze_attr[]){
        adze_attr_int("axis", adze_op_attr_int(s->op, "axis")),
        adze_attr_int("block_size", adze_op_attr_int(s->op, "block_size"))}, 2, NULL, 1);
    adze_ir_value *codes = like ? adze_op_result(like, 0) : NULL;
    s->dx[1] = sum_blocks(s, bin(s, "mul", s->dy, codes), adze_value_type(s->z));
    return true;
}
