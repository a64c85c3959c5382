/* Pieces: one message of a model, unpacked by protobuf-c with the payloads of its tensors left in
 * the file. Private. */
#ifndef ADZE_ONNX_PIECE_H
#define ADZE_ONNX_PIECE_H

#include "onnx.pb-c.h"
#include "scan.h"

/* Memory of the message that was unpacked last; reused from one message to the next. */
typedef struct adze_onnx_block adze_onnx_block;
typedef struct adze_onnx_piece {
    uint8_t *bytes; /* the message without payloads */
    size_t size, capacity;
    adze_onnx_block *blocks;
    uint64_t used; /* bytes of the blocks handed out */
} adze_onnx_piece;

/* Unpacks the message at `range` as `message` (its unknown fields are left out, so a descriptor
 * with fewer fields reads less). The result lives until the next unpack or free of the same piece.
 * `piece` starts zeroed. NULL after an error. */
void *adze_onnx_piece_unpack(adze_onnx_piece *piece, adze_onnx_source *source,
                             adze_onnx_range range, const ProtobufCMessageDescriptor *message);
void adze_onnx_piece_free(adze_onnx_piece *piece);

#endif
