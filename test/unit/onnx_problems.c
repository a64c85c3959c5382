/* What is wrong with a model is said all at once, each thing once, with its nodes and with what would be needed. */
#include "onnx_wire.h"
#include "unit.h"

enum { F32 = 1 };

static int times(const reader *r, const char *text)
{
    int n = 0;
    for (const char *at = r->log; (at = strstr(at, text)); at += strlen(text)) n++;
    return n;
}

static int lines(const reader *r) { return times(r, "\n"); }

static wire node_of(const char *domain, const char *op, const char *name, const char *in, const char *out)
{
    wire node = m_node(op, name, in, out);
    if (domain) w_str(&node, 7, domain);
    return node;
}

/* A graph over x: f32[dims]; each node reads x, and the last one's output is the graph's. */
static wire ended(wire graph, const char *dims, const char *output)
{
    w_msg(&graph, 11, m_value("x", F32, dims));
    w_msg(&graph, 12, m_value(output, F32, NULL));
    return graph;
}

TEST(nodes_of_one_fault_are_one_message)
{
    wire graph = {0};
    char name[16], out[16];
    reader r;
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "fft%d", i);
        snprintf(out, sizeof out, "f%d", i);
        w_msg(&graph, 1, node_of("com.example", "Fft", name, "x", out));
        snprintf(name, sizeof name, "w%d", i);
        snprintf(out, sizeof out, "g%d", i);
        w_msg(&graph, 1, node_of(NULL, "Wobble", name, "x", out));
    }
    read_model(&r, m_model(ended(graph, "2", "f0"), 17), NULL);
    CHECK(!r.module);
    CHECK(logged(&r, "m.onnx: node 'fft0' (Fft): not supported (opset 0): the op is not known in domain com.example, "
                     "which opset_import does not name\n  12 nodes: 'fft0', 'fft1', 'fft2', …\n  needed: a plug-in"));
    CHECK(logged(&r, "m.onnx: node 'w0' (Wobble): not supported (opset 17): the op is not known\n  12 nodes: 'w0', "));
    CHECK(logged(&r, "m.onnx: 24 nodes of 2 operators cannot be read\n"));
    CHECK_INT(lines(&r), 7);
    CHECK_INT((int64_t)adze_context_errors(r.context), 24);
    reader_end(&r);
}

/* Faults of one operator stand together; names of values, numbers and dims do not tell faults apart, attributes do. */
TEST(faults_of_an_operator_stand_together)
{
    static const struct {
        const char *op, *name, *in, *attr;
    } nodes[] = {{"Abs", "a", "x", "speed"},   {"Gemm", "b", "x", NULL},     {"Abs", "c", "x", "force"},
                 {"Abs", "d", "x", "speed"},   {"Gemm", "e", "x", NULL},     {"Relu", "f", "none", NULL},
                 {"Relu", "g", "nobody", NULL}};
    wire graph = {0};
    reader r;
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        char out[8];
        snprintf(out, sizeof out, "y%zu", i);
        wire node = m_node(nodes[i].op, nodes[i].name, nodes[i].in, out);
        if (nodes[i].attr) w_msg(&node, 5, m_attr_int(nodes[i].attr, 1));
        w_msg(&graph, 1, node);
    }
    read_model(&r, m_model(ended(graph, "2", "y0"), 17), NULL);
    CHECK(!r.module);
    const char *speed = strstr(r.log, "'speed' is not known\n  2 nodes: 'a', 'd'\n");
    const char *force = strstr(r.log, "'force' is not known"), *gemm = strstr(r.log, "(Gemm)");
    CHECK(speed && force && gemm && speed < force && force < gemm);
    CHECK_INT(times(&r, "(Gemm)"), 1);
    CHECK(logged(&r, "node 'f' (Relu): input 'none' is defined nowhere\n  2 nodes: 'f', 'g'\n"));
    CHECK(logged(&r, "7 nodes of 3 operators cannot be read"));
    reader_end(&r);
}

