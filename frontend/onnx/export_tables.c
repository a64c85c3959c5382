/* Tables, trees and maps as ops of ai.onnx.ml: LabelEncoder, TreeEnsembleRegressor, TreeEnsemble, ZipMap, CastMap,
 * DictVectorizer. Their tables are attributes there, so what is computed cannot be said.
 */
#include "export.h"

#include <stdlib.h>
#include <string.h>

enum { T = 5, IS_TENSOR = 4 };

/* A constant of rank 1 or 2, or `what` is refused. */
typedef struct list {
    const void *data;
    int64_t count;
    adze_dtype dtype;
} list;

static bool read_list(adze_onnx_export *x, uint32_t operand, list *out)
{
    const adze_ir_value *value = adze_op_operand(x->op, operand);
    adze_const *constant = value ? adze_value_const(value) : NULL;
    *out = (list){0};
    if (!constant) return adze_onnx_refuse(x, "a table that is computed");
    out->dtype = adze_type_dtype(adze_const_type(constant));
    adze_dim_is_const(adze_type_count(adze_const_type(constant)), &out->count);
    out->data = adze_data_load(adze_const_data(constant));
    return out->data || !out->count || adze_onnx_refuse(x, "a table that cannot be read");
}

static void begin(adze_onnx_export *x, const char *op_type, int64_t least, int64_t most)
{
    adze_onnx_begin(x, op_type);
    x->draft.domain = ADZE_ONNX_ML;
    if (least > x->ml_least) x->ml_least = least;
    if (most < x->ml_most) x->ml_most = most;
    if (x->ml_least > x->ml_most)
        adze_onnx_refuse(x, "%s is in versions to %lld of ai.onnx.ml, and another op from %lld on", op_type,
                         (long long)x->ml_most, (long long)x->ml_least);
}

static void put_strings(adze_onnx_export *x, const char *name, const list *l)
{
    adze_onnx_strings_bytes(x, name, l->data, (uint64_t)l->count);
}

static void put_tensor(adze_onnx_export *x, const char *name, const list *l)
{
    adze_onnx_bytes bytes = {0};
    adze_onnx_put_int(&bytes, 1, l->count);
    adze_onnx_put_int(&bytes, 2, adze_onnx_dtype_number(l->dtype));
    adze_onnx_put_bytes(&bytes, 9, l->data, adze_dtype_bytes(l->dtype, (uint64_t)l->count));
    adze_onnx_message(x, name, T, IS_TENSOR, &bytes);
    adze_onnx_bytes_free(&bytes);
}

static void put_floats(adze_onnx_export *x, const char *name, const list *l)
{
    double *values = calloc((size_t)l->count + 1, sizeof *values);
    if (!values) abort();
    for (int64_t i = 0; i < l->count; i++) values[i] = (double)((const float *)l->data)[i];
    adze_onnx_float_list(x, name, values, (uint64_t)l->count);
    free(values);
}

/* As PREFIX_strings, _int64s or _floats, and _tensor for what has no list of its own. */
static void put_list(adze_onnx_export *x, const char *prefix, const list *l)
{
    if (l->dtype == ADZE_DTYPE_str)
        put_strings(x, adze_internf(x->context, "%s_strings", prefix), l);
    else if (l->dtype == ADZE_DTYPE_i64)
        adze_onnx_int_list(x, adze_internf(x->context, "%s_int64s", prefix), l->data, (uint64_t)l->count);
    else if (l->dtype == ADZE_DTYPE_f32)
        put_floats(x, adze_internf(x->context, "%s_floats", prefix), l);
    else
        put_tensor(x, adze_internf(x->context, "%s_tensor", prefix), l);
}

static void put_default(adze_onnx_export *x, const list *l)
{
    const adze_string *text = l->data;
    if (l->dtype == ADZE_DTYPE_str)
        adze_onnx_string_bytes(x, "default_string", text->data, text->size);
    else if (l->dtype == ADZE_DTYPE_i64)
        adze_onnx_int(x, "default_int64", *(const int64_t *)l->data);
    else if (l->dtype == ADZE_DTYPE_f32)
        adze_onnx_float(x, "default_float", (double)*(const float *)l->data);
    else
        put_tensor(x, "default_tensor", l);
}

