/* Result types of ops that read or write an image at computed places. */
#include "ir/infer.h"
#include "ir/rows.h"
#include <adze/window.h>

#include <string.h>

static const adze_dim *constant(const adze_op *op, int64_t value)
{
    return adze_dim_const(adze_op_context(op), value);
}

/* One of the words, each between spaces; reports if not. */
static bool check_word(const adze_op *op, const char *attribute, const char *words)
{
    const char *value = adze_op_attr_str(op, attribute), *at = value && *value ? strstr(words, value) : NULL;
    if (at && at[-1] == ' ' && at[strlen(value)] == ' ') return true;
    return adze_error(adze_op_loc(op), "%s of %s is \"%s\"; expected one of%s", attribute, adze_op_name(op),
                      value ? value : "", words);
}

/* (in - 1) stride - padding + window, or the dims that the third operand gives. */
bool infer_max_unpool(adze_op *op, const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    inferred x, where;
    adze_window window[ADZE_MAX_RANK];
    if (!infer_ranked(op, 0, 3, ADZE_MAX_RANK, &x) || !infer_tensor(op, 1, &where)) return false;
    if (where.dtype != ADZE_DTYPE_i64)
        return adze_error(adze_op_loc(op), "the indices of max_unpool are %s, not i64", infer_type_text(op, 1));
    if (!x.ranked) return infer_result(op, out_types, 0, &x);
    if (where.ranked && where.rank != x.rank)
        return adze_error(adze_op_loc(op), "max_unpool of %s by %s: ranks differ", infer_type_text(op, 0),
                          infer_type_text(op, 1));
    uint32_t axes = x.rank - 2;
    if (adze_op_attr_ints(op, "kernel_shape").count != axes)
        return adze_error(adze_op_loc(op), "kernel_shape of max_unpool is not as long as the axes of %s",
                          infer_type_text(op, 0));
    const adze_dim *large[ADZE_MAX_RANK]; /* windows must fit: only their attributes are wanted */
    for (uint32_t i = 0; i < axes; i++) large[i] = constant(op, INT64_C(1) << 40);
    if (!adze_windows(op, axes, large, NULL, window)) return false;
    if (infer_operand(op, 2)) {
        const adze_dim *dims[ADZE_MAX_RANK];
        if (!infer_integers(op, 2)) return false;
        int n = infer_as_dims(op, 2, dims, ADZE_MAX_RANK);
        if (n >= 0 && n != (int)x.rank)
            return adze_error(adze_op_loc(op), "max_unpool of %s into %d dims", infer_type_text(op, 0), n);
        for (uint32_t i = 0; i < x.rank; i++) x.dims[i] = n < 0 ? adze_dim_unknown(context) : dims[i];
        return infer_result(op, out_types, 0, &x);
    }
    for (uint32_t i = 0; i < axes; i++) {
        const adze_window *w = &window[i];
        const adze_dim *last = adze_dim_mul_const(context, adze_dim_add_const(context, x.dims[2 + i], -1), w->stride);
        x.dims[2 + i] = adze_dim_sub(context, adze_dim_add(context, last, w->kernel),
                                     adze_dim_add(context, w->before, w->after));
    }
    return infer_result(op, out_types, 0, &x);
}

bool infer_col2im(adze_op *op, const adze_type **out_types)
{
    inferred x, out;
    const adze_dim *image[ADZE_MAX_RANK];
    int64_t window[ADZE_MAX_RANK], channels, product = 1;
    if (!infer_ranked(op, 0, 3, 3, &x) || !infer_integers(op, 1) || !infer_integers(op, 2)) return false;
    int n = infer_as_dims(op, 1, image, ADZE_MAX_RANK - 2), k = infer_as_ints(op, 2, window, ADZE_MAX_RANK);
    if (n < 0) {
        out = infer_unranked(x.dtype);
        return infer_result(op, out_types, 0, &out);
    }
    out = infer_unknown_dims(op, x.dtype, (uint32_t)n + 2);
    if (k >= 0 && k != n)
        return adze_error(adze_op_loc(op), "col2im: the image has %d dims and a window %d", n, k);
    for (int i = 0; i < k; i++)
        if (window[i] < 1 || __builtin_mul_overflow(product, window[i], &product))
            return adze_error(adze_op_loc(op), "col2im: dim %d of a window is %lld", i, (long long)window[i]);
    if (x.ranked) out.dims[0] = x.dims[0];
    if (x.ranked && k >= 0) {
        if (adze_dim_is_const(x.dims[1], &channels) && channels % product)
            return adze_error(adze_op_loc(op), "col2im of %s: windows have %lld elements", infer_type_text(op, 0),
                              (long long)product);
        out.dims[1] = adze_dim_binary(adze_op_context(op), ADZE_DIM_FLOORDIV, x.dims[1], constant(op, product));
    }
    for (int i = 0; i < n; i++) out.dims[2 + i] = image[i];
    return infer_result(op, out_types, 0, &out);
}

/* [regions, channels, height, width] */
static bool regions(adze_op *op, const inferred *x, const inferred *rois, int64_t height, int64_t width,
                    const adze_type **out_types)
{
    if (height < 1 || width < 1)
        return adze_error(adze_op_loc(op), "%s into %lld by %lld bins", adze_op_name(op), (long long)height,
                          (long long)width);
    inferred out = infer_unknown_dims(op, x->dtype, 4);
    if (rois->ranked) out.dims[0] = rois->dims[0];
    if (x->ranked) out.dims[1] = x->dims[1];
    out.dims[2] = constant(op, height);
    out.dims[3] = constant(op, width);
    return infer_result(op, out_types, 0, &out);
}

