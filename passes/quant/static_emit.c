/* The ops of quantize-static: around values, for weights and for biases. */
#include "passes/quant/static.h"

#include "passes/weights/bias.h"
#include "passes/weights/constant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Values ---- */

static bool make_constants(static_plan *plan, activation *root, adze_module *module)
{
    if (root->zero) return true;
    const char *name = adze_value_name(root->value);
    if (!name) name = "value";
    root->scale = adze_const_scalar(module, adze_internf(plan->run->context, "%s.scale", name), ADZE_DTYPE_f32,
                                    root->step.scale);
    root->zero = adze_const_scalar(module, adze_internf(plan->run->context, "%s.zero", name), ADZE_DTYPE_u8,
                                   root->step.zero);
    return root->scale && root->zero;
}

/* Uses that read codes, before any of them changes. */
static uint32_t find_readers(static_plan *plan, const activation *a, adze_op **ops, uint32_t *index)
{
    uint32_t n = 0;
    for (const adze_use *use = adze_value_first_use(a->value); use; use = adze_use_next(use)) {
        if (!static_reads_codes(plan, adze_use_op(use))) continue;
        ops[n] = adze_use_op(use);
        index[n++] = adze_use_index(use);
    }
    return n;
}

/* `quantize` and `dequantize` of a value with the constants of its root. */
static adze_ir_value *round_trip(adze_builder *b, adze_ir_value *value, const activation *root)
{
    adze_ir_value *in[] = {value, root->scale, root->zero};
    in[0] = adze_build1(b, "quantize", in, 3, NULL, 0);
    return in[0] ? adze_build1(b, "dequantize", in, 3, NULL, 0) : NULL;
}

/* What a reader reads: the value's codes, or those of the concat that it becomes a part of. */
static adze_ir_value *codes_for(static_plan *plan, adze_builder *b, adze_ir_value *back, adze_op *reader,
                                uint32_t index)
{
    if (!static_apart(plan, reader, index)) return back;
    activation *to = static_root(static_activation(plan, adze_op_result(reader, 0)));
    return make_constants(plan, to, adze_op_module(reader)) ? round_trip(b, back, to) : NULL;
}

adze_outcome static_emit_value(static_plan *plan, activation *a)
{
    adze_op *op = adze_value_op(a->value);
    adze_region *region = op ? adze_op_parent(op) : adze_value_region(a->value);
    adze_module *module = adze_func_module(adze_region_func(region));
    activation *root = static_root(a);
    if (!adze_rewrite(plan->run, op, "quantize-value")) return ADZE_UNCHANGED;
    uint32_t most = adze_value_num_uses(a->value);
    adze_op **ops = ADZE_NEW_ARRAY(&plan->arena, adze_op *, most);
    uint32_t *index = ADZE_NEW_ARRAY(&plan->arena, uint32_t, most), n = find_readers(plan, a, ops, index);
    if (!n) return ADZE_UNCHANGED;
    if (!make_constants(plan, root, module)) return ADZE_FAILED;
    adze_builder b = op ? adze_builder_after(op) : adze_builder_before(adze_region_first(region));
    if (!op) b.n_origin = 0;
    adze_ir_value *back = round_trip(&b, a->value, root);
    if (!back) return ADZE_FAILED;
    for (uint32_t i = 0; i < n; i++) {
        adze_ir_value *read = codes_for(plan, &b, back, ops[i], index[i]);
        if (!read) return ADZE_FAILED;
        adze_op_set_operand(ops[i], index[i], read);
    }
    return ADZE_CHANGED;
}

/* ---- Biases ---- */

/* Of an op that reads the weights. */
static bool find_bias(const weight_matrix *m, adze_op *op, weight_bias *out)
{
    weight_matrix of = *m;
    of.op = op;
    return weight_find_bias(&of, out);
}

/* Means of what the columns of each group are multiplied with, [groups][cols]. */
static bool find_means(static_plan *plan, const weight_matrix *m, adze_op *op, double *mean)
{
    const adze_gram *gram = adze_stats_gram(plan->stats, op, 0);
    if (gram && gram->rows && gram->size == m->cols && gram->n_groups == m->groups) {
        for (uint32_t g = 0; g < m->groups; g++)
            if (!adze_gram_read(plan->stats, gram, g, NULL, mean + g * m->cols)) return false;
        return true;
    }
    const adze_value_stats *x = adze_stats_of(plan->stats, adze_op_operand(op, 0));
    if (!x || x->channels.n != m->channels * m->groups)
        return adze_error(adze_op_loc(op), "no statistics of the channels that '%s' is multiplied with, which "
                                           "correct-bias needs", adze_const_name(m->constant));
    for (size_t i = 0; i < m->groups * m->cols; i++)
        mean[i] = x->channels.mean[i / m->cols * m->channels + i % m->cols / m->taps];
    return true;
}

