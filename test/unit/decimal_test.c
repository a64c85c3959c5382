/* Numbers as texts, against the C library: every bit of what is read, every character of what is written; texts that
 * are no numbers, and long ones; then the two ops. */
#include "eval_fixture.h"

#include "ir/eval/bits.h"
#include "ir/eval/decimal.h"

#include <errno.h>

static uint64_t state = 24;

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) */
static uint64_t any(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static adze_string text_of(const char *text) { return (adze_string){text, strlen(text)}; }

/* What strtod reads; a result beyond f64 or no number at all as the functions here say it. */
static ev_text_kind c_reads(const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    if (end == text) return EV_TEXT_NO_NUMBER;
    return errno == ERANGE && isinf(*out) ? EV_TEXT_BEYOND : EV_TEXT_NUMBER;
}

static void check_read(const char *text)
{
    double got, want;
    ev_text_kind kind = ev_text_to_f64(text_of(text), &got), c_kind = c_reads(text, &want);
    bool same = kind == c_kind && (kind != EV_TEXT_NUMBER || adze_bits_f64(got) == adze_bits_f64(want) ||
                                   (isnan(got) && isnan(want) && signbit(got) == signbit(want)));
    if (!same) printf("  '%.80s': got %d %a, want %d %a\n", text, (int)kind, got, (int)c_kind, want);
    CHECK(same);
}

static void check_write(double x)
{
    char got[EV_TEXT_MOST + 1] = {0}, want[64];
    got[ev_f64_to_text(x, got)] = 0;
    snprintf(want, sizeof want, "%.8g", x);
    CHECK_STR(got, want);
}

/* All exponents alike, subnormal numbers among them. */
static double any_f64(void)
{
    double x = adze_float_f64(any());
    return isfinite(x) ? x : any_f64();
}

TEST(random_numbers)
{
    char text[1200];
    for (int i = 0; i < 20000; i++) {
        double x = any_f64(), f = (double)adze_float_f32((uint32_t)any());
        check_write(x);
        if (isfinite(f)) check_write(f);
        snprintf(text, sizeof text, "%.*e", (int)(any() % 25), x);
        check_read(text);
        snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64 "e%d", any() >> any() % 64, any() >> any() % 64,
                 (int)(any() % 700) - 350);
        check_read(text);
    }
    for (int i = 0; i < 2000; i++) {
        double x = adze_float_f64(any() >> 12 >> any() % 52); /* subnormal */
        check_write(x);
        snprintf(text, sizeof text, "%.*g", 1 + (int)(any() % 800), x);
        check_read(text);
    }
}

/* Between two neighbours, exactly, and one digit far behind to either side. */
TEST(half_way)
{
    char text[1300];
    for (int i = 0; i < 3000; i++) {
        double x = i % 3 ? any_f64() : adze_float_f64(any() >> 12 >> any() % 52);
        /* The 64 bits of a long double hold the middle of two doubles. */
        long double middle = ((long double)x + (long double)nextafter(x, INFINITY)) / 2;
        int n = snprintf(text, 1200, "%.1100Le", middle);
        char *e = strchr(text, 'e');
        REQUIRE(n > 0 && n < 1200 && e != NULL);
        check_read(text);
        e[-1] = '1';
        check_read(text);
        e[-1] = '0';
        double up = 0, down = 0;
        snprintf(text, sizeof text, "%.1100Le", nextafterl(middle, -INFINITY));
        ev_text_to_f64(text_of(text), &down);
        snprintf(text, sizeof text, "%.1100Le", nextafterl(middle, INFINITY));
        ev_text_to_f64(text_of(text), &up);
        CHECK(down == x && up == nextafter(x, INFINITY));
    }
    for (int i = 0; i < 2000; i++) { /* ties of the eighth digit that is written */
        double x = ((double)(any() % 90000000) + 10000000.5) * (i % 2 ? 1 : 0.125);
        check_write(x);
        check_write(nextafter(x, 0));
        check_write(nextafter(x, INFINITY));
    }
}

