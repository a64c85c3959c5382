/* Sessions: what is checked, where memory comes from, what a run gives. */
#include "runtime_fixture.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Sets input `index` and checks status and message. */
static void refuse(adze_session *s, uint32_t index, adze_value v, adze_status status,
                   const char *text)
{
    CHECK_INT(adze_session_set_input(s, index, &v), status);
    if (!unit_check(strstr(adze_session_error(s), text) != NULL, __FILE__, __LINE__, text))
        printf("  got \"%s\"\n", adze_session_error(s));
}

TEST(runs)
{
    fixture *f = fixture_create(7, NULL);
    adze_value y;
    CHECK_INT(fixture_inputs(f, f->session), ADZE_OK);
    CHECK_INT(adze_session_run(f->session), ADZE_OK);
    CHECK_STR(adze_session_error(f->session), "");
    CHECK_INT(fixture_errors(f, f->session), 0);
    CHECK_INT(adze_session_output(f->session, 1, &y), ADZE_OK);
    CHECK_INT(y.dims[0], 15);
    CHECK_INT(adze_session_output(f->session, 3, &y), ADZE_ERR_ARGUMENT);
    for (int64_t rows = 0; rows < 300; rows += 23) { /* other shapes, none included */
        fixture_data(f, rows);
        CHECK_INT(fixture_inputs(f, f->session), ADZE_OK);
        CHECK_INT(adze_session_run(f->session), ADZE_OK);
        CHECK_INT(fixture_errors(f, f->session), 0);
    }
    fixture_destroy(f);
}

TEST(checks_inputs)
{
    fixture *f = fixture_create(3, NULL);
    adze_session *s = f->session;
    int64_t other[] = {4, 4}, wide[] = {3, 5}, negative[] = {-3, 4}, absurd[] = {INT64_MAX / 2, 4};
    adze_value y = adze_value_tensor(ADZE_DTYPE_f32, 2, f->dims, f->y);
    CHECK_INT(adze_session_run(s), ADZE_ERR_MISSING);
    CHECK_STR(adze_session_error(s), "no value for input: x, y, flags");
    CHECK_INT(fixture_inputs(f, s), ADZE_OK);
    refuse(s, 1, adze_value_tensor(ADZE_DTYPE_f64, 2, f->dims, f->y), ADZE_ERR_DTYPE,
           "input 'y' is f64 but the model has f32");
    CHECK_INT(adze_session_run(s), ADZE_ERR_MISSING);
    CHECK_STR(adze_session_error(s), "no value for input: y");
    refuse(s, 1, adze_value_tensor(ADZE_DTYPE_f32, 1, f->dims, f->y), ADZE_ERR_RANK, "has rank 1");
    refuse(s, 1, adze_value_tensor(ADZE_DTYPE_f32, 2, wide, f->y), ADZE_ERR_DIM,
           "dim 1 is 5 but the model has 4");
    refuse(s, 1, adze_value_tensor(ADZE_DTYPE_f32, 2, negative, f->y), ADZE_ERR_DIM, "dim 0 is -3");
    refuse(s, 1, adze_value_tensor(ADZE_DTYPE_f32, 2, absurd, f->y), ADZE_ERR_DIM, "too big");
    refuse(s, 1, adze_value_tensor(ADZE_DTYPE_f32, 2, f->dims, (char *)f->y + 2),
           ADZE_ERR_ALIGNMENT, "not aligned");
    refuse(s, 1, adze_value_tensor(ADZE_DTYPE_f32, 2, f->dims, NULL), ADZE_ERR_ARGUMENT,
           "without data");
    refuse(s, 1, adze_value_tensor(ADZE_DTYPE_f32, 2, NULL, f->y), ADZE_ERR_ARGUMENT,
           "without dims");
    y.kind = ADZE_VALUE_SEQUENCE;
    refuse(s, 1, y, ADZE_ERR_DTYPE, "must be a tensor");
    refuse(s, 5, y, ADZE_ERR_ARGUMENT, "no input 5");
    CHECK_INT(adze_session_set_input(s, 1, NULL), ADZE_ERR_ARGUMENT);
    CHECK_INT(adze_session_set_input(NULL, 1, &y), ADZE_ERR_ARGUMENT);

    y = adze_value_tensor(ADZE_DTYPE_f32, 2, other, f->y);
    CHECK_INT(adze_session_set_input(s, 1, &y), ADZE_OK);
    CHECK_INT(adze_session_run(s), ADZE_ERR_SYMBOL);
    CHECK_STR(adze_session_error(s), "input 'y': dim 0 says N = 4 but input 'x' says 3");
    CHECK_INT(adze_session_output_dims(s, 0, other), ADZE_ERR_SYMBOL);
    CHECK_INT(fixture_inputs(f, s), ADZE_OK);
    CHECK_INT(adze_session_run(s), ADZE_OK);
    CHECK_INT(fixture_errors(f, s), 0);
    fixture_destroy(f);
}

