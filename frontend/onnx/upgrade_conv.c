/* Convolutions that are said with conv: transposed ones, causal ones, those of quantized tensors. */
#include "compose.h"

#include <string.h>

/* ---- Transposed convolution ----
 *
 * The result of stride s, dilation d, window k and padding b, e is what conv gives of the operand with s - 1 zeros
 * behind each element, padded by d (k - 1) - b and d (k - 1) - e, with the window turned round.
 *
 * Without dilation no zeros are multiplied: of y[s i + r] = sum over j of x[i - j] w[s j + r] each phase r < s is a
 * convolution of the operand with a window of ceil(k / s). All phases are channels of one convolution, put between each
 * other, and the pads are cut off. */

typedef struct turned {
    uint32_t axes;
    const int64_t *strides, *dilations, *pads, *extra, *shape; /* NULL: not given */
    int64_t group;
    const char *auto_pad;
    int64_t kernel[ADZE_MAX_RANK], before[ADZE_MAX_RANK], after[ADZE_MAX_RANK];
} turned;

static bool read_list(adze_onnx_node *node, const char *name, size_t count, const int64_t **out)
{
    size_t n = 0;
    *out = NULL;
    if (!adze_onnx_attr_ints(node, name, out, &n)) return false;
    if (n == 0) *out = NULL;
    if (*out && n != count)
        return adze_onnx_invalid(node, "attribute '%s' has %zu entries, expected %zu", name, n, count);
    for (size_t i = 0; *out && i < n; i++)
        if ((*out)[i] < 0 || (*out)[i] > INT32_MAX)
            return adze_onnx_invalid(node, "attribute '%s' has the entry %lld", name, (long long)(*out)[i]);
    return true;
}

static bool read_turned(adze_onnx_node *node, term *w, uint32_t rank, turned *t)
{
    const int64_t *shape;
    size_t n = 0;
    uint32_t axes = rank - 2;
    *t = (turned){.axes = axes, .group = 1, .auto_pad = "NOTSET"};
    if (!read_list(node, "strides", axes, &t->strides) || !read_list(node, "dilations", axes, &t->dilations) ||
        !read_list(node, "pads", 2 * (size_t)axes, &t->pads) || !read_list(node, "output_padding", axes, &t->extra) ||
        !adze_onnx_attr_int(node, "group", &t->group) || !adze_onnx_attr_str(node, "auto_pad", &t->auto_pad) ||
        !read_list(node, "kernel_shape", axes, &shape) || !adze_onnx_attr_ints(node, "output_shape", &t->shape, &n))
        return false;
    if (n != 0 && n != axes && n != rank)
        return adze_onnx_invalid(node, "attribute 'output_shape' has %zu entries, expected %u", n, axes);
    t->shape = n == 0 ? NULL : t->shape + (n == rank ? 2 : 0); /* at opset 1 with batch and channels */
    for (uint32_t i = 0; i < axes; i++) {
        if (!adze_dim_is_const(compose_dim(w, 2 + i), &t->kernel[i]))
            return adze_onnx_undetermined(node, "a window of unknown dims");
        if (shape && shape[i] != t->kernel[i])
            return adze_onnx_invalid(node, "kernel_shape says %lld but the weight has %lld", (long long)shape[i],
                                     (long long)t->kernel[i]);
        if ((t->strides && t->strides[i] < 1) || (t->dilations && t->dilations[i] < 1) || t->kernel[i] < 1)
            return adze_onnx_invalid(node, "a stride, dilation or window of 0");
        if (t->kernel[i] > INT32_MAX) return adze_onnx_unsupported(node, "a window of %lld", (long long)t->kernel[i]);
        if (t->shape && (t->shape[i] < 0 || t->shape[i] > INT32_MAX))
            return adze_onnx_invalid(node, "attribute 'output_shape' has the entry %lld", (long long)t->shape[i]);
    }
    return true;
}

