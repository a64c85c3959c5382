/* Declared types and symbolic dims.
 *
 * A dim_param becomes a symbol of the same name where that is an identifier, else of a name made
 * from it; two dim_params never share a symbol. Unnamed unknown dims of inputs get a symbol of
 * their own, named after the input and the axis, so that shape inference has something to work
 * with.
 */
#include "import.h"

#include <stdio.h>
#include <string.h>

adze_dtype adze_onnx_dtype(int64_t number)
{
    static const struct {
        int32_t number;
        adze_dtype dtype;
    } rows[] = {
#define DTYPE(name, bits, kind, onnx) {onnx, ADZE_DTYPE_##name},
#include <adze/dtype.def>
#undef DTYPE
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].number == number) return rows[i].dtype;
    return ADZE_DTYPE_NONE;
}

int32_t adze_onnx_dtype_number(adze_dtype dtype)
{
    static const int32_t numbers[ADZE_DTYPE_COUNT] = {
        0,
#define DTYPE(name, bits, kind, onnx) onnx,
#include <adze/dtype.def>
#undef DTYPE
    };
    return (unsigned)dtype < ADZE_DTYPE_COUNT ? numbers[dtype] : 0;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Words that mean something in dim expressions. */
static bool is_reserved(const char *name)
{
    static const char *const words[] = {"floordiv", "ceildiv", "mod", "min", "max"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], name) == 0) return true;
    return false;
}

/* A free symbol name that looks like `text`. */
static const char *fresh_symbol(adze_onnx_import *import, const char *text)
{
    char word[64];
    size_t n = 0;
    if ((text[0] >= '0' && text[0] <= '9') || text[0] == 0) word[n++] = 'd';
    for (; *text && n + 1 < sizeof word; text++) word[n++] = is_word(*text) ? *text : '_';
    word[n] = 0;
    const char *base = adze_intern_z(import->context, word), *name = base;
    uintptr_t next = (uintptr_t)adze_map_get(import->taken, base); /* of the numbers behind that name */
    while (is_reserved(name) || adze_map_get(import->taken, name))
        name = adze_internf(import->context, "%s_%zu", word, (size_t)(next = next < 2 ? 2 : next + 1));
    if (name != base) adze_map_set(import->taken, base, (void *)next);
    adze_map_set(import->taken, name, (void *)(uintptr_t)1);
    return name;
}

/* The value that the options give a symbol. */
static bool fixed_dim(adze_onnx_import *import, const char *name, int64_t *out)
{
    for (uint32_t i = 0; i < import->options.n_dims; i++) {
        if (strcmp(import->options.dims[i].name, name) != 0) continue;
        import->dim_used[i] = true;
        *out = import->options.dims[i].value;
        return true;
    }
    return false;
}

static const adze_dim *new_symbol(adze_onnx_import *import, const char *param)
{
    int64_t value;
    const char *name = fresh_symbol(import, param);
    if (fixed_dim(import, param, &value) || fixed_dim(import, name, &value))
        return adze_dim_const(import->context, value);
    return adze_dim_symbol(import->context, name);
}

static const adze_dim *dim_of(adze_onnx_import *import, const Pb__Dim *dim, const char *value,
                              uint32_t axis, adze_onnx_dims mode)
{
    if (dim->has_value && dim->value >= 0) return adze_dim_const(import->context, dim->value);
    if (dim->param && dim->param[0]) {
        const char *param = adze_intern_z(import->context, dim->param);
        const adze_dim *known = adze_map_get(import->symbols, param);
        if (known) return known;
        if (mode == ADZE_ONNX_KNOWN_SYMBOLS) return adze_dim_unknown(import->context);
        known = new_symbol(import, param);
        adze_map_set(import->symbols, param, (void *)(uintptr_t)known);
        return known;
    }
    if (mode == ADZE_ONNX_KNOWN_SYMBOLS) return adze_dim_unknown(import->context);
    char name[80];
    snprintf(name, sizeof name, "%.60s_%u", value, axis);
    return new_symbol(import, name);
}

