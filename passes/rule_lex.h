/* Tokens of rule files: those of IR text, with signs joined to numbers and `=>` to one token. */
#ifndef ADZE_RULE_LEX_H
#define ADZE_RULE_LEX_H

#include <adze/ir.h>

#include "ir/lex.h"

typedef enum adze_rule_token {
    ADZE_RULE_END,
    ADZE_RULE_BAD,    /* reported already */
    ADZE_RULE_ID,     /* text */
    ADZE_RULE_VALUE,  /* %x: text with the sigil */
    ADZE_RULE_DOLLAR, /* $c: text with the sigil */
    ADZE_RULE_INT,    /* integer and number */
    ADZE_RULE_FLOAT,  /* number */
    ADZE_RULE_STRING, /* text */
    ADZE_RULE_ARROW,  /* => */
    ADZE_RULE_PUNCT   /* one of ( ) { } [ ] , = : ? * _ */
} adze_rule_token;

typedef struct adze_rule_lexer {
    adze_context *context;
    adze_lexer lexer;
    const char *file, *source;
    adze_rule_token token; /* the current one */
    adze_loc loc;          /* of the current one */
    const char *last;      /* end of the one before, in `source` */
    const char *text;      /* interned */
    int64_t integer;
    double number;
    char punct;
} adze_rule_lexer;

/* Starts at the first token. */
void adze_rule_lex_start(adze_rule_lexer *lexer, adze_context *context, const char *file,
                         const char *text);
void adze_rule_lex_next(adze_rule_lexer *lexer);
/* Reports at the current token, with its line, and makes the token BAD; nothing where it is already. */
void adze_rule_lex_fail(adze_rule_lexer *lexer, const char *format, const char *detail);

#endif
