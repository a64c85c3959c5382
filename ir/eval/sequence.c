/* Sequences and optionals. What an evaluation gives holds its operands' items themselves, in an array that is scratch:
 * whoever called it copies what it keeps (eval.h). */
#include "convert.h"

#define EVAL(name)                                                                                                   \
    adze_status eval_##name(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out, \
                            const void *attrs)

/* Room for `count` items, none of which is there yet. */
static adze_status make(const adze_env *env, adze_value *out, adze_value_kind kind, uint64_t count)
{
    *out = (adze_value){.kind = kind, .items = ev_scratch(env, count + 1, sizeof *out->items)};
    return out->items ? ADZE_OK : ev_no_memory(env);
}

static void push(adze_value *out, const adze_value *item) { out->items[out->n_items++] = *item; }

/* An operand as an item. Its dims may lie on the stack of who called the evaluation, so they are copied. */
static adze_status push_operand(const adze_env *env, adze_value *out, const adze_value *operand)
{
    adze_value item = *operand;
    if (item.kind == ADZE_VALUE_TENSOR && item.rank) {
        int64_t *dims = ev_scratch(env, item.rank, sizeof *dims);
        if (!dims) return ev_no_memory(env);
        memcpy(dims, item.dims, item.rank * sizeof *dims);
        item.dims = dims;
    }
    push(out, &item);
    return ADZE_OK;
}

/* The position that operand `index` gives, counted from the front and below `end`. */
static adze_status position(const adze_env *env, const adze_value *given, int64_t count, int64_t end, int64_t *out)
{
    *out = 0;
    if (!ev_is_int(given->dtype) || adze_value_count(given) != 1)
        return ev_fail(env, ADZE_ERR_VALUE, "a position in a sequence must be one number");
    int64_t at = ev_get_i64(given, 0);
    *out = at < 0 ? at + count : at;
    if (*out >= 0 && *out < end) return ADZE_OK;
    return ev_fail(env, ADZE_ERR_VALUE, "a position lies outside of the sequence");
}

EVAL(sequence_construct)
{
    (void)n_out, (void)attrs;
    adze_status status = make(env, out, ADZE_VALUE_SEQUENCE, n_in);
    for (uint32_t i = 0; !status && i < n_in; i++) status = push_operand(env, out, &in[i]);
    return status;
}

EVAL(sequence_empty)
{
    (void)in, (void)n_in, (void)n_out, (void)attrs;
    return make(env, out, ADZE_VALUE_SEQUENCE, 0);
}

EVAL(sequence_at)
{
    (void)n_in, (void)n_out, (void)attrs;
    int64_t at, n = (int64_t)in->n_items;
    adze_status status = position(env, &in[1], n, n, &at);
    return status ? status : ev_give(env, &in->items[at], out);
}

EVAL(sequence_insert)
{
    (void)n_out, (void)attrs;
    int64_t n = (int64_t)in->n_items, at = n;
    adze_status status = ev_has(in, n_in, 2) ? position(env, &in[2], n, n + 1, &at) : ADZE_OK;
    if (!status) status = make(env, out, ADZE_VALUE_SEQUENCE, (uint64_t)n + 1);
    for (int64_t i = 0; !status && i <= n; i++) {
        if (i == at) status = push_operand(env, out, &in[1]);
        else push(out, &in->items[i - (i > at)]);
    }
    return status;
}

EVAL(sequence_erase)
{
    (void)n_out, (void)attrs;
    int64_t n = (int64_t)in->n_items, at = n - 1;
    adze_status status = ADZE_OK;
    if (ev_has(in, n_in, 1))
        status = position(env, &in[1], n, n, &at);
    else if (!n)
        status = ev_fail(env, ADZE_ERR_VALUE, "sequence_erase: no items");
    if (!status) status = make(env, out, ADZE_VALUE_SEQUENCE, (uint64_t)n);
    for (int64_t i = 0; !status && i < n; i++)
        if (i != at) push(out, &in->items[i]);
    return status;
}

