/* Sliding windows: where they start, how far they reach and how many there are (ONNX Conv, MaxPool,
 * AveragePool).
 *
 * With extent i, window k, stride s, dilation d and padding p before and q after, a window reaches
 * over r = (k - 1) d + 1 elements, and there are floor((i + p + q - r) / s) + 1. ceil_mode rounds up
 * instead, but a window must not start behind the input: at most ceil((i + p) / s). SAME_* means
 * ceil(i / s) windows, and as much padding as they need.
 */
#include <adze/window.h>
#include "ir/infer.h"

#include <string.h>

static bool has_attr(const adze_op *op, const char *name)
{
    const adze_op_row *row = adze_op_get_row(op);
    for (uint32_t i = 0; i < row->n_attrs; i++)
        if (!strcmp(row->attrs[i].name, name)) return true;
    return false;
}

/* An INTS attribute of `n` entries of at least `least`, or absent. */
static bool read_ints(const adze_op *op, const char *name, uint32_t n, int64_t least, adze_ints *out)
{
    *out = adze_op_attr_ints(op, name);
    if (out->count == 0) return true;
    if (out->count != n)
        return adze_error(adze_op_loc(op), "%s of %s has %llu entries, expected %u", name, adze_op_name(op),
                          (unsigned long long)out->count, n);
    for (uint64_t i = 0; i < out->count; i++)
        if (out->data[i] < least || out->data[i] > INT32_MAX)
            return adze_error(adze_op_loc(op), "%s of %s has the entry %lld", name, adze_op_name(op),
                              (long long)out->data[i]);
    return true;
}

/* Extent from the first to the last element of a window. */
static const adze_dim *reach(adze_context *context, const adze_window *w)
{
    const adze_dim *gaps = adze_dim_mul_const(context, adze_dim_add_const(context, w->kernel, -1), w->dilation);
    return adze_dim_add_const(context, gaps, 1);
}

static void pad_same(adze_context *context, bool lower, adze_window *w)
{
    const adze_dim *zero = adze_dim_const(context, 0);
    w->out = adze_dim_binary(context, ADZE_DIM_CEILDIV, w->in, adze_dim_const(context, w->stride));
    const adze_dim *last = adze_dim_mul_const(context, adze_dim_add_const(context, w->out, -1), w->stride);
    const adze_dim *total = adze_dim_sub(context, adze_dim_add(context, last, reach(context, w)), w->in);
    total = adze_dim_binary(context, ADZE_DIM_MAX, total, zero);
    const adze_dim *half = adze_dim_binary(context, ADZE_DIM_FLOORDIV, total, adze_dim_const(context, 2));
    const adze_dim *rest = adze_dim_sub(context, total, half);
    w->before = lower ? rest : half;
    w->after = lower ? half : rest;
}

static bool count_windows(const adze_op *op, bool ceil, adze_window *w)
{
    adze_context *context = adze_op_context(op);
    const adze_dim *padded = adze_dim_add(context, adze_dim_add(context, w->in, w->before), w->after);
    const adze_dim *room = adze_dim_sub(context, padded, reach(context, w));
    const adze_dim *stride = adze_dim_const(context, w->stride);
    int64_t value;
    if (adze_dim_is_const(room, &value) && value < 0) {
        /* Nothing fits: no result elements if there is no input either, else a mistake. */
        w->out = adze_dim_const(context, 0);
        if (adze_dim_is_value(w->in, 0)) return true;
        return adze_error(adze_op_loc(op), "a window of %s elements of %s does not fit into %s with padding",
                          infer_dim_text(op, reach(context, w)), adze_op_name(op), infer_dim_text(op, padded));
    }
    w->out = adze_dim_add_const(context,
                                adze_dim_binary(context, ceil ? ADZE_DIM_CEILDIV : ADZE_DIM_FLOORDIV, room, stride), 1);
    if (ceil) {
        const adze_dim *starts =
            adze_dim_binary(context, ADZE_DIM_CEILDIV, adze_dim_add(context, w->in, w->before), stride);
        w->out = adze_dim_binary(context, ADZE_DIM_MIN, w->out, starts);
    }
    return true;
}

bool adze_windows(const adze_op *op, uint32_t n, const adze_dim *const *in, const adze_dim *const *kernel,
                  adze_window *out)
{
    adze_context *context = adze_op_context(op);
    adze_ints strides, dilations, pads, shape;
    if (!read_ints(op, "strides", n, 1, &strides) || !read_ints(op, "dilations", n, 1, &dilations) ||
        !read_ints(op, "pads", 2 * n, 0, &pads) || !read_ints(op, "kernel_shape", n, 1, &shape))
        return false;
    const char *mode = adze_op_attr_str(op, "auto_pad");
    bool same = mode && !strncmp(mode, "SAME_", 5), valid = mode && !strcmp(mode, "VALID");
    if (mode && !same && !valid && strcmp(mode, "NOTSET") && *mode)
        return adze_error(adze_op_loc(op), "auto_pad of %s is \"%s\"", adze_op_name(op), mode);
    bool ceil = has_attr(op, "ceil_mode") && adze_op_attr_int(op, "ceil_mode");
    for (uint32_t i = 0; i < n; i++) {
        adze_window *w = &out[i];
        bool padded = pads.count && !same && !valid;
        *w = (adze_window){.in = in[i],
                           .kernel = kernel ? kernel[i] : adze_dim_const(context, shape.data[i]),
                           .stride = strides.count ? strides.data[i] : 1,
                           .dilation = dilations.count ? dilations.data[i] : 1,
                           .before = adze_dim_const(context, padded ? pads.data[i] : 0),
                           .after = adze_dim_const(context, padded ? pads.data[n + i] : 0)};
        if (kernel && shape.count && !adze_dim_compatible(kernel[i], adze_dim_const(context, shape.data[i])))
            return adze_error(adze_op_loc(op), "kernel_shape of %s says %lld but the weight is %s", adze_op_name(op),
                              (long long)shape.data[i], infer_type_text(op, 1));
        if (same)
            pad_same(context, !strcmp(mode, "SAME_LOWER"), w);
        else if (!count_windows(op, ceil, w))
            return false;
    }
    return true;
}

const adze_dim *adze_window_index(const adze_op *op, const adze_window *window, uint32_t at, uint32_t tap)
{
    adze_context *context = adze_op_context(op);
    const adze_dim *start = adze_dim_mul_const(context, adze_dim_axis(context, at), window->stride);
    const adze_dim *step = adze_dim_mul_const(context, adze_dim_axis(context, tap), window->dilation);
    return adze_dim_sub(context, adze_dim_add(context, start, step), window->before);
}

bool adze_window_leaves(const adze_op *op, const adze_window *window)
{
    adze_context *context = adze_op_context(op);
    if (!adze_dim_is_value(window->before, 0)) return true;
    const adze_dim *last = adze_dim_mul_const(context, adze_dim_add_const(context, window->out, -1), window->stride);
    const adze_dim *end = adze_dim_add(context, last, reach(context, window));
    int64_t low, high;
    adze_dim_range(adze_dim_sub(context, end, window->in), NULL, 0, &low, &high);
    if (high <= 0) return false;
    /* Without padding or rounding up, windows end inside by construction. */
    bool ceil = has_attr(op, "ceil_mode") && adze_op_attr_int(op, "ceil_mode");
    return ceil || !adze_dim_is_value(window->after, 0);
}
