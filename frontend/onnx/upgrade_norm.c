/* Normalizations and norms, said with reductions. */
#include "compose.h"

#include <string.h>

static adze_dtype wide_of(adze_dtype dtype)
{
    return dtype == ADZE_DTYPE_f16 || dtype == ADZE_DTYPE_bf16 ? ADZE_DTYPE_f32 : dtype;
}

/* Axes from..rank-1 into `axes`; how many. */
static size_t axes_from(uint32_t from, uint32_t rank, int64_t *axes)
{
    size_t n = 0;
    for (uint32_t i = from; i < rank; i++) axes[n++] = i;
    return n;
}

/* x - mean, and the mean of its squares, over some axes. */
static term *centre(adze_onnx_node *node, term *x, const int64_t *axes, size_t n, term **out_variance)
{
    term *centred = compose2(node, "sub", x, compose_reduce(node, "reduce_mean", x, axes, n, true));
    *out_variance = compose_reduce(node, "reduce_mean", compose2(node, "mul", centred, centred), axes, n, true);
    return centred;
}

term *compose_normalize(adze_onnx_node *node, term *x, const int64_t *axes, size_t n, double epsilon)
{
    term *variance, *centred = centre(node, x, axes, n, &variance);
    term *deviation = compose1(node, "sqrt", compose2(node, "add", variance, compose_like(node, x, epsilon)));
    return compose2(node, "div", centred, deviation);
}

/* The same over all axes from the third on, which become one where their extents are known: kernels of such rows are
 * those of layer_norm. */
static term *normalize_rows(adze_onnx_node *node, term *x, double epsilon)
{
    static const int64_t last = 2;
    if (!x) return NULL;
    const adze_type *type = adze_value_type(x);
    uint32_t rank = adze_type_rank(type);
    int64_t axes[ADZE_MAX_RANK];
    bool known = true;
    for (uint32_t i = 0; i < rank; i++) {
        axes[i] = i;
        known = known && !adze_dim_is_unknown(adze_type_dim(type, i));
    }
    if (!known) return compose_normalize(node, x, axes + 2, rank - 2, epsilon);
    const adze_dim *row[] = {compose_dim(x, 0), compose_dim(x, 1), adze_dim_const(node->import->context, 1)};
    for (uint32_t i = 2; i < rank; i++) row[2] = adze_dim_mul(node->import->context, row[2], compose_dim(x, i));
    if (rank != 3) x = compose_reshape(node, x, row, 3);
    term *y = compose_normalize(node, x, &last, 1, epsilon);
    return rank == 3 ? y : compose_reshape(node, y, adze_type_dims(type), rank);
}

/* Before opset 17 the op is ONNX Runtime's own: its result has the type of scale and bias; that of x may differ. */
bool adze_onnx_upgrade_layer_norm(adze_onnx_node *node)
{
    enum { STANDARD = 17 };
    adze_dtype of_x = compose_dtype(adze_onnx_operand(node, 0)), dtype = compose_dtype(adze_onnx_operand(node, 1));
    bool floats = adze_dtype_get_kind(of_x) == ADZE_KIND_FLOAT && adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT;
    if (node->version >= STANDARD || of_x == dtype || !floats) return adze_onnx_finish_row(node);
    adze_dtype wide = of_x == ADZE_DTYPE_f64 || dtype == ADZE_DTYPE_f64 ? ADZE_DTYPE_f64 : ADZE_DTYPE_f32;
    for (uint32_t i = 0; i < node->n_in; i++) node->in[i] = compose_cast(node, node->in[i], wide);
    return adze_onnx_finish_row(node) && compose_end(node, compose_cast(node, node->out[0], dtype));
}

/* The result has the operand's type; that of the scale may differ. */
bool adze_onnx_upgrade_rms_norm(adze_onnx_node *node)
{
    term *x = adze_onnx_operand(node, 0), *scale = adze_onnx_operand(node, 1);
    bool floats = x && scale && adze_dtype_get_kind(compose_dtype(scale)) == ADZE_KIND_FLOAT;
    if (floats && !(node->in[1] = compose_cast(node, scale, compose_dtype(x)))) return false;
    return adze_onnx_finish_row(node);
}

