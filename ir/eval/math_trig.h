/* Reduction of large angles: multiplication by the needed bits of 2/pi (Payne and Hanek, "Radian
 * reduction for trigonometric functions", SIGNUM Newsletter 18, 1983).
 */
#ifndef ADZE_MATH_TRIG_H
#define ADZE_MATH_TRIG_H

#include "lanes_scalar.h"
#include "lanes_end.h"

/* For finite |x| >= 2^19: x = n pi/2 + r with |r| <= pi/4; returns r, and n modulo 4 in out_n. */
static inline double adze_trig_reduce_large(double x, int64_t *out_n)
{
    /* 2/pi = 0.word[0] word[1] ..., 64 bits each */
    static const uint64_t words[20] = {
        0xa2f9836e4e441529u, 0xfc2757d1f534ddc0u, 0xdb6295993c439041u, 0xfe5163abdebbc561u,
        0xb7246e3a424dd2e0u, 0x06492eea09d1921cu, 0xfe1deb1cb129a73eu, 0xe88235f52ebb4484u,
        0xe99c7026b45f7e41u, 0x3991d639835339f4u, 0x9c845f8bbdf9283bu, 0x1ff897ffde05980fu,
        0xef2f118b5a0a6d1fu, 0x6d367ecf27cb09b7u, 0x4f463f669e5fea2du, 0x7527bac7ebe5f17bu,
        0x3d0739f78a5292eau, 0x6bfb5fb11f8d5d08u, 0x56033046fc7b6babu, 0xf0cfbc209af4361du,
    };
    __extension__ typedef unsigned __int128 wide;
    uint64_t b = adze_bits_f64(x);
    int exponent = (int)(b >> 52 & 0x7ff) - 1075; /* |x| = mantissa 2^exponent */
    uint64_t mantissa = (b & 0xfffffffffffffu) | 0x10000000000000u;
    /* Bits of 2/pi that weigh 4 or more after the product do not matter: start `skip` bits in, so
     * that the product's 192 bits begin at weight 2^(exponent - skip) = 4 times the mantissa's lowest. */
    int skip = exponent - 2;
    if (skip < 0) skip = 0;
    uint64_t w[4];
    for (int i = 0; i < 4; i++) {
        int at = skip + 64 * i;
        int word = at / 64, bit = at % 64;
        uint64_t hi = word < 20 ? words[word] : 0, lo = word + 1 < 20 ? words[word + 1] : 0;
        w[i] = bit ? hi << bit | lo >> (64 - bit) : hi;
    }
    /* product = mantissa * w, 256 bits; its fraction point lies after `up` bits from the top */
    uint64_t p[4];
    wide carry = 0;
    for (int i = 3; i >= 0; i--) {
        wide t = (wide)mantissa * w[i] + carry;
        p[i] = (uint64_t)t;
        carry = t >> 64;
    }
    /* value = (carry, p) 2^(exponent - skip - 256); exponent - skip is 2, or less when skip is 0 */
    int up = exponent - skip;
    uint64_t whole = (uint64_t)carry, f0 = p[0], f1 = p[1], f2 = p[2];
    if (up > 0) {
        whole = whole << up | f0 >> (64 - up);
        f0 = f0 << up | f1 >> (64 - up);
        f1 = f1 << up | f2 >> (64 - up);
    } else if (up < 0) {
        int down = -up;
        f1 = f1 >> down | f0 << (64 - down);
        f0 = f0 >> down | whole << (64 - down);
        whole >>= down;
    }
    int negative = 0;
    if (f0 >> 63) { /* the fraction is at least a half: r = fraction - 1 */
        whole++;
        negative = 1;
        f0 = ~f0;
        f1 = ~f1;
    }
    int lead = 0;
    while (lead < 64 && !(f0 >> 63)) {
        f0 = f0 << 1 | f1 >> 63;
        f1 <<= 1;
        lead++;
    }
    /* fraction = f0 2^(-64 - lead) */
    double hi = (double)(f0 >> 11), lo = (double)((f0 & 0x7ff) << 42 | f1 >> 22) * 0x1p-53;
    double scale = adze_float_f64((uint64_t)(1023 - 53 - lead) << 52);
    double fraction = (hi + lo) * scale;
    double rest = ((hi - (hi + lo)) + lo) * scale;
    double r = fraction * 0x1.921fb54442d18p+0 + (fraction * 0x1.1a62633145c07p-54 + rest * 0x1.921fb54442d18p+0);
    int64_t n = (int64_t)(whole & 3);
    if (negative) r = -r;
    if (b >> 63) {
        r = -r;
        n = -n & 3;
    }
    *out_n = n;
    return r;
}

#endif
