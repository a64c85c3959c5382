/* Hostile ONNX files: each gives an error and no module; none crashes, hangs or takes much memory.
 */
#include "frontend/onnx/scan.h"
#include "onnx.pb-c.h"
#include "onnx_wire.h"
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

enum { F32 = 1 };

/* ---- Files ---- */

typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

/* data is NULL if there is no such file. */
static bytes load(const char *path)
{
    bytes b = {0};
    FILE *file = fopen(path, "rb");
    if (!file) return b;
    struct stat info;
    if (fstat(fileno(file), &info) == 0 && (b.data = malloc((size_t)info.st_size + 1)) != NULL)
        b.size = fread(b.data, 1, (size_t)info.st_size, file);
    fclose(file);
    return b;
}

/* Models outside the repository lie in ADZE_MODELS or beside it. */
static bytes load_model(const char *name)
{
    char path[1024];
    const char *models = getenv("ADZE_MODELS"), *tree = getenv("ADZE_SOURCE_DIR");
    if (models)
        snprintf(path, sizeof path, "%s/%s", models, name);
    else
        snprintf(path, sizeof path, "%s/../shared/models/%s", tree ? tree : ".", name);
    return load(path);
}

static bytes load_own_model(const char *name)
{
    char path[1024];
    const char *tree = getenv("ADZE_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tools/models/%s", tree ? tree : ".", name);
    return load(path);
}

/* Reads a model; true if it was refused with a message, or accepted without one. */
static bool is_clear(const uint8_t *data, size_t size, bool *out_accepted)
{
    reader r;
    reader_begin(&r);
    r.module = adze_onnx_read_memory(r.context, "m.onnx", data, size, NULL);
    bool accepted = r.module != NULL;
    bool clear = accepted == (adze_context_errors(r.context) == 0);
    if (out_accepted) *out_accepted = accepted;
    reader_end(&r);
    return clear;
}

/* ---- Truncation ---- */

/* Offsets of the top-level fields' ends: cut there, a message is still one. */
static bool is_top_level_end(const uint8_t *data, size_t size, size_t cut)
{
    adze_context *context = adze_context_create();
    adze_onnx_source source;
    adze_onnx_scanner scanner;
    adze_onnx_source_open_memory(&source, context, "m", data, size);
    adze_onnx_scan_begin(&scanner, &source, (adze_onnx_range){0, size},
                         &pb__model_head__descriptor);
    bool found = false;
    while (!found && adze_onnx_scan_next(&scanner) != ADZE_ONNX_END)
        found = scanner.depth == 0 && scanner.at == cut;
    adze_context_destroy(context);
    return found;
}

static void check_every_cut(bytes model, size_t step)
{
    uint32_t wrong = 0;
    for (size_t cut = 0; cut < model.size; cut += step) {
        /* The exact size on the heap, so that a sanitizer sees a read past the end. */
        uint8_t *part = malloc(cut ? cut : 1);
        bool accepted = false;
        if (!part) abort();
        memcpy(part, model.data, cut);
        bool clear = is_clear(part, cut, &accepted);
        if (!clear || (accepted && !is_top_level_end(model.data, model.size, cut))) wrong++;
        free(part);
    }
    CHECK_INT(wrong, 0);
}

TEST(mnist_cut_at_every_byte)
{
    bytes model = load_model("mnist_cnn/mnist.onnx");
    if (!model.data) SKIP("no models (ADZE_MODELS)");
    check_every_cut(model, 1);
    free(model.data);
}

TEST(kws_cut_at_every_byte)
{
    bytes model = load_model("kws_dscnn/kws_int8_qdq.onnx");
    if (!model.data) SKIP("no models (ADZE_MODELS)");
    check_every_cut(model, 1);
    free(model.data);
}

TEST(digits_cut_at_every_byte)
{
    bytes model = load_own_model("digits.onnx");
    if (!model.data) SKIP("no tools/models/digits.onnx");
    check_every_cut(model, 1);
    free(model.data);
}

/* Cuts after `cut` bytes and corrects the lengths of all messages that were open there, so that the
 * file is valid protobuf with the rest missing. */
