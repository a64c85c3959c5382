/* Payload-free pieces.
 *
 * The scanner's events are written out again as a smaller message: payloads and unknown fields are
 * left out, and each tensor gets the fields from 1000 on, which say where its payload lies. The
 * length of a submessage is not known when it begins, so five bytes are kept free for it; an
 * overlong varint is still a varint. protobuf-c then unpacks the result with an allocator that
 * hands out one arena and is bounded, since a few bytes of file can ask for many of memory.
 */
#include "piece.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PIECE = 64 << 20, LENGTH_BYTES = 5, BLOCK = 64 * 1024 };
static const uint64_t max_unpacked = UINT64_C(1) << 30;

#define TOO_LARGE "a message has more than 64 MB beside its tensors' payloads"

struct adze_onnx_block {
    adze_onnx_block *next;
    size_t size, used;
    max_align_t data[];
};

/* ---- The arena ---- */

static void *arena_alloc(void *self, size_t size)
{
    adze_onnx_piece *piece = self;
    size = (size + 15) & ~(size_t)15;
    if (size == 0) size = 16;
    if (size > max_unpacked || piece->used + size > max_unpacked) return NULL;
    adze_onnx_block *block = piece->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK ? size : BLOCK;
        block = malloc(sizeof *block + room);
        if (!block) return NULL;
        *block = (adze_onnx_block){.next = piece->blocks, .size = room};
        piece->blocks = block;
    }
    void *result = (uint8_t *)block->data + block->used;
    block->used += size;
    piece->used += size;
    return result;
}

static void arena_free(void *self, void *pointer) { (void)self, (void)pointer; }

/* Empties the arena; one block of the usual size stays. */
static void arena_reset(adze_onnx_piece *piece)
{
    adze_onnx_block *keep = NULL;
    for (adze_onnx_block *block = piece->blocks, *next; block; block = next) {
        next = block->next;
        if (!keep && block->size == BLOCK) {
            keep = block;
            keep->used = 0;
        } else {
            free(block);
        }
    }
    if (keep) keep->next = NULL;
    piece->blocks = keep;
    piece->used = 0;
}

void adze_onnx_piece_free(adze_onnx_piece *piece)
{
    arena_reset(piece);
    free(piece->blocks);
    free(piece->bytes);
    *piece = (adze_onnx_piece){0};
}

/* ---- Writing the smaller message ---- */

/* Room for `count` more bytes; NULL if the piece gets too large or memory is out. */
static uint8_t *grow(adze_onnx_piece *piece, uint64_t count)
{
    if (count > MAX_PIECE || piece->size + count > MAX_PIECE) return NULL;
    if (piece->size + count > piece->capacity) {
        size_t capacity = piece->capacity ? piece->capacity : 1024;
        while (capacity < piece->size + count) capacity *= 2;
        uint8_t *bytes = realloc(piece->bytes, capacity);
        if (!bytes) return NULL;
        piece->bytes = bytes;
        piece->capacity = capacity;
    }
    uint8_t *result = piece->bytes + piece->size;
    piece->size += (size_t)count;
    return result;
}

static bool put_varint(adze_onnx_piece *piece, uint64_t value)
{
    uint8_t *to;
    do {
        to = grow(piece, 1);
        if (!to) return false;
        *to = (uint8_t)(value & 0x7f) | (uint8_t)(value > 0x7f ? 0x80 : 0);
        value >>= 7;
    } while (value);
    return true;
}

static bool put_number(adze_onnx_piece *piece, uint32_t field, uint64_t value)
{
    return put_varint(piece, (uint64_t)field << 3) && put_varint(piece, value);
}

/* Fills the LENGTH_BYTES before a submessage that began at `begin` and ends here. */
static void patch_length(adze_onnx_piece *piece, size_t begin)
{
    uint32_t length = (uint32_t)(piece->size - begin);
    for (int i = 0; i < LENGTH_BYTES; i++)
        piece->bytes[begin - LENGTH_BYTES + (size_t)i] =
            (uint8_t)(((length >> (7 * i)) & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80u : 0u));
}

/* What is known of a message that is being copied. */
typedef struct copied {
    size_t begin;   /* of its contents in the piece */
    uint32_t field; /* payload field of a tensor */
    uint64_t chunks;
    adze_onnx_range payload;
} copied;

static bool is_payload(const adze_onnx_scanner *scanner)
{
    if (scanner->frames[scanner->depth].message != &pb__tensor__descriptor || !scanner->field)
        return false;
    switch (scanner->number) {
    case 4:
    case 5:
    case 6:
    case 7:
    case 9:
    case 10:
    case 11:
        return true;
    default:
        return false;
    }
}

static bool note_payload(const adze_onnx_scanner *scanner, copied *tensor)
{
    /* Some writers put every payload field there, all but one of them empty. */
    if (scanner->wire == ADZE_ONNX_BYTES && scanner->range.size == 0 && scanner->number != 6)
        return true;
    bool first = tensor->chunks == 0;
    if (!first && (tensor->field != scanner->number || scanner->number == 9)) {
        adze_onnx_scan_error(scanner, "a tensor with two payloads");
        return false;
    }
    tensor->field = scanner->number;
    tensor->chunks++;
    tensor->payload = scanner->range;
    return true;
}

