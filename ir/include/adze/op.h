/* Values, attributes and ops. They live as long as their module; an erased op, and its results, must not be used any
 * more. */
#ifndef ADZE_IR_OP_H
#define ADZE_IR_OP_H

#include <adze/type.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Values (value.c) ---- */

typedef enum adze_def_kind { ADZE_DEF_RESULT, ADZE_DEF_ARGUMENT, ADZE_DEF_CONST } adze_def_kind;

ADZE_API const adze_type *adze_value_type(const adze_ir_value *value);
/* Says so alone: what reads the value is not inferred again. */
ADZE_API void adze_value_set_type(adze_ir_value *value, const adze_type *type);
/* Name without % or @; NULL for values that the text numbers. */
ADZE_API const char *adze_value_name(const adze_ir_value *value);
ADZE_API void adze_value_set_name(adze_ir_value *value, const char *name); /* two of a name get a number in the text */
ADZE_API adze_def_kind adze_value_def(const adze_ir_value *value);
ADZE_API adze_op *adze_value_op(const adze_ir_value *value);         /* NULL unless a result */
ADZE_API adze_region *adze_value_region(const adze_ir_value *value); /* NULL unless an argument */
ADZE_API adze_const *adze_value_const(const adze_ir_value *value);   /* NULL unless a constant */
ADZE_API uint32_t adze_value_index(const adze_ir_value *value);      /* among results or arguments */
ADZE_API bool adze_value_has_uses(const adze_ir_value *value);
ADZE_API uint32_t adze_value_num_uses(const adze_ir_value *value);
/* Iteration in no particular order, NULL behind the last; the value's uses must not change meanwhile. */
typedef struct adze_use adze_use;
ADZE_API adze_use *adze_value_first_use(const adze_ir_value *value);
ADZE_API adze_use *adze_use_next(const adze_use *use);
ADZE_API adze_op *adze_use_op(const adze_use *use);
ADZE_API uint32_t adze_use_index(const adze_use *use); /* which operand */
/* All operands that read `value` read `with`. Types are not compared: the verifier does that. */
ADZE_API void adze_value_replace_uses(adze_ir_value *value, adze_ir_value *with);

/* Contents of an integer constant of rank <= 1 (also of `dims`, where all are constant). Returns the
 * count, or -1 if the value is not such a constant or has more than `max` elements. */
ADZE_API int adze_value_as_ints(const adze_ir_value *value, int64_t *out, int max);
/* The same with symbolic entries: what shape arithmetic above the value comes to (shape, gather, concat,
 * add, …); single entries may be unknown. At most 64 entries. */
ADZE_API int adze_value_as_dims(const adze_ir_value *value, const adze_dim **out, int max);
/* Is it a floating or integer constant all of whose elements are equal? Up to 1e6 elements are looked at. A constant
 * that cannot be read is an error, and false. */
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

/* A named attribute for builders. Make with the functions below, which borrow what they are given until the attribute
 * has been set. */
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
/* `count` strings. */
ADZE_API adze_attr adze_attr_strs_make(adze_context *context, const char *name, const char *const *strings,
                                       uint32_t count);
ADZE_API adze_attr adze_attr_sym(const char *name, const char *symbol);

/* Are two values of attributes of that kind equal? */
ADZE_API bool adze_slot_equal(adze_attr_kind kind, adze_slot a, adze_slot b);
/* The row's default; false where it has none: the slot is zero then. */
ADZE_API bool adze_slot_default(adze_context *context, const adze_attr_row *row, adze_slot *out);

/* ---- Ops (op.c) ---- */

ADZE_API const adze_op_row *adze_op_get_row(const adze_op *op);
ADZE_API const char *adze_op_name(const adze_op *op);
ADZE_API bool adze_op_is(const adze_op *op, const char *name);
ADZE_API bool adze_op_has_trait(const adze_op *op, uint64_t trait);
ADZE_API uint32_t adze_op_num_operands(const adze_op *op); /* absent ones count */
/* NULL where an optional operand is absent or the index is past the last one. */
ADZE_API adze_ir_value *adze_op_operand(const adze_op *op, uint32_t index);
/* NULL = absent. Result types stay as they are: adze_op_infer. */
ADZE_API void adze_op_set_operand(adze_op *op, uint32_t index, adze_ir_value *value);
ADZE_API void adze_op_insert_operand(adze_op *op, uint32_t index, adze_ir_value *value);
ADZE_API void adze_op_remove_operand(adze_op *op, uint32_t index);
ADZE_API uint32_t adze_op_num_results(const adze_op *op);
ADZE_API adze_ir_value *adze_op_result(const adze_op *op, uint32_t index);
ADZE_API uint32_t adze_op_num_regions(const adze_op *op);
ADZE_API adze_region *adze_op_region(const adze_op *op, uint32_t index);
/* The attribute block: cast to `const struct adze_<op>_attrs *` (<adze/ops_attrs.h>) or read by name. The kind must be
 * the row's; a name that it does not have, or an attribute that is absent, gives 0 or NULL. What they give is valid
 * until the attribute is set anew. */
ADZE_API const adze_slot *adze_op_attrs(const adze_op *op);
ADZE_API bool adze_op_attr_is_set(const adze_op *op, const char *name);
ADZE_API int64_t adze_op_attr_int(const adze_op *op, const char *name);
ADZE_API double adze_op_attr_float(const adze_op *op, const char *name);
ADZE_API const char *adze_op_attr_str(const adze_op *op, const char *name); /* also of SYM; NULL if absent */
ADZE_API adze_ints adze_op_attr_ints(const adze_op *op, const char *name);
ADZE_API const adze_dim *adze_op_attr_dim(const adze_op *op, const char *name);
ADZE_API const adze_attr_dims *adze_op_attr_dims(const adze_op *op, const char *name);
/* Sets one attribute; false, without a message, if the row has no such name or kind. Values are copied. */
ADZE_API bool adze_op_set_attr(adze_op *op, adze_attr attr);
ADZE_API adze_region *adze_op_parent(const adze_op *op);
ADZE_API adze_op *adze_op_prev(const adze_op *op); /* in the same region; NULL if there is none */
ADZE_API adze_op *adze_op_next(const adze_op *op);
ADZE_API adze_func *adze_op_func(const adze_op *op);
ADZE_API adze_module *adze_op_module(const adze_op *op);
ADZE_API adze_context *adze_op_context(const adze_op *op);
/* Removes the op with its regions; its results must have no uses. */
ADZE_API void adze_op_erase(adze_op *op);
ADZE_API void adze_op_move_before(adze_op *op, adze_op *before); /* also out of another region */
ADZE_API adze_loc adze_op_loc(const adze_op *op);
ADZE_API void adze_op_set_loc(adze_op *op, adze_loc loc);
/* ONNX node names that the op stands for, in order, without duplicates. */
ADZE_API uint32_t adze_op_num_nodes(const adze_op *op);
ADZE_API const char *adze_op_node(const adze_op *op, uint32_t index);
ADZE_API void adze_op_add_node(adze_op *op, const char *node);
ADZE_API void adze_op_add_nodes_of(adze_op *op, const adze_op *from);
/* Runs the row's inference and stores the result types. False after an error, and the types are as before. */
ADZE_API bool adze_op_infer(adze_op *op);
/* Structural equality: row, operands, attributes, no regions. */
ADZE_API bool adze_op_same(const adze_op *a, const adze_op *b);
ADZE_API uint64_t adze_op_hash(const adze_op *op);

#ifdef __cplusplus
}
#endif
#endif
