/* f64 matrix product, and packing of what is multiplied. */
typedef double element;
typedef double vector __attribute__((vector_size(128)));
typedef double vector_memory __attribute__((vector_size(128), aligned(8), may_alias));
#include "gemm_floats.h"

#define UK_GEMM_F64(mr)                                                                            \
    void adze_uk_gemm_f64_##mr##x16(double *acc, const double *a, int64_t m_cols, int64_t a_col,   \
                                    int64_t a_row, const double *b, int64_t t0, int64_t s0,        \
                                    int64_t t1, int64_t s1, int64_t k, int64_t ahead)              \
    {                                                                                              \
        gemm_tile(mr, 1, (gemm_args){acc, a, m_cols, a_col, a_row, b, t0, s0, t1, s1, k, ahead});  \
    }
#include "ukernels.def"

void adze_uk_pack_f64(double *y, const double *x, int64_t k, int64_t n, int64_t x_k, int64_t x_n, int64_t rows)
{
    for (int64_t first = 0; first < (n + 31) / 32 * 32; first += PANEL, y += rows * PANEL) {
        const double *from = x + first * x_n;
        const int64_t width = n - first < 0 ? 0 : n - first < PANEL ? n - first : PANEL;
        for (int64_t kk = 0; kk < rows; kk++)
            if (kk < k && width == PANEL && x_n == 1)
                *(vector_memory *)(y + kk * PANEL) = *(const vector_memory *)(from + kk * x_k);
            else
                for (int64_t j = 0; j < PANEL; j++)
                    y[kk * PANEL + j] = kk < k && j < width ? from[kk * x_k + j * x_n] : 0;
    }
}
