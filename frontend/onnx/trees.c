/* Trees in any order into tables in which children stand behind their nodes. */
#include "trees.h"

#include <adze/interp.h>

#include <stdlib.h>
#include <string.h>

void adze_onnx_trees_free(adze_onnx_trees *t)
{
    free(t->branches);
    free(t->roots);
    free(t->starts);
    free(t->targets);
    free(t->weights);
    *t = (adze_onnx_trees){0};
}

bool adze_onnx_numbers(adze_onnx_node *node, const char *name, double **out, size_t *out_count, adze_dtype *out_dtype)
{
    term *list;
    *out = NULL;
    *out_count = 0;
    if (!adze_onnx_attr_list(node, name, &list)) return false;
    if (!list) return true;
    adze_const *constant = adze_value_const(list);
    size_t count = (size_t)compose_count(list);
    if (compose_dtype(list) == ADZE_DTYPE_str) return adze_onnx_invalid(node, "attribute '%s' is of strings", name);
    adze_value value = {.kind = ADZE_VALUE_TENSOR, .dtype = compose_dtype(list)};
    value.data = (void *)(uintptr_t)adze_data_load(adze_const_data(constant));
    double *numbers = calloc(count + 1, sizeof *numbers);
    bool ok = (value.data || !count) && (numbers || adze_onnx_invalid(node, "out of memory"));
    for (size_t i = 0; ok && i < count; i++) numbers[i] = adze_value_real(&value, i);
    if (out_dtype) *out_dtype = compose_dtype(list);
    adze_const_erase(constant);
    if (!ok) free(numbers);
    if (ok) *out = numbers;
    *out_count = ok ? count : 0;
    return ok;
}

static bool check_child(adze_onnx_node *node, const adze_onnx_trees *t, int64_t child)
{
    bool ok = child >= 0 ? child < t->n_branches : -1 - child < t->n_leaves;
    return ok || adze_onnx_invalid(node, "%s %lld of its trees is not there", child >= 0 ? "node" : "leaf",
                                   (long long)(child >= 0 ? child : -1 - child));
}

static bool check(adze_onnx_node *node, const adze_onnx_trees *t, term *x)
{
    int64_t columns;
    bool known = adze_dim_is_const(compose_dim(x, 1), &columns);
    for (int64_t i = 0; i < t->n_roots; i++)
        if (!check_child(node, t, t->roots[i])) return false;
    for (int64_t i = 0; i < t->n_branches; i++) {
        const adze_onnx_branch *b = &t->branches[i];
        if (!check_child(node, t, b->child[0]) || !check_child(node, t, b->child[1])) return false;
        if (b->feature < 0 || (known && b->feature >= columns))
            return adze_onnx_invalid(node, "node %lld of its trees looks at feature %lld", (long long)i,
                                     (long long)b->feature);
    }
    for (int64_t i = 0; i < t->n_weights; i++)
        if (t->targets[i] < 0 || t->targets[i] >= t->n_targets)
            return adze_onnx_invalid(node, "a leaf of its trees is for target %lld of %lld", (long long)t->targets[i],
                                     (long long)t->n_targets);
    return true;
}

/* order[i] = the new number of branch i: a node follows its parents, and its first child follows it where it can. A
 * node that many share waits for all of them. False if some wait for ever: they form a cycle. */
static bool number_branches(const adze_onnx_trees *t, int64_t *order, int64_t *waits, int64_t *stack)
{
    int64_t depth = 0, next = 0;
    for (int64_t i = 0; i < t->n_branches; i++)
        for (int k = 0; k < 2; k++)
            if (t->branches[i].child[k] >= 0) waits[t->branches[i].child[k]]++;
    for (int64_t i = t->n_branches; i-- > 0;)
        if (!waits[i]) stack[depth++] = i;
    while (depth) {
        int64_t at = stack[--depth];
        order[at] = next++;
        for (int k = 1; k >= 0; k--) {
            int64_t child = t->branches[at].child[k];
            if (child >= 0 && --waits[child] == 0) stack[depth++] = child;
        }
    }
    return next == t->n_branches;
}