/* A size that overflows, and sizes that no machine has. */
TEST(checks_sizes)
{
    adze_artifact a = fake;
    adze_artifact_dim dims[FAKE_N_DIMS];
    const struct {
        adze_artifact_dim arena;
        adze_status status;
    } rows[] = {
        {FAKE_DIM(FAKE_N, FAKE_CONST(INT64_MAX), ADZE_DIM_CODE_MUL), ADZE_ERR_DIM},
        {FAKE_DIM(FAKE_N, FAKE_CONST(INT64_MAX), ADZE_DIM_CODE_ADD), ADZE_ERR_DIM},
        {FAKE_DIM(FAKE_N, FAKE_CONST(0), ADZE_DIM_CODE_FLOORDIV), ADZE_ERR_DIM},
        {FAKE_DIM(FAKE_N, FAKE_CONST(0), ADZE_DIM_CODE_CEILDIV), ADZE_ERR_DIM},
        {FAKE_DIM(FAKE_N, FAKE_CONST(0), ADZE_DIM_CODE_MOD), ADZE_ERR_DIM},
        {FAKE_DIM(FAKE_CONST(INT64_MIN), FAKE_CONST(-1), ADZE_DIM_CODE_FLOORDIV), ADZE_ERR_DIM},
        {FAKE_DIM(FAKE_CONST(INT64_MIN), FAKE_CONST(-1), ADZE_DIM_CODE_MOD), ADZE_OK},
        {FAKE_DIM(FAKE_CONST(-1)), ADZE_ERR_DIM},
        {FAKE_DIM(FAKE_CONST(INT64_MAX - 8)), ADZE_ERR_DIM},
        {FAKE_DIM(FAKE_CONST(INT64_C(1) << 60)), ADZE_ERR_NO_MEMORY},
        {FAKE_DIM(FAKE_CONST(-7), FAKE_CONST(2), ADZE_DIM_CODE_FLOORDIV, FAKE_CONST(4),
                  ADZE_DIM_CODE_ADD),
         ADZE_OK}, /* -4 + 4 */
        {FAKE_DIM(FAKE_CONST(-7), FAKE_CONST(2), ADZE_DIM_CODE_CEILDIV, FAKE_CONST(3),
                  ADZE_DIM_CODE_ADD),
         ADZE_OK}, /* -3 + 3 */
        {FAKE_DIM(FAKE_CONST(-7), FAKE_CONST(4), ADZE_DIM_CODE_MOD, FAKE_CONST(-1),
                  ADZE_DIM_CODE_ADD),
         ADZE_OK}, /* 1 - 1 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        adze_model *model;
        adze_session *s;
        uint64_t bytes;
        fixture *f = calloc(1, sizeof *f);
        REQUIRE(f != NULL);
        fixture_data(f, 2);
        memcpy(dims, fake_dims, sizeof dims);
        dims[FAKE_ARENA] = rows[i].arena;
        a.dims = dims;
        REQUIRE(adze_model_open_linked(&a, NULL, &model) == ADZE_OK);
        REQUIRE(adze_session_create(model, NULL, &s) == ADZE_OK);
        CHECK_INT(fixture_inputs(f, s), ADZE_OK);
        CHECK_INT(adze_session_bind(s), rows[i].status);
        if (rows[i].status == ADZE_OK) {
            CHECK_INT(adze_session_memory(s, &bytes), ADZE_OK);
            CHECK_INT((int64_t)bytes, 64); /* an arena of 0 bytes, one worker's scratch */
        }
        adze_session_destroy(s);
        adze_model_close(model);
        free(f);
    }
}

