/* Expected messages of a test file, read from its comments. */
#include "expect.h"

#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct expectation {
    uint32_t line; /* 0 = any place */
    const char *text;
    size_t size;
    bool warning, seen;
} expectation;

struct adze_expectations {
    const char *path;
    expectation *items;
    uint32_t count;
    bool failed;
};

/* After "expected-error" or "expected-warning": place and text, up to the end of the line. */
static bool read_one(const char *at, uint32_t line, expectation *out)
{
    out->line = line;
    if (*at == '@') {
        char *end = NULL;
        long offset = at[1] == '*' ? 0 : strtol(at + 1, &end, 10);
        out->line = at[1] == '*' ? 0 : (uint32_t)((long)line + offset);
        at = end ? end : at + 2;
    }
    if (*at++ != ':') return false;
    while (*at == ' ') at++;
    out->text = at;
    out->size = strcspn(at, "\r\n");
    return out->size > 0;
}

adze_expectations *adze_expect_read(const char *path, const char *text)
{
    static const char error[] = "// expected-error", warning[] = "// expected-warning";
    adze_expectations *all = calloc(1, sizeof *all);
    if (!all) return NULL;
    all->path = path;
    uint32_t line = 1;
    for (const char *at = text; *at; line += *at++ == '\n') {
        bool is_error = !strncmp(at, error, sizeof error - 1);
        if (!is_error && strncmp(at, warning, sizeof warning - 1) != 0) continue;
        expectation one = {.warning = !is_error};
        if (!read_one(at + (is_error ? sizeof error : sizeof warning) - 1, line, &one)) {
            fprintf(stderr, "%s:%u: malformed expectation\n", path, line);
            all->failed = true;
            continue;
        }
        expectation *items = realloc(all->items, (all->count + 1) * sizeof *items);
        if (!items) break;
        all->items = items;
        all->items[all->count++] = one;
    }
    return all;
}

static bool contains(const char *message, const expectation *e)
{
    for (size_t n = strlen(message); n >= e->size; message++, n--)
        if (!memcmp(message, e->text, e->size)) return true;
    return false;
}

void adze_expect_sink(void *self, const adze_diagnostic *diagnostic)
{
    adze_expectations *all = self;
    if (diagnostic->severity == ADZE_NOTE) return;
    for (uint32_t i = 0; i < all->count; i++) {
        expectation *e = &all->items[i];
        if (e->seen || e->warning != (diagnostic->severity == ADZE_WARNING)) continue;
        if (e->line && e->line != diagnostic->loc.line) continue;
        if (!contains(diagnostic->message, e)) continue;
        e->seen = true;
        return;
    }
    all->failed = true;
    fprintf(stderr, "unexpected: ");
    adze_print_to_stderr(NULL, diagnostic);
}

bool adze_expect_finish(adze_expectations *all)
{
    if (!all) return false;
    for (uint32_t i = 0; i < all->count; i++) {
        const expectation *e = &all->items[i];
        if (e->seen) continue;
        all->failed = true;
        fprintf(stderr, "%s:%u: expected %s did not come: %.*s\n", all->path, e->line,
                e->warning ? "warning" : "error", (int)e->size, e->text);
    }
    if (!all->count) fprintf(stderr, "%s: nothing was expected\n", all->path);
    bool ok = !all->failed && all->count;
    free(all->items);
    free(all);
    return ok;
}
