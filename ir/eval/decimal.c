/* Exact decimals. A number is held as decimal digits; multiplying and dividing it by powers of two, digit by digit as
 * on paper, brings it to the binary exponent that is wanted, and what is left of the point is rounded once.
 *
 * 800 digits will do, and whether there is more behind them: what lies half-way between two neighbours of f64 has at
 * most 767 significant digits (the subnormal ones, odd / 2^1075), so digits behind those decide only if they are not
 * all zero.
 */
#include "decimal.h"
#include "bits.h"
#include "eval.h"

#include <adze/digit.h>

enum {
    DIGITS = 800,     /* held of a number */
    STEP = 60,        /* bits of one shift: ten times 2^60 fits 64 bits */
    STEP_DIGITS = 19, /* digits that a shift adds at most */
    PRECISION = 8,    /* digits that are written */
};

/* 0.d0 d1 d2 … times 10^point, and less than one of the last digit on top if `more`. d0 is not 0 and the last digit
 * neither; no digits: zero. */
typedef struct decimal {
    uint8_t digits[DIGITS + STEP_DIGITS];
    int64_t n, point;
    bool more;
} decimal;

static void push(decimal *d, uint64_t digit)
{
    if (d->n < DIGITS) d->digits[d->n++] = (uint8_t)digit;
    else d->more = d->more || digit;
}

static void trim(decimal *d)
{
    while (d->n && !d->digits[d->n - 1]) d->n--;
}

/* times 2^bits, bits <= STEP */
static void multiply(decimal *d, uint32_t bits)
{
    uint64_t carry = 0;
    int64_t n = d->n + STEP_DIGITS, zeros = 0;
    for (int64_t i = n - 1; i >= 0; i--) {
        if (i >= STEP_DIGITS) carry += (uint64_t)d->digits[i - STEP_DIGITS] << bits;
        d->digits[i] = (uint8_t)(carry % 10);
        carry /= 10;
    }
    while (zeros < n && !d->digits[zeros]) zeros++;
    d->point += STEP_DIGITS - zeros;
    d->n = 0;
    for (int64_t i = zeros; i < n; i++) push(d, d->digits[i]);
    trim(d);
}

/* by 2^bits, bits <= STEP: one digit of the quotient for each of the dividend, then until nothing is left */
static void divide(decimal *d, uint32_t bits)
{
    uint64_t rest = 0;
    int64_t n = d->n;
    d->n = 0;
    for (int64_t i = 0; i < n || rest; i++) {
        rest = rest * 10 + (i < n ? d->digits[i] : 0);
        uint64_t digit = rest >> bits;
        rest &= (UINT64_C(1) << bits) - 1;
        if (d->n || digit) push(d, digit);
        else d->point--;
    }
    trim(d);
}

/* times 2^bits; negative ones divide */
static void shift(decimal *d, int64_t bits)
{
    while (bits && d->n) {
        int64_t now = ev_max(ev_min(bits, STEP), -STEP);
        if (now > 0) multiply(d, (uint32_t)now);
        else divide(d, (uint32_t)-now);
        bits -= now;
    }
}

static void set_u64(decimal *d, uint64_t x)
{
    uint8_t reversed[STEP_DIGITS + 1];
    d->n = d->point = 0;
    d->more = false;
    for (; x; x /= 10) reversed[d->point++] = (uint8_t)(x % 10);
    for (int64_t i = d->point; i-- > 0;) push(d, reversed[i]);
    trim(d);
}

/* Does rounding to the first `at` digits, ties to even, go up? */
static bool goes_up(const decimal *d, int64_t at)
{
    if (at < 0 || at >= d->n) return false;
    if (d->digits[at] != 5) return d->digits[at] > 5;
    return at + 1 < d->n || d->more || (at > 0 && d->digits[at - 1] % 2);
}

/* Bits of a shift that brings a number of that decimal point nearer to 1 and not past it. */
static int64_t near_step(int64_t point)
{
    return point ? ev_min(3 * (point < 0 ? -point : point), STEP) : 1;
}

