/* The verifier: a sound module passes; every kind of damage is reported, and all of them at once.
 */
#include "unit.h"

#include <stdlib.h>

#include <adze/ir.h>

typedef struct capture {
    adze_text text;
    uint32_t errors;
} capture;

static void keep(void *self, const adze_diagnostic *diagnostic)
{
    capture *c = self;
    c->errors += diagnostic->severity == ADZE_ERROR;
    adze_diagnostic_print(diagnostic, &c->text);
}

/* Parses and verifies `text`: `want` in the messages, or none if NULL. What inference refuses, the
 * parser reports already. */
static void check(const char *text, const char *want, uint32_t errors)
{
    capture c = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    adze_module *module = adze_module_parse(context, "v.adz", text, strlen(text));
    CHECK(module || want);
    if (module) CHECK_INT(adze_module_verify(module), want == NULL);
    CHECK_INT(c.errors, errors);
    bool found = !want || (c.text.data && strstr(c.text.data, want));
    CHECK(found);
    if (!found || c.errors != errors)
        printf("want %s in:\n%s\n", want ? want : "", c.text.data ? c.text.data : "");
    adze_module_destroy(module);
    adze_context_destroy(context);
    adze_text_free(&c.text);
}

TEST(sound)
{
    check("const @w: f32[4] = dense[1, 2, 3, 4]\n"
          "func @main(%x: f32[4]) -> (f32[4]) {\n"
          "  %0 = add(%x, @w) : f32[4]\n"
          "  %1 = kernel(%0, @w) do { (%p: f32[4], %q: f32[4])\n"
          "    %2 = mul(%p, %q) : f32[4]\n"
          "    yield(%2)\n"
          "  } : f32[4]\n"
          "  return(%1)\n"
          "}\n",
          NULL, 0);
    check("func @k(%x: buffer(f32[4]), %y: buffer(f32[4])) -> () {\n"
          "  %0 = apply() {expr = 0} : i64\n"
          "  %n = apply() {expr = 4} : i64\n"
          "  %1 = apply() {expr = 1} : i64\n"
          "  %z = lit() {value = 0} : f32\n"
          "  %s = for(%0, %n, %1, %z) do { (%i: i64, %sum: f32)\n"
          "    %v = load(%x, _, %i) : f32\n"
          "    %t = add(%sum, %v) : f32\n"
          "    store(%t, %y, _, %i)\n"
          "    yield(%t)\n"
          "  } : f32\n"
          "  return()\n"
          "}\n"
          "func @main(%x: f32[4]) -> (f32[4]) {\n"
          "  %0 = launch(%x) {callee = @k} : f32[4]\n"
          "  return(%0)\n"
          "}\n",
          NULL, 0);
}

TEST(functions)
{
    check("func @f(%x: f32[4]) -> (f32[4]) {\n}\n", "has no ops, expected return", 1);
    check("func @f(%x: f32[4]) -> (f32[4]) {\n  %0 = neg(%x) : f32[4]\n}\n",
          "must be return, not neg", 1);
    check("func @f(%x: f32[4]) -> (f32[4], f32[4]) {\n  return(%x)\n}\n",
          "return has 1 operands, but @f has 2", 1);
    check("func @f(%x: f32[4]) -> (f32[5]) {\n  return(%x)\n}\n",
          "operand 0 is f32[4], but result 0 of @f is f32[5]", 1);
    check("func @f(%x: f32[4]<pad=[8]>) -> (f32[4]) {\n  return(%x)\n}\n",
          "operand 0 is f32[4]<pad=[8]>", 1);
    check("func @f(%x: f32[4]) -> (%y: f32[4], %y: f32[4]) {\n  return(%x, %x)\n}\n",
          "two results named 'y'", 1);
    check("func @f(%x: f32[4]) -> () {\n  return()\n  return()\n}\n", "stands before the end", 1);
}

TEST(regions)
{
    check("func @f(%x: f32[4]) -> () {\n"
          "  %1 = kernel(%x) do { (%p: f32[4])\n    %2 = neg(%x) : f32[4]\n    yield(%2)\n  } : "
          "f32[4]\n  return()\n}\n",
          "'x' stands outside the region", 1);
    check("func @f(%x: f32[4]) -> () {\n"
          "  %1 = kernel(%x) do { (%p: f32[4])\n    %2 = neg(%p) : f32[4]\n  } : f32[4]\n  "
          "return()\n}\n",
          "must be yield, not neg", 1);
    check("func @f(%x: f32[4]) -> () {\n"
          "  %1 = kernel(%x) do {\n    yield(%x)\n  } : f32[4]\n  return()\n}\n",
          "has 0 arguments, expected 1", 2);
    check("func @f(%n: i64) -> () {\n  parallel(%n) do { (%i: f32)\n    yield()\n  }\n  "
          "return()\n}\n",
          "argument must be an i64", 1);
}