/* Ends a message: a tensor gets the fields that say where its payload is. */
static bool end_message(adze_onnx_piece *piece, const ProtobufCMessageDescriptor *message,
                        const copied *self, adze_onnx_range body)
{
    if (message != &pb__tensor__descriptor) return true;
    return put_number(piece, 1000, self->field) && put_number(piece, 1001, self->chunks) &&
           put_number(piece, 1002, self->payload.offset) &&
           put_number(piece, 1003, self->payload.size) && put_number(piece, 1004, body.offset) &&
           put_number(piece, 1005, body.size);
}

/* Names are joined to longer ones, so that long ones would take memory again and again. */
enum { MAX_NAME = 1 << 16 };

static bool check_text(const adze_onnx_scanner *scanner, const uint8_t *text)
{
    const char *name = scanner->field->name, *at = (const char *)text, *end = at + scanner->range.size;
    bool is_name = strcmp(name, "doc_string") && strcmp(name, "value") && strcmp(name, "key");
    if (memchr(text, 0, scanner->range.size)) {
        adze_onnx_scan_error(scanner, "'%s' holds a zero byte", name);
        return false;
    }
    if (is_name && scanner->range.size > MAX_NAME) {
        adze_onnx_scan_error(scanner, "'%s' has %llu bytes; a name has at most %d", name,
                             (unsigned long long)scanner->range.size, MAX_NAME);
        return false;
    }
    for (size_t n; at < end; at += n)
        if (!(n = adze_utf8_length(at, end))) {
            adze_onnx_scan_error(scanner, "'%s' is not UTF-8", name);
            return false;
        }
    return true;
}

/* Copies one leaf field as it stands, key included. */
static bool copy_field(adze_onnx_piece *piece, adze_onnx_scanner *scanner)
{
    uint64_t head = scanner->range.offset - scanner->key_offset;
    uint8_t *to = grow(piece, head + scanner->range.size);
    if (!to) {
        adze_onnx_scan_error(scanner, TOO_LARGE);
        return false;
    }
    if (!adze_onnx_source_read(scanner->source, scanner->key_offset, to,
                               head + scanner->range.size))
        return false;
    return scanner->field->type != PROTOBUF_C_TYPE_STRING || check_text(scanner, to + head);
}

static bool begin_message(adze_onnx_piece *piece, const adze_onnx_scanner *scanner, copied *self)
{
    if (!put_varint(piece, (uint64_t)scanner->number << 3 | ADZE_ONNX_BYTES) ||
        !grow(piece, LENGTH_BYTES)) {
        adze_onnx_scan_error(scanner, TOO_LARGE);
        return false;
    }
    *self = (copied){.begin = piece->size};
    return true;
}

static bool copy_message(adze_onnx_piece *piece, adze_onnx_scanner *scanner)
{
    copied open[ADZE_ONNX_MAX_DEPTH + 1];
    open[0] = (copied){0};
    for (;;) {
        adze_onnx_event event = adze_onnx_scan_next(scanner);
        uint32_t depth = scanner->depth;
        switch (event) {
        case ADZE_ONNX_FAILED:
            return false;
        case ADZE_ONNX_ENTER:
            if (!begin_message(piece, scanner, &open[depth])) return false;
            break;
        case ADZE_ONNX_FIELD:
            if (!scanner->field) break;
            if (is_payload(scanner) ? !note_payload(scanner, &open[depth])
                                    : !copy_field(piece, scanner))
                return false;
            break;
        case ADZE_ONNX_LEAVE:
            if (!end_message(piece, scanner->frames[depth + 1].message, &open[depth + 1],
                             scanner->range)) {
                adze_onnx_scan_error(scanner, TOO_LARGE);
                return false;
            }
            patch_length(piece, open[depth + 1].begin);
            break;
        case ADZE_ONNX_END: {
            const adze_onnx_frame *whole = &scanner->frames[0];
            adze_onnx_range body = {whole->begin, whole->end - whole->begin};
            if (end_message(piece, whole->message, &open[0], body)) return true;
            adze_onnx_scan_error(scanner, TOO_LARGE);
            return false;
        }
        }
    }
}

void *adze_onnx_piece_unpack(adze_onnx_piece *piece, adze_onnx_source *source,
                             adze_onnx_range range, const ProtobufCMessageDescriptor *message)
{
    adze_onnx_scanner scanner;
    arena_reset(piece);
    piece->size = 0;
    if (!grow(piece, 16)) {
        adze_error(adze_onnx_source_loc(source), "out of memory");
        return NULL;
    }
    piece->size = 0;
    adze_onnx_scan_begin(&scanner, source, range, message);
    if (!copy_message(piece, &scanner)) return NULL;
    ProtobufCAllocator allocator = {arena_alloc, arena_free, piece};
    void *result = protobuf_c_message_unpack(message, &allocator, piece->size, piece->bytes);
    if (!result)
        adze_onnx_scan_error(&scanner, "a %s of %llu bytes cannot be unpacked", message->short_name,
                             (unsigned long long)range.size);
    return result;
}
