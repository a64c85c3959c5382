/* Parser of rule files: LL(1), one function per line of the grammar.
 *
 *     file    := ("pass" STRING)? rule*
 *     rule    := "rule" ID ("EXACT" | "FAST") "{" find+ "}" "=>" ("{" put+ "}" | term) test*
 *     find    := VALUE "=" (ID | "*") "(" (term | "*"),* ")" attrs? ("where" cond ("," cond)*)?
 *     put     := VALUE "=" ID "(" term,* ")" attrs? (":" "type" "(" VALUE ")")?
 *     cond    := "not"? ID "(" term,* ")"
 *     attrs   := "{" ("*" | "like" VALUE | ID "=" term),* "}"
 *     term    := VALUE "?"? | DOLLAR | literal | "_" | ID "(" term,* ")"
 *     literal := number | STRING | "[" number,* "]" | element type | "absent"
 *     test    := "test" "(" ((VALUE | DOLLAR) (":" type)? ("=" term)? | "*" "=" ID),* ")"
 */
#include "passes/rule_lex.h"
#include "passes/rules.h"

#include <string.h>

typedef struct parser {
    adze_rule_lexer lex;
    adze_arena *arena;
    adze_rule *rule; /* being read */
    bool finding;    /* in the part to find */
    uint32_t depth;  /* of functions in functions */
} parser;

enum { MAX_DEPTH = 32 };

static bool fail(parser *p, const char *message, const char *detail)
{
    adze_rule_lex_fail(&p->lex, message, detail);
    return false;
}

static bool is_punct(const parser *p, char c)
{
    return p->lex.token == ADZE_RULE_PUNCT && p->lex.punct == c;
}

static bool accept(parser *p, char c)
{
    if (!is_punct(p, c)) return false;
    adze_rule_lex_next(&p->lex);
    return true;
}

static bool expect(parser *p, char c)
{
    char text[] = {c, '\0'};
    return accept(p, c) || fail(p, "expected '%s'", text);
}

static bool is_word(const parser *p, const char *word)
{
    return p->lex.token == ADZE_RULE_ID && !strcmp(p->lex.text, word);
}

static bool accept_word(parser *p, const char *word)
{
    if (!is_word(p, word)) return false;
    adze_rule_lex_next(&p->lex);
    return true;
}

static const char *read_id(parser *p, const char *what)
{
    if (p->lex.token != ADZE_RULE_ID) {
        fail(p, "expected %s", what);
        return NULL;
    }
    const char *text = p->lex.text;
    adze_rule_lex_next(&p->lex);
    return text;
}

/* ---- Terms ---- */

static int find_var(const adze_rule *rule, const char *name)
{
    for (uint32_t i = 0; i < rule->n_vars; i++)
        if (rule->vars[i] == name) return (int)i; /* interned */
    return -1;
}

static bool read_var(parser *p, bool define, uint32_t *out)
{
    int var = find_var(p->rule, p->lex.text);
    if (var < 0) {
        if (!define) return fail(p, "%s is nowhere in the part to find", p->lex.text);
        if (p->rule->n_vars == ADZE_RULE_MAX_VARS) return fail(p, "%s", "the rule has too many variables");
        var = (int)p->rule->n_vars++;
        p->rule->vars[var] = p->lex.text;
        p->rule->defined_by[var] = -1;
    }
    *out = (uint32_t)var;
    adze_rule_lex_next(&p->lex);
    return true;
}

static bool read_list(parser *p, adze_bound *out)
{
    int64_t ints[64];
    double floats[64];
    uint64_t n = 0;
    bool any_float = false;
    while (!accept(p, ']')) {
        if (n && !expect(p, ',')) return false;
        if ((p->lex.token != ADZE_RULE_INT && p->lex.token != ADZE_RULE_FLOAT) || n == 64)
            return fail(p, "expected %s", "a number");
        any_float |= p->lex.token == ADZE_RULE_FLOAT;
        ints[n] = p->lex.integer;
        floats[n++] = p->lex.number;
        adze_rule_lex_next(&p->lex);
    }
    out->attr_kind = any_float ? ADZE_ATTR_FLOATS : ADZE_ATTR_INTS;
    if (any_float)
        out->slot.floats = (adze_floats){adze_arena_copy(p->arena, floats, n * sizeof *floats), n};
    else
        out->slot.ints = (adze_ints){adze_arena_copy(p->arena, ints, n * sizeof *ints), n};
    return true;
}

