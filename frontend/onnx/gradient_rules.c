/* Derivatives of ops: a row each. `d` is how y changes with the result; what an operand gets is d times the op's own
 * derivative, written as the ops of calculus text books have it. Where a function has a kink its derivative is that of
 * the side of smaller magnitude; steps have none but 0.
 */
#include "gradient_terms.h"

#include <math.h>
#include <string.h>

static term *from_one(gradient *g, term *x) { return sub(g, num(g, x, 1), x); }

static term *compared(gradient *g, const char *op, term *a, double b) { return compose2(g->node, op, a, num(g, a, b)); }

/* The first operand alone, by the op's own derivative. */
static bool chain(gradient *g, term *d, term *own) { return derive_add(g, 0, mul(g, d, own)); }

/* ---- Elementwise, one operand: x and y are what goes in and comes out ---- */

static term *own_derivative(gradient *g, const adze_op *op, term *x, term *y)
{
    const char *name = adze_op_name(op);
    double alpha = adze_op_attr_float(op, "alpha"), gamma = adze_op_attr_float(op, "gamma");
    if (!strcmp(name, "neg")) return num(g, x, -1);
    if (!strcmp(name, "abs")) return one(g, "sign", x);
    if (!strcmp(name, "exp")) return y;
    if (!strcmp(name, "log")) return one(g, "reciprocal", x);
    if (!strcmp(name, "sqrt")) return divide(g, num(g, y, 0.5), y);
    if (!strcmp(name, "rsqrt")) return divide(g, times(g, y, -0.5), x);
    if (!strcmp(name, "reciprocal")) return one(g, "neg", square(g, y));
    if (!strcmp(name, "sin")) return one(g, "cos", x);
    if (!strcmp(name, "cos")) return one(g, "neg", one(g, "sin", x));
    if (!strcmp(name, "tan")) return add(g, square(g, y), num(g, y, 1));
    if (!strcmp(name, "asin")) return one(g, "reciprocal", one(g, "sqrt", from_one(g, square(g, x))));
    if (!strcmp(name, "acos"))
        return one(g, "neg", one(g, "reciprocal", one(g, "sqrt", from_one(g, square(g, x)))));
    if (!strcmp(name, "atan")) return one(g, "reciprocal", add(g, square(g, x), num(g, x, 1)));
    if (!strcmp(name, "sinh")) return one(g, "cosh", x);
    if (!strcmp(name, "cosh")) return one(g, "sinh", x);
    if (!strcmp(name, "tanh")) return from_one(g, square(g, y));
    if (!strcmp(name, "asinh")) return one(g, "reciprocal", one(g, "sqrt", add(g, square(g, x), num(g, x, 1))));
    if (!strcmp(name, "acosh")) return one(g, "reciprocal", one(g, "sqrt", sub(g, square(g, x), num(g, x, 1))));
    if (!strcmp(name, "atanh")) return one(g, "reciprocal", from_one(g, square(g, x)));
    if (!strcmp(name, "erf")) return times(g, one(g, "exp", one(g, "neg", square(g, x))), 2 / sqrt(acos(-1)));
    if (!strcmp(name, "sigmoid")) return mul(g, y, from_one(g, y));
    if (!strcmp(name, "softplus")) return one(g, "sigmoid", x);
    if (!strcmp(name, "softsign"))
        return one(g, "reciprocal", square(g, add(g, one(g, "abs", x), num(g, x, 1))));
    term *above = compared(g, "greater", x, !strcmp(name, "thresholded_relu") ? alpha : 0), *unit = num(g, x, 1);
    if (!strcmp(name, "relu") || !strcmp(name, "thresholded_relu")) return choose(g, above, unit, num(g, x, 0));
    if (!strcmp(name, "leaky_relu")) return choose(g, above, unit, num(g, x, alpha));
    if (!strcmp(name, "elu")) return choose(g, above, unit, add(g, y, num(g, y, alpha)));
    if (!strcmp(name, "celu")) return choose(g, above, unit, one(g, "exp", times(g, x, 1 / alpha)));
    if (!strcmp(name, "selu")) return choose(g, above, num(g, x, gamma), add(g, y, num(g, y, alpha * gamma)));
    return NULL;
}

static bool unary(gradient *g, const adze_op *op, term *d)
{
    return chain(g, d, own_derivative(g, op, in(op, 0), adze_op_result(op, 0)));
}

