/* Hostile IR text: endless nesting, cut and mangled texts. There may be errors, never a crash or a
 * hang. */
#include "text_fixture.h"

#include <stdlib.h>

TEST(errors_are_bounded)
{
    capture c = {0};
    adze_text text = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    adze_text_append(&text, "func @f(%%x: f32[4]) -> () {\n");
    for (int i = 0; i < 10000; i++) adze_text_append(&text, "  nosuch(%%x)\n");
    CHECK(!parse(context, text.data));
    CHECK_INT(c.errors, 51);
    CHECK(strstr(c.text.data, "too many errors; the rest of the text is not read"));
    adze_context_destroy(context);
    adze_text_free(&text);
    adze_text_free(&c.text);
}

/* The last error that is reported may leave a token that starts nothing. */
TEST(errors_end_where_the_rest_is_no_op)
{
    capture c = {0};
    adze_text text = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    adze_text_append(&text, "func @f(%%x: f32[4]) -> () {\n");
    for (int i = 0; i < 49; i++) adze_text_append(&text, "  nosuch(%%x)\n");
    adze_text_append(&text, "  %%0 = relu(%%x)\n  %%0 = relu(%%x)\n  [\n  %%0 = relu(%%x)\n}\n");
    CHECK(!parse(context, text.data));
    CHECK_INT(c.errors, 51);
    adze_context_destroy(context);
    adze_text_free(&text);
    adze_text_free(&c.text);
}

/* `before` n times, `middle`, `after` n times: an error, not an overflowing stack. */
static void check_deep(const char *head, const char *before, const char *middle, const char *after)
{
    adze_text text = {0};
    adze_text_append(&text, "%s", head);
    for (int i = 0; i < 1000000; i++) adze_text_write(&text, before, strlen(before));
    adze_text_append(&text, "%s", middle);
    for (int i = 0; i < 1000000; i++) adze_text_write(&text, after, strlen(after));
    capture c = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    CHECK(!adze_module_parse(context, "deep.adz", text.data, text.size));
    CHECK(c.errors >= 1 && c.errors < 60);
    adze_context_destroy(context);
    adze_text_free(&text);
    adze_text_free(&c.text);
}

TEST(nesting_is_bounded)
{
    const char *args = "func @f(%i: i64) -> () {\n";
    check_deep("func @f(%x: ", "sequence(", "f32[]", ")");
    check_deep("func @f(%x: f32[", "(", "N", ")");
    check_deep("func @f(%x: f32[", "min(N,", "N", ")");
    check_deep("func @f(%x: f32[", "-", "N", "]");
    check_deep("func @f(%x: f32[", "1+", "N", "]");
    check_deep("func @f(%x: f32[", "N*", "N", "]");
    check_deep(args, "parallel(%i) do { (%j: i64)\n", "", "}\n");
    check_deep(args, "{", "", "}");
    check_deep("module @m {a = ", "[", "1", "]");
    check_deep("", "module @m {", "", "}");
}

/* A chain of derived constants that each need two others would take for ever to compute. */
TEST(derived_chains_are_bounded)
{
    adze_text text = {0};
    adze_text_append(&text, "const @c0: f32[1] = dense[1]\nconst @c1: f32[1] = dense[1]\n");
    for (int i = 2; i < 60; i++)
        adze_text_append(&text, "const @c%d: f32[1] = derived add(@c%d, @c%d)\n", i, i - 1, i - 2);
    check_error(text.data, "derived from more than 1000 other derived constants");
    adze_text_free(&text);
}

static void check_parses(const adze_text *text)
{
    adze_context *context = adze_context_create();
    adze_module *module = adze_module_parse(context, "long.adz", text->data, text->size);
    CHECK(module && adze_module_verify(module));
    adze_module_destroy(module);
    adze_context_destroy(context);
}

/* `head`, n times `item` with its number in the place of #, `tail`. */
static adze_text many(const char *head, const char *item, const char *between, const char *tail)
{
    adze_text text = {0};
    adze_text_append(&text, "%s", head);
    for (int i = 0; i < 100000; i++) {
        const char *number = strchr(item, '#');
        adze_text_append(&text, "%s%.*s%d%s", i ? between : "", (int)(number - item), item, i, number + 1);
    }
    adze_text_append(&text, "%s", tail);
    return text;
}

