/* From factors to ops. */
#include "passes/lowrank/lowrank.h"
#include "passes/weights/bias.h"
#include "passes/weights/constant.h"

#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

enum { BIAS = 2 };

/* ---- Constants ---- */

/* x[rows][cols] as NAME.suffix: of a window with these dims, of a product as its weights lie. */
static adze_ir_value *constant(const weight_matrix *m, const char *suffix, const double *x, size_t rows, size_t cols,
                               const int64_t *dims, uint32_t rank)
{
    adze_context *context = adze_op_context(m->op);
    float *out = adze_malloc(rows * cols * sizeof *out);
    bool turned = !dims && m->row_axis != 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) out[turned ? j * rows + i : i * cols + j] = (float)x[i * cols + j];
    int64_t own[] = {(int64_t)(turned ? cols : rows), (int64_t)(turned ? rows : cols)};
    const adze_type *type = adze_type_tensor_const(context, ADZE_DTYPE_f32, dims ? rank : 2, dims ? dims : own);
    adze_ir_value *made =
        adze_const_make(adze_op_module(m->op), adze_internf(context, "%s.%s", adze_const_name(m->constant), suffix),
                        type, out);
    free(out);
    return made;
}

/* A kernel [out, in, …] that has the site's extents where `whole` says so, 1 elsewhere. */
static adze_ir_value *kernel(const lowrank_site *site, const char *suffix, const double *x, size_t out, size_t in,
                             const bool *whole)
{
    int64_t dims[ADZE_MAX_RANK] = {(int64_t)out, (int64_t)in};
    size_t cols = in;
    for (uint32_t i = 0; i < site->spatial; i++) {
        dims[2 + i] = whole[i] ? (int64_t)site->kernel[i] : 1;
        cols *= (size_t)dims[2 + i];
    }
    return constant(&site->members[0], suffix, x, out, cols, dims, site->spatial + 2);
}

static bool make_kernels(const lowrank_site *site, const lowrank_factors *f, lowrank_constants *out)
{
    static const bool none[ADZE_MAX_RANK], column[2] = {true, false}, row[2] = {false, true};
    bool all[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < ADZE_MAX_RANK; i++) all[i] = true;
    size_t channels = site->members[0].channels;
    const lowrank_shape *s = &f->shape;
    if (s->form == LOWRANK_MATRIX) {
        out->v = kernel(site, "v", f->v, s->rank, channels, all);
        out->u[0] = kernel(site, "u", f->u, site->rows, s->rank, none);
    } else if (s->form == LOWRANK_SPATIAL) {
        out->v = kernel(site, "v", f->v, s->rank, channels, column);
        out->u[0] = kernel(site, "u", f->u, site->rows, s->rank, row);
    } else {
        out->v = kernel(site, "v", f->v, s->in, channels, none);
        out->core = kernel(site, "core", f->core, s->out, s->in, all);
        out->u[0] = kernel(site, "u", f->u, site->rows, s->out, none);
    }
    return out->v && out->u[0] && (out->core || s->form != LOWRANK_TUCKER);
}

bool lowrank_constants_make(const lowrank_site *site, const lowrank_factors *f, lowrank_constants *out)
{
    *out = (lowrank_constants){0};
    if (site->window) return make_kernels(site, f, out);
    size_t rank = f->shape.rank, at = 0;
    out->v = constant(&site->members[0], "v", f->v, rank, site->cols, NULL, 0);
    bool ok = out->v;
    for (uint32_t i = 0; ok && i < site->n; i++) {
        const weight_matrix *m = &site->members[i];
        out->u[i] = constant(m, "u", f->u + at * rank, m->rows, rank, NULL, 0);
        ok = out->u[i];
        at += m->rows;
    }
    return ok;
}

/* ---- Ops ---- */

