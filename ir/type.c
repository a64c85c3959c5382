/* Types: interned; tensors carry a logical shape and a structured layout. */
#include "ir/ir_private.h"

#include <stdio.h>
#include <string.h>

static bool same_type(const void *self, const void *item)
{
    const adze_type *x = self, *y = item;
    if (x->kind != y->kind || x->dtype != y->dtype || x->ranked != y->ranked || x->rank != y->rank ||
        x->align != y->align || x->alias != y->alias || x->element != y->element)
        return false;
    size_t bytes = x->rank * sizeof *x->dims;
    if (bytes && memcmp(x->dims, y->dims, bytes)) return false;
    if (bytes && x->strides && memcmp(x->strides, y->strides, bytes)) return false;
    return x->layout == y->layout || !memcmp(x->layout, y->layout, sizeof *x->layout);
}

/* Interns `key`, copying its arrays. */
static const adze_type *intern(adze_context *context, adze_type key)
{
    if (!key.layout) key.layout = &context->dense;
    key.context = context;
    uint64_t hash = adze_hash_mix((uint64_t)key.kind * 64 + key.dtype, (uint64_t)key.rank * 2 + key.ranked);
    hash = adze_hash_mix(hash, ((uint64_t)key.align << 32) | key.alias);
    hash = adze_hash_mix(hash, (uint64_t)(uintptr_t)key.element);
    if (key.rank) hash = adze_hash_mix(hash, adze_hash_bytes(key.dims, key.rank * sizeof *key.dims));
    if (key.rank && key.strides)
        hash = adze_hash_mix(hash, adze_hash_bytes(key.strides, key.rank * sizeof *key.strides));
    if (key.layout != &context->dense) hash = adze_hash_mix(hash, adze_hash_bytes(key.layout, sizeof *key.layout));
    adze_type *found = adze_table_find(&context->types, hash, same_type, &key);
    if (found) return found;
    adze_type *type = ADZE_NEW(&context->arena, adze_type);
    *type = key;
    if (key.rank) type->dims = adze_arena_copy(&context->arena, key.dims, key.rank * sizeof *key.dims);
    if (key.rank && key.strides)
        type->strides = adze_arena_copy(&context->arena, key.strides, key.rank * sizeof *key.strides);
    if (key.layout != &context->dense)
        type->layout = adze_arena_copy(&context->arena, key.layout, sizeof *key.layout);
    adze_table_add(&context->types, hash, type);
    return type;
}

/* One spelling per layout: identity permutations and pads of 1 vanish, entries past the rank are zero. */
static adze_layout normalize(const adze_layout *layout, uint32_t rank)
{
    adze_layout out;
    memset(&out, 0, sizeof out);
    for (uint32_t i = 0; i < rank; i++) {
        if (layout->has_perm && layout->perm[i] != i) out.has_perm = true;
        out.halo[i] = layout->halo[i];
        out.pad[i] = layout->pad[i] > 1 ? layout->pad[i] : 0;
        out.block[i] = layout->block[i] > 1 ? layout->block[i] : 0;
    }
    if (out.has_perm) memcpy(out.perm, layout->perm, rank);
    return out;
}

const adze_type *adze_type_tensor(adze_context *context, adze_dtype dtype, uint32_t rank,
                                  const adze_dim *const *dims, const adze_layout *layout)
{
    bool dense = !layout || layout == &context->dense;
    adze_layout normal;
    if (!dense) {
        normal = normalize(layout, rank);
        dense = !memcmp(&normal, &context->dense, sizeof normal);
    }
    return intern(context, (adze_type){.kind = ADZE_TYPE_TENSOR,
                                       .dtype = dtype,
                                       .ranked = true,
                                       .rank = (uint8_t)rank,
                                       .dims = dims,
                                       .layout = dense ? &context->dense : &normal});
}

const adze_type *adze_type_tensor_const(adze_context *context, adze_dtype dtype, uint32_t rank, const int64_t *dims)
{
    const adze_dim *list[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) list[i] = adze_dim_const(context, dims[i]);
    return adze_type_tensor(context, dtype, rank, list, NULL);
}

const adze_type *adze_type_unranked(adze_context *context, adze_dtype dtype)
{
    return intern(context, (adze_type){.kind = ADZE_TYPE_TENSOR, .dtype = dtype});
}

const adze_type *adze_type_scalar(adze_context *context, adze_dtype dtype)
{
    return intern(context, (adze_type){.kind = ADZE_TYPE_SCALAR, .dtype = dtype, .ranked = true});
}

const adze_type *adze_type_vector(adze_context *context, adze_dtype dtype)
{
    return intern(context, (adze_type){.kind = ADZE_TYPE_VECTOR, .dtype = dtype, .ranked = true});
}

