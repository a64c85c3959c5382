/* Iteration spaces of ops that read where an operand says: one parallel axis per result dim, in order, then
 * one of kind INDEX for each dim of the data that is looked up.
 */
#include "ir/access.h"
#include "ir/infer.h"
#include "ir/rows.h"

/* The data's map, the indices' map of the one INDEX axis; its number in *out. */
static bool begin(const adze_op *op, adze_access *a, const adze_dim *extent, uint32_t *out)
{
    if (!access_operand_type(op, 0) || !access_operand_type(op, 1) || !access_result_axes(op, a)) return false;
    a->index_operand = 1;
    return access_add_axis(a, ADZE_AXIS_INDEX, extent, out);
}

static bool axis_of(const adze_op *op, const adze_type *data, uint32_t *out)
{
    return infer_axis(op, adze_op_attr_int(op, "axis"), adze_type_rank(data), out);
}

bool access_gather(const adze_op *op, adze_access *a)
{
    const adze_type *data = access_operand_type(op, 0), *indices = access_operand_type(op, 1);
    uint32_t axis, looked_up;
    if (!data || !indices || !axis_of(op, data, &axis)) return false;
    if (!begin(op, a, adze_type_dim(data, axis), &looked_up)) return false;
    uint32_t rank = adze_type_rank(indices);
    adze_access_map *map = access_map_operand(a, 0, adze_type_rank(data)), *where = &a->index[looked_up];
    *where = (adze_access_map){.present = true, .rank = rank};
    for (uint32_t i = 0; i < rank; i++) where->dims[i] = access_axis(op, axis + i);
    for (uint32_t i = 0; i < map->rank; i++)
        map->dims[i] = i == axis ? access_axis(op, looked_up) : access_axis(op, i < axis ? i : i + rank - 1);
    return true;
}

bool access_gather_elements(const adze_op *op, adze_access *a)
{
    const adze_type *data = access_operand_type(op, 0);
    uint32_t axis, looked_up;
    if (!data || !axis_of(op, data, &axis)) return false;
    if (!begin(op, a, adze_type_dim(data, axis), &looked_up)) return false;
    if (a->result[0].rank != adze_type_rank(data)) return false;
    adze_access_map *map = access_map_operand(a, 0, adze_type_rank(data));
    a->index[looked_up] = a->result[0];
    for (uint32_t i = 0; i < map->rank; i++) {
        /* Fewer indices than data; more would be an error of the run. */
        if (i != axis && !adze_dim_equal(a->extent[i], adze_type_dim(data, i))) return false;
        map->dims[i] = access_axis(op, i == axis ? looked_up : i);
    }
    return true;
}

bool access_gather_nd(const adze_op *op, adze_access *a)
{
    const adze_type *data = access_operand_type(op, 0), *indices = access_operand_type(op, 1);
    int64_t depth, batch = adze_op_attr_int(op, "batch_dims");
    if (!data || !indices || !access_result_axes(op, a)) return false;
    uint32_t rank = adze_type_rank(data), q = adze_type_rank(indices), axis;
    if (!q || !adze_dim_is_const(adze_type_dim(indices, q - 1), &depth)) return false;
    if (batch < 0 || depth < 1 || batch + depth > rank || batch >= q) return false;
    for (uint32_t i = 0; i < batch; i++)
        if (!adze_dim_equal(adze_type_dim(data, i), adze_type_dim(indices, i))) return false;
    adze_access_map *map = access_map_operand(a, 0, rank);
    uint32_t tail = (uint32_t)(batch + depth);
    a->index_operand = 1;
    for (uint32_t i = 0; i < rank; i++) {
        if (i < batch) {
            map->dims[i] = access_axis(op, i);
        } else if (i >= tail) {
            map->dims[i] = access_axis(op, q - 1 + i - tail);
        } else {
            if (!access_add_axis(a, ADZE_AXIS_INDEX, adze_type_dim(data, i), &axis)) return false;
            map->dims[i] = access_axis(op, axis);
            adze_access_map *where = &a->index[axis];
            *where = (adze_access_map){.present = true, .rank = q};
            for (uint32_t k = 0; k + 1 < q; k++) where->dims[k] = access_axis(op, k);
            where->dims[q - 1] = adze_dim_const(adze_op_context(op), i - batch);
        }
    }
    return true;
}
