/* What steps that run an op's evaluation ask of a session: memory for outputs whose size only they know, scratch, and a
 * place for their error.
 *
 * Outputs live to the session's next run; their memory serves it and the one behind it. Scratch is a stack of growing
 * blocks that is emptied before each step; once a run needed more than one block, the next run starts with one big
 * enough. */
#include "internal.h"
#include <string.h>

enum { FIRST_SCRATCH = 64 << 10 };

static adze_status env_error(const adze_env *env, adze_status status, const char *message)
{
    adze_session *s = env->self;
    int none = ADZE_OK;
    if (status && atomic_compare_exchange_strong(&s->step_error, &none, status))
        adze_rt_fail(s->step_message, status, "%s", message ? message : adze_status_text(status));
    return status;
}

static adze_status env_output(const adze_env *env, adze_value *out, adze_dtype dtype, uint32_t rank,
                              const int64_t *dims)
{
    adze_session *s = env->self;
    uint64_t bytes, head = align64(rank * sizeof *dims);
    if (dtype == ADZE_DTYPE_NONE || dtype >= ADZE_DTYPE_COUNT || rank > ADZE_MAX_RANK)
        return env_error(env, ADZE_ERR_UNSUPPORTED,
                         "an output has an unknown type or too high a rank");
    if (!adze_rt_tensor_bytes(dtype, rank, dims, &bytes))
        return env_error(env, ADZE_ERR_DIM, "an output is too big");
    block *b = adze_rt_block_create(s, head + bytes + VALUE_SLACK);
    if (!b) return env_error(env, ADZE_ERR_NO_MEMORY, "no memory for an output");
    b->next = s->kept;
    s->kept = b;
    int64_t *kept_dims = (int64_t *)(void *)block_data(b);
    if (rank) memcpy(kept_dims, dims, rank * sizeof *dims);
    *out = adze_value_tensor(dtype, rank, kept_dims, block_data(b) + head);
    memset(out->data, 0, bytes);
    return ADZE_OK;
}

static void *env_scratch(const adze_env *env, uint64_t bytes)
{
    adze_session *s = env->self;
    if (bytes > PTRDIFF_MAX / 2) return NULL;
    bytes = align64(bytes);
    if (!s->scratch || bytes > s->scratch->capacity - s->scratch->used) {
        uint64_t capacity = s->scratch ? 2 * s->scratch->capacity : FIRST_SCRATCH;
        if (capacity < s->scratch_wanted) capacity = s->scratch_wanted;
        if (capacity < bytes) capacity = bytes;
        block *b = adze_rt_block_create(s, capacity);
        if (!b && capacity > bytes) b = adze_rt_block_create(s, bytes);
        if (!b) return NULL;
        b->next = s->scratch;
        s->scratch = b;
    }
    void *memory = block_data(s->scratch) + s->scratch->used;
    s->scratch->used += bytes;
    return memory;
}

static adze_status env_region(const adze_env *env, uint32_t index, const adze_value *in,
                              uint32_t n_in, adze_value *out, uint32_t n_out)
{
    (void)index, (void)in, (void)n_in, (void)out, (void)n_out;
    return env_error(env, ADZE_ERR_UNSUPPORTED, "the op has no region");
}

void adze_rt_env_init(adze_session *s)
{
    s->env.struct_size = sizeof s->env;
    s->env.flags = s->model->artifact->flags & ADZE_ARTIFACT_STRICT ? ADZE_ENV_STRICT : 0;
    s->env.self = s;
    s->env.output = env_output;
    s->env.scratch = env_scratch;
    s->env.region = env_region;
    s->env.error = env_error;
}

void adze_rt_env_run_begin(adze_session *s)
{
    adze_rt_block_list_spare(s, &s->kept);
    adze_rt_spare_begin(s);
}

void adze_rt_env_step_begin(adze_session *s)
{
    atomic_store_explicit(&s->step_error, ADZE_OK, memory_order_relaxed);
    if (!s->scratch) return;
    if (s->scratch->next) {
        uint64_t total = 0;
        for (block *b = s->scratch; b; b = b->next) total += b->used;
        if (total > s->scratch_wanted) s->scratch_wanted = total;
        adze_rt_block_list_free(s, &s->scratch);
    } else {
        s->scratch->used = 0;
    }
}
