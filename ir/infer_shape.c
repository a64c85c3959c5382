/* Result types of ops that read or make shapes, and of ops without operands. */
#include "ir/infer.h"
#include "ir/rows.h"

bool infer_shape(adze_op *op, const adze_type **out_types)
{
    const struct adze_shape_attrs *a = (const void *)adze_op_attrs(op);
    inferred x;
    if (!infer_tensor(op, 0, &x)) return false;
    inferred out = infer_unknown_dims(op, ADZE_DTYPE_i64, 1);
    if (x.ranked) {
        int64_t rank = x.rank, start = a->start, end = adze_op_attr_is_set(op, "end") ? a->end : rank;
        if (start < 0) start += rank;
        if (end < 0) end += rank;
        start = start < 0 ? 0 : start > rank ? rank : start;
        end = end < 0 ? 0 : end > rank ? rank : end;
        out.dims[0] = adze_dim_const(adze_op_context(op), end > start ? end - start : 0);
    }
    return infer_result(op, out_types, 0, &out);
}

bool infer_size(adze_op *op, const adze_type **out_types)
{
    inferred out = {.dtype = ADZE_DTYPE_i64, .ranked = true};
    return infer_result(op, out_types, 0, &out);
}

bool infer_constant_of_shape(adze_op *op, const adze_type **out_types)
{
    const struct adze_constant_of_shape_attrs *a = (const void *)adze_op_attrs(op);
    adze_dtype dtype = (adze_dtype)a->dtype;
    inferred shape, out = {.dtype = dtype, .ranked = true};
    int64_t rank;
    if (!infer_ranked(op, 0, 1, 1, &shape) || !infer_integers(op, 0)) return false;
    int n = infer_as_dims(op, 0, out.dims, ADZE_MAX_RANK);
    if (n >= 0) {
        out.rank = (uint32_t)n;
        return infer_result(op, out_types, 0, &out);
    }
    bool known = shape.ranked && adze_dim_is_const(shape.dims[0], &rank);
    if (known && rank > ADZE_MAX_RANK)
        return adze_error(adze_op_loc(op), "constant_of_shape with %lld dims; at most %d are possible",
                          (long long)rank, ADZE_MAX_RANK);
    out = known ? infer_unknown_dims(op, dtype, (uint32_t)rank) : infer_unranked(dtype);
    return infer_result(op, out_types, 0, &out);
}

/* Entry of a scalar operand: as a dim, or as a float constant. */
static const adze_dim *scalar_dim(const adze_op *op, uint32_t index)
{
    const adze_dim *dim = NULL;
    return infer_as_dims(op, index, &dim, 1) == 1 ? dim : NULL;
}

/* Number of elements from float constants; -1 = unknown. */
static int64_t float_count(const adze_op *op)
{
    double v[3];
    for (uint32_t i = 0; i < 3; i++)
        if (!adze_value_as_splat(adze_op_operand(op, i), &v[i])) return -1;
    double n = (v[1] - v[0]) / v[2];
    if (!(n < 1e15)) return -1;
    if (n <= 0) return 0;
    int64_t whole = (int64_t)n;
    return whole + ((double)whole < n);
}

bool infer_range(adze_op *op, const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    inferred x[3];
    for (uint32_t i = 0; i < 3; i++) {
        if (!infer_ranked(op, i, 0, 1, &x[i])) return false;
        if (x[i].dtype != x[0].dtype)
            return adze_error(adze_op_loc(op), "range from %s to %s by %s: element types differ",
                              infer_type_text(op, 0), infer_type_text(op, 1), infer_type_text(op, 2));
    }
    inferred out = infer_unknown_dims(op, x[0].dtype, 1);
    const adze_dim *start = scalar_dim(op, 0), *limit = scalar_dim(op, 1), *delta = scalar_dim(op, 2);
    int64_t step;
    if (start && limit && delta && adze_dim_is_const(delta, &step)) {
        if (step == 0) return adze_error(adze_op_loc(op), "step 0 of range");
        const adze_dim *way = step > 0 ? adze_dim_sub(context, limit, start) : adze_dim_sub(context, start, limit);
        const adze_dim *size =
            step == INT64_MIN ? adze_dim_unknown(context) : adze_dim_const(context, step > 0 ? step : -step);
        out.dims[0] = adze_dim_binary(context, ADZE_DIM_CEILDIV, way, size);
        out.dims[0] = adze_dim_binary(context, ADZE_DIM_MAX, out.dims[0], adze_dim_const(context, 0));
    } else if (adze_dtype_get_kind(x[0].dtype) == ADZE_KIND_FLOAT) {
        int64_t n = float_count(op);
        if (n >= 0) out.dims[0] = adze_dim_const(context, n);
    }
    return infer_result(op, out_types, 0, &out);
}

bool infer_dims(adze_op *op, const adze_type **out_types)
{
    const adze_attr_dims *dims = adze_op_attr_dims(op, "dims");
    inferred out = {.dtype = ADZE_DTYPE_i64, .ranked = true, .rank = 1};
    out.dims[0] = adze_dim_const(adze_op_context(op), dims ? (int64_t)dims->count : 0);
    return infer_result(op, out_types, 0, &out);
}

/* random_normal and random_uniform: dims by attribute. */
bool infer_random(adze_op *op, const adze_type **out_types)
{
    inferred out = {.dtype = (adze_dtype)adze_op_attr_int(op, "dtype"), .ranked = true};
    adze_ints shape = adze_op_attr_ints(op, "shape");
    if (shape.count > ADZE_MAX_RANK)
        return adze_error(adze_op_loc(op), "%s with %llu dims; at most %d are possible", adze_op_name(op),
                          (unsigned long long)shape.count, ADZE_MAX_RANK);
    for (uint64_t i = 0; i < shape.count; i++)
        out.dims[out.rank++] = adze_dim_const(adze_op_context(op), shape.data[i]);
    return infer_result(op, out_types, 0, &out);
}

bool infer_random_like(adze_op *op, const adze_type **out_types)
{
    inferred x;
    if (!infer_tensor(op, 0, &x)) return false;
    if (adze_op_attr_is_set(op, "dtype")) x.dtype = (adze_dtype)adze_op_attr_int(op, "dtype");
    if (adze_dtype_get_kind(x.dtype) != ADZE_KIND_FLOAT)
        return adze_error(adze_op_loc(op), "%s of %s makes floats; `dtype` says which", adze_op_name(op),
                          infer_type_text(op, 0));
    return infer_result(op, out_types, 0, &x);
}

bool infer_multinomial(adze_op *op, const adze_type **out_types)
{
    const struct adze_multinomial_attrs *a = (const void *)adze_op_attrs(op);
    inferred x;
    if (!infer_ranked(op, 0, 2, 2, &x)) return false;
    if (a->sample_size < 1 || (a->dtype != ADZE_DTYPE_i32 && a->dtype != ADZE_DTYPE_i64))
        return adze_error(adze_op_loc(op), "multinomial draws 1 or more samples, as i32 or i64");
    x.dtype = (adze_dtype)a->dtype;
    if (x.ranked) x.dims[1] = adze_dim_const(adze_op_context(op), a->sample_size);
    return infer_result(op, out_types, 0, &x);
}
