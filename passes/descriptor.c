/* Registers what a descriptor brings, built in or from a plug-in.
 *
 * It is checked whole before anything of it is registered. Only its rules come later, since they may name its ops:
 * where they do not parse, the op rows stay known to the context, and nothing else stays. Structs of older plug-ins
 * are shorter than ours: what they lack is zero.
 */
#include "passes/descriptor.h"
#include "passes/registry_private.h"
#include "passes/rules.h"

#include <stdlib.h>
#include <string.h>

/* ---- Kinds ---- */

static bool pass_taken(const adze_registry *registry, const char *name)
{
    for (const adze_named_pipeline *p = adze_named_pipelines; p->name; p++)
        if (!strcmp(p->name, name)) return true;
    return !strcmp(name, "repeat") || adze_registry_find_pass(registry, name);
}

static bool op_taken(const adze_registry *registry, const char *name) { return adze_row_find(registry->context, name); }

#define IN_LIST(list)                                                                                            \
    for (uint32_t i = 0; i < registry->n_##list; i++)                                                            \
        if (!strcmp(registry->list[i]->name, name)) return true;                                                 \
    return false

static bool rule_set_taken(const adze_registry *registry, const char *name) { IN_LIST(rule_sets); }
static bool backend_taken(const adze_registry *registry, const char *name) { IN_LIST(backends); }
static bool frontend_taken(const adze_registry *registry, const char *name) { IN_LIST(frontends); }
static bool metric_taken(const adze_registry *registry, const char *name) { IN_LIST(metrics); }
static bool sensitivity_taken(const adze_registry *registry, const char *name) { IN_LIST(sensitivities); }

bool adze_plugin_name_is_taken(const adze_registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->n_plugins; i++)
        if (!strcmp(registry->plugins[i], name)) return true;
    return false;
}

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))
/* `last` is the last member of the first version, whatever has been added since. */
#define KIND(what, list, type, last, is_taken) \
    {what, offsetof(adze_plugin, list), offsetof(type, name), END_OF(type, last), sizeof(type), is_taken}

