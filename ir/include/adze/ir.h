/* The IR: contexts, dims, types, constants, values, ops, regions, functions and modules.
 *
 * Handles are opaque. A context owns what is interned (dims, types, strings); a module owns its
 * functions, ops, values and constants and frees them whole. Names say who owns: create/destroy own,
 * get borrows. A context, with everything made through it, is used by one thread at a time.
 * Functions that return a pointer return NULL on failure after reporting to the context's sink, unless
 * they say otherwise. Index arguments out of range are a broken invariant (assert).
 */
#ifndef ADZE_IR_H
#define ADZE_IR_H

#include <adze/abi.h>
#include <adze/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adze_context adze_context;
typedef struct adze_dim adze_dim;
typedef struct adze_type adze_type;
typedef struct adze_data adze_data;
typedef struct adze_const adze_const;
typedef struct adze_ir_value adze_ir_value;
typedef struct adze_op adze_op;
typedef struct adze_region adze_region;
typedef struct adze_func adze_func;
typedef struct adze_module adze_module;
typedef struct adze_op_row adze_op_row;

/* ---- Context, locations, errors (context.c) ---- */

typedef enum adze_severity { ADZE_NOTE, ADZE_WARNING, ADZE_ERROR } adze_severity;

/* Where something stands. `file`, `line`, `col` (1-based, 0 = unknown) for text; `node` and `op_type`
 * for what came from ONNX. Strings live as long as the context. */
typedef struct adze_loc {
    adze_context *context;
    const char *file;
    uint32_t line, col;
    const char *node;
    const char *op_type;
} adze_loc;

typedef struct adze_diagnostic {
    adze_severity severity;
    adze_loc loc;
    const char *message;
} adze_diagnostic;

/* Receives every diagnostic; the strings are valid during the call only. */
typedef void adze_sink(void *self, const adze_diagnostic *diagnostic);

ADZE_API adze_context *adze_context_create(void);
ADZE_API void adze_context_destroy(adze_context *context);
ADZE_API void adze_context_set_sink(adze_context *context, adze_sink *sink, void *self);
/* Errors reported so far. */
ADZE_API uint64_t adze_context_errors(const adze_context *context);
/* Evaluations in this context sum f32 contractions in f32, in the order of k (default: in double). */
ADZE_API void adze_context_set_strict(adze_context *context, bool strict);
/* Bound in bytes on what one compile may hold in constants and tables; 0 = none. */
ADZE_API void adze_context_set_max_memory(adze_context *context, uint64_t bytes);
/* Interned copy of `size` bytes, ended by a zero byte. */
ADZE_API const char *adze_intern(adze_context *context, const char *text, size_t size);
ADZE_API const char *adze_intern_z(adze_context *context, const char *text);
ADZE_API const char *adze_internf(adze_context *context, const char *format, ...)
    ADZE_PRINTF(2, 3);

ADZE_API adze_loc adze_loc_unknown(adze_context *context);
/* Reports one error; always returns false, so that `return adze_error(…)` reads well. */
ADZE_API bool adze_error(adze_loc loc, const char *format, ...) ADZE_PRINTF(2, 3);
ADZE_API void adze_warning(adze_loc loc, const char *format, ...) ADZE_PRINTF(2, 3);
ADZE_API void adze_note(adze_loc loc, const char *format, ...) ADZE_PRINTF(2, 3);

/* ---- Dims: interned integer expressions (dim.c) ----
 * Equal expressions are equal pointers: sums and products are kept in one normal form. Symbols stand
 * for integers >= 0. `?` (unknown) is equal to nothing; use adze_dim_equal. */

typedef enum adze_dim_kind {
    ADZE_DIM_CONST,
    ADZE_DIM_SYMBOL,
    ADZE_DIM_AXIS, /* axis of an iteration space or operand of `apply`, printed $k */
    ADZE_DIM_ADD,
    ADZE_DIM_MUL,
    ADZE_DIM_FLOORDIV,
    ADZE_DIM_CEILDIV,
    ADZE_DIM_MOD,
    ADZE_DIM_MIN,
    ADZE_DIM_MAX,
    ADZE_DIM_UNKNOWN,
    ADZE_DIM_ANY /* `*`: any number of dims, in rule patterns only */
} adze_dim_kind;

ADZE_API const adze_dim *adze_dim_const(adze_context *context, int64_t value);
ADZE_API const adze_dim *adze_dim_symbol(adze_context *context, const char *name);
ADZE_API const adze_dim *adze_dim_axis(adze_context *context, uint32_t axis);
ADZE_API const adze_dim *adze_dim_unknown(adze_context *context);
ADZE_API const adze_dim *adze_dim_any(adze_context *context);
/* Simplified result of one binary kind (ADD .. MAX). Overflow gives unknown. */
ADZE_API const adze_dim *adze_dim_binary(adze_context *context, adze_dim_kind kind, const adze_dim *a,
                                         const adze_dim *b);
