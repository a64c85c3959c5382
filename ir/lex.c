/* Cuts IR text into tokens. One character of lookahead; bytes that are no UTF-8 are errors. */
#include "ir/lex.h"

#include <adze/digit.h>

#include <string.h>

#include "ir/text.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

void adze_lexer_init(adze_lexer *lexer, const char *text, size_t size)
{
    *lexer = (adze_lexer){.at = text, .end = text + size, .line_start = text, .line = 1};
}

static char peek(const adze_lexer *lexer, size_t ahead)
{
    return (size_t)(lexer->end - lexer->at) > ahead ? lexer->at[ahead] : 0;
}

static void skip_blank(adze_lexer *lexer)
{
    while (lexer->at < lexer->end) {
        char c = *lexer->at;
        if (c == '\n') {
            lexer->at++;
            lexer->line++;
            lexer->line_start = lexer->at;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            lexer->at++;
        } else if (c == '/' && peek(lexer, 1) == '/') {
            const char *end = memchr(lexer->at, '\n', (size_t)(lexer->end - lexer->at));
            lexer->at = end ? end : lexer->end;
        } else {
            return;
        }
    }
}

static void fail(adze_token *token, const char *problem)
{
    token->kind = ADZE_TOKEN_ERROR;
    token->problem = problem;
}

/* At the opening quote. Strings end on their line. */
static void lex_string(adze_lexer *lexer, adze_token *token)
{
    const char *start = ++lexer->at;
    while (lexer->at < lexer->end && *lexer->at != '"') {
        size_t n = adze_utf8_length(lexer->at, lexer->end);
        if (*lexer->at == '\n' || (unsigned char)*lexer->at < 0x20) {
            fail(token, "the string has no closing quote on its line");
            return;
        }
        if (n == 0) {
            fail(token, "the string is not UTF-8; write other bytes as \\xHH");
            lexer->at++;
            continue;
        }
        if (*lexer->at == '\\') {
            char c = peek(lexer, 1);
            if (c == 'x' && adze_hex_digit(peek(lexer, 2)) >= 0 && adze_hex_digit(peek(lexer, 3)) >= 0)
                n = 4;
            else if (c && strchr("\"\\nt", c))
                n = 2;
            else
                fail(token, "unknown escape; there are \\\" \\\\ \\n \\t \\xHH");
        }
        lexer->at += n;
    }
    if (lexer->at == lexer->end) {
        fail(token, "the string has no closing quote");
        return;
    }
    token->text = start;
    token->size = (size_t)(lexer->at - start);
    lexer->at++;
}

/* After the sigil. `dots`: names may contain '.'. */
static void lex_name(adze_lexer *lexer, adze_token *token, int kind)
{
    token->kind = kind;
    lexer->at++;
    if (peek(lexer, 0) == '"' && kind != ADZE_TOKEN_AXIS) {
        token->quoted = true;
        lex_string(lexer, token);
        return;
    }
    const char *start = lexer->at;
    if (adze_is_digit(peek(lexer, 0)))
        while (adze_is_digit(peek(lexer, 0))) lexer->at++;
    else
        while (is_letter(peek(lexer, 0)) || adze_is_digit(peek(lexer, 0)) ||
               (peek(lexer, 0) == '.' && lexer->at > start && kind != ADZE_TOKEN_AXIS))
            lexer->at++;
    token->text = start;
    token->size = (size_t)(lexer->at - start);
    if (token->size == 0) fail(token, "expected a name after the sigil");
}

