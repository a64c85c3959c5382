/* Scalar bodies: what IEEE 754, ONNX and our own decisions ask at the edges; the table; conversions. */
#include "unit.h"

#include "ir/eval/bodies.h"
#include "ir/eval/bodies_table.h"

#include <stdlib.h>

TEST(table_is_consistent)
{
    size_t count;
    const adze_body *all = adze_body_all(&count);
    for (size_t i = 0; i < count; i++) {
        const adze_body *b = &all[i];
        int params = *b->params != 0;
        for (const char *p = b->params; *p; p++) params += *p == ' ';
        CHECK_INT(b->operands + params, b->arguments);
        CHECK(b->row != NULL && b->result != 0 && b->args[b->arguments - 1] != 0);
        char symbol[64];
        if (strcmp(b->name, "cast") != 0) {
            CHECK(adze_body_find(b->name, (adze_dtype)b->dtype) == b);
            const adze_body *computed = adze_body_find(b->name, (adze_dtype)b->compute);
            REQUIRE(computed != NULL);
            CHECK_STR(b->symbol, computed->symbol);
        } else {
            CHECK(adze_cast_find((adze_dtype)b->dtype, (adze_dtype)b->result) == b);
        }
        snprintf(symbol, sizeof symbol, "%sx16", b->symbol);
        if (b->symbol_x16) CHECK_STR(b->symbol_x16, symbol);
    }
    CHECK(count > 400);
    CHECK(adze_body_find("conv", ADZE_DTYPE_f32) == NULL);
    CHECK(adze_body_find("add", ADZE_DTYPE_str) == NULL);
}

/* Contexts look them up by the first of a name. */
TEST(bodies_of_a_name_stand_together)
{
    size_t count;
    const adze_body *all = adze_body_all(&count);
    for (size_t i = 1; i < count; i++)
        for (size_t k = 0; k + 1 < i && strcmp(all[i].name, all[i - 1].name); k++)
            CHECK(strcmp(all[i].name, all[k].name));
}

TEST(rows_step_and_repeat)
{
    const float a[4] = {1, 2, 3, 4}, b = 10;
    float y[4];
    const void *args[] = {a, &b};
    const int64_t steps[] = {1, 0};
    adze_body_find("add", ADZE_DTYPE_f32)->row(y, args, steps, 4);
    CHECK(y[0] == 11 && y[3] == 14);
    const uint16_t h[2] = {0x3c00, 0xc000}; /* 1, -2 */
    const float alpha = 0.5f;               /* parameters are f32 for f16 */
    uint16_t hy[2];
    const void *half[] = {h, &alpha};
    adze_body_find("leaky_relu", ADZE_DTYPE_f16)->row(hy, half, steps, 2);
    CHECK_INT(hy[0], 0x3c00);
    CHECK_INT(hy[1], 0xbc00);
    const float x[2] = {-1, 5};
    uint8_t less[2];
    const void *pair[] = {x, &alpha};
    adze_body_find("less", ADZE_DTYPE_f32)->row(less, pair, steps, 2);
    CHECK(less[0] == 1 && less[1] == 0);
}

TEST(nan_propagates)
{
    CHECK(isnan(adze_body_relu_f32(NAN)) && isnan(adze_body_clip_f32(NAN, 0, 1)));
    CHECK(isnan(adze_body_max_f32(NAN, 1)) && isnan(adze_body_max_f32(1, NAN)));
    CHECK(isnan(adze_body_min_f64(NAN, 1)) && isnan(adze_body_min_f64(1, NAN)));
    CHECK(isnan(adze_body_hard_sigmoid_f32(NAN, 0.2f, 0.5f)) && isnan(adze_body_sign_f32(NAN)));
    CHECK(isnan(adze_body_softplus_f32(NAN)) && isnan(adze_body_mish_f32(NAN)));
    CHECK(isnan(adze_body_sigmoid_f32(NAN)) && isnan(adze_body_gelu_tanh_f32(NAN)));
    CHECK(!adze_body_equal_f32(NAN, NAN) && !adze_body_less_equal_f32(NAN, 1));
    CHECK(adze_body_isnan_f32(NAN) && !adze_body_isnan_f32(INFINITY));
}