ADZE_API const adze_dim *adze_dim_add(adze_context *context, const adze_dim *a, const adze_dim *b);
ADZE_API const adze_dim *adze_dim_sub(adze_context *context, const adze_dim *a, const adze_dim *b);
ADZE_API const adze_dim *adze_dim_mul(adze_context *context, const adze_dim *a, const adze_dim *b);
ADZE_API const adze_dim *adze_dim_mul_const(adze_context *context, const adze_dim *a, int64_t factor);
ADZE_API const adze_dim *adze_dim_add_const(adze_context *context, const adze_dim *a, int64_t term);
ADZE_API adze_dim_kind adze_dim_get_kind(const adze_dim *dim);
/* Operand 0 or 1 of a binary kind. */
ADZE_API const adze_dim *adze_dim_operand(const adze_dim *dim, uint32_t index);
ADZE_API bool adze_dim_is_const(const adze_dim *dim, int64_t *out_value);
ADZE_API bool adze_dim_is_value(const adze_dim *dim, int64_t value);
ADZE_API bool adze_dim_is_unknown(const adze_dim *dim); /* unknown anywhere inside */
/* The name of a SYMBOL, the number of an AXIS. */
ADZE_API const char *adze_dim_symbol_name(const adze_dim *dim);
ADZE_API uint32_t adze_dim_axis_index(const adze_dim *dim);
/* Known to be equal for every value of the symbols. */
ADZE_API bool adze_dim_equal(const adze_dim *a, const adze_dim *b);
/* Could be equal: false only where constants differ. */
ADZE_API bool adze_dim_compatible(const adze_dim *a, const adze_dim *b);
/* Replaces axes by `with[axis]` (n entries; NULL entries stay) and symbols by `symbol(self, name)`
 * where that returns non-NULL; either may be NULL. */
typedef const adze_dim *adze_dim_lookup(void *self, const char *name);
ADZE_API const adze_dim *adze_dim_substitute(adze_context *context, const adze_dim *dim,
                                             const adze_dim *const *with, uint32_t n,
                                             adze_dim_lookup *symbol, void *self);
/* Coefficient of axis `axis` where dim = coef * axis + rest with rest free of it. False if not affine in it. */
ADZE_API bool adze_dim_axis_coefficient(adze_context *context, const adze_dim *dim, uint32_t axis,
                                        int64_t *out_coef, const adze_dim **out_rest);
/* Value with axes[k] for axes and symbol values by callback. False on unknown, overflow, division by 0. */
typedef bool adze_dim_value_of(void *self, const char *name, int64_t *out);
ADZE_API bool adze_dim_evaluate(const adze_dim *dim, const int64_t *axes, uint32_t n_axes,
                                adze_dim_value_of *symbol, void *self, int64_t *out);
/* Smallest and largest value given axis extents [0, extent-1] and symbols in [0, unbounded); false = no bound. */
ADZE_API bool adze_dim_range(const adze_dim *dim, const adze_dim *const *extents, uint32_t n_axes,
                             int64_t *out_min, int64_t *out_max);
/* Writes at most `size` bytes with a zero byte; returns the full length (as snprintf). */
ADZE_API size_t adze_dim_print(const adze_dim *dim, char *buffer, size_t size);

/* ---- Types (type.c) ---- */

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
ADZE_API const adze_dim *adze_type_dim(const adze_type *type, uint32_t axis);
ADZE_API const adze_dim *const *adze_type_dims(const adze_type *type);
ADZE_API const adze_layout *adze_type_layout(const adze_type *type); /* never NULL for tensors */
ADZE_API bool adze_type_has_layout(const adze_type *type);
ADZE_API const adze_dim *adze_type_stride(const adze_type *buffer, uint32_t axis);
ADZE_API uint32_t adze_type_align(const adze_type *buffer);
ADZE_API uint32_t adze_type_alias(const adze_type *buffer);
ADZE_API const adze_type *adze_type_element(const adze_type *type);
/* The same tensor with another layout (NULL = none), dtype or dims. */
ADZE_API const adze_type *adze_type_with_layout(const adze_type *type, const adze_layout *layout);
ADZE_API const adze_type *adze_type_with_dtype(const adze_type *type, adze_dtype dtype);
ADZE_API const adze_type *adze_type_with_dims(const adze_type *type, uint32_t rank,
                                              const adze_dim *const *dims);
