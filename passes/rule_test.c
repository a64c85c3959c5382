/* Tests of rules by what they mean: the ops to find and what replaces them run on the reference with the
 * same inputs.
 *
 * A `test` line gives the types and values that the rule leaves open. Inputs of EXACT rules are nasty
 * (NaN, infinities, -0, denormals, ends of the range) and both sides must agree bit by bit (any NaN equals
 * any NaN). Inputs of FAST rules are ordinary numbers, and the difference must be small.
 */
#include "passes/registry_private.h"
#include "passes/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 6 };

/* Largest difference of a FAST rule, relative to the largest result. */
static const double tolerance = 2e-5;

typedef struct bench {
    adze_context *context;
    const adze_rule *rule;
    const adze_rule_test *test;
    uint64_t random; /* state */
    adze_module *module;
    adze_func *func;
    adze_builder builder;
    const adze_rule_site *site; /* NULL: the part to find is a function of its own */
    adze_ir_value *values[ADZE_RULE_MAX_VARS];
    bool made[ADZE_RULE_MAX_VARS];
} bench;

static uint32_t next_random(bench *b)
{
    b->random = b->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(b->random >> 33);
}

/* ---- Values ---- */

static double pick_real(bench *b)
{
    static const double nasty[] = {0.0,       -0.0,     1,    -1,        0.5,     2.5,      -2.25,    NAN,
                                   INFINITY,  -INFINITY, 1e-40, -1e-45,   3.4e38,  -3.4e38,  1e-38,    7,
                                   16777217,  0.1,      -3.5, 127.5,     1.5,     -0.5,     100,      -6};
    if (b->site) return 0.5 + (double)(next_random(b) % 97) / 64; /* as harmless as can be */
    if (b->rule->numerics == ADZE_EXACT) return nasty[next_random(b) % (sizeof nasty / sizeof *nasty)];
    return ((double)next_random(b) / 2147483648.0 - 0.5) * 6;
}

static int64_t pick_whole(bench *b, adze_dtype dtype)
{
    static const int64_t values[] = {0, 1, 2, 3, 5, 7, 100, 127, -1, -2, -7, -128};
    bool is_signed = adze_dtype_get_kind(dtype) == ADZE_KIND_INT;
    return values[next_random(b) % (is_signed ? 12 : 8)];
}

static void put_element(void *data, uint64_t i, adze_dtype dtype, double real, int64_t whole)
{
    char *at = (char *)data + i * (adze_dtype_bits(dtype) / 8);
    switch (adze_dtype_get_kind(dtype)) {
    case ADZE_KIND_FLOAT: adze_value_set_real(&(adze_value){.dtype = dtype, .data = data}, i, real); break;
    case ADZE_KIND_BOOL: *at = (char)(whole & 1); break;
    default: memcpy(at, &whole, adze_dtype_bits(dtype) / 8); break; /* little endian */
    }
}

/* `given`: the value of every element, or NULL for a random one each. Caller frees. */
static void *make_bytes(bench *b, const adze_type *type, const double *given, uint64_t *out_count)
{
    int64_t count = 0;
    adze_dim_is_const(adze_type_count(type), &count);
    adze_dtype dtype = adze_type_dtype(type);
    void *data = adze_malloc(adze_dtype_bytes(dtype, (uint64_t)count) + 16);
    adze_value all = {.dtype = dtype, .data = data};
    for (int64_t i = 0; i < count; i++)
        if (given) adze_value_set_real(&all, (uint64_t)i, *given);
        else put_element(data, (uint64_t)i, dtype, pick_real(b), pick_whole(b, dtype));
    *out_count = (uint64_t)count;
    return data;
}

/* ---- The part to find, as a function ---- */

static const adze_rule_binding *binding_of(const bench *b, uint32_t var)
{
    for (uint32_t i = 0; i < b->test->n_bindings; i++)
        if (b->test->bindings[i].var == var) return &b->test->bindings[i];
    return NULL;
}