static int64_t entry(const int64_t *list, uint32_t i, int64_t usual) { return list ? list[i] : usual; }

/* What conv pads: from the pads that are given, or from the dims that the result is to have. */
static bool find_pads(adze_onnx_node *node, term *x, turned *t)
{
    bool upper = !strcmp(t->auto_pad, "SAME_UPPER"), same = upper || !strcmp(t->auto_pad, "SAME_LOWER");
    bool valid = !strcmp(t->auto_pad, "VALID");
    if (!same && !valid && strcmp(t->auto_pad, "NOTSET") && *t->auto_pad)
        return adze_onnx_invalid(node, "attribute 'auto_pad' is '%s'", t->auto_pad);
    for (uint32_t i = 0; i < t->axes; i++) {
        int64_t reach = (t->kernel[i] - 1) * entry(t->dilations, i, 1), extra = entry(t->extra, i, 0);
        int64_t stride = entry(t->strides, i, 1), size, total = 0, before, after;
        if (!same && !t->shape) {
            before = t->pads && !valid ? t->pads[i] : 0;
            after = t->pads && !valid ? t->pads[t->axes + i] : 0;
        } else {
            /* s (in - 1) + 1 + reach + extra - out; out is s in for SAME */
            if (t->shape && (!adze_dim_is_const(compose_dim(x, 2 + i), &size) || size > INT32_MAX))
                return adze_onnx_undetermined(node, "output_shape of dims that are not known before it runs");
            total = t->shape ? stride * (size - 1) + 1 + reach + extra - t->shape[i] : 1 + reach + extra - stride;
            before = total < 0 ? 0 : upper ? total / 2 : total - total / 2; /* too few: zeros at the end */
            after = total - before;
        }
        t->before[i] = reach - before;
        t->after[i] = reach - after + extra;
    }
    return true;
}

/* s - 1 zeros behind each element of the spatial axes. */
static term *spread(adze_onnx_node *node, term *x, const turned *t)
{
    adze_context *context = node->import->context;
    const adze_dim *split[2 * ADZE_MAX_RANK], *dims[ADZE_MAX_RANK];
    int64_t pads[4 * ADZE_MAX_RANK] = {0};
    uint32_t rank = 0;
    bool any = false;
    for (uint32_t i = 0; i < t->axes; i++) any |= entry(t->strides, i, 1) > 1;
    if (!any) return x;
    if (2 + 2 * t->axes > ADZE_MAX_RANK) return adze_onnx_unsupported(node, "strides over %u axes", t->axes), NULL;
    for (uint32_t i = 0; i < t->axes + 2; i++) {
        int64_t stride = i < 2 ? 1 : entry(t->strides, i - 2, 1);
        split[rank++] = compose_dim(x, i);
        if (i >= 2) split[rank++] = adze_dim_const(context, 1);
        dims[i] = adze_dim_mul_const(context, compose_dim(x, i), stride);
    }
    for (uint32_t i = 0; i < t->axes; i++) pads[rank + 3 + 2 * i] = entry(t->strides, i, 1) - 1;
    term *padded = compose2(node, "pad", compose_reshape(node, x, split, rank), compose_ints(node, pads, 2 * rank));
    return compose_reshape(node, padded, dims, t->axes + 2);
}

static term *turn_round(adze_onnx_node *node, term *w, uint32_t n)
{
    int64_t starts[ADZE_MAX_RANK], ends[ADZE_MAX_RANK], steps[ADZE_MAX_RANK], axes[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < n; i++) {
        starts[i] = steps[i] = -1;
        ends[i] = INT64_MIN;
        axes[i] = 2 + i;
    }
    term *in[] = {w, compose_ints(node, starts, n), compose_ints(node, ends, n), compose_ints(node, axes, n),
                  compose_ints(node, steps, n)};
    return compose_all(node, "slice", in, 5, 5, NULL, 0);
}

