/* TreeEnsembleRegressor and TreeEnsembleClassifier (nodes by the ids of tree and node, leaves among them), and
 * TreeEnsemble (nodes and leaves by their places). Base values count for every target, whether a leaf names it or not.
 */
#include "trees.h"

#include <stdlib.h>
#include <string.h>

enum { LESS_EQUAL, LESS, GREATER_EQUAL, GREATER, EQUAL, NOT_EQUAL, MEMBER };

/* ---- Nodes by their ids ---- */

/* A node of a tree as its ids say, and where it stands in the attributes. */
typedef struct named {
    int64_t tree, node;
    size_t at;
} named;

/* The attributes of nodes, each with as many entries as there are nodes. */
typedef struct listed {
    size_t n;
    const int64_t *trees, *ids, *features, *first, *second, *missing;
    const Pb__Attribute *modes;
    double *values;
    adze_dtype dtype; /* of the values */
    named *names;     /* sorted */
    int64_t *places;  /* of each node: its branch, or -1 - its leaf */
} listed;

static int compare(const void *left, const void *right)
{
    const named *a = left, *b = right;
    if (a->tree != b->tree) return a->tree < b->tree ? -1 : 1;
    return (a->node > b->node) - (a->node < b->node);
}

static bool read_ints(adze_onnx_node *node, const char *name, bool needed, size_t n, const int64_t **out)
{
    size_t count = 0;
    *out = NULL;
    if (!adze_onnx_attr_ints(node, name, out, &count)) return false;
    if (!*out && !needed) return true;
    return count == n || adze_onnx_invalid(node, "'%s' has %zu entries for %zu nodes", name, count, n);
}

static bool read_listed(adze_onnx_node *node, listed *l)
{
    enum { STRINGS = 8 };
    size_t count = 0;
    if (!adze_onnx_attr_ints(node, "nodes_treeids", &l->trees, &l->n)) return false;
    if (!l->n) return adze_onnx_invalid(node, "has no nodes");
    if (!read_ints(node, "nodes_nodeids", true, l->n, &l->ids) ||
        !read_ints(node, "nodes_featureids", true, l->n, &l->features) ||
        !read_ints(node, "nodes_truenodeids", true, l->n, &l->first) ||
        !read_ints(node, "nodes_falsenodeids", true, l->n, &l->second))
        return false;
    size_t missing = 0;
    if (!adze_onnx_attr_ints(node, "nodes_missing_value_tracks_true", &l->missing, &missing)) return false;
    if (!missing) l->missing = NULL;
    if (missing && missing != l->n)
        return adze_onnx_invalid(node, "'nodes_missing_value_tracks_true' has %zu entries for %zu nodes", missing,
                                 l->n);
    l->modes = adze_onnx_attr(node, "nodes_modes");
    if (!l->modes || (l->modes->type && l->modes->type != STRINGS) || l->modes->n_strings != l->n)
        return adze_onnx_invalid(node, "'nodes_modes' has %zu entries for %zu nodes",
                                 l->modes ? l->modes->n_strings : 0, l->n);
    const char *name = adze_onnx_attr(node, "nodes_values_as_tensor") ? "nodes_values_as_tensor" : "nodes_values";
    if (!adze_onnx_numbers(node, name, &l->values, &count, &l->dtype)) return false;
    return count == l->n || adze_onnx_invalid(node, "'%s' has %zu entries for %zu nodes", name, count, l->n);
}

/* The mode's number, -1 of a leaf, -2 if it is not known. */
static int mode_of(const listed *l, size_t i)
{
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ",
                                        "BRANCH_NEQ"};
    ProtobufCBinaryData text = l->modes->strings[i];
    if (text.len == 4 && !memcmp(text.data, "LEAF", 4)) return -1;
    for (int k = 0; k < (int)(sizeof names / sizeof *names); k++)
        if (text.len == strlen(names[k]) && !memcmp(text.data, names[k], text.len)) return k;
    return -2;
}

/* NULL: there is none. */
static const named *find(const listed *l, int64_t tree, int64_t id)
{
    named key = {tree, id, 0};
    return bsearch(&key, l->names, l->n, sizeof *l->names, compare);
}