static const adze_type *type_of(const bench *b, const adze_rule_binding *binding)
{
    const adze_type *type = binding ? binding->type : NULL;
    bool other = type && b->site && b->site->real != ADZE_DTYPE_NONE && adze_type_dtype(type) == ADZE_DTYPE_f32;
    return other ? adze_type_with_dtype(type, b->site->real) : type;
}

static adze_ir_value *make_literal(bench *b, const adze_bound *literal, adze_dtype dtype)
{
    double number = literal->attr_kind == ADZE_ATTR_FLOAT ? literal->slot.f : (double)literal->slot.i;
    if (literal->attr_kind == ADZE_ATTR_INTS)
        return adze_const_ints(b->module, "c", literal->slot.ints.data, (int)literal->slot.ints.count);
    return adze_const_scalar(b->module, "c", dtype, number);
}

static adze_ir_value *make_constant(bench *b, const adze_rule_binding *binding)
{
    const adze_bound *literal = &binding->value.literal;
    double number = literal->attr_kind == ADZE_ATTR_FLOAT ? literal->slot.f : (double)literal->slot.i;
    uint64_t count;
    void *bytes = make_bytes(b, type_of(b, binding), binding->has_value ? &number : NULL, &count);
    adze_ir_value *value = adze_const_make(b->module, "c", type_of(b, binding), bytes);
    free(bytes);
    return value;
}

/* The value of a variable in an operand's place; `dtype` for numbers without a type. */
static bool variable(bench *b, uint32_t var, adze_dtype dtype, adze_ir_value **out)
{
    const adze_rule_binding *binding = binding_of(b, var);
    if (!b->made[var]) {
        if (!binding) return adze_error(b->test->loc, "the test says nothing about %s", b->rule->vars[var]);
        bool absent = binding->has_value && binding->value.kind == ADZE_TERM_ABSENT;
        bool constant = b->rule->vars[var][0] == '$' || binding->has_value;
        if (absent)
            b->values[var] = NULL;
        else if (!binding->type)
            b->values[var] = make_literal(b, &binding->value.literal, dtype);
        else if (constant)
            b->values[var] = make_constant(b, binding);
        else if (b->site)
            b->values[var] = b->site->input(b->site->self, type_of(b, binding));
        else
            b->values[var] = adze_region_add_arg(adze_func_body(b->func), binding->type, NULL);
        b->made[var] = true;
        if (!b->values[var] && !absent) return false;
    }
    *out = b->values[var];
    return true;
}

/* Element type for numbers among an op's operands: that of the first operand whose type is known. */
static adze_dtype number_type(const bench *b, const adze_rule_op *op)
{
    for (uint32_t i = 0; i < op->n_operands; i++) {
        const adze_term *term = &op->operands[i];
        if (term->kind != ADZE_TERM_VAR && term->kind != ADZE_TERM_OPTIONAL) continue;
        const adze_rule_binding *binding = binding_of(b, term->var);
        if (b->made[term->var] && b->values[term->var]) return adze_type_dtype(adze_value_type(b->values[term->var]));
        if (binding && binding->type) return adze_type_dtype(type_of(b, binding));
    }
    return ADZE_DTYPE_f32;
}

static bool collect_attrs(bench *b, const adze_rule_op *op, const adze_op_row *row, const adze_type *type,
                          adze_attr *out, uint32_t *out_n)
{
    *out_n = 0;
    for (uint32_t i = 0; i < op->n_attrs; i++) {
        const adze_term *term = &op->attrs[i].value;
        const adze_rule_binding *binding = term->kind == ADZE_TERM_VAR ? binding_of(b, term->var) : NULL;
        if (term->kind == ADZE_TERM_VAR && !binding)
            return adze_error(b->test->loc, "the test says nothing about %s", b->rule->vars[term->var]);
        adze_bound value = binding ? binding->value.literal : term->literal;
        if (value.absent) continue;
        out[(*out_n)++] = (adze_attr){row->attrs[op->attrs[i].index].name, value.attr_kind, value.slot};
    }
    bool has_to = false;
    for (uint32_t i = 0; i < *out_n; i++) has_to |= !strcmp(out[i].name, "to");
    if (type && !has_to && adze_row_attr_index(row, "to") >= 0)
        out[(*out_n)++] = adze_attr_type("to", adze_type_dtype(type));
    return true;
}

