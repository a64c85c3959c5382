/* Tokens of IR text, for the module parser and for the rules of passes. */
#ifndef ADZE_LEX_H
#define ADZE_LEX_H

#include <adze/ir.h>

/* Single characters are tokens of their own code. */
enum {
    ADZE_TOKEN_END = 0,
    ADZE_TOKEN_ID = 256,
    ADZE_TOKEN_VALUE,  /* %name, %12, %"any text" */
    ADZE_TOKEN_SYMBOL, /* @name, @"any text" */
    ADZE_TOKEN_AXIS,   /* $0, $name */
    ADZE_TOKEN_INT,
    ADZE_TOKEN_FLOAT,
    ADZE_TOKEN_STRING,
    ADZE_TOKEN_ARROW, /* -> */
    ADZE_TOKEN_ERROR  /* `problem` says what is wrong */
};

typedef struct adze_token {
    int kind;
    bool quoted;      /* VALUE or SYMBOL in quotes */
    const char *text; /* without sigil and quotes, escapes as they stand */
    size_t size;
    uint32_t line, col; /* 1-based; columns count bytes */
    const char *problem;
} adze_token;

typedef struct adze_lexer {
    const char *at, *end, *line_start;
    uint32_t line;
} adze_lexer;

void adze_lexer_init(adze_lexer *lexer, const char *text, size_t size);
/* Never fails: what is no token is one of kind ERROR, and at the end there is END for ever. */
adze_token adze_lexer_next(adze_lexer *lexer);
/* Writes the text with escapes resolved, at most token->size bytes and a zero byte; returns the
 * length. */
size_t adze_token_decode(const adze_token *token, char *out);
/* True if the token is this identifier. */
bool adze_token_is(const adze_token *token, const char *id);
/* Magnitude of an INT token; false if it has more than 64 bits. */
bool adze_token_integer(const adze_token *token, uint64_t *out);
/* Value of an INT or FLOAT token. */
double adze_token_number(const adze_token *token);

#endif
