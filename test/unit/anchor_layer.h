/* A synthetic layer for tests that compare methods of compression by what they keep of its outputs.
 *
 * y = W x, 256 inputs, 128 outputs, normal weights. Inputs are an autoregressive sequence over the features (0.9) with
 * lognormal gains (sigma 0.5); in the second set four of them are 20 times larger.
 */
#ifndef ADZE_TEST_ANCHOR_LAYER_H
#define ADZE_TEST_ANCHOR_LAYER_H

#include "passes/weights/linalg.h"

#include <math.h>
#include <stdint.h>

enum { D = 256, M = 128, ROWS = 2048 };

typedef struct layer_data {
    double w[M * D];
    double calibration[ROWS * D], test[ROWS * D];
    double h[D * D], h_test[D * D]; /* Gram matrices */
    double mean_abs[D], abs_max[D];
    double signal; /* of the outputs, on test */
} layer_data;

/* ---- Data ---- */

static uint64_t state;

static double uniform(void)
{
    state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static void fill_rows(double *x, const double *gain)
{
    for (size_t r = 0; r < ROWS; r++) {
        double at = normal();
        for (size_t j = 0; j < D; j++) {
            x[r * D + j] = at * gain[j];
            at = 0.9 * at + sqrt(1 - 0.81) * normal();
        }
    }
}

static void gram(const double *x, double *h)
{
    static double turned[D * ROWS];
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < D; j++) turned[j * ROWS + r] = x[r * D + j];
    linalg_gemm(h, D, turned, ROWS, x, D, D, D, ROWS, 2.0 / (int)ROWS);
}

static void make(layer_data *s, bool outliers)
{
    double gain[D];
    state = 42;
    for (size_t j = 0; j < D; j++) gain[j] = exp(0.5 * normal());
    for (size_t k = 0; k < 4; k++) gain[(size_t)(uniform() * (int)D)] *= outliers ? 20 : 1;
    for (size_t i = 0; i < (size_t)M * D; i++) s->w[i] = normal();
    fill_rows(s->calibration, gain);
    fill_rows(s->test, gain);
    gram(s->calibration, s->h);
    gram(s->test, s->h_test);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < D; j++) {
            double a = fabs(s->calibration[r * D + j]);
            s->mean_abs[j] += a / (int)ROWS;
            if (a > s->abs_max[j]) s->abs_max[j] = a;
        }
    s->signal = linalg_error(s->w, s->h_test, M, D);
}

static double decibel(double signal, double noise)
{
    return 10 * log10(signal / noise);
}

/* Signal to noise, in dB, of the outputs with weights w on test rows. */
static inline double anchor_quality(const layer_data *s, const double *w)
{
    static double e[M * D];
    for (size_t i = 0; i < (size_t)M * D; i++) e[i] = w[i] - s->w[i];
    return decibel(s->signal, linalg_error(e, s->h_test, M, D));
}

#endif
