/* Hostile ONNX models that are valid protobuf: each gives one clear error, bounded in memory and time. The wire format
 * itself, nesting and files beside the model: onnx_bad.c. */
#include "onnx_wire.h"
#include "unit.h"

enum { F32 = 1, U8 = 2, I64 = 7, STRING = 8 };
enum { NODE = 1, INITIALIZER = 5, INPUT = 11, OUTPUT = 12, SPARSE = 15, FUNCTION = 25 }; /* fields */

/* Messages: what belongs to one stands indented below it. */
static int lines(const reader *r)
{
    int n = 0;
    for (const char *at = r->log; *at; at++) n += *at == '\n' && at[1] != ' ';
    return n;
}

/* No module, and one line that has `message`. */
static void refused(wire model, const char *message)
{
    reader r;
    read_model(&r, model, NULL);
    CHECK(!r.module);
    CHECK(logged(&r, message));
    CHECK_INT(lines(&r), 1);
    reader_end(&r);
}

static void accepted(wire model)
{
    reader r;
    read_model(&r, model, NULL);
    if (!r.module) printf("%s", r.log);
    CHECK(r.module);
    reader_end(&r);
}

static wire value(const char *name, int64_t type, const char *dims) { return m_value(name, type, dims); }

/* One node over x, whose result is y; takes `node`. */
static wire around_type(wire node, int64_t type, const char *dims, int64_t opset)
{
    wire graph = {0};
    w_msg(&graph, NODE, node);
    w_msg(&graph, INPUT, value("x", type, dims));
    w_str(&graph, 2, "g");
    wire out = {0};
    w_str(&out, 1, "y");
    w_msg(&graph, OUTPUT, out);
    return m_model(graph, opset);
}

static wire around(wire node, const char *dims, int64_t opset) { return around_type(node, F32, dims, opset); }

static wire of_domain(wire node, const char *domain)
{
    w_str(&node, 7, domain);
    return node;
}

static wire with_domain(wire model, const char *domain)
{
    w_msg(&model, 8, m_opset(domain, 1));
    return model;
}

static wire flagged(const char *op_type, const char *flag, int64_t number)
{
    wire node = m_node(op_type, "n", "x", "y");
    w_msg(&node, 5, m_attr_int(flag, number));
    return node;
}

TEST(flags)
{
    refused(around(flagged("ReduceSum", "keepdims", 2), "2 3", 13), "attribute 'keepdims' is 2; 0 and 1 are known");
    refused(around(flagged("ReduceSum", "keepdims", -1), "2 3", 13), "attribute 'keepdims' is -1");
    refused(around(flagged("Unique", "sorted", 2), "2 3", 13), "attribute 'sorted' is 2");
    accepted(around(flagged("ReduceSum", "keepdims", 1), "2 3", 13));
    wire top = m_node("TopK", "n", "x x", "y"); /* where some ask for 1, others for all but 0 */
    w_msg(&top, 5, m_attr_int("largest", 2));
    refused(around(top, "2 3", 13), "attribute 'largest' is 2");
    /* everything but 0 is true */
    accepted(around(flagged("Trilu", "upper", 7), "2 3", 14));
    wire node = of_domain(m_node("FusedMatMul", "n", "x x", "y"), "com.microsoft");
    w_msg(&node, 5, m_attr_int("transA", 3));
    accepted(with_domain(around(node, "2 3", 14), "com.microsoft"));
    node = of_domain(m_node("MultiHeadAttention", "n", "x x x", "y"), "com.microsoft");
    w_msg(&node, 5, m_attr_int("num_heads", 1));
    w_msg(&node, 5, m_attr_int("unidirectional", 2));
    refused(with_domain(around(node, "1 3 4", 14), "com.microsoft"), "attribute 'unidirectional' is 2");
}

/* ---- Names and text ---- */

TEST(names)
{
    refused(around(m_node("Relu", "\xff\xfe", "x", "y"), "2", 13), "'name' is not UTF-8");
    refused(around(m_node("Relu", "n", "x", "\xc0\x80"), "2", 13), "'output' is not UTF-8");
    wire node = m_node("Gelu", "n", "x", "y");
    w_msg(&node, 5, m_attr_str("approximate", "no\xffne"));
    refused(around(node, "2", 20), "attribute 'approximate' is not UTF-8");
    enum { LONG = 70000 };
    char *name = malloc(LONG + 1);
    REQUIRE(name);
    memset(name, 'a', LONG);
    name[LONG] = 0;
    refused(around(m_node("Relu", name, "x", "y"), "2", 13), "'name' has 70000 bytes; a name has at most 65536");
    free(name);
}

