/* IR as text: printing and reading (print.c, parse.c). */
#ifndef ADZE_IR_TEXT_H
#define ADZE_IR_TEXT_H

#include <adze/module.h>

#ifdef __cplusplus
extern "C" {
#endif

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

typedef struct adze_text { /* growing buffer, ended by a zero byte that does not count; free with adze_text_free */
    char *data;
    size_t size, capacity;
} adze_text;
/* Starts as zeros. */
ADZE_API void adze_text_append(adze_text *text, const char *format, ...) ADZE_PRINTF(2, 3);
ADZE_API void adze_text_write(adze_text *text, const char *bytes, size_t size);
ADZE_API void adze_text_free(adze_text *text);

/* Length of the valid UTF-8 sequence at `at`, which is before `end`; 0 if there is none. Overlong forms and surrogates
 * are refused. */
ADZE_API size_t adze_utf8_length(const char *at, const char *end);

/* The shortest decimal text that reads back as the same number; always has '.', 'e', "inf" or "nan". */
ADZE_API void adze_text_double(adze_text *text, double value);
/* strtod of the C locale, whatever the program's is. */
ADZE_API double adze_text_to_double(const char *text, char **end);

/* Append to `out`. Module and function: `options` may be NULL; false after an error, where a constant cannot be read or
 * a blob cannot be written. */
ADZE_API bool adze_module_print(const adze_module *module, const adze_print_options *options, adze_text *out);
ADZE_API bool adze_func_print(const adze_func *func, const adze_print_options *options, adze_text *out);
ADZE_API void adze_op_print(const adze_op *op, adze_text *out); /* with its regions and locations */
/* One line to look at: contents that are many, or that no number shows, are left out. */
ADZE_API void adze_const_print(const adze_const *constant, adze_text *out);
/* A graph in the language of Graphviz: ops are nodes, values edges with their types, functions and ops with regions
 * clusters (dot.c). */
ADZE_API void adze_module_print_dot(const adze_module *module, adze_text *out);
/* Parses one module (a text of bare functions counts as one). `file` names it in errors. The text is
 * kept by the context so that errors can show the line. All errors of the text are reported, up to a
 * bound, and then it gives NULL. The caller owns the module. Stated result types are checked against inference;
 * adze_module_verify checks the rest. */
ADZE_API adze_module *adze_module_parse(adze_context *context, const char *file, const char *text, size_t size);

/* Of some names the nearest one to `wanted`, for messages; starts as {.wanted = …} (nearest.c). */
typedef struct adze_nearest {
    const char *wanted, *name; /* name: NULL while none is near */
    uint32_t distance;
} adze_nearest;
ADZE_API void adze_nearest_offer(adze_nearest *nearest, const char *name);
/* Offers the names of all ops. */
ADZE_API void adze_nearest_offer_ops(adze_nearest *nearest, const adze_context *context);
/* "; did you mean 'NAME'?" in `buffer`, or "". */
ADZE_API const char *adze_nearest_ask(const adze_nearest *nearest, char *buffer, size_t size);

/* A diagnostic for people: place, message, and for kept texts the source line with a caret (print_diag.c). */
ADZE_API void adze_diagnostic_print(const adze_diagnostic *diagnostic, adze_text *out);

#ifdef __cplusplus
}
#endif
#endif
