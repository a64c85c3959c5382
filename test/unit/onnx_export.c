/* Modules written as ONNX: what is kept, where weights go, what is refused, and that nothing is left of what fails. */
#include "unit.h"

#include <adze/onnx.h>
#include <adze/text.h>

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[128], message[2048];
static uint32_t n_messages;

static void sink(void *self, const adze_diagnostic *d)
{
    (void)self;
    n_messages += d->severity == ADZE_ERROR;
    snprintf(message, sizeof message, "%s", d->message);
}

static adze_context *begin(void)
{
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, sink, NULL);
    n_messages = 0;
    message[0] = 0;
    return context;
}

static adze_module *parse(adze_context *context, const char *text)
{
    return adze_module_parse(context, "test.adz", text, strlen(text));
}

static int n_files(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

static long size_of(const char *file)
{
    struct stat info;
    return stat(file, &info) == 0 ? (long)info.st_size : -1;
}

/* The text that a written module reads as; freed by the caller. */
static adze_text read_text(adze_context *context)
{
    adze_text text = {0};
    adze_module *module = adze_onnx_read(context, path, NULL);
    if (module) {
        adze_print_options print = {.struct_size = sizeof print, .locations = true, .max_elements = 16};
        adze_module_print(module, &print, &text);
        adze_module_destroy(module);
    }
    adze_text_write(&text, "", 1);
    return text;
}

/* Written in one file and read, it is the same text. */
static void keeps(const char *wanted)
{
    adze_context *context = begin();
    adze_module *module = parse(context, wanted);
    REQUIRE(module);
    CHECK(adze_onnx_write(module, path, NULL));
    adze_text got = read_text(context);
    CHECK_STR(got.data, wanted);
    adze_text_free(&got);
    adze_module_destroy(module);
    adze_context_destroy(context);
    CHECK_INT(n_files(), 1);
    remove(path);
}

/* Writes it, and nothing must be left but one error. */
static void refuse(const char *text, const adze_onnx_write_options *options, const char *why)
{
    adze_context *context = begin();
    adze_module *module = parse(context, text);
    REQUIRE(module);
    CHECK(!adze_onnx_write(module, path, options));
    CHECK_INT(n_messages, 1);
    CHECK(strstr(message, why));
    if (!strstr(message, why)) printf("it says: %s\n", message);
    CHECK_INT(n_files(), 0);
    adze_module_destroy(module);
    adze_context_destroy(context);
}

TEST(what_is_kept)
{
    static const char wanted[] =
        "module @\"a graph\" {opset = 17, ir_version = 8, producer = \"maker 1.2\", domain = \"org\", "
        "model_version = 3, doc = \"two\\nlines\", metadata = [\"key\", \"value\", \"other\", \"\"], "
        "graph_doc = \"of the graph\", graph_metadata = [\"g\", \"h\"], node_docs = [\"t\", \"sums\"], "
        "node_metadata = [\"out:0\", \"k\", \"v\", \"out:0\", \"l\", \"\"], value_docs = [\"in:0\", \"what comes in\", "
        "\"t\", \"between\", \"out:0\", \"what goes out\"], value_metadata = [\"t\", \"a\", \"b\"], "
        "tensor_docs = [\"w\", \"weights\"], tensor_metadata = [\"unused\", \"x\", \"y\"]} {\n"
        "  const @w: f32[2] = dense[1.5, -2.0]\n"
        "  const @unused: i8[] = dense[3]\n"
        "  func @main(%\"in:0\": f32[N,2]) -> (%\"out:0\": f32[N,2]) {\n"
        "    %t = add(%\"in:0\", @w) : f32[N,2] loc(\"first\")\n"
        "    %\"out:0\" = mul(%t, @w) : f32[N,2] loc(\"second\")\n"
        "    return(%\"out:0\")\n"
        "  }\n"
        "}\n";
    keeps(wanted);
}

/* 1,100 bytes that go beside the model, and 4 that stay. */
static adze_module *with_weights(adze_context *context)
{
    adze_text text = {0};
    adze_text_append(&text, "module @m {\n  const @large: f32[275] = hex\"");
    for (unsigned i = 0; i < 275; i++) adze_text_append(&text, "%02x00803f", i & 0xff);
    adze_text_append(&text, "\"\n  const @small: f32[] = dense[2]\n"
                            "  func @main(%%x: f32[275]) -> (%%y: f32[275]) {\n"
                            "    %%a = add(%%x, @large) : f32[275]\n"
                            "    %%y = mul(%%a, @small) : f32[275]\n"
                            "    return(%%y)\n"
                            "  }\n"
                            "}\n");
    adze_module *module = adze_module_parse(context, "test.adz", text.data, text.size);
    adze_text_free(&text);
    return module;
}

TEST(data_beside_the_model)
{
    adze_onnx_write_options options = {.struct_size = sizeof options};
    char data[160];
    snprintf(data, sizeof data, "%s.data", path);
    adze_context *context = begin();
    adze_module *module = with_weights(context);
    REQUIRE(module);
    CHECK(adze_onnx_write(module, path, &options));
    CHECK(size_of(path) > 1100 && size_of(data) < 0);
    long whole = size_of(path);
    adze_text inside = read_text(context);
    options.max_bytes = (uint64_t)whole;
    CHECK(adze_onnx_write(module, path, &options));
    CHECK(size_of(data) < 0);
    options.max_bytes--;
    CHECK(adze_onnx_write(module, path, &options));
    CHECK(size_of(path) < 1100 && size_of(data) == 1100);
    options = (adze_onnx_write_options){.struct_size = sizeof options, .external_data = true, .least_bytes = 4};
    CHECK(adze_onnx_write(module, path, &options));
    CHECK(size_of(data) == 4096 + 4);
    options.least_bytes = 1101;
    CHECK(adze_onnx_write(module, path, &options));
    CHECK(size_of(path) > 1100);
    options.least_bytes = 0;
    CHECK(adze_onnx_write(module, path, &options));
    CHECK(size_of(path) < 1100 && size_of(data) == 1100);
    /* the constants, as bytes: the text of both is not the same, one speaks of the file */
    adze_module *read = adze_onnx_read(context, path, NULL);
    REQUIRE(read);
    const adze_const *want = adze_module_find_const(module, "large"), *got = adze_module_find_const(read, "large");
    REQUIRE(want && got);
    uint8_t a[1100], b[1100];
    CHECK(adze_data_read(adze_const_data(want), 0, a, 1100) && adze_data_read(adze_const_data(got), 0, b, 1100));
    CHECK(memcmp(a, b, 1100) == 0);
    CHECK(strstr(inside.data, "@small: f32[] = dense[2.0]"));
    adze_text_free(&inside);
    adze_module_destroy(read);
    adze_module_destroy(module);
    adze_context_destroy(context);
    CHECK_INT(n_files(), 2);
    remove(path);
    remove(data);
}

TEST(over_its_own_input)
{
    adze_context *context = begin();
    adze_module *module = with_weights(context);
    adze_onnx_write_options options = {.struct_size = sizeof options, .external_data = true};
    char data[160];
    snprintf(data, sizeof data, "%s.data", path);
    REQUIRE(module && adze_onnx_write(module, path, &options));
    adze_module *read = adze_onnx_read(context, path, NULL);
    REQUIRE(read);
    CHECK(adze_onnx_write(read, path, NULL)); /* from x.data, to x */
    CHECK(size_of(path) > 1100);
    adze_module_destroy(read);
    remove(data);
    adze_text text = read_text(context);
    CHECK(strstr(text.data, "hex\""));
    adze_text_free(&text);
    adze_module_destroy(module);
    adze_context_destroy(context);
    CHECK_INT(n_messages, 0);
    remove(path);
}

/* Where the name is a link, data lies beside the file itself, by that file's name. */
TEST(through_a_link)
{
    adze_onnx_write_options options = {.struct_size = sizeof options, .external_data = true};
    adze_context *context = begin();
    adze_module *module = with_weights(context);
    char real[160], data[180];
    snprintf(real, sizeof real, "%s/real.onnx", folder);
    snprintf(data, sizeof data, "%s.data", real);
    REQUIRE(module && adze_onnx_write(module, real, NULL) && symlink("real.onnx", path) == 0);
    CHECK(adze_onnx_write(module, path, &options));
    CHECK(size_of(data) > 1000);
    adze_module *read = adze_onnx_read(context, real, NULL), *linked = adze_onnx_read(context, path, NULL);
    CHECK(read && linked);
    adze_module_destroy(linked);
    adze_module_destroy(read);
    adze_module_destroy(module);
    adze_context_destroy(context);
    CHECK_INT(n_messages, 0);
    CHECK_INT(n_files(), 3);
    remove(path);
    remove(real);
    remove(data);
}

/* What the IR gives no name, and what its types say of dims, reads as it was; names once, of two of one name. */
TEST(what_has_no_name)
{
    static const char wanted[] =
        "module @m {opset = 14, ir_version = 7, producer = \"maker 2\", producer_version = \"one\"} {\n"
        "  func @main(%x: f32[N,6,M]) -> (%y: f32[M*N,6], %z: i64[2,3]) {\n"
        "    %0 = neg(%x) : f32[N,6,M] loc(\"all\")\n"
        "    %1 = reshape(%0) : f32[M*N,6] loc(\"all\")\n"
        "    %y = abs(%1) : f32[M*N,6] loc(\"all\")\n"
        "    %2 = iota() {start = 3, step = 2} : i64[1,3] loc(\"all\")\n"
        "    %z = expand(%2) : i64[2,3] loc(\"all\")\n"
        "    return(%y, %z)\n"
        "  }\n"
        "}\n";
    keeps(wanted);
}

#define FUNC(line) "func @main(%x: f32[4,4]) -> (%y: f32[4,4]) {\n  %y = " line "\n  return(%y)\n}\n"

/* One op written at an opset, and read again. */
static void hold_at(uint32_t opset, const char *constants, const char *line, const char *wanted)
{
    adze_onnx_write_options options = {.struct_size = sizeof options, .opset = opset};
    adze_context *context = begin();
    adze_text text = {0};
    adze_text_append(&text, "module @m {\n%s func @main(%%x: f32[4,4]) -> (%%y: f32[4,4]) {\n  %%y = %s loc(\"n\")\n"
                            "  return(%%y)\n }\n}\n", constants, line);
    adze_module *module = adze_module_parse(context, "test.adz", text.data, text.size);
    REQUIRE(module && adze_onnx_write(module, path, &options));
    adze_text got = read_text(context);
    CHECK(strstr(got.data, wanted));
    if (!strstr(got.data, wanted)) printf("at opset %u it reads as %s\n", opset, got.data);
    adze_text_free(&got);
    adze_text_free(&text);
    adze_module_destroy(module);
    adze_context_destroy(context);
    remove(path);
}

/* Attributes are read as constants that are called by the node and the attribute. */
TEST(older_forms)
{
    static const char two[] = " const @a: i64[2] = dense[0, 0]\n const @b: i64[2] = dense[4, 9]\n";
    static const char bounds[] = " const @a: f32[] = dense[-1]\n const @b: f32[] = dense[6]\n";
    static const char some[] =
        " const @p: i64[2] = dense[2, 0]\n const @a: i64[1] = dense[-1]\n const @v: f32[] = dense[0.5]\n";
    hold_at(9, two, "slice(%x, @a, @b) : f32[4,4]", "slice(%x, @n_starts, @n_ends)");
    hold_at(10, two, "slice(%x, @a, @b) : f32[4,4]", "slice(%x, @a, @b)");
    hold_at(10, bounds, "clip(%x, @a, @b) : f32[4,4]", "clip(%x, @n_min, @n_max)");
    hold_at(7, bounds, "clip(%x, @a) : f32[4,4]", "clip(%x, @n_min)");
    hold_at(11, bounds, "clip(%x, _, @b) : f32[4,4]", "clip(%x, _, @b)");
    hold_at(10, " const @p: i64[4] = dense[0, 0, 0, 0]\n const @v: f32[] = dense[0.5]\n",
            "pad(%x, @p, @v) : f32[4,4]", "pad(%x, @n_pads, @n_value)");
    hold_at(17, some, "pad(%x, @p, _, @a) : f32[4,6]", "= dense[0, 2, 0, 0]\n");
    hold_at(10, some, "pad(%x, @p, @v, @a) {mode = \"edge\"} : f32[4,6]",
            "pad(%x, @n_pads, @n_value) {mode = \"edge\"} : f32[4,6]");
    hold_at(18, some, "pad(%x, @p, _, @a) : f32[4,6]", "pad(%x, @p, _, @a) : f32[4,6]");
    hold_at(9, "", "gemm(%x, %x) {transB = 1} : f32[4,4]", "gemm(%x, %x, @\"y~1~\") {transB = 1}");
    hold_at(12, "", "softmax(%x) : f32[4,4]", "%y = softmax(%x) : f32[4,4]");
    hold_at(12, "", "softmax(%x) {axis = 0} : f32[4,4]", "transpose(%1) {perm = [1, 0]}");
    hold_at(12, "", "softmax_flat(%x) {axis = 0} : f32[4,4]", "softmax_flat(%x) {axis = 0}");
    hold_at(11, " const @r: f32[] = dense[0.5]\n", "dropout(%x, @r) : f32[4,4]", "identity(%x)");
    hold_at(9, " const @s: f32[2] = dense[1, 1]\n",
            "resize(%x, _, @s) {coordinate_transformation_mode = \"asymmetric\", nearest_mode = \"floor\"} : f32[4,4]",
            "resize(%x, _, @s) {coordinate_transformation_mode = \"asymmetric\", nearest_mode = \"floor\"}");
    hold_at(7, " const @s: f32[2] = dense[1, 1]\n",
            "resize(%x, _, @s) {coordinate_transformation_mode = \"asymmetric\", mode = \"linear\"} : f32[4,4]",
            "resize(%x, _, @n_scales)");
    hold_at(11, " const @s: f32[2] = dense[1, 1]\n", "resize(%x, _, @s) : f32[4,4]", "resize(%x, _, @s)");
    hold_at(9, " const @i: i64[4,4] = dense[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]\n",
            "scatter_elements(%x, @i, %x) : f32[4,4]", "scatter_elements(%x, @i, %x)");
}

TEST(what_an_opset_has_not)
{
    adze_onnx_write_options options = {.struct_size = sizeof options, .opset = 17};
    refuse("func @main(%x: i32[4]) -> (%y: i32[4]) {\n %a = bitwise_and(%x, %x) : i32[4] loc(\"one\")\n"
           " %b = bitwise_not(%a) : i32[4] loc(\"two\")\n %y = bitwise_and(%b, %x) : i32[4]\n return(%y)\n}\n",
           &options,
           "ONNX opset 17 cannot say: bitwise_and (BitwiseAnd comes with opset 18) 'one', 'y'; bitwise_not (BitwiseNot "
           "comes with opset 18) 'two'");
    refuse(FUNC("cast(%x) {to = f32, round_mode = \"down\"} : f32[4,4]"), &options,
           "'round_mode' of Cast comes with opset 24");
    static const struct {
        uint32_t opset;
        const char *line, *why;
    } old[] = {
        {12, "reduce_sum(%x, %i) : f32[1,4]", "reduce_sum ('axes' that is computed comes with opset 13)"},
        {10, "clip(%x, %l) : f32[4,4]", "clip ('min' that is computed comes with opset 11)"},
        {9, "slice(%x, @o, @o, @o, @t) : f32[0,4]", "slice ('steps' of another value comes with opset 10)"},
        {17, "pad(%x, @p, _, %i) : f32[?,?]",
         "pad ('axes', where it or pads is computed, comes with opset 18)"},
        {18, "pad(%x, @q) {mode = \"wrap\"} : f32[4,4]", "pad (mode 'wrap' comes with opset 19)"},
        {12, "quantize(%x, @s) : u8[4,4]", "quantize (scales along an axis come with opset 13)"},
        {10, "resize(%x, _, @z) : f32[4,4]", "resize (of this kind it comes with opset 11)"},
        {7, "max_n(%x, %l) : f32[4,4]", "max_n (broadcasting comes with opset 8)"},
        {8, "erf(%x) : f32[4,4]", "erf (Erf comes with opset 9)"},
        {17, "bitwise_not(%i) : i64[1]", "bitwise_not (BitwiseNot comes with opset 18)"},
    };
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        adze_text text = {0};
        const char *type = strstr(old[i].line, " : ") + 3;
        adze_text_append(&text, "module @m {\n const @o: i64[1] = dense[0]\n const @t: i64[1] = dense[2]\n"
                                " const @s: f32[4] = dense[1, 2, 3, 4]\n const @z: f32[2] = dense[1, 1]\n"
                                " const @p: i64[2] = dense[0, 0]\n const @q: i64[4] = dense[0, 0, 0, 0]\n"
                                " func @main(%%x: f32[4,4], %%i: i64[1], %%l: f32[]) -> (%%y: %s) {\n  %%y = %s\n"
                                "  return(%%y)\n }\n}\n", type, old[i].line);
        options.opset = old[i].opset;
        adze_text_write(&text, "", 1);
        refuse(text.data, &options, old[i].why);
        adze_text_free(&text);
    }
    options.opset = 6;
    refuse(FUNC("relu(%x) : f32[4,4]"), &options, "opset 6: opsets 7 to 28 are written");
    options.opset = 29;
    refuse(FUNC("relu(%x) : f32[4,4]"), &options, "opset 29: opsets 7 to 28 are written");
}

