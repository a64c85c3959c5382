/* IR text: what is printed parses to an equal module that prints the same; every error names its place;
 * hostile text gives errors, never a crash. */
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

#include <adze/ir.h>

typedef struct capture {
    adze_text text; /* all diagnostics as people see them */
    uint32_t errors;
} capture;

static void keep(void *self, const adze_diagnostic *diagnostic)
{
    capture *c = self;
    c->errors += diagnostic->severity == ADZE_ERROR;
    adze_diagnostic_print(diagnostic, &c->text);
}

static adze_module *parse(adze_context *context, const char *text)
{
    return adze_module_parse(context, "t.adz", text, strlen(text));
}

/* Parses, prints, and does both again: the printouts must be equal. Caller frees. */
static char *reprint(const char *text)
{
    capture c = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    adze_print_options options = {.struct_size = sizeof options, .locations = true, .max_elements = 16};
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
    snprintf(wanted, sizeof wanted, "module @module {\n  func @f(%%x: %s) -> () {\n    return()\n  }\n}\n", want);
    char *got = reprint(text);
    CHECK_STR(got, wanted);
    free(got);
}

/* The first diagnostic of `text` must contain `want`. */
static void check_error(const char *text, const char *want)
{
    capture c = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    adze_module *module = parse(context, text);
    CHECK(!module);
    if (!c.text.data || !strstr(c.text.data, want)) {
        CHECK_STR(c.text.data, want);
        printf("  in: %s\n", text);
    } else {
        CHECK(c.errors > 0);
    }
    adze_module_destroy(module);
    adze_context_destroy(context);
    adze_text_free(&c.text);
}

static const char sample[] =
    "module @sample {opset = 17, ratio = 0.5, name = \"x\", on = true, sizes = [1, 2], parts = [0.5, 1.0],"
    " words = [\"a\", \"b\"], bytes = dim(64*N), shape = dims(N, 3), of = type(f32[N]), dtype = f16, entry = @main} {\n"
    "  const @w: f32[2] = dense[1.5, -0.0]\n"
    "  const @\"a b\": i8[3] = dense[-128, 0, 127]\n"
    "  const @h: f16[2] = hex\"003c0040\"\n"
    "  const @t: bool[2] = dense[true, false]\n"
    "  const @s: str[2] = dense[\"a\\\"b\", \"\\x00\"]\n"
    "  func @main(%x: f32[N,2], %\"1\": f32[?]) -> (%y: f32[N,2], f32[N,2]) {arena_bytes = dim(8*N)} {\n"
    "    %0 = relu(%x) : f32[N,2] loc(\"n1\", \"n 2\")\n"
    "    %x_1, %1 = split(%0, _) {axis = 1, num_outputs = 2} : f32[N,1], f32[N,1]\n"
    "    %2 = add(%0, @w) : f32[N,2]\n"
    "    %3 = kernel(%2) do { (%p: f32[N,2])\n"
    "      %4 = neg(%p) : f32[N,2]\n"
    "      yield(%4)\n"
    "    } : f32[N,2]\n"
    "    return(%3, %2)\n"
    "  }\n"
    "  func @loops(%a: buffer(f32[N,64]<strides=[72,1], align=64, alias=1>), %n: i64) -> () {\n"
    "    %0 = apply(%n) {expr = 4*$0+floordiv(N, 2)} : i64\n"
    "    for(%n, %0, %0) do { (%i: i64)\n"
    "      %1 = mask(%i) : boolx16\n"
    "      %2 = load(%a, %1, %i, %i) : f32x16\n"
    "      store(%2, %a, _, %i, %i)\n"
    "      yield()\n"
    "    }\n"
    "    return()\n"
    "  }\n"
    "}\n";

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
    check_same("module @module {a = [], b = [-1.5, inf], c = nan, d = -inf, e = 1e+30, f = dims()} {\n}\n");
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
}

int main(void)
{
    RUN(sample_is_a_fixpoint);
    RUN(types);
    RUN(attribute_forms);
    RUN(names);
    RUN(filecheck_syntax_is_never_printed);
    RUN(errors_have_places);
    return unit_end();
}
