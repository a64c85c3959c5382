/* The bytes of a model: a file read with pread through one small window, or memory. Never mapped,
 * so that a file that shrinks meanwhile is a short read and not a signal. Private to this folder.
 */
#ifndef ADZE_ONNX_SOURCE_H
#define ADZE_ONNX_SOURCE_H

#include <adze/ir.h>

/* What a message of protobuf may have: lengths are int32 in all of its readers. */
#define ADZE_ONNX_LARGEST_FILE ((uint64_t)INT32_MAX)

typedef struct adze_onnx_source {
    adze_context *context;
    const char *path; /* interned; the file's name in messages */
    int file;         /* -1 = memory */
    const uint8_t *memory;
    uint64_t size;
    uint8_t *window; /* owned; bytes [window_at, window_at + window_size) of the file */
    uint64_t window_at;
    uint64_t window_size;
} adze_onnx_source;

/* Opens a regular file; false after an error. Close in either case. */
bool adze_onnx_source_open(adze_onnx_source *source, adze_context *context, const char *path);
/* Borrows `bytes`. */
void adze_onnx_source_open_memory(adze_onnx_source *source, adze_context *context, const char *name,
                                  const void *bytes, uint64_t size);
void adze_onnx_source_close(adze_onnx_source *source);
/* Where in the file something stands: no line, no node. */
adze_loc adze_onnx_source_loc(const adze_onnx_source *source);
/* The bytes from `offset` on, at least min(16, size - offset) of them, valid until the next call.
 * NULL after an error. */
const uint8_t *adze_onnx_source_peek(adze_onnx_source *source, uint64_t offset,
                                     uint64_t *out_count);
/* Copies a range; it must lie inside [0, size). False after an error. */
bool adze_onnx_source_read(adze_onnx_source *source, uint64_t offset, void *out, uint64_t count);

#endif
