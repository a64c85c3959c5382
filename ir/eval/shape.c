/* Ops on shapes, and those whose result is the operand's bytes under other dims. */
#include "convert.h"

/* The operand's elements under other dims. */
static adze_status reinterpret(const adze_env *env, const adze_value *in, adze_value *out,
                               uint32_t rank, const int64_t *dims)
{
    adze_status status = ev_result(env, out, in->dtype, rank, dims);
    if (status != ADZE_OK) return status;
    if (adze_value_count(in) != adze_value_count(out))
        return ev_fail(env, ADZE_ERR_DIM, "operand and result differ in their number of elements");
    if (out->data != in->data) memcpy(out->data, in->data, ev_bytes(in));
    return ADZE_OK;
}

adze_status eval_identity(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                          uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    return ev_give(env, in, out);
}

adze_status eval_dropout(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                         uint32_t n_out, const void *attrs)
{
    (void)attrs;
    for (uint32_t k = 1; k < 3; k++)
        if (ev_has(in, n_in, k) && adze_value_count(&in[k]) != 1)
            return ev_fail(env, ADZE_ERR_DIM, "dropout: ratio or mode is not one element");
    if (ev_has(in, n_in, 2) && ev_get_i64(&in[2], 0) &&
        !(ev_has(in, n_in, 1) && ev_get_f64(&in[1], 0) == 0))
        return ev_fail(env, ADZE_ERR_UNSUPPORTED, "dropout: training mode");
    adze_status status = reinterpret(env, in, out, in->rank, in->dims);
    if (status != ADZE_OK || n_out < 2) return status;
    status = ev_result(env, &out[1], ADZE_DTYPE_bool, in->rank, in->dims);
    if (status == ADZE_OK) memset(out[1].data, 1, adze_value_count(&out[1]));
    return status;
}

/* Dims from a reshape's shape operand: -1 = what is left, 0 = as the operand unless allowzero. */
static adze_status reshape_dims(const adze_env *env, const adze_value *in, bool allowzero,
                                uint32_t *out_rank, int64_t *dims)
{
    int64_t n = ev_ints(&in[1], dims, ADZE_MAX_RANK), known = 1, infer = -1;
    if (n < 0) return ev_fail(env, ADZE_ERR_RANK, "reshape: too many dims");
    for (int64_t i = 0; i < n; i++) {
        if (dims[i] == 0 && !allowzero) {
            if (i >= in->rank) return ev_fail(env, ADZE_ERR_DIM, "reshape: 0 beyond the operand's rank");
            dims[i] = in->dims[i];
        }
        if (dims[i] == -1) {
            if (infer >= 0) return ev_fail(env, ADZE_ERR_DIM, "reshape: -1 twice");
            infer = i;
        } else if (dims[i] < 0 || __builtin_mul_overflow(known, dims[i], &known)) {
            return ev_fail(env, ADZE_ERR_DIM, "reshape: absurd dim");
        }
    }
    int64_t count = (int64_t)adze_value_count(in);
    if (infer >= 0) {
        if (known == 0 ? count != 0 : count % known != 0)
            return ev_fail(env, ADZE_ERR_DIM, "reshape: the elements do not fit the other dims");
        dims[infer] = known ? count / known : 0;
    }
    *out_rank = (uint32_t)n;
    return ADZE_OK;
}

adze_status eval_reshape(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                         uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_reshape_attrs *a = attrs;
    int64_t dims[ADZE_MAX_RANK];
    uint32_t rank = 0;
    if (!ev_has(in, n_in, 1)) {
        if (out->kind == ADZE_VALUE_ABSENT)
            return ev_fail(env, ADZE_ERR_ARGUMENT, "reshape: nothing says to which dims");
        return reinterpret(env, in, out, out->rank, out->dims);
    }
    adze_status status = reshape_dims(env, in, a->allowzero != 0, &rank, dims);
    return status == ADZE_OK ? reinterpret(env, in, out, rank, dims) : status;
}

adze_status eval_flatten(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                         uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_flatten_attrs *a = attrs;
    int64_t axis = a->axis < 0 ? a->axis + in->rank : a->axis;
    if (axis < 0 || axis > in->rank) return ev_fail(env, ADZE_ERR_VALUE, "flatten: axis out of range");
    int64_t dims[2] = {ev_product(in->dims, 0, (uint32_t)axis),
                       ev_product(in->dims, (uint32_t)axis, in->rank)};
    return reinterpret(env, in, out, 2, dims);
}

