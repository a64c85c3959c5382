/* Recipes of ops over codes: between real and quantized form, sums of products of codes, and what follows them. */
#include "generate.h"

#include <string.h>

/* One scale, or one for each entry of an axis. */
static uint32_t scale_dims(gen *g, const adze_ir_value *x, int64_t *out, uint32_t *axis)
{
    *axis = 1;
    if (gen_rank(x) == 0 || gen_chance(g, 60)) return 0;
    *axis = gen_below(g, gen_rank(x));
    *out = gen_fixed_dim(x, *axis);
    return *out < 1 ? 0 : 1;
}

static adze_op *quantize(gen *g, const adze_op_row *row)
{
    static const adze_dtype types[] = {ADZE_DTYPE_u8, ADZE_DTYPE_i8, ADZE_DTYPE_u8, ADZE_DTYPE_i16, ADZE_DTYPE_u16};
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = GEN_BIT(ADZE_DTYPE_f32), .exact = true});
    adze_dtype to = types[gen_below(g, 5)];
    int64_t n = 1;
    uint32_t at;
    if (!x) return NULL;
    uint32_t rank = scale_dims(g, x, &n, &at);
    adze_ir_value *in[] = {x, gen_constant(g, gen_dtype(x), rank, &n, 0.03125, 0.0625),
                           gen_chance(g, 80) ? gen_constant(g, to, rank, &n, 0, 9) : NULL};
    adze_attr axis = adze_attr_int("axis", at);
    return in[1] ? gen_build(g, row, in, in[2] ? 3 : 2, &axis, rank) : NULL;
}

static adze_op *dequantize(gen *g, const adze_op_row *row)
{
    uint64_t types = GEN_BIT(ADZE_DTYPE_u8) | GEN_BIT(ADZE_DTYPE_i8) | GEN_BIT(ADZE_DTYPE_i32);
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = types});
    int64_t n = 1;
    uint32_t at;
    if (!x) return NULL;
    uint32_t rank = scale_dims(g, x, &n, &at);
    adze_ir_value *in[] = {x, gen_constant(g, ADZE_DTYPE_f32, rank, &n, 0.03125, 0.0625), NULL};
    if (gen_dtype(x) != ADZE_DTYPE_i32 && gen_chance(g, 70)) in[2] = gen_constant(g, gen_dtype(x), rank, &n, 0, 9);
    adze_attr axis = adze_attr_int("axis", at);
    return in[1] ? gen_build(g, row, in, in[2] ? 3 : 2, &axis, rank) : NULL;
}

/* What the module keeps in i32: scaled down to codes. */
static adze_op *requantize(gen *g, const adze_op_row *row)
{
    static const adze_dtype types[] = {ADZE_DTYPE_u8, ADZE_DTYPE_i8, ADZE_DTYPE_u16};
    adze_ir_value *x = gen_take(g, (gen_want){.dtypes = GEN_BIT(ADZE_DTYPE_i32), .exact = true});
    int64_t n = 1;
    uint32_t at;
    if (!x) return NULL;
    uint32_t rank = scale_dims(g, x, &n, &at);
    adze_ir_value *in[] = {x, gen_constant(g, ADZE_DTYPE_f32, rank, &n, 0.03125, 1.0),
                           gen_constant(g, types[gen_below(g, 3)], 0, NULL, 0, 9)};
    adze_attr attrs[] = {adze_attr_str("mode", gen_chance(g, 25) ? "fixed" : "f32-rne"), adze_attr_int("axis", at)};
    return in[1] && in[2] ? gen_build(g, row, in, 3, attrs, 1 + rank) : NULL;
}

/* Weights of codes: constants, mostly i8. */
static adze_ir_value *weights(gen *g, uint32_t rank, const int64_t *dims)
{
    adze_dtype dtype = gen_chance(g, 70) ? ADZE_DTYPE_i8 : gen_chance(g, 50) ? ADZE_DTYPE_u8 : ADZE_DTYPE_i16;
    if (dtype == ADZE_DTYPE_i8 && gen_chance(g, 40)) return gen_constant(g, dtype, rank, dims, -8, 7); /* four bits */
    if (gen_chance(g, 65)) return gen_constant(g, dtype, rank, dims, dtype == ADZE_DTYPE_u8 ? 0 : -9, 9);
    double most = dtype == ADZE_DTYPE_u8 ? 255 : dtype == ADZE_DTYPE_i8 ? 127 : 32767; /* what proofs are about */
    return gen_constant(g, dtype, rank, dims, dtype == ADZE_DTYPE_u8 ? 0 : -most, most);
}