EVAL(sequence_length)
{
    (void)n_in, (void)n_out, (void)attrs;
    adze_status status = ev_result(env, out, ADZE_DTYPE_i64, 0, NULL);
    if (!status) *(int64_t *)out->data = (int64_t)in->n_items;
    return status;
}

/* ---- Parts of tensors ---- */

/* A tensor seen along an axis: `outer` blocks of `extent` rows of `row` bytes. */
typedef struct along {
    uint64_t outer, extent, row;
} along;

static adze_status see(const adze_env *env, const adze_value *value, uint32_t axis, along *out)
{
    uint32_t bits = adze_dtype_bits((adze_dtype)value->dtype);
    *out = (along){(uint64_t)ev_product(value->dims, 0, axis), (uint64_t)value->dims[axis],
                   (uint64_t)ev_product(value->dims, axis + 1, value->rank) * (bits / 8)};
    return bits % 8 == 0 ? ADZE_OK : ev_bad_dtype(env);
}

/* Rows from .. from + n - 1 of the one become rows to … of the other. */
static void move_rows(const adze_value *source, along s, uint64_t from, adze_value *target, along t, uint64_t to,
                      uint64_t n)
{
    for (uint64_t i = 0; i < s.outer && n && s.row; i++)
        memcpy((char *)target->data + (i * t.extent + to) * t.row,
               (const char *)source->data + (i * s.extent + from) * s.row, n * s.row);
}

/* The next `n` rows as an item. */
static adze_status push_part(const adze_env *env, const adze_value *x, uint32_t axis, along s, uint64_t from,
                             uint64_t n, bool keep, adze_value *out)
{
    int64_t *dims = ev_scratch(env, x->rank + 1u, sizeof *dims);
    void *data = ev_scratch(env, s.outer * n, s.row ? s.row : 1);
    uint32_t rank = 0;
    if (!dims || !data) return ev_no_memory(env);
    for (uint32_t i = 0; i < x->rank; i++)
        if (i != axis || keep) dims[rank++] = i == axis ? (int64_t)n : x->dims[i];
    adze_value part = {.kind = ADZE_VALUE_TENSOR, .dtype = x->dtype, .rank = rank, .dims = dims, .data = data};
    move_rows(x, s, from, &part, (along){s.outer, n, s.row}, 0, n);
    push(out, &part);
    return ADZE_OK;
}

EVAL(split_to_sequence)
{
    (void)n_out;
    const struct adze_split_to_sequence_attrs *a = attrs;
    uint32_t axis;
    along s;
    if (!ev_axis(a->axis, in->rank, &axis)) return ev_fail(env, ADZE_ERR_VALUE, "split_to_sequence: axis out of range");
    adze_status status = see(env, in, axis, &s);
    if (status) return status;
    bool given = ev_has(in, n_in, 1), keep = given || a->keepdims, listed = given && in[1].rank == 1;
    if (given && !ev_is_int(in[1].dtype)) return ev_bad_dtype(env);
    if (given && !listed && adze_value_count(&in[1]) != 1)
        return ev_fail(env, ADZE_ERR_VALUE, "split_to_sequence: the size of parts must be one number");
    int64_t part = given && !listed ? ev_get_i64(&in[1], 0) : 1;
    uint64_t n = listed ? adze_value_count(&in[1]) : 0, from = 0;
    if (part < 1) return ev_fail(env, ADZE_ERR_VALUE, "split_to_sequence: parts must have at least one row");
    if (!listed) n = (s.extent + (uint64_t)part - 1) / (uint64_t)part;
    status = make(env, out, ADZE_VALUE_SEQUENCE, n);
    for (uint64_t i = 0; !status && i < n; i++) {
        int64_t rows = listed ? ev_get_i64(&in[1], (int64_t)i) : part;
        if (!listed && (uint64_t)rows > s.extent - from) rows = (int64_t)(s.extent - from);
        if (rows < 0 || (uint64_t)rows > s.extent - from) break;
        status = push_part(env, in, axis, s, from, (uint64_t)rows, keep, out);
        from += (uint64_t)rows;
    }
    if (status || (out->n_items == n && from == s.extent)) return status;
    return ev_fail(env, ADZE_ERR_VALUE, "split_to_sequence: parts do not fit the axis");
}

