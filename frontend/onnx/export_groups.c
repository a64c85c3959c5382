/* Ops that ONNX says with several of its own, or that some opsets do. */
#include "export.h"

#include <math.h>
#include <string.h>

static adze_dtype dtype_at(const adze_onnx_export *x, uint32_t index)
{
    return adze_onnx_value_dtype(adze_op_operand(x->op, index));
}

/* One node with one or two operands; NULL `out` = a new name. */
static const char *say1(adze_onnx_export *x, const char *op_type, const char *a, adze_dtype dtype, const char *out)
{
    return adze_onnx_say(x, op_type, &a, 1, dtype, out);
}

static const char *say2(adze_onnx_export *x, const char *op_type, const char *a, const char *b, adze_dtype dtype,
                        const char *out)
{
    const char *in[] = {a, b};
    return adze_onnx_say(x, op_type, in, 2, dtype, out);
}

static const char *say_cast(adze_onnx_export *x, const char *a, adze_dtype to, const char *out)
{
    if (!out) out = adze_onnx_fresh(x, to);
    adze_onnx_begin(x, "Cast");
    adze_onnx_in(x, a);
    adze_onnx_out(x, out);
    adze_onnx_int(x, "to", adze_onnx_dtype_number(to));
    adze_onnx_end(x);
    return out;
}

/* May the op be spelled out here: does the opset not have it yet? */
static bool spells_out(const adze_onnx_export *x, const char *op_type)
{
    return x->spell_out && !adze_onnx_form_find(op_type, x->opset, NULL);
}

/* ---- Elementwise ---- */

static bool say_max(adze_onnx_export *x) { return adze_onnx_say_as(x, "Max"); }
static bool say_min(adze_onnx_export *x) { return adze_onnx_say_as(x, "Min"); }

/* Does ONNX have this op for the element type of the first operand, at any opset? */
static bool is_for(const adze_onnx_export *x, const char *op_type)
{
    adze_dtype dtype = dtype_at(x, 0);
    const adze_onnx_form *form = adze_onnx_form_find(op_type, ADZE_ONNX_OPSET_MAX, NULL);
    return adze_onnx_form_takes(form, &dtype, 1, NULL, 0);
}

/* Sum is for floats alone. */
static bool say_sum(adze_onnx_export *x)
{
    uint32_t n = adze_op_num_operands(x->op);
    if (n < 2 || is_for(x, "Sum")) return adze_onnx_say_as(x, is_for(x, "Sum") ? "Sum" : "Identity");
    const char *sum = adze_onnx_argument(x, 0);
    for (uint32_t i = 1; i < n; i++)
        sum = say2(x, "Add", sum, adze_onnx_argument(x, i), dtype_at(x, 0), i + 1 < n ? NULL : adze_onnx_result(x, 0));
    return true;
}

/* Scales of f16 with a result of f32: the scales become f32 ahead of it, which is exact. The opset's own way to say so,
 * output_dtype, is one that fewer opsets have and that ONNX Runtime 1.32 stumbles over. */
static bool say_dequantize(adze_onnx_export *x)
{
    adze_dtype to = adze_onnx_value_dtype(adze_op_result(x->op, 0));
    if (!adze_onnx_older_scales(x, "DequantizeLinear")) return false;
    if (dtype_at(x, 1) != ADZE_DTYPE_f16 || to != ADZE_DTYPE_f32) return adze_onnx_say_as(x, "DequantizeLinear");
    const char *scale = say_cast(x, adze_onnx_argument(x, 1), to, NULL);
    adze_onnx_begin(x, "DequantizeLinear");
    adze_onnx_in(x, adze_onnx_argument(x, 0));
    adze_onnx_in(x, scale);
    if (adze_op_operand(x->op, 2)) adze_onnx_in(x, adze_onnx_argument(x, 2));
    adze_onnx_out(x, adze_onnx_result(x, 0));
    adze_onnx_int(x, "axis", adze_op_attr_int(x->op, "axis"));
    if (adze_op_attr_int(x->op, "block_size")) adze_onnx_int(x, "block_size", adze_op_attr_int(x->op, "block_size"));
    return adze_onnx_end(x);
}

/* Unsigned numbers are what they are. */
static bool say_relu(adze_onnx_export *x)
{
    bool is_unsigned = adze_dtype_get_kind(dtype_at(x, 0)) == ADZE_KIND_UINT;
    return adze_onnx_say_as(x, is_unsigned ? "Identity" : "Relu");
}

