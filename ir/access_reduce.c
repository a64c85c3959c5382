/* Iteration spaces of pooling and reductions: kept axes in the order of the result's dims, then those
 * that are combined, in the order of the operand's.
 *
 *   max_pool, average_pool   n, channel, spatial…; window…. Padding is outside the operand: -inf for the
 *                            largest; for the mean it adds 0 and counts with count_include_pad only.
 *   global pooling           n, channel; spatial…
 *   reduce_*                 the kept axes; the reduced ones. A kept dim of 1 has no axis.
 */
#include "ir/access.h"
#include "ir/infer.h"
#include "ir/rows.h"
#include <adze/window.h>

#include <math.h>

/* Does a window of ceil_mode reach beyond the padding, where elements do not count at all? */
static bool overhangs(const adze_op *op, const adze_window *w)
{
    adze_context *context = adze_op_context(op);
    const adze_dim *last = adze_dim_mul_const(context, adze_dim_add_const(context, w->out, -1), w->stride);
    const adze_dim *gaps = adze_dim_mul_const(context, adze_dim_add_const(context, w->kernel, -1), w->dilation);
    const adze_dim *end = adze_dim_add(context, w->in, adze_dim_add(context, w->before, w->after));
    const adze_dim *over =
        adze_dim_sub(context, adze_dim_add_const(context, adze_dim_add(context, last, gaps), 1), end);
    int64_t low, high;
    adze_dim_range(over, NULL, 0, &low, &high);
    return high > 0;
}

/* A magnitude or a square: its magnitudes are itself. */
static bool is_not_negative(const adze_ir_value *value)
{
    const adze_op *op = adze_value_op(infer_outside_kernel(value));
    if (!op) return false;
    return adze_op_is(op, "abs") || (adze_op_is(op, "mul") && adze_op_operand(op, 0) == adze_op_operand(op, 1));
}

bool access_pool(const adze_op *op, adze_access *a)
{
    const adze_type *x = access_operand_type(op, 0);
    bool mean = adze_op_is(op, "average_pool"), sum = adze_op_is(op, "lp_pool");
    if (sum && (adze_op_attr_int(op, "p") != 1 || !is_not_negative(adze_op_operand(op, 0)))) return false;
    if (!x || !access_result_axes(op, a)) return false; /* two results: no such form */
    uint32_t rank = adze_type_rank(x), axes = rank - 2;
    adze_window window[ADZE_MAX_RANK];
    if (!adze_windows(op, axes, adze_type_dims(x) + 2, NULL, window)) return false;
    a->mean = mean;
    a->mean_all = mean && adze_op_attr_int(op, "count_include_pad");
    a->combine = mean || sum ? ADZE_COMBINE_ADD : ADZE_COMBINE_MAX;
    adze_access_map *map = access_map_operand(a, 0, rank);
    map->outside = mean || sum ? 0 : -(double)INFINITY;
    map->dims[0] = access_axis(op, 0);
    map->dims[1] = access_axis(op, 1);
    for (uint32_t i = 0; i < axes; i++) {
        uint32_t tap;
        if (a->mean_all && adze_op_attr_int(op, "ceil_mode") && overhangs(op, &window[i])) return false;
        if (!access_add_axis(a, ADZE_AXIS_WINDOW, window[i].kernel, &tap)) return false;
        map->dims[2 + i] = adze_window_index(op, &window[i], 2 + i, tap);
        map->guarded = map->guarded || adze_window_leaves(op, &window[i]);
    }
    return true;
}

/* Axes of the operand in `set` are combined, the others kept. The result has all of the operand's dims
 * (`keep`) or only the kept ones. */
static bool reduce_axes(const adze_op *op, adze_access *a, uint32_t set, bool keep)
{
    adze_context *context = adze_op_context(op);
    const adze_type *x = access_operand_type(op, 0);
    uint32_t rank = adze_type_rank(x), axis;
    adze_access_map *in = access_map_operand(a, 0, rank), *out = &a->result[0];
    *out = (adze_access_map){.present = true};
    a->n_results = 1;
    for (uint32_t i = 0; i < rank; i++) {
        bool reduced = set >> i & 1;
        if (!reduced && !access_add_axis(a, ADZE_AXIS_PARALLEL, adze_type_dim(x, i), &axis)) return false;
        if (!reduced) in->dims[i] = access_axis(op, axis);
        if (!reduced || keep) out->dims[out->rank++] = reduced ? adze_dim_const(context, 0) : in->dims[i];
    }
    for (uint32_t i = 0; i < rank; i++) {
        if (!(set >> i & 1)) continue;
        if (!access_add_axis(a, ADZE_AXIS_REDUCTION, adze_type_dim(x, i), &axis)) return false;
        in->dims[i] = access_axis(op, axis);
    }
    return true;
}

bool access_global_pool(const adze_op *op, adze_access *a)
{
    const adze_type *x = access_operand_type(op, 0);
    if (!x || adze_type_rank(x) < 2) return false;
    a->mean = a->four_sums = adze_op_is(op, "global_average_pool");
    a->combine = a->mean ? ADZE_COMBINE_ADD : ADZE_COMBINE_MAX;
    return reduce_axes(op, a, ((1u << adze_type_rank(x)) - 1) & ~3u, true);
}

bool access_reduction(const adze_op *op, adze_access *a)
{
    static const struct {
        const char *name;
        adze_combine combine;
    } kinds[] = {{"reduce_sum", ADZE_COMBINE_ADD},
                 {"reduce_mean", ADZE_COMBINE_ADD},
                 {"reduce_max", ADZE_COMBINE_MAX},
                 {"reduce_min", ADZE_COMBINE_MIN},
                 {"reduce_prod", ADZE_COMBINE_MUL}};
    const adze_type *x = access_operand_type(op, 0);
    uint32_t set = 0;
    bool known = true;
    if (!x) return false;
    if (adze_op_operand(op, 1) && (!infer_axes(op, 1, adze_type_rank(x), &set, &known) || !known)) return false;
    if (!set && !adze_op_attr_int(op, "noop_with_empty_axes")) set = (1u << adze_type_rank(x)) - 1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (adze_op_is(op, kinds[i].name)) a->combine = kinds[i].combine;
    a->mean = adze_op_is(op, "reduce_mean");
    return reduce_axes(op, a, set, adze_op_attr_int(op, "keepdims") != 0);
}
