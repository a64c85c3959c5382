/* The wire-format scanner. See scan.h. Source: protobuf's encoding specification. */
#include "scan.h"

#include <stdarg.h>
#include <stdio.h>

uint32_t adze_onnx_varint(const uint8_t *bytes, uint64_t count, uint64_t *out_value)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < 10 && i < count; i++) {
        value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (bytes[i] < 0x80) {
            *out_value = value;
            return i + 1;
        }
    }
    return 0;
}

/* "graph.node.attribute" for the frames that are open. */
static void path_of(const adze_onnx_scanner *scanner, char *out, size_t size)
{
    size_t n = 0;
    out[0] = 0;
    for (uint32_t i = 1; i <= scanner->depth && n + 1 < size; i++) {
        if (i > 6 && i + 3 < scanner->depth) { /* deep: the middle is left out */
            n += (size_t)snprintf(out + n, size - n, "..");
            i = scanner->depth - 3;
            continue;
        }
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "." : "", scanner->frames[i].name);
    }
}

adze_onnx_event adze_onnx_scan_error(const adze_onnx_scanner *scanner, const char *format, ...)
{
    char message[256], path[256];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    path_of(scanner, path, sizeof path);
    adze_error(adze_onnx_source_loc(scanner->source), "not a valid file: byte %llu%s%s: %s",
               (unsigned long long)scanner->key_offset, path[0] ? ", in " : "", path, message);
    return ADZE_ONNX_FAILED;
}

void adze_onnx_scan_begin(adze_onnx_scanner *scanner, adze_onnx_source *source,
                          adze_onnx_range range, const ProtobufCMessageDescriptor *message)
{
    scanner->source = source;
    scanner->at = range.offset;
    scanner->depth = 0;
    scanner->field = NULL;
    scanner->key_offset = range.offset;
    scanner->frames[0] = (adze_onnx_frame){message, "", range.offset, range.offset + range.size};
}

static uint32_t expected_wire(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return ADZE_ONNX_BYTES;
    case PROTOBUF_C_TYPE_FLOAT:
        return ADZE_ONNX_FIXED32;
    case PROTOBUF_C_TYPE_DOUBLE:
        return ADZE_ONNX_FIXED64;
    default:
        return ADZE_ONNX_VARINT;
    }
}

/* A known field must have its type's wire type; numbers that repeat may come packed. */
static bool check_wire(const adze_onnx_scanner *scanner)
{
    uint32_t want = expected_wire(scanner->field);
    if (scanner->wire == want) return true;
    bool packed =
        scanner->wire == ADZE_ONNX_BYTES && scanner->field->label == PROTOBUF_C_LABEL_REPEATED;
    if (!packed) {
        adze_onnx_scan_error(scanner, "field '%s' has wire type %u instead of %u",
                             scanner->field->name, scanner->wire, want);
        return false;
    }
    uint64_t unit = want == ADZE_ONNX_FIXED32 ? 4 : want == ADZE_ONNX_FIXED64 ? 8 : 1;
    if (scanner->range.size % unit) {
        adze_onnx_scan_error(scanner, "field '%s' holds %llu bytes, no multiple of %llu",
                             scanner->field->name, (unsigned long long)scanner->range.size,
                             (unsigned long long)unit);
        return false;
    }
    return true;
}

/* Reads a varint at scanner->at inside the innermost message. */
static bool read_varint(adze_onnx_scanner *scanner, uint64_t *out_value)
{
    uint64_t left = scanner->frames[scanner->depth].end - scanner->at, have;
    if (left == 0) {
        adze_onnx_scan_error(scanner, "the message ends inside a field");
        return false;
    }
    const uint8_t *bytes = adze_onnx_source_peek(scanner->source, scanner->at, &have);
    if (!bytes) return false;
    uint32_t used = adze_onnx_varint(bytes, have < left ? have : left, out_value);
    if (!used) {
        adze_onnx_scan_error(scanner, left < 10 ? "the message ends inside a number"
                                                : "a number takes more than 10 bytes");
        return false;
    }
    scanner->at += used;
    return true;
}

/* The key and, for BYTES, the length: sets number, wire, field, range; `at` moves to the contents.
 */
static bool read_header(adze_onnx_scanner *scanner)
{
    uint64_t key;
    scanner->key_offset = scanner->at;
    if (!read_varint(scanner, &key)) return false;
    scanner->wire = (uint32_t)(key & 7);
    if (key >> 3 == 0 || key >> 3 > 0x1fffffff) {
        adze_onnx_scan_error(scanner, "%llu is no field number", (unsigned long long)(key >> 3));
        return false;
    }
    scanner->number = (uint32_t)(key >> 3);
    scanner->field = scanner->number < ADZE_ONNX_FIRST_OWN_FIELD
                         ? protobuf_c_message_descriptor_get_field(
                               scanner->frames[scanner->depth].message, scanner->number)
                         : NULL;
    uint64_t size;
    switch (scanner->wire) {
    case ADZE_ONNX_VARINT: {
        uint64_t begin = scanner->at;
        if (!read_varint(scanner, &scanner->value)) return false;
        size = scanner->at - begin;
        scanner->at = begin;
        break;
    }
    case ADZE_ONNX_FIXED64:
        size = 8;
        break;
    case ADZE_ONNX_FIXED32:
        size = 4;
        break;
    case ADZE_ONNX_BYTES:
        if (!read_varint(scanner, &size)) return false;
        break;
    default:
        adze_onnx_scan_error(scanner, "wire type %u is not used by ONNX", scanner->wire);
        return false;
    }
    uint64_t left = scanner->frames[scanner->depth].end - scanner->at;
    if (size > left) {
        adze_onnx_scan_error(scanner, "a field of %llu bytes where the message has only %llu left",
                             (unsigned long long)size, (unsigned long long)left);
        return false;
    }
    scanner->range = (adze_onnx_range){scanner->at, size};
    return true;
}

adze_onnx_event adze_onnx_scan_next(adze_onnx_scanner *scanner)
{
    adze_onnx_frame *frame = &scanner->frames[scanner->depth];
    if (scanner->at == frame->end) {
        if (scanner->depth == 0) return ADZE_ONNX_END;
        scanner->range = (adze_onnx_range){frame->begin, frame->end - frame->begin};
        scanner->depth--;
        return ADZE_ONNX_LEAVE;
    }
    if (!read_header(scanner)) return ADZE_ONNX_FAILED;
    const ProtobufCFieldDescriptor *field = scanner->field;
    if (field && !check_wire(scanner)) return ADZE_ONNX_FAILED;
    if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE) {
        scanner->at += scanner->range.size;
        return ADZE_ONNX_FIELD;
    }
    if (scanner->depth == ADZE_ONNX_MAX_DEPTH)
        return adze_onnx_scan_error(scanner, "messages are nested more than %d deep",
                                    ADZE_ONNX_MAX_DEPTH);
    scanner->depth++;
    scanner->frames[scanner->depth] =
        (adze_onnx_frame){field->descriptor, field->name, scanner->range.offset,
                          scanner->range.offset + scanner->range.size};
    return ADZE_ONNX_ENTER;
}
