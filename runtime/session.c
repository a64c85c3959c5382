/* Sessions: what one thread needs to run a model, and what its caller gives to it. */
#include "internal.h"
#include <string.h>

static size_t session_bytes(const adze_artifact *a)
{
    size_t n_io = (size_t)a->n_inputs + a->n_outputs;
    return sizeof(adze_session) + n_io * (sizeof(slot) + sizeof(void *)) +
           ((size_t)a->n_symbols + a->n_dims) * sizeof(int64_t) +
           a->n_steps * (sizeof(step_times) + sizeof(step_back)) + a->n_late * (sizeof(adze_value) + sizeof(late)) +
           a->n_dims * sizeof(bool);
}

static adze_status check_options(const adze_session_options *o)
{
    if (o->struct_size != sizeof *o || o->n_threads > MAX_THREADS) return ADZE_ERR_ARGUMENT;
    if (o->pool && (o->parallel_for || o->n_threads)) return ADZE_ERR_ARGUMENT;
    if (o->parallel_for && o->n_threads == 0) return ADZE_ERR_ARGUMENT;
    if (o->allocator && (!o->allocator->alloc || !o->allocator->free)) return ADZE_ERR_ARGUMENT;
    return ADZE_OK;
}

static void lay_out(adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    uint32_t n_io = a->n_inputs + a->n_outputs;
    s->slots = (slot *)(void *)(s + 1);
    s->io = (void **)(s->slots + n_io);
    s->symbols = (int64_t *)(void *)(s->io + n_io);
    s->dims = s->symbols + a->n_symbols;
    s->times = (step_times *)(s->dims + a->n_dims);
    s->back = (step_back *)(void *)(s->times + a->n_steps);
    s->late_values = (adze_value *)(void *)(s->back + a->n_steps);
    s->late = (late *)(void *)(s->late_values + a->n_late);
    s->is_late_dim = (bool *)(s->late + a->n_late);
    for (uint32_t i = 0; i < n_io; i++) {
        slot *k = &s->slots[i];
        bool is_input = i < a->n_inputs;
        k->info = &s->model->io[i];
        k->dim_index = is_input ? a->inputs[i].dims : a->outputs[i - a->n_inputs].dims;
        k->rank = k->info->rank;
        k->type = a->io_types ? a->io_types[i] : NULL;
        k->is_late = k->type && !is_input;
        for (uint32_t d = 0; d < k->rank; d++) k->is_late |= k->dim_index[d] == ADZE_ARTIFACT_DIM_UNKNOWN;
    }
}

static adze_status choose_threads(adze_session *s, const adze_session_options *o)
{
    s->n_workers = 1;
    if (o->parallel_for) {
        s->parallel_for = o->parallel_for;
        s->parallel_self = o->parallel_for_self;
        s->n_workers = o->n_threads;
        return ADZE_OK;
    }
    adze_pool *pool = o->pool;
    if (o->n_threads > 1) {
        adze_status status = adze_rt_pool_create(o->n_threads, &s->allocator, &s->own_pool);
        if (status) return status;
        pool = s->own_pool;
    }
    if (!pool || adze_pool_num_threads(pool) < 2) return ADZE_OK;
    s->parallel_for = adze_pool_parallel_for;
    s->parallel_self = pool;
    s->n_workers = adze_pool_num_threads(pool);
    return ADZE_OK;
}

adze_status adze_session_create(const adze_model *model, const adze_session_options *options,
                                adze_session **out_session)
{
    static const adze_session_options defaults = {.struct_size = sizeof defaults};
    if (!out_session) return ADZE_ERR_ARGUMENT;
    *out_session = NULL;
    if (!options) options = &defaults;
    if (!model || !model->artifact || check_options(options)) return ADZE_ERR_ARGUMENT;
    if (!model->level) return ADZE_ERR_CPU;
    const adze_allocator *allocator = options->allocator ? options->allocator : &model->allocator;
    size_t bytes = session_bytes(model->artifact);
    if (options->max_memory && bytes > options->max_memory) return ADZE_ERR_NO_MEMORY;
    adze_session *s = adze_rt_model_alloc(allocator, bytes, 64);
    if (!s) return ADZE_ERR_NO_MEMORY;
    memset(s, 0, bytes);
    s->model = model;
    s->allocator = *allocator;
    s->max_memory = options->max_memory;
    s->memory = bytes;
    s->env.seed = options->seed;
    s->env.extension = options->extension ? options->extension : model->extension;
    s->env.extension_self = options->extension_self;
    s->fp_control = adze_rt_fp_control(model->artifact->flags & ADZE_ARTIFACT_STRICT);
    atomic_init(&s->step_error, ADZE_OK);
    lay_out(s);
    adze_rt_env_init(s);
    adze_rt_late_init(s);
    adze_status status = choose_threads(s, options);
    if (status) {
        adze_session_destroy(s);
        return status;
    }
    *out_session = s;
    return ADZE_OK;
}

void adze_session_destroy(adze_session *s)
{
    if (!s) return;
    const adze_artifact *a = s->model->artifact;
    adze_allocator allocator = s->allocator;
    adze_pool_destroy(s->own_pool);
    for (uint32_t i = 0; i < a->n_inputs + a->n_outputs; i++)
        adze_rt_session_free(s, s->slots[i].owned, s->slots[i].owned_bytes);
    adze_rt_session_free(s, s->own_arena, s->own_arena_bytes);
    adze_rt_block_list_free(s, &s->kept);
    adze_rt_block_list_free(s, &s->scratch);
    adze_rt_late_free(s); /* what it lets go of is spare */
    adze_rt_block_list_free(s, &s->spare);
    allocator.free(allocator.self, s, session_bytes(a));
}

