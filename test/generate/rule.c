/* The part to find of a rule, as its `test` line types it, fed by values in scope. */
#include "generate.h"

static adze_ir_value *input(void *self, const adze_type *type)
{
    gen *g = self;
    adze_ir_value *value = gen_chance(g, 60) ? gen_take_type(g, type) : gen_new(g, type, false);
    if (!value || adze_value_const(value)) value = gen_new(g, type, false);
    if (!value || !gen_is_float(value) || gen_chance(g, 50)) return value;
    /* Logarithms, roots and quotients want to be away from zero. */
    return gen_into(g, value, 0.5, 4);
}

bool gen_make_rule(gen *g, const adze_rule *rule)
{
    enum { TRIES = 12 };
    static const adze_dtype others[] = {ADZE_DTYPE_f64, ADZE_DTYPE_i64, ADZE_DTYPE_i32,
                                        ADZE_DTYPE_u8,  ADZE_DTYPE_f16, ADZE_DTYPE_bf16};
    uint32_t n = 0;
    for (const adze_rule_test *t = rule->tests; t; t = t->next) n++;
    for (uint32_t i = 0; n && i < TRIES; i++) {
        const adze_rule_test *test = rule->tests;
        for (uint32_t skip = gen_below(g, n); skip > 0; skip--) test = test->next;
        adze_op *mark = adze_op_prev(g->end);
        adze_rule_site site = {.builder = g->builder, .input = input, .self = g, .seed = g->random};
        /* In half precision a rounding more or less is more than the one step that certificates allow. */
        if (gen_chance(g, 30)) site.real = others[gen_below(g, rule->numerics == ADZE_EXACT ? 6 : 4)];
        adze_context_mute(g->context, true);
        adze_op *root = adze_rule_build(rule, test, &site);
        adze_context_mute(g->context, false);
        if (root && gen_check(g, mark, root)) return true;
        if (!root) gen_undo(g, mark);
    }
    return false;
}
