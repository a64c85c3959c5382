/* quantize-fuse: reading quantized form, and constants of codes. */
#include "passes/integer/integer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_code(adze_dtype dtype)
{
    adze_dtype_kind kind = adze_dtype_get_kind(dtype);
    return (kind == ADZE_KIND_INT || kind == ADZE_KIND_UINT) && adze_dtype_bits(dtype) <= 32;
}

void integer_limits(adze_dtype dtype, int64_t *least, int64_t *greatest)
{
    uint32_t bits = adze_dtype_bits(dtype);
    bool is_signed = adze_dtype_get_kind(dtype) == ADZE_KIND_INT;
    *greatest = (INT64_C(1) << (bits - is_signed)) - 1;
    *least = is_signed ? -*greatest - 1 : 0;
}

int64_t integer_code(double x, float scale, int64_t zero, adze_dtype dtype)
{
    int64_t least, greatest;
    integer_limits(dtype, &least, &greatest);
    if (isinf(x)) return x < 0 ? least : greatest;
    double q = (double)nearbyintf((float)x / scale) + (double)zero; /* f32, halves to even, as quantize does */
    return !(q > (double)least) ? least : q < (double)greatest ? (int64_t)q : greatest;
}

/* A static, dense constant of at least one element that lies in whole bytes. */
static bool readable(const adze_const *constant, uint64_t *out_count)
{
    const adze_type *type = adze_const_type(constant);
    int64_t count;
    if (!adze_type_is_static(type) || adze_type_has_layout(type)) return false;
    if (adze_type_dtype(type) == ADZE_DTYPE_str) return false;
    if (!adze_dim_is_const(adze_type_count(type), &count) || count < 1) return false;
    *out_count = (uint64_t)count;
    return true;
}

/* Code `i` of packed or whole bytes. */
static int64_t code_at(const uint8_t *bytes, adze_dtype dtype, uint64_t i)
{
    bool is_signed = adze_dtype_get_kind(dtype) == ADZE_KIND_INT;
    uint32_t bits = adze_dtype_bits(dtype);
    uint32_t code = 0;
    if (bits < 8)
        code = (uint32_t)bytes[i * bits / 8] >> i * bits % 8 & ((1U << bits) - 1);
    else
        memcpy(&code, bytes + i * (bits / 8), bits / 8);
    if (!is_signed) return code;
    return (int64_t)((uint64_t)code << (64 - bits)) >> (64 - bits);
}

int64_t *integer_read(const adze_const *constant, uint64_t *out_count)
{
    adze_dtype dtype = adze_type_dtype(adze_const_type(constant));
    if (!is_code(dtype) || !readable(constant, out_count)) return NULL;
    adze_data *data = adze_const_data(constant);
    const uint8_t *bytes = adze_data_load(data);
    int64_t *out = bytes ? malloc(*out_count * sizeof *out) : NULL;
    for (uint64_t i = 0; out && i < *out_count; i++) out[i] = code_at(bytes, dtype, i);
    adze_data_unload(data);
    return out;
}

float *integer_read_reals(const adze_const *constant, uint64_t *out_count)
{
    if (adze_type_dtype(adze_const_type(constant)) != ADZE_DTYPE_f32 || !readable(constant, out_count)) return NULL;
    float *out = malloc(*out_count * sizeof *out);
    if (out && adze_data_read(adze_const_data(constant), 0, out, *out_count * sizeof *out)) return out;
    free(out);
    return NULL;
}

adze_ir_value *integer_const(adze_module *module, const char *name, const adze_type *type, const int64_t *values,
                             uint64_t count)
{
    uint32_t size = adze_dtype_bits(adze_type_dtype(type)) / 8;
    uint8_t *bytes = malloc(count * size);
    if (!bytes) abort();
    for (uint64_t i = 0; i < count; i++) memcpy(bytes + i * size, &values[i], size); /* little endian */
    adze_data *data = adze_data_take(adze_module_context(module), bytes, count * size);
    adze_const *made = data ? adze_module_add_const(module, name, type, data) : NULL;
    return made ? adze_const_value(made) : NULL;
}

static bool read_grid(quantized *q)
{
    const adze_type *type = adze_value_type(q->codes);
    adze_ir_value *scale = adze_op_operand(q->op, 1), *zero = adze_op_operand(q->op, 2);
    q->scale = adze_value_const(scale);
    q->zero = zero ? adze_value_const(zero) : NULL;
    q->dtype = adze_type_dtype(type);
    if (!q->scale || (zero && !q->zero) || adze_op_attr_int(q->op, "block_size")) return false;
    if (!adze_type_is_ranked(type)) return false;
    if (!is_code(q->dtype) || adze_type_dtype(adze_value_type(q->real)) != ADZE_DTYPE_f32) return false;
    uint64_t n, n_zero = 1;
    float *scales = integer_read_reals(q->scale, &n);
    int64_t *zeros = q->zero ? integer_read(q->zero, &n_zero) : NULL;
    bool ok = scales && (!q->zero || (zeros && n_zero == n));
    for (uint64_t i = 0; ok && i < n; i++) ok = isfinite(scales[i]) && scales[i] > 0;
    q->single = ok && n == 1;
    if (q->single) {
        q->s = scales[0];
        q->z = zeros ? zeros[0] : 0;
    }
    free(scales);
    free(zeros);
    q->axis = adze_op_attr_int(q->op, "axis");
    if (q->axis < 0) q->axis += adze_type_rank(type);
    return ok && (q->single || (q->axis >= 0 && q->axis < adze_type_rank(type)));
}

bool integer_dequantized(const adze_ir_value *value, quantized *out)
{
    adze_op *op = value ? adze_value_op(value) : NULL;
    if (!op || !adze_op_is(op, "dequantize")) return false;
    *out = (quantized){.op = op, .codes = adze_op_operand(op, 0), .real = adze_op_result(op, 0)};
    return read_grid(out);
}

bool integer_quantized(adze_op *op, quantized *out)
{
    if (!adze_op_is(op, "quantize")) return false;
    *out = (quantized){.op = op, .codes = adze_op_result(op, 0), .real = adze_op_operand(op, 0)};
    return read_grid(out);
}

bool integer_one_zero(const quantized *q, int64_t *out_zero)
{
    uint64_t n = 0;
    int64_t *zeros = q->zero ? integer_read(q->zero, &n) : NULL;
    bool same = !q->zero || zeros;
    *out_zero = zeros ? zeros[0] : 0;
    for (uint64_t i = 0; i < n; i++) same = same && zeros[i] == *out_zero;
    free(zeros);
    return same;
}

bool integer_same_grid(const quantized *a, const quantized *b)
{
    return a->single && b->single && a->s == b->s && a->z == b->z && a->dtype == b->dtype;
}
