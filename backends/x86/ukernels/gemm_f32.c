/* f32 matrix product and direct convolution. */
typedef float element;
#define vector        v16
#define vector_memory v16_memory
#include "gemm_floats.h"

#define UK_GEMM(mr, nr)                                                                            \
    void adze_uk_gemm_f32_##mr##x##nr(float *acc, const float *a, int64_t m_cols, int64_t a_col,   \
                                      int64_t a_row, const float *b, int64_t t0, int64_t s0,       \
                                      int64_t t1, int64_t s1, int64_t k, int64_t ahead)                           \
    {                                                                                              \
        gemm_tile(mr, nr / 16, (gemm_args){acc, a, m_cols, a_col, a_row, b, t0, s0, t1, s1, k, ahead});   \
    }
#include "ukernels.def"
