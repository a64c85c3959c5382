/* Result types of contractions: matmul, gemm, conv, attention, and of pack_panels. */
#include "ir/infer.h"
#include "ir/rows.h"
#include <adze/window.h>

#include <string.h>

static bool same_dtype(const adze_op *op, const inferred *a, const inferred *b)
{
    if (a->dtype == b->dtype) return true;
    return adze_error(adze_op_loc(op), "%s has operands of two element types: %s and %s", adze_op_name(op),
                      infer_type_text(op, 0), infer_type_text(op, 1));
}

/* The operands are as wide as kernels of integers take them. */
static bool narrow(const adze_op *op, const inferred *a, const inferred *b)
{
    for (uint32_t i = 0; i < 2; i++) {
        adze_dtype dtype = i ? b->dtype : a->dtype;
        adze_dtype_kind kind = adze_dtype_get_kind(dtype);
        if ((kind == ADZE_KIND_INT || kind == ADZE_KIND_UINT) && adze_dtype_bits(dtype) <= 16) continue;
        return adze_error(adze_op_loc(op), "operand %u of %s is %s; expected integers of 16 bits or less", i,
                          adze_op_name(op), infer_type_text(op, i));
    }
    return true;
}

/* Zero point `index` is of its operand's type: one value, or as many as `along` says, in the one dim, or in dim `from`
 * from the end of dims that are 1 otherwise. */
static bool check_zero(const adze_op *op, uint32_t index, adze_dtype dtype, const adze_dim *along, uint32_t from)
{
    inferred zero;
    const adze_dim *count = adze_dim_const(adze_op_context(op), 1);
    if (!infer_operand(op, index)) return true;
    if (!infer_tensor(op, index, &zero)) return false;
    if (zero.dtype != dtype)
        return adze_error(adze_op_loc(op), "zero point %u of %s is %s", index - 2, adze_op_name(op),
                          infer_type_text(op, index));
    if (!zero.ranked) return true;
    for (uint32_t i = 0; i < zero.rank; i++) count = adze_dim_mul(adze_op_context(op), count, zero.dims[i]);
    const adze_dim *there = zero.rank >= from ? zero.dims[zero.rank - from] : NULL;
    if (zero.rank == 1) there = zero.dims[0];
    if (infer_same_dim(count, adze_dim_const(adze_op_context(op), 1))) return true;
    if (along && there && infer_same_dim(there, along) && infer_same_dim(count, along)) return true;
    if (!along)
        return adze_error(adze_op_loc(op), "zero point %u of %s is %s; expected 1 value", index - 2, adze_op_name(op),
                          infer_type_text(op, index));
    return adze_error(adze_op_loc(op), "zero point %u of %s is %s; expected 1 or %s of them", index - 2,
                      adze_op_name(op), infer_type_text(op, index), infer_dim_text(op, along));
}

static bool product_dims(adze_op *op, const inferred *left, const inferred *right, adze_dtype dtype,
                         const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    inferred a = *left, b = *right;
    if (!a.ranked || !b.ranked) {
        inferred none = infer_unranked(dtype);
        return infer_result(op, out_types, 0, &none);
    }
    const adze_dim *k_a = a.dims[a.rank - 1], *k_b = b.dims[b.rank > 1 ? b.rank - 2 : 0];
    if (!infer_same_dim(k_a, k_b))
        return adze_error(adze_op_loc(op), "%s of %s and %s: inner dims are %s and %s", adze_op_name(op),
                          infer_type_text(op, 0), infer_type_text(op, 1), infer_dim_text(op, k_a),
                          infer_dim_text(op, k_b));
    /* Batch dims broadcast; a vector has no row or no column dim. */
    inferred out = {.dtype = dtype, .ranked = true, .rank = a.rank > 2 ? a.rank - 2 : 0};
    inferred batch = {.dtype = dtype, .ranked = true, .rank = b.rank > 2 ? b.rank - 2 : 0};
    for (uint32_t i = 0; i < out.rank; i++) out.dims[i] = a.dims[i];
    for (uint32_t i = 0; i < batch.rank; i++) batch.dims[i] = b.dims[i];
    if (!infer_broadcast_into(context, &out, &batch))
        return adze_error(adze_op_loc(op), "batch dims of %s do not broadcast together: %s and %s",
                          adze_op_name(op), infer_type_text(op, 0), infer_type_text(op, 1));
    if (a.rank > 1) out.dims[out.rank++] = a.dims[a.rank - 2];
    if (b.rank > 1) out.dims[out.rank++] = b.dims[b.rank - 1];
    return infer_result(op, out_types, 0, &out);
}