/* Minutes where each is compared with all others; well below a second else. */
TEST(long_lists_are_read)
{
    adze_text texts[] = {
        many("func @f(", "%x#: f32[4]", ", ", ") -> (f32[4]) {\n  return(%x0)\n}\n"),
        many("func @f(%x: f32[4]) -> (", "%y#: f32[4]", ", ", ") {\n"),
        many("", "func @f#() -> () {\n  return()\n}\n", "", ""),
        many("", "const @c#: f32[] = dense[1]\n", "", "func @f() -> () {\n  return()\n}\n"),
    };
    adze_text_append(&texts[1], "  return(");
    for (int i = 0; i < 100000; i++) adze_text_append(&texts[1], i ? ", %%x" : "%%x");
    adze_text_append(&texts[1], ")\n}\n");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_parses(&texts[i]);
        adze_text_free(&texts[i]);
    }
}

TEST(attributes_and_nodes_are_bounded)
{
    adze_text attrs = many("module @m {", "a# = 1", ", ", "} {}");
    adze_text nodes = many("func @f(%x: f32[4]) -> (f32[4]) {\n  %0 = relu(%x) loc(", "\"n#\"", ", ",
                           ")\n  return(%0)\n}\n");
    check_error(attrs.data, "more than 10000 attributes");
    check_error(nodes.data, "more than 10000 nodes");
    adze_text_free(&attrs);
    adze_text_free(&nodes);
}

/* The shape of a reshape could be the sum of 4 GB; it is then not known. */
TEST(inference_computes_little)
{
    static const char text[] = "const @n: i64[2] = dense[30000, 30000]\n"
                               "const @axes: i64[2] = dense[0, 1]\n"
                               "const @big: f32[30000,30000] = derived constant_of_shape(@n) {value = 1.0}\n"
                               "const @sum: f32[1,1] = derived reduce_sum(@big, @axes)\n"
                               "const @entry: i64[1,1] = derived cast(@sum) {to = i64}\n"
                               "const @one: i64[1] = dense[1]\n"
                               "const @shape: i64[1] = derived reshape(@entry, @one)\n"
                               "func @f(%x: f32[4]) -> (f32[?]) {\n"
                               "  %0 = reshape(%x, @shape)\n"
                               "  return(%0)\n"
                               "}\n";
    adze_text whole = {.data = (char *)(uintptr_t)text, .size = sizeof text - 1};
    check_parses(&whole);
}

/* Parsing must end without a crash, and what parses must print and verify without one. */
static bool survives(const char *text, size_t size)
{
    adze_context *context = adze_context_create();
    char *exact = malloc(size ? size : 1); /* so that a sanitizer sees reads past the end */
    memcpy(exact, text, size);
    adze_module *module = adze_module_parse(context, "h.adz", exact, size);
    bool ok = module || adze_context_errors(context) > 0;
    free(exact);
    if (module) {
        adze_text out = {0};
        adze_module_verify(module);
        ok = adze_module_print(module, NULL, &out) && ok;
        adze_module *again = adze_module_parse(context, "h.adz", out.data, out.size);
        ok = again && ok;
        if (!again) printf("no fixpoint: %s\n", out.data);
        adze_module_destroy(again);
        adze_text_free(&out);
    }
    adze_module_destroy(module);
    adze_context_destroy(context);
    return ok;
}

TEST(truncations)
{
    for (size_t n = 0; n < sizeof sample - 1; n++) CHECK(survives(sample, n));
}

static uint64_t state;
#define NEXT(n)                                                                                    \
    (state ^= state << 13, state ^= state >> 7, state ^= state << 17, (size_t)(state % (n)))
#define PICK(list) list[NEXT(sizeof list / sizeof *list)]

/* Mutations: bytes changed, ranges copied, removed and doubled, from a fixed seed. */
TEST(mutations)
{
    state = 88172645463325252u;
    static const char tokens[][12] = {
        "(", ")", "{",  "}",  "[",   "]",    "<",           ">",    ",",    ":",     "=",
        "-", "*", "%0", "@w", "f32", "N",    "99999999999", "do",   "func", "const", "\"",
        "_", "?", "$9", "%x", "->",  "relu", "\xff",        "min(", "0x",   "1e999"};
    for (int round = 0; round < 4000; round++) {
        char text[2 * sizeof sample];
        size_t size = sizeof sample - 1;
        memcpy(text, sample, size);
        for (size_t k = 1 + NEXT(4); k; k--) {
            size_t at = NEXT(size), n = NEXT(40);
            if (at + n > size) n = size - at;
            if (NEXT(3) == 0) {
                memmove(text + at, text + at + n, size - at - n);
                size -= n;
            } else if (NEXT(2) && size + n < sizeof text) {
                memmove(text + at + n, text + at, size - at);
                size += n;
            } else {
                const char *token = tokens[NEXT(sizeof tokens / sizeof *tokens)];
                if (at + strlen(token) < size) memcpy(text + at, token, strlen(token));
            }
        }
        CHECK(survives(text, size));
    }
}

