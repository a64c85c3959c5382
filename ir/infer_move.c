/* Result types of ops that put elements elsewhere by rule. */
#include "ir/infer.h"
#include "ir/rows.h"

#include <string.h>

bool infer_transpose(adze_op *op, const adze_type **out_types)
{
    const struct adze_transpose_attrs *a = (const void *)adze_op_attrs(op);
    inferred x;
    if (!infer_tensor(op, 0, &x)) return false;
    if (!x.ranked) {
        if (a->perm.count && a->perm.count <= ADZE_MAX_RANK)
            x = infer_unknown_dims(op, x.dtype, (uint32_t)a->perm.count);
        return infer_result(op, out_types, 0, &x);
    }
    if (a->perm.count && a->perm.count != x.rank)
        return adze_error(adze_op_loc(op), "perm has %llu entries but the operand is %s",
                          (unsigned long long)a->perm.count, infer_type_text(op, 0));
    inferred out = x;
    uint32_t seen = 0;
    for (uint32_t i = 0; i < x.rank; i++) {
        uint32_t axis = x.rank - 1 - i;
        if (a->perm.count && !infer_axis(op, a->perm.data[i], x.rank, &axis)) return false;
        if (seen & 1u << axis) return adze_error(adze_op_loc(op), "perm names axis %u twice", axis);
        seen |= 1u << axis;
        out.dims[i] = x.dims[axis];
    }
    return infer_result(op, out_types, 0, &out);
}

/* The stated layout stays; everything else is the operand's. */
bool infer_relayout(adze_op *op, const adze_type **out_types)
{
    inferred x;
    return infer_tensor(op, 0, &x) && infer_result(op, out_types, 0, &x);
}

bool infer_concat(adze_op *op, const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    inferred out, x;
    uint32_t axis = 0;
    if (!infer_tensor(op, 0, &out)) return false;
    if (out.ranked && !infer_axis(op, adze_op_attr_int(op, "axis"), out.rank, &axis)) return false;
    for (uint32_t k = 1; k < adze_op_num_operands(op); k++) {
        if (!infer_tensor(op, k, &x)) return false;
        if (x.dtype != out.dtype)
            return adze_error(adze_op_loc(op), "concat has operands of two element types: %s and %s",
                              infer_type_text(op, 0), infer_type_text(op, k));
        if (!x.ranked || !out.ranked) {
            out = infer_unranked(out.dtype);
            continue;
        }
        if (x.rank != out.rank)
            return adze_error(adze_op_loc(op), "concat has operands of two ranks: %s and %s", infer_type_text(op, 0),
                              infer_type_text(op, k));
        for (uint32_t i = 0; i < x.rank; i++) {
            if (i == axis)
                out.dims[i] = adze_dim_add(context, out.dims[i], x.dims[i]);
            else
                out.dims[i] = infer_same_dim(out.dims[i], x.dims[i]);
            if (!out.dims[i])
                return adze_error(adze_op_loc(op), "concat along axis %u: dim %u differs in %s and %s", axis, i,
                                  infer_type_text(op, 0), infer_type_text(op, k));
        }
    }
    return infer_result(op, out_types, 0, &out);
}

enum { MAX_PARTS = 256 };

/* Extents of the parts of a split (room for MAX_PARTS); false after a report. */
static bool split_parts(const adze_op *op, const adze_dim *whole, uint32_t n, const adze_dim **parts)
{
    adze_context *context = adze_op_context(op);
    int64_t value;
    if (infer_operand(op, 1)) {
        int count = infer_as_dims(op, 1, parts, MAX_PARTS);
        if (count >= 0 && (uint32_t)count != n)
            return adze_error(adze_op_loc(op), "split has %d sizes but %u results", count, n);
        const adze_dim *sum = adze_dim_const(context, 0);
        for (uint32_t i = 0; i < n; i++) {
            if (count < 0) parts[i] = adze_dim_unknown(context);
            sum = adze_dim_add(context, sum, parts[i]);
        }
        if (adze_dim_compatible(sum, whole)) return true;
        return adze_error(adze_op_loc(op), "the sizes of split add up to %s but the dim is %s",
                          infer_dim_text(op, sum), infer_dim_text(op, whole));
    }
    const adze_dim *count = adze_dim_const(context, (int64_t)n);
    const adze_dim *each = adze_dim_binary(context, ADZE_DIM_CEILDIV, whole, count), *left = whole;
    for (uint32_t i = 0; i < n; i++) {
        parts[i] = i + 1 < n ? each : left;
        left = adze_dim_sub(context, left, each);
    }
    if (adze_dim_is_const(parts[n - 1], &value) && value < 0)
        return adze_error(adze_op_loc(op), "split of %s into %u parts", infer_dim_text(op, whole), n);
    return true;
}

bool infer_split(adze_op *op, const adze_type **out_types)
{
    const adze_dim *parts[MAX_PARTS];
    const struct adze_split_attrs *a = (const void *)adze_op_attrs(op);
    uint32_t n = adze_op_num_results(op), axis = 0;
    inferred x;
    if (!infer_tensor(op, 0, &x) || !infer_integers(op, 1)) return false;
    if (n > MAX_PARTS) return adze_error(adze_op_loc(op), "split into %u parts; at most %d are possible", n, MAX_PARTS);
    if (adze_op_attr_is_set(op, "num_outputs") && a->num_outputs != n)
        return adze_error(adze_op_loc(op), "num_outputs of split is %lld but it has %u results",
                          (long long)a->num_outputs, n);
    if (x.ranked && (!infer_axis(op, a->axis, x.rank, &axis) || !split_parts(op, x.dims[axis], n, parts)))
        return false;
    for (uint32_t k = 0; k < n; k++) {
        if (x.ranked) x.dims[axis] = parts[k];
        if (!infer_result(op, out_types, k, &x)) return false;
    }
    return true;
}

