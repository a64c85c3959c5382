/* quantize-fuse: contractions of dequantized operands sum in integers.
 *
 * With x = (q - z) s and w = c t per output channel, sum(x w) + b = s t (sum(q c) + round(b / (s t)) - z sum(c)). What
 * stands in the second bracket behind the sum is a constant, added once. Borders hold z, so that they add nothing.
 *
 *     %x = dequantize(%q, @s, @z)                 %0 = conv_integer(%q, @c) : i32[…]
 *     %w = dequantize(@c, @t)              →      %1 = add(%0, @c.sums) : i32[…]
 *     %y = conv(%x, %w, @b) : f32[…]              %y = dequantize(%1, @st) {axis = 1} : f32[…]
 *
 * Zero points of conv_integer and matmul_integer go the same way, and u8 weights that i8 holds.
 */
#include "passes/integer/integer.h"

#include <adze/window.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A contraction of u8 codes with constant weights. */
typedef struct contraction {
    adze_op *op, *last;       /* last: op, or the add of its bias behind it */
    bool conv, transposed;    /* transposed: gemm's weights are [n, k] */
    adze_ir_value *x;         /* codes: u8, or i8 that move by 128 */
    bool is_signed;
    adze_ir_value *zero;      /* of x, where it is no constant; or NULL … */
    int64_t z;                /* … and this it is */
    adze_ir_value *row_scale; /* one a row, found at run time; or NULL */
    adze_ir_value *behind;    /* what is added to the numbers, where it is no part of the sums; or NULL */
    float s;                  /* 1 where sums are asked for, not numbers */
    float *each;              /* in place of s: one a channel of x, where each output channel reads one; or NULL */
    uint64_t n_each;
    adze_const *weights;      /* codes */
    int64_t *w;               /* less their zero points */
    uint64_t n_w;
    int64_t n;                /* output channels */
    float *scales;            /* s t, one an output channel; NULL where sums are asked for */
    double *bias;             /* one an output channel, or NULL */
    int64_t *sums;            /* of the weights of an output channel */
} contraction;

static void drop(contraction *c)
{
    free(c->each);
    free(c->w);
    free(c->scales);
    free(c->bias);
    free(c->sums);
}

static void *take(uint64_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) abort();
    return memory;
}

/* The output channel that element `i` of the weights belongs to. */
static int64_t channel_of(const contraction *c, uint64_t i)
{
    if (c->conv || c->transposed) return (int64_t)(i / (c->n_w / (uint64_t)c->n));
    return (int64_t)(i % (uint64_t)c->n);
}

static int64_t weight_axis(const contraction *c) { return c->conv || c->transposed ? 0 : 1; }

/* Codes of the weights without their zero points (one, or one an output channel), and their sums. */
static bool read_weights(contraction *c, const adze_const *zero)
{
    const adze_type *type = adze_const_type(c->weights);
    uint64_t n_zero = 1;
    if (!c->conv && adze_type_rank(type) != 2) return false;
    if (!adze_dim_is_const(adze_type_dim(type, (uint32_t)weight_axis(c)), &c->n) || c->n < 1) return false;
    int64_t *zeros = zero ? integer_read(zero, &n_zero) : NULL;
    c->w = !zero || zeros ? integer_read(c->weights, &c->n_w) : NULL;
    bool ok = c->w && (n_zero == 1 || n_zero == (uint64_t)c->n);
    c->sums = take((uint64_t)c->n, sizeof *c->sums);
    for (uint64_t i = 0; ok && i < c->n_w; i++) {
        int64_t n = channel_of(c, i);
        if (zeros) c->w[i] -= zeros[n_zero == 1 ? 0 : n];
        c->sums[n] += c->w[i];
        ok = c->w[i] >= INT16_MIN && c->w[i] <= INT16_MAX;
    }
    free(zeros);
    return ok;
}

