/* Values that hold others at the runtime's door: sequences, optionals, maps, strings; what a hostile caller may hand
 * in.
 *
 * The artifact has one input and one output of the same type; its only step copies the one to the other. */
#include "unit.h"
#include <adze_runtime.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define TENSOR ADZE_VALUE_TENSOR
#define SEQUENCE ADZE_VALUE_SEQUENCE
#define OPTIONAL ADZE_VALUE_OPTIONAL
#define MAP ADZE_VALUE_MAP
#define ANY ADZE_ARTIFACT_RANK_ANY

static adze_status step_copy(const adze_frame *f)
{
    adze_status status = f->assign(f, 0, f->io[0]);
    return status ? status : f->set_output(f, 0, &f->late[0]);
}

static const int64_t no_bytes[] = {ADZE_DIM_CODE_CONST, 0};
static const adze_artifact_dim dims[] = {{no_bytes, 2}};
static const adze_artifact_step steps[] = {{"copy", "", UINT32_MAX, UINT32_MAX, ADZE_STEP_DATA_DEPENDENT, 0}};
static adze_step_fn *const code[] = {step_copy};
static const adze_artifact_level levels[] = {{"any", 0, code}};

typedef struct fixture {
    adze_artifact_io in, out;
    const uint32_t *types[2];
    adze_artifact artifact;
    adze_model *model;
    adze_session *session;
} fixture;

/* False where the artifact is refused. */
static bool open_type(fixture *f, const uint32_t *type, uint32_t dtype)
{
    *f = (fixture){.in = {"x", dtype, 0, NULL}, .out = {"y", dtype, 0, NULL}, .types = {type, type}};
    f->artifact = (adze_artifact){.magic = ADZE_ARTIFACT_MAGIC, .abi = ADZE_ABI, .struct_size = sizeof f->artifact,
                                  .name = "nested", .version = "0.0", .n_inputs = 1, .n_outputs = 1, .n_dims = 1,
                                  .n_steps = 1, .n_levels = 1, .inputs = &f->in, .outputs = &f->out, .dims = dims,
                                  .steps = steps, .levels = levels, .n_late = 1, .io_types = f->types};
    if (adze_model_open_linked(&f->artifact, NULL, &f->model)) return false;
    if (adze_session_create(f->model, NULL, &f->session)) abort();
    return true;
}

static void end(fixture *f)
{
    adze_session_destroy(f->session);
    adze_model_close(f->model);
}

static void refuse(fixture *f, adze_value v, adze_status status, const char *why)
{
    CHECK_INT(adze_session_set_input(f->session, 0, &v), status);
    if (!unit_check(strstr(adze_session_error(f->session), why) != NULL, __FILE__, __LINE__, why))
        printf("  got \"%s\"\n", adze_session_error(f->session));
    CHECK_INT(adze_session_run(f->session), ADZE_ERR_MISSING);
}

/* Runs with `v`; the output must not share memory with it. */
static adze_value pass(fixture *f, adze_value v)
{
    adze_value y = {0};
    CHECK_INT(adze_session_set_input(f->session, 0, &v), ADZE_OK);
    CHECK_INT(adze_session_run(f->session), ADZE_OK);
    CHECK_INT(adze_session_output(f->session, 0, &y), ADZE_OK);
    return y;
}

static adze_value of_items(adze_value_kind kind, adze_value *items, uint64_t n)
{
    return (adze_value){.kind = kind, .items = items, .n_items = n};
}

static const int64_t one[] = {1}, two[] = {2}, three[] = {3};
static const uint32_t map_type[] = {MAP, ADZE_DTYPE_str, TENSOR, ADZE_DTYPE_f32, 0};

typedef struct map {
    adze_string keys[3];
    float values[3];
    adze_value items[2], value;
} map;

