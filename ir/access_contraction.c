/* Iteration spaces of contractions: products of two operands, summed over the reduction axes.
 *
 *   matmul   batch…, m, n; k
 *   gemm     m, n; k. The bias (operand 2) is read at the result's axes and added to the sum; alpha and
 *            beta are for the caller to read.
 *   conv     n, [group,] channel, spatial…; input channel, window…. The group axis is there if group > 1;
 *            channels then count within the group. Window axes are of kind WINDOW. The input is guarded
 *            with 0 outside where there is padding. The bias is added to the sum.
 *
 * matmul_integer and conv_integer have the space of their twin where no zero point is there; factors are then
 * widened to the result's type. With one there is no product of two operands.
 */
#include "ir/access.h"
#include "ir/rows.h"
#include <adze/window.h>

bool access_matmul(const adze_op *op, adze_access *a)
{
    adze_context *context = adze_op_context(op);
    const adze_type *x = access_operand_type(op, 0), *y = access_operand_type(op, 1);
    if (!x || !y || !access_result_axes(op, a)) return false;
    uint32_t xr = adze_type_rank(x), yr = adze_type_rank(y), batch = a->n_axes, k;
    if (xr > 1) batch--;
    if (yr > 1) batch--;
    uint32_t m = batch, n = xr > 1 ? batch + 1 : batch;
    if (!access_add_axis(a, ADZE_AXIS_REDUCTION, adze_type_dim(x, xr - 1), &k)) return false;
    for (uint32_t o = 0; o < 2; o++) {
        const adze_type *type = o ? y : x;
        uint32_t rank = adze_type_rank(type), own = rank > 2 ? rank - 2 : 0;
        adze_access_map *map = access_map_operand(a, o, rank);
        for (uint32_t i = 0; i < own; i++) {
            uint32_t axis = batch - own + i;
            bool same = adze_dim_equal(adze_type_dim(type, i), a->extent[axis]);
            if (!same && !adze_dim_is_value(adze_type_dim(type, i), 1)) return false;
            map->dims[i] = same ? access_axis(op, axis) : adze_dim_const(context, 0);
        }
        if (o == 0 && rank > 1) map->dims[rank - 2] = access_axis(op, m);
        if (o == 1 && rank > 1) map->dims[rank - 1] = access_axis(op, n);
        map->dims[o == 0 || rank == 1 ? rank - 1 : rank - 2] = access_axis(op, k);
    }
    a->combine = ADZE_COMBINE_ADD;
    a->body = "mul";
    return true;
}

bool access_matmul_integer(const adze_op *op, adze_access *a)
{
    return !adze_op_operand(op, 2) && !adze_op_operand(op, 3) && access_matmul(op, a);
}

bool access_gemm(const adze_op *op, adze_access *a)
{
    const struct adze_gemm_attrs *at = (const void *)adze_op_attrs(op);
    const adze_type *x = access_operand_type(op, 0), *y = access_operand_type(op, 1);
    uint32_t k;
    if (!x || !y || !access_result_axes(op, a)) return false;
    if (adze_op_operand(op, 2) && !access_broadcast(op, a, 2)) return false;
    if (!access_add_axis(a, ADZE_AXIS_REDUCTION, adze_type_dim(x, at->transA ? 0 : 1), &k)) return false;
    adze_access_map *left = access_map_operand(a, 0, 2), *right = access_map_operand(a, 1, 2);
    left->dims[at->transA ? 1 : 0] = access_axis(op, 0);
    left->dims[at->transA ? 0 : 1] = access_axis(op, k);
    right->dims[at->transB ? 0 : 1] = access_axis(op, 1);
    right->dims[at->transB ? 1 : 0] = access_axis(op, k);
    a->combine = ADZE_COMBINE_ADD;
    a->body = "mul";
    return true;
}

/* Axes of a conv. */
typedef struct conv_axes {
    uint32_t n, group, channel, spatial, input, window;
    bool grouped;
} conv_axes;

