/* com.microsoft: sums that are normalized. */
#include "contrib.h"

#include <string.h>

/* Over the last axis, computed in f32 at least, as ONNX Runtime does. Without a bias operand layer_norm has none. */
static term *normalized(adze_onnx_node *node, term *x, term *scale, term *bias, bool rms, double epsilon)
{
    adze_dtype wide = compose_dtype(x);
    adze_attr attrs[] = {adze_attr_int("axis", -1), adze_attr_float("epsilon", epsilon)};
    term *in[] = {x, compose_cast(node, scale, wide), compose_cast(node, bias, wide)};
    return compose_all(node, rms ? "rms_norm" : "layer_norm", in, bias && !rms ? 3 : 2, 2, attrs, 2);
}

static adze_dtype wide_of(const term *x)
{
    return compose_dtype(x) == ADZE_DTYPE_f64 ? ADZE_DTYPE_f64 : ADZE_DTYPE_f32;
}

static bool has_output(const adze_onnx_node *node, uint32_t index)
{
    return index < node->n_out && index < node->proto->n_output && node->proto->output[index][0];
}

/* What is added to x or multiplied by it must not make it wider: each dim, counted from the last, is 1 or that of x.
 * `strict`: dims that may differ are reported too. */
static bool narrow(adze_onnx_node *node, term *x, term *other, const char *what, bool strict)
{
    int rank = compose_rank(x), more = compose_rank(other);
    if (rank < 0 || more < 0) return !strict || adze_onnx_undetermined(node, "%s of unknown rank", what);
    for (int i = 1; i <= more; i++) {
        const adze_dim *dim = compose_dim(other, (uint32_t)(more - i));
        const adze_dim *own = i <= rank ? compose_dim(x, (uint32_t)(rank - i)) : NULL;
        if (adze_dim_is_value(dim, 1) || (own && adze_dim_equal(dim, own))) continue;
        int64_t n, m;
        if (!own || (adze_dim_is_const(dim, &n) && adze_dim_is_const(own, &m)))
            return adze_onnx_invalid(node, "its %s is wider than its operand", what);
        if (strict) return adze_onnx_undetermined(node, "%s of dims that may not be those of its operand", what);
    }
    return true;
}

/* input + skip (+ bias), normalized; the sum is the fourth result. */
bool adze_onnx_contrib_skip_norm(adze_onnx_node *node)
{
    bool rms = !strcmp(node->op_type, "SkipSimplifiedLayerNormalization");
    term *x, *skip, *scale, *shift = rms ? NULL : adze_onnx_operand(node, 3);
    term *bias = adze_onnx_operand(node, rms ? 3 : 4);
    uint32_t rank, unused;
    double epsilon = 1e-12;
    if (!adze_onnx_attr_float(node, "epsilon", &epsilon) || !compose_operand(node, 0, 1, &x, &rank) ||
        !compose_operand(node, 1, 1, &skip, &unused) || !compose_operand(node, 2, 1, &scale, &unused))
        return false;
    if (has_output(node, 1) || has_output(node, 2))
        return adze_onnx_unsupported(node, "the statistics as results");
    if (!narrow(node, x, skip, "skip", false) || !narrow(node, x, scale, "scale", false) ||
        (shift && !narrow(node, x, shift, "shift", false)) || (bias && !narrow(node, x, bias, "bias", false)))
        return false;
    adze_dtype dtype = compose_dtype(x), wide = wide_of(x);
    term *sum = compose2(node, "add", compose_cast(node, x, wide), compose_cast(node, skip, wide));
    if (bias) sum = compose2(node, "add", sum, compose_cast(node, bias, wide));
    if (node->n_out > 3) node->out[3] = compose_cast(node, sum, dtype);
    return compose_end(node, compose_cast(node, normalized(node, sum, scale, shift, rms, epsilon), dtype));
}

