/* com.microsoft: weights of 2, 4 and 8 bits in blocks, each with a scale. */
#include "contrib.h"

/* Codes as the file has them, lying along the last axis in blocks. */
typedef struct packed {
    term *codes, *scales, *zeros; /* zeros NULL: half of the range */
    int64_t bits, block;
} packed;

adze_dtype compose_code_type(int64_t bits)
{
    return bits == 2 ? ADZE_DTYPE_u2 : bits == 4 ? ADZE_DTYPE_u4 : bits == 8 ? ADZE_DTYPE_u8 : ADZE_DTYPE_NONE;
}

static bool read_packed(adze_onnx_node *node, packed *p)
{
    *p = (packed){.bits = 4};
    if (!adze_onnx_attr_int(node, "bits", &p->bits) || !adze_onnx_attr_int(node, "block_size", &p->block)) return false;
    if (compose_code_type(p->bits) == ADZE_DTYPE_NONE)
        return adze_onnx_unsupported(node, "weights of %lld bits", (long long)p->bits);
    if (p->block < 16 || p->block > INT32_MAX)
        return adze_onnx_invalid(node, "attribute 'block_size' is %lld", (long long)p->block);
    return true;
}

term *compose_codes(adze_onnx_node *node, term *bytes, int64_t bits, uint32_t rank, const int64_t *dims)
{
    adze_const *constant = bytes ? adze_value_const(bytes) : NULL;
    uint64_t size = (uint64_t)bits;
    bool fits = true;
    if (!constant || compose_dtype(bytes) != ADZE_DTYPE_u8)
        return adze_onnx_unsupported(node, "packed weights that are no constant of bytes"), NULL;
    adze_data *data = adze_const_data(constant);
    adze_text text = {0};
    for (uint32_t i = 0; i < rank; i++) {
        fits = fits && dims[i] >= 1 && !__builtin_mul_overflow(size, (uint64_t)dims[i], &size);
        adze_text_append(&text, "%s%lld", i ? " x " : "", (long long)dims[i]);
    }
    fits = fits && adze_data_size(data) == size / 8;
    if (!fits)
        adze_onnx_invalid(node, "packed weights of %llu bytes; %.*s codes of %lld bits are expected",
                          (unsigned long long)adze_data_size(data), (int)text.size, text.data, (long long)bits);
    adze_text_free(&text);
    if (!fits) return NULL;
    const adze_type *type = adze_type_tensor_const(node->import->context, compose_code_type(bits), rank, dims);
    const char *name = adze_internf(node->import->context, "%s.codes", adze_const_name(constant));
    adze_const *made = adze_module_add_const(node->import->module, name, type, adze_data_retain(data));
    return made ? adze_const_value(made) : NULL;
}

/* The same as a matrix. */
static term *codes_of(adze_onnx_node *node, term *bytes, int64_t bits, int64_t rows, int64_t columns)
{
    return compose_codes(node, bytes, bits, 2, (const int64_t[]){rows, columns});
}

/* [rows, columns] as [columns up to `keep`, rows]. */
static term *columns_first(adze_onnx_node *node, term *x, int64_t keep)
{
    static const int64_t perm[] = {1, 0};
    int64_t columns;
    if (!x) return NULL;
    if (adze_dim_is_const(compose_dim(x, 1), &columns) && columns > keep) x = compose_slice(node, x, 1, 0, keep, 1);
    return compose_transpose(node, x, perm, 2);
}

/* Zero points [n, blocks], from bytes, from floats as they are, or half of the range. */
static term *zeros_of(adze_onnx_node *node, const packed *p, int64_t n, int64_t blocks)
{
    int64_t in_byte = 8 / p->bits, width = (blocks + in_byte - 1) / in_byte * in_byte;
    const adze_dim *dims[] = {adze_dim_const(node->import->context, n), adze_dim_const(node->import->context, blocks)};
    if (!p->zeros) return compose_number(node, compose_code_type(p->bits), (double)(1 << (p->bits - 1)));
    if (compose_dtype(p->zeros) != ADZE_DTYPE_u8) return compose_reshape(node, p->zeros, dims, 2);
    return codes_of(node, p->zeros, p->bits, n, width);
}

