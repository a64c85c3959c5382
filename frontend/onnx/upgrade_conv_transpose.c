/* ConvTranspose, said with conv.
 *
 * The result of stride s, dilation d, window k and padding b, e is what conv gives of the operand with s - 1 zeros
 * behind each element, padded by d (k - 1) - b and d (k - 1) - e, with the window turned round.
 *
 * No zeros are multiplied where there are channels to share: element i of the operand adds to y[s i + d j] by w[j].
 * What a divisor g of s and d leaves out has no term; the rest is a result of stride s / g and dilation d / g. Then tap
 * j = k + s m reaches y[s (i + d m) + d k]: each phase k < s is a convolution of the operand, with the taps of a window
 * of ceil((j - k) / s), d apart; phases past the last tap have none. All phases are channels of one convolution, put
 * between each other, and the pads are cut off. */
#include "compose.h"

#include <string.h>

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
    int64_t in, each; /* channels of the operand, and of the result, in a group */
    int64_t together; /* phases of all axes that have taps */
    bool bare;        /* some elements of the result have no taps: all they hold is the bias */
    /* Of one axis: see above. */
    int64_t divisor[ADZE_MAX_RANK], stride[ADZE_MAX_RANK], dilation[ADZE_MAX_RANK];
    int64_t count[ADZE_MAX_RANK], taps[ADZE_MAX_RANK];
    int64_t late[ADZE_MAX_RANK]; /* by how many elements of the operand the last phase is behind the first */
    int64_t more[ADZE_MAX_RANK]; /* elements of the operand past its end that are read */
    int64_t head[ADZE_MAX_RANK], tail[ADZE_MAX_RANK]; /* what is cut off the result */
} phases;

/* Phases that are put in order one by one, where the dilation mixes them. */
enum { MOST_ORDERED = 64 };

static bool find_axis(const turned *t, uint32_t i, phases *p)
{
    int64_t s = entry(t->strides, i, 1), d = entry(t->dilations, i, 1), k = t->kernel[i];
    if (s > INT16_MAX || d > INT16_MAX || k > INT16_MAX) return false;
    int64_t g = p->divisor[i] = adze_gcd(s, d), reach = (k - 1) * d;
    s = p->stride[i] = s / g;
    d = p->dilation[i] = d / g;
    p->count[i] = s < k ? s : k;
    p->taps[i] = (k + s - 1) / s;
    p->late[i] = d > 1 ? d * (s - 1) / s : 0;
    if (p->late[i] && s > MOST_ORDERED) return false;
    p->head[i] = reach - t->before[i];
    /* conv gives d (taps - 1) elements more than the operand has; s g of the result lie at each. */
    int64_t all = s * g, rows = d * (p->taps[i] - 1) + p->late[i] + 1, needed = t->after[i] + 1;
    p->more[i] = needed > all * rows ? (needed - all * rows + all - 1) / all : 0;
    p->tail[i] = all * (rows + p->more[i]) - needed;
    p->bare |= p->count[i] < s || g > 1 || p->late[i] > 0;
    p->together *= p->count[i];
    return p->head[i] >= 0 && p->together <= INT16_MAX;
}

/* Channels that are convolved one by one stay: their kernel has one result channel each. */
static bool find_phases(const term *w, const term *x, const turned *t, phases *p)
{
    enum { FEWEST_CHANNELS = 4 };
    *p = (phases){.together = 1};
    if (t->group < 1 || 3 + 3 * t->axes > ADZE_MAX_RANK || !adze_dim_is_const(compose_dim(w, 0), &p->in) ||
        !adze_dim_is_const(compose_dim(w, 1), &p->each) || p->each < 1 || p->in % t->group)
        return false;
    p->in /= t->group;
    bool some = false;
    for (uint32_t i = 0; i < t->axes; i++) {
        int64_t size;
        if (!find_axis(t, i, p)) return false;
        if (!adze_dim_is_const(compose_dim(x, 2 + i), &size) || size > INT32_MAX || size < 1) return false;
        int64_t all = p->stride[i] * p->divisor[i];
        int64_t rows = size + p->dilation[i] * (p->taps[i] - 1) + p->late[i] + p->more[i];
        if (all * rows <= p->head[i] + p->tail[i]) return false;
        some |= all > 1;
    }
    return some && (p->together == 1 || t->group == 1 || p->in >= FEWEST_CHANNELS);
}

