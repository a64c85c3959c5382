/* The registry, for programs that hold a compiler: everything by name, whether built in or from a plug-in;
 * pipelines of passes. */
#ifndef ADZE_REGISTRY_H
#define ADZE_REGISTRY_H

#include <adze/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Registry (registry.c, plugin.c) ---- */

/* With all built-ins. The context must outlive it; one registry a context. */
ADZE_API adze_registry *adze_registry_create(adze_context *context);
/* NULL is allowed. Plug-ins stay loaded until the process ends. */
ADZE_API void adze_registry_destroy(adze_registry *registry);
ADZE_API adze_context *adze_registry_context(const adze_registry *registry);
/* Registers what a descriptor, which must outlive the context, brings; false after an error (name taken, contradictory
 * row, …), and then nothing of it is registered but op rows and code that came before the fault. */
ADZE_API bool adze_registry_add(adze_registry *registry, const adze_plugin *plugin);
/* Loads a plug-in: a shared object, whose magic, ABI, size and names are read from the file before any of its code
 * runs, or a file of rewrite rules, which ends in .rules. */
ADZE_API bool adze_registry_load(adze_registry *registry, const char *path);
/* By name, NULL if there is none; or by index below the number. */
ADZE_API const adze_pass *adze_registry_find_pass(const adze_registry *registry, const char *name);
/* Offers the names of all passes to `nearest`. */
ADZE_API void adze_registry_near_pass(const adze_registry *registry, adze_nearest *nearest);
ADZE_API uint32_t adze_registry_num_passes(const adze_registry *registry);
ADZE_API const adze_pass *adze_registry_pass(const adze_registry *registry, uint32_t index); /* sorted by name */
ADZE_API uint32_t adze_registry_num_rule_sets(const adze_registry *registry);
ADZE_API const adze_rule_set *adze_registry_rule_set(const adze_registry *registry, uint32_t index);
/* One rule. `text` is its text in the set with the comment above it and its tests, `size` bytes. */
typedef struct adze_rule_info {
    const char *name, *pass; /* the pass that applies it */
    adze_numerics numerics;
    const char *text;
    size_t size;
} adze_rule_info;
/* Rule `rule` of set `index`; false past the last one. */
ADZE_API bool adze_registry_rule(const adze_registry *registry, uint32_t index, uint32_t rule, adze_rule_info *out);
/* Runs the tests of the rules of set `index`: each rule must match its own test, and both sides must agree on the
 * reference, bit by bit if EXACT. Reports every failure; false if there is one, or a rule without a test. */
ADZE_API bool adze_registry_test_rules(const adze_registry *registry, uint32_t index, uint32_t *out_tests);
ADZE_API uint32_t adze_registry_num_metrics(const adze_registry *registry);
ADZE_API const adze_metric *adze_registry_metric(const adze_registry *registry, uint32_t index); /* as added */
/* By the first `size` bytes of `name`; NULL if there is none. */
ADZE_API const adze_metric *adze_registry_find_metric(const adze_registry *registry, const char *name, size_t size);
ADZE_API uint32_t adze_registry_num_sensitivities(const adze_registry *registry);
ADZE_API const adze_sensitivity *adze_registry_sensitivity(const adze_registry *registry, uint32_t index);
ADZE_API const adze_sensitivity *adze_registry_find_sensitivity(const adze_registry *registry, const char *name);
ADZE_API uint32_t adze_registry_num_frontends(const adze_registry *registry);
ADZE_API const adze_frontend *adze_registry_frontend(const adze_registry *registry, uint32_t index);
/* The frontend that reads files of that name, by its suffix; NULL if there is none. */
ADZE_API const adze_frontend *adze_registry_frontend_for(const adze_registry *registry, const char *path);
/* Loads backends/<name> on first use; NULL after an error. */
ADZE_API const adze_backend *adze_registry_backend(adze_registry *registry, const char *name);
/* It is registered, or there is a file of that backend. */
ADZE_API bool adze_registry_has_backend(const adze_registry *registry, const char *name);
/* What can be asked for as a target, but for "x86:host": "x86", "x86:x86-64-v3", …, and the plug-ins' backends.
 * NULL-ended; owned by the registry. */
