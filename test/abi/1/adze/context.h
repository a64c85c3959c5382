/* Contexts, the handles of all that they hold, locations and diagnostics (context.c). */
#ifndef ADZE_IR_CONTEXT_H
#define ADZE_IR_CONTEXT_H

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

#ifdef __cplusplus
}
#endif
#endif