const adze_kind adze_kinds[] = {
    KIND("op", ops, adze_op_row, attrs, op_taken),
    KIND("pass", passes, adze_pass, run_module, pass_taken),
    KIND("rule set", rules, adze_rule_set, text, rule_set_taken),
    KIND("backend", backends, adze_backend, n_ukernels, backend_taken),
    KIND("frontend", frontends, adze_frontend, read, frontend_taken),
    KIND("metric", metrics, adze_metric, detail, metric_taken),
    KIND("sensitivity", sensitivities, adze_sensitivity, score, sensitivity_taken),
    KIND("code", codes, adze_code, symbols, NULL),
    {"micro-kernel", offsetof(adze_plugin, ukernels), offsetof(adze_ukernel, name), sizeof(adze_ukernel), 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

const size_t adze_plugin_least = offsetof(adze_plugin, frontends);

/* ---- Whole structs ---- */

/* More of these is no list without its end, and no struct of sensible options. */
enum { MAX_NAME = 255, MAX_ITEMS = 4096, MAX_OPTIONS = 256, MAX_OPTIONS_SIZE = 1 << 16 };

typedef struct adding {
    adze_registry *registry;
    adze_loc loc;
    adze_plugin plugin; /* in full, with lists of items in full */
} adding;

static bool is_name(const char *name) { return adze_name_is_valid(name) && strlen(name) <= MAX_NAME; }

static const char *name_of(const adze_kind *kind, const void *item)
{
    return *(const char *const *)(const void *)((const char *)item + kind->name);
}

static bool check_item(const adding *a, const adze_kind *kind, const void *item, const void *const *before,
                       uint32_t n_before)
{
    const char *name = name_of(kind, item);
    if (!is_name(name))
        return adze_error(a->loc, "plug-in '%s': a %s has no valid name", a->plugin.name, kind->what);
    if (!kind->is_taken) return true;
    if (kind->is_taken(a->registry, name))
        return adze_error(a->loc, "plug-in '%s': the %s name '%s' is taken", a->plugin.name, kind->what, name);
    for (uint32_t i = 0; i < n_before; i++)
        if (!strcmp(name_of(kind, before[i]), name))
            return adze_error(a->loc, "plug-in '%s' brings the %s name '%s' twice", a->plugin.name, kind->what,
                              name);
    return true;
}

/* Replaces one list of the descriptor by one whose items are as long as ours. */
static bool complete_list(adding *a, const adze_kind *kind)
{
    char *field = (char *)&a->plugin + kind->list;
    const void *const *list;
    memcpy(&list, field, sizeof(void *));
    if (!list) return true;
    uint32_t n = 0;
    while (n <= MAX_ITEMS && list[n]) n++;
    if (n > MAX_ITEMS)
        return adze_error(a->loc, "plug-in '%s': a list of more than %d items, or without NULL at its end: %s",
                          a->plugin.name, MAX_ITEMS, kind->what);
    const void **whole = ADZE_NEW_ARRAY(&a->registry->arena, const void *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t size = 0;
        if (kind->size) memcpy(&size, list[i], sizeof size);
        if (kind->size && size < kind->least)
            return adze_error(a->loc, "plug-in '%s': a %s has struct_size %u, expected at least %zu", a->plugin.name,
                              kind->what, size, kind->least);
        whole[i] = list[i];
        if (kind->size && size < kind->size) {
            void *longer = adze_arena_alloc(&a->registry->arena, kind->size);
            memcpy(longer, list[i], size);
            size = (uint32_t)kind->size;
            whole[i] = memcpy(longer, &size, sizeof size);
        }
        if (!check_item(a, kind, whole[i], whole, i)) return false;
    }
    memcpy(field, &whole, sizeof(void *));
    return true;
}

static bool check_head(adding *a, const adze_plugin *given)
{
    if (given->magic != ADZE_PLUGIN_MAGIC) return adze_error(a->loc, "plug-in has a bad magic number");
    if (given->abi != ADZE_ABI)
        return adze_error(a->loc, "plug-in speaks ABI %u, this Adze speaks %d", given->abi, ADZE_ABI);
    if (given->struct_size < adze_plugin_least)
        return adze_error(a->loc, "plug-in descriptor has %u bytes, expected at least %zu", given->struct_size,
                          adze_plugin_least);
    size_t size = given->struct_size < sizeof a->plugin ? given->struct_size : sizeof a->plugin;
    memcpy(&a->plugin, given, size);
    if (!is_name(given->name)) return adze_error(a->loc, "plug-in has no valid name");
    return !adze_plugin_name_is_taken(a->registry, given->name) ||
           adze_error(a->loc, "the plug-in name '%s' is taken", given->name);
}

/* ---- What each kind must have ---- */

static bool option_is_good(const adze_pass *pass, uint32_t index)
{
    static const size_t sizes[] = {sizeof(int64_t), sizeof(bool), sizeof(double), sizeof(char *)};
    const adze_option *option = &pass->options[index];
    if (!is_name(option->name) || (unsigned)option->kind > ADZE_OPTION_STR) return false;
    size_t size = sizes[option->kind];
    if (size > pass->options_size || option->offset > pass->options_size - size) return false;
    for (uint32_t i = 0; i < index; i++)
        if (!strcmp(pass->options[i].name, option->name)) return false;
    return true;
}

static bool check_pass(const adding *a, const adze_pass *pass)
{
    const char *who = a->plugin.name;
    if (!pass->help) return adze_error(a->loc, "plug-in '%s': pass '%s' has no help line", who, pass->name);
    if (!pass->run == !pass->run_module)
        return adze_error(a->loc, "plug-in '%s': pass '%s' needs exactly one of run and run_module", who, pass->name);
    if ((unsigned)pass->numerics > ADZE_LOSSY)
        return adze_error(a->loc, "plug-in '%s': pass '%s': numerics is none of EXACT, FAST, LOSSY", who, pass->name);
    bool missing = pass->n_options && !pass->options;
    if (missing || pass->n_options > MAX_OPTIONS || pass->options_size > MAX_OPTIONS_SIZE)
        return adze_error(a->loc, "plug-in '%s': pass '%s': %u options in %u bytes, but at most %d in %d and "
                                  "never NULL",
                          who, pass->name, pass->n_options, pass->options_size, MAX_OPTIONS, MAX_OPTIONS_SIZE);
    for (uint32_t i = 0; i < pass->n_options; i++)
        if (!option_is_good(pass, i))
            return adze_error(a->loc, "plug-in '%s': pass '%s': option %u contradicts itself", who, pass->name, i);
    char why[256];
    void *options = adze_malloc(pass->options_size + 1u);
    memset(options, 0, pass->options_size + 1u);
    bool ok = adze_options_init(a->registry->context, pass, options, why, sizeof why);
    free(options);
    return ok || adze_error(a->loc, "plug-in '%s': pass '%s': %s", who, pass->name, why);
}

static bool incomplete(const adding *a, const char *what, const char *name)
{
    return adze_error(a->loc, "plug-in '%s': the %s '%s' is incomplete", a->plugin.name, what, name);
}

/* A dot and more; IR text and artifacts are read by Adze itself. */
static bool is_suffix(const char *text)
{
    static const char *const taken[] = {".adz", ".so", ".o"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (!strcmp(text, taken[i])) return false;
    return text[0] == '.' && text[1] && strlen(text) <= MAX_NAME;
}

static bool check_suffixes(const adding *a, const adze_frontend *frontend)
{
    if (!frontend->read || !frontend->suffixes) return incomplete(a, "frontend", frontend->name);
    for (const char *const *s = frontend->suffixes; *s; s++) {
        if (!is_suffix(*s))
            return adze_error(a->loc, "plug-in '%s': frontend '%s': '%s' is no suffix that it may have", a->plugin.name,
                              frontend->name, *s);
        if (adze_registry_frontend_for(a->registry, adze_internf(a->registry->context, "x%s", *s)))
            return adze_error(a->loc, "plug-in '%s': files named %s have a frontend already", a->plugin.name, *s);
    }
    return true;
}

#define EACH(type, item, list) for (const type *const *item = a->plugin.list; item && *item; item++)

static bool check_parts(const adding *a)
{
    EACH(adze_pass, p, passes)
        if (!check_pass(a, *p)) return false;
    EACH(adze_rule_set, r, rules)
        if (!(*r)->text) return incomplete(a, "rule set", (*r)->name);
    EACH(adze_backend, b, backends)
        if (!(*b)->supports || !(*b)->pipeline || !(*b)->emit || !(*b)->suffixes)
            return incomplete(a, "backend", (*b)->name);
    EACH(adze_frontend, f, frontends)
        if (!check_suffixes(a, *f)) return false;
    EACH(adze_metric, m, metrics)
        if (!(*m)->unit || !(*m)->help || !(*m)->add || !(*m)->value) return incomplete(a, "metric", (*m)->name);
    EACH(adze_sensitivity, s, sensitivities)
        if (!(*s)->help || !(*s)->score) return incomplete(a, "sensitivity", (*s)->name);
    EACH(adze_ukernel, u, ukernels)
        if (!(*u)->signature || !(*u)->invoke) return incomplete(a, "micro-kernel", (*u)->name);
    return true;
}

/* Last of all checks, because it runs the plug-in's code. */
static bool start_passes(const adding *a)
{
    EACH(adze_pass, p, passes) {
        char why[256] = "";
        if ((*p)->start && !(*p)->start(a->registry->context, why, sizeof why))
            return adze_error(a->loc, "plug-in '%s': pass '%s' cannot start: %s", a->plugin.name, (*p)->name,
                              *why ? why : "it gives no reason");
    }
    return true;
}

/* ---- Registration ---- */

#define PUSH(list, item)                                                                                         \
    do {                                                                                                         \
        registry->list = adze_arena_grow(&registry->arena, (void *)registry->list, registry->n_##list,           \
                                         &registry->list##_capacity, sizeof *registry->list);                    \
        registry->list[registry->n_##list++] = (item);                                                           \
    } while (0)

static bool add_rule_set(adze_registry *registry, const adze_rule_set *set)
{
    const adze_rules *rules = adze_rules_parse(registry->context, &registry->arena, set->name, set->text);
    if (!rules) return false;
    registry->rules = adze_arena_grow(&registry->arena, (void *)registry->rules, registry->n_rule_sets,
                                      &registry->rules_capacity, sizeof *registry->rules);
    registry->rules[registry->n_rule_sets] = rules;
    PUSH(rule_sets, set);
    return true;
}

static bool add_ops_and_rules(adding *a)
{
    adze_registry *registry = a->registry;
    uint32_t n_rule_sets = registry->n_rule_sets;
    bool ok = true;
    for (const adze_op_row *const *r = a->plugin.ops; ok && r && *r; r++) ok = adze_row_add(registry->context, *r);
    for (const adze_code *const *c = a->plugin.codes; ok && c && *c; c++)
        ok = adze_context_add_code(registry->context, *c);
    for (const adze_rule_set *const *r = a->plugin.rules; ok && r && *r; r++) ok = add_rule_set(registry, *r);
    if (!ok) registry->n_rule_sets = n_rule_sets;
    return ok;
}

static void add_rest(adding *a)
{
    adze_registry *registry = a->registry;
    EACH(adze_pass, p, passes) adze_registry_insert_pass(registry, *p);
    EACH(adze_frontend, f, frontends) PUSH(frontends, *f);
    EACH(adze_metric, m, metrics) PUSH(metrics, *m);
    EACH(adze_sensitivity, s, sensitivities) PUSH(sensitivities, *s);
    EACH(adze_ukernel, u, ukernels) {
        PUSH(ukernels, *u);
        adze_context_add_ukernels(registry->context, *u, 1);
    }
    EACH(adze_backend, b, backends) {
        PUSH(backends, *b);
        if ((*b)->n_ukernels) adze_context_add_ukernels(registry->context, (*b)->ukernels, *(*b)->n_ukernels);
    }
    PUSH(plugins, a->plugin.name);
}

bool adze_registry_add(adze_registry *registry, const adze_plugin *plugin)
{
    adding a = {.registry = registry, .loc = adze_loc_unknown(registry->context)};
    if (!check_head(&a, plugin)) return false;
    for (const adze_kind *kind = adze_kinds; kind->what; kind++)
        if (!complete_list(&a, kind)) return false;
    if (!check_parts(&a) || !start_passes(&a) || !add_ops_and_rules(&a)) return false;
    add_rest(&a);
    return true;
}