/* Numbers branches and leaves, and sorts the nodes by their ids. */
static bool place_nodes(adze_onnx_node *node, listed *l, adze_onnx_trees *t)
{
    l->names = calloc(l->n, sizeof *l->names);
    l->places = calloc(l->n, sizeof *l->places);
    if (!l->names || !l->places) return adze_onnx_invalid(node, "out of memory");
    for (size_t i = 0; i < l->n; i++) {
        int mode = mode_of(l, i);
        l->names[i] = (named){l->trees[i], l->ids[i], i};
        if (mode == -2)
            return adze_onnx_invalid(node, "mode '%.*s' of a node is not known", (int)l->modes->strings[i].len,
                                     (const char *)l->modes->strings[i].data);
        l->places[i] = mode < 0 ? -1 - t->n_leaves++ : t->n_branches++;
    }
    qsort(l->names, l->n, sizeof *l->names, compare);
    for (size_t i = 1; i < l->n; i++)
        if (!compare(&l->names[i - 1], &l->names[i]))
            return adze_onnx_invalid(node, "node %lld of tree %lld is there twice", (long long)l->names[i].node,
                                     (long long)l->names[i].tree);
    return true;
}

static bool fill_branches(adze_onnx_node *node, const listed *l, adze_onnx_trees *t, bool *is_child)
{
    t->branches = calloc((size_t)t->n_branches + 1, sizeof *t->branches);
    if (!t->branches) return adze_onnx_invalid(node, "out of memory");
    for (size_t i = 0; i < l->n; i++) {
        if (l->places[i] < 0) continue;
        adze_onnx_branch *b = &t->branches[l->places[i]];
        *b = (adze_onnx_branch){.feature = l->features[i], .mode = mode_of(l, i), .split = l->values[i],
                                .missing = l->missing && l->missing[i]};
        for (int k = 0; k < 2; k++) {
            int64_t id = k ? l->second[i] : l->first[i];
            const named *child = find(l, l->trees[i], id);
            if (!child)
                return adze_onnx_invalid(node, "tree %lld has no node %lld", (long long)l->trees[i], (long long)id);
            b->child[k] = l->places[child->at];
            is_child[child->at] = true;
        }
    }
    return true;
}

/* The root of each tree is the node that is no child. */
static bool find_roots(adze_onnx_node *node, const listed *l, adze_onnx_trees *t, const bool *is_child)
{
    t->roots = calloc(l->n, sizeof *t->roots);
    if (!t->roots) return adze_onnx_invalid(node, "out of memory");
    for (size_t i = 0, end; i < l->n; i = end) {
        int64_t tree = l->names[i].tree, before = t->n_roots;
        for (end = i; end < l->n && l->names[end].tree == tree; end++)
            if (!is_child[l->names[end].at]) t->roots[t->n_roots++] = l->places[l->names[end].at];
        if (t->n_roots != before + 1)
            return adze_onnx_invalid(node, "tree %lld has %lld roots", (long long)tree,
                                     (long long)(t->n_roots - before));
    }
    return true;
}

/* The weights of leaves: attributes PREFIX_treeids, _nodeids, _ids, _weights. */
static bool read_weights(adze_onnx_node *node, const listed *l, adze_onnx_trees *t, const char *prefix)
{
    adze_context *context = node->import->context;
    const int64_t *trees = NULL, *ids, *targets;
    double *weights;
    size_t n = 0, count = 0;
    const char *name = adze_internf(context, "%s_weights_as_tensor", prefix);
    if (!adze_onnx_attr(node, name)) name = adze_internf(context, "%s_weights", prefix);
    if (!adze_onnx_attr_ints(node, adze_internf(context, "%s_treeids", prefix), &trees, &n) ||
        !read_ints(node, adze_internf(context, "%s_nodeids", prefix), true, n, &ids) ||
        !read_ints(node, adze_internf(context, "%s_ids", prefix), true, n, &targets) ||
        !adze_onnx_numbers(node, name, &weights, &count, NULL))
        return false;
    bool ok = count == n || adze_onnx_invalid(node, "'%s' has %zu entries for %zu weights", name, count, n);
    int64_t *leaf = calloc(n + 1, sizeof *leaf);
    t->starts = calloc((size_t)t->n_leaves + 2, sizeof *t->starts);
    t->targets = calloc(n + 1, sizeof *t->targets);
    t->weights = calloc(n + 1, sizeof *t->weights);
    if (ok && (!leaf || !t->starts || !t->targets || !t->weights)) ok = adze_onnx_invalid(node, "out of memory");
    for (size_t i = 0; ok && i < n; i++) {
        const named *at = find(l, trees[i], ids[i]);
        if (!at || l->places[at->at] >= 0)
            ok = adze_onnx_invalid(node, "tree %lld has no leaf %lld", (long long)trees[i], (long long)ids[i]);
        else
            t->starts[(leaf[i] = -1 - l->places[at->at]) + 2]++;
    }
    /* starts[i + 1] is where leaf i is written next; in the end it is where it ends. */
    for (int64_t i = 2; ok && i < t->n_leaves + 2; i++) t->starts[i] += t->starts[i - 1];
    for (size_t i = 0; ok && i < n; i++) {
        int64_t to = t->starts[leaf[i] + 1]++;
        t->targets[to] = targets[i];
        t->weights[to] = weights[i];
    }
    t->n_weights = (int64_t)n;
    free(leaf);
    free(weights);
    return ok;
}

