/* Does a rule match at an op? From the root upwards through the operands.
 *
 * Where a row is COMMUTATIVE both orders of its first two operands are tried: the orders taken so far
 * form a list of choices, and after a failure the last choice not yet exhausted is flipped.
 */
#include "passes/rules.h"

#include <math.h>
#include <string.h>

enum { MAX_CHOICES = 12 };

typedef struct matcher {
    const adze_rule *rule;
    adze_bound *bound;
    const adze_op *matched[ADZE_RULE_MAX_OPS];
    bool choice[MAX_CHOICES];
    uint32_t n_choices, n_taken;
} matcher;

static bool same_bound(const adze_bound *a, const adze_bound *b)
{
    if (a->kind != b->kind) return false;
    if (a->kind == ADZE_BOUND_VALUE) return a->value == b->value;
    if (a->absent || b->absent) return a->absent && b->absent;
    return a->attr_kind == b->attr_kind && adze_slot_equal(a->attr_kind, a->slot, b->slot);
}

static bool bind(matcher *m, uint32_t var, adze_bound with)
{
    if (m->bound[var].kind != ADZE_BOUND_NOTHING) return same_bound(&m->bound[var], &with);
    m->bound[var] = with;
    return true;
}

static bool match_op(matcher *m, uint32_t index, const adze_op *op);

/* A FAST rule's constant may be rounded to a narrower type in the model. */
static double slack_of(const adze_rule *rule, double want)
{
    return rule->numerics == ADZE_EXACT || isinf(want) ? 0 : 1e-6 * fabs(want);
}

static bool match_literal(const matcher *m, const adze_bound *literal, const adze_ir_value *value)
{
    if (!value) return false;
    if (literal->attr_kind == ADZE_ATTR_INTS) {
        int64_t ints[64];
        int n = adze_value_as_ints(value, ints, 64);
        const adze_ints *want = &literal->slot.ints;
        return n >= 0 && (uint64_t)n == want->count &&
               (n == 0 || !memcmp(ints, want->data, (size_t)n * sizeof *ints));
    }
    double got, want = literal->attr_kind == ADZE_ATTR_INT ? (double)literal->slot.i : literal->slot.f;
    if (!adze_value_as_splat(value, &got)) return false;
    return got == want || fabs(got - want) <= slack_of(m->rule, want);
}

static bool match_operand(matcher *m, const adze_term *term, adze_ir_value *value)
{
    if (term->kind == ADZE_TERM_ABSENT) return !value;
    if (term->kind == ADZE_TERM_LITERAL) return match_literal(m, &term->literal, value);
    if (!value && term->kind != ADZE_TERM_OPTIONAL) return false;
    int op = m->rule->defined_by[term->var];
    if (op >= 0) {
        if (m->bound[term->var].kind != ADZE_BOUND_NOTHING) return m->bound[term->var].value == value;
        return value && adze_value_op(value) && match_op(m, (uint32_t)op, adze_value_op(value));
    }
    if (m->rule->vars[term->var][0] == '$' && !adze_value_const(value)) return false;
    return bind(m, term->var, (adze_bound){.kind = ADZE_BOUND_VALUE, .value = value});
}

static bool is_default(const adze_op *op, uint32_t attr)
{
    adze_slot fallback, slot = adze_op_attrs(op)[1 + attr];
    const adze_attr_row *row = &adze_op_get_row(op)->attrs[attr];
    if (!(adze_op_attrs(op)[0].set >> attr & 1)) return true;
    return adze_slot_default(adze_op_context(op), row, &fallback) &&
           adze_slot_equal(row->kind, slot, fallback);
}

static bool match_attr(matcher *m, const adze_rule_attr *attr, const adze_op *op)
{
    uint32_t index = (uint32_t)attr->index;
    const adze_attr_row *row = &adze_op_get_row(op)->attrs[index];
    adze_bound got = {.kind = ADZE_BOUND_ATTR, .attr_kind = row->kind, .slot = adze_op_attrs(op)[1 + index]};
    got.absent = !row->fallback && !(adze_op_attrs(op)[0].set >> index & 1);
    double want = attr->value.literal.slot.f;
    if (attr->value.kind == ADZE_TERM_LITERAL && row->kind == ADZE_ATTR_FLOAT && !got.absent)
        return fabs(got.slot.f - want) <= slack_of(m->rule, want);
    return attr->value.kind == ADZE_TERM_LITERAL ? same_bound(&got, &attr->value.literal)
                                                 : bind(m, attr->value.var, got);
}

