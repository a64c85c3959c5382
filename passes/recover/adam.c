/* Adam, with steps that are a part of an array's own size, so that one rate serves weights, biases and scales. */
#include "passes/recover/adam.h"

#include <adze/arena.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double beta1 = 0.9, beta2 = 0.99, epsilon = 1e-12;
static const double least_size = 0.01; /* of arrays that are all 0, as new biases */

static double *zeros(size_t n)
{
    double *x = adze_malloc((n + 1) * sizeof *x);
    memset(x, 0, (n + 1) * sizeof *x);
    return x;
}

adam_array adam_create(float *x, size_t n, bool keep_zeros)
{
    adam_array a = {.x = x, .n = n, .keep_zeros = keep_zeros, .sum = zeros(n), .mean = zeros(n), .square = zeros(n)};
    double sum = 0;
    size_t used = 0;
    a.fixed = adze_malloc((n + 1) * sizeof *a.fixed);
    for (size_t i = 0; i < n; i++) {
        a.fixed[i] = keep_zeros && x[i] == 0;
        used += !a.fixed[i];
        sum += (double)x[i] * (double)x[i];
    }
    a.size = used ? sqrt(sum / (double)used) : 0;
    if (a.size < 1e-6) a.size = least_size;
    return a;
}

void adam_free(adam_array *a)
{
    free(a->x);
    free(a->sum);
    free(a->mean);
    free(a->square);
    free(a->fixed);
    *a = (adam_array){0};
}

bool adam_add(adam_array *a, const float *gradient)
{
    for (size_t i = 0; i < a->n; i++)
        if (!isfinite(gradient[i])) return false;
    for (size_t i = 0; i < a->n; i++) a->sum[i] += (double)gradient[i];
    return true;
}

void adam_step(adam_array *a, uint64_t step, double count, double rate)
{
    double left1 = 1 - pow(beta1, (double)step), left2 = 1 - pow(beta2, (double)step);
    for (size_t i = 0; i < a->n; i++) {
        double g = a->sum[i] / count;
        a->sum[i] = 0;
        if (a->fixed[i]) continue;
        a->mean[i] = beta1 * a->mean[i] + (1 - beta1) * g;
        a->square[i] = beta2 * a->square[i] + (1 - beta2) * g * g;
        double move = a->mean[i] / left1 / (sqrt(a->square[i] / left2) + epsilon);
        a->x[i] = (float)((double)a->x[i] - rate * a->size * move);
    }
}