static bool check_columns(const adze_op *op, const inferred *rois, int64_t columns)
{
    if (!rois->ranked || adze_dim_compatible(rois->dims[1], constant(op, columns))) return true;
    return adze_error(adze_op_loc(op), "the regions of %s are %s, not %lld numbers each", adze_op_name(op),
                      infer_type_text(op, 1), (long long)columns);
}

bool infer_roi_align(adze_op *op, const adze_type **out_types)
{
    const struct adze_roi_align_attrs *a = (const void *)adze_op_attrs(op);
    inferred x, rois, batch;
    if (!infer_ranked(op, 0, 4, 4, &x) || !infer_ranked(op, 1, 2, 2, &rois) || !infer_ranked(op, 2, 1, 1, &batch) ||
        !check_columns(op, &rois, 4) || !check_word(op, "mode", " avg max ") ||
        !check_word(op, "coordinate_transformation_mode", " half_pixel output_half_pixel "))
        return false;
    if (batch.dtype != ADZE_DTYPE_i64)
        return adze_error(adze_op_loc(op), "the batch indices of roi_align are %s, not i64", infer_type_text(op, 2));
    if (a->sampling_ratio < 0 || a->sampling_ratio > 1024)
        return adze_error(adze_op_loc(op), "sampling_ratio of roi_align is %lld", (long long)a->sampling_ratio);
    return regions(op, &x, &rois, a->output_height, a->output_width, out_types);
}

bool infer_max_roi_pool(adze_op *op, const adze_type **out_types)
{
    const struct adze_max_roi_pool_attrs *a = (const void *)adze_op_attrs(op);
    inferred x, rois;
    if (!infer_ranked(op, 0, 4, 4, &x) || !infer_ranked(op, 1, 2, 2, &rois) || !check_columns(op, &rois, 5))
        return false;
    if (a->pooled_shape.count != 2)
        return adze_error(adze_op_loc(op), "pooled_shape of max_roi_pool has %llu entries, expected 2",
                          (unsigned long long)a->pooled_shape.count);
    return regions(op, &x, &rois, a->pooled_shape.data[0], a->pooled_shape.data[1], out_types);
}

bool infer_grid_sample(adze_op *op, const adze_type **out_types)
{
    inferred x, grid;
    if (!infer_ranked(op, 0, 3, ADZE_MAX_RANK, &x) || !infer_ranked(op, 1, 3, ADZE_MAX_RANK, &grid) ||
        !check_word(op, "mode", " linear nearest cubic ") ||
        !check_word(op, "padding_mode", " zeros border reflection "))
        return false;
    if (!x.ranked || !grid.ranked) return infer_result(op, out_types, 0, &x);
    if (grid.rank != x.rank || !adze_dim_compatible(grid.dims[0], x.dims[0]) ||
        !adze_dim_compatible(grid.dims[grid.rank - 1], constant(op, x.rank - 2)))
        return adze_error(adze_op_loc(op), "grid_sample of %s at %s: dims do not fit", infer_type_text(op, 0),
                          infer_type_text(op, 1));
    for (uint32_t i = 2; i < x.rank; i++) x.dims[i] = grid.dims[i - 1];
    return infer_result(op, out_types, 0, &x);
}

bool infer_deform_conv(adze_op *op, const adze_type **out_types)
{
    const struct adze_deform_conv_attrs *a = (const void *)adze_op_attrs(op);
    inferred x, w, offset, other;
    adze_window window[2];
    if (!infer_ranked(op, 0, 4, 4, &x) || !infer_ranked(op, 1, 4, 4, &w) || !infer_ranked(op, 2, 4, 4, &offset) ||
        (infer_operand(op, 3) && !infer_ranked(op, 3, 1, 1, &other)) ||
        (infer_operand(op, 4) && !infer_ranked(op, 4, 4, 4, &other)))
        return false;
    for (uint32_t i = 1; i < adze_op_num_operands(op); i++) {
        if (!infer_operand(op, i)) continue;
        if (!infer_tensor(op, i, &other)) return false;
        if (other.dtype != x.dtype)
            return adze_error(adze_op_loc(op), "operand %u of deform_conv is %s beside %s", i + 1,
                              infer_type_text(op, i), infer_type_text(op, 0));
    }
    if (a->group < 1 || a->offset_group < 1)
        return adze_error(adze_op_loc(op), "deform_conv in %lld groups, offsets in %lld", (long long)a->group,
                          (long long)a->offset_group);
    if (!x.ranked || !w.ranked) {
        inferred out = infer_unknown_dims(op, x.dtype, 4);
        return infer_result(op, out_types, 0, &out);
    }
    if (!adze_dim_compatible(adze_dim_mul_const(adze_op_context(op), w.dims[1], a->group), x.dims[1]))
        return adze_error(adze_op_loc(op), "deform_conv of %s with %s in %lld groups: channels do not fit",
                          infer_type_text(op, 0), infer_type_text(op, 1), (long long)a->group);
    if (!adze_windows(op, 2, x.dims + 2, w.dims + 2, window)) return false;
    x.dims[1] = w.dims[0];
    for (uint32_t i = 0; i < 2; i++) {
        x.dims[2 + i] = window[i].out;
        if (offset.ranked && !adze_dim_compatible(offset.dims[2 + i], window[i].out))
            return adze_error(adze_op_loc(op), "the offsets of deform_conv are %s; %s windows are there along axis %u",
                              infer_type_text(op, 2), infer_dim_text(op, window[i].out), 2 + i);
    }
    return infer_result(op, out_types, 0, &x);
}