TEST(edges)
{
    static const char *const texts[] = {
        "0", "-0", "+0.0e5", "1", "007", ".5", "5.", "-.5e-3", "1e5", "1E8", "1e-5", "314.15926",
        "1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "-1e309", "1e400", "1e-400",
        "2.2250738585072014e-308", "2.2250738585072011e-308", "4.9406564584124654e-324", "2.4703282292062327e-324",
        "2.4703282292062328e-324", "1e-310", "1e999999999999", "-1e999999999999", "1e-999999999999",
        "0e999999999999999999999999", "1e99999999999999999999999999", "9007199254740993", "9007199254740992.9999999",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286"
        "416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571"
        "366959622842914819860834936475292719074168444365510704342711559699508093042880",
        "inf", "INF", "+INF", "-inf", "Infinity", "INFINITYx", "infx", "in", "nan", "NaN", "-NaN", "nan(12)", "NANx",
        "na", "", " ", "\t\n\v\f\r 7", "+", "-", ".", "+.", "-.e5", "e5", "1e", "1e+", "1e-x", "1..5", "1_0", "--1",
        "5 6", "true", "0x", "0x.", "0xg", "0x1p3", "-0X1.8P-1", "0x.8", "0x1p", "0x1p-1074", "0x1p-1075",
        "0x1.8p-1075", "0x1p1023", "0x1p1024", "0x1.fffffffffffff8p0", "0x1.fffffffffffff7ffffffffffffffffp0",
        "0x1.00000000000008p0", "0x1.000000000000080000000000000001p0", "0x1p99999999999999999999", "0x0p99999999999",
        "0xffffffffffffffffffffffffffffffffp-40", "0x.00000000000000000000000000000001p120", "0x1p-99999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_read(texts[i]);
    static const double numbers[] = {0, -0.0, 1, -1, 0.1, 1e-4, 9.9999999e-5, 1e-5, 1e7, 1e8, 99999999, 99999999.5,
                                     999999995, 123456789, 0.99999999, 0.999999999, 1.7976931348623157e308, 5e-324,
                                     2.2250738585072014e-308, 1e22, 1e23, 314.15926};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) check_write(numbers[i]);
    char text[EV_TEXT_MOST + 1] = {0};
    text[ev_f64_to_text((double)INFINITY, text)] = 0;
    CHECK_STR(text, "INF");
    text[ev_f64_to_text(-(double)INFINITY, text)] = 0;
    CHECK_STR(text, "-INF");
    text[ev_f64_to_text(-(double)NAN, text)] = 0;
    CHECK_STR(text, "NaN");
}

/* Numbers end at a zero byte; texts need none behind them. */
TEST(zero_bytes)
{
    double x;
    int64_t i;
    CHECK_INT(ev_text_to_f64((adze_string){"1\0b", 3}, &x), EV_TEXT_NUMBER);
    CHECK(x == 1);
    CHECK_INT(ev_text_to_f64((adze_string){"\0001", 2}, &x), EV_TEXT_NO_NUMBER);
    CHECK_INT(ev_text_to_f64((adze_string){NULL, 0}, &x), EV_TEXT_NO_NUMBER);
    CHECK_INT(ev_text_to_f64((adze_string){"12e34", 2}, &x), EV_TEXT_NUMBER);
    CHECK(x == 12);
    CHECK_INT(ev_text_to_i64((adze_string){"123", 2}, false, &i), EV_TEXT_NUMBER);
    CHECK_INT(i, 12);
    CHECK_INT(ev_text_to_i64((adze_string){NULL, 0}, false, &i), EV_TEXT_NO_NUMBER);
}

/* `size` characters: `head`, then `fill` to `tail`. */
static char *long_text(size_t size, const char *head, char fill, const char *tail)
{
    char *text = malloc(size + 1);
    size_t n = strlen(head), end = size - strlen(tail);
    if (!text) abort();
    memcpy(text, head, n);
    memset(text + n, fill, end - n);
    memcpy(text + end, tail, strlen(tail) + 1);
    return text;
}

TEST(long_texts)
{
    enum { SIZE = 1 << 20 };
    static const struct {
        const char *head, *tail;
        char fill;
    } rows[] = {{"0.", "1e1048570", '0'}, {"1.", "e-5", '3'},   {"1.", "", '9'},         {"", "", '0'},
                {"", "e-1048560", '7'},   {"1", "e-1048570", '0'}, {"9007199254740993.", "1", '0'},
                {"", "", '7'},            {" ", "5", ' '},      {"1e", "5", '0'},        {"1e-", "9", '9'}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = long_text(SIZE, rows[i].head, rows[i].fill, rows[i].tail);
        check_read(text);
        free(text);
    }
    char *hex = long_text(SIZE, "0x0.", '0', "1p4194300");
    check_read(hex);
    free(hex);
}

