/* Regular expressions: what they match, what is no pattern, and time that stays linear. */
#include "ir/eval/regex.h"
#include "ir/ir_private.h"
#include "unit.h"

#include <stdlib.h>

static adze_string text_of(const char *text) { return (adze_string){text, strlen(text)}; }

/* 1, 0, or -1 where the pattern is refused. */
static int matches(const char *pattern, const char *text)
{
    const char *why;
    adze_context *context = adze_context_create();
    adze_host host;
    adze_host_init(&host, adze_loc_unknown(context));
    adze_regex *regex = adze_regex_create(&host.env, text_of(pattern), &why);
    int result = !regex ? -1 : adze_regex_matches(regex, text_of(text));
    adze_host_free(&host);
    adze_context_destroy(context);
    return result;
}

TEST(whole_texts)
{
    static const char mail[] = "(\\W|^)[\\w.\\-]{0,25}@(yahoo|gmail)\\.com(\\W|$)";
    static const struct {
        const char *pattern, *text;
        int want;
    } rows[] = {
        {"a*b", "aaab", 1},        {"a*b", "aaa", 0},         {"", "", 1},
        {"", "a", 0},              {"(a|b)*c", "ababc", 1},   {"x{2,3}", "x", 0},
        {"x{2,3}", "xxx", 1},      {"x{2,3}", "xxxx", 0},     {"x{2,}", "xxxxx", 1},
        {"x{0}y", "y", 1},         {"a{,2}", "a{,2}", 1},     {"(a*)*", "aaaa", 1},
        {"a|bc|", "", 1},          {"a|bc|", "bc", 1},        {"a|bc|d", "d", 1},
        {"a|bc|d", "bd", 0},       {"(?i)HeLLo", "hEllO", 1}, {"(?i:a)B", "AB", 1},
        {"(?i:a)B", "Ab", 0},      {"[^a-c]+", "xyz", 1},     {"[^a-c]+", "xaz", 0},
        {"[]a]+", "]a", 1},        {"[a-]+", "a-", 1},        {"[\\d.]+", "1.5", 1},
        {"[[:digit:]]+", "01", 1}, {"[[:^digit:]]", "1", 0},  {"\\d{3}-\\D", "123-x", 1},
        {".", "\xf0\x9f\x98\x80", 1}, {".", "\n", 0},          {"(?s).", "\n", 1},
        {"\\x41\\x{e9}", "A\xc3\xa9", 1}, {"^a$", "a", 1},    {"a^b", "ab", 0},
        {"(?i)[[:upper:]]", "a", 1}, {"(?i)[[:^upper:]]", "a", 0}, {"[[:upper:]]", "a", 0},
        {"[c-ea-cf]+", "abcdef", 1}, {"[c-ea-cf]+", "g", 0},  {"[^c-ea-cf]", "g", 1},
        {"[z-zx-xa-ay-y]", "y", 1}, {"[[:^ascii:]]", "\xc3\xa9", 1}, {"a{2}?", "aa", 1},
        {"\\bfoo\\b", "foo", 1},   {"fo\\Bo", "foo", 1},      {"a\\bb", "ab", 0},
        {"(?m:a)", "a", 1},        {"a$\\n^b", "a\nb", 0},     {"(?m)a$\\n^b", "a\nb", 1},
        {"(?m)(?-m)a$\\n^b", "a\nb", 0}, {"(?m)(a$\\n)*b", "a\na\nb", 1}, {"(?m:a$)\\n^b", "a\nb", 0},
        {"(?m)a$", "a\n", 0},      {"(?m)a^b", "ab", 0},      {"(?m).^b", "\nb", 0},
        {"(?ms).^b", "\nb", 1},    {"(?m)\\Aa\\z", "a", 1},   {"(?m)\n\\Aa", "\na", 0},
        {"(?imsU-imsU:a)", "A", 0}, {"(?U)a+", "aa", 1},      {"(?)a", "a", 1},
        {"a(?i)*", "aa", 1},       {"a(?i)*b", "aaB", 1},     {"a(?i)*", "A", 0},
        {"\\Qa.b\\E", "a.b", 1},   {"\\Qa.b\\E", "axb", 0},   {"\\Qab\\E*", "abb", 1},
        {"\\Qab\\E*", "abab", 0},  {"a\\Q\\E*", "aaa", 1},    {"\\Qab", "ab", 1},
        {"\\Qa\\\\E", "a\\", 1},   {"\\Qa|b)\\E|c", "a|b)", 1}, {"\\Qa|b)\\E|c", "c", 1},
        {"\\Qa\\Qb\\E", "a\\Qb", 1}, {"\\Qa\\E\\Qb\\E+", "abb", 1}, {"x|\\Q\\E", "", 1},
        {"(\\Qa)\\E)", "a)", 1},   {"\\Q", "", 1},           {"\\Qa\\", "a\\", 1},
        {"(?i)\\QaB\\E", "Ab", 1}, {"\\Q*+?{2}\\E", "*+?{2}", 1}, {"\\Q(?i)\\E", "(?i)", 1},
        {"a\\ b", "a b", 1},       {"[\\ -!]+", " !", 1},    {"\\ +", "  ", 1},
        {"\\12\\012\\0", "\n\n", 0}, {"\\12\\012", "\n\n", 1}, {"\\101", "A", 1},
        {"(?i)k", "\xe2\x84\xaa", 1}, {"(?i)S", "\xc5\xbf", 1}, {"(?i)[^k]", "\xe2\x84\xaa", 0},
        {"(?i)\\w", "\xc5\xbf", 1}, {"(?i)\\W", "\xe2\x84\xaa", 0}, {"(?i)\\W", "\xe2\x84\xab", 1},
        {"(?i)[^[:lower:]]", "\xc5\xbf", 0}, {"(?i)\\D", "\xc5\xbf", 1}, {"\\w", "\xc5\xbf", 0},
        {"(?i)\xe6\x97\xa5x", "\xe6\x97\xa5X", 1},
        {"(?P<n>ab)+?", "abab", 1}, {mail, "account@gmail.com", 1}, {mail, "not email", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int got = matches(rows[i].pattern, rows[i].text);
        if (got != rows[i].want) printf("  '%s' on '%s'\n", rows[i].pattern, rows[i].text);
        CHECK_INT(got, rows[i].want);
    }
}

TEST(no_patterns)
{
    static const struct {
        const char *pattern, *why;
    } rows[] = {
        {"(", "a ( without its ) at byte 0"},
        {"a(b|(c)", "a ( without its ) at byte 1"},
        {"(\\Qa)", "a ( without its ) at byte 0"},
        {"(?i", "a ( without its ) at byte 0"},
        {"ab)", "a ) without its ( at byte 2"},
        {"a[b", "a [ without its ] at byte 1"},
        {"*", "a repetition of nothing: '*' at byte 0"},
        {"a|{2,3}", "a repetition of nothing: '{2,3}' at byte 2"},
        {"(?i)*", "a repetition of nothing: '*' at byte 4"},
        {"\\Q\\E*", "a repetition of nothing: '*' at byte 4"},
        {"a**", "a repetition of a repetition: '*' at byte 2"},
        {"a+?+", "a repetition of a repetition: '+' at byte 3"},
        {"a{2}{3}", "a repetition of a repetition: '{3}' at byte 4"},
        {"a???", "a repetition of a repetition: '?' at byte 3"},
        {"a\\", "a backslash at its end, at byte 1"},
        {"a\\pL", "an escape that is not supported: '\\p' at byte 1"},
        {"[\\P{Lu}]", "an escape that is not supported: '\\P' at byte 1"},
        {"\\C", "an escape that is not supported: '\\C' at byte 0"},
        {"\\\t", "an escape that is not known at byte 0"},
        {"\\\x7f", "an escape that is not known at byte 0"},
        {"\\1", "an escape that is not known: '\\1' at byte 0"},
        {"\\E", "an escape that is not known: '\\E' at byte 0"},
        {"[\\Qa\\E]", "an escape that is not known: '\\Q' at byte 1"},
        {"\\x{110000}", "an escape that is not known: '\\x{110000}' at byte 0"},
        {"x{1001}", "a repetition out of range: '{1001}' at byte 1"},
        {"x{99999999999}", "a repetition out of range: '{99999999999}' at byte 1"},
        {"x{0,123456}", "a repetition out of range: '{0,123456}' at byte 1"},
        {"(?P<>a)", "a group whose name is empty or odd, at byte 0"},
        {"a(?P<a", "a group whose name does not end, at byte 1"},
        {"a{3,2}", "a repetition out of range: '{3,2}' at byte 1"},
        {"[b-a]", "a range that ends before it begins: 'b-a' at byte 1"},
        {"[z[:odd:]]", "a class of characters that is not known at byte 2"},
        {"(?z)a", "a flag that is not known; i, m, s and U are: 'z' at byte 2"},
        {"a(?iz:a)", "a flag that is not known; i, m, s and U are: 'z' at byte 4"},
        {"(?i--s)a", "a flag that is not known; i, m, s and U are: '-' at byte 4"},
        {"(?-)a", "a flag that is not known; i, m, s and U are: ')' at byte 3"},
        {"(?i)x\xc3\xa9", "an unsupported (?i) of letters that are not of ASCII at byte 5"},
        {"(?i)[a-\\x{17f}]", "an unsupported (?i) of letters that are not of ASCII: 'a-\\x{17f}' at byte 5"},
        {"((a{1000}){1000}){1000}", "an expression that is too large"},
    };
    adze_context *context = adze_context_create();
    adze_host host;
    adze_host_init(&host, adze_loc_unknown(context));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = "";
        CHECK(adze_regex_create(&host.env, text_of(rows[i].pattern), &why) == NULL);
        CHECK_STR(why, rows[i].why);
    }
    adze_host_free(&host);
    adze_context_destroy(context);
}

