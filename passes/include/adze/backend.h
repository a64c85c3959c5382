/* Targets, which are data, and backends, which write code for them. */
#ifndef ADZE_BACKEND_H
#define ADZE_BACKEND_H

#include <adze/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adze_registry adze_registry;
typedef struct adze_target adze_target;
typedef struct adze_backend adze_backend;

/* ---- Targets: data files (targets/<name>.target) ---- */

/* Numbers by key, e.g. "vector-bits", "registers", "l1", "l2", "cores"; adze_target_number gives `fallback`
 * where the file has no such key. */
ADZE_API const char *adze_target_name(const adze_target *target);  /* "x86"; lives as long as the registry */
ADZE_API const char *adze_target_level(const adze_target *target); /* "x86-64-v4" */
ADZE_API int64_t adze_target_number(const adze_target *target, const char *key, int64_t fallback);

/* ---- Backends ---- */

/* What `emit` is asked for; all of it is borrowed. */
typedef struct adze_emit_options {
    uint32_t struct_size;
    const char *output;        /* path; its suffix, one of the backend's, says what to write */
    const char *name;          /* model name, as the artifact tells it */
    const adze_target *const *levels; /* n_levels of them, best first; at least one */
    uint32_t n_levels;
    int precision;             /* adze_precision */
    bool verbose;
} adze_emit_options;

/* A descriptor. */
struct adze_backend {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name; /* "x86" */
    const char *help; /* one line, lower case, no full stop */
    /* False with a reason in `why` where the backend has neither a lowering nor a floor for the op. */
    bool (*supports)(const adze_op *op, char *why, size_t why_size);
    /* Default pipeline for -O0 … -O3, as text; up to and including `plan`, unless takes_tensors. */
    const char *(*pipeline)(int level);
    /* Writes what the pipeline made to options->output, whole or not at all; the module stays as it is. False after an
     * error. May use threads of its own, not the context from them. */
    bool (*emit)(const adze_module *module, adze_registry *registry, const adze_emit_options *options);
    /* Suffixes that emit can write, NULL-ended: ".so", ".o", "", … */
    const char *const *suffixes;
    /* Native twins of the backend's micro-kernels, for the reference. */
    const adze_ukernel *ukernels;
    const uint32_t *n_ukernels; /* NULL = none */
    /* ---- What follows may be left out. ---- */
    bool takes_tensors; /* emit takes modules of tensor ops too, without loops and places in memory */
};

/* Appends suffixes for a message: ".so, .o, none, .mlir" (registry.c). */
ADZE_API void adze_backend_suffixes(const char *const *suffixes, adze_text *out);

#ifdef __cplusplus
}
#endif
#endif
