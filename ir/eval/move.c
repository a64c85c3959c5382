/* Ops that put elements elsewhere by rule: transpose, relayout, expand, concat, split, slice, tile,
 * depth_to_space, space_to_depth. Each is one strided copy, or a few. */
#include "copy.h"

/* result = elements of in[0] read with `strides` over `dims`, from element `first` on. The result
 * has `out_rank` dims in out_dims; `dims` splits them further. */
static adze_status view_copy(const adze_env *env, const adze_value *in, adze_value *out,
                             uint32_t out_rank, const int64_t *out_dims, uint32_t rank,
                             const int64_t *dims, const int64_t *strides, int64_t first)
{
    adze_status status = ev_result(env, out, in->dtype, out_rank, out_dims);
    adze_value from, to;
    if (status == ADZE_OK) status = ev_unpack(env, in, &from);
    if (status == ADZE_OK) status = ev_unpacked(env, out, &to);
    if (status != ADZE_OK) return status;
    uint32_t size = ev_size(in->dtype);
    int64_t dense[EV_COPY_RANK];
    ev_strides(rank, dims, dense);
    if (ev_product(dims, 0, rank) > 0)
        ev_copy(to.data, dense, (const uint8_t *)from.data + first * size, strides, rank, dims,
                  size);
    return ev_pack(&to, out);
}

adze_status eval_transpose(const adze_env *env, const adze_value *in, uint32_t n_in,
                           adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_transpose_attrs *a = attrs;
    uint32_t rank = in->rank, seen = 0;
    int64_t s[ADZE_MAX_RANK], dims[ADZE_MAX_RANK], strides[ADZE_MAX_RANK];
    if (a->perm.count && a->perm.count != rank)
        return ev_fail(env, ADZE_ERR_RANK, "transpose: perm is not as long as the rank");
    ev_strides(rank, in->dims, s);
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t axis = rank - 1 - i;
        if (a->perm.count && !ev_axis(a->perm.data[i], rank, &axis))
            return ev_fail(env, ADZE_ERR_VALUE, "transpose: perm names an axis out of range");
        if (seen & 1u << axis)
            return ev_fail(env, ADZE_ERR_VALUE, "transpose: perm names an axis twice");
        seen |= 1u << axis;
        dims[i] = in->dims[axis];
        strides[i] = s[axis];
    }
    return view_copy(env, in, out, rank, dims, rank, dims, strides, 0);
}

/* Layouts are the compiler's business: a value is dense here, so its elements stay as they are. */
adze_status eval_relayout(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                          uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    adze_status status = ev_result_like(env, out, in);
    if (status == ADZE_OK && out->data != in->data) memcpy(out->data, in->data, ev_bytes(in));
    return status;
}

adze_status eval_expand(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                        uint32_t n_out, const void *attrs)
{
    (void)n_out, (void)attrs;
    int64_t dims[ADZE_MAX_RANK], want[ADZE_MAX_RANK], strides[ADZE_MAX_RANK];
    uint32_t rank = in->rank;
    for (uint32_t i = 0; i < rank; i++) dims[i] = in->dims[i];
    if (ev_has(in, n_in, 1)) {
        int64_t n = ev_ints(&in[1], want, ADZE_MAX_RANK);
        if (n < 0) return ev_fail(env, ADZE_ERR_RANK, "expand: too many dims");
        for (int64_t i = 0; i < n; i++)
            if (want[i] < 0) return ev_fail(env, ADZE_ERR_DIM, "expand: a dim is negative");
        if (!ev_broadcast(&rank, dims, (uint32_t)n, want))
            return ev_fail(env, ADZE_ERR_DIM, "expand: the operand does not broadcast to the shape");
    } else if (out->kind == ADZE_VALUE_TENSOR) {
        rank = out->rank;
        for (uint32_t i = 0; i < rank; i++) dims[i] = out->dims[i];
    } else {
        return ev_fail(env, ADZE_ERR_ARGUMENT, "expand: nothing says to which dims");
    }
    if (!ev_broadcast_strides(in, rank, dims, strides))
        return ev_fail(env, ADZE_ERR_DIM, "expand: the operand does not broadcast to the result");
    return view_copy(env, in, out, rank, dims, rank, dims, strides, 0);
}

static adze_status concat_dims(const adze_env *env, const adze_value *in, uint32_t n_in,
                               uint32_t axis, int64_t *dims)
{
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = in->dims[i];
    for (uint32_t k = 1; k < n_in; k++) {
        if (in[k].rank != in->rank || in[k].dtype != in->dtype)
            return ev_fail(env, ADZE_ERR_RANK, "concat: operands differ in rank or element type");
        for (uint32_t i = 0; i < in->rank; i++) {
            if (i == axis)
                dims[i] += in[k].dims[i];
            else if (in[k].dims[i] != dims[i])
                return ev_fail(env, ADZE_ERR_DIM, "concat: dims differ beside the axis");
        }
    }
    return ADZE_OK;
}