/* Of numbers that ONNX drops nothing of: inference drops nothing at all. */
static bool say_dropout(adze_onnx_export *x)
{
    if (is_for(x, "Dropout") || adze_op_num_results(x->op) > 1) return adze_onnx_say_as(x, "Dropout");
    return say1(x, "Identity", adze_onnx_argument(x, 0), dtype_at(x, 0), adze_onnx_result(x, 0)) != NULL;
}

/* PRelu broadcasts its slope alone; where the operand is the smaller one, x < 0 ? slope x : x. */
static bool say_prelu(adze_onnx_export *x)
{
    const adze_ir_value *result = adze_op_result(x->op, 0);
    adze_dtype dtype = dtype_at(x, 0);
    if (adze_value_type(result) == adze_value_type(adze_op_operand(x->op, 0))) return adze_onnx_say_as(x, "PRelu");
    const char *a = adze_onnx_argument(x, 0), *slope = adze_onnx_argument(x, 1);
    const char *below = say2(x, "Less", a, adze_onnx_new_scalar(x, dtype, 0), ADZE_DTYPE_bool, NULL);
    const char *in[] = {below, say2(x, "Mul", a, slope, dtype, NULL), a};
    return adze_onnx_say(x, "Where", in, 3, dtype, adze_onnx_result(x, 0)) != NULL;
}

/* A copy, where neither side is in a layout. */
static bool say_relayout(adze_onnx_export *x) { return adze_onnx_say_as(x, "Identity"); }

static bool say_rsqrt(adze_onnx_export *x)
{
    const char *root = say1(x, "Sqrt", adze_onnx_argument(x, 0), dtype_at(x, 0), NULL);
    return say1(x, "Reciprocal", root, dtype_at(x, 0), adze_onnx_result(x, 0)) != NULL;
}

static bool say_fma(adze_onnx_export *x)
{
    adze_dtype dtype = dtype_at(x, 0);
    const char *product = say2(x, "Mul", adze_onnx_argument(x, 0), adze_onnx_argument(x, 1), dtype, NULL);
    return say2(x, "Add", product, adze_onnx_argument(x, 2), dtype, adze_onnx_result(x, 0)) != NULL;
}

/* x * (0.5 * (1 + inner)) */
static bool say_half(adze_onnx_export *x, const char *inner)
{
    adze_dtype dtype = dtype_at(x, 0);
    const char *sum = say2(x, "Add", inner, adze_onnx_new_scalar(x, dtype, 1), dtype, NULL);
    const char *half = say2(x, "Mul", sum, adze_onnx_new_scalar(x, dtype, 0.5), dtype, NULL);
    return say2(x, "Mul", adze_onnx_argument(x, 0), half, dtype, adze_onnx_result(x, 0)) != NULL;
}

static bool say_gelu(adze_onnx_export *x)
{
    adze_dtype dtype = dtype_at(x, 0);
    if (!spells_out(x, "Gelu")) return adze_onnx_say_as(x, "Gelu");
    const char *root = adze_onnx_new_scalar(x, dtype, 0.70710678118654752440);
    const char *scaled = say2(x, "Mul", adze_onnx_argument(x, 0), root, dtype, NULL);
    return say_half(x, say1(x, "Erf", scaled, dtype, NULL));
}

/* GELU with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) in the place of erf. */
static bool say_gelu_tanh(adze_onnx_export *x)
{
    adze_dtype dtype = dtype_at(x, 0);
    const char *a = adze_onnx_argument(x, 0);
    if (!spells_out(x, "Gelu")) {
        adze_onnx_begin(x, "Gelu");
        adze_onnx_in(x, a);
        adze_onnx_out(x, adze_onnx_result(x, 0));
        adze_onnx_string(x, "approximate", "tanh");
        return adze_onnx_end(x);
    }
    const char *square = say2(x, "Mul", a, a, dtype, NULL), *cube = say2(x, "Mul", square, a, dtype, NULL);
    const char *small = say2(x, "Mul", cube, adze_onnx_new_scalar(x, dtype, 0.044715), dtype, NULL);
    const char *sum = say2(x, "Add", a, small, dtype, NULL);
    const char *root = adze_onnx_new_scalar(x, dtype, 0.79788456080286535588);
    return say_half(x, say1(x, "Tanh", say2(x, "Mul", sum, root, dtype, NULL), dtype, NULL));
}

