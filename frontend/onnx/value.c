/* Stored values, as ONNX's test data sets have them: tensors, sequences, optionals, maps.
 *
 * Sequences are unpacked by protobuf-c like any piece, so their nesting is bounded by the scanner's
 * depth; the recursion here follows it.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>

/* SequenceProto.DataType and OptionalProto.DataType. */
enum { OF_NOTHING = 0, OF_TENSORS = 1, OF_SEQUENCES = 3, OF_MAPS = 4, OF_OPTIONALS = 5 };

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
static bool read_map(adze_onnx_source *source, const Pb__Map *map, adze_value *out);

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
    case OF_MAPS:
        ok = make_items(source, out, ADZE_VALUE_SEQUENCE, sequence->n_map_values);
        for (size_t i = 0; ok && i < out->n_items; i++)
            ok = read_map(source, sequence->map_values[i], &out->items[i]);
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

/* ---- Maps: two items, tensors of rank 1 ---- */

/* Room for `count` elements, and `more` bytes behind them. */
static bool make_row(adze_onnx_source *source, adze_value *out, adze_dtype dtype, size_t count, size_t more)
{
    int64_t *dims = malloc(sizeof *dims);
    uint8_t *bytes = calloc(1, adze_dtype_bytes(dtype, count) + more + 64);
    *out = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = (uint32_t)dtype, .rank = 1, .dims = dims, .data = bytes};
    if (!dims || !bytes) return adze_error(adze_onnx_source_loc(source), "out of memory");
    *dims = (int64_t)count;
    return true;
}

/* Strings as an array of adze_string with their bytes behind it. */
static bool make_strings(adze_onnx_source *source, adze_value *out, const adze_string *strings, size_t count)
{
    size_t more = 0;
    for (size_t i = 0; i < count; i++) more += strings[i].size;
    if (!make_row(source, out, ADZE_DTYPE_str, count, more)) return false;
    adze_string *own = out->data;
    char *to = (char *)(own + count);
    for (size_t i = 0; i < count; i++) {
        if (strings[i].size) memcpy(to, strings[i].data, strings[i].size);
        own[i] = (adze_string){to, strings[i].size};
        to += strings[i].size;
    }
    return true;
}

static bool read_keys(adze_onnx_source *source, const Pb__Map *map, adze_value *out)
{
    adze_dtype dtype = adze_onnx_dtype(map->key_type);
    if (dtype == ADZE_DTYPE_str) {
        adze_string *strings = calloc(map->n_string_keys + 1, sizeof *strings);
        if (!strings) return adze_error(adze_onnx_source_loc(source), "out of memory");
        for (size_t i = 0; i < map->n_string_keys; i++)
            strings[i] = (adze_string){(const char *)map->string_keys[i].data, map->string_keys[i].len};
        bool ok = make_strings(source, out, strings, map->n_string_keys);
        free(strings);
        return ok;
    }
    if (dtype != ADZE_DTYPE_i64)
        return adze_error(adze_onnx_source_loc(source), "maps with keys of type %d are not supported", map->key_type);
    if (!make_row(source, out, dtype, map->n_keys, 0)) return false;
    if (map->n_keys) memcpy(out->data, map->keys, map->n_keys * sizeof *map->keys);
    return true;
}

/* The values, tensors of one element each, as one row. */
static bool join_values(adze_onnx_source *source, const adze_value *items, size_t count, adze_value *out)
{
    adze_dtype dtype = count ? (adze_dtype)items[0].dtype : ADZE_DTYPE_f32;
    size_t size = adze_dtype_bits(dtype) / 8;
    for (size_t i = 0; i < count; i++)
        if (items[i].kind != ADZE_VALUE_TENSOR || items[i].dtype != items[0].dtype ||
            adze_value_count(&items[i]) != 1 || !size)
            return adze_error(adze_onnx_source_loc(source), "the values of a map are not one element each");
    if (!make_row(source, out, dtype, count, 0)) return false;
    for (size_t i = 0; i < count; i++) memcpy((char *)out->data + i * size, items[i].data, size);
    if (dtype != ADZE_DTYPE_str) return true;
    adze_value own;
    bool ok = make_strings(source, &own, out->data, count);
    adze_onnx_value_free(out);
    *out = own;
    return ok;
}

static bool read_map(adze_onnx_source *source, const Pb__Map *map, adze_value *out)
{
    adze_value values = {0};
    if (!make_items(source, out, ADZE_VALUE_MAP, 2) || !read_keys(source, map, &out->items[0])) return false;
    bool ok = !map->values || read_sequence(source, map->values, &values);
    if (ok && values.n_items != (uint64_t)out->items[0].dims[0])
        ok = adze_error(adze_onnx_source_loc(source), "a map of %lld keys and %llu values",
                        (long long)out->items[0].dims[0], (unsigned long long)values.n_items);
    ok = ok && join_values(source, values.items, values.n_items, &out->items[1]);
    adze_onnx_value_free(&values);
    return ok;
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
    case ADZE_VALUE_MAP:
        return &pb__map__descriptor;
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
    } else if (unpacked && kind == ADZE_VALUE_MAP) {
        name = ((Pb__Map *)unpacked)->name;
        ok = read_map(source, unpacked, out);
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
