/* What an ONNX model's constants become: initializers and Constant nodes, their payloads, one name for two of them. */
#include "onnx_wire.h"
#include "unit.h"

enum { F32 = 1, U8 = 2, I8 = 3, I32 = 6, I64 = 7, BOOL = 9, F16 = 10 };

/* x + w, with w an initializer (which an input of the same name declares too, as IR version 3
 * wants). */
static wire with_initializer(wire tensor, int64_t type, const char *dims)
{
    wire graph = {0};
    w_msg(&graph, 1, m_node("Add", "add", "x w", "y"));
    w_msg(&graph, 5, tensor);
    w_msg(&graph, 11, m_value("w", type, dims));
    w_msg(&graph, 11, m_value("x", type, dims));
    w_msg(&graph, 12, m_value("y", type, dims));
    return m_model(graph, 13);
}

static const void *constant_bytes(const reader *r)
{
    return adze_data_load(adze_const_data(adze_module_find_const(r->module, "w")));
}

TEST(initializer_that_is_an_input_is_a_constant)
{
    reader r;
    wire tensor = m_tensor("w", F32, "2");
    w_bytes(&tensor, 9, (float[]){1.5f, -2}, 8);
    read_model(&r, with_initializer(tensor, F32, "2"), NULL);
    REQUIRE(r.module);
    CHECK_INT(adze_region_num_args(adze_func_body(adze_module_main(r.module))), 1);
    const float *w = constant_bytes(&r);
    CHECK(w[0] == 1.5f && w[1] == -2);
    reader_end(&r);
}

/* int32_data holds every narrow type; packed and one by one are the same. */
TEST(typed_payloads)
{
    reader r;
    wire tensor = m_tensor("w", I8, "3"), packed = {0};
    w_int(&tensor, 5, -128);
    w_varint(&packed, 5);
    w_varint(&packed, (uint64_t)-1);
    w_msg(&tensor, 5, packed);
    read_model(&r, with_initializer(tensor, I8, "3"), NULL);
    REQUIRE(r.module);
    const int8_t *i8 = constant_bytes(&r);
    CHECK(i8[0] == -128 && i8[1] == 5 && i8[2] == -1);
    reader_end(&r);

    tensor = m_tensor("w", F16, "2");
    w_int(&tensor, 5, 0x3c00);
    w_int(&tensor, 5, 0xc000);
    read_model(&r, with_initializer(tensor, F16, "2"), NULL);
    REQUIRE(r.module);
    const uint16_t *f16 = constant_bytes(&r);
    CHECK(f16[0] == 0x3c00 && f16[1] == 0xc000);
    reader_end(&r);

    tensor = m_tensor("w", F32, "3");
    w_float(&tensor, 4, 1);
    w_bytes(&tensor, 4, (float[]){2, 3}, 8);
    read_model(&r, with_initializer(tensor, F32, "3"), NULL);
    REQUIRE(r.module);
    const float *f32 = constant_bytes(&r);
    CHECK(f32[0] == 1 && f32[1] == 2 && f32[2] == 3);
    reader_end(&r);
}

TEST(bad_payloads)
{
    wire tensors[] = {m_tensor("w", F32, "2"), m_tensor("w", F32, "2"),
                      m_tensor("w", I8, "1"),  m_tensor("w", I64, "1"),
                      m_tensor("w", F32, "2"), m_tensor("w", F32, "2"),
                      m_tensor("w", 99, "2"),  m_tensor("w", I8, "4611686018427387904 1024")};
    static const char *const messages[] = {
        "takes 8 bytes but has 7",
        "2 elements but no data",
        "300 does not fit",
        "a field for another element type",
        "more elements than",
        "two payloads",
        "element type 99 is not known",
        "more memory than there are addresses",
    };
    w_bytes(&tensors[0], 9, "1234567", 7);
    w_int(&tensors[2], 5, 300);
    w_int(&tensors[3], 5, 1);
    for (int i = 0; i < 3; i++) w_float(&tensors[4], 4, 1);
    w_bytes(&tensors[5], 9, "12345678", 8);
    w_float(&tensors[5], 4, 1);
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        reader r;
        read_model(&r, with_initializer(tensors[i], F32, "2"), NULL);
        CHECK(!r.module);
        CHECK(logged(&r, messages[i]));
        reader_end(&r);
    }
}

