/* What ops that move elements or make shapes mean, by hand-computed values, on types of every size. */
#include "eval_fixture.h"

TEST(transposes)
{
    begin("transpose");
    operand(F32("2,3", 1, 2, 3, 4, 5, 6));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "3,2", (float[]){1, 4, 2, 5, 3, 6});
    begin("transpose");
    set_ints("perm", 1, 2, 0);
    operand(U8("2,1,2", 1, 2, 3, 4));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_u8, "1,2,2", (uint8_t[]){1, 3, 2, 4});
    begin("transpose"); /* half a byte an element */
    operand(I4("2,2", 0x21, 0x43));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_i4, "2,2", (uint8_t[]){0x31, 0x42});
    begin("transpose");
    set_ints("perm", 0, 0);
    operand(F32("1,1", 1));
    want_error(1, ADZE_ERR_VALUE, "axis twice");
}

TEST(slices)
{
    begin("slice");
    operand(F32("5", 0, 1, 2, 3, 4));
    operand(I64("1", -1));
    operand(I64("1", INT64_MIN));
    absent();
    operand(I64("1", -2));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "3", (float[]){4, 2, 0});
    begin("slice"); /* ends beyond the dim, an axis from behind, i32 indices */
    operand(F32("2,3", 1, 2, 3, 4, 5, 6));
    operand(I32("1", 1));
    operand(I32("1", INT32_MAX));
    operand(I32("1", -1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,2", (float[]){2, 3, 5, 6});
    begin("slice"); /* empty */
    operand(F32("3", 1, 2, 3));
    operand(I64("1", 2));
    operand(I64("1", 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "0", NULL);
    begin("slice"); /* of nothing, backwards */
    operand(F32("0", 0));
    operand(I64("1", 0));
    operand(I64("1", -5));
    absent();
    operand(I64("1", -1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "0", NULL);
    begin("slice");
    operand(F32("1", 1));
    operand(I64("1", 0));
    operand(I64("1", 1));
    absent();
    operand(I64("1", 0));
    want_error(1, ADZE_ERR_VALUE, "step 0");
}

TEST(concat_and_split)
{
    begin("concat");
    set_int("axis", -1);
    operand(F32("2,1", 1, 2));
    operand(F32("2,0", 0));
    operand(F32("2,2", 3, 4, 5, 6));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,3", (float[]){1, 3, 4, 2, 5, 6});
    begin("split"); /* the last part is smaller */
    operand(F32("5", 1, 2, 3, 4, 5));
    CHECK_INT(run(2), ADZE_OK);
    want_f32(0, "3", (float[]){1, 2, 3});
    want_f32(1, "2", (float[]){4, 5});
    begin("split");
    set_int("axis", 1);
    operand(F32("2,3", 1, 2, 3, 4, 5, 6));
    operand(I64("2", 1, 2));
    CHECK_INT(run(2), ADZE_OK);
    want_f32(0, "2,1", (float[]){1, 4});
    want_f32(1, "2,2", (float[]){2, 3, 5, 6});
    begin("split");
    operand(F32("3", 1, 2, 3));
    operand(I64("2", 1, 1));
    want_error(2, ADZE_ERR_VALUE, "do not add up");
}

TEST(pads)
{
    begin("pad");
    operand(F32("1,2", 1, 2));
    operand(I64("4", 1, 0, 0, 1));
    operand(F32("", 9));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,3", (float[]){9, 9, 9, 1, 2, 9});
    begin("pad"); /* negative pads crop */
    operand(F32("4", 1, 2, 3, 4));
    operand(I64("2", -1, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "4", (float[]){2, 3, 4, 0});
    const struct {
        const char *mode;
        float want[7];
    } modes[] = {{"edge", {1, 1, 1, 2, 3, 3, 3}}, {"reflect", {3, 2, 1, 2, 3, 2, 1}}, {"wrap", {2, 3, 1, 2, 3, 1, 2}}};
    for (int i = 0; i < 3; i++) {
        begin("pad");
        set_str("mode", modes[i].mode);
        operand(F32("3", 1, 2, 3));
        operand(I64("2", 2, 2));
        CHECK_INT(run(1), ADZE_OK);
        want_f32(0, "7", modes[i].want);
    }
    begin("pad");
    set_str("mode", "edge");
    operand(F32("0", 0));
    operand(I64("2", 1, 0));
    want_error(1, ADZE_ERR_DIM, "nothing to repeat");
}

TEST(gathers)
{
    begin("gather");
    set_int("axis", 1);
    operand(F32("2,3", 1, 2, 3, 4, 5, 6));
    operand(I64("2", 2, -3));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,2", (float[]){3, 1, 6, 4});
    begin("gather"); /* a scalar index drops the axis */
    operand(F32("3", 1, 2, 3));
    operand(I64("", 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "", (float[]){2});
    begin("gather");
    operand(F32("3", 1, 2, 3));
    operand(I64("1", 3));
    want_error(1, ADZE_ERR_VALUE, "out of range");
    begin("gather_elements");
    operand(F32("2,2", 1, 2, 3, 4));
    operand(I64("1,2", 1, 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2", (float[]){3, 2});
    begin("gather_nd");
    operand(F32("2,2", 1, 2, 3, 4));
    operand(I64("2,1", 1, 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,2", (float[]){3, 4, 1, 2});
    begin("gather_nd");
    set_int("batch_dims", 1);
    operand(F32("2,2", 1, 2, 3, 4));
    operand(I64("2,1", 1, -2));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2", (float[]){2, 3});
}

TEST(repeats)
{
    begin("tile");
    operand(U8("1,2", 1, 2));
    operand(I64("2", 2, 2));
    CHECK_INT(run(1), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_u8, "2,4", (uint8_t[]){1, 2, 1, 2, 1, 2, 1, 2});
    begin("tile");
    operand(F32("2", 1, 2));
    operand(I64("1", 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "0", NULL);
    begin("expand"); /* the shape may be smaller than the operand's */
    operand(F32("2,1", 1, 2));
    operand(I64("1", 2));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,2", (float[]){1, 1, 2, 2});
    begin("expand"); /* without the operand the result says to what */
    operand(F32("1", 7));
    result(ADZE_DTYPE_f32, "3");
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "3", (float[]){7, 7, 7});
}

TEST(blocks_of_pixels)
{
    const float x[] = {0, 1, 2, 3, 4, 5, 6, 7};
    begin("depth_to_space"); /* 8 channels of one pixel, 2 channels of 2 by 2 */
    set_int("blocksize", 2);
    operand(tensor(ADZE_DTYPE_f32, "1,8,1,1", x));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2,2,2", (float[]){0, 2, 4, 6, 1, 3, 5, 7});
    begin("depth_to_space");
    set_int("blocksize", 2);
    set_str("mode", "CRD");
    operand(tensor(ADZE_DTYPE_f32, "1,8,1,1", x));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2,2,2", x);
    begin("space_to_depth");
    set_int("blocksize", 2);
    operand(F32("1,1,2,4", 0, 1, 2, 3, 4, 5, 6, 7));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,4,1,2", (float[]){0, 2, 1, 3, 4, 6, 5, 7});
}

TEST(reshapes)
{
    begin("reshape");
    operand(F32("2,3", 1, 2, 3, 4, 5, 6));
    operand(I64("3", 0, -1, 1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2,3,1", (float[]){1, 2, 3, 4, 5, 6});
    begin("reshape");
    set_int("allowzero", 1);
    operand(F32("0,3", 0));
    operand(I64("2", 3, 0));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "3,0", NULL);
    begin("reshape");
    operand(F32("2,3", 1, 2, 3, 4, 5, 6));
    operand(I64("2", 4, -1));
    want_error(1, ADZE_ERR_DIM, "do not fit");
    begin("reshape"); /* the host thought it knew better */
    operand(F32("4", 1, 2, 3, 4));
    operand(I64("2", 2, 2));
    result(ADZE_DTYPE_f32, "4,1");
    want_error(1, ADZE_ERR_DIM, "not the inferred ones");
    begin("flatten");
    set_int("axis", 0);
    operand(F32("2,2", 1, 2, 3, 4));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,4", (float[]){1, 2, 3, 4});
    begin("squeeze");
    operand(F32("1,2,1", 1, 2));
    operand(I64("1", -1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2", (float[]){1, 2});
    begin("unsqueeze");
    operand(F32("2", 1, 2));
    operand(I64("2", 0, -1));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,2,1", (float[]){1, 2});
    begin("unsqueeze");
    operand(F32("2", 1, 2));
    operand(I64("2", 1, -2));
    want_error(1, ADZE_ERR_VALUE, "twice");
}

TEST(shapes)
{
    begin("shape");
    set_int("start", 1);
    operand(F32("0,2,3", 0));
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "2", (int64_t[]){2, 3});
    begin("shape");
    set_int("end", -1);
    operand(F32("0,2,3", 0));
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "2", (int64_t[]){0, 2});
    begin("size");
    operand(F32("2,3", 0, 0, 0, 0, 0, 0));
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "", (int64_t[]){6});
    begin("constant_of_shape");
    set_float("value", -1);
    set_int("dtype", ADZE_DTYPE_i32);
    operand(I64("2", 1, 3));
    CHECK_INT(run(1), ADZE_OK);
    want_i32(0, "1,3", (int32_t[]){-1, -1, -1});
    begin("range");
    operand(I64("", 5));
    operand(I64("", 0));
    operand(I64("", -2));
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "3", (int64_t[]){5, 3, 1});
    begin("range");
    operand(F32("", 0));
    operand(F32("", 1));
    operand(F32("", 0.25f));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "4", (float[]){0, 0.25f, 0.5f, 0.75f});
    begin("range");
    operand(I64("", 0));
    operand(I64("", 1));
    operand(I64("", 0));
    want_error(1, ADZE_ERR_VALUE, "step 0");
    begin("iota");
    set_int("start", 3);
    set_int("step", -1);
    result(ADZE_DTYPE_i64, "3");
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "3", (int64_t[]){3, 2, 1});
    begin("full");
    set_float("value", 2.5);
    result(ADZE_DTYPE_f32, "2");
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "2", (float[]){2.5f, 2.5f});
    begin("dims"); /* whoever calls has put in what the symbols are */
    set_ints("dims", 4, 2);
    CHECK_INT(run(1), ADZE_OK);
    want_i64(0, "2", (int64_t[]){4, 2});
}

TEST(resizes)
{
    begin("resize");
    operand(F32("1,1,2", 1, 3));
    absent();
    operand(F32("3", 1, 1, 2));
    CHECK_INT(run(1), ADZE_OK);
    want_f32(0, "1,1,4", (float[]){1, 1, 3, 3});
    begin("resize");
    set_str("mode", "linear");
    operand(F32("2", 0, 4));
    absent();
    absent();
    operand(I64("1", 4));
    CHECK_INT(run(1), ADZE_OK);
    want_near(0, "4", (float[]){0, 1, 3, 4}, 1e-6);
    begin("resize");
    set_str("mode", "linear");
    set_str("coordinate_transformation_mode", "align_corners");
    operand(F32("2", 0, 3));
    absent();
    absent();
    operand(I64("1", 4));
    CHECK_INT(run(1), ADZE_OK);
    want_near(0, "4", (float[]){0, 1, 2, 3}, 1e-6);
    begin("resize"); /* one axis of two, down with smoothing */
    set_str("mode", "linear");
    set_int("antialias", 1);
    set_ints("axes", 1);
    operand(F32("1,4", 1, 1, 5, 5));
    absent();
    operand(F32("1", 0.5f));
    CHECK_INT(run(1), ADZE_OK);
    want_near(0, "1,2", (float[]){1.5f, 4.5f}, 1e-6);
    begin("resize");
    operand(F32("2", 0, 3));
    absent();
    operand(F32("1", -1));
    want_error(1, ADZE_ERR_VALUE, "not positive");
}

TEST(dropout_passes_through)
{
    begin("dropout");
    operand(F16("2", 0x3c00, 0x4000));
    CHECK_INT(run(2), ADZE_OK);
    want_bytes(0, ADZE_DTYPE_f16, "2", (uint16_t[]){0x3c00, 0x4000});
    want_bytes(1, ADZE_DTYPE_bool, "2", (uint8_t[]){1, 1});
}

/* Mean and variance as asked for, the same every time, another for another seed. */
TEST(random_values)
{
    float first[3];
    for (int pass = 0; pass < 3; pass++) {
        begin("random_normal");
        set_ints("shape", 20000);
        set_float("mean", 3);
        set_float("scale", 2);
        if (pass == 2) set_float("seed", 7);
        CHECK_INT(run(1), ADZE_OK);
        const float *x = eval.out[0].data;
        double sum = 0, square = 0;
        for (int i = 0; i < 20000; i++) sum += (double)x[i];
        for (int i = 0; i < 20000; i++) square += ((double)x[i] - sum / 20000) * ((double)x[i] - sum / 20000);
        CHECK_NEAR(sum / 20000, 3, 0.06);
        CHECK_NEAR(square / 20000, 4, 0.2);
        first[pass] = x[0];
    }
    CHECK(first[0] == first[1]);
    CHECK(first[0] != first[2]);
}

int main(void)
{
    RUN(transposes);
    RUN(slices);
    RUN(concat_and_split);
    RUN(pads);
    RUN(gathers);
    RUN(repeats);
    RUN(blocks_of_pixels);
    RUN(reshapes);
    RUN(shapes);
    RUN(resizes);
    RUN(dropout_passes_through);
    RUN(random_values);
    finish();
    return unit_end();
}
