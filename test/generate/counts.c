#include "counts.h"

#include "passes/registry_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Ops that no module can have, with the reason. */
static const struct {
    const char *name, *why;
} never[] = {
    {"barrier", "no pass makes it: loops of one kernel need none"},
    {"prefetch", "no pass makes it"},
#define LATE "its dims are known only when it runs: test/backends/x86/flow.py"
    {"compress", LATE},
    {"image_decode", "its operand must be an image: test/images.py makes them"},
    {"named", LATE},
    {"non_max_suppression", LATE},
    {"nonzero", LATE},
    {"unique", LATE},
    {"loop", "test/backends/x86/flow.py makes them"},
#define NO_TENSOR "modules hold tensors of numbers"
    {"concat_from_sequence", NO_TENSOR},
    {"format_number", NO_TENSOR},
    {"map_entries", NO_TENSOR},
    {"optional", NO_TENSOR},
    {"optional_get_element", NO_TENSOR},
    {"optional_has_element", NO_TENSOR},
    {"parse_number", NO_TENSOR},
    {"regex_full_match", NO_TENSOR},
    {"sequence_at", NO_TENSOR},
    {"sequence_construct", NO_TENSOR},
    {"sequence_empty", NO_TENSOR},
    {"sequence_erase", NO_TENSOR},
    {"sequence_insert", NO_TENSOR},
    {"sequence_length", NO_TENSOR},
    {"split_to_sequence", NO_TENSOR},
    {"string_concat", NO_TENSOR},
    {"string_normalizer", NO_TENSOR},
    {"string_split", NO_TENSOR},
    {"zip_map", NO_TENSOR},
#define TABLES "its operands are tables that must fit each other: test/onnx_ml.py makes them"
    {"lookup", TABLES},
    {"tree_ensemble", TABLES},
    {"couple_probabilities", "its operand must be probabilities: test/onnx_ml.py makes them"},
};

void counts_start(counts *c, const adze_registry *registry)
{
    adze_context *context = registry->context;
    *c = (counts){.n_rows = adze_row_count(context)};
    for (uint32_t i = 0; i < c->n_rows; i++) c->rows[i] = adze_row_get(context, i)->name;
    for (uint32_t i = 0; i < registry->n_rule_sets; i++)
        for (const adze_rule *rule = registry->rules[i]->first; rule; rule = rule->next)
            /* The registry ends before the table does. */
            c->rules[c->n_rules++] = strdup(rule->name);
}

static void walk(counts *c, const adze_region *region)
{
    const adze_op_row *first = adze_row_get(adze_module_context(adze_func_module(adze_region_func(region))), 0);
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        c->seen[adze_op_get_row(op) - first] = true; /* built-in rows are one table */
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) walk(c, adze_op_region(op, i));
    }
}

void counts_module(counts *c, const adze_module *module)
{
    for (const adze_func *f = adze_module_first_func(module); f; f = adze_func_next(f)) walk(c, adze_func_body(f));
}

void counts_next(counts *c)
{
    for (uint32_t i = 0; i < c->n_rows; i++) c->row[i] += c->seen[i];
    memset(c->seen, 0, sizeof c->seen);
    c->modules++;
}

void counts_rule(counts *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_rules; i++)
        if (!strcmp(c->rules[i], name)) c->rule[i]++;
}

static const char *never_why(const char *name)
{
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (!strcmp(never[i].name, name)) return never[i].why;
    return NULL;
}

static bool print_table(const char *title, const char *const *names, const uint64_t *numbers, uint32_t n,
                        uint64_t least)
{
    uint32_t column = 0;
    bool ok = true;
    printf("%s\n", title);
    for (uint32_t i = 0; i < n; i++) {
        bool last = ++column == 4 || i + 1 == n;
        printf("  %-28s %8" PRIu64 "%s", names[i], numbers[i], last ? "\n" : "");
        if (last) column = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        const char *why = never_why(names[i]);
        if (numbers[i] >= least && !(why && numbers[i])) continue;
        printf("  %s: %" PRIu64 "%s%s\n", names[i], numbers[i], why ? "; " : ", too few", why ? why : "");
        ok = ok && why && !numbers[i];
    }
    return ok;
}

bool counts_print(const counts *c, uint64_t least)
{
    bool rows = print_table("ops: modules that have them", c->rows, c->row, c->n_rows, least);
    bool rules = print_table("rules: rewrites", c->rules, c->rule, c->n_rules, least);
    printf("%" PRIu64 " modules, %" PRIu64 " runs of passes, %" PRIu64 " that changed the module, %" PRIu64
           " that rounded elsewhere; %u ops, %u rules\n",
           c->modules, c->passes, c->changed, c->inexact, c->n_rows, c->n_rules);
    return rows && rules;
}