adze_status eval_concat(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                        uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_concat_attrs *a = attrs;
    uint32_t axis;
    int64_t dims[ADZE_MAX_RANK];
    if (!ev_axis(a->axis, in->rank, &axis))
        return ev_fail(env, ADZE_ERR_VALUE, "concat: axis out of range");
    adze_status status = concat_dims(env, in, n_in, axis, dims);
    if (status == ADZE_OK) status = ev_result(env, out, in->dtype, in->rank, dims);
    adze_value to, from;
    if (status == ADZE_OK) status = ev_unpacked(env, out, &to);
    if (status != ADZE_OK) return status;
    uint32_t size = ev_size(in->dtype);
    size_t inner = (size_t)ev_product(dims, axis + 1, in->rank) * size;
    int64_t outer = ev_product(dims, 0, axis);
    uint8_t *start = to.data;
    for (uint32_t k = 0; k < n_in; k++) {
        status = ev_unpack(env, &in[k], &from);
        if (status != ADZE_OK) return status;
        size_t run = (size_t)in[k].dims[axis] * inner, pitch = (size_t)dims[axis] * inner;
        if (run == 0) continue;
        for (int64_t i = 0; i < outer; i++)
            memcpy(start + (size_t)i * pitch, (const uint8_t *)from.data + (size_t)i * run, run);
        start += run;
    }
    return ev_pack(&to, out);
}

/* Extent of part `k` of `count`. */
static int64_t split_extent(const adze_value *in, uint32_t n_in, uint32_t axis, uint32_t k,
                            uint32_t count)
{
    if (ev_has(in, n_in, 1)) return ev_get_i64(&in[1], k);
    int64_t d = in->dims[axis], each = (d + count - 1) / count, left = d - each * k;
    return left < 0 ? 0 : ev_min(each, left);
}

adze_status eval_split(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                       uint32_t n_out, const void *attrs)
{
    const struct adze_split_attrs *a = attrs;
    uint32_t axis;
    int64_t dims[ADZE_MAX_RANK], strides[ADZE_MAX_RANK], first = 0;
    if (!ev_axis(a->axis, in->rank, &axis))
        return ev_fail(env, ADZE_ERR_VALUE, "split: axis out of range");
    if (ev_has(in, n_in, 1) && adze_value_count(&in[1]) != n_out)
        return ev_fail(env, ADZE_ERR_VALUE, "split: not as many sizes as results");
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = in->dims[i];
    ev_strides(in->rank, in->dims, strides);
    for (uint32_t k = 0; k < n_out; k++) {
        int64_t n = split_extent(in, n_in, axis, k, n_out);
        if (n < 0 || n > in->dims[axis] - first)
            return ev_fail(env, ADZE_ERR_VALUE, "split: the sizes exceed the dim");
        dims[axis] = n;
        adze_status status = view_copy(env, in, &out[k], in->rank, dims, in->rank, dims, strides,
                                       n ? first * strides[axis] : 0);
        if (status != ADZE_OK) return status;
        first += n;
    }
    if (first != in->dims[axis])
        return ev_fail(env, ADZE_ERR_VALUE, "split: the sizes do not add up to the dim");
    return ADZE_OK;
}

/* Element k of the small integer operand `v`, `fallback` where the operand is absent. */
static int64_t int_or(const adze_value *in, uint32_t n_in, uint32_t operand, int64_t k,
                      int64_t fallback)
{
    return ev_has(in, n_in, operand) ? ev_get_i64(&in[operand], k) : fallback;
}