TEST(outputs_twice)
{
    wire graph = {0};
    w_msg(&graph, NODE, m_node("Relu", "n", "x", "y"));
    w_msg(&graph, INPUT, value("x", F32, "2"));
    w_msg(&graph, OUTPUT, value("y", F32, "2"));
    w_msg(&graph, OUTPUT, value("y", F32, "2"));
    refused(m_model(graph, 13), "output 'y' is given twice");
}

/* An output that the op does not have, where the op is said with others. */
TEST(outputs_too_many)
{
    wire graph = {0};
    w_msg(&graph, NODE, m_node("Trilu", "n", "x", "y z"));
    w_msg(&graph, INPUT, value("x", F32, "2 2"));
    w_msg(&graph, OUTPUT, value("y", F32, "2 2"));
    w_msg(&graph, OUTPUT, value("z", F32, "2 2"));
    refused(m_model(graph, 14), "output 1 ('z') is not known");
}

TEST(lists_without_bounds)
{
    wire node = m_node("Relu", "n", "x", "y");
    for (int i = 0; i < 5000; i++) w_msg(&node, 5, m_attr_int("a", i));
    refused(around(node, "2", 13), "the node has 5000 attributes; at most 4096 are supported");
    wire model = around(m_node("Relu", "n", "x", "y"), "2", 13);
    for (int i = 0; i < 5000; i++) w_msg(&model, 8, m_opset("d", i));
    refused(model, "5001 opsets; at most 4096 are supported");
}

/* Twenty thousand inputs whose dims have names that differ behind their first 63 bytes. */
TEST(symbols_that_look_alike)
{
    enum { INPUTS = 20000 };
    wire graph = {0};
    char name[128], dim[128];
    for (int i = 0; i < INPUTS; i++) {
        snprintf(name, sizeof name, "x%d", i);
        snprintf(dim, sizeof dim, "%080d", i);
        memset(dim, 'a', 70);
        w_msg(&graph, INPUT, value(name, F32, dim));
    }
    w_msg(&graph, NODE, m_node("Relu", "n", "x0", "y"));
    w_msg(&graph, OUTPUT, value("y", F32, "?"));
    accepted(m_model(graph, 13));
}

TEST(tensors_in_no_known_place)
{
    wire graph = {0}, tensor = m_tensor("w", F32, "2");
    w_bytes(&tensor, 9, "01234567", 8);
    w_int(&tensor, 14, 7);
    w_msg(&graph, INITIALIZER, tensor);
    w_msg(&graph, NODE, m_node("Relu", "n", "w", "y"));
    w_msg(&graph, OUTPUT, value("y", F32, "2"));
    refused(m_model(graph, 13), "tensor 'w': data_location is 7");
}

/* Refused while the file is walked: nothing of the nodes is kept but where they lie. */
TEST(ten_million_nodes)
{
    enum { NODES = 10000000 };
    wire graph = {0};
    graph.size = graph.capacity = 2 * (size_t)NODES;
    graph.bytes = malloc(graph.capacity);
    REQUIRE(graph.bytes);
    for (size_t i = 0; i < NODES; i++) {
        graph.bytes[2 * i] = NODE << 3 | 2;
        graph.bytes[2 * i + 1] = 0;
    }
    refused(m_model(graph, 13), "more than 4194304 nodes, tensors and values");
}

/* ---- Functions ---- */

static wire function(const char *name, wire node)
{
    wire f = {0};
    w_str(&f, 1, name);
    w_words(&f, 4, "a");
    w_words(&f, 5, "b");
    w_msg(&f, 7, node);
    w_msg(&f, 9, m_opset("", 13));
    w_msg(&f, 9, m_opset("my", 1));
    w_str(&f, 10, "my");
    return f;
}

static wire calling(const char *name)
{
    return with_domain(around(of_domain(m_node(name, "call", "x", "y"), "my"), "2", 13), "my");
}

