/* Index ops that are said with comparisons of positions, and older forms of ops that read by index. */
#include "ml.h"

#include <stdlib.h>
#include <string.h>

/* x where a comparison of its positions along the last two axes holds, else 0, of texts the empty one. */
bool adze_onnx_upgrade_trilu(adze_onnx_node *node)
{
    term *x, *k = adze_onnx_operand(node, 1);
    uint32_t rank;
    int64_t upper = 1;
    if (!adze_onnx_attr_flag(node, "upper", &upper) || !compose_operand(node, 0, 2, &x, &rank)) return false;
    term *row = compose_positions(node, x, rank - 2, 2, 0), *column = compose_positions(node, x, rank - 1, 2, 1);
    if (compose_rank(k) > 0 && compose_rank(k = compose_one(node, k)) > 0)
        return adze_onnx_invalid(node, "input 1 is no single number");
    if (k) row = compose2(node, "add", row, k);
    term *keeps = compose2(node, upper ? "less_equal" : "greater_equal", row, column);
    term *rest = compose_dtype(x) == ADZE_DTYPE_str ? adze_onnx_text(node, "") : compose_like(node, x, 0);
    return compose_end(node, compose3(node, "where", keeps, x, rest));
}

/* 1 on a diagonal. */
bool adze_onnx_upgrade_eye_like(adze_onnx_node *node)
{
    term *x;
    uint32_t rank;
    int64_t k = 0, number = 0;
    if (!adze_onnx_attr_int(node, "k", &k) || !adze_onnx_attr_int(node, "dtype", &number) ||
        !compose_operand(node, 0, 2, &x, &rank))
        return false;
    adze_dtype dtype = number ? adze_onnx_dtype(number) : compose_dtype(x);
    if (rank != 2) return adze_onnx_invalid(node, "input 0 is no matrix");
    if (dtype == ADZE_DTYPE_NONE) return adze_onnx_unsupported(node, "element type %lld", (long long)number);
    term *row = compose_positions(node, x, 0, 2, 0), *column = compose_positions(node, x, 1, 2, 1);
    row = compose2(node, "add", row, compose_number(node, ADZE_DTYPE_i64, (double)k));
    return compose_end(node, compose_cast(node, compose2(node, "equal", row, column), dtype));
}

/* Numbers 0 to depth - 1 along axis `at` of `rank`. */
static term *depth_positions(adze_onnx_node *node, term *depth, uint32_t rank, uint32_t at)
{
    double value;
    adze_context *context = node->import->context;
    if (adze_value_as_splat(depth, &value) && value >= 0 && value < 0x1p40)
        return compose_iota(node, adze_dim_const(context, (int64_t)value), rank, at);
    term *zero = compose_number(node, ADZE_DTYPE_i64, 0), *one = compose_number(node, ADZE_DTYPE_i64, 1);
    term *limit = compose_scalar(node, compose_cast(node, depth, ADZE_DTYPE_i64));
    term *line = compose3(node, "range", zero, limit, one);
    line = compose2(node, "expand", line, compose_unsqueeze(node, limit, 0, 1)); /* an error where it is negative */
    return rank - at > 1 ? compose_unsqueeze(node, line, 1, rank - at) : line;
}

/* on where the position along the new axis is the index, else off; negative indices count from the end. The axis has
 * depth entries, none where that is 0. */
bool adze_onnx_upgrade_one_hot(adze_onnx_node *node)
{
    term *index, *depth, *values;
    uint32_t rank, unused, axis;
    int64_t wanted = -1;
    if (!adze_onnx_attr_int(node, "axis", &wanted) || !compose_operand(node, 0, 0, &index, &rank) ||
        !compose_operand(node, 1, 0, &depth, &unused) || !compose_operand(node, 2, 1, &values, &unused) ||
        !compose_axis(node, wanted, rank + 1, &axis))
        return false;
    if (rank == ADZE_MAX_RANK) return adze_onnx_unsupported(node, "more than %d axes", ADZE_MAX_RANK);
    index = compose_unsqueeze(node, compose_cast(node, index, ADZE_DTYPE_i64), axis, axis + 1);
    term *size = compose_scalar(node, compose_cast(node, depth, ADZE_DTYPE_i64));
    term *below = compose2(node, "less", index, compose_number(node, ADZE_DTYPE_i64, 0));
    index = compose3(node, "where", below, compose2(node, "add", index, size), index);
    term *hot = compose2(node, "equal", index, depth_positions(node, depth, rank + 1, axis));
    term *on = compose_slice(node, values, 0, 1, 2, 1), *off = compose_slice(node, values, 0, 0, 1, 1);
    return compose_end(node, compose3(node, "where", hot, on, off));
}

/* 1 where the largest element along an axis stands first. Before opset 13 all axes from `axis` on are one. */
bool adze_onnx_upgrade_hardmax(adze_onnx_node *node)
{
    term *x;
    uint32_t rank, axis;
    bool flat = node->version < 13;
    int64_t wanted = flat ? 1 : -1;
    if (!adze_onnx_attr_int(node, "axis", &wanted) || !compose_operand(node, 0, 1, &x, &rank)) return false;
    term *rows = flat ? compose_with(node, "flatten", x, adze_attr_int("axis", wanted)) : x;
    if (!rows || !compose_axis(node, flat ? 1 : wanted, flat ? 2 : rank, &axis)) return false;
    uint32_t n = flat ? 2 : rank;
    term *best = compose_with(node, "argmax", rows, adze_attr_int("axis", axis));
    term *at = compose2(node, "equal", compose_positions(node, rows, axis, n - axis, 0), best);
    term *y = compose_cast(node, at, compose_dtype(x));
    if (flat) y = compose2(node, "reshape", y, compose1(node, "shape", x));
    return compose_end(node, y);
}

