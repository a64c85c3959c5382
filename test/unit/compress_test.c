/* Formats and layer plans as text; the best choice beside all choices there are. */
#include "unit.h"

#include <adze/compress.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Formats ---- */

TEST(formats_read_back_as_they_are_printed)
{
    static const char *const good[] = {"f32",  "f16",       "bf16",       "w8",   "w4",   "w4g32",
                                       "w8a8", "w8a8-rows", "w4a8-rowsg64", "w2a8", "w3g128",
                                       "s50", "s80b16x1", "s2:4", "r64", "t32x16", "v24", "s50+w8a8",
                                       "s2:4+w4g32", "r50%", "t25%", "v50%+w8a8", "r64+bf16", "t32x16+w8a8"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        adze_format format, again;
        adze_text text = {0};
        CHECK(adze_format_find(good[i], strlen(good[i]), &format));
        adze_format_print(format, &text);
        CHECK_STR(text.data, good[i]);
        CHECK(adze_format_find(text.data, text.size, &again) && adze_format_equal(format, again));
        adze_text_free(&text);
    }
    static const char *const bad[] = {"", "w", "w1", "w9", "w8a", "w8a4", "w8a8g32", "w4g0", "w4g", "f64", "w8a8-row",
                                      "w4g32x", "W8", " w8", "w08888888", "w4g9999999", "s", "s0", "s100", "s50b",
                                      "s50b0x1", "s50b16", "s4:4", "s4:2", "r0", "t32", "t32x", "v", "+w8", "s50+",
                                      "s50+f64", "s50+s50", "r8+r8", "r64x2", "r0%", "r100%", "t50%x2", "s50%"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        adze_format format;
        CHECK(!adze_format_find(bad[i], strlen(bad[i]), &format));
    }
}

