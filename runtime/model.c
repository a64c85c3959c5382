/* Models: opening a descriptor that is linked in, choosing the level, describing inputs and
 * outputs. */
#include "internal.h"
#include <string.h>

adze_status adze_rt_model_create(const adze_open_options *options, adze_model **out_model)
{
    const adze_allocator *allocator = &adze_rt_malloc;
    if (options && options->allocator) allocator = options->allocator;
    *out_model = NULL;
    if (!allocator->alloc || !allocator->free) return ADZE_ERR_ARGUMENT;
    adze_model *model = adze_rt_model_alloc(allocator, sizeof *model, alignof(max_align_t));
    if (!model) return ADZE_ERR_NO_MEMORY;
    *model = (adze_model){.allocator = *allocator};
    *out_model = model;
    if (options && options->struct_size != sizeof *options)
        return adze_rt_fail(model->error, ADZE_ERR_ARGUMENT,
                            "open: options.struct_size is %u, expected %zu", options->struct_size,
                            sizeof *options);
    return ADZE_OK;
}

static adze_status choose_level(adze_model *model, const adze_open_options *options)
{
    const adze_artifact *a = model->artifact;
    uint64_t features = adze_cpu_features();
    const char *wanted = options ? options->level : NULL;
    if (options) features &= ~options->hide_features;
    for (uint32_t i = 0; i < a->n_levels; i++) {
        const adze_artifact_level *level = &a->levels[i];
        if (wanted && strcmp(wanted, level->name) != 0) continue;
        if (level->features & ~features || adze_rt_cpu_enable(level->features)) {
            if (wanted)
                return adze_rt_fail(model->error, ADZE_ERR_CPU, "this CPU cannot run level '%s'",
                                    wanted);
            continue;
        }
        model->level = level;
        return ADZE_OK;
    }
    if (wanted)
        return adze_rt_fail(model->error, ADZE_ERR_ARGUMENT, "the artifact has no level '%s'",
                            wanted);
    return adze_rt_fail(model->error, ADZE_ERR_CPU,
                        "the CPU is too old: the artifact needs at least level '%s'",
                        a->levels[a->n_levels - 1].name);
}

static const adze_artifact_io *io_row(const adze_artifact *a, uint32_t i)
{
    return i < a->n_inputs ? &a->inputs[i] : &a->outputs[i - a->n_inputs];
}

static size_t text_of(const adze_artifact *a, uint32_t dim, char *out, size_t size)
{
    if (dim != ADZE_ARTIFACT_DIM_UNKNOWN) return adze_rt_dim_text(&a->dims[dim], a->symbols, out, size);
    if (size > 1) memcpy(out, "?", 2);
    return 1;
}

/* One block: the infos, then for all of them dim values, text pointers and texts. */
static adze_status describe(adze_model *model)
{
    const adze_artifact *a = model->artifact;
    size_t n = (size_t)a->n_inputs + a->n_outputs, n_dims = 0, text_bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        const adze_artifact_io *row = io_row(a, i);
        n_dims += row->rank;
        for (uint32_t d = 0; d < row->rank; d++)
            text_bytes += text_of(a, row->dims[d], NULL, 0) + 1;
    }
    model->io_bytes =
        n * sizeof *model->io + n_dims * (sizeof(int64_t) + sizeof(char *)) + text_bytes;
    if (model->io_bytes == 0) return ADZE_OK;
    model->io = adze_rt_model_alloc(&model->allocator, model->io_bytes, alignof(max_align_t));
    if (!model->io) return adze_rt_fail(model->error, ADZE_ERR_NO_MEMORY, "out of memory");

    int64_t *dims = (int64_t *)(model->io + n);
    const char **texts = (const char **)(dims + n_dims);
    char *text = (char *)(texts + n_dims), *end = text + text_bytes;
    for (uint32_t i = 0; i < n; i++) {
        const adze_artifact_io *row = io_row(a, i);
        model->io[i] = (adze_io_info){row->name, (adze_dtype)row->dtype, row->rank, dims, texts};
        for (uint32_t d = 0; d < row->rank; d++) {
            *dims++ =
                row->dims[d] == ADZE_ARTIFACT_DIM_UNKNOWN ? -1 : adze_rt_dim_fixed(&a->dims[row->dims[d]]);
            *texts++ = text;
            text += text_of(a, row->dims[d], text, (size_t)(end - text)) + 1;
        }
    }
    return ADZE_OK;
}

