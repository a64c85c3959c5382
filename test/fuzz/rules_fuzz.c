/* Fuzzing of rule text. It gives rules or errors, never both, never neither; rules whose tests are small run them,
 * which matches and applies them, and may fail, but not otherwise. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "passes/rules.h"

/* Elements that one test may make. */
enum { LARGEST_TEST = 4096 };

static bool is_small(const adze_rule_test *test)
{
    for (uint32_t i = 0; i < test->n_bindings; i++) {
        const adze_type *type = test->bindings[i].type;
        int64_t count = 0;
        if (type && (!adze_dim_is_const(adze_type_count(type), &count) || count < 0 || count > LARGEST_TEST))
            return false;
    }
    return true;
}

static bool all_small(const adze_rules *rules)
{
    for (const adze_rule *rule = rules->first; rule; rule = rule->next)
        for (const adze_rule_test *test = rule->tests; test; test = test->next)
            if (!is_small(test)) return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adze_context *context = fuzz_context();
    adze_arena arena = {0};
    char *text = malloc(size + 1);
    if (!text) abort();
    if (size) memcpy(text, bytes, size);
    text[size] = '\0';
    const adze_rules *rules = adze_rules_parse(context, &arena, "fuzz", text);
    if ((rules != NULL) != (adze_context_errors(context) == 0)) fuzz_fail("neither clear nor refused", bytes, size);
    if (rules && all_small(rules)) adze_rules_test(context, rules);
    adze_arena_free(&arena);
    adze_context_destroy(context);
    free(text);
    return 0;
}

void fuzz_words(void)
{
    static const char *const words[] = {
        "pass \"fuse\"", "rule", "EXACT", "FAST",    "=>",     "where", "not",   "like %1", "absent", "test (",
        "type(%1)",
        "%x",            "%y",   "%1",    "%2",      "$c",     "$a",    "%b?",   "_",       "*",      "{*}",    "inf",
        "-inf",          "0.5",  "[1, 2]", "[1, 0.5]", "\"s\"", "f32[2,3]", "i64[]", "f32",  "one_use(%1)",
        "is_scalar($c)", "rank(%x, 2)", "compose($p, $q)", "list($a)", "channel_dims(%x)", "{", "}", "(", ")", "=",
        ",",             ":",    "//"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) fuzz_word(words[i]);
    fuzz_words_of_table();
}