TEST(infinities)
{
    CHECK(adze_body_isinf_f32(-INFINITY, 1, 0) && !adze_body_isinf_f32(INFINITY, 1, 0));
    CHECK(adze_body_isinf_f64(INFINITY, 0, 1) && !adze_body_isinf_f64(NAN, 1, 1));
    CHECK(adze_body_softplus_f32(INFINITY) == INFINITY && adze_body_softplus_f32(-INFINITY) == 0);
    CHECK(adze_body_elu_f32(-INFINITY, 2) == -2 && adze_body_mish_f32(INFINITY) == INFINITY);
    CHECK(adze_body_reciprocal_f32(-0.0f) == -INFINITY && signbit(adze_body_relu_f32(-0.0f)));
}

TEST(activations)
{
    CHECK_NEAR((double)adze_body_gelu_f32(1), 0.8413447460685429, 1e-7);
    CHECK_NEAR((double)adze_body_gelu_tanh_f32(1), 0.8411919906082768, 1e-7);
    CHECK_NEAR((double)adze_body_mish_f32(1), 0.8650983882673103, 1e-7);
    CHECK_NEAR((double)adze_body_swish_f32(1, 2), 0.8807970779778823, 1e-7);
    CHECK_NEAR(adze_body_selu_f64(-1, 1.67326319217681884765625, 1.05070102214813232421875),
               -1.1113307215, 1e-7);
    CHECK_NEAR(adze_body_celu_f64(-1, 2), 2 * (exp(-0.5) - 1), 1e-15);
    CHECK_NEAR((double)adze_body_hard_swish_f32(1), 4.0 / 6, 1e-7);
    CHECK(adze_body_thresholded_relu_f32(2, 2) == 0 && adze_body_prelu_f32(-2, 3) == -6);
    CHECK(adze_body_softsign_f32(-3) == -0.75f);
}

TEST(integers_wrap_and_never_trap)
{
    CHECK_INT(adze_body_add_i8(127, 1), -128);
    CHECK_INT(adze_body_mul_u16(65535, 65535), 1);
    CHECK_INT(adze_body_neg_i32(INT32_MIN), INT32_MIN);
    CHECK_INT(adze_body_abs_i64(INT64_MIN), INT64_MIN);
    CHECK_INT(adze_body_div_i32(INT32_MIN, -1), INT32_MIN);
    CHECK_INT(adze_body_div_i64(7, 0), 0);
    CHECK_INT(adze_body_div_i8(-7, 2), -3);
    CHECK(adze_body_div_u64(UINT64_MAX, 2) == UINT64_MAX / 2);
    CHECK_INT(adze_body_mod_i8(-7, 3, 0), 2);
    CHECK_INT(adze_body_mod_i8(-7, 3, 1), -1);
    CHECK_INT(adze_body_mod_i32(7, -3, 0), -2);
    CHECK_INT(adze_body_mod_i64(INT64_MIN, -1, 0), 0);
    CHECK_INT(adze_body_mod_u8(200, 0, 0), 0);
    CHECK_INT(adze_body_pow_i32(-3, 3), -27);
    CHECK_INT(adze_body_pow_i64(2, -1), 0);
    CHECK_INT(adze_body_pow_i64(-1, -3), -1);
    CHECK_INT(adze_body_pow_u8(3, 5), 243);
}

TEST(shifts)
{
    CHECK_INT(adze_body_shift_left_u8(0x81, 1), 2);
    CHECK_INT(adze_body_shift_left_u32(1, 32), 0);
    CHECK_INT(adze_body_shift_left_i8(1, 7), -128);
    CHECK_INT(adze_body_shift_right_i8(-128, 7), -1);
    CHECK_INT(adze_body_shift_right_i16(-4, 100), -1);
    CHECK_INT(adze_body_shift_right_i64(-4, -1), -1);
    CHECK_INT(adze_body_shift_right_i64(4, -1), 0);
    CHECK(adze_body_shift_right_u64(UINT64_MAX, 63) == 1);
}

TEST(casts_saturate_or_wrap)
{
    CHECK_INT(adze_body_cast_f32_i8(300.7f), 127);
    CHECK_INT(adze_body_cast_f32_i8(-128.9f), -128);
    CHECK_INT(adze_body_cast_f32_u8(-0.9f), 0);
    CHECK_INT(adze_body_cast_f32_i32(2147483648.0f), INT32_MAX);
    CHECK_INT(adze_body_cast_f64_i32(-2147483648.5), INT32_MIN);
    CHECK_INT(adze_body_cast_f64_i64(-INFINITY), INT64_MIN);
    CHECK_INT(adze_body_cast_f32_i64(NAN), 0);
    CHECK(adze_body_cast_f64_u64(1e30) == UINT64_MAX && adze_body_cast_f32_u64(0x1p63f) == UINT64_C(1) << 63);
    CHECK_INT(adze_body_cast_f32_i32(-1.99f), -1);
    CHECK_INT(adze_body_cast_i32_u8(-1), 255);
    CHECK_INT(adze_body_cast_i64_i8(200), -56);
    CHECK_INT(adze_body_cast_f32_bool(NAN), 1);
    CHECK_INT(adze_body_cast_f32_bool(-0.0f), 0);
    CHECK_INT(adze_body_cast_i64_bool(INT64_C(1) << 40), 1);
    CHECK(adze_body_cast_i64_f32(16777217) == 16777216.0f && adze_body_cast_bool_f64(1) == 1);
}

