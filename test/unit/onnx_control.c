/* If, Loop and Scan: what graphs inside nodes become, and what is wrong with those of hostile files. */
#include "onnx_wire.h"
#include "unit.h"

enum { F32 = 1, I64 = 7, BOOL = 9 };

static wire m_attr_graph(const char *name, wire graph)
{
    wire w = {0};
    w_str(&w, 1, name);
    w_msg(&w, 6, graph);
    w_int(&w, 20, 5);
    return w;
}

/* A graph of one node, with an input and an output for each word. */
static wire m_graph(wire node, const char *inputs, const char *outputs)
{
    wire graph = {0};
    w_msg(&graph, 1, node);
    w_str(&graph, 2, "inner");
    for (int side = 0; side < 2; side++)
        for (const char *at = side ? outputs : inputs; *at;) {
            char name[32];
            size_t n = strcspn(at, " ");
            wire value = {0};
            snprintf(name, sizeof name, "%.*s", (int)n, at);
            w_str(&value, 1, name);
            w_msg(&graph, side ? 12 : 11, value);
            at += n + strspn(at + n, " ");
        }
    return graph;
}

/* Around the node: f32 x[2], i64 n, bool c; output y with those dims. */
static void read_declared(reader *r, wire node, const char *dims)
{
    wire graph = {0};
    w_msg(&graph, 1, node);
    w_msg(&graph, 11, m_value("x", F32, "2"));
    w_msg(&graph, 11, m_value("n", I64, ""));
    w_msg(&graph, 11, m_value("c", BOOL, ""));
    w_msg(&graph, 12, m_value("y", F32, dims));
    read_model(r, m_model(graph, 13), NULL);
}

static void read_around(reader *r, wire node) { read_declared(r, node, NULL); }

static wire m_if(const char *condition, wire first, wire second)
{
    wire node = m_node("If", "choose", condition, "y");
    w_msg(&node, 5, m_attr_graph("then_branch", first));
    w_msg(&node, 5, m_attr_graph("else_branch", second));
    return node;
}

/* The other branch, of which nothing is looked at. */
static wire m_abs(const char *outputs) { return m_graph(m_node("Abs", "b", "x", "t"), "", outputs); }

static wire m_loop(const char *inputs, const char *outputs, wire body)
{
    wire node = m_node("Loop", "again", inputs, outputs);
    w_msg(&node, 5, m_attr_graph("body", body));
    return node;
}

static bool has_type(const adze_ir_value *value, const char *text)
{
    char got[128];
    adze_type_print(adze_value_type(value), got, sizeof got);
    if (!strcmp(got, text)) return true;
    printf("  type %s, want %s\n", got, text);
    return false;
}

/* One error, and it is that. */
static bool one_error(const reader *r, const char *text)
{
    bool one = !r->module && adze_context_errors(r->context) == 1;
    if (!one)
        printf("  %s, %llu errors\n", r->module ? "a module" : "no module",
               (unsigned long long)adze_context_errors(r->context));
    return logged(r, text) && one;
}

/* ---- If ---- */

TEST(branches_become_regions)
{
    reader r;
    read_around(&r, m_if("c", m_graph(m_node("Relu", "a", "x", "t"), "", "t"), m_abs("t")));
    REQUIRE(r.module);
    adze_op *op = first_op(&r);
    CHECK_STR(adze_op_name(op), "if");
    CHECK_STR(adze_op_node(op, 0), "choose");
    CHECK_STR(adze_op_name(adze_region_first(adze_op_region(op, 0))), "relu");
    CHECK_STR(adze_op_name(adze_region_first(adze_op_region(op, 1))), "abs");
    CHECK(has_type(adze_op_result(op, 0), "f32[2]"));
    reader_end(&r);
}

/* An outer value, an input and a copy of one are handed out alike. */
TEST(branches_that_hand_through)
{
    reader r;
    wire bare = {0}, value = {0};
    w_str(&value, 1, "x");
    w_msg(&bare, 12, value);
    read_around(&r, m_if("c", bare, m_graph(m_node("Identity", "b", "x", "t"), "", "t")));
    REQUIRE(r.module);
    for (uint32_t i = 0; i < 2; i++) {
        adze_op *last = adze_region_last(adze_op_region(first_op(&r), i));
        CHECK(adze_op_prev(last) == NULL);
        CHECK_STR(adze_value_name(adze_op_operand(last, 0)), "x");
    }
    reader_end(&r);
}

