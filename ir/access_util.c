/* What access functions share. */
#include "ir/access.h"
#include "ir/infer.h"

static const adze_type *ranked(const adze_ir_value *value)
{
    const adze_type *type = value ? adze_value_type(value) : NULL;
    return type && adze_type_is_tensor(type) && adze_type_is_ranked(type) ? type : NULL;
}

const adze_type *access_operand_type(const adze_op *op, uint32_t index)
{
    return ranked(adze_op_operand(op, index));
}

const adze_type *access_result_type(const adze_op *op, uint32_t index)
{
    return index < adze_op_num_results(op) ? ranked(adze_op_result(op, index)) : NULL;
}

const adze_dim *access_axis(const adze_op *op, uint32_t axis)
{
    return adze_dim_axis(adze_op_context(op), axis);
}

bool access_add_axis(adze_access *a, adze_axis_kind kind, const adze_dim *extent, uint32_t *out)
{
    if (a->n_axes == ADZE_MAX_AXES) return false;
    a->kind[a->n_axes] = kind;
    a->extent[a->n_axes] = extent;
    *out = a->n_axes++;
    return true;
}

bool access_result_axes(const adze_op *op, adze_access *a)
{
    const adze_type *type = access_result_type(op, 0);
    if (!type || adze_op_num_results(op) != 1) return false;
    adze_access_map *map = &a->result[0];
    *map = (adze_access_map){.present = true, .rank = adze_type_rank(type)};
    a->n_results = 1;
    for (uint32_t i = 0; i < map->rank; i++) {
        uint32_t axis;
        if (!access_add_axis(a, ADZE_AXIS_PARALLEL, adze_type_dim(type, i), &axis)) return false;
        map->dims[i] = access_axis(op, axis);
    }
    return true;
}

adze_access_map *access_map_operand(adze_access *a, uint32_t operand, uint32_t rank)
{
    if (operand >= ADZE_MAX_ACCESS) return NULL;
    if (operand >= a->n_operands) a->n_operands = operand + 1;
    a->operand[operand] = (adze_access_map){.present = true, .rank = rank};
    return &a->operand[operand];
}

bool access_broadcast(const adze_op *op, adze_access *a, uint32_t operand)
{
    adze_context *context = adze_op_context(op);
    const adze_type *result = access_result_type(op, 0), *type = access_operand_type(op, operand);
    if (!adze_op_operand(op, operand)) { /* absent */
        if (!access_map_operand(a, operand, 0)) return false;
        a->operand[operand].present = false;
        return true;
    }
    if (!type || adze_type_rank(type) > adze_type_rank(result)) return false;
    uint32_t rank = adze_type_rank(type), skip = adze_type_rank(result) - rank;
    adze_access_map *map = access_map_operand(a, operand, rank);
    if (!map) return false;
    for (uint32_t i = 0; i < rank; i++) {
        const adze_dim *d = adze_type_dim(type, i), *r = adze_type_dim(result, skip + i);
        bool same = adze_dim_equal(d, r);
        if (!same && !adze_dim_is_value(d, 1)) {
            /* Neither equal nor 1: only where broadcasting can mean nothing but equality. */
            const adze_dim *both = infer_broadcast_dim(context, d, r);
            if (!both || adze_dim_is_unknown(both) || adze_dim_is_const(r, NULL)) return false;
        }
        map->dims[i] = !same && adze_dim_is_value(d, 1) ? adze_dim_const(context, 0) : access_axis(op, skip + i);
    }
    return true;
}
