/* adze opt --update-checks: writes the checks of a lit test from what its RUN lines print now.
 *
 * Lines that begin with ADZE_CHECK_MARK are ours: all go, and new ones come. Everything else stays. A function that has
 * checks by hand under a prefix gets none under that prefix, except beside NOT and LABEL; and what a NOT forbids must
 * not come, or nothing is written.
 *
 * A test is parted at its functions. Part 0 is what stands before the first one: the checks of constants go there. Part
 * i is function i with the comments above it. Functions that a pass makes belong to the function printed before them.
 */
#include "update_checks.h"

#include <adze_io.h>

#include <stdlib.h>
#include <string.h>

static const char note[] =
    ADZE_CHECK_MARK " Lines like this one come from adze opt --update-checks. Others it leaves alone.\n";

void *adze_grow(void *items, uint32_t count, size_t item_size)
{
    if (count && (count & (count - 1))) return items; /* there is room up to the next power of two */
    void *more = realloc(items, (count ? 2 * (size_t)count : 1) * item_size);
    if (more) return more;
    adze_usage_error("out of memory");
    exit(1);
}

/* ---- The test ---- */

typedef struct line {
    const char *text; /* without the line break */
    size_t size;
} line;

typedef struct part {
    uint32_t first;        /* line; up to the first one of the next part */
    uint32_t header, open; /* of a function: its first line, and the last one of its head */
    uint32_t last;         /* line of its closing brace */
    bool one_line;
    const char *name, *indent;     /* interned */
    adze_text *head, *body, *tail; /* new lines: above the header, behind `open`, behind `last` */
} part;

typedef struct job {
    adze_work *work;
    const char *path;
    line *lines;
    part *parts; /* [0] stands before the first function */
    uint32_t n_lines, n_parts;
    adze_run_lines runs;
    const char **prefixes; /* all that the test names */
    adze_printed *chunks;  /* [run * n_parts + part]: what that run printed there */
    adze_text out;
    uint32_t n_written, n_by_hand, last_by_hand;
} job;

static adze_loc loc_of(const job *j, uint32_t index)
{
    adze_loc loc = adze_loc_unknown(j->work->context);
    loc.file = adze_intern_z(loc.context, j->path);
    loc.line = index == UINT32_MAX ? 0 : index + 1;
    return loc;
}

static bool starts_with(const line *l, const char *text)
{
    size_t blanks = 0, n = strlen(text);
    while (blanks < l->size && (l->text[blanks] == ' ' || l->text[blanks] == '\t')) blanks++;
    return l->size - blanks >= n && !memcmp(l->text + blanks, text, n);
}

/* All lines but ours. */
static void read_lines(job *j, const char *text)
{
    while (*text) {
        line l = {text, strcspn(text, "\n")};
        text += l.size + (text[l.size] == '\n');
        if (starts_with(&l, ADZE_CHECK_MARK)) continue;
        j->lines = adze_grow(j->lines, j->n_lines, sizeof *j->lines);
        j->lines[j->n_lines++] = l;
    }
}

/* The line ends with that character, its comment and blanks aside. */
static bool ends_with(const line *l, char c)
{
    const char *comment = memmem(l->text, l->size, "//", 2);
    size_t n = comment ? (size_t)(comment - l->text) : l->size;
    while (n && (l->text[n - 1] == ' ' || l->text[n - 1] == '\t' || l->text[n - 1] == '\r')) n--;
    return n && l->text[n - 1] == c;
}

/* The comments right above the header belong to the function, RUN lines excepted. */
static uint32_t first_of(const job *j, uint32_t header, uint32_t from)
{
    while (header > from) {
        const line *l = &j->lines[header - 1];
        if (!starts_with(l, "//") || memmem(l->text, l->size, "RUN:", 4)) break;
        header--;
    }
    return header;
}

static void add_part(job *j, const part *p)
{
    j->parts = adze_grow(j->parts, j->n_parts, sizeof *j->parts);
    j->parts[j->n_parts++] = *p;
}

