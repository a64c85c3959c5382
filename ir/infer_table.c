/* Result types of ops that look up in tables: lookup, tree_ensemble, couple_probabilities. */
#include "ir/infer.h"
#include "ir/rows.h"

#include <string.h>

static bool fail(const adze_op *op, const char *what, uint32_t operand)
{
    return adze_error(adze_op_loc(op), "%s: operand %u is %s, %s", adze_op_name(op), operand + 1,
                      infer_type_text(op, operand), what);
}

bool infer_lookup(adze_op *op, const adze_type **out_types)
{
    inferred x, keys, values, rest;
    if (!infer_tensor(op, 0, &x) || !infer_ranked(op, 1, 1, 1, &keys) || !infer_ranked(op, 2, 1, 1, &values))
        return false;
    if (keys.dtype != x.dtype) return fail(op, "not of the first one's element type", 1);
    bool number = adze_dtype_get_kind(x.dtype) != ADZE_KIND_COMPLEX;
    if (!number) return fail(op, "neither numbers nor strings", 0);
    if (adze_dtype_bits(values.dtype) % 8) return fail(op, "elements that are no whole bytes", 2);
    if (keys.ranked && values.ranked && !adze_dim_compatible(keys.dims[0], values.dims[0]))
        return fail(op, "not as many as there are keys", 2);
    if (infer_operand(op, 3)) {
        if (!infer_tensor(op, 3, &rest)) return false;
        const adze_dim *count =
            adze_type_is_ranked(infer_operand(op, 3)) ? adze_type_count(infer_operand(op, 3)) : NULL;
        if (rest.dtype != values.dtype ||
            (count && !adze_dim_compatible(count, adze_dim_const(adze_op_context(op), 1))))
            return fail(op, "not one value", 3);
    }
    x.dtype = values.dtype;
    return infer_result(op, out_types, 0, &x);
}

static bool infer_forest(const adze_op *op, inferred *x)
{
    enum { NODES = 2, SPLITS, LEAVES, TARGETS, WEIGHTS, COLUMNS = 5 };
    inferred tables[7];
    if (!infer_ranked(op, 0, 2, 2, x)) return false;
    if (adze_dtype_get_kind(x->dtype) != ADZE_KIND_FLOAT) return fail(op, "not floats", 0);
    for (uint32_t i = 1; i < 7; i++) {
        uint32_t rank = i == NODES ? 2 : 1;
        bool floats = i == SPLITS || i == WEIGHTS;
        if (!infer_ranked(op, i, rank, rank, &tables[i])) return false;
        if (tables[i].dtype != (floats ? x->dtype : ADZE_DTYPE_i64)) return fail(op, "of another element type", i);
    }
    const adze_dim *columns = adze_dim_const(adze_op_context(op), COLUMNS);
    if (tables[NODES].ranked && !adze_dim_compatible(tables[NODES].dims[1], columns))
        return fail(op, "not of 5 columns", NODES);
    if (tables[NODES].ranked && tables[SPLITS].ranked &&
        !adze_dim_compatible(tables[NODES].dims[0], tables[SPLITS].dims[0]))
        return fail(op, "not as many as there are nodes", SPLITS);
    if (tables[TARGETS].ranked && tables[WEIGHTS].ranked &&
        !adze_dim_compatible(tables[TARGETS].dims[0], tables[WEIGHTS].dims[0]))
        return fail(op, "not as many as there are targets", WEIGHTS);
    return true;
}

bool infer_tree_ensemble(adze_op *op, const adze_type **out_types)
{
    static const char *const known[] = {"sum", "average", "min", "max"};
    inferred x;
    int64_t targets = adze_op_attr_int(op, "n_targets");
    const char *aggregate = adze_op_attr_str(op, "aggregate");
    bool is_known = false;
    if (!infer_forest(op, &x)) return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) is_known = is_known || !strcmp(aggregate, known[i]);
    if (!is_known) return adze_error(adze_op_loc(op), "tree_ensemble knows no aggregate '%s'", aggregate);
    if (targets < 1 || targets > INT32_MAX)
        return adze_error(adze_op_loc(op), "tree_ensemble: n_targets is %lld", (long long)targets);
    if (!x.ranked) x = infer_unknown_dims(op, x.dtype, 2);
    x.dims[1] = adze_dim_const(adze_op_context(op), targets);
    return infer_result(op, out_types, 0, &x);
}

bool infer_couple_probabilities(adze_op *op, const adze_type **out_types)
{
    inferred r;
    if (!infer_ranked(op, 0, 3, 3, &r)) return false;
    if (adze_dtype_get_kind(r.dtype) != ADZE_KIND_FLOAT) return fail(op, "not floats", 0);
    if (r.ranked && !adze_dim_compatible(r.dims[1], r.dims[2])) return fail(op, "not as wide as high", 0);
    if (!r.ranked) r = infer_unknown_dims(op, r.dtype, 3);
    r.rank = 2;
    return infer_result(op, out_types, 0, &r);
}
