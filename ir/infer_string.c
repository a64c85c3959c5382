/* Result types of ops over strings. */
#include <adze/interp.h>

#include "ir/infer.h"
#include "ir/ir_private.h"
#include "ir/rows.h"
#include "ir/text.h"

#include "ir/eval/regex.h"

static bool strings(const adze_op *op, uint32_t index, inferred *out)
{
    if (!infer_tensor(op, index, out)) return false;
    return out->dtype == ADZE_DTYPE_str || adze_error(adze_op_loc(op), "operand %u of %s is %s, not of strings",
                                                      index + 1, adze_op_name(op), infer_type_text(op, index));
}

bool infer_string_concat(adze_op *op, const adze_type **out_types)
{
    inferred a, b;
    if (!strings(op, 0, &a) || !strings(op, 1, &b)) return false;
    if (!infer_broadcast_into(adze_op_context(op), &a, &b))
        return adze_error(adze_op_loc(op), "the operands of %s are %s and %s", adze_op_name(op), infer_type_text(op, 0),
                          infer_type_text(op, 1));
    return infer_result(op, out_types, 0, &a);
}

bool infer_string_split(adze_op *op, const adze_type **out_types)
{
    inferred x;
    if (!strings(op, 0, &x)) return false;
    inferred parts = x, counts = x;
    counts.dtype = ADZE_DTYPE_i64;
    if (x.ranked && x.rank == ADZE_MAX_RANK)
        return adze_error(adze_op_loc(op), "%s gives too many dims", adze_op_name(op));
    if (x.ranked) parts.dims[parts.rank++] = adze_dim_unknown(adze_op_context(op));
    return infer_result(op, out_types, 0, &parts) && infer_result(op, out_types, 1, &counts);
}

/* A row of strings, or a matrix of one row. */
bool infer_string_normalizer(adze_op *op, const adze_type **out_types)
{
    inferred x;
    if (!strings(op, 0, &x) || !infer_ranked(op, 0, 1, 2, &x)) return false;
    if (x.ranked) x.dims[x.rank - 1] = adze_dim_unknown(adze_op_context(op));
    return infer_result(op, out_types, 0, &x);
}

bool infer_regex_full_match(adze_op *op, const adze_type **out_types)
{
    inferred x;
    const char *why;
    if (!strings(op, 0, &x)) return false;
    const adze_string pattern = adze_op_attrs(op)[1 + adze_row_attr_index(adze_op_get_row(op), "pattern")].s;
    adze_host host;
    adze_host_init(&host, adze_op_loc(op));
    bool ok = adze_regex_create(&host.env, pattern, &why) != NULL;
    if (!ok) adze_error(adze_op_loc(op), "the pattern of %s has %s", adze_op_name(op), why);
    adze_host_free(&host);
    if (!ok) return false;
    x.dtype = ADZE_DTYPE_bool;
    return infer_result(op, out_types, 0, &x);
}

bool infer_format_number(adze_op *op, const adze_type **out_types)
{
    inferred x;
    if (!infer_tensor(op, 0, &x)) return false;
    if (!adze_dtype_is_number(x.dtype))
        return adze_error(adze_op_loc(op), "format_number of %s, which is not of numbers", infer_type_text(op, 0));
    x.dtype = ADZE_DTYPE_str;
    return infer_result(op, out_types, 0, &x);
}

bool infer_parse_number(adze_op *op, const adze_type **out_types)
{
    const struct adze_parse_number_attrs *a = (const void *)adze_op_attrs(op);
    inferred x;
    if (!strings(op, 0, &x)) return false;
    x.dtype = (adze_dtype)a->to;
    if (!adze_dtype_is_number(x.dtype))
        return adze_error(adze_op_loc(op), "parse_number to %s, which is not of numbers", adze_dtype_text(x.dtype));
    return infer_result(op, out_types, 0, &x);
}
