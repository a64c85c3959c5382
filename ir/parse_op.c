/* Ops and regions in IR text.
 *
 *     op     := (VAL,+ "=")? (ID | STRING) "(" (VAL | SYM | "_"),* ")" attrs? ("do" region)*
 *               (":" type,+)? ("loc" "(" STRING,+ ")")?
 *     region := "{" ("(" (VAL ":" type),* ")")? op* "}"
 *
 * An op with an error is reported, its results become poisoned names that may be used without
 * further complaint, and reading goes on below it.
 */
#include <stdio.h>
#include <string.h>

#include "ir/parse.h"

/* Bare numbers name values that have no name; the key keeps them apart from quoted digits. */
static const char *scope_key(adze_parser *p, const adze_token *token, const char **out_name)
{
    const char *name = adze_parse_name(p, token);
    bool number = name && !token->quoted && name[0] >= '0' && name[0] <= '9';
    *out_name = number ? NULL : name;
    return number ? adze_internf(p->context, "%%%s", name) : name;
}

void adze_parse_define(adze_parser *p, const adze_token *token, adze_ir_value *value)
{
    const char *name, *key = scope_key(p, token, &name);
    if (!key) return;
    adze_scope_entry *entry = adze_table_get(&p->values, key);
    if (entry && entry->live) {
        adze_parse_error(p, token, "%%%s is defined twice", key[0] == '%' ? key + 1 : key);
        return;
    }
    if (!entry) {
        entry = ADZE_NEW(&p->arena, adze_scope_entry);
        adze_table_put(&p->values, key, entry);
    }
    *entry = (adze_scope_entry){value, true};
    p->scope =
        adze_arena_grow(&p->arena, p->scope, p->n_scope, &p->scope_capacity, sizeof *p->scope);
    p->scope[p->n_scope++] = entry;
    if (value) value->name = name; /* interned already */
}

void adze_parse_close_scope(adze_parser *p, uint32_t mark)
{
    while (p->n_scope > mark) p->scope[--p->n_scope]->live = false;
}

bool adze_parse_args(adze_parser *p, adze_region *region)
{
    if (!adze_parse_expect(p, '(', "'('")) return false;
    for (bool first = true; p->token.kind != ')'; first = false) {
        if (!first && !adze_parse_expect(p, ',', "',' or ')'")) return false;
        adze_token name = p->token;
        if (!adze_parse_expect(p, ADZE_TOKEN_VALUE, "an argument '%name: type'") ||
            !adze_parse_expect(p, ':', "':'"))
            return false;
        const adze_type *type = adze_parse_type(p);
        if (!type) return false;
        adze_parse_define(p, &name, adze_region_add_arg(region, type, NULL));
    }
    adze_parse_next(p);
    return true;
}

/* What stands before an op is made. */
typedef struct op_text {
    adze_token name;
    adze_parse_list results;  /* adze_token * */
    adze_parse_list operands; /* adze_ir_value *, NULL = absent */
    bool poisoned;            /* an operand had an error */
} op_text;

static bool parse_operand(adze_parser *p, op_text *text)
{
    adze_token token = p->token;
    if (adze_token_is(&token, "_")) {
        adze_parse_push(p, &text->operands, NULL);
    } else if (token.kind == ADZE_TOKEN_SYMBOL) {
        const char *name = adze_parse_name(p, &token);
        adze_const *constant = name ? adze_module_find_const(p->module, name) : NULL;
        if (name && !constant && !adze_table_get(&p->broken, name))
            adze_parse_error(p, &token, "no constant @%s", name);
        if (!constant) text->poisoned = true;
        adze_parse_push(p, &text->operands, constant ? adze_const_value(constant) : NULL);
    } else if (token.kind == ADZE_TOKEN_VALUE) {
        const char *name, *key = scope_key(p, &token, &name);
        adze_scope_entry *entry = key ? adze_table_get(&p->values, key) : NULL;
        bool live = entry && entry->live;
        if (key && !live)
            adze_parse_error(p, &token, "%%%s is not defined here", key[0] == '%' ? key + 1 : key);
        if (!live || !entry->value) text->poisoned = true;
        adze_parse_push(p, &text->operands, live ? entry->value : NULL);
    } else {
        return adze_parse_unexpected(p, "an operand: %value, @constant or _");
    }
    adze_parse_next(p);
    return true;
}

