/* Logistic regression over plain arrays. */
#ifndef ADZE_LOGISTIC_H
#define ADZE_LOGISTIC_H

#include <stdbool.h>
#include <stddef.h>

/* Weights w[n] and *bias so that 1 / (1 + exp(-(w x + bias))) is how likely label[i] is true of x[rows][n]: least
 * cross-entropy plus `ridge` / 2 times the squares of the weights of features scaled to variance 1 (a tenth of it for
 * the bias, so that labels that are all the same give finite numbers). By Newton's method. False where x is NaN or
 * infinite. */
bool logistic_fit(const double *x, const bool *label, size_t rows, size_t n, double ridge, double *w, double *bias);

#endif
