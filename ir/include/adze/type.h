/* Types: tensors with their layout, sequences, optionals, maps; scalars, vectors and buffers of loop IR (type.c).
 *
 * Types are interned: equal types are equal pointers, and live as long as the context. Making one never fails. Ranks
 * are at most ADZE_MAX_RANK. */
#ifndef ADZE_IR_TYPE_H
#define ADZE_IR_TYPE_H

#include <adze/dim.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum adze_type_kind {
    ADZE_TYPE_TENSOR,
    ADZE_TYPE_SEQUENCE, /* of one element type */
    ADZE_TYPE_OPTIONAL,
    ADZE_TYPE_MAP,    /* key dtype, value type */
    ADZE_TYPE_SCALAR, /* loop IR */
    ADZE_TYPE_VECTOR, /* loop IR: ADZE_LANES lanes */
    ADZE_TYPE_BUFFER, /* loop IR: physical dims and strides */
    ADZE_TYPE_NONE    /* result of an op whose type is not known yet */
} adze_type_kind;

enum { ADZE_LANES = 16 };

/* Physical form of a tensor; all-zero = dense row-major. Arrays are indexed by logical axis. */
typedef struct adze_layout {
    bool has_perm;
    uint8_t perm[ADZE_MAX_RANK];  /* perm[i] = logical axis at physical position i, outermost first */
    uint32_t halo[ADZE_MAX_RANK]; /* zero elements stored before and after the axis */
    uint32_t pad[ADZE_MAX_RANK];  /* storage extent is rounded up to a multiple; 0 and 1 = none */
    uint32_t block[ADZE_MAX_RANK]; /* reserved: the axis is split by this factor, inner part innermost; 0 = none */
} adze_layout;

/* The element type of this name in text; NONE if there is none. */
ADZE_API adze_dtype adze_dtype_find(const char *name);
/* May scalars, vectors and buffers of loop IR have such elements? Those of whole bytes that are no small floats, no
 * complex numbers and no strings. */
ADZE_API bool adze_dtype_in_loops(adze_dtype dtype);
/* `layout` NULL = none: dense row-major. */
ADZE_API const adze_type *adze_type_tensor(adze_context *context, adze_dtype dtype, uint32_t rank,
                                           const adze_dim *const *dims, const adze_layout *layout);
ADZE_API const adze_type *adze_type_tensor_const(adze_context *context, adze_dtype dtype, uint32_t rank,
                                                 const int64_t *dims);
/* Tensor of unknown rank, printed f32[*]. */
ADZE_API const adze_type *adze_type_unranked(adze_context *context, adze_dtype dtype);
ADZE_API const adze_type *adze_type_scalar(adze_context *context, adze_dtype dtype);
ADZE_API const adze_type *adze_type_vector(adze_context *context, adze_dtype dtype);
/* `strides` in elements, NULL = dense row-major; `align` in bytes (0 = element); `alias` class 0 = may
 * alias anything, equal classes may alias, different ones do not. */
ADZE_API const adze_type *adze_type_buffer(adze_context *context, adze_dtype dtype, uint32_t rank,
                                           const adze_dim *const *dims, const adze_dim *const *strides,
                                           uint32_t align, uint32_t alias);
ADZE_API const adze_type *adze_type_sequence(adze_context *context, const adze_type *element);
ADZE_API const adze_type *adze_type_optional(adze_context *context, const adze_type *element);
ADZE_API const adze_type *adze_type_map(adze_context *context, adze_dtype key, const adze_type *value);
ADZE_API const adze_type *adze_type_none(adze_context *context);

ADZE_API adze_context *adze_type_context(const adze_type *type);
ADZE_API adze_type_kind adze_type_get_kind(const adze_type *type);
ADZE_API bool adze_type_is_tensor(const adze_type *type);
ADZE_API adze_dtype adze_type_dtype(const adze_type *type); /* NONE for sequence, optional, none */
ADZE_API bool adze_type_is_ranked(const adze_type *type);
ADZE_API uint32_t adze_type_rank(const adze_type *type);    /* 0 for scalars and unranked */
/* Of tensors and buffers; axis < rank, counted from the outermost. */
ADZE_API const adze_dim *adze_type_dim(const adze_type *type, uint32_t axis);
ADZE_API const adze_dim *const *adze_type_dims(const adze_type *type);
ADZE_API const adze_layout *adze_type_layout(const adze_type *type); /* never NULL for tensors */
ADZE_API bool adze_type_has_layout(const adze_type *type);
ADZE_API const adze_dim *adze_type_stride(const adze_type *buffer, uint32_t axis); /* in elements */
ADZE_API uint32_t adze_type_align(const adze_type *buffer);                        /* in bytes; 0 = its element's */
ADZE_API uint32_t adze_type_alias(const adze_type *buffer);
/* Of a sequence or optional, the value type of a map; NULL of others. */
ADZE_API const adze_type *adze_type_element(const adze_type *type);
ADZE_API adze_dtype adze_type_key(const adze_type *map);
/* The same tensor with another layout (NULL = none), dtype or dims. */
ADZE_API const adze_type *adze_type_with_layout(const adze_type *type, const adze_layout *layout);
ADZE_API const adze_type *adze_type_with_dtype(const adze_type *type, adze_dtype dtype);
ADZE_API const adze_type *adze_type_with_dims(const adze_type *type, uint32_t rank,
                                              const adze_dim *const *dims);
/* All dims constant. */
ADZE_API bool adze_type_is_static(const adze_type *type);
/* No tensor, one of unknown rank, with an unknown dim, or of strings, whose bytes no type tells. */
ADZE_API bool adze_type_is_open(const adze_type *type);
/* Number of elements: the product of the dims; unknown if any is, or if unranked. */
ADZE_API const adze_dim *adze_type_count(const adze_type *type);
/* Dims and dtype agree wherever both are known (layout ignored). */
ADZE_API bool adze_type_compatible(const adze_type *a, const adze_type *b);
/* What two types have in common: dims that differ are unknown, ranks that differ too. NULL if they are of another kind
 * or element type. */
ADZE_API const adze_type *adze_type_common(const adze_type *a, const adze_type *b);
/* As text, `f32[N,4]`: at most `size` bytes with a zero byte; gives the full length (as snprintf). */
ADZE_API size_t adze_type_print(const adze_type *type, char *buffer, size_t size);

/* Physical facts of a tensor type with its layout. */
/* Element stride of each logical axis; out_strides has room for the rank. */
ADZE_API void adze_layout_strides(const adze_type *tensor, const adze_dim **out_strides);
/* Element offset of the first interior element from the allocation's start. */
ADZE_API const adze_dim *adze_layout_origin(const adze_type *tensor);
/* Bytes of the allocation, halo and padding included. */
ADZE_API const adze_dim *adze_layout_bytes(const adze_type *tensor);
/* The buffer type (physical axis order) through which kernels see the tensor. */
ADZE_API const adze_type *adze_layout_buffer(const adze_type *tensor, uint32_t alias);

#ifdef __cplusplus
}
#endif
#endif
