/* Sparse tensors in a model: dense constants. Indices are sorted, each is there once (ONNX IR, "Tensor Definition"). */
#include "import.h"

#include <stdlib.h>
#include <string.h>

/* Bounds on what a few bytes of a file may ask for, in bytes of all dense constants of a model together: so many in any
 * case, so many for each byte that is stored, and never more than the last one. */
enum { FREE_DENSE = 1 << 24, DENSE_PER_BYTE = 1024, MAX_DENSE = 1 << 30 };

typedef struct sparse {
    adze_onnx_shape values, indices, dense;
    adze_data *value_data, *index_data;
    const uint8_t *value_bytes;
    const int64_t *index;
} sparse;

static bool read_shapes(const Pb__SparseTensor *tensor, const char *name, adze_loc loc, sparse *s)
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
    return true;
}

static bool check_size(adze_onnx_import *import, const sparse *s, const char *name, adze_loc loc)
{
    uint64_t bound = adze_context_max_memory(import->context), most = MAX_DENSE;
    import->sparse_bytes += s->values.bytes + s->indices.bytes;
    if (import->sparse_bytes < (MAX_DENSE - FREE_DENSE) / DENSE_PER_BYTE)
        most = FREE_DENSE + import->sparse_bytes * DENSE_PER_BYTE;
    if (bound && bound < most) most = bound;
    if (import->dense_bytes > most || s->dense.bytes > most - import->dense_bytes)
        return adze_error(loc, "sparse tensor '%s' takes %llu bytes dense; all together have at most %llu for the %llu "
                          "that are stored", name, (unsigned long long)s->dense.bytes, (unsigned long long)most,
                          (unsigned long long)import->sparse_bytes);
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

static bool check_places(const sparse *s, const char *name, adze_loc loc)
{
    int64_t last = -1;
    for (int64_t i = 0; i < s->values.dims[0]; i++) {
        int64_t place = place_of(s, i);
        if (place < 0) return adze_error(loc, "sparse tensor '%s': index %lld is out of range", name, (long long)i);
        if (place <= last)
            return adze_error(loc, "sparse tensor '%s': index %lld is %s the one before", name, (long long)i,
                              place == last ? "the same as" : "smaller than");
        last = place;
    }
    return true;
}

/* The dense elements; NULL after an error. */
static uint8_t *make_dense(const sparse *s, adze_loc loc)
{
    size_t size = adze_dtype_bits(s->dense.dtype) / 8;
    uint8_t *dense = aligned_alloc(64, (s->dense.bytes + 64) & ~(uint64_t)63);
    if (!dense) return adze_error(loc, "out of memory"), NULL;
    memset(dense, 0, s->dense.bytes);
    for (int64_t i = 0; i < s->values.dims[0]; i++)
        memcpy(dense + (size_t)place_of(s, i) * size, s->value_bytes + (size_t)i * size, size);
    return dense;
}

adze_ir_value *adze_onnx_sparse_const(adze_onnx_import *import, const Pb__SparseTensor *tensor, const char *name,
                                      adze_loc loc)
{
    sparse s = {0};
    adze_ir_value *made = NULL;
    if (!read_shapes(tensor, name, loc, &s)) return NULL;
    bool empty = s.values.dims[0] == 0, ok = true;
    if (!empty) {
        s.value_bytes = load(import, tensor->values, &s.values, loc, &s.value_data);
        s.index = s.value_bytes ? load(import, tensor->indices, &s.indices, loc, &s.index_data) : NULL;
        ok = s.index && check_places(&s, name, loc);
    }
    uint8_t *dense = ok && check_size(import, &s, name, loc) ? make_dense(&s, loc) : NULL;
    if (dense) {
        const adze_type *type = adze_type_tensor_const(import->context, s.dense.dtype, s.dense.rank, s.dense.dims);
        adze_data *data = adze_data_take(import->context, dense, s.dense.bytes);
        adze_const *constant = adze_module_add_const(import->module, name, type, data);
        made = constant ? adze_const_value(constant) : NULL;
    }
    if (s.value_data) adze_data_release(s.value_data);
    if (s.index_data) adze_data_release(s.index_data);
    return made;
}
