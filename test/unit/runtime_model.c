/* Opening models: descriptors, shared objects, CPU levels, weights files, descriptions. */
#include "counting_allocator.h"
#include "runtime_fixture.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *fake_path(const char *name)
{
    static char path[4096];
    const char *folder = getenv("ADZE_BUILD_DIR");
    snprintf(path, sizeof path, "%s/test/unit/%s", folder ? folder : ".", name);
    return path;
}

/* Opens a descriptor that must be refused, and checks that the message holds `text`. */
static void refuse(const adze_artifact *a, adze_status status, const char *text)
{
    adze_model *model = NULL;
    CHECK_INT(adze_model_open_linked(a, NULL, &model), status);
    REQUIRE(model != NULL);
    if (!unit_check(strstr(adze_model_error(model), text) != NULL, __FILE__, __LINE__, text))
        printf("  got \"%s\"\n", adze_model_error(model));
    CHECK_INT(adze_model_num_inputs(model), 0);
    adze_model_close(model);
}

#define REFUSE(field, value, status, text)                                                         \
    do {                                                                                           \
        adze_artifact bad_ = fake;                                                                 \
        bad_.field = value;                                                                        \
        refuse(&bad_, status, text);                                                               \
    } while (0)

TEST(describes)
{
    adze_model *model;
    adze_io_info info;
    CHECK_INT(adze_model_open_linked(&fake, NULL, &model), ADZE_OK);
    CHECK_STR(adze_model_error(model), "");
    CHECK_INT(adze_model_num_inputs(model), 3);
    CHECK_INT(adze_model_num_outputs(model), 3);
    CHECK_INT(adze_model_num_steps(model), 3);
    CHECK_INT(adze_model_input(model, 0, &info), ADZE_OK);
    CHECK_STR(info.name, "x");
    CHECK_INT(info.dtype, ADZE_DTYPE_f32);
    CHECK_INT(info.rank, 2);
    CHECK_INT(info.dims[0], -1);
    CHECK_INT(info.dims[1], 4);
    CHECK_STR(info.dims_text[0], "N");
    CHECK_STR(info.dims_text[1], "4");
    CHECK_INT(adze_model_output(model, 1, &info), ADZE_OK);
    CHECK_STR(info.dims_text[0], "2*N+1");
    CHECK_INT(adze_model_output(model, 2, &info), ADZE_OK);
    CHECK_STR(info.dims_text[0], "?");
    CHECK_INT(info.dims[0], -1);
    CHECK_INT(adze_model_input(model, 3, &info), ADZE_ERR_ARGUMENT);
    CHECK_INT(adze_model_output(model, 3, &info), ADZE_ERR_ARGUMENT);
    CHECK_INT(adze_model_find_input(model, "flags"), 2);
    CHECK_INT(adze_model_find_output(model, "tiny"), 1);
    CHECK_INT(adze_model_find_output(model, "x"), -1);
    CHECK(adze_model_artifact(model) == &fake);
    adze_model_close(model);
    adze_model_close(NULL);
}

