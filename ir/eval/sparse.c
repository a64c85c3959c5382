/* Weights of which some are zero: stored without them, and packed without them for micro-kernels. */
#include "eval.h"

/* ---- densify ---- */

/* Elements of 4 bits or of whole bytes. */
static void move_element(const adze_value *to, int64_t target, const adze_value *from, int64_t source)
{
    uint32_t bits = adze_dtype_bits((adze_dtype)from->dtype);
    const uint8_t *in = from->data;
    uint8_t *out = to->data;
    if (bits == 4)
        out[target / 2] = (uint8_t)(out[target / 2] | (in[source / 2] >> source % 2 * 4 & 15) << target % 2 * 4);
    else
        memcpy(out + target * (bits / 8), in + source * (bits / 8), bits / 8);
}

/* The elements of a block, which ends where the tensor does; false where the values end first. */
static bool fill_block(adze_value *out, const adze_value *values, const int64_t *first, const int64_t *block,
                       const int64_t *strides, int64_t *taken)
{
    int64_t dims[ADZE_MAX_RANK], index[ADZE_MAX_RANK] = {0};
    for (uint32_t i = 0; i < out->rank; i++) dims[i] = ev_min(block[i], out->dims[i] - first[i]);
    do {
        int64_t at = 0;
        for (uint32_t i = 0; i < out->rank; i++) at += (first[i] + index[i]) * strides[i];
        if (*taken >= values->dims[0]) return false;
        move_element(out, at, values, (*taken)++);
    } while (ev_next(out->rank, dims, index));
    return true;
}

adze_status eval_densify(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                         const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_densify_attrs *a = attrs;
    uint32_t rank = (uint32_t)a->shape.count;
    int64_t grid[ADZE_MAX_RANK], index[ADZE_MAX_RANK] = {0}, first[ADZE_MAX_RANK], strides[ADZE_MAX_RANK], blocks = 1;
    int64_t block[ADZE_MAX_RANK], taken = 0;
    uint32_t bits = adze_dtype_bits((adze_dtype)in->dtype);
    if (a->shape.count > ADZE_MAX_RANK || (a->block.count && a->block.count != rank))
        return ev_fail(env, ADZE_ERR_VALUE, "densify: block does not fit the shape");
    if (in[0].rank != 1 || in[1].rank != 1 || in[1].dtype != ADZE_DTYPE_u8 || (bits != 4 && (!bits || bits % 8)))
        return ev_fail(env, ADZE_ERR_VALUE, "densify: values or bitmap are of no known form");
    for (uint32_t i = 0; i < rank; i++) {
        block[i] = a->block.count ? a->block.data[i] : 1;
        if (block[i] < 1) return ev_fail(env, ADZE_ERR_VALUE, "densify: block does not fit the shape");
    }
    adze_status status = ev_result(env, out, in->dtype, rank, a->shape.data);
    if (status != ADZE_OK) return status;
    bool fits = true;
    for (uint32_t i = 0; i < rank; i++) {
        grid[i] = a->shape.data[i] / block[i] + (a->shape.data[i] % block[i] != 0);
        fits &= !__builtin_mul_overflow(blocks, grid[i], &blocks);
    }
    if (!fits || in[1].dims[0] != blocks / 8 + (blocks % 8 != 0))
        return ev_fail(env, ADZE_ERR_VALUE, "densify: the bitmap is of another size");
    memset(out->data, 0, ev_bytes(out));
    ev_strides(rank, out->dims, strides);
    const uint8_t *bitmap = in[1].data;
    for (int64_t i = 0; fits && i < 8 * in[1].dims[0]; i++) {
        bool kept = bitmap[i / 8] >> i % 8 & 1;
        for (uint32_t d = 0; d < rank; d++) first[d] = index[d] * block[d];
        if (kept) fits = i < blocks && fill_block(out, &in[0], first, block, strides, &taken);
        ev_next(rank, grid, index);
    }
    return fits && taken == in[0].dims[0]
               ? ADZE_OK
               : ev_fail(env, ADZE_ERR_VALUE, "densify: the bitmap is of another number of values");
}

/* ---- pack_kept ---- */

/* f32 weights as what a contraction sums: groups of n columns, steps of k as taps of channels. */
typedef struct weights {
    const float *w;
    int64_t groups, n, channels, taps, last; /* last: taps along the innermost axis */
    int64_t width, panels;                   /* panels: of a group */
    int64_t step[2];                         /* input elements from tap to tap along both axes */
    bool kn;
} weights;

static int64_t source(const weights *x, int64_t g, int64_t j, int64_t c, int64_t t)
{
    return x->kn ? c * x->n + j : ((g * x->n + j) * x->channels + c) * x->taps + t;
}

static bool is_kept(const weights *x, int64_t g, int64_t panel, int64_t c, int64_t t)
{
    for (int64_t j = panel * x->width; j < (panel + 1) * x->width && j < x->n; j++)
        if (x->w[source(x, g, j, c, t)] != 0) return true; /* NaN, too */
    return false;
}

