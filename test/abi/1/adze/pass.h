/* Passes, plug-ins and the registry that both go through.
 *
 * A plug-in is a shared object that exports one data symbol, `adze_plugin_descriptor`, an adze_plugin.
 * Built-in passes, rules and backends register through the same struct.
 */
#ifndef ADZE_PASS_H
#define ADZE_PASS_H

#include <adze/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adze_registry adze_registry;
typedef struct adze_target adze_target;
typedef struct adze_backend adze_backend;

/* ---- Passes ---- */

typedef enum adze_outcome { ADZE_FAILED, ADZE_UNCHANGED, ADZE_CHANGED } adze_outcome;
typedef enum adze_numerics { ADZE_EXACT, ADZE_FAST, ADZE_LOSSY } adze_numerics;

typedef enum adze_option_kind {
    ADZE_OPTION_INT,   /* int64_t */
    ADZE_OPTION_BOOL,  /* bool */
    ADZE_OPTION_FLOAT, /* double */
    ADZE_OPTION_STR    /* const char *, interned; NULL where not given and no default */
} adze_option_kind;

/* One option: its value lands at `offset` of the options struct. `fallback` is text, as a user would write it. */
typedef struct adze_option {
    const char *name, *help;
    adze_option_kind kind;
    size_t offset;
    const char *fallback;
} adze_option;

/* What a running pass may use. */
typedef struct adze_pass_run {
    uint32_t struct_size;
    adze_context *context;
    adze_registry *registry;
    const adze_target *target; /* what the module is compiled for; never NULL (default: generic x86-64-v3) */
    int precision;             /* adze_precision */
    /* Further levels that the same artifact serves, NULL-ended, or NULL: what depends on the target's sizes is
     * made once for `target` and once for each of them. */
    const adze_target *const *others;
} adze_pass_run;

typedef enum adze_precision { ADZE_PRECISION_STRICT, ADZE_PRECISION_F32, ADZE_PRECISION_FAST } adze_precision;

/* Exactly one of run and run_module is set. Options: a zeroed struct of options_size bytes, filled. */
typedef struct adze_pass {
    uint32_t struct_size;
    adze_numerics numerics;
    const char *name;
    const char *help; /* one line, lower case, no full stop */
    const adze_option *options;
    uint32_t n_options;
    uint32_t options_size;
    adze_outcome (*run)(adze_func *func, const void *options, adze_pass_run *self);
    adze_outcome (*run_module)(adze_module *module, const void *options, adze_pass_run *self);
} adze_pass;

/* A file of rewrite rules (docs/design/rules.md). */
typedef struct adze_rule_set {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name; /* in errors and --list-rules */
    const char *text;
} adze_rule_set;

/* ---- Targets: data files (targets/<name>.target) ---- */

/* Numbers by key, e.g. "vector-bits", "registers", "l1", "l2", "cores"; adze_target_number gives `fallback`
 * where the file has no such key. */
ADZE_API const char *adze_target_name(const adze_target *target);  /* "x86" */
ADZE_API const char *adze_target_level(const adze_target *target); /* "x86-64-v4" */
ADZE_API int64_t adze_target_number(const adze_target *target, const char *key, int64_t fallback);

/* ---- Backends ---- */

typedef struct adze_emit_options {
    uint32_t struct_size;
    const char *output;        /* path; its suffix says what to write */
    const char *name;          /* model name, as the artifact tells it */
    const adze_target *const *levels;
    uint32_t n_levels;
    int precision;             /* adze_precision */
    bool verbose;
} adze_emit_options;

struct adze_backend {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name; /* "x86" */
    const char *help;
    /* False with a reason in `why` where the backend has neither a lowering nor a floor for the op. */
    bool (*supports)(const adze_op *op, char *why, size_t why_size);
    /* Default pipeline for -O0 … -O3, as text, up to and including `plan`. */
    const char *(*pipeline)(int level);
    /* Writes the planned module. Reports errors to the module's context. */
    bool (*emit)(const adze_module *module, adze_registry *registry, const adze_emit_options *options);
    /* Suffixes that emit can write, NULL-ended: ".so", ".o", "", … */
    const char *const *suffixes;
    /* Native twins of the backend's micro-kernels, for the reference. */
    const adze_ukernel *ukernels;
    const uint32_t *n_ukernels; /* NULL = none */
};

/* ---- Plug-ins ---- */

#define ADZE_PLUGIN_MAGIC UINT64_C(0x0031474c505a4441) /* "ADZPLG1\0", little endian */
#define ADZE_PLUGIN_SYMBOL "adze_plugin_descriptor"

typedef struct adze_plugin {
    uint64_t magic;
    uint32_t abi;         /* ADZE_ABI */
    uint32_t struct_size; /* sizeof(adze_plugin) */
    const char *name;
    const char *version;
    const adze_pass *const *passes; /* each list NULL-ended or NULL */
    const adze_op_row *const *ops;
    const adze_rule_set *const *rules;
    const adze_backend *const *backends;
} adze_plugin;

/* ---- Registry (registry.c, plugin.c) ---- */

ADZE_API adze_registry *adze_registry_create(adze_context *context); /* with all built-ins */
ADZE_API void adze_registry_destroy(adze_registry *registry);
ADZE_API adze_context *adze_registry_context(const adze_registry *registry);
/* Registers what a descriptor brings; false after an error (name taken, contradictory row, …). */
ADZE_API bool adze_registry_add(adze_registry *registry, const adze_plugin *plugin);
/* Checks the ELF file's symbol table for magic, ABI and size before dlopen, then registers. */
ADZE_API bool adze_registry_load(adze_registry *registry, const char *path);
ADZE_API const adze_pass *adze_registry_find_pass(const adze_registry *registry, const char *name);
ADZE_API uint32_t adze_registry_num_passes(const adze_registry *registry);
ADZE_API const adze_pass *adze_registry_pass(const adze_registry *registry, uint32_t index); /* sorted by name */
ADZE_API uint32_t adze_registry_num_rule_sets(const adze_registry *registry);
ADZE_API const adze_rule_set *adze_registry_rule_set(const adze_registry *registry, uint32_t index);
/* Runs the tests of the rules of set `index`: each rule must match its own test, and both sides must agree on the
 * reference, bit by bit if EXACT. Reports every failure; false if there is one, or a rule without a test. */
ADZE_API bool adze_registry_test_rules(const adze_registry *registry, uint32_t index, uint32_t *out_tests);
/* Loads backends/<name> on first use; NULL after an error. */
ADZE_API const adze_backend *adze_registry_backend(adze_registry *registry, const char *name);
/* Target from text "x86", "x86:x86-64-v4", "x86:host"; owned by the registry. NULL after an error. */
ADZE_API const adze_target *adze_registry_target(adze_registry *registry, const char *text);
/* ---- Pipelines (pipeline.c) ---- */

typedef struct adze_pipeline adze_pipeline;

/* Parses `a,b{x=1},repeat{n=3}(c,d)`; named ones (`-O2` as "O2") expand. NULL after an error with its column. */
ADZE_API adze_pipeline *adze_pipeline_parse(adze_registry *registry, const char *text);
ADZE_API void adze_pipeline_destroy(adze_pipeline *pipeline);
/* Prints with every option that differs from its default; parses back to the same. */
ADZE_API void adze_pipeline_print(const adze_pipeline *pipeline, adze_text *out);

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
} adze_run_options;

/* Runs all passes and verifies after each. False after an error. */
ADZE_API bool adze_pipeline_run(adze_pipeline *pipeline, adze_module *module, const adze_run_options *options);

#ifdef __cplusplus
}
#endif
#endif
