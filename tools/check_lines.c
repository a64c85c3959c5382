/* Directives of FileCheck: finding them, and writing them for printed IR.
 *
 * Each value gets a variable where it is defined, so that checks hold whatever the values are called. The printer never
 * writes [[ or {{, so its text is a pattern as it is.
 */
#include "update_checks.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_CONST = 200 };

/* ---- Finding ---- */

static bool is_part_of_word(char c) { return isalnum((unsigned char)c) || c == '-' || c == '_'; }

/* From behind the prefix: the kind and the place behind the colon; NONE if this is no directive. */
static adze_directive read_kind(const char *at, const char *end, const char **out_pattern)
{
    static const char *const suffixes[] = {"-LABEL", "-NOT", "-NEXT", "-SAME", "-DAG", "-EMPTY", "-COUNT-"};
    adze_directive kind = ADZE_CHECK_OTHER;
    for (int i = 0; i < 7; i++) {
        size_t n = strlen(suffixes[i]);
        if ((size_t)(end - at) < n || memcmp(at, suffixes[i], n) != 0) continue;
        at += n;
        kind = i == 0 ? ADZE_CHECK_LABEL : i == 1 ? ADZE_CHECK_NOT : ADZE_CHECK_OTHER;
        while (i == 6 && at < end && isdigit((unsigned char)*at)) at++;
        break;
    }
    if (at < end && *at == '{')
        while (at < end && *at++ != '}') {
        } /* LITERAL */
    if (at == end || *at != ':') return ADZE_CHECK_NONE;
    *out_pattern = at + 1;
    return kind;
}

adze_directive adze_check_find(const char *line, size_t size, const char *prefix, const char **out_pattern)
{
    const char *end = line + size, *at = line;
    size_t n = strlen(prefix);
    while ((at = memmem(at, (size_t)(end - at), prefix, n)) != NULL) {
        bool begins = at == line || !is_part_of_word(at[-1]);
        at += n;
        adze_directive kind = begins ? read_kind(at, end, out_pattern) : ADZE_CHECK_NONE;
        if (kind) return kind;
    }
    return ADZE_CHECK_NONE;
}

/* Behind a name at `at`, plain or in quotes. */
static const char *end_of_name(const char *at, const char *end)
{
    if (at < end && *at == '"') {
        for (at++; at < end && *at != '"'; at++) at += *at == '\\' && at + 1 < end;
        return at < end ? at + 1 : end;
    }
    while (at < end && (isalnum((unsigned char)*at) || *at == '_' || *at == '.')) at++;
    return at;
}

const char *adze_check_func_name(const char *line, size_t size, size_t *out_size)
{
    const char *end = line + size;
    while (line < end && *line == ' ') line++;
    if (end - line < 6 || memcmp(line, "func @", 6) != 0) return NULL;
    line += 5;
    *out_size = (size_t)(end_of_name(line + 1, end) - line);
    return line;
}

const char *adze_check_violation(adze_context *context, const char *pattern, size_t size, adze_printed printed,
                                 size_t *out_size)
{
    const char *end = pattern + size;
    while (pattern < end && isspace((unsigned char)*pattern)) pattern++;
    while (end > pattern && isspace((unsigned char)end[-1])) end--;
    if (pattern == end || memmem(pattern, (size_t)(end - pattern), "[[", 2)) return NULL;
    adze_text text = {0};
    while (pattern < end) {
        const char *close = memcmp(pattern, "{{", 2) ? NULL : memmem(pattern + 2, (size_t)(end - pattern - 2), "}}", 2);
        if (close)
            adze_text_append(&text, "(%.*s)", (int)(close - pattern - 2), pattern + 2);
        else
            adze_text_append(&text, strchr("\\^$.|?*+()[]{}", *pattern) ? "\\%c" : "%c", *pattern);
        pattern = close ? close + 2 : pattern + 1;
    }
    regex_t regex;
    const char *found = NULL;
    bool ok = !regcomp(&regex, text.data, REG_EXTENDED | REG_NOSUB);
    for (const char *at = printed.text, *stop; ok && !found && at < printed.text + printed.size; at = stop + 1) {
        stop = at + strcspn(at, "\n");
        *out_size = (size_t)(stop - at);
        if (!regexec(&regex, adze_intern(context, at, *out_size), 0, NULL, 0)) found = at;
    }
    if (ok) regfree(&regex);
    adze_text_free(&text);
    return found;
}

/* ---- Writing ---- */

typedef struct variable {
    const char *name;     /* in the text, with %; interned */
    const char *variable; /* NULL: it is written as it is */
} variable;

typedef struct writer {
    const adze_check_style *style;
    variable *variables;
    uint32_t count, n_numbers;
} writer;

