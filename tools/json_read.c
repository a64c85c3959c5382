/* Reading JSON: one pass over the text, bounded in depth, values and bytes; each error has its place. */
#include "json.h"

#include <adze/digit.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    adze_context *context;
    adze_arena *arena;
    const char *file, *at, *end, *line_start;
    uint32_t line, depth, n_values;
    adze_text scratch; /* the string that is being read */
} reader;

static bool fail(const reader *r, const char *what)
{
    adze_loc loc = adze_loc_unknown(r->context);
    loc.file = adze_intern_z(r->context, r->file);
    loc.line = r->line;
    loc.col = (uint32_t)(r->at - r->line_start) + 1;
    return adze_error(loc, "%s", what);
}

/* Names what was found where something else is wanted. */
static bool fail_expected(const reader *r, const char *wanted)
{
    char message[96];
    unsigned char c = r->at < r->end ? (unsigned char)*r->at : 0;
    if (r->at == r->end)
        snprintf(message, sizeof message, "the text ends where %s is expected", wanted);
    else if (c > 0x20 && c < 0x7f)
        snprintf(message, sizeof message, "expected %s, got '%c'", wanted, c);
    else
        snprintf(message, sizeof message, "expected %s, got byte 0x%02x", wanted, c);
    return fail(r, message);
}

static void skip_space(reader *r)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '\n')
            r->line++, r->line_start = r->at + 1;
        else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r')
            return;
    }
}

static bool take(reader *r, char c)
{
    if (r->at == r->end || *r->at != c) return false;
    r->at++;
    return true;
}

/* ---- Strings ---- */

/* The four digits behind \u; the place is behind them. */
static bool read_hex(reader *r, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->at < r->end ? *r->at : '\0';
        int digit = adze_hex_digit(c);
        if (digit < 0) return fail_expected(r, "a hexadecimal digit");
        *out = 16 * *out + (uint32_t)digit;
    }
    return true;
}

static void write_utf8(adze_text *out, uint32_t code)
{
    char bytes[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; code >>= 6) bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(heads[n] | code);
    adze_text_write(out, bytes, n);
}

static bool read_unicode(reader *r)
{
    uint32_t code, low;
    const char *start = r->at - 2;
    if (!read_hex(r, &code)) return false;
    if (code >= 0xd800 && code < 0xe000) {
        bool pair = code < 0xdc00 && r->end - r->at >= 2 && r->at[0] == '\\' && r->at[1] == 'u';
        if (pair) {
            r->at += 2;
            if (!read_hex(r, &low)) return false;
            pair = low >= 0xdc00 && low < 0xe000;
        }
        if (!pair) return r->at = start, fail(r, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    write_utf8(&r->scratch, code);
    return true;
}

static bool read_escape(reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (take(r, 'u')) return read_unicode(r);
    const char *found = r->at < r->end && *r->at ? strchr(from, *r->at) : NULL;
    if (!found) return fail_expected(r, "one of \" \\ / b f n r t u behind '\\'");
    adze_text_write(&r->scratch, &to[found - from], 1);
    r->at++;
    return true;
}

/* The place is at the opening quote. */
static bool read_string(reader *r, const char **out, size_t *out_size)
{
    if (!take(r, '"')) return fail_expected(r, "a string");
    r->scratch.size = 0;
    while (!take(r, '"')) {
        size_t n = adze_utf8_length(r->at, r->end);
        if (r->at == r->end || *r->at == '\n') return fail_expected(r, "the string's end");
        if (!n) return fail(r, "this byte is no UTF-8");
        if ((unsigned char)*r->at < 0x20) return fail_expected(r, "a character, control characters as \\u00..");
        if (take(r, '\\')) {
            if (!read_escape(r)) return false;
            continue;
        }
        adze_text_write(&r->scratch, r->at, n);
        r->at += n;
    }
    *out = adze_arena_text(r->arena, r->scratch.data ? r->scratch.data : "", r->scratch.size);
    *out_size = r->scratch.size;
    return true;
}

/* ---- Numbers ---- */

static bool is_digit(const reader *r) { return r->at < r->end && adze_is_digit(*r->at); }

static bool skip_digits(reader *r)
{
    if (!is_digit(r)) return fail_expected(r, "a digit");
    while (is_digit(r)) r->at++;
    return true;
}

static bool read_number(reader *r, adze_json *out)
{
    const char *start = r->at;
    take(r, '-');
    if (!take(r, '0') && !skip_digits(r)) return false;
    if (is_digit(r)) return fail(r, "a number has no zero in front");
    if (take(r, '.') && !skip_digits(r)) return false;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '-')) take(r, '+');
        if (!skip_digits(r)) return false;
    }
    out->size = (size_t)(r->at - start);
    out->text = adze_arena_text(r->arena, start, out->size);
    out->number = adze_text_to_double(out->text, NULL);
    if (isfinite(out->number)) return true;
    r->at = start;
    return fail(r, "this number is too large");
}