/* No more than a screenful; the rest is counted. */
TEST(a_screenful)
{
    wire graph = {0};
    char op[16], out[16];
    reader r;
    for (int i = 0; i < 60; i++) {
        snprintf(op, sizeof op, "Zz%c%cqx", 'A' + i / 8, 'a' + i % 8);
        snprintf(out, sizeof out, "f%d", i);
        w_msg(&graph, 1, m_node(op, NULL, "x", out));
    }
    read_model(&r, m_model(ended(graph, "2", "f0"), 17), NULL);
    CHECK(!r.module);
    CHECK(lines(&r) <= 24);
    CHECK(logged(&r, "60 nodes of 60 operators cannot be read; 49 more are not shown, of ZzBdqx, "));
    CHECK(logged(&r, " and 43 operators more\n"));
    reader_end(&r);
}

TEST(more_than_is_worth_reading)
{
    wire graph = {0};
    char op_type[16];
    reader r;
    for (int i = 0; i < 1500; i++) {
        snprintf(op_type, sizeof op_type, "Wobble%d", i);
        w_msg(&graph, 1, m_node(op_type, "", "x", ""));
    }
    read_model(&r, m_model(ended(graph, "2", "x"), 17), NULL);
    CHECK(!r.module);
    CHECK(logged(&r, "reading stopped after 1000 faults"));
    reader_end(&r);
}

