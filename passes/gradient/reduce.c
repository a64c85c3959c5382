/* Gradients of windows, reductions and normalizations. */
#include "passes/gradient/private.h"

#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

static adze_ir_value *bin(const gradient_step *s, const char *op, adze_ir_value *x, adze_ir_value *y)
{
    return build_binary(s->b, op, x, y);
}

/* ---- Windows ---- */

bool gradient_max_pool(gradient_step *s)
{
    build_window g;
    if (!build_window_of(s->op, NULL, 1, &g)) return false;
    if (!s->dy) return gradient_refuse(s, "its indices have none");
    adze_ir_value *x = build_window_border(s->b, &g, s->x, -1e38), *sum = NULL, *left = s->dy;
    for (size_t t = 0; t < g.taps; t++) {
        adze_ir_value *is = bin(s, "equal", build_window_tap(s->b, &g, x, t), s->y);
        adze_ir_value *part = build_window_place(s->b, &g, gradient_select(s->b, is, left), t);
        sum = t ? bin(s, "add", sum, part) : part;
        if (t + 1 < g.taps) left = gradient_select(s->b, is ? build_unary(s->b, "not", is) : NULL, left);
    }
    s->dx[0] = build_window_crop(s->b, &g, sum);
    return true;
}

/* How many elements each window has; those of the border do not count unless the op says so. */
static adze_ir_value *window_counts(const gradient_step *s, const build_window *g)
{
    bool border = adze_op_attr_int(s->op, "count_include_pad");
    int64_t dims[ADZE_MAX_RANK] = {1, 1};
    float *counts = adze_malloc((size_t)g->places * sizeof *counts);
    for (int64_t p = 0; p < g->places; p++) {
        int64_t rest = p, n = 1;
        for (uint32_t i = g->spatial; i-- > 0;) {
            int64_t start = rest % g->out[i] * g->stride[i] - g->before[i], inside = 0;
            int64_t end = g->in[i] + (g->after[i] > 0 ? g->after[i] : 0);
            rest /= g->out[i];
            for (int64_t k = 0; k < g->kernel[i]; k++) {
                int64_t at = start + k * g->dilation[i];
                inside += border ? at < end : at >= 0 && at < g->in[i];
            }
            n *= inside;
        }
        counts[p] = n ? (float)n : 1;
    }
    for (uint32_t i = 0; i < g->spatial; i++) dims[2 + i] = g->out[i];
    const adze_type *type = adze_type_tensor_const(g->context, ADZE_DTYPE_f32, 2 + g->spatial, dims);
    adze_ir_value *made = adze_const_make(s->b->module, "counts", type, counts);
    free(counts);
    adze_attr to = adze_attr_type("to", adze_type_dtype(adze_value_type(s->x)));
    return made && to.value.i != ADZE_DTYPE_f32 ? adze_build1(s->b, "cast", &made, 1, &to, 1) : made;
}

bool gradient_average_pool(gradient_step *s)
{
    build_window g;
    if (!build_window_of(s->op, NULL, 1, &g)) return false;
    adze_ir_value *each = bin(s, "div", s->dy, window_counts(s, &g)), *sum = NULL;
    for (size_t t = 0; t < g.taps; t++) {
        adze_ir_value *part = build_window_place(s->b, &g, each, t);
        sum = t ? bin(s, "add", sum, part) : part;
    }
    s->dx[0] = build_window_crop(s->b, &g, sum);
    return true;
}

/* ---- Reductions ---- */

/* Axes as a set; false after an error: they are not known. */
static bool axes_of(const gradient_step *s, uint32_t *out_set)
{
    int64_t axes[ADZE_MAX_RANK];
    uint32_t rank = adze_type_rank(adze_value_type(s->x));
    *out_set = 0;
    if (adze_row_attr_index(adze_op_get_row(s->op), "keepdims") < 0) { /* a pool over all of an image */
        for (uint32_t i = 2; i < rank; i++) *out_set |= 1u << i;
        return true;
    }
    int n = s->z ? adze_value_as_ints(s->z, axes, ADZE_MAX_RANK) : 0;
    if (n < 0) return gradient_refuse(s, "its axes are no constant");
    for (int i = 0; i < n; i++) *out_set |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
    if (!n && !adze_op_attr_int(s->op, "noop_with_empty_axes")) *out_set = (1u << rank) - 1;
    return true;
}

