/* The scanner: walks protobuf's wire format step by step, without recursion, driven by the
 * descriptors of onnx.proto. It checks every length, wire type and the nesting depth, and reads
 * none of the contents of length-delimited leaves, so tensor payloads cost nothing. Private. */
#ifndef ADZE_ONNX_SCAN_H
#define ADZE_ONNX_SCAN_H

#include "source.h"
#include <protobuf-c/protobuf-c.h>

/* Messages inside messages, as protobuf's own readers allow. A nested graph takes three. */
enum { ADZE_ONNX_MAX_DEPTH = 100 };

/* Fields that never stand in files (onnx.proto). */
enum { ADZE_ONNX_FIRST_OWN_FIELD = 1000 };

typedef struct adze_onnx_range {
    uint64_t offset, size;
} adze_onnx_range;

typedef enum adze_onnx_event {
    ADZE_ONNX_FAILED, /* reported */
    ADZE_ONNX_FIELD,  /* a leaf, or a field that the descriptor does not have (field == NULL) */
    ADZE_ONNX_ENTER,  /* a submessage begins; scanner.depth counts it already */
    ADZE_ONNX_LEAVE,  /* it ends; scanner.depth is that of the outer one again */
    ADZE_ONNX_END     /* the whole range is done */
} adze_onnx_event;

typedef enum adze_onnx_wire {
    ADZE_ONNX_VARINT = 0,
    ADZE_ONNX_FIXED64 = 1,
    ADZE_ONNX_BYTES = 2,
    ADZE_ONNX_FIXED32 = 5
} adze_onnx_wire;

typedef struct adze_onnx_frame {
    const ProtobufCMessageDescriptor *message;
    const char *name; /* field of the outer message */
    uint64_t begin, end;
} adze_onnx_frame;

typedef struct adze_onnx_scanner {
    adze_onnx_source *source;
    uint64_t at;
    uint32_t depth; /* frames[depth] is the innermost message */
    adze_onnx_frame frames[ADZE_ONNX_MAX_DEPTH + 1];

    /* The field of the last FIELD or ENTER. After LEAVE only `range` holds: the message that ended.
     */
    const ProtobufCFieldDescriptor *field;
    uint32_t number;
    uint32_t wire;         /* adze_onnx_wire */
    uint64_t value;        /* of a VARINT */
    uint64_t key_offset;   /* where the field's key stands */
    adze_onnx_range range; /* contents: after the key, and after the length of BYTES */
} adze_onnx_scanner;

/* Begins at a range of the source that holds one message. */
void adze_onnx_scan_begin(adze_onnx_scanner *scanner, adze_onnx_source *source,
                          adze_onnx_range range, const ProtobufCMessageDescriptor *message);
adze_onnx_event adze_onnx_scan_next(adze_onnx_scanner *scanner);
/* Reports an error with the place reached; returns ADZE_ONNX_FAILED. */
adze_onnx_event adze_onnx_scan_error(const adze_onnx_scanner *scanner, const char *format, ...)
    ADZE_PRINTF(2, 3);
/* Decodes one varint of at most `count` bytes; the bytes it takes, 0 if it is not whole. */
uint32_t adze_onnx_varint(const uint8_t *bytes, uint64_t count, uint64_t *out_value);

#endif
