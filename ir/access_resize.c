/* Iteration space of resize: one parallel axis per result dim, where each result element is one of the operand's
 * and its index is found in integers. That is mode "nearest" of whole factors, with rounding that has no ties.
 * All else interpolates, or rounds positions that are no fractions.
 */
#include "ir/access.h"
#include "ir/infer.h"
#include "ir/rows.h"

#include <string.h>

enum { MAX_FACTOR = 64 };

static bool is(const adze_op *op, const char *attr, const char *value)
{
    return !strcmp(adze_op_attr_str(op, attr), value);
}

/* Is result element i the operand's i / factor for every whole factor? Positions are (i + 1/2) / factor - 1/2,
 * rounded, which is never half way; or i / factor, or (i + 1/2) / factor, rounded down. */
static bool divides(const adze_op *op)
{
    static const char *const centred[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"};
    const char *mode = "coordinate_transformation_mode";
    if (is(op, mode, "asymmetric") || is(op, mode, "tf_half_pixel_for_nn")) return is(op, "nearest_mode", "floor");
    bool found = false;
    for (int i = 0; i < 3; i++) found |= is(op, mode, centred[i]);
    return found && (is(op, "nearest_mode", "round_prefer_floor") || is(op, "nearest_mode", "round_prefer_ceil"));
}

/* The factor by which an axis grows; 0 where it is not whole. */
static int64_t factor_of(const adze_op *op, const adze_dim *in, const adze_dim *out)
{
    for (int64_t f = 1; f <= MAX_FACTOR; f++)
        if (adze_dim_equal(adze_dim_mul_const(adze_op_context(op), in, f), out)) return f;
    return 0;
}

bool access_resize(const adze_op *op, adze_access *a)
{
    const adze_type *x = access_operand_type(op, 0);
    double scales[ADZE_MAX_RANK];
    if (!x || !access_result_axes(op, a) || !is(op, "mode", "nearest") || !divides(op)) return false;
    adze_ints axes = adze_op_attr_ints(op, "axes");
    uint32_t rank = adze_type_rank(x), n = axes.count ? (uint32_t)axes.count : rank;
    bool by_size =
        adze_op_operand(op, 3) && !adze_dim_is_value(adze_type_count(adze_value_type(adze_op_operand(op, 3))), 0);
    if (!is(op, "keep_aspect_ratio_policy", "stretch") || n > rank) return false;
    if (!by_size && infer_scales(op, 2, scales) != (int)n) return false;
    adze_access_map *map = access_map_operand(a, 0, rank);
    for (uint32_t i = 0; i < rank; i++) map->dims[i] = access_axis(op, i);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t axis = i;
        if (axes.count && !infer_axis(op, axes.data[i], rank, &axis)) return false;
        int64_t factor = factor_of(op, adze_type_dim(x, axis), a->extent[axis]);
        if (!factor || (!by_size && scales[i] != (double)factor)) return false;
        map->dims[axis] = adze_dim_binary(adze_op_context(op), ADZE_DIM_FLOORDIV, access_axis(op, axis),
                                          adze_dim_const(adze_op_context(op), factor));
    }
    return true;
}