static wire cut_and_mend(const uint8_t *data, size_t cut, const adze_onnx_scanner *scanner)
{
    wire inner = {0};
    uint64_t end = cut;
    for (uint32_t depth = scanner->depth; depth > 0; depth--) {
        const adze_onnx_frame *frame = &scanner->frames[depth];
        wire whole = {0};
        w_raw(&whole, data + frame->begin, end - frame->begin);
        w_raw(&whole, inner.bytes, inner.size);
        free(inner.bytes);
        inner = (wire){0};
        /* The field's number is that by which the outer message knows it. */
        const ProtobufCMessageDescriptor *outer = scanner->frames[depth - 1].message;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(outer, frame->name);
        w_msg(&inner, field->id, whole);
        /* What stands before the field in the outer message ends before its key and length. */
        size_t length = 1, n = (size_t)(scanner->frames[depth].end - frame->begin);
        while (n >>= 7) length++;
        end = frame->begin - length - (field->id > 15 ? 2 : 1);
    }
    wire result = {0};
    w_raw(&result, data, end);
    w_raw(&result, inner.bytes, inner.size);
    free(inner.bytes);
    return result;
}

/* The plain cut at every field of the model, those inside messages too; the mended one at every
 * `every`-th, since there all of the model up to the cut is imported. */
static void check_every_field(bytes model, uint32_t every)
{
    adze_context *context = adze_context_create();
    adze_onnx_source source;
    adze_onnx_scanner scanner;
    adze_onnx_source_open_memory(&source, context, "m", model.data, model.size);
    adze_onnx_scan_begin(&scanner, &source, (adze_onnx_range){0, model.size},
                         &pb__model__descriptor);
    uint32_t wrong = 0, fields = 0;
    for (adze_onnx_event event; (event = adze_onnx_scan_next(&scanner)) != ADZE_ONNX_END;) {
        if (event == ADZE_ONNX_FAILED) {
            wrong++;
            break;
        }
        if (event != ADZE_ONNX_FIELD) continue;
        bool accepted;
        wrong += !is_clear(model.data, scanner.key_offset, &accepted) ||
                 (accepted && !is_top_level_end(model.data, model.size, scanner.key_offset));
        if (fields++ % every) continue;
        wire mended = cut_and_mend(model.data, scanner.key_offset, &scanner);
        wrong += !is_clear(mended.bytes, mended.size, NULL);
        free(mended.bytes);
    }
    CHECK(fields > 50);
    CHECK_INT(wrong, 0);
    adze_context_destroy(context);
}

TEST(models_cut_at_field_boundaries)
{
    static const struct {
        const char *name;
        uint32_t every;
    } models[] = {
        {"mnist_cnn/mnist.onnx", 1},
        {"kws_dscnn/kws_int8_qdq.onnx", 1},
        {"kws_dscnn/kws_float_float.onnx", 1},
        {"resnet8_mlperf/resnet8_int8_qdq.onnx", 1},
        {"supres/supres.onnx", 1},
        {"magika_v3_3/magika_v3_3.onnx", 3},
        {"resnet20_cifar10/resnet20_cifar10.onnx", 3},
        {"mobilenet_v1_0.25_128_uint8/mobilenet_v1_0.25_128_quant_qdq.onnx", 5},
        {"ultraface/ultraface_version-RFB-320.onnx", 7},
        {"fastestdet/fastestdet.onnx", 7},
        {"stories260K/stories260K.onnx", 11},
        {"silero_vad/silero_vad.onnx", 29},
        {"resnet8_mlperf/resnet8_float_float.onnx", 3},
        {"ultraface/ultraface_version-RFB-320_simplified.onnx", 7},
        {"squeezenet1.1/squeezenet_fp32.onnx", 7},
        {"squeezenet1.1/squeezenet_fp16.onnx", 29},
        {"dtln/dtln_1.onnx", 3},
        {"dtln/dtln_2.onnx", 5},
    };
    uint32_t found = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        bytes model = load_model(models[i].name);
        if (!model.data) continue;
        found++;
        check_every_field(model, models[i].every);
        free(model.data);
    }
    if (!found) SKIP("no models (ADZE_MODELS)");
}

/* ---- The wire format ---- */

static void refused(wire model, const char *message)
{
    reader r;
    read_model(&r, model, NULL);
    CHECK(!r.module);
    CHECK(logged(&r, message));
    reader_end(&r);
}

