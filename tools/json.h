/* JSON (RFC 8259): writing (json.c) and reading (json_read.c). */
#ifndef ADZE_JSON_H
#define ADZE_JSON_H

#include <adze/arena.h>
#include <adze/text.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Objects and arrays inside one another, for both. */
enum { ADZE_JSON_DEPTH = 64 };

/* ---- Writing (json.c) ---- */

/* Appends to `text`, which the caller owns. Starts as {.text = …}. Values follow each other; in an object each has its
 * key before it. Broken order is a broken invariant. */
typedef struct adze_json_writer {
    adze_text *text;
    uint32_t depth;
    bool has_key;                   /* written, its value is to come */
    char brackets[ADZE_JSON_DEPTH]; /* of what is open: '{' or '[' */
    bool filled[ADZE_JSON_DEPTH];   /* it has a member */
} adze_json_writer;

/* Opens an object or an array; `bracket` is '{' or '['. */
void adze_json_begin(adze_json_writer *writer, char bracket);
/* Closes what was opened last; behind the outermost one comes a line end. */
void adze_json_end(adze_json_writer *writer);
void adze_json_key(adze_json_writer *writer, const char *key);
/* Bytes that are no UTF-8 become U+FFFD. NULL is null. */
void adze_json_string(adze_json_writer *writer, const char *string);
void adze_json_string_of(adze_json_writer *writer, const char *bytes, size_t size);
void adze_json_int(adze_json_writer *writer, int64_t value);
/* The shortest digits that read back as the same number; null where JSON has no number: NaN and infinity. */
void adze_json_number(adze_json_writer *writer, double value);
/* The same of six significant digits, for what was measured. */
void adze_json_measured(adze_json_writer *writer, double value);
void adze_json_bool(adze_json_writer *writer, bool value);
void adze_json_null(adze_json_writer *writer);

/* ---- Reading (json_read.c) ---- */

/* Bounds on one text. */
enum { ADZE_JSON_BYTES = 64 << 20, ADZE_JSON_VALUES = 1 << 20, ADZE_JSON_MEMBERS = 1024 };

typedef enum adze_json_kind {
    ADZE_JSON_NULL,
    ADZE_JSON_BOOL,
    ADZE_JSON_NUMBER,
    ADZE_JSON_STRING,
    ADZE_JSON_ARRAY,
    ADZE_JSON_OBJECT
} adze_json_kind;

typedef struct adze_json adze_json;
struct adze_json {
    adze_json_kind kind;
    uint32_t line, col; /* where it starts */
    const char *key;    /* in an object, else NULL */
    const char *text;   /* of a string, in UTF-8, which may hold zero bytes; of a number its digits as they stand */
    size_t size;        /* of the text, without the zero byte at its end */
    double number;      /* finite */
    bool boolean;
    uint32_t count; /* values inside */
    const adze_json *first, *next;
};

/* Reads one value and nothing behind it. Strict: no comments, no comma too many, UTF-8 only, no lone surrogates, no key
 * twice in an object or with a zero byte. `file` names the text in errors, which have line and column. NULL after one
 * error. What it gives lives in the arena. */
const adze_json *adze_json_read(adze_context *context, adze_arena *arena, const char *file, const char *text,
                                size_t size);
/* The member of that key; NULL if there is none, or the value is no object or NULL. */
const adze_json *adze_json_get(const adze_json *object, const char *key);
/* "a number", for messages. */
const char *adze_json_kind_name(adze_json_kind kind);
/* Reports an error at the value, which was read from `file`; always false. */
bool adze_json_error(adze_context *context, const char *file, const adze_json *at, const char *format, ...)
    ADZE_PRINTF(4, 5);

#endif
