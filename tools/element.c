/* Elements of tensors as numbers, for summaries and metrics. */
#include "feed.h"

#include <math.h>
#include <string.h>

/* The formats below 32 bits: field widths, exponent bias, and what the top of the range means. */
typedef enum special { IEEE, FN, FNUZ, NONE } special;

static double decode(uint32_t bits, int exponent_bits, int fraction_bits, int bias, special rule)
{
    uint32_t fraction = bits & ((1U << fraction_bits) - 1), top = (1U << exponent_bits) - 1;
    uint32_t exponent = bits >> fraction_bits & top;
    bool negative = bits >> (fraction_bits + exponent_bits) & 1;
    if (rule == IEEE && exponent == top) return fraction ? (double)NAN : negative ? -HUGE_VAL : HUGE_VAL;
    if (rule == FN && exponent == top && fraction == (1U << fraction_bits) - 1) return (double)NAN;
    if (rule == FNUZ && negative && !exponent && !fraction) return (double)NAN;
    double value = exponent ? ldexp((double)(fraction | 1U << fraction_bits), (int)exponent - bias - fraction_bits)
                            : ldexp((double)fraction, 1 - bias - fraction_bits);
    return negative ? -value : value;
}

static uint32_t packed(const unsigned char *data, uint64_t index, uint32_t bits)
{
    uint64_t at = index * bits;
    return data[at / 8] >> at % 8 & ((1U << bits) - 1);
}

static double small(const adze_value *v, uint64_t index)
{
    const unsigned char *data = v->data;
    uint16_t word = 0;
    switch (v->dtype) {
    case ADZE_DTYPE_f16: memcpy(&word, data + 2 * index, 2); return decode(word, 5, 10, 15, IEEE);
    case ADZE_DTYPE_bf16: memcpy(&word, data + 2 * index, 2); return decode(word, 8, 7, 127, IEEE);
    case ADZE_DTYPE_f8e4m3fn: return decode(data[index], 4, 3, 7, FN);
    case ADZE_DTYPE_f8e4m3fnuz: return decode(data[index], 4, 3, 8, FNUZ);
    case ADZE_DTYPE_f8e5m2: return decode(data[index], 5, 2, 15, IEEE);
    case ADZE_DTYPE_f8e5m2fnuz: return decode(data[index], 5, 2, 16, FNUZ);
    case ADZE_DTYPE_f8e8m0: return data[index] == 255 ? (double)NAN : ldexp(1, data[index] - 127);
    case ADZE_DTYPE_f4e2m1: return decode(packed(data, index, 4), 2, 1, 1, NONE);
    case ADZE_DTYPE_u4: return packed(data, index, 4);
    case ADZE_DTYPE_i4: return (double)(int)(packed(data, index, 4) ^ 8U) - 8;
    case ADZE_DTYPE_u2: return packed(data, index, 2);
    case ADZE_DTYPE_i2: return (double)(int)(packed(data, index, 2) ^ 2U) - 2;
    default: return (double)NAN;
    }
}

bool adze_element_is_number(adze_dtype dtype)
{
    adze_dtype_kind kind = adze_dtype_get_kind(dtype);
    return kind != ADZE_KIND_NONE && kind != ADZE_KIND_COMPLEX && kind != ADZE_KIND_STRING;
}

double adze_element_get(const adze_value *v, uint64_t index)
{
    switch (v->dtype) {
    case ADZE_DTYPE_f32: return (double)((const float *)v->data)[index];
    case ADZE_DTYPE_f64: return ((const double *)v->data)[index];
    case ADZE_DTYPE_i64: return (double)((const int64_t *)v->data)[index];
    case ADZE_DTYPE_i32: return ((const int32_t *)v->data)[index];
    case ADZE_DTYPE_i16: return ((const int16_t *)v->data)[index];
    case ADZE_DTYPE_i8: return ((const int8_t *)v->data)[index];
    case ADZE_DTYPE_u64: return (double)((const uint64_t *)v->data)[index];
    case ADZE_DTYPE_u32: return ((const uint32_t *)v->data)[index];
    case ADZE_DTYPE_u16: return ((const uint16_t *)v->data)[index];
    case ADZE_DTYPE_u8:
    case ADZE_DTYPE_bool: return ((const uint8_t *)v->data)[index];
    default: return small(v, index);
    }
}