/* [in, out / group, window] as [out of all phases, in / group, window of a phase turned round]; of the result channels
 * of a group those of a phase lie beside each other. */
static term *phase_weight(adze_onnx_node *node, term *w, const turned *t, const phases *p)
{
    adze_context *context = node->import->context;
    const adze_dim *split[ADZE_MAX_RANK], *dims[ADZE_MAX_RANK];
    int64_t pads[2 * ADZE_MAX_RANK] = {0}, perm[ADZE_MAX_RANK], n = t->axes;
    bool any = false;
    split[0] = adze_dim_const(context, t->group);
    split[1] = dims[1] = adze_dim_const(context, p->in);
    split[2] = adze_dim_const(context, p->each);
    dims[0] = adze_dim_const(context, t->group * p->each * p->together);
    perm[0] = 0;
    perm[1 + n] = 2;
    perm[2 + n] = 1;
    for (uint32_t i = 0; i < t->axes; i++) {
        split[3 + 2 * i] = dims[2 + i] = adze_dim_const(context, p->taps[i]);
        split[4 + 2 * i] = adze_dim_const(context, p->count[i]);
        perm[1 + i] = 4 + 2 * i;
        perm[3 + n + i] = 3 + 2 * i;
        pads[n + 4 + i] = p->taps[i] * p->count[i] - t->kernel[i];
        any |= pads[n + 4 + i] > 0;
    }
    if (any) w = compose2(node, "pad", w, compose_ints(node, pads, 2 * (size_t)(n + 2)));
    w = compose_transpose(node, compose_reshape(node, w, split, 3 + 2 * t->axes), perm, 3 + 2 * t->axes);
    return turn_round(node, compose_reshape(node, w, dims, 2 + t->axes), t->axes);
}

/* Each group's entries for all phases. */
static term *phase_bias(adze_onnx_node *node, term *bias, const turned *t, const phases *p)
{
    adze_context *context = node->import->context;
    const adze_dim *group = adze_dim_const(context, t->group), *each = adze_dim_const(context, p->each);
    const adze_dim *of = adze_dim_const(context, p->together), *one = adze_dim_const(context, 1);
    const adze_dim *all = adze_dim_const(context, t->group * p->each * p->together);
    term *column = compose_reshape(node, bias, (const adze_dim *[]){group, one, each}, 3);
    return compose_reshape(node, compose_expand(node, column, (const adze_dim *[]){group, of, each}, 3), &all, 1);
}

/* Axes of what conv gave, its channels last and apart: batch, elements of the operand along each axis, group, then of
 * each axis its phases and one entry for what its divisor leaves out, channels. */
static uint32_t phase_axis(const turned *t, uint32_t i) { return 2 + t->axes + 2 * i; }
static uint32_t apart_rank(const turned *t) { return 3 + 3 * t->axes; }

static term *take_apart(adze_onnx_node *node, term *y, const turned *t, const phases *p)
{
    adze_context *context = node->import->context;
    const adze_dim *dims[ADZE_MAX_RANK];
    int64_t perm[ADZE_MAX_RANK] = {0};
    dims[0] = compose_dim(y, 0);
    dims[1 + t->axes] = adze_dim_const(context, t->group);
    dims[apart_rank(t) - 1] = adze_dim_const(context, p->each);
    for (uint32_t i = 0; i < t->axes; i++) {
        perm[1 + i] = 2 + i;
        dims[1 + i] = compose_dim(y, 2 + i);
        dims[phase_axis(t, i)] = adze_dim_const(context, p->count[i]);
        dims[phase_axis(t, i) + 1] = adze_dim_const(context, 1);
    }
    perm[1 + t->axes] = 1;
    return compose_reshape(node, compose_transpose(node, y, perm, 2 + t->axes), dims, apart_rank(t));
}

/* Phase r of axis i is the one of number k with d k = r modulo s; its elements lie d k / s further on. */
static term *put_in_order(adze_onnx_node *node, term *y, const turned *t, const phases *p, uint32_t i)
{
    int64_t s = p->stride[i], d = p->dilation[i];
    uint32_t rank = apart_rank(t);
    term *ordered[MOST_ORDERED];
    for (int64_t k = 0; k < s; k++) { /* each r comes once, since s and d have no divisor in common */
        int64_t pads[2 * ADZE_MAX_RANK] = {0};
        pads[1 + i] = d * k / s;
        pads[rank + 1 + i] = p->late[i] - pads[1 + i];
        term *phase = compose_slice(node, y, phase_axis(t, i), k, k + 1, 1);
        ordered[d * k % s] = phase ? compose2(node, "pad", phase, compose_ints(node, pads, 2 * rank)) : NULL;
        if (!ordered[d * k % s]) return NULL;
    }
    return compose_concat(node, ordered, (uint32_t)s, phase_axis(t, i));
}

