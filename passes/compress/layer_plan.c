/* Layer plans: which format each layer has, as text that people edit. */
#include <adze/arena.h>
#include <adze/compress.h>
#include <adze/digit.h>
#include <adze/table.h>
#include <adze/temporary.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char magic[] = "adze-plan 1";
enum { MAX_BYTES = 16 << 20, MAX_SETTINGS = 64 };

typedef struct entry {
    const char *name, *note;
    adze_format format;
    uint32_t index; /* among all */
} entry;

typedef struct setting {
    const char *key, *value;
} setting;

/* A line `channels` or, with keep = 0, `drop`. */
typedef struct cut {
    const char *name, *note;
    uint64_t keep;
} cut;

struct adze_layer_plan {
    adze_context *context;
    adze_arena arena;
    adze_table by_name, cuts_by_name; /* of cuts: the index + 1 */
    entry **entries; /* each stays where it is */
    setting *settings;
    cut *cuts;
    uint32_t n_entries, entries_capacity, n_settings, settings_capacity, n_cuts, cuts_capacity;
};

adze_layer_plan *adze_layer_plan_create(adze_context *context)
{
    adze_layer_plan *plan = adze_malloc(sizeof *plan);
    *plan = (adze_layer_plan){.context = context};
    return plan;
}

void adze_layer_plan_destroy(adze_layer_plan *plan)
{
    if (!plan) return;
    adze_table_free(&plan->by_name);
    adze_table_free(&plan->cuts_by_name);
    adze_arena_free(&plan->arena);
    free(plan);
}

uint32_t adze_layer_plan_count(const adze_layer_plan *plan) { return plan->n_entries; }
const char *adze_layer_plan_name(const adze_layer_plan *plan, uint32_t index) { return plan->entries[index]->name; }

adze_format adze_layer_plan_format(const adze_layer_plan *plan, uint32_t index)
{
    return plan->entries[index]->format;
}

void adze_layer_plan_put(adze_layer_plan *plan, const char *layer, adze_format format, const char *note)
{
    entry *e = adze_table_get_name(&plan->by_name, layer);
    if (!e) {
        e = ADZE_NEW(&plan->arena, entry);
        e->name = adze_intern_z(plan->context, layer);
        adze_table_put_name(&plan->by_name, e->name, e);
        plan->entries = adze_arena_grow(&plan->arena, plan->entries, plan->n_entries, &plan->entries_capacity,
                                        sizeof *plan->entries);
        e->index = plan->n_entries;
        plan->entries[plan->n_entries++] = e;
    }
    e->format = format;
    e->note = note ? adze_intern_z(plan->context, note) : NULL;
}

/* Passes that put several constants in the place of a layer's weights name them after these: `w` becomes `w.u` and
 * `w.v`; and `w.own`, where something else goes on to read `w`. */
static const entry *find_descendant(const adze_layer_plan *plan, const char *name)
{
    const char *end = name + strlen(name);
    while ((end = memrchr(name, '.', (size_t)(end - name)))) {
        const entry *e = adze_table_get_name(&plan->by_name, adze_intern(plan->context, name, (size_t)(end - name)));
        if (e && e->format.structure != ADZE_DENSE) return e;
    }
    return NULL;
}

int64_t adze_layer_plan_find(const adze_layer_plan *plan, const adze_op *op)
{
    enum { WEIGHTS = 1 };
    const adze_ir_value *weights = adze_op_num_operands(op) > WEIGHTS ? adze_op_operand(op, WEIGHTS) : NULL;
    const adze_const *constant = weights ? adze_value_const(weights) : NULL;
    const char *result = adze_op_num_results(op) ? adze_value_name(adze_op_result(op, 0)) : NULL;
    const entry *e = constant ? adze_table_get_name(&plan->by_name, adze_const_name(constant)) : NULL;
    for (uint32_t i = 0; !e && i < adze_op_num_nodes(op); i++)
        e = adze_table_get_name(&plan->by_name, adze_op_node(op, i));
    if (!e && result) e = adze_table_get_name(&plan->by_name, result);
    if (!e && constant) e = find_descendant(plan, adze_const_name(constant));
    return e ? (int64_t)e->index : -1;
}

const char *adze_layer_plan_get(const adze_layer_plan *plan, const char *key)
{
    for (uint32_t i = 0; i < plan->n_settings; i++)
        if (!strcmp(plan->settings[i].key, key)) return plan->settings[i].value;
    return NULL;
}

void adze_layer_plan_set(adze_layer_plan *plan, const char *key, const char *value)
{
    uint32_t at = 0;
    while (at < plan->n_settings && strcmp(plan->settings[at].key, key) != 0) at++;
    if (at == plan->n_settings) {
        plan->settings = adze_arena_grow(&plan->arena, plan->settings, at, &plan->settings_capacity, sizeof(setting));
        plan->settings[plan->n_settings++].key = adze_intern_z(plan->context, key);
    }
    plan->settings[at].value = adze_intern_z(plan->context, value);
}

