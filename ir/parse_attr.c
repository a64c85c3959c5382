/* Attributes in IR text.
 *
 * An op's row says the kind of each of its attributes, so the value alone need not tell. Modules
 * and functions have free attributes: there the spelling decides, and dims are written `dim(N+1)`,
 * `dims(N, 2)`, types `type(f32[2])`.
 */
#include <string.h>

#include "ir/parse.h"

static bool parse_float(adze_parser *p, double *out)
{
    adze_token start = p->token;
    bool negative = adze_parse_take(p, '-');
    if (p->token.kind == ADZE_TOKEN_INT || p->token.kind == ADZE_TOKEN_FLOAT)
        *out = adze_token_number(&p->token);
    else if (adze_token_is(&p->token, "inf"))
        *out = __builtin_inf();
    else if (adze_token_is(&p->token, "nan"))
        *out = __builtin_nan("");
    else if (negative)
        return adze_parse_unexpected(p, "a number");
    else
        return adze_parse_error(p, &start, "expected a number, inf or nan");
    if (negative) *out = -*out;
    adze_parse_next(p);
    return true;
}

static bool parse_string(adze_parser *p, adze_string *out)
{
    if (p->token.kind != ADZE_TOKEN_STRING) return adze_parse_unexpected(p, "a string in quotes");
    size_t size;
    out->data = adze_parse_bytes(p, &p->token, &size);
    out->size = size;
    adze_parse_next(p);
    return true;
}

static bool parse_bool(adze_parser *p, int64_t *out)
{
    *out = adze_token_is(&p->token, "true");
    if (!*out && !adze_token_is(&p->token, "false"))
        return adze_parse_unexpected(p, "true or false");
    adze_parse_next(p);
    return true;
}

static bool parse_symbol(adze_parser *p, adze_string *out)
{
    if (p->token.kind != ADZE_TOKEN_SYMBOL) return adze_parse_unexpected(p, "a name after '@'");
    const char *name = adze_parse_name(p, &p->token);
    if (!name) return false;
    *out = (adze_string){name, strlen(name)};
    adze_parse_next(p);
    return true;
}

static bool parse_list(adze_parser *p, adze_attr_kind kind, adze_slot *out, int close);

/* One value of a known kind. */
static bool parse_value(adze_parser *p, adze_attr_kind kind, adze_slot *out)
{
    switch (kind) {
    case ADZE_ATTR_INT:
        return adze_parse_int(p, &out->i);
    case ADZE_ATTR_BOOL:
        return parse_bool(p, &out->i);
    case ADZE_ATTR_FLOAT:
        return parse_float(p, &out->f);
    case ADZE_ATTR_STR:
        return parse_string(p, &out->s);
    case ADZE_ATTR_SYM:
        return parse_symbol(p, &out->s);
    case ADZE_ATTR_TYPE:
        out->i = adze_parse_dtype_of(&p->token);
        if (out->i == ADZE_DTYPE_NONE) return adze_parse_unexpected(p, "an element type");
        adze_parse_next(p);
        return true;
    case ADZE_ATTR_DIM:
        return (out->object = adze_parse_dim(p)) != NULL;
    case ADZE_ATTR_TYPEREF:
        return (out->object = adze_parse_type(p)) != NULL;
    case ADZE_ATTR_INTS:
    case ADZE_ATTR_FLOATS:
    case ADZE_ATTR_STRS:
    case ADZE_ATTR_DIMS:
        return adze_parse_expect(p, '[', "'['") && parse_list(p, kind, out, ']');
    }
    return adze_parse_unexpected(p, "a value");
}

/* Entries and the closing token. */
static bool parse_list(adze_parser *p, adze_attr_kind kind, adze_slot *out, int close)
{
    adze_slot *slots = NULL;
    uint32_t n = 0, capacity = 0;
    adze_attr_kind entry = kind == ADZE_ATTR_INTS     ? ADZE_ATTR_INT
                           : kind == ADZE_ATTR_FLOATS ? ADZE_ATTR_FLOAT
                           : kind == ADZE_ATTR_STRS   ? ADZE_ATTR_STR
                                                      : ADZE_ATTR_DIM;
    while (p->token.kind != close) {
        if (n && !adze_parse_expect(p, ',', close == ']' ? "',' or ']'" : "',' or ')'"))
            return false;
        slots = adze_arena_grow(&p->arena, slots, n, &capacity, sizeof *slots);
        if (!parse_value(p, entry, &slots[n])) return false;
        n++;
    }
    adze_parse_next(p);
    if (kind == ADZE_ATTR_INTS) {
        int64_t *ints = ADZE_NEW_ARRAY(&p->arena, int64_t, n + 1u);
        for (uint32_t i = 0; i < n; i++) ints[i] = slots[i].i;
        out->ints = (adze_ints){ints, n};
    } else if (kind == ADZE_ATTR_FLOATS) {
        double *floats = ADZE_NEW_ARRAY(&p->arena, double, n + 1u);
        for (uint32_t i = 0; i < n; i++) floats[i] = slots[i].f;
        out->floats = (adze_floats){floats, n};
    } else if (kind == ADZE_ATTR_STRS) {
        const char **strs = ADZE_NEW_ARRAY(&p->context->arena, const char *, n + 1u);
        for (uint32_t i = 0; i < n; i++)
            strs[i] = adze_intern(p->context, slots[i].s.data, slots[i].s.size);
        out->object = strs;
    } else {
        const adze_dim **dims = ADZE_NEW_ARRAY(&p->arena, const adze_dim *, n + 1u);
        for (uint32_t i = 0; i < n; i++) dims[i] = slots[i].object;
        *out = adze_attr_dims_make(p->context, "", dims, n).value;
    }
    return true;
}