static bool match_attrs(matcher *m, const adze_rule_op *want, const adze_op *op)
{
    uint64_t named = 0;
    for (uint32_t i = 0; i < want->n_attrs; i++) {
        named |= UINT64_C(1) << want->attrs[i].index;
        if (!match_attr(m, &want->attrs[i], op)) return false;
    }
    for (uint32_t i = 0; i < adze_op_get_row(op)->n_attrs && !want->any_attrs; i++)
        if (!(named >> i & 1) && !is_default(op, i)) return false;
    return true;
}

static bool take_choice(matcher *m)
{
    if (m->n_taken == MAX_CHOICES) return false;
    if (m->n_taken == m->n_choices) m->choice[m->n_choices++] = false;
    return m->choice[m->n_taken++];
}

static bool match_op(matcher *m, uint32_t index, const adze_op *op)
{
    const adze_rule_op *want = &m->rule->search[index];
    if (want->row && want->row != adze_op_get_row(op)) return false;
    for (uint32_t i = 1; i < adze_op_num_results(op); i++)
        if (adze_value_has_uses(adze_op_result(op, i))) return false;
    if (adze_op_num_results(op) == 0 || adze_op_num_regions(op) > 0) return false;
    uint32_t n = adze_op_num_operands(op);
    for (uint32_t i = want->n_operands; i < n && !want->any_operands; i++)
        if (adze_op_operand(op, i)) return false;
    if (!match_attrs(m, want, op)) return false;
    if (!bind(m, want->result, (adze_bound){.kind = ADZE_BOUND_VALUE, .value = adze_op_result(op, 0)}))
        return false;
    m->matched[index] = op;
    bool swap = want->n_operands >= 2 && adze_op_has_trait(op, ADZE_COMMUTATIVE) && take_choice(m);
    for (uint32_t i = 0; i < want->n_operands; i++) {
        uint32_t from = swap && i < 2 ? 1 - i : i;
        adze_ir_value *value = from < n ? adze_op_operand(op, from) : NULL;
        if (!match_operand(m, &want->operands[i], value)) return false;
    }
    return true;
}

static bool condition_holds(const adze_rule_condition *c, const adze_rule_scope *scope,
                            const adze_bound *bound)
{
    adze_bound args[ADZE_RULE_MAX_TERMS];
    for (uint32_t i = 0; i < c->n_args; i++) {
        const adze_term *term = &c->args[i];
        args[i] = term->kind == ADZE_TERM_LITERAL                                    ? term->literal
                  : term->kind == ADZE_TERM_VAR || term->kind == ADZE_TERM_OPTIONAL ? bound[term->var]
                                                                                     : (adze_bound){0};
    }
    return c->predicate->holds(scope, args, c->n_args) != c->negated;
}

static bool match_once(matcher *m, const adze_rule_scope *scope)
{
    const adze_rule *rule = m->rule;
    memset(m->bound, 0, sizeof *m->bound * ADZE_RULE_MAX_VARS);
    m->n_taken = 0;
    if (!match_op(m, rule->n_search - 1, scope->root)) return false;
    for (uint32_t i = 0; i < rule->n_conditions; i++)
        if (!condition_holds(&rule->conditions[i], scope, m->bound)) return false;
    return true;
}

bool adze_rule_match(const adze_rule *rule, const adze_rule_scope *scope, adze_bound *bound)
{
    const adze_op_row *row = rule->search[rule->n_search - 1].row;
    if (row && row != adze_op_get_row(scope->root)) return false;
    matcher m = {.rule = rule, .bound = bound};
    while (!match_once(&m, scope)) {
        m.n_choices = m.n_taken;
        while (m.n_choices && m.choice[m.n_choices - 1]) m.n_choices--;
        if (!m.n_choices) return false;
        m.choice[m.n_choices - 1] = true;
    }
    return true;
}
