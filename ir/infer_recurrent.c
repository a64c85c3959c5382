/* Result types of recurrent layers. */
#include "ir/infer.h"
#include "ir/rows.h"

#include <string.h>

static const adze_dim *constant(const adze_op *op, int64_t value)
{
    return adze_dim_const(adze_op_context(op), value);
}

static bool do_not_fit(const adze_op *op, uint32_t index)
{
    return adze_error(adze_op_loc(op), "operand %u of %s is %s, which does not fit x %s, W %s and R %s", index + 1,
                      adze_op_name(op), infer_type_text(op, index), infer_type_text(op, 0), infer_type_text(op, 1),
                      infer_type_text(op, 2));
}

/* Operand `index`, if it is there, is a tensor of these dims. */
static bool check_dims(const adze_op *op, uint32_t index, uint32_t rank, const adze_dim *const *dims)
{
    inferred v;
    if (!infer_operand(op, index)) return true;
    if (!infer_ranked(op, index, rank, rank, &v)) return false;
    for (uint32_t i = 0; v.ranked && i < rank; i++)
        if (!adze_dim_compatible(v.dims[i], dims[i])) return do_not_fit(op, index);
    return true;
}

static bool check_dtypes(const adze_op *op, adze_dtype dtype)
{
    enum { LENGTHS = 4 };
    for (uint32_t i = 1; i < adze_op_num_operands(op); i++) {
        const adze_type *type = infer_operand(op, i);
        if (!type) continue;
        adze_dtype want = i == LENGTHS ? ADZE_DTYPE_i32 : dtype;
        if (adze_type_dtype(type) == want) continue;
        return adze_error(adze_op_loc(op), "operand %u of %s is %s beside %s", i + 1, adze_op_name(op),
                          infer_type_text(op, i), infer_type_text(op, 0));
    }
    return true;
}

/* x [time, batch, size], W [directions, gates * hidden, size], R [directions, gates * hidden, hidden] */
bool infer_recurrent(adze_op *op, const adze_type **out_types)
{
    adze_context *context = adze_op_context(op);
    inferred x, w, r;
    if (!infer_ranked(op, 0, 3, 3, &x) || !infer_ranked(op, 1, 3, 3, &w) || !infer_ranked(op, 2, 3, 3, &r) ||
        !check_dtypes(op, x.dtype))
        return false;
    const char *direction = adze_op_attr_str(op, "direction");
    bool both = !strcmp(direction, "bidirectional");
    if (!both && strcmp(direction, "forward") && strcmp(direction, "reverse"))
        return adze_error(adze_op_loc(op), "direction of %s is \"%s\"", adze_op_name(op), direction);
    int64_t gates = adze_op_is(op, "lstm") ? 4 : adze_op_is(op, "gru") ? 3 : 1;
    inferred y = infer_unknown_dims(op, x.dtype, 4), last = infer_unknown_dims(op, x.dtype, 3);
    const adze_dim *directions = constant(op, both ? 2 : 1), *hidden = adze_dim_unknown(context);
    if (adze_op_attr_is_set(op, "hidden_size")) hidden = constant(op, adze_op_attr_int(op, "hidden_size"));
    if (r.ranked) {
        if (!adze_dim_compatible(hidden, r.dims[2])) return do_not_fit(op, 2);
        hidden = r.dims[2];
    }
    if (x.ranked) y.dims[0] = x.dims[0];
    if (x.ranked) y.dims[2] = last.dims[1] = x.dims[1];
    y.dims[1] = last.dims[0] = directions;
    y.dims[3] = last.dims[2] = hidden;
    const adze_dim *rows = adze_dim_mul_const(context, hidden, gates);
    const adze_dim *in = x.ranked ? x.dims[2] : adze_dim_unknown(context);
    if (!check_dims(op, 1, 3, (const adze_dim *[]){directions, rows, in}) ||
        !check_dims(op, 2, 3, (const adze_dim *[]){directions, rows, hidden}) ||
        !check_dims(op, 3, 2, (const adze_dim *[]){directions, adze_dim_mul_const(context, rows, 2)}) ||
        !check_dims(op, 4, 1, &y.dims[2]) || !check_dims(op, 5, 3, last.dims) || !check_dims(op, 6, 3, last.dims) ||
        !check_dims(op, 7, 2, (const adze_dim *[]){directions, adze_dim_mul_const(context, hidden, 3)}))
        return false;
    for (uint32_t k = 0; k < adze_op_num_results(op); k++)
        if (!infer_result(op, out_types, k, k ? &last : &y)) return false;
    return true;
}

/* q [batch, time, q_heads * keys], k [batch, time, kv_heads * keys], v [batch, time, kv_heads * values],
 * state [batch, kv_heads, keys, values] */
bool infer_linear_attention(adze_op *op, const adze_type **out_types)
{
    const struct adze_linear_attention_attrs *a = (const void *)adze_op_attrs(op);
    adze_context *context = adze_op_context(op);
    inferred q, k, v, other;
    if (!infer_ranked(op, 0, 3, 3, &q) || !infer_ranked(op, 1, 3, 3, &k) || !infer_ranked(op, 2, 3, 3, &v))
        return false;
    if (a->q_num_heads < 1 || a->kv_num_heads < 1 || a->q_num_heads % a->kv_num_heads)
        return adze_error(adze_op_loc(op), "linear_attention of %lld heads of queries to %lld",
                          (long long)a->q_num_heads, (long long)a->kv_num_heads);
    const char *rule = adze_op_attr_str(op, "update_rule");
    bool delta = !strcmp(rule, "delta") || !strcmp(rule, "gated_delta");
    bool gated = !strcmp(rule, "gated") || !strcmp(rule, "gated_delta");
    if (!delta && !gated && strcmp(rule, "linear"))
        return adze_error(adze_op_loc(op), "update_rule of linear_attention is \"%s\"", rule);
    if (gated != (infer_operand(op, 4) != NULL) || delta != (infer_operand(op, 5) != NULL))
        return adze_error(adze_op_loc(op), "linear_attention with the rule %s takes %s decay and %s beta", rule,
                          gated ? "a" : "no", delta ? "a" : "no");
    adze_dtype state_dtype = q.dtype;
    for (uint32_t i = 1; i < adze_op_num_operands(op); i++) {
        if (!infer_operand(op, i)) continue;
        if (!infer_ranked(op, i, i == 3 ? 4 : 3, i == 3 ? 4 : 3, &other)) return false;
        if (i == 3) state_dtype = other.dtype;
    }
    inferred out = infer_unknown_dims(op, q.dtype, 3), state = infer_unknown_dims(op, state_dtype, 4);
    const adze_dim *groups = constant(op, a->q_num_heads / a->kv_num_heads);
    if (q.ranked) {
        out.dims[0] = state.dims[0] = q.dims[0];
        out.dims[1] = q.dims[1];
        state.dims[2] = adze_dim_binary(context, ADZE_DIM_FLOORDIV, q.dims[2], constant(op, a->q_num_heads));
    }
    if (v.ranked) {
        state.dims[3] = adze_dim_binary(context, ADZE_DIM_FLOORDIV, v.dims[2], constant(op, a->kv_num_heads));
        out.dims[2] = adze_dim_mul(context, v.dims[2], groups);
    }
    state.dims[1] = constant(op, a->kv_num_heads);
    return infer_result(op, out_types, 0, &out) && infer_result(op, out_types, 1, &state);
}