uint32_t adze_layer_plan_num_cuts(const adze_layer_plan *plan) { return plan->n_cuts; }
const char *adze_layer_plan_cut_name(const adze_layer_plan *plan, uint32_t index) { return plan->cuts[index].name; }
uint64_t adze_layer_plan_cut_keep(const adze_layer_plan *plan, uint32_t index) { return plan->cuts[index].keep; }

const char *adze_layer_plan_cut_note(const adze_layer_plan *plan, uint32_t index) { return plan->cuts[index].note; }

/* The number of cuts where there is none of that name. */
static uint32_t find_cut(const adze_layer_plan *plan, const char *name)
{
    uintptr_t at = (uintptr_t)adze_table_get_name(&plan->cuts_by_name, name);
    return at ? (uint32_t)(at - 1) : plan->n_cuts;
}

void adze_layer_plan_put_cut(adze_layer_plan *plan, const char *name, uint64_t keep, const char *note)
{
    uint32_t at = find_cut(plan, name);
    if (at == plan->n_cuts) {
        plan->cuts = adze_arena_grow(&plan->arena, plan->cuts, at, &plan->cuts_capacity, sizeof(cut));
        plan->cuts[at].name = adze_intern_z(plan->context, name);
        adze_table_put_name(&plan->cuts_by_name, plan->cuts[at].name, (void *)(uintptr_t)(at + 1));
        plan->n_cuts++;
    }
    plan->cuts[at].keep = keep;
    plan->cuts[at].note = note ? adze_intern_z(plan->context, note) : NULL;
}

/* ---- Printing ---- */

/* One line: what would end it becomes a space. */
static void print_line(adze_text *out, const char *text)
{
    for (const char *c = text; *c; c++) adze_text_append(out, "%c", *c == '\n' || *c == '\r' ? ' ' : *c);
}

static bool is_bare(const char *name)
{
    return *name && !strpbrk(name, " \t\r\n\"\\#");
}

static void print_name(adze_text *out, const char *name)
{
    if (is_bare(name)) {
        adze_text_append(out, "%s", name);
        return;
    }
    adze_text_append(out, "\"");
    for (const char *c = name; *c; c++) {
        if (*c == '"' || *c == '\\')
            adze_text_append(out, "\\%c", *c);
        else if ((unsigned char)*c < ' ')
            adze_text_append(out, "\\%02x", (unsigned)(unsigned char)*c);
        else
            adze_text_append(out, "%c", *c);
    }
    adze_text_append(out, "\"");
}

/* The remark, in a column where there is room, and the end of a line that began at `start`. */
static void end_printed(adze_text *out, size_t start, const char *note)
{
    enum { NOTE_COLUMN = 56 };
    size_t width = out->size - start;
    if (note) {
        adze_text_append(out, "%*s  # ", width < NOTE_COLUMN ? (int)(NOTE_COLUMN - width) : 0, "");
        print_line(out, note);
    }
    adze_text_append(out, "\n");
}

void adze_layer_plan_print(const adze_layer_plan *plan, adze_text *out)
{
    adze_text_append(out, "%s\n", magic);
    for (uint32_t i = 0; i < plan->n_settings; i++) {
        adze_text_append(out, "%s ", plan->settings[i].key);
        print_line(out, plan->settings[i].value);
        adze_text_append(out, "\n");
    }
    for (uint32_t i = 0; i < plan->n_entries; i++) {
        const entry *e = plan->entries[i];
        size_t start = out->size;
        adze_text_append(out, "layer ");
        print_name(out, e->name);
        adze_text_append(out, " ");
        adze_format_print(e->format, out);
        end_printed(out, start, e->note);
    }
    for (uint32_t i = 0; i < plan->n_cuts; i++) {
        const cut *c = &plan->cuts[i];
        size_t start = out->size;
        adze_text_append(out, c->keep ? "channels " : "drop ");
        print_name(out, c->name);
        if (c->keep) adze_text_append(out, " %llu", (unsigned long long)c->keep);
        end_printed(out, start, c->note);
    }
}

bool adze_layer_plan_save(const adze_layer_plan *plan, const char *path)
{
    struct stat info;
    bool direct = !lstat(path, &info) && !S_ISREG(info.st_mode); /* a device or a link stays what it is */
    const char *part = direct ? path : adze_internf(plan->context, "%s.part", path);
    adze_text text = {0};
    adze_layer_plan_print(plan, &text);
    if (!direct) adze_temporary_add(plan->context, part);
    FILE *file = fopen(part, "w");
    bool ok = file && fwrite(text.data, 1, text.size, file) == text.size;
    if (file && fclose(file)) ok = false;
    ok = ok && (direct || !rename(part, path));
    if (!ok) adze_error(adze_loc_unknown(plan->context), "%s: %s", path, strerror(errno));
    if (!ok && file && !direct) remove(part);
    if (!direct) adze_temporary_forget(plan->context, part);
    adze_text_free(&text);
    return ok;
}

