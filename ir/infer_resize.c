/* Result type of resize. */
#include "ir/infer.h"
#include "ir/rows.h"

#include <math.h>
#include <string.h>

/* A whole number as a dim; unknown where double does not hold it. */
static const adze_dim *whole(adze_context *context, double value)
{
    bool held = value >= 0 && value < 0x1p53;
    return held ? adze_dim_const(context, (int64_t)value) : adze_dim_unknown(context);
}

/* floor(extent * scale), symbolic where the scale is a fraction with a power of two below. */
static const adze_dim *scaled(adze_context *context, const adze_dim *extent, double scale)
{
    int64_t d;
    if (adze_dim_is_const(extent, &d)) return whole(context, floor((double)d * scale));
    for (int64_t below = 1; below <= 1024; below *= 2) {
        double above = scale * (double)below;
        if (above > 1 << 20 || above != floor(above)) continue;
        return adze_dim_binary(context, ADZE_DIM_FLOORDIV, adze_dim_mul_const(context, extent, (int64_t)above),
                               adze_dim_const(context, below));
    }
    return adze_dim_unknown(context);
}

int infer_scales(const adze_op *op, uint32_t index, double *out)
{
    const adze_ir_value *operand = adze_op_operand(op, index);
    const adze_const *constant = operand ? adze_value_const(infer_outside_kernel(operand)) : NULL;
    int64_t n;
    float values[ADZE_MAX_RANK];
    if (!constant || adze_type_dtype(adze_const_type(constant)) != ADZE_DTYPE_f32) return -1;
    if (!adze_dim_is_const(adze_type_count(adze_const_type(constant)), &n) || n > ADZE_MAX_RANK) return -1;
    if (!adze_data_is_quick(adze_const_data(constant))) return -1;
    if (!adze_data_read(adze_const_data(constant), 0, values, (uint64_t)n * sizeof *values)) return -1;
    for (int64_t i = 0; i < n; i++) out[i] = (double)values[i];
    return (int)n;
}

/* Keeps the aspect ratio: one scale for all axes, the smallest or the largest of those asked for. */
static void keep_aspect(adze_context *context, bool larger, uint32_t n, const uint32_t *axes, const inferred *x,
                        const adze_dim **sizes)
{
    double scale = 0;
    for (uint32_t i = 0; i < n; i++) {
        int64_t in, out;
        if (!adze_dim_is_const(x->dims[axes[i]], &in) || !adze_dim_is_const(sizes[i], &out) || in < 1) {
            for (uint32_t k = 0; k < n; k++) sizes[k] = adze_dim_unknown(context);
            return;
        }
        double s = (double)out / (double)in;
        if (i == 0 || (larger ? s > scale : s < scale)) scale = s;
    }
    for (uint32_t i = 0; i < n; i++) {
        int64_t in = 0;
        adze_dim_is_const(x->dims[axes[i]], &in);
        sizes[i] = whole(context, floor((double)in * scale + 0.5));
    }
}

static bool has_elements(const adze_op *op, uint32_t index)
{
    const adze_type *type = infer_operand(op, index);
    return type && !adze_dim_is_value(adze_type_count(type), 0);
}

bool infer_resize(adze_op *op, const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    const struct adze_resize_attrs *a = (const void *)adze_op_attrs(op);
    inferred x;
    if (!infer_tensor(op, 0, &x) || !infer_integers(op, 3)) return false;
    if (!x.ranked) return infer_result(op, out_types, 0, &x);
    uint32_t axes[ADZE_MAX_RANK], n = a->axes.count ? (uint32_t)a->axes.count : x.rank;
    if (a->axes.count > x.rank)
        return adze_error(adze_op_loc(op), "axes of resize has more entries than %s has dims", infer_type_text(op, 0));
    for (uint32_t i = 0; i < n; i++) {
        axes[i] = i;
        if (a->axes.count && !infer_axis(op, a->axes.data[i], x.rank, &axes[i])) return false;
    }
    bool by_size = has_elements(op, 3);
    if (!by_size && !has_elements(op, 2)) return adze_error(adze_op_loc(op), "resize has neither scales nor sizes");
    const adze_dim *sizes[ADZE_MAX_RANK];
    double scales[ADZE_MAX_RANK];
    int count = by_size ? infer_as_dims(op, 3, sizes, ADZE_MAX_RANK) : infer_scales(op, 2, scales);
    if (count >= 0 && (uint32_t)count != n)
        return adze_error(adze_op_loc(op), "resize of %u axes of %s with %d %s", n, infer_type_text(op, 0), count,
                          by_size ? "sizes" : "scales");
    for (int i = 0; i < count && !by_size; i++)
        if (!(scales[i] > 0)) return adze_error(adze_op_loc(op), "scale %g of resize is not above 0", scales[i]);
    const char *policy = adze_op_attr_str(op, "keep_aspect_ratio_policy");
    if (count >= 0 && by_size && policy && strcmp(policy, "stretch"))
        keep_aspect(context, !strcmp(policy, "not_smaller"), n, axes, &x, sizes);
    for (uint32_t i = 0; i < n; i++)
        x.dims[axes[i]] = count < 0   ? adze_dim_unknown(context)
                          : by_size ? sizes[i]
                                    : scaled(context, x.dims[axes[i]], scales[i]);
    return infer_result(op, out_types, 0, &x);
}
