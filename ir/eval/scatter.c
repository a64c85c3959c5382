/* Ops that write by index: scatter_elements, scatter_nd; reverse_sequence. Negative indices count from the
 * end; one out of range is an error. Of two that name one place the later one wins, or both are combined. */
#include "copy.h"

/* Element types are spelled as in dtype.def from here on, and bodies_rows.h undefines `bool`. */
#include "bodies_rows.h"

typedef enum reduction { NONE, ADD, MUL, MAX, MIN } reduction;

static adze_status find_reduction(const adze_env *env, adze_string text, uint32_t dtype, reduction *out)
{
    *out = ev_text_is(text, "add")   ? ADD
           : ev_text_is(text, "mul") ? MUL
           : ev_text_is(text, "max") ? MAX
           : ev_text_is(text, "min") ? MIN
                                     : NONE;
    if (*out == NONE && !ev_text_is(text, "none")) return ev_fail(env, ADZE_ERR_VALUE, "scatter: unknown reduction");
    _Bool ordered = ev_is_number(dtype), sums = ev_is_number(ev_part(dtype)); /* complex numbers have no largest one */
    return *out == NONE || ordered || (sums && *out <= MUL) ? ADZE_OK : ev_bad_dtype(env);
}

static void combine_i64(reduction kind, _Bool is_unsigned, int64_t a, int64_t *b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)*b;
    _Bool more = is_unsigned ? x > y : a > *b;
    switch (kind) {
    case ADD: *b = (int64_t)(x + y); break;
    case MUL: *b = (int64_t)(x * y); break;
    case MAX: *b = more ? a : *b; break;
    case MIN: *b = more ? *b : a; break;
    case NONE: break;
    }
}

static void combine_f64(reduction kind, double a, double *b)
{
    switch (kind) {
    case ADD: *b += a; break;
    case MUL: *b *= a; break;
    case MAX: *b = a > *b || a != a ? a : *b; break;
    case MIN: *b = a < *b || a != a ? a : *b; break;
    case NONE: break;
    }
}

/* The same of complex numbers. */
static void combine_parts(reduction kind, const double *a, double *b)
{
    double real = kind == ADD ? a[0] + b[0] : a[0] * b[0] - a[1] * b[1];
    b[1] = kind == ADD ? a[1] + b[1] : a[0] * b[1] + a[1] * b[0];
    b[0] = real;
}

/* By bodies that combine elements as combine_i64 and combine_f64 do; false where the type has none. */
static _Bool put_row(reduction kind, uint32_t dtype, void *y, const void *updates, int64_t n)
{
    const void *const args[] = {y, updates};
    const int64_t steps[] = {1, 1};
    float *to = y;
    const float *from = updates;
#define CASE(t, name)                                                                              \
    case ADZE_DTYPE_##t: adze_row_##name##_##t(y, args, steps, n); return 1;
/* f32 by vectors: elements lie beside each other, which rows do not know. */
#define ROW_OF(kind, name)                                                                         \
    case kind:                                                                                     \
        if (dtype == ADZE_DTYPE_f32) {                                                             \
            for (int64_t i = 0; i < n; i++) to[i] = adze_body_##name##_f32(to[i], from[i]);        \
            return 1;                                                                              \
        }                                                                                          \
        switch (dtype) { BODY_TYPES_NUMBER(CASE, name) default: return 0; }
    switch (kind) {
        ROW_OF(ADD, add)
        ROW_OF(MUL, mul)
        ROW_OF(MAX, max)
        ROW_OF(MIN, min)
    default: return 0;
    }
}

