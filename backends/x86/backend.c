/* The x86 backend as the registry sees it. */
#include "backends/x86/compile.h"
#include "backends/x86/emit.h"
#include "backends/x86/ukernels/native.h"

#include <adze/plugin.h>
#include <adze/version.h>
#include <adze_runtime.h>

#include <stdio.h>
#include <string.h>

/* Ops whose evaluation or scalar body this backend holds as bitcode; for those of plug-ins, they bring code. */
static const char *const known_ops[] = {
#define OP(name, ...) #name,
#define BODY(name, ...) #name,
#define STRUCT(name, ...) #name,
#include <adze/ops.def>
    NULL,
};

static bool is_known(const adze_op *op)
{
    for (const char *const *name = known_ops; *name; name++)
        if (adze_op_is(op, *name)) return true;
    return false;
}

/* Does a plug-in bring the op's evaluation as code, or its body where it stands in a loop? */
static bool has_code(const adze_op *op)
{
    char symbol[256];
    const char *levels[X86_MAX_LEVELS + 1];
    const adze_context *context = adze_op_context(op);
    x86_level_names(x86_level_best(), levels);
    if (adze_op_has_loop_form(op)) {
        adze_dtype dtype = adze_type_dtype(adze_value_type(adze_op_operand(op, 0)));
        const adze_body *body = adze_row_body(adze_op_get_row(op), dtype);
        if (body && adze_context_find_code(context, "x86", levels, body->symbol)) return true;
    }
    snprintf(symbol, sizeof symbol, "eval_%s", adze_op_name(op));
    return adze_context_find_code(context, "x86", levels, symbol);
}

static bool in_kernel(const adze_op *op)
{
    const adze_op *outer = adze_region_op(adze_op_parent(op));
    return outer && adze_op_is(outer, "kernel");
}

/* Evaluations take any elements, loops those that there are registers for. */
static bool type_fits(const adze_type *type, bool loops, char *why, size_t why_size)
{
    if (loops && !adze_type_is_tensor(type)) return snprintf(why, why_size, "loops run over tensors"), false;
    if (loops && !adze_dtype_in_loops(adze_type_dtype(type)))
        return snprintf(why, why_size, "there are no loops over elements of type %s",
                        adze_dtype_name(adze_type_dtype(type))),
               false;
    return true;
}

/* Codes and zero points that stay in memory, whatever their type: of the weights of a contraction, which tile packs
 * for its kernel. */
static bool is_stored(const adze_op *op, uint32_t operand)
{
    const adze_ir_value *codes = adze_op_operand(op, operand);
    if (operand == 1 || !adze_op_is(op, "dequantize") || !codes || adze_value_def(codes) != ADZE_DEF_ARGUMENT ||
        !in_kernel(op))
        return false;
    const adze_op *outer = adze_region_op(adze_op_parent(op));
    const adze_use *use = adze_value_first_use(adze_op_result(op, 0));
    return adze_value_const(adze_op_operand(outer, adze_value_index(codes))) && use &&
           adze_op_has_trait(adze_use_op(use), ADZE_CONTRACTION);
}

/* A cast between bytes and elements below a byte is a kernel of its own. */
static bool packs(const adze_op *op)
{
    if (!adze_op_is(op, "cast") || !in_kernel(op)) return false;
    const uint32_t from = adze_dtype_bits(adze_type_dtype(adze_value_type(adze_op_operand(op, 0))));
    const uint32_t to = adze_dtype_bits(adze_type_dtype(adze_value_type(adze_op_result(op, 0))));
    return (from < 8 && to == 8) || (from == 8 && to < 8);
}

static bool supports(const adze_op *op, char *why, size_t why_size)
{
    const adze_op_row *row = adze_op_get_row(op);
    if (!is_known(op) && !has_code(op))
        return snprintf(why, why_size,
                        "it is a plug-in's op without code for x86; the plug-in has to bring some, or a rule or a "
                        "pass that replaces the op"),
               false;
    if (adze_op_has_trait(op, ADZE_LOOP | ADZE_TERMINATOR) || adze_op_is(op, "launch") ||
        adze_op_is(op, "kernel"))
        return true;
    if (adze_op_has_trait(op, ADZE_VIEW) && !in_kernel(op)) return true;
    uint32_t n = adze_op_num_operands(op);
    for (uint32_t i = 0; i < n + adze_op_num_results(op); i++) {
        const adze_ir_value *v = i < n ? adze_op_operand(op, i) : adze_op_result(op, i - n);
        bool computed = in_kernel(op) && !is_stored(op, i) && !packs(op);
        if (v && !type_fits(adze_value_type(v), computed, why, why_size)) return false;
    }
    if (adze_op_is_control(op)) return true;
    if (row->regions_max)
        return snprintf(why, why_size, "ops with regions are not compiled"), false;
    if (adze_row_has_meaning(row) || !strcmp(row->name, "dims")) return true;
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

const adze_plugin adze_plugin_descriptor = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "x86",
    .version = ADZE_VERSION,
    .backends = backends,
};
