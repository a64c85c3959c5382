/* Modules and functions in IR text; entry of the parser.
 *
 *     module := "module" SYM attrs? "{" (const | func)* "}" | (const | func)*
 *     func   := "func" SYM "(" (VAL ":" type),* ")" "->" "(" ((VAL ":")? type),* ")" attrs? "{" op*
 * "}"
 *
 * After `{`, an ID followed by `=` tells attributes from contents.
 */
#include <string.h>

#include "ir/parse.h"

/* At '{': are these attributes? */
static bool attrs_follow(const adze_parser *p)
{
    adze_lexer lexer = p->lexer;
    return adze_lexer_next(&lexer).kind == ADZE_TOKEN_ID && adze_lexer_next(&lexer).kind == '=';
}

/* `(…)` after the arrow. */
static bool parse_results(adze_parser *p, adze_func *func)
{
    adze_parse_list types = {0}, names = {0};
    if (!adze_parse_expect(p, '(', "'('")) return false;
    while (p->token.kind != ')') {
        if (types.count && !adze_parse_expect(p, ',', "',' or ')'")) return false;
        const char *name = NULL;
        adze_token at = p->token;
        if (adze_parse_take(p, ADZE_TOKEN_VALUE)) {
            if (!(name = adze_parse_name(p, &at)) || !adze_parse_expect(p, ':', "':'"))
                return false;
        }
        const adze_type *type = adze_parse_type(p);
        if (!type) return false;
        adze_parse_push(p, &types, type);
        adze_parse_push(p, &names, name);
    }
    adze_parse_next(p);
    adze_func_set_results(func, (const adze_type *const *)(void *)types.items,
                          (const char *const *)(void *)names.items, types.count);
    return true;
}

/* After the word func. */
static bool parse_func(adze_parser *p)
{
    adze_token at = p->token;
    if (!adze_parse_expect(p, ADZE_TOKEN_SYMBOL, "a function's name after '@'")) return false;
    const char *name = adze_parse_name(p, &at);
    if (!name) return false;
    if (adze_module_find_func(p->module, name))
        return adze_parse_error(p, &at, "function @%s is defined twice", name);
    adze_func *func = adze_module_add_func(p->module, name);
    func->loc = adze_parse_at(p, &at);
    uint32_t mark = p->n_scope;
    bool ok = adze_parse_args(p, adze_func_body(func)) &&
              adze_parse_expect(p, ADZE_TOKEN_ARROW, "'->'") && parse_results(p, func);
    if (ok && p->token.kind == '{' && attrs_follow(p)) ok = adze_parse_free_attrs(p, func);
    if (ok) ok = adze_parse_region(p, adze_func_body(func));
    adze_parse_close_scope(p, mark);
    return ok;
}

/* To the next const or func that starts a line, or to the end. */
static void resync(adze_parser *p)
{
    while (p->token.kind != ADZE_TOKEN_END) {
        bool starts = adze_token_is(&p->token, "func") || adze_token_is(&p->token, "const");
        if (starts && p->token.line > p->last_line) return;
        adze_parse_next(p);
    }
}

static void parse_contents(adze_parser *p)
{
    while (p->token.kind != '}' && p->token.kind != ADZE_TOKEN_END) {
        uint32_t errors = p->errors;
        bool func = adze_token_is(&p->token, "func");
        if (func || adze_token_is(&p->token, "const")) {
            adze_parse_next(p);
            if (func ? parse_func(p) : adze_parse_const(p)) continue;
        } else {
            adze_parse_unexpected(p, "'const' or 'func'");
        }
        if (p->errors > errors && p->token.kind != '}') resync(p);
    }
}

static void parse_module(adze_parser *p)
{
    const char *name = "module";
    bool wrapped = adze_token_is(&p->token, "module");
    if (wrapped) {
        adze_parse_next(p);
        adze_token at = p->token;
        if (!adze_parse_expect(p, ADZE_TOKEN_SYMBOL, "the module's name after '@'")) return;
        if (!(name = adze_parse_name(p, &at))) return;
    }
    p->module = adze_module_create(p->context, name);
    if (wrapped) {
        if (p->token.kind == '{' && attrs_follow(p) && !adze_parse_free_attrs(p, NULL)) return;
        if (!adze_parse_expect(p, '{', "'{'")) return;
    }
    parse_contents(p);
    if (p->errors && p->token.kind == ADZE_TOKEN_END) return;
    if (wrapped) adze_parse_expect(p, '}', "'}'");
    if (p->token.kind != ADZE_TOKEN_END) adze_parse_unexpected(p, "the end of the text");
}

adze_module *adze_module_parse(adze_context *context, const char *file, const char *text,
                               size_t size)
{
    adze_source *source = adze_source_add(context, file, text, size);
    const char *slash = strrchr(file, '/');
    adze_parser p = {.context = context, .file = source->file};
    p.folder = slash ? adze_intern(context, file, slash > file ? (size_t)(slash - file) : 1) : ".";
    adze_lexer_init(&p.lexer, source->text, source->size);
    adze_parse_next(&p);
    parse_module(&p);
    if (p.errors && p.module) {
        adze_module_destroy(p.module);
        p.module = NULL;
    }
    adze_table_free(&p.values);
    adze_table_free(&p.broken);
    adze_table_free(&p.costs);
    adze_arena_free(&p.arena);
    return p.module;
}
