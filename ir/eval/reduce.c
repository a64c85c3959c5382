/* Reductions over any set of axes, the index of an extreme, and running sums.
 *
 * Floats are computed in double whatever their type, integers in 64 bits, where sums and products
 * wrap. NaN is the largest and the smallest element, as in numpy. Without elements a sum is 0, a
 * product 1, a maximum the least value of the type, a minimum the greatest, a mean of floats NaN.
 */
#include "copy.h"
#include "math.h"

enum { BLOCK = 256 };

typedef enum reduce_kind {
    SUM,
    MEAN,
    MAX,
    MIN,
    PROD,
    L1,
    L2,
    SUM_SQUARE,
    LOG_SUM,
    LOG_SUM_EXP
} reduce_kind;

/* The axes of the operand in two groups. */
typedef struct groups {
    uint32_t n_kept, n_reduced;
    int64_t kept[ADZE_MAX_RANK], kept_stride[ADZE_MAX_RANK];
    int64_t reduced[ADZE_MAX_RANK], reduced_stride[ADZE_MAX_RANK];
    int64_t count; /* elements a result element is made of */
    uint32_t out_rank;
    int64_t out_dims[ADZE_MAX_RANK];
} groups;

static void group(const adze_value *in, uint32_t set, bool keepdims, groups *g)
{
    int64_t strides[ADZE_MAX_RANK];
    *g = (groups){.count = 1};
    ev_strides(in->rank, in->dims, strides);
    for (uint32_t i = 0; i < in->rank; i++) {
        if (set & 1u << i) {
            g->reduced_stride[g->n_reduced] = strides[i];
            g->reduced[g->n_reduced++] = in->dims[i];
            g->count *= in->dims[i];
            if (keepdims) g->out_dims[g->out_rank++] = 1;
        } else {
            g->kept_stride[g->n_kept] = strides[i];
            g->kept[g->n_kept++] = in->dims[i];
            g->out_dims[g->out_rank++] = in->dims[i];
        }
    }
    int64_t unused[ADZE_MAX_RANK] = {0};
    for (uint32_t i = 0; i < g->n_reduced; i++) unused[i] = g->reduced_stride[i];
    if (g->count > 0) g->n_reduced = ev_join(g->n_reduced, g->reduced, g->reduced_stride, unused);
}

static int64_t offset_of(uint32_t n, const int64_t *index, const int64_t *strides)
{
    int64_t at = 0;
    for (uint32_t i = 0; i < n; i++) at += index[i] * strides[i];
    return at;
}

static double start_f64(reduce_kind kind)
{
    if (kind == PROD) return 1;
    return kind == MAX ? -ev_inf() : kind == MIN ? ev_inf() : 0;
}

static double fold_f64(reduce_kind kind, double acc, double shift, const double *x, int64_t n)
{
    switch (kind) {
    case SUM:
    case MEAN:
    case LOG_SUM:
        for (int64_t i = 0; i < n; i++) acc += x[i];
        break;
    case MAX:
        for (int64_t i = 0; i < n; i++) acc = x[i] > acc || x[i] != x[i] ? x[i] : acc;
        break;
    case MIN:
        for (int64_t i = 0; i < n; i++) acc = x[i] < acc || x[i] != x[i] ? x[i] : acc;
        break;
    case PROD:
        for (int64_t i = 0; i < n; i++) acc *= x[i];
        break;
    case L1:
        for (int64_t i = 0; i < n; i++) acc += x[i] < 0 ? -x[i] : x[i];
        break;
    case L2:
    case SUM_SQUARE:
        for (int64_t i = 0; i < n; i++) acc += x[i] * x[i];
        break;
    case LOG_SUM_EXP:
        for (int64_t i = 0; i < n; i++) acc += adze_body_exp_f64(x[i] - shift);
        break;
    }
    return acc;
}

/* All elements that belong to one result element, the first of them at `first`. */
static double walk_f64(const adze_value *in, const groups *g, int64_t first, reduce_kind kind,
                       double shift)
{
    double block[BLOCK], acc = start_f64(kind);
    if (g->count == 0) return acc;
    int64_t index[ADZE_MAX_RANK] = {0};
    uint32_t outer = g->n_reduced ? g->n_reduced - 1 : 0;
    int64_t n = g->n_reduced ? g->reduced[outer] : 1, step = g->n_reduced ? g->reduced_stride[outer] : 1;
    do {
        int64_t at = first + offset_of(outer, index, g->reduced_stride);
        for (int64_t i = 0; i < n; i += BLOCK) {
            int64_t now = ev_min(BLOCK, n - i);
            ev_load_f64(in->dtype, in->data, at + i * step, step, now, block);
            acc = fold_f64(kind, acc, shift, block, now);
        }
    } while (ev_next(outer, g->reduced, index));
    return acc;
}

