/* Ops of ai.onnx.ml that prepare features: arithmetic on columns, and tables from one kind of value to another. */
#include "ml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers are computed with in f64 where they come so, else in f32. */
static term *as_float(adze_onnx_node *node, term *x)
{
    return compose_cast(node, x, compose_dtype(x) == ADZE_DTYPE_f64 ? ADZE_DTYPE_f64 : ADZE_DTYPE_f32);
}

/* The operand, which must be of numbers. */
static bool numbers(adze_onnx_node *node, int least, term **out, uint32_t *rank)
{
    if (!compose_operand(node, 0, least, out, rank)) return false;
    return compose_dtype(*out) != ADZE_DTYPE_str || adze_onnx_invalid(node, "input 0 is of strings");
}

/* A list with one entry, or one for each column of x, in the element type of x; NULL after an error. */
static term *per_column(adze_onnx_node *node, const char *name, term *x)
{
    term *list;
    int64_t columns;
    if (!adze_onnx_attr_list(node, name, &list)) return NULL;
    int rank = compose_rank(x);
    if (!list) return adze_onnx_invalid(node, "attribute '%s' is missing", name), NULL;
    bool known = rank > 0 && adze_dim_is_const(compose_dim(x, (uint32_t)rank - 1), &columns);
    if (compose_dtype(list) == ADZE_DTYPE_str || (compose_count(list) != 1 && known && compose_count(list) != columns))
        return adze_onnx_invalid(node, "attribute '%s' has %lld entries for %lld columns", name,
                                 (long long)compose_count(list), (long long)(known ? columns : 0)), NULL;
    return compose_cast(node, list, compose_dtype(x));
}

bool adze_onnx_ml_array_feature_extractor(adze_onnx_node *node)
{
    term *x, *index;
    uint32_t rank, index_rank;
    if (!compose_operand(node, 0, 1, &x, &rank) || !compose_operand(node, 1, 0, &index, &index_rank)) return false;
    if (index_rank != 1) index = compose2(node, "reshape", index, compose_int(node, -1));
    if (rank == 1) x = compose_unsqueeze(node, x, 0, 1);
    adze_attr axis = adze_attr_int("axis", rank == 1 ? 1 : rank - 1);
    return compose_end(node, compose_all(node, "gather", (term *[]){x, index}, 2, 2, &axis, 1));
}

bool adze_onnx_ml_binarizer(adze_onnx_node *node)
{
    term *x;
    uint32_t rank;
    double threshold = 0;
    if (!numbers(node, 0, &x, &rank) || !adze_onnx_attr_float(node, "threshold", &threshold)) return false;
    adze_dtype dtype = compose_dtype(x);
    term *wide = dtype == ADZE_DTYPE_f32 ? x : compose_cast(node, x, ADZE_DTYPE_f64);
    term *above = compose2(node, "greater", wide, compose_like(node, wide, (double)(float)threshold));
    return compose_end(node, compose_cast(node, above, dtype));
}

bool adze_onnx_ml_scaler(adze_onnx_node *node)
{
    term *x;
    uint32_t rank;
    if (!numbers(node, 1, &x, &rank)) return false;
    x = as_float(node, x);
    term *offset = per_column(node, "offset", x), *scale = offset ? per_column(node, "scale", x) : NULL;
    term *y = compose2(node, "mul", compose2(node, "sub", x, offset), scale);
    return compose_end(node, compose_cast(node, y, ADZE_DTYPE_f32));
}

/* Elements of one value become others. */
bool adze_onnx_ml_imputer(adze_onnx_node *node)
{
    term *x, *missing;
    uint32_t rank;
    double replaced = 0;
    int64_t replaced_int = 0;
    if (!numbers(node, 1, &x, &rank) || !adze_onnx_attr_float(node, "replaced_value_float", &replaced) ||
        !adze_onnx_attr_int(node, "replaced_value_int64", &replaced_int))
        return false;
    bool floats = adze_dtype_get_kind(compose_dtype(x)) == ADZE_KIND_FLOAT;
    if (floats && isnan(replaced))
        missing = compose1(node, "isnan", x);
    else if (floats)
        missing = compose2(node, "equal", x, compose_like(node, x, (double)(float)replaced));
    else
        missing = compose2(node, "equal", compose_cast(node, x, ADZE_DTYPE_i64),
                           compose_scalar(node, compose_int(node, replaced_int)));
    term *values = per_column(node, floats ? "imputed_value_floats" : "imputed_value_int64s", x);
    return compose_end(node, compose3(node, "where", missing, values, x));
}

