/* What a pass changed: the module's functions before and after it as a diff.
 *
 * Numbers of values without a name are those of the text, so that an op that goes shifts all behind it. Lines are
 * compared without them; then each pair that looks the same must fit one renaming from the old numbers to the new.
 */
#include "diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A function's text, or that of all constants, in lines. */
typedef struct chunk {
    const char *title; /* "func @main": a part of the module, interned */
    adze_text text, keys;
    adze_lines lines;
} chunk;

struct adze_snapshot {
    chunk *chunks;
    uint32_t count;
};

/* ---- Numbers of values ---- */

/* The next %NUMBER at or behind `at`, outside of quotes; NULL = none. `out_end`: behind it. */
static const char *next_number(const char *at, const char *end, const char **out_end)
{
    for (bool quoted = false; at < end; at++) {
        if (*at == '"' && !(quoted && at[-1] == '\\')) quoted = !quoted;
        if (quoted || *at != '%') continue;
        const char *stop = at + 1;
        while (stop < end && *stop >= '0' && *stop <= '9') stop++;
        if (stop == at + 1) continue;
        *out_end = stop;
        return at;
    }
    return NULL;
}

/* The line with its numbers left out. */
static void write_key(adze_text *out, const adze_line *line)
{
    const char *at = line->text, *end = at + line->size, *number, *stop = NULL;
    while ((number = next_number(at, end, &stop)) != NULL) {
        adze_text_write(out, at, (size_t)(number + 1 - at));
        at = stop;
    }
    adze_text_write(out, at, (size_t)(end - at));
    adze_text_write(out, "", 1);
}

/* A renaming: to[old] and from[new], plus 1; 0 = not told yet. when[old]: the line that told it. */
typedef struct renaming {
    uint32_t *to, *from, *when;
} renaming;

static uint32_t largest_number(const adze_lines *lines)
{
    uint32_t largest = 0;
    for (uint32_t i = 0; i < lines->count; i++) {
        const char *at = lines->items[i].text, *end = at + lines->items[i].size, *stop;
        for (; (at = next_number(at, end, &stop)) != NULL; at = stop) {
            uint32_t number = (uint32_t)strtoul(at + 1, NULL, 10);
            if (number > largest) largest = number;
        }
    }
    return largest;
}

/* Forgets what line `line` told. */
static void forget(renaming *r, const adze_line *a, uint32_t line)
{
    const char *p = a->text, *end = p + a->size, *stop;
    for (; (p = next_number(p, end, &stop)) != NULL; p = stop) {
        uint32_t old = (uint32_t)strtoul(p + 1, NULL, 10);
        if (r->when[old] != line) continue;
        r->from[r->to[old] - 1] = 0;
        r->to[old] = r->when[old] = 0;
    }
}

/* Two lines that are the same but for the numbers: do these fit? Then the renaming learns from them. */
static bool fits(renaming *r, const adze_line *a, const adze_line *b, uint32_t line)
{
    const char *p = a->text, *q = b->text, *p_end, *q_end;
    while ((p = next_number(p, a->text + a->size, &p_end)) && (q = next_number(q, b->text + b->size, &q_end))) {
        uint32_t old = (uint32_t)strtoul(p + 1, NULL, 10), new = (uint32_t)strtoul(q + 1, NULL, 10);
        bool unknown = !r->to[old] && !r->from[new];
        if (!unknown && (r->to[old] != new + 1 || r->from[new] != old + 1)) {
            forget(r, a, line);
            return false;
        }
        if (unknown) r->to[old] = new + 1, r->from[new] = old + 1, r->when[old] = line;
        p = p_end, q = q_end;
    }
    return true;
}

/* Parts the pairs whose operands are not the same values. */
static bool check_numbers(const adze_lines *a, const adze_lines *b, int32_t *match)
{
    size_t n = (size_t)largest_number(a) + 1, m = (size_t)largest_number(b) + 1;
    renaming r = {calloc(n, sizeof *r.to), calloc(m, sizeof *r.from), calloc(n, sizeof *r.when)};
    bool ok = r.to && r.from && r.when;
    for (uint32_t i = 0; ok && i < a->count; i++)
        if (match[i] >= 0 && !fits(&r, &a->items[i], &b->items[match[i]], i + 1)) match[i] = -1;
    free(r.to);
    free(r.from);
    free(r.when);
    return ok;
}

