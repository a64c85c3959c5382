/* Ops of ai.onnx.ml over maps: a map is entered and left by its keys and values, which are tensors. */
#include "ml.h"

#include <stdlib.h>
#include <string.h>

bool adze_onnx_ml_zip_map(adze_onnx_node *node)
{
    static const char *const names[] = {"classlabels_strings", "classlabels_int64s", NULL};
    term *x = adze_onnx_operand(node, 0), *keys; /* of any rank: where it is not declared, the run finds it out */
    if (!x) return adze_onnx_invalid(node, "has no input 0");
    if (!adze_onnx_attr_list_of(node, names, NULL, &keys)) return false;
    if (!keys) return adze_onnx_invalid(node, "has no class labels");
    return compose_end(node, compose2(node, "zip_map", x, keys));
}

/* Keys and values of the operand, which must be a map. */
static bool entries(adze_onnx_node *node, term **keys, term **values)
{
    term *map = adze_onnx_operand(node, 0);
    if (!map || adze_type_get_kind(adze_value_type(map)) != ADZE_TYPE_MAP)
        return adze_onnx_invalid(node, "input 0 is no map");
    adze_builder *builder = &node->import->builder;
    builder->loc = node->loc;
    adze_op *made = adze_build(builder, "map_entries", &map, 1, NULL, 0, NULL, 2);
    if (!made) return false;
    adze_op_add_node(made, node->name);
    *keys = adze_op_result(made, 0);
    *values = adze_op_result(made, 1);
    return true;
}

/* The elements of a row by the map, zeros or "" for what it has not. */
static term *look_up(adze_onnx_node *node, term *x, term *keys, term *values)
{
    bool text = compose_dtype(values) == ADZE_DTYPE_str;
    term *rest = text ? adze_onnx_text(node, "") : compose_like(node, values, 0);
    return compose_all(node, "lookup", (term *[]){x, keys, values, rest}, 4, 4, NULL, 0);
}

bool adze_onnx_ml_dict_vectorizer(adze_onnx_node *node)
{
    static const char *const names[] = {"string_vocabulary", "int64_vocabulary", NULL};
    term *words, *keys, *values;
    if (!adze_onnx_attr_list_of(node, names, NULL, &words) || !entries(node, &keys, &values)) return false;
    if (!words) return adze_onnx_invalid(node, "has no vocabulary");
    return compose_end(node, look_up(node, compose_one_row(node, words), keys, values));
}

/* 0 … count - 1 as one row: a constant, or where that is long made by a run. */
static term *places(adze_onnx_node *node, int64_t count)
{
    enum { LISTED = 4096 };
    if (count <= LISTED) return compose_one_row(node, compose_count_up(node, "ints", count));
    return compose_iota(node, adze_dim_const(node->import->context, count), 2, 1);
}

/* The values of a map in the order of its keys, or each at the place that its key says. */
bool adze_onnx_ml_cast_map(adze_onnx_node *node)
{
    static const struct {
        const char *name;
        adze_dtype dtype;
    } types[] = {{"TO_FLOAT", ADZE_DTYPE_f32}, {"TO_STRING", ADZE_DTYPE_str}, {"TO_INT64", ADZE_DTYPE_i64}};
    const char *to = "TO_FLOAT", *form = "DENSE";
    int64_t most = 1;
    term *keys, *values;
    adze_dtype dtype = ADZE_DTYPE_NONE;
    if (!adze_onnx_attr_str(node, "cast_to", &to) || !adze_onnx_attr_str(node, "map_form", &form) ||
        !adze_onnx_attr_int(node, "max_map", &most))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(to, types[i].name)) dtype = types[i].dtype;
    bool sparse = !strcmp(form, "SPARSE");
    if (dtype == ADZE_DTYPE_NONE) return adze_onnx_invalid(node, "attribute 'cast_to' is '%s'", to);
    if (!sparse && strcmp(form, "DENSE") != 0) return adze_onnx_invalid(node, "attribute 'map_form' is '%s'", form);
    if (sparse && (most < 1 || most > 1 << 28)) return adze_onnx_invalid(node, "max_map is %lld", (long long)most);
    if (!entries(node, &keys, &values)) return false;
    if (compose_dtype(keys) != ADZE_DTYPE_i64) return adze_onnx_invalid(node, "the keys of its map are no int64");
    term *row =
        sparse ? look_up(node, places(node, most), keys, values) : compose_unsqueeze(node, values, 0, 1);
    return compose_end(node, compose_cast(node, row, dtype));
}
