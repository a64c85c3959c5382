/* Contractions as products of matrices: a convolution's input becomes one row of numbers for each place of its window,
 * built of slices, one for each tap. */
#include "passes/weights/build.h"

#include <adze/arena.h>
#include <adze/window.h>

#include <stdlib.h>

static bool not_constant(const adze_op *op)
{
    return adze_error(adze_op_loc(op), "%s has windows whose extents are no constants", adze_op_name(op));
}

bool build_window_of(const adze_op *op, const adze_type *weights, int64_t groups, build_window *g)
{
    const adze_type *x = adze_value_type(adze_op_operand(op, 0));
    adze_window windows[ADZE_MAX_RANK];
    *g = (build_window){.context = adze_op_context(op), .spatial = adze_type_rank(x) - 2, .places = 1, .taps = 1};
    g->groups = groups;
    g->batch = adze_type_dim(x, 0);
    const adze_dim *const *kernel = weights ? adze_type_dims(weights) + 2 : NULL;
    if (!adze_windows(op, g->spatial, adze_type_dims(x) + 2, kernel, windows)) return false;
    if (!adze_dim_is_const(adze_type_dim(x, 1), &g->channels)) return not_constant(op);
    for (uint32_t i = 0; i < g->spatial; i++) {
        const adze_window *v = &windows[i];
        if (!adze_dim_is_const(v->in, &g->in[i]) || !adze_dim_is_const(v->out, &g->out[i])) return not_constant(op);
        if (!adze_dim_is_const(v->kernel, &g->kernel[i]) || !adze_dim_is_const(v->before, &g->before[i]))
            return not_constant(op);
        g->stride[i] = v->stride;
        g->dilation[i] = v->dilation;
        int64_t reach = (g->out[i] - 1) * v->stride + (g->kernel[i] - 1) * v->dilation + 1;
        g->after[i] = reach - g->before[i] - g->in[i];
        g->places *= g->out[i];
        g->taps *= (size_t)g->kernel[i];
    }
    g->rows = adze_dim_mul_const(g->context, g->batch, g->places);
    return true;
}

static bool describe(const weight_matrix *m, build_window *g)
{
    const adze_type *weights = adze_value_type(adze_op_operand(m->op, m->operand));
    return build_window_of(m->op, weights, (int64_t)m->groups, g);
}

static const adze_dim *number(const build_window *g, int64_t value) { return adze_dim_const(g->context, value); }

/* The input with zeros around it, as far as windows reach. */
adze_ir_value *build_window_border(adze_builder *b, const build_window *g, adze_ir_value *x, double fill)
{
    int64_t before[ADZE_MAX_RANK] = {0}, after[ADZE_MAX_RANK] = {0};
    for (uint32_t i = 0; i < g->spatial; i++) {
        before[2 + i] = g->before[i];
        if (g->after[i] > 0) after[2 + i] = g->after[i];
    }
    return build_pad_with(b, x, before, after, fill);
}

/* Where the window's tap number `tap` is along each axis. */
static void taps_of(const build_window *g, size_t tap, int64_t *at)
{
    for (uint32_t i = g->spatial; i-- > 0;) {
        at[i] = (int64_t)(tap % (size_t)g->kernel[i]);
        tap /= (size_t)g->kernel[i];
    }
}

adze_ir_value *build_window_tap(adze_builder *b, const build_window *g, adze_ir_value *x, size_t tap)
{
    int64_t at[BUILD_MAX_SPATIAL];
    taps_of(g, tap, at);
    for (uint32_t i = 0; x && i < g->spatial; i++) {
        int64_t extent, start = at[i] * g->dilation[i], end = start + (g->out[i] - 1) * g->stride[i] + 1;
        (void)adze_dim_is_const(adze_type_dim(adze_value_type(x), 2 + i), &extent);
        if (start || end != extent || g->stride[i] != 1) x = build_slice(b, x, 2 + i, start, end, g->stride[i]);
    }
    return x;
}

