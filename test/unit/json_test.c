/* JSON: what is written is well formed, whatever the strings hold. */
#include "unit.h"

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
    for (int i = 0; i < 2; i++) adze_json_begin(&w, '{'), adze_json_key(&w, "i"), adze_json_int(&w, i), adze_json_end(&w);
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

int main(void)
{
    RUN(members_have_commas_and_objects_have_lines);
    RUN(numbers_are_short_and_never_nan);
    RUN(strings_are_escaped);
    return unit_end();
}
