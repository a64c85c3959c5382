/* Expected messages of a test, read from its comments, and compared with those that come. */
#include "expect.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct expectation {
    uint32_t line;          /* where the message is to come; 0 = at no line of the file */
    uint32_t own_line, col; /* where the comment stands */
    adze_severity severity;
    const char *text; /* between the braces */
    size_t size;
    bool is_regex, seen;
    regex_t regex;
    const char *fault; /* why it cannot be read, interned */
} expectation;

struct adze_expectations {
    adze_work *work;
    const char *file;
    expectation *items;
    uint32_t count;
    bool failed;
};

static const char *const severities[] = {"note", "warning", "error"};

/* ---- Reading ---- */

/* `prefix` in front of `*at`, which then moves behind it. */
static bool accept(const char **at, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncmp(*at, prefix, n) != 0) return false;
    *at += n;
    return true;
}

/* The text with its parts in braces as they are and the rest escaped; false where a brace is not closed. */
static bool write_pattern(adze_text *out, const char *at, const char *end)
{
    while (at < end) {
        const char *close =
            end - at > 2 && !memcmp(at, "{{", 2) ? memmem(at + 2, (size_t)(end - at - 2), "}}", 2) : NULL;
        if (close) {
            adze_text_append(out, "(%.*s)", (int)(close - at - 2), at + 2);
            at = close + 2;
            continue;
        }
        if (end - at >= 2 && !memcmp(at, "{{", 2)) return false;
        adze_text_append(out, strchr("\\^$.|?*+()[]{}", *at) ? "\\%c" : "%c", *at);
        at++;
    }
    adze_text_write(out, "", 1);
    return true;
}

static const char *compile(adze_context *context, expectation *e)
{
    adze_text pattern = {0};
    const char *fault = NULL;
    char why[128];
    if (!write_pattern(&pattern, e->text, e->text + e->size)) {
        fault = "a regular expression has no closing }}";
    } else {
        int error = regcomp(&e->regex, pattern.data, REG_EXTENDED | REG_NOSUB);
        e->is_regex = !error;
        if (error) regerror(error, &e->regex, why, sizeof why);
        if (error) fault = adze_internf(context, "the regular expression is wrong: %s", why);
    }
    adze_text_free(&pattern);
    return fault;
}

/* Behind the kind: place, then the text in braces up to the end of the line. Gives the fault or NULL. `plain_above` is
 * the nearest line above that is more than an expectation; *out_below: the line is still to come. */
static const char *read_rest(adze_context *context, const char *at, const char *end, uint32_t plain_above,
                             expectation *e, bool *out_below)
{
    bool is_regex = accept(&at, "-re");
    while (at < end && *at == ' ') at++;
    e->line = e->own_line;
    if (accept(&at, "@above")) {
        if (!(e->line = plain_above)) return "there is no line above";
    } else if (accept(&at, "@below")) {
        *out_below = true;
    } else if (accept(&at, "@unknown")) {
        e->line = 0;
    } else if (*at == '@') {
        char *stop = NULL;
        long long by = (at[1] == '+' || at[1] == '-') ? strtoll(at + 1, &stop, 10) : 0;
        long long line = by > -(long long)UINT32_MAX && by < (long long)UINT32_MAX ? e->own_line + by : 0;
        if (!stop || stop == at + 1 || line < 1 || line > UINT32_MAX)
            return "a place is @+N, @-N, @above, @below or @unknown";
        e->line = (uint32_t)line;
        at = stop;
    }
    while (at < end && *at == ' ') at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) end--;
    if (end - at < 5 || memcmp(at, "{{", 2) != 0 || memcmp(end - 2, "}}", 2) != 0)
        return "the text is to stand in {{…}} at the end of the line";
    e->text = at + 2;
    e->size = (size_t)(end - at - 4);
    return is_regex ? compile(context, e) : NULL;
}

/* The expectation in a comment of the line; false if there is none. */
static bool read_line(adze_context *context, const char *line, const char *end, uint32_t plain_above, expectation *e,
                      bool *out_below)
{
    const char *comment = memmem(line, (size_t)(end - line), "//", 2), *at = comment;
    while (at && (at = memmem(at, (size_t)(end - at), "expected-", 9)) != NULL) {
        e->col = (uint32_t)(at - line) + 1;
        at += 9;
        bool known = true;
        if (accept(&at, "error"))
            e->severity = ADZE_ERROR;
        else if (accept(&at, "warning"))
            e->severity = ADZE_WARNING;
        else if (accept(&at, "note"))
            e->severity = ADZE_NOTE;
        else if (accept(&at, "remark"))
            e->fault = "there are no remarks, only errors, warnings and notes";
        else
            known = false;
        if (!known) continue;
        if (!e->fault) e->fault = read_rest(context, at, end, plain_above, e, out_below);
        return true;
    }
    return false;
}

