/* Sparse tensors in a model: dense constants. */
#include "import.h"

#include <stdlib.h>
#include <string.h>

/* Bound on what a few bytes of a file may ask for. */
enum { MAX_DENSE = 1 << 30 };

typedef struct sparse {
    adze_onnx_shape values, indices, dense;
    uint8_t *value_bytes;
    int64_t *index;
} sparse;

static bool read_shapes(const Pb__SparseTensor *tensor, const char *name, adze_loc loc, sparse *s)
{
    if (!tensor->values || !tensor->indices) return adze_error(loc, "sparse tensor '%s' has no values or indices", name);
    Pb__Tensor dense = *tensor->values;
    dense.dims = tensor->dims;
    dense.n_dims = tensor->n_dims;
    if (!adze_onnx_tensor_shape(tensor->values, loc, &s->values) ||
        !adze_onnx_tensor_shape(tensor->indices, loc, &s->indices) || !adze_onnx_tensor_shape(&dense, loc, &s->dense))
        return false;
    if (s->dense.dtype == ADZE_DTYPE_str || adze_dtype_bits(s->dense.dtype) % 8)
        return adze_error(loc, "sparse tensor '%s': its element type is not supported", name);
    if (s->dense.bytes > MAX_DENSE) return adze_error(loc, "sparse tensor '%s' takes more than 1 GB dense", name);
    bool tuples = s->indices.rank == 2 && s->indices.dims[1] == (int64_t)s->dense.rank;
    if (s->values.rank != 1 || s->indices.dtype != ADZE_DTYPE_i64 || (s->indices.rank != 1 && !tuples) ||
        s->indices.dims[0] != s->values.dims[0])
        return adze_error(loc, "sparse tensor '%s': its indices do not fit its values", name);
    return true;
}

/* Place of entry i among the dense elements; negative if it is out of range. */
static int64_t place_of(const sparse *s, int64_t i)
{
    if (s->indices.rank == 1) return s->index[i] < (int64_t)s->dense.count ? s->index[i] : -1;
    int64_t place = 0;
    for (uint32_t k = 0; k < s->dense.rank; k++) {
        int64_t at = s->index[i * s->dense.rank + k];
        if (at < 0 || at >= s->dense.dims[k]) return -1;
        place = place * s->dense.dims[k] + at;
    }
    return place;
}

static bool fill(const sparse *s, uint8_t *dense)
{
    size_t size = adze_dtype_bits(s->dense.dtype) / 8;
    for (int64_t i = 0; i < s->values.dims[0]; i++) {
        int64_t place = place_of(s, i);
        if (place < 0) return false;
        memcpy(dense + (size_t)place * size, s->value_bytes + (size_t)i * size, size);
    }
    return true;
}

adze_ir_value *adze_onnx_sparse_const(adze_onnx_import *import, const Pb__SparseTensor *tensor, const char *name,
                                      adze_loc loc)
{
    sparse s = {0};
    uint8_t *index = NULL;
    adze_ir_value *made = NULL;
    if (!read_shapes(tensor, name, loc, &s)) return NULL;
    uint8_t *dense = calloc(s.dense.bytes + 1, 1);
    bool ok = dense || adze_error(loc, "out of memory");
    ok = ok && adze_onnx_tensor_bytes(&import->source, tensor->values, &s.values, loc, &s.value_bytes) &&
         adze_onnx_tensor_bytes(&import->source, tensor->indices, &s.indices, loc, &index);
    s.index = (int64_t *)(void *)index;
    ok = ok && (fill(&s, dense) || adze_error(loc, "sparse tensor '%s': an index is out of range", name));
    if (ok) {
        const adze_type *type = adze_type_tensor_const(import->context, s.dense.dtype, s.dense.rank, s.dense.dims);
        made = adze_const_make(import->module, name, type, dense);
    }
    free(dense);
    free(index);
    free(s.value_bytes);
    return made;
}
