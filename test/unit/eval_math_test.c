/* What ops that compute mean, by hand-computed values and at the edges: NaN, infinities, -0, nothing. */
#include "eval_fixture.h"

#define NAN_ (float)NAN
#define INF  (float)INFINITY

TEST(broadcasting)
{
    begin("add");
    operand(F32("2,1", 1, 2));
    operand(F32("3", 10, 20, 30));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,3", (float[]){11, 21, 31, 12, 22, 32});
    begin("sub"); /* the middle axis alone is broadcast */
    operand(F32("2,2,2", 1, 2, 3, 4, 5, 6, 7, 8));
    operand(F32("2,1,2", 1, 1, 5, 5));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,2,2", (float[]){0, 1, 2, 3, 0, 1, 2, 3});
    begin("mul"); /* nothing times something is nothing */
    operand(F32("0,3", 0));
    operand(F32("1,3", 1, 2, 3));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "0,3", NULL);
    begin("add");
    operand(F32("2", 1, 2));
    operand(F32("3", 1, 2, 3));
    want_error(1, ADZE_ERR_DIM, "do not broadcast");
    begin("add");
    operand(F32("1", 1));
    operand(I64("1", 1));
    want_error(1, ADZE_ERR_DTYPE, "element type");
}

TEST(special_values)
{
    begin("relu");
    operand(F32("5", NAN_, -0.0f, -INF, INF, -1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "5", (float[]){NAN_, -0.0f, 0, INF, 0});
    begin("max");
    operand(F32("3", NAN_, 1, -INF));
    operand(F32("3", 1, NAN_, INF));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "3", (float[]){NAN_, NAN_, INF});
    begin("div");
    operand(F32("4", 1, -1, 0, 1));
    operand(F32("4", 0, 0, 0, -INF));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "4", (float[]){INF, -INF, NAN_, -0.0f});
    begin("div"); /* integers truncate, and nothing traps */
    operand(I32("4", 7, -7, 7, INT32_MIN));
    operand(I32("4", 2, 2, 0, -1));
    CHECK_INT(run(1), ADZE_OK);
    want_i32(0, "4", (int32_t[]){3, -3, 0, INT32_MIN});
    begin("isinf");
    set_int("detect_negative", 0);
    operand(F32("3", INF, -INF, NAN_));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_bool, "3", (uint8_t[]){1, 0, 0});
    begin("round");
    operand(F32("4", 0.5f, 1.5f, -0.5f, 2.5f));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "4", (float[]){0, 2, -0.0f, 2});
}

TEST(parameters)
{
    begin("leaky_relu");
    set_float("alpha", 0.5);
    operand(F32("2", -4, 4));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2", (float[]){-2, 4});
    begin("mod");
    operand(I32("2", -7, 7));
    operand(I32("2", 3, -3));
    CHECK_INT(run(1), ADZE_OK);
    want_i32(0, "2", (int32_t[]){2, -2});
    begin("mod");
    set_int("fmod", 1);
    operand(I32("2", -7, 7));
    operand(I32("2", 3, -3));
    CHECK_INT(run(1), ADZE_OK);
    want_i32(0, "2", (int32_t[]){-1, 1});
    begin("clip"); /* no lower bound */
    operand(F32("3", -INF, 2, NAN_));
    absent();
    operand(F32("", 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "3", (float[]){-INF, 1, NAN_});
    begin("pow"); /* the exponent has its own type */
    operand(I64("3", 2, -3, 5));
    operand(F32("1", 2));
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "3", (int64_t[]){4, 9, 25});
    begin("sum_n");
    operand(F32("2", 1, 2));
    operand(F32("2,1", 10, 20));
    operand(F32("", 100));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,2", (float[]){111, 112, 121, 122});
}

TEST(where_of_any_type)
{
    adze_string a[] = {{"yes", 3}}, b[] = {{"no", 2}, {"never", 5}};
    begin("where");
    operand(BOOL("2", 1, 0));
    operand(tensor(ADZE_DTYPE_str, "1", a));
    operand(tensor(ADZE_DTYPE_str, "2", b));
    CHECK_INT(run(1), ADZE_OK);
    const adze_string *got = eval.out[0].data;
    CHECK_STR(got[0].data, "yes");
    CHECK_STR(got[1].data, "never");
}