/* What one tap reads, [batch, channels, 1, places]. */
static adze_ir_value *build_tap(adze_builder *b, const build_window *g, adze_ir_value *x, size_t tap)
{
    const adze_dim *dims[] = {g->batch, number(g, g->channels), number(g, 1), number(g, g->places)};
    return build_reshape(b, build_window_tap(b, g, x, tap), 4, dims);
}

static adze_ir_value *unfold_window(adze_builder *b, const weight_matrix *m, adze_ir_value *x)
{
    build_window g;
    if (!describe(m, &g)) return NULL;
    adze_ir_value **parts = adze_malloc(m->taps * sizeof *parts);
    x = build_window_border(b, &g, x, 0);
    for (size_t i = 0; i < m->taps; i++) parts[i] = build_tap(b, &g, x, i);
    x = build_concat(b, parts, (uint32_t)m->taps, 2);
    free(parts);
    const adze_dim *dims[] = {g.batch, number(&g, g.groups), number(&g, (int64_t)m->cols), number(&g, g.places)};
    x = build_reshape(b, x, 4, dims);
    x = build_transpose(b, x, (const int64_t[]){1, 0, 3, 2});
    const adze_dim *flat[] = {number(&g, g.groups), g.rows, number(&g, (int64_t)m->cols)};
    return build_reshape(b, x, 3, flat);
}

/* [1, rows, n] of what has its channels last. */
static adze_ir_value *flatten(adze_builder *b, adze_ir_value *x)
{
    if (!x) return NULL;
    const adze_type *type = adze_value_type(x);
    adze_context *context = adze_type_context(type);
    const adze_dim *rows = adze_dim_const(context, 1), *dims[3] = {rows};
    uint32_t rank = adze_type_rank(type);
    for (uint32_t i = 0; i + 1 < rank; i++) rows = adze_dim_mul(context, rows, adze_type_dim(type, i));
    dims[1] = rows;
    dims[2] = adze_type_dim(type, rank - 1);
    return build_reshape(b, x, 3, dims);
}

adze_ir_value *build_unfold(adze_builder *b, const weight_matrix *m, adze_ir_value *x)
{
    return adze_op_has_trait(m->op, ADZE_WINDOW) ? unfold_window(b, m, x) : flatten(b, x);
}

adze_ir_value *build_unfold_result(adze_builder *b, const weight_matrix *m, adze_ir_value *y)
{
    build_window g;
    if (!adze_op_has_trait(m->op, ADZE_WINDOW)) return flatten(b, y);
    if (!describe(m, &g)) return NULL;
    const adze_dim *each = number(&g, (int64_t)(m->rows / m->groups));
    const adze_dim *dims[] = {g.batch, number(&g, g.groups), each, number(&g, g.places)};
    y = build_reshape(b, y, 4, dims);
    y = build_transpose(b, y, (const int64_t[]){1, 0, 3, 2});
    const adze_dim *flat[] = {number(&g, g.groups), g.rows, each};
    return build_reshape(b, y, 3, flat);
}

adze_ir_value *build_fold_weights(adze_builder *b, const weight_matrix *m, adze_ir_value *products)
{
    adze_context *context = adze_op_context(m->op);
    if (m->row_axis != 0) {
        const adze_dim *dims[] = {adze_dim_const(context, (int64_t)m->rows), adze_dim_const(context, (int64_t)m->cols)};
        products = build_swap_last(b, build_reshape(b, products, 2, dims));
    }
    return build_reshape_as(b, products, adze_value_type(adze_op_operand(m->op, m->operand)));
}

adze_ir_value *build_weight_rows(adze_builder *b, const weight_matrix *m, adze_ir_value *weights)
{
    adze_context *context = adze_op_context(m->op);
    const adze_dim *cols = adze_dim_const(context, (int64_t)m->cols), *rows = adze_dim_const(context, (int64_t)m->rows);
    if (m->row_axis != 0)
        weights = build_swap_last(b, build_reshape(b, weights, 2, (const adze_dim *[]){cols, rows}));
    const adze_dim *dims[] = {adze_dim_const(context, (int64_t)m->groups),
                              adze_dim_const(context, (int64_t)(m->rows / m->groups)), cols};
    return build_reshape(b, weights, 3, dims);
}