TEST(prints_dims)
{
    const struct {
        adze_artifact_dim dim;
        const char *text;
    } rows[] = {
        {FAKE_DIM(FAKE_N, FAKE_CONST(1), ADZE_DIM_CODE_ADD, ADZE_DIM_CODE_SYMBOL, 1,
                  ADZE_DIM_CODE_MUL),
         "(N+1)*T"},
        {FAKE_DIM(FAKE_N, FAKE_CONST(1), ADZE_DIM_CODE_ADD, FAKE_CONST(2), ADZE_DIM_CODE_FLOORDIV,
                  FAKE_CONST(-3), ADZE_DIM_CODE_ADD),
         "floordiv(N+1, 2)+-3"},
        {FAKE_DIM(FAKE_N, ADZE_DIM_CODE_SYMBOL, 1, ADZE_DIM_CODE_MIN, FAKE_CONST(7),
                  ADZE_DIM_CODE_MAX),
         "max(min(N, T), 7)"},
    };
    adze_artifact_dim dims[FAKE_N_DIMS];
    static const adze_artifact_symbol two[] = {{"N", 0, 0}, {"T", 1, 0}};
    static const uint32_t y_dims[] = {FAKE_D2, FAKE_D4};
    adze_artifact_io inputs[3];
    memcpy(inputs, fake_inputs, sizeof inputs);
    inputs[1].dims = y_dims;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        adze_artifact a = fake;
        adze_model *model;
        adze_io_info info;
        memcpy(dims, fake_dims, sizeof dims);
        dims[FAKE_D2N1] = rows[i].dim;
        dims[FAKE_D2] = (adze_artifact_dim)FAKE_DIM(ADZE_DIM_CODE_SYMBOL, 1);
        a.dims = dims;
        a.inputs = inputs;
        a.symbols = two;
        a.n_symbols = 2;
        CHECK_INT(adze_model_open_linked(&a, NULL, &model), ADZE_OK);
        if (adze_model_output(model, 1, &info) == ADZE_OK)
            CHECK_STR(info.dims_text[0], rows[i].text);
        adze_model_close(model);
    }
}

TEST(refuses_bad_descriptors)
{
    const adze_artifact_dim bad_code[FAKE_N_DIMS] = {
        FAKE_DIM(ADZE_DIM_CODE_ADD),
    };
    static const adze_artifact_io no_type[] = {{"x", 99, 0, NULL}};
    static const adze_artifact_io bad_rank[] = {{"x", 1, 13, NULL}};
    const adze_artifact_io bad_dim[] = {{"x", 1, 1, (const uint32_t[]){77}}};
    static const adze_artifact_symbol stray[] = {{"N", 0, 1}};
    static const adze_artifact_level no_code[] = {{"v", 0, NULL}};
    static adze_step_fn *const holes[] = {fake_step_add, NULL, fake_step_where};
    static const adze_artifact_level holey[] = {{"v", 0, holes}};
    REFUSE(magic, 7, ADZE_ERR_FORMAT, "magic");
    REFUSE(abi, 9, ADZE_ERR_ABI, "binary interface 9, this runtime has 1");
    REFUSE(struct_size, 100, ADZE_ERR_FORMAT, "100 bytes");
    REFUSE(inputs, no_type, ADZE_ERR_FORMAT, "element type 99");
    REFUSE(inputs, bad_rank, ADZE_ERR_FORMAT, "rank 13");
    REFUSE(outputs, bad_dim, ADZE_ERR_FORMAT, "dim index");
    REFUSE(dims, bad_code, ADZE_ERR_FORMAT, "dim expression 0");
    REFUSE(symbols, stray, ADZE_ERR_FORMAT, "symbol 'N'");
    REFUSE(arena_bytes, 99, ADZE_ERR_FORMAT, "arena");
    REFUSE(n_levels, 0, ADZE_ERR_FORMAT, "no code for any CPU");
    REFUSE(levels, no_code, ADZE_ERR_FORMAT, "level 0");
    REFUSE(levels, holey, ADZE_ERR_FORMAT, "no code for step 1");
    REFUSE(weights, (const char *)fake_weights + 4, ADZE_ERR_FORMAT, "64 bytes");
    REFUSE(weights, NULL, ADZE_ERR_FORMAT, "weights are missing");
    REFUSE(weights_file, "w.bin", ADZE_ERR_FORMAT, "both");
    refuse(NULL, ADZE_ERR_ARGUMENT, "no artifact");
    CHECK_INT(adze_model_open_linked(&fake, NULL, NULL), ADZE_ERR_ARGUMENT);
    adze_open_options options = {.struct_size = 3};
    adze_model *model;
    CHECK_INT(adze_model_open_linked(&fake, &options, &model), ADZE_ERR_ARGUMENT);
    adze_model_close(model);
}