/* Finds the functions. */
static void read_parts(job *j)
{
    add_part(j, &(part){.name = "", .indent = ""});
    for (uint32_t i = 0, end = 0; i < j->n_lines; i++) {
        size_t size;
        const line *l = &j->lines[i];
        const char *name = adze_check_func_name(l->text, l->size, &size);
        if (!name) continue;
        size_t blanks = strspn(l->text, " ");
        part p = {.first = first_of(j, i, end),
                  .header = i,
                  .name = adze_intern(j->work->context, name, size),
                  .indent = adze_intern(j->work->context, l->text, blanks)};
        while (i + 1 < j->n_lines && !ends_with(&j->lines[i], '{') && !ends_with(&j->lines[i], '}')) i++;
        p.open = i;
        p.one_line = !ends_with(&j->lines[i], '{');
        while (!p.one_line && i + 1 < j->n_lines &&
               !(starts_with(&j->lines[i], "}") && strspn(j->lines[i].text, " ") == blanks))
            i++;
        p.last = i;
        end = i + 1;
        add_part(j, &p);
    }
    for (uint32_t i = 0; i < j->n_parts; i++) {
        adze_text *texts = calloc(3, sizeof *texts);
        if (!texts) adze_usage_error("out of memory"), exit(1);
        j->parts[i].head = &texts[0];
        j->parts[i].body = &texts[1];
        j->parts[i].tail = &texts[2];
    }
}

/* ---- What was printed ---- */

/* Unindented copy of what a run printed, without the module around it; chunks[] gets a range of it for each part. */
static bool part_output(job *j, uint32_t run)
{
    adze_run_line *r = &j->runs.items[run];
    adze_printed *chunks = &j->chunks[(size_t)run * j->n_parts];
    adze_text plain = {0};
    size_t *starts = calloc(j->n_parts + 1u, sizeof *starts);
    if (!starts) adze_usage_error("out of memory"), exit(1);
    uint32_t at = 0;
    bool inside = false, any = false;
    for (const char *l = r->output.data, *next; *l; l = next) {
        size_t size = strcspn(l, "\n"), blanks = strspn(l, " "), name_size;
        next = l + size + (l[size] == '\n');
        const char *name = adze_check_func_name(l, size, &name_size);
        if (name) {
            uint32_t p = at + 1;
            name = adze_intern(j->work->context, name, name_size);
            while (p < j->n_parts && j->parts[p].name != name) p++;
            if (p < j->n_parts)
                while (at < p) starts[++at] = plain.size;
            inside = any = true;
        }
        if (inside || (!any && !strncmp(l + blanks, "const ", 6))) {
            adze_text_write(&plain, l + blanks, size - blanks);
            adze_text_write(&plain, "\n", 1);
        }
        if (inside && blanks <= 2 && l[blanks] == '}' && size == blanks + 1) inside = false;
    }
    while (at < j->n_parts) starts[++at] = plain.size;
    const char *kept = plain.size ? adze_intern(j->work->context, plain.data, plain.size) : "";
    for (uint32_t p = 0; p < j->n_parts; p++) chunks[p] = (adze_printed){kept + starts[p], starts[p + 1] - starts[p]};
    free(starts);
    adze_text_free(&plain);
    return any || adze_error(loc_of(j, r->line - 1), "adze prints no function here");
}

/* The next function, or with `consts` what stands before the first one; moves on. */
static adze_printed take(adze_printed *rest, bool consts)
{
    adze_printed one = {rest->text, 0};
    size_t size;
    while (one.size < rest->size) {
        const char *l = rest->text + one.size;
        if ((one.size || consts) && adze_check_func_name(l, rest->size - one.size, &size)) break;
        one.size += strcspn(l, "\n") + 1;
    }
    rest->text += one.size;
    rest->size -= one.size;
    return one;
}

/* ---- Writing ---- */

/* What a part has by hand under a prefix. */
typedef struct by_hand {
    bool label, other;
} by_hand;

static uint32_t end_of(const job *j, uint32_t p) { return p + 1 < j->n_parts ? j->parts[p + 1].first : j->n_lines; }

static by_hand look_at(const job *j, uint32_t p, const char *prefix)
{
    by_hand found = {0};
    for (uint32_t i = j->parts[p].first; i < end_of(j, p); i++) {
        const char *pattern;
        adze_directive kind = adze_check_find(j->lines[i].text, j->lines[i].size, prefix, &pattern);
        found.label |= kind == ADZE_CHECK_LABEL;
        found.other |= kind == ADZE_CHECK_OTHER;
    }
    return found;
}

