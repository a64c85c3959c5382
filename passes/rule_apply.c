/* Applies rules: builds the replacement above the root, moves the root's uses to it and drops what
 * nobody uses any more. New ops take over the ONNX node names of all ops that were found.
 */
#include "passes/pipeline.h"
#include "passes/rules.h"

#include <string.h>

/* Rewrites per op of a function after which the rules are taken to chase each other. */
enum { MAX_REWRITES_PER_OP = 64 };

typedef struct build {
    const adze_rule *rule;
    const adze_rule_scope *scope;
    const adze_bound *found;
    adze_ir_value *made[ADZE_RULE_MAX_VARS]; /* results of the replacement so far */
    adze_const *constants[ADZE_RULE_MAX_OPS * ADZE_RULE_MAX_TERMS]; /* made for it */
    uint32_t n_constants;
    adze_builder builder;
} build;

static bool evaluate(build *b, const adze_term *term, adze_bound *out)
{
    *out = (adze_bound){.kind = ADZE_BOUND_VALUE};
    switch (term->kind) {
    case ADZE_TERM_ABSENT: return true;
    case ADZE_TERM_LITERAL: *out = term->literal; return true;
    case ADZE_TERM_VAR:
    case ADZE_TERM_OPTIONAL:
        *out = b->found[term->var];
        if (b->made[term->var]) *out = (adze_bound){.kind = ADZE_BOUND_VALUE, .value = b->made[term->var]};
        return out->kind != ADZE_BOUND_NOTHING;
    case ADZE_TERM_CALL: {
        adze_bound args[ADZE_RULE_MAX_TERMS];
        for (uint32_t i = 0; i < term->n_args; i++)
            if (!evaluate(b, &term->args[i], &args[i])) return false;
        *out = (adze_bound){0};
        return term->function->make(b->scope, args, term->n_args, out);
    }
    }
    return false;
}

static bool note_constant(build *b, const adze_ir_value *value)
{
    adze_const *c = value ? adze_value_const(value) : NULL;
    if (c) b->constants[b->n_constants++] = c;
    return c;
}

/* Numbers become scalars of the root's element type, lists i64 tensors. */
static bool operand(build *b, const adze_term *term, adze_ir_value **out)
{
    adze_bound bound;
    if (!evaluate(b, term, &bound)) return false;
    *out = bound.value;
    if (bound.kind == ADZE_BOUND_VALUE) return term->kind != ADZE_TERM_CALL || note_constant(b, *out);
    adze_dtype dtype = adze_type_dtype(adze_value_type(adze_op_result(b->scope->root, 0)));
    adze_module *module = b->scope->module;
    switch (bound.attr_kind) {
    case ADZE_ATTR_INT: *out = adze_const_scalar(module, "c", dtype, (double)bound.slot.i); break;
    case ADZE_ATTR_FLOAT: *out = adze_const_scalar(module, "c", dtype, bound.slot.f); break;
    case ADZE_ATTR_INTS:
        *out = adze_const_ints(module, "c", bound.slot.ints.data, (int)bound.slot.ints.count);
        break;
    default: return false;
    }
    return note_constant(b, *out);
}

static adze_attr named_attr(const adze_attr_row *row, adze_slot slot)
{
    return (adze_attr){.name = row->name, .kind = row->kind, .value = slot};
}

/* Attributes of a replacement op: those of the op it is like, then the ones named. */
static bool collect_attrs(build *b, const adze_rule_op *op, adze_attr *out, uint32_t *out_n)
{
    uint64_t named = 0;
    *out_n = 0;
    for (uint32_t i = 0; i < op->n_attrs; i++) {
        adze_bound bound;
        const adze_attr_row *row = &op->row->attrs[op->attrs[i].index];
        if (!evaluate(b, &op->attrs[i].value, &bound) || bound.kind != ADZE_BOUND_ATTR) return false;
        named |= UINT64_C(1) << op->attrs[i].index;
        if (bound.absent) continue;
        if (bound.attr_kind == ADZE_ATTR_INT && row->kind == ADZE_ATTR_FLOAT) bound.slot.f = (double)bound.slot.i;
        out[(*out_n)++] = named_attr(row, bound.slot);
    }
    if (op->like < 0) return true;
    const adze_op *like = adze_value_op(b->found[op->like].value);
    const adze_op_row *from = adze_op_get_row(like);
    for (uint32_t i = 0; i < from->n_attrs && *out_n < ADZE_RULE_MAX_TERMS * 2; i++) {
        int index = adze_row_attr_index(op->row, from->attrs[i].name);
        if (index < 0 || named >> index & 1 || !(adze_op_attrs(like)[0].set >> i & 1)) continue;
        out[(*out_n)++] = named_attr(&from->attrs[i], adze_op_attrs(like)[1 + i]);
    }
    return true;
}

