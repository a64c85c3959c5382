/* The registry: passes, rules, backends and targets by name, whether built in or from a plug-in.
 *
 * Everything enters through adze_registry_add, built-ins first. A descriptor is checked whole before
 * anything of it is registered. Only its rules come later, since they may name its ops: where they do not
 * parse, the op rows stay known to the context, and nothing else stays.
 */
#include "passes/registry_private.h"

#include "passes/rules.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

adze_loc adze_file_loc(adze_context *context, const char *path, uint32_t line)
{
    adze_loc loc = adze_loc_unknown(context);
    loc.file = adze_intern_z(context, path);
    loc.line = line;
    return loc;
}

bool adze_name_is_valid(const char *name)
{
    if (!name || !*name) return false;
    for (const char *c = name; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
        bool other = (*c >= '0' && *c <= '9') || *c == '-' || *c == '.';
        if (!letter && !(other && c > name)) return false;
    }
    return true;
}

adze_registry *adze_registry_create(adze_context *context)
{
    adze_registry *registry = adze_malloc(sizeof *registry);
    *registry = (adze_registry){.context = context};
    if (!adze_registry_add(registry, &adze_builtin_plugin)) {
        adze_registry_destroy(registry);
        return NULL;
    }
    return registry;
}

void adze_registry_destroy(adze_registry *registry)
{
    if (!registry) return;
    /* Opened with RTLD_NODELETE: op rows of a plug-in stay valid as long as the context needs them. */
    for (uint32_t i = 0; i < registry->n_handles; i++) dlclose(registry->handles[i]);
    adze_arena_free(&registry->arena);
    free(registry);
}

adze_context *adze_registry_context(const adze_registry *registry) { return registry->context; }

