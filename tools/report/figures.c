/* Members of a report, figures with units, and text that is safe to show. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Members ---- */

const adze_json *adze_report_get(const adze_json *object, const char *key)
{
    const adze_json *value = adze_json_get(object, key);
    return value && value->kind != ADZE_JSON_NULL ? value : NULL;
}

double adze_report_number(const adze_json *object, const char *key)
{
    const adze_json *value = adze_report_get(object, key);
    return value ? value->number : NAN;
}

const adze_json *adze_report_first(const adze_json *object, const char *key)
{
    const adze_json *value = adze_report_get(object, key);
    return value ? value->first : NULL;
}

bool adze_report_is_true(const adze_json *object, const char *key)
{
    const adze_json *value = adze_report_get(object, key);
    return value && value->boolean;
}

const adze_json *adze_report_missing(const adze_report *report, const char *what)
{
    static const char unsaid[] = "the report gives no reason";
    static const adze_json none = {.kind = ADZE_JSON_STRING, .text = unsaid, .size = sizeof unsaid - 1};
    const adze_json *why = adze_report_get(adze_report_get(report->root, "missing"), what);
    return why ? why : &none;
}

double adze_report_ratio(double before, double after) { return before > 0 && after > 0 ? before / after : NAN; }

const char *adze_report_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* ---- Figures ---- */

/* By `format`, but 1e-6 instead of 1e-06. */
static void write(adze_text *out, const char *format, int precision, double value)
{
    char digits[400];
    snprintf(digits, sizeof digits, format, precision, value);
    char *zero = strpbrk(digits, "e");
    while (zero && (zero[1] == '-' || zero[1] == '+') && zero[2] == '0' && zero[3])
        memmove(zero + 2, zero + 3, strlen(zero + 2));
    adze_report_put(out, digits);
}

/* `value` with about three digits: 12345, 123, 12.3, 1.23, 0.0123, 1.2e-7. */
static void digits(adze_text *out, double value)
{
    double size = fabs(value);
    if (isnan(value))
        adze_report_put(out, "–");
    else if (size >= 1e15 || size < 0.9995)
        write(out, "%.*g", 3, value);
    else
        write(out, "%.*f", size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2, value);
}

static void with_unit(adze_text *out, const char *format, int precision, double value)
{
    if (isnan(value))
        adze_report_put(out, "–");
    else
        write(out, format, precision, value);
}

/* Units of which each is 1000 of the one before. */
static void scaled(adze_text *out, double value, const char *const *units, int n)
{
    int unit = 0;
    for (; unit + 1 < n && fabs(value) >= 999.5; unit++) value /= 1000;
    digits(out, value);
    if (!isnan(value)) adze_text_append(out, " %s", units[unit]);
}

void adze_report_bytes(adze_text *out, double value)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    scaled(out, value, units, 5);
}

/* The same without zeros behind the point, for axes. */
void adze_report_bytes_short(adze_text *out, double value)
{
    double power = 1;
    const char *unit = "B";
    if (value >= 1e3) power = 1e3, unit = "kB";
    if (value >= 1e6) power = 1e6, unit = "MB";
    if (value >= 1e9) power = 1e9, unit = "GB";
    with_unit(out, "%.*g", 4, value / power);
    adze_text_append(out, " %s", unit);
}

void adze_report_us_short(adze_text *out, double value)
{
    double power = value >= 1e6 ? 1e6 : value >= 1e3 ? 1e3 : 1;
    with_unit(out, "%.*g", 4, value / power);
    adze_report_put(out, value >= 1e6 ? " s" : value >= 1e3 ? " ms" : " µs");
}

void adze_report_us(adze_text *out, double value)
{
    static const char *const units[] = {"µs", "ms", "s"};
    scaled(out, value, units, 3);
}

void adze_report_ms(adze_text *out, double value) { adze_report_us(out, 1000 * value); }

void adze_report_mj(adze_text *out, double value)
{
    static const char *const units[] = {"mJ", "J", "kJ"};
    scaled(out, value, units, 3);
}

void adze_report_seconds(adze_text *out, double value)
{
    static const char *const units[] = {"s"};
    scaled(out, value, units, 1);
}

void adze_report_db(adze_text *out, double value) { with_unit(out, "%.*f", 1, value); }

void adze_report_loss(adze_text *out, double value)
{
    if (value == 0)
        adze_report_put(out, "0");
    else
        with_unit(out, fabs(value) >= 0.001 ? "%.*g" : "%.*e", fabs(value) >= 0.001 ? 3 : 1, value);
}

void adze_report_percent(adze_text *out, double value) { with_unit(out, "%.*f %%", 2, 100 * value); }

/* A difference of shares. */
void adze_report_points(adze_text *out, double value) { with_unit(out, "%+.*f", 2, 100 * value); }

void adze_report_plain(adze_text *out, double value) { with_unit(out, "%.*g", 6, value); }

void adze_report_times(adze_text *out, double value) { with_unit(out, "%.*f×", 2, value); }

adze_report_figure *adze_report_goal_figure(const adze_json *goal)
{
    const adze_json *text = adze_report_get(goal, "text");
    return text && text->size && text->text[text->size - 1] == '%' ? adze_report_percent : adze_report_plain;
}

/* ---- Text ---- */

/* The character of a valid sequence. */
static uint32_t decode(const unsigned char *at, size_t n)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = at[0] & masks[n];
    for (size_t i = 1; i < n; i++) code = code << 6 | (at[i] & 0x3f);
    return code;
}

/* Would change how what stands beside it looks: C1 controls, line separators, marks of direction. */
static bool is_invisible(uint32_t code)
{
    return (code >= 0x80 && code < 0xa0) || code == 0xad || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
           (code >= 0xfff9 && code <= 0xfffb) || code >= 0xe0000;
}

static const char *entity(char c)
{
    return c == '&'    ? "&amp;"
           : c == '<'  ? "&lt;"
           : c == '>'  ? "&gt;"
           : c == '"'  ? "&quot;"
           : c == '\'' ? "&#39;"
                       : NULL;
}

void adze_report_escape(adze_text *out, const char *text, size_t size, bool html, size_t limit)
{
    const char *end = text + size;
    for (size_t n, count = 0; text < end; text += n ? n : 1) {
        if (limit && count++ == limit) {
            adze_report_put(out, "…");
            return;
        }
        unsigned char c = (unsigned char)*text;
        n = adze_utf8_length(text, end);
        if (!n || is_invisible(decode((const unsigned char *)text, n)))
            adze_report_put(out, "\xef\xbf\xbd");
        else if (c < 0x20 || c == 0x7f) /* the pictures of control characters, U+2400 on */
            adze_text_append(out, "\xe2\x90%c", c == 0x7f ? 0xa1 : 0x80 + c);
        else if (html && n == 1 && entity(*text))
            adze_report_put(out, entity(*text));
        else
            adze_text_write(out, text, n);
    }
}

void adze_report_string(adze_text *out, const adze_json *value, bool html, size_t limit)
{
    if (value)
        adze_report_escape(out, value->text, value->size, html, limit);
    else
        adze_report_put(out, "–");
}

void adze_report_put(adze_text *out, const char *html) { adze_text_write(out, html, strlen(html)); }
