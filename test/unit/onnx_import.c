/* What an ONNX model becomes: names, symbols, constants, older forms, functions, reports. */
#include "onnx_wire.h"
#include "unit.h"

enum { F32 = 1, U8 = 2, I8 = 3, I32 = 6, I64 = 7, BOOL = 9, F16 = 10 };

TEST(names_and_attributes)
{
    reader r;
    read_model(&r, m_model(m_one_node(m_node("Relu", "a/b", "x", "y"), "2 3", "2 3"), 13), NULL);
    REQUIRE(r.module);
    adze_func *func = adze_module_main(r.module);
    adze_op *op = first_op(&r);
    CHECK_STR(adze_module_name(r.module), "g");
    CHECK_STR(adze_func_name(func), "main");
    CHECK_STR(adze_value_name(adze_region_arg(adze_func_body(func), 0)), "x");
    CHECK_STR(adze_func_result_name(func, 0), "y");
    CHECK_STR(adze_op_name(op), "relu");
    CHECK_STR(adze_op_node(op, 0), "a/b");
    CHECK_STR(adze_value_name(adze_op_result(op, 0)), "y");
    CHECK(adze_func_return(func) != NULL);
    CHECK_INT(adze_module_find_attr(r.module, "opset")->value.i, 13);
    CHECK_INT(adze_module_find_attr(r.module, "ir_version")->value.i, 8);
    CHECK(adze_module_find_attr(r.module, "producer") != NULL);
    reader_end(&r);
}

TEST(unnamed_node_is_named_by_type_and_place)
{
    wire graph = {0};
    reader r;
    w_msg(&graph, 1, m_node("Relu", NULL, "x", "h"));
    w_msg(&graph, 1, m_node("Abs", NULL, "h", "y"));
    w_msg(&graph, 11, m_value("x", F32, "2"));
    w_msg(&graph, 12, m_value("y", F32, "2"));
    read_model(&r, m_model(graph, 13), NULL);
    REQUIRE(r.module);
    CHECK_STR(adze_op_node(nth_op(&r, 1), 0), "Abs_1");
    reader_end(&r);
}

/* ---- Dims ---- */

static void arg_type(const reader *r, char *out, size_t size)
{
    adze_region *body = adze_func_body(adze_module_main(r->module));
    adze_type_print(adze_value_type(adze_region_arg(body, 0)), out, size);
}

TEST(symbols)
{
    char text[128];
    reader r;
    read_model(&r, m_model(m_one_node(m_node("Relu", "n", "x", "y"), "N a-b a.b ? -1 max", NULL), 13),
               NULL);
    REQUIRE(r.module);
    arg_type(&r, text, sizeof text);
    CHECK_STR(text, "f32[N,a_b,a_b_2,x_3,x_4,max_2]");
    reader_end(&r);
}

TEST(fixed_dim)
{
    char text[128];
    reader r;
    adze_fixed_dim dims[] = {{"a-b", 4}, {"M", 7}};
    adze_onnx_options options = {.struct_size = sizeof options, .n_dims = 1, .dims = dims};
    read_model(&r, m_model(m_one_node(m_node("Relu", "n", "x", "y"), "N a-b", NULL), 13), &options);
    REQUIRE(r.module);
    arg_type(&r, text, sizeof text);
    CHECK_STR(text, "f32[N,4]");
    reader_end(&r);

    options.n_dims = 2;
    read_model(&r, m_model(m_one_node(m_node("Relu", "n", "x", "y"), "N a-b", NULL), 13), &options);
    CHECK(!r.module);
    CHECK(logged(&r, "no input has a symbolic dim 'M'"));
    reader_end(&r);
}

/* As many symbols as are soon read, and how many more there are. */
TEST(dims_to_choose_from)
{
    char dims[10 * 61 + 3] = "";
    reader r;
    adze_fixed_dim wanted = {"M", 7};
    adze_onnx_options options = {.struct_size = sizeof options, .n_dims = 1, .dims = &wanted};
    for (int i = 0; i < 10; i++) {
        memset(dims + i * 61, 'a' + i, 60);
        dims[i * 61 + 60] = ' ';
    }
    memcpy(dims + 10 * 61, "jj", 2);
    read_model(&r, m_model(m_one_node(m_node("Relu", "n", "x", "y"), dims, NULL), 13), &options);
    CHECK(!r.module);
    CHECK(logged(&r, "no input has a symbolic dim 'M'; there are aaaaa"));
    CHECK(logged(&r, "dd and 7 more"));
    reader_end(&r);
}