static bool is_taken(const writer *w, const char *name)
{
    for (const char *const *p = w->style->prefixes; *p; p++)
        if (!strcmp(*p, name)) return true;
    for (uint32_t i = 0; i < w->count; i++)
        if (w->variables[i].variable && !strcmp(w->variables[i].variable, name)) return true;
    return false;
}

/* V0, V1, … for numbers; a name in capital letters, made unique, for others. */
static const char *new_variable(writer *w, const char *name)
{
    adze_context *context = w->style->context;
    const char *made = NULL;
    if (isdigit((unsigned char)name[1])) {
        while (!made || is_taken(w, made)) made = adze_internf(context, "V%u", w->n_numbers++);
        return made;
    }
    adze_text text = {0};
    const char *bare = name + 1 + (name[1] == '"');
    bool number = (*bare == 'v' || *bare == 'V') && isdigit((unsigned char)bare[1]);
    if (number || !isalpha((unsigned char)*bare)) adze_text_append(&text, "_");
    for (const char *c = bare; *c; c++)
        if (*c != '"') adze_text_append(&text, "%c", isalnum((unsigned char)*c) ? toupper((unsigned char)*c) : '_');
    while (is_taken(w, text.data)) adze_text_append(&text, "_");
    made = adze_intern(context, text.data, text.size);
    adze_text_free(&text);
    return made;
}

static variable *find(writer *w, const char *name)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->variables[i].name == name) return &w->variables[i];
    return NULL;
}

static variable *add(writer *w, const char *name, const char *as)
{
    w->variables = adze_grow(w->variables, w->count, sizeof *w->variables);
    w->variables[w->count] = (variable){name, as};
    return &w->variables[w->count++];
}

/* The text with its values as variables; NULL for `out`: only tells which values are written as they are. */
static void write_values(writer *w, const char *at, const char *end, adze_text *out)
{
    while (at < end) {
        const char *stop = *at == '"' ? end_of_name(at, end) : *at == '%' ? end_of_name(at + 1, end) : at + 1;
        if (*at != '%') {
            if (out) adze_text_write(out, at, (size_t)(stop - at));
            at = stop;
            continue;
        }
        const char *name = adze_intern(w->style->context, at, (size_t)(stop - at));
        variable *known = find(w, name);
        if (!out && !known) add(w, name, NULL);
        if (out && known && known->variable)
            adze_text_append(out, "[[%s]]", known->variable);
        else if (out && known)
            adze_text_append(out, "%s", name);
        else if (out)
            adze_text_append(out, "[[%s:%s]]", add(w, name, new_variable(w, name))->variable,
                             name[1] == '"' ? "%\"([^\"\\\\]|\\\\.)*\"" : "%[0-9A-Za-z_.]+");
        at = stop;
    }
}

static void begin_line(const writer *w, const char *more, const char *kind, adze_text *out)
{
    adze_text_append(out, "%s%s" ADZE_CHECK_MARK " %s%s: ", w->style->indent, more, w->style->prefix, kind);
}

/* The header: behind the arrow stand names of results, which are no values. */
static void write_header(writer *w, const char *at, const char *end, adze_text *head)
{
    size_t size;
    const char *name = adze_check_func_name(at, (size_t)(end - at), &size);
    const char *open = name + size + 1, *arrow = memmem(open, (size_t)(end - open), ") -> (", 6);
    if (!arrow) arrow = end;
    if (w->style->has_label) {
        write_values(w, open, arrow, NULL);
        return;
    }
    begin_line(w, "", "-LABEL", head);
    adze_text_append(head, "%.*s\n", (int)(open - at), at);
    begin_line(w, "", "-SAME", head);
    write_values(w, open, arrow, head);
    adze_text_append(head, "%.*s\n", (int)(end - arrow), arrow);
}

void adze_check_write_func(const adze_check_style *style, adze_printed func, adze_text *head, adze_text *body)
{
    writer w = {.style = style};
    const char *end = func.text + func.size, *stop;
    for (const char *at = func.text; at < end; at = stop + 1) {
        stop = at + strcspn(at, "\n");
        if (at == func.text) {
            write_header(&w, at, stop, head);
            continue;
        }
        begin_line(&w, head == body ? "" : "  ", "-NEXT", body);
        write_values(&w, at, stop, body);
        adze_text_append(body, "\n");
    }
    free(w.variables);
}

void adze_check_write_consts(const char *prefix, adze_printed consts, adze_text *out)
{
    const char *end = consts.text + consts.size, *stop;
    bool next = false;
    for (const char *at = consts.text; at < end; at = stop + 1) {
        stop = at + strcspn(at, "\n");
        size_t size = (size_t)(stop - at);
        bool blob = size > LONGEST_CONST || memmem(at, size, " = blob(", 8) || memmem(at, size, " = hex", 6);
        if (!blob) adze_text_append(out, ADZE_CHECK_MARK " %s%s: %.*s\n", prefix, next ? "-NEXT" : "", (int)size, at);
        next = !blob;
    }
}
