/* A mutator of texts: works on words and lines, where blind changes would mostly spoil a word.
 *
 * Words come from the tables (names of ops, attributes, element types) and from the harness.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"

static struct {
    const char **items;
    size_t count, capacity;
} words;

void fuzz_word(const char *word)
{
    if (words.count == words.capacity) {
        words.capacity = words.capacity ? 2 * words.capacity : 256;
        words.items = realloc(words.items, words.capacity * sizeof *words.items);
        if (!words.items) abort();
    }
    words.items[words.count++] = word;
}

void fuzz_words_of_table(void)
{
    /* Names of built-in rows outlive any context. */
    adze_context *context = adze_context_create();
    for (uint32_t i = 0; i < adze_row_count(context); i++) {
        const adze_op_row *row = adze_row_get(context, i);
        fuzz_word(row->name);
        for (uint32_t k = 0; k < row->n_attrs; k++) fuzz_word(row->attrs[k].name);
    }
    adze_context_destroy(context);
    for (unsigned i = 1; i < ADZE_DTYPE_COUNT; i++) fuzz_word(adze_dtype_text((adze_dtype)i));
}

typedef struct text {
    uint8_t *bytes;
    size_t size, capacity;
    uint64_t random;
} text;

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c >= 0x80;
}

typedef struct span {
    size_t at, size;
} span;

/* The word, quoted text or single character around a place drawn at random, with a sigil before it. */
static span pick_token(text *t)
{
    size_t at = fuzz_below(&t->random, t->size), end = at + 1;
    if (is_word(t->bytes[at])) {
        while (at > 0 && is_word(t->bytes[at - 1])) at--;
        while (end < t->size && is_word(t->bytes[end])) end++;
        if (at > 0 && strchr("%@$-", t->bytes[at - 1])) at--;
    }
    return (span){at, end - at};
}

static span pick_line(text *t)
{
    size_t at = fuzz_below(&t->random, t->size), end = at;
    while (at > 0 && t->bytes[at - 1] != '\n') at--;
    while (end < t->size && t->bytes[end] != '\n') end++;
    return (span){at, end + (end < t->size) - at};
}

/* Puts n bytes in place of a span; they may lie in the text itself. Nothing where there is no room. */
static void put(text *t, span old, const uint8_t *bytes, size_t n)
{
    if (t->size - old.size + n > t->capacity) return;
    uint8_t *copy = malloc(n + 1);
    if (!copy) abort();
    if (n) memcpy(copy, bytes, n);
    memmove(t->bytes + old.at + n, t->bytes + old.at + old.size, t->size - old.at - old.size);
    if (n) memcpy(t->bytes + old.at, copy, n);
    t->size = t->size - old.size + n;
    free(copy);
}

static void put_word(text *t, span old)
{
    char padded[80];
    const char *word = words.items[fuzz_below(&t->random, words.count)];
    bool space = old.size == 0 && fuzz_below(&t->random, 2);
    int n = snprintf(padded, sizeof padded, "%s%s", word, space ? " " : "");
    if (n > 0 && (size_t)n < sizeof padded) put(t, old, (const uint8_t *)padded, (size_t)n);
}

static void put_number(text *t, span old)
{
    static const char *const numbers[] = {"0", "1", "-1", "2", "3", "16", "255", "1000", "65536", "2147483648",
                                          "9223372036854775807", "-9223372036854775808", "18446744073709551616",
                                          "0x1p-3", "1e999", "1e-400", "0.5", "nan", "-inf"};
    const char *number = numbers[fuzz_below(&t->random, sizeof numbers / sizeof *numbers)];
    put(t, old, (const uint8_t *)number, strlen(number));
}

/* The same span many times: long lists and deep nesting. */
static void repeat(text *t, span s)
{
    for (size_t n = 1 + fuzz_below(&t->random, 250); n > 0; n--) put(t, (span){s.at, 0}, t->bytes + s.at, s.size);
}

static void mutate_once(text *t)
{
    if (!t->size) {
        put_word(t, (span){0, 0});
        return;
    }
    span token = pick_token(t), other = pick_token(t), line = pick_line(t), place = {token.at, 0};
    switch (fuzz_below(&t->random, 16)) {
    case 0:
    case 1:
    case 2: put_word(t, token); break;
    case 3:
    case 4: put_word(t, place); break;
    case 5: put_number(t, token); break;
    case 6:
    case 7: put(t, token, t->bytes + other.at, other.size); break;
    case 8: put(t, place, t->bytes + other.at, other.size); break;
    case 9: put(t, token, NULL, 0); break;
    case 10: put(t, (span){pick_line(t).at, 0}, t->bytes + line.at, line.size); break;
    case 11: put(t, line, NULL, 0); break;
    case 12: put(t, pick_line(t), t->bytes + line.at, line.size); break;
    case 13:
        if (fuzz_below(&t->random, 8) == 0) repeat(t, fuzz_below(&t->random, 2) ? token : line);
        break;
    default: t->size = LLVMFuzzerMutate(t->bytes, t->size, t->capacity); break;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed)
{
    if (!words.count) fuzz_words();
    text t = {bytes, size, capacity, seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
    for (size_t rounds = 1 + fuzz_below(&t.random, 4); rounds > 0; rounds--) mutate_once(&t);
    return t.size;
}