TEST(functions)
{
    wire model = calling("F");
    w_msg(&model, FUNCTION, function("F", of_domain(m_node("F", "again", "a", "b"), "my")));
    refused(model, "the function calls itself");
    model = calling("F");
    w_msg(&model, FUNCTION, function("F", of_domain(m_node("G", "there", "a", "b"), "my")));
    w_msg(&model, FUNCTION, function("G", of_domain(m_node("F", "back", "a", "b"), "my")));
    refused(model, "the function calls itself");
    model = calling("F");
    w_msg(&model, FUNCTION, function("F", m_node("Relu", "one", "a", "b")));
    w_msg(&model, FUNCTION, function("F", m_node("Neg", "two", "a", "b")));
    refused(model, "function 'my:F:' is given twice");
    model = calling("F");
    w_msg(&model, FUNCTION, function("F", m_node("Relu", "one", "a", "b")));
    accepted(model);
}

/* ---- Sparse tensors ---- */

static wire sparse_model(const char *dims, size_t count, const int64_t *index, bool outside)
{
    wire graph = {0}, sparse = {0}, values, indices;
    char n[16];
    float numbers[8] = {1, 2, 3, 4};
    snprintf(n, sizeof n, "%zu", count);
    values = m_tensor("w", F32, n);
    indices = m_tensor("i", I64, n);
    if (outside) {
        wire entry = {0};
        w_str(&entry, 1, "location");
        w_str(&entry, 2, "weights.bin");
        w_msg(&values, 13, entry);
        w_int(&values, 14, 1);
    } else {
        w_bytes(&values, 9, numbers, count * sizeof *numbers);
    }
    w_bytes(&indices, 9, index, count * sizeof *index);
    w_msg(&sparse, 1, values);
    w_msg(&sparse, 2, indices);
    for (const char *at = dims; *at;) {
        char *end;
        w_int(&sparse, 3, strtoll(at, &end, 10));
        at = end + strspn(end, " ");
    }
    w_msg(&graph, SPARSE, sparse);
    w_msg(&graph, NODE, m_node("Relu", "n", "w", "y"));
    wire out = {0};
    w_str(&out, 1, "y");
    w_msg(&graph, OUTPUT, out);
    return m_model(graph, 13);
}

TEST(sparse_tensors)
{
    accepted(sparse_model("2 4", 2, (int64_t[]){1, 5}, false));
    refused(sparse_model("2 4", 2, (int64_t[]){5, 1}, false), "index 1 is smaller than the one before");
    refused(sparse_model("2 4", 2, (int64_t[]){5, 5}, false), "index 1 is the same as the one before");
    refused(sparse_model("2 4", 2, (int64_t[]){1, 8}, false), "index 1 is out of range");
    refused(sparse_model("2 4", 2, (int64_t[]){-1, 1}, false), "index 0 is out of range");
    refused(sparse_model("65536 65536", 1, (int64_t[]){1}, false), "takes 17179869184 bytes dense");
    refused(sparse_model("2 4", 2, (int64_t[]){1, 5}, true), "not read from a folder");
}

static wire sparse_of(const char *name, size_t count, int64_t dim)
{
    char n[24];
    snprintf(n, sizeof n, "%zu", count);
    wire sparse = {0}, values = m_tensor(name, F32, n), indices = m_tensor("i", I64, n);
    float *numbers = calloc(count + 1, sizeof *numbers);
    int64_t *places = calloc(count + 1, sizeof *places);
    for (size_t i = 0; i < count; i++) places[i] = (int64_t)i;
    w_bytes(&values, 9, numbers, count * sizeof *numbers);
    w_bytes(&indices, 9, places, count * sizeof *places);
    free(numbers);
    free(places);
    w_msg(&sparse, 1, values);
    w_msg(&sparse, 2, indices);
    w_int(&sparse, 3, dim);
    return sparse;
}

static wire with_sparse(wire first, wire second)
{
    wire graph = {0}, out = {0};
    w_msg(&graph, SPARSE, first);
    w_msg(&graph, SPARSE, second);
    w_msg(&graph, NODE, m_node("Relu", "n", "a", "y"));
    w_str(&out, 1, "y");
    w_msg(&graph, OUTPUT, out);
    return m_model(graph, 13);
}