/* x / sqrt(mean(x^2) + epsilon) * scale, in the scale's type; the second result is what x is multiplied by. */
bool adze_onnx_contrib_simplified_norm(adze_onnx_node *node)
{
    term *x, *scale;
    uint32_t rank, unused, axis;
    int64_t wanted = -1, stash = 1, axes[ADZE_MAX_RANK];
    double epsilon = 1e-5;
    if (!adze_onnx_attr_float(node, "epsilon", &epsilon) || !adze_onnx_attr_int(node, "axis", &wanted) ||
        !adze_onnx_attr_int(node, "stash_type", &stash) || !compose_operand(node, 0, 1, &x, &rank) ||
        !compose_operand(node, 1, 0, &scale, &unused) || !compose_axis(node, wanted, rank, &axis))
        return false;
    adze_dtype dtype = compose_dtype(scale), wide = wide_of(x);
    x = compose_cast(node, x, wide);
    if (node->n_out > 1) {
        size_t n = 0;
        for (uint32_t i = axis; i < rank; i++) axes[n++] = i;
        term *mean = compose_reduce(node, "reduce_mean", compose2(node, "mul", x, x), axes, n, true);
        node->out[1] = compose1(node, "rsqrt", compose2(node, "add", mean, compose_like(node, mean, epsilon)));
    }
    adze_attr attrs[] = {adze_attr_int("axis", axis), adze_attr_float("epsilon", epsilon)};
    term *in[] = {x, compose_cast(node, scale, wide)};
    return compose_end(node, compose_cast(node, compose_all(node, "rms_norm", in, 2, 2, attrs, 2), dtype));
}

/* x / sqrt(mean(x^2) + epsilon) over `size` elements of the last axis at a time, in f32, with an axis for them. */
static term *split_rms(adze_onnx_node *node, term *x, int64_t size, double epsilon)
{
    static const int64_t last = -1;
    adze_context *context = node->import->context;
    int rank = compose_rank(x);
    int64_t width;
    const adze_dim *dims[ADZE_MAX_RANK];
    if (rank == ADZE_MAX_RANK || !adze_dim_is_const(compose_dim(x, (uint32_t)rank - 1), &width))
        return adze_onnx_undetermined(node, "rows of unknown size"), NULL;
    if (size < 1 || width % size)
        return adze_onnx_invalid(node, "rows of %lld in parts of %lld", (long long)width, (long long)size), NULL;
    for (int i = 0; i < rank; i++) dims[i] = compose_dim(x, (uint32_t)i);
    dims[rank - 1] = adze_dim_const(context, width / size);
    dims[rank] = adze_dim_const(context, size);
    x = compose_reshape(node, compose_cast(node, x, ADZE_DTYPE_f32), dims, (uint32_t)rank + 1);
    term *mean = compose_reduce(node, "reduce_mean", compose2(node, "mul", x, x), &last, 1, true);
    return compose2(node, "mul", x,
                    compose1(node, "rsqrt", compose2(node, "add", mean, compose_like(node, mean, epsilon))));
}

/* As many elements at a time as the scale has, times scale and a gate: silu or the sigmoid of the third operand. */
bool adze_onnx_contrib_gated_norm(adze_onnx_node *node)
{
    const char *activation = "silu";
    double epsilon = 1e-5;
    term *x, *scale, *gate;
    uint32_t rank, unused;
    int64_t size;
    if (!adze_onnx_attr_str(node, "activation", &activation) || !adze_onnx_attr_float(node, "epsilon", &epsilon) ||
        !compose_operand(node, 0, 1, &x, &rank) || !compose_operand(node, 1, 1, &scale, &unused) ||
        !compose_operand(node, 2, 1, &gate, &unused))
        return false;
    bool silu = !strcmp(activation, "silu") || !strcmp(activation, "swish");
    if (!silu && strcmp(activation, "sigmoid"))
        return adze_onnx_invalid(node, "attribute 'activation' is '%s'", activation);
    if (compose_rank(scale) != 1 || !adze_dim_is_const(compose_dim(scale, 0), &size))
        return adze_onnx_undetermined(node, "a scale of unknown size");
    if (unused != rank) return adze_onnx_invalid(node, "a gate of rank %u", unused);
    if (!narrow(node, x, gate, "gate", true)) return false;
    term *y = split_rms(node, x, size, epsilon);
    y = compose2(node, "mul", y, compose_cast(node, scale, ADZE_DTYPE_f32));
    y = y ? compose_reshape(node, y, adze_type_dims(adze_value_type(x)), rank) : NULL;
    gate = compose1(node, silu ? "swish" : "sigmoid", compose_cast(node, gate, ADZE_DTYPE_f32));
    return compose_end(node, compose_cast(node, compose2(node, "mul", y, gate), compose_dtype(x)));
}

