/* The reference interpreter: loop IR on real memory, layouts, symbols, errors instead of bad
 * accesses. */
#include "unit.h"

#include <stdlib.h>

#include <adze/ir.h>

typedef struct capture {
    adze_text text;
    uint32_t observed;
} capture;

static void keep(void *self, const adze_diagnostic *diagnostic)
{
    adze_diagnostic_print(diagnostic, &((capture *)self)->text);
}

static void observe(void *self, const adze_op *op, const adze_value *results, uint32_t n)
{
    (void)op, (void)results, (void)n;
    ((capture *)self)->observed++;
}

/* out, in, count, factor */
static void scale(const adze_ukernel_arg *x)
{
    for (int64_t i = 0; i < x[2].i; i++)
        ((float *)x[0].p)[i] = ((const float *)x[1].cp)[i] * x[3].f;
}

static bool scale_reach(const adze_ukernel_arg *x, adze_reach *out)
{
    out[0] = out[1] = (adze_reach){0, 4 * x[2].i};
    return x[2].i <= 1000;
}

static const adze_ukernel kernels[] = {{"scale", "ppif", scale, scale_reach}};

/* Parses, verifies and runs `text` on f32 inputs 0, 1, 2, … of `rank` and `dims`. With
 * `want_error`, the run must fail with that message; else output 0 (f32, `n` elements) must be
 * `want`. */
static void run(const char *text, uint32_t rank, const int64_t *dims, const float *want, uint64_t n,
                const char *want_error)
{
    capture c = {0};
    adze_context *context = adze_context_create();
    adze_context_set_sink(context, keep, &c);
    adze_context_add_ukernels(context, kernels, 1);
    adze_module *module = adze_module_parse(context, "i.adz", text, strlen(text));
    CHECK(module && adze_module_verify(module));
    if (c.text.data) printf("%s", c.text.data);
    adze_value in = {.kind = ADZE_VALUE_TENSOR,
                     .dtype = ADZE_DTYPE_f32,
                     .rank = rank,
                     .dims = dims},
               out = {0};
    uint64_t count = adze_value_count(&in);
    float *data = malloc((count + 1) * sizeof *data);
    for (uint64_t i = 0; i < count; i++) data[i] = (float)i;
    in.data = data;
    bool ok = module && adze_interpret(adze_module_main(module), &in, 1, &out, 1, observe, &c);
    CHECK_INT(ok, want_error == NULL);
    if (want_error) {
        CHECK(c.text.data && strstr(c.text.data, want_error));
        if (!c.text.data || !strstr(c.text.data, want_error))
            printf("%s\n", c.text.data ? c.text.data : "");
    } else if (ok) {
        CHECK_INT((int64_t)adze_value_count(&out), (int64_t)n);
        for (uint64_t i = 0; i < n; i++) CHECK_NEAR(((float *)out.data)[i], want[i], 0);
        CHECK(c.observed > 0);
    } else {
        printf("%s", c.text.data ? c.text.data : "");
    }
    adze_outputs_free(&out, 1);
    adze_module_destroy(module);
    adze_context_destroy(context);
    adze_text_free(&c.text);
    free(data);
}

/* y = x + 1 over rows of 20 in vectors of 16 with a masked tail; N is bound from the input. */
#define ADD_ONE(body)                                                                              \
    "func @k(%x: buffer(f32[N,20]), %y: buffer(f32[N,20])) -> () {\n"                              \
    "  %c0 = apply() {expr = 0} : i64\n"                                                           \
    "  %n = apply() {expr = N} : i64\n"                                                            \
    "  %c20 = apply() {expr = 20} : i64\n"                                                         \
    "  %c16 = apply() {expr = 16} : i64\n"                                                         \
    "  %one = lit() {value = 1} : f32\n"                                                           \
    "  %ones = splat(%one) : f32x16\n"                                                             \
    "  parallel(%n) do { (%i: i64)\n"                                                              \
    "    for(%c0, %c20, %c16) do { (%j: i64)\n"                                                    \
    "      %left = apply(%j) {expr = 20 - $0} : i64\n"                                             \
    "      %m = mask(%left) : boolx16\n" body "      yield()\n"                                    \
    "    }\n"                                                                                      \
    "    yield()\n"                                                                                \
    "  }\n"                                                                                        \
    "  return()\n"                                                                                 \
    "}\n"                                                                                          \
    "func @main(%x: f32[N,20]) -> (f32[N,20]) {\n"                                                 \
    "  %0 = launch(%x) {callee = @k} : f32[N,20]\n"                                                \
    "  return(%0)\n"                                                                               \
    "}\n"

