/* Transposes of 16 x 16 elements of 1, 2, 4 and 8 bytes; what the bytes stand for does not matter. */
#include "transpose.h"
#include "ukernels.h"

#define TURN(bits, element)                                                                                            \
    typedef element turn_##bits __attribute__((vector_size(2 * bits)));                                                \
    typedef turn_##bits memory_##bits __attribute__((aligned(bits / 8), may_alias));                                   \
    void adze_uk_transpose_b##bits##_16x16(element *y, int64_t y_row, const element *x, int64_t x_row)                 \
    {                                                                                                                  \
        turn_##bits r[16];                                                                                             \
        UNROLL for (int i = 0; i < 16; i++) r[i] = *(const memory_##bits *)(x + i * x_row);                            \
        TURN_16(turn_##bits, r)                                                                                        \
        UNROLL for (int i = 0; i < 16; i++) *(memory_##bits *)(y + i * y_row) = r[i];                                  \
    }
TURN(8, uint8_t)
TURN(16, uint16_t)
TURN(32, uint32_t)

typedef uint64_t words8 __attribute__((vector_size(64)));
typedef words8 words8_memory __attribute__((aligned(8), may_alias));

/* 8 x 8, in three rounds: 16 rows of 16 do not fit in the registers. */
INLINE void turn_words(uint64_t *y, int64_t y_row, const uint64_t *x, int64_t x_row)
{
    words8 r[8];
    UNROLL for (int i = 0; i < 8; i++) r[i] = *(const words8_memory *)(x + i * x_row);
    for (int round = 0; round < 3; round++) {
        words8 t[8];
        UNROLL for (int i = 0; i < 4; i++)
        {
            t[2 * i] = __builtin_shufflevector(r[i], r[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
            t[2 * i + 1] = __builtin_shufflevector(r[i], r[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
        }
        UNROLL for (int i = 0; i < 8; i++) r[i] = t[i];
    }
    UNROLL for (int i = 0; i < 8; i++) *(words8_memory *)(y + i * y_row) = r[i];
}

void adze_uk_transpose_b64_16x16(uint64_t *y, int64_t y_row, const uint64_t *x, int64_t x_row)
{
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) turn_words(y + 8 * i * y_row + 8 * j, y_row, x + 8 * j * x_row + 8 * i, x_row);
}
