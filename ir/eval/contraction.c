/* matmul, gemm and attention, and the packing of weights into panels. */
#include "copy.h"
#include "math.h"
#include "product.h"

/* Two strided matrices and where their product goes: result = alpha * sum (+ beta * c). */
typedef struct matrices {
    const adze_value *a, *b, *c;
    const adze_value *a_zero, *b_zero; /* matmul_integer: subtracted; one, or one a row and one a column */
    adze_value *out;
    int64_t a0, a_m, a_k; /* offset and strides, in elements */
    int64_t b0, b_k, b_n;
    int64_t c_m, c_n;
    int64_t out0, out_m, out_n;
    double alpha, beta;
    bool ints, single; /* see ev_factors */
} matrices;

static void load_row(const void *self, int64_t m, int64_t k, int64_t count, void *out)
{
    const matrices *x = self;
    ev_load_block(x->ints, x->a->dtype, x->a->data, x->a0 + m * x->a_m + k * x->a_k, x->a_k, count, out);
    if (x->a_zero) ev_subtract(out, count, ev_get_i64(x->a_zero, ev_count_one(x->a_zero) ? 0 : m));
}

static void load_panel(const void *self, int64_t k, int64_t k_count, int64_t n, int64_t n_count,
                       void *out)
{
    const matrices *x = self;
    for (int64_t i = 0; i < k_count; i++)
        ev_load_block(x->ints, x->b->dtype, x->b->data, x->b0 + (k + i) * x->b_k + n * x->b_n, x->b_n,
                      n_count, (uint8_t *)out + (size_t)i * PRODUCT_N * 8);
    if (!x->b_zero) return;
    bool one = ev_count_one(x->b_zero);
    for (int64_t i = 0; i < k_count; i++)
        for (int64_t j = 0; j < n_count; j++)
            ev_subtract((uint8_t *)out + (size_t)(i * PRODUCT_N + j) * 8, 1, ev_get_i64(x->b_zero, one ? 0 : n + j));
}

/* A number that int64 has. */
static bool is_whole(double x) { return x >= -0x1p63 && x < 0x1p63 && (double)(int64_t)x == x; }

static void store_row(const void *self, int64_t m, int64_t n, int64_t count, void *sums)
{
    const matrices *x = self;
    double c[PRODUCT_N], *f = sums;
    int64_t ci[PRODUCT_N], *s = sums;
    bool whole = is_whole(x->alpha) && is_whole(x->beta);
    if (x->c)
        ev_load_block(x->ints, x->c->dtype, x->c->data, m * x->c_m + n * x->c_n, x->c_n, count,
                      x->ints ? (void *)ci : c);
    if (x->ints) {
        for (int64_t i = 0; i < count; i++) {
            if (!whole) { /* of a sum with parts an integer is left */
                double v = x->alpha * (double)s[i] + (x->c ? x->beta * (double)ci[i] : 0);
                ev_store_f64(ADZE_DTYPE_i64, s, i, 1, 1, &v);
                continue;
            }
            uint64_t v = (uint64_t)s[i] * (uint64_t)(int64_t)x->alpha;
            if (x->c) v += (uint64_t)ci[i] * (uint64_t)(int64_t)x->beta;
            s[i] = (int64_t)v;
        }
    } else if (x->single) {
        for (int64_t i = 0; i < count; i++) {
            float v = (float)f[i] * (float)x->alpha;
            if (x->c) v += (float)c[i] * (float)x->beta;
            f[i] = (double)v;
        }
    } else if (x->c || x->alpha != 1) {
        for (int64_t i = 0; i < count; i++) f[i] = x->alpha * f[i] + (x->c ? x->beta * c[i] : 0);
    }
    ev_store_block(x->ints, x->out->dtype, x->out->data, x->out0 + m * x->out_m + n * x->out_n, x->out_n, count, sums);
}

static ev_factors factors(const adze_env *env, const matrices *x, int64_t m, int64_t n, int64_t k)
{
    return (ev_factors){.env = env,
                        .self = x,
                        .m = m,
                        .n = n,
                        .k = k,
                        .ints = x->ints,
                        .single = x->single,
                        .row = load_row,
                        .panel = load_panel,
                        .take = store_row};
}

