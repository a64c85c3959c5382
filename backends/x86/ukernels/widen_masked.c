/* Panels that are stored without their zeros, made dense in memory.
 *
 * Eight bits of the mask say which of the next values go where: their running count is the number of the value that a
 * place takes. With BMI2 one deposit moves eight bytes at a time, with AVX2 one permutation eight floats, with AVX-512
 * one expansion; nothing branches.
 */
#include "ukernels.h"
#include "vector.h"

#include <string.h>

typedef uint8_t bytes8 __attribute__((vector_size(8)));
typedef int8_t signs8 __attribute__((vector_size(8)));

static const uint64_t ones = UINT64_C(0x0101010101010101);

/* For each of eight bits: 1 in its byte. */
INLINE uint64_t spread(uint8_t mask)
{
#ifdef __BMI2__
    return __builtin_ia32_pdep_di(mask, ones);
#else
    const uint64_t bits = mask * ones & UINT64_C(0x8040201008040201);
    return (((bits & 0x7f * ones) + 0x7f * ones) | bits) >> 7 & ones;
#endif
}

INLINE int count_of(uint8_t mask) { return __builtin_popcount(mask); }

/* Up to 8 values more than there are left may be read; they do not count. */
INLINE void put_floats(float *y, const float *from, uint8_t mask)
{
#ifdef __AVX512VL__
    typedef float v8 __attribute__((vector_size(32)));
    typedef v8 v8_memory __attribute__((aligned(4), may_alias));
    *(v8_memory *)y = __builtin_ia32_expandsf256_mask(*(const v8_memory *)from, (v8){0}, mask);
#elif defined __AVX2__
    typedef float v8 __attribute__((vector_size(32)));
    typedef int32_t i8 __attribute__((vector_size(32)));
    typedef v8 v8_memory __attribute__((aligned(4), may_alias));
    bytes8 place;
    signs8 keep;
    const uint64_t set = spread(mask), before = set * ones - set, minus = set * 0xff; /* how many are set before it */
    memcpy(&place, &before, sizeof place);
    memcpy(&keep, &minus, sizeof keep);
    const v8 moved = __builtin_ia32_permvarsf256(*(const v8_memory *)from, __builtin_convertvector(place, i8));
    *(v8_memory *)y = (v8)((i8)moved & __builtin_convertvector(keep, i8));
#else
    const uint64_t set = spread(mask), before = set * ones - set;
    for (int i = 0; i < 8; i++) y[i] = set >> 8 * i & 1 ? from[before >> 8 * i & 7] : 0;
#endif
}

INLINE void put_bytes(uint8_t *y, const uint8_t *from, uint8_t mask)
{
    const uint64_t set = spread(mask);
    uint64_t result = 0, values;
    memcpy(&values, from, sizeof values);
#ifdef __BMI2__
    result = __builtin_ia32_pdep_di(values, set * 0xff);
#else
    const uint64_t before = set * ones - set;
    for (int i = 0; i < 8; i++) result |= (set >> 8 * i & 1 ? values >> 8 * (before >> 8 * i & 7) & 0xff : 0) << 8 * i;
#endif
    memcpy(y, &result, sizeof result);
}

typedef struct masked {
    const uint8_t *mask, *values;
} masked;

INLINE masked find(const uint8_t *b, int64_t panels, int64_t each, int64_t panel, int64_t size)
{
    int32_t start;
    memcpy(&start, b + 4 * panel, sizeof start);
    return (masked){b + 4 * (panels + 1) + panel * each / 8, b + masked_values(panels, each) + size * start};
}

void adze_uk_widen_f32m(float *y, const uint8_t *b, int64_t panels, int64_t each, int64_t panel, int64_t kept)
{
    (void)kept;
    const masked m = find(b, panels, each, panel, 4);
    const float *from = (const void *)m.values;
    for (int64_t i = 0; i < each / 8; i++) {
        put_floats(y + 8 * i, from, m.mask[i]);
        from += count_of(m.mask[i]);
    }
}

void adze_uk_widen_s8m(int8_t *y, const uint8_t *b, int64_t panels, int64_t each, int64_t panel, int64_t kept)
{
    (void)kept;
    const masked m = find(b, panels, each, panel, 1);
    const uint8_t *from = m.values;
    for (int64_t i = 0; i < each / 8; i++) {
        put_bytes((uint8_t *)y + 8 * i, from, m.mask[i]);
        from += count_of(m.mask[i]);
    }
}
