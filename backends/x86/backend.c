/* The x86 backend as the registry sees it. */
#include "backends/x86/compile.h"
#include "backends/x86/ukernels/native.h"

#include <adze/pass.h>
#include <adze/version.h>

#include <stdio.h>
#include <string.h>

static bool supports(const adze_op *op, char *why, size_t why_size)
{
    const adze_op_row *row = adze_op_get_row(op);
    if (adze_op_has_trait(op, ADZE_LOOP | ADZE_TERMINATOR | ADZE_VIEW) ||
        adze_op_is(op, "launch") || adze_op_is(op, "kernel"))
        return true;
    for (uint32_t i = 0; i < adze_op_num_operands(op) + adze_op_num_results(op); i++) {
        uint32_t n = adze_op_num_operands(op);
        const adze_ir_value *v = i < n ? adze_op_operand(op, i) : adze_op_result(op, i - n);
        if (!v) continue;
        const adze_type *type = adze_value_type(v);
        if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type))
            return snprintf(why, why_size, "only tensors of known rank are compiled"), false;
        for (uint32_t k = 0; k < adze_type_rank(type); k++)
            if (adze_dim_is_unknown(adze_type_dim(type, k)))
                return snprintf(why, why_size, "a dim is known only when it runs"), false;
    }
    if (row->regions_max)
        return snprintf(why, why_size, "ops with regions are not compiled"), false;
    if (row->eval || !strcmp(row->name, "dims")) return true;
    return snprintf(why, why_size, "it has neither a lowering nor an evaluation"), false;
}

/* The named pipelines end in tile and plan, which this backend's input is the result of. */
static const char *pipeline(int level)
{
    static const char *const pipelines[] = {"O0", "O1", "O2", "O3"};
    return pipelines[level < 0 ? 0 : level > 3 ? 3 : level];
}

static const adze_backend backend = {
    .struct_size = sizeof(adze_backend),
    .name = "x86",
    .help = "x86-64 with AVX2 or AVX-512, through MLIR and LLVM",
    .supports = supports,
    .pipeline = pipeline,
    .emit = x86_emit_artifact,
    .suffixes = x86_suffixes,
    .ukernels = adze_uk_table,
    .n_ukernels = &adze_uk_count,
};

static const adze_backend *const backends[] = {&backend, NULL};

extern const adze_plugin adze_plugin_descriptor;
ADZE_API const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "x86",
    .version = ADZE_VERSION,
    .backends = backends,
};