static adze_op *build_op(bench *b, const adze_rule_op *op)
{
    adze_ir_value *operands[ADZE_RULE_MAX_TERMS] = {0};
    adze_attr attrs[ADZE_RULE_MAX_TERMS + 1];
    uint32_t n_attrs, n = op->n_operands;
    const adze_op_row *row = op->row ? op->row : b->test->any;
    const adze_rule_binding *binding = binding_of(b, op->result);
    const adze_type *type = type_of(b, binding);
    if (!row) {
        adze_error(b->test->loc, "the test does not say what * stands for");
        return NULL;
    }
    for (uint32_t i = 0; i < op->n_operands; i++) {
        const adze_term *term = &op->operands[i];
        adze_dtype dtype = number_type(b, op);
        /* The condition of `where` is the one operand whose type is not that of its neighbours. */
        if (i == 0 && !strcmp(row->name, "where")) dtype = ADZE_DTYPE_bool;
        if (term->kind == ADZE_TERM_ABSENT) continue;
        if (term->kind == ADZE_TERM_LITERAL)
            operands[i] = make_literal(b, &term->literal, dtype);
        else if (!variable(b, term->var, dtype, &operands[i]))
            return NULL;
    }
    if (n < row->in_min) n = row->in_min;
    if (!collect_attrs(b, op, row, type, attrs, &n_attrs)) return NULL;
    bool stated = type && adze_row_attr_index(row, "to") < 0;
    return adze_build(&b->builder, row->name, operands, n, attrs, n_attrs, stated ? &type : NULL, 1);
}

/* The root, or NULL after an error. */
static adze_op *build_ops(bench *b)
{
    adze_op *root = NULL;
    for (uint32_t i = 0; i < b->rule->n_search; i++) {
        root = build_op(b, &b->rule->search[i]);
        if (!root) return NULL;
        uint32_t var = b->rule->search[i].result;
        b->values[var] = adze_op_result(root, 0);
        b->made[var] = true;
    }
    return root;
}

adze_op *adze_rule_build(const adze_rule *rule, const adze_rule_test *test, const adze_rule_site *site)
{
    bench b = {.context = adze_module_context(site->builder.module),
               .rule = rule,
               .test = test,
               .random = site->seed,
               .module = site->builder.module,
               .builder = site->builder,
               .site = site};
    return build_ops(&b);
}

/* Fills the module; the root, or NULL after an error. */
static adze_op *build_function(bench *b, uint64_t seed)
{
    b->random = seed;
    memset(b->made, 0, sizeof b->made);
    b->module = adze_module_create(b->context, "rule");
    b->func = adze_module_add_func(b->module, "main");
    b->builder = adze_builder_at_end(b->module, adze_func_body(b->func));
    adze_op *root = build_ops(b);
    if (!root) return NULL;
    adze_ir_value *result = adze_op_result(root, 0);
    const adze_type *type = adze_value_type(result);
    const char *name = NULL;
    adze_func_set_results(b->func, &type, &name, 1);
    return adze_build(&b->builder, "return", &result, 1, NULL, 0, NULL, 0) ? root : NULL;
}

/* ---- Running and comparing ---- */

