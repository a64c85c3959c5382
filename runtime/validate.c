/* Checks an artifact's descriptor before anything in it is used: a file may be damaged, and
 * descriptors can be written by hand. Code and weights themselves are trusted, as any shared
 * object's are. */
#include "internal.h"

static adze_status check_io(const adze_artifact *a, bool is_output, char error[ERROR_SIZE])
{
    const adze_artifact_io *io = is_output ? a->outputs : a->inputs;
    uint32_t n = is_output ? a->n_outputs : a->n_inputs;
    const char *what = is_output ? "output" : "input";
    if (n && !io) return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: no table of %ss", what);
    for (uint32_t i = 0; i < n; i++) {
        if (!io[i].name)
            return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: %s %u has no name", what, i);
        if (io[i].dtype == ADZE_DTYPE_NONE || io[i].dtype >= ADZE_DTYPE_COUNT)
            return adze_rt_fail(error, ADZE_ERR_FORMAT,
                                "artifact: %s '%s' has unknown element type %u", what, io[i].name,
                                io[i].dtype);
        if (io[i].rank > ADZE_MAX_RANK || (io[i].rank && !io[i].dims))
            return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: %s '%s' has bad rank %u", what,
                                io[i].name, io[i].rank);
        for (uint32_t d = 0; d < io[i].rank; d++)
            if (io[i].dims[d] >= a->n_dims && !(is_output && io[i].dims[d] == ADZE_ARTIFACT_DIM_UNKNOWN))
                return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: %s '%s' has a bad dim index",
                                    what, io[i].name);
    }
    return ADZE_OK;
}

static bool is_tensor(const uint32_t *t)
{
    return t[0] == ADZE_VALUE_TENSOR && t[1] != ADZE_DTYPE_NONE && t[1] < ADZE_DTYPE_COUNT &&
           (t[2] <= ADZE_MAX_RANK || t[2] == ADZE_ARTIFACT_RANK_ANY);
}

static bool is_key(uint32_t dtype)
{
    adze_dtype_kind kind = adze_dtype_get_kind((adze_dtype)dtype);
    return kind == ADZE_KIND_STRING ||
           ((kind == ADZE_KIND_INT || kind == ADZE_KIND_UINT) && adze_dtype_bits((adze_dtype)dtype) >= 8);
}

static bool is_type(const uint32_t *t)
{
    for (int depth = 0; depth <= ADZE_ARTIFACT_MAX_NESTED; depth++, t++) {
        if (*t == ADZE_VALUE_MAP)
            return depth < ADZE_ARTIFACT_MAX_NESTED && is_key(t[1]) && is_tensor(t + 2) && t[4] == 0;
        if (*t != ADZE_VALUE_SEQUENCE && *t != ADZE_VALUE_OPTIONAL) return is_tensor(t);
    }
    return false;
}

static adze_status check_types(const adze_artifact *a, char error[ERROR_SIZE])
{
    for (uint32_t i = 0; a->io_types && i < a->n_inputs + a->n_outputs; i++) {
        const uint32_t *t = a->io_types[i];
        const adze_artifact_io *io = i < a->n_inputs ? &a->inputs[i] : &a->outputs[i - a->n_inputs];
        if (t && (!is_type(t) || (t[0] == ADZE_VALUE_TENSOR && t[1] != io->dtype) ||
                  (io->rank && (t[0] != ADZE_VALUE_TENSOR || t[2] != io->rank))))
            return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: '%s' has a malformed type", io->name);
    }
    return ADZE_OK;
}

static adze_status check_dims(const adze_artifact *a, char error[ERROR_SIZE])
{
    if (!a->dims || a->arena_bytes >= a->n_dims || a->scratch_bytes >= a->n_dims)
        return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: no sizes of arena and scratch");
    for (uint32_t i = 0; i < a->n_dims; i++)
        if (!adze_rt_dim_is_valid(&a->dims[i], a->n_symbols))
            return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: dim expression %u is malformed",
                                i);
    if (a->n_symbols && !a->symbols)
        return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: no table of symbols");
    for (uint32_t i = 0; i < a->n_symbols; i++) {
        const adze_artifact_symbol *s = &a->symbols[i];
        int64_t symbol;
        if (s->name && s->input == ADZE_ARTIFACT_LATE) continue;
        if (!s->name || s->input >= a->n_inputs || s->dim >= a->inputs[s->input].rank ||
            !adze_rt_dim_is_symbol(&a->dims[a->inputs[s->input].dims[s->dim]], &symbol) ||
            symbol != i)
            return adze_rt_fail(error, ADZE_ERR_FORMAT,
                                "artifact: no input dim gives symbol '%s' its value",
                                s->name ? s->name : "?");
    }
    return ADZE_OK;
}

static adze_status check_code(const adze_artifact *a, char error[ERROR_SIZE])
{
    if (a->n_steps && !a->steps)
        return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: no table of steps");
    for (uint32_t i = 0; i < a->n_steps; i++) {
        const adze_artifact_step *s = &a->steps[i];
        if (!s->name || (s->macs != UINT32_MAX && s->macs >= a->n_dims) ||
            (s->bytes != UINT32_MAX && s->bytes >= a->n_dims))
            return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: step %u is malformed", i);
    }
    if (!a->levels || !a->n_levels)
        return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: no code for any CPU");
    for (uint32_t i = 0; i < a->n_levels; i++) {
        const adze_artifact_level *level = &a->levels[i];
        if (!level->name || (a->n_steps && !level->steps))
            return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: level %u is malformed", i);
        for (uint32_t k = 0; k < a->n_steps; k++)
            if (!level->steps[k])
                return adze_rt_fail(error, ADZE_ERR_FORMAT,
                                    "artifact: level '%s' has no code for step %u", level->name, k);
    }
    return ADZE_OK;
}

static adze_status check_weights(const adze_artifact *a, char error[ERROR_SIZE])
{
    if (a->weights && a->weights_file)
        return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: weights both inside and in a file");
    if (a->weights_size && !a->weights && !a->weights_file)
        return adze_rt_fail(error, ADZE_ERR_FORMAT, "artifact: its weights are missing");
    if ((uintptr_t)a->weights % 64)
        return adze_rt_fail(error, ADZE_ERR_FORMAT,
                            "artifact: weights are not aligned to 64 bytes");
    return ADZE_OK;
}

adze_status adze_rt_artifact_check(const adze_artifact *a, char error[ERROR_SIZE])
{
    if (a->magic != ADZE_ARTIFACT_MAGIC)
        return adze_rt_fail(error, ADZE_ERR_FORMAT, "not an Adze artifact (bad magic number)");
    if (a->abi != ADZE_ABI)
        return adze_rt_fail(error, ADZE_ERR_ABI,
                            "artifact has binary interface %u, this runtime has %u", a->abi,
                            (unsigned)ADZE_ABI);
    if (a->struct_size < sizeof *a)
        return adze_rt_fail(error, ADZE_ERR_FORMAT,
                            "artifact descriptor is %u bytes, expected at least %zu",
                            a->struct_size, sizeof *a);
    adze_status status = check_io(a, false, error);
    if (!status) status = check_io(a, true, error);
    if (!status) status = check_types(a, error);
    if (!status) status = check_dims(a, error);
    if (!status) status = check_code(a, error);
    if (!status) status = check_weights(a, error);
    return status;
}