/* The op that takes a map apart, if operand `index` comes of one. */
static const adze_op *entries_of(const adze_op *op, uint32_t index)
{
    const adze_ir_value *value = adze_op_operand(op, index);
    const adze_op *made = value ? adze_value_op(value) : NULL;
    return made && adze_op_is(made, "map_entries") ? made : NULL;
}

static bool say_dict_vectorizer(adze_onnx_export *x, const adze_op *entries)
{
    list words;
    if (!read_list(x, 0, &words)) return false;
    if (words.dtype != ADZE_DTYPE_str && words.dtype != ADZE_DTYPE_i64)
        return adze_onnx_refuse(x, "keys of a map that are neither int64 nor strings");
    begin(x, "DictVectorizer", 1, 5);
    adze_onnx_in(x, adze_onnx_name(x, adze_op_operand(entries, 0)));
    adze_onnx_out(x, adze_onnx_result(x, 0));
    if (words.dtype == ADZE_DTYPE_str) put_strings(x, "string_vocabulary", &words);
    else adze_onnx_int_list(x, "int64_vocabulary", words.data, (uint64_t)words.count);
    return adze_onnx_end(x);
}

static bool say_lookup(adze_onnx_export *x)
{
    list keys, values, rest;
    const adze_op *entries = entries_of(x->op, 1);
    if (entries && entries == entries_of(x->op, 2)) return say_dict_vectorizer(x, entries);
    if (!adze_op_operand(x->op, 3)) return adze_onnx_refuse(x, "an error for what is no key of its table");
    if (!read_list(x, 1, &keys) || !read_list(x, 2, &values) || !read_list(x, 3, &rest)) return false;
    begin(x, "LabelEncoder", 4, 5);
    adze_onnx_in(x, adze_onnx_argument(x, 0));
    adze_onnx_out(x, adze_onnx_result(x, 0));
    put_default(x, &rest);
    put_list(x, "keys", &keys);
    put_list(x, "values", &values);
    return adze_onnx_end(x);
}

/* ---- Maps ---- */

static bool say_zip_map(adze_onnx_export *x)
{
    list keys;
    if (!read_list(x, 1, &keys)) return false;
    bool text = keys.dtype == ADZE_DTYPE_str;
    if (!text && keys.dtype != ADZE_DTYPE_i64)
        return adze_onnx_refuse(x, "keys of maps that are neither int64 nor strings");
    begin(x, "ZipMap", 1, 5);
    adze_onnx_in(x, adze_onnx_argument(x, 0));
    adze_onnx_out(x, adze_onnx_result(x, 0));
    if (text) put_strings(x, "classlabels_strings", &keys);
    else adze_onnx_int_list(x, "classlabels_int64s", keys.data, (uint64_t)keys.count);
    return adze_onnx_end(x);
}

/* Nothing by itself: those that read keys and values say it. */
static bool say_entries(adze_onnx_export *x)
{
    for (uint32_t i = 0; i < 2; i++)
        for (adze_use *use = adze_value_first_use(adze_op_result(x->op, i)); use; use = adze_use_next(use))
            if (!adze_op_is(adze_use_op(use), "lookup") && !(i == 1 && adze_op_is(adze_use_op(use), "unsqueeze")))
                return adze_onnx_refuse(x, "keys or values of a map for themselves");
    return true;
}

static bool say_unsqueeze(adze_onnx_export *x)
{
    const adze_op *entries = entries_of(x->op, 0);
    if (!entries) return adze_onnx_say_as(x, "Unsqueeze");
    begin(x, "CastMap", 1, 5);
    adze_onnx_in(x, adze_onnx_name(x, adze_op_operand(entries, 0)));
    adze_onnx_out(x, adze_onnx_result(x, 0));
    bool text = adze_type_dtype(adze_value_type(adze_op_result(x->op, 0))) == ADZE_DTYPE_str;
    adze_onnx_string(x, "cast_to", text ? "TO_STRING" : "TO_FLOAT");
    return adze_onnx_end(x);
}