/* Result names, op name and operands. */
static bool parse_head(adze_parser *p, op_text *text)
{
    while (p->token.kind == ADZE_TOKEN_VALUE) {
        adze_token *name = ADZE_NEW(&p->arena, adze_token);
        *name = p->token;
        adze_parse_push(p, &text->results, name);
        adze_parse_next(p);
        if (!adze_parse_take(p, ',')) {
            if (!adze_parse_expect(p, '=', "',' or '='")) return false;
            break;
        }
        if (p->token.kind != ADZE_TOKEN_VALUE) return adze_parse_unexpected(p, "a result's name");
    }
    text->name = p->token;
    if (p->token.kind != ADZE_TOKEN_ID && p->token.kind != ADZE_TOKEN_STRING)
        return adze_parse_unexpected(p, "an op");
    adze_parse_next(p);
    if (!adze_parse_expect(p, '(', "'('")) return false;
    for (bool first = true; p->token.kind != ')'; first = false)
        if ((!first && !adze_parse_expect(p, ',', "',' or ')'")) || !parse_operand(p, text))
            return false;
    adze_parse_next(p);
    return true;
}

static bool parse_regions(adze_parser *p, adze_op *op)
{
    uint32_t n = 0;
    bool ok = true;
    while (adze_token_is(&p->token, "do")) {
        adze_token at = p->token;
        if (n == op->row->regions_max)
            return adze_parse_error(p, &at, "%s takes at most %u regions", op->row->name, n);
        adze_parse_next(p);
        if (!adze_parse_enter(p)) return false;
        uint32_t mark = p->n_scope;
        ok = adze_parse_region(p, &op->regions[n++]) && ok;
        adze_parse_close_scope(p, mark);
        adze_parse_leave(p);
    }
    op->n_regions = n;
    if (n < op->row->regions)
        return adze_parse_error(p, &p->token, "%s needs %u regions, found %u", op->row->name,
                                op->row->regions, n);
    return ok;
}

/* `: types`, checked against what inference says, or inference alone. */
static bool parse_types(adze_parser *p, adze_op *op, const op_text *text, bool usable)
{
    uint32_t n = 0;
    bool stated = adze_parse_take(p, ':');
    if (stated) {
        do {
            adze_token at = p->token;
            const adze_type *type = adze_parse_type(p);
            if (!type) return false;
            if (n == op->n_results) return adze_parse_error(p, &at, "more types than results");
            op->results[n++].type = type;
        } while (adze_parse_take(p, ','));
        if (n < op->n_results)
            return adze_parse_error(p, &text->name, "%u results but %u types", op->n_results, n);
    }
    if (!usable || op->n_results == 0) return usable;
    if (!op->row->infer)
        return stated || adze_parse_error(p, &text->name, "the result types of %s must be stated",
                                          op->row->name);
    uint64_t errors = p->context->errors;
    const adze_type **types = ADZE_NEW_ARRAY(&p->arena, const adze_type *, op->n_results);
    for (uint32_t i = 0; i < op->n_results; i++) types[i] = op->results[i].type;
    if (!adze_op_infer_types(op, types)) {
        if (p->context->errors == errors)
            return adze_parse_error(p, &text->name, "the operands do not fit %s", op->row->name);
        if (++p->errors >= ADZE_PARSE_ERRORS) adze_parse_give_up(p);
        return false;
    }
    for (uint32_t i = 0; i < op->n_results; i++) {
        if (!stated) {
            op->results[i].type = types[i];
        } else if (!adze_type_compatible(op->results[i].type, types[i])) {
            char want[256], got[256];
            adze_type_print(types[i], want, sizeof want);
            adze_type_print(op->results[i].type, got, sizeof got);
            return adze_parse_error(p, &text->name, "result %u of %s is stated as %s, but is %s", i,
                                    op->row->name, got, want);
        }
    }
    return true;
}

/* `loc("a", "b")` after the word. */
static bool parse_loc(adze_parser *p, adze_op *op)
{
    if (!adze_parse_expect(p, '(', "'('")) return false;
    do {
        if (p->token.kind != ADZE_TOKEN_STRING)
            return adze_parse_unexpected(p, "a node's name in quotes");
        if (op->n_nodes == ADZE_PARSE_NODES)
            return adze_parse_error(p, &p->token, "more than %d nodes", ADZE_PARSE_NODES);
        const char *node = adze_parse_name(p, &p->token);
        if (!node) return false;
        adze_op_add_node(op, node);
        adze_parse_next(p);
    } while (adze_parse_take(p, ','));
    return adze_parse_expect(p, ')', "',' or ')'");
}