/* Checks before the first function and no label below them: they speak of the whole output, which labels would part. */
static bool is_whole_by_hand(const job *j, const char *prefix)
{
    bool label = false;
    for (uint32_t p = 0; p < j->n_parts; p++) label |= look_at(j, p, prefix).label;
    return !label && look_at(j, 0, prefix).other;
}

/* False after an error: what a NOT between the header and the end of the function forbids is printed. */
static bool check_nots(const job *j, uint32_t p, const char *prefix, adze_printed printed)
{
    uint32_t from = p ? j->parts[p].header + 1 : 0, to = p ? j->parts[p].last + 1 : end_of(j, 0);
    for (uint32_t i = from; i < to; i++) {
        const char *pattern, *stop = j->lines[i].text + j->lines[i].size;
        size_t size;
        if (adze_check_find(j->lines[i].text, j->lines[i].size, prefix, &pattern) != ADZE_CHECK_NOT) continue;
        const char *found = adze_check_violation(j->work->context, pattern, (size_t)(stop - pattern), printed, &size);
        if (found)
            return adze_error(loc_of(j, i), "%s-NOT forbids what %s%s has now: %.*s", prefix,
                              p ? "func " : "the constants", j->parts[p].name, (int)size, found);
    }
    return true;
}

/* The checks of one part under one prefix. */
static bool write_part(job *j, uint32_t p, const char *prefix, adze_printed printed)
{
    by_hand hand = look_at(j, p, prefix);
    const part *to = &j->parts[p];
    if (hand.other || is_whole_by_hand(j, prefix)) {
        j->n_by_hand += p > j->last_by_hand;
        j->last_by_hand = p;
        return true;
    }
    adze_check_style style = {j->work->context, prefix, to->indent, j->prefixes, hand.label};
    adze_printed own = take(&printed, !p);
    size_t header = p ? strcspn(own.text, "\n") + 1 : 0;
    if (own.size && !check_nots(j, p, prefix, (adze_printed){own.text + header, own.size - header})) return false;
    if (!p)
        adze_check_write_consts(prefix, own, to->body);
    else if (own.size)
        adze_check_write_func(&style, own, to->head, to->one_line ? to->head : to->body);
    style.has_label = false;
    while (printed.size) adze_check_write_func(&style, take(&printed, false), to->tail, to->tail);
    return true;
}

static bool same(adze_printed a, adze_printed b) { return a.size == b.size && !memcmp(a.text, b.text, a.size); }

static bool has_prefix(const adze_run_line *run, const char *prefix)
{
    for (const char *const *p = run->prefixes; *p; p++)
        if (*p == prefix) return true;
    return false;
}

/* The run that prints other text than `run` under the prefix; UINT32_MAX = none. */
static uint32_t find_other(const job *j, uint32_t run, uint32_t p, const char *prefix)
{
    for (uint32_t i = 0; i < j->runs.count; i++)
        if (has_prefix(&j->runs.items[i], prefix) &&
            !same(j->chunks[(size_t)i * j->n_parts + p], j->chunks[(size_t)run * j->n_parts + p]))
            return i;
    return UINT32_MAX;
}

/* The first prefix of a run under which all runs print the same of a part; an error where there is none. */
static const char *choose_prefix(const job *j, uint32_t run, uint32_t p)
{
    uint32_t other = UINT32_MAX;
    const char *const *prefixes = j->runs.items[run].prefixes, *last = NULL;
    for (; *prefixes; prefixes++) {
        last = *prefixes;
        other = find_other(j, run, p, last);
        if (other == UINT32_MAX) return last;
    }
    adze_error(loc_of(j, j->runs.items[run].line - 1),
               "the RUN line %u has the prefix %s too, but prints other text%s%s; give "
               "each a prefix of its own",
               j->runs.items[other].line, last, p ? " for func " : "", j->parts[p].name);
    return NULL;
}

