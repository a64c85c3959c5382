/* Types and dim expressions in IR text.
 *
 *     dim    := term (("+" | "-") term)*          term := factor ("*" factor)*
 *     factor := INT | "-" factor | "?" | "$" INT | ID | STRING | ID "(" dim "," dim ")" | "(" dim
 * ")"
 */
#include <string.h>

#include "ir/parse.h"
#include "ir/text.h"

bool adze_parse_int(adze_parser *p, int64_t *out)
{
    adze_token start = p->token;
    bool negative = adze_parse_take(p, '-');
    uint64_t magnitude;
    if (p->token.kind != ADZE_TOKEN_INT) return adze_parse_unexpected(p, "an integer");
    if (!adze_token_integer(&p->token, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
        return adze_parse_error(p, &start, "the integer does not fit 64 bits");
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    adze_parse_next(p);
    return true;
}

static const adze_dim *parse_call(adze_parser *p)
{
    static const struct {
        const char *name;
        adze_dim_kind kind;
    } functions[] = {{"floordiv", ADZE_DIM_FLOORDIV},
                     {"ceildiv", ADZE_DIM_CEILDIV},
                     {"mod", ADZE_DIM_MOD},
                     {"min", ADZE_DIM_MIN},
                     {"max", ADZE_DIM_MAX}};
    adze_token name = p->token;
    adze_parse_next(p);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (!adze_token_is(&name, functions[i].name)) continue;
        if (!adze_parse_expect(p, '(', "'('")) return NULL;
        const adze_dim *a = adze_parse_dim(p);
        if (!a || !adze_parse_expect(p, ',', "','")) return NULL;
        const adze_dim *b = adze_parse_dim(p);
        if (!b || !adze_parse_expect(p, ')', "')'")) return NULL;
        return adze_dim_binary(p->context, functions[i].kind, a, b);
    }
    adze_parse_error(p, &name, "no function '%.*s'; there are floordiv, ceildiv, mod, min, max",
                     name.size < 40 ? (int)name.size : 40, name.text);
    return NULL;
}

static const adze_dim *parse_axis(adze_parser *p)
{
    adze_token token = p->token;
    uint64_t index = 0;
    adze_parse_next(p);
    for (size_t i = 0; i < token.size; i++) {
        if (token.text[i] < '0' || token.text[i] > '9' || index > 100000) {
            adze_parse_error(p, &token, "expected a number of at most 6 digits after '$'");
            return NULL;
        }
        index = index * 10 + (uint64_t)(token.text[i] - '0');
    }
    return adze_dim_axis(p->context, (uint32_t)index);
}

static const adze_dim *parse_factor(adze_parser *p)
{
    int64_t value;
    const char *name;
    switch (p->token.kind) {
    case ADZE_TOKEN_INT:
        return adze_parse_int(p, &value) ? adze_dim_const(p->context, value) : NULL;
    case '-': {
        if (adze_parse_peek(p).kind == ADZE_TOKEN_INT)
            return adze_parse_int(p, &value) ? adze_dim_const(p->context, value) : NULL;
        adze_parse_next(p);
        if (!adze_parse_enter(p)) return NULL;
        const adze_dim *dim = parse_factor(p);
        adze_parse_leave(p);
        return dim ? adze_dim_mul_const(p->context, dim, -1) : NULL;
    }
    case '?':
        adze_parse_next(p);
        return adze_dim_unknown(p->context);
    case ADZE_TOKEN_AXIS:
        return parse_axis(p);
    case ADZE_TOKEN_ID:
        if (adze_parse_peek(p).kind == '(') return parse_call(p);
        /* fall through */
    case ADZE_TOKEN_STRING:
        name = adze_parse_name(p, &p->token);
        adze_parse_next(p);
        return name ? adze_dim_symbol(p->context, name) : NULL;
    case '(': {
        adze_parse_next(p);
        const adze_dim *dim = adze_parse_dim(p);
        return dim && adze_parse_expect(p, ')', "')'") ? dim : NULL;
    }
    default:
        adze_parse_unexpected(p, "a dim");
        return NULL;
    }
}

static bool count_term(adze_parser *p)
{
    if (++p->terms <= ADZE_PARSE_TERMS) return true;
    return adze_parse_error(p, &p->token, "a dim expression of more than %d terms",
                            ADZE_PARSE_TERMS);
}

static const adze_dim *parse_term(adze_parser *p)
{
    const adze_dim *dim = parse_factor(p);
    while (dim && adze_parse_take(p, '*')) {
        const adze_dim *factor = count_term(p) ? parse_factor(p) : NULL;
        dim = factor ? adze_dim_mul(p->context, dim, factor) : NULL;
    }
    return dim;
}

const adze_dim *adze_parse_dim(adze_parser *p)
{
    if (!adze_parse_enter(p)) return NULL;
    uint32_t outer = p->terms;
    const adze_dim *dim = parse_term(p);
    while (dim && (p->token.kind == '+' || p->token.kind == '-')) {
        bool minus = p->token.kind == '-';
        adze_parse_next(p);
        const adze_dim *term = count_term(p) ? parse_term(p) : NULL;
        if (!term)
            dim = NULL;
        else
            dim = minus ? adze_dim_sub(p->context, dim, term) : adze_dim_add(p->context, dim, term);
    }
    if (outer == 0) p->terms = 0;
    adze_parse_leave(p);
    return dim;
}

adze_dtype adze_parse_dtype_of(const adze_token *token)
{
    for (unsigned i = 1; i < ADZE_DTYPE_COUNT; i++)
        if (adze_token_is(token, adze_dtype_text((adze_dtype)i))) return (adze_dtype)i;
    return ADZE_DTYPE_NONE;
}

adze_dtype adze_dtype_find(const char *name)
{
    for (unsigned i = 1; i < ADZE_DTYPE_COUNT; i++)
        if (!strcmp(adze_dtype_text((adze_dtype)i), name)) return (adze_dtype)i;
    return ADZE_DTYPE_NONE;
}

/* `[dims]` after the opening bracket. */
static bool parse_dims(adze_parser *p, const adze_dim **dims, uint32_t *rank)
{
    *rank = 0;
    if (adze_parse_take(p, ']')) return true;
    do {
        adze_token at = p->token;
        if (*rank == ADZE_MAX_RANK)
            return adze_parse_error(p, &at, "a rank above %d", ADZE_MAX_RANK);
        const adze_dim *dim = adze_parse_dim(p);
        if (!dim) return false;
        int64_t value;
        if (adze_dim_is_const(dim, &value) && value < 0)
            return adze_parse_error(p, &at, "a dim is at least 0");
        dims[(*rank)++] = dim;
    } while (adze_parse_take(p, ','));
    return adze_parse_expect(p, ']', "',' or ']'");
}

/* `[numbers]`, one per axis. */
static bool parse_numbers(adze_parser *p, uint32_t rank, int64_t max, int64_t *out)
{
    adze_token start = p->token;
    uint32_t n = 0;
    if (!adze_parse_expect(p, '[', "'['")) return false;
    while (p->token.kind != ']') {
        adze_token at = p->token;
        int64_t value;
        if (n == rank || (n && !adze_parse_expect(p, ',', "',' or ']'"))) break;
        at = p->token;
        if (!adze_parse_int(p, &value)) return false;
        if (value < 0 || value > max)
            return adze_parse_error(p, &at, "expected a number from 0 to %lld", (long long)max);
        out[n++] = value;
    }
    if (n != rank || p->token.kind != ']')
        return adze_parse_error(p, &start, "expected %u numbers, one for each axis", rank);
    adze_parse_next(p);
    return true;
}

static bool parse_perm(adze_parser *p, uint32_t rank, adze_layout *layout)
{
    adze_token start = p->token;
    int64_t perm[ADZE_MAX_RANK];
    bool seen[ADZE_MAX_RANK] = {false};
    if (!parse_numbers(p, rank, (int64_t)rank - 1, perm)) return false;
    for (uint32_t i = 0; i < rank; i++) {
        if (seen[perm[i]]) return adze_parse_error(p, &start, "not a permutation of the axes");
        seen[perm[i]] = true;
        layout->perm[i] = (uint8_t)perm[i];
    }
    layout->has_perm = true;
    return true;
}

/* `<perm=[..], halo=[..], pad=[..], block=[..]>` after the '<'. */
static bool parse_layout(adze_parser *p, uint32_t rank, adze_layout *layout)
{
    do {
        adze_token key = p->token;
        if (key.kind != ADZE_TOKEN_ID) return adze_parse_unexpected(p, "perm, halo, pad or block");
        adze_parse_next(p);
        if (!adze_parse_expect(p, '=', "'='")) return false;
        if (adze_token_is(&key, "perm")) {
            if (!parse_perm(p, rank, layout)) return false;
            continue;
        }
        uint32_t *field = adze_token_is(&key, "halo")    ? layout->halo
                          : adze_token_is(&key, "pad")   ? layout->pad
                          : adze_token_is(&key, "block") ? layout->block
                                                         : NULL;
        if (!field) return adze_parse_error(p, &key, "a layout has perm, halo, pad and block only");
        int64_t numbers[ADZE_MAX_RANK];
        if (!parse_numbers(p, rank, 1 << 20, numbers)) return false;
        for (uint32_t i = 0; i < rank; i++) field[i] = (uint32_t)numbers[i];
    } while (adze_parse_take(p, ','));
    return adze_parse_expect(p, '>', "',' or '>'");
}

/* `f32[…]<layout>` after the dtype, at '['. */
static const adze_type *parse_tensor(adze_parser *p, adze_dtype dtype)
{
    const adze_dim *dims[ADZE_MAX_RANK];
    adze_layout layout = {0};
    uint32_t rank;
    adze_parse_next(p);
    if (p->token.kind == '*') {
        adze_parse_next(p);
        return adze_parse_expect(p, ']', "']'") ? adze_type_unranked(p->context, dtype) : NULL;
    }
    if (!parse_dims(p, dims, &rank)) return NULL;
    if (adze_parse_take(p, '<') && !parse_layout(p, rank, &layout)) return NULL;
    return adze_type_tensor(p->context, dtype, rank, dims, &layout);
}

/* `<strides=[..], align=64, alias=2>` after the '<'. */
static bool parse_buffer_options(adze_parser *p, uint32_t rank, const adze_dim **strides,
                                 bool *has_strides, int64_t *align, int64_t *alias)
{
    do {
        adze_token key = p->token;
        uint32_t n = 0;
        if (key.kind != ADZE_TOKEN_ID) return adze_parse_unexpected(p, "strides, align or alias");
        adze_parse_next(p);
        if (!adze_parse_expect(p, '=', "'='")) return false;
        adze_token at = p->token;
        if (adze_token_is(&key, "strides")) {
            if (!adze_parse_expect(p, '[', "'['")) return false;
            while (p->token.kind != ']' && n < rank) {
                if (n && !adze_parse_expect(p, ',', "',' or ']'")) return false;
                if (!(strides[n++] = adze_parse_dim(p))) return false;
            }
            if (n != rank || p->token.kind != ']')
                return adze_parse_error(p, &at, "expected %u strides, one for each axis", rank);
            adze_parse_next(p);
            *has_strides = true;
        } else if (adze_token_is(&key, "align")) {
            if (!adze_parse_int(p, align)) return false;
            if (*align < 0 || *align > 4096 || (*align & (*align - 1)))
                return adze_parse_error(p, &at, "an alignment is a power of two up to 4096");
        } else if (adze_token_is(&key, "alias")) {
            if (!adze_parse_int(p, alias)) return false;
            if (*alias < 0 || *alias > 1000000)
                return adze_parse_error(p, &at, "an alias class is from 0 to 1000000");
        } else {
            return adze_parse_error(p, &key, "a buffer has strides, align and alias only");
        }
    } while (adze_parse_take(p, ','));
    return adze_parse_expect(p, '>', "',' or '>'");
}

/* `(f32[…]<…>)` after the word buffer. */
static const adze_type *parse_buffer(adze_parser *p)
{
    const adze_dim *dims[ADZE_MAX_RANK], *strides[ADZE_MAX_RANK];
    int64_t align = 0, alias = 0;
    bool has_strides = false;
    uint32_t rank;
    if (!adze_parse_expect(p, '(', "'('")) return NULL;
    adze_dtype dtype = adze_parse_dtype_of(&p->token);
    if (dtype == ADZE_DTYPE_NONE) {
        adze_parse_unexpected(p, "an element type");
        return NULL;
    }
    adze_parse_next(p);
    if (!adze_parse_expect(p, '[', "'['") || !parse_dims(p, dims, &rank)) return NULL;
    if (adze_parse_take(p, '<') &&
        !parse_buffer_options(p, rank, strides, &has_strides, &align, &alias))
        return NULL;
    if (!adze_parse_expect(p, ')', "')'")) return NULL;
    return adze_type_buffer(p->context, dtype, rank, dims, has_strides ? strides : NULL,
                            (uint32_t)align, (uint32_t)alias);
}

/* sequence(T), optional(T), map(K, T) after the word. */
static const adze_type *parse_container(adze_parser *p, const adze_token *word)
{
    adze_dtype key = ADZE_DTYPE_NONE;
    bool map = adze_token_is(word, "map");
    if (!adze_parse_expect(p, '(', "'('")) return NULL;
    if (map) {
        key = adze_parse_dtype_of(&p->token);
        if (key == ADZE_DTYPE_NONE) {
            adze_parse_unexpected(p, "an element type");
            return NULL;
        }
        adze_parse_next(p);
        if (!adze_parse_expect(p, ',', "','")) return NULL;
    }
    if (!adze_parse_enter(p)) return NULL;
    const adze_type *element = adze_parse_type(p);
    adze_parse_leave(p);
    if (!element || !adze_parse_expect(p, ')', "')'")) return NULL;
    return map                               ? adze_type_map(p->context, key, element)
           : adze_token_is(word, "sequence") ? adze_type_sequence(p->context, element)
                                             : adze_type_optional(p->context, element);
}

const adze_type *adze_parse_type(adze_parser *p)
{
    adze_token word = p->token;
    if (word.kind != ADZE_TOKEN_ID) {
        adze_parse_unexpected(p, "a type");
        return NULL;
    }
    adze_parse_next(p);
    adze_dtype dtype = adze_parse_dtype_of(&word);
    if (dtype != ADZE_DTYPE_NONE)
        return p->token.kind == '[' ? parse_tensor(p, dtype) : adze_type_scalar(p->context, dtype);
    if (word.size > 3 && memcmp(word.text + word.size - 3, "x16", 3) == 0) {
        adze_token element = word;
        element.size -= 3;
        dtype = adze_parse_dtype_of(&element);
        if (dtype != ADZE_DTYPE_NONE) return adze_type_vector(p->context, dtype);
    }
    if (adze_token_is(&word, "buffer")) return parse_buffer(p);
    if (adze_token_is(&word, "sequence") || adze_token_is(&word, "optional") ||
        adze_token_is(&word, "map"))
        return parse_container(p, &word);
    if (adze_token_is(&word, "none")) return adze_type_none(p->context);
    adze_parse_error(p, &word, "no type '%.*s'", word.size < 40 ? (int)word.size : 40, word.text);
    return NULL;
}