TEST(absurd_dims)
{
    static const struct {
        const char *dims, *message;
    } rows[] = {
        {"-2", "dim 0 is -2"},
        {"4611686018427387904 4611686018427387904", "more memory than there are addresses"},
        {"1 1 1 1 1 1 1 1 1 1 1 1 1", "13 dims; at most 12"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reader r;
        read_model(&r, m_model(m_one_node(m_node("Relu", "n", "x", "y"), rows[i].dims, NULL), 13),
                   NULL);
        CHECK(!r.module);
        CHECK(logged(&r, rows[i].message));
        reader_end(&r);
    }
}

/* ---- Older forms ---- */

static void read_node(reader *r, wire node, int64_t opset, const char *dims)
{
    read_model(r, m_model(m_one_node(node, dims, NULL), opset), NULL);
}

/* Is the operand a constant of these ints? */
static bool operand_is(const adze_op *op, uint32_t index, uint32_t count, const int64_t *want)
{
    adze_ir_value *value = adze_op_operand(op, index);
    adze_const *constant = value ? adze_value_const(value) : NULL;
    if (!constant || adze_data_size(adze_const_data(constant)) != count * sizeof *want)
        return false;
    return memcmp(adze_data_load(adze_const_data(constant)), want, count * sizeof *want) == 0;
}

TEST(axes_become_an_operand)
{
    reader r;
    wire node = m_node("ReduceMean", "n", "x", "y");
    w_msg(&node, 5, m_attr_ints("axes", 2, (int64_t[]){1, -1}));
    w_msg(&node, 5, m_attr_int("keepdims", 0));
    read_node(&r, node, 11, "2 3 4");
    REQUIRE(r.module);
    adze_op *op = first_op(&r);
    CHECK_STR(adze_op_name(op), "reduce_mean");
    CHECK(operand_is(op, 1, 2, (int64_t[]){1, -1}));
    CHECK_INT(adze_op_attr_int(op, "keepdims"), 0);
    reader_end(&r);
}

TEST(slice_and_pad_of_opset_9)
{
    reader r;
    wire node = m_node("Slice", "n", "x", "y");
    w_msg(&node, 5, m_attr_ints("starts", 1, (int64_t[]){1}));
    w_msg(&node, 5, m_attr_ints("ends", 1, (int64_t[]){3}));
    w_msg(&node, 5, m_attr_ints("axes", 1, (int64_t[]){0}));
    read_node(&r, node, 9, "4");
    REQUIRE(r.module);
    CHECK(operand_is(first_op(&r), 1, 1, (int64_t[]){1}));
    CHECK(operand_is(first_op(&r), 2, 1, (int64_t[]){3}));
    CHECK(operand_is(first_op(&r), 3, 1, (int64_t[]){0}));
    reader_end(&r);

    node = m_node("Pad", "n", "x", "y");
    w_msg(&node, 5, m_attr_ints("pads", 2, (int64_t[]){1, 2}));
    w_msg(&node, 5, m_attr_float("value", 1.5f));
    read_node(&r, node, 9, "4");
    REQUIRE(r.module);
    CHECK(operand_is(first_op(&r), 1, 2, (int64_t[]){1, 2}));
    CHECK(adze_op_operand(first_op(&r), 2) != NULL);
    reader_end(&r);
}

TEST(clip_bounds_become_operands)
{
    reader r;
    wire node = m_node("Clip", "n", "x", "y");
    w_msg(&node, 5, m_attr_float("max", 6));
    read_node(&r, node, 7, "4");
    REQUIRE(r.module);
    CHECK(adze_op_operand(first_op(&r), 1) == NULL);
    adze_const *high = adze_value_const(adze_op_operand(first_op(&r), 2));
    REQUIRE(high);
    CHECK(*(const float *)adze_data_load(adze_const_data(high)) == 6);
    reader_end(&r);
}

/* Before opset 13 softmax runs over all axes from axis (default 1) on. */
TEST(softmax_by_opset)
{
    reader r;
    read_node(&r, m_node("Softmax", "n", "x", "y"), 11, "2 3 4");
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "softmax_flat");
    CHECK_INT(adze_op_attr_int(first_op(&r), "axis"), 1);
    reader_end(&r);

    read_node(&r, m_node("Softmax", "n", "x", "y"), 11, "2 3");
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "softmax");
    reader_end(&r);

    read_node(&r, m_node("Softmax", "n", "x", "y"), 13, "2 3 4");
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "softmax");
    CHECK_INT(adze_op_attr_int(first_op(&r), "axis"), -1);
    reader_end(&r);

    read_node(&r, m_node("LogSoftmax", "n", "x", "y"), 11, "2 3 4");
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "flatten");
    CHECK_STR(adze_op_node(nth_op(&r, 1), 0), "n");
    CHECK_STR(adze_op_name(nth_op(&r, 1)), "log_softmax");
    reader_end(&r);
}

