/* Gradients of ops that move data. */
#include "passes/gradient/private.h"

#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

bool gradient_view(gradient_step *s)
{
    s->dx[0] = build_reshape_as(s->b, s->dy, adze_value_type(s->x));
    return true;
}

bool gradient_transpose(gradient_step *s)
{
    adze_ints perm = adze_op_attr_ints(s->op, "perm");
    uint32_t rank = adze_type_rank(adze_value_type(s->x));
    int64_t back[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) back[perm.count ? perm.data[i] : rank - 1 - i] = i;
    s->dx[0] = build_transpose(s->b, s->dy, back);
    return true;
}

bool gradient_expand(gradient_step *s)
{
    s->dx[0] = gradient_reduce_to(s->b, s->dy, adze_value_type(s->x));
    return true;
}

static uint32_t axis_of(const gradient_step *s)
{
    int64_t axis = adze_op_attr_int(s->op, "axis");
    return (uint32_t)(axis < 0 ? axis + adze_type_rank(adze_value_type(s->y)) : axis);
}

static bool extent_of(const gradient_step *s, const adze_ir_value *x, uint32_t axis, int64_t *out)
{
    if (adze_dim_is_const(adze_type_dim(adze_value_type(x), axis), out)) return true;
    return gradient_refuse(s, "an axis has no known extent");
}

bool gradient_concat(gradient_step *s)
{
    uint32_t axis = axis_of(s);
    int64_t at = 0, extent;
    for (uint32_t i = 0; i < adze_op_num_operands(s->op); i++, at += extent) {
        if (!extent_of(s, adze_op_operand(s->op, i), axis, &extent)) return false;
        if (s->wanted[i]) s->dx[i] = build_slice(s->b, s->dy, axis, at, at + extent, 1);
    }
    return true;
}

bool gradient_split(gradient_step *s)
{
    uint32_t n = adze_op_num_results(s->op);
    adze_ir_value **parts = adze_malloc((n + 1u) * sizeof *parts);
    for (uint32_t i = 0; i < n; i++) {
        const adze_ir_value *y = adze_op_result(s->op, i);
        parts[i] = s->dys[i];
        if (!parts[i]) parts[i] = build_expand_as(s->b, build_scalar(s->b, y, 0), adze_value_type(y));
    }
    s->dx[0] = build_concat(s->b, parts, n, axis_of(s));
    free(parts);
    return true;
}

bool gradient_slice(gradient_step *s)
{
    const adze_type *type = adze_value_type(s->x);
    uint32_t rank = adze_type_rank(type);
    int64_t starts[ADZE_MAX_RANK], axes[ADZE_MAX_RANK], steps[ADZE_MAX_RANK], before[ADZE_MAX_RANK] = {0};
    int64_t after[ADZE_MAX_RANK] = {0};
    const adze_ir_value *where = adze_op_operand(s->op, 3), *by = adze_op_operand(s->op, 4);
    int n = adze_value_as_ints(s->z, starts, ADZE_MAX_RANK);
    for (int i = 0; i < n; i++) {
        axes[i] = i;
        steps[i] = 1;
    }
    bool known = n >= 0 && (!where || adze_value_as_ints(where, axes, ADZE_MAX_RANK) == n) &&
                 (!by || adze_value_as_ints(by, steps, ADZE_MAX_RANK) == n);
    if (!known) return gradient_refuse(s, "its place is no constant");
    adze_ir_value *dx = s->dy;
    for (int i = 0; i < n; i++) {
        uint32_t axis = (uint32_t)(axes[i] < 0 ? axes[i] + rank : axes[i]);
        int64_t extent, count, start = starts[i], step = steps[i];
        if (!extent_of(s, s->x, axis, &extent) || !extent_of(s, s->y, axis, &count)) return false;
        if (!count) return gradient_refuse(s, "it takes nothing");
        bool spreads = step != 1 && step != -1; /* over one axis more */
        if (spreads && rank == ADZE_MAX_RANK) return gradient_refuse(s, "it has too many axes");
        start = start < 0 ? start + extent : start;
        start = start < 0 ? 0 : start >= extent ? extent - 1 : start;
        if (step < 0) dx = build_slice(s->b, dx, axis, -1, INT64_MIN, -1);
        int64_t first = step < 0 ? start + (count - 1) * step : start, stride = step < 0 ? -step : step;
        dx = build_spread(s->b, dx, axis, stride);
        before[axis] = first;
        after[axis] = extent - first - ((count - 1) * stride + 1);
    }
    s->dx[0] = build_pad(s->b, dx, before, after);
    return true;
}

