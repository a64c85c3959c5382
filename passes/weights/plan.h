/* Layer plans against modules. */
#ifndef ADZE_WEIGHTS_PLAN_H
#define ADZE_WEIGHTS_PLAN_H

#include <adze/compress.h>
#include <adze/ir.h>

/* Is the format one that the asking pass makes? */
typedef bool weight_format_fn(adze_format format, adze_format_kind kind);
/* Does a contraction with constant f32 weights answer to each entry of `ours`: of the function, or where that is NULL
 * of any of the module? False after an error, which names `path`. `kind` is handed to `ours`. */
bool weight_check_plan(const adze_layer_plan *plan, const char *path, const adze_module *module, adze_func *func,
                       weight_format_fn *ours, adze_format_kind kind);

#endif