/* 1: built; 0: a function declined; -1: an error was reported. */
static int build_op(build *b, const adze_rule_op *op)
{
    adze_ir_value *operands[ADZE_RULE_MAX_TERMS];
    adze_attr attrs[ADZE_RULE_MAX_TERMS * 2];
    uint32_t n_attrs;
    for (uint32_t i = 0; i < op->n_operands; i++)
        if (!operand(b, &op->operands[i], &operands[i])) return 0;
    if (!collect_attrs(b, op, attrs, &n_attrs)) return 0;
    uint32_t n = op->n_operands; /* an optional operand that is absent at the end is left out */
    while (n > op->row->in_min && !operands[n - 1] && op->operands[n - 1].kind == ADZE_TERM_OPTIONAL) n--;
    const adze_type *type = op->type_of >= 0 ? adze_value_type(b->found[op->type_of].value) : NULL;
    adze_op *made = adze_build(&b->builder, op->row->name, operands, n, attrs, n_attrs,
                               type ? &type : NULL, 1);
    if (!made) return -1;
    b->made[op->result] = adze_op_result(made, 0);
    return 1;
}

/* The new value must state at least what the old one did. */
static bool type_fits(const adze_type *now, const adze_type *then)
{
    if (now == then) return true;
    if (!adze_type_is_tensor(now) || !adze_type_is_tensor(then)) return false;
    if (adze_type_has_layout(now) || adze_type_has_layout(then)) return false;
    if (adze_type_dtype(now) != adze_type_dtype(then)) return false;
    if (!adze_type_is_ranked(then)) return true;
    if (!adze_type_is_ranked(now) || adze_type_rank(now) != adze_type_rank(then)) return false;
    for (uint32_t i = 0; i < adze_type_rank(now); i++) {
        const adze_dim *a = adze_type_dim(now, i), *b = adze_type_dim(then, i);
        if (!adze_dim_is_unknown(b) && !adze_dim_equal(a, b)) return false;
    }
    return true;
}

/* Erases what was built between `before_first` (exclusive) and the root, and the constants for it. */
static adze_outcome undo(build *b, const adze_op *before_first)
{
    for (adze_op *op = adze_op_prev(b->scope->root), *above; op && op != before_first; op = above) {
        above = adze_op_prev(op);
        adze_op_erase(op);
    }
    for (uint32_t i = 0; i < b->n_constants; i++) adze_const_erase(b->constants[i]);
    return ADZE_UNCHANGED;
}

/* Found ops that nobody uses any more, bottom up. */
static void erase_dead(const adze_rule *rule, const adze_bound *found)
{
    for (uint32_t i = rule->n_search; i-- > 0;) {
        adze_op *op = adze_value_op(found[rule->search[i].result].value);
        bool dead = adze_op_has_trait(op, ADZE_PURE);
        for (uint32_t r = 0; r < adze_op_num_results(op); r++)
            dead &= !adze_value_has_uses(adze_op_result(op, r));
        if (dead && adze_op_parent(op)) adze_op_erase(op); /* two variables may have found one op */
    }
}

