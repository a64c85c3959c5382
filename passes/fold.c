/* fold: compute ops whose operands are all constants.
 *
 * The value is what the op's eval gives. Results of up to 64 KB are computed at once; larger ones become derived
 * constants, computed when they are first read, so that weights that nobody keeps never take memory. Of dequantize
 * all but small ones are derived: reports can say what became wide. Of densify all are, whatever their size: it is how
 * files hold weights, and passes work with weights.
 *
 *     const @a : f32[2] = [1, 2]            →      const @y : f32[2] = [2, 4]
 *     %y = add(@a, @a) : f32[2]
 *
 * An `if` of a constant condition gives way to the region that would run.
 */
#include <adze/ir.h>
#include <adze/pass.h>

#include "passes/examples_embedded.h"
#include "passes/tile/tile.h"

#include <stddef.h>
#include <stdlib.h>

typedef struct fold_options {
    bool dequantize;
} fold_options;

enum { EAGER_BYTES = 64 << 10, EAGER_WIDE_BYTES = 1 << 10, FREE_BYTES = 1 << 20, MAX_INPUTS = 64 };

/* The op's operands as constants; false if one is not, or the op has none. */
static bool constant_inputs(const adze_op *op, adze_const *out[MAX_INPUTS], uint64_t *out_bytes)
{
    uint32_t n = adze_op_num_operands(op);
    *out_bytes = 0;
    if (n == 0 || n > MAX_INPUTS) return false;
    for (uint32_t i = 0; i < n; i++) {
        adze_ir_value *value = adze_op_operand(op, i);
        out[i] = value ? adze_value_const(value) : NULL;
        if (!value) continue;
        if (!out[i] || adze_type_has_layout(adze_const_type(out[i])) || !adze_type_is_static(adze_const_type(out[i])))
            return false;
        *out_bytes += adze_data_size(adze_const_data(out[i]));
    }
    return true;
}

static bool result_bytes(const adze_type *type, uint64_t *out)
{
    int64_t count;
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type) || !adze_type_is_static(type)) return false;
    if (adze_type_has_layout(type) || adze_type_dtype(type) == ADZE_DTYPE_str) return false;
    if (!adze_dim_is_const(adze_type_count(type), &count) || count < 0 || count > INT64_MAX / 64) return false;
    *out = adze_dtype_bytes(adze_type_dtype(type), (uint64_t)count);
    return true;
}

/* dequantize of a constant: kernels over integers look for it. */
static bool is_stored_narrow(const adze_op *op)
{
    return adze_op_has_trait(op, ADZE_QUANT) &&
           adze_dtype_get_kind(adze_type_dtype(adze_value_type(adze_op_result(op, 0)))) == ADZE_KIND_FLOAT;
}

static bool is_stored_sparse(const adze_op *op) { return adze_op_is(op, "densify"); }

static bool may_fold(const adze_op *op, const fold_options *options)
{
    if (is_stored_narrow(op) && (!options->dequantize || tile_keeps_codes(op))) return false;
    return adze_op_has_trait(op, ADZE_PURE) && !adze_op_has_trait(op, ADZE_LOOP) &&
           !adze_op_has_trait(op, ADZE_DATA_DEPENDENT) && adze_row_has_meaning(adze_op_get_row(op)) &&
           adze_op_num_regions(op) == 0 && adze_op_num_results(op) == 1;
}

static adze_data *compute(adze_op *op, adze_const *const *inputs, uint64_t bytes)
{
    adze_context *context = adze_op_context(op);
    adze_data *lazy =
        adze_data_derived(context, adze_op_get_row(op), adze_op_attrs(op), inputs, adze_op_num_operands(op),
                          adze_value_type(adze_op_result(op, 0)));
    if (!lazy || bytes > (is_stored_narrow(op) || is_stored_sparse(op) ? EAGER_WIDE_BYTES : EAGER_BYTES)) return lazy;
    const void *value = adze_data_load(lazy);
    adze_data *data = value ? adze_data_copy(context, value, bytes) : NULL;
    adze_data_release(lazy);
    return data;
}