/* Mean outputs of the weights as they are and the inputs as they were, less those of the layer as it will be. */
static bool shift_behind(const weight_matrix *m, const weight_rounded *r, const prefix_moments *moments, double *out)
{
    double *w = weight_read(m);
    size_t rows = m->rows / m->groups;
    for (size_t i = 0; w && i < m->rows; i++)
        for (size_t j = 0; j < m->cols; j++) {
            size_t at = i * m->cols + j, mean = i / rows * m->cols + j;
            out[i] += w[at] * moments->mean[mean] - r->values[at] * moments->rounded[mean];
        }
    free(w);
    return w != NULL;
}

/* out += the shift that keeps mean outputs. */
static bool add_shift(static_plan *plan, const weight_matrix *m, const weight_rounded *r, adze_op *op, double *out)
{
    if (plan->weights.moments) return shift_behind(m, r, plan->weights.moments, out);
    size_t rows = m->rows / m->groups;
    double *mean = adze_malloc(m->groups * m->cols * sizeof *mean);
    bool ok = find_means(plan, m, op, mean);
    for (size_t g = 0; ok && g < m->groups; g++)
        quant_bias_shift(r->w + g * rows * m->cols, r->values + g * rows * m->cols, mean + g * m->cols, rows, m->cols,
                         out + g * rows);
    free(mean);
    return ok;
}

/* The bias in double, with the shift that keeps mean outputs; zeros where there is none. */
static bool read_bias(static_plan *plan, const weight_matrix *m, const weight_rounded *r, adze_op *op,
                      const weight_bias *b, double *out)
{
    double *own = adze_malloc(m->rows * sizeof *own);
    bool ok = weight_bias_read(b, m->rows, own);
    memset(out, 0, m->rows * sizeof *out);
    if (ok && plan->options->correct_bias) ok = add_shift(plan, m, r, op, out);
    for (size_t i = 0; ok && b->constant && i < m->rows; i++) out[i] += own[i];
    free(own);
    return ok;
}

/* `dequantize` of i32 codes with the scale of the sums. */
static adze_ir_value *make_bias(const weight_matrix *m, const weight_rounded *r, const weight_bias *b, double x_scale,
                                const double *values)
{
    adze_context *context = adze_op_context(m->op);
    adze_module *module = adze_op_module(m->op);
    const char *name = b->constant ? adze_const_name(b->constant) : adze_internf(context, "%s.bias",
                                                                                adze_const_name(m->constant));
    int32_t *codes = adze_malloc(m->rows * sizeof *codes);
    float *scales = adze_malloc(m->rows * sizeof *scales);
    for (size_t i = 0; i < m->rows; i++) {
        scales[i] = (float)(x_scale * r->steps[i].scale);
        double q = rint(values[i] / (double)scales[i]);
        codes[i] = q > INT32_MAX ? INT32_MAX : q < -INT32_MAX ? -INT32_MAX : (int32_t)q;
    }
    int64_t dims[] = {(int64_t)m->rows};
    const adze_type *row = adze_type_tensor_const(context, ADZE_DTYPE_i32, 1, dims);
    const adze_type *type = b->constant ? adze_type_with_dtype(adze_const_type(b->constant), ADZE_DTYPE_i32) : row;
    adze_ir_value *in[] = {
        adze_const_make(module, adze_internf(context, "%s.codes", name), type, codes),
        adze_const_make(module, adze_internf(context, "%s.scale", name), adze_type_with_dtype(row, ADZE_DTYPE_f32),
                        scales)};
    free(codes);
    free(scales);
    if (!in[0] || !in[1]) return NULL;
    adze_builder builder = adze_builder_before(b->op);
    adze_attr axis = adze_attr_int("axis", (int64_t)adze_type_rank(type) - 1);
    return adze_build1(&builder, "dequantize", in, 2, &axis, 1);
}

/* 0 where the op shares weights but is left in float. */
static double input_scale(static_plan *plan, const adze_op *op)
{
    return static_root(static_activation(plan, adze_op_operand(op, 0)))->step.scale;
}

/* Rounds the bias of `op`, which reads the weights. */
static bool emit_bias(static_plan *plan, const weight_matrix *m, const weight_rounded *r, adze_op *op)
{
    weight_bias b;
    if (r->blocks != 1 || input_scale(plan, op) <= 0 || !find_bias(m, op, &b)) return true;
    if (!plan->options->correct_bias && (!b.constant || plan->options->float_bias)) return true;
    double *values = adze_malloc(m->rows * sizeof *values);
    bool ok = read_bias(plan, m, r, op, &b, values);
    ok = ok && (!plan->prefix || prefix_set_bias(plan->prefix, b.op, b.operand, values, m->rows));
    adze_ir_value *made = NULL;
    if (ok && plan->options->float_bias)
        made = weight_bias_make(&b, adze_const_name(m->constant), values, m->rows);
    else if (ok)
        made = make_bias(m, r, &b, input_scale(plan, op), values);
    free(values);
    if (!made) return false;
    constant_put(b.op, b.operand, made);
    if (adze_value_const(made))
        (void)constant_settle(b.constant, made);
    else if (b.constant && !adze_const_has_uses(b.constant))
        adze_const_erase(b.constant);
    return true;
}