/* s t; false where a number leaves f32. */
static bool read_scales(contraction *c, const quantized *w)
{
    uint64_t n;
    float *t = integer_read_reals(w->scale, &n);
    bool ok = t && (n == 1 || (n == (uint64_t)c->n && w->axis == weight_axis(c)));
    ok = ok && (!c->each || (uint64_t)c->n % c->n_each == 0);
    c->scales = take((uint64_t)c->n, sizeof *c->scales);
    for (int64_t i = 0; ok && i < c->n; i++) {
        double s = (double)(c->each ? c->each[(uint64_t)i / ((uint64_t)c->n / c->n_each)] : c->s);
        c->scales[i] = (float)(s * (double)t[n == 1 ? 0 : i]);
        ok = c->scales[i] >= 0x1p-100F && c->scales[i] <= 0x1p100F;
    }
    free(t);
    return ok;
}

/* One number, or one an output channel along the last axis. */
static bool along_channels(const contraction *c, const adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    uint32_t rank = adze_type_is_ranked(type) ? adze_type_rank(type) : ADZE_MAX_RANK;
    if (adze_dim_is_value(adze_type_count(type), 1)) return true;
    return rank >= 1 && rank <= 2 && adze_dim_is_value(adze_type_dim(type, rank - 1), c->n) &&
           adze_dim_is_value(adze_type_count(type), c->n);
}

/* Numbers of a constant, one or one an output channel; dequantized ones, too. */
static double *read_bias(const contraction *c, const adze_ir_value *value)
{
    if (!along_channels(c, value)) return NULL;
    quantized q;
    uint64_t count = 0, n_scales = 1, n_zeros = 1;
    const adze_const *constant = adze_value_const(value);
    double *out = NULL;
    if (constant) {
        float *b = integer_read_reals(constant, &count);
        if (b && (count == 1 || count == (uint64_t)c->n)) {
            out = take((uint64_t)c->n, sizeof *out);
            for (int64_t i = 0; i < c->n; i++) out[i] = (double)b[count == 1 ? 0 : i];
        }
        free(b);
    } else if (integer_dequantized(value, &q) && adze_value_const(q.codes)) {
        int64_t *codes = integer_read(adze_value_const(q.codes), &count);
        int64_t *zeros = q.zero ? integer_read(q.zero, &n_zeros) : NULL;
        float *scales = integer_read_reals(q.scale, &n_scales);
        if (codes && scales && count == (uint64_t)c->n && (q.single || n_scales == count)) {
            out = take(count, sizeof *out);
            for (uint64_t i = 0; i < count; i++)
                out[i] = (double)(codes[i] - (zeros ? zeros[n_zeros == 1 ? 0 : i] : 0)) *
                         (double)scales[n_scales == 1 ? 0 : i];
        }
        free(codes);
        free(zeros);
        free(scales);
    }
    for (int64_t i = 0; out && i < c->n; i++)
        if (!isfinite(out[i])) {
            free(out);
            return NULL;
        }
    return out;
}

/* The constant added to the sums of channel n. */
static int64_t added(const contraction *c, int64_t n)
{
    int64_t z = c->zero ? 0 : -c->z * c->sums[n];
    if (!c->bias) return z;
    double b = nearbyint(c->bias[n] / (double)c->scales[n]);
    return fabs(b) < 0x1p40 ? z + (int64_t)b : INT64_MAX / 2;
}

/* No sum leaves 32 bits, whatever the codes are. */
static bool sums_fit(const contraction *c)
{
    int64_t *most = take((uint64_t)c->n, sizeof *most);
    for (uint64_t i = 0; i < c->n_w; i++) {
        int64_t n = channel_of(c, i);
        most[n] += 255 * (c->w[i] < 0 ? -c->w[i] : c->w[i]);
    }
    bool ok = true;
    for (int64_t n = 0; n < c->n; n++) {
        int64_t a = added(c, n), zero = c->zero ? 255 * llabs(c->sums[n]) : 0;
        ok = ok && most[n] + llabs(a) + zero <= INT32_MAX;
    }
    free(most);
    return ok;
}

