/* Binding: from the dims of the inputs to the values of all symbols and sizes, then to memory.
 *
 * Memory is kept while it is big enough, so a caller that changes only pointers or goes back to a
 * smaller shape takes none. */
#include "internal.h"
#include <string.h>

static adze_status check_inputs_set(adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    char missing[ERROR_SIZE / 2] = "";
    size_t length = 0;
    bool any = false;
    for (uint32_t i = 0; i < a->n_inputs; i++) {
        if (s->slots[i].is_set) continue;
        const char *name = a->inputs[i].name;
        any = true;
        if (length + strlen(name) + 5 > sizeof missing) continue;
        for (const char *p = length ? ", " : ""; *p; p++) missing[length++] = *p;
        memcpy(missing + length, name, strlen(name) + 1);
        length += strlen(name);
    }
    return any ? adze_rt_fail(s->error, ADZE_ERR_MISSING, "no value for input: %s", missing)
               : ADZE_OK;
}

static adze_status eval_dims(adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    for (uint32_t i = 0; i < a->n_symbols; i++)
        s->symbols[i] = a->symbols[i].input == ADZE_ARTIFACT_LATE
                            ? 0
                            : s->slots[a->symbols[i].input].dims[a->symbols[i].dim];
    for (uint32_t i = 0; i < a->n_dims; i++) {
        if (adze_rt_dim_eval(&a->dims[i], s->symbols, &s->dims[i])) continue;
        s->dims[i] = 0;
        if (!s->is_late_dim[i])
            return adze_rt_fail(s->error, ADZE_ERR_DIM,
                                "with these inputs, a size of the model overflows");
    }
    return ADZE_OK;
}

static adze_status check_dim(adze_session *s, const slot *k, uint32_t d, const char *what)
{
    const adze_artifact *a = s->model->artifact;
    int64_t expected = s->dims[k->dim_index[d]], symbol;
    if (k->dims[d] == expected) return ADZE_OK;
    bool is_symbol = adze_rt_dim_is_symbol(&a->dims[k->dim_index[d]], &symbol);
    if (is_symbol && what[0] == 'i')
        return adze_rt_fail(s->error, ADZE_ERR_SYMBOL,
                            "input '%s': dim %u says %s = %lld but input '%s' says %lld",
                            k->info->name, d, a->symbols[symbol].name, (long long)k->dims[d],
                            a->inputs[a->symbols[symbol].input].name, (long long)expected);
    return adze_rt_fail(s->error, ADZE_ERR_DIM, "%s '%s': dim %u is %lld but %s = %lld", what,
                        k->info->name, d, (long long)k->dims[d], k->info->dims_text[d],
                        (long long)expected);
}

static adze_status check_slot(adze_session *s, const slot *k, const char *what)
{
    adze_status status = ADZE_OK;
    for (uint32_t d = 0; d < k->rank && !status; d++) status = check_dim(s, k, d, what);
    return status;
}

/* Symbols and all sizes from the inputs, which must agree with each other. */
static adze_status solve(adze_session *s)
{
    adze_status status = check_inputs_set(s);
    if (!status) status = eval_dims(s);
    for (uint32_t i = 0; i < s->model->artifact->n_inputs && !status; i++)
        status = check_slot(s, &s->slots[i], "input");
    return status;
}

/* Also computes the dims of the outputs that the caller did not give. */
static adze_status check_outputs(adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    for (uint32_t i = a->n_inputs; i < a->n_inputs + a->n_outputs; i++) {
        slot *k = &s->slots[i];
        if (k->is_late) continue;
        for (uint32_t d = 0; d < k->rank && !k->is_set; d++) k->dims[d] = s->dims[k->dim_index[d]];
        adze_status status = check_slot(s, k, "output");
        if (status) return status;
        if (!adze_rt_tensor_bytes(k->info->dtype, k->rank, k->dims, &k->bytes))
            return adze_rt_fail(s->error, ADZE_ERR_DIM,
                                "output '%s' would have a negative or absurd size", k->info->name);
    }
    return ADZE_OK;
}

/* UINT64_MAX if it is absurd. */
static uint64_t sum_arena(const adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    int64_t arena = s->dims[a->arena_bytes], scratch = s->dims[a->scratch_bytes], total;
    enum { SLACK = 63 };
    if (arena < 0 || scratch < 0 || arena > INT64_MAX - SLACK || scratch > INT64_MAX - SLACK)
        return UINT64_MAX;
    arena = (int64_t)align64((uint64_t)arena);
    if (__builtin_mul_overflow((int64_t)align64((uint64_t)scratch), (int64_t)s->n_workers,
                               &total) ||
        __builtin_add_overflow(total, arena, &total))
        return UINT64_MAX;
    return (uint64_t)total;
}

adze_status adze_rt_session_shapes(adze_session *s)
{
    if (s->has_shapes) return ADZE_OK;
    adze_status status = solve(s);
    if (!status) status = check_outputs(s);
    s->arena_bytes = status ? 0 : sum_arena(s);
    if (s->arena_bytes == UINT64_MAX)
        status = adze_rt_fail(s->error, ADZE_ERR_DIM,
                              "with these inputs, the model needs an absurd arena");
    s->has_shapes = !status;
    return status;
}

