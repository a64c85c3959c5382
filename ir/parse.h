/* What the files of the module parser share. The parser is recursive descent with one token of
 * lookahead; every nesting is bounded, so hostile text cannot exhaust the stack. */
#ifndef ADZE_PARSE_H
#define ADZE_PARSE_H

#include "ir/ir_private.h"
#include "ir/lex.h"

enum {
    ADZE_PARSE_DEPTH = 200,    /* nested types, expressions, lists and regions */
    ADZE_PARSE_TERMS = 1000,   /* operators of one dim expression */
    ADZE_PARSE_DERIVED = 1000, /* evaluations that one derived constant may need */
    ADZE_PARSE_ATTRS = 10000,  /* attributes of a module or function */
    ADZE_PARSE_NODES = 10000,  /* nodes that one op stands for */
    ADZE_PARSE_ERRORS = 50     /* reported errors; after that the parser gives up */
};

/* A name in scope. */
typedef struct adze_scope_entry {
    adze_ir_value *value; /* NULL = poisoned: its definition had an error that was reported */
    bool live;
} adze_scope_entry;

typedef struct adze_parser {
    adze_context *context;
    adze_module *module;
    const char *file;   /* interned */
    const char *folder; /* where blobs lie */
    adze_lexer lexer;
    adze_token token;   /* the next one */
    uint32_t last_line; /* of the token before it */
    adze_arena arena;
    adze_table values; /* interned name -> adze_scope_entry */
    adze_scope_entry **scope;
    uint32_t n_scope, scope_capacity;
    adze_table broken; /* names of constants whose definition had an error -> themselves */
    adze_table costs;  /* derived constant -> evaluations it needs, as an integer */
    uintptr_t cost;
    uint32_t depth, terms, errors;
    uint32_t braces; /* open ones before the next token */
    bool stop;       /* no more errors: unwinding */
} adze_parser;

/* A growing list of pointers in the parser's arena. */
typedef struct adze_parse_list {
    const void **items;
    uint32_t count, capacity;
} adze_parse_list;
void adze_parse_push(adze_parser *p, adze_parse_list *list, const void *item);

/* parse_token.c */
void adze_parse_next(adze_parser *p);
/* Consumes the token if it is of that kind. */
bool adze_parse_take(adze_parser *p, int kind);
/* Consumes the token or reports "expected WHAT, found …". */
bool adze_parse_expect(adze_parser *p, int kind, const char *what);
adze_loc adze_parse_at(const adze_parser *p, const adze_token *token);
/* Reports an error at `token`, unless the parser has given up; always false. */
bool adze_parse_error(adze_parser *p, const adze_token *token, const char *format, ...)
    ADZE_PRINTF(3, 4);
bool adze_parse_unexpected(adze_parser *p, const char *expected);
/* No more errors and no more tokens: all that is left is to return. */
void adze_parse_give_up(adze_parser *p);
/* False with an error where nesting is too deep; pair with adze_parse_leave. */
bool adze_parse_enter(adze_parser *p);
void adze_parse_leave(adze_parser *p);
/* Decoded text of a string or name; zero-ended, in the parser's arena. */
const char *adze_parse_bytes(adze_parser *p, const adze_token *token, size_t *out_size);
/* Interned name of an ID, VALUE, SYMBOL or STRING; NULL after an error. */
const char *adze_parse_name(adze_parser *p, const adze_token *token);
/* Token after the current one, which stays current. */
adze_token adze_parse_peek(const adze_parser *p);

/* parse_type.c */
const adze_dim *adze_parse_dim(adze_parser *p);
const adze_type *adze_parse_type(adze_parser *p);
/* ADZE_DTYPE_NONE if the token names none. */
adze_dtype adze_parse_dtype_of(const adze_token *token);
bool adze_parse_int(adze_parser *p, int64_t *out);

/* parse_op.c: reports that `name`, at `token`, is no op, and which one is near. */
void adze_parse_no_op(adze_parser *p, const adze_token *token, const char *name);

/* parse_attr.c: `{name = value, …}` with the opening brace current. */
bool adze_parse_op_attrs(adze_parser *p, adze_op *op);
/* Attributes of modules and functions: kinds come from the spelling. */
bool adze_parse_free_attrs(adze_parser *p, adze_func *func);

/* parse_const.c: after the keyword. */
bool adze_parse_const(adze_parser *p);

/* parse_op.c: `{` ops `}` of a function or region; `region` exists. */
bool adze_parse_region(adze_parser *p, adze_region *region);
void adze_parse_define(adze_parser *p, const adze_token *name, adze_ir_value *value);
bool adze_parse_args(adze_parser *p, adze_region *region);
void adze_parse_close_scope(adze_parser *p, uint32_t mark);
/* After an error: skips the rest of the line, up to where as many braces are open as `braces` says.
 * Moves on by at least one token if the next one is still `start`. */
void adze_parse_skip_line(adze_parser *p, const char *start, uint32_t braces);

#endif