adze_status adze_rt_model_finish(adze_model *model, const adze_artifact *artifact,
                                 const adze_open_options *options, const char *folder,
                                 size_t folder_size)
{
    adze_status status = adze_rt_artifact_check(artifact, model->error);
    if (status) return status;
    model->artifact = artifact;
    status = choose_level(model, options);
    if (status == ADZE_ERR_CPU && options && options->describe_only) status = ADZE_OK;
    if (!status) status = describe(model);
    if (!status) status = adze_rt_weights_open(model, folder, folder_size);
    return status;
}

adze_status adze_model_open_linked(const adze_artifact *artifact, const adze_open_options *options,
                                   adze_model **out_model)
{
    if (!out_model) return ADZE_ERR_ARGUMENT;
    adze_status status = adze_rt_model_create(options, out_model);
    if (status) return status;
    adze_model *model = *out_model;
    if (!artifact) return adze_rt_fail(model->error, ADZE_ERR_ARGUMENT, "open: no artifact");
    const char *folder = options && options->weights_folder ? options->weights_folder : ".";
    status = adze_rt_model_finish(model, artifact, options, folder, strlen(folder));
    if (status) model->artifact = NULL;
    return status;
}

void adze_model_close(adze_model *model)
{
    if (!model) return;
    adze_allocator allocator = model->allocator;
    adze_rt_weights_close(model);
    if (model->io) allocator.free(allocator.self, model->io, model->io_bytes);
    if (model->library) model->unload(model->library);
    allocator.free(allocator.self, model, sizeof *model);
}

const char *adze_model_error(const adze_model *model)
{
    return model ? model->error : "out of memory";
}

uint32_t adze_model_num_inputs(const adze_model *model)
{
    return model && model->artifact ? model->artifact->n_inputs : 0;
}

uint32_t adze_model_num_outputs(const adze_model *model)
{
    return model && model->artifact ? model->artifact->n_outputs : 0;
}

uint32_t adze_model_num_steps(const adze_model *model)
{
    return model && model->artifact ? model->artifact->n_steps : 0;
}

adze_status adze_model_input(const adze_model *model, uint32_t index, adze_io_info *out_info)
{
    if (!out_info || index >= adze_model_num_inputs(model)) return ADZE_ERR_ARGUMENT;
    *out_info = model->io[index];
    return ADZE_OK;
}

adze_status adze_model_output(const adze_model *model, uint32_t index, adze_io_info *out_info)
{
    if (!out_info || index >= adze_model_num_outputs(model)) return ADZE_ERR_ARGUMENT;
    *out_info = model->io[model->artifact->n_inputs + index];
    return ADZE_OK;
}

const uint32_t *adze_model_input_type(const adze_model *model, uint32_t index)
{
    bool known = index < adze_model_num_inputs(model) && model->artifact->io_types;
    return known ? model->artifact->io_types[index] : NULL;
}

const uint32_t *adze_model_output_type(const adze_model *model, uint32_t index)
{
    bool known = index < adze_model_num_outputs(model) && model->artifact->io_types;
    return known ? model->artifact->io_types[model->artifact->n_inputs + index] : NULL;
}

static int64_t find(const adze_artifact_io *io, uint32_t n, const char *name)
{
    for (uint32_t i = 0; name && i < n; i++)
        if (strcmp(io[i].name, name) == 0) return i;
    return -1;
}

int64_t adze_model_find_input(const adze_model *model, const char *name)
{
    uint32_t n = adze_model_num_inputs(model);
    return n ? find(model->artifact->inputs, n, name) : -1;
}

int64_t adze_model_find_output(const adze_model *model, const char *name)
{
    uint32_t n = adze_model_num_outputs(model);
    return n ? find(model->artifact->outputs, n, name) : -1;
}

const char *adze_model_level(const adze_model *model)
{
    return model && model->level ? model->level->name : "";
}

const adze_artifact *adze_model_artifact(const adze_model *model)
{
    return model ? model->artifact : NULL;
}