static void check_int(const char *text, bool is_unsigned)
{
    char *end;
    int64_t got;
    ev_text_kind kind = ev_text_to_i64(text_of(text), is_unsigned, &got);
    errno = 0;
    int64_t want = is_unsigned ? (int64_t)strtoull(text, &end, 10) : (int64_t)strtoll(text, &end, 10);
    ev_text_kind c_kind = end == text ? EV_TEXT_NO_NUMBER : errno == ERANGE ? EV_TEXT_BEYOND : EV_TEXT_NUMBER;
    bool same = kind == c_kind && (kind != EV_TEXT_NUMBER || got == want);
    if (!same) printf("  '%s': got %d %" PRId64 ", want %d %" PRId64 "\n", text, (int)kind, got, (int)c_kind, want);
    CHECK(same);
}

TEST(integers)
{
    static const char *const texts[] = {
        "0", "-0", "+9", " 7", "010", "5.7", "1e3", "0x10", "1_0", "", " ", "-", "+ 1", "x", ".5", "nan", "-1",
        "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
        "18446744073709551615", "18446744073709551616", "-18446744073709551615", "-18446744073709551616",
        "00000000000000000000000000000001", "99999999999999999999999999999999999999"};
    char text[64], got[EV_TEXT_MOST + 1];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int u = 0; u < 2; u++) check_int(texts[i], u);
    for (int i = 0; i < 5000; i++) {
        uint64_t x = any() >> any() % 64;
        snprintf(text, sizeof text, "%s%" PRIu64 "%s", i % 3 ? "" : "-", x, i % 5 ? "" : "0");
        check_int(text, i % 2);
        snprintf(text, sizeof text, "%" PRIu64, x);
        got[ev_i64_to_text((int64_t)x, true, got)] = 0;
        CHECK_STR(got, text);
        snprintf(text, sizeof text, "%" PRId64, (int64_t)x);
        got[ev_i64_to_text((int64_t)x, false, got)] = 0;
        CHECK_STR(got, text);
    }
    got[ev_i64_to_text(INT64_MIN, false, got)] = 0;
    CHECK_STR(got, "-9223372036854775808");
}

/* ---- The ops ---- */

static void want_texts(const char *const *want)
{
    const adze_string *got = eval.out[0].data;
    char text[EV_TEXT_MOST + 1];
    for (uint64_t i = 0; i < adze_value_count(&eval.out[0]); i++) {
        REQUIRE(want[i] != NULL && got[i].size <= EV_TEXT_MOST);
        memcpy(text, got[i].data, got[i].size);
        text[got[i].size] = 0;
        CHECK_STR(text, want[i]);
    }
}

/* Two elements of the operand. */
static void want_formats(const char *const *want)
{
    CHECK_INT(run(1), ADZE_OK);
    if (has_form(0, ADZE_DTYPE_str, "2")) want_texts(want);
}
/* A call starts before its operand is made. */
#define FORMATS(x, ...)                                                                            \
    (begin("format_number"), operand(x), want_formats((const char *const[]){__VA_ARGS__, NULL}))

TEST(formats_every_type)
{
    FORMATS(BOOL("2", 1, 0), "1", "0");
    FORMATS(I8("2", -128, 127), "-128", "127");
    FORMATS(U8("2", 255, 0), "255", "0");
    FORMATS(tensor(ADZE_DTYPE_u64, "2", (uint64_t[]){UINT64_MAX, 1}), "18446744073709551615", "1");
    FORMATS(I4("2", 0x7f), "-1", "7");
    FORMATS(tensor(ADZE_DTYPE_u2, "2", (uint8_t[]){0x7}), "3", "1");
    FORMATS(F64("2", 314.15926, -1e-5), "314.15926", "-1e-05");
    FORMATS(F32("2", 0.1f, 1e-45f), "0.1", "1.4012985e-45");
    FORMATS(F16("2", 0x2e66, 0xfc00), "0.099975586", "-INF");
    FORMATS(tensor(ADZE_DTYPE_bf16, "2", (uint16_t[]){0x3dcd, 0x7fc0}), "0.10009766", "NaN");
    FORMATS(tensor(ADZE_DTYPE_f8e4m3fn, "2", (uint8_t[]){0x7e, 0x80}), "448", "-0");
    FORMATS(tensor(ADZE_DTYPE_f8e8m0, "2", (uint8_t[]){0, 255}), "5.8774718e-39", "NaN");
    FORMATS(tensor(ADZE_DTYPE_f4e2m1, "2", (uint8_t[]){0xf1}), "0.5", "-6");
    begin("format_number");
    operand(tensor(ADZE_DTYPE_c64, "1", (float[]){1, 2}));
    want_error(1, ADZE_ERR_UNSUPPORTED, "not implemented for this element type");
}