bool adze_onnx_upgrade_instance_norm(adze_onnx_node *node)
{
    term *x, *scale, *bias;
    uint32_t rank, unused;
    double epsilon = 1e-5;
    if (!adze_onnx_attr_float(node, "epsilon", &epsilon) || !compose_operand(node, 0, 3, &x, &rank) ||
        !compose_operand(node, 1, 1, &scale, &unused) || !compose_operand(node, 2, 1, &bias, &unused))
        return false;
    adze_dtype dtype = compose_dtype(x), wide = wide_of(dtype);
    term *y = normalize_rows(node, compose_cast(node, x, wide), epsilon);
    y = compose2(node, "mul", y, compose_channels(node, compose_cast(node, scale, wide), rank));
    y = compose2(node, "add", y, compose_channels(node, compose_cast(node, bias, wide), rank));
    return compose_end(node, compose_cast(node, y, dtype));
}

/* Channels in groups [batch, groups, channels / groups, …]. Before opset 21 scale and bias are a number a group. */
bool adze_onnx_upgrade_group_norm(adze_onnx_node *node)
{
    term *x, *scale, *bias;
    uint32_t rank, unused;
    int64_t groups = 0, stash = 1;
    double epsilon = 1e-5;
    adze_context *context = node->import->context;
    const adze_dim *dims[ADZE_MAX_RANK];
    if (!adze_onnx_attr_float(node, "epsilon", &epsilon) || !adze_onnx_attr_int(node, "num_groups", &groups) ||
        !adze_onnx_attr_int(node, "stash_type", &stash) || !compose_operand(node, 0, 3, &x, &rank) ||
        !compose_operand(node, 1, 1, &scale, &unused) || !compose_operand(node, 2, 1, &bias, &unused))
        return false;
    int64_t channels;
    bool known = adze_dim_is_const(compose_dim(x, 1), &channels);
    if (groups < 1 || rank == ADZE_MAX_RANK || (known && channels % groups))
        return adze_onnx_invalid(node, "%lld groups of the channels", (long long)groups);
    dims[0] = compose_dim(x, 0);
    dims[1] = adze_dim_const(context, groups);
    dims[2] = adze_dim_binary(context, ADZE_DIM_FLOORDIV, compose_dim(x, 1), dims[1]);
    for (uint32_t i = 2; i < rank; i++) dims[i + 1] = compose_dim(x, i);
    adze_dtype dtype = compose_dtype(x), wide = adze_onnx_dtype(stash);
    if (wide == ADZE_DTYPE_NONE) return adze_onnx_unsupported(node, "stash_type %lld", (long long)stash);
    if (dtype == ADZE_DTYPE_f64) wide = dtype;
    bool each = node->version >= 21;
    term *y = compose_reshape(node, compose_cast(node, x, wide), dims, rank + 1);
    y = compose_cast(node, normalize_rows(node, y, epsilon), dtype);
    uint32_t n = each ? rank : rank + 1;
    if (each) y = compose_reshape(node, y, adze_type_dims(adze_value_type(x)), rank);
    y = compose2(node, "mul", y, compose_channels(node, scale, n));
    y = compose2(node, "add", y, compose_channels(node, bias, n));
    if (!each) y = compose_reshape(node, y, adze_type_dims(adze_value_type(x)), rank);
    return compose_end(node, y);
}

bool adze_onnx_upgrade_mean_variance_norm(adze_onnx_node *node)
{
    static const int64_t usual[] = {0, 2, 3};
    const int64_t *axes = usual;
    size_t n = 3;
    term *x, *variance;
    uint32_t rank;
    if (!adze_onnx_attr_ints(node, "axes", &axes, &n) || !compose_operand(node, 0, 1, &x, &rank)) return false;
    adze_dtype dtype = compose_dtype(x);
    term *centred = centre(node, compose_cast(node, x, wide_of(dtype)), axes, n, &variance);
    term *deviation = compose1(node, "sqrt", variance);
    deviation = compose2(node, "add", deviation, compose_like(node, deviation, 1e-9));
    return compose_end(node, compose_cast(node, compose2(node, "div", centred, deviation), dtype));
}