static bool say_hard_swish(adze_onnx_export *x)
{
    adze_dtype dtype = dtype_at(x, 0);
    if (!spells_out(x, "HardSwish")) return adze_onnx_say_as(x, "HardSwish");
    const char *gate = adze_onnx_fresh(x, dtype);
    adze_onnx_begin(x, "HardSigmoid");
    adze_onnx_in(x, adze_onnx_argument(x, 0));
    adze_onnx_out(x, gate);
    adze_onnx_float(x, "alpha", 1.0 / 6);
    adze_onnx_end(x);
    return say2(x, "Mul", adze_onnx_argument(x, 0), gate, dtype, adze_onnx_result(x, 0)) != NULL;
}

static bool say_mish(adze_onnx_export *x)
{
    adze_dtype dtype = dtype_at(x, 0);
    if (!spells_out(x, "Mish")) return adze_onnx_say_as(x, "Mish");
    const char *gate = say1(x, "Tanh", say1(x, "Softplus", adze_onnx_argument(x, 0), dtype, NULL), dtype, NULL);
    return say2(x, "Mul", adze_onnx_argument(x, 0), gate, dtype, adze_onnx_result(x, 0)) != NULL;
}

static bool say_swish(adze_onnx_export *x)
{
    adze_dtype dtype = dtype_at(x, 0);
    const char *a = adze_onnx_argument(x, 0), *scaled = a;
    double alpha = adze_op_attr_float(x->op, "alpha");
    if (!spells_out(x, "Swish")) return adze_onnx_say_as(x, "Swish");
    if (alpha != 1) scaled = say2(x, "Mul", a, adze_onnx_new_scalar(x, dtype, alpha), dtype, NULL);
    return say2(x, "Mul", a, say1(x, "Sigmoid", scaled, dtype, NULL), dtype, adze_onnx_result(x, 0)) != NULL;
}

/* ---- Normalizations ---- */

/* Mean over the axes from `axis` on, which stay as dims of 1. */
static const char *say_mean(adze_onnx_export *x, const char *a, int64_t axis, uint32_t rank, adze_dtype dtype,
                            const char *out)
{
    int64_t axes[ADZE_MAX_RANK];
    uint32_t n = 0;
    for (int64_t i = axis; i < (int64_t)rank; i++) axes[n++] = i;
    return adze_onnx_say_axes(x, "ReduceMean", a, axes, n, dtype, out);
}

/* The axis counted from the front; false where the rank is not known. */
static bool find_axis(adze_onnx_export *x, int64_t *axis, uint32_t *rank)
{
    const adze_type *type = adze_value_type(adze_op_operand(x->op, 0));
    if (!adze_type_is_ranked(type)) return adze_onnx_refuse(x, "of unknown rank");
    *rank = adze_type_rank(type);
    *axis = adze_op_attr_int(x->op, "axis");
    if (*axis < 0) *axis += *rank;
    return true;
}

/* sqrt(a + epsilon) */
static const char *say_deviation(adze_onnx_export *x, const char *a, adze_dtype dtype)
{
    const char *epsilon = adze_onnx_new_scalar(x, dtype, adze_op_attr_float(x->op, "epsilon"));
    return say1(x, "Sqrt", say2(x, "Add", a, epsilon, dtype, NULL), dtype, NULL);
}

/* The operand in the element type that its statistics are in: at least f32. */
static const char *say_wide(adze_onnx_export *x, adze_dtype *out_dtype)
{
    adze_dtype dtype = dtype_at(x, 0);
    *out_dtype = dtype == ADZE_DTYPE_f64 ? dtype : ADZE_DTYPE_f32;
    const char *a = adze_onnx_argument(x, 0);
    return dtype == *out_dtype ? a : say_cast(x, a, *out_dtype, NULL);
}

