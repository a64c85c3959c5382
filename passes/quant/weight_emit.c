/* Rounded weights as narrow constants with a `dequantize`. */
#include "passes/quant/weights.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where column `col` of `cols` of a row stands in a tensor of the weights' form. */
static size_t place(const weight_matrix *m, size_t row, size_t col, size_t cols)
{
    return m->row_axis == 0 ? row * cols + col : col * m->rows + row;
}

/* Block of a column in `steps`, and its place among a row's scales in the tensor. */
static size_t block_of(const weight_matrix *m, const weight_rounded *r, size_t col, size_t *out_place)
{
    *out_place = 0;
    if (r->blocks == 1) return 0;
    size_t per_tap = r->blocks / m->taps, block = col / m->taps / r->group, tap = col % m->taps;
    *out_place = block * m->taps + tap;
    return tap * per_tap + block;
}

static void put_code(uint8_t *bytes, size_t at, int32_t code, bool nibbles)
{
    if (!nibbles)
        bytes[at] = (uint8_t)code;
    else
        bytes[at / 2] = (uint8_t)(bytes[at / 2] | (code & 15) << (at % 2 * 4));
}

typedef struct tensors {
    uint8_t *codes, *zeros;
    void *scales; /* f32, or f16 */
    size_t n_scales;
} tensors;

/* The bits of a normal number of f16. */
static uint16_t half_bits(double x)
{
    int exponent;
    double part = frexp(x, &exponent); /* from a half to 1 */
    return (uint16_t)((uint32_t)(exponent + 14) << 10 | ((uint32_t)ldexp(part, 11) & 1023));
}

static tensors fill(const weight_matrix *m, const weight_rounded *r, bool nibbles)
{
    size_t n = m->rows * m->cols;
    tensors t = {.n_scales = m->rows * r->blocks};
    t.codes = adze_malloc(n + 1);
    t.zeros = adze_malloc(t.n_scales + 1);
    t.scales = adze_malloc((t.n_scales + 1) * sizeof(float));
    memset(t.codes, 0, n);
    memset(t.zeros, 0, t.n_scales);
    for (size_t i = 0; i < m->rows; i++) {
        for (size_t j = 0; j < m->cols; j++) {
            size_t unused;
            quant_step step = r->steps[i * r->blocks + block_of(m, r, j, &unused)];
            put_code(t.codes, place(m, i, j, m->cols), quant_code(r->grid, step, r->values[i * m->cols + j]), nibbles);
        }
        for (size_t b = 0; b < r->blocks; b++) {
            size_t per_tap = r->blocks / (r->blocks > 1 ? m->taps : 1);
            size_t col = r->blocks > 1 ? b % per_tap * r->group * m->taps + b / per_tap : 0, at;
            quant_step step = r->steps[i * r->blocks + block_of(m, r, col, &at)];
            size_t where = place(m, i, at, r->blocks);
            if (r->grid.half)
                ((uint16_t *)t.scales)[where] = half_bits(step.scale);
            else
                ((float *)t.scales)[where] = (float)step.scale;
            put_code(t.zeros, where, step.zero, nibbles);
        }
    }
    return t;
}

/* Dims of scales: one a row, or those of the weights with blocks for channels. */
static const adze_type *scale_type(const weight_matrix *m, const weight_rounded *r, adze_dtype dtype)
{
    adze_context *context = adze_op_context(m->op);
    const adze_type *type = adze_const_type(m->constant);
    int64_t dims[ADZE_MAX_RANK] = {(int64_t)m->rows};
    if (r->blocks == 1) return adze_type_tensor_const(context, dtype, 1, dims);
    for (uint32_t i = 0; i < adze_type_rank(type); i++) (void)adze_dim_is_const(adze_type_dim(type, i), &dims[i]);
    dims[m->k_axis] = (int64_t)(r->blocks / m->taps);
    return adze_type_tensor_const(context, dtype, adze_type_rank(type), dims);
}

adze_ir_value *weight_emit(const weight_matrix *m, const weight_plan *plan, const weight_rounded *r)
{
    enum { ONNX_FLOAT = 1 }; /* its number of f32 */
    adze_context *context = adze_op_context(m->op);
    adze_module *module = adze_op_module(m->op);
    const char *name = adze_const_name(m->constant);
    bool nibbles = plan->bits <= 4;
    adze_dtype dtype = nibbles ? ADZE_DTYPE_i4 : ADZE_DTYPE_i8;
    tensors t = fill(m, r, nibbles);
    adze_ir_value *in[3] = {0};
    in[0] = adze_const_make(module, adze_internf(context, "%s.codes", name),
                            adze_type_with_dtype(adze_const_type(m->constant), dtype), t.codes);
    in[1] = adze_const_make(module, adze_internf(context, "%s.scale", name),
                            scale_type(m, r, r->grid.half ? ADZE_DTYPE_f16 : ADZE_DTYPE_f32), t.scales);
    bool ok = in[0] && in[1];
    if (ok && !plan->symmetric) {
        in[2] = adze_const_make(module, adze_internf(context, "%s.zero", name), scale_type(m, r, dtype), t.zeros);
        ok = in[2];
    }
    free(t.codes);
    free(t.zeros);
    free(t.scales);
    if (!ok) return NULL;
    adze_builder b = adze_builder_before(m->op);
    uint32_t n = 0;
    adze_attr attrs[3];
    attrs[n++] = adze_attr_int("axis", r->blocks == 1 ? m->row_axis : m->k_axis);
    if (r->blocks > 1) attrs[n++] = adze_attr_int("block_size", (int64_t)r->group);
    if (r->grid.half) attrs[n++] = adze_attr_int("output_dtype", ONNX_FLOAT);
    return adze_build1(&b, "dequantize", in, in[2] ? 3 : 2, attrs, n);
}

/* x * (1 / factors): what the contraction reads instead of x. */
static bool divide_input(const weight_matrix *m, adze_op *user, const double *factors)
{
    adze_context *context = adze_op_context(user);
    adze_ir_value *x = adze_op_operand(user, 0);
    float *inverse = adze_malloc(m->channels * sizeof *inverse);
    for (size_t j = 0; j < m->channels; j++) inverse[j] = (float)(1 / factors[j]);
    int64_t dims[] = {(int64_t)m->channels};
    adze_ir_value *in[] = {x, adze_const_make(adze_op_module(user), adze_internf(context, "%s.factor",
                                                                                 adze_const_name(m->constant)),
                                              adze_type_tensor_const(context, ADZE_DTYPE_f32, 1, dims), inverse)};
    free(inverse);
    adze_builder b = adze_builder_before(user);
    adze_ir_value *scaled = in[1] ? adze_build1(&b, "mul", in, 2, NULL, 0) : NULL;
    if (scaled) adze_op_set_operand(user, 0, scaled);
    return scaled;
}

bool weight_replace(const weight_matrix *m, adze_ir_value *with, const double *factors)
{
    enum { MAX_USERS = 64 };
    adze_ir_value *value = adze_const_value(m->constant);
    for (bool again = true; again;) {
        adze_op *users[MAX_USERS];
        uint32_t n = 0;
        weight_matrix other;
        for (const adze_use *use = adze_value_first_use(value); use && n < MAX_USERS; use = adze_use_next(use))
            if (weight_shares(m, use, &other)) users[n++] = other.op;
        for (uint32_t i = 0; i < n; i++) {
            adze_op_set_operand(users[i], m->operand, with);
            if (factors && !divide_input(m, users[i], factors)) return false;
        }
        again = n == MAX_USERS;
    }
    if (!adze_const_has_uses(m->constant)) adze_const_erase(m->constant);
    return true;
}