/* Statistics of the batch, and running ones: m momentum + s (1 - momentum). Before opset 14 two more results are the
 * batch's own. */
bool adze_onnx_batch_norm_training(adze_onnx_node *node)
{
    term *x, *in[5], *variance;
    uint32_t rank, unused;
    int64_t axes[ADZE_MAX_RANK];
    double epsilon = 1e-5, momentum = 0.9;
    if (!adze_onnx_attr_float(node, "epsilon", &epsilon) || !adze_onnx_attr_float(node, "momentum", &momentum) ||
        !compose_operand(node, 0, 2, &x, &rank))
        return false;
    for (uint32_t i = 1; i < 5; i++)
        if (!compose_operand(node, i, 1, &in[i], &unused)) return false;
    size_t n = 1 + axes_from(2, rank, axes + 1);
    axes[0] = 0;
    adze_dtype dtype = compose_dtype(x), wide = wide_of(dtype), kept = compose_dtype(in[3]);
    x = compose_cast(node, x, wide);
    term *centred = centre(node, x, axes, n, &variance);
    term *mean = compose_reduce(node, "reduce_mean", x, axes, n, false);
    term *deviation = compose1(node, "sqrt", compose2(node, "add", variance, compose_like(node, x, epsilon)));
    term *y = compose2(node, "div", centred, deviation);
    y = compose2(node, "mul", y, compose_channels(node, compose_cast(node, in[1], wide), rank));
    y = compose2(node, "add", y, compose_channels(node, compose_cast(node, in[2], wide), rank));
    term *own[] = {mean, compose2(node, "reshape", variance, compose_int(node, -1))};
    for (uint32_t k = 1; k < node->n_out && k < 5; k++) {
        term *s = own[(k - 1) % 2], *before = compose_cast(node, in[k < 3 ? k + 2 : 3], wide);
        if (k < 3)
            s = compose2(node, "add", compose2(node, "mul", before, compose_like(node, before, momentum)),
                         compose2(node, "mul", s, compose_like(node, s, 1 - momentum)));
        node->out[k] = compose_cast(node, s, kept);
    }
    return compose_end(node, compose_cast(node, y, dtype));
}

/* x / (bias + alpha / size * sum of the squares of `size` channels around)^beta: the mean of windows over channels. */
bool adze_onnx_upgrade_lrn(adze_onnx_node *node)
{
    term *x;
    uint32_t rank;
    int64_t size = 0, kernel[ADZE_MAX_RANK], pads[2 * ADZE_MAX_RANK] = {0};
    double alpha = 1e-4, beta = 0.75, bias = 1;
    if (!adze_onnx_attr_int(node, "size", &size) || !adze_onnx_attr_float(node, "alpha", &alpha) ||
        !adze_onnx_attr_float(node, "beta", &beta) || !adze_onnx_attr_float(node, "bias", &bias) ||
        !compose_operand(node, 0, 2, &x, &rank))
        return false;
    if (size < 1 || rank == ADZE_MAX_RANK) return adze_onnx_invalid(node, "size is %lld", (long long)size);
    uint32_t axes = rank - 1; /* channels, then the others */
    for (uint32_t i = 0; i < axes; i++) kernel[i] = i ? 1 : size;
    pads[0] = (size - 1) / 2;
    pads[axes] = size / 2;
    adze_dtype dtype = compose_dtype(x);
    term *wide = compose_cast(node, x, wide_of(dtype));
    term *square = compose_unsqueeze(node, compose2(node, "mul", wide, wide), 1, 2);
    adze_attr attrs[] = {adze_attr_ints("kernel_shape", kernel, axes), adze_attr_ints("pads", pads, 2 * axes),
                         adze_attr_int("count_include_pad", 1)};
    term *mean = compose_squeeze(node, compose_all(node, "average_pool", &square, 1, 1, attrs, 3), 1);
    term *base = compose2(node, "mul", mean, compose_like(node, wide, alpha));
    base = compose2(node, "add", base, compose_like(node, wide, bias));
    term *y = compose2(node, "div", wide, compose2(node, "pow", base, compose_like(node, wide, beta)));
    return compose_end(node, compose_cast(node, y, dtype));
}

