/* One module: ops of all rows and parts that rules find, in turn, so that all of them come equally often. */
#include "generate.h"

#include "passes/registry_private.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_A_MODULE = 14, RULES_A_MODULE = 4, TRIES = 6 };

/* ---- What comes next ---- */

static const adze_rule *rule_number(const adze_registry *registry, uint64_t number)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < registry->n_rule_sets; i++)
        for (const adze_rule *rule = registry->rules[i]->first; rule; rule = rule->next) n++;
    number %= n;
    for (uint32_t i = 0; i < registry->n_rule_sets; i++)
        for (const adze_rule *rule = registry->rules[i]->first; rule; rule = rule->next)
            if (number-- == 0) return rule;
    return NULL;
}

static bool add_row(gen *g, const adze_op_row *row)
{
    for (uint32_t i = 0; i < TRIES; i++) {
        adze_op *mark = adze_op_prev(g->end);
        adze_context_mute(g->context, true);
        adze_op *op = gen_make_op(g, row);
        adze_context_mute(g->context, false);
        if (op && gen_check(g, mark, NULL)) return true;
        if (!op) gen_undo(g, mark);
    }
    return false;
}

static void fill(gen *g, uint64_t number)
{
    uint32_t rows = adze_row_count(g->context), next_rule = 0, steps = ROWS_A_MODULE + RULES_A_MODULE;
    if (gen_chance(g, 5)) steps *= 3;
    for (uint32_t i = 0; i < steps; i++) {
        /* Half of the rows come in turn, the others at random. */
        uint64_t turn = number * (ROWS_A_MODULE / 2) + i / 2;
        if (i % 4 == 3 && next_rule < RULES_A_MODULE)
            gen_make_rule(g, rule_number(g->registry, number * RULES_A_MODULE + next_rule++));
        else
            add_row(g, adze_row_get(g->context, i % 2 ? gen_below(g, rows) : (uint32_t)(turn % rows)));
    }
}

/* ---- Results ---- */

/* Leaves, less one in ten, which is dead; and some values that others read, too. */
static bool wanted(gen *g, const gen_value *v)
{
    bool result = adze_value_def(v->value) == ADZE_DEF_RESULT;
    return v->usable && result && gen_chance(g, adze_value_has_uses(v->value) ? 10 : 90);
}

static void add_results(gen *g)
{
    const adze_type *types[GEN_MAX_VALUES];
    const char *names[GEN_MAX_VALUES] = {0};
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_values; i++) {
        if (!wanted(g, &g->values[i]) && !(n == 0 && i + 1 == g->n_values)) continue;
        types[n] = adze_value_type(g->values[i].value);
        adze_op_insert_operand(g->end, n++, g->values[i].value);
    }
    adze_func_set_results(g->func, types, names, n);
}

/* Symbols that turn out to be 1, where others broadcast, or 0; else certificates choose 2 and 3. */
static void choose_sizes(gen *g)
{
    static const adze_fixed_dim sizes[][2] = {{{"N", 1}, {"S", 4}}, {{"N", 5}, {"S", 1}}, {{"N", 1}, {"S", 1}},
                                              {{"N", 0}, {"S", 3}}, {{"N", 17}, {"S", 2}}};
    if (gen_chance(g, 75)) return;
    g->certify.dims = sizes[gen_below(g, sizeof sizes / sizeof *sizes)];
    g->certify.n_dims = 2;
}

bool gen_create(gen *g, adze_context *context, adze_registry *registry, uint64_t seed, uint64_t number)
{
    *g = (gen){.context = context, .registry = registry, .random = (seed << 32) + number};
    g->certify = (adze_certify_options){.struct_size = sizeof g->certify, .seed = number + 1};
    choose_sizes(g);
    g->module = adze_module_create(context, "random");
    g->func = adze_module_add_func(g->module, "main");
    g->index = adze_map_create();
    g->builder = adze_builder_at_end(g->module, adze_func_body(g->func));
    g->end = adze_build(&g->builder, "return", NULL, 0, NULL, 0, NULL, 0);
    if (!g->end) return false;
    g->builder.before = g->end;
    gen_new(g, adze_type_tensor_const(context, ADZE_DTYPE_f32, 2, (const int64_t[]){4, 8}), false);
    fill(g, number);
    add_results(g);
    return adze_module_verify(g->module);
}

void gen_destroy(gen *g)
{
    for (uint32_t i = 0; i < g->n_values; i++) adze_outputs_free(&g->values[i].data, 1);
    adze_outputs_free(g->inputs, g->n_inputs);
    adze_map_destroy(g->index);
    adze_module_destroy(g->module);
}