static adze_ir_value *ints(const contraction *c, const char *suffix, adze_dtype dtype, uint32_t rank, uint32_t axis,
                           const int64_t *values)
{
    adze_context *context = adze_op_context(c->op);
    int64_t dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = i == axis ? c->n : 1;
    const char *name = adze_internf(context, "%s.%s", adze_const_name(c->weights), suffix);
    return integer_const(adze_op_module(c->op), name, adze_type_tensor_const(context, dtype, rank, dims), values,
                         (uint64_t)c->n);
}

/* Weights as i8, or i16 where the zero point takes them beyond; [k, n] for products. */
static adze_ir_value *weights_of(contraction *c)
{
    const adze_type *type = adze_const_type(c->weights);
    adze_context *context = adze_op_context(c->op);
    adze_module *module = adze_op_module(c->op);
    bool narrow = true, same = adze_type_dtype(type) == ADZE_DTYPE_i8;
    for (uint64_t i = 0; i < c->n_w; i++) narrow = narrow && c->w[i] >= INT8_MIN && c->w[i] <= INT8_MAX;
    uint64_t count;
    int64_t *old = same ? integer_read(c->weights, &count) : NULL;
    same = old && narrow && !memcmp(old, c->w, c->n_w * sizeof *old) && !c->transposed;
    free(old);
    if (same) return adze_const_value(c->weights);
    int64_t k = (int64_t)c->n_w / c->n, *values = take(c->n_w, sizeof *values);
    for (uint64_t i = 0; i < c->n_w; i++) {
        int64_t at = (int64_t)i;
        values[c->transposed ? at % k * c->n + at / k : at] = c->w[i];
    }
    adze_dtype dtype = narrow ? ADZE_DTYPE_i8 : ADZE_DTYPE_i16;
    const adze_type *to = c->transposed ? adze_type_tensor_const(context, dtype, 2, (int64_t[]){k, c->n})
                                        : adze_type_with_dtype(type, dtype);
    const char *name = adze_internf(context, "%s.signed", adze_const_name(c->weights));
    adze_ir_value *made = integer_const(module, name, to, values, c->n_w);
    free(values);
    return made;
}

/* ---- Building ---- */

/* x with its zero point around it, as many as the convolution pads; x itself where it pads nothing, or with 0. */
static adze_ir_value *padded(adze_builder *b, contraction *c, adze_ir_value *x, bool *out_done)
{
    adze_window window[ADZE_MAX_RANK];
    const adze_type *type = adze_value_type(x);
    uint32_t rank = adze_type_rank(type), spatial = rank - 2;
    int64_t pads[2 * ADZE_MAX_RANK] = {0}, any = 0;
    *out_done = false;
    if (!c->conv || (!c->zero && !c->z)) return x;
    if (!adze_windows(c->op, spatial, adze_type_dims(type) + 2,
                      adze_type_dims(adze_const_type(c->weights)) + 2, window))
        return NULL;
    for (uint32_t i = 0; i < spatial; i++) {
        if (!adze_dim_is_const(window[i].before, &pads[2 + i])) return NULL;
        if (!adze_dim_is_const(window[i].after, &pads[rank + 2 + i])) return NULL;
        any |= pads[2 + i] | pads[rank + 2 + i];
    }
    if (!any) return x;
    adze_ir_value *fill = c->zero ? c->zero : adze_const_scalar(b->module, "pad.code", ADZE_DTYPE_u8, (double)c->z);
    adze_ir_value *in[] = {x, adze_const_ints(b->module, "pads", pads, (int)(2 * rank)), fill};
    *out_done = true;
    return in[1] && fill ? adze_build1(b, "pad", in, 3, NULL, 0) : NULL;
}