static void lex_number(adze_lexer *lexer, adze_token *token)
{
    bool hex = peek(lexer, 0) == '0' && (peek(lexer, 1) == 'x' || peek(lexer, 1) == 'X');
    token->kind = ADZE_TOKEN_INT;
    if (hex) lexer->at += 2;
    for (;; lexer->at++) {
        char c = peek(lexer, 0);
        bool exponent = hex ? c == 'p' || c == 'P' : c == 'e' || c == 'E';
        if (exponent || c == '.') {
            token->kind = ADZE_TOKEN_FLOAT;
            char sign = peek(lexer, 1);
            if (exponent && (sign == '+' || sign == '-')) lexer->at++;
        } else if (!(hex ? adze_hex_digit(c) >= 0 : adze_is_digit(c))) {
            break;
        }
    }
    token->size = (size_t)(lexer->at - token->text);
    if (is_letter(peek(lexer, 0))) fail(token, "malformed number");
    if (token->size > 400) fail(token, "the number has more than 400 digits");
    if (token->kind == ADZE_TOKEN_FLOAT || (hex && token->kind == ADZE_TOKEN_INT)) {
        char text[404], *end;
        memcpy(text, token->text, token->size);
        text[token->size] = 0;
        adze_text_to_double(text, &end);
        if (*end) fail(token, "malformed number");
    }
}

adze_token adze_lexer_next(adze_lexer *lexer)
{
    skip_blank(lexer);
    adze_token token = {.kind = ADZE_TOKEN_END,
                        .text = lexer->at,
                        .line = lexer->line,
                        .col = (uint32_t)(lexer->at - lexer->line_start) + 1};
    if (lexer->at == lexer->end) return token;
    char c = *lexer->at;
    if (c == '%' || c == '@' || c == '$') {
        lex_name(lexer, &token,
                 c == '%'   ? ADZE_TOKEN_VALUE
                 : c == '@' ? ADZE_TOKEN_SYMBOL
                            : ADZE_TOKEN_AXIS);
    } else if (c == '"') {
        token.kind = ADZE_TOKEN_STRING;
        lex_string(lexer, &token);
    } else if (is_letter(c)) {
        while (is_letter(peek(lexer, 0)) || adze_is_digit(peek(lexer, 0))) lexer->at++;
        token.kind = ADZE_TOKEN_ID;
        token.size = (size_t)(lexer->at - token.text);
    } else if (adze_is_digit(c)) {
        lex_number(lexer, &token);
    } else if (c == '-' && peek(lexer, 1) == '>') {
        lexer->at += 2;
        token.kind = ADZE_TOKEN_ARROW;
        token.size = 2;
    } else {
        size_t n = adze_utf8_length(lexer->at, lexer->end);
        lexer->at += n ? n : 1;
        token.kind = c;
        token.size = n ? n : 1;
        if (n == 0)
            fail(&token, "a byte that is not UTF-8");
        else if (c == 0 || !strchr("()[]{}<>,:=+-*?", c))
            fail(&token, "unexpected character");
    }
    return token;
}

size_t adze_token_decode(const adze_token *token, char *out)
{
    size_t size = 0;
    for (const char *at = token->text, *end = at + token->size; at < end; at++) {
        char c = *at;
        if (c == '\\') {
            c = *++at;
            if (c == 'n') c = '\n';
            if (c == 't') c = '\t';
            if (c == 'x') {
                c = (char)(adze_hex_digit(at[1]) * 16 + adze_hex_digit(at[2]));
                at += 2;
            }
        }
        out[size++] = c;
    }
    out[size] = 0;
    return size;
}

bool adze_token_is(const adze_token *token, const char *id)
{
    return token->kind == ADZE_TOKEN_ID && token->size == strlen(id) &&
           memcmp(token->text, id, token->size) == 0;
}

bool adze_token_integer(const adze_token *token, uint64_t *out)
{
    bool hex = token->size > 2 && (token->text[1] == 'x' || token->text[1] == 'X');
    uint64_t value = 0, base = hex ? 16 : 10;
    for (size_t i = hex ? 2 : 0; i < token->size; i++)
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, (uint64_t)adze_hex_digit(token->text[i]), &value))
            return false;
    *out = value;
    return true;
}

double adze_token_number(const adze_token *token)
{
    char text[404];
    size_t size = token->size < 403 ? token->size : 403;
    memcpy(text, token->text, size);
    text[size] = 0;
    return adze_text_to_double(text, NULL);
}
