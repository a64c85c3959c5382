/* The x86 backend against the reference: the modules in test/backends/x86, and every elementwise op
 * on scalars and vectors of every element type that has a body. */
#include "x86_fixture.h"

#include "ir/eval/bodies_table.h"

static void compare_file(const char *name, const int64_t (*sizes)[2])
{
    x86_fixture f;
    char path[1024], *text = NULL;
    const char *source = getenv("ADZE_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/test/backends/x86/%s.adz", source ? source : ".", name);
    FILE *file = fopen(path, "r");
    REQUIRE(file);
    text = calloc(1, 1 << 16);
    size_t n = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    x86_begin(&f);
    CHECK(n > 0 && f.backend);
    x86_compare(&f, name, text, sizes, false, 1e-5);
    x86_end(&f);
    free(text);
}

static const int64_t some_sizes[][2] = {{0, 1},  {1, 0},  {15, 2},  {16, 3}, {17, 5},
                                        {64, 4}, {67, 9}, {200, 1}, {-1, 0}};
static const int64_t from_one[][2] = {{1, 1}, {3, 2}, {16, 3}, {33, 4}, {-1, 0}};
static const int64_t once[][2] = {{1, 1}, {-1, 0}};

TEST(access) { compare_file("access", from_one); }
TEST(broadcast) { compare_file("broadcast", from_one); }
TEST(control) { compare_file("control", from_one); }
TEST(gemm) { compare_file("gemm", once); }
TEST(index) { compare_file("index", from_one); }
TEST(reduce) { compare_file("reduce", once); }
TEST(scratch) { compare_file("scratch", some_sizes); }
TEST(vector_add) { compare_file("vector_add", some_sizes); }

/* ---- Elementwise ops ---- */

static const char *type_name(uint16_t dtype) { return adze_dtype_name((adze_dtype)dtype); }

static bool is_tested(uint16_t dtype)
{
    return dtype == ADZE_DTYPE_f32 || dtype == ADZE_DTYPE_f64 || dtype == ADZE_DTYPE_i64 ||
           dtype == ADZE_DTYPE_i32 || dtype == ADZE_DTYPE_i8 || dtype == ADZE_DTYPE_u8 ||
           dtype == ADZE_DTYPE_bool;
}

/* Appends a kernel that applies the body's op to M elements, one by one or 16 at a time. */
static void add_kernel(adze_text *t, const adze_body *b, bool vector)
{
    const char *x16 = vector ? "x16" : "", *k = vector ? "%k" : "_";
    adze_text_append(t, "  func @%s%s(", b->symbol, x16);
    for (int i = 0; i < b->operands; i++)
        adze_text_append(t, "%%x%d: buffer(%s[M]<alias=%d>), ", i, type_name(b->args[i]), i + 1);
    adze_text_append(t, "%%y: buffer(%s[M]<alias=9>)) -> () {\n", type_name(b->result));
    adze_text_append(
        t,
        "    %%lo = apply() {expr = 0} : i64\n    %%hi = apply() {expr = M} : i64\n"
        "    %%step = apply() {expr = %d} : i64\n    for(%%lo, %%hi, %%step) do { (%%i: i64)\n",
        vector ? 16 : 1);
    if (vector)
        adze_text_append(
            t, "      %%n = apply(%%i) {expr = M-$0} : i64\n      %%k = mask(%%n) : boolx16\n");
    for (int i = 0; i < b->operands; i++)
        adze_text_append(t, "      %%v%d = load(%%x%d, %s, %%i) : %s%s\n", i, i, k,
                         type_name(b->args[i]), x16);
    adze_text_append(t, "      %%r = %s(", b->name);
    for (int i = 0; i < b->operands; i++) adze_text_append(t, "%s%%v%d", i ? ", " : "", i);
    if (!strcmp(b->name, "cast"))
        adze_text_append(t, ") {to = %s} : %s%s\n", type_name(b->result), type_name(b->result),
                         x16);
    else
        adze_text_append(t, ") : %s%s\n", type_name(b->result), x16);
    adze_text_append(t, "      store(%%r, %%y, %s, %%i)\n      yield()\n    }\n    return()\n  }\n",
                     k);
}

/* The arguments of the launches of body number `at`, with their types where `typed`. */
static void add_operands(adze_text *t, const adze_body *b, int at, bool typed)
{
    for (int i = 0; i < b->operands; i++) {
        adze_text_append(t, "%s%%x%d_%d", i ? ", " : "", at, i);
        if (typed) adze_text_append(t, ": %s[M]", type_name(b->args[i]));
    }
}

/* One module with both forms of some bodies. */
static void write_module(adze_text *t, const adze_body *const *bodies, int n)
{
    adze_text_append(t, "module @body {\n  func @main(");
    for (int k = 0; k < n; k++) {
        if (k) adze_text_append(t, ", ");
        add_operands(t, bodies[k], k, true);
    }
    for (int k = 0; k < 2 * n; k++)
        adze_text_append(t, "%s%s[M]", k ? ", " : ") -> (", type_name(bodies[k / 2]->result));
    for (int k = 0; k < 2 * n; k++) adze_text_append(t, "%s-1", k ? ", " : ") {offsets = dims(");
    adze_text_append(t, ")} {\n");
    for (int k = 0; k < 2 * n; k++) {
        const adze_body *b = bodies[k / 2];
        adze_text_append(t, "    %%y%d = launch(", k);
        add_operands(t, b, k / 2, false);
        adze_text_append(t, ") {callee = @%s%s} : %s[M]\n", b->symbol, k % 2 ? "x16" : "",
                         type_name(b->result));
    }
    for (int k = 0; k < 2 * n; k++) adze_text_append(t, "%s%%y%d", k ? ", " : "    return(", k);
    adze_text_append(t, ")\n  }\n");
    for (int k = 0; k < 2 * n; k++) add_kernel(t, bodies[k / 2], k % 2);
    adze_text_append(t, "}\n");
}

