/* IR text: what is printed parses to an equal module that prints the same; every error names its
 * place; constants in files stay in their folder. */
#include "text_fixture.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Parses, prints, and does both again: the printouts must be equal. Caller frees. */
static char *reprint(const char *text)
{
    capture c = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    adze_print_options options = {
        .struct_size = sizeof options, .locations = true, .max_elements = 16};
    adze_text first = {0}, second = {0};
    adze_module *module = parse(context, text);
    if (module) CHECK(adze_module_print(module, &options, &first));
    adze_module *again = module ? parse(context, first.data) : NULL;
    if (again) CHECK(adze_module_print(again, &options, &second));
    if (!module || !again) printf("%s\n", c.text.data);
    CHECK(module && again);
    if (again) CHECK_STR(second.data, first.data);
    CHECK_INT(c.errors, 0);
    adze_module_destroy(module);
    adze_module_destroy(again);
    adze_context_destroy(context);
    adze_text_free(&second);
    adze_text_free(&c.text);
    return first.data;
}

/* The text as it should look, unchanged by parsing and printing. */
static void check_same(const char *text)
{
    char *got = reprint(text);
    CHECK_STR(got, text);
    free(got);
}

/* `type` as an argument's type prints as `want`. */
static void check_type(const char *type, const char *want)
{
    char text[512], wanted[512];
    snprintf(text, sizeof text, "func @f(%%x: %s) -> () {\n return()\n}\n", type);
    snprintf(wanted, sizeof wanted,
             "module @module {\n  func @f(%%x: %s) -> () {\n    return()\n  }\n}\n", want);
    char *got = reprint(text);
    CHECK_STR(got, wanted);
    free(got);
}

TEST(sample_is_a_fixpoint) { check_same(sample); }

TEST(types)
{
    check_type("f32[]", "f32[]");
    check_type("f32", "f32");
    check_type("boolx16", "boolx16");
    check_type("f32[*]", "f32[*]");
    check_type("f32[?, 3]", "f32[?,3]");
    check_type("f32[2*N + 1 + N]", "f32[3*N+1]");
    check_type("f32[(N+1)*(N-1)]", "f32[N*N-1]");
    check_type("f32[floordiv(N, 2), ceildiv(N, 3), mod(N, 5), min(N, M), max(N, 4)]",
               "f32[floordiv(N, 2),ceildiv(N, 3),mod(N, 5),min(M, N),max(4, N)]");
    check_type("f32[\"batch size\"]", "f32[\"batch size\"]");
    check_type("f32[$0*2]", "f32[2*$0]");
    check_type("f32[1,2,3]<perm=[0,2,1], halo=[0,0,1]>", "f32[1,2,3]<perm=[0,2,1], halo=[0,0,1]>");
    check_type("f32[1,2]<perm=[0,1], pad=[1,16]>", "f32[1,2]<pad=[0,16]>");
    check_type("buffer(f32[4,4]<strides=[4,1]>)", "buffer(f32[4,4])");
    check_type("sequence(optional(map(i64, str[])))", "sequence(optional(map(i64, str[])))");
    check_type("none", "none");
}

TEST(attribute_forms)
{
    check_same("module @module {a = [], b = [-1.5, inf], c = nan, d = -inf, e = 1e+30, f = dims()} "
               "{\n}\n");
    char *got = reprint("module @m {x = 0x10, y = 0x1p-2, z = 5e-1} {}");
    free(got);
}

/* Names survive; only clashes and values without a name are renamed. */
TEST(names)
{
    check_same("module @module {\n"
               "  func @f(%\"a/b:0\": f32[4], %conv1.weight: f32[4], %\"7\": f32[4]) -> () {\n"
               "    return(%\"a/b:0\", %conv1.weight, %\"7\")\n"
               "  }\n"
               "}\n");
    char *got = reprint("func @f(%7: f32[4], %x: f32[4]) -> () {\n return(%x, %7)\n}");
    CHECK(strstr(got, "func @f(%0: f32[4], %x: f32[4])"));
    CHECK(strstr(got, "return(%x, %0)"));
    free(got);
    /* Disjoint regions may use one name; the printer tells them apart. */
    got = reprint("func @f(%n: i64) -> () {\n"
                  " parallel(%n) do { (%i: i64) yield() }\n"
                  " parallel(%n) do { (%i: i64) yield() }\n"
                  " return()\n}");
    CHECK(strstr(got, "%i_1: i64"));
    free(got);
}