TEST(loops)
{
#define LOOP(line)                                                                                 \
    "func @f(%b: buffer(f32[4,4]), %i: i64, %v: f32, %w: f32x16, %m: boolx16) -> () {\n" line      \
    "\n  return()\n}\n"
    check(LOOP("  %0 = load(%b, _, %i) : f32"), "1 indices for a buffer of rank 2", 1);
    check(LOOP("  %0 = load(%b, _, %i, %v) : f32"), "operand 3 must be an i64", 1);
    check(LOOP("  %0 = load(%b, _, %i, %i) : f64"), "of the buffer's element type", 1);
    check(LOOP("  %0 = load(%b, %m, %i, %i) : f32"), "the mask must be a bool", 1);
    check(LOOP("  %0 = load(%b, %m, %i, %i) {axis = 2} : f32x16"), "axis 2 of a buffer of rank 2",
          1);
    check(LOOP("  store(%b, %b, _, %i, %i)"), "the value must be a scalar or vector", 1);
    check(LOOP("  store(%w, %v, _, %i, %i)"), "operand 1 must be a buffer", 1);
    check(LOOP("  %0 = apply(%i) {expr = $1} : i64"), "names an operand that is not there", 1);
    check(LOOP("  %0 = relu(%b) : buffer(f32[4,4])"), "does not take buffers", 2);
    check(LOOP("  %0 = add(%v, %w) : f32x16"), "add has operands of two types", 1);
    check(LOOP("  %0 = reduce_lanes(%w) {op = \"avg\"} : f32"), "knows add, mul, max and min", 1);
    check(LOOP("  %0 = splat(%w) : f32x16"), "splat wants a scalar", 1);
    check(LOOP("  %0 = for(%i, %i, %i, %v) do { (%k: i64, %s: f32)\n yield(%w)\n } : f32"),
          "operand 0 is f32x16", 1);
}

TEST(launches)
{
    check("func @f(%x: f32[4]) -> () {\n  %0 = launch(%x) {callee = @g} : f32[4]\n  return()\n}\n",
          "there is no function @g", 1);
    check("func @g(%a: buffer(f32[4])) -> () {\n  return()\n}\n"
          "func @f(%x: f32[4]) -> () {\n  %0 = launch(%x) {callee = @g} : f32[4]\n  return()\n}\n",
          "must take 2 buffers", 1);
    check("func @g(%a: buffer(f32[5]), %b: buffer(f32[4])) -> () {\n  return()\n}\n"
          "func @f(%x: f32[4]) -> () {\n  %0 = launch(%x) {callee = @g} : f32[4]\n  return()\n}\n",
          "argument 0 of @g is buffer(f32[5]), which does not hold f32[4]", 1);
    check("func @g(%b: buffer(f32[4])) -> () {\n  %0 = launch() {callee = @g} : f32[4]\n  "
          "return()\n}\n",
          "stands in a function of buffers", 1);
}

TEST(all_at_once)
{
    check("func @f(%x: f32[4]) -> (f32[5], f32[6]) {\n"
          "  parallel(%x) do { (%i: i64)\n    yield(%x)\n  }\n"
          "  return(%x, %x)\n}\n"
          "func @g() -> () {\n}\n",
          "parallel: operand 0 must be an i64", 5);
}

/* Damage that no text can express. */
TEST(built_damage)
{
    capture c = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    const char text[] =
        "func @f(%x: f32[4]) -> (f32[4]) {\n  %0 = neg(%x) : f32[4]\n  %1 = neg(%0) : f32[4]\n"
        "  %2 = cast(%1) {to = f32} : f32[4]\n  return(%2)\n}\n";
    adze_module *module = adze_module_parse(context, "v.adz", text, sizeof text - 1);
    REQUIRE(module);
    adze_op *first = adze_region_first(adze_func_body(adze_module_main(module)));
    adze_op_set_operand(first, 0, NULL);
    CHECK(!adze_module_verify(module));
    CHECK(strstr(c.text.data, "operand 0 is absent but required"));
    adze_op_set_operand(first, 0, adze_op_result(adze_op_next(first), 0));
    CHECK(!adze_module_verify(module));
    CHECK(strstr(c.text.data, "is used above its definition"));
    adze_op *cast = adze_op_next(adze_op_next(first));
    ((adze_slot *)(uintptr_t)adze_op_attrs(cast))->set = 0;
    CHECK(!adze_module_verify(module));
    CHECK(strstr(c.text.data, "cast needs attribute 'to'"));
    adze_value_set_type(adze_op_result(first, 0), adze_type_none(context));
    CHECK(!adze_module_verify(module));
    CHECK(strstr(c.text.data, "result 0 has no type"));
    adze_module_destroy(module);
    adze_context_destroy(context);
    adze_text_free(&c.text);
}

int main(void)
{
    RUN(sound);
    RUN(functions);
    RUN(regions);
    RUN(loops);
    RUN(launches);
    RUN(all_at_once);
    RUN(built_damage);
    return unit_end();
}