static term *constant(adze_onnx_node *node, const char *what, adze_dtype dtype, int64_t count, int64_t columns,
                      const void *values)
{
    static const int64_t none[1];
    int64_t dims[] = {count, columns};
    const adze_type *type = adze_type_tensor_const(node->import->context, dtype, columns ? 2 : 1, dims);
    const char *name = adze_internf(node->import->context, "%s_%s", node->name, what);
    return adze_const_make(node->import->module, name, type, count ? values : none);
}

/* Numbers in the element type of x. */
static term *reals(adze_onnx_node *node, const char *what, term *x, int64_t count, const double *values)
{
    adze_dtype dtype = compose_dtype(x);
    uint8_t *narrow = calloc((size_t)count + 1, sizeof *values);
    if (!narrow) return adze_onnx_invalid(node, "out of memory"), NULL;
    adze_value list = {.kind = ADZE_VALUE_TENSOR, .dtype = dtype, .rank = 1, .dims = &count, .data = narrow};
    for (int64_t i = 0; i < count; i++) adze_value_set_real(&list, (uint64_t)i, values[i]);
    term *made = constant(node, what, dtype, count, 0, narrow);
    free(narrow);
    return made;
}

static term *build(adze_onnx_node *node, adze_onnx_trees *t, term *x, const int64_t *order, int64_t *table,
                   double *splits)
{
    enum { COLUMNS = 5 };
    for (int64_t i = 0; i < t->n_branches; i++) {
        const adze_onnx_branch *b = &t->branches[i];
        int64_t *row = table + order[i] * COLUMNS;
        row[0] = b->feature;
        row[1] = b->mode;
        row[2] = b->missing;
        for (int k = 0; k < 2; k++) row[3 + k] = b->child[k] < 0 ? b->child[k] : order[b->child[k]];
        splits[order[i]] = b->split;
    }
    for (int64_t i = 0; i < t->n_roots; i++)
        if (t->roots[i] >= 0) t->roots[i] = order[t->roots[i]];
    term *in[] = {x,
                  constant(node, "roots", ADZE_DTYPE_i64, t->n_roots, 0, t->roots),
                  constant(node, "nodes", ADZE_DTYPE_i64, t->n_branches, COLUMNS, table),
                  reals(node, "splits", x, t->n_branches, splits),
                  constant(node, "leaves", ADZE_DTYPE_i64, t->n_leaves + 1, 0, t->starts),
                  constant(node, "targets", ADZE_DTYPE_i64, t->n_weights, 0, t->targets),
                  reals(node, "weights", x, t->n_weights, t->weights)};
    adze_attr attrs[] = {adze_attr_str("aggregate", t->aggregate), adze_attr_int("n_targets", t->n_targets)};
    return compose_all(node, "tree_ensemble", in, 7, 7, attrs, 2);
}

term *adze_onnx_trees_build(adze_onnx_node *node, adze_onnx_trees *t, term *x)
{
    if (t->n_targets < 1 || t->n_targets > INT32_MAX)
        return adze_onnx_invalid(node, "%lld targets", (long long)t->n_targets), NULL;
    if (!x || !check(node, t, x)) return NULL;
    size_t n = (size_t)t->n_branches + 1;
    int64_t *order = calloc(n, sizeof *order), *waits = calloc(n, sizeof *waits), *stack = calloc(n, sizeof *stack);
    int64_t *table = calloc(n, 5 * sizeof *table);
    double *splits = calloc(n, sizeof *splits);
    term *made = NULL;
    if (!order || !waits || !stack || !table || !splits)
        adze_onnx_invalid(node, "out of memory");
    else if (!number_branches(t, order, waits, stack))
        adze_onnx_invalid(node, "the nodes of its trees form a cycle");
    else
        made = build(node, t, x, order, table, splits);
    free(order);
    free(waits);
    free(stack);
    free(table);
    free(splits);
    return made;
}