TEST(what_onnx_has_not)
{
    refuse("func @main(%x: f32[4,4]) -> (%y: f32[4,4]) {\n %y = kernel(%x) do { (%p: f32[4,4])\n"
           " %a = neg(%p) : f32[4,4]\n yield(%a) } : f32[4,4] loc(\"fused\")\n return(%y)\n}\n",
           NULL, "cannot say: kernel (it has no form in ONNX) 'fused'");
    refuse("func @main(%x: f32[4,4]<perm=[1,0]>) -> (%y: f32[4,4]<perm=[1,0]>) {\n"
           " %y = relu(%x) : f32[4,4]<perm=[1,0]>\n return(%y)\n}\n",
           NULL, "tensors in a layout");
    refuse("const @a: str[] = dense[\"x\"]\nconst @b: f32[] = derived parse_number(@a) {to = f32}\n"
           "func @main(%x: f32[2]) -> (%y: f32[2]) {\n %y = add(%x, @b) : f32[2]\n return(%y)\n}\n", NULL,
           "a text that does not begin with a number");
    refuse("func @main(%x: u8[2]) -> (%y: u8[2]) {\n %y = pow(%x, %x) : u8[2]\n return(%y)\n}\n", NULL,
           "pow (Pow takes no u8 and u8) 'y'");
    refuse(FUNC("relu(%x) : f32[4,4]") "func @other(%x: f32[4]) -> (f32[4]) {\n return(%x)\n}\n", NULL,
           "ONNX has no place for function @other");
    refuse("func @main(%x: f32[N-1]) -> (%y: i64[1]) {\n %y = dims() {dims = [N]} : i64[1]\n return(%y)\n}\n", NULL,
           "'N' is no dim of an input");
    refuse("module @m {\n const @m: f32[] = dense[0.5]\n const @z: i8[] = dense[0]\n"
           " func @main(%x: i32[4]) -> (%y: i8[4]) {\n  %y = requantize(%x, @m, @z) {mode = \"fixed\"} : i8[4]\n"
           "  return(%y)\n }\n}\n",
           NULL, "ONNX rounds no products in fixed point");
}