/* ---- Reading ---- */

typedef struct reader {
    adze_layer_plan *plan;
    const char *path, *at, *end, *line_start;
    uint32_t line;
} reader;

static bool fail(const reader *r, const char *where, const char *what)
{
    adze_loc loc = {.context = r->plan->context,
                    .file = adze_intern_z(r->plan->context, r->path),
                    .line = r->line,
                    .col = (uint32_t)(where - r->line_start) + 1};
    return adze_error(loc, "%s", what);
}

static void skip_blanks(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r')) r->at++;
}

/* What stands behind a backslash. */
static bool take_escape(reader *r, adze_text *out)
{
    const char *c = r->at;
    if (c < r->end && (*c == '"' || *c == '\\')) {
        adze_text_write(out, c, 1);
        r->at++;
        return true;
    }
    int high = c < r->end ? adze_hex_digit(*c) : -1;
    int low = high >= 0 && c + 1 < r->end ? adze_hex_digit(c[1]) : -1;
    if (low < 0 || !(16 * high + low)) return fail(r, c - 1, "an escape is \\\", \\\\ or two hexadecimal digits");
    char byte = (char)(16 * high + low);
    adze_text_write(out, &byte, 1);
    r->at += 2;
    return true;
}

/* A word, or text in quotes. NULL after an error. */
static const char *take_word(reader *r, const char *what)
{
    skip_blanks(r);
    const char *first = r->at;
    if (first < r->end && *first != '"') {
        while (r->at < r->end && !strchr(" \t\r\n#", *r->at)) r->at++;
        if (r->at > first) return adze_intern(r->plan->context, first, (size_t)(r->at - first));
    }
    if (r->at == r->end || *r->at != '"') {
        fail(r, first, what);
        return NULL;
    }
    adze_text text = {0};
    bool ok = true;
    for (r->at++; ok && r->at < r->end && *r->at != '"' && *r->at != '\n';) {
        if (*r->at == '\\')
            r->at++, ok = take_escape(r, &text);
        else
            adze_text_write(&text, r->at++, 1);
    }
    if (ok && (r->at == r->end || *r->at != '"')) ok = fail(r, first, "the quote is not closed");
    if (ok) r->at++;
    const char *word = ok ? adze_intern(r->plan->context, text.data ? text.data : "", text.size) : NULL;
    adze_text_free(&text);
    return word;
}

/* Past the end of the line, which holds nothing more but a remark. */
static bool end_line(reader *r, const char **out_note)
{
    skip_blanks(r);
    const char *stop = r->at < r->end ? memchr(r->at, '\n', (size_t)(r->end - r->at)) : NULL;
    if (!stop) stop = r->end;
    if (r->at < stop && *r->at != '#') return fail(r, r->at, "expected the end of the line, or # and a remark");
    const char *first = r->at < stop ? r->at + 1 : stop, *last = stop;
    while (first < last && *first == ' ') first++;
    while (last > first && (last[-1] == ' ' || last[-1] == '\r')) last--;
    if (out_note) *out_note = last > first ? adze_intern(r->plan->context, first, (size_t)(last - first)) : NULL;
    r->at = stop < r->end ? stop + 1 : stop;
    r->line_start = r->at;
    r->line++;
    return true;
}

static bool read_layer(reader *r)
{
    adze_format format;
    const char *note, *name = take_word(r, "expected a layer's name");
    if (!name) return false;
    skip_blanks(r);
    const char *where = r->at, *word = take_word(r, "expected a format: f32, f16, bf16, w8a8, w8a8-rows, w4g32, …");
    if (!word) return false;
    if (!adze_format_find(word, strlen(word), &format))
        return fail(r, where, "there is no such format; there are f32, f16, bf16, and w2 to w8 with or without a8, "
                              "a8-rows and gNUMBER; ahead of these s50+, s80b16x1+, s2:4+, r64+, t32x16+ or v24+");
    if (adze_table_get_name(&r->plan->by_name, name)) return fail(r, where, "the layer stands here a second time");
    if (!end_line(r, &note)) return false;
    adze_layer_plan_put(r->plan, name, format, note);
    return true;
}