/* ---- Trees ---- */

enum { X, ROOTS, NODES, SPLITS, LEAVES, TARGETS, WEIGHTS, OPERANDS, COLUMNS = 5 };

/* A node of a tree under the ids of its tree and its own, leaves among them. */
typedef struct named_node {
    int64_t tree, id, feature, missing, first, second;
    double split;
    const char *mode;
} named_node;

typedef struct named_leaf {
    int64_t tree, id, target;
    double weight;
} named_leaf;

typedef struct named {
    named_node *nodes;
    named_leaf *leaves;
    int64_t n, capacity, n_leaves, leaf_capacity;
} named;

/* Room for one more. */
static void *grown(void *array, int64_t count, int64_t *capacity, size_t size)
{
    if (count < *capacity) return array;
    *capacity = *capacity ? 2 * *capacity : 256;
    void *more = realloc(array, (size_t)*capacity * size);
    if (!more) abort();
    return more;
}

static int64_t add_node(named *t, int64_t tree, int64_t id)
{
    t->nodes = grown(t->nodes, t->n, &t->capacity, sizeof *t->nodes);
    t->nodes[t->n] = (named_node){.tree = tree, .id = id, .mode = "LEAF"};
    return t->n++;
}

static bool add_leaf(adze_onnx_export *x, named *t, const list *in, int64_t tree, int64_t id, int64_t leaf)
{
    const int64_t *starts = in[LEAVES].data, *targets = in[TARGETS].data;
    add_node(t, tree, id);
    if (leaf < 0 || leaf + 1 >= in[LEAVES].count || starts[leaf] < 0 || starts[leaf + 1] > in[WEIGHTS].count)
        return adze_onnx_refuse(x, "trees whose tables are not sound");
    for (int64_t i = starts[leaf]; i < starts[leaf + 1]; i++, t->n_leaves++) {
        t->leaves = grown(t->leaves, t->n_leaves, &t->leaf_capacity, sizeof *t->leaves);
        t->leaves[t->n_leaves] = (named_leaf){tree, id, targets[i], (double)((const float *)in[WEIGHTS].data)[i]};
    }
    return true;
}

/* One tree from its root, a node before its children; nodes that several share are there for each. */
static bool add_tree(adze_onnx_export *x, named *t, const list *in, int64_t tree, int64_t most)
{
    static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                        "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
    const int64_t *nodes = in[NODES].data, n_nodes = in[NODES].count / COLUMNS;
    struct {
        int64_t at, row; /* where it lies, and which row is its parent's; -1: none */
        bool second;
    } stack[512];
    int depth = 0;
    int64_t next = 0;
    stack[depth].at = ((const int64_t *)in[ROOTS].data)[tree];
    stack[depth].row = -1;
    stack[depth++].second = false;
    while (depth) {
        int64_t at = stack[--depth].at, row = stack[depth].row, id = next++;
        if (row >= 0) *(stack[depth].second ? &t->nodes[row].second : &t->nodes[row].first) = id;
        if (t->n > most) return adze_onnx_refuse(x, "trees that share most of their nodes");
        if (at < 0) {
            if (!add_leaf(x, t, in, tree, id, -1 - at)) return false;
            continue;
        }
        if (at >= n_nodes || nodes[at * COLUMNS + 1] < 0 || nodes[at * COLUMNS + 1] > 5)
            return adze_onnx_refuse(x, "trees whose tables are not sound");
        const int64_t *node = nodes + at * COLUMNS;
        int64_t me = add_node(t, tree, id);
        t->nodes[me].feature = node[0];
        t->nodes[me].mode = modes[node[1]];
        t->nodes[me].missing = node[2];
        t->nodes[me].split = (double)((const float *)in[SPLITS].data)[at];
        if (depth + 2 > 512) return adze_onnx_refuse(x, "trees of more than 500 levels");
        for (int k = 1; k >= 0; k--, depth++) {
            stack[depth].at = node[3 + k];
            stack[depth].row = me;
            stack[depth].second = k == 1;
        }
    }
    return true;
}

