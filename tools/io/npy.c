/* .npy files: stored elements to arrays and back. */
#include "io_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From the first index running fastest to the last one running fastest. */
static adze_status to_row_major(const npy_head *h, void **stored)
{
    uint64_t strides[ADZE_MAX_RANK], stride = h->item, index[ADZE_MAX_RANK] = {0};
    if (!h->is_fortran || h->rank < 2 || h->count == 0 || h->item == 0) return ADZE_OK;
    char *to = adze_io_alloc(h->data_bytes), *out = to;
    if (!to) return ADZE_ERR_NO_MEMORY;
    for (uint32_t d = 0; d < h->rank; d++) {
        strides[d] = stride;
        stride *= (uint64_t)h->dims[d];
    }
    const char *from = *stored;
    for (uint64_t i = 0; i < h->count; i++, out += h->item) {
        memcpy(out, from, h->item);
        for (uint32_t d = h->rank; d-- > 0;) {
            from += strides[d];
            if (++index[d] < (uint64_t)h->dims[d]) break;
            from -= strides[d] * (uint64_t)h->dims[d];
            index[d] = 0;
        }
    }
    free(*stored);
    *stored = to;
    return ADZE_OK;
}

adze_status adze_io_npy_decode(const npy_head *h, void *stored, const char *where,
                               adze_array *out_array, adze_io_error *error)
{
    *out_array = (adze_array){.dtype = h->dtype, .rank = h->rank};
    memcpy(out_array->dims, h->dims, sizeof h->dims);
    if (to_row_major(h, &stored)) {
        free(stored);
        return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", where);
    }
    if (h->kind != NPY_PLAIN) {
        adze_status status = adze_io_strings_decode(h, stored, where, out_array, error);
        free(stored);
        return status;
    }
    uint8_t *bytes = stored;
    if (h->dtype == ADZE_DTYPE_bool)
        for (uint64_t i = 0; i < h->count; i++) bytes[i] = bytes[i] != 0;
    out_array->data = stored;
    out_array->bytes = h->data_bytes;
    return ADZE_OK;
}

adze_status adze_npy_read(const char *path, adze_array *out_array, adze_io_error *error)
{
    io_file file;
    npy_head head;
    *out_array = (adze_array){0};
    adze_status status = adze_io_open(path, &file, error);
    if (status) return status;
    uint64_t some = file.size < NPY_MAX_HEAD ? file.size : NPY_MAX_HEAD;
    void *data = NULL;
    uint8_t *start = adze_io_alloc(some);
    if (!start) {
        status = adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: out of memory", path);
        goto done;
    }
    if (!adze_io_pread(&file, 0, start, some)) {
        status = adze_io_fail(error, ADZE_ERR_FILE, "%s: cannot be read", path);
        goto done;
    }
    status = adze_io_npy_parse(start, some, &head, path, error);
    if (status) goto done;
    if (head.data_bytes != file.size - head.head_bytes) {
        status = adze_io_fail(
            error, ADZE_ERR_FORMAT, "%s: has %llu bytes of elements, its header says %llu", path,
            (unsigned long long)(file.size - head.head_bytes), (unsigned long long)head.data_bytes);
        goto done;
    }
    data = adze_io_alloc(head.data_bytes);
    if (!data) {
        status = adze_io_fail(error, ADZE_ERR_NO_MEMORY, "%s: no memory for %llu bytes", path,
                              (unsigned long long)head.data_bytes);
    } else if (!adze_io_pread(&file, head.head_bytes, data, head.data_bytes)) {
        status = adze_io_fail(error, ADZE_ERR_FILE, "%s: cannot be read", path);
    } else {
        status = adze_io_npy_decode(&head, data, path, out_array, error);
        data = NULL;
    }
done:
    adze_io_close(&file);
    free(start);
    free(data);
    return status;
}