const adze_type *adze_type_buffer(adze_context *context, adze_dtype dtype, uint32_t rank,
                                  const adze_dim *const *dims, const adze_dim *const *strides, uint32_t align,
                                  uint32_t alias)
{
    const adze_dim *dense[ADZE_MAX_RANK];
    if (!strides) {
        const adze_dim *step = adze_dim_const(context, 1);
        for (uint32_t i = rank; i--; step = adze_dim_mul(context, step, dims[i])) dense[i] = step;
        strides = dense;
    }
    return intern(context, (adze_type){.kind = ADZE_TYPE_BUFFER,
                                       .dtype = dtype,
                                       .ranked = true,
                                       .rank = (uint8_t)rank,
                                       .dims = dims,
                                       .strides = strides,
                                       .align = align,
                                       .alias = alias});
}

const adze_type *adze_type_sequence(adze_context *context, const adze_type *element)
{
    return intern(context, (adze_type){.kind = ADZE_TYPE_SEQUENCE, .element = element});
}

const adze_type *adze_type_optional(adze_context *context, const adze_type *element)
{
    return intern(context, (adze_type){.kind = ADZE_TYPE_OPTIONAL, .element = element});
}

const adze_type *adze_type_map(adze_context *context, adze_dtype key, const adze_type *value)
{
    return intern(context, (adze_type){.kind = ADZE_TYPE_MAP, .dtype = key, .element = value});
}

const adze_type *adze_type_none(adze_context *context)
{
    return intern(context, (adze_type){.kind = ADZE_TYPE_NONE});
}

adze_context *adze_type_context(const adze_type *type) { return type->context; }
adze_type_kind adze_type_get_kind(const adze_type *type) { return type->kind; }
bool adze_type_is_tensor(const adze_type *type) { return type->kind == ADZE_TYPE_TENSOR; }
bool adze_type_is_ranked(const adze_type *type) { return type->ranked; }
uint32_t adze_type_rank(const adze_type *type) { return type->rank; }
const adze_dim *adze_type_dim(const adze_type *type, uint32_t axis) { return type->dims[axis]; }
const adze_dim *const *adze_type_dims(const adze_type *type) { return type->dims; }
const adze_layout *adze_type_layout(const adze_type *type) { return type->layout; }
bool adze_type_has_layout(const adze_type *type) { return type->layout != &type->context->dense; }
const adze_dim *adze_type_stride(const adze_type *buffer, uint32_t axis) { return buffer->strides[axis]; }
uint32_t adze_type_align(const adze_type *buffer) { return buffer->align; }
uint32_t adze_type_alias(const adze_type *buffer) { return buffer->alias; }
const adze_type *adze_type_element(const adze_type *type) { return type->element; }
adze_dtype adze_type_key(const adze_type *map) { return map->dtype; }

adze_dtype adze_type_dtype(const adze_type *type)
{
    return type->kind == ADZE_TYPE_MAP ? ADZE_DTYPE_NONE : type->dtype;
}

const adze_type *adze_type_with_layout(const adze_type *type, const adze_layout *layout)
{
    if (!type->ranked) return type; /* a layout says something about each axis */
    return adze_type_tensor(type->context, type->dtype, type->rank, type->dims, layout);
}

const adze_type *adze_type_with_dtype(const adze_type *type, adze_dtype dtype)
{
    adze_type key = *type;
    key.dtype = dtype;
    return intern(type->context, key);
}

const adze_type *adze_type_with_dims(const adze_type *type, uint32_t rank, const adze_dim *const *dims)
{
    return adze_type_tensor(type->context, type->dtype, rank, dims, NULL);
}

bool adze_type_is_static(const adze_type *type)
{
    if (!type->ranked) return false;
    for (uint32_t i = 0; i < type->rank; i++)
        if (type->dims[i]->kind != ADZE_DIM_CONST) return false;
    return true;
}

const adze_dim *adze_type_count(const adze_type *type)
{
    if (!type->ranked) return adze_dim_unknown(type->context);
    const adze_dim *count = adze_dim_const(type->context, 1);
    for (uint32_t i = 0; i < type->rank; i++) count = adze_dim_mul(type->context, count, type->dims[i]);
    return count;
}

bool adze_type_is_open(const adze_type *type)
{
    if (type->kind != ADZE_TYPE_TENSOR || !type->ranked || type->dtype == ADZE_DTYPE_str) return true;
    for (uint32_t i = 0; i < type->rank; i++)
        if (adze_dim_is_unknown(type->dims[i])) return true;
    return false;
}