/* The scale of one branch [size], or of all of them as [branches, size], with an axis of 1 between where they are axes
 * of the operand. */
static term *branch_scale(adze_onnx_node *node, term *scale, int64_t branches, int64_t size, bool apart)
{
    adze_context *context = node->import->context;
    int64_t first = 1, last = 0;
    int rank = compose_rank(scale);
    bool known = (rank == 1 || (rank == 2 && adze_dim_is_const(compose_dim(scale, 0), &first))) &&
                 adze_dim_is_const(compose_dim(scale, (uint32_t)rank - 1), &last);
    scale = compose_cast(node, scale, ADZE_DTYPE_f32);
    if (known && rank == 1 && last == size) return scale;
    if (!known || (rank == 1 ? last != branches * size : first != branches || last != size))
        return adze_onnx_invalid(node, "a scale that is not of %lld branches of %lld", (long long)branches,
                                 (long long)size),
               NULL;
    const adze_dim *dims[] = {adze_dim_const(context, branches), adze_dim_const(context, 1),
                              adze_dim_const(context, size)};
    if (apart) return compose_reshape(node, scale, dims, 3);
    dims[1] = dims[2];
    return compose_reshape(node, scale, dims, 2);
}

/* Each branch by itself: the last axis, or that many parts of it. */
bool adze_onnx_contrib_branch_norm(adze_onnx_node *node)
{
    double epsilon = 1e-5;
    int64_t branches = 0, width;
    term *x, *scale = adze_onnx_operand(node, 1);
    uint32_t rank;
    if (!adze_onnx_attr_float(node, "epsilon", &epsilon) || !adze_onnx_attr_int(node, "num_branches", &branches) ||
        !compose_operand(node, 0, 1, &x, &rank))
        return false;
    bool apart = branches == 0;
    if (apart && rank < 2) return adze_onnx_invalid(node, "an operand of rank %u without branches", rank);
    if (!adze_dim_is_const(compose_dim(x, rank - 1), &width) ||
        (apart && !adze_dim_is_const(compose_dim(x, rank - 2), &branches)))
        return adze_onnx_undetermined(node, "branches of unknown size");
    if (branches < 0 || (!apart && width % branches))
        return adze_onnx_invalid(node, "%lld branches of %lld elements", (long long)branches, (long long)width);
    int64_t size = apart ? width : width / branches;
    term *y = split_rms(node, x, size, epsilon);
    if (y && scale) y = compose2(node, "mul", y, branch_scale(node, scale, branches, size, apart));
    y = y ? compose_reshape(node, y, adze_type_dims(adze_value_type(x)), rank) : NULL;
    return compose_end(node, compose_cast(node, y, compose_dtype(x)));
}

/* ---- Groups of channels ---- */