static double reduce_f64(const adze_value *in, const groups *g, int64_t first, reduce_kind kind)
{
    double shift = 0;
    if (kind == LOG_SUM_EXP) {
        shift = walk_f64(in, g, first, MAX, 0);
        if (shift != shift || shift == ev_inf() || shift == -ev_inf()) return shift;
    }
    double acc = walk_f64(in, g, first, kind, shift);
    switch (kind) {
    case MEAN: return acc / (double)g->count;
    case L2: return adze_body_sqrt_f64(acc);
    case LOG_SUM: return adze_body_log_f64(acc);
    case LOG_SUM_EXP: return adze_body_log_f64(acc) + shift;
    default: return acc;
    }
}

static uint64_t start_int(reduce_kind kind, uint32_t dtype)
{
    uint32_t bits = dtype == ADZE_DTYPE_bool ? 1 : adze_dtype_bits((adze_dtype)dtype);
    bool is_unsigned = ev_is_unsigned(dtype);
    uint64_t greatest = UINT64_MAX >> (is_unsigned ? 64 - bits : 65 - bits);
    if (kind == PROD) return 1;
    if (kind == MIN) return greatest;
    return kind == MAX && !is_unsigned ? ~greatest : 0;
}

/* Integers as bits; `flip` turns their order into that of unsigned numbers. */
static uint64_t fold_int(reduce_kind kind, uint64_t acc, uint64_t flip, const int64_t *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t v = (uint64_t)x[i];
        bool above = (v ^ flip) > (acc ^ flip);
        switch (kind) {
        case MAX: acc = above ? v : acc; break;
        case MIN: acc = above ? acc : v; break;
        case PROD: acc *= v; break;
        case L1: acc += flip && x[i] < 0 ? 0 - v : v; break;
        case SUM_SQUARE: acc += v * v; break;
        default: acc += v; break;
        }
    }
    return acc;
}

static int64_t reduce_int(const adze_value *in, const groups *g, int64_t first, reduce_kind kind)
{
    bool is_unsigned = ev_is_unsigned(in->dtype);
    uint64_t flip = is_unsigned ? 0 : UINT64_C(1) << 63, acc = start_int(kind, in->dtype);
    int64_t block[BLOCK], index[ADZE_MAX_RANK] = {0};
    if (g->count == 0) return (int64_t)acc;
    uint32_t outer = g->n_reduced ? g->n_reduced - 1 : 0;
    int64_t n = g->n_reduced ? g->reduced[outer] : 1, step = g->n_reduced ? g->reduced_stride[outer] : 1;
    do {
        int64_t at = first + offset_of(outer, index, g->reduced_stride);
        for (int64_t i = 0; i < n; i += BLOCK) {
            int64_t now = ev_min(BLOCK, n - i);
            ev_load_i64(in->dtype, in->data, at + i * step, step, now, block);
            acc = fold_int(kind, acc, flip, block, now);
        }
    } while (ev_next(outer, g->reduced, index));
    if (kind != MEAN) return (int64_t)acc;
    return is_unsigned ? (int64_t)(acc / (uint64_t)g->count) : (int64_t)acc / g->count;
}

/* Axes to reduce: those of operand 1; without any, all or, with `noop`, none. */
static bool reduced_axes(const adze_value *in, uint32_t n_in, bool noop, uint32_t *out_set)
{
    uint32_t all = (1u << in->rank) - 1;
    int64_t n = ev_has(in, n_in, 1) ? (int64_t)adze_value_count(&in[1]) : 0;
    *out_set = n == 0 && !noop ? all : 0;
    for (int64_t k = 0; k < n; k++) {
        uint32_t axis;
        if (!ev_axis(ev_get_i64(&in[1], k), in->rank, &axis)) return false;
        *out_set |= 1u << axis;
    }
    return true;
}