/* Dims of the operands as stacks of matrices; a vector is a row of a, a column of b. */
static adze_status multiply(const adze_env *env, matrices x, uint32_t dtype)
{
    const adze_value *a = x.a, *b = x.b;
    adze_value *out = x.out;
    if (a->rank < 1 || b->rank < 1) return ev_fail(env, ADZE_ERR_RANK, "matmul: an operand has no dims");
    int64_t m = a->rank > 1 ? a->dims[a->rank - 2] : 1, k = a->dims[a->rank - 1];
    int64_t n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    if (b->dims[b->rank > 1 ? b->rank - 2 : 0] != k) return ev_fail(env, ADZE_ERR_DIM, "matmul: inner dims differ");
    adze_value a_batch = {.rank = a->rank > 2 ? a->rank - 2 : 0, .dims = a->dims};
    adze_value b_batch = {.rank = b->rank > 2 ? b->rank - 2 : 0, .dims = b->dims};
    int64_t dims[ADZE_MAX_RANK] = {0}, a_strides[ADZE_MAX_RANK], b_strides[ADZE_MAX_RANK];
    uint32_t rank = 0;
    if (!ev_broadcast(&rank, dims, a_batch.rank, a_batch.dims) ||
        !ev_broadcast(&rank, dims, b_batch.rank, b_batch.dims) ||
        !ev_broadcast_strides(&a_batch, rank, dims, a_strides) ||
        !ev_broadcast_strides(&b_batch, rank, dims, b_strides))
        return ev_fail(env, ADZE_ERR_DIM, "matmul: batch dims do not broadcast together");
    uint32_t batch = rank;
    if (a->rank > 1) dims[rank++] = m;
    if (b->rank > 1) dims[rank++] = n;
    if ((x.a_zero && !ev_count_one(x.a_zero) && (int64_t)adze_value_count(x.a_zero) != m) ||
        (x.b_zero && !ev_count_one(x.b_zero) && (int64_t)adze_value_count(x.b_zero) != n))
        return ev_fail(env, ADZE_ERR_DIM, "matmul_integer: zero points do not fit");
    adze_status status = ev_result(env, out, dtype, rank, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    ev_blocks blocks = ev_blocks_make(env);
    if (!blocks.sums) return ev_no_memory(env);
    x.a_m = k;
    x.b_k = x.out_m = n;
    x.a_k = x.b_n = x.out_n = 1;
    x.alpha = 1;
    x.ints = ev_is_int(a->dtype);
    x.single = ev_strict(env, a->dtype);
    int64_t index[ADZE_MAX_RANK] = {0};
    do {
        int64_t a_at = 0, b_at = 0;
        for (uint32_t i = 0; i < batch; i++) {
            a_at += index[i] * a_strides[i];
            b_at += index[i] * b_strides[i];
        }
        x.a0 = a_at * m * k;
        x.b0 = b_at * k * n;
        ev_factors f = factors(env, &x, m, n, k);
        ev_multiply(&f, &blocks);
        x.out0 += m * n;
    } while (ev_next(batch, dims, index));
    return ADZE_OK;
}

adze_status eval_matmul(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                        uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out, (void)attrs;
    if (in[0].dtype != in[1].dtype || !ev_is_number(in[0].dtype)) return ev_bad_dtype(env);
    return multiply(env, (matrices){.a = &in[0], .b = &in[1], .out = out}, in->dtype);
}

adze_status eval_matmul_integer(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                                uint32_t n_out, const void *attrs)
{
    (void)n_out, (void)attrs;
    if (!ev_is_int(in[0].dtype) || !ev_is_int(in[1].dtype)) return ev_bad_dtype(env);
    matrices x = {.a = &in[0], .b = &in[1], .a_zero = ev_has(in, n_in, 2) ? &in[2] : NULL,
                  .b_zero = ev_has(in, n_in, 3) ? &in[3] : NULL, .out = out};
    return multiply(env, x, ADZE_DTYPE_i32);
}

adze_status eval_gemm(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                      uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_gemm_attrs *at = attrs;
    const adze_value *a = &in[0], *b = &in[1];
    bool t_a = at->transA != 0, t_b = at->transB != 0, has_c = ev_has(in, n_in, 2);
    if (a->dtype != b->dtype || !ev_is_number(a->dtype)) return ev_bad_dtype(env);
    if (a->rank != 2 || b->rank != 2) return ev_fail(env, ADZE_ERR_RANK, "gemm: an operand is no matrix");
    int64_t k = a->dims[t_a ? 0 : 1], dims[2] = {a->dims[t_a ? 1 : 0], b->dims[t_b ? 0 : 1]}, c[2] = {0, 0};
    if (b->dims[t_b ? 1 : 0] != k) return ev_fail(env, ADZE_ERR_DIM, "gemm: inner dims differ");
    if (has_c && (in[2].dtype != a->dtype || !ev_broadcast_strides(&in[2], 2, dims, c)))
        return ev_fail(env, ADZE_ERR_DIM, "gemm: the bias does not broadcast to the result");
    adze_status status = ev_result(env, out, a->dtype, 2, dims);
    if (status != ADZE_OK) return status;
    ev_blocks blocks = ev_blocks_make(env);
    if (!blocks.sums) return ev_no_memory(env);
    matrices x = {.a = a, .b = b, .c = has_c && at->beta != 0 ? &in[2] : NULL, .out = out,
                  .a_m = t_a ? 1 : k, .a_k = t_a ? dims[0] : 1, .b_k = t_b ? 1 : dims[1], .b_n = t_b ? k : 1,
                  .c_m = c[0], .c_n = c[1], .out_m = dims[1], .out_n = 1,
                  .alpha = at->alpha, .beta = at->beta, .ints = ev_is_int(a->dtype),
                  .single = ev_strict(env, a->dtype)};
    ev_factors f = factors(env, &x, dims[0], dims[1], k);
    ev_multiply(&f, &blocks);
    return ADZE_OK;
}

/* ---- Attention ---- */

/* scores[j] += mask, for one row of scores; a bool mask forbids where it is false. */
static void add_mask(const adze_value *mask, int64_t at, int64_t step, int64_t n, double *scores)
{
    for (int64_t j = 0; j < n; j++) {
        double v = ev_get_f64(mask, at + j * step);
        if (mask->dtype == ADZE_DTYPE_bool)
            scores[j] = v != 0 ? scores[j] : -ev_inf();
        else
            scores[j] += v;
    }
}

static void softmax(double *x, int64_t n)
{
    double max = -ev_inf(), sum = 0;
    for (int64_t i = 0; i < n; i++) max = x[i] > max || x[i] != x[i] ? x[i] : max;
    for (int64_t i = 0; i < n; i++) {
        x[i] = adze_body_exp_f64(x[i] - max);
        sum += x[i];
    }
    for (int64_t i = 0; i < n; i++) x[i] /= sum;
}

/* Query i looks at keys i - window[0] to i + window[1]. */
static void forbid_far(const int64_t *window, int64_t i, int64_t n, double *scores)
{
    for (int64_t j = 0; j < i && i - j > window[0]; j++) scores[j] = -ev_inf();
    for (int64_t j = n - 1; j > i && j - i > window[1]; j--) scores[j] = -ev_inf();
}

typedef struct attending {
    const adze_value *in, *mask; /* mask: NULL = none */
    const int64_t *window;       /* [heads or 1][2]; NULL = all keys */
    int64_t mask_strides[4], window_step;
    double scale;
    double *scores;
} attending;

/* Rows of scores times the values of the keys that each looks at: others are not read, whatever they hold. */
static void mix_near(const attending *at, adze_value *out, int64_t head)
{
    const adze_value *v = &at->in[2];
    int64_t rows = at->in[0].dims[2], keys = v->dims[2], width = v->dims[3];
    const int64_t *window = at->window + head % at->in[0].dims[1] * at->window_step;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < width; c++) {
            double sum = 0;
            for (int64_t j = i > window[0] ? i - window[0] : 0; j < keys && j - i <= window[1]; j++)
                sum += at->scores[i * keys + j] * ev_get_f64(v, (head * keys + j) * width + c);
            ev_store_f64(out->dtype, out->data, (head * rows + i) * width + c, 1, 1, &sum);
        }
}