/* All dims constant. */
ADZE_API bool adze_type_is_static(const adze_type *type);
/* Product of the dims; unknown if any is, or if unranked. */
ADZE_API const adze_dim *adze_type_count(const adze_type *type);
/* Dims and dtype agree wherever both are known (layout ignored). */
ADZE_API bool adze_type_compatible(const adze_type *a, const adze_type *b);
ADZE_API size_t adze_type_print(const adze_type *type, char *buffer, size_t size);

/* Physical facts of a tensor type with its layout. */
/* Element stride of each logical axis. */
ADZE_API void adze_layout_strides(const adze_type *tensor, const adze_dim **out_strides);
/* Element offset of the first interior element from the allocation's start. */
ADZE_API const adze_dim *adze_layout_origin(const adze_type *tensor);
/* Bytes of the allocation, halo and padding included. */
ADZE_API const adze_dim *adze_layout_bytes(const adze_type *tensor);
/* The buffer type (physical axis order) through which kernels see the tensor. */
ADZE_API const adze_type *adze_layout_buffer(const adze_type *tensor, uint32_t alias);

/* ---- Constant data: lazy, reference counted, outside the arenas (data.c) ---- */

/* Copies `size` bytes. */
ADZE_API adze_data *adze_data_copy(adze_context *context, const void *bytes, uint64_t size);
/* Takes a malloc'ed buffer. */
ADZE_API adze_data *adze_data_take(adze_context *context, void *bytes, uint64_t size);
/* A range of a file, read when needed; short reads are an error then. `path` is copied. */
ADZE_API adze_data *adze_data_file(adze_context *context, const char *path, uint64_t offset, uint64_t size);
/* The result of one op of `row` over constants, computed when first read. `attrs` as adze_op_attrs, copied. */
ADZE_API adze_data *adze_data_derived(adze_context *context, const adze_op_row *row, const adze_slot *attrs,
                                      adze_const *const *inputs, uint32_t n_inputs, const adze_type *type);
ADZE_API adze_data *adze_data_retain(adze_data *data);
ADZE_API void adze_data_release(adze_data *data);
ADZE_API uint64_t adze_data_size(const adze_data *data);
/* The bytes, 64-byte aligned; loaded or computed on first call and kept until adze_data_unload.
 * NULL after an error was reported. */
ADZE_API const void *adze_data_load(adze_data *data);
ADZE_API void adze_data_unload(adze_data *data);
/* Reads a part without keeping the whole where the source allows. */
ADZE_API bool adze_data_read(adze_data *data, uint64_t offset, void *out, uint64_t size);
/* Where the bytes come from, for the printer; file sources give path and offset, derived ones row and inputs.
 * Any out pointer may be NULL. */
ADZE_API bool adze_data_is_file(const adze_data *data, const char **out_path, uint64_t *out_offset);
ADZE_API bool adze_data_is_derived(const adze_data *data, const adze_op_row **out_row, const adze_slot **out_attrs,
                                   adze_const *const **out_inputs, uint32_t *out_n_inputs);

/* ---- Values (value.c) ---- */

typedef enum adze_def_kind { ADZE_DEF_RESULT, ADZE_DEF_ARGUMENT, ADZE_DEF_CONST } adze_def_kind;

ADZE_API const adze_type *adze_value_type(const adze_ir_value *value);
ADZE_API void adze_value_set_type(adze_ir_value *value, const adze_type *type);
/* Name without % or @; NULL for values that the text numbers. */
ADZE_API const char *adze_value_name(const adze_ir_value *value);
ADZE_API void adze_value_set_name(adze_ir_value *value, const char *name);
ADZE_API adze_def_kind adze_value_def(const adze_ir_value *value);
ADZE_API adze_op *adze_value_op(const adze_ir_value *value);         /* NULL unless a result */
ADZE_API adze_region *adze_value_region(const adze_ir_value *value); /* NULL unless an argument */
ADZE_API adze_const *adze_value_const(const adze_ir_value *value);   /* NULL unless a constant */
ADZE_API uint32_t adze_value_index(const adze_ir_value *value);      /* among results or arguments */
ADZE_API bool adze_value_has_uses(const adze_ir_value *value);
ADZE_API uint32_t adze_value_num_uses(const adze_ir_value *value);
/* Iteration: use 0.. in no particular order; the list must not change meanwhile. */
typedef struct adze_use adze_use;
ADZE_API adze_use *adze_value_first_use(const adze_ir_value *value);
ADZE_API adze_use *adze_use_next(const adze_use *use);
ADZE_API adze_op *adze_use_op(const adze_use *use);
ADZE_API uint32_t adze_use_index(const adze_use *use); /* which operand */
ADZE_API void adze_value_replace_uses(adze_ir_value *value, adze_ir_value *with);