/* Every way to cut or change a word of an expression is refused or harmless. */
TEST(checks_dim_code)
{
    static const int64_t codes[][4] = {
        {ADZE_DIM_CODE_CONST, 1, ADZE_DIM_CODE_CONST, 1}, /* two values left */
        {ADZE_DIM_CODE_CONST, 1, ADZE_DIM_CODE_ADD, 0},   /* one operand missing */
        {ADZE_DIM_CODE_SYMBOL, 1, 0, 0},                  /* no such symbol */
        {ADZE_DIM_CODE_SYMBOL, -1, 0, 0},
        {77, 0, 0, 0},
        {-1, 0, 0, 0},
    };
    static const uint64_t lengths[] = {4, 3, 2, 2, 1, 1};
    adze_artifact_dim dims[FAKE_N_DIMS];
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(dims, fake_dims, sizeof dims);
        dims[FAKE_MACS] = (adze_artifact_dim){codes[i], lengths[i]};
        REFUSE(dims, dims, ADZE_ERR_FORMAT, "malformed");
    }
    memcpy(dims, fake_dims, sizeof dims);
    for (uint64_t n = 0; n < fake_dims[FAKE_D2N1].n_code; n++) {
        dims[FAKE_D2N1].n_code = n;
        if (n != 2 && n != 5) /* "2" and "2*N" are whole */
            REFUSE(dims, dims, ADZE_ERR_FORMAT, "malformed");
    }
}

TEST(levels)
{
    uint64_t features = adze_cpu_features();
    if (!(features & ADZE_CPU_X86_64_V3)) SKIP("needs x86-64-v3");
    adze_model *model;
    adze_open_options options = {.struct_size = sizeof options,
                                 .hide_features = ADZE_CPU_X86_64_V4};
    CHECK_INT(adze_model_open_linked(&fake, &options, &model), ADZE_OK);
    CHECK_STR(adze_model_level(model), "x86-64-v3");
    adze_model_close(model);

    options.hide_features |= ADZE_CPU_X86_64_V3;
    CHECK_INT(adze_model_open_linked(&fake, &options, &model), ADZE_OK);
    CHECK_STR(adze_model_level(model), "x86-64-v2");
    adze_model_close(model);

    options.hide_features = UINT64_MAX;
    CHECK_INT(adze_model_open_linked(&fake, &options, &model), ADZE_ERR_CPU);
    CHECK_STR(adze_model_error(model),
              "the CPU is too old: the artifact needs at least level 'x86-64-v2'");
    adze_model_close(model);

    /* can be looked at all the same, but not run */
    adze_session *session;
    options.describe_only = 1;
    CHECK_INT(adze_model_open_linked(&fake, &options, &model), ADZE_OK);
    CHECK_STR(adze_model_level(model), "");
    CHECK(adze_model_num_inputs(model) > 0);
    CHECK_INT(adze_session_create(model, NULL, &session), ADZE_ERR_CPU);
    adze_model_close(model);

    options = (adze_open_options){.struct_size = sizeof options, .level = "x86-64-v2"};
    CHECK_INT(adze_model_open_linked(&fake, &options, &model), ADZE_OK);
    CHECK_STR(adze_model_level(model), "x86-64-v2");
    adze_model_close(model);
    options.level = "x86-64-v3";
    options.hide_features = ADZE_CPU_X86_64_V3;
    CHECK_INT(adze_model_open_linked(&fake, &options, &model), ADZE_ERR_CPU);
    adze_model_close(model);
    options.level = "i386";
    CHECK_INT(adze_model_open_linked(&fake, &options, &model), ADZE_ERR_ARGUMENT);
    adze_model_close(model);
}

