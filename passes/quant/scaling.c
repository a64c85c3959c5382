/* Factors that move range between a layer's inputs and its weights, or between two layers; shifts of means. */
#include "passes/quant/numerics.h"

#include <math.h>

void quant_smooth(const double *x_absmax, const double *w_absmax, size_t n, double alpha, double *s)
{
    for (size_t j = 0; j < n; j++) {
        s[j] = pow(x_absmax[j], alpha) / pow(w_absmax[j], 1 - alpha);
        if (!(x_absmax[j] > 0) || !(w_absmax[j] > 0) || !(s[j] > 1e-5) || !(s[j] < 1e5)) s[j] = 1;
        s[j] = (double)(float)s[j];
    }
}

void quant_equalize(const double *first, const double *second, size_t n, double *s)
{
    for (size_t i = 0; i < n; i++) {
        s[i] = sqrt(first[i] / second[i]);
        if (!(first[i] > 0) || !(second[i] > 0) || !(s[i] > 1e-5) || !(s[i] < 1e5)) s[i] = 1;
        s[i] = (double)(float)s[i];
    }
}

void quant_bias_shift(const double *w, const double *rounded, const double *mean, size_t rows, size_t cols,
                      double *shift)
{
    for (size_t i = 0; i < rows; i++) {
        shift[i] = 0;
        for (size_t j = 0; j < cols; j++) shift[i] += (w[i * cols + j] - rounded[i * cols + j]) * mean[j];
    }
}