TEST(masked_vectors)
{
    int64_t dims[] = {3, 20};
    float want[60];
    for (int i = 0; i < 60; i++) want[i] = (float)i + 1;
    run(ADD_ONE("      %v = load(%x, %m, %i, %j) : f32x16\n"
                "      %w = add(%v, %ones) : f32x16\n"
                "      store(%w, %y, %m, %i, %j)\n"),
        2, dims, want, 60, NULL);
}

/* A bound that is absent is no bound, in vectors too. */
TEST(clip_with_one_bound)
{
    int64_t dims[] = {3, 20};
    float want[60];
    for (int i = 0; i < 60; i++) want[i] = i < 1 ? 1 : (float)i;
    run(ADD_ONE("      %v = load(%x, %m, %i, %j) : f32x16\n"
                "      %w = clip(%v, %ones, _) : f32x16\n"
                "      store(%w, %y, %m, %i, %j)\n"),
        2, dims, want, 60, NULL);
}

TEST(accesses_outside_are_errors)
{
    int64_t dims[] = {3, 20};
    run(ADD_ONE("      %v = load(%x, _, %i, %j) : f32x16\n"
                "      store(%v, %y, %m, %i, %j)\n"),
        2, dims, NULL, 0, "load: [2, 16] in a later lane leaves the buffer's memory");
    run(ADD_ONE("      %neg = apply(%j) {expr = -1 - $0} : i64\n"
                "      %v = load(%x, _, %neg, %j) : f32\n"
                "      store(%v, %y, _, %i, %j)\n"),
        2, dims, NULL, 0, "load: [-1, 0] leaves the buffer's memory");
    run(ADD_ONE("      %far = apply(%j) {expr = 4611686018427387904 + $0} : i64\n"
                "      %v = load(%x, _, %i, %j) : f32\n"
                "      store(%v, %y, _, %far, %j)\n"),
        2, dims, NULL, 0, "leaves the buffer's memory");
}

/* The input is stored channels-last with one ring of zeros; the sum of three neighbours reads the
 * ring. */
TEST(layouts_and_halo)
{
    int64_t dims[] = {2, 3};
    static const float want[] = {1, 3, 3, 7, 12, 9};
    static const char text[] =
        "func @k(%x: buffer(f32[3,2]<strides=[2,1]>), %y: buffer(f32[2,3])) -> () {\n"
        "  %c0 = apply() {expr = 0} : i64\n"
        "  %c1 = apply() {expr = 1} : i64\n"
        "  %c2 = apply() {expr = 2} : i64\n"
        "  %c3 = apply() {expr = 3} : i64\n"
        "  for(%c0, %c2, %c1) do { (%c: i64)\n"
        "    for(%c0, %c3, %c1) do { (%w: i64)\n"
        "      %l = apply(%w) {expr = $0 - 1} : i64\n"
        "      %r = apply(%w) {expr = $0 + 1} : i64\n"
        "      %a = load(%x, _, %l, %c) : f32\n"
        "      %b = load(%x, _, %w, %c) : f32\n"
        "      %d = load(%x, _, %r, %c) : f32\n"
        "      %s = add(%a, %b) : f32\n"
        "      %t = add(%s, %d) : f32\n"
        "      store(%t, %y, _, %c, %w)\n"
        "      yield()\n"
        "    }\n"
        "    yield()\n"
        "  }\n"
        "  return()\n"
        "}\n"
        "func @copy(%x: buffer(f32[2,3]), %y: buffer(f32[3,2]<strides=[2,1]>)) -> () {\n"
        "  %c0 = apply() {expr = 0} : i64\n"
        "  %c1 = apply() {expr = 1} : i64\n"
        "  %c3 = apply() {expr = 3} : i64\n"
        "  %c2 = apply() {expr = 2} : i64\n"
        "  for(%c0, %c2, %c1) do { (%c: i64)\n"
        "    for(%c0, %c3, %c1) do { (%w: i64)\n"
        "      %a = load(%x, _, %c, %w) : f32\n"
        "      store(%a, %y, _, %w, %c)\n"
        "      yield()\n"
        "    }\n"
        "    yield()\n"
        "  }\n"
        "  return()\n"
        "}\n"
        "func @main(%x: f32[2,3]) -> (f32[2,3]) {\n"
        "  %0 = launch(%x) {callee = @copy} : f32[2,3]<perm=[1,0], halo=[0,1]>\n"
        "  %1 = launch(%0) {callee = @k} : f32[2,3]\n"
        "  return(%1)\n"
        "}\n";
    run(text, 2, dims, want, 6, NULL);
    /* A kernel that writes into the ring is caught. */
    char *bad = strdup(text);
    char *place = strstr(bad, "store(%a, %y, _, %w, %c)");
    memcpy(place, "store(%a, %y, _, %c3,%c)", strlen("store(%a, %y, _, %w, %c)"));
    run(bad, 2, dims, NULL, 0, "wrote into the halo of its argument 1");
    free(bad);
}