/* Axes of operand 1 as a bit set over `rank` axes; false if out of range or named twice. */
static bool axis_set(const adze_value *v, uint32_t rank, uint32_t *out_set)
{
    int64_t n = (int64_t)adze_value_count(v);
    *out_set = 0;
    for (int64_t k = 0; k < n; k++) {
        uint32_t axis;
        if (!ev_axis(ev_get_i64(v, k), rank, &axis) || *out_set & 1u << axis) return false;
        *out_set |= 1u << axis;
    }
    return true;
}

adze_status eval_squeeze(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                         uint32_t n_out, const void *attrs)
{
    (void)n_out, (void)attrs;
    uint32_t set = 0, rank = 0;
    int64_t dims[ADZE_MAX_RANK];
    bool all = !ev_has(in, n_in, 1);
    if (!all && !axis_set(&in[1], in->rank, &set))
        return ev_fail(env, ADZE_ERR_VALUE, "squeeze: axis out of range or twice");
    for (uint32_t i = 0; i < in->rank; i++) {
        if (all ? in->dims[i] != 1 : !(set & 1u << i))
            dims[rank++] = in->dims[i];
        else if (in->dims[i] != 1)
            return ev_fail(env, ADZE_ERR_DIM, "squeeze: the dim is not 1");
    }
    return reinterpret(env, in, out, rank, dims);
}

adze_status eval_unsqueeze(const adze_env *env, const adze_value *in, uint32_t n_in,
                           adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    uint32_t set, from = 0;
    int64_t dims[ADZE_MAX_RANK];
    uint64_t rank = in->rank + adze_value_count(&in[1]);
    if (rank > ADZE_MAX_RANK) return ev_fail(env, ADZE_ERR_RANK, "unsqueeze: too many dims");
    if (!axis_set(&in[1], (uint32_t)rank, &set))
        return ev_fail(env, ADZE_ERR_VALUE, "unsqueeze: axis out of range or twice");
    for (uint32_t i = 0; i < rank; i++) dims[i] = set & 1u << i ? 1 : in->dims[from++];
    return reinterpret(env, in, out, (uint32_t)rank, dims);
}

adze_status eval_shape(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                       uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_shape_attrs *a = attrs;
    int64_t rank = in->rank, start = a->start, end = a->set & 2 ? a->end : rank;
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    start = ev_max(0, ev_min(start, rank));
    end = ev_max(0, ev_min(end, rank));
    int64_t n = ev_max(0, end - start);
    adze_status status = ev_result(env, out, ADZE_DTYPE_i64, 1, &n);
    for (int64_t i = 0; status == ADZE_OK && i < n; i++)
        ((int64_t *)out->data)[i] = in->dims[start + i];
    return status;
}

adze_status eval_size(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                      uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    adze_status status = ev_result(env, out, ADZE_DTYPE_i64, 0, NULL);
    if (status == ADZE_OK) *(int64_t *)out->data = (int64_t)adze_value_count(in);
    return status;
}

/* Every element of `out` becomes `value`. */
static adze_status fill_value(const adze_env *env, adze_value *out, double value)
{
    if (!ev_is_number(out->dtype)) return ev_bad_dtype(env);
    int64_t n = (int64_t)adze_value_count(out);
    ev_store_f64(out->dtype, out->data, 0, 0, n > 0, &value);
    uint32_t bits = adze_dtype_bits((adze_dtype)out->dtype);
    if (bits < 8) {
        for (int64_t i = 1; i < n; i++) ev_store_f64(out->dtype, out->data, i, 1, 1, &value);
        return ADZE_OK;
    }
    uint8_t *bytes = out->data; /* by doubling */
    uint64_t total = ev_bytes(out);
    for (uint64_t done = bits / 8; done < total;) {
        uint64_t more = done < total - done ? done : total - done;
        memcpy(bytes + done, bytes, more);
        done += more;
    }
    return ADZE_OK;
}

adze_status eval_constant_of_shape(const adze_env *env, const adze_value *in, uint32_t n_in,
                                   adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_constant_of_shape_attrs *a = attrs;
    int64_t dims[ADZE_MAX_RANK], n = ev_ints(in, dims, ADZE_MAX_RANK);
    if (n < 0) return ev_fail(env, ADZE_ERR_RANK, "constant_of_shape: too many dims");
    adze_status status = ev_result(env, out, (uint32_t)a->dtype, (uint32_t)n, dims);
    return status == ADZE_OK ? fill_value(env, out, a->value) : status;
}