TEST(names_that_are_near)
{
    static const struct {
        const char *domain, *op, *says;
    } rows[] = {{NULL, "Rellu", "the op is not known; did you mean 'Relu'?"},
                {NULL, "MatMulNBits", "the op is not known; com.microsoft has one of this name"},
                {"com.example", "Relu", "opset_import does not name; ai.onnx has one of this name"},
                {"ai.onnx.ml", "Scalar",
                 "in domain ai.onnx.ml, which opset_import does not name; did you mean 'Scaler'?"},
                {NULL, "QuantumFoam", "the op is not known\n  needed"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wire graph = {0};
        reader r;
        w_msg(&graph, 1, node_of(rows[i].domain, rows[i].op, "n", "x", "y"));
        read_model(&r, m_model(ended(graph, "2", "y"), 17), NULL);
        CHECK(!r.module && logged(&r, rows[i].says));
        CHECK_INT(lines(&r), 2);
        reader_end(&r);
    }
}

/* What is the model's is said once, whatever the nodes are. */
TEST(faults_of_the_model)
{
    wire graph = {0}, model = {0};
    reader r;
    w_msg(&graph, 1, m_node("Relu", "a", "x", "b"));
    w_msg(&graph, 1, m_node("Abs", "c", "x", "d"));
    w_int(&model, 1, 8);
    w_msg(&model, 7, ended(graph, "2", "b"));
    read_model(&r, model, NULL);
    CHECK(!r.module);
    CHECK(logged(&r, "m.onnx: the model does not say which opset it uses\n  2 nodes: 'a', 'c'\n  needed: an entry of"));
    CHECK_INT(lines(&r), 3);
    reader_end(&r);
}

/* Dims that are not known: the symbols that --dim may fix. */
TEST(open_dims)
{
    wire graph = {0};
    reader r;
    w_msg(&graph, 1, node_of("com.microsoft", "BiasSplitGelu", "half", "x b", "y"));
    w_msg(&graph, 11, m_value("b", F32, "N"));
    read_model(&r, m_model(ended(graph, "1 2 N", "y"), 17), NULL);
    CHECK(!r.module);
    CHECK(logged(&r, "halves of a size that is unknown or odd\n  needed: fixed dims: --dim NAME=N for N\n"));
    reader_end(&r);
}

/* Values with one name, and cycles, do not hide what else is wrong. */
TEST(names_and_cycles_do_not_end_it)
{
    wire graph = {0};
    reader r;
    w_msg(&graph, 1, m_node("Relu", "a", "x", "b"));
    w_msg(&graph, 1, m_node("Abs", "again", "x", "b"));
    w_msg(&graph, 1, m_node("Add", "one", "x q", "p"));
    w_msg(&graph, 1, m_node("Add", "two", "x p", "q"));
    w_msg(&graph, 1, m_node("Wobble", "last", "x", "z"));
    read_model(&r, m_model(ended(graph, "2", "b"), 17), NULL);
    CHECK(!r.module);
    CHECK(logged(&r, "node 'again' (Abs): output 'b' has the name of another value"));
    CHECK(logged(&r, "the graph has a cycle"));
    CHECK(logged(&r, "node 'last' (Wobble): not supported"));
    CHECK_INT(times(&r, "cycle"), 1);
    reader_end(&r);
}

/* What a graph inside a node takes from an op that is not known is silent, too. */
TEST(poison_inside_a_branch)
{
    wire graph = {0}, node = m_node("If", "choice", "c", "y");
    reader r;
    w_msg(&graph, 1, m_node("Wobble", "one", "x", "p"));
    for (int i = 0; i < 2; i++) {
        wire inner = {0}, attr = {0};
        w_msg(&inner, 1, m_node("Relu", "inside", "p", "t"));
        w_str(&inner, 2, "branch");
        w_msg(&inner, 12, m_value("t", F32, NULL));
        w_str(&attr, 1, i ? "else_branch" : "then_branch");
        w_msg(&attr, 6, inner);
        w_int(&attr, 20, 5);
        w_msg(&node, 5, attr);
    }
    w_msg(&graph, 1, node);
    w_msg(&graph, 11, m_value("c", 9, ""));
    read_model(&r, m_model(ended(graph, "2", "y"), 17), NULL);
    CHECK(!r.module && logged(&r, "node 'one' (Wobble)"));
    CHECK_INT(lines(&r), 2);
    reader_end(&r);
}

/* What reads the outputs that a node does not have is not at fault itself, inside graphs neither. */
TEST(a_node_without_outputs_is_one_fault)
{
    wire graph = {0}, node = m_node("If", "if", "c", "z");
    reader r;
    for (int i = 0; i < 2; i++) {
        wire inner = {0}, attr = {0};
        w_msg(&inner, 1, m_node("Relu", "inside", i ? "b" : "lost", "t"));
        w_str(&inner, 2, "branch");
        w_msg(&inner, 12, m_value(i ? "lost" : "t", F32, NULL));
        w_str(&attr, 1, i ? "else_branch" : "then_branch");
        w_msg(&attr, 6, inner);
        w_int(&attr, 20, 5);
        w_msg(&node, 5, attr);
    }
    w_msg(&graph, 1, m_node("Abs", "user", "lost", "b"));
    w_msg(&graph, 1, m_node("Relu", "mute", "x", ""));
    w_msg(&graph, 1, node);
    w_msg(&graph, 11, m_value("c", 9, ""));
    w_msg(&graph, 12, m_value("gone", F32, "2"));
    read_model(&r, m_model(ended(graph, "2", "z"), 17), NULL);
    CHECK(!r.module && logged(&r, "node 'mute' (Relu): the node has no outputs"));
    CHECK_INT(lines(&r), 1);
    reader_end(&r);
}

/* What explains a fault comes behind it, once for all nodes that have it. */
TEST(notes_follow_their_faults)
{
    wire graph = {0};
    char name[16];
    reader r;
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "c%d", i);
        wire node = m_node("Conv", name, "x w", i ? name : "y");
        w_msg(&node, 5, m_attr_int("group", 2));
        w_msg(&graph, 1, node);
    }
    w_msg(&graph, 1, m_node("Wobble", "other", "x", "o"));
    w_msg(&graph, 11, m_value("w", F32, "4 4 1 1"));
    read_model(&r, m_model(ended(graph, "1 4 5 5", "y"), 17), NULL);
    CHECK(!r.module);
    const char *fault = strstr(r.log, "node 'c0' (Conv): weight is f32[4,4,1,1] but the input has 4 channels and group "
                                      "is 2");
    const char *note = strstr(r.log, "expected the weight's second dim to be 2"), *next = strstr(r.log, "node 'other'");
    CHECK(fault && note && next && fault < note && note < next);
    CHECK_INT(times(&r, "expected the weight's"), 1);
    CHECK_INT(times(&r, "3 nodes: 'c0', 'c1', 'c2'"), 1);
    reader_end(&r);
}

int main(void)
{
    RUN(a_node_without_outputs_is_one_fault);
    RUN(notes_follow_their_faults);
    RUN(poison_inside_a_branch);
    RUN(nodes_of_one_fault_are_one_message);
    RUN(faults_of_an_operator_stand_together);
    RUN(a_screenful);
    RUN(more_than_is_worth_reading);
    RUN(names_that_are_near);
    RUN(faults_of_the_model);
    RUN(open_dims);
    RUN(names_and_cycles_do_not_end_it);
    return unit_end();
}