/* x s with s = sigmoid(alpha x): s + alpha y (1 - s) */
static bool swish(gradient *g, const adze_op *op, term *d)
{
    double alpha = adze_op_attr_float(op, "alpha");
    term *s = one(g, "sigmoid", times(g, in(op, 0), alpha));
    return chain(g, d, add(g, s, times(g, mul(g, adze_op_result(op, 0), from_one(g, s)), alpha)));
}

/* x tanh(softplus x): t + x (1 - t^2) sigmoid(x) */
static bool mish(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, 0), *t = one(g, "tanh", one(g, "softplus", x));
    return chain(g, d, add(g, t, mul(g, x, mul(g, from_one(g, square(g, t)), one(g, "sigmoid", x)))));
}

/* x clip(x / 6 + 1/2, 0, 1): x / 3 + 1/2 between -3 and 3 */
static bool hard_swish(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, 0), *slope = add(g, times(g, x, 1.0 / 3), num(g, x, 0.5));
    term *outside = choose(g, compared(g, "greater", x, 0), num(g, x, 1), num(g, x, 0));
    return chain(g, d, choose(g, compared(g, "less", one(g, "abs", x), 3), slope, outside));
}

/* x (1 + t) / 2 with t = tanh(k (x + c x^3)), which is 1 or -1 long before 16; beyond it powers of x may be
 * infinite. */
static bool gelu_tanh(gradient *g, const adze_op *op, term *d)
{
    const double k = sqrt(2 / acos(-1)), c = 0.044715;
    term *whole = in(op, 0), *x = compose3(g->node, "clip", whole, num(g, whole, -16), num(g, whole, 16));
    term *xx = square(g, x);
    term *t = one(g, "tanh", mul(g, x, add(g, times(g, xx, k * c), num(g, x, k))));
    term *slope = mul(g, mul(g, x, from_one(g, square(g, t))), add(g, times(g, xx, 3 * k * c), num(g, x, k)));
    return chain(g, d, times(g, add(g, add(g, t, num(g, x, 1)), slope), 0.5));
}

/* x F(x): F + x f, with the normal distribution and its density. */
static bool gelu(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, 0);
    term *share = times(g, add(g, one(g, "erf", times(g, x, sqrt(0.5))), num(g, x, 1)), 0.5);
    term *density = times(g, one(g, "exp", times(g, square(g, x), -0.5)), 1 / sqrt(2 * acos(-1)));
    return chain(g, d, add(g, share, mul(g, x, density)));
}

static bool hard_sigmoid(gradient *g, const adze_op *op, term *d)
{
    term *y = adze_op_result(op, 0);
    term *inside = compose2(g->node, "and", compared(g, "greater", y, 0), compared(g, "less", y, 1));
    return chain(g, d, choose(g, inside, num(g, y, adze_op_attr_float(op, "alpha")), num(g, y, 0)));
}

static bool flat(gradient *g, const adze_op *op, term *d) { return (void)g, (void)op, (void)d, true; }
static bool same(gradient *g, const adze_op *op, term *d) { return (void)op, derive_add(g, 0, d); }

static bool cast(gradient *g, const adze_op *op, term *d)
{
    adze_dtype to = compose_dtype(in(op, 0));
    if (adze_dtype_get_kind(to) != ADZE_KIND_FLOAT) return true; /* steps */
    return derive_add(g, 0, compose_cast(g->node, d, to));
}

/* ---- Elementwise, several operands ---- */

static bool add_rule(gradient *g, const adze_op *op, term *d)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < adze_op_num_operands(op); i++) ok = derive_add(g, i, d);
    return ok;
}

static bool sub_rule(gradient *g, const adze_op *op, term *d)
{
    (void)op;
    return derive_add(g, 0, d) && (!derive_wants(g, 1) || derive_add(g, 1, one(g, "neg", d)));
}

static bool mul_rule(gradient *g, const adze_op *op, term *d)
{
    return (!derive_wants(g, 0) || derive_add(g, 0, mul(g, d, in(op, 1)))) &&
           (!derive_wants(g, 1) || derive_add(g, 1, mul(g, d, in(op, 0))));
}

static bool div_rule(gradient *g, const adze_op *op, term *d)
{
    term *part = divide(g, d, in(op, 1));
    return derive_add(g, 0, part) &&
           (!derive_wants(g, 1) || derive_add(g, 1, one(g, "neg", mul(g, part, adze_op_result(op, 0)))));
}