TEST(filecheck_syntax_is_never_printed)
{
    char *got = reprint("module @\"[[x]]\" {s = \"{{[[[y\"} {\n"
                        "  const @\"[[c\": str[1] = dense[\"{{{[[\"]\n}");
    CHECK(!strstr(got, "[[") && !strstr(got, "{{"));
    free(got);
}

TEST(errors_have_places)
{
    check_error("func @f(%x: f32[4]) -> () {\n  %0 = relu(%x, %x) : f32[4]\n  return()\n}\n",
                "t.adz:2:8: error: relu takes 1 operand, got 2\n"
                "    2 |   %0 = relu(%x, %x) : f32[4]\n"
                "      |        ^\n");
    check_error("const @c: i8[1] =\tdense[1, 2]",
                "t.adz:1:28: error: more elements than the type has (1)\n"
                "    1 | const @c: i8[1] =\tdense[1, 2]\n"
                "      |                  \t         ^\n");
    /* Strange bytes in the shown line, and a window of a long one. */
    check_error("func @f(%x: f32[\x01\xff]) -> () {", "    1 | func @f(%x: f32[??]) -> () {\n");
    char text[2001] = {0};
    memset(text, ' ', 2000);
    memcpy(text + 1000, "huh", 3);
    check_error(text, "t.adz:1:1001: error: expected 'const' or 'func', found 'huh'\n    1 | …");
}

/* A name with its error; the case text is the body of a function of (%x: f32[4], %b:
 * buffer(f32[4,4]), %i: i64). */
/* Names of any length: their beginning and their end, and whole characters. */
TEST(long_names_are_cut)
{
    char name[4003] = "a";
    for (size_t i = 1; i < 4001; i += 2) memcpy(name + i, "\xc3\xa9", 2);
    name[4001] = 'z';
    capture c = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    adze_loc loc = {.context = context, .file = "m.onnx", .node = name, .op_type = "Relu"};
    CHECK(!adze_error(loc, "input '%s' is wrong", name));
    CHECK(strstr(c.text.data, "m.onnx: node 'a\xc3\xa9"));
    CHECK(strstr(c.text.data, "\xa9\xe2\x80\xa6\xc3"));
    CHECK(strstr(c.text.data, "\xc3\xa9z' (Relu): input 'a\xc3\xa9"));
    CHECK(strstr(c.text.data, "\xc3\xa9z' is wrong\n"));
    CHECK(c.text.size < 1400);
    const char *at = c.text.data, *stop = at + c.text.size;
    while (at < stop && adze_utf8_length(at, stop)) at += adze_utf8_length(at, stop);
    CHECK(at == stop);
    adze_context_destroy(context);
    adze_text_free(&c.text);
}