adze_status eval_slice(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                       uint32_t n_out, const void *attrs)
{
    (void)n_out, (void)attrs;
    int64_t dims[ADZE_MAX_RANK], strides[ADZE_MAX_RANK], first = 0;
    uint64_t count = adze_value_count(&in[1]);
    for (uint32_t k = 2; k < 5; k++)
        if (ev_has(in, n_in, k) && adze_value_count(&in[k]) != count)
            return ev_fail(env, ADZE_ERR_VALUE, "slice: starts, ends, axes and steps differ in length");
    if (count > in->rank) return ev_fail(env, ADZE_ERR_VALUE, "slice: more axes than dims");
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = in->dims[i];
    ev_strides(in->rank, in->dims, strides);
    for (int64_t k = 0; k < (int64_t)count; k++) {
        uint32_t axis;
        if (!ev_axis(int_or(in, n_in, 3, k, k), in->rank, &axis))
            return ev_fail(env, ADZE_ERR_VALUE, "slice: axis out of range");
        int64_t d = in->dims[axis], start = ev_get_i64(&in[1], k), end = ev_get_i64(&in[2], k);
        int64_t step = int_or(in, n_in, 4, k, 1);
        if (step == 0) return ev_fail(env, ADZE_ERR_VALUE, "slice: step 0");
        /* Longer steps than the dim take one element as well, and cannot overflow. */
        step = ev_max(-d - 1, ev_min(step, d + 1));
        if (start < 0) start += d;
        if (end < 0) end += d;
        int64_t low = step < 0 ? -1 : 0, high = step < 0 ? d - 1 : d;
        start = ev_max(ev_min(start, high), step < 0 && d > 0 ? 0 : low);
        end = ev_max(ev_min(end, high), low);
        int64_t n = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
        dims[axis] = ev_max(n, 0);
        first += start * strides[axis];
        strides[axis] *= step;
    }
    if (ev_product(dims, 0, in->rank) == 0) first = 0;
    return view_copy(env, in, out, in->rank, dims, in->rank, dims, strides, first);
}

adze_status eval_tile(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                      uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    int64_t repeats[ADZE_MAX_RANK], out_dims[ADZE_MAX_RANK], s[ADZE_MAX_RANK];
    int64_t dims[EV_COPY_RANK], strides[EV_COPY_RANK];
    if (ev_ints(&in[1], repeats, ADZE_MAX_RANK) != in->rank)
        return ev_fail(env, ADZE_ERR_RANK, "tile: repeats is not as long as the rank");
    ev_strides(in->rank, in->dims, s);
    for (uint32_t i = 0; i < in->rank; i++) {
        if (repeats[i] < 0 || __builtin_mul_overflow(repeats[i], in->dims[i], &out_dims[i]))
            return ev_fail(env, ADZE_ERR_VALUE, "tile: absurd number of repeats");
        dims[2 * i] = repeats[i];
        dims[2 * i + 1] = in->dims[i];
        strides[2 * i] = 0;
        strides[2 * i + 1] = s[i];
    }
    return view_copy(env, in, out, in->rank, out_dims, 2 * in->rank, dims, strides, 0);
}

adze_status eval_depth_to_space(const adze_env *env, const adze_value *in, uint32_t n_in,
                                adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_depth_to_space_attrs *a = attrs;
    int64_t b = a->blocksize;
    if (in->rank != 4) return ev_fail(env, ADZE_ERR_RANK, "depth_to_space: operand is not of rank 4");
    if (b < 1 || b > INT32_MAX || in->dims[1] % (b * b))
        return ev_fail(env, ADZE_ERR_DIM, "depth_to_space: blocks do not divide the channels");
    int64_t c = in->dims[1] / (b * b), h = in->dims[2], w = in->dims[3], plane = h * w;
    bool crd = ev_text_is(a->mode, "CRD");
    int64_t out_dims[4] = {in->dims[0], c, h * b, w * b};
    int64_t dims[6] = {in->dims[0], c, h, b, w, b};
    int64_t strides[6] = {in->dims[1] * plane, crd ? b * b * plane : plane, w,
                          crd ? b * plane : b * c * plane, 1, crd ? plane : c * plane};
    return view_copy(env, in, out, 4, out_dims, 6, dims, strides, 0);
}

adze_status eval_space_to_depth(const adze_env *env, const adze_value *in, uint32_t n_in,
                                adze_value *out, uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_space_to_depth_attrs *a = attrs;
    int64_t b = a->blocksize;
    if (in->rank != 4) return ev_fail(env, ADZE_ERR_RANK, "space_to_depth: operand is not of rank 4");
    if (b < 1 || b > INT32_MAX || in->dims[2] % b || in->dims[3] % b)
        return ev_fail(env, ADZE_ERR_DIM, "space_to_depth: blocks do not divide the dims");
    int64_t c = in->dims[1], h = in->dims[2], w = in->dims[3];
    int64_t out_dims[4] = {in->dims[0], c * b * b, h / b, w / b};
    bool crd = ev_text_is(a->mode, "CRD");
    int64_t dims[6] = {in->dims[0], crd ? c : b, b, crd ? b : c, h / b, w / b};
    int64_t strides[6] = {c * h * w, crd ? h * w : w, crd ? w : 1, crd ? 1 : h * w, w * b, b};
    return view_copy(env, in, out, 4, out_dims, 6, dims, strides, 0);
}