/* The nearest f64, without sign; false if it would be infinite. `d` changes. */
static bool to_f64(decimal *d, double *out)
{
    enum { LEAST = -1074 }; /* 2^LEAST is the smallest number */
    int64_t e = 0;
    *out = 0;
    if (!d->n || d->point < -330) return true;
    if (d->point > 310) return false;
    while (d->point > 0) {
        int64_t bits = near_step(d->point);
        shift(d, -bits);
        e += bits;
    }
    while (d->point < 0 || d->digits[0] < 5) {
        int64_t bits = near_step(d->point);
        shift(d, bits);
        e -= bits;
    }
    /* Now the number is 2^e times one of 1/2 … 1; its mantissa has 53 bits, subnormal ones less. */
    int64_t bits = ev_min(53, e - LEAST);
    if (bits < 0) return true;
    shift(d, bits);
    uint64_t m = 0;
    for (int64_t i = 0; i < d->point; i++) m = 10 * m + (i < d->n ? d->digits[i] : 0);
    m += goes_up(d, d->point);
    /* A mantissa has bit 52 itself, and a full one carries into the exponent. */
    uint64_t code = m + ((uint64_t)ev_max(e - LEAST - 53, 0) << 52);
    *out = adze_float_f64(code);
    return code < UINT64_C(0x7ff) << 52;
}

/* ---- Reading ---- */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* The next character of a text; 0 behind its end, which no number has. */
static char peek(adze_string text, uint64_t ahead) { return ahead < text.size ? text.data[ahead] : 0; }

static void skip(adze_string *text, uint64_t n) { text->data += n, text->size -= n; }

static bool skip_word(adze_string *text, const char *word)
{
    uint64_t n = 0;
    while (word[n] && lower(peek(*text, n)) == word[n]) n++;
    if (word[n]) return false;
    skip(text, n);
    return true;
}

/* Blanks and a sign: is it a minus? */
static bool skip_sign(adze_string *text)
{
    while (text->size && ev_is_space(text->data[0])) skip(text, 1);
    bool minus = peek(*text, 0) == '-';
    if (minus || peek(*text, 0) == '+') skip(text, 1);
    return minus;
}

/* What stands behind `mark` as an exponent, 0 if nothing does; beyond 10^15 what it is does not matter. */
static int64_t read_exponent(adze_string text, char mark)
{
    int64_t e = 0;
    uint64_t at = 1;
    bool minus = peek(text, 1) == '-';
    if (lower(peek(text, 0)) != mark) return 0;
    if (minus || peek(text, 1) == '+') at++;
    for (; adze_is_digit(peek(text, at)); at++)
        if (e < INT64_C(1000000000000000)) e = 10 * e + (text.data[at] - '0');
    return minus ? -e : e;
}

