/* Stored values: what is written is read back; bad files are refused. */
#include "onnx_wire.h"
#include "unit.h"

#include <unistd.h>

static char path[64];

static void write_bytes(wire w)
{
    FILE *file = fopen(path, "wb");
    if (!file) abort();
    fwrite(w.bytes, 1, w.size, file);
    fclose(file);
    free(w.bytes);
}

TEST(tensor_round_trip)
{
    reader r;
    reader_begin(&r);
    int64_t dims[] = {2, 3};
    float data[] = {1, -2, 3.5f, 0, 1e30f, -0.0f};
    adze_value value = {.kind = ADZE_VALUE_TENSOR,
                        .dtype = ADZE_DTYPE_f32,
                        .rank = 2,
                        .dims = dims,
                        .data = data},
               got;
    const char *name;
    CHECK(adze_onnx_write_value(r.context, path, "x", &value));
    REQUIRE(adze_onnx_read_value(r.context, path, ADZE_VALUE_TENSOR, &got, &name));
    CHECK_STR(name, "x");
    CHECK_INT(got.dtype, ADZE_DTYPE_f32);
    CHECK_INT(got.rank, 2);
    CHECK(got.dims[0] == 2 && got.dims[1] == 3);
    CHECK(memcmp(got.data, data, sizeof data) == 0);
    adze_onnx_value_free(&got);
    reader_end(&r);
}

TEST(strings_round_trip)
{
    reader r;
    reader_begin(&r);
    int64_t dims[] = {3};
    adze_string data[] = {{"one", 3}, {"", 0}, {"z\0o", 3}};
    adze_value value = {.kind = ADZE_VALUE_TENSOR,
                        .dtype = ADZE_DTYPE_str,
                        .rank = 1,
                        .dims = dims,
                        .data = data},
               got;
    CHECK(adze_onnx_write_value(r.context, path, "s", &value));
    REQUIRE(adze_onnx_read_value(r.context, path, ADZE_VALUE_TENSOR, &got, NULL));
    const adze_string *strings = got.data;
    CHECK_INT(got.dims[0], 3);
    CHECK(strings[0].size == 3 && memcmp(strings[0].data, "one", 3) == 0);
    CHECK(strings[1].size == 0);
    CHECK(strings[2].size == 3 && memcmp(strings[2].data, "z\0o", 3) == 0);
    adze_onnx_value_free(&got);
    reader_end(&r);
}

/* A sequence of a scalar and an empty tensor; an optional without and with a value. */
TEST(sequence_and_optional_round_trip)
{
    reader r;
    reader_begin(&r);
    int64_t empty[] = {0, 4}, seven = 7;
    adze_value items[] = {
        {.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_i64, .data = &seven},
        {.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f32, .rank = 2, .dims = empty},
    };
    adze_value value = {.kind = ADZE_VALUE_SEQUENCE, .items = items, .n_items = 2}, got;
    CHECK(adze_onnx_write_value(r.context, path, "s", &value));
    REQUIRE(adze_onnx_read_value(r.context, path, ADZE_VALUE_SEQUENCE, &got, NULL));
    CHECK_INT((int64_t)got.n_items, 2);
    CHECK(*(const int64_t *)got.items[0].data == 7);
    CHECK_INT(got.items[1].dims[1], 4);
    adze_onnx_value_free(&got);

    value = (adze_value){.kind = ADZE_VALUE_OPTIONAL};
    CHECK(adze_onnx_write_value(r.context, path, "o", &value));
    REQUIRE(adze_onnx_read_value(r.context, path, ADZE_VALUE_OPTIONAL, &got, NULL));
    CHECK_INT(got.kind, ADZE_VALUE_OPTIONAL);
    CHECK_INT((int64_t)got.n_items, 0);
    adze_onnx_value_free(&got);

    value = (adze_value){.kind = ADZE_VALUE_OPTIONAL, .items = items, .n_items = 1};
    CHECK(adze_onnx_write_value(r.context, path, "o", &value));
    REQUIRE(adze_onnx_read_value(r.context, path, ADZE_VALUE_OPTIONAL, &got, NULL));
    CHECK_INT((int64_t)got.n_items, 1);
    adze_onnx_value_free(&got);
    reader_end(&r);
}

TEST(bad_values)
{
    reader r;
    adze_value got;
    reader_begin(&r);
    wire w = m_tensor("x", 1, "4611686018427387904");
    write_bytes(w);
    CHECK(!adze_onnx_read_value(r.context, path, ADZE_VALUE_TENSOR, &got, NULL));
    CHECK(logged(&r, "more memory than there are addresses"));
    w = m_tensor("x", 7, "3");
    w_int(&w, 7, 1);
    w_int(&w, 7, 1);
    write_bytes(w);
    CHECK(!adze_onnx_read_value(r.context, path, ADZE_VALUE_TENSOR, &got, NULL));
    CHECK(logged(&r, "fewer elements than its dims say"));
    CHECK(got.data == NULL && got.dims == NULL);
    CHECK(!adze_onnx_read_value(r.context, path, ADZE_VALUE_MAP, &got, NULL));
    CHECK(!adze_onnx_read_value(r.context, "/no/such/file.pb", ADZE_VALUE_TENSOR, &got, NULL));
    reader_end(&r);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/adze_value_%ld.pb", (long)getpid());
    RUN(tensor_round_trip);
    RUN(strings_round_trip);
    RUN(sequence_and_optional_round_trip);
    RUN(bad_values);
    unlink(path);
    return unit_end();
}