adze_ir_value *gen_codes(gen *g, uint32_t rank, const int64_t *dims, uint32_t column)
{
    static const int64_t blocks[] = {8, 16, 32, 3};
    bool four = gen_chance(g, 60), blocked = gen_chance(g, 50), one = !blocked && gen_chance(g, 30);
    adze_dtype dtype = four ? ADZE_DTYPE_i4 : ADZE_DTYPE_i8;
    int64_t block = blocks[gen_below(g, 4)], scales[ADZE_MAX_RANK] = {dims[column]};
    if (blocked) memcpy(scales, dims, rank * sizeof *scales);
    if (blocked) scales[1 - column] = (dims[1 - column] - 1) / block + 1;
    uint32_t scale_rank = blocked ? rank : one ? 0 : 1;
    adze_ir_value *in[] = {gen_constant(g, dtype, rank, dims, four ? -8 : -90, four ? 7 : 90),
                           gen_constant(g, ADZE_DTYPE_f32, scale_rank, scales, 0.03125, 0.0625), NULL};
    if (gen_chance(g, 60)) {
        double most = gen_chance(g, 20) ? 0 : four ? 7 : 90;
        in[2] = gen_constant(g, dtype, scale_rank, scales, most > 0 ? -most - 1 : 0, most);
    }
    adze_attr attrs[] = {adze_attr_int("axis", blocked ? 1 - column : column), adze_attr_int("block_size", block)};
    if (!in[0] || !in[1]) return NULL;
    adze_op *op = adze_build(&g->builder, "dequantize", in, in[2] ? 3 : 2, attrs, blocked ? 2 : 1, NULL, 0);
    return op ? adze_op_result(op, 0) : NULL;
}

/* Zero points of x (one) and of w (one, or n). */
static uint32_t add_zeros(gen *g, int64_t n, adze_ir_value **in)
{
    if (gen_chance(g, 50)) in[2] = gen_constant(g, gen_dtype(in[0]), 0, NULL, 0, 9);
    if (gen_chance(g, 40)) in[3] = gen_constant(g, gen_dtype(in[1]), gen_chance(g, 50), &n, 0, 3);
    return in[3] ? 4 : in[2] ? 3 : 2;
}

static const uint64_t code_types = GEN_BIT(ADZE_DTYPE_u8) | GEN_BIT(ADZE_DTYPE_i8);

static adze_op *matmul_integer(gen *g, const adze_op_row *row)
{
    static const int64_t columns[] = {1, 2, 3, 5, 16, 17};
    adze_ir_value *in[4] = {gen_take(g, (gen_want){.dtypes = code_types, .min_rank = 2})};
    int64_t dims[2];
    if (!in[0]) return NULL;
    dims[0] = gen_fixed_dim(in[0], gen_rank(in[0]) - 1);
    dims[1] = columns[gen_below(g, 6)];
    in[1] = dims[0] > 0 ? weights(g, 2, dims) : NULL;
    return in[1] ? gen_build(g, row, in, add_zeros(g, dims[1], in), NULL, 0) : NULL;
}

static adze_op *conv_integer(gen *g, const adze_op_row *row)
{
    adze_ir_value *in[4] = {
        gen_take(g, (gen_want){.dtypes = code_types, .min_rank = 3 + gen_chance(g, 75), .max_rank = 4})};
    int64_t channels;
    if (!in[0] || !adze_dim_is_const(adze_type_dim(adze_value_type(in[0]), 1), &channels) || channels < 1) return NULL;
    gen_window w = gen_random_window(g, gen_rank(in[0]) - 2);
    int64_t group = gen_chance(g, 30) ? channels : 1;
    int64_t dims[4] = {group * (1 + gen_below(g, 3)), channels / group};
    memcpy(dims + 2, w.kernel, w.n * sizeof *dims);
    adze_attr attrs[8];
    uint32_t n = gen_window_attrs(g, &w, gen_chance(g, 50), attrs);
    if (group > 1) attrs[n++] = adze_attr_int("group", group);
    in[1] = weights(g, gen_rank(in[0]), dims);
    return in[1] ? gen_build(g, row, in, add_zeros(g, dims[0], in), attrs, n) : NULL;
}