/* What is stored says how much all together may take: nothing, as good as nothing, and enough for one of two. */
TEST(sparse_tensors_together)
{
    refused(with_sparse(sparse_of("a", 0, 3 << 20), sparse_of("b", 0, 3 << 20)),
            "'b' takes 12582912 bytes dense; all together have at most 16777216 for the 0 that are stored");
    refused(with_sparse(sparse_of("a", 1, 3 << 20), sparse_of("b", 2, 192 << 20)),
            "'b' takes 805306368 bytes dense; all together have at most 16814080 for the 36 that are stored");
    refused(with_sparse(sparse_of("a", 70000, 192 << 20), sparse_of("b", 70000, 192 << 20)),
            "all together have at most 1073741824 for the 1680000 that are stored");
    accepted(with_sparse(sparse_of("a", 1, 1 << 20), sparse_of("b", 2000, 6 << 20)));
}

/* An index that is wrong is told before memory is taken for all that there is. */
TEST(sparse_index_first)
{
    refused(sparse_model("65536 65536", 2, (int64_t[]){5, 1}, false), "index 1 is smaller than the one before");
}

/* ---- Ops ---- */

TEST(weights_of_few_bits)
{
    static const int64_t sizes[] = {INT64_MAX, INT64_C(1) << 40, INT64_C(1) << 32};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        wire graph = {0}, codes = m_tensor("w", U8, "2 1 16"), scales = m_tensor("s", F32, "2");
        uint8_t zeros[32] = {0};
        w_bytes(&codes, 9, zeros, 32);
        w_bytes(&scales, 9, zeros, 8);
        wire node = of_domain(m_node("MatMulNBits", "n", "x w s", "y"), "com.microsoft");
        w_msg(&node, 5, m_attr_int("K", sizes[i]));
        w_msg(&node, 5, m_attr_int("N", sizes[i]));
        w_msg(&node, 5, m_attr_int("block_size", 32));
        w_msg(&graph, NODE, node);
        w_msg(&graph, INITIALIZER, codes);
        w_msg(&graph, INITIALIZER, scales);
        w_msg(&graph, INPUT, value("x", F32, "1 32"));
        w_msg(&graph, OUTPUT, value("y", F32, "1 2"));
        refused(with_domain(m_model(graph, 21), "com.microsoft"), "a weight of");
    }
}

TEST(sizes_of_projections)
{
    static const int64_t sizes[] = {INT64_MAX, INT64_MAX, 14};
    wire graph = {0}, weight = m_tensor("w", F32, "4 12");
    float zeros[48] = {0};
    w_bytes(&weight, 9, zeros, sizeof zeros);
    wire node = of_domain(m_node("Attention", "n", "x w", "y"), "com.microsoft");
    w_msg(&node, 5, m_attr_int("num_heads", 1));
    w_msg(&node, 5, m_attr_ints("qkv_hidden_sizes", 3, sizes));
    w_msg(&graph, NODE, node);
    w_msg(&graph, INITIALIZER, weight);
    w_msg(&graph, INPUT, value("x", F32, "1 2 4"));
    w_msg(&graph, OUTPUT, value("y", F32, NULL));
    refused(with_domain(m_model(graph, 21), "com.microsoft"), "weights of 12 columns for 1 heads");
}

static wire m_attr_strings(const char *name, const char *words)
{
    wire w = {0};
    w_str(&w, 1, name);
    w_words(&w, 9, words);
    w_int(&w, 20, 8);
    return w;
}

TEST(gradient_by_a_name_twice)
{
    wire graph = {0}, node = of_domain(m_node("Gradient", "n", "x x", "dx dz"), "ai.onnx.preview.training");
    w_msg(&node, 5, m_attr_strings("xs", "x x"));
    w_msg(&node, 5, m_attr_str("y", "y"));
    w_msg(&graph, NODE, m_node("Relu", "f", "x", "y"));
    w_msg(&graph, NODE, node);
    w_msg(&graph, INPUT, value("x", F32, "2"));
    w_msg(&graph, OUTPUT, value("dx", F32, "2"));
    w_msg(&graph, OUTPUT, value("dz", F32, "2"));
    refused(with_domain(m_model(graph, 13), "ai.onnx.preview.training"), "xs and zs name 'x' twice");
}

/* No reshape needs the extents of an image that only a run knows. */
TEST(images_of_unknown_size)
{
    wire graph = {0};
    w_msg(&graph, NODE, m_node("Slice", "s", "x starts ends", "part"));
    w_msg(&graph, NODE, m_node("InstanceNormalization", "n", "part scale scale", "y"));
    w_msg(&graph, INPUT, value("x", F32, "1 3 8 8"));
    w_msg(&graph, INPUT, value("starts", I64, "4"));
    w_msg(&graph, INPUT, value("ends", I64, "4"));
    w_msg(&graph, INPUT, value("scale", F32, "3"));
    w_msg(&graph, OUTPUT, value("y", F32, NULL));
    accepted(m_model(graph, 13));
}

