/* A small artifact written by hand, to test the runtime without the compiler.
 *
 * inputs   x f32[N,4], y f32[N,4], flags i32[2]
 * outputs  sum f32[N,4] = (x + y) * weights[4], by chunks of one row, through the arena
 *          tiny f32[2*N+1] = 1e-30 * 1e-10, a denormal
 *          where i64[?] = rows whose x[0] is negative (a step that allocates while it runs)
 * flags[0]: 1 = the last step fails with a message, 2 = fails silently, 3 = a chunk reports an
 * error, 4 = `where` is not handed over, 5 = takes much scratch flags[1]: bytes of scratch to take
 * when flags[0] is 5
 *
 * Define FAKE_SYMBOL for the descriptor's name. */
#ifndef FAKE_ARTIFACT_H
#define FAKE_ARTIFACT_H

#include <adze/artifact.h>
#include <stdalign.h>
#include <string.h>

enum { FAKE_D4, FAKE_DN, FAKE_D2N1, FAKE_D2, FAKE_ARENA, FAKE_SCRATCH, FAKE_MACS, FAKE_N_DIMS };

alignas(64) static const float fake_weights[16] = {1, 2, 3, 4};

typedef struct fake_add {
    const adze_frame *frame;
    const float *x, *y;
    float *out;
    bool report;
} fake_add;

/* Goes through the worker's scratch and back, so that two workers with one scratch would be seen.
 */
static void fake_add_row(void *arg, int64_t row, int64_t worker)
{
    const fake_add *a = arg;
    float *scratch =
        (float *)(void *)(a->frame->scratch + (uint64_t)worker * a->frame->scratch_bytes);
    if (a->report) a->frame->env->error(a->frame->env, ADZE_ERR_VALUE, "a chunk is not happy");
    for (int c = 0; c < 4; c++) scratch[c] = a->x[row * 4 + c] + a->y[row * 4 + c];
    for (volatile int spin = 0; spin < 50; spin++) continue;
    memcpy(a->out + row * 4, scratch, 4 * sizeof(float));
}

static adze_status fake_step_add(const adze_frame *f)
{
    fake_add a = {f, f->io[0], f->io[1], (float *)(void *)f->arena,
                  ((const int *)f->io[2])[0] == 3};
    f->parallel_for(f->pool, fake_add_row, &a, f->dims[FAKE_DN]);
    return ADZE_OK;
}

static adze_status fake_step_scale(const adze_frame *f)
{
    const float *in = (const float *)(void *)f->arena, *w = (const float *)(const void *)f->weights;
    float *out = f->io[3], *tiny = f->io[4];
    volatile float small = 1e-30f, smaller = 1e-10f;
    if (((const int *)f->io[2])[0] == 6) return ADZE_ERR_VALUE;
    for (int64_t i = 0; i < f->dims[FAKE_DN] * 4; i++) out[i] = in[i] * w[i % 4];
    for (int64_t i = 0; i < f->dims[FAKE_D2N1]; i++) tiny[i] = small * smaller;
    return ADZE_OK;
}

static adze_status fake_step_where(const adze_frame *f)
{
    const float *x = f->io[0];
    const int32_t *flags = f->io[2];
    const adze_env *env = f->env;
    int64_t n = f->dims[FAKE_DN], count = 0;
    adze_value out;
    if (flags[0] == 1) return env->error(env, ADZE_ERR_VALUE, "flags[0] is 1");
    if (flags[0] == 2) return ADZE_ERR_UNSUPPORTED;
    if (flags[0] == 4) return ADZE_OK;
    uint64_t bytes = flags[0] == 5 ? (uint64_t)flags[1] : 64;
    int64_t *rows = env->scratch(env, (uint64_t)n * sizeof *rows);
    char *first = env->scratch(env, bytes), *second = env->scratch(env, bytes);
    if ((n && !rows) || !first || !second) return ADZE_ERR_NO_MEMORY;
    memset(first, 1, bytes);
    memset(second, 2, bytes);
    for (int64_t i = 0; i < n; i++)
        if (x[i * 4] < 0) rows[count++] = i;
    if (first[bytes - 1] != 1) return ADZE_ERR_VALUE;
    adze_status status = env->output(env, &out, ADZE_DTYPE_i64, 1, &count);
    if (status) return status;
    for (int64_t i = 0; i < count; i++)
        ((int64_t *)out.data)[i] += rows[i]; /* memory starts as zero */
    return f->set_output(f, 2, &out);
}