TEST(op_errors)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"%0 = nosuch(%x)", "no op 'nosuch'"},
        {"%0 = relu(%y)", "%y is not defined here"},
        {"%0 = relu(%7)", "%7 is not defined here"},
        {"%0 = relu(@c)", "no constant @c"},
        {"%0 = relu(4)", "expected an operand: %value, @constant or _, found '4'"},
        {"%0 = relu(%x", "expected ',' or ')'"},
        {"%0 relu(%x)", "expected ',' or '=', found 'relu'"},
        {"%0, relu(%x)", "expected a result's name, found 'relu'"},
        {"%0 = (%x)", "expected an op, found '('"},
        {"%0 = relu %x", "expected '(', found '%x'"},
        {"relu(%x)", "relu gives 1 result, got 0"},
        {"%0, %1 = relu(%x)", "relu gives 1 result, got 2"},
        {"%0 = relu()", "relu takes 1 operand, got 0"},
        {"%0 = conv(%x)", "conv takes 2 to 3 operands, got 1"},
        {"%0 = concat()", "concat takes at least 1 operand, got 0"},
        {"%x = relu(%x) : f32[4]", "%x is defined twice"},
        {"%0 = relu(%x) : f32[4], f32[4]", "more types than results"},
        {"%0, %1 = split(%x, _) : f32[2]", "2 results but 1 types"},
        {"%0 = relu(%x) : f32[5]", "result 0 of relu is stated as f32[5], but is f32[4]"},
        {"%0 = relu(%x) {alpha = 1} : f32[4]", "relu has no attribute 'alpha'"},
        {"%0 = softmax(%x) {axis = 1, axis = 1}", "attribute 'axis' is given twice"},
        {"%0 = concat(%x) : f32[4]", "concat needs attribute 'axis'"},
        {"ukernel()", "ukernel needs attribute 'name'"},
        {"%0 = softmax(%x) {axis}", "expected '=', found '}'"},
        {"%0 = softmax(%x) {axis = a}", "expected an integer, found 'a'"},
        {"%0 = softmax(%x) {axis = 9223372036854775808}", "the integer does not fit 64 bits"},
        {"%0 = softmax(%x) {axis = 1", "expected ',' or '}'"},
        {"%0 = softmax(%x) {\"axis\" = 1}", "expected an attribute's name, found '\"axis\"'"},
        {"%0 = elu(%x) {alpha = a}", "expected a number, inf or nan"},
        {"%0 = elu(%x) {alpha = -a}", "expected a number, found 'a'"},
        {"%0 = cast(%x) {to = f33}", "expected an element type, found 'f33'"},
        {"%0 = pad(%x, %x) {mode = constant}", "expected a string in quotes, found 'constant'"},
        {"%0 = transpose(%x) {perm = 1}", "expected '[', found '1'"},
        {"%0 = transpose(%x) {perm = [1 2]}", "expected ',' or ']', found '2'"},
        {"%0 = launch(%x) {callee = f}", "expected a name after '@', found 'f'"},
        {"%0 = apply(%i) {expr = 1 +} : i64", "expected a dim, found '}'"},
        {"%0 = apply(%i) {expr = foo(1, 2)} : i64", "no function 'foo'"},
        {"%0 = apply(%i) {expr = min(1)} : i64", "expected ',', found ')'"},
        {"%0 = apply(%i) {expr = $x} : i64", "expected a number of at most 6 digits after '$'"},
        {"%0 = apply(%i) {expr = (1} : i64", "expected ')', found '}'"},
        {"%0 = load(%b, _, %i, %i)", "load"},
        {"%0 = relu(%x) do {\n yield() \n}", "relu takes at most 0 regions"},
        {"parallel(%i)", "parallel needs 1 regions, found 0"},
        {"parallel(%i) do { (%j) yield() }", "expected ':', found ')'"},
        {"parallel(%i) do { (j: i64) yield() }", "expected an argument '%name: type', found 'j'"},
        {"parallel(%i) do yield()", "expected '{', found 'yield'"},
        {"%0 = relu(%x) : f32[4] loc(n)", "expected a node's name in quotes, found 'n'"},
        {"%0 = relu(%x) : f32[4] loc(\"\")", "a name cannot be empty"},
        {"%\"a\\x00b\" = relu(%x)", "a name cannot be empty or contain a zero byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(
            text, sizeof text,
            "func @f(%%x: f32[4], %%b: buffer(f32[4,4]), %%i: i64) -> () {\n  %s\n  return()\n}\n",
            cases[i].line);
        check_error(text, cases[i].want);
    }
}