static bool is_op(const x86_fixture *f, const adze_body *b)
{
    bool ok = adze_row_find(f->context, b->name) && is_tested(b->dtype) && is_tested(b->result);
    for (int k = 0; k < b->operands; k++) ok = ok && is_tested(b->args[k]);
    return ok && strcmp(b->name, "quantize") != 0 && strcmp(b->name, "dequantize") != 0;
}

/* Every `of`-th body from `first` on. Vectors and native instructions may differ in the last bits.
 */
static void check_bodies(size_t first, size_t of)
{
    static const int64_t sizes[][2] = {{0, 0}, {0, 37}, {0, 160}, {-1, 0}};
    const adze_body *some[X86_MAX_IO / 3];
    int n = 0;
    size_t count;
    const adze_body *all = adze_body_all(&count);
    x86_fixture f;
    x86_begin(&f);
    f.precision = ADZE_PRECISION_STRICT; /* denormals count */
    REQUIRE(f.backend);
    for (size_t i = first; i < count + of; i += of) {
        if (i < count && is_op(&f, &all[i])) some[n++] = &all[i];
        if (!n || (i + of < count && n < X86_MAX_IO / 3)) continue;
        adze_text text = {0};
        write_module(&text, some, n);
        x86_compare(&f, some[0]->symbol, text.data, sizes, true, 2e-6);
        adze_text_free(&text);
        n = 0;
    }
    x86_end(&f);
}

TEST(bodies_0) { check_bodies(0, 4); }
TEST(bodies_1) { check_bodies(1, 4); }
TEST(bodies_2) { check_bodies(2, 4); }
TEST(bodies_3) { check_bodies(3, 4); }

/* ---- What is refused ---- */

static void check_refused(const char *text, const char *output, const char *want)
{
    x86_fixture f;
    x86_begin(&f);
    adze_module *module = adze_module_parse(f.context, "t.adz", text, strlen(text));
    REQUIRE(module);
    CHECK(!x86_emit(&f, module, output ? output : f.library));
    CHECK(f.errors.data && strstr(f.errors.data, want));
    if (!f.errors.data || !strstr(f.errors.data, want))
        printf("got: %s\n", f.errors.data ? f.errors.data : "nothing");
    CHECK(access(output ? output : f.library, F_OK) != 0);
    adze_module_destroy(module);
    x86_end(&f);
}

TEST(refused)
{
    static const char good[] = "func @main(%x: f32[4]) -> (f32[4]) {\n return(%x)\n}\n";
    check_refused("func @main(%x: f32[4]) -> (f32[4]) {\n %y = neg(%x) : f32[4]\n %z = neg(%y) : "
                  "f32[4]\n return(%z)\n}\n",
                  NULL, "has no memory: the module is not planned");
    check_refused("func @main(%x: f32[4]) -> (f32[4]) {offsets = dims(0, -1, 3)} {\n %y = neg(%x) "
                  ": f32[4]\n return(%y)\n}\n",
                  NULL, "has 3 entries for 1 values");
    check_refused("func @main(%x: i64[1], %s: i64[]) -> (i64[1]) {offsets = dims(-1, -1, -1)} {\n"
                  " %y = range(%s, %s, %s) : i64[?]\n %z = neg(%y) : i64[?]\n %w = neg(%x) : "
                  "i64[1]\n return(%w)\n}\n",
                  NULL, "result 0 of 'range' has no memory: the module is not planned");
#define NINE(type) "sequence(sequence(sequence(sequence(sequence(sequence(sequence(sequence(sequence(" type ")))))))))"
    check_refused("func @main(%x: " NINE("f32[]") ") -> (" NINE("f32[]") ") {\n return(%x)\n}\n", NULL,
                  "no input or output can be of that type");
#undef NINE
    check_refused(good, "/tmp/adze_x86.zip", "does not write '.zip' files");
    check_refused(good, "/nowhere/at/all.so", "cannot write there");
    check_refused("func @main(%x: f32[4]) -> (f32[4]) {offsets = dims(-1)} {\n %y = launch(%x) "
                  "{callee = @k} : f32[4]\n"
                  " return(%y)\n}\nfunc @k(%x: buffer(f32[4]), %y: buffer(f32[4])) -> () {\n"
                  " ukernel(%x) {name = \"nothing\"}\n return()\n}\n",
                  NULL, "there is no function adze_uk_nothing");
}

int main(void)
{
    RUN(access);
    RUN(broadcast);
    RUN(control);
    RUN(gemm);
    RUN(index);
    RUN(reduce);
    RUN(scratch);
    RUN(vector_add);
    RUN(bodies_0);
    RUN(bodies_1);
    RUN(bodies_2);
    RUN(bodies_3);
    RUN(refused);
    return unit_end();
}
