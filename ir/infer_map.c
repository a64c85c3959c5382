/* Result types of ops over maps. */
#include "ir/infer.h"
#include "ir/rows.h"

static bool is_key(adze_dtype dtype)
{
    adze_dtype_kind kind = adze_dtype_get_kind(dtype);
    return kind == ADZE_KIND_STRING ||
           ((kind == ADZE_KIND_INT || kind == ADZE_KIND_UINT) && adze_dtype_bits(dtype) >= 8);
}

bool infer_zip_map(adze_op *op, const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    inferred x, keys;
    if (!infer_ranked(op, 0, 1, 2, &x) || !infer_ranked(op, 1, 1, 1, &keys)) return false;
    if (!is_key(keys.dtype))
        return adze_error(adze_op_loc(op), "zip_map: keys are %s, not integers or strings", infer_type_text(op, 1));
    if (adze_dtype_bits(x.dtype) % 8)
        return adze_error(adze_op_loc(op), "zip_map of %s: elements that are no whole bytes", infer_type_text(op, 0));
    if (x.ranked && keys.ranked && !adze_dim_compatible(x.dims[x.rank - 1], keys.dims[0]))
        return adze_error(adze_op_loc(op), "zip_map of %s: its keys are %s", infer_type_text(op, 0),
                          infer_type_text(op, 1));
    const adze_type *value = adze_type_tensor(context, x.dtype, 0, NULL, NULL);
    out_types[0] = adze_type_sequence(context, adze_type_map(context, keys.dtype, value));
    return true;
}

bool infer_map_entries(adze_op *op, const adze_type **out_types)
{
    const adze_type *map = infer_operand(op, 0), *value = map ? adze_type_element(map) : NULL;
    if (!map || adze_type_get_kind(map) != ADZE_TYPE_MAP)
        return adze_error(adze_op_loc(op), "operand 1 of map_entries is %s, not a map", infer_type_text(op, 0));
    if (!is_key(adze_type_key(map)) || !adze_type_is_tensor(value) || adze_dtype_bits(adze_type_dtype(value)) % 8)
        return adze_error(adze_op_loc(op), "map_entries of %s", infer_type_text(op, 0));
    inferred keys = infer_unknown_dims(op, adze_type_key(map), 1),
             values = infer_unknown_dims(op, adze_type_dtype(value), 1);
    return infer_result(op, out_types, 0, &keys) && infer_result(op, out_types, 1, &values);
}