/* One member, of eight bytes, of each of `n` structs of `size` bytes, from `first` on; for the caller to free. */
static void *members(const void *first, int64_t n, size_t size)
{
    enum { WIDTH = 8 };
    char *values = calloc((size_t)n + 1, WIDTH);
    if (!values) abort();
    for (int64_t i = 0; i < n; i++) memcpy(values + (size_t)i * WIDTH, (const char *)first + (size_t)i * size, WIDTH);
    return values;
}

static void put_ints(adze_onnx_export *x, const char *name, const int64_t *first, int64_t n, size_t size)
{
    int64_t *values = members(first, n, size);
    adze_onnx_int_list(x, name, values, (uint64_t)n);
    free(values);
}

static void put_doubles(adze_onnx_export *x, const char *name, const double *first, int64_t n, size_t size)
{
    double *values = members(first, n, size);
    adze_onnx_float_list(x, name, values, (uint64_t)n);
    free(values);
}

static void put_named(adze_onnx_export *x, const named *t)
{
    static const char *const aggregates[][2] = {{"sum", "SUM"}, {"average", "AVERAGE"}, {"min", "MIN"}, {"max", "MAX"}};
    static const named_node none;
    static const named_leaf no_leaf;
    const named_node *node = t->nodes ? t->nodes : &none;
    const named_leaf *leaf = t->leaves ? t->leaves : &no_leaf;
    const char **modes = calloc((size_t)t->n + 1, sizeof *modes);
    if (!modes) abort();
    for (int64_t i = 0; i < t->n; i++) modes[i] = t->nodes[i].mode;
    for (size_t i = 0; i < 4; i++)
        if (!strcmp(adze_op_attr_str(x->op, "aggregate"), aggregates[i][0]))
            adze_onnx_string(x, "aggregate_function", aggregates[i][1]);
    adze_onnx_int(x, "n_targets", adze_op_attr_int(x->op, "n_targets"));
    put_ints(x, "nodes_falsenodeids", &node->second, t->n, sizeof *node);
    put_ints(x, "nodes_featureids", &node->feature, t->n, sizeof *node);
    put_ints(x, "nodes_missing_value_tracks_true", &node->missing, t->n, sizeof *node);
    adze_onnx_strings(x, "nodes_modes", modes);
    put_ints(x, "nodes_nodeids", &node->id, t->n, sizeof *node);
    put_ints(x, "nodes_treeids", &node->tree, t->n, sizeof *node);
    put_ints(x, "nodes_truenodeids", &node->first, t->n, sizeof *node);
    put_doubles(x, "nodes_values", &node->split, t->n, sizeof *node);
    put_ints(x, "target_ids", &leaf->target, t->n_leaves, sizeof *leaf);
    put_ints(x, "target_nodeids", &leaf->id, t->n_leaves, sizeof *leaf);
    put_ints(x, "target_treeids", &leaf->tree, t->n_leaves, sizeof *leaf);
    put_doubles(x, "target_weights", &leaf->weight, t->n_leaves, sizeof *leaf);
    free((void *)modes);
}

static bool say_regressor(adze_onnx_export *x, const list *in)
{
    named t = {0};
    int64_t most = 4 * (in[NODES].count / COLUMNS + in[ROOTS].count) + 1024;
    bool ok = true;
    for (int64_t i = 0; ok && i < in[ROOTS].count; i++) ok = add_tree(x, &t, in, i, most);
    begin(x, "TreeEnsembleRegressor", 3, 4);
    adze_onnx_in(x, adze_onnx_argument(x, X));
    adze_onnx_out(x, adze_onnx_result(x, 0));
    if (ok) put_named(x, &t);
    free(t.nodes);
    free(t.leaves);
    return ok && adze_onnx_end(x);
}