/* Entries count / axes of pads: [before..., after...] for the axes of operand 3, or for all. */
static bool read_pads(const adze_op *op, const inferred *x, inferred *out)
{
    adze_context *context = adze_op_context(op);
    const adze_dim *pads[2 * ADZE_MAX_RANK];
    int64_t axes[ADZE_MAX_RANK];
    int n = infer_as_dims(op, 1, pads, 2 * ADZE_MAX_RANK);
    bool chosen = infer_operand(op, 3) != NULL;
    int n_axes = chosen ? infer_as_ints(op, 3, axes, ADZE_MAX_RANK) : (int)x->rank;
    *out = *x;
    if (n < 0 || n_axes < 0) {
        *out = infer_unknown_dims(op, x->dtype, x->rank);
        return true;
    }
    if (n != 2 * n_axes)
        return adze_error(adze_op_loc(op), "pads has %d entries for %d axes of %s", n, n_axes, infer_type_text(op, 0));
    for (int k = 0; k < n_axes; k++) {
        uint32_t axis = (uint32_t)k;
        if (chosen && !infer_axis(op, axes[k], x->rank, &axis)) return false;
        const adze_dim *both = adze_dim_add(context, pads[k], pads[n_axes + k]);
        out->dims[axis] = adze_dim_add(context, x->dims[axis], both);
    }
    return true;
}

bool infer_pad(adze_op *op, const adze_type **out_types)
{
    static const char *const modes[] = {"constant", "edge", "reflect", "wrap"};
    const char *mode = adze_op_attr_str(op, "mode");
    bool found = false;
    inferred x, out;
    for (int i = 0; i < 4; i++) found = found || !strcmp(mode, modes[i]);
    if (!found) return adze_error(adze_op_loc(op), "mode of pad is \"%s\"", mode);
    if (!infer_tensor(op, 0, &x) || !infer_integers(op, 1) || !infer_integers(op, 3)) return false;
    const adze_type *constant = infer_operand(op, 2);
    if (constant && adze_type_dtype(constant) != x.dtype)
        return adze_error(adze_op_loc(op), "pad of %s with %s", infer_type_text(op, 0), infer_type_text(op, 2));
    if (!x.ranked) return infer_result(op, out_types, 0, &x);
    return read_pads(op, &x, &out) && infer_result(op, out_types, 0, &out);
}

bool infer_tile(adze_op *op, const adze_type **out_types)
{
    inferred x;
    const adze_dim *repeats[ADZE_MAX_RANK];
    if (!infer_tensor(op, 0, &x) || !infer_integers(op, 1)) return false;
    if (!x.ranked) return infer_result(op, out_types, 0, &x);
    int n = infer_as_dims(op, 1, repeats, ADZE_MAX_RANK);
    if (n >= 0 && (uint32_t)n != x.rank)
        return adze_error(adze_op_loc(op), "tile has %d repeats but the operand is %s", n, infer_type_text(op, 0));
    for (uint32_t i = 0; i < x.rank; i++)
        x.dims[i] =
            n < 0 ? adze_dim_unknown(adze_op_context(op)) : adze_dim_mul(adze_op_context(op), x.dims[i], repeats[i]);
    return infer_result(op, out_types, 0, &x);
}

/* The channels of rank-4 x hold whole blocks of b * b, or its planes whole blocks of b by b. */
static bool check_block(const adze_op *op, const adze_dim *dim, int64_t block)
{
    int64_t extent;
    if (!adze_dim_is_const(dim, &extent) || extent % block == 0) return true;
    return adze_error(adze_op_loc(op), "%s of %s: %lld does not divide %lld", adze_op_name(op), infer_type_text(op, 0),
                      (long long)block, (long long)extent);
}

static bool read_block(const adze_op *op, inferred *x, int64_t *block)
{
    *block = adze_op_attr_int(op, "blocksize");
    if (*block < 1 || *block > 1 << 20)
        return adze_error(adze_op_loc(op), "blocksize of %s is %lld", adze_op_name(op), (long long)*block);
    return infer_ranked(op, 0, 4, 4, x);
}

bool infer_depth_to_space(adze_op *op, const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    inferred x;
    int64_t b;
    if (!read_block(op, &x, &b)) return false;
    if (!x.ranked) x = infer_unknown_dims(op, x.dtype, 4);
    if (!check_block(op, x.dims[1], b * b)) return false;
    x.dims[1] = adze_dim_binary(context, ADZE_DIM_FLOORDIV, x.dims[1], adze_dim_const(context, b * b));
    for (uint32_t i = 2; i < 4; i++) x.dims[i] = adze_dim_mul_const(context, x.dims[i], b);
    return infer_result(op, out_types, 0, &x);
}

bool infer_space_to_depth(adze_op *op, const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    inferred x;
    int64_t b;
    if (!read_block(op, &x, &b)) return false;
    if (!x.ranked) x = infer_unknown_dims(op, x.dtype, 4);
    x.dims[1] = adze_dim_mul_const(context, x.dims[1], b * b);
    for (uint32_t i = 2; i < 4; i++) {
        if (!check_block(op, x.dims[i], b)) return false;
        x.dims[i] = adze_dim_binary(context, ADZE_DIM_FLOORDIV, x.dims[i], adze_dim_const(context, b));
    }
    return infer_result(op, out_types, 0, &x);
}
