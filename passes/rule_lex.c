/* Tokens of rule files, on top of the lexer of IR text. */
#include "passes/rule_lex.h"

#include <math.h>
#include <string.h>

void adze_rule_lex_fail(adze_rule_lexer *l, const char *format, const char *detail)
{
    if (l->token == ADZE_RULE_BAD) return;
    adze_context_add_text(l->context, l->file, l->source, strlen(l->source));
    adze_error(l->loc, format, detail);
    l->token = ADZE_RULE_BAD;
}

static void set_number(adze_rule_lexer *l, const adze_token *token, bool negative)
{
    uint64_t whole;
    l->number = adze_token_number(token);
    if (negative) l->number = -l->number;
    l->token = ADZE_RULE_FLOAT;
    if (token->kind != ADZE_TOKEN_INT) return;
    if (!adze_token_integer(token, &whole) || whole > INT64_MAX) {
        adze_rule_lex_fail(l, "%s", "the number is too large");
        return;
    }
    l->token = ADZE_RULE_INT;
    l->integer = negative ? -(int64_t)whole : (int64_t)whole;
}

static void set_infinity(adze_rule_lexer *l, bool negative)
{
    l->token = ADZE_RULE_FLOAT;
    l->number = negative ? -INFINITY : INFINITY;
}

static void set_id(adze_rule_lexer *l, const adze_token *token)
{
    if (adze_token_is(token, "inf")) {
        set_infinity(l, false);
        return;
    }
    bool absent = token->size == 1 && *token->text == '_';
    l->token = absent ? ADZE_RULE_PUNCT : ADZE_RULE_ID;
    l->punct = '_';
    l->text = adze_intern(l->context, token->text, token->size);
}

/* A character of its own, or one that belongs to the next token. */
static void set_punct(adze_rule_lexer *l, const adze_token *token)
{
    l->token = ADZE_RULE_PUNCT;
    l->punct = (char)token->kind;
    if (token->kind == '=' && l->lexer.at < l->lexer.end && *l->lexer.at == '>') {
        adze_lexer_next(&l->lexer);
        l->token = ADZE_RULE_ARROW;
    } else if (token->kind == '-') {
        adze_token next = adze_lexer_next(&l->lexer);
        if (next.kind == ADZE_TOKEN_INT || next.kind == ADZE_TOKEN_FLOAT)
            set_number(l, &next, true);
        else if (adze_token_is(&next, "inf"))
            set_infinity(l, true);
        else
            adze_rule_lex_fail(l, "%s", "expected a number after '-'");
    }
}

void adze_rule_lex_next(adze_rule_lexer *l)
{
    if (l->token == ADZE_RULE_BAD) return;
    l->last = l->lexer.at;
    adze_token token = adze_lexer_next(&l->lexer);
    l->loc = adze_loc_unknown(l->context);
    l->loc.file = l->file;
    l->loc.line = token.line;
    l->loc.col = token.col;
    switch (token.kind) {
    case ADZE_TOKEN_END: l->token = ADZE_RULE_END; break;
    case ADZE_TOKEN_ID: set_id(l, &token); break;
    case ADZE_TOKEN_VALUE:
        l->token = ADZE_RULE_VALUE;
        l->text = adze_internf(l->context, "%%%.*s", (int)token.size, token.text);
        break;
    case ADZE_TOKEN_AXIS:
        l->token = ADZE_RULE_DOLLAR;
        l->text = adze_internf(l->context, "$%.*s", (int)token.size, token.text);
        break;
    case ADZE_TOKEN_INT:
    case ADZE_TOKEN_FLOAT: set_number(l, &token, false); break;
    case ADZE_TOKEN_STRING:
        l->token = ADZE_RULE_STRING;
        l->text = adze_intern(l->context, token.text, token.size);
        break;
    case ADZE_TOKEN_ERROR: adze_rule_lex_fail(l, "%s", token.problem); break;
    case ADZE_TOKEN_SYMBOL:
    case ADZE_TOKEN_ARROW: adze_rule_lex_fail(l, "%s", "unexpected text"); break;
    default: set_punct(l, &token); break;
    }
}

void adze_rule_lex_start(adze_rule_lexer *l, adze_context *context, const char *file, const char *text)
{
    *l = (adze_rule_lexer){.context = context, .file = adze_intern_z(context, file), .source = text};
    adze_lexer_init(&l->lexer, text, strlen(text));
    l->token = ADZE_RULE_END;
    adze_rule_lex_next(l);
}