TEST(casts)
{
    begin("cast");
    set_int("to", ADZE_DTYPE_i8);
    operand(F32("5", 3.9f, -3.9f, 300, -INF, NAN_));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_i8, "5", (int8_t[]){3, -3, 127, -128, 0});
    begin("cast");
    set_int("to", ADZE_DTYPE_u8);
    operand(I32("2", 257, -1));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_u8, "2", (uint8_t[]){1, 255});
    begin("cast");
    set_int("to", ADZE_DTYPE_f16);
    operand(F32("5", 1, 65520, 65519, 0x1p-25f, 0x1.8p-25f));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_f16, "5", (uint16_t[]){0x3c00, 0x7c00, 0x7bff, 0, 1});
    begin("cast");
    set_int("to", ADZE_DTYPE_f8e4m3fn);
    operand(F32("4", 448, 1000, -INF, 0.0625f));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_f8e4m3fn, "4", (uint8_t[]){0x7e, 0x7e, 0xfe, 0x18});
    begin("cast");
    set_int("to", ADZE_DTYPE_f8e4m3fn);
    set_int("saturate", 0);
    operand(F32("2", 1000, NAN_));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_f8e4m3fn, "2", (uint8_t[]){0x7f, 0x7f});
    begin("cast"); /* two to a byte, the first in the low bits */
    set_int("to", ADZE_DTYPE_i4);
    operand(I32("3", 1, -2, 7));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_i4, "3", (uint8_t[]){0xe1, 0x07});
}