static map *make_map(map *m)
{
    *m = (map){.keys = {{"b", 1}, {"", 0}, {"long\0er", 7}}, .values = {1, 2, 3}};
    m->items[0] = adze_value_tensor(ADZE_DTYPE_str, 1, three, m->keys);
    m->items[1] = adze_value_tensor(ADZE_DTYPE_f32, 1, three, m->values);
    m->value = of_items(MAP, m->items, 2);
    return m;
}

TEST(a_map_goes_in_and_comes_out)
{
    fixture f;
    map m;
    REQUIRE(open_type(&f, map_type, ADZE_DTYPE_f32));
    adze_value y = pass(&f, make_map(&m)->value);
    memset(&m, 0, sizeof m); /* the output is a copy */
    REQUIRE(y.kind == MAP && y.n_items == 2);
    CHECK_INT(y.items[0].dtype, ADZE_DTYPE_str);
    CHECK_INT(y.items[1].dims[0], 3);
    const adze_string *keys = y.items[0].data;
    CHECK(keys[0].size == 1 && !memcmp(keys[0].data, "b", 1) && keys[1].size == 0 && keys[2].size == 7 &&
          !memcmp(keys[2].data, "long\0er", 7));
    CHECK(((const float *)y.items[1].data)[2] == 3);
    end(&f);
}

TEST(maps_that_are_none)
{
    fixture f;
    map m;
    REQUIRE(open_type(&f, map_type, ADZE_DTYPE_f32));
    refuse(&f, make_map(&m)->items[0], ADZE_ERR_DTYPE, "a map is expected");
    refuse(&f, of_items(SEQUENCE, m.items, 2), ADZE_ERR_DTYPE, "a map is expected");
    refuse(&f, of_items(MAP, m.items, 1), ADZE_ERR_DIM, "not as many keys as values");
    refuse(&f, of_items(MAP, m.items, 0), ADZE_ERR_DIM, "not as many keys as values");
    refuse(&f, of_items(MAP, NULL, 2), ADZE_ERR_ARGUMENT, "without dims, data or items");
    refuse(&f, of_items(MAP, (adze_value *)(void *)((char *)m.items + 4), 2), ADZE_ERR_ALIGNMENT, "not aligned");
    refuse(&f, of_items(MAP, m.items, UINT64_MAX), ADZE_ERR_DIM, "absurd sizes");
    m.items[1].dims = two;
    refuse(&f, m.value, ADZE_ERR_DIM, "not as many keys as values");
    m.items[1] = m.items[0];
    refuse(&f, m.value, ADZE_ERR_DTYPE, "another element type");
    make_map(&m)->items[0].dtype = ADZE_DTYPE_i64;
    refuse(&f, m.value, ADZE_ERR_DTYPE, "another element type");
    make_map(&m)->items[0].rank = 0;
    refuse(&f, m.value, ADZE_ERR_RANK, "another rank");
    make_map(&m)->items[1] = m.value; /* a map of itself */
    refuse(&f, m.value, ADZE_ERR_DTYPE, "a tensor is expected");
    make_map(&m)->keys[0].data = NULL;
    refuse(&f, m.value, ADZE_ERR_ARGUMENT, "a string without its bytes");
    make_map(&m)->keys[1].size = UINT64_MAX;
    refuse(&f, m.value, ADZE_ERR_ARGUMENT, "a string without its bytes");
    end(&f);
}

