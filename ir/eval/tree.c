/* tree_ensemble: decision trees. Each row walks down every tree; what the leaves say is added up, or the least or the
 * largest counts. A child stands behind its node, so a walk ends whatever the tables hold. Sums are in double. */
#include "copy.h"

enum { FEATURE, MODE, MISSING, FIRST, SECOND, COLUMNS };
enum { LESS_EQUAL, LESS, GREATER_EQUAL, GREATER, EQUAL, NOT_EQUAL };
enum { X, ROOTS, NODES, SPLITS, LEAVES, TARGETS, WEIGHTS, OPERANDS };
enum { SUM, AVERAGE, MIN, MAX };

typedef struct forest {
    const int64_t *roots, *nodes, *leaves, *targets;
    const void *splits; /* f32, or f64 where x is */
    int64_t n_roots, n_nodes, n_leaves, n_weights, n_features, n_targets;
    const adze_value *weights;
    int aggregate;
    double *totals; /* of one row, a target each */
    bool *seen;
} forest;

/* The leaf that a row comes to from node `at`; -1 where the tables are not sound. */
#define WALK(T)                                                                                    \
    static int64_t leaf_##T(const forest *f, const T *row, int64_t at)                             \
    {                                                                                              \
        const T *splits = f->splits;                                                               \
        while (at >= 0) {                                                                          \
            if (at >= f->n_nodes) return -1;                                                       \
            const int64_t *node = f->nodes + at * COLUMNS;                                         \
            if (node[FEATURE] < 0 || node[FEATURE] >= f->n_features) return -1;                    \
            T value = row[node[FEATURE]], split = splits[at];                                      \
            bool first;                                                                            \
            switch (node[MODE]) {                                                                  \
            case LESS_EQUAL: first = value <= split; break;                                        \
            case LESS: first = value < split; break;                                               \
            case GREATER_EQUAL: first = value >= split; break;                                     \
            case GREATER: first = value > split; break;                                            \
            case EQUAL: first = value == split; break;                                             \
            case NOT_EQUAL: first = value != split; break;                                         \
            default: return -1;                                                                    \
            }                                                                                      \
            int64_t next = node[first || (node[MISSING] && value != value) ? FIRST : SECOND];      \
            if (next >= 0 && next <= at) return -1;                                                \
            at = next;                                                                             \
        }                                                                                          \
        return -1 - at < f->n_leaves ? -1 - at : -1;                                               \
    }
WALK(float)
WALK(double)

static void take(const forest *f, int64_t target, double weight)
{
    double *total = &f->totals[target];
    bool more = f->aggregate == MAX ? weight > *total : weight < *total;
    if (f->aggregate == SUM || f->aggregate == AVERAGE)
        *total += weight;
    else if (!f->seen[target] || more)
        *total = weight;
    f->seen[target] = true;
}

/* Adds what a leaf says; false where the tables are not sound. */
static bool take_leaf(const forest *f, int64_t leaf)
{
    int64_t end = f->leaves[leaf + 1];
    if (f->leaves[leaf] < 0 || end > f->n_weights) return false;
    for (int64_t i = f->leaves[leaf]; i < end; i++) {
        if (f->targets[i] < 0 || f->targets[i] >= f->n_targets) return false;
        take(f, f->targets[i], ev_get_f64(f->weights, i));
    }
    return true;
}

/* The elements as they are walked with: f32 and f64 as they lie, smaller floats as f32. NULL: no memory. */
static const void *wide(const adze_env *env, const adze_value *v)
{
    if (v->dtype == ADZE_DTYPE_f32 || v->dtype == ADZE_DTYPE_f64) return v->data;
    int64_t count = (int64_t)adze_value_count(v);
    float *copy = ev_scratch(env, (uint64_t)count, sizeof *copy);
    for (int64_t i = 0; copy && i < count; i++) copy[i] = (float)ev_get_f64(v, i);
    return copy;
}

