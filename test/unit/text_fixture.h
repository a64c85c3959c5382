/* What the tests of IR text share: captured diagnostics and a sample with every form of text. */
#ifndef ADZE_TEXT_FIXTURE_H
#define ADZE_TEXT_FIXTURE_H

#include "unit.h"

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
    "module @sample {opset = 17, ratio = 0.5, name = \"x\", on = true, sizes = [1, 2], parts = "
    "[0.5, 1.0],"
    " words = [\"a\", \"b\"], bytes = dim(64*N), shape = dims(N, 3), of = type(f32[N]), dtype = "
    "f16, entry = @main} {\n"
    "  const @w: f32[2] = dense[1.5, -0.0]\n"
    "  const @\"a b\": i8[3] = dense[-128, 0, 127]\n"
    "  const @h: f16[4] = dense[0.099975586, -inf, nan, 5.9604645e-08]\n"
    "  const @e: f8e8m0[2] = hex\"003c\"\n"
    "  const @f: f4e2m1[3] = dense[0.5, -6.0, -0.0]\n"
    "  const @u: u4[3] = dense[15, 0, 1]\n"
    "  const @n: f32[2] = hex\"010080ff0000c07f\"\n"
    "  const @t: bool[2] = dense[true, false]\n"
    "  const @s: str[2] = dense[\"a\\\"b\", \"\\x00\"]\n"
    "  func @main(%x: f32[N,2], %\"1\": f32[?]) -> (%y: f32[N,2], f32[N,2]) {arena_bytes = "
    "dim(8*N)} {\n"
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

#endif