/* b a^(b - 1); a^b log a, 0 where a is 0 */
static bool pow_rule(gradient *g, const adze_op *op, term *d)
{
    term *a = in(op, 0), *b = compose_cast(g->node, in(op, 1), compose_dtype(a));
    if (derive_wants(g, 0) &&
        !derive_add(g, 0, mul(g, d, mul(g, b, compose2(g->node, "pow", a, sub(g, b, num(g, b, 1)))))))
        return false;
    if (!derive_wants(g, 1)) return true;
    term *log = choose(g, compared(g, "equal", a, 0), num(g, a, 0), one(g, "log", a));
    return derive_add(g, 1, mul(g, d, mul(g, adze_op_result(op, 0), log)));
}

/* The operand that is the result gets all; of equal ones each a share. */
static bool extreme(gradient *g, const adze_op *op, term *d)
{
    term *y = adze_op_result(op, 0), *count = NULL;
    uint32_t n = adze_op_num_operands(op);
    for (uint32_t i = 0; i < n; i++) {
        term *hit = compose_cast(g->node, compose2(g->node, "equal", in(op, i), y), compose_dtype(y));
        count = count ? add(g, count, hit) : hit;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!derive_wants(g, i)) continue;
        term *hit = compose_cast(g->node, compose2(g->node, "equal", in(op, i), y), compose_dtype(y));
        if (!derive_add(g, i, mul(g, d, divide(g, hit, count)))) return false;
    }
    return true;
}

static bool clip(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, 0), *none = num(g, d, 0);
    for (uint32_t i = 1; i < 3; i++) {
        if (derive_wants(g, i)) return adze_onnx_unsupported(g->node, "the derivative of clip by its bounds");
        if (in(op, i)) d = choose(g, compose2(g->node, i == 1 ? "less" : "greater", x, in(op, i)), none, d);
    }
    return derive_add(g, 0, d);
}

static bool where(gradient *g, const adze_op *op, term *d)
{
    term *none = num(g, d, 0);
    return (!derive_wants(g, 1) || derive_add(g, 1, choose(g, in(op, 0), d, none))) &&
           (!derive_wants(g, 2) || derive_add(g, 2, choose(g, in(op, 0), none, d)));
}

static bool prelu(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, 0), *below = compared(g, "less", x, 0);
    return (!derive_wants(g, 0) || derive_add(g, 0, choose(g, below, mul(g, d, in(op, 1)), d))) &&
           (!derive_wants(g, 1) || derive_add(g, 1, choose(g, below, mul(g, d, x), num(g, d, 0))));
}

/* ---- Products ---- */

/* The last two axes of a matrix the other way round. */
static term *turned(gradient *g, term *x)
{
    int64_t perm[ADZE_MAX_RANK];
    int rank = compose_rank(x);
    if (rank < 2) return NULL;
    for (int i = 0; i < rank; i++) perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    return compose_transpose(g->node, x, perm, (uint32_t)rank);
}

static bool matmul(gradient *g, const adze_op *op, term *d)
{
    term *a = in(op, 0), *b = in(op, 1);
    int a_rank = compose_rank(a), b_rank = compose_rank(b);
    if (a_rank < 1 || b_rank < 1) return adze_onnx_undetermined(g->node, "the derivative of a product of unknown rank");
    if (a_rank == 1) {
        a = compose_unsqueeze(g->node, a, 0, 1);
        d = compose_unsqueeze(g->node, d, (uint32_t)compose_rank(d) - (b_rank > 1),
                              (uint32_t)compose_rank(d) + (b_rank == 1));
    }
    if (b_rank == 1) {
        b = compose_unsqueeze(g->node, b, 1, 2);
        if (compose_rank(d) >= 0)
            d = compose_unsqueeze(g->node, d, (uint32_t)compose_rank(d), (uint32_t)compose_rank(d) + 1);
    }
    if (derive_wants(g, 0)) {
        term *part = compose2(g->node, "matmul", d, turned(g, b));
        if (a_rank == 1) part = compose_squeeze(g->node, part, -2);
        if (!derive_add(g, 0, part)) return false;
    }
    if (!derive_wants(g, 1)) return true;
    term *part = compose2(g->node, "matmul", turned(g, a), d);
    if (b_rank == 1) part = compose_squeeze(g->node, part, -1);
    return derive_add(g, 1, part);
}