/* Contents of an integer constant of rank <= 1 (also of `dims`, where all are constant). Returns the
 * count, or -1 if the value is not such a constant or has more than `max` elements. */
ADZE_API int adze_value_as_ints(const adze_ir_value *value, int64_t *out, int max);
/* The same with symbolic entries: what shape arithmetic above the value comes to (shape, gather, concat,
 * add, …); single entries may be unknown. At most 64 entries. */
ADZE_API int adze_value_as_dims(const adze_ir_value *value, const adze_dim **out, int max);
/* A floating or integer constant all of whose elements are equal (up to 1e6 elements are looked at). */
ADZE_API bool adze_value_as_splat(const adze_ir_value *value, double *out);

/* ---- Attributes (attr.c) ---- */

typedef enum adze_attr_kind {
    ADZE_ATTR_INT,
    ADZE_ATTR_BOOL,
    ADZE_ATTR_FLOAT,
    ADZE_ATTR_STR,
    ADZE_ATTR_TYPE, /* an adze_dtype */
    ADZE_ATTR_INTS,
    ADZE_ATTR_FLOATS,
    ADZE_ATTR_STRS,   /* object: const char *const *, NULL-ended */
    ADZE_ATTR_DIM,    /* object: const adze_dim * */
    ADZE_ATTR_DIMS,   /* object: const adze_attr_dims * */
    ADZE_ATTR_SYM,    /* s: name of a function or constant, without @ */
    ADZE_ATTR_TYPEREF /* object: const adze_type * */
} adze_attr_kind;

typedef struct adze_attr_dims {
    uint32_t count;
    const adze_dim *const *dims;
} adze_attr_dims;

/* One row of an op's attribute list. `fallback` in IR text ("1", "[1, 1]", "\"NOTSET\""); NULL = optional
 * without a default: absent slots are zero and their bit in `set` is clear; "!" = required. */
typedef struct adze_attr_row {
    const char *name;
    adze_attr_kind kind;
    const char *fallback;
} adze_attr_row;

/* A named attribute for builders. Make with the functions below. */
typedef struct adze_attr {
    const char *name;
    adze_attr_kind kind;
    adze_slot value;
} adze_attr;

ADZE_API adze_attr adze_attr_int(const char *name, int64_t value);
ADZE_API adze_attr adze_attr_float(const char *name, double value);
ADZE_API adze_attr adze_attr_str(const char *name, const char *value);
ADZE_API adze_attr adze_attr_type(const char *name, adze_dtype value);
ADZE_API adze_attr adze_attr_ints(const char *name, const int64_t *values, uint64_t count);
ADZE_API adze_attr adze_attr_floats(const char *name, const double *values, uint64_t count);
ADZE_API adze_attr adze_attr_dim(const char *name, const adze_dim *dim);
ADZE_API adze_attr adze_attr_dims_make(adze_context *context, const char *name, const adze_dim *const *dims,
                                       uint32_t count);
ADZE_API adze_attr adze_attr_sym(const char *name, const char *symbol);

/* ---- Ops (op.c) ---- */