static const adze_type *tensor_type(adze_onnx_import *import, const Pb__TensorType *tensor,
                                    const char *value, adze_onnx_dims mode)
{
    adze_loc loc = adze_onnx_source_loc(&import->source);
    adze_dtype dtype = adze_onnx_dtype(tensor->elem_type);
    if (dtype == ADZE_DTYPE_NONE) {
        adze_error(loc, "value '%s': element type %d is not known", value, tensor->elem_type);
        return NULL;
    }
    if (!tensor->shape) return adze_type_unranked(import->context, dtype);
    if (tensor->shape->n_dim > ADZE_MAX_RANK) {
        adze_error(loc, "value '%s' has %zu dims; at most %d are supported", value,
                   tensor->shape->n_dim, ADZE_MAX_RANK);
        return NULL;
    }
    const adze_dim *dims[ADZE_MAX_RANK];
    uint32_t rank = (uint32_t)tensor->shape->n_dim;
    uint64_t bits = adze_dtype_bits(dtype);
    for (uint32_t i = 0; i < rank; i++) {
        const Pb__Dim *dim = tensor->shape->dim[i];
        int64_t extent;
        /* -1 stands for an unknown dim in files of some exporters. */
        if (dim->has_value && dim->value < -1) {
            adze_error(loc, "value '%s': dim %u is %lld", value, i, (long long)dim->value);
            return NULL;
        }
        dims[i] = dim_of(import, dim, value, i, mode);
        if (adze_dim_is_const(dims[i], &extent) && extent > 0 &&
            __builtin_mul_overflow(bits, (uint64_t)extent, &bits))
            bits = UINT64_MAX;
    }
    if (bits > (uint64_t)INT64_MAX) {
        adze_error(loc, "value '%s' takes more memory than there are addresses", value);
        return NULL;
    }
    return adze_type_tensor(import->context, dtype, rank, dims, NULL);
}

/* Recursion is as deep as the scanner allows. Items of a sequence may differ in dims that have only names there. A
 * sparse tensor is the dense one: which elements a file or a caller leaves out is no part of what ops compute. */
const adze_type *adze_onnx_type(adze_onnx_import *import, const Pb__Type *type, const char *value,
                                adze_onnx_dims mode)
{
    const adze_type *inner;
    if (type && type->tensor_type) return tensor_type(import, type->tensor_type, value, mode);
    if (type && type->sparse_tensor_type) return tensor_type(import, type->sparse_tensor_type, value, mode);
    if (type && type->sequence_type) {
        inner = adze_onnx_type(import, type->sequence_type->elem_type, value, ADZE_ONNX_KNOWN_SYMBOLS);
        return inner ? adze_type_sequence(import->context, inner) : NULL;
    }
    if (type && type->optional_type) {
        inner = adze_onnx_type(import, type->optional_type->elem_type, value, ADZE_ONNX_KNOWN_SYMBOLS);
        return inner ? adze_type_optional(import->context, inner) : NULL;
    }
    if (type && type->map_type) {
        adze_dtype key = adze_onnx_dtype(type->map_type->key_type);
        if (key != ADZE_DTYPE_str && adze_dtype_get_kind(key) != ADZE_KIND_INT &&
            adze_dtype_get_kind(key) != ADZE_KIND_UINT) {
            adze_error(adze_onnx_source_loc(&import->source), "value '%s': keys of a map are of type %d", value,
                       type->map_type->key_type);
            return NULL;
        }
        inner = adze_onnx_type(import, type->map_type->value_type, value, mode);
        return inner ? adze_type_map(import->context, key, inner) : NULL;
    }
    adze_error(adze_onnx_source_loc(&import->source), "value '%s': its type is not given", value);
    return NULL;
}
