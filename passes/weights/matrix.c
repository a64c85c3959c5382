/* Weights of contractions as matrices, from the iteration space of the op. */
#include "passes/weights/matrix.h"

#include <adze/arena.h>
#include <adze/table.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Axes of a weight: which one counts rows; all others are summed over. */
static bool find_row_axis(const adze_access *a, const adze_access_map *map, uint32_t *out)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < map->rank; i++) {
        const adze_dim *dim = map->dims[i];
        bool axis = adze_dim_get_kind(dim) == ADZE_DIM_AXIS;
        if (axis && a->kind[adze_dim_axis_index(dim)] != ADZE_AXIS_PARALLEL) continue;
        *out = i;
        found++;
    }
    return found == 1 && (*out == 0 || *out == map->rank - 1);
}

/* Rows of one group: the extent of the axis that counts rows one by one, which comes behind that of groups. */
static int64_t rows_per_group(adze_context *context, const adze_access *a, const adze_dim *row, int64_t rows)
{
    for (uint32_t k = a->n_axes; k-- > 0;) {
        int64_t coef, extent;
        if (!adze_dim_axis_coefficient(context, row, k, &coef, NULL) || coef != 1) continue;
        if (adze_dim_is_const(a->extent[k], &extent)) return extent;
    }
    return rows;
}

bool weight_describe_form(adze_op *op, weight_matrix *out)
{
    enum { WEIGHTS = 1 };
    adze_access a;
    memset(&a, 0, sizeof a);
    adze_ir_value *value = adze_op_operand(op, WEIGHTS);
    if (!adze_op_has_trait(op, ADZE_CONTRACTION) || !value) return false;
    const adze_type *type = adze_value_type(value);
    if (!adze_type_is_static(type) || adze_type_has_layout(type) || adze_type_rank(type) < 2) return false;
    if (!adze_op_access(op, &a)) return false;
    *out = (weight_matrix){.op = op, .operand = WEIGHTS, .constant = adze_value_const(value), .cols = 1, .taps = 1};
    const adze_access_map *map = &a.operand[WEIGHTS];
    if (!map->present || map->rank != adze_type_rank(type) || !find_row_axis(&a, map, &out->row_axis)) return false;
    out->k_axis = out->row_axis == 0 ? 1 : 0;
    for (uint32_t i = 0; i < map->rank; i++) {
        int64_t extent = 0;
        if (!adze_dim_is_const(adze_type_dim(type, i), &extent) || extent < 1) return false;
        if (i == out->row_axis)
            out->rows = (size_t)extent;
        else
            out->cols *= (size_t)extent;
        if (i == out->k_axis) out->channels = (size_t)extent;
    }
    out->taps = out->cols / out->channels;
    int64_t rows = (int64_t)out->rows;
    out->groups = out->rows / (size_t)rows_per_group(adze_op_context(op), &a, map->dims[out->row_axis], rows);
    return out->groups > 0;
}

bool weight_describe_any(adze_op *op, weight_matrix *out)
{
    adze_ir_value *value = adze_op_operand(op, 1);
    return value && adze_type_dtype(adze_value_type(value)) == ADZE_DTYPE_f32 && weight_describe_form(op, out);
}

bool weight_describe(adze_op *op, weight_matrix *out)
{
    adze_ir_value *value = adze_op_operand(op, 1);
    return value && adze_value_const(value) && weight_describe_any(op, out);
}

bool weight_shares(const weight_matrix *m, const adze_use *use, weight_matrix *other)
{
    adze_op *op = adze_use_op(use);
    if (adze_use_index(use) != m->operand || adze_op_parent(op) != adze_op_parent(m->op)) return false;
    return weight_describe(op, other) && other->row_axis == m->row_axis && other->groups == m->groups;
}

bool weight_takes_rows(adze_op *op, weight_matrix *m)
{
    const adze_ir_value *value = adze_op_operand(op, 1);
    return value && adze_value_const(value) && weight_takes_rows_any(op, m);
}

bool weight_takes_rows_any(adze_op *op, weight_matrix *m)
{
    adze_access a;
    memset(&a, 0, sizeof a);
    if (!weight_describe_any(op, m) || m->taps != 1 || m->groups != 1) return false;
    if (adze_op_has_trait(op, ADZE_WINDOW)) return false;
    const adze_ir_value *x = adze_op_operand(op, 0);
    if (adze_value_const(x) || adze_type_dtype(adze_value_type(x)) != ADZE_DTYPE_f32) return false;
    if (!adze_op_access(op, &a) || !a.operand[0].present || !a.operand[0].rank) return false;
    const adze_dim *last = a.operand[0].dims[a.operand[0].rank - 1];
    return adze_dim_get_kind(last) == ADZE_DIM_AXIS && a.kind[adze_dim_axis_index(last)] == ADZE_AXIS_REDUCTION;
}