/* The sums with what is added to them; NULL after an error. */
static adze_ir_value *build_sums(adze_builder *b, contraction *c)
{
    adze_ir_value *x = c->is_signed ? integer_shifted(b, c->x) : c->x, *w = weights_of(c);
    bool done;
    adze_op *op = c->op;
    x = x ? padded(b, c, x, &done) : NULL;
    if (!x || !w) return NULL;
    adze_ir_value *in[] = {x, w};
    adze_attr attrs[6];
    uint32_t n = 0;
    static const char *const names[] = {"dilations", "kernel_shape", "strides", "pads"};
    for (uint32_t i = 0; c->conv && i < (done ? 3 : 4); i++)
        if (adze_op_attr_is_set(op, names[i]))
            attrs[n++] = (adze_attr){names[i], ADZE_ATTR_INTS, {.ints = adze_op_attr_ints(op, names[i])}};
    if (c->conv) attrs[n++] = adze_attr_int("group", adze_op_attr_int(op, "group"));
    if (c->conv && !done) attrs[n++] = adze_attr_str("auto_pad", adze_op_attr_str(op, "auto_pad"));
    return adze_build1(b, c->conv ? "conv_integer" : "matmul_integer", in, 2, attrs, n);
}

/* Zero points that are found at run time: acc - zero * sums. */
static adze_ir_value *less_zero(adze_builder *b, contraction *c, adze_ir_value *acc, uint32_t rank, uint32_t axis)
{
    adze_attr to = adze_attr_type("to", ADZE_DTYPE_i32);
    const adze_type *scalar = adze_type_tensor_const(adze_op_context(c->op), ADZE_DTYPE_i32, 0, NULL);
    adze_ir_value *zero = adze_build1(b, "cast", &c->zero, 1, &to, 1);
    adze_ir_value *in[] = {zero, NULL};
    adze_op *one = zero ? adze_build(b, "reshape", in, 2, NULL, 0, &scalar, 1) : NULL;
    adze_ir_value *sums = ints(c, "zero_sums", ADZE_DTYPE_i32, rank, axis, c->sums);
    adze_ir_value *part = one && sums ? adze_build_binary(b, "mul", adze_op_result(one, 0), sums) : NULL;
    return part ? adze_build_binary(b, "sub", acc, part) : NULL;
}

static adze_ir_value *build(adze_map *moved, contraction *c)
{
    adze_op *op = c->op;
    if (c->row_scale && !c->x && !(c->x = integer_move_rows(moved, adze_op_operand(op, 0)))) return NULL;
    adze_builder b = adze_builder_before(op);
    if (c->last != op) adze_builder_inherit(&b, c->last);
    uint32_t rank = adze_type_rank(adze_value_type(adze_op_result(op, 0))), axis = c->conv ? 1 : rank - 1;
    adze_ir_value *acc = build_sums(&b, c);
    int64_t *more = take((uint64_t)c->n, sizeof *more), any = 0;
    for (int64_t i = 0; i < c->n; i++) any |= more[i] = added(c, i);
    adze_ir_value *by = acc && any ? ints(c, "sums", ADZE_DTYPE_i32, rank, axis, more) : NULL;
    free(more);
    if (acc && any) acc = by ? adze_build_binary(&b, "add", acc, by) : NULL;
    if (acc && c->zero) acc = less_zero(&b, c, acc, rank, axis);
    if (!acc || !c->scales) return acc;
    adze_context *context = adze_op_context(op);
    float *scales = take((uint64_t)c->n, sizeof *scales);
    memcpy(scales, c->scales, (uint64_t)c->n * sizeof *scales);
    adze_data *data = adze_data_take(context, scales, (uint64_t)c->n * sizeof *scales);
    const adze_type *type = adze_type_tensor_const(context, ADZE_DTYPE_f32, 1, &c->n);
    const char *name = adze_internf(context, "%s.scales", adze_const_name(c->weights));
    adze_const *made = adze_module_add_const(b.module, name, type, data);
    adze_ir_value *in[] = {acc, made ? adze_const_value(made) : NULL};
    adze_attr attr = adze_attr_int("axis", axis);
    adze_ir_value *y = made ? adze_build1(&b, "dequantize", in, 2, &attr, 1) : NULL;
    if (y && c->row_scale) y = adze_build_binary(&b, "mul", y, c->row_scale);
    return y && c->behind ? adze_build_binary(&b, "add", y, c->behind) : y;
}