/* "1 operand", "2 to 3 operands", "at least 1 operand". */
static bool check_count(adze_parser *p, const op_text *text, uint32_t got, uint32_t min,
                        uint32_t max, const char *verb, const char *noun)
{
    if (got >= min && (got <= max || max == ADZE_VARIADIC)) return true;
    char range[32];
    bool one = max == 1 || (max == ADZE_VARIADIC && min == 1);
    if (max == ADZE_VARIADIC)
        snprintf(range, sizeof range, "at least %u", min);
    else if (min == max)
        snprintf(range, sizeof range, "%u", min);
    else
        snprintf(range, sizeof range, "%u to %u", min, max);
    return adze_parse_error(p, &text->name, "%.*s %s %s %s%s, got %u", (int)text->name.size,
                            text->name.text, verb, range, noun, one ? "" : "s", got);
}

void adze_parse_no_op(adze_parser *p, const adze_token *token, const char *name)
{
    char ask[96];
    adze_nearest nearest = {.wanted = name};
    adze_nearest_offer_ops(&nearest, p->context);
    adze_parse_error(p, token, "no op '%s'%s", name, adze_nearest_ask(&nearest, ask, sizeof ask));
}

static adze_op *make_op(adze_parser *p, adze_region *region, const op_text *text)
{
    const char *name = adze_parse_name(p, &text->name);
    const adze_op_row *row = name ? adze_row_find(p->context, name) : NULL;
    if (!row) {
        if (name) adze_parse_no_op(p, &text->name, name);
        return NULL;
    }
    bool fits =
        check_count(p, text, text->operands.count, row->in_min, row->in_max, "takes", "operand");
    fits =
        check_count(p, text, text->results.count, row->out_min, row->out_max, "gives", "result") &&
        fits;
    if (!fits) return NULL;
    adze_op *op =
        adze_op_new(p->module, row, text->operands.count, text->results.count, row->regions_max);
    op->loc = adze_parse_at(p, &text->name);
    adze_op_insert(region, NULL, op);
    for (uint32_t i = 0; i < op->n_regions; i++)
        adze_region_init(&op->regions[i], region->func, op);
    for (uint32_t i = 0; i < text->operands.count; i++)
        adze_op_set_operand(op, i, (adze_ir_value *)(uintptr_t)text->operands.items[i]);
    for (uint32_t i = 0; i < op->n_results; i++) op->results[i].type = adze_type_none(p->context);
    return op;
}

static bool parse_tail(adze_parser *p, adze_op *op, const op_text *text)
{
    if (p->token.kind == '{' && !adze_parse_op_attrs(p, op)) return false;
    const char *missing = adze_op_missing_attr(op);
    bool ok = !missing ||
              adze_parse_error(p, &text->name, "%s needs attribute '%s'", op->row->name, missing);
    ok = parse_regions(p, op) && ok;
    if (!ok && p->token.line == text->name.line && op->n_regions == 0) return false;
    if (!parse_types(p, op, text, ok && !text->poisoned)) ok = false;
    if (ok && adze_token_is(&p->token, "loc")) {
        adze_parse_next(p);
        return parse_loc(p, op);
    }
    return ok;
}

static bool parse_op(adze_parser *p, adze_region *region)
{
    op_text text = {0};
    const char *start = p->token.text;
    uint32_t errors = p->errors, braces = p->braces;
    adze_op *op = NULL;
    bool ok = parse_head(p, &text);
    if (ok) ok = (op = make_op(p, region, &text)) != NULL;
    if (ok) ok = parse_tail(p, op, &text);
    if (!ok && p->errors > errors) adze_parse_skip_line(p, start, braces);
    for (uint32_t i = 0; i < text.results.count; i++)
        adze_parse_define(p, text.results.items[i], ok ? &op->results[i] : NULL);
    return ok;
}

bool adze_parse_region(adze_parser *p, adze_region *region)
{
    bool ok = true;
    if (!adze_parse_expect(p, '{', "'{'")) return false;
    if (p->token.kind == '(' && !adze_parse_args(p, region)) {
        adze_parse_skip_line(p, NULL, p->braces);
        ok = false;
    }
    while (p->token.kind != '}' && p->token.kind != ADZE_TOKEN_END) ok = parse_op(p, region) && ok;
    return adze_parse_expect(p, '}', "'}'") && ok;
}