bool infer_matmul(adze_op *op, const adze_type **out_types)
{
    inferred a, b;
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &a) || !infer_ranked(op, 1, 1, ADZE_MAX_RANK, &b)) return false;
    return same_dtype(op, &a, &b) && product_dims(op, &a, &b, a.dtype, out_types);
}

bool infer_matmul_integer(adze_op *op, const adze_type **out_types)
{
    inferred a, b;
    if (!infer_ranked(op, 0, 1, ADZE_MAX_RANK, &a) || !infer_ranked(op, 1, 1, ADZE_MAX_RANK, &b)) return false;
    const adze_dim *rows = a.ranked && a.rank > 1 ? a.dims[a.rank - 2] : NULL;
    const adze_dim *columns = b.ranked && b.rank > 1 ? b.dims[b.rank - 1] : NULL;
    return narrow(op, &a, &b) && check_zero(op, 2, a.dtype, rows, 2) && check_zero(op, 3, b.dtype, columns, 1) &&
           product_dims(op, &a, &b, ADZE_DTYPE_i32, out_types);
}

bool infer_gemm(adze_op *op, const adze_type **out_types)
{
    const struct adze_gemm_attrs *at = (const void *)adze_op_attrs(op);
    adze_context *context = adze_op_context(op);
    inferred a, b, c;
    if (!infer_ranked(op, 0, 2, 2, &a) || !infer_ranked(op, 1, 2, 2, &b) || !same_dtype(op, &a, &b)) return false;
    inferred out = infer_unknown_dims(op, a.dtype, 2);
    if (a.ranked) out.dims[0] = a.dims[at->transA ? 1 : 0];
    if (b.ranked) out.dims[1] = b.dims[at->transB ? 0 : 1];
    if (a.ranked && b.ranked) {
        const adze_dim *k_a = a.dims[at->transA ? 0 : 1], *k_b = b.dims[at->transB ? 1 : 0];
        if (!infer_same_dim(k_a, k_b))
            return adze_error(adze_op_loc(op), "gemm of %s and %s (transA = %d, transB = %d): inner dims are %s and %s",
                              infer_type_text(op, 0), infer_type_text(op, 1), at->transA != 0, at->transB != 0,
                              infer_dim_text(op, k_a), infer_dim_text(op, k_b));
    }
    if (infer_operand(op, 2)) {
        inferred whole = out;
        if (!infer_ranked(op, 2, 0, 2, &c)) return false;
        if (!infer_broadcast_into(context, &whole, &c) ||
            (whole.ranked &&
             (!infer_same_dim(whole.dims[0], out.dims[0]) || !infer_same_dim(whole.dims[1], out.dims[1]))))
            return adze_error(adze_op_loc(op), "the bias %s of gemm does not broadcast to [%s,%s]",
                              infer_type_text(op, 2), infer_dim_text(op, out.dims[0]),
                              infer_dim_text(op, out.dims[1]));
    }
    return infer_result(op, out_types, 0, &out);
}

/* Input channels, groups and output channels agree as far as they are known. */
static bool check_channels(const adze_op *op, const inferred *x, const inferred *w, int64_t group)
{
    int64_t channels, per_group, product, out;
    if (group < 1)
        return adze_error(adze_op_loc(op), "group of %s is %lld", adze_op_name(op), (long long)group);
    if (adze_dim_is_const(x->dims[1], &channels) && adze_dim_is_const(w->dims[1], &per_group) &&
        (__builtin_mul_overflow(per_group, group, &product) || channels != product)) {
        adze_error(adze_op_loc(op), "weight is %s but the input has %lld channels and group is %lld",
                   infer_type_text(op, 1), (long long)channels, (long long)group);
        if (channels % group == 0)
            adze_note(adze_op_loc(op), "expected the weight's second dim to be %lld", (long long)(channels / group));
        return false;
    }
    if (adze_dim_is_const(w->dims[0], &out) && out % group)
        return adze_error(adze_op_loc(op), "weight is %s: %lld groups do not divide its first dim",
                          infer_type_text(op, 1), (long long)group);
    return true;
}

