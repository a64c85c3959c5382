/* Numbers as decimal text, exact in both directions: reading gives the nearest f64, writing rounds the exact value. */
#ifndef ADZE_EVAL_DECIMAL_H
#define ADZE_EVAL_DECIMAL_H

#include <adze/abi.h>

enum { EV_TEXT_MOST = 20 }; /* bytes of the longest text that is written: -9223372036854775808 */

/* What a text begins with, behind blanks. */
typedef enum ev_text_kind {
    EV_TEXT_NUMBER,
    EV_TEXT_NO_NUMBER,
    EV_TEXT_BEYOND, /* a number that is too large */
} ev_text_kind;

/* The longest prefix that strtod (C11 7.22.1.3) takes: decimal, with exponent or without, hexadecimal, "inf",
 * "infinity" and "nan" in any case. To nearest, ties to even; what is too small becomes a subnormal number or 0. The
 * text may have any length: time is linear in it, memory is constant. */
ev_text_kind ev_text_to_f64(adze_string text, double *out);

/* The longest prefix that strtoll takes with base 10; as strtoull if `is_unsigned`, so that a minus sign negates modulo
 * 2^64. BEYOND where the digits alone are beyond the type. */
ev_text_kind ev_text_to_i64(adze_string text, bool is_unsigned, int64_t *out);

/* As printf's "%.8g", but NaN, INF and -INF; the number of bytes, at most EV_TEXT_MOST, no zero behind. */
uint32_t ev_f64_to_text(double x, char *to);

/* A 64-bit integer; if `is_unsigned` of that form. */
uint32_t ev_i64_to_text(int64_t x, bool is_unsigned, char *to);

#endif