/* Everything but how many targets there are. The element type in which the trees are walked is that of x, f64 where x
 * is of integers or the numbers of the nodes are. */
static bool read_trees(adze_onnx_node *node, adze_onnx_trees *t, const char *prefix, adze_dtype *out_dtype)
{
    listed l = {0};
    bool ok = read_listed(node, &l) && place_nodes(node, &l, t);
    bool *is_child = calloc(l.n + 1, sizeof *is_child);
    ok = ok && (is_child || adze_onnx_invalid(node, "out of memory"));
    ok = ok && fill_branches(node, &l, t, is_child) && find_roots(node, &l, t, is_child) &&
         read_weights(node, &l, t, prefix);
    adze_dtype given = node->n_in ? compose_dtype(node->in[0]) : ADZE_DTYPE_NONE;
    *out_dtype = given == ADZE_DTYPE_f32 && l.dtype == ADZE_DTYPE_f32 ? ADZE_DTYPE_f32 : ADZE_DTYPE_f64;
    free(is_child);
    free(l.values);
    free(l.names);
    free(l.places);
    return ok;
}

static bool read_base(adze_onnx_node *node, term **out)
{
    static const char *const names[] = {"base_values_as_tensor", "base_values", NULL};
    return adze_onnx_attr_list_of(node, names, NULL, out);
}

/* Adds base values: one for each of `count` scores. */
static bool add_base(adze_onnx_node *node, term *base, int64_t count, term **scores)
{
    if (compose_count(base) == 0) return true;
    if (compose_count(base) != count)
        return adze_onnx_invalid(node, "%lld base values for %lld scores", (long long)compose_count(base),
                                 (long long)count);
    *scores = compose2(node, "add", *scores, compose_cast(node, base, compose_dtype(*scores)));
    return *scores != NULL;
}

bool adze_onnx_ml_tree_regressor(adze_onnx_node *node)
{
    static const char *const theirs[] = {"SUM", "AVERAGE", "MIN", "MAX"}, *const ours[] = {"sum", "average", "min",
                                                                                           "max"};
    adze_onnx_trees t = {.n_targets = 1};
    adze_dtype dtype;
    const char *transform, *aggregate = "SUM";
    term *base;
    if (!ml_read_transform(node, &transform) || !read_base(node, &base) ||
        !adze_onnx_attr_int(node, "n_targets", &t.n_targets) ||
        !adze_onnx_attr_str(node, "aggregate_function", &aggregate))
        return false;
    for (int i = 0; i < 4; i++)
        if (!strcmp(aggregate, theirs[i])) t.aggregate = ours[i];
    if (!t.aggregate) return adze_onnx_invalid(node, "attribute 'aggregate_function' is '%s'", aggregate);
    bool ok = read_trees(node, &t, "target", &dtype);
    term *x = ok ? ml_rows(node, 0, dtype) : NULL, *scores = x ? adze_onnx_trees_build(node, &t, x) : NULL;
    int64_t targets = t.n_targets;
    adze_onnx_trees_free(&t);
    if (!scores || !add_base(node, base, targets, &scores)) return false;
    return compose_end(node, ml_transform(node, transform, compose_cast(node, scores, ADZE_DTYPE_f32)));
}

/* ---- Classes ---- */

/* Of two classes only one is named by leaves: its id, else -1. *out_positive: no weight is below 0. */
static int64_t only_class(const adze_onnx_trees *t, bool *out_positive)
{
    int64_t only = t->n_weights ? t->targets[0] : -1;
    *out_positive = true;
    for (int64_t i = 0; i < t->n_weights; i++) {
        if (t->targets[i] != only) only = -1;
        if (t->weights[i] < 0) *out_positive = false;
    }
    return t->n_targets == 2 ? only : -1;
}

