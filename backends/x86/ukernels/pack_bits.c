/* Integers of 2 and 4 bits to bytes and back; the first one lies in a byte's lowest bits. */
#include "ukernels.h"
#include "vector.h"

/* Elements of a whole byte lie beside each other in y, so that compilers take vectors of bytes. */
INLINE void unpack(const int bits, const int sign, uint8_t *restrict y, const uint8_t *restrict x, int64_t count)
{
    const int each = 8 / bits, mask = (1 << bits) - 1;
    int64_t i = 0;
    for (; i < count / each; i++)
        UNROLL for (int k = 0; k < each; k++) y[i * each + k] = (uint8_t)(((x[i] >> k * bits & mask) ^ sign) - sign);
    for (int64_t k = i * each; k < count; k++)
        y[k] = (uint8_t)(((x[i] >> (k % each) * bits & mask) ^ sign) - sign);
}

INLINE void pack(const int bits, uint8_t *restrict y, const uint8_t *restrict x, int64_t count)
{
    const int each = 8 / bits, mask = (1 << bits) - 1;
    int64_t i = 0;
    for (; i < count / each; i++) {
        int byte = 0;
        UNROLL for (int k = 0; k < each; k++) byte |= (x[i * each + k] & mask) << k * bits;
        y[i] = (uint8_t)byte;
    }
    if (i * each == count) return;
    int byte = 0;
    for (int64_t k = i * each; k < count; k++) byte |= (x[k] & mask) << (k % each) * bits;
    y[i] = (uint8_t)byte;
}

#define UK_PACK_BITS(bits)                                                                                             \
    void adze_uk_unpack_i##bits(uint8_t *y, const uint8_t *x, int64_t first, int64_t count)                            \
    {                                                                                                                  \
        unpack(bits, 1 << (bits - 1), y, x + first * bits / 8, count);                                                 \
    }                                                                                                                  \
    void adze_uk_unpack_u##bits(uint8_t *y, const uint8_t *x, int64_t first, int64_t count)                            \
    {                                                                                                                  \
        unpack(bits, 0, y, x + first * bits / 8, count);                                                               \
    }                                                                                                                  \
    void adze_uk_pack_b##bits(uint8_t *y, const uint8_t *x, int64_t first, int64_t count)                              \
    {                                                                                                                  \
        pack(bits, y + first * bits / 8, x, count);                                                                    \
    }
#include "ukernels.def"