static bool gemm(gradient *g, const adze_op *op, term *d)
{
    double alpha = adze_op_attr_float(op, "alpha"), beta = adze_op_attr_float(op, "beta");
    bool ta = adze_op_attr_int(op, "transA") != 0, tb = adze_op_attr_int(op, "transB") != 0;
    term *a = in(op, 0), *b = in(op, 1), *scaled = alpha == 1 ? d : times(g, d, alpha);
    term *left = ta ? turned(g, a) : a, *right = tb ? turned(g, b) : b;
    if (derive_wants(g, 0)) {
        term *part = compose2(g->node, "matmul", scaled, turned(g, right));
        if (!derive_add(g, 0, ta ? turned(g, part) : part)) return false;
    }
    if (derive_wants(g, 1)) {
        term *part = compose2(g->node, "matmul", turned(g, left), scaled);
        if (!derive_add(g, 1, tb ? turned(g, part) : part)) return false;
    }
    return !derive_wants(g, 2) || derive_add(g, 2, beta == 1 ? d : times(g, d, beta));
}

/* ---- Reductions ---- */

/* A result of a reduction with axes of 1 where the operand has longer ones. */
static term *kept(gradient *g, const adze_op *op, term *x)
{
    int64_t axes[ADZE_MAX_RANK], keep = adze_op_attr_int(op, "keepdims");
    int rank = compose_rank(in(op, 0)), n = in(op, 1) ? adze_value_as_ints(in(op, 1), axes, ADZE_MAX_RANK) : 0;
    bool noop = adze_op_attr_int(op, "noop_with_empty_axes") != 0;
    if (rank < 0 || n < 0) return adze_onnx_unsupported(g->node, "the derivative over axes that are computed"), NULL;
    if (keep || (n == 0 && noop)) return x;
    if (n == 0) return compose_unsqueeze(g->node, x, 0, (uint32_t)rank);
    return compose2(g->node, "unsqueeze", x, compose_ints(g->node, axes, (size_t)n));
}

static term *spread(gradient *g, term *x, term *like)
{
    return mul(g, x, derive_full(g->node, like, 1));
}

static bool reduce(gradient *g, const adze_op *op, term *d)
{
    const char *name = adze_op_name(op) + strlen("reduce_");
    term *x = in(op, 0), *y = kept(g, op, adze_op_result(op, 0));
    d = kept(g, op, d);
    if (!strcmp(name, "sum")) return derive_add(g, 0, spread(g, d, x));
    if (!strcmp(name, "mean")) {
        term *all = compose1(g->node, "size", x), *left = compose1(g->node, "size", y);
        term *count = compose_cast(g->node, divide(g, all, left), compose_dtype(x));
        return derive_add(g, 0, divide(g, spread(g, d, x), count));
    }
    if (!strcmp(name, "l1")) return derive_add(g, 0, mul(g, d, one(g, "sign", x)));
    if (!strcmp(name, "l2")) return derive_add(g, 0, mul(g, divide(g, d, y), x));
    if (!strcmp(name, "sum_square")) return derive_add(g, 0, mul(g, d, times(g, x, 2)));
    if (!strcmp(name, "log_sum")) return derive_add(g, 0, spread(g, divide(g, d, one(g, "exp", y)), x));
    if (!strcmp(name, "log_sum_exp")) return derive_add(g, 0, mul(g, d, one(g, "exp", sub(g, x, y))));
    if (!strcmp(name, "prod")) return derive_add(g, 0, mul(g, d, divide(g, y, x)));
    /* max, min: of equal ones each a share */
    term *hit = compose_cast(g->node, compose2(g->node, "equal", x, y), compose_dtype(x));
    term *in_ops[] = {hit, in(op, 1)};
    adze_attr attrs[] = {adze_attr_int("keepdims", 1),
                         adze_attr_int("noop_with_empty_axes", adze_op_attr_int(op, "noop_with_empty_axes"))};
    term *count = compose_all(g->node, "reduce_sum", in_ops, in(op, 1) ? 2 : 1, 1, attrs, 2);
    return derive_add(g, 0, mul(g, d, divide(g, hit, count)));
}