/* channels NAME KEEP, or drop NAME. */
static bool read_cut(reader *r, bool drops)
{
    const char *note, *word, *name = take_word(r, drops ? "expected a block's name" : "expected a group's name");
    if (!name) return false;
    uint64_t keep = 0;
    skip_blanks(r);
    const char *where = r->at;
    if (!drops) {
        if (!(word = take_word(r, "expected a number of channels"))) return false;
        for (const char *c = word; *c; c++) {
            if (*c < '0' || *c > '9' || c - word > 8) return fail(r, where, "expected a number of channels");
            keep = 10 * keep + (uint64_t)(*c - '0');
        }
        if (!keep) return fail(r, where, "at least one channel stays");
    }
    if (find_cut(r->plan, name) < r->plan->n_cuts) return fail(r, where, "the name stands here a second time");
    if (!end_line(r, &note)) return false;
    adze_layer_plan_put_cut(r->plan, name, keep, note);
    return true;
}

/* What adze compress writes; any other word is one that was misspelt. */
static const char *const settings[] = {
    "adze",   "model",     "model-hash", "calibration-hash", "samples", "separate",   "seed",         "weights",
    "tables", "clip",      "range",      "target",           "precision", "result",   "result-hash",  "stats",
    "stats-hash", "update-stats", "update-hash", "update-share"};

static bool check_key(reader *r, const char *key, const char *where)
{
    adze_nearest nearest = {.wanted = key};
    char hint[256];
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (!strcmp(settings[i], key)) return true;
        adze_nearest_offer(&nearest, settings[i]);
    }
    for (int i = 0; i < 3; i++) adze_nearest_offer(&nearest, (const char *const[]){"layer", "channels", "drop"}[i]);
    return fail(r, where, adze_internf(r->plan->context, "no line of a plan begins with '%s'%s", key,
                                       adze_nearest_ask(&nearest, hint, sizeof hint)));
}

static bool read_setting(reader *r, const char *key, const char *where)
{
    if (!check_key(r, key, where)) return false;
    skip_blanks(r);
    const char *stop = r->at < r->end ? memchr(r->at, '\n', (size_t)(r->end - r->at)) : NULL,
               *last = stop ? stop : r->end;
    while (last > r->at && (last[-1] == ' ' || last[-1] == '\r')) last--;
    if (last == r->at) return fail(r, where, "expected 'layer', 'channels', 'drop', or a setting with its value");
    if (r->plan->n_settings == MAX_SETTINGS) return fail(r, where, "there are too many settings for a plan");
    adze_layer_plan_set(r->plan, key, adze_intern(r->plan->context, r->at, (size_t)(last - r->at)));
    r->at = last;
    return end_line(r, NULL);
}

static bool read_line(reader *r, const char *key, const char *where)
{
    if (!strcmp(key, "layer")) return read_layer(r);
    bool drops = !strcmp(key, "drop");
    return drops || !strcmp(key, "channels") ? read_cut(r, drops) : read_setting(r, key, where);
}

static bool read_lines(reader *r)
{
    size_t size = strlen(magic);
    if ((size_t)(r->end - r->at) < size || memcmp(r->at, magic, size) != 0)
        return fail(r, r->at, "this is no plan: it does not begin with 'adze-plan 1'");
    r->at += size;
    if (!end_line(r, NULL)) return false;
    while (r->at < r->end) {
        skip_blanks(r);
        const char *where = r->at;
        if (r->at == r->end || *r->at == '\n' || *r->at == '#') {
            if (!end_line(r, NULL)) return false;
            continue;
        }
        const char *key = take_word(r, "expected a word");
        if (!key || !read_line(r, key, where)) return false;
    }
    return true;
}

/* The whole file, malloc'ed; NULL after an error. */
static char *read_file(adze_context *context, const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = file ? adze_malloc(MAX_BYTES) : NULL;
    *out_size = file ? fread(bytes, 1, MAX_BYTES, file) : 0;
    const char *why = !file || ferror(file)    ? strerror(errno)
                      : *out_size == MAX_BYTES ? "is too large for a plan"
                                               : NULL;
    if (!why && memchr(bytes, 0, *out_size)) why = "holds a zero byte: it is no text";
    if (file) fclose(file);
    if (!why) return bytes;
    adze_error(adze_loc_unknown(context), "%s: %s", path, why);
    free(bytes);
    return NULL;
}

adze_layer_plan *adze_layer_plan_load(adze_context *context, const char *path)
{
    size_t size;
    char *bytes = read_file(context, path, &size);
    if (!bytes) return NULL;
    adze_layer_plan *plan = adze_layer_plan_create(context);
    adze_context_add_text(context, path, bytes, size);
    reader r = {.plan = plan, .path = path, .at = bytes, .end = bytes + size, .line_start = bytes, .line = 1};
    bool ok = read_lines(&r);
    free(bytes);
    if (ok) return plan;
    adze_layer_plan_destroy(plan);
    return NULL;
}
