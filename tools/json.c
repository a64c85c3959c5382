/* Writing JSON: commas, line ends, escapes. Members of the outermost value and objects in arrays have a line each. */
#include "json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(adze_json_writer *w, const char *text) { adze_text_write(w->text, text, strlen(text)); }

static void line(adze_json_writer *w) { adze_text_append(w->text, "\n%*s", (int)(2 * w->depth), ""); }

/* What stands before a value, or before the key of one. */
static void separate(adze_json_writer *w, bool own_line)
{
    if (!w->depth) return;
    if (w->filled[w->depth - 1]) put(w, ",");
    if (own_line || w->depth == 1)
        line(w);
    else if (w->filled[w->depth - 1])
        put(w, " ");
    w->filled[w->depth - 1] = true;
}

static void before_value(adze_json_writer *w, bool own_line)
{
    bool in_object = w->depth && w->brackets[w->depth - 1] == '{';
    assert(in_object == w->has_key);
    if (!in_object) separate(w, own_line);
    w->has_key = false;
}

void adze_json_begin(adze_json_writer *w, char bracket)
{
    assert(w->depth < ADZE_JSON_DEPTH && (bracket == '{' || bracket == '['));
    before_value(w, bracket == '{');
    adze_text_write(w->text, &bracket, 1);
    w->brackets[w->depth] = bracket;
    w->filled[w->depth++] = false;
}

/* An array of objects closes on a line of its own. */
static bool has_lines(const adze_json_writer *w)
{
    char last = w->text->data[w->text->size - 1];
    return w->filled[w->depth] && (w->depth == 0 || (w->brackets[w->depth] == '[' && last == '}'));
}

void adze_json_end(adze_json_writer *w)
{
    assert(w->depth && !w->has_key);
    w->depth--;
    if (has_lines(w)) line(w);
    put(w, w->brackets[w->depth] == '{' ? "}" : "]");
    if (!w->depth) put(w, "\n");
}

static void write_string(adze_json_writer *w, const char *at, size_t size)
{
    const char *end = at + size;
    put(w, "\"");
    while (at < end) {
        unsigned char c = (unsigned char)*at;
        size_t n = adze_utf8_length(at, end);
        if (!n)
            put(w, "\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            adze_text_append(w->text, "\\%c", c);
        else if (c == '\n')
            put(w, "\\n");
        else if (c < 0x20 || c == 0x7f)
            adze_text_append(w->text, "\\u%04x", c);
        else
            adze_text_write(w->text, at, n);
        at += n ? n : 1;
    }
    put(w, "\"");
}

void adze_json_key(adze_json_writer *w, const char *key)
{
    assert(w->depth && w->brackets[w->depth - 1] == '{' && !w->has_key);
    separate(w, false);
    write_string(w, key, strlen(key));
    put(w, ": ");
    w->has_key = true;
}

void adze_json_string_of(adze_json_writer *w, const char *bytes, size_t size)
{
    before_value(w, false);
    write_string(w, bytes, size);
}

void adze_json_string(adze_json_writer *w, const char *string)
{
    if (string)
        adze_json_string_of(w, string, strlen(string));
    else
        adze_json_null(w);
}

void adze_json_int(adze_json_writer *w, int64_t value)
{
    before_value(w, false);
    adze_text_append(w->text, "%lld", (long long)value);
}

void adze_json_number(adze_json_writer *w, double value)
{
    before_value(w, false);
    if (isfinite(value))
        adze_text_double(w->text, value);
    else
        put(w, "null");
}

void adze_json_measured(adze_json_writer *w, double value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.5e", value);
    adze_json_number(w, strtod(digits, NULL));
}

void adze_json_bool(adze_json_writer *w, bool value)
{
    before_value(w, false);
    put(w, value ? "true" : "false");
}

void adze_json_null(adze_json_writer *w)
{
    before_value(w, false);
    put(w, "null");
}