/* False if there are no digits. */
static bool read_decimal(adze_string text, decimal *d)
{
    bool fraction = false, any = false;
    d->n = d->point = 0;
    d->more = false;
    for (;; skip(&text, 1)) {
        char c = peek(text, 0);
        if (c == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (!adze_is_digit(c)) break;
        any = true;
        bool counts = d->n || c != '0';
        if (counts) push(d, (uint64_t)(c - '0'));
        d->point += counts && !fraction ? 1 : !counts && fraction ? -1 : 0;
    }
    trim(d);
    d->point += read_exponent(text, 'e');
    return any;
}

/* What stands behind 0x; the first 60 bits, and whether there are more, are enough to round. False without a digit. */
static bool read_hex(adze_string text, decimal *d)
{
    bool fraction = false, any = false, more = false;
    uint64_t m = 0;
    int64_t e = 0;
    for (;; skip(&text, 1)) {
        char c = peek(text, 0);
        int digit = adze_hex_digit(c);
        if (c == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (digit < 0) break;
        any = true;
        bool full = m >> 60;
        if (full) more = more || digit;
        else m = 16 * m + (uint64_t)digit;
        e += 4 * (full - fraction);
    }
    set_u64(d, m);
    d->more = more;
    e += read_exponent(text, 'p');
    shift(d, ev_max(ev_min(e, 5000), -5000)); /* far beyond f64 either way */
    return any;
}

static bool read_digits(adze_string text, decimal *d)
{
    adze_string hex = text;
    return (skip_word(&hex, "0x") && read_hex(hex, d)) || read_decimal(text, d);
}

ev_text_kind ev_text_to_f64(adze_string text, double *out)
{
    decimal d;
    double sign = skip_sign(&text) ? -1 : 1;
    ev_text_kind kind = EV_TEXT_NUMBER;
    *out = 0;
    if (skip_word(&text, "nan")) *out = adze_float_f64(UINT64_C(0x7ff8000000000000));
    else if (skip_word(&text, "inf")) *out = adze_float_f64(UINT64_C(0x7ff0000000000000));
    else if (!read_digits(text, &d)) kind = EV_TEXT_NO_NUMBER;
    else if (!to_f64(&d, out)) kind = EV_TEXT_BEYOND;
    if (sign < 0) *out = adze_float_f64(adze_bits_f64(*out) ^ UINT64_C(1) << 63); /* of NaN too */
    return kind;
}

ev_text_kind ev_text_to_i64(adze_string text, bool is_unsigned, int64_t *out)
{
    bool minus = skip_sign(&text), beyond = false;
    uint64_t x = 0, most = is_unsigned ? UINT64_MAX : (uint64_t)INT64_MAX + minus;
    *out = 0;
    if (!adze_is_digit(peek(text, 0))) return EV_TEXT_NO_NUMBER;
    for (; adze_is_digit(peek(text, 0)); skip(&text, 1)) {
        uint64_t digit = (uint64_t)(text.data[0] - '0');
        beyond = beyond || x > (most - digit) / 10;
        x = 10 * x + digit;
    }
    *out = (int64_t)(minus ? 0 - x : x);
    return beyond ? EV_TEXT_BEYOND : EV_TEXT_NUMBER;
}

/* ---- Writing ---- */

static uint32_t put(char *to, uint32_t n, const char *text)
{
    for (; *text; text++) to[n++] = *text;
    return n;
}

/* To PRECISION digits; a row of nines becomes 1. */
static void round_digits(decimal *d)
{
    bool up = goes_up(d, PRECISION);
    d->n = ev_min(d->n, PRECISION);
    d->more = false;
    while (up && d->n && d->digits[d->n - 1] == 9) d->n--;
    if (up && d->n) {
        d->digits[d->n - 1]++;
    } else if (up) {
        d->digits[d->n++] = 1;
        d->point++;
    }
    trim(d);
}

/* d.ddde-05: at least two digits of exponent. */
static uint32_t put_scientific(const decimal *d, char *to, uint32_t n)
{
    int64_t e = d->point - 1;
    for (int64_t i = 0; i < d->n; i++) {
        if (i == 1) to[n++] = '.';
        to[n++] = (char)('0' + d->digits[i]);
    }
    n = put(to, n, e < 0 ? "e-" : "e+");
    if (e < 0) e = -e;
    if (e < 10) to[n++] = '0';
    return n + ev_i64_to_text(e, true, to + n);
}

static uint32_t put_plain(const decimal *d, char *to, uint32_t n)
{
    if (d->point <= 0) n = put(to, n, "0.");
    for (int64_t i = d->point; i < 0; i++) to[n++] = '0';
    for (int64_t i = 0; i < d->n || i < d->point; i++) {
        if (i == d->point && i) to[n++] = '.';
        to[n++] = (char)('0' + (i < d->n ? d->digits[i] : 0));
    }
    return n;
}

uint32_t ev_f64_to_text(double x, char *to)
{
    decimal d;
    uint64_t bits = adze_bits_f64(x), m = bits & ((UINT64_C(1) << 52) - 1);
    int64_t e = (int64_t)(bits >> 52 & 0x7ff);
    uint32_t n = 0;
    if (x != x) return put(to, n, "NaN");
    if (bits >> 63) to[n++] = '-';
    if (e == 0x7ff) return put(to, n, "INF");
    set_u64(&d, e ? m | UINT64_C(1) << 52 : m);
    if (!d.n) return put(to, n, "0");
    shift(&d, ev_max(e, 1) - 1075);
    round_digits(&d);
    return d.point < -3 || d.point > PRECISION ? put_scientific(&d, to, n) : put_plain(&d, to, n);
}

uint32_t ev_i64_to_text(int64_t x, bool is_unsigned, char *to)
{
    char reversed[EV_TEXT_MOST];
    uint32_t n = 0, digits = 0;
    bool minus = !is_unsigned && x < 0;
    uint64_t left = minus ? 0 - (uint64_t)x : (uint64_t)x;
    do reversed[digits++] = (char)('0' + left % 10);
    while (left /= 10);
    if (minus) to[n++] = '-';
    while (digits) to[n++] = reversed[--digits];
    return n;
}