TEST(branches_differ_in_shape)
{
    reader r;
    wire concat = m_node("Concat", "b", "x x", "t");
    w_msg(&concat, 5, m_attr_int("axis", 0));
    read_around(&r, m_if("c", m_graph(m_node("Relu", "a", "x", "t"), "", "t"), m_graph(concat, "", "t")));
    REQUIRE(r.module);
    CHECK(has_type(adze_op_result(first_op(&r), 0), "f32[?]"));
    reader_end(&r);

    read_around(&r, m_if("c", m_graph(m_node("Relu", "a", "x", "t"), "", "t"),
                         m_graph(m_node("ReduceSum", "b", "x", "t"), "", "t")));
    REQUIRE(r.module);
    CHECK(has_type(adze_op_result(first_op(&r), 0), "f32[?]"));
    reader_end(&r);

    concat = m_node("Concat", "b", "x x", "t"); /* what the model declares holds in one branch */
    w_msg(&concat, 5, m_attr_int("axis", 0));
    read_declared(&r, m_if("c", m_graph(m_node("Relu", "a", "x", "t"), "", "t"), m_graph(concat, "", "t")), "2");
    REQUIRE(r.module);
    CHECK(has_type(adze_op_result(first_op(&r), 0), "f32[?]"));
    reader_end(&r);

    read_around(&r, m_if("c", m_graph(m_node("Relu", "a", "x", "t"), "", "t"),
                         m_graph(m_node("Shape", "b", "x", "t"), "", "t")));
    CHECK(one_error(&r, "node 'choose' (If): output 0 is f32[2] in one branch and i64[1] in the other"));
    reader_end(&r);
}

TEST(constant_condition_takes_its_branch)
{
    reader r;
    wire graph = {0}, truth = m_tensor("c", BOOL, "");
    w_bytes(&truth, 9, "\1", 1);
    w_msg(
        &graph, 1,
        m_if("c", m_graph(m_node("Relu", "a", "x", "t"), "", "t"), m_graph(m_node("Wobble", "b", "x", "t"), "", "t")));
    w_msg(&graph, 5, truth);
    w_msg(&graph, 11, m_value("x", F32, "2"));
    w_msg(&graph, 12, m_value("y", F32, "2"));
    read_model(&r, m_model(graph, 13), NULL);
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "relu");
    reader_end(&r);
}

/* The branch stands before the node that makes what it uses. */
TEST(captured_names_wait_for_their_makers)
{
    reader r;
    wire graph = {0};
    w_msg(&graph, 1,
          m_if("c", m_graph(m_node("Relu", "a", "late", "t"), "", "t"),
               m_graph(m_node("Abs", "b", "late", "t"), "", "t")));
    w_msg(&graph, 1, m_node("Neg", "late", "x", "late"));
    w_msg(&graph, 11, m_value("x", F32, "2"));
    w_msg(&graph, 11, m_value("c", BOOL, ""));
    w_msg(&graph, 12, m_value("y", F32, "2"));
    read_model(&r, m_model(graph, 13), NULL);
    REQUIRE(r.module);
    CHECK_STR(adze_op_name(first_op(&r)), "neg");
    CHECK_STR(adze_op_name(nth_op(&r, 1)), "if");
    reader_end(&r);
}

TEST(captured_outputs_count_as_used)
{
    reader r;
    wire graph = {0}, split = m_node("Split", "s", "x", "p q");
    w_msg(&graph, 1, split);
    w_msg(&graph, 1,
          m_if("c", m_graph(m_node("Relu", "a", "q", "t"), "", "t"), m_graph(m_node("Abs", "b", "q", "t"), "", "t")));
    w_msg(&graph, 11, m_value("x", F32, "2"));
    w_msg(&graph, 11, m_value("c", BOOL, ""));
    w_msg(&graph, 12, m_value("y", F32, "1"));
    read_model(&r, m_model(graph, 13), NULL);
    CHECK(r.module != NULL);
    reader_end(&r);
}

