/* quantize-tables: constant tables that rows are taken from (embeddings) become codes of 8 bits, a scale a row.
 *
 * Rows and their scales are taken alike, so only what was taken becomes float again:
 *
 *     %0 = gather(@t, %i) : f32[N,64]       →      %1 = gather(@t.codes, %i) : i8[N,64]
 *                                                  %2 = gather(@t.scale, %i) : f32[N,1]
 *                                                  %3 = cast(%1) {to = f32} : f32[N,64]
 *                                                  %0 = mul(%3, %2) : f32[N,64]
 */
#include "passes/examples_embedded.h"
#include "passes/quant/numerics.h"
#include "passes/weights/build.h"

#include <adze/arena.h>
#include <adze/pass.h>

#include <math.h>
#include <stdlib.h>

typedef struct options {
    int64_t min_elements;
} options;

/* Rows of f32 that all who use the constant take by number. */
static bool is_table(const adze_module *module, const adze_const *table, int64_t *rows, int64_t *cols)
{
    const adze_type *type = adze_const_type(table);
    if (adze_type_dtype(type) != ADZE_DTYPE_f32 || adze_type_rank(type) != 2) return false;
    if (!adze_dim_is_const(adze_type_dim(type, 0), rows) || !adze_dim_is_const(adze_type_dim(type, 1), cols))
        return false;
    for (const adze_use *use = adze_value_first_use(adze_const_value(table)); use; use = adze_use_next(use)) {
        const adze_op *op = adze_use_op(use);
        if (!adze_op_is(op, "gather") || adze_use_index(use) != 0 || adze_op_attr_int(op, "axis") != 0) return false;
        if (!adze_type_is_ranked(adze_value_type(adze_op_result(op, 0)))) return false;
    }
    /* Its transpose may be what a product reads. */
    return *rows > 0 && *cols > 1 && !build_feeds_constants(module, table);
}

/* codes[rows][cols] and scales[rows]. False, with an error, where a number is not finite. */
static bool round_rows(adze_context *context, const char *name, const float *x, size_t rows, size_t cols,
                       int8_t *codes, float *scales)
{
    quant_grid grid = quant_grid_make(8, true, true);
    for (size_t i = 0; i < rows; i++, x += cols, codes += cols) {
        double top = 0;
        for (size_t j = 0; j < cols; j++) {
            if (!isfinite(x[j]))
                return adze_error(adze_loc_unknown(context), "'%s' holds a number that is not finite", name);
            top = fmax(top, fabs((double)x[j]));
        }
        quant_step step = quant_step_of(grid, -top, top);
        scales[i] = (float)step.scale;
        for (size_t j = 0; j < cols; j++) codes[j] = (int8_t)quant_code(grid, step, (double)x[j]);
    }
    return true;
}

/* The two constants. False after an error. */
static bool make_constants(const adze_const *table, adze_module *module, int64_t rows, int64_t cols,
                           adze_ir_value *out[2])
{
    adze_context *context = adze_module_context(module);
    const float *x = adze_data_load(adze_const_data(table));
    int8_t *codes = adze_malloc((size_t)(rows * cols));
    float *scales = adze_malloc((size_t)rows * sizeof *scales);
    const char *name = adze_const_name(table);
    if (x && round_rows(context, name, x, (size_t)rows, (size_t)cols, codes, scales)) {
        out[0] = adze_const_make(module, adze_internf(context, "%s.codes", name),
                                 adze_type_with_dtype(adze_const_type(table), ADZE_DTYPE_i8), codes);
        out[1] = adze_const_make(module, adze_internf(context, "%s.scale", name),
                                 adze_type_tensor_const(context, ADZE_DTYPE_f32, 2, (int64_t[]){rows, 1}), scales);
    }
    if (x) adze_data_unload(adze_const_data(table));
    free(codes);
    free(scales);
    return out[0] && out[1];
}

static adze_ir_value *take(adze_op *gather, adze_ir_value *const from[2])
{
    adze_builder b = adze_builder_before(gather);
    adze_ir_value *parts[2];
    for (int i = 0; i < 2; i++) {
        adze_ir_value *in[] = {from[i], adze_op_operand(gather, 1)};
        if (!(parts[i] = adze_build1(&b, "gather", in, 2, NULL, 0))) return NULL;
    }
    adze_attr to = adze_attr_type("to", ADZE_DTYPE_f32);
    parts[0] = adze_build1(&b, "cast", parts, 1, &to, 1);
    return parts[0] ? adze_build_binary(&b, "mul", parts[0], parts[1]) : NULL;
}

static adze_outcome quantize(adze_const *table, adze_module *module, int64_t rows, int64_t cols)
{
    adze_ir_value *from[2] = {NULL, NULL}, *value = adze_const_value(table);
    if (!make_constants(table, module, rows, cols, from)) return ADZE_FAILED;
    for (const adze_use *use; (use = adze_value_first_use(value));) {
        adze_op *op = adze_use_op(use);
        adze_ir_value *made = take(op, from);
        if (!made) return ADZE_FAILED;
        adze_value_replace_uses(adze_op_result(op, 0), made);
        adze_op_erase(op);
    }
    adze_const_erase(table);
    return ADZE_CHANGED;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    const options *o = opaque;
    adze_outcome all = ADZE_UNCHANGED;
    for (adze_const *c = adze_module_first_const(module), *next; c && all != ADZE_FAILED; c = next) {
        int64_t rows, cols;
        next = adze_const_next(c);
        const adze_use *use = adze_value_first_use(adze_const_value(c));
        if (!use || !is_table(module, c, &rows, &cols) || rows * cols < o->min_elements) continue;
        if (adze_rewrite(self, adze_use_op(use), "quantize-table")) all = quantize(c, module, rows, cols);
    }
    return all;
}

static const adze_option option_table[] = {
    {"min-elements", "smaller tables stay", ADZE_OPTION_INT, offsetof(options, min_elements), "1"},
};

const adze_pass adze_pass_quantize_tables = {
    .struct_size = sizeof(adze_pass),
    .name = "quantize-tables",
    .help = "codes of 8 bits for tables that rows are taken from, as embeddings",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run_module = run,
    .purpose = "compress",
    .contract =
        "For constant f32 matrices of which nothing but whole rows is read, by gather. One scale a row. A table "
        "that a product reads, too (tied embeddings), stays. Runs behind simplify, "
        "and behind passes that read statistics.",
    .example = adze_example_quantize_tables,
};