/* A value of the result's dims with the axes that went, 1 long. */
static adze_ir_value *keep(const gradient_step *s, adze_ir_value *x, uint32_t set)
{
    const adze_type *type = adze_value_type(s->x);
    const adze_dim *dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < adze_type_rank(type); i++)
        dims[i] = set >> i & 1 ? adze_dim_const(adze_type_context(type), 1) : adze_type_dim(type, i);
    return build_reshape(s->b, x, adze_type_rank(type), dims);
}

/* dy, as often as it was summed. */
static adze_ir_value *spread(const gradient_step *s, adze_ir_value *dy, uint32_t set)
{
    return build_expand_as(s->b, keep(s, dy, set), adze_value_type(s->x));
}

bool gradient_reduce_sum(gradient_step *s)
{
    uint32_t set;
    if (!axes_of(s, &set)) return false;
    s->dx[0] = spread(s, s->dy, set);
    return true;
}

bool gradient_reduce_mean(gradient_step *s)
{
    uint32_t set;
    int64_t count = 1, extent;
    const adze_type *type = adze_value_type(s->x);
    if (!axes_of(s, &set)) return false;
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        if (!(set >> i & 1)) continue;
        if (!adze_dim_is_const(adze_type_dim(type, i), &extent))
            return gradient_refuse(s, "an axis has no known extent");
        count *= extent;
    }
    s->dx[0] = spread(s, build_with(s->b, "mul", s->dy, count ? 1 / (double)count : 0), set);
    return true;
}

bool gradient_global_average_pool(gradient_step *s) { return gradient_reduce_mean(s); }

bool gradient_reduce_extreme(gradient_step *s)
{
    uint32_t set, n = 0;
    int64_t axes[ADZE_MAX_RANK];
    if (!axes_of(s, &set)) return false;
    for (uint32_t i = 0; i < ADZE_MAX_RANK; i++)
        if (set >> i & 1) axes[n++] = i;
    adze_ir_value *is = bin(s, "equal", s->x, keep(s, s->y, set));
    adze_attr to = adze_attr_type("to", adze_type_dtype(adze_value_type(s->x)));
    adze_ir_value *ones = is ? adze_build1(s->b, "cast", &is, 1, &to, 1) : NULL;
    adze_ir_value *count = n ? build_reduce(s->b, "reduce_sum", ones, axes, n, true) : ones;
    s->dx[0] = gradient_select(s->b, is, bin(s, "div", keep(s, s->dy, set), count));
    return true;
}

bool gradient_global_max_pool(gradient_step *s) { return gradient_reduce_extreme(s); }

bool gradient_reduce_l2(gradient_step *s)
{
    uint32_t set;
    if (!axes_of(s, &set)) return false;
    /* No direction of many is that of an x of zeros: 0 is among its subgradients. */
    adze_ir_value *is = build_unary(s->b, "not", build_with(s->b, "equal", s->y, 0));
    s->dx[0] = bin(s, "mul", s->x, keep(s, gradient_select(s->b, is, bin(s, "div", s->dy, s->y)), set));
    return true;
}

bool gradient_reduce_sum_square(gradient_step *s)
{
    uint32_t set;
    if (!axes_of(s, &set)) return false;
    s->dx[0] = bin(s, "mul", build_with(s->b, "mul", s->x, 2), keep(s, s->dy, set));
    return true;
}

/* ---- Normalizations ---- */

static adze_ir_value *sum_over(const gradient_step *s, const char *op, adze_ir_value *x, uint32_t first, uint32_t end)
{
    int64_t axes[ADZE_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = first; i < end; i++) axes[n++] = i;
    return build_reduce(s->b, op, x, axes, n, true);
}

static uint32_t axis_of(const gradient_step *s)
{
    int64_t axis = adze_op_attr_int(s->op, "axis");
    return (uint32_t)(axis < 0 ? axis + adze_type_rank(adze_value_type(s->x)) : axis);
}

bool gradient_softmax(gradient_step *s)
{
    adze_ir_value *sum = sum_over(s, "reduce_sum", bin(s, "mul", s->dy, s->y), axis_of(s), axis_of(s) + 1);
    s->dx[0] = bin(s, "mul", s->y, bin(s, "sub", s->dy, sum));
    return true;
}

