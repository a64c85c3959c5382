/* Digits of text, for all that read it: also evaluations, which may call no library. */
#ifndef ADZE_IR_DIGIT_H
#define ADZE_IR_DIGIT_H

#include <stdbool.h>

static inline bool adze_is_digit(char c) { return c >= '0' && c <= '9'; }

/* 0 to 15 of a hexadecimal digit in either case, -1 of others. */
static inline int adze_hex_digit(char c)
{
    if (adze_is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

#endif