static adze_status reduce(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                          reduce_kind kind, bool keepdims, bool noop)
{
    uint32_t set;
    groups g;
    if (!ev_is_number(in->dtype)) return ev_bad_dtype(env);
    if (!reduced_axes(in, n_in, noop, &set)) return ev_fail(env, ADZE_ERR_VALUE, "reduce: axis out of range");
    group(in, set, keepdims, &g);
    adze_status status = ev_result(env, out, in->dtype, g.out_rank, g.out_dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    bool in_ints = ev_is_int(in->dtype) && kind != L2 && kind != LOG_SUM && kind != LOG_SUM_EXP;
    int64_t index[ADZE_MAX_RANK] = {0}, to = 0;
    do {
        int64_t first = offset_of(g.n_kept, index, g.kept_stride);
        if (in_ints) {
            int64_t v = reduce_int(in, &g, first, kind);
            ev_store_i64(in->dtype, out->data, to++, 1, 1, &v);
        } else {
            double v = reduce_f64(in, &g, first, kind);
            ev_store_f64(in->dtype, out->data, to++, 1, 1, &v);
        }
    } while (ev_next(g.n_kept, g.kept, index));
    return ADZE_OK;
}

#define REDUCTION(name, kind)                                                                      \
    adze_status eval_##name(const adze_env *env, const adze_value *in, uint32_t n_in,              \
                            adze_value *out, uint32_t n_out, const void *attrs)                    \
    {                                                                                              \
        (void)n_out;                                                                               \
        const struct adze_##name##_attrs *a = attrs;                                               \
        return reduce(env, in, n_in, out, kind, a->keepdims != 0, a->noop_with_empty_axes != 0);   \
    }
REDUCTION(reduce_sum, SUM)
REDUCTION(reduce_mean, MEAN)
REDUCTION(reduce_max, MAX)
REDUCTION(reduce_min, MIN)
REDUCTION(reduce_prod, PROD)
REDUCTION(reduce_l1, L1)
REDUCTION(reduce_l2, L2)
REDUCTION(reduce_sum_square, SUM_SQUARE)
REDUCTION(reduce_log_sum, LOG_SUM)
REDUCTION(reduce_log_sum_exp, LOG_SUM_EXP)
#undef REDUCTION

static inline int64_t nan_f32(const float *x, int64_t step, int64_t n, bool last)
{
    int64_t at = last ? n - 1 : 0;
    while (x[at * step] == x[at * step]) at += last ? -1 : 1;
    return at;
}

/* The largest first, for which vectors do, then the block that it lies in, likewise, then where it lies. */
static inline int64_t place_f32(const float *x, int64_t step, int64_t n, float sign, bool last)
{
    enum { BLOCK_SEEN = 64 };
    int32_t best = INT32_MIN, size = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t order = adze_order_f32(x[i * step] * sign), bits = (int32_t)adze_bits_f32(x[i * step]) & INT32_MAX;
        best = order > best ? order : best;
        size = bits > size ? bits : size;
    }
    if (size > ADZE_INF_BITS_F32) return nan_f32(x, step, n, last);
    int64_t left = n;
    for (int found = 0; left > BLOCK_SEEN; left -= BLOCK_SEEN) {
        const float *block = x + (last ? left - BLOCK_SEEN : n - left) * step;
        for (int64_t k = 0; k < BLOCK_SEEN; k++) found |= adze_order_f32(block[k * step] * sign) == best;
        if (found) break;
    }
    int64_t at = last ? left - 1 : n - left;
    while (adze_order_f32(x[at * step] * sign) != best) at += last ? -1 : 1;
    return at;
}

static int64_t extreme_f32(const float *x, int64_t step, int64_t n, bool least, bool last)
{
    float sign = least ? -1.0f : 1.0f;
    return step == 1 ? place_f32(x, 1, n, sign, last) : place_f32(x, step, n, sign, last);
}

/* Index of the extreme of n elements from `first` on. */
static int64_t extreme(const adze_value *in, int64_t first, int64_t step, int64_t n, bool least,
                       bool last)
{
    int64_t at = 0;
    if (in->dtype == ADZE_DTYPE_f32) return extreme_f32((const float *)in->data + first, step, n, least, last);
    if (ev_is_int(in->dtype)) {
        uint64_t flip = ev_is_unsigned(in->dtype) ? 0 : UINT64_C(1) << 63, best = 0;
        if (least) flip = ~flip;
        for (int64_t i = 0; i < n; i++) {
            uint64_t v = (uint64_t)ev_get_i64(in, first + i * step) ^ flip;
            if (i > 0 && (last ? v < best : v <= best)) continue;
            best = v;
            at = i;
        }
        return at;
    }
    double best = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = ev_get_f64(in, first + i * step);
        if (least) v = -v;
        bool better = v > best || (v != v && best == best);
        bool same = v == best || (v != v && best != best);
        if (i > 0 && !better && !(last && same)) continue;
        best = v;
        at = i;
    }
    return at;
}