/* Rows divided by their largest element, the sum of magnitudes or the length; where that is 0 they stay. */
bool adze_onnx_ml_normalizer(adze_onnx_node *node)
{
    term *x, *by;
    uint32_t rank;
    const char *norm = "MAX";
    if (!numbers(node, 1, &x, &rank) || !adze_onnx_attr_str(node, "norm", &norm)) return false;
    int64_t axis = rank == 1 ? 0 : 1;
    x = as_float(node, x);
    if (!strcmp(norm, "MAX"))
        by = compose_reduce(node, "reduce_max", x, &axis, 1, true);
    else if (!strcmp(norm, "L1"))
        by = compose_reduce(node, "reduce_l1", x, &axis, 1, true);
    else if (!strcmp(norm, "L2"))
        by = compose_reduce(node, "reduce_l2", x, &axis, 1, true);
    else
        return adze_onnx_invalid(node, "attribute 'norm' is '%s'", norm);
    term *none = compose2(node, "equal", by, compose_like(node, by, 0));
    by = compose3(node, "where", none, compose_like(node, by, 1), by);
    return compose_end(node, compose_cast(node, compose2(node, "div", x, by), ADZE_DTYPE_f32));
}

/* Features of one input: as many columns as are wanted, zeros behind those that are there. */
static term *feature(adze_onnx_node *node, uint32_t index, int64_t wanted)
{
    term *x = ml_rows(node, index, ADZE_DTYPE_f32);
    int64_t columns;
    if (!x || wanted < 0) return x;
    if (!adze_dim_is_const(compose_dim(x, 1), &columns))
        return adze_onnx_undetermined(node, "input %u has an unknown number of columns", index), NULL;
    if (columns > wanted) return compose_slice(node, x, 1, 0, wanted, 1);
    if (columns == wanted) return x;
    int64_t pads[] = {0, 0, 0, wanted - columns};
    return compose2(node, "pad", x, compose_ints(node, pads, 4));
}

bool adze_onnx_ml_feature_vectorizer(adze_onnx_node *node)
{
    const int64_t *wanted = NULL;
    size_t count = 0;
    if (!adze_onnx_attr_ints(node, "inputdimensions", &wanted, &count)) return false;
    if (!node->n_in || (wanted && count != node->n_in))
        return adze_onnx_invalid(node, "has %u inputs and %zu inputdimensions", node->n_in, count);
    term **parts = calloc(node->n_in, sizeof(term *));
    if (!parts) return adze_onnx_invalid(node, "out of memory");
    bool ok = true;
    for (uint32_t i = 0; ok && i < node->n_in; i++) {
        if (wanted && (wanted[i] < 0 || wanted[i] > INT32_MAX))
            ok = adze_onnx_invalid(node, "entry %u of inputdimensions is %lld", i, (long long)wanted[i]);
        ok = ok && (parts[i] = feature(node, i, wanted ? wanted[i] : -1)) != NULL;
    }
    ok = ok && compose_end(node, compose_concat(node, parts, node->n_in, 1));
    free(parts);
    return ok;
}

/* ---- Tables ---- */

static term *look_up(adze_onnx_node *node, term *x, term *keys, term *values, term *rest)
{
    return compose_all(node, "lookup", (term *[]){x, keys, values, rest}, rest ? 4 : 3, 3, NULL, 0);
}

/* What tables are called, whatever the attributes of the op and version are that hold them. */
static const char *const table[] = {"keys", "values"}, *const missing = "default";

