/* Layers of a student with what they aim at; reading and changing their constants in the copy. */
#include "passes/recover/recover.h"
#include "passes/weights/bias.h"
#include "passes/weights/constant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Finding ---- */

/* Ops of the student that read the value and are not the teacher's, too; *out_op is one of them. */
static uint32_t count_readers(const recover_pair *p, const adze_ir_value *value, adze_op **out_op)
{
    uint32_t n = 0;
    for (const adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use)) {
        adze_op *op = adze_use_op(use);
        if (!adze_table_get(&p->twins, op) || adze_table_get(&p->merged, op)) continue;
        *out_op = op;
        n++;
    }
    return n;
}

/* The add that alone reads the value. */
static adze_op *find_add(const recover_pair *p, const adze_ir_value *value)
{
    adze_op *op = NULL;
    if (count_readers(p, value, &op) != 1 || !adze_op_is(op, "add")) return NULL;
    return adze_op_operand(op, 0) != adze_op_operand(op, 1) ? op : NULL;
}

static void find_bias(const recover_pair *p, recover_layer *l)
{
    enum { BIAS = 2 };
    adze_op *op = l->m.op, *add = find_add(p, l->out);
    if (adze_op_get_row(op)->in_max > BIAS) {
        const adze_ir_value *bias = weight_bias_operand(op);
        if (!weight_takes_bias(op) || (bias && !weight_is_bias(bias, l->m.rows))) return;
        l->bias = op;
        l->bias_operand = BIAS;
        return;
    }
    if (!add || adze_op_has_trait(op, ADZE_WINDOW)) return;
    uint32_t other = adze_op_operand(add, 0) == l->out;
    if (!weight_is_bias(adze_op_operand(add, other), l->m.rows)) return;
    l->bias = add;
    l->bias_operand = other;
    l->out = adze_op_result(add, 0);
}

/* What an add makes of the layer's result and of a shortcut. */
static void find_behind(const recover_pair *p, recover_layer *l)
{
    l->behind = l->out;
    l->behind_target = l->target;
    const adze_op *add = find_add(p, l->out);
    if (!add) return;
    const adze_ir_value *other = adze_op_operand(add, adze_op_operand(add, 0) == l->out);
    if (adze_value_const(other) || !adze_type_compatible(adze_value_type(other), adze_value_type(l->out))) return;
    adze_ir_value *sum = adze_op_result(add, 0), *target = pair_match(p, 0, sum);
    if (!target) return;
    l->behind = sum;
    l->behind_target = target;
}

static bool is_layer(adze_op *op, recover_layer *l)
{
    *l = (recover_layer){0};
    if (adze_op_num_results(op) != 1 || !weight_describe_any(op, &l->m)) return false;
    weight_matrix plain;
    if (!adze_op_has_trait(op, ADZE_WINDOW) && !weight_takes_rows_any(op, &plain)) return false;
    l->out = adze_op_result(op, 0);
    if (adze_type_dtype(adze_value_type(l->out)) != ADZE_DTYPE_f32) return false;
    if (l->m.constant) return true;
    adze_op *maker = adze_value_op(adze_op_operand(op, l->m.operand));
    if (!maker || !adze_op_is(maker, "dequantize")) return false;
    l->dequantize = maker;
    return true;
}

recover_layer *recover_layers(recover_pair *p, uint32_t *out_n, uint32_t *out_skipped)
{
    recover_layer *all = NULL, l;
    uint32_t capacity = 0, layers = 0;
    *out_n = *out_skipped = 0;
    for (adze_op *op = p->first; op; op = adze_op_next(op)) {
        if (!is_layer(op, &l)) continue;
        layers++;
        /* Readers of what the teacher computes, too, read the teacher's; but a bias behind it may differ. */
        const adze_op *same = adze_table_get(&p->merged, op);
        if (same) l.out = adze_op_result(same, 0);
        find_bias(p, &l);
        if ((same && l.out == adze_op_result(same, 0)) || adze_table_get(&p->merged, adze_value_op(l.out))) continue;
        l.target = pair_match(p, 0, l.out);
        if (!l.target) {
            ++*out_skipped;
            continue;
        }
        find_behind(p, &l);
        all = adze_arena_grow(&p->arena, all, *out_n, &capacity, sizeof *all);
        all[(*out_n)++] = l;
    }
    if (*out_skipped && !*out_n) {
        adze_error(adze_func_loc(adze_module_main(p->student)),
                   "recover: none of the %u layers that differ from the teacher's has a value of its name there: both "
                   "must come from one file", *out_skipped);
        return NULL;
    }
    if (*out_skipped)
        adze_note(adze_func_loc(adze_module_main(p->student)),
                     "recover: %u of %u layers stay, as no value of the teacher's has their name and type",
                     *out_skipped, layers);
    return all ? all : ADZE_NEW(&p->arena, recover_layer);
}

/* ---- Constants ---- */

/* Does another layer of the student's read the value? */
static bool is_shared(const recover_pair *p, const adze_ir_value *value)
{
    adze_op *op;
    return count_readers(p, value, &op) > 1;
}