/* Zeros for elements that have no taps: phases past the last, and what a divisor leaves out. */
static term *add_bare(adze_onnx_node *node, term *y, const turned *t, const phases *p)
{
    int64_t pads[2 * ADZE_MAX_RANK] = {0};
    uint32_t rank = apart_rank(t);
    bool any = false;
    for (uint32_t i = 0; i < t->axes; i++) {
        int64_t more = p->stride[i] - p->count[i], apart = p->divisor[i] - 1;
        if (!p->late[i]) pads[rank + phase_axis(t, i)] = more;
        pads[rank + phase_axis(t, i) + 1] = apart;
        any |= apart > 0 || (more > 0 && !p->late[i]);
        if (!p->late[i]) continue;
        int64_t ordered[2 * ADZE_MAX_RANK] = {0};
        ordered[rank + phase_axis(t, i)] = more;
        if (more) y = compose2(node, "pad", y, compose_ints(node, ordered, 2 * rank));
        y = put_in_order(node, y, t, p, i);
    }
    return any ? compose2(node, "pad", y, compose_ints(node, pads, 2 * rank)) : y;
}

/* Phases between each other, what is cut off, and channels where they belong. */
static term *interleave(adze_onnx_node *node, term *y, const turned *t, const phases *p)
{
    adze_context *context = node->import->context;
    const adze_dim *dims[ADZE_MAX_RANK];
    int64_t perm[ADZE_MAX_RANK] = {0}, starts[ADZE_MAX_RANK], ends[ADZE_MAX_RANK], axes[ADZE_MAX_RANK];
    uint32_t n = t->axes, rank = apart_rank(t);
    bool cuts = false;
    y = add_bare(node, take_apart(node, y, t, p), t, p);
    dims[0] = compose_dim(y, 0);
    dims[1 + n] = adze_dim_const(context, t->group * p->each);
    for (uint32_t i = 0; i < n; i++) {
        perm[1 + 3 * i] = 1 + i;
        perm[2 + 3 * i] = phase_axis(t, i);
        perm[3 + 3 * i] = phase_axis(t, i) + 1;
        dims[1 + i] = adze_dim_mul_const(context, compose_dim(y, 1 + i), p->stride[i] * p->divisor[i]);
        starts[i] = p->head[i];
        ends[i] = p->tail[i] ? -p->tail[i] : INT64_MAX;
        axes[i] = 1 + i;
        cuts |= p->head[i] || p->tail[i];
    }
    perm[rank - 2] = 1 + n;
    perm[rank - 1] = rank - 1;
    y = compose_reshape(node, compose_transpose(node, y, perm, rank), dims, 2 + n);
    term *in[] = {y, compose_ints(node, starts, n), compose_ints(node, ends, n), compose_ints(node, axes, n)};
    if (cuts) y = compose_all(node, "slice", in, 4, 4, NULL, 0);
    for (uint32_t i = 0; i < n; i++) perm[2 + i] = 1 + i;
    perm[1] = 1 + n;
    return compose_transpose(node, y, perm, 2 + n);
}

static term *by_phases(adze_onnx_node *node, term *x, term *w, term *bias, const turned *t, const phases *p)
{
    int64_t pads[2 * ADZE_MAX_RANK];
    for (uint32_t i = 0; i < t->axes; i++) {
        pads[i] = p->dilation[i] * (p->taps[i] - 1);
        pads[t->axes + i] = pads[i] + p->more[i];
    }
    adze_attr attrs[] = {adze_attr_int("group", t->group), adze_attr_ints("pads", pads, 2 * t->axes),
                         adze_attr_ints("dilations", p->dilation, t->axes)};
    term *in[] = {x, phase_weight(node, w, t, p), bias && !p->bare ? phase_bias(node, bias, t, p) : NULL};
    term *y = compose_all(node, "conv", in, in[2] ? 3 : 2, 2, attrs, 3);
    if (!y) return NULL;
    y = interleave(node, y, t, p);
    return bias && p->bare ? compose2(node, "add", y, compose_channels(node, bias, 2 + t->axes)) : y;
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