/* ---- Values ---- */

static bool read_value(reader *r, adze_json *out);

static bool read_key(reader *r, const adze_json *object, adze_json *member)
{
    size_t size;
    const char *start = r->at;
    if (!read_string(r, &member->key, &size)) return false;
    const char *why = memchr(member->key, 0, size)         ? "a key with a zero byte"
                      : object->count >= ADZE_JSON_MEMBERS ? "too many members in one object"
                      : adze_json_get(object, member->key) ? "this key stands twice in the object"
                                                           : NULL;
    if (why) return r->at = start, fail(r, why);
    skip_space(r);
    if (!take(r, ':')) return fail_expected(r, "':'");
    skip_space(r);
    return true;
}

/* The place is behind the opening bracket. */
static bool read_members(reader *r, adze_json *out)
{
    bool object = out->kind == ADZE_JSON_OBJECT;
    adze_json *last = NULL;
    skip_space(r);
    if (take(r, object ? '}' : ']')) return true;
    for (;;) {
        adze_json *member = ADZE_NEW(r->arena, adze_json);
        if (object && !read_key(r, out, member)) return false;
        if (!read_value(r, member)) return false;
        *(last ? &last->next : &out->first) = member;
        last = member;
        out->count++;
        skip_space(r);
        if (take(r, object ? '}' : ']')) return true;
        if (!take(r, ',')) return fail_expected(r, object ? "',' or '}'" : "',' or ']'");
        skip_space(r);
    }
}

static bool take_word(reader *r, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0) return false;
    r->at += n;
    return true;
}

static bool read_value(reader *r, adze_json *out)
{
    out->line = r->line;
    out->col = (uint32_t)(r->at - r->line_start) + 1;
    if (++r->n_values > ADZE_JSON_VALUES) return fail(r, "too many values");
    char c = r->at < r->end ? *r->at : '\0';
    if (c == '{' || c == '[') {
        if (r->depth == ADZE_JSON_DEPTH) return fail(r, "too many objects and arrays inside one another");
        out->kind = c == '{' ? ADZE_JSON_OBJECT : ADZE_JSON_ARRAY;
        r->at++, r->depth++;
        bool ok = read_members(r, out);
        r->depth--;
        return ok;
    }
    if (c == '"') return out->kind = ADZE_JSON_STRING, read_string(r, &out->text, &out->size);
    if (c == '-' || is_digit(r)) return out->kind = ADZE_JSON_NUMBER, read_number(r, out);
    if (take_word(r, "null")) return out->kind = ADZE_JSON_NULL, true;
    out->kind = ADZE_JSON_BOOL;
    out->boolean = take_word(r, "true");
    return out->boolean || take_word(r, "false") || fail_expected(r, "a value");
}

const adze_json *adze_json_read(adze_context *context, adze_arena *arena, const char *file, const char *text,
                                size_t size)
{
    reader r = {.context = context, .arena = arena, .file = file, .at = text, .end = text + size, .line_start = text};
    r.line = 1;
    adze_context_add_text(context, file, text, size);
    if (size > ADZE_JSON_BYTES) return fail(&r, "this is more than a JSON text may hold here: 64 MiB"), NULL;
    adze_json *value = ADZE_NEW(arena, adze_json);
    skip_space(&r);
    bool ok = read_value(&r, value);
    if (ok) skip_space(&r);
    if (ok && r.at < r.end) ok = fail_expected(&r, "the end of the text");
    adze_text_free(&r.scratch);
    return ok ? value : NULL;
}

const adze_json *adze_json_get(const adze_json *object, const char *key)
{
    if (!object || object->kind != ADZE_JSON_OBJECT) return NULL;
    for (const adze_json *member = object->first; member; member = member->next)
        if (!strcmp(member->key, key)) return member;
    return NULL;
}

const char *adze_json_kind_name(adze_json_kind kind)
{
    static const char *const names[] = {"null", "true or false", "a number", "a string", "an array", "an object"};
    return names[kind];
}

bool adze_json_error(adze_context *context, const char *file, const adze_json *at, const char *format, ...)
{
    adze_loc loc = adze_loc_unknown(context);
    loc.file = adze_intern_z(context, file);
    loc.line = at->line;
    loc.col = at->col;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = adze_malloc((size_t)(n < 0 ? 0 : n) + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)(n < 0 ? 0 : n) + 1, format, args);
    va_end(args);
    adze_error(loc, "%s", text);
    free(text);
    return false;
}