static bool read_literal(parser *p, adze_bound *out)
{
    out->kind = ADZE_BOUND_ATTR;
    switch (p->lex.token) {
    case ADZE_RULE_INT:
        out->attr_kind = ADZE_ATTR_INT;
        out->slot.i = p->lex.integer;
        break;
    case ADZE_RULE_FLOAT:
        out->attr_kind = ADZE_ATTR_FLOAT;
        out->slot.f = p->lex.number;
        break;
    case ADZE_RULE_STRING:
        out->attr_kind = ADZE_ATTR_STR;
        out->slot.s = (adze_string){p->lex.text, strlen(p->lex.text)};
        break;
    case ADZE_RULE_PUNCT: return expect(p, '[') && read_list(p, out);
    default: return fail(p, "expected %s", "a variable, a literal or a function");
    }
    adze_rule_lex_next(&p->lex);
    return true;
}

static bool read_terms(parser *p, adze_term *out, uint32_t *out_n);

/* A name: an element type, `absent`, or the call of a function. */
static bool read_named(parser *p, adze_term *out)
{
    adze_rule_lexer at = p->lex;
    const char *name = read_id(p, "a name");
    if (!is_punct(p, '(')) {
        out->kind = ADZE_TERM_LITERAL;
        out->literal.kind = ADZE_BOUND_ATTR;
        out->literal.attr_kind = ADZE_ATTR_TYPE;
        out->literal.absent = !strcmp(name, "absent");
        out->literal.slot.i = adze_dtype_find(name);
        if (out->literal.absent || out->literal.slot.i) return true;
        p->lex = at;
        return fail(p, "'%s' is no element type", name);
    }
    out->kind = ADZE_TERM_CALL;
    out->function = adze_rule_find_function(name);
    adze_term args[ADZE_RULE_MAX_TERMS];
    if (!out->function || p->finding) {
        p->lex = at;
        return fail(p, p->finding ? "'%s': functions stand in replacements only" : "there is no function '%s'",
                    name);
    }
    if (p->depth == MAX_DEPTH) return fail(p, "%s", "functions are nested too deeply");
    p->depth++;
    if (!expect(p, '(') || !read_terms(p, args, &out->n_args)) return false;
    p->depth--;
    out->args = adze_arena_copy(p->arena, args, out->n_args * sizeof *args);
    if (out->n_args < out->function->min_args || out->n_args > out->function->max_args) {
        p->lex = at;
        return fail(p, "wrong number of arguments for '%s'", name);
    }
    return true;
}

static bool read_term(parser *p, adze_term *out)
{
    *out = (adze_term){.kind = ADZE_TERM_LITERAL};
    if (p->lex.token == ADZE_RULE_VALUE || p->lex.token == ADZE_RULE_DOLLAR) {
        out->kind = ADZE_TERM_VAR;
        if (!read_var(p, p->finding, &out->var)) return false;
        if (accept(p, '?')) out->kind = ADZE_TERM_OPTIONAL;
        return true;
    }
    if (accept(p, '_')) {
        out->kind = ADZE_TERM_ABSENT;
        return true;
    }
    if (p->lex.token == ADZE_RULE_ID) return read_named(p, out);
    return read_literal(p, &out->literal);
}

/* After "(": terms up to ")". */
static bool read_terms(parser *p, adze_term *out, uint32_t *out_n)
{
    *out_n = 0;
    while (!accept(p, ')')) {
        if (*out_n && !expect(p, ',')) return false;
        if (*out_n == ADZE_RULE_MAX_TERMS) return fail(p, "%s", "too many arguments");
        if (!read_term(p, &out[(*out_n)++])) return false;
    }
    return true;
}

/* ---- Ops ---- */