static const char constants[] =
    "const @a: i64[3] = dense[0, -1, 9223372036854775807]\n"
    "const @b: f32[2] = dense[nan, -inf]\n"
    "const @c: i64[] = dense[-9223372036854775808]\n"
    "const @d: i64[0] = dense[]\n"
    "const @e: i64[4] = dense[1, 2, 3, 4]\n"
    "const @g: i64[2] = dense[1, 0]\n"
    "const @h: i32[2,2] = dense[-1, 1, 0, 2147483647]\n"
    "const @i: f32[2,3] = dense[0, -0.0, 1, inf, 1e-40, 3e38]\n"
    "const @j: f32[1,2,3,2] = dense[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]\n"
    "const @k: i8[2,3] = dense[-128, 127, 0, 1, 2, 3]\n"
    "const @l: bool[2] = dense[true, false]\n"
    "const @m: f16[3] = dense[65504, -inf, nan]\n"
    "const @n: i4[3] = dense[-8, 7, 0]\n"
    "const @o: u64[2] = dense[18446744073709551615, 0]\n"
    "const @p: f32[0,3] = dense[]\n"
    "const @q: f64[3] = dense[1e308, -1e308, nan]\n"
    "const @r: f32[] = dense[0]\n"
    "const @s: str[1] = dense[\"x\"]\n"
    "const @z: i8[1,1,1,1,1,1,1,1,1,1,1,1] = dense[1]\n";
static const char *const constant_names[] = {"@a", "@b", "@c", "@d", "@e", "@g", "@h",
                                             "@i", "@j", "@k", "@l", "@m", "@n", "@o",
                                             "@p", "@q", "@r", "@s", "@z", "_"};

static void random_attrs(adze_text *text, const adze_op_row *row)
{
    static const char *const ints[] = {
        "0", "1", "-1", "2", "12", "-9223372036854775808", "9223372036854775807", "32"};
    static const char *const lists[] = {
        "[]",
        "[0]",
        "[1, 1]",
        "[-1, 9223372036854775807]",
        "[0, 0, 0, 0]",
        "[9223372036854775807, 9223372036854775807]",
        "[1, 0, 3, 2]",
        "[2, 2]",
        "[1, 0]",
        "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"};
    static const char *const strings[] = {"\"conv\"", "\"\"", "\"SAME_UPPER\"", "\"linear\"",
                                          "\"reflect\""};
    static const char *const dtypes[] = {"i4", "str", "f16", "bool", "c64", "f8e8m0"};
    const char *comma = "";
    adze_text_append(text, " {");
    for (uint32_t i = 0; i < row->n_attrs; i++) {
        const adze_attr_row *attr = &row->attrs[i];
        bool required = attr->fallback && strcmp(attr->fallback, "!") == 0;
        if (!required && NEXT(2)) continue;
        const char *value = attr->kind == ADZE_ATTR_FLOAT  ? (NEXT(2) ? "-inf" : "0.5")
                            : attr->kind == ADZE_ATTR_STR  ? PICK(strings)
                            : attr->kind == ADZE_ATTR_TYPE ? PICK(dtypes)
                            : attr->kind == ADZE_ATTR_INTS ? PICK(lists)
                            : attr->kind == ADZE_ATTR_DIMS ? "[N, -1, ?]"
                            : attr->kind == ADZE_ATTR_DIM  ? "floordiv($0, N)"
                            : attr->kind == ADZE_ATTR_SYM  ? "@f"
                                                           : PICK(ints);
        adze_text_append(text, "%s%s = %s", comma, attr->name, value);
        comma = ", ";
    }
    adze_text_append(text, "}");
}

