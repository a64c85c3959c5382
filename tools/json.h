/* JSON (RFC 8259): writing (json.c) and reading (json_read.c). */
#ifndef ADZE_JSON_H
#define ADZE_JSON_H

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
    bool has_key; /* written, its value is to come */
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

#endif