/* A number given for a FLOAT attribute may be written as an integer. */
static void coerce(adze_attr_kind kind, adze_term *term)
{
    adze_bound *b = &term->literal;
    if (term->kind != ADZE_TERM_LITERAL || b->absent || b->attr_kind != ADZE_ATTR_INT) return;
    if (kind == ADZE_ATTR_FLOAT) b->slot.f = (double)b->slot.i;
    if (kind == ADZE_ATTR_FLOAT || kind == ADZE_ATTR_BOOL) b->attr_kind = kind;
}

static bool read_attr(parser *p, adze_rule_op *op)
{
    if (p->finding && accept(p, '*')) {
        op->any_attrs = true;
        return true;
    }
    if (!p->finding && accept_word(p, "like")) {
        uint32_t var;
        if (p->lex.token != ADZE_RULE_VALUE || !read_var(p, false, &var)) return fail(p, "expected %s", "a value");
        op->like = (int)var;
        return p->rule->defined_by[var] >= 0 || fail(p, "%s is no op's result", p->rule->vars[var]);
    }
    if (op->n_attrs == ADZE_RULE_MAX_TERMS) return fail(p, "%s", "too many attributes");
    adze_rule_attr *attr = &op->attrs[op->n_attrs++];
    adze_rule_lexer at = p->lex;
    const char *name = read_id(p, "an attribute");
    if (!name) return false;
    attr->index = op->row ? adze_row_attr_index(op->row, name) : -1;
    if (attr->index < 0) {
        p->lex = at;
        return fail(p, "the op has no attribute '%s'", name);
    }
    if (!expect(p, '=') || !read_term(p, &attr->value)) return false;
    coerce(op->row->attrs[attr->index].kind, &attr->value);
    return true;
}

static bool read_attrs(parser *p, adze_rule_op *op)
{
    if (!accept(p, '{') || accept(p, '}')) return true;
    do {
        if (!read_attr(p, op)) return false;
    } while (accept(p, ','));
    return expect(p, '}');
}

static bool read_operands(parser *p, adze_rule_op *op)
{
    if (!expect(p, '(')) return false;
    bool first = true;
    while (!accept(p, ')')) {
        if (!first && !expect(p, ',')) return false;
        first = false;
        if (p->finding && accept(p, '*')) {
            op->any_operands = true;
            return expect(p, ')');
        }
        if (op->n_operands == ADZE_RULE_MAX_TERMS) return fail(p, "%s", "too many operands");
        if (!read_term(p, &op->operands[op->n_operands++])) return false;
    }
    return true;
}

/* `%1 = name(operands) {attributes}`, shared by both sides. */
static bool read_op(parser *p, adze_rule_op *op, uint32_t *out_var)
{
    *op = (adze_rule_op){.like = -1, .type_of = -1};
    if (p->lex.token != ADZE_RULE_VALUE) return fail(p, "expected %s", "a value such as %1");
    if (!read_var(p, true, out_var) || !expect(p, '=')) return false;
    op->result = *out_var;
    if (p->finding && accept(p, '*')) {
        op->any_attrs = true;
    } else {
        adze_rule_lexer at = p->lex;
        const char *name = read_id(p, "an op");
        if (!name) return false;
        op->row = adze_row_find(p->lex.context, name);
        if (!op->row) {
            char ask[96];
            adze_nearest nearest = {.wanted = name};
            adze_nearest_offer_ops(&nearest, at.context);
            p->lex = at;
            return fail(p, "there is no op %s",
                        adze_internf(at.context, "'%s'%s", name, adze_nearest_ask(&nearest, ask, sizeof ask)));
        }
    }
    return read_operands(p, op) && read_attrs(p, op);
}

static bool read_condition(parser *p)
{
    adze_rule *rule = p->rule;
    if (rule->n_conditions == ADZE_RULE_MAX_TERMS) return fail(p, "%s", "too many conditions");
    adze_rule_condition *cond = &rule->conditions[rule->n_conditions++];
    cond->negated = accept_word(p, "not");
    adze_rule_lexer at = p->lex;
    const char *name = read_id(p, "a condition");
    if (!name) return false;
    cond->predicate = adze_rule_find_predicate(name);
    if (!cond->predicate) {
        p->lex = at;
        return fail(p, "there is no condition '%s'", name);
    }
    p->finding = false; /* no new variables */
    bool ok = expect(p, '(') && read_terms(p, cond->args, &cond->n_args);
    p->finding = true;
    if (!ok) return false;
    if (cond->n_args >= cond->predicate->min_args && cond->n_args <= cond->predicate->max_args) return true;
    p->lex = at;
    return fail(p, "wrong number of arguments for '%s'", name);
}

