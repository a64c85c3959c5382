/* JSON: what is written is well formed, whatever the strings hold; what is no JSON is refused, with its place. */
#include "unit.h"

#include <stdlib.h>

#include "tools/json.h"

/* ---- Writing ---- */

TEST(members_have_commas_and_objects_have_lines)
{
    adze_text text = {0};
    adze_json_writer w = {.text = &text};
    adze_json_begin(&w, '{');
    adze_json_key(&w, "a"), adze_json_int(&w, -3);
    adze_json_key(&w, "b"), adze_json_begin(&w, '['), adze_json_bool(&w, true), adze_json_null(&w), adze_json_end(&w);
    adze_json_key(&w, "c"), adze_json_begin(&w, '[');
    for (int i = 0; i < 2; i++)
        adze_json_begin(&w, '{'), adze_json_key(&w, "i"), adze_json_int(&w, i), adze_json_end(&w);
    adze_json_end(&w);
    adze_json_key(&w, "d"), adze_json_begin(&w, '{'), adze_json_end(&w);
    adze_json_end(&w);
    CHECK_STR(text.data, "{\n  \"a\": -3,\n  \"b\": [true, null],\n  \"c\": [\n    {\"i\": 0},\n    {\"i\": 1}\n  ],\n"
                         "  \"d\": {}\n}\n");
    adze_text_free(&text);
}

TEST(numbers_are_short_and_never_nan)
{
    adze_text text = {0};
    adze_json_writer w = {.text = &text};
    adze_json_begin(&w, '[');
    adze_json_begin(&w, '[');
    adze_json_number(&w, 0.1), adze_json_number(&w, NAN), adze_json_number(&w, -INFINITY), adze_json_number(&w, 3);
    adze_json_measured(&w, 1.0 / 3), adze_json_measured(&w, 12345678), adze_json_measured(&w, NAN);
    adze_json_measured(&w, 0), adze_json_int(&w, INT64_MIN);
    adze_json_end(&w);
    adze_json_end(&w);
    CHECK_STR(text.data, "[\n  [0.1, null, null, 3.0, 0.333333, 1.23457e+07, null, 0.0, -9223372036854775808]\n]\n");
    adze_text_free(&text);
}

TEST(strings_are_escaped)
{
    static const char hostile[] = "</script> \"q\" \\ \n\t\x01\x7f \xc3\xa9 \xff\xc3(\xed\xa0\x80";
    adze_text text = {0};
    adze_json_writer w = {.text = &text};
    adze_json_string(&w, hostile);
    CHECK_STR(text.data, "\"</script> \\\"q\\\" \\\\ \\n\\u0009\\u0001\\u007f \xc3\xa9 "
                         "\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    adze_text_free(&text);
    w = (adze_json_writer){.text = &text};
    adze_json_begin(&w, '['), adze_json_string(&w, NULL), adze_json_string_of(&w, "a\0b", 3), adze_json_end(&w);
    CHECK_STR(text.data, "[\n  null,\n  \"a\\u0000b\"\n]\n");
    adze_text_free(&text);
}

/* ---- Reading ---- */

typedef struct told {
    char text[512]; /* "LINE:COL: message" of the first error */
    int errors;
} told;

static void tell(void *self, const adze_diagnostic *d)
{
    told *t = self;
    if (!t->errors++) snprintf(t->text, sizeof t->text, "%u:%u: %s", d->loc.line, d->loc.col, d->message);
}

/* Reads and writes again. */
static void echo(adze_json_writer *w, const adze_json *v)
{
    if (v->key) adze_json_key(w, v->key);
    switch (v->kind) {
    case ADZE_JSON_NULL: adze_json_null(w); return;
    case ADZE_JSON_BOOL: adze_json_bool(w, v->boolean); return;
    case ADZE_JSON_NUMBER: adze_json_number(w, v->number); return;
    case ADZE_JSON_STRING: adze_json_string_of(w, v->text, v->size); return;
    default: break;
    }
    adze_json_begin(w, v->kind == ADZE_JSON_ARRAY ? '[' : '{');
    uint32_t n = 0;
    for (const adze_json *i = v->first; i; i = i->next, n++) echo(w, i);
    CHECK_INT(n, v->count);
    adze_json_end(w);
}

static void check_read_of(const char *text, size_t size, const char *want, const char *error)
{
    told t = {0};
    adze_arena arena = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, tell, &t);
    const adze_json *value = adze_json_read(context, &arena, "a.json", text, size);
    CHECK_STR(t.text, error);
    CHECK_INT(t.errors, *error ? 1 : 0);
    CHECK((value != NULL) == !*error);
    adze_text out = {0};
    adze_json_writer w = {.text = &out};
    if (value) echo(&w, value);
    if (want) CHECK_STR(out.data, want);
    adze_text_free(&out);
    adze_arena_free(&arena);
    adze_context_destroy(context);
}

static void check_read(const char *text, const char *want) { check_read_of(text, strlen(text), want, ""); }
static void check_bad(const char *text, const char *error) { check_read_of(text, strlen(text), NULL, error); }

TEST(values_are_read)
{
    check_read(" null\n", "null");
    check_read("[true,false ,\r\n\t-0.5e+1]", "[\n  true,\n  false,\n  -5.0\n]\n");
    check_read("{\"b\":{\"x\":[]},\"a\":0}", "{\n  \"b\": {\"x\": []},\n  \"a\": 0.0\n}\n");
    check_read("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00\xc3\xa9\"",
               "\"\\\"\\\\/\\u0008\\u000c\\n\\u000d\\u0009\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9\"");
    check_read("\"a\\u0000b\"", "\"a\\u0000b\"");
    check_read("1.7976931348623157e308", "1.7976931348623157e+308");
    check_read("1e-999", "0.0");
}

