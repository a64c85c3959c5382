/* Operations on strings. Bytes of new strings are scratch: whoever called the evaluation copies what it keeps (eval.h).
 */
#include "convert.h"
#include "regex.h"

#define EVAL(name)                                                                                                   \
    adze_status eval_##name(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out, \
                            const void *attrs)

static adze_status need_strings(const adze_env *env, const adze_value *in, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (in[i].kind != ADZE_VALUE_TENSOR || in[i].dtype != ADZE_DTYPE_str) return ev_bad_dtype(env);
    return ADZE_OK;
}

/* ---- string_concat ---- */

/* False if memory is out. */
static bool join(const adze_env *env, adze_string a, adze_string b, adze_string *out)
{
    char *text = ev_scratch(env, a.size + b.size, 1);
    if (!text) return false;
    if (a.size) memcpy(text, a.data, a.size);
    if (b.size) memcpy(text + a.size, b.data, b.size);
    *out = (adze_string){text, a.size + b.size};
    return true;
}

EVAL(string_concat)
{
    (void)n_in, (void)n_out, (void)attrs;
    int64_t dims[ADZE_MAX_RANK], steps[2][ADZE_MAX_RANK], index[ADZE_MAX_RANK] = {0};
    uint32_t rank = in->rank;
    adze_status status = need_strings(env, in, 2);
    if (status) return status;
    for (uint32_t i = 0; i < rank; i++) dims[i] = in->dims[i];
    if (!ev_broadcast(&rank, dims, in[1].rank, in[1].dims))
        return ev_fail(env, ADZE_ERR_DIM, "string_concat: the dims do not agree");
    for (uint32_t k = 0; k < 2; k++) ev_broadcast_strides(&in[k], rank, dims, steps[k]);
    status = ev_result(env, out, ADZE_DTYPE_str, rank, dims);
    if (status) return status;
    uint64_t count = adze_value_count(out);
    adze_string *to = out->data;
    for (uint64_t i = 0; i < count; i++) {
        int64_t at[2] = {0, 0};
        for (uint32_t k = 0; k < 2; k++)
            for (uint32_t axis = 0; axis < rank; axis++) at[k] += index[axis] * steps[k][axis];
        if (!join(env, ((adze_string *)in[0].data)[at[0]], ((adze_string *)in[1].data)[at[1]], &to[i]))
            return ev_no_memory(env);
        ev_next(rank, dims, index);
    }
    return ADZE_OK;
}

/* ---- string_split ---- */

/* What is left of a text that is split. */
typedef struct splitter {
    adze_string rest, delimiter; /* delimiter empty: white space */
    uint64_t left;               /* splits that are allowed still */
    bool done;
} splitter;

static void skip_space(adze_string *text)
{
    while (text->size && ev_is_space(text->data[0])) text->data++, text->size--;
}

