/* Tensors of a model: checked dims, and contents as bytes or as lazy constant data.
 *
 * ONNX has two ways to store elements: raw_data (little endian, dense) and lists of protobuf
 * numbers. raw_data and packed lists of floats are the constant's own bytes and stay in the file;
 * the other lists are decoded by a second walk over the tensor. Hosts are little endian.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "payloads are read as they lie");

/* Up to this size contents are copied: reading a page later costs more than keeping it. */
enum { SMALL = 4096 };

enum { FLOATS = 4, INT32S = 5, STRINGS = 6, INT64S = 7, RAW = 9, DOUBLES = 10, UINT64S = 11 };

bool adze_onnx_tensor_shape(const Pb__Tensor *tensor, adze_loc loc, adze_onnx_shape *out)
{
    const char *name = tensor->name ? tensor->name : "";
    *out = (adze_onnx_shape){.dtype = adze_onnx_dtype(tensor->data_type), .count = 1};
    if (out->dtype == ADZE_DTYPE_NONE)
        return adze_error(loc, "tensor '%s': element type %d is not known", name,
                          tensor->data_type);
    if (tensor->n_dims > ADZE_MAX_RANK)
        return adze_error(loc, "tensor '%s' has %zu dims; at most %d are supported", name,
                          tensor->n_dims, ADZE_MAX_RANK);
    out->rank = (uint32_t)tensor->n_dims;
    bool empty = false, overflow = false;
    for (uint32_t i = 0; i < out->rank; i++) {
        out->dims[i] = tensor->dims[i];
        if (out->dims[i] < 0)
            return adze_error(loc, "tensor '%s': dim %u is %lld", name, i, (long long)out->dims[i]);
        empty |= out->dims[i] == 0;
        overflow |= __builtin_mul_overflow(out->count, (uint64_t)out->dims[i], &out->count);
    }
    if (empty) {
        out->count = 0;
        return true;
    }
    if (overflow || out->count > (UINT64_C(1) << 56))
        return adze_error(loc, "tensor '%s' takes more memory than there are addresses", name);
    out->bytes = adze_dtype_bytes(out->dtype, out->count);
    return true;
}

/* The list field that holds elements of a type. */
static uint32_t field_of(adze_dtype dtype)
{
    switch (dtype) {
    case ADZE_DTYPE_f32:
    case ADZE_DTYPE_c64:
        return FLOATS;
    case ADZE_DTYPE_f64:
    case ADZE_DTYPE_c128:
        return DOUBLES;
    case ADZE_DTYPE_i64:
        return INT64S;
    case ADZE_DTYPE_u32:
    case ADZE_DTYPE_u64:
        return UINT64S;
    case ADZE_DTYPE_str:
        return STRINGS;
    default:
        return INT32S;
    }
}

/* Bytes of memory that one number of the list fills. */
static uint64_t unit_of(adze_dtype dtype)
{
    switch (dtype) {
    case ADZE_DTYPE_c64:
        return 4;
    case ADZE_DTYPE_c128:
        return 8;
    default:
        return adze_dtype_bits(dtype) <= 8 ? 1 : adze_dtype_bits(dtype) / 8;
    }
}

/* Where decoded numbers go. */
typedef struct target {
    adze_dtype dtype;
    uint8_t *bytes;
    uint64_t size, at, unit;
} target;

static bool put(target *out, const void *value)
{
    if (out->size - out->at < out->unit) return false;
    memcpy(out->bytes + out->at, value, out->unit);
    out->at += out->unit;
    return true;
}

/* Does a number of int32_data or uint64_data fit the element type? Bit patterns of small floats and
 * of packed pairs are unsigned, but some writers sign-extend them. */
static bool fits(adze_dtype dtype, int64_t value)
{
    switch (dtype) {
    case ADZE_DTYPE_u8:
    case ADZE_DTYPE_bool:
        return value >= 0 && value <= UINT8_MAX;
    case ADZE_DTYPE_i8:
        return value >= INT8_MIN && value <= INT8_MAX;
    case ADZE_DTYPE_u16:
        return value >= 0 && value <= UINT16_MAX;
    case ADZE_DTYPE_i16:
        return value >= INT16_MIN && value <= INT16_MAX;
    case ADZE_DTYPE_i32:
        return value >= INT32_MIN && value <= INT32_MAX;
    case ADZE_DTYPE_u32:
        return value >= 0 && value <= UINT32_MAX;
    case ADZE_DTYPE_f16:
    case ADZE_DTYPE_bf16:
        return value >= INT16_MIN && value <= UINT16_MAX;
    case ADZE_DTYPE_i64:
    case ADZE_DTYPE_u64:
        return true;
    default:
        return value >= INT8_MIN && value <= UINT8_MAX;
    }
}

