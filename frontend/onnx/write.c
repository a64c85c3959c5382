/* Writing a value as TensorProto, SequenceProto or OptionalProto.
 *
 * The messages are small and regular, so they are written as they stand: the size of every part is
 * computed first, then the bytes go out in one pass, tensors' contents without a copy.
 */
#include "import.h"

#include <adze/temporary.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t varint_size(uint64_t value)
{
    uint64_t n = 1;
    while (value >>= 7) n++;
    return n;
}

static void put_varint(FILE *file, uint64_t value)
{
    for (; value > 0x7f; value >>= 7) putc((int)(value & 0x7f) | 0x80, file);
    putc((int)value, file);
}

/* All field numbers here are below 16: keys take one byte. */
static void put_key(FILE *file, uint32_t field, adze_onnx_wire wire)
{
    putc((int)(field << 3 | wire), file);
}

static void put_bytes(FILE *file, uint32_t field, const void *bytes, uint64_t size)
{
    put_key(file, field, ADZE_ONNX_BYTES);
    put_varint(file, size);
    if (size) fwrite(bytes, 1, size, file);
}

static uint64_t bytes_size(uint64_t size) { return 1 + varint_size(size) + size; }

/* ---- Tensors: dims 1, data_type 2, string_data 6, name 8, raw_data 9 ---- */

static uint64_t tensor_size(const adze_value *value, const char *name)
{
    uint64_t size = 1 + varint_size((uint64_t)adze_onnx_dtype_number((adze_dtype)value->dtype));
    uint64_t count = adze_value_count(value);
    for (uint32_t i = 0; i < value->rank; i++) size += 1 + varint_size((uint64_t)value->dims[i]);
    if (name) size += bytes_size(strlen(name));
    if (value->dtype != ADZE_DTYPE_str)
        return size + bytes_size(adze_dtype_bytes((adze_dtype)value->dtype, count));
    const adze_string *strings = value->data;
    for (uint64_t i = 0; i < count; i++) size += bytes_size(strings[i].size);
    return size;
}

static void put_tensor(FILE *file, const adze_value *value, const char *name)
{
    uint64_t count = adze_value_count(value);
    for (uint32_t i = 0; i < value->rank; i++) {
        put_key(file, 1, ADZE_ONNX_VARINT);
        put_varint(file, (uint64_t)value->dims[i]);
    }
    put_key(file, 2, ADZE_ONNX_VARINT);
    put_varint(file, (uint64_t)adze_onnx_dtype_number((adze_dtype)value->dtype));
    if (value->dtype == ADZE_DTYPE_str) {
        const adze_string *strings = value->data;
        for (uint64_t i = 0; i < count; i++) put_bytes(file, 6, strings[i].data, strings[i].size);
    }
    if (name) put_bytes(file, 8, name, strlen(name));
    if (value->dtype != ADZE_DTYPE_str)
        put_bytes(file, 9, value->data, adze_dtype_bytes((adze_dtype)value->dtype, count));
}

/* ---- Sequences and optionals of tensors: name 1, elem_type 2, values 3 ---- */

static void put_value(FILE *file, const adze_value *value, const char *name)
{
    if (value->kind == ADZE_VALUE_TENSOR) {
        put_tensor(file, value, name);
        return;
    }
    if (name) put_bytes(file, 1, name, strlen(name));
    put_key(file, 2, ADZE_ONNX_VARINT);
    putc(value->n_items || value->kind == ADZE_VALUE_SEQUENCE ? 1 : 0, file);
    for (uint64_t i = 0; i < value->n_items; i++) {
        put_key(file, 3, ADZE_ONNX_BYTES);
        put_varint(file, tensor_size(&value->items[i], NULL));
        put_tensor(file, &value->items[i], NULL);
    }
}

static bool can_write(const adze_value *value)
{
    if (value->kind == ADZE_VALUE_TENSOR) return true;
    if (value->kind != ADZE_VALUE_SEQUENCE && value->kind != ADZE_VALUE_OPTIONAL) return false;
    for (uint64_t i = 0; i < value->n_items; i++)
        if (value->items[i].kind != ADZE_VALUE_TENSOR) return false;
    return true;
}

bool adze_onnx_write_value(adze_context *context, const char *path, const char *name,
                           const adze_value *value)
{
    adze_loc loc = adze_loc_unknown(context);
    loc.file = adze_intern_z(context, path);
    if (!can_write(value)) return adze_error(loc, "values of this kind cannot be written");
    const char *part = adze_internf(context, "%s.%ld.part", path, (long)getpid());
    adze_temporary_add(context, part);
    FILE *file = fopen(part, "wb");
    bool ok = file != NULL;
    if (file) {
        put_value(file, value, name);
        ok = !ferror(file);
        if (fclose(file) != 0) ok = false;
    }
    ok = ok && rename(part, path) == 0;
    int why = errno;
    if (!ok && file) remove(part);
    adze_temporary_forget(context, part);
    return ok || adze_error(loc, "cannot write the file: %s", strerror(why));
}