TEST(bytes_count_zeros_that_files_leave_out)
{
    /* 64 outputs, 64 channels, 3x3 taps: 36,864 weights; four bytes of scale an output, a bit a weight for zeros */
    const adze_layer layer = {.rows = 64, .cols = 576, .channels = 64, .groups = 1, .kernel = {3, 3}, .has_gram = true};
    static const struct { const char *format; uint64_t bytes; } cases[] = {
        {"f32", 147456},     {"s50", 73728 + 4608},          {"s75b16x1", 36864 + 288},    {"w8a8", 36864 + 256},
        {"w4a8", 18432 + 256}, {"s50+w8a8", 18432 + 4608 + 256}, {"s75b16x1+w8a8", 9216 + 4608 + 256},
        {"s2:4+w8a8-rows", 18432 + 4608 + 256},
        {"s10+w8a8", 36864 + 256},       /* smaller with its zeros */
        {"s50+w4a8", 18432 + 256},       /* codes that kernels widen themselves keep their zeros */
        {"s50+w8", 36864 + 256 + 64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        adze_format format;
        CHECK(adze_format_find(cases[i].format, strlen(cases[i].format), &format));
        CHECK_INT((int64_t)adze_layer_bytes(&layer, format), (int64_t)cases[i].bytes);
    }
}

/* ---- Plans ---- */

static adze_layer_plan *load(adze_context *context, const char *text, size_t size)
{
    char path[] = "/tmp/adze-plan-XXXXXX";
    int handle = mkstemp(path);
    CHECK(handle >= 0 && write(handle, text, size) == (ssize_t)size);
    close(handle);
    adze_layer_plan *plan = adze_layer_plan_load(context, path);
    unlink(path);
    return plan;
}

TEST(plans_read_back_as_they_are_printed)
{
    adze_context *context = adze_context_create();
    adze_layer_plan *plan = adze_layer_plan_create(context);
    adze_format w8 = {0}, w4 = {0};
    CHECK(adze_format_find("w8a8", 4, &w8) && adze_format_find("w4g32", 5, &w4));
    adze_layer_plan_set(plan, "seed", "7");
    adze_layer_plan_put(plan, "conv1", w8, "12 bytes");
    adze_layer_plan_put(plan, "a \"b\\c\" #d\n", w4, NULL);
    adze_layer_plan_put(plan, "conv1", w4, "changed");
    adze_layer_plan_put_cut(plan, "conv3", 48, "of 64");
    adze_layer_plan_put_cut(plan, "block 4", 0, NULL);
    adze_text text = {0}, again = {0};
    adze_layer_plan_print(plan, &text);
    adze_layer_plan *other = load(context, text.data, text.size);
    CHECK(other && adze_layer_plan_count(other) == 2);
    CHECK_STR(adze_layer_plan_name(other, 1), "a \"b\\c\" #d\n");
    CHECK(adze_format_equal(adze_layer_plan_format(other, 0), w4));
    CHECK_STR(adze_layer_plan_get(other, "seed"), "7");
    CHECK(!adze_layer_plan_get(other, "conv1"));
    CHECK(adze_layer_plan_num_cuts(other) == 2 && adze_layer_plan_cut_keep(other, 0) == 48);
    CHECK_STR(adze_layer_plan_cut_name(other, 1), "block 4");
    adze_layer_plan_print(other, &again);
    CHECK_STR(text.data, again.data);
    adze_text_free(&text);
    adze_text_free(&again);
    adze_layer_plan_destroy(other);
    adze_layer_plan_destroy(plan);
    adze_context_destroy(context);
}

static void keep(void *self, const adze_diagnostic *diagnostic)
{
    snprintf(self, 512, "%u:%u %s", diagnostic->loc.line, diagnostic->loc.col, diagnostic->message);
}

TEST(what_is_wrong_with_a_plan_is_said_once)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "1:1 this is no plan: it does not begin with 'adze-plan 1'"},
        {"adze-plan 2\n", "1:11 this is no plan: it does not begin with 'adze-plan 1'"},
        {"adze-plan 1 x\n", "1:13 expected the end of the line, or # and a remark"},
        {"adze-plan 1\nlayer\n", "2:6 expected a layer's name"},
        {"adze-plan 1\nlayer a\n", "2:8 expected a format: f32, f16, bf16, w8a8, w8a8-rows, w4g32, …"},
        {"adze-plan 1\nlayer a w9\n", "2:9 there is no such format; there are f32, f16, bf16, and w2 to w8 with or "
                                      "without a8, a8-rows and gNUMBER; ahead of these s50+, s80b16x1+, s2:4+, "
                                      "r64+, t32x16+ or v24+"},
        {"adze-plan 1\nchannels a\n", "2:11 expected a number of channels"},
        {"adze-plan 1\nchannels a 1x\n", "2:12 expected a number of channels"},
        {"adze-plan 1\nchannels a 0\n", "2:12 at least one channel stays"},
        {"adze-plan 1\ndrop a\nchannels a 3\n", "3:12 the name stands here a second time"},
        {"adze-plan 1\nlayer a w8\nlayer a w8\n", "3:9 the layer stands here a second time"},
        {"adze-plan 1\nlayer \"a w8\n", "2:7 the quote is not closed"},
        {"adze-plan 1\nlayer \"a\\q\" w8\n", "2:9 an escape is \\\", \\\\ or two hexadecimal digits"},
        {"adze-plan 1\nlayer \"a\\00\" w8\n", "2:9 an escape is \\\", \\\\ or two hexadecimal digits"},
        {"adze-plan 1\nlayer a w8 w4\n", "2:12 expected the end of the line, or # and a remark"},
        {"adze-plan 1\nchanels a 3\n", "2:1 no line of a plan begins with 'chanels'; did you mean 'channels'?"},
        {"adze-plan 1\n\n# remark\nseed\n", "4:1 expected 'layer', 'channels', 'drop', or a setting with its value"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char said[512] = "";
        adze_context *context = adze_context_create();
        adze_context_set_sink(context, keep, said);
        CHECK(!load(context, bad[i].text, strlen(bad[i].text)));
        if (i == 1) /* where the first difference stands matters little */
            CHECK(strstr(said, "this is no plan"));
        else
            CHECK_STR(said, bad[i].message);
        CHECK(adze_context_errors(context) == 1);
        adze_context_destroy(context);
    }
    adze_context *context = adze_context_create();
    CHECK(!load(context, "adze-plan 1\n\0", 13));
    CHECK(!adze_layer_plan_load(context, "/tmp/there/is/none"));
    adze_context_destroy(context);
}

/* ---- The best choice ---- */

enum { LAYERS = 6, MOST = 4 };

static uint32_t next(uint32_t *state) { return (*state = *state * 1664525u + 1013904223u) >> 8; }

/* The least loss within both bounds, over all choices. INFINITY: there is none. */
static double brute(const adze_choices *layers, double bytes, double seconds)
{
    double best = INFINITY;
    uint32_t at[LAYERS] = {0};
    for (;;) {
        adze_choice sum = {0};
        for (uint32_t i = 0; i < LAYERS; i++) {
            sum.bytes += layers[i].items[at[i]].bytes;
            sum.seconds += layers[i].items[at[i]].seconds;
            sum.loss += layers[i].items[at[i]].loss;
        }
        if ((double)sum.bytes <= bytes && sum.seconds <= seconds) best = fmin(best, sum.loss);
        uint32_t i = 0;
        while (i < LAYERS && ++at[i] == layers[i].count) at[i++] = 0;
        if (i == LAYERS) return best;
    }
}