/* Nothing but the comment stands on the line. */
static bool is_comment(const char *line) { return !strncmp(line + strspn(line, " \t"), "//", 2); }

static bool add(adze_expectations *all, const expectation *e)
{
    expectation *items = realloc(all->items, (all->count + 1) * sizeof *items);
    if (!items) return false;
    all->items = items;
    all->items[all->count++] = *e;
    return true;
}

static bool read_all(adze_expectations *all, const char *text)
{
    uint32_t plain_above = 0, first_below = 0; /* expectations from this one on may wait for a line */
    for (uint32_t number = 1; *text; number++) {
        const char *end = text + strcspn(text, "\n");
        expectation e = {.own_line = number};
        bool below = false, found = read_line(all->work->context, text, end, plain_above, &e, &below);
        if (below) e.line = UINT32_MAX;
        if (found && !add(all, &e)) return false;
        if (!found || !is_comment(text)) {
            plain_above = number;
            for (; first_below < all->count; first_below++)
                if (all->items[first_below].line == UINT32_MAX) all->items[first_below].line = number;
        }
        text = end + (*end == '\n');
    }
    for (; first_below < all->count; first_below++)
        if (all->items[first_below].line == UINT32_MAX) all->items[first_below].fault = "there is no line below";
    return true;
}

/* ---- Comparing ---- */

static bool matches(const expectation *e, const char *message)
{
    if (e->is_regex) return !regexec(&e->regex, message, 0, NULL, 0);
    return memmem(message, strlen(message), e->text, e->size) != NULL;
}

static void compare(void *self, const adze_diagnostic *diagnostic)
{
    adze_expectations *all = self;
    const adze_loc *loc = &diagnostic->loc;
    uint32_t line = loc->file && !strcmp(loc->file, all->file) ? loc->line : 0;
    const expectation *near = NULL;
    expectation *found = NULL; /* one that nothing has met so far, if there is one */
    for (uint32_t i = 0; i < all->count && (!found || found->seen); i++) {
        expectation *e = &all->items[i];
        if (e->fault || e->line != line || !matches(e, diagnostic->message)) continue;
        if (e->severity != diagnostic->severity)
            near = e;
        else if (!found || !e->seen)
            found = e;
    }
    if (found) found->seen = true;
    if (found) return;
    char *message;
    const char *kind = severities[diagnostic->severity];
    int n = near ? asprintf(&message, "unexpected %s, where line %u expects %s %s: %s", kind, near->own_line,
                            near->severity == ADZE_ERROR ? "an" : "a", severities[near->severity], diagnostic->message)
                 : asprintf(&message, "unexpected %s: %s", kind, diagnostic->message);
    adze_diagnostic told = *diagnostic;
    told.severity = ADZE_ERROR;
    if (n >= 0) told.message = message;
    adze_print_to_stderr(all->work, &told);
    if (n >= 0) free(message);
    all->failed = true;
}

adze_expectations *adze_expect_begin(adze_work *work, const char *file, const char *text)
{
    adze_expectations *all = calloc(1, sizeof *all);
    if (all) *all = (adze_expectations){.work = work, .file = file};
    if (!all || !read_all(all, text)) {
        adze_error(adze_loc_unknown(work->context), "out of memory");
        if (all) free(all->items);
        free(all);
        return NULL;
    }
    adze_context_set_sink(work->context, compare, all);
    return all;
}

bool adze_expect_end(adze_expectations *all)
{
    adze_context_set_sink(all->work->context, adze_print_to_stderr, all->work);
    for (uint32_t i = 0; i < all->count; i++) {
        expectation *e = &all->items[i];
        adze_loc loc = adze_loc_unknown(all->work->context);
        loc.file = adze_intern_z(loc.context, all->file);
        loc.line = e->own_line;
        loc.col = e->col;
        if (e->fault)
            adze_error(loc, "%s", e->fault);
        else if (!e->seen)
            adze_error(loc, "expected %s did not come: %.*s", severities[e->severity], (int)e->size, e->text);
        all->failed |= e->fault || !e->seen;
        if (e->is_regex) regfree(&e->regex);
    }
    bool ok = !all->failed;
    free(all->items);
    free(all);
    return ok;
}
