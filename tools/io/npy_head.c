/* The header of a .npy: a magic string, a version, a length and a Python dict of three entries.
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 *
 * Source: numpy/lib/format.py's description of versions 1.0, 2.0 (32-bit length) and 3.0 (UTF-8).
 */
#include "io_private.h"
#include <string.h>

enum { MAX_WITHOUT_BYTES = 1 << 16 };

typedef struct cursor {
    const char *at, *end;
    const char *where;
    adze_io_error *error;
} cursor;

static adze_status bad(const cursor *c, const char *what)
{
    return adze_io_fail(c->error, ADZE_ERR_FORMAT, "%s: malformed .npy header: %s", c->where, what);
}

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r'))
        c->at++;
}

static bool eat(cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

static bool eat_word(cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

/* A quoted string without escapes. */
static bool eat_string(cursor *c, const char **out_text, size_t *out_size)
{
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    char quote = *c->at++;
    *out_text = c->at;
    while (c->at < c->end && *c->at != quote && *c->at != '\\') c->at++;
    *out_size = (size_t)(c->at - *out_text);
    return eat(c, quote);
}

static bool eat_number(cursor *c, int64_t *out)
{
    skip_space(c);
    const char *start = c->at;
    int64_t value = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *c->at - '0', &value))
            return false;
    if (c->at == start) return false;
    if (c->at < c->end && *c->at == 'L') c->at++; /* Python 2 wrote long integers so */
    *out = value;
    return true;
}

static adze_status parse_shape(cursor *c, npy_head *h)
{
    if (!eat(c, '(')) return bad(c, "the shape is no tuple");
    while (!eat(c, ')')) {
        if (h->rank == ADZE_MAX_RANK)
            return adze_io_fail(c->error, ADZE_ERR_UNSUPPORTED, "%s: more than %d dims", c->where,
                                ADZE_MAX_RANK);
        if (!eat_number(c, &h->dims[h->rank++])) return bad(c, "a dim is no number");
        if (!eat(c, ',')) {
            if (!eat(c, ')')) return bad(c, "the shape does not end");
            break;
        }
    }
    return ADZE_OK;
}

static adze_dtype plain_dtype(char kind, int64_t size)
{
    static const struct {
        char kind;
        uint8_t size, dtype;
    } rows[] = {
        {'b', 1, ADZE_DTYPE_bool}, {'i', 1, ADZE_DTYPE_i8},    {'i', 2, ADZE_DTYPE_i16},
        {'i', 4, ADZE_DTYPE_i32},  {'i', 8, ADZE_DTYPE_i64},   {'u', 1, ADZE_DTYPE_u8},
        {'u', 2, ADZE_DTYPE_u16},  {'u', 4, ADZE_DTYPE_u32},   {'u', 8, ADZE_DTYPE_u64},
        {'f', 2, ADZE_DTYPE_f16},  {'f', 4, ADZE_DTYPE_f32},   {'f', 8, ADZE_DTYPE_f64},
        {'c', 8, ADZE_DTYPE_c64},  {'c', 16, ADZE_DTYPE_c128}, {'V', 1, ADZE_DTYPE_u8},
        {'V', 2, ADZE_DTYPE_u16},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].kind == kind && rows[i].size == size) return (adze_dtype)rows[i].dtype;
    return ADZE_DTYPE_NONE;
}

/* A byte order (absent in old files), a kind letter and a size. */
static adze_status parse_descr(cursor *c, npy_head *h)
{
    const char *text;
    size_t size;
    int64_t item = 0;
    if (eat(c, '['))
        return adze_io_fail(c->error, ADZE_ERR_UNSUPPORTED,
                            "%s: structured arrays are not supported", c->where);
    if (!eat_string(c, &text, &size) || size == 0) return bad(c, "descr is no string");
    char order = strchr("<>|=", *text) ? *text : '|';
    cursor digits = *c;
    digits.at = text + (strchr("<>|=", *text) ? 1 : 0);
    digits.end = text + size;
    char kind = digits.at < digits.end ? *digits.at++ : 0;
    if (!eat_number(&digits, &item) || digits.at != digits.end || item > INT32_MAX) kind = 0;
    h->item = (uint64_t)item;
    if (kind == 'S') {
        h->kind = NPY_BYTES;
        h->dtype = ADZE_DTYPE_str;
    } else if (kind == 'U') {
        h->kind = NPY_UNICODE;
        h->dtype = ADZE_DTYPE_str;
        h->item *= 4;
    } else {
        h->dtype = plain_dtype(kind, item);
    }
    if (h->dtype == ADZE_DTYPE_NONE)
        return adze_io_fail(c->error, ADZE_ERR_UNSUPPORTED,
                            "%s: element type '%.*s' is not supported", c->where,
                            (int)(size < 60 ? size : 60), text);
    if (order == '>' && (h->kind == NPY_UNICODE || (h->kind == NPY_PLAIN && h->item > 1)))
        return adze_io_fail(c->error, ADZE_ERR_UNSUPPORTED,
                            "%s: big-endian arrays are not supported", c->where);
    return ADZE_OK;
}

