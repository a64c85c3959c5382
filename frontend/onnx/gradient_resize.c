/* The derivative of resize. It is a product with a matrix along each axis, whose entries it tells by what it makes of
 * unit vectors: resize(I) - resize(0) along one axis, [out, in]. What is outside and has a value of its own cancels. */
#include "gradient_terms.h"

#include <string.h>

enum { X, ROI, SCALES, SIZES, MAX_EXTENT = 1 << 14 };

/* Bytes of entry `at` of a constant list; NULL where it is none, or not as long. */
static const char *known_entry(const term *list, int64_t at)
{
    adze_const *constant = adze_value_const(list);
    uint32_t bits = adze_dtype_bits(compose_dtype(list));
    int64_t n;
    if (!constant || bits < 8 || !adze_dim_is_const(compose_dim(list, 0), &n) || at >= n) return NULL;
    const char *bytes = adze_data_load(adze_const_data(constant));
    return bytes ? bytes + at * (bits / 8) : NULL;
}

/* Entry `at` of a list as one of one; of a constant another constant, so that dims stay known. */
static term *piece(gradient *g, term *x, int64_t at)
{
    const int64_t one = 1;
    const char *bytes = known_entry(x, at);
    if (!bytes) return compose_slice(g->node, x, 0, at, at + 1, 1);
    adze_context *context = g->node->import->context;
    return adze_const_make(g->node->import->module, adze_internf(context, "%s_entry", g->node->name),
                           adze_type_tensor_const(context, compose_dtype(x), 1, &one), bytes);
}

/* Entry `k` of `count` axes alone, which becomes axis 0. */
static term *along(gradient *g, const adze_op *op, term *x, int64_t k, int64_t count)
{
    static const char *const texts[] = {"coordinate_transformation_mode", "mode", "nearest_mode"};
    static const char *const numbers[] = {"cubic_coeff_a", "extrapolation_value"};
    static const char *const flags[] = {"antialias", "exclude_outside"};
    const int64_t zero = 0;
    adze_attr attrs[8];
    uint32_t n = 0;
    for (uint32_t i = 0; i < 3; i++) attrs[n++] = adze_attr_str(texts[i], adze_op_attr_str(op, texts[i]));
    for (uint32_t i = 0; i < 2; i++) attrs[n++] = adze_attr_float(numbers[i], adze_op_attr_float(op, numbers[i]));
    for (uint32_t i = 0; i < 2; i++) attrs[n++] = adze_attr_int(flags[i], adze_op_attr_int(op, flags[i]));
    attrs[n++] = adze_attr_ints("axes", &zero, 1);
    term *parts[] = {x, NULL, NULL, NULL}, *roi = in(op, ROI);
    if (roi) parts[ROI] = compose_concat(g->node, (term *[]){piece(g, roi, k), piece(g, roi, k + count)}, 2, 0);
    if (in(op, SCALES)) parts[SCALES] = piece(g, in(op, SCALES), k);
    if (in(op, SIZES)) parts[SIZES] = piece(g, in(op, SIZES), k);
    return compose_all(g->node, "resize", parts, parts[SIZES] ? 4 : 3, 1, attrs, n);
}

/* Does entry `k` leave its axis as it is: by a scale of 1, or a size that is the axis' own? */
static bool is_same(const adze_op *op, uint32_t axis, int64_t k)
{
    const adze_dim *from = compose_dim(in(op, X), axis), *to = compose_dim(adze_op_result(op, 0), axis);
    if (in(op, ROI)) return false;
    if (in(op, SIZES)) return from == to && !adze_dim_is_unknown(from);
    const char *bytes = compose_dtype(in(op, SCALES)) == ADZE_DTYPE_f32 ? known_entry(in(op, SCALES), k) : NULL;
    float scale = 0;
    if (bytes) memcpy(&scale, bytes, sizeof scale);
    return scale == 1;
}

/* [out, in] of axis `axis`, entry `k` of the op's. */
static term *matrix_of(gradient *g, const adze_op *op, uint32_t axis, int64_t k, int64_t count)
{
    term *x = in(op, X), *rows = compose_positions(g->node, x, axis, 2, 0);
    term *columns = compose_positions(g->node, x, axis, 2, 1);
    term *unit = compose_cast(g->node, compose2(g->node, "equal", rows, columns), compose_dtype(x));
    term *made = along(g, op, unit, k, count);
    return made ? sub(g, made, along(g, op, sub(g, unit, unit), k, count)) : NULL;
}

bool derive_resize(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, X);
    int rank = compose_rank(x);
    adze_ints axes = adze_op_attr_ints(op, "axes");
    if (rank < 1) return adze_onnx_undetermined(g->node, "the derivative of resize of unknown rank");
    if (strcmp(adze_op_attr_str(op, "keep_aspect_ratio_policy"), "stretch") != 0)
        return adze_onnx_unsupported(g->node, "the derivative of resize that keeps the ratio of axes");
    if (!in(op, SCALES) && !in(op, SIZES)) return adze_onnx_invalid(g->node, "resize without scales and sizes");
    for (uint32_t i = ROI; i <= SIZES; i++)
        if (derive_wants(g, i)) return adze_onnx_unsupported(g->node, "the derivative of resize by where it samples");
    int64_t count = axes.count ? (int64_t)axes.count : rank;
    for (int64_t k = 0; k < count; k++) {
        uint32_t axis;
        int64_t perm[ADZE_MAX_RANK], extent;
        if (!compose_axis(g->node, axes.count ? axes.data[k] : k, (uint32_t)rank, &axis)) return false;
        if (is_same(op, axis, k)) continue;
        if (adze_dim_is_const(compose_dim(x, axis), &extent) && extent > MAX_EXTENT)
            return adze_onnx_unsupported(g->node, "the derivative of resize over an axis of %lld", (long long)extent);
        for (int64_t i = 0; i < rank; i++) perm[i] = i == rank - 1 ? axis : i == axis ? rank - 1 : i;
        term *turned = compose_transpose(g->node, d, perm, (uint32_t)rank);
        turned = compose2(g->node, "matmul", turned, matrix_of(g, op, axis, k, count));
        d = compose_transpose(g->node, turned, perm, (uint32_t)rank);
        if (!d) return false;
    }
    return derive_add(g, 0, derive_shaped(g->node, d, x));
}