TEST(opens_shared_objects)
{
    adze_model *model;
    CHECK_INT(adze_model_open(fake_path("fake_model.so"), NULL, &model), ADZE_OK);
    CHECK_STR(adze_model_error(model), "");
    CHECK_INT(adze_model_num_inputs(model), 3);
    adze_model_close(model);
    CHECK_INT(adze_model_open("/nonexistent.so", NULL, &model), ADZE_ERR_FILE);
    CHECK(strstr(adze_model_error(model), "/nonexistent.so: No such file") != NULL);
    adze_model_close(model);
    CHECK_INT(adze_model_open("/tmp", NULL, &model), ADZE_ERR_FILE);
    adze_model_close(model);
    CHECK_INT(adze_model_open("", NULL, &model), ADZE_ERR_ARGUMENT);
    adze_model_close(model);
    CHECK_INT(adze_model_open(NULL, NULL, &model), ADZE_ERR_ARGUMENT);
    adze_model_close(model);
    CHECK_INT(adze_model_open("/proc/self/exe", NULL, &model), ADZE_ERR_FORMAT);
    adze_model_close(model);
}

/* The constructors of files that are refused do not run. */
TEST(refuses_before_loading)
{
    static const struct {
        const char *file, *text;
        adze_status status;
    } rows[] = {
        {"fake_old.so", "binary interface 99", ADZE_ERR_ABI},
        {"fake_magic.so", "bad magic", ADZE_ERR_FORMAT},
        {"fake_unnamed.so", "exports no adze_artifact", ADZE_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        adze_model *model;
        CHECK_INT(adze_model_open(fake_path(rows[i].file), NULL, &model), rows[i].status);
        CHECK(strstr(adze_model_error(model), rows[i].text) != NULL);
        adze_model_close(model);
    }
    CHECK(getenv("ADZE_TEST_LOADED") == NULL);
}

static bool write_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(data, 1, bytes, file) == bytes;
    if (file) fclose(file);
    return ok;
}

/* A file cut short anywhere is refused before it is loaded; the loader would crash on some. */
TEST(refuses_truncated_objects)
{
    static char bytes[1 << 20];
    char path[] = "/tmp/adze-cut-XXXXXX";
    FILE *file = fopen(fake_path("fake_model.so"), "rb");
    REQUIRE(file != NULL);
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    REQUIRE(n > 1000 && n < sizeof bytes);
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    close(fd);
    REQUIRE(write_file(path, bytes, n));
    int64_t accepted = 0;
    for (size_t cut = n; cut-- > 0;) {
        adze_model *model;
        if (truncate(path, (off_t)cut) != 0) break;
        accepted += adze_model_open(path, NULL, &model) == ADZE_OK;
        accepted += adze_model_error(model)[0] == 0;
        adze_model_close(model);
    }
    CHECK_INT(accepted, 0);
    unlink(path);
}

TEST(weights_file)
{
    char folder[] = "/tmp/adze-weights-XXXXXX", path[64];
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/w.bin", folder);
    adze_artifact a = fake;
    adze_model *model;
    adze_open_options options = {.struct_size = sizeof options, .weights_folder = folder};
    a.weights = NULL;
    a.weights_file = "w.bin";
    CHECK_INT(adze_model_open_linked(&a, &options, &model), ADZE_ERR_FILE);
    CHECK(strstr(adze_model_error(model), "w.bin: No such file") != NULL);
    adze_model_close(model);

    CHECK(write_file(path, fake_weights, sizeof fake_weights - 1));
    CHECK_INT(adze_model_open_linked(&a, &options, &model), ADZE_ERR_FORMAT);
    CHECK(strstr(adze_model_error(model), "has 63 bytes, the model needs 64") != NULL);
    adze_model_close(model);

    CHECK(write_file(path, fake_weights, sizeof fake_weights));
    CHECK_INT(adze_model_open_linked(&a, &options, &model), ADZE_OK);
    fixture *f = calloc(1, sizeof *f);
    REQUIRE(f != NULL);
    fixture_data(f, 5);
    CHECK_INT(adze_session_create(model, NULL, &f->session), ADZE_OK);
    CHECK_INT(fixture_inputs(f, f->session), ADZE_OK);
    CHECK_INT(adze_session_run(f->session), ADZE_OK);
    CHECK_INT(fixture_errors(f, f->session), 0);
    adze_session_destroy(f->session);
    free(f);
    adze_model_close(model);

    static const char *const names[] = {"../w.bin", "/etc/passwd", "", ".", "..", "a/b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        a.weights_file = names[i];
        refuse(&a, ADZE_ERR_FORMAT, "not a plain file name");
    }
    unlink(path);
    rmdir(folder);
}

