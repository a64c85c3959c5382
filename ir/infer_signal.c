/* Result types of signal ops, determinants and counts of n-grams. */
#include "ir/infer.h"
#include "ir/rows.h"

#include <string.h>

static const adze_dim *constant(const adze_op *op, int64_t value)
{
    return adze_dim_const(adze_op_context(op), value);
}

/* The one integer of operand `index`, NULL if it is not known. */
static const adze_dim *number(const adze_op *op, uint32_t index)
{
    const adze_dim *dim = NULL;
    return infer_as_dims(op, index, &dim, 1) == 1 ? dim : NULL;
}

/* Frequencies from 0 to half of `length`. */
static const adze_dim *half(const adze_op *op, const adze_dim *length)
{
    adze_context *context = adze_op_context(op);
    return adze_dim_add_const(context, adze_dim_binary(context, ADZE_DIM_FLOORDIV, length, constant(op, 2)), 1);
}

static bool check_parts(const adze_op *op, const inferred *x)
{
    int64_t parts;
    if (!x->ranked || !adze_dim_is_const(x->dims[x->rank - 1], &parts) || parts == 1 || parts == 2) return true;
    return adze_error(adze_op_loc(op), "%s of %s: the last axis holds the real part, or both parts", adze_op_name(op),
                      infer_type_text(op, 0));
}

bool infer_dft(adze_op *op, const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    inferred x;
    int64_t wanted = -2;
    uint32_t axis;
    if (!infer_ranked(op, 0, 2, ADZE_MAX_RANK, &x) || !check_parts(op, &x) || !infer_integers(op, 1) ||
        !infer_integers(op, 2))
        return false;
    if (!x.ranked) return infer_result(op, out_types, 0, &x);
    bool inverse = adze_op_attr_int(op, "inverse") != 0, onesided = adze_op_attr_int(op, "onesided") != 0;
    const adze_dim *parts = constant(op, inverse && onesided ? 1 : 2);
    if (infer_operand(op, 2) && infer_as_ints(op, 2, &wanted, 1) != 1) {
        x = infer_unknown_dims(op, x.dtype, x.rank);
        x.dims[x.rank - 1] = parts;
        return infer_result(op, out_types, 0, &x);
    }
    if (!infer_axis(op, wanted, x.rank, &axis)) return false;
    if (axis == x.rank - 1)
        return adze_error(adze_op_loc(op), "dft of %s along the axis of the parts", infer_type_text(op, 0));
    const adze_dim *length = x.dims[axis];
    if (infer_operand(op, 1))
        length = number(op, 1) ? number(op, 1) : adze_dim_unknown(context);
    else if (inverse && onesided)
        length = adze_dim_mul_const(context, adze_dim_add_const(context, length, -1), 2);
    x.dims[axis] = onesided && !inverse ? half(op, length) : length;
    x.dims[x.rank - 1] = parts;
    return infer_result(op, out_types, 0, &x);
}

bool infer_stft(adze_op *op, const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    inferred x, window = {0};
    int64_t value;
    if (!infer_ranked(op, 0, 2, 3, &x) || !infer_integers(op, 1) || !infer_integers(op, 3) ||
        (infer_operand(op, 2) && !infer_ranked(op, 2, 1, 1, &window)))
        return false;
    if (x.ranked && x.rank == 3 && !check_parts(op, &x)) return false;
    inferred out = infer_unknown_dims(op, x.dtype, 4);
    const adze_dim *step = number(op, 1), *length = infer_operand(op, 3) ? number(op, 3) : NULL;
    if (!infer_operand(op, 3) && window.ranked) length = window.dims[0];
    if (!infer_operand(op, 3) && !infer_operand(op, 2) && x.ranked) length = x.dims[1];
    if (step && adze_dim_is_const(step, &value) && value < 1)
        return adze_error(adze_op_loc(op), "stft with a step of %lld", (long long)value);
    if (x.ranked) out.dims[0] = x.dims[0];
    if (x.ranked && step && length && adze_dim_is_const(step, NULL)) {
        const adze_dim *room = adze_dim_sub(context, x.dims[1], length);
        out.dims[1] = adze_dim_add_const(context, adze_dim_binary(context, ADZE_DIM_FLOORDIV, room, step), 1);
    }
    if (length) out.dims[2] = adze_op_attr_int(op, "onesided") ? half(op, length) : length;
    out.dims[3] = constant(op, 2);
    return infer_result(op, out_types, 0, &out);
}

bool infer_mel_weight_matrix(adze_op *op, const adze_type **out_types)
{
    inferred out = infer_unknown_dims(op, (adze_dtype)adze_op_attr_int(op, "output_datatype"), 2);
    for (uint32_t i = 0; i < 3; i++)
        if (!infer_integers(op, i)) return false;
    if (number(op, 1)) out.dims[0] = half(op, number(op, 1));
    if (number(op, 0)) out.dims[1] = number(op, 0);
    return infer_result(op, out_types, 0, &out);
}

bool infer_det(adze_op *op, const adze_type **out_types)
{
    inferred x;
    if (!infer_ranked(op, 0, 2, ADZE_MAX_RANK, &x)) return false;
    if (x.ranked && !adze_dim_compatible(x.dims[x.rank - 2], x.dims[x.rank - 1]))
        return adze_error(adze_op_loc(op), "det of %s: the matrices are not square", infer_type_text(op, 0));
    if (x.ranked) x.rank -= 2;
    return infer_result(op, out_types, 0, &x);
}

bool infer_tfidf_vectorizer(adze_op *op, const adze_type **out_types)
{
    const struct adze_tfidf_vectorizer_attrs *a = (const void *)adze_op_attrs(op);
    inferred x;
    int64_t largest = -1;
    if (!infer_ranked(op, 0, 1, 2, &x)) return false;
    if (x.dtype != ADZE_DTYPE_i32 && x.dtype != ADZE_DTYPE_i64)
        return adze_error(adze_op_loc(op), "tfidf_vectorizer of %s: i32 and i64 are counted", infer_type_text(op, 0));
    for (uint64_t i = 0; i < a->ngram_indexes.count; i++) {
        if (a->ngram_indexes.data[i] < 0 || a->ngram_indexes.data[i] > INT32_MAX)
            return adze_error(adze_op_loc(op), "ngram_indexes of tfidf_vectorizer has the entry %lld",
                              (long long)a->ngram_indexes.data[i]);
        if (a->ngram_indexes.data[i] > largest) largest = a->ngram_indexes.data[i];
    }
    inferred out = infer_unranked(ADZE_DTYPE_f32);
    if (x.ranked) {
        out.ranked = true;
        if (x.rank == 2) out.dims[out.rank++] = x.dims[0];
        out.dims[out.rank++] = constant(op, largest + 1);
    }
    return infer_result(op, out_types, 0, &out);
}