/* The op over other operands, without a bias unless `bias`; types are for the caller to infer. */
static adze_op *like(adze_builder *b, const adze_op *op, adze_ir_value *x, adze_ir_value *w, bool bias)
{
    adze_map *map = adze_map_create();
    adze_map_set(map, adze_op_operand(op, 0), x);
    adze_map_set(map, adze_op_operand(op, 1), w);
    adze_op *made = adze_clone(b, op, map);
    adze_map_destroy(map);
    if (!bias && adze_op_num_operands(made) > BIAS) adze_op_remove_operand(made, BIAS);
    adze_value_set_name(adze_op_result(made, 0), NULL);
    return made;
}

static adze_ir_value *inferred(adze_op *op) { return adze_op_infer(op) ? adze_op_result(op, 0) : NULL; }

/* The same op with no attribute set, so of windows of 1. */
static adze_ir_value *pointwise(adze_builder *b, const adze_op *op, adze_ir_value *x, adze_ir_value *w,
                                adze_ir_value *bias)
{
    adze_ir_value *in[] = {x, w, bias};
    return adze_build1(b, adze_op_name(op), in, bias ? 3 : 2, NULL, 0);
}

/* Attributes of the windows along one axis alone; along the other one there is nothing to do. */
static void keep_axis(adze_op *op, uint32_t axis)
{
    static const struct {
        const char *name;
        int64_t idle;
    } rows[] = {{"kernel_shape", 1}, {"strides", 1}, {"dilations", 1}, {"pads", 0}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        int64_t values[4];
        if (!adze_op_attr_is_set(op, rows[r].name)) continue;
        adze_ints old = adze_op_attr_ints(op, rows[r].name);
        for (uint32_t i = 0; i < old.count && i < 4; i++)
            values[i] = i % 2 == axis ? old.data[i] : rows[r].idle;
        adze_op_set_attr(op, adze_attr_ints(rows[r].name, values, old.count));
    }
}

static adze_ir_value *emit_window(const lowrank_factors *f, const lowrank_constants *c, adze_op *op)
{
    adze_builder b = adze_builder_before(op);
    adze_ir_value *x = adze_op_operand(op, 0), *bias = adze_op_operand(op, BIAS), *z = NULL;
    if (f->shape.form == LOWRANK_SPATIAL) {
        adze_op *column = like(&b, op, x, c->v, false);
        keep_axis(column, 0);
        if (!(z = inferred(column))) return NULL;
        adze_op *row = like(&b, op, z, c->u[0], true);
        keep_axis(row, 1);
        return inferred(row);
    }
    if (f->shape.form == LOWRANK_TUCKER) {
        z = pointwise(&b, op, x, c->v, NULL);
        z = z ? inferred(like(&b, op, z, c->core, false)) : NULL;
    } else {
        z = inferred(like(&b, op, x, c->v, false));
    }
    return z ? pointwise(&b, op, z, c->u[0], bias) : NULL;
}

/* x V^T, and U of that. What a product does to its sum and its bias is for the second one. */
static adze_ir_value *emit_product(uint32_t index, const lowrank_constants *c, adze_op *op, adze_ir_value **first)
{
    adze_builder b = adze_builder_before(op);
    if (!*first) {
        adze_op *z = like(&b, op, adze_op_operand(op, 0), c->v, false);
        (void)adze_op_set_attr(z, adze_attr_float("alpha", 1)); /* rows that have it */
        (void)adze_op_set_attr(z, adze_attr_float("beta", 1));
        if (!(*first = inferred(z))) return NULL;
    }
    adze_op *y = like(&b, op, *first, c->u[index], true);
    (void)adze_op_set_attr(y, adze_attr_int("transA", 0));
    return inferred(y);
}

/* ---- Means ---- */

/* Where one number a row can be added to y, which a contraction gives: its own bias. False: nowhere in it. */
static bool find_own(const weight_matrix *m, adze_op *op, weight_bias *out)
{
    adze_ir_value *bias = weight_bias_operand(op);
    *out = (weight_bias){op, BIAS, NULL};
    if (!weight_takes_bias(op) || (bias && !weight_is_bias(bias, m->rows))) return false;
    if (bias) out->constant = adze_value_const(bias);
    return true;
}