TEST(bad_branches)
{
    reader r;
    wire node = m_node("If", "choose", "c", "y");
    w_msg(&node, 5, m_attr_graph("then_branch", m_graph(m_node("Relu", "a", "x", "t"), "", "t")));
    read_around(&r, node);
    CHECK(one_error(&r, "attribute 'else_branch', a graph, is missing"));
    reader_end(&r);

    node = m_node("If", "choose", "c", "y");
    w_msg(&node, 5, m_attr_int("then_branch", 3));
    read_around(&r, node);
    CHECK(one_error(&r, "attribute 'then_branch' is an int, not a graph"));
    reader_end(&r);

    read_around(&r, m_if("x", m_graph(m_node("Relu", "a", "x", "t"), "", "t"), m_abs("t")));
    CHECK(one_error(&r, "the condition is no bool"));
    reader_end(&r);

    read_around(&r, m_if("c", m_graph(m_node("Relu", "a", "x", "t"), "q", "t"), m_abs("t")));
    CHECK(one_error(&r, "'then_branch' has inputs"));
    reader_end(&r);

    read_around(&r, m_if("c", m_graph(m_node("Relu", "a", "x", "t"), "", "t t"), m_abs("t")));
    CHECK(one_error(&r, "one branch has 2 outputs, the other 1"));
    reader_end(&r);

    read_around(&r, m_if("c", m_graph(m_node("Relu", "a", "x", "t"), "", ""), m_abs("")));
    CHECK(one_error(&r, "has 1 outputs, its branches 0"));
    reader_end(&r);

    read_around(&r, m_if("c", m_graph(m_node("Relu", "a", "x", "t"), "", "q"), m_abs("t")));
    CHECK(one_error(&r, "output 'q' of its graph is defined nowhere"));
    reader_end(&r);

    read_around(&r, m_if("c", m_graph(m_node("Relu", "a", "gone", "t"), "", "t"), m_abs("t")));
    CHECK(one_error(&r, "node 'a' (Relu): input 'gone' is defined nowhere"));
    reader_end(&r);

    read_around(&r, m_if("c", m_graph(m_node("Relu", "a", "y", "t"), "", "t"), m_abs("t")));
    CHECK(one_error(&r, "the graph has a cycle: input 'y' depends on this node"));
    reader_end(&r);
}

TEST(two_values_of_one_name_in_a_graph)
{
    reader r;
    wire twice = m_graph(m_node("Relu", "a", "x", "t"), "", "t");
    w_msg(&twice, 1, m_node("Abs", "again", "x", "t"));
    read_around(&r, m_if("c", twice, m_abs("t")));
    CHECK(one_error(&r, "node 'again' (Abs): output 't' has the name of another value"));
    reader_end(&r);
}

TEST(initializers_inside)
{
    reader r;
    wire first = m_graph(m_node("Add", "a", "x w", "t"), "", "t"), tensor = m_tensor("w", F32, "2");
    w_bytes(&tensor, 9, "\0\0\x80\x3f\0\0\x80\x3f", 8);
    w_msg(&first, 5, tensor);
    read_around(&r, m_if("c", first, m_abs("t")));
    REQUIRE(r.module);
    CHECK(adze_module_find_const(r.module, "w") != NULL);
    reader_end(&r);

    first = m_graph(m_node("Add", "a", "x w", "t"), "", "t");
    w_msg(&first, 5, m_tensor("w", F32, "2"));
    read_around(&r, m_if("c", first, m_abs("t")));
    CHECK(one_error(&r, "tensor 'w' has 2 elements but no data"));
    reader_end(&r);
}

/* ---- Loop ---- */

TEST(loop_carries_and_stacks)
{
    reader r;
    read_around(&r, m_loop("n c x", "last y", m_graph(m_node("Relu", "a", "v", "w"), "i go v", "go w w")));
    REQUIRE(r.module);
    adze_op *op = first_op(&r);
    CHECK_STR(adze_op_name(op), "loop");
    CHECK(has_type(adze_op_result(op, 0), "f32[2]"));
    CHECK(has_type(adze_op_result(op, 1), "f32[?,2]"));
    adze_op *last = adze_region_last(adze_op_region(op, 0));
    CHECK(adze_op_operand(last, 0) == NULL); /* the condition is true inside */
    CHECK(adze_module_first_const(r.module) == NULL);
    reader_end(&r);
}

