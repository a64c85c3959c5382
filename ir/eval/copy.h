/* Strided copies of elements of any type: what the ops that only move data are made of.
 *
 * Elements are 1, 2, 4, 8 or 16 bytes here. Sub-byte tensors are widened to a byte an element
 * first (ev_unpack) and narrowed again at the end (ev_pack).
 */
#ifndef ADZE_EVAL_COPY_H
#define ADZE_EVAL_COPY_H

#include "convert.h"

enum { EV_COPY_RANK = 2 * ADZE_MAX_RANK }; /* tile and depth_to_space split axes in two */

/* Bytes of an element; 1 for sub-byte types, as they are widened. */
static inline uint32_t ev_size(uint32_t dtype)
{
    uint32_t bits = adze_dtype_bits((adze_dtype)dtype);
    return bits < 8 ? 1 : bits / 8;
}

/* An index counted from either end, then from the front; false if out of range. */
static inline bool ev_wrap(int64_t *index, int64_t extent)
{
    if (*index < 0) *index += extent;
    return *index >= 0 && *index < extent;
}

/* `in`, or a copy of it with one byte an element. */
static inline adze_status ev_unpack(const adze_env *env, const adze_value *in, adze_value *out)
{
    *out = *in;
    uint32_t bits = adze_dtype_bits((adze_dtype)in->dtype);
    if (bits == 0) return ev_bad_dtype(env);
    if (bits >= 8) return ADZE_OK;
    int64_t n = (int64_t)adze_value_count(in);
    uint8_t *bytes = ev_scratch(env, (uint64_t)n, 1);
    if (!bytes) return ev_no_memory(env);
    for (int64_t i = 0; i < n; i++) bytes[i] = (uint8_t)ev_get_code(in->data, i, bits);
    out->data = bytes;
    return ADZE_OK;
}

/* Where to write the elements of the result `out` for ev_pack to bring them there. */
static inline adze_status ev_unpacked(const adze_env *env, const adze_value *out,
                                        adze_value *wide)
{
    *wide = *out;
    if (adze_dtype_bits((adze_dtype)out->dtype) >= 8) return ADZE_OK;
    wide->data = ev_scratch(env, adze_value_count(out), 1);
    return wide->data ? ADZE_OK : ev_no_memory(env);
}

static inline adze_status ev_pack(const adze_value *wide, adze_value *out)
{
    if (wide->data == out->data) return ADZE_OK;
    uint32_t bits = adze_dtype_bits((adze_dtype)out->dtype);
    int64_t n = (int64_t)adze_value_count(out);
    memset(out->data, 0, ev_bytes(out));
    for (int64_t i = 0; i < n; i++)
        ev_put_code(out->data, i, bits, ((const uint8_t *)wide->data)[i]);
    return ADZE_OK;
}

typedef struct ev_block16 {
    uint64_t half[2];
} ev_block16;

#define EV_ROW(C)                                                                                \
    {                                                                                              \
        const C *s = (const C *)(const void *)src;                                                 \
        C *d = (C *)(void *)dst;                                                                   \
        for (int64_t i = 0; i < n; i++) d[i * d_step] = s[i * s_step];                             \
        return;                                                                                    \
    }

/* n elements of `size` bytes; steps in elements. */
static inline void ev_copy_row(uint8_t *dst, int64_t d_step, const uint8_t *src, int64_t s_step,
                                 int64_t n, uint32_t size)
{
    if (n <= 0) return;
    if (d_step == 1 && s_step == 1) {
        memcpy(dst, src, (size_t)n * size);
        return;
    }
    switch (size) {
    case 1: EV_ROW(uint8_t)
    case 2: EV_ROW(uint16_t)
    case 4: EV_ROW(uint32_t)
    case 8: EV_ROW(uint64_t)
    default: EV_ROW(ev_block16)
    }
}
#undef EV_ROW

/* Drops axes of extent 1 and joins neighbours that both sides walk as one; the new rank. */
static inline uint32_t ev_join(uint32_t rank, int64_t *dims, int64_t *a, int64_t *b)
{
    uint32_t r = 0;
    for (uint32_t i = 0; i < rank; i++) {
        if (dims[i] == 1) continue;
        if (r > 0 && a[r - 1] == a[i] * dims[i] && b[r - 1] == b[i] * dims[i]) {
            dims[r - 1] *= dims[i];
        } else {
            dims[r] = dims[i];
            r++;
        }
        a[r - 1] = a[i];
        b[r - 1] = b[i];
    }
    return r;
}

/* dst[sum i_k d_strides[k]] = src[sum i_k s_strides[k]] for all indices i below dims. */
static inline void ev_copy(uint8_t *dst, const int64_t *d_strides, const uint8_t *src,
                             const int64_t *s_strides, uint32_t rank, const int64_t *dims,
                             uint32_t size)
{
    int64_t d[EV_COPY_RANK], ds[EV_COPY_RANK], ss[EV_COPY_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        if (dims[i] == 0) return;
        d[i] = dims[i];
        ds[i] = d_strides[i];
        ss[i] = s_strides[i];
    }
    rank = ev_join(rank, d, ds, ss);
    int64_t index[EV_COPY_RANK] = {0};
    uint32_t outer = rank ? rank - 1 : 0;
    int64_t n = rank ? d[outer] : 1, d_step = rank ? ds[outer] : 1, s_step = rank ? ss[outer] : 1;
    do {
        int64_t to = 0, from = 0;
        for (uint32_t i = 0; i < outer; i++) {
            to += index[i] * ds[i];
            from += index[i] * ss[i];
        }
        ev_copy_row(dst + to * size, d_step, src + from * size, s_step, n, size);
    } while (ev_next(outer, d, index));
}

/* Fills n elements with the one at `value`. */
static inline void ev_fill(void *dst, int64_t n, const void *value, uint32_t size)
{
    ev_copy_row(dst, 1, value, 0, n, size);
}

#endif
