/* The bits of floats as integers, and back. */
#ifndef ADZE_EVAL_BITS_H
#define ADZE_EVAL_BITS_H

#include <stdint.h>

static inline uint32_t adze_bits_f32(float x)
{
    union {
        float f;
        uint32_t u;
    } v = {.f = x};
    return v.u;
}

static inline float adze_float_f32(uint32_t u)
{
    union {
        uint32_t u;
        float f;
    } v = {.u = u};
    return v.f;
}

enum { ADZE_INF_BITS_F32 = 0x7f800000 };

/* Integers in the order of the numbers, equal for equal ones: -0 is 0. NaN must be told apart. */
static inline int32_t adze_order_f32(float x)
{
    int32_t bits = (int32_t)adze_bits_f32(x + 0.0f);
    return bits ^ (bits >> 31 & INT32_MAX);
}

static inline uint64_t adze_bits_f64(double x)
{
    union {
        double f;
        uint64_t u;
    } v = {.f = x};
    return v.u;
}

static inline double adze_float_f64(uint64_t u)
{
    union {
        uint64_t u;
        double f;
    } v = {.u = u};
    return v.f;
}

#endif