static bool global_average(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, 0), *all = compose1(g->node, "size", x), *left = compose1(g->node, "size", d);
    term *count = compose_cast(g->node, divide(g, all, left), compose_dtype(x));
    return derive_add(g, 0, divide(g, spread(g, d, x), count));
}

/* softmax: y (d - sum d y); its logarithm: d - e^y sum d */
static bool softmax(gradient *g, const adze_op *op, term *d)
{
    int64_t axis = adze_op_attr_int(op, "axis");
    term *y = adze_op_result(op, 0);
    if (adze_op_is(op, "softmax"))
        return chain(g, y, sub(g, d, compose_reduce(g->node, "reduce_sum", mul(g, d, y), &axis, 1, true)));
    term *sum = compose_reduce(g->node, "reduce_sum", d, &axis, 1, true);
    return derive_add(g, 0, sub(g, d, mul(g, one(g, "exp", y), sum)));
}

/* ---- Moving elements ---- */

static bool reshape(gradient *g, const adze_op *op, term *d)
{
    return derive_add(g, 0, derive_shaped(g->node, d, in(op, 0)));
}

static bool expand(gradient *g, const adze_op *op, term *d) { return (void)op, derive_add(g, 0, d); }

static bool transpose(gradient *g, const adze_op *op, term *d)
{
    adze_ints perm = adze_op_attr_ints(op, "perm");
    int64_t back[ADZE_MAX_RANK];
    int rank = compose_rank(d);
    if (rank < 0) return adze_onnx_undetermined(g->node, "the derivative of a transpose of unknown rank");
    for (int64_t i = 0; i < rank; i++) {
        if (perm.count) back[perm.data[i]] = i;
        else back[i] = rank - 1 - i;
    }
    return derive_add(g, 0, compose_transpose(g->node, d, back, (uint32_t)rank));
}

/* Each part is a slice, where its operand's rows begin. */
static bool concat(gradient *g, const adze_op *op, term *d)
{
    uint32_t axis;
    int rank = compose_rank(d);
    if (rank < 1 || !compose_axis(g->node, adze_op_attr_int(op, "axis"), (uint32_t)rank, &axis)) return false;
    term *at = compose_int(g->node, 0), *along = compose_int(g->node, axis);
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        term *end = add(g, at, compose_size(g->node, in(op, i), axis));
        term *parts[] = {d, at, end, along};
        if (derive_wants(g, i) && !derive_add(g, i, compose_all(g->node, "slice", parts, 4, 4, NULL, 0))) return false;
        at = end;
    }
    return true;
}

static bool split(gradient *g, const adze_op *op, term *unused)
{
    term *parts[64];
    uint32_t n = adze_op_num_results(op);
    (void)unused;
    if (n > 64) return adze_onnx_unsupported(g->node, "the derivative of a split into %u parts", n);
    for (uint32_t i = 0; i < n; i++) {
        parts[i] = derive_of_result(g, i);
        if (!parts[i] && !(parts[i] = derive_full(g->node, adze_op_result(op, i), 0))) return false;
    }
    return derive_add(g, 0, compose_concat(g->node, parts, n, adze_op_attr_int(op, "axis")));
}

/* Rows that were read by index get what came of each reading. */
static bool gather(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, 0), *index = in(op, 1), *zeros = derive_full(g->node, x, 0);
    int rank = compose_rank(x), more = compose_rank(index);
    uint32_t axis;
    if (rank < 1 || more < 0) return adze_onnx_undetermined(g->node, "the derivative of a gather of unknown rank");
    if (!compose_axis(g->node, adze_op_attr_int(op, "axis"), (uint32_t)rank, &axis)) return false;
    /* The rows along axis 0, all indices as one axis, and back. */
    int64_t there[ADZE_MAX_RANK], back[ADZE_MAX_RANK];
    for (int64_t i = 0; i < rank; i++) there[i] = i == 0 ? axis : i - (i <= axis);
    for (int64_t i = 0; i < rank; i++) back[there[i]] = i;
    adze_attr sum = adze_attr_str("reduction", "add");
    int64_t order[ADZE_MAX_RANK];
    int full = compose_rank(d);
    for (int i = 0; i < full; i++)
        order[i] = i < more ? (int64_t)axis + i : i < more + (int)axis ? i - more : i;
    d = compose_transpose(g->node, d, order, (uint32_t)full);
    term *ids = compose_unsqueeze(g->node, index, (uint32_t)more, (uint32_t)more + 1);
    term *parts[] = {compose_transpose(g->node, zeros, there, (uint32_t)rank), ids, d};
    term *made = compose_all(g->node, "scatter_nd", parts, 3, 3, &sum, 1);
    return derive_add(g, 0, compose_transpose(g->node, made, back, (uint32_t)rank));
}