/* Behind y. */
static adze_ir_value *add_behind(const lowrank_site *site, const weight_matrix *m, const double *shift,
                                 adze_ir_value *y)
{
    adze_op *op = adze_value_op(y);
    adze_context *context = adze_op_context(op);
    float *values = adze_malloc(m->rows * sizeof *values);
    for (size_t i = 0; i < m->rows; i++) values[i] = (float)(weight_factor(op) * shift[i]);
    int64_t dims[ADZE_MAX_RANK] = {(int64_t)m->rows};
    uint32_t rank = 1;
    for (uint32_t i = 0; site->window && i < site->spatial; i++) dims[rank++] = 1;
    adze_ir_value *made =
        adze_const_make(adze_op_module(op), adze_internf(context, "%s.bias", adze_const_name(m->constant)),
                        adze_type_tensor_const(context, ADZE_DTYPE_f32, rank, dims), values);
    free(values);
    adze_builder b = adze_builder_after(op);
    return made ? adze_build_binary(&b, "add", y, made) : NULL;
}

/* y + shift: in the bias of the op that makes y, else behind it. NULL after an error. */
static adze_ir_value *shifted(const lowrank_site *site, const weight_matrix *m, const double *shift, adze_ir_value *y)
{
    weight_bias at;
    if (!find_own(m, adze_value_op(y), &at)) return add_behind(site, m, shift, y);
    double *values = adze_malloc(m->rows * sizeof *values);
    bool ok = weight_bias_read(&at, m->rows, values);
    for (size_t i = 0; ok && i < m->rows; i++) values[i] += shift[i];
    adze_ir_value *made = ok ? weight_bias_make(&at, adze_const_name(m->constant), values, m->rows) : NULL;
    free(values);
    if (!made) return NULL;
    constant_put(at.op, at.operand, made);
    (void)constant_settle(at.constant, made);
    return y;
}

adze_ir_value *lowrank_emit(const lowrank_site *site, uint32_t index, const lowrank_factors *f,
                            const lowrank_constants *c, adze_op *op, adze_ir_value **first)
{
    adze_ir_value *y = site->window ? emit_window(f, c, op) : emit_product(index, c, op, first);
    size_t at = 0;
    for (uint32_t i = 0; i < index; i++) at += site->members[i].rows;
    return y && f->shift ? shifted(site, &site->members[index], f->shift + at, y) : y;
}

/* ---- In the place of the layer ---- */

/* One op; false after an error. */
static bool replace_op(const lowrank_site *site, uint32_t index, const lowrank_factors *f, const lowrank_constants *c,
                       adze_op *op, adze_ir_value **first)
{
    adze_ir_value *result = adze_op_result(op, 0), *bias = adze_op_operand(op, BIAS);
    const char *name = adze_value_name(result);
    adze_ir_value *y = lowrank_emit(site, index, f, c, op, first);
    if (!y) return false;
    adze_value_replace_uses(result, y);
    adze_op_erase(op);
    adze_value_set_name(y, name);
    adze_const *was = bias ? adze_value_const(bias) : NULL;
    adze_ir_value *is = weight_bias_operand(adze_value_op(y));
    if (is && is != bias) (void)constant_settle(was, is);
    return true;
}

bool lowrank_replace(const lowrank_site *site, const lowrank_factors *f)
{
    lowrank_constants c;
    adze_ir_value *first = NULL;
    bool ok = lowrank_constants_make(site, f, &c);
    for (uint32_t i = 0; ok && i < site->n; i++) {
        const weight_matrix *m = &site->members[i];
        const adze_ir_value *value = adze_const_value(m->constant);
        for (const adze_use *use; ok && (use = adze_value_first_use(value));) {
            if (site->n == 1) first = NULL; /* ops that share weights read different values */
            ok = replace_op(site, i, f, &c, adze_use_op(use), &first);
        }
        if (ok && !adze_const_has_uses(m->constant)) adze_const_erase(m->constant);
    }
    return ok;
}
