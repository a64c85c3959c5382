/* Conversions between numbers and texts: Cast where one side is strings. Texts that are made are scratch (eval.h). */
#include "convert.h"
#include "decimal.h"

#define EVAL(name)                                                                                                   \
    adze_status eval_##name(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out, \
                            const void *attrs)

enum { BLOCK = 64 };

/* Texts stand one behind the other, in a block of the size that the longest ones would need. */
EVAL(format_number)
{
    (void)n_in, (void)n_out, (void)attrs;
    bool whole = ev_is_int(in->dtype), is_unsigned = ev_is_unsigned(in->dtype);
    if (!ev_is_number(in->dtype)) return ev_bad_dtype(env);
    adze_status status = ev_result(env, out, ADZE_DTYPE_str, in->rank, in->dims);
    if (status) return status;
    int64_t ints[BLOCK], n = (int64_t)adze_value_count(in);
    double floats[BLOCK];
    adze_string *texts = out->data;
    char *to = ev_scratch(env, (uint64_t)n, EV_TEXT_MOST);
    if (!to) return ev_no_memory(env);
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t now = ev_min(BLOCK, n - i);
        if (whole) ev_load_i64(in->dtype, in->data, i, 1, now, ints);
        else ev_load_f64(in->dtype, in->data, i, 1, now, floats);
        for (int64_t k = 0; k < now; k++) {
            uint32_t size = whole ? ev_i64_to_text(ints[k], is_unsigned, to) : ev_f64_to_text(floats[k], to);
            texts[i + k] = (adze_string){to, size};
            to += size;
        }
    }
    return ADZE_OK;
}

/* Integers wrap, as between integer types; floats go by way of f64. */
EVAL(parse_number)
{
    (void)n_in, (void)n_out;
    const struct adze_parse_number_attrs *a = attrs;
    uint32_t to = (uint32_t)a->to;
    bool whole = ev_is_int(to);
    if (in->kind != ADZE_VALUE_TENSOR || in->dtype != ADZE_DTYPE_str || !ev_is_number(to)) return ev_bad_dtype(env);
    adze_status status = ev_result(env, out, to, in->rank, in->dims);
    if (status) return status;
    const adze_string *texts = in->data;
    char round = a->round_mode.size ? a->round_mode.data[0] : 'u';
    int64_t n = (int64_t)adze_value_count(in);
    if (adze_dtype_bits((adze_dtype)to) < 8) memset(out->data, 0, ev_bytes(out));
    for (int64_t i = 0; i < n; i++) {
        int64_t x;
        double real;
        ev_text_kind kind = whole ? ev_text_to_i64(texts[i], ev_is_unsigned(to), &x) : ev_text_to_f64(texts[i], &real);
        if (kind == EV_TEXT_NO_NUMBER)
            return ev_fail(env, ADZE_ERR_VALUE, "parse_number: a text that does not begin with a number");
        if (kind == EV_TEXT_BEYOND)
            return ev_fail(env, ADZE_ERR_VALUE, "parse_number: a number beyond what its type can hold");
        if (whole) ev_store_i64(to, out->data, i, 1, 1, &x);
        else ev_store_cast(to, out->data, i, 1, &real, a->saturate != 0, round);
    }
    return ADZE_OK;
}
