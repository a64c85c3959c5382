/* Ops over strings on the reference. New strings live in an arena until the result owns its bytes. */
#include "ir/interp.h"
#include "ir/regex.h"

#include "ir/eval/eval.h"

#include <stdlib.h>
#include <string.h>

typedef struct call {
    adze_interp *interp;
    const adze_op *op;
    const adze_value *in;
    adze_value *out;
    adze_arena arena;
} call;

static bool fail(const call *c, const char *what)
{
    return adze_error(adze_op_loc(c->op), "%s: %s", c->op->row->name, what);
}

static bool make(call *c, uint32_t index, adze_dtype dtype, uint32_t rank, const int64_t *dims)
{
    return adze_interp_new(c->interp, adze_op_loc(c->op), dtype, rank, dims, &c->out[index]);
}

/* ---- string_concat ---- */

static adze_string joined(call *c, adze_string a, adze_string b)
{
    char *text = adze_arena_alloc(&c->arena, a.size + b.size + 1);
    if (a.size) memcpy(text, a.data, a.size);
    if (b.size) memcpy(text + a.size, b.data, b.size);
    return (adze_string){text, a.size + b.size};
}

static bool run_concat(call *c)
{
    int64_t dims[ADZE_MAX_RANK], steps[2][ADZE_MAX_RANK], index[ADZE_MAX_RANK] = {0};
    uint32_t rank = c->in[0].rank;
    if (rank) memcpy(dims, c->in[0].dims, rank * sizeof *dims);
    if (!ev_broadcast(&rank, dims, c->in[1].rank, c->in[1].dims)) return fail(c, "the dims do not agree");
    for (uint32_t k = 0; k < 2; k++) ev_broadcast_strides(&c->in[k], rank, dims, steps[k]);
    if (!make(c, 0, ADZE_DTYPE_str, rank, dims)) return false;
    uint64_t count = adze_value_count(c->out);
    adze_string *to = c->out->data;
    for (uint64_t i = 0; i < count; i++) {
        int64_t at[2] = {0, 0};
        for (uint32_t k = 0; k < 2; k++)
            for (uint32_t axis = 0; axis < rank; axis++) at[k] += index[axis] * steps[k][axis];
        to[i] = joined(c, ((adze_string *)c->in[0].data)[at[0]], ((adze_string *)c->in[1].data)[at[1]]);
        ev_next(rank, dims, index);
    }
    return true;
}

/* ---- string_split ---- */

/* What is left of a text that is split. */
typedef struct splitter {
    adze_string rest, delimiter; /* delimiter empty: white space */
    uint64_t left;               /* splits that are allowed still */
    bool done;
} splitter;

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void skip_space(adze_string *text)
{
    while (text->size && is_space(text->data[0])) text->data++, text->size--;
}

/* Where the next delimiter begins; the text's size if there is none. */
static uint64_t find(const splitter *s)
{
    uint64_t n = s->delimiter.size ? s->delimiter.size : 1;
    for (uint64_t i = 0; i + n <= s->rest.size; i++)
        if (s->delimiter.size ? memcmp(s->rest.data + i, s->delimiter.data, n) == 0 : is_space(s->rest.data[i]))
            return i;
    return s->rest.size;
}

/* The next part; false behind the last one. */
static bool next_part(splitter *s, adze_string *out)
{
    bool spaces = !s->delimiter.size;
    if (s->done) return false;
    if (spaces) skip_space(&s->rest);
    if (spaces && !s->rest.size) return false;
    uint64_t at = s->left ? find(s) : s->rest.size;
    *out = (adze_string){s->rest.data, at};
    s->done = at == s->rest.size;
    if (s->done) return true;
    uint64_t gone = at + (spaces ? 1 : s->delimiter.size);
    s->rest = (adze_string){s->rest.data + gone, s->rest.size - gone};
    s->left--;
    return true;
}

static splitter begin_split(const call *c, uint64_t index)
{
    const adze_slot *slots = c->op->attrs;
    splitter s = {.rest = ((adze_string *)c->in[0].data)[index], .left = UINT64_MAX};
    if (adze_op_attr_is_set(c->op, "delimiter"))
        s.delimiter = slots[1 + adze_row_attr_index(c->op->row, "delimiter")].s;
    int64_t most = adze_op_attr_int(c->op, "maxsplit");
    if (adze_op_attr_is_set(c->op, "maxsplit") && most >= 0) s.left = (uint64_t)most;
    return s;
}

static bool run_split(call *c)
{
    const adze_value *x = &c->in[0];
    int64_t dims[ADZE_MAX_RANK], most = 0;
    uint64_t count = adze_value_count(x);
    adze_string part;
    if (x->rank == ADZE_MAX_RANK) return fail(c, "too many dims");
    if (!make(c, 1, ADZE_DTYPE_i64, x->rank, x->dims)) return false;
    int64_t *counts = c->out[1].data;
    for (uint64_t i = 0; i < count; i++) {
        splitter s = begin_split(c, i);
        while (next_part(&s, &part)) counts[i]++;
        if (counts[i] > most) most = counts[i];
    }
    if (x->rank) memcpy(dims, x->dims, x->rank * sizeof *dims);
    dims[x->rank] = most;
    if (!make(c, 0, ADZE_DTYPE_str, x->rank + 1, dims)) return false;
    adze_string *to = c->out[0].data;
    for (uint64_t i = 0; i < count; i++) {
        splitter s = begin_split(c, i);
        for (int64_t k = 0; next_part(&s, &part); k++) to[i * (uint64_t)most + (uint64_t)k] = part;
    }
    return true;
}

