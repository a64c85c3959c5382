/* Element types that numpy has no name for: the same bits under another name, or packed.
 *
 * bf16 comes as u16, 8-bit floats as u8, sub-byte types as one i8 or u8 per element. */
#include "io_private.h"
#include <stdlib.h>

static bool is_stored_as(adze_dtype dtype, adze_dtype stored)
{
    uint32_t bits = adze_dtype_bits(dtype);
    adze_dtype_kind kind = adze_dtype_get_kind(dtype);
    if (dtype == ADZE_DTYPE_bf16) return stored == ADZE_DTYPE_u16;
    if (kind == ADZE_KIND_FLOAT && bits <= 8) return stored == ADZE_DTYPE_u8;
    if (bits < 8 && kind == ADZE_KIND_INT) return stored == ADZE_DTYPE_i8;
    if (bits < 8 && kind == ADZE_KIND_UINT) return stored == ADZE_DTYPE_u8;
    return false;
}

static adze_status pack(adze_array *a, adze_dtype dtype, adze_io_error *error)
{
    uint32_t bits = adze_dtype_bits(dtype), per_byte = 8 / bits;
    bool is_signed = adze_dtype_get_kind(dtype) == ADZE_KIND_INT;
    int low = is_signed ? -(1 << (bits - 1)) : 0, high = is_signed ? -low - 1 : (1 << bits) - 1;
    uint64_t count = a->bytes, bytes = adze_dtype_bytes(dtype, count);
    const uint8_t *in = a->data;
    uint8_t *out = adze_io_alloc(bytes);
    if (!out) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "out of memory");
    for (uint64_t i = 0; i < bytes; i++) out[i] = 0;
    for (uint64_t i = 0; i < count; i++) {
        int v = is_signed ? (int8_t)in[i] : in[i];
        if (v < low || v > high) {
            free(out);
            return adze_io_fail(error, ADZE_ERR_VALUE,
                                "element %llu is %d, which %u bits cannot hold",
                                (unsigned long long)i, v, bits);
        }
        unsigned field = (unsigned)v & ((1u << bits) - 1);
        out[i / per_byte] = (uint8_t)(out[i / per_byte] | field << (i % per_byte * bits));
    }
    free(a->data);
    a->data = out;
    a->bytes = bytes;
    return ADZE_OK;
}

adze_status adze_array_retype(adze_array *a, adze_dtype dtype, adze_io_error *error)
{
    if (a->dtype == dtype) return ADZE_OK;
    if (!is_stored_as(dtype, a->dtype))
        return adze_io_fail(error, ADZE_ERR_DTYPE, "the array's element type is not the input's");
    adze_status status = adze_dtype_bits(dtype) < 8 ? pack(a, dtype, error) : ADZE_OK;
    if (!status) a->dtype = dtype;
    return status;
}