TEST(matrix_products)
{
    begin("matmul");
    operand(F32("2,3", 1, 2, 3, 4, 5, 6));
    operand(F32("3,2", 1, 0, 0, 1, 1, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,2", (float[]){4, 5, 10, 11});
    begin("matmul"); /* a vector has no row, batches broadcast */
    operand(F32("2", 1, 10));
    operand(F32("2,2,1", 1, 2, 3, 4));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,1", (float[]){21, 43});
    begin("matmul"); /* summed in double: f32 would lose the 1 */
    operand(F32("1,3", 1e8f, 1, -1e8f));
    operand(F32("3,1", 1, 1, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1", (float[]){1});
    begin("matmul"); /* a sum over nothing */
    operand(F32("2,0", 0));
    operand(F32("0,1", 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,1", (float[]){0, 0});
    begin("matmul"); /* integers wrap */
    operand(I32("1,2", INT32_MAX, 1));
    operand(I32("2,1", 1, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_i32(0, "1,1", (int32_t[]){INT32_MIN});
    begin("matmul");
    operand(F32("1,2", 1, 2));
    operand(F32("3,1", 1, 2, 3));
    want_error(1, ADZE_ERR_DIM, "inner dims differ");
    begin("gemm");
    set_int("transA", 1);
    set_int("transB", 1);
    set_float("alpha", 2);
    set_float("beta", 0.5);
    operand(F32("2,1", 1, 2));
    operand(F32("2,2", 1, 2, 3, 4));
    operand(F32("2", 10, 20));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2", (float[]){15, 32});
}

/* More rows, columns and depth than a block holds, with odd tails. */
TEST(blocked_product)
{
    enum { M = 259, N = 131, K = 37 };
    static float a[M * K], b[K * N];
    for (int i = 0; i < M * K; i++) a[i] = (float)(i % 7 - 3);
    for (int i = 0; i < K * N; i++) b[i] = (float)(i % 5 - 2);
    begin("matmul");
    operand(tensor(ADZE_DTYPE_f32, "259,37", a));
    operand(tensor(ADZE_DTYPE_f32, "37,131", b));
    CHECK_INT(run(1), ADZE_OK);
    const float *c = eval.out[0].data;
    int wrong = 0;
    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++) {
            double sum = 0;
            for (int k = 0; k < K; k++) sum += (double)a[m * K + k] * (double)b[k * N + n];
            wrong += (double)c[m * N + n] != sum;
        }
    CHECK_INT(wrong, 0);
}

TEST(convolutions)
{
    begin("conv"); /* padding on one side, stride 2 */
    set_ints("pads", 1, 0);
    set_ints("strides", 2);
    operand(F32("1,1,5", 1, 2, 3, 4, 5));
    operand(F32("1,1,2", 1, 10));
    operand(F32("1", 100));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1,3", (float[]){110, 132, 154});
    begin("conv"); /* dilation */
    set_ints("dilations", 2);
    operand(F32("1,1,5", 1, 2, 3, 4, 5));
    operand(F32("1,1,2", 1, 10));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1,3", (float[]){31, 42, 53});
    begin("conv"); /* two groups of one channel */
    set_int("group", 2);
    operand(F32("1,2,1,2", 1, 2, 3, 4));
    operand(F32("2,1,1,1", 10, 100));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2,1,2", (float[]){10, 20, 300, 400});
    begin("conv"); /* SAME: the odd element of padding goes to the end */
    set_str("auto_pad", "SAME_UPPER");
    operand(F32("1,1,3", 1, 2, 3));
    operand(F32("1,1,2", 1, 10));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1,3", (float[]){21, 32, 3});
    begin("conv"); /* 2 x 2 with a border of zeros */
    set_ints("pads", 1, 1, 1, 1);
    operand(F32("1,1,2,2", 1, 2, 3, 4));
    operand(F32("1,1,2,2", 1, 1, 1, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1,3,3", (float[]){1, 3, 2, 4, 10, 6, 3, 7, 4});
    begin("conv"); /* no images */
    operand(F32("0,1,2,2", 0));
    operand(F32("1,1,2,2", 1, 1, 1, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "0,1,1,1", NULL);
    begin("conv");
    operand(F32("1,3,2,2", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    operand(F32("1,1,2,2", 1, 1, 1, 1));
    want_error(1, ADZE_ERR_DIM, "do not agree");
}

TEST(pooling)
{
    begin("max_pool");
    set_ints("kernel_shape", 2);
    set_ints("pads", 1, 0);
    operand(F32("1,1,4", -5, -6, NAN_, 1));
    CHECK_INT(run(2), ADZE_OK);
    want_f32(0, "1,1,4", (float[]){-5, -5, NAN_, NAN_});
    want_i64(1, "1,1,4", (int64_t[]){0, 0, 2, 2});
    begin("max_pool"); /* all padding and the rest of a window beyond it do not count */
    set_ints("kernel_shape", 2);
    set_ints("strides", 2);
    set_int("ceil_mode", 1);
    operand(F32("1,1,3", 1, 2, 3));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1,2", (float[]){2, 3});
    begin("average_pool");
    set_ints("kernel_shape", 2);
    set_ints("pads", 1, 0);
    operand(F32("1,1,2", 2, 4));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1,2", (float[]){2, 3});
    begin("average_pool");
    set_ints("kernel_shape", 2);
    set_ints("pads", 1, 0);
    set_int("count_include_pad", 1);
    operand(F32("1,1,2", 2, 4));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1,2", (float[]){1, 3});
    begin("global_average_pool");
    operand(F32("1,2,1,2", 1, 3, 10, 30));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2,1,1", (float[]){2, 20});
    begin("global_max_pool");
    operand(F32("1,1,3", -1, NAN_, 2));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1,1", (float[]){NAN_});
}

TEST(reductions)
{
    begin("reduce_sum");
    operand(F32("2,3", 1, 2, 3, 4, 5, 6));
    operand(I64("1", 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,3", (float[]){5, 7, 9});
    begin("reduce_mean"); /* outer and inner axis at once */
    set_int("keepdims", 0);
    operand(F32("2,2,2", 1, 2, 3, 4, 5, 6, 7, 8));
    operand(I64("2", 0, -1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2", (float[]){3.5f, 5.5f});
    begin("reduce_max"); /* nothing: the least value there is */
    operand(F32("2,0", 0));
    operand(I64("1", 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,1", (float[]){-INF, -INF});
    begin("reduce_min");
    operand(I8("0", 0));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_i8, "1", (int8_t[]){127});
    begin("reduce_prod");
    operand(F32("0", 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1", (float[]){1});
    begin("reduce_max");
    operand(F32("3", 1, NAN_, 3));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1", (float[]){NAN_});
    begin("reduce_log_sum_exp"); /* e^1000 would overflow */
    operand(F32("2", 1000, 1000));
    CHECK_INT(run(1), ADZE_OK);
    want_near(0, "1", (float[]){1000.6931f}, 1e-3);
    begin("reduce_l2");
    set_int("noop_with_empty_axes", 1);
    operand(F32("2", -3, 4));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2", (float[]){3, 4});
    begin("reduce_sum");
    operand(F32("2", 1, 2));
    operand(I64("1", 1));
    want_error(1, ADZE_ERR_VALUE, "out of range");
    begin("reduce_max"); /* u64 is not signed */
    operand(tensor(ADZE_DTYPE_u64, "2", (uint64_t[]){UINT64_MAX, 1}));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_u64, "1", (uint64_t[]){UINT64_MAX});
}

TEST(extremes_and_running_sums)
{
    begin("argmax");
    operand(F32("4", 1, 3, 3, -1));
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "1", (int64_t[]){1});
    begin("argmax");
    set_int("select_last_index", 1);
    operand(F32("4", 1, 3, 3, -1));
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "1", (int64_t[]){2});
    begin("argmin");
    set_int("axis", 1);
    set_int("keepdims", 0);
    operand(I8("2,2", -128, 127, 5, 4));
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "2", (int64_t[]){0, 1});
    begin("argmax");
    operand(F32("3", 9, NAN_, 10));
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "1", (int64_t[]){1});
    begin("cum_sum");
    set_int("exclusive", 1);
    set_int("reverse", 1);
    operand(F32("3", 1, 2, 3));
    operand(I64("", 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "3", (float[]){5, 3, 0});
}

TEST(normalizations)
{
    begin("softmax"); /* large values do not overflow */
    set_int("axis", 0);
    operand(F32("2,2", 1000, 0, 1000, 0));
    CHECK_INT(run(1), ADZE_OK);
    want_near(0, "2,2", (float[]){0.5f, 0.5f, 0.5f, 0.5f}, 1e-7);
    begin("softmax");
    operand(F32("2", -INF, 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2", (float[]){0, 1});
    begin("log_softmax");
    operand(F32("2", 0, 0));
    CHECK_INT(run(1), ADZE_OK);
    want_near(0, "2", (float[]){-0.6931472f, -0.6931472f}, 1e-7);
    begin("softmax_flat");
    operand(F32("1,2,2", 0, 0, 0, 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2,2", (float[]){0.25f, 0.25f, 0.25f, 0.25f});
    begin("layer_norm");
    set_float("epsilon", 0);
    operand(F32("2,2", 1, 3, 10, 30));
    operand(F32("2", 1, 2));
    operand(F32("2", 0, 1));
    CHECK_INT(run(3), ADZE_OK);
    want_near(0, "2,2", (float[]){-1, 3, -1, 3}, 1e-6);
    want_f32(1, "2,1", (float[]){2, 20});
    want_near(2, "2,1", (float[]){1, 0.1f}, 1e-7);
    begin("rms_norm");
    set_float("epsilon", 0);
    operand(F32("1,2", 3, 4));
    operand(F32("2", 1, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_near(0, "1,2", (float[]){0.8485281f, 1.1313708f}, 1e-6);
    begin("batch_norm");
    set_float("epsilon", 0);
    operand(F32("1,2,2", 1, 2, 3, 4));
    operand(F32("2", 1, 10));
    operand(F32("2", 0, 1));
    operand(F32("2", 1, 3));
    operand(F32("2", 4, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2,2", (float[]){0, 0.5f, 1, 11});
}

TEST(quantization)
{
    begin("quantize"); /* halves to even; saturation; NaN is the least */
    operand(F32("6", 1, 3, -1, 1000, -INF, NAN_));
    operand(F32("", 2));
    operand(I8("", 1));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_i8, "6", (int8_t[]){1, 3, 1, 127, -128, -128});
    begin("quantize"); /* a scale per index of the axis; u8 if nothing says otherwise */
    set_int("axis", 0);
    operand(F32("2,2", 1, 2, 10, 20));
    operand(F32("2", 1, 10));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_u8, "2,2", (uint8_t[]){1, 2, 1, 2});
    begin("dequantize"); /* blocks of two along the axis */
    set_int("axis", 0);
    set_int("block_size", 2);
    operand(U8("3", 1, 2, 3));
    operand(F32("2", 1, 10));
    operand(U8("2", 0, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "3", (float[]){1, 2, 20});
    begin("dequantize");
    operand(I4("3", 0xf1, 0x07));
    operand(F32("", 0.5f));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "3", (float[]){0.5f, -0.5f, 3.5f});
    begin("quantize");
    operand(F32("2,3", 1, 2, 3, 4, 5, 6));
    operand(F32("2", 1, 10));
    want_error(1, ADZE_ERR_DIM, "as many scales");
}

TEST(attention)
{
    begin("attention"); /* equal scores: the mean of the values; then one key forbidden */
    operand(F32("1,1,2,1", 0, 0));
    operand(F32("1,1,2,1", 5, 7));
    operand(F32("1,1,2,1", 1, 3));
    operand(F32("2,2", 0, 0, 0, -INF));
    CHECK_INT(run(1), ADZE_OK);
    want_near(0, "1,1,2,1", (float[]){2, 1}, 1e-7);
}

TEST(panels)
{
    begin("pack_panels");
    set_str("form", "kn");
    set_int("width", 2);
    operand(F32("2,3", 1, 2, 3, 4, 5, 6));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2,2,2", (float[]){1, 2, 4, 5, 3, 0, 6, 0});
    begin("pack_panels"); /* conv: K runs over taps, then channels */
    set_str("form", "conv");
    set_int("width", 2);
    operand(F32("1,2,2", 1, 2, 3, 4));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1,4,2", (float[]){1, 0, 3, 0, 2, 0, 4, 0});
}

TEST(kept_panels)
{
    begin("pack_kept"); /* panels of two columns: rows 1 and 2 of the first, none of the second */
    set_str("form", "kn");
    set_int("width", 2);
    set_int("rows", 2);
    operand(F32("3,3", 0, 0, 0, -0.0f, 1, 0, 2, -1, 0));
    CHECK_INT(run(1), ADZE_OK);
    want_i32(0, "20", (int32_t[]){0, 2, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (int32_t)0x80000000, 0x3f800000,
                                  0x40000000, (int32_t)0xbf800000});
    begin("pack_kept"); /* two groups of one column, taps 10 and 3 elements apart, two channels */
    set_str("form", "conv");
    set_int("group", 2);
    set_int("width", 1);
    set_int("rows", 3);
    set_ints("steps", 10, 3);
    operand(F32("2,2,2,2", 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_i32(0, "19",
             (int32_t[]){0, 2, 3, 4, 13, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40000000, 0x3f800000, 0x3f800000});
    begin("pack_kept");
    set_str("form", "nk");
    set_int("rows", 2);
    operand(F32("1,2", 0, 1));
    want_error(1, ADZE_ERR_VALUE, "not as many");
    begin("pack_kept");
    set_str("form", "conv");
    set_ints("steps", INT64_MAX);
    set_int("rows", 1);
    operand(F32("1,1,1", 1));
    want_error(1, ADZE_ERR_VALUE, "too large");
}

TEST(masked_panels)
{
    begin("pack_masked");
    set_int("kept", 3);
    operand(F32("1,3,2,2", 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3));
    CHECK_INT(run(1), ADZE_OK);
    uint8_t want[140] = {[4] = 1, [8] = 1, [12] = 3, [16] = 0x02, [17] = 0x0c, [66] = 0x80, [67] = 0x3f, [71] = 0x40,
                        [74] = 0x40, [75] = 0x40};
    want_bytes(0, ADZE_DTYPE_u8, "140", want);
    begin("pack_masked");
    set_int("kept", 1);
    operand(I8("1,1,1,2", 1, -1));
    want_error(1, ADZE_ERR_VALUE, "another number");
}

TEST(densify)
{
    begin("densify"); /* blocks of two by two that end where the tensor does */
    set_ints("shape", 3, 3);
    set_ints("block", 2, 2);
    operand(F32("3", 1, 2, 3));
    operand(U8("1", 0x0a));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "3,3", (float[]){0, 0, 1, 0, 0, 2, 0, 0, 3});
    begin("densify");
    set_ints("shape", 5);
    operand(I4("2", 0x7e));
    operand(U8("1", 0x14));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_i4, "5", (uint8_t[]){0, 0x0e, 0x07});
    begin("densify"); /* nothing at all */
    set_ints("shape", 0, 7);
    operand(F32("0", 0));
    operand(U8("0", 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "0,7", NULL);
    begin("densify");
    set_ints("shape", 5);
    operand(F32("1", 1));
    operand(U8("1", 0x11 | 0x02));
    want_error(1, ADZE_ERR_VALUE, "another number of values");
    begin("densify");
    set_ints("shape", 5);
    operand(F32("1", 1));
    operand(U8("1", 0x20));
    want_error(1, ADZE_ERR_VALUE, "another number of values");
    begin("densify");
    set_ints("shape", 9);
    operand(F32("1", 1));
    operand(U8("1", 1));
    want_error(1, ADZE_ERR_VALUE, "another size");
}

int main(void)
{
    RUN(broadcasting);
    RUN(special_values);
    RUN(parameters);
    RUN(where_of_any_type);
    RUN(casts);
    RUN(matrix_products);
    RUN(blocked_product);
    RUN(convolutions);
    RUN(pooling);
    RUN(reductions);
    RUN(extremes_and_running_sums);
    RUN(normalizations);
    RUN(quantization);
    RUN(attention);
    RUN(panels);
    RUN(kept_panels);
    RUN(masked_panels);
    RUN(densify);
    finish();
    return unit_end();
}