TEST(given_outputs)
{
    fixture *f = fixture_create(6, NULL);
    adze_session *s = f->session;
    float sum[64], tiny[64];
    int64_t dims[ADZE_MAX_RANK], wrong[] = {5, 4};
    adze_value v;
    CHECK_INT(adze_session_output_dims(s, 0, dims), ADZE_ERR_MISSING);
    CHECK_INT(fixture_inputs(f, s), ADZE_OK);
    CHECK_INT(adze_session_output_dims(s, 1, dims), ADZE_OK);
    CHECK_INT(dims[0], 13);
    v = adze_value_tensor(ADZE_DTYPE_f32, 1, dims, tiny);
    CHECK_INT(adze_session_set_output(s, 1, &v), ADZE_OK);
    CHECK_INT(adze_session_output_dims(s, 2, dims), ADZE_OK);
    CHECK_INT(dims[0], -1);
    CHECK_INT(adze_session_set_output(s, 2, &v), ADZE_ERR_ARGUMENT);
    CHECK_INT(adze_session_output_dims(s, 3, dims), ADZE_ERR_ARGUMENT);
    v = adze_value_tensor(ADZE_DTYPE_f32, 2, f->dims, sum);
    CHECK_INT(adze_session_set_output(s, 0, &v), ADZE_OK);
    CHECK_INT(adze_session_run(s), ADZE_OK);
    CHECK_INT(fixture_errors(f, s), 0);
    CHECK_INT(adze_session_output(s, 0, &v), ADZE_OK);
    CHECK(v.data == sum);

    v = adze_value_tensor(ADZE_DTYPE_f32, 2, wrong, sum);
    CHECK_INT(adze_session_set_output(s, 0, &v), ADZE_OK);
    CHECK_INT(adze_session_run(s), ADZE_ERR_DIM);
    CHECK_STR(adze_session_error(s), "output 'sum': dim 0 is 5 but N = 6");
    v = adze_value_tensor(ADZE_DTYPE_f32, 2, f->dims, f->x + 8);
    CHECK_INT(adze_session_set_output(s, 0, &v), ADZE_OK);
    CHECK_INT(adze_session_bind(s), ADZE_ERR_ARGUMENT);
    CHECK_STR(adze_session_error(s), "output 'sum' overlaps input 'x'");
    v = adze_value_tensor(ADZE_DTYPE_f32, 2, f->dims, tiny);
    CHECK_INT(adze_session_set_output(s, 0, &v), ADZE_OK);
    CHECK_INT(adze_session_bind(s), ADZE_ERR_ARGUMENT);
    CHECK_STR(adze_session_error(s), "output 'tiny' overlaps output 'sum'");
    v.dtype = ADZE_DTYPE_i32;
    CHECK_INT(adze_session_set_output(s, 0, &v), ADZE_ERR_DTYPE);
    CHECK_INT(adze_session_set_output(s, 0, NULL), ADZE_OK);
    CHECK_INT(adze_session_run(s), ADZE_OK);
    CHECK_INT(fixture_errors(f, s), 0);
    fixture_destroy(f);
}