static adze_outcome fold_op(adze_op *op, const fold_options *options, adze_pass_run *self)
{
    adze_const *inputs[MAX_INPUTS];
    uint64_t in_bytes, bytes;
    if (!may_fold(op, options) || !constant_inputs(op, inputs, &in_bytes)) return ADZE_UNCHANGED;
    adze_ir_value *result = adze_op_result(op, 0);
    if (!result_bytes(adze_value_type(result), &bytes)) return ADZE_UNCHANGED;
    if (bytes > FREE_BYTES && bytes > in_bytes && !is_stored_sparse(op)) return ADZE_UNCHANGED;
    if (!adze_rewrite(self, op, "fold")) return ADZE_UNCHANGED;
    adze_data *data = compute(op, inputs, bytes);
    if (!data) {
        adze_note(adze_op_loc(op), "while folding this op");
        return ADZE_FAILED;
    }
    const char *name = adze_value_name(result);
    adze_const *made = adze_module_add_const(adze_op_module(op), name ? name : "folded", adze_value_type(result), data);
    if (!made) return ADZE_FAILED;
    adze_value_replace_uses(result, adze_const_value(made));
    adze_op_erase(op);
    return ADZE_CHANGED;
}

/* The bool that the condition of an `if` is. */
static bool known_condition(const adze_op *op, bool *out)
{
    adze_const *condition = adze_value_const(adze_op_operand(op, 0));
    uint8_t byte;
    if (!condition || adze_data_size(adze_const_data(condition)) != 1) return false;
    if (!adze_data_read(adze_const_data(condition), 0, &byte, 1)) return false;
    *out = byte != 0;
    return true;
}

static adze_outcome fold_if(adze_op *op, adze_pass_run *self)
{
    bool condition;
    if (!adze_op_is(op, "if") || !known_condition(op, &condition)) return ADZE_UNCHANGED;
    if (!adze_rewrite(self, op, "fold")) return ADZE_UNCHANGED;
    uint32_t which = condition ? 0 : 1;
    if (which < adze_op_num_regions(op)) {
        adze_op *end = adze_region_last(adze_op_region(op, which));
        for (adze_op *inner = adze_region_first(adze_op_region(op, which)), *next; inner != end; inner = next) {
            next = adze_op_next(inner);
            adze_op_move_before(inner, op);
        }
        for (uint32_t i = 0; i < adze_op_num_results(op); i++)
            adze_value_replace_uses(adze_op_result(op, i), adze_op_operand(end, i));
    }
    adze_op_erase(op);
    return ADZE_CHANGED;
}

static adze_outcome fold_region(adze_region *region, const fold_options *options, adze_pass_run *self)
{
    adze_outcome all = ADZE_UNCHANGED;
    for (adze_op *op = adze_region_first(region), *next; op; op = next) {
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) {
            /* A kernel's region uses nothing from outside. */
            if (!adze_op_has_trait(op, ADZE_FREE)) continue;
            adze_outcome inner = fold_region(adze_op_region(op, i), options, self);
            if (inner == ADZE_FAILED) return inner;
            if (inner == ADZE_CHANGED) all = inner;
        }
        adze_outcome one = fold_if(op, self);
        if (one == ADZE_UNCHANGED) one = fold_op(op, options, self);
        if (one == ADZE_FAILED) return one;
        if (one == ADZE_CHANGED) all = one;
    }
    return all;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    return fold_region(adze_func_body(func), options, self);
}

static const adze_option fold_option_rows[] = {
    {"dequantize", "also dequantize of constants, which makes them wide, where no kernel reads codes", ADZE_OPTION_BOOL,
     offsetof(fold_options, dequantize), "false"},
};

const adze_pass adze_pass_fold = {
    .struct_size = sizeof(adze_pass),
    .name = "fold",
    .help = "compute ops whose operands are all constants",
    .numerics = ADZE_EXACT,
    .options = fold_option_rows,
    .n_options = sizeof fold_option_rows / sizeof *fold_option_rows,
    .options_size = sizeof(fold_options),
    .run = run,
    .purpose = "simplify",
    .contract = "Folds ops that are PURE and whose operands are all constants, unless the result is larger than "
                "max(1 MB, the bytes of its inputs), densify aside. Keeps the types and names of results. "
                "Quantized weights stay "
                "narrow, for quantize-fuse, unless it is told otherwise. An if of a constant condition becomes the "
                "region that would run.",
    .example = adze_example_fold,
};