bool adze_parse_op_attrs(adze_parser *p, adze_op *op)
{
    uint64_t seen = 0;
    if (!adze_parse_expect(p, '{', "'{'")) return false;
    while (p->token.kind != '}') {
        if (seen && !adze_parse_expect(p, ',', "',' or '}'")) return false;
        adze_token name = p->token;
        if (name.kind != ADZE_TOKEN_ID) return adze_parse_unexpected(p, "an attribute's name");
        const char *text = adze_parse_name(p, &name);
        int index = adze_row_attr_index(op->row, text);
        if (index < 0)
            return adze_parse_error(p, &name, "%s has no attribute '%s'", op->row->name, text);
        if (seen & (UINT64_C(1) << index))
            return adze_parse_error(p, &name, "attribute '%s' is given twice", text);
        seen |= UINT64_C(1) << index;
        adze_parse_next(p);
        adze_attr attr = {.name = text, .kind = op->row->attrs[index].kind};
        if (!adze_parse_expect(p, '=', "'='") || !parse_value(p, attr.kind, &attr.value))
            return false;
        if (!adze_op_set_attr(op, attr))
            return adze_parse_error(p, &name, "attribute '%s' does not take this value", text);
    }
    adze_parse_next(p);
    return true;
}

/* The kind of a list, from its first entry; floats if any entry is one. */
static adze_attr_kind list_kind(const adze_parser *p)
{
    adze_lexer lexer = p->lexer;
    adze_attr_kind kind = ADZE_ATTR_INTS;
    for (adze_token t = adze_lexer_next(&lexer); t.kind != ']' && t.kind != ADZE_TOKEN_END;
         t = adze_lexer_next(&lexer)) {
        if (t.kind == ADZE_TOKEN_STRING) return ADZE_ATTR_STRS;
        if (t.kind == ADZE_TOKEN_FLOAT || t.kind == ADZE_TOKEN_ID) return ADZE_ATTR_FLOATS;
        if (t.kind != ADZE_TOKEN_INT && t.kind != ',' && t.kind != '-') break;
    }
    return kind;
}

/* `dim(…)`, `dims(…)`, `type(…)`. */
static bool parse_wrapped(adze_parser *p, adze_attr *attr)
{
    adze_token word = p->token;
    adze_parse_next(p);
    if (!adze_parse_expect(p, '(', "'('")) return false;
    if (adze_token_is(&word, "dims")) {
        attr->kind = ADZE_ATTR_DIMS;
        return parse_list(p, attr->kind, &attr->value, ')');
    }
    attr->kind = adze_token_is(&word, "dim") ? ADZE_ATTR_DIM : ADZE_ATTR_TYPEREF;
    return parse_value(p, attr->kind, &attr->value) && adze_parse_expect(p, ')', "')'");
}

static bool parse_free_value(adze_parser *p, adze_attr *attr)
{
    adze_token first = p->token.kind == '-' ? adze_parse_peek(p) : p->token;
    const adze_token *t = &first;
    if (t->kind == ADZE_TOKEN_INT)
        attr->kind = ADZE_ATTR_INT;
    else if (t->kind == ADZE_TOKEN_FLOAT || adze_token_is(t, "inf") || adze_token_is(t, "nan"))
        attr->kind = ADZE_ATTR_FLOAT;
    else if (t->kind == ADZE_TOKEN_STRING)
        attr->kind = ADZE_ATTR_STR;
    else if (t->kind == ADZE_TOKEN_SYMBOL)
        attr->kind = ADZE_ATTR_SYM;
    else if (adze_token_is(t, "true") || adze_token_is(t, "false"))
        attr->kind = ADZE_ATTR_BOOL;
    else if (adze_token_is(t, "dim") || adze_token_is(t, "dims") || adze_token_is(t, "type"))
        return parse_wrapped(p, attr);
    else if (adze_parse_dtype_of(t) != ADZE_DTYPE_NONE)
        attr->kind = ADZE_ATTR_TYPE;
    else if (t->kind == '[')
        attr->kind = list_kind(p);
    else
        return adze_parse_unexpected(p, "a value");
    return parse_value(p, attr->kind, &attr->value);
}

bool adze_parse_free_attrs(adze_parser *p, adze_func *func)
{
    if (!adze_parse_expect(p, '{', "'{'")) return false;
    for (uint32_t n = 0; p->token.kind != '}'; n++) {
        if (n && !adze_parse_expect(p, ',', "',' or '}'")) return false;
        adze_token name = p->token;
        adze_attr attr = {0};
        if (n == ADZE_PARSE_ATTRS) return adze_parse_error(p, &name, "more than %d attributes", ADZE_PARSE_ATTRS);
        if (name.kind != ADZE_TOKEN_ID) return adze_parse_unexpected(p, "an attribute's name");
        attr.name = adze_parse_name(p, &name);
        bool taken = func ? adze_func_find_attr(func, attr.name) != NULL
                          : adze_module_find_attr(p->module, attr.name) != NULL;
        if (taken) return adze_parse_error(p, &name, "attribute '%s' is given twice", attr.name);
        adze_parse_next(p);
        if (!adze_parse_expect(p, '=', "'='") || !parse_free_value(p, &attr)) return false;
        if (func)
            adze_func_set_attr(func, attr);
        else
            adze_module_set_attr(p->module, attr);
    }
    adze_parse_next(p);
    return true;
}