TEST(given_arena)
{
    fixture *f = fixture_create(100, NULL);
    adze_session *s = f->session;
    static alignas(64) char arena[4096];
    uint64_t bytes;
    CHECK_INT(adze_session_memory(s, &bytes), ADZE_ERR_MISSING);
    CHECK_INT(fixture_inputs(f, s), ADZE_OK);
    CHECK_INT(adze_session_memory(s, &bytes), ADZE_OK);
    CHECK_INT((int64_t)bytes, 1600 + 64);
    CHECK_INT(adze_session_set_arena(s, arena + 4, bytes), ADZE_ERR_ALIGNMENT);
    CHECK_INT(adze_session_set_arena(s, arena, bytes - 1), ADZE_OK);
    CHECK_INT(adze_session_run(s), ADZE_ERR_NO_MEMORY);
    CHECK_STR(adze_session_error(s), "the given arena has 1663 bytes, the model needs 1664");
    memset(arena, 0x55, sizeof arena);
    CHECK_INT(adze_session_set_arena(s, arena, bytes), ADZE_OK);
    CHECK_INT(adze_session_run(s), ADZE_OK);
    CHECK_INT(fixture_errors(f, s), 0);
    CHECK(arena[0] != 0x55 || arena[1] != 0x55 || arena[2] != 0x55 || arena[3] != 0x55);
    int64_t touched = 0;
    for (size_t i = bytes; i < sizeof arena; i++) touched += arena[i] != 0x55;
    CHECK_INT(touched, 0); /* nothing behind the arena */
    CHECK_INT(adze_session_set_arena(s, NULL, 0), ADZE_OK);
    CHECK_INT(adze_session_run(s), ADZE_OK);
    CHECK_INT(fixture_errors(f, s), 0);
    fixture_destroy(f);
}

TEST(steps_that_fail)
{
    static const struct {
        int32_t flag;
        adze_status status;
        const char *text;
    } rows[] = {
        {1, ADZE_ERR_VALUE, "step 'where' (node 'NonZero_4'): flags[0] is 1"},
        {2, ADZE_ERR_UNSUPPORTED, "step 'where' (node 'NonZero_4'): not supported"},
        {3, ADZE_ERR_VALUE, "step 'add' (node 'Add_1'): a chunk is not happy"},
        {6, ADZE_ERR_VALUE, "step 'scale' (nodes 'Mul_2', 'Cast_3'): value out of range"},
        {4, ADZE_ERR_VALUE, "the run did not compute output 'where'"},
        {0, ADZE_OK, ""},
    };
    fixture *f = fixture_create(4, NULL);
    CHECK_INT(fixture_inputs(f, f->session), ADZE_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        adze_value v;
        f->flags[0] = rows[i].flag;
        CHECK_INT(adze_session_run(f->session), rows[i].status);
        if (rows[i].status) CHECK_STR(adze_session_error(f->session), rows[i].text);
        CHECK_INT(adze_session_output(f->session, 2, &v),
                  rows[i].status ? ADZE_ERR_ARGUMENT : ADZE_OK);
    }
    CHECK_INT(fixture_errors(f, f->session), 0);
    fixture_destroy(f);
}