/* ---- The table ---- */

static const struct {
    const char *name;
    rule *run;
} rows[] = {
    {"abs", unary}, {"acos", unary}, {"acosh", unary}, {"add", add_rule}, {"asin", unary}, {"asinh", unary},
    {"atan", unary}, {"atanh", unary}, {"average_pool", derive_average_pool},
    {"batch_norm", derive_batch_norm}, {"cast", cast}, {"ceil", flat}, {"celu", unary}, {"clip", clip},
    {"compress", derive_moved}, {"concat", concat}, {"constant_of_shape", flat}, {"conv", derive_conv},
    {"cos", unary}, {"cosh", unary}, {"cum_sum", derive_cum_sum}, {"depth_to_space", derive_moved},
    {"div", div_rule}, {"dropout", same}, {"elu", unary}, {"erf", unary}, {"exp", unary}, {"expand", expand},
    {"flatten", reshape}, {"floor", flat}, {"gather", gather}, {"gather_elements", derive_moved},
    {"gather_nd", derive_moved}, {"gelu", gelu}, {"gelu_tanh", gelu_tanh}, {"gemm", gemm},
    {"global_average_pool", global_average}, {"global_max_pool", derive_global_max}, {"gru", derive_recurrent},
    {"hard_sigmoid", hard_sigmoid}, {"hard_swish", hard_swish}, {"identity", same}, {"if", derive_if},
    {"layer_norm", derive_layer_norm}, {"leaky_relu", unary}, {"log", unary}, {"log_softmax", softmax},
    {"loop", derive_loop}, {"lp_pool", derive_lp_pool}, {"lstm", derive_recurrent}, {"matmul", matmul},
    {"max", extreme}, {"max_n", extreme}, {"max_pool", derive_max_pool}, {"min", extreme}, {"min_n", extreme},
    {"mish", mish}, {"mul", mul_rule},
    {"neg", unary}, {"pad", derive_pad}, {"pow", pow_rule}, {"prelu", prelu}, {"reciprocal", unary},
    {"reduce_l1", reduce}, {"reduce_l2", reduce}, {"reduce_log_sum", reduce}, {"reduce_log_sum_exp", reduce},
    {"reduce_max", reduce}, {"reduce_mean", reduce}, {"reduce_min", reduce}, {"reduce_prod", reduce},
    {"reduce_sum", reduce}, {"reduce_sum_square", reduce}, {"relu", unary}, {"reshape", reshape},
    {"resize", derive_resize}, {"reverse_sequence", derive_moved}, {"rms_norm", derive_layer_norm},
    {"rnn", derive_recurrent}, {"round", flat}, {"rsqrt", unary},
    {"scatter_elements", derive_scatter}, {"scatter_nd", derive_scatter}, {"selu", unary}, {"shape", flat},
    {"sigmoid", unary}, {"sign", flat}, {"sin", unary}, {"sinh", unary}, {"size", flat}, {"slice", derive_moved},
    {"softmax", softmax}, {"softmax_flat", derive_softmax_flat}, {"softplus", unary}, {"softsign", unary},
    {"space_to_depth", derive_moved}, {"split", split}, {"sqrt", unary}, {"squeeze", reshape}, {"sub", sub_rule},
    {"sum_n", add_rule}, {"swish", swish}, {"tan", unary}, {"tanh", unary}, {"thresholded_relu", unary},
    {"tile", derive_moved}, {"transpose", transpose}, {"unsqueeze", reshape}, {"where", where},
};

bool derive_of_op(gradient *g, const adze_op *op)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (adze_op_is(op, rows[i].name)) return rows[i].run(g, op, derive_of_result(g, 0));
    const char *onnx = adze_op_get_row(op)->onnx, *node = adze_op_num_nodes(op) ? adze_op_node(op, 0) : "?";
    return adze_onnx_unsupported(g->node, "the derivative of %s (node '%s')", onnx ? onnx : adze_op_name(op), node);
}