ADZE_API const adze_op_row *adze_op_get_row(const adze_op *op);
ADZE_API const char *adze_op_name(const adze_op *op);
ADZE_API bool adze_op_is(const adze_op *op, const char *name);
ADZE_API bool adze_op_has_trait(const adze_op *op, uint64_t trait);
ADZE_API uint32_t adze_op_num_operands(const adze_op *op);
/* NULL where an optional operand is absent or the index is past the last one. */
ADZE_API adze_ir_value *adze_op_operand(const adze_op *op, uint32_t index);
ADZE_API void adze_op_set_operand(adze_op *op, uint32_t index, adze_ir_value *value);
ADZE_API void adze_op_insert_operand(adze_op *op, uint32_t index, adze_ir_value *value);
ADZE_API void adze_op_remove_operand(adze_op *op, uint32_t index);
ADZE_API uint32_t adze_op_num_results(const adze_op *op);
ADZE_API adze_ir_value *adze_op_result(const adze_op *op, uint32_t index);
ADZE_API uint32_t adze_op_num_regions(const adze_op *op);
ADZE_API adze_region *adze_op_region(const adze_op *op, uint32_t index);
/* The attribute block: cast to `const struct adze_<op>_attrs *` (<adze/ops_attrs.h>) or read by name. */
ADZE_API const adze_slot *adze_op_attrs(const adze_op *op);
ADZE_API bool adze_op_attr_is_set(const adze_op *op, const char *name);
ADZE_API int64_t adze_op_attr_int(const adze_op *op, const char *name);
ADZE_API double adze_op_attr_float(const adze_op *op, const char *name);
ADZE_API const char *adze_op_attr_str(const adze_op *op, const char *name); /* also of SYM; NULL if absent */
ADZE_API adze_ints adze_op_attr_ints(const adze_op *op, const char *name);
ADZE_API const adze_dim *adze_op_attr_dim(const adze_op *op, const char *name);
ADZE_API const adze_attr_dims *adze_op_attr_dims(const adze_op *op, const char *name);
/* Sets one attribute; false if the row has no such name or kind. Values are copied. */
ADZE_API bool adze_op_set_attr(adze_op *op, adze_attr attr);
ADZE_API adze_region *adze_op_parent(const adze_op *op);
ADZE_API adze_op *adze_op_prev(const adze_op *op);
ADZE_API adze_op *adze_op_next(const adze_op *op);
ADZE_API adze_func *adze_op_func(const adze_op *op);
ADZE_API adze_module *adze_op_module(const adze_op *op);
ADZE_API adze_context *adze_op_context(const adze_op *op);
/* Unlinks and forgets the op; its results must have no uses. */
ADZE_API void adze_op_erase(adze_op *op);
ADZE_API void adze_op_move_before(adze_op *op, adze_op *before);
ADZE_API adze_loc adze_op_loc(const adze_op *op);
ADZE_API void adze_op_set_loc(adze_op *op, adze_loc loc);
/* ONNX node names that the op stands for, in order, without duplicates. */
ADZE_API uint32_t adze_op_num_nodes(const adze_op *op);
ADZE_API const char *adze_op_node(const adze_op *op, uint32_t index);
ADZE_API void adze_op_add_node(adze_op *op, const char *node);
ADZE_API void adze_op_add_nodes_of(adze_op *op, const adze_op *from);
/* Runs the row's inference and stores the result types. */
ADZE_API bool adze_op_infer(adze_op *op);
/* Structural equality: row, operands, attributes, no regions. */
ADZE_API bool adze_op_same(const adze_op *a, const adze_op *b);
ADZE_API uint64_t adze_op_hash(const adze_op *op);

/* ---- Regions, functions, modules (module.c) ---- */

ADZE_API adze_op *adze_region_first(const adze_region *region);
ADZE_API adze_op *adze_region_last(const adze_region *region);
ADZE_API uint32_t adze_region_num_args(const adze_region *region);
ADZE_API adze_ir_value *adze_region_arg(const adze_region *region, uint32_t index);
ADZE_API adze_ir_value *adze_region_add_arg(adze_region *region, const adze_type *type, const char *name);
ADZE_API void adze_region_remove_arg(adze_region *region, uint32_t index); /* must have no uses */
ADZE_API adze_op *adze_region_op(const adze_region *region);     /* enclosing op, NULL for a body */
ADZE_API adze_func *adze_region_func(const adze_region *region);

ADZE_API adze_module *adze_module_create(adze_context *context, const char *name);
ADZE_API void adze_module_destroy(adze_module *module);
ADZE_API adze_module *adze_module_clone(const adze_module *module);
ADZE_API adze_context *adze_module_context(const adze_module *module);
ADZE_API const char *adze_module_name(const adze_module *module);
/* Gives symbol `name` the value in all types and attributes (fix_dims.c). False after an error: there is no
 * such symbol. */
ADZE_API bool adze_module_fix_dim(adze_module *module, const char *name, int64_t value);
ADZE_API adze_func *adze_module_first_func(const adze_module *module);
ADZE_API adze_func *adze_module_find_func(const adze_module *module, const char *name);
/* The function that `adze run` runs: `main`, else the first. */
ADZE_API adze_func *adze_module_main(const adze_module *module);
ADZE_API adze_func *adze_module_add_func(adze_module *module, const char *name);
ADZE_API void adze_func_erase(adze_func *func);
ADZE_API adze_func *adze_func_next(const adze_func *func);
ADZE_API const char *adze_func_name(const adze_func *func);
ADZE_API adze_module *adze_func_module(const adze_func *func);
ADZE_API adze_region *adze_func_body(const adze_func *func);
/* Result types and names (the names of a model's outputs; NULL = none). */
ADZE_API uint32_t adze_func_num_results(const adze_func *func);
ADZE_API const adze_type *adze_func_result_type(const adze_func *func, uint32_t index);
ADZE_API const char *adze_func_result_name(const adze_func *func, uint32_t index);
ADZE_API void adze_func_set_results(adze_func *func, const adze_type *const *types,
                                    const char *const *names, uint32_t count);
/* The `return` op, NULL while unfinished. */
ADZE_API adze_op *adze_func_return(const adze_func *func);