bool gradient_pad(gradient_step *s)
{
    int64_t pads[2 * ADZE_MAX_RANK], axes[ADZE_MAX_RANK];
    const char *mode = adze_op_attr_str(s->op, "mode");
    uint32_t rank = adze_type_rank(adze_value_type(s->x));
    const adze_ir_value *where = adze_op_operand(s->op, 3);
    if (strcmp(mode, "constant") != 0) return gradient_refuse(s, "its mode is not constant");
    if (adze_op_num_operands(s->op) > 2 && s->wanted[2]) return gradient_refuse(s, "what it fills with is no constant");
    int count = adze_value_as_ints(s->z, pads, 2 * ADZE_MAX_RANK), n = count / 2;
    for (int i = 0; i < n; i++) axes[i] = i;
    if (count < 0 || (where && adze_value_as_ints(where, axes, ADZE_MAX_RANK) != n))
        return gradient_refuse(s, "its extents are no constants");
    adze_ir_value *dx = s->dy;
    for (int i = 0; i < n; i++) {
        uint32_t axis = (uint32_t)(axes[i] < 0 ? axes[i] + rank : axes[i]);
        int64_t extent;
        if (pads[i] < 0 || pads[n + i] < 0) return gradient_refuse(s, "it takes elements away");
        if (!pads[i] && !pads[n + i]) continue;
        if (!extent_of(s, s->x, axis, &extent)) return false;
        dx = build_slice(s->b, dx, axis, pads[i], pads[i] + extent, 1);
    }
    s->dx[0] = dx;
    return true;
}

/* Which of the `extent` rows each index is: [indices, extent] of 0 and 1. */
static adze_ir_value *one_hot(const gradient_step *s, int64_t extent)
{
    const adze_type *type = adze_value_type(s->z);
    adze_context *context = adze_type_context(type);
    const adze_dim *rows[] = {adze_type_count(type), adze_dim_const(context, 1)};
    int64_t count[] = {extent};
    const adze_type *line = adze_type_tensor_const(context, adze_type_dtype(type), 1, count);
    adze_op *iota = adze_build(s->b, "iota", NULL, 0, NULL, 0, &line, 1);
    adze_ir_value *index = build_reshape(s->b, s->z, 2, rows);
    index = build_with(s->b, "mod", build_with(s->b, "add", index, (double)extent), (double)extent);
    adze_ir_value *is = iota ? build_binary(s->b, "equal", index, adze_op_result(iota, 0)) : NULL;
    adze_attr to = adze_attr_type("to", adze_type_dtype(adze_value_type(s->x)));
    return is ? adze_build1(s->b, "cast", &is, 1, &to, 1) : NULL;
}

/* Rows of a table by index: those that were read get what their copies get. */
bool gradient_gather(gradient_step *s)
{
    const adze_type *x = adze_value_type(s->x), *index = adze_value_type(s->z);
    adze_context *context = adze_type_context(x);
    uint32_t axis = axis_of(s), rank = adze_type_rank(x), n = adze_type_rank(index);
    int64_t axis_attr = adze_op_attr_int(s->op, "axis"), extent;
    if (axis_attr < 0) axis = (uint32_t)(axis_attr + rank);
    if (!extent_of(s, s->x, axis, &extent)) return false;
    /* dy as [before, indices, behind], then indices first. */
    const adze_dim *before = adze_dim_const(context, 1), *behind = before, *dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        if (i < axis) before = adze_dim_mul(context, before, adze_type_dim(x, i));
        if (i > axis) behind = adze_dim_mul(context, behind, adze_type_dim(x, i));
    }
    dims[0] = before;
    dims[1] = n ? adze_type_count(index) : adze_dim_const(context, 1);
    dims[2] = behind;
    adze_ir_value *dy = build_transpose(s->b, build_reshape(s->b, s->dy, 3, dims), (const int64_t[]){1, 0, 2});
    const adze_dim *flat[] = {dims[1], adze_dim_mul(context, before, behind)};
    dy = build_reshape(s->b, dy, 2, flat);
    adze_ir_value *dx = build_binary(s->b, "matmul", build_swap_last(s->b, one_hot(s, extent)), dy);
    const adze_dim *back[] = {adze_type_dim(x, axis), before, behind};
    dx = build_transpose(s->b, build_reshape(s->b, dx, 3, back), (const int64_t[]){1, 0, 2});
    s->dx[0] = build_reshape_as(s->b, dx, x);
    return true;
}