static adze_status parse_dict(cursor *c, npy_head *h)
{
    enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
    unsigned seen = 0;
    adze_status status = ADZE_OK;
    if (!eat(c, '{')) return bad(c, "no dict");
    while (!eat(c, '}')) {
        const char *key;
        size_t size;
        if (!eat_string(c, &key, &size) || !eat(c, ':')) return bad(c, "a key is missing");
        unsigned bit = size == 5 && !memcmp(key, "descr", 5)             ? DESCR
                       : size == 13 && !memcmp(key, "fortran_order", 13) ? ORDER
                       : size == 5 && !memcmp(key, "shape", 5)           ? SHAPE
                                                                         : 0;
        if (!bit || (seen & bit)) return bad(c, "an unknown or repeated key");
        seen |= bit;
        if (bit == DESCR) status = parse_descr(c, h);
        if (bit == SHAPE) status = parse_shape(c, h);
        if (bit == ORDER && !(h->is_fortran = eat_word(c, "True")) && !eat_word(c, "False"))
            status = bad(c, "fortran_order is neither True nor False");
        if (status) return status;
        if (!eat(c, ',')) {
            if (!eat(c, '}')) return bad(c, "the dict does not end");
            break;
        }
    }
    skip_space(c);
    if (c->at != c->end) return bad(c, "text behind the dict");
    return seen == (DESCR | ORDER | SHAPE) ? ADZE_OK : bad(c, "a key is missing");
}

static adze_status count_bytes(const cursor *c, npy_head *h)
{
    uint64_t count = 1;
    bool empty = h->item == 0 && h->kind == NPY_PLAIN, overflow = false;
    for (uint32_t i = 0; i < h->rank; i++) {
        empty |= h->dims[i] == 0;
        if (h->dims[i]) overflow |= __builtin_mul_overflow(count, (uint64_t)h->dims[i], &count);
    }
    h->count = empty ? 0 : count;
    overflow |= h->item == 0 && h->count > MAX_WITHOUT_BYTES; /* nothing in the file backs them */
    overflow |=
        count > UINT64_C(1) << 48 || __builtin_mul_overflow(h->count, h->item, &h->data_bytes);
    return overflow ? bad(c, "the shape is absurd") : ADZE_OK;
}

adze_status adze_io_npy_parse(const uint8_t *start, uint64_t bytes, npy_head *out_head,
                              const char *where, adze_io_error *error)
{
    *out_head = (npy_head){0};
    cursor c = {.where = where, .error = error};
    if (bytes < 10 || memcmp(start, "\x93NUMPY", 6) != 0)
        return adze_io_fail(error, ADZE_ERR_FORMAT, "%s: not a .npy", where);
    if (start[6] < 1 || start[6] > 3 || start[7] != 0)
        return adze_io_fail(error, ADZE_ERR_UNSUPPORTED, "%s: .npy version %u.%u is not supported",
                            where, start[6], start[7]);
    uint64_t at = start[6] == 1 ? 10 : 12;
    uint64_t length = (uint64_t)start[8] | (uint64_t)start[9] << 8;
    if (at > bytes) return bad(&c, "it is cut short");
    if (start[6] > 1) length |= (uint64_t)start[10] << 16 | (uint64_t)start[11] << 24;
    if (length > NPY_MAX_HEAD - at) return bad(&c, "it is too long");
    if (length > bytes - at) return bad(&c, "it is cut short");
    c.at = (const char *)start + at;
    c.end = c.at + length;
    out_head->head_bytes = at + length;
    adze_status status = parse_dict(&c, out_head);
    return status ? status : count_bytes(&c, out_head);
}
