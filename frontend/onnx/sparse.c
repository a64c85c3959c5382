/* Sparse tensors in a model: dense constants. Indices are sorted, each is there once (ONNX IR, "Tensor Definition"). */
#include "import.h"

#include <stdlib.h>
#include <string.h>

/* Bound on what a few bytes of a file may ask for: bytes of all dense constants of a model together. */
enum { MAX_DENSE = 1 << 30 };

typedef struct sparse {
    adze_onnx_shape values, indices, dense;
    adze_data *value_data, *index_data;
    const uint8_t *value_bytes;
    const int64_t *index;
} sparse;

static bool read_shapes(adze_onnx_import *import, const Pb__SparseTensor *tensor, const char *name, adze_loc loc,
                        sparse *s)
{
    if (!tensor->values || !tensor->indices)
        return adze_error(loc, "sparse tensor '%s' has no values or indices", name);
    Pb__Tensor dense = *tensor->values;
    dense.dims = tensor->dims;
    dense.n_dims = tensor->n_dims;
    if (!adze_onnx_tensor_shape(tensor->values, loc, &s->values) ||
        !adze_onnx_tensor_shape(tensor->indices, loc, &s->indices) || !adze_onnx_tensor_shape(&dense, loc, &s->dense))
        return false;
    if (s->dense.dtype == ADZE_DTYPE_str || adze_dtype_bits(s->dense.dtype) % 8)
        return adze_error(loc, "sparse tensor '%s': its element type is not supported", name);
    bool tuples = s->indices.rank == 2 && s->indices.dims[1] == (int64_t)s->dense.rank;
    if (s->values.rank != 1 || s->indices.dtype != ADZE_DTYPE_i64 || (s->indices.rank != 1 && !tuples) ||
        s->indices.dims[0] != s->values.dims[0])
        return adze_error(loc, "sparse tensor '%s': its indices do not fit its values", name);
    uint64_t bound = adze_context_max_memory(import->context), most = bound && bound < MAX_DENSE ? bound : MAX_DENSE;
    if (s->dense.bytes > most - import->dense_bytes)
        return adze_error(loc, "sparse tensor '%s' takes %llu bytes dense; all together have at most %llu", name,
                          (unsigned long long)s->dense.bytes, (unsigned long long)most);
    import->dense_bytes += s->dense.bytes;
    return true;
}

/* The contents of a part, in the model or beside it. */
static const void *load(adze_onnx_import *import, const Pb__Tensor *tensor, const adze_onnx_shape *shape, adze_loc loc,
                        adze_data **out)
{
    *out = adze_onnx_tensor_data(import, tensor, shape, loc);
    return *out ? adze_data_load(*out) : NULL;
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

static bool fill(const sparse *s, const char *name, adze_loc loc, uint8_t *dense)
{
    size_t size = adze_dtype_bits(s->dense.dtype) / 8;
    int64_t last = -1;
    for (int64_t i = 0; i < s->values.dims[0]; i++) {
        int64_t place = place_of(s, i);
        if (place < 0) return adze_error(loc, "sparse tensor '%s': index %lld is out of range", name, (long long)i);
        if (place <= last)
            return adze_error(loc, "sparse tensor '%s': index %lld is %s the one before", name, (long long)i,
                              place == last ? "the same as" : "smaller than");
        last = place;
        memcpy(dense + (size_t)place * size, s->value_bytes + (size_t)i * size, size);
    }
    return true;
}

adze_ir_value *adze_onnx_sparse_const(adze_onnx_import *import, const Pb__SparseTensor *tensor, const char *name,
                                      adze_loc loc)
{
    static const uint8_t none[16];
    sparse s = {0};
    adze_ir_value *made = NULL;
    uint8_t *dense = NULL;
    if (!read_shapes(import, tensor, name, loc, &s)) return NULL;
    bool empty = s.values.dims[0] == 0;
    s.value_bytes = empty ? none : load(import, tensor->values, &s.values, loc, &s.value_data);
    s.index = empty || !s.value_bytes ? NULL : load(import, tensor->indices, &s.indices, loc, &s.index_data);
    if (s.value_bytes && (empty || s.index)) {
        dense = aligned_alloc(64, (s.dense.bytes + 64) & ~(uint64_t)63);
        if (dense) memset(dense, 0, s.dense.bytes);
        if (!dense) adze_error(loc, "out of memory");
    }
    if (dense && fill(&s, name, loc, dense)) {
        const adze_type *type = adze_type_tensor_const(import->context, s.dense.dtype, s.dense.rank, s.dense.dims);
        adze_data *data = adze_data_take(import->context, dense, s.dense.bytes);
        adze_const *constant = adze_module_add_const(import->module, name, type, data);
        made = constant ? adze_const_value(constant) : NULL;
    } else {
        free(dense);
    }
    if (s.value_data) adze_data_release(s.value_data);
    if (s.index_data) adze_data_release(s.index_data);
    return made;
}