/* One score stands for two classes: the second one is meant above 0.5, or above 0 where weights are negative. */
static bool say_two(adze_onnx_node *node, term *labels, const char *transform, term *scores, int64_t only,
                    bool positive)
{
    term *score = compose_slice(node, scores, 1, only, only + 1, 1);
    node->out[0] = ml_labels(node, labels, ml_above(node, score, positive ? 0.5 : 0));
    if (node->n_out < 2 || !node->out[0]) return node->out[0] != NULL;
    if (only == 0) {
        bool done = strcmp(transform, "PROBIT") != 0;
        scores = ml_second_class(node, transform, score, positive, true);
        node->out[1] = done ? scores : ml_transform(node, transform, scores);
    } else {
        node->out[1] = ml_transform(node, transform, scores);
    }
    return node->out[1] != NULL;
}

bool adze_onnx_ml_tree_classifier(adze_onnx_node *node)
{
    adze_onnx_trees t = {.aggregate = "sum"};
    adze_dtype dtype;
    const char *transform;
    term *labels, *base;
    if (!ml_read_transform(node, &transform) || !ml_read_labels(node, "classlabels_int64s", &labels) ||
        !read_base(node, &base))
        return false;
    t.n_targets = compose_count(labels);
    bool ok = read_trees(node, &t, "class", &dtype), positive;
    int64_t only = ok ? only_class(&t, &positive) : -1, classes = t.n_targets;
    term *x = ok ? ml_rows(node, 0, dtype) : NULL, *scores = x ? adze_onnx_trees_build(node, &t, x) : NULL;
    adze_onnx_trees_free(&t);
    if (compose_count(base) > 1) only = -1;
    if (!scores || !add_base(node, base, only < 0 ? classes : 1, &scores)) return false;
    scores = compose_cast(node, scores, ADZE_DTYPE_f32);
    if (only >= 0) return say_two(node, labels, transform, scores, only, positive);
    node->out[0] = ml_labels(node, labels, ml_best(node, scores));
    if (node->n_out > 1) node->out[1] = ml_transform(node, transform, scores);
    return node->out[0] && (node->n_out < 2 || node->out[1]);
}

/* ---- Nodes by their places ---- */

/* The attributes of TreeEnsemble. */
typedef struct placed {
    size_t n, n_leaves, n_members;
    const int64_t *features, *first, *second, *first_leaf, *second_leaf, *missing;
    double *modes, *splits, *members;
} placed;

static bool count_is(adze_onnx_node *node, const char *name, size_t count, size_t want)
{
    return count == want || adze_onnx_invalid(node, "'%s' has %zu entries for %zu nodes", name, count, want);
}

static bool read_placed(adze_onnx_node *node, placed *p)
{
    size_t modes, splits;
    if (!adze_onnx_attr_ints(node, "nodes_featureids", &p->features, &p->n)) return false;
    if (!p->n) return adze_onnx_invalid(node, "has no nodes");
    size_t missing = 0;
    bool ok = read_ints(node, "nodes_truenodeids", true, p->n, &p->first) &&
              read_ints(node, "nodes_falsenodeids", true, p->n, &p->second) &&
              read_ints(node, "nodes_trueleafs", true, p->n, &p->first_leaf) &&
              read_ints(node, "nodes_falseleafs", true, p->n, &p->second_leaf) &&
              adze_onnx_attr_ints(node, "nodes_missing_value_tracks_true", &p->missing, &missing) &&
              (!missing || count_is(node, "nodes_missing_value_tracks_true", missing, p->n)) &&
              adze_onnx_numbers(node, "nodes_modes", &p->modes, &modes, NULL) &&
              count_is(node, "nodes_modes", modes, p->n) &&
              adze_onnx_numbers(node, "nodes_splits", &p->splits, &splits, NULL) &&
              count_is(node, "nodes_splits", splits, p->n) &&
              adze_onnx_numbers(node, "membership_values", &p->members, &p->n_members, NULL);
    if (!missing) p->missing = NULL;
    return ok;
}

/* A leaf is one weight. */
static bool read_leaves(adze_onnx_node *node, adze_onnx_trees *t)
{
    const int64_t *targets = NULL;
    size_t n = 0, count = 0;
    if (!adze_onnx_attr_ints(node, "leaf_targetids", &targets, &n) ||
        !adze_onnx_numbers(node, "leaf_weights", &t->weights, &count, NULL))
        return false;
    if (count != n) return adze_onnx_invalid(node, "%zu leaf_weights for %zu leaf_targetids", count, n);
    t->n_leaves = t->n_weights = (int64_t)n;
    t->starts = calloc(n + 1, sizeof *t->starts);
    t->targets = calloc(n + 1, sizeof *t->targets);
    if (!t->starts || !t->targets) return adze_onnx_invalid(node, "out of memory");
    for (size_t i = 0; i < n; i++) t->targets[i] = targets[i];
    for (size_t i = 0; i <= n; i++) t->starts[i] = (int64_t)i;
    return true;
}

