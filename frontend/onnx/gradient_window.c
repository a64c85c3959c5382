/* Derivatives of convolutions and pools, whose windows must have known extents. */
#include "gradient_terms.h"

#include <adze/arena.h>
#include <adze/window.h>

#include <stdlib.h>

enum { MAX_COUNTS = 1 << 20 };

/* The op's windows over its spatial axes; `w` gives their extents, NULL: kernel_shape does. */
static bool windows_of(gradient *g, const adze_op *op, term *w, compose_window out[ADZE_MAX_RANK], uint32_t *out_n)
{
    term *x = in(op, 0);
    int rank = compose_rank(x);
    const adze_dim *dims[ADZE_MAX_RANK], *kernel[ADZE_MAX_RANK];
    adze_window found[ADZE_MAX_RANK];
    if (rank < 3) return adze_onnx_undetermined(g->node, "the derivative of %s of unknown rank", adze_op_name(op));
    uint32_t n = (uint32_t)rank - 2;
    for (uint32_t i = 0; i < n; i++) {
        dims[i] = compose_dim(x, 2 + i);
        kernel[i] = w ? compose_dim(w, 2 + i) : NULL;
    }
    if (!adze_windows(op, n, dims, w ? kernel : NULL, found)) return false;
    for (uint32_t i = 0; i < n; i++) {
        compose_window *a = &out[i];
        a->stride = found[i].stride;
        a->dilation = found[i].dilation;
        if (!adze_dim_is_const(dims[i], &a->in) || !adze_dim_is_const(found[i].out, &a->out) ||
            !adze_dim_is_const(found[i].kernel, &a->kernel) || !adze_dim_is_const(found[i].before, &a->before) ||
            !adze_dim_is_const(found[i].after, &a->after))
            return adze_onnx_undetermined(g->node, "the derivative of %s over an axis of unknown extent",
                                         adze_op_name(op));
    }
    *out_n = n;
    return true;
}

/* [a, b, …] as [b, a, …]; of groups, [a, group * b, …] as [b, group * a, …]. */
static term *swap(gradient *g, term *x, int64_t group)
{
    const adze_dim *split[ADZE_MAX_RANK], *dims[ADZE_MAX_RANK];
    int64_t perm[ADZE_MAX_RANK], channels;
    uint32_t rank = (uint32_t)compose_rank(x);
    for (int64_t i = 0; i < ADZE_MAX_RANK; i++) perm[i] = i;
    if (group == 1) {
        perm[0] = 1;
        perm[1] = 0;
        return compose_transpose(g->node, x, perm, rank);
    }
    if (rank == ADZE_MAX_RANK || !adze_dim_is_const(compose_dim(x, 1), &channels))
        return adze_onnx_unsupported(g->node, "the derivative of groups of unknown channels"), NULL;
    adze_context *context = g->node->import->context;
    split[0] = compose_dim(x, 0);
    split[1] = adze_dim_const(context, group);
    split[2] = dims[0] = adze_dim_const(context, channels / group);
    dims[1] = adze_dim_mul_const(context, split[0], group);
    for (uint32_t i = 2; i < rank; i++) split[1 + i] = dims[i] = compose_dim(x, i);
    perm[0] = 2;
    perm[2] = 0;
    x = compose_transpose(g->node, compose_reshape(g->node, x, split, rank + 1), perm, rank + 1);
    return compose_reshape(g->node, x, dims, rank);
}