/* ---- Snapshots ---- */

static void free_chunk(chunk *c)
{
    adze_text_free(&c->text);
    adze_text_free(&c->keys);
    free(c->lines.items);
}

void adze_snapshot_destroy(adze_snapshot *snapshot)
{
    for (uint32_t i = 0; snapshot && i < snapshot->count; i++) free_chunk(&snapshot->chunks[i]);
    if (snapshot) free(snapshot->chunks);
    free(snapshot);
}

/* Cuts the chunk's text into lines with their keys. */
static bool cut(chunk *c)
{
    uint32_t n = 0;
    for (size_t i = 0; i < c->text.size; i++) n += c->text.data[i] == '\n';
    c->lines.items = calloc(n + 1u, sizeof *c->lines.items);
    if (!c->lines.items) return false;
    const char *at = c->text.data;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t size = (uint32_t)strcspn(at, "\n");
        c->lines.items[i] = (adze_line){.text = at, .size = size};
        write_key(&c->keys, &c->lines.items[i]);
        at += size + 1;
    }
    const char *key = c->keys.data;
    for (uint32_t i = 0; i < n; i++, key += strlen(key) + 1) c->lines.items[i].key = key;
    c->lines.count = n;
    return true;
}

adze_snapshot *adze_snapshot_create(const adze_module *module)
{
    uint32_t n = 1;
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f)) n++;
    adze_snapshot *s = calloc(1, sizeof *s);
    if (s) s->chunks = calloc(n, sizeof *s->chunks);
    if (!s || !s->chunks) return adze_snapshot_destroy(s), NULL;
    chunk *c = &s->chunks[s->count++];
    c->title = "constants";
    for (const adze_const *k = adze_module_first_const(module); k; k = adze_const_next(k))
        adze_const_print(k, &c->text);
    bool ok = cut(c);
    for (const adze_func *f = adze_module_first_func(module); ok && f; f = adze_func_next(f)) {
        c = &s->chunks[s->count++];
        c->title = adze_internf(adze_module_context(module), "func @%s", adze_func_name(f));
        adze_func_print(f, NULL, &c->text);
        ok = cut(c);
    }
    if (ok) return s;
    adze_snapshot_destroy(s);
    return NULL;
}

static const chunk *find(const adze_snapshot *s, const char *title)
{
    static const chunk none = {.title = ""};
    for (uint32_t i = 0; i < s->count; i++)
        if (!strcmp(s->chunks[i].title, title)) return &s->chunks[i];
    return &none;
}

static bool equal(const chunk *a, const chunk *b)
{
    return a->text.size == b->text.size && (!a->text.size || !memcmp(a->text.data, b->text.data, a->text.size));
}

static bool print_chunk(const chunk *a, const chunk *b, const char *title, bool color)
{
    if (equal(a, b)) return true;
    int32_t *match = calloc(a->lines.count + 1u, sizeof *match);
    if (match) adze_diff(&a->lines, &b->lines, match);
    bool ok = match && check_numbers(&a->lines, &b->lines, match);
    if (ok) adze_diff_print(&a->lines, &b->lines, match, title, color);
    free(match);
    return ok;
}

void adze_snapshot_print_diff(adze_snapshot **snapshot, const adze_module *module, const char *pass, bool color)
{
    const adze_snapshot *old = *snapshot;
    adze_snapshot *new = adze_snapshot_create(module);
    const char *bold = color ? "\033[1m" : "", *plain = color ? "\033[0m" : "";
    fprintf(stderr, "%s--- before %s%s\n%s+++ after %s%s\n", bold, pass, plain, bold, pass, plain);
    bool ok = old && new;
    for (uint32_t i = 0; ok && i < new->count; i++)
        ok = print_chunk(find(old, new->chunks[i].title), &new->chunks[i], new->chunks[i].title, color);
    for (uint32_t i = 0; ok && i < old->count; i++) {
        const chunk *gone = &old->chunks[i], *now = find(new, gone->title);
        if (!*now->title) ok = print_chunk(gone, now, gone->title, color);
    }
    if (!ok) fprintf(stderr, "out of memory\n");
    adze_snapshot_destroy(*snapshot);
    *snapshot = new;
}