/* Fails each allocation in turn, from open to the end of a run. */
TEST(every_allocation_may_fail)
{
    bool done = false;
    fixture *f = calloc(1, sizeof *f);
    REQUIRE(f != NULL);
    for (int64_t budget = 0; budget < 100 && !done; budget++) {
        counter c = {.budget = budget};
        adze_allocator allocator = {&c, count_alloc, count_free};
        adze_open_options options = {.struct_size = sizeof options, .allocator = &allocator};
        adze_session_options threads = {.struct_size = sizeof threads, .n_threads = 2};
        adze_session *s = NULL;
        fixture_data(f, 50);
        adze_status status = adze_model_open(fake_path("fake_model.so"), &options, &f->model);
        if (!status) status = adze_session_create(f->model, &threads, &s);
        if (!status) status = fixture_inputs(f, s);
        if (!status) status = adze_session_run(s);
        CHECK(status == ADZE_OK || status == ADZE_ERR_NO_MEMORY);
        done = !status;
        if (done) {
            CHECK(budget > 5);
            CHECK_INT(fixture_errors(f, s), 0);
        }
        adze_session_destroy(s);
        adze_model_close(f->model);
        CHECK_INT(c.live, 0);
    }
    CHECK(done);
    free(f);
}

/* What a run's outputs took serves later runs; what two runs did not need goes back. */
TEST(outputs_of_earlier_runs)
{
    counter c = {.budget = -1};
    adze_allocator allocator = {&c, count_alloc, count_free};
    adze_open_options options = {.struct_size = sizeof options, .allocator = &allocator};
    adze_session *s = NULL;
    fixture *f = calloc(1, sizeof *f);
    REQUIRE(f != NULL);
    fixture_data(f, 4000);
    REQUIRE(adze_model_open(fake_path("fake_model.so"), &options, &f->model) == ADZE_OK);
    REQUIRE(adze_session_create(f->model, NULL, &s) == ADZE_OK && fixture_inputs(f, s) == ADZE_OK);
    for (int i = 0; i < 3; i++) CHECK_INT(adze_session_run(s), ADZE_OK);
    int64_t calls = c.calls, live = c.live;
    for (int i = 0; i < 5; i++) {
        f->x[400 * i] = 1; /* a few indices less */
        CHECK_INT(adze_session_run(s), ADZE_OK);
        CHECK_INT(fixture_errors(f, s), 0);
    }
#ifndef __SANITIZE_ADDRESS__
    CHECK_INT(c.calls, calls);
#endif
    CHECK_INT(c.live, live);
    for (int i = 0; i < 4000; i++) f->x[4 * i] = 1;
    for (int i = 0; i < 3; i++) CHECK_INT(adze_session_run(s), ADZE_OK);
    CHECK_INT(fixture_errors(f, s), 0);
    CHECK(c.live < live);
    CHECK(c.calls >= calls);
    adze_session_destroy(s);
    adze_model_close(f->model);
    CHECK_INT(c.live, 0);
    free(f);
}

int main(void)
{
    RUN(describes);
    RUN(prints_dims);
    RUN(refuses_bad_descriptors);
    RUN(checks_dim_code);
    RUN(levels);
    RUN(opens_shared_objects);
    RUN(refuses_before_loading);
    RUN(refuses_truncated_objects);
    RUN(weights_file);
    RUN(every_allocation_may_fail);
    RUN(outputs_of_earlier_runs);
    return unit_end();
}