TEST(kernels)
{
    refuse("func @main(%x: f32[4]) -> (f32[4]) {\n %0 = launch(%x) {callee = @k0, bytes = 32} : f32[4]\n"
           " return(%0)\n}\n"
           "func @k0(%a0: buffer(f32[4]<alias=1>), %y0: buffer(f32[4]<alias=2>)) -> () {\n return()\n}\n",
           NULL, "it is a kernel in loops: `adze compile -O1 -o FILE.onnx` ends ahead of them");
}

TEST(files_that_cannot_be)
{
    adze_onnx_write_options options = {.struct_size = sizeof options, .external_data = true};
    adze_context *context = begin();
    adze_module *module = with_weights(context);
    char where[160], data[160];
    REQUIRE(module);
    snprintf(where, sizeof where, "%s/none/x.onnx", folder);
    CHECK(!adze_onnx_write(module, where, NULL));
    CHECK_INT(n_messages, 1);
    CHECK(strstr(message, "cannot write the file: No such file or directory"));
    CHECK(!adze_onnx_write(module, folder, NULL));
    CHECK_INT(n_messages, 2);
    CHECK(strstr(message, "Is a directory"));
    CHECK(!adze_onnx_write(module, "/dev/full", NULL));
    CHECK_INT(n_messages, 3);
    CHECK(strstr(message, "No space left on device"));
    CHECK(!adze_onnx_write(module, "/dev/null", &options));
    CHECK_INT(n_messages, 4);
    CHECK(strstr(message, "a device"));
    CHECK(adze_onnx_write(module, "/dev/null", NULL));
    /* a link stays one, and what it leads to is written */
    snprintf(where, sizeof where, "%s/link.onnx", folder);
    REQUIRE(adze_onnx_write(module, path, NULL) && symlink(path, where) == 0);
    long whole = size_of(path);
    REQUIRE(truncate(path, 0) == 0 && adze_onnx_write(module, where, NULL));
    struct stat info;
    CHECK(lstat(where, &info) == 0 && S_ISLNK(info.st_mode));
    CHECK_INT(size_of(path), whole);
    remove(where);
    remove(path);
    /* a folder in the place of the data */
    snprintf(data, sizeof data, "%s.data", path);
    REQUIRE(mkdir(data, 0700) == 0);
    CHECK(!adze_onnx_write(module, path, &options));
    CHECK_INT(n_messages, 5);
    CHECK_INT(n_files(), 1);
    rmdir(data);
    adze_module_destroy(module);
    adze_context_destroy(context);
}

