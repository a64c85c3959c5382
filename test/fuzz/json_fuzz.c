/* Fuzzing of the JSON reader. A text is a value or an error, never both, never neither; what was read, written again,
 * reads back to the same. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "tools/json.h"

static void write_value(adze_json_writer *w, const adze_json *v)
{
    if (v->key) adze_json_key(w, v->key);
    switch (v->kind) {
    case ADZE_JSON_NULL: adze_json_null(w); return;
    case ADZE_JSON_BOOL: adze_json_bool(w, v->boolean); return;
    case ADZE_JSON_NUMBER: adze_json_number(w, v->number); return;
    case ADZE_JSON_STRING: adze_json_string_of(w, v->text, v->size); return;
    case ADZE_JSON_ARRAY:
    case ADZE_JSON_OBJECT: break;
    }
    adze_json_begin(w, v->kind == ADZE_JSON_ARRAY ? '[' : '{');
    for (const adze_json *i = v->first; i; i = i->next) write_value(w, i);
    adze_json_end(w);
}

/* Reads a text and writes it again; false where it was refused. */
static bool rewrite(adze_context *context, const char *text, size_t size, adze_text *out)
{
    adze_arena arena = {0};
    adze_json_writer w = {.text = out};
    const adze_json *value = adze_json_read(context, &arena, "fuzz", text, size);
    if (value) write_value(&w, value);
    adze_arena_free(&arena);
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adze_context *context = fuzz_context();
    adze_text first = {0}, second = {0};
    char *text = malloc(size + 1);
    if (!text) abort();
    if (size) memcpy(text, bytes, size);
    bool read = rewrite(context, text, size, &first);
    if (adze_context_errors(context) != !read) fuzz_fail("neither a value nor one error", bytes, size);
    if (read && !rewrite(context, first.data, first.size, &second)) fuzz_fail("does not read back", bytes, size);
    if (read && strcmp(first.data, second.data) != 0) fuzz_fail("reads back as something else", bytes, size);
    adze_text_free(&first);
    adze_text_free(&second);
    adze_context_destroy(context);
    free(text);
    return 0;
}

void fuzz_words(void)
{
    static const char *const words[] = {"{",       "}",     "[",     "]",    ",",      ":",       "null",
                                        "true",    "false", "\"a\"", "\"\"", "\"a\":", "\\u0000", "\\ud83d\\ude00",
                                        "\\udc00", "\\n",   "\\",    "-0",   "1e308",  "0.1e-5"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) fuzz_word(words[i]);
}
