/* Stored values, as ONNX's test data sets have them: tensors, sequences, optionals.
 *
 * Sequences are unpacked by protobuf-c like any piece, so their nesting is bounded by the scanner's
 * depth; the recursion here follows it.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>

/* SequenceProto.DataType and OptionalProto.DataType. */
enum { OF_NOTHING = 0, OF_TENSORS = 1, OF_SEQUENCES = 3, OF_OPTIONALS = 5 };

void adze_onnx_value_free(adze_value *value)
{
    for (uint64_t i = 0; i < value->n_items; i++) adze_onnx_value_free(&value->items[i]);
    free(value->items);
    free(value->data);
    free((void *)(uintptr_t)value->dims);
    *value = (adze_value){0};
}

static bool read_tensor(adze_onnx_source *source, const Pb__Tensor *tensor, adze_value *out)
{
    adze_loc loc = adze_onnx_source_loc(source);
    adze_onnx_shape shape;
    uint8_t *bytes;
    if (!adze_onnx_tensor_shape(tensor, loc, &shape)) return false;
    if (tensor->data_location == 1) return adze_error(loc, "external data is for models only");
    if (!adze_onnx_tensor_bytes(source, tensor, &shape, loc, &bytes)) return false;
    int64_t *dims = malloc((shape.rank + 1) * sizeof *dims);
    if (!dims) {
        free(bytes);
        return adze_error(loc, "out of memory");
    }
    memcpy(dims, shape.dims, shape.rank * sizeof *dims);
    *out = (adze_value){.kind = ADZE_VALUE_TENSOR,
                        .dtype = (uint32_t)shape.dtype,
                        .rank = shape.rank,
                        .dims = dims,
                        .data = bytes};
    return true;
}

static bool make_items(adze_onnx_source *source, adze_value *out, adze_value_kind kind,
                       size_t count)
{
    *out = (adze_value){.kind = kind, .items = calloc(count + 1, sizeof *out->items)};
    out->n_items = out->items ? count : 0;
    return out->items || adze_error(adze_onnx_source_loc(source), "out of memory");
}

static bool read_optional(adze_onnx_source *source, const Pb__Optional *optional, adze_value *out);

/* On failure `out` holds what was made so far; the caller frees it. */
static bool read_sequence(adze_onnx_source *source, const Pb__Sequence *sequence, adze_value *out)
{
    bool ok = true;
    switch (sequence->elem_type) {
    case OF_NOTHING:
        return make_items(source, out, ADZE_VALUE_SEQUENCE, 0);
    case OF_TENSORS:
        ok = make_items(source, out, ADZE_VALUE_SEQUENCE, sequence->n_tensor_values);
        for (size_t i = 0; ok && i < out->n_items; i++)
            ok = read_tensor(source, sequence->tensor_values[i], &out->items[i]);
        return ok;
    case OF_SEQUENCES:
        ok = make_items(source, out, ADZE_VALUE_SEQUENCE, sequence->n_sequence_values);
        for (size_t i = 0; ok && i < out->n_items; i++)
            ok = read_sequence(source, sequence->sequence_values[i], &out->items[i]);
        return ok;
    case OF_OPTIONALS:
        ok = make_items(source, out, ADZE_VALUE_SEQUENCE, sequence->n_optional_values);
        for (size_t i = 0; ok && i < out->n_items; i++)
            ok = read_optional(source, sequence->optional_values[i], &out->items[i]);
        return ok;
    default:
        return adze_error(adze_onnx_source_loc(source), "sequences of kind %d are not supported",
                          sequence->elem_type);
    }
}

static bool read_optional(adze_onnx_source *source, const Pb__Optional *optional, adze_value *out)
{
    adze_loc loc = adze_onnx_source_loc(source);
    switch (optional->elem_type) {
    case OF_NOTHING:
        return make_items(source, out, ADZE_VALUE_OPTIONAL, 0);
    case OF_TENSORS:
        if (!optional->tensor_value) return adze_error(loc, "an optional without its tensor");
        return make_items(source, out, ADZE_VALUE_OPTIONAL, 1) &&
               read_tensor(source, optional->tensor_value, out->items);
    case OF_SEQUENCES:
        if (!optional->sequence_value) return adze_error(loc, "an optional without its sequence");
        return make_items(source, out, ADZE_VALUE_OPTIONAL, 1) &&
               read_sequence(source, optional->sequence_value, out->items);
    default:
        return adze_error(loc, "optionals of kind %d are not supported", optional->elem_type);
    }
}

static const ProtobufCMessageDescriptor *descriptor_of(adze_value_kind kind)
{
    switch (kind) {
    case ADZE_VALUE_TENSOR:
        return &pb__tensor__descriptor;
    case ADZE_VALUE_SEQUENCE:
        return &pb__sequence__descriptor;
    case ADZE_VALUE_OPTIONAL:
        return &pb__optional__descriptor;
    default:
        return NULL;
    }
}

static bool read_value(adze_onnx_source *source, adze_value_kind kind, adze_value *out,
                       const char **out_name)
{
    const ProtobufCMessageDescriptor *message = descriptor_of(kind);
    if (!message)
        return adze_error(adze_onnx_source_loc(source), "values of this kind are not supported");
    adze_onnx_piece piece = {0};
    void *unpacked =
        adze_onnx_piece_unpack(&piece, source, (adze_onnx_range){0, source->size}, message);
    const char *name = NULL;
    bool ok = false;
    if (unpacked && kind == ADZE_VALUE_TENSOR) {
        name = ((Pb__Tensor *)unpacked)->name;
        ok = read_tensor(source, unpacked, out);
    } else if (unpacked && kind == ADZE_VALUE_SEQUENCE) {
        name = ((Pb__Sequence *)unpacked)->name;
        ok = read_sequence(source, unpacked, out);
    } else if (unpacked) {
        name = ((Pb__Optional *)unpacked)->name;
        ok = read_optional(source, unpacked, out);
    }
    if (out_name) *out_name = adze_intern_z(source->context, name ? name : "");
    adze_onnx_piece_free(&piece);
    return ok;
}

bool adze_onnx_read_value(adze_context *context, const char *path, adze_value_kind kind,
                          adze_value *out, const char **out_name)
{
    adze_onnx_source source;
    *out = (adze_value){0};
    bool ok =
        adze_onnx_source_open(&source, context, path) && read_value(&source, kind, out, out_name);
    if (!ok) adze_onnx_value_free(out);
    adze_onnx_source_close(&source);
    return ok;
}