/* [in, out / group, window] as [out, in / group, window turned round]. */
static term *turn_weight(adze_onnx_node *node, term *w, const turned *t)
{
    adze_context *context = node->import->context;
    int64_t in, each, perm[ADZE_MAX_RANK];
    const adze_dim *split[ADZE_MAX_RANK], *dims[ADZE_MAX_RANK];
    uint32_t rank = t->axes + 2;
    if (!adze_dim_is_const(compose_dim(w, 0), &in) || !adze_dim_is_const(compose_dim(w, 1), &each))
        return adze_onnx_undetermined(node, "a weight of unknown dims"), NULL;
    if (t->group < 1 || in % t->group || rank == ADZE_MAX_RANK)
        return adze_onnx_invalid(node, "%lld channels in %lld groups", (long long)in, (long long)t->group), NULL;
    split[0] = adze_dim_const(context, t->group);
    split[1] = dims[1] = adze_dim_const(context, in / t->group);
    split[2] = adze_dim_const(context, each);
    dims[0] = adze_dim_const(context, each * t->group);
    for (uint32_t i = 0; i <= rank; i++) perm[i] = i == 1 ? 2 : i == 2 ? 1 : i;
    for (uint32_t i = 0; i < t->axes; i++) split[3 + i] = dims[2 + i] = compose_dim(w, 2 + i);
    if (t->group > 1) w = compose_reshape(node, w, split, rank + 1);
    w = compose_transpose(node, w, t->group > 1 ? perm : (int64_t[]){1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
                          t->group > 1 ? rank + 1 : rank);
    if (t->group > 1) w = compose_reshape(node, w, dims, rank);
    return turn_round(node, w, t->axes);
}

typedef struct phases {
    int64_t in, each;  /* channels of the operand, and of the result a group */
    int64_t together;  /* phases of all axes */
    int64_t stride[ADZE_MAX_RANK], taps[ADZE_MAX_RANK]; /* of one axis: phases, and the window of each */
    int64_t more[ADZE_MAX_RANK];                        /* elements of the operand past its end that are read */
    int64_t head[ADZE_MAX_RANK], tail[ADZE_MAX_RANK];   /* what is cut off the result */
} phases;

/* Channels that are convolved one by one stay: their kernel has one result channel each. */
static bool find_phases(const term *w, const term *x, const turned *t, phases *p)
{
    enum { FEWEST_CHANNELS = 4 };
    p->together = 1;
    if (t->group < 1 || 3 + 2 * t->axes > ADZE_MAX_RANK || !adze_dim_is_const(compose_dim(w, 0), &p->in) ||
        !adze_dim_is_const(compose_dim(w, 1), &p->each) || p->each < 1 || p->in % t->group ||
        (t->group > 1 && p->in / t->group < FEWEST_CHANNELS))
        return false;
    for (uint32_t i = 0; i < t->axes; i++) {
        int64_t s = p->stride[i] = entry(t->strides, i, 1), k = t->kernel[i], size;
        if (s > INT16_MAX || k > INT16_MAX || entry(t->dilations, i, 1) > 1) return false;
        if (!adze_dim_is_const(compose_dim(x, 2 + i), &size) || size > INT32_MAX) return false;
        p->taps[i] = (k + s - 1) / s;
        p->head[i] = k - 1 - t->before[i];
        int64_t needed = t->after[i] + 1 > 0 ? (t->after[i] + s) / s : 0;
        p->more[i] = needed > p->taps[i] ? needed - p->taps[i] : 0;
        p->tail[i] = s * (p->taps[i] + p->more[i]) - 1 - t->after[i];
        bool any = s * (size + p->taps[i] - 1 + p->more[i]) > p->head[i] + p->tail[i];
        if (p->head[i] < 0 || size < 1 || !any) return false;
        p->together *= s;
        if (p->together > INT16_MAX) return false;
    }
    return p->together > 1;
}

/* [in, out / group, window] as [out of all phases, in / group, window of a phase turned round]. */
static term *phase_weight(adze_onnx_node *node, term *w, const turned *t, const phases *p)
{
    adze_context *context = node->import->context;
    const adze_dim *split[ADZE_MAX_RANK], *dims[ADZE_MAX_RANK];
    int64_t pads[2 * ADZE_MAX_RANK] = {0}, perm[ADZE_MAX_RANK], n = t->axes;
    bool any = false;
    split[0] = adze_dim_const(context, t->group);
    split[1] = dims[1] = adze_dim_const(context, p->in / t->group);
    split[2] = adze_dim_const(context, p->each);
    dims[0] = adze_dim_const(context, t->group * p->each * p->together);
    perm[0] = 0;
    perm[1] = 2;
    perm[2 + n] = 1;
    for (uint32_t i = 0; i < t->axes; i++) {
        split[3 + 2 * i] = dims[2 + i] = adze_dim_const(context, p->taps[i]);
        split[4 + 2 * i] = adze_dim_const(context, p->stride[i]);
        perm[2 + i] = 4 + 2 * i;
        perm[3 + n + i] = 3 + 2 * i;
        pads[n + 4 + i] = p->taps[i] * p->stride[i] - t->kernel[i];
        any |= pads[n + 4 + i] > 0;
    }
    if (any) w = compose2(node, "pad", w, compose_ints(node, pads, 2 * (size_t)(n + 2)));
    w = compose_transpose(node, compose_reshape(node, w, split, 3 + 2 * t->axes), perm, 3 + 2 * t->axes);
    return turn_round(node, compose_reshape(node, w, dims, 2 + t->axes), t->axes);
}

/* Each entry for all phases. */
static term *phase_bias(adze_onnx_node *node, term *bias, const turned *t, const phases *p)
{
    adze_context *context = node->import->context;
    const adze_dim *one = adze_dim_const(context, 1), *n = adze_dim_const(context, t->group * p->each);
    const adze_dim *of = adze_dim_const(context, p->together), *all = adze_dim_mul(context, n, of);
    term *column = compose_reshape(node, bias, (const adze_dim *[]){n, one}, 2);
    return compose_reshape(node, compose_expand(node, column, (const adze_dim *[]){n, of}, 2), &all, 1);
}

/* Channels of phases as elements that lie between each other, and what is cut off. */
static term *interleave(adze_onnx_node *node, term *y, const turned *t, const phases *p)
{
    adze_context *context = node->import->context;
    const adze_dim *split[ADZE_MAX_RANK], *dims[ADZE_MAX_RANK];
    int64_t perm[ADZE_MAX_RANK] = {0, 1}, starts[ADZE_MAX_RANK], ends[ADZE_MAX_RANK], axes[ADZE_MAX_RANK];
    bool cuts = false;
    split[0] = dims[0] = compose_dim(y, 0);
    split[1] = dims[1] = adze_dim_const(context, t->group * p->each);
    for (uint32_t i = 0; i < t->axes; i++) {
        split[2 + i] = adze_dim_const(context, p->stride[i]);
        split[2 + t->axes + i] = compose_dim(y, 2 + i);
        dims[2 + i] = adze_dim_mul_const(context, compose_dim(y, 2 + i), p->stride[i]);
        perm[2 + 2 * i] = 2 + t->axes + i;
        perm[3 + 2 * i] = 2 + i;
        starts[i] = p->head[i];
        ends[i] = p->tail[i] ? -p->tail[i] : INT64_MAX;
        axes[i] = 2 + i;
        cuts |= p->head[i] || p->tail[i];
    }
    if (t->axes == 2 && p->stride[0] == p->stride[1]) {
        adze_attr attrs[] = {adze_attr_int("blocksize", p->stride[0]), adze_attr_str("mode", "CRD")};
        y = compose_all(node, "depth_to_space", &y, 1, 1, attrs, 2);
    } else {
        y = compose_transpose(node, compose_reshape(node, y, split, 2 + 2 * t->axes), perm, 2 + 2 * t->axes);
        y = compose_reshape(node, y, dims, 2 + t->axes);
    }
    term *in[] = {y, compose_ints(node, starts, t->axes), compose_ints(node, ends, t->axes),
                  compose_ints(node, axes, t->axes)};
    return cuts ? compose_all(node, "slice", in, 4, 4, NULL, 0) : y;
}

static term *by_phases(adze_onnx_node *node, term *x, term *w, term *bias, const turned *t, const phases *p)
{
    int64_t pads[2 * ADZE_MAX_RANK];
    for (uint32_t i = 0; i < t->axes; i++) {
        pads[i] = p->taps[i] - 1;
        pads[t->axes + i] = p->taps[i] - 1 + p->more[i];
    }
    adze_attr attrs[] = {adze_attr_int("group", t->group), adze_attr_ints("pads", pads, 2 * t->axes)};
    term *in[] = {x, phase_weight(node, w, t, p), bias ? phase_bias(node, bias, t, p) : NULL};
    term *y = compose_all(node, "conv", in, bias ? 3 : 2, 2, attrs, 2);
    return y ? interleave(node, y, t, p) : NULL;
}

/* The convolution by t, whose pads are what conv pads. */
static term *transposed(adze_onnx_node *node, term *x, term *w, term *bias, const turned *t)
{
    int64_t pads[2 * ADZE_MAX_RANK], cut[2 * ADZE_MAX_RANK] = {0};
    uint32_t rank = t->axes + 2;
    bool cuts = false;
    phases p;
    if (find_phases(w, x, t, &p)) return by_phases(node, x, w, bias, t, &p);
    for (uint32_t i = 0; i < t->axes; i++) {
        int64_t after = t->after[i] - (entry(t->strides, i, 1) - 1); /* zeros behind the last element */
        pads[i] = t->before[i] > 0 ? t->before[i] : 0;
        pads[t->axes + i] = after > 0 ? after : 0;
        cut[2 + i] = t->before[i] < 0 ? t->before[i] : 0;
        cut[rank + 2 + i] = after < 0 ? after : 0;
        cuts |= cut[2 + i] || cut[rank + 2 + i];
    }
    x = spread(node, x, t);
    if (cuts) x = compose2(node, "pad", x, compose_ints(node, cut, 2 * rank));
    adze_attr attrs[3] = {adze_attr_int("group", t->group), adze_attr_ints("pads", pads, 2 * t->axes)};
    if (t->dilations) attrs[2] = adze_attr_ints("dilations", t->dilations, t->axes);
    term *in[] = {x, turn_weight(node, w, t), bias};
    return compose_all(node, "conv", in, bias ? 3 : 2, 2, attrs, t->dilations ? 3 : 2);
}

bool adze_onnx_upgrade_conv_transpose(adze_onnx_node *node)
{
    term *x, *w;
    uint32_t rank, w_rank;
    turned t;
    if (!compose_operand(node, 0, 3, &x, &rank) || !compose_operand(node, 1, 3, &w, &w_rank)) return false;
    if (rank != w_rank) return adze_onnx_invalid(node, "the weight has rank %u and the operand %u", w_rank, rank);
    if (!read_turned(node, w, rank, &t) || !find_pads(node, x, &t)) return false;
    return compose_end(node, transposed(node, x, w, adze_onnx_operand(node, 2), &t));
}

term *compose_conv_back(adze_onnx_node *node, term *d, term *w, uint32_t axes, const compose_window *windows,
                        int64_t group)
{
    int64_t strides[ADZE_MAX_RANK], dilations[ADZE_MAX_RANK];
    turned t = {.axes = axes, .strides = strides, .dilations = dilations, .group = group};
    for (uint32_t i = 0; i < axes; i++) {
        const compose_window *a = &windows[i];
        strides[i] = a->stride;
        dilations[i] = a->dilation;
        t.kernel[i] = a->kernel;
        int64_t reach = (a->kernel - 1) * a->dilation;
        t.before[i] = reach - a->before;
        t.after[i] = a->in - (a->out - 1) * a->stride - 1 - t.before[i] + reach;
    }
    return transposed(node, d, w, NULL, &t);
}

/* ---- Causal convolution ---- */

term *compose_causal_conv(adze_onnx_node *node, const causal_conv *c, term **out_state)
{
    int64_t k, channels, before;
    bool gated = !strcmp(c->activation, "silu") || !strcmp(c->activation, "swish");
    if (!gated && strcmp(c->activation, "none"))
        return adze_onnx_invalid(node, "attribute 'activation' is '%s'", c->activation), NULL;
    if (compose_rank(c->x) != 3 || compose_rank(c->w) != 3)
        return adze_onnx_invalid(node, "operands of rank %d and %d", compose_rank(c->x), compose_rank(c->w)), NULL;
    if (!adze_dim_is_const(compose_dim(c->w, 0), &channels) || !adze_dim_is_const(compose_dim(c->w, 2), &k) || k < 1)
        return adze_onnx_undetermined(node, "a weight of unknown dims"), NULL;
    if (c->dilation < 1 || c->dilation > INT32_MAX || k > INT32_MAX)
        return adze_onnx_invalid(node, "attribute 'dilation' is %lld", (long long)c->dilation), NULL;
    int64_t reach = (k - 1) * c->dilation, pads[6] = {0, 0, reach, 0, 0, 0};
    if (c->past && (compose_rank(c->past) != 3 ||
                    (adze_dim_is_const(compose_dim(c->past, 2), &before) && before != reach)))
        return adze_onnx_invalid(node, "a state that is not of %lld elements a channel", (long long)reach), NULL;
    term *all = c->past ? compose_concat(node, (term *[]){c->past, c->x}, 2, 2)
                        : compose2(node, "pad", c->x, compose_ints(node, pads, 6));
    adze_attr attrs[] = {adze_attr_int("group", channels), adze_attr_ints("dilations", &c->dilation, 1)};
    term *y = compose_all(node, "conv", (term *[]){all, c->w, c->bias}, c->bias ? 3 : 2, 2, attrs,
                          c->dilation > 1 ? 2 : 1);
    adze_dtype dtype = compose_dtype(c->x), wide = dtype == ADZE_DTYPE_f64 ? dtype : ADZE_DTYPE_f32;
    if (gated) y = compose_cast(node, compose1(node, "swish", compose_cast(node, y, wide)), dtype);
    if (out_state) *out_state = compose_slice(node, all, 2, reach ? -reach : INT64_MAX, INT64_MAX, 1);
    return y;
}

bool adze_onnx_upgrade_causal_conv(adze_onnx_node *node)
{
    causal_conv c = {.bias = adze_onnx_operand(node, 2), .past = adze_onnx_operand(node, 3), .dilation = 1,
                     .activation = "none"};
    uint32_t rank;
    if (!adze_onnx_attr_str(node, "activation", &c.activation) || !compose_operand(node, 0, 3, &c.x, &rank) ||
        !compose_operand(node, 1, 3, &c.w, &rank))
        return false;
    return compose_end(node, compose_causal_conv(node, &c, node->n_out > 1 ? &node->out[1] : NULL));
}

/* ---- Quantized operands: dequantize, float, quantize; passes run that in integers ---- */

term *compose_dequantize(adze_onnx_node *node, term *x, term *scale, term *zero, int64_t axis)
{
    term *in[] = {x, compose_cast(node, compose_one(node, scale), ADZE_DTYPE_f32), compose_one(node, zero)};
    adze_attr attr = adze_attr_int("axis", axis);
    return compose_all(node, "dequantize", in, zero ? 3 : 2, 2, &attr, 1);
}

term *compose_quantize(adze_onnx_node *node, term *x, term *scale, term *zero)
{
    term *in[] = {x, compose_cast(node, compose_one(node, scale), ADZE_DTYPE_f32), compose_one(node, zero)};
    return compose_all(node, "quantize", in, zero ? 3 : 2, 2, NULL, 0);
}

static term *dequantized(adze_onnx_node *node, uint32_t index, int64_t axis)
{
    return compose_dequantize(node, node->in[index], node->in[index + 1], node->in[index + 2], axis);
}

static bool finish_quantized(adze_onnx_node *node, term *y)
{
    return compose_end(node, compose_quantize(node, y, node->in[6], node->in[7]));
}

static bool check_inputs(adze_onnx_node *node)
{
    for (uint32_t i = 0; i < 8; i++)
        if (!adze_onnx_operand(node, i)) return adze_onnx_invalid(node, "has no input %u", i);
    return true;
}

bool adze_onnx_upgrade_qlinear_matmul(adze_onnx_node *node)
{
    if (!check_inputs(node)) return false;
    return finish_quantized(node, compose2(node, "matmul", dequantized(node, 0, -2), dequantized(node, 3, -1)));
}

/* The bias is in units of both scales. */
bool adze_onnx_upgrade_qlinear_conv(adze_onnx_node *node)
{
    if (!check_inputs(node)) return false;
    term *operands[8];
    for (uint32_t i = 0; i < 8; i++) operands[i] = node->in[i];
    term *bias = adze_onnx_operand(node, 8), *in[] = {dequantized(node, 0, 1), dequantized(node, 3, 0), NULL};
    if (bias) {
        term *scale = compose2(node, "mul", compose_scalar(node, operands[1]), operands[4]);
        adze_attr axis = adze_attr_int("axis", 0);
        in[2] = compose_all(node, "dequantize", (term *[]){bias, scale}, 2, 2, &axis, 1);
    }
    if (!in[0] || !in[1] || (bias && !in[2])) return false;
    for (uint32_t i = 0; i < 3; i++) node->in[i] = in[i];
    node->n_in = bias ? 3 : 2;
    if (!adze_onnx_finish(node, "conv", NULL, 0)) return false;
    return compose_end(node, compose_quantize(node, node->out[0], operands[6], operands[7]));
}

term *compose_dynamic_quantize(adze_onnx_node *node, term *x, term **out_scale, term **out_zero)
{
    term *zero = compose_like(node, x, 0), *full = compose_like(node, x, 255);
    term *high = compose2(node, "max", compose_reduce(node, "reduce_max", x, NULL, 0, false), zero);
    term *low = compose2(node, "min", compose_reduce(node, "reduce_min", x, NULL, 0, false), zero);
    term *range = compose2(node, "sub", high, low);
    term *scale = compose2(node, "div", range, full);
    *out_scale = scale = compose3(node, "where", compose2(node, "equal", range, zero), compose_like(node, x, 1), scale);
    term *point = compose1(node, "neg", compose2(node, "div", low, scale));
    point = compose1(node, "round", compose3(node, "clip", point, zero, full));
    *out_zero = compose_cast(node, point, ADZE_DTYPE_u8);
    return compose3(node, "quantize", x, scale, *out_zero);
}

bool adze_onnx_upgrade_dynamic_quantize(adze_onnx_node *node)
{
    term *scale, *zero, *x = adze_onnx_operand(node, 0);
    if (!x) return adze_onnx_invalid(node, "has no input");
    term *y = compose_dynamic_quantize(node, x, &scale, &zero);
    if (node->n_out > 1) node->out[1] = scale;
    if (node->n_out > 2) node->out[2] = zero;
    return compose_end(node, y);
}
