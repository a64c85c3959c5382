/* Pieces of IR text that several printers share. */
#ifndef ADZE_TEXT_H
#define ADZE_TEXT_H

#include <adze/ir.h>

/* A string as it is; without the time that adze_text_append takes to look for formats. */
void adze_text_put(adze_text *text, const char *string);
/* A string as it is, or, where it has more than `most` bytes, its beginning, an ellipsis and its end. */
void adze_text_cut(adze_text *text, const char *bytes, size_t size, size_t most);
/* A string in quotes. Escapes quotes, backslashes, control characters, bytes that are no UTF-8, and
 * the second of two equal '[' or '{', which FileCheck would read as its own syntax. */
void adze_text_quoted(adze_text *text, const char *bytes, size_t size);
/* An identifier as it is, anything else in quotes. */
void adze_text_id(adze_text *text, const char *name);
/* `sigil` ('%' or '@') and a name, quoted where it is no plain name. Names of digits alone are
 * quoted: bare numbers stand for values without a name. */
void adze_text_symbol(adze_text *text, char sigil, const char *name);
/* adze_text_double for a float. */
void adze_text_float(adze_text *text, float value);
const char *adze_dtype_text(adze_dtype dtype); /* "f32"; "none" for no type */
void adze_text_type(adze_text *text, const adze_type *type);
void adze_text_dim(adze_text *text, const adze_dim *dim);

/* A plain identifier: letter or '_', then letters, digits, '_'. */
bool adze_is_id(const char *name);

#endif