/* Dims of the whole, from the first item and the sum along the axis. */
static adze_status whole_dims(const adze_env *env, const adze_value *in, int64_t wanted, bool added, uint32_t *out_rank,
                              uint32_t *out_axis, int64_t *dims)
{
    const adze_value *items = in->items;
    uint64_t n = in->n_items;
    if (n == 0) return ev_fail(env, ADZE_ERR_VALUE, "concat_from_sequence: no items");
    *out_rank = items[0].rank + added;
    if (*out_rank > ADZE_MAX_RANK) return ev_fail(env, ADZE_ERR_RANK, "concat_from_sequence: too many dims");
    if (!ev_axis(wanted, *out_rank, out_axis))
        return ev_fail(env, ADZE_ERR_VALUE, "concat_from_sequence: axis out of range");
    for (uint32_t i = 0; i < *out_rank; i++)
        dims[i] = i == *out_axis ? (added ? (int64_t)n : 0) : items[0].dims[i - (added && i > *out_axis)];
    for (uint64_t k = 0; k < n; k++) {
        if (items[k].kind != ADZE_VALUE_TENSOR || items[k].rank != items[0].rank || items[k].dtype != items[0].dtype)
            return ev_fail(env, ADZE_ERR_RANK, "concat_from_sequence: items of other ranks");
        for (uint32_t i = 0; i < items[0].rank; i++)
            if ((added || i != *out_axis) && items[k].dims[i] != items[0].dims[i])
                return ev_fail(env, ADZE_ERR_DIM, "concat_from_sequence: items of other dims");
        if (!added && __builtin_add_overflow(dims[*out_axis], items[k].dims[*out_axis], &dims[*out_axis]))
            return ev_fail(env, ADZE_ERR_DIM, "concat_from_sequence: too many rows");
    }
    return ADZE_OK;
}

EVAL(concat_from_sequence)
{
    (void)n_in, (void)n_out;
    const struct adze_concat_from_sequence_attrs *a = attrs;
    bool added = a->new_axis != 0;
    int64_t dims[ADZE_MAX_RANK];
    uint32_t rank = 0, axis = 0;
    along t;
    adze_status status = whole_dims(env, in, a->axis, added, &rank, &axis, dims);
    if (!status) status = ev_result(env, out, in->items[0].dtype, rank, dims);
    if (!status) status = see(env, out, axis, &t);
    uint64_t to = 0;
    for (uint64_t k = 0; !status && k < in->n_items; k++) {
        uint64_t rows = added ? 1 : (uint64_t)in->items[k].dims[axis];
        move_rows(&in->items[k], (along){t.outer, rows, t.row}, 0, out, t, to, rows);
        to += rows;
    }
    return status;
}

/* ---- Optionals ---- */

EVAL(optional)
{
    (void)n_out, (void)attrs;
    adze_status status = make(env, out, ADZE_VALUE_OPTIONAL, 1);
    return !status && ev_has(in, n_in, 0) ? push_operand(env, out, in) : status;
}

EVAL(optional_get_element)
{
    (void)n_in, (void)n_out, (void)attrs;
    if (in->kind != ADZE_VALUE_OPTIONAL) return ev_give(env, in, out);
    if (!in->n_items) return ev_fail(env, ADZE_ERR_VALUE, "optional_get_element: the optional holds nothing");
    return ev_give(env, in->items, out);
}

EVAL(optional_has_element)
{
    (void)n_out, (void)attrs;
    adze_status status = ev_result(env, out, ADZE_DTYPE_bool, 0, NULL);
    if (!status) *(uint8_t *)out->data = ev_has(in, n_in, 0) && (in->kind != ADZE_VALUE_OPTIONAL || in->n_items);
    return status;
}