bool adze_type_compatible(const adze_type *a, const adze_type *b)
{
    if (a == b) return true;
    if (a->kind != b->kind || a->dtype != b->dtype) return false;
    if (a->element || b->element) return a->element && b->element && adze_type_compatible(a->element, b->element);
    if (!a->ranked || !b->ranked) return true;
    if (a->rank != b->rank) return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (!adze_dim_compatible(a->dims[i], b->dims[i])) return false;
    return true;
}

const adze_type *adze_type_common(const adze_type *a, const adze_type *b)
{
    adze_context *context = a->context;
    if (a == b) return a;
    if (a->kind != b->kind || a->dtype != b->dtype) return NULL;
    if (a->element && b->element) {
        adze_type key = *a;
        key.element = adze_type_common(a->element, b->element);
        return key.element ? intern(context, key) : NULL;
    }
    if (a->kind != ADZE_TYPE_TENSOR) return NULL;
    if (!a->ranked || !b->ranked || a->rank != b->rank) return adze_type_unranked(context, a->dtype);
    const adze_dim *dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < a->rank; i++)
        dims[i] = a->dims[i] == b->dims[i] ? a->dims[i] : adze_dim_unknown(context);
    return adze_type_tensor(context, a->dtype, a->rank, dims, NULL);
}

/* ---- Layout ---- */

/* Logical axis at physical position i. */
static uint32_t axis_at(const adze_layout *layout, uint32_t i) { return layout->has_perm ? layout->perm[i] : i; }

/* Elements stored along a logical axis. */
static const adze_dim *stored(const adze_type *type, uint32_t axis)
{
    adze_context *context = type->context;
    const adze_layout *layout = type->layout;
    const adze_dim *n = adze_dim_add_const(context, type->dims[axis], 2 * (int64_t)layout->halo[axis]);
    if (layout->pad[axis] < 2) return n;
    const adze_dim *multiple = adze_dim_const(context, layout->pad[axis]);
    return adze_dim_mul(context, adze_dim_binary(context, ADZE_DIM_CEILDIV, n, multiple), multiple);
}

void adze_layout_strides(const adze_type *tensor, const adze_dim **out_strides)
{
    const adze_dim *step = adze_dim_const(tensor->context, 1);
    for (uint32_t i = tensor->rank; i--;) {
        uint32_t axis = axis_at(tensor->layout, i);
        out_strides[axis] = step;
        step = adze_dim_mul(tensor->context, step, stored(tensor, axis));
    }
}

const adze_dim *adze_layout_origin(const adze_type *tensor)
{
    const adze_dim *strides[ADZE_MAX_RANK];
    adze_layout_strides(tensor, strides);
    const adze_dim *origin = adze_dim_const(tensor->context, 0);
    for (uint32_t i = 0; i < tensor->rank; i++)
        origin = adze_dim_add(tensor->context, origin,
                              adze_dim_mul_const(tensor->context, strides[i], tensor->layout->halo[i]));
    return origin;
}

const adze_dim *adze_layout_bytes(const adze_type *tensor)
{
    adze_context *context = tensor->context;
    const adze_dim *count = adze_dim_const(context, 1);
    for (uint32_t i = 0; i < tensor->rank; i++) count = adze_dim_mul(context, count, stored(tensor, i));
    uint32_t bits = adze_dtype_bits(tensor->dtype);
    if (bits % 8 == 0) return adze_dim_mul_const(context, count, bits / 8);
    return adze_dim_binary(context, ADZE_DIM_CEILDIV, adze_dim_mul_const(context, count, bits),
                           adze_dim_const(context, 8));
}

const adze_type *adze_layout_buffer(const adze_type *tensor, uint32_t alias)
{
    const adze_dim *logical[ADZE_MAX_RANK], *dims[ADZE_MAX_RANK], *strides[ADZE_MAX_RANK];
    adze_layout_strides(tensor, logical);
    for (uint32_t i = 0; i < tensor->rank; i++) {
        uint32_t axis = axis_at(tensor->layout, i);
        dims[i] = tensor->dims[axis];
        strides[i] = logical[axis];
    }
    return adze_type_buffer(tensor->context, tensor->dtype, tensor->rank, dims, strides, 0, alias);
}

bool adze_dtype_in_loops(adze_dtype dtype)
{
    uint32_t bits = adze_dtype_bits(dtype);
    switch (adze_dtype_get_kind(dtype)) {
    case ADZE_KIND_BOOL: return true;
    case ADZE_KIND_INT:
    case ADZE_KIND_UINT: return bits >= 8;
    case ADZE_KIND_FLOAT: return bits >= 16;
    default: return false;
    }
}