/* A one at the index of the category; where there is none, zeros, or an error. */
bool adze_onnx_ml_one_hot_encoder(adze_onnx_node *node)
{
    term *x, *cats;
    uint32_t rank;
    int64_t zeros = 1;
    if (!compose_operand(node, 0, 0, &x, &rank) || !adze_onnx_attr_flag(node, "zeros", &zeros)) return false;
    bool text = compose_dtype(x) == ADZE_DTYPE_str;
    const char *const names[] = {text ? "cats_strings" : "cats_int64s", NULL};
    const Pb__Attribute *listed = adze_onnx_attr(node, *names);
    int64_t n = !listed ? 0 : (int64_t)(text ? listed->n_strings : listed->n_ints);
    term *count = compose_count_up(node, "ints", n); /* not the table, which becomes an attribute */
    if (!adze_onnx_attr_list_of(node, names, table[0], &cats)) return false;
    if (!cats) return adze_onnx_invalid(node, "attribute '%s' is missing", *names);
    if (rank == ADZE_MAX_RANK) return adze_onnx_unsupported(node, "more than %d axes", ADZE_MAX_RANK);
    if (!text) x = compose_cast(node, x, ADZE_DTYPE_i64);
    term *places = compose_count_up(node, table[1], n);
    term *index = look_up(node, x, cats, places, zeros ? adze_onnx_ints(node, missing, &(int64_t){-1}, 1) : NULL);
    term *hot = compose2(node, "equal", compose_unsqueeze(node, index, rank, rank + 1), count);
    return compose_end(node, compose_cast(node, hot, ADZE_DTYPE_f32));
}

/* Strings to integers, or back. `numbers` NULL: they count up. */
static bool two_ways(adze_onnx_node *node, const char *texts, const char *numbers)
{
    term *x, *of[2], *rest;
    uint32_t rank;
    int64_t number = -1;
    if (!compose_operand(node, 0, 0, &x, &rank) || !adze_onnx_attr_int(node, "default_int64", &number)) return false;
    const Pb__Attribute *listed = adze_onnx_attr(node, texts);
    bool from_text = compose_dtype(x) == ADZE_DTYPE_str;
    for (int i = 0; i < 2; i++) {
        const char *const names[] = {(i == 0) == from_text ? texts : numbers, NULL};
        if (!*names)
            of[i] = compose_count_up(node, table[i], listed ? (int64_t)listed->n_strings : 0);
        else if (!adze_onnx_attr_list_of(node, names, table[i], &of[i]))
            return false;
        if (!of[i]) return adze_onnx_invalid(node, "one of its lists is missing");
    }
    rest = from_text ? adze_onnx_ints(node, missing, &number, 1)
                     : adze_onnx_attr_text(node, "default_string", missing, "_Unused");
    return compose_end(node, rest ? look_up(node, x, of[0], of[1], rest) : NULL);
}

bool adze_onnx_ml_category_mapper(adze_onnx_node *node) { return two_ways(node, "cats_strings", "cats_int64s"); }

/* What stands for a missing value: by the attribute of its kind, or what that has by default. */
static bool rest_of(adze_onnx_node *node, term *values, term **out)
{
    static const char *const names[] = {"default_tensor", NULL};
    int64_t number = -1;
    double real = -0.0;
    adze_dtype dtype = compose_dtype(values);
    if (!adze_onnx_attr_int(node, "default_int64", &number) ||
        !adze_onnx_attr_float(node, "default_float", &real) || !adze_onnx_attr_list_of(node, names, missing, out))
        return false;
    if (!*out)
        *out = dtype == ADZE_DTYPE_str   ? adze_onnx_attr_text(node, "default_string", missing, "_Unused")
               : dtype == ADZE_DTYPE_i64 ? adze_onnx_ints(node, missing, &number, 1)
               : adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT
                   ? adze_onnx_scalar(node, missing, dtype, (double)(float)real)
                   : adze_onnx_scalar(node, missing, dtype, -1);
    return *out != NULL;
}

bool adze_onnx_ml_label_encoder(adze_onnx_node *node)
{
    static const char *const keys_of[] = {"keys_strings", "keys_int64s", "keys_floats", "keys_tensor", NULL};
    static const char *const values_of[] = {"values_strings", "values_int64s", "values_floats", "values_tensor", NULL};
    term *x, *keys, *values, *rest;
    uint32_t rank;
    if (adze_onnx_attr(node, "classes_strings")) return two_ways(node, "classes_strings", NULL);
    if (!compose_operand(node, 0, 0, &x, &rank) || !adze_onnx_attr_list_of(node, keys_of, table[0], &keys) ||
        !adze_onnx_attr_list_of(node, values_of, table[1], &values))
        return false;
    if (!keys || !values) return adze_onnx_invalid(node, "has no %s", keys ? "values" : "keys");
    return rest_of(node, values, &rest) && compose_end(node, look_up(node, x, keys, values, rest));
}
