/* Types as text, the inverse of parse_type.c. */
#include <string.h>

#include "ir/ir_private.h"
#include "ir/text.h"

const char *adze_dtype_text(adze_dtype dtype)
{
    static const char *const names[] = {
        "none",
#define DTYPE(name, bits, kind, onnx) #name,
#include <adze/dtype.def>
#undef DTYPE
    };
    return (unsigned)dtype < ADZE_DTYPE_COUNT ? names[dtype] : "none";
}

static void write_dims(adze_text *text, const adze_dim *const *dims, uint32_t rank)
{
    adze_text_put(text, "[");
    for (uint32_t i = 0; i < rank; i++) {
        if (i) adze_text_put(text, ",");
        adze_text_dim(text, dims[i]);
    }
    adze_text_put(text, "]");
}

static void write_numbers(adze_text *text, const char *key, const uint32_t *numbers, uint32_t rank,
                          const char **separator)
{
    bool any = false;
    for (uint32_t i = 0; i < rank; i++) any |= numbers[i] != 0;
    if (!any) return;
    adze_text_append(text, "%s%s=[", *separator, key);
    for (uint32_t i = 0; i < rank; i++) adze_text_append(text, "%s%u", i ? "," : "", numbers[i]);
    adze_text_put(text, "]");
    *separator = ", ";
}

static void write_layout(adze_text *text, const adze_type *type)
{
    const adze_layout *layout = type->layout;
    uint32_t perm[ADZE_MAX_RANK];
    const char *separator = "<";
    for (uint32_t i = 0; i < type->rank; i++) perm[i] = layout->perm[i];
    if (layout->has_perm) write_numbers(text, "perm", perm, type->rank, &separator);
    write_numbers(text, "halo", layout->halo, type->rank, &separator);
    write_numbers(text, "pad", layout->pad, type->rank, &separator);
    write_numbers(text, "block", layout->block, type->rank, &separator);
    if (*separator != '<') adze_text_put(text, ">");
}

static void write_buffer(adze_text *text, const adze_type *type)
{
    adze_context *context = type->context;
    const adze_type *dense = adze_type_buffer(context, type->dtype, type->rank, type->dims, NULL,
                                              type->align, type->alias);
    const char *separator = "<";
    adze_text_append(text, "buffer(%s", adze_dtype_text(type->dtype));
    write_dims(text, type->dims, type->rank);
    if (dense != type) {
        adze_text_append(text, "%sstrides=", separator);
        write_dims(text, type->strides, type->rank);
        separator = ", ";
    }
    if (type->align) {
        adze_text_append(text, "%salign=%u", separator, type->align);
        separator = ", ";
    }
    if (type->alias) {
        adze_text_append(text, "%salias=%u", separator, type->alias);
        separator = ", ";
    }
    adze_text_append(text, "%s)", *separator != '<' ? ">" : "");
}

void adze_text_type(adze_text *text, const adze_type *type)
{
    const char *dtype = adze_dtype_text(type->dtype);
    switch (type->kind) {
    case ADZE_TYPE_TENSOR:
        adze_text_put(text, dtype);
        if (type->ranked)
            write_dims(text, type->dims, type->rank);
        else
            adze_text_put(text, "[*]");
        write_layout(text, type);
        return;
    case ADZE_TYPE_SCALAR:
        adze_text_put(text, dtype);
        return;
    case ADZE_TYPE_VECTOR:
        adze_text_append(text, "%sx16", dtype);
        return;
    case ADZE_TYPE_BUFFER:
        write_buffer(text, type);
        return;
    case ADZE_TYPE_SEQUENCE:
    case ADZE_TYPE_OPTIONAL:
        adze_text_append(text, type->kind == ADZE_TYPE_SEQUENCE ? "sequence(" : "optional(");
        adze_text_type(text, type->element);
        adze_text_put(text, ")");
        return;
    case ADZE_TYPE_MAP:
        adze_text_append(text, "map(%s, ", dtype);
        adze_text_type(text, type->element);
        adze_text_put(text, ")");
        return;
    case ADZE_TYPE_NONE:
        adze_text_put(text, "none");
        return;
    }
}

size_t adze_type_print(const adze_type *type, char *buffer, size_t size)
{
    adze_text text = {0};
    adze_text_type(&text, type);
    size_t length = text.size;
    if (size) {
        size_t n = length < size ? length : size - 1;
        if (n) memcpy(buffer, text.data, n);
        buffer[n] = 0;
    }
    adze_text_free(&text);
    return length;
}
