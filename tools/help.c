/* adze help: commands, passes, ops and rules, as their tables say. The example of a pass is run, not stored. */
#include "opt.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 100 };

static const adze_flag flags[] = {
    {"--plugin", "FILE.so", "load a plug-in; repeatable", ADZE_FLAG_LIST, offsetof(adze_common, plugins)},
    {"--target", "NAME[:LEVEL]", "what the example of a pass is made for", ADZE_FLAG_TEXT,
     offsetof(adze_common, target)},
    {"--color", "always|never|auto", "colour in messages (default: on a terminal)", ADZE_FLAG_CHOICE,
     offsetof(adze_common, color)},
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze help [COMMAND | pass [NAME] | op [NAME] | rule [NAME]] [FLAGS]\n\n"
    "Says what a command, a pass, an op or a rewrite rule does. Of a pass it shows what it needs\n"
    "and keeps, its options, and an example before and after it.\n\n"
    "Example: adze help pass fuse\n";

/* ---- Passes ---- */

/* Lines of up to WIDTH characters, broken at spaces. */
static void print_wrapped(const char *text)
{
    while (*text) {
        size_t n = strlen(text), cut = n;
        if (n > WIDTH)
            for (cut = WIDTH; cut && text[cut] != ' ';) cut--;
        if (!cut) cut = strcspn(text, " ");
        printf("%.*s\n", (int)cut, text);
        text += cut + strspn(text + cut, " ");
    }
}

static void print_indented(const char *text, size_t size)
{
    for (const char *at = text, *end = text + size; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        int n = (int)((stop ? stop : end) - at);
        printf("%s%.*s\n", n ? "  " : "", n, at);
        at += n + 1;
    }
}

static void print_options(const adze_pass *pass)
{
    static const char *const kinds[] = {"whole number", "true or false", "number", "text"};
    if (!pass->n_options) return;
    printf("\nOptions:\n");
    for (uint32_t i = 0; i < pass->n_options; i++) {
        const adze_option *o = &pass->options[i];
        char left[64];
        snprintf(left, sizeof left, "%s=%s", o->name, o->fallback ? o->fallback : "");
        printf("  %-20s %-14s %s\n", left, kinds[o->kind], o->help);
    }
}

/* A module as it would be written by hand: bare functions, where it has no more than those. The text is indented
 * by the two spaces that its place in the module asks for. */
static void print_module(const adze_text *text)
{
    static const char head[] = "module @module {\n", tail[] = "}\n";
    size_t n = sizeof head - 1, m = sizeof tail - 1;
    if (text->size > n + m && !memcmp(text->data, head, n))
        printf("%.*s", (int)(text->size - n - m), text->data + n);
    else
        print_indented(text->data, text->size);
}

/* The pass alone, in check mode. */
static bool run_example(adze_work *work, const adze_common *common, const adze_pass *pass, adze_module *module)
{
    adze_levels levels = {0};
    if (common->target && !adze_work_levels(work, common->target, &levels)) return false;
    adze_run_options run = {.struct_size = sizeof run,
                            .target = levels.items[0],
                            .others = levels.count ? &levels.items[1] : NULL,
                            .precision = ADZE_PRECISION_F32,
                            .check = true};
    adze_pipeline *pipeline = adze_pipeline_parse(work->registry, pass->name);
    bool ok = pipeline && adze_pipeline_run(pipeline, module, &run);
    adze_pipeline_destroy(pipeline);
    return ok;
}

static bool print_example(adze_work *work, const adze_common *common, const adze_pass *pass)
{
    const char *file = adze_internf(work->context, "example of %s", pass->name);
    adze_module *module = adze_module_parse(work->context, file, pass->example, strlen(pass->example));
    adze_text after = {0};
    bool ok = module && run_example(work, common, pass, module) && adze_module_print(module, NULL, &after);
    if (ok) {
        printf("\nBefore:\n\n");
        print_indented(pass->example, strlen(pass->example));
        printf("\nAfter --passes=%s:\n\n", pass->name);
        print_module(&after);
    }
    adze_text_free(&after);
    adze_module_destroy(module);
    return ok;
}

static int help_pass(adze_work *work, const adze_common *common, const char *name)
{
    static const char *const numerics[] = {
        "exact: no bit of a result changes",
        "fast: results may differ in rounding, in the sign of zero, or where NaN or infinity are involved",
        "lossy: results change; measure how much"};
    const adze_pass *pass = adze_registry_find_pass(work->registry, name);
    if (!pass) {
        char ask[96];
        adze_nearest nearest = {.wanted = name};
        adze_registry_near_pass(work->registry, &nearest);
        return adze_usage_error("there is no pass named '%s'%s", name, adze_nearest_ask(&nearest, ask, sizeof ask));
    }
    printf("%s: %s\n\nPurpose: %s\nNumerics: %s\n", pass->name, pass->help, adze_pass_purpose(pass),
           numerics[pass->numerics]);
    if (pass->contract && *pass->contract) {
        printf("\n");
        print_wrapped(pass->contract);
    }
    print_options(pass);
    return !pass->example || !*pass->example || print_example(work, common, pass) ? 0 : 1;
}

/* ---- Ops ---- */

/* `%a, %b, %c?, …`: what is optional has a question mark, what may follow without bound is an ellipsis. */
static void print_values(char first, uint32_t low, uint32_t high)
{
    bool open = high == ADZE_VARIADIC;
    for (uint32_t i = 0; i < (open ? low : high); i++)
        printf("%s%%%c%s", i ? ", " : "", (char)(first + (char)i), i < low ? "" : "?");
    if (open) printf("%s...", low ? ", " : "");
}

static void print_signature(const adze_op_row *row)
{
    printf("%-11s", "signature");
    print_values('r', row->out_min, row->out_max);
    printf("%s%s(", row->out_max ? " = " : "", row->name);
    print_values('a', row->in_min, row->in_max);
    printf(")%s%s\n", row->n_attrs ? " {...}" : "", row->regions_max ? " do {...}" : "");
}

static void print_traits(uint64_t traits)
{
    /* in the order of the bits of adze_trait */
    static const char *const names[] = {"PURE",        "ELEMWISE", "COMMUTATIVE", "VIEW",      "REDUCE",
                                        "CONTRACTION", "WINDOW",   "MOVE",        "NORMALIZE", "DATA_DEPENDENT",
                                        "TERMINATOR",  "LOOP",     "SHAPE",       "QUANT",     "REGION",
                                        "IDEMPOTENT",  "FREE",     "EXTENSION"};
    enum { N_TRAITS = sizeof names / sizeof *names };
    _Static_assert(1 << (N_TRAITS - 1) == ADZE_EXTENSION, "each trait has a name");
    printf("%-11s", "traits");
    for (uint32_t i = 0, n = 0; i < N_TRAITS; i++)
        if (traits >> i & 1) printf("%s%s", n++ ? " " : "", names[i]);
    printf("%s\n", traits ? "" : "none");
}

static void print_attrs(const adze_op_row *row)
{
    static const char *const kinds[] = {"int",    "bool", "float", "str",  "type",   "ints",
                                        "floats", "strs", "dim",   "dims", "symbol", "typeref"};
    if (row->n_attrs) printf("\nAttributes:\n");
    for (uint32_t i = 0; i < row->n_attrs; i++) {
        const adze_attr_row *attr = &row->attrs[i];
        const char *fallback = !attr->fallback ? "optional" : !strcmp(attr->fallback, "!") ? "required" : NULL;
        printf("  %-22s %-8s %s%s\n", attr->name, kinds[attr->kind], fallback ? fallback : "default ",
               fallback ? "" : attr->fallback);
    }
}

static int help_op(adze_work *work, const adze_common *common, const char *name)
{
    (void)common;
    const adze_op_row *row = adze_row_find(work->context, name);
    if (!row) {
        char ask[96];
        adze_nearest nearest = {.wanted = name};
        adze_nearest_offer_ops(&nearest, work->context);
        for (uint32_t i = 0; i < adze_row_count(work->context); i++) {
            const adze_op_row *one = adze_row_get(work->context, i);
            if (one->onnx && !strcmp(one->onnx, name)) nearest.name = one->name, nearest.distance = 0;
        }
        return adze_usage_error("there is no op named '%s'%s", name, adze_nearest_ask(&nearest, ask, sizeof ask));
    }
    printf("%s: %s\n\n", row->name, row->help ? row->help : "");
    print_signature(row);
    if (row->onnx) printf("%-11s%s%s%s\n", "ONNX", row->domain ? row->domain : "", row->domain ? "." : "", row->onnx);
    print_traits(row->traits);
    print_attrs(row);
    return 0;
}

/* ---- Rules ---- */

static int help_rule(adze_work *work, const adze_common *common, const char *name)
{
    (void)common;
    char ask[96];
    uint32_t found = 0;
    adze_nearest nearest = {.wanted = name};
    for (uint32_t i = 0; i < adze_registry_num_rule_sets(work->registry); i++) {
        adze_rule_info rule;
        for (uint32_t k = 0; adze_registry_rule(work->registry, i, k, &rule); k++) {
            adze_nearest_offer(&nearest, rule.name);
            if (strcmp(rule.name, name) != 0) continue;
            printf("%s%s: of the set '%s', applied by %s\n\n", found++ ? "\n" : "", rule.name,
                   adze_registry_rule_set(work->registry, i)->name, rule.pass);
            print_indented(rule.text, rule.size);
        }
    }
    if (found) return 0;
    return adze_usage_error("there is no rule named '%s'%s", name, adze_nearest_ask(&nearest, ask, sizeof ask));
}

/* ---- Topics ---- */

static void list_passes(adze_work *work) { adze_list_passes(work->registry); }
static void list_ops(adze_work *work) { adze_list_ops(work->context); }
static void list_rules(adze_work *work) { adze_list_rules(work->registry, true); }

static const struct topic {
    const char *name;
    void (*list)(adze_work *work);
    int (*help)(adze_work *work, const adze_common *common, const char *name);
} topics[] = {
    {"pass", list_passes, help_pass},
    {"op", list_ops, help_op},
    {"rule", list_rules, help_rule},
};
enum { N_TOPICS = sizeof topics / sizeof *topics };

static int help_command(const adze_work *work, const char *name)
{
    char ask[96];
    adze_nearest nearest = {.wanted = name};
    for (uint32_t i = 0; adze_command_get(i); i++) {
        const adze_command *command = adze_command_get(i);
        adze_nearest_offer(&nearest, command->name);
        if (strcmp(command->name, name) != 0) continue;
        adze_flags_help(command->flags, command->usage);
        return 0;
    }
    const char *kind = adze_registry_find_pass(work->registry, name) ? "pass"
                       : adze_row_find(work->context, name)          ? "op"
                                                                     : NULL;
    if (kind)
        return adze_usage_error("there is no command '%s', but %s %s: adze help %s %s", name, *kind == 'o' ? "an" : "a",
                                kind, kind, name);
    for (uint32_t i = 0; i < N_TOPICS; i++) adze_nearest_offer(&nearest, topics[i].name);
    return adze_usage_error("there is no command '%s'%s", name, adze_nearest_ask(&nearest, ask, sizeof ask));
}

static int run(adze_work *work, const void *options, char **words, int n_words)
{
    const struct topic *topic = NULL;
    for (uint32_t i = 0; n_words && i < N_TOPICS; i++)
        if (!strcmp(topics[i].name, words[0])) topic = &topics[i];
    if (n_words > 1 && !topic)
        return adze_usage_error("help takes a command, or pass, op or rule and a name, got '%s %s'", words[0],
                                words[1]);
    if (!n_words) {
        adze_print_commands(stdout);
        return 0;
    }
    if (!topic) return help_command(work, words[0]);
    if (n_words == 2) return topic->help(work, options, words[1]);
    topic->list(work);
    return 0;
}

const adze_command adze_command_help = {
    .name = "help",
    .summary = "explain a command, a pass, an op or a rewrite rule",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(adze_common),
    .files_max = 2,
    .takes = "a command, or pass, op or rule and a name",
    .run = run,
};