/* ---- What fits ---- */

/* Products with operands turned round, or scaled, are left alone. */
static bool plain(const adze_op *op)
{
    if (!adze_op_is(op, "gemm")) return true;
    return !adze_op_attr_int(op, "transA") && adze_op_attr_float(op, "alpha") == 1 &&
           adze_op_attr_float(op, "beta") == 1;
}

/* The only reader of a product adds a constant, one number or one a column: its bias. */
static void bias_behind(contraction *c)
{
    adze_ir_value *y = adze_op_result(c->op, 0);
    adze_op *add = adze_value_num_uses(y) == 1 ? adze_use_op(adze_value_first_use(y)) : NULL;
    if (!adze_op_is(c->op, "matmul") || !add || !adze_op_is(add, "add")) return;
    adze_ir_value *other = adze_op_operand(add, adze_op_operand(add, 0) == y ? 1 : 0);
    const adze_type *type = adze_value_type(other);
    uint32_t rank = adze_type_is_ranked(type) ? adze_type_rank(type) : ADZE_MAX_RANK;
    bool along = rank <= adze_type_rank(adze_value_type(y)) &&
                 (!rank || adze_dim_equal(adze_type_count(type), adze_type_dim(type, rank - 1)));
    if (!along || adze_value_type(adze_op_result(add, 0)) != adze_value_type(y)) return;
    c->bias = read_bias(c, other);
    if (c->bias) c->last = add;
}

/* A scale for each channel of the data of a convolution that sums over one channel at a time. */
static bool scaled_by_channel(contraction *c, const quantized *x)
{
    enum { CHANNELS = 1 };
    if (!c->conv || x->axis != CHANNELS || !integer_one_zero(x, &c->z)) return false;
    c->each = integer_read_reals(x->scale, &c->n_each);
    return c->each && (uint64_t)adze_op_attr_int(c->op, "group") == c->n_each;
}

/* The data: codes on one grid, or one a channel, or rows that find their own scale. */
static bool dequantized_data(adze_map *moved, contraction *c)
{
    quantized x;
    adze_ir_value *value = adze_op_operand(c->op, 0);
    if (integer_dequantized(value, &x)) {
        c->x = x.codes;
        c->is_signed = x.dtype == ADZE_DTYPE_i8;
        c->z = x.z;
        c->s = x.s;
        if (adze_dtype_bits(x.dtype) != 8 || (!x.single && !scaled_by_channel(c, &x))) return false;
        c->z += c->is_signed ? INTEGER_SHIFT : 0;
        return true;
    }
    c->z = INTEGER_SHIFT;
    return !c->conv && integer_row_scaled(moved, value, &c->x, &c->row_scale);
}

static bool dequantized_operands(adze_map *moved, contraction *c)
{
    quantized w;
    adze_op *op = c->op;
    if (!plain(op) || !integer_dequantized(adze_op_operand(op, 1), &w) || !dequantized_data(moved, c)) return false;
    if (!adze_value_const(w.codes) || adze_dtype_bits(w.dtype) > 8) return false;
    c->weights = adze_value_const(w.codes);
    c->transposed = adze_op_is(op, "gemm") && adze_op_attr_int(op, "transB");
    if (!read_weights(c, w.zero) || !read_scales(c, &w)) return false;
    adze_ir_value *bias = adze_op_num_operands(op) > 2 ? adze_op_operand(op, 2) : NULL;
    if (c->row_scale) {
        c->behind = bias;
        return true;
    }
    if (bias && !(c->bias = read_bias(c, bias))) return false;
    if (!bias) bias_behind(c);
    return true;
}