TEST(wire_types)
{
    wire w = {0};
    w_str(&w, 1, "a string where a number belongs");
    refused(w, "byte 0: field 'ir_version' has wire type 2 instead of 0");

    w = (wire){0};
    w_int(&w, 7, 5);
    refused(w, "field 'graph' has wire type 0 instead of 2");

    w = (wire){0};
    w_varint(&w, 7 << 3 | 3); /* a group */
    refused(w, "wire type 3 is not used");

    w = (wire){0};
    w_varint(&w, 0);
    refused(w, "0 is no field number");

    w = (wire){0};
    w_raw(&w, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    refused(w, "more than 10 bytes");

    w = (wire){0};
    w_raw(&w, "\x3a\x7f", 2);
    refused(w, "a field of 127 bytes where the message has only 0 left");

    w = (wire){0};
    w_raw(&w, "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    refused(w, "where the message has only 0 left");

    refused((wire){0}, "empty file");

    w = (wire){0};
    w_int(&w, 1, 8);
    refused(w, "it has no graph");

    wire graph = {0}, node = {0};
    w_bytes(&node, 1, "a\0b", 3);
    w_msg(&graph, 1, node);
    refused(m_model(graph, 13), "'input' holds a zero byte");
}

/* A lying length inside: the message that ends first wins. */
TEST(inner_length_beyond_the_outer_end)
{
    wire graph = {0};
    w_raw(&graph, "\x0a\x20\x22", 3); /* a node of 32 bytes in a graph of 3 */
    refused(m_model(graph, 13), "in graph: a field of 32 bytes where the message has only 1 left");
}

/* Graphs inside attributes of nodes of graphs, a million deep. Written backwards, so that every
 * level costs its own few bytes only. */
TEST(graphs_nested_a_million_deep)
{
    enum { DEPTH = 1000000, PER_LEVEL = 3 * 6 };
    size_t capacity = (size_t)DEPTH * PER_LEVEL + 64, at = capacity;
    uint8_t *buffer = malloc(capacity);
    REQUIRE(buffer);
    static const uint8_t fields[] = {6, 5, 1}; /* attribute.g, node.attribute, graph.node */
    for (int i = 0; i < 3 * DEPTH; i++) {
        wire head = {0};
        w_varint(&head, (uint64_t)fields[i % 3] << 3 | 2);
        w_varint(&head, capacity - at);
        at -= head.size;
        memcpy(buffer + at, head.bytes, head.size);
        free(head.bytes);
    }
    wire model = {0};
    w_bytes(&model, 7, buffer + at, capacity - at);
    free(buffer);
    refused(model, "messages are nested more than 100 deep");
}

/* A few bytes of file that ask for much memory: 30 million empty names. */
TEST(small_fields_in_bulk)
{
    enum { COUNT = 30000000 };
    wire node = {0}, graph = {0};
    node.bytes = malloc(2 * (size_t)COUNT);
    REQUIRE(node.bytes);
    node.size = node.capacity = 2 * (size_t)COUNT;
    for (size_t i = 0; i < COUNT; i++) {
        node.bytes[2 * i] = 1 << 3 | 2;
        node.bytes[2 * i + 1] = 0;
    }
    w_msg(&graph, 1, node);
    refused(m_model(graph, 13), "cannot be unpacked");
}

/* 2^30 nodes from thirty functions that each call the next one twice. */
TEST(functions_that_multiply)
{
    enum { LEVELS = 30 };
    wire graph = {0}, version = {0}, call = m_node("F0", "call", "x", "y");
    w_str(&call, 7, "my");
    w_msg(&graph, 1, call);
    w_msg(&graph, 11, m_value("x", F32, "2"));
    w_msg(&graph, 12, m_value("y", F32, "2"));
    wire model = m_model(graph, 13);
    w_str(&version, 1, "my");
    w_int(&version, 2, 1);
    w_bytes(&model, 8, version.bytes, version.size);
    for (int i = 0; i < LEVELS; i++) {
        wire f = {0};
        char name[16], next[16];
        snprintf(name, sizeof name, "F%d", i);
        snprintf(next, sizeof next, i + 1 < LEVELS ? "F%d" : "Relu", i + 1);
        w_str(&f, 1, name);
        w_words(&f, 4, "a");
        w_words(&f, 5, "b");
        wire one = m_node(next, "one", "a", "t"), two = m_node(next, "two", "a", "b");
        w_str(&one, 7, i + 1 < LEVELS ? "my" : "");
        w_str(&two, 7, i + 1 < LEVELS ? "my" : "");
        w_msg(&f, 7, one);
        w_msg(&f, 7, two);
        w_bytes(&f, 9, version.bytes, version.size);
        w_msg(&f, 9, m_opset("", 13));
        w_str(&f, 10, "my");
        w_msg(&model, 25, f);
    }
    free(version.bytes);
    refused(model, "functions and graphs inside nodes expand to more than 262144 nodes");
}

/* ---- Files beside the model ---- */

static char folder[64];

static void write_file(const char *name, const void *data, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file) abort();
    fwrite(data, 1, size, file);
    fclose(file);
}

static wire m_entry(const char *key, const char *value)
{
    wire w = {0};
    w_str(&w, 1, key);
    w_str(&w, 2, value);
    return w;
}

/* x + w, w of 4 floats in an external file. */
static wire external_model(const char *location, const char *offset, const char *length)
{
    wire graph = {0}, tensor = m_tensor("w", F32, "4");
    w_msg(&tensor, 13, m_entry("location", location));
    if (offset) w_msg(&tensor, 13, m_entry("offset", offset));
    if (length) w_msg(&tensor, 13, m_entry("length", length));
    w_int(&tensor, 14, 1);
    w_msg(&graph, 1, m_node("Add", "add", "x w", "y"));
    w_msg(&graph, 5, tensor);
    w_msg(&graph, 11, m_value("x", F32, "4"));
    w_msg(&graph, 12, m_value("y", F32, "4"));
    return m_model(graph, 13);
}

static void read_external(reader *r, wire model)
{
    char path[256];
    write_file("m.onnx", model.bytes, model.size);
    free(model.bytes);
    snprintf(path, sizeof path, "%s/m.onnx", folder);
    reader_begin(r);
    r->module = adze_onnx_read(r->context, path, NULL);
}

TEST(external_data)
{
    reader r;
    float data[6] = {0, 0, 1, 2, 3, 4};
    write_file("weights.bin", data, sizeof data);
    read_external(&r, external_model("weights.bin", "8", "16"));
    REQUIRE(r.module);
    const float *w = adze_data_load(adze_const_data(adze_module_find_const(r.module, "w")));
    REQUIRE(w);
    CHECK(w[0] == 1 && w[3] == 4);
    reader_end(&r);
}

TEST(external_data_outside_the_folder)
{
    char link[256];
    snprintf(link, sizeof link, "%s/link", folder);
    CHECK_INT(symlink("/etc/passwd", link), 0);
    snprintf(link, sizeof link, "%s/up", folder);
    CHECK_INT(symlink("..", link), 0);
    static const struct {
        const char *location, *offset, *length, *message;
    } rows[] = {
        {"/etc/passwd", NULL, NULL, "'/etc/passwd' is no path inside the model's folder"},
        {"../weights.bin", NULL, NULL, "is no path inside"},
        {"a/../../weights.bin", NULL, NULL, "is no path inside"},
        {"link", NULL, NULL, "leads out of the model's folder"},
        {"up/m.onnx", NULL, NULL, "/up/m.onnx"},
        {"nothing.bin", NULL, NULL, "No such file"},
        {".", NULL, NULL, "'"},
        {"weights.bin", "9", NULL, "bytes 9 to 25 of a file of 24"},
        {"weights.bin", "18446744073709551615", NULL, "of a file of 24"},
        {"weights.bin", "-1", NULL, "offset '-1' is no number"},
        {"weights.bin", "0", "17", "has 17 bytes but the tensor takes 16"},
        {"", NULL, NULL, "without a location"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reader r;
        read_external(&r, external_model(rows[i].location, rows[i].offset, rows[i].length));
        CHECK(!r.module);
        CHECK(logged(&r, rows[i].message));
        reader_end(&r);
    }
    refused(external_model("weights.bin", NULL, NULL), "not read from a folder");
}

/* Two places, or two kinds of data: nobody says which one counts. */
TEST(external_data_twice)
{
    static const char *const keys[] = {"location", "offset", "length", "raw data", "floats", "checksum"};
    enum { RAW_DATA = 3, FLOATS = 4, CHECKSUM = 5 };
    float data[4] = {1, 2, 3, 4};
    write_file("weights.bin", data, sizeof data);
    for (int i = 0; i <= CHECKSUM; i++) {
        reader r;
        char want[64] = "tensor 'w' has data in the model and outside it";
        wire graph = {0}, tensor = m_tensor("w", F32, "4");
        w_msg(&tensor, 13, m_entry("location", "weights.bin"));
        w_msg(&tensor, 13, m_entry("offset", "0"));
        w_msg(&tensor, 13, m_entry("length", "16"));
        w_msg(&tensor, 13, m_entry("checksum", "0"));
        if (i < RAW_DATA) w_msg(&tensor, 13, m_entry(keys[i], i ? "0" : "other.bin"));
        if (i < RAW_DATA) snprintf(want, sizeof want, "external data of 'w': %s is given twice", keys[i]);
        if (i == RAW_DATA) w_bytes(&tensor, 9, data, sizeof data);
        if (i == FLOATS) w_bytes(&tensor, 4, data, sizeof data);
        if (i == CHECKSUM) w_msg(&tensor, 13, m_entry(keys[i], "1")); /* it is not read */
        w_int(&tensor, 14, 1);
        w_msg(&graph, 1, m_node("Add", "add", "x w", "y"));
        w_msg(&graph, 5, tensor);
        w_msg(&graph, 11, m_value("x", F32, "4"));
        w_msg(&graph, 12, m_value("y", F32, "4"));
        read_external(&r, m_model(graph, 13));
        CHECK((r.module != NULL) == (i == CHECKSUM));
        if (i < CHECKSUM) CHECK(logged(&r, want));
        CHECK_INT((int64_t)adze_context_errors(r.context), i < CHECKSUM);
        reader_end(&r);
    }
}

/* ---- A file that changes ---- */

/* The weight stays in the file; what is gone when it is read is an error. */
TEST(file_that_shrinks)
{
    enum { COUNT = 4096 };
    char path[256], dims[16];
    reader r;
    wire graph = {0}, tensor;
    float *zeros = calloc(COUNT, sizeof *zeros);
    REQUIRE(zeros);
    snprintf(dims, sizeof dims, "%d", COUNT);
    tensor = m_tensor("w", F32, dims);
    w_bytes(&tensor, 9, zeros, COUNT * sizeof *zeros);
    free(zeros);
    w_msg(&graph, 1, m_node("Add", "add", "x w", "y"));
    w_msg(&graph, 5, tensor);
    w_msg(&graph, 11, m_value("x", F32, dims));
    w_msg(&graph, 12, m_value("y", F32, dims));
    read_external(&r, m_model(graph, 13));
    REQUIRE(r.module);
    adze_data *data = adze_const_data(adze_module_find_const(r.module, "w"));
    CHECK(adze_data_is_file(data, &(const char *){NULL}, &(uint64_t){0}));
    snprintf(path, sizeof path, "%s/m.onnx", folder);
    CHECK_INT(truncate(path, 100), 0);
    CHECK(adze_data_load(data) == NULL);
    CHECK(r.log_size > 0);
    reader_end(&r);
}

/* The same while the model itself is being read. */
TEST(file_that_shrinks_under_the_reader)
{
    char path[256];
    uint8_t *zeros = calloc(1, 100000), byte;
    adze_onnx_source source;
    reader r;
    REQUIRE(zeros);
    write_file("m.onnx", zeros, 100000);
    free(zeros);
    snprintf(path, sizeof path, "%s/m.onnx", folder);
    reader_begin(&r);
    REQUIRE(adze_onnx_source_open(&source, r.context, path));
    CHECK(adze_onnx_source_read(&source, 0, &byte, 1));
    CHECK_INT(truncate(path, 80000), 0);
    CHECK(!adze_onnx_source_read(&source, 90000, &byte, 1));
    CHECK(logged(&r, "the file became shorter while it was read"));
    adze_onnx_source_close(&source);
    reader_end(&r);
}

TEST(no_regular_file)
{
    reader r;
    reader_begin(&r);
    CHECK(!adze_onnx_read(r.context, folder, NULL));
    CHECK(logged(&r, "not a regular file"));
    CHECK(!adze_onnx_read(r.context, "/no/such/file.onnx", NULL));
    CHECK(logged(&r, "/no/such/file.onnx: cannot open the file"));
    CHECK(!adze_onnx_read(r.context, "/dev/zero", NULL));
    reader_end(&r);
}

TEST(too_large_a_file)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/large.onnx", folder);
    FILE *file = fopen(path, "wb");
    REQUIRE(file);
    fclose(file);
    REQUIRE(truncate(path, INT64_C(1) << 31) == 0); /* a hole: it takes no space */
    reader r;
    reader_begin(&r);
    CHECK(!adze_onnx_read(r.context, path, NULL));
    CHECK(logged(&r, "2147483648 bytes: protobuf messages have at most 2 GiB; save the model with its weights as "
                     "external data"));
    reader_end(&r);
    unlink(path);
}

static void remove_folder(void)
{
    static const char *const names[] = {"m.onnx", "weights.bin", "link", "up"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/adze_onnx_XXXXXX");
    if (!mkdtemp(folder)) return 1;
    RUN(mnist_cut_at_every_byte);
    RUN(kws_cut_at_every_byte);
    RUN(digits_cut_at_every_byte);
    RUN(models_cut_at_field_boundaries);
    RUN(wire_types);
    RUN(inner_length_beyond_the_outer_end);
    RUN(graphs_nested_a_million_deep);
    RUN(small_fields_in_bulk);
    RUN(functions_that_multiply);
    RUN(external_data);
    RUN(external_data_outside_the_folder);
    RUN(external_data_twice);
    RUN(file_that_shrinks);
    RUN(file_that_shrinks_under_the_reader);
    RUN(no_regular_file);
    RUN(too_large_a_file);
    remove_folder();
    return unit_end();
}