/* Scratch grows in the first run and is one block from the second on. */
TEST(scratch_and_bound)
{
    adze_session_options options = {.struct_size = sizeof options, .max_memory = 1 << 20};
    fixture *f = fixture_create(4, &options);
    CHECK_INT(fixture_inputs(f, f->session), ADZE_OK);
    f->flags[0] = 5;
    for (int32_t bytes = 1; bytes < 200000; bytes = bytes * 2 + 1) {
        f->flags[1] = bytes;
        for (int i = 0; i < 3; i++) CHECK_INT(adze_session_run(f->session), ADZE_OK);
        CHECK_INT(fixture_errors(f, f->session), 0);
    }
    f->flags[1] = 800000;
    CHECK_INT(adze_session_run(f->session), ADZE_ERR_NO_MEMORY);
    f->flags[1] = 1000;
    CHECK_INT(adze_session_run(f->session), ADZE_OK);
    CHECK_INT(fixture_errors(f, f->session), 0);
    fixture_destroy(f);

    options.max_memory = 20000;
    f = fixture_create(4000, &options);
    CHECK_INT(fixture_inputs(f, f->session), ADZE_OK);
    CHECK_INT(adze_session_run(f->session), ADZE_ERR_NO_MEMORY);
    CHECK(strstr(adze_session_error(f->session), "arena of 64064 bytes") != NULL);
    fixture_destroy(f);
}

TEST(options)
{
    fixture *f = fixture_create(1, NULL);
    adze_session *s;
    adze_pool *pool;
    adze_session_options o = {.struct_size = 1};
    CHECK_INT(adze_session_create(f->model, &o, &s), ADZE_ERR_ARGUMENT);
    CHECK(s == NULL);
    o = (adze_session_options){.struct_size = sizeof o, .n_threads = 100000};
    CHECK_INT(adze_session_create(f->model, &o, &s), ADZE_ERR_ARGUMENT);
    o = (adze_session_options){.struct_size = sizeof o, .parallel_for = adze_pool_parallel_for};
    CHECK_INT(adze_session_create(f->model, &o, &s), ADZE_ERR_ARGUMENT);
    o = (adze_session_options){.struct_size = sizeof o, .max_memory = 100};
    CHECK_INT(adze_session_create(f->model, &o, &s), ADZE_ERR_NO_MEMORY);
    CHECK_INT(adze_session_create(NULL, NULL, &s), ADZE_ERR_ARGUMENT);
    CHECK_INT(adze_session_create(f->model, NULL, NULL), ADZE_ERR_ARGUMENT);
    CHECK_INT(adze_pool_create(2, &pool), ADZE_OK);
    o = (adze_session_options){.struct_size = sizeof o, .n_threads = 2, .pool = pool};
    CHECK_INT(adze_session_create(f->model, &o, &s), ADZE_ERR_ARGUMENT);
    adze_pool_destroy(pool);
    CHECK_INT(adze_pool_create(2000, &pool), ADZE_ERR_ARGUMENT);
    CHECK(pool == NULL);
    CHECK_INT(adze_session_run(NULL), ADZE_ERR_ARGUMENT);
    CHECK_INT(adze_session_bind(NULL), ADZE_ERR_ARGUMENT);
    adze_session_destroy(NULL);
    adze_pool_destroy(NULL);
    fixture_destroy(f);
}

TEST(profile)
{
    fixture *f = fixture_create(50, NULL);
    adze_step_profile p;
    CHECK_INT(adze_session_profile(f->session, 0, &p), ADZE_ERR_ARGUMENT);
    CHECK_INT(fixture_inputs(f, f->session), ADZE_OK);
    CHECK_INT(adze_session_run(f->session), ADZE_OK);
    CHECK_INT(adze_session_profile(f->session, 1, &p), ADZE_OK);
    CHECK_INT((int64_t)p.runs, 0);
    CHECK_INT(adze_session_set_profile(f->session, true), ADZE_OK);
    for (int i = 0; i < 3; i++) CHECK_INT(adze_session_run(f->session), ADZE_OK);
    CHECK_INT(adze_session_profile(f->session, 1, &p), ADZE_OK);
    CHECK_STR(p.name, "scale");
    CHECK_STR(p.nodes, "Mul_2\nCast_3");
    CHECK_INT(p.macs, 200);
    CHECK_INT(p.bytes, 800);
    CHECK_INT((int64_t)p.runs, 3);
    CHECK(p.total_ns >= 3 * p.min_ns && p.last_ns >= p.min_ns && p.min_ns > 0);
    CHECK_INT(adze_session_profile(f->session, 2, &p), ADZE_OK);
    CHECK_INT(p.macs, -1);
    CHECK_INT(p.flags, ADZE_STEP_FLOOR | ADZE_STEP_DATA_DEPENDENT);
    CHECK_INT(adze_session_profile(f->session, 3, &p), ADZE_ERR_ARGUMENT);
    fixture_destroy(f);
}