static bool integer_operands(contraction *c)
{
    adze_op *op = c->op;
    adze_ir_value *zero[2] = {adze_op_operand(op, 2), adze_op_operand(op, 3)};
    const adze_type *x = adze_value_type(adze_op_operand(op, 0)), *w = adze_value_type(adze_op_operand(op, 1));
    bool made_for = adze_type_dtype(x) == ADZE_DTYPE_u8 && adze_type_dtype(w) != ADZE_DTYPE_u8;
    if ((!zero[0] && !zero[1] && made_for) || adze_dtype_bits(adze_type_dtype(x)) != 8)
        return false; /* nothing to do, or no kernel */
    c->x = adze_op_operand(op, 0);
    c->weights = adze_value_const(adze_op_operand(op, 1));
    if (!c->weights || (zero[1] && !adze_value_const(zero[1]))) return false;
    if (!read_weights(c, zero[1] ? adze_value_const(zero[1]) : NULL)) return false;
    c->is_signed = adze_type_dtype(x) == ADZE_DTYPE_i8;
    if (c->is_signed) c->z = INTEGER_SHIFT;
    if (!zero[0]) return true;
    if (!adze_dim_is_value(adze_type_count(adze_value_type(zero[0])), 1)) return false;
    uint64_t n;
    int64_t *z = adze_value_const(zero[0]) ? integer_read(adze_value_const(zero[0]), &n) : NULL;
    if (z)
        c->z += z[0];
    else
        c->zero = zero[0];
    free(z);
    return !c->zero || !c->is_signed;
}

static bool pads_are_known(const contraction *c)
{
    adze_window window[ADZE_MAX_RANK];
    int64_t pad;
    if (!c->conv) return true;
    const adze_type *x = adze_value_type(c->x);
    if (!adze_type_is_ranked(x) || adze_type_rank(x) < 3) return false;
    uint32_t spatial = adze_type_rank(x) - 2;
    if (!adze_windows(c->op, spatial, adze_type_dims(x) + 2, adze_type_dims(adze_const_type(c->weights)) + 2, window))
        return false;
    for (uint32_t i = 0; i < spatial; i++)
        if (!adze_dim_is_const(window[i].before, &pad) || !adze_dim_is_const(window[i].after, &pad)) return false;
    return true;
}

static void work_on(integer_run *r, adze_op *op)
{
    adze_dtype dtype = adze_type_dtype(adze_value_type(adze_op_result(op, 0)));
    bool real = dtype == ADZE_DTYPE_f32;
    if (!real && dtype != ADZE_DTYPE_i32) return; /* sums that wrap in few bits */
    contraction c = {.op = op, .last = op, .conv = adze_op_has_trait(op, ADZE_WINDOW), .s = 1};
    bool fits = adze_type_is_ranked(adze_value_type(adze_op_result(op, 0)));
    fits = fits && (real ? dequantized_operands(r->moved, &c) : integer_operands(&c));
    if (fits && pads_are_known(&c) && sums_fit(&c) && adze_rewrite(r->run, op, "integer-sum")) {
        adze_ir_value *to = build(r->moved, &c), *from = adze_op_result(c.last, 0);
        if (to) {
            adze_value_set_name(to, adze_value_name(from));
            adze_value_replace_uses(from, to);
            if (c.last != op) adze_op_erase(c.last);
            adze_op_erase(op);
            r->changed = true;
        } else {
            r->failed = true;
        }
    }
    drop(&c);
}

void integer_contract(integer_run *r, adze_func *func)
{
    for (adze_op *op = adze_region_last(adze_func_body(func)), *above; op && !r->failed; op = above) {
        above = adze_op_prev(op); /* upwards: the add behind a product may go, too */
        if (adze_op_has_trait(op, ADZE_CONTRACTION)) work_on(r, op);
    }
}