/* What the weights get: the operand's channels as batches, with d as windows that take its strides for dilations. */
static term *weights_back(gradient *g, term *x, term *d, uint32_t n, const compose_window *windows, int64_t group)
{
    int64_t pads[2 * ADZE_MAX_RANK] = {0}, strides[ADZE_MAX_RANK], dilations[ADZE_MAX_RANK];
    const int64_t batch_first[] = {1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    for (uint32_t i = 0; i < n; i++) {
        const compose_window *a = &windows[i];
        strides[i] = a->dilation;
        dilations[i] = a->stride;
        pads[2 + i] = a->before;
        pads[n + 4 + i] = (a->out - 1) * a->stride + 1 + (a->kernel - 1) * a->dilation - a->in - a->before;
    }
    term *rows = compose2(g->node, "pad", swap(g, x, group), compose_ints(g->node, pads, 2 * (n + 2)));
    term *parts[] = {rows, compose_transpose(g->node, d, batch_first, n + 2)};
    adze_attr attrs[] = {adze_attr_int("group", group), adze_attr_ints("strides", strides, n),
                         adze_attr_ints("dilations", dilations, n)};
    term *made = compose_all(g->node, "conv", parts, 2, 2, attrs, 3);
    return made ? compose_transpose(g->node, made, batch_first, n + 2) : NULL;
}

bool derive_conv(gradient *g, const adze_op *op, term *d)
{
    compose_window windows[ADZE_MAX_RANK];
    int64_t group = adze_op_attr_int(op, "group"), axes[ADZE_MAX_RANK] = {0};
    uint32_t n;
    if (!windows_of(g, op, in(op, 1), windows, &n)) return false;
    if (derive_wants(g, 0) && !derive_add(g, 0, compose_conv_back(g->node, d, in(op, 1), n, windows, group)))
        return false;
    if (derive_wants(g, 1) && !derive_add(g, 1, weights_back(g, in(op, 0), d, n, windows, group))) return false;
    if (!derive_wants(g, 2)) return true;
    for (uint32_t i = 0; i < n; i++) axes[1 + i] = 2 + i;
    return derive_add(g, 2, compose_reduce(g->node, "reduce_sum", d, axes, n + 1, false));
}

/* May a window lie wholly in the padding? Where extents are not known, padding may hold one. */
static bool may_be_empty(const adze_op *op, const term *x)
{
    const adze_dim *dims[ADZE_MAX_RANK];
    adze_window w[ADZE_MAX_RANK];
    int64_t extent, out, kernel, before;
    int rank = compose_rank(x);
    if (rank < 3) return true;
    uint32_t n = (uint32_t)rank - 2;
    for (uint32_t i = 0; i < n; i++) dims[i] = compose_dim(x, 2 + i);
    if (!adze_windows(op, n, dims, NULL, w)) return true;
    for (uint32_t i = 0; i < n; i++) {
        if (adze_dim_is_value(w[i].before, 0) && adze_dim_is_value(w[i].after, 0)) continue;
        if (!adze_dim_is_const(dims[i], &extent) || !adze_dim_is_const(w[i].out, &out) || out > MAX_COUNTS ||
            !adze_dim_is_const(w[i].kernel, &kernel) || !adze_dim_is_const(w[i].before, &before))
            return true;
        for (int64_t p = 0; p < out; p++) {
            int64_t first = p * w[i].stride - before, skipped = first < 0 ? (-first - 1) / w[i].dilation + 1 : 0;
            if (skipped >= kernel || first + skipped * w[i].dilation >= extent) return true;
        }
    }
    return false;
}

/* The pool tells which element each window took; of equal ones the first. A window of padding alone took none, and
 * names one nevertheless: it is found by a pool of zeros, where it alone is not 0. */
bool derive_max_pool(gradient *g, const adze_op *op, term *d)
{
    static const char *const lists[] = {"dilations", "kernel_shape", "pads", "strides"};
    adze_attr attrs[6] = {adze_attr_str("auto_pad", adze_op_attr_str(op, "auto_pad")),
                          adze_attr_int("ceil_mode", adze_op_attr_int(op, "ceil_mode"))};
    adze_builder *builder = &g->node->import->builder;
    term *x = in(op, 0), *flat = compose_int(g->node, -1);
    uint32_t n = 2;
    if (!d) return adze_onnx_unsupported(g->node, "the derivative of the indices of a pool");
    for (uint32_t i = 0; i < 4; i++) {
        adze_ints list = adze_op_attr_ints(op, lists[i]);
        if (list.count) attrs[n++] = adze_attr_ints(lists[i], list.data, list.count);
    }
    builder->loc = g->node->loc;
    adze_op *made = adze_build(builder, "max_pool", &x, 1, attrs, n, NULL, 2);
    if (!made) return false;
    adze_op_add_node(made, g->node->name);
    term *places = compose2(g->node, "reshape", adze_op_result(made, 1), flat);
    if (may_be_empty(op, x)) {
        term *zeros = derive_full(g->node, x, 0);
        term *pooled = compose_all(g->node, "max_pool", &zeros, 1, 1, attrs, n), *zero = num(g, d, 0);
        d = choose(g, compose2(g->node, "equal", pooled, zero), d, zero);
    }
    return derive_add(g, 0, derive_put_back(g, x, places, d));
}

/* How many elements each window of an axis has, as a list that broadcasts over `rank` axes. */
static term *counts(gradient *g, const compose_window *a, bool border, uint32_t axis, uint32_t rank, adze_dtype dtype)
{
    int64_t *list = adze_malloc((size_t)a->out * sizeof *list);
    int64_t end = border ? a->in + (a->after > 0 ? a->after : 0) : a->in;
    for (int64_t p = 0; p < a->out; p++) {
        list[p] = 0;
        for (int64_t k = 0; k < a->kernel; k++) {
            int64_t at = p * a->stride - a->before + k * a->dilation;
            list[p] += at < end && (border || at >= 0);
        }
        if (!list[p]) list[p] = 1;
    }
    term *made = compose_cast(g->node, compose_ints(g->node, list, (size_t)a->out), dtype);
    free(list);
    return axis + 1 < rank ? compose_unsqueeze(g->node, made, 1, rank - axis) : made;
}

/* What each element of x gets where its windows have d: a convolution with ones, each channel by itself. */
static term *windows_back(gradient *g, term *x, term *d, const compose_window *windows, uint32_t n)
{
    const adze_dim *dims[ADZE_MAX_RANK], *ones[ADZE_MAX_RANK];
    adze_context *context = g->node->import->context;
    dims[0] = adze_dim_mul(context, compose_dim(x, 0), compose_dim(x, 1));
    dims[1] = ones[0] = ones[1] = adze_dim_const(context, 1);
    for (uint32_t i = 0; i < n; i++) {
        dims[2 + i] = adze_dim_const(context, windows[i].out);
        ones[2 + i] = adze_dim_const(context, windows[i].kernel);
    }
    if (!d) return NULL;
    term *weights = compose_expand(g->node, compose_like(g->node, x, 1), ones, n + 2);
    term *back = compose_conv_back(g->node, compose_reshape(g->node, d, dims, n + 2), weights, n, windows, 1);
    return back ? derive_shaped(g->node, back, x) : NULL;
}

/* Each window has its part of the sum, divided by how many elements it has. */
bool derive_average_pool(gradient *g, const adze_op *op, term *d)
{
    compose_window windows[ADZE_MAX_RANK];
    uint32_t n;
    term *x = in(op, 0);
    bool border = adze_op_attr_int(op, "count_include_pad") != 0;
    if (!windows_of(g, op, NULL, windows, &n)) return false;
    for (uint32_t i = 0; i < n; i++) {
        if (windows[i].out < 1 || windows[i].out > MAX_COUNTS / windows[i].kernel)
            return adze_onnx_unsupported(g->node, "the derivative of a pool of so many elements");
        d = divide(g, d, counts(g, &windows[i], border, 2 + i, n + 2, compose_dtype(x)));
    }
    return derive_add(g, 0, windows_back(g, x, d, windows, n));
}

/* Of sums of magnitudes, which is what the importer says a pool of any power with. */
bool derive_lp_pool(gradient *g, const adze_op *op, term *d)
{
    compose_window windows[ADZE_MAX_RANK];
    uint32_t n;
    term *x = in(op, 0);
    if (adze_op_attr_int(op, "p") != 1) return adze_onnx_unsupported(g->node, "the derivative of lp_pool of powers");
    if (!windows_of(g, op, NULL, windows, &n)) return false;
    return derive_add(g, 0, mul(g, windows_back(g, x, d, windows, n), one(g, "sign", x)));
}

bool derive_global_max(gradient *g, const adze_op *op, term *d)
{
    int64_t axes[ADZE_MAX_RANK];
    term *x = in(op, 0), *y = adze_op_result(op, 0);
    int rank = compose_rank(x);
    if (rank < 3) return adze_onnx_unsupported(g->node, "the derivative of a pool of unknown rank");
    for (int i = 2; i < rank; i++) axes[i - 2] = i;
    term *hit = compose_cast(g->node, compose2(g->node, "equal", x, y), compose_dtype(x));
    term *count = compose_reduce(g->node, "reduce_sum", hit, axes, (size_t)rank - 2, true);
    return derive_add(g, 0, mul(g, d, divide(g, hit, count)));
}