/* The weight [k, n] in floats of the scales' type. */
static term *weight_of(adze_onnx_node *node, const packed *p, int64_t k, int64_t n)
{
    adze_context *context = node->import->context;
    int64_t blocks = (k + p->block - 1) / p->block;
    const adze_dim *dims[] = {adze_dim_const(context, n), adze_dim_const(context, blocks)};
    term *codes = columns_first(node, codes_of(node, p->codes, p->bits, n, blocks * p->block), k);
    term *scales = columns_first(node, compose_reshape(node, p->scales, dims, 2), blocks);
    term *zeros = zeros_of(node, p, n, blocks);
    if (!codes || !scales || !zeros) return NULL;
    bool real = adze_dtype_get_kind(compose_dtype(zeros)) == ADZE_KIND_FLOAT;
    if (compose_rank(zeros) == 2) zeros = columns_first(node, zeros, blocks);
    else zeros = compose_expand(node, zeros, adze_type_dims(adze_value_type(scales)), 2);
    adze_attr attrs[] = {adze_attr_int("axis", 0), adze_attr_int("block_size", p->block)};
    term *in[] = {codes, scales, zeros};
    if (!real) return compose_all(node, "dequantize", in, 3, 3, attrs, 2);
    /* codes times scales less zero points times scales */
    term *wide = compose_all(node, "dequantize", in, 2, 2, attrs, 2);
    term *one = compose_number(node, compose_code_type(p->bits), 1);
    term *ones = compose_expand(node, one, adze_type_dims(adze_value_type(codes)), 2);
    term *shift[] = {ones, compose2(node, "mul", scales, zeros)};
    return compose2(node, "sub", wide, compose_all(node, "dequantize", shift, 2, 2, attrs, 2));
}

bool adze_onnx_contrib_matmul_bits(adze_onnx_node *node)
{
    packed p;
    int64_t k = 0, n = 0, prepacked = 0, level = 0;
    term *x, *bias = adze_onnx_operand(node, 5);
    uint32_t rank;
    if (!read_packed(node, &p) || !adze_onnx_attr_int(node, "K", &k) || !adze_onnx_attr_int(node, "N", &n) ||
        !adze_onnx_attr_int(node, "weight_prepacked", &prepacked) ||
        !adze_onnx_attr_int(node, "accuracy_level", &level) || !compose_operand(node, 0, 1, &x, &rank))
        return false;
    if (prepacked) return adze_onnx_unsupported(node, "weights in the order of another device");
    if (adze_onnx_operand(node, 4)) return adze_onnx_unsupported(node, "g_idx");
    if (k < 1 || n < 1 || k > INT32_MAX || n > INT32_MAX)
        return adze_onnx_invalid(node, "a weight of %lld x %lld", (long long)k, (long long)n);
    p.codes = adze_onnx_operand(node, 1);
    p.scales = adze_onnx_operand(node, 2);
    p.zeros = adze_onnx_operand(node, 3);
    if (!p.codes || !p.scales) return adze_onnx_invalid(node, "has no input %d", p.codes ? 2 : 1);
    term *y = compose2(node, "matmul", x, weight_of(node, &p, k, n));
    return compose_end(node, bias ? compose2(node, "add", y, bias) : y);
}

/* The values of codes of 4 bits that are no integers: of a sign, two bits of exponent and one of mantissa as
 * bitsandbytes has it, and of the quantiles of a normal distribution (Dettmers et al., QLoRA, 2023, appendix E). */
static const float code_books[2][16] = {
    {0.0F, 0.005208333333F, 0.66666667F, 1.0F, 0.33333333F, 0.5F, 0.16666667F, 0.25F, -0.0F, -0.005208333333F,
     -0.66666667F, -1.0F, -0.33333333F, -0.5F, -0.16666667F, -0.25F},
    {-1.0F, -0.6961928009986877F, -0.5250730514526367F, -0.39491748809814453F, -0.28444138169288635F,
     -0.18477343022823334F, -0.09105003625154495F, 0.0F, 0.07958029955625534F, 0.16093020141124725F,
     0.24611230194568634F, 0.33791524171829224F, 0.44070982933044434F, 0.5626170039176941F, 0.7229568362236023F, 1.0F},
};