adze_outcome adze_rule_apply(const adze_rule *rule, adze_op *root, adze_arena *arena, adze_pass_run *self)
{
    adze_bound found[ADZE_RULE_MAX_VARS];
    adze_rule_scope scope = {adze_op_context(root), adze_op_module(root), arena, root};
    if (!adze_op_has_trait(root, ADZE_PURE) || !adze_rule_match(rule, &scope, found)) return ADZE_UNCHANGED;
    build b = {.rule = rule, .scope = &scope, .found = found, .builder = adze_builder_before(root)};
    for (uint32_t i = 0; i < rule->n_search; i++)
        adze_builder_inherit(&b.builder, adze_value_op(found[rule->search[i].result].value));
    adze_op *above = adze_op_prev(root);
    for (uint32_t i = 0; i < rule->n_replace; i++) {
        int built = build_op(&b, &rule->replace[i]);
        if (built > 0) continue;
        undo(&b, above);
        if (!built) return ADZE_UNCHANGED;
        adze_error(rule->loc, "rule '%s' built an op that is not valid", rule->name);
        return ADZE_FAILED;
    }
    adze_ir_value *old = adze_op_result(root, 0), *with = b.made[rule->search[rule->n_search - 1].result];
    if (!rule->n_replace && !operand(&b, &rule->with, &with)) return undo(&b, above);
    if (!with || !type_fits(adze_value_type(with), adze_value_type(old))) return undo(&b, above);
    if (!adze_rewrite(self, root, rule->name)) return undo(&b, above);
    if (rule->n_replace && adze_value_name(old)) adze_value_set_name(with, adze_value_name(old));
    adze_value_replace_uses(old, with);
    erase_dead(rule, found);
    return ADZE_CHANGED;
}

/* ---- All rules of a pass over a function ---- */

typedef struct sweep {
    adze_pass_run *run;
    const char *pass;
    bool fast;
    adze_numerics numerics; /* of the rules that were applied */
    adze_arena arena;
    uint64_t n_ops, n_rewrites;
    const adze_rule *last;
} sweep;

static adze_outcome try_rules(sweep *s, adze_op *op)
{
    const adze_registry *registry = s->run->registry;
    for (uint32_t i = 0; i < registry->n_rule_sets; i++) {
        const adze_rules *rules = registry->rules[i];
        if (strcmp(rules->pass, s->pass) != 0) continue;
        for (const adze_rule *rule = rules->first; rule; rule = rule->next) {
            if (rule->numerics != ADZE_EXACT && !s->fast) continue;
            adze_outcome outcome = adze_rule_apply(rule, op, &s->arena, s->run);
            if (outcome == ADZE_UNCHANGED) continue;
            if (rule->numerics > s->numerics) s->numerics = rule->numerics;
            s->last = rule;
            s->n_rewrites++;
            return outcome;
        }
    }
    return ADZE_UNCHANGED;
}

static adze_outcome sweep_region(sweep *s, adze_region *region)
{
    adze_outcome all = ADZE_UNCHANGED;
    for (adze_op *op = adze_region_first(region), *below; op; op = below) {
        /* A rewrite erases ops at and above its root only. */
        below = adze_op_next(op);
        s->n_ops++;
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) {
            adze_outcome inner = sweep_region(s, adze_op_region(op, i));
            if (inner == ADZE_FAILED) return inner;
            if (inner == ADZE_CHANGED) all = inner;
        }
        adze_outcome one = try_rules(s, op);
        if (one == ADZE_FAILED) return one;
        if (one == ADZE_CHANGED) all = one;
    }
    return all;
}

adze_outcome adze_rules_run(adze_func *func, adze_pass_run *self, const char *pass, bool fast)
{
    sweep s = {.run = self, .pass = pass, .fast = fast, .numerics = ADZE_EXACT};
    adze_outcome all = ADZE_UNCHANGED, one;
    uint64_t most = 0; /* ops in any sweep: rewrites may leave few of many */
    do {
        s.n_ops = 0;
        one = sweep_region(&s, adze_func_body(func));
        if (one != ADZE_UNCHANGED) all = one;
        if (s.n_ops > most) most = s.n_ops;
        if (s.n_rewrites > MAX_REWRITES_PER_OP * (most + 16)) {
            adze_error(s.last->loc, "rule '%s': the rules do not come to rest", s.last->name);
            all = ADZE_FAILED;
        }
    } while (one == ADZE_CHANGED && all != ADZE_FAILED);
    adze_arena_free(&s.arena);
    self->numerics = s.numerics;
    if (!self->rewrites) return all;
    if (self->rewrites->rules > s.numerics) self->numerics = self->rewrites->rules; /* an earlier call's */
    self->rewrites->rules = self->numerics;
    return all;
}
