/* The parser's handling of tokens, names and errors. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/parse.h"

void adze_parse_push(adze_parser *p, adze_parse_list *list, const void *item)
{
    list->items = adze_arena_grow(&p->arena, (void *)list->items, list->count, &list->capacity,
                                  sizeof *list->items);
    list->items[list->count++] = item;
}

void adze_parse_next(adze_parser *p)
{
    p->last_line = p->token.line;
    if (p->token.kind == '{') p->braces++;
    if (p->token.kind == '}' && p->braces) p->braces--;
    p->token = adze_lexer_next(&p->lexer);
    if (p->stop) {
        p->token.kind = ADZE_TOKEN_END;
        return;
    }
    while (p->token.kind == ADZE_TOKEN_ERROR && !p->stop) {
        adze_parse_error(p, &p->token, "%s", p->token.problem);
        p->token = adze_lexer_next(&p->lexer);
    }
    if (p->stop) p->token.kind = ADZE_TOKEN_END;
}

bool adze_parse_take(adze_parser *p, int kind)
{
    if (p->token.kind != kind) return false;
    adze_parse_next(p);
    return true;
}

bool adze_parse_expect(adze_parser *p, int kind, const char *what)
{
    return adze_parse_take(p, kind) || adze_parse_unexpected(p, what);
}

adze_loc adze_parse_at(const adze_parser *p, const adze_token *token)
{
    return (adze_loc){
        .context = p->context, .file = p->file, .line = token->line, .col = token->col};
}

void adze_parse_give_up(adze_parser *p)
{
    p->stop = true;
    p->token.kind = ADZE_TOKEN_END;
}

bool adze_parse_error(adze_parser *p, const adze_token *token, const char *format, ...)
{
    if (p->stop) return false;
    va_list args;
    va_start(args, format);
    adze_verror(ADZE_ERROR, adze_parse_at(p, token), format, args);
    va_end(args);
    if (++p->errors == ADZE_PARSE_ERRORS) {
        adze_error(adze_parse_at(p, token), "too many errors; the rest of the text is not read");
        adze_parse_give_up(p);
    }
    return false;
}

bool adze_parse_unexpected(adze_parser *p, const char *expected)
{
    const adze_token *token = &p->token;
    if (token->kind == ADZE_TOKEN_END)
        return adze_parse_error(p, token, "expected %s, but the text ends here", expected);
    const char *sigil = token->kind == ADZE_TOKEN_VALUE    ? "%"
                        : token->kind == ADZE_TOKEN_SYMBOL ? "@"
                        : token->kind == ADZE_TOKEN_AXIS   ? "$"
                                                           : "";
    const char *quote = token->quoted || token->kind == ADZE_TOKEN_STRING ? "\"" : "";
    int shown = token->size < 40 ? (int)token->size : 40;
    return adze_parse_error(p, token, "expected %s, found '%s%s%.*s%s'", expected, sigil, quote,
                            shown, token->text, token->size > 40 ? "…" : quote);
}

bool adze_parse_enter(adze_parser *p)
{
    if (p->depth == ADZE_PARSE_DEPTH) {
        adze_parse_error(p, &p->token, "nested more than %d deep", ADZE_PARSE_DEPTH);
        adze_parse_give_up(p); /* what follows cannot be told apart any more */
        return false;
    }
    p->depth++;
    return true;
}

void adze_parse_leave(adze_parser *p) { p->depth--; }

const char *adze_parse_bytes(adze_parser *p, const adze_token *token, size_t *out_size)
{
    char *text = adze_arena_alloc(&p->arena, token->size + 1);
    *out_size = adze_token_decode(token, text);
    return text;
}

const char *adze_parse_name(adze_parser *p, const adze_token *token)
{
    size_t size = token->size;
    const char *text = token->text;
    if (token->quoted || token->kind == ADZE_TOKEN_STRING) text = adze_parse_bytes(p, token, &size);
    if (size == 0 || memchr(text, 0, size)) {
        adze_parse_error(p, token, "a name cannot be empty or contain a zero byte");
        return NULL;
    }
    return adze_intern(p->context, text, size);
}

adze_token adze_parse_peek(const adze_parser *p)
{
    adze_lexer lexer = p->lexer;
    return adze_lexer_next(&lexer);
}

void adze_parse_skip_line(adze_parser *p, const char *start, uint32_t braces)
{
    while (p->token.kind != ADZE_TOKEN_END) {
        if (p->braces <= braces &&
            (p->token.kind == '}' || (p->token.line > p->last_line && p->token.text != start)))
            return;
        adze_parse_next(p);
    }
}
