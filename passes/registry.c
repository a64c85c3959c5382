/* The registry: passes, rules, frontends, backends, metrics and targets by name, whether built in or from a plug-in.
 * Everything enters through adze_registry_add (descriptor.c), built-ins first. */
#include "passes/registry_private.h"
#include "passes/rules.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

void adze_registry_near_pass(const adze_registry *registry, adze_nearest *nearest)
{
    for (uint32_t i = 0; i < registry->n_passes; i++) adze_nearest_offer(nearest, registry->passes[i]->name);
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

bool adze_registry_rule(const adze_registry *registry, uint32_t index, uint32_t rule, adze_rule_info *out)
{
    const adze_rule *r = registry->rules[index]->first;
    while (r && rule--) r = r->next;
    if (!r) return false;
    *out = (adze_rule_info){.name = r->name,
                            .pass = registry->rules[index]->pass,
                            .numerics = r->numerics,
                            .text = r->text,
                            .size = r->size};
    return true;
}

#define FIND(list, wanted)                                                                         \
    for (uint32_t i = 0; i < registry->n_##list; i++)                                              \
        if (!strcmp(registry->list[i]->name, wanted)) return registry->list[i];                    \
    return NULL

uint32_t adze_registry_num_metrics(const adze_registry *registry) { return registry->n_metrics; }

const adze_metric *adze_registry_metric(const adze_registry *registry, uint32_t index)
{
    return registry->metrics[index];
}

const adze_metric *adze_registry_find_metric(const adze_registry *registry, const char *name, size_t size)
{
    for (uint32_t i = 0; i < registry->n_metrics; i++) {
        const char *own = registry->metrics[i]->name;
        if (strlen(own) == size && !memcmp(own, name, size)) return registry->metrics[i];
    }
    return NULL;
}

uint32_t adze_registry_num_sensitivities(const adze_registry *registry) { return registry->n_sensitivities; }

const adze_sensitivity *adze_registry_sensitivity(const adze_registry *registry, uint32_t index)
{
    return registry->sensitivities[index];
}

const adze_sensitivity *adze_registry_find_sensitivity(const adze_registry *registry, const char *name)
{
    FIND(sensitivities, name);
}

uint32_t adze_registry_num_frontends(const adze_registry *registry) { return registry->n_frontends; }

const adze_frontend *adze_registry_frontend(const adze_registry *registry, uint32_t index)
{
    return registry->frontends[index];
}

static bool ends_in(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n > m && !strcmp(text + n - m, suffix);
}

const adze_frontend *adze_registry_frontend_for(const adze_registry *registry, const char *path)
{
    for (uint32_t i = 0; i < registry->n_frontends; i++)
        for (const char *const *s = registry->frontends[i]->suffixes; *s; s++)
            if (ends_in(path, *s)) return registry->frontends[i];
    return NULL;
}

const adze_backend *adze_registry_find_backend(const adze_registry *registry, const char *name)
{
    FIND(backends, name);
}

static const char *backend_path(const adze_registry *registry, const char *name)
{
    return adze_internf(registry->context, "%s/adze/adze_%s.so", adze_library_folder(registry->context), name);
}

bool adze_registry_has_backend(const adze_registry *registry, const char *name)
{
    return adze_registry_find_backend(registry, name) ||
           (adze_name_is_valid(name) && !access(backend_path(registry, name), R_OK));
}

void adze_backend_suffixes(const char *const *suffixes, adze_text *out)
{
    for (uint32_t i = 0; suffixes[i]; i++)
        adze_text_append(out, "%s%s", i ? ", " : "", *suffixes[i] ? suffixes[i] : "none");
}

const adze_backend *adze_registry_backend(adze_registry *registry, const char *name)
{
    const adze_backend *backend = adze_registry_find_backend(registry, name);
    if (backend) return backend;
    adze_loc loc = adze_loc_unknown(registry->context);
    if (!adze_name_is_valid(name)) {
        adze_error(loc, "'%s' cannot name a backend", name);
        return NULL;
    }
    const char *path = backend_path(registry, name);
    if (!adze_registry_load(registry, path)) return NULL;
    backend = adze_registry_find_backend(registry, name);
    /* A micro-kernel of a plug-in still counts before the backend's of that name, which came later. */
    for (uint32_t i = 0; i < registry->n_ukernels; i++)
        adze_context_add_ukernels(registry->context, registry->ukernels[i], 1);
    if (!backend) adze_error(loc, "%s brings no backend named '%s'", path, name);
    return backend;
}

void adze_registry_insert_pass(adze_registry *registry, const adze_pass *pass)
{
    bool found;
    uint32_t at = pass_position(registry, pass->name, &found);
    registry->passes = adze_arena_grow(&registry->arena, (void *)registry->passes, registry->n_passes,
                                       &registry->passes_capacity, sizeof *registry->passes);
    memmove(registry->passes + at + 1, registry->passes + at,
            (registry->n_passes - at) * sizeof *registry->passes);
    registry->passes[at] = pass;
    registry->n_passes++;
}