TEST(tensors_inside_others)
{
    static const uint32_t type[] = {SEQUENCE, TENSOR, ADZE_DTYPE_f32, ANY};
    static const int64_t negative[] = {-1, 2}, absurd[] = {INT64_MAX, 4}, wide[] = {INT64_C(1) << 40, 1 << 20};
    alignas(8) static char words[64];
    fixture f;
    float data[2] = {4, 5};
    adze_value items[] = {adze_value_tensor(ADZE_DTYPE_f32, 1, two, data),
                          adze_value_tensor(ADZE_DTYPE_f32, 0, NULL, data)};
    adze_value v = of_items(SEQUENCE, items, 2);
    REQUIRE(open_type(&f, type, ADZE_DTYPE_f32));
    adze_value y = pass(&f, v);
    CHECK(y.n_items == 2 && y.items[0].dims[0] == 2 && y.items[1].rank == 0 && *(float *)y.items[1].data == 4);
    y = pass(&f, of_items(SEQUENCE, NULL, 0));
    CHECK(y.kind == SEQUENCE && y.n_items == 0);
    items[1] = adze_value_tensor(ADZE_DTYPE_f32, 2, negative, data);
    refuse(&f, v, ADZE_ERR_DIM, "absurd sizes");
    items[1].dims = absurd;
    refuse(&f, v, ADZE_ERR_DIM, "absurd sizes");
    items[1].dims = wide;
    items[1].data = (void *)(UINTPTR_MAX - 63);
    refuse(&f, v, ADZE_ERR_DIM, "absurd sizes"); /* its end is no address */
    items[1].dims = NULL;
    refuse(&f, v, ADZE_ERR_ARGUMENT, "without dims, data or items");
    items[1].dims = (const int64_t *)(const void *)(words + 4);
    refuse(&f, v, ADZE_ERR_ALIGNMENT, "not aligned");
    items[1] = adze_value_tensor(ADZE_DTYPE_f32, 1, one, NULL);
    refuse(&f, v, ADZE_ERR_ARGUMENT, "without dims, data or items");
    items[1].data = words + 2;
    refuse(&f, v, ADZE_ERR_ALIGNMENT, "not aligned");
    items[1].rank = UINT32_MAX;
    refuse(&f, v, ADZE_ERR_RANK, "another rank");
    items[1] = (adze_value){.kind = 99};
    refuse(&f, v, ADZE_ERR_DTYPE, "a tensor is expected");
    items[1] = (adze_value){0};
    refuse(&f, v, ADZE_ERR_DTYPE, "a tensor is expected");
    end(&f);
}

TEST(optionals)
{
    static const uint32_t type[] = {OPTIONAL, SEQUENCE, TENSOR, ADZE_DTYPE_i64, 0};
    fixture f;
    int64_t seven = 7;
    adze_value tensor = adze_value_tensor(ADZE_DTYPE_i64, 0, NULL, &seven), inner[2];
    REQUIRE(open_type(&f, type, ADZE_DTYPE_i64));
    CHECK(pass(&f, of_items(OPTIONAL, NULL, 0)).n_items == 0);
    inner[0] = inner[1] = of_items(SEQUENCE, &tensor, 1);
    adze_value y = pass(&f, of_items(OPTIONAL, inner, 1));
    CHECK(y.kind == OPTIONAL && y.n_items == 1 && *(int64_t *)y.items[0].items[0].data == 7);
    refuse(&f, of_items(OPTIONAL, inner, 2), ADZE_ERR_DIM, "more than one item");
    refuse(&f, inner[0], ADZE_ERR_DTYPE, "an optional is expected");
    refuse(&f, of_items(OPTIONAL, &tensor, 1), ADZE_ERR_DTYPE, "a sequence is expected");
    end(&f);
}

/* The dims of a tensor that is given are copied, whatever its rank. */
TEST(dims_of_any_rank_are_copied)
{
    static const uint32_t type[] = {TENSOR, ADZE_DTYPE_str, ANY};
    fixture f;
    adze_string words[2] = {{"a", 1}, {"bc", 2}};
    int64_t given[] = {2, 1};
    adze_value v = adze_value_tensor(ADZE_DTYPE_str, 2, given, words), y;
    REQUIRE(open_type(&f, type, ADZE_DTYPE_str));
    CHECK_INT(adze_session_set_input(f.session, 0, &v), ADZE_OK);
    given[0] = INT64_MAX;
    CHECK_INT(adze_session_run(f.session), ADZE_OK);
    CHECK_INT(adze_session_output(f.session, 0, &y), ADZE_OK);
    CHECK(y.rank == 2 && y.dims[0] == 2 && y.dims[1] == 1);
    end(&f);
}