TEST(type_errors)
{
    static const struct {
        const char *type, *want;
    } cases[] = {
        {"f33[4]", "no type 'f33'"},
        {"4", "expected a type, found '4'"},
        {"f32[4", "expected ',' or ']'"},
        {"f32[-1]", "a dim is at least 0"},
        {"f32[1,1,1,1,1,1,1,1,1,1,1,1,1]", "a rank above 12"},
        {"f32[99999999999999999999]", "the integer does not fit 64 bits"},
        {"f32[4]<perm=[0,0]>", "expected 1 numbers, one for each axis"},
        {"f32[4,4]<perm=[0,0]>", "not a permutation of the axes"},
        {"f32[4,4]<perm=[0,2]>", "expected a number from 0 to 1"},
        {"f32[4,4]<halo=[0,9999999]>", "expected a number from 0 to 1048576"},
        {"f32[4,4]<order=[0,1]>", "a layout has perm, halo, pad and block only"},
        {"f32[4,4]<4>", "expected perm, halo, pad or block"},
        {"f32[4,4]<perm=[0,1]", "expected ',' or '>'"},
        {"f32x17", "no type 'f32x17'"},
        {"buffer(q[4])", "expected an element type, found 'q'"},
        {"buffer(f32[4]<strides=[1,1]>)", "expected 1 strides, one for each axis"},
        {"buffer(f32[4]<align=3>)", "an alignment is a power of two up to 4096"},
        {"buffer(f32[4]<alias=-1>)", "an alias class is from 0 to 1000000"},
        {"buffer(f32[4]<size=1>)", "a buffer has strides, align and alias only"},
        {"buffer(f32[4]<1>)", "expected strides, align or alias"},
        {"map(f32[4], f32)", "expected ',', found '['"},
        {"map(q, f32)", "expected an element type, found 'q'"},
        {"sequence f32", "expected '(', found 'f32'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text, "func @f(%%x: %s) -> () {\n  return()\n}\n", cases[i].type);
        check_error(text, cases[i].want);
    }
}

TEST(const_errors)
{
    check_error("const w: f32[1] = dense[1]", "expected a constant's name after '@', found 'w'");
    check_error("const @w: f32[N] = dense[1]", "a constant is a dense tensor with known dims");
    check_error("const @w: f32 = dense[1]", "a constant is a dense tensor with known dims");
    check_error("const @w: f32[99999999999,99999999999] = dense[1]",
                "the constant's dims are too large");
    check_error("const @w: f32[9999999999999] = hex\"00\"",
                "so 79999999999992 digits are needed; found 2");
    check_error("const @w: f32[1] = f32[1]",
                "expected dense[…], hex\"…\", blob(…) or derived op(…)");
    check_error("const @w: f32[2] = dense[1]", "the type has 2 elements, the text has 1");
    check_error("const @w: f32[9999999] = dense[1]",
                "the type has 9999999 elements, the text fewer");
    check_error("const @w: i8[1] = dense[128]", "the value does not fit the element type");
    check_error("const @w: i8[1] = dense[-129]", "the value does not fit the element type");
    check_error("const @w: u8[1] = dense[-1]", "the value does not fit the element type");
    check_error("const @w: i4[1] = dense[8]", "the value does not fit the element type");
    check_error("const @w: i64[1] = dense[1.5]", "expected an integer, found '1.5'");
    check_error("const @w: f32[1] = dense[x]", "expected a number, inf or nan");
    check_error("const @w: bool[1] = dense[1]", "expected true or false, found '1'");
    check_error("const @w: str[1] = dense[1]", "expected a string in quotes, found '1'");
    check_error("const @w: str[1] = hex\"00\"", "strings are written as dense[…]");
    check_error("const @w: c64[1] = dense[1]", "constants of this element type are written as hex");
    check_error("const @w: i16[1] = hex\"00zz\"", "byte 1 is not two hexadecimal digits");
    check_error("const @w: i16[1] = hex\"000\"", "so 4 digits are needed; found 3");
    check_error("const @w: i8[1] = dense[1]\nconst @w: i8[1] = dense[1]", "@w is defined twice");
    check_error("const @w: f32[1] = derived nosuch()", "no op 'nosuch'");
    check_error("const @w: f32[1] = derived neg(@v)", "no constant @v above");
    check_error("const @w: f32[1] = derived neg(4)",
                "expected a constant's name after '@', found '4'");
    check_error("const @w: f32[1] = derived neg()", "neg with 0 operands cannot derive a constant");
    check_error("const @v: f32[1] = dense[1]\nconst @w: f32[2] = derived neg(@v)",
                "neg gives f32[1]");
    check_error("const @v: f32[1] = dense[1]\nconst @w: f32[1] = derived kernel(@v)",
                "kernel cannot derive a constant");
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    if (file) {
        fputs(text, file);
        fclose(file);
    }
}

static const char *const blob_text =
    "const @w: i8[4] = blob(\"%s\", %s, %s)\nfunc @f() -> () {\n  return()\n}\n";

/* Parses a text with one blob in `folder`; true if it is accepted and @w is "bcde". */
static bool blob_works(const char *folder, const char *file, const char *offset, const char *size,
                       const char *want)
{
    capture c = {0};
    char text[512], name[512];
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    snprintf(text, sizeof text, blob_text, file, offset, size);
    snprintf(name, sizeof name, "%s/t.adz", folder);
    adze_module *module = adze_module_parse(context, name, text, strlen(text));
    bool ok = module && memcmp(adze_data_load(adze_const_data(adze_module_find_const(module, "w"))),
                               "bcde", 4) == 0;
    if (want) CHECK(c.text.data && strstr(c.text.data, want));
    if (want && !(c.text.data && strstr(c.text.data, want)))
        printf("%s\n", c.text.data ? c.text.data : "");
    adze_module_destroy(module);
    adze_context_destroy(context);
    adze_text_free(&c.text);
    return ok;
}

TEST(blobs_stay_in_the_folder)
{
    char folder[] = "/tmp/adze_text_XXXXXX", path[160], inner[64], link[160];
    REQUIRE(mkdtemp(folder));
    snprintf(inner, sizeof inner, "%s/in", folder);
    CHECK_INT(mkdir(inner, 0700), 0);
    snprintf(path, sizeof path, "%s/secret", folder);
    write_file(path, "abcdef");
    snprintf(path, sizeof path, "%s/w.bin", inner);
    write_file(path, "abcdef");
    snprintf(link, sizeof link, "%s/link", inner);
    CHECK_INT(symlink("../secret", link), 0);
    CHECK(blob_works(inner, "w.bin", "1", "4", NULL));
    CHECK(
        !blob_works(inner, "../secret", "1", "4", "the path must stay in the folder of the text"));
    CHECK(!blob_works(inner, "/etc/passwd", "1", "4",
                      "the path must stay in the folder of the text"));
    CHECK(!blob_works(inner, "x/../../secret", "1", "4",
                      "the path must stay in the folder of the text"));
    CHECK(!blob_works(inner, "link", "1", "4", "leads out of the text's folder"));
    CHECK(!blob_works(inner, "none", "1", "4", "there is no file"));
    CHECK(!blob_works(inner, ".", "1", "4", "is not a file"));
    CHECK(!blob_works(inner, "w.bin", "3", "4", "the file has 6 bytes only"));
    CHECK(!blob_works(inner, "w.bin", "-1", "4", "the file has 6 bytes only"));
    CHECK(!blob_works(inner, "w.bin", "9223372036854775807", "4", "the file has 6 bytes only"));
    CHECK(!blob_works(inner, "w.bin", "1", "5", "the type has 4 bytes, the blob 5"));
    unlink(link);
    unlink(path);
    rmdir(inner);
    snprintf(path, sizeof path, "%s/secret", folder);
    unlink(path);
    rmdir(folder);
}

/* Constants above the bound go to the blob file and come back. */
TEST(blob_file_round_trip)
{
    char folder[] = "/tmp/adze_text_XXXXXX", blob[64], name[64];
    REQUIRE(mkdtemp(folder));
    snprintf(blob, sizeof blob, "%s/w.bin", folder);
    snprintf(name, sizeof name, "%s/t.adz", folder);
    const char *text = "const @a: i8[3] = dense[1, 2, 3]\nconst @b: i8[3] = dense[4, 5, 6]\n";
    adze_context *context = adze_context_create();
    adze_print_options options = {
        .struct_size = sizeof options, .max_elements = 2, .blob_file = blob};
    adze_module *module = parse(context, text);
    adze_text out = {0}, again = {0};
    CHECK(adze_module_print(module, &options, &out));
    CHECK(strstr(out.data, "const @b: i8[3] = blob(\"w.bin\", 64, 3)"));
    adze_module *back = adze_module_parse(context, name, out.data, out.size);
    REQUIRE(back);
    CHECK_INT(
        ((const int8_t *)adze_data_load(adze_const_data(adze_module_find_const(back, "b"))))[2], 6);
    adze_print_options same = {.struct_size = sizeof same, .max_elements = 2, .folder = folder};
    CHECK(adze_module_print(back, &same, &again));
    CHECK_STR(again.data, out.data);
    /* Without a blob file the bytes stand in the text. */
    adze_text_free(&again);
    adze_print_options hex = {.struct_size = sizeof hex, .max_elements = 2};
    CHECK(adze_module_print(module, &hex, &again));
    CHECK(strstr(again.data, "hex\"010203\""));
    unlink(blob);
    rmdir(folder);
    adze_module_destroy(module);
    adze_module_destroy(back);
    adze_context_destroy(context);
    adze_text_free(&out);
    adze_text_free(&again);
}

TEST(module_errors)
{
    check_error("module m {}", "expected the module's name after '@', found 'm'");
    check_error("module @m {", "expected '}', but the text ends here");
    check_error("module @m {} x", "expected the end of the text, found 'x'");
    check_error("}", "expected the end of the text, found '}'");
    check_error("hello", "expected 'const' or 'func', found 'hello'");
    check_error("func f() -> () {}", "expected a function's name after '@', found 'f'");
    check_error("func @f() -> () {return()}\nfunc @f() -> () {return()}",
                "function @f is defined twice");
    check_error("func @f() () {}", "expected '->', found '('");
    check_error("func @f() -> (%x) {}", "expected ':', found ')'");
    check_error("module @m {a = 1, a = 2} {}", "attribute 'a' is given twice");
    check_error("module @m {a = b} {}", "expected a value, found 'b'");
    check_error("module @m {a = dim 4} {}", "expected '(', found '4'");
    check_error("func @f(%x: f32[4]) -> () {\n  return()\n",
                "expected '}', but the text ends here");
    check_error("func @\"\\q\"() -> () {}", "unknown escape; there are");
    check_error("func @\"f() -> () {}", "the string has no closing quote");
    check_error("func @\"f\n\"() -> () {}", "the string has no closing quote on its line");
    check_error("func @\"\xff\"() -> () {}", "the string is not UTF-8; write other bytes as \\xHH");
    check_error("func @f(%: f32) -> () {}", "expected a name after the sigil");
    check_error("\xff", "a byte that is not UTF-8");
    check_error("#", "unexpected character");
    check_error("func @f(%x: f32[4x]) -> () {}", "malformed number");
    check_error("module @m {a = 1.2.3} {}", "malformed number");
}

/* All errors of a text are reported, each once: what depends on a broken op stays quiet. */
TEST(all_errors)
{
    capture c = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    CHECK(!parse(context, "const @c: f32[1] = dense[q]\n"
                          "func @f(%x: f32[4]) -> () {\n"
                          "  %0 = nosuch(%x) : f32[4]\n"
                          "  %1 = relu(%0) : f32[4]\n"
                          "  %2 = relu(%1, %1) : f32[4]\n"
                          "  %3 = add(%1, %2) : f32[4]\n"
                          "  parallel(%x) {bad = 1} do { (%i: i64)\n"
                          "    %4 = relu(%i) : f32[4]\n"
                          "  }\n"
                          "  %5 = relu(%nowhere) : f32[4]\n"
                          "  return()\n"
                          "}\n"
                          "func @g(%x: f32[q q]) -> () {\n"
                          "  return()\n"
                          "}\n"
                          "const @d: f32[1] = dense[1\n"));
    CHECK_INT(c.errors, 7);
    if (c.errors != 7) printf("%s", c.text.data);
    adze_context_destroy(context);
    adze_text_free(&c.text);
}

int main(void)
{
    RUN(sample_is_a_fixpoint);
    RUN(types);
    RUN(attribute_forms);
    RUN(names);
    RUN(filecheck_syntax_is_never_printed);
    RUN(errors_have_places);
    RUN(long_names_are_cut);
    RUN(op_errors);
    RUN(type_errors);
    RUN(const_errors);
    RUN(blobs_stay_in_the_folder);
    RUN(blob_file_round_trip);
    RUN(module_errors);
    RUN(all_errors);
    return unit_end();
}