static bool check_bias(const adze_op *op, const inferred *w)
{
    inferred bias;
    if (!infer_operand(op, 2)) return true;
    if (!infer_ranked(op, 2, 1, 1, &bias)) return false;
    if (!bias.ranked || infer_same_dim(bias.dims[0], w->dims[0])) return true;
    return adze_error(adze_op_loc(op), "bias is %s but the weight %s has %s output channels", infer_type_text(op, 2),
                      infer_type_text(op, 1), infer_dim_text(op, w->dims[0]));
}

static bool conv_dims(adze_op *op, const inferred *data, const inferred *weight, adze_dtype dtype,
                      const adze_type **out_types)
{
    inferred x = *data, w = *weight;
    if (!x.ranked || !w.ranked) {
        inferred unknown = x.ranked   ? infer_unknown_dims(op, dtype, x.rank)
                           : w.ranked ? infer_unknown_dims(op, dtype, w.rank)
                                      : infer_unranked(dtype);
        return infer_result(op, out_types, 0, &unknown);
    }
    if (x.rank != w.rank)
        return adze_error(adze_op_loc(op), "weight is %s but the input is %s: ranks differ", infer_type_text(op, 1),
                          infer_type_text(op, 0));
    if (!check_channels(op, &x, &w, adze_op_attr_int(op, "group"))) return false;
    adze_window window[ADZE_MAX_RANK];
    inferred out = {.dtype = dtype, .ranked = true, .rank = x.rank};
    out.dims[0] = x.dims[0];
    out.dims[1] = w.dims[0];
    if (!adze_windows(op, x.rank - 2, &x.dims[2], &w.dims[2], window)) return false;
    for (uint32_t i = 2; i < x.rank; i++) out.dims[i] = window[i - 2].out;
    return infer_result(op, out_types, 0, &out);
}

bool infer_conv(adze_op *op, const adze_type **out_types)
{
    inferred x, w;
    if (!infer_ranked(op, 0, 3, ADZE_MAX_RANK, &x) || !infer_ranked(op, 1, 3, ADZE_MAX_RANK, &w)) return false;
    if (!same_dtype(op, &x, &w) || !conv_dims(op, &x, &w, x.dtype, out_types)) return false;
    return !w.ranked || check_bias(op, &w);
}

bool infer_conv_integer(adze_op *op, const adze_type **out_types)
{
    inferred x, w;
    if (!infer_ranked(op, 0, 3, ADZE_MAX_RANK, &x) || !infer_ranked(op, 1, 3, ADZE_MAX_RANK, &w)) return false;
    return narrow(op, &x, &w) && check_zero(op, 2, x.dtype, NULL, 1) &&
           check_zero(op, 3, w.dtype, w.ranked ? w.dims[0] : NULL, 1) &&
           conv_dims(op, &x, &w, ADZE_DTYPE_i32, out_types);
}

/* i64[heads or 1, 2], for as many keys as queries. */
static bool infer_attention_window(adze_op *op, const inferred *q, const inferred *k)
{
    inferred window;
    if (!adze_op_operand(op, 4)) return true;
    if (!infer_ranked(op, 4, 2, 2, &window)) return false;
    bool ok = window.dtype == ADZE_DTYPE_i64;
    if (ok && window.ranked) ok = infer_same_dim(window.dims[1], adze_dim_const(adze_op_context(op), 2));
    if (ok && window.ranked && q->ranked && !adze_dim_is_value(window.dims[0], 1))
        ok = infer_same_dim(window.dims[0], q->dims[1]);
    if (ok && q->ranked && k->ranked) ok = infer_same_dim(q->dims[2], k->dims[2]);
    return ok || adze_error(adze_op_loc(op), "window %s of attention with queries %s and keys %s; expected "
                                             "i64[heads or 1, 2], and as many keys as queries",
                            infer_type_text(op, 4), infer_type_text(op, 0), infer_type_text(op, 1));
}

