/* Finds, reads and makes biases of contractions. */
#include "passes/weights/bias.h"

#include <adze/arena.h>

#include <stdlib.h>

enum { BIAS = 2 };

static double factor_of(const adze_op *op, const char *name)
{
    return adze_row_attr_index(adze_op_get_row(op), name) < 0 ? 1 : adze_op_attr_float(op, name);
}

double weight_factor(const adze_op *op) { return factor_of(op, "alpha"); }

adze_ir_value *weight_bias_operand(const adze_op *op)
{
    return adze_op_get_row(op)->in_max > BIAS && adze_op_num_operands(op) > BIAS ? adze_op_operand(op, BIAS) : NULL;
}

bool weight_takes_bias(const adze_op *op)
{
    return adze_op_get_row(op)->in_max > BIAS && factor_of(op, "alpha") == 1 && factor_of(op, "beta") == 1;
}

bool weight_is_bias(const adze_ir_value *value, size_t rows)
{
    int64_t count;
    if (!value || !adze_value_const(value)) return false;
    const adze_type *type = adze_value_type(value);
    uint32_t rank = adze_type_rank(type);
    return adze_type_dtype(type) == ADZE_DTYPE_f32 && rank && adze_dim_is_const(adze_type_count(type), &count) &&
           count == (int64_t)rows && adze_dim_is_value(adze_type_dim(type, rank - 1), count);
}

bool weight_find_bias(const weight_matrix *m, weight_bias *out)
{
    if (adze_op_get_row(m->op)->in_max > BIAS) {
        adze_ir_value *value = weight_bias_operand(m->op);
        if (!weight_takes_bias(m->op) || (value && !weight_is_bias(value, m->rows))) return false;
        *out = (weight_bias){m->op, BIAS, value ? adze_value_const(value) : NULL};
        return true;
    }
    const adze_ir_value *result = adze_op_result(m->op, 0);
    const adze_use *use = adze_value_num_uses(result) == 1 ? adze_value_first_use(result) : NULL;
    if (!use || !adze_op_is(adze_use_op(use), "add")) return false;
    uint32_t operand = 1 - adze_use_index(use);
    adze_ir_value *value = adze_op_operand(adze_use_op(use), operand);
    if (!weight_is_bias(value, m->rows)) return false;
    if (adze_type_rank(adze_value_type(value)) > adze_type_rank(adze_value_type(result))) return false;
    *out = (weight_bias){adze_use_op(use), operand, adze_value_const(value)};
    return true;
}

bool weight_bias_read(const weight_bias *b, size_t rows, double *out)
{
    for (size_t i = 0; i < rows; i++) out[i] = 0;
    if (!b->constant) return true;
    adze_data *data = adze_const_data(b->constant);
    const float *x = adze_data_load(data);
    if (!x) return false;
    for (size_t i = 0; i < rows; i++) out[i] = (double)x[i];
    adze_data_unload(data);
    return true;
}

adze_ir_value *weight_bias_make(const weight_bias *b, const char *weights, const double *values, size_t rows)
{
    adze_context *context = adze_op_context(b->op);
    int64_t dims[] = {(int64_t)rows};
    const adze_type *type = b->constant ? adze_const_type(b->constant)
                                        : adze_type_tensor_const(context, ADZE_DTYPE_f32, 1, dims);
    const char *name = b->constant ? adze_internf(context, "%s.own", adze_const_name(b->constant))
                                   : adze_internf(context, "%s.bias", weights);
    float *x = adze_malloc((rows + 1) * sizeof *x);
    for (size_t i = 0; i < rows; i++) x[i] = (float)values[i];
    adze_ir_value *made = adze_const_make(adze_op_module(b->op), name, type, x);
    free(x);
    return made;
}
