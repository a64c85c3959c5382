/* What the registry keeps. Only the files of the pass manager and the rule engine see it; passes and
 * plug-ins use <adze/registry.h>. */
#ifndef ADZE_REGISTRY_PRIVATE_H
#define ADZE_REGISTRY_PRIVATE_H

#include <adze/arena.h>
#include <adze/engine.h>
#include <adze/registry.h>

typedef struct adze_rules adze_rules; /* parsed rules of one set (rules.h) */

typedef struct adze_target_entry {
    const char *key;
    int64_t value;
} adze_target_entry;

struct adze_target {
    const char *name, *level;
    const char *spec; /* the text it was asked for by */
    adze_target_entry *entries;
    uint32_t n_entries, entries_capacity;
    adze_target *next;
};

struct adze_registry {
    adze_context *context;
    adze_arena arena;
    const adze_pass **passes; /* sorted by name */
    uint32_t n_passes, passes_capacity;
    const adze_rule_set **rule_sets;
    const adze_rules **rules; /* parsed, same index */
    uint32_t n_rule_sets, rule_sets_capacity, rules_capacity;
    const adze_backend **backends;
    uint32_t n_backends, backends_capacity;
    const adze_frontend **frontends;
    uint32_t n_frontends, frontends_capacity;
    const adze_metric **metrics;
    uint32_t n_metrics, metrics_capacity;
    const adze_sensitivity **sensitivities;
    uint32_t n_sensitivities, sensitivities_capacity;
    const adze_ukernel **ukernels; /* of plug-ins by themselves, not of backends */
    uint32_t n_ukernels, ukernels_capacity;
    const char **plugins; /* names */
    uint32_t n_plugins, plugins_capacity;
    void **handles; /* of dlopen */
    uint32_t n_handles, handles_capacity;
    adze_target *targets;
    const adze_engine *engine; /* NULL = the reference */
};

/* builtin.c: what is built in, as one plug-in; NULL-named rows end the table of named pipelines. */
extern const adze_plugin adze_builtin_plugin;
typedef struct adze_named_pipeline {
    const char *name, *text;
} adze_named_pipeline;
extern const adze_named_pipeline adze_named_pipelines[];

/* pass_options.c: text to a field of an options struct and back. Errors say what was wrong with `text`;
 * `why` receives one line. STR values are interned. */
bool adze_option_set(adze_context *context, const adze_option *option, void *options, const char *text,
                     char *why, size_t why_size);
/* All fallbacks. */
bool adze_options_init(adze_context *context, const adze_pass *pass, void *options, char *why,
                       size_t why_size);
bool adze_option_is_default(adze_context *context, const adze_option *option, const void *options);
void adze_option_print(const adze_option *option, const void *options, adze_text *out);

/* plugin.c: folder of libadze.so, or of the program where it is linked statically; interned. */
const char *adze_library_folder(adze_context *context);

/* registry.c: among those that are registered. */
const adze_backend *adze_registry_find_backend(const adze_registry *registry, const char *name);
/* registry.c: adds a pass whose name is free, in the order of names. */
void adze_registry_insert_pass(adze_registry *registry, const adze_pass *pass);
/* registry.c: the error place of a file that has no lines. */
adze_loc adze_file_loc(adze_context *context, const char *path, uint32_t line);
/* True for what may name a pass, option, rule, target or plug-in: letters, digits, `-`, `_`, `.`. */
bool adze_name_is_valid(const char *name);

#endif