/* A constant that can no longer be read: the error is its own, and no file is left. */
TEST(weights_that_are_gone)
{
    char weights[160];
    snprintf(weights, sizeof weights, "%s/weights.bin", folder);
    FILE *file = fopen(weights, "wb");
    REQUIRE(file && fwrite(folder, 1, 16, file) == 16 && fclose(file) == 0);
    adze_context *context = begin();
    adze_module *module = parse(context, "module @m {\n func @main(%x: f32[1024]) -> (%y: f32[1024]) {\n"
                                         "  %y = relu(%x) : f32[1024]\n  return(%y)\n }\n}\n");
    REQUIRE(module);
    int64_t dim = 1024;
    const adze_type *type = adze_type_tensor_const(context, ADZE_DTYPE_f32, 1, &dim);
    adze_module_add_const(module, "w", type, adze_data_file(context, weights, 0, 4096));
    CHECK(!adze_onnx_write(module, path, NULL));
    CHECK_INT(n_messages, 1);
    CHECK(strstr(message, "weights.bin"));
    adze_onnx_write_options options = {.struct_size = sizeof options, .external_data = true};
    CHECK(!adze_onnx_write(module, path, &options));
    CHECK_INT(n_messages, 2);
    CHECK_INT(n_files(), 1);
    remove(weights);
    adze_module_destroy(module);
    adze_context_destroy(context);
}

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/adze-export-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/x.onnx", folder);
    RUN(what_is_kept);
    RUN(data_beside_the_model);
    RUN(over_its_own_input);
    RUN(through_a_link);
    RUN(what_has_no_name);
    RUN(older_forms);
    RUN(what_an_opset_has_not);
    RUN(what_onnx_has_not);
    RUN(kernels);
    RUN(files_that_cannot_be);
    RUN(weights_that_are_gone);
    rmdir(folder);
    return unit_end();
}
