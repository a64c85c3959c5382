/* Growing text buffers, quoting and numbers: what the IR's printers are made of. */
#include "ir/text.h"

#include <adze/arena.h>
#include <adze/digit.h>

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(adze_text *text, size_t more)
{
    if (text->capacity - text->size > more) return;
    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity - text->size <= more) capacity *= 2;
    text->data = adze_realloc(text->data, capacity);
    text->capacity = capacity;
}

void adze_text_write(adze_text *text, const char *bytes, size_t size)
{
    reserve(text, size);
    if (size) memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = 0;
}

void adze_text_put(adze_text *text, const char *string) { adze_text_write(text, string, strlen(string)); }

void adze_text_cut(adze_text *text, const char *bytes, size_t size, size_t most)
{
    size_t head = size, tail = size;
    if (size > most) {
        head = most / 4 * 3;
        tail = size - most / 4;
        while (head > 0 && ((unsigned char)bytes[head] & 0xc0) == 0x80) head--;
        while (tail < size && ((unsigned char)bytes[tail] & 0xc0) == 0x80) tail++;
    }
    adze_text_write(text, bytes, head);
    if (size > most) adze_text_put(text, "…");
    adze_text_write(text, bytes + tail, size - tail);
}

void adze_text_append(adze_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reserve(text, 80);
    int length = vsnprintf(text->data + text->size, text->capacity - text->size, format, args);
    va_end(args);
    if (length < 0) return;
    if ((size_t)length >= text->capacity - text->size) {
        reserve(text, (size_t)length);
        va_start(args, format);
        vsnprintf(text->data + text->size, text->capacity - text->size, format, args);
        va_end(args);
    }
    text->size += (size_t)length;
}

void adze_text_free(adze_text *text)
{
    free(text->data);
    *text = (adze_text){0};
}

size_t adze_utf8_length(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    if (left == 0) return 0;
    if (p[0] < 0x80) return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < n) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
    return n;
}

/* Stands for itself between quotes, whatever is beside it. */
static bool is_plain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '[' && c != '{'; }

void adze_text_quoted(adze_text *text, const char *bytes, size_t size)
{
    const char *end = bytes + size, *at = bytes;
    adze_text_write(text, "\"", 1);
    while (at < end) {
        const char *start = at;
        while (at < end && is_plain(*at)) at++;
        adze_text_write(text, start, (size_t)(at - start));
        if (at == end) break;
        unsigned char c = (unsigned char)*at;
        size_t n = adze_utf8_length(at, end);
        bool twin = at > bytes && (c == '[' || c == '{') && at[-1] == *at;
        if (c == '"' || c == '\\')
            adze_text_append(text, "\\%c", c);
        else if (c == '\n')
            adze_text_put(text, "\\n");
        else if (n == 0 || c < 0x20 || c == 0x7f || twin)
            adze_text_append(text, "\\x%02x", c);
        else
            adze_text_write(text, at, n);
        at += n ? n : 1;
    }
    adze_text_write(text, "\"", 1);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool adze_is_id(const char *name)
{
    if (!is_letter(*name)) return false;
    while (is_letter(*name) || adze_is_digit(*name)) name++;
    return *name == 0;
}

void adze_text_id(adze_text *text, const char *name)
{
    if (adze_is_id(name))
        adze_text_write(text, name, strlen(name));
    else
        adze_text_quoted(text, name, strlen(name));
}

void adze_text_symbol(adze_text *text, char sigil, const char *name)
{
    const char *at = name;
    adze_text_write(text, &sigil, 1);
    if (is_letter(*at))
        while (is_letter(*at) || adze_is_digit(*at) || *at == '.') at++;
    if (*at == 0 && at > name)
        adze_text_write(text, name, (size_t)(at - name));
    else
        adze_text_quoted(text, name, strlen(name));
}

static int power_of_ten(const char **at)
{
    const char *p = *at;
    if (*p != 'e' && *p != 'E') return 0;
    bool negative = *++p == '-';
    if (*p == '-' || *p == '+') p++;
    if (!adze_is_digit(*p)) return 0;
    int power = 0;
    for (; adze_is_digit(*p); p++)
        if (power < 1000) power = power * 10 + (*p - '0');
    *at = p;
    return negative ? -power : power;
}

/* Decimal numbers of up to 15 digits and with small powers of ten, which most are: both parts are exact in double, so
 * one operation rounds once (Clinger, How to Read Floating Point Numbers Accurately, 1990). False for all others. */
static bool read_short(const char *text, char **end, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *at = text + (*text == '-');
    uint64_t digits = 0;
    int n = 0, behind = 0;
    bool point = false;
    for (; adze_is_digit(*at) || (*at == '.' && !point); at++) {
        point |= *at == '.';
        if (*at == '.') continue;
        if (++n > 15) return false;
        digits = digits * 10 + (uint64_t)(*at - '0');
        behind += point;
    }
    if (n == 0 || (n == 1 && (*at == 'x' || *at == 'X'))) return false;
    int power = power_of_ten(&at) - behind;
    if (power < -22 || power > 22) return false;
    double value = power < 0 ? (double)digits / powers[-power] : (double)digits * powers[power];
    if (end) *end = (char *)(uintptr_t)at;
    *out = *text == '-' ? -value : value;
    return true;
}

double adze_text_to_double(const char *text, char **end)
{
    double value;
    if (read_short(text, end, &value)) return value;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    value = c ? strtod_l(text, end, c) : strtod(text, end);
    if (c) freelocale(c);
    return value;
}

static bool reads_back(char *digits, size_t size, int precision, double value, bool single)
{
    snprintf(digits, size, "%.*g", precision, value);
    for (char *c = digits; *c; c++)
        if (!adze_is_digit(*c) && !strchr("+-e", *c)) *c = '.'; /* whatever the locale's point is */
    double back = adze_text_to_double(digits, NULL);
    return single ? (float)back == (float)value : back == value;
}

/* Shortest of %.1g … %.17g for which `same` bits come back; in f32, 9 digits always suffice. Text of more digits is
 * never farther off, so the shortest is searched by halving. */
static void write_number(adze_text *text, double value, bool single)
{
    char digits[320]; /* what gcc thinks that it may take */
    if (isnan(value) || isinf(value)) {
        adze_text_append(text, "%s%s", signbit(value) ? "-" : "", isnan(value) ? "nan" : "inf");
        return;
    }
    int low = 1, high = single ? 9 : 17;
    while (low < high) {
        int middle = (low + high) / 2;
        if (reads_back(digits, sizeof digits, middle, value, single))
            high = middle;
        else
            low = middle + 1;
    }
    reads_back(digits, sizeof digits, high, value, single);
    adze_text_put(text, digits);
    if (!strpbrk(digits, ".e")) adze_text_put(text, ".0");
}

void adze_text_double(adze_text *text, double value) { write_number(text, value, false); }

void adze_text_float(adze_text *text, float value) { write_number(text, (double)value, true); }

void adze_text_dim(adze_text *text, const adze_dim *dim)
{
    size_t size = adze_dim_print(dim, NULL, 0);
    reserve(text, size);
    adze_dim_print(dim, text->data + text->size, size + 1);
    text->size += size;
}