TEST(upsample_is_resize)
{
    reader r;
    wire node = m_node("Upsample", "n", "x", "y"), attr = {0};
    w_str(&attr, 1, "scales");
    for (int i = 0; i < 4; i++) w_float(&attr, 7, i < 2 ? 1 : 2);
    w_int(&attr, 20, 6);
    w_msg(&node, 5, attr);
    read_node(&r, node, 7, "1 1 2 2");
    REQUIRE(r.module);
    adze_op *op = first_op(&r);
    CHECK_STR(adze_op_name(op), "resize");
    CHECK_STR(adze_op_attr_str(op, "coordinate_transformation_mode"), "asymmetric");
    CHECK_STR(adze_op_attr_str(op, "nearest_mode"), "floor");
    CHECK(adze_op_operand(op, 1) == NULL && adze_op_operand(op, 2) != NULL);
    reader_end(&r);
}

TEST(forms_chosen_by_operands_and_attributes)
{
    reader r;
    wire node = m_node("Gelu", "n", "x", "y");
    w_msg(&node, 5, m_attr_str("approximate", "tanh"));
    read_node(&r, node, 20, "4");
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "gelu_tanh");
    reader_end(&r);

    read_node(&r, m_node("Max", "n", "x x", "y"), 13, "4");
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "max");
    reader_end(&r);

    read_node(&r, m_node("Sum", "n", "x x x", "y"), 13, "4");
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "sum_n");
    reader_end(&r);

    /* The mask has a name but no reader. */
    read_node(&r, m_node("Dropout", "n", "x", "y mask"), 7, "4");
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "identity");
    reader_end(&r);
}

TEST(constant_of_shape_value)
{
    reader r;
    wire graph = {0}, node = m_node("ConstantOfShape", "n", "s", "y"),
         value = m_tensor("", I64, "1");
    wire shape = m_tensor("s", I64, "2");
    w_int(&shape, 7, 2);
    w_int(&shape, 7, 3);
    w_int(&value, 7, -7);
    w_msg(&node, 5, m_attr_tensor("value", value));
    w_msg(&graph, 1, node);
    w_msg(&graph, 5, shape);
    w_msg(&graph, 12, m_value("y", I64, "2 3"));
    read_model(&r, m_model(graph, 13), NULL);
    REQUIRE(r.module);
    CHECK(adze_op_attr_float(first_op(&r), "value") == -7);
    CHECK_INT(adze_op_attr_int(first_op(&r), "dtype"), ADZE_DTYPE_i64);
    reader_end(&r);
}

/* ---- Graphs ---- */

TEST(unsorted_nodes_are_sorted)
{
    wire graph = {0};
    reader r;
    w_msg(&graph, 1, m_node("Abs", "second", "h", "y"));
    w_msg(&graph, 1, m_node("Relu", "first", "x", "h"));
    w_msg(&graph, 11, m_value("x", F32, "2"));
    w_msg(&graph, 12, m_value("y", F32, "2"));
    read_model(&r, m_model(graph, 13), NULL);
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "relu");
    CHECK_STR(adze_op_name(nth_op(&r, 1)), "abs");
    reader_end(&r);
}

TEST(cycle)
{
    wire graph = {0};
    reader r;
    w_msg(&graph, 1, m_node("Add", "one", "x b", "a"));
    w_msg(&graph, 1, m_node("Relu", "two", "a", "b"));
    w_msg(&graph, 11, m_value("x", F32, "2"));
    w_msg(&graph, 12, m_value("b", F32, "2"));
    read_model(&r, m_model(graph, 13), NULL);
    CHECK(!r.module);
    CHECK(logged(&r, "m.onnx: node 'two' (Relu): the graph has a cycle"));
    reader_end(&r);
}

