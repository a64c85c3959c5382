/* 16 x 16 elements in 16 vectors, turned. */
#ifndef ADZE_UKERNELS_TRANSPOSE_H
#define ADZE_UKERNELS_TRANSPOSE_H

#include "vector.h"

/* Four rounds that interleave row i with row i + 8 transpose 16 x 16: each moves one bit of the row
 * number into the column number. A macro for vectors of any element. */
#define TURN_16(vector, r)                                                                                             \
    for (int round = 0; round < 4; round++) {                                                                          \
        vector t[16];                                                                                                  \
        UNROLL for (int i = 0; i < 8; i++)                                                                             \
        {                                                                                                              \
            t[2 * i] = __builtin_shufflevector(r[i], r[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7,     \
                                               23);                                                                    \
            t[2 * i + 1] = __builtin_shufflevector(r[i], r[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14,   \
                                                   30, 15, 31);                                                        \
        }                                                                                                              \
        UNROLL for (int i = 0; i < 16; i++) r[i] = t[i];                                                               \
    }

INLINE void transpose_tile(v16 r[16])
{
    TURN_16(v16, r)
}

#endif