/* All rows in order: `to` is NULL to count them. */
static int64_t pack_rows(const weights *x, int64_t rows, int32_t *to)
{
    int64_t n = 0, panels = x->groups * x->panels;
    int32_t *at = to ? to + panels + 1 : NULL, *values = to ? to + (panels + 1 + rows + 15) / 16 * 16 : NULL;
    for (int64_t p = 0; p < panels; p++) {
        int64_t g = p / x->panels, panel = p % x->panels;
        for (int64_t t = 0; t < x->taps; t++)
            for (int64_t c = 0; c < x->channels; c++) {
                if (!is_kept(x, g, panel, c, t)) continue;
                for (int64_t j = 0; to && j < x->width && panel * x->width + j < x->n; j++)
                    memcpy(values + n * x->width + j, x->w + source(x, g, panel * x->width + j, c, t), sizeof *x->w);
                if (to) at[n] = (int32_t)(t / x->last * x->step[0] + t % x->last * x->step[1] + c);
                n++;
            }
        if (to) to[p + 1] = (int32_t)n;
    }
    return n;
}

/* Are the numbers that go into 32 bits small enough for them? */
static bool fits_words(const weights *x, int64_t rows)
{
    double furthest = (double)x->channels, words = 16.0 + (double)rows * (1.0 + (double)x->width);
    furthest += (double)(x->taps / x->last) * (double)x->step[0] + (double)x->last * (double)x->step[1];
    return furthest < INT32_MAX && words + (double)x->groups * (double)x->panels < INT32_MAX;
}

adze_status eval_pack_kept(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                           const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_pack_kept_attrs *a = attrs;
    bool conv = ev_text_is(a->form, "conv"), kn = ev_text_is(a->form, "kn"), nk = ev_text_is(a->form, "nk");
    uint32_t rank = in->rank, spatial = conv && rank > 2 ? rank - 2 : 0;
    bool fits = (conv && spatial && spatial <= 2) || ((kn || nk) && rank == 2 && a->group == 1);
    if (!fits || in->dtype != ADZE_DTYPE_f32 || a->width < 1 || a->width > 64 || a->group < 1 || a->rows < 0 ||
        a->steps.count != spatial)
        return ev_fail(env, ADZE_ERR_VALUE, "pack_kept: form, width, group or steps do not fit the weights");
    weights x = {.w = in->data,
                 .groups = a->group,
                 .channels = in->dims[kn ? 0 : 1],
                 .taps = 1,
                 .last = 1,
                 .width = a->width,
                 .kn = kn};
    x.n = in->dims[kn ? 1 : 0] / a->group;
    x.panels = (x.n + a->width - 1) / a->width;
    if (spatial) {
        x.taps = ev_product(in->dims, 2, rank);
        x.last = ev_max(in->dims[rank - 1], 1);
        x.step[1] = a->steps.data[spatial - 1];
        x.step[0] = spatial > 1 ? a->steps.data[0] : 0;
    }
    if (x.step[0] < 0 || x.step[1] < 0 || !fits_words(&x, a->rows))
        return ev_fail(env, ADZE_ERR_VALUE, "pack_kept: the steps or the weights are too large");
    if (pack_rows(&x, 0, NULL) != a->rows)
        return ev_fail(env, ADZE_ERR_VALUE, "pack_kept: the rows that are not zero are not as many as it says");
    int64_t size = (x.groups * x.panels + 1 + a->rows + 15) / 16 * 16 + a->rows * a->width;
    adze_status status = ev_result(env, out, ADZE_DTYPE_i32, 1, &size);
    if (status != ADZE_OK) return status;
    memset(out->data, 0, ev_bytes(out));
    pack_rows(&x, a->rows, out->data);
    return ADZE_OK;
}

/* ---- pack_masked ---- */

static bool is_zero(const uint8_t *element, uint32_t size)
{
    uint32_t any = 0;
    for (uint32_t i = 0; i < size; i++) any |= element[i];
    return !any;
}

adze_status eval_pack_masked(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out, uint32_t n_out,
                             const void *attrs)
{
    (void)n_in, (void)n_out;
    const struct adze_pack_masked_attrs *a = attrs;
    uint32_t size = adze_dtype_bits((adze_dtype)in->dtype) / 8;
    if (in->rank != 4 || (size != 1 && size != 4) || a->kept < 0 || a->kept > INT32_MAX / 2)
        return ev_fail(env, ADZE_ERR_VALUE, "pack_masked: no panels of elements of 1 or 4 bytes");
    int64_t panels = in->dims[0] * in->dims[1], each = in->dims[2] * in->dims[3], n = 0;
    int64_t head = (4 * (panels + 1) + (panels * each + 7) / 8 + 63) / 64 * 64, bytes = head + a->kept * size + 64;
    const uint8_t *from = in->data;
    for (int64_t i = 0; i < panels * each; i++) n += !is_zero(from + i * size, size);
    if (n != a->kept) return ev_fail(env, ADZE_ERR_VALUE, "pack_masked: another number of elements is not zero");
    adze_status status = ev_result(env, out, ADZE_DTYPE_u8, 1, &bytes);
    if (status != ADZE_OK) return status;
    memset(out->data, 0, ev_bytes(out));
    uint8_t *to = out->data, *mask = to + 4 * (panels + 1), *values = to + head;
    for (int64_t i = n = 0; i < panels * each; i++) {
        if (is_zero(from + i * size, size)) continue;
        mask[i / 8] = (uint8_t)(mask[i / 8] | 1u << i % 8);
        memcpy(values + n++ * size, from + i * size, size);
        int32_t end = (int32_t)n;
        memcpy(to + 4 * (i / each + 1), &end, sizeof end);
    }
    for (int64_t p = 0; p < panels; p++) { /* empty panels end where those before them do */
        int32_t before, end;
        memcpy(&before, to + 4 * p, sizeof before);
        memcpy(&end, to + 4 * (p + 1), sizeof end);
        if (end < before) memcpy(to + 4 * (p + 1), &before, sizeof before);
    }
    return ADZE_OK;
}