/* |x|^p, and its root. */
static term *powers(adze_onnx_node *node, term *x, double p)
{
    if (p == 2) return compose2(node, "mul", x, x);
    term *magnitude = compose1(node, "abs", x);
    return p == 1 ? magnitude : compose1(node, "abs", compose2(node, "pow", magnitude, compose_like(node, x, p)));
}

static term *root(adze_onnx_node *node, term *x, double p)
{
    if (p == 1) return x;
    return p == 2 ? compose1(node, "sqrt", x) : compose2(node, "pow", x, compose_like(node, x, 1 / p));
}

/* p is an int, at opset 1 a float. */
static bool read_p(adze_onnx_node *node, double *out)
{
    enum { IS_FLOAT = 1 };
    int64_t p = 2;
    const Pb__Attribute *attr = adze_onnx_attr(node, "p");
    *out = 2;
    if (attr && attr->type == IS_FLOAT) return adze_onnx_attr_float(node, "p", out);
    if (!adze_onnx_attr_int(node, "p", &p)) return false;
    *out = (double)p;
    return p >= 1 || adze_onnx_invalid(node, "attribute 'p' is %lld", (long long)p);
}

/* x over its norm along an axis; 0 where that is 0. */
bool adze_onnx_upgrade_lp_normalization(adze_onnx_node *node)
{
    term *x;
    uint32_t rank, axis;
    int64_t wanted = -1;
    double p;
    if (!adze_onnx_attr_int(node, "axis", &wanted) || !read_p(node, &p) || !compose_operand(node, 0, 1, &x, &rank) ||
        !compose_axis(node, wanted, rank, &axis))
        return false;
    int64_t axes[] = {axis};
    adze_dtype dtype = compose_dtype(x);
    term *wide = compose_cast(node, x, wide_of(dtype)), *zero = compose_like(node, wide, 0);
    term *norm = root(node, compose_reduce(node, "reduce_sum", powers(node, wide, p), axes, 1, true), p);
    term *y = compose3(node, "where", compose2(node, "equal", norm, zero), zero, compose2(node, "div", wide, norm));
    return compose_end(node, compose_cast(node, y, dtype));
}

bool adze_onnx_upgrade_global_lp_pool(adze_onnx_node *node)
{
    term *x;
    uint32_t rank;
    int64_t axes[ADZE_MAX_RANK];
    double p;
    if (!read_p(node, &p) || !compose_operand(node, 0, 3, &x, &rank)) return false;
    adze_dtype dtype = compose_dtype(x);
    term *sum = powers(node, compose_cast(node, x, wide_of(dtype)), p);
    sum = compose_reduce(node, "reduce_sum", sum, axes, axes_from(2, rank, axes), true);
    return compose_end(node, compose_cast(node, root(node, sum, p), dtype));
}

/* A magnitude or a square. */
static bool is_not_negative(const term *x)
{
    const adze_op *op = adze_value_op(x);
    if (!op) return false;
    return adze_op_is(op, "abs") || (adze_op_is(op, "mul") && adze_op_operand(op, 0) == adze_op_operand(op, 1));
}

/* Powers, sums of windows, roots: lp_pool with p = 1 adds up magnitudes. */
bool adze_onnx_upgrade_lp_pool(adze_onnx_node *node)
{
    term *x = adze_onnx_operand(node, 0);
    double p;
    if (!read_p(node, &p)) return false;
    if (!x) return adze_onnx_invalid(node, "has no input");
    adze_dtype dtype = compose_dtype(x);
    x = compose_cast(node, x, wide_of(dtype));
    node->in[0] = p == 1 && x && is_not_negative(x) ? x : powers(node, x, p);
    adze_attr one = adze_attr_int("p", 1);
    if (!node->in[0] || !adze_onnx_finish(node, "lp_pool", &one, 1)) return false;
    return compose_end(node, compose_cast(node, root(node, node->out[0], p), dtype));
}