ADZE_API const char *const *adze_registry_targets(adze_registry *registry);
/* The best level that this machine's CPU has, "x86-64-v4"; NULL = none. Names of levels are ordered: it has the
 * lower ones, too. */
ADZE_API const char *adze_host_level(void);
/* Target from text "x86", "x86:x86-64-v4", "x86:host"; owned by the registry. NULL after an error. */
ADZE_API const adze_target *adze_registry_target(adze_registry *registry, const char *text);

/* ---- Pipelines (pipeline.c) ---- */

typedef struct adze_pipeline adze_pipeline;
typedef struct adze_certify_options adze_certify_options;

/* Parses `a,b{x=1},repeat{n=3}(c,d)`; named ones (`-O2` as "O2") expand. NULL after an error with its column. */
ADZE_API adze_pipeline *adze_pipeline_parse(adze_registry *registry, const char *text);
ADZE_API void adze_pipeline_destroy(adze_pipeline *pipeline); /* NULL is allowed */
/* Prints with every option that differs from its default; parses back to the same. */
ADZE_API void adze_pipeline_print(const adze_pipeline *pipeline, adze_text *out);

/* A pass that is about to run. */
typedef struct adze_step_info {
    uint32_t struct_size;
    uint32_t run;     /* its number, from 1; a pass inside `repeat` counts each time */
    const adze_pass *pass;
    const char *text; /* the pass with its options, a pipeline of its own; valid during the call */
} adze_step_info;

/* A rewrite that a pass is about to make (adze_rewrite). */
typedef struct adze_rewrite_info {
    uint32_t struct_size;
    uint32_t run;    /* as in adze_step_info */
    uint64_t number; /* among all rewrites of the pipeline, from 1, wanted or not */
    const adze_pass *pass;
    const char *what;
    const adze_op *op; /* NULL = none; as it is before the rewrite, though its replacement may stand above it */
} adze_rewrite_info;

typedef struct adze_run_options {
    uint32_t struct_size;
    const adze_target *target; /* NULL = x86:x86-64-v3 */
    int precision;
    bool check;                /* re-read each printout; fail a pass that lies about UNCHANGED */
    bool time_passes;
    const char *print_after;   /* pass name or "*": IR goes to `print` */
    void (*print)(void *self, const char *pass, const char *text, size_t size);
    /* Called before (seconds < 0) and after each pass: progress and timing. */
    void (*progress)(void *self, const char *pass, uint32_t index, uint32_t count, double seconds,
                     adze_outcome outcome);
    void *self;
    const adze_target *const *others; /* as in adze_pass_run */
    /* Asked before each pass, NULL = always true; false, after an error was reported, ends the run there. */
    bool (*before)(void *self, const char *pass, const adze_module *module);
    /* The same, knowing more. */
    bool (*enter)(void *self, const adze_step_info *step, const adze_module *module);
    uint32_t stop_before; /* ends the run before the pass run of that number, from 1; 0 = runs all */
    /* Asked before each rewrite, NULL = always true; false leaves it alone. */
    bool (*rewrite)(void *self, const adze_rewrite_info *info);
    const adze_certify_options *certify; /* measure what each pass does to the outputs (certify.h); NULL = do not */
    const adze_calibration *calibration;   /* as in adze_pass_run */
    /* What a pass says of itself while it runs (adze_pass_progress): `part` of the whole pipeline is over, 0 to 1. */
    void (*within)(void *self, const char *pass, double part, const char *what);
} adze_run_options;

/* Runs all passes and verifies after each. False after an error: the module is then as the last pass left it, to be
 * destroyed. */
ADZE_API bool adze_pipeline_run(adze_pipeline *pipeline, adze_module *module, const adze_run_options *options);

#ifdef __cplusplus
}
#endif
#endif