/* ---- Weights without their zeros ---- */

/* All blocks but, where there are eight of one element and more, those of whole bytes. */
static adze_op *densify(gen *g, const adze_op_row *row)
{
    static const adze_dtype dtypes[] = {ADZE_DTYPE_f32, ADZE_DTYPE_i8, ADZE_DTYPE_u8, ADZE_DTYPE_f16};
    int64_t dims[] = {1 + gen_below(g, 6), 1 + gen_below(g, 9)}, block[] = {1 + gen_below(g, 3), 1 + gen_below(g, 3)};
    bool single = gen_chance(g, 40);
    if (single) block[0] = block[1] = 1;
    int64_t blocks = ((dims[0] + block[0] - 1) / block[0]) * ((dims[1] + block[1] - 1) / block[1]);
    int64_t values = dims[0] * dims[1], bytes = (blocks + 7) / 8, left = single && blocks >= 8 ? 8 : 0;
    values -= left;
    uint8_t bits[16] = {0};
    for (int64_t i = left; i < blocks; i++) bits[i / 8] |= (uint8_t)(1u << i % 8);
    adze_value data = {.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_u8, .rank = 1, .dims = &bytes, .data = bits};
    adze_ir_value *bitmap =
        adze_const_make(g->module, "m", adze_type_tensor_const(g->context, ADZE_DTYPE_u8, 1, &bytes), bits);
    if (!bitmap || !gen_add_value(g, bitmap, &data)) return NULL;
    adze_ir_value *in[] = {gen_constant(g, dtypes[gen_below(g, 4)], 1, &values, 0, 7), bitmap};
    adze_attr attrs[] = {adze_attr_ints("shape", dims, 2), adze_attr_ints("block", block, 2)};
    return in[0] ? gen_build(g, row, in, 2, attrs, single && gen_chance(g, 50) ? 1 : 2) : NULL;
}

static adze_op *pack_kept(gen *g, const adze_op_row *row)
{
    int64_t dims[] = {1 + gen_below(g, 40), 1 + gen_below(g, 5), 1 + gen_below(g, 3), 2}, steps[] = {40, 5};
    bool conv = gen_chance(g, 50), kn = !conv && gen_chance(g, 50);
    adze_ir_value *w = gen_constant(g, ADZE_DTYPE_f32, conv ? 4 : 2, dims, 1, 2);
    int64_t n = dims[kn ? 1 : 0], k = kn ? dims[0] : dims[1] * (conv ? dims[2] * dims[3] : 1);
    adze_attr attrs[] = {adze_attr_str("form", conv ? "conv" : kn ? "kn" : "nk"),
                         adze_attr_int("rows", (n + 15) / 16 * k), adze_attr_ints("steps", steps, 2)};
    return w ? gen_build(g, row, &w, 1, attrs, conv ? 3 : 2) : NULL;
}

static adze_op *pack_masked(gen *g, const adze_op_row *row)
{
    int64_t dims[] = {1 + gen_below(g, 2), gen_below(g, 3), 1 + gen_below(g, 5), 16};
    adze_ir_value *panels = gen_constant(g, gen_chance(g, 50) ? ADZE_DTYPE_i8 : ADZE_DTYPE_f32, 4, dims, 1, 5);
    adze_attr kept = adze_attr_int("kept", dims[0] * dims[1] * dims[2] * dims[3]);
    return panels ? gen_build(g, row, &panels, 1, &kept, 1) : NULL;
}

const gen_recipe gen_recipes_quant[] = {
    {"conv_integer", conv_integer}, {"densify", densify},     {"dequantize", dequantize},
    {"matmul_integer", matmul_integer}, {"pack_kept", pack_kept}, {"pack_masked", pack_masked},
    {"quantize", quantize},         {"requantize", requantize}, {NULL, NULL},
};