TEST(members_are_found)
{
    adze_arena arena = {0};
    adze_context *context = adze_context_create();
    const char *text = "{\"a\": 1,\n \"b\": [2]}";
    const adze_json *value = adze_json_read(context, &arena, "a.json", text, strlen(text));
    REQUIRE(value);
    const adze_json *b = adze_json_get(value, "b");
    CHECK(b && b->kind == ADZE_JSON_ARRAY && b->line == 2 && b->col == 7);
    CHECK(!adze_json_get(value, "c") && !adze_json_get(b, "a") && !adze_json_get(NULL, "a"));
    CHECK_STR(adze_json_get(value, "a")->text, "1");
    adze_arena_free(&arena);
    adze_context_destroy(context);
}

TEST(what_is_no_json_is_refused)
{
    check_bad("", "1:1: the text ends where a value is expected");
    check_bad("\n  ", "2:3: the text ends where a value is expected");
    check_bad("nul", "1:1: expected a value, got 'n'");
    check_bad("// a\n1", "1:1: expected a value, got '/'");
    check_bad("NaN", "1:1: expected a value, got 'N'");
    check_bad("[1,]", "1:4: expected a value, got ']'");
    check_bad("[1 2]", "1:4: expected ',' or ']', got '2'");
    check_bad("[1", "1:3: the text ends where ',' or ']' is expected");
    check_bad("{\"a\":1,}", "1:8: expected a string, got '}'");
    check_bad("{a:1}", "1:2: expected a string, got 'a'");
    check_bad("{\"a\" 1}", "1:6: expected ':', got '1'");
    check_bad("{\"a\":1,\n\"a\":2}", "2:1: this key stands twice in the object");
    check_bad("{\"a\\u0000\":1}", "1:2: a key with a zero byte");
    check_bad("1 2", "1:3: expected the end of the text, got '2'");
    check_read_of("1\0", 2, NULL, "1:2: expected the end of the text, got byte 0x00");
}

TEST(numbers_are_strict)
{
    check_bad("01", "1:2: a number has no zero in front");
    check_bad("-", "1:2: the text ends where a digit is expected");
    check_bad("+1", "1:1: expected a value, got '+'");
    check_bad("1.", "1:3: the text ends where a digit is expected");
    check_bad(".5", "1:1: expected a value, got '.'");
    check_bad("[1e]", "1:4: expected a digit, got ']'");
    check_bad("0x10", "1:2: expected the end of the text, got 'x'");
    check_bad("[ -1e999]", "1:3: this number is too large");
}

TEST(strings_are_strict)
{
    check_bad("\"a", "1:3: the text ends where the string's end is expected");
    check_bad("\"a\nb\"", "1:3: expected the string's end, got byte 0x0a");
    check_bad("\"a\tb\"", "1:3: expected a character, control characters as \\u00.., got byte 0x09");
    check_bad("\"\\x41\"", "1:3: expected one of \" \\ / b f n r t u behind '\\', got 'x'");
    check_bad("\"\\u12g4\"", "1:6: expected a hexadecimal digit, got 'g'");
    check_bad("\"\\ud800\"", "1:2: half of a surrogate pair");
    check_bad("\"\\ud800\\u0041\"", "1:2: half of a surrogate pair");
    check_bad("\"\\udc00\"", "1:2: half of a surrogate pair");
    check_bad("\"\xff\"", "1:2: this byte is no UTF-8");
    check_bad("\"\xed\xa0\x80\"", "1:2: this byte is no UTF-8");
}

TEST(sizes_are_bounded)
{
    adze_text text = {0};
    for (int i = 0; i < ADZE_JSON_DEPTH; i++) adze_text_append(&text, "[");
    for (int i = 0; i < ADZE_JSON_DEPTH; i++) adze_text_append(&text, "]");
    check_read(text.data, NULL);
    text.size = 0;
    for (int i = 0; i < 100000; i++) adze_text_append(&text, "[");
    check_bad(text.data, "1:65: too many objects and arrays inside one another");
    text.size = 0;
    for (int i = 0; i <= ADZE_JSON_MEMBERS; i++) adze_text_append(&text, "%c\"%d\":0", i ? ',' : '{', i);
    check_bad(text.data, "1:8108: too many members in one object");
    text.size = 0;
    for (int i = 0; i < ADZE_JSON_VALUES; i++) adze_text_append(&text, "%c0", i ? ',' : '[');
    check_bad(text.data, "1:2097152: too many values");
    text.size = 0;
    char *spaces = calloc(1, 4096);
    REQUIRE(spaces);
    memset(spaces, ' ', 4096);
    while (text.size <= ADZE_JSON_BYTES) adze_text_write(&text, spaces, 4096);
    check_bad(text.data, "1:1: this is more than a JSON text may hold here: 64 MiB");
    free(spaces);
    adze_text_free(&text);
}

int main(void)
{
    RUN(members_have_commas_and_objects_have_lines);
    RUN(numbers_are_short_and_never_nan);
    RUN(strings_are_escaped);
    RUN(values_are_read);
    RUN(members_are_found);
    RUN(what_is_no_json_is_refused);
    RUN(numbers_are_strict);
    RUN(strings_are_strict);
    RUN(sizes_are_bounded);
    return unit_end();
}