/* Scales of rows whose bias would not fit in i32. */
static bool raise_scales(static_plan *plan, const weight_matrix *m, weight_rounded *r, adze_op *op)
{
    weight_bias b;
    if (input_scale(plan, op) <= 0 || !find_bias(m, op, &b) || !b.constant) return true;
    double *x = adze_malloc(m->rows * sizeof *x);
    bool ok = weight_bias_read(&b, m->rows, x);
    for (size_t i = 0; ok && i < m->rows; i++)
        weight_raise_scale(m, r, i, quant_scale_for_bias(r->steps[i * r->blocks].scale, input_scale(plan, op), x[i]));
    free(x);
    return ok;
}

/* ---- Weights ---- */

bool static_round_prefix(static_plan *plan, adze_func *func)
{
    adze_dtype codes = plan->grid.is_signed ? ADZE_DTYPE_i8 : ADZE_DTYPE_u8;
    for (adze_op *op = adze_region_first(adze_func_body(func)); op; op = adze_op_next(op)) {
        if (!static_reads_codes(plan, op)) continue;
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
            if (!static_reads(op, i)) continue;
            activation *a = static_activation(plan, adze_op_operand(op, i));
            if (!a->wanted) continue;
            quant_step step = static_root(a)->step;
            if (!prefix_quantize_input(plan->prefix, op, i, codes, step.scale, step.zero)) return false;
        }
    }
    return true;
}

/* May the biases of all that read the weights be corrected? */
static bool can_correct(static_plan *plan, const weight_matrix *m, adze_op *const *users, uint32_t n)
{
    weight_bias b;
    bool ok = plan->options->correct_bias;
    for (uint32_t i = 0; ok && i < n; i++) ok = input_scale(plan, users[i]) > 0 && find_bias(m, users[i], &b);
    return ok;
}

/* Weights, then scales, then the bias of each op that reads them. */
static adze_outcome round_and_emit(static_plan *plan, const weight_matrix *m, adze_op *const *users, uint32_t n)
{
    weight_rounded r;
    if (!weight_round(m, &plan->weights, &r)) return ADZE_FAILED;
    bool ok = true;
    for (uint32_t i = 0; ok && i < n; i++) ok = raise_scales(plan, m, &r, users[i]);
    ok = ok && (!plan->prefix || prefix_change(plan->prefix, m, r.values));
    adze_ir_value *made = ok ? weight_emit(m, &plan->weights, &r) : NULL;
    for (uint32_t i = 0; made && ok && i < n; i++) ok = emit_bias(plan, m, &r, users[i]);
    ok = made && ok && weight_replace(m, made, r.factors);
    weight_free(&r);
    return ok ? ADZE_CHANGED : ADZE_FAILED;
}

adze_outcome static_emit_weights(static_plan *plan, const weight_matrix *m)
{
    if (!adze_rewrite(plan->run, m->op, "quantize-weight")) return ADZE_UNCHANGED;
    adze_ir_value *value = adze_const_value(m->constant);
    uint32_t n = 0, most = adze_value_num_uses(value);
    adze_op **users = ADZE_NEW_ARRAY(&plan->arena, adze_op *, most);
    weight_matrix other;
    for (const adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use))
        if (weight_shares(m, use, &other)) users[n++] = other.op;
    weight_plan all = plan->weights;
    prefix_moments moments = {0};
    adze_format format;
    if (adze_table_get(&plan->first, m->op) || adze_table_get(&plan->last, m->op)) plan->weights.bits = 8;
    if (plan->layers && weight_format(plan->layers, ADZE_FORMAT_STATIC, m->op, &format))
        plan->weights.bits = format.bits;
    const double *shrink = adze_table_get(&plan->shrinks, m->op);
    if (shrink) plan->weights.shrink = *shrink;
    plan->weights.centred = can_correct(plan, m, users, n);
    plan->weights.moments = plan->prefix ? &moments : NULL;
    bool ok = !plan->prefix || prefix_measure(plan->prefix, m, plan->weights.centred, &moments);
    adze_outcome outcome = ok ? round_and_emit(plan, m, users, n) : ADZE_FAILED;
    prefix_moments_free(&moments);
    plan->weights = all;
    return outcome;
}