static adze_status arg_extreme(const adze_env *env, const adze_value *in, adze_value *out,
                               int64_t wanted, bool keepdims, bool least, bool last)
{
    uint32_t axis;
    groups g;
    if (!ev_is_number(in->dtype)) return ev_bad_dtype(env);
    if (!ev_axis(wanted, in->rank, &axis)) return ev_fail(env, ADZE_ERR_VALUE, "argmax: axis out of range");
    group(in, 1u << axis, keepdims, &g);
    adze_status status = ev_result(env, out, ADZE_DTYPE_i64, g.out_rank, g.out_dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    if (in->dims[axis] == 0) return ev_fail(env, ADZE_ERR_DIM, "argmax: the axis has no elements");
    int64_t inner = ev_product(in->dims, axis + 1, in->rank), n = in->dims[axis];
    int64_t count = (int64_t)adze_value_count(out);
    for (int64_t i = 0; i < count; i++)
        ((int64_t *)out->data)[i] =
            extreme(in, i / inner * n * inner + i % inner, inner, n, least, last);
    return ADZE_OK;
}

adze_status eval_argmax(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                        uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_argmax_attrs *a = attrs;
    return arg_extreme(env, in, out, a->axis, a->keepdims != 0, false, a->select_last_index != 0);
}

adze_status eval_argmin(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                        uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_argmin_attrs *a = attrs;
    return arg_extreme(env, in, out, a->axis, a->keepdims != 0, true, a->select_last_index != 0);
}

/* One line of n elements, `step` apart; a negative step walks it backwards. */
static void run_line(const adze_value *in, adze_value *out, int64_t first, int64_t step, int64_t n, bool exclusive,
                     bool product)
{
    bool ints = ev_is_int(in->dtype);
    double so_far = product ? 1 : 0;
    uint64_t wrapped = product ? 1 : 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = first + i * step;
        if (ints) {
            uint64_t before = wrapped, x = (uint64_t)ev_get_i64(in, at);
            wrapped = product ? wrapped * x : wrapped + x;
            int64_t v = (int64_t)(exclusive ? before : wrapped);
            ev_store_i64(in->dtype, out->data, at, 1, 1, &v);
        } else {
            double before = so_far, x = ev_get_f64(in, at);
            so_far = product ? so_far * x : so_far + x;
            ev_store_f64(in->dtype, out->data, at, 1, 1, exclusive ? &before : &so_far);
        }
    }
}

enum { COLUMNS = 64 };

/* The same of f32, for up to COLUMNS lines that lie beside each other: added up together. */
static void run_columns(const float *x, float *y, int64_t step, int64_t n, int64_t width, bool exclusive, bool product)
{
    double so_far[COLUMNS];
    for (int64_t j = 0; j < width; j++) so_far[j] = product ? 1 : 0;
    for (int64_t i = 0; i < n; i++, x += step, y += step)
        for (int64_t j = 0; j < width; j++) {
            double before = so_far[j];
            so_far[j] = product ? before * (double)x[j] : before + (double)x[j];
            y[j] = (float)(exclusive ? before : so_far[j]);
        }
}

static adze_status cumulate(const adze_env *env, const adze_value *in, adze_value *out, bool exclusive, bool reverse,
                            bool product)
{
    uint32_t axis;
    if (!ev_is_number(in->dtype)) return ev_bad_dtype(env);
    if (adze_value_count(&in[1]) != 1 || !ev_axis(ev_get_i64(&in[1], 0), in->rank, &axis))
        return ev_fail(env, ADZE_ERR_VALUE, product ? "cum_prod: axis out of range" : "cum_sum: axis out of range");
    adze_status status = ev_result_like(env, out, in);
    if (status != ADZE_OK || adze_value_count(in) == 0) return status;
    int64_t inner = ev_product(in->dims, axis + 1, in->rank), n = in->dims[axis];
    int64_t lines = (int64_t)adze_value_count(in) / n, width = in->dtype == ADZE_DTYPE_f32 ? COLUMNS : 1;
    if (width > inner) width = inner;
    for (int64_t i = 0; width > 1 && i < lines / inner; i++)
        for (int64_t j = 0; j < inner; j += width) {
            int64_t first = i * n * inner + j + (reverse ? (n - 1) * inner : 0);
            run_columns((const float *)in->data + first, (float *)out->data + first, reverse ? -inner : inner, n,
                        ev_min(width, inner - j), exclusive, product);
        }
    for (int64_t i = 0; width == 1 && i < lines; i++) {
        int64_t first = i / inner * n * inner + i % inner;
        if (reverse)
            run_line(in, out, first + (n - 1) * inner, -inner, n, exclusive, product);
        else
            run_line(in, out, first, inner, n, exclusive, product);
    }
    return ADZE_OK;
}

adze_status eval_cum_sum(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                         const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_cum_sum_attrs *a = attrs;
    return cumulate(env, in, out, a->exclusive != 0, a->reverse != 0, false);
}

adze_status eval_cum_prod(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                          const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_cum_prod_attrs *a = attrs;
    return cumulate(env, in, out, a->exclusive != 0, a->reverse != 0, true);
}
