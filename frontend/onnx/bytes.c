/* The wire format in memory. See bytes.h. */
#include "bytes.h"
#include "scan.h"

#include <stdlib.h>
#include <string.h>

void adze_onnx_put_raw(adze_onnx_bytes *out, const void *bytes, size_t size)
{
    if (size > out->capacity - out->size) {
        out->capacity = (out->size + size) * 2 + 256;
        out->data = realloc(out->data, out->capacity);
        if (!out->data) abort();
    }
    if (size) memcpy(out->data + out->size, bytes, size);
    out->size += size;
}

static size_t encode(uint64_t value, uint8_t to[10])
{
    size_t n = 0;
    for (; value > 0x7f; value >>= 7) to[n++] = (uint8_t)(value | 0x80);
    to[n++] = (uint8_t)value;
    return n;
}

uint64_t adze_onnx_varint_size(uint64_t value)
{
    uint8_t bytes[10];
    return encode(value, bytes);
}

void adze_onnx_put_varint(adze_onnx_bytes *out, uint64_t value)
{
    uint8_t bytes[10];
    adze_onnx_put_raw(out, bytes, encode(value, bytes));
}

static void put_key(adze_onnx_bytes *out, uint32_t field, adze_onnx_wire wire)
{
    adze_onnx_put_varint(out, (uint64_t)field << 3 | (uint64_t)wire);
}

void adze_onnx_put_int(adze_onnx_bytes *out, uint32_t field, int64_t value)
{
    put_key(out, field, ADZE_ONNX_VARINT);
    adze_onnx_put_varint(out, (uint64_t)value);
}

void adze_onnx_put_float(adze_onnx_bytes *out, uint32_t field, float value)
{
    put_key(out, field, ADZE_ONNX_FIXED32);
    adze_onnx_put_raw(out, &value, sizeof value);
}

void adze_onnx_put_head(adze_onnx_bytes *out, uint32_t field, uint64_t size)
{
    put_key(out, field, ADZE_ONNX_BYTES);
    adze_onnx_put_varint(out, size);
}

void adze_onnx_put_bytes(adze_onnx_bytes *out, uint32_t field, const void *bytes, size_t size)
{
    adze_onnx_put_head(out, field, size);
    adze_onnx_put_raw(out, bytes, size);
}

void adze_onnx_put_text(adze_onnx_bytes *out, uint32_t field, const char *text)
{
    adze_onnx_put_bytes(out, field, text, strlen(text));
}

size_t adze_onnx_put_begin(adze_onnx_bytes *out, uint32_t field)
{
    put_key(out, field, ADZE_ONNX_BYTES);
    return out->size;
}

void adze_onnx_put_end(adze_onnx_bytes *out, size_t begin)
{
    uint8_t length[10];
    size_t size = out->size - begin, n = encode(size, length);
    adze_onnx_put_raw(out, length, n); /* makes room */
    memmove(out->data + begin + n, out->data + begin, size);
    memcpy(out->data + begin, length, n);
}

void adze_onnx_bytes_free(adze_onnx_bytes *out)
{
    free(out->data);
    *out = (adze_onnx_bytes){0};
}