/* One op with operands from `names`; returns how many results it has. */
static uint32_t random_op(adze_text *text, const adze_op_row *row, const char *const *names,
                          size_t n)
{
    uint32_t outs = row->out_min + (uint32_t)NEXT(2), ins = row->in_min + (uint32_t)NEXT(3);
    if (outs > row->out_max) outs = row->out_max;
    if (ins > row->in_max) ins = row->in_max;
    for (uint32_t i = 0; i < outs; i++) adze_text_append(text, "%s%%%u", i ? ", " : "", i);
    adze_text_append(text, "%s%s(", outs ? " = " : "", row->name);
    for (uint32_t i = 0; i < ins; i++)
        adze_text_append(text, "%s%s", i ? ", " : "", names[NEXT(n)]);
    adze_text_append(text, ")");
    random_attrs(text, row);
    for (uint32_t i = 0; i < row->regions; i++)
        adze_text_append(text, " do { (%%p: i64, %%x: f32) yield(%%x) }");
    return outs;
}

/* Every op on operands that do not fit it, with attributes far out: inference and verifier must
 * cope. */
TEST(rows_on_strange_operands)
{
    static const char head[] =
        "func @f(%t: f32[N,3,H,W], %u: f32[*], %r: f32[], %e: f32[0,4],\n"
        "        %h: f32[4611686018427387904,4], %q: f32[?,2], %b: buffer(f32[4,4]), %s: f32, %v: "
        "f32x16,\n"
        "        %i: i64, %l: sequence(f32[4]), %o: optional(i64[]), %m: map(i64, f32[]), %n: "
        "bool[N,3,1,1],\n"
        "        %w: f32[8,3,3,3], %k: f32[4,4]<perm=[1,0], halo=[1,0]>) -> () {\n  ";
    static const char *const values[] = {"%t", "%u", "%r", "%e", "%h", "%q", "%b", "%s",
                                         "%v", "%i", "%l", "%o", "%m", "%n", "%w", "%k",
                                         "@a", "@b", "@c", "@d", "@e", "@s", "@z", "_"};
    static const char *const types[] = {"f32[4]",
                                        "f32[*]",
                                        "i64[N,2]",
                                        "bool[]",
                                        "f32",
                                        "f32x16",
                                        "sequence(f32[1])",
                                        "buffer(f32[4,4])",
                                        "f32[4,4]<perm=[1,0]>",
                                        "str[1]"};
    adze_context *context = adze_context_create();
    state = 20240229;
    for (int round = 0; round < 8000; round++) {
        const adze_op_row *row = adze_row_get(context, (uint32_t)NEXT(adze_row_count(context)));
        adze_text text = {0};
        adze_text_append(&text, "%s%s", constants, head);
        uint32_t outs = random_op(&text, row, values, sizeof values / sizeof *values);
        if (NEXT(2))
            for (uint32_t i = 0; i < outs; i++)
                adze_text_append(&text, "%s%s", i ? ", " : " : ", PICK(types));
        adze_text_append(&text, "\n  return()\n}\n");
        bool ok = survives(text.data, text.size);
        CHECK(ok);
        if (!ok) printf("%s\n", text.data);
        adze_text_free(&text);
    }
    adze_context_destroy(context);
}

/* The same on constants, run: evaluations must refuse what they cannot do. */
TEST(evaluations_of_strange_constants)
{
    adze_context *rows = adze_context_create();
    state = 4711;
    uint32_t ran = 0;
    for (int round = 0; round < 8000; round++) {
        const adze_op_row *row = adze_row_get(rows, (uint32_t)NEXT(adze_row_count(rows)));
        adze_text text = {0};
        adze_text_append(&text, "%sfunc @f() -> () {\n  ", constants);
        random_op(&text, row, constant_names, sizeof constant_names / sizeof *constant_names);
        adze_text_append(&text, "\n  return()\n}\n");
        adze_context *context = adze_context_create();
        adze_context_set_max_memory(context, 1 << 24);
        adze_module *module = adze_module_parse(context, "e.adz", text.data, text.size);
        if (module && adze_module_verify(module)) {
            bool ok = adze_interpret(adze_module_main(module), NULL, 0, NULL, 0, NULL, NULL);
            CHECK(ok || adze_context_errors(context) > 0);
            ran += ok;
        }
        adze_module_destroy(module);
        adze_context_destroy(context);
        adze_text_free(&text);
    }
    CHECK(ran > 500);
    adze_context_destroy(rows);
}

int main(void)
{
    RUN(errors_are_bounded);
    RUN(errors_end_where_the_rest_is_no_op);
    RUN(nesting_is_bounded);
    RUN(derived_chains_are_bounded);
    RUN(long_lists_are_read);
    RUN(attributes_and_nodes_are_bounded);
    RUN(inference_computes_little);
    RUN(truncations);
    RUN(mutations);
    RUN(rows_on_strange_operands);
    RUN(evaluations_of_strange_constants);
    return unit_end();
}
