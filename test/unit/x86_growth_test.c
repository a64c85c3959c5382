/* Memory of compiled models whose values only a run knows the size of: sessions that run with changing sizes take no
 * more than the largest runs took, and give all of it back. */
#include "counting_allocator.h"
#include "x86_fixture.h"

/* Runs with 2, 300 and 40 iterations, again and again. Output 0 has half of the elements of input 0 for each. */
static void run_sizes(const char *path, int64_t elements)
{
    static const int64_t sizes[] = {2, 300, 40};
    counter c = {.budget = -1};
    adze_allocator allocator = {&c, count_alloc, count_free};
    adze_open_options options = {.struct_size = sizeof options, .allocator = &allocator};
    adze_model *model;
    adze_session *session;
    int64_t n = 0, most = 0, wanted[] = {elements};
    REQUIRE(adze_model_open(path, &options, &model) == ADZE_OK);
    REQUIRE(adze_session_create(model, NULL, &session) == ADZE_OK);
    float *x = calloc((size_t)elements, sizeof *x);
    adze_value in[] = {adze_value_tensor(ADZE_DTYPE_f32, 1, wanted, x), adze_value_tensor(ADZE_DTYPE_i64, 0, NULL, &n)};
    x[0] = 1;
    for (int round = 0; round < 12; round++) {
        if (round == 3) most = c.most;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            adze_value out;
            n = sizes[i];
            for (uint32_t k = 0; k < 2; k++) CHECK_INT(adze_session_set_input(session, k, &in[k]), ADZE_OK);
            CHECK_INT(adze_session_run(session), ADZE_OK);
            CHECK_INT(adze_session_output(session, 0, &out), ADZE_OK);
            CHECK_INT(out.rank, 1);
            CHECK_INT(out.dims[0], n * (elements / 2));
        }
    }
    CHECK_INT(c.most, most);
    adze_session_destroy(session);
    adze_model_close(model);
    CHECK_INT(c.live, 0);
    free(x);
}

static void growth(const char *text, int64_t elements)
{
    x86_fixture f;
    x86_begin(&f);
    adze_module *module = adze_module_parse(f.context, "growth", text, strlen(text));
    adze_pipeline *pipeline = adze_pipeline_parse(f.registry, "O2");
    bool ok = module && pipeline && adze_pipeline_run(pipeline, module, NULL) && x86_emit(&f, module, f.library);
    adze_pipeline_destroy(pipeline);
    CHECK(ok);
    if (ok) run_sizes(f.library, elements);
    else printf("%s\n", f.errors.data ? f.errors.data : "");
    if (module) adze_module_destroy(module);
    x86_end(&f);
}

/* What is carried grows by half of x in each iteration. */
TEST(carried)
{
    growth("module @m {\n"
           "  const @none: f32[0] = dense[]\n"
           "  const @from: i64[1] = dense[0]\n"
           "  const @to: i64[1] = dense[1000]\n"
           "  func @main(%x: f32[2000], %n: i64[]) -> (%y: f32[?]) {\n"
           "    %y = loop(%n, _, @none) do { (%i: i64[], %s: f32[?])\n"
           "      %half = slice(%x, @from, @to) : f32[1000]\n"
           "      %t = concat(%s, %half) {axis = 0} : f32[?]\n"
           "      yield(_, %t)\n"
           "    } : f32[?]\n"
           "    return(%y)\n"
           "  }\n"
           "}\n",
           2000);
}

/* What is stacked, behind values inside whose sizes the elements decide; here one element is not zero. */
TEST(stacked)
{
    growth("module @m {\n"
           "  func @main(%x: f32[2], %n: i64[]) -> (%y: i64[?]) {\n"
           "    %0 = loop(%n, _) do { (%i: i64[])\n"
           "      %at = nonzero(%x) : i64[1,?]\n"
           "      %where = reduce_sum(%at) {keepdims = 0} : i64[]\n"
           "      yield(_, %where)\n"
           "    } : i64[?]\n"
           "    %y = abs(%0) : i64[?]\n"
           "    return(%y)\n"
           "  }\n"
           "}\n",
           2);
}

int main(void)
{
    RUN(carried);
    RUN(stacked);
    return unit_end();
}