static bool say_layer_norm(adze_onnx_export *x)
{
    int64_t axis;
    uint32_t rank;
    adze_dtype wide, dtype = dtype_at(x, 0);
    if (!spells_out(x, "LayerNormalization")) return adze_onnx_say_as(x, "LayerNormalization");
    if (!find_axis(x, &axis, &rank)) return false;
    uint32_t results = adze_op_num_results(x->op);
    const char *a = say_wide(x, &wide);
    const char *mean = say_mean(x, a, axis, rank, wide, results > 1 ? adze_onnx_result(x, 1) : NULL);
    const char *centred = say2(x, "Sub", a, mean, wide, NULL);
    const char *square = say2(x, "Mul", centred, centred, wide, NULL);
    const char *deviation = say_deviation(x, say_mean(x, square, axis, rank, wide, NULL), wide);
    if (results > 2) say1(x, "Reciprocal", deviation, wide, adze_onnx_result(x, 2));
    const char *y = say2(x, "Div", centred, deviation, wide, NULL);
    if (wide != dtype) y = say_cast(x, y, dtype, NULL);
    const char *bias = adze_onnx_argument(x, 2), *out = adze_onnx_result(x, 0);
    y = say2(x, "Mul", y, adze_onnx_argument(x, 1), dtype, bias ? NULL : out);
    return !bias || say2(x, "Add", y, bias, dtype, out) != NULL;
}

static bool say_rms_norm(adze_onnx_export *x)
{
    int64_t axis;
    uint32_t rank;
    adze_dtype wide, dtype = dtype_at(x, 1);
    if (!spells_out(x, "RMSNormalization")) return adze_onnx_say_as(x, "RMSNormalization");
    if (!find_axis(x, &axis, &rank)) return false;
    const char *a = say_wide(x, &wide), *square = say2(x, "Mul", a, a, wide, NULL);
    const char *deviation = say_deviation(x, say_mean(x, square, axis, rank, wide, NULL), wide);
    const char *y = say2(x, "Div", a, deviation, wide, NULL);
    if (wide != dtype) y = say_cast(x, y, dtype, NULL);
    return say2(x, "Mul", y, adze_onnx_argument(x, 1), dtype, adze_onnx_result(x, 0)) != NULL;
}

/* Over the last axis. */
static const char *say_softmax(adze_onnx_export *x, const char *a, uint32_t rank, adze_dtype dtype, const char *out)
{
    if (!out) out = adze_onnx_fresh(x, dtype);
    adze_onnx_begin(x, "Softmax");
    adze_onnx_in(x, a);
    adze_onnx_out(x, out);
    adze_onnx_int(x, "axis", rank ? (int64_t)rank - 1 : 0);
    adze_onnx_end(x);
    return out;
}

/* All axes from `axis` on as one, and back; before opset 13 Softmax says that itself. */
static bool say_softmax_flat(adze_onnx_export *x)
{
    int64_t axis;
    uint32_t rank;
    adze_dtype dtype = dtype_at(x, 0);
    const char *a = adze_onnx_argument(x, 0), *rows;
    enum { ONE_AXIS = 13 };
    if (!find_axis(x, &axis, &rank)) return false;
    if (rank && axis == (int64_t)rank - 1) return say_softmax(x, a, rank, dtype, adze_onnx_result(x, 0)) != NULL;
    if (x->opset < ONE_AXIS) return say_softmax(x, a, (uint32_t)axis + 1, dtype, adze_onnx_result(x, 0)) != NULL;
    rows = adze_onnx_fresh(x, dtype);
    adze_onnx_begin(x, "Flatten");
    adze_onnx_in(x, a);
    adze_onnx_out(x, rows);
    adze_onnx_int(x, "axis", axis);
    adze_onnx_end(x);
    const char *shares = say_softmax(x, rows, 2, dtype, NULL), *dims = say1(x, "Shape", a, ADZE_DTYPE_i64, NULL);
    return say2(x, "Reshape", shares, dims, dtype, adze_onnx_result(x, 0)) != NULL;
}

/* One side of a window, [heads or 1, 1, 1]. */
static const char *say_side(adze_onnx_export *x, int64_t side)
{
    static const int64_t shape[] = {-1, 1, 1};
    const char *numbers = adze_onnx_fresh(x, ADZE_DTYPE_i64);
    adze_onnx_begin(x, "Gather");
    adze_onnx_in(x, adze_onnx_argument(x, 4));
    adze_onnx_in(x, adze_onnx_new_scalar(x, ADZE_DTYPE_i64, (double)side));
    adze_onnx_out(x, numbers);
    adze_onnx_int(x, "axis", 1);
    adze_onnx_end(x);
    return say2(x, "Reshape", numbers, adze_onnx_new_ints(x, shape, 3), ADZE_DTYPE_i64, NULL);
}