/* Column `column` of the nodes, or -1 - it where it is a leaf; `leaf`: whether it is. */
static void put_column(adze_onnx_export *x, const char *name, const list *nodes, int column, bool leaf)
{
    int64_t n = nodes->count / COLUMNS, *values = calloc((size_t)n + 1, sizeof *values);
    if (!values) abort();
    for (int64_t i = 0; i < n; i++) {
        int64_t value = ((const int64_t *)nodes->data)[i * COLUMNS + column];
        values[i] = leaf ? value < 0 : value < 0 ? -1 - value : value;
    }
    adze_onnx_int_list(x, name, values, (uint64_t)n);
    free(values);
}

static void put_modes(adze_onnx_export *x, const list *nodes)
{
    list modes = {.count = nodes->count / COLUMNS, .dtype = ADZE_DTYPE_u8};
    uint8_t *bytes = calloc((size_t)modes.count + 1, 1);
    if (!bytes) abort();
    for (int64_t i = 0; i < modes.count; i++) bytes[i] = (uint8_t)((const int64_t *)nodes->data)[i * COLUMNS + 1];
    modes.data = bytes;
    put_tensor(x, "nodes_modes", &modes);
    free(bytes);
}

/* The newest form, whose leaves have one weight each. */
static bool say_placed(adze_onnx_export *x, const list *in)
{
    static const char *const aggregates[] = {"average", "sum", "min", "max"};
    const int64_t *starts = in[LEAVES].data, *roots = in[ROOTS].data;
    for (int64_t i = 0; i < in[LEAVES].count; i++)
        if (starts[i] != i) return adze_onnx_refuse(x, "trees of f16 or f64 whose leaves have not one weight each");
    for (int64_t i = 0; i < in[ROOTS].count; i++)
        if (roots[i] < 0) return adze_onnx_refuse(x, "trees of f16 or f64 that are one leaf");
    begin(x, "TreeEnsemble", 5, 5);
    adze_onnx_in(x, adze_onnx_argument(x, X));
    adze_onnx_out(x, adze_onnx_result(x, 0));
    for (int64_t i = 0; i < 4; i++)
        if (!strcmp(adze_op_attr_str(x->op, "aggregate"), aggregates[i])) adze_onnx_int(x, "aggregate_function", i);
    adze_onnx_int_list(x, "leaf_targetids", in[TARGETS].data, (uint64_t)in[TARGETS].count);
    put_tensor(x, "leaf_weights", &in[WEIGHTS]);
    adze_onnx_int(x, "n_targets", adze_op_attr_int(x->op, "n_targets"));
    put_column(x, "nodes_falseleafs", &in[NODES], 4, true);
    put_column(x, "nodes_falsenodeids", &in[NODES], 4, false);
    put_column(x, "nodes_featureids", &in[NODES], 0, false);
    put_column(x, "nodes_missing_value_tracks_true", &in[NODES], 2, false);
    put_modes(x, &in[NODES]);
    put_tensor(x, "nodes_splits", &in[SPLITS]);
    put_column(x, "nodes_trueleafs", &in[NODES], 3, true);
    put_column(x, "nodes_truenodeids", &in[NODES], 3, false);
    adze_onnx_int_list(x, "tree_roots", roots, (uint64_t)in[ROOTS].count);
    return adze_onnx_end(x);
}

static bool say_trees(adze_onnx_export *x)
{
    list in[OPERANDS];
    adze_dtype dtype = adze_type_dtype(adze_value_type(adze_op_operand(x->op, X)));
    for (uint32_t i = ROOTS; i < OPERANDS; i++)
        if (!read_list(x, i, &in[i])) return false;
    return dtype == ADZE_DTYPE_f32 ? say_regressor(x, in) : say_placed(x, in);
}

adze_onnx_speaker *adze_onnx_table_find(const char *op)
{
    static const struct {
        const char *op;
        adze_onnx_speaker *speaker;
    } rows[] = {{"lookup", say_lookup},        {"map_entries", say_entries}, {"tree_ensemble", say_trees},
                {"unsqueeze", say_unsqueeze}, {"zip_map", say_zip_map}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].op, op)) return rows[i].speaker;
    return NULL;
}
