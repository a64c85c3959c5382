/* What there is: passes by purpose, ops, rules and whether they hold. */
#include "opt.h"

#include <stdio.h>
#include <string.h>

/* Groups that come first; others follow by name. */
static const char *const first_purposes[] = {"simplify", "compress", "lower"};
enum { N_FIRST = sizeof first_purposes / sizeof *first_purposes };

const char *adze_pass_purpose(const adze_pass *pass)
{
    return pass->purpose && *pass->purpose ? pass->purpose : "other";
}

static uint32_t rank_of(const char *purpose)
{
    if (!strcmp(purpose, "other")) return N_FIRST + 1;
    for (uint32_t i = 0; i < N_FIRST; i++)
        if (!strcmp(purpose, first_purposes[i])) return i;
    return N_FIRST;
}

static bool comes_before(const char *a, const char *b)
{
    uint32_t i = rank_of(a), k = rank_of(b);
    return i != k ? i < k : strcmp(a, b) < 0;
}

/* The first group behind `after` (NULL: of all); NULL = none. */
static const char *next_purpose(const adze_registry *registry, const char *after)
{
    const char *next = NULL;
    for (uint32_t i = 0; i < adze_registry_num_passes(registry); i++) {
        const char *one = adze_pass_purpose(adze_registry_pass(registry, i));
        if (after && !comes_before(after, one)) continue;
        if (!next || comes_before(one, next)) next = one;
    }
    return next;
}

void adze_list_passes(const adze_registry *registry)
{
    for (const char *purpose = NULL; (purpose = next_purpose(registry, purpose)) != NULL;) {
        printf("%s:\n", purpose);
        for (uint32_t i = 0; i < adze_registry_num_passes(registry); i++) {
            const adze_pass *pass = adze_registry_pass(registry, i);
            if (strcmp(adze_pass_purpose(pass), purpose) != 0) continue;
            printf("  %-16s %s\n", pass->name, pass->help);
            for (uint32_t k = 0; k < pass->n_options; k++) {
                const adze_option *o = &pass->options[k];
                printf("      %s=%s: %s\n", o->name, o->fallback ? o->fallback : "", o->help);
            }
        }
    }
}

void adze_list_ops(const adze_context *context)
{
    for (uint32_t i = 0; i < adze_row_count(context); i++) {
        const adze_op_row *row = adze_row_get(context, i);
        printf("%-18s %s%s%s\n", row->name, row->help ? row->help : "", row->onnx ? "; ONNX " : "",
               row->onnx ? row->onnx : "");
    }
}

void adze_list_rules(const adze_registry *registry, bool rules)
{
    for (uint32_t i = 0; i < adze_registry_num_rule_sets(registry); i++) {
        adze_rule_info rule;
        printf("%s%s\n", adze_registry_rule_set(registry, i)->name, rules ? ":" : "");
        for (uint32_t k = 0; rules && adze_registry_rule(registry, i, k, &rule); k++) printf("  %s\n", rule.name);
    }
}

int adze_test_rules(const adze_registry *registry)
{
    int status = 0;
    for (uint32_t i = 0; i < adze_registry_num_rule_sets(registry); i++) {
        uint32_t tests;
        bool ok = adze_registry_test_rules(registry, i, &tests);
        printf("%-16s %u tests%s\n", adze_registry_rule_set(registry, i)->name, tests, ok ? "" : ", failed");
        if (!ok) status = 1;
    }
    return status;
}