const char *adze_session_error(const adze_session *s) { return s ? s->error : "no session"; }

/* Checks what does not depend on symbols. */
static adze_status check_value(adze_session *s, const slot *k, const adze_value *v,
                               const char *what)
{
    const adze_io_info *info = k->info;
    uint64_t bytes;
    const char *why = "";
    adze_status status = k->type ? adze_rt_check_type(v, k->type, &why) : ADZE_OK;
    if (status) return adze_rt_fail(s->error, status, "%s '%s': %s", what, info->name, why);
    if (k->type && !k->rank) return ADZE_OK;
    if (v->kind != ADZE_VALUE_TENSOR)
        return adze_rt_fail(s->error, ADZE_ERR_DTYPE, "%s '%s' must be a tensor", what, info->name);
    if (v->dtype != info->dtype)
        return adze_rt_fail(s->error, ADZE_ERR_DTYPE, "%s '%s' is %s but the model has %s", what,
                            info->name, adze_dtype_name((adze_dtype)v->dtype),
                            adze_dtype_name(info->dtype));
    if (v->rank != info->rank)
        return adze_rt_fail(s->error, ADZE_ERR_RANK, "%s '%s' has rank %u but the model has %u",
                            what, info->name, v->rank, info->rank);
    if (v->rank && !v->dims)
        return adze_rt_fail(s->error, ADZE_ERR_ARGUMENT, "%s '%s' comes without dims", what,
                            info->name);
    for (uint32_t d = 0; d < v->rank; d++) {
        if (v->dims[d] < 0)
            return adze_rt_fail(s->error, ADZE_ERR_DIM, "%s '%s': dim %u is %lld", what, info->name,
                                d, (long long)v->dims[d]);
        if (info->dims[d] >= 0 && info->dims[d] != v->dims[d])
            return adze_rt_fail(s->error, ADZE_ERR_DIM,
                                "%s '%s': dim %u is %lld but the model has %lld", what, info->name,
                                d, (long long)v->dims[d], (long long)info->dims[d]);
    }
    if (!adze_rt_tensor_bytes(v->dtype, v->rank, v->dims, &bytes))
        return adze_rt_fail(s->error, ADZE_ERR_DIM, "%s '%s' is too big", what, info->name);
    if (bytes && !v->data)
        return adze_rt_fail(s->error, ADZE_ERR_ARGUMENT, "%s '%s' comes without data", what,
                            info->name);
    if ((uintptr_t)v->data % adze_rt_alignment(info->dtype))
        return adze_rt_fail(s->error, ADZE_ERR_ALIGNMENT, "%s '%s' is not aligned to its element",
                            what, info->name);
    return ADZE_OK;
}

static void take_value(slot *k, const adze_value *v)
{
    k->value = *v;
    k->is_set = true;
    if (v->kind != ADZE_VALUE_TENSOR) return;
    if (v->rank) memcpy(k->dims, v->dims, v->rank * sizeof *v->dims);
    k->value.dims = k->dims;
    if (k->type && !k->rank) return;
    adze_rt_tensor_bytes(v->dtype, v->rank, v->dims, &k->bytes);
    k->data = v->data;
}

adze_status adze_session_set_input(adze_session *s, uint32_t index, const adze_value *value)
{
    if (!s) return ADZE_ERR_ARGUMENT;
    s->is_bound = false;
    if (index >= s->model->artifact->n_inputs || !value)
        return adze_rt_fail(s->error, ADZE_ERR_ARGUMENT, "set_input: no input %u or no value",
                            index);
    slot *k = &s->slots[index];
    adze_status status = check_value(s, k, value, "input");
    bool same = !status && k->is_set &&
                (!k->rank || memcmp(k->dims, value->dims, k->rank * sizeof *k->dims) == 0);
    if (!same) s->has_shapes = false;
    k->is_set = false;
    if (!status) take_value(k, value);
    return status;
}

adze_status adze_session_set_output(adze_session *s, uint32_t index, const adze_value *value)
{
    if (!s) return ADZE_ERR_ARGUMENT;
    s->is_bound = false;
    if (index >= s->model->artifact->n_outputs)
        return adze_rt_fail(s->error, ADZE_ERR_ARGUMENT, "set_output: no output %u", index);
    slot *k = &s->slots[s->model->artifact->n_inputs + index];
    k->is_set = false;
    s->has_shapes = false;
    if (!value) return ADZE_OK;
    if (k->is_late)
        return adze_rt_fail(
            s->error, ADZE_ERR_ARGUMENT,
            "output '%s' has a size that only a run knows, so no memory can be given for it",
            k->info->name);
    adze_status status = check_value(s, k, value, "output");
    if (!status) take_value(k, value);
    return status;
}

adze_status adze_session_set_arena(adze_session *s, void *memory, uint64_t bytes)
{
    if (!s) return ADZE_ERR_ARGUMENT;
    s->is_bound = false;
    if ((uintptr_t)memory % 64)
        return adze_rt_fail(s->error, ADZE_ERR_ALIGNMENT, "the arena is not aligned to 64 bytes");
    s->given_arena = memory;
    s->given_arena_bytes = memory ? bytes : 0;
    return ADZE_OK;
}