/* The name of scatter_elements before opset 11. */
bool adze_onnx_upgrade_scatter(adze_onnx_node *node)
{
    return adze_onnx_finish(node, "scatter_elements", NULL, 0);
}

/* The coordinates of the update's entries along axes 0 to n-1, [dims of these axes, n]; NULL after an error. Along the
 * last of them they begin at `first` [batch], if that is there, and go round the `extent`, if that is. */
static term *entry_places(adze_onnx_node *node, term *update, uint32_t n, term *first, term *extent)
{
    term *parts[ADZE_MAX_RANK], *dims = compose_slice(node, compose1(node, "shape", update), 0, 0, n, 1);
    for (uint32_t k = 0; k < n; k++) {
        term *at = compose_positions(node, update, k, n, k);
        if (k + 1 == n && first) at = compose2(node, "add", at, compose_unsqueeze(node, first, 1, n));
        if (k + 1 == n && extent) at = compose2(node, "mod", at, extent);
        parts[k] = compose_unsqueeze(node, compose2(node, "expand", at, dims), n, n + 1);
        if (!parts[k]) return NULL;
    }
    return compose_concat(node, parts, n, n);
}

/* An update written into a cache from a place a batch: scatter_nd of what lies behind the axis. */
bool adze_onnx_upgrade_tensor_scatter(adze_onnx_node *node)
{
    term *cache, *update;
    uint32_t rank, other, axis;
    int64_t wanted = -2;
    const char *mode = "linear";
    if (!adze_onnx_attr_int(node, "axis", &wanted) || !adze_onnx_attr_str(node, "mode", &mode) ||
        !compose_operand(node, 0, 2, &cache, &rank) || !compose_operand(node, 1, 2, &update, &other) ||
        !compose_axis(node, wanted, rank, &axis))
        return false;
    bool circular = !strcmp(mode, "circular");
    if (!circular && strcmp(mode, "linear")) return adze_onnx_invalid(node, "attribute 'mode' is '%s'", mode);
    if (other != rank || axis == 0) return adze_onnx_invalid(node, "ranks differ, or axis 0 is written along");
    term *extent = circular ? compose_scalar(node, compose_size(node, cache, axis)) : NULL;
    term *places = circular && !extent ? NULL :
                                         entry_places(node, update, axis + 1, adze_onnx_operand(node, 2), extent);
    return compose_end(node, compose3(node, "scatter_nd", cache, places, update));
}

/* Before opset 10: k as an attribute. */
bool adze_onnx_upgrade_topk(adze_onnx_node *node)
{
    int64_t k = 0;
    if (adze_onnx_attr(node, "k")) {
        if (!adze_onnx_attr_int(node, "k", &k)) return false;
        adze_ir_value *count = adze_onnx_was_attribute(node->import, adze_onnx_ints(node, "k", &k, 1), "TopK", "k");
        if (!adze_onnx_set_operand(node, 1, count)) return false;
    }
    return adze_onnx_finish_row(node);
}

/* For each text of the list where the last one like it stands; NULL after an error. The caller frees it. */
static int64_t *last_places(adze_onnx_node *node, const Pb__Attribute *texts)
{
    adze_map *last = adze_map_create();
    int64_t *places = calloc(texts->n_strings + 1, sizeof *places);
    if (!last || !places) {
        free(places);
        adze_map_destroy(last);
        return adze_onnx_invalid(node, "out of memory"), NULL;
    }
    for (int times = 0; times < 2; times++) /* all are noted, then each is looked up */
        for (size_t i = 0; i < texts->n_strings; i++) {
            const ProtobufCBinaryData *text = &texts->strings[i];
            const char *word = adze_intern(node->import->context, text->len ? (const char *)text->data : "", text->len);
            if (times == 0) adze_map_set(last, word, (void *)(uintptr_t)(i + 1));
            places[i] = (int64_t)(uintptr_t)adze_map_get(last, word) - 1;
        }
    adze_map_destroy(last);
    return places;
}

/* Texts are counted as the numbers of the pool's texts; of all others that is -1. */
bool adze_onnx_upgrade_tfidf(adze_onnx_node *node)
{
    static const char *const names[] = {"pool_strings", NULL};
    const Pb__Attribute *texts = adze_onnx_attr(node, names[0]);
    term *x = adze_onnx_operand(node, 0), *keys;
    int64_t none = -1;
    if (!texts || !texts->n_strings) return adze_onnx_finish_row(node);
    if (compose_dtype(x) != ADZE_DTYPE_str) return adze_onnx_invalid(node, "input 0 is not of strings");
    if (!adze_onnx_attr_list_of(node, names, "pool", &keys)) return false;
    int64_t *places = last_places(node, texts);
    if (!places) return false;
    term *in[] = {x, keys, adze_onnx_ints(node, "places", places, texts->n_strings),
                  adze_onnx_ints(node, "other", &none, 1)};
    node->in[0] = compose_all(node, "lookup", in, 4, 4, NULL, 0);
    adze_attr attr = adze_attr_ints("pool_int64s", places, texts->n_strings);
    bool ok = node->in[0] && adze_onnx_finish(node, "tfidf_vectorizer", &attr, 1);
    free(places);
    return ok;
}