static bool reads(const adze_rule_op *op, uint32_t var)
{
    for (uint32_t i = 0; i < op->n_operands; i++) {
        const adze_term *term = &op->operands[i];
        if ((term->kind == ADZE_TERM_VAR || term->kind == ADZE_TERM_OPTIONAL) && term->var == var) return true;
    }
    return false;
}

/* Matching goes from the root upwards: what an op reads stands above it, and each op is read by one below. */
static bool check_search(parser *p)
{
    const adze_rule *rule = p->rule;
    for (uint32_t i = 0; i < rule->n_search; i++) {
        uint32_t var = rule->search[i].result;
        bool leads = i + 1 == rule->n_search;
        for (uint32_t k = 0; k < rule->n_search; k++) {
            if (!reads(&rule->search[k], var)) continue;
            if (k <= i) return fail(p, "%s is used above its definition", rule->vars[var]);
            leads = true;
        }
        if (!leads) return fail(p, "no op below uses %s", rule->vars[var]);
    }
    return true;
}

static bool read_search(parser *p)
{
    adze_rule *rule = p->rule;
    p->finding = true;
    if (!expect(p, '{')) return false;
    do {
        uint32_t var;
        if (rule->n_search == ADZE_RULE_MAX_OPS) return fail(p, "%s", "too many ops");
        if (!read_op(p, &rule->search[rule->n_search], &var)) return false;
        if (rule->defined_by[var] >= 0) return fail(p, "%s is defined twice", rule->vars[var]);
        rule->defined_by[var] = (int)rule->n_search++;
        if (accept_word(p, "where")) {
            do {
                if (!read_condition(p)) return false;
            } while (accept(p, ','));
        }
    } while (!is_punct(p, '}'));
    p->finding = false;
    return check_search(p) && expect(p, '}');
}

static bool read_replacement(parser *p)
{
    adze_rule *rule = p->rule;
    uint32_t var, root = rule->search[rule->n_search - 1].result;
    if (p->lex.token != ADZE_RULE_ARROW) return fail(p, "expected '%s'", "=>");
    adze_rule_lex_next(&p->lex);
    if (!accept(p, '{')) return read_term(p, &rule->with);
    do {
        if (rule->n_replace == ADZE_RULE_MAX_OPS) return fail(p, "%s", "too many ops");
        adze_rule_op *op = &rule->replace[rule->n_replace++];
        if (!read_op(p, op, &var)) return false;
        if (!accept(p, ':')) continue;
        uint32_t type_of;
        if (!accept_word(p, "type")) return fail(p, "expected %s", "type(%value)");
        if (!expect(p, '(') || p->lex.token != ADZE_RULE_VALUE || !read_var(p, false, &type_of) ||
            !expect(p, ')'))
            return fail(p, "expected %s", "type(%value)");
        if (rule->defined_by[type_of] < 0) return fail(p, "%s is no op's result", rule->vars[type_of]);
        op->type_of = (int)type_of;
    } while (!accept(p, '}'));
    return var == root || fail(p, "the last op must define %s", rule->vars[root]);
}

/* ---- Tests ---- */

static const adze_type *read_type(parser *p)
{
    const adze_dim *dims[ADZE_MAX_RANK];
    uint32_t rank = 0;
    const char *name = read_id(p, "a type");
    adze_dtype dtype = name ? adze_dtype_find(name) : ADZE_DTYPE_NONE;
    if (!dtype || !adze_dtype_is_number(dtype) || adze_dtype_bits(dtype) < 8) {
        fail(p, "expected %s", "a type of numbers of at least 8 bits");
        return NULL;
    }
    if (!expect(p, '[')) return NULL;
    while (!accept(p, ']')) {
        if (rank && !expect(p, ',')) return NULL;
        if (p->lex.token != ADZE_RULE_INT || rank == ADZE_MAX_RANK) {
            fail(p, "expected %s", "a dim");
            return NULL;
        }
        dims[rank++] = adze_dim_const(p->lex.context, p->lex.integer);
        adze_rule_lex_next(&p->lex);
    }
    return adze_type_tensor(p->lex.context, dtype, rank, dims, NULL);
}