/* Free attributes of modules and functions (opset, producer, arena_bytes, …). */
ADZE_API void adze_module_set_attr(adze_module *module, adze_attr attr);
ADZE_API uint32_t adze_module_num_attrs(const adze_module *module);
ADZE_API const adze_attr *adze_module_attr(const adze_module *module, uint32_t index);
ADZE_API const adze_attr *adze_module_find_attr(const adze_module *module, const char *name);
ADZE_API void adze_func_set_attr(adze_func *func, adze_attr attr);
ADZE_API uint32_t adze_func_num_attrs(const adze_func *func);
ADZE_API const adze_attr *adze_func_attr(const adze_func *func, uint32_t index);
ADZE_API const adze_attr *adze_func_find_attr(const adze_func *func, const char *name);

/* Constants. The name is made unique. Takes `data`. */
ADZE_API adze_const *adze_module_add_const(adze_module *module, const char *name, const adze_type *type,
                                           adze_data *data);
ADZE_API adze_const *adze_module_find_const(const adze_module *module, const char *name);
ADZE_API adze_const *adze_module_first_const(const adze_module *module);
ADZE_API adze_const *adze_const_next(const adze_const *constant);
/* Read by an op or by a derived constant. */
ADZE_API bool adze_const_has_uses(const adze_const *constant);
ADZE_API void adze_const_erase(adze_const *constant); /* must have no uses */
ADZE_API const char *adze_const_name(const adze_const *constant);
ADZE_API const adze_type *adze_const_type(const adze_const *constant);
ADZE_API adze_data *adze_const_data(const adze_const *constant); /* borrowed */
ADZE_API adze_ir_value *adze_const_value(const adze_const *constant);
/* Shorthands: dense data of the given type; rank-1 (or rank-0 if count < 0) i64. */
ADZE_API adze_ir_value *adze_const_make(adze_module *module, const char *name, const adze_type *type,
                                        const void *bytes);
ADZE_API adze_ir_value *adze_const_ints(adze_module *module, const char *name, const int64_t *values, int count);
ADZE_API adze_ir_value *adze_const_scalar(adze_module *module, const char *name, adze_dtype dtype, double value);

/* ---- Builder (build.c) ---- */

typedef struct adze_builder {
    adze_module *module;
    adze_region *region;
    adze_op *before; /* NULL = at the end */
    adze_loc loc;
    const adze_op *origin[16]; /* ops whose ONNX node names new ops take over */
    uint32_t n_origin;
} adze_builder;

ADZE_API adze_builder adze_builder_before(adze_op *op); /* inserts above op and inherits from it */
ADZE_API adze_builder adze_builder_after(adze_op *op);
ADZE_API adze_builder adze_builder_at_end(adze_module *module, adze_region *region);
/* New ops also take over the node names (and, if none yet, the location) of `op`. */
ADZE_API void adze_builder_inherit(adze_builder *builder, const adze_op *op);

/* Creates an op. With `types` NULL the row's inference gives the result types (n_results = how many;
 * 0 = the row's minimum). NULL operands are absent ones. Returns NULL after reporting an error, with
 * nothing inserted. Regions are created empty, as many as the row says. */
ADZE_API adze_op *adze_build(adze_builder *builder, const char *name, adze_ir_value *const *operands,
                             uint32_t n_operands, const adze_attr *attrs, uint32_t n_attrs,
                             const adze_type *const *types, uint32_t n_results);
/* One-result forms. */
ADZE_API adze_ir_value *adze_build1(adze_builder *builder, const char *name, adze_ir_value *const *operands,
                                    uint32_t n_operands, const adze_attr *attrs, uint32_t n_attrs);
ADZE_API adze_ir_value *adze_build_unary(adze_builder *builder, const char *name, adze_ir_value *a);
ADZE_API adze_ir_value *adze_build_binary(adze_builder *builder, const char *name, adze_ir_value *a,
                                          adze_ir_value *b);
/* Loop IR: index arithmetic `expr` over `operands` ($0, $1, …). */
ADZE_API adze_ir_value *adze_build_apply(adze_builder *builder, const adze_dim *expr,
                                         adze_ir_value *const *operands, uint32_t n_operands);
ADZE_API adze_ir_value *adze_build_index(adze_builder *builder, int64_t value);

/* Value map for cloning; the caller owns it. */
typedef struct adze_map adze_map;
ADZE_API adze_map *adze_map_create(void);
ADZE_API void adze_map_destroy(adze_map *map);
ADZE_API void adze_map_set(adze_map *map, const void *from, void *to);
ADZE_API void *adze_map_get(const adze_map *map, const void *from); /* NULL if absent */
/* Copies an op with regions, attributes, names and locations; operands go through `map` (unmapped ones
 * stay), and the new results and arguments are added to it. */