/* The scores, those of keys beyond the window replaced by -infinity. */
static const char *say_window(adze_onnx_export *x, const char *scores, adze_dtype dtype)
{
    static const int64_t column[] = {-1, 1};
    const adze_dtype i64 = ADZE_DTYPE_i64;
    const char *zero = adze_onnx_new_scalar(x, i64, 0), *one = adze_onnx_new_scalar(x, i64, 1);
    const char *dims = say1(x, "Shape", adze_onnx_argument(x, 0), i64, NULL), *places = adze_onnx_fresh(x, i64);
    const char *length = say2(x, "Gather", dims, adze_onnx_new_scalar(x, i64, 2), i64, NULL);
    adze_onnx_begin(x, "Range");
    adze_onnx_in(x, zero);
    adze_onnx_in(x, length);
    adze_onnx_in(x, one);
    adze_onnx_out(x, places);
    adze_onnx_end(x);
    const char *rows = say2(x, "Reshape", places, adze_onnx_new_ints(x, column, 2), i64, NULL);
    const char *behind = say2(x, "Sub", places, rows, i64, NULL), *ahead = say2(x, "Sub", rows, places, i64, NULL);
    const char *left = say2(x, "Greater", ahead, say_side(x, 0), ADZE_DTYPE_bool, NULL);
    const char *right = say2(x, "Greater", behind, say_side(x, 1), ADZE_DTYPE_bool, NULL);
    const char *far = say2(x, "Or", left, right, ADZE_DTYPE_bool, NULL), *near = adze_onnx_fresh(x, dtype);
    adze_onnx_begin(x, "Where");
    adze_onnx_in(x, far);
    adze_onnx_in(x, adze_onnx_new_scalar(x, dtype, -(double)INFINITY));
    adze_onnx_in(x, scores);
    adze_onnx_out(x, near);
    adze_onnx_end(x);
    return near;
}

/* softmax(Q K^T * scale + mask) V */
static bool say_attention(adze_onnx_export *x)
{
    static const int64_t perm[] = {0, 1, 3, 2};
    adze_dtype dtype = dtype_at(x, 0);
    double scale = adze_op_attr_float(x->op, "scale");
    const char *keys = adze_onnx_fresh(x, dtype), *mask = adze_onnx_argument(x, 3);
    adze_onnx_begin(x, "Transpose");
    adze_onnx_in(x, adze_onnx_argument(x, 1));
    adze_onnx_out(x, keys);
    adze_onnx_int_list(x, "perm", perm, 4);
    adze_onnx_end(x);
    const char *scores = say2(x, "MatMul", adze_onnx_argument(x, 0), keys, dtype, NULL);
    if (scale != 1) scores = say2(x, "Mul", scores, adze_onnx_new_scalar(x, dtype, scale), dtype, NULL);
    if (mask && dtype_at(x, 3) != dtype) mask = say_cast(x, mask, dtype, NULL);
    if (mask) scores = say2(x, "Add", scores, mask, dtype, NULL);
    if (adze_onnx_argument(x, 4)) scores = say_window(x, scores, dtype);
    const char *shares = say_softmax(x, scores, 4, dtype, NULL);
    return say2(x, "MatMul", shares, adze_onnx_argument(x, 2), dtype, adze_onnx_result(x, 0)) != NULL;
}

/* Indices are i64. */
static bool say_gather_nd(adze_onnx_export *x)
{
    const char *indices = adze_onnx_argument(x, 1);
    if (dtype_at(x, 1) == ADZE_DTYPE_i64) return adze_onnx_say_as(x, "GatherND");
    indices = say_cast(x, indices, ADZE_DTYPE_i64, NULL);
    adze_onnx_begin(x, "GatherND");
    adze_onnx_in(x, adze_onnx_argument(x, 0));
    adze_onnx_in(x, indices);
    adze_onnx_out(x, adze_onnx_result(x, 0));
    if (adze_op_attr_int(x->op, "batch_dims")) adze_onnx_int(x, "batch_dims", adze_op_attr_int(x->op, "batch_dims"));
    return adze_onnx_end(x);
}

/* ---- Quantization ---- */

/* A scale per index of `axis` as a tensor that broadcasts along it: dims of 1 behind. */
static const char *say_along_axis(adze_onnx_export *x, const char *scale)
{
    int64_t axes[ADZE_MAX_RANK], axis;
    uint32_t rank, n = 0;
    const adze_type *type = adze_value_type(adze_op_operand(x->op, 1));
    if (adze_type_rank(type) == 0 || adze_dim_is_value(adze_type_dim(type, 0), 1)) return scale;
    if (!find_axis(x, &axis, &rank)) return scale;
    for (int64_t i = 1; axis + i < (int64_t)rank; i++) axes[n++] = i;
    return n ? adze_onnx_say_axes(x, "Unsqueeze", scale, axes, n, ADZE_DTYPE_f32, NULL) : scale;
}

