/* Messages of the wire format in memory, for writing: a growing buffer, submessages by begin and end. Private. */
#ifndef ADZE_ONNX_BYTES_H
#define ADZE_ONNX_BYTES_H

#include <stddef.h>
#include <stdint.h>

typedef struct adze_onnx_bytes { /* starts as zeros; freed by adze_onnx_bytes_free */
    uint8_t *data;
    size_t size, capacity;
} adze_onnx_bytes;

/* Memory that runs out ends the process, as for all small things of the compiler. */
void adze_onnx_put_raw(adze_onnx_bytes *out, const void *bytes, size_t size);
void adze_onnx_put_varint(adze_onnx_bytes *out, uint64_t value);
/* Fields: a number, an f32, bytes, text. */
void adze_onnx_put_int(adze_onnx_bytes *out, uint32_t field, int64_t value);
void adze_onnx_put_float(adze_onnx_bytes *out, uint32_t field, float value);
void adze_onnx_put_bytes(adze_onnx_bytes *out, uint32_t field, const void *bytes, size_t size);
void adze_onnx_put_text(adze_onnx_bytes *out, uint32_t field, const char *text);
/* A submessage: what is put between the two, with its length in front. `end` takes what `begin` gave. */
size_t adze_onnx_put_begin(adze_onnx_bytes *out, uint32_t field);
void adze_onnx_put_end(adze_onnx_bytes *out, size_t begin);
void adze_onnx_bytes_free(adze_onnx_bytes *out);
/* Key and length in front of `size` bytes that follow, without these. */
void adze_onnx_put_head(adze_onnx_bytes *out, uint32_t field, uint64_t size);
uint64_t adze_onnx_varint_size(uint64_t value);

#endif