/* `n` elements from `source` of the updates to `target` of the result. */
static void put(reduction kind, const adze_value *updates, int64_t source, adze_value *to, int64_t target, int64_t n,
                uint32_t size)
{
    if (kind == NONE) {
        memcpy((uint8_t *)to->data + target * size, (const uint8_t *)updates->data + source * size, (size_t)(n * size));
        return;
    }
    uint8_t *y = (uint8_t *)to->data + target * size;
    if (put_row(kind, to->dtype, y, (const uint8_t *)updates->data + source * size, n)) return;
    _Bool is_unsigned = ev_is_unsigned(to->dtype);
    for (int64_t i = 0; i < n; i++) {
        if (ev_is_int(to->dtype)) {
            int64_t value = ev_get_i64(updates, source + i);
            combine_i64(kind, is_unsigned, ev_get_i64(to, target + i), &value);
            ev_store_i64(to->dtype, to->data, target + i, 1, 1, &value);
        } else if (ev_parts(to->dtype) == 2) {
            double value[2], there[2];
            uint32_t part = ev_part(to->dtype);
            ev_load_f64(part, updates->data, 2 * (source + i), 1, 2, value);
            ev_load_f64(part, to->data, 2 * (target + i), 1, 2, there);
            combine_parts(kind, there, value);
            ev_store_f64(part, to->data, 2 * (target + i), 1, 2, value);
        } else {
            double value = ev_get_f64(updates, source + i);
            combine_f64(kind, ev_get_f64(to, target + i), &value);
            ev_store_f64(to->dtype, to->data, target + i, 1, 1, &value);
        }
    }
}

/* The result as a copy of the operand. Types below a byte lie a byte an element while they are only moved. */
static adze_status begin(const adze_env *env, const adze_value *in, adze_value *out, adze_string text,
                         reduction *kind, adze_value *updates, adze_value *to)
{
    adze_value from;
    adze_status status = find_reduction(env, text, in->dtype, kind);
    if (status != ADZE_OK) return status;
    if (!ev_is_int(in[1].dtype)) return ev_fail(env, ADZE_ERR_DTYPE, "scatter: indices are not integers");
    if (in[2].dtype != in->dtype) return ev_fail(env, ADZE_ERR_DTYPE, "scatter: updates have another element type");
    status = ev_result_like(env, out, in);
    if (status != ADZE_OK) return status;
    *updates = in[2];
    *to = *out;
    if (*kind == NONE) {
        status = ev_unpack(env, in, &from);
        if (status == ADZE_OK) status = ev_unpack(env, &in[2], updates);
        if (status == ADZE_OK) status = ev_unpacked(env, out, to);
        if (status != ADZE_OK) return status;
        memcpy(to->data, from.data, (size_t)adze_value_count(in) * ev_size(in->dtype));
    } else {
        memcpy(to->data, in->data, (size_t)ev_bytes(in));
    }
    return ADZE_OK;
}

static adze_status out_of_range(const adze_env *env)
{
    return ev_fail(env, ADZE_ERR_VALUE, "scatter: index out of range");
}

adze_status eval_scatter_elements(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                                  uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_scatter_elements_attrs *a = attrs;
    uint32_t axis, rank = in->rank;
    if (in[1].rank != rank || in[2].rank != rank || !ev_axis(a->axis, rank, &axis))
        return ev_fail(env, ADZE_ERR_RANK, "scatter_elements: ranks differ, or axis out of range");
    for (uint32_t i = 0; i < rank; i++)
        if (in[1].dims[i] != in[2].dims[i] || (i != axis && in[1].dims[i] > in->dims[i]))
            return ev_fail(env, ADZE_ERR_DIM, "scatter_elements: dims do not fit");
    reduction kind;
    adze_value updates, to;
    adze_status status = begin(env, in, out, a->reduction, &kind, &updates, &to);
    if (status != ADZE_OK) return status;
    int64_t n = (int64_t)adze_value_count(&in[1]), strides[ADZE_MAX_RANK], at[ADZE_MAX_RANK] = {0};
    ev_strides(rank, in->dims, strides);
    for (int64_t k = 0; k < n; k++) {
        int64_t index = ev_get_i64(&in[1], k), offset = 0;
        if (!ev_wrap(&index, in->dims[axis])) return out_of_range(env);
        for (uint32_t i = 0; i < rank; i++) offset += (i == axis ? index : at[i]) * strides[i];
        put(kind, &updates, k, &to, offset, 1, ev_size(in->dtype));
        ev_next(rank, in[1].dims, at);
    }
    return kind == NONE ? ev_pack(&to, out) : ADZE_OK;
}