static const char *descr_of(adze_dtype dtype)
{
    switch (dtype) {
    case ADZE_DTYPE_bool:
        return "|b1";
    case ADZE_DTYPE_i8:
    case ADZE_DTYPE_i4:
    case ADZE_DTYPE_i2:
        return "|i1";
    case ADZE_DTYPE_i16:
        return "<i2";
    case ADZE_DTYPE_i32:
        return "<i4";
    case ADZE_DTYPE_i64:
        return "<i8";
    case ADZE_DTYPE_u16:
    case ADZE_DTYPE_bf16:
        return "<u2";
    case ADZE_DTYPE_u32:
        return "<u4";
    case ADZE_DTYPE_u64:
        return "<u8";
    case ADZE_DTYPE_f16:
        return "<f2";
    case ADZE_DTYPE_f32:
        return "<f4";
    case ADZE_DTYPE_f64:
        return "<f8";
    case ADZE_DTYPE_c64:
        return "<c8";
    case ADZE_DTYPE_c128:
        return "<c16";
    default:
        return "|u1"; /* u8, 8-bit floats, u4, u2, f4 */
    }
}

/* The dict is padded with spaces so that elements start at a multiple of 64. */
static void write_head(npy_stored *out, const char *descr, const adze_array *a)
{
    char *dict = out->head + 10;
    int room = (int)sizeof out->head - 10;
    int n =
        snprintf(dict, (size_t)room, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (uint32_t d = 0; d < a->rank; d++)
        n += snprintf(dict + n, (size_t)(room - n), "%s%lld%s", d ? " " : "", (long long)a->dims[d],
                      d + 1 < a->rank || a->rank == 1 ? "," : "");
    n += snprintf(dict + n, (size_t)(room - n), "), }");
    while ((10 + n + 1) % 64) dict[n++] = ' ';
    dict[n++] = '\n';
    memcpy(out->head, "\x93NUMPY\x01\x00", 8);
    out->head[8] = (char)(n & 0xff);
    out->head[9] = (char)(n >> 8);
    out->head_bytes = (uint64_t)n + 10;
}

/* One byte an element, signed types extended. */
static void unpack(const adze_array *a, uint64_t count, uint8_t *out)
{
    unsigned bits = adze_dtype_bits(a->dtype), per_byte = 8 / bits, mask = (1u << bits) - 1;
    bool is_signed = adze_dtype_get_kind(a->dtype) == ADZE_KIND_INT;
    const uint8_t *in = a->data;
    for (uint64_t i = 0; i < count; i++) {
        unsigned v = ((unsigned)in[i / per_byte] >> (i % per_byte * bits)) & mask;
        if (is_signed && v >> (bits - 1)) v |= 0xffu & ~mask;
        out[i] = (uint8_t)v;
    }
}

adze_status adze_io_npy_encode(const adze_array *a, npy_stored *out, adze_io_error *error)
{
    uint64_t count = 1;
    char descr[24];
    *out = (npy_stored){.data = a->data};
    for (uint32_t d = 0; d < a->rank; d++) count *= (uint64_t)a->dims[d];
    snprintf(descr, sizeof descr, "%s", descr_of(a->dtype));
    out->data_bytes = adze_dtype_bytes(a->dtype, count);
    if (a->dtype == ADZE_DTYPE_str) {
        uint64_t item;
        adze_status status = adze_io_strings_encode(a->data, count, &out->owned, &item, error);
        if (status) return status;
        snprintf(descr, sizeof descr, "<U%llu", (unsigned long long)item / 4);
        out->data_bytes = count * item;
        out->data = out->owned;
    } else if (adze_dtype_bits(a->dtype) < 8) {
        out->owned = adze_io_alloc(count);
        if (!out->owned) return adze_io_fail(error, ADZE_ERR_NO_MEMORY, "out of memory");
        unpack(a, count, out->owned);
        out->data_bytes = count;
        out->data = out->owned;
    }
    write_head(out, descr, a);
    return ADZE_OK;
}

adze_status adze_npy_write(const char *path, const adze_array *array, adze_io_error *error)
{
    npy_stored stored;
    adze_outfile *file;
    adze_status status = adze_io_npy_encode(array, &stored, error);
    if (!status) status = adze_outfile_create(path, 0666, &file, error);
    if (!status) {
        adze_outfile_write(file, stored.head, stored.head_bytes);
        adze_outfile_write(file, stored.data, stored.data_bytes);
        status = adze_outfile_commit(file, error);
    }
    free(stored.owned);
    return status;
}