/* Carried values, scratch, subview, reduce_lanes and a micro-kernel: y[0] = 3 * (sum of 16 values).
 */
TEST(everything_else)
{
    int64_t dims[] = {2, 16};
    static const float want[] = {3 * 120, 3 * 376};
    run("func @k(%x: buffer(f32[2,16]), %y: buffer(f32[2])) -> () {\n"
        "  %c0 = apply() {expr = 0} : i64\n"
        "  %c1 = apply() {expr = 1} : i64\n"
        "  %c2 = apply() {expr = 2} : i64\n"
        "  %c16 = apply() {expr = 16} : i64\n"
        "  %three = lit() {value = 3} : f32\n"
        "  %zero = lit() {value = 0} : f32\n"
        "  %last = for(%c0, %c2, %c1, %zero) do { (%i: i64, %sum: f32)\n"
        "    %t = scratch() : buffer(f32[16])\n"
        "    %row = subview(%x, %i, %c0) : buffer(f32[16])\n"
        "    ukernel(%t, %row, %c16, %three) {name = \"scale\"}\n"
        "    %v = load(%t, _, %c0) : f32x16\n"
        "    %s = reduce_lanes(%v) {op = \"add\"} : f32\n"
        "    store(%s, %y, _, %i)\n"
        "    %u = add(%s, %sum) : f32\n"
        "    yield(%u)\n"
        "  } : f32\n"
        "  prefetch(%y, %c1)\n"
        "  barrier()\n"
        "  return()\n"
        "}\n"
        "func @main(%x: f32[2,16]) -> (f32[2]) {\n"
        "  %0 = launch(%x) {callee = @k} : f32[2]\n"
        "  return(%0)\n"
        "}\n",
        2, dims, want, 2, NULL);
}

TEST(unwritten_results_are_nan)
{
    int64_t dims[] = {2};
    float want[] = {nanf(""), nanf("")};
    run("func @k(%x: buffer(f32[2]), %y: buffer(f32[2])) -> () {\n  return()\n}\n"
        "func @main(%x: f32[2]) -> (f32[2]) {\n  %0 = launch(%x) {callee = @k} : f32[2]\n  "
        "return(%0)\n}\n",
        1, dims, want, 2, NULL);
}

TEST(inputs_are_checked)
{
    static const char text[] =
        "func @k(%x: buffer(f32[N,2]), %y: buffer(f32[N])) -> () {\n  return()\n}\n"
        "func @main(%x: f32[N,2]) -> (f32[N]) {\n"
        "  %0 = launch(%x) {callee = @k} : f32[N]\n  return(%0)\n}\n";
    int64_t dims[] = {2, 3};
    run(text, 2, dims, NULL, 0, "input 'x': dim 1 is 3, expected 2");
    run(text, 1, dims, NULL, 0, "input 'x' has rank 1, expected 2");
}

/* y = -(x + 1) * 2 by a kernel that runs in `if`, which chooses by the input's first dim. */
TEST(regions)
{
    int64_t dims[] = {2, 2};
    static const char text[] = "const @one: f32[] = dense[1]\n"
                               "const @two: f32[] = dense[2]\n"
                               "const @limit: i64[] = dense[3]\n"
                               "const @zero: i64[] = dense[0]\n"
                               "func @main(%x: f32[N,2]) -> (f32[N,2]) {\n"
                               "  %0 = add(%x, @one)\n"
                               "  %1 = shape(%x)\n"
                               "  %2 = gather(%1, @zero)\n"
                               "  %3 = less(%2, @limit)\n"
                               "  %4 = if(%3) do {\n"
                               "    %5 = kernel(%0, @two) do { (%a: f32[N,2], %b: f32[])\n"
                               "      %6 = neg(%a)\n"
                               "      %7 = mul(%6, %b)\n"
                               "      yield(%7)\n"
                               "    }\n"
                               "    yield(%5)\n"
                               "  } do {\n"
                               "    yield(%0)\n"
                               "  } : f32[N,2]\n"
                               "  return(%4)\n"
                               "}\n";
    static const float small[] = {-2, -4, -6, -8}, large[] = {1, 2, 3, 4, 5, 6};
    run(text, 2, dims, small, 4, NULL);
    dims[0] = 3;
    run(text, 2, dims, large, 6, NULL);
}

