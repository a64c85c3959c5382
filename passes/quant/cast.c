/* cast: constant weights of contractions are stored in half precision or 8-bit floats.
 *
 * The module computes in f32 as before, with weights that were rounded.
 * 8-bit floats get one scale an output channel, so that the largest weight becomes the type's largest number.
 *
 *     %0 = matmul(%x, @w) : f32[N,8]        →      %1 = cast(@w.bf16) {to = f32} : f32[16,8]
 *                                                  %0 = matmul(%x, %1) : f32[N,8]
 */
#include "passes/examples_embedded.h"
#include "passes/quant/weights.h"

#include <adze/arena.h>
#include <adze/pass.h>

#include <math.h>
#include <stdlib.h>

typedef struct options {
    int64_t min_elements;
    const char *to, *plan;
} options;

/* What an op over constants computes, as a constant; the op is erased. NULL after an error. */
static adze_ir_value *as_constant(adze_ir_value *made, const char *name)
{
    if (!made) return NULL;
    adze_op *op = adze_value_op(made);
    adze_module *module = adze_op_module(op);
    adze_const *in[3] = {0};
    uint32_t n = adze_op_num_operands(op);
    for (uint32_t i = 0; i < n; i++) in[i] = adze_value_const(adze_op_operand(op, i));
    const adze_type *type = adze_value_type(made);
    adze_data *data = adze_data_derived(adze_op_context(op), adze_op_get_row(op), adze_op_attrs(op), in, n, type);
    const void *bytes = data ? adze_data_load(data) : NULL;
    adze_ir_value *result = bytes ? adze_const_make(module, name, type, bytes) : NULL;
    adze_data_release(data);
    adze_op_erase(op);
    return result;
}

static adze_ir_value *cast_to(adze_builder *b, adze_ir_value *value, adze_dtype to)
{
    adze_attr attr = adze_attr_type("to", to);
    return adze_build1(b, "cast", &value, 1, &attr, 1);
}

static adze_ir_value *to_half(const weight_matrix *m, adze_dtype to)
{
    adze_builder b = adze_builder_before(m->op);
    const char *name = adze_internf(adze_op_context(m->op), "%s.%s", adze_const_name(m->constant),
                                    to == ADZE_DTYPE_f16 ? "f16" : "bf16");
    adze_ir_value *narrow = as_constant(cast_to(&b, adze_const_value(m->constant), to), name);
    return narrow ? cast_to(&b, narrow, ADZE_DTYPE_f32) : NULL;
}

/* Scales that make the largest weight of each row the type's largest number; 1 for rows of zeros. */
static adze_ir_value *row_scales(const weight_matrix *m, double largest)
{
    double *w = weight_read(m);
    if (!w) return NULL;
    float *scales = adze_malloc(m->rows * sizeof *scales);
    for (size_t i = 0; i < m->rows; i++) {
        double top = 0;
        for (size_t j = 0; j < m->cols; j++) top = fmax(top, fabs(w[i * m->cols + j]));
        scales[i] = top > 0 ? (float)(top / largest) : 1;
    }
    free(w);
    int64_t dims[] = {(int64_t)m->rows};
    adze_context *context = adze_op_context(m->op);
    adze_ir_value *made = adze_const_make(adze_op_module(m->op),
                                          adze_internf(context, "%s.scale", adze_const_name(m->constant)),
                                          adze_type_tensor_const(context, ADZE_DTYPE_f32, 1, dims), scales);
    free(scales);
    return made;
}