/* A name that the export gives to what it spells out says nothing about numbers that somebody changed since. */
TEST(value_info_of_another_day)
{
    static const char *const names[] = {"s", "s~1~"};
    for (size_t i = 0; i < 2; i++) {
        char in[16], text[64];
        wire graph = {0}, shape = m_tensor(names[i], I64, "2");
        reader r;
        w_int(&shape, 7, 6);
        w_int(&shape, 7, 2);
        snprintf(in, sizeof in, "x %s", names[i]);
        w_msg(&graph, 1, m_node("Reshape", "r", in, "r"));
        w_msg(&graph, 1, m_node("Transpose", "t", "r", "y"));
        w_msg(&graph, 5, shape);
        w_msg(&graph, 11, m_value("x", F32, "2 6"));
        w_msg(&graph, 12, m_value("y", F32, NULL));
        w_msg(&graph, 13, m_value("r", F32, "3 4"));
        read_model(&r, m_model(graph, 17), NULL);
        REQUIRE(r.module);
        adze_type_print(adze_value_type(adze_op_result(nth_op(&r, 1), 0)), text, sizeof text);
        CHECK_STR(text, "f32[2,6]");
        reader_end(&r);
    }
}

/* Every form of Constant: a tensor, a number, a list. */
TEST(constant_nodes)
{
    wire graph = {0}, node, tensor = m_tensor("", F32, "");
    reader r;
    w_float(&tensor, 4, 3);
    node = m_node("Constant", NULL, "", "a");
    w_msg(&node, 5, m_attr_tensor("value", tensor));
    w_msg(&graph, 1, node);
    node = m_node("Constant", NULL, "", "b");
    w_msg(&node, 5, m_attr_float("value_float", 0.5f));
    w_msg(&graph, 1, node);
    node = m_node("Constant", NULL, "", "c");
    w_msg(&node, 5, m_attr_ints("value_ints", 2, (int64_t[]){3, 4}));
    w_msg(&graph, 1, node);
    w_msg(&graph, 1, m_node("Add", "s", "x a", "t"));
    w_msg(&graph, 1, m_node("Mul", "m", "t b", "u"));
    w_msg(&graph, 1, m_node("Reshape", "r", "u c", "y"));
    w_msg(&graph, 11, m_value("x", F32, "12"));
    w_msg(&graph, 12, m_value("y", F32, "3 4"));
    read_model(&r, m_model(graph, 13), NULL);
    REQUIRE(r.module);
    adze_const *a = adze_module_find_const(r.module, "a");
    adze_const *b = adze_module_find_const(r.module, "b");
    adze_const *c = adze_module_find_const(r.module, "c");
    REQUIRE(a && b && c);
    CHECK_INT(adze_type_rank(adze_const_type(a)), 0);
    CHECK(*(const float *)adze_data_load(adze_const_data(a)) == 3);
    CHECK(*(const float *)adze_data_load(adze_const_data(b)) == 0.5f);
    CHECK(((const int64_t *)adze_data_load(adze_const_data(c)))[1] == 4);
    CHECK_INT(adze_type_rank(adze_const_type(c)), 1);
    CHECK_STR(adze_op_name(first_op(&r)), "add");
    reader_end(&r);
}

/* x + c, where two nodes Constant make c: 5 of one type, then 7 of this type and these dims. */
static wire constant_twice(int64_t type, const char *dims)
{
    wire graph = {0};
    for (int i = 0; i < 2; i++) {
        wire tensor = m_tensor("", i ? type : F32, i ? dims : "1"), node = m_node("Constant", NULL, "", "c");
        if (i && type != F32) w_int(&tensor, 7, 7);
        else w_float(&tensor, 4, i ? 7 : 5);
        w_msg(&node, 5, m_attr_tensor("value", tensor));
        w_msg(&graph, 1, node);
        if (!i) w_msg(&graph, 1, m_node("Add", "s", "x c", "y"));
    }
    w_msg(&graph, 11, m_value("x", F32, "1"));
    w_msg(&graph, 12, m_value("y", F32, "1"));
    return m_model(graph, 13);
}

/* The last one counts, wherever it stands, as ONNX Runtime has it; of another type it is an error, as there. */
TEST(one_name_for_two_constants)
{
    reader r;
    read_model(&r, constant_twice(F32, "1"), NULL);
    REQUIRE(r.module);
    adze_const *c = adze_module_find_const(r.module, "c");
    REQUIRE(c && adze_module_first_const(r.module) == c && !adze_const_next(c));
    CHECK(*(const float *)adze_data_load(adze_const_data(c)) == 7);
    CHECK(logged(&r, "two Constants make 'c', where the format has one: the last counts"));
    reader_end(&r);
    for (int i = 0; i < 2; i++) {
        read_model(&r, i ? constant_twice(I64, "1") : constant_twice(F32, ""), NULL);
        CHECK(!r.module);
        CHECK(logged(&r, "output 'c' has the name of another value"));
        reader_end(&r);
    }
}

int main(void)
{
    RUN(initializer_that_is_an_input_is_a_constant);
    RUN(typed_payloads);
    RUN(bad_payloads);
    RUN(value_info_of_another_day);
    RUN(constant_nodes);
    RUN(one_name_for_two_constants);
    return unit_end();
}