#if defined(__x86_64__)
/* The run's result and the state of the caller afterwards. */
static void check_denormals(uint32_t flags, uint32_t callers, float expected)
{
    adze_artifact a = fake;
    adze_model *model;
    adze_session *s;
    adze_value tiny;
    fixture *f = calloc(1, sizeof *f);
    REQUIRE(f != NULL);
    fixture_data(f, 3);
    a.flags = flags;
    REQUIRE(adze_model_open_linked(&a, NULL, &model) == ADZE_OK);
    REQUIRE(adze_session_create(model, NULL, &s) == ADZE_OK);
    CHECK_INT(fixture_inputs(f, s), ADZE_OK);
    for (f->flags[0] = 0; f->flags[0] <= 1; f->flags[0]++) { /* the second run fails */
        uint32_t before = _mm_getcsr();
        _mm_setcsr(callers);
        adze_status status = adze_session_run(s);
        uint32_t after = _mm_getcsr();
        _mm_setcsr(before);
        CHECK_INT(status, f->flags[0] ? ADZE_ERR_VALUE : ADZE_OK);
        CHECK_INT(after, callers);
    }
    f->flags[0] = 0;
    CHECK_INT(adze_session_run(s), ADZE_OK);
    CHECK_INT(adze_session_output(s, 1, &tiny), ADZE_OK);
    uint32_t got, want;
    memcpy(&got, tiny.data, 4);
    memcpy(&want, &expected, 4);
    CHECK_INT(got, want);
    adze_session_destroy(s);
    adze_model_close(model);
    free(f);
}

TEST(denormals)
{
    enum { DEFAULT = 0x1f80, FLUSH = 0x8040, TOWARD_ZERO = 0x6000, STICKY = 0x11 };
    float denormal = (float)((double)1e-30f * (double)1e-10f);
    check_denormals(0, DEFAULT, 0.0f);
    check_denormals(0, DEFAULT | FLUSH | STICKY, 0.0f);
    check_denormals(0, DEFAULT | TOWARD_ZERO, 0.0f);
    check_denormals(0, 0, 0.0f); /* exceptions unmasked: a run must not trap */
    check_denormals(ADZE_ARTIFACT_STRICT, DEFAULT, denormal);
    check_denormals(ADZE_ARTIFACT_STRICT, DEFAULT | FLUSH, denormal);
}
#else
TEST(denormals) { SKIP("x86 only"); }
#endif

TEST(texts)
{
    for (int i = 0; i < ADZE_ERR_COUNT; i++) CHECK(strlen(adze_status_text((adze_status)i)) > 1);
    CHECK_STR(adze_status_text((adze_status)-1), "unknown status");
    CHECK_STR(adze_status_text(ADZE_ERR_COUNT), "unknown status");
    CHECK_STR(adze_dtype_name(ADZE_DTYPE_f32), "f32");
    CHECK_STR(adze_dtype_name(ADZE_DTYPE_bool), "bool");
    CHECK_STR(adze_dtype_name(ADZE_DTYPE_NONE), "?");
    CHECK_STR(adze_dtype_name(ADZE_DTYPE_COUNT), "?");
}

int main(void)
{
    RUN(runs);
    RUN(checks_inputs);
    RUN(checks_sizes);
    RUN(given_outputs);
    RUN(given_arena);
    RUN(steps_that_fail);
    RUN(scratch_and_bound);
    RUN(options);
    RUN(profile);
    RUN(denormals);
    RUN(texts);
    return unit_end();
}