bool infer_attention(adze_op *op, const adze_type **out_types)
{
    inferred q, k, v;
    if (!infer_ranked(op, 0, 4, 4, &q) || !infer_ranked(op, 1, 4, 4, &k) || !infer_ranked(op, 2, 4, 4, &v))
        return false;
    inferred out = infer_unknown_dims(op, q.dtype, 4);
    if (q.ranked)
        for (uint32_t i = 0; i < 3; i++) out.dims[i] = q.dims[i];
    if (v.ranked) out.dims[3] = v.dims[3];
    if (q.ranked && k.ranked && v.ranked) {
        bool ok = infer_same_dim(q.dims[3], k.dims[3]) && infer_same_dim(k.dims[2], v.dims[2]);
        for (uint32_t i = 0; i < 2; i++)
            ok = ok && infer_same_dim(q.dims[i], k.dims[i]) && infer_same_dim(q.dims[i], v.dims[i]);
        if (!ok)
            return adze_error(adze_op_loc(op), "queries %s, keys %s and values %s of attention do not agree",
                              infer_type_text(op, 0), infer_type_text(op, 1), infer_type_text(op, 2));
    }
    return infer_attention_window(op, &q, &k) && infer_result(op, out_types, 0, &out);
}

bool infer_pack_panels(adze_op *op, const adze_type **out_types)
{
    const char *form = adze_op_attr_str(op, "form");
    int64_t width = adze_op_attr_int(op, "width"), group = adze_op_attr_int(op, "group");
    int64_t interleave = adze_op_attr_int(op, "interleave"), run = adze_op_attr_int(op, "run"), last;
    adze_context *context = adze_op_context(op);
    inferred w;
    bool conv = form[0] == 'c', vector = !strcmp(form, "n");
    if (!infer_ranked(op, 0, conv ? 3 : vector ? 1 : 2, conv ? ADZE_MAX_RANK : vector ? 1 : 2, &w)) return false;
    if (width < 1 || width > 64 || group < 1 || interleave < 1 || interleave > 8)
        return adze_error(adze_op_loc(op), "width %lld, group %lld, interleave %lld of pack_panels", (long long)width,
                          (long long)group, (long long)interleave);
    int64_t bits = adze_op_attr_int(op, "bits"), row = width * interleave;
    bool pairs = bits == 4 && row % 2 == 0 && (w.dtype == ADZE_DTYPE_i4 || w.dtype == ADZE_DTYPE_i8);
    if (bits && !pairs)
        return adze_error(adze_op_loc(op), "bits of pack_panels are %lld for %s in rows of %lld; expected 0, or 4 for "
                          "i4 or i8 in rows of an even length", (long long)bits, infer_type_text(op, 0),
                          (long long)row);
    adze_dtype dtype = pairs ? ADZE_DTYPE_u8 : w.dtype == ADZE_DTYPE_i4 ? ADZE_DTYPE_i8 : w.dtype;
    inferred out = infer_unknown_dims(op, dtype, 4);
    out.dims[0] = adze_dim_const(context, group);
    out.dims[3] = adze_dim_const(context, pairs ? row / 2 : row);
    if (w.ranked) {
        bool kn = form[0] == 'k';
        const adze_dim *n = w.dims[kn ? 1 : 0], *k = vector ? adze_dim_const(context, 1) : w.dims[kn ? 0 : 1];
        n = adze_dim_binary(context, ADZE_DIM_FLOORDIV, n, out.dims[0]);
        bool whole = run == 1 || (conv && run > 1 && adze_dim_is_const(w.dims[w.rank - 1], &last) && last == run);
        if (!whole)
            return adze_error(adze_op_loc(op), "run of pack_panels is %lld; expected 1 or the last dim of the window",
                              (long long)run);
        k = adze_dim_mul_const(context, k, run);
        k = adze_dim_binary(context, ADZE_DIM_CEILDIV, k, adze_dim_const(context, interleave));
        for (uint32_t i = 2; conv && i < w.rank - (run > 1); i++) k = adze_dim_mul(context, k, w.dims[i]);
        out.dims[1] = adze_dim_binary(context, ADZE_DIM_CEILDIV, n, adze_dim_const(context, width));
        out.dims[2] = k;
    }
    return infer_result(op, out_types, 0, &out);
}