/* Where the next delimiter begins; the text's size if there is none. */
static uint64_t find(const splitter *s)
{
    uint64_t n = s->delimiter.size ? s->delimiter.size : 1;
    for (uint64_t i = 0; i + n <= s->rest.size; i++)
        if (s->delimiter.size ? memcmp(s->rest.data + i, s->delimiter.data, n) == 0 : ev_is_space(s->rest.data[i]))
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

static splitter begin_split(const adze_value *x, const struct adze_string_split_attrs *a, uint64_t index)
{
    splitter s = {.rest = ((adze_string *)x->data)[index], .left = UINT64_MAX};
    if (a->set & 1) s.delimiter = a->delimiter;
    if (a->set >> 1 & 1 && a->maxsplit >= 0) s.left = (uint64_t)a->maxsplit;
    return s;
}

EVAL(string_split)
{
    (void)n_in, (void)n_out;
    int64_t dims[ADZE_MAX_RANK], most = 0;
    uint64_t count = adze_value_count(in);
    adze_string part;
    adze_status status = need_strings(env, in, 1);
    if (!status && in->rank == ADZE_MAX_RANK) status = ev_fail(env, ADZE_ERR_RANK, "string_split: too many dims");
    if (!status) status = ev_result(env, &out[1], ADZE_DTYPE_i64, in->rank, in->dims);
    if (status) return status;
    int64_t *counts = out[1].data;
    for (uint64_t i = 0; i < count; i++) {
        splitter s = begin_split(in, attrs, i);
        counts[i] = 0;
        while (next_part(&s, &part)) counts[i]++;
        if (counts[i] > most) most = counts[i];
    }
    for (uint32_t i = 0; i < in->rank; i++) dims[i] = in->dims[i];
    dims[in->rank] = most;
    status = ev_result(env, &out[0], ADZE_DTYPE_str, in->rank + 1, dims);
    if (status) return status;
    adze_string *to = out[0].data;
    for (uint64_t i = 0; i < count; i++) {
        splitter s = begin_split(in, attrs, i);
        for (int64_t k = 0; next_part(&s, &part); k++) to[i * (uint64_t)most + (uint64_t)k] = part;
    }
    return ADZE_OK;
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

/* Letters that change keep their number of bytes. False if memory is out. */
static bool change_case(const adze_env *env, adze_string text, bool upper, adze_string *out)
{
    uint8_t *to = ev_scratch(env, text.size, 1);
    if (!to) return false;
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
    *out = (adze_string){(const char *)to, text.size};
    return true;
}

static bool same(adze_string a, adze_string b)
{
    return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

typedef struct normalizer {
    const adze_env *env;
    bool exact, lower, upper;
    adze_string *stop; /* in lower case unless `exact` */
    uint64_t n_stop;
} normalizer;

static adze_status read_normalizer(const adze_env *env, const struct adze_string_normalizer_attrs *a, normalizer *n)
{
    const char *const *words = a->set >> 3 & 1 ? a->stopwords : NULL;
    *n = (normalizer){.env = env, .exact = a->is_case_sensitive != 0};
    n->lower = ev_text_is(a->case_change_action, "LOWER");
    n->upper = ev_text_is(a->case_change_action, "UPPER");
    if (!n->lower && !n->upper && !ev_text_is(a->case_change_action, "NONE"))
        return ev_fail(env, ADZE_ERR_VALUE, "string_normalizer: a change of case that is not known");
    while (words && words[n->n_stop]) n->n_stop++;
    n->stop = ev_scratch(env, n->n_stop, sizeof *n->stop);
    if (!n->stop) return ev_no_memory(env);
    for (uint64_t i = 0; i < n->n_stop; i++) {
        adze_string word = {words[i], 0};
        while (words[i][word.size]) word.size++;
        n->stop[i] = word;
        if (!n->exact && !change_case(env, word, false, &n->stop[i])) return ev_no_memory(env);
    }
    return ADZE_OK;
}

static adze_status is_stop_word(const normalizer *n, adze_string text, bool *out)
{
    *out = false;
    if (n->n_stop && !n->exact && !change_case(n->env, text, false, &text)) return ev_no_memory(n->env);
    for (uint64_t i = 0; i < n->n_stop && !*out; i++) *out = same(n->stop[i], text);
    return ADZE_OK;
}

EVAL(string_normalizer)
{
    (void)n_in, (void)n_out;
    normalizer n;
    adze_status status = need_strings(env, in, 1);
    if (!status) status = read_normalizer(env, attrs, &n);
    if (status) return status;
    if ((in->rank != 1 && in->rank != 2) || (in->rank == 2 && in->dims[0] != 1))
        return ev_fail(env, ADZE_ERR_RANK, "string_normalizer: more than one row");
    uint64_t count = adze_value_count(in), kept = 0;
    adze_string *list = ev_scratch(env, count + 1, sizeof *list);
    if (!list) return ev_no_memory(env);
    for (uint64_t i = 0; i < count; i++) {
        bool stops;
        adze_string text = ((adze_string *)in->data)[i];
        status = is_stop_word(&n, text, &stops);
        if (status) return status;
        if (stops) continue;
        if ((n.lower || n.upper) && !change_case(env, text, n.upper, &text)) return ev_no_memory(env);
        list[kept++] = text;
    }
    if (!kept) list[kept++] = (adze_string){"", 0}; /* never nothing */
    int64_t dims[2] = {1, (int64_t)kept};
    status = ev_result(env, out, ADZE_DTYPE_str, in->rank, in->rank == 2 ? dims : dims + 1);
    if (!status) memcpy(out->data, list, kept * sizeof *list);
    return status;
}

/* ---- regex_full_match ---- */

EVAL(regex_full_match)
{
    (void)n_in, (void)n_out;
    const char *why;
    adze_status status = need_strings(env, in, 1);
    if (!status) status = ev_result(env, out, ADZE_DTYPE_bool, in->rank, in->dims);
    if (status) return status;
    adze_regex *regex = adze_regex_create(env, ((const struct adze_regex_full_match_attrs *)attrs)->pattern, &why);
    if (!regex) return ev_fail(env, ADZE_ERR_VALUE, why);
    uint64_t count = adze_value_count(out);
    for (uint64_t i = 0; i < count; i++)
        ((uint8_t *)out->data)[i] = adze_regex_matches(regex, ((adze_string *)in->data)[i]);
    return ADZE_OK;
}