/* One head: scores in double, between the two products. */
static void attend(const adze_env *env, const attending *at, adze_value *out, const ev_blocks *blocks, int64_t head)
{
    const adze_value *q = &at->in[0], *k = &at->in[1], *v = &at->in[2];
    double *scores = at->scores;
    int64_t rows = q->dims[2], depth = q->dims[3], keys = k->dims[2], width = v->dims[3];
    adze_value s = {.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f64, .data = scores};
    matrices x = {.a = q, .b = k, .out = &s, .a0 = head * rows * depth, .a_m = depth, .a_k = 1,
                  .b0 = head * keys * depth, .b_k = 1, .b_n = depth, .out_m = keys, .out_n = 1, .alpha = at->scale};
    ev_factors f = factors(env, &x, rows, keys, depth);
    ev_multiply(&f, blocks);
    int64_t heads = q->dims[1];
    const int64_t *step = at->mask_strides;
    for (int64_t i = 0; i < rows; i++) {
        if (at->mask)
            add_mask(at->mask, head / heads * step[0] + head % heads * step[1] + i * step[2], step[3], keys,
                     scores + i * keys);
        if (at->window) forbid_far(at->window + head % heads * at->window_step, i, keys, scores + i * keys);
        softmax(scores + i * keys, keys);
    }
    if (at->window) {
        mix_near(at, out, head);
        return;
    }
    x = (matrices){.a = &s, .b = v, .out = out, .a_m = keys, .a_k = 1, .b0 = head * keys * width, .b_k = width,
                   .b_n = 1, .out0 = head * rows * width, .out_m = width, .out_n = 1, .alpha = 1};
    f = factors(env, &x, rows, width, keys);
    ev_multiply(&f, blocks);
}