/* ---- Back ---- */

adze_ir_value *build_spread(adze_builder *b, adze_ir_value *x, uint32_t axis, int64_t stride)
{
    if (!x || stride == 1) return x;
    const adze_type *type = adze_value_type(x);
    uint32_t rank = adze_type_rank(type);
    const adze_dim *dims[ADZE_MAX_RANK + 1];
    int64_t none[ADZE_MAX_RANK + 1] = {0}, after[ADZE_MAX_RANK + 1] = {0}, extent;
    (void)adze_dim_is_const(adze_type_dim(type, axis), &extent);
    for (uint32_t i = 0; i <= rank; i++)
        dims[i] = i == axis + 1 ? adze_dim_const(adze_type_context(type), 1)
                                : adze_type_dim(type, i <= axis ? i : i - 1);
    x = build_reshape(b, x, rank + 1, dims);
    after[axis + 1] = stride - 1;
    x = build_pad(b, x, none, after);
    for (uint32_t i = 0; i < rank; i++) dims[i] = adze_type_dim(type, i);
    dims[axis] = adze_dim_const(adze_type_context(type), extent * stride);
    x = build_reshape(b, x, rank, dims);
    return build_slice(b, x, axis, 0, (extent - 1) * stride + 1, 1);
}

adze_ir_value *build_window_place(adze_builder *b, const build_window *g, adze_ir_value *x, size_t tap)
{
    int64_t at[BUILD_MAX_SPATIAL], before[ADZE_MAX_RANK] = {0}, after[ADZE_MAX_RANK] = {0};
    taps_of(g, tap, at);
    for (uint32_t i = 0; i < g->spatial; i++) {
        int64_t all = g->before[i] + g->in[i] + (g->after[i] > 0 ? g->after[i] : 0);
        before[2 + i] = at[i] * g->dilation[i];
        after[2 + i] = all - before[2 + i] - ((g->out[i] - 1) * g->stride[i] + 1);
        x = build_spread(b, x, 2 + i, g->stride[i]);
    }
    return build_pad(b, x, before, after);
}

adze_ir_value *build_window_crop(adze_builder *b, const build_window *g, adze_ir_value *x)
{
    for (uint32_t i = 0; x && i < g->spatial; i++)
        if (g->before[i] || g->after[i] > 0) x = build_slice(b, x, 2 + i, g->before[i], g->before[i] + g->in[i], 1);
    return x;
}

static adze_ir_value *fold_window(adze_builder *b, const weight_matrix *m, adze_ir_value *columns)
{
    build_window g;
    if (!describe(m, &g)) return NULL;
    int64_t each = g.channels / g.groups, taps = (int64_t)m->taps;
    const adze_dim *dims[] = {number(&g, g.groups), g.batch, number(&g, g.places), number(&g, each), number(&g, taps)};
    adze_ir_value *x = build_reshape(b, columns, 5, dims), *sum = NULL;
    x = build_transpose(b, x, (const int64_t[]){4, 1, 0, 3, 2}); /* taps, batch, groups, channels, places */
    const adze_dim *image[ADZE_MAX_RANK] = {g.batch, number(&g, g.channels)};
    for (uint32_t i = 0; i < g.spatial; i++) image[2 + i] = number(&g, g.out[i]);
    for (size_t t = 0; x && t < m->taps; t++) {
        adze_ir_value *part = m->taps == 1 ? x : build_slice(b, x, 0, (int64_t)t, (int64_t)t + 1, 1);
        part = build_window_place(b, &g, build_reshape(b, part, 2 + g.spatial, image), t);
        sum = t ? build_binary(b, "add", sum, part) : part;
    }
    return build_window_crop(b, &g, sum);
}

adze_ir_value *build_fold_input(adze_builder *b, const weight_matrix *m, adze_ir_value *columns)
{
    if (adze_op_has_trait(m->op, ADZE_WINDOW)) return fold_window(b, m, columns);
    return build_reshape_as(b, columns, adze_value_type(adze_op_operand(m->op, 0)));
}