/* The numbers of a constant, [count]; NULL after an error. */
static double *read_const(const adze_const *c, uint64_t *out_count)
{
    const adze_type *type = adze_const_type(c);
    int64_t count;
    (void)adze_dim_is_const(adze_type_count(type), &count);
    adze_value view = {.kind = ADZE_VALUE_TENSOR, .dtype = (uint32_t)adze_type_dtype(type)};
    adze_data *data = adze_const_data(c);
    const void *bytes = adze_data_load(data);
    if (!bytes) return NULL;
    view.data = (void *)(uintptr_t)bytes;
    double *x = adze_malloc((size_t)(count + 1) * sizeof *x);
    for (int64_t i = 0; i < count; i++) x[i] = adze_value_real(&view, (uint64_t)i);
    adze_data_unload(data);
    *out_count = (uint64_t)count;
    return x;
}

/* A constant of the same type with other numbers in the place of an operand. */
static bool write_const(recover_pair *p, adze_op *op, uint32_t operand, const adze_type *type, const char *name,
                        const double *x)
{
    int64_t count;
    (void)adze_dim_is_const(adze_type_count(type), &count);
    uint64_t size = adze_dtype_bytes(adze_type_dtype(type), (uint64_t)count);
    adze_value view = {.kind = ADZE_VALUE_TENSOR, .dtype = (uint32_t)adze_type_dtype(type)};
    view.data = adze_malloc(size + 8);
    memset(view.data, 0, size + 8);
    for (int64_t i = 0; i < count; i++) adze_value_set_real(&view, (uint64_t)i, x[i]);
    adze_ir_value *made = adze_const_make(p->module, name, type, view.data);
    free(view.data);
    if (made) constant_put(op, operand, made);
    return made;
}

double *layer_bias_read(const recover_layer *l)
{
    adze_ir_value *value = adze_op_operand(l->bias, l->bias_operand);
    uint64_t count;
    if (value) return read_const(adze_value_const(value), &count);
    double *zeros = adze_malloc(l->m.rows * sizeof *zeros);
    for (size_t i = 0; i < l->m.rows; i++) zeros[i] = 0;
    return zeros;
}

bool layer_bias_write(recover_pair *p, const recover_layer *l, const double *bias)
{
    adze_ir_value *old = adze_op_operand(l->bias, l->bias_operand);
    int64_t dims[] = {(int64_t)l->m.rows};
    const adze_type *type = old ? adze_value_type(old)
                                : adze_type_tensor_const(p->run->context, ADZE_DTYPE_f32, 1, dims);
    const char *name = old ? adze_const_name(adze_value_const(old)) : "bias";
    return write_const(p, l->bias, l->bias_operand, type, name, bias);
}

/* The constant that holds a number for each row or more, and the axis of rows; NULL: rows cannot be scaled alone. */
static adze_const *find_scale(const recover_pair *p, const recover_layer *l, adze_op **out_op, uint32_t *out_operand,
                              uint32_t *out_axis)
{
    enum { SCALE = 1 };
    *out_op = l->dequantize ? l->dequantize : l->m.op;
    *out_operand = l->dequantize ? SCALE : l->m.operand;
    *out_axis = l->m.row_axis;
    adze_ir_value *value = adze_op_operand(*out_op, *out_operand);
    if (!value || !adze_value_const(value)) return NULL;
    if (!l->dequantize) return is_shared(p, value) ? NULL : adze_value_const(value);
    const adze_type *type = adze_value_type(value);
    uint32_t rank = adze_type_rank(type);
    int64_t axis = adze_op_attr_int(l->dequantize, "axis");
    if (axis < 0) axis += adze_type_rank(adze_value_type(adze_op_result(l->dequantize, 0)));
    if (is_shared(p, adze_op_result(l->dequantize, 0)) || rank == 0) return NULL;
    if (rank == 1 && axis != (int64_t)l->m.row_axis) return NULL;
    if (rank == 1) *out_axis = 0;
    return adze_dim_is_value(adze_type_dim(type, *out_axis), (int64_t)l->m.rows) ? adze_value_const(value) : NULL;
}

bool layer_can_scale(const recover_pair *p, const recover_layer *l)
{
    adze_op *op;
    uint32_t operand, axis;
    return find_scale(p, l, &op, &operand, &axis);
}

bool layer_scale(recover_pair *p, const recover_layer *l, const double *factors)
{
    adze_op *op;
    uint32_t operand, axis;
    uint64_t count, inner = 1;
    const adze_const *c = find_scale(p, l, &op, &operand, &axis);
    const adze_type *type = adze_const_type(c);
    double *x = read_const(c, &count);
    if (!x) return false;
    for (uint32_t i = axis + 1; i < adze_type_rank(type); i++) {
        int64_t extent = 1;
        (void)adze_dim_is_const(adze_type_dim(type, i), &extent);
        inner *= (uint64_t)extent;
    }
    for (uint64_t i = 0; i < count; i++) x[i] *= factors[i / inner % l->m.rows];
    bool ok = write_const(p, op, operand, type, adze_const_name(c), x);
    free(x);
    return ok;
}

bool layer_can_write(const recover_pair *p, const recover_layer *l)
{
    return l->m.constant && !is_shared(p, adze_op_operand(l->m.op, l->m.operand));
}

bool layer_write(recover_pair *p, recover_layer *l, const double *w)
{
    (void)p;
    adze_ir_value *made = weight_write(&l->m, w);
    if (!made) return false;
    adze_op_set_operand(l->m.op, l->m.operand, made);
    l->m.constant = adze_value_const(made);
    return true;
}