/* The product in f32, rounded, saturated: QuantizeLinear with a scale of 1. */
static bool say_requantize(adze_onnx_export *x)
{
    const char *mode = adze_op_attr_str(x->op, "mode");
    if (!mode || strcmp(mode, "f32-rne") != 0) return adze_onnx_refuse(x, "ONNX rounds no products in fixed point");
    const char *sums = say_cast(x, adze_onnx_argument(x, 0), ADZE_DTYPE_f32, NULL);
    const char *by = say_along_axis(x, adze_onnx_argument(x, 1));
    const char *product = say2(x, "Mul", sums, by, ADZE_DTYPE_f32, NULL);
    const char *zero = adze_onnx_argument(x, 2);
    adze_dtype dtype = dtype_at(x, 2);
    if (adze_type_rank(adze_value_type(adze_op_operand(x->op, 2))))
        zero = adze_onnx_say_axes(x, "Squeeze", zero, (int64_t[]){0}, 1, dtype, NULL);
    const char *in[] = {product, adze_onnx_new_scalar(x, ADZE_DTYPE_f32, 1), zero};
    return adze_onnx_say(x, "QuantizeLinear", in, 3, dtype, adze_onnx_result(x, 0)) != NULL;
}

/* ---- Weights without their zeros ---- */

/* The tensor that it makes, as an initializer: no node. */
static bool say_densify(adze_onnx_export *x)
{
    enum { INITIALIZER = 5, DIMS = 1, DATA_TYPE = 2, NAME = 8, RAW_DATA = 9 };
    const adze_type *type = adze_value_type(adze_op_result(x->op, 0));
    adze_const *inputs[2];
    for (uint32_t i = 0; i < 2; i++)
        if (!(inputs[i] = adze_value_const(adze_op_operand(x->op, i))))
            return adze_onnx_refuse(x, "values or a bitmap that are computed");
    adze_data *data = adze_data_derived(x->context, adze_op_get_row(x->op), adze_op_attrs(x->op), inputs, 2, type);
    const void *bytes = data ? adze_data_load(data) : NULL;
    if (!bytes) { /* too large, or a bitmap that does not fit its values: has been said, and no opset helps */
        if (data) adze_data_release(data);
        x->failed = true;
        return false;
    }
    int64_t dim = 0;
    size_t tensor = adze_onnx_put_begin(&x->tensors, INITIALIZER);
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        adze_dim_is_const(adze_type_dim(type, i), &dim);
        adze_onnx_put_int(&x->tensors, DIMS, dim);
    }
    adze_onnx_put_int(&x->tensors, DATA_TYPE, adze_onnx_dtype_number(adze_type_dtype(type)));
    adze_onnx_put_text(&x->tensors, NAME, adze_onnx_result(x, 0));
    adze_onnx_put_bytes(&x->tensors, RAW_DATA, bytes, adze_data_size(data));
    adze_onnx_put_end(&x->tensors, tensor);
    adze_data_release(data);
    adze_onnx_put_info(x, &x->tensor_infos, 11, adze_onnx_result(x, 0), type);
    return true;
}

adze_onnx_speaker *adze_onnx_group_find(const char *op)
{
    static const struct {
        const char *op;
        adze_onnx_speaker *speaker;
    } rows[] = {
        {"attention", say_attention}, {"densify", say_densify}, {"dequantize", say_dequantize},
        {"dropout", say_dropout}, {"fma", say_fma}, {"gather_nd", say_gather_nd},
        {"gelu", say_gelu}, {"gelu_tanh", say_gelu_tanh}, {"hard_swish", say_hard_swish},
        {"layer_norm", say_layer_norm}, {"max", say_max}, {"min", say_min}, {"mish", say_mish}, {"prelu", say_prelu},
        {"relayout", say_relayout}, {"relu", say_relu}, {"requantize", say_requantize}, {"rms_norm", say_rms_norm},
        {"rsqrt", say_rsqrt}, {"softmax_flat", say_softmax_flat}, {"sum_n", say_sum}, {"swish", say_swish},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].op, op)) return rows[i].speaker;
    return NULL;
}