static adze_status read_window(const adze_env *env, const adze_value *window, attending *at)
{
    const int64_t *q = at->in[0].dims, *k = at->in[1].dims;
    if (window->dtype != ADZE_DTYPE_i64) return ev_bad_dtype(env);
    if (window->rank != 2 || window->dims[1] != 2 || (window->dims[0] != 1 && window->dims[0] != q[1]) || q[2] != k[2])
        return ev_fail(env, ADZE_ERR_DIM, "attention: the window does not fit the heads, queries and keys");
    at->window = window->data;
    at->window_step = window->dims[0] == 1 ? 0 : 2;
    for (int64_t i = 0; i < 2 * window->dims[0]; i++)
        if (at->window[i] < 0) return ev_fail(env, ADZE_ERR_VALUE, "attention: the window has a side below 0");
    return ADZE_OK;
}

adze_status eval_attention(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                           uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_attention_attrs *a = attrs;
    for (uint32_t i = 0; i < 3; i++)
        if (in[i].rank != 4 || in[i].dtype != in->dtype || !ev_is_float(in[i].dtype))
            return ev_fail(env, ADZE_ERR_DTYPE, "attention: operands are not floats of rank 4");
    const int64_t *q = in[0].dims, *k = in[1].dims, *v = in[2].dims;
    if (q[0] != k[0] || q[0] != v[0] || q[1] != k[1] || q[1] != v[1] || q[3] != k[3] || k[2] != v[2])
        return ev_fail(env, ADZE_ERR_DIM, "attention: queries, keys and values do not agree");
    int64_t dims[4] = {q[0], q[1], q[2], v[3]}, scores_dims[4] = {q[0], q[1], q[2], k[2]};
    attending at = {.in = in, .mask = ev_has(in, n_in, 3) ? &in[3] : NULL, .scale = a->scale};
    if (at.mask && !ev_is_number(at.mask->dtype)) return ev_bad_dtype(env);
    if (at.mask && !ev_broadcast_strides(at.mask, 4, scores_dims, at.mask_strides))
        return ev_fail(env, ADZE_ERR_DIM, "attention: the mask does not broadcast to the scores");
    adze_status status = ev_has(in, n_in, 4) ? read_window(env, &in[4], &at) : ADZE_OK;
    if (status == ADZE_OK) status = ev_result(env, out, in->dtype, 4, dims);
    if (status != ADZE_OK || adze_value_count(out) == 0) return status;
    ev_blocks blocks = ev_blocks_make(env);
    at.scores = ev_scratch(env, (uint64_t)q[2] * (uint64_t)k[2], sizeof(double));
    if (!blocks.sums || !at.scores) return ev_no_memory(env);
    for (int64_t head = 0; head < q[0] * q[1]; head++) attend(env, &at, out, &blocks, head);
    return ADZE_OK;
}