static bool read_binding(parser *p, adze_rule_test *test)
{
    if (accept(p, '*')) {
        const char *name = expect(p, '=') ? read_id(p, "an op") : NULL;
        test->any = name ? adze_row_find(p->lex.context, name) : NULL;
        return test->any || fail(p, "%s", "there is no such op");
    }
    if (test->n_bindings == ADZE_RULE_MAX_VARS) return fail(p, "%s", "too many variables");
    adze_rule_binding *b = &test->bindings[test->n_bindings++];
    if (p->lex.token != ADZE_RULE_VALUE && p->lex.token != ADZE_RULE_DOLLAR)
        return fail(p, "expected %s", "a variable");
    if (!read_var(p, false, &b->var)) return false;
    if (accept(p, ':') && !(b->type = read_type(p))) return false;
    b->has_value = accept(p, '=');
    return !b->has_value || read_term(p, &b->value);
}

static bool read_test(parser *p)
{
    adze_rule_test *test = ADZE_NEW(p->arena, adze_rule_test), **tail = &p->rule->tests;
    while (*tail) tail = &(*tail)->next;
    *tail = test;
    test->loc = p->lex.loc;
    if (!expect(p, '(')) return false;
    bool first = true;
    while (!accept(p, ')')) {
        if (!first && !expect(p, ',')) return false;
        first = false;
        if (!read_binding(p, test)) return false;
    }
    return true;
}

/* Start of the word before the current token, or of the comment lines right above it; not before `end`, where
 * the part before ends. */
static const char *start_of_rule(const parser *p, const char *end)
{
    const char *at = p->lex.last - strlen("rule"), *line = at;
    for (; line > end && line[-1] != '\n'; line--) {}
    while (line > end) {
        const char *above = line - 1;
        while (above > end && above[-1] != '\n') above--;
        if (strncmp(above, "//", 2) != 0) break;
        at = line = above;
    }
    return at;
}

/* Behind the word `rule`; `end` is where the part before it ends. */
static bool read_rule(parser *p, adze_rules *rules, const char *end)
{
    adze_rule *rule = p->rule = ADZE_NEW(p->arena, adze_rule), **tail = &rules->first;
    rule->text = start_of_rule(p, end);
    rule->loc = p->lex.loc;
    rule->name = read_id(p, "the rule's name");
    if (!rule->name) return false;
    for (; *tail; tail = &(*tail)->next)
        if ((*tail)->name == rule->name) return fail(p, "there are two rules '%s'", rule->name);
    *tail = rule;
    if (!is_word(p, "EXACT") && !is_word(p, "FAST")) return fail(p, "expected %s", "EXACT or FAST");
    rule->numerics = is_word(p, "EXACT") ? ADZE_EXACT : ADZE_FAST;
    adze_rule_lex_next(&p->lex);
    if (!read_search(p) || !read_replacement(p)) return false;
    while (accept_word(p, "test"))
        if (!read_test(p)) return false;
    rule->size = (size_t)(p->lex.last - rule->text);
    return true;
}

const adze_rules *adze_rules_parse(adze_context *context, adze_arena *arena, const char *name,
                                   const char *text)
{
    parser p = {.arena = arena};
    adze_rules *rules = ADZE_NEW(arena, adze_rules);
    rules->name = adze_intern_z(context, name);
    rules->pass = "canonicalize";
    adze_rule_lex_start(&p.lex, context, adze_internf(context, "%s.rules", name), text);
    if (accept_word(&p, "pass")) {
        if (p.lex.token != ADZE_RULE_STRING) fail(&p, "expected %s", "the name of a pass in quotes");
        rules->pass = p.lex.text;
        adze_rule_lex_next(&p.lex);
    }
    while (p.lex.token != ADZE_RULE_END) {
        const char *end = p.lex.last;
        if (!accept_word(&p, "rule")) {
            fail(&p, "expected '%s'", "rule");
            return NULL;
        }
        if (!read_rule(&p, rules, end)) return NULL;
    }
    return rules;
}