static bool put_number(const adze_onnx_scanner *scanner, target *out, uint64_t number)
{
    int64_t value = (int64_t)number;
    if (!fits(out->dtype, value)) {
        adze_onnx_scan_error(scanner, "%lld does not fit the tensor's element type",
                             (long long)value);
        return false;
    }
    if (!put(out, &number)) {
        adze_onnx_scan_error(scanner, "the tensor has more elements than its dims say");
        return false;
    }
    return true;
}

/* One packed run of varints. */
static bool put_packed(adze_onnx_scanner *scanner, target *out)
{
    uint64_t at = scanner->range.offset, end = at + scanner->range.size;
    while (at < end) {
        uint64_t have, number;
        const uint8_t *bytes = adze_onnx_source_peek(scanner->source, at, &have);
        if (!bytes) return false;
        uint32_t used = adze_onnx_varint(bytes, have < end - at ? have : end - at, &number);
        if (!used) {
            adze_onnx_scan_error(scanner, "a number is cut off");
            return false;
        }
        if (!put_number(scanner, out, number)) return false;
        at += used;
    }
    return true;
}

/* Contents that are elements as they are: raw bytes and floats, packed or one at a time. */
static bool put_bytes(adze_onnx_scanner *scanner, target *out)
{
    if (scanner->range.size > out->size - out->at) {
        adze_onnx_scan_error(scanner, "the tensor has more elements than its dims say");
        return false;
    }
    uint8_t *to = out->bytes + out->at;
    out->at += scanner->range.size;
    return adze_onnx_source_read(scanner->source, scanner->range.offset, to, scanner->range.size);
}

static bool decode_field(adze_onnx_scanner *scanner, target *out)
{
    switch (scanner->number) {
    case RAW:
    case FLOATS:
    case DOUBLES:
        return put_bytes(scanner, out);
    default:
        return scanner->wire == ADZE_ONNX_BYTES ? put_packed(scanner, out)
                                                : put_number(scanner, out, scanner->value);
    }
}

/* Strings: the array of adze_string first, their bytes behind it. */
static bool decode_string(adze_onnx_scanner *scanner, target *out, uint64_t *used,
                          const adze_onnx_shape *shape)
{
    if (out->at == shape->count) {
        adze_onnx_scan_error(scanner, "the tensor has more elements than its dims say");
        return false;
    }
    adze_string *strings = (adze_string *)(void *)out->bytes;
    uint8_t *to = out->bytes + shape->bytes + *used;
    strings[out->at++] = (adze_string){(const char *)to, scanner->range.size};
    *used += scanner->range.size;
    return adze_onnx_source_read(scanner->source, scanner->range.offset, to, scanner->range.size);
}

/* Walks the tensor again and fills `out`. */
static bool decode(adze_onnx_source *source, const Pb__Tensor *tensor, const adze_onnx_shape *shape,
                   target *out)
{
    adze_onnx_scanner scanner;
    uint64_t string_bytes = 0;
    adze_onnx_scan_begin(&scanner, source,
                         (adze_onnx_range){tensor->body_offset, tensor->body_size},
                         &pb__tensor__descriptor);
    for (;;) {
        adze_onnx_event event = adze_onnx_scan_next(&scanner);
        if (event == ADZE_ONNX_FAILED) return false;
        if (event == ADZE_ONNX_END) return true;
        if (event != ADZE_ONNX_FIELD || scanner.depth != 0 || !scanner.field ||
            scanner.number != tensor->payload_field)
            continue;
        bool ok = scanner.number == STRINGS ? decode_string(&scanner, out, &string_bytes, shape)
                                            : decode_field(&scanner, out);
        if (!ok) return false;
    }
}

