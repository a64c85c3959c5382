/* Adam over arrays of numbers, with steps in proportion to what they change. */
#ifndef ADZE_RECOVER_ADAM_H
#define ADZE_RECOVER_ADAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An array of numbers that are trained. */
typedef struct adam_array {
    float *x;           /* [n] */
    size_t n;
    bool keep_zeros;    /* numbers that are 0 stay 0 */
    double size;        /* root of the mean square that steps go by */
    double *sum;        /* of gradients since the last step */
    double *mean, *square;
    bool *fixed;
} adam_array;

/* Takes x, malloc'ed, over. */
adam_array adam_create(float *x, size_t n, bool keep_zeros);
void adam_free(adam_array *a);
/* Adds a gradient; false: it holds NaN or infinity, and nothing was added. */
bool adam_add(adam_array *a, const float *gradient);
/* Step number `step`, from 1, by the mean of `count` gradients that were added. `rate` is of `size`. Source: Kingma
 * and Ba, "Adam", 2014. */
void adam_step(adam_array *a, uint64_t step, double count, double rate);

#endif