/* Backtracking would take 2^30 steps for the one and n^3 for the other. */
TEST(linear_time)
{
    enum { LONG = 100000 };
    char *text = malloc(LONG + 1);
    if (!text) abort();
    memset(text, 'a', LONG);
    text[LONG] = 0;
    CHECK_INT(matches("(a?){30}a{30}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 1);
    CHECK_INT(matches("(a*)*(a|aa)*(a*)*b", text), 0);
    free(text);
}

/* Depth is bounded, not the stack's to find out. */
TEST(deep_groups)
{
    enum { DEPTH = 5000 };
    char *pattern = malloc(2 * DEPTH + 1);
    if (!pattern) abort();
    memset(pattern, '(', DEPTH);
    memset(pattern + DEPTH, ')', DEPTH);
    pattern[2 * DEPTH] = 0;
    CHECK_INT(matches(pattern, ""), -1);
    free(pattern);
}

/* The same piece again and again, in patterns of up to 64 KB: one clear answer, soon, at no depth of the stack. */
TEST(long_patterns)
{
    enum { MOST = 1 << 16 };
    static const struct {
        const char *head, *piece, *tail;
        int want; /* on no text */
    } rows[] = {
        {"a", "{1}", "", -1},        {"a", "?", "", -1},           {"", "a?", "", 1},
        {"", "|a", "", 1},           {"", "()", "", 1},            {"", "(", "", -1},
        {"(", "()", "){0,1000}", 1}, {"((", "()", "){0,1000}){0,1000}", -1},
        {"[", "az", "]{1000}", 0},   {"(?i)[", "\\W", "]{1000}", 0},
        {"", "(?i)", "", 1},         {"a{", "1", "}", -1},
    };
    char *pattern = malloc(MOST + 1);
    if (!pattern) abort();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].head), piece = strlen(rows[i].piece), tail = strlen(rows[i].tail);
        memcpy(pattern, rows[i].head, n);
        for (; n + piece + tail <= MOST; n += piece) memcpy(pattern + n, rows[i].piece, piece);
        memcpy(pattern + n, rows[i].tail, tail + 1);
        int got = matches(pattern, "");
        if (got != rows[i].want) printf("  '%s' '%s' … '%s'\n", rows[i].head, rows[i].piece, rows[i].tail);
        CHECK_INT(got, rows[i].want);
    }
    memset(pattern, 'a', MOST);
    pattern[MOST] = 0;
    CHECK_INT(matches(pattern, ""), 0); /* as long as may be */
    free(pattern);
}

