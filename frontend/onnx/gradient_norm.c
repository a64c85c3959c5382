/* Derivatives of normalizations and of attention, with means and products. */
#include "gradient_terms.h"

#include <math.h>

/* Sum or mean over axes `from` up to `end`. */
static term *over(gradient *g, const char *name, term *x, uint32_t from, uint32_t end)
{
    int64_t axes[ADZE_MAX_RANK];
    size_t n = 0;
    for (uint32_t i = from; i < end; i++) axes[n++] = i;
    return n ? compose_reduce(g->node, name, x, axes, n, true) : x;
}

/* Rank and axis of an op that normalizes from an axis on. */
static bool find_axis(gradient *g, const adze_op *op, uint32_t *out_rank, uint32_t *out_axis)
{
    int rank = compose_rank(in(op, 0));
    if (rank < 1) return adze_onnx_undetermined(g->node, "the derivative of %s of unknown rank", adze_op_name(op));
    *out_rank = (uint32_t)rank;
    return compose_axis(g->node, adze_op_attr_int(op, "axis"), *out_rank, out_axis);
}

/* Of y = h scale (+ bias) with h = centred r, r = 1 / sqrt(mean(centred^2) + epsilon); without a mean for rms_norm. */
bool derive_layer_norm(gradient *g, const adze_op *op, term *d)
{
    bool centred = adze_op_is(op, "layer_norm");
    uint32_t rank = 0, first = 0;
    if (!find_axis(g, op, &rank, &first)) return false;
    for (uint32_t i = 1; i < adze_op_num_results(op); i++)
        if (derive_of_result(g, i)) return adze_onnx_unsupported(g->node, "the derivative of a norm's statistics");
    term *x = in(op, 0);
    if (centred) x = sub(g, x, over(g, "reduce_mean", x, first, rank));
    term *mean = over(g, "reduce_mean", square(g, x), first, rank);
    term *r = one(g, "rsqrt", add(g, mean, num(g, mean, adze_op_attr_float(op, "epsilon")))), *h = mul(g, x, r);
    if (derive_wants(g, 1) && !derive_add(g, 1, mul(g, d, h))) return false;
    if (derive_wants(g, 2) && !derive_add(g, 2, d)) return false;
    if (!derive_wants(g, 0)) return true;
    term *by = mul(g, d, in(op, 1)), *along = over(g, "reduce_mean", mul(g, by, h), first, rank);
    term *part = sub(g, by, mul(g, h, along));
    if (centred) part = sub(g, part, over(g, "reduce_mean", by, first, rank));
    return derive_add(g, 0, mul(g, part, r));
}

/* Adds to what a list of a number a channel gets. */
static bool add_channels(gradient *g, uint32_t index, term *part)
{
    int64_t axes[ADZE_MAX_RANK];
    size_t n = 0;
    if (!derive_wants(g, index)) return true;
    for (int i = 0; i < compose_rank(part); i++)
        if (i != 1) axes[n++] = i;
    return derive_add(g, index, compose_reduce(g->node, "reduce_sum", part, axes, n, false));
}

/* Of y = (x - mean) r scale + bias with r = 1 / sqrt(variance + epsilon). */
bool derive_batch_norm(gradient *g, const adze_op *op, term *d)
{
    term *x = in(op, 0), *list[5];
    int rank = compose_rank(x);
    if (rank < 2) return adze_onnx_unsupported(g->node, "the derivative of a norm of unknown rank");
    for (uint32_t i = 1; i < 5; i++) list[i] = compose_channels(g->node, in(op, i), (uint32_t)rank);
    term *r = one(g, "rsqrt", add(g, list[4], num(g, list[4], adze_op_attr_float(op, "epsilon"))));
    term *h = mul(g, sub(g, x, list[3]), r), *back = mul(g, d, mul(g, list[1], r));
    if (!back || !h || !derive_add(g, 0, back)) return false;
    if (!add_channels(g, 1, mul(g, d, h)) || !add_channels(g, 2, d) || !add_channels(g, 3, one(g, "neg", back)))
        return false;
    return add_channels(g, 4, times(g, mul(g, back, mul(g, h, r)), -0.5));
}

/* y (d - sum d y), over all axes from one on. */
bool derive_softmax_flat(gradient *g, const adze_op *op, term *d)
{
    term *y = adze_op_result(op, 0);
    int rank = compose_rank(y);
    int64_t axis = adze_op_attr_int(op, "axis");
    if (rank < 0) return adze_onnx_undetermined(g->node, "the derivative of softmax of unknown rank");
    if (axis < 0) axis += rank;
    term *sum = over(g, "reduce_sum", mul(g, d, y), (uint32_t)axis, (uint32_t)rank);
    return derive_add(g, 0, mul(g, y, sub(g, d, sum)));
}