/* Checks what can be said of the payload before memory is taken for it. */
static bool check_payload(const Pb__Tensor *tensor, const adze_onnx_shape *shape, adze_loc loc)
{
    const char *name = tensor->name ? tensor->name : "";
    uint32_t field = tensor->payload_field;
    if (tensor->payload_chunks == 0)
        return shape->count == 0 || adze_error(loc, "tensor '%s' has %llu elements but no data",
                                               name, (unsigned long long)shape->count);
    if (field == RAW && shape->dtype != ADZE_DTYPE_str) {
        if (tensor->payload_size == shape->bytes) return true;
        return adze_error(loc, "tensor '%s' takes %llu bytes but has %llu", name,
                          (unsigned long long)shape->bytes,
                          (unsigned long long)tensor->payload_size);
    }
    if (field != field_of(shape->dtype))
        return adze_error(loc, "tensor '%s' has its data in a field for another element type",
                          name);
    /* Every number takes at least a byte of file, so memory stays within 8 times the file. */
    uint64_t numbers = field == STRINGS ? shape->count : shape->bytes / unit_of(shape->dtype);
    if (numbers > tensor->body_size)
        return adze_error(loc, "tensor '%s' has fewer elements than its dims say", name);
    return true;
}

bool adze_onnx_tensor_bytes(adze_onnx_source *source, const Pb__Tensor *tensor,
                            const adze_onnx_shape *shape, adze_loc loc, uint8_t **out_bytes)
{
    *out_bytes = NULL;
    if (!check_payload(tensor, shape, loc)) return false;
    bool strings = shape->dtype == ADZE_DTYPE_str;
    uint64_t total = shape->bytes + (strings ? tensor->body_size : 0);
    target out = {shape->dtype, NULL, shape->bytes, 0, unit_of(shape->dtype)};
    if (total <= SIZE_MAX / 2) out.bytes = aligned_alloc(64, (total + 64) & ~(uint64_t)63);
    if (!out.bytes)
        return adze_error(loc, "out of memory: %llu bytes for a tensor", (unsigned long long)total);
    if (!decode(source, tensor, shape, &out)) {
        free(out.bytes);
        return false;
    }
    if (out.at != (strings ? shape->count : shape->bytes)) {
        free(out.bytes);
        return adze_error(loc, "tensor '%s' has fewer elements than its dims say",
                          tensor->name ? tensor->name : "");
    }
    if (shape->dtype == ADZE_DTYPE_bool)
        for (uint64_t i = 0; i < shape->count; i++) out.bytes[i] = out.bytes[i] != 0;
    *out_bytes = out.bytes;
    return true;
}

/* Are the file's bytes the constant's own? */
static bool lies_in_file(const adze_onnx_source *source, const Pb__Tensor *tensor,
                         const adze_onnx_shape *shape)
{
    if (source->file < 0 || shape->bytes <= SMALL || tensor->payload_chunks != 1) return false;
    if (shape->dtype == ADZE_DTYPE_bool || shape->dtype == ADZE_DTYPE_str) return false;
    return (tensor->payload_field == RAW || tensor->payload_field == FLOATS ||
            tensor->payload_field == DOUBLES) &&
           tensor->payload_size == shape->bytes;
}

adze_data *adze_onnx_tensor_data(adze_onnx_import *import, const Pb__Tensor *tensor,
                                 const adze_onnx_shape *shape, adze_loc loc)
{
    enum { EXTERNAL = 1 };
    if (tensor->data_location != EXTERNAL && tensor->data_location != 0) {
        adze_error(loc, "tensor '%s': data_location is %d", tensor->name ? tensor->name : "", tensor->data_location);
        return NULL;
    }
    if (tensor->data_location == EXTERNAL && tensor->payload_chunks) {
        adze_error(loc, "tensor '%s' has data in the model and outside it", tensor->name ? tensor->name : "");
        return NULL;
    }
    if (tensor->data_location == EXTERNAL)
        return adze_onnx_external_data(import->context, import->folder, tensor, shape->bytes, loc);
    if (!check_payload(tensor, shape, loc)) return NULL;
    if (lies_in_file(&import->source, tensor, shape))
        return adze_data_file(import->context, import->source.path, tensor->payload_offset,
                              shape->bytes);
    uint8_t *bytes;
    if (!adze_onnx_tensor_bytes(&import->source, tensor, shape, loc, &bytes)) return NULL;
    return adze_data_take(import->context, bytes, shape->bytes);
}

adze_ir_value *adze_onnx_tensor_const(adze_onnx_import *import, const Pb__Tensor *tensor,
                                      const char *name, adze_loc loc)
{
    adze_onnx_shape shape;
    if (!adze_onnx_tensor_shape(tensor, loc, &shape)) return NULL;
    adze_data *data = adze_onnx_tensor_data(import, tensor, &shape, loc);
    if (!data) return NULL;
    const adze_type *type =
        adze_type_tensor_const(import->context, shape.dtype, shape.rank, shape.dims);
    adze_const *constant = adze_module_add_const(import->module, name, type, data);
    return constant ? adze_const_value(constant) : NULL;
}