/* Scan of opset 8 over x, [2, 3, 1] say, with lengths of the two entries. */
static wire scan_model(const char *dims, const char *count, const int64_t *lengths, size_t n)
{
    wire graph = {0}, body = {0}, attr = {0}, list = m_tensor("l", I64, count);
    w_bytes(&list, 9, lengths, n * sizeof *lengths);
    w_msg(&body, NODE, m_node("Relu", "r", "a", "b"));
    w_msg(&body, INPUT, value("a", F32, "1"));
    w_msg(&body, OUTPUT, value("b", F32, "1"));
    w_str(&attr, 1, "body");
    w_msg(&attr, 6, body);
    w_int(&attr, 20, 5);
    wire node = m_node("Scan", "n", "l x", "y");
    w_msg(&node, 5, attr);
    w_msg(&node, 5, m_attr_int("num_scan_inputs", 1));
    w_msg(&graph, NODE, node);
    w_msg(&graph, INITIALIZER, list);
    w_msg(&graph, INPUT, value("x", F32, dims));
    w_msg(&graph, OUTPUT, value("y", F32, dims));
    return m_model(graph, 8);
}

TEST(lengths_of_sequences)
{
    accepted(scan_model("2 3 1", "2", (int64_t[]){3, 0}, 2));
    refused(scan_model("2 3 1", "3", (int64_t[]){3, 1, 2}, 3), "3 sequence_lens for a batch of 2");
    refused(scan_model("2 3 1", "2", (int64_t[]){4, 1}, 2), "entry 0 of sequence_lens is 4; sequences have 3");
    refused(scan_model("2 3 1", "2", (int64_t[]){3, -1}, 2), "entry 1 of sequence_lens is -1");
}

TEST(batches_of_nothing_to_scan)
{
    refused(scan_model("2", "2", (int64_t[]){1, 1}, 2), "axis 0 of scanned input 0 of rank 0");
}

/* A fault is one line, whatever is said with the part of the node that it is in. */
TEST(one_error_for_a_fault)
{
    wire node = of_domain(m_node("EmbedLayerNormalization", "n", "x - x", "y"), "com.microsoft");
    refused(with_domain(around(node, "2 3", 14), "com.microsoft"), "has no input 3");
}

/* What became an operand later is missed as an attribute was. */
TEST(attributes_that_are_needed)
{
    wire node = m_node("Slice", "n", "x", "y");
    w_msg(&node, 5, m_attr_ints("ends", 1, (int64_t[]){1}));
    refused(around(node, "2 3", 9), "has no input 1");
}

TEST(numbers_among_strings)
{
    wire node = m_node("Pad", "n", "x", "y");
    w_msg(&node, 5, m_attr_ints("pads", 2, (int64_t[]){0, 1}));
    w_msg(&node, 5, m_attr_float("value", 2));
    refused(around_type(node, STRING, "2", 2), "a number stands where there can be none");
}

TEST(trees_over_strings)
{
    wire node = of_domain(m_node("TreeEnsemble", "n", "x", "y"), "ai.onnx.ml");
    wire model = around_type(node, STRING, "2 3", 21);
    w_msg(&model, 8, m_opset("ai.onnx.ml", 5));
    refused(model, "its input holds no floats");
}

int main(void)
{
    RUN(flags);
    RUN(names);
    RUN(outputs_twice);
    RUN(outputs_too_many);
    RUN(lists_without_bounds);
    RUN(symbols_that_look_alike);
    RUN(tensors_in_no_known_place);
    RUN(ten_million_nodes);
    RUN(functions);
    RUN(sparse_tensors);
    RUN(sparse_tensors_together);
    RUN(sparse_index_first);
    RUN(weights_of_few_bits);
    RUN(sizes_of_projections);
    RUN(gradient_by_a_name_twice);
    RUN(images_of_unknown_size);
    RUN(lengths_of_sequences);
    RUN(batches_of_nothing_to_scan);
    RUN(one_error_for_a_fault);
    RUN(attributes_that_are_needed);
    RUN(numbers_among_strings);
    RUN(trees_over_strings);
    return unit_end();
}