TEST(undefined_and_duplicate_names)
{
    reader r;
    read_node(&r, m_node("Relu", "n", "nothing", "y"), 13, "2");
    CHECK(!r.module);
    CHECK(logged(&r, "m.onnx: node 'n' (Relu): input 'nothing' is defined nowhere"));
    reader_end(&r);

    read_node(&r, m_node("Relu", "n", "x", "z"), 13, "2");
    CHECK(!r.module);
    CHECK(logged(&r, "output 'y' is defined nowhere"));
    reader_end(&r);

    read_node(&r, m_node("Relu", "n", "x", "x"), 13, "2");
    CHECK(!r.module);
    CHECK(logged(&r, "output 'x' has the name of another value"));
    reader_end(&r);
}

/* All of them, once each; what depends on them is silent. */
TEST(unsupported_all_at_once)
{
    wire graph = {0}, node;
    reader r;
    w_msg(&graph, 1, m_node("Wobble", "one", "x", "a"));
    w_msg(&graph, 1, m_node("Relu", "after", "a", "b"));
    w_msg(&graph, 1, m_node("GRU", "cell", "x", "f"));
    node = m_node("Abs", "two", "x", "c");
    w_msg(&node, 5, m_attr_int("speed", 3));
    w_msg(&graph, 1, node);
    node = m_node("Relu", "three", "b", "d");
    w_str(&node, 7, "com.example");
    w_msg(&graph, 1, node);
    w_msg(&graph, 11, m_value("x", F32, "2"));
    w_msg(&graph, 12, m_value("b", F32, "2"));
    read_model(&r, m_model(graph, 13), NULL);
    CHECK(!r.module);
    CHECK(logged(&r, "m.onnx: node 'one' (Wobble): not supported (opset 13): the op is not known"));
    CHECK(logged(&r, "node 'two' (Abs): not supported (opset 13): attribute 'speed' is not known"));
    CHECK(logged(
        &r, "node 'three' (Relu): not supported (opset 0): the op is not known in domain com."));
    CHECK(logged(&r, "node 'cell' (GRU): has 1 inputs; 3 to 6 are expected"));
    CHECK(!strstr(r.log, "'after'"));
    CHECK_INT((int64_t)adze_context_errors(r.context), 4);
    reader_end(&r);
}

TEST(opsets_outside_the_range)
{
    reader r;
    read_node(&r, m_node("Relu", "n", "x", "y"), 29, "2");
    CHECK(!r.module);
    CHECK(logged(&r, "not supported (opset 29): opsets 1 to 28 are read"));
    reader_end(&r);

    read_node(&r, m_node("Relu", "n", "x", "y"), 1, "2");
    CHECK(r.module);
    reader_end(&r);
}

/* ---- Functions ---- */

/* f(a) = leaky_relu(a, alpha = slope) + a, in domain "my". */
static wire m_function(void)
{
    wire f = {0}, node = m_node("LeakyRelu", "l", "a", "t"), ref = {0};
    w_str(&ref, 1, "alpha");
    w_str(&ref, 21, "slope");
    w_int(&ref, 20, 1);
    w_msg(&node, 5, ref);
    w_str(&f, 1, "F");
    w_words(&f, 4, "a");
    w_words(&f, 5, "b");
    w_str(&f, 6, "slope");
    w_msg(&f, 7, node);
    w_msg(&f, 7, m_node("Add", "s", "t a", "b"));
    w_msg(&f, 9, m_opset("", 13));
    w_str(&f, 10, "my");
    return f;
}

TEST(function_is_inlined)
{
    reader r;
    wire node = m_node("F", "call", "x", "y");
    w_str(&node, 7, "my");
    w_msg(&node, 5, m_attr_float("slope", 0.25f));
    wire model = m_model(m_one_node(node, "2", "2"), 13);
    w_msg(&model, 8, m_opset("my", 1));
    w_msg(&model, 25, m_function());
    read_model(&r, model, NULL);
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "leaky_relu");
    CHECK_NEAR(adze_op_attr_float(first_op(&r), "alpha"), 0.25, 0);
    CHECK_STR(adze_op_node(first_op(&r), 0), "call/l");
    CHECK_STR(adze_op_name(nth_op(&r, 1)), "add");
    reader_end(&r);
}