/* Where the pass stands, or where it would be inserted. */
static uint32_t pass_position(const adze_registry *registry, const char *name, bool *out_found)
{
    uint32_t lo = 0, hi = registry->n_passes;
    *out_found = false;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        int order = strcmp(registry->passes[mid]->name, name);
        if (order == 0) *out_found = true;
        if (order >= 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

const adze_pass *adze_registry_find_pass(const adze_registry *registry, const char *name)
{
    bool found;
    uint32_t at = pass_position(registry, name, &found);
    return found ? registry->passes[at] : NULL;
}

uint32_t adze_registry_num_passes(const adze_registry *registry) { return registry->n_passes; }

const adze_pass *adze_registry_pass(const adze_registry *registry, uint32_t index)
{
    return registry->passes[index];
}

uint32_t adze_registry_num_rule_sets(const adze_registry *registry) { return registry->n_rule_sets; }

const adze_rule_set *adze_registry_rule_set(const adze_registry *registry, uint32_t index)
{
    return registry->rule_sets[index];
}

static const adze_backend *find_backend(const adze_registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->n_backends; i++)
        if (!strcmp(registry->backends[i]->name, name)) return registry->backends[i];
    return NULL;
}

const adze_backend *adze_registry_backend(adze_registry *registry, const char *name)
{
    const adze_backend *backend = find_backend(registry, name);
    if (backend) return backend;
    adze_loc loc = adze_loc_unknown(registry->context);
    if (!adze_name_is_valid(name)) {
        adze_error(loc, "'%s' cannot name a backend", name);
        return NULL;
    }
    const char *path = adze_internf(registry->context, "%s/adze/adze_%s.so",
                                    adze_library_folder(registry->context), name);
    if (!adze_registry_load(registry, path)) return NULL;
    backend = find_backend(registry, name);
    if (!backend) adze_error(loc, "%s brings no backend named '%s'", path, name);
    return backend;
}

/* ---- Checks of a descriptor ---- */

static bool check_pass(adze_registry *registry, const adze_plugin *plugin, const adze_pass *pass)
{
    adze_loc loc = adze_loc_unknown(registry->context);
    const char *who = plugin->name;
    if (pass->struct_size < sizeof(adze_pass))
        return adze_error(loc, "plug-in '%s': a pass has struct_size %u, expected at least %zu", who,
                          pass->struct_size, sizeof(adze_pass));
    if (!adze_name_is_valid(pass->name))
        return adze_error(loc, "plug-in '%s': a pass has no valid name", who);
    if (!pass->help)
        return adze_error(loc, "plug-in '%s': pass '%s' has no help line", who, pass->name);
    if (adze_registry_find_pass(registry, pass->name) || !strcmp(pass->name, "repeat"))
        return adze_error(loc, "plug-in '%s': the pass name '%s' is taken", who, pass->name);
    for (const adze_named_pipeline *p = adze_named_pipelines; p->name; p++)
        if (!strcmp(p->name, pass->name))
            return adze_error(loc, "plug-in '%s': '%s' names a pipeline", who, pass->name);
    if (!pass->run == !pass->run_module)
        return adze_error(loc, "plug-in '%s': pass '%s' needs exactly one of run and run_module", who,
                          pass->name);
    for (uint32_t i = 0; i < pass->n_options; i++) {
        static const size_t sizes[] = {sizeof(int64_t), sizeof(bool), sizeof(double), sizeof(char *)};
        const adze_option *option = &pass->options[i];
        if (!adze_name_is_valid(option->name) || (unsigned)option->kind > ADZE_OPTION_STR ||
            option->offset + sizes[option->kind] > pass->options_size)
            return adze_error(loc, "plug-in '%s': option %u of pass '%s' is malformed", who, i,
                              pass->name);
    }
    char why[160];
    void *options = adze_arena_alloc(&registry->arena, pass->options_size + 1);
    if (!adze_options_init(registry->context, pass, options, why, sizeof why))
        return adze_error(loc, "plug-in '%s': pass '%s': %s", who, pass->name, why);
    return true;
}

static bool check_backend(adze_registry *registry, const adze_plugin *plugin,
                          const adze_backend *backend)
{
    adze_loc loc = adze_loc_unknown(registry->context);
    if (backend->struct_size < sizeof(adze_backend))
        return adze_error(loc, "plug-in '%s': a backend has struct_size %u, expected at least %zu",
                          plugin->name, backend->struct_size, sizeof(adze_backend));
    if (!adze_name_is_valid(backend->name) || !backend->supports || !backend->pipeline ||
        !backend->emit || !backend->suffixes)
        return adze_error(loc, "plug-in '%s': a backend is incomplete", plugin->name);
    if (find_backend(registry, backend->name))
        return adze_error(loc, "plug-in '%s': the backend name '%s' is taken", plugin->name,
                          backend->name);
    return true;
}

static bool check_rule_set(adze_registry *registry, const adze_plugin *plugin,
                           const adze_rule_set *set)
{
    adze_loc loc = adze_loc_unknown(registry->context);
    if (set->struct_size < sizeof(adze_rule_set))
        return adze_error(loc, "plug-in '%s': a rule set has struct_size %u, expected at least %zu",
                          plugin->name, set->struct_size, sizeof(adze_rule_set));
    if (!adze_name_is_valid(set->name) || !set->text)
        return adze_error(loc, "plug-in '%s': a rule set is incomplete", plugin->name);
    for (uint32_t i = 0; i < registry->n_rule_sets; i++)
        if (!strcmp(registry->rule_sets[i]->name, set->name))
            return adze_error(loc, "plug-in '%s': the rule set name '%s' is taken", plugin->name,
                              set->name);
    return true;
}

/* Two passes of one descriptor with one name. */
static bool check_unique(adze_registry *registry, const adze_plugin *plugin)
{
    for (const adze_pass *const *a = plugin->passes; a && *a; a++)
        for (const adze_pass *const *b = a + 1; *b; b++)
            if (!strcmp((*a)->name, (*b)->name))
                return adze_error(adze_loc_unknown(registry->context),
                                  "plug-in '%s' has two passes named '%s'", plugin->name, (*a)->name);
    return true;
}

static bool check(adze_registry *registry, const adze_plugin *plugin)
{
    adze_loc loc = adze_loc_unknown(registry->context);
    if (plugin->magic != ADZE_PLUGIN_MAGIC) return adze_error(loc, "plug-in has a bad magic number");
    if (plugin->abi != ADZE_ABI)
        return adze_error(loc, "plug-in speaks ABI %u, this Adze speaks %d", plugin->abi, ADZE_ABI);
    if (plugin->struct_size < sizeof(adze_plugin))
        return adze_error(loc, "plug-in descriptor has %u bytes, expected at least %zu",
                          plugin->struct_size, sizeof(adze_plugin));
    if (!adze_name_is_valid(plugin->name)) return adze_error(loc, "plug-in has no valid name");
    for (uint32_t i = 0; i < registry->n_plugins; i++)
        if (!strcmp(registry->plugins[i], plugin->name))
            return adze_error(loc, "the plug-in name '%s' is taken", plugin->name);
    for (const adze_pass *const *p = plugin->passes; p && *p; p++)
        if (!check_pass(registry, plugin, *p)) return false;
    for (const adze_backend *const *b = plugin->backends; b && *b; b++)
        if (!check_backend(registry, plugin, *b)) return false;
    for (const adze_rule_set *const *r = plugin->rules; r && *r; r++)
        if (!check_rule_set(registry, plugin, *r)) return false;
    for (const adze_op_row *const *r = plugin->ops; r && *r; r++)
        if (!(*r)->name || adze_row_find(registry->context, (*r)->name))
            return adze_error(loc, "plug-in '%s': the op name '%s' is taken", plugin->name,
                              (*r)->name ? (*r)->name : "");
    return check_unique(registry, plugin);
}

/* ---- Registration ---- */

#define PUSH(registry, list, count, item)                                                          \
    do {                                                                                           \
        (registry)->list = adze_arena_grow(&(registry)->arena, (void *)(registry)->list,           \
                                           (registry)->count, &(registry)->list##_capacity,        \
                                           sizeof *(registry)->list);                              \
        (registry)->list[(registry)->count] = (item);                                              \
    } while (0)

static void add_pass(adze_registry *registry, const adze_pass *pass)
{
    bool found;
    uint32_t at = pass_position(registry, pass->name, &found);
    PUSH(registry, passes, n_passes, pass);
    memmove(registry->passes + at + 1, registry->passes + at,
            (registry->n_passes - at) * sizeof *registry->passes);
    registry->passes[at] = pass;
    registry->n_passes++;
}

static bool add_rule_set(adze_registry *registry, const adze_rule_set *set)
{
    const adze_rules *rules =
        adze_rules_parse(registry->context, &registry->arena, set->name, set->text);
    if (!rules) return false;
    PUSH(registry, rule_sets, n_rule_sets, set);
    PUSH(registry, rules, n_rule_sets, rules);
    registry->n_rule_sets++;
    return true;
}

bool adze_registry_add(adze_registry *registry, const adze_plugin *plugin)
{
    if (!check(registry, plugin)) return false;
    uint32_t n_rule_sets = registry->n_rule_sets;
    for (const adze_op_row *const *r = plugin->ops; r && *r; r++)
        if (!adze_row_add(registry->context, *r)) return false;
    for (const adze_rule_set *const *r = plugin->rules; r && *r; r++)
        if (!add_rule_set(registry, *r)) {
            registry->n_rule_sets = n_rule_sets;
            return false;
        }
    for (const adze_pass *const *p = plugin->passes; p && *p; p++) add_pass(registry, *p);
    for (const adze_backend *const *b = plugin->backends; b && *b; b++) {
        PUSH(registry, backends, n_backends, *b);
        registry->n_backends++;
        if ((*b)->n_ukernels)
            adze_context_add_ukernels(registry->context, (*b)->ukernels, *(*b)->n_ukernels);
    }
    PUSH(registry, plugins, n_plugins, plugin->name);
    registry->n_plugins++;
    return true;
}