#define FAKE_DIM(...)                                                                              \
    {                                                                                              \
        (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)   \
    }
#define FAKE_CONST(n) ADZE_DIM_CODE_CONST, n
#define FAKE_N        ADZE_DIM_CODE_SYMBOL, 0

static const adze_artifact_dim fake_dims[FAKE_N_DIMS] = {
    [FAKE_D4] = FAKE_DIM(FAKE_CONST(4)),
    [FAKE_DN] = FAKE_DIM(FAKE_N),
    [FAKE_D2N1] =
        FAKE_DIM(FAKE_CONST(2), FAKE_N, ADZE_DIM_CODE_MUL, FAKE_CONST(1), ADZE_DIM_CODE_ADD),
    [FAKE_D2] = FAKE_DIM(FAKE_CONST(2)),
    [FAKE_ARENA] = FAKE_DIM(FAKE_CONST(16), FAKE_N, ADZE_DIM_CODE_MUL),
    [FAKE_SCRATCH] = FAKE_DIM(FAKE_CONST(16)),
    [FAKE_MACS] = FAKE_DIM(FAKE_CONST(4), FAKE_N, ADZE_DIM_CODE_MUL),
};

static const adze_artifact_io fake_inputs[] = {
    {"x", ADZE_DTYPE_f32, 2, (const uint32_t[]){FAKE_DN, FAKE_D4}},
    {"y", ADZE_DTYPE_f32, 2, (const uint32_t[]){FAKE_DN, FAKE_D4}},
    {"flags", ADZE_DTYPE_i32, 1, (const uint32_t[]){FAKE_D2}},
};

static const adze_artifact_io fake_outputs[] = {
    {"sum", ADZE_DTYPE_f32, 2, (const uint32_t[]){FAKE_DN, FAKE_D4}},
    {"tiny", ADZE_DTYPE_f32, 1, (const uint32_t[]){FAKE_D2N1}},
    {"where", ADZE_DTYPE_i64, 1, (const uint32_t[]){ADZE_ARTIFACT_DIM_UNKNOWN}},
};

static const adze_artifact_symbol fake_symbols[] = {{"N", 0, 0}};

static const adze_artifact_step fake_steps[] = {
    {"add", "Add_1", UINT32_MAX, UINT32_MAX, 0, 0},
    {"scale", "Mul_2\nCast_3", FAKE_MACS, FAKE_ARENA, 0, 0},
    {"where", "NonZero_4", UINT32_MAX, UINT32_MAX, ADZE_STEP_FLOOR | ADZE_STEP_DATA_DEPENDENT, 0},
};

static adze_step_fn *const fake_code[] = {fake_step_add, fake_step_scale, fake_step_where};

static const adze_artifact_level fake_levels[] = {
    {"x86-64-v4", ADZE_CPU_X86_64_V4, fake_code},
    {"x86-64-v3", ADZE_CPU_X86_64_V3, fake_code},
    {"x86-64-v2", ADZE_CPU_X86_64_V2, fake_code},
};

#ifndef FAKE_ABI
#define FAKE_ABI ADZE_ABI
#endif
#ifndef FAKE_MAGIC
#define FAKE_MAGIC ADZE_ARTIFACT_MAGIC
#endif

#define FAKE_DESCRIPTOR                                                                            \
    {                                                                                              \
        .magic = FAKE_MAGIC, .abi = FAKE_ABI, .struct_size = sizeof(adze_artifact),                \
        .name = "fake", .version = "0.0", .n_inputs = 3, .n_outputs = 3, .n_symbols = 1,           \
        .n_dims = FAKE_N_DIMS, .n_steps = 3, .n_levels = 3, .inputs = fake_inputs,                 \
        .outputs = fake_outputs, .symbols = fake_symbols, .dims = fake_dims, .steps = fake_steps,  \
        .levels = fake_levels, .arena_bytes = FAKE_ARENA, .scratch_bytes = FAKE_SCRATCH,           \
        .weights = (const char *)fake_weights, .weights_size = sizeof fake_weights                 \
    }

#endif