/* What grows is of unknown length, and its constants are made once. */
TEST(carried_dims_that_change)
{
    reader r;
    wire concat = m_node("Concat", "grow", "v x", "w");
    w_msg(&concat, 5, m_attr_int("axis", 0));
    read_around(&r, m_loop("n - x", "y", m_graph(concat, "i go v", "go w")));
    REQUIRE(r.module);
    adze_op *op = first_op(&r);
    CHECK(has_type(adze_op_result(op, 0), "f32[?]"));
    CHECK(has_type(adze_region_arg(adze_op_region(op, 0), 1), "f32[?]"));
    adze_op *inner = adze_region_first(adze_op_region(op, 0));
    CHECK_STR(adze_op_name(inner), "concat");
    CHECK_STR(adze_op_name(adze_op_next(inner)), "yield");
    reader_end(&r);
}

TEST(bad_loops)
{
    static const struct {
        const char *inputs, *outputs, *in, *out, *message;
    } rows[] = {
        {"n c x", "y", "i go", "go w", "has 3 inputs, its graph 2"},
        {"n c x", "y", "i go v", "go", "carries 1 values, but its graph has only 1 outputs"},
        {"n c x", "a b y", "i go v", "go w w", "has 3 outputs; its graph makes 2"},
        {"x c x", "y", "i go v", "go w", "the bound is no i64"},
        {"n x x", "y", "i go v", "go w", "the condition is no bool"},
        {"- - x", "y", "i go v", "go w", "it never ends"},
        {"n c x", "y", "i go v", "w w", "the first output of its graph is no bool"},
        {"n c x", "y", "i go v", "go i", "carried value 0 is f32[2], and i64[] after a run"},
        {"n c -", "y", "i go v", "go w", "carried value 0 is absent"},
        {"n c x", "y", "i i v", "go w", "input 'i' of its graph is given twice"},
        {"n c x", "y", "i go v", "go q", "output 'q' of its graph is defined nowhere"},
        {"n c x", "y", "i go w", "go w", "output 'w' has the name of another value"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reader r;
        const char *from = i == 11 ? "x" : "v";
        read_around(&r, m_loop(rows[i].inputs, rows[i].outputs,
                               m_graph(m_node("Relu", "a", from, "w"), rows[i].in, rows[i].out)));
        CHECK(one_error(&r, rows[i].message));
        reader_end(&r);
    }
}

TEST(declared_types_of_a_graph)
{
    reader r;
    wire body = {0};
    w_msg(&body, 1, m_node("Relu", "a", "v", "w"));
    w_msg(&body, 11, m_value("i", I64, ""));
    w_msg(&body, 11, m_value("go", BOOL, ""));
    w_msg(&body, 11, m_value("v", I64, "2"));
    w_msg(&body, 12, m_value("go", BOOL, ""));
    w_msg(&body, 12, m_value("w", F32, "2"));
    read_around(&r, m_loop("n c x", "y", body));
    CHECK(one_error(&r, "input 'v' of its graph is f32[2] but declared otherwise"));
    reader_end(&r);
}

/* `inner`: what loops inside begin with. */
static void read_nest(reader *r, const char *inner)
{
    enum { DEPTH = 20 };
    wire concat = m_node("Concat", "grow", "v x", "w"), body;
    w_msg(&concat, 5, m_attr_int("axis", 0));
    body = m_graph(concat, "i go v", "go w");
    for (int level = 0; level < DEPTH; level++) body = m_graph(m_loop(inner, "w", body), "i go v", "go w");
    read_around(r, m_loop("n c x", "y", body));
}

TEST(loops_in_loops)
{
    reader r;
    read_nest(&r, "n go v");
    REQUIRE(r.module);
    CHECK(has_type(adze_op_result(first_op(&r), 0), "f32[?]"));
    reader_end(&r);

    /* each begins anew, so every level doubles the times that the ones inside it are read */
    read_nest(&r, "n go x");
    CHECK(one_error(&r, "functions and graphs inside nodes expand to more than 262144 nodes"));
    reader_end(&r);
}

/* Deeper than ours the scanner's own bound comes first. */
TEST(graphs_in_graphs_are_bounded)
{
    for (int depth = 31; depth <= 34; depth++) {
        wire graph = m_graph(m_node("Relu", "a", "x", "t"), "", "t");
        reader r;
        for (int level = 1; level < depth; level++) {
            wire inner = {0}, node = m_node("If", "inner", "c", "t");
            w_raw(&inner, graph.bytes, graph.size);
            w_msg(&node, 5, m_attr_graph("then_branch", inner));
            w_msg(&node, 5, m_attr_graph("else_branch", m_abs("t")));
            free(graph.bytes);
            graph = m_graph(node, "", "t");
        }
        read_around(&r, m_if("c", graph, m_abs("t")));
        if (depth <= 32)
            CHECK(r.module != NULL);
        else
            CHECK(one_error(&r, depth == 33 ? "nested more than" : "messages are nested more than 100 deep"));
        reader_end(&r);
    }
}

/* ---- Scan ---- */

static wire m_scan(int64_t n, const char *inputs, const char *outputs, wire body)
{
    wire node = m_node("Scan", "sweep", inputs, outputs);
    w_msg(&node, 5, m_attr_graph("body", body));
    w_msg(&node, 5, m_attr_int("num_scan_inputs", n));
    return node;
}

TEST(scan_becomes_a_loop_of_gathers)
{
    reader r;
    read_around(&r, m_scan(1, "x", "y", m_graph(m_node("Relu", "a", "v", "w"), "v", "w")));
    REQUIRE(r.module);
    adze_op *op = first_op(&r), *inner = adze_region_first(adze_op_region(op, 0));
    CHECK_STR(adze_op_name(op), "loop");
    CHECK_STR(adze_op_name(inner), "gather");
    CHECK(has_type(adze_op_result(inner, 0), "f32[]"));
    CHECK(has_type(adze_op_result(op, 0), "f32[2]"));
    reader_end(&r);
}

TEST(bad_scans)
{
    static const int64_t two[] = {0, 0}, far[] = {3}, odd[] = {2};
    static const struct {
        int64_t n;
        const char *inputs, *outputs, *in, *out, *list;
        const int64_t *values;
        size_t count;
        const char *message;
    } rows[] = {
        {0, "x", "y", "v", "w", NULL, NULL, 0, "num_scan_inputs is 0 of 1 inputs"},
        {2, "x", "y", "v", "w", NULL, NULL, 0, "num_scan_inputs is 2 of 1 inputs"},
        {1, "x x", "y", "v", "w", NULL, NULL, 0, "has 2 inputs, its graph 1"},
        {1, "x x", "y", "v u", "", NULL, NULL, 0, "carries 1 values, but its graph has only 0 outputs"},
        {1, "x", "y z", "v", "w", NULL, NULL, 0, NULL}, /* z is not used */
        {1, "n", "y", "v", "w", NULL, NULL, 0, "axis 0 of scanned input 0 of rank 0"},
        {1, "x", "y", "v", "w", "scan_input_axes", two, 2, "'scan_input_axes' has 2 entries, not 1"},
        {1, "x", "y", "v", "w", "scan_input_axes", far, 1, "axis 3 of scanned input 0 of rank 1"},
        {1, "x", "y", "v", "w", "scan_output_axes", far, 1, "axis 3 of a scanned output of rank 1"},
        {1, "x", "y", "v", "w", "scan_input_directions", odd, 1, "'scan_input_directions' holds 2; 0 and 1 are known"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reader r;
        wire node = m_scan(rows[i].n, rows[i].inputs, rows[i].outputs,
                           m_graph(m_node("Relu", "a", "v", "w"), rows[i].in, rows[i].out));
        if (rows[i].list) w_msg(&node, 5, m_attr_ints(rows[i].list, rows[i].count, rows[i].values));
        read_around(&r, node);
        if (rows[i].message)
            CHECK(one_error(&r, rows[i].message));
        else
            CHECK(r.module != NULL);
        reader_end(&r);
    }
}

int main(void)
{
    RUN(branches_become_regions);
    RUN(branches_that_hand_through);
    RUN(branches_differ_in_shape);
    RUN(constant_condition_takes_its_branch);
    RUN(captured_names_wait_for_their_makers);
    RUN(captured_outputs_count_as_used);
    RUN(bad_branches);
    RUN(two_values_of_one_name_in_a_graph);
    RUN(initializers_inside);
    RUN(loop_carries_and_stacks);
    RUN(carried_dims_that_change);
    RUN(bad_loops);
    RUN(declared_types_of_a_graph);
    RUN(loops_in_loops);
    RUN(graphs_in_graphs_are_bounded);
    RUN(scan_becomes_a_loop_of_gathers);
    RUN(bad_scans);
    return unit_end();
}