/* ---- Panels ---- */

/* Where the elements of weights go, and how they lie there. */
typedef struct panels {
    const uint8_t *from;
    uint8_t *to;
    uint32_t size;      /* bytes of an element of both; 0 = codes of 4 bits are read, or written */
    bool reads_4, writes_4;
} panels;

/* False where the code needs more than 4 bits. */
static bool move_code(const panels *p, int64_t source, int64_t target)
{
    int code = p->reads_4 ? ((p->from[source / 2] >> source % 2 * 4 & 15) ^ 8) - 8 : (int8_t)p->from[source];
    if (!p->writes_4)
        p->to[target] = (uint8_t)code;
    else
        p->to[target / 2] = (uint8_t)(p->to[target / 2] | (code & 15) << target % 2 * 4);
    return !p->writes_4 || (code >= -8 && code <= 7);
}

adze_status eval_pack_panels(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                             uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_pack_panels_attrs *a = attrs;
    bool conv = ev_text_is(a->form, "conv"), kn = ev_text_is(a->form, "kn"), nk = ev_text_is(a->form, "nk");
    bool vector = ev_text_is(a->form, "n");
    int64_t width = a->width, groups = a->group, by = a->interleave, run = a->run;
    if ((!conv && !kn && !nk && !vector) || width < 1 || groups < 1 || by < 1 || run < 1 ||
        (vector ? in->rank != 1 : in->rank < 2) || ((kn || nk) && (in->rank != 2 || groups != 1)))
        return ev_fail(env, ADZE_ERR_VALUE, "pack_panels: form, width or group does not fit the weights");
    panels p = {.from = in->data, .reads_4 = in->dtype == ADZE_DTYPE_i4, .writes_4 = a->bits == 4};
    if (a->bits && (!p.writes_4 || width * by % 2 || (!p.reads_4 && in->dtype != ADZE_DTYPE_i8)))
        return ev_fail(env, ADZE_ERR_VALUE, "pack_panels: bits do not fit the weights");
    if (adze_dtype_bits((adze_dtype)in->dtype) < 8 && !p.reads_4) return ev_bad_dtype(env);
    int64_t taps = conv ? ev_product(in->dims, 2, in->rank) : 1, channels = vector ? 1 : in->dims[kn ? 0 : 1];
    int64_t n = in->dims[kn ? 1 : 0] / groups, per_run = (run * channels + by - 1) / by;
    if (taps % run) return ev_fail(env, ADZE_ERR_VALUE, "pack_panels: run does not divide the window");
    int64_t dims[4] = {groups, (n + width - 1) / width, taps / run * per_run, width * by / (p.writes_4 ? 2 : 1)};
    adze_dtype dtype = p.writes_4 ? ADZE_DTYPE_u8 : p.reads_4 ? ADZE_DTYPE_i8 : (adze_dtype)in->dtype;
    adze_status status = ev_result(env, out, dtype, 4, dims);
    if (status != ADZE_OK) return status;
    p.size = p.reads_4 || p.writes_4 ? 0 : ev_size(in->dtype);
    p.to = out->data;
    memset(out->data, 0, ev_bytes(out));
    bool fits = true;
    for (int64_t g = 0; g < groups; g++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t c = 0; c < channels; c++)
                for (int64_t t = 0; t < taps; t++) {
                    int64_t source = kn ? c * n + j : ((g * n + j) * channels + c) * taps + t;
                    int64_t at = t % run * channels + c; /* in the run */
                    int64_t row = (g * dims[1] + j / width) * dims[2] + t / run * per_run + at / by;
                    int64_t target = (row * width + j % width) * by + at % by;
                    if (p.size)
                        memcpy(p.to + target * p.size, p.from + source * p.size, p.size);
                    else
                        fits &= move_code(&p, source, target);
                }
    return fits ? ADZE_OK : ev_fail(env, ADZE_ERR_VALUE, "pack_panels: a code does not fit 4 bits");
}