/* Many sets of many ranges, each looked into for every state. */
TEST(large_sets)
{
    enum { RANGES = 5000, LONG = 2000 };
    char *pattern = malloc(4 * RANGES + 64), *text = malloc(LONG + 1), *at = pattern;
    if (!pattern || !text) abort();
    at += sprintf(at, "[");
    for (int i = 0; i < RANGES; i++) {
        int c = 0x2000 + 2 * i; /* three bytes of UTF-8 each */
        at += sprintf(at, "%c%c%c", 0xE0 | c >> 12, 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
    }
    sprintf(at, "a]{0,1000}b");
    memset(text, 'a', LONG);
    text[LONG] = 0;
    CHECK_INT(matches(pattern, text), 0);
    text[1000] = 'b', text[1001] = 0;
    CHECK_INT(matches(pattern, text), 1);
    free(pattern);
    free(text);
}

/* One pattern on many texts: nothing is left of the text before. */
TEST(texts_one_after_the_other)
{
    const char *why;
    adze_context *context = adze_context_create();
    adze_host host;
    adze_host_init(&host, adze_loc_unknown(context));
    adze_regex *regex = adze_regex_create(&host.env, text_of("a(b|c)*"), &why);
    if (!regex) abort();
    for (int i = 0; i < 100; i++) {
        CHECK_INT(adze_regex_matches(regex, text_of("abcb")), 1);
        CHECK_INT(adze_regex_matches(regex, text_of("")), 0);
        CHECK_INT(adze_regex_matches(regex, text_of("a")), 1);
        CHECK_INT(adze_regex_matches(regex, text_of("abd")), 0);
    }
    adze_host_free(&host);
    adze_context_destroy(context);
}

/* Repetitions of nothing do not multiply. */
TEST(nothing_again_and_again)
{
    CHECK_INT(matches("((((((){1000}){1000}){1000}){1000}){1000}){1000}", ""), 1);
    CHECK_INT(matches("((((((){1000}){1000}){1000}){1000}){1000}){1000}a{3}", "aaa"), 1);
    CHECK_INT(matches("((((((){1000}){1000}){1000}){1000}){1000}){1000}a{3}", "aa"), 0);
}

int main(void)
{
    RUN(whole_texts);
    RUN(no_patterns);
    RUN(linear_time);
    RUN(deep_groups);
    RUN(long_patterns);
    RUN(large_sets);
    RUN(texts_one_after_the_other);
    RUN(nothing_again_and_again);
    return unit_end();
}
