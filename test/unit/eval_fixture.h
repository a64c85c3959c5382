/* Runs one evaluation directly: operands and attributes in, results out, as a host would call it.
 *
 *     begin("slice");
 *     operand(F32("4", 1, 2, 3, 4));
 *     operand(I64("1", 1));
 *     operand(I64("1", 3));
 *     CHECK_INT(run(1), ADZE_OK);
 *     want_f32(0, "2", (float[]){2, 3});
 */
#ifndef EVAL_FIXTURE_H
#define EVAL_FIXTURE_H

#include "unit.h"

#include "ir/ir_private.h"

#include <stdlib.h>

static struct {
    adze_context *context;
    const adze_op_row *row;
    adze_slot slots[64];
    adze_value in[16], out[16];
    uint32_t n_in, n_out;
    void *blocks[256]; /* everything allocated for this call */
    uint32_t n_blocks;
    char error[256];
} eval;

static void *eval_block(uint64_t bytes)
{
    void *block = aligned_alloc(64, (bytes + 127) & ~(uint64_t)63);
    eval.blocks[eval.n_blocks++] = block;
    return block;
}

static adze_status eval_output(const adze_env *env, adze_value *out, adze_dtype dtype, uint32_t rank,
                               const int64_t *dims)
{
    (void)env;
    int64_t *copy = eval_block(rank * sizeof *copy);
    if (rank) memcpy(copy, dims, rank * sizeof *copy);
    *out = (adze_value){.kind = ADZE_VALUE_TENSOR, .dtype = dtype, .rank = rank, .dims = copy};
    out->data = eval_block(adze_dtype_bytes(dtype, adze_value_count(out)));
    memset(out->data, 0, adze_dtype_bytes(dtype, adze_value_count(out)));
    return ADZE_OK;
}

static void *eval_memory(const adze_env *env, uint64_t bytes)
{
    (void)env;
    void *block = eval_block(bytes);
    memset(block, 0xa5, bytes); /* nobody may rely on its contents */
    return block;
}

static adze_status eval_error(const adze_env *env, adze_status status, const char *message)
{
    (void)env;
    snprintf(eval.error, sizeof eval.error, "%s", message);
    return status;
}

static void finish(void)
{
    for (uint32_t i = 0; i < eval.n_blocks; i++) free(eval.blocks[i]);
    eval.n_blocks = 0;
    if (eval.context) adze_context_destroy(eval.context);
    eval.context = NULL;
}

/* Starts a call of the op with its default attributes. */
static void begin(const char *op)
{
    finish();
    memset(&eval, 0, sizeof eval);
    eval.context = adze_context_create();
    eval.row = adze_row_find(eval.context, op);
    for (uint32_t i = 0; i < eval.row->n_attrs; i++)
        adze_slot_default(eval.context, &eval.row->attrs[i], &eval.slots[i + 1]);
}

static adze_slot *attribute(const char *name)
{
    int i = adze_row_attr_index(eval.row, name);
    CHECK(i >= 0);
    eval.slots[0].set |= UINT64_C(1) << i;
    return &eval.slots[i + 1];
}

static inline void set_int(const char *name, int64_t value) { attribute(name)->i = value; }

static inline void set_float(const char *name, double value) { attribute(name)->f = value; }

static inline void set_str(const char *name, const char *text)
{
    attribute(name)->s = (adze_string){text, strlen(text)};
}