/* One value returned twice, an argument returned, and symbolic dims as data. */
TEST(results_may_repeat)
{
    int64_t dims[] = {3};
    static const float want[] = {0, 1, 2, 0, -1, -2, 0, -1, -2};
    run("func @main(%x: f32[N]) -> (f32[3*N]) {\n"
        "  %n, %m, %y = kernel(%x) do { (%a: f32[N])\n"
        "    %0 = neg(%a)\n"
        "    yield(%0, %0, %a)\n"
        "  }\n"
        "  %1 = concat(%y, %n, %m) {axis = 0}\n"
        "  %2 = dims() {dims = [3*N]}\n"
        "  %3 = reshape(%1, %2)\n"
        "  return(%3)\n"
        "}\n",
        1, dims, want, 9, NULL);
}

/* Dims that only the values tell: inference runs again with them. */
TEST(dims_from_values)
{
    int64_t dims[] = {2, 3};
    static const float want[] = {0, 1, 2, 3, 4, 5};
    run("const @t: i64[1] = dense[1]\n"
        "const @c: f32[2] = dense[3, 2]\n"
        "func @main(%x: f32[2,3]) -> (f32[?,?]) {\n"
        "  %s = cast(@c) {to = i64} : i64[2]\n"
        "  %n = neg(%s) : i64[2]\n"
        "  %p = neg(%n) : i64[2]\n"
        "  %y = reshape(%x, %p) : f32[?,?]\n"
        "  %z = expand(%y, %p) : f32[?,?]\n"
        "  return(%z)\n"
        "}\n",
        2, dims, want, 6, NULL);
}

TEST(bad_values)
{
    int64_t dims[] = {2};
    run("const @i: i64[1] = dense[7]\n"
        "func @main(%x: f32[2]) -> (f32[1]) {\n  %0 = gather(%x, @i)\n  return(%0)\n}\n",
        1, dims, NULL, 0, "gather");
    run("func @main(%x: f32[N]) -> (f32[M]) {\n  %0 = full() : f32[M]\n  return(%0)\n}\n", 1, dims,
        NULL, 0, "full: the dims of result 0 are not known");
}

TEST(bad_loops)
{
    int64_t dims[] = {2};
#define BAD(line)                                                                                  \
    "func @k(%x: buffer(f32[2]), %y: buffer(f32[2])) -> () {\n"                                    \
    "  %c0 = apply() {expr = 0} : i64\n" line "  return()\n}\n"                                    \
    "func @main(%x: f32[2]) -> (f32[2]) {\n"                                                       \
    "  %0 = launch(%x) {callee = @k} : f32[2]\n  return(%0)\n}\n"
    run(BAD("  for(%c0, %c0, %c0) do { (%i: i64)\n yield()\n }\n"), 1, dims, NULL, 0,
        "the step is 0, not positive");
    run(BAD("  ukernel(%x) {name = \"none\"}\n"), 1, dims, NULL, 0, "no micro-kernel 'none'");
    run(BAD("  ukernel(%x) {name = \"scale\"}\n"), 1, dims, NULL, 0, "'scale' takes (ppif)");
    run(BAD("  %n = apply() {expr = 1001} : i64\n  %f = lit() {value = 2.0} : f32\n"
            "  ukernel(%y, %x, %n, %f) {name = \"scale\"}\n"),
        1, dims, NULL, 0, "'scale' cannot be called with these numbers");
    run(BAD("  %n = apply() {expr = 999} : i64\n  %f = lit() {value = 2.0} : f32\n"
            "  ukernel(%y, %x, %n, %f) {name = \"scale\"}\n"),
        1, dims, NULL, 0, "'scale' leaves the memory of argument 0");
    run(BAD("  %1 = apply(%c0) {expr = floordiv(4, $0)} : i64\n"), 1, dims, NULL, 0,
        "the expression has no value");
    run(BAD("  %1 = apply() {expr = M} : i64\n"), 1, dims, NULL, 0, "the expression has no value");
}

int main(void)
{
    RUN(masked_vectors);
    RUN(clip_with_one_bound);
    RUN(accesses_outside_are_errors);
    RUN(layouts_and_halo);
    RUN(everything_else);
    RUN(unwritten_results_are_nan);
    RUN(inputs_are_checked);
    RUN(regions);
    RUN(results_may_repeat);
    RUN(dims_from_values);
    RUN(bad_values);
    RUN(bad_loops);
    return unit_end();
}
