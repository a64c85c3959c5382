/* Fuzzing of `adze report`. A text is a report or one error; a report becomes a table and a page, alone and beside
 * itself, and none of its text becomes markup: tags open and close in the same number, and no control character comes
 * through. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "tools/report/report.h"

static size_t count(const adze_text *text, const char *word)
{
    size_t n = 0;
    for (const char *at = text->data; (at = strstr(at, word)); at++) n++;
    return n;
}

/* Line ends are the only control characters. */
static bool is_plain(const adze_text *text)
{
    const char *end = text->data + text->size;
    for (const char *at = text->data; at < end;) {
        size_t n = adze_utf8_length(at, end);
        if (!n || (n == 1 && *at != '\n' && ((unsigned char)*at < 0x20 || *at == 0x7f))) return false;
        at += n;
    }
    return strlen(text->data) == text->size;
}

static bool is_balanced(const adze_text *page)
{
    static const char *const pairs[][2] = {{"<td", "</td>"},     {"<th", "</th>"},   {"<tr", "</tr>"}, {"<p", "</p>"},
                                           {"<data", "</data>"}, {"<svg", "</svg>"}, {"<li", "</li>"}, {"<h2", "</h2>"},
                                           {"<script", "</script>"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t heads = !strcmp(pairs[i][0], "<th") ? count(page, "<thead") : 0;
        size_t paths = !strcmp(pairs[i][0], "<p") ? count(page, "<path") + count(page, "<pre") : 0;
        if (count(page, pairs[i][0]) - heads - paths != count(page, pairs[i][1])) return false;
    }
    return count(page, "<script") == 1 && !strstr(page->data, "<img");
}

static void show(const adze_report *report, const uint8_t *bytes, size_t size)
{
    const adze_report twice[] = {*report, *report};
    for (uint32_t n = 1; n <= 2; n++) {
        adze_text page = {0}, table = {0};
        adze_report_page(&page, twice, n);
        adze_report_print(&table, twice, n);
        if (!is_plain(&page) || !is_plain(&table)) fuzz_fail("control characters", bytes, size);
        if (!is_balanced(&page)) fuzz_fail("broken HTML", bytes, size);
        adze_text_free(&page);
        adze_text_free(&table);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    adze_context *context = fuzz_context();
    adze_arena arena = {0};
    adze_report report;
    char *text = malloc(size + 1);
    if (!text) abort();
    if (size) memcpy(text, bytes, size);
    bool read = adze_report_read(context, &arena, "fuzz", text, size, &report);
    if (adze_context_errors(context) != !read) fuzz_fail("neither a report nor one error", bytes, size);
    if (read) show(&report, bytes, size);
    adze_arena_free(&arena);
    adze_context_destroy(context);
    free(text);
    return 0;
}

void fuzz_words(void)
{
    static const char *const words[] = {
        "\"name\":",   "\"nodes\":",   "\"formats\":", "\"format\":",  "\"loss\":",     "\"bytes\":",  "\"us\":",
        "\"chosen\":", "\"pareto\":",  "\"trials\":",  "\"size\":",    "\"part\":",     "\"before\":", "\"after\":",
        "\"goal\":",   "\"text\":",    "\"held\":",    "\"missing\":", "\"pipeline\":", "\"low\":",    "\"high\":",
        "\"value\":",  "\"bytes_after\":", "null",     "true",         "[]",            "{}",          "\"<script>\"",
        "\"\\u001b\"", "\"'\\\"&\"",   "{",            "}",            "[",             "]",           ","};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) fuzz_word(words[i]);
}