adze_status eval_full(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                      uint32_t n_out, const void *attrs)
{
    (void)in, (void)n_in, (void)n_out;
    const struct adze_full_attrs *a = attrs;
    if (out->kind == ADZE_VALUE_ABSENT) return ev_fail(env, ADZE_ERR_ARGUMENT, "full: dims unknown");
    return fill_value(env, out, a->value);
}

adze_status eval_iota(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                      uint32_t n_out, const void *attrs)
{
    (void)in, (void)n_in, (void)n_out;
    const struct adze_iota_attrs *a = attrs;
    if (out->kind == ADZE_VALUE_ABSENT) return ev_fail(env, ADZE_ERR_ARGUMENT, "iota: dims unknown");
    if (!ev_is_number(out->dtype)) return ev_bad_dtype(env);
    int64_t n = (int64_t)adze_value_count(out);
    for (int64_t i = 0; i < n; i++) {
        int64_t v = (int64_t)((uint64_t)a->start + (uint64_t)i * (uint64_t)a->step);
        double f = (double)v;
        if (ev_is_int(out->dtype))
            ev_store_i64(out->dtype, out->data, i, 1, 1, &v);
        else
            ev_store_f64(out->dtype, out->data, i, 1, 1, &f);
    }
    return ADZE_OK;
}

/* The attribute's slot holds the dims as adze_ints: whoever calls has put in what the symbols are. */
adze_status eval_dims(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                      uint32_t n_out, const void *attrs)
{
    (void)in, (void)n_in, (void)n_out;
    adze_ints dims = ((const adze_slot *)attrs)[1].ints;
    int64_t n = (int64_t)dims.count;
    adze_status status = ev_result(env, out, ADZE_DTYPE_i64, 1, &n);
    if (status == ADZE_OK && n > 0) memcpy(out->data, dims.data, (size_t)n * sizeof(int64_t));
    return status;
}

/* Number of steps from start to limit; -1 if it is absurd. */
static int64_t range_count(const adze_value *in)
{
    if (ev_is_float(in->dtype)) {
        double n = (ev_get_f64(&in[1], 0) - ev_get_f64(in, 0)) / ev_get_f64(&in[2], 0);
        if (!(n < 0x1p62)) return -1;
        if (n <= 0) return 0;
        int64_t whole = (int64_t)n;
        return whole + ((double)whole < n);
    }
    int64_t start = ev_get_i64(in, 0), limit = ev_get_i64(&in[1], 0), delta = ev_get_i64(&in[2], 0);
    if (delta > 0 ? limit <= start : limit >= start) return 0;
    uint64_t way = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    uint64_t n = (way - 1) / step + 1;
    return n > INT64_MAX ? -1 : (int64_t)n;
}

enum { BLOCK = 256 };

/* start + i * step, blocks of them at once. */
static void put_floats(const adze_value *out, int64_t n, double start, double step)
{
    double block[BLOCK];
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t now = n - i < BLOCK ? n - i : BLOCK;
        for (int64_t k = 0; k < now; k++) block[k] = start + (double)(i + k) * step;
        ev_store_f64(out->dtype, out->data, i, 1, now, block);
    }
}

static void put_ints(const adze_value *out, int64_t n, int64_t start, int64_t step)
{
    int64_t block[BLOCK];
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t now = n - i < BLOCK ? n - i : BLOCK;
        for (int64_t k = 0; k < now; k++) block[k] = (int64_t)((uint64_t)start + (uint64_t)(i + k) * (uint64_t)step);
        ev_store_i64(out->dtype, out->data, i, 1, now, block);
    }
}

adze_status eval_range(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                       uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    uint32_t dtype = in->dtype;
    bool is_float = ev_is_float(dtype);
    for (uint32_t k = 0; k < 3; k++)
        if (in[k].dtype != dtype || adze_value_count(&in[k]) != 1)
            return ev_fail(env, ADZE_ERR_ARGUMENT, "range: operands are not three scalars of one type");
    if (!ev_is_number(dtype)) return ev_bad_dtype(env);
    if (is_float ? ev_get_f64(&in[2], 0) == 0 : ev_get_i64(&in[2], 0) == 0)
        return ev_fail(env, ADZE_ERR_VALUE, "range: step 0");
    int64_t n = range_count(in);
    if (n < 0) return ev_fail(env, ADZE_ERR_VALUE, "range: absurd number of elements");
    adze_status status = ev_result(env, out, dtype, 1, &n);
    if (status == ADZE_OK && is_float) put_floats(out, n, ev_get_f64(in, 0), ev_get_f64(&in[2], 0));
    if (status == ADZE_OK && !is_float) put_ints(out, n, ev_get_i64(in, 0), ev_get_i64(&in[2], 0));
    return status;
}