ADZE_API adze_op *adze_clone(adze_builder *builder, const adze_op *op, adze_map *map);

/* ---- Op rows, traits, access (table.c) ---- */

enum adze_trait {
    ADZE_PURE = 1 << 0,        /* no effect but its results */
    ADZE_ELEMWISE = 1 << 1,    /* result element i depends on (broadcast) operand elements i alone */
    ADZE_COMMUTATIVE = 1 << 2, /* the first two operands may be exchanged */
    ADZE_VIEW = 1 << 3,        /* dense row-major result is the same bytes as operand 0 */
    ADZE_REDUCE = 1 << 4,
    ADZE_CONTRACTION = 1 << 5, /* sums products of two operands */
    ADZE_WINDOW = 1 << 6,      /* reads a sliding window */
    ADZE_MOVE = 1 << 7,        /* copies elements, computes nothing */
    ADZE_NORMALIZE = 1 << 8,   /* row statistics, then elementwise (softmax, layer norm, …) */
    ADZE_DATA_DEPENDENT = 1 << 9, /* result dims depend on element values */
    ADZE_TERMINATOR = 1 << 10, /* ends a region */
    ADZE_LOOP = 1 << 11,       /* loop IR */
    ADZE_SHAPE = 1 << 12,      /* reads dims or builds shapes, not data */
    ADZE_QUANT = 1 << 13,      /* changes between real and quantized form */
    ADZE_REGION = 1 << 14,     /* has regions */
    ADZE_IDEMPOTENT = 1 << 15, /* f(f(x)) = f(x) */
    ADZE_FREE = 1 << 16        /* region may use values from outside */
};

typedef enum adze_axis_kind {
    ADZE_AXIS_PARALLEL,
    ADZE_AXIS_REDUCTION,
    ADZE_AXIS_WINDOW,
    ADZE_AXIS_INDEX /* no loop: at each point its value is an element of `index_operand`. Negative values count
                       from the extent; the op fails where one is out of range */
} adze_axis_kind;
typedef enum adze_combine {
    ADZE_COMBINE_NONE,
    ADZE_COMBINE_ADD,
    ADZE_COMBINE_MUL,
    ADZE_COMBINE_MAX,
    ADZE_COMBINE_MIN
} adze_combine;

enum { ADZE_MAX_AXES = 16, ADZE_MAX_ACCESS = 16 };

/* An op's iteration space: for every point of it, each result element at `map` combines the body applied
 * to the operand elements at their maps. Source of the idea: LINALG's structured ops. */
typedef struct adze_access_map {
    bool present;
    bool guarded; /* the map can leave the operand: elements outside are `outside` */
    double outside;
    uint32_t rank;
    const adze_dim *dims[ADZE_MAX_RANK]; /* over axis symbols */
} adze_access_map;

typedef struct adze_access {
    uint32_t n_axes;
    adze_axis_kind kind[ADZE_MAX_AXES];
    const adze_dim *extent[ADZE_MAX_AXES];
    uint32_t n_operands, n_results;
    adze_access_map operand[ADZE_MAX_ACCESS];
    adze_access_map result[ADZE_MAX_ACCESS];
    adze_combine combine;
    const char *body; /* op whose scalar body is applied; NULL = copy operand 0 */
    bool mean;        /* divide the combined value by the number of points inside the operand */
    bool mean_all;    /* mean counts points outside too */
    uint32_t index_operand;                /* of axes of kind INDEX */
    adze_access_map index[ADZE_MAX_AXES];  /* where such an axis' value stands in that operand */
    bool four_sums;   /* f32 is added up in f32, in four interleaved sums: (s0 + s2) + (s1 + s3), then the
                       * rest one by one; else in double */
} adze_access;

typedef bool adze_infer_fn(adze_op *op, const adze_type **out_types);
typedef bool adze_verify_fn(const adze_op *op);
/* False: the op has no such form (data-dependent indices and the like). */
typedef bool adze_access_fn(const adze_op *op, adze_access *out);

enum { ADZE_VARIADIC = 255 };

struct adze_op_row {
    uint32_t struct_size;
    uint32_t abi;
    const char *name;
    const char *onnx;   /* ONNX op type; NULL = none */
    const char *domain; /* ONNX domain; NULL = ai.onnx */
    const char *help;   /* one line */
    uint8_t in_min, in_max, out_min, out_max; /* ADZE_VARIADIC = any number */
    uint8_t regions, regions_max;
    uint16_t n_attrs;
    uint64_t traits;
    adze_access_fn *access;
    adze_infer_fn *infer;
    adze_verify_fn *verify;
    adze_eval_fn *eval;
    const adze_attr_row *attrs;
};

