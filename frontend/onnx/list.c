/* Attributes that are lists, as constants. */
#include "ml.h"

#include <stdlib.h>
#include <string.h>

enum { STRING = 3, TENSOR = 4, FLOATS = 6, INTS = 7, STRINGS = 8 }; /* AttributeProto.AttributeType */

static const char *name_of(adze_onnx_node *node, const char *what)
{
    return adze_internf(node->import->context, "%s_%s", node->name, what);
}

static term *make(adze_onnx_node *node, const char *what, adze_dtype dtype, uint32_t rank, const int64_t *dims,
                  const void *values)
{
    static const int64_t none[1];
    const adze_type *type = adze_type_tensor_const(node->import->context, dtype, rank, dims);
    bool some = values && (rank < 1 || dims[0]) && (rank < 2 || dims[1]);
    return adze_const_make(node->import->module, name_of(node, what), type, some ? values : none);
}

/* An array of adze_string, and their bytes behind it. */
static term *make_strings(adze_onnx_node *node, const char *what, const ProtobufCBinaryData *list, size_t n)
{
    size_t size = n * sizeof(adze_string);
    for (size_t i = 0; i < n; i++) size += list[i].len;
    adze_string *strings = aligned_alloc(64, (size + 64) & ~(size_t)63);
    if (!strings) return adze_onnx_invalid(node, "out of memory"), NULL;
    char *to = (char *)(strings + n);
    for (size_t i = 0; i < n; i++) {
        if (list[i].len) memcpy(to, list[i].data, list[i].len);
        strings[i] = (adze_string){to, list[i].len};
        to += list[i].len;
    }
    adze_context *context = node->import->context;
    int64_t dim = (int64_t)n;
    adze_data *data = adze_data_take(context, strings, n * sizeof *strings);
    adze_const *made = !data ? NULL
                             : adze_module_add_const(node->import->module, name_of(node, what),
                                                     adze_type_tensor_const(context, ADZE_DTYPE_str, 1, &dim), data);
    return made ? adze_const_value(made) : NULL;
}

static term *named_text(adze_onnx_node *node, const char *what, const char *text)
{
    ProtobufCBinaryData bytes = {strlen(text), (uint8_t *)(uintptr_t)text};
    return make_strings(node, what, &bytes, 1);
}

term *adze_onnx_text(adze_onnx_node *node, const char *text) { return named_text(node, "text", text); }

term *adze_onnx_attr_text(adze_onnx_node *node, const char *name, const char *what, const char *rest)
{
    const Pb__Attribute *attr = adze_onnx_attr(node, name);
    if (!attr) return named_text(node, what, rest);
    if (attr->type && attr->type != STRING) return adze_onnx_invalid(node, "attribute '%s' is no string", name), NULL;
    return make_strings(node, what, &attr->s, 1);
}

/* A constant that nobody reads yet with other dims. */
static term *with_dims(adze_onnx_node *node, term *made, uint32_t rank, const int64_t *dims)
{
    adze_const *constant = adze_value_const(made);
    const char *name = adze_const_name(constant);
    adze_data *data = adze_data_retain(adze_const_data(constant));
    const adze_type *type = adze_type_tensor_const(node->import->context, compose_dtype(made), rank, dims);
    adze_const_erase(constant);
    adze_const *other = adze_module_add_const(node->import->module, name, type, data);
    return other ? adze_const_value(other) : NULL;
}

/* The tensor, whose dims do not count. */
static term *make_tensor(adze_onnx_node *node, const char *name, const char *what, const Pb__Tensor *tensor)
{
    term *made = tensor ? adze_onnx_tensor_const(node->import, tensor, name_of(node, what), node->loc) : NULL;
    if (!tensor) return adze_onnx_invalid(node, "attribute '%s' holds no tensor", name), NULL;
    if (!made || compose_rank(made) == 1) return made;
    int64_t count = compose_count(made);
    return with_dims(node, made, 1, &count);
}

term *compose_one_row(adze_onnx_node *node, term *list)
{
    return list ? with_dims(node, list, 2, (const int64_t[]){1, compose_count(list)}) : NULL;
}

/* As adze_onnx_attr_list; `what`: what the constant is called. */
static bool read_list(adze_onnx_node *node, const char *name, const char *what, term **out)
{
    const Pb__Attribute *attr = adze_onnx_attr(node, name);
    *out = NULL;
    if (!attr) return true;
    int32_t kind = attr->type ? attr->type
                   : attr->t  ? TENSOR
                   : attr->n_strings ? STRINGS
                   : attr->n_floats  ? FLOATS
                                     : INTS;
    int64_t count;
    switch (kind) {
    case INTS: count = (int64_t)attr->n_ints; *out = make(node, what, ADZE_DTYPE_i64, 1, &count, attr->ints); break;
    case FLOATS:
        count = (int64_t)attr->n_floats;
        *out = make(node, what, ADZE_DTYPE_f32, 1, &count, attr->floats);
        break;
    case STRINGS: *out = make_strings(node, what, attr->strings, attr->n_strings); break;
    case TENSOR: *out = make_tensor(node, name, what, attr->t); break;
    default: return adze_onnx_invalid(node, "attribute '%s' is no list", name);
    }
    return *out != NULL;
}

bool adze_onnx_attr_list(adze_onnx_node *node, const char *name, term **out)
{
    return read_list(node, name, name, out);
}

bool adze_onnx_attr_list_of(adze_onnx_node *node, const char *const *names, const char *what, term **out)
{
    const char *first = NULL;
    *out = NULL;
    for (; *names; names++) {
        term *one;
        if (!read_list(node, *names, what ? what : *names, &one)) return false;
        if (one && *out) return adze_onnx_invalid(node, "has both '%s' and '%s'", first, *names);
        if (!one) continue;
        first = *names;
        *out = one;
    }
    return true;
}

bool adze_onnx_attr_floats(adze_onnx_node *node, const char *name, const float **out, size_t *out_count)
{
    const Pb__Attribute *attr = adze_onnx_attr(node, name);
    *out = NULL;
    *out_count = 0;
    if (!attr) return true;
    if (attr->type && attr->type != FLOATS) return adze_onnx_invalid(node, "attribute '%s' is no list of floats", name);
    *out = attr->floats;
    *out_count = attr->n_floats;
    return true;
}

int64_t compose_count(const term *list)
{
    int64_t count = 0;
    if (list) adze_dim_is_const(adze_type_count(adze_value_type(list)), &count);
    return count;
}

term *compose_floats(adze_onnx_node *node, const float *values, int64_t count, int64_t columns)
{
    int64_t dims[] = {columns ? count / columns : count, columns};
    return make(node, "floats", ADZE_DTYPE_f32, columns ? 2 : 1, dims, values);
}

term *compose_count_up(adze_onnx_node *node, const char *what, int64_t count)
{
    int64_t *values = calloc((size_t)count + 1, sizeof *values);
    if (!values) return adze_onnx_invalid(node, "out of memory"), NULL;
    for (int64_t i = 0; i < count; i++) values[i] = i;
    term *made = adze_onnx_ints(node, what, values, (size_t)count);
    free(values);
    return made;
}
