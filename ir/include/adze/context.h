/* Contexts, the handles of all that they hold, locations and diagnostics (context.c).
 *
 * What follows holds for all headers of Adze's compiler, where a function says nothing else.
 *
 * Handles are opaque. `create` makes what the caller ends with `destroy`; `find`, `get` and functions named after what
 * they give borrow; `take` moves. What is interned (dims, types, strings) lives as long as its context; functions, ops,
 * values, regions and constants as long as their module, unless they are erased before.
 *
 * Strings are UTF-8 and end in a zero byte. Strings and arrays that are handed over are read during the call and copied
 * where they are kept; those that come back belong to the handle that was asked. Descriptors, which are structs that
 * state what a plug-in brings, are kept as they are: they are constants, or outlive the context.
 *
 * Structs with struct_size: the caller sets it to sizeof, and zero for all that it does not name. They grow at their
 * end; members that are missing count as zero. Structs without one do not change within an ABI number.
 *
 * A function that gives a bool or a pointer reports at least one error to the context's sink before it gives false or
 * NULL; but those that only answer a question (is_, has_, find_, get_, as_) report nothing. Others cannot fail. Index
 * arguments out of range, NULL where it is not mentioned, and handles of two contexts in one call are broken
 * invariants: they end the process. So does memory that runs out, but for constants and values.
 *
 * A context, with everything made through it, is used by one thread at a time. Different contexts share nothing.
 *
 * Sizes and offsets are bytes, strides elements, times seconds.
 */
#ifndef ADZE_IR_CONTEXT_H
#define ADZE_IR_CONTEXT_H

#include <adze/abi.h>
#include <adze/export.h>
#include <adze/extension.h>

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

typedef enum adze_severity { ADZE_NOTE, ADZE_WARNING, ADZE_ERROR } adze_severity;

/* Where something stands. `file`, `line`, `col` (1-based, 0 = unknown; columns count bytes) for text; `node` and
 * `op_type` for what came from ONNX. Strings are NULL where unknown, and live as long as the context: adze_intern. */
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

ADZE_API adze_context *adze_context_create(void); /* NULL where memory is out */
/* After all modules and registries of the context. NULL is allowed. */
ADZE_API void adze_context_destroy(adze_context *context);
/* Diagnostics go to `sink` from now on, with `self`, which it borrows; NULL = nowhere. */
ADZE_API void adze_context_set_sink(adze_context *context, adze_sink *sink, void *self);
/* The sink and its `self`, to put them back; NULL: none. */
ADZE_API adze_sink *adze_context_sink(const adze_context *context, void **out_self);
/* Errors reported so far. */
ADZE_API uint64_t adze_context_errors(const adze_context *context);
/* Evaluations in this context sum f32 contractions in f32, in the order of k (default: in double). */
ADZE_API void adze_context_set_strict(adze_context *context, bool strict);
/* Evaluations in this context get from `extension`, with `self`, which it borrows, what they ask of libraries beside
 * this one; NULL = libadze_NAME.so beside libadze.so, or where the loader looks (adze/extension.h). */
ADZE_API void adze_context_set_extension(adze_context *context, adze_extension_fn *extension, void *self);
/* Bound in bytes on what one compile may hold in constants and tables; 0 = none. */
ADZE_API void adze_context_set_max_memory(adze_context *context, uint64_t bytes);
ADZE_API uint64_t adze_context_max_memory(const adze_context *context);
/* While muted, diagnostics are neither shown nor counted: for attempts that may fail. */
ADZE_API void adze_context_mute(adze_context *context, bool muted);
/* Keeps a copy of a text, so that diagnostics whose `file` is that name show their line of it. */
ADZE_API void adze_context_add_text(adze_context *context, const char *file, const char *text, size_t size);
/* Interned copy of `size` bytes, ended by a zero byte: equal texts are equal pointers. */
ADZE_API const char *adze_intern(adze_context *context, const char *text, size_t size);
ADZE_API const char *adze_intern_z(adze_context *context, const char *text);
ADZE_API const char *adze_internf(adze_context *context, const char *format, ...)
    ADZE_PRINTF(2, 3);

ADZE_API adze_loc adze_loc_unknown(adze_context *context);
/* Reports one error; always returns false, so that `return adze_error(…)` reads well. */
ADZE_API bool adze_error(adze_loc loc, const char *format, ...) ADZE_PRINTF(2, 3);
ADZE_API void adze_warning(adze_loc loc, const char *format, ...) ADZE_PRINTF(2, 3);
ADZE_API void adze_note(adze_loc loc, const char *format, ...) ADZE_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