ADZE_API const adze_op_row *adze_row_find(adze_context *context, const char *name);
ADZE_API const adze_op_row *adze_row_find_onnx(adze_context *context, const char *domain, const char *onnx);
ADZE_API uint32_t adze_row_count(const adze_context *context);
ADZE_API const adze_op_row *adze_row_get(const adze_context *context, uint32_t index);
/* Adds a plug-in's row; refused if the name is taken or the row contradicts itself. The row must outlive the context. */
ADZE_API bool adze_row_add(adze_context *context, const adze_op_row *row);
ADZE_API bool adze_op_access(const adze_op *op, adze_access *out);

/* ---- Text (print.c, parse.c) ---- */

typedef struct adze_print_options {
    uint32_t struct_size;
    bool locations;             /* print loc("node") */
    uint32_t max_elements;      /* constants up to this many elements in full (default 16), others as blob */
    const char *blob_file;      /* where blobs of constants without a file go; NULL: hex inline */
    const char *folder;         /* where the text will lie: blob paths are relative to it, and what lies
                                   outside is copied. NULL: the folder of blob_file; without that, paths
                                   are relative where they lie in the current folder */
    const char *blob_temporary; /* where the bytes of blob_file are written; the caller, who still has the
                                   text to write, gives it its name. NULL: it has its name after printing */
} adze_print_options;

typedef struct adze_text { /* growing buffer; free with adze_text_free */
    char *data;
    size_t size, capacity;
} adze_text;
ADZE_API void adze_text_append(adze_text *text, const char *format, ...) ADZE_PRINTF(2, 3);
ADZE_API void adze_text_write(adze_text *text, const char *bytes, size_t size);
ADZE_API void adze_text_free(adze_text *text);

ADZE_API bool adze_module_print(const adze_module *module, const adze_print_options *options, adze_text *out);
ADZE_API bool adze_func_print(const adze_func *func, const adze_print_options *options, adze_text *out);
ADZE_API void adze_op_print(const adze_op *op, adze_text *out);
/* Parses one module (a text of bare functions counts as one). `file` names it in errors. The text is
 * kept by the context so that errors can show the line. All errors of the text are reported, up to a
 * bound. Stated result types are checked against inference; adze_module_verify checks the rest. */
ADZE_API adze_module *adze_module_parse(adze_context *context, const char *file, const char *text, size_t size);

/* A diagnostic for people: place, message, and for kept texts the source line with a caret (print_diag.c). */
ADZE_API void adze_diagnostic_print(const adze_diagnostic *diagnostic, adze_text *out);

/* ---- Verifier (verify.c) ---- */
/* Reports every violation; true if there is none. */
ADZE_API bool adze_module_verify(const adze_module *module);

/* ---- Reference evaluation (interp.c) ---- */

/* An argument of a micro-kernel. */
typedef union adze_ukernel_arg {
    void *p;
    const void *cp;
    int64_t i;
    float f;
} adze_ukernel_arg;

/* Bytes from a pointer that a call may touch: [first, end); none where they are equal. */
typedef struct adze_reach {
    int64_t first, end;
} adze_reach;

/* Native twin of a micro-kernel, for `ukernel` on the reference. `signature` has a letter an argument:
 * p pointer to a buffer's base element, i int64_t, f float. `reach` gives for each pointer, in order, what a
 * call with these arguments touches, or false where they make no sense; NULL: that is not known. */
typedef struct adze_ukernel {
    const char *name;
    const char *signature;
    void (*invoke)(const adze_ukernel_arg *args);
    bool (*reach)(const adze_ukernel_arg *args, adze_reach *out);
} adze_ukernel;
/* Adds micro-kernels; the array must outlive the context. Of equal names the last one added counts. */
ADZE_API void adze_context_add_ukernels(adze_context *context, const adze_ukernel *kernels, uint32_t count);

/* Runs `func` of the module on the reference. Inputs as the function's arguments; outputs are allocated
 * (malloc) and freed by adze_outputs_free. `observe`, if given, sees every op's results, dense in their
 * logical dims whatever their layout. Symbols are bound from the inputs' dims. The module must have
 * passed the verifier. Loop IR runs on real memory, and an access outside a buffer's allocation is an
 * error, in micro-kernels too where they tell their reach. Reports errors to the context. */
typedef void adze_observer(void *self, const adze_op *op, const adze_value *results, uint32_t n);
ADZE_API bool adze_interpret(const adze_func *func, const adze_value *inputs, uint32_t n_inputs,
                             adze_value *outputs, uint32_t n_outputs, adze_observer *observe, void *self);
ADZE_API void adze_outputs_free(adze_value *outputs, uint32_t n);

#ifdef __cplusplus
}
#endif
#endif