/* Codes of 4 bits, the high half of a byte first, of all of [n, k] in a row; each block of them has a factor. */
bool adze_onnx_contrib_matmul_bnb4(adze_onnx_node *node)
{
    int64_t k = 0, n = 0, kind = 0, turn = 1, unused = 0, sixteen = 16, block = 0, blocks;
    term *x, *factors = adze_onnx_operand(node, 2);
    uint32_t rank;
    if (!adze_onnx_attr_int(node, "K", &k) || !adze_onnx_attr_int(node, "N", &n) ||
        !adze_onnx_attr_int(node, "quant_type", &kind) || !adze_onnx_attr_int(node, "block_size", &block) ||
        !adze_onnx_attr_flag(node, "transB", &turn) || !adze_onnx_attr_int(node, "training_mode", &unused) ||
        !compose_operand(node, 0, 1, &x, &rank))
        return false;
    if (k < 1 || n < 1 || k > INT32_MAX || n > INT32_MAX)
        return adze_onnx_invalid(node, "a weight of %lld x %lld", (long long)k, (long long)n);
    if (kind != 0 && kind != 1) return adze_onnx_invalid(node, "attribute 'quant_type' is %lld", (long long)kind);
    if (block < 16 || block > INT32_MAX)
        return adze_onnx_invalid(node, "attribute 'block_size' is %lld", (long long)block);
    blocks = (n * k + block - 1) / block;
    if (n * k % 2 || n * k % block)
        return adze_onnx_unsupported(node, "weights of %lld elements in blocks of %lld", (long long)(n * k),
                                     (long long)block);
    if (compose_rank(factors) != 1 || !adze_dim_is_value(compose_dim(factors, 0), blocks))
        return adze_onnx_invalid(node, "has not a factor for each of %lld blocks", (long long)blocks);
    adze_context *context = node->import->context;
    const adze_dim *line[] = {adze_dim_const(context, blocks), adze_dim_const(context, block)};
    const adze_dim *matrix[] = {adze_dim_const(context, n), adze_dim_const(context, k)};
    term *pairs = codes_of(node, adze_onnx_operand(node, 1), 4, n * k / 2, 2);
    pairs = compose_slice(node, pairs, 1, -1, INT64_MIN, -1);
    const adze_type *type = adze_type_tensor_const(context, ADZE_DTYPE_f32, 1, &sixteen);
    const char *name = adze_internf(context, "%s.values", node->name);
    adze_attr axis = adze_attr_int("axis", 0);
    term *book = adze_const_make(node->import->module, name, type, code_books[kind]);
    term *in[] = {book, compose_cast(node, compose_reshape(node, pairs, line, 2), ADZE_DTYPE_i64)};
    term *w = compose_cast(node, compose_all(node, "gather", in, 2, 2, &axis, 1), compose_dtype(factors));
    w = compose_reshape(node, compose2(node, "mul", w, compose_unsqueeze(node, factors, 1, 2)), matrix, 2);
    if (turn) w = compose_transpose(node, w, (const int64_t[]){1, 0}, 2);
    return compose_end(node, compose2(node, "matmul", x, w));
}

/* ---- Blocks of 4 bits with their scale ahead ---- */

/* Bytes from `from` on of each block, `count` of them. */
static term *field(adze_onnx_node *node, term *blocks, int64_t from, int64_t count)
{
    return compose_slice(node, blocks, 1, from, from + count, 1);
}

/* Rows of 4 bytes, the lowest first, as one f32 each. */
static term *float_of(adze_onnx_node *node, term *bytes)
{
    static const int64_t places[] = {1, 1 << 8, 1 << 16, 1 << 24}, last = -1;
    term *each = compose2(node, "mul", compose_cast(node, bytes, ADZE_DTYPE_i64), compose_ints(node, places, 4));
    term *bits = compose_cast(node, compose_reduce(node, "reduce_sum", each, &last, 1, false), ADZE_DTYPE_u32);
    return bits ? compose_with(node, "bitcast", bits, adze_attr_type("to", ADZE_DTYPE_f32)) : NULL;
}

/* A column of the weight after another, each in blocks of 32 along k: a scale as f32, of the second kind a zero point,
 * and 16 bytes whose low halves are the first 16 codes. */