bool gradient_log_softmax(gradient_step *s)
{
    adze_ir_value *sum = sum_over(s, "reduce_sum", s->dy, axis_of(s), axis_of(s) + 1);
    s->dx[0] = bin(s, "sub", s->dy, bin(s, "mul", build_unary(s->b, "exp", s->y), sum));
    return true;
}

/* 1 / sqrt(mean(x^2) + epsilon) */
static adze_ir_value *inverse_size(const gradient_step *s, adze_ir_value *x, uint32_t first, uint32_t rank)
{
    adze_ir_value *mean = sum_over(s, "reduce_mean", bin(s, "mul", x, x), first, rank);
    return build_unary(s->b, "rsqrt", build_with(s->b, "add", mean, adze_op_attr_float(s->op, "epsilon")));
}

/* Of y = centred / size * scale (+ bias): with `h` the normalized x and r one over the size. */
static bool normalize(gradient_step *s, bool centred)
{
    uint32_t rank = adze_type_rank(adze_value_type(s->x)), first = axis_of(s);
    if (!s->dy || adze_op_num_results(s->op) > 1)
        for (uint32_t i = 1; i < adze_op_num_results(s->op); i++)
            if (s->dys[i]) return gradient_refuse(s, "its mean and deviation have none");
    adze_ir_value *x = s->x;
    if (centred) x = bin(s, "sub", x, sum_over(s, "reduce_mean", x, first, rank));
    adze_ir_value *r = inverse_size(s, x, first, rank), *h = bin(s, "mul", x, r);
    if (s->wanted[1]) s->dx[1] = gradient_reduce_to(s->b, bin(s, "mul", s->dy, h), adze_value_type(s->z));
    if (adze_op_num_operands(s->op) > 2 && s->wanted[2])
        s->dx[2] = gradient_reduce_to(s->b, s->dy, adze_value_type(adze_op_operand(s->op, 2)));
    if (!s->wanted[0]) return true;
    adze_ir_value *g = bin(s, "mul", s->dy, s->z);
    adze_ir_value *along = sum_over(s, "reduce_mean", bin(s, "mul", g, h), first, rank);
    adze_ir_value *d = bin(s, "sub", g, bin(s, "mul", h, along));
    if (centred) d = bin(s, "sub", d, sum_over(s, "reduce_mean", g, first, rank));
    s->dx[0] = bin(s, "mul", d, r);
    return true;
}

bool gradient_layer_norm(gradient_step *s) { return normalize(s, true); }
bool gradient_rms_norm(gradient_step *s) { return normalize(s, false); }

bool gradient_batch_norm(gradient_step *s)
{
    const adze_type *type = adze_value_type(s->x);
    const adze_dim *dims[ADZE_MAX_RANK];
    adze_ir_value *part[5]; /* scale, mean, variance as [1, channels, 1, …] */
    if (s->wanted[3] || s->wanted[4]) return gradient_refuse(s, "its mean and variance are no constants");
    if (adze_op_attr_int(s->op, "training_mode")) return gradient_refuse(s, "it normalizes with what it reads");
    for (uint32_t i = 0; i < adze_type_rank(type); i++)
        dims[i] = i == 1 ? adze_type_dim(type, 1) : adze_dim_const(adze_type_context(type), 1);
    for (uint32_t i = 1; i < 5; i++)
        part[i] = build_reshape(s->b, adze_op_operand(s->op, i), adze_type_rank(type), dims);
    adze_ir_value *r = build_with(s->b, "add", part[4], adze_op_attr_float(s->op, "epsilon"));
    r = build_unary(s->b, "rsqrt", r);
    if (s->wanted[0]) s->dx[0] = bin(s, "mul", s->dy, bin(s, "mul", part[1], r));
    if (s->wanted[1]) {
        adze_ir_value *h = bin(s, "mul", bin(s, "sub", s->x, part[3]), r);
        adze_ir_value *sum = gradient_reduce_to(s->b, bin(s, "mul", s->dy, h), adze_value_type(part[1]));
        s->dx[1] = build_reshape_as(s->b, sum, adze_value_type(s->z));
    }
    if (s->wanted[2]) {
        adze_ir_value *sum = gradient_reduce_to(s->b, s->dy, adze_value_type(part[2]));
        s->dx[2] = build_reshape_as(s->b, sum, adze_value_type(adze_op_operand(s->op, 2)));
    }
    return true;
}