/* ---- string_normalizer ---- */

/* The other case of a letter of two bytes; the code point itself where there is none. */
static uint32_t other_case(uint32_t c, bool upper)
{
    static const struct {
        uint32_t low, high, step; /* upper case; lower case is `step` behind it */
    } rows[] = {{'A', 'Z', 32},     {0xC0, 0xD6, 32},   {0xD8, 0xDE, 32},  {0x391, 0x3A1, 32},
                {0x3A3, 0x3A9, 32}, {0x400, 0x40F, 80}, {0x410, 0x42F, 32}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t shift = upper ? rows[i].step : 0;
        if (c >= rows[i].low + shift && c <= rows[i].high + shift) return upper ? c - shift : c + rows[i].step;
    }
    return c;
}

/* Letters that change keep their number of bytes. */
static adze_string cased(call *c, adze_string text, bool upper)
{
    uint8_t *to = adze_arena_alloc(&c->arena, text.size + 1);
    if (text.size) memcpy(to, text.data, text.size);
    for (uint64_t i = 0; i < text.size; i++) {
        bool two = to[i] >= 0xC2 && to[i] < 0xE0 && i + 1 < text.size && (to[i + 1] & 0xC0) == 0x80;
        uint32_t was = two ? (to[i] & 0x1Fu) << 6 | (to[i + 1] & 0x3Fu) : to[i];
        if (!two && was > 0x7F) continue;
        uint32_t now = other_case(was, upper);
        if (two) {
            to[i++] = (uint8_t)(0xC0 | now >> 6);
            to[i] = (uint8_t)(0x80 | (now & 0x3F));
        } else {
            to[i] = (uint8_t)now;
        }
    }
    return (adze_string){(const char *)to, text.size};
}

static bool same(adze_string a, adze_string b)
{
    return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

static bool is_stop_word(call *c, adze_string text, bool exact)
{
    const adze_slot slot = c->op->attrs[1 + adze_row_attr_index(c->op->row, "stopwords")];
    const char *const *words = adze_op_attr_is_set(c->op, "stopwords") ? slot.object : NULL;
    for (; words && *words; words++) {
        adze_string word = {*words, strlen(*words)};
        if (exact ? same(word, text) : same(cased(c, word, false), cased(c, text, false))) return true;
    }
    return false;
}

static bool run_normalizer(call *c)
{
    const adze_value *x = &c->in[0];
    const char *action = adze_op_attr_str(c->op, "case_change_action");
    bool lower = !strcmp(action, "LOWER"), upper = !strcmp(action, "UPPER");
    bool exact = adze_op_attr_int(c->op, "is_case_sensitive") != 0;
    if (!lower && !upper && strcmp(action, "NONE") != 0) return fail(c, "a change of case that is not known");
    if ((x->rank != 1 && x->rank != 2) || (x->rank == 2 && x->dims[0] != 1)) return fail(c, "more than one row");
    uint64_t count = adze_value_count(x), kept = 0;
    adze_string *list = adze_arena_alloc(&c->arena, (count + 1) * sizeof *list);
    for (uint64_t i = 0; i < count; i++) {
        adze_string text = ((adze_string *)x->data)[i];
        if (!is_stop_word(c, text, exact)) list[kept++] = lower || upper ? cased(c, text, upper) : text;
    }
    if (!kept) list[kept++] = (adze_string){"", 0}; /* never nothing */
    int64_t dims[2] = {1, (int64_t)kept};
    if (!make(c, 0, ADZE_DTYPE_str, x->rank, x->rank == 2 ? dims : dims + 1)) return false;
    memcpy(c->out->data, list, kept * sizeof *list);
    return true;
}

/* ---- regex_full_match ---- */

static bool run_regex(call *c)
{
    const char *why;
    const adze_string pattern = c->op->attrs[1 + adze_row_attr_index(c->op->row, "pattern")].s;
    adze_regex *regex = adze_regex_create(pattern, &why);
    if (!regex) return adze_error(adze_op_loc(c->op), "the pattern of %s has %s", c->op->row->name, why);
    bool failed = !make(c, 0, ADZE_DTYPE_bool, c->in[0].rank, c->in[0].dims);
    uint64_t count = failed ? 0 : adze_value_count(c->out);
    for (uint64_t i = 0; i < count && !failed; i++) {
        bool matches = adze_regex_matches(regex, ((adze_string *)c->in[0].data)[i], &failed);
        ((uint8_t *)c->out->data)[i] = matches;
        if (failed) fail(c, "out of memory");
    }
    adze_regex_destroy(regex);
    return !failed;
}

static const struct {
    const char *name;
    bool (*run)(call *c);
} rows[] = {{"regex_full_match", run_regex},
            {"string_concat", run_concat},
            {"string_normalizer", run_normalizer},
            {"string_split", run_split}};

bool adze_interp_string(adze_interp *interp, const adze_op *op, const adze_value *in, adze_value *out)
{
    call c = {.interp = interp, .op = op, .in = in, .out = out};
    bool ok = false, known = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !known; i++) {
        known = strcmp(op->row->name, rows[i].name) == 0;
        if (known) ok = rows[i].run(&c);
    }
    for (uint32_t i = 0; ok && i < op->n_results; i++) ok = adze_interp_own(interp, adze_op_loc(op), &out[i]);
    adze_arena_free(&c.arena);
    return known ? ok : adze_error(adze_op_loc(op), "%s cannot run here", op->row->name);
}