/* Strings that are longer than memory: no copy of them, and none is read. */
TEST(copies_stay_in_bounds)
{
    static const uint32_t type[] = {SEQUENCE, TENSOR, ADZE_DTYPE_str, ANY};
    fixture f;
    adze_string strings[2] = {{"x", PTRDIFF_MAX}, {"x", PTRDIFF_MAX}};
    adze_value tensor = adze_value_tensor(ADZE_DTYPE_str, 1, two, strings), v = of_items(SEQUENCE, &tensor, 1);
    REQUIRE(open_type(&f, type, ADZE_DTYPE_str));
    CHECK_INT(adze_session_set_input(f.session, 0, &v), ADZE_OK);
    CHECK_INT(adze_session_run(f.session), ADZE_ERR_NO_MEMORY);
    strings[0].size = strings[1].size = 1;
    CHECK_INT(adze_session_run(f.session), ADZE_OK);
    end(&f);
}

/* Types that no artifact can have. */
TEST(malformed_types)
{
    static const uint32_t types[][16] = {
        {ADZE_VALUE_ABSENT},
        {99, TENSOR, ADZE_DTYPE_f32, 0},
        {TENSOR, ADZE_DTYPE_NONE, 0},
        {TENSOR, ADZE_DTYPE_COUNT, 0},
        {SEQUENCE, TENSOR, ADZE_DTYPE_f32, ADZE_MAX_RANK + 1},
        {MAP, ADZE_DTYPE_f32, TENSOR, ADZE_DTYPE_f32, 0},
        {MAP, ADZE_DTYPE_bool, TENSOR, ADZE_DTYPE_f32, 0},
        {MAP, ADZE_DTYPE_i4, TENSOR, ADZE_DTYPE_f32, 0},
        {MAP, ADZE_DTYPE_COUNT, TENSOR, ADZE_DTYPE_f32, 0},
        {MAP, ADZE_DTYPE_i64, TENSOR, ADZE_DTYPE_f32, 1},
        {MAP, ADZE_DTYPE_i64, TENSOR, ADZE_DTYPE_f32, ANY},
        {MAP, ADZE_DTYPE_i64, SEQUENCE, TENSOR, ADZE_DTYPE_f32, 0},
        {MAP, ADZE_DTYPE_i64, MAP, ADZE_DTYPE_i64, TENSOR, ADZE_DTYPE_f32, 0},
        {SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, TENSOR,
         ADZE_DTYPE_f32, 0},
        {SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, MAP, ADZE_DTYPE_i64, TENSOR,
         ADZE_DTYPE_f32, 0},
    };
    fixture f;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        CHECK(!open_type(&f, types[i], ADZE_DTYPE_f32));
        CHECK(strstr(adze_model_error(f.model), "'x' has a malformed type") != NULL);
        end(&f);
    }
}

/* Eight inside each other are as many as there may be; a map counts as one. */
TEST(as_deep_as_may_be)
{
    static const uint32_t type[] = {SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE,
                                    MAP, ADZE_DTYPE_str, TENSOR, ADZE_DTYPE_f32, 0};
    fixture f;
    map m;
    adze_value level[8] = {make_map(&m)->value};
    for (int i = 1; i < 8; i++) level[i] = of_items(SEQUENCE, &level[i - 1], 1);
    REQUIRE(open_type(&f, type, ADZE_DTYPE_f32));
    adze_value y = pass(&f, level[7]);
    for (int i = 0; i < 7; i++) y = y.items[0];
    CHECK(y.kind == MAP && ((const float *)y.items[1].data)[1] == 2);
    refuse(&f, level[6], ADZE_ERR_DTYPE, "a sequence is expected");
    end(&f);
}

int main(void)
{
    RUN(a_map_goes_in_and_comes_out);
    RUN(maps_that_are_none);
    RUN(tensors_inside_others);
    RUN(optionals);
    RUN(dims_of_any_rank_are_copied);
    RUN(copies_stay_in_bounds);
    RUN(malformed_types);
    RUN(as_deep_as_may_be);
    return unit_end();
}
