/* Ops that put elements elsewhere by index: gather, gather_elements, gather_nd. Negative indices
 * count from the end; one out of range is an error. */
#include "copy.h"

static adze_status out_of_range(const adze_env *env)
{
    return ev_fail(env, ADZE_ERR_VALUE, "gather: index out of range");
}

void eval_check_index(const adze_env *env, uint8_t in_range)
{
    if (!in_range) out_of_range(env);
}

/* Operand and result with a byte or more an element. */
static adze_status begin(const adze_env *env, const adze_value *in, adze_value *out, uint32_t rank,
                         const int64_t *dims, adze_value *from, adze_value *to)
{
    if (!ev_is_int(in[1].dtype)) return ev_fail(env, ADZE_ERR_DTYPE, "gather: indices are not integers");
    adze_status status = ev_result(env, out, in->dtype, rank, dims);
    if (status == ADZE_OK) status = ev_unpack(env, in, from);
    if (status == ADZE_OK) status = ev_unpacked(env, out, to);
    return status;
}

adze_status eval_gather(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                        uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_gather_attrs *a = attrs;
    uint32_t axis, r = 0, rank = in[0].rank + in[1].rank;
    if (!ev_axis(a->axis, in->rank, &axis)) return ev_fail(env, ADZE_ERR_VALUE, "gather: axis out of range");
    if (rank - 1 > ADZE_MAX_RANK) return ev_fail(env, ADZE_ERR_RANK, "gather: too many dims");
    int64_t dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < axis; i++) dims[r++] = in->dims[i];
    for (uint32_t i = 0; i < in[1].rank; i++) dims[r++] = in[1].dims[i];
    for (uint32_t i = axis + 1; i < in->rank; i++) dims[r++] = in->dims[i];
    adze_value from, to;
    adze_status status = begin(env, in, out, rank - 1, dims, &from, &to);
    if (status != ADZE_OK) return status;
    size_t run = (size_t)ev_product(in->dims, axis + 1, in->rank) * ev_size(in->dtype);
    int64_t outer = ev_product(in->dims, 0, axis), count = (int64_t)adze_value_count(&in[1]);
    uint8_t *dst = to.data;
    for (int64_t i = 0; i < outer; i++) {
        const uint8_t *src = (const uint8_t *)from.data + (size_t)(i * in->dims[axis]) * run;
        for (int64_t k = 0; k < count; k++, dst += run) {
            int64_t index = ev_get_i64(&in[1], k);
            if (!ev_wrap(&index, in->dims[axis])) return out_of_range(env);
            memcpy(dst, src + (size_t)index * run, run);
        }
    }
    return ev_pack(&to, out);
}

adze_status eval_gather_elements(const adze_env *env, const adze_value *in, uint32_t n_in,
                                 adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_gather_elements_attrs *a = attrs;
    uint32_t axis, rank = in->rank;
    if (in[1].rank != rank) return ev_fail(env, ADZE_ERR_RANK, "gather_elements: ranks differ");
    if (!ev_axis(a->axis, rank, &axis))
        return ev_fail(env, ADZE_ERR_VALUE, "gather_elements: axis out of range");
    for (uint32_t i = 0; i < rank; i++)
        if (i != axis && in[1].dims[i] > in->dims[i])
            return ev_fail(env, ADZE_ERR_DIM, "gather_elements: indices are larger than the data");
    adze_value from, to;
    adze_status status = begin(env, in, out, rank, in[1].dims, &from, &to);
    if (status != ADZE_OK) return status;
    int64_t n = (int64_t)adze_value_count(out), strides[ADZE_MAX_RANK], at[ADZE_MAX_RANK] = {0};
    uint32_t size = ev_size(in->dtype);
    ev_strides(rank, in->dims, strides);
    for (int64_t k = 0; k < n; k++) {
        int64_t index = ev_get_i64(&in[1], k), offset = 0;
        if (!ev_wrap(&index, in->dims[axis])) return out_of_range(env);
        for (uint32_t i = 0; i < rank; i++) offset += (i == axis ? index : at[i]) * strides[i];
        memcpy((uint8_t *)to.data + k * size, (const uint8_t *)from.data + offset * size, size);
        ev_next(rank, in[1].dims, at);
    }
    return ev_pack(&to, out);
}

adze_status eval_gather_nd(const adze_env *env, const adze_value *in, uint32_t n_in,
                           adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_gather_nd_attrs *a = attrs;
    uint32_t rank = in->rank, q = in[1].rank, r = 0;
    if (q < 1 || rank < 1 || a->batch_dims < 0 || a->batch_dims >= (q < rank ? q : rank))
        return ev_fail(env, ADZE_ERR_VALUE, "gather_nd: batch_dims out of range");
    uint32_t batch = (uint32_t)a->batch_dims;
    int64_t depth = in[1].dims[q - 1], dims[2 * ADZE_MAX_RANK], strides[ADZE_MAX_RANK];
    if (depth < 1 || depth > rank - batch)
        return ev_fail(env, ADZE_ERR_DIM, "gather_nd: index tuples are longer than the rank");
    uint32_t tail = batch + (uint32_t)depth;
    for (uint32_t i = 0; i < q - 1; i++) dims[r++] = in[1].dims[i];
    for (uint32_t i = tail; i < rank; i++) dims[r++] = in->dims[i];
    for (uint32_t i = 0; i < batch; i++)
        if (in->dims[i] != in[1].dims[i]) return ev_fail(env, ADZE_ERR_DIM, "gather_nd: batch dims differ");
    adze_value from, to;
    adze_status status = begin(env, in, out, r, dims, &from, &to);
    if (status != ADZE_OK) return status;
    size_t run = (size_t)ev_product(in->dims, tail, rank) * ev_size(in->dtype);
    int64_t batches = ev_product(in->dims, 0, batch);
    int64_t each = ev_product(in[1].dims, batch, q - 1), k = 0;
    size_t step = (size_t)ev_product(in->dims, batch, tail) * run;
    ev_strides((uint32_t)depth, in->dims + batch, strides);
    uint8_t *dst = to.data;
    for (int64_t b = 0; b < batches; b++)
        for (int64_t j = 0; j < each; j++, dst += run) {
            int64_t offset = 0;
            for (uint32_t i = 0; i < (uint32_t)depth; i++) {
                int64_t index = ev_get_i64(&in[1], k++);
                if (!ev_wrap(&index, in->dims[batch + i])) return out_of_range(env);
                offset += index * strides[i];
            }
            memcpy(dst, (const uint8_t *)from.data + (size_t)b * step + (size_t)offset * run, run);
        }
    return ev_pack(&to, out);
}