/* The operand, plus a skip of its dims or one a channel, plus a bias a channel; channels at axis `at`. */
static term *with_skip(adze_onnx_node *node, term *x, uint32_t rank, uint32_t at, adze_dtype wide)
{
    term *skip = compose_cast(node, adze_onnx_operand(node, 3), wide);
    term *bias = compose_cast(node, adze_onnx_operand(node, 4), wide);
    int skip_rank = compose_rank(skip);
    if (!skip) return adze_onnx_invalid(node, "has no input 3"), NULL;
    if (skip_rank != 2 && skip_rank != (int)rank) return adze_onnx_invalid(node, "its skip has another rank"), NULL;
    if (skip_rank == 2) skip = at == 1 ? compose_unsqueeze(node, skip, 2, rank) : compose_unsqueeze(node, skip, 1, at);
    if (bias && at == 1) bias = compose_channels(node, bias, rank);
    if (!narrow(node, x, skip, "skip", true) || (bias && !narrow(node, x, bias, "bias", true))) return NULL;
    x = compose2(node, "add", x, skip);
    return bias ? compose2(node, "add", x, bias) : x;
}

/* The axis of `at` in two, groups and what each has: normalized over all but the groups and the batch. */
static term *in_groups(adze_onnx_node *node, term *x, uint32_t rank, uint32_t at, int64_t groups, double epsilon)
{
    const adze_dim *split[ADZE_MAX_RANK];
    adze_context *context = node->import->context;
    int64_t channels, axes[ADZE_MAX_RANK];
    size_t n = 0;
    if (!x) return NULL;
    if (rank == ADZE_MAX_RANK || !adze_dim_is_const(compose_dim(x, at), &channels))
        return adze_onnx_undetermined(node, "channels of unknown number"), NULL;
    if (groups < 1 || channels % groups)
        return adze_onnx_invalid(node, "%lld channels in %lld groups", (long long)channels, (long long)groups), NULL;
    for (uint32_t i = 0; i < rank; i++) split[i + (i > at)] = compose_dim(x, i);
    split[at] = adze_dim_const(context, groups);
    split[at + 1] = adze_dim_const(context, channels / groups);
    for (uint32_t i = 1; i <= rank; i++)
        if (i != at) axes[n++] = i;
    const adze_type *type = adze_value_type(x);
    term *y = compose_normalize(node, compose_reshape(node, x, split, rank + 1), axes, n, epsilon);
    return compose_reshape(node, y, adze_type_dims(type), rank);
}

/* GroupNorm and SkipGroupNorm, whose second result is the sum; activation 1 is SiLU. */
bool adze_onnx_contrib_group_norm(adze_onnx_node *node)
{
    term *x, *scale, *shift;
    uint32_t rank, unused;
    int64_t groups = 0, last = 1, activation = 0;
    double epsilon = 1e-5;
    bool skips = node->op_type[0] == 'S';
    if (!adze_onnx_attr_int(node, "groups", &groups) || !adze_onnx_attr_flag(node, "channels_last", &last) ||
        !adze_onnx_attr_int(node, "activation", &activation) || !adze_onnx_attr_float(node, "epsilon", &epsilon) ||
        !compose_operand(node, 0, 3, &x, &rank) || !compose_operand(node, 1, 1, &scale, &unused) ||
        !compose_operand(node, 2, 1, &shift, &unused))
        return false;
    if (activation != 0 && activation != 1)
        return adze_onnx_invalid(node, "attribute 'activation' is %lld", (long long)activation);
    adze_dtype dtype = compose_dtype(x), wide = wide_of(x);
    uint32_t at = last ? rank - 1 : 1;
    x = compose_cast(node, x, wide);
    if (skips && !(x = with_skip(node, x, rank, at, wide))) return false;
    if (skips && node->n_out > 1) node->out[1] = compose_cast(node, x, dtype);
    term *y = in_groups(node, x, rank, at, groups, epsilon);
    scale = compose_cast(node, last ? scale : compose_channels(node, scale, rank), wide);
    shift = compose_cast(node, last ? shift : compose_channels(node, shift, rank), wide);
    if (!y || !scale || !shift || !narrow(node, y, scale, "scale", true) || !narrow(node, y, shift, "shift", true))
        return false;
    y = compose2(node, "add", compose2(node, "mul", y, scale), shift);
    if (activation) y = y ? compose_with(node, "swish", y, adze_attr_float("alpha", 1)) : NULL;
    return compose_end(node, compose_cast(node, y, dtype));
}