static void make_layers(uint32_t seed, adze_choice items[LAYERS][MOST], adze_choices layers[LAYERS])
{
    uint32_t state = seed;
    for (uint32_t i = 0; i < LAYERS; i++) {
        layers[i] = (adze_choices){items[i], 1 + next(&state) % MOST};
        for (uint32_t k = 0; k < MOST; k++)
            items[i][k] = (adze_choice){next(&state) % 100, (double)(next(&state) % 64) / 64,
                                        (double)(next(&state) % 97)};
    }
}

TEST(no_choice_is_better_than_those_found)
{
    for (uint32_t seed = 1; seed <= 40; seed++) {
        adze_choice items[LAYERS][MOST];
        adze_choices layers[LAYERS];
        make_layers(seed, items, layers);
        for (double seconds = 0.5; seconds < 8; seconds *= 2) {
            double bound = seconds < 4 ? seconds : INFINITY;
            adze_mixes mixes;
            adze_mixes_find(layers, LAYERS, ADZE_COST_BYTES, bound, &mixes);
            for (double bytes = 0; bytes < 600; bytes += 25) {
                double found = INFINITY;
                for (uint32_t i = 0; i < mixes.count; i++)
                    if ((double)mixes.items[i].bytes <= bytes) found = mixes.items[i].loss;
                CHECK(found == brute(layers, bytes, bound));
            }
            for (uint32_t i = 0; i < mixes.count; i++) {
                const adze_mix *m = &mixes.items[i];
                adze_mix sum = {0};
                for (uint32_t k = 0; k < LAYERS; k++) {
                    sum.bytes += items[k][m->chosen[k]].bytes;
                    sum.loss += items[k][m->chosen[k]].loss;
                }
                CHECK(m->bytes == sum.bytes && m->loss == sum.loss && m->seconds <= bound);
                CHECK(!i || (m->bytes > m[-1].bytes && m->loss < m[-1].loss));
            }
            adze_mixes_free(&mixes);
        }
    }
}

TEST(many_layers_stay_close_to_the_best)
{
    enum { MANY = 60, FORMATS = 5 };
    static adze_choice items[MANY][FORMATS];
    adze_choices layers[MANY];
    uint32_t state = 3;
    for (uint32_t i = 0; i < MANY; i++) {
        uint64_t whole = 1000 + next(&state) % 1000000;
        double loss = (double)(1 + next(&state) % 1000) / 1000;
        layers[i] = (adze_choices){items[i], FORMATS};
        for (uint32_t k = 0; k < FORMATS; k++) {
            double bits = 32.0 / (double)(1u << k);
            items[i][k] = (adze_choice){(uint64_t)((double)whole * bits / 32), bits, k ? loss * exp2(-bits) : 0};
        }
    }
    adze_mixes mixes;
    adze_mixes_find(layers, MANY, ADZE_COST_BYTES, INFINITY, &mixes);
    CHECK(mixes.count > 1000);
    /* Never above what a plain way gives: the same format in all layers. */
    for (uint32_t k = 0; k < FORMATS; k++) {
        adze_choice same = {0};
        for (uint32_t i = 0; i < MANY; i++) same.bytes += items[i][k].bytes, same.loss += items[i][k].loss;
        double found = INFINITY;
        for (uint32_t i = 0; i < mixes.count; i++)
            if (mixes.items[i].bytes <= same.bytes + same.bytes / 1000) found = mixes.items[i].loss;
        CHECK(found <= same.loss + 1e-12);
    }
    adze_mixes_free(&mixes);
    adze_mixes_find(layers, MANY, ADZE_COST_SECONDS, 0, &mixes);
    CHECK(mixes.count == 0);
    adze_mixes_free(&mixes);
    adze_mixes_find(NULL, 0, ADZE_COST_BYTES, INFINITY, &mixes);
    CHECK(mixes.count == 1 && mixes.items[0].bytes == 0);
    adze_mixes_free(&mixes);
}

int main(void)
{
    RUN(formats_read_back_as_they_are_printed);
    RUN(bytes_count_zeros_that_files_leave_out);
    RUN(plans_read_back_as_they_are_printed);
    RUN(what_is_wrong_with_a_plan_is_said_once);
    RUN(no_choice_is_better_than_those_found);
    RUN(many_layers_stay_close_to_the_best);
    return unit_end();
}