static bool write_checks(job *j)
{
    const char **done = calloc(j->runs.count + 1u, sizeof *done);
    bool ok = done != NULL;
    for (uint32_t p = 0; ok && p < j->n_parts; p++) {
        uint32_t n_done = 0;
        for (uint32_t run = 0; ok && run < j->runs.count; run++) {
            const char *prefix = choose_prefix(j, run, p);
            bool again = false;
            for (uint32_t i = 0; i < n_done; i++) again |= done[i] == prefix;
            done[n_done++] = prefix;
            ok = prefix && (again || write_part(j, p, prefix, j->chunks[(size_t)run * j->n_parts + p]));
        }
    }
    free(done);
    return ok;
}

static void append(job *j, const adze_text *text)
{
    for (size_t i = 0; i < text->size; i++) j->n_written += text->data[i] == '\n';
    if (text->size) adze_text_write(&j->out, text->data, text->size);
}

static void append_lines(job *j, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) adze_text_append(&j->out, "%.*s\n", (int)j->lines[i].size, j->lines[i].text);
}

/* The test with its new lines. */
static void put_together(job *j)
{
    uint32_t first = j->n_parts > 1 ? j->parts[1].first : j->n_lines;
    size_t start = sizeof note - 1;
    adze_text_write(&j->out, note, start);
    append_lines(j, 0, first);
    append(j, j->parts[0].body);
    append(j, j->parts[0].tail);
    for (uint32_t p = 1; p < j->n_parts; p++) {
        const part *at = &j->parts[p];
        append_lines(j, at->first, at->header);
        append(j, at->head);
        append_lines(j, at->header, at->open + 1);
        append(j, at->body);
        append_lines(j, at->open + 1, at->last + 1);
        append(j, at->tail);
        append_lines(j, at->last + 1, end_of(j, p));
    }
    if (j->n_written) return;
    memmove(j->out.data, j->out.data + start, j->out.size - start); /* nothing of ours: no note */
    j->out.size -= start;
}

static bool write_file(const job *j, const char *text)
{
    if (j->out.size == strlen(text) && !memcmp(j->out.data, text, j->out.size)) {
        printf("%s: up to date, %u lines of checks\n", j->path, j->n_written);
        return true;
    }
    adze_io_error error = {""};
    adze_outfile *file;
    bool ok = adze_outfile_create(j->path, 0666, &file, &error) == ADZE_OK;
    if (ok) {
        adze_outfile_write(file, j->out.data, j->out.size);
        ok = adze_outfile_commit(file, &error) == ADZE_OK;
    }
    if (!ok) return adze_error(adze_loc_unknown(j->work->context), "%s", error.text);
    printf("%s: %u lines of checks\n", j->path, j->n_written);
    return true;
}

static bool update(job *j, const char *text, const char *plugin)
{
    if (!adze_run_lines_read(j->work, j->path, text, plugin, &j->runs)) return false;
    j->prefixes = adze_prefixes_read(j->work, text);
    read_lines(j, text);
    read_parts(j);
    if (j->n_parts < 2) return adze_error(loc_of(j, UINT32_MAX), "the test has no function");
    j->chunks = calloc((size_t)j->runs.count * j->n_parts, sizeof *j->chunks);
    if (!j->chunks) return adze_error(loc_of(j, UINT32_MAX), "out of memory");
    for (uint32_t i = 0; i < j->runs.count; i++)
        if (!adze_run_line_run(j->work, j->path, &j->runs.items[i]) || !part_output(j, i)) return false;
    if (!write_checks(j)) return false;
    put_together(j);
    if (j->n_by_hand)
        adze_note(loc_of(j, UINT32_MAX), "%u function%s with checks by hand left alone", j->n_by_hand,
                  j->n_by_hand == 1 ? "" : "s");
    return write_file(j, text);
}

int adze_update_checks(adze_work *work, const char *path, const char *plugin)
{
    job j = {.work = work, .path = path};
    size_t size;
    char *text = adze_read_text(work, path, &size);
    bool ok = text && update(&j, text, plugin);
    for (uint32_t i = 0; i < j.n_parts; i++) {
        for (int k = 0; k < 3; k++) adze_text_free(&j.parts[i].head[k]);
        free(j.parts[i].head);
    }
    adze_run_lines_free(&j.runs);
    adze_text_free(&j.out);
    free(j.prefixes);
    free(j.chunks);
    free(j.parts);
    free(j.lines);
    free(text);
    return ok ? 0 : 1;
}