/* ---- Embeddings ---- */

/* Rows of a table; with scales its elements are quantized, scale and zero point lying at `scale` and `zero`. */
static term *rows_of(adze_onnx_node *node, uint32_t table, term *ids, uint32_t scale, uint32_t zero)
{
    term *values = adze_onnx_operand(node, table);
    if (!values) return adze_onnx_invalid(node, "has no input %u", table), NULL;
    adze_attr axis = adze_attr_int("axis", 0);
    term *rows = compose_all(node, "gather", (term *[]){values, ids}, 2, 2, &axis, 1);
    if (!scale) return rows;
    return compose_dequantize(node, rows, adze_onnx_operand(node, scale), adze_onnx_operand(node, zero), 0);
}

/* A list of the layer norm's parameters, dequantized where it is quantized. */
static term *parameter(adze_onnx_node *node, uint32_t index, uint32_t scale, uint32_t zero)
{
    term *x = adze_onnx_operand(node, index);
    if (!x) return adze_onnx_invalid(node, "has no input %u", index), NULL;
    if (!scale) return x;
    return compose_dequantize(node, x, adze_onnx_operand(node, scale), adze_onnx_operand(node, zero), 0);
}

/* How many words of each row the mask has; none without a mask. */
static term *count_words(adze_onnx_node *node, term *ids)
{
    int64_t axis = 1;
    term *mask = adze_onnx_operand(node, 7);
    term *word = compose2(node, "equal", mask ? mask : ids, compose_like(node, mask ? mask : ids, 1));
    term *count = compose_reduce(node, "reduce_sum", compose_cast(node, word, ADZE_DTYPE_i32), &axis, 1, false);
    return mask ? count : compose2(node, "mul", count, compose_like(node, count, 0));
}

/* Words, positions and segments looked up, added and normalized. The quantized form has the five scales, then the five
 * zero points, of word, position and segment tables, scale and shift behind its eight operands. */
bool adze_onnx_contrib_embed_norm(adze_onnx_node *node)
{
    bool quantized = node->op_type[0] == 'Q';
    term *ids, *segments = adze_onnx_operand(node, 1), *places = quantized ? NULL : adze_onnx_operand(node, 8);
    uint32_t rank, at[5], zero[5];
    int64_t unused = 0;
    double epsilon = 1e-12;
    if (!adze_onnx_attr_float(node, "epsilon", &epsilon) || !adze_onnx_attr_int(node, "mask_index_type", &unused) ||
        !compose_operand(node, 0, 2, &ids, &rank))
        return false;
    for (uint32_t i = 0; i < 5; i++) {
        at[i] = quantized ? 8 + i : 0;
        zero[i] = 13 + i;
    }
    if (!places) places = compose_positions(node, ids, 1, 2, 1);
    term *sum = compose2(node, "add", rows_of(node, 2, ids, at[0], zero[0]),
                         rows_of(node, 3, places, at[1], zero[1]));
    if (segments) sum = compose2(node, "add", sum, rows_of(node, 4, segments, at[2], zero[2]));
    term *scale = parameter(node, 5, at[3], zero[3]), *shift = parameter(node, 6, at[4], zero[4]);
    adze_dtype dtype = compose_dtype(sum);
    if (!sum || !scale || !shift) return false;
    if (node->n_out > 1) node->out[1] = count_words(node, ids);
    if (node->n_out > 2) node->out[2] = sum;
    term *y = normalized(node, compose_cast(node, sum, wide_of(sum)), scale, shift, false, epsilon);
    return compose_end(node, compose_cast(node, y, dtype));
}
