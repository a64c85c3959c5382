/* Hostile IR text: endless nesting, cut and mangled texts. There may be errors, never a crash or a
 * hang. */
#include "text_fixture.h"

#include <stdlib.h>

TEST(errors_are_bounded)
{
    capture c = {0};
    adze_text text = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    adze_text_append(&text, "func @f(%%x: f32[4]) -> () {\n");
    for (int i = 0; i < 10000; i++) adze_text_append(&text, "  nosuch(%%x)\n");
    CHECK(!parse(context, text.data));
    CHECK_INT(c.errors, 51);
    CHECK(strstr(c.text.data, "too many errors; the rest of the text is not read"));
    adze_context_destroy(context);
    adze_text_free(&text);
    adze_text_free(&c.text);
}

/* `before` n times, `middle`, `after` n times: an error, not an overflowing stack. */
static void check_deep(const char *head, const char *before, const char *middle, const char *after)
{
    adze_text text = {0};
    adze_text_append(&text, "%s", head);
    for (int i = 0; i < 1000000; i++) adze_text_write(&text, before, strlen(before));
    adze_text_append(&text, "%s", middle);
    for (int i = 0; i < 1000000; i++) adze_text_write(&text, after, strlen(after));
    capture c = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    CHECK(!adze_module_parse(context, "deep.adz", text.data, text.size));
    CHECK(c.errors >= 1 && c.errors < 60);
    adze_context_destroy(context);
    adze_text_free(&text);
    adze_text_free(&c.text);
}

TEST(nesting_is_bounded)
{
    const char *args = "func @f(%i: i64) -> () {\n";
    check_deep("func @f(%x: ", "sequence(", "f32[]", ")");
    check_deep("func @f(%x: f32[", "(", "N", ")");
    check_deep("func @f(%x: f32[", "min(N,", "N", ")");
    check_deep("func @f(%x: f32[", "-", "N", "]");
    check_deep("func @f(%x: f32[", "1+", "N", "]");
    check_deep("func @f(%x: f32[", "N*", "N", "]");
    check_deep(args, "parallel(%i) do { (%j: i64)\n", "", "}\n");
    check_deep(args, "{", "", "}");
    check_deep("module @m {a = ", "[", "1", "]");
    check_deep("", "module @m {", "", "}");
}

/* A chain of derived constants that each need two others would take for ever to compute. */
TEST(derived_chains_are_bounded)
{
    adze_text text = {0};
    adze_text_append(&text, "const @c0: f32[1] = dense[1]\nconst @c1: f32[1] = dense[1]\n");
    for (int i = 2; i < 60; i++)
        adze_text_append(&text, "const @c%d: f32[1] = derived add(@c%d, @c%d)\n", i, i - 1, i - 2);
    check_error(text.data, "derived from more than 1000 other derived constants");
    adze_text_free(&text);
}

/* Parsing must end without a crash, and what parses must print and verify without one. */
static bool survives(const char *text, size_t size)
{
    adze_context *context = adze_context_create();
    char *exact = malloc(size ? size : 1); /* so that a sanitizer sees reads past the end */
    memcpy(exact, text, size);
    adze_module *module = adze_module_parse(context, "h.adz", exact, size);
    bool ok = module || adze_context_errors(context) > 0;
    free(exact);
    if (module) {
        adze_text out = {0};
        adze_module_verify(module);
        ok = adze_module_print(module, NULL, &out) && ok;
        adze_module *again = adze_module_parse(context, "h.adz", out.data, out.size);
        ok = again && ok;
        if (!again) printf("no fixpoint: %s\n", out.data);
        adze_module_destroy(again);
        adze_text_free(&out);
    }
    adze_module_destroy(module);
    adze_context_destroy(context);
    return ok;
}

TEST(truncations)
{
    for (size_t n = 0; n < sizeof sample - 1; n++) CHECK(survives(sample, n));
}

/* Mutations: bytes changed, ranges copied, removed and doubled, from a fixed seed. */
TEST(mutations)
{
    uint64_t state = 88172645463325252u;
#define NEXT(n)                                                                                    \
    (state ^= state << 13, state ^= state >> 7, state ^= state << 17, (size_t)(state % (n)))
    static const char tokens[][12] = {
        "(", ")", "{",  "}",  "[",   "]",    "<",           ">",    ",",    ":",     "=",
        "-", "*", "%0", "@w", "f32", "N",    "99999999999", "do",   "func", "const", "\"",
        "_", "?", "$9", "%x", "->",  "relu", "\xff",        "min(", "0x",   "1e999"};
    for (int round = 0; round < 4000; round++) {
        char text[2 * sizeof sample];
        size_t size = sizeof sample - 1;
        memcpy(text, sample, size);
        for (size_t k = 1 + NEXT(4); k; k--) {
            size_t at = NEXT(size), n = NEXT(40);
            if (at + n > size) n = size - at;
            if (NEXT(3) == 0) {
                memmove(text + at, text + at + n, size - at - n);
                size -= n;
            } else if (NEXT(2) && size + n < sizeof text) {
                memmove(text + at + n, text + at, size - at);
                size += n;
            } else {
                const char *token = tokens[NEXT(sizeof tokens / sizeof *tokens)];
                if (at + strlen(token) < size) memcpy(text + at, token, strlen(token));
            }
        }
        CHECK(survives(text, size));
    }
}

int main(void)
{
    RUN(errors_are_bounded);
    RUN(nesting_is_bounded);
    RUN(derived_chains_are_bounded);
    RUN(truncations);
    RUN(mutations);
    return unit_end();
}