bool adze_onnx_contrib_matmul_blob(adze_onnx_node *node)
{
    enum { BLOCK = 32, SCALE = 4, BYTES = 16 };
    static const int64_t turn[] = {1, 0};
    int64_t kind = 1, shape[2];
    adze_context *context = node->import->context;
    term *x, *blob = adze_onnx_operand(node, 1), *sizes = adze_onnx_operand(node, 2);
    uint32_t rank;
    if (!adze_onnx_attr_int(node, "blk_quant_type", &kind) || !compose_operand(node, 0, 1, &x, &rank)) return false;
    if (kind != 0 && kind != 1) return adze_onnx_unsupported(node, "blk_quant_type %lld", (long long)kind);
    if (!blob || !sizes) return adze_onnx_invalid(node, "has no input %d", blob ? 2 : 1);
    if (adze_value_as_ints(sizes, shape, 2) != 2)
        return adze_onnx_unsupported(node, "a weight whose two dims are no constants");
    int64_t k = shape[0], n = shape[1], size = SCALE + kind + BYTES, blocks, bytes;
    if (k < 1 || n < 1 || k > INT32_MAX || n > INT32_MAX)
        return adze_onnx_invalid(node, "a weight of %lld x %lld", (long long)k, (long long)n);
    blocks = (k + BLOCK - 1) / BLOCK;
    if (__builtin_mul_overflow(n * blocks, size, &bytes) || compose_dtype(blob) != ADZE_DTYPE_u8 ||
        compose_rank(blob) != 1 || !adze_dim_is_value(compose_dim(blob, 0), bytes))
        return adze_onnx_invalid(node, "a weight of %lld x %lld is not in its bytes", (long long)k, (long long)n);
    const adze_dim *each[] = {adze_dim_const(context, n * blocks), adze_dim_const(context, size)};
    const adze_dim *matrix[] = {adze_dim_const(context, n), adze_dim_const(context, blocks * BLOCK)};
    const adze_dim *factors[] = {matrix[0], adze_dim_const(context, blocks)};
    term *all = compose_reshape(node, blob, each, 2), *codes = field(node, all, SCALE + kind, BYTES), *zero;
    term *scale = float_of(node, field(node, all, 0, SCALE));
    term *sixteen = compose_number(node, ADZE_DTYPE_u8, 16), *high = compose2(node, "div", codes, sixteen);
    term *low = compose2(node, "sub", codes, compose2(node, "mul", high, sixteen));
    codes = compose_reshape(node, compose_concat(node, (term *[]){low, high}, 2, 1), matrix, 2);
    codes = compose_cast(node, columns_first(node, codes, k), ADZE_DTYPE_u4);
    scale = compose_transpose(node, compose_reshape(node, scale, factors, 2), turn, 2);
    if (!codes || !scale) return false;
    if (kind) {
        zero = compose_reshape(node, field(node, all, SCALE, 1), factors, 2);
        zero = compose_cast(node, compose_transpose(node, zero, turn, 2), ADZE_DTYPE_u4);
    } else {
        zero = compose_expand(node, compose_number(node, ADZE_DTYPE_u4, 8), adze_type_dims(adze_value_type(scale)), 2);
    }
    adze_attr attrs[] = {adze_attr_int("axis", 0), adze_attr_int("block_size", BLOCK)};
    term *w = compose_all(node, "dequantize", (term *[]){codes, scale, zero}, 3, 3, attrs, 2);
    return compose_end(node, compose2(node, "matmul", x, w));
}

/* Rows of a table of codes that lie along its last axis: dequantized, then gathered. */
bool adze_onnx_contrib_gather_bits(adze_onnx_node *node)
{
    packed p;
    int64_t gather = 0, along = 1, rows, columns, blocks;
    static const int64_t perm[] = {1, 0};
    term *table, *ids = adze_onnx_operand(node, 1);
    uint32_t rank, axis, where;
    if (!read_packed(node, &p) || !adze_onnx_attr_int(node, "gather_axis", &gather) ||
        !adze_onnx_attr_int(node, "quantize_axis", &along) || !compose_operand(node, 0, 1, &table, &rank) ||
        !compose_axis(node, gather, rank, &where) || !compose_axis(node, along, rank, &axis))
        return false;
    p.scales = adze_onnx_operand(node, 2);
    p.zeros = adze_onnx_operand(node, 3);
    if (!ids || !p.scales) return adze_onnx_invalid(node, "has no input %d", ids ? 2 : 1);
    if (rank != 2 || axis != 1 || where != 0 || compose_dtype(table) != ADZE_DTYPE_u8 ||
        compose_rank(p.scales) != 2 || !adze_dim_is_const(compose_dim(table, 0), &rows) ||
        !adze_dim_is_const(compose_dim(table, 1), &columns) || !adze_dim_is_const(compose_dim(p.scales, 1), &blocks))
        return adze_onnx_unsupported(node, "another table than bytes [rows, columns] in blocks along columns");
    p.codes = table;
    int64_t width = columns * (8 / p.bits);
    if (blocks != (width + p.block - 1) / p.block)
        return adze_onnx_invalid(node, "%lld scales a row of %lld codes", (long long)blocks, (long long)width);
    term *codes = codes_of(node, p.codes, p.bits, rows, width), *zeros = zeros_of(node, &p, rows, blocks);
    if (!codes || !zeros) return false;
    if (compose_rank(zeros) == 0) zeros = compose_expand(node, zeros, adze_type_dims(adze_value_type(p.scales)), 2);
    else zeros = compose_transpose(node, columns_first(node, zeros, blocks), perm, 2);
    adze_attr attrs[] = {adze_attr_int("axis", 1), adze_attr_int("block_size", p.block)};
    adze_attr first = adze_attr_int("axis", 0);
    term *wide = compose_all(node, "dequantize", (term *[]){codes, p.scales, zeros}, 3, 3, attrs, 2);
    return compose_end(node, compose_all(node, "gather", (term *[]){wide, ids}, 2, 2, &first, 1));
}