adze_ir_value *weight_write(const weight_matrix *m, const double *w)
{
    float *x = adze_malloc(m->rows * m->cols * sizeof *x);
    for (size_t i = 0; i < m->rows; i++)
        for (size_t j = 0; j < m->cols; j++)
            x[m->row_axis == 0 ? i * m->cols + j : j * m->rows + i] = (float)w[i * m->cols + j];
    const char *name = adze_internf(adze_op_context(m->op), "%s.own", adze_const_name(m->constant));
    adze_ir_value *made = adze_const_make(adze_op_module(m->op), name, adze_const_type(m->constant), x);
    free(x);
    return made;
}

double *weight_read(const weight_matrix *m)
{
    adze_data *data = adze_const_data(m->constant);
    const float *x = adze_data_load(data);
    if (!x) return NULL;
    double *w = adze_malloc(m->rows * m->cols * sizeof *w);
    for (size_t i = 0; i < m->rows; i++)
        for (size_t j = 0; j < m->cols; j++)
            w[i * m->cols + j] = (double)x[m->row_axis == 0 ? i * m->cols + j : j * m->rows + i];
    adze_data_unload(data);
    bool finite = true;
    for (size_t i = 0; finite && i < m->rows * m->cols; i++) finite = isfinite(w[i]);
    if (finite) return w;
    free(w);
    adze_error(adze_op_loc(m->op), "weights '%s' hold NaN or infinite numbers, which no scale and code stand for",
               adze_const_name(m->constant));
    return NULL;
}

/* ---- Gram matrices ---- */

static const adze_gram *find_gram(const weight_matrix *m, const adze_stats *stats)
{
    const adze_gram *gram = stats ? adze_stats_gram(stats, m->op, 0) : NULL;
    if (gram && gram->rows && gram->size == m->cols && gram->n_groups == m->groups) return gram;
    adze_error(adze_op_loc(m->op), gram ? "the Gram matrix of what '%s' is multiplied with is empty or of another size"
                                        : "no Gram matrix of what '%s' is multiplied with: calibrate with --gram",
               adze_const_name(m->constant));
    return NULL;
}

void weight_centre(double *h, const double *x, const double *z, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) h[i * n + j] -= 2 * x[i] * z[j];
}

bool weight_gram(const weight_matrix *m, const adze_stats *stats, uint32_t group, bool centred, double *h,
                 double *out_mean)
{
    size_t count = m->cols * m->cols;
    double *one = adze_malloc(count * sizeof *one), *mean = adze_malloc(m->cols * sizeof *mean), rows = 0;
    memset(h, 0, count * sizeof *h);
    if (out_mean) memset(out_mean, 0, m->cols * sizeof *mean);
    bool ok = true;
    const adze_ir_value *value = adze_const_value(m->constant);
    for (const adze_use *use = adze_value_first_use(value); use && ok; use = adze_use_next(use)) {
        weight_matrix other;
        if (!weight_shares(m, use, &other)) continue;
        const adze_gram *gram = find_gram(&other, stats);
        ok = gram && adze_gram_read(stats, gram, group, one, mean);
        if (!ok) break;
        for (size_t i = 0; i < count; i++) h[i] += one[i];
        if (centred) weight_centre(h, mean, mean, m->cols);
        double n = (double)gram->rows[group];
        for (size_t i = 0; out_mean && i < m->cols; i++) out_mean[i] += n * mean[i];
        rows += n;
    }
    for (size_t i = 0; out_mean && rows > 0 && i < m->cols; i++) out_mean[i] /= rows;
    free(one);
    free(mean);
    return ok;
}

/* ---- First and last ---- */

void weight_edges(adze_func *func, adze_table *first, adze_table *last)
{
    adze_table behind = {0}, ahead = {0}; /* ops behind a contraction with weights; those with one further on */
    weight_matrix m;
    adze_region *body = adze_func_body(func);
    for (adze_op *op = adze_region_first(body); op; op = adze_op_next(op)) {
        bool later = false, is_one = weight_describe(op, &m);
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
            adze_ir_value *x = adze_op_operand(op, i);
            if (x && adze_value_op(x)) later |= adze_table_get(&behind, adze_value_op(x)) != NULL;
        }
        if (is_one && !later) adze_table_put(first, op, op);
        if (is_one || later) adze_table_put(&behind, op, op);
    }
    for (adze_op *op = adze_region_last(body); op; op = adze_op_prev(op)) {
        bool is_one = weight_describe(op, &m), more = adze_table_get(&ahead, op) != NULL;
        if (is_one && !more) adze_table_put(last, op, op);
        for (uint32_t i = 0; (is_one || more) && i < adze_op_num_operands(op); i++) {
            adze_ir_value *x = adze_op_operand(op, i);
            if (x && adze_value_op(x)) adze_table_put(&ahead, adze_value_op(x), op);
        }
    }
    adze_table_free(&behind);
    adze_table_free(&ahead);
}