/* What a run found out about its sizes is not known before the next one. */
static adze_status forget_late(adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    for (uint32_t i = 0; i < a->n_symbols; i++)
        if (a->symbols[i].input == ADZE_ARTIFACT_LATE) return eval_dims(s);
    return ADZE_OK;
}

adze_status adze_session_output_dims(adze_session *s, uint32_t index, int64_t *out_dims)
{
    if (!s) return ADZE_ERR_ARGUMENT;
    if (index >= s->model->artifact->n_outputs || !out_dims)
        return adze_rt_fail(s->error, ADZE_ERR_ARGUMENT, "output_dims: no output %u", index);
    adze_status status = solve(s);
    if (status) return status;
    const slot *k = &s->slots[s->model->artifact->n_inputs + index];
    for (uint32_t d = 0; d < k->rank; d++)
        out_dims[d] = k->dim_index[d] == ADZE_ARTIFACT_DIM_UNKNOWN ? -1 : s->dims[k->dim_index[d]];
    return ADZE_OK;
}

adze_status adze_session_memory(adze_session *s, uint64_t *out_bytes)
{
    if (!s || !out_bytes) return ADZE_ERR_ARGUMENT;
    adze_status status = adze_rt_session_shapes(s);
    if (!status) *out_bytes = s->arena_bytes;
    return status;
}

static bool overlaps(const slot *a, const slot *b)
{
    uintptr_t x = (uintptr_t)a->data, y = (uintptr_t)b->data;
    return a->bytes && b->bytes && x < y + b->bytes && y < x + a->bytes;
}

static adze_status check_overlap(adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    for (uint32_t i = a->n_inputs; i < a->n_inputs + a->n_outputs; i++) {
        const slot *out = &s->slots[i];
        for (uint32_t k = 0; out->is_set && k < i; k++)
            if (s->slots[k].is_set && overlaps(out, &s->slots[k]))
                return adze_rt_fail(s->error, ADZE_ERR_ARGUMENT, "output '%s' overlaps %s '%s'",
                                    out->info->name, k < a->n_inputs ? "input" : "output",
                                    s->slots[k].info->name);
    }
    return ADZE_OK;
}

/* Makes *memory hold `bytes`; what it held is lost when it must grow. */
static bool reserve(adze_session *s, void **memory, uint64_t *capacity, uint64_t bytes)
{
    if (*memory && *capacity >= bytes) return true;
    adze_rt_session_free(s, *memory, *capacity);
    *memory = adze_rt_session_alloc(s, bytes);
    *capacity = *memory ? bytes : 0;
    return *memory != NULL;
}

static adze_status take_arena(adze_session *s, char **out_arena)
{
    uint64_t bytes = s->arena_bytes;
    void *memory = s->own_arena;
    if (s->given_arena) {
        *out_arena = s->given_arena;
        if (s->given_arena_bytes >= bytes) return ADZE_OK;
        return adze_rt_fail(s->error, ADZE_ERR_NO_MEMORY,
                            "the given arena has %llu bytes, the model needs %llu",
                            (unsigned long long)s->given_arena_bytes, (unsigned long long)bytes);
    }
    bool ok = reserve(s, &memory, &s->own_arena_bytes, bytes);
    s->own_arena = *out_arena = memory;
    return ok ? ADZE_OK
              : adze_rt_fail(s->error, ADZE_ERR_NO_MEMORY, "no memory for an arena of %llu bytes",
                             (unsigned long long)bytes);
}

static adze_status take_outputs(adze_session *s)
{
    const adze_artifact *a = s->model->artifact;
    for (uint32_t i = a->n_inputs; i < a->n_inputs + a->n_outputs; i++) {
        slot *k = &s->slots[i];
        if (k->is_set || k->is_late) continue;
        if (!reserve(s, &k->owned, &k->owned_bytes, k->bytes))
            return adze_rt_fail(s->error, ADZE_ERR_NO_MEMORY,
                                "no memory for output '%s' of %llu bytes", k->info->name,
                                (unsigned long long)k->bytes);
        k->data = k->owned;
    }
    return ADZE_OK;
}

adze_status adze_session_bind(adze_session *s)
{
    if (!s) return ADZE_ERR_ARGUMENT;
    if (s->is_bound) return ADZE_OK;
    s->has_run = false;
    char *arena = NULL;
    adze_status status = adze_rt_session_shapes(s);
    if (!status) status = forget_late(s);
    if (!status) status = check_overlap(s);
    if (!status) status = take_arena(s, &arena);
    if (!status) status = take_outputs(s);
    if (status) return status;
    const adze_artifact *a = s->model->artifact;
    for (uint32_t i = 0; i < a->n_inputs + a->n_outputs; i++) {
        slot *k = &s->slots[i];
        s->io[i] = k->is_late ? NULL : k->type ? &k->value : k->data;
    }
    s->frame.arena = arena;
    s->frame.scratch = arena + align64((uint64_t)s->dims[a->arena_bytes]);
    s->frame.scratch_bytes = align64((uint64_t)s->dims[a->scratch_bytes]);
    s->is_bound = true;
    return ADZE_OK;
}