static adze_status read_forest(const adze_env *env, const adze_value *in, const struct adze_tree_ensemble_attrs *a,
                               forest *f)
{
    for (int i = 0; i < OPERANDS; i++) {
        bool tables = i == ROOTS || i == NODES || i == LEAVES || i == TARGETS;
        uint32_t dtype = tables ? ADZE_DTYPE_i64 : in->dtype;
        if (in[i].rank != (i == X || i == NODES ? 2 : 1))
            return ev_fail(env, ADZE_ERR_RANK, "tree_ensemble: ranks do not fit");
        if (in[i].dtype != dtype || !ev_is_float(in->dtype)) return ev_bad_dtype(env);
    }
    *f = (forest){.roots = in[ROOTS].data, .nodes = in[NODES].data, .leaves = in[LEAVES].data,
                  .targets = in[TARGETS].data, .weights = &in[WEIGHTS], .n_roots = in[ROOTS].dims[0],
                  .n_nodes = in[NODES].dims[0], .n_leaves = in[LEAVES].dims[0] - 1, .n_weights = in[WEIGHTS].dims[0],
                  .n_features = in[X].dims[1], .n_targets = a->n_targets};
    f->aggregate = ev_text_is(a->aggregate, "sum")       ? SUM
                   : ev_text_is(a->aggregate, "average") ? AVERAGE
                   : ev_text_is(a->aggregate, "min")     ? MIN
                   : ev_text_is(a->aggregate, "max")     ? MAX
                                                         : -1;
    if (f->aggregate < 0) return ev_fail(env, ADZE_ERR_VALUE, "tree_ensemble: unknown aggregate");
    if (in[NODES].dims[1] != COLUMNS || in[SPLITS].dims[0] != f->n_nodes || in[TARGETS].dims[0] != f->n_weights ||
        f->n_leaves < 0 || f->n_targets < 1)
        return ev_fail(env, ADZE_ERR_DIM, "tree_ensemble: dims do not fit");
    return ADZE_OK;
}

/* One row through all trees into f->totals; false where the tables are not sound. */
static bool run_row(const forest *f, const void *row, bool is_double)
{
    memset(f->totals, 0, (size_t)f->n_targets * sizeof *f->totals);
    memset(f->seen, 0, (size_t)f->n_targets * sizeof *f->seen);
    for (int64_t i = 0; i < f->n_roots; i++) {
        int64_t leaf = is_double ? leaf_double(f, row, f->roots[i]) : leaf_float(f, row, f->roots[i]);
        if (leaf < 0 || !take_leaf(f, leaf)) return false;
    }
    for (int64_t i = 0; f->aggregate == AVERAGE && i < f->n_targets && f->n_roots; i++)
        f->totals[i] /= (double)f->n_roots;
    return true;
}

adze_status eval_tree_ensemble(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                               uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    forest f = {0};
    adze_status status = read_forest(env, in, attrs, &f);
    if (status != ADZE_OK) return status;
    status = ev_result(env, out, in->dtype, 2, (const int64_t[]){in->dims[0], f.n_targets});
    if (status != ADZE_OK) return status;
    bool is_double = in->dtype == ADZE_DTYPE_f64;
    const uint8_t *rows = wide(env, &in[X]);
    f.splits = wide(env, &in[SPLITS]);
    f.totals = ev_scratch(env, (uint64_t)f.n_targets, sizeof *f.totals);
    f.seen = ev_scratch(env, (uint64_t)f.n_targets, sizeof *f.seen);
    if (!rows || !f.splits || !f.totals || !f.seen) return ev_no_memory(env);
    int64_t row_bytes = f.n_features * (is_double ? 8 : 4);
    for (int64_t i = 0; i < in->dims[0]; i++) {
        if (!run_row(&f, rows + i * row_bytes, is_double))
            return ev_fail(env, ADZE_ERR_VALUE, "tree_ensemble: an entry of its tables is out of range");
        ev_store_f64(out->dtype, out->data, i * f.n_targets, 1, f.n_targets, f.totals);
    }
    return ADZE_OK;
}
