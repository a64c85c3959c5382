/* Numbers as text: reading agrees with strtod to the bit and to where it ends, printing is the shortest that reads
 * back, and no locale changes either. */
#include "unit.h"

#include <locale.h>
#include <stdlib.h>

#include "ir/text.h"

static uint64_t state = 88172645463325252u;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void check_reading(const char *text)
{
    char *end, *want_end;
    double got = adze_text_to_double(text, &end), want = strtod(text, &want_end);
    bool same = memcmp(&got, &want, sizeof got) == 0 && end == want_end;
    CHECK(same);
    if (!same) printf("%s: %.17g up to '%s', strtod %.17g up to '%s'\n", text, got, end, want, want_end);
}

TEST(texts_at_the_edges)
{
    static const char *const texts[] = {"0",     "-0",     "0.0",   "1e22",  "1e23",    "9007199254740993", "1.",
                                        ".5",    ".",      "",      "e5",    "1e",      "1e+",              "1e-",
                                        "1.2.3", "0x1p-3", "0x",    "1x",    "1e999",   "1e-999",           "5e-324",
                                        "123456789012345678901234567890",    "0.000000000000000000000001", "inf",
                                        "nan",   "-inf",   "1E5",   "+1",    " 1",      "0e5",              "-1.5e3,",
                                        "999999999999999e22", "999999999999999e-22", "1e99999999999999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_reading(texts[i]);
}

TEST(random_texts)
{
    for (int i = 0; i < 200000; i++) {
        char text[64];
        int digits = 1 + (int)(next() % 18), point = (int)(next() % 20), n = 0;
        if (next() % 4 == 0) text[n++] = '-';
        for (int k = 0; k < digits; k++) {
            if (k == point) text[n++] = '.';
            text[n++] = (char)('0' + next() % 10);
        }
        if (next() % 2) n += snprintf(text + n, sizeof text - (size_t)n, "e%d", (int)(next() % 60) - 30);
        text[n] = '\0';
        check_reading(text);
    }
}

static void check_printing(double value, bool single)
{
    adze_text text = {0};
    if (single)
        adze_text_float(&text, (float)value);
    else
        adze_text_double(&text, value);
    double back = strtod(text.data, NULL);
    CHECK(single ? (float)back == (float)value : back == value);
    int digits = 0, most = 0;
    for (const char *c = text.data; *c && *c != 'e'; c++) digits += *c >= '0' && *c <= '9' && (digits || *c != '0');
    for (char shorter[40]; most < 17; most++) {
        snprintf(shorter, sizeof shorter, "%.*e", most, value);
        back = strtod(shorter, NULL);
        if (single ? (float)back == (float)value : back == value) break;
    }
    CHECK(digits <= most + 2); /* trailing zeros before the point, and the one behind it */
    adze_text_free(&text);
}

TEST(random_bits_print_short)
{
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = next();
        uint32_t half = (uint32_t)(bits >> 13);
        double value;
        float single;
        memcpy(&value, &bits, sizeof value);
        memcpy(&single, &half, sizeof single);
        if (isfinite(value)) check_printing(value, false);
        if (isfinite(single)) check_printing((double)single, true);
    }
}

/* Where the locale's point is a comma, so is that of strtod and printf. */
TEST(locales_change_nothing)
{
    const char *names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE"};
    adze_text text = {0};
    for (int i = 0; i < 3; i++)
        if (setlocale(LC_ALL, names[i])) break;
    CHECK(adze_text_to_double("0.5", NULL) == 0.5);
    CHECK(adze_text_to_double("0.12345678901234567", NULL) > 0.1);
    adze_text_double(&text, 0.25);
    CHECK_STR(text.data, "0.25");
    adze_text_free(&text);
    setlocale(LC_ALL, "C");
}

int main(void)
{
    RUN(texts_at_the_edges);
    RUN(random_texts);
    RUN(random_bits_print_short);
    RUN(locales_change_nothing);
    return unit_end();
}