static bool add_axes(const adze_op *op, adze_access *a, uint32_t axes, int64_t group, conv_axes *c)
{
    adze_context *context = adze_op_context(op);
    const adze_type *y = access_result_type(op, 0), *w = access_operand_type(op, 1);
    const adze_dim *groups = adze_dim_const(context, group);
    const adze_dim *channels = adze_dim_binary(context, ADZE_DIM_FLOORDIV, adze_type_dim(w, 0), groups);
    uint32_t axis;
    c->grouped = group > 1;
    if (!access_add_axis(a, ADZE_AXIS_PARALLEL, adze_type_dim(y, 0), &c->n)) return false;
    if (c->grouped && !access_add_axis(a, ADZE_AXIS_PARALLEL, groups, &c->group)) return false;
    if (!access_add_axis(a, ADZE_AXIS_PARALLEL, channels, &c->channel)) return false;
    c->spatial = a->n_axes;
    for (uint32_t i = 0; i < axes; i++)
        if (!access_add_axis(a, ADZE_AXIS_PARALLEL, adze_type_dim(y, 2 + i), &axis)) return false;
    if (!access_add_axis(a, ADZE_AXIS_REDUCTION, adze_type_dim(w, 1), &c->input)) return false;
    c->window = a->n_axes;
    for (uint32_t i = 0; i < axes; i++)
        if (!access_add_axis(a, ADZE_AXIS_WINDOW, adze_type_dim(w, 2 + i), &axis)) return false;
    return true;
}

/* group * (channels of one) + channel */
static const adze_dim *in_group(const adze_op *op, const conv_axes *c, const adze_dim *per_group, uint32_t axis)
{
    adze_context *context = adze_op_context(op);
    const adze_dim *channel = access_axis(op, axis);
    if (!c->grouped) return channel;
    return adze_dim_add(context, adze_dim_mul(context, access_axis(op, c->group), per_group), channel);
}

bool access_conv(const adze_op *op, adze_access *a)
{
    const adze_type *x = access_operand_type(op, 0), *w = access_operand_type(op, 1), *y = access_result_type(op, 0);
    if (!x || !w || !y || adze_type_rank(x) < 3 || adze_type_rank(w) != adze_type_rank(x)) return false;
    uint32_t rank = adze_type_rank(x), axes = rank - 2;
    adze_window window[ADZE_MAX_RANK];
    conv_axes c;
    if (!adze_windows(op, axes, adze_type_dims(x) + 2, adze_type_dims(w) + 2, window)) return false;
    if (!add_axes(op, a, axes, adze_op_attr_int(op, "group"), &c)) return false;
    adze_access_map *in = access_map_operand(a, 0, rank), *weight = access_map_operand(a, 1, rank);
    adze_access_map *out = &a->result[0];
    const adze_dim *channel = in_group(op, &c, a->extent[c.channel], c.channel);
    *out = (adze_access_map){.present = true, .rank = rank};
    a->n_results = 1;
    out->dims[0] = in->dims[0] = access_axis(op, c.n);
    out->dims[1] = weight->dims[0] = channel;
    in->dims[1] = in_group(op, &c, adze_type_dim(w, 1), c.input);
    weight->dims[1] = access_axis(op, c.input);
    for (uint32_t i = 0; i < axes; i++) {
        out->dims[2 + i] = access_axis(op, c.spatial + i);
        weight->dims[2 + i] = access_axis(op, c.window + i);
        in->dims[2 + i] = adze_window_index(op, &window[i], c.spatial + i, c.window + i);
        in->guarded = in->guarded || adze_window_leaves(op, &window[i]);
    }
    if (adze_op_operand(op, 2)) access_map_operand(a, 2, 1)->dims[0] = channel;
    a->combine = ADZE_COMBINE_ADD;
    a->body = "mul";
    return true;
}

bool access_conv_integer(const adze_op *op, adze_access *a)
{
    return !adze_op_operand(op, 2) && !adze_op_operand(op, 3) && access_conv(op, a);
}