static adze_ir_value *to_eight(const weight_matrix *m, adze_dtype to)
{
    enum { ONNX_FLOAT8E4M3FN = 17, ONNX_FLOAT8E5M2 = 19 };
    bool precise = to == ADZE_DTYPE_f8e4m3fn;
    adze_builder b = adze_builder_before(m->op);
    adze_attr attrs[] = {adze_attr_int("axis", m->row_axis),
                         adze_attr_int("output_dtype", precise ? ONNX_FLOAT8E4M3FN : ONNX_FLOAT8E5M2)};
    adze_ir_value *in[] = {adze_const_value(m->constant), row_scales(m, precise ? 448 : 57344)};
    if (!in[1]) return NULL;
    in[0] = as_constant(adze_build1(&b, "quantize", in, 2, attrs, 2),
                        adze_internf(adze_op_context(m->op), "%s.codes", adze_const_name(m->constant)));
    return in[0] ? adze_build1(&b, "dequantize", in, 2, attrs, 1) : NULL;
}

static bool replace(const weight_matrix *m, adze_dtype to)
{
    bool half = to == ADZE_DTYPE_f16 || to == ADZE_DTYPE_bf16;
    adze_ir_value *made = half ? to_half(m, to) : to_eight(m, to);
    return made && weight_replace(m, made, NULL);
}

/* What a layer's weights are to be stored as; false where they stay. */
static bool choose(const options *o, const adze_layer_plan *layers, const weight_matrix *m, adze_dtype *to)
{
    adze_format format;
    if (!layers) return m->rows * m->cols >= (size_t)o->min_elements;
    if (!weight_format(layers, ADZE_FORMAT_CAST, m->op, &format)) return false;
    *to = format.brain ? ADZE_DTYPE_bf16 : ADZE_DTYPE_f16;
    return true;
}

static adze_outcome cast_func(const options *o, const adze_layer_plan *layers, adze_pass_run *self, adze_func *func)
{
    adze_outcome all = ADZE_UNCHANGED;
    for (adze_op *op = adze_region_first(adze_func_body(func)); op && all != ADZE_FAILED; op = adze_op_next(op)) {
        weight_matrix m;
        adze_dtype to = adze_dtype_find(o->to);
        if (!weight_describe(op, &m) || !choose(o, layers, &m, &to)) continue;
        if (adze_rewrite(self, op, "cast-weight")) all = replace(&m, to) ? ADZE_CHANGED : ADZE_FAILED;
    }
    return all;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    const options *o = opaque;
    adze_dtype to = adze_dtype_find(o->to);
    if (to != ADZE_DTYPE_bf16 && to != ADZE_DTYPE_f16 && to != ADZE_DTYPE_f8e4m3fn && to != ADZE_DTYPE_f8e5m2) {
        adze_error(adze_loc_unknown(self->context), "cast: to is bf16, f16, f8e4m3fn or f8e5m2, not '%s'", o->to);
        return ADZE_FAILED;
    }
    adze_layer_plan *layers = o->plan ? weight_layers(o->plan, ADZE_FORMAT_CAST, module) : NULL;
    adze_outcome all = o->plan && !layers ? ADZE_FAILED : ADZE_UNCHANGED;
    for (adze_func *f = adze_module_first_func(module); f && all != ADZE_FAILED; f = adze_func_next(f)) {
        adze_outcome one = cast_func(o, layers, self, f);
        if (one != ADZE_UNCHANGED) all = one;
    }
    adze_layer_plan_destroy(layers);
    return all;
}

static const adze_option option_table[] = {
    {"to", "bf16, f16, f8e4m3fn or f8e5m2", ADZE_OPTION_STR, offsetof(options, to), "bf16"},
    {"min-elements", "smaller weights stay", ADZE_OPTION_INT, offsetof(options, min_elements), "1"},
    {"plan", "file that says which layers become f16 and bf16", ADZE_OPTION_STR, offsetof(options, plan), NULL},
};

const adze_pass adze_pass_cast = {
    .struct_size = sizeof(adze_pass),
    .name = "cast",
    .help = "store weights of contractions as bf16, f16 or 8-bit floats",
    .numerics = ADZE_LOSSY,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run_module = run,
    .purpose = "compress",
    .contract = "Needs f32 weights that are constants, so it runs behind simplify; others stay. Weights beyond the "
                "largest f16 become infinite. fold would undo it for small weights: do not run that behind it.",
    .example = adze_example_cast,
};
