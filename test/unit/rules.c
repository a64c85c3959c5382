/* Every rewrite rule does what it says: both sides of it agree on the reference (passes/rule_test.c), and
 * the tests themselves notice a rule that is wrong. */
#include "unit.h"

#include "passes/registry_private.h"
#include "passes/rules.h"

static void print(void *self, const adze_diagnostic *diagnostic)
{
    adze_text text = {0};
    (void)self;
    adze_diagnostic_print(diagnostic, &text);
    printf("%.*s\n", (int)text.size, text.data);
    adze_text_free(&text);
}

static void ignore(void *self, const adze_diagnostic *diagnostic)
{
    (void)self, (void)diagnostic;
}

TEST(built_in_rules_agree)
{
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, print, NULL);
    adze_registry *registry = adze_registry_create(context);
    REQUIRE(registry);
    CHECK(adze_registry_num_rule_sets(registry) >= 7);
    for (uint32_t i = 0; i < registry->n_rule_sets; i++) {
        adze_rules_report report = adze_rules_test(context, registry->rules[i]);
        printf("%s: %u tests, %u failures\n", registry->rule_sets[i]->name, report.tests, report.failures);
        CHECK(report.tests > 0);
        CHECK_INT(report.failures, 0);
        CHECK_INT(report.rules_without_test, 0);
    }
    adze_registry_destroy(registry);
    adze_context_destroy(context);
}

/* Parses and tests one rule; the number of failures, or -1 if it does not parse. */
static int failures_of(const char *text)
{
    adze_context *context = adze_context_create();
    adze_arena arena = {0};
    adze_context_set_sink(context, ignore, NULL);
    const adze_rules *rules = adze_rules_parse(context, &arena, "unit", text);
    int result = -1;
    if (rules) {
        adze_rules_report report = adze_rules_test(context, rules);
        result = (int)(report.failures + report.rules_without_test);
    }
    adze_arena_free(&arena);
    adze_context_destroy(context);
    return result;
}

TEST(right_rule_passes)
{
    CHECK_INT(failures_of("rule r EXACT { %1 = neg(%x) %2 = neg(%1) } => %x test (%x: f32[8])"), 0);
}

TEST(wrong_value_is_found)
{
    CHECK_INT(failures_of("rule r EXACT { %1 = neg(%x) } => %x test (%x: f32[8])"), 1);
    CHECK_INT(failures_of("rule r FAST { %1 = neg(%x) } => %x test (%x: f32[8])"), 1);
}

/* x + 0 is FAST: -0.0 + 0.0 is +0.0. */
TEST(claim_to_be_exact_is_checked)
{
    CHECK_INT(failures_of("rule r EXACT { %1 = add(%x, 0) } => %x test (%x: f32[64])"), 1);
    CHECK_INT(failures_of("rule r FAST { %1 = add(%x, 0) } => %x test (%x: f32[64])"), 0);
}

TEST(type_without_numbers_is_refused)
{
    CHECK_INT(failures_of("rule r EXACT { %1 = identity(%x) } => %x test (%x: str[2])"), -1);
    CHECK_INT(failures_of("rule r EXACT { %1 = identity(%x) } => %x test (%x: i4[2])"), -1);
}

/* Matching goes upwards from the root, so it would never bind the first op. */
TEST(op_that_does_not_lead_to_the_root_is_refused)
{
    CHECK_INT(failures_of("rule r EXACT { %1 = neg(%x) %2 = neg(%x) } => { %2 = abs(%1) } test (%x: f32[8])"), -1);
    CHECK_INT(failures_of("rule r EXACT { %1 = neg(%2) %2 = neg(%1) } => %1 test (%x: f32[8])"), -1);
}

TEST(type_of_no_found_op_is_refused)
{
    CHECK_INT(failures_of("rule r EXACT { %1 = neg(%x) } => { %2 = neg(%x) %1 = cast(%2) {to = f32} : type(%2) }"), -1);
}

/* An error, not an overflowing stack. */
TEST(functions_nest_to_a_bound)
{
    enum { DEEP = 100000 };
    adze_text text = {0};
    adze_text_append(&text, "rule r EXACT { %%1 = neg(%%x) } => { %%1 = neg(");
    for (int i = 0; i < DEEP; i++) adze_text_append(&text, "list(");
    CHECK_INT(failures_of(text.data), -1);
    adze_text_free(&text);
}

TEST(rule_without_test_is_found)
{
    CHECK_INT(failures_of("rule r EXACT { %1 = identity(%x) } => %x"), 1);
}

TEST(test_that_does_not_match_is_found)
{
    CHECK_INT(failures_of("rule r EXACT { %1 = transpose(%x) {perm = [0,1]} } => %x test (%x: f32[2,2])"), 0);
    CHECK_INT(failures_of("rule r EXACT { %1 = transpose(%x) {perm = $p} where identity_perm($p) } => %x "
                          "test (%x: f32[2,2], $p = [1,0])"),
              1);
}

TEST(bad_text_is_refused)
{
    static const char *const texts[] = {
        "rule",
        "rule r { %1 = neg(%x) } => %x",
        "rule r EXACT { %1 = nothing(%x) } => %x",
        "rule r EXACT { %1 = neg(%x) {axis = 1} } => %x",
        "rule r EXACT { %1 = neg(%x) } => %y",
        "rule r EXACT { %1 = neg(%x) } => { %2 = neg(%x) }",
        "rule r EXACT { %1 = neg(%x) where no_such($c) } => %x",
        "rule r EXACT { %1 = neg(%x) where known() } => %x",
        "rule r EXACT { %1 = neg(%x) where known(%y) } => %x",
        "rule r EXACT { %1 = neg(%x) } => { %1 = neg(no_such(%x)) }",
        "rule r EXACT { %1 = neg(%x) %1 = neg(%x) } => %x",
        "rule r EXACT { %1 = neg(%x) } => %x rule r EXACT { %1 = abs(%x) } => %x",
        "rule r EXACT { %1 = neg(%x",
        "rule r EXACT { %1 = neg(%x) } => %x test (%x: f32[2,])",
        "rule r EXACT { %1 = neg(%x) } => %x test (%y: f32[2])",
        "rule r EXACT { %1 = add(%x, 99999999999999999999999) } => %x",
        "pass 3",
        "rule r EXACT { %1 = neg(%x) } => %x }",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK_INT(failures_of(texts[i]), -1);
        if (failures_of(texts[i]) != -1) printf("accepted: %s\n", texts[i]);
    }
}

int main(void)
{
    RUN(built_in_rules_agree);
    RUN(right_rule_passes);
    RUN(wrong_value_is_found);
    RUN(claim_to_be_exact_is_checked);
    RUN(type_without_numbers_is_refused);
    RUN(op_that_does_not_lead_to_the_root_is_refused);
    RUN(type_of_no_found_op_is_refused);
    RUN(functions_nest_to_a_bound);
    RUN(rule_without_test_is_found);
    RUN(test_that_does_not_match_is_found);
    RUN(bad_text_is_refused);
    return unit_end();
}