/* More elements than a block has. */
TEST(formats_many)
{
    float x[200];
    for (int i = 0; i < 200; i++) x[i] = (float)i / 8;
    begin("format_number");
    operand(tensor(ADZE_DTYPE_f32, "200", x));
    CHECK_INT(run(1), ADZE_OK);
    const adze_string *got = eval.out[0].data;
    for (int i = 0; i < 200; i++) {
        double back;
        CHECK_INT(ev_text_to_f64(got[i], &back), EV_TEXT_NUMBER);
        CHECK(back == (double)x[i]);
    }
}

/* An operand of texts for parse_number. */
static void parse(adze_dtype to, const char *a, const char *b)
{
    adze_string texts[] = {{a, strlen(a)}, {b, strlen(b)}};
    begin("parse_number");
    operand(tensor(ADZE_DTYPE_str, "2", texts));
    set_int("to", to);
}

static void parses(adze_dtype to, const char *a, const char *b, const void *want)
{
    parse(to, a, b);
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, to, "2", want);
}

TEST(parses_every_type)
{
    parses(ADZE_DTYPE_f32, "3.4028235e38", "1e39", (float[]){3.4028235e38f, INFINITY});
    parses(ADZE_DTYPE_f64, "1e-310", "-Inf", (double[]){1e-310, -(double)INFINITY});
    parses(ADZE_DTYPE_f16, "65519", "65520", (uint16_t[]){0x7bff, 0x7c00});
    parses(ADZE_DTYPE_bf16, "1e-5", "nan", (uint16_t[]){0x3728, 0x7fc0});
    parses(ADZE_DTYPE_f8e4m3fn, "300", "inf", (uint8_t[]){0x79, 0x7e});
    parses(ADZE_DTYPE_f8e5m2, "-0", "1e9", (uint8_t[]){0x80, 0x7b});
    parses(ADZE_DTYPE_f8e8m0, "3", "nan", (uint8_t[]){129, 255});
    parses(ADZE_DTYPE_f4e2m1, "0.5", "-9", (uint8_t[]){0xf1});
    parses(ADZE_DTYPE_bool, "2", "0.5", (uint8_t[]){1, 0});
    parses(ADZE_DTYPE_i8, "300", "-5.7", (int8_t[]){44, -5});
    parses(ADZE_DTYPE_u8, "-1", " 7x", (uint8_t[]){255, 7});
    parses(ADZE_DTYPE_i64, "-9223372036854775808", "1e3", (int64_t[]){INT64_MIN, 1});
    parses(ADZE_DTYPE_u64, "18446744073709551615", "+5", (uint64_t[]){UINT64_MAX, 5});
    parses(ADZE_DTYPE_i4, "-1", "7", (uint8_t[]){0x7f});
    parse(ADZE_DTYPE_f8e5m2, "1e9", "inf");
    set_int("saturate", 0);
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_f8e5m2, "2", (uint8_t[]){0x7c, 0x7c});
    parse(ADZE_DTYPE_f8e8m0, "3", "5");
    set_str("round_mode", "down");
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_f8e8m0, "2", (uint8_t[]){128, 129});
}

TEST(refuses_what_is_no_number)
{
    parse(ADZE_DTYPE_f32, "1", "Hello World!");
    want_error(1, ADZE_ERR_VALUE, "a text that does not begin with a number");
    parse(ADZE_DTYPE_i32, "1", "");
    want_error(1, ADZE_ERR_VALUE, "a text that does not begin with a number");
    parse(ADZE_DTYPE_f64, "1", "1e400");
    want_error(1, ADZE_ERR_VALUE, "a number beyond what its type can hold");
    parse(ADZE_DTYPE_i64, "9223372036854775808", "1");
    want_error(1, ADZE_ERR_VALUE, "a number beyond what its type can hold");
    parse(ADZE_DTYPE_c64, "1", "1");
    want_error(1, ADZE_ERR_UNSUPPORTED, "not implemented for this element type");
}

int main(void)
{
    RUN(random_numbers);
    RUN(half_way);
    RUN(edges);
    RUN(zero_bytes);
    RUN(long_texts);
    RUN(integers);
    RUN(formats_every_type);
    RUN(formats_many);
    RUN(parses_every_type);
    RUN(refuses_what_is_no_number);
    finish();
    return unit_end();
}
