/* What is built in, registered through the same struct as a plug-in's, and the table of named pipelines. */
#include "passes/builtin.h"
#include "passes/registry_private.h"
#include "passes/rules_embedded.h"

#include <adze/version.h>

#define PASS(name)     extern const adze_pass adze_pass_##name;
#define FRONTEND(name) extern const adze_frontend adze_frontend_##name;
#include "passes/builtin.def"

static const adze_pass *const passes[] = {
#define PASS(name) &adze_pass_##name,
#include "passes/builtin.def"
    NULL,
};

static const adze_frontend *const frontends[] = {
#define FRONTEND(name) &adze_frontend_##name,
#include "passes/builtin.def"
    NULL,
};

const adze_plugin adze_builtin_plugin = {
    .magic = ADZE_PLUGIN_MAGIC,
    .abi = ADZE_ABI,
    .struct_size = sizeof(adze_plugin),
    .name = "builtin",
    .version = ADZE_VERSION,
    .passes = passes,
    .rules = adze_embedded_rules,
    .frontends = frontends,
    .metrics = adze_builtin_metrics,
    .sensitivities = adze_builtin_sensitivities,
};

/* Until nothing changes: what a rule makes constant is folded, what folding makes equal is merged. */
#define SIMPLIFY "repeat(shape-fold,canonicalize,mask-window,batchnorm-fold,fold,cse,dce)"

/* Recurrent layers in steps, resizing in sums, normalizations in rows; what is computed from dims with names is
 * simplified once more. */
#define NAMES ",recurrent,interpolate,norm-rows,name-dims,repeat(shape-fold,fold,cse,dce)"

/* From kernels to a planned module, for backends that take loop IR. */
#define LOWER "layout,tile,plan"

/* Sums of quantized numbers become sums of integers; what stays quantized after that is for storage alone. */
#define INTEGERS ",repeat(quantize-fuse,fold,dce)"
#define WIDE_WEIGHTS ",fold{dequantize=true}"

/* Sums of half precision become f32, before ops are grouped. */
#define WIDEN ",widen,dce"

const adze_named_pipeline adze_named_pipelines[] = {
    {"O0", "shape-fold,fold{dequantize=true}" WIDEN ",name-dims,fuse{single=true}," LOWER},
    {"O1", SIMPLIFY NAMES INTEGERS WIDE_WEIGHTS WIDEN ",fuse{single=true}," LOWER},
    {"O2", SIMPLIFY NAMES INTEGERS WIDE_WEIGHTS WIDEN ",fuse," LOWER},
    {"O3", SIMPLIFY NAMES INTEGERS WIDE_WEIGHTS WIDEN ",fuse," LOWER},
    {"O2-small", SIMPLIFY NAMES INTEGERS WIDE_WEIGHTS WIDEN ",fuse,layout,tile{small=true},plan"},
    {"lower", LOWER},
    {"simplify", SIMPLIFY},
    {NULL, NULL},
};