static bool run(bench *b, uint64_t seed, adze_value *out)
{
    enum { MAX_ARGS = 16 };
    adze_value in[MAX_ARGS];
    int64_t dims[MAX_ARGS][ADZE_MAX_RANK];
    adze_region *body = adze_func_body(b->func);
    uint32_t n = adze_region_num_args(body);
    if (n > MAX_ARGS) return adze_error(b->test->loc, "the test has too many inputs");
    b->random = seed ^ UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < n; i++) {
        const adze_type *type = adze_value_type(adze_region_arg(body, i));
        uint64_t count;
        for (uint32_t d = 0; d < adze_type_rank(type); d++) adze_dim_is_const(adze_type_dim(type, d), &dims[i][d]);
        in[i] = (adze_value){.kind = ADZE_VALUE_TENSOR,
                             .dtype = adze_type_dtype(type),
                             .rank = adze_type_rank(type),
                             .dims = dims[i],
                             .data = make_bytes(b, type, NULL, &count)};
    }
    bool ok = adze_interpret(b->func, in, n, out, 1, NULL, NULL);
    for (uint32_t i = 0; i < n; i++) free(in[i].data);
    return ok;
}

static bool agree(const bench *b, const adze_value *x, const adze_value *y)
{
    if (x->dtype != y->dtype || x->rank != y->rank) return adze_error(b->test->loc, "the types differ");
    for (uint32_t i = 0; i < x->rank; i++)
        if (x->dims[i] != y->dims[i]) return adze_error(b->test->loc, "the dims differ");
    uint64_t count = adze_value_count(x);
    if (adze_dtype_get_kind((adze_dtype)x->dtype) != ADZE_KIND_FLOAT)
        return !memcmp(x->data, y->data, adze_dtype_bytes((adze_dtype)x->dtype, count)) ||
               adze_error(b->test->loc, "rule '%s': the two sides differ", b->rule->name);
    double largest = 1;
    for (uint64_t i = 0; i < count; i++) {
        double p = fabs(adze_value_real(x, i));
        if (isfinite(p) && p > largest) largest = p;
    }
    for (uint64_t i = 0; i < count; i++) {
        double p = adze_value_real(x, i), q = adze_value_real(y, i);
        if (isnan(p) && isnan(q)) continue;
        bool same = p == q && signbit(p) == signbit(q);
        if (b->rule->numerics == ADZE_FAST) same = p == q || fabs(p - q) <= tolerance * largest;
        if (!same)
            return adze_error(b->test->loc, "rule '%s': element %llu is %.9g before and %.9g after", b->rule->name,
                              (unsigned long long)i, p, q);
    }
    return true;
}

static bool run_seed(bench *b, uint64_t seed)
{
    adze_value before, after;
    adze_arena arena = {0};
    adze_op *root = build_function(b, seed);
    bool ok = root || adze_error(b->test->loc, "rule '%s': its part to find cannot be built", b->rule->name);
    bool ran = ok && run(b, seed, &before);
    if (ran) {
        ok = adze_rule_apply(b->rule, root, &arena, NULL) == ADZE_CHANGED ||
             adze_error(b->test->loc, "rule '%s' does not match its own test", b->rule->name);
        ok = ok && adze_module_verify(b->module);
        if (ok && (ok = run(b, seed, &after))) {
            ok = agree(b, &before, &after);
            adze_outputs_free(&after, 1);
        }
        adze_outputs_free(&before, 1);
    }
    adze_arena_free(&arena);
    adze_module_destroy(b->module);
    return ok && ran;
}

adze_rules_report adze_rules_test(adze_context *context, const adze_rules *rules)
{
    adze_rules_report report = {0};
    for (const adze_rule *rule = rules->first; rule; rule = rule->next) {
        if (!rule->tests) {
            adze_error(rule->loc, "rule '%s' has no test", rule->name);
            report.rules_without_test++;
        }
        for (const adze_rule_test *test = rule->tests; test; test = test->next) {
            bench b = {.context = context, .rule = rule, .test = test};
            bool ok = true;
            for (uint64_t seed = 1; seed <= SEEDS && ok; seed++) ok = run_seed(&b, seed * 7919);
            report.tests++;
            report.failures += !ok;
        }
    }
    return report;
}

bool adze_registry_test_rules(const adze_registry *registry, uint32_t index, uint32_t *out_tests)
{
    adze_rules_report report = adze_rules_test(registry->context, registry->rules[index]);
    *out_tests = report.tests;
    return !report.failures && !report.rules_without_test;
}