/* A child by its place; one that is nowhere is said when the trees are built. */
static int64_t child_of(const int64_t *ids, const int64_t *leaves, size_t i)
{
    return leaves[i] ? (ids[i] < 0 ? INT64_MIN : -1 - ids[i]) : ids[i] < 0 ? INT64_MAX : ids[i];
}

/* Membership of a set becomes a branch for each member, one behind the other, whose last one goes on. */
static bool place_members(adze_onnx_node *node, const placed *p, adze_onnx_trees *t, adze_onnx_branch base, size_t at,
                          size_t *next)
{
    size_t here = at;
    bool first = true;
    base.mode = EQUAL;
    base.split = __builtin_nan("");
    for (; *next < p->n_members && p->members[*next] == p->members[*next]; ++*next) {
        if (!first) {
            t->branches[here].child[1] = t->n_branches;
            here = (size_t)t->n_branches++;
        }
        base.split = p->members[*next];
        t->branches[here] = base;
        first = false;
    }
    if (first) t->branches[here] = base; /* an empty set: equal to nothing */
    if (*next == p->n_members) return adze_onnx_invalid(node, "membership_values has no set for node %zu", at);
    ++*next;
    return true;
}

static bool place_branches(adze_onnx_node *node, const placed *p, adze_onnx_trees *t)
{
    t->branches = calloc(p->n + p->n_members + 1, sizeof *t->branches);
    if (!t->branches) return adze_onnx_invalid(node, "out of memory");
    t->n_branches = (int64_t)p->n;
    size_t next = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!(p->modes[i] >= (double)LESS_EQUAL && p->modes[i] <= (double)MEMBER))
            return adze_onnx_invalid(node, "mode %g of a node is not known", p->modes[i]);
        adze_onnx_branch b = {.feature = p->features[i], .mode = (int64_t)p->modes[i], .split = p->splits[i],
                              .missing = p->missing && p->missing[i]};
        b.child[0] = child_of(p->first, p->first_leaf, i);
        b.child[1] = child_of(p->second, p->second_leaf, i);
        t->branches[i] = b;
        if (b.mode == MEMBER && !place_members(node, p, t, b, i, &next)) return false;
    }
    return true;
}

bool adze_onnx_ml_tree_ensemble(adze_onnx_node *node)
{
    static const char *const transforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    static const char *const aggregates[] = {"average", "sum", "min", "max"};
    int64_t transform = 0, aggregate = 1;
    const int64_t *roots = NULL;
    size_t n_roots = 0;
    adze_onnx_trees t = {.n_targets = 1};
    placed p = {0};
    if (!adze_onnx_attr_int(node, "post_transform", &transform) ||
        !adze_onnx_attr_int(node, "n_targets", &t.n_targets) ||
        !adze_onnx_attr_int(node, "aggregate_function", &aggregate) ||
        !adze_onnx_attr_ints(node, "tree_roots", &roots, &n_roots))
        return false;
    adze_dtype dtype = node->n_in && node->in[0] ? compose_dtype(node->in[0]) : ADZE_DTYPE_NONE;
    if (adze_dtype_get_kind(dtype) != ADZE_KIND_FLOAT) return adze_onnx_invalid(node, "its input holds no floats");
    if (transform < 0 || transform > 4 || aggregate < 0 || aggregate > 3)
        return adze_onnx_invalid(node, "post_transform %lld and aggregate_function %lld", (long long)transform,
                                 (long long)aggregate);
    t.aggregate = aggregates[aggregate];
    bool ok = read_placed(node, &p) && read_leaves(node, &t) && place_branches(node, &p, &t);
    t.roots = calloc(n_roots + 1, sizeof *t.roots);
    if (ok && !t.roots) ok = adze_onnx_invalid(node, "out of memory");
    for (size_t i = 0; ok && i < n_roots; i++)
        if ((t.roots[i] = roots[i]) < 0) ok = adze_onnx_invalid(node, "root %lld", (long long)roots[i]);
    t.n_roots = (int64_t)n_roots;
    term *x = ok ? ml_rows(node, 0, dtype) : NULL, *y = x ? adze_onnx_trees_build(node, &t, x) : NULL;
    adze_onnx_trees_free(&t);
    free(p.modes);
    free(p.splits);
    free(p.members);
    return compose_end(node, y ? ml_transform(node, transforms[transform], y) : NULL);
}
