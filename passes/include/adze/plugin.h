/* Plug-ins: shared objects that export one data symbol, `adze_plugin_descriptor`, an adze_plugin.
 *
 * Built-in passes, ops, rules, frontends and backends register through the same structs.
 */
#ifndef ADZE_PLUGIN_H
#define ADZE_PLUGIN_H

#include <adze/frontend.h>
#include <adze/metric.h>
#include <adze/pass.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A descriptor: rewrite rules as text (docs/design/rules.md). */
typedef struct adze_rule_set {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name; /* in errors and --list-rules */
    const char *text;
} adze_rule_set;

/* ---- Plug-ins ---- */

#define ADZE_PLUGIN_MAGIC UINT64_C(0x0031474c505a4441) /* "ADZPLG1\0", little endian */
#define ADZE_PLUGIN_SYMBOL "adze_plugin_descriptor"

typedef struct adze_plugin {
    uint64_t magic;
    uint32_t abi;         /* ADZE_ABI */
    uint32_t struct_size; /* sizeof(adze_plugin) */
    const char *name; /* letters, digits, '-', '_' and '.', as all names of what it brings */
    const char *version; /* of the plug-in, in its own words */
    const adze_pass *const *passes; /* each list NULL-ended or NULL */
    const adze_op_row *const *ops;
    const adze_rule_set *const *rules;
    const adze_backend *const *backends;
    /* ---- What follows came later: descriptors may end before it. ---- */
    const adze_frontend *const *frontends;
    const adze_metric *const *metrics;
    const adze_sensitivity *const *sensitivities;
    const adze_code *const *codes;
    const adze_ukernel *const *ukernels;
} adze_plugin;

/* A plug-in defines it. Constant data: it is read from the file before any code of it runs. */
extern ADZE_API const adze_plugin adze_plugin_descriptor;

#ifdef __cplusplus
}
#endif
#endif