/* A 16-bit float format with `mantissa` bits: every value converts back, and between two neighbours the
 * nearer one is taken, the even one half way. */
static void check_format(int mantissa, float (*decode)(uint16_t), uint16_t (*encode)(float))
{
    const int infinity = 0x7fff >> mantissa << mantissa;
    for (int bits = 0; bits < infinity; bits++) {
        float x = decode((uint16_t)bits);
        int exponent = bits >> mantissa, fraction = bits & ((1 << mantissa) - 1);
        int bias = (1 << (14 - mantissa)) - 1;
        double want = exponent ? ldexp(fraction + (1 << mantissa), exponent - bias - mantissa)
                               : ldexp(fraction, 1 - bias - mantissa);
        if ((double)x != want || encode(x) != bits || encode(-x) != (bits | 0x8000)) {
            unit_check(false, __FILE__, __LINE__, "round trip");
            printf("  of %#x\n", (unsigned)bits);
            return;
        }
        /* the value after the greatest is where infinity would be as a number */
        double next = bits + 1 < infinity ? (double)decode((uint16_t)(bits + 1))
                                          : 2 * want - (double)decode((uint16_t)(bits - 1));
        float middle = (float)((want + next) / 2);
        if ((double)middle != (want + next) / 2) continue; /* denormals of bf16 have no middle in f32 */
        int even = bits % 2 ? bits + 1 : bits;
        if (encode(middle) != even || encode(nextafterf(middle, 0)) != bits ||
            encode(nextafterf(middle, INFINITY)) != bits + 1) {
            unit_check(false, __FILE__, __LINE__, "rounding");
            printf("  after %#x\n", (unsigned)bits);
            return;
        }
    }
    CHECK_INT(encode(INFINITY), infinity);
    CHECK_INT(encode(-INFINITY), infinity | 0x8000);
    CHECK_INT(encode(NAN), infinity | 1 << (mantissa - 1));
    CHECK(decode((uint16_t)infinity) == INFINITY && isnan(decode((uint16_t)(infinity + 1))));
}

TEST(f16_is_exact)
{
    check_format(10, adze_body_cast_f16_f32, adze_body_cast_f32_f16);
}

TEST(bf16_is_exact)
{
    check_format(7, adze_body_cast_bf16_f32, adze_body_cast_f32_bf16);
}

TEST(quantization)
{
    CHECK_INT(adze_body_quantize_u8(2.5f, 1, 128), 130);
    CHECK_INT(adze_body_quantize_u8(3.5f, 1, 128), 132);
    CHECK_INT(adze_body_quantize_u8(1e9f, 0.1f, 3), 255);
    CHECK_INT(adze_body_quantize_i8(-INFINITY, 1, 5), -128);
    CHECK_INT(adze_body_quantize_i8(NAN, 1, 5), -128);
    CHECK_INT(adze_body_quantize_i16(-40000, 1, 0), -32768);
    CHECK_INT(adze_body_quantize_u16(65000.4f, 1, 1000), 65535);
    CHECK(adze_body_dequantize_u8(3, 0.5f, 128) == -62.5f);
    CHECK(adze_body_dequantize_i8(-128, 2, 127) == -510);
    CHECK(adze_body_dequantize_i32(INT32_MIN, 1, 0) == -2147483648.0f);
}

int main(void)
{
    RUN(table_is_consistent);
    RUN(bodies_of_a_name_stand_together);
    RUN(rows_step_and_repeat);
    RUN(nan_propagates);
    RUN(infinities);
    RUN(activations);
    RUN(integers_wrap_and_never_trap);
    RUN(shifts);
    RUN(casts_saturate_or_wrap);
    RUN(f16_is_exact);
    RUN(bf16_is_exact);
    RUN(quantization);
    return unit_end();
}