/* Whether anybody reads it or not; an empty name asks for none. */
TEST(function_with_more_outputs)
{
    static const struct {
        const char *out, *error; /* NULL: none */
    } rows[] = {{"y z", "node 'call' (F): has 2 outputs; the function gives 1"},
                {"y - z", "node 'call' (F): has 3 outputs; the function gives 1"},
                {"y -", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reader r;
        wire node = m_node("F", "call", "x", rows[i].out);
        w_str(&node, 7, "my");
        wire model = m_model(m_one_node(node, "2", "2"), 13);
        w_msg(&model, 8, m_opset("my", 1));
        w_msg(&model, 25, m_function());
        read_model(&r, model, NULL);
        CHECK((r.module != NULL) == !rows[i].error);
        if (rows[i].error) CHECK(logged(&r, rows[i].error));
        CHECK_INT((int64_t)adze_context_errors(r.context), rows[i].error != NULL);
        reader_end(&r);
    }
}

/* An attribute of a call that there is not; a subgraph in the main graph stands in no function either. */
TEST(attribute_of_a_call_outside_functions)
{
    reader r;
    wire node = m_node("LeakyRelu", "l", "x", "y"), ref = {0};
    w_str(&ref, 1, "alpha");
    w_str(&ref, 21, "slope");
    w_int(&ref, 20, 1);
    w_msg(&node, 5, ref);
    read_node(&r, node, 13, "2");
    CHECK(!r.module);
    CHECK(logged(&r, "m.onnx: node 'l' (LeakyRelu): attribute 'alpha' is that of a call, 'slope', but the node stands in "
                     "no function"));
    CHECK_INT((int64_t)adze_context_errors(r.context), 1);
    reader_end(&r);

    wire call = m_node("F", "call", "x", "y"), on = {0};
    w_str(&call, 7, "my");
    w_str(&on, 1, "slope");
    w_str(&on, 21, "other");
    w_int(&on, 20, 1);
    w_msg(&call, 5, on);
    wire model = m_model(m_one_node(call, "2", "2"), 13);
    w_msg(&model, 8, m_opset("my", 1));
    w_msg(&model, 25, m_function());
    read_model(&r, model, NULL);
    CHECK(!r.module);
    CHECK(logged(&r, "node 'call' (F): attribute 'slope' is that of a call, 'other'"));
    reader_end(&r);

    wire function = m_function(), fallback = {0};
    w_str(&fallback, 1, "slope");
    w_str(&fallback, 21, "other");
    w_msg(&function, 11, fallback);
    call = m_node("F", "call", "x", "y");
    w_str(&call, 7, "my");
    model = m_model(m_one_node(call, "2", "2"), 13);
    w_msg(&model, 8, m_opset("my", 1));
    w_msg(&model, 25, function);
    read_model(&r, model, NULL);
    CHECK(!r.module);
    CHECK(logged(&r, "node 'call' (F): the function's default for 'slope' is an attribute of a call, 'other'"));
    reader_end(&r);
}

TEST(function_that_calls_itself)
{
    reader r;
    wire node = m_node("F", "call", "x", "y"), inner = m_node("F", "again", "a", "b"), f = {0};
    w_str(&node, 7, "my");
    w_str(&inner, 7, "my");
    w_str(&f, 1, "F");
    w_words(&f, 4, "a");
    w_words(&f, 5, "b");
    w_msg(&f, 7, inner);
    w_msg(&f, 9, m_opset("my", 1));
    w_str(&f, 10, "my");
    wire model = m_model(m_one_node(node, "2", "2"), 13);
    w_msg(&model, 8, m_opset("my", 1));
    w_msg(&model, 25, f);
    read_model(&r, model, NULL);
    CHECK(!r.module);
    CHECK(logged(&r, "the function calls itself"));
    reader_end(&r);
}

int main(void)
{
    RUN(names_and_attributes);
    RUN(unnamed_node_is_named_by_type_and_place);
    RUN(symbols);
    RUN(fixed_dim);
    RUN(dims_to_choose_from);
    RUN(absurd_dims);
    RUN(axes_become_an_operand);
    RUN(slice_and_pad_of_opset_9);
    RUN(clip_bounds_become_operands);
    RUN(softmax_by_opset);
    RUN(upsample_is_resize);
    RUN(forms_chosen_by_operands_and_attributes);
    RUN(constant_of_shape_value);
    RUN(unsorted_nodes_are_sorted);
    RUN(cycle);
    RUN(undefined_and_duplicate_names);
    RUN(unsupported_all_at_once);
    RUN(opsets_outside_the_range);
    RUN(function_is_inlined);
    RUN(function_with_more_outputs);
    RUN(attribute_of_a_call_outside_functions);
    RUN(function_that_calls_itself);
    return unit_end();
}