adze_status eval_scatter_nd(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                            const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_scatter_nd_attrs *a = attrs;
    uint32_t rank = in->rank, q = in[1].rank;
    int64_t depth = q ? in[1].dims[q - 1] : 0, strides[ADZE_MAX_RANK];
    if (rank < 1 || depth < 1 || depth > rank || in[2].rank != q - 1 + rank - (uint32_t)depth)
        return ev_fail(env, ADZE_ERR_RANK, "scatter_nd: ranks do not fit");
    uint32_t tail = (uint32_t)depth;
    for (uint32_t i = 0; i < in[2].rank; i++)
        if (in[2].dims[i] != (i < q - 1 ? in[1].dims[i] : in->dims[tail + i - (q - 1)]))
            return ev_fail(env, ADZE_ERR_DIM, "scatter_nd: dims do not fit");
    reduction kind;
    adze_value updates, to;
    adze_status status = begin(env, in, out, a->reduction, &kind, &updates, &to);
    if (status != ADZE_OK) return status;
    int64_t run = ev_product(in->dims, tail, rank), count = ev_product(in[1].dims, 0, q - 1);
    ev_strides(rank, in->dims, strides);
    for (int64_t k = 0; k < count; k++) {
        int64_t offset = 0;
        for (uint32_t i = 0; i < tail; i++) {
            int64_t index = ev_get_i64(&in[1], k * depth + i);
            if (!ev_wrap(&index, in->dims[i])) return out_of_range(env);
            offset += index * strides[i];
        }
        put(kind, &updates, k * run, &to, offset, run, ev_size(in->dtype));
    }
    return kind == NONE ? ev_pack(&to, out) : ADZE_OK;
}

adze_status eval_reverse_sequence(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                                  uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_reverse_sequence_attrs *a = attrs;
    uint32_t batch, time, rank = in->rank;
    if (!ev_axis(a->batch_axis, rank, &batch) || !ev_axis(a->time_axis, rank, &time) || batch == time)
        return ev_fail(env, ADZE_ERR_VALUE, "reverse_sequence: axis out of range");
    if (!ev_is_int(in[1].dtype) || in[1].rank != 1 || in[1].dims[0] != in->dims[batch])
        return ev_fail(env, ADZE_ERR_DIM, "reverse_sequence: not one length for each sequence");
    adze_value from, to;
    adze_status status = ev_result_like(env, out, in);
    if (status == ADZE_OK) status = ev_unpack(env, in, &from);
    if (status == ADZE_OK) status = ev_unpacked(env, out, &to);
    if (status != ADZE_OK) return status;
    for (int64_t i = 0; i < in->dims[batch]; i++) {
        int64_t length = ev_get_i64(&in[1], i);
        if (length < 0 || length > in->dims[time])
            return ev_fail(env, ADZE_ERR_VALUE, "reverse_sequence: a length is out of range");
    }
    int64_t n = (int64_t)adze_value_count(in), strides[ADZE_MAX_RANK], at[ADZE_MAX_RANK] = {0};
    uint32_t size = ev_size(in->dtype);
    ev_strides(rank, in->dims, strides);
    for (int64_t k = 0; k < n; k++) {
        int64_t length = ev_get_i64(&in[1], at[batch]), t = at[time];
        int64_t source = k + (t < length ? (length - 1 - 2 * t) * strides[time] : 0);
        memcpy((uint8_t *)to.data + k * size, (const uint8_t *)from.data + source * size, size);
        ev_next(rank, in->dims, at);
    }
    return ev_pack(&to, out);
}