static inline void set_ints_of(const char *name, const int64_t *values, uint64_t count)
{
    int64_t *copy = eval_block(count * sizeof *copy);
    memcpy(copy, values, count * sizeof *copy);
    attribute(name)->ints = (adze_ints){copy, count};
}
#define set_ints(name, ...)                                                                        \
    set_ints_of(name, (int64_t[]){__VA_ARGS__},                                                    \
                sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static uint32_t read_dims(const char *text, int64_t *dims)
{
    uint32_t rank = 0;
    for (char *at = (char *)(uintptr_t)text; *at; at += *at == ',') dims[rank++] = strtoll(at, &at, 10);
    return rank;
}

/* A tensor with the given dims ("2,3"; "" = a scalar) and elements, which are copied. */
static adze_value tensor(adze_dtype dtype, const char *dims, const void *elements)
{
    int64_t d[ADZE_MAX_RANK];
    adze_value v = {0};
    uint32_t rank = read_dims(dims, d);
    eval_output(NULL, &v, dtype, rank, d);
    uint64_t bytes = adze_dtype_bytes(dtype, adze_value_count(&v));
    if (bytes) memcpy(v.data, elements, bytes);
    return v;
}
#define F32(dims, ...)  tensor(ADZE_DTYPE_f32, dims, (float[]){__VA_ARGS__})
#define F64(dims, ...)  tensor(ADZE_DTYPE_f64, dims, (double[]){__VA_ARGS__})
#define I64(dims, ...)  tensor(ADZE_DTYPE_i64, dims, (int64_t[]){__VA_ARGS__})
#define I32(dims, ...)  tensor(ADZE_DTYPE_i32, dims, (int32_t[]){__VA_ARGS__})
#define I8(dims, ...)   tensor(ADZE_DTYPE_i8, dims, (int8_t[]){__VA_ARGS__})
#define U8(dims, ...)   tensor(ADZE_DTYPE_u8, dims, (uint8_t[]){__VA_ARGS__})
#define F16(dims, ...)  tensor(ADZE_DTYPE_f16, dims, (uint16_t[]){__VA_ARGS__})
#define BOOL(dims, ...) tensor(ADZE_DTYPE_bool, dims, (uint8_t[]){__VA_ARGS__})
#define I4(dims, ...)   tensor(ADZE_DTYPE_i4, dims, (uint8_t[]){__VA_ARGS__})

static void operand(adze_value v) { eval.in[eval.n_in++] = v; }

static inline void absent(void) { eval.n_in++; }

/* Storage for the next result that the host claims to know; without it the evaluation asks. */
static inline void result(adze_dtype dtype, const char *dims)
{
    int64_t d[ADZE_MAX_RANK];
    uint32_t rank = read_dims(dims, d);
    eval_output(NULL, &eval.out[eval.n_out++], dtype, rank, d);
}

static adze_status run(uint32_t n_out)
{
    adze_env env = {.struct_size = sizeof env, .seed = 1, .output = eval_output, .scratch = eval_memory,
                    .error = eval_error};
    return eval.row->eval(&env, eval.in, eval.n_in, eval.out, n_out, eval.slots);
}

static bool has_form(uint32_t index, adze_dtype dtype, const char *dims)
{
    int64_t d[ADZE_MAX_RANK];
    uint32_t rank = read_dims(dims, d);
    const adze_value *v = &eval.out[index];
    CHECK_STR(eval.error, "");
    CHECK_INT(v->kind, ADZE_VALUE_TENSOR);
    CHECK_INT(v->dtype, dtype);
    CHECK_INT(v->rank, rank);
    if (v->kind != ADZE_VALUE_TENSOR || v->dtype != dtype || v->rank != rank) return false;
    for (uint32_t i = 0; i < rank; i++) CHECK_INT(v->dims[i], d[i]);
    return rank == 0 || memcmp(v->dims, d, rank * sizeof *d) == 0;
}

/* Result `index` has these dims and elements. Signs of zeros count. */
static inline void want_near(uint32_t index, const char *dims, const float *want, double tolerance)
{
    if (!has_form(index, ADZE_DTYPE_f32, dims)) return;
    const float *got = eval.out[index].data;
    for (uint64_t i = 0; i < adze_value_count(&eval.out[index]); i++) {
        CHECK_NEAR((double)got[i], (double)want[i], tolerance);
        if (want[i] == 0 && got[i] == 0) CHECK_INT(signbit(got[i]) != 0, signbit(want[i]) != 0);
    }
}

static inline void want_f32(uint32_t index, const char *dims, const float *want)
{
    want_near(index, dims, want, 0);
}

static inline void want_i64(uint32_t index, const char *dims, const int64_t *want)
{
    if (!has_form(index, ADZE_DTYPE_i64, dims)) return;
    const int64_t *got = eval.out[index].data;
    for (uint64_t i = 0; i < adze_value_count(&eval.out[index]); i++) CHECK_INT(got[i], want[i]);
}

static inline void want_i32(uint32_t index, const char *dims, const int32_t *want)
{
    if (!has_form(index, ADZE_DTYPE_i32, dims)) return;
    const int32_t *got = eval.out[index].data;
    for (uint64_t i = 0; i < adze_value_count(&eval.out[index]); i++) CHECK_INT(got[i], want[i]);
}

/* Any type, by its bytes. */
static inline void want_bytes(uint32_t index, adze_dtype dtype, const char *dims, const void *want)
{
    if (!has_form(index, dtype, dims)) return;
    const uint8_t *got = eval.out[index].data, *bytes = want;
    for (uint64_t i = 0; i < adze_dtype_bytes(dtype, adze_value_count(&eval.out[index])); i++)
        CHECK_INT(got[i], bytes[i]);
}

/* The call fails with this status and a message that holds `words`. */
static inline void want_error(uint32_t n_out, adze_status status, const char *words)
{
    CHECK_INT(run(n_out), status);
    bool found = strstr(eval.error, words) != NULL;
    CHECK(found);
    if (!found) printf("  message \"%s\"\n  want    \"%s\"\n", eval.error, words);
}

#endif
